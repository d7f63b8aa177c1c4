package kernel

import "strconv"

// Map counts words, looks some of them up and removes some.
func Map(n int32) int32 {
	words := make([]string, 512)
	for i := range words {
		words[i] = "word-" + strconv.Itoa(i*i)
	}
	r := random(1)
	var checksum uint32
	for range n {
		counts := make(map[string]uint32)
		for range 2000 {
			counts[words[r.next()%uint32(len(words))]]++
		}
		for i := 0; i < len(words); i += 3 {
			delete(counts, words[i])
		}
		for _, word := range words {
			if count, ok := counts[word]; ok {
				checksum = mix(checksum, count)
			}
		}
	}
	return int32(checksum)
}
