# SPDX-License-Identifier: Apache-2.0
"""What filters do to requests and answers."""
from harness import case, equal
from manifests import full_path, gateway, headers, listener, path, prefix_path, redirect, rewrite, route, rule, service


def values(told, name):
    return [v for k, v in told['headers'] if k.lower() == name.lower()]


@case
def request_headers(t):
    """Are request headers set, added and removed?"""
    b = t.backend()
    s = t.serve(gateway(), service('b', b.port), route(rule('b', filters=[headers('request', set={'X-Set': 'new'}, add={'X-Add': 'two'}, remove=['X-Gone'])])))
    told = s.told(headers={'x-set': 'old', 'x-add': 'one', 'x-gone': '1', 'x-kept': 'k'})
    equal(values(told, 'x-set'), ['new'])
    equal(','.join(values(told, 'x-add')).replace(' ', ''), 'one,two')
    equal((values(told, 'x-gone'), values(told, 'x-kept')), ([], ['k']))


@case
def response_headers(t):
    """Are response headers set, added and removed?"""
    def handler(stream, r):
        stream.body(r)
        stream.answer(200, [('X-Set', 'old'), ('X-Add', 'one'), ('X-Gone', '1'), ('X-Kept', 'k')], b'ok')
        return True
    b = t.backend(handler=handler)
    s = t.serve(gateway(), service('b', b.port), route(rule('b', filters=[headers('response', set={'X-Set': 'new'}, add={'X-Add': 'two'}, remove=['x-gone'])])))
    a = s.ask()
    equal((a.all('x-set'), a.all('x-gone'), a.all('x-kept')), (['new'], [], ['k']))
    equal(','.join(a.all('x-add')).replace(' ', ''), 'one,two')


@case
def backend_filters(t):
    """Do filters of a backendRef concern that backend alone?"""
    from manifests import ref
    a, b = t.backend('a'), t.backend('b')
    s = t.serve(gateway(), service('a', a.port), service('b', b.port), route(
        rule(ref('a', filters=[headers('request', set={'X-To': 'a'})]), matches=[path('/a')]), rule('b')))
    equal((values(s.told('/a'), 'x-to'), values(s.told('/b'), 'x-to')), (['a'], []))


@case
def redirects(t):
    """Is each part of a redirect what was asked, and the rest kept?"""
    wanted = [('/https', redirect(scheme='https', statusCode=301), 301, 'https://example.com/https/x?q=1'),
              ('/host', redirect(hostname='other.org'), 302, 'http://other.org/host/x?q=1'),
              ('/port', redirect(port=8443, scheme='https'), 302, 'https://example.com:8443/port/x?q=1'),
              ('/full', redirect(path=full_path('/new')), 302, 'http://example.com/new?q=1'),
              ('/prefix', redirect(path=prefix_path('/p')), 302, 'http://example.com/p/x?q=1'),
              ('/cut', redirect(path=prefix_path('/')), 302, 'http://example.com/x?q=1')]
    s = t.serve(gateway(), route(*(rule(matches=[path(p)], filters=[f]) for p, f, _, _ in wanted)))
    for p, _, status, location in wanted:
        a = s.ask(p + '/x?q=1')
        # a listener on port 80 is meant; that it is served on another one is nobody's business
        equal((a.status, a.get('location')), (status, location), p)


@case
def rewrites(t):
    """Are host and path rewritten, the query kept?"""
    b = t.backend()
    s = t.serve(gateway(), service('b', b.port), route(
        rule('b', matches=[path('/full')], filters=[rewrite(path=full_path('/one'))]),
        rule('b', matches=[path('/prefix')], filters=[rewrite(path=prefix_path('/two'))]),
        rule('b', matches=[path('/cut')], filters=[rewrite(path=prefix_path('/'), hostname='inner.example')])))
    for target, p, host in (('/full/a', '/one', 'example.com'), ('/prefix/a/b', '/two/a/b', 'example.com'), ('/prefix', '/two', 'example.com'),
                            ('/cut/a', '/a', 'inner.example'), ('/cut', '/', 'inner.example')):
        told = s.told(target + '?q=1')
        equal((told['path'], told['query'], told['host']), (p, 'q=1', host), target)


@case
def backend_rewrites(t):
    """Is the path rewritten for one backend alone, from the prefix that its rule matched?"""
    from manifests import ref
    b = t.backend()
    s = t.serve(gateway(), service('b', b.port), route(
        rule(ref('b', filters=[rewrite(path=prefix_path('/two'))]), matches=[path('/prefix')]),
        rule(ref('b', filters=[rewrite(path=full_path('/one'), hostname='inner.example')]), matches=[path('/full')]),
        rule(ref('b', filters=[rewrite(hostname='only.example')]), matches=[path('/both')], filters=[rewrite(path=prefix_path('/x'))])))
    for target, p, host in (('/prefix/a', '/two/a', 'example.com'), ('/prefix', '/two', 'example.com'),
                            ('/full/a', '/one', 'inner.example'), ('/both/a', '/x/a', 'only.example')):
        told = s.told(target + '?q=1')
        equal((told['path'], told['query'], told['host']), (p, 'q=1', host), target)


@case
def forwarding_fields(t):
    """Does a backend learn of the client, and are what the client claims and hop-by-hop fields left out?"""
    s = t.simple()
    told = s.told(headers={'X-Forwarded-For': '6.6.6.6', 'X-Forwarded-Proto': 'https', 'Connection': 'x-hop', 'X-Hop': '1', 'Keep-Alive': 'timeout=5', 'TE': 'gzip'})
    equal((values(told, 'x-forwarded-for'), values(told, 'x-forwarded-proto')), (['127.0.0.1'], ['http']))
    equal((values(told, 'x-hop'), values(told, 'keep-alive'), values(told, 'te')), ([], [], []))


def cors(**what):
    return {'type': 'CORS', 'cors': what}


@case
def cors_preflight(t):
    """Is a preflight answered without the backend, by the rule of the method that it asks for, and any other OPTIONS passed on?"""
    b = t.backend()
    named = cors(allowOrigins=['https://*.a.test'], allowMethods=['PUT'], allowHeaders=['X-One'], exposeHeaders=['X-Two'], allowCredentials=True, maxAge=60)
    s = t.serve(gateway(), service('b', b.port), route(rule('b', matches=[{**path('/p'), 'method': 'PUT'}], filters=[named, headers('request', remove=['Origin'])]),
                                                       rule('b', matches=[path('/p')])))
    asked = {'Origin': 'https://x.a.test', 'Access-Control-Request-Method': 'PUT', 'Access-Control-Request-Headers': 'x-one'}
    a = s.ask('/p', method='OPTIONS', headers=asked)
    equal((a.status, a.body), (204, b''))
    equal([a.get('Access-Control-' + n) for n in ('Allow-Origin', 'Allow-Methods', 'Allow-Headers', 'Expose-Headers', 'Allow-Credentials', 'Max-Age')],
          ['https://x.a.test', 'PUT', 'X-One', 'X-Two', 'true', '60'])
    assert not a.get('X-Served-By'), a
    refused = s.ask('/p', method='OPTIONS', headers={**asked, 'Origin': 'https://b.test'})
    equal((refused.status, refused.get('Access-Control-Allow-Origin'), refused.get('Vary')), (204, None, 'Origin'))
    # of another method, or no preflight: the other rule's
    for other in ({**asked, 'Access-Control-Request-Method': 'DELETE'}, {'Origin': 'https://x.a.test'}):
        equal(s.ask('/p', method='OPTIONS', headers=other).get('X-Served-By'), 'b')
    # the filter goes by the Origin that came
    put = s.ask('/p', method='PUT', headers={'Origin': 'https://x.a.test'}, body=b'x')
    equal((put.get('X-Served-By'), put.get('Access-Control-Allow-Origin')), ('b', 'https://x.a.test'))
    equal(values(put.json(), 'Origin'), [])


@case
def cors_responses(t):
    """Are the backend's own words on CORS replaced, on answers of the gateway, too, and only where the filter is?"""
    def handler(stream, r):
        stream.body(r)
        stream.answer(200, [('Access-Control-Allow-Origin', '*'), ('Access-Control-Allow-Methods', 'GET'), ('Vary', 'Accept')], b'ok')
        return True
    from manifests import ref
    b = t.backend(handler=handler)
    own = cors(allowOrigins=['https://a.test'], exposeHeaders=['*'])
    s = t.serve(gateway(), service('b', b.port), service('empty'), route(
        rule('b', matches=[path('/rule')], filters=[own]), rule('empty', matches=[path('/none')], filters=[own]), rule('b', matches=[path('/plain')]),
        rule(ref('b', filters=[own]), matches=[path('/backend')]), rule(matches=[path('/moved')], filters=[own, redirect(hostname='b.test')])))
    of = lambda a: (a.all('Access-Control-Allow-Origin'), a.all('Access-Control-Expose-Headers'), a.all('Access-Control-Allow-Methods'), a.all('Vary'))
    mine, none = (['https://a.test'], ['*'], []), ([], [], [])
    for p, status, vary in (('/rule', 200, ['Accept', 'Origin']), ('/backend', 200, ['Accept', 'Origin']), ('/none', 503, ['Origin']), ('/moved', 302, ['Origin'])):
        a = s.ask(p, headers={'Origin': 'https://a.test'})
        equal((a.status, of(a)), (status, (*mine, vary)), p)
        equal(of(s.ask(p, headers={'Origin': 'https://b.test'})), (*none, vary), p)
        equal(of(s.ask(p)), (*none, vary), p)
    equal(of(s.ask('/plain', headers={'Origin': 'https://b.test'})), (['*'], [], ['GET'], ['Accept']))
    equal(s.ask('/backend', method='OPTIONS', headers={'Origin': 'https://a.test', 'Access-Control-Request-Method': 'GET'}).status, 204)


@case
def backend_redirect(t):
    """Does a redirect of a backendRef answer its share of the requests, and its sibling the rest?"""
    from manifests import ref
    b = t.backend()
    s = t.serve(gateway(), service('b', b.port), route(rule(ref('b', 1), ref('b', 1, filters=[redirect(hostname='b.test', path=prefix_path('/to'))]), matches=[path('/x')])))
    answers = [s.ask('/x/y?z') for _ in range(60)]
    equal({(a.status, a.get('Location')) for a in answers}, {(200, None), (302, 'http://b.test/to/y?z')})
