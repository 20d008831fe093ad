# SPDX-License-Identifier: Apache-2.0
"""What a case works with: its own postern on loopback, its own backends, and waiting that is bounded and never blind."""
import ctypes
import glob
import itertools
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

import manifests
import report
from backends import Backend
from client import Connection, ask

CASES = {}
PR_SET_PDEATHSIG = 1
libc = ctypes.CDLL(None)


def case(f):
    """Registers a case: a function of one argument, whose docstring is its question."""
    assert f.__name__ not in CASES and f.__doc__, f.__name__
    CASES[f.__name__] = f
    return f


def eventually(condition, what, within=10.0, every=0.01):
    """Polls until the condition is true; what it returned. what: words, or what gives them when it was in vain."""
    end = time.monotonic() + within
    last = None
    while time.monotonic() < end:
        try:
            if value := condition():
                return value
        except (OSError, ValueError) as e:
            last = e
        time.sleep(every)
    raise AssertionError(f'not within {within} s: {what() if callable(what) else what}' + (f' ({last!r})' if last else ''))


def equal(got, wanted, what=''):
    assert got == wanted, f'{what}: got {got!r}, wanted {wanted!r}'


def holds(text, *words):
    for w in words:
        assert w in text, f'{w!r} is missing in: {report.cut(text, 1200)}'


def die_with_parent():
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def children(pid):
    out = []
    for f in glob.glob(f'/proc/{pid}/task/*/children'):
        try:
            out += [int(x) for x in open(f).read().split()]
        except OSError:
            pass
    return out


class Process:
    """A program of this case; ends with it."""

    def __init__(self, t, argv, log, **more):
        self.log = t.file(log)
        with open(self.log, 'ab') as out:
            self.p = subprocess.Popen(argv, stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, preexec_fn=die_with_parent, **more)
        self.pid = self.p.pid
        t.finally_(self.kill)

    def text(self):
        return open(self.log, errors='replace').read()

    def alive(self):
        return self.p.poll() is None

    def hears_term(self):
        """Waits until it would not just die of SIGTERM."""
        caught = lambda: int(re.search(r'^SigCgt:\s+(\w+)', open(f'/proc/{self.pid}/status').read(), re.M)[1], 16)
        eventually(lambda: not self.alive() or caught() & 1 << signal.SIGTERM - 1, 'it catches SIGTERM')

    def wait_listening(self, *ports):
        def listens(port):
            assert self.alive(), f'it ended: {self.text()[-2000:]}'
            with socket.socket() as s:
                return s.connect_ex(('127.0.0.1', port)) == 0
        for port in ports:
            eventually(lambda: listens(port), f'something listens on {port}')

    def end(self, sig=signal.SIGTERM, within=15):
        """Asks it to end; its exit status."""
        if self.alive():
            self.p.send_signal(sig)
        return self.p.wait(within)

    def kill(self):
        if self.alive():
            mine = children(self.pid)
            self.p.kill()
            self.p.wait()
            for q in mine:
                try:
                    os.kill(q, signal.SIGKILL)
                except OSError:
                    pass


class Postern(Process):
    def __init__(self, t, ports, args, ready, log='postern.log'):
        self.port = {p: t.port() for p in ports}
        self.admin_port = t.port()
        maps = [x for p, to in self.port.items() for x in ('--map-port', f'{p}:{to}')]
        super().__init__(t, [t.binary, 'serve', '-f', t.manifests, *maps, '--admin', f'127.0.0.1:{self.admin_port}', *args], log)
        if ready:
            self.wait_ready()

    def page(self, page):
        return ask(self.admin_port, page, host=f'127.0.0.1:{self.admin_port}')

    def wait_ready(self):
        def ready():
            assert self.alive(), f'it ended: {self.text()[-2000:]}'
            return self.page('/readyz').status == 200
        eventually(ready, '/readyz is 200', 20)

    def serving(self):
        """The serving process: the supervisor's child."""
        return (children(self.pid) or [self.pid])[-1]

    def ask(self, target='/', port=80, **more):
        return ask(self.port[port], target, **more)

    def told(self, target='/', port=80, **more):
        """What the backend was asked."""
        a = self.ask(target, port, **more)
        equal(a.status, 200, f'{target} answered {a}')
        return a.json()

    def metric(self, name, **labels):
        """The sum of the samples of this metric with these labels; None where there is none. A worker tells its counts at the end of a turn, when
        what it answered in that turn has gone already: whoever has an answer and wants it counted waits, by comes_to() or eventually()."""
        page = self.page('/metrics')
        if page.status != 200:
            raise ValueError(f'/metrics answered {page}')
        total, found = 0.0, False
        for line in page.text().splitlines():
            m = re.match(r'(\w+)(?:\{(.*)\})? (\S+)$', line)
            if m and m[1] == name and all(f'{k}="{v}"' in (m[2] or '') for k, v in labels.items()):
                total, found = total + float(m[3]), True
        return total if found else None

    def comes_to(self, wanted, name, **labels):
        """Waits until the metric is this; a number of what happened in the end, for it passes where it goes on from there."""
        eventually(lambda: (self.metric(name, **labels) or 0) == wanted, lambda: f'{name} {labels or ""} comes to {wanted}, it is {self.metric(name, **labels)}')

    def everywhere(self):
        """Waits until all workers go by the newest table: what one connection, or a page, was seen to do is then so for each. Tables are numbered as
        they are sent, and the number that all have adopted is told after that."""
        eventually(lambda: self.metric('postern_config_revision') == self.metric('postern_config_changes_total'), 'every worker goes by the newest table')

    def adopts(self, change):
        """Makes a change, and waits until each worker goes by it."""
        before = self.metric('postern_config_revision')
        change()
        eventually(lambda: self.metric('postern_config_revision') > before, 'every worker has adopted it')

    def stop(self):
        """Ends it as an operator would; it must end well."""
        equal(self.end(), 0, f'exit status; log: {self.text()[-1500:]}')


class Load:
    """Requests without a pause from a few connections, until told to end; every failure is counted."""

    def __init__(self, t, port, *options, conns=8):
        self.out = t.file('load.json')
        self.p = Process(t, [t.hload, '-a', '127.0.0.1', '-p', str(port), '-c', str(conns), '-d', '60', *options], 'load.json')

    def result(self):
        self.p.hears_term()
        self.p.end()
        r = json.loads(self.p.text().strip().splitlines()[-1])
        assert r['ops'] > 0, f'nothing was answered: {r}'
        return r

    def unharmed(self):
        r = self.result()
        assert r['errors'] == 0 and r['non200'] == 0, f'requests failed: {r}'
        return r


class Case:
    def __init__(self, binary, hload, slot):
        self.binary, self.hload = binary, hload
        self.dir = tempfile.mkdtemp(prefix='postern-e2e-')
        self.manifests = self.file('m')
        os.mkdir(self.manifests)
        self.cleanups, self.servers = [], []
        # below the kernel's ephemeral range, in a block of this case, so that nobody else is given one before it is bound
        self.ports = itertools.count(12000 + slot % 100 * 150 + random.randrange(50))

    def file(self, name):
        return os.path.join(self.dir, name)

    def finally_(self, f):
        self.cleanups.append(f)

    def end(self):
        for f in reversed(self.cleanups):
            f()
        shutil.rmtree(self.dir, ignore_errors=True)

    def port(self):
        for p in self.ports:
            with socket.socket() as s:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    s.bind(('0.0.0.0', p))
                    return p
                except OSError:
                    continue

    def put(self, name, *objects):
        """Writes manifests and moves them into place, as an editor or a deployment would."""
        text = objects[0] if len(objects) == 1 and isinstance(objects[0], str) else manifests.documents(*objects)
        staged = os.path.join(self.manifests, '.' + name)
        with open(staged, 'w') as f:
            f.write(text)
        os.rename(staged, os.path.join(self.manifests, name))

    def backend(self, name='b', handler=None, context=None, port=None, **more):
        b = Backend(name, handler, port or self.port(), context, **more)
        self.finally_(b.close)
        return b

    def echo(self, name):
        """`postern echo`; its port."""
        port = self.port()
        e = Process(self, [self.binary, 'echo', '--port', str(port), '--name', name], f'echo-{name}.log')
        eventually(lambda: ask(port).status == 200, f'echo {name} answers')
        e.port = port
        return e

    def serve(self, *objects, ports=(80,), args=(), ready=True):
        """Puts objects into main.yaml (with the GatewayClass) and starts postern on them."""
        if objects:
            self.put('main.yaml', manifests.gateway_class(), *objects)
        s = Postern(self, ports, ['--workers', '2', *args], ready)
        self.servers.append(s)
        return s

    def simple(self, *objects, handler=None, **more):
        """A Gateway on port 80, one route for everything to one backend `b`."""
        self.b = self.backend('b', handler)
        return self.serve(manifests.gateway(), manifests.route(manifests.rule('b')), manifests.service('b', self.b.port), *objects, **more)

    def held(self, *targets):
        """A handler that holds its answers to these targets back, and the event that they wait for."""
        go = threading.Event()
        self.finally_(go.set)

        def handler(stream, r):
            stream.body(r)
            if r.target in targets:
                go.wait(30)
            stream.answer(200, [], b'done')
            return True
        return handler, go

    def run(self, *argv, status=0, timeout=30):
        """Runs a program to its end; what it prints."""
        r = subprocess.run([str(a) for a in argv], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, timeout=timeout)
        text = r.stdout.decode('utf-8', 'replace')
        if status is not None:
            equal(r.returncode, status, f'{" ".join(map(str, argv))}: {text}')
        return text

    def certificate(self, name, *hosts):
        """A self-signed certificate for these hosts; (certificate, key) files."""
        cert, key = self.file(name + '.crt'), self.file(name + '.key')
        self.run('openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '30', '-subj', f'/CN={hosts[0]}',
                 '-addext', 'subjectAltName=' + ','.join(f'DNS:{h}' for h in hosts), '-keyout', key, '-out', cert)
        return cert, key

    def load(self, port, *options, **more):
        return Load(self, port, *options, **more)

    def connection(self, port, **more):
        c = Connection(port, **more)
        self.finally_(c.close)
        return c
