package memory

import (
	"fmt"
	"testing"
	"time"
)

// size writes bytes as people do.
func size(n int) string {
	if n >= 1<<20 {
		return fmt.Sprintf("%dMiB", n>>20)
	}
	return fmt.Sprintf("%dKiB", n>>10)
}

// BenchmarkRewind writes one byte to each of some pages, spread evenly, and puts
// them back. ns/op has the page faults of the writes, which are the price of the
// rewind before; rewind-ns/op is the rewind alone.
func BenchmarkRewind(b *testing.B) {
	for _, dirty := range []int{1, 4, 16, 64, 256, 1024, 4096} {
		for _, length := range []int{64 << 10, 128 << 10, 512 << 10, 1 << 20, 2 << 20, 4 << 20, 16 << 20, 64 << 20} {
			if dirty*pageSize > length {
				continue
			}
			for _, way := range []Way{Scan, Copy, Drop} {
				b.Run(fmt.Sprintf("dirty=%d/image=%s/way=%s", dirty, size(length), way), func(b *testing.B) {
					m := adopted(b, way, ones(length))
					call := func() {
						for at := 0; at < length; at += length / dirty {
							m.bytes[at]++
						}
					}
					rewind := func() {
						m.age = 1 // pages are never dropped for their age
						if way == Copy {
							m.putBackAll() // however long it is
						} else {
							m.putBack()
						}
					}
					call()
					rewind()
					var spent time.Duration
					for b.Loop() {
						call()
						start := time.Now()
						rewind()
						spent += time.Since(start)
					}
					b.ReportMetric(float64(spent.Nanoseconds())/float64(b.N), "rewind-ns/op")
				})
			}
		}
	}
}

// BenchmarkScan shows what mappings add to a scan: an image of 8 MiB in some runs,
// two pages written.
func BenchmarkScan(b *testing.B) {
	for _, runs := range []int{1, 2, 4, 8} {
		b.Run(fmt.Sprintf("runs=%d", runs), func(b *testing.B) {
			contents := make([]byte, 8<<20)
			for k := range runs {
				at := k * len(contents) / runs
				for p := range 16 {
					contents[at+p*pageSize] = 1
				}
			}
			m := adopted(b, Scan, contents)
			for b.Loop() {
				m.bytes[0]++
				m.bytes[len(m.bytes)/2]++
				m.putBack()
			}
		})
	}
}

// BenchmarkAdopt is the birth and the end of a memory.
func BenchmarkAdopt(b *testing.B) {
	for _, runs := range []int{1, 2, 4, 8} {
		b.Run(fmt.Sprintf("runs=%d", runs), func(b *testing.B) {
			contents := make([]byte, 8<<20)
			for k := range runs {
				contents[k*len(contents)/runs] = 1
			}
			i, err := NewImage(contents)
			if err != nil {
				b.Fatal(err)
			}
			defer i.Close()
			for b.Loop() {
				m, err := Reserve(64 << 20)
				if err != nil {
					b.Fatal(err)
				}
				if err := m.Adopt(i); err != nil {
					b.Fatal(err)
				}
				m.Free()
			}
		})
	}
}

func ones(length int) []byte {
	b := make([]byte, length)
	for k := range b {
		b[k] = 1
	}
	return b
}

func adopted(b *testing.B, way Way, contents []byte) *Memory {
	b.Helper()
	m := reserved(b, way, len(contents))
	adopt(b, m, imageOf(b, contents))
	return m
}
