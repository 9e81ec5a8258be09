# SPDX-License-Identifier: Apache-2.0
"""Runs the plan: in every round each workload, and of each workload one program after the other, so
that what the machine does meanwhile meets all alike. A run that others disturbed is repeated."""

import dataclasses
import os
import shutil
import signal
import statistics
import subprocess
import sys
import time

from machine import Disturbance, is_disturbed

REPEATS = 2           # of one disturbed run
REPEAT_SHARE = 0.3    # of all runs, repeats at most
TIMEOUT_S = 120
FAILURES = 2          # after which a program's workload is left out


@dataclasses.dataclass(frozen=True)
class Run:
    program: object
    threads: int
    job: str

    @property
    def key(self):
        return (self.program.name, self.threads, self.job)


@dataclasses.dataclass
class Outcome:
    figures: dict
    wall_s: float
    foreign: float
    error: str = ''


def kill_family(process):
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass  # it has just ended
    process.communicate()


def run_once(run, environment):
    """One process; its figures, or why it failed."""
    environment = dict(environment, BENCH_THREADS=str(run.threads))
    disturbance, start = Disturbance(), time.monotonic()
    process = subprocess.Popen(run.program.command(run.job), stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True,
                               env=environment, start_new_session=True)
    before = os.times()
    try:
        out, err = process.communicate(timeout=TIMEOUT_S)
    except subprocess.TimeoutExpired:
        kill_family(process)
        return Outcome({}, time.monotonic() - start, 0, f'no end after {TIMEOUT_S} s')
    except KeyboardInterrupt:
        kill_family(process)
        raise
    after, wall = os.times(), time.monotonic() - start
    own = sum(after[:4]) - sum(before[:4])
    foreign = disturbance.told(wall, own)
    if process.returncode != 0:
        last = (err.strip().splitlines() or ['no word'])[-1]
        return Outcome({}, wall, foreign, f'status {process.returncode}: {last}')
    try:
        figures = {name: float(value) for name, value in map(str.split, out.splitlines())}
    except ValueError:
        return Outcome({}, wall, foreign, f'not a figure: {out.strip()[:80]}')
    return Outcome(figures, wall, foreign)


class Progress:
    """One line on a terminal; elsewhere a line for each round of a workload."""

    def __init__(self, total):
        self.total, self.done, self.repeats = total, 0, 0
        self.start = time.monotonic()
        self.terminal = sys.stderr.isatty()
        self.last = ''

    def left(self, plan_left):
        return f'{int(plan_left // 60)} min {int(plan_left % 60):02} s'

    def show(self, round_number, rounds, run, plan_left):
        text = (f'[{self.done}/{self.total}] round {round_number}/{rounds}  {run.job}  '
                f'{run.program.name}/{run.threads}  {self.left(plan_left)} left')
        if self.terminal:
            width = shutil.get_terminal_size().columns - 1
            print(f'\r\x1b[K{text[:width]}', end='', file=sys.stderr, flush=True)
        elif self.last != (round_number, run.job):
            self.last = (round_number, run.job)
            print(f'[{self.done}/{self.total}] round {round_number}/{rounds}  {run.job}  '
                  f'{self.left(plan_left)} left', file=sys.stderr, flush=True)

    def note(self, text):
        print(('\r\x1b[K' if self.terminal else '') + text, file=sys.stderr, flush=True)

    def end(self):
        taken = time.monotonic() - self.start
        self.note(f'{self.done} runs in {taken:.0f} s, {self.repeats} repeated')


class Measurement:
    def __init__(self, programs, jobs, rounds, threads, scale, repeats=True, whole=()):
        self.rounds, self.scale, self.whole = rounds, scale, whole
        self.plan = [Run(program, count, job) for job in jobs for program in programs
                     if job in program.jobs for count in self.counts(program, threads, job)]
        self.values = {}     # (program, threads, figure): [value a round]
        self.disturbed = {}  # the same: rounds that stayed disturbed
        self.failures = {}   # run.key: [reason]
        self.wall = {}       # run.key: seconds of the last
        self.repeat_budget = int(len(self.plan) * rounds * REPEAT_SHARE) if repeats else 0
        self.progress = Progress(len(self.plan) * rounds)

    @staticmethod
    def counts(program, threads, job):
        """Behind a wall is one thread, however many the host has."""
        return [threads] if job.startswith('wall-') else program.variants(threads)

    def environment(self, job):
        return dict(os.environ, BENCH_SCALE='1' if job in self.whole else str(self.scale))

    def seconds_left(self, done_in_round, order, rounds_left):
        known = list(self.wall.values())
        guess = statistics.fmean(known) if known else 1.5
        whole = sum(self.wall.get(run.key, guess) for run in order)
        rest = sum(self.wall.get(run.key, guess) for run in order[done_in_round:])
        return rest + whole * rounds_left

    def measure(self):
        """All rounds; an interrupt ends it, and what was measured until then is told."""
        try:
            self.measure_rounds()
        except KeyboardInterrupt:
            self.progress.note('interrupted')
        self.progress.end()

    def measure_rounds(self):
        for number in range(1, self.rounds + 1):
            order = self.order(number)
            for index, run in enumerate(order):
                left = self.seconds_left(index, order, self.rounds - number)
                self.progress.show(number, self.rounds, run, left)
                self.one(run)
                self.progress.done += 1

    def pairs(self, program, job, figure, threads, count):
        """Figures of one thread and of all, `count` pairs of them, either first in turn. A pair
        that others disturbed, or that failed, is left out."""
        found = []
        for number in range(count):
            self.progress.note(f'again: {job}, pair {number + 1}/{count}')
            values = {}
            for threads_now in ((1, threads), (threads, 1))[number % 2]:
                outcome = run_once(Run(program, threads_now, job), self.environment(job))
                if not outcome.error and not is_disturbed(outcome.foreign):
                    values[threads_now] = outcome.figures.get(figure)
            if values.get(1) and values.get(threads):
                found.append((values[1], values[threads]))
        return found

    def order(self, number):
        """Workloads in turn; who of them goes first changes from round to round."""
        ordered, jobs = [], {}
        for run in self.plan:
            jobs.setdefault(run.job, []).append(run)
        for runs in jobs.values():
            shift = number % len(runs)
            ordered += runs[shift:] + runs[:shift]
        return ordered

    def one(self, run):
        if len(self.failures.get(run.key, [])) >= FAILURES:
            return
        best = run_once(run, self.environment(run.job))
        for _ in range(REPEATS):
            if best.error or not is_disturbed(best.foreign) or self.repeat_budget <= 0:
                break
            self.repeat_budget -= 1
            self.progress.repeats += 1
            again = run_once(run, self.environment(run.job))
            if not again.error and again.foreign < best.foreign:
                best = again
        self.wall[run.key] = best.wall_s
        if best.error:
            self.failures.setdefault(run.key, []).append(best.error)
            self.progress.note(f'{run.program.name}/{run.threads} {run.job}: {best.error}')
            return
        for figure, value in best.figures.items():
            key = (run.program.name, run.threads, figure)
            self.values.setdefault(key, []).append(value)
            if is_disturbed(best.foreign):
                self.disturbed[key] = self.disturbed.get(key, 0) + 1
