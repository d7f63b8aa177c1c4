// Command json is a program as anyone would write it, which knows nothing of
// prismrt: it reads an order from standard input and writes what it comes to.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
)

type order struct {
	Symbol string            `json:"symbol"`
	Side   string            `json:"side"`
	Fills  [][2]float64      `json:"fills"` // price and quantity
	Tags   map[string]string `json:"tags"`
}

type total struct {
	Symbol   string            `json:"symbol"`
	Quantity float64           `json:"quantity"`
	Notional float64           `json:"notional"`
	Tags     map[string]string `json:"tags"`
}

func main() {
	var o order
	if err := json.NewDecoder(os.Stdin).Decode(&o); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	t := total{Symbol: strings.ToUpper(o.Symbol), Tags: o.Tags}
	for _, fill := range o.Fills {
		t.Quantity += fill[1]
		t.Notional += fill[0] * fill[1]
	}
	if o.Side == "sell" {
		t.Quantity = -t.Quantity
	}
	if err := json.NewEncoder(os.Stdout).Encode(t); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
