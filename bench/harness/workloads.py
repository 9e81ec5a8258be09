# SPDX-License-Identifier: Apache-2.0
"""The table of workloads: what each measures, in which unit, and with which line of a peer a line
of Isle's alone is compared."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Workload:
    name: str
    unit: str  # ns an operation, /s messages a second, B/s bytes, B bytes each, x a ratio
    text: str
    group: str = 'lines'
    job: str = ''      # the program's workload that prints this figure
    against: str = ''  # the peers' line, where Isle has several ways
    rooted: str = ''   # the peers' own line from their main thread, which comes before that
    target: float = 0  # what is wanted, in its unit, where that is the bar
    size: int = 1      # B/s: bytes of a message
    limits: tuple = ()  # (what it is, a figure of bench-channel, in how many of the unit)

    @property
    def higher_is_better(self):
        return self.unit in ('/s', 'B/s')

    def reaches_target(self, value):
        return value >= self.target if self.higher_is_better else value <= self.target

    @property
    def peer_lines(self):
        """With which lines of a peer it is compared: the first of these that it has."""
        return [name for name in (self.rooted, self.against or self.name) if name]

    @property
    def program_line(self):
        return self.job or self.name


SIZES = {'1k': '1 KiB', '64k': '64 KiB', '1m': '1 MiB', '16m': '16 MiB'}

LINES = [
    Workload('spawn', 'ns', 'spawn, one message back, end'),
    Workload('spawn-burst', 'ns', 'spawn 200,000 at once, fresh memory'),
    Workload('spawn-again', 'ns', 'spawn 200,000 at once, used memory', job='spawn-burst'),
    Workload('round-trip', 'ns', 'round trip of a small message'),
    Workload('round-trip-handlers', 'ns', 'round trip, handlers on both sides',
             against='round-trip'),
    Workload('round-trip-cores', 'ns', 'round trip forced across two cores'),
    Workload('pairs', 'ns', 'round trip, two pairs at once'),
    Workload('call-timeout', 'ns', 'call with a timeout'),
    Workload('send-2-1', '/s', '2 producers, 1 consumer, a message'),
    Workload('send-8-1', '/s', '8 producers, 1 consumer, a message'),
    Workload('fan-in', '/s', '10,000 senders, 1 receiver, a message'),
    Workload('stream', '/s', 'a stream with a window of 512, an int'),
    Workload('stream-handler', '/s', 'the same, read by a handler', against='stream'),
    Workload('stream-text', '/s', 'the same, a text of 64 bytes'),
    Workload('ring', 'ns', 'ring of 503, a hop'),
    Workload('fork-join', '/s', 'fork-join to 60 receivers, a message'),
    Workload('fork-join-create', 'ns', 'create 40,000 with a message each'),
    Workload('skynet', 'ns', 'skynet: a tree of a million, a leaf'),
    Workload('big', 'ns', 'big: 120 ping at random, a ping and pong'),
    Workload('chameneos', 'ns', 'chameneos: 100 creatures, a meeting'),
    Workload('pool', '/s', 'a list through a pool, a job; 256 a message'),
    Workload('pool-single', '/s', 'a list through a pool, a job a message', against='pool'),
    Workload('supervised-call', 'ns', "call to a supervisor's child"),
    Workload('monitor-down', 'ns', 'spawn, monitored; its end'),
    *[Workload(f'echo-copy-{key}', 'ns', f'echo of {size}, copied')
      for key, size in SIZES.items()],
    *[Workload(f'echo-move-{key}', 'ns', f'echo of {size}, moved')
      for key, size in SIZES.items()],
    Workload('tree-typed', 'ns', 'tree of 11,111 structs, one way'),
    Workload('tree-maps', 'ns', 'tree of 11,111 maps'),
    Workload('tree-shared', 'ns', 'tree with a part reached ten times'),
    Workload('tree-cycle', 'ns', 'tree with links to the parents'),
    Workload('million', 'ns', 'a million alive, each answers a ping'),
    Workload('million-bytes', 'B', 'each of a million', job='million'),
    Workload('memory-idle', 'B', 'idle: a port, a map, a ping answered'),
    Workload('memory-bare', 'B', 'alive and no more'),
    Workload('memory-suspended', 'B', 'suspended in receive'),
]

ROOT = [
    Workload(f'{line.name}-root', line.unit, line.text, group='root',
             job=f'{line.job}-root' if line.job else '', against=line.peer_lines[-1],
             rooted=f'{line.peer_lines[-1]}-root')
    for line in LINES
    if line.name.startswith(('spawn', 'round-trip', 'call', 'send', 'fan', 'fork', 'echo', 'tree'))
    and line.name != 'round-trip-cores'
]

# The suite's micro programs, as bench/savina has them.
SAVINA = [
    Workload(f'savina-{name}', unit, text, group='savina')
    for name, unit, text in [
        ('pingpong', 'ns', 'Ping Pong, 40,000 round trips'),
        ('count', '/s', 'Counting Actor, 1,000,000 messages'),
        ('fjthrput', '/s', 'Fork Join throughput, 60 times 10,000'),
        ('fjcreate', 'ns', 'Fork Join creation, 40,000 actors'),
        ('threadring', 'ns', 'Thread Ring, 100 actors, a hop'),
        ('chameneos', 'ns', 'Chameneos, 200,000 meetings'),
        ('big', 'ns', 'Big, 120 times 20,000 pings'),
        ('fib', 'ns', 'Fibonacci of 25, an actor'),
    ]
]

# What only Isle is asked.
OWN = [
    Workload('waiting', 'ns', 'processor time a second while 2,000 wait', group='own'),
    Workload('parallel', 'x', 'two that compute at once, in times of one alone', group='own'),
    Workload('run', 'ns', 'a computation in an isolate of its own, awaited', group='own'),
    Workload('calls', 'ns', 'calls to four servers, 64 under way', group='own'),
    Workload('run-root', 'ns', 'the same from the root', group='own'),
    Workload('calls-root', 'ns', 'the same from the root', group='own'),
]

# Isolates in sandboxed processes; the peers have processes of their own. The limits are what
# carries the messages, without an isolate on either side.
WALL = [
    Workload('wall-spawn-cold', 'ns', 'spawn to first message, none born ahead', group='wall',
             target=150e3),
    Workload('wall-spawn', 'ns', 'spawn to first message, from the pool', group='wall',
             against='wall-spawn-cold', target=60e3),
    Workload('wall-kill', 'ns', 'kill to dead, as the monitor is told', group='wall', target=1e6),
    Workload('wall-churn', '/s', 'spawn, first message, kill; eight at once', group='wall',
             target=4000),
    Workload('wall-round-trip', 'ns', 'round trip, both on one core', group='wall', target=3500,
             limits=(('ring', 'channel-rtt', 1), ('pipe', 'pipe-rtt', 1))),
    Workload('wall-round-trip-cores', 'ns', 'round trip, each on a core, both busy', group='wall',
             target=1500, limits=(('ring', 'channel-rtt-cores', 1),)),
    Workload('wall-send-in', '/s', 'small messages into it', group='wall', target=5e6,
             limits=(('ring', 'channel-flow-64', 1),)),
    Workload('wall-send-out', '/s', 'small messages out of it', group='wall', target=5e6,
             limits=(('ring', 'channel-flow-64', 1),)),
    Workload('wall-bytes-in', 'B/s', '16 KiB messages into it', group='wall', target=10e9,
             size=16384,
             limits=(('ring', 'channel-flow-16k', 16384),)),
    Workload('wall-bytes-out', 'B/s', '16 KiB messages out of it', group='wall', target=10e9,
             size=16384,
             limits=(('ring', 'channel-flow-16k', 16384),)),
    *[Workload(f'wall-{way}-{place}', 'B/s', f'16 MiB {way} {text}', group='wall', size=16 << 20,
               against=f'wall-large-{place}')
      for way in ('moved', 'frozen') for place, text in (('in', 'into it'), ('out', 'out of it'))],
    Workload('wall-memory', 'B', 'idle: pages that it has for itself', group='wall',
             target=128 * 1024),
    Workload('wall-memory-tables', 'B', 'idle: those and its page tables', group='wall',
             job='wall-memory'),
]


def dart(job, text, figures, root=True):
    """The figures of one of Dart's benchmarks: part, unit and what it says; '' is the first."""
    made = []
    for suffix in ['', '-root'] if root else ['']:
        for part, unit, what in figures:
            name = f'{job}-{part}' if part else job
            made.append(Workload(name + suffix, unit, f'{text}{what}', group='dart',
                                 job=job + suffix))
    return made


DART_SIZES = {'1k': '1 KB', '10k': '10 KB', '100k': '100 KB', '1m': '1 MB', '10m': '10 MB',
              '100m': '100 MB'}
DART_JSON = {'400b': '390', '5k': '5,534', '50k': '49,814', '500k': '498,169', '5m': '4,981,723'}
DART_DECODE = {'50k': '51,760', '100k': '104,685', '300k': '294,356', '1m': '1,177,397'}
SEND_PARTS = [('', 'ns', ', send'), ('receive', 'ns', ', receive')]
DECODE_PARTS = [('', 'ns', ', one copied back'), ('four', 'ns', ', four'),
                ('exit', 'ns', ', one handed over by exit'), ('exit-four', 'ns', ', four by exit'),
                ('sync', 'ns', ', in place')]
LATE_PARTS = [('', 'ns', ', mean'), *[(part, 'ns', f', {part}')
                                      for part in ('p50', 'p90', 'p95', 'p99', 'max')],
              ('rss', 'B', ', most memory')]

DART = [
    *[one for key, size in DART_SIZES.items()
      for one in dart(f'dart-bytes-{key}', f'SendReceiveBytes {size}', [('', 'ns', '')])],
    *[one for key, size in DART_SIZES.items()
      for one in dart(f'dart-transfer-{key}', f'SendReceiveBytesTransferable {size}',
                      [('', 'ns', '')])],
    *dart('dart-send-nop', 'SendPort Nop', SEND_PARTS),
    *[one for key, size in DART_JSON.items()
      for one in dart(f'dart-send-json-{key}', f'SendPort Json {size} B', SEND_PARTS, root=False)],
    *[one for depth in range(2, 15, 2)
      for one in dart(f'dart-send-tree-{depth}', f'SendPort BinaryTree {depth}', SEND_PARTS,
                      root=False)],
    *[one for key, size in DART_DECODE.items()
      for one in dart(f'dart-decode-{key}', f'IsolateJson {size} B (as CBOR), 10 rounds',
                      DECODE_PARTS, root=False)],
    *dart('dart-overhead', 'IsolateBaseOverhead', [('', 'B', ', memory'),
                                                   ('start', 'ns', ', start'),
                                                   ('finish', 'ns', ', finish')], root=False),
    *dart('dart-fibonacci', 'IsolateFibonacci 21', [('', 'ns', ', calculation'),
                                                    ('peak', 'B', ', peak')], root=False),
    *dart('dart-spawn', 'IsolateSpawn', [('', 'ns', ', to after spawn'),
                                         ('start', 'ns', ', to start running'),
                                         ('finish', 'ns', ', to finish running'),
                                         ('exit', 'ns', ', to exit')]),
    *dart('dart-spawn-memory', 'IsolateSpawnMemory', [('', 'B', ', a worker')], root=False),
    *dart('dart-exit-latency', 'IsolateSendExitLatency', LATE_PARTS),
    *dart('dart-loop-json', 'EventLoopLatencyJson', LATE_PARTS),
    *dart('dart-loop-json-350k', 'EventLoopLatencyJson350KB', LATE_PARTS),
    *dart('dart-loop-regexp', 'EventLoopLatencyRegexp', LATE_PARTS),
]

ALL = LINES + ROOT + SAVINA + WALL + OWN + DART
GROUPS = {'lines': 'Between isolates', 'root': 'Between the root and isolates',
          'savina': "Savina's micro programs", 'wall': 'Behind a wall', 'own': 'Isle alone',
          'dart': "Dart's benchmarks"}
# Workloads whose count is what they are about: a million alive is no million at half scale.
WHOLE = ('spawn-burst', 'spawn-burst-root', 'fork-join-create', 'fork-join-create-root', 'skynet',
         'million', 'fan-in', 'fan-in-root', 'memory-idle', 'memory-bare', 'memory-suspended')
COMPARED = ('lines', 'root', 'savina')  # groups that peers have too
TARGETED = ('wall',)  # and those that have targets instead of the bar


def format_value(unit, value):
    """A value as people read it, three digits."""
    if unit == 'x':
        return f'{value:.2f}×'
    steps = {'ns': [(1e9, 's'), (1e6, 'ms'), (1e3, 'µs'), (1, 'ns')],
             '/s': [(1e9, 'G/s'), (1e6, 'M/s'), (1e3, 'k/s'), (1, '/s')],
             'B/s': [(1e9, 'GB/s'), (1e6, 'MB/s'), (1e3, 'kB/s'), (1, 'B/s')],
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
