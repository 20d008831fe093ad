# SPDX-License-Identifier: Apache-2.0
"""A DNS server in a thread, and a network of the case's own to have addresses in that are not loopback."""
import ctypes
import ipaddress
import socket
import struct
import subprocess
import threading

A, AAAA = 1, 28


def own_network(*addresses):
    """This process, and whatever it starts from here on, has a network of its own: loopback, which has these addresses, too."""
    libc = ctypes.CDLL(None, use_errno=True)
    user, net = 0x10000000, 0x40000000
    if libc.unshare(net) and libc.unshare(net | user):
        raise OSError(ctypes.get_errno(), 'no network namespace can be made')
    subprocess.run(['ip', 'link', 'set', 'lo', 'up'], check=True)
    for a in addresses:
        six = [] if '.' in a else ['nodad']
        subprocess.run(['ip', 'addr', 'add', f'{a}/{128 if six else 32}', 'dev', 'lo', *six], check=True)


class NameServer:
    """records: name -> addresses; a name that is not there does not exist. answers = False: it says nothing."""

    def __init__(self, port, ttl=1):
        self.port, self.ttl, self.records, self.answers, self.asked = port, ttl, {}, True, []
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind(('127.0.0.1', port))
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                data, peer = self.sock.recvfrom(4096)
            except OSError:
                return
            labels, at = [], 12
            while n := data[at]:
                labels.append(data[at + 1:at + 1 + n].decode())
                at += n + 1
            kind, = struct.unpack('!H', data[at + 1:at + 3])
            name = '.'.join(labels).lower()
            self.asked.append((name, kind))
            if self.answers:
                self.sock.sendto(self.answer(data, at + 5, name, kind), peer)

    def answer(self, data, end, name, kind):
        known = [ipaddress.ip_address(a) for a in self.records.get(name, ())]
        out = [a.packed for a in known if a.version == (6 if kind == AAAA else 4) and kind in (A, AAAA)]
        code = 0 if name in self.records else 3
        head = data[:2] + struct.pack('!HHHHH', 0x8180 | code, 1, len(out), 0, 0) + data[12:end]
        return head + b''.join(struct.pack('!HHHIH', 0xc00c, kind, 1, self.ttl, len(p)) + p for p in out)

    def close(self):
        self.sock.close()
