# SPDX-License-Identifier: Apache-2.0
"""Sessions: requests of a client that follow one another go to one endpoint."""
import base64
import re
import socket
import time

from harness import case, equal, eventually
from manifests import gateway, gateway_class, path, ref, route, rule, service


def pods(t, n, kept=True):
    """Endpoints of one Service that tell themselves apart; kept: connections are."""
    def of(name):
        def once(stream, r):
            stream.answer(200, [('X-Served-By', name), ('Connection', 'close')])
            return False
        return t.backend(name, handler=None if kept else once)
    return [of(f'pod-{i}') for i in range(n)]


def persistent(kind='Cookie', **what):
    return {'type': kind, **({'cookie': {}} if kind == 'Cookie' else {'header': {'name': 'X-Session'}}), **what}


def cookie_of(a):
    """(name, token, attributes) of the answer's one cookie."""
    lines = a.all('Set-Cookie')
    equal(len(lines), 1, f'cookies of {a}')
    pair, _, attributes = lines[0].partition('; ')
    name, _, token = pair.partition('=')
    return name, token, attributes


@case
def session_by_cookie(t):
    """Does a cookie lead back to its endpoint, whichever worker is asked, and tell nothing of it?"""
    web = pods(t, 4)
    s = t.serve(gateway(), service('web', *(p.port for p in web)), route(rule('web', sessionPersistence=persistent())), args=('--workers', '4'))
    first = s.ask('/')
    name, token, attributes = cookie_of(first)
    assert re.fullmatch(r'postern-[0-9a-f]{16}', name), name
    equal(attributes, 'Path=/; HttpOnly; SameSite=Strict')
    raw = base64.b64decode(token)
    assert b'\x7f\0\0\1' not in raw and b'127.0.0.1' not in raw, token
    for _ in range(24):  # new connections, so several workers
        a = s.ask('/', headers={'Cookie': f'other=1; {name}={token}'})
        equal((a.get('X-Served-By'), a.all('Set-Cookie')), (first.get('X-Served-By'), []))
    served = {s.ask('/').get('X-Served-By') for _ in range(60)}
    equal(served, {f'pod-{i}' for i in range(4)}, 'those without a cookie')
    # what is not ours is nothing
    for bad in ('x', token[:-4] + 'AAAA', token + 'A', token[:40], 'A' * 4000):
        assert cookie_of(s.ask('/', headers={'Cookie': f'{name}={bad}'}))[1] != token


@case
def session_by_header(t):
    """Does a header lead back to its endpoint, of its own backend alone, and is it given once?"""
    web = pods(t, 3)
    api = [t.backend(f'api-{i}') for i in range(3)]
    s = t.serve(gateway(), service('web', *(p.port for p in web)), service('api', *(p.port for p in api)), route(
        rule('web', matches=[path('/web')], sessionPersistence=persistent('Header')), rule('api', matches=[path('/api')], sessionPersistence=persistent('Header'))))
    first = s.ask('/web')
    token = first.get('X-Session')
    for _ in range(12):
        a = s.ask('/web', headers={'x-session': token})
        equal((a.get('X-Served-By'), a.get('X-Session')), (first.get('X-Served-By'), None))
        equal([v for k, v in a.json()['headers'] if k.lower() == 'x-session'], [token], 'the backend may see it')
    other = s.ask('/api', headers={'X-Session': token})
    assert other.get('X-Session') and other.get('X-Session') != token, other


@case
def session_of_gone_endpoint(t):
    """Does a session whose endpoint is gone, or takes no connection, go on at another one, with a new token?"""
    web = pods(t, 3, kept=False)
    routes = route(rule('web', sessionPersistence=persistent()))
    s = t.serve(gateway(), service('web', *(p.port for p in web)), routes)
    name, token, _ = cookie_of(s.ask('/'))
    cookie = lambda v: {'Cookie': f'{name}={v}'}
    mine = next(p for p in web if p.name == s.ask('/', headers=cookie(token)).get('X-Served-By'))
    left = [p for p in web if p is not mine]
    t.put('main.yaml', gateway_class(), gateway(), service('web', *(p.port for p in left)), routes)
    eventually(lambda: s.ask('/', headers=cookie(token)).get('X-Served-By') != mine.name, 'its requests go elsewhere')
    s.everywhere()
    second = s.ask('/', headers=cookie(token))
    _, again, _ = cookie_of(second)
    equal(s.ask('/', headers=cookie(again)).get('X-Served-By'), second.get('X-Served-By'))
    dead = next(p for p in left if p.name == second.get('X-Served-By'))
    dead.listener.shutdown(socket.SHUT_RDWR)
    third = s.ask('/', headers=cookie(again))
    equal((third.status, third.get('X-Served-By')), (200, next(p.name for p in left if p is not dead)))
    cookie_of(third)


@case
def session_weights(t):
    """Is the backend chosen by weight on every request, and does each keep its own session?"""
    a, b = pods(t, 2), [t.backend(f'b-{i}') for i in range(2)]
    s = t.serve(gateway(), service('a', *(p.port for p in a)), service('b', *(p.port for p in b)), route(rule(ref('a', 1), ref('b', 1), sessionPersistence=persistent())))
    jar, seen = {}, {}
    for _ in range(80):
        answer = s.ask('/', headers={'Cookie': '; '.join(f'{k}={v}' for k, v in jar.items())} if jar else {})
        for line in answer.all('Set-Cookie'):
            name, _, token = line.partition(';')[0].partition('=')
            assert name not in jar, f'{name} was given twice'
            jar[name] = token
        served = answer.get('X-Served-By')
        seen[served] = seen.get(served, 0) + 1
    equal((len(jar), len(seen)), (2, 2), f'{jar} {seen}')
    assert all(n > 15 for n in seen.values()), seen


@case
def session_lifetime(t):
    """Does a session end at its time, whatever the client brings, and does a permanent cookie say when?"""
    web = pods(t, 2)
    short = persistent(absoluteTimeout='1s', cookie={'name': 'sid', 'path': '/short', 'lifetimeType': 'Permanent'})
    s = t.serve(gateway(), service('web', *(p.port for p in web)), route(rule('web', matches=[path('/short')], sessionPersistence=short)))
    name, token, attributes = cookie_of(s.ask('/short'))
    equal((name, attributes), ('sid', 'Path=/short; Max-Age=1; HttpOnly; SameSite=Strict'))
    begin = time.monotonic()
    eventually(lambda: s.ask('/short', headers={'Cookie': f'sid={token}'}).all('Set-Cookie'), 'the session ends')
    assert time.monotonic() - begin < 8


@case
def session_secret(t):
    """Do replicas and restarts with one --secret-file know one another's sessions, and others not? Is a short secret refused?"""
    web = pods(t, 6)
    secret_file = t.file('secret')
    with open(secret_file, 'w') as f:
        f.write('0123456789abcdef0123456789abcdef\n')
    objects = (gateway(), service('web', *(p.port for p in web)), route(rule('web', sessionPersistence=persistent())))
    one = t.serve(*objects, args=('--secret-file', secret_file))
    answer = one.ask('/')
    name, token, _ = cookie_of(answer)
    cookie = {'Cookie': f'{name}={token}'}
    two = t.serve(*objects, args=('--secret-file', secret_file))
    stranger = t.serve(*objects)
    one.stop()
    again = t.serve(*objects, args=('--secret-file', secret_file))
    for s in (two, again):
        for _ in range(6):
            a = s.ask('/', headers=cookie)
            equal((a.get('X-Served-By'), a.all('Set-Cookie')), (answer.get('X-Served-By'), []))
    cookie_of(stranger.ask('/', headers=cookie))
    with open(secret_file, 'w') as f:
        f.write('short')
    said = t.run(t.binary, 'serve', '-f', t.manifests, '--secret-file', secret_file, status=2)
    assert 'has 5 bytes' in said, said
