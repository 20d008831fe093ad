# SPDX-License-Identifier: Apache-2.0
"""Retries and timeouts: which attempts follow one that failed, to which endpoints, and when none may."""
import socket
import struct
import threading
import time

from client import Connection, Cut
from harness import case, equal, eventually
from manifests import gateway, path, route, rule, service

LATE = 20  # seconds that nothing of these cases takes unless it hangs


class Script:
    """Backends that take one step after the other, whichever of them is asked. A step: a status, or
    'reset' / 'close' before a byte of an answer, 'head' half a head, 'body' half a body, 'hang', 'early' a 503 before the request's body was read."""

    def __init__(self, t, steps, n=1, then=200):
        self.steps, self.then, self.lock, self.asked, self.over = list(steps), then, threading.Lock(), [], threading.Event()
        t.finally_(self.over.set)
        self.backends = [t.backend(f'b{i}', self.handler(i)) for i in range(n)]
        self.ports = [b.port for b in self.backends]

    def next(self, i, r):
        with self.lock:
            self.asked.append((i, r))
            return self.steps.pop(0) if self.steps else self.then

    def handler(self, i):
        def handle(stream, r):
            step = self.next(i, r)
            if step == 'early':
                stream.send('HTTP/1.1 503 X\r\nContent-Length: 0\r\n\r\n')
                stream.body(r)
                return True
            stream.body(r)
            if isinstance(step, int):
                stream.answer(step, [('X-Try', str(len(self.asked)))], b'x', r.method)
                return True
            if step == 'reset':
                stream.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
            elif step == 'head':
                stream.send('HTTP/1.1 200 OK\r\nContent-Le')
            elif step == 'body':
                stream.send('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n0123')
            elif step == 'hang':
                self.over.wait(60)
            return False
        return handle

    def play(self, *steps, then=200):
        """From now on."""
        with self.lock:
            self.steps, self.then = list(steps), then
            self.asked.clear()

    def count(self):
        with self.lock:
            return len(self.asked)

    def comes_to(self, n):
        """So many and no more: whoever gave up on an answer does not know whether the backend has read the question yet."""
        eventually(lambda: self.count() >= n, f'{n} attempts have come')
        equal(self.count(), n)

    def endpoints(self):
        with self.lock:
            return [i for i, _ in self.asked]


def retry(attempts=None, codes=None, backoff='1ms'):
    out = {'backoff': backoff}
    if attempts is not None:
        out['attempts'] = attempts
    if codes:
        out['codes'] = codes
    return out


def serve(t, script, *rules):
    """Rules to the script's backends; without any, one that retries 500 and the 5xx of broken attempts twice."""
    rules = rules or (rule('b', retry=retry(2, [500, 502, 503, 504])),)
    return t.serve(gateway(), service('b', *script.ports), route(*rules), args=('--workers', '1'))


@case
def retry_each_code(t):
    """Is each status tried again where it is listed, and passed on where it is not?"""
    codes = [400, 404, 408, 409, 425, 429, 500, 501, 502, 503, 504, 599]
    script = Script(t, [])
    s = serve(t, script, *(rule('b', matches=[path(f'/{c}')], retry=retry(1, [c])) for c in codes), rule('b', retry=retry(3, [418])))
    for c in codes:
        script.play(c)
        a = s.ask(f'/{c}')
        equal((a.status, a.get('X-Try'), script.count()), (200, '2', 2), f'{c} is listed')
        script.play(c)
        equal((s.ask('/other').status, script.count()), (c, 1), f'{c} is not listed')


@case
def retry_attempts_bound(t):
    """Are there as many attempts as the rule says and no more, one where it says nothing, none where it says 0, and is the last answer the client's?"""
    script = Script(t, [])
    s = serve(t, script, *(rule('b', matches=[path(f'/{n}')], retry=retry(n, [503])) for n in (0, 1, 2, 5)), rule('b', retry=retry(None, [503])))
    for p, n in (('/0', 0), ('/1', 1), ('/2', 2), ('/5', 5), ('/', 1)):
        script.play(then=503)
        a = s.ask(p)
        equal((a.status, a.get('X-Try'), script.count()), (503, str(n + 1), n + 1), p)
    eventually(lambda: (s.metric('postern_retries_total'), s.metric('postern_retries_stopped_total', why='attempts')) == (9, 4 + 1), 'counted')


@case
def retry_endpoint_anew(t):
    """Does each attempt take an endpoint that was not tried, as long as there is one, and then the one whose turn is longest ago?"""
    script = Script(t, [], n=3)
    s = serve(t, script, rule('b', retry=retry(5, [503])))
    for _ in range(20):
        script.play(then=503)
        equal(s.ask().status, 503)
        asked = script.endpoints()
        equal(len(asked), 6)
        equal(sorted(asked[:3]), [0, 1, 2], 'the first three')
        assert all(a != b for a, b in zip(asked, asked[1:])), f'the same one twice in a row: {asked}'


@case
def retry_refused(t):
    """Is a connection that is refused tried again elsewhere, for any method, without being listed, and is it a 502 when all refuse?"""
    script = Script(t, [], n=1)
    dead = [t.port(), t.port()]
    s = t.serve(gateway(), service('b', dead[0], script.ports[0]), service('c', *dead), route(
        rule('c', matches=[path('/dead')], retry=retry(4, [500])), rule('c', matches=[path('/zero')], retry=retry(0)), rule('b', retry=retry(2, [500]))),
        args=('--workers', '1'))
    for _ in range(30):
        equal(s.ask(method='POST', body=b'abc').status, 200)
    equal(script.count(), 30)
    equal((s.ask('/dead').status, s.ask('/zero').status), (502, 502))


@case
def retry_broken_attempts(t):
    """Is an attempt that breaks before or within the head tried again where 502 is listed and the method is idempotent, and never otherwise?"""
    script = Script(t, [])
    s = serve(t, script, rule('b', matches=[path('/listed')], retry=retry(2, [502])), rule('b', retry=retry(2, [500])))
    for how in ('reset', 'close', 'head'):
        for method, body in (('GET', None), ('HEAD', None), ('PUT', b'p' * 1000), ('DELETE', None), ('OPTIONS', None)):
            script.play(how, how)
            equal((s.ask('/listed', method=method, body=body).status, script.count()), (200, 3), f'{how} {method}')
        for method in ('POST', 'PATCH', 'FOO'):
            script.play(how)
            equal((s.ask('/listed', method=method, body=b'x').status, script.count()), (502, 1), f'{how} {method}')
        script.play(how)
        equal((s.ask('/other').status, script.count()), (502, 1), f'{how}, not listed')


@case
def retry_never_after_head(t):
    """Is an answer that breaks after its head never tried again and never whole?"""
    script = Script(t, [])
    s = serve(t, script)
    for _ in range(5):
        script.play('body')
        try:
            a = s.ask()
            raise AssertionError(f'it looks whole: {a}')
        except (Cut, ConnectionError):
            equal(script.count(), 1)


@case
def retry_methods(t):
    """Does a method that is not idempotent keep its listed 5xx, and is it sent again by what says that nothing was done (408, 421, 425)?"""
    script = Script(t, [])
    s = serve(t, script, rule('b', retry=retry(2, [408, 421, 425, 500, 503])))
    for method in ('POST', 'PATCH'):
        for status in (500, 503):
            script.play(status)
            equal((s.ask(method=method, body=b'abc').status, script.count()), (status, 1), f'{method} {status}')
        for status in (408, 421, 425):
            script.play(status)
            equal((s.ask(method=method, body=b'abc').status, script.count()), (200, 2), f'{method} {status}')
            equal([r.body_n for _, r in script.asked], [3, 3])
    eventually(lambda: s.metric('postern_retries_stopped_total', why='method') == 4, 'counted')


@case
def retry_bodies(t):
    """Does a body within 64 kB come again as it was, by length and in chunks, and does a longer one keep the first answer?"""
    script = Script(t, [])
    s = serve(t, script)
    for n in (1, 16384, 65536):
        body = bytes(i * 7 % 251 for i in range(n))
        for chunked in (False, True):
            script.play(503, 'reset')
            with Connection(s.port[80]) as c:
                if chunked:
                    c.send('PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n')
                    for at in range(0, n, 5000):
                        c.send(f'{len(body[at:at + 5000]):x}\r\n'.encode() + body[at:at + 5000] + b'\r\n')
                    c.send('0\r\nX-Sum: 1\r\n\r\n')
                    a = c.answer('PUT')
                else:
                    a = c.ask(method='PUT', body=body)
            equal((a.status, script.count()), (200, 3), f'{n} {chunked}')
            equal(len({r.body_hash.hexdigest() for _, r in script.asked}), 1, 'the same bytes')
            equal({r.body_n for _, r in script.asked}, {n})
            if chunked:
                equal([r.trailers for _, r in script.asked], [[('X-Sum', '1')]] * 3)
    script.play(503)
    equal((s.ask(method='PUT', body=b'z' * 300000).status, script.count()), (503, 1))
    eventually(lambda: s.metric('postern_retries_stopped_total', why='body') == 1, 'counted')


@case
def retry_early_answer(t):
    """Is a request whose body is still coming when the backend answers 503 sent again as soon as it may, whole?"""
    script = Script(t, [])
    s = serve(t, script, rule('b', retry=retry(1, [503])))
    script.play('early')
    with Connection(s.port[80]) as c:
        c.send('PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 6000\r\n\r\n' + 'a' * 3000)
        eventually(lambda: script.count() >= 1, 'the first attempt')
        c.send('b' * 3000)
        equal(c.answer('PUT').status, 200)
    equal((script.count(), script.asked[-1][1].body_n), (2, 6000))


@case
def retry_keeps_connections(t):
    """Is the connection of an attempt that got a listed status used by others, when the answer came whole?"""
    script = Script(t, [])
    s = serve(t, script)
    for _ in range(20):
        script.play(503, 500)
        equal(s.ask().status, 200)
    assert script.backends[0].connections <= 2, script.backends[0].connections


@case
def retry_waits(t):
    """Is there a wait before the next attempt, ever longer, and does nothing else wait with it?"""
    script = Script(t, [])
    s = serve(t, script, rule('b', matches=[path('/wait')], retry=retry(3, [503], '400ms')), rule('b'))
    waits = []
    for _ in range(3):  # each is drawn between 0 and 0.4 s, 0.8 s, 1.6 s
        script.play(then=503)
        began = time.monotonic()
        asked = threading.Thread(target=s.ask, args=('/wait',))
        asked.start()
        eventually(lambda: script.count() >= 1, 'the first')
        equal(s.ask('/other').status, 503)
        assert time.monotonic() - began < 5
        asked.join()
        waits.append(time.monotonic() - began)
    assert sum(waits) > 0.2, f'it hardly waits: {waits}'
    assert max(waits) < 2.8 + LATE, waits


@case
def timeout_backend_request(t):
    """Does timeouts.backendRequest hold for each attempt, is its end a 504, and tried again where that is listed?"""
    script = Script(t, [])
    both = {'request': '15s', 'backendRequest': '600ms'}
    s = serve(t, script, rule('b', matches=[path('/listed')], timeouts=both, retry=retry(3, [504])), rule('b', matches=[path('/other')], timeouts=both, retry=retry(3, [500])),
              rule('b', timeouts=both))
    script.play('hang', 'hang', 'hang')
    began = time.monotonic()
    equal((s.ask('/listed', timeout=30).status, script.count()), (200, 4))
    assert time.monotonic() - began >= 1.79, 'each attempt has its own time'
    script.play(then='hang')
    equal(s.ask('/listed', timeout=30).status, 504)
    script.comes_to(4)
    for p in ('/other', '/'):
        script.play()
        equal(s.ask(p).status, 200)  # the next finds its connection
        script.play('hang')
        equal(s.ask(p).status, 504, p)
        script.comes_to(1)
    script.play('hang')  # what may have been processed
    equal(s.ask('/listed', method='POST', body=b'x').status, 504)
    script.comes_to(1)


@case
def timeout_request_with_retries(t):
    """Does timeouts.request end all attempts together with 504, one that waits for its turn, too, and is no attempt begun that could not?"""
    script = Script(t, [])
    s = serve(t, script, rule('b', matches=[path('/hangs')], timeouts={'request': '500ms', 'backendRequest': '200ms'}, retry=retry(100, [504])),
              rule('b', matches=[path('/fails')], timeouts={'request': '300ms'}, retry=retry(500, [503], '10ms')),
              rule('b', matches=[path('/long')], timeouts={'request': '10s'}, retry=retry(3, [503], '1h')))
    script.play(then='hang')
    began = time.monotonic()
    equal(s.ask('/hangs').status, 504)
    took = time.monotonic() - began
    assert 0.49 <= took < LATE and script.count() <= 3, (took, script.count())
    script.play(then=503)
    began = time.monotonic()
    a = s.ask('/fails')
    assert a.status in (503, 504) and time.monotonic() - began < LATE, a
    script.play(then=503)  # an hour's span: no attempt would begin in time, and nobody waits for that
    began = time.monotonic()
    equal((s.ask('/long').status, script.count()), (503, 1))
    eventually(lambda: (s.metric('postern_retries_stopped_total', why='time') or 0) >= 1, 'counted')


@case
def timeout_cuts_body(t):
    """Does timeouts.request cut an answer whose head has gone, so that the client can tell?"""
    def handler(stream, r):
        stream.body(r)
        stream.send('HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nsome')
        stream.file.read()
        return False
    b = t.backend(handler=handler)
    s = t.serve(gateway(), service('b', b.port), route(rule('b', timeouts={'request': '2s'})))
    try:
        raise AssertionError(f'it looks whole: {s.ask()}')
    except (Cut, ConnectionError):
        pass
    eventually(lambda: (s.metric('postern_reasons_total', reason='backend_timeout') or 0) >= 1, 'counted')
