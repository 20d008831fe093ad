# SPDX-License-Identifier: Apache-2.0
"""How a Gateway gets its addresses: several of the load balancer, ports of the nodes, and the nodes' own ports."""
from cases.kube import here, programmed
from cluster import case, equal, holds, with_postern
from manifests import GROUP, gateway, listener, route, rule
from objects import config_map, container, deployment, echo, role, role_binding, thing

NODE = '10.243.0.1', 'fd00:243::1'
POD = {'POD_NAME': ('metadata.name',), 'POD_NAMESPACE': ('metadata.namespace',), 'HOST_IPS': ('status.hostIPs',)}


def addresses(t):
    return [a['value'] for a in t.get('Gateway', 'gw', f'{GROUP}/v1')['status'].get('addresses', [])]


@case
@with_postern
def gateway_of_several_addresses(t):
    """Is each address that is asked for given and served, one that comes later as well; and does what is not asked for any more go?"""
    asked = ['10.245.200.1', '10.245.200.2']
    gw = here(t, gateway())
    gw['spec']['addresses'] = [{'type': 'IPAddress', 'value': a} for a in asked[:1]]
    t.apply(*echo('e'), gw, here(t, route(rule('e'))))
    programmed(t)
    equal(addresses(t), asked[:1])
    t.told(asked[0])
    load = t.load(asked[0], conns=1)
    gw['spec']['addresses'] = [{'type': 'IPAddress', 'value': a} for a in asked]
    t.apply(gw)
    t.until(lambda: addresses(t) == asked, 'the second address is told')
    programmed(t)
    t.told(asked[1])
    gw['spec']['addresses'] = [{'type': 'IPAddress', 'value': asked[0]}]
    t.apply(gw)
    services = lambda: sorted(s['metadata']['name'] for s in t.api.list('v1', 'Service', t.ns)['items'])
    t.until(lambda: services() == ['e', 'gw-postern'], 'the second Service goes')
    t.until(lambda: addresses(t) == asked[:1], 'its address is not told any more')
    load.unharmed()


@case
@with_postern
def gateway_on_node_ports(t):
    """Has a Gateway whose settings say so its listeners' ports on the nodes, where they can be had, and is it told where the others are?"""
    gw = here(t, gateway(listener(30080), listener(8080)))
    gw['spec']['infrastructure'] = {'parametersRef': {'group': '', 'kind': 'ConfigMap', 'name': 'node-ports'}}
    t.apply(config_map('node-ports', **{'addresses.service': 'NodePort'}), *echo('e'), gw, here(t, route(rule('e'))))
    g = programmed(t)
    t.until(lambda: sorted(addresses(t)) == sorted(NODE), 'the addresses of the node are told')
    t.told(NODE[0], 30080)
    t.told(NODE[1], 30080)
    port = next(p['nodePort'] for p in t.get('Service', 'gw-postern')['spec']['ports'] if p['port'] == 8080)
    said = next(c['message'] for c in g['status']['conditions'] if c['type'] == 'Programmed')
    holds(said, f'port 8080 is {port} on the nodes')
    t.told(NODE[0], port)


@case
@with_postern
def gateway_on_the_nodes_own_ports(t):
    """Do pods of postern with the node's network serve listeners at the node's addresses, without a Service; of a second installation with a lease of its own?"""
    name = f'host-{t.ns}'
    binding = thing('rbac.authorization.k8s.io/v1', 'ClusterRoleBinding', name, roleRef={'apiGroup': 'rbac.authorization.k8s.io', 'kind': 'ClusterRole', 'name': 'postern'},
                    subjects=[{'kind': 'ServiceAccount', 'name': 'default', 'namespace': t.ns}])
    klass = thing(f'{GROUP}/v1', 'GatewayClass', name, spec={'controllerName': f'example.com/{name}'})
    for o in binding, klass:
        t.finally_(lambda o=o: t.api.delete(o))
    t.api.apply(binding)
    main = container(image='postern', env=POD, readinessProbe={'httpGet': {'path': '/readyz', 'port': 9912}},
                     args=['serve', '--kube', '--gateway-service', 'HostPort', '--controller-name', f'example.com/{name}', '--lease', 'other', '--admin', '127.0.0.1:9911', '--health', ':9912'])
    gw = here(t, gateway(listener(8085)))
    gw['spec']['gatewayClassName'] = name
    t.apply(role('lease', 'get', 'create', 'update', 'patch', resources=('leases',), groups=('coordination.k8s.io',)), role_binding('lease', 'lease', account='default', namespace=t.ns),
            klass, deployment('p', main, hostNetwork=True, grace=20), *echo('e'), gw, here(t, route(rule('e'))))
    programmed(t)
    t.until(lambda: sorted(addresses(t)) == sorted(NODE), 'the addresses of the node are told')
    for ip in NODE:
        t.told(ip, 8085)
    assert t.get('Lease', 'other', 'coordination.k8s.io/v1')['spec']['holderIdentity'].startswith('p-')
    equal(t.get('Service', f'gw-{name}'), None)
    t.delete(gw)


def reported(t, name='gw'):
    status = t.get('Gateway', name, f'{GROUP}/v1').get('status', {})
    conditions = {c['type']: f"{c['status']}/{c['reason']}" for c in status.get('conditions', [])}
    message = next((c['message'] for c in status.get('conditions', []) if c['type'] == 'AddressesAssigned'), '')
    return {a['value']: a.get('routability') for a in status.get('addresses', [])}, conditions, message


def is_inner(ip):
    return ip.startswith('10.96.')


@case
@with_postern
def gateway_of_inner_addresses(t):
    """Is routability Cluster a cluster IP and nothing else, is one beside the load balancer's its own, and is each that can not be had told beside the others?"""
    gw = here(t, gateway())
    ask = lambda *entries: (gw['spec'].update(addresses=list(entries)), t.apply(gw))
    ask({'type': 'IPAddress', 'routability': 'Cluster'})
    t.apply(*echo('e'), here(t, route(rule('e'))))
    programmed(t)
    found, conditions, _ = reported(t)
    inner = next(iter(found))
    assert is_inner(inner), found
    equal((found, conditions['AddressesAssigned']), ({inner: 'Cluster'}, 'True/AddressesAssigned'))
    equal(t.get('Service', 'gw-postern')['spec']['type'], 'ClusterIP')
    t.told(inner)

    ask({'type': 'IPAddress'}, {'type': 'IPAddress', 'routability': 'Cluster'}, {'type': 'IPAddress', 'value': '10.96.200.9', 'routability': 'Cluster'},
        {'type': 'IPAddress', 'value': '10.99.0.1', 'routability': 'Cluster'})
    t.until(lambda: reported(t)[1].get('AddressesAssigned') == 'False/PartiallyAssigned' and len(reported(t)[0]) == 3, 'the others are there')
    found, conditions, message = reported(t)
    holds(message, '1 of 4 addresses', 'spec.addresses[3]', '10.99.0.1')
    equal(conditions['Programmed'], 'True/Programmed')
    equal((sorted(found.values()), found['10.96.200.9']), (['', 'Cluster', 'Cluster'], 'Cluster'))
    for ip, scope in found.items():
        equal(is_inner(ip), scope == 'Cluster', ip)
        t.told(ip)

    ask({'type': 'IPAddress', 'value': '10.99.0.1', 'routability': 'Cluster'}, {'type': 'IPAddress', 'routability': 'example.com/inner'})
    none = ({}, 'False/NotAssigned', 'False/AddressNotAssigned')
    t.until(lambda: (reported(t)[0], *map(reported(t)[1].get, ('AddressesAssigned', 'Programmed'))) == none, 'none is there, and what was there has gone')
    _, _, message = reported(t)
    holds(message, '2 of 2 addresses', 'spec.addresses[0]', 'spec.addresses[1]')

    ask({'type': 'IPAddress', 'routability': 'testing.x-k8s.io/sentinel'})
    t.until(lambda: list(reported(t)[0].values()) == ['testing.x-k8s.io/sentinel'], 'said again')
    t.told(next(iter(reported(t)[0])))
    ask()
    t.until(lambda: set(reported(t)[0].values()) == {''} and reported(t)[1].get('AddressesAssigned') == 'True/AddressesAssigned', 'as usual')
