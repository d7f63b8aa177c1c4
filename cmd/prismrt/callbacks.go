package main

import (
	"fmt"
	"time"

	"github.com/marketprism/prismrt/runtime/callback"
	"github.com/marketprism/prismrt/runtime/config"
	"github.com/marketprism/prismrt/runtime/outbound"
)

// callbackHosts are those that may be called back.
func callbackHosts(c config.Callbacks) (outbound.Hosts, error) {
	reach := outbound.Listed
	if c.AllowPrivate {
		reach = outbound.Anywhere
	}
	hosts, err := outbound.ParseHosts(c.Hosts, reach)
	if err != nil {
		return hosts, fmt.Errorf("callbacks.hosts: %w", err)
	}
	return hosts, nil
}

// newSender makes a sender of callbacks, nil where no host may be called: what is owed then
// waits until one may.
func (s *server) newSender(hosts outbound.Hosts) (*callback.Sender, error) {
	c := s.config.Callbacks
	if len(c.Hosts) == 0 {
		return nil, nil
	}
	signer, err := callback.OpenSecrets(s.config.Secrets())
	if err != nil {
		return nil, err
	}
	return callback.New(callback.Options{
		Store: s.db, Records: s.db, Signer: signer, Hosts: hosts, Timeout: time.Duration(c.Timeout), Within: time.Duration(c.Within),
		Publish: s.events.Publish, Log: s.log,
	}), nil
}
