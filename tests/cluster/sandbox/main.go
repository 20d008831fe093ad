// SPDX-License-Identifier: Apache-2.0

// Command sandbox is the first thing that runs in the namespaces of a container: it builds the root file system, gives up what the
// container may not do, and becomes the container's program.
//
//	sandbox run FILE    in fresh mount, PID, UTS and IPC namespaces: FILE describes the container
//	sandbox join        in a container's namespaces: file descriptor 3 describes the program
//
// It is a program of its own because the one that knows Kubernetes takes 100 ms to start.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"

	"postern/tests/cluster/box"
)

func main() {
	// Capabilities and seccomp filters belong to a thread, and exec keeps those of the thread that calls it.
	runtime.LockOSThread()
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "sandbox:", err)
		os.Exit(128)
	}
}

func run(args []string) error {
	switch {
	case len(args) == 2 && args[0] == "run":
		file, err := os.Open(args[1])
		if err != nil {
			return err
		}
		var b box.Box
		if err := decode(file, &b); err != nil {
			return err
		}
		if err := enterRoot(&b); err != nil {
			return err
		}
		return become(&b.Program)
	case len(args) == 1 && args[0] == "join":
		var p box.Program
		if err := decode(os.NewFile(3, "program"), &p); err != nil {
			return err
		}
		return become(&p)
	}
	return fmt.Errorf("usage: sandbox (run FILE | join)")
}

func decode(file *os.File, to any) error {
	defer file.Close()
	data, err := io.ReadAll(file)
	if err != nil {
		return err
	}
	return json.Unmarshal(data, to)
}
