// Package store says what must survive a crash, in words that leave open where
// it is kept. store/sqlite keeps it on one machine; store/blob keeps modules.
package store

import (
	"context"
	"errors"
	"time"

	"github.com/marketprism/prismrt/runtime/task"
)

// ErrNotFound is the answer for a plugin or version that is not there.
var ErrNotFound = errors.New("not found")

// Version is one uploaded version of a plugin. It never changes.
type Version struct {
	Ref       task.Ref
	Digest    task.Digest
	Bytes     int64 // of the module
	ABI       task.ABI
	Manifest  []byte // as canonical JSON, the way it was uploaded
	Facts     []byte // what was found in the module, as JSON
	CreatedAt time.Time
}

// Plugin is a name and where it points.
type Plugin struct {
	Namespace string
	Name      string
	Release
	CreatedAt time.Time
	UpdatedAt time.Time // of the last upload or change of the Release
	Versions  []Version // oldest first, at least one
}

// Catalogue keeps plugins. A method that returned without an error has put its
// change where a power failure does not reach it; one that was cut off did all
// of it or nothing.
type Catalogue interface {
	// Plugins returns all plugins of all namespaces, sorted by both names.
	Plugins(ctx context.Context) ([]Plugin, error)

	// Add stores a version and with it, unless r is nil, where its plugin's calls go.
	// The number must be one that the plugin never had.
	Add(ctx context.Context, v Version, r *Release) error

	// SetRelease says where a plugin's calls go. It answers ErrNotFound for a plugin,
	// a live version or a canary that is not there.
	SetRelease(ctx context.Context, namespace, name string, r Release, at time.Time) error

	// Delete forgets a plugin and its versions, or answers ErrNotFound.
	Delete(ctx context.Context, namespace, name string) error
}
