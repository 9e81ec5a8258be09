#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`isle run` feeds a plug-in its lines, prints what it sends, and tells how it ended."""

import json
import os
import shutil
import subprocess

from suite import BUILD, SOURCE, equal, is_sanitized, main, run, skip, test

COMMAND = os.path.join(BUILD, 'src', 'cli', 'isle')

PLUGIN = r'''
#include <isle_plugin.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

ISLE_PLUGIN(args, output)
{
    isle_value line;
    isle_send(isle_as_port(output), args);
    while (!isle_is_null(line = isle_port_receive(isle_default_port())))
        isle_send(isle_as_port(output), line);
    isle_port_close(isle_default_port());
    return isle_null();
}
ISLE_PLUGIN_ENTRY(fail, args, output)
{
    isle_throwf("this went wrong");
}
ISLE_PLUGIN_ENTRY(wait, args, output)
{
    isle_port_receive(isle_port_open());
    return isle_null();
}
ISLE_PLUGIN_ENTRY(map, args, output)
{
    isle_send(isle_as_port(output), isle_pack("{s:i,s:[s,n]}", "a", 1, "b", "x"));
    return isle_null();
}
ISLE_PLUGIN_ENTRY(crash, args, output)
{
    *(volatile int *)0 = 1;
    return isle_null();
}
ISLE_PLUGIN_ENTRY(spin, args, output)
{
    for (;;)
        continue;
}
ISLE_PLUGIN_ENTRY(attack, args, output)
{
    execl("/bin/sh", "sh", NULL);
    return isle_null();
}
ISLE_PLUGIN_ENTRY(read_file, args, output)
{
    FILE *file = fopen(isle_as_string(isle_list_get(args, 0)), "r");
    char line[64] = "nothing";
    if (file != NULL)
        (void)fgets(line, sizeof line, file);
    isle_send(isle_as_port(output), isle_string(line));
    return isle_null();
}
ISLE_PLUGIN_ENTRY(command, args, output)
{
    isle_send(isle_as_port(output), isle_string("\033]52;c;AA\007one\302\2335m\n\302\251two"));
    isle_throwf("\033]0;title\007\nisle: returned");
}
ISLE_PLUGIN_ENTRY(command_late, args, output)
{
    isle_throwf("Unable to spawn isolate\033[2J");
}
ISLE_PLUGIN_ENTRY(print, args, output)
{
    puts("printed");
    fflush(stdout);
    return isle_null();
}
static void *thread_body(void *unused)
{
    return unused;
}
ISLE_PLUGIN_ENTRY(start_thread, args, output)
{
    pthread_t thread;
    int error = pthread_create(&thread, NULL, thread_body, NULL);
    isle_send(isle_as_port(output), isle_string(error == 0 ? "started" : "refused"));
    if (error == 0)
        pthread_join(thread, NULL);
    return isle_null();
}
ISLE_PLUGIN_ENTRY(greedy, args, output)
{
    for (;;)
        isle_keep(isle_bytes(NULL, 1 << 20));
}
'''


def plugin(compiler='cc', *flags):
    if not os.path.exists(COMMAND):
        skip('the isle command was not built (no libelf)')
    with open('plugin.c', 'w', encoding='utf-8') as file:
        file.write(PLUGIN)
    os.chmod('.', 0o755)  # the sandbox of root is another user's
    run([compiler, '-shared', '-fPIC', '-Wall', '-Wextra', '-Werror', f'-I{SOURCE}/include', *flags,
         'plugin.c', '-o', 'plugin.so'])


def isle_run(*words, status, lines=''):
    """What it wrote to its two streams."""
    done = subprocess.run([COMMAND, 'run', *words], input=lines, capture_output=True, text=True,
                          check=False)
    equal(done.returncode, status, f'status of run {words}: {done.stdout}{done.stderr}')
    return done.stdout, done.stderr


@test()
def lines_go_in_and_messages_come_out():
    plugin()
    out, err = isle_run('--backend', 'thread', './plugin.so', 'one', 'two', status=0,
                        lines='first\nsecond\n\nlast without an end')
    equal(out, '["one", "two"]\nfirst\nsecond\n\nlast without an end\n')
    equal(err, 'isle: returned\n')
    out, err = isle_run('--backend', 'thread', '--quiet', 'file:plugin.so#isle_main', status=0)
    equal((out, err), ('[]\n', ''))


@test()
def a_file_is_read_like_a_pipe():
    plugin()
    with open('input', 'w', encoding='utf-8') as file:
        file.write('line\n' * 3000)
    with open('input', encoding='utf-8') as file:
        done = subprocess.run([COMMAND, 'run', '--backend', 'thread', 'plugin.so'], stdin=file,
                              capture_output=True, text=True, check=False)
    equal(done.stdout, '[]\n' + 'line\n' * 3000)


@test()
def json_has_messages_and_the_end():
    plugin()
    out, _ = isle_run('--backend', 'thread', '--json', 'plugin.so#map', status=0)
    message, end = [json.loads(line) for line in out.splitlines()]
    equal(message, {'message': {'a': 1, 'b': ['x', None]}})
    equal(end['end']['reason'], 'returned')


@test()
def the_status_tells_how_it_ended():
    plugin()
    _, err = isle_run('--backend', 'thread', 'plugin.so#fail', status=1)
    equal(err, 'isle: failed: this went wrong\n')
    isle_run('--backend', 'thread', '--deadline', '50ms', 'plugin.so#wait', status=8)
    isle_run('--backend', 'thread', '--memory', '16M', 'plugin.so#greedy', status=6)


@test()
def what_cannot_be_run_is_told():
    plugin()
    for words, text in [
            ([], 'which plug-in?'),
            (['--cpu'], 'needs a value'),
            (['--memory', '5X', 'plugin.so'], "'5X' is nothing like '64M'"),
            (['--deadline', '-1s', 'plugin.so'], "'-1s' is nothing like '2s'"),
            (['--backend', 'cloud', 'plugin.so'], 'neither process nor thread'),
            (['--no-such', 'x', 'plugin.so'], "no option '--no-such'"),
            (['--no-such'], "no option '--no-such'"),
            (['--threads', '0', 'plugin.so'], "'0' is nothing like '4'"),
            (['--backend', 'thread', '--allow-read', '/', 'plugin.so'], '--allow-read is of pro'),
            (['--log', '--backend', 'thread', 'plugin.so'], '--log is of processes'),
            (['--backend', 'thread', '--cpu', '1s', 'plugin.so'], 'cannot be enforced on threads'),
            (['--backend', 'thread', 'missing.so'], 'cannot be opened'),
            (['--backend', 'thread', 'plugin.so#missing'], 'has no symbol "missing"'),
            (['--backend', 'thread', 'plugin.c'], 'plugin.c')]:
        _, err = isle_run(*words, status=2)
        assert text in err, f'{words}: {err}'


@test()
def what_is_no_plugin_is_told_by_every_backend():
    plugin()
    with open('plugin.so', 'rb') as file:
        image = bytearray(file.read())
    for name, content in [('short.so', image[:20]), ('text.so', b'#!/bin/sh\n' * 10),
                          ('arm.so', image[:18] + b'\xb7\0' + image[20:]),
                          ('program.so', image[:16] + b'\2\0' + image[18:]),
                          ('cut.so', image[:len(image) // 2]), ('parts.so', image[:100])]:
        with open(name, 'wb') as file:
            file.write(content)
    for backend in ['process', 'thread']:
        for name, text in [('short.so', 'no ELF header'), ('text.so', 'no ELF header'),
                           ('program.so', 'not a shared object'), ('.', 'is not a file'),
                           ('cut.so', 'cut short?'), ('parts.so', 'cut short?'),
                           ('http://host/plugin.so', 'code comes from files alone')]:
            _, err = isle_run(f'--backend={backend}', name, status=2)
            assert text in err, f'{backend} {name}: {err}'
    if os.uname().machine == 'x86_64':
        for backend in ['process', 'thread']:
            _, err = isle_run('--backend', backend, 'arm.so', status=2)
            assert 'is built for AArch64, this program for x86-64' in err, err


@test()
def a_line_that_is_no_text_comes_as_bytes():
    plugin()
    done = subprocess.run([COMMAND, 'run', '--backend=thread', '--json', 'plugin.so'],
                          input=b'text\na\xffb\nmore\n', capture_output=True, check=False)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    equal(done.returncode, 0)
    equal([line['message'] for line in lines[:-1] if line['message'] in ('text', 'more')],
          ['text', 'more'])
    equal(len(lines), 5, 'lines of output')


@test()
def plugins_compile_everywhere():
    for compiler, *flags in [['cc'], ['clang-14'], ['g++', '-std=c++17', '-x', 'c++']]:
        if shutil.which(compiler):
            plugin(compiler, *flags)
            out, _ = isle_run('--backend', 'thread', 'plugin.so', status=0, lines='x\n')
            equal(out, '[]\nx\n', compiler)


@test(timeout=60)
def a_process_is_the_default():
    plugin()
    out, err = isle_run('./plugin.so', 'one', status=0, lines='first\nsecond\n')
    equal(out, '["one"]\nfirst\nsecond\n')
    assert err.startswith('isle: returned; '), err
    ends = [('attack', 5, 'execve'), ('fail', 1, 'this went wrong'), ('greedy', 6, 'Out of Memory')]
    if not is_sanitized():
        ends.append(('crash', 4, 'SIGSEGV'))
    for entry, status, text in ends:
        _, err = isle_run('--memory', '64M', f'plugin.so#{entry}', status=status)
        assert text in err, err
    isle_run('--deadline', '100ms', 'plugin.so#wait', status=8)
    isle_run('--cpu', '1s', 'plugin.so#spin', status=7)
    _, err = isle_run('plugin.so#missing', status=2)
    assert 'missing' in err, err
    _, err = isle_run('missing.so', status=2)
    assert 'missing.so' in err, err


@test()
def help_is_given_by_either_word():
    plugin()
    text = run([COMMAND, 'help', 'run'])
    assert '--allow-read' in text, text
    for words in (['--help'], ['-h'], ['--json', '--help']):
        equal(isle_run(*words, status=0), (text, ''), f'help by {words}')


@test(timeout=60)
def what_it_prints_and_its_threads_are_granted():
    plugin()
    out, err = isle_run('--quiet', 'plugin.so#print', status=0)
    equal((out, err), ('', ''))
    out, err = isle_run('--quiet', '--log', 'plugin.so#print', status=0)
    equal((out, 'printed' in err), ('', True), f'streams ({err})')
    if not is_sanitized():
        equal(isle_run('plugin.so#start_thread', status=0)[0], 'refused\n')
        equal(isle_run('--threads', '1', 'plugin.so#start_thread', status=0)[0], 'started\n')


def on_terminal(*words):
    """What a terminal gets on both streams."""
    master, terminal = os.openpty()
    with subprocess.Popen([COMMAND, 'run', *words], stdin=subprocess.DEVNULL, stdout=terminal,
                          stderr=terminal) as process:
        os.close(terminal)
        shown = b''
        try:
            while piece := os.read(master, 4096):
                shown += piece
        except OSError:  # EIO: nobody has the other end any more
            pass
        process.wait()
    os.close(master)
    return shown.decode()


@test()
def what_it_says_is_no_command_for_a_terminal():
    plugin()
    end = 'isle: failed: ?]0;title??isle: returned'
    for backend in ('thread', 'process'):
        shown = on_terminal('--backend', backend, 'plugin.so#command')
        assert shown.startswith('?]52;c;AA?one?5m\r\n\u00a9two\r\n' + end), repr(shown)
        out, err = isle_run('--backend', backend, 'plugin.so#command', status=1)
        equal(out, '\033]52;c;AA\007one\u009b5m\n\u00a9two\n', 'what a pipe gets')
        assert err.startswith(end), repr(err)
    for backend in ('thread', 'process'):  # a text of its own is no failed spawn
        _, err = isle_run('--backend', backend, 'plugin.so#command_late', status=1)
        assert err.startswith('isle: failed: Unable to spawn isolate?[2J'), repr(err)
    assert ' ms of processor time, ' in err, repr(err)


@test()
def the_plugin_to_copy_works():
    plugin()
    upper = os.path.join(BUILD, 'examples', 'plugin', 'upper.so')
    for backend in ('thread', 'process'):
        out, _ = isle_run('--backend', backend, upper, 'Dear reader:', status=0, lines='a\nbc\n')
        equal(out, 'Dear reader:\nA\nBC\n2 lines\n', backend)


@test(timeout=60)
def what_is_allowed_may_be_read():
    plugin()
    os.mkdir('data')
    with open('data/file', 'w', encoding='utf-8') as file:
        file.write('content')
    path = os.path.abspath('data/file')
    out, _ = isle_run('plugin.so#read_file', path, status=0)
    equal(out, 'nothing\n')
    out, _ = isle_run('--allow-read', os.path.abspath('data'), 'plugin.so#read_file', path,
                      status=0)
    equal(out, 'content\n')


main()
