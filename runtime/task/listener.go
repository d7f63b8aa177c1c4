package task

// Listener is told what a guest says while it runs, on the guest's goroutine: it must not
// wait, and keeps nothing that it is given.
type Listener interface {
	// Logged is told of a line: by log of the prism ABI, at a level of debug, info, warn or
	// error; or on standard error, with the level "".
	Logged(level, line string)

	// Progressed is told how far the guest is, as it says: of total, which is 0 where it is
	// not known.
	Progressed(done, total int64, message string)
}
