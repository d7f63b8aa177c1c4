// Command guest does what it is told on standard input, well or badly. As a
// reactor (-buildmode=c-shared -tags=handlers) it exports handlers of the prism ABI instead.
package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"
)

var kept [][]byte

func main() {
	in, err := io.ReadAll(os.Stdin)
	if err != nil {
		fmt.Fprintln(os.Stderr, "read:", err)
		os.Exit(9)
	}
	verb, rest, _ := strings.Cut(string(in), " ")
	switch verb {
	case "upper":
		os.Stdout.WriteString(strings.ToUpper(rest))
	case "exit":
		code, _ := strconv.Atoi(rest)
		fmt.Fprintln(os.Stderr, "leaving with", code)
		os.Exit(code)
	case "panic":
		panic(rest)
	case "loop":
		for i := 0; ; i++ {
			kept = kept[:0]
		}
	case "sleep":
		d, _ := time.ParseDuration(rest)
		time.Sleep(d)
		os.Stdout.WriteString("slept")
	case "grow":
		for {
			kept = append(kept, bytes.Repeat([]byte{1}, 1<<20))
		}
	case "flood":
		for {
			os.Stdout.Write(make([]byte, 4096))
		}
	case "chatter":
		for i := range 5_000 {
			fmt.Fprintln(os.Stderr, "line", i)
		}
		os.Exit(1)
	case "mutter": // each word at once
		for word := range strings.SplitSeq(rest, "|") {
			os.Stderr.WriteString(word)
		}
	case "env":
		os.Stdout.WriteString(os.Getenv(rest) + " " + strings.Join(os.Args, ","))
	case "time":
		os.Stdout.WriteString(strconv.FormatInt(time.Now().UnixMilli(), 10))
	}
}
