// Package replay sends messages of exchanges, as they are kept in folders, to a plugin.
package replay

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/marketprism/prismrt/sdk/client"
)

// Callers is how many calls are under way at once.
const Callers = 8

// Set is a folder of messages as exchanges sent them.
type Set struct {
	Folder   string
	Recorded bool // from real exchanges; otherwise the sample in the repository
	Files    []string
	Messages [][]byte // of all files
}

// Load reads the first of the folders that exists: a message a line of every
// *.ndjson in it, but for *.golden.ndjson, which are answers.
func Load(folders []string) (Set, error) {
	for _, folder := range folders {
		if _, err := os.Stat(folder); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		files, err := filepath.Glob(filepath.Join(folder, "*.ndjson"))
		if err != nil {
			return Set{}, err
		}
		files = slices.DeleteFunc(files, func(file string) bool { return strings.HasSuffix(file, ".golden.ndjson") })
		set := Set{Folder: folder, Files: files}
		// By Go's convention a folder of that name holds what tests are fed.
		set.Recorded = !slices.Contains(strings.Split(filepath.ToSlash(folder), "/"), "testdata")
		for _, file := range files {
			messages, err := Messages(file)
			if err != nil {
				return Set{}, err
			}
			set.Messages = append(set.Messages, messages...)
		}
		if len(set.Messages) == 0 {
			return Set{}, fmt.Errorf("%s holds no messages; there should be *.ndjson files", folder)
		}
		return set, nil
	}
	return Set{}, fmt.Errorf("no data: none of %s exists", strings.Join(folders, ", "))
}

// Messages reads a file that holds a message a line.
func Messages(file string) ([][]byte, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var messages [][]byte
	for line := range bytes.Lines(text) {
		if line = bytes.TrimSpace(line); len(line) > 0 {
			messages = append(messages, line)
		}
	}
	return messages, nil
}

// String says which messages these are.
func (s Set) String() string {
	origin := "the sample of this repository"
	if s.Recorded {
		origin = "recorded from exchanges"
	}
	return fmt.Sprintf("%s messages from %s, %s", humanize.Comma(int64(len(s.Messages))), s.Folder, origin)
}

// Answer is what became of one message.
type Answer struct {
	Output  []byte
	Err     error
	Latency time.Duration // as the caller saw it, HTTP included
	Timing  client.Timing // as the server saw it
}

// Run sends every message, several at once, and returns their answers in the
// order of the messages, and how long all took. It calls tick after each. When
// ctx ends, the messages left have ctx's error for an answer.
func Run(ctx context.Context, call func(context.Context, []byte) (*client.Result, error), messages [][]byte, tick func()) ([]Answer, time.Duration) {
	answers := make([]Answer, len(messages))
	var next atomic.Int64
	var crowd sync.WaitGroup
	began := time.Now()
	for range Callers {
		crowd.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(messages); i = int(next.Add(1)) - 1 {
				if answers[i].Err = ctx.Err(); answers[i].Err != nil {
					continue
				}
				sent := time.Now()
				result, err := call(ctx, messages[i])
				answers[i].Latency = time.Since(sent)
				if answers[i].Err = err; err == nil {
					answers[i].Output, answers[i].Timing = result.Output, result.Timing
				}
				tick()
			}
		})
	}
	crowd.Wait()
	return answers, time.Since(began)
}
