/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "api/object.h"
#include "base/ip.h"
#include "schema/finding.h"

/* What a folder that belongs to a tenant may say: objects of some kinds, in one namespace, with endpoints that reach nobody else's. What it may
 * not is a finding that tells the tenant what to write instead, and nothing of what others have. */
struct node;
struct tenant {
    char *ns;
    char *real;                   /* where its folder really lies; NULL: it is not there */
    const struct ip_net *allowed; /* --tenant-endpoints */
    size_t allowed_n;
    struct ip *own; /* this machine's addresses */
    size_t own_n;
};
/* Before a document's object is decoded: its kind, and its namespace, which is filled in when not given. false: refused, as f tells. */
bool tenant_admit(struct arena *a, const struct tenant *t, struct node *doc, struct findings *f);
/* Once decoded: its age is not its own to tell, and endpoints that it may not reach are taken out of it, as f tells. */
void tenant_limit(const struct tenant *t, const struct node *doc, struct object *o, struct findings *f);
/* What kind of address it is that no tenant may reach ("loopback"), or NULL. */
const char *tenant_address_refused(const struct tenant *t, str address);
