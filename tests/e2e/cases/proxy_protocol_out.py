# SPDX-License-Identifier: Apache-2.0
"""Backends that want the PROXY protocol: nginx, and one that tells what it was told."""

from backends import Backend, Stream
from cases.backend_tls import Authority, bundle, policy
from cases.settings import named_class, settings
from cases.xbackend import to, xbackend
from client import Connection
from harness import Process, case, equal, eventually, holds
from manifests import gateway, gateway_class, path, route, rule, service, slices


def wanting(version, name, *ports, protocol=None):
    out = service(name, *ports)
    out[0]['metadata']['annotations'] = {'postern.dev/proxy-protocol': version}
    if protocol:
        out[0]['spec']['ports'][0]['appProtocol'] = protocol
    return out


class Told(Backend):
    """Reads a line before everything else, and keeps it; answers with it."""

    def __init__(self):
        self.lines, self.open = [], 0
        super().__init__('told')

    def serve(self, sock):
        stream = Stream(sock)
        line = stream.line()
        self.lines.append(line)
        self.open += 1
        try:
            while (r := stream.head()) is not None:
                self.requests.append(r)
                stream.body(r)
                stream.answer(200, [('X-Told', line)], b'ok', r.method)
        except (OSError, ValueError):
            pass
        self.open -= 1
        sock.close()


def nginx(t, *listens):
    """An nginx that tells, for each of these listen directives, what it was told. Their ports."""
    ports = [t.port() for _ in listens]
    conf = t.file('nginx.conf')
    temp = ' '.join(f'{k}_temp_path {t.dir}/{k};' for k in ('client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'))
    servers = ' '.join(f'server {{ listen 127.0.0.1:{p} {words} location / {{ '
                       'add_header X-Told "$proxy_protocol_addr $proxy_protocol_port $proxy_protocol_server_port" always; '
                       'add_header X-Connection $connection always; return 200 "ok"; } }' for p, words in zip(ports, listens))
    with open(conf, 'w') as f:
        f.write(f'daemon off; worker_processes 1; pid {t.dir}/nginx.pid; error_log stderr; user root;\nevents {{ worker_connections 256; }}\n'
                f'http {{ access_log off; {temp} {servers} }}\n')
    Process(t, ['nginx', '-p', t.dir, '-c', conf], 'nginx.log').wait_listening(*ports)
    return ports


@case
def proxy_protocol_to_nginx(t):
    """Is nginx told of the client by both versions, with HTTP/1.1, HTTP/2 and inside TLS, and is a connection for one client alone?"""
    ca = Authority(t, 'ca')
    cert, key = ca.leaf('n', 'DNS:b.internal')
    one, two, h2, tls = nginx(t, 'proxy_protocol;', 'proxy_protocol;', 'proxy_protocol http2;',
                              f'proxy_protocol ssl; ssl_certificate {cert}; ssl_certificate_key {key};')
    s = t.serve(gateway(), wanting('v1', 'one', one), wanting('v2', 'two', two), wanting('v2', 'h2', h2, protocol='kubernetes.io/h2c'),
                wanting('v2', 'tls', tls), bundle('ca', ca.cert), policy('tls'),
                route(*(rule(n, matches=[path(f'/{n}')]) for n in ('one', 'two', 'h2', 'tls'))))
    for name in 'one', 'two', 'h2', 'tls':
        seen = set()
        for source in '127.0.0.9', '127.0.0.8', '127.0.0.8':
            with Connection(s.port[80], source=source) as c:
                port, answers = c.sock.getsockname()[1], [c.ask(f'/{name}') for _ in range(3)]
                equal({a.get('X-Told') for a in answers}, {f'{source} {port} {s.port[80]}'}, name)
                equal(len({a.get('X-Connection') for a in answers}), 1, f'{name}: kept for the same client')
                seen.add(answers[0].get('X-Connection'))
        equal(len(seen), 3, f'{name}: of its own for each')


@case
def proxy_protocol_of_nobody(t):
    """Are mirrors told as our own connections, clients by a trusted proxy's word apart, and do connections end with their client's?"""
    b, m = Told(), Told()
    mirror = {'type': 'RequestMirror', 'requestMirror': {'backendRef': {'name': 'm', 'port': 80}}}
    t.put('settings.yaml', settings(trustedHops='1'))
    t.put('all.yaml', named_class(), gateway(), wanting('v1', 'b', b.port), wanting('v1', 'm', m.port),
          route(rule('b', matches=[path('/m')], filters=[mirror]), rule('b')))
    s = t.serve()
    with Connection(s.port[80]) as c, Connection(s.port[80]) as d:
        told = lambda c, *fields, target='/': c.ask(target, headers=fields).get('X-Told')
        own = f'PROXY TCP4 127.0.0.1 127.0.0.1 {c.sock.getsockname()[1]} {s.port[80]}'
        equal([told(c), told(c, target='/m')], [own] * 2)
        equal(len(b.lines), 1)
        eventually(lambda: len(m.requests) == 1, 'it is mirrored')
        equal(m.lines, ['PROXY UNKNOWN'])
        told(d, target='/m')
        eventually(lambda: len(m.requests) == 2, 'it is mirrored')
        equal(set(m.lines), {'PROXY UNKNOWN'}, 'whoever asked')
        equal(len(b.lines), 2)
        clients = [f'203.0.113.{i}' for i in range(1, 10)]
        for ip in clients + clients[-1:]:
            equal(told(c, ('X-Forwarded-For', ip)), f'PROXY TCP4 {ip} 127.0.0.1 0 {s.port[80]}')
        equal(told(c, ('X-Forwarded-For', '2001:db8::1')), f'PROXY TCP6 2001:db8::1 ::ffff:127.0.0.1 0 {s.port[80]}')
        equal(len(b.lines), 2 + 9 + 1, 'one each; the last client came twice')
        eventually(lambda: b.open == 1 + 4, 'four of the first connection are kept idle')
    eventually(lambda: b.open == 0, 'they end with their clients')
    equal(m.open > 0, True, 'that of nobody stays')


@case
def proxy_protocol_changed(t):
    """Does the annotation take effect while it runs, and is a bad one told?"""
    plain, b = t.backend('plain'), Told()
    t.put('class.yaml', gateway_class())
    t.put('all.yaml', gateway(), service('b', plain.port), route(rule('b')))
    s = t.serve()
    equal(s.ask().status, 200)
    t.put('all.yaml', gateway(), wanting('v1', 'b', b.port), route(rule('b')))
    eventually(lambda: s.ask().get('X-Told', '').startswith('PROXY TCP4 127.0.0.1'), 'it is told')
    t.put('all.yaml', gateway(), wanting('v9', 'b', b.port), route(rule('b')))
    eventually(lambda: s.ask().status == 500, 'refused')
    holds(s.page('/status').text(), 'postern.dev/proxy-protocol', 'write v1 or v2')
    t.put('all.yaml', gateway(), wanting('v1', 'b', b.port), route(rule('b')))
    eventually(lambda: s.ask().get('X-Told', '').startswith('PROXY TCP4 127.0.0.1'), 'well again')


@case
def proxy_protocol_xbackend(t):
    """Is an XBackend with the annotation told of the client, too, and a bad value by its own status?"""
    b = Told()
    x = xbackend('x', b.port)
    pods = slices('x', [b.port])
    pods[0]['metadata']['labels'] = {'postern.dev/xbackend': 'x'}
    annotated = lambda version: {**x, 'metadata': {**x['metadata'], 'annotations': {'postern.dev/proxy-protocol': version}}}
    t.put('class.yaml', gateway_class())
    t.put('all.yaml', gateway(), annotated('v1'), pods, route(rule(to('x'))))
    s = t.serve()
    holds(s.ask().get('X-Told', ''), 'PROXY TCP4 127.0.0.1')
    t.put('all.yaml', gateway(), annotated('v9'), pods, route(rule(to('x'))))
    eventually(lambda: s.ask().status == 503, 'refused')
    holds(s.page('/status').text(), 'postern.dev/proxy-protocol is \\"v9\\"; write v1 or v2')
