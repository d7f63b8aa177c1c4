// A program that burns fuel in three functions: 60, 30 and 10 hundredths of it. Its
// input is a letter for each function that is called, and the number of turns.
package main

import "os"

//go:noinline
func parsePrice(turns uint32) uint32 {
	x := turns
	for i := range turns {
		x = (x^x>>7)*1664525 + i
	}
	return x
}

//go:noinline
func checksum(turns uint32) uint32 {
	x := turns
	for i := range turns {
		x = (x^x>>7)*22695477 + i
	}
	return x
}

//go:noinline
func render(turns uint32) uint32 {
	x := turns
	for i := range turns {
		x = (x^x>>7)*1103515245 + i
	}
	return x
}

var sink uint32

func main() {
	var input [32]byte
	n, err := os.Stdin.Read(input[:])
	if err != nil {
		os.Exit(1)
	}
	turns := uint32(0)
	for _, c := range input[:n] {
		if c >= '0' && c <= '9' {
			turns = turns*10 + uint32(c-'0')
		}
	}
	for _, c := range input[:n] {
		switch c {
		case 'p':
			sink += parsePrice(6 * turns)
		case 'c':
			sink += checksum(3 * turns)
		case 'r':
			sink += render(turns)
		}
	}
}
