package prism

import "github.com/marketprism/prismrt/sdk/go/internal/host"

// Config returns the value the operator granted under key in the plugin's manifest ([grants] config).
// It reports false when the key is not set; a key set to "" is set.
func Config(key string) (string, bool) { return lookUp(host.ConfigGet, key) }

// lookUp returns what get copies, however long it is.
func lookUp(get func(key string, value []byte) int, key string) (string, bool) {
	value := make([]byte, 128)
	for {
		n := get(key, value)
		if n < 0 {
			return "", false
		}
		if n <= len(value) {
			return string(value[:n]), true
		}
		value = make([]byte, n)
	}
}
