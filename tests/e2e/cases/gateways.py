# SPDX-License-Identifier: Apache-2.0
"""Gateways, listeners and sockets."""
import json
import socket

from client import ask
from harness import case, equal, eventually
from manifests import gateway, gateway_class, listener, path, route, rule, service


def conditions(s, name, kind='Gateway', section=None):
    """type -> (status, reason) of an object, or of a listener of it."""
    text = s.page('/status').text()
    items = json.loads(text)['items']
    o = next(i for i in items if i['kind'] == kind and i['metadata']['name'] == name)
    holder = next(x for x in o['status']['listeners'] if x['name'] == section) if section else o['status']
    return {c['type']: (c['status'], c['reason']) for c in holder['conditions']}


@case
def gateways_share_a_port(t):
    """Do two Gateways with different hostnames share a port, each serving its own routes?"""
    a, b = t.backend('a'), t.backend('b')
    s = t.serve(gateway(listener(80, 'l', hostname='a.example.com'), name='a'), gateway(listener(80, 'l', hostname='b.example.com'), name='b', namespace='team'),
                service('a', a.port), service('b', b.port, namespace='team'), route(rule('a'), name='a', parents=['a']),
                route(rule('b'), name='b', parents=['b'], namespace='team'))
    equal([s.ask(host=f'{h}.example.com').get('X-Served-By') for h in 'ab'], ['a', 'b'])
    equal(s.ask(host='c.example.com').status, 404)


@case
def gateways_in_conflict(t):
    """Of two Gateways with the same port and hostname, does the older one serve, and is the other told?"""
    a, b = t.backend('a'), t.backend('b')
    old, new = gateway(listener(80, 'l'), name='z'), gateway(listener(80, 'l'), name='a')
    old['metadata']['creationTimestamp'], new['metadata']['creationTimestamp'] = '2020-01-01T00:00:00Z', '2024-01-01T00:00:00Z'
    s = t.serve(new, old, service('a', a.port), service('b', b.port), route(rule('a'), name='a', parents=['z']), route(rule('b'), name='b', parents=['a']))
    equal({s.ask().get('X-Served-By') for _ in range(10)}, {'a'})
    eventually(lambda: conditions(s, 'a', section='l').get('Conflicted', ('',))[0] == 'True' or conditions(s, 'a', section='l').get('Programmed', ('',))[0] == 'False',
               'the newer one is told')
    equal(conditions(s, 'z', section='l')['Programmed'][0], 'True')


@case
def listeners_in_conflict(t):
    """Are two listeners with different protocols on one port both Conflicted, and the rest served?"""
    from manifests import secret
    b = t.backend()
    s = t.serve(gateway(listener(80, 'one'), listener(80, 'two', 'HTTPS', secrets=['c']), listener(8080, 'good')), secret('c', *t.certificate('c', 'example.com')),
                service('b', b.port), route(rule('b')), ports=(80, 8080))
    for section in ('one', 'two'):
        equal(conditions(s, 'gw', section=section)['Conflicted'], ('True', 'ProtocolConflict'), section)
    equal(conditions(s, 'gw', section='good')['Programmed'][0], 'True')
    equal(s.ask(port=8080).status, 200)


@case
def same_listener_twice(t):
    """Is a Gateway that the API server would refuse (two listeners alike) refused with its place, and the rest served?"""
    b = t.backend()
    t.put('twice.yaml', gateway(listener(80, 'one', hostname='x.example.com'), listener(80, 'two', hostname='x.example.com'), name='twice'))
    s = t.serve(gateway(), service('b', b.port), route(rule('b')))
    equal(s.ask().status, 200)
    assert 'twice.yaml' in s.page('/status').text() and 'listeners[1]' in s.page('/status').text(), s.page('/status').text()[:500]


@case
def port_taken(t):
    """Is a port that another program holds said to be PortUnavailable, the others served, and bound once it is free?"""
    b = t.backend()
    t.put('main.yaml', __import__('manifests').gateway_class(), gateway(listener(80, 'free'), listener(8080, 'taken')), service('b', b.port), route(rule('b')))
    holder, port = socket.socket(), t.port()  # not the kernel's choice: it might give it to somebody else once it is free
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    holder.bind(('0.0.0.0', port))
    holder.listen()
    t.finally_(holder.close)
    s = t.serve(ports=(80,), args=('--map-port', f'8080:{port}'), ready=False)
    eventually(lambda: s.alive() and s.ask().status == 200, 'the free one is served')
    eventually(lambda: conditions(s, 'gw', section='taken')['Programmed'][0] == 'False' and 'PortUnavailable' in s.page('/status').text(),
               lambda: f'the other is not Programmed, and why is told: {conditions(s, "gw", section="taken")}')
    holder.close()
    eventually(lambda: ask(port).status == 200, 'bound when free', 30)
    eventually(lambda: conditions(s, 'gw', section='taken')['Programmed'][0] == 'True', 'and said so')


@case
def allowed_kinds_and_labels(t):
    """Does a listener take routes by namespace selector?"""
    from manifests import thing
    b = t.backend()
    chosen = {**listener(80, 'l'), 'allowedRoutes': {'namespaces': {'from': 'Selector', 'selector': {'matchLabels': {'team': 'red'}}}}}
    parent = {'name': 'gw', 'namespace': 'default'}
    red = thing('Namespace', 'red', version='v1', namespace=None)
    red['metadata']['labels'] = {'team': 'red'}
    s = t.serve(gateway(chosen), red, thing('Namespace', 'blue', version='v1', namespace=None),
                *(x for n in ('red', 'blue') for x in (service('b', b.port, namespace=n), route(rule('b'), namespace=n, parents=[parent], hostnames=[f'{n}.example.com']))))
    equal([s.ask(host=f'{n}.example.com').status for n in ('red', 'blue')], [200, 404])
    red['metadata']['labels'] = {'team': 'grey'}
    t.put('red.yaml', 'kind: Namespace\napiVersion: v1\nmetadata: {name: green, labels: {team: red}}\n')
    t.put('green.yaml', service('b', b.port, namespace='green'), route(rule('b'), namespace='green', parents=[parent], hostnames=['green.example.com']))
    eventually(lambda: s.ask(host='green.example.com').status == 200, 'a namespace labelled later')


@case
def gateway_address(t):
    """Is a Gateway with an address of its own served on that address alone?"""
    from client import Connection
    b = t.backend()
    gw = gateway()
    gw['spec']['addresses'] = [{'type': 'IPAddress', 'value': '127.0.0.2'}]
    s = t.serve(gw, service('b', b.port), route(rule('b')))

    def at(address):
        c = Connection.__new__(Connection)
        c.sock, c.buffer = socket.create_connection((address, s.port[80]), timeout=5), b''
        with c:
            return c.ask().status
    equal(at('127.0.0.2'), 200)
    try:
        at('127.0.0.1')
        raise AssertionError('served on 127.0.0.1, too')
    except ConnectionRefusedError:
        pass


@case
def default_gateways(t):
    """Does a default Gateway take the routes that ask for one without naming it, and those alone, until it is none any more?"""
    def default(scope):
        g = gateway()
        g['spec']['defaultScope'] = scope
        return g

    def asks(name, **spec):
        r = route(rule('b', matches=[path('/' + name)]), name=name, parents=())
        r['spec'] = {k: v for k, v in r['spec'].items() if k != 'parentRefs'} | spec
        return r
    b = t.backend()
    others = (service('b', b.port), asks('claimed', useDefaultGateways='All'), asks('none', useDefaultGateways='None'), asks('silent'))
    s = t.serve(default('All'), *others)
    equal([s.ask('/' + n).status for n in ('claimed', 'none', 'silent')], [200, 404, 404])
    assert 'DefaultGateway' in s.page('/status').text()
    t.put('main.yaml', gateway_class(), default('None'), *others)
    eventually(lambda: s.ask('/claimed').status == 404, 'the Gateway is no default any more')
