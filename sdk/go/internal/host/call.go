// Package host is the boundary to the server: in a plugin the functions it imports from the module
// prism, natively a stand-in that prismtest drives. Both have the same functions.
package host

// A Call is one call as the native stand-in sees it: what the host knows before it and what the guest
// did during it.
type Call struct {
	Input  []byte
	Config map[string]string
	About  map[string]string // what CallGet finds

	Output  []byte
	Failed  bool // the guest set Failure
	Failure string
	Lines   []Line
	Steps   []Step
}

// A Step is one report of how far the guest is.
type Step struct {
	Done, Total int64
	Message     string
}

// A Line is one line the guest logged.
type Line struct {
	Level int32
	Text  string
}
