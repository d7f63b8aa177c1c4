package kernel

import (
	"encoding/json"
	"hash/crc32"
)

type order struct {
	ID       int64             `json:"id"`
	Symbol   string            `json:"symbol"`
	Side     string            `json:"side"`
	Price    float64           `json:"price"`
	Size     float64           `json:"size"`
	Open     bool              `json:"open"`
	Note     *string           `json:"note"`
	Tags     []string          `json:"tags"`
	Labels   map[string]string `json:"labels"`
	Children []order           `json:"children,omitempty"`
}

const document = `{
	"id": 7000000000001, "symbol": "BTC-USDT", "side": "buy", "price": 97123.5, "size": 0.0125, "open": true, "note": null,
	"tags": ["maker", "post-only"], "labels": {"desk": "night", "strategy": "\u00fcber \"quoted\""},
	"children": [
		{"id": 7000000000002, "symbol": "BTC-USDT", "side": "buy", "price": 97123.5, "size": 0.005, "open": false, "note": "filled", "tags": [], "labels": {}},
		{"id": 7000000000003, "symbol": "BTC-USDT", "side": "buy", "price": 97120.25, "size": 7.5e-3, "open": true, "note": null, "tags": ["iceberg"], "labels": null}
	]
}`

// JSON decodes a document of 555 bytes, changes it and encodes it again.
func JSON(n int32) int32 {
	var checksum uint32
	for i := range n {
		var o order
		if err := json.Unmarshal([]byte(document), &o); err != nil {
			panic(err)
		}
		o.ID += int64(i)
		o.Children[0].Price -= float64(i%100) / 4
		out, err := json.Marshal(o)
		if err != nil {
			panic(err)
		}
		checksum = mix(checksum, crc32.ChecksumIEEE(out))
	}
	return int32(checksum)
}
