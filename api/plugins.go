package api

import (
	"bytes"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/marketprism/prismrt/plugins"
	"github.com/marketprism/prismrt/runtime/task"
)

// pluginRow is a plugin in a list.
type pluginRow struct {
	Namespace string      `json:"namespace"`
	Name      string      `json:"name"`
	Live      int         `json:"live"` // 0: none yet
	Versions  int         `json:"versions"`
	ABI       task.ABI    `json:"abi"` // of the live version, or of the newest
	Digest    task.Digest `json:"digest"`
	Bytes     int64       `json:"bytes"`
	Canary    *canary     `json:"canary,omitempty"`
	UpdatedAt time.Time   `json:"updated_at"`
}

func (s *server) listPlugins(w http.ResponseWriter, _ *request) error {
	rows := []pluginRow{}
	for _, p := range s.Catalogue.Plugins(namespace) {
		v := p.Versions[len(p.Versions)-1]
		if live, err := p.Version(p.Live); err == nil {
			v = live
		}
		rows = append(rows, pluginRow{
			Namespace: p.Namespace, Name: p.Name, Live: p.Live, Versions: len(p.Versions),
			ABI: v.ABI, Digest: v.Digest, Bytes: v.Bytes, Canary: canaryOf(p), UpdatedAt: p.UpdatedAt,
		})
	}
	return s.writeJSON(w, http.StatusOK, map[string]any{"plugins": rows})
}

// plugin is one plugin with all that is known of it.
type plugin struct {
	Namespace string    `json:"namespace"`
	Name      string    `json:"name"`
	Live      int       `json:"live"`
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
	Health    state     `json:"health"`
	release
	Pool     *pool     `json:"pool,omitempty"` // of the live version, once it is loaded
	Versions []version `json:"versions"`       // newest first
}

type state struct {
	State  string `json:"state"` // ready, loading, fenced, failed or none
	Reason string `json:"reason,omitempty"`
}

type pool struct {
	Version  int `json:"version"`
	Ready    int `json:"ready"`
	Building int `json:"building"`
	Lent     int `json:"lent"`
	Waiting  int `json:"waiting"`
	Size     int `json:"size"` // how many are worth having now
	Max      int `json:"max"`

	// Begins and Reason are as in /v1/stats.
	Begins string `json:"begins"`
	Reason string `json:"reason,omitempty"`
}

// version is a version of a plugin.
type version struct {
	Namespace string          `json:"namespace"`
	Name      string          `json:"name"`
	Version   int             `json:"version"`
	Live      bool            `json:"live"`
	Digest    task.Digest     `json:"digest"`
	Bytes     int64           `json:"bytes"`
	ABI       task.ABI        `json:"abi"`
	Script    *plugins.Script `json:"script,omitempty"`   // what runs it; nil: it is a module
	Function  string          `json:"function,omitempty"` // the default handler
	Functions []string        `json:"functions"`
	Imports   []string        `json:"imports"`
	Exports   []string        `json:"exports"`
	Limits    limits          `json:"limits"`
	Grants    grants          `json:"grants"`
	Health    *check          `json:"health,omitempty"`
	Manifest  json.RawMessage `json:"manifest"`
	CreatedAt time.Time       `json:"created_at"`
}

type limits struct {
	MemoryBytes  int64   `json:"memory_bytes"`
	TimeoutMS    float64 `json:"timeout_ms"`
	Fuel         int64   `json:"fuel"` // instructions
	StackBytes   int64   `json:"stack_bytes"`
	InputBytes   int64   `json:"input_bytes"`
	OutputBytes  int64   `json:"output_bytes"`
	InstancesMin int     `json:"instances_min"`
	InstancesMax int     `json:"instances_max"`
}

// grants names what was granted; the values are the operator's.
type grants struct {
	Config []string `json:"config"`
	HTTP   []string `json:"http"` // hosts
}

func describe(v plugins.Version, live int) version {
	config := make([]string, 0, len(v.Run.Config))
	for key := range v.Run.Config {
		config = append(config, key)
	}
	slices.Sort(config)
	return version{
		Namespace: v.Ref.Namespace, Name: v.Ref.Plugin, Version: v.Ref.Version, Live: v.Ref.Version == live,
		Digest: v.Digest, Bytes: v.Bytes, ABI: v.ABI, Script: v.Facts.Script,
		Function: v.Facts.Function, Functions: list(v.Facts.Functions), Imports: list(v.Facts.Imports), Exports: list(v.Facts.Exports),
		Limits: limits{
			MemoryBytes: int64(v.Run.Limits.Memory), TimeoutMS: float64(time.Duration(v.Run.Limits.Timeout).Microseconds()) / 1000,
			Fuel: v.Run.Limits.Fuel, StackBytes: int64(v.Run.Limits.Stack), InputBytes: int64(v.Run.Limits.Input), OutputBytes: int64(v.Run.Limits.Output), InstancesMin: v.Run.Min, InstancesMax: v.Run.Max,
		},
		Grants:   grants{Config: config, HTTP: list(v.Run.HTTP)},
		Health:   checkOf(v.Run.Health),
		Manifest: v.Manifest, CreatedAt: v.CreatedAt,
	}
}

// list makes of nothing an empty list, which JSON tells from null.
func list(s []string) []string {
	if s == nil {
		return []string{}
	}
	return s
}

func (s *server) showPlugin(w http.ResponseWriter, r *request) error {
	p, err := s.Catalogue.Plugin(namespace, r.param("name"))
	if err != nil {
		return err
	}
	return s.writePlugin(w, p)
}

func (s *server) writePlugin(w http.ResponseWriter, p plugins.Plugin) error {
	out := plugin{
		Namespace: p.Namespace, Name: p.Name, Live: p.Live, CreatedAt: p.CreatedAt, UpdatedAt: p.UpdatedAt, Health: state{State: "none"},
		release: s.releaseOf(p),
	}
	if name, reason := s.Invoker.State(p.Namespace, p.Name); name != "" {
		out.Health = state{name, reason}
	}
	live := task.Ref{Namespace: p.Namespace, Plugin: p.Name, Version: p.Live}
	for _, q := range s.Invoker.Pools() {
		if q.Ref == live {
			out.Pool = &pool{Version: p.Live, Ready: q.Ready, Building: q.Building, Lent: q.Lent, Waiting: q.Waiting, Size: q.Size, Max: q.Max, Begins: q.Begins, Reason: q.Reason}
		}
	}
	for _, v := range slices.Backward(p.Versions) {
		out.Versions = append(out.Versions, describe(v, p.Live))
	}
	return s.writeJSON(w, http.StatusOK, out)
}

func (s *server) listInstances(w http.ResponseWriter, r *request) error {
	p, err := s.Catalogue.Plugin(namespace, r.param("name"))
	if err != nil {
		return err
	}
	return s.writeJSON(w, http.StatusOK, map[string]any{"instances": s.Invoker.Instances(p.Namespace, p.Name)})
}

// deletePlugin forgets a plugin, but not while tasks wait for it, unless these are to be
// canceled.
func (s *server) deletePlugin(w http.ResponseWriter, r *request) error {
	name := r.param("name")
	force, err := boolQuery(r, "force", false)
	if err != nil {
		return err
	}
	if s.Queue != nil && !force {
		if n := s.Queue.Waiting(namespace, name); n > 0 {
			return task.Faultf(task.KindConflict, "%d tasks of %s have not ended; wait for them, or delete it with force=true, which cancels them", n, name)
		}
	}
	if err := s.Catalogue.Delete(r.Context(), namespace, name); err != nil {
		return err
	}
	if s.Queue != nil && force {
		// Now no more can come.
		if err := s.cancelTasksOf(r.Context(), name); err != nil {
			return err
		}
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *server) getModule(w http.ResponseWriter, r *request) error {
	number, err := strconv.Atoi(r.param("version"))
	if err != nil {
		return task.Faultf(task.KindInvalid, "%.80q is not the number of a version", r.param("version"))
	}
	module, v, err := s.Catalogue.Module(namespace, r.param("name"), number)
	if err != nil {
		return err
	}
	header := w.Header()
	header.Set("Content-Type", "application/wasm")
	if v.Facts.Script != nil {
		header.Set("Content-Type", "text/plain; charset=utf-8")
	}
	header.Set("ETag", strconv.Quote(string(v.Digest)))
	header.Set("X-Content-Type-Options", "nosniff")
	// Answers ranges and If-None-Match.
	http.ServeContent(w, r.Request, "", v.CreatedAt, bytes.NewReader(module))
	return nil
}
