#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`isle check` lists what isolates on threads would share, and survives files that lie."""

import json
import os
import random
import shutil
import subprocess

from suite import BUILD, SOURCE, equal, main, run, skip, test

COMMAND = os.path.join(BUILD, 'src', 'cli', 'isle')

MIXED = r'''
#include <isle/scope.h>
#include <stdio.h>
int counter;
int initialised = 5;
static long hidden = 3;
const int constant = 4;
static const char *const names[] = {"a", "b"};
const char *table[] = {"x"};
_Thread_local int per_thread;
struct stats { int hits; };
ISLE_LOCAL(struct stats, stats);
int next(void);
int next(void)
{
    static int count;
    static int limit = 4;
    return ++count + limit + (int)hidden++ + per_thread;
}
const char *get(int i);
const char *get(int i)
{
    static int count;
    count++;
    fputs("", stdout);
    return i > 1 ? table[0] : names[i] + stats()->hits + constant - constant;
}
'''
CLEAN = r'''
const int constant = 4;
static const char *const names[] = {"a", "b"};
const char *get(int i);
const char *get(int i) { return names[i]; }
'''
REST = r'''
void *isle__local(void *local);
void *isle__local(void *local) { return local; }
int main(void) { return 0; }
'''
SHARED = ['count', 'count', 'counter', 'hidden', 'initialised', 'limit', 'table']


def need_command():
    if not os.path.exists(COMMAND):
        skip('the isle command was not built (no libelf)')


def write(name, text):
    with open(name, 'w', encoding='utf-8') as file:
        file.write(text)


def compile_c(compiler, source, output, *flags):
    if not shutil.which(compiler):
        skip(f'no {compiler}')
    sources = [source] if isinstance(source, str) else source
    run([compiler, '-std=gnu11', f'-I{SOURCE}/include', *flags, *sources, '-o', output])


def check(*arguments, status):
    """Runs the command; returns what it wrote to its two streams."""
    need_command()
    done = subprocess.run([COMMAND, *arguments], capture_output=True, text=True, check=False,
                          stdin=subprocess.DEVNULL)
    equal(done.returncode, status, f'status of {arguments}: {done.stdout}{done.stderr}')
    return done.stdout, done.stderr


def report(*arguments, status):
    out, _ = check('--json' if not arguments else arguments[0], *arguments[1:], status=status)
    return json.loads(out)['files']


def plain(symbol):
    """The variable's name in the source: gcc writes count.0, clang next.count."""
    parts = [part for part in symbol.split('.') if not part.isdigit()]
    return parts[-1]


def names(entries):
    return sorted(plain(entry['name']) for entry in entries)


def compare_lists(compiler):
    write('mixed.c', MIXED)
    write('rest.c', REST)
    compile_c(compiler, 'mixed.c', 'mixed.o', '-c', '-g')
    compile_c(compiler, ['mixed.c', 'rest.c'], 'mixed.so', '-g', '-shared', '-fPIC')
    compile_c(compiler, ['mixed.c', 'rest.c'], 'mixed', '-g')
    for file in ['mixed.o', 'mixed.so', 'mixed']:
        entry, = report('check', '--json', '--all', file, status=1)
        equal(entry['complete'], True, file)
        equal(names(entry['shared']), SHARED, f'shared of {file}')
        equal(names(entry['per_thread']), ['per_thread'], f'per thread of {file}')
        equal(names(entry['isle']), ['stats_isle_local'], f'slots of {file}')
        hidden, = [one for one in entry['shared'] if one['name'] == 'hidden']
        equal((hidden['size'], hidden['section'], hidden['source']), (8, '.data', 'mixed.c'), file)


@test()
def check_lists_globals_of_gcc():
    compare_lists('gcc')


@test()
def check_lists_globals_of_clang():
    compare_lists('clang-14')


@test()
def check_gives_lines_and_functions():
    for compiler in ['gcc', 'clang-14']:
        if not shutil.which(compiler):
            continue
        write('mixed.c', MIXED)
        compile_c(compiler, 'mixed.c', 'mixed.o', '-c', '-g')
        entry, = report('check', '--json', 'mixed.o', status=1)
        if entry['shared'][0]['line'] is None:
            skip('the isle command was built without libdw')
        lines = MIXED.splitlines()
        statics = []
        for one in entry['shared']:
            assert plain(one['name']) in lines[one['line'] - 1], one
            if plain(one['name']) == 'count':
                statics.append(one['function'])
        equal(sorted(statics), ['get', 'next'], compiler)


@test()
def check_takes_common_symbols():
    write('common.c', 'int tentative; _Thread_local int tls;')
    compile_c('gcc', 'common.c', 'common.o', '-c', '-fcommon')
    entry, = report('check', '--json', 'common.o', status=1)
    equal([(one['name'], one['section']) for one in entry['shared']], [('tentative', 'COMMON')])


@test()
def check_finds_nothing_in_constants():
    write('clean.c', CLEAN)
    for flags in [['-c'], ['-c', '-fPIC'], ['-shared', '-fPIC'],
                  ['-c', '-fdata-sections', '-ffunction-sections', '-O2']]:
        compile_c('gcc', 'clean.c', 'clean.o', *flags)
        equal(check('check', 'clean.o', status=0), ('', ''), str(flags))


@test()
def check_passes_over_instrumentation():
    write('clean.c', CLEAN)
    for compiler in ['gcc', 'clang-14']:
        if not shutil.which(compiler):
            continue
        for flags in [['-fsanitize=address'], ['-fsanitize=undefined'], ['-fsanitize=thread'],
                      ['--coverage']]:
            compile_c(compiler, 'clean.c', 'clean.o', '-c', *flags)
            equal(check('check', 'clean.o', status=0), ('', ''), f'{compiler} {flags}')


@test()
def check_allows_named_symbols():
    write('two.c', 'int log_level; int log_file; int other;')
    compile_c('gcc', 'two.c', 'two.o', '-c')
    out, _ = check('check', '--allow', 'log_*', 'two.o', status=1)
    assert 'other' in out and 'log_level' not in out, out
    check('check', '--allow=log_?*', '--allow', 'other', 'two.o', status=0)
    out, _ = check('check', '--all', '--allow', '*', 'two.o', status=0)
    assert '3 shared variables, allowed' in out, out


@test()
def check_says_that_a_file_is_stripped():
    write('mixed.c', MIXED)
    write('rest.c', REST)
    write('clean.c', 'static int hidden; int next(void); int next(void) { return ++hidden; }')
    compile_c('gcc', ['mixed.c', 'rest.c'], 'mixed.so', '-shared', '-fPIC', '-s')
    out, err = check('check', 'mixed.so', status=1)
    assert 'only its dynamic symbols' in err and 'counter' in out, out + err
    entry, = report('check', '--json', 'mixed.so', status=1)
    equal(entry['complete'], False)
    compile_c('gcc', 'clean.c', 'clean.so', '-shared', '-fPIC', '-s')
    _, err = check('check', 'clean.so', status=2)
    assert 'only its dynamic symbols' in err, err
    compile_c('gcc', 'clean.c', 'clean.o', '-c')
    run('strip --strip-unneeded clean.o')
    run('strip -R .symtab -s clean.o')
    _, err = check('check', 'clean.o', status=2)
    assert 'has no symbols' in err, err


@test()
def check_reads_archives():
    write('one.c', 'int one; ')
    write('two.c', 'static int two; int *get(void); int *get(void) { return &two; }')
    compile_c('gcc', 'one.c', 'one.o', '-c')
    compile_c('gcc', 'two.c', 'two.o', '-c')
    run('ar rcs lib.a one.o two.o')
    found = report('check', '--json', 'lib.a', status=1)
    equal([(one['file'], names(one['shared'])) for one in found],
          [('lib.a(one.o)', ['one']), ('lib.a(two.o)', ['two'])])


@test()
def check_reports_what_it_cannot_read():
    write('text', 'int x;\n' * 50)
    write('empty', '')
    os.mkdir('folder')
    os.mkfifo('fifo')
    for file, words in [('absent', 'No such file'), ('text', 'not an ELF file'),
                        ('empty', 'not an ELF file'), ('folder', 'is a directory'),
                        ('fifo', 'no regular file')]:
        out, err = check('check', file, status=2)
        assert out == '' and words in err and file in err, err


@test()
def check_complains_about_bad_usage():
    for arguments, words in [([], 'Usage'), (['chekc'], "no command 'chekc'"),
                             (['check'], 'needs a file'), (['check', '--allow'], 'needs a symbol'),
                             (['check', '--wrong', 'x'], "no option '--wrong'"),
                             (['help', 'x'], "no command 'x'")]:
        _, err = check(*arguments, status=2)
        assert words in err, err


@test()
def check_tells_about_itself():
    assert 'Commands' in check('--help', status=0)[0]
    assert check('--version', status=0)[0].startswith('isle ')
    equal(check('help', 'check', status=0), check('check', '--help', status=0))


@test()
def check_shows_no_control_bytes():
    write('odd.c', 'int odd_name_here;')
    compile_c('gcc', 'odd.c', 'odd.o', '-c')
    with open('odd.o', 'rb') as file:
        data = file.read()
    with open('odd.o', 'wb') as file:
        file.write(data.replace(b'odd_name_here', b'odd\x1b[31m"\xff\n\\h'))
    assert '\x1b' not in check('check', 'odd.o', status=1)[0]
    entry, = report('check', '--json', 'odd.o', status=1)
    equal(entry['shared'][0]['name'], 'odd\x1b[31m"\ufffd\n\\h')


@test(timeout=60)
def check_survives_damaged_files():
    write('mixed.c', MIXED)
    write('rest.c', REST)
    compile_c('gcc', 'mixed.c', 'a.o', '-c', '-g')
    compile_c('gcc', ['mixed.c', 'rest.c'], 'b.so', '-shared', '-fPIC')
    run('ar rcs c.a a.o')
    seeds = []
    for name in ['a.o', 'b.so', 'c.a']:
        with open(name, 'rb') as file:
            seeds.append(file.read())
    need_command()
    chance = random.Random(1)
    for turn in range(240):
        data = bytearray(seeds[turn % len(seeds)])
        if turn % 5 == 0:
            del data[chance.randrange(len(data)):]
        for _ in range(chance.choice([1, 4, 40])):
            at = chance.choice([chance.randrange(64), chance.randrange(2, 3000)])
            if data:
                data[-at % len(data) if turn % 2 else at % len(data)] = chance.choice(
                    [0, 1, 0x7f, 0x80, 0xff, chance.randrange(256)])
        with open('damaged', 'wb') as file:
            file.write(data)
        done = subprocess.run([COMMAND, 'check', '--all', 'damaged'], capture_output=True,
                              check=False, timeout=20)
        assert done.returncode in (0, 1, 2), f'turn {turn}: {done.returncode} {done.stderr}'


main()
