# SPDX-License-Identifier: Apache-2.0
"""What is told of the traffic: the access log and where it goes, metrics."""
import fcntl
import json
import os
import pty
import re
import signal
import socket
import ssl
import struct
import termios

from client import ask
from harness import case, equal, eventually, holds
from manifests import gateway, gateway_class, listener, path, route, rule, secret, service


def lines_of(file):
    try:
        return [json.loads(x) for x in open(file)]
    except FileNotFoundError:
        return []


@case
def access_log_file(t):
    """Is the access log's file opened anew after it was renamed, and on SIGHUP, with no line lost?"""
    log, old = t.file('access.log'), t.file('access.log.1')
    s = t.simple(args=('--access-log', 'json', '--access-log-to', log))
    s.ask('/one')
    eventually(lambda: [x['path'] for x in lines_of(log)] == ['/one'], 'the first line')
    os.rename(log, old)
    s.ask('/two')
    told = lambda: [x['path'] for x in lines_of(old) + lines_of(log)]
    eventually(lambda: told() == ['/one', '/two'], 'the second line, in either')
    os.kill(s.pid, signal.SIGHUP)
    eventually(lambda: os.path.exists(log), 'a new file')
    s.ask('/three')
    eventually(lambda: told() == ['/one', '/two', '/three'], 'the line of after')
    assert '/three' in open(log).read()
    os.unlink(log)
    eventually(lambda: os.path.exists(log), 'found to be gone', 5)
    equal(s.end(), 0)


@case
def access_log_phases(t):
    """Are attempts, TLS, phases and the rule's name told?"""
    cert, key = t.certificate('k', 'example.com')
    b = t.backend()
    log = t.file('access.log')
    s = t.serve(service('b', b.port), secret('k', cert, key), gateway(listener(443, 's', 'HTTPS', None, ['k'])), route(rule('b', name='main')), ports=(443,),
                args=('--access-log', 'json', '--access-log-to', log))
    equal(s.ask(port=443, host='example.com', tls=ssl.create_default_context(cafile=cert)).status, 200)
    line = eventually(lambda: lines_of(log), 'a line')[0]
    equal((line['tls'], line['tls_version'], line['server_name'], line['attempts'], line['status']), (True, 'TLSv1.3', 'example.com', 1, 200))
    equal(line['rule_name'], 'main')
    assert line['tls_cipher'].startswith('TLS_'), line
    assert 0 < line['wait_us'] <= line['first_byte_us'] <= line['total_us'] and line['route_us'] <= line['total_us'], line


@case
def access_log_format(t):
    """Does a Gateway log by a format of its own while others do as the process does, and does a change need no restart?"""
    log = t.file('access.log')
    b = t.backend()
    own = {'apiVersion': 'v1', 'kind': 'ConfigMap', 'metadata': {'name': 'own', 'namespace': 'default'}, 'data': {'accessLog': 'own %{status} %{path} %{request.header.x-a:json}'}}
    t.put('own.yaml', own)
    g = gateway(name='gw')
    g['spec']['infrastructure'] = {'parametersRef': {'group': '', 'kind': 'ConfigMap', 'name': 'own'}}
    s = t.serve(g, service('b', b.port), route(rule('b')), args=('--access-log-to', log))
    text = lambda: open(log).read()
    s.ask('/q', headers={'X-A': 'a"b'})
    eventually(lambda: text() == 'own 200 /q "a\\"b"\n', 'the line')
    own['data']['accessLog'] = 'json'
    t.put('own.yaml', own)
    eventually(lambda: s.ask('/again').status == 200 and '"path":"/again"' in text(), 'JSON')
    own['data']['accessLog'] = '%{statsu}'
    t.put('own.yaml', own)
    eventually(lambda: 'did you mean \\"status\\"' in s.page('/status').text(), 'told')


@case
def access_log_mistakes(t):
    """Is a template that is wrong refused at the start, with file, line, column and a caret?"""
    f = t.file('format')
    open(f, 'w').write('%{client} %{statsu}\n')
    said = t.run(t.binary, 'serve', '-f', t.manifests, '--access-log', '@' + f, status=2)
    holds(said, f'{f}:1:13:', 'there is no field "statsu"', 'did you mean "status"?', '\n              ^')
    holds(t.run(t.binary, 'serve', '-f', t.manifests, '--access-log', '%{client', status=2), '1:1: %{ without an end')
    said = t.run(t.binary, 'serve', '-f', t.manifests, '--admin', '0', '--access-log', 'json', '--access-log-to', t.file('none') + '/x', status=1)
    holds(said, 'access log to=', 'No such file or directory', '--access-log-to')


@case
def access_log_blocked(t):
    """A full disk, and a pipe that nobody reads: are all requests answered, and the lines that are lost counted?"""
    pipe = t.file('pipe')
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    t.finally_(lambda: os.close(reader))
    t.put('all.yaml', gateway_class(), gateway())
    for to in ('/dev/full', pipe):
        s = t.serve(args=('--access-log', 'json', '--access-log-to', to), ports=(80,))
        c = t.connection(s.port[80])
        for i in range(6000):  # a line each, of 2 kB: more than the sink's bound and a worker's ring hold
            equal(c.ask('/none', headers={'User-Agent': 'a' * 1500}).status, 404)
        eventually(lambda: s.metric('postern_access_log_dropped_total') + s.metric('postern_access_ring_dropped_total') > 0, f'{to}: lines are dropped')
        equal(s.page('/readyz').status, 200)
        equal(s.end(), 0)


def parsed(t, s, form):
    """/metrics as prometheus_client's parser reads it: (name, labels) -> value."""
    accept = {'openmetrics': 'application/openmetrics-text;version=1.0.0', 'prometheus': 'text/plain'}[form]
    page = ask(s.admin_port, '/metrics', host=f'127.0.0.1:{s.admin_port}', headers={'Accept': accept})
    holds(page.get('Content-Type'), accept.split(';')[0])
    open(t.file('metrics.txt'), 'wb').write(page.body)
    lines = t.run('/usr/bin/python3', os.path.join(os.path.dirname(os.path.dirname(__file__)), 'metrics_parse.py'), form, t.file('metrics.txt'))
    return {(name, tuple(sorted(labels.items()))): value for _, _, name, labels, value in map(json.loads, lines.splitlines())}


DURATION = 'http_server_request_duration_seconds'


@case
def metrics_parse(t):
    """Is /metrics read alike in both forms by another's parser, with requests by route, method, status and failure?"""
    b = t.backend()
    dead = t.port()
    s = t.serve(gateway(), service('b', b.port), service('dead', dead), route(rule('b', matches=[path('/a')])), route(rule('dead', matches=[path('/dead')]), name='dead'))
    for _ in range(3):
        equal(s.ask('/a').status, 200)
    equal(s.ask('/a', method='POST', body=b'x').status, 200)
    equal((s.ask('/dead').status, s.ask('/none').status), (502, 404))
    s.comes_to(6, DURATION + '_count')
    for form in ('prometheus', 'openmetrics'):
        m = parsed(t, s, form)
        of = lambda **labels: m[(DURATION + '_count', tuple(sorted(labels.items())))]
        get = {'http_request_method': 'GET', 'url_scheme': 'http'}
        equal(of(route='HTTPRoute/default/r', http_response_status_code='200', **get), 3)
        equal(of(route='HTTPRoute/default/r', http_response_status_code='200', **{**get, 'http_request_method': 'POST'}), 1)
        equal(of(route='HTTPRoute/default/dead', http_response_status_code='502', error_type='backend_refused', **get), 1)
        equal(of(http_response_status_code='404', error_type='no_route', **get), 1)
        equal(m[('postern_requests_total', ())], 6)
    t.put('main.yaml', gateway_class(), gateway(), service('b', b.port), route(rule('b', matches=[path('/a')])))
    eventually(lambda: not any(('route', 'HTTPRoute/default/dead') in labels for _, labels in parsed(t, s, 'prometheus')), 'its series go with the route')


@case
def metrics_bounded(t):
    """With 2,000 routes: at most 1,000 lines, the rest under route="other", and nothing uncounted?"""
    b = t.backend()
    n = 2000
    s = t.serve(gateway(), service('b', b.port), *(route(rule('b', matches=[path(f'/{i}/')]), name=f'r{i}') for i in range(n)))
    c = t.connection(s.port[80])
    for i in range(n):
        equal(c.ask(f'/{i}/x', method=('GET', 'POST', 'PUT')[i % 3]).status, 200)
    s.comes_to(n, DURATION + '_count')
    m = parsed(t, s, 'openmetrics')
    assert len(m) <= 1000, len(m)
    counts = {labels: v for (name, labels), v in m.items() if name == DURATION + '_count'}
    equal(sum(counts.values()), n)
    routes = {dict(labels)['route'] for labels in counts}
    assert len(routes) > 20 and 'other' in routes, routes
    equal(m[('postern_routes_other', ())], n - (len(routes) - 1))
    holds(t.run(t.binary, 'serve', '-f', t.manifests, '--metrics-series', '10', status=2), '--metrics-series')


@case
def endpoints_shown(t):
    """An endpoint that refuses, one that answers 503, one whose checks fail: do metrics, top, status and explain tell of each, and why?"""
    def sick(stream, r):
        stream.body(r)
        stream.answer(200 if r.target == '/well' else 503)
        return True
    good, bad, unfit, dead = t.backend(), t.backend('sick', sick), t.backend('unfit', sick), t.port()
    settings = lambda name, **data: {'apiVersion': 'v1', 'kind': 'ConfigMap', 'metadata': {'name': name, 'namespace': 'default'},
                                     'data': {'ejection.time': '1h', 'ejection.timeMax': '1h', **data}}
    one, two = gateway(listener(80)), gateway(listener(81), name='checked')
    one['spec']['infrastructure'] = {'parametersRef': {'group': '', 'kind': 'ConfigMap', 'name': 'plain'}}
    two['spec']['infrastructure'] = {'parametersRef': {'group': '', 'kind': 'ConfigMap', 'name': 'checks'}}
    s = t.serve(one, two, settings('plain', **{'ejection.statuses': '2'}),
                settings('checks', **{'check.protocol': 'HTTP', 'check.path': '/checked', 'check.interval': '50ms', 'check.failures': '2'}),
                service('b', good.port, bad.port, dead), service('c', unfit.port), route(rule('b')), route(rule('c'), name='c', parents=('checked',)),
                ports=(80, 81), args=('--workers', '2'))
    for _ in range(40):
        s.ask('/')
    s.ask('/well', port=81)
    eventually(lambda: s.metric('postern_endpoints', state='out') == 3, 'three are out')
    of = lambda backend, port: {'backend': f'default/{backend}:80', 'endpoint': f'127.0.0.1:{port}'}
    m = parsed(t, s, 'openmetrics')
    state = {dict(labels)['endpoint']: (dict(labels)['state'], dict(labels).get('cause')) for (name, labels) in m if name == 'postern_endpoint_state'}
    equal(state, {f'127.0.0.1:{good.port}': ('serving', None), f'127.0.0.1:{bad.port}': ('ejected', '5xx'), f'127.0.0.1:{dead}': ('ejected', 'connect'),
                  f'127.0.0.1:{unfit.port}': ('checks_failed', 'checks')})
    s.comes_to(len(good.requests), 'postern_endpoint_requests_total', **of('b', good.port))
    s.comes_to(2, 'postern_endpoint_failures_total', why='5xx', **of('b', bad.port))
    s.comes_to(1, 'postern_endpoint_failures_total', why='connect', **of('b', dead))
    eventually(lambda: s.metric('postern_endpoint_connections_open', **of('b', good.port)) >= 1, 'one is pooled')
    equal(s.metric('postern_endpoints_other'), 0)
    admin = ('--admin', f'127.0.0.1:{s.admin_port}')
    text = t.run(t.binary, 'status', *admin)
    holds(text, 'endpoints: 3, out: 2', f'127.0.0.1:{dead} ejected: no connection: Connection refused',
          f'127.0.0.1:{bad.port} ejected: 2 answers in a row were 5xx, the last: status 503',
          'backend default/c:80: none of its 1 endpoints serves as it should', 'checks in a row failed, the last: status 503')
    holds(t.run(t.binary, 'explain', *admin, 'GET', f'http://127.0.0.1:{s.port[80]}/'), 'not well', f'127.0.0.1:{dead} ejected: no connection: Connection refused')
    text = top(t, s, '--once', '-i', '1')
    holds(text, 'ENDPOINT', f'default/b:80 127.0.0.1:{bad.port}', 'ejected (5xx)', 'checks_failed (checks)')
    got = {e['endpoint']: e for e in json.loads(top(t, s, '--once', '-o', 'json', '-i', '1'))['endpoints']}
    equal((got[f'127.0.0.1:{dead}']['state'], got[f'127.0.0.1:{dead}']['cause']), ('ejected', 'connect'))


def top(t, s, *args, **more):
    return t.run(t.binary, 'top', '--admin', f'127.0.0.1:{s.admin_port}', *args, **more)


@case
def top_once(t):
    """Does top tell rates, errors and latencies by route, as a table and as JSON, and say when nobody answers?"""
    b, dead = t.backend(), t.port()
    s = t.serve(gateway(), service('b', b.port), service('dead', dead), route(rule('b')), route(rule('dead', matches=[path('/dead')]), name='dead'))
    load = t.load(s.port[80])
    try:
        text = top(t, s, '--once', '--interval', '1')
        for _ in range(3):
            s.ask('/dead')
        s.comes_to(3, DURATION + '_count', route='HTTPRoute/default/dead')
        got = json.loads(top(t, s, '--once', '-o', 'json', '-i', '1', '--sort', 'name'))
    finally:
        load.result()
    line = next(x for x in text.splitlines() if x.startswith('HTTPRoute/default/r '))
    assert float(line.split()[1]) > 10 and line.split()[2] == '-' and line.split()[4].endswith('s'), text
    holds(text, 'REQ/S', 'ERR%', 'P99', 'requests/s', 'sorted by rate')
    assert '\x1b' not in text, text
    by_name = {r['route']: r for r in got['routes']}
    equal(list(by_name), sorted(by_name))
    equal(by_name['HTTPRoute/default/dead']['total'], 3)
    assert by_name['HTTPRoute/default/r']['requestsPerSecond'] > 10 and 0 < by_name['HTTPRoute/default/r']['p99Seconds'] < 5, got
    s.end()
    holds(top(t, s, '--once', status=1), 'nobody answers')
    top(t, s, '--sort', 'size', status=2)
    top(t, s, '--interval', '0', status=2)


@case
def top_screen(t):
    """On a terminal: a picture that fits, sorted by the key that is pressed, ended by q with the terminal as it was?"""
    s = t.simple()
    for _ in range(5):
        s.ask('/')
    pid, fd = pty.fork()
    if pid == 0:  # the size is there before the program looks
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack('HHHH', 10, 40, 0, 0))
        os.execv(t.binary, [t.binary, 'top', '-i', '1', '--admin', f'127.0.0.1:{s.admin_port}'])
    os.set_blocking(fd, False)
    seen = b''

    def shows(word):
        nonlocal seen
        try:
            seen += os.read(fd, 65536)
        except BlockingIOError:
            pass
        return word in seen

    eventually(lambda: shows(b'REQ/S') and shows(b'HTTPRoute/defau'), 'a picture', 15)
    holds(seen.decode(), '\x1b[?1049h')
    seen = b''
    os.write(fd, b'n')
    eventually(lambda: shows(b'\x1b[J'), 'sorted anew')
    plain = re.sub(r'\x1b\[[0-9;?]*[A-Za-z]', '', seen.decode())
    assert all(len(x) <= 40 for x in plain.splitlines()), plain
    os.write(fd, b'q')
    seen = b''
    eventually(lambda: shows(b'\x1b[?1049l'), 'the screen of before')
    equal(os.waitpid(pid, 0)[1], 0)
    os.close(fd)


@case
def access_log_handshakes(t):
    """Has a handshake that fails a line of its own, with why, for whom, and where; a look whether the port is open none; a template only when it asks?"""
    cert, key = t.certificate('k', 'example.com')
    b = t.backend()
    log = t.file('access.log')
    objects = [service('b', b.port), secret('k', cert, key), route(rule('b'))]
    s = t.serve(*objects, gateway(listener(443, 's', 'HTTPS', 'example.com', ['k'])), ports=(443,), args=('--access-log', 'json', '--access-log-to', log))
    port = s.port[443]
    failures = lambda: [(x['tls_failure'], x['server_name'], x['listener'], x['gateway']) for x in lines_of(log)]
    socket.create_connection(('127.0.0.1', port)).close()  # as a load balancer looks
    eventually(lambda: s.metric('postern_tls_handshake_failures_total', reason='closed') == 1, 'counted')

    def fails(host, cafile=cert):
        context = ssl.create_default_context(cafile=cafile)
        try:
            with context.wrap_socket(socket.create_connection(('127.0.0.1', port)), server_hostname=host) as c:
                c.recv(1)
        except OSError:
            return
        raise AssertionError('it did not fail')
    fails('other.example')
    eventually(lambda: failures() == [('no_certificate', 'other.example', None, None)], 'a line')
    fails('example.com', cafile=t.certificate('other', 'example.com')[0])
    eventually(lambda: failures()[1:] == [('refused_by_peer', 'example.com', 's', 'default/gw')], 'a line of its listener')
    with socket.create_connection(('127.0.0.1', port)) as c:
        c.sendall(b'GET / HTTP/1.1\r\nHost: example.com\r\n\r\n')
        holds(c.recv(4096).decode(), ' 400 ')
    last = eventually(lambda: failures()[-1][0] == 'plain_http' and lines_of(log)[-1], 'the last line')
    equal((last['client'], last['method'], last['status'], last['reason'], last['protocol'], last['tls']), ('127.0.0.1', None, 0, 'tls_handshake', None, True))
    assert last['client_port'] > 0 and last['time'], last
    equal(s.metric('postern_requests_total'), 0)


@case
def access_log_handshakes_flood(t):
    """Are lines of failed handshakes bounded, those left out counted, and requests told as ever? Is a template left alone?"""
    cert, key = t.certificate('k', 'example.com')
    b = t.backend()
    log, own = t.file('access.log'), t.file('own.log')
    objects = [service('b', b.port), secret('k', cert, key), route(rule('b')), gateway(listener(443, 's', 'HTTPS', None, ['k']))]
    s = t.serve(*objects, ports=(443,), args=('--access-log', 'json', '--access-log-to', log, '--workers', '1'))
    for _ in range(600):
        with socket.create_connection(('127.0.0.1', s.port[443])) as c:
            c.sendall(b'\x00\x01\x02\x03\x04')
            c.recv(1)
    eventually(lambda: s.metric('postern_tls_handshake_failures_total', reason='not_tls') == 600, 'all are counted')
    left_out = lambda: s.metric('postern_access_handshakes_left_out_total')
    eventually(lambda: len(lines_of(log)) + left_out() == 600, 'each has a line or is counted')
    assert left_out() > 0
    s.stop()
    s = t.serve(*objects, ports=(443,), args=('--access-log', '%{client} %{status}', '--access-log-to', own))
    with socket.create_connection(('127.0.0.1', s.port[443])) as c:
        c.sendall(b'\x00\x01\x02\x03\x04')
        c.recv(1)
    eventually(lambda: s.metric('postern_tls_handshake_failures_total', reason='not_tls') == 1, 'counted')
    equal(s.ask(port=443, host='example.com', tls=ssl.create_default_context(cafile=cert)).status, 200)
    eventually(lambda: open(own).read() == '127.0.0.1 200\n', 'the request alone')
