/* SPDX-License-Identifier: Apache-2.0 */
/* Plays tests/proto/h1/: each file holds cases; each case is played whole, byte by byte and in random cuts, with the same outcome.
 *   case NAME [RFC ...]     begins a case; until then # begins a comment, later too
 *   server | client         which side the codec is (server when nothing is said)
 *   limits head=N line=N fields=N trailers=N body=N
 *   show fields             events tell the fields of heads, too
 *   inline                  every request is answered within its head event
 *   > BYTES                 the peer sends; lines that follow each other are one; >*N BYTES is N times
 *   < BYTES                 the codec has written just this (<*N, too)
 *   event TEXT              what came of what is above, in order and complete
 *   submit ..., body TEXT, body-end TEXT, end, trailers, consume N, reset, drain, eof, keep, reusable yes|no, shut yes|no
 * Lines that are indented are the fields of the submit or trailers above. \r \n \t \s \\ \xNN mean bytes. */
#include <dirent.h>
#include <string.h>

#include "../unit.h"
#include "base/buf.h"
#include "base/num.h"
#include "base/rng.h"
#include "proto/h1.h"

enum { TRACE_MAX = 1 << 20, FILE_MAX = 1 << 20, WHOLE = 0, BYTES = 1, RANDOM = 2 };
struct player {
    const char *file;
    str name;
    int mode;
    struct rng rng;
    bool client, show_fields, answers, over, failed;
    struct codec_limits limits;
    struct codec *codec;
    struct arena *arena;  /* of the message */
    struct arena *script; /* of the case */
    uint32_t stream;
    struct buf trace, in, merged; /* merged: the body event that may still grow */
    unsigned line;
};

/* Once per play of a case; the others go on. */
static void complain(struct player *p, const char *what, str got, str wanted) {
    static const char *const modes[] = {"whole", "byte by byte", "random"};
    if (p->failed) return;
    p->failed = true;
    print_error("%s:%u: %s, case \"" STR_FMT "\" (%s)\n  got    \"" STR_FMT "\"\n  wanted \"" STR_FMT "\"\n",
                p->file, p->line, what, STR_ARG(p->name), modes[p->mode], STR_ARG(got), STR_ARG(wanted));
}

/* ---- text ---- */

static void add_escaped(struct buf *b, str s) {
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c == '\r')
            buf_add(b, S("\\r"));
        else if (c == '\n')
            buf_add(b, S("\\n"));
        else if (c == '\t')
            buf_add(b, S("\\t"));
        else if (c == '\\')
            buf_add(b, S("\\\\"));
        else if (c < 0x20 || c > 0x7e)
            buf_printf(b, "\\x%02x", c);
        else
            buf_add_char(b, (char)c);
    }
}
static str unescaped(struct arena *a, str s) {
    char *w = arena_bytes(a, s.n + 1);
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] != '\\') {
            w[n++] = s.p[i];
            continue;
        }
        char c = s.p[++i];
        if (c == 'x') {
            w[n++] = (char)(num_hex(s.p[i + 1]) << 4 | num_hex(s.p[i + 2]));
            i += 2;
        } else {
            w[n++] = c == 'r' ? '\r' : c == 'n' ? '\n' : c == 't' ? '\t' : c == 's' ? ' ' : c;
        }
    }
    return (str){w, n};
}
static str word(str *line) {
    str w = str_cut(line, ' ');
    if (!line->p) *line = S("");
    return w;
}
static uint64_t number(str s) {
    uint64_t v = 0;
    assert_ok(num_parse(s, UINT64_MAX, &v));
    return v;
}

/* ---- events ---- */

static void flush_merged(struct player *p) {
    if (p->merged.n == 0) return;
    buf_add(&p->trace, buf_str(&p->merged));
    buf_add_char(&p->trace, '\n');
    buf_clear(&p->merged);
}
__attribute__((format(printf, 2, 3))) static void tell(struct player *p, const char *fmt, ...) {
    flush_merged(p);
    va_list args;
    va_start(args, fmt);
    buf_vprintf(&p->trace, fmt, args);
    va_end(args);
    buf_add_char(&p->trace, '\n');
}

static struct arena *on_begin(void *arg, uint32_t stream) {
    struct player *p = arg;
    if (!p->client) {
        assert_int_equal(stream, p->stream + 1);
        p->stream = stream;
    }
    assert_int_equal(stream, p->stream);
    /* what lived in the arena of the message before must not be used any more */
    arena_free(p->arena);
    return p->arena = arena_new();
}
static void tell_fields(struct player *p, const char *what, const struct http_msg *m) {
    for (uint32_t i = 0; i < m->fields_n; i++) {
        const struct http_field *f = &m->fields[i];
        assert_int_equal(f->id, http_field_id_of(f->name));
        if (f->gone) continue;
        flush_merged(p);
        buf_printf(&p->trace, "%s " STR_FMT ":", what, STR_ARG(f->name));
        if (f->value.n) buf_add_char(&p->trace, ' ');
        add_escaped(&p->trace, f->value);
        buf_add_char(&p->trace, '\n');
    }
}
static void on_head(void *arg, uint32_t stream, struct http_msg *m, bool end) {
    static const char *const bodies[] = {"none", "length", "chunked", "close"};
    struct player *p = arg;
    assert_int_equal(stream, p->stream);
    flush_merged(p);
    buf_printf(&p->trace, "head %u ", stream);
    if (m->is_request)
        buf_printf(&p->trace, STR_FMT " " STR_FMT " " STR_FMT STR_FMT, STR_ARG(m->method),
                   STR_ARG(m->authority), STR_ARG(m->path), STR_ARG(m->query));
    else
        buf_printf(&p->trace, "%u", m->status);
    buf_printf(&p->trace, " %s", bodies[m->body]);
    if (m->body == HTTP_BODY_LENGTH) buf_printf(&p->trace, "=%llu", (unsigned long long)m->content_length);
    if (m->version != 11) buf_printf(&p->trace, " version=%u", m->version);
    if (!m->keep_alive) buf_add(&p->trace, S(" last"));
    if (m->expect_continue) buf_add(&p->trace, S(" expect"));
    if (m->upgrade.n) buf_printf(&p->trace, " upgrade=" STR_FMT, STR_ARG(m->upgrade));
    if (end) buf_add(&p->trace, S(" end"));
    buf_add_char(&p->trace, '\n');
    if (p->show_fields) tell_fields(p, "field", m);
    if (!p->answers) return;
    struct http_msg answer;
    http_msg_init(&answer, p->arena, false);
    answer.status = 200;
    assert_ok(p->codec->ops->submit(p->codec, &stream, &answer, true));
}
static void on_body(void *arg, uint32_t stream, str bytes) {
    struct player *p = arg;
    assert_int_equal(stream, p->stream);
    assert_true(bytes.n > 0);
    if (p->merged.n == 0) buf_printf(&p->merged, "body %u ", stream);
    add_escaped(&p->merged, bytes);
}
static void on_end(void *arg, uint32_t stream, struct http_msg *trailers) {
    struct player *p = arg;
    assert_int_equal(stream, p->stream);
    if (trailers) tell_fields(p, "trailer", trailers);
    tell(p, "end %u", stream);
}
static void on_reset(void *arg, uint32_t stream, enum http_reason why) {
    (void)arg;
    fail_msg("stream %u reset: %d", stream, why);
}
static const struct codec_sink sink = {
    .begin = on_begin, .head = on_head, .body = on_body, .end = on_end, .reset = on_reset};

/* ---- playing ---- */

static size_t next_cut(struct player *p, size_t n) {
    if (p->mode == WHOLE) return n;
    return p->mode == BYTES ? 1 : num_min(n, 1 + rng_below(&p->rng, 24));
}

/* Gives what is queued to the codec, cut as the mode says, in a block of its own so that a read beyond it is seen. */
static void feed(struct player *p) {
    size_t given = 0;
    while (p->in.n && !p->over) {
        if (given == p->in.n) break;
        given += next_cut(p, p->in.n - given);
        char *block = base_alloc(given);
        memcpy(block, p->in.p, given);
        size_t used = SIZE_MAX;
        enum http_reason why = REASON_NONE;
        err e = p->codec->ops->read(p->codec, (str){block, given}, 0, &used, &why);
        free(block);
        assert_true(used <= given);
        buf_consume(&p->in, used);
        given -= used;
        if (e == OK) {
            assert_true(given == 0 || p->answers); /* only a turn's share leaves bytes */
            given = 0;
        } else if (e == ERR_AGAIN) {
            tell(p, "blocked");
            return;
        } else {
            p->over = true;
            if (e == ERR_END)
                tell(p, "done");
            else
                tell(p, "error %s " STR_FMT, base_err_name(e), STR_ARG(http_reason_name(why)));
        }
    }
    flush_merged(p);
}

static void read_end(struct player *p) {
    enum http_reason why = REASON_NONE;
    err e = p->codec->ops->read_end(p->codec, &why);
    if (e == OK)
        tell(p, "half");
    else if (e == ERR_END)
        tell(p, "done");
    else
        tell(p, "error %s " STR_FMT, base_err_name(e), STR_ARG(http_reason_name(why)));
    p->over = true;
}

/* What the codec writes, taken in pieces as the mode says. */
static void drain_output(struct player *p, struct buf *b) {
    const struct codec_ops *ops = p->codec->ops;
    while (ops->pending(p->codec)) {
        str pieces[3];
        size_t n = ops->write(p->codec, pieces, 3), all = 0;
        assert_true(n > 0);
        for (size_t i = 0; i < n; i++) all += pieces[i].n;
        size_t take = next_cut(p, all), left = take;
        for (size_t i = 0; i < n && left; i++) {
            size_t part = num_min(left, pieces[i].n);
            buf_add(b, str_upto(pieces[i], part));
            left -= part;
        }
        ops->wrote(p->codec, take);
        if (p->mode == RANDOM && rng_below(&p->rng, 2)) ops->keep(p->codec);
    }
}
static void check_output(struct player *p, str wanted) {
    struct buf got, shown, want;
    buf_init(&got, TRACE_MAX), buf_init(&shown, 4 * TRACE_MAX), buf_init(&want, 4 * TRACE_MAX);
    drain_output(p, &got);
    if (!str_eq(buf_str(&got), wanted)) {
        add_escaped(&shown, buf_str(&got));
        add_escaped(&want, wanted);
        complain(p, "output", buf_str(&shown), buf_str(&want));
    }
    buf_fini(&got), buf_fini(&shown), buf_fini(&want);
}
/* The next line of the trace must be this one; "": there is none. */
static void check_event(struct player *p, str wanted) {
    flush_merged(p);
    str rest = buf_str(&p->trace);
    str got = rest.n ? str_cut(&rest, '\n') : S("");
    if (!str_eq(got, wanted)) complain(p, "event", got, wanted);
    if (wanted.n) buf_consume(&p->trace, got.n + 1);
}

static void result(struct player *p, err e) {
    if (e != OK) tell(p, "refused %s", base_err_name(e));
}

static enum http_body body_word(str w, uint64_t *ret_length) {
    if (str_starts(w, S("length="))) {
        *ret_length = number(str_from(w, 7));
        return HTTP_BODY_LENGTH;
    }
    if (str_eq(w, S("chunked"))) return HTTP_BODY_CHUNKED;
    if (str_eq(w, S("close"))) return HTTP_BODY_TO_CLOSE;
    assert_true(str_eq(w, S("none")));
    return HTTP_BODY_NONE;
}

/* submit STATUS BODY [upgrade=LIST] [end], submit METHOD AUTHORITY TARGET BODY [upgrade=LIST] [end]; fields: the indented lines. */
static void submit(struct player *p, str line, str *fields, size_t fields_n) {
    struct http_msg m;
    http_msg_init(&m, p->script, p->client);
    if (p->client) {
        m.method = unescaped(p->script, word(&line));
        m.method_id = (uint8_t)http_method_of(m.method);
        m.authority = word(&line);
        str target = unescaped(p->script, word(&line));
        m.path = str_upto(target, str_find(target, '?'));
        m.query = str_from(target, m.path.n);
    } else {
        m.status = (uint16_t)number(word(&line));
    }
    m.body = (uint8_t)body_word(word(&line), &m.content_length);
    for (size_t i = 0; i < fields_n; i++) {
        str rest = fields[i], name = str_cut(&rest, ':');
        http_msg_add(&m, unescaped(p->script, name), unescaped(p->script, str_trim(rest)));
    }
    bool end = false;
    while (line.n) {
        str w = word(&line);
        if (str_starts(w, S("upgrade=")))
            m.upgrade = unescaped(p->script, str_from(w, 8));
        else
            end = str_eq(w, S("end"));
    }
    uint32_t stream = p->stream;
    err e = p->codec->ops->submit(p->codec, &stream, &m, end);
    if (e == OK) p->stream = stream;
    result(p, e);
}
static void submit_trailers(struct player *p, const str *fields, size_t fields_n) {
    struct http_msg m;
    http_msg_init(&m, p->script, p->client);
    for (size_t i = 0; i < fields_n; i++) {
        str rest = fields[i], name = str_cut(&rest, ':');
        http_msg_add(&m, name, str_trim(rest));
    }
    result(p, p->codec->ops->submit_end(p->codec, p->stream, &m));
}

static void setting(struct player *p, str line) {
    while (line.n) {
        str value = word(&line), key = str_cut(&value, '=');
        uint32_t v = (uint32_t)number(value);
        if (str_eq(key, S("head")))
            p->limits.head_bytes_max = v;
        else if (str_eq(key, S("line")))
            p->limits.line_bytes_max = v;
        else if (str_eq(key, S("fields")))
            p->limits.fields_max = v;
        else if (str_eq(key, S("trailers")))
            p->limits.trailer_bytes_max = v;
        else if (str_eq(key, S("body")))
            p->limits.body_bytes_max = v;
        else
            fail_msg("%s:%u: no such limit", p->file, p->line);
    }
}

static void need_codec(struct player *p) {
    if (p->codec) return;
    p->codec = p->client ? h1_client(&sink, p, &p->limits) : h1_server(&sink, p, &p->limits);
}

/* One line that is no byte line. */
static void act(struct player *p, str verb, str rest, str *fields, size_t fields_n) {
    if (str_eq(verb, S("client")))
        p->client = true;
    else if (str_eq(verb, S("server")))
        p->client = false;
    else if (str_eq(verb, S("limits")))
        setting(p, rest);
    else if (str_eq(verb, S("show")))
        p->show_fields = true;
    else if (str_eq(verb, S("inline")))
        p->answers = true;
    else {
        need_codec(p);
        const struct codec_ops *ops = p->codec->ops;
        if (str_eq(verb, S("event"))) {
            check_event(p, rest);
            return;
        }
        if (str_eq(verb, S("reusable"))) {
            str got = ops->reusable(p->codec) ? S("yes") : S("no");
            if (!str_eq(got, rest)) complain(p, "reusable", got, rest);
            return;
        }
        if (str_eq(verb, S("shut"))) {
            str got = p->codec->shuts ? S("yes") : S("no");
            if (!str_eq(got, rest)) complain(p, "shut", got, rest);
            return;
        }
        if (str_eq(verb, S("submit")))
            submit(p, rest, fields, fields_n);
        else if (str_eq(verb, S("trailers")))
            submit_trailers(p, fields, fields_n);
        else if (str_eq(verb, S("body")))
            result(p, ops->submit_body(p->codec, p->stream, unescaped(p->script, rest), false));
        else if (str_eq(verb, S("body-end")))
            result(p, ops->submit_body(p->codec, p->stream, unescaped(p->script, rest), true));
        else if (str_eq(verb, S("end")))
            result(p, ops->submit_end(p->codec, p->stream, NULL));
        else if (str_eq(verb, S("consume")))
            ops->consume(p->codec, p->stream, number(rest));
        else if (str_eq(verb, S("reset")))
            ops->reset(p->codec, p->stream, REASON_NONE);
        else if (str_eq(verb, S("drain")))
            ops->drain(p->codec);
        else if (str_eq(verb, S("keep")))
            ops->keep(p->codec);
        else if (str_eq(verb, S("eof")))
            read_end(p);
        else
            fail_msg("%s:%u: no such line: " STR_FMT, p->file, p->line, STR_ARG(verb));
        feed(p);
    }
}

/* "> text", ">*3 text": the bytes, added to b. */
static void add_bytes(struct player *p, str line, struct buf *b) {
    uint64_t times = 1;
    str_cut(&line, line.p[0]);
    if (line.n && line.p[0] == '*') {
        str w = word(&line);
        times = number(str_from(w, 1));
    } else {
        line = str_from(line, 1);
    }
    str bytes = unescaped(p->script, line);
    for (; times; times--) buf_add(b, bytes);
    assert_false(b->overflow);
}

static void begin_case(struct player *p, const char *file, int mode, uint64_t seed) {
    *p = (struct player){.file = file, .mode = mode, .rng = {seed}};
    p->limits = (struct codec_limits){
        .head_bytes_max = 4096, .line_bytes_max = 2048, .fields_max = 64, .trailer_bytes_max = 1024};
    buf_init(&p->trace, TRACE_MAX), buf_init(&p->in, TRACE_MAX), buf_init(&p->merged, TRACE_MAX);
    p->script = arena_new();
}
static void end_case(struct player *p) {
    need_codec(p);
    check_event(p, S(""));
    check_output(p, S(""));
    p->codec->ops->free(p->codec);
    arena_free(p->arena), arena_free(p->script);
    buf_fini(&p->trace), buf_fini(&p->in), buf_fini(&p->merged);
}

static str peek_line(str rest) { return str_cut(&rest, '\n'); }
static bool is_case(str line) { return str_starts(line, S("case ")); }

/* Plays one case: text begins with its "case" line, the line-th. Returns how many bytes it has. */
static size_t play(const char *file, str text, int mode, uint64_t seed, unsigned line, unsigned *failures) {
    struct player p;
    begin_case(&p, file, mode, seed);
    str rest = text;
    p.name = str_from(str_cut(&rest, '\n'), 5);
    p.line = line;
    if (str_find(p.name, '[') == p.name.n) complain(&p, "citation", S("none"), S("[RFC ...]"));
    while (rest.n && !is_case(peek_line(rest))) {
        str now = str_cut(&rest, '\n'), fields[16];
        size_t fields_n = 0;
        p.line++;
        if (now.n == 0 || now.p[0] == '#') continue;
        if (now.p[0] == '>' || now.p[0] == '<') {
            struct buf wanted;
            buf_init(&wanted, TRACE_MAX);
            struct buf *b = now.p[0] == '>' ? &p.in : &wanted;
            add_bytes(&p, now, b);
            while (rest.n && rest.p[0] == now.p[0]) add_bytes(&p, str_cut(&rest, '\n'), b), p.line++;
            need_codec(&p);
            if (now.p[0] == '>')
                feed(&p);
            else
                check_output(&p, buf_str(&wanted));
            buf_fini(&wanted);
            continue;
        }
        while (rest.n && rest.p[0] == ' ' && fields_n < COUNT_OF(fields))
            fields[fields_n++] = str_trim(str_cut(&rest, '\n'));
        str verb = word(&now);
        act(&p, verb, now, fields, fields_n);
        p.line += (unsigned)fields_n;
    }
    end_case(&p);
    *failures += p.failed;
    return rest.p ? (size_t)(rest.p - text.p) : text.n;
}

static unsigned play_file(const char *path, unsigned *failures) {
    FILE *f = fopen(path, "rb");
    if (!f) fail_msg("%s: cannot be opened", path);
    char *bytes = base_alloc(FILE_MAX);
    str text = {bytes, fread(bytes, 1, FILE_MAX, f)};
    fclose(f);
    assert_true(text.n < FILE_MAX);
    unsigned cases = 0, line = 1;
    while (text.n) {
        if (!is_case(text)) {
            str_cut(&text, '\n');
            line++;
            continue;
        }
        size_t n = play(path, text, WHOLE, 0, line, failures);
        play(path, text, BYTES, 0, line, failures);
        for (uint64_t seed = 1; seed <= 8; seed++) play(path, text, RANDOM, seed, line, failures);
        for (size_t i = 0; i < n; i++) line += text.p[i] == '\n';
        text = str_from(text, n);
        cases++;
    }
    free(bytes);
    return cases;
}

static void test_scripts(void **state) {
    (void)state;
    unsigned files = 0, cases = 0, failures = 0;
    DIR *dir = opendir(TESTS_DIR "/proto/h1");
    assert_non_null(dir);
    for (const struct dirent *e; (e = readdir(dir));) {
        if (!str_ends(str_of(e->d_name), S(".txt"))) continue;
        char path[1024];
        snprintf(path, sizeof path, "%s/proto/h1/%s", TESTS_DIR, e->d_name);
        cases += play_file(path, &failures);
        files++;
    }
    closedir(dir);
    print_message("%u cases in %u files\n", cases, files);
    assert_int_equal(failures, 0);
    assert_true(cases >= 80);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_scripts)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
