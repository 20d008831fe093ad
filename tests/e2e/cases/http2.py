# SPDX-License-Identifier: Apache-2.0
"""HTTP/2 in front: curl, nghttp and h2load as clients, and frames by hand where those are too polite."""
import hashlib
import json
import os
import re
import signal
import threading

from client import trusting
from cases.settings import named_class, settings
from frames import CANCEL, DATA, END_STREAM, ENHANCE_YOUR_CALM, GOAWAY, HEADERS, NO_ERROR, RST_STREAM, Frames
from harness import Process, case, equal, eventually, holds
from manifests import gateway, listener, route, rule, secret, service


def curl(t, s, *options, port=80, path='/', status=0):
    """curl by HTTP/2 with prior knowledge; what it prints."""
    return t.run('curl', '-sS', '--max-time', '20', '--http2-prior-knowledge', *options, f'http://127.0.0.1:{s.port[port]}{path}', status=status)


def tls_curl(t, s, host, cert, *options, path='/', port=443):
    return t.run('curl', '-sS', '--max-time', '20', '--cacert', cert, '--connect-to', f'{host}:443:127.0.0.1:{s.port[port]}', *options, f'https://{host}{path}')


@case
def h2_prior_knowledge(t):
    """Is a plain listener's port spoken to by HTTP/2 at once, and by HTTP/1.1 as ever?"""
    s = t.simple()
    told = json.loads(curl(t, s, '-H', 'X-A: b', path='/x?y=1'))
    equal((told['method'], told['path'], told['query']), ('GET', '/x', 'y=1'))
    fields = {k.lower(): v for k, v in told['headers']}
    equal((fields['x-a'], fields['host'], fields['x-forwarded-proto']), ('b', f'127.0.0.1:{s.port[80]}', 'http'))
    equal(s.ask().status, 200)
    equal(curl(t, s, '-o', '/dev/null', '-w', '%{http_version} %{http_code}'), '2 200')


@case
def h2_alpn(t):
    """Is h2 chosen by ALPN when the client has it, http/1.1 when it has not, and does each authority of the listener work on one connection?"""
    cert = t.certificate('a', 'a.example.com')
    b = t.backend('a')
    s = t.serve(gateway(listener(443, 'a', 'HTTPS', 'a.example.com', ['a'])), secret('a', *cert), service('a', b.port), route(rule('a')), ports=(443,))
    show = ('-o', '/dev/null', '-w', '%{http_version} %{http_code} %{num_connects}\n')
    equal(tls_curl(t, s, 'a.example.com', cert[0], '--http2', *show), '2 200 1\n')
    equal(tls_curl(t, s, 'a.example.com', cert[0], '--http1.1', *show), '1.1 200 1\n')
    for version in ('--tlsv1.3', '--tls-max'):
        equal(tls_curl(t, s, 'a.example.com', cert[0], '--http2', version, *(('1.2',) if version == '--tls-max' else ()), *show), '2 200 1\n')


@case
def h2_misdirected(t):
    """Is a request for another listener's host than the TLS server name said answered 421, and the next on that connection served?"""
    certs = {n: t.certificate(n, f'{n}.example.com') for n in 'ab'}
    backends = [service(n, t.backend(n).port) for n in 'ab']
    s = t.serve(gateway(*(listener(443, n, 'HTTPS', f'{n}.example.com', [n]) for n in 'ab')), *(secret(n, *certs[n]) for n in 'ab'), *backends,
                *(route(rule(n), name=n, hostnames=[f'{n}.example.com']) for n in 'ab'), ports=(443,))
    c = Frames(t, s.port[443], tls=trusting(certs['a'][0], alpn=['h2']), sni='a.example.com')
    equal([c.status(c.ask(authority=f'{h}.example.com')) for h in 'aba'], [200, 421, 200])


@case
def h2_many_streams(t):
    """Do thousands of requests go by a few connections of a hundred streams each, all answered?"""
    s = t.simple()
    out = t.run('h2load', '-n', '5000', '-c', '4', '-m', '100', f'http://127.0.0.1:{s.port[80]}/', timeout=60)
    holds(out, '5000 succeeded, 0 failed, 0 errored', '5000 2xx')
    s.comes_to(0, 'postern_requests_open')


@case
def h2_bodies_both_ways(t):
    """Do large bodies arrive whole in both directions, with lengths and without?"""
    def handler(stream, r):
        stream.body(r)
        data = bytes(range(256)) * 40000
        stream.answer(200, [('X-Hash', r.body_hash.hexdigest()), ('X-Bytes', str(r.body_n))], data)
        return True
    s = t.simple(handler=handler)
    sent, got, head = t.file('sent'), t.file('got'), t.file('head')
    blob = os.urandom(9 << 20)
    with open(sent, 'wb') as f:
        f.write(blob)
    for options in (('--data-binary', '@' + sent), ('-T', '-', '-X', 'POST')):
        if options[0] == '-T':
            t.run('sh', '-c', f'curl -sS --max-time 60 --http2-prior-knowledge -T - -X POST -D {head} -o {got} http://127.0.0.1:{s.port[80]}/ < {sent}', timeout=90)
        else:
            curl(t, s, *options, '-D', head, '-o', got)
        text = open(head).read()
        holds(text, f'x-hash: {hashlib.sha256(blob).hexdigest()}', f'x-bytes: {len(blob)}')
        equal(open(got, 'rb').read() == bytes(range(256)) * 40000, True, 'the body that came back')


@case
def h2_slow_reader_stops_no_other(t):
    """Does a client that reads nothing of one stream get the others of that connection, and the whole of the first one later?"""
    size = 4 << 20
    s = t.simple(handler=lambda stream, r: stream.answer(200, [], b'x' * (size if r.target == '/large' else 10)) or True)
    c = Frames(t, s.port[80], window=1 << 30)
    large = c.ask('/large')
    for _ in range(50):
        small = c.ask('/small')
        equal((c.status(small), len(c.body(small))), (200, 10))
    got = len(c.body_so_far(large))
    assert got <= 65535, got
    c.window(large, size)
    equal(len(c.body(large)), size)


@case
def h2_slow_backend_stops_no_other(t):
    """Does an upload that the backend does not read stop at its window, and no other stream with it?"""
    go = threading.Event()
    t.finally_(go.set)

    def handler(stream, r):
        if r.target == '/stuck':
            go.wait(30)
        stream.body(r)
        stream.answer(200, [], str(r.body_n).encode())
        return True
    s = t.simple(handler=handler)
    c = Frames(t, s.port[80])
    stuck = c.ask('/stuck', method='POST', end=False)
    sent = 0
    while (room := c.room(stuck)) or not c.quiet():
        c.data(stuck, b'x' * min(room, 16384))
        sent += min(room, 16384)
        assert sent < 64 << 20, 'there is no end to what is taken'
    for _ in range(20):
        other = c.ask('/other', method='POST', end=False)
        c.data(other, b'abc', end=True)
        equal((c.status(other), c.body(other)), (200, b'3'))
    go.set()
    c.data(stuck, b'', end=True)
    equal((c.status(stuck), c.body(stuck)), (200, str(sent).encode()))


@case
def h2_trailers(t):
    """Do trailers pass in both directions?"""
    def handler(stream, r):
        stream.body(r)
        stream.send('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n2\r\nok\r\n0\r\nX-Sum: %s\r\n\r\n' % dict(r.trailers).get('x-in'))
        return True
    s = t.simple(handler=handler)
    c = Frames(t, s.port[80])
    n = c.ask('/', method='POST', end=False, more=[('te', 'trailers')])
    c.data(n, b'abc')
    c.headers(n, [('x-in', 'seven')], end=True)
    equal((c.status(n), c.body(n)), (200, b'ok'))
    heads = [f for f in c.of(n) if f.type == HEADERS]
    equal(len(heads), 2)
    assert heads[1].flags & END_STREAM
    body = t.file('body')
    with open(body, 'w') as f:
        f.write('abc')
    out = t.run('nghttp', '-v', '--no-content-length', '-H', 'te: trailers', '-d', body, '--trailer', 'x-in: eight', f'http://127.0.0.1:{s.port[80]}/')
    holds(out, 'x-sum: eight')


@case
def h2_early_answer(t):
    """Is a client that still sends stopped once its request was answered?"""
    s = t.serve(gateway(), ready=True)
    c = Frames(t, s.port[80])
    n = c.ask('/', method='POST', end=False)
    equal(c.status(n), 404)
    f = c.wait(lambda f: f.type == RST_STREAM and f.stream == n)
    equal(f.number(), NO_ERROR)
    equal(c.status(c.ask('/')), 404)


@case
def h2_cancel_reaches_the_backend(t):
    """Does a stream that the client resets end its request at the backend, and none of the others?"""
    gone = threading.Event()

    def handler(stream, r):
        if r.target == '/cancelled':
            stream.send('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n')
            if not stream.line():
                gone.set()
            return False
        stream.answer(200, [], b'ok')
        return True
    s = t.simple(handler=handler)
    c = Frames(t, s.port[80])
    n = c.ask('/cancelled')
    c.wait(lambda f: f.type == DATA and f.stream == n)
    c.reset(n, CANCEL)
    assert gone.wait(10), 'the backend was not told'
    equal(c.status(c.ask('/')), 200)


@case
def h2_rapid_reset(t):
    """Is a client that opens and resets streams without end told to calm down, while others are served?"""
    s = t.simple()
    c = Frames(t, s.port[80])
    try:
        for _ in range(2000):
            c.reset(c.ask('/'), CANCEL)
        f = c.wait(lambda f: f.type == GOAWAY)
        equal(f.number(4), ENHANCE_YOUR_CALM)
    except (ConnectionError, BrokenPipeError):
        pass  # it was closed on us while we were at it
    equal(s.ask().status, 200)
    eventually(lambda: s.metric('postern_requests_open') == 0, 'nothing is left of them')
    eventually(lambda: s.metric('postern_connections_open') <= 2, 'the connection is closed')


@case
def h2_backend_cut(t):
    """Does a response that ends too early reset its stream, so that it never looks complete?"""
    s = t.simple(handler=lambda stream, r: stream.send('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc') and False)
    c = Frames(t, s.port[80])
    n = c.ask('/')
    f = c.wait(lambda f: f.stream == n and (f.type == RST_STREAM or f.flags & END_STREAM))
    equal(f.type, RST_STREAM)
    out = curl(t, s, '-o', '/dev/null', status=None)
    holds(out, 'curl: (')


@case
def h2_head_too_large(t):
    """Is a head over the limit answered 431 on its stream, and the connection kept?"""
    s = t.simple()
    c = Frames(t, s.port[80])
    n = c.ask('/', more=[('x', 'y' * 16000), ('z', 'y' * 17000)])
    equal(c.status(n), 431)
    equal(c.status(c.ask('/')), 200)


@case
def h2_smuggling(t):
    """Is what would be another request by HTTP/1.1 refused, before the backend sees anything of it?"""
    s = t.simple()
    c = Frames(t, s.port[80])
    good = [(':method', 'POST'), (':scheme', 'http'), (':authority', 'a'), (':path', '/')]
    bad = [
        [*good[:3], (':path', '/ HTTP/1.1\r\nHost: b\r\n\r\nGET /admin')],
        [*good[:2], (':authority', 'a\r\nx: y'), good[3]],
        [(':method', 'GET / HTTP/1.1\r\nx: y\r\n\r\nGET'), *good[1:]],
        [*good, ('x', 'a\r\n\r\nGET /admin HTTP/1.1')],
        [*good, ('x\r\ny', 'a')],
        [*good, ('x: y', 'a')],
        [*good, ('transfer-encoding', 'chunked')],
        [*good, ('content-length', '5'), ('content-length', '6')],
        [*good, ('content-length', '0, 5')],
        [*good, ('connection', 'x')],
        [*good, ('host', 'b')],
        [*good, (':path', '/x')],
    ]
    for fields in bad:
        n = c.next()
        c.headers(n, fields, end=False)
        try:
            c.data(n, b'hello', end=True)
            f = c.wait(lambda f: f.stream == n and f.type in (HEADERS, RST_STREAM))
        except (ConnectionError, BrokenPipeError):
            raise AssertionError(f'the connection was closed for {fields}')
        assert f.type == RST_STREAM or c.status(n) == 400, (fields, f)
    # less and more than the length said
    for length, body in (('5', b'abc'), ('2', b'abc')):
        n = c.next()
        c.headers(n, [*good, ('content-length', length)], end=False)
        c.data(n, body, end=True)
        c.wait(lambda f: f.stream == n and f.type == RST_STREAM)
    n = c.ask('/last')
    equal(c.status(n), 200)
    equal(json.loads(c.body(n))['path'], '/last')
    equal([r.target for r in t.b.requests if r.target not in ('/', '/last')], [])


@case
def h2_term(t):
    """Does SIGTERM end an idle connection by GOAWAY and let a stream that runs come to its end?"""
    handler, go = t.held('/slow')
    s = t.simple(handler=handler)
    idle, busy = Frames(t, s.port[80]), Frames(t, s.port[80])
    equal(idle.status(idle.ask('/')), 200)
    slow = busy.ask('/slow')
    eventually(lambda: s.metric('postern_requests_open') == 1, 'the slow one is under way')
    s.p.send_signal(signal.SIGTERM)
    first = idle.wait(lambda f: f.type == GOAWAY)
    equal((first.number(), first.number(4)), (0x7fffffff, NO_ERROR))
    last = idle.wait(lambda f: f.type == GOAWAY and f.number() != 0x7fffffff)
    equal((last.number(), last.number(4)), (1, NO_ERROR))
    assert idle.ended(), 'a resting connection is still open'
    busy.wait(lambda f: f.type == GOAWAY and f.number() == slow)
    go.set()
    equal((busy.status(slow), busy.body(slow)), (200, b'done'))
    assert busy.ended()
    equal(s.p.wait(10), 0)


@case
def h2_term_under_load(t):
    """Does SIGTERM under load fail no stream that was begun?"""
    s = t.simple()
    out = t.file('h2load.txt')
    load = Process(t, ['h2load', '-D', '20', '-c', '4', '-m', '20', f'http://127.0.0.1:{s.port[80]}/'], 'h2load.txt')
    eventually(lambda: s.metric('postern_requests_total') > 2000, 'load', 20)
    s.p.send_signal(signal.SIGTERM)
    equal(s.p.wait(20), 0)
    load.end(signal.SIGTERM)
    text = open(out).read()
    m = re.search(r'(\d+) total, (\d+) started, (\d+) done, (\d+) succeeded', text)
    if m:  # what was answered was answered well
        equal(m[3], m[4], text)


@case
def h2_idle(t):
    """Is a client without a stream told by GOAWAY before it is left?"""
    b = t.backend()
    t.put('class.yaml', named_class(), settings(timeouts_idle='1s'))
    t.put('rest.yaml', gateway(), route(rule('b')), service('b', b.port))
    s = t.serve()
    c = Frames(t, s.port[80])
    n = c.ask('/')
    equal(c.status(n), 200)
    c.wait(lambda f: f.type == GOAWAY and f.number() == 0x7fffffff)
    equal(c.wait(lambda f: f.type == GOAWAY and f.number() != 0x7fffffff).number(), n)
    assert c.ended()


@case
def h2_curl_asks_for_upgrade(t):
    """Does curl --http2 without TLS, which asks by Upgrade: h2c, get its answer by HTTP/1.1, and the backend nothing of it?"""
    s = t.simple()
    out = t.run('curl', '-sS', '--max-time', '20', '--http2', '-w', '\n%{http_version} %{http_code}', f'http://127.0.0.1:{s.port[80]}/x')
    told, shown = out.rsplit('\n', 1)
    equal(shown, '1.1 200')
    fields = {k.lower() for k, v in json.loads(told)['headers']}
    assert not fields & {'upgrade', 'http2-settings'}, fields


@case
def h2_curl_parallel(t):
    """Do curl's parallel transfers share one connection over TLS, uploads and downloads at once?"""
    cert = t.certificate('a', 'a.example.com')
    b = t.backend('a')
    s = t.serve(gateway(listener(443, 'a', 'HTTPS', 'a.example.com', ['a'])), secret('a', *cert), service('a', b.port), route(rule('a')), ports=(443,))
    file = t.file('up')
    with open(file, 'wb') as f:
        f.write(os.urandom(3 << 20))
    urls = [x for i in range(20) for x in ('-o', '/dev/null', f'https://a.example.com/{i}')]
    out = t.run('curl', '-sS', '--max-time', '60', '--http2', '--parallel', '--cacert', cert[0], '--connect-to', f'a.example.com:443:127.0.0.1:{s.port[443]}',
                '--data-binary', f'@{file}', '-w', '%{http_version} %{http_code} %{num_connects}\n', *urls, timeout=90)
    lines = re.findall(r'^2 200 \d+$', out, re.M)  # among what it shows of its progress
    equal(len(lines), 20, out)
    assert sum(int(x.split()[2]) for x in lines) <= 2, out


@case
def h2_nghttp_priorities(t):
    """Does nghttp, with its own tree of priorities, windows of its own and padding, get everything whole?"""
    s = t.simple(handler=lambda stream, r: stream.body(r) or stream.answer(200, [], r.target.encode() * 20000) or True)
    urls = [f'http://127.0.0.1:{s.port[80]}/{i}' for i in range(10)]
    out = t.run('nghttp', '-s', '-n', '-m', '3', '-w', '14', '-W', '20', '--expect-continue', '-b', '16', *urls, timeout=60)
    equal(out.count(' 200 '), 30, out)


@case
def h2_h2load_posts(t):
    """Does h2load get an answer to each of many POSTs with bodies, over TLS, from many connections?"""
    cert = t.certificate('a', 'localhost')
    b = t.backend('a')
    file = t.file('body')
    with open(file, 'wb') as f:
        f.write(b'b' * 20000)
    s = t.serve(gateway(listener(443, 'a', 'HTTPS', None, ['a'])), secret('a', *cert), service('a', b.port), route(rule('a')), ports=(443,))
    out = t.run('h2load', '-n', '2000', '-c', '8', '-m', '20', '-d', file, f'https://localhost:{s.port[443]}/', timeout=90)
    holds(out, 'Application protocol: h2', '2000 succeeded, 0 failed')


@case
def h2_upload_stalls(t):
    """When a backend stops reading a large upload, is what waits here bounded though the window had grown, are other streams served, and does all arrive?"""
    go = threading.Event()
    t.finally_(go.set)
    early, most = 8 << 20, 48 << 20

    def handler(stream, r):
        if r.target != '/large':
            stream.body(r)
            stream.answer(200, [], b'ok')
            return True
        stream.block(r, early)
        go.wait(30)
        stream.block(r, most - early)
        stream.answer(200, [], str(r.body_n).encode())
        return True
    s = t.simple(handler=handler, args=('--workers', '1'))
    c = Frames(t, s.port[80])
    large = c.ask('/large', method='POST', end=False, more=[('content-length', str(most))])
    sent, seen = 0, 0
    while sent < most:
        n = min(c.room(large), 16384, most - sent)
        if n:
            c.data(large, b'x' * n)
            sent += n
            seen = max(seen, c.windows[large])
        elif sent < early:
            c.more()  # the backend takes so much: there will be room
        elif c.quiet():
            break
    assert seen > 128 << 10, f'the window did not grow: {seen}'
    assert early <= sent < early + (24 << 20), sent  # with what the kernel's buffers hold
    small = c.ask('/small')
    equal((c.status(small), c.body(small)), (200, b'ok'))
    go.set()
    while sent < most:
        n = min(c.room(large), 16384, most - sent)
        if not n:
            c.more()
            continue
        c.data(large, b'x' * n, end=sent + n == most)
        sent += n
    equal((c.status(large), c.body(large)), (200, str(most).encode()))
