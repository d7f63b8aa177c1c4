// Package abi has the prism contract as a value: prism.toml is the one place where it is written down.
package abi

import (
	_ "embed"
	"fmt"
	"strings"

	"github.com/BurntSushi/toml"
)

//go:embed prism.toml
var text string

// A Contract is what a server gives its guests, and what it asks of them.
type Contract struct {
	Version string // "1.0": the first number changes with what guests rely on, the second with what is added
	Module  string // what guests import the functions from
	Refused int32  // the answer of a function that will not do what was asked

	Functions []Function `toml:"function"` // that a guest may import
	CallKeys  []CallKey  `toml:"call_key"` // of call_get
	Levels    []Level    `toml:"level"`    // of log
	Limits    []Limit    `toml:"limit"`
	Exports   []Function `toml:"export"` // that a guest has
}

// A Function is one that crosses the boundary.
type Function struct {
	Name     string
	Params   []map[string]string // the type by the name, one each
	Result   string              // "" when there is none
	Optional bool                // of an export: a guest may do without
	Does     string
}

// A CallKey is something that is known of a call.
type CallKey struct{ Name, Value string }

// A Level says how much a line of the log matters.
type Level struct {
	Name  string
	Value int32
}

// A Limit bounds what a guest hands over.
type Limit struct {
	Name  string
	Value int64
	Unit  string
	Of    string
}

// Prism reads the contract.
func Prism() (Contract, error) {
	var c Contract
	meta, err := toml.Decode(text, &c)
	if err != nil {
		return Contract{}, fmt.Errorf("prism.toml: %w", err)
	}
	if unknown := meta.Undecoded(); len(unknown) > 0 {
		return Contract{}, fmt.Errorf("prism.toml: unknown keys %v", unknown)
	}
	return c, nil
}

// Types returns the types of the parameters, in order.
func (f Function) Types() []string {
	types := make([]string, 0, len(f.Params))
	for _, param := range f.Params {
		for _, t := range param {
			types = append(types, t)
		}
	}
	return types
}

// String returns the signature: input_read(ptr i32, offset i32, length i32) -> i32
func (f Function) String() string {
	params := make([]string, 0, len(f.Params))
	for _, param := range f.Params {
		for name, t := range param {
			params = append(params, name+" "+t)
		}
	}
	signature := f.Name + "(" + strings.Join(params, ", ") + ")"
	if f.Result != "" {
		signature += " -> " + f.Result
	}
	return signature
}
