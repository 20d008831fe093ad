// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/kubernetes/third_party/forked/golang/expansion"

	"postern/tests/cluster/box"
)

// environment returns the environment variables of a container.
func (p *pod) environment(ctx context.Context, c *corev1.Container) (map[string]string, error) {
	env := map[string]string{
		"PATH":                    box.ImageDir + ":/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"HOME":                    "/root",
		"HOSTNAME":                p.spec.Name,
		"KUBERNETES_SERVICE_HOST": apiServiceIP4,
		"KUBERNETES_SERVICE_PORT": "443",
	}
	for _, from := range c.EnvFrom {
		var source corev1.VolumeProjection
		switch {
		case from.ConfigMapRef != nil:
			source.ConfigMap = &corev1.ConfigMapProjection{LocalObjectReference: from.ConfigMapRef.LocalObjectReference, Optional: from.ConfigMapRef.Optional}
		case from.SecretRef != nil:
			source.Secret = &corev1.SecretProjection{LocalObjectReference: from.SecretRef.LocalObjectReference, Optional: from.SecretRef.Optional}
		}
		files, err := p.project(ctx, source)
		if err != nil {
			return nil, err
		}
		for k, f := range files {
			env[from.Prefix+k] = string(f.Data)
		}
	}
	for _, e := range c.Env {
		value, err := p.variable(ctx, c, e, env)
		if err != nil {
			return nil, fmt.Errorf("variable %s: %w", e.Name, err)
		}
		env[e.Name] = value
	}
	return env, nil
}

func (p *pod) variable(ctx context.Context, c *corev1.Container, e corev1.EnvVar, env map[string]string) (string, error) {
	from := e.ValueFrom
	if from == nil {
		return expansion.Expand(e.Value, expansion.MappingFuncFor(env)), nil
	}
	var source corev1.VolumeProjection
	var key string
	switch {
	case from.FieldRef != nil:
		return p.field(from.FieldRef.FieldPath)
	case from.ResourceFieldRef != nil:
		q := c.Resources.Limits[corev1.ResourceName(strings.TrimPrefix(from.ResourceFieldRef.Resource, "limits."))]
		return fmt.Sprint(q.Value()), nil
	case from.ConfigMapKeyRef != nil:
		key = from.ConfigMapKeyRef.Key
		source.ConfigMap = &corev1.ConfigMapProjection{LocalObjectReference: from.ConfigMapKeyRef.LocalObjectReference, Optional: from.ConfigMapKeyRef.Optional}
	case from.SecretKeyRef != nil:
		key = from.SecretKeyRef.Key
		source.Secret = &corev1.SecretProjection{LocalObjectReference: from.SecretKeyRef.LocalObjectReference, Optional: from.SecretKeyRef.Optional}
	default:
		return "", errors.New("unsupported source")
	}
	files, err := p.project(ctx, source)
	return string(files[key].Data), err
}

// field returns a field of the pod by its downward API path.
func (p *pod) field(path string) (string, error) {
	switch path {
	case "metadata.name":
		return p.spec.Name, nil
	case "metadata.namespace":
		return p.spec.Namespace, nil
	case "metadata.uid":
		return string(p.spec.UID), nil
	case "metadata.labels":
		return formatMap(p.spec.Labels), nil
	case "metadata.annotations":
		return formatMap(p.spec.Annotations), nil
	case "spec.nodeName":
		return p.spec.Spec.NodeName, nil
	case "spec.serviceAccountName":
		return p.spec.Spec.ServiceAccountName, nil
	case "status.podIP":
		return p.ip.v4, nil
	case "status.podIPs":
		return strings.Join(p.ip.list(), ","), nil
	case "status.hostIP":
		return nodeIP4, nil
	case "status.hostIPs":
		return nodeIP4 + "," + nodeIP6, nil
	}
	for prefix, m := range map[string]map[string]string{
		"metadata.labels['":      p.spec.Labels,
		"metadata.annotations['": p.spec.Annotations,
	} {
		if key, ok := strings.CutPrefix(path, prefix); ok {
			return m[strings.TrimSuffix(key, "']")], nil
		}
	}
	return "", fmt.Errorf("unsupported field %q", path)
}

func formatMap(m map[string]string) string {
	var b strings.Builder
	for _, k := range slices.Sorted(maps.Keys(m)) {
		fmt.Fprintf(&b, "%s=%q\n", k, m[k])
	}
	return b.String()
}

func isTrue(b *bool) bool { return b != nil && *b }
