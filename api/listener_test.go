package api_test

import (
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/marketprism/prismrt/api"
)

// pair is a connection and the server's end of it, which is patient.
func pair(t *testing.T) (client, server net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if client, err = net.Dial("tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if server, err = api.Patient(l).Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close(); server.Close() })
	return client, server
}

func TestADeadlineThatIsPutOffHolds(t *testing.T) {
	client, server := pair(t)
	begun := time.Now()
	const first, last = 20 * time.Millisecond, 120 * time.Millisecond
	for _, after := range []time.Duration{first, last} {
		if err := server.SetReadDeadline(begun.Add(after)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := server.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("nothing came, and reading gave %v", err)
	}
	if took := time.Since(begun); took < last {
		t.Errorf("reading ended after %v, before the deadline that was set last", took)
	}
	if err := server.SetReadDeadline(time.Time{}); err != nil { // after it has passed
		t.Fatal(err)
	}
	go io.WriteString(client, "x")
	if n, err := server.Read(make([]byte, 1)); n != 1 || err != nil {
		t.Errorf("without a deadline: %d bytes, %v", n, err)
	}
}

func TestADeadlineThatIsTakenAwayEndsNothing(t *testing.T) {
	client, server := pair(t)
	for _, d := range []time.Time{time.Now().Add(20 * time.Millisecond), {}} {
		if err := server.SetReadDeadline(d); err != nil {
			t.Fatal(err)
		}
	}
	go func() {
		time.Sleep(60 * time.Millisecond) // beyond the deadline that was taken away
		io.WriteString(client, "x")
	}()
	if n, err := server.Read(make([]byte, 1)); n != 1 || err != nil {
		t.Errorf("%d bytes, %v", n, err)
	}
}

func TestAReaderIsWokenByADeadlineInThePast(t *testing.T) {
	_, server := pair(t)
	if err := server.SetReadDeadline(time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error)
	go func() {
		_, err := server.Read(make([]byte, 1))
		ended <- err
	}()
	if err := server.SetReadDeadline(time.Unix(1, 0)); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("it was woken by %v", err)
	}
}

func TestAWriteThatIsPutOffLosesNothing(t *testing.T) {
	client, server := pair(t)
	text := strings.Repeat("prismrt ", 4<<20) // more than sockets hold
	for _, after := range []time.Duration{20 * time.Millisecond, time.Hour} {
		if err := server.SetWriteDeadline(time.Now().Add(after)); err != nil {
			t.Fatal(err)
		}
	}
	written := make(chan error)
	go func() {
		_, err := io.WriteString(server, text)
		written <- errors.Join(err, server.Close())
	}()
	time.Sleep(60 * time.Millisecond) // until the write has stood still beyond its first deadline
	got, err := io.ReadAll(client)
	if err := errors.Join(err, <-written); err != nil {
		t.Fatal(err)
	}
	if string(got) != text {
		t.Errorf("%d bytes of %d came, or other ones", len(got), len(text))
	}
}
