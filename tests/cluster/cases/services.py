# SPDX-License-Identifier: Apache-2.0
import json

from client import ask
from cluster import case, equal, holds
from objects import container, deployment, echo, pod, script, service

BOTH = {'ipFamilyPolicy': 'RequireDualStack'}


def bracketed(ip):
    return f'[{ip}]' if ':' in ip else ip


def from_pod(t, pod, url):
    return json.loads(t.exec(pod, 'curl', '-sS', '--max-time', '5', url))


@case
def service_in_both_families(t):
    """Does a Service answer at its addresses of both families: from the node, from another pod, and from the pod behind it?"""
    t.apply(*echo('e', **BOTH), pod('client', script('exec sleep 100000')))
    t.available('e')
    t.running('client')
    addresses = t.get('Service', 'e')['spec']['clusterIPs']
    equal(len(addresses), 2)
    server = t.pods('e')[0]['metadata']['name']
    for ip in addresses:
        equal(t.told(ip)['pod'], server, ip)
        for client in ('client', server):
            equal(from_pod(t, client, f'http://{bracketed(ip)}/x')['pod'], server, f'{client} to {ip}')


@case
def load_balancer_in_both_families(t):
    """Does a LoadBalancer Service get an address of each family, and answer there?"""
    t.apply(*echo('e', type='LoadBalancer', **BOTH))
    t.available('e')
    for family in (4, 6):
        a = t.told(t.address('e', family), target='/who')
        equal((a['path'], a['namespace']), ('/who', t.ns))


@case
def load_balancer_address_by_wish(t):
    """Does a LoadBalancer Service get the address that it asks for, or none where that is not to be had?"""
    t.apply(*echo('good', type='LoadBalancer', loadBalancerIP='10.245.200.7'), service('bad', type='LoadBalancer', loadBalancerIP='192.0.2.1'))
    equal(t.address('good'), '10.245.200.7')
    t.told('10.245.200.7')
    equal(t.get('Service', 'bad')['status']['loadBalancer'], {})


@case
def node_port(t):
    """Does a Service answer at its node port?"""
    t.apply(*echo('e', type='NodePort'))
    t.told('10.243.0.1', t.get('Service', 'e')['spec']['ports'][0]['nodePort'])


@case
def host_ports(t):
    """Does a port of the node lead to a pod, for one pod at a time; and has a pod on the node's network the node's address?"""
    serve = lambda name, port, **more: deployment(name, container('echo', 'echo-basic', env={'POD_NAME': ('metadata.name',), 'HTTP_PORT': str(port), 'H2C_PORT': str(port + 1)}), **more)
    first, second, third = serve('first', 3000), serve('second', 3000), serve('third', 7080, hostNetwork=True)
    for d in first, second:
        d['spec']['template']['spec']['containers'][0]['ports'] = [{'containerPort': 3000, 'hostPort': 7070}]
    t.apply(first, third, pod('client', script('exec sleep 100000')))
    t.available('first')
    t.running('client')
    for ip in '10.243.0.1', 'fd00:243::1':
        holds(t.told(ip, 7070)['pod'], 'first-')
        holds(t.told(ip, 7080)['pod'], 'third-')
    holds(from_pod(t, 'client', 'http://10.243.0.1:7070/')['pod'], 'first-')
    equal(t.pods('third')[0]['status']['podIP'], '10.243.0.1')
    t.apply(second)
    t.until(lambda: t.pods('second'), 'there is another pod')
    t.delete(first)
    t.until(lambda: t.told('10.243.0.1', 7070)['pod'].startswith('second-'), 'the other pod has the port')


@case
def connections_without_an_endpoint(t):
    """Is a connection to a Service without endpoints refused, not lost?"""
    s = t.apply(service('none'))
    def refused():
        try:
            ask(80, address=s['spec']['clusterIP'], timeout=5)
        except ConnectionRefusedError:
            return True
    t.until(refused, 'it is refused')


@case
def endpoints_follow_pods(t):
    """Do the pods behind a Service change with its deployment, without a failed request?"""
    t.apply(*echo('e', replicas=1))
    t.available('e')
    ip = t.get('Service', 'e')['spec']['clusterIP']
    t.told(ip)
    load = t.load(ip, 80, '-m', 'close', conns=2)
    t.api.merge(t.get('Deployment', 'e', 'apps/v1'), {'spec': {'replicas': 3}})
    t.available('e', 3)
    seen = set()
    t.until(lambda: seen.add(t.told(ip)['pod']) or len(seen) == 3, 'each of three answers')
    load.unharmed()


@case
def names_of_services(t):
    """Does a pod find Services by name, in both families, and those without an address by their pods'?"""
    t.apply(*echo('e', **BOTH), service('direct', app='e', clusterIP='None', **BOTH), pod('client', script('exec sleep 100000')))
    t.available('e')
    t.running('client')
    four, six = t.get('Service', 'e')['spec']['clusterIPs']
    look = lambda kind, name: t.exec('client', 'getent', kind, name)
    holds(look('ahostsv4', 'e'), four + ' ')
    holds(look('ahostsv6', f'e.{t.ns}'), six + ' ')
    holds(look('ahostsv4', f'e.{t.ns}.svc.cluster.local'), four + ' ')
    ips = [i['ip'] for i in t.pods('e')[0]['status']['podIPs']]
    t.until(lambda: ips[0] in look('ahostsv4', 'direct') and ips[1] in look('ahostsv6', 'direct'), 'the pod has the name')
    equal(from_pod(t, 'client', 'http://e/by-name')['path'], '/by-name')
    r = t.cluster.kubectl('exec', '-n', t.ns, 'client', '--', 'getent', 'ahosts', 'no-such-service', check=False)
    equal(r.returncode, 2, 'an unknown name')
