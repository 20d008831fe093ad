# SPDX-License-Identifier: Apache-2.0
"""ExternalAuth over gRPC: a real gRPC server is asked by Envoy's ext_authz protocol, and its word holds."""
import hashlib
import os
import threading
import time

from cases.backend_tls import Authority, bundle, policy
from client import Connection
from harness import Process, case, equal, eventually, holds
from manifests import documents, gateway, gateway_class, headers, listener, path, route, rule, service

SCRIPT = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), 'authz_server.py')


def server(t, *pair):
    """A server's port."""
    port = t.port()
    p = Process(t, ['/usr/bin/python3', SCRIPT, str(port), *pair], 'authz.log')
    def up():
        assert p.alive(), p.text()
        return 'serving' in p.text()
    eventually(up, 'the authorization server serves', 30)
    t.authz = p
    return port


def auth(names=None, name='auth', **more):
    grpc = {'allowedHeaders': names} if names else {}
    return {'type': 'ExternalAuth', 'externalAuth': {'protocol': 'GRPC', 'backendRef': {'name': name, 'port': 80}, 'grpc': grpc, **more}}


def serve(t, *rules, args=('--workers', '1')):
    t.b = t.backend('b')
    return t.serve(gateway(), service('auth', server(t)), service('b', t.b.port), route(*(rules or (rule('b', filters=[auth()]),))), args=args)


def told(s, target='/told', **more):
    a = s.ask(target, **more)
    equal((a.status, a.get('X-Served-By')), (200, None), a)
    return a.json()


def fields_of(http):
    return {h['key']: h.get('value', '') for h in http['headers']}


@case
def grpc_auth_told(t):
    """Is the server told method, path, host, scheme, protocol, addresses, size, id, and all fields, in lower case and joined, what is no UTF-8 mended?"""
    s = serve(t)
    a = told(s, '/told?q=1', host='a.example', headers={'X-One': '1', 'x-one': '2', 'X-Request-Id': 'id-7', 'Connection': 'x-hop', 'X-Hop': '1', 'X-Bin': 'a\xffb'})
    body, a = a.get('body'), a['attributes']
    http = a['request']['http']
    equal([http.get(k) for k in ('method', 'path', 'host', 'scheme', 'protocol', 'size', 'id')] + [body], ['GET', '/told?q=1', 'a.example', 'http', 'HTTP/1.1', None, 'id-7', None])
    f = fields_of(http)
    equal([f.get(k) for k in ('x-one', 'x-bin', 'x-hop', ':method', ':path', ':authority', ':scheme', 'host')],
          ['1,2', 'a\ufffdb', None, 'GET', '/told?q=1', 'a.example', 'http', 'a.example'])
    equal(a['source']['address']['socket_address']['address'], '127.0.0.1')
    equal(a['destination']['address']['socket_address'], {'address': '127.0.0.1', 'port_value': s.port[80]})
    assert abs(int(a['request']['time']['seconds']) - time.time()) < 60
    equal(told(s, method='POST', body=b'12345')['attributes']['request']['http']['size'], '5')
    equal(len(t.b.requests), 0)


@case
def grpc_auth_lists(t):
    """Are only the allowedHeaders told where there are some?"""
    s = serve(t, rule('b', filters=[auth(['X-One', ':path'])]))
    equal(fields_of(told(s, headers={'X-One': '1', 'X-Two': '2'})['attributes']['request']['http']), {'x-one': '1', ':path': '/told'})


@case
def grpc_auth_body(t):
    """Is the body told with forwardBody, text as text and other bytes as bytes, at any length within the bound, and sent on whole after it?"""
    s = serve(t, rule('b', filters=[auth(forwardBody={'maxSize': 300000})]))
    said = lambda body: [told(s, method='POST', body=body).get(k) for k in ('body', 'raw_body')]
    digest = lambda body: hashlib.sha256(body).hexdigest()
    equal(said(b''), [None, None])
    for body in (b'x', 'grün €'.encode() * 3000, b'a' * 300000):
        equal(said(body), [digest(body), None])
    for body in (b'\xff', b'a' * 50000 + b'\xe2\x82', os.urandom(200000) + b'\xff'):
        equal(said(body), [None, digest(body)])
    with Connection(s.port[80]) as c:
        c.send('POST /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n')
        equal(c.answer(informational=True).status, 100)
        c.send('5\r\nhello\r\n0\r\n\r\n')
        equal(c.answer('POST').json()['bodyBytes'], 5)
    equal(s.ask('/x', method='POST', body=b'a' * 300001).status, 413)


@case
def grpc_auth_allows(t):
    """Does an OK change the request as it says: fields set, added, removed, the query, and the response; and never Host, the path or the framing?"""
    s = serve(t, rule('b', filters=[auth(), headers('request', set={'X-After': '1'})]))
    a = s.ask('/changed?a=1&b=2&c=3&b=4', host='a.example', headers={'X-Set': 'old', 'X-Add': 'one', 'X-Absent': 'kept', 'X-If': 'was', 'X-Gone': '1', 'Authorization': 'secret'})
    equal(a.status, 200)
    b = a.json()
    f = {}
    for k, v in b['headers']:
        f.setdefault(k.lower(), []).append(v)
    equal([','.join(f.get(k, [])) for k in ('x-set', 'x-add', 'x-absent', 'x-new', 'x-if', 'x-not', 'x-gone', 'authorization', 'host', 'x-after')],
          ['new', 'one,two', 'kept', 'yes', 'replaced', '', '', '', 'a.example', '1'])
    equal((b['path'], b['query'], b['method']), ('/changed', 'a=1&b=new%20one&d=%26', 'GET'))
    equal((a.all('X-Response'), a.all('X-Served-By')), (['told'], ['auth']))
    equal(s.told('/plain')['path'], '/plain')
    equal(s.told('/plain', method='PUT', body=b'x' * 100000)['bodyBytes'], 100000)


@case
def grpc_auth_denies(t):
    """Is a refusal answered with its status, fields and body, with 403 when it names none, and hears the backend nothing?"""
    s = serve(t)
    with Connection(s.port[80]) as c:
        a = c.ask('/denied')
        equal((a.status, a.body, a.get('WWW-Authenticate'), a.all('Set-Cookie'), a.all('Content-Type'), a.get('Content-Length')),
              (401, b'who are you', 'Basic', ['a=1', 'b=2'], ['text/html'], '11'))
        equal(a.get('Transfer-Encoding'), None)
        for p, status, body in (('/denied/plain', 403, b''), ('/denied/status', 403, b'x'), ('/denied/empty', 204, b'')):
            a = c.ask(p)
            equal((a.status, a.body), (status, body), p)
        equal(c.ask('/denied', method='HEAD').status, 401)
        equal(c.ask('/fine').status, 200)
        equal(c.ask('/denied', method='POST', body=b'x' * 500000).status, 401)
    equal(len(t.b.requests), 1)
    eventually(lambda: (s.metric('postern_reasons_total', reason='auth_denied') or 0) >= 6, 'counted')


@case
def grpc_auth_fails_closed(t):
    """Does nobody pass when the call fails, its answer is broken, contradicts itself, is too long, says things that no field may say, or does not come in time?"""
    s = serve(t)
    pb = lambda n, b: bytes([n << 3 | 2, len(b)]) + b
    field = lambda k, v: pb(2, pb(1, pb(1, k) + pb(2, v)))
    ok = lambda b: pb(1, b'') + pb(3, b)
    for why, data in (('cut', b'\x0a\x05'), ('a group', b'\x0b\x0c'), ('number 0', b'\x00\x01'), ('yes and no', pb(1, b'') + pb(2, b'')), ('an error', pb(5, b'')),
                      ('a status twice', pb(1, b'') + pb(1, b'')), ('no name', ok(field(b'', b'x'))), ('a line end', ok(field(b'x-a', b'a\r\nb: c'))),
                      ('a bad name', ok(field(b'x a', b'1'))), ('a status that is a number', b'\x08\x00'), ('an unknown action', ok(pb(2, pb(1, pb(1, b'x') + pb(2, b'y')) + b'\x18\x09')))):
        a = s.ask('/raw/' + data.hex())
        equal(a.status, 503, why)
        holds(a.text(), 'auth_unavailable')
    for p in ('/rpc', '/long'):
        equal(s.ask(p).status, 503, p)
    equal(len(t.b.requests), 0)
    equal([s.ask('/raw/' + data.hex()).status for data in (b'', pb(1, b''), ok(b''), ok(field(b'x-a', b'b')), ok(b'') + pb(4, b'\x12') + b'\x98\x06\x01')], [200] * 5)
    began = time.monotonic()
    equal(s.ask('/slow', timeout=30).status, 503)
    assert time.monotonic() - began < 20
    t.authz.kill()
    equal(s.ask('/fine').status, 503)
    equal(s.ask('/fine').status, 503)


@case
def grpc_auth_of_listener(t):
    """Asked by a listener's filter over gRPC: do its fields decide the match, does its refusal come before any route, do body and query go on as it says, and does
    nobody pass when it is gone?"""
    t.b, other = t.backend('b'), t.backend('other')
    by = lambda value: [{**path('/'), 'headers': [{'name': 'X-Set', 'value': value}]}]
    entry = {**listener(), 'filters': {'requests': [auth(forwardBody={'maxSize': 1000})]}}
    s = t.serve(gateway(entry), service('auth', server(t)), service('b', t.b.port), service('other', other.port),
                route(rule('b', matches=by('new')), rule('other', matches=by('old'))), args=('--workers', '1'))
    with Connection(s.port[80]) as c:
        a = c.ask('/changed?b=1&c=2', headers={'X-Set': 'old', 'X-Gone': '1'})  # forged: as it is set, it counts
        equal((a.status, a.all('X-Response'), len(other.requests)), (200, ['told'], 0))
        told = a.json()
        f = {k.lower(): v for k, v in told['headers']}
        equal((f.get('x-set'), f.get('x-gone'), told['query']), ('new', None, 'b=new%20one&d=%26'))
        a = c.ask('/denied')
        equal((a.status, a.body, a.get('WWW-Authenticate')), (401, b'who are you', 'Basic'))
        equal(c.ask('/none').status, 404, 'let in, and no rule takes it')
        equal(c.ask('/none', headers={'X-Set': 'old'}).status, 200, 'what it does not speak of stays as it came')
        a = c.ask('/told', method='POST', body=b'abc')
        equal((a.status, a.json().get('body')), (200, hashlib.sha256(b'abc').hexdigest()))
        a = c.ask('/changed', method='POST', body=b'x' * 1000)
        equal((a.status, a.json()['bodyBytes']), (200, 1000))
        equal(c.ask('/changed', method='POST', body=b'x' * 1001).status, 413)
    equal((len(t.b.requests), len(other.requests)), (2, 1))
    t.authz.kill()
    equal((s.ask('/changed').status, s.ask('/none').status), (503, 503))


@case
def grpc_auth_tls(t):
    """Is the server reached by TLS where a BackendTLSPolicy says so, and not at all when its certificate is another's?"""
    ca = Authority(t, 'ca')
    cert, key = ca.leaf('auth', 'DNS:b.internal')
    port = server(t, key, cert)
    b = t.backend('b')
    objects = [service('b', port), service('plain', b.port), bundle('ca', ca.cert), policy()]
    s = t.serve(gateway(), route(rule('plain', filters=[auth(name='b')])), *objects, args=('--workers', '1'))
    equal([s.ask('/fine').status, s.ask('/denied').status], [200, 401])
    other = Authority(t, 'other')
    t.put('main.yaml', documents(gateway_class(), gateway(), route(rule('plain', filters=[auth(name='b')])), service('b', port),
                                                         service('plain', b.port), bundle('ca', other.cert), policy()))
    eventually(lambda: s.ask('/fine').status == 503, 'nobody passes by a stranger')


@case
def grpc_auth_many(t):
    """Are many questions at once asked on few connections, and each answered by its own?"""
    s = serve(t)
    with Connection(s.port[80]) as c:
        for _ in range(30):
            equal((c.ask('/fine').status, c.ask('/denied').status), (200, 401))
    wrong = []
    def ask(i):
        with Connection(s.port[80]) as c:
            for k in range(20):
                want = 200 if (i + k) % 2 else 401
                if c.ask('/fine' if want == 200 else '/denied').status != want:
                    wrong.append((i, k))
    asks = [threading.Thread(target=ask, args=(i,)) for i in range(20)]
    for a in asks:
        a.start()
    for a in asks:
        a.join()
    equal(wrong, [])
    out = t.run('h2load', '-n', '1000', '-c', '2', '-m', '20', f'http://127.0.0.1:{s.port[80]}/fine', timeout=60)
    holds(out, '1000 succeeded, 0 failed', '1000 2xx')
