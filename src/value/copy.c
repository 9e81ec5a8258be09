/* SPDX-License-Identifier: Apache-2.0 */
/* The engine of the graph copier: marks, log, work list, and the way back. Its laws are in copy.h.
 */
#include <stdio.h>
#include <string.h>

#include "value/copy.h"

#define COPY_CHUNK_MIN ((size_t)1024)
#define COPY_CHUNK_MAX ((size_t)256 * 1024)
#define COPY_DEPTH 64

void isle__copy_init(struct isle__copy *copy, struct isle__heap *heap,
                     enum isle__copy_target target)
{
    memset(copy, 0, offsetof(struct isle__copy, offender));
    copy->heap = heap;
    copy->target = target;
    copy->log = copy->first;
    copy->capacity = ISLE__COPY_LOG_INLINE;
    isle__idmap_init(&copy->ids);
}

void isle__copy_fini(struct isle__copy *copy)
{
    if (copy->log != copy->first)
        isle__memory_free(copy->log, copy->capacity * sizeof(*copy->log));
    isle__idmap_fini(&copy->ids);
}

struct isle__chunk *isle__copy_add_chunk(struct isle__copy *copy, size_t size)
{
    size_t whole = copy->last == NULL ? 0 : copy->last->size * 2;
    if (copy->last != NULL && whole < COPY_CHUNK_MIN)
        whole = COPY_CHUNK_MIN;
    if (whole > COPY_CHUNK_MAX)
        whole = COPY_CHUNK_MAX;
    if (size > SIZE_MAX / 2)
        return NULL;
    if (whole < size + sizeof(struct isle__chunk))
        whole = size + sizeof(struct isle__chunk);
    struct isle__chunk *chunk = isle__memory_alloc(whole);
    if (chunk == NULL)
        return NULL;
    *chunk = (struct isle__chunk){NULL, NULL, whole, sizeof(*chunk)};
    if (copy->last == NULL)
        copy->chunks = chunk;
    else
        copy->last->next = chunk;
    copy->last = chunk;
    copy->size += whole;
    return chunk;
}

/* How much the first chunk should hold: exact for leaves, a guess for what has children. */
size_t isle__copy_estimate(isle_value root)
{
    if (isle__is_immediate(root))
        return 0;
    const struct isle__cell *cell = isle__cell_of(root);
    switch (cell->kind) {
    case ISLE_STRING:
        return isle__string_size(((const struct isle__string *)cell)->size) + 16;
    case ISLE_LIST:
        return 64 + ((const struct isle__list *)cell)->count * sizeof(isle_value) + 128;
    case ISLE_MAP:
    case ISLE_SET:
        return 96 + ((const struct isle__map *)cell)->count * (sizeof(struct isle__entry) + 32);
    case ISLE_BYTES:
        return sizeof(struct isle__bytes) + sizeof(struct isle__store) + 64;
    default:
        return 256;
    }
}

static bool copy_grow_log(struct isle__copy *copy)
{
    size_t capacity = copy->capacity * 4;
    size_t size = capacity * sizeof(*copy->log), old = copy->capacity * sizeof(*copy->log);
    struct isle__copy_entry *log;
    if (capacity >= ISLE__COPY_CELL)
        return false;
    if (copy->log == copy->first) {
        log = isle__memory_alloc(size);
        if (log != NULL)
            memcpy(log, copy->first, old);
    } else {
        log = isle__memory_resize(copy->log, old, size);
    }
    if (log == NULL)
        return false;
    copy->log = log;
    copy->capacity = capacity;
    return true;
}

struct isle__copy_entry *isle__copy_log(struct isle__copy *copy)
{
    if (copy->count == copy->capacity && !copy_grow_log(copy))
        return NULL;
    return &copy->log[copy->count];
}

isle_err isle__copy_refuse(struct isle__copy *copy, uint64_t offender, uint32_t parent,
                           isle_err err, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(copy->what, sizeof(copy->what), format, arguments);
    va_end(arguments);
    copy->offender = offender;
    copy->offender_parent = parent;
    return err;
}

/* One reference of the message on a frozen block, however often it is met. */
isle_err isle__copy_hold_frozen(struct isle__copy *copy, struct isle__frozen *frozen)
{
    bool is_new;
    if (frozen == copy->last_held || frozen->shared.destroy == NULL)
        return ISLE_OK;
    uintptr_t *known = isle__idmap_at(&copy->ids, frozen, &is_new);
    if (known == NULL)
        return ISLE_ENOMEM;
    if (*known == 0) {
        struct isle__hold *hold = isle__copy_data(copy, 0, sizeof(*hold));
        if (hold == NULL)
            return ISLE_ENOMEM;
        *known = 1;
        isle__shared_ref(&frozen->shared);
        isle__copy_enter_hold(copy, NULL, hold, &frozen->shared);
    }
    copy->last_held = frozen;
    return ISLE_OK;
}

/* Whether the copy may refer to the cell where it lies; then it is rooted or held there. */
static isle_err copy_admit(struct isle__copy *copy, struct isle__cell *cell, bool *ret_admitted)
{
    struct isle__region *region = isle__region_of(cell);
    *ret_admitted = true;
    if (region != NULL && region->kind == ISLE__REGION_FROZEN) {
        struct isle__frozen *frozen = isle__frozen_of(region);
        if (copy->target == ISLE__COPY_SCOPE)
            return isle__scope_hold_frozen(copy->scope, &frozen->shared) ? ISLE_OK : ISLE_ENOMEM;
        if (copy->target == ISLE__COPY_KEPT && frozen->shared.destroy != NULL)
            return isle__kept_hold(copy->heap, &frozen->shared) != NULL ? ISLE_OK : ISLE_ENOMEM;
        return isle__copy_hold_frozen(copy, frozen);
    }
    if (region == NULL || region->heap != copy->heap)
        return ISLE_EINVAL;
    if (region->kind == ISLE__REGION_KEPT && copy->target == ISLE__COPY_SCOPE)
        return isle__scope_handle(copy->scope, cell) ? ISLE_OK : ISLE_ENOMEM;
    if (region->kind == ISLE__REGION_KEPT && copy->target == ISLE__COPY_KEPT)
        return ISLE_OK;
    *ret_admitted = copy->target == ISLE__COPY_SCOPE && region->kind == ISLE__REGION_SCOPE &&
                    isle__scope_encloses((struct isle__scope *)region, copy->scope) &&
                    !(copy->owns_objects && cell->kind == ISLE_OBJECT);
    return ISLE_OK;
}

static void copy_mark(struct isle__copy_entry *entry, struct isle__cell *source,
                      struct isle__cell *dest)
{
    struct isle__forward *forward = (struct isle__forward *)source;
    entry->as.cell.word = forward->to.bits;
    entry->as.cell.done = false;
    source->flags |= ISLE__CELL_FORWARDED | ISLE__CELL_VISITED;
    forward->to = isle__value_of(dest);
}

/* The scope that has a handle on the kept copy of a cell of `region`; what is only shown has none
 * of its own. */
static struct isle__scope *copy_handle_scope(const struct isle__copy *copy,
                                             struct isle__region *region)
{
    if (region->kind == ISLE__REGION_SHOWN)
        return copy->heap->frame->scope;
    return (struct isle__scope *)region;
}

static isle_err copy_children(struct isle__copy *copy, uint32_t at);

/* The copy of a cell that must have one, logged; looked into at once unless that is too deep. */
static isle_err copy_one(struct isle__copy *copy, struct isle__cell *cell, isle_value *slot,
                         uint32_t parent)
{
    struct isle__cell *dest;
    uint32_t at = (uint32_t)copy->count;
    struct isle__copy_entry *entry = isle__copy_log(copy);
    if (entry == NULL)
        return ISLE_ENOMEM;
    isle_err err = isle__copy_cell(copy, cell, parent, &dest);
    if (err != ISLE_OK)
        return err;
    if (copy->target == ISLE__COPY_KEPT &&
        !isle__scope_handle(copy_handle_scope(copy, isle__region_of(cell)), dest))
        return ISLE_ENOMEM;
    entry->source = cell;
    entry->dest = dest;
    entry->parent = parent;
    entry->owner = ISLE__COPY_CELL;
    copy_mark(entry, cell, dest);
    copy->count++;
    *slot = isle__value_of(dest);
    if (dest->kind == ISLE_OBJECT || copy->depth == COPY_DEPTH)
        return ISLE_OK;
    entry->as.cell.done = true;
    copy->depth++;
    err = copy_children(copy, at);
    copy->depth--;
    return err;
}

static bool copy_is_short(const struct isle__copy *copy, const struct isle__cell *cell)
{
    const struct isle__region *region = isle__region_of(cell);
    return cell->kind == ISLE_STRING && isle__copy_is_message(copy) &&
           ((const struct isle__string *)cell)->size <= ISLE__COPY_STRING_MAX && region != NULL &&
           region->heap == copy->heap;
}

static isle_err copy_short(struct isle__copy *copy, const struct isle__cell *cell, isle_value *slot,
                           uint32_t parent)
{
    size_t place = ((uintptr_t)cell >> 4) % ISLE__COPY_STRINGS;
    struct isle__cell *dest;
    if (!copy->has_strings) {
        memset(copy->strings, 0, sizeof(copy->strings));
        copy->has_strings = true;
    }
    if (copy->strings[place].source != cell) {
        isle_err err = isle__copy_cell(copy, cell, parent, &dest);
        if (err != ISLE_OK)
            return err;
        copy->strings[place].source = cell;
        copy->strings[place].dest = dest;
    }
    *slot = isle__value_of(copy->strings[place].dest);
    return ISLE_OK;
}

static isle_err copy_cell_slot(struct isle__copy *copy, isle_value *slot, uint32_t parent)
{
    struct isle__cell *cell = isle__cell_of(*slot);
    bool admitted;
    while ((cell->flags & ISLE__CELL_FORWARDED) != 0) {
        isle_value to = ((struct isle__forward *)cell)->to;
        if ((cell->flags & ISLE__CELL_VISITED) != 0) {
            *slot = to;
            return ISLE_OK;
        }
        cell = isle__cell_of(to);
    }
    if ((cell->flags & ISLE__CELL_IMMORTAL) != 0) {
        *slot = isle__value_of(cell);
        return ISLE_OK;
    }
    if (copy_is_short(copy, cell))
        return copy_short(copy, cell, slot, parent);
    isle_err err = copy_admit(copy, cell, &admitted);
    if (err != ISLE_OK)
        return err;
    if (!admitted)
        return copy_one(copy, cell, slot, parent);
    *slot = isle__value_of(cell);
    return ISLE_OK;
}

static isle_err copy_pointer_slot(struct isle__copy *copy, const isle_value *slot, uint32_t parent)
{
    if (!isle__copy_is_message(copy))
        return ISLE_OK;
    return isle__copy_refuse(copy, slot->bits, parent, ISLE_EUNSENDABLE, "a pointer");
}

static inline isle_err copy_slot(struct isle__copy *copy, isle_value *slot, uint32_t parent)
{
    enum isle__tag tag = isle__tag_of(*slot);
    if (tag == ISLE__TAG_CELL && slot->bits != 0)
        return copy_cell_slot(copy, slot, parent);
    return tag == ISLE__TAG_POINTER ? copy_pointer_slot(copy, slot, parent) : ISLE_OK;
}

isle_err isle__copy_slot(struct isle__copy *copy, isle_value *slot, uint32_t parent)
{
    return copy_slot(copy, slot, parent);
}

static isle_err copy_slots(struct isle__copy *copy, isle_value *slots, size_t count,
                           uint32_t parent)
{
    for (size_t i = isle__bare_run(slots, count); i < count; i++) {
        isle_err err = copy_slot(copy, &slots[i], parent);
        if (err != ISLE_OK)
            return err;
    }
    return ISLE_OK;
}

static isle_err copy_map_slots(struct isle__copy *copy, struct isle__map *map, uint32_t parent)
{
    for (size_t i = 0; i < map->used; i++) {
        isle_err err = copy_slot(copy, &map->entries[i].key, parent);
        if (err == ISLE_OK)
            err = copy_slot(copy, &map->entries[i].value, parent);
        if (err != ISLE_OK)
            return err;
    }
    return ISLE_OK;
}

static isle_err copy_bytes_store(struct isle__copy *copy, struct isle__bytes *bytes,
                                 uint32_t parent)
{
    isle_value store = isle__value_of(bytes->store);
    isle_err err = copy_slot(copy, &store, parent);
    bytes->store = (struct isle__store *)isle__cell_of(store);
    return err;
}

static isle_err copy_children(struct isle__copy *copy, uint32_t at)
{
    struct isle__cell *cell = copy->log[at].dest;
    if (copy->log[at].owner != ISLE__COPY_CELL)
        return isle__copy_struct(copy, at);
    switch (cell->kind) {
    case ISLE_LIST: {
        struct isle__list *list = (struct isle__list *)cell;
        return copy_slots(copy, list->items, list->count, at);
    }
    case ISLE_MAP:
    case ISLE_SET:
        return copy_map_slots(copy, (struct isle__map *)cell, at);
    case ISLE_BYTES:
        return copy_bytes_store(copy, (struct isle__bytes *)cell, at);
    case ISLE_ERROR: {
        struct isle__error_cell *error = (struct isle__error_cell *)cell;
        isle_err err = copy_slot(copy, &error->text, at);
        return err != ISLE_OK ? err : copy_slot(copy, &error->stack, at);
    }
    case ISLE_OBJECT:
        return isle__copy_object(copy, at);
    default:
        return ISLE_OK;
    }
}

static void copy_restore(const struct isle__copy_entry *entry)
{
    struct isle__forward *source = entry->source;
    source->cell.flags &= (uint8_t) ~(ISLE__CELL_FORWARDED | ISLE__CELL_VISITED);
    source->to.bits = entry->as.cell.word;
}

static bool copy_forwards(const struct isle__copy *copy, const struct isle__cell *source)
{
    const struct isle__region *region = isle__region_of(source);
    if (copy->target == ISLE__COPY_KEPT)
        return region->kind != ISLE__REGION_SHOWN;
    return copy->target == ISLE__COPY_SCOPE && region->kind == ISLE__REGION_SCOPE &&
           isle__scope_encloses(copy->scope, (const struct isle__scope *)region);
}

/* Bytes that were given to a frozen block are frozen for who still looks at the original too. */
static bool copy_was_given(const struct isle__copy *copy, const struct isle__copy_entry *entry)
{
    const struct isle__store *store = entry->dest;
    return copy->gives && copy->target == ISLE__COPY_FROZEN &&
           store->cell.kind == ISLE__KIND_STORE && store->shared != NULL;
}

static void copy_settle_message(struct isle__copy *copy)
{
    for (size_t i = 0; i < copy->count; i++) {
        struct isle__copy_entry *entry = &copy->log[i];
        if (entry->owner != ISLE__COPY_CELL)
            continue;
        if (ISLE__UNLIKELY(copy_was_given(copy, entry)))
            ((struct isle__cell *)entry->source)->flags &= (uint8_t)~ISLE__CELL_VISITED;
        else
            copy_restore(entry);
    }
}

static void copy_settle(struct isle__copy *copy)
{
    if (isle__copy_is_message(copy)) {
        copy_settle_message(copy);
        return;
    }
    for (size_t i = copy->count; i-- > 0;) {
        struct isle__copy_entry *entry = &copy->log[i];
        struct isle__cell *source = entry->source;
        if (entry->owner != ISLE__COPY_CELL)
            continue;
        if (copy_forwards(copy, source))
            source->flags &= (uint8_t)~ISLE__CELL_VISITED;
        else
            copy_restore(entry);
    }
}

/* The transfers leave their cells. Within a heap they join the target's holds at once; a message's
 * are the parcel's, who may give them back. */
static void copy_take_transfers(struct isle__copy *copy)
{
    for (struct isle__moved *moved = copy->moved; moved != NULL; moved = moved->next) {
        if (moved->source_hold != NULL) {
            isle__hold_unlink(copy->heap, moved->source_hold);
            moved->source_hold->shared = NULL;
        }
        if ((moved->source->cell.flags & ISLE__CELL_FORWARDED) == 0)
            moved->source->transfer = NULL;
        moved->dest->hold = &moved->hold;
        isle__copy_enter_hold(copy, &moved->dest->cell, &moved->hold, &moved->transfer->shared);
    }
}

static void copy_rehash(struct isle__copy *copy)
{
    for (size_t i = 0; i < copy->count && copy->rehash; i++) {
        struct isle__copy_entry *entry = &copy->log[i];
        struct isle__map *map = entry->dest;
        if (entry->owner != ISLE__COPY_CELL ||
            (map->cell.kind != ISLE_MAP && map->cell.kind != ISLE_SET))
            continue;
        if ((map->cell.flags & ISLE__CELL_VISITED) != 0)
            isle__map_rehash(map);
        map->cell.flags &= (uint8_t)~ISLE__CELL_VISITED;
    }
}

static void copy_drop_chunks(struct isle__chunk *chunk)
{
    while (chunk != NULL) {
        struct isle__chunk *next = chunk->next;
        isle__memory_free(chunk, chunk->size);
        chunk = next;
    }
}

/* Everything as before. In a scope the spoiled copies stay until it closes; a cell of theirs that
 * had a hold is simply never seen. */
void isle__copy_abort(struct isle__copy *copy)
{
    for (size_t i = copy->count; i-- > 0;) {
        struct isle__copy_entry *entry = &copy->log[i];
        if (entry->owner != ISLE__COPY_CELL)
            continue;
        copy_restore(entry);
        if (copy->target == ISLE__COPY_KEPT)
            copy_handle_scope(copy, isle__region_of(entry->source))->handle_count--;
    }
    isle__holds_drop(NULL, copy->holds);
    copy_drop_chunks(copy->chunks);
    copy->holds = NULL;
    copy->chunks = copy->last = NULL;
    while (copy->blocks != NULL) {
        struct isle__kept *block = copy->blocks;
        copy->blocks = block->next;
        isle__kept_free(copy->heap, block);
    }
}

static void copy_finish(struct isle__copy *copy)
{
    copy_rehash(copy);
    copy_settle(copy);
    copy_take_transfers(copy);
    while (copy->blocks != NULL) {
        struct isle__kept *block = copy->blocks;
        copy->blocks = block->next;
        isle__kept_link(copy->heap, block);
    }
}

isle_err isle__copy_run(struct isle__copy *copy, isle_value *root)
{
    isle_value copied = *root;
    bool busy = copy->heap->busy;
    copy->heap->busy = true;
    isle_err err = copy_slot(copy, &copied, ISLE__COPY_ROOT);
    for (size_t i = 0; i < copy->count && err == ISLE_OK; i++) {
        const struct isle__copy_entry *entry = &copy->log[i];
        if (entry->owner != ISLE__COPY_CELL || !entry->as.cell.done)
            err = copy_children(copy, (uint32_t)i);
    }
    if (err == ISLE_OK) {
        copy_finish(copy);
        *root = copied;
    }
    copy->heap->busy = busy;
    return err;
}

static isle_err copy_within(struct isle__copy *copy, isle_value value, isle_value *ret_value)
{
    isle_err err = isle__copy_run(copy, &value);
    if (err == ISLE_OK)
        *ret_value = value;
    else
        isle__copy_abort(copy);
    isle__copy_fini(copy);
    return err;
}

isle_err isle__copy_to_scope(struct isle__heap *heap, struct isle__scope *scope, isle_value value,
                             isle_value *ret_value)
{
    struct isle__copy copy;
    isle_err err;
    if (isle__leaf_to_scope(heap, scope, isle__cell_of(value), ret_value, &err))
        return err;
    isle__copy_init(&copy, heap, ISLE__COPY_SCOPE);
    copy.scope = scope;
    return copy_within(&copy, value, ret_value);
}

isle_err isle__copy_object_to_scope(struct isle__heap *heap, struct isle__scope *scope,
                                    isle_value value, isle_value *ret_value)
{
    struct isle__copy copy;
    isle__copy_init(&copy, heap, ISLE__COPY_SCOPE);
    copy.scope = scope;
    copy.owns_objects = true;
    return copy_within(&copy, value, ret_value);
}

isle_err isle__copy_to_kept(struct isle__heap *heap, isle_value value, isle_value *ret_value)
{
    struct isle__copy copy;
    isle__copy_init(&copy, heap, ISLE__COPY_KEPT);
    return copy_within(&copy, value, ret_value);
}
