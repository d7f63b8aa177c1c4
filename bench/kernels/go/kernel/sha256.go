package kernel

import (
	"crypto/sha256"
	"encoding/binary"
)

// SHA256 hashes messages of 4,096 bytes, each of which begins with the digest of
// the one before. It returns the beginning of the last digest.
func SHA256(n int32) int32 {
	message := make([]byte, 4096)
	for i := range message {
		message[i] = byte(i)
	}
	for range n {
		digest := sha256.Sum256(message)
		copy(message, digest[:])
	}
	return int32(binary.BigEndian.Uint32(message))
}
