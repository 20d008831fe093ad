/* SPDX-License-Identifier: Apache-2.0 */
/* Counts the calls of malloc, calloc, realloc and the aligned ones, by thread: LD_PRELOAD this, name a file of zeros in MALLOC_COUNT_FILE.
 * The file is an array of pairs of 64-bit words, thread id and calls; it is shared by a program and its forks, and read while they run. */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

extern void *__libc_malloc(size_t n);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *p, size_t n);
extern void *__libc_memalign(size_t align, size_t n);

enum { SLOTS = 256 }; /* a power of two; more threads than that share the last */
struct slot {
    _Atomic uint64_t thread, calls;
};
static struct slot *slots;

__attribute__((constructor)) static void map_file(void) {
    const char *path = getenv("MALLOC_COUNT_FILE");
    int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (fd < 0 || ftruncate(fd, SLOTS * sizeof *slots)) return;
    void *p = mmap(NULL, SLOTS * sizeof *slots, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (p != MAP_FAILED) slots = p;
    close(fd);
}

static void count(void) {
    if (!slots) return;
    uint64_t me = (uint64_t)syscall(SYS_gettid); /* not kept per thread: a fork would inherit it */
    for (unsigned i = 0; i < SLOTS; i++) {
        struct slot *s = &slots[(me + i) % SLOTS];
        uint64_t none = 0;
        if (s->thread != me && !atomic_compare_exchange_strong(&s->thread, &none, me) && none != me &&
            i < SLOTS - 1)
            continue;
        atomic_fetch_add(&s->calls, 1);
        return;
    }
}

void *malloc(size_t n) {
    count();
    return __libc_malloc(n);
}
void *calloc(size_t n, size_t size) {
    count();
    return __libc_calloc(n, size);
}
void *realloc(void *p, size_t n) {
    count();
    return __libc_realloc(p, n);
}
void *memalign(size_t align, size_t n) {
    count();
    return __libc_memalign(align, n);
}
void *aligned_alloc(size_t align, size_t n) { return memalign(align, n); }
int posix_memalign(void **ret, size_t align, size_t n) {
    void *p = memalign(align, n);
    if (!p) return ENOMEM;
    *ret = p;
    return 0;
}
