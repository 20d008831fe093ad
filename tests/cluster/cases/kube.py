# SPDX-License-Identifier: Apache-2.0
"""postern serve --kube, as deploy/install.yaml puts it there: addresses, statuses, Events, leaders, people."""
import os

from api import ApiError
from client import ask
from cluster import alone, case, equal, holds, with_postern
from manifests import GROUP, gateway, listener, route, rule
from objects import echo, thing

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
SYSTEM = 'postern-system'


def condition(o, kind):
    """"True/Reason" of an object's own condition, at its present generation."""
    for c in (o or {}).get('status', {}).get('conditions', []):
        if c['type'] == kind and c.get('observedGeneration') == o['metadata']['generation']:
            return f'{c["status"]}/{c["reason"]}'
    return None


def here(t, o):
    """Without the namespace that the helper gives, so that it is the case's."""
    return {**o, 'metadata': {k: v for k, v in o['metadata'].items() if k != 'namespace'}}


def programmed(t, name='gw'):
    return t.until(lambda: condition(g := t.get('Gateway', name, f'{GROUP}/v1'), 'Programmed') == 'True/Programmed' and g, f'{name} is programmed')


def leader(t):
    return t.api.get('coordination.k8s.io/v1', 'Lease', 'postern', SYSTEM)['spec'].get('holderIdentity')


@case
@with_postern
def kube_two_gateways_on_one_port(t):
    """Has each Gateway an address of its own, so that two on port 80 do not meet; and does nothing of one stay behind?"""
    t.apply(*echo('a'), *echo('b'), *[here(t, gateway(name=f'gw-{x}')) for x in 'ab'],
            *[here(t, route(rule(x), name=x, parents=[f'gw-{x}'])) for x in 'ab'])
    for x in 'ab':
        programmed(t, f'gw-{x}')
        service = t.get('Service', f'gw-{x}-postern')
        equal(service['metadata']['labels'][f'{GROUP}/gateway-name'], f'gw-{x}')
        for family in (4, 6):
            assert t.told(t.gateway_address(f'gw-{x}', family))['pod'].startswith(x + '-'), x
    t.delete(here(t, gateway(name='gw-a')))
    t.until(lambda: not t.get('Service', 'gw-a-postern'), 'its Service goes')
    left = lambda: [s['metadata']['name'] for s in t.api.list('discovery.k8s.io/v1', 'EndpointSlice', t.ns)['items'] if s['metadata']['name'].startswith('gw-a')]
    t.until(lambda: not left(), 'and its EndpointSlices')
    t.told(t.gateway_address('gw-b'))


@case
@with_postern
def kube_what_is_wrong_is_an_event_once(t):
    """Is a person told by an Event what to mend, once, and that a Gateway is up?"""
    t.apply(here(t, gateway()), here(t, route(rule('nowhere'))))
    programmed(t)
    def events():
        return sorted((e['regarding']['kind'], e['type'], e['reason']) for e in t.api.list('events.k8s.io/v1', 'Event', t.ns)['items']
                      if e.get('reportingController') == 'postern.dev/gateway-controller')
    wanted = [('Gateway', 'Normal', 'Programmed'), ('HTTPRoute', 'Warning', 'BackendNotFound')]
    t.until(lambda: events() == wanted, f'{wanted}')
    r = t.get('HTTPRoute', 'r', f'{GROUP}/v1')
    t.api.merge(r, {'metadata': {'labels': {'touched': 'yes'}}})
    t.apply(*echo('nowhere'))
    def resolved():
        parents = t.get('HTTPRoute', 'r', f'{GROUP}/v1')['status']['parents']
        return all(c['status'] == 'True' for p in parents for c in p['conditions'])
    t.until(resolved, 'the route is mended')
    equal(events(), wanted)


@case
@with_postern
@alone
def kube_what_is_refused_is_told(t):
    """Of a newer CRD, that lets in what postern does not know: is the object told as refused in the pod, once in the log, until it is mended, and does what was in force stay?"""
    t.apply(*echo('e'), here(t, gateway()), here(t, route(rule('e'))))
    programmed(t)
    address = t.gateway_address()
    t.told(address)
    crd = t.api.get('apiextensions.k8s.io/v1', 'CustomResourceDefinition', 'httproutes.gateway.networking.k8s.io')
    t.finally_(lambda: t.cluster.crds('experimental'))
    for version in crd['spec']['versions']:
        rules = version['schema']['openAPIV3Schema']['properties']['spec']['properties']['rules']['items']['properties']
        rules['matches']['items']['properties']['method'].pop('enum')
    t.api.merge(crd, {'spec': {'versions': crd['spec']['versions']}})
    def apply(method):
        t.apply(here(t, route(rule('e', matches=[{'method': method}]))))
        return True
    t.until(lambda: apply('BREW'), 'the CRD lets it in')
    said = lambda: t.cluster.kubectl('exec', '-n', SYSTEM, leader(t), '--', 'postern', 'status', check=False).stdout
    t.until(lambda: f'{t.ns}/r' in said() and 'BREW' in said(), 'it is told')
    equal(ask(80, address=address).status, 200)
    holds(ask(9902, '/metrics', address=t.get('Pod', leader(t), namespace=SYSTEM)['status']['podIP']).text(), '\npostern_config_findings 1\n')
    apply('GET')
    t.until(lambda: 'BREW' not in said(), 'it is not told any more')
    equal(t.cluster.kubectl('logs', '-n', SYSTEM, leader(t)).count('object refused'), 1)


@case
@with_postern
@alone
def kube_another_leader_writes_nothing_twice(t):
    """Does a change of leader leave objects and statuses as they are, and is a listener's port in the pods the same afterwards?"""
    t.apply(*echo('e'), here(t, gateway()), here(t, route(rule('e'))))
    programmed(t)
    address = t.gateway_address()
    t.told(address)
    def state():
        objects = [t.get('Gateway', 'gw', f'{GROUP}/v1'), t.get('HTTPRoute', 'r', f'{GROUP}/v1'), t.get('Service', 'gw-postern')]
        return [(o['metadata']['uid'], o['metadata']['resourceVersion']) for o in objects]
    before, first = state(), leader(t)
    t.cluster.kubectl('delete', 'pod', '-n', SYSTEM, first, '--wait=false')
    t.until(lambda: leader(t) not in ('', None, first), 'another one leads')
    t.cluster.kubectl('rollout', 'status', '-n', SYSTEM, 'deploy/postern', '--timeout=60s')
    t.told(address)
    equal(state(), before)


@case
@with_postern
def kube_a_developer_on_a_shared_gateway(t):
    """May a developer create a route on a shared Gateway from their own namespace and read its status, and nothing else of others?"""
    t.cluster.kubectl('apply', '--server-side', '-f', ROOT + '/deploy/roles.yaml')
    t.apply(here(t, gateway(listener(all_namespaces=True))))
    team = t.namespace('team')
    t.api.apply({'apiVersion': 'rbac.authorization.k8s.io/v1', 'kind': 'RoleBinding', 'metadata': {'name': 'dev', 'namespace': team},
                 'roleRef': {'apiGroup': 'rbac.authorization.k8s.io', 'kind': 'ClusterRole', 'name': 'gateway-application-developer'},
                 'subjects': [{'apiGroup': 'rbac.authorization.k8s.io', 'kind': 'User', 'name': 'dev'}]})
    dev = t.api.as_user('dev')
    r = route(rule('e'), parents=[], namespace=team)
    r['spec']['parentRefs'] = [{'name': 'gw', 'namespace': t.ns}]
    t.until(lambda: dev.create(r), 'the Role allows it')
    def accepted():
        parents = dev.get(f'{GROUP}/v1', 'HTTPRoute', 'r', team).get('status', {}).get('parents', [])
        return parents and {c['type']: c['status'] for c in parents[0]['conditions']}['Accepted'] == 'True'
    t.until(accepted, 'they see that it is accepted')
    def refused(what):
        try:
            what()
        except ApiError as e:
            equal(e.status, 403)
        else:
            raise AssertionError('it was allowed')
    refused(lambda: dev.create(gateway(namespace=team)))
    refused(lambda: dev.get(f'{GROUP}/v1', 'HTTPRoute', 'r', t.ns))
    refused(lambda: dev.create(thing(f'{GROUP}/v1', 'GatewayClass', 'theirs', spec={'controllerName': 'x.dev/y'})))
    refused(lambda: dev.merge(dev.get(f'{GROUP}/v1', 'HTTPRoute', 'r', team), {'status': {'parents': []}}, '/status'))
