/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/proxy_core.h"

#include <time.h>

#include "io/clock.h"

static void read_wall(struct proxy *p) {
    uint64_t now_us = proxy_core_now(p);
    if (now_us < p->wall_until_us) return;
    p->wall_offset_us = clock_wall_us() - (int64_t)now_us;
    /* until the next full second, when the Date changes */
    uint64_t into = (uint64_t)(p->wall_offset_us + (int64_t)now_us) % 1000000;
    p->wall_until_us = now_us + 1000000 - into;
    time_t s = (time_t)((p->wall_offset_us + (int64_t)now_us) / 1000000);
    struct tm t;
    gmtime_r(&s, &t);
    static const char days[] = "SunMonTueWedThuFriSat", months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    /* IMF-fixdate [RFC 9110 5.6.7] */
    p->date_n = (size_t)snprintf(p->date, sizeof p->date, "%.3s, %02d %.3s %04d %02d:%02d:%02d GMT",
                                 days + 3 * t.tm_wday, t.tm_mday, months + 3 * t.tm_mon, t.tm_year + 1900,
                                 t.tm_hour, t.tm_min, t.tm_sec);
}

int64_t proxy_core_wall_us(struct proxy *p) {
    read_wall(p);
    return p->wall_offset_us + (int64_t)proxy_core_now(p);
}

str proxy_core_date(struct proxy *p) {
    read_wall(p);
    return (str){p->date, p->date_n};
}
