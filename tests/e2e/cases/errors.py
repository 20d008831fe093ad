# SPDX-License-Identifier: Apache-2.0
"""What a client is told when something is wrong, and that the next request is unharmed."""
import time

from backends import saying, waiting
from client import Connection, Cut
from harness import case, equal, eventually
from manifests import gateway, path, ref, route, rule, service


@case
def no_route_404(t):
    """Is what no rule takes answered 404, on a connection that stays?"""
    b = t.backend()
    s = t.serve(gateway(), service('b', b.port), route(rule('b', matches=[path('/a')]), hostnames=['a.example.com']))
    with Connection(s.port[80]) as c:
        equal([c.ask(p, host=h).status for p, h in (('/b', 'a.example.com'), ('/a', 'b.example.com'), ('/a', 'a.example.com'))], [404, 404, 200])


@case
def invalid_backend_500(t):
    """Is a rule whose backend does not exist, or takes no traffic, answered 500, and its neighbours unharmed?"""
    b = t.backend()
    s = t.serve(gateway(), service('b', b.port), route(rule('absent', matches=[path('/absent')]), rule(ref('b', 0), matches=[path('/zero')]),
                                                       rule(matches=[path('/none')]), rule('b')))
    equal([s.ask(p).status for p in ('/absent', '/zero', '/none', '/')], [500, 500, 500, 200])


@case
def half_invalid_backend(t):
    """Does a rule with one valid and one absent backend answer 500 for the share of the absent one alone?"""
    b = t.backend()
    s = t.serve(gateway(), service('b', b.port), route(rule(ref('b', 1), ref('absent', 1))))
    statuses = [s.ask().status for _ in range(200)]
    assert set(statuses) == {200, 500} and 60 <= statuses.count(500) <= 140, statuses.count(500)


@case
def no_endpoints_503(t):
    """Is a Service without a ready endpoint answered 503?"""
    s = t.serve(gateway(), service('b'), route(rule('b')))
    equal(s.ask().status, 503)


@case
def backend_refuses_502(t):
    """Is a backend that refuses connections answered 502 soon?"""
    s = t.serve(gateway(), service('b', t.port()), route(rule('b')))
    began = time.monotonic()
    a = s.ask()
    equal(a.status, 502)
    assert time.monotonic() - began < 5, 'not soon'
    eventually(lambda: (s.metric('postern_reasons_total', reason='backend_refused') or 0) >= 1, 'counted')  # at the end of the worker's turn


@case
def one_endpoint_refuses(t):
    """When one of two endpoints refuses, does the other serve all requests?"""
    b = t.backend()
    s = t.serve(gateway(), service('b', t.port(), b.port), route(rule('b')))
    equal({s.ask().status for _ in range(40)}, {200})


@case
def backend_breaks_502(t):
    """Is a backend that closes before or within its head, or talks nonsense, answered 502, on a connection that stays?"""
    for what, data in (('nothing', b''), ('half a head', b'HTTP/1.1 200 OK\r\nContent-Le'), ('nonsense', b'NONSENSE\r\n\r\n'),
                       ('two lengths', b'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab'), ('bad status', b'HTTP/1.1 9 No\r\n\r\n')):
        b = t.backend('b', saying(data))
        t.put('b.yaml', service('b', b.port))
        if not t.servers:
            t.serve(gateway(), route(rule('b')))
        s = t.servers[0]
        eventually(lambda: s.ask().status == 502, f'{what}: 502')
        with Connection(s.port[80]) as c:
            equal((what, c.ask().status), (what, 502))
            equal(c.ask().status, 502)


@case
def backend_cut(t):
    """When a backend ends in the middle of a body, does the client see that it is not whole?"""
    for what, data in (('length', b'HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n' + b'x' * 100),
                       ('chunks', b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n64\r\n' + b'x' * 100 + b'\r\n')):
        b = t.backend('b', saying(data))
        t.put('b.yaml', service('b', b.port))
        if not t.servers:
            t.serve(gateway(), route(rule('b')))
        s = t.servers[0]

        def cut():
            try:
                a = s.ask()
            except (Cut, ConnectionError):
                return True
            assert a.status in (502, 503), f'{what}: it looks whole: {a}'
            return False
        eventually(cut, f'{what}: seen as cut')


@case
def request_timeout_504(t):
    """Is a backend that does not answer within timeouts.request answered 504, in time?"""
    held = []
    b = t.backend('b', waiting(held))
    held.append(b)
    s = t.serve(gateway(), service('b', b.port), route(rule('b', timeouts={'request': '300ms'})))
    began = time.monotonic()
    equal(s.ask().status, 504)
    took = time.monotonic() - began
    assert 0.25 < took < 3, f'{took:.2f} s'


@case
def backend_timeout_504(t):
    """Is timeouts.backendRequest held, too?"""
    held = []
    b = t.backend('b', waiting(held))
    held.append(b)
    s = t.serve(gateway(), service('b', b.port), route(rule('b', timeouts={'request': '10s', 'backendRequest': '200ms'})))
    began = time.monotonic()
    equal(s.ask().status, 504)
    assert time.monotonic() - began < 3


@case
def pooled_connection_closed(t):
    """When a backend closes its kept connections, is the next request answered all the same?"""
    def handler(stream, r):
        stream.body(r)
        stream.answer(200, [], b'ok')
        return False  # without having said so
    s = t.simple(handler=handler)
    with Connection(s.port[80]) as c:
        equal([c.ask().status for _ in range(50)], [200] * 50)


@case
def nginx_backend(t):
    """Is nginx a good backend: files, ranges, conditional requests, 404 of its own?"""
    root, port = t.file('www'), t.port()
    t.run('mkdir', '-p', root)
    with open(root + '/f.txt', 'w') as f:
        f.write('0123456789' * 1000)
    conf = t.file('nginx.conf')
    temp = ' '.join(f'{k}_temp_path {t.dir}/{k};' for k in ('client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'))
    with open(conf, 'w') as f:
        f.write(f'daemon off; worker_processes 1; pid {t.dir}/nginx.pid; error_log stderr; user root;\nevents {{ worker_connections 64; }}\n'
                f'http {{ access_log off; {temp} server {{ listen 127.0.0.1:{port}; root {root}; gzip on; gzip_types text/plain; }} }}\n')
    from client import ask
    from harness import Process
    Process(t, ['nginx', '-p', t.dir, '-c', conf], 'nginx.log')
    eventually(lambda: ask(port, '/f.txt').status == 200, 'nginx answers')
    s = t.serve(gateway(), service('b', port), route(rule('b')))
    with Connection(s.port[80]) as c:
        a = c.ask('/f.txt')
        equal(len(a.body), 10000)
        r = c.ask('/f.txt', headers={'Range': 'bytes=10-14'})
        equal((r.status, r.body, r.get('content-range')), (206, b'01234', 'bytes 10-14/10000'))
        equal(c.ask('/f.txt', headers={'If-None-Match': a.get('etag')}).status, 304)
        equal(c.ask('/none').status, 404)
    equal(len(t.run('curl', '-sS', '-m', '10', '--compressed', f'http://127.0.0.1:{s.port[80]}/f.txt')), 10000)
