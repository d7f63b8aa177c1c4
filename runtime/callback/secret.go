package callback

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// Signer signs messages by the Standard Webhooks scheme: HMAC-SHA256 over id, time and
// body. With several secrets there is a signature of each, so that receivers may change
// from an old one to a new one when they like.
type Signer struct {
	hooks []*standardwebhooks.Webhook
}

const (
	secretPrefix = "whsec_"
	newSecret    = 32 // bytes
	mostSecrets  = 4
)

// ParseSecrets reads secrets, one on a line, each "whsec_" and the base64 of 24 to 64 bytes,
// as the scheme has them. Empty lines and those that begin with # are passed over.
func ParseSecrets(text string) (*Signer, error) {
	var s Signer
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		coded, marked := strings.CutPrefix(line, secretPrefix)
		secret, err := base64.StdEncoding.DecodeString(coded)
		if !marked || err != nil || len(secret) < 24 || len(secret) > 64 {
			return nil, fmt.Errorf("secret %d is not %s and the base64 of 24 to 64 bytes", len(s.hooks)+1, secretPrefix)
		}
		hook, err := standardwebhooks.NewWebhookRaw(secret)
		if err != nil {
			return nil, err
		}
		s.hooks = append(s.hooks, hook)
	}
	if len(s.hooks) == 0 || len(s.hooks) > mostSecrets {
		return nil, fmt.Errorf("there are %d secrets; there must be 1 to %d, one on a line", len(s.hooks), mostSecrets)
	}
	return &s, nil
}

// OpenSecrets reads secrets from a file. Where there is none, it makes one with a new
// secret, that only the server's user can read.
func OpenSecrets(path string) (*Signer, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err := writeSecret(path); err != nil {
			return nil, fmt.Errorf("make a secret for callbacks: %w", err)
		}
		text, err = os.ReadFile(path)
	}
	if err != nil {
		return nil, fmt.Errorf("read the secrets of callbacks: %w", err)
	}
	s, err := ParseSecrets(string(text))
	if err != nil {
		return nil, fmt.Errorf("the secrets of callbacks in %s: %w", path, err)
	}
	return s, nil
}

// writeSecret makes a file whole or not at all, so that no receiver is ever told a secret
// that is gone after a crash.
func writeSecret(path string) (err error) {
	secret := make([]byte, newSecret)
	_, _ = rand.Read(secret)                                                     // never fails: it would crash the process
	temp, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*.tmp") // for its owner alone
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(temp.Name()))
		}
	}()
	_, err = temp.WriteString(secretPrefix + base64.StdEncoding.EncodeToString(secret) + "\n")
	if err = errors.Join(err, temp.Sync(), temp.Close()); err != nil {
		return err
	}
	if err = os.Rename(temp.Name(), path); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return nil // the file is there, and whole
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// Sign returns the signatures of a message, as the header webhook-signature has them.
func (s *Signer) Sign(id string, at time.Time, body []byte) (string, error) {
	var all []string
	for _, hook := range s.hooks {
		one, err := hook.Sign(id, at, body)
		if err != nil {
			return "", err
		}
		all = append(all, one)
	}
	return strings.Join(all, " "), nil
}
