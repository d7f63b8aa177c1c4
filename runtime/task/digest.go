package task

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

const digestPrefix = "sha256:"

// Digest names content by what it is: "sha256:" and 64 hexadecimal digits.
type Digest string

// DigestOf returns the digest of b.
func DigestOf(b []byte) Digest {
	sum := sha256.Sum256(b)
	return Digest(digestPrefix + hex.EncodeToString(sum[:]))
}

// Hex returns the digits without the algorithm, the form used in file names.
func (d Digest) Hex() string { return strings.TrimPrefix(string(d), digestPrefix) }

// Short returns the first twelve digits, enough to tell versions apart by eye.
func (d Digest) Short() string { return d.Hex()[:min(12, len(d.Hex()))] }

// Valid reports whether d is a prefix and 64 lower-case hexadecimal digits.
func (d Digest) Valid() bool {
	digits, ok := strings.CutPrefix(string(d), digestPrefix)
	if !ok || len(digits) != hex.EncodedLen(sha256.Size) {
		return false
	}
	return strings.Trim(digits, "0123456789abcdef") == ""
}
