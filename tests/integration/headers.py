#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every public header compiles alone: C99, C11 and C++17, gcc and clang, strict warnings."""

import glob
import os
import shutil

from suite import SOURCE, main, run, skip, test

WARNINGS = ('-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wundef '
            '-Werror').split()
C_WARNINGS = '-Wstrict-prototypes -Wmissing-prototypes -Wcast-qual -Wformat=2 -Wvla'.split()


def compile_alone(compiler, language, standard, flags):
    if not shutil.which(compiler):
        skip(f'no {compiler}')
    include = os.path.join(SOURCE, 'include')
    headers = [os.path.join(include, 'isle.h'), *sorted(glob.glob(f'{include}/isle/*.h'))]
    if language == 'c++':
        headers.append(os.path.join(include, 'isle.hpp'))
    assert len(headers) > 10, headers
    for header in headers:
        run([compiler, '-x', language, f'-std={standard}', *WARNINGS, *flags, f'-I{include}',
             '-fsyntax-only', '-include', header, '/dev/null'])


@test()
def headers_compile_alone_gcc():
    compile_alone('gcc', 'c', 'c99', C_WARNINGS)
    compile_alone('gcc', 'c', 'c11', C_WARNINGS)


@test()
def headers_compile_alone_gxx():
    compile_alone('g++', 'c++', 'c++17', [])


@test()
def headers_compile_alone_clang():
    compile_alone('clang-14', 'c', 'c99', [*C_WARNINGS, '-Wno-c11-extensions'])
    compile_alone('clang-14', 'c', 'c11', C_WARNINGS)


@test()
def headers_compile_alone_clangxx():
    compile_alone('clang++-14', 'c++', 'c++17', [])


@test()
def umbrella_names_every_header():
    with open(os.path.join(SOURCE, 'include', 'isle.h'), encoding='utf-8') as file:
        umbrella = file.read()
    for header in os.listdir(os.path.join(SOURCE, 'include', 'isle')):
        if header.endswith('.h'):
            assert f'"isle/{header}"' in umbrella, f'isle.h does not include {header}'


main()
