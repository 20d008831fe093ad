# SPDX-License-Identifier: Apache-2.0
"""authz_server.py PORT [KEY CERT]: a gRPC server (grpcio's) of envoy.service.auth.v3.Authorization/Check, for the system's own python3.
The path of the request that it is asked about says what it answers. The messages are described here, as far as they are used."""
import hashlib
import json
import sys
import time
from concurrent import futures

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory

KINDS = {'string': 9, 'bytes': 12, 'int32': 5, 'int64': 3, 'uint32': 13, 'bool': 8}
MESSAGES = {
    'SocketAddress': 'address=2:string port_value=3:uint32',
    'Address': 'socket_address=1:SocketAddress',
    'Peer': 'address=1:Address',
    'Timestamp': 'seconds=1:int64 nanos=2:int32',
    'Pair': 'key=1:string value=2:string raw_value=3:bytes',
    'Http': 'id=1:string method=2:string headers=3:*Pair path=4:string host=5:string scheme=6:string size=9:int64 protocol=10:string body=11:string raw_body=12:bytes',
    'Request': 'time=1:Timestamp http=2:Http',
    'Attributes': 'source=1:Peer destination=2:Peer request=4:Request',
    'CheckRequest': 'attributes=1:Attributes',
    'Truth': 'value=1:bool',
    'Option': 'header=1:Pair append=2:Truth append_action=3:int32',
    'HttpStatus': 'code=1:int32',
    'Denied': 'status=1:HttpStatus headers=2:*Option body=3:string',
    'Ok': 'headers=2:*Option headers_to_remove=5:*string response_headers_to_add=6:*Option query_parameters_to_set=7:*Pair query_parameters_to_remove=8:*string',
    'Status': 'code=1:int32 message=2:string',
    'CheckResponse': 'status=1:Status denied_response=2:Denied ok_response=3:Ok error_response=5:Denied',
}


def describe():
    file = descriptor_pb2.FileDescriptorProto(name='authz.proto', package='envoy.service.auth.v3', syntax='proto3')
    for name, fields in MESSAGES.items():
        m = file.message_type.add(name=name)
        for field in fields.split():
            field, _, kind = field.partition(':')
            label, number = field.split('=')
            f = m.field.add(name=label, number=int(number), label=3 if kind[0] == '*' else 1)
            kind = kind.lstrip('*')
            f.type = KINDS.get(kind, 11)
            if f.type == 11:
                f.type_name = '.envoy.service.auth.v3.' + kind
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    factory = message_factory.MessageFactory(pool)
    return {n: factory.GetPrototype(pool.FindMessageTypeByName('envoy.service.auth.v3.' + n)) for n in ('CheckRequest', 'CheckResponse')}


PROTO = describe()


def option(name, value, append=None, action=0):
    o = {'header': {'key': name, 'value': value}, 'append_action': action}
    if append is not None:
        o['append'] = {'value': append}
    return o


def allow(**more):
    return {'status': {'code': 0}, 'ok_response': more}


def deny(code=7, status=0, body='', headers=()):
    return {'status': {'code': code}, 'denied_response': {'status': {'code': status}, 'body': body, 'headers': list(headers)}}


def answer(told, context):
    http = told.attributes.request.http
    path = http.path.split('?')[0]
    if path.startswith('/raw/'):
        return bytes.fromhex(path[5:])
    if path == '/told':  # the client gets to see what was asked
        d = json_format.MessageToDict(told, preserving_proto_field_name=True)
        for k in ('body', 'raw_body'):
            if d['attributes']['request']['http'].pop(k, None) is not None:
                v = getattr(http, k)
                d[k] = hashlib.sha256(v.encode() if k == 'body' else v).hexdigest()
        return deny(status=200, body=json.dumps(d))
    if path == '/rpc':
        context.abort(grpc.StatusCode.PERMISSION_DENIED, 'not so')
    if path == '/slow':
        time.sleep(30)
    if path == '/denied':
        return deny(16, 401, 'who are you', [option('WWW-Authenticate', 'Basic'), option('Set-Cookie', 'a=1'), option('Set-Cookie', 'b=2'),
                                             option('Content-Type', 'text/html'), option('Content-Length', '5'), option('Transfer-Encoding', 'chunked')])
    if path == '/denied/plain':
        return {'status': {'code': 7}}
    if path == '/denied/status':
        return deny(status=99, body='x')
    if path == '/denied/empty':
        return deny(status=204, body='x')
    if path == '/long':
        return deny(body='x' * 70000)
    if path == '/changed':
        return allow(headers=[option('X-Set', 'new'), option('X-Add', 'two', True), option('X-Absent', 'no', action=1), option('X-New', 'yes', action=1),
                              option('X-If', 'replaced', action=3), option('X-Not', 'never', action=3), option('Host', 'evil'), option(':path', '/evil'), option('Connection', 'x-set')],
                     headers_to_remove=['x-gone', 'Host', ':method', 'authorization'], response_headers_to_add=[option('X-Response', 'told'), option('X-Served-By', 'auth')],
                     query_parameters_to_set=[{'key': 'b', 'value': 'new one'}, {'key': 'd', 'value': '&'}], query_parameters_to_remove=['c'])
    return allow()


def check(data, context):
    a = answer(PROTO['CheckRequest'].FromString(data), context)
    return a if isinstance(a, bytes) else json_format.ParseDict(a, PROTO['CheckResponse']()).SerializeToString()


def main():
    port, *pair = sys.argv[1:]
    server = grpc.server(futures.ThreadPoolExecutor(16))
    handler = grpc.unary_unary_rpc_method_handler(check)  # bytes in, bytes out: wrong ones, too
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler('envoy.service.auth.v3.Authorization', {'Check': handler}),))
    if pair:
        key, cert = (open(f, 'rb').read() for f in pair)
        server.add_secure_port(f'127.0.0.1:{port}', grpc.ssl_server_credentials([(key, cert)]))
    else:
        server.add_insecure_port(f'127.0.0.1:{port}')
    server.start()
    print('serving', flush=True)
    server.wait_for_termination()


main()
