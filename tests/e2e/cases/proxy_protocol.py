# SPDX-License-Identifier: Apache-2.0
"""The PROXY protocol: from HAProxy, from curl, and from those who do it wrong."""
import socket
import ssl
import struct

from cases.settings import named_class, settings
from client import Connection, trusting
from harness import Process, case, equal, eventually, holds
from manifests import gateway, listener, route, rule, secret, service

SIGNATURE = b'\r\n\r\n\0\r\nQUIT\n'


def v1(source='203.0.113.9', port=4711):
    return f'PROXY TCP4 {source} 198.51.100.2 {port} 443\r\n'.encode()


def v2(source='203.0.113.9', port=4711, more=b''):
    body = socket.inet_aton(source) + socket.inet_aton('198.51.100.2') + struct.pack('>HH', port, 443) + more
    return SIGNATURE + b'\x21\x11' + struct.pack('>H', len(body)) + body


def start(t, listeners=(), ports=(80,), objects=(), **set_):
    t.put('settings.yaml', settings(**{k: v for k, v in set_.items()}))
    b = t.backend()
    t.put('all.yaml', named_class(), service('b', b.port), gateway(*listeners), route(rule('b')), *objects)
    return t.serve(ports=ports, args=('--access-log', 'json'))


def told(s, header, port=80, pieces=False, **more):
    """The client, as a backend is told of it, of a connection that begins with these bytes."""
    with Connection(s.port[port], **more) as c:
        for piece in [header[i:i + 1] for i in range(len(header))] if pieces else [header]:
            c.send(piece)
        a = c.ask('/')
        equal(a.status, 200)
        return {k.lower(): v for k, v in a.json()['headers']}['x-forwarded-for']


def closed(s, data, port=80):
    with Connection(s.port[port]) as c:
        c.send(data)
        return c.ended()


def haproxy(t, *servers):
    """An HAProxy in mode tcp with a listening port for each of these: the words of its server line. The ports."""
    ports = [t.port() for _ in servers]
    conf = t.file('haproxy.cfg')
    with open(conf, 'w') as f:
        f.write('global\n  log stderr format raw local0\ndefaults\n  mode tcp\n  timeout connect 5s\n  timeout client 30s\n  timeout server 30s\n')
        for i, (port, words) in enumerate(zip(ports, servers)):
            f.write(f'listen l{i}\n  bind 127.0.0.1:{port}\n  server s 127.0.0.1:{words}\n')
    p = Process(t, ['haproxy', '-db', '-f', conf], 'haproxy.log')
    p.wait_listening(*ports)
    return p, ports


@case
def proxy_protocol_haproxy(t):
    """Is HAProxy's word taken for the client's address, by both versions, in the clear and before TLS, and in its own health checks?"""
    cert = t.certificate('a', 'a.example.com')
    s = start(t, (listener(80), listener(443, 'tls', 'HTTPS', None, ['a'])), (80, 443), (secret('a', *cert),), proxyProtocol='Required')
    lines = [f'{s.port[80]} send-proxy', f'{s.port[80]} send-proxy-v2', f'{s.port[80]} send-proxy-v2 proxy-v2-options crc32c,unique-id,authority',
             f'{s.port[443]} send-proxy', f'{s.port[443]} send-proxy-v2', f'{s.port[80]} send-proxy-v2 check check-send-proxy inter 100ms']
    _, ports = haproxy(t, *lines)
    s.port.update({f'h{i}': p for i, p in enumerate(ports)})
    equal([told(s, b'', f'h{i}', source='127.0.0.9') for i in range(3)], ['127.0.0.9'] * 3)
    for i in 3, 4:
        with Connection(ports[i], trusting(cert[0]), 'a.example.com', source='127.0.0.8') as c:
            a = c.ask('/', host='a.example.com')
            equal({k.lower(): v for k, v in a.json()['headers']}['x-forwarded-for'], '127.0.0.8')
    eventually(lambda: s.metric('postern_proxy_headers_total', version='2') >= 10, 'health checks, by LOCAL, are good headers')
    eventually(lambda: '"client":"127.0.0.9"' in s.text(), 'the log tells the client')


@case
def proxy_protocol_curl(t):
    """Does curl get in by its header, with HTTP/1.1, HTTP/2 at once, and TLS, and is it refused without?"""
    cert = t.certificate('a', 'a.example.com')
    s = start(t, (listener(80), listener(443, 'tls', 'HTTPS', None, ['a'])), (80, 443), (secret('a', *cert),), proxyProtocol='Required')
    plain, tls = f'http://127.0.0.1:{s.port[80]}/', f'https://a.example.com:{s.port[443]}/'
    curl = ('curl', '-sS', '-m', '10', '--interface', '127.0.0.7', '--haproxy-protocol')
    for words in (plain,), ('--http2-prior-knowledge', plain), ('-k', '--resolve', f'a.example.com:{s.port[443]}:127.0.0.1', tls):
        holds(t.run(*curl, *words), '127.0.0.7')
    t.run('curl', '-sS', '-m', '10', plain, status=56)
    s.comes_to(1, 'postern_proxy_header_failures_total', reason='absent')
    eventually(lambda: 'reason=absent' in s.text(), 'it is logged')


@case
def proxy_protocol_headers(t):
    """Is a header taken in pieces and with a TLS client's first bytes, is a bad one told and closed, and a slow one not waited for?"""
    cert = t.certificate('a', 'a.example.com')
    s = start(t, (listener(80), listener(443, 'tls', 'HTTPS', None, ['a'])), (80, 443), (secret('a', *cert),), proxyProtocol='Required',
              timeouts_head='3s')
    equal([told(s, v1(), pieces=True), told(s, v2(), pieces=True)], ['203.0.113.9'] * 2)
    equal(told(s, v2(more=b'\x04\0\x03abc')), '203.0.113.9')
    equal(told(s, SIGNATURE + b'\x20\0\0\0'), '127.0.0.1', 'LOCAL')
    equal(told(s, b'PROXY UNKNOWN\r\n'), '127.0.0.1')
    failures = lambda reason: s.metric('postern_proxy_header_failures_total', reason=reason)
    bad = [(b'GET / HTTP/1.1\r\nHost: a\r\n\r\n', 'absent'), (b'PROXY TCP4 1.2.3 4.5.6.7 1 2\r\n', 'address'),
           (b'PROXY UNKNOWN ' + b'x' * 100, 'length'), (SIGNATURE + b'\x31', 'version'),
           (v2(more=b'\x04\0\x09'), 'extension'), (v2(more=b'\x03\0\x04\0\0\0\0'), 'checksum')]
    for data, reason in bad:
        equal(closed(s, data), True, reason)
        equal(closed(s, data, 443), True, reason)
        eventually(lambda: failures(reason) == 2, reason)
        eventually(lambda: f'reason={reason} ' in s.text(), 'it is logged')
    equal(closed(s, b'PROXY TCP4 1.2'), True, 'it is not waited for')
    eventually(lambda: failures('timeout') == 1, 'timeout')
    with Connection(s.port[80]) as c:
        c.send(v1()[:20])
        c.sock.shutdown(socket.SHUT_WR)
        equal(c.ended(), True)
    eventually(lambda: failures('closed') == 1, 'closed')
    # a header and the ClientHello in one segment
    raw = socket.create_connection(('127.0.0.1', s.port[443]))
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = trusting(cert[0]).wrap_bio(incoming, outgoing, server_hostname='a.example.com')
    first = v1()
    while True:
        try:
            tls.do_handshake()
            break
        except ssl.SSLWantReadError:
            raw.sendall(first + outgoing.read())
            first = b''
            incoming.write(raw.recv(1 << 16))
    raw.sendall(outgoing.read())
    tls.write(b'GET / HTTP/1.1\r\nHost: a.example.com\r\nConnection: close\r\n\r\n')
    raw.sendall(outgoing.read())
    answer = b''
    while data := raw.recv(1 << 16):
        incoming.write(data)
    try:
        while data := tls.read(1 << 16):
            answer += data
    except ssl.SSLError:
        pass
    raw.close()
    holds(answer.decode(), '200 OK', '203.0.113.9')


@case
def proxy_protocol_trusted(t):
    """Who is to send the header goes by the networks, live; and is the address in it judged as a peer's for X-Forwarded-For?"""
    s = start(t, proxyProtocol='Required', proxyProtocol_trusted='10.0.0.0/8')
    equal(closed(s, v1()), True, 'a stranger')
    s.comes_to(1, 'postern_proxy_header_failures_total', reason='stranger')
    s.adopts(lambda: t.put('settings.yaml', settings(proxyProtocol='FromTrusted', proxyProtocol_trusted='127.0.0.5 10.0.0.0/8')))
    equal(closed(s, b'GET / HTTP/1.1\r\nHost: a\r\n\r\n'), False, 'others come without')
    equal(told(s, b''), '127.0.0.1')
    equal(told(s, v1(), source='127.0.0.5'), '203.0.113.9')
    with Connection(s.port[80], source='127.0.0.5') as c:
        c.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
        equal(c.ended(), True, 'it has to send one')
    with Connection(s.port[80]) as c:
        c.send(v1() + b'GET / HTTP/1.1\r\nHost: a\r\n\r\n')
        equal(c.answer().status, 400, 'a header of others is no request')
    s.adopts(lambda: t.put('settings.yaml', settings(proxyProtocol='Required', trustedProxies='192.0.2.0/24')))
    equal(closed(s, b'GET / HTTP/1.1\r\nHost: a\r\n\r\n'), True, 'required of all')
    claim = lambda source: ask_as(s, source)
    equal(claim('192.0.2.7'), '198.51.100.9, 192.0.2.7', 'the one in the header is trusted')
    equal(claim('203.0.113.9'), '203.0.113.9')


def ask_as(s, source):
    with Connection(s.port[80]) as c:
        c.send(v2(source))
        a = c.ask('/', headers={'X-Forwarded-For': '198.51.100.9'})
        return {k.lower(): v for k, v in a.json()['headers']}['x-forwarded-for']
