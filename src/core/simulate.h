/* SPDX-License-Identifier: Apache-2.0 */
/* The deterministic mode's half of the core: virtual time, chance, faults (simulate.c). The choice
 * of who runs is src/sched/simulation.c's. */
#ifndef ISLE_CORE_SIMULATE_H
#define ISLE_CORE_SIMULATE_H

#include "core/isolate.h"
#include "core/trace.h"
#include "sched/simulation.h"

/* Reads what isle_simulate or the environment asks for; first thing of a start. ISLE_OK, simulated
 * or not; ISLE_EINVAL (said on stderr), ISLE_ENOMEM, ISLE_EUNSUPPORTED. */
ISLE_MUST_CHECK isle_err isle__simulate_start(void);
/* The root is there: faults and the watch-dog begin. */
void isle__simulate_running(void);
void isle__simulate_ending(void); /* the program ends: no more faults */
void isle__simulate_stop(void);   /* last thing of a stop */

/* Time: of the simulation, or the system's. */
int64_t isle__simulate_clock(void);
static inline int64_t isle__now(void)
{
    return isle__simulating() ? isle__simulate_clock() : isle__clock_now();
}
/* Chance for the core's own keys. */
void isle__random_bytes(void *memory, size_t size);
uint64_t isle__simulate_serial(void); /* 1, 2, 3, … of this run */

/* A point where the running isolate may be preempted: on return it goes on. */
void isle__simulate_point(struct isle__isolate *isolate);
/* Events that a turn may have. */
int16_t isle__simulate_budget(void);
bool isle__simulate_timer_first(void);
/* Lets others run, for who waits for them outside the loop. Only while simulating. */
void isle__simulate_help(void);

enum isle__fault {
    ISLE__FAULT_KILL,
    ISLE__FAULT_SPAWN,
    ISLE__FAULT_ALLOC,
    ISLE__FAULT_FULL,
    ISLE__FAULT_LATE,
    ISLE__FAULT_COUNT
};
/* Only while simulating. */
bool isle__fault_strikes(enum isle__fault fault, uint64_t id);
/* No allocation fails in between: what the program does not do itself. Returns what continues. */
uint64_t isle__fault_pause(void);
void isle__fault_continue(uint64_t armed);
/* Traces a mail on its way to `slot` (NULL: nobody has its target). False: a fault refuses it, as
 * if the mailbox were full. Only while simulating. */
bool isle__simulate_admits(const struct isle__mail *mail, const struct isle__slot *slot);
/* Throws ISLE_EUNSUPPORTED if simulating: the call leaves the simulation. */
void isle__simulate_refuse(const char *function, const char *why);

#endif
