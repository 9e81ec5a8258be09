# SPDX-License-Identifier: Apache-2.0
"""The machine: what it is, and how busy others keep it while something is measured."""

import os
import platform
import subprocess

TICK = os.sysconf('SC_CLK_TCK')
# A run is disturbed when others took more than this share of the machine's time, beyond what the
# system's clock tick can tell.
FOREIGN_SHARE = 0.04
FOREIGN_LEAST_S = 0.03


def cpu_times():
    """Seconds that all cores were busy, and that the hypervisor took, since the start."""
    with open('/proc/stat', encoding='ascii') as file:
        fields = [int(field) for field in file.readline().split()[1:]]
    user, nice, system, _, _, irq, softirq, steal = fields[:8]
    return (user + nice + system + irq + softirq) / TICK, steal / TICK


class Disturbance:
    """How much others used of the machine between its making and told()."""

    def __init__(self):
        self.busy, self.steal = cpu_times()

    def told(self, wall_s, own_s):
        busy, steal = cpu_times()
        foreign = max(0.0, busy - self.busy - own_s) + (steal - self.steal)
        if foreign <= FOREIGN_LEAST_S:
            return 0.0
        return foreign / (wall_s * (os.cpu_count() or 1))


def is_disturbed(share):
    return share > FOREIGN_SHARE


def said_by(*command):
    """The first line that a command prints, or '' if it is not there."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False,
                              stdin=subprocess.DEVNULL)
    except (OSError, subprocess.SubprocessError):
        return ''
    lines = (done.stdout or done.stderr).strip().splitlines()
    return lines[0].strip() if done.returncode == 0 and lines else ''


def read(path):
    try:
        with open(path, encoding='utf-8') as file:
            return file.read().strip()
    except OSError:
        return ''


def field(path, name):
    for line in read(path).splitlines():
        key, _, value = line.partition(':')
        if key.strip() == name:
            return value.strip()
    return ''


def describe():
    memory_kib = field('/proc/meminfo', 'MemTotal').split()
    return {
        'cpu': field('/proc/cpuinfo', 'model name') or platform.machine(),
        'cores': os.cpu_count(),
        'memory_mib': int(memory_kib[0]) // 1024 if memory_kib else 0,
        'kernel': platform.release(),
        'system': field_of_release(),
        'virtual': 'hypervisor' in field('/proc/cpuinfo', 'flags').split(),
        'huge_pages': read('/sys/kernel/mm/transparent_hugepage/enabled'),
        'load_at_start': os.getloadavg()[0],
        'compiler': said_by('cc', '--version'),
        'libc': ' '.join(platform.libc_ver()),
    }


def field_of_release():
    for line in read('/etc/os-release').splitlines():
        if line.startswith('PRETTY_NAME='):
            return line.partition('=')[2].strip('"')
    return ''
