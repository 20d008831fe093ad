# SPDX-License-Identifier: Apache-2.0
"""The attacks that docs/threat-model.md lists: each costs at most ten times the CPU, byte for byte on the wire, of ordinary requests; memory
stays bounded; a client beside them is served."""
import glob
import socket
import struct
import threading
import time

from client import Connection, ask
from harness import case, equal, eventually

FACTOR = 10
MEMORY_BYTES = 64 << 20  # more than it has at rest, whatever is sent
PACKET = 40  # the headers of TCP and IP
PREFACE = b'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'
GOAWAY, CALM = 7, 11


def frame(kind, flags, stream, payload=b''):
    return struct.pack('>IBI', len(payload) << 8 | kind, flags, stream) + payload


def get(stream, end=True, method=b'\x82'):
    """As a browser's second request: most of it is in tables."""
    fields = method + b'\x86\x84\x41\x0bexample.com\x0f\x2b\x1fMozilla/5.0 (X11; Linux x86_64)\x0f\x04\x03*/*'
    return frame(1, 5 if end else 4, stream, fields)


SETTINGS = frame(4, 0, 0)
POST = b'\x83'


def cpu_ns(pid):
    return sum(int(open(f).read().split()[0]) for f in glob.glob(f'/proc/{pid}/task/*/schedstat'))


def memory(pid):
    return int(next(x for x in open(f'/proc/{pid}/smaps_rollup') if x.startswith('Pss:')).split()[1]) << 10


class Peer:
    """A connection that only sends; what comes is read over, to see how it ends."""

    def __init__(self, t, port):
        self.sock = socket.create_connection(('127.0.0.1', port), timeout=20)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        t.finally_(self.sock.close)
        self.sent = 0
        self.got = b''

    def send(self, data):
        try:
            self.sock.sendall(data)
            self.sent += len(data) + PACKET * (1 + len(data) // 1460)
        except OSError:
            pass

    def read(self):
        """false: it has ended."""
        try:
            data = self.sock.recv(1 << 16)
        except ConnectionResetError:
            return False
        except TimeoutError:
            raise AssertionError(f'it does not end: {self.frames()[-5:]}') from None
        self.got += data
        return bool(data)

    def frames(self):
        out, rest = [], self.got
        while len(rest) >= 9:
            head, flags, _ = struct.unpack_from('>IBI', rest)
            out.append((head & 255, flags, rest[9:9 + (head >> 8)]))
            rest = rest[9 + (head >> 8):]
        return out

    def calmed(self):
        """Reads to the end; was that GOAWAY with ENHANCE_YOUR_CALM?"""
        while self.read():
            pass
        return any(kind == GOAWAY and struct.unpack_from('>I', payload, 4)[0] == CALM for kind, _, payload in self.frames())


def start(t):
    e = t.echo('b')
    t.b = e
    t.apart = t.echo('apart')
    from manifests import gateway, route, rule, service
    return t.serve(gateway(), route(rule('b')), *service('b', e.port))


class Bystander:
    """A client with manners, on a connection of its own each time."""

    def __init__(self, ask):
        self.ask, self.worst, self.n, self.failed, self.over = ask, 0.0, 0, [], threading.Event()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        while not self.over.is_set():
            began = time.monotonic()
            try:
                if self.ask().status != 200:
                    self.failed.append('status')
            except OSError as e:
                self.failed.append(repr(e))
            self.worst = max(self.worst, time.monotonic() - began)
            self.n += 1
            self.over.wait(0.02)

    def end(self):
        self.over.set()
        self.thread.join()
        assert self.n and not self.failed, f'of {self.n} requests beside it {len(self.failed)} failed: {self.failed[:3]}'


def ordinary(t, s):
    """CPU nanoseconds of a byte of ordinary requests: 20 connections with 200 requests each, answered before more are sent."""
    def one():
        p = Peer(t, s.port[80])
        p.send(PREFACE + SETTINGS + frame(8, 0, 0, struct.pack('>I', 1 << 30)))
        for batch in range(4):
            p.send(b''.join(get(1 + 2 * (50 * batch + i)) for i in range(50)))
            while sum(flags & 1 for kind, flags, _ in p.frames() if kind in (0, 1)) < 50 * (batch + 1):
                assert p.read()
        p.sock.close()
        return p.sent
    one()
    before = cpu_ns(s.serving())
    sent = sum(one() for _ in range(20))
    return (cpu_ns(s.serving()) - before) / sent


def settled(s):
    """Once nothing moves, so that what was asked for is counted."""
    last = -1
    def same():
        nonlocal last
        now, before = cpu_ns(s.serving()), last
        last = now
        return now - before < 2000000
    eventually(same, 'it comes to rest', 20, 0.2)
    return last


def check(t, s, attack, usual, what):
    """Runs it beside a good client; what it costs, byte for byte, against ordinary requests."""
    settled(s)
    rest = memory(s.serving())
    by = cpu_ns(s.serving())
    sent = attack()
    cost = (settled(s) - by) / sent
    assert cost <= FACTOR * usual, f'{what}: {cost:.0f} ns a byte, ordinary requests cost {usual:.0f}'
    # the second one asks a server that has nothing to do with it: what that takes too long for is the machine's doing
    beside, apart = Bystander(s.ask), Bystander(lambda: ask(t.apart.port))
    attack()
    grown = memory(s.serving()) - rest
    beside.end(), apart.end()
    assert beside.worst < 1 + apart.worst, f'a request beside it took {beside.worst:.2f} s, one to another server {apart.worst:.2f} s'
    assert grown < MEMORY_BYTES, f'{what}: {grown >> 20} MB more'
    print(f'{what}: {cost / usual:.2f} of ordinary requests, {grown >> 10} kB, worst beside {beside.worst * 1000:.0f} ms')


def flood(t, s, data, calm=True, n=20):
    """n connections that send this at once, beyond what is let pass; each is to end in GOAWAY."""
    def run():
        sent = 0
        for _ in range(n):
            p = Peer(t, s.port[80])
            p.send(PREFACE + SETTINGS + data)
            if calm:
                assert p.calmed(), f'no GOAWAY that asks for calm: {p.frames()[-3:]}'
            p.sock.close()
            sent += p.sent
        return sent
    return run


def pairs(n, second):
    return b''.join(get(1 + 2 * i) + second(1 + 2 * i) for i in range(n))


@case
def attack_resets(t):
    """Rapid reset, and resets that the client provokes: is each met with GOAWAY, and dear to nobody but its sender?"""
    s = start(t)
    usual = ordinary(t, s)
    check(t, s, flood(t, s, pairs(800, lambda n: frame(3, 0, n, struct.pack('>I', 8)))), usual, 'rapid reset')
    overflow = struct.pack('>I', 0x7fffffff)
    def provoked():
        sent = 0
        for _ in range(20):
            p = Peer(t, s.port[80])
            p.send(PREFACE + SETTINGS)
            for i in range(800):
                p.send(get(1 + 2 * i) + frame(8, 0, 1 + 2 * i, overflow))
            assert p.calmed(), f'{p.frames()[-3:]}'
            sent += p.sent
        return sent
    check(t, s, provoked, usual, 'provoked resets')
    s.stop()


@case
def attack_floods(t):
    """CONTINUATION, SETTINGS, PING, empty DATA, PRIORITY: the same; frames of no known type are read over, and cost next to nothing."""
    s = start(t)
    usual = ordinary(t, s)
    floods = {
        'CONTINUATION': frame(1, 1, 1, b'\x82') + frame(9, 0, 1) * 2000,
        'SETTINGS': SETTINGS * 3000,
        'PING': frame(6, 0, 0, b'12345678') * 3000,
        'empty DATA': get(1, False, POST) + frame(0, 0, 1) * 3000,
        'PRIORITY': frame(2, 0, 1, b'\0\0\0\0\1') * 14000,
    }
    for what, data in floods.items():
        check(t, s, flood(t, s, data), usual, what)
    check(t, s, flood(t, s, frame(77, 0, 0) * 3000, calm=False), usual, 'frames of no known type')
    s.stop()


@case
def attack_header_bombs(t):
    """A field of 4 kB that is sent once and named by one byte from then on: does it cost no more, in CPU and memory?"""
    s = start(t)
    usual = ordinary(t, s)
    value = b'x' * 4000
    enters = b'\x40\x01a\x7f' + bytes([(4000 - 127) & 127 | 128, (4000 - 127) >> 7]) + value
    start_ = b'\x82\x86\x84\x41\x01h'
    def bomb(n, streams):
        first = frame(1, 5, 1, start_ + enters)
        return first + b''.join(frame(1, 5, 3 + 2 * i, b'\x82\x86\x84\x01\x01h' + b'\xbe' * n) for i in range(streams))
    check(t, s, flood(t, s, bomb(6, 40), calm=False), usual, 'header bomb within the bounds')
    check(t, s, flood(t, s, bomb(10000, 20)), usual, 'header bomb beyond the bounds')
    s.stop()


@case
def attack_windows(t):
    """Windows of zero and of one byte, and a client that never reads: does it cost no more, and is nothing held for long?"""
    s = start(t)
    usual = ordinary(t, s)
    asks = b''.join(get(1 + 2 * i) for i in range(100))
    shut = frame(4, 0, 0, struct.pack('>HI', 4, 0))
    def stalled():
        peers = [Peer(t, s.port[80]) for _ in range(20)]
        for p in peers:
            p.send(PREFACE + shut + asks)
        slow = s.metric('postern_reasons_total', reason='client_slow') or 0
        eventually(lambda: s.metric('postern_reasons_total', reason='client_slow') >= slow + 2000, 'all streams are reset', 40, 0.5)
        return sum(p.sent for p in peers)
    check(t, s, stalled, usual, 'windows that stay shut')
    ones = frame(8, 0, 1, struct.pack('>I', 1)) * 200
    check(t, s, flood(t, s, shut + get(1) + ones, calm=False), usual, 'windows of one byte')
    s.stop()


@case
def attack_small_pieces(t):
    """DATA of one byte, chunks of one byte, a head in packets of one byte: does it cost no more?"""
    s = start(t)
    usual = ordinary(t, s)
    check(t, s, flood(t, s, get(1, False, POST) + frame(0, 0, 1, b'x') * 2000, calm=False), usual, 'DATA of one byte')
    post = b'POST / HTTP/1.1\r\nHost: example.com\r\nTransfer-Encoding: chunked\r\n\r\n'
    def send(head, piece, n, each):
        def run():
            sent = 0
            for _ in range(20):
                p = Peer(t, s.port[80])
                p.send(head)
                for _ in range(n if each else 1):
                    p.send(piece if each else piece * n)
                p.sock.close()
                sent += p.sent
            return sent
        return run
    check(t, s, send(post, b'1\r\nx\r\n', 3000, False), usual, 'chunks of one byte')
    check(t, s, send(b'GET / HTTP/1.1\r\nHost: ', b'x', 300, True), usual, 'a head in packets of one byte')
    check(t, s, send(b'GET / HTTP/1.1\r\nHost: a\r\n', b'a: b\r\n', 120, False), usual, 'many small fields')
    s.stop()


@case
def attack_handshakes(t):
    """Handshakes that are begun and left: do they cost no more than those of ordinary clients do?"""
    import ssl
    from manifests import gateway, listener, route, rule, service, thing
    e = t.echo('b')
    cert, key = t.certificate('c', 'example.com')
    s = t.serve(gateway(listener(443, protocol='HTTPS', secrets=['c'])), route(rule('b')), *service('b', e.port), args=('--tls', f'default/c={cert},{key}'), ports=(443,))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    def hello():
        inc, out = ssl.MemoryBIO(), ssl.MemoryBIO()
        o = context.wrap_bio(inc, out, server_hostname='example.com')
        try:
            o.do_handshake()
        except ssl.SSLWantReadError:
            pass
        return out.read()
    first = hello()
    def begun():
        sent = 0
        for _ in range(200):
            p = Peer(t, s.port[443])
            p.send(first)
            p.read()  # its part is done
            p.sock.close()
            sent += p.sent
        return sent
    def whole():
        for _ in range(200):
            with Connection(s.port[443], tls=context, sni='example.com') as c:
                equal(c.ask().status, 200)
        return 200 * (len(first) + 300 + 4 * PACKET)  # what a client sends, about
    whole()
    settled(s)
    before = cpu_ns(s.serving())
    sent = whole()
    usual = (settled(s) - before) / sent
    rest = memory(s.serving())
    before = cpu_ns(s.serving())
    sent = begun()
    cost = (settled(s) - before) / sent
    assert cost <= FACTOR * usual, f'{cost:.0f} ns a byte, ordinary handshakes cost {usual:.0f}'
    assert memory(s.serving()) - rest < MEMORY_BYTES
    print(f'handshakes begun: {cost / usual:.2f} of whole ones')
    s.stop()
