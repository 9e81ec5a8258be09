#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""tools/mutate tells caught mutations from others, and its list fits the tree as it is."""

import os

from suite import SOURCE, main, run, test

TOOL = os.path.join(SOURCE, 'tools', 'mutate')


@test(timeout=120)
def mutate_judges_a_known_tree():
    assert 'self-test passed' in run([TOOL, '--self-test'])


@test()
def mutations_fit_the_tree():
    assert 'fit the tree' in run([TOOL, '--check'])


main()
