# SPDX-License-Identifier: Apache-2.0
"""What was last good outlives the process that knew it: of documents that are broken, and of files that can not be read."""
import os
import shutil
import signal

from client import Connection, trusting
from harness import case, children, equal, eventually, holds
from manifests import documents, gateway, gateway_class, headers, listener, path, route, rule, service

KEPT = 'what it said before stays in force'
WRONG = 'apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: %s}\nspec: {parentRefs: [{name: gw}], rules: 7}\n'
UNREADABLE = 'kind: [unclosed\n'


def marked(name, mark):
    return route(rule('b', matches=[path('/' + name)], filters=[headers('response', set={'X-Mark': mark})]), name=name)


def marks(s, *names):
    return [s.ask('/' + name).get('x-mark') for name in names]


def killed(s):
    """The serving process is gone, and another one serves."""
    before = s.serving()
    os.kill(before, signal.SIGKILL)
    eventually(lambda: not os.path.exists(f'/proc/{before}') and children(s.pid), 'another one is there')
    eventually(lambda: s.page('/readyz').status == 200, 'and serves')


def upgraded(s, t):
    before = s.serving()
    holds(t.run(t.binary, 'upgrade', '--admin', f'127.0.0.1:{s.admin_port}', timeout=60), 'done: ')
    eventually(lambda: not os.path.exists(f'/proc/{before}'), 'the one before has ended')


def breaks_and_goes_on(t, again):
    b = t.backend('b')
    t.put('main.yaml', gateway_class(), gateway(), service('b', b.port))
    t.put('one.yaml', marked('one', 'good'))
    t.put('many.yaml', marked('first', 'good'), marked('second', 'good'), marked('third', 'good'))
    s = t.serve()
    t.put('one.yaml', UNREADABLE)
    t.put('many.yaml', documents(marked('first', 'new')) + '\n---\n' + UNREADABLE + '---\n' + WRONG % 'third')
    names = 'one', 'first', 'second', 'third'
    eventually(lambda: s.page('/status').text().count(KEPT) == 3, 'three are told', 5)
    eventually(lambda: marks(s, *names) == ['good', 'new', 'good', 'good'], 'the last good ones are in force', 5)
    for _ in range(2):  # from one to the next, and from that to its next
        again(s)
        equal(marks(s, *names), ['good', 'new', 'good', 'good'])
        equal(s.page('/status').text().count(KEPT), 3)
    t.put('one.yaml', marked('one', 'mended'))
    t.put('many.yaml', documents(marked('first', 'new')) + '\n---\n' + UNREADABLE)
    eventually(lambda: s.ask('/third').status == 404, 'what went with its document is gone', 5)
    eventually(lambda: marks(s, *names[:3]) == ['mended', 'new', 'good'], 'the mended one is live', 5)
    eventually(lambda: s.page('/status').text().count(KEPT) == 1, 'and no longer told', 5)
    again(s)
    equal(marks(s, *names[:3]), ['mended', 'new', 'good'])
    equal(s.ask('/third').status, 404)
    os.unlink(t.manifests + '/many.yaml')
    eventually(lambda: KEPT not in s.page('/status').text(), 'nothing is told any more', 5)
    again(s)
    equal([s.ask('/' + name).status for name in names], [200, 404, 404, 404])
    assert KEPT not in s.page('/status').text()


@case
def last_good_outlives_a_crash(t):
    """When the serving process is killed while documents are broken: is what they said before in force in the next one, and told, until they are mended?"""
    breaks_and_goes_on(t, killed)


@case
def last_good_outlives_an_upgrade(t):
    """The same when another binary takes over, which may be killed, too."""
    turns = iter(range(100))
    breaks_and_goes_on(t, lambda s: killed(s) if next(turns) % 2 else upgraded(s, t))


@case
def last_good_files_outlive_a_crash(t):
    """When a file that was named can not be read, and a certificate is half replaced: does the process after a crash have what was there before?"""
    one, two = t.certificate('one', 'h'), t.certificate('two', 'h')
    cert, key, named = t.file('c.pem'), t.file('k.pem'), t.file('named.yaml')
    shutil.copy(one[0], cert), shutil.copy(one[1], key)
    with open(named, 'w') as f:
        f.write(documents(marked('named', 'good')))
    b = t.backend('b')
    t.put('main.yaml', gateway_class(), gateway(listener(443, 's', 'HTTPS', None, ['site'])), service('b', b.port))
    s = t.serve(ports=(443,), args=['--tls', f'default/site={cert},{key}', '-f', named])

    def serves_the_first():
        with Connection(s.port[443], trusting(one[0]), 'h') as c:
            return c.ask('/named', host='h').get('x-mark') == 'good'
    assert serves_the_first()
    os.rename(named, named + '.away')
    shutil.copy(two[0], cert)
    holds_both = lambda: all(x in s.page('/status').text() for x in ('the last good pair stays in force', 'what was read there before stays in force'))
    eventually(holds_both, 'both are told', 5)
    for _ in range(2):
        killed(s)
        assert serves_the_first() and holds_both()
    shutil.copy(two[1], key)
    os.rename(named + '.away', named)
    eventually(lambda: 'stays in force' not in s.page('/status').text(), 'both are mended', 5)
    killed(s)
    with Connection(s.port[443], trusting(two[0]), 'h') as c:
        equal(c.ask('/named', host='h').get('x-mark'), 'good')
