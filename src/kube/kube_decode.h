/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "api/api.h"
#include "kube/kube_watch.h"

/* One object of the API server as ours. What a later version of Kubernetes or of the CRDs has and we do not know is passed over
 * and told as a finding; where passing it over would let more through than the object says (in matches, grants, what may
 * attach, who is trusted), the object is refused. Of Kubernetes' own kinds unknown fields are none of our business.
 * group_version: "gateway.networking.k8s.io/v1", for items of lists, which do not say it.
 * *ret: packed; NULL with findings when it was refused. scratch may be reset afterwards. */
void kube_decode(struct arena *scratch, enum api_kind kind, str group_version, const struct kube_item *i,
                 struct findings *f, struct object **ret);
