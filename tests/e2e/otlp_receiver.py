# SPDX-License-Identifier: Apache-2.0
"""otlp_receiver.py HTTP-PORT [GRPC-PORT]: an OTLP receiver for the system's own python3. Spans are decoded by Google's protobuf, from descriptors
made here after opentelemetry-proto's field numbers. GET /got gives all exports so far as JSON, each with its path, fields and spans; POST /mode sets
how the next ones are answered: {"status": 503, "retryAfter": "1", "rejected": 2, "grpc": 14, "hold": true, "times": 1}."""
import json
import sys
import threading
from concurrent import futures
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

F = descriptor_pb2.FieldDescriptorProto
MESSAGES = {  # name: [(field, number, type or message, repeated)]
    'ArrayValue': [('values', 1, '.AnyValue', True)],
    'AnyValue': [('string_value', 1, F.TYPE_STRING, False), ('bool_value', 2, F.TYPE_BOOL, False), ('int_value', 3, F.TYPE_INT64, False),
                 ('double_value', 4, F.TYPE_DOUBLE, False), ('array_value', 5, '.ArrayValue', False)],
    'KeyValue': [('key', 1, F.TYPE_STRING, False), ('value', 2, '.AnyValue', False)],
    'Scope': [('name', 1, F.TYPE_STRING, False), ('version', 2, F.TYPE_STRING, False)],
    'Resource': [('attributes', 1, '.KeyValue', True)],
    'Status': [('message', 2, F.TYPE_STRING, False), ('code', 3, F.TYPE_INT32, False)],
    'Span': [('trace_id', 1, F.TYPE_BYTES, False), ('span_id', 2, F.TYPE_BYTES, False), ('trace_state', 3, F.TYPE_STRING, False),
             ('parent_span_id', 4, F.TYPE_BYTES, False), ('name', 5, F.TYPE_STRING, False), ('kind', 6, F.TYPE_INT32, False),
             ('start_time_unix_nano', 7, F.TYPE_FIXED64, False), ('end_time_unix_nano', 8, F.TYPE_FIXED64, False),
             ('attributes', 9, '.KeyValue', True), ('status', 15, '.Status', False), ('flags', 16, F.TYPE_FIXED32, False)],
    'ScopeSpans': [('scope', 1, '.Scope', False), ('spans', 2, '.Span', True)],
    'ResourceSpans': [('resource', 1, '.Resource', False), ('scope_spans', 2, '.ScopeSpans', True)],
    'Request': [('resource_spans', 1, '.ResourceSpans', True)],
    'PartialSuccess': [('rejected_spans', 1, F.TYPE_INT64, False), ('error_message', 2, F.TYPE_STRING, False)],
    'Response': [('partial_success', 1, '.PartialSuccess', False)],
}


def messages():
    file = descriptor_pb2.FileDescriptorProto(name='otlp.proto', package='t', syntax='proto3')
    for name, fields in MESSAGES.items():
        m = file.message_type.add(name=name)
        for field, number, what, repeated in fields:
            f = m.field.add(name=field, number=number, label=F.LABEL_REPEATED if repeated else F.LABEL_OPTIONAL)
            if isinstance(what, str):
                f.type, f.type_name = F.TYPE_MESSAGE, '.t' + what
                continue
            f.type = what
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    factory = message_factory.MessageFactory(pool)
    return {name: factory.GetPrototype(pool.FindMessageTypeByName('t.' + name)) for name in MESSAGES}


M = messages()
LOCK = threading.Condition()
GOT, MODE = [], {}


def value(v):
    if v.HasField('array_value'):
        return [value(x) for x in v.array_value.values]
    for name in ('string_value', 'bool_value', 'int_value', 'double_value'):
        if v.ListFields() and v.ListFields()[0][0].name == name:
            return getattr(v, name)
    return ''


def attributes(all_):
    out = {}
    for a in all_:
        assert a.key not in out, f'{a.key} is there twice'
        out[a.key] = value(a.value)
    return out


def span(s):
    return {'trace': s.trace_id.hex(), 'span': s.span_id.hex(), 'parent': s.parent_span_id.hex(), 'state': s.trace_state, 'name': s.name, 'kind': s.kind,
            'start': s.start_time_unix_nano, 'end': s.end_time_unix_nano, 'status': s.status.code, 'flags': s.flags, 'attributes': attributes(s.attributes)}


def unknown(m):
    """Fields that the descriptors do not have."""
    return len(m.UnknownFields()) + sum(unknown(x) for f, v in m.ListFields() if f.type == F.TYPE_MESSAGE for x in (v if f.label == F.LABEL_REPEATED else [v]))


def take(path, fields, body):
    """Keeps an export; how it is to be answered."""
    r = M['Request']()
    r.ParseFromString(body)
    assert not unknown(r)
    assert len(r.resource_spans) == 1 and len(r.resource_spans[0].scope_spans) == 1
    one = r.resource_spans[0]
    with LOCK:
        mode = dict(MODE)
        if MODE.get('times'):
            MODE['times'] -= 1
            if not MODE['times']:
                MODE.clear()
        GOT.append({'path': path, 'fields': fields, 'resource': attributes(one.resource.attributes), 'scope': one.scope_spans[0].scope.name,
                    'spans': [span(s) for s in one.scope_spans[0].spans], 'mode': mode})
        while MODE.get('hold'):
            LOCK.wait()
    return mode


def answer(mode):
    r = M['Response']()
    if mode.get('rejected'):
        r.partial_success.rejected_spans = mode['rejected']
        r.partial_success.error_message = 'too many'
    return r.SerializeToString()


class Handler(BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'

    def log_message(self, *_):
        pass

    def reply(self, status, body, kind, **more):
        self.send_response(status)
        self.send_header('Content-Type', kind)
        self.send_header('Content-Length', str(len(body)))
        for k, v in more.items():
            self.send_header(k.replace('_', '-'), v)
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        with LOCK:
            self.reply(200, json.dumps(GOT).encode(), 'application/json')

    def do_POST(self):
        body = self.rfile.read(int(self.headers['content-length']))
        if self.path == '/mode':
            with LOCK:
                MODE.clear()
                MODE.update(json.loads(body))
                LOCK.notify_all()
            self.reply(200, b'', 'text/plain')
            return
        mode = take(self.path, {k.lower(): v for k, v in self.headers.items()}, body)
        more = {'Retry_After': mode['retryAfter']} if 'retryAfter' in mode else {}
        self.reply(mode.get('status', 200), answer(mode), 'application/x-protobuf', **more)


def serve_grpc(port):
    import grpc

    def export(body, context):
        mode = take('grpc', {k: v for k, v in context.invocation_metadata()}, body)
        if mode.get('grpc'):
            context.abort({8: grpc.StatusCode.RESOURCE_EXHAUSTED, 14: grpc.StatusCode.UNAVAILABLE, 3: grpc.StatusCode.INVALID_ARGUMENT}[mode['grpc']], 'not so')
        return answer(mode)

    server = grpc.server(futures.ThreadPoolExecutor(8))
    handler = grpc.unary_unary_rpc_method_handler(export)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler('opentelemetry.proto.collector.trace.v1.TraceService', {'Export': handler}),))
    assert server.add_insecure_port(f'127.0.0.1:{port}')
    server.start()
    return server


def main():
    grpc_server = serve_grpc(int(sys.argv[2])) if len(sys.argv) > 2 else None
    ThreadingHTTPServer(('127.0.0.1', int(sys.argv[1])), Handler).serve_forever()
    del grpc_server


main()
