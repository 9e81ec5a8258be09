/* SPDX-License-Identifier: Apache-2.0 */
/* Messages without a graph: values that lead to no other, and structs whose fields are bytes or
 * lead to such values and strings. Nothing in them can be met twice, so they need neither marks nor
 * tables: what they take is added up, then header, struct and values lie in one chunk.
 *
 * Law: what cannot be copied so, or is refused, is left to the copier, as it was. A value with an
 * identity is copied here only where it is the only one of its message. */
#include <string.h>

#include "value/copy.h"

#define LEAF_PARTS 8
#define LEAF_PART_MAX ((size_t)16 * 1024 * 1024) /* all of them are far below 4 GiB */

/* Something that a field leads to. */
struct leaf_part {
    size_t offset; /* of the field, in the struct */
    size_t size;
    const char *text;               /* NULL: a value */
    const struct isle__cell *value; /* not moved by the time */
};

struct leaf_struct {
    struct isle__heap *heap;
    const isle_type *type;
    const char *object;
    size_t covered;  /* so many bytes from its begin are listed, without a gap */
    size_t behind;   /* bytes of all parts, rounded up */
    bool is_covered; /* in their order, until now */
    bool has_identity;
    unsigned count;
    struct leaf_part parts[LEAF_PARTS];
};

static inline struct isle__cell *leaf_single(size_t header_size, size_t size,
                                             struct isle__parcel *ret_parcel)
{
    size_t head = sizeof(struct isle__chunk) + isle__copy_round(header_size);
    size_t whole = head + isle__copy_round(size);
    struct isle__chunk *chunk = isle__memory_alloc(whole);
    if (chunk == NULL)
        return NULL;
    *chunk = (struct isle__chunk){NULL, NULL, whole, whole};
    struct isle__cell *cell = (struct isle__cell *)(void *)((char *)chunk + head);
    *ret_parcel = (struct isle__parcel){isle__value_of(cell), chunk, NULL, whole, NULL, NULL};
    return cell;
}

struct isle__cell *isle__parcel_single(size_t header_size, size_t size,
                                       struct isle__parcel *ret_parcel)
{
    return leaf_single(header_size, size, ret_parcel);
}

static inline void leaf_place(const struct isle__parcel *parcel, struct isle__cell *cell)
{
    cell->offset = (uint32_t)(((uintptr_t)cell - (uintptr_t)parcel->chunks) / 16);
}

/* Nothing else of the message looks at the store, so the window is all that travels of it. */
static inline void leaf_bytes(const struct isle__bytes *source, struct isle__bytes *bytes,
                              const struct isle__parcel *parcel)
{
    const struct isle__store *from = isle__bytes_store(source);
    struct isle__store *store =
        (struct isle__store *)(void *)((char *)bytes + isle__copy_round(sizeof(*bytes)));
    *bytes = *source;
    bytes->store = store;
    bytes->offset = 0;
    store->cell = (struct isle__cell){.kind = ISLE__KIND_STORE};
    store->size = source->size;
    store->data = (uint8_t *)(store + 1);
    store->shared = NULL;
    leaf_place(parcel, &store->cell);
    if (source->size != 0)
        memcpy(store->data, from->data + source->offset, source->size);
}

/* A transferable that still has its bytes moves; until the commit it can be given back. */
static void leaf_transferable(struct isle__heap *heap, struct isle__transferable_cell *source,
                              struct isle__transferable_cell *cell, struct isle__parcel *parcel)
{
    struct isle__moved *moved =
        (struct isle__moved *)(void *)((char *)cell + isle__copy_round(sizeof(*cell)));
    *cell = *source;
    moved->next = NULL;
    moved->source = source;
    moved->dest = cell;
    moved->source_hold = source->hold;
    moved->transfer = source->transfer;
    if (source->hold != NULL) {
        isle__hold_unlink(heap, source->hold);
        source->hold->shared = NULL;
    }
    source->transfer = NULL;
    cell->hold = &moved->hold;
    moved->hold.next = NULL;
    moved->hold.shared = &cell->transfer->shared;
    parcel->holds = &moved->hold;
    parcel->moved = moved;
    parcel->size += cell->transfer->shared.size;
}

static bool leaf_has_bytes(const struct isle__transferable_cell *cell)
{
    return cell->transfer != NULL &&
           atomic_load_explicit(&cell->transfer->data, memory_order_relaxed) != NULL;
}

/* What its copy takes, of this heap; 0: the copier must look. */
static size_t leaf_size(const struct isle__cell *cell)
{
    switch (cell->kind) {
    case ISLE_STRING:
        return isle__string_size(((const struct isle__string *)cell)->size);
    case ISLE_INT:
    case ISLE_DOUBLE:
        return sizeof(struct isle__box);
    case ISLE_ISOLATE:
        return sizeof(struct isle__isolate_cell);
    case ISLE_BYTES: {
        const struct isle__bytes *bytes = (const struct isle__bytes *)cell;
        if (isle__is_frozen_cell(&isle__bytes_store(bytes)->cell))
            return 0;
        return isle__copy_round(sizeof(*bytes)) + sizeof(struct isle__store) + bytes->size;
    }
    case ISLE_TRANSFERABLE:
        if (isle__region_of(cell)->kind == ISLE__REGION_SHOWN ||
            !leaf_has_bytes((const struct isle__transferable_cell *)cell))
            return 0;
        return isle__copy_round(sizeof(struct isle__transferable_cell)) +
               sizeof(struct isle__moved);
    default:
        return 0;
    }
}

/* Into memory of the parcel, of that size. */
static inline void leaf_copy(struct isle__heap *heap, const struct isle__cell *source, size_t size,
                             struct isle__cell *cell, struct isle__parcel *parcel)
{
    if (source->kind == ISLE_BYTES)
        leaf_bytes((const struct isle__bytes *)source, (struct isle__bytes *)cell, parcel);
    else if (source->kind == ISLE_TRANSFERABLE)
        leaf_transferable(heap, (struct isle__transferable_cell *)(uintptr_t)source,
                          (struct isle__transferable_cell *)cell, parcel);
    else
        memcpy(cell, source, size);
    leaf_place(parcel, cell);
}

static inline isle_err leaf_flat(const struct isle__cell *source, size_t size, size_t header_size,
                                 struct isle__parcel *ret_parcel)
{
    struct isle__cell *cell = leaf_single(header_size, size, ret_parcel);
    if (cell == NULL)
        return ISLE_ENOMEM;
    memcpy(cell, source, size);
    leaf_place(ret_parcel, cell);
    return ISLE_OK;
}

static inline bool leaf_window(const struct isle__bytes *source, size_t header_size,
                               struct isle__parcel *ret_parcel, isle_err *ret_err)
{
    if (isle__is_frozen_cell(&isle__bytes_store(source)->cell))
        return false;
    size_t size = isle__copy_round(sizeof(*source)) + sizeof(struct isle__store) + source->size;
    struct isle__cell *cell = leaf_single(header_size, size, ret_parcel);
    *ret_err = cell == NULL ? ISLE_ENOMEM : ISLE_OK;
    if (cell == NULL)
        return true;
    leaf_bytes(source, (struct isle__bytes *)cell, ret_parcel);
    leaf_place(ret_parcel, cell);
    return true;
}

bool isle__parcel_leaf(struct isle__heap *heap, const struct isle__cell *source, size_t header_size,
                       struct isle__parcel *ret_parcel, isle_err *ret_err)
{
    if (source->kind == ISLE_STRING) {
        size_t length = ((const struct isle__string *)source)->size;
        *ret_err = leaf_flat(source, isle__string_size(length), header_size, ret_parcel);
        return true;
    }
    if (source->kind == ISLE_BYTES)
        return leaf_window((const struct isle__bytes *)source, header_size, ret_parcel, ret_err);
    size_t size = leaf_size(source);
    if (size == 0)
        return false;
    struct isle__cell *cell = leaf_single(header_size, size, ret_parcel);
    *ret_err = cell == NULL ? ISLE_ENOMEM : ISLE_OK;
    if (cell != NULL)
        leaf_copy(heap, source, size, cell, ret_parcel);
    return true;
}

/* --- from scope to scope */

/* What its copy takes in another scope of its heap; 0: the copier must look. */
static size_t leaf_scope_size(const struct isle__cell *cell)
{
    switch (cell->kind) {
    case ISLE_STRING:
        return isle__string_size(((const struct isle__string *)cell)->size);
    case ISLE_INT:
    case ISLE_DOUBLE:
        return sizeof(struct isle__box);
    case ISLE_TRANSFERABLE: {
        const struct isle__transferable_cell *transferable =
            (const struct isle__transferable_cell *)cell;
        if (transferable->transfer == NULL || transferable->hold == NULL)
            return 0;
        return isle__copy_round(sizeof(*transferable)) + sizeof(struct isle__hold);
    }
    default:
        return 0;
    }
}

/* The scope holds what the cell held. */
static void leaf_hand_over(struct isle__heap *heap, struct isle__scope *scope,
                           struct isle__transferable_cell *source,
                           struct isle__transferable_cell *cell)
{
    struct isle__hold *hold =
        (struct isle__hold *)(void *)((char *)cell + isle__copy_round(sizeof(*cell)));
    isle__hold_replace(heap, source->hold, hold);
    hold->next = scope->holds;
    scope->holds = hold;
    cell->hold = hold;
    source->transfer = NULL;
}

bool isle__leaf_to_scope(struct isle__heap *heap, struct isle__scope *scope,
                         struct isle__cell *source, isle_value *ret_value, isle_err *ret_err)
{
    const struct isle__region *region = isle__region_of(source);
    size_t size = region->kind == ISLE__REGION_SCOPE ? leaf_scope_size(source) : 0;
    if (size == 0)
        return false;
    bool busy = heap->busy;
    heap->busy = true; /* as while anything is copied: nothing is collected */
    struct isle__cell *cell =
        isle__cell_try_new(heap, &scope->region, (isle_kind)source->kind, size);
    heap->busy = busy;
    *ret_err = cell == NULL ? ISLE_ENOMEM : ISLE_OK;
    if (cell == NULL)
        return true;
    cell->flags = source->flags;
    if (source->kind == ISLE_TRANSFERABLE) {
        memcpy(cell + 1, source + 1, sizeof(struct isle__transferable_cell) - sizeof(*cell));
        leaf_hand_over(heap, scope, (struct isle__transferable_cell *)source,
                       (struct isle__transferable_cell *)cell);
    } else {
        memcpy(cell + 1, source + 1, size - sizeof(*cell));
    }
    if (isle__scope_encloses(scope, (const struct isle__scope *)region)) {
        source->flags |= ISLE__CELL_FORWARDED;
        ((struct isle__forward *)source)->to = isle__value_of(cell);
    }
    *ret_value = isle__value_of(cell);
    return true;
}

/* --- structs */

static bool leaf_add(struct leaf_struct *leaf, struct leaf_part part)
{
    if (leaf->count == LEAF_PARTS || part.size == 0 || part.size > LEAF_PART_MAX)
        return false;
    leaf->parts[leaf->count++] = part;
    leaf->behind += isle__copy_round(part.size);
    return true;
}

static bool leaf_string(struct leaf_struct *leaf, size_t offset)
{
    const char *text;
    memcpy(&text, leaf->object + offset, sizeof(text));
    return text == NULL || leaf_add(leaf, (struct leaf_part){offset, strlen(text) + 1, text, NULL});
}

static bool leaf_value(struct leaf_struct *leaf, size_t offset)
{
    isle_value value;
    memcpy(&value, leaf->object + offset, sizeof(value));
    if (isle__is_immediate(value))
        return isle__tag_of(value) != ISLE__TAG_POINTER;
    const struct isle__cell *cell = isle__cell_of(isle__resolve(value));
    if ((cell->flags & ISLE__CELL_IMMORTAL) != 0)
        return cell == isle__cell_of(value);
    const struct isle__region *region = isle__region_of(cell);
    if (region == NULL || region->heap != leaf->heap)
        return false;
    size_t size = leaf_size(cell);
    bool short_string = cell->kind == ISLE_STRING &&
                        ((const struct isle__string *)cell)->size <= ISLE__COPY_STRING_MAX;
    if (!short_string) {
        if (leaf->has_identity)
            return false;
        leaf->has_identity = true;
    }
    return leaf_add(leaf, (struct leaf_part){offset, size, NULL, cell});
}

static bool leaf_field(struct leaf_struct *leaf, const isle_field *field)
{
    if (field->count_offset != SIZE_MAX)
        return false;
    switch (field->kind) {
    case ISLE_FIELD_KIND_OBJECT:
    case ISLE_FIELD_KIND_OWNED:
    case ISLE_FIELD_KIND_STRUCT:
        return false;
    case ISLE_FIELD_KIND_STRING:
        for (size_t i = 0; i < field->count; i++) {
            if (!leaf_string(leaf, field->offset + i * sizeof(char *)))
                return false;
        }
        break;
    case ISLE_FIELD_KIND_VALUE:
        for (size_t i = 0; i < field->count; i++) {
            if (!leaf_value(leaf, field->offset + i * sizeof(isle_value)))
                return false;
        }
        break;
    default:
        break;
    }
    leaf->is_covered = leaf->is_covered && field->offset == leaf->covered;
    leaf->covered += field->size * field->count;
    return true;
}

/* What no field lists is not read, and arrives zero. */
static void leaf_fields(const struct leaf_struct *leaf, char *to)
{
    const isle_type *type = leaf->type;
    if (leaf->is_covered && leaf->covered == type->size) {
        memcpy(to, leaf->object, type->size);
        return;
    }
    memset(to, 0, type->size);
    for (size_t i = 0; i < type->field_count; i++) {
        const isle_field *field = &type->fields[i];
        const char *from = leaf->object + field->offset;
        size_t size = field->size * field->count;
        if (size == 8)
            memcpy(to + field->offset, from, 8);
        else
            memcpy(to + field->offset, from, size);
    }
}

static void leaf_parts(const struct leaf_struct *leaf, char *to, char *behind,
                       struct isle__parcel *parcel)
{
    for (unsigned i = 0; i < leaf->count; i++) {
        const struct leaf_part *part = &leaf->parts[i];
        if (part->text != NULL) {
            memcpy(behind, part->text, part->size);
            memcpy(to + part->offset, &behind, sizeof(behind));
        } else {
            isle_value value = isle__value_of(behind);
            leaf_copy(leaf->heap, part->value, part->size, (struct isle__cell *)(void *)behind,
                      parcel);
            memcpy(to + part->offset, &value, sizeof(value));
        }
        behind += isle__copy_round(part->size);
    }
}

static inline char *leaf_object(const isle_type *type, size_t header_size, size_t behind,
                                struct isle__parcel *ret_parcel)
{
    size_t head = isle__copy_round(sizeof(struct isle__object_cell));
    struct isle__object_cell *cell = (struct isle__object_cell *)leaf_single(
        header_size, head + isle__copy_round(type->size) + behind, ret_parcel);
    if (cell == NULL)
        return NULL;
    cell->cell = (struct isle__cell){.kind = ISLE_OBJECT};
    cell->type = type;
    cell->object = (char *)cell + head;
    leaf_place(ret_parcel, &cell->cell);
    return cell->object;
}

void *isle__parcel_room(const isle_type *type, size_t behind, size_t header_size,
                        struct isle__parcel *ret_parcel, char **ret_behind)
{
    char *object = leaf_object(type, header_size, behind, ret_parcel);
    if (object != NULL)
        *ret_behind = object + isle__copy_round(type->size);
    return object;
}

bool isle__parcel_struct(struct isle__heap *heap, const isle_type *type, const void *object,
                         size_t header_size, struct isle__parcel *ret_parcel, isle_err *ret_err)
{
    struct leaf_struct leaf;
    leaf.heap = heap;
    leaf.type = type;
    leaf.object = object;
    leaf.covered = leaf.behind = 0;
    leaf.is_covered = true;
    leaf.has_identity = false;
    leaf.count = 0;
    if (type->unsendable)
        return false;
    for (size_t i = 0; i < type->field_count; i++) {
        if (!leaf_field(&leaf, &type->fields[i]))
            return false;
    }
    char *to = leaf_object(type, header_size, leaf.behind, ret_parcel);
    *ret_err = to == NULL ? ISLE_ENOMEM : ISLE_OK;
    if (to == NULL)
        return true;
    leaf_fields(&leaf, to);
    leaf_parts(&leaf, to, to + isle__copy_round(type->size), ret_parcel);
    return true;
}
