# SPDX-License-Identifier: Apache-2.0
"""A client of HTTP/2 by a library of others (Debian's python3-h2), and WebSocket within (python3-wsproto)."""
import socket
import sys

try:
    import h2.connection
except ImportError:  # another python3 than the system's comes first in PATH
    sys.path.append('/usr/lib/python3/dist-packages')
    import h2.connection
import h2.config
import h2.events
import h2.settings
from wsproto.connection import Connection as Talk, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, TextMessage


class Client:
    """A connection; streams are read with it as they come."""

    def __init__(self, t, port, tls=None, sni=None, timeout=20):
        self.sock = socket.create_connection(('127.0.0.1', port), timeout=timeout)
        if tls:
            self.sock = tls.wrap_socket(self.sock, server_hostname=sni)
        t.finally_(self.sock.close)
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding='utf-8'))
        self.h2.initiate_connection()
        self.heads, self.bytes, self.ended, self.resets, self.goaways, self.over = {}, {}, set(), {}, [], False
        self.reads = True  # what comes is consumed
        self.flush()
        while h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS not in self.h2.remote_settings:
            self.more()

    def flush(self):
        self.sock.sendall(self.h2.data_to_send())

    def takes_websocket(self):
        return self.h2.remote_settings.enable_connect_protocol == 1

    def more(self):
        data = self.sock.recv(1 << 16)
        self.over |= not data
        for e in self.h2.receive_data(data) if data else []:
            if isinstance(e, h2.events.ResponseReceived):
                self.heads[e.stream_id] = dict(e.headers)
            elif isinstance(e, h2.events.DataReceived):
                self.bytes[e.stream_id] = self.bytes.get(e.stream_id, b'') + e.data
                if self.reads and e.flow_controlled_length:
                    self.h2.acknowledge_received_data(e.flow_controlled_length, e.stream_id)
            elif isinstance(e, h2.events.StreamEnded):
                self.ended.add(e.stream_id)
            elif isinstance(e, h2.events.StreamReset):
                self.resets[e.stream_id] = e.error_code
            elif isinstance(e, h2.events.ConnectionTerminated):
                self.goaways.append((e.last_stream_id, int(e.error_code)))
        if not self.over:
            self.flush()
        return not self.over

    def wait(self, condition):
        while not condition():
            assert self.more(), 'the connection ended'

    def ask(self, path='/', method='GET', authority='h', end=True, more=()):
        n = self.h2.get_next_available_stream_id()
        self.h2.send_headers(n, [(':method', method), (':scheme', 'http'), (':authority', authority), (':path', path), *more], end_stream=end)
        self.flush()
        return n

    def head(self, n):
        self.wait(lambda: n in self.heads or n in self.resets)
        assert n in self.heads, f'reset {self.resets[n]}'
        return self.heads[n]

    def status(self, n):
        return int(self.head(n)[':status'])

    def body(self, n):
        self.wait(lambda: n in self.ended or n in self.resets)
        assert n in self.ended, f'reset {self.resets[n]}'
        return self.bytes.get(n, b'')

    def connect(self, path='/', protocol='websocket', more=()):
        return self.ask(path, 'CONNECT', end=False, more=[(':protocol', protocol), ('sec-websocket-version', '13'), *more])

    def send(self, n, data, end=False):
        """All of it; what comes meanwhile is read."""
        while data or end:
            room = min(self.h2.local_flow_control_window(n), self.h2.max_outbound_frame_size, len(data))
            if data and not room:
                assert self.more(), 'the connection ended'
                continue
            self.h2.send_data(n, data[:room], end_stream=end and room == len(data))
            data = data[room:]
            self.flush()
            if not data:
                return

    def reset(self, n, code=8):
        self.h2.reset_stream(n, code)
        self.flush()


class WebSocket:
    """One stream of it, agreed to."""

    def __init__(self, client, path='/', more=()):
        self.client, self.talk = client, Talk(ConnectionType.CLIENT)
        self.stream = client.connect(path, more=more)
        self.head = client.head(self.stream)
        assert self.head[':status'] == '200', self.head
        self.code = None

    def send(self, message):
        self.client.send(self.stream, self.talk.send(TextMessage(message) if isinstance(message, str) else BytesMessage(message)))

    def read(self):
        """A whole message; None: closed, see code."""
        parts = []
        while True:
            for e in self.talk.events():
                if isinstance(e, CloseConnection):
                    self.code = e.code
                    self.client.send(self.stream, self.talk.send(e.response()), end=True)
                    return None
                if isinstance(e, (TextMessage, BytesMessage)):
                    parts.append(e.data)
                    if e.message_finished:
                        return parts[0][:0].join(parts)
            self.client.wait(lambda: self.client.bytes.get(self.stream) or self.stream in self.client.ended or self.stream in self.client.resets)
            data = self.client.bytes.pop(self.stream, None)
            assert data, ('the stream ended', self.client.resets)
            self.talk.receive_data(data)
