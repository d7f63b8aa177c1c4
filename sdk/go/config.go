package prism

import "github.com/marketprism/prismrt/sdk/go/internal/host"

// Config returns the value the operator granted under key in the plugin's manifest ([grants] config).
// It reports false when the key is not set; a key set to "" is set.
func Config(key string) (string, bool) {
	value := make([]byte, 128)
	for {
		n := host.ConfigGet(key, value)
		if n < 0 {
			return "", false
		}
		if n <= len(value) {
			return string(value[:n]), true
		}
		value = make([]byte, n)
	}
}
