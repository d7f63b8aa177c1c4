package main

import (
	"path/filepath"

	"github.com/marketprism/prismrt/runtime/config"
	"github.com/marketprism/prismrt/runtime/engine"
	"github.com/marketprism/prismrt/runtime/script"
	"github.com/marketprism/prismrt/runtime/task"
)

// scriptReport says what a script runs in.
type scriptReport struct {
	Runtime     string      `json:"runtime"`     // the language, as "prismrt runtime add" takes it
	Package     string      `json:"package"`     // of npm, that has the interpreter
	File        string      `json:"file"`        // the interpreter in it
	Interpreter task.Digest `json:"interpreter"` // the digest of that file; a server may have another
}

// inspectScript says of a script what can be told without its interpreter: what it runs in,
// and whether its name and its manifest are taken. The rest an upload finds out.
func inspectScript(path string, source []byte, l *script.Language, abi task.ABI, m manifest) *inspection {
	out := &inspection{
		Bytes: len(source), Digest: task.DigestOf(source), ABI: task.ABIScript,
		Functions: []string{}, Imports: []importRow{}, Exports: []exportRow{}, Problems: []string{}, Config: []string{},
		Begins: string(engine.AtCheckpoint),
		Script: &scriptReport{l.Name, l.Source.Name, l.Source.File, l.Source.Digest},
	}
	if err := script.CheckFile(filepath.Base(path)); err != nil {
		out.Problems = append(out.Problems, task.FaultOf(err).Message)
	}
	parsed, err := m.parse()
	if err != nil {
		out.Problems = append(out.Problems, task.FaultOf(err).Message)
		return out
	}
	out.granted(parsed.Grants)
	if abi != "" { // it was asked for
		parsed.ABI = &abi
	}
	if _, err := parsed.Script(defaults(config.Default()), l.Name); err != nil {
		out.Problems = append(out.Problems, task.FaultOf(err).Message)
	}
	return out
}

// printScript says it for people.
func (i *inspection) printScript(t *terminal) error {
	s := i.Script
	if err := t.printf("%s: %d bytes, a script in %s\ndigest     %s\ncontract   script\nruntime    %s %s: %s of the npm package %s\ncalls      %s\ngranted    %s\n",
		i.File, i.Bytes, s.Runtime, i.Digest, s.Runtime, shortDigest(string(s.Interpreter)), s.File, s.Package, i.calls(), configNote(i.Config)); err != nil {
		return err
	}
	if len(i.Problems) > 0 {
		return i.printProblems(t)
	}
	return t.printf("\nnext:\n  prismrt runtime add %s    once for a server\n  prismrt push %s\n", s.Runtime, shellQuote(i.File))
}
