// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	volumeutil "k8s.io/kubernetes/pkg/volume/util"
)

// project returns the files of one source of a volume; those without a mode of their own have 0.
func (p *pod) project(ctx context.Context, source corev1.VolumeProjection) (map[string]volumeutil.FileProjection, error) {
	core, ns := p.node.client.CoreV1(), p.spec.Namespace
	switch {
	case source.Secret != nil:
		secret, err := core.Secrets(ns).Get(ctx, source.Secret.Name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) && isTrue(source.Secret.Optional) {
			return nil, nil
		} else if err != nil {
			return nil, err
		}
		return selectItems(secret.Data, source.Secret.Items, isTrue(source.Secret.Optional))

	case source.ConfigMap != nil:
		cm, err := core.ConfigMaps(ns).Get(ctx, source.ConfigMap.Name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) && isTrue(source.ConfigMap.Optional) {
			return nil, nil
		} else if err != nil {
			return nil, err
		}
		data := map[string][]byte{}
		for k, v := range cm.BinaryData {
			data[k] = v
		}
		for k, v := range cm.Data {
			data[k] = []byte(v)
		}
		return selectItems(data, source.ConfigMap.Items, isTrue(source.ConfigMap.Optional))

	case source.ServiceAccountToken != nil:
		return p.projectToken(ctx, source.ServiceAccountToken)

	case source.DownwardAPI != nil:
		files := map[string]volumeutil.FileProjection{}
		for _, item := range source.DownwardAPI.Items {
			if item.FieldRef == nil {
				return nil, fmt.Errorf("%s: only a fieldRef is supported", item.Path)
			}
			value, err := p.field(item.FieldRef.FieldPath)
			if err != nil {
				return nil, err
			}
			files[item.Path] = projection([]byte(value), item.Mode)
		}
		return files, nil
	}
	return nil, errors.New("unsupported kind of projection")
}

// projectToken returns a token of the pod's service account. It is replaced when four fifths of its life are over, as kubelet does.
func (p *pod) projectToken(ctx context.Context, source *corev1.ServiceAccountTokenProjection) (map[string]volumeutil.FileProjection, error) {
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{
		ExpirationSeconds: source.ExpirationSeconds,
		BoundObjectRef: &authenticationv1.BoundObjectReference{
			APIVersion: "v1", Kind: "Pod", Name: p.spec.Name, UID: p.spec.UID,
		},
	}}
	if source.Audience != "" {
		request.Spec.Audiences = []string{source.Audience}
	}
	begin := time.Now()
	token, err := p.node.client.CoreV1().ServiceAccounts(p.spec.Namespace).CreateToken(ctx, p.spec.Spec.ServiceAccountName, request, metav1.CreateOptions{})
	if err != nil {
		return nil, err
	}
	seconds := int64(3600)
	if source.ExpirationSeconds != nil {
		seconds = *source.ExpirationSeconds
	}
	renewal := begin.Add(time.Duration(seconds) * time.Second * 4 / 5)
	p.mu.Lock()
	if p.renewal.IsZero() || renewal.Before(p.renewal) {
		p.renewal = renewal
	}
	p.mu.Unlock()
	f := volumeutil.FileProjection{Data: []byte(token.Status.Token)}
	if user := p.onlyUser(); p.fsGroup() == nil && user != nil {
		f.Mode, f.FsUser = 0o600, user
	}
	return map[string]volumeutil.FileProjection{source.Path: f}, nil
}

// onlyUser returns the user that all containers of the pod run as, or nil if they differ or run as their image says.
func (p *pod) onlyUser() *int64 {
	var only *int64
	for _, c := range p.containers {
		var user *int64
		if s := p.spec.Spec.SecurityContext; s != nil {
			user = s.RunAsUser
		}
		if s := c.spec.SecurityContext; s != nil && s.RunAsUser != nil {
			user = s.RunAsUser
		}
		if user == nil || only != nil && *only != *user {
			return nil
		}
		only = user
	}
	return only
}

// selectItems returns the files of the items, or all if there are none.
func selectItems(data map[string][]byte, items []corev1.KeyToPath, optional bool) (map[string]volumeutil.FileProjection, error) {
	files := map[string]volumeutil.FileProjection{}
	if len(items) == 0 {
		for k, v := range data {
			files[k] = projection(v, nil)
		}
		return files, nil
	}
	for _, item := range items {
		value, ok := data[item.Key]
		if ok {
			files[item.Path] = projection(value, item.Mode)
		} else if !optional {
			return nil, fmt.Errorf("no key %q", item.Key)
		}
	}
	return files, nil
}

func projection(data []byte, mode *int32) volumeutil.FileProjection {
	f := volumeutil.FileProjection{Data: data}
	if mode != nil {
		f.Mode = *mode
	}
	return f
}
