package prism

//go:wasmexport handle
func handle() int32 { return runDefault() }
