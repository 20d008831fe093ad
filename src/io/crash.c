/* SPDX-License-Identifier: Apache-2.0 */
#include "io/crash.h"

#include <elf.h>
#include <execinfo.h>
#include <link.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

enum { FRAMES_MAX = 64, STACK_BYTES = 64 << 10, BUILD_ID_MAX = 20 };
static const int signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT};

/* A handler is given nothing but a number. */
static struct {
    _Atomic int begun;
    _Atomic int fd;
    void (*_Atomic describe)(void *arg, struct crash_text *t);
    void *arg;
    char build_id[2 * BUILD_ID_MAX + 1];
    struct sigaction before[COUNT_OF(signals)];
} crash = {.fd = -1};

void crash_add(struct crash_text *t, str s) {
    for (size_t i = 0; i < s.n && t->n < sizeof t->p - 1; i++)
        t->p[t->n++] = s.p[i] >= ' ' && s.p[i] < 127 ? s.p[i] : '?';
}

static void add_digits(struct crash_text *t, uint64_t v, unsigned base) {
    char digits[20];
    size_t n = sizeof digits;
    do digits[--n] = "0123456789abcdef"[v % base];
    while ((v /= base) && n);
    crash_add(t, (str){digits + n, sizeof digits - n});
}

static void add_name(struct crash_text *t, const char *name) {
    crash_add(t, S(" "));
    crash_add(t, str_of(name));
    crash_add(t, S("="));
}

void crash_add_number(struct crash_text *t, const char *name, uint64_t v) {
    add_name(t, name);
    add_digits(t, v, 10);
}

void crash_add_word(struct crash_text *t, const char *name, str v) {
    add_name(t, name);
    crash_add(t, S("\""));
    crash_add(t, v);
    crash_add(t, S("\""));
}

void crash_tell(struct crash_text *t) {
    int fd = atomic_load_explicit(&crash.fd, memory_order_relaxed);
    t->p[t->n++] = '\n';
    if (write(STDERR_FILENO, t->p, t->n) < 0 ||
        (fd >= 0 && write(fd, t->p, t->n) < 0)) { /* nowhere to tell it */
    }
    t->n = 0;
}

static void tell_head(int number, const siginfo_t *info) {
    struct crash_text t = {0};
    char name[16] = "?";
    prctl(PR_GET_NAME, name);
    const char *signal_name = sigabbrev_np(number);
    crash_add(&t, S("level=fatal crash"));
    crash_add_number(&t, "signal", (uint64_t)number);
    crash_add_word(&t, "name", str_of(signal_name ? signal_name : "?"));
    crash_add_word(&t, "thread", str_of(name));
    crash_add_number(&t, "pid", (uint64_t)getpid());
    if (info->si_code > 0) { /* brought about by an instruction [sigaction(2)] */
        add_name(&t, "address");
        crash_add(&t, S("0x"));
        add_digits(&t, (uintptr_t)info->si_addr, 16);
    }
    crash_add_word(&t, "version", S(POSTERN_VERSION));
    crash_add_word(&t, "build_id", str_of(crash.build_id));
    crash_tell(&t);
}

static void tell_frames(void) {
    void *frames[FRAMES_MAX];
    int n = backtrace(frames, FRAMES_MAX), fd = atomic_load_explicit(&crash.fd, memory_order_relaxed);
    backtrace_symbols_fd(frames, n, STDERR_FILENO);
    if (fd >= 0) backtrace_symbols_fd(frames, n, fd);
}

/* What was there before us comes after us; raised again, as the instruction need not be what raised it. */
static void give_way(int number) {
    for (size_t i = 0; i < COUNT_OF(signals); i++)
        if (signals[i] == number) sigaction(number, &crash.before[i], NULL);
    raise(number);
}

static void on_signal(int number, siginfo_t *info, void *context) {
    (void)context;
    if (atomic_exchange(&crash.begun, 1)) /* another thread's is being told, and ends us all */
        for (;;) poll(NULL, 0, -1);
    tell_head(number, info);
    tell_frames();
    void (*describe)(void *arg, struct crash_text *t) = atomic_load(&crash.describe);
    struct crash_text t = {0};
    if (describe) describe(crash.arg, &t);
    give_way(number);
}

/* [elf(5), NT_GNU_BUILD_ID] of the program, which is the first. */
static int read_build_id(struct dl_phdr_info *m, size_t size, void *arg) {
    (void)size;
    (void)arg;
    for (int i = 0; i < m->dlpi_phnum; i++) {
        if (m->dlpi_phdr[i].p_type != PT_NOTE) continue;
        const char *at = (const char *)m->dlpi_addr + m->dlpi_phdr[i].p_vaddr,
                   *end = at + m->dlpi_phdr[i].p_memsz;
        while (at + sizeof(ElfW(Nhdr)) <= end) {
            ElfW(Nhdr) note;
            memcpy(&note, at, sizeof note);
            const char *name = at + sizeof note, *id = name + ((note.n_namesz + 3) & ~3U);
            if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 && memcmp(name, "GNU", 4) == 0)
                for (size_t k = 0; k < note.n_descsz && k < BUILD_ID_MAX; k++) {
                    crash.build_id[2 * k] = "0123456789abcdef"[(uint8_t)id[k] >> 4];
                    crash.build_id[2 * k + 1] = "0123456789abcdef"[id[k] & 15];
                }
            at = id + ((note.n_descsz + 3) & ~3U);
        }
    }
    return 1;
}

void crash_install(int fd, void (*describe)(void *arg, struct crash_text *t), void *arg) {
    void *none[1];
    backtrace(none, 1); /* loads what it needs now */
    dl_iterate_phdr(read_build_id, NULL);
    if (fd >= 0 && (ftruncate(fd, 0) < 0 || lseek(fd, 0, SEEK_SET) < 0)) fd = -1;
    atomic_store(&crash.fd, fd);
    crash.arg = arg;
    atomic_store(&crash.describe, describe);
    struct sigaction a = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    sigfillset(&a.sa_mask);
    sigdelset(&a.sa_mask, SIGSYS); /* what a sandbox refuses is no end of it */
    for (size_t i = 0; i < COUNT_OF(signals); i++) sigaction(signals[i], &a, &crash.before[i]);
}

void crash_signals_out_of(sigset_t *set) {
    for (size_t i = 0; i < COUNT_OF(signals); i++) sigdelset(set, signals[i]);
}

void crash_uninstall(void) {
    atomic_store(&crash.describe, NULL);
    for (size_t i = 0; i < COUNT_OF(signals); i++) sigaction(signals[i], &crash.before[i], NULL);
}

struct stack {
    stack_t before;
    char bytes[];
};

void *crash_stack_new(void) {
    struct stack *s = base_alloc(sizeof *s + STACK_BYTES); /* untouched: it costs addresses alone */
    stack_t ours = {.ss_sp = s->bytes, .ss_size = STACK_BYTES};
    if (sigaltstack(&ours, &s->before) == 0) return s;
    free(s);
    return NULL;
}

void crash_stack_free(void *stack) {
    struct stack *s = stack;
    if (!s) return;
    sigaltstack(&s->before, NULL);
    free(s);
}
