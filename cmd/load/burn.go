package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	goruntime "runtime"
	"strconv"
	"time"

	"github.com/marketprism/prismrt/cmd/internal/commandline"
	"github.com/marketprism/prismrt/cmd/internal/served"
	"github.com/marketprism/prismrt/cmd/internal/terminal"
	"github.com/marketprism/prismrt/sdk/client"
)

// burnt is what the guest that computes answers.
const burnt = "ok"

// burning is a server with plugins that compute for as long as their input says.
type burning struct {
	*served.Process
	input    []byte        // for a call of the length that is wanted
	took     time.Duration // that of the input, the only call then
	deadline time.Duration // of every call, as Prism-Timeout
	capacity counts        // in a closed loop
	used     usage         // of the machine, meanwhile
	random   *rand.Rand    // always from the same beginning
}

// load are the flags that fairness and overload share.
type load struct {
	Work        time.Duration `default:"${work}" help:"Processor time of a call, about; it is found out how much work that is."`
	Deadline    time.Duration `default:"${deadline}" help:"Prism-Timeout of every call."`
	Seconds     float64       `default:"${seconds}" help:"How long each load is measured."`
	Warm        time.Duration `default:"1s" help:"How long it is there before that."`
	Policy      string        `default:"fair" enum:"fair,fifo,priority" help:"[scheduler] policy of the server."`
	Outstanding int           `default:"2048" help:"Requests of an open loop that may wait for answers at once. What is due beyond is counted and not sent."`
}

func (l *load) check() error {
	if l.Work < 100*time.Microsecond || l.Deadline < time.Millisecond || l.Seconds <= 0 || l.Warm < 0 || l.Outstanding < 1 {
		return commandline.Misuse(errors.New("--work must be at least 100us and --deadline 1ms; --seconds and --outstanding must be over 0"))
	}
	return nil
}

// startBurning starts a server with such plugins and finds out what it can do.
func (l *load) startBurning(ctx context.Context, g *globals, plugins ...string) (b *burning, stop func() error, err error) {
	module, err := g.module("burn")
	if err != nil {
		return nil, nil, err
	}
	p, stop, err := served.Prismrt(ctx, g.Server, fmt.Sprintf("[server]\ngrace = \"1s\"\n[scheduler]\npolicy = %q\n", l.Policy))
	if err != nil {
		return nil, nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, stop())
		}
	}()
	// The calls that find out how much work is wanted have more time than others.
	manifest := fmt.Appendf(nil, "[limits]\ntimeout = %q\n", max(l.Deadline, 20*time.Second))
	for _, name := range plugins {
		if _, _, err := p.Push(ctx, name, module, client.PushOptions{Manifest: manifest}); err != nil {
			return nil, nil, fmt.Errorf("upload %s: %w", name, err)
		}
	}
	b = &burning{Process: p, deadline: l.Deadline, random: rand.New(rand.NewPCG(1, 2))}
	if b.input, b.took, err = l.calibrate(ctx, p, plugins[0]); err != nil {
		return nil, nil, err
	}
	b.capacity, b.used, err = l.capacity(ctx, b, plugins[0])
	return b, stop, err
}

// calibrate returns the input for a call of about the length that is wanted.
func (l *load) calibrate(ctx context.Context, p *served.Process, plugin string) (input []byte, took time.Duration, err error) {
	turns := int64(1000) // thousands
	for range 3 {        // each from a better guess
		input = strconv.AppendInt(nil, turns, 10)
		if took, err = shortest(ctx, p, plugin, input); err != nil {
			return nil, 0, fmt.Errorf("a call alone: %w", err)
		}
		turns = max(1, int64(float64(turns)*float64(l.Work)/float64(max(took, time.Microsecond))))
	}
	return input, took, nil
}

// shortest is how long the shortest of a few calls took in the server. What disturbs
// one only ever makes it longer.
func shortest(ctx context.Context, p *served.Process, plugin string, input []byte) (time.Duration, error) {
	var least time.Duration
	for range 7 {
		result, err := p.Call(ctx, plugin, input, client.CallOptions{})
		if err != nil {
			return 0, err
		}
		if took := result.Timing["run"]; least == 0 || took < least {
			least = took
		}
	}
	return least, nil
}

// capacity is what the server answers when there is always something to do and nothing
// waits for long: two calls a core, each made when its predecessor was answered.
func (l *load) capacity(ctx context.Context, b *burning, plugin string) (counts, usage, error) {
	t := b.tally()
	crowd := b.connect(2*goruntime.NumCPU(), plugin)
	defer disconnect(crowd)
	g := closedLoop(ctx, crowd, t)
	used, all, err := window(ctx, b.Process, l.Warm, seconds(min(l.Seconds, 3)), t)
	g.stop()
	if err != nil {
		return counts{}, usage{}, err
	}
	if all[0].Good == 0 {
		return counts{}, usage{}, fmt.Errorf("the server has no capacity: %+v", all[0])
	}
	return all[0], used, nil
}

func (b *burning) tally() *tally { return &tally{want: []byte(burnt), deadline: b.deadline} }

func (b *burning) connect(count int, plugin string) []*connection {
	return connect(b.Process, count, plugin, b.deadline, b.input)
}

// described says what a call is and what the server can do.
func (b *burning) described() string {
	return fmt.Sprintf("a call computes for %s ms alone and has a deadline of %v; the server answers %s a second in a closed loop (cores: %v)",
		terminal.MS(float64(b.took.Microseconds())/1000), b.deadline, perSecond(b.capacity.goodPerSecond()), b.used)
}
