# SPDX-License-Identifier: Apache-2.0
"""postern in a pod without the API server: its manifests are files of a ConfigMap, which the node moves into place."""
from client import ask
from cluster import case, equal, holds, with_binary
from manifests import documents, gateway, gateway_class, path, route, rule
from manifests import service as backend
from objects import RESTRICTED, config_map, container, deployment, echo, service, volumes


def manifests(ip, port, where):
    """A Gateway, and a route of a path to one address."""
    objects = [gateway_class(), gateway(), route(rule('b', matches=[path(where)])), *backend('b', port)]
    objects[-1]['endpoints'][0]['addresses'] = [ip]
    return config_map('m', **{'all.yaml': documents(*objects)})


@case
@with_binary
def postern_in_a_restricted_pod(t):
    """Does postern serve in a pod without rights, follow a ConfigMap's files under load, and end in time when it is asked to?"""
    t.apply(*echo('e'))
    t.available('e')
    ip = t.pods('e')[0]['status']['podIP']
    t.apply(manifests(ip, 3000, '/first'))
    main = container(image='postern', args=['serve', '-f', '/m', '--admin', '0.0.0.0:9100'], mounts={'/m': 'm', '/tmp': 'tmp'}, securityContext=RESTRICTED,
                     ports=[('http', 80), ('admin', 9100)], readinessProbe={'httpGet': {'path': '/readyz', 'port': 'admin'}})
    t.apply(deployment('p', main, volumes=volumes(m={'configMap': {'name': 'm'}}, tmp={'emptyDir': {}}), grace=30), service('p', (80, 80), type='LoadBalancer'))
    t.available('p')
    address = t.address('p')
    equal(t.told(address, target='/first/x')['path'], '/first/x')
    equal(ask(80, '/second/x', address=address).status, 404)
    load = t.load(address, 80, '-u', '/first/x')
    t.apply(manifests(ip, 3000, '/'))
    t.told(address, target='/second/x')
    load.unharmed()
    name = t.pods('p')[0]['metadata']['name']
    holds(t.log(name), 'listen')
    t.delete(deployment('p'))
    t.until(lambda: not t.pods('p'), 'it has ended', 20)
