#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The library's own tests in deterministic mode, under many seeds.

A test program runs a test again and again in one process (ISLE_TEST_SEEDS, tests/test.h), each time
with another seed, until it has had all of them or its time is up. Tests that keep something in C
globals run in a process a seed instead, fewer times. Left out are those that meet outside Isle or
test what a simulation has not: semaphores, threads, processes, the system's time, the network.

One test here is one test program. When a seed fails, the message has what replays it."""

import fnmatch
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'integration'))
from suite import BUILD, main, test  # noqa: E402

TIER = os.environ.get('ISLE_TEST_TIER', 'quick')
# Seeds a test, and milliseconds that it may take for them.
SEEDS, MOST = {'quick': (100, 100), 'full': (1000, 400), 'soak': (10000, 60000)}[TIER]
PROCESSES = {'quick': 2, 'full': 10, 'soak': 1000}[TIER]

# program: patterns of tests, and why they are left out.
OUTSIDE = {
    'ends': [('one_that_is_blocked*', 'a semaphore')],
    'groups': [('one_that_nothing*', 'a semaphore')],
    'huge': [('*', 'takes gigabytes')],
    'instances': [('*', 'loads thousands of objects')],
    'alone': [('*', 'a program alone on one thread')],
    'wall': [('*', 'processes')],
    'wall_bounds': [('*', 'processes')],
    'wall_calls': [('*', 'processes')],
    'wall_calls_process': [('*', 'processes')],
    'wall_groups': [('*', 'processes')],
    'wall_groups_process': [('*', 'processes')],
    'wall_large': [('*', 'processes')],
    'wall_large_process': [('*', 'processes')],
    'wall_limits': [('*', 'processes')],
    'wall_limits_process': [('*', 'processes')],
    'wall_process': [('*', 'processes')],
    'wall_room': [('*', 'processes')],
    'wall_siblings': [('*', 'processes')],
    'wall_siblings_process': [('*', 'processes')],
    'wall_values': [('*', 'processes')],
    'wall_values_process': [('*', 'processes')],
    'big': [('int32_length_overflow', 'computes for seconds')],
    'uri': [('spawn_uri_default_backend', 'processes')],
    'scheduling': [('many_isolates_b*', 'blocks threads')],
    'io': [('ten_thousand*', 'TCP'), ('blocking*', 'isle_blocking'), ('done_is*', 'isle_blocking')],
    'loops': [('*', 'foreign loops')],
    'supervisor_seeds': [('*', 'simulates itself')],
    'group_seeds': [('*', 'simulates itself')],
    'link_seeds': [('*', 'simulates itself')],
    'name_seeds': [('*', 'simulates itself')],
    'pool_seeds': [('*', 'simulates itself')],
    'port_seeds': [('*', 'simulates itself')],
    'shutdown_seeds': [('*', 'simulates itself')],
    'stream_seeds': [('*', 'simulates itself')],
    'supervisor_requests': [('thousands*', 'computes for seconds')],
    'supervisors': [('who_does_not_even*', 'a semaphore'), ('a_crash*', 'processes')],
    'threads': [('*', 'threads')],
    'floats': [('*', 'threads, foreign loops')],
    'chaos_processes': [('*', 'processes')],
    'chaos': [('*', 'a time of its own')],
    'reports': [('the_environment*', 'processes'), ('a_crash_behind*', 'processes')],
    'scale': [('*', 'measures')],
    'widths': [('*', 'workers')],
    'sweep': [('*', 'counts the allocations of a thread')],
    'pools_memory': [('*', 'counts the allocations of a thread')],
    'pools_process': [('*', 'processes')],
    'program': [('*', 'processes and threads')],
    'program_end': [('*', 'processes and threads')],
    'program_shutdown': [('*', 'processes')],
    'simulation': [('*', 'simulates itself')],
    'kill_points': [('code_between*', 'spins'),
                    ('kill_lands_between_endless*', 'a semaphore'),
                    ('kill_waits_in_an*', 'a semaphore')],
    'mutants': [('a_ping_behind*', 'a semaphore')],
    'mutants_io': [('an_isolate_with*', 'counts threads'), ('blocking*', 'isle_blocking'),
                   ('what_was_made*', 'spins'), ('a_foreign_loop*', 'a foreign loop'),
                   ('the_counts_are*', 'a semaphore')],
    'mutants_quick': [('who_always*', 'counts threads')],
    'monitors': [('an_end_*', 'a semaphore; alone on one thread'),
                 ('out_of_memory*', 'counts the allocations of a thread')],
    'names': [('a_registry_has_a_bound', 'computes')],
    'order': [('control_*', 'a semaphore'), ('an_immediate*', 'a semaphore'),
              ('a_kill_goes*', 'a semaphore'), ('a_pause_goes*', 'a semaphore'),
              ('pings_results*', 'a semaphore'), ('replies_and*', 'a semaphore')],
    'review': [('an_ending*', 'a semaphore'), ('dispatch*', 'a foreign loop'),
               ('threads_post*', 'threads')],
    'review_speed': [('*', 'counts turns of the plain scheduler; processes')],
    'sending': [('sending_does_not*', 'spins')],
    'streams': [('whatever_fails*', 'simulates itself'), ('an_opening_that*', 'a semaphore'),
                ('credit_waits*', 'a semaphore'), ('a_last_word*', 'a semaphore')],
    'shelves': [('who_sends_to*', 'a thread that is stopped'), ('who_is_refused*', 'a thread')],
    'limits': [('updates*', 'computes for seconds')],
    'zygote': [('*', 'processes')],
    'zygote_left': [('*', 'processes')],
    'zygote_pool': [('*', 'processes')],
    'zygote_reuse': [('*', 'processes')],
}
# Keep counts in C globals, or end the process.
ONE_RUN = {
    'errors': ['handle_error2'],
    'io': ['kill_gives*', 'signal_port*'],
    'drops': ['*'],
    'ends': ['*'],
    'kill_points': ['*'],
    'futures': ['then_runs*', 'a_callback_outlives*'],
    'limits': ['a_scope_in_a_loop*'],
    'mutants': ['*'],
    'mutants_io': ['*'],
    'timers': ['*'],
}


def matches(name, patterns):
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def programs():
    """(suite, path) of the test programs in C."""
    with open(os.path.join(BUILD, 'tests', 'manifest'), encoding='utf-8') as file:
        for line in file.read().splitlines():
            suite, _, path = line.partition(' ')
            if suite in ('conformance', 'guarantees') and not path.startswith('missing:'):
                yield suite, path


def tests_of(path):
    """The names of a program's quick tests that can be simulated."""
    stem = os.path.basename(path)
    left_out = [pattern for pattern, _ in OUTSIDE.get(stem, [])]
    listed = subprocess.run([path, '--describe'], capture_output=True, text=True, check=True)
    for line in listed.stdout.splitlines():
        name, _, _, tier, _ = line.split()
        if tier == '0' and not matches(name, left_out):
            yield name


def run(path, name, **environment):
    done = subprocess.run([path, name], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          stdin=subprocess.DEVNULL, check=False,
                          env={**os.environ, 'ISLE_TEST_TIER': 'quick', 'ISLE_SILENCE': '30',
                               **environment})
    if done.returncode != 0:
        seed = environment.get('ISLE_SEED')
        if seed is None:
            told = re.findall(r'seed (\d+)', done.stdout)
            seed = told[-1] if told else '(the last of its process)'
        raise AssertionError(f'status {done.returncode}; replay it with: '
                             f'ISLE_SEED={seed} {path} {name}\n{done.stdout[-4000:]}')
    return done.stdout


def run_one(path, name, first):
    """How many seeds there was time for. Where fewer than all are tried, each test has others."""
    if matches(name, ONE_RUN.get(os.path.basename(path), [])):
        for seed in range(first, first + PROCESSES):
            run(path, name, ISLE_SEED=str(1 + seed % SEEDS))
        return PROCESSES
    out = run(path, name, ISLE_TEST_SEEDS=f'{1 + first % SEEDS} {SEEDS} {MOST}')
    return int(re.search(r'^seeds: (\d+)$', out, re.MULTILINE).group(1))


def run_program(path):
    total, complete, count = 0, 0, 0
    for name in tests_of(path):
        done = run_one(path, name, first=count * 97)
        total += done
        complete += done >= SEEDS
        count += 1
    print(f'measured: {count} tests, {total} runs, {complete} tests under all of {SEEDS} seeds')


def register():
    for suite, path in programs():
        stem = os.path.basename(path)
        if any(pattern == '*' for pattern, _ in OUTSIDE.get(stem, [])):
            continue

        def run_this(path=path):
            run_program(path)
        run_this.__name__ = f'{suite}_{stem}'
        test(timeout=1200 if TIER == 'soak' else 180)(run_this)


if __name__ == '__main__':
    register()
    main()
