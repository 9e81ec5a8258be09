#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every example prints what the file NAME.expected beside it says, on its standard output, says
nothing on standard error, and ends with status 0."""

import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'integration'))
from suite import BUILD, SOURCE, TESTS, equal, main, skip, test  # noqa: E402


def compare(name):
    program = os.path.join(BUILD, 'examples', name)
    if not os.path.exists(program):
        skip(f'{name} was not built: its library is not installed')
    with open(os.path.join(SOURCE, 'examples', name + '.expected'), encoding='utf-8') as file:
        expected = file.read()
    done = subprocess.run([program], capture_output=True, text=True, check=False,
                          stdin=subprocess.DEVNULL)
    equal(done.stdout, expected, f'output of {name}')
    equal(done.stderr, '', f'standard error of {name}')
    equal(done.returncode, 0, f'status of {name}')


def sources(folder):
    root = os.path.join(SOURCE, 'examples', folder)
    for file in sorted(os.listdir(root)):
        stem, ending = os.path.splitext(file)
        if ending in ('.c', '.cpp'):
            yield os.path.join(folder, stem)


def register():
    """One test an example; a source without expected output fails its test."""
    for name in [*sources(''), *sources('seeds')]:
        def run_example(name=name):
            compare(name)
        run_example.__name__ = name.replace('/', '_')
        test()(run_example)


if __name__ == '__main__':
    register()
    assert TESTS
    main()
