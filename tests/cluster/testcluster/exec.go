// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
	"k8s.io/cri-streaming/pkg/streaming/remotecommand"
	utilexec "k8s.io/utils/exec"
)

// streams are those of a program that joins a container; each may be nil.
type streams struct {
	in       io.Reader
	out, err io.Writer
	terminal bool
	resize   <-chan remotecommand.TerminalSize
}

// execute runs a program in the running container, with the container's environment and rights, until it exits or ctx ends. The error
// has the exit code, as the streaming library wants it.
func (c *container) execute(ctx context.Context, argv []string, s streams) error {
	cmd, release, err := c.join(argv)
	if err != nil {
		return err
	}
	defer release()
	if s.terminal {
		err = runInTerminal(ctx, cmd, s)
	} else {
		err = runPiped(ctx, cmd, s)
	}
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		code, _ := exitOf(err)
		return utilexec.CodeExitError{Err: err, Code: int(code)}
	}
	return err
}

// join returns the command that runs a program in the container, and what to call after it has ended.
func (c *container) join(argv []string) (*exec.Cmd, func(), error) {
	c.mu.Lock()
	pid, running := c.pid, c.program
	c.mu.Unlock()
	if pid == 0 {
		return nil, nil, fmt.Errorf("container %s does not run", c.spec.Name)
	}
	program := *running
	program.Argv = argv
	data, err := json.Marshal(program)
	if err != nil {
		return nil, nil, err
	}
	fd, err := unix.MemfdCreate("program", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, nil, err
	}
	description := os.NewFile(uintptr(fd), "program")
	if _, err := description.WriteAt(data, 0); err != nil {
		description.Close()
		return nil, nil, err
	}
	// The sandbox program is no file in the container; it is reached through its descriptor.
	sandbox, err := os.Open(c.pod.node.sandbox)
	if err != nil {
		description.Close()
		return nil, nil, err
	}
	cmd := exec.Command("nsenter", "--target", strconv.Itoa(pid), "--mount", "--net", "--pid", "--uts", "--ipc", "--", "/proc/self/fd/4", "join")
	cmd.ExtraFiles = []*os.File{description, sandbox}
	return cmd, func() { description.Close(); sandbox.Close() }, nil
}

// runPiped runs the command until it exits. Its input is copied by a goroutine that nobody waits for: it ends with the stream.
func runPiped(ctx context.Context, cmd *exec.Cmd, s streams) error {
	cmd.Stdout, cmd.Stderr = s.out, s.err
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if s.in != nil {
		in, err := cmd.StdinPipe()
		if err != nil {
			return err
		}
		go func() {
			_, _ = io.Copy(in, s.in)
			in.Close()
		}()
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) })
	defer stop()
	return cmd.Wait()
}

// runInTerminal runs the command in a terminal of its own until it exits.
func runInTerminal(ctx context.Context, cmd *exec.Cmd, s streams) error {
	master, slave, err := openTerminal()
	if err != nil {
		return err
	}
	defer master.Close()
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Pdeathsig: syscall.SIGKILL}
	err = cmd.Start()
	slave.Close()
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) })
	defer stop()
	go func() {
		for size := range s.resize {
			_ = unix.IoctlSetWinsize(int(master.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: size.Height, Col: size.Width})
		}
	}()
	if s.in != nil {
		go func() { _, _ = io.Copy(master, s.in) }()
	}
	copied := make(chan struct{})
	go func() {
		defer close(copied)
		if s.out != nil {
			_, _ = io.Copy(s.out, master) // EIO, once the last of its programs has ended
		}
	}()
	err = cmd.Wait()
	<-copied
	return err
}

// openTerminal returns the two ends of a new terminal.
func openTerminal() (master, slave *os.File, err error) {
	master, err = os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, nil, err
	}
	number, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0)
	}
	if err == nil {
		slave, err = os.OpenFile("/dev/pts/"+strconv.Itoa(number), os.O_RDWR|unix.O_NOCTTY, 0)
	}
	if err != nil {
		master.Close()
	}
	return master, slave, err
}

// executor runs programs in a container for the streaming library.
type executor struct{ container *container }

func (e executor) ExecInContainer(ctx context.Context, _, _, _ string, argv []string, in io.Reader, out, errs io.WriteCloser,
	terminal bool, resize <-chan remotecommand.TerminalSize, _ time.Duration) error {
	s := streams{in: in, terminal: terminal, resize: resize}
	if out != nil { // an interface with a nil in it would not be nil
		s.out = out
	}
	if errs != nil {
		s.err = errs
	}
	return e.container.execute(ctx, argv, s)
}
