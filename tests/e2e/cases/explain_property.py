# SPDX-License-Identifier: Apache-2.0
"""What `explain` says against what happens: seeded random routes and requests."""
import json
import os
import random
from urllib.parse import quote

from harness import case, equal
from manifests import full_path, gateway, headers, listener, path, prefix_path, redirect, ref, rewrite, route, rule, service

HOSTS = ['a.example.com', 'b.example.com', 'x.y.example.com', 'example.com', 'a.example.org', 'other.test']
HOSTNAMES = ['a.example.com', '*.example.com', '*.y.example.com', 'a.example.org', '*.example.org', 'example.com']
SEGMENTS = ['a', 'b', 'ab', 'A', 'v1', '1']
ODD_PATHS = ['/a//b', '/a/./b', '/%61/b', '/a%2fb', '/a/../b', '/../a', '/a/', '//', '/a%zz', '/b%20c']
NAMES = ['X-Env', 'x-ring', 'X-Tag']
ORIGINS = ['https://a.test', 'http://b.test:8080', 'https://c.a.test', 'null']
VALUES = ['one', 'two', 'a b']
METHODS = ['GET', 'POST', 'DELETE']
PARAMS = ['v', 'w']
BACKENDS = 'abcde'
# of one connection, or the client's own of it
NOT_COMPARED = {'host', 'connection', 'content-length', 'transfer-encoding'}


def some_path(r, deepest=3, least=0):
    return '/' + '/'.join(r.choice(SEGMENTS) for _ in range(r.randint(least, deepest)))


def some_expression(r):
    parts = [r.choice([r.choice(SEGMENTS), '[ab]+', '(a|b)', '[^/]*', '.*', 'v[0-9]']) for _ in range(r.randint(1, 3))]
    return ('/' if r.random() < 0.8 else '.*/') + '/'.join(parts)


def some_value(r, name, expressions):
    if r.random() < 0.3:
        return {'name': name, 'type': 'RegularExpression', 'value': r.choice(expressions)}
    return {'name': name, 'value': r.choice(VALUES)}


def some_match(r, prefix=False):
    m = path(some_expression(r), 'RegularExpression') if not prefix and r.random() < 0.2 else path(some_path(r, 3, 0 if r.random() < 0.01 else 1), 'PathPrefix' if prefix else r.choice(['PathPrefix', 'PathPrefix', 'Exact']))
    if r.random() < 0.3:
        m['method'] = r.choice(METHODS)
    if r.random() < 0.3:
        m['headers'] = [some_value(r, n, ['one|two', 't.*', '[^ ]+']) for n in r.sample(NAMES, r.randint(1, 2))]
    if r.random() < 0.2:
        m['queryParams'] = [some_value(r, n, ['one|two', 'a b', '.+o.*']) for n in r.sample(PARAMS, r.randint(1, 2))]
    return m


def some_headers(r):
    names = r.sample(NAMES + ['X-New', 'X-Forwarded-Host', 'User-Agent'], 3)
    what = {}
    for name, kind in zip(names, r.sample(['set', 'add', 'remove'], r.randint(1, 3))):
        what[kind] = [name] if kind == 'remove' else {name: r.choice(VALUES)}
    return headers('request', **what)


def some_cors(r):
    what = {'allowOrigins': r.choice([['*'], [ORIGINS[0]], ['https://*.test'], ['http://*', ORIGINS[1]]])}
    for field, values in (('allowMethods', [['*'], ['PUT', 'DELETE']]), ('allowHeaders', [['*'], ['X-One', 'X-Two']]), ('exposeHeaders', [['*'], ['X-Served-By']])):
        if r.random() < 0.5:
            what[field] = r.choice(values)
    if r.random() < 0.5:
        what['allowCredentials'] = r.random() < 0.7
    return {'type': 'CORS', 'cors': what}


def some_rewrite(r):
    what = {'hostname': 'inner.test'} if r.random() < 0.5 else {}
    if not what or r.random() < 0.7:
        what['path'] = prefix_path(some_path(r, 2)) if r.random() < 0.7 else full_path(some_path(r))
    return rewrite(**what)


def some_rule(r):
    kind = r.choice(['plain', 'plain', 'headers', 'rewrite', 'both', 'redirect'])
    matches = [some_match(r, True)] if kind in ('rewrite', 'both', 'redirect') else [some_match(r) for _ in range(r.randint(1, 3))]
    if kind == 'redirect':
        what = r.choice([{'scheme': 'https', 'statusCode': 301}, {'hostname': 'to.test'}, {'port': 8443}, {'path': prefix_path('/moved')}, {'path': full_path('/there')}])
        return rule(matches=matches, filters=[redirect(**what)])
    filters = [some_headers(r)] if kind in ('headers', 'both') else []
    filters += [some_rewrite(r)] if kind in ('rewrite', 'both') else []
    filters += [some_cors(r)] if r.random() < 0.3 else []
    names = r.sample([*BACKENDS, 'none', 'empty'], r.randint(0, 3))
    own = lambda: r.choice([{'filters': [some_headers(r)]}, {'filters': [some_cors(r)]}, {}, {}, {}])
    refs = [ref(n, r.choice([None, 0, 1, 3]), **own()) for n in names]
    return rule(*refs, matches=matches, filters=filters)


def some_route(r, i):
    parents = r.choice([[{'name': 'gw'}], [{'name': 'gw', 'sectionName': r.choice(['any', 'wild', 'exact', 'second'])}], [{'name': 'gw', 'port': 80}]])
    return route(*(some_rule(r) for _ in range(r.randint(1, 4))), name=f'r{i}', hostnames=r.sample(HOSTNAMES, r.randint(0, 2)), parents=parents)


def some_request(r):
    target = r.choice(ODD_PATHS) if r.random() < 0.1 else some_path(r, 4)
    if r.random() < 0.4:
        target += '?' + '&'.join(f'{n}={quote(r.choice(VALUES))}' for n in r.sample(PARAMS, r.randint(1, 2)))
    sent = {n: r.choice(VALUES) for n in r.sample(NAMES, r.randint(0, 3))}
    if r.random() < 0.2:
        sent['X-Forwarded-For'] = '203.0.113.7'
    method = r.choice([*METHODS, 'OPTIONS'])
    if r.random() < 0.5:
        sent['Origin'] = r.choice(ORIGINS)
        if method == 'OPTIONS' or r.random() < 0.2:
            sent['Access-Control-Request-Method'] = r.choice(METHODS)
            sent.update({'Access-Control-Request-Headers': 'x-one, x-other'} if r.random() < 0.5 else {})
    return {'target': target, 'port': r.choice([80, 80, 80, 81]), 'host': r.choice(HOSTS), 'method': method, 'headers': sent}


def question(q):
    url = f'http://{q["host"]}{":81" if q["port"] == 81 else ""}{q["target"]}'
    # the port stands in the URL alone: Host is what is sent
    return url, {'Host': q['host'], **q['headers']}


def joined(pairs):
    out = {}
    for name, value in pairs:
        if name.lower() not in NOT_COMPARED:
            out[name.lower()] = f'{out[name.lower()]},{value}' if name.lower() in out else value
    return out


def expected_headers(q, sends):
    out = joined(q['headers'].items())
    for c in sends['headers']:
        if c['change'] == 'remove':
            out.pop(c['name'].lower(), None)
        else:
            out[c['name'].lower()] = c['value'].replace("the client's address", '127.0.0.1')
    return out


def of_cors(pairs):
    """What an answer says of CORS."""
    return sorted((n.lower(), v) for n, v in pairs if n.lower() == 'vary' or n.lower().startswith('access-control-'))


def compare(q, told, a):
    """told: what explain says; a: what was answered."""
    answer = told['answer']
    live = [b for b in told.get('backends', []) if b['weight']]
    says = [[(x['name'], x['value']) for x in part['says']] for part in (answer, *live) if part.get('says')] or [[]]
    chosen = [b for b in live if b.get('backend') == f'default/{a.get("X-Served-By")}:80'] if a.get('X-Served-By') else []
    if chosen and not answer.get('says'):
        says = [[(x['name'], x['value']) for x in chosen[0].get('says', [])]]
    assert of_cors(a.fields) in [of_cors(x) for x in says] + ([[]] if not a.get('X-Served-By') and not answer.get('says') else []), f'{of_cors(a.fields)} is none of {says}'
    if a.get('X-Served-By'):
        sends = [b['sends'] for b in live if b.get('backend') == f'default/{a.get("X-Served-By")}:80' and b['endpoints']]
        assert sends, f'{a} is of no backend that explain names'
        got = a.json()
        equal((got['path'], got['query'], got['host']), (sends[0]['path'], sends[0]['query'].removeprefix('?'), sends[0]['host']), 'what the backend is asked')
        equal(joined(got['headers']), expected_headers(q, sends[0]), 'header fields that the backend gets')
        equal(answer['by'], 'backend')
        return 'backend'
    if answer['by'] == 'gateway':
        equal(a.status, answer['status'], 'status')
        equal(a.get('Location'), answer.get('location'), 'Location')
        return answer['reason']
    # shares differ: one that is invalid, or that has no endpoint
    statuses = {b['answer'] for b in live if b.get('answer')} | {503 for b in live if b.get('backend') and not b['endpoints']}
    assert a.status in statuses, f'{a.status} is none of {statuses}'
    return 'share'


@case
def explain_property(t):
    """Does `explain` foretell status, backend, path, Host and header fields of 300 random requests to random routes?"""
    seed = int(os.environ.get('SEED', '8'))
    r = random.Random(seed)
    ports = {n: t.backend(n).port for n in BACKENDS}
    routes = [some_route(r, i) for i in range(14)]
    s = t.serve(gateway(listener(80, 'any'), listener(80, 'wild', hostname='*.example.com'), listener(80, 'exact', hostname='a.example.com'),
                        listener(81, 'second', hostname='*.example.com')), *(service(n, p) for n, p in ports.items()), service('empty'), *routes, ports=(80, 81))
    seen = {}
    for i in range(300):
        q = some_request(r)
        url, sent = question(q)
        fields = ''.join(f'&h={quote(f"{n}: {v}", safe="")}' for n, v in sent.items())
        page = s.page(f'/explain?method={q["method"]}&url={quote(url, safe="")}{fields}&format=json')
        equal(page.status, 200, f'seed {seed}, request {i}: {page}')
        if i % 20 == 0:
            shown = t.run(t.binary, 'explain', q['method'], url, *(x for n, v in sent.items() for x in ('-H', f'{n}: {v}')), '-o', 'json', '--admin',
                          f'127.0.0.1:{s.admin_port}')
            equal(json.loads(shown), page.json(), 'the command and the page')
        a = s.ask(q['target'], q['port'], method=q['method'], host=q['host'], headers=q['headers'])
        try:
            kind = compare(q, page.json(), a)
        except AssertionError as e:
            raise AssertionError(f'seed {seed}, request {i} {q}: {e}; explain says {page.text()}') from None
        seen[kind] = seen.get(kind, 0) + 1
    for kind in ('backend', 'redirect', 'no_route', 'bad_path', 'cors_preflight'):
        assert seen.get(kind) or 'SEED' in os.environ, f'seed {seed} never came to {kind}: {seen}'


@case
def explain_plan(t):
    """Does `explain --plan` with the page /plan tell what the instance itself tells, but for statuses?"""
    s = t.serve(gateway(), *(service(n, t.backend(n).port) for n in 'ab'), route(rule('a', matches=[path('/a')]), rule('b', matches=[path('/a', 'Exact')], filters=[headers('request', set={'X': '1'})])))
    plan = t.file('plan.json')
    for text in (s.page('/plan').text(), json.dumps(s.page('/plan').json(), indent=4)):
        with open(plan, 'w') as f:
            f.write(text)
        for url in ('http://example.com/a', 'http://example.com/a/b', 'http://example.com/c'):
            equal(t.run(t.binary, 'explain', 'GET', url, '--plan', plan), t.run(t.binary, 'explain', 'GET', url, '--admin', f'127.0.0.1:{s.admin_port}'))
    with open(plan, 'w') as f:
        f.write('{"route": [\n {"key": 1')
    assert 'line 2' in t.run(t.binary, 'explain', 'GET', 'http://x/', '--plan', plan, status=2)
