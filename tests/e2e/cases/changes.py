# SPDX-License-Identifier: Apache-2.0
"""Changes under load: each takes effect, and no request fails because of it."""
import os
import re

from client import Connection, ask, trusting
from harness import case, equal, eventually
from manifests import gateway, gateway_class, headers, listener, path, route, rule, secret, service, slices


def base(t, *objects, **more):
    t.a, t.b = t.backend('a'), t.backend('b')
    t.put('class.yaml', gateway_class(), gateway())
    t.put('services.yaml', service('a', t.a.port), service('b', t.b.port))
    t.put('route.yaml', route(rule('a')))
    if objects:
        t.put('more.yaml', *objects)
    return t.serve(**more)


def marked(n):
    return route(rule('a', filters=[headers('response', set={'X-Mark': str(n)})]))


@case
def route_edited(t):
    """Is a route edited thirty times under load, each time live, with no request failed?"""
    s = base(t)
    load = t.load(s.port[80])
    for n in range(30):
        t.put('route.yaml', marked(n))
        eventually(lambda: s.ask().get('x-mark') == str(n), f'edit {n} is live', 5)
    load.unharmed()


@case
def route_added_and_removed(t):
    """Are routes added and removed beside one under load, with none of its requests failed?"""
    s = base(t)
    load = t.load(s.port[80])
    for n in range(10):
        t.put('added.yaml', route(rule('b', matches=[path('/added')]), name='added'))
        eventually(lambda: s.ask('/added').get('X-Served-By') == 'b', 'added', 5)
        os.unlink(t.manifests + '/added.yaml')
        eventually(lambda: s.ask('/added').get('X-Served-By') == 'a', 'removed', 5)
    load.unharmed()


@case
def endpoints_change(t):
    """Do endpoints come and go under load, with no request failed and the new ones used?"""
    s = base(t)
    load = t.load(s.port[80])
    backends = [t.a] + [t.backend(f'x{i}') for i in range(3)]
    for n in range(20):
        now = backends[n % 4]
        t.put('services.yaml', service('a', now.port), service('b', t.b.port))
        eventually(lambda: s.ask().get('X-Served-By') == now.name, f'{now.name} is used', 5)
    for n in (2, 3, 4, 1):
        t.put('services.yaml', service('a', *(x.port for x in backends[:n])), service('b', t.b.port))
        eventually(lambda: {s.ask().get('X-Served-By') for _ in range(24)} == {x.name for x in backends[:n]}, f'{n} endpoints are used', 5)
    load.unharmed()


@case
def endpoints_change_fast(t):
    """Is each of 300 changes of one endpoint, one right after the other, live in a folder of a thousand files?"""
    for i in range(1000):
        t.put(f'filler{i}.yaml', route(rule('a', matches=[path(f'/f{i}')]), name=f'f{i}'))
    s = base(t)
    ports = {b.name: b.port for b in (t.a, t.b)}
    c = t.connection(s.port[80])
    for n in range(300):
        name = 'ab'[(n + 1) % 2]
        t.put('services.yaml', service('a', ports[name]), service('b', t.b.port))
        eventually(lambda: c.ask().get('X-Served-By') == name, f'change {n} is live', 5, 0.0005)


@case
def endpoint_not_ready(t):
    """Is an endpoint that is no longer ready left at once, while its long answer under way is finished?"""
    import threading
    go = threading.Event()

    def handler(stream, r):
        stream.body(r)
        if r.target != '/long':
            stream.answer(200, [('X-Served-By', 'old')], b'ok')
            return True
        stream.send('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345')
        go.wait(20)
        stream.send('67890')
        return True
    old, new = t.backend('old', handler), t.backend('new')
    s = t.serve(gateway(), route(rule('b')), ports=(80,))
    t.put('services.yaml', service('b', old.port))
    eventually(lambda: s.ask().get('X-Served-By') == 'old', 'the old one is used')
    with Connection(s.port[80]) as c:
        c.send('GET /long HTTP/1.1\r\nHost: example.com\r\n\r\n')
        c.head()
        c.exactly(5)
        t.put('services.yaml', service('b', new.port))
        eventually(lambda: s.ask().get('X-Served-By') == 'new', 'the new one is used')
        go.set()
        equal(c.exactly(5), b'67890')


@case
def certificate_replaced(t):
    """Is a certificate replaced under load of new handshakes, with none failed and the new one shown?"""
    one, two = t.certificate('one', 'example.com'), t.certificate('two', 'example.com')
    s = base(t, gateway(listener(443, 's', 'HTTPS', None, ['c']), name='gw2'), route(rule('b'), name='s', parents=['gw2']), ports=(80, 443))
    t.put('secret.yaml', secret('c', *one))
    eventually(lambda: s.ask(port=443, tls=trusting(one[0])).status == 200, 'the first one is shown')
    load = t.load(s.port[443], '-t', '-m', 'close', '-H', 'example.com')
    for cert in (two, one) * 5:
        t.put('secret.yaml', secret('c', *cert))

        def shown():
            with Connection(s.port[443], trusting(), 'example.com') as c:
                return c.sock.getpeercert(True) == __import__('ssl').PEM_cert_to_DER_cert(open(cert[0]).read())
        eventually(shown, 'the other one is shown', 5)
    load.unharmed()


@case
def listener_added_and_removed(t):
    """Are a listener and its port added and removed under load of another, with none of its requests failed?"""
    s = base(t, ports=(80, 8080))
    load = t.load(s.port[80])
    for n in range(5):
        t.put('class.yaml', gateway_class(), gateway(listener(80), listener(8080)))
        eventually(lambda: s.ask(port=8080).status == 200, 'added', 5)
        t.put('class.yaml', gateway_class(), gateway())

        def refused():
            try:
                s.ask(port=8080)
            except ConnectionError:
                return True
            return False
        eventually(refused, 'removed', 5)
    load.unharmed()


@case
def file_broken_and_mended(t):
    """Does a broken file keep the last good state under load, is it said, and does mending it take effect?"""
    s = base(t)
    load = t.load(s.port[80])
    t.put('route.yaml', marked('good'))
    eventually(lambda: s.ask().get('x-mark') == 'good', 'the good one', 5)
    s.everywhere()
    for broken in ('kind: [unclosed\n', 'apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: r}\nspec: {parentRefs: [{name: gw}], rules: 7}\n'):
        t.put('route.yaml', broken)
        eventually(lambda: 'route.yaml' in s.page('/status').text(), 'it is said', 5)
        equal(s.ask().get('x-mark'), 'good')
        t.put('route.yaml', marked('mended'))
        eventually(lambda: s.ask().get('x-mark') == 'mended', 'mended', 5)
        eventually(lambda: 'route.yaml' not in s.page('/status').text(), 'and no longer said', 5)
        t.put('route.yaml', marked('good'))
        eventually(lambda: s.ask().get('x-mark') == 'good', 'the good one again', 5)
        s.everywhere()
    load.unharmed()


@case
def written_in_place(t):
    """Is a file that is written in place, not renamed, followed, too, without a request failed?"""
    s = base(t)
    load = t.load(s.port[80])
    from manifests import documents
    for n in range(10):
        with open(t.manifests + '/route.yaml', 'w') as f:
            f.write(documents(marked(n)))
        eventually(lambda: s.ask().get('x-mark') == str(n), f'edit {n} is live', 5)
    load.unharmed()


@case
def folders_come_and_go(t):
    """Are folders made, filled, renamed and removed followed?"""
    s = base(t)
    inner = t.manifests + '/in/ner'
    os.makedirs(inner)
    from manifests import documents
    with open(inner + '/added.yaml', 'w') as f:
        f.write(documents(route(rule('b', matches=[path('/added')]), name='added')))
    eventually(lambda: s.ask('/added').get('X-Served-By') == 'b', 'a file in a new folder', 5)
    os.rename(t.manifests + '/in', t.file('out'))
    eventually(lambda: s.ask('/added').get('X-Served-By') == 'a', 'its folder moved away', 5)
    os.rename(t.file('out'), t.manifests + '/back')
    eventually(lambda: s.ask('/added').get('X-Served-By') == 'b', 'and back', 5)


@case
def configmap_mount(t):
    """Is a folder mounted as Kubernetes does (a link `..data` swapped) followed?"""
    from manifests import documents
    s = base(t)
    mount = t.manifests + '/mount'
    os.mkdir(mount)
    for n in range(3):
        d = f'{mount}/..v{n}'
        os.mkdir(d)
        with open(d + '/m.yaml', 'w') as f:
            f.write(documents(route(rule('b', matches=[path('/m')], filters=[headers('response', set={'X-Mark': str(n)})]), name='m')))
        os.symlink(f'..v{n}', mount + '/..tmp')
        os.rename(mount + '/..tmp', mount + '/..data')
        if n == 0:
            os.symlink('..data/m.yaml', mount + '/m.yaml')
        eventually(lambda: s.ask('/m').get('x-mark') == str(n), f'version {n} is live', 5)


@case
def one_of_many_routes(t):
    """When one of 10,000 routes changes, is one route resolved and one host compiled; when an endpoint changes, neither?"""
    b = t.backend()
    many = [route(rule('b', matches=[path(f'/a{i % 10}')]), name=f'r{i}', hostnames=[f'h{i // 10}.example.com']) for i in range(10_000)]
    t.put('many.yaml', *many)
    service_alone, *slices_before = service('b', b.port)
    t.put('service.yaml', service_alone)
    t.put('slices.yaml', *slices_before)
    s = t.serve(gateway())
    eventually(lambda: s.ask('/a9', host='h999.example.com').status == 200, 'the last is served', 60)

    def work(after):
        """The counted work of what was adopted since the log had this length."""
        lines = [dict(re.findall(r'(\w+)=(\d+)', x)) for x in s.text()[after:].splitlines() if 'config adopted' in x]
        return {k: sum(int(x[k]) for x in lines) for k in ('routes_resolved', 'rules', 'hosts', 'listeners', 'endpoints')} if lines else None
    before = len(s.text())
    many[5432] = route(rule('b', matches=[path('/a2')], filters=[headers('response', set={'X-Mark': 'new'})]), name='r5432', hostnames=['h543.example.com'])
    t.put('many.yaml', *many)
    eventually(lambda: s.ask('/a2', host='h543.example.com').get('x-mark') == 'new', 'it is live', 10)
    w = eventually(lambda: work(before), 'it is logged', 5)
    equal((w['routes_resolved'], w['rules'], w['listeners'], w['endpoints']), (1, 1, 0, 0), str(w))
    assert w['hosts'] <= 1, w
    before = len(s.text())
    other = t.backend('other')
    t.put('slices.yaml', *slices('b', [other.port]))
    eventually(lambda: s.ask('/a0', host='h0.example.com').get('X-Served-By') == 'other', 'the endpoint is used', 10)
    w = eventually(lambda: work(before), 'it is logged', 5)
    equal((w['routes_resolved'], w['rules'], w['hosts'], w['listeners']), (0, 0, 0, 0), str(w))


@case
def generations_are_freed(t):
    """After a hundred changes under load, are old tables gone and memory where it was?"""
    s = base(t)
    load = t.load(s.port[80])
    from cases.http1 import rss_kb
    for n in range(20):
        t.put('route.yaml', marked(n))
        eventually(lambda: s.ask().get('x-mark') == str(n), 'live', 5)
    before = rss_kb(s.serving())
    for n in range(20, 120):
        t.put('route.yaml', marked(n))
        eventually(lambda: s.ask().get('x-mark') == str(n), 'live', 5)
    load.unharmed()
    eventually(lambda: s.metric('postern_tables_alive') <= 2, 'old tables are gone')
    after = rss_kb(s.serving())
    assert after - before < 4096, f'from {before} to {after} kB'
