package main

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

	"github.com/marketprism/prismrt/sdk/client"
)

// dataset is a folder of messages as exchanges sent them.
type dataset struct {
	folder   string
	recorded bool // from real exchanges; otherwise the sample in the repository
	files    []string
	messages [][]byte
}

// load reads the first of the folders that exists: a message a line of every
// *.ndjson in it, but for *.golden.ndjson, which are answers.
func load(folders []string) (dataset, error) {
	for _, folder := range folders {
		if _, err := os.Stat(folder); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		files, err := filepath.Glob(filepath.Join(folder, "*.ndjson"))
		if err != nil {
			return dataset{}, err
		}
		files = slices.DeleteFunc(files, func(file string) bool { return strings.HasSuffix(file, ".golden.ndjson") })
		set := dataset{folder: folder, files: files}
		// By Go's convention a folder of that name holds what tests are fed.
		set.recorded = !slices.Contains(strings.Split(filepath.ToSlash(folder), "/"), "testdata")
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				return dataset{}, err
			}
			for line := range bytes.Lines(text) {
				if line = bytes.TrimSpace(line); len(line) > 0 {
					set.messages = append(set.messages, line)
				}
			}
		}
		if len(set.messages) == 0 {
			return dataset{}, fmt.Errorf("%s holds no messages; there should be *.ndjson files", folder)
		}
		return set, nil
	}
	return dataset{}, fmt.Errorf("no data: none of %s exists", strings.Join(folders, ", "))
}

// String says which data these are.
func (d dataset) String() string {
	origin := "the sample of this repository"
	if d.recorded {
		origin = "recorded from exchanges"
	}
	return fmt.Sprintf("%s messages from %s, %s", comma(len(d.messages)), d.folder, origin)
}

// answer is what became of one message.
type answer struct {
	output  []byte
	err     error
	latency time.Duration // as the caller saw it, HTTP included
	timing  client.Timing // as the server saw it
}

// replay sends every message, several at once, and returns their answers in the
// order of the messages, and how long all took. It calls tick after each. When
// ctx ends, the messages left have ctx's error for an answer.
func replay(ctx context.Context, call func(context.Context, []byte) (*client.Result, error), messages [][]byte, tick func()) ([]answer, time.Duration) {
	answers := make([]answer, len(messages))
	var next atomic.Int64
	var crowd sync.WaitGroup
	began := time.Now()
	for range callers {
		crowd.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(messages); i = int(next.Add(1)) - 1 {
				if answers[i].err = ctx.Err(); answers[i].err != nil {
					continue
				}
				sent := time.Now()
				result, err := call(ctx, messages[i])
				answers[i].latency = time.Since(sent)
				if answers[i].err = err; err == nil {
					answers[i].output, answers[i].timing = result.Output, result.Timing
				}
				tick()
			}
		})
	}
	crowd.Wait()
	return answers, time.Since(began)
}
