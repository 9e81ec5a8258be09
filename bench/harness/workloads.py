# SPDX-License-Identifier: Apache-2.0
"""The table of workloads: what each measures, in which unit, and with which line of a peer a line
of Isle's alone is compared."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Workload:
    name: str
    unit: str  # ns an operation, /s messages a second, B bytes each
    text: str
    group: str = 'lines'
    job: str = ''      # the program's workload that prints this figure
    against: str = ''  # the peers' line, where Isle has several ways

    @property
    def higher_is_better(self):
        return self.unit == '/s'

    @property
    def peer_line(self):
        return self.against or self.name

    @property
    def program_line(self):
        return self.job or self.name


SIZES = {'1k': '1 KiB', '64k': '64 KiB', '1m': '1 MiB', '16m': '16 MiB'}

LINES = [
    Workload('spawn', 'ns', 'create, one message back, end: one at a time'),
    Workload('spawn-burst', 'ns', 'the same, 200,000 at once, in memory never used before'),
    Workload('spawn-again', 'ns', 'the same burst a second time', job='spawn-burst'),
    Workload('round-trip', 'ns', 'a small message there and back'),
    Workload('round-trip-handlers', 'ns', 'the same with handlers on both sides',
             against='round-trip'),
    Workload('round-trip-cores', 'ns', 'the two forced onto two cores'),
    Workload('pairs', 'ns', 'two independent pairs at once, the slower one'),
    Workload('call-timeout', 'ns', 'request and reply, a timer set and cancelled'),
    Workload('send-2-1', '/s', '2 producers, 1 consumer, small messages'),
    Workload('send-8-1', '/s', '8 producers, 1 consumer'),
    Workload('fan-in', '/s', '10,000 senders, 1 receiver'),
    Workload('ring', 'ns', 'a token around 503 members, a hop'),
    Workload('fork-join', '/s', '60 receivers, 10,000 messages each'),
    Workload('fork-join-create', 'ns', '40,000 created with a message each'),
    Workload('skynet', 'ns', 'a tree of 1,000,000, fan-out 10, a leaf'),
    Workload('big', 'ns', '120 ping each other at random, a ping and pong'),
    Workload('chameneos', 'ns', '100 creatures meet in a mall, a meeting'),
    *[Workload(f'echo-copy-{key}', 'ns', f'{size} there and back, copied')
      for key, size in SIZES.items()],
    *[Workload(f'echo-move-{key}', 'ns', f'{size} there and back, moved')
      for key, size in SIZES.items()],
    Workload('tree-typed', 'ns', '11,111 nodes as structs, one way'),
    Workload('tree-maps', 'ns', 'the same as maps and lists'),
    Workload('tree-shared', 'ns', 'with one part reached ten times'),
    Workload('tree-cycle', 'ns', 'with links to the parents'),
    Workload('memory-idle', 'B', 'an idle one with a port, a map, and a ping behind it'),
    Workload('memory-bare', 'B', 'one that is alive and no more'),
    Workload('memory-suspended', 'B', 'one that waits in a receive'),
    Workload('million', 'ns', '1,000,000 alive at once, each answers a ping'),
    Workload('million-bytes', 'B', 'memory of each of the million', job='million'),
]

ROOT = [
    Workload(f'{line.name}-root', line.unit, line.text, group='root',
             job=f'{line.job}-root' if line.job else '', against=line.peer_line)
    for line in LINES
    if line.name.startswith(('spawn', 'round-trip', 'call', 'send', 'fan', 'fork', 'echo', 'tree'))
    and line.name != 'round-trip-cores'
]

ALL = LINES + ROOT
BY_NAME = {workload.name: workload for workload in ALL}


def format_value(unit, value):
    """A value as people read it, three digits."""
    steps = {'ns': [(1e9, 's'), (1e6, 'ms'), (1e3, 'µs'), (1, 'ns')],
             '/s': [(1e9, 'G/s'), (1e6, 'M/s'), (1e3, 'k/s'), (1, '/s')],
             'B': [(1e6, 'MB'), (1e4, 'kB'), (1, 'B')]}[unit]
    for size, name in steps:
        if value >= size * (0.9995 if size > 1 else 0) or size == steps[-1][0]:
            scaled = value / size * (10 if name == 'kB' else 1)
            return f'{digits(scaled)} {name}'
    raise AssertionError(unit)


def digits(value):
    if value >= 100:
        return f'{value:,.0f}'
    return f'{value:.3g}' if value >= 10 else f'{value:.2f}'
