# SPDX-License-Identifier: Apache-2.0
"""postern in the cluster while something changes and requests go on: none fails that the change did not call for, what is told is right within
seconds, and nothing stays behind."""
import concurrent.futures
import contextlib
import re
import socket
import ssl
import subprocess
import time

from cases.kube import SYSTEM, condition, leader, programmed
from client import Connection, ask, trusting
from cluster import PodProcess, alone, case, equal, eventually, with_postern
from harness import children
from manifests import GROUP, gateway, listener, ref, route, rule, secret
from objects import echo, thing

V1 = f'{GROUP}/v1'
SECONDS = 10.0  # within which what is told is right
AWAY_S = 60
API_SERVICE = '10.96.0.1', 443


def postern_pods(t):
    """Those that are not on their way out."""
    pods = t.api.list('v1', 'Pod', SYSTEM, labelSelector='app.kubernetes.io/name=postern')['items']
    return [p for p in pods if 'deletionTimestamp' not in p['metadata']]


def is_ready(pod):
    return any(c['type'] == 'Ready' and c['status'] == 'True' for c in pod['status'].get('conditions', []))


def replicas(t, n):
    d = t.api.get('apps/v1', 'Deployment', 'postern', SYSTEM)
    t.api.merge(d, {'spec': {'replicas': n}})
    t.until(lambda: len(p := postern_pods(t)) == n and all(map(is_ready, p)), f'{n} pods of postern are ready')


def the_pod(t):
    return t.until(lambda: len(p := postern_pods(t)) == 1 and is_ready(p[0]) and p[0], 'one pod of postern is ready')


def serving(t, pod):
    """The pod's process that serves: its supervisor's child."""
    supervisor = t.processes(pod['metadata']['name'], SYSTEM)[0]
    return eventually(lambda: next((PodProcess(p) for p in children(supervisor.pid)), None), 'it serves')


def simple(t, *more, backend='e'):
    """A backend, a Gateway on port 80 and a route for everything; its address, once it answers."""
    t.apply(*echo(backend), gateway(namespace=t.ns), route(rule(backend), namespace=t.ns), *more)
    programmed(t)
    address = t.gateway_address()
    t.told(address)
    return address


def answers(t, address, status, host='example.com', port=80):
    """Waits until a request is answered so."""
    t.until(lambda: ask(port, address=address, host=host).status == status, f'{host} is answered with {status}', SECONDS)


def parent(t, name='r', namespace=None, kind='HTTPRoute'):
    """The conditions of a route at its first parent, as {type: "True/Reason"}, as far as they are of its present generation."""
    r = t.get(kind, name, V1, namespace)
    for p in (r or {}).get('status', {}).get('parents', []):
        return {c['type']: f'{c["status"]}/{c["reason"]}' for c in p['conditions'] if c['observedGeneration'] == r['metadata']['generation']}
    return {}


def is_told(t, kind, wanted, *args, **more):
    t.until(lambda: parent(t, *args, **more).get(kind) == wanted, f'the route says {kind} {wanted}', SECONDS)


def attached(t, name='gw'):
    return t.get('Gateway', name, V1)['status']['listeners'][0]['attachedRoutes']


def in_namespace(namespace, objects):
    return [{**o, 'metadata': {**o['metadata'], 'namespace': namespace}} for o in objects]


@case
@with_postern
@alone
def load_while_a_thousand_routes_come_and_go(t):
    """Does no request fail, is the Gateway's status written rarely and right in the end, and does the pod keep no memory and no descriptor of them?"""
    address = simple(t)
    process = serving(t, the_pod(t))
    writes = lambda: t.cluster.metric('apiserver_request_total', resource='gateways', subresource='status')
    routes = [route(rule('e'), name=f'r-{i}', hostnames=[f'h{i}.example'], namespace=t.ns) for i in range(1000)]
    for r in routes:
        r['metadata']['labels'] = {'of': 'a-thousand'}
    all_routes = t.api.path(V1, 'HTTPRoute', None, t.ns, labelSelector='of=a-thousand')
    load = t.load(address, conns=1)
    def come_and_go():
        before = writes()
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            list(pool.map(t.api.create, routes))
        t.until(lambda: attached(t) == 1001, 'all are attached', SECONDS)
        is_told(t, 'Accepted', 'True/Accepted', 'r-999')
        answers(t, address, 200, 'h999.example')
        t.api.request('DELETE', all_routes)
        t.until(lambda: attached(t) == 1, 'all are gone', SECONDS)
        n = writes() - before
        assert n <= 100, f'{n} writes to the status of a Gateway'
        return process.pss_kib(), process.descriptors()
    pss, descriptors = come_and_go()
    pss_again, descriptors_again = come_and_go()
    load.unharmed()
    assert pss_again <= pss * 1.1 + 2048, f'{pss} KiB after the first thousand, {pss_again} KiB after the second'
    assert descriptors_again <= descriptors + 4, f'{descriptors} descriptors, then {descriptors_again}'


@case
@with_postern
@alone
def load_while_a_gateway_goes_and_comes(t):
    """Do a Gateway's Service, EndpointSlices and port come and go with it, time after time, while another's requests go on and nothing is left?"""
    address = simple(t)
    process = serving(t, the_pod(t))
    other = gateway(listener(8080), name='other', namespace=t.ns)
    ours = lambda: sorted(f'{kind}/{o["metadata"]["name"]}' for version, kind in (('v1', 'Service'), ('discovery.k8s.io/v1', 'EndpointSlice'))
                          for o in t.api.list(version, kind, t.ns)['items'] if o['metadata']['name'].startswith('other'))
    t.apply(route(rule('e'), name='to-other', parents=['other'], namespace=t.ns))
    load, descriptors = t.load(address, conns=1), None
    for _ in range(4):
        t.apply(other)
        programmed(t, 'other')
        t.told(t.gateway_address('other'), 8080)
        is_told(t, 'Accepted', 'True/Accepted', 'to-other')
        equal(ours(), ['EndpointSlice/other-postern-ipv4', 'EndpointSlice/other-postern-ipv6', 'Service/other-postern'])
        t.delete(other)
        t.until(lambda: not ours(), 'nothing of it is left', SECONDS)
        t.until(lambda: not parent(t, 'to-other').get('Accepted', '').startswith('True'), 'its route is not accepted any more', SECONDS)
        descriptors = descriptors or process.descriptors()
    load.unharmed()
    t.until(lambda: process.descriptors() <= descriptors, f'no more than the {descriptors} descriptors after the first time', SECONDS)


def certificate(t, name, host='example.com'):
    """A Secret of a self-signed certificate, and what is in its subject."""
    cert, key = t.file(name + '.crt'), t.file(name + '.key')
    subprocess.run(['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '365', '-subj', f'/CN={host}',
                    '-addext', f'subjectAltName=DNS:{host}', '-keyout', key, '-out', cert], check=True, capture_output=True)
    return secret('cert', cert, key, t.ns), open(cert).read()


def presented(address, port=443, host='example.com'):
    with Connection(port, trusting(), host, address=address) as c:
        return ssl.DER_cert_to_PEM_cert(c.sock.getpeercert(True))


@case
@with_postern
def load_while_a_certificate_is_rotated(t):
    """Is a new certificate served within seconds, while each request is a handshake and none fails?"""
    pairs = [certificate(t, f'c{i}') for i in range(2)]
    t.apply(*echo('e'), pairs[0][0], gateway(listener(443, protocol='HTTPS', secrets=['cert']), namespace=t.ns), route(rule('e'), namespace=t.ns))
    programmed(t)
    address = t.gateway_address()
    t.told(address, 443, tls=trusting())
    load = t.load(address, 443, '-t', '-m', 'close', conns=1)
    for i in range(1, 6):
        t.apply(pairs[i % 2][0])
        t.until(lambda: presented(address) == pairs[i % 2][1], 'the new certificate is served', SECONDS)
        equal(condition(t.get('Gateway', 'gw', V1), 'Programmed'), 'True/Programmed')
    load.unharmed()


@contextlib.contextmanager
def cut_off(pod):
    """The API server resets what this pod sends it; a function that says how often it did."""
    run = lambda *args, text=None: subprocess.run(['nft', *args], input=text, text=True, check=True, capture_output=True).stdout
    rules = ''.join(f'ip{"6" if ":" in i["ip"] else ""} saddr {i["ip"]} tcp dport 6443 counter reject with tcp reset\n' for i in pod['status']['podIPs'])
    run('-f', '-', text='table inet cutoff {\nchain input {\ntype filter hook input priority 0;\n' + rules + '}\n}\n')
    try:
        yield lambda: sum(int(n) for n in re.findall(r'counter packets (\d+)', run('list', 'table', 'inet', 'cutoff')))
    finally:
        run('delete', 'table', 'inet', 'cutoff')


def api_connections(t, pod):
    """How many connections the pod holds to port 443, where nothing but the API server is."""
    process = serving(t, pod)
    remote_port, state = 2, 3  # of a line, after its number and the local address [proc(5) /proc/net/tcp]
    lines = [line.split() for f in ('net/tcp', 'net/tcp6') for line in process.read(f).splitlines()[1:]]
    return sum(line[remote_port].endswith(':01BB') and line[state] == '01' for line in lines)


@contextlib.contextmanager
def api_server_away(t):
    t.cluster.stop_api_server()
    try:
        yield
    finally:
        t.cluster.start_api_server()


@case
@with_postern
@alone
def load_while_the_api_server_is_away(t):
    """Do requests go on while the API server is away for a minute, and is all that changed meanwhile done once it is back with no history of it?"""
    address = simple(t, *echo('f'), route(rule('e'), name='goes', hostnames=['goes.example'], namespace=t.ns))
    answers(t, address, 200, 'goes.example')
    t.available('f')
    pod = the_pod(t)
    load, calls = t.load(address, conns=1), api_connections(t, pod)
    with cut_off(pod) as attempts:
        with api_server_away(t):
            began = time.monotonic()
            while time.monotonic() < began + AWAY_S:
                equal(ask(80, address=address).status, 200)
                time.sleep(0.1)
            assert attempts() >= 12, f'it has tried to come back {attempts()} times'
        t.apply(route(rule('f'), namespace=t.ns), route(rule('f'), name='comes', hostnames=['comes.example'], namespace=t.ns))
        t.delete(route(name='goes', namespace=t.ns))
        t.cluster.control('compact')
        assert t.told(address)['pod'].startswith('e-')
        t.until(lambda: socket.create_connection(API_SERVICE, 1).close() or True, 'kube-proxy is back as well')
    t.until(lambda: t.told(address)['pod'].startswith('f-'), 'the changed route is followed', SECONDS)
    answers(t, address, 200, 'comes.example')
    t.until(lambda: t.told(address, host='goes.example')['pod'].startswith('f-'), 'the deleted route is gone', SECONDS)
    is_told(t, 'Accepted', 'True/Accepted')
    is_told(t, 'Accepted', 'True/Accepted', 'comes')
    t.until(lambda: attached(t) == 2, 'two routes are attached', SECONDS)
    load.unharmed()
    t.until(lambda: api_connections(t, pod) <= calls, f'no more connections to the API server than the {calls} before: {api_connections(t, pod)}', SECONDS)
    equal((the_pod(t)['metadata']['uid'], the_pod(t)['status']['containerStatuses'][0]['restartCount']), (pod['metadata']['uid'], 0))


@case
@with_postern
@alone
def load_while_postern_is_killed(t):
    """Is only lost what was under way when the serving process is killed, and does the next one serve the same, without a word of it in any object?"""
    address = simple(t)
    pod = the_pod(t)
    told = lambda: [(o['metadata']['uid'], o['metadata']['resourceVersion']) for o in (t.get('Gateway', 'gw', V1), t.get('HTTPRoute', 'r', V1), t.get('Service', 'gw-postern'))]
    before, conns = told(), 4
    load = t.load(address, conns=conns)
    for _ in range(2):
        process = serving(t, pod)
        process.kill()
        t.until(lambda: serving(t, pod).pid != process.pid, 'another one serves')
        t.told(address)
        t.until(lambda: is_ready(t.api.get('v1', 'Pod', pod['metadata']['name'], SYSTEM)), 'the pod is ready')
    r = load.result()
    assert r['non200'] == 0 and r['errors'] <= 2 * conns, f'more was lost than was under way: {r}'
    equal(told(), before)
    t.apply(route(rule('e'), name='next', hostnames=['next.example'], namespace=t.ns))
    is_told(t, 'Accepted', 'True/Accepted', 'next')
    equal(told()[1:], before[1:])
    equal(the_pod(t)['status']['containerStatuses'][0]['restartCount'], 0)


@case
@with_postern
@alone
def a_container_is_killed(t):
    """Is the same served again at the same addresses when both processes are killed, and does no object tell of it?"""
    address = simple(t)
    pod = the_pod(t)
    told = lambda: [(o['metadata']['uid'], o['metadata']['resourceVersion']) for o in (t.get('Gateway', 'gw', V1), t.get('HTTPRoute', 'r', V1), t.get('Service', 'gw-postern'))]
    before = told()
    t.processes(pod['metadata']['name'], SYSTEM)[0].kill()
    t.until(lambda: the_pod(t)['status']['containerStatuses'][0]['restartCount'] == 1, 'the container runs again')
    t.told(address)
    t.apply(route(rule('e'), name='next', hostnames=['next.example'], namespace=t.ns))
    is_told(t, 'Accepted', 'True/Accepted', 'next')
    answers(t, address, 200, 'next.example')
    equal(told()[1:], before[1:])
    # for the cases that count restarts
    t.cluster.kubectl('rollout', 'restart', '-n', SYSTEM, 'deployment/postern')
    t.until(lambda: not t.get('Pod', pod['metadata']['name'], namespace=SYSTEM), 'the pod has ended')
    the_pod(t)


@case
@with_postern
@alone
def load_while_the_leader_changes(t):
    """Of two replicas, the leader goes: does no request fail, is nothing written twice, and is what comes meanwhile not lost?"""
    address = simple(t)
    t.finally_(lambda: replicas(t, 1))
    replicas(t, 2)
    def everywhere():
        slices = [s for s in t.api.list('discovery.k8s.io/v1', 'EndpointSlice', t.ns)['items'] if s['metadata']['name'].startswith('gw-')]
        return slices and all(sum(e['conditions']['ready'] for e in s['endpoints']) == 2 for s in slices)
    t.until(everywhere, 'the Gateway is at both', SECONDS)
    told = lambda: [(o['metadata']['uid'], o['metadata']['resourceVersion']) for o in (t.get('HTTPRoute', 'r', V1), t.get('Service', 'gw-postern'))]
    before, first = told(), leader(t)
    loads = [t.load(address, conns=2, name='kept'), t.load(address, 80, '-m', 'close', conns=1, name='closed')]
    pod = t.until(lambda: next(p for p in postern_pods(t) if first.startswith(p['metadata']['name'])), 'the leader is a pod')
    t.api.delete(thing('v1', 'Pod', pod['metadata']['name']) | {'metadata': pod['metadata']})
    t.apply(route(rule('e'), name='next', hostnames=['next.example'], namespace=t.ns))
    t.until(lambda: leader(t) not in ('', None, first), 'another one leads', 30)
    is_told(t, 'Accepted', 'True/Accepted', 'next')
    t.until(lambda: attached(t) == 2, 'both routes are attached', SECONDS)
    t.until(lambda: len(p := postern_pods(t)) == 2 and all(map(is_ready, p)), 'two pods are ready again')
    t.until(everywhere, 'the Gateway is at both', SECONDS)
    t.until(lambda: not t.get('Pod', pod['metadata']['name'], namespace=SYSTEM), 'the former leader has ended')
    for load in loads:
        load.unharmed()
    equal(told(), before)


@case
@with_postern
@alone
def load_while_postern_is_rolled_out(t):
    """Does a rollout of the only replica, as an upgrade is one, cost no request on connections that are kept and on new ones, and write no status again?"""
    address = simple(t)
    told = lambda: [(o['metadata']['uid'], o['metadata']['resourceVersion']) for o in (t.get('Gateway', 'gw', V1), t.get('HTTPRoute', 'r', V1), t.get('Service', 'gw-postern'))]
    before, old = told(), the_pod(t)['metadata']['name']
    loads = [t.load(address, conns=1, name='kept'), t.load(address, 80, '-m', 'close', conns=1, name='closed')]
    t.cluster.kubectl('rollout', 'restart', '-n', SYSTEM, 'deployment/postern')
    t.until(lambda: not t.get('Pod', old, namespace=SYSTEM), 'the old pod has ended')
    assert the_pod(t)['metadata']['name'] != old
    t.apply(route(rule('e'), name='next', hostnames=['next.example'], namespace=t.ns))
    is_told(t, 'Accepted', 'True/Accepted', 'next')
    for load in loads:
        load.unharmed()
    equal(told()[1:], before[1:])


@case
@with_postern
@alone
def load_while_the_only_pod_goes(t):
    """Does the only pod of postern, told to end before there is another, serve until the Gateway's EndpointSlices name the next one instead?"""
    address = simple(t)
    old = the_pod(t)['metadata']['name']
    loads = [t.load(address, conns=1, name='kept'), t.load(address, 80, '-m', 'close', conns=1, name='closed')]
    t.finally_(lambda: t.cluster.control('go-on', 'kube-controller-manager'))
    t.cluster.control('pause', 'kube-controller-manager')
    t.cluster.kubectl('delete', 'pod', '-n', SYSTEM, old, '--wait=false')
    told, linger_s = time.monotonic(), 5
    while time.monotonic() < told + linger_s + 3:  # no other is made
        equal(ask(80, address=address).status, 200)
    t.cluster.control('go-on', 'kube-controller-manager')
    t.until(lambda: not t.get('Pod', old, namespace=SYSTEM), 'the old pod has ended')
    assert the_pod(t)['metadata']['name'] != old
    t.apply(route(rule('e'), name='next', hostnames=['next.example'], namespace=t.ns))
    is_told(t, 'Accepted', 'True/Accepted', 'next')
    for load in loads:
        load.unharmed()


@case
@with_postern
def load_while_endpoints_churn(t):
    """Do addresses of a backend come and go a hundred times, all of them serving, without a failed request, and do requests go to those that are left?"""
    deployment = echo('e', replicas=3)[0]
    plain = thing('v1', 'Service', 'e', spec={'ports': [{'name': 'http', 'port': 80, 'targetPort': 3000}]})
    t.apply(deployment, plain)
    t.available('e', 3)
    pods = {p['metadata']['name']: p['status']['podIP'] for p in t.pods('e')}
    def slice_of(names):
        return thing('discovery.k8s.io/v1', 'EndpointSlice', 'e-1', {'kubernetes.io/service-name': 'e'}, addressType='IPv4',
                     ports=[{'name': 'http', 'port': 3000, 'protocol': 'TCP'}], endpoints=[{'addresses': [pods[n]], 'conditions': {'ready': True}} for n in names])
    t.apply(slice_of(pods), gateway(namespace=t.ns), route(rule('e'), namespace=t.ns))
    programmed(t)
    address = t.gateway_address()
    t.told(address)
    load, names = t.load(address, conns=2), list(pods)
    for i in range(100):
        t.apply(slice_of([names[i % 3]] if i % 2 else [names[i % 3], names[(i + 1) % 3]]))
    left = names[99 % 3]
    t.until(lambda: all(t.told(address)['pod'] == left for _ in range(6)), 'only what is left is asked', SECONDS)
    load.unharmed()


@case
@with_postern
def load_while_a_namespace_is_relabelled(t):
    """Are the routes of a namespace let in and put out as its labels say, while the Gateway's own routes go on?"""
    door = listener()
    door['allowedRoutes'] = {'namespaces': {'from': 'Selector', 'selector': {'matchLabels': {'door': t.ns}}}}
    own, guest = t.namespace('own', door=t.ns), t.namespace('guest')
    up = {'name': 'gw', 'namespace': t.ns}
    t.apply(*in_namespace(own, echo('e')), *in_namespace(guest, echo('e')), gateway(door, namespace=t.ns),
            route(rule('e'), parents=[up], namespace=own), route(rule('e'), parents=[up], hostnames=['guest.example'], namespace=guest))
    programmed(t)
    address = t.gateway_address()
    t.told(address)
    is_told(t, 'Accepted', 'False/NotAllowedByListeners', namespace=guest)
    load = t.load(address, conns=1)
    space = t.api.get('v1', 'Namespace', guest)
    for label, where, said, n in ((t.ns, guest, 'True/Accepted', 2), (None, own, 'False/NotAllowedByListeners', 1)) * 2:
        t.api.merge(space, {'metadata': {'labels': {'door': label}}})
        t.until(lambda: t.told(address, host='guest.example')['namespace'] == where, f'{where} answers', SECONDS)
        is_told(t, 'Accepted', said, namespace=guest)
        t.until(lambda: attached(t) == n, f'{n} are attached', SECONDS)
    load.unharmed()


@case
@with_postern
def load_while_grants_are_given_and_taken(t):
    """Is another namespace's Service asked only as long as a ReferenceGrant lets us, while what needs no grant goes on?"""
    there = t.namespace('there')
    far = {**ref('far'), 'namespace': there}
    t.apply(*in_namespace(there, echo('far')))
    address = simple(t, route(rule(far), name='far', hostnames=['far.example'], namespace=t.ns))
    grant = thing(f'{GROUP}/v1beta1', 'ReferenceGrant', 'g', spec={'from': [{'group': GROUP, 'kind': 'HTTPRoute', 'namespace': t.ns}], 'to': [{'group': '', 'kind': 'Service'}]})
    grant['metadata']['namespace'] = there
    answers(t, address, 500, 'far.example')
    is_told(t, 'ResolvedRefs', 'False/RefNotPermitted', 'far')
    load = t.load(address, conns=1)
    for _ in range(2):
        t.apply(grant)
        answers(t, address, 200, 'far.example')
        is_told(t, 'ResolvedRefs', 'True/ResolvedRefs', 'far')
        t.delete(grant)
        answers(t, address, 500, 'far.example')
        is_told(t, 'ResolvedRefs', 'False/RefNotPermitted', 'far')
    load.unharmed()


@case
@with_postern
@alone
def load_while_custom_resources_are_replaced(t):
    """Do requests go on while Gateway API's CRDs are of an old release, of the standard channel and of the experimental one; is it told; and is it the same pod?"""
    address = simple(t)
    pod = the_pod(t)
    t.finally_(lambda: t.cluster.crds('experimental'))
    load = t.load(address, conns=1)
    supported = lambda: next(c for c in t.api.get(V1, 'GatewayClass', 'postern')['status']['conditions'] if c['type'] == 'SupportedVersion')
    said = set()
    for i, which in enumerate(('v1.0.0/standard', 'standard', 'experimental')):
        t.cluster.crds(which)
        host = f'h{i}.example'
        t.apply(route(rule('e'), name=f'r-{i}', hostnames=[host], namespace=t.ns))
        is_told(t, 'Accepted', 'True/Accepted', f'r-{i}')
        answers(t, address, 200, host)
        t.until(lambda: ('v1.0.0' in supported()['message']) == (i == 0), f'the class tells of {which}', SECONDS)
        said.add(supported()['message'])
    equal(len(said) >= 2, True, str(said))
    load.unharmed()
    equal((the_pod(t)['metadata']['uid'], the_pod(t)['status']['containerStatuses'][0]['restartCount']), (pod['metadata']['uid'], 0))
