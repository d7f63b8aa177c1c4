package main_test

import (
	"fmt"
	"net/http"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
)

func TestUploadsUnderLoadFailNoCall(t *testing.T) {
	const versions = 6
	s := start(t, t.TempDir())
	s.put(moody(1, 'y', 's'), "")
	var stop atomic.Bool
	var mu sync.Mutex
	got := answers{}
	var callers sync.WaitGroup
	for range 8 {
		callers.Go(func() {
			for !stop.Load() {
				a := s.call("fine")
				mu.Lock()
				got[a]++
				mu.Unlock()
			}
		})
	}
	of := func(version int) int { mu.Lock(); defer mu.Unlock(); return got[fmt.Sprintf("%04d", version)] }
	s.await("calls", func() bool { return of(1) > 50 })
	for n := 2; n <= versions; n++ {
		s.put(moody(n, 'y', 's'), "")
		s.await(fmt.Sprint("calls of version ", n), func() bool { return of(n) > 50 })
	}
	before := of(1)
	if status, answer := s.do("POST", "/v1/plugins/moody/live", []byte(`{"version": 1}`)); status != http.StatusOK {
		t.Errorf("rolling back: %d %s", status, answer)
	}
	s.await("calls of version 1 again", func() bool { return of(1) > before+50 })
	stop.Store(true)
	callers.Wait()
	good := 0
	for n := 1; n <= versions; n++ {
		good += of(n)
	}
	if good != got.total() {
		t.Errorf("calls were answered %v", got)
	}
}

func TestASecondSignalEndsTheServerAtOnce(t *testing.T) {
	config := filepath.Join(t.TempDir(), "runtime.toml")
	writeFile(t, config, "[server]\ngrace = \"1h\"\n[default]\ntimeout = \"4m\"\n")
	s := start(t, t.TempDir(), "--config", config)
	s.upload("guest", obedient(t))
	answered := make(chan int, 1)
	go func() {
		status, _ := s.do("POST", "/v1/plugins/guest/invoke", []byte("loop"))
		answered <- status
	}()
	s.await("the guest to run", func() bool { return s.plugin("guest").Pool.Lent == 1 })
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	s.await("no new calls to be taken", func() bool { status, _ := s.do("GET", "/readyz", nil); return status != http.StatusOK })
	select {
	case <-s.exit:
		t.Fatal("the server did not let its call go on")
	case status := <-answered:
		t.Fatalf("the call was answered %d", status)
	default:
	}
	if code := s.stop(); code == 0 {
		t.Error("a server that was ended at once has exit code 0")
	}
	if status := <-answered; status != 0 {
		t.Errorf("the call was answered %d", status)
	}
}
