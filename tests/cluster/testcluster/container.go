// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"postern/tests/cluster/box"
)

const (
	containerCreating = "ContainerCreating"
	backoffMax        = 10 * time.Second // kubelet's is 5 min: too long for a test
	backoffForgotten  = 20 * time.Second // a container that ran so long starts again at once
)

// container is a container of a pod.
type container struct {
	pod  *pod
	spec corev1.Container
	init bool

	mu        sync.Mutex
	current   corev1.ContainerState
	last      corev1.ContainerState
	ready     bool
	started   bool
	restarted int32
	pid       int          // of its first process, while it runs
	program   *box.Program // what that runs
}

// sidecar reports whether an init container runs beside the others.
func (c *container) sidecar() bool {
	return c.spec.RestartPolicy != nil && *c.spec.RestartPolicy == corev1.ContainerRestartPolicyAlways
}

// restarts reports whether the container runs again after it exits.
func (c *container) restarts(exitCode int32) bool {
	switch policy := c.pod.spec.Spec.RestartPolicy; {
	case c.sidecar():
		return true
	case c.init, policy == corev1.RestartPolicyOnFailure:
		return exitCode != 0 && policy != corev1.RestartPolicyNever
	default:
		return policy == corev1.RestartPolicyAlways
	}
}

func (c *container) succeeded() bool {
	t := c.state().Terminated
	return t != nil && t.ExitCode == 0
}

func (c *container) state() corev1.ContainerState {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.current == (corev1.ContainerState{}) {
		return waiting(containerCreating, "")
	}
	return c.current
}

func (c *container) setState(s corev1.ContainerState, started, ready bool) {
	c.mu.Lock()
	c.current, c.started, c.ready = s, started, ready
	c.mu.Unlock()
	poke(c.pod.stale)
}

func (c *container) status(message string) corev1.ContainerStatus {
	state := c.state()
	if state.Waiting != nil && message != "" {
		state.Waiting.Message = message
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	started := c.started || (c.init && state.Terminated != nil && state.Terminated.ExitCode == 0)
	return corev1.ContainerStatus{
		Name:                 c.spec.Name,
		Image:                c.spec.Image,
		ImageID:              c.spec.Image,
		ContainerID:          fmt.Sprintf("process://%s/%s", c.pod.spec.UID, c.spec.Name),
		State:                state,
		LastTerminationState: c.last,
		Ready:                c.ready,
		Started:              &started,
		RestartCount:         c.restarted,
	}
}

func waiting(reason, message string) corev1.ContainerState {
	return corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: message}}
}

// run runs the container, again and again if it has to be restarted: at once at first, then after a pause that doubles.
func (c *container) run(ctx context.Context) {
	backoff := time.Duration(0)
	for {
		begin := time.Now()
		code, err := c.runOnce(ctx)
		var refused *refusal
		if time.Since(begin) >= backoffForgotten {
			backoff = 0
		}
		switch {
		case ctx.Err() != nil:
			return
		case errors.As(err, &refused):
			c.setState(waiting(refused.reason, refused.err.Error()), false, false)
		case err != nil:
			log.Printf("pod %s: container %s: %v", c.pod, c.spec.Name, err)
			c.setState(waiting("CreateContainerError", err.Error()), false, false)
		case !c.restarts(code):
			return
		default:
			log.Printf("pod %s: container %s exited with %d", c.pod, c.spec.Name, code)
			c.mu.Lock()
			c.last = c.current
			c.restarted++
			c.mu.Unlock()
			c.setState(waiting("CrashLoopBackOff", fmt.Sprintf("back-off %v", backoff)), false, false)
		}
		if sleep(ctx, backoff) != nil {
			return
		}
		backoff = min(max(2*backoff, time.Second), backoffMax)
	}
}

// refusal is an error that has a reason of its own in the container's status.
type refusal struct {
	reason string
	err    error
}

func (r *refusal) Error() string { return r.reason + ": " + r.err.Error() }

// runOnce runs the container's process until it exits, or ends it when ctx does or it is found not to live. It returns an error if the
// process could not be started.
func (c *container) runOnce(ctx context.Context) (exitCode int32, err error) {
	b, err := c.box(ctx)
	if err != nil {
		return 0, err
	}
	output, err := createLog(c.pod.node.logFile(c.pod.spec.Namespace, c.pod.spec.Name, c.spec.Name))
	if err != nil {
		return 0, err
	}
	defer output.Close()
	cmd, err := c.start(b, output)
	if err != nil {
		return 0, err
	}
	begin := metav1.Now()
	exited := make(chan error, 1)
	go func() { exited <- cmd.Wait() }()

	probing, stopProbing := context.WithCancel(ctx)
	defer stopProbing()
	dead := make(chan error, 1)
	c.setRunning(begin)
	go c.probeAll(probing, begin, dead)

	select {
	case err = <-exited:
	case why := <-dead:
		log.Printf("pod %s: container %s is killed: %v", c.pod, c.spec.Name, why)
		err = c.end(cmd, exited)
	case <-ctx.Done():
		if !c.pod.stopped() { // the power is cut
			_ = cmd.Process.Kill()
		}
		err = c.end(cmd, exited)
	}
	stopProbing()
	c.setProcess(0, nil)
	exitCode, reason := exitOf(err)
	c.setState(corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{
		ExitCode: exitCode, Reason: reason, StartedAt: begin, FinishedAt: metav1.Now(),
	}}, false, false)
	return exitCode, nil
}

// start starts the container's process.
func (c *container) start(b *box.Box, output *containerLog) (*exec.Cmd, error) {
	data, err := json.Marshal(b)
	if err != nil {
		return nil, err
	}
	file := filepath.Join(c.pod.dir, c.spec.Name+".json")
	if err := os.WriteFile(file, data, 0o600); err != nil {
		return nil, err
	}
	cmd := inNetns(c.pod.netns, c.pod.node.sandbox, "run", file)
	cmd.Stdout, cmd.Stderr = output, output
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC,
		Setpgid:    true,
		Pdeathsig:  syscall.SIGKILL,
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	c.setProcess(cmd.Process.Pid, &b.Program)
	return cmd, nil
}

// end asks the container's process to end, and after the grace period makes it.
func (c *container) end(cmd *exec.Cmd, exited <-chan error) error {
	_ = cmd.Process.Signal(syscall.SIGTERM)
	select {
	case err := <-exited:
		return err
	case <-time.After(c.pod.gracePeriod()):
		_ = cmd.Process.Kill()
		return <-exited
	}
}

func (c *container) setProcess(pid int, program *box.Program) {
	c.mu.Lock()
	c.pid, c.program = pid, program
	c.mu.Unlock()
}

// exitOf returns the exit code and reason that a process's end has in a status.
func exitOf(err error) (code int32, reason string) {
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		code = int32(exit.ExitCode())
		if code < 0 {
			code = 128 + int32(exit.Sys().(syscall.WaitStatus).Signal())
		}
	}
	if code != 0 {
		return code, "Error"
	}
	return code, "Completed"
}
