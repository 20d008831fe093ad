# SPDX-License-Identifier: Apache-2.0
"""XBackends: names of DNS as backends, their TLS, what happens while DNS does not answer; pods by their EndpointSlices' label."""
import json

from cases.backend_tls import Authority, bundle, serving
from harness import case, equal, eventually, holds
from manifests import gateway, path, route, rule, secret, service, thing
from nameserver import NameServer, own_network

X = 'gateway.networking.x-k8s.io'
ONE, TWO, SIX = '192.0.2.1', '192.0.2.2', '2001:db8::1'


def xbackend(name, port, hostname=None, **more):
    what = {'type': 'ExternalHostname', 'externalHostname': {'hostname': hostname}} if hostname else {'type': 'EndpointSelector', 'endpointSelector': {'matchLabels': {'app': name}}}
    return thing('XBackend', name, {**what, 'port': {'number': port}, **more}, version=f'{X}/v1alpha1')


def to(name, **more):
    return {'group': X, 'kind': 'XBackend', 'name': name, **more}


def world(t, *objects, answers=True, **records):
    """A name server, and postern that asks it; own_network() was called."""
    t.dns = NameServer(t.port())
    t.dns.answers = answers
    t.dns.records.update({f'{k}.example.com': v for k, v in records.items()})
    t.finally_(t.dns.close)
    return t.serve(gateway(), *objects, args=('--dns', f'127.0.0.1:{t.dns.port}', '--access-log', 'json'))


def told(t, s, name='x'):
    """ResolvedRefs of the XBackend, and what it says."""
    text = t.run(t.binary, 'status', f'xbackend/{name}', '-n', 'default', '-o', 'json', '--admin', f'127.0.0.1:{s.admin_port}')
    found = json.loads(text)
    found = found.get('items', [found])[0]
    c = {c['type']: c for a in found['status']['ancestors'] for c in a['conditions']}
    return c['ResolvedRefs']['status'], c['ResolvedRefs']['reason'], c['ResolvedRefs']['message']


def status(t, s):
    return t.run(t.binary, 'status', '--admin', f'127.0.0.1:{s.admin_port}')


def explained(t, s, status=0):
    return t.run(t.binary, 'explain', 'GET', 'http://h/', '--admin', f'127.0.0.1:{s.admin_port}', status=status)


def served(s):
    return lambda: s.ask().status == 200


@case
def xbackend_name(t):
    """Do requests reach all addresses of a name, with the Host that the client gave?"""
    own_network(ONE, TWO)
    port = t.port()
    one, two = t.backend('one', port=port, host=ONE), t.backend('two', port=port, host=TWO)
    s = world(t, route(rule(to('x'))), xbackend('x', port, 'api.example.com'), api=[ONE, TWO])
    eventually(served(s), 'the name is resolved')
    s.everywhere()
    equal({s.ask(host='front.example').get('X-Served-By') for _ in range(60)}, {'one', 'two'})
    equal(one.requests[-1].get('host'), 'front.example')
    eventually(lambda: told(t, s)[:2] == ('True', 'ResolvedRefs'), 'its status says so')
    assert two.requests


@case
def xbackend_name_moves(t):
    """Are new addresses taken when the TTL ends, those of before kept while DNS is silent, and 503 given once there is no such name?"""
    own_network(ONE, TWO)
    port = t.port()
    for name, host in (('one', ONE), ('two', TWO)):
        t.backend(name, port=port, host=host)
    s = world(t, route(rule(to('x'))), xbackend('x', port, 'api.example.com'), api=[ONE])
    eventually(served(s), 'the name is resolved')
    s.everywhere()
    equal(s.ask().get('X-Served-By'), 'one')
    holds(explained(t, s), f'-> {ONE}:{port}', 'api.example.com: resolved')
    holds(status(t, s), f'backend XBackend/default/x  endpoints: 1  api.example.com = {ONE}')
    t.dns.records['api.example.com'] = [TWO]
    eventually(lambda: s.ask().get('X-Served-By') == 'two', 'the new address is taken', 20)
    s.everywhere()
    t.dns.answers = False
    eventually(lambda: 'DNS gives no addresses now' in told(t, s)[2], 'its status says that DNS is silent', 60)
    equal((s.ask().get('X-Served-By'), told(t, s)[0]), ('two', 'True'))
    holds(explained(t, s), f'-> {TWO}:{port}', 'addresses of before, for now')
    t.dns.records.clear()
    t.dns.answers = True
    eventually(lambda: s.ask().status == 503, 'the name is no more', 60)
    s.everywhere()
    equal(s.ask().text().split(': ')[1], 'no_endpoints')
    eventually(lambda: told(t, s)[:2] == ('False', 'HostnameNotResolved') and 'no such name' in told(t, s)[2], 'its status says why')
    holds(explained(t, s, status=None), 'why       api.example.com: has no address: no such name')
    holds(status(t, s), 'endpoints: 0  api.example.com: no such name')
    t.dns.records['api.example.com'] = [ONE]
    eventually(served(s), 'it is there again', 60)


@case
def xbackend_without_dns(t):
    """Does a DNS server that says nothing keep nothing but its own names from being served, from the start on?"""
    own_network(ONE)
    b, x = t.backend('b'), t.backend('x', host=ONE)
    s = world(t, route(rule('b', matches=[path('/b')]), rule(to('x'), matches=[path('/x')])), service('b', b.port), xbackend('x', x.port, 'api.example.com'),
              answers=False, api=[ONE])
    equal(s.ask('/b').status, 200)
    equal(s.ask('/x').status, 503)
    equal(told(t, s)[:2], ('Unknown', 'Pending'))
    t.put('more.yaml', route(rule('b', matches=[path('/more')]), name='more'))
    eventually(lambda: s.ask('/more').status == 200, 'changes flow')
    eventually(lambda: told(t, s)[:2] == ('False', 'HostnameNotResolved'), 'its status says so', 60)
    t.dns.answers = True
    eventually(lambda: s.ask('/x').status == 200, 'it is served once DNS answers', 60)


@case
def xbackend_both_families(t):
    """Are IPv4 and IPv6 addresses of a name both used, and one that nobody is at passed over?"""
    own_network(ONE, TWO, SIX)
    port = t.port()
    for name, host in (('four', ONE), ('six', SIX)):
        t.backend(name, port=port, host=host)
    s = world(t, route(rule(to('x'))), xbackend('x', port, 'api.example.com'), api=[ONE, TWO, SIX, '2001:db8:ffff::9'])
    eventually(lambda: {s.ask().get('X-Served-By') for _ in range(20)} == {'four', 'six'}, 'both families')
    s.everywhere()
    equal({s.ask().status for _ in range(60)}, {200})


@case
def xbackend_inside(t):
    """Is a name that stands for this machine's loopback refused, however that is written?"""
    own_network(ONE)
    b = t.backend('b')
    s = world(t, route(rule(to('x'))), xbackend('x', b.port, 'api.example.com'), api=['127.0.0.1', '::1', '::ffff:127.0.0.1', '169.254.169.254'])
    eventually(lambda: told(t, s)[:2] == ('False', 'HostnameNotResolved'), 'its status says so')
    equal((s.ask().status, len(b.requests)), (503, 0))


@case
def xbackend_tls(t):
    """Is an XBackend's own TLS spoken: its name verified, a certificate shown when asked, and nothing sent to whom it does not believe?"""
    own_network(ONE)
    ca, clients = Authority(t, 'ca'), Authority(t, 'clients')
    seen = []
    x = serving(*ca.leaf('api', 'DNS:api.example.com'), wants=clients.cert)
    x.sni_callback = lambda sock, name, _: seen.append(name) or None
    b = t.backend('b', context=x, host=ONE)
    tls = {'mode': 'ClientAndServer', 'clientCertificateRef': {'name': 'mine'},
           'validation': {'hostname': 'api.example.com', 'caCertificateRefs': [{'group': '', 'kind': 'ConfigMap', 'name': 'ca'}]}}
    s = world(t, route(rule(to('x'))), xbackend('x', b.port, 'api.example.com', tls=tls), bundle('ca', ca.cert),
              secret('mine', *clients.leaf('us', kind='client')), api=[ONE])
    eventually(served(s), 'TLS is spoken')
    s.everywhere()
    equal((s.ask().get('X-Served-By'), set(seen)), ('b', {'api.example.com'}))
    b.context = serving(*ca.leaf('else', 'DNS:else.example.com'))
    tls['validation']['hostname'] = 'api.example.org'
    t.put('main.yaml', thing('GatewayClass', 'postern', {'controllerName': 'postern.dev/gateway-controller'}, namespace=None), gateway(), route(rule(to('x'))),
          xbackend('x', b.port, 'api.example.com', tls=tls), bundle('ca', ca.cert), secret('mine', *clients.leaf('us', kind='client')))
    eventually(lambda: s.ask().status == 502, 'a certificate of another name is not believed')
    s.everywhere()
    equal(s.ask().text().split(': ')[1], 'backend_tls')


@case
def xbackend_labelled(t):
    """Are EndpointSlices with an XBackend's label its endpoints, of files?"""
    b = t.backend('b')
    slice_ = thing('EndpointSlice', 'x-1', version='discovery.k8s.io/v1', addressType='IPv4', ports=[{'port': b.port}], endpoints=[{'addresses': ['127.0.0.1']}])
    slice_['metadata']['labels'] = {'postern.dev/xbackend': 'x'}
    s = t.serve(gateway(), route(rule(to('x'))), xbackend('x', b.port), slice_)
    equal(s.ask().get('X-Served-By'), 'b')
