package engine_test

import (
	"context"
	"testing"

	"github.com/marketprism/prismrt/runtime/engine"
	"github.com/marketprism/prismrt/runtime/task"
)

// A birth is what every call costs until instances are rewound: instantiate,
// initialise, and take down.
func BenchmarkBirth(b *testing.B) {
	for name, tt := range map[string]struct {
		abi    task.ABI
		module []byte
	}{
		"guest=go-reactor": {task.ABIPrism, guest(b, task.ABIPrism)},
		"guest=go-command": {task.ABICommand, guest(b, task.ABICommand)},
		"guest=empty":      {task.ABICommand, trapping},
	} {
		b.Run(name, func(b *testing.B) {
			p := compile(b, newEngine(b, engine.Options{}), tt.abi, tt.module)
			b.ReportAllocs()
			for b.Loop() {
				i, err := p.Instantiate(b.Context(), nil)
				if err != nil {
					b.Fatal(err)
				}
				if err := i.Close(context.Background()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
