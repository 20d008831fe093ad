# SPDX-License-Identifier: Apache-2.0
"""HTTP/1.1 on both sides."""
import hashlib
import http.client
import os
import threading
import time

from client import Connection, Cut, raw
from harness import case, equal, eventually

GET = 'GET / HTTP/1.1\r\nHost: example.com\r\n'


@case
def keep_alive(t):
    """Do many requests go over one connection, on one backend connection?"""
    s = t.simple()
    with Connection(s.port[80]) as c:
        for i in range(100):
            equal(c.ask(f'/{i}').json()['path'], f'/{i}')
    assert t.b.connections <= 2, f'{t.b.connections} backend connections for one client'


@case
def pipelining(t):
    """Are pipelined requests all answered, in their order?"""
    s = t.simple()
    with Connection(s.port[80]) as c:
        c.send(''.join(f'GET /{i} HTTP/1.1\r\nHost: example.com\r\n\r\n' for i in range(50)))
        for i in range(50):
            equal(c.answer().json()['path'], f'/{i}')


@case
def slow_head(t):
    """Is a request that comes byte by byte understood?"""
    s = t.simple()
    with Connection(s.port[80]) as c:
        for x in GET + 'X-Slow: yes\r\n\r\n':
            c.send(x)
        equal(c.answer().status, 200)


@case
def chunked_request(t):
    """Is a chunked request body passed on whole, and the connection usable after it?"""
    s = t.simple()
    body = os.urandom(200_000)
    with Connection(s.port[80]) as c:
        for _ in range(2):
            c.send('POST / HTTP/1.1\r\nHost: example.com\r\nTransfer-Encoding: chunked\r\n\r\n')
            for i in range(0, len(body), 7001):
                part = body[i:i + 7001]
                c.send(f'{len(part):x};ext=1\r\n'.encode() + part + b'\r\n')
            c.send('0\r\n\r\n')
            told = c.answer().json()
            equal((told['bodyBytes'], told['bodyHash']), (len(body), hashlib.sha256(body).hexdigest()))


@case
def chunked_answer(t):
    """Is a chunked answer passed on as it comes, and are its trailers?"""
    go = threading.Event()

    def handler(stream, r):
        stream.body(r)
        stream.send('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n5\r\nfirst\r\n')
        go.wait(20)
        stream.send('6\r\nsecond\r\n0\r\nX-Sum: 11\r\n\r\n')
        return True
    s = t.simple(handler=handler)
    with Connection(s.port[80]) as c:
        c.send(GET + 'TE: trailers\r\n\r\n')
        version, status, fields = c.head()
        equal(int(c.line(), 16), 5)
        equal(c.exactly(7), b'first\r\n')  # before the backend has sent the rest
        go.set()
        equal(int(c.line(), 16), 6)
        equal(c.exactly(8), b'second\r\n')
        equal(c.line(), '0')
        c.fields()
        equal(c.ask().body, b'firstsecond')


@case
def answer_until_close(t):
    """Is an answer that ends with the backend's connection passed on whole?"""
    def handler(stream, r):
        stream.body(r)
        stream.send(b'HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n' + b'x' * 300_000)
        return False
    s = t.simple(handler=handler)
    equal(len(s.ask().body), 300_000)


def big(n):
    block = bytes(range(256)) * 4096
    return block, n // len(block)


@case
def big_answer(t):
    """Do 64 MB arrive unchanged at a slow reader, without the gateway keeping them in memory?"""
    block, blocks = big(64 << 20)

    def handler(stream, r):
        stream.body(r)
        stream.send(f'HTTP/1.1 200 OK\r\nContent-Length: {blocks * len(block)}\r\n\r\n')
        for _ in range(blocks):
            stream.send(block)
        return True
    s = t.simple(handler=handler)
    s.ask()
    before = rss_kb(s.serving())
    with Connection(s.port[80]) as c:
        c.send(GET + '\r\n')
        c.head()
        peak, got, h = 0, 0, hashlib.sha256()
        while got < blocks * len(block):
            data = c.exactly(min(1 << 20, blocks * len(block) - got))
            got += len(data)
            h.update(data)
            if got % (8 << 20) == 0:
                time.sleep(0.02)  # the slow reader: what is meant here, not a wait for something
                peak = max(peak, rss_kb(s.serving()))
    wanted = hashlib.sha256()
    for _ in range(blocks):
        wanted.update(block)
    equal(h.digest(), wanted.digest(), 'hash')
    assert peak - before < 16 << 10, f'memory grew from {before} to {peak} kB'


@case
def big_request(t):
    """Do 64 MB of a request arrive unchanged at a slow backend, without the gateway keeping them in memory?"""
    block, blocks = big(64 << 20)
    peak = [0]
    s = None

    def handler(stream, r):
        if r.method == 'GET':
            return t.b.tell(stream, r)
        for _ in range(8):
            stream.block(r, blocks * len(block) // 8)
            time.sleep(0.02)  # the slow backend
            peak[0] = max(peak[0], rss_kb(s.serving()))
        stream.answer(200, [], r.body_hash.hexdigest().encode())
        return True
    s = t.simple(handler=handler)
    s.ask()
    before = rss_kb(s.serving())
    wanted = hashlib.sha256()
    with Connection(s.port[80]) as c:
        c.send(f'PUT / HTTP/1.1\r\nHost: example.com\r\nContent-Length: {blocks * len(block)}\r\n\r\n')
        for _ in range(blocks):
            c.send(block)
            wanted.update(block)
        equal(c.answer().text(), wanted.hexdigest())
    assert peak[0] - before < 16 << 10, f'memory grew from {before} to {peak[0]} kB'


def rss_kb(pid):
    return int(next(line for line in open(f'/proc/{pid}/status') if line.startswith('VmRSS')).split()[1])


@case
def http_1_0(t):
    """Is an HTTP/1.0 client answered without chunks and its connection closed, or kept if it asks?"""
    def handler(stream, r):
        stream.body(r)
        stream.send('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n')
        return True
    s = t.simple(handler=handler)
    with Connection(s.port[80]) as c:
        c.send('GET / HTTP/1.0\r\nHost: example.com\r\n\r\n')
        a = c.answer()
        equal((a.status, a.get('transfer-encoding'), a.body), (200, None, b'abcdef'))
        assert c.ended()
    u = t.run('curl', '-sS', '-0', '-m', '10', f'http://127.0.0.1:{s.port[80]}/')
    equal(u, 'abcdef')


@case
def head_requests(t):
    """Is HEAD answered with the length and no body, and the connection usable after it?"""
    s = t.simple()
    with Connection(s.port[80]) as c:
        a = c.ask('/', 'HEAD')
        assert a.status == 200 and int(a.get('content-length')) > 0, a
        equal(c.ask('/next').json()['path'], '/next')
        equal(c.ask('/absent', 'HEAD', headers={'X': 'y'}).status, 200)


@case
def answers_without_body(t):
    """Are 204 and 304 without a body, and the connection usable after them?"""
    s = t.simple()
    with Connection(s.port[80]) as c:
        for status in (204, 304):
            a = c.ask(f'/status/{status}')
            equal((a.status, a.body, a.get('transfer-encoding')), (status, b'', None))
        equal(c.ask().status, 200)


@case
def expect_continue(t):
    """Does a client that waits for 100 Continue get it before its body, and is curl content?"""
    s = t.simple()
    with Connection(s.port[80]) as c:
        c.send('POST / HTTP/1.1\r\nHost: example.com\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n')
        equal(c.answer(informational=True).status, 100)
        c.send('12345')
        equal(c.answer().json()['bodyBytes'], 5)
    big_file = t.file('upload')
    with open(big_file, 'wb') as f:
        f.write(b'z' * 3_000_000)
    out = t.run('curl', '-sS', '-m', '20', '-H', 'Expect: 100-continue', '-T', big_file, f'http://127.0.0.1:{s.port[80]}/up')
    assert '"bodyBytes": 3000000' in out, out


@case
def expectation_unknown(t):
    """Is an expectation that is not 100-continue refused with 417?"""
    s = t.simple()
    equal(raw(s.port[80], GET + 'Expect: miracle\r\n\r\n').status, 417)


@case
def early_answer(t):
    """When a backend answers before it has read the body, does the client get that answer?"""
    def handler(stream, r):
        stream.answer(413, [('Connection', 'close')], b'too much')
        return False
    s = t.simple(handler=handler)
    with Connection(s.port[80]) as c:
        c.send('POST / HTTP/1.1\r\nHost: example.com\r\nContent-Length: 1000000\r\n\r\n' + 'x' * 1000)
        a = c.answer()
        equal((a.status, a.body), (413, b'too much'))


@case
def informational_answers(t):
    """Is a 103 before the answer no trouble?"""
    def handler(stream, r):
        stream.body(r)
        stream.send('HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\n')
        stream.answer(200, [], b'ok')
        return True
    s = t.simple(handler=handler)
    equal(s.ask().body, b'ok')
    equal(s.ask().body, b'ok')


@case
def bad_requests(t):
    """Is each request with unclear framing, names or target refused with 400 and the connection closed, and none passed on?"""
    s = t.simple()
    bad = {
        'two lengths': GET + 'Content-Length: 1\r\nContent-Length: 2\r\n\r\nxx',
        'length and chunks': GET + 'Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
        'length not a number': GET + 'Content-Length: +3\r\n\r\nabc',
        'coding not last': GET + 'Transfer-Encoding: chunked, gzip\r\n\r\n',
        'space before the colon': GET + 'X-A : b\r\n\r\n',
        'folded line': GET + 'X-A: b\r\n c\r\n\r\n',
        'NUL in a value': GET + 'X-A: b\0c\r\n\r\n',
        'no host': 'GET / HTTP/1.1\r\n\r\n',
        'two hosts': GET + 'Host: other.com\r\n\r\n',
        'bad chunk size': GET + 'Transfer-Encoding: chunked\r\n\r\nzz\r\n\r\n',
        'bare CR': GET + 'X-A: b\rc\r\n\r\n',
        'no target': 'GET HTTP/1.1\r\nHost: a\r\n\r\n',
    }
    wrong = []
    for what, data in bad.items():
        with Connection(s.port[80], timeout=3) as c:
            c.send(data)
            try:
                status = c.answer().status
                if status != 400 or not c.ended():
                    wrong.append((what, status))
            except (Cut, OSError) as e:
                wrong.append((what, repr(e)))
    equal(wrong, [])
    passed_on = [r.target for r in t.b.requests if r.get('transfer-encoding') is None]
    equal(passed_on, [], 'passed on')
    equal(s.ask().status, 200)


@case
def limits(t):
    """Are a too large head and a too long target refused with 431 and 414?"""
    s = t.simple()
    statuses = []
    for data in (GET + 'X-Big: ' + 'x' * 300_000 + '\r\n\r\n', 'GET /' + 'a' * 300_000 + ' HTTP/1.1\r\nHost: a\r\n\r\n'):
        with Connection(s.port[80]) as c:
            try:
                c.send(data)
            except ConnectionError:
                pass  # it may answer and close before it has read all of it
            statuses.append(c.answer().status)
    equal(statuses, [431, 414])
    equal(raw(s.port[80], 'GET / HTTP/3.0\r\nHost: a\r\n\r\n').status, 505)


@case
def path_policy(t):
    """Is the path normalised before it is matched, what was matched passed on, and what has no safe reading refused?"""
    s = t.simple()
    for target, p in (('/a/./b/../c', '/a/c'), ('/%61%62', '/ab'), ('/a%2Fb', '/a%2Fb'), ('/a//b', '/a//b'), ('/~x/%7E', '/~x/~')):
        equal(s.told(target)['path'], p, target)
    n = len(t.b.requests)
    for target in ('/../../etc', '/a%00b', '/a/..%5cb'):
        equal(s.ask(target).status, 400, target)
    equal(len(t.b.requests), n, 'passed on')


@case
def client_leaves(t):
    """When a client leaves in the middle of an exchange, is its backend connection given up and nothing left open?"""
    s = t.simple(handler=lambda stream, r: (stream.body(r), t.b.release.wait(20), False)[-1])
    with Connection(s.port[80]) as c:
        c.send(GET + '\r\n')
        eventually(lambda: s.metric('postern_requests_open') == 1, 'the request is under way')
    eventually(lambda: s.metric('postern_requests_open') == 0, 'the request is given up')


@case
def python_client(t):
    """Is Python's http.client content: keep-alive, chunked upload, HEAD?"""
    s = t.simple()
    c = http.client.HTTPConnection('127.0.0.1', s.port[80], timeout=10)
    for method, body in (('GET', None), ('POST', b'x' * 10000), ('PUT', iter([b'ab'] * 100)), ('HEAD', None), ('DELETE', None)):
        c.request(method, '/p', body=body, headers={'Host': 'example.com'}, encode_chunked=method == 'PUT')
        r = c.getresponse()
        r.read()
        equal(r.status, 200, method)
    c.close()


@case
def curl_client(t):
    """Is curl content: reuse of a connection, upload, compressed field names in any case, HTTP/1.1 forced?"""
    s = t.simple()
    url = f'http://127.0.0.1:{s.port[80]}'
    out = t.run('curl', '-sS', '-v', '--http1.1', '-m', '10', url + '/1', url + '/2', '-d', 'a=b')
    assert 'Re-using existing connection' in out or 'Reusing existing' in out, out
    assert out.count('< HTTP/1.1 200') == 2, out


@case
def upgrade_not_passed_on(t):
    """Is an upgrade that the gateway does not follow left out, and the request answered without it?"""
    s = t.simple()
    with Connection(s.port[80]) as c:
        c.send(GET + 'Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n')
        told = c.answer().json()
        equal([k for k, _ in told['headers'] if k.lower() in ('upgrade', 'connection', 'http2-settings')], [])
        equal(c.ask().status, 200)
