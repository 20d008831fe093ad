# SPDX-License-Identifier: Apache-2.0
"""What an operator sees: pages, logs, and the commands beside `serve`."""
import json
import signal

from harness import Process, case, equal, eventually, holds
from manifests import gateway, gateway_class, headers, listener, path, redirect, route, rule, secret, service, thing


@case
def health_pages(t):
    """Do /healthz and /readyz answer 200, / tell the pages, an unknown page 404, and a POST not harm?"""
    s = t.simple()
    equal([s.page(p).status for p in ('/healthz', '/readyz', '/none')], [200, 200, 404])
    holds(s.page('/').text(), '/metrics', '/status', '/plan', '/table')


@case
def metrics(t):
    """Do the metrics count what was asked, by class and reason, and is their text well formed?"""
    b = t.backend()
    s = t.serve(gateway(), service('b', b.port), route(rule('b', matches=[path('/a')])))
    for target in ('/a', '/a', '/a/status', '/none'):
        s.ask(target)
    counts = lambda: (s.metric('postern_requests_total'), s.metric('postern_responses_total', **{'class': '2xx'}),
                      s.metric('postern_responses_total', **{'class': '4xx'}), s.metric('postern_reasons_total', reason='no_route'))
    eventually(lambda: counts() == (4, 3, 1, 1), 'four requests, each counted as what it was')
    a = s.page('/metrics')
    holds(a.get('content-type'), 'text/plain')
    told = set()
    for line in a.text().splitlines():
        if line.startswith('# TYPE '):
            assert line.split()[2] not in told, f'twice: {line}'
            told.add(line.split()[2])
        elif not line.startswith('#'):
            name, value = line.split('{')[0].split(' ')[0], line.rsplit(' ', 1)[1]
            float(value)
            base = name
            for end in ('_bucket', '_sum', '_count'):
                base = base.removesuffix(end) if base not in told else base
            assert base in told, f'no TYPE before {line}'


@case
def no_secret_shown(t):
    """Is a private key shown by no page, no log, no command?"""
    import base64
    cert, key = t.certificate('k', 'example.com')
    s = t.simple(secret('k', cert, key), gateway(listener(443, 's', 'HTTPS', None, ['k']), name='gw2'), ports=(80, 443), args=('--log-level', 'debug', '--access-log', 'json'))
    s.ask()
    pem = open(key).read()
    lines = [x for x in pem.splitlines() if x and '-----' not in x]
    b64 = base64.b64encode(pem.encode()).decode()
    needles = lines + [b64[i:i + 40] for i in range(0, len(b64) - 40, 40)]
    shown = {p: s.page(p).text() for p in ('/plan', '/table', '/status', '/metrics', '/explain?method=GET&url=https://example.com/')}
    shown['log'] = s.text()
    shown['status'] = t.run(t.binary, 'status', '--admin', f'127.0.0.1:{s.admin_port}', '-o', 'yaml')
    shown['check'] = t.run(t.binary, 'check', t.manifests, status=None)
    holds(shown['/plan'], 'ertificate')
    for where, text in shown.items():
        for n in needles:
            assert n not in text, f'{where} shows the key'
        assert 'PRIVATE KEY' not in text, f'{where} shows the key'


@case
def access_log_json(t):
    """Is each request one line of JSON that tells where it went?"""
    b = t.backend()
    s = t.serve(gateway(), service('b', b.port), route(rule('b', matches=[path('/a')])), args=('--access-log', 'json'))
    s.ask('/a/x?q="1', headers={'User-Agent': 'tester'})
    s.ask('/none')
    lines = lambda: [json.loads(x) for x in s.text().splitlines() if x.startswith('{')]
    # each worker has its own queue of lines: two connections may be told in either order
    one, two = sorted(eventually(lambda: len(lines()) == 2 and lines(), 'two lines'), key=lambda line: line['path'])
    equal((one['method'], one['path'], one['query'], one['status'], one['authority'], one['gateway'], one['route'], one['rule'], one['backend'], one['user_agent']),
          ('GET', '/a/x', '?q="1' if one['query'].startswith('?') else 'q="1', 200, 'example.com', 'default/gw', 'HTTPRoute/default/r', 0, 'default/b:80', 'tester'))
    equal((two['status'], two['reason'], two['route']), (404, 'no_route', None))
    assert one['bytes_out'] > 0 and one['total_us'] >= 0


@case
def access_log_text(t):
    """Is the text form a common log line that quotes what it must?"""
    s = t.simple(args=('--access-log', 'text'))
    s.ask('/t', headers={'User-Agent': 'a "quoted" \\ agent'})
    line = eventually(lambda: next((x for x in s.text().splitlines() if '"GET /t' in x), None), 'the line')
    assert line.startswith('127.0.0.1 - - ['), line
    holds(line, '" 200 ')
    assert 'a "quoted"' not in line, line


@case
def plan_and_table(t):
    """Do /plan (JSON) and /table (text) show the route?"""
    s = t.simple()
    json.loads(s.page('/plan').body)
    holds(s.page('/plan').text(), 'HTTPRoute')
    holds(s.page('/table').text(), 'default/r')


@case
def check_command(t):
    """Does `check` find nothing in what is right, and name file, line and field of what is wrong?"""
    t.put('good.yaml', gateway_class(), gateway(), service('b', 80), route(rule('b')))
    holds(t.run(t.binary, 'check', t.manifests), 'nothing wrong')
    t.put('bad.yaml', '''apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata:
  name: bad
spec:
  parentRefs:
  - name: gw
  rules:
  - matches:
    - path:
        type: Prefix
        value: nope
    bakendRefs: []
''')
    out = t.run(t.binary, 'check', t.manifests, status=1)
    holds(out, 'bad.yaml:11', 'bad.yaml:13', 'bakendRefs', 'PathPrefix')
    for how in (('--format', 'github'), ('-o', 'github')):
        holds(t.run(t.binary, 'check', t.manifests, *how, status=1), '::error file=', 'bad.yaml,line=13,col=5::')
    found = json.loads(t.run(t.binary, 'check', '-o', 'json', t.manifests, status=1))
    assert found
    holds(t.run(t.binary, 'check', '-o', 'github', t.manifests, status=1), '::error', 'line=13')
    t.run(t.binary, 'check', t.file('none'), status=2)


@case
def status_command(t):
    """Does `status` show the tree of objects and the problems first, and -o json what Kubernetes would?"""
    s = t.simple(route(rule('absent'), name='broken'))
    admin = ('--admin', f'127.0.0.1:{s.admin_port}')
    out = t.run(t.binary, 'status', *admin)
    holds(out, 'GatewayClass postern', 'Gateway default/gw', 'HTTPRoute default/r', 'HTTPRoute default/broken', 'BackendNotFound', 'Problems')
    assert out.index('BackendNotFound') < out.index('GatewayClass postern'), out
    items = json.loads(t.run(t.binary, 'status', *admin, '-o', 'json'))['items']
    gw = next(i for i in items if i['kind'] == 'Gateway')
    conditions = {c['type']: c['status'] for c in gw['status']['conditions']}
    equal((conditions['Accepted'], conditions['Programmed'], gw['status']['listeners'][0]['attachedRoutes']), ('True', 'True', 2))
    broken = next(i for i in items if i['metadata']['name'] == 'broken')
    equal({c['type']: c['reason'] for c in broken['status']['parents'][0]['conditions']}['ResolvedRefs'], 'BackendNotFound')
    holds(t.run(t.binary, 'status', *admin, 'httproute/broken'), 'BackendNotFound')
    holds(t.run(t.binary, 'status', *admin, 'httproute/broken'), 'asks ', 'why not ', 'do ')
    holds(out, 'backend default/b:80  endpoints: 1')
    t.run(t.binary, 'status', *admin, 'httproute/none', status=1)
    watch = Process(t, [t.binary, 'status', *admin, '--watch', 'httproute'], 'watch.log')
    eventually(lambda: 'default/broken' in watch.text(), 'the first picture')
    t.put('more.yaml', route(rule('absent'), name='later'))
    eventually(lambda: 'default/later' in watch.text(), 'a new picture')
    equal(watch.end(signal.SIGINT), 0)
    s.stop()
    t.run(t.binary, 'status', *admin, status=1)


@case
def explain_command(t):
    """Does `explain` say what then happens: route, backend, redirect, 404; asked live and from files?"""
    b = t.backend()
    s = t.serve(gateway(), service('b', b.port), route(rule('b', matches=[path('/a')], filters=[headers('request', set={'X-Env': 'prod'})]),
                                                       rule(matches=[path('/r')], filters=[redirect(scheme='https', statusCode=301)])))
    admin = ('--admin', f'127.0.0.1:{s.admin_port}')
    for more in (admin, ('-f', t.manifests)):
        explain = lambda url, *o, status=0: t.run(t.binary, 'explain', *more, *o, 'GET', url, status=status)
        holds(explain('http://example.com/a/x'), 'HTTPRoute/default/r', 'default/b:80', 'X-Env', str(b.port))
        holds(explain('http://example.com/r'), '301', 'https://example.com/r')
        holds(t.run(t.binary, 'explain', *more, 'GET', 'http://example.com/none', status=None), '404', 'no_route')
        json.loads(explain('http://example.com/a', '-o', 'json'))


@case
def used_wrongly(t):
    """Does wrong use end with status 2 and say what would be right?"""
    holds(t.run(t.binary, 'srve', status=2), 'serve')
    holds(t.run(t.binary, 'serve', '--acess-log', 'off', status=2), 'access-log')
    t.run(t.binary, 'serve', status=2)
    holds(t.run(t.binary, 'serve', '-f', t.manifests, '--map-port', '80', status=2), 'map-port')
    holds(t.run(t.binary, '--help'), 'serve', 'check', 'explain')
    holds(t.run(t.binary, 'version'), 'postern')


@case
def admin_is_robust(t):
    """Do broken requests to the admin address harm nothing?"""
    from client import Connection
    s = t.simple()
    for data in (b'\0' * 100, b'GET /metrics\r\n\r\n', b'GET ' + b'x' * 200_000, b'POST /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\nx'):
        with Connection(s.admin_port) as c:
            try:
                c.send(data)
                c.sock.settimeout(2)
                c.more()
            except OSError:
                pass
    equal(s.page('/healthz').status, 200)


@case
def unknown_class_is_left_alone(t):
    """Is a Gateway of another controller's class left alone?"""
    s = t.simple(thing('GatewayClass', 'other', {'controllerName': 'example.com/other'}, namespace=None),
                 {**gateway(listener(8080), name='theirs'), 'spec': {'gatewayClassName': 'other', 'listeners': [listener(8080)]}}, ports=(80, 8080))
    import socket
    with socket.socket() as k:
        assert k.connect_ex(('127.0.0.1', s.port[8080])) != 0, 'it listens for a Gateway that is not ours'
    assert 'theirs' not in t.run(t.binary, 'status', '--admin', f'127.0.0.1:{s.admin_port}'), 'it tells of it'
