/* SPDX-License-Identifier: Apache-2.0 */
/* The deterministic mode's half of the scheduler: a source of chance from a seed, the set of ready
 * tasks from which it chooses, and preemption.
 *
 * One thread runs everything: the attached worker. It keeps what is ready here instead of in
 * queues, and every choice is drawn from the seed, so a seed is a schedule. A *preempted* task left
 * its flow in the middle of a turn (isle__simulation_suspend): it stands in the same set with that
 * flow, and its next run resumes it.
 *
 * Law: no choice depends on an address, on real time or on another thread. */
#ifndef ISLE_SIMULATION_INTERNAL_H
#define ISLE_SIMULATION_INTERNAL_H

#include "sched/sched.h"

/* Set before anything else starts and cleared after all has stopped. Foreign threads may read. */
extern _Atomic bool isle__simulation_on;
static inline bool isle__simulating(void)
{
    return __builtin_expect(atomic_load_explicit(&isle__simulation_on, memory_order_relaxed),
                            false);
}

/* Independent sequences of one seed, so that drawing more of one changes no other. */
enum isle__chance {
    ISLE__CHANCE_SCHEDULE, /* who runs, who is preempted */
    ISLE__CHANCE_TIME,     /* how long things take */
    ISLE__CHANCE_FAULT,
    ISLE__CHANCE_PROGRAM, /* isle_random */
    ISLE__CHANCE_COUNT
};
uint64_t isle__chance_draw(enum isle__chance chance);
uint64_t isle__chance_below(enum isle__chance chance, uint64_t bound); /* 0 to bound - 1 */
bool isle__chance_is(enum isle__chance chance, double probability);

struct isle__simulation_rules {
    uint64_t seed;
    bool first_in_first_out; /* no choice is drawn and nothing is preempted */
    int64_t (*now)(void);    /* virtual */
    /* `task` is about to run or to go on; on the worker, outside tasks. */
    void (*step)(struct isle__task *task);
};
/* ISLE_ENOMEM. */
ISLE_MUST_CHECK isle_err isle__simulation_begin(const struct isle__simulation_rules *rules);
void isle__simulation_calm(void); /* from here on nobody is preempted */
void isle__simulation_end(void);

/* What worker.c calls instead of its queues. */
void isle__simulation_ready(struct isle__task *task);
/* The task to run, or NULL: none may run now. Does not return if a preempted one goes on. */
struct isle__task *isle__simulation_next(void);
void isle__simulation_forget(const struct isle__worker *home); /* what is ready and pinned to it */
bool isle__simulation_has_ready(void);                         /* preempted ones are not counted */
int64_t isle__simulation_wakes(void); /* when the first preempted task may go on; ISLE_FOREVER */

/* Whether the running task shall be preempted at this point. */
bool isle__simulation_preempts(void);
/* The running flow, in the middle of `task`'s turn, lets others run; returns when it was chosen
 * again, after some virtual time. The attached thread's own flow, which is in no turn, names the
 * task that must not run meanwhile. False: it went on at once, there is no stack. */
bool isle__simulation_suspend(struct isle__task *task);

#endif
