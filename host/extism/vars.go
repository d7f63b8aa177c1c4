package extism

import (
	"container/list"
	"sync"
	"time"

	"github.com/marketprism/prismrt/runtime/task"
)

// varCost is what a var takes besides its name and its value: as other hosts count it, so that
// a plug-in that fits there fits here.
const varCost = 40

// vars are what a plug-in keeps by name. The zero value is none.
type vars struct {
	values map[string][]byte // which nobody changes
	size   int64
}

func sizeOf(name string, value []byte) int64 { return varCost + int64(len(name)) + int64(len(value)) }

// set sets a var, or removes it where the value is nil. It reports false where the quota is
// used up.
func (v *vars) set(name string, value []byte, quota int64) bool {
	size := v.size
	if old, ok := v.values[name]; ok {
		size -= sizeOf(name, old)
	}
	if value == nil {
		delete(v.values, name)
		v.size = size
		return true
	}
	if size += sizeOf(name, value); size >= quota {
		return false
	}
	if v.values == nil {
		v.values = make(map[string][]byte)
	}
	v.values[name], v.size = value, size
	return true
}

// sessions are the vars of callers, by what they call their sessions. They are not an
// instance's, since those are rewound between calls.
type sessions struct {
	options Options

	mu     sync.Mutex
	byKey  map[sessionKey]*list.Element
	recent *list.List // of *session, the one used last first
	size   int64
}

type sessionKey struct{ namespace, plugin, session string }

type session struct {
	vars
	key  sessionKey
	used time.Time
}

func newSessions(o Options) *sessions {
	return &sessions{options: o, byKey: make(map[sessionKey]*list.Element), recent: list.New()}
}

// get returns a var, nil where it is not set.
func (s *sessions) get(key sessionKey, name string) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	if one := s.useLocked(key); one != nil {
		return one.values[name]
	}
	return nil
}

// set is vars.set of a session, which begins with its first var and ends with its last.
func (s *sessions) set(key sessionKey, name string, value []byte, quota int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	one := s.useLocked(key)
	if one == nil {
		one = &session{key: key, used: time.Now()}
		s.byKey[key] = s.recent.PushFront(one)
	}
	before := one.size
	ok := one.set(name, value, quota)
	s.size += one.size - before
	if len(one.values) == 0 {
		s.endLocked(one)
	}
	for len(s.byKey) > s.options.Sessions || s.size > s.options.SessionMemory {
		s.endLocked(s.recent.Back().Value.(*session))
	}
	return ok
}

// useLocked finds a session, nil where there is none, and ends those that were not used for
// too long.
func (s *sessions) useLocked(key sessionKey) *session {
	now := time.Now()
	for last := s.recent.Back(); last != nil && now.Sub(last.Value.(*session).used) >= s.options.SessionIdle; last = s.recent.Back() {
		s.endLocked(last.Value.(*session))
	}
	e := s.byKey[key]
	if e == nil {
		return nil
	}
	one := e.Value.(*session)
	one.used = now
	s.recent.MoveToFront(e)
	return one
}

func (s *sessions) endLocked(one *session) {
	s.recent.Remove(s.byKey[one.key])
	delete(s.byKey, one.key)
	s.size -= one.size
}

// keyOf is whose vars a call has: those of the key that its caller gave. Without a key they
// are the call's own.
func keyOf(c Call) (key sessionKey, is bool) {
	in, v := c.Invocation(), c.Version()
	return sessionKey{v.Ref.Namespace, v.Ref.Plugin, in.Session}, in.Session != ""
}

// var_get(name) -> a new block with the value, 0 where it is not set. The name's block is
// freed.
func varGet(s *state, c Call, stack []uint64) {
	offset := stack[0]
	name := s.text(c, offset)
	s.free(offset)
	value := s.vars.values[name]
	if key, is := keyOf(c); is {
		value = s.host.sessions.get(key, name)
	}
	stack[0] = put(s, c, value)
}

// var_set(name, value) frees both blocks. Without a value it removes the var.
func varSet(s *state, c Call, stack []uint64) {
	quota := int64(c.Version().Vars)
	if quota == 0 {
		panic(task.Faultf(task.KindTrap, "extism: vars are off for this plug-in; raise grants.vars in its manifest"))
	}
	name := s.text(c, stack[0])
	var value []byte
	if stack[1] != 0 {
		b := s.block(stack[1])
		c.Spend(int64(len(b)) / 8)
		value = append([]byte{}, b...)
	}
	s.free(stack[0])
	s.free(stack[1])
	key, is := keyOf(c)
	set := s.vars.set
	if is {
		set = func(name string, value []byte, quota int64) bool { return s.host.sessions.set(key, name, value, quota) }
	}
	if !set(name, value, quota) {
		panic(task.Faultf(task.KindTrap, "extism: the vars would take %v or more, which is grants.vars of the manifest; remove some, or raise it", task.Bytes(quota)))
	}
}
