/* SPDX-License-Identifier: Apache-2.0 */
/* Connections over socket pairs, with a codec that takes and gives bytes as the test says. The test turns the loop. */
#include "../unit.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "conn/conn.h"

/* ---- a codec of bytes ---- */

struct bytes {
    struct codec codec;
    struct buf in, out;
    size_t most; /* of one read */
    err next;    /* what read() says */
    bool reusable;
    unsigned kept; /* calls of keep() */
};
static struct bytes *self(struct codec *c) { return container_of(c, struct bytes, codec); }
static err bytes_read(struct codec *c, str in, uint64_t now_us, size_t *ret_used, enum http_reason *ret_why) {
    struct bytes *b = self(c);
    (void)now_us;
    *ret_why = REASON_BAD_REQUEST;
    *ret_used = in.n;
    buf_add(&b->in, in);
    if (in.n > b->most) b->most = in.n;
    return b->next;
}
static err bytes_read_end(struct codec *c, enum http_reason *ret_why) {
    (void)ret_why;
    return self(c)->reusable ? ERR_END : ERR_PROTO;
}
static size_t bytes_write(struct codec *c, str *out, size_t out_max) {
    assert_true(out_max > 0);
    out[0] = buf_str(&self(c)->out);
    return out[0].n > 0;
}
static void bytes_wrote(struct codec *c, size_t n) { buf_consume(&self(c)->out, n); }
static void bytes_keep(struct codec *c) { self(c)->kept++; }
static size_t bytes_pending(const struct codec *c) { return self((struct codec *)(uintptr_t)c)->out.n; }
static bool bytes_reusable(const struct codec *c) { return self((struct codec *)(uintptr_t)c)->reusable; }
static const struct codec_ops bytes_ops = {
    .read = bytes_read,
    .read_end = bytes_read_end,
    .write = bytes_write,
    .wrote = bytes_wrote,
    .keep = bytes_keep,
    .pending = bytes_pending,
    .reusable = bytes_reusable,
};

/* ---- an owner that counts what it is told ---- */

struct owner {
    struct conn conn;
    struct bytes bytes;
    int peer;
    unsigned did_read, wrote, refused, ended, cut, closing, write_failed, deadlines, gone;
    err why;
    bool looks; /* once a write has failed: there may be bytes to read yet */
};
static struct owner *of(struct conn *c) { return container_of(c, struct owner, conn); }
static void on_did_read(struct conn *c) { of(c)->did_read++; }
static void on_wrote(struct conn *c) { of(c)->wrote++; }
static void on_refused(struct conn *c, err e, enum http_reason why) {
    assert_int_equal(why, REASON_BAD_REQUEST);
    of(c)->refused++, of(c)->why = e;
}
static void on_ended(struct conn *c, bool cut) { of(c)->ended++, of(c)->cut += cut; }
static void on_closing(struct conn *c, bool dead) { (void)dead, of(c)->closing++; }
static void on_write_failed(struct conn *c) {
    of(c)->write_failed++;
    if (!of(c)->looks) return;
    c->readable = true;
    conn_resume(c);
}
static void on_deadline(struct conn *c, uint64_t now_us) { (void)now_us, of(c)->deadlines++; }
static void on_gone(struct conn *c) { of(c)->gone++; }
static const struct conn_ops ops = {
    .did_read = on_did_read,
    .wrote = on_wrote,
    .refused = on_refused,
    .ended = on_ended,
    .closing = on_closing,
    .write_failed = on_write_failed,
    .deadline = on_deadline,
    .gone = on_gone,
};

struct world {
    struct loop loop;
    struct conn_common common;
    struct timer guard;
    struct owner owners[2];
};
static void on_guard(struct timer *t, uint64_t now_us) {
    (void)t, (void)now_us;
    fail_msg("nothing happens");
}
static void world_turn(struct world *w) {
    loop_turn(&w->loop, !conn_busy(&w->common));
    conn_settle(&w->common);
    conn_common_turn(&w->common);
}
#define until(w, condition)                                                                                  \
    while (!(condition)) world_turn(w)

static void owner_init(struct owner *o, struct world *w) {
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    o->peer = fds[1];
    o->bytes = (struct bytes){.codec = {.ops = &bytes_ops}, .next = OK, .reusable = true};
    buf_init(&o->bytes.in, 16 << 20);
    buf_init(&o->bytes.out, 16 << 20);
    o->conn.codec = &o->bytes.codec;
    assert_ok(conn_open(&o->conn, true, &w->common, &ops, fds[0], CONN_OPEN, NULL));
}
static void owner_fini(struct owner *o, struct world *w) {
    conn_close(&o->conn);
    conn_settle(&w->common);
    assert_int_equal(o->gone, 1);
    conn_forget(&o->conn);
    if (o->peer >= 0) close(o->peer);
    buf_fini(&o->bytes.in);
    buf_fini(&o->bytes.out);
}

static void world_init(struct world *w) {
    *w = (struct world){0};
    loop_init(&w->loop);
    conn_common_init(&w->common, &w->loop);
    timer_init(&w->guard, on_guard);
    timer_set(&w->loop.timers, &w->guard, w->loop.now_us + 60000000);
    for (size_t i = 0; i < COUNT_OF(w->owners); i++) owner_init(&w->owners[i], w);
}
static void world_fini(struct world *w) {
    for (size_t i = 0; i < COUNT_OF(w->owners); i++) owner_fini(&w->owners[i], w);
    timer_forget(&w->loop.timers, &w->guard);
    conn_common_fini(&w->common);
    loop_fini(&w->loop);
}
/* As much as the socket takes, up to n. */
static size_t fill(int fd, size_t n) {
    static const char zeros[16384];
    size_t sent = 0;
    while (sent < n) {
        ssize_t k = send(fd, zeros, n - sent < sizeof zeros ? n - sent : sizeof zeros, MSG_NOSIGNAL);
        if (k < 0) break;
        sent += (size_t)k;
    }
    return sent;
}
static void say(int fd, str s) { assert_int_equal(send(fd, s.p, s.n, MSG_NOSIGNAL), s.n); }

/* ---- reading ---- */

static void reads_within_a_turn_no_more_than_its_share(void **state) {
    (void)state;
    struct world w;
    world_init(&w);
    struct owner *much = &w.owners[0], *little = &w.owners[1];
    size_t n = fill(much->peer, 4 << 20);
    assert_true(n > CONN_TURN_BYTES + 2 * CONN_BUFFER_BYTES);
    say(little->peer, S("x"));
    world_turn(&w);
    assert_in_range(much->bytes.in.n, CONN_BUFFER_BYTES, CONN_TURN_BYTES + CONN_BUFFER_BYTES);
    assert_int_equal(little->bytes.in.n, 1); /* in the same turn */
    assert_true(conn_busy(&w.common));
    until(&w, much->bytes.in.n == n);
    assert_int_equal(much->ended + much->refused, 0);
    world_fini(&w);
}

/* ---- shares ---- */

enum { CROWD = 3 * CONN_SHARE_WORK };
struct crowd {
    struct world w;
    struct owner owners[CROWD];
};

/* Each of the crowd has something to read, and only then somebody of another share. */
static struct crowd *crowd_new(uint8_t share) {
    struct crowd *c = base_zalloc(sizeof *c);
    world_init(&c->w);
    for (size_t i = 0; i < CROWD; i++) {
        struct owner *o = &c->owners[i];
        owner_init(o, &c->w);
        o->conn.share = share;
        say(o->peer, S("x"));
    }
    c->w.owners[0].conn.share = 2;
    say(c->w.owners[0].peer, S("y"));
    return c;
}

static void crowd_free(struct crowd *c) {
    for (size_t i = 0; i < CROWD; i++) owner_fini(&c->owners[i], &c->w);
    world_fini(&c->w);
    free(c);
}

static size_t count_served(const struct crowd *c) {
    size_t n = 0;
    for (size_t i = 0; i < CROWD; i++) n += c->owners[i].bytes.in.n > 0;
    return n;
}

/* However many one share has to read, another's work comes within a turn's events; and everybody's comes in the end, once. */
static void a_crowd_of_one_share_leaves_others_their_turn(void **state) {
    (void)state;
    struct crowd *c = crowd_new(1);
    struct owner *other = &c->w.owners[0];
    size_t before = 0, turns = 0;
    for (; count_served(c) < CROWD; turns++) {
        world_turn(&c->w);
        size_t now = count_served(c);
        assert_true(now - before <= CONN_SHARE_WORK);
        before = now;
        if (other->bytes.in.n == 0) assert_true(turns < 2); /* as many turns as epoll needs to tell of all */
    }
    assert_int_equal(other->bytes.in.n, 1);
    assert_true(turns >= 3);
    for (size_t i = 0; i < CROWD; i++) assert_int_equal(c->owners[i].bytes.in.n, 1);
    assert_false(conn_busy(&c->w.common));
    crowd_free(c);
}

/* What was charged counts: a request that took long leaves less for its share in this turn. */
static void what_was_charged_counts(void **state) {
    (void)state;
    struct crowd *c = crowd_new(1);
    conn_charge(&c->owners[0].conn, CONN_SHARE_WORK - 1);
    world_turn(&c->w);
    assert_int_equal(count_served(c), 1);
    world_turn(&c->w); /* a new turn, a new share */
    assert_true(count_served(c) > 1);
    while (count_served(c) < CROWD) world_turn(&c->w);
    crowd_free(c);
}

static void nobodys_share_is_not_bounded(void **state) {
    (void)state;
    struct crowd *c = crowd_new(0);
    size_t turns = 0;
    while (count_served(c) < CROWD) world_turn(&c->w), turns++;
    assert_true(turns <= 2); /* epoll tells of 256 at once */
    crowd_free(c);
}

static void one_that_waits_may_end(void **state) {
    (void)state;
    struct crowd *c = crowd_new(1);
    world_turn(&c->w);
    assert_true(conn_busy(&c->w.common));
    for (size_t i = 0; i < CROWD; i++) conn_close(&c->owners[i].conn);
    for (int i = 0; i < 2 && conn_busy(&c->w.common); i++) world_turn(&c->w);
    assert_false(conn_busy(&c->w.common));
    assert_true(count_served(c) <= CONN_SHARE_WORK);
    crowd_free(c);
}

/* Where the owner expects it, and once there is much. */
static void reads_in_bulk(void **state) {
    (void)state;
    struct world w;
    world_init(&w);
    struct owner *usual = &w.owners[0], *bulk = &w.owners[1];
    bulk->conn.bulk = true;
    size_t n = fill(usual->peer, 4 << 20), m = fill(bulk->peer, 4 << 20);
    assert_true(m > CONN_BUFFER_BYTES + CONN_LARGE_BYTES);
    until(&w, usual->bytes.in.n == n && bulk->bytes.in.n == m);
    assert_int_equal(usual->bytes.most, CONN_BUFFER_BYTES);
    assert_int_equal(bulk->bytes.most, CONN_LARGE_BYTES);
    say(bulk->peer, S("x")); /* a short read ends it */
    until(&w, bulk->bytes.in.n == m + 1);
    assert_false(bulk->conn.filled);
    world_fini(&w);
}

static void reads_nothing_while_it_is_held_or_blocked(void **state) {
    (void)state;
    struct world w;
    world_init(&w);
    struct owner *held = &w.owners[0], *blocked = &w.owners[1];
    held->conn.held = true;
    say(held->peer, S("one"));
    blocked->bytes.next = ERR_AGAIN;
    say(blocked->peer, S("one"));
    until(&w, blocked->did_read == 1);
    say(blocked->peer, S("two"));
    for (int i = 0; i < 4; i++) { /* each of them makes an event */
        say(held->peer, S("."));
        say(blocked->peer, S("."));
        world_turn(&w);
    }
    assert_int_equal(held->bytes.in.n, 0);
    assert_str(buf_str(&blocked->bytes.in), "one");
    held->conn.held = false;
    conn_resume(&held->conn);
    blocked->bytes.next = OK;
    conn_resume(&blocked->conn);
    conn_settle(&w.common);
    assert_str(buf_str(&held->bytes.in), "one....");
    assert_str(buf_str(&blocked->bytes.in), "onetwo....");
    world_fini(&w);
}

static void tells_the_end_and_whether_it_cuts(void **state) {
    (void)state;
    struct world w;
    world_init(&w);
    struct owner *whole = &w.owners[0], *cut = &w.owners[1];
    cut->bytes.reusable = false; /* within a message */
    say(whole->peer, S("last"));
    shutdown(whole->peer, SHUT_WR);
    shutdown(cut->peer, SHUT_WR);
    until(&w, whole->ended && cut->ended);
    assert_str(buf_str(&whole->bytes.in), "last");
    assert_int_equal(whole->cut, 0);
    assert_int_equal(cut->cut, 1);
    assert_false(conn_reusable(&whole->conn));
    world_fini(&w);
}

static void reads_nothing_after_it_refused(void **state) {
    (void)state;
    struct world w;
    world_init(&w);
    struct owner *o = &w.owners[0];
    o->bytes.next = ERR_PROTO;
    say(o->peer, S("bad"));
    until(&w, o->refused == 1);
    assert_int_equal(o->why, ERR_PROTO);
    say(o->peer, S("more"));
    world_turn(&w);
    assert_str(buf_str(&o->bytes.in), "bad");
    assert_int_equal(o->did_read, 0);
    world_fini(&w);
}

/* Nobody asked a pooled connection for anything: what comes is the end of its use, and no codec sees it. */
static void ends_an_idle_one_that_speaks(void **state) {
    (void)state;
    struct world w;
    world_init(&w);
    struct owner *o = &w.owners[0];
    assert_true(conn_reusable(&o->conn) && conn_alive(&o->conn));
    o->conn.idle = true;
    say(o->peer, S("?"));
    assert_false(conn_alive(&o->conn));
    until(&w, o->ended == 1);
    assert_int_equal(o->bytes.in.n, 0);
    assert_false(conn_reusable(&o->conn));
    world_fini(&w);
}

/* ---- writing ---- */

static void writes_what_fits_and_the_rest_later(void **state) {
    (void)state;
    struct world w;
    world_init(&w);
    struct owner *o = &w.owners[0];
    size_t n = 4 << 20, got = 0;
    static const char block[16384];
    while (o->bytes.out.n < n) buf_add(&o->bytes.out, (str){block, sizeof block});
    conn_want_flush(&o->conn);
    conn_settle(&w.common);
    assert_in_range(conn_pending(&o->conn), 1, n - 1);
    assert_int_equal(o->wrote, 1);
    static char bytes[65536];
    while (got < n) {
        ssize_t k = recv(o->peer, bytes, sizeof bytes, 0);
        if (k > 0)
            got += (size_t)k;
        else
            world_turn(&w);
    }
    assert_int_equal(conn_pending(&o->conn), 0);
    assert_true(o->wrote > 1);
    world_fini(&w);
}

static void tells_that_a_write_failed(void **state) {
    (void)state;
    struct world w;
    world_init(&w);
    struct owner *o = &w.owners[0];
    close(o->peer);
    o->peer = -1;
    buf_add(&o->bytes.out, S("lost"));
    conn_want_flush(&o->conn);
    conn_settle(&w.common);
    assert_int_equal(o->write_failed, 1);
    assert_int_equal(o->wrote, 0);
    world_fini(&w);
}

/* The loop would turn for ever if it were told whenever that is looked at. */
static void tells_it_once_while_it_is_held(void **state) {
    (void)state;
    struct world w;
    world_init(&w);
    struct owner *o = &w.owners[0];
    o->looks = o->conn.held = true;
    close(o->peer);
    o->peer = -1;
    buf_add(&o->bytes.out, S("lost"));
    conn_want_flush(&o->conn);
    conn_settle(&w.common);
    until(&w, o->conn.peer_dead); /* which says that it is writable, too */
    assert_int_equal(o->write_failed, 1);
    assert_int_equal(o->did_read, 0);
    world_fini(&w);
}

/* ---- the end ---- */

/* What the peer still sends is thrown away, so that no reset overtakes what was written. */
static void lingers_until_the_peer_ends(void **state) {
    (void)state;
    struct world w;
    world_init(&w);
    struct owner *o = &w.owners[0];
    char bytes[16];
    buf_add(&o->bytes.out, S("bye"));
    conn_flush(&o->conn);
    conn_finish(&o->conn, true);
    assert_int_equal(o->conn.state, CONN_LINGERING);
    say(o->peer, S("more of the request"));
    world_turn(&w);
    assert_int_equal(o->bytes.in.n, 0);
    assert_int_equal(recv(o->peer, bytes, sizeof bytes, 0), 3);
    assert_int_equal(recv(o->peer, bytes, sizeof bytes, 0), 0); /* our side is shut */
    assert_int_equal(o->gone, 0);
    shutdown(o->peer, SHUT_WR);
    until(&w, o->gone == 1);
    world_fini(&w);
}

static void lingers_for_so_many_bytes(void **state) {
    (void)state;
    struct world w;
    world_init(&w);
    struct owner *o = &w.owners[0];
    conn_finish(&o->conn, true);
    size_t sent = 0;
    until(&w, (sent += fill(o->peer, 64 << 10), o->gone == 1));
    assert_in_range(sent, CONN_LINGER_BYTES, 4 * CONN_LINGER_BYTES);
    world_fini(&w);
}

static void closes_at_once_when_nothing_is_under_way(void **state) {
    (void)state;
    struct world w;
    world_init(&w);
    struct owner *o = &w.owners[0];
    until(&w, !o->conn.readable); /* the first event of a socket tells of both directions */
    conn_finish(&o->conn, false);
    conn_close(&o->conn); /* twice is once */
    conn_settle(&w.common);
    assert_int_equal(o->gone, 1);
    world_fini(&w);
}

static void tells_its_deadline_once(void **state) {
    (void)state;
    struct world w;
    world_init(&w);
    struct owner *o = &w.owners[0], *never = &w.owners[1];
    conn_deadline(&never->conn, w.loop.now_us + 1000);
    conn_deadline(&never->conn, UINT64_MAX);
    conn_deadline(&o->conn, w.loop.now_us + 20000);
    until(&w, o->deadlines == 1);
    assert_int_equal(never->deadlines, 0);
    world_fini(&w);
}

/* A connection of many streams writes once a turn what is little, and at once what is much. */
static void gathers_what_a_turn_has_to_write(void **state) {
    (void)state;
    struct world w;
    world_init(&w);
    struct owner *o = &w.owners[0];
    until(&w, o->conn.writable && !o->conn.readable);
    o->conn.gathers = true;
    o->wrote = 0;
    for (int i = 0; i < 3; i++) {
        buf_add(&o->bytes.out, S("abc"));
        conn_want_flush(&o->conn);
        conn_settle(&w.common); /* the end of an event */
    }
    assert_int_equal(o->wrote, 0);
    assert_int_equal(o->bytes.kept, 3); /* what an event lent is not there at the end of the turn */
    assert_true(conn_busy(&w.common));
    conn_flush_gathered(&w.common);
    assert_int_equal(o->wrote, 1);
    assert_false(conn_busy(&w.common));
    char got[16];
    assert_int_equal(recv(o->peer, got, sizeof got, 0), 9);
    static const char much[CONN_GATHER_BYTES];
    buf_add(&o->bytes.out, (str){much, sizeof much});
    conn_want_flush(&o->conn);
    conn_settle(&w.common);
    assert_int_equal(o->wrote, 2);
    buf_add(&o->bytes.out, S("x"));
    conn_want_flush(&o->conn);
    conn_settle(&w.common);
    conn_close(&o->conn); /* while it is gathered */
    conn_settle(&w.common);
    assert_false(conn_busy(&w.common));
    world_fini(&w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_within_a_turn_no_more_than_its_share),
        cmocka_unit_test(a_crowd_of_one_share_leaves_others_their_turn),
        cmocka_unit_test(what_was_charged_counts),
        cmocka_unit_test(nobodys_share_is_not_bounded),
        cmocka_unit_test(one_that_waits_may_end),
        cmocka_unit_test(reads_in_bulk),
        cmocka_unit_test(reads_nothing_while_it_is_held_or_blocked),
        cmocka_unit_test(tells_the_end_and_whether_it_cuts),
        cmocka_unit_test(reads_nothing_after_it_refused),
        cmocka_unit_test(ends_an_idle_one_that_speaks),
        cmocka_unit_test(writes_what_fits_and_the_rest_later),
        cmocka_unit_test(tells_that_a_write_failed),
        cmocka_unit_test(tells_it_once_while_it_is_held),
        cmocka_unit_test(lingers_until_the_peer_ends),
        cmocka_unit_test(lingers_for_so_many_bytes),
        cmocka_unit_test(closes_at_once_when_nothing_is_under_way),
        cmocka_unit_test(tells_its_deadline_once),
        cmocka_unit_test(gathers_what_a_turn_has_to_write),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
