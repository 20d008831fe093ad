# SPDX-License-Identifier: Apache-2.0
"""What is measured. Each test takes a contestant and yields (row, unit, value, details); less is better."""
import json
import os
import statistics
import time

import rig
from rig import BIN, CLIENT, GATEWAY, GATEWAY_CPU, GATEWAY_IP, LOAD_CPU, RUN, client, cpu_ns, pss_kb
from peers import route

HLOAD, LIVE = BIN + '/hload', BIN + '/live'
BOTH_CPUS = f'{GATEWAY_CPU},{LOAD_CPU}'

# test -> (row, port, options of hload, per gigabyte instead of per request)
LOADS = {
    'keep': ('HTTP/1.1 kept alive, 1 kB', 8080, ['-c', '64'], False),
    'close': ('HTTP/1.1, a connection each', 8080, ['-c', '64', '-m', 'close'], False),
    'tls-full': ('TLS 1.3 full handshake each', 8443, ['-c', '64', '-m', 'close', '-t'], False),
    'tls-resumed': ('TLS 1.3 resumed each', 8443, ['-c', '64', '-m', 'close', '-t', '-r'], False),
    'tls-keep': ('TLS 1.3 kept alive, 1 kB', 8443, ['-c', '64', '-t'], False),
    '1mb': ('1 MB answers', 8080, ['-c', '8', '-u', '/s/1000000'], True),
    'tls-1mb': ('1 MB answers over TLS', 8443, ['-c', '8', '-t', '-u', '/s/1000000'], True),
}
OTHERS = ('idle', 'routes', 'live', 'reload')
ALL = (*LOADS, *OTHERS)


def begin(peer, routes=0, layout='one', cpus=GATEWAY_CPU, limit_s=120):
    """Starts a contestant and waits for its first answer, by its last route. (process, directory, seconds it took), or None."""
    d = rig.fresh(f'{RUN}/{peer.name}')
    rig.clear(GATEWAY)
    argv = peer.prepare(d, routes, layout)
    host, prefix, value, _ = route(max(routes - 1, 0))
    began = time.monotonic_ns()
    p = rig.spawn(GATEWAY, cpus, argv, d + '/out.log', d)
    r = client([LIVE, '-a', GATEWAY_IP, '-p', '8080', '-H', host, '-u', prefix + '/x', '-v', str(value), '-m', 'HTTP/1.1 200', '-s', str(began),
                '-g', '1000', '-d', str(limit_s)], limit_s, p)
    if not r.get('seen'):
        with open(d + '/out.log') as f:
            print(f'{peer.name} with {routes} routes did not answer in {limit_s} s: {f.read()[-600:]}', flush=True)
        rig.stop(p)
        return None
    return p, d, r['us'] / 1e6


def wrong(r):
    n, bad = r.get('errors', 0), r.get('non200', 0)
    why = {k: v for k, v in r.get('why', {}).items() if v}
    return f"{n} errors {why}, {bad} not 200 {r.get('first_non200', '')}{r.get('raw', '')}" if n or bad else None


def loads(peer, tests, seconds):
    tests = [t for t in LOADS if t in tests]
    begun = begin(peer) if tests else None
    if not begun:
        return
    p = begun[0]
    rig.settle(p.pid)
    for t in tests:
        row, port, options, bulk = LOADS[t]
        command = [HLOAD, '-a', GATEWAY_IP, '-p', str(peer.ports.get(t, port)), *options]
        client(command + ['-d', '0.3'], 2)
        before = cpu_ns(p.pid)
        r = client(command + ['-d', str(seconds)], seconds)
        used = cpu_ns(p.pid) - before
        if not r['ops']:
            print(peer.name, t, 'no answer:', r, flush=True)
            continue
        value = used / 1e6 / (r['bytes'] / 1e9) if bulk else used / 1e3 / r['ops']
        yield f'{row}: CPU', 'ms/GB' if bulk else 'us', value, {'rate': r['rate'], 'p50_us': r['p50_us'], 'p99_us': r['p99_us'], 'reused': r['reused'], 'trouble': wrong(r)}
    rig.stop(p)


def idle(peer, conns):
    for kind, port, options in (('plain', 8080, []), ('TLS', 8443, ['-t'])):
        begun = begin(peer)
        if not begun:
            return
        p = begun[0]
        rig.settle(p.pid)
        empty = pss_kb(p.pid)
        log = RUN + '/idle.log'
        c = rig.spawn(CLIENT, LOAD_CPU, [HLOAD, '-a', GATEWAY_IP, '-p', str(port), '-m', 'idle', '-c', str(conns), '-d', '60', *options], log)
        end = time.monotonic() + 50
        while time.monotonic() < end and 'ready' not in open(log).read():
            time.sleep(.05)
        rig.settle(p.pid)
        held = pss_kb(p.pid)
        open_n = int(rig.sh(f'ip netns exec {CLIENT} ss -Htn state established "dport = :{port}" | wc -l'))
        rig.stop(c)
        rig.stop(p)
        if kind == 'plain':
            yield 'idle: PSS', 'kB', empty, {}
        yield (f'{conns:,} idle connections, {kind}: memory each', 'B', (held - empty) * 1024 / max(1, open_n),
               {'trouble': None if open_n >= conns else f'{open_n} of {conns} connections'})


def routes(peer, counts, seconds):
    for n in counts:
        for layout in peer.layouts:
            begun = begin(peer, n, layout, BOTH_CPUS)
            if not begun:
                continue
            p, _, took = begun
            suffix = ' (many files)' if layout == 'many' else ''
            rig.sh(f'for t in $(cd /proc/{p.pid}/task && ls); do taskset -acp {GATEWAY_CPU} $t; done', check=False)
            for q in rig.tree(p.pid):
                rig.sh(f'taskset -acp {GATEWAY_CPU} {q}', check=False)
            rig.settle(p.pid)
            yield f'{n:,} routes: cold start{suffix}', 's', took, {}
            yield f'{n:,} routes: PSS{suffix}', 'kB', pss_kb(p.pid), {}
            if layout == 'one':
                command = [HLOAD, '-a', GATEWAY_IP, '-p', '8080', '-c', '64', '-R', str(n)]
                client(command + ['-d', '0.5'], 2)
                before = cpu_ns(p.pid)
                r = client(command + ['-d', str(seconds)], seconds)
                yield f'{n:,} routes: CPU per request', 'us', (cpu_ns(p.pid) - before) / 1e3 / max(1, r['ops']), {'p99_us': r.get('p99_us'), 'trouble': wrong(r)}
            rig.stop(p)


def changed(peer, p, d, i, mark, port, seconds):
    """One change, from the rename to the first answer by it: milliseconds or None, and how many questions failed meanwhile."""
    source, target = peer.change(d, i, mark, port)
    if peer.signal:  # HAProxy's master loses a signal that arrives while it still works on the one before
        rig.settle(p.pid, 0.15, 5)
    host, prefix, value, _ = route(i)
    text = f'\r\nserver: {"other" if port == 9003 else "b"}\r' if mark is None else f'\r\nx-mark: {mark}\r'
    command = [LIVE, '-a', GATEWAY_IP, '-p', '8080', '-H', host, '-u', prefix + '/x', '-v', str(value), '-m', text, '-r', source, target, '-d', str(seconds)]
    if peer.signal:
        command += ['-k', str(daemon(p.pid, peer.exe)), str(int(peer.signal))]
    r = client(command, seconds)
    if not r.get('seen'):
        print(f'{peer.name}: a change of route {i} was not seen: {r}', flush=True)
    return r['us'] / 1e3 if r.get('seen') else None, r.get('failed', 0)


def daemon(pid, exe):
    """The first process of the contestant itself (`ip netns exec` and the others exec into it)."""
    return next((q for q in rig.tree(pid) if os.path.realpath(f'/proc/{q}/exe') == os.path.realpath(exe)), pid)


def live(peer, counts, changes, budget_s=60):
    for n in counts:
        for layout in peer.layouts:
            begun = begin(peer, n, layout, BOTH_CPUS)
            if not begun:
                continue
            p, d, _ = begun
            rig.settle(p.pid)
            suffix = ' (many files)' if layout == 'many' else ''
            for what in ('route', 'endpoint'):
                took, failed, end = [], 0, time.monotonic() + budget_s
                for k in range(changes):
                    if k >= 5 and time.monotonic() > end:
                        break
                    i = (k * 7919) % n if what == 'route' else 0
                    mark, port = (k + 1, None) if what == 'route' else (None, 9000 if k % 2 else 9003)
                    ms, bad = changed(peer, p, d, i, mark, port, 30)
                    failed += bad
                    if ms is None:
                        break
                    took.append(ms)
                if not took:
                    continue
                took.sort()
                details = {'changes': len(took), 'trouble': f'{failed} failed requests' if failed else None}
                yield f'a changed {what} among {n:,}: median time to live{suffix}', 'ms', statistics.median(took), details
                yield f'a changed {what} among {n:,}: p99{suffix}', 'ms', took[min(len(took) - 1, len(took) * 99 // 100)], details
            rig.stop(p)


def reload(peer, n, seconds):
    """Changes under load: a route is edited about ten times a second; what fails?"""
    begun = begin(peer, n, 'one', BOTH_CPUS)
    if not begun:
        return
    p, d, _ = begun
    rig.settle(p.pid)
    out = RUN + '/reload.log'
    c = rig.spawn(CLIENT, LOAD_CPU, [HLOAD, '-a', GATEWAY_IP, '-p', '8080', '-c', '32', '-R', str(n), '-d', str(seconds)], out)
    k = 0
    while c.poll() is None:
        source, target = peer.change(d, k % n, mark=k)
        os.rename(source, target)
        if peer.signal:
            os.kill(daemon(p.pid, peer.exe), peer.signal)
        k += 1
        time.sleep(0.1)
    rig.stop(c)
    r = json.loads(open(out).read().strip().splitlines()[-1])
    rig.stop(p)
    yield f'{n:,} routes, edited ten times a second under load: failed', 'requests', r['errors'] + r['non200'], {'ops': r['ops'], 'changes': k, 'retried': r['retried'], 'trouble': wrong(r)}
