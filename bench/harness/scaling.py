# SPDX-License-Identifier: Apache-2.0
"""What an operation of Isle costs beside 1, 10, ... 1,000,000 others: curves should be flat."""

import json
import os
import statistics
import sys
import time

import machine
import plot
import programs as programs_module
from measure import Run, is_disturbed, run_once
from report import machine_text, markdown_table
from workloads import format_value

CROWDS = {
    'isolates': 'idle isolates',
    'suspended': 'isolates suspended in receive',
    'ports': 'open ports of its own',
    'timers': 'pending timers of its own',
    'messages': 'messages of 64 bytes in other mailboxes',
    'bytes': 'KiB in other mailboxes',
}
MOST = {'suspended': 100000}  # each has a stack: a million would need 6 GB
OPERATIONS = {'spawn': 'spawn, answer, end', 'round-trip': 'round trip', 'call': 'call',
              'timer': 'timer set and cancelled', 'port': 'port opened and closed'}
FLAT = 1.5  # times the cost beside one that still counts as the same


def measure(program, sizes, options):
    """{crowd: {operation: {size: [values]}}}"""
    plan = [(crowd, size) for crowd in CROWDS for size in sizes
            if size <= MOST.get(crowd, size)]
    found = {crowd: {operation: {} for operation in OPERATIONS} for crowd in CROWDS}
    start, done, total = time.monotonic(), 0, len(plan) * options.rounds
    for number in range(options.rounds):
        for crowd, size in plan:
            environment = dict(os.environ, BENCH_SCALE=str(options.scale), BENCH_SIZE=str(size))
            run = Run(program, options.threads, f'scaling-{crowd}')
            outcome = run_once(run, environment)
            if not outcome.error and is_disturbed(outcome.foreign) and not options.quick:
                again = run_once(run, environment)
                outcome = min(outcome, again, key=lambda one: (bool(one.error), one.foreign))
            if outcome.error:
                sys.exit(f'bench: {crowd} {size}: {outcome.error}')
            for operation, value in outcome.figures.items():
                found[crowd][operation].setdefault(size, []).append(value)
            done += 1
            left = (time.monotonic() - start) / done * (total - done)
            print(f'[{done}/{total}] round {number + 1}/{options.rounds}  {size:,} {crowd}  '
                  f'{int(left // 60)} min {int(left % 60):02} s left', file=sys.stderr, flush=True)
    return found


def medians(found):
    return {crowd: {operation: {size: statistics.median(values)
                                for size, values in by_size.items()}
                    for operation, by_size in by_operation.items()}
            for crowd, by_operation in found.items()}


def growth(by_size):
    """The cost beside the most, in times of that beside few: the least of the three smallest
    crowds and the largest one, so that one bad value of the small ones does not hide a growth."""
    sizes = sorted(by_size)
    return by_size[sizes[-1]] / min(by_size[size] for size in sizes[:3])


def table(costs):
    rows = []
    for crowd, by_operation in costs.items():
        for operation, by_size in by_operation.items():
            rows.append([CROWDS[crowd], OPERATIONS[operation] + f' (`{operation}`)',
                         *[format_value('ns', by_size[size]) if size in by_size else '–'
                           for size in sorted(costs['isolates'][operation])],
                         f'{growth(by_size):.2f}×'])
    sizes = sorted(costs['isolates']['spawn'])
    return markdown_table(['beside', 'operation', *[f'{size:,}' for size in sizes], 'growth'], rows)


def verdict(costs):
    grown = [f'{operation} beside {CROWDS[crowd]} ({growth(by_size):.2f}×)'
             for crowd, by_operation in costs.items()
             for operation, by_size in by_operation.items() if growth(by_size) > FLAT]
    if not grown:
        return f'No operation costs more than {FLAT:g} times as much beside the largest crowd.'
    return f'More than {FLAT:g} times as much beside the largest crowd: {"; ".join(grown)}.'


HOW = '''\
Medians of {rounds} rounds, each in a process of its own, of the best of three turns there. An \
ordinary isolate does the operations, with another where they have two sides. The others rest \
meanwhile: isolates that wait for mail, with a stack (suspended) or without; ports and timers of \
the isolate that does the operations; messages, small or large, in the mailboxes of paused \
isolates. *Growth* is the cost beside the largest crowd, in times of the least of the three \
smallest crowds.'''


def document(costs, described, program, options):
    sizes = sorted(costs['isolates']['spawn'])
    crowd = f'{sizes[0]:,} to {sizes[-1]:,} others'
    return '\n'.join([
        '# Costs beside a crowd', '',
        f'What an operation of Isle takes while {crowd} are there: it should take the same. '
        '`make bench-scaling` measures it.', '', verdict(costs), '',
        f'![Costs beside {crowd}](scaling.svg)', '',
        f'{machine_text(described, [program])} {HOW.format(rounds=options.rounds)}', '',
        table(costs), ''])


def main(options):
    folder = options.programs or programs_module.build_ours(options.build)
    program = programs_module.load('isle', folder)
    sizes = [int(size) for size in options.sizes.split(',')]
    costs, described = medians(measure(program, sizes, options)), machine.describe()
    os.makedirs(options.output, exist_ok=True)
    text = document(costs, described, program, options)
    files = {'scaling.md': text, 'scaling.svg': plot.crowds(costs, CROWDS, growth),
             'scaling.json': json.dumps({'machine': described, 'costs_ns': costs},
                                        indent=1) + '\n'}
    for name, content in files.items():
        folders = [options.output]
        if options.publish and not name.endswith('.json'):
            folders.append(os.path.join(programs_module.SOURCE, 'docs'))
        for place in folders:
            with open(os.path.join(place, name), 'w', encoding='utf-8') as file:
                file.write(content)
    print(text)
    return 0
