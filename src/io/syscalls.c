/* SPDX-License-Identifier: Apache-2.0 */
#include "io/syscalls.h"

#include <asm/ioctls.h>
#include <errno.h>
#include <linux/sockios.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <ucontext.h>
#include <unistd.h>

#include "base/buf.h"

#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
#define SANITIZED true
#elif defined __has_feature
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED true
#endif
#endif
/* What sanitizers call of their own, in threads of theirs that block every signal, is theirs to know: built with one, only what is fatal is refused. */
#ifndef SANITIZED
#define SANITIZED false
#endif

enum { TOLD_MAX = 32 }; /* lines; the calls go on to fail */
static _Atomic unsigned told;

/* What the loops, the C library, OpenSSL, c-ares and libcurl ask for; some under several names, by architecture and version of the library. */
static const char *const plain[] = {
    /* descriptors */
    "close",
    "close_range",
    "dup",
    "dup2",
    "dup3",
    "eventfd2",
    "fcntl",
    "flock",
    "fstat",
    "fstatfs",
    "fsync",
    "ftruncate",
    "lseek",
    "pipe",
    "pipe2",
    "pread64",
    "preadv",
    "preadv2",
    "pwrite64",
    "pwritev",
    "pwritev2",
    "read",
    "readv",
    "sendfile",
    "splice",
    "statfs",
    "tee",
    "vmsplice",
    "write",
    "writev",
    /* waiting */
    "epoll_create",
    "epoll_create1",
    "epoll_ctl",
    "epoll_pwait",
    "epoll_pwait2",
    "epoll_wait",
    "poll",
    "ppoll",
    "pselect6",
    "select",
    "signalfd4",
    "timerfd_create",
    "timerfd_gettime",
    "timerfd_settime",
    /* files: which ones is the other half's to say */
    "access",
    "faccessat",
    "faccessat2",
    "getcwd",
    "getdents64",
    "inotify_add_watch",
    "inotify_init1",
    "inotify_rm_watch",
    "lstat",
    "newfstatat",
    "open",
    "openat",
    "readlink",
    "readlinkat",
    "stat",
    "statx",
    "umask",
    "unlink",
    "unlinkat",
    /* sockets */
    "accept",
    "accept4",
    "bind",
    "connect",
    "getpeername",
    "getsockname",
    "getsockopt",
    "listen",
    "recvfrom",
    "recvmmsg",
    "recvmsg",
    "sendmmsg",
    "sendmsg",
    "sendto",
    "setsockopt",
    "shutdown",
    "socketpair",
    /* memory */
    "brk",
    "madvise",
    "membarrier",
    "mincore",
    "mlock",
    "mmap",
    "mprotect",
    "mremap",
    "munlock",
    "munmap",
    /* threads, time, chance */
    "arch_prctl",
    "clock_getres",
    "clock_gettime",
    "clock_nanosleep",
    "exit",
    "exit_group",
    "futex",
    "get_robust_list",
    "getcpu",
    "getegid",
    "geteuid",
    "getgid",
    "getpgid",
    "getpgrp",
    "getpid",
    "getppid",
    "getpriority",
    "getrandom",
    "getresgid",
    "getresuid",
    "getrlimit",
    "getrusage",
    "gettid",
    "gettimeofday",
    "getuid",
    "nanosleep",
    "prlimit64",
    "restart_syscall",
    "rseq",
    "rt_sigaction",
    "rt_sigpending",
    "rt_sigprocmask",
    "rt_sigreturn",
    "rt_sigsuspend",
    "rt_sigtimedwait",
    "sched_get_priority_max",
    "sched_get_priority_min",
    "sched_getaffinity",
    "sched_getparam",
    "sched_getscheduler",
    "sched_yield",
    "set_robust_list",
    "set_tid_address",
    "setrlimit",
    "sigaltstack",
    "sysinfo",
    "tgkill",
    "time",
    "times",
    "uname",
};
/* To start programs and wait for them. */
static const char *const starting[] = {
    "clone",   "execve", "fork",  "kill",  "pidfd_open", "pidfd_send_signal",
    "setpgid", "setsid", "vfork", "wait4", "waitid",
};
/* Nothing of ours or of a library calls these: who does is not us any more. */
enum { TRACING = 5 }; /* the last of them: a sanitizer finds leaks by them */
static const char *const fatal[] = {
    "acct",
    "add_key",
    "bpf",
    "chroot",
    "delete_module",
    "execveat",
    "finit_module",
    "init_module",
    "io_uring_setup",
    "ioperm",
    "iopl",
    "kcmp",
    "kexec_file_load",
    "kexec_load",
    "keyctl",
    "lookup_dcookie",
    "mount",
    "move_mount",
    "name_to_handle_at",
    "open_by_handle_at",
    "open_tree",
    "perf_event_open",
    "pidfd_getfd",
    "pivot_root",
    "process_vm_writev",
    "quotactl",
    "reboot",
    "request_key",
    "setdomainname",
    "sethostname",
    "setns",
    "settimeofday",
    "swapoff",
    "swapon",
    "umount2",
    "unshare",
    "userfaultfd",
    "execve",
    "fork",
    "process_vm_readv",
    "ptrace",
    "vfork",
};
static const int domains[] = {AF_UNIX, AF_INET, AF_INET6, AF_NETLINK /* getifaddrs() */};
static const unsigned requests[] = {FIONBIO,    FIONREAD,    FIOCLEX,     TCGETS,
                                    TIOCGWINSZ, SIOCGIFNAME, SIOCGIFINDEX};
static const int controls[] = {
    PR_SET_NAME,      PR_GET_NAME,    PR_GET_DUMPABLE, PR_SET_DUMPABLE,
    PR_SET_PDEATHSIG, PR_SET_PTRACER, 0x53564d41 /* PR_SET_VMA: the C library names its memory */};

/* In the thread that made the call, which goes on as if the kernel had said EPERM. Nothing here but what a handler may. */
static void on_refused(int sig, siginfo_t *info, void *context) {
    enum { SYS_SECCOMP_CODE = 1 };
    (void)sig;
    if (info->si_code != SYS_SECCOMP_CODE) return;
    ucontext_t *u = context;
#if defined __x86_64__
    u->uc_mcontext.gregs[REG_RAX] = -EPERM;
#elif defined __aarch64__
    u->uc_mcontext.regs[0] = (unsigned long long)-EPERM;
#endif
    if (atomic_fetch_add_explicit(&told, 1, memory_order_relaxed) >= TOLD_MAX) return;
    char text[] = "level=warn sandbox refused system_call=000 err=\"Operation not permitted\"\n";
    char *at = strchr(text, '=') + 1;
    at = strchr(at, '=') + 1;
    for (int i = 2, number = info->si_syscall; i >= 0; i--, number /= 10) at[i] = (char)('0' + number % 10);
    if (write(STDERR_FILENO, text, sizeof text - 1) < 0) { /* nowhere to tell it */
    }
}

/* Names that this architecture, or this library, does not know are passed over. */
static int add_all(scmp_filter_ctx c, uint32_t action, const char *const *names, size_t n) {
    for (size_t i = 0; i < n; i++) {
        int number = seccomp_syscall_resolve_name(names[i]);
        int failed = number < 0 ? 0 : seccomp_rule_add(c, action, number, 0);
        if (failed && failed != -EACCES && failed != -EEXIST)
            return failed; /* the default action, or there already */
    }
    return 0;
}

/* Of calls that do many things, some. */
static int add_parts(scmp_filter_ctx c) {
    int failed = 0;
    for (size_t i = 0; !failed && i < COUNT_OF(domains); i++)
        failed = seccomp_rule_add(c, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1,
                                  SCMP_A0_32(SCMP_CMP_EQ, (unsigned)domains[i]));
    for (size_t i = 0; !failed && i < COUNT_OF(requests); i++)
        failed =
            seccomp_rule_add(c, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1, SCMP_A1_32(SCMP_CMP_EQ, requests[i]));
    for (size_t i = 0; !failed && i < COUNT_OF(controls); i++)
        failed = seccomp_rule_add(c, SCMP_ACT_ALLOW, SCMP_SYS(prctl), 1,
                                  SCMP_A0_32(SCMP_CMP_EQ, (unsigned)controls[i]));
    return failed;
}

/* Threads, not processes. What clone3() is asked lies in memory, where a filter can not look: the C library goes on to clone() when there is no
 * such call. */
static int add_threads(scmp_filter_ctx c) {
    int failed = seccomp_rule_add(c, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
    if (failed) return failed;
    return seccomp_rule_add(c, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
                            SCMP_A0_64(SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD));
}

static int fill(scmp_filter_ctx c, bool programs) {
    if (SANITIZED) return add_all(c, SCMP_ACT_KILL_PROCESS, fatal, COUNT_OF(fatal) - TRACING);
    int failed = add_all(c, SCMP_ACT_ALLOW, plain, COUNT_OF(plain));
    if (!failed) failed = add_parts(c);
    if (!failed && programs) failed = add_all(c, SCMP_ACT_ALLOW, starting, COUNT_OF(starting));
    if (!failed) failed = add_threads(c);
    if (!failed && !programs) failed = add_all(c, SCMP_ACT_KILL_PROCESS, fatal, COUNT_OF(fatal));
    return failed;
}

err syscalls_limit(bool programs) {
    if (prctl(PR_GET_SECCOMP, 0, 0, 0, 0) < 0) return ERR_ABSENT;
    struct sigaction act = {.sa_sigaction = on_refused, .sa_flags = SA_SIGINFO | SA_RESTART};
    sigemptyset(&act.sa_mask);
    scmp_filter_ctx c = seccomp_init(SANITIZED ? SCMP_ACT_ALLOW : SCMP_ACT_TRAP);
    if (!c) return ERR_ABSENT;
    /* The rights that are given up are privileges_drop()'s matter. Speculation is not slowed: no code of others runs in this process. */
    int failed = seccomp_attr_set(c, SCMP_FLTATR_CTL_NNP, 0);
    if (!failed) failed = seccomp_attr_set(c, SCMP_FLTATR_CTL_SSB, 1);
    if (!failed) failed = seccomp_attr_set(c, SCMP_FLTATR_CTL_OPTIMIZE, 2);
    if (!failed) failed = fill(c, programs);
    if (!failed && sigaction(SIGSYS, &act, NULL) < 0) failed = -errno;
    if (!failed) failed = seccomp_load(c);
    seccomp_release(c);
    errno = -failed;
    return failed ? ERR_IO : OK;
}

bool syscalls_all_known(void) { return !SANITIZED; }
