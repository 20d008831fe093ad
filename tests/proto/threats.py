#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Is every test that docs/threat-model.md names there, and has every attack one?"""
import glob
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PAGE = 'docs/threat-model.md'


def read(path):
    return open(path, encoding='utf-8').read()


def names():
    out = set()
    for f in glob.glob(ROOT + '/tests/proto/h[12]/*.txt'):
        folder, file = f.split('/')[-2:]
        out |= {f'{folder}/{file[:-4]}: ' + re.sub(r'( \[RFC [^]]*\])+$', '', n) for n in re.findall(r'^case (.*)$', read(f), re.M)}
    for f in glob.glob(ROOT + '/tests/e2e/cases/*.py'):
        out |= {'e2e: ' + n for n in re.findall(r'^@case\ndef (\w+)', read(f), re.M)}
    for f in glob.glob(ROOT + '/tests/unit/*/*_test.c'):
        where = os.path.relpath(f, ROOT + '/tests/unit')[:-2]
        out |= {f'unit: {where}: {n}' for n in re.findall(r'cmocka_unit_test(?:_setup_teardown)?\((\w+)', read(f))}
    return out


def faults():
    have, attacks = names(), 0
    for number, line in enumerate(read(f'{ROOT}/{PAGE}').splitlines(), 1):
        m = re.match(r'\| (.*) \| (.*) \| (.*) \|$', line)
        if not m or m[3] in ('tests', 'may not', '---') or line.startswith('|---') or not re.search(r'`(e2e|unit|h[12]/\w+): ', line):
            if line.startswith('| ') and '`e2e' not in line and attacks and not line.startswith('| attack'):
                yield f'{PAGE}:{number}: no test'
            continue
        attacks += 1
        tests = re.findall(r'`([^`]+)`', m[3])
        if ', '.join(f'`{t}`' for t in tests) != m[3]:
            yield f'{PAGE}:{number}: its tests are not told one after the other'
        yield from (f'{PAGE}:{number}: there is no test {t}' for t in tests if t not in have)
    if attacks < 20:
        yield f'{PAGE}: only {attacks} attacks were read'


wrong = list(faults())
print('\n'.join(wrong) or f'{PAGE}: every attack has its tests')
sys.exit(1 if wrong else 0)
