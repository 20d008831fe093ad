# SPDX-License-Identifier: Apache-2.0
"""Too little memory, a clock that jumps."""
import socket
import threading
import time

from harness import case, equal, eventually, holds
from manifests import gateway, route, rule, service, thing

MIB = 1 << 20


def sanitized(t):
    return b'__asan_init' in open(t.binary, 'rb').read() or b'__tsan_init' in open(t.binary, 'rb').read()


@case
def memory_runs_short(t):
    """With 64 MiB to hold and clients that ask for more: is the bound kept, are requests refused with a reason, idle connections closed, and all well again after?"""
    if sanitized(t):
        return  # its shadow memory counts as well
    go = threading.Event()
    t.finally_(go.set)

    def handler(stream, r):
        if r.target == '/hold':
            go.wait(60)
        stream.body(r)
        stream.answer(200, [], b'ok')
        return True
    b = t.backend('b', handler)
    g = gateway()
    g['spec']['infrastructure'] = {'parametersRef': {'group': '', 'kind': 'ConfigMap', 'name': 'edge'}}
    patient = thing('ConfigMap', 'edge', version='v1', data={'limits.leastBytesPerSecond': '0'})  # nobody goes for being slow meanwhile
    s = t.serve(g, patient, service('b', b.port), route(rule('b')), args=('--memory', '64Mi'))
    equal(s.metric('postern_memory_limit_bytes'), 64 * MIB)
    idle = [t.connection(s.port[80]) for _ in range(20)]
    for c in idle:
        equal(c.ask('/').status, 200)
    pad = b'X-Pad: ' + b'a' * 7000 + b'\r\n'
    head = b'POST /hold HTTP/1.1\r\nHost: example.com\r\nContent-Length: 10000000\r\n' + pad * 4 + b'\r\n'
    open_, most, refused, levels, answers = [], 0, 0, set(), b''
    t.finally_(lambda: [k.close() for k in open_])
    while len(open_) < 2000 and (refused <= 100 or 2 not in levels):  # what is refused leaves room: the level falls, and rises again
        for _ in range(20):  # 28 kB of head, then 64 kB of a body that nobody takes
            k = socket.create_connection(('127.0.0.1', s.port[80]))
            open_.append(k)
            k.setblocking(False)
            try:
                k.send(head + b'b' * 65536)
            except OSError:
                pass
        most = max(most, s.metric('postern_memory_resident_bytes'))
        refused = s.metric('postern_reasons_total', reason='overload') or 0
        levels.add(s.metric('postern_memory_pressure'))
    assert most < 64 * MIB, f'{most / MIB:.0f} MiB were held'
    assert refused > 100 and 2 in levels, f'{refused} requests refused, {most / MIB:.0f} MiB held, {len(open_)} clients, levels {levels}'
    assert s.metric('postern_memory_sheds_total') >= 1
    holds(s.text(), 'level=warn memory resident=', 'pressure="refusing requests"')
    for c in idle:
        assert c.ended(), 'an idle connection is still open'
    for k in open_:
        k.setblocking(True)
        k.settimeout(5)
    for k in reversed(open_):
        try:
            answers = k.recv(4096)
        except OSError:
            continue
        if answers:
            break
    holds(answers.decode(), 'HTTP/1.1 503', 'overload')
    for k in open_:
        k.close()
    go.set()
    eventually(lambda: s.metric('postern_memory_pressure') == 0, 'there is room again', 30)
    equal(s.ask('/').status, 200)


@case
def memory_said_wrongly(t):
    """Is a bound that is none refused?"""
    for text in ('', 'much', '64 Mi', '-1'):
        holds(t.run(t.binary, 'serve', '-f', t.manifests, '--memory', text, status=2), '--memory', '512Mi')
