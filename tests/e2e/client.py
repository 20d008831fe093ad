# SPDX-License-Identifier: Apache-2.0
"""A plain HTTP/1.1 client that shows what is on the wire, and says what it misses instead of mending it."""
import json
import socket
import ssl


class Cut(Exception):
    """The connection ended in the middle of an answer."""


class Answer:
    def __init__(self, version, status, fields, body, trailers=()):
        self.version, self.status, self.fields, self.body, self.trailers = version, status, fields, body, list(trailers)

    def all(self, name):
        return [v for k, v in self.fields if k.lower() == name.lower()]

    def get(self, name, otherwise=None):
        return next(iter(self.all(name)), otherwise)

    def json(self):
        return json.loads(self.body)

    def text(self):
        return self.body.decode('utf-8', 'replace')

    def __repr__(self):
        return f'<{self.version} {self.status} {self.fields} {self.body[:300]!r}>'


class Connection:
    def __init__(self, port, tls=None, sni=None, timeout=10, source=None, address='127.0.0.1'):
        self.sock = socket.create_connection((address, port), timeout=timeout, source_address=(source, 0) if source else None)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls:
            self.sock = tls.wrap_socket(self.sock, server_hostname=sni)
        self.buffer = b''

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.sock.close()

    def send(self, data):
        self.sock.sendall(data.encode('latin-1') if isinstance(data, str) else data)

    def more(self):
        data = self.sock.recv(1 << 16)
        self.buffer += data
        return bool(data)

    def line(self):
        while b'\n' not in self.buffer:
            if not self.more():
                raise Cut(f'in a line, after {self.buffer!r}')
        line, self.buffer = self.buffer.split(b'\n', 1)
        return line.rstrip(b'\r').decode('latin-1')

    def fields(self):
        out = []
        while line := self.line():
            name, _, value = line.partition(':')
            out.append((name, value.strip()))
        return out

    def exactly(self, n):
        parts, have = [], 0
        while have + len(self.buffer) < n:
            parts.append(self.buffer)
            have += len(self.buffer)
            self.buffer = b''
            if not self.more():
                raise Cut(f'{n - have} bytes are missing')
        parts.append(self.buffer[:n - have])
        self.buffer = self.buffer[n - have:]
        return b''.join(parts)

    def ended(self):
        """Whether the peer has closed, with nothing left to read."""
        try:
            return not self.buffer and not self.more()
        except ConnectionError:
            return True

    def head(self):
        first = self.line()
        version, status, *_ = first.split(' ', 2)
        return version, int(status), self.fields()

    def answer(self, method='GET', informational=False):
        """One answer. informational: a 1xx is an answer, too."""
        version, status, fields = self.head()
        while 100 <= status < 200 and status != 101 and not informational:
            version, status, fields = self.head()
        a = Answer(version, status, fields, b'')
        if method == 'HEAD' or status < 200 or status in (204, 304):
            return a
        if (a.get('transfer-encoding') or '').lower() == 'chunked':
            parts = []
            while size := int(self.line().split(';')[0], 16):
                parts.append(self.exactly(size))
                self.line()
            a.body, a.trailers = b''.join(parts), self.fields()
        elif a.get('content-length') is not None:
            a.body = self.exactly(int(a.get('content-length')))
        else:
            while self.more():
                pass
            a.body, self.buffer = self.buffer, b''
        return a

    def ask(self, target='/', method='GET', host='example.com', headers=(), body=None):
        head = [f'{method} {target} HTTP/1.1', f'Host: {host}', *(f'{k}: {v}' for k, v in (headers.items() if isinstance(headers, dict) else headers))]
        if body is not None:
            head.append(f'Content-Length: {len(body)}')
        self.send('\r\n'.join(head) + '\r\n\r\n')
        if body:
            self.send(body)
        return self.answer(method)


def ask(port, target='/', method='GET', host='example.com', headers=(), body=None, tls=None, sni=None, timeout=10, address='127.0.0.1'):
    with Connection(port, tls, sni if sni is not None else host, timeout, address=address) as c:
        return c.ask(target, method, host, headers, body)


def raw(port, data, method='GET'):
    """Sends bytes, reads one answer."""
    with Connection(port) as c:
        c.send(data)
        return c.answer(method)


def trusting(cert=None, alpn=None):
    """A TLS context that believes in this certificate, or (None) in any."""
    x = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if cert:
        x.load_verify_locations(cert)
    else:
        x.check_hostname = False
        x.verify_mode = ssl.CERT_NONE
    if alpn:
        x.set_alpn_protocols(alpn)
    return x
