#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Deterministic mode from outside: one seed is one trace, whatever the compiler, its optimizer and
the addresses; `isle explore` finds the bank's mistake, which no plain run shows, and replays it."""

import concurrent.futures
import json
import os
import re
import shlex
import shutil
import subprocess

from suite import BUILD, SOURCE, equal, main, run, skip, test

COMMAND = os.path.join(BUILD, 'src', 'cli', 'isle')
BANK = os.path.join(BUILD, 'examples', 'bank')
TIER = os.environ.get('ISLE_TEST_TIER', 'quick')


def need(path):
    if not os.path.exists(path):
        skip(f'{os.path.relpath(path, BUILD)} was not built')


def simulated(program, seed, trace=None, prefix=(), **environment):
    """The status and output of a run."""
    environment = {**os.environ, 'ISLE_SEED': str(seed), **environment}
    if trace:
        environment['ISLE_TRACE'] = trace
    done = subprocess.run([*prefix, program], capture_output=True, text=True, check=False,
                          env=environment, stdin=subprocess.DEVNULL)
    return done.returncode, done.stdout + done.stderr


def trace_of(program, seed, prefix=()):
    simulated(program, seed, 'trace', prefix)
    with open('trace', encoding='utf-8') as file:
        return file.read()


def without_randomisation():
    prefix = ['setarch', '-R']
    if subprocess.run([*prefix, 'true'], capture_output=True, check=False).returncode != 0:
        skip('this machine does not let a program switch address randomisation off')
    return prefix


@test(timeout=120)
def addresses_change_no_trace():
    need(BANK)
    prefix = without_randomisation()
    for name in ['bank', 'supervisor', 'pool', 'errors', 'two_ports']:
        program = os.path.join(BUILD, 'examples', name)
        for seed in range(1, 6):
            random = trace_of(program, seed)
            assert random.count('\n') > 5, random
            equal(trace_of(program, seed, prefix), random, f'trace of {name}, seed {seed}')
            equal(trace_of(program, seed), random, f'trace of {name}, seed {seed}, again')


def library_options():
    """Of the compile command of the library under test: what configures it."""
    with open(os.path.join(BUILD, 'compile_commands.json'), encoding='utf-8') as file:
        words = shlex.split(next(entry['command'] for entry in json.load(file)
                                 if entry['file'].endswith('src/core/isolate.c')))
    return [word for word in words if word.startswith('-DISLE_')]


def sources():
    """Of the library on this system, as the archive was made of them."""
    with open(os.path.join(BUILD, 'compile_commands.json'), encoding='utf-8') as file:
        entries = json.load(file)
    return sorted({os.path.join(entry['directory'], entry['file']) for entry in entries
                   if re.search(r'/src/(?!cli/)', entry['file']) and
                   'libisle' in entry.get('output', 'libisle')})


def built_by(compiler, optimizer):
    """Whether the tree's own bank is what that would make."""
    with open(os.path.join(BUILD, 'compile_commands.json'), encoding='utf-8') as file:
        words = shlex.split(next(entry['command'] for entry in json.load(file)
                                 if entry['file'].endswith('examples/bank.c')))
    compilers = [shutil.which(word) for word in (words[0], compiler)]
    return optimizer in words and None not in compilers and (
        os.path.realpath(compilers[0]) == os.path.realpath(compilers[1]))


def build_bank(compiler, optimizer):
    """The bank with a library of its own, all by that compiler."""
    name = f'bank-{compiler}{optimizer}'
    options = [compiler, '-std=gnu11', optimizer, '-w', '-pthread', *library_options(),
               f'-I{SOURCE}/include', f'-I{SOURCE}/src']

    def compile_one(path):
        target = f'{name}-{os.path.basename(os.path.dirname(path))}-{os.path.basename(path)}.o'
        run([*options, '-c', path, '-o', target])
        return target
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        objects = list(pool.map(compile_one, sources()))
    run([*options, os.path.join(SOURCE, 'examples', 'bank.c'), *objects, '-o', name, '-ldl'])
    return os.path.abspath(name)


@test(timeout=300, tier=1)
def compilers_change_no_trace():
    need(BANK)
    seeds = range(1, 51)
    expected = [trace_of(BANK, seed) for seed in seeds]
    for compiler in ['gcc', 'clang', 'clang-14']:
        if compiler == 'clang-14' and shutil.which('clang') or not shutil.which(compiler):
            continue
        for optimizer in ['-O0', '-O2']:
            if built_by(compiler, optimizer):
                continue
            program = build_bank(compiler, optimizer)
            for seed, trace in zip(seeds, expected):
                equal(trace_of(program, seed), trace, f'trace of {program}, seed {seed}')


@test(timeout=60)
def seeds_make_different_traces():
    need(BANK)
    what = {re.sub(r'^\d+ \d+ |^#.*\n', '', trace_of(BANK, seed), flags=re.MULTILINE)
            for seed in range(1, 101)}
    assert len(what) >= 90, f'{len(what)} different traces of 100 seeds'


@test(timeout=120)
def explore_finds_the_banks_mistake_and_replays_it():
    need(BANK)
    need(COMMAND)
    out = run([COMMAND, 'explore', BANK, '--seeds', '200', '--quiet'], status=1)
    found = re.search(r'^replay it with: ISLE_SEED=(\d+) (.*)$', out, re.MULTILINE)
    assert found, out
    seed = int(found.group(1))
    assert 1 <= seed <= 200, out
    assert re.search(rf'^seed {seed} fails: exit status 1$', out, re.MULTILINE), out
    told = out.split('\n')[0]
    assert told in ('120', '130'), out
    for _ in range(20):
        replayed = subprocess.run(f'ISLE_SEED={seed} {found.group(2)}', shell=True, text=True,
                                  capture_output=True, check=False)
        equal((replayed.returncode, replayed.stdout), (1, told + '\n'), 'the replayed run')
    equal(run([COMMAND, 'explore', BANK, '--seeds', str(seed), '--quiet', '--jobs', '1'],
              status=1), out, 'with one job')
    if seed > 1:
        run([COMMAND, 'explore', BANK, '--seeds', str(seed - 1), '--quiet'])


@test(timeout=600)
def the_banks_mistake_shows_in_no_plain_run():
    """As many as fit: 10,000 in the long tier. A run takes little more than a process does."""
    need(BANK)
    count = {'quick': 500, 'full': 2000, 'soak': 10000}[TIER]

    def plain(_):
        return subprocess.run([BANK], capture_output=True, text=True, check=False,
                              stdin=subprocess.DEVNULL).stdout
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        outputs = set(pool.map(plain, range(count)))
    equal(outputs, {'150\n'}, f'output of {count} plain runs')


@test(timeout=60)
def the_banks_mistake_does_not_show_first_in_first_out():
    need(BANK)
    for _ in range(20):
        equal(simulated(BANK, 'fifo'), (0, '150\n'), 'the run')


@test(timeout=60)
def explore_reports_what_ends_a_run():
    need(COMMAND)
    out = run([COMMAND, 'explore', '--seeds', '20', '--quiet', '/bin/true'])
    equal(out, 'no seed from 1 to 20 fails\n', 'of a program that succeeds')
    out = run([COMMAND, 'explore', 'sh', '--seeds', '20', '--quiet', '--', '-c',
               'test $ISLE_SEED -lt 7 || { echo "$ISLE_SEED $ISLE_FAULTS"; kill -9 $$; }'],
              status=1)
    assert out.startswith('7 \nseed 7 fails: signal 9 (Killed)\n'), out
    out = run([COMMAND, 'explore', '--from', '30', '--faults', 'kill:0.5', '--jobs', '3', '--quiet',
               'sh', '--', '-c', 'echo "it\'s $ISLE_SEED $ISLE_FAULTS"; exit 3'], status=1)
    assert "it's 30 kill:0.5\nseed 30 fails: exit status 3\n" in out, out
    assert "replay it with: ISLE_SEED=30 ISLE_FAULTS=kill:0.5 sh -c 'echo \"it'\\''s " in out, out
    out = run([COMMAND, 'explore', '--timeout', '1', '--seeds', '1', '--quiet', 'sleep', '--',
               '30'], status=1)
    assert 'seed 1 fails: it did not end within 1 s' in out, out


@test()
def explore_shows_progress():
    need(COMMAND)
    out = run([COMMAND, 'explore', '--seeds', '20', '/bin/true'])
    assert '10 of 20 seeds, ' in out and '20 of 20 seeds, ' in out, out


@test()
def explore_refuses_what_it_does_not_understand():
    need(COMMAND)
    for arguments in ['', '--seeds', '--seeds 0 x', '--seeds many x', '--jobs 0 x', '--what x',
                      'one two', '/no/such/program', '--timeout -1 x', '--from 1x x']:
        out = run(f'{COMMAND} explore {arguments}', status=2)
        assert out.startswith('isle: explore'), out
    assert 'ISLE_SEED' in run([COMMAND, 'explore', '--help'])
    equal(run([COMMAND, 'help', 'explore']), run([COMMAND, 'explore', '-h']), 'help')
    assert 'explore' in run([COMMAND, 'help'])


if __name__ == '__main__':
    main()
