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

#if defined(__GNUC__)
#define QUICK_APART                                                                                \
    __attribute__((noinline)) /* its registers are saved only where it is called                   \
                               */
#else
#define QUICK_APART
#endif

static struct isle__cell *quick_cell(struct isle__quick *quick, struct isle__cell *cell,
                                     unsigned depth);

bool isle__quick_more(struct isle__quick *quick, size_t size)
{
    isle__quick_leave_chunk(quick);
    if (isle__copy_add_chunk(quick->copy, size) == NULL)
        return false;
    isle__quick_enter_chunk(quick);
    return true;
}

/* Marks beyond the first few, in segments each four times as long as the one before. */
struct quick_segment {
    struct isle__quick_mark *before; /* all of them in use */
    uint64_t unused;
    struct isle__quick_mark marks[];
};

static size_t quick_segment_size(size_t capacity)
{
    return sizeof(struct quick_segment) + capacity * sizeof(struct isle__quick_mark);
}

static ISLE__RARE bool quick_grow(struct isle__quick *quick)
{
    struct quick_segment *segment = isle__memory_alloc(quick_segment_size(quick->capacity * 4));
    if (segment == NULL)
        return false;
    segment->before = quick->log;
    quick->log = segment->marks;
    quick->count = 0;
    quick->capacity *= 4;
    return true;
}

/* Takes all marks off, last first: those cells are still near. */
static void quick_unmark(struct isle__quick *quick)
{
    for (;;) {
        for (size_t i = quick->count; i-- > 0;) {
            struct isle__forward *source = quick->log[i].source;
            source->cell.flags &= (uint8_t) ~(ISLE__CELL_FORWARDED | ISLE__CELL_VISITED);
            source->to.bits = quick->log[i].word;
        }
        if (quick->log == quick->first)
            return;
        struct quick_segment *segment =
            (struct quick_segment *)((uintptr_t)quick->log - offsetof(struct quick_segment, marks));
        quick->log = segment->before;
        isle__memory_free(segment, quick_segment_size(quick->capacity));
        quick->capacity /= 4;
        quick->count = quick->capacity;
    }
}

/* The copy of a value, which *slot has already: replaced if it is a cell. */
static inline bool quick_slot(struct isle__quick *quick, isle_value value, isle_value *slot,
                              unsigned depth)
{
    if (isle__is_immediate(value))
        return isle__tag_of(value) != ISLE__TAG_POINTER;
    struct isle__cell *cell = isle__cell_of(value);
    if ((cell->flags & ISLE__CELL_IMMORTAL) != 0)
        return true;
    cell = quick_cell(quick, cell, depth);
    *slot = isle__value_of(cell);
    return cell != NULL;
}

/* Memory for the copy of a cell, its header filled in. */
static inline struct isle__cell *quick_new(struct isle__quick *quick,
                                           const struct isle__cell *source, size_t size)
{
    struct isle__cell *cell = isle__quick_bump(quick, size);
    if (cell == NULL)
        return NULL;
    *cell = *source;
    cell->offset = (uint32_t)(((uintptr_t)cell - (uintptr_t)quick->copy->last) / 16);
    return cell;
}

/* Others may refer to the cell: from here on they are led to its copy. What of it the mark
 * overwrites has been read. */
static inline bool quick_mark(struct isle__quick *quick, struct isle__cell *source,
                              const struct isle__cell *dest)
{
    struct isle__forward *forward = (struct isle__forward *)source;
    if (ISLE__UNLIKELY(quick->count == quick->capacity && !quick_grow(quick)))
        return false;
    quick->log[quick->count++] = (struct isle__quick_mark){forward, forward->to.bits};
    source->flags |= ISLE__CELL_FORWARDED | ISLE__CELL_VISITED;
    forward->to = isle__value_of(dest);
    return true;
}

/* What follows returns the copy of a cell; NULL: to give up. */

static struct isle__cell *quick_flat(struct isle__quick *quick, const struct isle__cell *source,
                                     size_t size)
{
    struct isle__cell *to = quick_new(quick, source, size);
    if (to != NULL)
        memcpy(to + 1, source + 1, size - sizeof(*to));
    return to;
}

static QUICK_APART struct isle__cell *quick_string(struct isle__quick *quick,
                                                   struct isle__cell *source)
{
    const struct isle__string *string = (const struct isle__string *)source;
    size_t size = string->size, place = ((uintptr_t)source >> 4) % ISLE__COPY_STRINGS;
    if (size <= ISLE__COPY_STRING_MAX && quick->strings[place].source == source)
        return quick->strings[place].dest;
    struct isle__cell *to = quick_flat(quick, source, isle__string_size(size));
    if (to == NULL)
        return NULL;
    if (size > ISLE__COPY_STRING_MAX)
        return quick_mark(quick, source, to) ? to : NULL;
    quick->strings[place].source = source;
    quick->strings[place].dest = to;
    return to;
}

static void *quick_behind(void *cell, size_t size)
{
    return (char *)cell + isle__copy_round(size);
}

static QUICK_APART struct isle__cell *quick_list(struct isle__quick *quick,
                                                 struct isle__cell *source, unsigned depth)
{
    const struct isle__list *from = (const struct isle__list *)source;
    uint32_t count = from->count;
    struct isle__list *to = (struct isle__list *)quick_new(
        quick, source, isle__copy_round(sizeof(*to)) + count * sizeof(isle_value));
    if (to == NULL || depth >= ISLE__QUICK_DEPTH)
        return NULL;
    const isle_value *values = from->items;
    isle_value *items = count == 0 ? NULL : quick_behind(to, sizeof(*to));
    to->count = to->capacity = count;
    to->items = items;
    to->identity = from->identity;
    if (!quick_mark(quick, source, &to->cell))
        return NULL;
    size_t bare = isle__bare_run(values, count);
    if (bare != 0)
        memcpy(items, values, bare * sizeof(*items));
    for (size_t i = bare; i < count; i++) {
        items[i] = values[i];
        if (!quick_slot(quick, values[i], &items[i], depth + 1))
            return NULL;
    }
    return &to->cell;
}

static QUICK_APART struct isle__cell *quick_map(struct isle__quick *quick,
                                                struct isle__cell *source, unsigned depth)
{
    const struct isle__map *from = (const struct isle__map *)source;
    uint32_t used = from->used, index_size = used <= 8 ? 0 : from->index_size;
    size_t size = used * sizeof(struct isle__entry); /* a multiple of 16 */
    if (used != from->count || from->rehash)
        return NULL;
    struct isle__map *to = (struct isle__map *)quick_new(
        quick, source, isle__copy_round(sizeof(*to)) + size + index_size * sizeof(uint32_t));
    if (to == NULL || depth >= ISLE__QUICK_DEPTH)
        return NULL;
    const struct isle__entry *entries = from->entries;
    const struct isle__entry *end = used == 0 ? entries : entries + used; /* there may be none */
    struct isle__entry *entry = quick_behind(to, sizeof(*to));
    to->count = to->used = to->capacity = used;
    to->index_size = index_size;
    to->entries = used == 0 ? NULL : entry;
    to->index = index_size == 0 ? NULL : (uint32_t *)(void *)((char *)entry + size);
    to->identity = from->identity;
    to->rehash = false;
    if (index_size != 0)
        memcpy(to->index, from->index, index_size * sizeof(uint32_t));
    if (!quick_mark(quick, source, &to->cell))
        return NULL;
    for (; entries != end; entries++, entry++) {
        *entry = *entries;
        if (!quick_slot(quick, entries->key, &entry->key, depth + 1) ||
            !quick_slot(quick, entries->value, &entry->value, depth + 1))
            return NULL;
    }
    return &to->cell;
}

static QUICK_APART struct isle__cell *quick_bytes(struct isle__quick *quick,
                                                  struct isle__cell *source, unsigned depth)
{
    const struct isle__bytes *from = (const struct isle__bytes *)source;
    struct isle__bytes *to = (struct isle__bytes *)quick_new(quick, source, sizeof(*to));
    if (to == NULL)
        return NULL;
    isle_value store = isle__value_of(from->store);
    to->offset = from->offset;
    to->size = from->size;
    to->identity = from->identity;
    if (!quick_mark(quick, source, &to->cell) || !quick_slot(quick, store, &store, depth))
        return NULL;
    to->store = (struct isle__store *)isle__cell_of(store);
    return &to->cell;
}

static QUICK_APART struct isle__cell *quick_store(struct isle__quick *quick,
                                                  struct isle__cell *source)
{
    const struct isle__store *from = (const struct isle__store *)source;
    size_t size = from->size;
    struct isle__store *to =
        (struct isle__store *)quick_new(quick, source, isle__copy_round(sizeof(*to)) + size);
    if (to == NULL)
        return NULL;
    to->size = size;
    to->data = quick_behind(to, sizeof(*to));
    to->shared = NULL;
    if (size != 0)
        memcpy(to->data, from->data, size);
    return quick_mark(quick, source, &to->cell) ? &to->cell : NULL;
}

static QUICK_APART struct isle__cell *quick_object(struct isle__quick *quick,
                                                   struct isle__cell *source)
{
    const struct isle__object_cell *from = (const struct isle__object_cell *)source;
    const isle_type *type = from->type;
    void *copied;
    if (type->unsendable || !isle__quick_object(quick, type, from->object, &copied))
        return NULL;
    struct isle__object_cell *to =
        (struct isle__object_cell *)quick_new(quick, source, sizeof(*to));
    if (to == NULL || !quick_mark(quick, source, &to->cell))
        return NULL;
    to->type = type;
    to->object = copied;
    return &to->cell;
}

static inline struct isle__cell *quick_kind(struct isle__quick *quick, struct isle__cell *cell,
                                            unsigned depth)
{
    switch (cell->kind) {
    case ISLE_STRING:
        return quick_string(quick, cell);
    case ISLE_LIST:
        return quick_list(quick, cell, depth);
    case ISLE_MAP:
    case ISLE_SET:
        return quick_map(quick, cell, depth);
    case ISLE_INT:
    case ISLE_DOUBLE:
        return quick_flat(quick, cell, sizeof(struct isle__box));
    case ISLE_ISOLATE:
        return quick_flat(quick, cell, sizeof(struct isle__isolate_cell));
    case ISLE_BYTES:
        return quick_bytes(quick, cell, depth);
    case ISLE__KIND_STORE:
        return quick_store(quick, cell);
    case ISLE_OBJECT:
        return quick_object(quick, cell);
    default:
        return NULL;
    }
}

/* A cell of a region not met last: of this heap, and so to be copied; or frozen, and held. */
static QUICK_APART struct isle__cell *quick_elsewhere(struct isle__quick *quick,
                                                      struct isle__cell *cell, unsigned depth)
{
    const struct isle__region *region = isle__region_of(cell);
    if (region == NULL)
        return NULL;
    if (region->kind == ISLE__REGION_FROZEN) {
        isle__quick_leave_chunk(quick);
        isle_err err = isle__copy_hold_frozen(quick->copy, isle__frozen_of(region));
        isle__quick_enter_chunk(quick);
        return err == ISLE_OK ? cell : NULL;
    }
    quick->plain = region;
    return region->heap == quick->copy->heap ? quick_kind(quick, cell, depth) : NULL;
}

static struct isle__cell *quick_cell(struct isle__quick *quick, struct isle__cell *cell,
                                     unsigned depth)
{
    while (ISLE__UNLIKELY((cell->flags & ISLE__CELL_FORWARDED) != 0)) {
        bool visited = (cell->flags & ISLE__CELL_VISITED) != 0;
        cell = isle__cell_of(((struct isle__forward *)cell)->to);
        if (visited)
            return cell;
    }
    if (ISLE__UNLIKELY(isle__region_of(cell) != quick->plain))
        return quick_elsewhere(quick, cell, depth);
    return quick_kind(quick, cell, depth);
}

bool isle__quick_slot(struct isle__quick *quick, isle_value value, isle_value *slot, unsigned depth)
{
    *slot = value;
    return quick_slot(quick, value, slot, depth);
}

/* The region of the root, if its cells are copied; else another of which that is true. Never NULL,
 * in which lies what is nobody's: a message that was looked at and is back in its mailbox. */
static inline const struct isle__region *quick_plain(const struct isle__heap *heap, isle_value root)
{
    const struct isle__region *region =
        isle__is_immediate(root) ? NULL : isle__region_of(isle__cell_of(root));
    return region != NULL && region->heap == heap ? region : &heap->kept;
}

bool isle__copy_quickly(struct isle__copy *copy, isle_value *root)
{
    struct isle__quick quick;
    quick.copy = copy;
    isle__quick_enter_chunk(&quick);
    quick.plain = quick_plain(copy->heap, *root);
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
    bool done = isle__quick_slot(&quick, *root, &copied, 0) &&
                (quick.struct_count == 0 || isle__quick_structs(&quick));
    quick_unmark(&quick);
    isle__quick_leave_chunk(&quick);
    if (quick.structs != quick.first_structs)
        isle__quick_structs_fini(&quick);
    copy->heap->busy = busy;
    if (done)
        *root = copied;
    return done;
}
