#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The operations of the benchmark need no more instructions than bench/instructions.json says, and
a tenth. Counts are the same on every machine; times are never tested."""

import os
import subprocess

from suite import BUILD, SOURCE, main, skip, test


@test(timeout=240, alone=1)
def operations_need_no_more_instructions_than_before():
    done = subprocess.run([os.path.join(SOURCE, 'bench', 'instructions'), '--build', BUILD],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
                          stdin=subprocess.DEVNULL)
    print(done.stdout)
    if done.returncode == 77:
        skip(done.stdout.strip().splitlines()[-1])
    assert done.returncode == 0, 'see above'


main()
