package bench_test

import (
	"bytes"
	"encoding/base64"
	"hash/crc32"
	"hash/fnv"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// The same work as the kernels', by Go's library where it has it.

func mix(checksum, value uint32) uint32 { return checksum*31 + value }

// xorshift returns the next numbers of the kernels' generator.
func xorshift() func() uint32 {
	x := uint32(1)
	return func() uint32 {
		x ^= x << 13
		x ^= x >> 17
		x ^= x << 5
		return x
	}
}

func sum(n int32) int32 {
	next := xorshift()
	var sum uint32
	for range 1 << 22 {
		sum += next()
	}
	return n * int32(sum)
}

func sorted(count int, descending bool) func(int32) int32 {
	return func(n int32) int32 {
		next := xorshift()
		values := make([]uint32, count)
		var checksum uint32
		for range n {
			for i := range values {
				values[i] = next()
			}
			slices.Sort(values)
			if descending {
				slices.Reverse(values)
			}
			for _, v := range values {
				checksum = mix(checksum, v)
			}
		}
		return int32(checksum)
	}
}

func base64Text(n int32) int32 {
	next := xorshift()
	data := make([]byte, 3*1024+1)
	for i := range data {
		data[i] = byte(next())
	}
	var checksum uint32
	for round := range n {
		data[round]++
		for _, c := range []byte(base64.StdEncoding.EncodeToString(data)) {
			checksum = mix(checksum, uint32(c))
		}
	}
	return int32(checksum)
}

func checksum(n int32) int32 {
	data := make([]byte, 1024)
	for i := range data {
		data[i] = byte(i)
	}
	return int32(crc32.ChecksumIEEE(bytes.Repeat(data, int(n))))
}

func stringHash(n int32) int32 {
	var checksum uint32
	for i := range int(n) {
		hash := fnv.New32a()
		hash.Write([]byte("market/" + strconv.Itoa(i%1000) + "/order/" + strconv.Itoa(i)))
		checksum = mix(checksum, hash.Sum32())
	}
	return int32(checksum)
}

// text is the string of kernels/c/text.h.
func text() string {
	source, err := os.ReadFile("kernels/c/text.h")
	if err != nil {
		panic(err)
	}
	var text strings.Builder
	for _, literal := range regexp.MustCompile(`(?m)^\t(".*")`).FindAllSubmatch(source, -1) {
		line, err := strconv.Unquote(string(literal[1]))
		if err != nil {
			panic(err)
		}
		text.WriteString(line)
	}
	return text.String()
}

func tokens(n int32) int32 {
	// A group a kind, in the order of the kernel's enumeration.
	token := regexp.MustCompile(`([A-Za-z_]\w*)|(\d[\w.]*)|("(?:\\.|[^"\\])*")|((?s:/\*.*?\*/)|//[^\n]*)|` +
		`([=!*/<>+&|-]=|<<|>>|\+\+|&&|\|\||--|->|[^\s])`)
	var checksum uint32
	text := text()
	for range n {
		for _, match := range token.FindAllStringSubmatchIndex(text, -1) {
			for kind := 1; kind <= 5; kind++ {
				if match[2*kind] >= 0 {
					checksum = mix(mix(checksum, uint32(kind)), uint32(match[1]-match[0]))
				}
			}
		}
	}
	return int32(checksum)
}

func matches(n int32) int32 {
	source, err := os.ReadFile("kernels/c/regex.c")
	if err != nil {
		panic(err)
	}
	var patterns []*regexp.Regexp
	for _, literal := range regexp.MustCompile(`(?m)^\t(".*"),$`).FindAllSubmatch(source, -1) {
		pattern, err := strconv.Unquote(string(literal[1]))
		if err != nil {
			panic(err)
		}
		patterns = append(patterns, regexp.MustCompile(pattern))
	}
	var checksum uint32
	for range n {
		for line := range strings.Lines(text()) {
			for _, pattern := range patterns {
				var matched uint32
				if pattern.MatchString(strings.TrimSuffix(line, "\n")) {
					matched = 1
				}
				checksum = mix(checksum, matched)
			}
		}
	}
	return int32(checksum)
}
