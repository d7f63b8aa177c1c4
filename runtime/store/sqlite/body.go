package sqlite

import (
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/marketprism/prismrt/runtime/store"
	"github.com/marketprism/prismrt/runtime/store/blob"
)

// inlined is how many bytes of an input or output a row has at most. What is larger is a
// file, so that the database and its log stay small.
const inlined = 256 << 10

// The parts of a task that can be files.
const (
	inputPart  = 0
	outputPart = 1
)

// bodies is the folder of large inputs and outputs. A file is there and synced before the
// row that names it is committed, and is removed after the row is gone; what a crash left
// in between is swept when the database is opened. A file never changes.
//
// blob.Dir does not serve: there equal content is one file, so that one task could remove
// what another's row names.
type bodies struct{ path string }

func openBodies(path string) (*bodies, error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, fmt.Errorf("folder for large inputs and outputs: %w", err)
	}
	return &bodies{path}, nil
}

func (b *bodies) file(n int64) string { return filepath.Join(b.path, fileName(n)) }

func fileName(n int64) string { return fmt.Sprintf("%016x", n) }

// content is an input or output: in the row, or as a file.
type content struct {
	bytes []byte
	file  int64 // 0: in the row
}

// inline is what the row has. Nothing at all is something, too.
func (c content) inline() any {
	switch {
	case c.file != 0:
		return nil
	case c.bytes == nil:
		return []byte{}
	}
	return c.bytes
}

// read returns an input or output, whether the row or a file has it. It is never nil. Of a
// file that was removed meanwhile the error is fs.ErrNotExist.
func (b *bodies) read(inline []byte, file sql.NullInt64) ([]byte, error) {
	switch {
	case file.Valid:
		return os.ReadFile(b.file(file.Int64))
	case inline == nil:
		return []byte{}, nil
	}
	return inline, nil
}

// writing are files that are written for one change.
type writing struct {
	*bodies
	all, kept []int64
}

func (b *bodies) writing() *writing { return &writing{bodies: b} }

// put writes content to a file if it is large. Nobody knows of that until its row is
// committed.
func (w *writing) put(bytes []byte) (content, error) {
	if len(bytes) <= inlined {
		return content{bytes: bytes}, nil
	}
	n := newOrd()
	w.all = append(w.all, n)
	f, err := os.OpenFile(w.file(n), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return content{}, err
	}
	if _, err = f.Write(bytes); err == nil {
		err = synced(f.Sync())
	}
	return content{bytes, n}, errors.Join(err, f.Close())
}

// sync makes the names of the files durable.
func (w *writing) sync() error {
	if len(w.all) == 0 {
		return nil
	}
	return synced(blob.SyncDir(w.path))
}

// keep has a file stay, if there is one.
func (w *writing) keep(c content) {
	if c.file != 0 {
		w.kept = append(w.kept, c.file)
	}
}

// end removes what no row names, after the change came to err. What a broken disk has can
// be seen when it is opened anew.
func (w *writing) end(err error) {
	if errors.Is(err, store.ErrBroken) {
		return
	}
	if err != nil {
		w.kept = w.kept[:0]
	}
	kept := make(map[int64]bool, len(w.kept))
	for _, n := range w.kept {
		kept[n] = true
	}
	for _, n := range w.all {
		if !kept[n] {
			_ = os.Remove(w.file(n)) // or it is swept
		}
	}
}

// drop removes all, when there was no change.
func (w *writing) drop() { w.end(fs.ErrInvalid) }

// remove removes files that no row names any more.
func (b *bodies) remove(files []int64) {
	for _, n := range files {
		_ = os.Remove(b.file(n)) // or it is swept
	}
}

const insertFile = `INSERT INTO files (seq, part, file, bytes) VALUES (?, ?, ?, ?)`

// file notes the file of a task, if there is one.
func (x *tx) file(seq, part int64, c content) error {
	if c.file == 0 {
		return nil
	}
	_, err := x.exec(insertFile, seq, part, c.file, int64(len(c.bytes)))
	return err
}
