# SPDX-License-Identifier: Apache-2.0
"""Traces: what backends are told of them, and what a collector gets."""
import json
import os
import re

from client import ask
from harness import Process, case, equal, eventually, holds
from manifests import gateway, gateway_class, headers, path, route, rule, service, thing

SCRIPT = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), 'otlp_receiver.py')
PYTHON = '/usr/bin/python3'  # Debian's, which has Debian's protobuf and grpcio
TRACE, PARENT = '0af7651916cd43dd8448eb211c80319c', 'b7ad6b7169203331'
CAME = f'00-{TRACE}-{PARENT}-01'


class Receiver:
    def __init__(self, t, grpc=False):
        self.port, self.grpc_port = t.port(), t.port() if grpc else None
        self.process = Process(t, [PYTHON, SCRIPT, str(self.port), *([str(self.grpc_port)] if grpc else [])], 'otlp.log')
        eventually(lambda: ask(self.port, '/got').status == 200, 'the receiver answers', 20)

    def mode(self, **what):
        equal(ask(self.port, '/mode', method='POST', body=json.dumps(what).encode()).status, 200)

    def exports(self):
        return ask(self.port, '/got').json()

    def spans(self, n):
        """n spans at least, of all exports."""
        return eventually(lambda: (v := [s for e in self.exports() for s in e['spans']]) and len(v) >= n and v, f'{n} spans; log: {self.process.text()[-500:]}', 20)


def config(**data):
    """A Gateway whose settings say so."""
    g = gateway()
    g['spec']['infrastructure'] = {'parametersRef': {'group': '', 'kind': 'ConfigMap', 'name': 'edge'}}
    return [g, thing('ConfigMap', 'edge', version='v1', data={k.replace('_', '.'): v for k, v in data.items()})]


def policy(target='gw', name='p', **tracing):
    return thing('XTelemetryPolicy', name, {'targetRefs': [{'group': 'gateway.networking.k8s.io', 'kind': 'Gateway', 'name': target}],
                                             'tracing': {'mode': 'Enabled', **tracing}}, version='gateway.networking.x-k8s.io/v1alpha1')


def told(answer, name):
    return [v for k, v in answer['headers'] if k.lower() == name]


@case
def trace_context_untouched(t):
    """Without tracing: does what a client says of its trace pass as it came, good or not, and is its id in the access log?"""
    log = t.file('access.log')
    s = t.simple(args=('--access-log', 'json', '--access-log-to', log))
    a = s.told('/good', headers=[('Traceparent', CAME), ('Tracestate', 'x=1'), ('tracestate', 'y=2')])
    equal((told(a, 'traceparent'), told(a, 'tracestate')), ([CAME], ['x=1', 'y=2']))
    equal(told(s.told('/bad', headers=[('traceparent', 'nonsense')]), 'traceparent'), ['nonsense'])
    equal(told(s.told('/none'), 'traceparent'), [])
    lines = eventually(lambda: len(v := [json.loads(x) for x in open(log)]) == 3 and v, 'three lines')
    equal({x['path']: (x['trace_id'], x['span_id']) for x in lines}, {'/good': (TRACE, None), '/bad': (None, None), '/none': (None, None)})


@case
def trace_context_begun(t):
    """With a share alone: is a trace begun where none came, one that came passed on as it is, a wrong one replaced, its state gone?"""
    log = t.file('access.log')
    t.b = t.backend()
    s = t.serve(*config(tracing_sampling='100%'), route(rule('b')), service('b', t.b.port), args=('--access-log', '%{path} %{trace_id} %{span_id}', '--access-log-to', log))
    a = s.told('/none', headers=[('tracestate', 'x=1')])
    begun = told(a, 'traceparent')[0]
    assert re.fullmatch('00-[0-9a-f]{32}-[0-9a-f]{16}-01', begun), begun
    equal(told(a, 'tracestate'), [])
    assert told(s.told('/none'), 'traceparent')[0][3:35] != begun[3:35]
    a = s.told('/good', headers=[('traceparent', CAME), ('tracestate', 'x=1,y=2')])
    equal((told(a, 'traceparent'), told(a, 'tracestate')), ([CAME], ['x=1,y=2']))
    for i, wrong in enumerate(['nonsense', CAME.upper(), f'ff-{TRACE}-{PARENT}-01', f'00-{"0" * 32}-{PARENT}-01', CAME + '-']):
        a = s.told(f'/wrong/{i}', headers=[('traceparent', wrong), ('tracestate', 'x=1')])
        now = told(a, 'traceparent')
        assert len(now) == 1 and TRACE not in now[0] and now[0].endswith('-01'), now
        equal(told(a, 'tracestate'), [])
    now = told(s.told('/two', headers=[('traceparent', CAME), ('traceparent', CAME)]), 'traceparent')
    assert len(now) == 1 and TRACE not in now[0], now
    a = s.told('/later', headers=[('traceparent', f'01-{TRACE}-{PARENT}-00-more'), ('tracestate', 'no state')])
    equal((told(a, 'traceparent'), told(a, 'tracestate')), ([f'01-{TRACE}-{PARENT}-00-more'], []))
    lines = eventually(lambda: len(v := open(log).read().splitlines()) >= 10 and v, 'the lines')
    holds('\n'.join(lines), f'/none {begun[3:35]} -', f'/good {TRACE} -')


@case
def trace_spans(t):
    """Does a collector get a span for the request and one for each attempt, as OpenTelemetry names what they tell, and does the backend get the attempt's id?"""
    r = Receiver(t)
    t.b = t.backend()
    log = t.file('access.log')
    s = t.serve(*config(tracing_collector='otel:80', tracing_serviceName='edge-1', tracing_headers='X-Token: a b\nx-more: 1', tracing_attributes='region=eu-west zone=1',
                        tracing_batchTime='50ms'),
                route(rule('b', matches=[path('/shop')])), service('b', t.b.port), service('otel', r.port),
                args=('--access-log', 'json', '--access-log-to', log))
    a = s.told('/shop/a?x=1&sig=secret', headers=[('traceparent', CAME), ('tracestate', 'x=1'), ('User-Agent', 'me')], host='shop.example:8080')
    spans = r.spans(2)
    equal(len(spans), 2)
    server, client = sorted(spans, key=lambda x: x['kind'])
    equal((server['kind'], client['kind']), (2, 3))
    equal((server['trace'], server['parent'], server['state'], server['flags']), (TRACE, PARENT, 'x=1', 0x301))
    equal((client['trace'], client['parent']), (TRACE, server['span']))
    equal(told(a, 'traceparent'), [f'00-{TRACE}-{client["span"]}-01'])
    equal(told(a, 'tracestate'), ['x=1'])
    equal((server['name'], client['name']), ('GET /shop', 'GET'))
    at = server['attributes']
    wanted = {'http.request.method': 'GET', 'url.scheme': 'http', 'url.path': '/shop/a', 'url.query': 'x=1&sig=REDACTED', 'http.route': '/shop',
              'server.address': 'shop.example', 'server.port': 8080, 'client.address': '127.0.0.1', 'network.peer.address': '127.0.0.1',
              'network.protocol.version': '1.1', 'http.response.status_code': 200, 'user_agent.original': 'me', 'postern.gateway': 'default/gw',
              'postern.route': 'HTTPRoute/default/r', 'region': 'eu-west', 'zone': '1'}
    equal({k: at.get(k) for k in wanted}, wanted)
    assert at['client.port'] == at['network.peer.port'] and 'error.type' not in at, at
    at = client['attributes']
    wanted = {'http.request.method': 'GET', 'url.full': 'http://shop.example:8080/shop/a?x=1&sig=REDACTED', 'server.address': '127.0.0.1', 'server.port': t.b.port,
              'http.response.status_code': 200, 'region': 'eu-west'}
    equal({k: at.get(k) for k in wanted}, wanted)
    assert server['start'] <= client['start'] <= client['end'] <= server['end'], (server, client)
    e = r.exports()[0]
    equal((e['path'], e['resource']['service.name'], e['scope']), ('/v1/traces', 'edge-1', 'postern'))
    equal((e['fields']['content-type'], e['fields']['x-token'], e['fields']['x-more']), ('application/x-protobuf', 'a b', '1'))
    equal(e['fields']['host'], 'otel.default.svc:80')
    line = eventually(lambda: [json.loads(x) for x in open(log)], 'a line')[0]
    equal((line['trace_id'], line['span_id']), (TRACE, server['span']))
    s.ask('/nowhere', headers=[('user-agent', '\xff\xfe')])
    lost = r.spans(3)[2]
    equal((lost['attributes']['http.response.status_code'], lost['status'], lost['parent'], lost['name']), (404, 0, '', 'GET'))
    s.comes_to(3, 'postern_spans_sent_total')
    equal(s.metric('postern_spans_dropped_total'), 0)


@case
def trace_sampling(t):
    """Is a caller's decision followed, thinned by the share of its own; are new traces taken by theirs?"""
    r = Receiver(t)
    t.b = t.backend()
    half = {'numerator': 50}
    s = t.serve(gateway(), route(rule('b')), service('b', t.b.port), service('otel', r.port),
                policy(provider={'backendRef': {'name': 'otel', 'port': 80}}, samplingRate={'numerator': 0}, parentBasedSampling={'mode': 'Enabled', 'samplingRate': half}))
    equal(told(s.told('/'), 'traceparent')[0][-2:], '00')
    equal(told(s.told('/', headers=[('traceparent', CAME[:-2] + '00')]), 'traceparent'), [CAME[:-2] + '00'])
    taken = 0
    for i in range(64):
        trace = f'{TRACE[:18]}{i * 4:02x}{TRACE[20:]}'  # the last 56 bits decide
        now = told(s.told('/', headers=[('traceparent', f'00-{trace}-{PARENT}-01')]), 'traceparent')[0]
        equal(now[3:35], trace)
        assert PARENT not in now, now
        equal(now[-2:], '01' if i * 4 >= 128 else '00', trace)
        taken += now[-2:] == '01'
    equal(taken, 32)
    equal(len({x['trace'] for x in r.spans(64)}), 32)


@case
def trace_attempts(t):
    """Has each attempt of a request that is tried again a span of its own, with why it failed?"""
    r = Receiver(t)
    seen = []

    def handler(stream, q):
        stream.body(q)
        seen.append(q.get('traceparent'))
        stream.answer(503 if len(seen) == 1 else 200)
        return True
    t.b = t.backend('b', handler)
    dead = t.port()
    s = t.serve(gateway(), route(rule('b', retry={'codes': [503], 'attempts': 2, 'backoff': '1ms'})), service('b', t.b.port), service('otel', r.port),
                policy(provider={'backendRef': {'name': 'otel', 'port': 80}}))
    equal(s.ask('/').status, 200)
    spans = r.spans(3)
    server = [x for x in spans if x['kind'] == 2][0]
    clients = sorted((x for x in spans if x['kind'] == 3), key=lambda x: x['start'])
    equal([x['attributes'].get('http.response.status_code') for x in clients], [503, 200])
    equal([x['attributes'].get('error.type') for x in clients], ['503', None])
    equal([x['attributes'].get('http.request.resend_count') for x in clients], [None, 1])
    equal([x['status'] for x in clients], [2, 0])
    equal([x['parent'] for x in clients], [server['span']] * 2)
    equal([x[36:52] for x in seen], [x['span'] for x in clients])
    t.put('main.yaml', gateway_class(), gateway(), route(rule('b')), service('b', dead), service('otel', r.port), policy(provider={'backendRef': {'name': 'otel', 'port': 80}}))
    eventually(lambda: s.ask('/').status == 502, 'the endpoint that is none')
    n = len(r.spans(3))
    failed = eventually(lambda: [x for x in r.spans(n) if x['attributes'].get('error.type') == 'backend_refused'], 'spans of the failure')
    assert all(x['status'] == 2 for x in failed), failed


@case
def trace_policy(t):
    """Are a policy's names, headers and attributes on every span, and do the settings hold where it says Disabled or nothing?"""
    r = Receiver(t)
    t.b = t.backend()
    wishes = [{'name': 'user', 'sourceType': 'Header', 'headerName': 'X-User'}, {'name': 'region', 'sourceType': 'Literal', 'literalValue': 'eu west'},
              {'name': 'code', 'sourceType': 'Attribute', 'attributeKey': 'http.response.status_code'},
              {'name': 'types', 'sourceType': 'Attribute', 'attributeKey': 'http.response.header.content-type'},
              {'name': 'tags', 'sourceType': 'Attribute', 'attributeKey': 'http.request.header.x-tag'},
              {'name': 'url', 'sourceType': 'Attribute', 'attributeKey': 'url.full'}, {'name': 'none', 'sourceType': 'Attribute', 'attributeKey': 'gen_ai.system'},
              {'name': 'served', 'sourceType': 'Header', 'headerName': 'X-Served-By'}]
    p = policy(provider={'backendRef': {'name': 'otel', 'port': 80}, 'headers': [{'name': 'Authorization', 'value': 'Bearer x'}]}, serviceName='edge', spanName='ingress request',
               attributes=wishes)
    objects = [gateway_class(), gateway(), route(rule('b', filters=[headers('request', remove=['X-User'])])), service('b', t.b.port), service('otel', r.port)]
    t.put('main.yaml', *objects, p)
    s = t.serve()
    s.told('/a', headers=[('x-user', 'ann'), ('x-tag', '1'), ('x-tag', '2')])
    spans = r.spans(2)
    for x in spans:
        at = x['attributes']
        equal(x['name'], 'ingress request')
        equal((at['user'], at['region'], at['code'], at['types'], at['tags'], at['served']), ('ann', 'eu west', 200, ['application/json'], ['1', '2'], 'b'))
        assert at['url'].startswith('http://') and 'none' not in at, at
    e = r.exports()[0]
    equal((e['resource']['service.name'], e['fields']['authorization']), ('edge', 'Bearer x'))
    p['spec']['tracing'] = {'mode': 'Disabled'}
    t.put('main.yaml', *objects, p)
    eventually(lambda: told(s.told('/b', headers=[('traceparent', CAME)]), 'traceparent') == [CAME], 'no tracing')


@case
def trace_grpc(t):
    """Does a collector behind kubernetes.io/h2c get its spans by gRPC, and are they sent again when it is not available?"""
    r = Receiver(t, grpc=True)
    r.mode(grpc=14, times=1)
    t.b = t.backend()
    otel = service('otel', r.grpc_port)
    otel[0]['spec']['ports'][0]['appProtocol'] = 'kubernetes.io/h2c'
    s = t.serve(gateway(), route(rule('b')), service('b', t.b.port), otel, policy(provider={'backendRef': {'name': 'otel', 'port': 80}}))
    s.told('/a')
    eventually(lambda: s.metric('postern_spans_sent_total') == 2, 'taken', 20)
    exports = r.exports()
    equal([e['path'] for e in exports], ['grpc', 'grpc'])
    equal(exports[0]['spans'], exports[1]['spans'])
    equal(s.metric('postern_spans_dropped_total'), 0)
    r.mode(grpc=3, times=1)
    s.told('/b')
    eventually(lambda: s.metric('postern_spans_dropped_total') == 2, 'what it does not take')
    eventually(lambda: 'gRPC status 3' in s.text(), 'it is logged')


@case
def trace_collector_answers(t):
    """Is an export sent again when the collector says so and no sooner, dropped when it says no, and are rejected spans counted?"""
    r = Receiver(t)
    r.mode(status=503, retryAfter='1', times=1)
    t.b = t.backend()
    s = t.serve(*config(tracing_collector='otel:80', tracing_batchTime='10ms'), route(rule('b')), service('b', t.b.port), service('otel', r.port))
    s.told('/a')
    eventually(lambda: s.metric('postern_spans_sent_total') == 2, 'taken', 20)
    first, second = r.exports()
    equal(first['spans'], second['spans'])
    r.mode(status=400, times=1)
    s.told('/b')
    eventually(lambda: s.metric('postern_spans_dropped_total') == 2, 'what it does not take')
    equal(len(r.exports()), 3)  # each is kept before it is answered
    r.mode(rejected=1, times=1)
    s.told('/c')
    eventually(lambda: s.metric('postern_spans_dropped_total') == 3, 'one rejected')
    s.comes_to(3, 'postern_spans_sent_total')
    s.comes_to(2, 'postern_span_exports_total', result='sent')
    s.comes_to(1, 'postern_span_exports_total', result='dropped')


@case
def trace_collector_slow(t):
    """While a collector holds its answer, and when there is none: does traffic go on as ever, and is what does not fit dropped and counted?"""
    r = Receiver(t)
    r.mode(hold=True)
    t.b = t.backend()
    echo = t.echo('e')
    s = t.serve(*config(tracing_collector='otel:80', tracing_batchTime='10ms'), route(rule('e')), service('e', echo.port), service('otel', r.port))
    load = t.load(s.port[80])
    eventually(lambda: s.metric('postern_spans_dropped_total') > 1000, 'the ring is full', 60)
    load.unharmed()
    made = s.metric('postern_spans_total')
    r.mode()
    eventually(lambda: s.metric('postern_spans_sent_total') > 4000, 'what had waited', 30)
    r.process.kill()
    load = t.load(s.port[80])
    eventually(lambda: s.metric('postern_spans_total') > made + 20000, 'traffic goes on', 60)
    load.unharmed()
    s.stop()


@case
def trace_drain(t):
    """Are the spans that wait sent before the process ends, and does a collector that holds its answer not keep it from ending?"""
    r = Receiver(t)
    t.b = t.backend()
    objects = [*config(tracing_collector='otel:80', tracing_batchTime='1h'), route(rule('b')), service('b', t.b.port), service('otel', r.port)]
    s = t.serve(*objects)
    for i in range(5):
        s.told(f'/{i}')
    equal(r.exports(), [])
    s.stop()
    equal(len(r.spans(10)), 10)
    r.mode(hold=True)
    s = t.serve(*objects)
    s.told('/held')
    s.stop()
