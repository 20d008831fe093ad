// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"os/exec"
	"strings"

	"golang.org/x/sys/unix"

	"postern/tests/cluster/box"
)

// become becomes the program, with no more rights than it is to have.
func become(p *box.Program) error {
	if err := os.Chdir(p.Dir); err != nil {
		return err
	}
	os.Clearenv()
	for _, kv := range p.Env {
		key, value, _ := strings.Cut(kv, "=")
		if err := os.Setenv(key, value); err != nil {
			return err
		}
	}
	program, err := exec.LookPath(p.Argv[0])
	if err != nil {
		return err
	}
	for _, output := range []int{1, 2} { // so that it can open /dev/stdout
		if err := unix.Fchown(output, p.UID, p.GID); err != nil {
			return err
		}
	}
	if err := dropCapabilities(p.Capabilities); err != nil {
		return err
	}
	// The kernel lets only the privileged, or those who can no longer become so, install a filter: hence before or after the user is set.
	if p.Seccomp && !p.NoNewPrivs {
		if err := filterSyscalls(p.Capabilities); err != nil {
			return err
		}
	}
	if err := setUser(p); err != nil {
		return err
	}
	if p.NoNewPrivs {
		if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
			return fmt.Errorf("no_new_privs: %w", err)
		}
		if p.Seccomp {
			if err := filterSyscalls(p.Capabilities); err != nil {
				return err
			}
		}
	}
	return unix.Exec(program, p.Argv, p.Env)
}

// setUser changes the user. Leaving root gives up every capability; a root that stays has those of the bounding set after exec.
func setUser(p *box.Program) error {
	if err := unix.Setgroups(p.Groups); err != nil {
		return err
	}
	if err := unix.Setresgid(p.GID, p.GID, p.GID); err != nil {
		return err
	}
	return unix.Setresuid(p.UID, p.UID, p.UID)
}
