#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Is every test that docs/rfc.md names there, has every line one, and has every section of RFC 9110 and 9112 that a case of tests/proto/h1 cites a line?"""
import glob
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TABLE = 'docs/rfc.md'


def read(path):
    return open(os.path.join(ROOT, path), encoding='utf-8').read()


def cases():
    """Every name that the table may give, and the sections that the scripts cite."""
    names, cited = set(), {}
    for f in sorted(glob.glob(ROOT + '/tests/proto/h1/*.txt')):
        for line in open(f, encoding='utf-8'):
            if line.startswith('case '):
                name = f'h1/{os.path.basename(f)[:-4]}: ' + re.sub(r'( \[RFC [^]]*\])+$', '', line[5:].strip())
                if name in names:
                    yield f'{name}: there are two of that name'
                names.add(name)
                for section in re.findall(r'\[RFC (91(?:10|12) [0-9.]+)\]', line):
                    cited.setdefault(section, name)
    for f in glob.glob(ROOT + '/tests/e2e/cases/*.py'):
        names |= {'e2e: ' + n for n in re.findall(r'^@case\ndef (\w+)', open(f, encoding='utf-8').read(), re.M)}
    for f in glob.glob(ROOT + '/tests/unit/*/*_test.c'):
        where = os.path.relpath(f, ROOT + '/tests/unit')[:-2]
        names |= {f'unit: {where}: {n}' for n in re.findall(r'cmocka_unit_test(?:_setup_teardown)?\((\w+)', open(f, encoding='utf-8').read())}
    yield from rows(names, cited)


def rows(names, cited):
    rfc, told, n = None, set(), 0
    for number, line in enumerate(read(TABLE).splitlines(), 1):
        if m := re.match(r'## RFC (\d+)', line):
            rfc = m[1]
        m = re.match(r'\| ([0-9][0-9., ]*) \| (\w+) \| (.*) \| (.*) \|$', line)
        if not m:
            if line.startswith('| ') and not line.startswith('| section'):
                yield f'{TABLE}:{number}: not a line of the table: {line[:60]}'
            continue
        n += 1
        told |= {f'{rfc} {s}' for s in m[1].split(', ')}
        tests = re.findall(r'`([^`]+)`', m[4])
        if not tests or ', '.join(f'`{t}`' for t in tests) != m[4]:
            yield f'{TABLE}:{number}: its tests are not told one after the other'
        yield from (f'{TABLE}:{number}: there is no test {t}' for t in tests if t not in names)
    yield from (f'{TABLE} has no line for RFC {s}, which {name!r} cites' for s, name in cited.items() if s not in told)
    if n < 100:
        yield f'{TABLE}: only {n} lines were read'


wrong = list(cases())
print('\n'.join(wrong) or 'docs/rfc.md: every line has its tests')
sys.exit(1 if wrong else 0)
