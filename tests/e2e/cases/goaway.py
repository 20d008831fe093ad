# SPDX-License-Identifier: Apache-2.0
"""GOAWAY, from us and to us: what runs goes on, what was not looked at is sent again, what may have been is not."""
import threading

from client import Cut, trusting
from cases.http2_backend import h2c_service
from cases.tls_clients import authority, bundle, signed, validation
from frames import GOAWAY, NO_ERROR, Frames
from h2peer import Peer
from harness import case, equal, eventually
from manifests import gateway, gateway_class, listener, route, rule, secret, service, slices

FIRST = 0x7fffffff


class Ask(threading.Thread):
    """A request in a thread; its answer, or what became of it."""

    def __init__(self, s, path, method='POST'):
        super().__init__(daemon=True)
        self.s, self.path, self.method, self.answer = s, path, method, None
        self.start()

    def run(self):
        try:
            self.answer = self.s.ask(self.path, method=self.method, body=b'abc' if self.method == 'POST' else None, timeout=30)
        except (Cut, OSError) as e:
            self.answer = e

    def result(self):
        self.join(30)
        return self.answer


def in_flight(s, peer, *paths):
    """Requests that the backend has whole, each on the stream after the one before; by path."""
    asks = {}
    for one in paths:
        method, p = one.split()
        asks[p] = Ask(s, p, method)
        eventually(lambda: peer.of(p), f'{p} is there')
    return asks


def came_again(asks, peer, p):
    """What was not looked at is sent on another connection, whole, and answered there."""
    eventually(lambda: len(peer.of(p)) == 2, f'{p} comes again')
    first, second = peer.of(p)
    assert second.link is not first.link
    equal(second.body, first.body)
    second.answer()
    equal(asks[p].result().status, 200)


def h2c(t, *peers):
    objects = service('b', *(p.port for p in peers))
    objects[0]['spec']['ports'][0]['appProtocol'] = 'kubernetes.io/h2c'
    return t.serve(gateway(), route(rule('b')), objects, args=('--workers', '1'))


def on_one_connection(t, *paths):
    """Requests that a backend has got by one connection: s, the backend, the requests, the connection."""
    peer = Peer(t)
    s = h2c(t, peer)
    asks = in_flight(s, peer, *paths)
    equal(len({id(a.link) for a in peer.asked}), 1)
    return s, peer, asks, peer.asked[0].link


@case
def goaway_from_a_backend(t):
    """Of requests on their way, are those above its last stream sent again on another connection, even POST, and those up to it left to be answered?"""
    s, peer, asks, one = on_one_connection(t, 'POST /a', 'POST /b', 'POST /c')
    one.goaway(peer.of('/a')[0].stream)
    for p in ('/b', '/c'):
        came_again(asks, peer, p)
        equal(peer.of(p)[1].body, b'abc')
    peer.of('/a')[0].answer(b'fine')
    equal((asks['/a'].result().status, asks['/a'].result().body), (200, b'fine'))
    d = in_flight(s, peer, 'POST /d')['/d']
    assert peer.of('/d')[0].link is not one
    peer.of('/d')[0].answer()
    equal(d.result().status, 200)
    equal([len(peer.of(p)) for p in ('/a', '/b', '/c', '/d')], [1, 2, 2, 1])
    eventually(lambda: one.over, 'a connection that takes nothing more is left once its last answer has come')


@case
def goaway_from_a_backend_in_two_steps(t):
    """Does one that only announces the end stop nothing that runs, and get nothing new?"""
    s, peer, asks, one = on_one_connection(t, 'POST /a', 'POST /b')
    one.goaway(FIRST)
    one.heard()
    asks |= in_flight(s, peer, 'POST /c')
    assert peer.of('/c')[0].link is not one
    one.goaway(peer.of('/b')[0].stream)
    for p in asks:
        peer.of(p)[0].answer()
        equal(asks[p].result().status, 200)
    equal([len(peer.of(p)) for p in asks], [1, 1, 1])


@case
def goaway_from_a_backend_that_ends(t):
    """What it may have processed and never answered: is a POST not sent twice, and a GET answered from elsewhere?"""
    _, peer, asks, one = on_one_connection(t, 'POST /a', 'GET /g', 'POST /b')
    one.goaway(peer.of('/g')[0].stream)
    eventually(lambda: len(peer.of('/b')) == 2, '/b comes again')
    one.close()
    equal(asks['/a'].result().status, 502)
    eventually(lambda: len(peer.of('/g')) == 2, '/g comes again')
    for p in ('/b', '/g'):
        peer.of(p)[1].answer()
        equal(asks[p].result().status, 200)
    equal(len(peer.of('/a')), 1)


@case
def goaway_with_an_error(t):
    """Is GOAWAY that blames us for something treated as the end that it is: nothing is sent twice that may have been processed?"""
    _, peer, asks, one = on_one_connection(t, 'POST /a', 'POST /b')
    one.goaway(peer.of('/a')[0].stream, 2)
    one.close()
    equal(asks['/a'].result().status, 502)
    came_again(asks, peer, '/b')
    equal(len(peer.of('/a')), 1)


@case
def refused_streams_go_elsewhere(t):
    """Is what one endpoint refuses unread taken to another at once, whatever the method; and if there is no other, is the answer a status?"""
    refusing, serving = Peer(t, lambda a: a.refuse()), Peer(t, lambda a: a.answer())
    s = h2c(t, refusing, serving)
    for i in range(20):
        equal(s.ask(f'/{i}', method='POST', body=b'abc').status, 200)
    equal(len({a.path for a in serving.asked}), 20)
    equal(len(serving.asked), 20)
    assert len(refusing.asked) <= 20, len(refusing.asked)  # nobody was asked the same again
    objects = slices('b', (refusing.port,))
    t.put('main.yaml', gateway_class(), gateway(), route(rule('b')), h2c_service(refusing.port), objects[1:])
    eventually(lambda: s.ask('/only', method='POST', body=b'abc').status == 502, 'the other is gone')
    before = len(refusing.asked)
    equal(s.ask('/only', method='POST', body=b'abc').status, 502)
    assert len(refusing.asked) - before <= 17, 'it is asked without end'


def slow_backend(t):
    handler, go = t.held('/slow')
    return t.backend('b', handler), go


def ends_in_two_steps(c, running, go):
    """The client is told, its stream goes on to its end, and then the connection ends."""
    equal(c.wait(lambda f: f.type == GOAWAY).number(), FIRST)
    last = c.wait(lambda f: f.type == GOAWAY and f.number() != FIRST)
    equal((last.number(), last.number(4)), (running, NO_ERROR))
    go.set()
    equal((c.status(running), c.body(running)), (200, b'done'))
    assert c.ended()


@case
def goaway_when_a_port_goes(t):
    """When the last listener of a port is removed, do its clients get GOAWAY or Connection: close, and their requests an end?"""
    b, go = slow_backend(t)
    both = gateway(listener(80, 'a'), listener(81, 'b'))
    s = t.serve(both, route(rule('b')), service('b', b.port), ports=(80, 81), args=('--workers', '1'))
    c, stays, idle = Frames(t, s.port[81]), Frames(t, s.port[80]), Frames(t, s.port[81])
    equal([x.status(x.ask('/')) for x in (c, stays, idle)], [200] * 3)
    plain, resting = t.connection(s.port[81]), t.connection(s.port[81])
    equal(resting.ask().status, 200)
    plain.send('GET /slow HTTP/1.1\r\nHost: h\r\n\r\n')
    n = c.ask('/slow')
    eventually(lambda: s.metric('postern_requests_open') == 2, 'they are under way')
    t.put('main.yaml', gateway_class(), gateway(listener(80, 'a')), route(rule('b')), service('b', b.port))
    assert idle.ended() and resting.ended()
    ends_in_two_steps(c, n, go)
    a = plain.answer()
    equal((a.status, a.get('connection')), (200, 'close'))
    equal(stays.status(stays.ask('/')), 200)
    assert not [f for f in stays.frames if f.type == GOAWAY]


@case
def goaway_when_a_tls_listener_goes(t):
    """The same of a listener that shares its port with another, whose clients notice nothing."""
    b, go = slow_backend(t)
    certs = {n: t.certificate(n, f'{n}.example.com') for n in 'ab'}
    objects = [*(secret(n, *certs[n]) for n in 'ab'), service('b', b.port), route(rule('b'))]
    one = {n: listener(443, n, 'HTTPS', f'{n}.example.com', [n]) for n in 'ab'}
    s = t.serve(gateway(*one.values()), *objects, ports=(443,), args=('--workers', '1'))
    c, stays = (Frames(t, s.port[443], tls=trusting(certs[n][0], alpn=['h2']), sni=f'{n}.example.com') for n in 'ab')
    n = c.ask('/slow', authority='a.example.com')
    equal(stays.status(stays.ask('/', authority='b.example.com')), 200)
    eventually(lambda: s.metric('postern_requests_open') == 1, 'it is under way')
    t.put('main.yaml', gateway_class(), gateway(one['b']), *objects)
    ends_in_two_steps(c, n, go)
    equal(stays.status(stays.ask('/', authority='b.example.com')), 200)
    assert not [f for f in stays.frames if f.type == GOAWAY]


@case
def goaway_when_a_listener_takes_its_name(t):
    """When a listener with the very name comes beside a wildcard, are clients of that name led to it rather than answered 421 for good?"""
    b, go = slow_backend(t)
    wild, own = t.certificate('w', '*.example.com'), t.certificate('o', 'a.example.com')
    objects = [secret('w', *wild), secret('o', *own), service('b', b.port), route(rule('b'))]
    one = listener(443, 'w', 'HTTPS', '*.example.com', ['w'])
    s = t.serve(gateway(one), *objects, ports=(443,), args=('--workers', '1'))
    c = Frames(t, s.port[443], tls=trusting(wild[0], alpn=['h2']), sni='a.example.com')
    n = c.ask('/slow', authority='a.example.com')
    eventually(lambda: s.metric('postern_requests_open') == 1, 'it is under way')
    t.put('main.yaml', gateway_class(), gateway(one, listener(443, 'o', 'HTTPS', 'a.example.com', ['o'])), *objects)
    ends_in_two_steps(c, n, go)
    c = Frames(t, s.port[443], tls=trusting(own[0], alpn=['h2']), sni='a.example.com')
    equal(c.status(c.ask('/', authority='a.example.com')), 200)


@case
def goaway_when_authorities_change(t):
    """When a listener asks other certificates of its clients than before, does a stream that runs end well, and its connection with it?"""
    b, go = slow_backend(t)
    cert = t.certificate('h', 'h')
    old, new = authority(t, 'old'), authority(t, 'new')
    pair = signed(t, 'client', old)

    def objects(by):
        g = gateway(listener(443, 'h', 'HTTPS', None, ['h']))
        g['spec']['tls'] = {'frontend': {'default': validation('ca')}}
        return [g, secret('h', *cert), bundle('ca', by), service('b', b.port), route(rule('b'))]
    s = t.serve(*objects(old), ports=(443,), args=('--workers', '1'))
    context = trusting(cert[0], alpn=['h2'])
    context.load_cert_chain(*pair)
    c = Frames(t, s.port[443], tls=context, sni='h')
    n = c.ask('/slow', authority='h')
    eventually(lambda: s.metric('postern_requests_open') == 1, 'it is under way')
    t.put('main.yaml', gateway_class(), *objects(new))
    ends_in_two_steps(c, n, go)


@case
def a_new_certificate_ends_nothing(t):
    """Does a renewed server certificate hold for new connections, and leave those that are open alone?"""
    b, go = slow_backend(t)
    first, second = t.certificate('one', 'h'), t.certificate('two', 'h')
    objects = [gateway(listener(443, 'h', 'HTTPS', None, ['h'])), service('b', b.port), route(rule('b'))]
    s = t.serve(*objects, secret('h', *first), ports=(443,), args=('--workers', '1'))
    c = Frames(t, s.port[443], tls=trusting(first[0], alpn=['h2']), sni='h')
    n = c.ask('/slow', authority='h')
    eventually(lambda: s.metric('postern_requests_open') == 1, 'it is under way')
    t.put('main.yaml', gateway_class(), *objects, secret('h', *second))

    def is_new():
        d = Frames(t, s.port[443], tls=trusting(second[0], alpn=['h2']), sni='h')
        return d.status(d.ask('/', authority='h')) == 200
    eventually(is_new, 'the new certificate is shown')
    equal(c.status(c.ask('/', authority='h')), 200)
    go.set()
    equal((c.status(n), c.body(n)), (200, b'done'))
    assert not [f for f in c.frames if f.type == GOAWAY]
