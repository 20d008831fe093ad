# SPDX-License-Identifier: Apache-2.0
"""What a failed case says of itself: few lines, for a report may be cut, and the end of each text, for there is what went before the failure."""
import os
import traceback

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
FRAMES, LOG_LINES, LINE, MESSAGE = 4, 8, 240, 1500


def cut(text, most):
    """Its beginning and its end."""
    return text if len(text) <= most else f'{text[:most // 3]} [...] {text[len(text) - most + most // 3:]}'


def why(e):
    """Lines: what went wrong, and where, the place itself first."""
    out = cut(f'{type(e).__name__}: {e}', MESSAGE).splitlines()
    frames = [f for f in traceback.extract_tb(e.__traceback__) if f.filename.startswith(ROOT + '/tests') and not f.filename.endswith('/run')]
    cases = [f for f in frames if '/cases/' in f.filename]
    frames = cases[-FRAMES:] if cases and cases[-1] is frames[-1] else cases[1 - FRAMES:] + frames[-1:]
    out += [cut(f'  {os.path.relpath(f.filename, ROOT)}:{f.lineno} {f.name}: {f.line}', LINE) for f in reversed(frames)]
    if not frames:
        out += [cut(line, LINE) for line in ''.join(traceback.format_exception(e)).splitlines()[-FRAMES * 2:]]
    return out


def end_of(name, text):
    """Lines: the last ones of a log."""
    lines = text.splitlines()
    out = [f'  the end of {name}, which has {len(lines)} lines:'] if lines else [f'  {name} is empty']
    return out + ['  | ' + cut(line, LINE) for line in lines[-LOG_LINES:]]


def again(failed):
    """The reports of all failed cases, (name, lines), for the end of the output: that may be all that is kept of it."""
    for name, lines in failed:
        print(f'{name}:', *('     ' + line for line in lines), sep='\n')
    if failed:
        print('failed: ' + ' '.join(sorted(name for name, _ in failed)))
