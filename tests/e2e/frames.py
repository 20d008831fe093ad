# SPDX-License-Identifier: Apache-2.0
"""HTTP/2 frame by frame, for what clients with manners do not do. Fields are written as literals without Huffman's code; of the answers' only
the status is read, which postern's encoder writes as the static table has it, or as three digits (Huffman's or plain)."""
import select
import socket
import struct

DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
END_STREAM, ACK, END_HEADERS = 1, 1, 4
NO_ERROR, CANCEL, ENHANCE_YOUR_CALM = 0, 8, 11
STATIC_STATUS = {0x88: 200, 0x89: 204, 0x8a: 206, 0x8b: 304, 0x8c: 400, 0x8d: 404, 0x8e: 500}
# the digits in Huffman's code: 0, 1, 2 have five bits, 3 to 9 six
DIGITS = {'00000': 0, '00001': 1, '00010': 2, '011001': 3, '011010': 4, '011011': 5, '011100': 6, '011101': 7, '011110': 8, '011111': 9}


class Frame:
    def __init__(self, kind, flags, stream, payload):
        self.type, self.flags, self.stream, self.payload = kind, flags, stream, payload

    def number(self, at=0):
        return struct.unpack_from('>I', self.payload, at)[0] & 0x7fffffff

    def __repr__(self):
        return f'<type {self.type} flags {self.flags} stream {self.stream} {self.payload[:60]!r}>'


def integer(n, bits, first=0):
    most = (1 << bits) - 1
    if n < most:
        return bytes([first | n])
    out = [first | most]
    n -= most
    while n >= 128:
        out.append(n & 127 | 128)
        n >>= 7
    return bytes(out + [n])


def literal(name, value):
    name, value = name.encode('latin-1'), value.encode('latin-1')
    return b'\x10' + integer(len(name), 7) + name + integer(len(value), 7) + value


def huffman_number(data):
    bits, value = ''.join(f'{b:08b}' for b in data), ''
    while len(value) < 3:
        for n in (5, 6):
            if bits[:n] in DIGITS:
                value, bits = value + str(DIGITS[bits[:n]]), bits[n:]
                break
    return int(value)


class Frames:
    """A connection. window: what the client says its connection's is, more than the protocol's 65,535."""

    def __init__(self, t, port, tls=None, sni=None, window=0):
        self.sock = socket.create_connection(('127.0.0.1', port), timeout=20)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls:
            self.sock = tls.wrap_socket(self.sock, server_hostname=sni)
            assert self.sock.selected_alpn_protocol() == 'h2'
        t.finally_(self.sock.close)
        self.buffer, self.frames, self.stream, self.over = b'', [], -1, False
        self.windows, self.initial = {0: 65535}, 65535
        self.statuses = {}
        self.dynamic = []
        self.sock.sendall(b'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')
        self.frame(SETTINGS, 0, 0, struct.pack('>HI', 1, 0))  # no dynamic table: every status is readable by itself
        if window:
            self.window(0, window)

    def frame(self, kind, flags, stream, payload=b''):
        self.sock.sendall(struct.pack('>IBI', len(payload) << 8 | kind, flags, stream) + payload)

    def next(self):
        self.stream += 2
        return self.stream

    def headers(self, stream, fields, end):
        block = b''.join(literal(n, v) for n, v in fields)
        parts = [block[i:i + 16384] for i in range(0, len(block), 16384)] or [b'']
        for i, part in enumerate(parts):
            last = END_HEADERS if i == len(parts) - 1 else 0
            if i == 0:
                self.frame(HEADERS, last | (END_STREAM if end else 0), stream, part)
            else:
                self.frame(9, last, stream, part)
        self.windows.setdefault(stream, self.initial)

    def ask(self, path='/', method='GET', authority='example.com', end=True, more=()):
        n = self.next()
        self.headers(n, [(':method', method), (':scheme', 'http'), (':authority', authority), (':path', path), *more], end)
        return n

    def data(self, stream, payload, end=False):
        self.windows[0] -= len(payload)
        self.windows[stream] -= len(payload)
        self.frame(DATA, END_STREAM if end else 0, stream, payload)

    def reset(self, stream, code):
        self.frame(RST_STREAM, 0, stream, struct.pack('>I', code))

    def window(self, stream, n):
        self.frame(WINDOW_UPDATE, 0, stream, struct.pack('>I', n))

    def ping(self):
        self.frame(PING, 0, 0, b'postern!')

    def take(self, f):
        """What every peer must do with a frame."""
        self.frames.append(f)
        if f.type == SETTINGS and not f.flags & ACK:
            for i in range(0, len(f.payload), 6):
                which, value = struct.unpack_from('>HI', f.payload, i)
                if which == 4:
                    self.initial = value
            self.frame(SETTINGS, ACK, 0)
        elif f.type == PING and not f.flags & ACK:
            self.frame(PING, ACK, 0, f.payload)
        elif f.type == WINDOW_UPDATE:
            self.windows[f.stream] = self.windows.get(f.stream, self.initial) + f.number()

    def more(self):
        """Reads once; the frames that are complete with it."""
        data = self.sock.recv(1 << 16)
        if not data:
            self.over = True
            return []
        self.buffer += data
        new = []
        while len(self.buffer) >= 9:
            head, flags, stream = struct.unpack_from('>IBI', self.buffer)
            n = head >> 8
            if len(self.buffer) < 9 + n:
                break
            new.append(Frame(head & 255, flags, stream, self.buffer[9:9 + n]))
            self.buffer = self.buffer[9 + n:]
        for f in new:
            self.take(f)
        return new

    def wait(self, condition):
        """The first frame, of those that came or come, for which it is true."""
        for f in self.frames:
            if condition(f):
                return f
        while not self.over:
            for f in self.more():
                if condition(f):
                    return f
        raise ConnectionError(f'ended; it had sent {self.frames[-5:]}')

    def quiet(self):
        """Nothing comes for a while, though it might: the peer has said all it will for now. Reads what there is; true when there was nothing."""
        if not select.select([self.sock], [], [], 0.5)[0]:
            return True
        self.more()
        return False

    def ended(self):
        while not self.over:
            self.more()
        return True

    def room(self, stream):
        """How many bytes may be sent."""
        return max(0, min(self.windows[0], self.windows[stream]))

    def of(self, stream):
        return [f for f in self.frames if f.stream == stream]

    def status(self, stream):
        f = self.wait(lambda f: f.stream == stream and f.type in (HEADERS, RST_STREAM))
        if f.type == RST_STREAM:
            return f'reset {f.number()}'
        p = f.payload
        while p[0] & 0xe0 == 0x20:  # a change of the table's size
            p = p[1:]
        if p[0] in STATIC_STATUS:
            return STATIC_STATUS[p[0]]
        assert p[0] & 0xf in (8, 9, 10, 11, 12, 13, 14) or p[0] == 0x48, p
        n = p[1] & 127
        return huffman_number(p[2:2 + n]) if p[1] & 128 else int(p[2:2 + n])

    def body_so_far(self, stream):
        return b''.join(f.payload for f in self.of(stream) if f.type == DATA)

    def body(self, stream):
        """The whole of it; its connection window is opened again as it comes."""
        f = self.wait(lambda f: f.stream == stream and (f.flags & END_STREAM and f.type in (DATA, HEADERS) or f.type == RST_STREAM))
        assert f.type != RST_STREAM, f
        return self.body_so_far(stream)
