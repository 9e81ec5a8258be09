/* SPDX-License-Identifier: Apache-2.0 */
/* Deterministic mode: a program whose isolates meet only through Isle runs on one thread, with a
 * schedule drawn from a seed and with virtual time. The same seed is the same run.
 *
 * Any program runs so with ISLE_SEED=n in the environment, without being built anew; isle_simulate
 * is the same as a function. `isle explore` tries many seeds.
 *
 * What comes from the seed: who runs next, where a task is preempted (at any kill point, and after
 * any send), when a timer is due against a message, how long everything takes, isle_random. Ids are
 * given in the order of creation. isle_now_ns, sleeps, timers, timeouts and deadlines are virtual:
 * when nobody can go on, the clock jumps to the next deadline.
 *
 * What does not: the program's own clocks, threads, random numbers, addresses, and what comes from
 * outside through descriptors and signals. A descriptor is looked at when nobody can go on, so one
 * whose other end is in the program replays. Isolates with .thread = ISLE_THREAD_OWN run on the one
 * thread too. These calls leave the simulation and are refused with ISLE_EUNSUPPORTED:
 * isle_blocking, isle_post on a thread that is not Isle's, isle_loop_fd, isle_dispatch, and
 * isolates of any backend but threads.
 *
 * A run ends early, with a line on stderr and status ISLE_SIMULATION_STATUS, when an isolate has
 * called nothing of Isle's for .silence_ns of real time ("blocked outside Isle"), and when nobody
 * can ever go on. */
#ifndef ISLE_SIMULATION_H
#define ISLE_SIMULATION_H

#include "base.h"

/* The exit status of a program whose simulation ended early. */
#define ISLE_SIMULATION_STATUS 254

/* All zero: seed 0, no faults. Grows at its end only. */
typedef struct isle_simulation {
    uint64_t seed;
    bool first_in_first_out; /* who is ready first runs first; nobody is preempted */
    /* Faults: probabilities from 0 to 1. */
    double kill;  /* that an isolate, not the root, is killed when it is about to run */
    double spawn; /* that a spawn is refused with ISLE_ESPAWN */
    double alloc; /* that an allocation of Isle's fails */
    double full;  /* that a message to a mailbox with limits of its own is refused: ISLE_EFULL */
    double late;  /* that the clock, when it jumps, goes too far: timers are late by up to 1 s */
    const char *trace;      /* a file for the trace; NULL: what ISLE_TRACE says */
    int64_t silence_ns;     /* 0: 5 s of real time; ISLE_FOREVER: no end */
    uint64_t *trace_digest; /* set at the end: equal digests, equal traces. NULL: none */
    int argc;               /* the app's arguments */
    char **argv;
} isle_simulation;

ISLE_BEGIN

/* Runs app as isle_main does, simulated; NULL is seed 0. Overrules ISLE_SEED and ISLE_FAULTS.
 * Returns what isle_main would; 255 too, after a line on stderr, for a probability that is none, a
 * trace that cannot be written, an option that this version does not know, and on a system without
 * stacks. Not from an isolate. */
ISLE_API int isle__simulate(int (*app)(int argc, char **argv), const isle_simulation *simulation,
                            size_t simulation_size);
static inline int isle_simulate(int (*app)(int argc, char **argv),
                                const isle_simulation *simulation)
{
    return isle__simulate(app, simulation, sizeof(isle_simulation));
}
/* Whether the program runs in a simulation. */
ISLE_API ISLE_ANY_THREAD ISLE_PLAIN bool isle_simulated(void);

ISLE_END

#endif
