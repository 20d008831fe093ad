# SPDX-License-Identifier: Apache-2.0
"""Mirrors: the same bytes to others, their share, and that no request waits for them."""
import asyncio
import os
import socket
import threading
import time

from cases.http2_backend import speaking_h2
from client import Connection
from harness import case, equal, eventually
from manifests import gateway, headers, path, ref, rewrite, prefix_path, route, rule, service


def mirror(name, **share):
    return {'type': 'RequestMirror', 'requestMirror': {'backendRef': {'name': name, 'port': 80}, **share}}


def arrived(b, n):
    eventually(lambda: len(b.requests) >= n, f'{n} requests at {b.name}', 20)


def whole(b):
    """What a backend has got: heads and bodies."""
    return sorted((r.method, r.target, tuple(sorted((k.lower(), v) for k, v in r.fields)), r.body_n, r.body_hash.hexdigest(), r.chunked, tuple(r.trailers)) for r in b.requests)


def lost(s):
    return s.metric('postern_mirrors_lost_total')


class Many:
    """A mirror for thousands of connections, from one thread: counts heads, answers after a while, or (after None) never."""

    def __init__(self, t, after):
        self.n, self.after, self.loop, self.open, self.over = 0, after, asyncio.new_event_loop(), set(), False
        many = self

        class Talk(asyncio.Protocol):
            def connection_made(self, transport):
                self.transport, self.tail = transport, b''
                many.open.add(transport)
                if many.over:
                    transport.abort()

            def connection_lost(self, why):
                many.open.discard(self.transport)

            def data_received(self, data):
                data = self.tail + data
                n = data.count(b'\r\n\r\n')
                self.tail = data.rsplit(b'\r\n\r\n', 1)[-1] if n else data
                many.n += n
                for _ in range(n if many.after is not None else 0):
                    many.loop.call_later(many.after, self.transport.write, b'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi')

        sock = socket.create_server(('127.0.0.1', t.port()), backlog=4096)
        self.port = sock.getsockname()[1]
        self.loop.run_until_complete(self.loop.create_server(Talk, sock=sock))
        threading.Thread(target=self.loop.run_forever, daemon=True).start()
        t.finally_(lambda: self.loop.call_soon_threadsafe(self.loop.stop))

    def cut(self):
        """What was not answered never is, and nobody waits for it any more, nor for what comes from here on."""
        self.over = True
        self.loop.call_soon_threadsafe(lambda: [x.abort() for x in list(self.open)])


@case
def mirror_same_bytes(t):
    """Do several mirrors get what the backend gets: fields after all filters, bodies by length and in chunks, trailers?"""
    b, m, n = t.backend('b'), t.backend('m'), t.backend('n')
    s = t.serve(gateway(), service('b', b.port), service('m', m.port), service('n', n.port), route(
        rule(ref('b', filters=[headers('request', set={'X-Of': 'backend'}), mirror('n')]), matches=[path('/a')],
             filters=[mirror('m'), headers('request', set={'X-Set': 'yes'}, remove=['X-Gone']), rewrite(path=prefix_path('/z'))])))
    body = os.urandom(400000)
    with Connection(s.port[80]) as c:
        equal(c.ask('/a?q=1', headers={'X-Gone': '1', 'X-Kept': '2'}).status, 200)
        equal(c.ask('/a/1', method='POST', body=b'short').status, 200)
        equal(c.ask('/a/2', method='PUT', body=body).status, 200)
        equal(c.ask('/a/3', method='HEAD').status, 200)
        c.send('POST /a/4 HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n')
        for at in range(0, len(body), 30000):
            part = body[at:at + 30000]
            c.send(f'{len(part):x};x=y\r\n'.encode() + part + b'\r\n')
        c.send('0\r\nX-Sum: 7\r\n\r\n')
        equal(c.answer('POST').status, 200)
    for other in (m, n):
        arrived(other, 5)
        eventually(lambda: whole(other) == whole(b), 'the same, to the last byte')
    s.comes_to(10, 'postern_mirrors_total')
    equal(lost(s), 0)
    first = b.requests[0]
    equal((first.target, first.get('x-of'), first.get('x-set'), first.get('x-gone')), ('/z?q=1', 'backend', 'yes', None))


@case
def mirror_share(t):
    """Is the share of a percent and of a fraction what it says, and 0 and 100 percent exact?"""
    n, wanted = 3000, {'none': (0, 100), 'tenth': (10, 100), 'third': (1, 3), 'most': (999, 1000), 'all': (100, 100)}
    b = t.backend('b')
    mirrors = {k: t.backend(k) for k in wanted}
    how = lambda k, num, den: mirror(k, percent=num) if den == 100 else mirror(k, fraction={'numerator': num, 'denominator': den})
    s = t.serve(gateway(), service('b', b.port), *(service(k, m.port) for k, m in mirrors.items()),
                route(rule('b', filters=[how(k, *v) for k, v in wanted.items()])))
    t.run(t.hload, '-a', '127.0.0.1', '-p', s.port[80], '-c', '4', '-n', n, '-d', '60', timeout=90)
    eventually(lambda: s.metric('postern_mirrors_total') == sum(len(m.requests) for m in mirrors.values()), 'all arrived', 20)
    equal(lost(s), 0)
    for k, (num, den) in wanted.items():
        p = num / den
        most = 6 * (n * p * (1 - p)) ** .5  # past this once in 500 million runs
        assert abs(len(mirrors[k].requests) - n * p) <= most, f'{k}: {len(mirrors[k].requests)} of {n}'
    equal(len(b.requests), n)


@case
def mirror_never_slows(t):
    """Does no request wait for a mirror that refuses, never answers, reads nothing, breaks, or answers nonsense?"""
    deaf = socket.create_server(('127.0.0.1', t.port()), backlog=1024)
    t.finally_(deaf.close)
    hold, bad = Many(t, None), t.backend('bad', lambda stream, r: stream.send('nonsense\r\n\r\n'))
    b = t.backend('b')
    bad_ones = {'refuses': t.port(), 'hangs': hold.port, 'deaf': deaf.getsockname()[1], 'bad': bad.port}
    s = t.serve(gateway(), service('b', b.port), *(service(k, p) for k, p in bad_ones.items()), route(
        *(rule('b', matches=[path('/' + k)], filters=[mirror(k)]) for k in bad_ones), rule('b', filters=[mirror(k) for k in bad_ones])))
    longest = 0
    for k in (*bad_ones, 'every'):
        with Connection(s.port[80], timeout=30) as c:
            for i in range(20):
                for what in ({}, {'method': 'POST', 'body': b'x' * 100000}):
                    began = time.monotonic()
                    equal(c.ask(f'/{k}', **what).status, 200)
                    longest = max(longest, time.monotonic() - began)
    assert longest < 12, f'a request took {longest:.1f} s: it was held for the 15 s that a mirror has'
    equal(len(b.requests), 200)
    hold.cut()
    deaf.close()


@case
def mirror_bounds(t):
    """Is a body that a mirror does not take cut past a megabyte, without a loss for the request, and counted?"""
    deaf = socket.create_server(('127.0.0.1', t.port()), backlog=16)
    deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    t.finally_(deaf.close)
    b = t.backend('b')
    s = t.serve(gateway(), service('b', b.port), service('m', deaf.getsockname()[1]), route(rule('b', filters=[mirror('m')])))
    told = s.told(method='POST', body=b'x' * (32 << 20), timeout=60)
    equal(told['bodyBytes'], 32 << 20)
    eventually(lambda: s.metric('postern_mirrors_lost_total', why='bound') == 1, 'counted')


@case
def mirror_count_bound(t):
    """Past 4,096 mirrors at once, are further ones left out and counted, each, and is every request answered?"""
    m, b = Many(t, None), t.echo('b')
    s = t.serve(gateway(), service('b', b.port), service('m', m.port), route(rule('b', filters=[mirror('m')])), args=('--workers', '1'))
    n = 5000
    t.run(t.hload, '-a', '127.0.0.1', '-p', s.port[80], '-c', '8', '-n', n, '-d', '60', timeout=90)
    eventually(lambda: s.metric('postern_mirrors_total') + s.metric('postern_mirrors_lost_total', why='bound') == n, 'each is begun or left out')
    equal(s.metric('postern_mirrors_total'), 4096)
    eventually(lambda: m.n == 4096, 'those begun have arrived', 20)
    m.cut()


@case
def mirror_none_lost(t):
    """At a steady load that takes the gateway less than half a core, with a mirror that answers after 60 ms, does it get every request?"""
    m, b = Many(t, .06), t.echo('b')
    s = t.serve(gateway(), service('b', b.port), service('m', m.port), route(rule('b', filters=[mirror('m')])), args=('--workers', '1'))
    ticks = lambda: sum(map(int, open(f'/proc/{s.serving()}/stat').read().rsplit(')', 1)[1].split()[11:13])) / os.sysconf('SC_CLK_TCK')
    load = lambda n, gap_ms: t.run(t.hload, '-a', '127.0.0.1', '-p', s.port[80], '-c', '100', '-g', gap_ms, '-n', n, '-d', '60', timeout=90)
    first, n = 1000, 8000
    before = ticks()
    load(first, 100)
    gap_ms = max(30, round(1000 * 100 * (ticks() - before) / first / 0.3))  # 100 connections, 0.3 of a core
    before, began = ticks(), time.monotonic()
    load(n, gap_ms)
    took, used = time.monotonic() - began, ticks() - before
    print(f'{n / took:.0f} requests a second, {100 * used / took:.0f} % of a core, {m.n} there, begun and lost:', s.metric('postern_mirrors_total'), lost(s))
    eventually(lambda: m.n == first + n, f'all {first + n} arrive', 20)
    s.comes_to(first + n, 'postern_mirrors_total')
    equal(lost(s), 0)
    assert used < took / 2, f'{used:.2f} s of CPU in {took:.2f} s: no proof of anything'


@case
def mirror_once(t):
    """Is a request that is tried three times mirrored once, and one that is redirected not at all?"""
    from manifests import redirect
    answers = [503, 503, 200]
    def handler(stream, r):
        stream.body(r)
        stream.answer(answers.pop(0), [], b'x')
        return True
    b, m = t.backend('b', handler), t.backend('m')
    s = t.serve(gateway(), service('b', b.port), service('m', m.port), route(
        rule(matches=[path('/moved')], filters=[mirror('m'), redirect(hostname='o.test')]),
        rule('b', filters=[mirror('m')], retry={'codes': [503], 'attempts': 3, 'backoff': '1ms'})))
    equal((s.ask().status, s.ask('/moved').status, len(b.requests)), (200, 302, 3))
    arrived(m, 1)
    s.comes_to(1, 'postern_mirrors_total')
    equal(len(m.requests), 1)


@case
def mirror_h2c(t):
    """Does a mirror that speaks HTTP/2 get requests and bodies, many at once, and the backend beside it HTTP/1.1?"""
    b, port = t.backend('b'), speaking_h2(t)
    h2 = service('m', port)
    h2[0]['spec']['ports'][0]['appProtocol'] = 'kubernetes.io/h2c'
    s = t.serve(gateway(), service('b', b.port), h2, route(rule('m', matches=[path('/seen')], filters=[rewrite(path=prefix_path('/count'))]), rule('b', filters=[mirror('m')])))
    t.run('h2load', '-n', '400', '-c', '2', '-m', '10', '-d', __file__, f'http://127.0.0.1:{s.port[80]}/x', timeout=60)
    equal(len(b.requests), 400)
    eventually(lambda: s.metric('postern_mirrors_total') == 400, 'all were begun')
    assert s.ask('/seen').json()['most'] <= 10
    equal(lost(s), 0)
