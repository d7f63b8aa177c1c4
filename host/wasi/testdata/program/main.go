// Command program shows a guest's surroundings: its report must not depend on
// whose WASI it runs on.
package main

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

func main() {
	in, err := io.ReadAll(os.Stdin)
	fmt.Printf("input %q %v\n", bytes.ToUpper(in), err)
	fmt.Printf("arguments %q\n", os.Args)
	fmt.Printf("environment %q %q\n", os.Environ(), os.Getenv("KEY"))

	for _, f := range []*os.File{os.Stdin, os.Stdout, os.Stderr} {
		info, err := f.Stat()
		fmt.Println(f.Name(), info.Mode(), info.Size(), err)
	}
	_, err = os.ReadFile("/etc/passwd")
	fmt.Println("a file:", err != nil)

	began := time.Now()
	fmt.Println("years later:", began.Year() > 2020)
	time.Sleep(20 * time.Millisecond)
	slept := time.Since(began)
	fmt.Println("slept:", slept >= 20*time.Millisecond, slept < 20*time.Second)
	select {
	case <-time.After(5 * time.Millisecond):
		fmt.Println("timer")
	case <-time.After(time.Hour):
		fmt.Println("the wrong timer")
	}

	var one, other [32]byte
	_, _ = rand.Read(one[:])
	_, _ = rand.Read(other[:])
	fmt.Println("random:", one != other, one != [32]byte{})

	long := bytes.Repeat([]byte("0123456789abcdef"), 20_000)
	n, err := os.Stdout.Write(long)
	fmt.Println("\nlong:", n, err)
	fmt.Fprintln(os.Stderr, "a line of log")
	fmt.Println("close:", os.Stdin.Close(), errors.Is(os.Stdin.Close(), os.ErrClosed))
	os.Exit(7)
}
