# SPDX-License-Identifier: Apache-2.0
"""The tables, as text and as Markdown, and the JSON file. The published page has a section for each
group, which a run of that group alone replaces."""

import dataclasses
import json
import time

from programs import TITLES
from results import LIMIT_BAR, PEER_BAR, SINGLE_BAR
from workloads import COMPARED, GROUPS, TARGETED, format_value

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


def beside(line, name):
    """An alternative, and how many times better Isle is."""
    if name not in line.peers:
        return '–'
    other = line.peers[name]
    return f'{other.shown(line.workload.unit)} ({line.times_better(line.isle, other):.2f}×)'


def target_row(line):
    unit, target = line.workload.unit, line.workload.target
    return [line.workload.name, line.workload.text, line.isle.shown(unit), line.isle.span(unit),
            *[beside(line, name) for name in ALTERNATIVES],
            ', '.join(f'{what} {one.shown(unit)}' for what, one in line.limits.items()) or '–',
            format_value(unit, target) if target else '–', line.verdict if target else '–']


def plain_row(line):
    unit = line.workload.unit
    return [line.workload.name, line.workload.text, line.isle.shown(unit), line.isle.span(unit),
            line.single.shown(unit) if line.single else '']


def group_table(group, rows):
    """Head and rows."""
    if group in COMPARED:
        return VERDICT_HEAD, [verdict_row(line) for line in rows]
    if group in TARGETED:
        return TARGET_HEAD, [target_row(line) for line in rows]
    return PLAIN_HEAD, [plain_row(line) for line in rows]


PLAIN_HEAD = ['workload', 'what', 'Isle', 'min – max', '1 worker']
VERDICT_HEAD = ['workload', 'Isle', 'min – max', '1 worker', 'best peer', 'ratio', 'limit',
                'of limit', 'bar']
# Who has the lines with a target, and their columns.
ALTERNATIVES = ['posix_spawn', 'bwrap', 'seqpacket']
TARGET_HEAD = ['workload', 'what', 'Isle', 'min – max', *[TITLES[name] for name in ALTERNATIVES],
               'limit', 'target', 'reached']


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


def reached(lines, verdict, what):
    """How many reach it, and which do not."""
    judged = [line for line in lines if verdict(line)]
    if not judged:
        return []
    short = [line for line in judged if verdict(line) == 'no']
    said = [f'{what} is reached on {len(judged) - len(short)} of {len(judged)} lines.']
    if short:
        said.append('Not reached: ' + '; '.join(f'{line.workload.name} ({line.reason})'
                                                for line in short) + '.')
    return said


def one_worker(lines):
    measured = [line for line in lines if line.single_ratio]
    seemed = [line for line in measured if line.single_is_suspicious]
    costly = [line for line in seemed if line.single_is_better]
    said = []
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
    return said


def summary(group, lines):
    """Plain words about the bar, for the lines of one group."""
    said = []
    if group in COMPARED:
        said += reached(lines, lambda line: line.verdict,
                        f'{GROUPS[group]}: the bar (at least {PEER_BAR:g} times better than the '
                        f'best peer, or within {LIMIT_BAR:g} of the limit)')
        said += one_worker(lines)
    if group in TARGETED:
        said += reached(lines, lambda line: line.verdict if line.workload.target else '',
                        f'{GROUPS[group]}: the target')
    shaky = [line for line in lines if line.isle.disturbed]
    if shaky:
        said.append('Others used the machine during rounds of: '
                    + ', '.join(line.workload.name for line in shaky) + '.')
    return said


def titles_of(lines, programs):
    """The others that have some of these lines: name and title."""
    return {program.name: program.title for program in programs
            if program.name not in ('isle', 'limit')
            and any(program.name in line.peers for line in lines)}


def peers_table(lines, programs):
    """Every median; Markdown."""
    names = titles_of(lines, programs)
    head = ['workload', 'limit', 'Isle', *names.values()]
    rows = []
    for line in lines:
        unit = line.workload.unit
        figures = [line.peers.get(name) for name in names]
        rows.append([f'{line.workload.text} (`{line.workload.name}`)',
                     line.limit.shown(unit) if line.limit else '–', line.isle.shown(unit),
                     *[one.shown(unit) if one else '–' for one in figures]])
    return markdown_table(head, rows)


def spans_table(lines, programs):
    """From the least to the most of everybody; Markdown."""
    names = titles_of(lines, programs)
    rows = []
    for line in lines:
        unit = line.workload.unit
        figures = [line.isle, *[line.peers.get(name) for name in names]]
        rows.append([line.workload.name, *[one.span(unit) if one else '–' for one in figures],
                     ', '.join(f'{what} {one.span(unit)}' for what, one in line.limits.items())
                     or '–'])
    return markdown_table(['workload', 'Isle', *names.values(), 'limit'], rows)


def text_report(lines):
    parts, said = [], []
    for group, title in GROUPS.items():
        rows = [line for line in lines if line.workload.group == group]
        if rows:
            parts += [title, text_table(*group_table(group, rows)), '']
            said += summary(group, rows)
    return '\n'.join([*parts, *said])


def machine_text(machine, programs):
    kind = 'virtual machine' if machine['virtual'] else 'machine'
    versions = ', '.join(f'{program.title} {program.version}' for program in programs
                         if program.version)
    return (f'{machine["cpu"]}, {machine["cores"]} cores, {machine["memory_mib"]:,} MiB, '
            f'{kind}, {machine["system"]}, Linux {machine["kernel"]}, {machine["compiler"]}. '
            f'{versions}.')


def provenance(lines, programs, run):
    """Of which source, when, where, beside which versions."""
    at_scale = f' of {run["scale"]:g} times the counts' if run['scale'] != 1 else ''
    there = {'isle', *titles_of(lines, programs)}
    return (f'Measured on {run["date"]}, {run["rounds"]} rounds{at_scale}, medians. '
            + machine_text(run['machine'],
                           [program for program in programs if program.name in there]))


def section(group, lines, programs, run):
    parts = [f'## {GROUPS[group]}', '', provenance(lines, programs, run), '']
    if group in PICTURES:
        parts += [f'![{PICTURE_TEXT[group]}]({PICTURES[group]})', '']
    for sentence in summary(group, lines):
        parts += [sentence, '']
    parts += [markdown_table(*group_table(group, lines)), '']
    if group == 'lines':
        parts += ['### All medians', '', peers_table(lines, programs), '']
    if group in TARGETED:
        parts += ['### From the least to the most', '', spans_table(lines, programs), '']
    return '\n'.join(parts)


# Of a group with a plot, where that lies beside the page.
PICTURES = {'lines': 'bench.svg', 'wall': 'bench-wall.svg'}
PICTURE_TEXT = {'lines': 'Time and memory of Isle and its peers',
                'wall': 'Isolates behind a wall and helper processes'}
HEAD = '\n'.join([
    '# Measured', '',
    'Each section is what a run of `make bench` told of one group of workloads, and says when that '
    'was and of which source. What is counted, and how, is in '
    '[bench/README.md](../bench/README.md).', '',
    'Each program checks its own results. Peers are measured with one scheduler thread and with '
    'all, and the better one counts; Isle with all. Lines of the root are held against what a peer '
    'does from its own main thread, where it can be asked that (Go, Tokio). Compare ratios, not '
    'nanoseconds of different machines.', ''])


def markdown_report(lines, programs, run, old=''):
    """The page; a group that was not measured is taken over from the old page as it stands."""
    sections = sections_of(old)
    for group, title in GROUPS.items():
        measured = [line for line in lines if line.workload.group == group]
        if measured:
            sections[title] = section(group, measured, programs, run)
    return '\n'.join([HEAD, *[sections[title] for title in GROUPS.values() if title in sections]])


def sections_of(page):
    """Those of a page that was written by this, by their title."""
    sections = {}
    for text in ('\n' + page).split('\n## ')[1:]:
        title = text.split('\n', 1)[0]
        sections[title] = f'## {text}'.rstrip('\n') + '\n'
    return sections


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
            'limits': {what: plain(one) for what, one in line.limits.items()},
            'peers': {name: plain(one) for name, one in line.peers.items()},
            'times_better_than_best_peer': line.peer_ratio, 'times_the_limit': line.limit_ratio,
            'target': line.workload.target or None,
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
