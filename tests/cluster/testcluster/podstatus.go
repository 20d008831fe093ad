// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"log"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// publishWhenStale writes the pod's status to the API each time that it is stale, until it is there or ctx ends.
func (p *pod) publishWhenStale(ctx context.Context) {
	for {
		select {
		case <-p.stale:
		case <-ctx.Done():
			return
		}
		for !p.publish() {
			if sleep(ctx, time.Second) != nil {
				return
			}
		}
	}
}

// publish writes the pod's status, and reports whether that is done with.
func (p *pod) publish() bool {
	status := p.status()
	patch, err := json.Marshal(map[string]any{
		"metadata": map[string]any{"uid": p.spec.UID}, // not its namesake's
		"status":   status,
	})
	if err != nil {
		panic(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	_, err = p.node.client.CoreV1().Pods(p.spec.Namespace).Patch(ctx, p.spec.Name, types.MergePatchType, patch, metav1.PatchOptions{}, "status")
	if err == nil || apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
		return true
	}
	log.Printf("pod %s: publishing the status: %v", p, err)
	return false
}

// status returns the pod's status as it is now.
func (p *pod) status() corev1.PodStatus {
	p.mu.Lock()
	defer p.mu.Unlock()
	status := corev1.PodStatus{
		Phase:              p.phase(),
		HostIP:             nodeIP4,
		HostIPs:            []corev1.HostIP{{IP: nodeIP4}, {IP: nodeIP6}},
		PodIP:              p.ip.v4,
		PodIPs:             []corev1.PodIP{{IP: p.ip.v4}, {IP: p.ip.v6}},
		StartTime:          &p.started,
		Message:            p.message,
		ObservedGeneration: p.spec.Generation,
	}
	ready, initialized := status.Phase == corev1.PodRunning, true
	for _, c := range p.containers {
		s := c.status(p.message)
		if !c.init {
			status.ContainerStatuses = append(status.ContainerStatuses, s)
			ready = ready && s.Ready
			continue
		}
		status.InitContainerStatuses = append(status.InitContainerStatuses, s)
		initialized = initialized && s.Started != nil && *s.Started
	}
	if ready != p.ready {
		p.ready, p.readySince = ready, metav1.Now()
	}
	condition := func(kind corev1.PodConditionType, ok bool, since metav1.Time) {
		c := corev1.PodCondition{Type: kind, Status: corev1.ConditionFalse, LastTransitionTime: since}
		if ok {
			c.Status = corev1.ConditionTrue
		}
		status.Conditions = append(status.Conditions, c)
	}
	condition(corev1.PodScheduled, true, p.started)
	condition(corev1.PodInitialized, initialized, p.started)
	condition(corev1.ContainersReady, ready, p.readySince)
	condition(corev1.PodReady, ready, p.readySince)
	return status
}

func (p *pod) phase() corev1.PodPhase {
	if p.refused {
		return corev1.PodFailed
	}
	phase := corev1.PodSucceeded
	for _, c := range p.containers {
		state := c.state()
		exit := state.Terminated
		switch {
		case exit != nil && exit.ExitCode != 0 && !c.restarts(exit.ExitCode):
			return corev1.PodFailed
		case c.init && !c.sidecar() && !c.succeeded(),
			state.Waiting != nil && state.Waiting.Reason == containerCreating:
			return corev1.PodPending
		case !c.init && (exit == nil || c.restarts(exit.ExitCode)):
			phase = corev1.PodRunning
		}
	}
	return phase
}
