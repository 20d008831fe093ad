# SPDX-License-Identifier: Apache-2.0
"""What the commands say: `diff`, `check`, `explain`, `status`."""
import json
import os

import manifests
from harness import case, equal, holds
from manifests import gateway, gateway_class, headers, listener, path, redirect, ref, rewrite, route, rule, service


def folder(t, name, *objects):
    os.mkdir(t.file(name))
    with open(os.path.join(t.file(name), 'all.yaml'), 'w') as f:
        f.write(manifests.documents(gateway_class(), gateway(), *(service(n, 80) for n in 'ab'), *objects))
    return t.file(name)


@case
def diff_command(t):
    """Does `diff` tell which requests another route takes and which statuses come and go, with exit 0, 1 and 2?"""
    before = folder(t, 'before', route(rule('a', matches=[path('/x')]), rule('gone', matches=[path('/y')]), hostnames=['h.example']))
    after = folder(t, 'after', route(rule('a', matches=[path('/x')]), rule('b', matches=[path('/y')]), hostnames=['h.example']),
                   route(rule(ref('a', 1), ref('b', 3), matches=[path('/x/deep')]), name='new', hostnames=['h.example']))
    holds(t.run(t.binary, 'diff', before, before, status=0), '0 otherwise')
    text = t.run(t.binary, 'diff', before, after, status=1)
    holds(text, '+ HTTPRoute default/new', 'GET http://h.example/x/deep\n    - HTTPRoute/default/r rule 0 -> default/a:80\n    + HTTPRoute/default/new rule 0 -> 25% '
          'default/a:80, 75% default/b:80', 'fixed      HTTPRoute default/r: parent gw: ResolvedRefs was False BackendNotFound', 'HTTPRoute/default/new wins 2')
    back = json.loads(t.run(t.binary, 'diff', after, before, '-o', 'json', status=1))
    equal({r['route']: (r['wins'], r['loses'], r['changes']) for r in back['routes']}, {'HTTPRoute/default/new': (0, 2, 0), 'HTTPRoute/default/r': (2, 0, 2)})
    equal([s['fate'] for s in back['statuses']], ['introduced'])
    t.run(t.binary, 'diff', before, status=2)
    holds(t.run(t.binary, 'diff', before, t.file('none'), status=2), 'none')


@case
def diff_foretells(t):
    """Do the requests that `diff` says are taken otherwise go to those backends, before and after the change?"""
    a, b = t.backend('a'), t.backend('b')
    whole = lambda *routes: [gateway(), service('a', a.port), service('b', b.port), *routes]
    old = whole(route(rule('a', matches=[path('/x')]), rule('b', matches=[path('/y')], filters=[headers('request', set={'X': '1'})])))
    new = whole(route(rule('b', matches=[path('/x')]), rule(matches=[path('/r')], filters=[redirect(scheme='https')])),
                route(rule('a', matches=[{**path('/x/p', 'Exact'), 'method': 'POST'}, {'queryParams': [{'name': 'v', 'value': 'a b'}]}]), name='q', hostnames=['h.example']))
    sides = []
    for name, objects in (('old', old), ('new', new)):
        os.mkdir(t.file(name))
        sides.append(os.path.join(t.file(name), 'all.yaml'))
        with open(sides[-1], 'w') as f:
            f.write(manifests.documents(gateway_class(), *objects))
    told = json.loads(t.run(t.binary, 'diff', *sides, '-o', 'json', status=1))['traffic']
    assert len(told) >= 8, told
    for side, objects in (('before', old), ('after', new)):
        s = t.serve(*objects)
        for r in told:
            host, _, target = r['url'].removeprefix('http://').partition('/')
            got = s.ask('/' + target, method=r['method'], host=host, headers={h['name']: h['value'] for h in r['headers']})
            outcome = r[side]['outcome']
            if outcome.startswith('default/'):
                equal(f'default/{got.get("X-Served-By")}:80', outcome.split(';')[0], f'{side} {r}')
            elif outcome.startswith('redirect'):
                equal(str(got.status), outcome.split()[1], f'{side} {r}')
            else:
                equal(str(got.status), outcome.split()[0], f'{side} {r}')
        s.stop()


@case
def check_shows_places(t):
    """Does `check` put what a status says at the field that it is about, and fail for a missing backend only when --strict?"""
    t.put('good.yaml', gateway_class(), gateway(), service('a', 80))
    t.put('route.yaml', """apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata:
  name: r
spec:
  parentRefs:
  - name: gw
  rules:
  - backendRefs:
    - name: a
      port: 80
    - name: nowhere
      port: 80
""")
    out = t.run(t.binary, 'check', t.manifests)
    holds(out, 'route.yaml:12:7: note: HTTPRoute default/r', '    12 |     - name: nowhere\n       |       ^\n', '--strict fails for it')
    t.run(t.binary, 'check', t.manifests, '--strict', status=1)
    holds(t.run(t.binary, 'check', '--format', 'github', t.manifests), '::warning file=', ',line=12,col=7::')
    t.run(t.binary, 'check', '--format', 'github', '-o', 'json', t.manifests, status=2)


@case
def check_warns(t):
    """Does `check` warn of a rule that another goes before for all that it matches, and fail for it only when --strict?"""
    t.put('all.yaml', gateway_class(), gateway(), service('a', 80), service('b', 80), route(rule('a', matches=[path('/x')]), rule('b', matches=[path('/x')])))
    holds(t.run(t.binary, 'check', t.manifests), ': warning: HTTPRoute default/r: spec.rules[1]', 'nothing wrong, 1 warning (--strict fails for it)')
    holds(t.run(t.binary, 'check', t.manifests, '--strict', status=1), '1 problem')
    told = json.loads(t.run(t.binary, 'check', t.manifests, '-o', 'json'))
    equal([(p['class'], p['warning'], p['fails']) for p in told], [('meaning', True, False)])
    assert told[0]['column'], told


@case
def explain_near_misses(t):
    """Does `explain` tell the closest rule first, and why a route is not attached?"""
    b = t.backend()
    s = t.serve(gateway(listener(80, 'any'), listener(80, 'named', hostname='x.example')), service('b', b.port),
                route(rule('b', matches=[{**path('/far/away'), 'method': 'PUT'}, {**path('/a'), 'headers': [{'name': 'x-env', 'value': 'prod'}]}]), name='r'),
                route(rule('b'), name='lost', parents=[{'name': 'gw', 'sectionName': 'none'}], hostnames=['example.com']))
    admin = ('--admin', f'127.0.0.1:{s.admin_port}')
    told = json.loads(t.run(t.binary, 'explain', 'GET', 'http://example.com/a', '-H', 'X-Env: test', '-o', 'json', *admin))
    near = {n['what']: n['why'] for n in told['near']}
    equal(told['near'][0], {'what': 'HTTPRoute/default/r rule 0 match 1', 'why': 'the header x-env is test, not prod'})
    holds(near['HTTPRoute/default/lost'], 'not attached to Gateway default/gw listener none: NoMatchingParent')
    holds(near['HTTPRoute/default/r rule 0 match 0'], 'the path is not below /far/away; the method is not PUT')
    holds(near['Gateway default/gw listener named'], 'x.example')
    t.run(t.binary, 'explain', 'GET', 'http://example.com/', '--tls-sni', 'x', *admin, status=2)


@case
def status_story(t):
    """Does `status KIND/NAME` tell what is asked, what was got, why not and what to do?"""
    s = t.simple(route(rule('absent', matches=[path('/q')], filters=[rewrite(hostname='h')]), name='broken'))
    admin = ('--admin', f'127.0.0.1:{s.admin_port}')
    text = t.run(t.binary, 'status', 'httproutes/broken', *admin)
    holds(text, 'asks     to be attached to Gateway default/gw', 'rule 0: path prefix /q  filters URLRewrite  -> default/absent:80', 'got      Gateway default/gw: Accepted',
          'why not  Gateway default/gw: ResolvedRefs=False BackendNotFound', 'do       create the backend')
    holds(t.run(t.binary, 'status', 'httproutes/r', *admin), 'do       nothing: all is as asked')
    gw = t.run(t.binary, 'status', 'gtw/gw', '-o', 'yaml', *admin)
    holds(gw, 'apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata:\n  name: gw\n  namespace: default\n', '\nspec:\n', '\nstatus:\n')


@case
def help_with_examples(t):
    """Does every command's --help give its exit status, and those that ask questions examples?"""
    for command in ('check', 'status', 'explain', 'diff'):
        holds(t.run(t.binary, command, '--help'), f'postern {command} ', 'Examples:', 'Exit status: 0')
