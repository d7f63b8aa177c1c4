package kernel

import (
	"cmp"
	"slices"
)

type quote struct {
	price uint32
	venue string
}

// Sort sorts 2,000 structs by two of their fields.
func Sort(n int32) int32 {
	venues := []string{"binance", "bitstamp", "deribit", "okx"}
	quotes := make([]quote, 2000)
	r := random(1)
	var checksum uint32
	for range n {
		for i := range quotes {
			quotes[i] = quote{price: r.next() % 1000, venue: venues[r.next()%4]}
		}
		slices.SortFunc(quotes, func(a, b quote) int {
			return cmp.Or(cmp.Compare(a.price, b.price), cmp.Compare(a.venue, b.venue))
		})
		for _, q := range quotes {
			checksum = mix(mix(checksum, q.price), uint32(q.venue[1]))
		}
	}
	return int32(checksum)
}
