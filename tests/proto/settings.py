#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Is every key of docs/settings.md given a value by a test: in an end to end case, a golden, or a unit test?"""
import glob
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PAGE = 'docs/settings.md'
TESTS = ('tests/e2e/cases/*.py', 'tests/golden/*/*.in.yaml', 'tests/unit/*/*_test.c', 'tests/cluster/*.py', 'tests/cluster/cases/*.py')


def read(path):
    return open(path, encoding='utf-8').read()


keys = re.findall(r'^\| `([a-zA-Z.]+)` \|', read(f'{ROOT}/{PAGE}'), re.M)
texts = [read(f) for pattern in TESTS for f in glob.glob(f'{ROOT}/{pattern}')]


def is_given(key):
    """As a key with a value: `key: value`, 'key': 'value', key_with_underscore='value'."""
    word = re.escape(key)
    if re.search(r'[a-z]\.', key):
        word += '|' + re.escape(key.replace('.', '_', 1))
    pattern = re.compile(rf'(?<![\w.])({word})["\']?\s*[:=](?!=)\s*\S')
    return any(pattern.search(t) for t in texts)


wrong = [f'{PAGE}: no test gives a value to {key}' for key in keys if not is_given(key)]
if len(keys) < 40:
    wrong.append(f'{PAGE}: only {len(keys)} keys were read')
print('\n'.join(wrong) or f'{PAGE}: every key is given a value by a test')
sys.exit(1 if wrong else 0)
