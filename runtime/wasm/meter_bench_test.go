package wasm_test

import (
	"os"
	"testing"

	"github.com/marketprism/prismrt/runtime/wasm"
)

// How long rewriting takes, beside reading: BenchmarkParse.
func BenchmarkRewrite(b *testing.B) {
	module, err := os.ReadFile("../../sdk/go/examples/normalise/normalise.wasm")
	if err != nil {
		b.Skip("make guests builds what is rewritten here")
	}
	b.SetBytes(int64(len(module)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := wasm.Meter(module); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkCorpus reads and rewrites a thousand modules that nobody here wrote: the
// first of the specification's tests that can be rewritten. What rewritten code
// costs is measured in the folder bench.
func BenchmarkCorpus(b *testing.B) {
	var modules [][]byte
	size := int64(0)
	for _, file := range specification(b) {
		module, err := os.ReadFile(file)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := wasm.Meter(module); err == nil && len(modules) < 1000 {
			modules = append(modules, module)
			size += int64(len(module))
		}
	}
	b.SetBytes(size)
	b.ReportAllocs()
	for b.Loop() {
		for _, module := range modules {
			if _, err := wasm.Meter(module); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(len(modules)), "modules")
}
