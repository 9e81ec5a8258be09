/* SPDX-License-Identifier: Apache-2.0 */
/* The barrier: whatever a container or the program gets to see obeys the laws of heap.h.
 *
 * Law: a value that lies too far in is copied outwards and its old cells forward to the copy, so it
 * stays one value. Forwarding leads only to what lives longer: the kept heap or an enclosing scope
 * of the same frame; what comes from another frame is copied plainly. */
#include "value/cell.h"
#include "value/copy.h"

/* What needs no copy gets a root or a reference where it is going. */
static isle_err barrier_admit(struct isle__heap *heap, struct isle__region *region,
                              struct isle__cell *cell, bool *ret_must_copy)
{
    struct isle__region *source = isle__region_of(cell);
    bool into_scope = region->kind == ISLE__REGION_SCOPE;
    struct isle__scope *scope = (struct isle__scope *)region;
    *ret_must_copy = false;
    if (source == region || (cell->flags & ISLE__CELL_IMMORTAL) != 0)
        return ISLE_OK;
    if (source != NULL && source->kind == ISLE__REGION_FROZEN) {
        struct isle__shared *shared = &isle__frozen_of(source)->shared;
        if (into_scope)
            return isle__scope_hold_frozen(scope, shared) ? ISLE_OK : ISLE_ENOMEM;
        return shared->destroy == NULL || isle__kept_hold(heap, shared) != NULL ? ISLE_OK
                                                                                : ISLE_ENOMEM;
    }
    if (source == NULL || source->heap != heap)
        return ISLE_EINVAL;
    if (source->kind == ISLE__REGION_KEPT)
        return isle__scope_handle(scope, cell) ? ISLE_OK : ISLE_ENOMEM;
    *ret_must_copy = !into_scope || source->kind == ISLE__REGION_SHOWN ||
                     !isle__scope_encloses((struct isle__scope *)source, scope);
    return ISLE_OK;
}

isle_err isle__try_store(struct isle__heap *heap, struct isle__region *region, isle_value value,
                         isle_value *ret_value)
{
    bool must_copy;
    value = isle__resolve(value);
    *ret_value = value;
    if (isle__is_immediate(value))
        return ISLE_OK;
    isle_err err = barrier_admit(heap, region, isle__cell_of(value), &must_copy);
    if (err != ISLE_OK || !must_copy)
        return err;
    if (region->kind == ISLE__REGION_SCOPE)
        return isle__copy_to_scope(heap, (struct isle__scope *)region, value, ret_value);
    isle__kept_poll(heap);
    err = isle__copy_to_kept(heap, value, ret_value);
    if (err != ISLE_ENOMEM || heap->kept_blocks == NULL || heap->busy)
        return err;
    isle__kept_collect(heap);
    return isle__copy_to_kept(heap, value, ret_value);
}

isle_value isle__store(struct isle__heap *heap, struct isle__region *region, isle_value value)
{
    isle_value stored;
    isle_err err = isle__try_store(heap, region, value, &stored);
    if (err == ISLE_EINVAL)
        isle__throw(ISLE_EINVAL, "a value of another isolate");
    if (err == ISLE_ERANGE)
        isle__throw(ISLE_ERANGE,
                    "an object has a cycle of owned fields, or a count that cannot be one");
    if (err != ISLE_OK)
        isle__throw(err, "isle__store");
    return stored;
}

isle_value isle__expose(struct isle__heap *heap, isle_value value)
{
    value = isle__resolve(value);
    if (isle__is_immediate(value) || heap->frame == NULL || heap->frame->scope == NULL)
        return value;
    struct isle__cell *cell = isle__cell_of(value);
    struct isle__region *region = isle__region_of(cell);
    bool done = true;
    if (region->kind == ISLE__REGION_KEPT)
        done = isle__scope_handle(heap->frame->scope, cell);
    else if (region->kind == ISLE__REGION_FROZEN)
        done = isle__scope_hold_frozen(heap->frame->scope, &isle__frozen_of(region)->shared);
    if (!done)
        isle__throw(ISLE_ENOMEM, "isle__expose");
    return value;
}

isle_value isle__move_to_scope(struct isle__heap *heap, struct isle__scope *target,
                               isle_value value)
{
    return isle__store(heap, &target->region, value);
}
