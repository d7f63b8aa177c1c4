package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	goruntime "runtime"
	"strconv"
)

// errUnable tells that a trial needs what is not to be had here.
var errUnable = errors.New("it cannot be tried here")

// mount puts a file system in a folder, which it makes, until unmount.
func mount(ctx context.Context, folder string, args ...string) (unmount func() error, err error) {
	if goruntime.GOOS != "linux" || os.Geteuid() != 0 {
		return nil, fmt.Errorf("%w: file systems are mounted by root, on Linux", errUnable)
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, err
	}
	if err := command(ctx, append(append([]string{"mount"}, args...), folder)...); err != nil {
		return nil, fmt.Errorf("%w: %w", errUnable, err)
	}
	return func() error { return command(context.WithoutCancel(ctx), "umount", folder) }, nil
}

func command(ctx context.Context, argv ...string) error {
	if out, err := exec.CommandContext(ctx, argv[0], argv[1:]...).CombinedOutput(); err != nil {
		return fmt.Errorf("%q: %w: %s", argv, err, out)
	}
	return nil
}

// freeze has a process do nothing more.
func freeze(ctx context.Context, pid int) error {
	return command(ctx, "kill", "-STOP", strconv.Itoa(pid))
}
