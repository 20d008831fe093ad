// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"postern/tests/cluster/box"
)

// enterRoot makes the container's root file system and moves into it.
func enterRoot(b *box.Box) error {
	if err := unix.Sethostname([]byte(b.Hostname)); err != nil {
		return err
	}
	if err := mountRoot(b); err != nil {
		return err
	}
	if err := unix.PivotRoot(b.Root, filepath.Join(b.Root, "old")); err != nil {
		return fmt.Errorf("pivot_root: %w", err)
	}
	if err := unix.Unmount("/old", unix.MNT_DETACH); err != nil {
		return err
	}
	if err := os.Remove("/old"); err != nil {
		return err
	}
	if !b.ReadOnlyRoot {
		return nil
	}
	return unix.Mount("", "/", "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY, "")
}

// mountRoot builds the root file system: the host's programs and libraries read-only (an image has its own, but ours are of this machine),
// the image's program, the pod's volumes; everything else is empty and in memory.
func mountRoot(b *box.Box) error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return err
	}
	if err := unix.Mount("tmpfs", b.Root, "tmpfs", 0, "mode=755"); err != nil {
		return err
	}
	for _, dir := range []string{"etc", "old", "proc", "root", "run", "sys", "tmp", "var/log"} {
		if err := os.MkdirAll(filepath.Join(b.Root, dir), 0o755); err != nil {
			return err
		}
	}
	if err := os.Chmod(filepath.Join(b.Root, "tmp"), 0o1777); err != nil {
		return err
	}
	// Relative: while the root is being built, an absolute one would lead mounts on /var/run to the host's /run.
	if err := os.Symlink("../run", filepath.Join(b.Root, "var/run")); err != nil {
		return err
	}
	if err := unix.Mount("proc", filepath.Join(b.Root, "proc"), "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return err
	}
	if err := unix.Mount("sysfs", filepath.Join(b.Root, "sys"), "sysfs", unix.MS_RDONLY|unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return err
	}
	if err := mountDevices(filepath.Join(b.Root, "dev")); err != nil {
		return err
	}
	mounts, err := hostMounts(b.Root)
	if err != nil {
		return err
	}
	mounts = append(mounts, box.Mount{Source: b.Image, Target: filepath.Join(box.ImageDir, b.ImageName), ReadOnly: true})
	for _, m := range append(mounts, b.Mounts...) {
		if err := bind(b.Root, m); err != nil {
			return err
		}
	}
	for path, content := range b.Files {
		if err := os.WriteFile(filepath.Join(b.Root, path), []byte(content), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// hostMounts returns what a container sees of the host, and makes the links of a system with one merged /usr.
func hostMounts(root string) ([]box.Mount, error) {
	mounts := []box.Mount{{Source: "/usr", Target: "/usr", ReadOnly: true}}
	for _, dir := range []string{"/bin", "/sbin", "/lib", "/lib64"} {
		link, err := os.Readlink(dir)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			mounts = append(mounts, box.Mount{Source: dir, Target: dir, ReadOnly: true})
		default:
			if err := os.Symlink(link, root+dir); err != nil {
				return nil, err
			}
		}
	}
	for _, path := range []string{"/etc/ssl", "/etc/alternatives", "/etc/ld.so.cache"} {
		if _, err := os.Stat(path); err == nil {
			mounts = append(mounts, box.Mount{Source: path, Target: path, ReadOnly: true})
		}
	}
	return mounts, nil
}

// mountDevices makes the devices that each container has. Its shared memory has to be its own: programs name theirs the same in each pod.
func mountDevices(dev string) error {
	if err := os.MkdirAll(dev, 0o755); err != nil {
		return err
	}
	if err := unix.Mount("tmpfs", dev, "tmpfs", unix.MS_NOSUID, "mode=755"); err != nil {
		return err
	}
	for _, name := range []string{"null", "zero", "full", "random", "urandom", "tty"} {
		if err := bind(dev, box.Mount{Source: "/dev/" + name, Target: name}); err != nil {
			return err
		}
	}
	for _, m := range []struct{ name, kind, options string }{
		{"pts", "devpts", "newinstance,ptmxmode=0666,mode=0620"},
		{"shm", "tmpfs", "mode=1777"},
	} {
		path := filepath.Join(dev, m.name)
		if err := os.Mkdir(path, 0o755); err != nil {
			return err
		}
		if err := unix.Mount(m.kind, path, m.kind, unix.MS_NOSUID|unix.MS_NOEXEC, m.options); err != nil {
			return err
		}
	}
	for name, to := range map[string]string{
		"ptmx": "pts/ptmx", "fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2",
	} {
		if err := os.Symlink(to, filepath.Join(dev, name)); err != nil {
			return err
		}
	}
	return nil
}

// bind mounts a file or directory of the host.
func bind(root string, m box.Mount) error {
	target := filepath.Join(root, m.Target)
	info, err := os.Stat(m.Source)
	if err != nil {
		return err
	}
	if info.IsDir() {
		err = os.MkdirAll(target, 0o755)
	} else if err = os.MkdirAll(filepath.Dir(target), 0o755); err == nil {
		err = os.WriteFile(target, nil, 0o644)
	}
	if err != nil {
		return err
	}
	if err := unix.Mount(m.Source, target, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("mounting %s: %w", m.Target, err)
	}
	if !m.ReadOnly {
		return nil
	}
	return unix.Mount("", target, "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY, "")
}
