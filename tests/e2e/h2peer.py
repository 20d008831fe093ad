# SPDX-License-Identifier: Apache-2.0
"""A backend of HTTP/2 (python3-h2) that a case plays by hand: it reads by itself, and says only what it is told to say."""
import socket
import struct
import threading

from backends import accepted
from h2socket import h2
from harness import eventually

GOAWAY, PING, RST_STREAM = 7, 6, 3
REFUSED_STREAM = 7


class Asked:
    def __init__(self, link, stream, head):
        self.link, self.stream, self.head, self.body, self.ended, self.reset = link, stream, head, b'', False, None
        self.path = head[':path']

    def answer(self, body=b'ok', status='200', end=True):
        with self.link.lock:
            self.link.h2.send_headers(self.stream, [(':status', status)])
            self.link.h2.send_data(self.stream, body, end_stream=end)
            self.link.sock.sendall(self.link.h2.data_to_send())

    def refuse(self, code=REFUSED_STREAM):
        self.link.frame(RST_STREAM, self.stream, struct.pack('>I', code))


class Link:
    """One connection."""

    def __init__(self, peer, sock):
        self.peer, self.sock, self.lock = peer, sock, threading.Lock()
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding='utf-8'))
        if peer.websocket:
            first = {h2.settings.SettingCodes.ENABLE_CONNECT_PROTOCOL: 1}
            self.h2.local_settings = h2.settings.Settings(client=False, initial_values=first)
        self.asked = {}
        self.pongs = 0
        self.over = False

    def frame(self, kind, stream, payload):
        """Past the library, which would not go on after some of them."""
        with self.lock:
            self.sock.sendall(struct.pack('>IBI', len(payload) << 8 | kind, 0, stream) + payload)

    def goaway(self, last, code=0):
        self.frame(GOAWAY, 0, struct.pack('>II', last, code))

    def heard(self):
        """Waits until the other side has read all that was said to it so far."""
        before = self.pongs
        self.frame(PING, 0, b'postern!')
        eventually(lambda: self.pongs > before, 'the PING is answered')

    def take(self, e):
        if isinstance(e, h2.events.RequestReceived):
            self.asked[e.stream_id] = a = Asked(self, e.stream_id, dict(e.headers))
            self.peer.asked.append(a)
            self.peer.came(a)
        elif isinstance(e, h2.events.DataReceived):
            self.asked[e.stream_id].body += e.data
            if e.flow_controlled_length:
                self.h2.acknowledge_received_data(e.flow_controlled_length, e.stream_id)
        elif isinstance(e, h2.events.StreamEnded):
            self.asked[e.stream_id].ended = True
        elif isinstance(e, h2.events.StreamReset):
            self.asked[e.stream_id].reset = int(e.error_code)
        elif isinstance(e, h2.events.PingAckReceived):
            self.pongs += 1

    def run(self):
        try:
            self.peer.greets.wait()
            with self.lock:
                self.h2.initiate_connection()
                self.sock.sendall(self.h2.data_to_send())
            while data := self.sock.recv(1 << 16):
                with self.lock:
                    events = self.h2.receive_data(data)
                    self.sock.sendall(self.h2.data_to_send())
                for e in events:
                    self.take(e)
        except OSError:
            pass
        self.over = True

    def close(self):
        try:
            self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.sock.close()


class Peer:
    """asked: every request, in the order in which they came; links: every connection. It greets at once, or when `greets` is set."""

    def __init__(self, t, came=lambda a: None, websocket=False, silent=False):
        self.came, self.asked, self.links, self.websocket, self.greets = came, [], [], websocket, threading.Event()
        if not silent:
            self.greets.set()
        t.finally_(self.greets.set)
        self.listener = socket.create_server(('127.0.0.1', t.port()))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()
        t.finally_(self.close)

    def accept(self):
        for sock in accepted(self.listener):
            self.links.append(Link(self, sock))
            threading.Thread(target=self.links[-1].run, daemon=True).start()

    def close(self):
        self.listener.close()
        for link in self.links:
            link.close()

    def of(self, path):
        return [a for a in self.asked if a.path == path and a.ended]
