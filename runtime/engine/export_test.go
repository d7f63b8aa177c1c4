package engine

// Differs says in what an instance is not as its image, "" in nothing.
func (i *Instance) Differs() string { return i.differs() }

// Checkpointed tells whether the instance goes on from a checkpoint.
func (i *Instance) Checkpointed() bool { return i.checkpoint != nil }

// Unlike counts the instances that needed an image of their own.
func (e *Engine) Unlike() int64 { return e.unlike.Load() }

// Why says why a program has no image or no checkpoint.
func (p *Program) Why() string { return p.state.Load().why }
