# SPDX-License-Identifier: Apache-2.0
"""Upgraded connections: WebSocket by a library of others, and what happens to tunnels when things around them change."""
import asyncio
import hashlib
import json
import os
import random
import re
import resource
import select
import signal
import socket
import ssl
import time

import wsocket
from cases.backend_tls import Authority, bundle, policy, serving
from harness import case, equal, eventually, holds
from manifests import gateway, gateway_class, listener, path, route, rule, service, thing

ASK = 'GET /chat HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n'
AGREED = b'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n'


def settings(**data):
    return thing('ConfigMap', 'edge', version='v1', data={k.replace('_', '.', 1): v for k, v in data.items()})


def set_gateway():
    g = gateway()
    g['spec']['infrastructure'] = {'parametersRef': {'group': '', 'kind': 'ConfigMap', 'name': 'edge'}}
    return g


def serve(t, port, *objects, g=None, app=None, **more):
    s = service('b', port)
    if app:
        for o in s if isinstance(s, list) else [s]:
            if o['kind'] == 'Service':
                o['spec']['ports'][0]['appProtocol'] = app
    args = ('--drain', '1', *more.pop('args', ()))  # those that are open at the end of a case end then
    return t.serve(g or gateway(), route(rule('b')), s, *objects, args=args, **more)


def raw_backend(t):
    """A backend that agrees to every upgrade; the sockets that it handed over."""
    taken = []
    b = t.backend()
    b.serve = lambda sock: hand_over(sock, taken)
    return b, taken


def hand_over(sock, taken):
    data = b''
    while b'\r\n\r\n' not in data:
        data += sock.recv(65536)
    sock.sendall(AGREED)
    taken.append(sock)


def open_tunnel(t, s, taken):
    before = len(taken)
    c = t.connection(s.port[80])
    c.send(ASK)
    while b'\r\n\r\n' not in c.buffer:
        assert c.more(), c.buffer
    holds(c.buffer.decode(), 'HTTP/1.1 101 ')
    eventually(lambda: len(taken) > before, 'the backend has it')
    return c, taken[-1]


@case
def websocket_echo(t):
    """Does a WebSocket library's client talk to its server through us: text, binary, fragments, pings, big messages, the close code?"""
    e = wsocket.EchoServer(t)
    s = serve(t, e.port, app='kubernetes.io/ws', args=('--access-log', 'json'))

    async def talk():
        async with wsocket.connect(s.port[80], '/chat?x=1') as ws:
            for n in (0, 1, 125, 126, 127, 65535, 65536, 1 << 20, 20 << 20):
                data = random.randbytes(n)
                await ws.send(data)
                assert await ws.recv() == data, n
            await ws.send(['fr', 'ag', 'ments'])
            equal(await ws.recv(), 'fragments')
            await asyncio.wait_for(await ws.ping(), 10)
            await ws.send('close')
            await ws.wait_closed()
            equal((ws.close_code, ws.close_reason), (4001, 'as asked'))
    wsocket.run(talk())
    where, head = e.seen[0]
    equal(where, '/chat?x=1')
    equal((head['Upgrade'], head['Connection'], head['X-Forwarded-Proto']), ('websocket', 'upgrade', 'http'))
    line = eventually(lambda: next((x for x in s.text().splitlines() if '"status":101' in x), None), 'its record')
    record = json.loads(line)
    assert record['bytes_in'] > 21 << 20 and record['bytes_out'] > 21 << 20, record
    equal((record['reason'], record['route'], record['path']), ('-', 'HTTPRoute/default/r', '/chat'))


@case
def websocket_to_a_backend_by_tls(t):
    """Does appProtocol kubernetes.io/wss go over TLS as its policy says, by HTTP/1.1 even where the backend would rather speak HTTP/2, and not at all without a policy?"""
    ca = Authority(t, 'ca')
    context = serving(*ca.leaf('b', 'DNS:b.internal'))
    context.set_alpn_protocols(['h2', 'http/1.1'])
    e = wsocket.EchoServer(t, context)
    objects = [gateway(), route(rule('b')), *service('b', e.port), bundle('ca', ca.cert)]
    next(o for o in objects if o['kind'] == 'Service')['spec']['ports'][0]['appProtocol'] = 'kubernetes.io/wss'
    s = t.serve(*objects, args=('--drain', '1'))
    a = s.ask('/chat')
    equal(a.status, 500)
    holds(a.text(), 'invalid_backend')
    t.put('policy.yaml', policy())
    eventually(lambda: s.ask('/chat').status != 500, 'the policy says how')
    s.everywhere()

    async def talk():
        async with wsocket.connect(s.port[80], '/chat') as ws:
            for n in (1, 1 << 20):
                data = random.randbytes(n)
                await ws.send(data)
                assert await ws.recv() == data, n
    wsocket.run(talk())
    equal(len(e.seen), 1)


@case
def websocket_compressed_over_tls(t):
    """Does it go on inside TLS, with permessage-deflate agreed by both ends?"""
    crt, key = t.certificate('h', 'h')
    e = wsocket.EchoServer(t)
    s = serve(t, e.port, g=gateway(listener(443, protocol='HTTPS', secrets=['h'])), ports=(443,), args=('--tls', f'default/h={crt},{key}'))
    trust = ssl.create_default_context(cafile=crt)

    async def talk():
        async with wsocket.connect(s.port[443], ssl=trust, server_hostname='h', compression='deflate') as ws:
            assert [x.name for x in ws.extensions] == ['permessage-deflate']
            for n in (10, 1 << 20, 5 << 20):
                await ws.send('x' * n)
                assert await ws.recv() == 'x' * n
    wsocket.run(talk())
    equal(e.seen[0][1]['X-Forwarded-Proto'], 'https')


@case
def websocket_many_at_once(t):
    """Are 100 of them side by side, all talking, each given its own?"""
    e = wsocket.EchoServer(t)
    s = serve(t, e.port)

    async def one(i):
        async with wsocket.connect(s.port[80], f'/{i}') as ws:
            for k in range(20):
                data = f'{i}/{k}/' + 'y' * random.randrange(3000)
                await ws.send(data)
                assert await ws.recv() == data

    async def all_of_them():
        await asyncio.gather(*[one(i) for i in range(100)])
    wsocket.run(all_of_them())
    eventually(lambda: s.metric('postern_upgraded_connections_open') == 0, 'all are told to be over')


@case
def tunnel_slow_reader(t):
    """Is a fast side held to a slow one, in memory that is bounded, and does everything arrive?"""
    b, taken = raw_backend(t)
    s = serve(t, b.port)
    c, up = open_tunnel(t, s, taken)
    up.setblocking(False)
    block, sent, digest = random.randbytes(1 << 16), 0, hashlib.sha256()

    def held_back():
        """Sends what goes; true when nothing did."""
        nonlocal sent
        before = sent
        try:
            while True:
                n = up.send(block)
                digest.update(block[:n])
                sent += n
                assert sent < 64 << 20, 'nothing holds it'
        except BlockingIOError:
            return sent == before
    eventually(held_back, 'the sender is held', every=0.2)
    held = sent
    up.close()
    got, c.buffer = hashlib.sha256(), b''
    n = 0
    while c.more():
        got.update(c.buffer)
        n += len(c.buffer)
        c.buffer = b''
    equal((n, got.hexdigest()), (held, digest.hexdigest()))


@case
def tunnel_half_close(t):
    """Does each direction end for itself, in either order, and without TLS as with it?"""
    crt, key = t.certificate('h', 'h')
    b, taken = raw_backend(t)
    s = serve(t, b.port, g=gateway(listener(80), listener(443, protocol='HTTPS', secrets=['h'])), ports=(80, 443), args=('--tls', f'default/h={crt},{key}'))
    c, up = open_tunnel(t, s, taken)
    c.sock.shutdown(socket.SHUT_WR)
    equal(up.recv(100), b'')
    up.sendall(b'after the end')
    c.buffer = b''
    c.more()
    equal(c.buffer, b'after the end')
    up.close()
    assert not c.more()
    c, up = open_tunnel(t, s, taken)
    c.buffer = b''
    up.sendall(b'bye')
    up.shutdown(socket.SHUT_WR)
    while c.more():
        pass
    equal(c.buffer, b'bye')
    c.send('still here')
    c.sock.shutdown(socket.SHUT_WR)
    got = b''
    while data := up.recv(100):
        got += data
    equal(got, b'still here')
    trust = ssl.create_default_context(cafile=crt)
    c = t.connection(s.port[443], tls=trust, sni='h')
    before = len(taken)
    c.send(ASK)
    while b'\r\n\r\n' not in c.buffer:
        c.more()
    up = eventually(lambda: taken[before:], 'the backend has it')[0]
    up.sendall(b'bye')
    up.shutdown(socket.SHUT_WR)
    eventually(lambda: not c.more(), 'close_notify')
    assert c.buffer.endswith(b'\r\n\r\nbye'), c.buffer
    c.close()
    equal(up.recv(10), b'')


@case
def tunnel_reload(t):
    """Do tunnels outlast their route, their backend and generations of tables, and is nothing of those kept for them?"""
    e = wsocket.EchoServer(t)
    s = serve(t, e.port)

    async def talk():
        async with wsocket.connect(s.port[80]) as ws:
            await ws.send('before')
            equal(await ws.recv(), 'before')
            for i in range(5):
                t.put('more.yaml', service('b2', e.port), route(rule('b2', matches=[path(f'/{i}')]), name='other'))
                eventually(lambda: f'/{i} ' in s.page('/table').text(), 'the change is live')
            t.put('main.yaml', gateway_class(), gateway())
            eventually(lambda: 'default/b:80' not in s.page('/table').text(), 'the route is gone')
            eventually(lambda: s.ask().status == 404, 'nothing is routed')
            await ws.send('after')
            equal(await ws.recv(), 'after')
            s.comes_to(1, 'postern_tables_alive')
    wsocket.run(talk())


@case
def tunnel_settings(t):
    """Do timeouts.upgradedIdle and upgrades of the settings hold, and does the request's own timeout end with 101?"""
    b, taken = raw_backend(t)
    s = serve(t, b.port, settings(timeouts_upgradedIdle='2s', timeouts_request='1s', upgrades='SPDY/3.1'), g=set_gateway(), args=('--access-log', 'json'))
    c, up = open_tunnel(t, s, taken)
    c.buffer = b''
    began = time.monotonic()
    while time.monotonic() < began + 2.5:  # beyond both times, and never still
        c.send('x')
        equal(up.recv(1), b'x')
        select.select([c.sock], [], [], 0.1)
    assert not c.more()
    equal(up.recv(10), b'')
    eventually(lambda: '"reason":"tunnel_idle"' in s.text(), 'the reason is told')
    d = t.connection(s.port[80])
    d.send('POST /exec HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\nConnection: Upgrade\r\nUpgrade: spdy/3.1\r\n\r\n')
    # this backend agrees to websocket, whatever it is asked: that is no answer
    while b'\r\n\r\n' not in d.buffer:
        d.more()
    holds(d.buffer.decode(), ' 502 ')


@case
def tunnel_drain(t):
    """On SIGTERM, do tunnels go on until the drain deadline, and is the end a good one?"""
    e = wsocket.EchoServer(t)
    s = serve(t, e.port, args=('--drain', '2'))

    async def talk():
        async with wsocket.connect(s.port[80]) as ws:
            os.kill(s.pid, signal.SIGTERM)
            with_backoff = 0
            while True:
                try:
                    await ws.send('still')
                    equal(await asyncio.wait_for(ws.recv(), 5), 'still')
                    with_backoff += 1
                    await asyncio.sleep(0.05)
                except wsocket.websockets.ConnectionClosed:
                    break
            assert with_backoff > 5, 'it was cut at once'
    wsocket.run(talk())
    equal(s.p.wait(10), 0)


def rss_kb(pid):
    return int(re.search(r'Pss:\s+(\d+)', open(f'/proc/{pid}/smaps_rollup').read())[1])


@case
def tunnel_idle_memory(t):
    """What do 1,000 idle tunnels cost? Less than 24 kB each, both sides; sanitizers make it more."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 8192), most))
    b, taken = raw_backend(t)
    s = serve(t, b.port)
    open_tunnel(t, s, taken)
    before = rss_kb(s.serving())
    kept = [open_tunnel(t, s, taken) for _ in range(1000)]
    s.comes_to(1001, 'postern_upgraded_connections_open')
    each = (rss_kb(s.serving()) - before) / len(kept)
    print(f'{each:.1f} kB a tunnel')
    assert each < 24 or b'__asan_init' in open(t.binary, 'rb').read(), f'{each:.1f} kB a tunnel'
    for c, up in kept[::100]:
        c.buffer = b''
        up.sendall(b'x')
        c.more()
        equal(c.buffer, b'x')
