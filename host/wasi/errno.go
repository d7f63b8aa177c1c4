package wasi

// errno is what a function answers.
type errno uint32

// The errors there can be, with the names and numbers of preview 1.
const (
	errnoSuccess errno = 0
	errnoBadf    errno = 8  // no such descriptor, or not one to read from or write to
	errnoFault   errno = 21 // outside the guest's memory
	errnoInval   errno = 28
	errnoIO      errno = 29 // the output was refused, which ends the call
	errnoNosys   errno = 52
	errnoNotdir  errno = 54
	errnoNotsock errno = 57
	errnoSpipe   errno = 70 // streams have no positions
)
