package memory

import (
	"bytes"
	"cmp"
	"slices"
)

// An instance's mapping costs 8 us at its birth and end, 0.3 us in every scan and
// some 200 bytes of the kernel's memory; a page in an image's file is paid once.
const (
	// maxRuns bounds the runs of one image. Each is a mapping and splits one. A process may
	// have 65,530 (sysctl vm.max_map_count).
	maxRuns = 8

	// maxDeltaRuns bounds those of a delta, which has its base's besides, so that a memory
	// has 113 mappings at most, and some 500 memories of that kind are possible. What an
	// interpreter writes while it reads a script is scattered: with 8 runs a script in Python
	// took 2.9 MB, with 48 it takes 1.4, of which 0.9 differ; its calls take as long.
	maxDeltaRuns = 48

	// Gaps of so many bytes are always joined. In an image they are zeros, which stay
	// holes of the file until they are read, once for all instances: with one mapping
	// instead of ten, rewinding a program in Go took 6.2 us and not 8.6, and a birth 45
	// of 225 us less. In a delta they are a copy of what the base has.
	joinZeros = 1 << 20
	joinEqual = 8 << 10
)

// run is a stretch of an image's pages that lie in its own file.
type run struct {
	offset, length int   // in the image, in bytes
	at             int64 // in the file
}

func (r run) end() int { return r.offset + r.length }

// differing gives the runs of pages where contents are not as base, which zeros
// follow.
func differing(base, contents []byte) []run {
	var runs []run
	for at := 0; at < len(contents); at += pageSize {
		if bytes.Equal(pageAt(contents, at), pageAt(base, at)) {
			continue
		}
		if n := len(runs); n > 0 && runs[n-1].end() == at {
			runs[n-1].length += pageSize
		} else {
			runs = append(runs, run{offset: at, length: pageSize})
		}
	}
	return runs
}

// join joins runs across the smallest gaps until there are no more than most
// and no gap is as small as always, and gives them their places in the file.
func join(runs []run, most, always int) []run {
	gap := func(k int) int { return runs[k+1].offset - runs[k].end() }
	gaps := make([]int, max(0, len(runs)-1)) // gap k is between runs k and k+1
	for k := range gaps {
		gaps[k] = k
	}
	slices.SortFunc(gaps, func(a, b int) int { return cmp.Compare(gap(a), gap(b)) })
	closed := make([]bool, len(runs))
	for n, k := range gaps {
		closed[k] = n < len(runs)-most || gap(k) <= always
	}
	var joined []run
	var at int64
	for k, r := range runs {
		if k > 0 && closed[k-1] {
			last := &joined[len(joined)-1]
			at += int64(r.end() - last.end())
			last.length = r.end() - last.offset
			continue
		}
		r.at = at
		at += int64(r.length)
		joined = append(joined, r)
	}
	return joined
}
