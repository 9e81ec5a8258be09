/* SPDX-License-Identifier: Apache-2.0 */
/* Handing over a scope's chunks instead of copying: for a value whose scope is about to vanish.
 *
 * Law: it is done only where nothing of the scope can be used any more: everything that the value
 * leads to lies in this one scope or is frozen, the scope has no deferred task and holds nothing,
 * and at least half of what its chunks hold is reachable. Everything else is copied, refusals
 * included. Until isle__parcel_commit the scope can have its
 * chunks back. */
#include "value/copy.h"

struct move {
    struct isle__heap *heap;
    struct isle__scope *scope;
    struct isle__cell **cells; /* reached so far, marked VISITED; the work list */
    size_t count, capacity;
    size_t live; /* bytes of cells and tables */
    struct isle__parcel parcel;
};

static bool move_grow(struct move *move)
{
    size_t capacity = move->capacity == 0 ? 256 : move->capacity * 2;
    struct isle__cell **cells = isle__memory_resize(move->cells, move->capacity * sizeof(*cells),
                                                    capacity * sizeof(*cells));
    if (cells == NULL)
        return false;
    move->cells = cells;
    move->capacity = capacity;
    return true;
}

static bool move_hold(struct move *move, struct isle__shared *shared)
{
    if (shared->destroy == NULL)
        return true;
    for (struct isle__hold *hold = move->parcel.holds; hold != NULL; hold = hold->next) {
        if (hold->shared == shared)
            return true;
    }
    struct isle__chunk *chunk = move->parcel.chunks;
    if (chunk->size - chunk->used < sizeof(struct isle__hold))
        return false;
    struct isle__hold *hold = (struct isle__hold *)(void *)((char *)chunk + chunk->used);
    chunk->used += sizeof(*hold);
    isle__shared_ref(shared);
    hold->shared = shared;
    hold->next = move->parcel.holds;
    move->parcel.holds = hold;
    move->parcel.size += shared->size;
    return true;
}

/* Meets one value; false: it cannot be handed over. Forwarded cells are passed over for good. */
static bool move_meet(struct move *move, isle_value *slot)
{
    if (isle__is_immediate(*slot))
        return isle__tag_of(*slot) != ISLE__TAG_POINTER;
    *slot = isle__resolve(*slot);
    struct isle__cell *cell = isle__cell_of(*slot);
    struct isle__region *region = isle__region_of(cell);
    if ((cell->flags & ISLE__CELL_VISITED) != 0)
        return true;
    if (region->kind == ISLE__REGION_FROZEN)
        return move_hold(move, &isle__frozen_of(region)->shared);
    if (region != &move->scope->region || (move->count == move->capacity && !move_grow(move)))
        return false;
    cell->flags |= ISLE__CELL_VISITED;
    move->cells[move->count++] = cell;
    return true;
}

static bool move_meet_map(struct move *move, struct isle__map *map)
{
    move->live += sizeof(*map) + map->capacity * sizeof(struct isle__entry) +
                  map->index_size * sizeof(uint32_t);
    for (size_t i = 0; i < map->used; i++) {
        if (!move_meet(move, &map->entries[i].key) || !move_meet(move, &map->entries[i].value))
            return false;
    }
    return true;
}

static bool move_meet_list(struct move *move, struct isle__list *list)
{
    move->live += sizeof(*list) + list->capacity * sizeof(isle_value);
    for (size_t i = 0; i < list->count; i++) {
        if (!move_meet(move, &list->items[i]))
            return false;
    }
    return true;
}

static bool move_meet_bytes(struct move *move, struct isle__bytes *bytes)
{
    isle_value store = isle__value_of(bytes->store);
    bool met = move_meet(move, &store);
    bytes->store = (struct isle__store *)isle__cell_of(store);
    move->live += sizeof(*bytes);
    return met;
}

static bool move_look_into(struct move *move, struct isle__cell *cell)
{
    switch (cell->kind) {
    case ISLE_LIST:
        return move_meet_list(move, (struct isle__list *)cell);
    case ISLE_MAP:
    case ISLE_SET:
        return move_meet_map(move, (struct isle__map *)cell);
    case ISLE_BYTES:
        return move_meet_bytes(move, (struct isle__bytes *)cell);
    case ISLE__KIND_STORE:
        move->live += sizeof(struct isle__store) + ((struct isle__store *)cell)->size;
        return ((struct isle__store *)cell)->shared == NULL;
    case ISLE_STRING:
        move->live += isle__string_size(((struct isle__string *)cell)->size);
        return true;
    case ISLE_ERROR: {
        struct isle__error_cell *error = (struct isle__error_cell *)cell;
        move->live += sizeof(*error);
        return move_meet(move, &error->text) && move_meet(move, &error->stack);
    }
    case ISLE_INT:
    case ISLE_DOUBLE:
    case ISLE_ISOLATE:
        move->live += sizeof(struct isle__box);
        return true;
    default: /* objects may be borrowed, transferables and resources have holds */
        return false;
    }
}

static bool move_walk(struct move *move, isle_value *root)
{
    size_t used = 0;
    bool movable = move_meet(move, root);
    for (size_t i = 0; i < move->count && movable; i++)
        movable = move_look_into(move, move->cells[i]);
    for (size_t i = 0; i < move->count; i++)
        move->cells[i]->flags &= (uint8_t)~ISLE__CELL_VISITED;
    isle__memory_free(move->cells, move->capacity * sizeof(*move->cells));
    for (const struct isle__chunk *chunk = move->scope->chunks; chunk != NULL; chunk = chunk->next)
        used += chunk->size;
    return movable && move->live >= used / 2;
}

/* Room for the header and the holds on a few frozen blocks; more of them are copied. */
static bool move_begin(struct move *move, size_t header_size)
{
    size_t holds = 8 * sizeof(struct isle__hold);
    if (isle__parcel_immediate(isle_null(), header_size + holds, &move->parcel) != ISLE_OK)
        return false;
    move->parcel.chunks->used -= (holds / 16) * 16;
    return true;
}

static void move_hand_over(struct move *move, isle_value root)
{
    struct isle__parcel *parcel = &move->parcel;
    size_t size = 0;
    parcel->root = root;
    parcel->donor = move->scope;
    parcel->chunks->next = move->scope->chunks;
    for (struct isle__chunk *chunk = move->scope->chunks; chunk != NULL; chunk = chunk->next) {
        chunk->region = NULL;
        size += chunk->size;
    }
    parcel->size += size;
    move->scope->chunks = NULL;
    move->scope->charged -= size;
    isle__heap_discharge(move->heap, size);
}

void isle__parcel_return(struct isle__parcel *parcel)
{
    struct isle__scope *scope = parcel->donor;
    size_t size = 0;
    struct isle__chunk *chunk = parcel->chunks->next, *last = NULL;
    for (struct isle__chunk *at = chunk; at != NULL; at = at->next) {
        at->region = &scope->region;
        size += at->size;
        last = at;
    }
    if (last != NULL) {
        last->next = scope->chunks;
        scope->chunks = chunk;
    }
    parcel->chunks->next = NULL;
    parcel->donor = NULL;
    scope->charged += size;
    isle__heap_charge_always(scope->region.heap, size);
}

static struct isle__scope *move_scope_of(struct isle__heap *heap, isle_value value)
{
    if (isle__is_immediate(value))
        return NULL;
    struct isle__region *region = isle__region_of(isle__cell_of(value));
    if (region == NULL || region->kind != ISLE__REGION_SCOPE || region->heap != heap)
        return NULL;
    struct isle__scope *scope = (struct isle__scope *)region;
    /* A boundary inside the scope stops the end: the scope, and its values, go on. */
    for (const struct isle__catch *at = heap->frame->catcher; at != NULL; at = at->outer) {
        if (at->kind == ISLE__CATCH_PROTECT && at->scope != NULL && at->scope->id >= scope->id)
            return NULL;
    }
    if (scope->frame != heap->frame || scope->holds != NULL)
        return NULL;
    for (struct isle__scope *at = scope->frame->scope; at != scope->outer; at = at->outer) {
        if (at->defers != NULL) /* may look at the value still */
            return NULL;
    }
    return scope;
}

isle_err isle__parcel_move(struct isle__heap *heap, isle_value value, size_t header_size,
                           struct isle__parcel *ret_parcel)
{
    value = isle__resolve(value);
    struct move move = {.heap = heap, .scope = move_scope_of(heap, value)};
    if (move.scope == NULL || !move_begin(&move, header_size))
        return isle__parcel_copy(heap, value, header_size, ret_parcel);
    if (!move_walk(&move, &value)) {
        isle__parcel_drop(&move.parcel);
        return isle__parcel_copy(heap, value, header_size, ret_parcel);
    }
    move_hand_over(&move, value);
    *ret_parcel = move.parcel;
    return ISLE_OK;
}
