#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What `make install` leaves: a program outside the tree builds against it with pkg-config."""

import glob
import os
import re
import shutil
import subprocess

from suite import BUILD, SOURCE, equal, main, run, skip, test

PREFIX = '/opt/isle'
HERE = os.path.dirname(os.path.abspath(__file__))
C_OUTPUT = '42\nhello from an isolate!\n'
CXX_OUTPUT = '42\n'


def option(name):
    """A build option of the library that is under test."""
    text = run(['meson', 'introspect', '--buildoptions', BUILD])
    found = re.search(r'"name": "%s", "value": "?([^",}]*)' % name, text)
    return found.group(1) if found else ''


def installed():
    """The root of a fresh copy, installed as a packager does: DESTDIR and prefix."""
    if option('b_sanitize') != 'none' or option('generation_bits') != '0':
        skip('a build for tests is not for installing')
    root = os.path.join(os.getcwd(), 'root')
    environment = {name: value for name, value in os.environ.items()
                   if not name.startswith(('MAKE', 'MFLAGS', 'CC'))}
    run(['make', '-C', SOURCE, 'install', f'BUILD={os.getcwd()}/build', f'DESTDIR={root}',
         f'prefix={PREFIX}', 'libdir=lib',
         'MESON_OPTIONS=-Dexamples=false -Dcli=disabled -Doptimization=0 -Db_lto=false'],
        env=environment)
    return root


def pkg_config(root, *words):
    environment = dict(os.environ, PKG_CONFIG_PATH=f'{root}{PREFIX}/lib/pkgconfig')
    return run(['pkg-config', f'--define-variable=prefix={root}{PREFIX}', *words, 'isle'],
               env=environment).split()


def output(program, root):
    environment = dict(os.environ, LD_LIBRARY_PATH=f'{root}{PREFIX}/lib')
    return run([program], env=environment)


def consume(root):
    flags = pkg_config(root, '--cflags')
    shared = pkg_config(root, '--libs')
    static = pkg_config(root, '--libs', '--static')
    archive = f'{root}{PREFIX}/lib/libisle.a'

    run(['cc', '-Wall', '-Werror', f'{HERE}/consumer.c', '-o', 'c-shared', *flags, *shared])
    equal(output('./c-shared', root), C_OUTPUT, 'the C program, shared')
    run(['cc', '-Wall', '-Werror', f'{HERE}/consumer.c', '-o', 'c-static', *flags, archive,
         *[flag for flag in static if flag != '-lisle']])
    equal(output('./c-static', '/nowhere'), C_OUTPUT, 'the C program, static')
    run(['c++', '-std=c++17', '-Wall', '-Werror', f'{HERE}/consumer.cpp', '-o', 'cxx', *flags,
         *shared])
    equal(output('./cxx', root), CXX_OUTPUT, 'the C++ program')


def soname(root):
    library = f'{root}{PREFIX}/lib/libisle.so'
    text = run(['objdump', '-p', library])
    equal(re.search(r'SONAME\s+(\S+)', text).group(1), 'libisle.so.0', 'the soname')
    assert os.path.islink(library), 'libisle.so is no link'
    assert os.path.exists(f'{root}{PREFIX}/lib/libisle.so.0'), 'no libisle.so.0'
    needed = re.findall(r'NEEDED\s+(\S+)', text)
    strange = [name for name in needed if not re.match(r'(libc|libpthread|libdl|ld-linux.*)\.so',
                                                       name)]
    assert not strange, f'the library needs more than libc: {strange}'


def exported(root):
    """The names that the library gives to programs: those of the headers and no others."""
    text = run(['nm', '-D', '--defined-only', f'{root}{PREFIX}/lib/libisle.so'])
    names = {line.split()[-1].split('@')[0] for line in text.splitlines()}
    strange = sorted(name for name in names if not name.startswith('isle_'))
    assert not strange, f'exported without isle_: {strange}'
    declared = set()
    for header in glob.glob(f'{root}{PREFIX}/include/isle/*.h'):
        with open(header, encoding='utf-8') as file:
            text = re.sub(r'^#.*(\\\n.*)*$', '', file.read(), flags=re.MULTILINE)
        for statement in re.findall(r'ISLE_API[^;{]*', text):
            found = re.search(r'\b(isle_\w+)\s*\(', statement)
            declared.add(found.group(1) if found else statement)
    equal(sorted(names - declared), [], 'exported and in no header')
    equal(sorted(declared - names), [], 'in a header and not exported')


def files(root):
    """The headers are all there, each where an #include finds it."""
    there = sorted(os.listdir(f'{root}{PREFIX}/include/isle'))
    equal(there, sorted(name for name in os.listdir(f'{SOURCE}/include/isle')
                        if name.endswith('.h')), 'the installed headers')
    assert os.path.exists(f'{root}{PREFIX}/include/isle.h'), 'no isle.h'
    leaked = subprocess.run(['grep', '-rl', SOURCE, f'{root}{PREFIX}/include',
                             f'{root}{PREFIX}/lib/pkgconfig'], capture_output=True, text=True,
                            check=False).stdout
    equal(leaked, '', 'files that name the source directory')
    equal(pkg_config(root, '--modversion'), ['0.1.0'], 'the version')


@test(timeout=300)
def installed_copy_serves_a_program_outside_the_tree():
    if not shutil.which('c++'):
        skip('no C++ compiler')
    root = installed()
    files(root)
    soname(root)
    exported(root)
    consume(root)


main()
