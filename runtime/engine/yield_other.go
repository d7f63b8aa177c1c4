//go:build !linux

package engine

func yield() {}
