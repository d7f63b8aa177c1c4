package sqlite

import "github.com/marketprism/prismrt/runtime/task"

// name is what a plugin is known by.
type name struct{ namespace, plugin string }

// plugin is a plugin that tasks were submitted to.
type plugin struct {
	name
	number int64
	counts counts // guarded by DB.mu
}

// plugins are all of them, guarded by DB.mu.
type plugins struct {
	name   map[name]*plugin
	number map[int64]*plugin
}

func (p *plugins) add(n name, number int64) *plugin {
	one := &plugin{name: n, number: number}
	p.name[n], p.number[number] = one, one
	return one
}

// digests are the digests of versions and their numbers, guarded by DB.mu.
type digests struct {
	number map[task.Digest]int64
	digest map[int64]task.Digest
}

// plugin returns a plugin, giving it a number as needed.
func (x *tx) plugin(n name) (*plugin, error) {
	x.db.mu.Lock()
	p := x.db.plugins.name[n]
	next := int64(len(x.db.plugins.name)) + 1
	x.db.mu.Unlock()
	if p != nil {
		return p, nil
	}
	if _, err := x.exec(`INSERT INTO names (plugin, namespace, name) VALUES (?, ?, ?)`, next, n.namespace, n.plugin); err != nil {
		return nil, err
	}
	x.db.mu.Lock()
	defer x.db.mu.Unlock()
	p = x.db.plugins.add(n, next)
	x.named = append(x.named, p)
	return p, nil
}

// digest returns the number of a digest, giving it one as needed, and nil for none.
func (x *tx) digest(d task.Digest) (any, error) {
	if d == "" {
		return nil, nil
	}
	x.db.mu.Lock()
	n, known := x.db.digests.number[d]
	next := int64(len(x.db.digests.number)) + 1
	x.db.mu.Unlock()
	if known {
		return n, nil
	}
	if _, err := x.exec(`INSERT INTO digests (n, digest) VALUES (?, ?)`, next, string(d)); err != nil {
		return nil, err
	}
	x.db.mu.Lock()
	defer x.db.mu.Unlock()
	x.db.digests.number[d], x.db.digests.digest[next] = next, d
	x.digested = append(x.digested, d)
	return next, nil
}
