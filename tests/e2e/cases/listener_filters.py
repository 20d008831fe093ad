# SPDX-License-Identifier: Apache-2.0
"""Filters of listeners: who they ask before a request is matched, what their word does to the match, and who never gets as far."""
import json

import wsocket
from backends import waiting
from cases.http2 import curl, tls_curl
from client import Connection
from harness import case, equal, eventually, holds
from manifests import documents, gateway, gateway_class, listener, path, route, rule, secret, service, thing

TENANTS = {'token-a': 'a', 'token-b': 'b'}


def auth(name='auth', namespace=None, **more):
    to = {'name': name, 'port': 80, **({'namespace': namespace} if namespace else {})}
    return {'type': 'ExternalAuth', 'externalAuth': {'protocol': 'HTTP', 'backendRef': to, 'http': {}, **more}}


def filtered(entry, *filters):
    return {**entry, 'filters': {'requests': list(filters)}}


def judge(stream, r):
    """Tells whose token it is; who has none is sent to log in."""
    stream.body(r)
    tenant = TENANTS.get(r.get('authorization'))
    if tenant:
        stream.answer(200, [('X-Tenant', tenant), ('Host', 'evil.test'), ('X-Seen', r.get('x-step') or '-')], b'welcome')
    else:
        stream.answer(401, [('WWW-Authenticate', 'Bearer'), ('X-Why', 'no token')], b'log in', r.method)
    return True


def tenant(name):
    return {**path('/'), 'headers': [{'name': 'X-Tenant', 'value': name}]}


def tenants():
    """Rules that go by a field which nobody but the authorization server is to say."""
    return [rule('a', matches=[tenant('a')]), rule('b', matches=[tenant('b')])]


def serve(t, *objects, listeners=None, rules=None, handler=judge, **more):
    t.auth, t.a, t.b = t.backend('auth', handler), t.backend('a'), t.backend('b')
    return t.serve(gateway(*(listeners or [filtered(listener(), auth())])), *(service(x.name, x.port) for x in (t.auth, t.a, t.b)),
                   route(*(rules or tenants())), *objects, **more)


def token(name, **more):
    return {'Authorization': f'token-{name}', 'X-Tenant': 'forged', **more}


def value(told, name):
    return [v for k, v in told['headers'] if k.lower() == name.lower()]


@case
def listener_filter_routes(t):
    """Is a request matched by the fields that the authorization server gave it, not by those it came with, over HTTP/1.1, HTTP/2 and TLS?"""
    cert = t.certificate('c', 'c.example')
    s = serve(t, secret('c', *cert), listeners=[filtered(listener(), auth()), filtered(listener(443, 'tls', 'HTTPS', 'c.example', ['c']), auth())],
              ports=(80, 443), args=('--access-log', 'json'))
    for name in 'ab':
        told = s.told('/x?y', headers=token(name), host='a.example', method='POST', body=b'12345')
        equal((told['backend'] if 'backend' in told else name, value(told, 'x-tenant'), value(told, 'host'), told['bodyBytes']), (name, [name], ['a.example'], 5))
        told = json.loads(curl(t, s, '-H', f'Authorization: token-{name}', '-H', 'X-Tenant: forged'))
        equal(value(told, 'x-tenant'), [name])
        for version in ('--http1.1', '--http2'):
            told = json.loads(tls_curl(t, s, 'c.example', cert[0], version, '-H', f'Authorization: token-{name}', port=443))
            equal((value(told, 'x-tenant'), value(told, 'host')), ([name], ['c.example']))
    equal((len(t.a.requests), len(t.b.requests), len(t.auth.requests)), (4, 4, 8))
    q = t.auth.requests[0]
    equal((q.method, q.target, q.get('host'), q.get('content-length'), q.get('x-tenant')), ('POST', '/x?y', 'a.example', '0', None))

    def logged():
        lines = [json.loads(x) for x in s.text().splitlines() if x.startswith('{')]
        return [x for x in lines if x.get('path') == '/x' and x.get('route') == 'HTTPRoute/default/r' and x.get('auth_us', 0) > 0]
    eventually(lambda: len(logged()) == 2, 'logged with the route and the time of the question')


@case
def listener_filter_refuses(t):
    """Is the refusal of a listener's server the client's, whole, before any route is looked for, and is who was let in told 404 where none is?"""
    s = serve(t, rules=[rule('a', matches=[path('/a')])], args=('--access-log', 'json'))
    with Connection(s.port[80]) as c:
        for target in ('/a', '/none'):
            a = c.ask(target)
            equal((a.status, a.get('X-Why'), a.get('WWW-Authenticate'), a.body), (401, 'no token', 'Bearer', b'log in'))
        equal(c.ask('/none', headers=token('a')).status, 404)
        equal(c.ask('/a', headers=token('a')).status, 200)
        equal(c.ask('/a', method='POST', body=b'x' * 300000).status, 401)
    equal(curl(t, s, '-o', '/dev/null', '-w', '%{http_version} %{http_code}', path='/none'), '2 401')
    equal(len(t.a.requests), 1)
    eventually(lambda: s.metric('postern_reasons_total', reason='auth_denied') == 4, 'counted')

    def logged():
        lines = [json.loads(x) for x in s.text().splitlines() if x.startswith('{')]
        return [(x.get('path'), x.get('route')) for x in lines if x.get('reason') == 'auth_denied']
    eventually(lambda: len(logged()) == 4, 'logged')
    equal({r for _, r in logged()}, {None}, 'no route was found')


@case
def listener_filter_order(t):
    """Are several asked in their order, each told what those before it said, is the match by the last word, and does a refusal end it?"""
    def saying(name):
        def handler(stream, r):
            stream.body(r)
            stream.answer(403 if r.get('x-deny') == name else 200, [('X-Step', name), (f'X-After-{name}', r.get('x-step') or 'none')], name.encode())
            return True
        return handler
    one, two, a, b = t.backend('one', saying('one')), t.backend('two', saying('two')), t.backend('a'), t.backend('b')
    told = {'http': {'allowedHeaders': ['x-deny', 'x-step']}}
    step = lambda name: {**path('/'), 'headers': [{'name': 'X-Step', 'value': name}]}
    pair = [auth('one', **told), auth('two', **told)]
    s = t.serve(gateway(filtered(listener(hostname='x.example', name='x'), *pair), filtered(listener(hostname='y.example', name='y'), *reversed(pair)),
                        filtered(listener(hostname='z.example', name='z'), pair[0], pair[1], pair[0])),
                *(service(x.name, x.port) for x in (one, two, a, b)), route(rule('a', matches=[step('one')]), rule('b', matches=[step('two')])))
    for host, last, seen in (('x.example', b, {'x-after-one': ['none'], 'x-after-two': ['one']}), ('y.example', a, {'x-after-two': ['none'], 'x-after-one': ['two']}),
                             ('z.example', a, {'x-after-two': ['one'], 'x-after-one': ['two']})):
        before = len(last.requests)
        told = s.told(host=host)
        equal((len(last.requests), {k: value(told, k) for k in seen}), (before + 1, seen))
    asked = len(two.requests)
    equal((s.ask(host='x.example', headers={'X-Deny': 'one'}).body, len(two.requests)), (b'one', asked))
    equal((s.ask(host='x.example', headers={'X-Deny': 'two'}).body, len(two.requests)), (b'two', asked + 1))


@case
def listener_filter_fails_closed(t):
    """Does nobody pass a listener whose server is away, breaks off, is unknown or does not answer, and is one beside it on the port untouched?"""
    held = []
    slow = t.backend('slow', waiting(held))
    held.append(slow)
    names = ('away', 'empty', 'absent', 'slow')
    s = serve(t, service('away', t.port()), service('empty'), service('slow', slow.port), rules=[rule('b')],
              listeners=[listener(name='open', hostname='open.example'), *(filtered(listener(name=n, hostname=f'{n}.example'), auth(n)) for n in names)])
    equal([s.ask(host=f'{n}.example', timeout=30).status for n in names], [503, 503, 500, 503])
    equal(s.ask('/none', host='absent.example').status, 500)
    equal(len(t.b.requests), 0)
    equal((s.ask(host='open.example').status, len(t.auth.requests)), (200, 0))
    eventually(lambda: s.metric('postern_reasons_total', reason='auth_unavailable') == 3, 'counted')
    holds(s.page('/status').text(), 'InvalidListenerFilterRef', 'filters.requests[0].externalAuth.backendRef: Service default/absent does not exist')


@case
def listener_filter_and_rules(t):
    """Are a listener's filter and a rule's both asked, and does either get the body whole, whatever its length and the protocol?"""
    def tell(stream, r):
        stream.body(r)
        stream.answer(200, [('X-Length', r.get('content-length'))])
        return True
    first, second, b = t.backend('first', tell), t.backend('second', tell), t.backend('b')
    most = {'forwardBody': {'maxSize': 2000000}}
    lists = [(auth('first'), auth('second', **most)), (auth('first', **most), auth('second')), (auth('first', **most), auth('second', **most))]
    s = t.serve(gateway(*(filtered(listener(name=f'l{i}', hostname=f'l{i}.example'), l[0]) for i, l in enumerate(lists))),
                *(service(x.name, x.port) for x in (first, second, b)),
                *(route(rule('b', filters=[l[1]]), name=f'r{i}', hostnames=[f'l{i}.example']) for i, l in enumerate(lists)))
    for n in (0, 5, 1000000):
        file = t.file(f'body{n}')
        with open(file, 'wb') as f:
            f.write(b'z' * n)
        for i, l in enumerate(lists):
            lengths = [str(n) if 'forwardBody' in x['externalAuth'] else '0' for x in l]
            for protocol in ('--http1.1', '--http2-prior-knowledge'):
                told = json.loads(t.run('curl', '-sS', '--max-time', '20', protocol, '-H', f'Host: l{i}.example', '-H', 'Expect:', '--data-binary', f'@{file}',
                                        f'http://127.0.0.1:{s.port[80]}/'))
                equal((told['bodyBytes'], [x.requests[-1].get('content-length') for x in (first, second)]), (n, lengths), f'{n} {i} {protocol}')
    equal((len(first.requests), len(second.requests), len(b.requests)), (18, 18, 18))


@case
def listener_filter_websocket(t):
    """Is a WebSocket asked for before it is opened, and refused to whom the server refuses?"""
    e = wsocket.EchoServer(t)
    b = service('ws', e.port)
    b[0]['spec']['ports'][0]['appProtocol'] = 'kubernetes.io/ws'
    s = serve(t, b, rules=[rule('ws', matches=[tenant('a')])], args=('--drain', '1'))

    async def talk():
        async with wsocket.connect(s.port[80], '/chat', extra_headers={'Authorization': 'token-a'}) as ws:
            await ws.send('hello')
            equal(await ws.recv(), 'hello')
    wsocket.run(talk())
    ask = {'Connection': 'Upgrade', 'Upgrade': 'websocket', 'Sec-WebSocket-Version': '13', 'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ=='}
    equal([s.ask('/chat', headers={**ask, **h}).status for h in ({}, token('b'))], [401, 404])


@case
def listener_filter_set(t):
    """Do listeners of a ListenerSet ask whom they name, by a grant of the set, and those of its Gateway not?"""
    g = gateway(listener(name='own', hostname='own.example'))
    g['spec']['allowedListeners'] = {'namespaces': {'from': 'Same'}}
    t.auth, t.b = t.backend('auth', judge), t.backend('b')
    grant = lambda kind: thing('ReferenceGrant', 'auth', {'from': [{'group': 'gateway.networking.k8s.io', 'kind': kind, 'namespace': 'default'}],
                                                          'to': [{'group': '', 'kind': 'Service'}]}, version='gateway.networking.k8s.io/v1beta1', namespace='far')
    entries = thing('ListenerSet', 'set', {'parentRef': {'name': 'gw'}, 'listeners': [filtered(listener(name='more', hostname='more.example'), auth(namespace='far'))]})
    s = t.serve(g, entries, grant('Gateway'), service('auth', t.auth.port, namespace='far'), service('b', t.b.port),
                route(rule('b'), parents=({'name': 'gw'}, {'kind': 'ListenerSet', 'name': 'set'})))
    equal([s.ask(host=h, headers=token('a')).status for h in ('own.example', 'more.example')], [200, 500])
    t.put('grant.yaml', grant('ListenerSet') | {'metadata': {'name': 'set', 'namespace': 'far'}})
    eventually(lambda: s.ask(host='more.example', headers=token('a')).status == 200, 'granted')
    s.everywhere()
    equal([s.ask(host=h).status for h in ('own.example', 'more.example')], [200, 401])


@case
def listener_filter_explained(t):
    """Do explain and diff tell of a listener's filters, and does explain match by what one gives it?"""
    s = serve(t)
    explain = lambda *o: t.run(t.binary, 'explain', '--admin', f'127.0.0.1:{s.admin_port}', *o, 'GET', 'http://a.example/', status=None)
    holds(explain(), 'filters', 'default/auth:80', 'no_route', '-H')
    holds(explain('-H', 'X-Tenant: b'), 'HTTPRoute/default/r', 'default/b:80')
    told = json.loads(explain('-o', 'json'))
    holds(told['listener']['filters'][0], 'default/auth:80')
    before = t.file('before.yaml')
    objects = [*(service(x.name, x.port) for x in (t.auth, t.a, t.b)), route(rule('a'))]
    after = t.file('after.yaml')
    for name, g in ((before, gateway()), (after, gateway(filtered(listener(), auth())))):
        with open(name, 'w') as f:
            f.write(documents(gateway_class(), g, *objects))
    holds(t.run(t.binary, 'diff', before, after, status=None), 'default/auth:80', 'default/a:80')


@case
def listener_filter_changes(t):
    """Is no request lost or let past while the list of a listener's filters becomes another one, again and again?"""
    def answer(stream, r):
        stream.body(r)
        stream.answer(200, [('X-Tenant', 'a')])
        return True
    s = serve(t, rules=[rule('a')], handler=answer)
    load = t.load(s.port[80])
    for i in range(20):
        n = i % 3
        t.put('main.yaml', gateway_class(),
              gateway(filtered(listener(), *[auth(http={'path': f'/{i}'})] * n)), *(service(x.name, x.port) for x in (t.auth, t.a, t.b)), route(rule('a')))
        if n:
            eventually(lambda: any(q.target.startswith(f'/{i}/') for q in t.auth.requests[-50:]), 'asked by the new list')
    load.unharmed()
