# SPDX-License-Identifier: Apache-2.0
"""HTTP/2 to backends: by appProtocol in the clear, by ALPN within TLS."""
import os
import socket
import threading

from cases.backend_tls import Authority, bundle, policy
from client import Cut
from harness import Process, case, equal, eventually, holds
from manifests import gateway, route, rule, service

SCRIPT = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), 'h2_backend.js')


def listening(process, port):
    """Waits until that process takes connections there."""
    def up():
        assert process.alive(), process.text()
        with socket.socket() as s:
            return s.connect_ex(('127.0.0.1', port)) == 0
    eventually(up, 'the backend listens', 20)
    return port


def speaking_h2(t, *more):
    """A backend's port; its objects are for a Service whose port has the protocol kubernetes.io/h2c."""
    port = t.port()
    return listening(Process(t, ['node', SCRIPT, str(port), *more], 'h2-backend.log'), port)


def h2c_service(port, protocol='kubernetes.io/h2c'):
    objects = service('b', port)
    objects[0]['spec']['ports'][0]['appProtocol'] = protocol
    return objects


def served(t):
    return t.serve(gateway(), route(rule('b')), h2c_service(speaking_h2(t)), args=('--workers', '1'))


@case
def h2c_backend(t):
    """Does appProtocol kubernetes.io/h2c make requests HTTP/2, bodies and fields included, on one connection?"""
    s = served(t)
    for n in (0, 1, 100000):
        told = s.told('/x?q=1', method='POST', body=b'b' * n, headers=[('X-A', '1')], host='a.example')
        equal((told['method'], told['path'], told['authority'], told['scheme'], told['bodyBytes'], told['headers']['x-a']), ('POST', '/x?q=1', 'a.example', 'http', n, '1'))
    assert 'connection' not in told['headers'] and 'transfer-encoding' not in told['headers'], told
    equal(s.ask('/').get('x-protocol'), 'h2')
    equal(s.ask('/count').json()['connections'], 2)  # and the one that found it listening


@case
def h2c_backend_many_streams(t):
    """Do requests share a connection up to what the backend takes at once, and open further ones beyond?"""
    s = served(t)
    equal(s.ask('/').status, 200)
    answers = []
    asks = [threading.Thread(target=lambda: answers.append(s.ask('/slow', timeout=30).status)) for _ in range(25)]
    for a in asks:
        a.start()
    eventually(lambda: s.ask('/count').json()['waiting'] == 25, 'all of them wait', 20)
    told = s.ask('/count').json()
    assert told['most'] <= 10 and 3 <= told['connections'] <= 8, told
    equal(s.ask('/release').status, 200)
    for a in asks:
        a.join()
    equal(answers, [200] * 25)


@case
def h2c_backend_refuses_stream(t):
    """Is a request that the backend refused before it looked at it sent again, whatever its method?"""
    s = served(t)
    equal(s.ask('/').status, 200)
    equal(s.ask('/refuse', method='POST', body=b'abc').status, 200)
    equal(s.ask('/goaway', method='POST', body=b'abc').status, 200)
    equal(s.ask('/').status, 200)


@case
def h2c_backend_resets(t):
    """Is an answer that the backend cuts never taken for a complete one, and the connection used on?"""
    s = served(t)
    equal(s.ask('/').status, 200)
    try:
        equal(s.ask('/reset').status, 502)  # when the end came before the head was passed on
    except (Cut, ConnectionError):
        pass
    equal(s.ask('/').status, 200)
    equal(s.ask('/count').json()['connections'], 2)


@case
def h2c_backend_trailers(t):
    """Do trailers of the backend reach a client of HTTP/2?"""
    s = served(t)
    out = t.run('nghttp', '-v', f'http://127.0.0.1:{s.port[80]}/trailers')
    holds(out, 'grpc-status: 0', 'grpc-message: fine')


@case
def h2c_backend_large(t):
    """Do megabytes pass both ways at once, under flow control?"""
    s = served(t)
    file = t.file('large')
    with open(file, 'wb') as f:
        f.write(os.urandom(1 << 20) * 8)
    out = t.file('out')
    t.run('curl', '-sS', '--http2-prior-knowledge', '--data-binary', f'@{file}', '-o', out, f'http://127.0.0.1:{s.port[80]}/echo', timeout=60)
    assert open(file, 'rb').read() == open(out, 'rb').read()


@case
def h2_backend_by_alpn(t):
    """Does a backend behind a BackendTLSPolicy get HTTP/2 when it offers it?"""
    ca = Authority(t, 'ca')
    cert, key = ca.leaf('b', 'DNS:b.internal')
    port = speaking_h2(t, key, cert)
    s = t.serve(gateway(), route(rule('b')), service('b', port), bundle('ca', ca.cert), policy(), args=('--workers', '1'))
    told = s.told('/x')
    equal((told['scheme'], told['path']), ('https', '/x'))
    equal(s.ask('/').get('x-protocol'), 'h2')


@case
def h2c_backend_load(t):
    """Does load at many streams from many clients get an answer each?"""
    s = served(t)
    out = t.run('h2load', '-n', '4000', '-c', '4', '-m', '20', f'http://127.0.0.1:{s.port[80]}/', timeout=60)
    holds(out, '4000 succeeded, 0 failed')
