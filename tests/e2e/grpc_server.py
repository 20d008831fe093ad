# SPDX-License-Identifier: Apache-2.0
"""A gRPC server by a library of others, Debian's python3-grpcio, without generated code: grpc_server.py PORT. Messages are bytes."""
import sys
import threading
import time
from concurrent import futures

try:
    import grpc
except ImportError:  # another python3 than the system's comes first in PATH
    sys.path.append('/usr/lib/python3/dist-packages')
    import grpc

given_up = threading.Semaphore(0)
begun = threading.Semaphore(0)


def unary(request, context):
    fields = dict(context.invocation_metadata())
    context.send_initial_metadata([('x-came', fields.get('x-ask', ''))])
    context.set_trailing_metadata([('x-last', 'word'), ('x-raw-bin', b'\0\xff')])
    return request


def up(requests, context):
    return b'%d' % sum(len(r) for r in requests)


def down(request, context):
    n, size = map(int, request.split())
    for i in range(n):
        yield b'%d ' % i + b'x' * size


def both(requests, context):
    for r in requests:
        yield r


def fail(request, context):
    context.set_trailing_metadata([('x-why', 'because')])
    context.abort(grpc.StatusCode.FAILED_PRECONDITION, 'not yet: 100 %, Übermorgen')


def fail_late(request, context):
    yield b'one'
    context.abort(grpc.StatusCode.DATA_LOSS, 'half of it')


def slow(request, context):
    gone = threading.Event()
    if not context.add_callback(gone.set):
        gone.set()  # it was over before that
    begun.release()
    if gone.wait(30):
        given_up.release()
    return b'late'


def how_many_gave_up(request, context):
    return b'yes' if given_up.acquire(timeout=20) else b'no'


def how_many_began(request, context):
    return b'yes' if begun.acquire(timeout=20) else b'no'


def remaining(request, context):
    return b'%d' % int(context.time_remaining() or 0)


METHODS = {'Unary': grpc.unary_unary_rpc_method_handler(unary), 'Up': grpc.stream_unary_rpc_method_handler(up),
           'Down': grpc.unary_stream_rpc_method_handler(down), 'Both': grpc.stream_stream_rpc_method_handler(both),
           'Fail': grpc.unary_unary_rpc_method_handler(fail), 'FailLate': grpc.unary_stream_rpc_method_handler(fail_late),
           'Slow': grpc.unary_unary_rpc_method_handler(slow), 'GaveUp': grpc.unary_unary_rpc_method_handler(how_many_gave_up),
           'Began': grpc.unary_unary_rpc_method_handler(how_many_began),
           'Remaining': grpc.unary_unary_rpc_method_handler(remaining)}


def main(port):
    server = grpc.server(futures.ThreadPoolExecutor(32), options=[('grpc.max_receive_message_length', 64 << 20), ('grpc.max_send_message_length', 64 << 20), ('grpc.so_reuseport', 0)])
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler('t.T', METHODS),))
    server.add_insecure_port(f'127.0.0.1:{port}')
    server.start()
    while True:
        time.sleep(1000)


main(*sys.argv[1:])
