package config_test

import (
	"math"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/marketprism/prismrt/runtime/config"
	"github.com/marketprism/prismrt/runtime/task"
)

func TestTheDefaultsAreAllowed(t *testing.T) {
	if err := config.Default().Check(); err != nil {
		t.Error(err)
	}
}

func TestTheRepositorysFileIsTheDefaults(t *testing.T) {
	got, err := config.Load("../../runtime.toml")
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, config.Default()) {
		t.Errorf("runtime.toml gives\n%s\nthe defaults are\n%s", got, config.Default())
	}
}

func TestWhatIsPrintedReadsBackTheSame(t *testing.T) {
	c := config.Default()
	c.Server.Listen, c.Default.Timeout, c.Max.Memory = "[::1]:9", task.Duration(1500*time.Millisecond), 3<<20
	back, err := config.Decode(c.String())
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(back, c) {
		t.Errorf("printed\n%s\nread back\n%s", c, back)
	}
}

func TestAFileNamesOnlyWhatItChanges(t *testing.T) {
	got, err := config.Decode("[default]\nmemory = \"8MiB\"\n")
	if err != nil {
		t.Fatal(err)
	}
	want := config.Default()
	want.Default.Memory = 8 << 20
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestBadFilesAreRefusedByName(t *testing.T) {
	for name, tt := range map[string]struct {
		text string
		want []string
	}{
		"unknown keys":       {"colour = 1\n[server]\nlisten = \"127.0.0.1:1\"\nlsten = \"x\"\n[pool.deep]\nx = 1", []string{"unknown key colour", "unknown key server.lsten", "unknown key pool.deep.x"}},
		"bare duration":      {"[server]\ngrace = 30", []string{"line 2", "grace", "unit"}},
		"bare zero duration": {"[server]\ngrace = 0", []string{"grace", "unit"}},
		"size in words":      {"[upload]\nmodule = \"lots\"", []string{"module", "64MiB"}},
		"wrong type":         {"[scheduler]\nwaiting = \"many\"", []string{"waiting"}},
		"not TOML":           {"[server", []string{"line 1"}},
	} {
		_, err := config.Decode(tt.text)
		for _, want := range tt.want {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: error %v, want one that says %q", name, err, want)
			}
		}
	}
}

func TestCheckReportsEverythingWrongAtOnce(t *testing.T) {
	c := config.Default()
	c.Server.Listen = "0.0.0.0:8080"
	c.Server.Data = ""
	c.Upload.StartTimeout = 0
	c.Default.Memory = 2 << 30
	c.Max.Instances = 0
	c.Max.Memory = 5 << 30
	c.Max.Output = -1
	c.Scheduler.Waiting = 0
	c.Scheduler.Policy = "lottery"
	c.Scheduler.Weights = map[string]float64{"prices": -1}
	c.Health.Threshold = math.NaN()
	c.Health.MinCalls = 0
	c.Health.Open = 1
	c.Tasks = config.Tasks{Sync: "never", Retries: 101, Rate: math.NaN(), Concurrency: -1, KeepCount: -1, Backoff: 2, MaxBackoff: 1}
	c.Trace.Endpoint, c.Trace.Sample, c.Trace.Service = "localhost:4318", math.NaN(), ""
	c.Log.Level = "loud"
	c.Log.Format = "xml"
	c.Upload.CompileMemory = 1
	err := c.Check()
	for _, want := range []string{
		"server.listen", "loopback", "server.data", "upload.start_timeout", "[default]", "max.instances",
		"max.memory", "max.output", "scheduler.waiting", "scheduler.policy", "prices", "log.level", "log.format", "upload.compile_memory",
		"health.threshold", "health.min_calls", "health.open",
		"tasks.sync is", "tasks.sync_interval", "tasks.waiting", "tasks.plugin_waiting", "tasks.retries", "tasks.rate", "tasks.concurrency",
		"tasks.keep is", "tasks.keep_dead", "tasks.keep_count", "tasks.keys", "more than tasks.max_backoff",
		"trace.endpoint", "trace.sample", "trace.service",
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v\nwant one that says %q", err, want)
		}
	}
}

func TestOnlyLoopbackIsListenedOnWithoutKeys(t *testing.T) {
	for listen, ok := range map[string]bool{
		"127.0.0.1:0": true, "127.8.8.8:80": true, "[::1]:80": true, "localhost:80": true,
		":8080": false, "0.0.0.0:1": false, "192.0.2.1:80": false, "[::]:80": false, "example.com:80": false, "8080": false, "": false,
	} {
		c := config.Default()
		c.Server.Listen = listen
		if err := c.Check(); (err == nil) != ok {
			t.Errorf("listen %q: %v", listen, err)
		}
	}
}

func TestAMissingFileIsAnError(t *testing.T) {
	if _, err := config.Load(t.TempDir() + "/none.toml"); !os.IsNotExist(err) {
		t.Errorf("got %v", err)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add("[server]\nlisten = \"127.0.0.1:1\"\ngrace = \"1s\"")
	f.Add("[default]\nmemory = \"8MiB\"")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := config.Decode(text)
		if err != nil {
			return
		}
		if _, err := config.Decode(c.String()); err != nil {
			t.Errorf("what %q gives prints as\n%s\nwhich is refused: %v", text, c, err)
		}
		_ = c.Check()
	})
}
