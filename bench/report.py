# SPDX-License-Identifier: Apache-2.0
"""Records (one per contestant, row and repetition; less is better) become a Markdown table of medians and ratios."""
import random
import statistics

OURS = 'postern'
UNITS = {'us': 'µs', 'ms': 'ms', 's': 's', 'kB': 'kB', 'B': 'B', 'requests': 'requests', 'ms/GB': 'ms/GB'}


def ratio(ours, theirs):
    """Median of the ratios of paired repetitions, and its 95 % interval by bootstrap (none of fewer than three pairs)."""
    pairs = [ours[k] / theirs[k] for k in sorted(set(ours) & set(theirs)) if theirs[k]]
    if not pairs:
        return None
    if len(pairs) < 3:
        return f'{statistics.median(pairs):.2f}'
    rng = random.Random(1)
    medians = sorted(statistics.median(rng.choices(pairs, k=len(pairs))) for _ in range(2000))
    return f'{statistics.median(pairs):.2f} ({medians[49]:.2f}–{medians[1949]:.2f})'


def number(v):
    return f'{v:,.0f}' if abs(v) >= 100 else f'{v:.1f}' if abs(v) >= 10 else f'{v:.2f}'.rstrip('0').rstrip('.')


def table(records):
    rows, units, names = {}, {}, []
    for r in records:
        rows.setdefault(r['row'], {}).setdefault(r['peer'], {})[r['rep']] = r['value']
        units[r['row']] = r['unit']
        if r['peer'] not in names:
            names.append(r['peer'])
    names.sort(key=['haproxy', 'nginx', OURS, 'floor'].index)
    peers = [n for n in names if n not in (OURS, 'floor')]
    ours = OURS in names
    out = ['| | unit | ' + ' | '.join(names) + (' | postern / better peer (95 %) |' if ours else ' |'), '|---' * (len(names) + 2 + ours) + '|']
    for row, by in rows.items():
        base = rows.get(row.split(' (')[0], {}) if row.endswith(('(many files)',)) else {}
        cells = {**{p: v for p, v in base.items() if p in peers}, **by}
        text = [number(statistics.median(cells[n].values())) if n in cells else '' for n in names]
        line = f'| {row} | {UNITS[units[row]]} | ' + ' | '.join(text) + ' |'
        if ours:
            better = min((p for p in peers if p in cells), key=lambda p: statistics.median(cells[p].values()), default=None)
            r = ratio(cells[OURS], cells[better]) if better and OURS in cells and units[row] != 'requests' else None
            line += f' {r} {better} |' if r else ' |'
        out.append(line)
    return '\n'.join(out)


def trouble(records):
    """What a table of medians would hide."""
    return [f"{r['peer']}, {r['row']}, repetition {r['rep']}: {r['trouble']}" for r in records if r.get('trouble')]
