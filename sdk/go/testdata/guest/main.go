// Guest tells what it draws at random, and what it knows of the call. The server's tests build it.
package main

import (
	"context"
	crand "crypto/rand"
	"errors"
	"fmt"
	"hash/maphash"
	v1 "math/rand"
	"math/rand/v2"
	"strconv"
	"time"

	prism "github.com/marketprism/prismrt/sdk/go"
)

var (
	atStart  = prism.Rand()
	resumed  = prism.Rand()
	another  = rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64()))
	seed     = maphash.MakeSeed()
	hooks    string
	ordering = map[int]bool{}
)

func init() {
	prism.Handle(draw)
	prism.OnResume(func() { hooks += "first " })
	prism.OnResume(func() { hooks += "second"; resumed = prism.Rand() })
	for i := range 100 {
		ordering[i] = true
	}
}

func main() {}

// draw answers a line for each source: its name and what it gave.
func draw(context.Context, []byte) ([]byte, error) {
	var out []byte
	line := func(name string, value any) { out = fmt.Appendln(out, name, value) }
	line("math/rand", v1.Int63())
	line("math/rand/v2", rand.Int64())
	line("more", many())
	line("crypto/rand", crand.Text())
	line("maphash.MakeSeed", maphash.String(maphash.MakeSeed(), ""))
	line("map", order())
	line("prism.Rand", prism.Rand().Int64())
	line("resumed", resumed.Int64())
	line("time", time.Now().UnixNano())
	line("started:prism.Rand", atStart.Int64())
	line("started:rand.New", another.Int64())
	line("started:maphash", maphash.String(seed, ""))
	line("started:hooks", hooks)
	return out, nil
}

// many draws through several batches of Go's generator.
func many() (sum uint64) {
	for range 1000 {
		sum = sum*31 + rand.Uint64()
	}
	return sum
}

// order goes through a map more than once, since there are not many orders.
func order() (sum uint64) {
	for range 10 {
		for key := range ordering {
			sum = sum*31 + uint64(key)
		}
	}
	return sum
}

//go:wasmexport about
func about() int32 {
	return prism.Run(func(context.Context, []byte) ([]byte, error) {
		until := "none"
		if deadline, ok := prism.Deadline(); ok {
			until = strconv.FormatInt(deadline.UnixMilli(), 10)
		}
		return fmt.Append(nil, prism.RequestID(), " ", prism.Function(), " ", prism.Plugin(), " ", prism.Version(), " ", until), nil
	})
}

// advance tells twice how far it is.
//
//go:wasmexport advance
func advance() int32 {
	return prism.Run(func(_ context.Context, in []byte) ([]byte, error) {
		prism.Progress(1, 2, string(in))
		prism.Log(prism.LevelWarn, string(in))
		prism.Progress(5_000_000_000, 0, "")
		return nil, nil
	})
}

//go:wasmexport configured
func configured() int32 {
	return prism.Run(func(_ context.Context, key []byte) ([]byte, error) {
		value, ok := prism.Config(string(key))
		if !ok {
			return nil, errors.New("it is not set")
		}
		return []byte(value), nil
	})
}

// stream copies its input to its output, as a whole.
//
//go:wasmexport stream
func stream() int32 {
	return prism.Run(func(_ context.Context, in []byte) ([]byte, error) { return in, nil })
}

//go:wasmexport refuse
func refuse() int32 {
	return prism.Run(func(context.Context, []byte) ([]byte, error) { return nil, errors.New("as it was told") })
}

//go:wasmexport panic
func panics() int32 {
	return prism.Run(func(context.Context, []byte) ([]byte, error) { panic("it panicked as it was told") })
}
