/* SPDX-License-Identifier: Apache-2.0 */
/* The hand-off slot: the task that a worker runs next. Its owner fills and empties it for nearly
 * every message, somebody else takes from it once in a long while, when the owner does not come
 * back. So the owner pays nothing: it enters by a plain store and a plain look, and who steals has
 * the system put a barrier into every thread of the process between the two (membarrier, Linux
 * 4.14). Dekker's algorithm, with both barriers on the side that is rare.
 *
 * Law: between isle__handoff_enter and _leave, or a thief's `wanted` and its answer, nobody else
 * touches `task`. Thieves exclude each other (sched.lock). Where the system has no such barrier,
 * owners pay for their own. docs/design/models/handoff.pml is the model. */
#ifndef ISLE_HANDOFF_H
#define ISLE_HANDOFF_H

#include "sched/sched.h"

struct isle__handoff {
    _Atomic bool entered;              /* by the owner */
    _Atomic bool fenced;               /* the owner pays for its own barriers, from here on */
    _Atomic(struct isle__task *) task; /* may be read at any time: a hint */
    _Alignas(64) _Atomic bool wanted;  /* a thief is about to look, or looks */
};

/* Owners pay for barriers: the system has none for others. Set once, never reset. */
extern _Atomic bool isle__handoff_fences;

void isle__handoffs_start(void); /* before any worker */
void isle__handoff_init(struct isle__handoff *handoff);
void isle__handoff_enter_slowly(struct isle__handoff *handoff);
/* What lies there, NULL if nothing does or nobody may know. Not the owner; under sched.lock. */
struct isle__task *isle__handoff_steal(struct isle__handoff *handoff);

static inline void isle__handoff_enter(struct isle__handoff *handoff)
{
    atomic_store_explicit(&handoff->entered, true, memory_order_relaxed);
    /* The compiler keeps the order; the processor does where a thief makes it. */
    atomic_signal_fence(memory_order_seq_cst);
    if (ISLE__UNLIKELY(atomic_load_explicit(&isle__handoff_fences, memory_order_relaxed) ||
                       atomic_load_explicit(&handoff->wanted, memory_order_acquire)))
        isle__handoff_enter_slowly(handoff);
}

static inline void isle__handoff_leave(struct isle__handoff *handoff)
{
    atomic_store_explicit(&handoff->entered, false, memory_order_release);
}

/* The owner's: puts `task` there (NULL: empties it) and returns what it displaces. */
static inline struct isle__task *isle__handoff_swap(struct isle__handoff *handoff,
                                                    struct isle__task *task)
{
    isle__handoff_enter(handoff);
    struct isle__task *displaced = atomic_load_explicit(&handoff->task, memory_order_relaxed);
    atomic_store_explicit(&handoff->task, task, memory_order_relaxed);
    isle__handoff_leave(handoff);
    return displaced;
}

static inline bool isle__handoff_is_empty(struct isle__handoff *handoff)
{
    return atomic_load_explicit(&handoff->task, memory_order_relaxed) == NULL;
}

#endif
