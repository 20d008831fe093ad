# SPDX-License-Identifier: Apache-2.0
"""A gRPC client by a library of others, for grpc_server.py: grpc_client.py QUESTION PORT [CA HOST]. Ends with 0 when the answer is as it should be."""
import queue
import sys
import threading

try:
    import grpc
except ImportError:  # another python3 than the system's comes first in PATH
    sys.path.append('/usr/lib/python3/dist-packages')
    import grpc

QUESTIONS = {}
Code = grpc.StatusCode


def question(f):
    QUESTIONS[f.__name__] = f
    return f


def equal(got, wanted):
    assert got == wanted, f'got {got!r}, wanted {wanted!r}'


def failed(f, *codes):
    """The error that the call ends with."""
    try:
        got = f()
    except grpc.RpcError as e:
        assert e.code() in codes, (e.code(), e.details())
        return e
    raise AssertionError(f'no error but {got!r}')


@question
def unary(c):
    ask = c.unary_unary('/t.T/Unary')
    for n in (0, 1, 100000, 4 << 20):
        got, call = ask.with_call(b'u' * n, metadata=[('x-ask', 'a, b')], timeout=20)
        assert got == b'u' * n, n
        equal(dict(call.initial_metadata())['x-came'], 'a, b')
        last = dict(call.trailing_metadata())
        equal((last['x-last'], last['x-raw-bin'], call.code()), ('word', b'\0\xff', Code.OK))


@question
def client_streams(c):
    equal(c.stream_unary('/t.T/Up')(iter([b'x' * 1000] * 500), timeout=20), b'500000')
    equal(c.stream_unary('/t.T/Up')(iter([]), timeout=20), b'0')


@question
def server_streams(c):
    got = list(c.unary_stream('/t.T/Down')(b'300 10000', timeout=20))
    assert [g.split()[0] for g in got] == [b'%d' % i for i in range(300)] and all(len(g) > 10000 for g in got)
    equal(list(c.unary_stream('/t.T/Down')(b'0 0', timeout=20)), [])


@question
def both_stream(c):
    """Each message is answered before the next is sent: nothing waits for the end."""
    asks = queue.Queue()
    answers = c.stream_stream('/t.T/Both')(iter(asks.get, None), timeout=20)
    for i in range(50):
        asks.put(b'%d' % i)
        equal(next(answers), b'%d' % i)
    asks.put(None)
    equal(list(answers), [])


@question
def errors(c):
    e = failed(lambda: c.unary_unary('/t.T/Fail')(b'', timeout=20), Code.FAILED_PRECONDITION)  # trailers only
    equal((e.details(), dict(e.trailing_metadata())['x-why']), ('not yet: 100 %, Übermorgen', 'because'))
    answers = c.unary_stream('/t.T/FailLate')(b'', timeout=20)
    equal(next(answers), b'one')
    equal(failed(lambda: next(answers), Code.DATA_LOSS).details(), 'half of it')
    failed(lambda: c.unary_unary('/t.T/Nothing')(b'', timeout=20), Code.UNIMPLEMENTED)


@question
def deadline(c):
    assert 90 <= int(c.unary_unary('/t.T/Remaining')(b'', timeout=100)) <= 100  # grpc-timeout goes on
    failed(lambda: c.unary_unary('/t.T/Slow')(b'', timeout=2), Code.DEADLINE_EXCEEDED)
    equal(c.unary_unary('/t.T/Began')(b'', timeout=30), b'yes')
    equal(c.unary_unary('/t.T/GaveUp')(b'', timeout=30), b'yes')  # and the server knows


@question
def cancel(c):
    call = c.unary_unary('/t.T/Slow').future(b'', timeout=20)
    equal(c.unary_unary('/t.T/Unary')(b'x', timeout=20), b'x')
    equal(c.unary_unary('/t.T/Began')(b'', timeout=30), b'yes')
    call.cancel()
    equal(c.unary_unary('/t.T/GaveUp')(b'', timeout=30), b'yes')


@question
def many(c):
    """Streams side by side, each given its own."""
    wrong = []

    def one(i):
        sent = [b'%d/%d' % (i, k) + b'y' * 2000 for k in range(40)]
        if list(c.stream_stream('/t.T/Both')(iter(sent), timeout=60)) != sent:
            wrong.append(i)
    threads = [threading.Thread(target=one, args=(i,)) for i in range(20)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    equal(wrong, [])


@question
def unavailable(c):
    e = failed(lambda: c.unary_unary('/t.T/Unary')(b'x', timeout=20), Code.UNAVAILABLE)
    assert '503' in e.details() or '502' in e.details(), e.details()


def main(what, port, ca=None, host=None):
    options = [('grpc.max_receive_message_length', 64 << 20), ('grpc.max_send_message_length', 64 << 20), ('grpc.enable_http_proxy', 0)]
    if ca:
        trust = grpc.ssl_channel_credentials(open(ca, 'rb').read())
        channel = grpc.secure_channel(f'127.0.0.1:{port}', trust, [*options, ('grpc.ssl_target_name_override', host)])
    else:
        channel = grpc.insecure_channel(f'127.0.0.1:{port}', options)
    with channel as c:
        for one in what.split(','):
            QUESTIONS[one](c)


main(*sys.argv[1:])
