#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The protocols that wake isolates and workers, checked by spin over all interleavings of the
models in docs/design/models; and each mutant of a model, named at its head, is caught."""

import os
import re
import shutil

from suite import SOURCE, main, run, skip, test

MODELS = os.path.join(SOURCE, 'docs', 'design', 'models')


def check(model, *definitions):
    """How many errors there are, and in how many states, over all that can happen."""
    for tool in ('spin', 'gcc'):
        if not shutil.which(tool):
            skip(f'{tool} is not installed')
    words = [f'-D{name}' for name in definitions]
    run(['spin', '-a', *words, os.path.join(MODELS, f'{model}.pml')])
    run(['gcc', '-O2', '-w', '-DSAFETY', '-DCOLLAPSE', '-o', 'pan', 'pan.c'])
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
    errors, said = check(model, *definitions)
    assert errors == 0, said


def catches(model):
    names = mutants(model)
    assert len(names) >= 3, names
    for name in names:
        errors, _ = check(model, name)
        assert errors > 0, f'{model}: {name} is not caught'


@test(timeout=300, memory=2048, tier=1)
def no_wakeup_of_a_mailbox_is_lost():
    holds('mailbox')


@test(timeout=300, memory=2048, tier=1)
def mutants_of_the_mailbox_are_caught():
    catches('mailbox')


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


@test(timeout=120, memory=1024)
def mutants_of_the_handoff_are_caught():
    catches('handoff')


@test(timeout=120, memory=1024)
def mutants_of_parking_are_caught():
    catches('park')


main()
