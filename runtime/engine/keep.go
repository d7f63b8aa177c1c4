package engine

import (
	"bytes"
	"encoding/gob"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
)

// What took long to make is kept in files beside the compiled code. They are a
// cache: one that is not there or is damaged, for example by a power failure, is
// made anew. Like the code, they are trusted.

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// keep writes a value to a file, whole or not at all.
func keep(path string, value any) error {
	var b bytes.Buffer
	b.Write(make([]byte, crc32.Size))
	if err := gob.NewEncoder(&b).Encode(value); err != nil {
		return fmt.Errorf("keep %s: %w", filepath.Base(path), err)
	}
	content := b.Bytes()
	copy(content, checksum(content[crc32.Size:]))
	temp, err := os.CreateTemp(filepath.Dir(path), "*.tmp")
	if err != nil {
		return err
	}
	_, err = temp.Write(content)
	if err = errors.Join(err, temp.Close()); err == nil {
		err = os.Rename(temp.Name(), path)
	}
	if err != nil {
		err = errors.Join(err, os.Remove(temp.Name()))
	}
	return err
}

// recall reads a value that was kept, and answers false where there is none.
func recall(path string, value any) bool {
	content, err := os.ReadFile(path)
	if err != nil || len(content) < crc32.Size || !bytes.Equal(content[:crc32.Size], checksum(content[crc32.Size:])) {
		return false
	}
	return gob.NewDecoder(bytes.NewReader(content[crc32.Size:])).Decode(value) == nil
}

func checksum(b []byte) []byte {
	sum := crc32.Checksum(b, castagnoli)
	return []byte{byte(sum), byte(sum >> 8), byte(sum >> 16), byte(sum >> 24)}
}
