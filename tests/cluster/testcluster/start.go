// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

// controllers are those of kube-controller-manager that have a use here.
var controllers = []string{
	"clusterrole-aggregation-controller",
	"daemonset-controller",
	"deployment-controller",
	"disruption-controller",
	"endpointslice-controller",
	"garbage-collector-controller",
	"job-controller",
	"namespace-controller",
	"replicaset-controller",
	"root-ca-certificate-publisher-controller",
	"service-cidr-controller",
	"serviceaccount-controller",
	"serviceaccount-token-controller",
	"statefulset-controller",
}

const (
	etcdURL       = "http://127.0.0.1:2379"
	proxyHealth   = "http://" + nodeIP4 + ":10256/healthz"
	apiServerName = "kube-apiserver"
)

// start starts the components and waits until the cluster is usable and what --apply names runs.
func (c *cluster) start(ctx context.Context) error {
	for _, dir := range []string{c.path("certs"), c.path("logs")} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
	}
	if err := c.writeCredentials(); err != nil {
		return err
	}
	client, err := c.startControlPlane(ctx)
	if err != nil {
		return err
	}
	if err := c.startNode(ctx, client); err != nil {
		return err
	}
	for _, path := range c.apply {
		if err := c.applyManifests(ctx, path); err != nil {
			return err
		}
		c.report("applied %s", path)
	}
	err = c.wait(ctx, "every deployment", func() error { return deploymentsAvailable(ctx, client) })
	if err != nil && ctx.Err() == nil {
		c.showPods()
	}
	return err
}

// showPods prints what a person needs to know about pods that do not become available.
func (c *cluster) showPods() {
	pods := c.kubectl(context.Background(), "get", "pods", "-A", "-o", `custom-columns=`+
		`NAMESPACE:.metadata.namespace,POD:.metadata.name,PHASE:.status.phase,`+
		`WAITING:.status.containerStatuses[*].state.waiting.message,MESSAGE:.status.message`)
	pods.Stdout, pods.Stderr = os.Stderr, os.Stderr
	_ = pods.Run()
	files, _ := filepath.Glob(c.path("logs", "*", "*", "*.log"))
	for _, file := range files {
		fmt.Fprintf(os.Stderr, "the end of %s:\n%s", file, tail(file))
	}
}

func (c *cluster) kubectl(ctx context.Context, args ...string) *exec.Cmd {
	return exec.CommandContext(ctx, filepath.Join(c.bin, "kubernetes"), append([]string{"kubectl", "--kubeconfig=" + c.path("kubeconfig")}, args...)...)
}

// startControlPlane starts etcd, the API server and the controller manager.
func (c *cluster) startControlPlane(ctx context.Context) (kubernetes.Interface, error) {
	certs := c.path("certs")
	if err := c.launch("etcd",
		"--data-dir="+c.path("etcd"),
		"--listen-client-urls="+etcdURL, "--advertise-client-urls="+etcdURL,
		"--listen-peer-urls=http://127.0.0.1:2380",
		"--unsafe-no-fsync", "--log-level=warn",
	); err != nil {
		return nil, err
	}
	if err := c.launch(apiServerName, append(c.flags,
		"--etcd-servers="+etcdURL,
		"--bind-address="+nodeIP4, "--advertise-address="+nodeIP4, "--secure-port=6443",
		"--service-cluster-ip-range="+serviceCIDRs,
		"--authorization-mode=RBAC",
		"--client-ca-file="+certs+"/ca.crt",
		"--tls-cert-file="+certs+"/server.crt", "--tls-private-key-file="+certs+"/server.key",
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file="+certs+"/sa.crt", "--service-account-signing-key-file="+certs+"/sa.key",
		"--kubelet-certificate-authority="+certs+"/ca.crt",
		"--kubelet-client-certificate="+certs+"/admin.crt", "--kubelet-client-key="+certs+"/admin.key",
		"--kubelet-preferred-address-types=InternalIP",
		"--allow-privileged", "--profiling=false",
	)...); err != nil {
		return nil, err
	}
	config, err := clientcmd.BuildConfigFromFlags("", c.path("kubeconfig"))
	if err != nil {
		return nil, err
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	if err := c.wait(ctx, apiServerName, func() error {
		return client.Discovery().RESTClient().Get().AbsPath("/readyz").Do(ctx).Error()
	}); err != nil {
		return nil, err
	}
	return client, c.launch("kube-controller-manager", "--kubeconfig="+c.path("kubeconfig"),
		"--controllers="+strings.Join(controllers, ","),
		"--leader-elect=false",
		"--service-account-private-key-file="+certs+"/sa.key",
		"--root-ca-file="+certs+"/ca.crt",
		"--kube-api-qps=500", "--kube-api-burst=1000",
		"--bind-address="+nodeIP4,
	)
}

// startNode starts the node and kube-proxy.
func (c *cluster) startNode(ctx context.Context, client kubernetes.Interface) error {
	kubeconfig := "--kubeconfig=" + c.path("kubeconfig")
	args := []string{kubeconfig, "--dir=" + c.dir, "--netns=" + c.netns, "--images=" + c.images}
	for _, image := range c.image {
		args = append(args, "--image="+image)
	}
	if err := c.launch("node", args...); err != nil {
		return err
	}
	if err := c.wait(ctx, "node", func() error {
		_, err := client.CoreV1().Nodes().Get(ctx, nodeName, metav1.GetOptions{})
		return err
	}); err != nil {
		return err
	}
	if err := c.launch("kube-proxy", kubeconfig,
		"--proxy-mode=nftables",
		"--cluster-cidr="+podCIDRs,
		"--hostname-override="+nodeName,
		"--conntrack-max-per-core=0", "--conntrack-min=0",
		"--metrics-bind-address="+nodeIP4+":10249", "--healthz-bind-address="+nodeIP4+":10256",
	); err != nil {
		return err
	}
	if err := c.wait(ctx, "kube-proxy", proxyHealthy); err != nil {
		return err
	}
	return c.wait(ctx, "kube-controller-manager", func() error {
		_, err := client.CoreV1().ServiceAccounts(corev1.NamespaceDefault).Get(ctx, "default", metav1.GetOptions{})
		return err
	})
}

func proxyHealthy() error {
	response, err := http.Get(proxyHealth)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return errors.New(response.Status)
	}
	return nil
}

func deploymentsAvailable(ctx context.Context, client kubernetes.Interface) error {
	list, err := client.AppsV1().Deployments("").List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	for _, d := range list.Items {
		if d.Status.ObservedGeneration < d.Generation || d.Status.AvailableReplicas < *d.Spec.Replicas {
			return fmt.Errorf("%s/%s has %d available replicas", d.Namespace, d.Name, d.Status.AvailableReplicas)
		}
	}
	return nil
}

// applyManifests applies a file or directory, a few times if need be: the API serves the kinds of a new CustomResourceDefinition only
// after a moment.
func (c *cluster) applyManifests(ctx context.Context, path string) error {
	flag := "--filename="
	if _, err := os.Stat(filepath.Join(path, "kustomization.yaml")); err == nil {
		flag = "--kustomize="
	}
	for try := 1; ; try++ {
		out, err := c.kubectl(ctx, "apply", "--server-side", flag+path).CombinedOutput()
		if err == nil {
			return nil
		}
		if try == 5 || sleep(ctx, time.Second) != nil {
			return fmt.Errorf("applying %s: %w: %s", path, err, out)
		}
	}
}

// sleep waits for d or the end of ctx, and returns the error of ctx.
func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
	return ctx.Err()
}
