# SPDX-License-Identifier: Apache-2.0
"""A new binary on the same sockets; sockets that go; and nothing that is queued or under way is lost."""
import os
import shutil
import signal
import socket
import stat
import threading

import wsocket
from client import Connection, trusting
from frames import Frames
from harness import case, children, equal, eventually, holds
from manifests import gateway, gateway_class, listener, route, rule, secret, service


def copy_of(t, name='postern-new'):
    """Another binary, by its name."""
    path = t.file(name)
    shutil.copy(t.binary, path)
    return path


def upgrade(t, s, *args, status=0, timeout=60):
    return t.run(t.binary, 'upgrade', '--admin', f'127.0.0.1:{s.admin_port}', *args, status=status, timeout=timeout)


def binary_of(pid):
    return os.readlink(f'/proc/{pid}/exe')


def newest(s):
    """The serving process that was started last: by its time, for numbers begin again from below."""
    return max(children(s.pid), key=started)


def started(pid):
    try:
        return int(open(f'/proc/{pid}/stat').read().rpartition(')')[2].split()[19])
    except OSError:  # it has ended
        return 0


def stand_still(t, pid):
    def state(thread):
        return open(f'/proc/{pid}/task/{thread}/stat').read().rpartition(')')[2].split()[0]
    os.kill(pid, signal.SIGSTOP)
    eventually(lambda: all(state(x) == 'T' for x in os.listdir(f'/proc/{pid}/task')), 'it stands still')
    t.finally_(lambda: os.path.exists(f'/proc/{pid}') and os.kill(pid, signal.SIGCONT))


@case
def upgrade_under_load(t):
    """Does a new binary take over under load with no failed request, under the same process id, and serve what comes after?"""
    s = t.simple()
    loads = [t.load(s.port[80], '-m', m, conns=4) for m in ('keep', 'close')]
    eventually(lambda: s.metric('postern_requests_total') > 500, 'load', 20)
    for name in ('one', 'two'):
        new, before = copy_of(t, name), s.serving()
        holds(upgrade(t, s, '--binary', new), 'done: ', new)
        eventually(lambda: binary_of(s.pid) == new, 'the supervisor goes on as the new binary')
        assert newest(s) != before
        equal(s.page('/readyz').status, 200)
        eventually(lambda: children(s.pid) == [newest(s)], 'the one before ends', 20)
        equal(binary_of(newest(s)), new)
    for load in loads:
        load.unharmed()
    equal(s.ask().status, 200)
    os.kill(newest(s), signal.SIGKILL)  # what it holds is whole: it starts another one on the same sockets
    equal(s.ask(timeout=10).status, 200)


@case
def upgrade_finishes_what_runs(t):
    """Do a slow request, a stream of HTTP/2 and a kept connection go on in the process before, and end well there?"""
    handler, go = t.held('/slow')
    s = t.simple(handler=handler)
    slow, kept, h2 = t.connection(s.port[80], timeout=30), t.connection(s.port[80]), Frames(t, s.port[80])
    equal(kept.ask().status, 200)
    slow.send('GET /slow HTTP/1.1\r\nHost: example.com\r\n\r\n')
    n = h2.ask('/slow')
    eventually(lambda: s.metric('postern_requests_open') == 2, 'they are under way')
    before = s.serving()
    upgrade(t, s, '--binary', copy_of(t))
    assert kept.ended(), 'a connection at rest is left'
    assert before in children(s.pid)
    equal(s.ask().status, 200)
    go.set()
    a = slow.answer()
    equal((a.status, a.body, a.get('connection')), (200, b'done', 'close'))
    equal((h2.status(n), h2.body(n)), (200, b'done'))
    eventually(lambda: before not in children(s.pid), 'the one before ends')


@case
def upgrade_leaves_websockets(t):
    """Does a WebSocket go on through two upgrades, and do new ones reach the new process?"""
    echo = wsocket.EchoServer(t)
    s = t.serve(gateway(), route(rule('w')), service('w', echo.port), args=('--drain', '1'))

    async def talk():
        import asyncio
        async with wsocket.connect(s.port[80]) as first:
            await first.send('before')
            equal(await first.recv(), 'before')
            for i in range(2):
                await asyncio.get_running_loop().run_in_executor(None, lambda: upgrade(t, s, '--binary', copy_of(t, f'new{i}')))
                await first.send(f'after {i}')
                equal(await first.recv(), f'after {i}')
                async with wsocket.connect(s.port[80]) as other:
                    await other.send('new')
                    equal(await other.recv(), 'new')
    wsocket.run(talk())
    eventually(lambda: len(children(s.pid)) == 1, 'the processes before have ended')


@case
def upgrade_takes_what_is_queued(t):
    """Are connections that wait in the queue while nobody takes them served by the new process?"""
    s = t.simple()
    old = s.serving()
    stand_still(t, old)
    waiting = [t.connection(s.port[80], timeout=30) for _ in range(50)]
    for c in waiting:
        c.send('GET / HTTP/1.1\r\nHost: example.com\r\n\r\n')
    upgrade(t, s, '--binary', copy_of(t))
    for c in waiting:
        equal(c.answer().status, 200)
    os.kill(old, signal.SIGCONT)
    eventually(lambda: old not in children(s.pid), 'the one before ends')


@case
def upgrade_is_done_when_it_is_said(t):
    """Has the process before left the admin's address to the new one when `postern upgrade` says that it is done?"""
    s = t.simple()
    for n in (2, 1, 2):
        upgrade(t, s, '--binary', t.binary, '--workers', n)
        equal(s.metric('postern_workers'), n)
    said = [line for line in s.text().splitlines() if ' hands over ' in line or ' upgrade done ' in line]
    equal([' hands over ' in line for line in said], [True, False] * 3, 'each has left before it was said')


@case
def upgrade_although_the_one_before_stands_still(t):
    """Does one that does not answer any more keep nobody from an upgrade?"""
    s = t.simple()
    old = s.serving()
    stand_still(t, old)
    holds(upgrade(t, s, '--binary', t.binary), 'done: ', f'process {old}', 'does not react')
    equal(s.ask().status, 200)
    os.kill(old, signal.SIGCONT)
    eventually(lambda: old not in children(s.pid), 'the one before ends')


@case
def upgrade_to_other_workers(t):
    """Is nothing lost when the number of workers changes, up and down?"""
    s = t.simple()
    load = t.load(s.port[80], '-m', 'close')
    for n in (5, 1, 3):
        upgrade(t, s, '--binary', t.binary, '--workers', n)
        equal(s.metric('postern_workers'), n)
        for _ in range(20):
            equal(s.ask().status, 200)
    load.unharmed()


@case
def upgrade_that_fails(t):
    """When the new binary can not run, ends or is never ready: does what serves go on, and does the command say why?"""
    s = t.simple()
    load, before = t.load(s.port[80]), s.serving()

    def script(name, text):
        path = t.file(name)
        with open(path, 'w') as f:
            f.write(text)
        os.chmod(path, stat.S_IRWXU)
        return path
    holds(upgrade(t, s, '--binary', script('ends', '#!/bin/sh\necho it misses a library >&2\nexit 3\n'), status=1), 'failed: ', 'status 3',
          'it misses a library', 'goes on')
    holds(upgrade(t, s, '--binary', script('none', '#!/nowhere\n'), status=1), 'can not be run')
    holds(upgrade(t, s, '--binary', script('sleeps', '#!/bin/sh\nexec sleep 60\n'), '--timeout', 1, status=1), 'not ready in time')
    holds(upgrade(t, s, '--binary', '/nowhere', status=2), 'No such file')
    holds(upgrade(t, s, '--workers', 'x', status=2), '--workers')
    eventually(lambda: children(s.pid) == [before], 'of those that failed nothing is left')
    load.unharmed()
    upgrade(t, s)
    equal(s.ask().status, 200)


@case
def upgrade_resumes_sessions(t):
    """Does the new process open the session tickets of the one before, though they share no secret file?"""
    cert = t.certificate('h', 'h')
    b = t.backend()
    s = t.serve(gateway(listener(443, 'h', 'HTTPS', None, ['h'])), secret('h', *cert), service('b', b.port), route(rule('b')), ports=(443,))
    context = trusting(cert[0])

    def session(of=None):
        sock = context.wrap_socket(socket.create_connection(('127.0.0.1', s.port[443])), server_hostname='h', session=of)
        sock.sendall(b'GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n')
        while sock.recv(65536):
            pass
        return sock.session, sock.session_reused
    ticket, _ = session()
    for name in ('one', 'two'):
        upgrade(t, s, '--binary', copy_of(t, name))
        assert session(ticket)[1], 'a whole handshake'


@case
def removed_listener_serves_its_queue(t):
    """When a port goes while connections wait in its queue, is each of them answered, and by the listener they came for?"""
    b = t.backend()
    both = gateway(listener(80, 'a'), listener(81, 'b'))
    rest = (route(rule('b')), service('b', b.port))
    s = t.serve(both, *rest, ports=(80, 81))
    stand_still(t, s.serving())
    waiting = [t.connection(s.port[81], timeout=30) for _ in range(100)]
    for c in waiting:
        c.send('GET / HTTP/1.1\r\nHost: example.com\r\n\r\n')
    t.put('main.yaml', gateway_class(), gateway(listener(80, 'a')), *rest)
    os.kill(s.serving(), signal.SIGCONT)
    for c in waiting:
        equal(c.answer().status, 200)
    eventually(lambda: 'listener closed' in s.text(), 'it is closed')

    def refused():
        with socket.socket() as k:
            return k.connect_ex(('127.0.0.1', s.port[81])) != 0
    eventually(refused, 'the supervisor has let go of it, too')
    equal(s.ask().status, 200)


class Storm:
    """Clients that begin a connection after another; one whose handshake the kernel has completed is owed an answer."""

    def __init__(self, port, clients=16):
        self.port, self.going, self.answered, self.lost = port, True, 0, []
        self.threads = [threading.Thread(target=self.run) for _ in range(clients)]
        for x in self.threads:
            x.start()

    def run(self):
        while self.going:
            try:
                with Connection(self.port, timeout=20) as c:
                    assert c.ask().status in (200, 404)  # 404: it was slow to ask, and asks of what is there by then
                self.answered += 1
            except ConnectionRefusedError:
                pass
            except (OSError, AssertionError) as e:
                self.lost.append(repr(e))

    def end(self):
        self.going = False
        for x in self.threads:
            x.join()


@case
def removed_listener_under_a_storm(t):
    """When a port goes, and comes back, while clients keep beginning connections: is every connection that has begun answered?"""
    b = t.backend()
    both, one = gateway(listener(80, 'a'), listener(81, 'b')), gateway(listener(80, 'a'))
    rest = (gateway_class(), route(rule('b')), service('b', b.port))
    t.put('main.yaml', both, *rest)
    s = t.serve(ports=(80, 81))
    storm = Storm(s.port[81])
    t.finally_(storm.end)
    for n in range(10):
        answered = storm.answered
        eventually(lambda: storm.answered > answered + 100, 'connections begin and are answered', 30)
        t.put('main.yaml', one, *rest)
        eventually(lambda: s.text().count('listener closed') == n + 1, 'it is closed', 30)
        t.put('main.yaml', both, *rest)
    storm.end()
    equal(storm.lost, [])
