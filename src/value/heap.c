/* SPDX-License-Identifier: Apache-2.0 */
/* The running heap, and what it may use.
 *
 * Law: `used` is written by the owner alone, so a relaxed load and store make an addition; senders
 * only read it. */
#include <stdio.h>
#include <assert.h>
#include <string.h>

#include "value/cell.h"

#define HEAP_KEPT_THRESHOLD ((size_t)64 * 1024)

_Atomic bool isle__forked;
void (*isle__uncaught_hook)(struct isle__heap *heap, isle_value error);

void isle__heap_refuse(const char *function)
{
    struct isle__heap *heap = NULL;
    isle_err err = isle__heap_ask(&heap);
    char text[160];
    snprintf(text, sizeof(text), "isle: %s: %s: %s", function, isle_err_name(err),
             isle_err_text(err));
    isle__die(text);
}

isle_err isle__heap_ask(struct isle__heap **ret_heap)
{
    struct isle__heap *heap = isle__heap_current();
    if (atomic_load_explicit(&isle__forked, memory_order_relaxed))
        return ISLE_EFORK;
    if (heap == NULL || heap->frame == NULL)
        return ISLE_EOUTSIDE;
    *ret_heap = heap;
    return ISLE_OK;
}

struct isle__heap_more isle__heap_none;

bool isle__heap_more(struct isle__heap *heap)
{
    if (heap->more != &isle__heap_none)
        return true;
    if (!isle__heap_try_charge(heap, sizeof(*heap->more)))
        return false;
    struct isle__heap_more *more = isle__memory_alloc(sizeof(*more));
    if (more == NULL) {
        isle__heap_discharge(heap, sizeof(*more));
        return false;
    }
    memset(more, 0, sizeof(*more));
    for (const struct isle__hold *hold = heap->held_single; hold != NULL; hold = hold->chain)
        more->held_count++;
    heap->more = more;
    return true;
}

void isle__heap_init(struct isle__heap *heap, size_t limit)
{
    /* Senders that still hold the id of a former life may be counting: the rooms are balanced by
     * who entered, never reset. */
    memset(&heap->frame, 0,
           offsetof(struct isle__heap, reserved) - offsetof(struct isle__heap, frame));
    memset(&heap->kept, 0, sizeof(*heap) - offsetof(struct isle__heap, kept));
    atomic_store_explicit(&heap->limit, limit, memory_order_relaxed);
    heap->kept.kind = ISLE__REGION_KEPT;
    heap->kept.heap = heap;
    heap->kept_threshold = HEAP_KEPT_THRESHOLD;
    heap->more = &isle__heap_none;
    heap->next_scope_id = 1;
    heap->next_identity = 1;
}

void isle__heap_fini(struct isle__heap *heap)
{
    while (heap->frames != NULL)
        isle__frame_fini(heap->frames);
    isle__kept_free_all(heap);
    isle__allocations_free(heap);
    if (heap->more != &isle__heap_none) {
        size_t size = heap->more->held_capacity * sizeof(struct isle__hold *);
        isle__memory_free(heap->more->held, size);
        isle__memory_free(heap->more, sizeof(*heap->more));
        isle__heap_discharge(heap, size + sizeof(*heap->more));
        heap->more = &isle__heap_none;
    }
    /* What was charged has been given back to the byte: the next life of the body begins with it.
     */
    assert(atomic_load_explicit(&heap->used, memory_order_relaxed) == 0);
}

size_t isle__heap_waiting(const struct isle__heap *heap)
{
    uint64_t data = atomic_load_explicit(&heap->data.in, memory_order_relaxed) - heap->data_out;
    return isle__room_bytes(data) + isle__room_bytes(isle__room_taken(&heap->reserved));
}

static bool heap_fits(struct isle__heap *heap, size_t size)
{
    size_t used = atomic_load_explicit(&heap->used, memory_order_relaxed);
    size_t limit = atomic_load_explicit(&heap->limit, memory_order_relaxed);
    if (limit == SIZE_MAX)
        return size <= SIZE_MAX - used;
    size_t waiting = isle__heap_waiting(heap);
    return used <= limit && waiting <= limit - used && size <= limit - used - waiting;
}

bool isle__heap_try_charge(struct isle__heap *heap, size_t size)
{
    if (!heap_fits(heap, size)) {
        if (heap->busy || heap->kept_blocks == NULL)
            return false;
        isle__kept_collect(heap);
        if (!heap_fits(heap, size))
            return false;
    }
    isle__heap_charge_always(heap, size);
    return true;
}

void isle__heap_charge(struct isle__heap *heap, size_t size)
{
    if (!isle__heap_try_charge(heap, size))
        isle__throw(ISLE_ENOMEM, "%s", isle_err_text(ISLE_ENOMEM));
}

void isle__heap_charge_always(struct isle__heap *heap, size_t size)
{
    size_t used = atomic_load_explicit(&heap->used, memory_order_relaxed);
    atomic_store_explicit(&heap->used, used + size, memory_order_relaxed);
}

void isle__heap_discharge(struct isle__heap *heap, size_t size)
{
    size_t used = atomic_load_explicit(&heap->used, memory_order_relaxed);
    atomic_store_explicit(&heap->used, used - size, memory_order_relaxed);
}
