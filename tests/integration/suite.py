# SPDX-License-Identifier: Apache-2.0
"""The frame of a test script: it answers as a test program does (tests/test.h).

A script registers functions with @test and ends with main(). `--describe` lists them; a name runs
one in a folder of its own that is removed afterwards; without arguments all run. An AssertionError
or a command that fails is a failure; skip() ends the test as "not run"."""

import os
import shlex
import subprocess
import sys
import tempfile

SOURCE = os.environ.get('ISLE_SOURCE') or os.path.dirname(
    os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get('ISLE_BUILD') or os.path.join(SOURCE, 'build')

TESTS = {}


def test(timeout=30, memory=0, tier=0, alone=0):
    def register(function):
        TESTS[function.__name__] = (function, timeout, memory, tier, alone)
        return function
    return register


def skip(reason):
    print(f'not run: {reason}', flush=True)
    sys.exit(77)


def is_sanitized():
    """A sanitizer's runtime takes the signals of a crash, and more memory than a limit leaves."""
    with open(os.path.join(BUILD, 'compile_commands.json'), encoding='utf-8') as file:
        return '-fsanitize' in file.read()


def run(command, status=0, **options):
    """Runs a command, given as words or as one string, and returns what it printed."""
    words = shlex.split(command) if isinstance(command, str) else [str(word) for word in command]
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          stdin=subprocess.DEVNULL, check=False, **options)
    if done.returncode != status:
        print(done.stdout)
        raise AssertionError(f'status {done.returncode}, expected {status}: {shlex.join(words)}')
    return done.stdout


def equal(got, expected, what=''):
    assert got == expected, f'{what} is\n{got}\nexpected\n{expected}'


def main():
    if sys.argv[1:] == ['--list']:
        print(*TESTS, sep='\n')
        return
    if sys.argv[1:] == ['--describe']:
        for name, (_, *declared) in TESTS.items():
            print(name, *declared)
        return
    for name in sys.argv[1:] or TESTS:
        with tempfile.TemporaryDirectory(prefix='isle-test-') as folder:
            os.chdir(folder)
            try:
                TESTS[name][0]()
            finally:
                os.chdir('/')
