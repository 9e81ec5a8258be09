#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes docs/attacks.md, and checks that it says what the suite does.

    tests/attack/page.py --write      run every row in every setting and write the page
    tests/attack/page.py              as a test: the page has every row, and what it says was
                                      measured is what the suite expects

Measured cells are of the machine that wrote the page; a test cannot repeat them elsewhere. It does
hold each that is printed in bold against the row's expectation."""

import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'integration'))
from suite import BUILD, SOURCE, main, test  # noqa: E402

PAGE = os.path.join(SOURCE, 'docs', 'attacks.md')
PROGRAM = os.path.join(BUILD, 'tests', 'attack', 'attack')
SETTINGS = ['without', 'all', 'seccomp', 'landlock', 'namespaces', 'limits']
HEAD = '| # | Attempt | Nothing | All | seccomp | Landlock | Namespaces | Limits |'

# What other tests show: rows, the attempt, what comes of it, the program and its tests.
PROGRAM_ROWS = [
    ('61, 62', 'use descriptors that the host leaked', 'there are none but the channel\'s',
     'attack/isolates', ['isolates_have_no_descriptor_of_the_host']),
    ('68', 'read a token in the environment', 'the environment is empty',
     'attack/isolates', ['isolates_have_no_environment']),
    ('69', 'search data, heap and stack for what the host knows', 'it never was there',
     'attack/isolates', ['isolates_find_no_secret_in_memory']),
    ('90', 'take more memory than granted', 'the C library has no more; or it ends: out of memory',
     'attack/isolates', ['isolates_get_no_more_memory_than_granted']),
    ('94', 'use more processor time than granted', 'it ends: out of processor time',
     'attack/isolates', ['isolates_get_no_more_time_than_granted']),
    ('95', 'sleep for ever with every signal blocked', 'it ends at its deadline',
     'attack/isolates', ['isolates_that_sleep_for_ever_end_at_their_deadline']),
    ('96', 'spin and never listen', 'dead at the kill',
     'guarantees/wall', ['a_kill_ends_what_never_listens']),
    ('97', 'crash', 'it ends: crashed, with the signal\'s name',
     'attack/isolates', ['isolates_that_crash_are_named']),
    ('101', 'outlive the host', 'dead within milliseconds',
     'attack/isolates', ['isolates_die_with_a_host_that_is_killed']),
    ('101', 'outlive the zygote', 'dead, and told as lost',
     'attack/isolates', ['isolates_are_lost_with_their_zygote']),
    ('103', 'die, and leave the number to somebody else', 'who has it is not killed',
     'guarantees/zygote_reuse', ['a_number_that_is_used_again_is_not_killed']),
]
MESSAGE_ROWS = [
    ('70', 'a tail of the ring that is ahead, behind or in between', 'the channel breaks: protocol',
     'unit/test_channel_hostile', ['a_tail_that_cannot_be_breaks_the_channel']),
    ('71', 'a length that cannot be, or that changes', 'the same; it is read once',
     'unit/test_channel_hostile', ['a_length_that_cannot_be_breaks_the_channel',
                                   'a_length_that_changes_after_it_was_read_changes_nothing']),
    ('72', 'a head that takes what was not written', 'the same',
     'unit/test_channel_hostile', ['a_head_that_cannot_be_breaks_the_channel']),
    ('74', 'scribble over the ring at full speed', 'no crash, nothing out of bounds',
     'unit/test_channel_hostile', ['a_process_scribbles_while_this_side_works',
                                   'a_million_states_of_the_shared_memory']),
    ('75', 'ring for ever, rest for ever', 'at worst some calls more',
     'unit/test_channel_hostile', ['a_bell_that_nobody_clears_blocks_nobody',
                                   'a_peer_that_always_rests_costs_a_ring_a_flush']),
    ('76', 'shrink the shared memory under the host', 'it is sealed',
     'unit/test_channel_hostile', ['nobody_can_shrink_the_memory_or_write_what_is_the_makers']),
    ('77', 'messages cut short and changed in each byte', 'refused, or as good as another message',
     'unit/test_wire_hostile', ['wire_survives_every_cut_and_every_changed_byte']),
    ('78', 'endless nesting, lengths of 2^63', 'refused before memory is taken',
     'unit/test_wire_hostile', ['wire_depth_costs_budget_and_no_stack',
                                'wire_claimed_lengths_allocate_nothing']),
    ('80', 'unknown tags, strange numbers', 'refused; numbers keep their bits',
     'unit/test_wire_hostile', ['wire_tags_fit_what_they_stand_on']),
    ('81, 82', 'forged, stale and foreign names of ports', 'reach nobody',
     'unit/test_wall_names', ['names_that_were_never_given_are_forged',
                              'a_name_that_was_freed_is_stale_and_its_slot_has_another']),
    ('86', 'send as much as there is time for', 'it comes in order, as fast as it is taken',
     'guarantees/wall', ['a_flood_arrives_in_order']),
    ('87', 'never read', 'the sender is told that there is no room',
     'unit/test_channel_hostile', ['a_peer_that_never_reads_stops_its_sender_and_takes_no_memory']),
    ('89', 'die in the middle of a message', 'it is seen whole or not at all',
     'unit/test_channel', ['a_large_record_is_seen_whole_or_not_at_all']),
]

INTRODUCTION = """\
# Attacks

What hostile code inside a process isolate tries, and what comes of it. Each row is a small program
(`tests/attack/`) that really tries it, as an ordinary user, against a world made for it: a *host*
that keeps a secret in memory, in its environment and in an open file, listens on sockets and shares
memory; a *sibling* in the same sandbox; files of the same user.

| column | what the attempt met |
|---|---|
| Nothing | no sandbox: the attempt must succeed, else it shows nothing |
| All | what an isolate has |
| seccomp, Landlock, Namespaces | that layer alone, and the limits |
| Limits | no layer: only rlimits, no capabilities, no core files, not traceable |

**Bold** cells are what the suite demands, on every machine and in every run; the others are what
came out here. `works`: the attacker had its way. `kill`: the filter ended the process, which is
told as `ISLE_VIOLATION` with the name of the call. `nothing`: allowed, and there was nothing to be
had. An error or a signal has its usual name. `–`: this machine lacks the layer.

A row that several layers stop is stopped though one of them fails. Without namespaces, as in most
containers, the rows where Landlock alone says `works` have seccomp for their only wall.
"""

WHOLE = """\
## In a whole program

The rows above enter the sandbox by the two steps that a zygote and its children take. Rows of each
subject run once more in isolates that `isle_spawn` makes (`tests/attack/isolates.c`), where these
come on top:
"""

MESSAGES = """\
## Messages and ports

Attacks by what an isolate writes, tried by the tests of the parts that read it, and by fuzzers.
"""

ENDING = """\
## What machines may lack

The sandbox tries each layer, tells what it reached and lets nothing degrade in silence
(`tests/attack/ladder.c`, `machines.c`). A filter of the test's own plays the machine that lacks
something.

| machine | what a spawn does |
|---|---|
| no namespaces (most containers) | stands on seccomp, Landlock and the limits |
| none of users (some distributions) | the same for an ordinary user; root lacks that one alone |
| no mounts, or none by `fsopen` | stands without the empty root |
| no Landlock (old kernels, or off) | stands on seccomp, namespaces and the limits |
| neither Landlock nor mounts | fails, naming both and what the system said |
| no filters, or an outer one refuses | fails, naming seccomp, unless it was told `insecure` |
| no `clone3`, `close_range`, `mount_setattr`, `keyctl` | has everything |
| no sealing of execution, no pidfd of a clone | has everything |
| no `pidfd_open`, `pidfd_send_signal`, `memfd_create` | fails, naming the call |
| limits or capabilities that cannot be set | fails, naming the call |
| no `execve`, no `/proc` | fails, naming `/proc/self/exe` |
| any layer that is `required` and missing | fails by that layer's name |
| the host, the guard or the zygote is killed | every isolate dies within milliseconds |

## What is not protected

- **Holes in the kernel** behind the calls that stay open: reading and writing given descriptors,
  memory, futexes, clocks, waiting, signals to oneself, threads where they are granted.
- **Side channels** of processor and caches between processes on one core; the clock is readable.
- **What the host gives away**: a port that does something dangerous when told, a descriptor that
  it passes in, a folder that may be read.
- **Siblings share a layout**: children of one zygote have the same addresses. A leak in one isolate
  helps against the next one, not against the host.
- **Numbers that only a control group keeps**: without a delegated group, threads of isolates that
  were granted some count together, and memory is counted as what is mapped, not as what is used.

[SECURITY.md](../SECURITY.md) has the whole of what is promised.
"""


def program(option):
    """The program's lines, as lists of fields."""
    done = subprocess.run([PROGRAM, option], stdout=subprocess.PIPE, text=True, check=True,
                          stdin=subprocess.DEVNULL)
    return [line.split('\t') for line in done.stdout.splitlines()]


class Row:
    def __init__(self, fields):
        _, self.group, self.number, self.text, self.without, self.why, self.measure = fields
        self.claims = {'without': (self.without, 0)}
        self.measured = {}

    def claim(self, setting, abi):
        """What is expected where Landlock has this ABI; None: nothing."""
        expectation, needed = self.claims.get(setting, (None, 0))
        return expectation if needed <= abi else None


def read_rows(option):
    rows, machine = {}, None
    for fields in program(option):
        if fields[0] == 'row':
            rows[fields[2]] = Row(fields)
        elif fields[0] == 'claim':
            rows[fields[1]].claims[fields[2]] = fields[3], int(fields[4])
        elif fields[0] == 'measured':
            rows[fields[1]].measured[fields[2]] = fields[3:]
        elif fields[0] == 'machine':
            machine = fields[1:]
    return rows, machine


def agrees(outcome, expectation):
    if expectation == 'refused':
        return outcome not in ('', 'works', 'lacks', 'hangs')
    return outcome in expectation.split('|')


def cell(row, setting, abi):
    outcome = row.measured[setting][0]
    if outcome in ('-', 'lacks'):
        return '–'
    return f'**{outcome}**' if setting != 'without' and row.claim(setting, abi) else outcome


def line_of(row, abi):
    cells = [cell(row, setting, abi) for setting in SETTINGS]
    return '| ' + ' | '.join([row.number, row.text, *cells]) + ' |'


def bounds(rows):
    """What the greedy got."""
    yield '| # | Attempt | had without | had with all |'
    yield '|---|---|---|---|'
    for row in rows:
        if not row.measure:
            continue
        had = []
        for setting in ('without', 'all'):
            _, _, value, cpu = row.measured[setting]
            had.append(f'{int(cpu) / 1e9:.1f} s' if row.measure == 's'
                       else f'{value} {row.measure}')
        yield f'| {row.number} | {row.text} | {had[0]} | {had[1]} |'


def elsewhere(rows):
    yield '| # | Attempt | What comes of it | Shown by |'
    yield '|---|---|---|---|'
    for numbers, text, outcome, path, tests in rows:
        names = ', '.join(f'`{name}`' for name in tests)
        yield f'| {numbers} | {text} | {outcome} | `{path}`: {names} |'


def notes_of(members, abi):
    """Sentences below a table: what a cell cannot say."""
    idle = {}
    for row in members:
        if row.why and row.measured['without'][0] != 'works':
            idle.setdefault(row.why, []).append(row.number)
    if idle:
        told = '; '.join(f'{", ".join(numbers)}: {why}' for why, numbers in idle.items())
        yield f'Not had without a sandbox either: {told}.'
    later = {}
    for row in members:
        needed = row.claims.get('landlock', (None, 0))[1]
        if needed > abi:
            later.setdefault(needed, []).append(row.number)
    for needed, numbers in sorted(later.items()):
        yield f'Landlock refuses {", ".join(numbers)} from its ABI {needed} on.'


def page_of(rows, machine):
    system, processor, abi = machine[0], machine[1], int(machine[2])
    parts = [INTRODUCTION,
             f'Measured on {system}, {processor}, Landlock ABI {abi}. '
             'Written by `tests/attack/page.py --write`.', '']
    for group in dict.fromkeys(row.group for row in rows.values()):
        members = [row for row in rows.values() if row.group == group]
        parts += [f'## {group}', '', HEAD, '|---' * 8 + '|',
                  *(line_of(row, abi) for row in members), '']
        for note in notes_of(members, abi):
            parts += [note, '']
    parts += ['## What the greedy got', '',
              'Attempts bound themselves far above what the policy grants (64 MiB, one second, 64 '
              'descriptors).', '', *bounds(rows.values()), '', WHOLE, *elsewhere(PROGRAM_ROWS), '',
              MESSAGES, *elsewhere(MESSAGE_ROWS), '', ENDING]
    return '\n'.join(parts)


def write():
    rows, machine = read_rows('--measure')
    complaints = [f'{row.number} {setting}: {row.measured[setting][0]}, expected {expectation}'
                  for row in rows.values() for setting, (expectation, needed) in row.claims.items()
                  if row.measured[setting][0] not in ('-', 'lacks') and needed <= int(machine[2])
                  and not agrees(row.measured[setting][0], expectation)]
    print(*complaints, sep='\n', end='\n' if complaints else '')
    with open(PAGE, 'w', encoding='utf-8') as file:
        file.write(page_of(rows, machine))
    return 1 if complaints else 0


def page_lines():
    """The page's rows by number: the cells; and the ABI that it was measured with."""
    lines = {}
    with open(PAGE, encoding='utf-8') as file:
        text = file.read()
    for line in text.splitlines():
        cells = [part.strip() for part in line.strip().strip('|').split(' | ')]
        if len(cells) == 8 and re.match(r'\d+[a-z]?$', cells[0]):
            lines[cells[0]] = cells
    return lines, int(re.search(r'^Measured on .* Landlock ABI (\d+)', text, re.MULTILINE).group(1))


@test()
def page_has_every_row_and_no_other():
    rows, _ = read_rows('--rows')
    lines, _ = page_lines()
    assert list(lines) == list(rows), f'{sorted(set(lines) ^ set(rows))}, or another order'
    for number, row in rows.items():
        assert lines[number][1] == row.text, f'{number}: {lines[number][1]}, not {row.text}'


@test()
def what_the_page_claims_is_what_the_suite_expects():
    rows, _ = read_rows('--rows')
    lines, abi = page_lines()
    for number, cells in lines.items():
        for setting, text in zip(SETTINGS, cells[2:]):
            claim = rows[number].claim(setting, abi) if number in rows else None
            is_bold = text.startswith('**')
            told = text.strip('*')
            assert told == '–' or is_bold == (claim is not None and setting != 'without'), \
                f'{number}, {setting}: bold is what the suite demands'
            assert claim is None or told == '–' or agrees(told, claim), \
                f'{number}, {setting}: the page says {told}, the suite expects {claim}'


@test()
def what_others_show_is_tested_and_on_the_page():
    with open(PAGE, encoding='utf-8') as file:
        page = file.read()
    for line in [*elsewhere(PROGRAM_ROWS), *elsewhere(MESSAGE_ROWS)]:
        assert line in page, f'the page has no line: {line}'
    for _, _, _, path, tests in PROGRAM_ROWS + MESSAGE_ROWS:
        with open(os.path.join(SOURCE, 'tests', f'{path}.c'), encoding='utf-8') as file:
            source = file.read()
        for name in tests:
            assert re.search(rf'^TEST\w*\({name}\)', source, re.MULTILINE), f'{path}: no {name}'


if __name__ == '__main__':
    sys.exit(write() if sys.argv[1:] == ['--write'] else main())
