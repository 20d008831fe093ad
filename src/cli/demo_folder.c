/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/demo_folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "io/clock.h"
#include "text/base64.h"
#include "text/x509.h"

enum { FILE_BYTES_MAX = 16 << 20, FIRST_PORT = 9001, CERTIFICATE_DAYS = 91, A_DAY_S = 86400 };

static err read_file(const char *path, struct buf *b) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return ERR_IO;
    char in[16384];
    ssize_t n;
    while ((n = read(fd, in, sizeof in)) > 0) buf_add(b, (str){in, (size_t)n});
    int why = errno;
    close(fd);
    errno = b->overflow ? EFBIG : why;
    return n < 0 || b->overflow ? ERR_IO : OK;
}

static err write_file(const char *path, str s, mode_t mode) {
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    if (fd < 0) return ERR_IO;
    size_t at = 0;
    while (at < s.n) {
        ssize_t n = write(fd, s.p + at, s.n - at);
        if (n < 0 && errno != EINTR) break;
        if (n > 0) at += (size_t)n;
    }
    int why = errno;
    close(fd);
    errno = why;
    return at == s.n ? OK : ERR_IO;
}

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

/* Whole numbers FIRST_PORT+i become ports[i]. */
static void add_with_ports(struct buf *b, str s, const uint16_t ports[DEMO_BACKENDS]) {
    size_t i = 0;
    while (i < s.n) {
        size_t n = 0;
        unsigned value = 0;
        while (i + n < s.n && is_digit(s.p[i + n])) {
            if (n < 6) value = value * 10 + (unsigned)(s.p[i + n] - '0');
            n++;
        }
        if (n == 4 && value >= FIRST_PORT && value < FIRST_PORT + DEMO_BACKENDS) {
            buf_printf(b, "%u", ports[value - FIRST_PORT]);
        } else {
            n = n ? n : 1;
            buf_add(b, (str){s.p + i, n});
        }
        i += n;
    }
}

static bool is_manifest(str name) {
    return !str_starts(name, S(".")) &&
           (str_ends(name, S(".yaml")) || str_ends(name, S(".yml")) || str_ends(name, S(".json")));
}

static err copy_one(const struct demo_folder *f, const char *from, str name,
                    const uint16_t ports[DEMO_BACKENDS]) {
    struct buf in, out;
    buf_init(&in, FILE_BYTES_MAX);
    buf_init(&out, FILE_BYTES_MAX);
    const char *source = arena_printf(f->arena, "%s/" STR_FMT, from, STR_ARG(name)).p;
    const char *target = arena_printf(f->arena, "%s/" STR_FMT, f->manifests, STR_ARG(name)).p;
    err e = read_file(source, &in);
    if (e == OK) add_with_ports(&out, buf_str(&in), ports);
    if (e == OK) e = write_file(target, buf_str(&out), 0644);
    buf_fini(&in);
    buf_fini(&out);
    return e;
}

static err copy_all(const struct demo_folder *f, const char *from, const uint16_t ports[DEMO_BACKENDS]) {
    DIR *d = opendir(from);
    if (!d) return ERR_IO;
    err e = OK;
    for (struct dirent *x; e == OK && (x = readdir(d));) {
        str name = str_of(x->d_name);
        struct stat st;
        if (!is_manifest(name) || fstatat(dirfd(d), x->d_name, &st, 0) < 0 || !S_ISREG(st.st_mode)) continue;
        e = copy_one(f, from, name, ports);
    }
    int why = errno;
    closedir(d);
    errno = why;
    return e;
}

static err add_certificate(const struct demo_folder *f) {
    const str names[] = {S("demo.example"), S("localhost"), S("127.0.0.1")};
    str chain, key;
    errno = EIO;
    TRY(x509_make(f->arena, names, COUNT_OF(names), clock_wall_s() - A_DAY_S, CERTIFICATE_DAYS, &chain,
                  &key));
    TRY(write_file(f->ca, chain, 0644));
    str secret = arena_printf(
        f->arena,
        "# Made by `postern demo`, good for %d days.\n"
        "apiVersion: v1\nkind: Secret\nmetadata:\n  name: demo-certificate\n  namespace: infra\n"
        "type: kubernetes.io/tls\ndata:\n  tls.crt: " STR_FMT "\n  tls.key: " STR_FMT "\n",
        CERTIFICATE_DAYS - 1, STR_ARG(base64_encode(f->arena, chain)), STR_ARG(base64_encode(f->arena, key)));
    return write_file(arena_printf(f->arena, "%s/demo-certificate.yaml", f->manifests).p, secret, 0600);
}

static err make_folders(struct demo_folder *f) {
    const char *base = getenv("TMPDIR");
    char *path =
        str_dup(arena_printf(f->arena, "%s/postern-demo-XXXXXX", base && base[0] == '/' ? base : "/tmp"));
    if (mkdtemp(path)) f->path = arena_str(f->arena, str_of(path)).p;
    free(path);
    if (!f->path) return ERR_IO;
    f->manifests = arena_printf(f->arena, "%s/manifests", f->path).p;
    f->ca = arena_printf(f->arena, "%s/ca.pem", f->path).p;
    return mkdir(f->manifests, 0700) == 0 ? OK : ERR_IO;
}

err demo_folder_make(struct demo_folder *f, const char *originals, const uint16_t ports[DEMO_BACKENDS]) {
    *f = (struct demo_folder){.arena = arena_new()};
    err e = make_folders(f);
    if (e == OK) e = copy_all(f, originals, ports);
    if (e == OK) e = add_certificate(f);
    if (e == OK) return OK;
    int why = errno;
    demo_folder_remove(f);
    errno = why;
    return e;
}

/* The files of a folder, not what is deeper: whatever else somebody put there stays, and with it the folder. */
static void empty(const char *path) {
    DIR *d = opendir(path);
    if (!d) return;
    for (struct dirent *x; (x = readdir(d));) unlinkat(dirfd(d), x->d_name, 0);
    closedir(d);
}

void demo_folder_remove(struct demo_folder *f) {
    if (f->manifests) {
        empty(f->manifests);
        rmdir(f->manifests);
    }
    if (f->path) {
        empty(f->path);
        rmdir(f->path);
    }
    arena_free(f->arena);
    *f = (struct demo_folder){0};
}
