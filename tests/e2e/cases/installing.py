# SPDX-License-Identifier: Apache-2.0
"""Installed as a program of the system: files, manual pages, completions, a service manager."""
import os
import re
import shutil
import signal
import socket
import subprocess
import sys

from client import ask
from harness import Postern, Process, case, equal, eventually, holds
from manifests import documents, gateway, gateway_class, listener, route, rule, service

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))


def files_in(folder):
    return {os.path.relpath(os.path.join(d, f), folder) for d, _, names in os.walk(folder) for f in names}


def commands(t):
    return [x for x in re.findall(r'^  ([a-z]+) ', t.run(t.binary, 'help').split('Commands:')[1], re.M) if x not in ('help', 'version')]


@case
def install(t):
    """Does installing into a DESTDIR put everything where it belongs, and uninstalling leave nothing?"""
    script, dest = os.path.join(ROOT, 'scripts/install.sh'), t.file('dest')
    for prefix, units in (('/usr', 'usr/lib/systemd/system'), ('/usr/local', 'etc/systemd/system')):
        env = {**os.environ, 'DESTDIR': dest, 'PREFIX': prefix}
        subprocess.run([script, 'install', t.binary], env=env, check=True)
        have, p = files_in(dest), prefix[1:]
        wanted = {f'{p}/bin/postern', f'{p}/share/man/man1/postern.1', f'{p}/share/bash-completion/completions/postern', f'{p}/share/zsh/site-functions/_postern',
                  f'{p}/share/fish/vendor_completions.d/postern.fish', f'{units}/postern.service', f'{units}/postern.socket'}
        wanted |= {f'{p}/share/man/man1/postern-{c}.1' for c in commands(t)}
        equal({f for f in have if '/share/postern/examples/' not in f}, wanted)
        assert any('/share/postern/examples/quickstart/' in f for f in have), have
        holds(t.run(os.path.join(dest, p, 'bin/postern'), 'version'), 'postern ')
        holds(open(os.path.join(dest, units, 'postern.service')).read(), f'ExecStart={prefix}/bin/postern serve')
        subprocess.run([script, 'uninstall'], env=env, check=True)
        equal(files_in(dest), set())


@case
def units(t):
    """Does systemd take the units, and find the service well confined?"""
    if not shutil.which('systemd-analyze'):
        return
    folder = t.file('units')
    os.mkdir(folder)
    for name in ('postern.service', 'postern.socket'):
        text = open(os.path.join(ROOT, 'deploy/systemd', name)).read()
        open(os.path.join(folder, name), 'w').write(text.replace('@bindir@/postern', t.binary))
    said = t.run('systemd-analyze', 'verify', '--man=no', f'{folder}/postern.service', f'{folder}/postern.socket', status=None)
    assert folder not in said and 'postern.s' not in said, said
    t.run('systemd-analyze', 'security', '--offline=true', '--threshold=25', f'{folder}/postern.service')


@case
def manual_pages(t):
    """Are the manual pages sound, and do they tell of every command and option?"""
    for c in [None, *commands(t)]:
        page = t.file(f'{c}.1')
        open(page, 'w').write(t.run(t.binary, 'help', *([c] if c else []), '--man'))
        t.run('mandoc', '-T', 'lint', '-W', 'error', page)
        text = re.sub('.\b', '', t.run('mandoc', '-T', 'utf8', page))
        for option in re.findall(r'^ +(?:-\w, )?(--[a-z-]+)', t.run(t.binary, c, '--help'), re.M) if c else commands(t):
            holds(text, option)


def completed(t, shell, script, words):
    """What the shell offers for the last of the words."""
    if shell == 'bash':
        quoted = ' '.join(f"'{w}'" for w in words)
        return t.run('bash', '-c', f'source {script}; COMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}; _postern; printf "%s\\n" "${{COMPREPLY[@]}}"').split()
    return [line.split('\t')[0] for line in t.run('fish', '--no-config', '-c', f'source {script}; complete -C "{" ".join(words)}"').splitlines()]


@case
def completions(t):
    """Do bash and fish offer commands, options, values and paths, and does zsh take its script?"""
    os.mkdir(t.file('folder-x'))
    for shell in ('bash', 'fish'):
        script = t.file(shell)
        open(script, 'w').write(t.run(t.binary, 'completion', shell))
        equal(sorted(completed(t, shell, script, ['postern', 'st'])), ['status'])
        holds(completed(t, shell, script, ['postern', '']), *commands(t))
        holds(completed(t, shell, script, ['postern', 'serve', '--access']), '--access-log', '--access-log-to')
        equal(sorted(completed(t, shell, script, ['postern', 'status', '-o', ''])), ['json', 'table', 'wide', 'yaml'])
        equal(sorted(completed(t, shell, script, ['postern', 'completion', ''])), ['bash', 'fish', 'zsh'])
        assert any('folder-x' in x for x in completed(t, shell, script, ['postern', 'check', t.file('folder-')])), shell
    script = t.file('_postern')
    open(script, 'w').write(t.run(t.binary, 'completion', 'zsh'))
    t.run('zsh', '-n', script)
    holds(t.run('zsh', '-fc', f'autoload -U compinit && compinit -u -d {t.file("zdump")} && source {script} && whence -w _postern && print $_comps[postern]'),
          '_postern: function', '\n_postern')
    t.run(t.binary, 'completion', 'tcsh', status=2)


@case
def manager(t):
    """Is a service manager told when it serves, reloads and stops, and that it is alive?"""
    b = t.backend()
    path = t.file('notify')
    s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    s.bind(path)
    s.settimeout(15)
    t.finally_(s.close)

    def told(word):
        seen = []
        while not seen or word not in seen[-1]:
            seen.append(s.recv(4096).decode())
        return seen[-1].splitlines()

    os.environ.update(NOTIFY_SOCKET=path, WATCHDOG_USEC='200000')
    try:
        p = t.serve(gateway(), service('b', b.port), route(rule('b')), ready=False)
    finally:
        del os.environ['NOTIFY_SOCKET'], os.environ['WATCHDOG_USEC']
    holds(told('READY=1'), 'STATUS=Serving')
    equal(p.ask('/').status, 200)
    told('WATCHDOG=1'), told('WATCHDOG=1')
    os.kill(p.pid, signal.SIGHUP)
    assert any(x.startswith('MONOTONIC_USEC=') for x in told('RELOADING=1'))
    told('READY=1')
    p.p.send_signal(signal.SIGTERM)
    told('STOPPING=1')
    equal(p.end(), 0)


class Activated(Postern):
    """The same, started with sockets for its ports."""

    def __init__(self, t, ports, args):
        sockets = ','.join(str(t.port()) for _ in ports)
        self.sockets = [int(x) for x in sockets.split(',')]
        given, t.ports_ahead = iter(self.sockets), None
        self.port, self.admin_port = dict(zip(ports, given)), t.port()
        maps = [x for p, to in self.port.items() for x in ('--map-port', f'{p}:{to}')]
        super(Postern, self).__init__(t, [sys.executable, os.path.join(ROOT, 'tests/e2e/launcher.py'), sockets, t.binary, 'serve', '-f', t.manifests, *maps,
                                          '--admin', f'127.0.0.1:{self.admin_port}', '--workers', '2', *args], 'postern.log')
        self.wait_ready()


@case
def socket_activation(t):
    """Are sockets of a service manager used for listeners of their ports, over a crash and a listener that goes and comes, while others are opened?"""
    b = t.backend()
    t.put('all.yaml', gateway_class(), gateway(listener(80)), service('b', b.port), route(rule('b')))
    s = Activated(t, (80, 81), ())
    t.servers.append(s)
    for _ in range(20):
        equal(s.ask('/').status, 200)
    holds(s.text(), f'socket activation fd=3 port={s.port[80]}')
    os.kill(s.serving(), signal.SIGKILL)
    eventually(lambda: s.ask('/').status == 200, 'served again')
    t.put('all.yaml', gateway_class(), gateway(listener(81)), service('b', b.port), route(rule('b')))
    eventually(lambda: s.ask('/', port=81).status == 200, 'the second socket')
    eventually(lambda: f'listener closed address=* port={s.port[80]}' in s.text(), 'closed')
    waiting = t.connection(s.port[80])  # in the queue of a socket that nobody listens on just now
    t.put('all.yaml', gateway_class(), gateway(listener(80), listener(82)), service('b', b.port), route(rule('b')))
    equal(waiting.ask('/').status, 200)
    equal(s.end(), 0)


@case
def image(t):
    """Is what the image holds enough: does the program serve, and load what it needs for a cluster, in that file system alone and as its user?"""
    if os.geteuid() != 0:
        return  # chroot is root's
    root = t.file('root')
    t.run(os.path.join(ROOT, 'scripts/rootfs.sh'), root, t.binary)
    b = t.backend()
    port, admin = t.port(), t.port()
    os.chmod(t.dir, 0o755)
    open(os.path.join(root, 'etc/postern/all.yaml'), 'w').write(documents(gateway_class(), gateway(), service('b', b.port), route(rule('b'))))
    inside = ['chroot', '--userspec=65532:65532', root, '/usr/bin/postern']
    holds(t.run(*inside, 'version'), 'postern ')
    p = Process(t, [*inside, 'serve', '-f', '/etc/postern', '--map-port', f'80:{port}', '--admin', f'127.0.0.1:{admin}', '--workers', '1', '--access-log', 'json'], 'image.log')
    eventually(lambda: ask(port).status == 200, 'it serves', 20)
    eventually(lambda: '"status":200' in p.text(), 'a line of the access log')
    equal(p.end(), 0)
    # nobody listens there: what is told is that, and not that a library is missing
    open(os.path.join(root, 'etc/postern/kubeconfig'), 'w').write(
        'apiVersion: v1\nkind: Config\ncurrent-context: a\ncontexts: [{name: a, context: {cluster: a, user: a}}]\nusers: [{name: a, user: {}}]\n'
        f'clusters: [{{name: a, cluster: {{server: "http://127.0.0.1:{t.port()}"}}}}]\n')
    said = t.run(*inside, 'status', '--kube', '--kubeconfig', '/etc/postern/kubeconfig', status=1)
    assert 'libcurl' not in said and 'shared object' not in said, said
    assert not os.path.exists(os.path.join(root, 'bin/sh')) and not os.path.exists(os.path.join(root, 'usr/bin/sh'))
