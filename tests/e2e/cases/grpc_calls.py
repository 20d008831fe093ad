# SPDX-License-Identifier: Apache-2.0
"""gRPC through an HTTPRoute, client and server by python3-grpcio."""
import os
import sys

from cases.http2_backend import h2c_service, listening
from harness import Process, case
from manifests import gateway, listener, route, rule, service

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def server(t):
    port = t.port()
    return listening(Process(t, [sys.executable, os.path.join(HERE, 'grpc_server.py'), str(port)], 'grpc.log'), port)


def plain(t):
    return t.serve(gateway(), route(rule('b')), h2c_service(server(t)), args=('--access-log', 'json'))


def ask(t, what, s, *tls, port=80):
    t.run(sys.executable, os.path.join(HERE, 'grpc_client.py'), what, str(s.port[port]), *tls, timeout=90)


@case
def grpc_calls(t):
    """Do unary calls and streams of either side or both pass, with metadata, trailers and large messages?"""
    ask(t, 'unary,client_streams,server_streams,both_stream', plain(t))


@case
def grpc_errors(t):
    """Do statuses arrive, in trailers alone, after messages, and of unknown methods?"""
    ask(t, 'errors', plain(t))


@case
def grpc_deadline(t):
    """Does the server know the client's deadline, and that it has given up?"""
    ask(t, 'deadline,cancel', plain(t))


@case
def grpc_many(t):
    """Do streams side by side each get their own?"""
    s = plain(t)
    ask(t, 'many', s)
    assert not any('"reason":"' in x and '"reason":"-"' not in x for x in s.text().splitlines()), s.text()


@case
def grpc_over_tls(t):
    """By TLS and ALPN in front, too?"""
    crt, key = t.certificate('h', 'h')
    s = t.serve(gateway(listener(443, protocol='HTTPS', secrets=['h'])), route(rule('b')), h2c_service(server(t)), ports=(443,), args=('--tls', f'default/h={crt},{key}'))
    ask(t, 'unary,both_stream,errors', s, crt, 'h', port=443)


@case
def grpc_unavailable(t):
    """Is a backend that nobody listens for, and one that is not there, a status that clients may try again after?"""
    ask(t, 'unavailable', t.serve(gateway(), route(rule('b')), h2c_service(t.port())))
    ask(t, 'unavailable', t.serve(gateway(), route(rule('b')), service('b')))
