package kernel

import "regexp"

var line = regexp.MustCompile(`(?m)^(\S+) +(info|warn|error) +(\w+): (?:(GET|POST) (\S+)|.*?code=(\d+)|.*)`)

const journal = `2026-11-23T09:14:07.122Z info  gateway: GET /v1/books/BTC-USDT?depth=20 200 1.84ms
2026-11-23T09:14:07.381Z warn  feed: gap of 3 updates, asking for a snapshot of ETH-PERP
2026-11-23T09:14:08.006Z error feed: peer 10.4.17.203 closed the connection, code=1006
  continued without a time
2026-11-23T09:14:09.940Z info  gateway: POST /v1/orders 422 0.61ms id=7f3a90c2
`

// Regexp finds the parts of the lines of a journal.
func Regexp(n int32) int32 {
	var checksum uint32
	for range n {
		for _, match := range line.FindAllStringSubmatchIndex(journal, -1) {
			for _, at := range match {
				checksum = mix(checksum, uint32(at))
			}
		}
	}
	return int32(checksum)
}
