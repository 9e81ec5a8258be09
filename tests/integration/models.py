#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The protocols that wake isolates and workers, checked by spin over all interleavings of the
models in docs/design/models; and each mutant of a model, named at its head, is caught."""

import os
import re
import shutil

from suite import SOURCE, main, run, skip, test

MODELS = os.path.join(SOURCE, 'docs', 'design', 'models')


# What computes for seconds is worth the optimizer. A mutant is caught within some thousand states,
# and its compilation takes longer than they do.
WHOLE = ['-O3', '-DNOFAIR']
FIRST_ERROR = ['-O0', '-DCOLLAPSE']


def check(model, *definitions, options=()):
    """How many errors there are, and in how many states, over all that can happen."""
    for tool in ('spin', 'gcc'):
        if not shutil.which(tool):
            skip(f'{tool} is not installed')
    words = [f'-D{name}' for name in definitions]
    run(['spin', '-a', *words, os.path.join(MODELS, f'{model}.pml')])
    run(['gcc', '-w', '-DSAFETY', *options, '-o', 'pan', 'pan.c'])
    said = run(['./pan', '-m1000000', '-n'])
    if 'max search depth too small' in said or 'out of memory' in said:
        raise AssertionError(said)
    errors = int(re.search(r'errors: (\d+)', said).group(1))
    states = int(re.search(r'(\d+) states, stored', said).group(1))
    print(f'{model} {" ".join(definitions)}: {errors} errors in {states} states')
    return errors, said


def mutants(model):
    with open(os.path.join(MODELS, f'{model}.pml'), encoding='utf-8') as file:
        head = file.read().split('*/')[1]
    return re.findall(r'^ \*   ([A-Z_]+)  ', head, re.MULTILINE)


def holds(model, *definitions):
    errors, said = check(model, *definitions, options=WHOLE)
    assert errors == 0, said


def catches(model):
    names = mutants(model)
    assert len(names) >= 3, names
    for name in names:
        errors, _ = check(model, name, options=FIRST_ERROR)
        assert errors > 0, f'{model}: {name} is not caught'


@test(timeout=300, memory=2048, tier=1)
def no_wakeup_of_a_mailbox_is_lost():
    holds('mailbox')


@test(timeout=120, memory=256, tier=1)
def mutants_of_the_mailbox_are_caught():
    catches('mailbox')


@test(timeout=120, memory=1024)
def nobody_waits_for_room_that_is_there():
    holds('gate')
    holds('gate', 'CAPACITY=2')


@test(timeout=120, memory=256)
def mutants_of_the_gate_are_caught():
    catches('gate')


@test(timeout=120, memory=1024)
def no_wakeup_of_a_worker_is_lost():
    holds('park')


@test(timeout=120, memory=1024)
def no_wakeup_is_lost_at_other_widths():
    holds('park', 'WIDTH=2')
    holds('park', 'WIDTH=2', 'WORKERS=3', 'PUSHERS=1')


@test(timeout=60, memory=1024)
def each_handoff_is_taken_once():
    holds('handoff')


@test(timeout=120, memory=256)
def mutants_of_the_handoff_are_caught():
    catches('handoff')


@test(timeout=120, memory=256)
def mutants_of_parking_are_caught():
    catches('park')


@test(timeout=300, memory=2048)
def no_wakeup_across_a_wall_is_lost():
    holds('channel')
    holds('channel', 'ROOM_FROM=1')


@test(timeout=300, memory=2048, tier=1)
def no_wakeup_across_a_wall_is_lost_in_other_rings():
    holds('channel', 'COUNT=4')
    holds('channel', 'SIZE=3', 'ROOM_FROM=1', 'COUNT=4', 'BACK=1')
    holds('channel', 'SIZE=1', 'COUNT=2')


@test(timeout=120, memory=256)
def mutants_of_the_channel_are_caught():
    catches('channel')


main()
