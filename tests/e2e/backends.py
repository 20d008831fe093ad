# SPDX-License-Identifier: Apache-2.0
"""Backends in threads: one that tells what it was asked, and those that misbehave. A handler gets (stream, request); false closes."""
import hashlib
import json
import socket
import threading


class Request:
    def __init__(self, method, target, version, fields):
        self.method, self.target, self.version, self.fields = method, target, version, fields
        self.body_n, self.body_hash, self.trailers, self.chunked = 0, hashlib.sha256(), [], False

    def get(self, name):
        return next((v for k, v in self.fields if k.lower() == name), None)


class Stream:
    """A connection, read by lines and blocks."""

    def __init__(self, sock):
        self.sock, self.file = sock, sock.makefile('rb', buffering=1 << 16)

    def send(self, data):
        self.sock.sendall(data.encode('latin-1') if isinstance(data, str) else data)

    def line(self):
        return self.file.readline().rstrip(b'\r\n').decode('latin-1')

    def fields(self):
        out = []
        while line := self.line():
            name, _, value = line.partition(':')
            out.append((name, value.strip()))
        return out

    def head(self):
        first = self.line()
        if not first:
            return None
        method, target, version = first.split(' ')
        if not version.startswith('HTTP/'):  # a ClientHello, which has as many spaces as chance gives it
            raise ValueError(first)
        return Request(method, target, version, self.fields())

    def body(self, r):
        """Reads the whole body; r keeps its length and hash."""
        if (r.get('expect') or '').lower() == '100-continue':
            self.send('HTTP/1.1 100 Continue\r\n\r\n')
        if (r.get('transfer-encoding') or '').lower() == 'chunked':
            r.chunked = True
            while size := int(self.line().split(';')[0], 16):
                self.block(r, size)
                self.line()
            r.trailers = self.fields()
        else:
            self.block(r, int(r.get('content-length') or 0))

    def block(self, r, n):
        while n:
            data = self.file.read(min(n, 1 << 18))
            if not data:
                raise ConnectionError('cut in a body')
            r.body_hash.update(data)
            r.body_n += len(data)
            n -= len(data)

    def answer(self, status=200, fields=(), body=b'', method='GET'):
        head = [f'HTTP/1.1 {status} X', *(f'{k}: {v}' for k, v in fields)]
        if status in (204, 304):
            body = b''
        else:
            head.append(f'Content-Length: {len(body)}')
        self.send('\r\n'.join(head).encode() + b'\r\n\r\n' + (b'' if method == 'HEAD' else body))


def accepted(listener):
    """The connections that come to a listening socket, until it is closed."""
    while True:
        try:
            sock, _ = listener.accept()
        except OSError:
            return
        yield sock


class Backend:
    def __init__(self, name='b', handler=None, port=0, context=None, host='127.0.0.1'):
        """context: an ssl.SSLContext, to be changed while it runs; None: in the clear."""
        self.name, self.handler, self.requests, self.connections, self.context = name, handler, [], 0, context
        self.resumed = 0
        self.listener = socket.create_server((host, port), backlog=512, family=socket.AF_INET6 if ':' in host else socket.AF_INET)
        self.port = self.listener.getsockname()[1]
        self.release = threading.Event()  # handlers that hold an answer back wait for this
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        for sock in accepted(self.listener):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.connections += 1
            threading.Thread(target=self.serve, args=(sock,), daemon=True).start()

    def serve(self, sock):
        if self.context:
            sock = self.context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
            try:
                sock.do_handshake()
            except (OSError, ValueError):
                self.refuse(sock)
                return
            self.resumed += sock.session_reused
        stream = Stream(sock)
        try:
            while (r := stream.head()) is not None:
                self.requests.append(r)
                if not (self.handler or self.tell)(stream, r):
                    break
        except (OSError, ValueError):
            pass
        finally:
            stream.file.close()
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            sock.close()

    @staticmethod
    def refuse(sock):
        """Closes so that the alert arrives: a reset, for what was not read, would overtake it."""
        raw = socket.socket(fileno=sock.detach())
        try:
            raw.shutdown(socket.SHUT_WR)
            raw.settimeout(10)
            while raw.recv(1 << 16):
                pass
        except OSError:
            pass
        raw.close()

    def tell(self, stream, r):
        """What it was asked, as JSON; /status/NNN answers with that status."""
        stream.body(r)
        path, _, query = r.target.partition('?')
        body = json.dumps({'name': self.name, 'method': r.method, 'path': path, 'query': query, 'host': r.get('host'), 'headers': r.fields,
                           'bodyBytes': r.body_n, 'bodyHash': r.body_hash.hexdigest(), 'chunked': r.chunked, 'trailers': r.trailers}).encode()
        status = int(path[8:]) if path.startswith('/status/') else 200
        stream.answer(status, [('Content-Type', 'application/json'), ('X-Served-By', self.name)], body, r.method)
        return True

    def close(self):
        self.release.set()
        self.listener.close()


def saying(data):
    """Sends these bytes and closes."""
    def handler(stream, r):
        stream.body(r)
        stream.send(data)
        return False
    return handler


def waiting(backend_ref):
    """Answers only when released; backend_ref: a list that will hold the backend."""
    def handler(stream, r):
        stream.body(r)
        backend_ref[0].release.wait(60)
        stream.answer(200, [], b'late')
        return True
    return handler
