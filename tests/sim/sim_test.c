/* SPDX-License-Identifier: Apache-2.0 */
/* sim_test [SEED [COUNT]]: a worker in a world that is decided by a seed, with all that may happen to it; each seed twice, for it must come to
 * the same. Without arguments: as many as a build has time for. */
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/hash.h"
#include "io/log.h"
#include "sim.h"

enum { USUAL_SEEDS = 30, HANG_S = 60 };

struct sim *sim_now;

/* A quarter of all runs is without malice: there everything has to go well. */
static void roll(struct sim *s) {
    if (fake_one_in(4)) return;
    bool *v = (bool *)&s->bad;
    for (size_t i = 0; i < sizeof s->bad; i++) v[i] = fake_one_in(3);
}

static void start_clients(struct sim *s) {
    uint32_t n = 1 + fake_below(SIM_CLIENTS_MAX);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t asks = 1 + fake_below(fake_one_in(3) ? 12 : 4);
        (fake_one_in(3) ? sim_client2_start : sim_client_start)(s->requests_n, asks);
        s->requests_n += asks;
    }
}

static uint64_t run(uint64_t seed, uint64_t *ret_turns) {
    struct sim *s = base_zalloc(sizeof *s);
    sim_now = s;
    alarm(HANG_S);
    fake_init(&s->kernel, seed);
    s->kernel.welcome = sim_backend_welcome, s->kernel.between = sim_world_between, s->kernel.arg = s;
    roll(s);
    s->drain_early = s->bad.drains;
    s->proxied = fake_one_in(4);
    start_clients(s);
    for (uint32_t i = fake_below(SIM_STRAYS_MAX); i; i--) sim_stray_start();
    sim_world_run(s);
    sim_judge(s);
    uint64_t hash = s->kernel.trace_hash;
    *ret_turns += s->kernel.turns;
    if (getenv("SIM_TRACE")) fake_tell();
    fake_fini(&s->kernel);
    free(s);
    sim_now = NULL;
    return hash;
}

static void on_abort(int signal_number) {
    (void)signal_number;
    fake_tell();
}
/* Within a turn of the loop nobody else looks. */
static void on_alarm(int signal_number) {
    (void)signal_number;
    fake_fail("it does not come out of a turn");
}
static void on_death(void) { fake_tell(); }
void __sanitizer_set_death_callback(void (*f)(void)) __attribute__((weak));

int main(int argc, char **argv) {
    uint64_t first = argc > 1 ? strtoull(argv[1], NULL, 10) : 1, turns = 0;
    uint64_t n = argc > 2 ? strtoull(argv[2], NULL, 10) : argc > 1 ? 1 : USUAL_SEEDS;
    signal(SIGABRT, on_abort);
    signal(SIGALRM, on_alarm);
    if (__sanitizer_set_death_callback) __sanitizer_set_death_callback(on_death);
    log_set_level(LOG_INFO);
    for (uint64_t seed = first; seed < first + n; seed++) {
        uint64_t hash = run(seed, &turns);
        if (n == 1 || seed % 4 == 0) {
            uint64_t again = run(seed, &turns);
            if (hash != again) {
                fprintf(stderr, "FAILED: seed %llu comes to another end the second time\n",
                        (unsigned long long)seed);
                return 1;
            }
        }
        if (argc > 2 && seed % 1000 == 0) printf("%llu\n", (unsigned long long)seed), fflush(stdout);
    }
    printf("%llu seeds from %llu, %llu turns: all is well\n", (unsigned long long)n,
           (unsigned long long)first, (unsigned long long)turns);
    return 0;
}
