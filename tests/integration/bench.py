#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""bench/run measures, compares and writes what it should: a moment of every workload of Isle, the
limits and threads by hand, of the messaging libraries that are installed, and what it makes of
figures that are known."""

import dataclasses
import json
import os
import shutil
import subprocess
import sys
import xml.dom.minidom

from suite import BUILD, SOURCE, equal, main, run, skip, test

BENCH = os.path.join(SOURCE, 'bench')
sys.path.insert(0, os.path.join(BENCH, 'harness'))

# pylint: disable=wrong-import-position
import machine  # noqa: E402
import programs  # noqa: E402
import report  # noqa: E402
import results  # noqa: E402
import workloads  # noqa: E402


def bench(*arguments, peers=('limit', 'pthread')):
    """Runs bench/run on the programs of the build under test; what it wrote."""
    peers = [word for name in peers for word in ('--peer', name)]
    run([sys.executable, os.path.join(BENCH, 'run'), '--programs', os.path.join(BUILD, 'bench'),
         '--output', '.', '--rounds', '1', '--scale', '0.01', '--pairs', '0', *peers, *arguments])
    if not os.path.exists('bench.json'):
        return None
    with open('bench.json', encoding='utf-8') as file:
        return json.load(file)


@test(timeout=300)
def a_moment_of_every_workload():
    told = bench('--group', 'lines', '--group', 'root', '--group', 'own')
    equal([line['workload'] for line in told['lines']],
          [one.name for one in workloads.ALL if one.group in ('lines', 'root', 'own')],
          'the lines')
    equal(told['failures'], [], 'what failed')
    for line in told['lines']:
        assert line['isle']['median'] > 0, line
    xml.dom.minidom.parse('bench.svg')
    with open('bench.md', encoding='utf-8') as file:
        assert 'tree-maps' in file.read()


@test(timeout=300)
def a_moment_of_isolates_behind_a_wall():
    """And of the peers of that group, which need nothing but a compiler; of bubblewrap where it is
    installed and may do what it is asked."""
    usable = subprocess.run(['bwrap', '--unshare-all', '--ro-bind', '/', '/', 'true'],
                            capture_output=True, check=False).returncode == 0 \
        if shutil.which('bwrap') else False
    peers = ['posix_spawn', *(['bwrap'] if usable else []), 'seqpacket']
    # A few of each and each once, whoever else uses the machine.
    told = bench('--build', '.', '--group', 'wall', '--quick', '--scale', '0.001', '--threads', '1',
                 peers=['channel', *peers])
    equal((told['missing'], told['failures']), ({}, []), 'what failed')
    # Nobody but root may look at the memory of an isolate.
    equal([line['workload'] for line in told['lines']],
          [one.name for one in workloads.WALL
           if os.geteuid() == 0 or one.program_line != 'wall-memory'], 'the lines')
    for line in told['lines']:
        asked = next(one for one in workloads.WALL if one.name == line['workload'])
        equal(sorted(line['peers']), sorted(peers), line['workload'])
        equal(list(line['limits']), [what for what, _, _ in asked.limits], line['workload'])
        assert all(one['median'] > 0 for one in [line['isle'], *line['peers'].values(),
                                                 *line['limits'].values()]), line
        equal((line['target'] or 0, line['bar_reached'] in ('yes', 'no')),
              (asked.target, asked.target > 0), line['workload'])
    with open('bench.txt', encoding='utf-8') as file:
        assert 'Behind a wall: the target is reached on' in file.read()
    xml.dom.minidom.parse('bench.svg')


@test(timeout=300)
def a_moment_of_darts_benchmarks():
    told = bench('--group', 'dart')
    equal([line['workload'] for line in told['lines']], [one.name for one in workloads.DART],
          'the lines')
    equal(told['failures'], [], 'what failed')


def moment_of_a_messaging_library(name, header):
    """Built anew, where it is installed, and all its workloads beside Isle's."""
    there = subprocess.run(['cc', '-E', '-include', header, '-x', 'c', os.devnull],
                           capture_output=True, check=False)
    if there.returncode != 0:
        skip(f'{header} is not installed')
    told = bench('--build', '.', '--group', 'lines', peers=[name])
    equal((told['missing'], told['failures']), ({}, []), 'what failed')
    figures = {one['figure'] for one in told['values'] if one['program'] == name}
    listed = run([os.path.join('peers', f'bench-{name}'), 'list']).split()
    equal(figures, {*listed, 'spawn-again'}, 'the figures')
    done = subprocess.run([os.path.join('peers', f'bench-{name}'), 'nothing'],
                          capture_output=True, text=True, check=False)
    equal((done.returncode, done.stdout), (2, ''), 'an unknown workload')


@test(timeout=300)
def a_moment_of_zeromq():
    moment_of_a_messaging_library('zmq', 'zmq.h')


@test(timeout=300)
def a_moment_of_nng():
    moment_of_a_messaging_library('nng', 'nng/nng.h')


@test(timeout=120)
def a_moment_of_the_channel():
    program = os.path.join(BUILD, 'bench', 'bench-channel')
    os.environ['BENCH_COUNT'] = '100'
    for name in run([program, 'list']).split():
        told, value = run([program, name]).split()
        equal(told, name, 'the figure')
        assert float(value) > 0, (name, value)


@test(timeout=120)
def costs_beside_a_crowd_are_drawn():
    bench('--scaling', '--sizes', '1,100')
    xml.dom.minidom.parse('scaling.svg')
    with open('scaling.md', encoding='utf-8') as file:
        told = file.read()
    assert 'round-trip' in told and 'KiB in other mailboxes' in told, told
    with open('scaling.svg', encoding='utf-8') as file:
        drawn = file.read()
    for words in ('beside pending timers', 'beside KiB in other', 'round trip', 'spawn'):
        assert words in drawn, words


@test(timeout=60)
def workloads_and_peers_are_chosen_by_name():
    told = bench('--workload', 'spawn*', '--workload', 'ring')
    names = [line['workload'] for line in told['lines']]
    equal(names, ['spawn', 'spawn-burst', 'spawn-again', 'ring', 'spawn-root', 'spawn-burst-root',
                  'spawn-again-root'], 'the lines')
    equal(sorted(told['programs']), ['isle', 'limit', 'pthread'], 'the programs')


@test()
def programs_refuse_what_they_do_not_know():
    for name in ['isle', 'limit', 'pthread', 'channel']:
        program = os.path.join(BUILD, 'bench', f'bench-{name}')
        done = subprocess.run([program, 'nothing'], capture_output=True, text=True, check=False)
        equal((done.returncode, done.stdout), (2, ''), name)


def judged(unit, isle, peers, limit=None):
    def one(value):
        return results.Figure(value, value, value, 2, 1, 0)
    return results.Line(workloads.Workload('w', unit, ''), one(isle), None,
                        {name: one(value) for name, value in peers.items()},
                        one(limit) if limit else None)


@test()
def the_bar_is_twice_the_best_peer_or_near_the_limit():
    for line, verdict in [(judged('ns', 100, {'a': 200, 'b': 900}), 'yes'),
                          (judged('ns', 100, {'a': 199, 'b': 900}), 'no'),
                          (judged('/s', 200, {'a': 100, 'b': 20}), 'yes'),
                          (judged('/s', 199, {'a': 100, 'b': 20}), 'no'),
                          (judged('B', 50, {'a': 100}), 'yes'),
                          (judged('B', 51, {'a': 100}), 'no'),
                          (judged('ns', 100, {'a': 110}, 80), 'yes'),
                          (judged('ns', 100, {'a': 110}, 79), 'no'),
                          (judged('/s', 80, {'a': 70}, 100), 'yes'),
                          (judged('ns', 100, {}), '')]:
        equal(line.verdict, verdict, f'verdict on {line}')
    for unit, isle, target, verdict in [('ns', 100, 100, 'yes'), ('ns', 101, 100, 'no'),
                                        ('/s', 100, 100, 'yes'), ('B/s', 99, 100, 'no')]:
        line = judged(unit, isle, {'a': 1000})
        line.workload = dataclasses.replace(line.workload, group='wall', target=target)
        equal(line.verdict, verdict, f'verdict on {line}')
    equal(judged('/s', 10, {'a': 5, 'b': 7}).best_peer, 'b', 'best in messages a second')
    equal(judged('ns', 10, {'a': 5, 'b': 7}).best_peer, 'a', 'best in time')


@test()
def a_group_that_is_published_leaves_the_others_as_they_were():
    told = {'machine': machine.describe(), 'rounds': 5, 'scale': 1}

    def page(group, value, date, old=''):
        line = judged('ns', value, {'posix_spawn': 70})
        line.workload = dataclasses.replace(line.workload, group=group, target=60)
        program = programs.Program('isle', '', [], f'at-{date}')
        return report.markdown_report([line], [program], dict(told, date=date), old)

    first = page('lines', 5, '2026-01-01', page('wall', 50, '2026-01-02'))
    second = page('wall', 90, '2026-01-03', first)
    headings = ['## Between isolates', '### All medians', '## Behind a wall',
                '### From the least to the most']
    for told_page in (first, second):
        equal([line for line in told_page.splitlines() if line.startswith('##')], headings,
              'the sections')
    before, after = report.sections_of(first), report.sections_of(second)
    equal(after['Between isolates'], before['Between isolates'], 'what was not measured')
    assert 'Measured on 2026-01-01' in second and 'at-2026-01-01' in second, second
    assert '2026-01-02' not in second and '| 90 ns |' in second, second
    equal(report.markdown_report([], [], told, second), second, 'a page that nothing is added to')


@test()
def root_lines_are_held_against_a_peers_own():
    class Asked:
        """A program that was measured with one thread and with two."""
        def __init__(self, name):
            self.name = name

        def variants(self, _):
            return [1, 2]

    class Measured:
        values = {('a', 2, 'spawn'): [10], ('a', 1, 'spawn-root'): [70],
                  ('a', 2, 'spawn-root'): [50], ('b', 1, 'spawn'): [20]}
        disturbed = {}

    line = next(one for one in workloads.ALL if one.name == 'spawn-root')
    for name, value in [('a', 50), ('b', 20)]:
        found = results.better_variant(Measured(), Asked(name), 2, line)
        equal(found.median, value, f'what {name} is held to')
    equal(results.better_variant(Measured(), Asked('c'), 2, line), None, 'who has neither')
    plain = next(one for one in workloads.ALL if one.name == 'spawn')
    equal(results.better_variant(Measured(), Asked('a'), 2, plain).median, 10, 'the plain line')
    handlers = next(one for one in workloads.ALL if one.name == 'round-trip-handlers-root')
    equal(handlers.peer_lines, ['round-trip-root', 'round-trip'], 'the lines of peers')


@test()
def one_worker_is_better_only_if_pairs_say_so_as_well():
    class Measured:
        pairs_of = {'ring': [(90, 100), (101, 100), (99, 100)], 'big': [(80, 100), (99, 100)] * 2}

        def pairs(self, program, job, figure, threads, count):
            equal((program.name, job, threads, count), ('isle', figure, 2, 4), 'what is measured')
            return self.pairs_of[figure]

    class Isle:
        name = 'isle'

    def seen(name, single, all_):
        workload = next(one for one in workloads.ALL if one.name == name)
        figures = [results.Figure(one, one, one, 2, 1, 0) for one in (all_, single)]
        return results.Line(workload, *figures, {}, None)

    lines = [seen('ring', 80, 100), seen('big', 80, 100), seen('pairs', 98, 100)]
    results.look_again(Measured(), lines, 2, [Isle()], 4)
    equal([line.single_is_suspicious for line in lines], [True, True, False], 'in the rounds')
    equal([line.single_is_better for line in lines], [False, True, False], 'in pairs')


@test()
def values_are_shown_in_three_digits():
    for unit, value, shown in [('ns', 0.5, '0.50 ns'), ('ns', 39.04, '39 ns'),
                               ('ns', 999.7, '1.00 µs'), ('ns', 12345, '12.3 µs'),
                               ('/s', 25.9e6, '25.9 M/s'), ('B/s', 3.2e9, '3.20 GB/s'),
                               ('B', 313, '313 B'),
                               ('B', 1867, '1,867 B'), ('B', 23200, '23.2 kB')]:
        equal(workloads.format_value(unit, value), shown, f'{value} {unit}')


main()
