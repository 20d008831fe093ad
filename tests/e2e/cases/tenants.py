# SPDX-License-Identifier: Apache-2.0
"""Where objects come from: the operator's folders, tenants' folders, certificates as files, lists."""
import json
import os

from client import Connection, trusting
from harness import case, equal, eventually, holds
from manifests import documents, gateway, gateway_class, listener, path, route, rule, service, thing

INFRA = {'name': 'gw', 'namespace': 'infra'}


def put(t, folder, name, *objects):
    """Moves manifests into a folder beside the operator's."""
    where = t.file(folder)
    os.makedirs(where, exist_ok=True)
    staged = os.path.join(where, '.' + name)
    with open(staged, 'w') as f:
        f.write(documents(*objects))
    os.rename(staged, os.path.join(where, name))


def nowhere(o):
    """The object without its namespace."""
    if isinstance(o, list):
        return [nowhere(x) for x in o]
    o['metadata'].pop('namespace', None)
    return o


def shared(t, *args, tenants=('a', 'b')):
    """A Gateway of the operator's that all may attach to, and a folder for each tenant."""
    put(t, 'infra', 'gateway.yaml', gateway_class(), gateway(listener(all_namespaces=True), namespace='infra'))
    folders = []
    for name in tenants:
        os.makedirs(t.file(name), exist_ok=True)
        folders += ['--tenant', f'{name}={t.file(name)}']
    return t.serve(args=['--infra', t.file('infra'), *folders, *args])


def whole(t, name, backend, *, at='/'):
    """What a tenant writes to be served at a path: nothing in it says whose it is."""
    put(t, name, 'app.yaml', *nowhere([route(rule('app', matches=[path(at)]), name='app', parents=[INFRA]), *service('app', backend.port)]))


@case
def tenants_served(t):
    """Are two tenants' folders served beside each other, each object in its own namespace, and followed?"""
    a, b = t.backend('a'), t.backend('b')
    whole(t, 'a', a, at='/a')
    s = shared(t, '--tenant-endpoints', '127.0.0.0/8')
    equal(s.ask('/a').get('X-Served-By'), 'a')
    whole(t, 'b', b, at='/b')
    eventually(lambda: s.ask('/b').get('X-Served-By') == 'b', 'the second one is served', 5)
    os.unlink(t.file('a/app.yaml'))
    eventually(lambda: s.ask('/a').status == 404, 'the first one has gone', 5)
    equal(s.ask('/b').get('X-Served-By'), 'b')
    s.stop()


@case
def tenant_keeps_to_its_own(t):
    """Is what a tenant may not write refused, with words that show nothing of others, while the rest is served?"""
    a, b = t.backend('a'), t.backend('b')
    whole(t, 'a', a, at='/a')
    whole(t, 'b', b, at='/b')
    put(t, 'a', 'evil.yaml', route(rule('app', matches=[path('/b')]), name='app', parents=[INFRA], namespace='b'),
        gateway(listener(8080), namespace='infra'), thing('Namespace', 'a', version='v1', namespace=None))
    s = shared(t, '--tenant-endpoints', '127.0.0.1')
    equal(s.ask('/a').get('X-Served-By'), 'a')
    equal(s.ask('/b').get('X-Served-By'), 'b')
    text = s.text()
    holds(text, r'this folder is the namespace \"a\" alone, not \"b\"', 'a tenant\'s folder may not define a Gateway', 'a tenant\'s folder may not define a Namespace')
    assert t.file('b') not in text, text


@case
def tenant_endpoints(t):
    """Does a tenant reach no loopback address by its own EndpointSlice, and one by the operator's?"""
    a = t.backend('a')
    whole(t, 'a', a)
    s = shared(t)
    equal(s.ask().status // 100, 5)
    holds(s.text(), '127.0.0.1 is a loopback address', '--tenant-endpoints')
    equal(list(a.requests), [])
    put(t, 'infra', 'endpoints.yaml', service('app', a.port, namespace='a')[1:])
    eventually(lambda: s.ask().get('X-Served-By') == 'a', "the operator's endpoints are used", 5)
    holds(s.text(), 'exists already from outside this folder')


GARBAGE = {
    'torn': lambda good: good[:len(good) // 2],
    'bytes': lambda good: good.replace('Service', '\x00\x01\ufffe'),
    'words': lambda good: good.replace('80', '"many"').replace('app', '[1, {}]'),
    'bomb': lambda good: 'a0: &a0 [x, x, x, x]\n' + ''.join(f'a{i}: &a{i} [*a{i - 1}, *a{i - 1}, *a{i - 1}, *a{i - 1}]\n' for i in range(1, 20)),
    'deep': lambda good: 'spec: ' + '[' * 20000,
    'many': lambda good: documents(*(nowhere(route(rule('app', matches=[path(f'/b/{i}')]), name=f'm{i}', hostnames=['example.com'], parents=[INFRA])) for i in range(1500))),
    'theirs': lambda good: documents(*service('app', 1, namespace='b'), route(rule({'name': 'app', 'namespace': 'b', 'port': 80}, matches=[path('/elsewhere')]), name='app', parents=[INFRA], namespace='b')),
}


@case
def tenant_garbage_harms_nobody(t):
    """While one tenant writes garbage of many kinds, is each request of another's answered as ever, and nothing left of it after?"""
    a, b = t.backend('a'), t.echo('b')
    whole(t, 'a', a, at='/a')
    whole(t, 'b', b, at='/b')
    s = shared(t, '--tenant-endpoints', '127.0.0.1')
    before = s.page('/table').text()
    load = t.load(s.port[80], '-u', '/b', conns=4)
    good = documents(*nowhere([route(rule('app'), name='x', parents=[INFRA])]))
    for n, (name, make) in enumerate(GARBAGE.items()):
        with open(t.file('a/garbage.yaml'), 'w', errors='surrogateescape') as f:
            f.write(make(good))
        # what was written after it is served, so it was read
        put(t, 'a', 'marker.yaml', *nowhere([route(rule('app', matches=[path(f'/n{n}')]), name='marker', parents=[INFRA])]))
        eventually(lambda: s.ask(f'/n{n}').get('X-Served-By') == 'a', f'what comes with {name} is served', 30)
        equal(s.ask('/b').get('X-Served-By'), 'b', name)
    os.unlink(t.file('a/garbage.yaml'))
    os.unlink(t.file('a/marker.yaml'))
    eventually(lambda: s.page('/table').text() == before, 'the table is as it was', 20)
    load.unharmed()
    s.stop()


@case
def tenant_links(t):
    """Is a link out of a tenant's folder not followed?"""
    a = t.backend('a')
    whole(t, 'b', a, at='/b')
    os.makedirs(t.file('a'))
    os.symlink('../b/app.yaml', t.file('a/app.yaml'))
    s = shared(t, '--tenant-endpoints', '127.0.0.1')
    equal(s.ask('/b').get('X-Served-By'), 'a')
    holds(s.text(), 'it lies outside the folder')
    assert 'HTTPRoute/a/app' not in s.page('/plan').text()


@case
def tenant_folders_apart(t):
    """Is a tenant's folder refused that lies within the operator's, or another's?"""
    os.makedirs(t.manifests + '/a/deep')
    for roots in (['-f', t.manifests, '--tenant', f'a={t.manifests}/a'], ['--tenant', f'a={t.manifests}/a', '--tenant', f'b={t.manifests}/a/deep'],
                  ['--tenant', f'a={t.manifests}/a', '--infra', t.manifests + '/a/deep'], ['--tenant', 'A=/x'], ['--tenant', 'a='],
                  ['-f', t.manifests, '--tenant-endpoints', '::1'], ['-f', t.manifests, '--tls', 'site=a,b'], ['-f', t.manifests, '--tls', 'default/site=a']):
        out = t.run(t.binary, 'serve', *roots, status=2)
        assert out is not None


@case
def certificate_files(t):
    """Is a certificate given as two files served, and replaced under load, one file after the other, with no handshake failed?"""
    one, two = t.certificate('one', 'example.com'), t.certificate('two', 'example.com')
    cert, key = t.file('site.crt'), t.file('site.key')

    def install(source, target):
        with open(source) as f, open(target + '.new', 'w') as out:
            out.write(f.read())
        os.rename(target + '.new', target)

    def shown():
        with Connection(s.port[443], trusting(), 'example.com') as c:
            return c.sock.getpeercert(True)

    def der(file):
        import ssl
        return ssl.PEM_cert_to_DER_cert(open(file).read())

    b = t.backend('b')
    t.put('main.yaml', gateway_class(), gateway(listener(443, 's', 'HTTPS', None, ['site'])), route(rule('b')), *service('b', b.port))
    s = t.serve(ports=(443,), args=['--tls', f'default/site={cert},{key}'])
    holds(s.text(), 'the Secret does not exist until then')
    install(one[0], cert)
    install(one[1], key)
    eventually(lambda: s.ask(port=443, tls=trusting(one[0])).status == 200, 'the pair that came is served', 5)
    load = t.load(s.port[443], '-t', '-m', 'close', '-H', 'example.com')
    now = one
    for n, pair in enumerate((two, one) * 3):
        install(pair[0], cert)
        eventually(lambda: s.text().count('the last good pair stays in force') == n + 1, 'half a pair is told', 5)
        eventually(lambda: all(shown() == der(now[0]) for _ in range(4)), 'the last good pair is shown', 5)
        install(pair[1], key)
        eventually(lambda: all(shown() == der(pair[0]) for _ in range(4)), 'the new one is shown', 5)
        now = pair
    load.unharmed()
    s.stop()


@case
def list_of_many(t):
    """Is a List of several megabytes, as kubectl writes it, taken item by item?"""
    b = t.backend('b')
    routes = [route(rule('b', matches=[path(f'/r{i}')]), name=f'r{i}') for i in range(6000)]
    t.put('list.json', json.dumps({'apiVersion': 'v1', 'items': routes, 'kind': 'List', 'metadata': {'resourceVersion': ''}}, indent=4))
    assert os.path.getsize(t.manifests + '/list.json') > 2 << 20
    s = t.serve(gateway(), *service('b', b.port))
    equal(s.ask('/r0').status, 200)
    equal(s.ask('/r5999').status, 200)
    equal(s.ask('/r6000').status, 404)
