# SPDX-License-Identifier: Apache-2.0
"""What backends read of the bytes that they get: net/http, Node and http.server must read the same."""
import json
import os
import random
import shutil
import sys

from client import ask
from harness import Process, case, equal, eventually
from manifests import gateway, route, rule, service

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..')
TOKEN = "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
TARGET = "abcXYZ019-._~!$&'()*+,;=:@/%"
VALUE = bytes([*range(0x21, 0x7f), *range(0x80, 0x100)])
METHODS = ['GET', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'PROPFIND', 'REPORT', 'TRACE']
# of one connection, of the framing, or of what the gateway itself adds
OWN = {'host', 'connection', 'content-length', 'transfer-encoding', 'trailer', 'te', 'keep-alive'}


def programs(t):
    """name -> argv of the readers."""
    go = t.file('reader-go')
    t.run(os.path.join(HERE, '../../scripts/go.sh'), 'build', '-o', go, os.path.join(HERE, 'readers/reader.go'), timeout=300)
    node = shutil.which('node') or shutil.which('nodejs')
    assert node, 'there is no Node; scripts/deps.sh test installs it'
    return {'go': [go], 'python': [sys.executable, os.path.join(HERE, 'readers/reader.py')], 'node': [node, os.path.join(HERE, 'readers/reader.js')]}


def some_target(r):
    path = '/' + ''.join(r.choice(TARGET) for _ in range(r.randint(0, 40)))
    query = '?' + ''.join(r.choice(TARGET + '?') for _ in range(r.randint(0, 30))) if r.random() < 0.5 else ''
    return (path + query).replace('%', '%2' + r.choice('0123456789ABCDEF'))


def some_value(r):
    words = [bytes(r.choice(VALUE) for _ in range(r.randint(1, 20))) for _ in range(r.randint(0, 4))]
    return r.choice([b' ', b'\t', b', ', b'  ']).join(words)


def some_fields(r, most):
    names = [''.join(r.choice(TOKEN) for _ in range(r.randint(1, 12))) for _ in range(r.randint(0, most))]
    names += r.choices(names, k=2) if names else []  # some twice, apart from each other
    return [(n, some_value(r)) for n in names if n.lower() not in OWN | {'expect', 'upgrade', 'content-encoding'}]


def some_body(r):
    """(fields, bytes) of the body as it is sent."""
    if r.random() < 0.3:
        return [], b''
    data = r.randbytes(r.choice([0, 1, 100, 5000, 70000]))
    if r.random() < 0.5:
        return [('Content-Length', str(len(data)).encode())], data
    out, at = b'', 0
    while at < len(data):
        n = r.randint(1, 30000)
        part = data[at:at + n]
        out += f'{len(part):{r.choice("xX")}}{r.choice(["", ";a=b", "; x"])}\r\n'.encode() + part + b'\r\n'
        at += n
    trailers = b''.join(n.encode() + b': ' + v + b'\r\n' for n, v in some_fields(r, 2))
    return [('Transfer-Encoding', b'chunked')], out + b'0\r\n' + trailers + b'\r\n'


def request_of(r, host):
    framing, body = some_body(r)
    fields = [('Host', host.encode()), *some_fields(r, 12), *framing]
    head = f'{r.choice(METHODS)} {some_target(r)} HTTP/1.1\r\n'.encode()
    return head + b''.join(n.encode() + b':' + r.choice([b'', b' ', b'\t ']) + v + r.choice([b'', b' ']) + b'\r\n' for n, v in fields) + b'\r\n' + body


def read_the_same(told):
    fields = lambda pairs: sorted((bytes.fromhex(n).lower(), bytes.fromhex(v)) for n, v in pairs if bytes.fromhex(n).lower().decode() not in OWN)
    return told['method'], told['target'], told['host'], fields(told['headers']), told['body'], fields(told['trailers'])


@case
def readers_agree(t):
    """Do Go's, Node's and Python's parsers read the same of 150 random requests, all on kept connections, with nothing left over?"""
    seed = int(os.environ.get('SEED', '7'))
    ports = {}
    for name, argv in programs(t).items():
        ports[name] = t.port()
        Process(t, [*argv, str(ports[name])], f'{name}.log')
        eventually(lambda: ask(ports[name]).status == 200, f'{name} answers', 20)
    s = t.serve(gateway(), *(service(n, p) for n, p in ports.items()), *(route(rule(n), name=n, hostnames=[f'{n}.test']) for n in ports))
    connections = {n: t.connection(s.port[80]) for n in ports}
    for i in range(150):
        seen = {}
        for name, c in connections.items():
            r = random.Random(seed * 1000 + i)
            raw = request_of(r, f'{name}.test')
            c.send(raw)
            a = c.answer(raw.split(b' ', 1)[0].decode())
            equal(a.status, 200, f'seed {seed}, request {i} to {name}: {a} of {raw[:2000]!r}')
            told = a.json()
            told['host'] = told['host'].replace(name, 'X')
            told['headers'] = [(n, v) for n, v in told['headers'] if bytes.fromhex(n).lower() != b'x-forwarded-host']
            seen[name] = read_the_same(told)
        first = next(iter(seen.values()))
        for name, what in seen.items():
            equal(what, first, f'seed {seed}, request {i}: {name}')
