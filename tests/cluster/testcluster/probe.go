// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/kubernetes/pkg/probe"
	probegrpc "k8s.io/kubernetes/pkg/probe/grpc"
	probehttp "k8s.io/kubernetes/pkg/probe/http"
	probetcp "k8s.io/kubernetes/pkg/probe/tcp"
)

// firstProbe is when a container is probed for readiness first, and then after twice, four times as long... up to a second. kubelet
// waits for its period, a second at least.
const firstProbe = 100 * time.Millisecond

func runningSince(begin metav1.Time) corev1.ContainerState {
	return corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: begin}}
}

// setRunning is the state of a container that has just begun.
func (c *container) setRunning(begin metav1.Time) {
	started := c.spec.StartupProbe == nil
	c.setState(runningSince(begin), started, started && c.spec.ReadinessProbe == nil)
}

// probeAll keeps the container's state up to date until ctx ends, and sends an error to dead when a probe finds that it does not live.
func (c *container) probeAll(ctx context.Context, begin metav1.Time, dead chan<- error) {
	if c.spec.StartupProbe != nil {
		if err := c.awaitStartup(ctx); err != nil {
			dead <- err
			return
		}
		if ctx.Err() != nil {
			return
		}
		c.setState(runningSince(begin), true, c.spec.ReadinessProbe == nil)
	}
	if c.spec.LivenessProbe != nil {
		go c.probeLiveness(ctx, dead)
	}
	if c.spec.ReadinessProbe != nil {
		c.probeReadiness(ctx, begin)
	}
}

// awaitStartup returns when the startup probe succeeded or ctx ended, or with an error when it failed too often.
func (c *container) awaitStartup(ctx context.Context) error {
	p := c.spec.StartupProbe
	if sleep(ctx, initialDelay(p)) != nil {
		return nil
	}
	for failures := int32(0); ctx.Err() == nil; {
		err := c.probeOnce(ctx, p)
		if err == nil {
			return nil
		}
		if failures++; failures >= p.FailureThreshold {
			return fmt.Errorf("startup probe failed: %w", err)
		}
		_ = sleep(ctx, period(p))
	}
	return nil
}

func (c *container) probeLiveness(ctx context.Context, dead chan<- error) {
	p, failures := c.spec.LivenessProbe, int32(0)
	for delay := max(initialDelay(p), period(p)); sleep(ctx, delay) == nil; delay = period(p) {
		err := c.probeOnce(ctx, p)
		if err == nil {
			failures = 0
			continue
		}
		if failures++; failures >= p.FailureThreshold && ctx.Err() == nil {
			dead <- fmt.Errorf("liveness probe failed: %w", err)
			return
		}
	}
}

func (c *container) probeReadiness(ctx context.Context, begin metav1.Time) {
	p, ready := c.spec.ReadinessProbe, false
	successes, failures := int32(0), int32(0)
	for delay, again := max(initialDelay(p), firstProbe), firstProbe; sleep(ctx, delay) == nil; {
		was := ready
		if err := c.probeOnce(ctx, p); err == nil {
			successes, failures = successes+1, 0
			ready = ready || successes >= p.SuccessThreshold
		} else {
			successes, failures = 0, failures+1
			ready = ready && failures < p.FailureThreshold
		}
		if ready != was && ctx.Err() == nil {
			c.setState(runningSince(begin), true, ready)
		}
		delay = period(p)
		if !ready {
			again = min(2*again, time.Second)
			delay = again
		}
	}
}

func initialDelay(p *corev1.Probe) time.Duration {
	return time.Duration(p.InitialDelaySeconds) * time.Second
}
func period(p *corev1.Probe) time.Duration {
	return time.Duration(max(1, p.PeriodSeconds)) * time.Second
}

// probeOnce asks once, as kubelet does.
func (c *container) probeOnce(ctx context.Context, p *corev1.Probe) error {
	timeout := time.Duration(max(1, p.TimeoutSeconds)) * time.Second
	var result probe.Result
	var output string
	var err error
	switch {
	case p.HTTPGet != nil:
		request, e := probehttp.NewRequestForHTTPGetAction(p.HTTPGet, &c.spec, c.pod.ip.v4, "probe")
		if e != nil {
			return e
		}
		result, output, err = probehttp.New(false).Probe(request, timeout)
	case p.TCPSocket != nil:
		port, e := c.port(p.TCPSocket.Port)
		if e != nil {
			return e
		}
		result, output, err = probetcp.New().Probe(c.pod.ip.v4, port, timeout)
	case p.GRPC != nil:
		service := ""
		if p.GRPC.Service != nil {
			service = *p.GRPC.Service
		}
		result, output, err = probegrpc.New().Probe(c.pod.ip.v4, service, int(p.GRPC.Port), timeout, probegrpc.ProbeOptions{})
	case p.Exec != nil:
		ctx, cancel := context.WithTimeout(ctx, timeout)
		defer cancel()
		return c.execute(ctx, p.Exec.Command, streams{out: io.Discard, err: io.Discard})
	}
	if err == nil && result != probe.Success && result != probe.Warning {
		err = errors.New(output)
	}
	return err
}

// port returns the number of a port of the container.
func (c *container) port(port intstr.IntOrString) (int, error) {
	return probe.ResolveContainerPort(port, &c.spec)
}
