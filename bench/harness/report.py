# SPDX-License-Identifier: Apache-2.0
"""The tables, as text and as Markdown, and the JSON file."""

import dataclasses
import json
import time

from programs import TITLES
from results import LIMIT_BAR, PEER_BAR, SINGLE_BAR
from workloads import COMPARED, GROUPS

def verdict_row(line):
    workload = line.workload
    unit = workload.unit
    best = line.best_peer
    return [
        workload.name,
        line.isle.shown(unit),
        line.isle.span(unit),
        line.single.shown(unit) if line.single else '',
        f'{TITLES.get(best, best)} {line.peers[best].shown(unit)}' if best else '–',
        f'{line.peer_ratio:.2f}×' if best else '–',
        line.limit.shown(unit) if line.limit else '–',
        f'{line.limit_ratio:.2f}×' if line.limit else '–',
        line.verdict or '–',
    ]


def plain_row(line):
    unit = line.workload.unit
    return [line.workload.name, line.workload.text, line.isle.shown(unit), line.isle.span(unit),
            line.single.shown(unit) if line.single else '']


def group_table(group, lines):
    """Head and rows."""
    rows = [line for line in lines if line.workload.group == group]
    if group in COMPARED:
        return VERDICT_HEAD, [verdict_row(line) for line in rows]
    return PLAIN_HEAD, [plain_row(line) for line in rows]


PLAIN_HEAD = ['workload', 'what', 'Isle', 'min – max', '1 worker']
VERDICT_HEAD = ['workload', 'Isle', 'min – max', '1 worker', 'best peer', 'ratio', 'limit',
                'of limit', 'bar']


LEFT = ('workload', 'what', 'best peer')


def text_table(head, rows):
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]

    def row_text(row):
        cells = [cell.ljust(width) if title in LEFT else cell.rjust(width)
                 for title, cell, width in zip(head, row, widths)]
        return '  '.join(cells).rstrip()
    return '\n'.join([row_text(head), '  '.join('-' * width for width in widths),
                      *[row_text(row) for row in rows]])


def markdown_table(head, rows):
    return '\n'.join(['| ' + ' | '.join(head) + ' |', '|' + '---|' * len(head),
                      *['| ' + ' | '.join(row) + ' |' for row in rows]])


def summary(lines):
    """Plain words about the bar."""
    said = []
    for group in COMPARED:
        title = GROUPS[group]
        compared = [line for line in lines if line.workload.group == group and line.verdict]
        if not compared:
            continue
        short = [line for line in compared if line.verdict == 'no']
        said.append(f'{title}: the bar (at least {PEER_BAR:g} times better than the best peer, '
                    f'or within {LIMIT_BAR:g} of the limit) is reached on '
                    f'{len(compared) - len(short)} of {len(compared)} lines.')
        if short:
            said.append('Not reached: ' + '; '.join(f'{line.workload.name} ({line.reason})'
                                                    for line in short) + '.')
    measured = [line for line in lines if line.single_ratio and line.workload.group in COMPARED]
    seemed = [line for line in measured if line.single_is_suspicious]
    costly = [line for line in seemed if line.single_is_better]
    if measured:
        named = '; '.join(
            f'{line.workload.name} ({1 / (line.again or line.single_ratio):.2f}×)'
            for line in costly)
        said.append(f'One worker is more than 5 % better than all of them on {len(costly)} of '
                    f'{len(measured)} lines' + (f': {named}.' if costly else '.'))
    if any(line.again for line in seemed):
        said.append(f'So it seemed on {len(seemed)} lines in the rounds; each of these was '
                    'measured again, by pairs of runs, and the median of the pairs counts: '
                    + '; '.join(f'{line.workload.name} ({1 / line.again:.2f}×)'
                                for line in seemed if line.again) + '.')
    shaky = [line for line in lines if line.isle.disturbed]
    if shaky:
        said.append('Others used the machine during rounds of: '
                    + ', '.join(line.workload.name for line in shaky) + '.')
    return said


def peers_table(lines, programs):
    """Every median; Markdown."""
    names = [program.name for program in programs if program.name not in ('isle', 'limit')]
    head = ['workload', 'limit', 'Isle', *[TITLES.get(name, name) for name in names]]
    rows = []
    for line in lines:
        if line.workload.group != 'lines':
            continue
        unit = line.workload.unit
        figures = [line.peers.get(name) for name in names]
        rows.append([f'{line.workload.text} (`{line.workload.name}`)',
                     line.limit.shown(unit) if line.limit else '–', line.isle.shown(unit),
                     *[one.shown(unit) if one else '–' for one in figures]])
    return markdown_table(head, rows)


def machine_text(machine, programs):
    kind = 'virtual machine' if machine['virtual'] else 'machine'
    versions = ', '.join(f'{program.title} {program.version}' for program in programs
                         if program.version)
    return (f'{machine["cpu"]}, {machine["cores"]} cores, {machine["memory_mib"]:,} MiB, '
            f'{kind}, {machine["system"]}, Linux {machine["kernel"]}, {machine["compiler"]}. '
            f'{versions}.')


def text_report(lines):
    parts = []
    for group, title in GROUPS.items():
        head, rows = group_table(group, lines)
        if rows:
            parts += [title, text_table(head, rows), '']
    return '\n'.join([*parts, *summary(lines)])


def markdown_report(lines, programs, machine, rounds, scale=1):
    at_scale = f' of {scale:g} times the counts' if scale != 1 else ''
    parts = ['# Measured', '',
             f'`make bench`, {rounds} rounds{at_scale}, medians. '
             f'{machine_text(machine, programs)}', '',
             '![Time and memory of Isle and its peers](bench.svg)', '',
             'Each program checks its own results. Peers are measured with one scheduler thread '
             'and with all, and the better one counts; Isle with all. Lines of the root are held '
             'against what a peer does from its own main thread, where it can be asked that (Go, '
             'Tokio). Compare ratios, not nanoseconds of different machines.', '']
    for sentence in summary(lines):
        parts += [sentence, '']
    for group, title in GROUPS.items():
        head, rows = group_table(group, lines)
        if rows:
            parts += [f'## {title}', '', markdown_table(head, rows), '']
    if any(line.workload.group == 'lines' for line in lines):
        parts += ['## All medians', '', peers_table(lines, programs), '']
    return '\n'.join(parts)


def as_json(lines, programs, machine, options, missing, measurement):
    def plain(one):
        return dataclasses.asdict(one) if one else None
    return json.dumps({
        'time': time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime()),
        'machine': machine,
        'options': options,
        'programs': {program.name: program.version for program in programs},
        'missing': missing,
        'failures': [{'program': key[0], 'threads': key[1], 'workload': key[2], 'reasons': why}
                     for key, why in measurement.failures.items()],
        'lines': [{
            'workload': line.workload.name, 'unit': line.workload.unit,
            'text': line.workload.text, 'group': line.workload.group,
            'isle': plain(line.isle), 'isle_one_worker': plain(line.single),
            'limit': plain(line.limit), 'best_peer': line.best_peer,
            'peers': {name: plain(one) for name, one in line.peers.items()},
            'times_better_than_best_peer': line.peer_ratio, 'times_the_limit': line.limit_ratio,
            'bar_reached': line.verdict, 'one_worker_of_all': line.single_ratio,
            'one_worker_of_all_in_pairs': line.again,
        } for line in lines],
        'values': [{'program': key[0], 'threads': key[1], 'figure': key[2], 'values': values}
                   for key, values in measurement.values.items()],
    }, indent=1, ensure_ascii=False) + '\n'


def failures_text(measurement, missing):
    said = [f'not there: {name}: {why}' for name, why in missing.items()]
    for (program, threads, job), why in measurement.failures.items():
        said.append(f'failed: {program}/{threads} {job}: {why[-1]}')
    return said
