// Package monitor counts and times what happens and tells it: as Prometheus
// metrics and as the four layers of /v1/stats.
//
// Each layer has a verdict, the worst of what is found, and says why in a sentence. What
// has a rate is looked at over the last minute, or since the start where that is less.
//
//	layer        what                                              watch     act
//	memory       Go's memory, of what go.memory_limit allows       85%       95%
//	             the machine's memory that is in use               90%       97%
//	             CPU time used that the garbage collector took     15%       30%
//	             99th percentile of the collector's pauses         5 ms      50 ms
//	             a leak is suspected (Trend.Leaks)                 any
//	objects      allocated a second                                1 GiB     4 GiB
//	             instances made, of calls, once they are 30
//	             and one a second                                  10%       50%
//	             buffers made, of those wanted, once they are 1000 50%
//	connections  waiting to be accepted, of those that may         10%       50%
//	             slowest change of the database                    100 ms    1 s
//	             slowest writing of a module                       1 s       10 s
//	             waiting for a connection to the database          0.1 s/s   1 s/s
//	             connections opened, of requests, once they are
//	             300 and ten a second                              50%
//	async        99th percentile of the wait for a P               10 ms     100 ms
//	             calls refused, once they are 10                   1%        10%
//	             guests' part of the cores' time, and calls wait   95%
//	             goroutines that wait for a mutex, as a mean       1         GOMAXPROCS
//
// The trend of a layer is the slope of its main gauge over the last minute: resident
// bytes, heap objects, open connections, calls that wait.
package monitor
