// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os/exec"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// hostPortTable is the table of the node's own rules; kube-proxy has others. Each pod with host ports has a chain of its own in it.
const hostPortTable = "testcluster"

// hostPort is a port of the node that leads to one of a pod.
type hostPort struct {
	protocol   string
	port, into int32
}

// hostPorts returns the node's ports that a pod takes.
func hostPorts(spec *corev1.Pod) []hostPort {
	var ports []hostPort
	for _, c := range spec.Spec.Containers {
		for _, p := range c.Ports {
			if p.HostPort != 0 {
				ports = append(ports, hostPort{strings.ToLower(string(p.Protocol)), p.HostPort, p.ContainerPort})
			}
		}
	}
	return ports
}

// portsFree reports whether no running pod has a port of the node that this one wants. The caller holds the lock.
func (n *node) portsFree(spec *corev1.Pod) bool {
	taken := map[hostPort]bool{}
	for _, p := range n.pods {
		for _, h := range hostPorts(p.spec) {
			taken[hostPort{h.protocol, h.port, 0}] = true
		}
	}
	for _, h := range hostPorts(spec) {
		if taken[hostPort{h.protocol, h.port, 0}] {
			return false
		}
	}
	return true
}

// createHostPorts makes the node's ports lead to the pod's, for connections from other pods and from the node itself. A pod on the
// node's own network has them already.
func (p *pod) createHostPorts() error {
	ports := hostPorts(p.spec)
	if len(ports) == 0 || p.spec.Spec.HostNetwork {
		return nil
	}
	var rules strings.Builder
	for _, family := range []struct{ name, node, pod string }{{"ip", nodeIP4, p.ip.v4}, {"ip6", nodeIP6, "[" + p.ip.v6 + "]"}} {
		table := family.name + " " + hostPortTable
		fmt.Fprintf(&rules, "table %s {}\n", table)
		for _, hook := range []string{"prerouting", "output"} {
			chain := p.link + "-" + hook
			fmt.Fprintf(&rules, "add chain %s %s { type nat hook %s priority -110; }\n", table, chain, hook)
			for _, h := range ports {
				fmt.Fprintf(&rules, "add rule %s %s %s daddr %s %s dport %d dnat to %s:%d\n",
					table, chain, family.name, family.node, h.protocol, h.port, family.pod, h.into)
			}
		}
	}
	return nft(rules.String())
}

func (p *pod) deleteHostPorts() error {
	if len(hostPorts(p.spec)) == 0 || p.spec.Spec.HostNetwork {
		return nil
	}
	var rules strings.Builder
	for _, family := range []string{"ip", "ip6"} {
		for _, hook := range []string{"prerouting", "output"} {
			fmt.Fprintf(&rules, "delete chain %s %s %s-%s\n", family, hostPortTable, p.link, hook)
		}
	}
	return nft(rules.String())
}

// nft runs nft's commands in this network namespace: all of them, or none.
func nft(commands string) error {
	cmd := exec.Command("nft", "-f", "-")
	cmd.Stdin = strings.NewReader(commands)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("nft: %w: %s", err, out)
	}
	return nil
}
