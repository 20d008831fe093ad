# SPDX-License-Identifier: Apache-2.0
"""XBackendTrafficPolicy: how many of a backend's requests may be retries."""
from harness import case, equal, eventually
from manifests import gateway, gateway_class, listener, route, rule, service, thing


def policy(percent=0, count=1, interval='1h', name='p', target='b'):
    spec = {'targetRefs': [{'group': '', 'kind': 'Service', 'name': target}],
            'retryConstraint': {'budget': {'percent': percent, 'interval': '1h'}, 'minRetryRate': {'count': count, 'interval': interval}}}
    return thing('XBackendTrafficPolicy', name, spec, version='gateway.networking.x-k8s.io/v1alpha1')


def always_500(stream, r):
    stream.body(r)
    stream.answer(500, [], b'no', r.method)
    return True


def objects(t, *more, gw=None):
    tries = rule('b', retry={'codes': [500], 'attempts': 1, 'backoff': '1ms'})
    return [gw or gateway(), route(tries), service('b', t.b.port), *more]


def reasons(s, n):
    """What n requests come to: "500" of the backend, or a reason of ours."""
    out = []
    for _ in range(n):
        a = s.ask()
        out.append('500' if a.status == 500 else a.text().split(': ')[1])
    return out


@case
def retry_budget_in_any_case(t):
    """Are there as many retries as minRetryRate says, for all workers together, and 503 past that, told by record and metrics?"""
    t.b = t.backend('b', always_500)
    s = t.serve(*objects(t, policy(count=5)), args=('--access-log', 'json'), ports=(80, 81))
    equal(sorted(reasons(s, 20)), ['500'] * 5 + ['retry_budget'] * 15)
    equal(len(t.b.requests), 25)
    s.comes_to(15, 'postern_retries_stopped_total', why='budget')
    s.comes_to(15, 'postern_reasons_total', reason='retry_budget')
    eventually(lambda: s.text().count('"retry_stop":"budget"') == 15, 'the access records say so')
    # a port is opened once every worker goes by the table that has it
    t.put('main.yaml', gateway_class(), *objects(t, gw=gateway(listener(), listener(81))))
    eventually(lambda: s.ask(port=81).status == 500, 'the policy is gone')
    equal(set(reasons(s, 20)), {'500'})


@case
def retry_budget_share(t):
    """Is it a share of the requests: none while few were sent, and never more than the share?"""
    t.b = t.backend('b', always_500)
    s = t.serve(*objects(t, policy(percent=20, count=1)))
    got = reasons(s, 200)
    retries = len(t.b.requests) - 200
    equal(got.count('500'), retries)
    assert 30 <= retries <= 51, retries  # a fifth of what goes out, each worker by what it has sent
    s.comes_to(retries, 'postern_retries_total')
