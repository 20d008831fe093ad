# SPDX-License-Identifier: Apache-2.0
"""Many certificates: bench/src/certs.c makes them, bench/src/hload.c asks for each by its name and looks whose it is shown."""
import json
import os
import re

from client import Connection, trusting
from harness import case, equal, eventually
from manifests import service

N = 2000


def pss_kb(pid):
    with open(f'/proc/{pid}/smaps_rollup') as f:
        return int(re.search(r'^Pss:\s+(\d+)', f.read(), re.M).group(1))


def work(s, after):
    """The counted work of what was adopted since the log had this length."""
    lines = [dict(re.findall(r'(\w+)=(\d+)', x)) for x in s.text()[after:].splitlines() if 'config adopted' in x]
    return {k: sum(int(x[k]) for x in lines) for k in ('routes_resolved', 'rules', 'hosts', 'listeners', 'endpoints', 'certificates')} if lines else None


def serial(c):
    """Of the certificate that the connection was shown."""
    import subprocess
    text = subprocess.run(['openssl', 'x509', '-inform', 'DER', '-noout', '-serial'], input=c.sock.getpeercert(True), stdout=subprocess.PIPE, check=True).stdout
    return int(text.decode().strip().split('=')[1], 16)


@case
def many_certificates(t):
    """Does each of 2,000 names get its certificate, at less than 16 kB each; does one that changes, breaks and is mended cost its own work alone, unnoticed by the rest?"""
    tool = os.path.join(os.path.dirname(t.hload), 'certs')
    t.run(tool, t.manifests, N, timeout=60)
    b = t.backend()
    t.put('b.yaml', *service('b', b.port))
    s = t.serve(ports=(443,), args=('--workers', '1'), ready=False)
    eventually(lambda: s.page('/readyz').status == 200, 'they are served', 60)
    begun = pss_kb(s.serving())
    port, name = s.port[443], lambda i: f'c{i}.example.com'
    every = json.loads(t.run(t.hload, '-a', '127.0.0.1', '-p', port, '-t', '-m', 'close', '-c', 8, '-S', N, '-n', N, '-d', 90, timeout=120).splitlines()[-1])
    equal((every['ops'], every['hs'], every['errors'], every['non200']), (N, N, 0, 0), f'each name: {every}')
    used = pss_kb(s.serving())
    assert (used - 10240) / N < 16, f'{begun} kB when loaded, {used} kB when all were used'

    load = t.load(port, '-t', '-S', str(N - 1))
    kept = {i: t.connection(port, tls=trusting(), sni=name(i)) for i in (5, N - 1)}
    ask = lambda i: kept[i].ask(host=name(i)).status
    equal((ask(5), ask(N - 1)), (200, 200))

    def shown(i):
        with Connection(port, trusting(), name(i)) as c:
            return serial(c)

    def change_of(what, do, seen, routes=1):
        """One change: how it was made, when it is there; it is one certificate and one listener, and the route of a Gateway that loses or gains it."""
        before = len(s.text())
        made = do()
        eventually(lambda: seen(made), what, 20)
        w = eventually(lambda: work(s, before), 'it is logged', 5)
        equal(w['endpoints'], 0, f'{what}: {w}')
        assert w['routes_resolved'] <= routes and w['rules'] <= routes and w['hosts'] <= 1 and w['listeners'] <= 1 and w['certificates'] <= 1, f'{what}: {w}'
        equal(ask(5), 200, what)

    anew = lambda i: int(t.run(tool, t.manifests, f'-{i}'))
    change_of('another certificate', lambda: anew(5), lambda made: shown(5) == made, routes=0)
    last = os.path.join(t.manifests, 'secrets', f'c{N - 1}.yaml')

    def breaks():
        with open(last) as f:
            text = re.sub(r'tls.crt: \S+', 'tls.crt: bm9uZQ==', f.read())
        with open(last + '.new', 'w') as f:
            f.write(text)
        os.rename(last + '.new', last)

    def refused(_):
        try:
            shown(N - 1)
        except OSError:
            return True
        return False
    change_of('a broken certificate', breaks, refused)
    equal(shown(N - 2) > 0, True, 'its neighbour is served')
    change_of('a mended certificate', lambda: anew(N - 1), lambda made: shown(N - 1) == made)
    load.unharmed()
