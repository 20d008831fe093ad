// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/kubernetes/third_party/forked/golang/expansion"

	"postern/tests/cluster/box"
)

// defaultCapabilities are those that container runtimes give a container which asks for none and drops none.
var defaultCapabilities = []string{
	"CAP_AUDIT_WRITE", "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL", "CAP_MKNOD", "CAP_NET_BIND_SERVICE",
	"CAP_NET_RAW", "CAP_SETFCAP", "CAP_SETGID", "CAP_SETPCAP", "CAP_SETUID", "CAP_SYS_CHROOT",
}

// box returns the description of the container's process.
func (c *container) box(ctx context.Context) (*box.Box, error) {
	p := c.pod
	name, program, err := p.node.program(c.spec.Image)
	if err != nil {
		return nil, &refusal{"ErrImagePull", err}
	}
	env, err := p.environment(ctx, &c.spec)
	if err != nil {
		return nil, &refusal{"CreateContainerConfigError", err}
	}
	b := &box.Box{
		Hostname:  p.spec.Name,
		Image:     program,
		ImageName: name,
		Root:      filepath.Join(p.dir, "root-"+c.spec.Name),
		Files: map[string]string{
			"/etc/group":         "root:x:0:\nnogroup:x:65534:\n",
			"/etc/hosts":         "127.0.0.1 localhost\n::1 localhost\n" + p.ip.v4 + " " + p.spec.Name + "\n" + p.ip.v6 + " " + p.spec.Name + "\n",
			"/etc/nsswitch.conf": "hosts: files dns\n",
			"/etc/passwd":        "root:x:0:0::/root:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n",
			"/etc/resolv.conf": "nameserver " + dnsServiceIP4 + "\nsearch " + p.spec.Namespace +
				".svc.cluster.local svc.cluster.local cluster.local\noptions ndots:5\n",
		},
	}
	if err := os.MkdirAll(b.Root, 0o755); err != nil {
		return nil, err
	}
	b.Program.Dir = c.spec.WorkingDir
	if b.Program.Dir == "" {
		b.Program.Dir = "/"
	}
	command := c.spec.Command
	if len(command) == 0 {
		command = []string{path.Join(box.ImageDir, name)}
	}
	lookup := expansion.MappingFuncFor(env)
	for _, arg := range slices.Concat(command, c.spec.Args) {
		b.Program.Argv = append(b.Program.Argv, expansion.Expand(arg, lookup))
	}
	for _, k := range slices.Sorted(maps.Keys(env)) {
		b.Program.Env = append(b.Program.Env, k+"="+env[k])
	}
	for _, m := range c.spec.VolumeMounts {
		b.Mounts = append(b.Mounts, box.Mount{
			Source:   filepath.Join(p.volumeDir(m.Name), m.SubPath),
			Target:   m.MountPath,
			ReadOnly: m.ReadOnly,
		})
	}
	if err := c.setRights(b); err != nil {
		return nil, &refusal{"CreateContainerConfigError", err}
	}
	return b, nil
}

// setRights does what the security contexts of the pod and the container say; the container's win.
func (c *container) setRights(b *box.Box) error {
	pod, own := c.pod.spec.Spec.SecurityContext, c.spec.SecurityContext
	if pod == nil {
		pod = &corev1.PodSecurityContext{}
	}
	if own == nil {
		own = &corev1.SecurityContext{}
	}
	program := &b.Program
	program.UID, program.GID = userOf(pod, own)
	nonRoot := isTrue(pod.RunAsNonRoot)
	if own.RunAsNonRoot != nil {
		nonRoot = *own.RunAsNonRoot
	}
	if nonRoot && program.UID == 0 {
		return errors.New("container has runAsNonRoot and image will run as root")
	}
	for _, g := range pod.SupplementalGroups {
		program.Groups = append(program.Groups, int(g))
	}
	if pod.FSGroup != nil {
		program.Groups = append(program.Groups, int(*pod.FSGroup))
	}
	b.ReadOnlyRoot = isTrue(own.ReadOnlyRootFilesystem)
	program.NoNewPrivs = own.AllowPrivilegeEscalation != nil && !*own.AllowPrivilegeEscalation
	if isTrue(own.Privileged) {
		program.Capabilities = []string{"ALL"}
		return nil
	}
	program.Capabilities = capabilitiesOf(own.Capabilities)
	var err error
	program.Seccomp, err = c.seccomp()
	return err
}

func userOf(pod *corev1.PodSecurityContext, own *corev1.SecurityContext) (uid, gid int) {
	for _, id := range []*int64{pod.RunAsUser, own.RunAsUser} {
		if id != nil {
			uid = int(*id)
		}
	}
	for _, id := range []*int64{pod.RunAsGroup, own.RunAsGroup} {
		if id != nil {
			gid = int(*id)
		}
	}
	return uid, gid
}

// capabilitiesOf returns the bounding set of a container: as container runtimes do, ALL first, then what is added, then what is dropped.
func capabilitiesOf(c *corev1.Capabilities) []string {
	set := slices.Clone(defaultCapabilities)
	if c == nil {
		return set
	}
	if slices.Contains(c.Drop, "ALL") {
		set = nil
	}
	if slices.Contains(c.Add, "ALL") {
		return []string{"ALL"}
	}
	full := func(name corev1.Capability) string {
		return "CAP_" + strings.TrimPrefix(strings.ToUpper(string(name)), "CAP_")
	}
	for _, name := range c.Add {
		if !slices.Contains(set, full(name)) {
			set = append(set, full(name))
		}
	}
	for _, name := range c.Drop {
		set = slices.DeleteFunc(set, func(s string) bool { return s == full(name) })
	}
	return set
}

// seccomp reports whether the container's system calls are filtered.
func (c *container) seccomp() (bool, error) {
	var profile *corev1.SeccompProfile
	if pod := c.pod.spec.Spec.SecurityContext; pod != nil {
		profile = pod.SeccompProfile
	}
	if own := c.spec.SecurityContext; own != nil && own.SeccompProfile != nil {
		profile = own.SeccompProfile
	}
	switch {
	case profile == nil, profile.Type == corev1.SeccompProfileTypeUnconfined:
		return false, nil
	case profile.Type == corev1.SeccompProfileTypeRuntimeDefault:
		return true, nil
	}
	return false, fmt.Errorf("this node does not support the seccomp profile %s", profile.Type)
}
