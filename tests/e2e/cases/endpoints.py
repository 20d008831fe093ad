# SPDX-License-Identifier: Apache-2.0
"""Endpoints: which of a backend's get requests, by their conditions and by how they fared. Four workers, who know the same."""
import socket
import struct
import threading

from backends import Backend
from client import Connection
from harness import case, equal, eventually
from manifests import gateway, gateway_class, path, route, rule, service, thing

SETTINGS = {'group': '', 'kind': 'ConfigMap', 'name': 'edge'}
FOR_GOOD = {'ejection.time': '1h', 'ejection.timeMax': '1h'}


def tuned(g, **data):
    """The Gateway with settings: `ejection_time` is ejection.time."""
    g['spec']['infrastructure'] = {'parametersRef': SETTINGS}
    return [g, thing('ConfigMap', 'edge', version='v1', data={k.replace('_', '.', 1): v for k, v in data.items()})]


def start(t, ports, timeouts=None, **data):
    """Two Services with the same endpoints, each with a route of its own: /b and /c."""
    more = {'timeouts': timeouts} if timeouts else {}
    return t.serve(*tuned(gateway(), **{k.replace('.', '_', 1): v for k, v in FOR_GOOD.items()} | data), service('b', *ports), service('c', *ports),
                   route(rule('b', matches=[path('/b')], **more), rule('c', matches=[path('/c')], **more)), args=('--workers', '4'))


def one_ill(t, handler, **more):
    """Three endpoints, one of which behaves so."""
    ill, web = t.backend('ill', handler), [t.backend(f'pod-{i}') for i in range(2)]
    return start(t, [ill.port, *(b.port for b in web)], **more), ill


def statuses(s, n):
    """What n requests get, each on a connection of its own, so of several workers, by both routes in turn."""
    out = {}
    for i in range(n):
        a = s.ask('/b' if i % 2 else '/c')
        out[a.status] = out.get(a.status, 0) + 1
    return out


def black_hole(t):
    """A port that connections are neither made to nor refused by: its queue is full."""
    hole = socket.socket()
    hole.bind(('127.0.0.1', t.port()))
    hole.listen(0)
    kept = []
    while True:
        c = socket.socket()
        c.settimeout(0.3)
        kept.append(c)
        try:
            c.connect(hole.getsockname())
        except OSError:
            break
    t.finally_(lambda: [x.close() for x in [hole, *kept]])
    return hole.getsockname()[1]


@case
def refusing_endpoint_is_tried_once(t):
    """One of three endpoints refuses: does one connection fail in all, whichever worker or route meets it, and does no request?"""
    web = [t.backend(f'pod-{i}') for i in range(2)]
    s = start(t, [t.port(), *(b.port for b in web)])
    equal(statuses(s, 200), {200: 200})
    s.comes_to(1, 'postern_upstream_connect_failures_total')
    equal(sum(len(b.requests) for b in web), 200)
    eventually(lambda: [s.metric('postern_endpoints', state=x) for x in ('in', 'out')] == [2, 1], 'two are in, one is out')
    s.comes_to(1, 'postern_endpoints_put_out_total')


@case
def black_hole_is_tried_once(t):
    """One of three endpoints can not be connected to: does one request wait, and none fail?"""
    web = [t.backend(f'pod-{i}') for i in range(2)]
    s = start(t, [black_hole(t), *(b.port for b in web)], timeouts_connect='300ms')
    equal(statuses(s, 100), {200: 100})
    s.comes_to(1, 'postern_upstream_connect_failures_total')


@case
def resetting_endpoint_is_put_out(t):
    """One of three endpoints closes each connection when it was asked: do as many requests fail as the settings allow, of all workers and routes?"""
    def reset(stream, r):
        return False
    s, bad = one_ill(t, reset, ejection_failures='3')
    equal(statuses(s, 200), {200: 197, 502: 3})
    equal(len(bad.requests), 3)


@case
def silent_endpoint_is_put_out(t):
    """One of three endpoints never answers: the same, by the timeout."""
    def silent(stream, r):
        t.silence.wait(60)
        return False
    t.silence = threading.Event()
    t.finally_(t.silence.set)
    s, _ = one_ill(t, silent, timeouts={'backendRequest': '1s'}, ejection_failures='2')
    equal(statuses(s, 100), {200: 98, 504: 2})


def sick(stream, r):
    stream.body(r)
    stream.answer(503)
    return True


@case
def statuses_are_the_applications(t):
    """Without a setting, does an endpoint that answers 5xx stay in?"""
    bad, good = t.backend('bad', sick), t.backend('good')
    got = statuses(start(t, [bad.port, good.port]), 200)
    assert got[503] > 50 and got[200] + got[503] == 200, got


@case
def failing_statuses_put_an_endpoint_out(t):
    """Do as many answers of 5xx as the settings say put an endpoint out?"""
    s, bad = one_ill(t, sick, ejection_statuses='5')
    equal(statuses(s, 200), {200: 195, 503: 5})
    equal(len(bad.requests), 5)


@case
def endpoint_comes_back_by_a_trial(t):
    """An endpoint that refused listens again: does it get requests again, and did none fail meanwhile?"""
    ports, web = [t.port(), t.port()], []
    first = t.backend('first')
    s = start(t, [first.port, ports[0]], ejection_time='50ms', ejection_timeMax='100ms')
    equal(statuses(s, 50), {200: 50})
    eventually(lambda: s.metric('postern_upstream_connect_failures_total') >= 1, 'it was met')
    web.append(Backend('late', port=ports[0]))
    t.finally_(web[0].close)

    def served():
        equal(statuses(s, 4), {200: 4})
        return len(web[0].requests) > 0
    eventually(served, 'it is tried, and serves')
    before = len(web[0].requests)
    equal(statuses(s, 100), {200: 100})
    assert len(web[0].requests) > before + 20, 'it has its share again'
    eventually(lambda: [s.metric('postern_endpoints', state=x) for x in ('in', 'out')] == [2, 0], 'both are in')
    s.comes_to(1, 'postern_endpoints_back_total')
    eventually(lambda: s.metric('postern_endpoint_trials_total') == s.metric('postern_endpoints_put_out_total'), 'a trial each time')


@case
def round_robin_is_exact(t):
    """With RoundRobin, does each of three endpoints get a third of the requests of a thread, and when one refuses, each of two a half?"""
    web = [t.backend(f'pod-{i}') for i in range(3)]
    data = {'balancing': 'RoundRobin', 'ejection_time': '1h', 'ejection_timeMax': '1h'}
    s = t.serve(*tuned(gateway(), **data), service('b', *(b.port for b in web)), route(rule('b')), args=('--workers', '1'))
    equal({s.ask().status for _ in range(90)}, {200})
    equal([len(b.requests) for b in web], [30] * 3)
    t.put('main.yaml', gateway_class(), *tuned(gateway(), **data), service('b', t.port(), *(b.port for b in web[1:])), route(rule('b')))
    eventually(lambda: s.ask().status == 200 and s.metric('postern_upstream_connect_failures_total') == 1, 'the one that refuses is met')
    before = [len(b.requests) for b in web]
    equal({s.ask().status for _ in range(90)}, {200})
    equal([len(b.requests) - n for b, n in zip(web, before)], [0, 45, 45])


@case
def slow_endpoint_gets_less(t):
    """One of three endpoints is slow: does it get fewer requests than the others, as one that has many under way?"""
    others = threading.Condition()
    served = 0

    def slow(stream, r):
        stream.body(r)
        with others:  # slow by what the others do meanwhile, whatever the machine's own pace
            until = served + 80
            others.wait_for(lambda: served >= until, 2)
        stream.answer(200)
        return True

    def quick(stream, r):
        nonlocal served
        stream.body(r)
        with others:
            served += 1
            others.notify_all()
        stream.answer(200)
        return True
    bad, web = t.backend('bad', slow), [t.backend(f'pod-{i}', quick) for i in range(2)]
    s = t.serve(gateway(), service('b', bad.port, *(b.port for b in web)), route(rule('b')), args=('--workers', '1'))
    threads = [threading.Thread(target=lambda: [s.ask() for _ in range(50)]) for _ in range(12)]
    for x in threads:
        x.start()
    for x in threads:
        x.join()
    equal(sum(len(b.requests) for b in [bad, *web]), 600)
    assert len(bad.requests) * 3 < min(len(b.requests) for b in web), [len(b.requests) for b in [bad, *web]]


class Held:
    """A backend that answers when it is told to, and knows how many it had at once."""

    def __init__(self, t):
        self.now, self.most, self.lock, self.go = 0, 0, threading.Lock(), threading.Event()
        t.finally_(self.go.set)
        self.b = t.backend('held', self.handle)

    def handle(self, stream, r):
        stream.body(r)
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)
        self.go.wait(60)
        with self.lock:
            self.now -= 1
        stream.answer(200)
        return True


def asking(t, s, targets):
    """Asks for each in a thread; a list that the statuses come into."""
    got = []
    threads = [threading.Thread(target=lambda x=x: got.append((x, s.ask(x).status))) for x in targets]
    for x in threads:
        x.start()
    t.finally_(lambda: [x.join() for x in threads])
    return got


def limited(t, h, workers=4, **data):
    return t.serve(*tuned(gateway(), **data), service('b', h.b.port), route(rule('b')), args=('--workers', str(workers)))


def waiting(s, n):
    eventually(lambda: s.metric('postern_upstream_waiting') == n, f'{n} wait')


@case
def connections_of_a_backend_are_limited(t):
    """Do as many requests reach a backend as it may have connections, as many wait as the queue takes, and do the others get 503, over four workers?"""
    h = Held(t)
    s = limited(t, h, limits_backendConnections='3', limits_backendWaiting='4', timeouts_backendWait='1m')
    first = asking(t, s, ['/first'] * 3)
    eventually(lambda: h.now == 3, 'three are there')
    later = asking(t, s, ['/later'] * 4)
    waiting(s, 4)
    for _ in range(20):
        a = s.ask('/too-many')
        equal(a.status, 503)
        assert 'connections it may have' in a.text(), a.text()
    equal(s.metric('postern_upstream_waiting'), 4)
    h.go.set()
    eventually(lambda: len(first) == 3 and len(later) == 4, 'all are answered')
    equal(({x for _, x in first + later}, h.most, len(h.b.requests)), ({200}, 3, 7))
    s.comes_to(4, 'postern_upstream_waited_total')
    equal({s.ask().status for _ in range(20)}, {200})


@case
def a_queue_is_in_order(t):
    """Are those that wait served in the order they came, and are those whose client goes left out?"""
    h = Held(t)
    s = limited(t, h, 1, limits_backendConnections='1', timeouts_backendWait='1m')
    got = asking(t, s, ['/0'])
    eventually(lambda: h.now == 1, 'the first one is there')
    gone = None
    for i in range(1, 6):
        if i == 3:
            gone = t.connection(s.port[80])
            gone.send('GET /3 HTTP/1.1\r\nHost: example.com\r\n\r\n')
        else:
            got_i = asking(t, s, [f'/{i}'])
        waiting(s, i)
    gone.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
    gone.close()
    waiting(s, 4)
    h.go.set()
    eventually(lambda: got_i, 'the last one is answered')
    equal([r.target for r in h.b.requests], ['/0', '/1', '/2', '/4', '/5'])
    equal(h.b.connections, 1)


@case
def a_queue_is_left_when_time_is_over(t):
    """Does a request that waits too long for a connection get 503, and none of the backend?"""
    h = Held(t)
    s = limited(t, h, limits_backendConnections='1', timeouts_backendWait='300ms')
    asking(t, s, ['/'])
    eventually(lambda: h.now == 1, 'the first one is there')
    equal([s.ask().status for _ in range(3)], [503] * 3)
    waiting(s, 0)
    equal(len(h.b.requests), 1)
    h.go.set()


@case
def many_clients_share_few_connections(t):
    """Under load of 24 clients over four workers, are all requests answered by a backend that may have five connections, and never more at once?"""
    h = Held(t)
    h.go.set()
    s = limited(t, h, limits_backendConnections='5', timeouts_backendWait='1m')
    load = t.load(s.port[80], conns=24)
    eventually(lambda: len(h.b.requests) > 3000, 'some thousand requests', 60)
    load.unharmed()
    assert h.most <= 5, h.most
    eventually(lambda: s.metric('postern_upstream_waited_total') > 0, 'some waited')


def checked(name, well, seen):
    """Serves requests always, and tells checks how it is."""
    def handler(stream, r):
        stream.body(r)
        if r.target == '/healthz':
            seen.append((r.get('host'), r.get('user-agent')))
        stream.answer(503 if r.target == '/healthz' and not well.is_set() else 200, [('X-Served-By', name)])
        return True
    return handler


@case
def checks_put_endpoints_out_and_back(t):
    """Is an endpoint whose checks fail left before a request fails, does it come back, and when all fail, do requests go on?"""
    well, seen = [threading.Event() for _ in range(3)], []
    web = [t.backend(f'pod-{i}', checked(f'pod-{i}', w, seen)) for i, w in enumerate(well)]
    for w in well:
        w.set()
    s = t.serve(*tuned(gateway(), check_protocol='HTTP', check_path='/healthz', check_interval='50ms', check_failures='2'),
                service('b', *(b.port for b in web)), route(rule('b')), args=('--workers', '4'))
    equal({s.ask().get('X-Served-By') for _ in range(60)}, {'pod-0', 'pod-1', 'pod-2'})
    out = lambda n: eventually(lambda: s.metric('postern_endpoints', state='out') == n, f'{n} out')
    well[0].clear()
    out(1)
    equal({s.ask().get('X-Served-By') for _ in range(60)}, {'pod-1', 'pod-2'})
    well[1].clear(), well[2].clear()
    out(3)
    equal({s.ask().status for _ in range(60)}, {200})
    for w in well:
        w.set()
    out(0)
    equal({s.ask().get('X-Served-By') for _ in range(60)}, {'pod-0', 'pod-1', 'pod-2'})
    equal({x for x in seen} <= {(f'127.0.0.1:{b.port}', 'postern-check') for b in web}, True)
    eventually(lambda: s.metric('postern_endpoint_checks_total', result='bad') >= 6, 'two of each were bad')


@case
def checks_begin_with_the_routes(t):
    """Are endpoints checked before any request, those of a route that comes later too, so that the first request meets none that is not well?"""
    seen = []
    bad, good, later = t.backend('bad', checked('bad', threading.Event(), seen)), t.backend('good'), t.backend('later', checked('later', threading.Event(), seen))
    objects = [*tuned(gateway(), check_protocol='HTTP', check_path='/healthz', check_interval='100ms', check_failures='2'), service('b', bad.port, good.port)]
    t.put('class.yaml', gateway_class())
    t.put('all.yaml', *objects, route(rule('b')))
    s = t.serve(args=('--workers', '3'))
    eventually(lambda: s.metric('postern_endpoints', state='out') == 1, 'one is out', 20)
    equal(s.metric('postern_requests_total'), 0)
    equal(s.metric('postern_endpoint_state', state='checks_failed', endpoint=f'127.0.0.1:{bad.port}'), 1)
    equal({s.ask().get('X-Served-By') for _ in range(20)}, {'good'})
    before = len(seen)
    t.put('all.yaml', *objects, service('c', later.port), route(rule('b'), rule('c', matches=[path('/c')])))
    eventually(lambda: s.metric('postern_endpoints', state='out') == 2, 'that of the new rule is out, too', 30)
    equal(sum(r.target != '/healthz' for r in later.requests), 0)
    assert len(seen) > before


@case
def checks_by_connection(t):
    """With TCP checks, is an endpoint that refuses put out by them alone, when requests put none out?"""
    good, port = t.backend('good'), t.port()
    s = t.serve(*tuned(gateway(), check_protocol='TCP', check_interval='50ms', check_failures='1', check_successes='1', ejection_failures='0'),
                service('b', good.port, port), route(rule('b')), args=('--workers', '2'))
    equal(s.ask().status, 200)
    eventually(lambda: s.metric('postern_endpoints', state='out') == 1, 'it is out')
    late = Backend('late', port=port)
    t.finally_(late.close)
    eventually(lambda: s.metric('postern_endpoints', state='out') == 0, 'it is back')
    eventually(lambda: s.ask().status == 200 and len(late.requests) > 0, 'it gets requests')


def pods(name, *those):
    """A Service with endpoints (port, conditions)."""
    objects = service(name)
    for i, (port, conditions) in enumerate(those):
        one = service(name, port)[1]
        one['metadata']['name'] = f'{name}-{i}'
        one['endpoints'][0]['conditions'] = conditions
        objects.append(one)
    return objects


READY = {'ready': True, 'serving': True, 'terminating': False}
ENDING = {'ready': False, 'serving': True, 'terminating': True}
ENDED = {'ready': False, 'serving': False, 'terminating': True}


@case
def ending_endpoints_serve_when_nothing_else_does(t):
    """Do requests go to ready endpoints, and when there is none to those that end and serve still, without one that fails?"""
    old, new = t.backend('old'), t.backend('new')
    t.put('pods.yaml', *pods('b', (old.port, READY)))
    s = t.serve(gateway(), route(rule('b')), args=('--workers', '4'))
    load = t.load(s.port[80])
    eventually(lambda: old.requests, 'the first one is used')
    t.put('pods.yaml', *pods('b', (old.port, ENDING)))  # nothing else: as before
    t.put('pods.yaml', *pods('b', (old.port, ENDING), (new.port, READY)))
    eventually(lambda: new.requests, 'the ready one is used')
    s.everywhere()
    equal({s.ask().get('X-Served-By') for _ in range(20)}, {'new'})
    t.put('pods.yaml', *pods('b', (old.port, ENDING), (new.port, ENDED)))
    eventually(lambda: s.ask().get('X-Served-By') == 'old', 'the one that serves still is used')
    load.unharmed()
    t.put('pods.yaml', *pods('b', (old.port, ENDED), (new.port, ENDED)))
    eventually(lambda: s.ask().status == 503, 'nobody serves')


@case
def leaving_endpoint_is_left(t):
    """An endpoint goes: are its idle connections closed at once, while an exchange under way is finished?"""
    go, closed = threading.Event(), []
    t.finally_(go.set)

    def handler(stream, r):
        stream.body(r)
        if r.target == '/long':
            stream.send('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345')
            go.wait(20)
            stream.send('67890')
            return True
        stream.answer(200, [('X-Served-By', 'old')])
        closed.append(not stream.file.peek(1))
        return False
    old, new = t.backend('old', handler), t.backend('new')
    t.put('pods.yaml', *pods('b', (old.port, READY)))
    s = t.serve(gateway(), route(rule('b')), args=('--workers', '1'))
    with Connection(s.port[80]) as c:
        c.send('GET /long HTTP/1.1\r\nHost: example.com\r\n\r\n')
        c.head()
        c.exactly(5)
        equal(s.ask('/short').get('X-Served-By'), 'old')
        eventually(lambda: s.metric('postern_upstream_idle') == 1, 'its connection is pooled')
        equal(closed, [])
        t.put('pods.yaml', *pods('b', (old.port, ENDING), (new.port, READY)))
        eventually(lambda: closed == [True], 'the idle connection is closed')
        s.comes_to(0, 'postern_upstream_idle')
        go.set()
        equal(c.exactly(5), b'67890')
    equal({s.ask().get('X-Served-By') for _ in range(5)}, {'new'})
