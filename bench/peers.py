# SPDX-License-Identifier: Apache-2.0
"""The contestants: each writes its own configuration and says how to start.

Without routes: 8080 HTTP and 8443 HTTPS (http/1.1), all to the origin on 9000.
With N routes (8080 only): route i is host h<i/10>.example.com, path prefix /a<i%10>, header x-v: <i%10>, backend u<i/10>.
A change gives route i a mark in its answers (x-mark), or moves backend i/10 to the origin on port 9003, whose Server field is another."""
import base64
import os
import shutil
import signal

from rig import BIN, CERT, KEY, ORIGIN_IP, PEM, ROOT, RUN

ANSWER_N = len('HTTP/1.1 200 OK\r\nServer: b\r\nDate: Mon, 23 Nov 2026 01:00:00 GMT\r\nContent-Type: application/octet-stream\r\n'
               'Content-Length: 1024\r\n\r\n') + 1024  # what the origin sends for one request


def put(path, text):
    with open(path + '.new', 'w') as f:
        f.write(text)
    os.rename(path + '.new', path)


def stage(path, text):
    """The changed file, beside the one that it will replace by rename; hidden, so that nobody reads it early."""
    staged = os.path.join(os.path.dirname(path), '.staged')
    with open(staged, 'w') as f:
        f.write(text)
    return staged, path


def route(i):
    """host, path prefix, header value, backend"""
    return f'h{i // 10}.example.com', f'/a{i % 10}', i % 10, i // 10


class Contestant:
    ports = {}       # test -> port, where it is not the usual one
    routes = True    # takes part in what concerns routes and memory
    layouts = ('one',)
    signal = 0

    def available(self):
        return shutil.which(self.exe) is not None

    def prepare(self, d, routes, layout):
        """Writes the configuration; returns the command."""
        raise NotImplementedError

    def change(self, d, i, mark=None, port=None):
        """Stages a change of a route's mark or of its backend's port; returns (from, to) of the rename that makes it."""
        raise NotImplementedError


class HAProxy(Contestant):
    name, exe, signal = 'haproxy', '/usr/sbin/haproxy', signal.SIGUSR2

    def prepare(self, d, routes, layout):
        self.n = routes
        put(d + '/haproxy.cfg', self.text(d))
        if routes:
            with open(d + '/routes.map', 'w') as f:
                for i in range(routes):
                    h, p, v, u = route(i)
                    f.write(f'{v}#{h}{p} u{u}\n')
        put(d + '/openssl.cnf', 'openssl_conf = all\n[all]\nssl_conf = ssl\n[ssl]\nsystem_default = usual\n[usual]\nNumTickets = 1\n')
        return ['env', f'OPENSSL_CONF={d}/openssl.cnf', self.exe, '-W', '-f', d + '/haproxy.cfg']

    def text(self, d, i=-1, mark=None, port=None):
        c = [f'''global
  nbthread 1
  maxconn 15000
  no strict-limits
  ssl-default-bind-options ssl-min-ver TLSv1.2
  stats socket {d}/admin.sock mode 600 level admin expose-fd listeners
defaults
  mode http
  timeout connect 5s
  timeout client 120s
  timeout server 120s
  timeout http-keep-alive 120s
  option splice-auto
  http-reuse always
frontend http
  bind :8080
''']
        if not self.n:
            c.append(f'  bind :8443 ssl crt {PEM} alpn http/1.1\n  default_backend b\nbackend b\n  server s {ORIGIN_IP}:9000\n')
            return ''.join(c)
        c.append(f'  http-request set-var(txn.b) base\n  use_backend %[req.hdr(x-v),concat(\\#,txn.b),map_beg({d}/routes.map,none)]\n')
        for u in range((self.n + 9) // 10):
            here = u == i // 10
            c.append(f'backend u{u}\n  server s {ORIGIN_IP}:{port if here and port else 9000}\n')
            if here and mark is not None:
                c.append(f'  http-response set-header x-mark {mark}\n')
        return ''.join(c)

    def change(self, d, i, mark=None, port=None):
        return stage(d + '/haproxy.cfg', self.text(d, i, mark, port))


class Nginx(Contestant):
    name, exe, signal = 'nginx', '/usr/sbin/nginx', signal.SIGHUP

    def prepare(self, d, routes, layout):
        self.n = routes
        put(d + '/nginx.conf', self.text(d))
        return [self.exe, '-p', d, '-c', d + '/nginx.conf', '-e', d + '/error.log']

    def text(self, d, i=-1, mark=None, port=None):
        c = [f'''daemon off; worker_processes 1; pid {d}/nginx.pid; error_log {d}/error.log crit; user root;
events {{ worker_connections 19000; multi_accept on; }}
http {{
  access_log off; keepalive_timeout 300; keepalive_requests 1000000000; server_tokens off; tcp_nodelay on;
  client_body_temp_path {d}/t1; proxy_temp_path {d}/t2; fastcgi_temp_path {d}/t3; uwsgi_temp_path {d}/t4; scgi_temp_path {d}/t5;
  proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $host; proxy_max_temp_file_size 0;
''']
        if not self.n:
            c.append(f'''  ssl_certificate {CERT}; ssl_certificate_key {KEY}; ssl_protocols TLSv1.2 TLSv1.3; ssl_conf_command NumTickets 1;
  upstream u {{ server {ORIGIN_IP}:9000; keepalive 1024; keepalive_requests 1000000000; }}
  server {{ listen 8080 backlog=8192; location / {{ proxy_pass http://u; }} }}
  server {{ listen 8443 ssl backlog=8192; location / {{ proxy_pass http://u; }} }}
}}
''')
            return ''.join(c)
        c.append('  server_names_hash_max_size 262144; server_names_hash_bucket_size 128; variables_hash_max_size 4096; proxy_pass_header Server;\n')
        for u in range((self.n + 9) // 10):
            to = port if port and u == i // 10 else 9000
            c.append(f'upstream u{u} {{ server {ORIGIN_IP}:{to}; keepalive 16; keepalive_requests 1000000000; }}\n')
        c.append('server { listen 8080 default_server backlog=8192; return 404; }\n')
        for k in range(self.n):
            h, p, v, u = route(k)
            if k % 10 == 0:
                c.append(f'server {{ listen 8080; server_name {h};\n')
            add = f'add_header x-mark {mark}; ' if k == i and mark is not None else ''
            c.append(f' location {p}/ {{ if ($http_x_v != "{v}") {{ return 404; }} {add}proxy_pass http://u{u}; }}\n')
            if k % 10 == 9 or k == self.n - 1:
                c.append('}\n')
        c.append('}\n')
        return ''.join(c)

    def change(self, d, i, mark=None, port=None):
        return stage(d + '/nginx.conf', self.text(d, i, mark, port))


class Postern(Contestant):
    name, exe = 'postern', os.environ.get('POSTERN', ROOT + '/build/postern')
    layouts = ('one', 'many')

    def prepare(self, d, routes, layout):
        self.n, self.layout = routes, layout
        os.makedirs(d + '/m')
        put(d + '/m/gateway.yaml', self.gateway())
        if not routes:
            put(d + '/m/routes.yaml', self.plain_route() + self.service('b'))
        elif layout == 'one':
            self.docs = [self.route(i) for i in range(routes)]
            self.backends = [self.service(f'u{u}') for u in range((routes + 9) // 10)]
            put(d + '/m/routes.yaml', ''.join(self.docs + self.backends))
        else:
            os.makedirs(d + '/m/r')
            for i in range(routes):
                put(f'{d}/m/r/route-{i:06}.yaml', self.route(i))
            for u in range((routes + 9) // 10):
                put(f'{d}/m/r/backend-{u:05}.yaml', self.service(f'u{u}'))
        return [self.exe, 'serve', '-f', d + '/m', '--map-port', '80:8080', '--map-port', '443:8443', '--workers', '1', '--access-log', 'off',
                '--log-level', 'warn',
                '--admin', '127.0.0.1:9970']  # its control socket is named by the port, whatever the namespace: leave the usual one to others

    def change(self, d, i, mark=None, port=None):
        doc, backend = self.route(i, mark), self.service(f'u{i // 10}', port or 9000)
        if self.layout == 'one':
            docs, backends = list(self.docs), list(self.backends)
            docs[i], backends[i // 10] = doc, backend
            return stage(d + '/m/routes.yaml', ''.join(docs + backends))
        if port:
            return stage(f'{d}/m/r/backend-{i // 10:05}.yaml', backend)
        return stage(f'{d}/m/r/route-{i:06}.yaml', doc)

    @staticmethod
    def gateway():
        b64 = lambda path: base64.b64encode(open(path, 'rb').read()).decode()
        return f'''apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata:
  name: postern
spec:
  controllerName: postern.dev/gateway-controller
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata:
  name: gw
  namespace: default
spec:
  gatewayClassName: postern
  listeners:
  - name: http
    port: 80
    protocol: HTTP
  - name: https
    port: 443
    protocol: HTTPS
    tls:
      certificateRefs:
      - name: cert
---
apiVersion: v1
kind: Secret
metadata:
  name: cert
  namespace: default
type: kubernetes.io/tls
data:
  tls.crt: {b64(CERT)}
  tls.key: {b64(KEY)}
'''

    @staticmethod
    def plain_route():
        return '''apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata:
  name: all
  namespace: default
spec:
  parentRefs:
  - name: gw
  rules:
  - backendRefs:
    - name: b
      port: 80
---
'''

    @staticmethod
    def route(i, mark=None):
        h, p, v, u = route(i)
        filters = '' if mark is None else f'''    filters:
    - type: ResponseHeaderModifier
      responseHeaderModifier:
        set:
        - name: x-mark
          value: "{mark}"
'''
        return f'''apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata:
  name: r{i}
  namespace: default
spec:
  parentRefs:
  - name: gw
    sectionName: http
  hostnames:
  - {h}
  rules:
  - matches:
    - path:
        type: PathPrefix
        value: {p}
      headers:
      - name: x-v
        value: "{v}"
{filters}    backendRefs:
    - name: u{u}
      port: 80
---
'''

    @staticmethod
    def service(name, port=9000):
        return f'''apiVersion: v1
kind: Service
metadata:
  name: {name}
  namespace: default
spec:
  ports:
  - name: http
    port: 80
    targetPort: {port}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: {name}-1
  namespace: default
  labels:
    kubernetes.io/service-name: {name}
addressType: IPv4
ports:
- name: http
  port: {port}
endpoints:
- addresses:
  - {ORIGIN_IP}
  conditions:
    ready: true
---
'''


class Floor(Contestant):
    """src/floor.c: moves bytes, understands nothing; what no gateway can avoid."""
    name, exe, routes = 'floor', BIN + '/floor', False
    ports = {'close': 8088, 'tls-full': 8448, 'tls-resumed': 8448, '1mb': 8081}

    def prepare(self, d, routes, layout):
        f = self.exe
        commands = [f'{f} pipe 8080 {ORIGIN_IP} 9000', f'{f} once 8088 {ORIGIN_IP} 9001 {ANSWER_N}', f'{f} tls 8443 {ORIGIN_IP} 9000 {CERT} {KEY}',
                    f'{f} oncetls 8448 {ORIGIN_IP} 9001 {ANSWER_N} {CERT} {KEY}', f'{f} splice 8081 {ORIGIN_IP} 9000']
        put(d + '/run.sh', ''.join(c + ' &\n' for c in commands) + 'wait\n')
        return ['sh', d + '/run.sh']


ALL = [HAProxy(), Nginx(), Postern(), Floor()]
