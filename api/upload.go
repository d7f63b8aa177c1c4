package api

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"strings"

	"github.com/marketprism/prismrt/plugins"
	"github.com/marketprism/prismrt/runtime/task"
	"github.com/marketprism/prismrt/runtime/wasm"
)

func (s *server) putPlugin(w http.ResponseWriter, r *request) error {
	query := r.URL.Query()
	u := plugins.Upload{Namespace: namespace, Name: r.param("name"), Runtime: query.Get("runtime"), File: query.Get("file")}
	if u.File != "" && u.Runtime == "" {
		return task.Faultf(task.KindInvalid, "file is the name of a script; say with runtime what it is written in")
	}
	if err := plugins.CheckName(u.Name); err != nil { // before a large body is read
		return err
	}
	var err error
	if u.Live, err = boolQuery(r, "live", true); err != nil {
		return err
	}
	if mediaType, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); mediaType == "multipart/form-data" {
		err = s.readForm(w, r, &u)
	} else {
		// Whatever a client calls it: a module is known by its first bytes.
		u.Module, err = s.readBody(w, r, s.MaxModule, "upload.module of this server")
	}
	if err != nil {
		return err
	}

	v, added, err := s.Catalogue.Add(r.Context(), u)
	if err != nil {
		return err
	}
	p, err := s.Catalogue.Plugin(namespace, u.Name)
	if err != nil {
		return err
	}
	status := http.StatusOK
	if added {
		status = http.StatusCreated
		w.Header().Set("Location", "/v1/plugins/"+u.Name)
	}
	return s.writeJSON(w, status, describe(v, p.Live))
}

// linkedPart begins the names of parts that are modules which the plug-in imports from; the
// name by which it does follows.
const linkedPart = "module."

// readForm reads an upload of the parts "module", or "script", and "manifest", and of what is
// linked with the module.
func (s *server) readForm(w http.ResponseWriter, r *request, u *plugins.Upload) error {
	done := s.limitReading(w)
	limit := s.MaxModule + s.MaxManifest + maxJSON // and what stands around them
	tooLarge := task.Faultf(task.KindTooLarge, "the form is over %v", limit)
	r.Body = http.MaxBytesReader(w, r.Body, int64(limit))
	form, err := r.MultipartReader()
	if err != nil {
		return task.Faultf(task.KindInvalid, "the form cannot be read: %w", err)
	}
	seen := make(map[string]bool)
	var linked []wasm.Linked
	code := "module"
	if u.Runtime != "" {
		code = "script"
	}
	for {
		part, err := form.NextPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return bodyFault(err, tooLarge)
		}
		name := part.FormName()
		if seen[name] {
			return task.Faultf(task.KindInvalid, "the form has the part %.80q twice", name)
		}
		seen[name] = true
		switch {
		case code == "module" && strings.HasPrefix(name, linkedPart):
			if len(linked) == plugins.MostLinked { // each is copied with all before it
				return task.Faultf(task.KindInvalid, "the form has over %d parts module.NAME; that many modules can be linked with one", plugins.MostLinked)
			}
			l := wasm.Linked{Name: name[len(linkedPart):]}
			l.Module, err = readPart(part, s.MaxModule, "upload.module of this server")
			linked = append(linked, l)
		case name == code:
			u.Module, err = readPart(part, s.MaxModule, "upload.module of this server")
		case name == "manifest":
			u.Manifest, err = s.readManifest(part)
		default:
			err = task.Faultf(task.KindInvalid, "the form has the unknown part %.80q; known are %s and manifest, and module.NAME beside a module", name, code)
		}
		if err != nil {
			return err
		}
	}
	if !seen[code] {
		return task.Faultf(task.KindInvalid, "the form has no part %q", code)
	}
	for _, l := range linked {
		u.Module = wasm.Link(u.Module, l)
	}
	if len(u.Module) > int(s.MaxModule) {
		return task.Faultf(task.KindTooLarge, "the modules are together over upload.module of this server, which is %v", s.MaxModule)
	}
	done()
	return nil
}

func readPart(part *multipart.Part, limit task.Bytes, what string) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(part, int64(limit)+1))
	tooLarge := task.Faultf(task.KindTooLarge, "the part %q is over %s, which is %v", part.FormName(), what, limit)
	if err != nil {
		return nil, bodyFault(err, tooLarge)
	}
	if len(b) > int(limit) {
		return nil, tooLarge
	}
	return b, nil
}

// readManifest reads a manifest in the format its type says, or else the one it
// looks like: only JSON begins with a brace.
func (s *server) readManifest(part *multipart.Part) (plugins.Manifest, error) {
	text, err := readPart(part, s.MaxManifest, "upload.manifest of this server")
	if err != nil {
		return plugins.Manifest{}, err
	}
	mediaType, _, _ := mime.ParseMediaType(part.Header.Get("Content-Type"))
	isJSON := bytes.HasPrefix(bytes.TrimSpace(text), []byte("{"))
	switch mediaType {
	case "application/json":
		isJSON = true
	case "application/toml":
		isJSON = false
	}
	if isJSON {
		return plugins.ParseJSON(text)
	}
	return plugins.ParseTOML(text)
}
