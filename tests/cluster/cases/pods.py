# SPDX-License-Identifier: Apache-2.0
import os
import pty
import subprocess

from cluster import BIN, case, equal, eventually, holds
from objects import container, deployment, pod, script, volumes

FOREVER = 'exec sleep 100000'


@case
def pod_has_a_namespace_and_addresses(t):
    """Is a pod alone in its namespaces, with the addresses that its status says?"""
    t.apply(pod('a', script(FOREVER)))
    ips = [i['ip'] for i in t.running('a')['status']['podIPs']]
    equal(len(ips), 2, 'addresses')
    shown = t.exec('a', 'ip', '-o', 'address', 'show', 'eth0')
    holds(shown, f' {ips[0]}/32 ', f' {ips[1]}/128 ')
    equal(t.exec('a', 'hostname').strip(), 'a')
    equal(t.exec('a', 'cat', '/proc/1/comm').strip(), 'sleep')
    equal(len([p for p in t.exec('a', 'ls', '/proc').split() if p.isdigit()]), 2, 'processes: the container\'s and the one that joined')


@case
def environment_of_a_container(t):
    """Does a container have its variables: literal, expanded, of its pod, and of ConfigMaps?"""
    t.apply({'apiVersion': 'v1', 'kind': 'ConfigMap', 'metadata': {'name': 'c'}, 'data': {'K': 'from-map'}})
    main = script('echo "$A $(B) $C $K $KUBERNETES_SERVICE_HOST"', env={'A': 'one', 'B': '$(A)-two', 'C': ('metadata.name',)})
    t.apply(pod('a', {**main, 'envFrom': [{'configMapRef': {'name': 'c'}}]}, restartPolicy='Never'))
    equal(t.completed('a'), 0)
    equal(t.log('a').strip(), 'one one-two a from-map 10.96.0.1')


@case
def logs_of_a_container(t):
    """Does kubectl logs show what a container wrote, the end of it, since when, and what comes?"""
    t.apply(pod('a', script(f'for i in 1 2 3; do echo out-$i; done; echo err >&2; {FOREVER}')))
    t.running('a')
    t.until(lambda: 'err' in t.log('a'), 'all is in the log')
    equal(t.log('a').split(), ['out-1', 'out-2', 'out-3', 'err'])
    equal(t.log('a', '--tail', '2').split(), ['out-3', 'err'])
    equal(t.log('a', '--since-time', '2100-01-01T00:00:00Z'), '')
    assert t.log('a', '--timestamps', '--tail', '1')[:2] == '20', 'a time comes first'


@case
def exec_in_a_container(t):
    """Does kubectl exec give a program its arguments and input, and return its output and exit status?"""
    t.apply(pod('a', script(FOREVER, env={'A': 'b c'})))
    t.running('a')
    equal(t.exec('a', 'sh', '-c', 'cat; echo "$0 $A"', 'x  y', text='in\n'), 'in\nx  y b c\n')
    r = t.cluster.kubectl('exec', '-n', t.ns, 'a', '--', 'sh', '-c', 'echo good; echo bad >&2; exit 7', check=False)
    equal((r.returncode, r.stdout, r.stderr.splitlines()[0]), (7, 'good\n', 'bad'))
    big = t.exec('a', 'sh', '-c', 'cat | wc -c', text='x' * 3_000_000)
    equal(big.strip(), '3000000')
    r = t.cluster.kubectl('exec', '-n', t.ns, 'a', '--', 'no-such-program', check=False)
    assert r.returncode != 0 and 'no-such-program' in r.stderr, r


@case
def exec_in_a_terminal(t):
    """Does kubectl exec -t give a program a terminal?"""
    t.apply(pod('a', script(FOREVER)))
    t.running('a')
    ours, theirs = pty.openpty()
    p = subprocess.Popen([BIN + '/kubernetes', 'kubectl', 'exec', '-n', t.ns, '-it', 'a', '--', 'sh', '-c', 'test -t 0 && test -t 1 && echo a-terminal; read x; echo got-$x'],
                         stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    seen = b''
    while b'a-terminal' not in seen:
        seen += os.read(ours, 4096)
    os.write(ours, b'this\n')
    while b'got-this' not in seen:
        seen += os.read(ours, 4096)
    equal(p.wait(20), 0)


@case
def restarts_with_backoff(t):
    """Is a container that fails started again, later and later, and is that told?"""
    t.apply(pod('a', script('exit 3'), restartPolicy='Always'))
    s = t.until(lambda: (s := t.container_status('a')) and s.get('restartCount', 0) >= 3 and 'waiting' in s['state'] and s, 'it was started again')
    equal(s['state']['waiting']['reason'], 'CrashLoopBackOff')
    holds(s['state']['waiting']['message'], 'back-off')
    equal(s['lastState']['terminated']['exitCode'], 3)


@case
def restarts_by_policy(t):
    """Does a pod that is not to be restarted end, as succeeded or as failed?"""
    t.apply(pod('good', script('exit 0'), restartPolicy='OnFailure'))
    t.apply(pod('bad', script('exit 4'), restartPolicy='Never'))
    equal(t.completed('good'), 0)
    equal(t.completed('bad'), 4)
    equal((t.get('Pod', 'good')['status']['phase'], t.get('Pod', 'bad')['status']['phase']), ('Succeeded', 'Failed'))


@case
def processes_of_a_pod(t):
    """Can a case find a pod's processes, measure them, and kill one; and is that container started again?"""
    t.apply(pod('a', script('sleep 100000 & exec sleep 100000')))
    t.running('a')
    first, second = t.until(lambda: (found := t.processes('a')) and [p.name() for p in found] == ['sleep', 'sleep'] and found, 'both sleep')
    assert 0 < first.pss_kib() < 10_000 and first.descriptors() >= 3 and first.cpu_s() >= 0
    first.kill()
    s = t.until(lambda: (s := t.container_status('a')) and s['restartCount'] == 1 and 'running' in s['state'] and s, 'it runs again')
    equal(s['lastState']['terminated']['exitCode'], 137)


@case
def image_that_is_missing(t):
    """Does a pod say that its image is missing?"""
    t.apply(pod('a', container(image='no-such-program')))
    s = t.until(lambda: (s := t.container_status('a')) and s['state'].get('waiting', {}).get('reason') == 'ErrImagePull' and s, 'it says so')
    holds(s['state']['waiting']['message'], 'no-such-program')


@case
def readiness(t):
    """Is a pod ready when its probe says so, and not when it no longer does?"""
    probe = {'exec': {'command': ['test', '-e', '/tmp/ready']}, 'periodSeconds': 1, 'failureThreshold': 2}
    t.apply(pod('a', script(FOREVER, readinessProbe=probe)))
    t.running('a', ready=False)
    assert not t.container_status('a')['ready']
    t.exec('a', 'touch', '/tmp/ready')
    t.running('a')
    t.exec('a', 'rm', '/tmp/ready')
    t.until(lambda: not t.container_status('a')['ready'], 'it is not ready')
    equal(t.container_status('a')['restartCount'], 0)


@case
def liveness_and_startup(t):
    """Is a container killed and started again when it no longer lives, but not before it has started?"""
    alive = {'exec': {'command': ['test', '-e', '/tmp/alive']}, 'periodSeconds': 1, 'failureThreshold': 1}
    started = {'exec': {'command': ['test', '-e', '/tmp/started']}, 'periodSeconds': 1, 'failureThreshold': 1000}
    t.apply(pod('a', script(FOREVER, livenessProbe=alive, startupProbe=started), grace=1))
    t.running('a', ready=False)
    assert not t.container_status('a')['started']
    t.exec('a', 'touch', '/tmp/alive', '/tmp/started')
    t.running('a')
    t.exec('a', 'rm', '/tmp/alive')
    s = t.until(lambda: (s := t.container_status('a')) and s['restartCount'] == 1 and s.get('lastState', {}).get('terminated') and s, 'it was restarted')
    equal(s['lastState']['terminated']['exitCode'], 137)


@case
def init_containers_come_first(t):
    """Do init containers run one after the other, and before the others, with volumes in common?"""
    say = lambda n: script(f'echo {n} >>/v/order', name=n, mounts={'/v': 'v'})
    t.apply(pod('a', script('cat /v/order', mounts={'/v': 'v'}), initContainers=[say('one'), say('two')], restartPolicy='Never', volumes=volumes(v={'emptyDir': {}})))
    equal(t.completed('a'), 0)
    equal(t.log('a').split(), ['one', 'two'])


@case
def termination(t):
    """Is a container asked to end, given its time, and gone afterwards with its addresses?"""
    t.apply(pod('kind', script('trap "exit 0" TERM; echo up; sleep 100000 & wait'), grace=60),
            pod('stubborn', script('trap "" TERM; echo up; while :; do sleep 1; done'), grace=1))
    netns = {n: t.running(n)['status']['podIP'] for n in ('kind', 'stubborn')}
    for n in netns:
        t.until(lambda: 'up' in t.log(n), 'it has set its trap')
    for n in netns:
        t.delete(pod(n))
    for n in netns:
        t.until(lambda: t.get('Pod', n) is None, f'{n} is gone', 20)
    routes = subprocess.run(['ip', '-4', 'route'], capture_output=True, text=True, check=True).stdout
    assert not any(ip + ' ' in routes for ip in netns.values()), routes


@case
def unsupported_is_refused(t):
    """Does a pod that asks for what the node does not have say so, and never run?"""
    t.apply(pod('a', script(FOREVER), hostPID=True))
    p = t.until(lambda: (p := t.get('Pod', 'a')) and p['status'].get('phase') == 'Failed' and p, 'it failed')
    holds(p['status']['message'], 'hostPID')


@case
def deployments(t):
    """Does a deployment replace its pods?"""
    t.apply(deployment('d', script(FOREVER), replicas=2))
    t.available('d', 2)
    before = {p['metadata']['name'] for p in t.pods('d')}
    t.apply(deployment('d', script(FOREVER, env={'NEW': 'yes'}), replicas=2))
    t.until(lambda: len(t.pods('d')) == 2 and not before & {p['metadata']['name'] for p in t.pods('d')}, 'all are new')
    t.available('d', 2)
    eventually(lambda: t.exec(t.pods('d')[0]['metadata']['name'], 'sh', '-c', 'echo $NEW').strip() == 'yes', 'the new ones are as told')
