// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/spf13/cobra"
)

// cluster is a running cluster.
type cluster struct {
	dir    string // state
	netns  string
	images string
	image  []string // NAME=PATH
	apply  []string
	hints  []string
	flags  []string // more of kube-apiserver's
	inside bool     // in its network namespace already

	bin        string // the directory of this program and its companions
	components []*component
	begin      time.Time
}

func upCommand() *cobra.Command {
	c := &cluster{begin: time.Now()}
	cmd := &cobra.Command{
		Use:   "up [flags] [-- COMMAND [ARG]...]",
		Short: "Run a cluster, until the command ends or until interrupted",
		Long: `Run a cluster, until the command ends or until interrupted.

The command runs inside the cluster's network namespace, with KUBECONFIG set. Its exit status is that of testcluster. In the state
directory are the kubeconfig, the logs, and two commands: kubectl, and enter, which runs a program in the cluster's network namespace.

Pods are native processes. The image of a container names a program: the last part of its path, without the tag, is the name of a file
in the image directory, or one that --image gives a program to.`,
		RunE: func(_ *cobra.Command, args []string) error {
			if err := c.locate(); err != nil {
				return err
			}
			if c.inside {
				return c.run(args)
			}
			return c.enter()
		},
	}
	cmd.Flags().StringVar(&c.dir, "dir", "cluster", "directory for state and logs; emptied first; one for each cluster at a time")
	cmd.Flags().StringVar(&c.images, "images", "", "directory of the programs that container images stand for (default: images, beside this program)")
	cmd.Flags().StringArrayVar(&c.image, "image", nil, "NAME=PATH: the program that images of this name stand for (repeatable)")
	cmd.Flags().StringArrayVar(&c.apply, "apply", nil, "manifests to apply: a file, a directory of files or one with a kustomization (repeatable)")
	cmd.Flags().StringArrayVar(&c.flags, "api-server", nil, "a flag more for kube-apiserver, as in --feature-gates=WatchList=false (repeatable)")
	cmd.Flags().StringArrayVar(&c.hints, "hint", nil, "a line to print once the cluster is ready (repeatable)")
	cmd.Flags().BoolVar(&c.inside, "inside", false, "")
	_ = cmd.Flags().MarkHidden("inside")
	return cmd
}

// locate finds out where everything is.
func (c *cluster) locate() error {
	executable, err := os.Executable()
	if err != nil {
		return err
	}
	c.bin = filepath.Dir(executable)
	if c.images == "" {
		c.images = filepath.Join(c.bin, "images")
	}
	for _, path := range []*string{&c.dir, &c.images} {
		if *path, err = filepath.Abs(*path); err != nil {
			return err
		}
	}
	c.netns = netnsName(c.dir)
	return nil
}

// enter makes the network namespace and runs this command again inside it.
func (c *cluster) enter() error {
	if os.Geteuid() != 0 {
		return errors.New("a cluster needs root: for network and mount namespaces")
	}
	lock, err := c.emptyDir()
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := createClusterNetwork(c.netns); err != nil {
		return err
	}
	args := append([]string{"up", "--inside"}, os.Args[2:]...)
	cmd := inNetns(c.netns, filepath.Join(c.bin, "testcluster"), args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	if err = cmd.Start(); err == nil {
		go func() {
			for s := range signals {
				_ = cmd.Process.Signal(s)
			}
		}()
		err = cmd.Wait()
	}
	return errors.Join(err, deleteNetworks(c.netns))
}

// emptyDir makes the state directory this cluster's own: locked, and empty but for the lock.
func (c *cluster) emptyDir() (*os.File, error) {
	if err := os.MkdirAll(c.dir, 0o755); err != nil {
		return nil, err
	}
	lock, err := os.OpenFile(c.path("lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, fmt.Errorf("a cluster runs in %s already (%w): give this one another --dir", c.dir, err)
	}
	entries, err := os.ReadDir(c.dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if e.Name() == "lock" {
			continue
		}
		if err := os.RemoveAll(c.path(e.Name())); err != nil {
			return nil, err
		}
	}
	return lock, nil
}

func (c *cluster) path(elem ...string) string {
	return filepath.Join(append([]string{c.dir}, elem...)...)
}

// run runs the cluster inside its network namespace.
func (c *cluster) run(args []string) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	defer c.stop()
	if err := c.writeCommands(); err != nil {
		return err
	}
	if err := c.start(ctx); err != nil {
		return err
	}
	if err := c.serveControl(ctx); err != nil {
		return err
	}
	c.report("ready; KUBECONFIG=%s, network namespace %s", c.path("kubeconfig"), c.netns)
	for _, hint := range c.hints {
		fmt.Fprintln(os.Stderr, hint)
	}
	if len(args) == 0 {
		<-ctx.Done()
		return nil
	}

	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.Env = append(os.Environ(), "KUBECONFIG="+c.path("kubeconfig"), "CLUSTER="+c.dir)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	err := cmd.Run()
	c.report("%s ended: %v", args[0], err)
	return err
}

// writeCommands writes the commands for people and scripts outside the network namespace.
func (c *cluster) writeCommands() error {
	enter := "#!/bin/sh\n# Runs a program in the cluster's network namespace.\nexport KUBECONFIG=" + c.path("kubeconfig") + " CLUSTER=" + c.dir +
		" PATH=" + c.dir + ":$PATH" +
		"\nexec nsenter --net=/run/netns/" + c.netns + " -- \"$@\"\n"
	kubectl := "#!/bin/sh\nexec " + c.path("enter") + " " + filepath.Join(c.bin, "kubernetes") + " kubectl \"$@\"\n"
	return errors.Join(
		os.WriteFile(c.path("netns"), []byte(c.netns), 0o644),
		os.WriteFile(c.path("enter"), []byte(enter), 0o755),
		os.WriteFile(c.path("kubectl"), []byte(kubectl), 0o755))
}

func (c *cluster) report(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "testcluster: %6.2fs %s\n", time.Since(c.begin).Seconds(), fmt.Sprintf(format, args...))
}
