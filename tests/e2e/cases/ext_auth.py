# SPDX-License-Identifier: Apache-2.0
"""ExternalAuth over HTTP: what the authorization server is asked, what its answer does, and that nobody passes whom it did not let in."""
import time

from backends import waiting
from client import Connection
from harness import case, equal, eventually
from manifests import documents, gateway, headers, path, ref, route, rule, service


def auth(name='auth', **more):
    return {'type': 'ExternalAuth', 'externalAuth': {'protocol': 'HTTP', 'backendRef': {'name': name, 'port': 80}, 'http': {}, **more}}


def judge(stream, r):
    """An authorization server that goes by the request's own Authorization."""
    stream.body(r)
    told = r.get('authorization')
    if told == 'good':
        stream.answer(200, [('X-User', 'ann'), ('X-Role', 'a'), ('X-Role', 'b'), ('Host', 'evil.test'), ('Content-Type', 'text/own')], b'welcome')
    elif told == 'moved':
        stream.answer(302, [('Location', 'https://login.test/'), ('Set-Cookie', 'a=b')], b'log in')
    elif told == 'broken':
        stream.send('HTTP/1.1 2')
        return False
    elif told == 'teapot':
        stream.answer(204, [('X-Why', 'not 200')])
    else:
        stream.answer(403, [('X-Why', 'bad'), ('WWW-Authenticate', 'Basic realm="x"')], b'no entry', r.method)
    return True


def serve(t, *rules, **more):
    t.a, t.b = t.backend('auth', judge), t.backend('b')
    return t.serve(gateway(), service('auth', t.a.port), service('b', t.b.port), route(*(rules or (rule('b', filters=[auth()]),))), **more)


GOOD, BAD = {'Authorization': 'good', 'X-User': 'forged', 'X-Other': '1'}, {'Authorization': 'bad'}


def values(r, name):
    return [v for k, v in (r.fields if hasattr(r, 'fields') else r['headers']) if k.lower() == name.lower()]


@case
def auth_allows(t):
    """Does 200 let a request in with the answer's fields, which replace the client's, and is the question the request without its body?"""
    s = serve(t)
    told = s.told('/a/b?c=d', method='POST', body=b'12345', headers=GOOD, host='a.example')
    equal((values(told, 'X-User'), ','.join(values(told, 'X-Role')), values(told, 'Host'), values(told, 'X-Other'), values(told, 'Content-Type'), told['bodyBytes']),
          (['ann'], 'a,b', ['a.example'], ['1'], [], 5))
    q = t.a.requests[0]
    equal((q.method, q.target, q.get('host'), q.get('authorization'), q.get('content-length'), q.body_n, q.get('x-other'), q.get('x-user')),
          ('POST', '/a/b?c=d', 'a.example', 'good', '0', 0, None, None))


@case
def auth_denies(t):
    """Is any answer but 200 the client's, whole, and hears the backend nothing?"""
    s = serve(t)
    with Connection(s.port[80]) as c:
        a = c.ask(headers=BAD)
        equal((a.status, a.get('X-Why'), a.get('WWW-Authenticate'), a.body), (403, 'bad', 'Basic realm="x"', b'no entry'))
        a = c.ask(headers={'Authorization': 'moved'})
        equal((a.status, a.get('Location'), a.get('Set-Cookie'), a.body), (302, 'https://login.test/', 'a=b', b'log in'))
        equal(c.ask(headers={'Authorization': 'teapot'}).status, 204)
        equal(c.ask(method='HEAD', headers=BAD).status, 403)
        equal(c.ask(headers=GOOD).status, 200)
        a = c.ask(method='POST', body=b'x' * 500000, headers=BAD)  # an answer before the body was taken
        equal((a.status, a.body), (403, b'no entry'))
    equal(len(t.b.requests), 1)


@case
def auth_lists(t):
    """Do path, allowedHeaders and allowedResponseHeaders say what is asked and what is taken over?"""
    s = serve(t, rule('b', filters=[auth(http={'path': '/check', 'allowedHeaders': ['X-Other', 'X-Forwarded-For'], 'allowedResponseHeaders': ['x-role']})]))
    told = s.told('/a?b', headers=GOOD)
    equal((values(told, 'X-User'), ','.join(values(told, 'X-Role'))), (['forged'], 'a,b'))
    q = t.a.requests[0]
    equal((q.target, q.get('x-other'), q.get('x-forwarded-for'), q.get('authorization'), q.get('x-user')), ('/check/a?b', '1', '127.0.0.1', 'good', None))


@case
def auth_body(t):
    """With forwardBody, is the server told the whole body first, by length, and the backend after it, and is a longer one 413 without a question?"""
    s = serve(t, rule('b', filters=[auth(forwardBody={'maxSize': 100000})]))
    body = bytes(range(250)) * 400
    for chunked in (False, True):
        with Connection(s.port[80]) as c:
            framing = 'Transfer-Encoding: chunked' if chunked else f'Content-Length: {len(body)}'
            c.send(f'POST / HTTP/1.1\r\nHost: h\r\nAuthorization: good\r\nExpect: 100-continue\r\n{framing}\r\n\r\n')
            equal(c.answer(informational=True).status, 100)
            c.send(f'{len(body):x}\r\n'.encode() + body + b'\r\n0\r\n\r\n' if chunked else body)
            a = c.answer('POST')
        equal((a.status, a.json()['bodyBytes']), (200, len(body)))
        q = t.a.requests[-1]
        equal((q.get('content-length'), q.body_hash.hexdigest()), (str(len(body)), a.json()['bodyHash']))
    asked = len(t.a.requests)
    equal(s.ask(method='POST', headers=GOOD, body=body + b'x').status, 413)
    with Connection(s.port[80]) as c:
        c.send(b'POST / HTTP/1.1\r\nHost: h\r\nAuthorization: good\r\nTransfer-Encoding: chunked\r\n\r\n186a1\r\n' + body + b'x\r\n0\r\n\r\n')
        equal(c.answer('POST').status, 413)
    equal((len(t.a.requests), len(t.b.requests)), (asked, 2))


@case
def auth_fails_closed(t):
    """Does nobody pass when the server is away, breaks off, has no endpoint, does not exist, or does not answer in time?"""
    held = []
    slow = t.backend('slow', waiting(held))
    held.append(slow)
    s = serve(t, *(rule('b', matches=[path('/' + n)], filters=[auth(n)]) for n in ('away', 'empty', 'absent', 'slow')), rule('b', filters=[auth()]))
    s.adopts(lambda: t.put('more.yaml', documents(service('away', t.port()), service('empty'), service('slow', slow.port))))
    equal([s.ask(p, headers=GOOD).status for p in ('/away', '/empty', '/absent')], [503, 503, 500])
    equal(s.ask(headers={'Authorization': 'broken'}).status, 503)
    began = time.monotonic()
    equal(s.ask('/slow', timeout=30).status, 503)
    assert 4.5 < time.monotonic() - began < 20
    equal(len(t.b.requests), 0)
    equal(s.ask(headers=GOOD).status, 200)
    eventually(lambda: (s.metric('postern_reasons_total', reason='auth_unavailable') or 0) == 4, 'counted')


@case
def auth_in_order(t):
    """Are several servers asked in order, the rule's before the backendRef's, before other filters, and does the first refusal end it?"""
    def saying(name):
        def handler(stream, r):
            stream.body(r)
            stream.answer(403 if r.get('x-deny') == name else 200, [('X-Asked', name), ('X-Seen', r.get('x-asked') or '-')], name.encode())
            return True
        return handler
    one, two, three, b = (t.backend(n, saying(n) if n != 'b' else None) for n in ('one', 'two', 'three', 'b'))
    told = {'http': {'allowedHeaders': ['x-deny', 'x-asked', 'x-set']}}
    s = t.serve(gateway(), *(service(x.name, x.port) for x in (one, two, three, b)), route(
        rule(ref('b', filters=[auth('three', **told)]), filters=[headers('request', set={'X-Set': '1'}), auth('one', **told), auth('two', **told)])))
    told = s.told()
    equal((values(told, 'x-asked'), values(told, 'x-seen'), values(told, 'x-set')), (['three'], ['two'], ['1']))
    equal([x.requests[0].get('x-set') for x in (one, two, three)], [None] * 3)
    for name, asked in (('one', [2, 1, 1]), ('two', [3, 2, 1]), ('three', [4, 3, 2])):
        a = s.ask(headers={'X-Deny': name})
        equal((a.status, a.body, [len(x.requests) for x in (one, two, three)]), (403, name.encode(), asked))
    equal(len(b.requests), 1)


@case
def auth_keeps_connections(t):
    """Is one connection to the server used for all, and does one that the server closed cost nothing?"""
    s = serve(t, args=('--workers', '1'))
    with Connection(s.port[80]) as c:
        for _ in range(50):
            equal(c.ask(headers=GOOD).status, 200)
    assert t.a.connections <= 2, t.a.connections
    closing = t.backend('closing', lambda stream, r: judge(stream, r) and False)
    s.adopts(lambda: t.put('more.yaml', documents(service('closing', closing.port), route(rule('b', matches=[path('/closing')], filters=[auth('closing')]), name='c'))))
    with Connection(s.port[80]) as c:
        equal([c.ask('/closing', headers=GOOD).status for _ in range(30)], [200] * 30)
