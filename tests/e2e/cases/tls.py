# SPDX-License-Identifier: Apache-2.0
"""HTTPS listeners."""
import ssl

from client import Connection, ask, trusting
from harness import case, equal, eventually, holds
from manifests import gateway, listener, route, rule, secret, service


def two_hosts(t, *more):
    """Two HTTPS listeners on one port, a certificate and a backend each."""
    t.certs = {n: t.certificate(n, f'{n}.example.com') for n in 'ab'}
    backends = [service(n, t.backend(n).port) for n in 'ab']
    return t.serve(gateway(*(listener(443, n, 'HTTPS', f'{n}.example.com', [n]) for n in 'ab')),
                   *(secret(n, *t.certs[n]) for n in 'ab'), *backends,
                   *(route(rule(n), name=n, hostnames=[f'{n}.example.com']) for n in 'ab'), *more, ports=(443,))


@case
def two_certificates(t):
    """Does the server name choose the certificate?"""
    s = two_hosts(t)
    for n in 'ab':
        equal(s.ask(port=443, host=f'{n}.example.com', tls=trusting(t.certs[n][0])).get('X-Served-By'), n)
    try:
        s.ask(port=443, host='a.example.com', tls=trusting(t.certs['b'][0]))
        raise AssertionError("a's certificate was taken for b's")
    except ssl.SSLCertVerificationError:
        pass


@case
def misdirected_421(t):
    """Is a request for another listener's host than the TLS server name said answered 421?"""
    s = two_hosts(t)
    with Connection(s.port[443], trusting(t.certs['a'][0]), 'a.example.com') as c:
        equal([c.ask(host=f'{h}.example.com').status for h in 'aba'], [200, 421, 200])


@case
def unknown_server_name(t):
    """Does a server name that no listener has end the handshake?"""
    s = two_hosts(t)
    try:
        Connection(s.port[443], trusting(), 'c.example.com').close()
        raise AssertionError('the handshake was done')
    except (ssl.SSLError, ConnectionError):
        pass
    equal(s.ask(port=443, host='a.example.com', tls=trusting()).status, 200)


@case
def alpn(t):
    """Is http/1.1 chosen by ALPN when offered, and a client without ALPN served?"""
    s = two_hosts(t)
    for offered, chosen in ((['http/1.1'], 'http/1.1'), (['x', 'http/1.1'], 'http/1.1'), (None, None)):
        with Connection(s.port[443], trusting(alpn=offered), 'a.example.com') as c:
            equal(c.sock.selected_alpn_protocol(), chosen, str(offered))
            equal(c.ask(host='a.example.com').status, 200)


@case
def tls_resumption(t):
    """Is a TLS 1.3 session resumed, and by another worker, too?"""
    s = two_hosts(t)
    file = t.file('session')
    common = ['openssl', 's_client', '-connect', f'127.0.0.1:{s.port[443]}', '-servername', 'a.example.com', '-ign_eof', '-tls1_3']
    request = 'GET / HTTP/1.1\r\nHost: a.example.com\r\nConnection: close\r\n\r\n'
    import subprocess
    talk = lambda *more: subprocess.run([*common, *more], input=request.encode(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=20).stdout.decode('utf-8', 'replace')
    holds(talk('-sess_out', file), 'New, TLSv1.3', '200 OK')
    for _ in range(8):
        holds(talk('-sess_in', file), 'Reused, TLSv1.3', '200 OK')


@case
def tls_versions(t):
    """Is TLS 1.2 served and 1.1 refused?"""
    s = two_hosts(t)
    common = ['curl', '-sS', '-m', '10', '-o', '/dev/null', '-w', '%{http_code}', '--cacert', t.certs['a'][0], '--connect-to', f'a.example.com:443:127.0.0.1:{s.port[443]}']
    equal(t.run(*common, '--tlsv1.2', '--tls-max', '1.2', 'https://a.example.com/'), '200')
    equal(t.run(*common, '--tlsv1.3', 'https://a.example.com/'), '200')
    assert '200' not in t.run(*common, '--tlsv1.0', '--tls-max', '1.1', '--ciphers', 'DEFAULT@SECLEVEL=0', 'https://a.example.com/', status=None)


@case
def plain_to_tls_port(t):
    """Is plain HTTP to an HTTPS port ended without harm?"""
    s = two_hosts(t)
    with Connection(s.port[443]) as c:
        c.send('GET / HTTP/1.1\r\nHost: a.example.com\r\n\r\n')
        try:
            while c.more():
                pass
        except ConnectionError:
            pass
    equal(s.ask(port=443, host='a.example.com', tls=trusting()).status, 200)


@case
def tls_bodies(t):
    """Do bodies of 20 MB go both ways over TLS unchanged?"""
    import hashlib
    import os
    s = two_hosts(t)
    body = os.urandom(1 << 20) * 20
    a = s.ask('/', 443, method='POST', host='a.example.com', tls=trusting(), body=body, timeout=60)
    equal(a.json()['bodyHash'], hashlib.sha256(body).hexdigest())
    from backends import Backend

    def handler(stream, r):
        stream.body(r)
        stream.answer(200, [], body)
        return True
    big = t.backend('big', handler)
    t.put('big.yaml', service('big', big.port), route(rule('big', matches=[{'path': {'type': 'Exact', 'value': '/big'}}]), name='big', hostnames=['b.example.com']))
    eventually(lambda: hashlib.sha256(s.ask('/big', 443, host='b.example.com', tls=trusting(), timeout=60).body).digest() == hashlib.sha256(body).digest(), 'the answer is whole', 30)


@case
def broken_secret(t):
    """Does a listener with a broken certificate harm only itself, and is that said?"""
    import base64
    s = two_hosts(t)
    from manifests import thing
    bad = thing('Secret', 'c', version='v1', type='kubernetes.io/tls', data={k: base64.b64encode(b'no PEM').decode() for k in ('tls.crt', 'tls.key')})
    t.put('more.yaml', bad, gateway(listener(443, 'c', 'HTTPS', 'c.example.com', ['c']), name='gw2'))
    eventually(lambda: 'InvalidCertificateRef' in s.page('/status').text(), 'the status says so')
    equal(s.ask(port=443, host='a.example.com', tls=trusting(t.certs['a'][0])).status, 200)


@case
def http_and_https(t):
    """Are HTTP and HTTPS of one Gateway served, and does X-Forwarded-Proto tell them apart?"""
    cert = t.certificate('w', '*.example.com', 'example.com')
    s = t.serve(gateway(listener(80), listener(443, 's', 'HTTPS', None, ['w'])), secret('w', *cert), service('b', t.backend().port), route(rule('b')), ports=(80, 443))
    proto = lambda a: dict((k.lower(), v) for k, v in a.json()['headers']).get('x-forwarded-proto')
    equal((proto(s.ask(port=443, host='www.example.com', tls=trusting(cert[0]))), proto(s.ask())), ('https', 'http'))
