#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Each Savina program of bench/savina verifies its result, in sizes that take a moment; and their
runner tells them apart from one that does not."""

import os
import subprocess
import sys

from suite import BUILD, SOURCE, equal, main, run, test

FOLDER = os.path.join(SOURCE, 'bench', 'savina')
RUNNER = os.path.join(FOLDER, 'run')
SMALL = ['--iterations', '2', '--scale', '0.01']
FIGURES = ('pingpong', 'count', 'fjthrput', 'fjcreate', 'threadring', 'chameneos', 'big', 'fib')


def programs():
    return sorted(name[:-2] for name in os.listdir(FOLDER)
                  if name.endswith('.c') and name != 'savina.c')


def verify(name):
    program = os.path.join(BUILD, 'bench', 'savina', name)
    words = run([program, *SMALL]).split()
    equal((words[0], words[1], len(words), words[-1]), (name, '2', 6, 'verified'), 'the line')
    if name in FIGURES:
        words = run([program, *SMALL, '--figure']).split()
        equal((words[0], len(words)), (f'savina-{name}', 2), 'the figure')
        assert float(words[1]) > 0, words


@test(timeout=60)
def savina_runner_prints_a_line_for_what_verifies_and_fails_for_the_rest():
    os.makedirs('bench/savina')
    os.symlink(os.path.join(BUILD, 'bench', 'savina', 'pingpong'), 'bench/savina/pingpong')
    with open('bench/savina/count', 'w', encoding='utf-8') as file:
        file.write('#!/bin/sh\necho "count: wrong" >&2\nexit 1\n')
    os.chmod('bench/savina/count', 0o755)
    command = [sys.executable, RUNNER, '--build', os.getcwd(), *SMALL]
    table = run([*command, 'pingpong'])
    assert table.rstrip().endswith('round trip     verified'), table
    done = subprocess.run([*command, 'pingpong', 'count', 'big'], capture_output=True, text=True,
                          check=False)
    equal(done.returncode, 1, 'status')
    assert 'count          FAILED: count: wrong' in done.stdout, done.stdout
    assert 'big            FAILED: No such file or directory' in done.stdout, done.stdout


@test()
def savina_runner_and_meson_know_every_program():
    with open(os.path.join(FOLDER, 'meson.build'), encoding='utf-8') as file:
        meson = file.read()
    table = run([sys.executable, RUNNER, '--list'])
    equal(sorted(table.split()), programs(), 'the table of the runner')
    for name in programs():
        assert f"'{name}'" in meson, f'{name} is not in bench/savina/meson.build'


def register():
    """One test a program."""
    for name in programs():
        def run_program(name=name):
            verify(name)
        run_program.__name__ = f'savina_{name}_verifies_its_result'
        test(timeout=60)(run_program)


if __name__ == '__main__':
    register()
    main()
