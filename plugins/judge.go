package plugins

import (
	"context"
	"time"

	"github.com/marketprism/prismrt/runtime/health"
)

// judgeEvery is how long there is between two looks at the canaries.
const judgeEvery = time.Second

// Run judges canary releases once a second until ctx ends.
func (c *Catalogue) Run(ctx context.Context) error {
	ticker := time.NewTicker(judgeEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		for _, p := range c.all() {
			if p.Canary != nil && p.Canary.Judge {
				c.judge(ctx, key{p.Namespace, p.Name})
			}
		}
	}
}

// judge compares a plugin's canary with its live version, and ends the release of the
// weaker. Where that is being changed, the next look does.
func (c *Catalogue) judge(ctx context.Context, k key) {
	unlock, ok := c.releases.tryLock(k)
	if !ok {
		return
	}
	defer unlock()
	p, err := c.Plugin(k.namespace, k.name)
	if err != nil || p.Canary == nil || !p.Canary.Judge {
		return
	}
	live, canary, ok := c.options.Runner.Samples(k.namespace, k.name)
	if !ok {
		return
	}
	switch verdict, reason := health.Judge(live, canary); verdict {
	case health.Worse:
		c.rollBack(p, reason)
	case health.Better, health.Same:
		c.promote(ctx, p, reason)
	}
}
