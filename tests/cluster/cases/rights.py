# SPDX-License-Identifier: Apache-2.0
from cluster import case, equal, holds
from objects import RESTRICTED, pod, script, volumes

FOREVER = 'exec sleep 100000'


def rights(t, pod, of='self'):
    """What the kernel says of a process that joined the container (or of PID `of`)."""
    lines = dict(line.split(':\t', 1) for line in t.exec(pod, 'cat', f'/proc/{of}/status').splitlines() if ':\t' in line)
    return {k: lines[k] for k in ('Uid', 'Gid', 'Groups', 'CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb', 'NoNewPrivs', 'Seccomp')}


def fails(t, pod, command, *words):
    r = t.cluster.kubectl('exec', '-n', t.ns, pod, '--', 'sh', '-c', command, check=False)
    assert r.returncode != 0, f'{command}: {r}'
    holds(r.stderr, *words)


@case
def restricted_container(t):
    """Is a container of the restricted profile without root, capabilities, a writable root, new privileges and needless system calls?"""
    t.apply(pod('a', script(FOREVER, securityContext=RESTRICTED, mounts={'/v': 'v'}), volumes=volumes(v={'emptyDir': {}}), securityContext={'fsGroup': 70}))
    t.running('a')
    for who in ('1', 'self'):
        r = rights(t, 'a', who)
        equal((r['Uid'].split(), r['Gid'].split(), r['Groups'].split()), (['65532'] * 4, ['65532'] * 4, ['70']), who)
        equal({r[k] for k in r if k.startswith('Cap')}, {'0' * 16}, f'capabilities of {who}')
        equal((r['NoNewPrivs'], r['Seccomp']), ('1', '2'), who)
    fails(t, 'a', 'touch /x', 'Read-only file system')
    fails(t, 'a', 'touch /tmp/x', 'Read-only file system')
    fails(t, 'a', 'unshare -U true', 'Operation not permitted')
    equal(t.exec('a', 'sh', '-c', 'echo it >/v/x; cat /v/x'), 'it\n')


@case
def ports_below_1024_without_rights(t):
    """Can a container without any capability listen on port 80, as in other clusters?"""
    t.apply(pod('a', script('exec python3 -m http.server -b 0.0.0.0 -d /usr/share 80', securityContext=RESTRICTED, readinessProbe={'tcpSocket': {'port': 80}})))
    t.running('a')


@case
def filter_of_a_root_container(t):
    """Are the system calls of a container that is root filtered, too, by what its capabilities allow?"""
    t.apply(pod('a', script(FOREVER), securityContext={'seccompProfile': {'type': 'RuntimeDefault'}}))
    t.running('a')
    r = rights(t, 'a', '1')
    equal((r['Seccomp'], r['NoNewPrivs']), ('2', '0'))
    fails(t, 'a', 'unshare -U true', 'Operation not permitted')
    equal(t.exec('a', 'sh', '-c', 'curl -sk https://kubernetes.default.svc/version >/dev/null && python3 -c "import threading; threading.Thread(target=print, args=[1]).start()"'), '1\n')


@case
def rights_by_default(t):
    """Has a container that says nothing the rights that container runtimes give?"""
    t.apply(pod('a', script(FOREVER)))
    t.running('a')
    r = rights(t, 'a')
    equal((r['Uid'].split()[0], r['CapBnd'], r['CapEff'], r['NoNewPrivs'], r['Seccomp']), ('0', '00000000a80425fb', '00000000a80425fb', '0', '0'))
    fails(t, 'a', 'mount -t tmpfs x /tmp', 'permission denied')


@case
def capabilities_by_name(t):
    """Are capabilities added and dropped by name?"""
    t.apply(pod('a', script(FOREVER, securityContext={'capabilities': {'drop': ['ALL'], 'add': ['NET_BIND_SERVICE']}})),
            pod('b', script(FOREVER, securityContext={'privileged': True})))
    t.running('a')
    t.running('b')
    equal(rights(t, 'a')['CapEff'], f'{1 << 10:016x}')
    assert int(rights(t, 'b')['CapEff'], 16) & 1 << 21, 'CAP_SYS_ADMIN'


@case
def root_where_it_must_not_be(t):
    """Does a container that must not be root, but would be, say so and not run?"""
    t.apply(pod('a', script(FOREVER, securityContext={'runAsNonRoot': True})))
    s = t.until(lambda: (s := t.container_status('a')) and s['state'].get('waiting', {}).get('reason') == 'CreateContainerConfigError' and s, 'it says so')
    holds(s['state']['waiting']['message'], 'runAsNonRoot')
