#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""examples/gallery shows what can be shown, survives what is made to do harm, and tells what
happened."""

import os
import re
import struct
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'integration'))
from suite import BUILD, equal, is_sanitized, main, skip, test  # noqa: E402

FOLDER = os.path.join(BUILD, 'examples', 'gallery')

# On a machine with much to do the deadline may come before the processor time is used up.
ENDLESS = ('too much time', 'did not end')
# What each of the files comes to; None: a picture, whole or not; else what the report says of it.
HOSTILE = {
    'good.png': None, 'good.jpg': None, 'good-progressive.jpg': None, 'good.ppm': None,
    'empty.png': 'damaged', 'cut-in-the-head.png': 'damaged', 'cut-in-the-middle.png': 'damaged',
    'cut-in-the-head.jpg': 'damaged', 'cut-in-the-middle.jpg': None, 'wrong-sum.png': 'damaged',
    'no-such-depth.png': 'damaged', 'no-such-colour.png': 'damaged', 'not-a-picture.png': 'damaged',
    'bomb-of-time.png': ENDLESS, 'bomb-of-memory.png': 'too much memory',
    'bomb-of-scans.jpg': ENDLESS, 'overflow.ppm': 'crashed', 'reads-a-file.ppm': 'attack refused',
    'opens-a-socket.ppm': 'attack refused', 'runs-a-shell.ppm': 'forbidden call',
    'looks-at-the-host.ppm': 'forbidden call', 'takes-all-memory.ppm': 'too much memory',
    'floods.ppm': 'attack refused', 'spins.ppm': ENDLESS, 'sleeps.ppm': ENDLESS[1],
}


def gallery(*arguments, status=0):
    if not os.path.exists(os.path.join(FOLDER, 'gallery')):
        skip('gallery was not built: libpng, libjpeg or cairo is not installed')
    with open('leaks', 'w', encoding='utf-8') as file:  # under the leak sanitizer, not ours
        file.write('leak:libfontconfig\n')
    done = subprocess.run([os.path.join(FOLDER, 'gallery'), *arguments], capture_output=True,
                          text=True, check=False, stdin=subprocess.DEVNULL,
                          env={**os.environ, 'LSAN_OPTIONS':
                               'suppressions=leaks:print_suppressions=0'})
    equal(done.returncode, status, f'status: {done.stdout}{done.stderr}')
    return done.stdout, done.stderr


def verdicts(page):
    """{file: (verdict, what was seen)} of the report's table."""
    row = re.compile(r'<tr><td>([^<]*)<td class="\w+">([^<]*)<td>([^<]*)<td')
    return {name: (verdict, seen) for name, verdict, seen in row.findall(page)}


@test(timeout=120)
def hostile_files_cost_themselves_alone():
    out, err = gallery('--output', 'sheet', '--hostile', os.path.join(FOLDER, 'hostile'),
                       os.path.join(FOLDER, 'hostile', 'good.png'))
    equal(err, '', 'standard error')
    with open('sheet/index.html', encoding='utf-8') as file:
        page = file.read()
    told = verdicts(page)
    for name, expected in HOSTILE.items():
        verdict = told.get(name, (None,))[0]
        if expected is not None and is_sanitized():
            assert verdict is not None, f'{name} is shown'
        elif isinstance(expected, tuple):
            assert verdict in expected, f'{name}: {told.get(name)}'
        else:
            equal(verdict, expected, f'verdict of {name}: {told.get(name)}')
    if not is_sanitized():
        equal(told['overflow.ppm'][1], 'SIGSEGV', 'what was seen of a crash')
        equal(told['sleeps.ppm'][1], 'after 5 s', 'what was seen of a deadline')
        assert re.search(r'Refused +\d+: damaged\n', out), out
        assert re.search(r'Stopped +2: forbidden call\n', out), out
    assert 'HAS' not in out + page, 'an attack succeeded'
    with open('sheet/sheet-1.png', 'rb') as file:
        head = file.read(24)
    equal(head[:8], b'\x89PNG\r\n\x1a\n')
    width, height = struct.unpack('>II', head[16:24])
    assert width > 1500 and height > 1000, (width, height)
    equal(page.count('<div class=tile '), len(HOSTILE) + 12 + 1, 'tiles')


@test()
def wrong_usage_is_told():
    for arguments in (['--at-once', '0'], ['--most', 'x'], ['--no-such']):
        _, err = gallery(*arguments, status=2)
        assert 'gallery --help' in err, err
    out, _ = gallery('--help')
    assert '--hostile FOLDER' in out
    os.mkdir('empty')
    _, err = gallery('--output', 'sheet', 'empty', status=1)
    assert 'no PNG or JPEG there' in err, err


main()
