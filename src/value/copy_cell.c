/* SPDX-License-Identifier: Apache-2.0 */
/* Shallow copies of single cells: the header, what is the cell's own, and tables whose values are
 * still the original's.
 *
 * Law: a copy brings its tables in its own piece of memory, as large as they are full; removed
 * entries of maps do not travel, except the last, whose order counts (map.c). */
#include <string.h>

#include "value/copy.h"

static void *copy_bump(struct isle__copy *copy, size_t size, struct isle__chunk **ret_chunk)
{
    struct isle__chunk *chunk = copy->last;
    size = isle__copy_round(size);
    if (chunk == NULL || size > chunk->size - chunk->used) {
        chunk = isle__copy_add_chunk(copy, size);
        if (chunk == NULL)
            return NULL;
    }
    void *memory = (char *)chunk + chunk->used;
    chunk->used += size;
    *ret_chunk = chunk;
    return memory;
}

/* Structs of a kept object lie in further chunks of its block. */
static void *copy_kept_data(struct isle__heap *heap, struct isle__kept *block, size_t size)
{
    struct isle__chunk *chunk = block->chunk.next;
    size = isle__copy_round(size);
    if (chunk == NULL || size > chunk->size - chunk->used) {
        size_t whole = chunk == NULL ? 256 : chunk->size * 2;
        if (whole > (size_t)64 * 1024)
            whole = (size_t)64 * 1024;
        if (whole < size + sizeof(*chunk))
            whole = size + sizeof(*chunk);
        if (!isle__heap_try_charge(heap, whole))
            return NULL;
        chunk = isle__memory_alloc(whole);
        if (chunk == NULL) {
            isle__heap_discharge(heap, whole);
            return NULL;
        }
        *chunk = (struct isle__chunk){&heap->kept, block->chunk.next, whole, sizeof(*chunk)};
        block->chunk.next = chunk;
    }
    void *memory = (char *)chunk + chunk->used;
    chunk->used += size;
    return memory;
}

void *isle__copy_data(struct isle__copy *copy, uint32_t owner, size_t size)
{
    struct isle__chunk *chunk;
    if (size > SIZE_MAX / 2)
        return NULL;
    if (copy->target == ISLE__COPY_SCOPE)
        return isle__scope_try_alloc(copy->scope, size);
    if (copy->target == ISLE__COPY_KEPT)
        return copy_kept_data(copy->heap, isle__kept_of(copy->log[owner].dest), size);
    return copy_bump(copy, size, &chunk);
}

static struct isle__cell *copy_new(struct isle__copy *copy, const struct isle__cell *source,
                                   size_t size)
{
    struct isle__cell *cell;
    if (copy->target == ISLE__COPY_SCOPE) {
        cell = isle__cell_try_new(copy->heap, &copy->scope->region, (isle_kind)source->kind, size);
        if (cell == NULL)
            return NULL;
    } else {
        struct isle__chunk *chunk;
        if (copy->target == ISLE__COPY_KEPT) {
            struct isle__kept *block = isle__kept_new(copy->heap, isle__copy_round(size));
            if (block == NULL)
                return NULL;
            block->next = copy->blocks;
            copy->blocks = block;
            chunk = &block->chunk;
            cell = isle__chunk_first_cell(chunk);
        } else {
            cell = copy_bump(copy, size, &chunk);
            if (cell == NULL)
                return NULL;
        }
        cell->kind = source->kind;
        cell->offset = (uint32_t)(((uintptr_t)cell - (uintptr_t)chunk) / 16);
    }
    cell->flags = source->flags;
    cell->element = source->element;
    return cell;
}

/* The same and all bytes of a cell that has no tables. */
static struct isle__cell *copy_flat(struct isle__copy *copy, const struct isle__cell *source,
                                    size_t size, size_t extra)
{
    struct isle__cell *cell = copy_new(copy, source, isle__copy_round(size) + extra);
    if (cell != NULL)
        memcpy(cell + 1, source + 1, size - sizeof(*cell));
    return cell;
}

static struct isle__cell *copy_list(struct isle__copy *copy, const struct isle__list *source)
{
    size_t bytes = source->count * sizeof(isle_value);
    struct isle__list *list =
        (struct isle__list *)copy_new(copy, &source->cell, isle__copy_round(sizeof(*list)) + bytes);
    if (list == NULL)
        return NULL;
    list->count = list->capacity = source->count;
    list->identity = source->identity;
    list->items = NULL;
    if (bytes != 0) {
        list->items = (isle_value *)((char *)list + isle__copy_round(sizeof(*list)));
        memcpy(list->items, source->items, bytes);
    }
    return &list->cell;
}

static size_t copy_index_size(size_t used)
{
    size_t size = 16;
    while (size < used * 2)
        size *= 2;
    return size;
}

static void copy_entries(struct isle__map *map, const struct isle__map *source)
{
    size_t used = 0;
    for (size_t i = 0; i < source->used; i++) {
        if (!source->entries[i].live && i + 1 != source->used)
            continue;
        map->entries[used++] = source->entries[i];
    }
    if (used != 0 && !map->entries[used - 1].live) { /* a run of one dead entry (map.c) */
        map->entries[used - 1].key = isle_null();
        map->entries[used - 1].value.bits = UINT64_C(1) << 3 | ISLE__TAG_INT;
    }
}

static struct isle__cell *copy_map(struct isle__copy *copy, const struct isle__map *source)
{
    bool last_dead = source->used != 0 && !source->entries[source->used - 1].live;
    size_t used = source->count + (last_dead ? 1 : 0);
    bool compact = used != source->used;
    size_t index_size = used <= 8 ? 0 : compact ? copy_index_size(used) : source->index_size;
    size_t head = isle__copy_round(sizeof(struct isle__map));
    size_t entries = isle__copy_round(used * sizeof(struct isle__entry));
    struct isle__map *map = (struct isle__map *)copy_new(
        copy, &source->cell, head + entries + index_size * sizeof(uint32_t));
    if (map == NULL)
        return NULL;
    map->count = source->count;
    map->used = map->capacity = (uint32_t)used;
    map->entries = used == 0 ? NULL : (struct isle__entry *)((char *)map + head);
    map->index_size = (uint32_t)index_size;
    map->index = index_size == 0 ? NULL : (uint32_t *)((char *)map + head + entries);
    map->identity = source->identity;
    map->rehash = source->rehash;
    if (compact)
        copy_entries(map, source);
    else if (used != 0)
        memcpy(map->entries, source->entries, used * sizeof(struct isle__entry));
    if (index_size != 0 && !compact)
        memcpy(map->index, source->index, index_size * sizeof(uint32_t));
    if (source->rehash || (compact && index_size != 0)) {
        map->cell.flags |= ISLE__CELL_VISITED; /* until isle__copy_run has rehashed it */
        copy->rehash = true;
    }
    return &map->cell;
}

void isle__copy_enter_hold(struct isle__copy *copy, struct isle__cell *owner,
                           struct isle__hold *hold, struct isle__shared *shared)
{
    struct isle__hold **list = &copy->holds;
    if (copy->target == ISLE__COPY_SCOPE)
        list = &copy->scope->holds;
    else if (copy->target == ISLE__COPY_KEPT)
        list = &isle__kept_of(owner)->has.holds;
    hold->shared = shared;
    hold->next = *list;
    *list = hold;
    if (shared == NULL)
        return;
    if (isle__copy_is_message(copy))
        copy->size += shared->size;
    else
        isle__hold_link(copy->heap, hold);
}

/* Bytes travel inline. Within a heap the bytes of a materialised transferable stay where they are,
 * and so do those of a message that is given. */
static struct isle__cell *copy_store(struct isle__copy *copy, const struct isle__store *source)
{
    bool share = source->shared != NULL && (copy->gives || !isle__copy_is_message(copy));
    size_t head = isle__copy_round(sizeof(struct isle__store));
    struct isle__store *store = (struct isle__store *)copy_new(
        copy, &source->cell, head + (share ? sizeof(struct isle__hold) : source->size));
    if (store == NULL)
        return NULL;
    store->size = source->size;
    store->data = source->data;
    store->shared = share ? source->shared : NULL;
    if (share) {
        isle__shared_ref(store->shared);
        isle__copy_enter_hold(copy, &store->cell, (struct isle__hold *)((char *)store + head),
                              store->shared);
        return &store->cell;
    }
    store->data = (uint8_t *)store + head;
    if (source->size != 0)
        memcpy(store->data, source->data, source->size);
    return &store->cell;
}

static isle_err copy_transferable(struct isle__copy *copy,
                                  const struct isle__transferable_cell *source, uint32_t parent,
                                  struct isle__cell **ret_dest)
{
    struct isle__transfer *transfer = source->transfer;
    bool gone =
        transfer == NULL || atomic_load_explicit(&transfer->data, memory_order_relaxed) == NULL;
    bool shown = isle__region_of(&source->cell)->kind == ISLE__REGION_SHOWN;
    uint64_t bits = isle__value_of(source).bits;
    if (copy->target == ISLE__COPY_FROZEN)
        return isle__copy_refuse(copy, bits, parent, ISLE_EUNSENDABLE, "a transferable, to freeze");
    if (copy->target == ISLE__COPY_PARCEL && gone)
        return isle__copy_refuse(copy, bits, parent, ISLE_EUNSENDABLE,
                                 "a transferable that was sent or materialized before");
    if (copy->target == ISLE__COPY_PARCEL && shown)
        return isle__copy_refuse(copy, bits, parent, ISLE_EUNSENDABLE,
                                 "a transferable of a message that is only looked at");
    struct isle__transferable_cell *cell = (struct isle__transferable_cell *)copy_flat(
        copy, &source->cell, sizeof(*cell), sizeof(struct isle__moved));
    if (cell == NULL)
        return ISLE_ENOMEM;
    *ret_dest = &cell->cell;
    cell->hold = NULL;
    if (shown)
        cell->transfer = NULL;
    if (cell->transfer == NULL)
        return ISLE_OK;
    struct isle__moved *moved =
        (struct isle__moved *)((char *)cell + isle__copy_round(sizeof(*cell)));
    *moved = (struct isle__moved){.next = copy->moved,
                                  .source = (struct isle__transferable_cell *)(uintptr_t)source,
                                  .dest = cell,
                                  .source_hold = source->hold,
                                  .transfer = transfer};
    copy->moved = moved;
    return ISLE_OK;
}

/* A message carries a duplicate; within a heap the descriptor is shared. */
static isle_err copy_resource(struct isle__copy *copy, const struct isle__resource_cell *source,
                              struct isle__cell **ret_dest)
{
    struct isle__resource_cell *cell = (struct isle__resource_cell *)copy_flat(
        copy, &source->cell, sizeof(*cell), sizeof(struct isle__hold));
    struct isle__descriptor *descriptor = source->descriptor;
    if (cell == NULL)
        return ISLE_ENOMEM;
    if (!isle__copy_is_message(copy)) {
        isle__shared_ref(&descriptor->shared);
    } else {
        struct isle__descriptor *twin = isle__memory_alloc(sizeof(*twin));
        if (twin == NULL)
            return ISLE_ENOMEM;
        twin->fd = isle__fd_duplicate(descriptor->fd);
        if (twin->fd < 0) {
            isle__memory_free(twin, sizeof(*twin));
            return ISLE_ESYSTEM;
        }
        atomic_init(&twin->shared.references, 1);
        twin->shared.size = descriptor->shared.size;
        twin->shared.destroy = descriptor->shared.destroy;
        descriptor = twin;
    }
    cell->descriptor = descriptor;
    isle__copy_enter_hold(copy, &cell->cell,
                          (struct isle__hold *)((char *)cell + isle__copy_round(sizeof(*cell))),
                          &descriptor->shared);
    *ret_dest = &cell->cell;
    return ISLE_OK;
}

isle_err isle__copy_cell(struct isle__copy *copy, const struct isle__cell *source, uint32_t parent,
                         struct isle__cell **ret_dest)
{
    struct isle__cell *cell = NULL;
    switch (source->kind) {
    case ISLE_STRING: {
        const struct isle__string *string = (const struct isle__string *)source;
        cell = copy_flat(copy, source, isle__string_size(string->size), 0);
        break;
    }
    case ISLE_LIST:
        cell = copy_list(copy, (const struct isle__list *)source);
        break;
    case ISLE_MAP:
    case ISLE_SET:
        cell = copy_map(copy, (const struct isle__map *)source);
        break;
    case ISLE_INT:
    case ISLE_DOUBLE:
        cell = copy_flat(copy, source, sizeof(struct isle__box), 0);
        break;
    case ISLE_BYTES:
        cell = copy_flat(copy, source, sizeof(struct isle__bytes), 0);
        break;
    case ISLE__KIND_STORE:
        cell = copy_store(copy, (const struct isle__store *)source);
        break;
    case ISLE_ISOLATE:
        cell = copy_flat(copy, source, sizeof(struct isle__isolate_cell), 0);
        break;
    case ISLE_ERROR:
        cell = copy_flat(copy, source, sizeof(struct isle__error_cell), 0);
        break;
    case ISLE_OBJECT: {
        const struct isle__object_cell *object = (const struct isle__object_cell *)source;
        if (object->type->unsendable && isle__copy_is_message(copy))
            return isle__copy_refuse(copy, isle__value_of(source).bits, parent, ISLE_EUNSENDABLE,
                                     "an object of type %s", object->type->name);
        cell = copy_flat(copy, source, sizeof(*object), 0);
        break;
    }
    case ISLE_TRANSFERABLE:
        return copy_transferable(copy, (const struct isle__transferable_cell *)source, parent,
                                 ret_dest);
    case ISLE_RESOURCE:
        return copy_resource(copy, (const struct isle__resource_cell *)source, ret_dest);
    default:
        isle__die("isle: a cell of no known kind");
    }
    *ret_dest = cell;
    return cell == NULL ? ISLE_ENOMEM : ISLE_OK;
}
