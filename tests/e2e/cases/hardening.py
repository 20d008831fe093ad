# SPDX-License-Identifier: Apache-2.0
"""What the two processes may still do once they serve."""
import base64
import ctypes
import os
import re
import socket
import subprocess

import client
import manifests
from harness import Postern, case, equal, eventually, holds
from manifests import gateway, gateway_class, listener, path, route, rule, service

NET_BIND_SERVICE = 1 << 10
LANDLOCK_CREATE_RULESET, VERSION = 444, 1


def landlock():
    """The version that this kernel has; 0: none."""
    return max(0, ctypes.CDLL(None, use_errno=True).syscall(LANDLOCK_CREATE_RULESET, None, 0, VERSION))


def rights(pid):
    return dict(re.findall(r'^(Cap\w+|NoNewPrivs|Seccomp|Uid|Gid|Groups):\s*(.*)$', open(f'/proc/{pid}/status').read(), re.M))


@case
def nothing_kept(t):
    """Has the serving process no capability, no way to one, a filter of system calls, no core file; and the supervisor nothing but low ports?"""
    s = t.simple()
    mine, theirs = rights(s.serving()), rights(s.pid)
    for name in ('CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb'):
        equal(int(mine[name], 16), 0, f'{name} of the serving process')
        assert int(theirs[name], 16) & ~NET_BIND_SERVICE == 0, f'{name} of the supervisor: {theirs}'
    equal((mine['NoNewPrivs'], theirs['NoNewPrivs'], mine['Seccomp']), ('1', '1', '2'))
    tasks = os.listdir(f'/proc/{s.serving()}/task')
    assert len(tasks) >= 4, tasks  # the loop, the builder, two workers
    for task in tasks:
        equal(rights(f'{s.serving()}/task/{task}')['Seccomp'], '2', f'of thread {task}')
    for pid in (s.pid, s.serving()):  # what is not dumpable is shown as root's, and dumps no core
        equal(os.stat(f'/proc/{pid}/environ').st_uid, 0)
    words = 'no_new_privs capabilities=none'
    holds(s.text(), f'holds="{words}')
    holds(t.run(t.binary, 'status', '--admin', f'127.0.0.1:{s.admin_port}'), f'Sandbox: {words}', 'seccomp')
    equal(s.page('/status').json()['sandbox'], re.search(r'holds="([^"]*)"', s.text())[1])
    assert 'sandbox refused' not in s.text(), s.text()


@case
def other_files_unreached(t):
    """Can it read what it was not given, by a link that comes later; and what it was given, by links that were there, by files that take their place?"""
    b = t.backend('b')
    outside, linked = t.file('outside'), t.file('linked')
    os.mkdir(outside), os.mkdir(linked)
    hidden, known = os.path.join(outside, 'r.yaml'), os.path.join(linked, 'r.yaml')
    for at, name in ((hidden, 'hidden'), (known, 'known')):
        with open(at, 'w') as f:
            f.write(manifests.documents(route(rule('b', matches=[path(f'/{name}')]), name=name)))
    os.symlink(known, os.path.join(t.manifests, 'known.yaml'))
    s = t.serve(gateway(), service('b', b.port))
    equal((s.ask('/known').status, s.ask('/hidden').status), (200, 404))
    os.symlink(hidden, os.path.join(t.manifests, 'hidden.yaml'))
    if landlock():
        eventually(lambda: 'Permission denied' in s.page('/status').text(), 'a finding says that it may not be read')
        equal((s.ask('/known').status, s.ask('/hidden').status), (200, 404))
    with open(known + '.new', 'w') as f:
        f.write(manifests.documents(route(rule('b', matches=[path('/new')]), name='known')))
    os.rename(known + '.new', known)
    eventually(lambda: s.ask('/new').status == 200, 'what takes the place of a file that a link leads to is read')


@case
def switched_off(t):
    """Is what it means to switch it off told at the start, and by `status`?"""
    s = t.simple(args=('--sandbox', 'off'))
    holds(s.text(), 'level=warn sandbox off', 'remedy=')
    equal(rights(s.serving())['Seccomp'], '0')
    equal(s.page('/status').json()['sandbox'], 'off')
    holds(t.run(t.binary, 'status', '--admin', f'127.0.0.1:{s.admin_port}'), 'Sandbox: off')
    for option, value, said in (('--sandbox', 'maybe', 'on'), ('--user', 'nobody-of-that-name', 'there is no user'), ('--user', 'root:no-such', 'there is no group')):
        holds(t.run(t.binary, 'serve', '-f', t.manifests, option, value, status=2), option, said)


@case
def another_user(t):
    """Started as root, does --user serve as that user, on a port below 1024, with what that user may read?"""
    if os.geteuid() != 0:
        return
    low = next(p for p in range(600, 1023) if free(p))
    b = t.backend('b')
    t.put('main.yaml', gateway_class(), gateway(), service('b', b.port), route(rule('b')))
    secret = t.file('secret')
    with open(secret, 'wb') as f:
        f.write(os.urandom(32))
    os.chmod(secret, 0o600)  # root's: it is read before
    os.chmod(t.dir, 0o755)
    s = Postern(t, (), ('--map-port', f'80:{low}', '--user', '65532:65531', '--workers', '1', '--secret-file', secret), True)
    t.servers.append(s)
    equal(client.ask(low).status, 200)
    for pid in (s.pid, s.serving()):
        equal((rights(pid)['Uid'].split(), rights(pid)['Gid'].split(), rights(pid)['Groups'].split()), (['65532'] * 4, ['65531'] * 4, ['65531']))
    equal(int(rights(s.serving())['CapPrm'], 16), 0)
    os.kill(s.serving(), 9)  # whoever takes its place is no more than it was
    eventually(lambda: client.ask(low).status == 200 and s.serving() != s.pid, 'again')
    equal(int(rights(s.serving())['CapPrm'], 16), 0)


def free(port):
    with socket.socket() as k:
        k.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            k.bind(('0.0.0.0', port))
            return True
        except OSError:
            return False


@case
def keys_untold(t):
    """Are private keys, Secrets and the secret of sealing in no page, no log (at debug), no metric?"""
    cert, key = t.certificate('site', 'example.com')
    secret = t.file('secret')
    with open(secret, 'wb') as f:
        f.write(b'A-secret-of-sealing-that-nobody-sees')
    pem = open(key).read()
    b = t.backend('b')
    s = t.serve(gateway(listener(), listener(443, protocol='HTTPS', secrets=['site'])), service('b', b.port), route(rule('b')), ports=(80, 443),
                args=('--tls', f'default/site={cert},{key}', '--secret-file', secret, '--log-level', 'debug'))
    eventually(lambda: subprocess.run(['curl', '-sk', '-o', '/dev/null', '--resolve', f'example.com:{s.port[443]}:127.0.0.1',
                                       f'https://example.com:{s.port[443]}/']).returncode == 0, 'TLS')
    lines = [x for x in pem.splitlines() if not x.startswith('-')]
    raw = base64.b64decode(''.join(lines))
    words = lines + [raw.hex(), base64.b64encode(pem.encode()).decode(), 'A-secret-of-sealing', base64.b64encode(open(secret, 'rb').read()).decode()]
    shown = {p: s.page(p).text() for p in ('/status?all', '/plan', '/table', '/metrics', '/explain?url=https%3A%2F%2Fexample.com%2F')}
    shown['log'] = s.text()
    for place, text in shown.items():
        for w in words:
            assert w not in text and w[:24] not in text, f'a secret in {place}'
