// SPDX-License-Identifier: Apache-2.0

// Package box is what the node tells the process of a container about itself: the contract between the programs testcluster and sandbox.
package box

// ImageDir is where a container finds the program of its image. It is first in PATH.
const ImageDir = "/image"

// Box describes one container. Its paths are the host's, but for those that say otherwise.
type Box struct {
	Hostname     string
	Image        string // the program of the image
	ImageName    string // its name in ImageDir
	Root         string // an empty directory to mount the root file system on
	ReadOnlyRoot bool
	Files        map[string]string // contents of files, by path in the container
	Mounts       []Mount
	Program      Program
}

// Mount is a file or directory of the host in the container.
type Mount struct {
	Source, Target string
	ReadOnly       bool
}

// Program is what runs in a container: its own program, or one that joins it later (kubectl exec, a probe).
type Program struct {
	Dir          string // in the container
	Argv         []string
	Env          []string
	UID, GID     int
	Groups       []int
	Capabilities []string // of the bounding set, as in capabilities(7): CAP_NET_BIND_SERVICE
	NoNewPrivs   bool
	Seccomp      bool // RuntimeDefault
}
