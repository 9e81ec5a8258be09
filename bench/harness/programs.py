# SPDX-License-Identifier: Apache-2.0
"""The programs that are measured: Isle's own, the limits, threads by hand, and the peers. A folder
of bench/ with a `build` script is a peer: `build OUTDIR` makes OUTDIR/bench-PEER."""

import dataclasses
import os
import subprocess
import sys

from machine import said_by
from workloads import SAVINA

BENCH = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SOURCE = os.path.dirname(BENCH)

OURS = ['isle', 'limit', 'pthread', 'channel']  # built by meson
# Whose scheduler can be told how many threads it may have; each is measured with one and with all.
SCHEDULED = ['isle', 'limit', 'erlang', 'go', 'tokio', 'caf']
TITLES = {'isle': 'Isle', 'limit': 'limit', 'pthread': 'pthread', 'erlang': 'Erlang/OTP',
          'go': 'Go', 'node': 'Node', 'caf': 'CAF', 'tokio': 'Tokio', 'zmq': 'ZeroMQ',
          'nng': 'nng', 'channel': 'channel', 'posix_spawn': 'posix_spawn + pipes',
          'bwrap': 'bubblewrap', 'seqpacket': 'fork + seqpacket'}
ORDER = list(TITLES)


def package_version(name):
    return said_by('dpkg-query', '-W', '-f=${Version}\n', name)


VERSIONS = {
    'isle': lambda: said_by('git', '-C', SOURCE, 'describe', '--always', '--dirty'),
    'pthread': lambda: said_by('getconf', 'GNU_LIBPTHREAD_VERSION'),
    'erlang': lambda: package_version('erlang-base'),
    'go': lambda: said_by('go', 'version'),
    'node': lambda: said_by('node', '--version'),
    'caf': lambda: package_version('libcaf-dev'),
    'tokio': lambda: f'{package_version("librust-tokio-dev")}, {said_by("rustc", "--version")}',
    'zmq': lambda: package_version('libzmq3-dev'),
    'nng': lambda: package_version('libnng-dev'),
    'bwrap': lambda: package_version('bubblewrap'),
}


def savina_path(folder, job):
    """Where Isle's program of that figure was built, or None."""
    path = os.path.join(folder, 'savina', job.removeprefix('savina-'))
    return path if job.startswith('savina-') and os.access(path, os.X_OK) else None


@dataclasses.dataclass
class Program:
    name: str
    path: str
    jobs: list  # the workloads that it has
    version: str

    @property
    def title(self):
        return TITLES.get(self.name, self.name)

    def command(self, job):
        """Isle's Savina programs are one each."""
        own = self.name == 'isle' and savina_path(os.path.dirname(self.path), job)
        return [own, '--figure'] if own else [self.path, job]

    def variants(self, threads):
        """Thread counts that it is measured with."""
        return [1, threads] if self.name in SCHEDULED and threads > 1 else [threads]


def peer_names():
    """Every folder with a build script."""
    names = [name for name in os.listdir(BENCH)
             if os.access(os.path.join(BENCH, name, 'build'), os.X_OK)]
    return sorted(names, key=lambda name: (ORDER.index(name) if name in ORDER else 99, name))


def build_ours(build, savina):
    """Isle and its neighbours, optimised, with everything compiled in."""
    options = ['-Dbench=true', '-Dexamples=false', '-Dcli=disabled', '-Dbuildtype=release',
               '-Db_lto=true', '-Db_ndebug=false']
    targets = [*(['savina'] if savina else []), *[f'bench/bench-{name}' for name in OURS]]
    setup = ['meson', 'setup', build, *options]
    if os.path.exists(os.path.join(build, 'build.ninja')):
        setup.insert(2, '--reconfigure')
    for command in (setup, ['ninja', '-C', build, *targets]):
        done = subprocess.run(command, cwd=SOURCE, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, check=False)
        if done.returncode != 0:
            sys.exit(f'{done.stdout}\nbench: could not build: {" ".join(command)}')
    return os.path.join(build, 'bench')


def newest(name):
    """When a file that a peer is made of was last changed: one of its folder, and of what
    messaging libraries or helper processes share."""
    files, folders = [], [os.path.join(BENCH, name)]
    for own, shared in (('library.h', 'sockets'), ('way.c', 'children')):
        if os.path.exists(os.path.join(BENCH, name, own)):
            files += [os.path.join(BENCH, 'common.h'), os.path.join(BENCH, 'processes.h')]
            folders.append(os.path.join(BENCH, shared))
    for folder in folders:
        for place, _, names in os.walk(folder):
            files += [os.path.join(place, file) for file in names]
    return max(os.path.getmtime(file) for file in files)


def build_peer(name, output):
    """Builds a peer unless that was done since its sources changed; returns why it cannot be had,
    or ''."""
    program = os.path.join(output, f'bench-{name}')
    if os.path.exists(program) and os.path.getmtime(program) > newest(name):
        return ''
    os.makedirs(output, exist_ok=True)
    log = os.path.join(output, f'{name}.log')
    with open(log, 'w', encoding='utf-8') as file:
        try:
            done = subprocess.run([os.path.join(BENCH, name, 'build'), output], stdout=file,
                                  stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, cwd=SOURCE,
                                  timeout=1800, check=False)
        except (OSError, subprocess.SubprocessError) as error:
            return str(error)
    if done.returncode == 0:
        return ''
    with open(log, encoding='utf-8', errors='replace') as file:
        last = (file.read().strip().splitlines() or ['no output'])[-1]
    return f'{last} ({log})'


def load(name, folder):
    path = os.path.join(folder, f'bench-{name}')
    done = subprocess.run([path, 'list'], capture_output=True, text=True, timeout=60, check=True,
                          stdin=subprocess.DEVNULL)
    version = VERSIONS.get(name, lambda: '')()
    jobs = done.stdout.split()
    if name == 'isle':
        jobs += [line.name for line in SAVINA if savina_path(folder, line.name)]
    return Program(name, path, jobs, version)


def collect(build, ours, wanted, say, savina=True):
    """Builds and loads the programs; peers that are missing are named, not fatal. `ours` is where
    Isle's lie if they are built already."""
    if not ours:
        say('building Isle')
    folder = ours or build_ours(build, savina)
    output = os.path.join(os.path.abspath(build), 'peers')
    programs, missing = [], {}
    for name in OURS + peer_names():
        if wanted and name not in wanted and name != 'isle':
            continue
        why = ''
        if name not in OURS:
            say(f'building {name}')
            why = build_peer(name, output)
        if why:
            missing[name] = why
            continue
        try:
            programs.append(load(name, folder if name in OURS else output))
        except (OSError, subprocess.SubprocessError) as error:
            missing[name] = str(error)
    return programs, missing
