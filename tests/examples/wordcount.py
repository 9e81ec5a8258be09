#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""examples/wordcount counts what a second opinion counts, skips what is no text, and ends well."""

import collections
import os
import pty
import random
import re
import signal
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'integration'))
from suite import BUILD, equal, main, run, skip, test  # noqa: E402

PROGRAM = os.path.join(BUILD, 'examples', 'wordcount', 'wordcount')
WORDS = ['isle', 'Isolate', 'PORT', 'heap', 'ünïcode', 'λόγος', "don't", 'x86_64', '—dash—', '42',
         '“quoted”', 'ﬁn', '日本語', 'a', 'the', 'The', 'the']


def wordcount(*arguments, status=0):
    if not os.path.exists(PROGRAM):
        skip('wordcount was not built')
    return run([PROGRAM, *arguments], status=status)


def top(output):
    """The list of words that the program printed, as [(word, count)]."""
    rows = re.findall(r'^ +\d+  (\S+) +([\d,]+)', output, re.MULTILINE)
    return [(word, int(count.replace(',', ''))) for word, count in rows]


def fold(text):
    return ''.join(chr(ord(c) + 32) if 'A' <= c <= 'Z' else c for c in text)


def count(texts):
    """The second opinion: Python's idea of letters, which agrees on the words used here."""
    counts = collections.Counter()
    for text in texts:
        counts.update(fold(word) for word in re.findall(r'[^\W\d_]+', text))
    return sorted(counts.items(), key=lambda item: (-item[1], item[0].encode()))


def write_corpus(files, seed=1):
    """Small files, empty ones and a few of more than the reader's buffer, in nested folders."""
    source = random.Random(seed)
    texts = []
    for i in range(files):
        folder = os.path.join('corpus', *['deep'] * (i % 4))
        os.makedirs(folder, exist_ok=True)
        length = 200_000 if i % 97 == 5 else source.randrange(0, 400)
        text = ' '.join(source.choice(WORDS) for _ in range(length))
        with open(os.path.join(folder, f'{i}.txt'), 'w', encoding='utf-8') as file:
            file.write(text)
        texts.append(text)
    return texts


@test(timeout=60)
def counts_what_python_counts():
    texts = write_corpus(300)
    for workers in '1', '2', '7':
        output = wordcount('--quiet', '--no-speed-up', '--check', '--top', '100', '--workers',
                           workers, 'corpus')
        equal(top(output), count(texts), f'the list with {workers} workers')
        assert re.search(r'^check: all \d+ counts agree$', output, re.MULTILINE), output
        assert re.search(r'^Counted +300 text files', output, re.MULTILINE), output


@test()
def skips_and_names_what_is_no_text():
    os.makedirs('corpus')
    for name, data in {'text': b'one two', 'latin1': b'gr\xfc\xdfe to one\n', 'empty': b'',
                       'nul': b'one\0two', 'gzip': b'\x1f\x8b\x08\x08' + bytes(range(1, 255)),
                       'b\xff'.encode('latin-1'): b'one'}.items():
        with open(os.path.join(b'corpus', os.fsencode(name)), 'wb') as file:
            file.write(data)
    os.symlink('text', 'corpus/link')
    os.mkfifo('corpus/pipe')
    output = wordcount('--no-speed-up', '--verbose', 'corpus', 'missing', 'corpus/text')
    equal(top(output), [('one', 3), ('e', 1), ('gr', 1), ('to', 1), ('two', 1)], 'the list')
    for line in ('corpus/nul: binary', 'corpus/gzip: binary', 'missing: No such file or directory'):
        assert line in output, output
    assert re.search(r'Skipped +3 files: 2 binary, 1 unreadable', output), output
    assert re.search(r'Counted +4 text files', output), output


@test()
def nothing_to_count():
    os.makedirs('corpus')
    output = wordcount('--check', 'corpus')
    equal(top(output), [], 'the list')
    assert 'check: all 0 counts agree' in output, output


@test()
def names_a_wrong_option():
    assert '--workers N' in wordcount('--help')
    for arguments in (['--workers', '0'], ['--top', 'many'], ['--what']):
        assert 'wordcount --help' in wordcount(*arguments, status=2)


@test(timeout=60)
def measures_the_speed_up():
    write_corpus(50)
    output = wordcount('--workers', '2', 'corpus')
    assert re.search(r'^Speed-up +\d+\.\d\d over one worker', output, re.MULTILINE), output
    assert re.search(r'^Ticker .* \d+\.\d\d ms late$', output, re.MULTILINE), output
    assert re.search(r'^ *100 %', output, re.MULTILINE), output


@test()
def draws_a_bar_on_a_terminal():
    write_corpus(100)
    if not os.path.exists(PROGRAM):
        skip('wordcount was not built')
    try:
        pid, terminal = pty.fork()
    except OSError as error:
        skip(f'no terminal can be had here: {error}')
    if pid == 0:
        os.environ.update(TERM='xterm', LC_ALL='C.UTF-8')
        os.execv(PROGRAM, [PROGRAM, '--no-speed-up', 'corpus'])
    output = b''
    try:
        while piece := os.read(terminal, 65536):
            output += piece
    except OSError:  # how Linux says that the other side has closed
        pass
    _, status = os.waitpid(pid, 0)
    equal(status, 0, 'status')
    text = output.decode()
    assert '█' * 20 in text and '100 %' in text and '\r' in text, text


@test(timeout=60)
def ends_cleanly_on_ctrl_c():
    """Interrupted once it has said what it found, long before 512 MB of text can be counted."""
    if not os.path.exists(PROGRAM):
        skip('wordcount was not built')
    os.makedirs('corpus')
    with open('corpus/0', 'w', encoding='utf-8') as file:
        file.write('word after word ' * 262144)
    for i in range(1, 128):
        os.link('corpus/0', f'corpus/{i}')
    with subprocess.Popen([PROGRAM, '--workers', '2', 'corpus'], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL) as process:
        begin = process.stdout.readline().decode()
        assert begin.startswith('Found 128 files'), begin
        process.send_signal(signal.SIGINT)
        output = process.stdout.read().decode()
    equal(process.returncode, 130, f'status after {output}')
    assert re.search(r'^Stopped +at .* of 536.9 MB', output, re.MULTILINE), output
    assert re.search(r'^Counted ', output, re.MULTILINE), output


if __name__ == '__main__':
    main()
