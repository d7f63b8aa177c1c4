package prism

import "github.com/marketprism/prismrt/sdk/go/internal/host"

// Progress tells how far the call is, for who watches the task it runs for: done of total, in whatever
// unit the plugin likes, and a word on what it does, which may be "". A total of 0 says that it is not
// known. Only the latest counts, so it may be told as often as there is news of it; each time costs
// about what 1,100 instructions do. Where nobody watches, nothing comes of it.
func Progress(done, total int64, message string) {
	host.Progress(done, total, message)
}
