# SPDX-License-Identifier: Apache-2.0
"""What one client, or all of them, may take of this process: connections, descriptors, time."""
import os
import resource
import select
import socket
import struct
import threading

from client import Connection
from frames import ACK, GOAWAY, SETTINGS, Frames
from harness import case, eventually, equal, holds
from manifests import gateway, listener, route, rule, service, thing

GET = b'GET / HTTP/1.1\r\nHost: example.com\r\n\r\n'
DESCRIPTORS = 256


def with_settings(t, handler=None, **data):
    t.b = t.backend('b', handler)
    g = gateway()
    g['spec']['infrastructure'] = {'parametersRef': {'group': '', 'kind': 'ConfigMap', 'name': 'edge'}}
    settings = thing('ConfigMap', 'edge', version='v1', data={k.replace('_', '.', 1): v for k, v in data.items()})
    return t.serve(g, settings, route(rule('b')), *service('b', t.b.port))


def connect(t, port, n, many=True, says=b''):
    """So many connections, from many addresses; the kernel has them, whether they were accepted or not."""
    out = []
    for i in range(n):
        c = socket.create_connection(('127.0.0.1', port), timeout=20, source_address=(f'127.0.0.{i % 50 + 2}', 0) if many else None)
        t.finally_(c.close)
        c.sendall(says)
        out.append(c)
    return out


def few_descriptors(t):
    """From here on postern is started with few descriptors."""
    wrapper = t.file('few')
    with open(wrapper, 'w') as f:
        f.write(f'#!/bin/sh\nulimit -n {DESCRIPTORS}\nexec {os.path.realpath(t.binary)} "$@"\n')
    os.chmod(wrapper, 0o755)
    t.binary = wrapper


def held(until):
    """A handler that answers when it is told to."""
    def handler(stream, r):
        stream.body(r)
        until.wait()
        stream.send('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi')
        return True
    return handler


@case
def descriptors_run_out(t):
    """With 256 descriptors and 1,000 clients that all ask: are those served that are taken, do the others wait without cost, and then get theirs?"""
    go = threading.Event()
    t.finally_(go.set)
    few_descriptors(t)
    s = t.simple(handler=held(go))
    clients = connect(t, s.port[80], 1000, says=GET)
    pauses = lambda: s.metric('postern_accept_pauses_total')
    eventually(lambda: pauses() > 0, 'it takes no more', 20)
    eventually(lambda: s.metric('postern_connections_open') == len(t.b.requests), 'all that it took have asked', 20)
    first, turns = pauses(), s.metric('postern_worker_turns_total')
    eventually(lambda: pauses() >= first + 10, 'it tries again and again', 20, 0.5)  # each question takes turns as well
    turns, tries = s.metric('postern_worker_turns_total') - turns, pauses() - first
    assert turns <= 5 * tries, f'{turns} turns to find {tries} times that there is no room'
    go.set()
    for c in clients:
        assert c.recv(100).startswith(b'HTTP/1.1 200 '), 'a request failed'
        c.close()
    eventually(lambda: s.ask().status == 200, 'a new client is served', 5)
    equal(s.metric('postern_reasons_total', reason='overload') or 0, 0)
    s.stop()


@case
def idle_clients_make_room(t):
    """With 256 descriptors and 1,000 clients that say nothing: is whoever asks served at once, and are the idle ones those that go?"""
    few_descriptors(t)
    s = t.simple()
    with Connection(s.port[80]) as c:
        c.ask()
        idle = connect(t, s.port[80], 1000)
        for _ in range(20):
            equal(s.ask().status, 200)
    eventually(lambda: s.metric('postern_connections_shed_total') >= 1000 - DESCRIPTORS, 'idle ones are closed', 10)
    eventually(lambda: s.metric('postern_connections_open') < DESCRIPTORS / 2, 'few are left')
    del idle
    s.stop()


@case
def half_open_clients(t):
    """Are 10,000 clients that connect and say nothing (as many as the system allows) no trouble to one that asks, and is nothing left of them?"""
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    n = min(10000, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2 - 200)
    s = t.simple()
    clients = connect(t, s.port[80], n)
    eventually(lambda: s.metric('postern_connections_open') >= n, 'all are open', 20)
    for _ in range(20):
        equal(s.ask().status, 200)
    equal(s.metric('postern_connections_shed_total'), 0)
    for c in clients:
        c.close()
    eventually(lambda: s.metric('postern_connections_open') == 0, 'all are gone', 20)
    s.stop()


@case
def connections_of_an_address_are_limited(t):
    """Does an address get as many connections as the settings say, and has another one its own?"""
    s = with_settings(t, limits_clientConnections='10')
    first = connect(t, s.port[80], 10, many=False)
    for c in first:
        c.sendall(GET)
        assert c.recv(100).startswith(b'HTTP/1.1 200 ')
    try:
        with socket.create_connection(('127.0.0.1', s.port[80]), timeout=20) as c:
            equal(c.recv(100), b'', 'one too many')
    except ConnectionResetError:
        pass
    s.comes_to(1, 'postern_connections_refused_total')
    with Connection(s.port[80], source='127.0.1.1') as c:
        equal(c.ask().status, 200)
    first[0].close()
    eventually(lambda: s.ask().status == 200, 'there is room for one again')
    s.stop()


@case
def heads_have_as_many_fields_as_the_settings_say(t):
    """Is a head with more fields than limits.headFields answered 431, below and above the usual bound?"""
    s = with_settings(t, limits_headFields='200')
    def ask(n):
        with Connection(s.port[80]) as c:
            c.send('GET / HTTP/1.1\r\nHost: h\r\n' + ''.join(f'X-{i}: y\r\n' for i in range(n)) + '\r\n')
            return c.answer().status
    equal((ask(150), ask(201)), (200, 431))
    s.stop()


@case
def streams_are_as_many_as_the_settings_say(t):
    """Is a client of HTTP/2 told how many requests it may have at once, is one beyond refused and no other, and a client that goes beyond knowingly ended?"""
    handler, go = t.held('/held')
    s = with_settings(t, handler, limits_streams='2')
    c = Frames(t, s.port[80])
    held, beyond = [c.ask('/held'), c.ask('/held')], c.ask('/beyond')  # before it has read what it was told
    told = c.wait(lambda f: f.type == SETTINGS and not f.flags & ACK).payload
    assert struct.pack('>HI', 3, 2) in [told[i:i + 6] for i in range(0, len(told), 6)], told
    equal(c.status(beyond), 'reset 7', 'REFUSED_STREAM')
    eventually(lambda: len(t.b.requests) == 2, 'two are under way')
    knowing = Frames(t, s.port[80])
    knowing.wait(lambda f: f.type == SETTINGS and f.flags & ACK)
    more = [knowing.ask('/held'), knowing.ask('/held')]
    knowing.ask('/beyond')
    equal(knowing.wait(lambda f: f.type == GOAWAY).number(), more[-1], 'the last that may have been done')
    go.set()
    for n in held:
        equal((c.status(n), c.body(n)), (200, b'done'))
    equal(c.status(c.ask('/after')), 200)
    assert '/beyond' not in [r.target for r in t.b.requests]
    s.stop()


@case
def handshakes_end_when_the_settings_say(t):
    """Of two handshakes that are begun and left, does the one end whose Gateway gives less time, although it began later?"""
    cert, key = t.certificate('c', 'example.com')
    short = gateway(listener(443, 'short', 'HTTPS', 'example.com', ['c']), name='short')
    short['spec']['infrastructure'] = {'parametersRef': {'group': '', 'kind': 'ConfigMap', 'name': 'edge'}}
    long = gateway(listener(444, 'long', 'HTTPS', 'example.com', ['c']), name='long')
    settings = thing('ConfigMap', 'edge', version='v1', data={'timeouts.handshake': '500ms'})
    s = t.serve(short, long, settings, args=('--tls', f'default/c={cert},{key}'), ports=(443, 444))
    patient, other = (connect(t, s.port[port], 1, says=b'\x16\x03\x01\x01')[0] for port in (444, 443))
    first = select.select([patient, other], [], [], 20)[0]
    equal(first, [other])
    eventually(lambda: s.metric('postern_tls_handshake_failures_total', reason='timeout') == 1, 'it is told why')
    s.stop()


@case
def slow_bodies_end(t):
    """Is a body that comes byte by byte, slower than 240 bytes a second, answered 408?"""
    s = t.simple()
    with Connection(s.port[80], timeout=30) as c:
        c.send('POST / HTTP/1.1\r\nHost: example.com\r\nContent-Length: 100000\r\n\r\n')
        while not select.select([c.sock], [], [], 0.2)[0]:
            c.send('x')
        a = c.answer()
        equal(a.status, 408)
        holds(a.text(), 'request_timeout')
    s.comes_to(1, 'postern_reasons_total', reason='request_timeout')
    s.stop()


def large(stream, r):
    stream.body(r)
    stream.send('HTTP/1.1 200 OK\r\nContent-Length: 50000000\r\n\r\n')
    stream.send(b'x' * 50000000)
    return True


@case
def slow_readers_end(t):
    """Is a client that takes nothing of its answer left, and one that takes a little all the time not, although both fill every buffer?"""
    s = t.simple(handler=large)
    stuck, slow = connect(t, s.port[80], 2)
    for c in (stuck, slow):
        c.sendall(GET)
    slow_n = 0
    def is_left():
        nonlocal slow_n
        slow_n += len(slow.recv(40000))
        return s.metric('postern_reasons_total', reason='client_slow') >= 1
    eventually(is_left, 'the one that takes nothing is left', 30, 0.2)
    while n := len(slow.recv(1 << 20)):
        slow_n += n
        if slow_n >= 50000000:
            break
    assert slow_n > 50000000
    equal(s.metric('postern_reasons_total', reason='client_slow'), 1)
    s.stop()
