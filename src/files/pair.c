/* SPDX-License-Identifier: Apache-2.0 */
#include "files/pair.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "files/source.h"
#include "text/base64.h"
#include "text/x509.h"

enum { PEM_BYTES_MAX = 512 << 10 }; /* both fit into a Secret */

void pair_init(struct pair *p, const struct files_pair *c) {
    *p = (struct pair){.ns = str_dup(str_of(c->ns)),
                       .name = str_dup(str_of(c->name)),
                       .cert = source_normal(c->cert),
                       .key = source_normal(c->key),
                       .due = true};
    document_file_init(&p->file, str_of(p->cert), DOCUMENT_PAIR);
}

void pair_fini(struct pair *p, struct claims *c) {
    document_clear(&p->file, c);
    document_file_fini(&p->file);
    free(p->ns);
    free(p->name);
    free(p->cert);
    free(p->key);
    free(p->trouble);
}

static const char *read_open(struct arena *a, int fd, str *ret) {
    struct stat st;
    if (fstat(fd, &st) < 0) return strerror(errno);
    if (!S_ISREG(st.st_mode)) return "is not a file";
    char *bytes = arena_bytes(a, PEM_BYTES_MAX + 1);
    size_t n = 0;
    for (ssize_t got; (got = read(fd, bytes + n, PEM_BYTES_MAX + 1 - n)) != 0;) {
        if (got < 0 && errno != EINTR) return strerror(errno);
        if (got > 0) n += (size_t)got;
        if (n > PEM_BYTES_MAX) return "is larger than 512 KiB";
    }
    *ret = (str){bytes, n};
    return NULL;
}

/* NULL, or why it can not be read; in a. */
static const char *read_pem(struct arena *a, const char *path, str *ret) {
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    const char *why = fd < 0 ? strerror(errno) : read_open(a, fd, ret);
    if (why) why = arena_printf(a, "%s: %s", path, why).p;
    if (fd >= 0) close(fd);
    return why;
}

static const char *read_both(const struct pair *p, struct arena *a, str *ret_cert, str *ret_key) {
    const char *why = read_pem(a, p->cert, ret_cert);
    if (!why) why = read_pem(a, p->key, ret_key);
    if (why) return why;
    struct x509_info info;
    str message;
    if (x509_read_pair(a, *ret_cert, *ret_key, &info, &message) == OK) return NULL;
    return arena_printf(a, "%s and %s: " STR_FMT, p->cert, p->key, STR_ARG(message)).p;
}

bool pair_read(struct pair *p, struct claims *c, struct arena *scratch, uint32_t *decoded) {
    if (!p->due) return false;
    p->due = false;
    OWNED(arena) a = arena_new();
    str cert = {0}, key = {0};
    const char *why = read_both(p, a, &cert, &key);
    free(TAKE(p->trouble));
    if (why) {
        p->trouble = str_dup(str_of(why));
        return true;
    }
    str crt = base64_encode(a, cert), pem_key = base64_encode(a, key);
    str text =
        arena_printf(a,
                     "apiVersion: v1\nkind: Secret\nmetadata: {name: \"%s\", namespace: \"%s\"}\n"
                     "type: kubernetes.io/tls\ndata:\n  tls.crt: " STR_FMT "\n  tls.key: " STR_FMT "\n",
                     p->name, p->ns, STR_ARG(crt), STR_ARG(pem_key));
    struct window w = window_of_text(text);
    document_update(&p->file, &w, c, scratch, decoded); /* a text that is all there can be read */
    return true;
}

str pair_called(const struct pair *p, struct arena *a) {
    return arena_printf(a, "%s/%s=%s,%s", p->ns, p->name, p->cert, p->key);
}

void pair_report(const struct pair *p, struct findings *f) {
    if (p->trouble) {
        f->file = p->file.path;
        f->kind = S("Secret"), f->ns = str_of(p->ns), f->name = str_of(p->name);
        finding_add(f, FINDING_MEANING, 0, 0, S(""),
                    S("both files are followed, and read as soon as one of them changes"), "--tls: %s; %s",
                    p->trouble,
                    p->file.n ? "the last good pair stays in force" : "the Secret does not exist until then");
        f->kind = f->ns = f->name = (str){0};
    }
    document_report(&p->file, f);
}
