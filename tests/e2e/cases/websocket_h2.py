# SPDX-License-Identifier: Apache-2.0
"""WebSocket over HTTP/2 [RFC 8441]: clients by python3-h2, servers by python3-hypercorn, both speaking to those of HTTP/1.1, too."""
import asyncio
import base64
import hashlib
import json
import os
import random
import signal
import socket
import struct
import sys
import time

import wsocket
from cases.backend_tls import Authority, bundle, policy
from cases.http2_backend import h2c_service, listening, speaking_h2
from cases.websocket import set_gateway, settings
from client import trusting
from frames import DATA, END_STREAM, GOAWAY, Frames
from h2peer import Peer
from h2socket import Client, WebSocket
from harness import Process, case, equal, eventually, holds
from manifests import gateway, listener, path, route, rule, service

SERVER = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), 'asgi_echo.py')
ARGS = ('--drain', '1', '--access-log', 'json', '--workers', '1')


def hypercorn(t, *tls):
    port = t.port()
    return listening(Process(t, [sys.executable, SERVER, str(port), *tls], 'hypercorn.log'), port)


def h2c(t, **more):
    return t.serve(gateway(), route(rule('b')), h2c_service(hypercorn(t)), args=ARGS, **more)


def record_of(s, status, nth=1):
    lines = eventually(lambda: [x for x in s.text().splitlines() if f'"status":{status}' in x][nth - 1:], 'its record')
    return json.loads(lines[0])


def talk_over(ws, most=3 << 20):
    for n in (1, 125, 126, 65536, most):
        data = random.randbytes(n)
        ws.send(data)
        assert ws.read() == data, n


def closed(ws):
    ws.send('close')
    equal((ws.read(), ws.code), (None, 4001))


@case
def ws_h2_to_http1(t):
    """Does a client of HTTP/2 talk to a WebSocket server of HTTP/1.1, its key made and its answer checked by us, recorded as upgrades are?"""
    e = wsocket.EchoServer(t, subprotocols=['chat'])
    s = t.serve(gateway(), route(rule('b')), service('b', e.port), args=ARGS)
    c = Client(t, s.port[80])
    assert c.takes_websocket()
    ws = WebSocket(c, '/chat?x=1', more=[('sec-websocket-protocol', 'chat'), ('origin', 'http://o')])
    equal(ws.head.get('sec-websocket-protocol'), 'chat')
    assert 'sec-websocket-accept' not in ws.head, ws.head
    s.comes_to(1, 'postern_upgraded_connections_open')
    talk_over(ws)
    closed(ws)
    where, head = e.seen[0]
    head = {k.lower(): v for k, v in head.items()}
    equal((where, head['upgrade'], head['connection'], head['origin'], len(head['sec-websocket-key'])), ('/chat?x=1', 'websocket', 'upgrade', 'http://o', 24))
    r = record_of(s, 101)
    assert r['bytes_in'] > 3 << 20 and r['bytes_out'] > 3 << 20, r
    equal((r['reason'], r['route'], r['path'], r['method']), ('-', 'HTTPRoute/default/r', '/chat', 'GET'))
    eventually(lambda: s.metric('postern_upgraded_connections_open') == 0, 'the tunnel is over')
    equal(c.status(c.ask('/')), 426)  # the connection goes on: the server's own word to who does not ask


@case
def ws_h2_to_h2c(t):
    """Does it go on as extended CONNECT to a backend of HTTP/2 that takes it, several on one connection, beside requests?"""
    s = h2c(t)
    c = Client(t, s.port[80])
    many = [WebSocket(c, f'/{i}') for i in range(5)]
    for i, ws in enumerate(many):
        ws.send('?')
        told = json.loads(ws.read())
        equal((told['version'], told['path'], told['fields'].get('sec-websocket-key')), ('2', f'/{i}', None))
    equal(c.body(c.ask('/')), b'2')
    for ws in many:
        talk_over(ws, 300000)
    equal(c.status(c.connect('/no')), 403)
    closed(many[2])  # the server does not bear with more on that connection
    equal(record_of(s, 403)['reason'], '-')


@case
def ws_http1_to_h2c(t):
    """Does a WebSocket client of HTTP/1.1 reach a backend that speaks HTTP/2 alone, its key answered by us?"""
    s = h2c(t)

    async def talk():
        async with wsocket.connect(s.port[80], '/x', subprotocols=['chat']) as ws:
            equal(ws.subprotocol, 'chat')
            for n in (0, 1, 65536, 5 << 20):
                data = random.randbytes(n)
                await ws.send(data)
                assert await ws.recv() == data, n
            await ws.send('?')
            equal(json.loads(await ws.recv())['version'], '2')
            await ws.send('close')
            await ws.wait_closed()
            equal(ws.close_code, 4001)
        try:
            async with wsocket.connect(s.port[80], '/no'):
                raise AssertionError('it agreed')
        except wsocket.websockets.InvalidStatusCode as e:
            equal(e.status_code, 403)
    wsocket.run(talk())
    head = [('Connection', 'Upgrade'), ('Upgrade', 'websocket'), ('Sec-WebSocket-Version', '13')]
    equal(s.ask('/', headers=head).status, 400)  # there is no key
    equal(s.ask('/', headers=[*head, ('Sec-WebSocket-Key', 'c2hvcnQ=')]).status, 400)


def behind_tls(t, port, ca):
    return t.serve(gateway(), route(rule('b')), service('b', port), bundle('ca', ca.cert), policy(), args=ARGS)


@case
def ws_by_alpn(t):
    """Over TLS, does a backend get it by HTTP/1.1 until it is known to take it by HTTP/2?"""
    ca = Authority(t, 'ca')
    s = behind_tls(t, hypercorn(t, *ca.leaf('b', 'DNS:b.internal')), ca)
    for version in ('1.1', '2', '2'):
        ws = WebSocket(Client(t, s.port[80]))
        ws.send('?')
        equal(json.loads(ws.read())['version'], version)
        equal(s.ask('/').text(), '2')

    async def talk():
        async with wsocket.connect(s.port[80]) as ws:
            await ws.send('?')
            equal(json.loads(await ws.recv())['version'], '2')
    wsocket.run(talk())


@case
def ws_by_alpn_alone(t):
    """Is a backend that has HTTP/2 alone over TLS found to take it, and one that does not told from it?"""
    ca = Authority(t, 'ca')
    cert, key = ca.leaf('b', 'DNS:b.internal')
    s = behind_tls(t, speaking_h2(t, key, cert, 'connect'), ca)
    c = Client(t, s.port[80])
    for _ in range(3):
        n = c.connect('/chat')
        equal(c.status(n), 200)
        c.send(n, b'hello', end=True)
        equal(c.body(n), b'hello')
    told = s.ask('/count').json()
    equal((told['upgrades'], told['connections']), (3, 1))
    s.end()
    s = behind_tls(t, speaking_h2(t, key, cert), ca)
    c = Client(t, s.port[80])
    for _ in range(3):
        n = c.connect('/chat')
        equal(c.status(n), 502)
        holds(c.body(n).decode(), 'backend_no_upgrade')
    equal(s.ask('/count').json()['connections'], 1)


@case
def ws_by_alpn_declined(t):
    """Is a backend that prefers HTTP/2, and takes no WebSocket by it, asked by HTTP/1.1?"""
    ca = Authority(t, 'ca')
    cert, key = ca.leaf('b', 'DNS:b.internal')
    port = speaking_h2(t, key, cert, 'http1')
    s = behind_tls(t, port, ca)
    for _ in range(3):
        c = Client(t, s.port[80])
        n = c.connect('/chat')
        equal(c.status(n), 200)
        c.send(n, b'hello')
        c.wait(lambda: c.bytes.get(n) == b'hello')
        c.send(n, b'', end=True)
        equal(c.body(n), b'hello')
    equal(s.ask('/').get('x-protocol'), 'h2')
    told = s.ask('/count').json()
    equal(told['upgrades'], 3)
    equal(told['connections'], 1)  # of HTTP/2, for requests


@case
def ws_no_backend_for_it(t):
    """What cannot be: is it said, by HTTP/2 and HTTP/1.1 alike, and are other protocols refused?"""
    s = t.serve(gateway(), route(rule('b')), h2c_service(speaking_h2(t)), args=ARGS)
    c = Client(t, s.port[80])
    n = c.connect()
    equal(c.status(n), 502)
    holds(c.body(n).decode(), 'backend_no_upgrade')
    a = s.ask('/', headers=[('Connection', 'Upgrade'), ('Upgrade', 'websocket'), ('Sec-WebSocket-Version', '13'), ('Sec-WebSocket-Key', 'dGhlIHNhbXBsZSBub25jZQ==')])
    equal(a.status, 502)
    holds(a.text(), 'backend_no_upgrade')
    equal(s.ask('/count').json()['connections'], 2)  # one was enough, besides who looked whether it listens
    equal(c.status(c.connect(protocol='connect-udp')), 501)
    equal(c.status(c.ask('/')), 200)


@case
def ws_backend_says_no(t):
    """A backend of HTTP/1.1 that refuses, answers as if nothing were asked, or agrees to something else: does the client get to know?"""
    answers = {'/403': b'HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno', '/200': b'HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok',
               '/key': b'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n',
               '/none': b'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n'}

    def serve(sock):
        data = b''
        while b'\r\n\r\n' not in data:
            data += sock.recv(65536)
        sock.sendall(answers[data.split()[1].decode()])
        sock.recv(1)
        sock.close()
    b = t.backend()
    b.serve = serve
    s = t.serve(gateway(), route(rule('b')), service('b', b.port), args=ARGS)
    c = Client(t, s.port[80])
    n = c.connect('/403')
    equal((c.status(n), c.body(n)), (403, b'no'))
    for path, why in (('/200', 'backend_no_upgrade'), ('/key', 'backend_protocol'), ('/none', 'backend_protocol')):
        n = c.connect(path)
        equal(c.status(n), 502)
        holds(c.body(n).decode(), why)


def accepting(t):
    """A backend of HTTP/1.1 that agrees as it should; the sockets that it handed over."""
    taken = []

    def serve(sock):
        data = b''
        while b'\r\n\r\n' not in data:
            data += sock.recv(65536)
        key = next(x.split(b': ')[1] for x in data.split(b'\r\n') if x.lower().startswith(b'sec-websocket-key'))
        accept = base64.b64encode(hashlib.sha1(key + b'258EAFA5-E914-47DA-95CA-C5AB0DC85B11').digest())
        sock.sendall(b'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ' + accept + b'\r\n\r\n')
        taken.append(sock)
    b = t.backend()
    b.serve = serve
    return b, taken


def opened(t, *objects, g=None, args=ARGS):
    b, taken = accepting(t)
    s = t.serve(g or gateway(), route(rule('b', matches=[path('/chat')])), service('b', b.port), *objects, args=args)
    c = Client(t, s.port[80])
    n = c.connect('/chat')
    equal(c.status(n), 200)
    return s, c, n, eventually(lambda: taken, 'the backend has it')[0]


@case
def ws_h2_ends(t):
    """Does END_STREAM end one direction alone, either way, and a reset both, either way?"""
    s, c, n, up = opened(t)
    c.send(n, b'bye', end=True)
    got = b''
    while data := up.recv(100):
        got += data
    equal(got, b'bye')
    up.sendall(b'after the end')
    up.close()
    equal(c.body(n), b'after the end')
    eventually(lambda: s.metric('postern_upgraded_connections_open') == 0, 'it is over')

    s, c, n, up = opened(t)
    up.sendall(b'last')
    up.shutdown(socket.SHUT_WR)
    equal(c.body(n), b'last')
    c.send(n, b'still', end=True)
    got = b''
    while data := up.recv(100):
        got += data
    equal(got, b'still')

    s, c, n, up = opened(t)
    c.send(n, b'x')
    equal(up.recv(10), b'x')
    c.reset(n)
    try:
        equal(up.recv(10), b'')
    except ConnectionResetError:
        pass
    equal(record_of(s, 101, 3)['reason'], 'client_gone')

    s, c, n, up = opened(t)
    up.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
    up.close()
    c.wait(lambda: n in c.resets)
    equal(int(c.resets[n]), 8)
    equal(record_of(s, 101, 4)['reason'], 'backend_cut')


@case
def ws_h2_slow_reader(t):
    """Is a fast side held to a slow one, either way, other streams of the connection unharmed, and does everything arrive?"""
    s, c, n, up = opened(t)
    c.reads = False
    up.setblocking(False)
    block, sent = random.randbytes(1 << 16), 0

    def held_back():
        nonlocal sent
        before = sent
        try:
            while True:
                sent += up.send(block[sent % len(block):])
                assert sent < 64 << 20, 'nothing holds it'
        except BlockingIOError:
            return sent == before
    eventually(held_back, 'the backend is held', every=0.2)
    # the client's own window is spent; what it sends the other way goes on
    c.send(n, b'meanwhile')
    up.setblocking(True)
    equal(up.recv(100), b'meanwhile')
    c.wait(lambda: len(c.bytes.get(n, b'')) == 65535)
    c.reads = True
    c.h2.acknowledge_received_data(65535, n)
    c.flush()
    up.close()
    got = c.body(n)
    equal(len(got), sent)
    assert got == (block * (sent // len(block) + 1))[:sent]

    # the other way: the backend does not read, the client's stream is held, and no other
    s, c, n, up = opened(t)
    pushed = 0
    while pushed < 64 << 20:
        room = min(c.h2.local_flow_control_window(n), 16384)
        if room:
            c.h2.send_data(n, b'y' * room)
            c.flush()
            pushed += room
            continue
        other = c.ask('/')  # an answer tells that all before it was looked at
        c.status(other)
        c.wait(lambda: other in c.ended)
        if not c.h2.local_flow_control_window(n):
            break
    assert pushed < 64 << 20, 'nothing holds it'
    taken = 0
    while taken < pushed:
        taken += len(up.recv(1 << 20))
    c.send(n, b'', end=True)
    equal(up.recv(1), b'')


@case
def ws_h2_idle(t):
    """Does timeouts.upgradedIdle end a tunnel on which nothing moves, though the connection is busy with others, and not one on which something does?"""
    s, c, n, up = opened(t, settings(timeouts_upgradedIdle='2s'), g=set_gateway())
    began = time.monotonic()
    while time.monotonic() < began + 2.5:
        c.send(n, b'x')
        equal(up.recv(1), b'x')
        time.sleep(0.1)
    began = time.monotonic()
    while n not in c.resets and time.monotonic() < began + 10:
        other = c.ask('/')
        c.wait(lambda: other in c.ended)
    equal(int(c.resets[n]), 8)
    equal(record_of(s, 101)['reason'], 'tunnel_idle')


@case
def ws_h2_drain(t):
    """On SIGTERM, is the client told by GOAWAY, and does its tunnel go on until it ends by itself?"""
    b, taken = accepting(t)
    s = t.serve(gateway(), route(rule('b')), service('b', b.port), args=('--drain', '1000'))
    c = Frames(t, s.port[80])
    n = c.ask('/', method='CONNECT', end=False, more=[(':protocol', 'websocket')])
    equal(c.status(n), 200)
    up = eventually(lambda: taken, 'the backend has it')[0]
    os.kill(s.pid, signal.SIGTERM)
    c.wait(lambda f: f.type == GOAWAY and f.number() == n)
    equal([f.number(4) for f in c.frames if f.type == GOAWAY], [0, 0])
    c.data(n, b'still here')
    equal(up.recv(100), b'still here')
    up.sendall(b'and here')
    c.wait(lambda f: f.type == DATA and f.payload == b'and here')
    c.data(n, b'', end=True)
    up.close()
    c.wait(lambda f: f.stream == n and f.flags & END_STREAM)
    equal(s.p.wait(10), 0)


@case
def ws_h2_over_tls(t):
    """Over TLS in front, many of them side by side on one connection?"""
    e = wsocket.EchoServer(t)
    crt, key = t.certificate('h', 'h')
    s = t.serve(gateway(listener(443, protocol='HTTPS', secrets=['h'])), route(rule('b')), service('b', e.port), ports=(443,), args=(*ARGS, '--tls', f'default/h={crt},{key}'))
    c = Client(t, s.port[443], tls=trusting(crt, alpn=['h2']), sni='h')
    many = [WebSocket(c, f'/{i}') for i in range(50)]
    for k in range(5):
        for i, ws in enumerate(many):
            ws.send(f'{i}/{k}/' + 'y' * random.randrange(3000) + '.')
        for i, ws in enumerate(many):
            assert ws.read().startswith(f'{i}/{k}/')
    for ws in many:
        closed(ws)
    equal(e.seen[0][1]['X-Forwarded-Proto'], 'https')


@case
def ws_backend_vanishes(t):
    """When a backend of HTTP/2 goes in the middle, do clients of either version get to know?"""
    s = h2c(t)
    ws = WebSocket(Client(t, s.port[80]))

    async def talk():
        async with wsocket.connect(s.port[80]) as one:
            await one.send('vanish')
            try:
                await asyncio.wait_for(one.recv(), 10)
                raise AssertionError('it said something')
            except wsocket.websockets.ConnectionClosed:
                pass
    wsocket.run(talk())
    ws.client.wait(lambda: ws.stream in ws.client.resets or ws.stream in ws.client.ended)
    equal({k: int(v) for k, v in ws.client.resets.items()}, {ws.stream: 8})


def of_peer(t, peer, *objects, g=None):
    return t.serve(g or gateway(), route(rule('b')), h2c_service(peer.port), *objects, args=ARGS)


@case
def ws_waits_for_settings(t):
    """Do those that come before the backend has said whether it takes WebSocket wait, all of them, while requests do not?"""
    for takes in (True, False):
        peer = Peer(t, lambda a: a.answer(end=False) if a.head[':method'] == 'CONNECT' else None, websocket=takes, silent=True)
        s = of_peer(t, peer)
        c = Client(t, s.port[80])
        asked = [c.connect(f'/{i}') for i in range(10)]
        eventually(lambda: peer.links, 'it is connected to')
        plain = c.ask('/plain')
        peer.greets.set()
        eventually(lambda: peer.of('/plain'), 'the request has come')
        peer.of('/plain')[0].answer()
        equal(c.status(plain), 200)
        if takes:
            for n in asked:
                equal(c.status(n), 200)
                c.wait(lambda: c.bytes.get(n) == b'ok')
        else:
            equal({c.status(n) for n in asked}, {502})
        equal(len(peer.links), 1)
        s.end()


@case
def ws_settings_that_never_come(t):
    """Is a backend that says nothing given as long as connecting may take, and one that hangs up at once told from it?"""
    peer = Peer(t, silent=True)
    s = of_peer(t, peer, settings(timeouts_connect='3s'), g=set_gateway())
    c = Client(t, s.port[80])
    n = c.connect()
    equal(c.status(n), 504)
    holds(c.body(n).decode(), 'backend_timeout')
    s.comes_to(0, 'postern_requests_open')
    n = c.connect()
    s.comes_to(1, 'postern_requests_open')
    for link in peer.links:
        link.close()
    equal(c.status(n), 502)
    holds(c.body(n).decode(), 'backend_refused')
