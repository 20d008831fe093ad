// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
)

// netnsName returns the name of the network namespace of the cluster with this state directory. Two directories, two clusters: they run
// beside each other; and what an interrupted one left is found by the next in its place. The pods' namespaces are named after it.
func netnsName(dir string) string {
	return fmt.Sprintf("testcluster-%x", sha256.Sum256([]byte(dir)))[:len("testcluster-")+8]
}

// createClusterNetwork makes the cluster's network namespace. It is connected to nothing but the pods.
//
// Service and load-balancer addresses are local ones, so that a connection from within the namespace reaches the output hook, where
// kube-proxy translates it, and one that nothing translates is refused at once.
func createClusterNetwork(netns string) error {
	if err := deleteNetworks(netns); err != nil {
		return err
	}
	if err := ip("", "netns add "+netns); err != nil {
		return err
	}
	// No duplicate address detection: an address would be unusable for its first second.
	if err := sysctl(netns, "net.ipv6.conf.default.accept_dad=0"); err != nil {
		return err
	}
	if err := ip(netns,
		"link set lo up",
		"address add "+nodeIP4+"/32 dev lo",
		"address add "+nodeIP6+"/128 dev lo nodad",
		"route add local "+serviceCIDR4+" dev lo src "+nodeIP4,
		"route add local "+serviceCIDR6+" dev lo src "+nodeIP6,
		"route add local "+loadBalancer4+" dev lo src "+nodeIP4,
		"route add local "+loadBalancer6+" dev lo src "+nodeIP6,
		"route add unreachable 0.0.0.0/0 metric 4278198272",
		"route add unreachable ::/0 metric 4278198272",
	); err != nil {
		return err
	}
	if err := sysctl(netns, "net.ipv4.ip_forward=1"); err != nil {
		return err
	}
	return sysctl(netns, "net.ipv6.conf.all.forwarding=1")
}

// deleteNetworks deletes the cluster's network namespace and those of its pods, and kills what an interrupted run left in them.
func deleteNetworks(netns string) error {
	entries, err := os.ReadDir("/run/netns")
	if err != nil && !os.IsNotExist(err) {
		return err
	}
	for _, e := range entries {
		if e.Name() != netns && !strings.HasPrefix(e.Name(), netns+"-") {
			continue
		}
		pids, err := exec.Command("ip", "netns", "pids", e.Name()).Output()
		if err != nil {
			return err
		}
		for _, field := range strings.Fields(string(pids)) {
			if pid, err := strconv.Atoi(field); err == nil {
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
		}
		if err := ip("", "netns delete "+e.Name()); err != nil {
			return err
		}
	}
	return nil
}

// createPodNetwork makes the network namespace of a pod. Its only link leads to the cluster's namespace, which routes between pods: were
// they on one bridge, replies of a pod behind a Service would not pass the address translation.
func createPodNetwork(netns, hostLink string, a addresses) error {
	if err := ip("", "netns add "+netns); err != nil {
		return err
	}
	if err := sysctl(netns, "net.ipv6.conf.default.accept_dad=0"); err != nil {
		return err
	}
	if err := ip("",
		"link add "+hostLink+" type veth peer name eth0 netns "+netns,
		"address add "+podGateway4+"/32 dev "+hostLink,
		"address add "+podGateway6+"/64 dev "+hostLink+" nodad",
		"link set "+hostLink+" up",
		"route add "+a.v4+"/32 dev "+hostLink,
		"route add "+a.v6+"/128 dev "+hostLink,
	); err != nil {
		return err
	}
	if err := ip(netns,
		"link set lo up",
		"address add "+a.v4+"/32 dev eth0",
		"address add "+a.v6+"/128 dev eth0 nodad",
		"link set eth0 up",
		"route add "+podGateway4+"/32 dev eth0",
		"route add 0.0.0.0/0 via "+podGateway4,
		"route add ::/0 via "+podGateway6+" dev eth0",
	); err != nil {
		return err
	}
	// As container runtimes do, so that no container needs a capability for it.
	return sysctl(netns, "net.ipv4.ip_unprivileged_port_start=0")
}

// deletePodNetwork deletes the link first: the kernel takes a namespace's links away some time after its name.
func deletePodNetwork(netns, hostLink string) error {
	return errors.Join(ip("", "link delete "+hostLink), ip("", "netns delete "+netns))
}

// ip runs the ip tool's commands in the named network namespace, or in this one's if that is empty.
func ip(netns string, commands ...string) error {
	args := []string{"-batch", "-"}
	if netns != "" {
		args = append([]string{"-netns", netns}, args...)
	}
	cmd := exec.Command("ip", args...)
	cmd.Stdin = strings.NewReader(strings.Join(commands, "\n") + "\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("ip in namespace %q: %q: %w: %s", netns, commands, err, out)
	}
	return nil
}

func sysctl(netns, setting string) error {
	key, value, _ := strings.Cut(setting, "=")
	file := "/proc/sys/" + strings.ReplaceAll(key, ".", "/")
	cmd := inNetns(netns, "tee", file)
	cmd.Stdin = strings.NewReader(value)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("sysctl %s: %w: %s", setting, err, out)
	}
	return nil
}

// inNetns returns the command to run a program in a network namespace. Unlike ip netns exec, it leaves the mount namespace alone: what is
// mounted or made there is seen outside.
func inNetns(netns, name string, args ...string) *exec.Cmd {
	return exec.Command("nsenter", append([]string{"--net=/run/netns/" + netns, "--", name}, args...)...)
}
