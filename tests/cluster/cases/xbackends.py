# SPDX-License-Identifier: Apache-2.0
"""XBackends that select pods: the Service that stands for the selection comes and goes, and pods are followed."""
from client import ask
from cluster import case, equal, with_postern
from manifests import gateway, route, rule
from objects import container, deployment, thing

X = 'gateway.networking.x-k8s.io'


def pods(name, replicas=1):
    main = container('echo', 'echo-basic', env={'POD_NAME': ('metadata.name',), 'NAMESPACE': ('metadata.namespace',)}, ports=[('http', 3000)],
                     readinessProbe={'tcpSocket': {'port': 3000}})
    return deployment(name, main, replicas=replicas)


def xbackend(app):
    return thing(f'{X}/v1alpha1', 'XBackend', 'x', spec={'type': 'EndpointSelector', 'endpointSelector': {'matchLabels': {'app': app}}, 'port': {'number': 3000}})


def services(t):
    return t.api.list('v1', 'Service', t.ns, labelSelector='postern.dev/xbackend=x')['items']


@case
@with_postern
def xbackend_selects_pods(t):
    """Do requests go to the pods that an XBackend selects, to others when it selects others, and does nothing of it stay behind?"""
    t.apply(pods('one', 2), pods('two'), xbackend('one'), gateway(namespace=t.ns),
            route(rule({'group': X, 'kind': 'XBackend', 'name': 'x'}), namespace=t.ns))
    ip = t.gateway_address('gw')
    by = lambda: t.told(ip)['pod'].rsplit('-', 2)[0]
    both = lambda: len({t.told(ip)['pod'] for _ in range(30)}) == 2
    t.until(both, 'both pods have requests')
    equal(by(), 'one')
    found = services(t)
    equal(len(found), 1)
    equal((found[0]['spec']['clusterIP'], found[0]['metadata']['ownerReferences'][0]['kind']), ('None', 'XBackend'))
    assert found[0]['metadata']['generateName'], found[0]['metadata']
    status = t.get('XBackend', 'x', f'{X}/v1alpha1')['status']['ancestors'][0]
    equal({c['type']: c['status'] for c in status['conditions']}, {'Accepted': 'True', 'ResolvedRefs': 'True'})
    t.apply(xbackend('two'))
    t.until(lambda: by() == 'two', 'it selects others')
    equal([s['metadata']['name'] for s in services(t)], [found[0]['metadata']['name']])
    t.api.merge(t.get('Deployment', 'two', 'apps/v1'), {'spec': {'replicas': 0}})
    t.until(lambda: ask(80, '/', address=ip).status == 503, 'it selects none')
    t.delete(route(rule('x'), namespace=t.ns))
    t.until(lambda: not services(t), 'nobody uses it')
