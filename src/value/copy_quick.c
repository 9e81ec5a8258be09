/* SPDX-License-Identifier: Apache-2.0 */
/* The quick way to copy a message: for graphs of lists, maps, sets, strings, bytes, numbers
 * and structs of the program (copy_quick_object.c), which most messages are.
 *
 * How. Each cell is copied and its children looked into in one go, depth first, so that source and
 * copy are read and written in the order in which they lie. The log has nothing but what the marks
 * overwrote. Whatever is not plain (a transferable, a resource, a map with removed entries, more
 * than ISLE__QUICK_DEPTH levels, anything that is refused, no memory) makes it give up: all is
 * undone, and the general copier (copy.c) does the whole, or tells why it cannot be done.
 *
 * The laws of copy.h hold: marks are taken off before anybody can see them; a frozen block is held
 * once; short strings are not marked. */
#include <string.h>

#include "value/copy_quick.h"

static bool quick_slot(struct isle__quick *quick, isle_value value, isle_value *slot,
                       unsigned depth);

bool isle__quick_more(struct isle__quick *quick, size_t size)
{
    isle__quick_leave_chunk(quick);
    if (isle__copy_add_chunk(quick->copy, size) == NULL)
        return false;
    isle__quick_enter_chunk(quick);
    return true;
}

static ISLE__RARE bool quick_grow(struct isle__quick *quick)
{
    size_t old = quick->capacity * sizeof(*quick->log), size = old * 4;
    struct isle__quick_mark *log;
    if (quick->log == quick->first) {
        log = isle__memory_alloc(size);
        if (log != NULL)
            memcpy(log, quick->first, old);
    } else {
        log = isle__memory_resize(quick->log, old, size);
    }
    if (log == NULL)
        return false;
    quick->log = log;
    quick->capacity *= 4;
    return true;
}

/* Memory for the copy of a cell, its header filled in. */
static inline struct isle__cell *quick_new(struct isle__quick *quick,
                                           const struct isle__cell *source, size_t size)
{
    struct isle__cell *cell = isle__quick_bump(quick, size);
    if (cell == NULL)
        return NULL;
    cell->kind = source->kind;
    cell->flags = source->flags;
    cell->element = source->element;
    cell->offset = (uint32_t)(((uintptr_t)cell - (uintptr_t)quick->copy->last) / 16);
    return cell;
}

/* The same for a cell that others may refer to: it is marked. */
static inline struct isle__cell *quick_new_marked(struct isle__quick *quick,
                                                  struct isle__cell *source, size_t size)
{
    struct isle__forward *forward = (struct isle__forward *)source;
    if (ISLE__UNLIKELY(quick->count == quick->capacity && !quick_grow(quick)))
        return NULL;
    struct isle__cell *cell = quick_new(quick, source, size);
    if (cell == NULL)
        return NULL;
    quick->log[quick->count++] = (struct isle__quick_mark){forward, forward->to.bits};
    source->flags |= ISLE__CELL_FORWARDED | ISLE__CELL_VISITED;
    return cell;
}

static inline void quick_forward(struct isle__cell *source, const struct isle__cell *dest)
{
    ((struct isle__forward *)source)->to = isle__value_of(dest);
}

static bool quick_string(struct isle__quick *quick, struct isle__cell *source, isle_value *slot)
{
    struct isle__string *string = (struct isle__string *)source;
    size_t size = isle__string_size(string->size);
    struct isle__cell *dest;
    if (string->size > ISLE__COPY_STRING_MAX) {
        dest = quick_new_marked(quick, source, size);
        if (dest == NULL)
            return false;
        memcpy(dest + 1, source + 1, size - sizeof(*dest));
        quick_forward(source, dest);
        *slot = isle__value_of(dest);
        return true;
    }
    size_t place = ((uintptr_t)source >> 4) % ISLE__COPY_STRINGS;
    if (quick->strings[place].source != source) {
        dest = quick_new(quick, source, size);
        if (dest == NULL)
            return false;
        memcpy(dest + 1, source + 1, size - sizeof(*dest));
        quick->strings[place].source = source;
        quick->strings[place].dest = dest;
    }
    *slot = isle__value_of(quick->strings[place].dest);
    return true;
}

static void *quick_behind(void *cell, size_t size)
{
    return (char *)cell + isle__copy_round(size);
}

static bool quick_list(struct isle__quick *quick, struct isle__cell *source, isle_value *slot,
                       unsigned depth)
{
    const struct isle__list *from = (const struct isle__list *)source;
    uint32_t count = from->count;
    struct isle__list *to = (struct isle__list *)quick_new_marked(
        quick, source, isle__copy_round(sizeof(*to)) + count * sizeof(isle_value));
    if (to == NULL)
        return false;
    to->count = to->capacity = count;
    to->items = count == 0 ? NULL : quick_behind(to, sizeof(*to));
    to->identity = from->identity;
    quick_forward(source, &to->cell);
    *slot = isle__value_of(to);
    for (uint32_t i = 0; i < count; i++) {
        if (!quick_slot(quick, from->items[i], &to->items[i], depth))
            return false;
    }
    return true;
}

static bool quick_map(struct isle__quick *quick, struct isle__cell *source, isle_value *slot,
                      unsigned depth)
{
    const struct isle__map *from = (const struct isle__map *)source;
    uint32_t used = from->used, index_size = used <= 8 ? 0 : from->index_size;
    size_t entries = isle__copy_round(used * sizeof(struct isle__entry));
    if (used != from->count || from->rehash)
        return false;
    struct isle__map *to = (struct isle__map *)quick_new_marked(
        quick, source, isle__copy_round(sizeof(*to)) + entries + index_size * sizeof(uint32_t));
    if (to == NULL)
        return false;
    to->count = to->used = to->capacity = used;
    to->index_size = index_size;
    to->entries = used == 0 ? NULL : quick_behind(to, sizeof(*to));
    to->index = index_size == 0
                    ? NULL
                    : (uint32_t *)(void *)((char *)quick_behind(to, sizeof(*to)) + entries);
    to->identity = from->identity;
    to->rehash = false;
    quick_forward(source, &to->cell);
    *slot = isle__value_of(to);
    for (uint32_t i = 0; i < used; i++) {
        struct isle__entry *entry = &to->entries[i];
        entry->order = from->entries[i].order;
        entry->hash = from->entries[i].hash;
        entry->live = true;
        if (!quick_slot(quick, from->entries[i].key, &entry->key, depth) ||
            !quick_slot(quick, from->entries[i].value, &entry->value, depth))
            return false;
    }
    if (index_size != 0)
        memcpy(to->index, from->index, index_size * sizeof(uint32_t));
    return true;
}

static bool quick_bytes(struct isle__quick *quick, struct isle__cell *source, isle_value *slot,
                        unsigned depth)
{
    const struct isle__bytes *from = (const struct isle__bytes *)source;
    isle_value store = isle__value_of(from->store);
    struct isle__bytes *to = (struct isle__bytes *)quick_new_marked(quick, source, sizeof(*to));
    if (to == NULL)
        return false;
    to->offset = from->offset;
    to->size = from->size;
    to->identity = from->identity;
    quick_forward(source, &to->cell);
    *slot = isle__value_of(to);
    if (!quick_slot(quick, store, &store, depth))
        return false;
    to->store = (struct isle__store *)isle__cell_of(store);
    return true;
}

static bool quick_store(struct isle__quick *quick, struct isle__cell *source, isle_value *slot)
{
    const struct isle__store *from = (const struct isle__store *)source;
    size_t size = from->size;
    struct isle__store *to =
        (struct isle__store *)quick_new_marked(quick, source, isle__copy_round(sizeof(*to)) + size);
    if (to == NULL)
        return false;
    to->size = size;
    to->data = quick_behind(to, sizeof(*to));
    to->shared = NULL;
    if (size != 0)
        memcpy(to->data, from->data, size);
    quick_forward(source, &to->cell);
    *slot = isle__value_of(to);
    return true;
}

static bool quick_flat(struct isle__quick *quick, struct isle__cell *source, isle_value *slot,
                       size_t size)
{
    struct isle__cell *dest = quick_new(quick, source, size);
    if (dest == NULL)
        return false;
    memcpy(dest + 1, source + 1, size - sizeof(*dest));
    *slot = isle__value_of(dest);
    return true;
}

static bool quick_object(struct isle__quick *quick, struct isle__cell *source, isle_value *slot)
{
    const struct isle__object_cell *from = (const struct isle__object_cell *)source;
    const isle_type *type = from->type;
    void *object = from->object, *copied;
    struct isle__object_cell *to =
        (struct isle__object_cell *)quick_new_marked(quick, source, sizeof(*to));
    if (to == NULL || type->unsendable)
        return false;
    quick_forward(source, &to->cell);
    *slot = isle__value_of(to);
    if (!isle__quick_object(quick, type, object, &copied))
        return false;
    to->type = type;
    to->object = copied;
    return true;
}

/* A cell of a region not met last: of this heap, and so to be copied; or frozen, and held. */
static bool quick_region(struct isle__quick *quick, struct isle__cell *cell,
                         const struct isle__region *region, isle_value *slot, bool *ret_held)
{
    *ret_held = false;
    if (region == NULL)
        return false;
    if (region->kind == ISLE__REGION_FROZEN) {
        *ret_held = true;
        *slot = isle__value_of(cell);
        isle__quick_leave_chunk(quick);
        isle_err err = isle__copy_hold_frozen(quick->copy, isle__frozen_of(region));
        isle__quick_enter_chunk(quick);
        return err == ISLE_OK;
    }
    quick->plain = region;
    return region->heap == quick->copy->heap;
}

/* False: it gives up. */
static bool quick_cell(struct isle__quick *quick, struct isle__cell *cell, isle_value *slot,
                       unsigned depth)
{
    while (ISLE__UNLIKELY((cell->flags & ISLE__CELL_FORWARDED) != 0)) {
        isle_value to = ((struct isle__forward *)cell)->to;
        if ((cell->flags & ISLE__CELL_VISITED) != 0) {
            *slot = to;
            return true;
        }
        cell = isle__cell_of(to);
    }
    const struct isle__region *region = isle__region_of(cell);
    if (ISLE__UNLIKELY(region != quick->plain)) {
        bool held;
        if (!quick_region(quick, cell, region, slot, &held))
            return false;
        if (held)
            return true;
    }
    switch (cell->kind) {
    case ISLE_STRING:
        return quick_string(quick, cell, slot);
    case ISLE_LIST:
        return depth < ISLE__QUICK_DEPTH && quick_list(quick, cell, slot, depth + 1);
    case ISLE_MAP:
    case ISLE_SET:
        return depth < ISLE__QUICK_DEPTH && quick_map(quick, cell, slot, depth + 1);
    case ISLE_INT:
    case ISLE_DOUBLE:
        return quick_flat(quick, cell, slot, sizeof(struct isle__box));
    case ISLE_ISOLATE:
        return quick_flat(quick, cell, slot, sizeof(struct isle__isolate_cell));
    case ISLE_BYTES:
        return quick_bytes(quick, cell, slot, depth);
    case ISLE__KIND_STORE:
        return quick_store(quick, cell, slot);
    case ISLE_OBJECT:
        return quick_object(quick, cell, slot);
    default:
        return false;
    }
}

static inline bool quick_slot(struct isle__quick *quick, isle_value value, isle_value *slot,
                              unsigned depth)
{
    *slot = value;
    if (isle__is_immediate(value))
        return isle__tag_of(value) != ISLE__TAG_POINTER;
    if ((isle__cell_of(value)->flags & ISLE__CELL_IMMORTAL) != 0)
        return true;
    return quick_cell(quick, isle__cell_of(value), slot, depth);
}

bool isle__quick_slot(struct isle__quick *quick, isle_value value, isle_value *slot, unsigned depth)
{
    return quick_slot(quick, value, slot, depth);
}

bool isle__copy_quickly(struct isle__copy *copy, isle_value *root)
{
    struct isle__quick quick;
    quick.copy = copy;
    isle__quick_enter_chunk(&quick);
    quick.plain = NULL;
    quick.log = quick.first;
    quick.count = 0;
    quick.capacity = ISLE__QUICK_LOG;
    quick.structs = quick.first_structs;
    quick.struct_count = quick.structs_done = 0;
    quick.struct_capacity = ISLE__QUICK_STRUCTS;
    quick.index = NULL;
    quick.index_size = 0;
    quick.plan_count = 0;
    memset(quick.strings, 0, sizeof(quick.strings));
    bool busy = copy->heap->busy;
    copy->heap->busy = true;
    isle_value copied;
    bool done = quick_slot(&quick, *root, &copied, 0) &&
                (quick.struct_count == 0 || isle__quick_structs(&quick));
    for (size_t i = 0; i < quick.count; i++) {
        struct isle__forward *source = quick.log[i].source;
        source->cell.flags &= (uint8_t) ~(ISLE__CELL_FORWARDED | ISLE__CELL_VISITED);
        source->to.bits = quick.log[i].word;
    }
    if (quick.log != quick.first)
        isle__memory_free(quick.log, quick.capacity * sizeof(*quick.log));
    isle__quick_leave_chunk(&quick);
    if (quick.structs != quick.first_structs)
        isle__quick_structs_fini(&quick);
    copy->heap->busy = busy;
    if (done)
        *root = copied;
    return done;
}
