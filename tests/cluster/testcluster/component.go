// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"
)

// component is a program of the cluster. It may be stopped and started again.
type component struct {
	name string
	argv []string
	log  string

	mu      sync.Mutex
	cmd     *exec.Cmd
	done    chan struct{} // closed when it has ended
	wanted  bool          // nobody asked it to end
	used    time.Duration // of CPU, by those of its processes that ended
	largest int64         // resident set of any of them, KiB
}

// launch starts a component for the first time. Its output goes to a file.
func (c *cluster) launch(name string, args ...string) error {
	program := "kubernetes"
	if name == "node" {
		program = "testcluster"
	}
	p := &component{
		name: name,
		argv: append([]string{filepath.Join(c.bin, program), name}, args...),
		log:  c.path("logs", name+".log"),
	}
	c.components = append(c.components, p)
	return p.start()
}

// start starts the component's process, if none runs.
func (p *component) start() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.running() {
		return nil
	}
	out, err := os.OpenFile(p.log, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer out.Close()
	cmd, done := exec.Command(p.argv[0], p.argv[1:]...), make(chan struct{})
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return err
	}
	p.cmd, p.done, p.wanted = cmd, done, true
	go func() {
		err := cmd.Wait()
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.wanted {
			fmt.Fprintf(os.Stderr, "testcluster: %s ended by itself: %v\n", p.name, err)
		}
		p.used += cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
		if usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
			p.largest = max(p.largest, usage.Maxrss)
		}
		close(done)
	}()
	return nil
}

// running reports whether its process runs. The caller holds the lock.
func (p *component) running() bool {
	if p.done == nil {
		return false
	}
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// end ends the component's process with a signal, after a while with SIGKILL, and waits until it is gone.
func (p *component) end(signal syscall.Signal) {
	p.mu.Lock()
	if !p.running() {
		p.mu.Unlock()
		return
	}
	p.wanted = false
	cmd, done := p.cmd, p.done
	p.mu.Unlock()
	_ = cmd.Process.Signal(signal)
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		_ = cmd.Process.Kill()
		<-done
	}
}

// signal sends the component's process a signal.
func (p *component) signal(s syscall.Signal) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.running() {
		return fmt.Errorf("%s does not run", p.name)
	}
	return p.cmd.Process.Signal(s)
}

// tail returns the end of a log.
func tail(log string) string {
	f, err := os.Open(log)
	if err != nil {
		return ""
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil {
		_, _ = f.Seek(max(0, info.Size()-2000), io.SeekStart)
	}
	data, _ := io.ReadAll(f)
	return string(data)
}

// stop ends the components, the last started first, and reports what each used; the node, with its pods.
func (c *cluster) stop() {
	for _, p := range slices.Backward(c.components) {
		p.end(syscall.SIGTERM)
		c.report("%s used at most %d MiB, %s of CPU", p.name, p.largest/1024, p.used.Round(time.Millisecond))
	}
}

// wait waits until ok returns no error, while every component runs.
func (c *cluster) wait(ctx context.Context, name string, ok func() error) error {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	for {
		err := ok()
		if err == nil {
			c.report("%s is ready", name)
			return nil
		}
		for _, p := range c.components {
			p.mu.Lock()
			running := p.running()
			p.mu.Unlock()
			if !running {
				return fmt.Errorf("%s ended: %s", p.name, tail(p.log))
			}
		}
		if sleep(ctx, 50*time.Millisecond) != nil {
			return fmt.Errorf("%s is not ready: %w", name, err)
		}
	}
}
