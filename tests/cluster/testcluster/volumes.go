// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/tools/cache"
	volumeutil "k8s.io/kubernetes/pkg/volume/util"
)

func (p *pod) volumeDir(name string) string { return filepath.Join(p.dir, "volumes", name) }

// writeVolumes writes the pod's volumes into directories named after them. Called again, it replaces what has changed as kubelet does:
// the files of a volume are links through ..data, a link that is moved to the new ones at once.
func (p *pod) writeVolumes(ctx context.Context) error {
	p.mu.Lock()
	p.renewal = time.Time{}
	p.mu.Unlock()
	for _, v := range p.spec.Spec.Volumes {
		dir := p.volumeDir(v.Name)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		if v.EmptyDir != nil {
			if err := p.shareEmptyDir(dir); err != nil {
				return err
			}
			continue
		}
		sources, mode, err := projections(&v)
		if err != nil {
			return err
		}
		files := map[string]volumeutil.FileProjection{}
		for _, s := range sources {
			some, err := p.project(ctx, s)
			if err != nil {
				return fmt.Errorf("volume %s: %w", v.Name, err)
			}
			for name, f := range some {
				if f.Mode == 0 {
					f.Mode = mode
				}
				files[name] = f
			}
		}
		writer, err := volumeutil.NewAtomicWriter(dir, "pod "+p.String())
		if err != nil {
			return err
		}
		if err := writer.Write(files, func(made string) error { return p.shareFiles(filepath.Join(dir, made)) }); err != nil {
			return fmt.Errorf("volume %s: %w", v.Name, err)
		}
	}
	return nil
}

// projections returns the sources of a volume, each kind of which is a projected one, and the mode of its files.
func projections(v *corev1.Volume) ([]corev1.VolumeProjection, int32, error) {
	modeOf := func(mode *int32) int32 {
		if mode == nil {
			return 0o644
		}
		return *mode
	}
	switch {
	case v.Projected != nil:
		return v.Projected.Sources, modeOf(v.Projected.DefaultMode), nil
	case v.Secret != nil:
		return []corev1.VolumeProjection{{Secret: &corev1.SecretProjection{
			LocalObjectReference: corev1.LocalObjectReference{Name: v.Secret.SecretName},
			Items:                v.Secret.Items,
			Optional:             v.Secret.Optional,
		}}}, modeOf(v.Secret.DefaultMode), nil
	case v.ConfigMap != nil:
		return []corev1.VolumeProjection{{ConfigMap: &corev1.ConfigMapProjection{
			LocalObjectReference: v.ConfigMap.LocalObjectReference,
			Items:                v.ConfigMap.Items,
			Optional:             v.ConfigMap.Optional,
		}}}, modeOf(v.ConfigMap.DefaultMode), nil
	case v.DownwardAPI != nil:
		return []corev1.VolumeProjection{{DownwardAPI: &corev1.DownwardAPIProjection{Items: v.DownwardAPI.Items}}}, modeOf(v.DownwardAPI.DefaultMode), nil
	}
	return nil, 0, fmt.Errorf("volume %s is of an unsupported kind", v.Name)
}

func (p *pod) fsGroup() *int64 {
	if s := p.spec.Spec.SecurityContext; s != nil {
		return s.FSGroup
	}
	return nil
}

// shareEmptyDir lets every user of the pod write.
func (p *pod) shareEmptyDir(dir string) error {
	mode := os.ModePerm
	if g := p.fsGroup(); g != nil {
		mode |= os.ModeSetgid
		if err := os.Chown(dir, -1, int(*g)); err != nil {
			return err
		}
	}
	return os.Chmod(dir, mode)
}

// shareFiles gives what was written to the pod's fsGroup, if it has one.
func (p *pod) shareFiles(dir string) error {
	g := p.fsGroup()
	if g == nil {
		return nil
	}
	return filepath.Walk(dir, func(path string, info os.FileInfo, err error) error {
		if err != nil {
			return err
		}
		mode := info.Mode().Perm() | 0o440
		if info.IsDir() {
			mode |= 0o110 | os.ModeSetgid
		}
		if err := os.Lchown(path, -1, int(*g)); err != nil {
			return err
		}
		return os.Chmod(path, mode)
	})
}

// followVolumes writes the volumes again whenever what they show may have changed, and tokens when they have lived for long enough. What
// can't be read leaves the volume as it was.
func (p *pod) followVolumes(ctx context.Context) {
	for retry := false; ; {
		var timer <-chan time.Time
		p.mu.Lock()
		renewal := p.renewal
		p.mu.Unlock()
		switch {
		case retry:
			timer = time.After(time.Second)
		case !renewal.IsZero():
			timer = time.After(time.Until(renewal))
		}
		select {
		case <-p.sources:
		case <-timer:
		case <-ctx.Done():
			return
		}
		err := p.writeVolumes(ctx)
		if retry = err != nil && ctx.Err() == nil; retry {
			log.Printf("pod %s: volumes: %v", p, err)
		}
	}
}

// followVolumeSources tells pods when a Secret or ConfigMap that a volume of theirs names changes; and, at SIGHUP, all of them.
func (n *node) followVolumeSources(factory informers.SharedInformerFactory) error {
	changed := func(o any) {
		if unknown, ok := o.(cache.DeletedFinalStateUnknown); ok {
			o = unknown.Obj
		}
		object, _ := o.(metav1.Object)
		_, secret := o.(*corev1.Secret)
		n.mu.Lock()
		defer n.mu.Unlock()
		for _, p := range n.pods {
			if p.spec.Namespace == object.GetNamespace() && p.shows(secret, object.GetName()) {
				poke(p.sources)
			}
		}
	}
	for _, informer := range []cache.SharedIndexInformer{
		factory.Core().V1().Secrets().Informer(), factory.Core().V1().ConfigMaps().Informer(),
	} {
		if _, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
			AddFunc:    changed,
			DeleteFunc: changed,
			UpdateFunc: func(old, o any) {
				if old.(metav1.Object).GetResourceVersion() != o.(metav1.Object).GetResourceVersion() {
					changed(o)
				}
			},
		}); err != nil {
			return err
		}
	}
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	go func() {
		for range hangups {
			n.mu.Lock()
			for _, p := range n.pods {
				poke(p.sources)
			}
			n.mu.Unlock()
		}
	}()
	return nil
}

// shows reports whether a volume of the pod shows this Secret or ConfigMap.
func (p *pod) shows(secret bool, name string) bool {
	return slices.ContainsFunc(p.spec.Spec.Volumes, func(v corev1.Volume) bool {
		sources, _, _ := projections(&v)
		return slices.ContainsFunc(sources, func(s corev1.VolumeProjection) bool {
			if secret {
				return s.Secret != nil && s.Secret.Name == name
			}
			return s.ConfigMap != nil && s.ConfigMap.Name == name
		})
	})
}
