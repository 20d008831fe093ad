# SPDX-License-Identifier: Apache-2.0
"""Settings by parametersRef: read, changed while requests run, and kept when they are broken."""
import json

from harness import case, equal, eventually, holds
from manifests import gateway, path, route, rule, service, thing


def settings(name='edge', **data):
    return thing('ConfigMap', name, version='v1', data={k.replace('_', '.', 1): v for k, v in data.items()})


def named_class():
    ref = {'group': '', 'kind': 'ConfigMap', 'namespace': 'default', 'name': 'edge'}
    return thing('GatewayClass', 'postern', {'controllerName': 'postern.dev/gateway-controller', 'parametersRef': ref}, namespace=None)


def own(g, name):
    g['spec']['infrastructure'] = {'parametersRef': {'group': '', 'kind': 'ConfigMap', 'name': name}}
    return g


def accepted(s, kind, name):
    """Its condition Accepted: status, reason, message."""
    items = json.loads(s.page('/status').text())['items']
    status = next(i['status'] for i in items if (i['kind'], i['metadata']['name']) == (kind, name))
    return next((c['status'], c['reason'], c['message']) for c in status['conditions'] if c['type'] == 'Accepted')


def start(t, *objects, handler=None):
    b = t.backend(handler=handler)
    t.put('all.yaml', named_class(), service('b', b.port), *objects)
    return t.serve()


@case
def settings_changed_live(t):
    """Do timeouts of a class change while requests run, is a broken change told while the old one stays, and is no connection dropped?"""
    handler, go = t.held('/slow', '/longer')
    t.put('settings.yaml', settings(timeouts_request='1s'))
    s = start(t, gateway(), route(rule('b', matches=[path('/longer')], timeouts={'request': '4s'}), rule('b')), handler=handler)
    load, c = t.load(s.port[80]), t.connection(s.port[80])
    equal(accepted(s, 'GatewayClass', 'postern')[:2], ('True', 'Accepted'))
    a = c.ask('/slow')
    equal(a.status, 504)
    holds(a.text(), 'backend_timeout')
    t.put('settings.yaml', settings(timeouts_request='soon'))
    eventually(lambda: accepted(s, 'GatewayClass', 'postern')[:2] == ('False', 'InvalidParameters'), 'the broken change is told')
    holds(accepted(s, 'GatewayClass', 'postern')[2], 'default/edge', 'data.timeouts.request', 'last good')
    equal(c.ask('/slow').status, 504)
    t.put('settings.yaml', settings(timeouts_request='30s'))
    eventually(lambda: 'timeout=30000ms' in s.page('/table').text(), 'the change is made')
    s.everywhere()
    equal(accepted(s, 'GatewayClass', 'postern')[:2], ('True', 'Accepted'))
    c.send('GET /slow HTTP/1.1\r\nHost: example.com\r\n\r\n')
    eventually(lambda: s.metric('postern_requests_open') >= 1, 'it is under way')
    equal(s.ask('/longer').status, 504, 'the time of the rule itself, four times the one before')
    go.set()
    equal(c.answer().status, 200)
    load.unharmed()


@case
def settings_of_a_gateway(t):
    """Do a Gateway's own settings stand over those of its class, for it alone, and are they told when they are missing?"""
    one, two = own(gateway(name='one'), 'own'), gateway({'name': 'x', 'port': 81, 'protocol': 'HTTP'}, name='two')
    b = t.backend()
    t.put('all.yaml', named_class(), settings(limits_bodyBytes='4'), settings('own', limits_bodyBytes='8'), service('b', b.port),
          one, two, route(rule('b'), parents=('one', 'two')))
    s = t.serve(ports=(80, 81))
    post = lambda port, n: s.ask(port=port, method='POST', body=b'x' * n).status
    equal([post(80, 8), post(80, 9), post(81, 4), post(81, 5)], [200, 413, 200, 413])
    t.put('all.yaml', named_class(), settings(limits_bodyBytes='4'), service('b', b.port), one, two, route(rule('b'), parents=('one', 'two')))
    eventually(lambda: accepted(s, 'Gateway', 'one')[:2] == ('False', 'InvalidParameters'), 'told that it is missing')
    holds(accepted(s, 'Gateway', 'one')[2], 'default/own does not exist')
    equal([post(80, 8), post(80, 9)], [200, 413])


@case
def settings_trusted(t):
    """Is a proxy before the gateway believed about its client, in what the backend gets and in the access log, and nobody else?"""
    t.put('settings.yaml', settings(trustedProxies='127.0.0.0/8'))
    b = t.backend()
    t.put('all.yaml', named_class(), service('b', b.port), gateway(), route(rule('b')))
    s = t.serve(args=('--access-log', 'json'))
    claims = [('X-Forwarded-For', '6.6.6.6, 203.0.113.9'), ('X-Forwarded-Proto', 'https')]
    told = lambda: {k.lower(): v for k, v in s.told('/', headers=claims)['headers']}
    f = told()
    equal((f['x-forwarded-for'], f['x-forwarded-proto']), ('203.0.113.9, 127.0.0.1', 'https'))
    eventually(lambda: '"client":"203.0.113.9"' in s.text(), 'the log tells the client')
    t.put('settings.yaml', settings(trustedProxies='10.0.0.0/8'))
    eventually(lambda: told()['x-forwarded-for'] == '127.0.0.1', 'believed no more')
    s.everywhere()
    equal(told()['x-forwarded-proto'], 'http')


@case
def settings_request_id(t):
    """Does each request get an id, the same for the backend, the access log and an answer of our own, and whose id stays?"""
    t.put('settings.yaml', settings(requestId='IfAbsent'))
    b = t.backend()
    t.put('all.yaml', named_class(), service('b', b.port), gateway(), route(rule('b', matches=[path('/a')])))
    s = t.serve(args=('--access-log', 'json'))

    def told(*sent):
        fields = s.told('/a', headers=[('X-Request-Id', v) for v in sent])['headers']
        return [v for k, v in fields if k.lower() == 'x-request-id']
    made = [told()[0] for _ in range(5)]
    equal(({len(v) for v in made}, len(set(made))), ({32}, 5))
    int(made[0], 16)
    eventually(lambda: all(f'"request_id":"{v}"' in s.text() for v in made), 'the log tells them')
    equal(told('mine'), ['mine'])
    equal(len(told('mine', 'other')), 1, 'one of two is nobody\'s')
    a = s.ask('/elsewhere')
    equal((a.status, len(a.get('X-Request-Id'))), (404, 32))
    eventually(lambda: f'"request_id":"{a.get("X-Request-Id")}"' in s.text(), 'of the answer, too')
    equal(s.ask('/elsewhere', headers=[('X-Request-Id', 'mine')]).get('X-Request-Id'), 'mine')
    t.put('settings.yaml', settings(requestId='FromTrusted'))
    eventually(lambda: told('mine') != ['mine'], 'nobody is trusted')
    t.put('settings.yaml', settings(requestId='FromTrusted', trustedHops='1'))
    eventually(lambda: told('mine') == ['mine'], 'the peer is')
    t.put('settings.yaml', settings(trustedHops='1'))
    eventually(lambda: told() == [], 'off: none is made')
    s.everywhere()
    equal(told('mine', 'other'), ['mine', 'other'])
    equal(s.ask('/elsewhere', headers=[('X-Request-Id', 'mine')]).get('X-Request-Id'), None)


@case
def settings_forwarded(t):
    """Is Forwarded told when it is asked for, believed of a proxy that is trusted, and removed otherwise?"""
    t.put('settings.yaml', settings(trustedProxies='127.0.0.0/8'))
    b = t.backend()
    t.put('all.yaml', named_class(), service('b', b.port), gateway(), route(rule('b')))
    s = t.serve(args=('--access-log', 'json'))
    claim = [('Forwarded', 'for=6.6.6.6'), ('Forwarded', 'for="[2001:db8::9]:4711";proto=https;host=c.example')]
    told = lambda *claims: {k.lower(): v for k, v in s.told('/', headers=claims)['headers']}
    f = told(*claim)
    equal((f.get('forwarded'), f['x-forwarded-for'], f['x-forwarded-proto']), (None, '127.0.0.1', 'http'))
    t.put('settings.yaml', settings(trustedProxies='127.0.0.0/8', forwarded='On'))
    eventually(lambda: 'forwarded' in told(), 'it is told')
    s.everywhere()
    equal(told()['forwarded'], 'for=127.0.0.1;host=example.com;proto=http')
    f = told(*claim)
    equal(f['forwarded'], 'for="[2001:db8::9]:4711";proto=https;host=c.example, for=127.0.0.1;host=example.com;proto=http')
    equal((f['x-forwarded-for'], f['x-forwarded-proto'], f['x-forwarded-host']), ('2001:db8::9, 127.0.0.1', 'https', 'c.example'))
    eventually(lambda: '"client":"2001:db8::9"' in s.text(), 'the log tells the client')
    f = told(*claim, ('X-Forwarded-For', '203.0.113.9'))
    equal((f['forwarded'], f['x-forwarded-for']), ('for=203.0.113.9, for=127.0.0.1;host=example.com;proto=http', '203.0.113.9, 127.0.0.1'))
    t.put('settings.yaml', settings(forwarded='On'))
    eventually(lambda: told(*claim)['forwarded'] == 'for=127.0.0.1;host=example.com;proto=http', 'believed no more')
