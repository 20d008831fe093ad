// SPDX-License-Identifier: Apache-2.0

// Command testcluster runs a small, real Kubernetes cluster inside one private network namespace, on a machine without containers.
//
// etcd, kube-apiserver, kube-controller-manager and kube-proxy are the upstream programs. Only the node is ours: instead of kubelet and
// a container runtime, pods are native processes, each pod in its own network namespace.
package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"

	"github.com/spf13/cobra"
)

func main() {
	root := &cobra.Command{
		Use:           "testcluster",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.AddCommand(upCommand(), controlCommand(), nodeCommand())
	err := root.Execute()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) && exit.ExitCode() > 0 {
		os.Exit(exit.ExitCode())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "testcluster:", err)
		os.Exit(1)
	}
}
