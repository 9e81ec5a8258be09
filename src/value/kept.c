/* SPDX-License-Identifier: Apache-2.0 */
/* The kept heap: one block per value, mark and sweep, nothing moves.
 *
 * Law: a collection begins only where no block is on its way in: before a copy into the kept heap
 * (isle__kept_poll) or when a charge would pass the limit, never while the copier is at work. Roots
 * are the blocks with a keep count and the handles of all open scopes. A block just stored is a
 * handle of the scope that its original lay in, so what is half stored is safe. The work list runs
 * through the blocks themselves: marking needs no memory and no C stack, whatever the depth of the
 * graph. */
#include <string.h>

#include "value/cell.h"

#define KEPT_THRESHOLD_MIN ((size_t)64 * 1024)
enum { FRAME_WORK = 16 }; /* those of suspended activities lie far from each other */

struct isle__kept *isle__kept_new(struct isle__heap *heap, size_t size)
{
    size_t whole = sizeof(struct isle__kept) + size;
    if (whole < size || size > SIZE_MAX / 2 || !isle__heap_try_charge(heap, whole))
        return NULL;
    struct isle__kept *block = isle__memory_alloc(whole);
    if (block == NULL) {
        isle__heap_discharge(heap, whole);
        return NULL;
    }
    memset(block, 0, sizeof(*block));
    block->chunk.region = &heap->kept;
    block->chunk.size = sizeof(block->chunk) + size;
    block->chunk.used = block->chunk.size;
    return block;
}

static bool kept_is_inside(const struct isle__kept *block, const void *memory)
{
    uintptr_t at = (uintptr_t)memory, begin = (uintptr_t)&block->chunk;
    return memory == NULL || (at >= begin && at < begin + block->chunk.size);
}

/* Tables that were allocated singly, after the value was kept. */
static size_t kept_tables(const struct isle__kept *block)
{
    const struct isle__cell *cell = (const struct isle__cell *)(&block->chunk + 1);
    size_t size = 0;
    if (cell->kind == ISLE_LIST) {
        const struct isle__list *list = (const struct isle__list *)cell;
        if (!kept_is_inside(block, list->items))
            size += list->capacity * sizeof(isle_value);
    } else if (cell->kind == ISLE_MAP || cell->kind == ISLE_SET) {
        const struct isle__map *map = (const struct isle__map *)cell;
        if (!kept_is_inside(block, map->entries))
            size += map->capacity * sizeof(struct isle__entry);
        if (!kept_is_inside(block, map->index))
            size += map->index_size * sizeof(uint32_t);
    }
    return size;
}

/* Everything that goes when the block goes. */
static size_t kept_weight(const struct isle__kept *block)
{
    size_t weight = offsetof(struct isle__kept, chunk) + block->chunk.size + kept_tables(block);
    for (const struct isle__chunk *chunk = block->chunk.next; chunk != NULL; chunk = chunk->next)
        weight += chunk->size;
    return weight;
}

void isle__kept_link(struct isle__heap *heap, struct isle__kept *block)
{
    block->next = heap->kept_blocks;
    heap->kept_blocks = block;
    heap->has_kept = true;
    heap->kept_size += kept_weight(block);
}

static void kept_free_table(const struct isle__kept *block, void *table, size_t size)
{
    if (!kept_is_inside(block, table))
        isle__memory_free(table, size);
}

void isle__kept_free(struct isle__heap *heap, struct isle__kept *block)
{
    struct isle__cell *cell = isle__chunk_first_cell(&block->chunk);
    size_t weight = kept_weight(block);
    if (cell->kind != ISLE_OBJECT)
        isle__holds_drop(heap, block->has.holds);
    if (cell->kind == ISLE_LIST) {
        struct isle__list *list = (struct isle__list *)cell;
        kept_free_table(block, list->items, list->capacity * sizeof(isle_value));
    } else if (cell->kind == ISLE_MAP || cell->kind == ISLE_SET) {
        struct isle__map *map = (struct isle__map *)cell;
        kept_free_table(block, map->entries, map->capacity * sizeof(struct isle__entry));
        kept_free_table(block, map->index, map->index_size * sizeof(uint32_t));
    }
    for (struct isle__chunk *chunk = block->chunk.next; chunk != NULL;) {
        struct isle__chunk *next = chunk->next;
        isle__memory_free(chunk, chunk->size);
        chunk = next;
    }
    isle__memory_free(block, offsetof(struct isle__kept, chunk) + block->chunk.size);
    isle__heap_discharge(heap, weight);
}

struct kept_marker {
    struct isle__heap *heap;
    struct isle__kept *pending;
};

static void kept_mark_block(struct kept_marker *marker, struct isle__kept *block)
{
    if (block->marked)
        return;
    block->marked = true;
    block->as.pending = marker->pending;
    marker->pending = block;
}

static void kept_mark(struct kept_marker *marker, isle_value value)
{
    if (isle__is_immediate(value))
        return;
    struct isle__region *region = isle__region_of(isle__cell_of(value));
    if (region->kind == ISLE__REGION_KEPT) {
        kept_mark_block(marker, isle__kept_of(isle__cell_of(value)));
    } else if (region->kind == ISLE__REGION_FROZEN) {
        struct isle__hold *leader = isle__hold_find(marker->heap, &isle__frozen_of(region)->shared);
        if (leader != NULL && leader->kept != NULL)
            leader->kept->marked = true;
    }
}

static void kept_mark_map(struct kept_marker *marker, const struct isle__map *map)
{
    for (size_t i = 0; i < map->used; i++) {
        if (!map->entries[i].live)
            continue;
        kept_mark(marker, map->entries[i].key);
        kept_mark(marker, map->entries[i].value);
    }
}

static void kept_look_into(struct kept_marker *marker, struct isle__kept *block)
{
    struct isle__cell *cell = isle__chunk_first_cell(&block->chunk);
    switch (cell->kind) {
    case ISLE_LIST: {
        const struct isle__list *list = (const struct isle__list *)cell;
        for (size_t i = isle__bare_run(list->items, list->count); i < list->count; i++)
            kept_mark(marker, list->items[i]);
        break;
    }
    case ISLE_MAP:
    case ISLE_SET:
        kept_mark_map(marker, (const struct isle__map *)cell);
        break;
    case ISLE_BYTES:
        kept_mark(marker, isle__value_of(((const struct isle__bytes *)cell)->store));
        break;
    case ISLE_ERROR:
        kept_mark(marker, ((const struct isle__error_cell *)cell)->text);
        kept_mark(marker, ((const struct isle__error_cell *)cell)->stack);
        break;
    case ISLE_OBJECT:
        for (struct isle__reference *at = block->has.references; at != NULL; at = at->next)
            kept_mark(marker, isle__value_of(at->cell));
        break;
    default:
        break;
    }
}

/* Returns the count of handles, and what it costs to look at a frame: so many of them. */
static size_t kept_mark_frame(struct kept_marker *marker, const struct isle__frame *frame)
{
    size_t handles = FRAME_WORK;
    for (struct isle__scope *scope = frame->scope; scope != NULL; scope = scope->outer) {
        for (size_t i = 0; i < scope->handle_count; i++)
            kept_mark_block(marker, isle__kept_of(scope->handles[i]));
        handles += scope->handle_count;
    }
    return handles;
}

static size_t kept_mark_all(struct kept_marker *marker)
{
    const struct isle__frame *running = marker->heap->frame;
    size_t handles = 0;
    for (struct isle__kept *block = marker->heap->kept_blocks; block != NULL; block = block->next) {
        if (block->keep_count != 0)
            kept_mark_block(marker, block);
    }
    for (struct isle__frame *frame = marker->heap->frames; frame != NULL; frame = frame->next)
        handles += kept_mark_frame(marker, frame);
    if (running != NULL && !running->linked)
        handles += kept_mark_frame(marker, running);
    while (marker->pending != NULL) {
        struct isle__kept *block = marker->pending;
        marker->pending = block->as.pending;
        kept_look_into(marker, block);
    }
    return handles;
}

static size_t kept_sweep_holds(struct isle__heap *heap)
{
    size_t live = 0;
    for (struct isle__hold **at = &heap->more->kept_holds; *at != NULL;) {
        struct isle__hold *hold = *at;
        if (hold->marked || hold->keep_count != 0) {
            hold->marked = false;
            live += hold->shared->size;
            at = &hold->next;
            continue;
        }
        *at = hold->next;
        isle__hold_find(heap, hold->shared)->kept = NULL;
        hold->next = NULL;
        isle__holds_drop(heap, hold);
        isle__memory_free(hold, sizeof(*hold));
        isle__heap_discharge(heap, sizeof(*hold));
    }
    return live;
}

static size_t kept_sweep(struct isle__heap *heap)
{
    size_t live = 0;
    for (struct isle__kept **at = &heap->kept_blocks; *at != NULL;) {
        struct isle__kept *block = *at;
        if (block->marked) {
            block->marked = false;
            block->as.exposed = 0;
            live += kept_weight(block);
            at = &block->next;
        } else {
            *at = block->next;
            isle__kept_free(heap, block);
        }
    }
    return live;
}

void isle__kept_collect(struct isle__heap *heap)
{
    struct kept_marker marker = {heap, NULL};
    heap->busy = heap->has_kept = true;
    size_t handles = kept_mark_all(&marker);
    size_t live = kept_sweep(heap);
    live += kept_sweep_holds(heap);
    heap->busy = false;
    heap->kept_size = live;
    /* Handles and frames are work as well: a collection is paid for by as much new memory. */
    heap->kept_threshold = live + (live > handles * 16 ? live : handles * 16);
    if (heap->kept_threshold < KEPT_THRESHOLD_MIN)
        heap->kept_threshold = KEPT_THRESHOLD_MIN;
}

void isle__kept_poll(struct isle__heap *heap)
{
    if (heap->kept_size >= heap->kept_threshold && !heap->busy)
        isle__kept_collect(heap);
}

size_t isle__kept_count(const struct isle__heap *heap)
{
    size_t count = 0;
    for (const struct isle__kept *block = heap->kept_blocks; block != NULL; block = block->next)
        count++;
    return count;
}

void isle__kept_free_all(struct isle__heap *heap)
{
    while (heap->kept_blocks != NULL) {
        struct isle__kept *block = heap->kept_blocks;
        heap->kept_blocks = block->next;
        isle__kept_free(heap, block);
    }
    for (struct isle__hold *hold = heap->more->kept_holds; hold != NULL; hold = hold->next)
        hold->keep_count = 0;
    kept_sweep_holds(heap);
    heap->kept_size = 0;
}

struct isle__hold *isle__kept_hold(struct isle__heap *heap, struct isle__shared *shared)
{
    struct isle__hold *leader = isle__hold_find(heap, shared);
    if (leader != NULL && leader->kept != NULL)
        return leader->kept;
    size_t size = sizeof(struct isle__hold);
    if (!isle__heap_more(heap) || !isle__hold_admit(heap, shared) ||
        !isle__heap_try_charge(heap, size))
        return NULL;
    struct isle__hold *hold = isle__memory_alloc(size);
    if (hold == NULL) {
        isle__heap_discharge(heap, size);
        return NULL;
    }
    isle__shared_ref(shared);
    hold->shared = shared;
    isle__hold_link(heap, hold);
    hold->next = heap->more->kept_holds;
    heap->more->kept_holds = hold;
    isle__hold_find(heap, shared)->kept = hold;
    heap->kept_size += shared->size;
    return hold;
}

/* The hold that counts the keeps of a frozen value; NULL for the static ones, which need none. */
static struct isle__hold *kept_frozen_hold(struct isle__heap *heap, struct isle__cell *cell)
{
    struct isle__shared *shared = &isle__frozen_of(isle__region_of(cell))->shared;
    if (shared->destroy == NULL)
        return NULL;
    struct isle__hold *hold = isle__kept_hold(heap, shared);
    if (hold == NULL)
        isle__throw(ISLE_ENOMEM, "isle_keep");
    return hold;
}

isle_value isle_keep(isle_value value)
{
    struct isle__heap *heap = isle__heap_need("isle_keep");
    isle_value kept = isle__store(heap, &heap->kept, value);
    if (isle__is_immediate(kept))
        return kept;
    struct isle__cell *cell = isle__cell_of(kept);
    if (isle__region_of(cell)->kind == ISLE__REGION_KEPT) {
        isle__kept_of(cell)->keep_count++;
        return kept;
    }
    struct isle__hold *hold = kept_frozen_hold(heap, cell);
    if (hold != NULL)
        hold->keep_count++;
    return kept;
}

/* What was just released may still be in a variable of the running code. */
static void kept_release_block(struct isle__heap *heap, struct isle__cell *cell)
{
    struct isle__kept *block = isle__kept_of(cell);
    if (block->keep_count == 0)
        isle__throw(ISLE_EINVAL, "isle_release: the value is not kept");
    if (heap->frame->scope != NULL && !isle__scope_handle(heap->frame->scope, cell))
        isle__throw(ISLE_ENOMEM, "isle_release");
    block->keep_count--;
}

static void kept_release_frozen(struct isle__heap *heap, struct isle__cell *cell)
{
    struct isle__shared *shared = &isle__frozen_of(isle__region_of(cell))->shared;
    if (shared->destroy == NULL)
        return;
    struct isle__hold *leader = isle__hold_find(heap, shared);
    if (leader == NULL || leader->kept == NULL || leader->kept->keep_count == 0)
        isle__throw(ISLE_EINVAL, "isle_release: the value is not kept");
    if (heap->frame->scope != NULL && !isle__scope_hold_frozen(heap->frame->scope, shared))
        isle__throw(ISLE_ENOMEM, "isle_release");
    isle__hold_find(heap, shared)->kept->keep_count--;
}

void isle_release(isle_value value)
{
    struct isle__heap *heap = isle__heap_need("isle_release");
    value = isle__resolve(value);
    if (isle__is_immediate(value))
        return;
    struct isle__cell *cell = isle__cell_of(value);
    struct isle__region *region = isle__region_of(cell);
    if (region->kind == ISLE__REGION_FROZEN) {
        kept_release_frozen(heap, cell);
        return;
    }
    if (region->kind != ISLE__REGION_KEPT || region->heap != heap)
        isle__throw(ISLE_EINVAL, "isle_release: the value is not kept");
    kept_release_block(heap, cell);
}

void isle_cell_set(isle_value *cell, isle_value value)
{
    (void)isle__heap_need(__func__);
    if (cell == NULL)
        isle__throw(ISLE_EINVAL, "isle_cell_set: NULL");
    isle_value old = *cell;
    *cell = isle_keep(value);
    if (old.bits != 0)
        isle_release(old);
}
