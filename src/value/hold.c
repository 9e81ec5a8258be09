/* SPDX-License-Identifier: Apache-2.0 */
/* Holds: references of scopes, messages and kept values to what lives outside all heaps.
 *
 * Law: each linked hold owns one reference. The holds of one heap on one thing form a ring; its
 * leader stands in the heap's table. The thing is charged when the first joins and discharged when
 * the last leaves. Nothing here can fail but the growth of the table, which then only gets slower.
 */
#include <string.h>

#include "value/cell.h"

void isle__shared_ref(struct isle__shared *shared)
{
    if (shared != NULL && shared->destroy != NULL)
        atomic_fetch_add_explicit(&shared->references, 1, memory_order_relaxed);
}

void isle__shared_unref(struct isle__shared *shared)
{
    if (shared == NULL || shared->destroy == NULL)
        return;
    /* Release pairs with the acquire of whoever takes the last one away: all uses come before
     * destroy. */
    if (atomic_fetch_sub_explicit(&shared->references, 1, memory_order_release) != 1)
        return;
    (void)atomic_load_explicit(&shared->references, memory_order_acquire);
    shared->destroy(shared);
}

static struct isle__hold **hold_bucket(const struct isle__heap *heap,
                                       const struct isle__shared *shared)
{
    if (heap->more->held_capacity == 0)
        return (struct isle__hold **)(uintptr_t)&heap->held_single;
    uint64_t mixed = ((uintptr_t)shared >> 4) * UINT64_C(0x9E3779B97F4A7C15);
    return &heap->more->held[(size_t)(mixed >> 32) & (heap->more->held_capacity - 1)];
}

static void hold_chain(struct isle__heap *heap, struct isle__hold *hold)
{
    struct isle__hold **bucket = hold_bucket(heap, hold->shared);
    hold->chain = *bucket;
    *bucket = hold;
}

static void hold_unchain(struct isle__heap *heap, struct isle__hold *hold)
{
    struct isle__hold **at = hold_bucket(heap, hold->shared);
    while (*at != hold)
        at = &(*at)->chain;
    *at = hold->chain;
}

static void hold_grow(struct isle__heap *heap)
{
    bool busy = heap->busy;
    heap->busy = true; /* the hold that comes is in no list yet */
    bool has_more = isle__heap_more(heap);
    heap->busy = busy;
    if (!has_more)
        return;
    struct isle__hold **old = heap->more->held, *single = heap->held_single;
    size_t old_capacity = heap->more->held_capacity;
    size_t capacity = old_capacity == 0 ? 8 : old_capacity * 2;
    struct isle__hold **table = isle__memory_alloc(capacity * sizeof(*table));
    if (table == NULL)
        return;
    memset(table, 0, capacity * sizeof(*table));
    heap->more->held = table;
    heap->more->held_capacity = capacity;
    heap->held_single = NULL;
    for (size_t i = 0; i < (old_capacity == 0 ? 1 : old_capacity); i++) {
        struct isle__hold *next;
        for (struct isle__hold *hold = old_capacity == 0 ? single : old[i]; hold != NULL;
             hold = next) {
            next = hold->chain;
            hold_chain(heap, hold);
        }
    }
    isle__memory_free(old, old_capacity * sizeof(*old));
    isle__heap_charge_always(heap, (capacity - old_capacity) * sizeof(*table));
}

struct isle__hold *isle__hold_find(const struct isle__heap *heap, const struct isle__shared *shared)
{
    struct isle__hold *hold = *hold_bucket(heap, shared);
    while (hold != NULL && hold->shared != shared)
        hold = hold->chain;
    return hold;
}

bool isle__hold_admit(struct isle__heap *heap, const struct isle__shared *shared)
{
    if (isle__hold_find(heap, shared) != NULL)
        return true;
    if (!isle__heap_try_charge(heap, shared->size))
        return false;
    isle__heap_discharge(heap, shared->size);
    return true;
}

void isle__hold_link(struct isle__heap *heap, struct isle__hold *hold)
{
    struct isle__hold *leader = isle__hold_find(heap, hold->shared);
    hold->kept = NULL;
    hold->chain = NULL;
    hold->exposed = 0;
    hold->keep_count = 0;
    hold->marked = false;
    hold->leader = leader == NULL;
    if (leader != NULL) {
        hold->ring_next = leader->ring_next;
        hold->ring_previous = leader;
        leader->ring_next->ring_previous = hold;
        leader->ring_next = hold;
        return;
    }
    hold->ring_next = hold->ring_previous = hold;
    if (heap->more->held_count >= heap->more->held_capacity)
        hold_grow(heap);
    if (heap->more != &isle__heap_none)
        heap->more->held_count++;
    hold_chain(heap, hold);
    isle__heap_charge_always(heap, hold->shared->size);
}

void isle__hold_unlink(struct isle__heap *heap, struct isle__hold *hold)
{
    struct isle__hold *next = hold->ring_next;
    if (hold->leader) {
        hold_unchain(heap, hold);
        if (next == hold) {
            if (heap->more != &isle__heap_none)
                heap->more->held_count--;
            isle__heap_discharge(heap, hold->shared->size);
        } else {
            next->leader = true;
            next->kept = hold->kept;
            next->exposed = hold->exposed;
            hold_chain(heap, next);
        }
    }
    next->ring_previous = hold->ring_previous;
    hold->ring_previous->ring_next = next;
    hold->leader = false;
}

void isle__hold_replace(struct isle__heap *heap, struct isle__hold *old, struct isle__hold *hold)
{
    *hold = *old;
    if (old->ring_next == old) {
        hold->ring_next = hold->ring_previous = hold;
    } else {
        old->ring_next->ring_previous = hold;
        old->ring_previous->ring_next = hold;
    }
    if (old->leader) {
        struct isle__hold **at = hold_bucket(heap, old->shared);
        while (*at != old)
            at = &(*at)->chain;
        *at = hold;
    }
    old->leader = false;
    old->shared = NULL;
}

void isle__holds_drop(struct isle__heap *heap, struct isle__hold *holds)
{
    for (struct isle__hold *hold = holds; hold != NULL; hold = hold->next) {
        if (hold->shared == NULL)
            continue;
        if (heap != NULL)
            isle__hold_unlink(heap, hold);
        isle__shared_unref(hold->shared);
    }
}

static struct isle__hold *hold_try_add(struct isle__scope *scope, struct isle__shared *shared)
{
    struct isle__heap *heap = scope->region.heap;
    if (!isle__hold_admit(heap, shared))
        return NULL;
    struct isle__hold *hold = isle__scope_try_alloc(scope, sizeof(*hold));
    if (hold == NULL)
        return NULL;
    hold->shared = shared;
    hold->next = scope->holds;
    scope->holds = hold;
    isle__hold_link(heap, hold);
    return hold;
}

struct isle__hold *isle__scope_hold(struct isle__scope *scope, struct isle__shared *shared)
{
    struct isle__hold *hold = hold_try_add(scope, shared);
    if (hold == NULL) {
        isle__shared_unref(shared);
        isle__throw(ISLE_ENOMEM, "isle__scope_hold");
    }
    return hold;
}

bool isle__scope_hold_frozen(struct isle__scope *scope, struct isle__shared *shared)
{
    if (shared->destroy == NULL)
        return true;
    struct isle__heap *heap = scope->region.heap;
    struct isle__hold *leader = isle__hold_find(heap, shared);
    if (leader != NULL && leader->exposed == scope->id)
        return true;
    isle__shared_ref(shared);
    if (hold_try_add(scope, shared) == NULL) {
        isle__shared_unref(shared);
        return false;
    }
    leader = isle__hold_find(heap, shared);
    if (leader != NULL)
        leader->exposed = scope->id;
    return true;
}
