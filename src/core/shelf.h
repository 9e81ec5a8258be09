/* SPDX-License-Identifier: Apache-2.0 */
/* Shelves: what each worker has at hand for the isolates that it runs (shelf.c). */
#ifndef ISLE_CORE_SHELF_H
#define ISLE_CORE_SHELF_H

#include "sched/sched.h"

struct isle__isolate;
struct isle__slot;

/* What is counted on every event or every life: by each worker for itself. */
enum isle__tally {
    ISLE__TALLY_STARTED, /* isolates */
    ISLE__TALLY_ENDED,
    ISLE__TALLY_SUSPENDED, /* activities */
    ISLE__TALLY_RESUMED,
    ISLE__TALLY_COUNT
};

enum { ISLE__SHELF_SLOTS = 64, ISLE__SHELF_BODIES = 64 };

struct isle__shelf {
    struct isle__shelf *next, *previous; /* all, under the lock of shelf.c */
    uint32_t slot_count;
    struct isle__slot *slots[ISLE__SHELF_SLOTS]; /* free ones (slot.c) */
    _Atomic uint32_t body_count;
    struct isle__isolate *bodies[ISLE__SHELF_BODIES]; /* free ones (body.c) */
    _Atomic uint64_t tallies[ISLE__TALLY_COUNT];      /* written by the worker alone */
};
_Static_assert(sizeof(struct isle__shelf) <= ISLE__WORKER_LOCAL_SIZE,
               "a shelf must fit into its worker");

static inline struct isle__shelf *isle__shelf_of(struct isle__worker *worker)
{
    return (struct isle__shelf *)isle__worker_local(worker);
}
/* The calling worker's; NULL on a thread that is none. */
static inline struct isle__shelf *isle__shelf_current(void)
{
    struct isle__worker *worker = isle__worker_current();
    return worker == NULL ? NULL : isle__shelf_of(worker);
}

void isle__shelves_init(void);
void isle__shelves_fini(void); /* every worker has ended */
/* One more of this. Called by workers only. */
static inline void isle__tally_add(enum isle__tally tally)
{
    _Atomic uint64_t *mine = &isle__shelf_current()->tallies[tally];
    uint64_t count = atomic_load_explicit(mine, memory_order_relaxed);
    /* Release: who reads the end of an isolate finds that it has returned everything. */
    atomic_store_explicit(mine, count + 1, memory_order_release);
}
/* How many have begun and not ended: never less than there are. Any thread. */
uint64_t isle__tally_between(enum isle__tally begun, enum isle__tally ended);
uint64_t isle__tally_sum(enum isle__tally tally);
uint64_t isle__shelves_bodies(void); /* that lie on shelves */

#endif
