package task

// Listener is told what a guest says while it runs, on the guest's goroutine: it must not
// wait. What a guest said before its image was taken was said in no call, and is not told.
type Listener interface {
	// Logged is told of a message by log of the prism ABI, or by those of an Extism plug-in, at
	// a level of trace, debug, info, warn or error; or of a line on standard error, with the level "". It is at most 4,096 bytes
	// of the guest's, made valid UTF-8: a longer line comes in pieces, of a longer message
	// only the beginning.
	Logged(level, line string)

	// Progressed is told how far the guest is, as it says: of total, which is 0 where it is
	// not known. Neither is negative. The message may be empty, and is bounded likewise.
	Progressed(done, total int64, message string)
}
