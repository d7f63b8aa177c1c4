package prism

import "github.com/marketprism/prismrt/sdk/go/internal/resume"

func init() { resume.Warn = func(message string) { Log(LevelWarn, message) } }

//go:wasmexport handle
func handle() int32 { return runDefault() }
