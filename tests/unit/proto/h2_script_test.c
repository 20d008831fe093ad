/* SPDX-License-Identifier: Apache-2.0 */
/* Plays tests/proto/h2/: each file holds cases; each case is played whole, byte by byte and in random cuts, with the same outcome.
 *   case NAME [RFC ...]     begins a case; until then # begins a comment, later too
 *   server | client         which side the codec is (server when nothing is said)
 *   limits head=N line=N fields=N trailers=N body=N
 *   show fields             events tell the fields of heads, too
 *   inline                  every request is answered within its head event
 *   refuse                  the sink has no memory for a message from here on
 *   open                    the peer's first frames, and what is written until then is not looked at
 *   > FRAME                 the peer sends; lines that follow each other are one piece; >*N FRAME is N times
 *   rounds N                the lines of > that follow are sent N times, and what is written in between is read and not looked at;
 *                           STREAM + is the next one of a client, = the same again
 *   < FRAME                 the codec has written just these; <*N FRAME, too
 *   last FRAME              what was written ends with it; how much is before it depends on the cuts
 *   last-event TEXT         what came of what is above ends with it
 *   discard                 what was written until here is not what the case is about
 *   event TEXT              what came of what is above, in order and complete
 *   submit STREAM ..., body STREAM TEXT, body-end STREAM TEXT, end STREAM, trailers STREAM, consume STREAM N, reset STREAM REASON
 *   drain, eof, keep, wait SECONDS, reusable yes|no, pending STREAM N
 * FRAME: preface, settings ID=VALUE..., settings-ack, headers STREAM [end] [part], continuation STREAM [part], data STREAM [end] TEXT,
 * rst STREAM CODE, goaway LAST CODE, window STREAM N, ping TEXT, ping-ack TEXT, priority STREAM, raw TYPE FLAGS STREAM TEXT.
 * Lines that are indented are the fields of the line above. \r \n \t \s \\ \xNN mean bytes; TEXT of the form *N is N times "x". */
#include <dirent.h>
#include <string.h>

#include "../unit.h"
#include "base/num.h"
#include "base/rng.h"
#include "h2_frames.h"
#include "proto/h2.h"

enum { TRACE_MAX = 1 << 20, BYTES_MAX = 4 << 20, FILE_MAX = 1 << 20, WHOLE = 0, BYTES = 1, RANDOM = 2 };
enum { FIELDS_MAX = 16, ROUND_LINES_MAX = 4 };
struct round_line {
    str line, fields[FIELDS_MAX];
    size_t fields_n;
};
struct player {
    const char *file;
    str name;
    int mode;
    struct rng rng;
    bool client, show_fields, answers, refuses, over, failed;
    struct codec_limits limits;
    struct codec *codec;
    struct arena *script; /* of the case, and of its messages */
    uint64_t now_us;
    struct buf trace, in, merged; /* merged: the body event that may still grow */
    struct buf written;           /* bytes */
    struct buf shown;             /* the same as lines */
    bool preface_seen;
    nghttp2_hd_inflater *inflater;
    unsigned line;
    uint64_t rounds;
    uint32_t next_stream;
    struct round_line round[ROUND_LINES_MAX];
    size_t round_n;
};

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
        if (c == '\\')
            buf_add(b, S("\\\\"));
        else if (c < 0x20 || c > 0x7e)
            buf_printf(b, "\\x%02x", c);
        else
            buf_add_char(b, (char)c);
    }
}
/* Long runs of x are told by their number. */
static void add_text(struct buf *b, str s) {
    size_t xs = 0;
    while (xs < s.n && s.p[xs] == 'x') xs++;
    if (xs == s.n && xs > 16)
        buf_printf(b, "*%zu", xs);
    else
        add_escaped(b, s);
}
static uint64_t number(str s) {
    uint64_t v = 0;
    assert_ok(num_parse(s, UINT64_MAX, &v));
    return v;
}
static str unescaped(struct arena *a, str s) {
    if (s.n > 1 && s.p[0] == '*' && num_hex(s.p[1]) >= 0) {
        size_t n = number(str_from(s, 1));
        char *p = arena_bytes(a, n + 1);
        memset(p, 'x', n);
        return (str){p, n};
    }
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
static uint32_t small(str *line) { return (uint32_t)number(word(line)); }
/* A number, "+": the next of a client's, "=": the same again. */
static uint32_t stream_of(struct player *p, str *line) {
    if (line->n == 0 || (line->p[0] != '+' && line->p[0] != '=')) return small(line);
    if (word(line).p[0] == '+') p->next_stream += 2;
    return p->next_stream - 1;
}
static bool flag(str *line, str name) {
    bool has = str_eq(*line, name) || (str_starts(*line, name) && line->p[name.n] == ' ');
    if (has) word(line);
    return has;
}
/* "name: value", "name:"; a name may begin with ":". */
static void split_field(struct arena *a, str line, str *ret_name, str *ret_value) {
    size_t at = 1;
    while (at < line.n && line.p[at] != ':') at++;
    *ret_name = unescaped(a, str_upto(line, at));
    str value = str_from(line, at + 1);
    *ret_value = unescaped(a, value.n && value.p[0] == ' ' ? str_from(value, 1) : value);
}

/* ---- events ---- */

static void flush_merged(struct player *p) {
    if (p->merged.n == 0) return;
    str all = buf_str(&p->merged), head = str_upto(all, str_find(all, '\n'));
    buf_add(&p->trace, head);
    buf_add_char(&p->trace, ' ');
    add_text(&p->trace, str_from(all, head.n + 1));
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
    (void)stream;
    return p->refuses ? NULL : p->script;
}
static void tell_fields(struct player *p, const char *what, const struct http_msg *m) {
    for (uint32_t i = 0; i < m->fields_n; i++) {
        const struct http_field *f = &m->fields[i];
        assert_int_equal(f->id, http_field_id_of(f->name));
        if (f->gone) continue;
        flush_merged(p);
        buf_printf(&p->trace, "%s " STR_FMT ":", what, STR_ARG(f->name));
        if (f->value.n) buf_add_char(&p->trace, ' ');
        add_text(&p->trace, f->value);
        buf_add_char(&p->trace, '\n');
    }
}
static void on_head(void *arg, uint32_t stream, struct http_msg *m, bool end) {
    static const char *const bodies[] = {"none", "length", "chunked", "close"};
    struct player *p = arg;
    flush_merged(p);
    buf_printf(&p->trace, "head %u ", stream);
    if (m->is_request)
        buf_printf(&p->trace, STR_FMT " " STR_FMT " " STR_FMT STR_FMT, STR_ARG(m->method),
                   STR_ARG(m->authority), STR_ARG(m->path), STR_ARG(m->query));
    else
        buf_printf(&p->trace, "%u", m->status);
    buf_printf(&p->trace, " %s", bodies[m->body]);
    if (m->body == HTTP_BODY_LENGTH) buf_printf(&p->trace, "=%llu", (unsigned long long)m->content_length);
    assert_int_equal(m->version, 20);
    if (m->expect_continue) buf_add(&p->trace, S(" expect"));
    if (m->upgrade.n) buf_printf(&p->trace, " upgrade=" STR_FMT, STR_ARG(m->upgrade));
    if (end) buf_add(&p->trace, S(" end"));
    buf_add_char(&p->trace, '\n');
    if (p->show_fields) tell_fields(p, "field", m);
    if (!p->answers) return;
    struct http_msg answer;
    http_msg_init(&answer, p->script, false);
    answer.status = 200;
    assert_ok(p->codec->ops->submit(p->codec, &stream, &answer, true));
}
static void on_body(void *arg, uint32_t stream, str bytes) {
    struct player *p = arg;
    char head[32];
    int n = snprintf(head, sizeof head, "body %u\n", stream);
    assert_true(bytes.n > 0);
    if (!str_starts(buf_str(&p->merged), (str){head, (size_t)n})) flush_merged(p);
    if (p->merged.n == 0) buf_add(&p->merged, (str){head, (size_t)n});
    buf_add(&p->merged, bytes);
}
static void on_end(void *arg, uint32_t stream, struct http_msg *trailers) {
    struct player *p = arg;
    if (trailers) tell_fields(p, "trailer", trailers);
    tell(p, "end %u", stream);
}
static void on_reset(void *arg, uint32_t stream, enum http_reason why) {
    tell(arg, "reset %u " STR_FMT, stream, STR_ARG(http_reason_name(why)));
}
static void on_refused(void *arg, uint32_t stream, enum http_reason why) {
    tell(arg, "refused %u " STR_FMT, stream, STR_ARG(http_reason_name(why)));
}
static const struct codec_sink sink = {.begin = on_begin,
                                       .head = on_head,
                                       .body = on_body,
                                       .end = on_end,
                                       .reset = on_reset,
                                       .refused = on_refused};

/* ---- frames from text ---- */

static void add_lines(struct player *p, struct buf *b, const str *fields, size_t n) {
    for (size_t i = 0; i < n; i++) {
        str name, value;
        split_field(p->script, fields[i], &name, &value);
        h2_frames_line(b, name, value);
    }
}
static void add_settings(struct buf *b, str line) {
    while (line.n) {
        str value = word(&line), id = str_cut(&value, '=');
        h2_frames_number(b, (uint32_t)number(id), 2);
        h2_frames_number(b, (uint32_t)number(value), 4);
    }
}
static void add_frame(struct player *p, struct buf *to, str line, const str *fields, size_t fields_n) {
    struct buf b;
    buf_init(&b, BYTES_MAX);
    str what = word(&line);
    if (str_eq(what, S("preface"))) {
        buf_add(to, (str){h2_preface, H2_PREFACE_BYTES});
    } else if (str_eq(what, S("settings"))) {
        add_settings(&b, line);
        h2_frames_frame(to, NGHTTP2_SETTINGS, 0, 0, buf_str(&b));
    } else if (str_eq(what, S("settings-ack"))) {
        h2_frames_frame(to, NGHTTP2_SETTINGS, NGHTTP2_FLAG_ACK, 0, S(""));
    } else if (str_eq(what, S("headers")) || str_eq(what, S("continuation"))) {
        uint32_t stream = stream_of(p, &line);
        bool end = flag(&line, S("end")), part = flag(&line, S("part"));
        add_lines(p, &b, fields, fields_n);
        h2_frames_frame(
            to, what.p[0] == 'h' ? NGHTTP2_HEADERS : NGHTTP2_CONTINUATION,
            (uint8_t)((end ? NGHTTP2_FLAG_END_STREAM : 0) | (part ? 0 : NGHTTP2_FLAG_END_HEADERS)), stream,
            buf_str(&b));
    } else if (str_eq(what, S("data"))) {
        uint32_t stream = stream_of(p, &line);
        bool end = flag(&line, S("end"));
        h2_frames_frame(to, NGHTTP2_DATA, end, stream, unescaped(p->script, line));
    } else if (str_eq(what, S("rst")) || str_eq(what, S("window"))) {
        uint32_t stream = stream_of(p, &line);
        h2_frames_number(&b, small(&line), 4);
        h2_frames_frame(to, what.p[0] == 'r' ? NGHTTP2_RST_STREAM : NGHTTP2_WINDOW_UPDATE, 0, stream,
                        buf_str(&b));
    } else if (str_eq(what, S("goaway"))) {
        h2_frames_number(&b, small(&line), 4);
        h2_frames_number(&b, small(&line), 4);
        h2_frames_frame(to, NGHTTP2_GOAWAY, 0, 0, buf_str(&b));
    } else if (str_eq(what, S("ping")) || str_eq(what, S("ping-ack"))) {
        h2_frames_frame(to, NGHTTP2_PING, what.n > 4, 0, unescaped(p->script, line));
    } else if (str_eq(what, S("priority"))) {
        h2_frames_frame(to, NGHTTP2_PRIORITY, 0, stream_of(p, &line), S("\0\0\0\0\1"));
    } else if (str_eq(what, S("raw"))) {
        uint32_t type = small(&line), flags = small(&line), stream = small(&line);
        h2_frames_frame(to, (uint8_t)type, (uint8_t)flags, stream, unescaped(p->script, line));
    } else {
        fail_msg("%s:%u: no such frame", p->file, p->line);
    }
    buf_fini(&b);
}

/* ---- text from frames ---- */

static uint32_t read_number(str s, size_t at, int bytes) {
    uint32_t v = 0;
    for (int i = 0; i < bytes; i++) v = v << 8 | (uint8_t)s.p[at + (size_t)i];
    return v;
}
static void show_fields(struct player *p, str block) {
    struct buf *b = &p->shown;
    for (;;) {
        nghttp2_nv nv;
        int flags = 0;
        ssize_t n = nghttp2_hd_inflate_hd2(p->inflater, &nv, &flags, (const uint8_t *)block.p, block.n, 1);
        assert_true(n >= 0);
        block = str_from(block, (size_t)n);
        if (flags & NGHTTP2_HD_INFLATE_EMIT) {
            buf_printf(b, "  " STR_FMT ":", STR_ARG(((str){(char *)nv.name, nv.namelen})));
            if (nv.valuelen) buf_add_char(b, ' ');
            add_text(b, (str){(char *)nv.value, nv.valuelen});
            buf_add_char(b, '\n');
        }
        if (flags & NGHTTP2_HD_INFLATE_FINAL) break;
    }
    nghttp2_hd_inflate_end_headers(p->inflater);
}
static void show_frame(struct player *p, uint8_t type, uint8_t flags, uint32_t stream, str payload) {
    struct buf *b = &p->shown;
    const char *end = flags & NGHTTP2_FLAG_END_STREAM ? " end" : "";
    switch (type) {
    case NGHTTP2_DATA:
        buf_printf(b, "data %u%s", stream, end);
        if (payload.n) buf_add_char(b, ' ');
        add_text(b, payload);
        buf_add_char(b, '\n');
        break;
    case NGHTTP2_HEADERS:
        assert_true(flags & NGHTTP2_FLAG_END_HEADERS);
        buf_printf(b, "headers %u%s\n", stream, end);
        show_fields(p, payload);
        break;
    case NGHTTP2_RST_STREAM: buf_printf(b, "rst %u %u\n", stream, read_number(payload, 0, 4)); break;
    case NGHTTP2_SETTINGS:
        buf_add(b, flags & NGHTTP2_FLAG_ACK ? S("settings-ack") : S("settings"));
        for (; payload.n; payload = str_from(payload, 6))
            buf_printf(b, " %u=%u", read_number(payload, 0, 2), read_number(payload, 2, 4));
        buf_add_char(b, '\n');
        break;
    case NGHTTP2_PING:
        buf_add(b, flags & NGHTTP2_FLAG_ACK ? S("ping-ack ") : S("ping "));
        add_escaped(b, payload);
        buf_add_char(b, '\n');
        break;
    case NGHTTP2_GOAWAY:
        buf_printf(b, "goaway %u %u\n", read_number(payload, 0, 4), read_number(payload, 4, 4));
        break;
    case NGHTTP2_WINDOW_UPDATE: buf_printf(b, "window %u %u\n", stream, read_number(payload, 0, 4)); break;
    default: buf_printf(b, "raw %u %u %u\n", type, flags, stream);
    }
}
static void show_written(struct player *p) {
    str in = buf_str(&p->written);
    if (p->client && !p->preface_seen && in.n >= H2_PREFACE_BYTES) {
        assert_memory_equal(in.p, h2_preface, H2_PREFACE_BYTES);
        in = str_from(in, H2_PREFACE_BYTES);
        p->preface_seen = true;
        buf_add(&p->shown, S("preface\n"));
    }
    while (in.n >= 9) {
        size_t n = read_number(in, 0, 3);
        if (in.n < 9 + n) break;
        show_frame(p, (uint8_t)in.p[3], (uint8_t)in.p[4], read_number(in, 5, 4), (str){in.p + 9, n});
        in = str_from(in, 9 + n);
    }
    assert_int_equal(in.n, 0); /* whole frames */
    buf_clear(&p->written);
}

/* ---- playing ---- */

static size_t next_cut(struct player *p, size_t n) {
    if (p->mode == WHOLE) return n;
    return p->mode == BYTES ? 1 : num_min(n, 1 + rng_below(&p->rng, 40));
}

static void feed(struct player *p) {
    str in = buf_str(&p->in);
    while (in.n && !p->over) {
        size_t given = next_cut(p, in.n), used = SIZE_MAX;
        char *block = base_alloc(given);
        memcpy(block, in.p, given);
        enum http_reason why = REASON_NONE;
        err e = p->codec->ops->read(p->codec, (str){block, given}, p->now_us, &used, &why);
        if (p->mode == RANDOM) p->codec->ops->keep(p->codec);
        free(block);
        assert_true(used <= given);
        assert_true(used > 0);
        in = str_from(in, used);
        if (e == OK) continue;
        p->over = true;
        if (e == ERR_END)
            tell(p, "done");
        else
            tell(p, "error %s " STR_FMT, base_err_name(e), STR_ARG(http_reason_name(why)));
    }
    buf_clear(&p->in);
    flush_merged(p);
}
static void read_end(struct player *p) {
    enum http_reason why = REASON_NONE;
    err e = p->codec->ops->read_end(p->codec, &why);
    if (e == ERR_END)
        tell(p, "done");
    else
        tell(p, "error %s " STR_FMT, base_err_name(e), STR_ARG(http_reason_name(why)));
}
static void drain_output(struct player *p) {
    const struct codec_ops *ops = p->codec->ops;
    for (;;) {
        str pieces[5];
        size_t n = ops->write(p->codec, pieces, COUNT_OF(pieces)), all = 0;
        if (n == 0) break;
        for (size_t i = 0; i < n; i++) all += pieces[i].n;
        size_t take = p->mode == BYTES ? num_min(all, 1 + rng_below(&p->rng, 4000)) : next_cut(p, all),
               left = take;
        for (size_t i = 0; i < n && left; i++) {
            size_t part = num_min(left, pieces[i].n);
            buf_add(&p->written, str_upto(pieces[i], part));
            left -= part;
        }
        ops->wrote(p->codec, take);
        if (p->mode == RANDOM && rng_below(&p->rng, 2)) ops->keep(p->codec);
    }
    ops->keep(p->codec);
    show_written(p);
    flush_merged(p);
}
static void check_line(struct player *p, struct buf *from, const char *what, str wanted) {
    str rest = buf_str(from);
    str got = rest.n ? str_cut(&rest, '\n') : S("");
    if (!str_eq(got, wanted)) complain(p, what, got, wanted);
    if (wanted.n && got.p && from->n) buf_consume(from, num_min(got.n + 1, from->n));
}

static void result(struct player *p, err e) {
    if (e != OK) tell(p, "not taken: %s", base_err_name(e));
}
static enum http_body body_word(str w, uint64_t *ret_length) {
    if (str_starts(w, S("length="))) {
        *ret_length = number(str_from(w, 7));
        return HTTP_BODY_LENGTH;
    }
    if (str_eq(w, S("chunked"))) return HTTP_BODY_CHUNKED;
    assert_true(str_eq(w, S("none")));
    return HTTP_BODY_NONE;
}
static void add_fields(struct player *p, struct http_msg *m, const str *fields, size_t n) {
    for (size_t i = 0; i < n; i++) {
        str name, value;
        split_field(p->script, fields[i], &name, &value);
        http_msg_add(m, name, value);
    }
}
/* submit STREAM STATUS BODY [upgrade=X] [end], submit METHOD AUTHORITY TARGET BODY [upgrade=X] [end]; "-" is an empty authority. */
static void submit(struct player *p, str line, const str *fields, size_t fields_n) {
    struct http_msg m;
    uint32_t stream = 0;
    http_msg_init(&m, p->script, p->client);
    if (p->client) {
        m.method = unescaped(p->script, word(&line));
        m.method_id = (uint8_t)http_method_of(m.method);
        m.authority = unescaped(p->script, word(&line));
        if (str_eq(m.authority, S("-"))) m.authority = S("");
        str target = unescaped(p->script, word(&line));
        m.path = str_upto(target, str_find(target, '?'));
        m.query = str_from(target, m.path.n);
    } else {
        stream = small(&line);
        m.status = (uint16_t)number(word(&line));
    }
    m.body = (uint8_t)body_word(word(&line), &m.content_length);
    if (str_starts(line, S("upgrade="))) m.upgrade = str_from(word(&line), 8);
    add_fields(p, &m, fields, fields_n);
    result(p, p->codec->ops->submit(p->codec, &stream, &m, str_eq(line, S("end"))));
}
static enum http_reason reason_word(str w) {
    for (int i = 0; i < HTTP_REASON_COUNT; i++)
        if (str_eq(http_reason_name((enum http_reason)i), w)) return (enum http_reason)i;
    return REASON_NONE;
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
    p->codec = p->client ? h2_client(&sink, p, &p->limits, true) : h2_server(&sink, p, &p->limits);
}
static void discard_output(struct player *p) {
    drain_output(p);
    buf_clear(&p->shown);
}
static void check_last_event(struct player *p, str wanted) {
    flush_merged(p);
    str all = str_upto(buf_str(&p->trace), p->trace.n - (p->trace.n > 0)), got = all;
    for (size_t i = all.n; i-- && got.n == all.n;)
        if (all.p[i] == '\n') got = str_from(all, i + 1);
    if (!str_eq(got, wanted)) complain(p, "last event", got, wanted);
    buf_clear(&p->trace);
}
static void check_last(struct player *p, str wanted) {
    drain_output(p);
    str last = S("");
    for (str rest = buf_str(&p->shown); rest.n;) last = str_cut(&rest, '\n');
    if (!str_eq(last, wanted)) complain(p, "last of the output", last, wanted);
    buf_clear(&p->shown);
}
static void open_connection(struct player *p) {
    if (!p->client) add_frame(p, &p->in, S("preface"), NULL, 0);
    add_frame(p, &p->in, S("settings"), NULL, 0);
    feed(p);
    discard_output(p);
    add_frame(p, &p->in, S("settings-ack"), NULL, 0);
    feed(p);
    discard_output(p);
}

/* What prepares, before there is a codec. */
static bool prepare(struct player *p, str verb, str rest) {
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
    else if (str_eq(verb, S("refuse")))
        p->refuses = true;
    else if (str_eq(verb, S("wait")))
        p->now_us += number(rest) * 1000000;
    else
        return false;
    return true;
}
static bool check(struct player *p, str verb, str rest) {
    const struct codec_ops *ops = p->codec->ops;
    char text[24];
    if (str_eq(verb, S("event"))) {
        flush_merged(p);
        check_line(p, &p->trace, "event", rest);
    } else if (str_eq(verb, S("last-event"))) {
        check_last_event(p, rest);
    } else if (str_eq(verb, S("reusable"))) {
        str got = ops->reusable(p->codec) ? S("yes") : S("no");
        if (!str_eq(got, rest)) complain(p, "reusable", got, rest);
    } else if (str_eq(verb, S("pending"))) {
        snprintf(text, sizeof text, "%zu", ops->stream_pending(p->codec, small(&rest)));
        if (!str_eq(str_of(text), rest)) complain(p, "pending", str_of(text), rest);
    } else {
        return false;
    }
    return true;
}
/* The calls of the face that concern a stream, then those that concern the connection. */
static bool act(struct player *p, str verb, str rest, const str *fields, size_t fields_n) {
    const struct codec_ops *ops = p->codec->ops;
    struct http_msg trailers;
    if (str_eq(verb, S("submit"))) {
        submit(p, rest, fields, fields_n);
    } else if (str_eq(verb, S("trailers"))) {
        http_msg_init(&trailers, p->script, p->client);
        add_fields(p, &trailers, fields, fields_n);
        result(p, ops->submit_end(p->codec, small(&rest), &trailers));
    } else if (str_eq(verb, S("body")) || str_eq(verb, S("body-end"))) {
        uint32_t stream = small(&rest);
        result(p, ops->submit_body(p->codec, stream, unescaped(p->script, rest), verb.n > 4));
    } else if (str_eq(verb, S("end"))) {
        result(p, ops->submit_end(p->codec, small(&rest), NULL));
    } else if (str_eq(verb, S("consume"))) {
        uint32_t stream = small(&rest);
        ops->consume(p->codec, stream, number(rest));
    } else if (str_eq(verb, S("reset"))) {
        uint32_t stream = small(&rest);
        ops->reset(p->codec, stream, reason_word(rest));
    } else {
        return false;
    }
    return true;
}
static void do_line(struct player *p, str verb, str rest, const str *fields, size_t fields_n) {
    if (prepare(p, verb, rest)) return;
    need_codec(p);
    if (check(p, verb, rest) || act(p, verb, rest, fields, fields_n)) return;
    const struct codec_ops *ops = p->codec->ops;
    if (str_eq(verb, S("open")))
        open_connection(p);
    else if (str_eq(verb, S("discard")))
        discard_output(p);
    else if (str_eq(verb, S("last")))
        check_last(p, rest);
    else if (str_eq(verb, S("rounds")))
        p->rounds = number(rest);
    else if (str_eq(verb, S("drain")))
        ops->drain(p->codec);
    else if (str_eq(verb, S("keep")))
        ops->keep(p->codec);
    else if (str_eq(verb, S("eof")))
        read_end(p);
    else
        fail_msg("%s:%u: no such line: " STR_FMT, p->file, p->line, STR_ARG(verb));
}

/* "> frame", ">*3 frame"; the indented lines belong to it. */
static uint64_t times_of(str *line) {
    *line = str_from(*line, 1);
    if (line->p[0] != '*') {
        *line = str_from(*line, 1);
        return 1;
    }
    str w = word(line);
    return number(str_from(w, 1));
}
static void play_rounds(struct player *p) {
    for (; p->rounds && !p->over; p->rounds--) {
        for (size_t i = 0; i < p->round_n; i++) {
            const struct round_line *r = &p->round[i];
            add_frame(p, &p->in, r->line, r->fields, r->fields_n);
        }
        feed(p);
        if (p->over) break; /* its last words are looked at */
        drain_output(p);
        buf_clear(&p->shown);
    }
    p->rounds = p->round_n = 0;
}
static void sent(struct player *p, str line, const str *fields, size_t fields_n, bool more) {
    if (p->rounds) {
        assert_true(p->round_n < ROUND_LINES_MAX && times_of(&line) == 1);
        struct round_line *r = &p->round[p->round_n++];
        *r = (struct round_line){.line = line, .fields_n = fields_n};
        for (size_t i = 0; i < fields_n; i++) r->fields[i] = fields[i];
        if (!more) play_rounds(p);
        return;
    }
    for (uint64_t times = times_of(&line); times; times--) add_frame(p, &p->in, line, fields, fields_n);
    if (!more) feed(p);
}
static void wanted(struct player *p, str line, const str *fields, size_t fields_n) {
    drain_output(p);
    for (uint64_t times = times_of(&line); times; times--) {
        check_line(p, &p->shown, "output", line);
        for (size_t i = 0; i < fields_n; i++)
            check_line(p, &p->shown, "output", (str){fields[i].p - 2, fields[i].n + 2});
    }
}

static void begin_case(struct player *p, const char *file, int mode, uint64_t seed) {
    *p = (struct player){.file = file, .mode = mode, .rng = {seed}};
    p->limits = (struct codec_limits){
        .head_bytes_max = 4096, .line_bytes_max = 2048, .fields_max = 64, .trailer_bytes_max = 1024};
    buf_init(&p->trace, TRACE_MAX), buf_init(&p->merged, TRACE_MAX), buf_init(&p->shown, BYTES_MAX);
    buf_init(&p->in, BYTES_MAX), buf_init(&p->written, BYTES_MAX);
    assert_int_equal(nghttp2_hd_inflate_new(&p->inflater), 0);
    p->script = arena_new();
}
static void end_case(struct player *p) {
    need_codec(p);
    flush_merged(p);
    check_line(p, &p->trace, "event", S(""));
    drain_output(p);
    check_line(p, &p->shown, "output", S(""));
    p->codec->ops->free(p->codec);
    arena_free(p->script);
    nghttp2_hd_inflate_del(p->inflater);
    buf_fini(&p->trace), buf_fini(&p->merged), buf_fini(&p->shown), buf_fini(&p->in), buf_fini(&p->written);
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
        str now = str_cut(&rest, '\n'), fields[FIELDS_MAX];
        size_t fields_n = 0;
        unsigned below = 0;
        p.line++;
        if (now.n == 0 || now.p[0] == '#') continue;
        for (; rest.n && rest.p[0] == ' '; below++) {
            assert_true(fields_n < FIELDS_MAX);
            fields[fields_n++] = str_from(str_cut(&rest, '\n'), 2);
        }
        if (now.p[0] == '>' || now.p[0] == '<') {
            need_codec(&p);
            if (now.p[0] == '>')
                sent(&p, now, fields, fields_n, rest.n && rest.p[0] == '>');
            else
                wanted(&p, now, fields, fields_n);
        } else {
            str verb = word(&now);
            do_line(&p, verb, now, fields, fields_n);
        }
        p.line += below;
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
        for (uint64_t seed = 1; seed <= 4; seed++) play(path, text, RANDOM, seed, line, failures);
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
    DIR *dir = opendir(TESTS_DIR "/proto/h2");
    assert_non_null(dir);
    for (const struct dirent *e; (e = readdir(dir));) {
        if (!str_ends(str_of(e->d_name), S(".txt"))) continue;
        char path[1024];
        snprintf(path, sizeof path, "%s/proto/h2/%s", TESTS_DIR, e->d_name);
        cases += play_file(path, &failures);
        files++;
    }
    closedir(dir);
    print_message("%u cases in %u files\n", cases, files);
    assert_int_equal(failures, 0);
    assert_true(cases >= 60);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_scripts)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
