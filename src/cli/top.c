/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/instance.h"
#include "cli/top_print.h"
#include "io/clock.h"

enum { PAGE_BYTES_MAX = 512 << 20, INTERVAL_S = 2, INTERVAL_S_MAX = 3600, COLUMNS_USUAL = 100 };

static const struct cli_option options[] = {
    {"sort", 's', "BY", "rate (unless given), errors, p99 or name.", "rate errors p99 name"},
    {"interval", 'i', "SECONDS", "How long to count for each picture (default 2)."},
    {"once", 0, NULL, "One picture, after one interval; then end."},
    {"output", 'o', "FORM", "table (unless given), or json: an object a line.", "table json"},
    {"admin", 0, "ADDRESS", instance_admin_help},
};
const struct cli_command top_command = {
    .name = "top",
    .args = "",
    .summary = "Shows a running instance's traffic by route, as it is now: requests a second, errors, "
               "latencies; and how "
               "backends' endpoints stand.",
    .more =
        "ERR% are answers of 500 and above, and requests that ended without one. P50, P90 and P99 are "
        "estimated within the\n"
        "bounds of http_server_request_duration_seconds (docs/metrics.md). FAIL% are requests that got no "
        "connection, no answer,\n"
        "or one of 500 and above. Endpoints that do not serve as they should come first, with what for.\n\n"
        "On a terminal the picture is renewed until q or Ctrl-C; r, e, p and n sort by rate, errors, p99 "
        "and name.\n"
        "Elsewhere one follows the other as text.\n\n"
        "Examples:\n"
        "  postern top\n"
        "  postern top --sort errors --interval 10\n"
        "  postern top --once -o json",
    .options = options,
    .options_n = COUNT_OF(options),
};

struct top {
    const struct cli_options *given;
    enum top_sort sort;
    bool json, once, screen; /* screen: a terminal both ways */
    uint64_t interval_us;
    struct termios before;
    int signals;
    struct arena *arenas[2]; /* of the page before, and of this one */
    struct buf texts[2];
    struct top_page pages[2];
    uint64_t times_us[2];
    unsigned now; /* 0 or 1 */
};

/* The page as it is now, in the place of the older one. false: standard error says why not. */
static bool ask(struct top *t, int *ret_exit) {
    unsigned i = !t->now;
    uint16_t status;
    buf_clear(&t->texts[i]);
    arena_reset(t->arenas[i]);
    if (!instance_get(t->given, S("/metrics"), &status, &t->texts[i], ret_exit)) return false;
    *ret_exit = CLI_NO;
    if (status != 200 || top_page_read(t->arenas[i], buf_str(&t->texts[i]), &t->pages[i]) != OK) {
        fprintf(stderr,
                "postern top: the instance answered %u with what are no metrics; are both of one version?\n",
                status);
        return false;
    }
    t->times_us[i] = clock_monotonic_us();
    t->now = i;
    return true;
}

/* https://no-color.org: set, and not empty. */
static bool wants_colour(void) {
    const char *no = getenv("NO_COLOR"), *term = getenv("TERM");
    return isatty(STDOUT_FILENO) && !(no && *no) && !(term && strcmp(term, "dumb") == 0);
}

static struct top_view view_of(const struct top *t) {
    struct top_view v = {.sort = t->sort, .colour = wants_colour()};
    struct winsize w = {0};
    if (isatty(STDOUT_FILENO)) {
        if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) < 0) w.ws_col = 0;
        v.columns = w.ws_col ? w.ws_col : COLUMNS_USUAL;
        if (t->screen) v.rows = w.ws_row;
    }
    return v;
}

static void add_screen(struct buf *b, str text) {
    buf_add(b, S("\033[H"));
    while (text.n) {
        buf_add(b, str_cut(&text, '\n'));
        buf_add(b, text.n ? S("\033[K\n") : S("\033[K"));
    }
    buf_add(b, S("\033[J"));
}

static void show(struct top *t) {
    OWNED(arena) a = arena_new();
    struct top_rates rates;
    const struct top_page *now = &t->pages[t->now];
    double seconds = (double)(t->times_us[t->now] - t->times_us[!t->now]) / 1e6;
    top_page_compare(a, &t->pages[!t->now], now, seconds, t->sort, &rates);
    struct top_view v = view_of(t);
    struct buf text, out;
    buf_init(&text, PAGE_BYTES_MAX), buf_init(&out, PAGE_BYTES_MAX);
    if (t->json)
        top_print_json(&text, now, &rates);
    else
        top_print(&text, now, &rates, &v);
    if (t->screen)
        add_screen(&out, buf_str(&text));
    else
        buf_add(&out, buf_str(&text));
    if (!t->screen && !t->json && !t->once) buf_add_char(&out, '\n');
    fwrite(out.p, 1, out.n, stdout);
    fflush(stdout);
    buf_fini(&text), buf_fini(&out);
}

/* true: to end. */
static bool press(struct top *t, char key) {
    switch (key) {
    case 'r': t->sort = TOP_BY_RATE; break;
    case 'e': t->sort = TOP_BY_ERRORS; break;
    case 'p': t->sort = TOP_BY_P99; break;
    case 'n': t->sort = TOP_BY_NAME; break;
    case 'q': return true;
    default: return false;
    }
    if (t->pages[!t->now].start_s) show(t);
    return false;
}

/* Until the next picture is due. true: to end. */
static bool wait_for(struct top *t, uint64_t until_us) {
    for (uint64_t now; (now = clock_monotonic_us()) < until_us;) {
        struct pollfd p[] = {{.fd = t->signals, .events = POLLIN},
                             {.fd = t->screen ? STDIN_FILENO : -1, .events = POLLIN}};
        int n = poll(p, 2, (int)((until_us - now + 999) / 1000));
        if (n < 0 && errno != EINTR) return true;
        struct signalfd_siginfo s;
        if (n > 0 && p[0].revents && read(t->signals, &s, sizeof s) == (ssize_t)sizeof s) {
            if (s.ssi_signo != SIGWINCH) return true;
            if (t->pages[!t->now].start_s && t->screen) show(t);
        }
        char key;
        if (n > 0 && p[1].revents && (read(STDIN_FILENO, &key, 1) != 1 || press(t, key))) return true;
    }
    return false;
}

static void open_screen(struct top *t) {
    t->screen = !t->once && !t->json && isatty(STDOUT_FILENO) && isatty(STDIN_FILENO) &&
                tcgetattr(STDIN_FILENO, &t->before) == 0;
    if (!t->screen) return;
    struct termios raw = t->before;
    raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
    tcsetattr(STDIN_FILENO, TCSANOW, &raw);
    fputs("\033[?1049h\033[?25l", stdout);
}

static void close_screen(const struct top *t) {
    if (!t->screen) return;
    fputs("\033[?25h\033[?1049l", stdout);
    fflush(stdout);
    tcsetattr(STDIN_FILENO, TCSANOW, &t->before);
}

static int run(struct top *t) {
    int status = CLI_NO;
    sigset_t ends, before;
    sigemptyset(&ends);
    sigaddset(&ends, SIGINT), sigaddset(&ends, SIGTERM), sigaddset(&ends, SIGWINCH);
    if (!ask(t, &status)) return status;
    sigprocmask(SIG_BLOCK, &ends, &before);
    t->signals = signalfd(-1, &ends, SFD_CLOEXEC | SFD_NONBLOCK);
    open_screen(t);
    status = CLI_DONE;
    uint64_t due_us = clock_monotonic_us();
    while (!wait_for(t, due_us += t->interval_us)) {
        if (!ask(t, &status)) {
            if (!t->screen) break;
            close_screen(t); /* and what was said on it */
            t->screen = false;
            if (!ask(t, &status)) break;
        }
        status = CLI_DONE;
        show(t);
        if (t->once) break;
    }
    close_screen(t);
    close(t->signals);
    sigprocmask(SIG_SETMASK, &before, NULL);
    return status;
}

static err read_interval(const struct cli_options *o, uint64_t *ret_us) {
    uint64_t s = INTERVAL_S;
    TRY(options_number(o, "interval", 1, INTERVAL_S_MAX, &s));
    *ret_us = s * 1000000;
    return OK;
}

int top_main(int argc, char **argv) {
    static const char *const sorts[] = {"rate", "errors", "p99", "name", NULL};
    static const char *const forms[] = {"table", "json", NULL};
    struct cli_options o;
    err e = options_parse(&top_command, argc, argv, &o);
    if (e != OK) return options_status(e);
    struct top t = {.given = &o, .once = options_has(&o, "once")};
    size_t sort, form;
    int status = CLI_USAGE;
    if (options_choice(&o, "sort", sorts, &sort) == OK && options_choice(&o, "output", forms, &form) == OK &&
        read_interval(&o, &t.interval_us) == OK) {
        t.sort = (enum top_sort)sort, t.json = form == 1;
        for (int i = 0; i < 2; i++) {
            t.arenas[i] = arena_new();
            buf_init(&t.texts[i], PAGE_BYTES_MAX);
        }
        status = run(&t);
        for (int i = 0; i < 2; i++) {
            arena_free(t.arenas[i]);
            buf_fini(&t.texts[i]);
        }
    }
    options_fini(&o);
    return status;
}
