#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Each program of the guide and the README builds without a warning against the library under test,
prints what its page says and ends with the status that its page says."""

import json
import os
import shlex
import subprocess

from suite import BUILD, SOURCE, equal, main, run, test

WARNINGS = '-Wall -Wextra -Wno-unused-parameter -Werror'.split()
TOOL = os.path.join(SOURCE, 'tools', 'guide-programs')


def compiler():
    """The compiler of the library, with its sanitizers."""
    with open(os.path.join(BUILD, 'compile_commands.json'), encoding='utf-8') as file:
        words = shlex.split(next(entry['command'] for entry in json.load(file)
                                 if entry['file'].endswith('src/core/isolate.c')))
    if words[0].endswith('ccache'):
        words = words[1:]
    return [words[0], *[word for word in words if word.startswith('-fsanitize')]]


def build_and_compare(name, status):
    library = os.path.join(BUILD, 'src')
    run([TOOL, '.'])
    run([*compiler(), '-std=gnu11', '-g', *WARNINGS, f'-I{SOURCE}/include', f'{name}.c', '-o', name,
         f'-L{library}', '-lisle', '-pthread', f'-Wl,-rpath,{library}'])
    done = subprocess.run([f'./{name}'], capture_output=True, text=True, check=False,
                          stdin=subprocess.DEVNULL)
    with open(f'{name}.expected', encoding='utf-8') as file:
        equal(done.stdout + done.stderr, file.read(), f'output of {name}')
    equal(done.returncode, status, f'status of {name}')


def register():
    """One test a program."""
    for line in run([TOOL, '--list']).splitlines():
        name, status, _ = line.split()

        def run_program(name=name, status=int(status)):
            build_and_compare(name, status)
        run_program.__name__ = f'guide_{name}'
        test(timeout=60)(run_program)


if __name__ == '__main__':
    register()
    main()
