/* SPDX-License-Identifier: Apache-2.0 */
/* Shelves: free slots, free bodies and counts, in the memory of each worker, so that births, ends
 * and suspensions touch nothing that workers share.
 *
 * Law: a shelf is its worker's alone, but for the counts, which anybody may read. A worker that
 * ends gives back what lies on its shelf, and what it counted is added to what all former workers
 * did. So a sum over the shelves and that remainder, under the lock, is exact when nothing runs. */
#include "core/shelf.h"

#include <string.h>

#include "core/body.h"
#include "core/slot.h"

static struct {
    struct isle__mutex lock;
    struct isle__shelf *shelves;
    uint64_t former[ISLE__TALLY_COUNT]; /* of workers that have ended */
} all;

static void shelf_begins(void *local)
{
    struct isle__shelf *shelf = local;
    memset(shelf, 0, sizeof *shelf);
    isle__mutex_lock(&all.lock);
    shelf->next = all.shelves;
    if (shelf->next != NULL)
        shelf->next->previous = shelf;
    all.shelves = shelf;
    isle__mutex_unlock(&all.lock);
}

static void shelf_ends(void *local)
{
    struct isle__shelf *shelf = local;
    isle__slots_take_back(shelf);
    isle__bodies_take_back(shelf);
    isle__mutex_lock(&all.lock);
    if (shelf->previous != NULL)
        shelf->previous->next = shelf->next;
    else
        all.shelves = shelf->next;
    if (shelf->next != NULL)
        shelf->next->previous = shelf->previous;
    for (int i = 0; i < ISLE__TALLY_COUNT; i++)
        all.former[i] += atomic_load_explicit(&shelf->tallies[i], memory_order_acquire);
    isle__mutex_unlock(&all.lock);
}

void isle__shelves_init(void)
{
    isle__mutex_init(&all.lock);
    all.shelves = NULL;
    memset(all.former, 0, sizeof all.former);
    isle__sched_worker_begins = shelf_begins;
    isle__sched_worker_ends = shelf_ends;
}

void isle__shelves_fini(void)
{
    isle__mutex_destroy(&all.lock);
}

/* Under the lock. */
static uint64_t tally_total(enum isle__tally tally)
{
    uint64_t sum = all.former[tally];
    for (struct isle__shelf *shelf = all.shelves; shelf != NULL; shelf = shelf->next)
        sum += atomic_load_explicit(&shelf->tallies[tally], memory_order_acquire);
    return sum;
}

uint64_t isle__tally_sum(enum isle__tally tally)
{
    isle__mutex_lock(&all.lock);
    uint64_t sum = tally_total(tally);
    isle__mutex_unlock(&all.lock);
    return sum;
}

/* The ends first: each is read after its beginning was counted, wherever that was. */
uint64_t isle__tally_between(enum isle__tally begun, enum isle__tally ended)
{
    isle__mutex_lock(&all.lock);
    uint64_t ends = tally_total(ended);
    uint64_t beginnings = tally_total(begun);
    isle__mutex_unlock(&all.lock);
    return beginnings - ends;
}

uint64_t isle__shelves_bodies(void)
{
    uint64_t sum = 0;
    isle__mutex_lock(&all.lock);
    for (struct isle__shelf *shelf = all.shelves; shelf != NULL; shelf = shelf->next)
        sum += atomic_load_explicit(&shelf->body_count, memory_order_relaxed);
    isle__mutex_unlock(&all.lock);
    return sum;
}
