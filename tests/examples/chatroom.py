#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""examples/chatroom with hundreds of clients (in the full tier thousands): slow readers, floods and
handlers that crash harm themselves alone, and nothing is lost that was acknowledged.

The clients are one loop around a poller. Nothing here depends on how fast anybody is: each step
waits for what it is about, and between two steps a mark is heard by everybody, so nobody who reads
is ever as far behind as the room allows."""

import atexit
import hashlib
import os
import resource
import selectors
import signal
import socket
import struct
import subprocess
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'integration'))
from suite import BUILD, equal, is_sanitized, main, run, skip, test  # noqa: E402

PROGRAM = os.path.join(BUILD, 'examples', 'chatroom', 'chatroom')
IS_FULL = os.environ.get('ISLE_TEST_TIER', 'quick') != 'quick' and not is_sanitized()
MEMBERS = 2000 if IS_FULL else 200
TALKERS = 32  # a round of theirs, as a flood, is fewer lines than a member may be behind (128)
SLOW = 40 if IS_FULL else 8
CRASHES = 100 if IS_FULL else 20
FLOODS = 4
ROUNDS = 12  # of long lines: more than a slow reader's port and the kernel hold for it together
LONG = 'x' * 460
SILENCE_S = 120  # so long nothing at all happens: then it never will


class Room:
    """The program, and the clients' loop."""

    def __init__(self, descriptors=None):
        if not os.path.exists(PROGRAM):
            skip('chatroom was not built')
        self.selector = selectors.DefaultSelector()
        command = [PROGRAM, '-g', '3600']
        if descriptors is not None:
            command = ['sh', '-c', f'ulimit -n {descriptors} && exec "$0" "$@"', *command]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                        stdin=subprocess.DEVNULL, text=True)
        atexit.register(self.process.kill)  # of a test that fails; else it has ended by then
        begin = self.process.stdout.readline()
        assert begin.startswith('chatroom: 127.0.0.1 port '), begin
        self.port = int(begin.split()[-1])
        self.log = []
        self.reader = threading.Thread(target=lambda: self.log.extend(self.process.stdout),
                                       daemon=True)
        self.reader.start()

    def wait(self, condition, what):
        while not condition():
            ready = self.selector.select(SILENCE_S)
            assert ready, f'nothing happens any more: {what}; {"".join(self.log[-5:])}'
            for key, _ in ready:
                key.data.read()

    def enter(self, names, **options):
        """Clients of these names, who have been let in; few enough at a time for the queue."""
        clients = []
        for at in range(0, len(names), 200):
            some = [Client(self, name, **options) for name in names[at:at + 200]]
            self.wait(lambda some=some: all(client.text for client in some), 'a welcome')
            clients += some
        for client in clients:
            equal(client.text, b'* welcome\n', client.name)
        return clients

    def enter_again(self, name):
        """A client of a name that somebody had who has left: it is free soon, if not now."""
        while True:
            client = Client(self, name)
            self.wait(lambda client=client: client.text, 'an answer')
            if client.text != b'- that name is taken\n':
                equal(client.text, b'* welcome\n', name)
                return client
            self.wait(lambda client=client: client.has_ended, 'the end of who was refused')

    def close(self):
        self.process.send_signal(signal.SIGTERM)

    def end(self):
        """The exit code, and what the program has told."""
        status = self.process.wait()
        self.reader.join()
        self.process.stdout.close()
        self.selector.close()
        return status, ''.join(self.log)


class Client:
    """Reads whatever comes, unless it is told not to. Of most only a sum is kept."""

    def __init__(self, room, name, is_kept=False, is_slow=False):
        self.room, self.name, self.is_kept = room, name, is_kept
        self.text, self.tail, self.sum = b'', b'', None
        self.marks = self.heard = 0  # marks, and lines of its own
        self.has_ended = False
        self.socket = socket.socket()
        if is_slow:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.socket.connect(('127.0.0.1', room.port))
        self.say(name)
        self.socket.setblocking(False)
        self.listen()

    def listen(self):
        self.room.selector.register(self.socket, selectors.EVENT_READ, self)

    def pause(self):
        self.room.selector.unregister(self.socket)

    def say(self, *lines):
        data = ''.join(line + '\n' for line in lines).encode()
        equal(self.socket.send(data), len(data), 'bytes sent')

    def read(self):
        try:
            data = self.socket.recv(1 << 18)
        except ConnectionError:
            data = b''
        except BlockingIOError:
            return
        if not data:
            self.leave()
            return
        data = self.tail + data
        end = data.rfind(b'\n') + 1
        self.tail = data[end:]
        self.take(data[:end])

    def take(self, lines):
        self.marks += lines.count(b': mark\n')
        self.heard += lines.count(b'\n%s: ' % self.name.encode())
        self.heard += lines.startswith(b'%s: ' % self.name.encode())
        if self.sum is not None:
            self.sum.update(lines)
        if self.is_kept or self.sum is None:
            self.text += lines

    def begin(self):
        """What it has heard so far is not compared with what others have."""
        self.sum, self.text = hashlib.blake2b(), b''

    def leave(self):
        self.pause()
        self.has_ended = True
        self.socket.close()

    def reset(self):
        """Ends as if its program had crashed."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
        self.leave()


class Load:
    """A room with members who behave. They see the same lines, so they have the same sum."""

    def __init__(self):
        need = 4 * (MEMBERS + SLOW + 2 * CRASHES) + 200
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        if hard != resource.RLIM_INFINITY and hard < need:
            skip(f'{need} descriptors are needed, {hard} are allowed')
        resource.setrlimit(resource.RLIMIT_NOFILE, (need, hard))
        self.room = Room()
        self.witness, = self.room.enter(['witness'], is_kept=True)
        self.members = [self.witness] + self.room.enter([f'member-{i}' for i in range(1, MEMBERS)])
        self.talkers = self.members[1:TALKERS + 1]
        self.marks = 0
        self.mark()
        for member in self.members:
            member.begin()

    def mark(self):
        self.marks += 1
        self.witness.say('mark')
        self.room.wait(lambda: all(member.marks >= self.marks for member in self.members),
                       'a mark')

    def talk(self, line):
        """A line of each talker, until each is acknowledged, and then until all have heard it."""
        before = [talker.heard for talker in self.talkers]
        for talker in self.talkers:
            talker.say(line)  # fewer lines than a member may be behind, as between any two marks
        self.room.wait(lambda: all(talker.heard > count
                                   for talker, count in zip(self.talkers, before)), line[:20])
        self.mark()

    def end(self, *others):
        self.room.close()
        self.room.wait(lambda: all(member.has_ended for member in (*self.members, *others)),
                       'the end')
        status, log = self.room.end()
        equal(status, 0, f'status: {log}')
        assert self.witness.text.endswith(b'\n* the room closes\n'), self.witness.text[-100:]
        for member in self.members:
            equal(member.tail, b'', f'half a line of {member.name}')
            equal(member.sum.digest(), self.witness.sum.digest(), f'what {member.name} heard')
        return log

    def heard_of(self, name):
        """What the witness, and so everybody, has heard of somebody."""
        name += ': '
        return [line[len(name):] for line in self.witness.text.decode().split('\n')
                if line.startswith(name)]


@test(timeout=600)
def whoever_misbehaves_harms_himself_alone():
    load = Load()
    slow = load.room.enter([f'slow-{i}' for i in range(SLOW)], is_slow=True)
    for client in slow:
        client.begin()
        client.is_kept = True
        client.pause()
    crashes = load.room.enter([f'crash-{i}' for i in range(CRASHES)])
    load.talk('before')

    for at in range(0, CRASHES, 20):
        for client in crashes[at:at + 20]:
            client.say('the last of me')
            client.socket.send(b'\xc3\n')  # a line that is not UTF-8: the handler throws
        load.room.wait(lambda at=at: all(client.has_ended for client in crashes[at:at + 20]),
                       'the crashes')
        load.mark()
    for client in load.room.enter([f'gone-{i}' for i in range(CRASHES)]):
        client.reset()
    load.talk('after the crashes')

    flood = [f'flood {i}' for i in range(100)]
    for name in (f'flood-{i}' for i in range(FLOODS)):
        client, = load.room.enter([name])
        client.say(*flood)
        load.room.wait(lambda client=client: client.has_ended, 'the end of a flood')
        load.mark()
        heard = len(load.heard_of(name))
        assert client.heard <= heard < 100, (client.heard, heard)
        load.talk('after ' + name)

    for i in range(ROUNDS):
        load.talk(f'{i} {LONG}')
    for client in slow:
        client.listen()
    load.room.wait(lambda: all(client.has_ended for client in slow), 'the slow ones')
    again = [load.room.enter_again(name) for name in ('slow-0', 'crash-0')]
    load.talk('at last')
    log = load.end(*again)

    said = ['before', 'after the crashes', *(f'after flood-{i}' for i in range(FLOODS)),
            *(f'{i} {LONG}' for i in range(ROUNDS)), 'at last']
    for talker in load.talkers:
        equal(load.heard_of(talker.name), said, talker.name)
    for client in crashes:
        equal(load.heard_of(client.name), ['the last of me'], client.name)
    for i in range(FLOODS):
        heard = load.heard_of(f'flood-{i}')
        equal(heard, flood[:len(heard)], 'a flood, as far as it came')
    for client in slow:
        text = client.text + client.tail
        assert load.witness.text.find(text) >= 0, f'{client.name} heard something else'
        assert f'{ROUNDS - 1} {LONG}'.encode() not in text, f'{client.name} heard all'
    assert all(client.text.endswith(b'* the room closes\n') for client in again)
    equal(log.count(': failed: '), CRASHES, 'crashes in the log')
    equal(log.count(': overflowed'), SLOW, 'slow readers in the log')


@test()
def who_cannot_be_let_in_is_told_why():
    room = Room()
    ada, = room.enter(['Ada'])
    late = Client(room, 'Ada')
    nameless = Client(room, '')
    long = Client(room, 'n' * 31)
    room.wait(lambda: late.has_ended and nameless.has_ended and long.has_ended, 'the refused')
    equal(late.text, b'- that name is taken\n')
    equal(nameless.text, b'- a name has 1 to 30 bytes\n')
    equal(long.text, nameless.text)
    bob, = room.enter(['Bob'])
    ada.say('x' * 511)
    bob.say('\x1b[2Jhello\r')
    room.wait(lambda: all(client.text.count(b'\n') == 3 for client in (ada, bob)), 'two lines')
    equal(sorted(ada.text.split(b'\n')),
          [b'', b'* welcome', b'Ada: ' + b'x' * 511, b'Bob:  [2Jhello'], 'what Ada heard')
    equal(bob.text, ada.text, 'what Bob heard')
    ada.say('x' * 512)
    room.wait(lambda: ada.has_ended, 'the end of who says too much')
    assert ada.text.endswith(b'\n- that line is too long\n'), ada.text
    ada = room.enter_again('Ada')
    room.close()
    room.wait(lambda: ada.has_ended and bob.has_ended, 'the end')
    equal(room.end()[0], 0, 'status')


@test()
def who_comes_when_it_is_full_is_told():
    room = Room(descriptors=96)  # a quarter of them, less 16, is the number of members
    members = room.enter([f'member-{i}' for i in range(8)])
    late = Client(room, 'late')
    room.wait(lambda: late.has_ended, 'the end of who is too many')
    equal(late.text, b'- the room is full\n')
    members.pop().reset()
    while late.has_ended:  # until the door has heard of that
        late = Client(room, 'late')
        room.wait(lambda: late.text, 'an answer')
        if late.text == b'- the room is full\n':
            room.wait(lambda: late.has_ended, 'the end of who is too many')
    equal(late.text, b'* welcome\n')
    room.close()
    room.wait(lambda: all(client.has_ended for client in (late, *members)), 'the end')
    equal(room.end()[0], 0, 'status')


@test()
def wrong_usage_is_told():
    if not os.path.exists(PROGRAM):
        skip('chatroom was not built')
    for arguments in (['-p', '0'], ['-p', '65536'], ['-g', 'x'], ['-x'], ['-p'], ['more']):
        assert 'Usage: chatroom' in run([PROGRAM, *arguments], status=2)


main()
