# SPDX-License-Identifier: Apache-2.0
"""Which route takes a request."""
from harness import case, equal, eventually
from manifests import gateway, listener, path, ref, route, rule, service


def names(s, *questions):
    """Asks each (target, options), wants the backend named."""
    for target, wanted, options in questions:
        a = s.ask(target, **options)
        got = a.get('X-Served-By') if a.status == 200 else a.status
        equal(got, wanted, f'{target} {options}')


def three(t):
    a, b, c = (t.backend(n) for n in 'abc')
    return [service(n, x.port) for n, x in zip('abc', (a, b, c))]


@case
def route_by_path(t):
    """Do exact paths go before prefixes, longer prefixes before shorter, and prefixes end at a slash?"""
    s = t.serve(gateway(), *three(t), route(
        rule('a', matches=[path('/')]), rule('b', matches=[path('/shop'), path('/exact', 'Exact')]), rule('c', matches=[path('/shop/cart'), path('/shop', 'Exact')])))
    names(s, ('/', 'a', {}), ('/shop', 'c', {}), ('/shop/', 'b', {}), ('/shop/x', 'b', {}), ('/shopping', 'a', {}), ('/shop/cart', 'c', {}),
          ('/shop/cart/1?q=1', 'c', {}), ('/shop/carts', 'b', {}), ('/exact', 'b', {}), ('/exact/', 'a', {}), ('/SHOP', 'a', {}))


@case
def route_by_header(t):
    """Are header names matched in any case, values exactly, all of them?"""
    header = lambda **h: {'headers': [{'name': k.replace('_', '-'), 'value': v} for k, v in h.items()]}
    s = t.serve(gateway(), *three(t), route(
        rule('a', matches=[header(X_Env='prod', X_Ring='1')]), rule('b', matches=[header(x_env='prod')]), rule('c')))
    names(s, ('/', 'c', {}), ('/', 'b', {'headers': {'X-ENV': 'prod'}}), ('/', 'a', {'headers': {'x-env': 'prod', 'x-ring': '1'}}),
          ('/', 'c', {'headers': {'x-env': 'Prod'}}), ('/', 'c', {'headers': {'x-ring': '1'}}))


@case
def route_by_method(t):
    """Does a method match go before none, and is the rest 404?"""
    s = t.serve(gateway(), *three(t), route(rule('a', matches=[{**path('/m'), 'method': 'POST'}]), rule('b', matches=[path('/m')]), rule('c', matches=[{'method': 'DELETE'}])))
    names(s, ('/m', 'a', {'method': 'POST', 'body': b'x'}), ('/m', 'b', {}), ('/m', 'b', {'method': 'DELETE'}), ('/', 'c', {'method': 'DELETE'}), ('/', 404, {}))


@case
def route_by_query(t):
    """Are query parameters matched by exact name and value, the first of a name deciding?"""
    query = lambda **q: {'queryParams': [{'name': k, 'value': v} for k, v in q.items()]}
    s = t.serve(gateway(), *three(t), route(rule('a', matches=[query(v='1', w='2')]), rule('b', matches=[query(v='1')]), rule('c')))
    names(s, ('/?v=1', 'b', {}), ('/?w=2&v=1', 'a', {}), ('/?v=2', 'c', {}), ('/?V=1', 'c', {}), ('/?v=1&v=2', 'b', {}), ('/?v', 'c', {}))


@case
def route_by_host(t):
    """Do exact hosts go before wildcards, wildcards before none, and is the port of Host left out?"""
    s = t.serve(gateway(), *three(t), route(rule('a'), name='exact', hostnames=['www.example.com']), route(rule('b'), name='wild', hostnames=['*.example.com']),
                route(rule('c'), name='any'))
    names(s, *(('/', wanted, {'host': host}) for host, wanted in (
        ('www.example.com', 'a'), ('WWW.EXAMPLE.COM:8080', 'a'), ('x.example.com', 'b'), ('x.y.example.com', 'b'), ('example.com', 'c'), ('127.0.0.1', 'c'))))


@case
def route_by_listener_host(t):
    """Does a listener's hostname bound what its routes may take, and is the rest 404?"""
    s = t.serve(gateway(listener(80, 'one', hostname='one.example.com'), listener(80, 'wild', hostname='*.example.org')), *three(t),
                route(rule('a'), name='a'), route(rule('b'), name='b', hostnames=['b.example.org', 'b.example.net']))
    names(s, ('/', 'a', {'host': 'one.example.com'}), ('/', 404, {'host': 'two.example.com'}), ('/', 'b', {'host': 'b.example.org'}),
          ('/', 'a', {'host': 'c.example.org'}), ('/', 404, {'host': 'b.example.net'}))


EXPRESSION = 'RegularExpression'


@case
def route_by_expression(t):
    """Do expressions take whole paths and values, after exact paths and before prefixes, longer ones first?"""
    s = t.serve(gateway(), *three(t), route(
        rule('a', matches=[path('/v[0-9]+/.*', EXPRESSION), path('/exact', 'Exact'),
                           {**path('/h'), 'headers': [{'name': 'X-Team', 'type': EXPRESSION, 'value': 'red|blue'}]},
                           {**path('/q'), 'queryParams': [{'name': 'id', 'type': EXPRESSION, 'value': '[0-9]{1,3}'}]}]),
        rule('b', matches=[path('/v[0-9]+/longer/.*', EXPRESSION), path('/(?i)any', EXPRESSION), path('/exac.', EXPRESSION)]),
        rule('c', matches=[path('/')])))
    names(s, ('/v1/x', 'a', {}), ('/v1', 'c', {}), ('/x/v1/x', 'c', {}), ('/v1/longer/x', 'b', {}), ('/exact', 'a', {}), ('/exacu', 'b', {}), ('/ANY', 'b', {}),
          ('/v%31/x?y', 'a', {}), ('/h', 'a', {'headers': {'x-team': 'blue'}}), ('/h', 'c', {'headers': {'x-team': 'blues'}}), ('/h', 'c', {}),
          ('/q?id=12', 'a', {}), ('/q?id=1234', 'c', {}), ('/q?id=1%32', 'a', {}))
    shown = t.run(t.binary, 'explain', 'GET', 'http://x.test/v1/longer/y', '--admin', f'127.0.0.1:{s.admin_port}')
    assert 'path matches /v[0-9]+/longer/.*' in shown, shown


@case
def expression_budget(t):
    """Is a search that does not end given up, counted and told, and the request answered by whoever comes next?"""
    s = t.serve(gateway(), *three(t), route(rule('a', matches=[path('/(a+)+(a+)+[0-9]b', EXPRESSION)]), name='bad'), route(rule('b', matches=[path('/')]), name='good'))
    hard = '/' + 'a' * 60 + '0c9b'
    names(s, (hard, 'b', {}), ('/aaa0b', 'a', {}))
    eventually(lambda: s.metric('postern_expressions_given_up_total') == 1, 'the search is counted')
    shown = t.run(t.binary, 'explain', 'GET', 'http://x.test' + hard, '--admin', f'127.0.0.1:{s.admin_port}')
    assert 'given up' in shown and 'HTTPRoute/default/good' in shown, shown


@case
def broken_match_is_refused(t):
    """Is a rule with an expression that is none refused with its field and the place, and the route's other rule served?"""
    s = t.serve(gateway(), *three(t), route(rule('a', matches=[path('/v[0-9/.*', EXPRESSION)]), rule('b', matches=[path('/v1/b')])))
    names(s, ('/v12/x', 404, {}), ('/v1/b', 'b', {}))
    status = s.page('/status').text()
    for word in ('PartiallyInvalid', 'spec.rules[0].matches[0].path.value', 'missing terminating ]'):
        assert word in status, f'{word} is missing in {status}'


@case
def oldest_route_wins(t):
    """Of two routes with the same match, does the older one win?"""
    old, new = route(rule('a'), name='z'), route(rule('b'), name='a')
    old['metadata']['creationTimestamp'], new['metadata']['creationTimestamp'] = '2020-01-01T00:00:00Z', '2024-01-01T00:00:00Z'
    s = t.serve(gateway(), *three(t), new, old)
    names(s, ('/', 'a', {}))


@case
def weights(t):
    """Do weights 8:2:0 share 1000 requests out so, within what chance allows?"""
    s = t.serve(gateway(), *three(t), route(rule(ref('a', 8), ref('b', 2), ref('c', 0))))
    from client import Connection
    seen = {'a': 0, 'b': 0, 'c': 0}
    with Connection(s.port[80]) as c:
        for _ in range(1000):
            seen[c.ask().get('X-Served-By')] += 1
    assert seen['c'] == 0 and 740 <= seen['a'] <= 860, seen  # 800 +- 60: beyond four and a half standard deviations


@case
def endpoints_are_shared(t):
    """Are all endpoints of a Service used?"""
    b = [t.backend(f'b{i}') for i in range(3)]
    s = t.serve(gateway(), service('b', *(x.port for x in b)), route(rule('b')))
    seen = {s.ask().get('X-Served-By') for _ in range(60)}
    equal(seen, {'b0', 'b1', 'b2'})


@case
def echo_backend(t):
    """Does `postern echo` tell what it was asked?"""
    e = t.echo('hello')
    s = t.serve(gateway(), service('b', e.port), route(rule('b')))
    told = s.told('/a/b?c=d', method='POST', body=b'12345')
    equal((told['name'], told['method'], told['path'], told['query'], told['host'], told['bodyBytes']), ('hello', 'POST', '/a/b', 'c=d', 'example.com', 5))
    equal(s.ask('/status/418').status, 418)


@case
def yaml_of_people(t):
    """Are manifests as people write them understood: block style, comments, several documents, a List, JSON beside?"""
    b = t.backend()
    t.put('a.yaml', f'''# a comment
---
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {{name: "postern"}}
spec:
  controllerName: 'postern.dev/gateway-controller'   # ours
---
apiVersion: v1
kind: List
items:
- apiVersion: gateway.networking.k8s.io/v1
  kind: Gateway
  metadata:
    name: gw
  spec:
    gatewayClassName: postern
    listeners:
    - name: web
      protocol: HTTP
      port: 80
- apiVersion: v1
  kind: Service
  metadata: {{name: b}}
  spec:
    ports:
    - &port
      name: http
      port: 80
      targetPort: {b.port}
---
''')
    t.put('b.json', '''{"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": {"name": "r", "namespace": "default"},
 "spec": {"parentRefs": [{"name": "gw"}], "rules": [{"backendRefs": [{"name": "b", "port": 80}]}]}}''')
    from manifests import slices
    t.put('c.yml', *slices('b', [b.port]))
    s = t.serve()
    equal(s.told()['name'], 'b')


@case
def cross_namespace_backend(t):
    """Is a backend in another namespace refused (500) until a ReferenceGrant permits it?"""
    from harness import eventually
    from manifests import thing
    b = t.backend()
    s = t.serve(gateway(), route(rule(ref('b', namespace='other'))), service('b', b.port, namespace='other'))
    equal(s.ask().status, 500)
    t.put('grant.yaml', thing('ReferenceGrant', 'g', {'from': [{'group': 'gateway.networking.k8s.io', 'kind': 'HTTPRoute', 'namespace': 'default'}],
                                                      'to': [{'group': '', 'kind': 'Service'}]}, version='gateway.networking.k8s.io/v1beta1', namespace='other'))
    eventually(lambda: s.ask().status == 200, 'the grant permits it')


@case
def routes_of_other_namespaces(t):
    """May routes of other namespaces attach only where the listener allows them?"""
    b = t.backend()
    parent = {'name': 'gw', 'namespace': 'default'}
    s = t.serve(gateway(listener(80, 'same'), listener(8080, 'all', all_namespaces=True)), service('b', b.port, namespace='team'),
                route(rule('b'), namespace='team', parents=[parent]), ports=(80, 8080))
    equal((s.ask().status, s.ask(port=8080).status), (404, 200))
