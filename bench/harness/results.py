# SPDX-License-Identifier: Apache-2.0
"""From values to lines: medians, each peer's better variant, the ratios, and whether the bar is
reached."""

import dataclasses
import statistics

from workloads import ALL, COMPARED, TARGETED, format_value

PEER_BAR = 2.0     # times better than the best peer; memory: at most half
LIMIT_BAR = 1.25   # times the limit at most
SINGLE_BAR = 0.95  # what one worker may need of the time of two, at least


@dataclasses.dataclass(frozen=True)
class Figure:
    median: float
    least: float
    most: float
    threads: int
    rounds: int
    disturbed: int

    def shown(self, unit):
        return format_value(unit, self.median)

    def span(self, unit):
        return f'{format_value(unit, self.least)} – {format_value(unit, self.most)}'


def figure(measurement, program, threads, name):
    key = (program, threads, name)
    values = measurement.values.get(key)
    if not values:
        return None
    return Figure(statistics.median(values), min(values), max(values), threads, len(values),
                  measurement.disturbed.get(key, 0))


@dataclasses.dataclass
class Line:
    workload: object
    isle: Figure          # with all its threads
    single: Figure        # with one worker, or None
    peers: dict           # name: Figure of its better variant
    limit: Figure
    limits: dict = dataclasses.field(default_factory=dict)  # further ones: what it is, Figure
    again: float = None   # single_ratio once more, if it was suspicious: the median of pairs

    def times_better(self, ours, theirs):
        """How many times ours is better than theirs."""
        if self.workload.higher_is_better:
            return ours.median / theirs.median
        return theirs.median / ours.median

    @property
    def best_peer(self):
        names = sorted(self.peers, key=lambda name: self.peers[name].median,
                       reverse=self.workload.higher_is_better)
        return names[0] if names else None

    @property
    def peer_ratio(self):
        best = self.best_peer
        return self.times_better(self.isle, self.peers[best]) if best else None

    @property
    def limit_ratio(self):
        """How many times the limit it costs."""
        return 1 / self.times_better(self.isle, self.limit) if self.limit else None

    @property
    def single_ratio(self):
        """What one worker needs of the time of all: below 0.95 the others cost."""
        return 1 / self.times_better(self.single, self.isle) if self.single else None

    @property
    def single_is_suspicious(self):
        return self.single_ratio is not None and self.single_ratio < SINGLE_BAR

    @property
    def single_is_better(self):
        """Five rounds are few: a difference counts that fresh pairs, run one after the other,
        show as well."""
        return self.single_is_suspicious and (self.again is None or self.again < SINGLE_BAR)

    @property
    def verdict(self):
        """'yes', 'no', or '' where nothing is there to compare with."""
        if self.workload.group in TARGETED:
            target = self.workload.target
            return ('yes' if self.workload.reaches_target(self.isle.median) else 'no') \
                if target else ''
        if self.peer_ratio is not None and self.peer_ratio >= PEER_BAR:
            return 'yes'
        if self.limit_ratio is not None and self.limit_ratio <= LIMIT_BAR:
            return 'yes'
        return 'no' if self.peers or self.limit else ''

    @property
    def reason(self):
        if self.workload.target:
            unit = self.workload.unit
            return f'{self.isle.shown(unit)}, wanted {format_value(unit, self.workload.target)}'
        if self.peer_ratio is not None and self.peer_ratio >= PEER_BAR:
            return f'{self.peer_ratio:.2g}× the best peer'
        if self.limit_ratio is not None and self.limit_ratio <= LIMIT_BAR:
            return f'{self.limit_ratio:.2f}× the limit'
        told = []
        if self.peer_ratio is not None:
            told.append(f'{self.peer_ratio:.2g}× the best peer')
        if self.limit_ratio is not None:
            told.append(f'{self.limit_ratio:.3g}× the limit')
        return ', '.join(told) or 'no peer has it'


def better_variant(measurement, program, threads, workload):
    for name in workload.peer_lines:
        figures = [figure(measurement, program.name, count, name)
                   for count in program.variants(threads)]
        figures = [one for one in figures if one]
        if figures:
            choose = max if workload.higher_is_better else min
            return choose(figures, key=lambda one: one.median)
    return None


def look_again(measurement, found, threads, programs, pairs):
    """Measures anew, by pairs of runs, where one worker seemed better than all."""
    isle = next(program for program in programs if program.name == 'isle')
    suspicious = [line for line in found
                  if line.single_is_suspicious and line.workload.group in COMPARED]
    for line in suspicious:
        name = line.workload.name
        values = measurement.pairs(isle, line.workload.program_line, name, threads, pairs)
        ratios = [one / all_ for one, all_ in values]
        if ratios:
            line.again = statistics.median(
                [1 / ratio for ratio in ratios] if line.workload.higher_is_better else ratios)


def limits_of(measurement, workload, threads):
    """Figures of what carries the messages, in the workload's unit."""
    found = {}
    for what, name, factor in workload.limits:
        one = figure(measurement, 'channel', threads, name)
        if one:
            found[what] = dataclasses.replace(one, median=one.median * factor,
                                              least=one.least * factor, most=one.most * factor)
    return found


def lines(measurement, programs, threads):
    """A line for each workload that Isle has run."""
    found = []
    for workload in ALL:
        isle = figure(measurement, 'isle', threads, workload.name)
        if isle is None:
            continue
        others = {}
        for program in programs:
            if program.name == 'isle':
                continue
            best = better_variant(measurement, program, threads, workload)
            if best:
                others[program.name] = best
        single = figure(measurement, 'isle', 1, workload.name) if threads > 1 else None
        found.append(Line(workload, isle, single,
                          {name: one for name, one in others.items() if name != 'limit'},
                          others.get('limit'), limits_of(measurement, workload, threads)))
    return found
