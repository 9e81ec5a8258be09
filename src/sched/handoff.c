/* SPDX-License-Identifier: Apache-2.0 */
/* The rare half of the hand-off slot (handoff.h): thieves, and owners that meet one. */
#include "sched/handoff.h"

_Atomic bool isle__handoff_fences;

void isle__handoffs_start(void)
{
    if (!isle__barrier_start())
        atomic_store_explicit(&isle__handoff_fences, true, memory_order_relaxed);
}

void isle__handoff_init(struct isle__handoff *handoff)
{
    atomic_init(&handoff->entered, false);
    atomic_init(&handoff->fenced,
                atomic_load_explicit(&isle__handoff_fences, memory_order_relaxed));
    atomic_init(&handoff->task, NULL);
    atomic_init(&handoff->wanted, false);
}

void isle__handoff_enter_slowly(struct isle__handoff *handoff)
{
    unsigned rounds = 0;
    for (;;) {
        if (atomic_load_explicit(&isle__handoff_fences, memory_order_relaxed)) {
            atomic_store_explicit(&handoff->fenced, true, memory_order_release);
            (void)atomic_exchange_explicit(&handoff->entered, true, memory_order_seq_cst);
        }
        if (!atomic_load_explicit(&handoff->wanted, memory_order_seq_cst))
            return;
        isle__handoff_leave(handoff);
        while (atomic_load_explicit(&handoff->wanted, memory_order_acquire))
            isle__thread_give_way(&rounds);
        atomic_store_explicit(&handoff->entered, true, memory_order_relaxed);
        atomic_signal_fence(memory_order_seq_cst);
    }
}

/* Whether the owner, from now on, either has entered for us to see or sees that we are here. A
 * system may take its barrier back (a filter of system calls): then owners pay, each from its next
 * look on. */
static bool handoff_is_ordered(struct isle__handoff *handoff)
{
    if (atomic_load_explicit(&isle__handoff_fences, memory_order_relaxed))
        return atomic_load_explicit(&handoff->fenced, memory_order_seq_cst);
    if (isle__barrier_everywhere())
        return true;
    atomic_store_explicit(&isle__handoff_fences, true, memory_order_relaxed);
    return false;
}

struct isle__task *isle__handoff_steal(struct isle__handoff *handoff)
{
    struct isle__task *task = NULL;
    unsigned rounds = 0;
    if (isle__handoff_is_empty(handoff))
        return NULL;
    (void)atomic_exchange_explicit(&handoff->wanted, true, memory_order_seq_cst);
    if (handoff_is_ordered(handoff)) {
        while (atomic_load_explicit(&handoff->entered, memory_order_seq_cst))
            isle__thread_give_way(&rounds);
        task = atomic_load_explicit(&handoff->task, memory_order_relaxed);
        atomic_store_explicit(&handoff->task, NULL, memory_order_relaxed);
    }
    atomic_store_explicit(&handoff->wanted, false, memory_order_release);
    return task;
}
