# SPDX-License-Identifier: Apache-2.0
"""metrics_parse.py FORM FILE: reads a page of metrics with prometheus_client's parser (Debian's python3-prometheus-client); prints each sample as JSON."""
import json
import sys

from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as prometheus

seen = set()
for family in {'openmetrics': openmetrics, 'prometheus': prometheus}[sys.argv[1]](open(sys.argv[2]).read()):
    assert family.documentation and family.type in ('counter', 'gauge', 'histogram'), family
    for s in family.samples:
        key = (s.name, *sorted(s.labels.items()))
        assert key not in seen, key
        seen.add(key)
        print(json.dumps([family.name, family.type, s.name, s.labels, s.value]))
