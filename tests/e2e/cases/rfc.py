# SPDX-License-Identifier: Apache-2.0
"""What the RFCs ask of an intermediary and only a whole gateway can show; docs/rfc.md says which test is for what."""
import socket
import ssl

from cases.backend_tls import Authority, bundle, policy
from client import Connection, Cut
from harness import case, equal, eventually
from manifests import gateway, route, rule, service, thing


def values(told, name):
    return [v for k, v in told['headers'] if k.lower() == name.lower()]


@case
def rfc_max_forwards(t):
    """Is Max-Forwards of OPTIONS and TRACE one less for the backend, the gateway's own to answer at 0, and nothing to other methods?"""
    s = t.simple()
    for method in ('OPTIONS', 'TRACE'):
        equal(values(s.told('/', method=method, headers={'Max-Forwards': '10'}), 'Max-Forwards'), ['9'])
        equal(values(s.told('/', method=method, headers={'Max-Forwards': '1'}), 'Max-Forwards'), ['0'])
        equal(values(s.told('/', method=method), 'Max-Forwards'), [])
        equal(values(s.told('/', method=method, headers={'Max-Forwards': 'many'}), 'Max-Forwards'), ['many'])
    equal(values(s.told('/', headers={'Max-Forwards': '0'}), 'Max-Forwards'), ['0'])
    before = len(t.b.requests)
    equal([s.ask('/', method=m, headers={'Max-Forwards': '0'}).status for m in ('OPTIONS', 'TRACE')], [200, 501])
    equal(s.ask('*', method='OPTIONS').status, 200)
    equal(len(t.b.requests), before)


@case
def rfc_via(t):
    """With the setting, do requests and responses get Via behind what they had, by the version each came in, and is a request that has come back refused?"""
    said = []

    def handler(stream, r):
        stream.body(r)
        said.append([v for k, v in r.fields if k.lower() == 'via'])
        stream.answer(200, [('Via', '1.1 inner')] if r.target == '/inner' else [])
        return True
    b = t.backend('b', handler)
    t.put('edge.yaml', thing('ConfigMap', 'edge', version='v1', data={'via': 'edge-1'}))
    g = gateway()
    g['spec']['infrastructure'] = {'parametersRef': {'group': '', 'kind': 'ConfigMap', 'name': 'edge'}}
    s = t.serve(g, service('b', b.port), route(rule('b')))
    via = lambda a: [v for k, v in a.fields if k.lower() == 'via']
    equal((via(s.ask('/')), said.pop()), (['1.1 edge-1'], ['1.1 edge-1']))
    a = s.ask('/inner', headers={'Via': '1.0 fred, 1.1 other (edge-1)'})
    equal((via(a), said.pop()), (['1.1 inner', '1.1 edge-1'], ['1.0 fred, 1.1 other (edge-1)', '1.1 edge-1']))
    before = len(b.requests)
    a = s.ask('/', headers={'Via': '1.1 other, 1.1 EDGE-1'})
    equal((a.status, len(b.requests)), (508, before))
    s.comes_to(1, 'postern_reasons_total', reason='loop')
    t.put('edge.yaml', thing('ConfigMap', 'edge', version='v1', data={'via': 'On'}))
    eventually(lambda: via(s.ask('/')) == ['1.1 postern'], 'the usual name')
    s.everywhere()
    equal(s.ask('/', headers={'Via': '1.1 postern'}).status, 200)
    t.put('edge.yaml', thing('ConfigMap', 'edge', version='v1', data={'via': 'Off'}))
    eventually(lambda: via(s.ask('/')) == [], 'none')
    equal(said.pop(), [])


@case
def rfc_cache_fields(t):
    """Do the fields of caching and of conditions and ranges pass unchanged both ways, unknown directives, too, with the statuses that go with them?"""
    asked = {'Cache-Control': 'no-cache, max-stale=5, x-own="a, b"', 'Pragma': 'no-cache', 'If-None-Match': '"a", W/"b"', 'If-Modified-Since': 'Mon, 01 Jan 2001 00:00:00 GMT',
             'If-Match': '*', 'If-Unmodified-Since': 'Mon, 01 Jan 2001 00:00:00 GMT', 'If-Range': '"a"', 'Range': 'bytes=0-1, 5-'}
    said = [('Cache-Control', 'max-age=60, s-maxage=5, x-own="a, b"'), ('Cache-Control', 'private'), ('Age', '17'), ('Expires', '0'), ('Vary', 'Accept, X-A'), ('ETag', 'W/"b"'),
            ('Last-Modified', 'Mon, 01 Jan 2001 00:00:00 GMT'), ('Warning', '110 - "stale"'), ('Date', 'Mon, 01 Jan 2001 00:00:00 GMT')]
    got = []
    def handler(stream, r):
        stream.body(r)
        got.append({k: r.get(k.lower()) for k in asked})
        stream.answer(int(r.target[1:]), said, b'xy')
        return True
    s = t.simple(handler=handler)
    with Connection(s.port[80]) as c:
        for status in (200, 206, 304, 412, 416):
            a = c.ask(f'/{status}', headers=asked)
            equal((a.status, [(k, v) for k, v in a.fields if k in dict(said)]), (status, said))
    equal(got, [asked] * 5)


@case
def rfc_field_order(t):
    """Do fields of one name keep their order and their number, in requests, answers and trailers?"""
    def handler(stream, r):
        stream.body(r)
        got.append([(k, v) for k, v in r.fields if k.lower() in ('x-a', 'x-unknown')] + r.trailers)
        stream.send('HTTP/1.1 200 OK\r\nY-B: 2\r\nTransfer-Encoding: chunked\r\ny-b: 1\r\nY-Unknown: u\r\nY-B: 0\r\nTrailer: Z\r\n\r\n1\r\nx\r\n0\r\nZ: 2\r\nz: 1\r\n\r\n')
        return True
    got = []
    s = t.simple(handler=handler)
    with Connection(s.port[80]) as c:
        c.send('POST / HTTP/1.1\r\nHost: h\r\nX-A: 3\r\nTransfer-Encoding: chunked\r\nX-Unknown: u\r\nx-a: 1\r\nX-A: 2\r\n\r\n1\r\nx\r\n0\r\nT: 2\r\nt: 1\r\n\r\n')
        a = c.answer('POST')
    equal(got, [[('X-A', '3'), ('X-Unknown', 'u'), ('x-a', '1'), ('X-A', '2'), ('T', '2'), ('t', '1')]])
    equal([(k, v) for k, v in a.fields if k.lower() in ('y-b', 'y-unknown')], [('Y-B', '2'), ('y-b', '1'), ('Y-Unknown', 'u'), ('Y-B', '0')])
    equal(a.trailers, [('Z', '2'), ('z', '1')])


@case
def rfc_tls_cut(t):
    """Is an answer that lasts to the end of its TLS connection whole when the backend says that it ends, and cut when it does not?"""
    ca = Authority(t, 'ca')
    cert, key = ca.leaf('b', 'DNS:b.internal')
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    def handler(stream, r):
        stream.body(r)
        if r.target == '/cut':
            stream.send('HTTP/1.1 200 OK\r\n\r\nto the end')
            return False
        stream.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
        stream.send('HTTP/1.1 200 OK\r\n\r\nto the end')
        stream.sock.settimeout(0)
        try:
            stream.sock.unwrap()
        except ssl.SSLWantReadError:
            pass  # it is said, and nobody has answered yet
        stream.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 0)
        b.release.wait(30)  # the word alone ends it, in one segment with the rest
        return False
    b = t.backend(handler=handler, context=context)
    s = t.serve(gateway(), route(rule('b')), service('b', b.port), bundle('ca', ca.cert), policy())
    for _ in range(5):
        equal(s.ask('/whole').body, b'to the end')
    for _ in range(5):
        try:
            raise AssertionError(f'it looks whole: {s.ask("/cut")}')
        except (Cut, ConnectionError):
            pass


@case
def rfc_hostile_backend(t):
    """Is a backend that floods with 1xx, sends more than it said, says two lengths or a folded field answered 502 or cut, each time on a new connection?"""
    answers = {'/flood': 'HTTP/1.1 100 Continue\r\n\r\n' * 1000, '/two': 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab',
               '/both': 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n', '/fold': 'HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 0\r\n\r\n',
               '/space': 'HTTP/1.1 200 OK\r\nContent-Length : 0\r\n\r\n', '/nul': 'HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 0\r\n\r\n',
               '/head': 'HTTP/1.1 200 OK\r\nX: ' + 'x' * 200000}
    def handler(stream, r):
        stream.body(r)
        if r.target == '/more':
            stream.send('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nX-Evil: 1\r\nContent-Length: 4\r\n\r\nevil')
        else:
            stream.send(answers[r.target])
        return True
    s = t.simple(handler=handler, args=('--workers', '1'))
    with Connection(s.port[80]) as c:
        for p in answers:
            equal((p, c.ask(p).status), (p, 502))
        for _ in range(5):  # what is behind an answer is nobody's
            a = c.ask('/more')
            equal((a.status, a.body, a.get('X-Evil')), (200, b'ok', None))
