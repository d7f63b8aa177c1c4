package monitor

import (
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/marketprism/prismrt/runtime/task"
)

// layers is what the monitor remembers of the four, under its mutex.
type layers struct {
	resident, heapObjects, open, waiting *Trend // the main gauges, over the last minute
	heapLive                             *Trend // over five minutes, for leaks
}

func newLayers() layers {
	trend := func() *Trend { return NewTrend(sampleEvery, int(lately/sampleEvery)+1) }
	return layers{
		resident: trend(), heapObjects: trend(), open: trend(), waiting: trend(),
		heapLive: NewTrend(growthEvery, growthSamples),
	}
}

// look is everything that the layers are told from, at a moment.
type look struct {
	reading
	guests  Guests
	turns   Scheduler
	pools   []Pool // by namespace, plugin and version
	buffers []Buffers
	inbound Connections
}

func (m *Monitor) look() look {
	l := look{guests: m.sources.Guests(), turns: m.sources.Scheduler(), pools: m.sources.Pools(), inbound: m.readConnections()}
	l.at, l.now = time.Now(), readGo()
	slices.SortFunc(l.pools, func(a, b Pool) int { return compareRefs(a.Ref, b.Ref) })
	l.opened, l.requests = l.inbound.Opened, l.inbound.Requests
	if m.sources.Buffers != nil {
		l.buffers = m.sources.Buffers()
	}
	for _, b := range l.buffers {
		l.gets += b.Gets
		l.misses += b.Misses
	}
	for n := range l.pools {
		l.births += l.pools[n].Births
		l.calls += l.pools[n].Calls
	}
	l.begun = l.turns.Begun
	for _, n := range l.turns.Refused {
		l.refused += n
	}
	l.busy, l.passed = l.turns.Busy, l.turns.Time
	l.disk = m.disk()
	l.databaseWait = time.Duration(l.inbound.Store.WaitMS * float64(time.Millisecond))
	return l
}

// waits is how many calls wait for a turn or an instance.
func (l *look) waits() int {
	n := l.turns.Waiting
	for _, p := range l.pools {
		n += p.Waiting
	}
	return n
}

// sample tells trends of their gauges.
func (m *Monitor) sample(l *look) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.layers.resident.Note(l.at, float64(resident()))
	m.layers.heapObjects.Note(l.at, float64(l.now.heapObjects))
	m.layers.open.Note(l.at, float64(l.inbound.Open))
	m.layers.waiting.Note(l.at, float64(l.waits()))
	m.layers.heapLive.Note(l.at, float64(l.now.live))

	growth := make(map[task.Ref]*Trend, len(l.pools))
	for n := range l.pools {
		p := &l.pools[n]
		t := m.growth[p.Ref]
		if t == nil {
			t = NewTrend(growthEvery, growthSamples)
		}
		t.Note(l.at, float64(p.Guests.grown()))
		growth[p.Ref] = t
	}
	m.growth = growth // without those that were unloaded
}

// tell makes the layers of a look.
func (m *Monitor) tell(l *look) (s Stats) {
	k := readKernel()
	m.mu.Lock()
	defer m.mu.Unlock()
	past, seconds := added(m.history.since(l.at.Add(-lately)), &l.reading)

	s.Memory = readMemory(k, l.now, l.guests)
	s.Memory.GCCPUShare = past.gcShare()
	s.Memory.Versions = m.versionMemoryLocked(l.pools)
	s.Memory.Layer = s.Memory.judge(k, &past, m.layers.heapLive.Leaks()).layer("resident_bytes", m.layers.resident)

	s.Objects = readObjects(l, &past, seconds)
	s.Objects.Layer = s.Objects.judge(&past, seconds).layer("heap_objects", m.layers.heapObjects)

	s.Connections = l.inbound
	s.Connections.Layer = s.Connections.judge(&past, seconds).layer("open", m.layers.open)

	s.Async = readAsync(l, &past, seconds)
	s.Async.Layer = s.Async.judge(&past).layer("waiting", m.layers.waiting)
	return s
}

// told are the metrics of the layers, which are read off at each scrape.
type told struct{ monitor *Monitor }

var verdictDesc = prometheus.NewDesc("prismrt_layer_verdict",
	"How a layer (memory, objects, connections, async) does: 0 ok, 1 watch, 2 act; /v1/stats says why.", []string{"layer"}, nil)

// Describe implements prometheus.Collector.
func (told) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		verdictDesc,
		memoryDesc, reservedDesc, privateDesc, imageDesc, stackDesc, codeDesc, leakDesc,
		reuseGetsDesc, reuseMissesDesc, reuseDroppedDesc, reuseBytesDesc, aliveDesc,
		connectionsDesc, openedDesc, requestsDesc, backlogDesc, backlogLimitDesc, databaseDesc, databaseWaitsDesc, databaseWaitDesc, writesDesc,
		instancesDesc, waitingDesc, sizeDesc, limitDesc, birthsDesc, bornForDesc, birthSecondsDesc, deathsDesc, heldDesc, livedDesc, rewindsDesc, pagesDesc,
		turnsDesc, waitedDesc, refusedDesc, busyDesc, coresDesc, slicesDesc, sliceSecondsDesc, timedSlicesDesc,
	} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (t told) Collect(ch chan<- prometheus.Metric) {
	to := sink{ch}
	m := t.monitor
	l := m.look()
	s := m.tell(&l)
	for layer, v := range map[string]Verdict{
		"memory": s.Memory.Verdict, "objects": s.Objects.Verdict, "connections": s.Connections.Verdict, "async": s.Async.Verdict,
	} {
		to.gauge(verdictDesc, float64(v.rank()), layer)
	}
	s.Memory.collect(to)
	s.Objects.collect(to)
	s.Connections.collect(to)
	m.Commits.collect(to, writesDesc, "commit")
	m.ModuleWrites.collect(to, writesDesc, "module")
	for n := range l.pools {
		l.pools[n].collect(to)
	}
	l.turns.collect(to)
}

// sink is where a scrape's metrics go.
type sink struct{ ch chan<- prometheus.Metric }

func (s sink) gauge(d *prometheus.Desc, v float64, labels ...string) {
	s.ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
}

func (s sink) counter(d *prometheus.Desc, v float64, labels ...string) {
	s.ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, v, labels...)
}
