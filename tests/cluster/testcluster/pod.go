// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// pod is a pod running on the node.
type pod struct {
	node  *node
	spec  *corev1.Pod // as it was when it started
	ip    addresses
	link  string // its link in the cluster's network namespace
	netns string
	dir   string

	stopOnce sync.Once
	stopping chan struct{} // closed by stop
	sources  chan struct{} // has an element when what a volume shows may have changed
	stale    chan struct{} // has an element when the status is to be published

	mu         sync.Mutex
	message    string // why no container can start
	refused    bool   // and none ever will
	containers []*container
	ready      bool // the last published readiness
	readySince metav1.Time
	started    metav1.Time
	renewal    time.Time // when the first token in a volume is to be replaced
}

// newPod makes a pod of the API object. The number determines its addresses.
func (n *node) newPod(spec *corev1.Pod, number int) *pod {
	p := &pod{
		node:     n,
		spec:     spec,
		ip:       podAddresses(number),
		link:     fmt.Sprintf("pod%d", number),
		netns:    fmt.Sprintf("%s-%d", n.netns, number),
		dir:      filepath.Join(n.dir, "pods", string(spec.UID)),
		stopping: make(chan struct{}),
		sources:  make(chan struct{}, 1),
		stale:    make(chan struct{}, 1),
		started:  metav1.Now(),
	}
	if spec.Spec.HostNetwork {
		p.ip, p.netns = addresses{nodeIP4, nodeIP6}, n.netns
	}
	for _, c := range spec.Spec.InitContainers {
		p.containers = append(p.containers, &container{pod: p, spec: c, init: true})
	}
	for _, c := range spec.Spec.Containers {
		p.containers = append(p.containers, &container{pod: p, spec: c})
	}
	return p
}

func (p *pod) String() string { return p.spec.Namespace + "/" + p.spec.Name }

// stop makes run return.
func (p *pod) stop() { p.stopOnce.Do(func() { close(p.stopping) }) }

// stopped reports whether stop was called: it is the pod that ends, not the node.
func (p *pod) stopped() bool {
	select {
	case <-p.stopping:
		return true
	default:
		return false
	}
}

// poke leaves an element in a channel of one.
func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// run runs the pod until it is stopped.
func (p *pod) run(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-p.stopping:
			cancel()
		case <-ctx.Done():
		}
	}()
	publishing := make(chan struct{})
	publish, stopPublishing := context.WithCancel(context.Background())
	go func() {
		defer close(publishing)
		p.publishWhenStale(publish)
	}()
	defer func() {
		stopPublishing()
		<-publishing
	}()

	if err := p.unsupported(); err != nil {
		p.refuse(err)
		<-ctx.Done()
		return
	}
	err := p.createNetwork()
	defer p.deleteNetwork()
	if err != nil {
		log.Printf("pod %s: %v", p, err)
		p.fail(err)
		<-ctx.Done()
		return
	}

	for { // a volume's Secret or ConfigMap may be created after the pod
		err := p.writeVolumes(ctx)
		if err == nil {
			break
		}
		p.fail(err)
		select {
		case <-p.sources:
		case <-time.After(time.Second):
		case <-ctx.Done():
			return
		}
	}
	p.fail(nil)
	go p.followVolumes(ctx)
	p.runContainers(ctx)
	<-ctx.Done() // the completed pod keeps its address until it is deleted
}

func (p *pod) createNetwork() error {
	if p.spec.Spec.HostNetwork {
		return nil
	}
	return errors.Join(createPodNetwork(p.netns, p.link, p.ip), p.createHostPorts())
}

// deleteNetwork deletes what the pod had on the node, its files included.
func (p *pod) deleteNetwork() {
	var err error
	if !p.spec.Spec.HostNetwork {
		err = errors.Join(p.deleteHostPorts(), deletePodNetwork(p.netns, p.link))
	}
	if err = errors.Join(err, os.RemoveAll(p.dir)); err != nil {
		log.Printf("pod %s: %v", p, err)
	}
}

// runContainers runs the containers until all have completed or ctx ends.
func (p *pod) runContainers(ctx context.Context) {
	var running sync.WaitGroup
	defer running.Wait()
	for _, c := range p.containers {
		if c.init && !c.sidecar() {
			if c.run(ctx); !c.succeeded() {
				return
			}
			continue
		}
		running.Go(func() { c.run(ctx) })
	}
}

// unsupported says what of the pod this node would have to ignore. Resources it does ignore: nothing here is counted or limited.
func (p *pod) unsupported() error {
	s := &p.spec.Spec
	for what, is := range map[string]bool{
		"hostPID": s.HostPID, "hostIPC": s.HostIPC, "ephemeralContainers": len(s.EphemeralContainers) > 0,
		"shareProcessNamespace": isTrue(s.ShareProcessNamespace), "hostAliases": len(s.HostAliases) > 0,
	} {
		if is {
			return fmt.Errorf("this node does not support %s", what)
		}
	}
	for _, c := range p.containers {
		if c.spec.Lifecycle != nil && (c.spec.Lifecycle.PostStart != nil || c.spec.Lifecycle.PreStop != nil) {
			return errors.New("this node does not support lifecycle hooks")
		}
		if _, err := c.seccomp(); err != nil {
			return err
		}
	}
	return nil
}

// container returns the container with this name, or nil.
func (p *pod) container(name string) *container {
	for _, c := range p.containers {
		if c.spec.Name == name {
			return c
		}
	}
	return nil
}

func (p *pod) gracePeriod() time.Duration {
	if s := p.spec.Spec.TerminationGracePeriodSeconds; s != nil {
		return time.Duration(*s) * time.Second
	}
	return 30 * time.Second
}

// fail records and publishes why the pod's containers cannot start, or that they can.
func (p *pod) fail(err error) {
	p.mu.Lock()
	p.message = ""
	if err != nil {
		p.message = err.Error()
	}
	p.mu.Unlock()
	poke(p.stale)
}

// refuse is fail, for good.
func (p *pod) refuse(err error) {
	p.mu.Lock()
	p.refused = true
	p.mu.Unlock()
	p.fail(err)
}
