// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
)

// nodeName is the name of the cluster's only node.
const nodeName = "node"

// resync is how soon what failed (the API server was away, a write met another) is tried again.
const resync = 2 * time.Second

// node stands in for a kubelet and its container runtime, and for what else the upstream programs lack here: a scheduler, with only one
// node to choose, a provider of load-balancer addresses, and a DNS server.
type node struct {
	client  kubernetes.Interface
	dir     string // state
	netns   string
	images  string            // programs, by image name
	image   map[string]string // programs that are elsewhere
	sandbox string            // the program that runs first in a container

	mu     sync.Mutex
	pods   map[types.UID]*pod
	number int // of the last pod
	wg     sync.WaitGroup
}

func nodeCommand() *cobra.Command {
	n := &node{pods: map[types.UID]*pod{}, number: firstPodNumber - 1}
	var kubeconfig string
	cmd := &cobra.Command{
		Use:    "node",
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
			defer stop()
			config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
			if err != nil {
				return err
			}
			config.QPS, config.Burst = 500, 1000
			if n.client, err = kubernetes.NewForConfig(config); err != nil {
				return err
			}
			executable, err := os.Executable()
			if err != nil {
				return err
			}
			n.sandbox = filepath.Join(filepath.Dir(executable), "sandbox")
			return n.run(ctx)
		},
	}
	cmd.Flags().StringVar(&kubeconfig, "kubeconfig", "", "how to reach the API server")
	cmd.Flags().StringVar(&n.dir, "dir", "", "directory for state")
	cmd.Flags().StringVar(&n.netns, "netns", "", "the cluster's network namespace")
	cmd.Flags().StringVar(&n.images, "images", "", "directory of programs, by image name")
	cmd.Flags().StringToStringVar(&n.image, "image", nil, "NAME=PATH of a program")
	return cmd
}

// run runs the node until ctx ends.
func (n *node) run(ctx context.Context) error {
	if err := n.register(ctx); err != nil {
		return err
	}
	factory := informers.NewSharedInformerFactory(n.client, resync)
	if err := n.assignLoadBalancers(ctx, factory.Core().V1().Services().Informer()); err != nil {
		return err
	}
	if err := n.followVolumeSources(factory); err != nil {
		return err
	}
	if err := n.serveKubelet(); err != nil {
		return err
	}
	serveDNS(ctx, factory)
	_, err := factory.Core().V1().Pods().Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(o any) { n.sync(ctx, o.(*corev1.Pod)) },
		UpdateFunc: func(_, o any) { n.sync(ctx, o.(*corev1.Pod)) },
		DeleteFunc: func(o any) {
			if unknown, ok := o.(cache.DeletedFinalStateUnknown); ok {
				o = unknown.Obj
			}
			n.stop(o.(*corev1.Pod).UID)
		},
	})
	if err != nil {
		return err
	}
	factory.Start(ctx.Done())
	<-ctx.Done()
	n.wg.Wait()
	return nil
}

// register creates the Node object.
func (n *node) register(ctx context.Context) error {
	resources := corev1.ResourceList{
		corev1.ResourceCPU:    resource.MustParse("64"),
		corev1.ResourceMemory: resource.MustParse("256Gi"),
		corev1.ResourcePods:   resource.MustParse("1000"),
	}
	_, err := n.client.CoreV1().Nodes().Create(ctx, &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: nodeName, Labels: map[string]string{
			corev1.LabelHostname: nodeName,
			corev1.LabelOSStable: "linux",
		}},
		Spec: corev1.NodeSpec{PodCIDR: podCIDR4, PodCIDRs: []string{podCIDR4, podCIDR6}},
		Status: corev1.NodeStatus{
			Addresses: []corev1.NodeAddress{
				{Type: corev1.NodeInternalIP, Address: nodeIP4},
				{Type: corev1.NodeInternalIP, Address: nodeIP6},
				{Type: corev1.NodeHostName, Address: nodeName},
			},
			Capacity:        resources,
			Allocatable:     resources,
			Conditions:      []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}},
			DaemonEndpoints: corev1.NodeDaemonEndpoints{KubeletEndpoint: corev1.DaemonEndpoint{Port: kubeletPort}},
		},
	}, metav1.CreateOptions{})
	return err
}

// sync starts, stops or binds the pod of an API object. It is called again for each, changed or not, every so often.
func (n *node) sync(ctx context.Context, spec *corev1.Pod) {
	if spec.Spec.NodeName == "" {
		if spec.DeletionTimestamp == nil && len(spec.Spec.SchedulingGates) == 0 {
			go n.bind(ctx, spec)
		}
		return
	}
	if spec.DeletionTimestamp != nil {
		if !n.stop(spec.UID) { // it never ran, or has ended
			n.forget(spec)
		}
		return
	}

	n.mu.Lock()
	defer n.mu.Unlock()
	if n.pods[spec.UID] != nil || n.number == podNumberLimit || !n.portsFree(spec) {
		return
	}
	n.number++
	p := n.newPod(spec, n.number)
	n.pods[spec.UID] = p
	n.wg.Go(func() {
		p.run(ctx)
		n.mu.Lock()
		delete(n.pods, spec.UID)
		n.mu.Unlock()
		if ctx.Err() == nil {
			n.forget(spec)
		}
	})
}

// stop stops a pod, and reports whether there was one.
func (n *node) stop(uid types.UID) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	p := n.pods[uid]
	if p != nil {
		p.stop()
	}
	return p != nil
}

// pod returns the running pod with this name, or nil.
func (n *node) pod(namespace, name string) *pod {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, p := range n.pods {
		if p.spec.Namespace == namespace && p.spec.Name == name {
			return p
		}
	}
	return nil
}

// bind schedules a pod to this node.
func (n *node) bind(ctx context.Context, spec *corev1.Pod) {
	err := n.client.CoreV1().Pods(spec.Namespace).Bind(ctx, &corev1.Binding{
		ObjectMeta: metav1.ObjectMeta{Name: spec.Name, UID: spec.UID},
		Target:     corev1.ObjectReference{Kind: "Node", Name: nodeName},
	}, metav1.CreateOptions{})
	if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
		log.Printf("pod %s/%s: binding: %v", spec.Namespace, spec.Name, err)
	}
}

// forget deletes the API object of a pod that has ended. Where that fails, the next resync of the object calls it again.
func (n *node) forget(spec *corev1.Pod) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	err := n.client.CoreV1().Pods(spec.Namespace).Delete(ctx, spec.Name, metav1.DeleteOptions{
		GracePeriodSeconds: new(int64),
		Preconditions:      &metav1.Preconditions{UID: &spec.UID},
	})
	if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
		log.Printf("pod %s/%s: deleting: %v", spec.Namespace, spec.Name, err)
	}
}

// program returns the name of an image without its registry, path, tag and digest, and the program that it stands for.
func (n *node) program(image string) (name, path string, err error) {
	name, _, _ = strings.Cut(image, "@")
	name = name[strings.LastIndex(name, "/")+1:]
	name, _, _ = strings.Cut(name, ":")
	if path = n.image[name]; path == "" {
		path = filepath.Join(n.images, name)
	}
	if info, err := os.Stat(path); err != nil {
		return "", "", fmt.Errorf("image %s: %w", image, err)
	} else if info.IsDir() || info.Mode()&0o111 == 0 {
		return "", "", fmt.Errorf("image %s: %s is no program", image, path)
	}
	path, err = filepath.EvalSymlinks(path)
	return name, path, err
}

func (n *node) logFile(namespace, pod, container string) string {
	return filepath.Join(n.dir, "logs", namespace, pod, container+".log")
}
