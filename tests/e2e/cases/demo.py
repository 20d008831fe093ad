# SPDX-License-Identifier: Apache-2.0
"""The first thing that somebody runs."""
import json
import os
import re
import signal
import subprocess

from harness import Process, case, children, equal, eventually, holds


def shell(command):
    p = subprocess.run(['bash', '-c', command], capture_output=True, text=True, timeout=60)
    equal(p.returncode, 0, f'{command}: {p.stderr}')
    return p.stdout


@case
def demo_does_what_it_says(t):
    """Does every command that `postern demo` prints work as printed, and does Ctrl-C leave nothing behind?"""
    demo = Process(t, [t.binary, 'demo'], 'demo.log')
    t.finally_(lambda: demo.end(signal.SIGTERM))
    eventually(lambda: 'Ctrl-C ends everything' in demo.text(), 'the demo is ready', 30)
    lines = demo.text().splitlines()

    def command(holding):
        """The one printed after the comment that holds these words."""
        at = next(i for i, line in enumerate(lines) if holding in line)
        return next(line.strip() for line in lines[at + 1:] if line.startswith('  ') and line.strip())

    def echoed(holding):
        return json.loads(shell(command(holding)))

    by_path = echoed('# by path')
    equal((by_path['name'], by_path['path'], by_path['query']), ('api-v1', '/hello', 'name=you'))
    equal(echoed('# by header')['name'], 'canary')
    split = {name: int(n) for n, name in re.findall(r'(\d+) +"name": "([\w-]+)"', shell(command('# by weight')))}
    equal(sum(split.values()), 50)
    assert split['api-v1'] > 30, split
    answer = shell(command('# header fields'))
    holds(answer, 'X-Answered-Through: postern', '"X-Added-By"')
    assert 'X-Secret' not in answer
    rewritten = echoed('# path and host rewritten')
    equal((rewritten['path'], rewritten['host'], rewritten['name']), ('/v2/page', 'api.internal', 'api-v2'))
    holds(shell(command('# a redirect')), '301', 'Location: https://demo.example/manual/start')
    equal(echoed('# another team')['name'], 'api-v2')
    equal(echoed('# TLS')['name'], 'api-v1')
    for line in lines:
        if re.match(r'  \S+ status', line):
            holds(shell(line), 'Gateway infra/web', 'HTTPRoute shop/shop', 'HTTPRoute default/split')
        if re.match(r'  \S+ explain .*/split', line):
            holds(shell(line), 'HTTPRoute/default/split rule 0', '90.0%', '10.0%')
        if 'metrics' in line:
            holds(shell(line), 'postern_requests_total')
    shell(command('see it live'))
    eventually(lambda: 'api-v1' not in shell(command('# by weight')), 'the change is live')
    folder = re.search(r'Manifests in (\S+)/manifests', demo.text())[1]
    started = children(demo.pid)
    assert len(started) == 4 and os.path.isdir(folder)
    demo.end(signal.SIGINT)
    assert not os.path.exists(folder)
    eventually(lambda: not any(os.path.exists(f'/proc/{pid}') for pid in started), 'its children are gone')
