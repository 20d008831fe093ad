// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"slices"

	"golang.org/x/sys/unix"
)

// capabilities are the names of the kernel's, by number (linux/capability.h).
var capabilities = []string{
	"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL", "CAP_SETGID", "CAP_SETUID",
	"CAP_SETPCAP", "CAP_LINUX_IMMUTABLE", "CAP_NET_BIND_SERVICE", "CAP_NET_BROADCAST", "CAP_NET_ADMIN", "CAP_NET_RAW", "CAP_IPC_LOCK",
	"CAP_IPC_OWNER", "CAP_SYS_MODULE", "CAP_SYS_RAWIO", "CAP_SYS_CHROOT", "CAP_SYS_PTRACE", "CAP_SYS_PACCT", "CAP_SYS_ADMIN",
	"CAP_SYS_BOOT", "CAP_SYS_NICE", "CAP_SYS_RESOURCE", "CAP_SYS_TIME", "CAP_SYS_TTY_CONFIG", "CAP_MKNOD", "CAP_LEASE", "CAP_AUDIT_WRITE",
	"CAP_AUDIT_CONTROL", "CAP_SETFCAP", "CAP_MAC_OVERRIDE", "CAP_MAC_ADMIN", "CAP_SYSLOG", "CAP_WAKE_ALARM", "CAP_BLOCK_SUSPEND",
	"CAP_AUDIT_READ", "CAP_PERFMON", "CAP_BPF", "CAP_CHECKPOINT_RESTORE",
}

// dropCapabilities takes all but these from the bounding set, which exec never goes beyond; "ALL" keeps all.
func dropCapabilities(keep []string) error {
	if slices.Contains(keep, "ALL") {
		return nil
	}
	for _, name := range keep {
		if !slices.Contains(capabilities, name) {
			return fmt.Errorf("no capability is named %s", name)
		}
	}
	for number := 0; number <= unix.CAP_LAST_CAP; number++ {
		if number < len(capabilities) && slices.Contains(keep, capabilities[number]) {
			continue
		}
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, uintptr(number), 0, 0, 0); err != nil && err != unix.EINVAL { // EINVAL: an older kernel
			return fmt.Errorf("dropping capability %d: %w", number, err)
		}
	}
	return nil
}
