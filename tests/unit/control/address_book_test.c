/* SPDX-License-Identifier: Apache-2.0 */
#include "../unit.h"

#include "base/map.h"
#include "control/address_book.h"
#include "text/json.h"

enum { SECOND_US = 1000000 };

/* A server that keeps what is written to it, and what the book tells of Gateways. */
struct stored {
    enum api_kind kind;
    char ns[64], name[300], json[8192], status[256];
    bool fresh, there;
};
struct world {
    struct address_book *book;
    struct stored all[16];
    unsigned n, writes, removals, version;
    char told[16][1024]; /* "KEY ports 80>10001 addresses ... reason" */
    unsigned told_n;
    uint64_t now_us;
    bool mute; /* writes are not answered */
};

static struct stored *stored(struct world *w, enum api_kind kind, const char *name) {
    for (unsigned i = 0; i < w->n; i++)
        if (w->all[i].kind == kind && strcmp(w->all[i].name, name) == 0) return &w->all[i];
    return NULL;
}

static void take(void *arg, const struct address_write *o) {
    struct world *w = arg;
    char name[300];
    snprintf(name, sizeof name, STR_FMT, STR_ARG(o->name));
    struct stored *s = stored(w, o->kind, name);
    w->writes++;
    w->removals += o->remove;
    if (!s) s = &w->all[w->n++];
    s->kind = o->kind;
    s->fresh = o->fresh;
    snprintf(s->ns, sizeof s->ns, STR_FMT, STR_ARG(o->ns));
    memcpy(s->name, name, sizeof name);
    snprintf(s->json, sizeof s->json, STR_FMT, STR_ARG(o->json));
    s->there = !o->remove;
}

static void hear(void *arg, str key, const struct fact_gateway *f) {
    struct world *w = arg;
    struct buf b;
    buf_init(&b, sizeof w->told[0] - 1);
    buf_printf(&b, STR_FMT ":", STR_ARG(key));
    for (uint32_t i = 0; f && i < f->ports_n; i++)
        buf_printf(&b, " %u%s", f->ports[i].port, f->ports[i].udp ? "/udp" : "");
    for (uint32_t i = 0; f && i < f->addresses_n; i++)
        buf_printf(&b, " " STR_FMT "%s" STR_FMT, STR_ARG(f->addresses[i].value),
                   f->addresses[i].routability.n ? "/" : "", STR_ARG(f->addresses[i].routability));
    if (f && f->missed_n && !f->pending) buf_printf(&b, " lacks %u", f->missed_n);
    buf_printf(&b, " %s", !f ? "gone" : f->reason ? f->reason : "good");
    char *to = w->told[w->told_n++ % 16];
    memcpy(to, b.p, b.n);
    to[b.n] = 0;
    buf_fini(&b);
}

static const char *last_told(const struct world *w) { return w->told_n ? w->told[(w->told_n - 1) % 16] : ""; }

static uint64_t work(struct world *w) { return address_book_work(w->book, w->now_us); }

/* The server answers and tells of everything that was written. */
static void echo(struct world *w) {
    for (unsigned i = 0; i < w->n; i++) {
        struct stored *s = &w->all[i];
        char version[16];
        snprintf(version, sizeof version, "%u", ++w->version);
        address_book_done(w->book, s->kind, str_of(s->ns), str_of(s->name), ADDRESS_WRITTEN, str_of(version),
                          S(""), w->now_us);
        if (s->there)
            address_book_seen(w->book, s->kind, str_of(s->ns), str_of(s->name), S("u"), str_of(version),
                              str_of(s->json), str_of(s->status));
        else
            address_book_gone(w->book, s->kind, str_of(s->ns), str_of(s->name));
    }
    work(w);
}

static int set_up(void **state) {
    struct world *w = base_zalloc(sizeof *w);
    w->now_us = 1000 * (uint64_t)SECOND_US;
    struct address_book_config c = {
        .controller_name = S("postern.dev/gateway-controller"), .write = take, .tell = hear, .arg = w};
    w->book = address_book_new(&c);
    struct address_pod pods[] = {{S("10.0.0.1"), S("node-a"), S(""), true, true, false}};
    address_book_pods(w->book, pods, 1);
    *state = w;
    return 0;
}

static int tear_down(void **state) {
    struct world *w = *state;
    address_book_free(w->book);
    free(w);
    return 0;
}

static const struct need_port web_ports[] = {{80, false}, {443, false}};
static struct address_demand demand(const char *ns, const char *name) {
    return (struct address_demand){.ns = str_of(ns),
                                   .name = str_of(name),
                                   .uid = str_of(name),
                                   .class_name = S("postern"),
                                   .accepted = true,
                                   .ports = web_ports,
                                   .ports_n = 2};
}

static void begin(struct world *w, const struct address_demand *d, size_t n) {
    address_book_demand(w->book, d, n);
    address_book_synced(w->book);
    address_book_lead(w->book, true);
    work(w);
}

static bool says(struct world *w, enum api_kind kind, const char *name, const char *text) {
    const struct stored *s = stored(w, kind, name);
    return s && s->there && strstr(s->json, text);
}

static void test_a_service_and_its_slice(void **state) {
    struct world *w = *state;
    struct address_demand d = demand("shop", "gw");
    struct str_pair label = {S("team"), S("shop")},
                    bad = {S("gateway.networking.k8s.io/gateway-name"), S("x")};
    struct str_pair labels[] = {bad, label};
    d.labels = labels, d.labels_n = 2;
    d.annotations = &label, d.annotations_n = 1;
    begin(w, &d, 1);
    assert_string_equal(last_told(w), "shop/gw: Pending");
    assert_int_equal(w->writes, 2);
    assert_true(stored(w, KIND_SERVICE, "gw-postern")->fresh);
    static const char *const parts[] = {
        "\"app.kubernetes.io/managed-by\":\"postern.dev.gateway-controller\"",
        "\"gateway.networking.k8s.io/gateway-name\":\"gw\"",
        "\"gateway.networking.k8s.io/gateway-class-name\":\"postern\"",
        "\"team\":\"shop\"",
        "\"kind\":\"Gateway\",\"name\":\"gw\",\"uid\":\"gw\",\"controller\":true,\"blockOwnerDeletion\":true",
        "\"type\":\"LoadBalancer\"",
        "\"ipFamilyPolicy\":\"PreferDualStack\"",
        "\"name\":\"tcp-80\",\"protocol\":\"TCP\",\"port\":80,\"targetPort\":1",
    };
    for (size_t i = 0; i < COUNT_OF(parts); i++)
        if (!says(w, KIND_SERVICE, "gw-postern", parts[i])) fail_msg("no %s", parts[i]);
    assert_true(
        says(w, KIND_ENDPOINT_SLICE, "gw-postern-ipv4", "\"kubernetes.io/service-name\":\"gw-postern\""));
    assert_true(says(w, KIND_ENDPOINT_SLICE, "gw-postern-ipv4", "\"addresses\":[\"10.0.0.1\"]"));
    assert_null(stored(w, KIND_ENDPOINT_SLICE, "gw-postern-ipv6"));
    echo(w);
    assert_string_equal(last_told(w), "shop/gw: 80 443 Pending"); /* no address yet */
    snprintf(stored(w, KIND_SERVICE, "gw-postern")->status, 256,
             "{\"loadBalancer\":{\"ingress\":[{\"ip\":\"192.0.2.1\"},{\"hostname\":\"lb.test\"}]}}");
    echo(w);
    assert_string_equal(last_told(w), "shop/gw: 80 443 192.0.2.1 lb.test good");
    assert_int_equal(w->writes, 2); /* nothing differs: nothing is written */
    address_book_demand(w->book, NULL, 0);
    work(w);
    assert_string_equal(last_told(w), "shop/gw: gone");
    assert_int_equal(w->removals, 2);
}

static unsigned target_port(struct world *w, const char *service, const char *port) {
    char text[64];
    snprintf(text, sizeof text, "\"port\":%s,\"targetPort\":", port);
    const char *at = strstr(stored(w, KIND_SERVICE, service)->json, text);
    assert_non_null(at);
    return (unsigned)strtoul(at + strlen(text), NULL, 10);
}

static void test_ports_are_apart_and_stay(void **state) {
    struct world *w = *state;
    struct address_demand d[] = {demand("a", "x"), demand("b", "y")};
    struct need_port more[] = {{53, false}, {53, true}, {80, false}, {443, false}};
    begin(w, d, 2);
    unsigned ports[4] = {target_port(w, "x-postern", "80"), target_port(w, "x-postern", "443"),
                         target_port(w, "y-postern", "80"), target_port(w, "y-postern", "443")};
    for (unsigned i = 0; i < 4; i++) {
        assert_in_range(ports[i], 10000, 29999);
        for (unsigned k = 0; k < i; k++) assert_int_not_equal(ports[i], ports[k]);
    }
    echo(w);
    d[0].ports = more, d[0].ports_n = 4;
    address_book_demand(w->book, d, 2);
    work(w);
    assert_string_equal(last_told(w), "b/y: 80 443 Pending"); /* what is not recorded is not told */
    echo(w);
    assert_string_equal(last_told(w), "a/x: 53 53/udp 80 443 Pending");
    assert_int_equal(target_port(w, "x-postern", "80"), ports[0]);
    /* another replica reads the same, and after a restart nothing moves */
    struct address_book *old = w->book;
    struct address_book_config c = {
        .controller_name = S("postern.dev/gateway-controller"), .write = take, .tell = hear, .arg = w};
    w->book = address_book_new(&c);
    address_book_free(old);
    unsigned writes = w->writes;
    address_book_pods(w->book, &(struct address_pod){S("10.0.0.1"), S("node-a"), S(""), true, true, false},
                      1);
    address_book_demand(w->book, d, 2);
    echo(w);
    address_book_synced(w->book);
    work(w);
    assert_string_equal(last_told(w), "b/y: 80 443 Pending");
    address_book_lead(w->book, true);
    work(w);
    assert_int_equal(w->writes, writes);
}

/* Two Services with one port between them: the first by name keeps it. */
static void test_a_port_that_two_have(void **state) {
    struct world *w = *state;
    struct need_port port = {80, false};
    struct address_demand d[] = {demand("a", "x"), demand("b", "y")};
    d[0].ports = d[1].ports = &port, d[0].ports_n = d[1].ports_n = 1;
    for (unsigned i = 0; i < 2; i++)
        address_book_seen(
            w->book, KIND_SERVICE, d[i].ns, i ? S("y-postern") : S("x-postern"), S("u"), S("1"),
            S("{\"spec\":{\"ports\":[{\"port\":80,\"protocol\":\"TCP\",\"targetPort\":12345}]}}"), S(""));
    begin(w, d, 2);
    assert_int_equal(target_port(w, "x-postern", "80"), 12345);
    assert_int_not_equal(target_port(w, "y-postern", "80"), 12345);
}

static void test_no_address_comes(void **state) {
    struct world *w = *state;
    struct address_demand d = demand("shop", "gw");
    begin(w, &d, 1);
    echo(w);
    uint64_t again = work(w);
    assert_int_equal(again, w->now_us + 10 * SECOND_US);
    w->now_us = again;
    work(w);
    assert_string_equal(last_told(w), "shop/gw: 80 443 lacks 1 AddressNotAssigned");
}

static void test_static_addresses(void **state) {
    struct world *w = *state;
    struct need_address asked[] = {{0, S("192.0.2.9"), S("")}, {1, S("192.0.2.1"), S("")}};
    struct address_demand d = demand("shop", "gw");
    d.addresses = asked, d.addresses_n = 2;
    begin(w, &d, 1);
    assert_true(says(w, KIND_SERVICE, "gw-postern", "\"loadBalancerIP\":\"192.0.2.9\""));
    echo(w);
    assert_string_equal(last_told(w), "shop/gw: 80 443 Pending");
    w->now_us += 20 * SECOND_US;
    work(w);
    assert_string_equal(last_told(w), "shop/gw: 80 443 lacks 2 AddressNotAssigned");
    d.addresses = asked + 1, d.addresses_n = 1;
    address_book_demand(w->book, &d, 1);
    work(w);
    assert_true(says(w, KIND_SERVICE, "gw-postern", "\"loadBalancerIP\":\"192.0.2.1\""));
    snprintf(stored(w, KIND_SERVICE, "gw-postern")->status, 256,
             "{\"loadBalancer\":{\"ingress\":[{\"ip\":\"192.0.2.1\"},{\"ip\":\"192.0.2.7\"}]}}");
    echo(w);
    assert_string_equal(last_told(w), "shop/gw: 80 443 192.0.2.1 good"); /* that alone */
    struct need_address any[] = {{0, S(""), S("")}, {1, S("192.0.2.9"), S("")}};
    d.addresses = any;
    address_book_demand(w->book, &d, 1);
    work(w);
    echo(w);
    assert_string_equal(last_told(w), "shop/gw: 80 443 192.0.2.1 good");
    d.addresses_n = 2; /* one of two is enough to be reached, but what was named can not be had */
    address_book_demand(w->book, &d, 1);
    work(w);
    echo(w);
    assert_string_equal(last_told(w), "shop/gw: 80 443 192.0.2.1 Pending");
    w->now_us += 20 * SECOND_US;
    work(w);
    assert_string_equal(last_told(w), "shop/gw: 80 443 192.0.2.1 lacks 1 AddressNotUsable");
}

/* A load balancer gives a Service one address: there is a Service for each that is asked for, all with the same container ports. */
static void test_several_addresses(void **state) {
    struct world *w = *state;
    struct need_address asked[] = {{0, S("192.0.2.1"), S("")}, {1, S("192.0.2.2"), S("")}, {2, S(""), S("")}};
    struct address_demand d = demand("shop", "gw");
    d.addresses = asked, d.addresses_n = 3;
    begin(w, &d, 1);
    static const char *const names[] = {"gw-postern", "gw-postern-2", "gw-postern-3"};
    assert_true(says(w, KIND_SERVICE, names[0], "\"loadBalancerIP\":\"192.0.2.1\""));
    assert_true(says(w, KIND_SERVICE, names[1], "\"loadBalancerIP\":\"192.0.2.2\""));
    assert_false(says(w, KIND_SERVICE, names[2], "loadBalancerIP"));
    assert_true(
        says(w, KIND_ENDPOINT_SLICE, "gw-postern-2-ipv4", "\"kubernetes.io/service-name\":\"gw-postern-2\""));
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(target_port(w, names[i], "443"), target_port(w, names[0], "443"));
        snprintf(stored(w, KIND_SERVICE, names[i])->status, 256,
                 "{\"loadBalancer\":{\"ingress\":[{\"ip\":\"192.0.2.%u\"}]}}", i + 1);
    }
    struct stored *second = stored(w, KIND_SERVICE, names[1]);
    second->status[0] = 0;
    echo(w);
    assert_string_equal(last_told(w), "shop/gw: 80 443 192.0.2.1 192.0.2.3 Pending");
    snprintf(second->status, sizeof second->status,
             "{\"loadBalancer\":{\"ingress\":[{\"ip\":\"192.0.2.2\"}]}}");
    echo(w);
    assert_string_equal(last_told(w), "shop/gw: 80 443 192.0.2.1 192.0.2.2 192.0.2.3 good");
    d.addresses_n = 1;
    address_book_demand(w->book, &d, 1);
    work(w);
    assert_int_equal(w->removals, 4); /* two Services, and their EndpointSlices */
    echo(w);
    assert_string_equal(last_told(w), "shop/gw: 80 443 192.0.2.1 good");
}

static void test_other_types(void **state) {
    struct world *w = *state;
    struct need_port port = {30080, false};
    struct address_demand d = demand("shop", "gw");
    struct need_address asked = {0, S("10.96.0.99"), S("")};
    d.type = ADDRESS_CLUSTER_IP;
    d.ports = &port, d.ports_n = 1;
    begin(w, &d, 1);
    assert_true(says(w, KIND_SERVICE, "gw-postern", "\"type\":\"ClusterIP\""));
    struct stored *s = stored(w, KIND_SERVICE, "gw-postern");
    char with_ip[8192];
    const char *spec = strstr(s->json, "\"spec\":{") + strlen("\"spec\":{");
    snprintf(with_ip, sizeof with_ip, "%.*s\"clusterIP\":\"10.96.0.5\",\"clusterIPs\":[\"10.96.0.5\"],%s",
             (int)(spec - s->json), s->json, spec);
    memcpy(s->json, with_ip, sizeof with_ip);
    echo(w);
    assert_string_equal(last_told(w), "shop/gw: 30080 10.96.0.5/Cluster good");
    d.addresses = &asked, d.addresses_n = 1; /* it can not be changed: another Service takes its place */
    address_book_demand(w->book, &d, 1);
    work(w);
    assert_int_equal(w->removals, 1);
    echo(w);
    assert_true(says(w, KIND_SERVICE, "gw-postern", "\"clusterIP\":\"10.96.0.99\""));
    address_book_done(w->book, KIND_SERVICE, S("shop"), S("gw-postern"), ADDRESS_INVALID, S(""),
                      S("provided IP is not in the valid range"), w->now_us);
    work(w);
    assert_string_equal(last_told(w), "shop/gw: lacks 1 AddressNotAssigned");
    d.addresses_n = 0;
    d.type = ADDRESS_NODE_PORT;
    address_book_demand(w->book, &d, 1);
    work(w);
    assert_true(says(w, KIND_SERVICE, "gw-postern", "\"nodePort\":30080"));
    d.type = ADDRESS_HOST_PORT;
    echo(w);
    address_book_demand(w->book, &d, 1);
    work(w);
    assert_false(stored(w, KIND_SERVICE, "gw-postern")->there);
    assert_string_equal(last_told(w), "shop/gw: 30080 lacks 1 AddressNotAssigned"); /* HOST_IP is not known */
}

/* As the server would make it: with a cluster IP. */
static void give_cluster_ip(struct world *w, const char *service, const char *ip) {
    struct stored *s = stored(w, KIND_SERVICE, service);
    char with_ip[8192];
    const char *spec = strstr(s->json, "\"spec\":{") + strlen("\"spec\":{");
    snprintf(with_ip, sizeof with_ip, "%.*s\"clusterIP\":\"%s\",\"clusterIPs\":[\"%s\"],%s",
             (int)(spec - s->json), s->json, ip, ip, spec);
    memcpy(s->json, with_ip, sizeof with_ip);
}

/* A cluster IP that is asked for is a Service's of its own, whatever the Gateway's type: for use within the cluster alone. */
static void test_inner_addresses(void **state) {
    struct world *w = *state;
    struct need_address asked[] = {{0, S(""), S("Cluster")}};
    struct address_demand d = demand("shop", "gw");
    d.addresses = asked, d.addresses_n = 1;
    begin(w, &d, 1);
    assert_true(says(w, KIND_SERVICE, "gw-postern", "\"type\":\"ClusterIP\""));
    assert_false(says(w, KIND_SERVICE, "gw-postern", "clusterIP\":\""));
    assert_null(stored(w, KIND_SERVICE, "gw-postern-2"));
    give_cluster_ip(w, "gw-postern", "10.96.0.5");
    echo(w);
    assert_string_equal(last_told(w), "shop/gw: 80 443 10.96.0.5/Cluster good");
}

static void test_inner_beside_outer(void **state) {
    struct world *w = *state;
    struct need_address asked[] = {{0, S(""), S("Cluster")},
                                   {2, S("10.96.0.99"), S("Cluster")},
                                   {3, S(""), S("")},
                                   {4, S("10.0.0.1"), S("Cluster")}};
    struct address_demand d = demand("shop", "gw");
    d.addresses = asked, d.addresses_n = 4;
    begin(w, &d, 1);
    static const char *const names[] = {"gw-postern", "gw-postern-2", "gw-postern-3", "gw-postern-4"};
    assert_true(says(w, KIND_SERVICE, names[0], "\"type\":\"LoadBalancer\""));
    assert_true(says(w, KIND_SERVICE, names[1], "\"type\":\"ClusterIP\""));
    assert_true(says(w, KIND_SERVICE, names[2], "\"clusterIP\":\"10.96.0.99\""));
    assert_true(says(w, KIND_SERVICE, names[3], "\"clusterIP\":\"10.0.0.1\""));
    for (unsigned i = 1; i < 4; i++)
        assert_int_equal(target_port(w, names[i], "443"), target_port(w, names[0], "443"));
    /* each by itself: one that can not be had is told, and the others stand */
    stored(w, KIND_SERVICE, names[3])->there = false;
    snprintf(stored(w, KIND_SERVICE, names[0])->status, 256,
             "{\"loadBalancer\":{\"ingress\":[{\"ip\":\"192.0.2.1\"}]}}");
    give_cluster_ip(w, names[0], "10.96.0.4"); /* which nobody has asked for */
    give_cluster_ip(w, names[1], "10.96.0.5");
    address_book_done(w->book, KIND_SERVICE, S("shop"), S("gw-postern-4"), ADDRESS_INVALID, S(""),
                      S("provided IP is not in the valid range"), w->now_us);
    echo(w);
    assert_string_equal(last_told(w),
                        "shop/gw: 80 443 10.96.0.5/Cluster 10.96.0.99/Cluster 192.0.2.1 lacks 1 good");
    /* alone it is nothing */
    d.addresses = asked + 3, d.addresses_n = 1;
    address_book_demand(w->book, &d, 1);
    work(w);
    assert_int_equal(w->removals, 1 + 2 * 2 + 1); /* the first Service has another address, the others go */
    echo(w);
    address_book_done(w->book, KIND_SERVICE, S("shop"), S("gw-postern"), ADDRESS_INVALID, S(""),
                      S("provided IP is not in the valid range"), w->now_us);
    work(w);
    assert_string_equal(last_told(w), "shop/gw: lacks 1 AddressNotAssigned");
}

/* On the nodes' own ports a cluster IP leads to these. */
static void test_inner_of_the_nodes(void **state) {
    struct world *w = *state;
    struct need_address asked[] = {{0, S(""), S("Cluster")}, {1, S(""), S("")}};
    struct address_demand d = demand("shop", "gw");
    d.type = ADDRESS_HOST_PORT;
    d.addresses = asked, d.addresses_n = 2;
    begin(w, &d, 1);
    assert_null(stored(w, KIND_SERVICE, "gw-postern"));
    assert_int_equal(target_port(w, "gw-postern-2", "443"), 443);
    give_cluster_ip(w, "gw-postern-2", "10.96.0.5");
    echo(w);
    w->now_us += 20 * SECOND_US; /* HOST_IPS is not known */
    work(w);
    assert_string_equal(last_told(w), "shop/gw: 80 443 10.96.0.5/Cluster lacks 1 good");
}

static void test_a_stranger_has_the_name(void **state) {
    struct world *w = *state;
    struct address_demand d = demand("shop", "gw");
    begin(w, &d, 1);
    address_book_done(w->book, KIND_SERVICE, S("shop"), S("gw-postern"), ADDRESS_FOREIGN, S(""), S("taken"),
                      w->now_us);
    unsigned writes = w->writes;
    uint64_t again = work(w);
    assert_string_equal(last_told(w), "shop/gw: lacks 1 NoResources");
    assert_int_equal(w->writes, writes);
    w->now_us = again; /* it is asked for again */
    work(w);
    assert_int_equal(w->writes, writes + 1);
}

/* Who leads before it knows which Gateways there are takes nothing away. */
static void test_nothing_goes_before_a_demand(void **state) {
    struct world *w = *state;
    struct address_demand d = demand("shop", "gw");
    address_book_seen(w->book, KIND_SERVICE, S("shop"), S("gw-postern"), S("u"), S("1"),
                      S("{\"spec\":{\"ports\":[{\"port\":80,\"protocol\":\"TCP\",\"targetPort\":12345}]}}"),
                      S(""));
    address_book_synced(w->book);
    address_book_lead(w->book, true);
    work(w);
    assert_false(address_book_ready(w->book));
    assert_int_equal(w->writes, 0);
    address_book_demand(w->book, &d, 1);
    work(w);
    assert_int_equal(w->removals, 0);
    assert_int_equal(target_port(w, "gw-postern", "80"), 12345);
}

static void test_only_the_leader_writes(void **state) {
    struct world *w = *state;
    struct address_demand d = demand("shop", "gw");
    address_book_demand(w->book, &d, 1);
    address_book_lead(w->book, true);
    work(w);
    assert_int_equal(w->writes, 0); /* not all is known yet */
    address_book_lead(w->book, false);
    address_book_synced(w->book);
    work(w);
    assert_int_equal(w->writes, 0);
    assert_string_equal(last_told(w), "shop/gw: Pending");
}

/* What is not accepted any more keeps what it has; a new one gets nothing. */
static void test_not_accepted(void **state) {
    struct world *w = *state;
    struct address_demand d[] = {demand("shop", "gw"), demand("shop", "new")};
    d[1].accepted = false;
    begin(w, d, 2);
    assert_int_equal(w->writes, 2);
    echo(w);
    d[0].accepted = false, d[0].ports_n = 0;
    address_book_demand(w->book, d, 2);
    work(w);
    assert_int_equal(w->writes, 2);
}

static void test_drift_is_mended(void **state) {
    struct world *w = *state;
    struct address_demand d = demand("shop", "gw");
    begin(w, &d, 1);
    echo(w);
    char wanted[8192];
    struct stored *s = stored(w, KIND_SERVICE, "gw-postern");
    memcpy(wanted, s->json, sizeof wanted);
    memcpy(strstr(s->json, "LoadBalancer"), "XoadBalancer", 12);
    echo(w);
    assert_int_equal(w->writes, 3);
    assert_string_equal(s->json, wanted);
    struct address_pod pods[] = {{S("10.0.0.1"), S("node-a"), S(""), false, true, true},
                                 {S("2001:db8::1"), S("node-b"), S(""), true, true, false}};
    echo(w);
    address_book_pods(w->book, pods, 2);
    work(w);
    assert_true(says(w, KIND_ENDPOINT_SLICE, "gw-postern-ipv4",
                     "\"ready\":false,\"serving\":true,\"terminating\":true"));
    assert_true(says(w, KIND_ENDPOINT_SLICE, "gw-postern-ipv6", "\"addresses\":[\"2001:db8::1\"]"));
}

/* The server tells of a write before it answers it, and meanwhile pods have changed: that does not wait for anything. */
static void test_a_change_during_a_write(void **state) {
    struct world *w = *state;
    struct address_demand d = demand("shop", "gw");
    struct address_pod pods[] = {{S("10.0.0.1"), S("node-a"), S(""), true, true, false},
                                 {S("10.0.0.2"), S("node-a"), S(""), false, false, false}};
    begin(w, &d, 1);
    echo(w);
    address_book_pods(w->book, pods, 2);
    work(w);
    assert_int_equal(w->writes, 3);
    pods[1].ready = pods[1].serving = true;
    address_book_pods(w->book, pods, 2);
    work(w);
    assert_int_equal(w->writes, 3); /* one at a time */
    struct stored *s = stored(w, KIND_ENDPOINT_SLICE, "gw-postern-ipv4");
    address_book_seen(w->book, KIND_ENDPOINT_SLICE, S("shop"), S("gw-postern-ipv4"), S("u"), S("50"),
                      str_of(s->json), S(""));
    work(w);
    address_book_done(w->book, KIND_ENDPOINT_SLICE, S("shop"), S("gw-postern-ipv4"), ADDRESS_WRITTEN, S("50"),
                      S(""), w->now_us);
    work(w);
    assert_int_equal(w->writes, 4);
    assert_null(strstr(s->json, "false,\"serving\""));
    /* the same with the answer first */
    pods[0].ready = false, pods[0].terminating = true;
    address_book_done(w->book, KIND_ENDPOINT_SLICE, S("shop"), S("gw-postern-ipv4"), ADDRESS_WRITTEN, S("51"),
                      S(""), w->now_us);
    address_book_pods(w->book, pods, 2);
    work(w);
    assert_int_equal(w->writes, 5);
    address_book_pods(w->book, pods + 1, 1);
    work(w);
    address_book_done(w->book, KIND_ENDPOINT_SLICE, S("shop"), S("gw-postern-ipv4"), ADDRESS_WRITTEN, S("52"),
                      S(""), w->now_us);
    w->now_us += SECOND_US; /* that is the pace */
    work(w);
    assert_int_equal(w->writes, 6);
}

/* A pod that is to end goes when the server has an EndpointSlice that names another as ready, and not it. */
static void test_leaving(void **state) {
    struct world *w = *state;
    struct address_demand d = demand("shop", "gw");
    struct address_pod pods[] = {{S("10.0.0.1"), S("node-a"), S(""), true, true, false},
                                 {S("10.0.0.2"), S("node-a"), S(""), false, false, false}};
    str us = S("10.0.0.1"), stranger = S("10.0.0.9");
    assert_true(address_leave_may(w->book, &us, 1)); /* nothing names it */
    begin(w, &d, 1);
    assert_true(address_leave_may(w->book, &us, 1)); /* nor has the server taken it */
    echo(w);
    assert_false(address_leave_may(w->book, &us, 1));
    assert_true(address_leave_may(w->book, &stranger, 1));
    pods[0].ready = false, pods[0].terminating = true;
    address_book_pods(w->book, pods, 2);
    work(w);
    echo(w);
    assert_false(address_leave_may(w->book, &us, 1)); /* nobody else would answer */
    pods[1].ready = pods[1].serving = true;
    address_book_pods(w->book, pods, 2);
    work(w);
    assert_false(address_leave_may(w->book, &us, 1));
    echo(w);
    assert_true(address_leave_may(w->book, &us, 1));
}

static void test_names_that_fit(void **state) {
    struct world *w = *state;
    char name[254];
    memset(name, 'g', 253);
    name[0] = '1', name[100] = '.', name[253] = 0;
    struct address_demand d[] = {demand("a", name), demand("b", "a.b"), demand("c", "a-b")};
    begin(w, d, 3);
    assert_int_equal(w->n, 6);
    for (unsigned i = 0; i < w->n; i++) {
        if (w->all[i].kind != KIND_SERVICE) continue;
        size_t n = strlen(w->all[i].name);
        assert_true(n <= 63 && w->all[i].name[0] >= 'a');
        assert_null(strchr(w->all[i].name, '.'));
        for (unsigned k = 0; k < i; k++) assert_string_not_equal(w->all[i].name, w->all[k].name);
        const char *label = strstr(w->all[i].json, "gateway-name\":\"") + strlen("gateway-name\":\"");
        assert_true(strchr(label, '"') - label <= 63);
    }
}

int main(void) {
#define BOOK_TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        BOOK_TEST(test_a_service_and_its_slice),
        BOOK_TEST(test_ports_are_apart_and_stay),
        BOOK_TEST(test_a_port_that_two_have),
        BOOK_TEST(test_no_address_comes),
        BOOK_TEST(test_static_addresses),
        BOOK_TEST(test_several_addresses),
        BOOK_TEST(test_other_types),
        BOOK_TEST(test_inner_addresses),
        BOOK_TEST(test_inner_beside_outer),
        BOOK_TEST(test_inner_of_the_nodes),
        BOOK_TEST(test_a_stranger_has_the_name),
        BOOK_TEST(test_only_the_leader_writes),
        BOOK_TEST(test_nothing_goes_before_a_demand),
        BOOK_TEST(test_not_accepted),
        BOOK_TEST(test_drift_is_mended),
        BOOK_TEST(test_a_change_during_a_write),
        BOOK_TEST(test_leaving),
        BOOK_TEST(test_names_that_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
