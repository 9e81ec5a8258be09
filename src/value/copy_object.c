/* SPDX-License-Identifier: Apache-2.0 */
/* Structs of the program in the graph copier: read by their type, never marked.
 *
 * Laws:
 *   1. A struct reached through an object value or an OBJECT field has an identity: a table leads
 * from its address and type to its entry in the log.
 *   2. One reached through an OWNED field or in a counted array has none. A path of such steps that
 * comes by the same struct again is a cycle: each entry remembers one above it, at the last power
 * of two of the depth (Brent), and compares.
 *   3. The counter of an array travels with it, listed or not.
 *   4. Structs inside structs are copied by recursion: a type cannot contain itself. Everything
 * behind a pointer goes through the log. */
#include <string.h>

#include "value/copy.h"

#define OBJECT_DEPTH_MAX 1000000u

/* What the block of a kept object leads to stays alive with it, whatever the program does with the
 * field. */
static isle_err object_refer(struct isle__copy *copy, uint32_t owner, struct isle__cell *cell)
{
    if (copy->target != ISLE__COPY_KEPT)
        return ISLE_OK;
    struct isle__kept *block = isle__kept_of(copy->log[owner].dest);
    struct isle__reference *reference = isle__copy_data(copy, owner, sizeof(*reference));
    if (reference == NULL)
        return ISLE_ENOMEM;
    *reference = (struct isle__reference){block->has.references, cell};
    block->has.references = reference;
    return ISLE_OK;
}

static isle_err object_too_deep(struct isle__copy *copy, uint32_t parent, const void *source,
                                const isle_type *type)
{
    return isle__copy_refuse(copy, (uintptr_t)source, parent, ISLE_ERANGE,
                             "a cycle of owned fields through type %s", type->name);
}

/* Depth and tortoise of a struct without identity. */
static isle_err object_descend(struct isle__copy *copy, struct isle__copy_entry *entry,
                               uint32_t parent)
{
    const struct isle__copy_entry *above = &copy->log[parent];
    uint32_t depth = above->as.object.depth + 1;
    const struct isle__copy_entry *tortoise = &copy->log[above->as.object.tortoise];
    if (depth > OBJECT_DEPTH_MAX ||
        (tortoise->source == entry->source && tortoise->as.object.type == entry->as.object.type))
        return object_too_deep(copy, parent, entry->source, entry->as.object.type);
    entry->as.object.depth = depth;
    entry->as.object.tortoise =
        (depth & (depth - 1)) == 0 ? (uint32_t)copy->count : above->as.object.tortoise;
    return ISLE_OK;
}

/* Logs a struct whose copy lies at `dest`. */
static isle_err object_log(struct isle__copy *copy, const isle_type *type, const void *source,
                           void *dest, uint32_t parent, bool has_identity)
{
    struct isle__copy_entry *entry = isle__copy_log(copy);
    const struct isle__copy_entry *above = &copy->log[parent];
    if (entry == NULL)
        return ISLE_ENOMEM;
    if (type->unsendable && isle__copy_is_message(copy))
        return isle__copy_refuse(copy, (uintptr_t)source, parent, ISLE_EUNSENDABLE,
                                 "an object of type %s", type->name);
    entry->source = (void *)(uintptr_t)source;
    entry->dest = dest;
    entry->parent = parent;
    entry->owner = above->owner == ISLE__COPY_CELL ? parent : above->owner;
    entry->as.object.type = type;
    entry->as.object.depth = 0;
    entry->as.object.tortoise = (uint32_t)copy->count;
    if (!has_identity) {
        isle_err err = object_descend(copy, entry, parent);
        if (err != ISLE_OK)
            return err;
    }
    copy->count++;
    return ISLE_OK;
}

static uint32_t object_owner(const struct isle__copy *copy, uint32_t parent)
{
    return copy->log[parent].owner == ISLE__COPY_CELL ? parent : copy->log[parent].owner;
}

/* The place in the table for this address and type: two types may begin at one address. */
static uintptr_t *object_known(struct isle__copy *copy, const isle_type *type, const void *source)
{
    for (uintptr_t key = (uintptr_t)source;; key++) {
        bool is_new;
        uintptr_t *known = isle__idmap_at(&copy->ids, (const void *)key, &is_new);
        if (known == NULL || *known == 0)
            return known;
        const struct isle__copy_entry *entry = &copy->log[*known - 1];
        if (entry->source == source && entry->as.object.type == type)
            return known;
    }
}

/* Replaces *pointer, a struct of the source, by its copy. */
static isle_err object_pointer(struct isle__copy *copy, const isle_type *type, void **pointer,
                               uint32_t parent, bool has_identity)
{
    const void *source = *pointer;
    uintptr_t *known = NULL;
    uint32_t owner = object_owner(copy, parent);
    if (source == NULL)
        return ISLE_OK;
    if (has_identity) {
        known = object_known(copy, type, source);
        if (known == NULL)
            return ISLE_ENOMEM;
        if (*known != 0) {
            const struct isle__copy_entry *entry = &copy->log[*known - 1];
            *pointer = entry->dest;
            if (entry->owner == owner)
                return ISLE_OK;
            return object_refer(copy, owner, copy->log[entry->owner].dest);
        }
    }
    void *dest = isle__copy_data(copy, owner, type->size);
    if (dest == NULL)
        return ISLE_ENOMEM;
    memset(dest, 0, type->size);
    uintptr_t number = copy->count + 1;
    isle_err err = object_log(copy, type, source, dest, parent, has_identity);
    if (err != ISLE_OK)
        return err;
    if (known != NULL)
        *known = number;
    *pointer = dest;
    return ISLE_OK;
}

static isle_err object_strings(struct isle__copy *copy, char **texts, size_t count, uint32_t at)
{
    for (size_t i = 0; i < count; i++) {
        if (texts[i] == NULL)
            continue;
        size_t size = strlen(texts[i]) + 1;
        char *text = isle__copy_data(copy, object_owner(copy, at), size);
        if (text == NULL)
            return ISLE_ENOMEM;
        texts[i] = memcpy(text, texts[i], size);
    }
    return ISLE_OK;
}

static isle_err object_values(struct isle__copy *copy, isle_value *values, size_t count,
                              uint32_t at)
{
    for (size_t i = 0; i < count; i++) {
        isle_err err = isle__copy_slot(copy, &values[i], at);
        if (err == ISLE_OK && !isle__is_immediate(values[i]))
            err = object_refer(copy, object_owner(copy, at), isle__cell_of(values[i]));
        if (err != ISLE_OK)
            return err;
    }
    return ISLE_OK;
}

static isle_err object_fields(struct isle__copy *copy, const isle_type *type, const char *source,
                              char *dest, uint32_t at);

/* Copies `count` elements of a field from `source` to `dest`. */
static isle_err object_elements(struct isle__copy *copy, const isle_field *field,
                                const char *source, char *dest, size_t count, uint32_t at)
{
    bool counted = field->count_offset != SIZE_MAX;
    isle_err err = ISLE_OK;
    switch (field->kind) {
    case ISLE_FIELD_KIND_STRING:
        memcpy(dest, source, count * sizeof(char *));
        return object_strings(copy, (char **)(void *)dest, count, at);
    case ISLE_FIELD_KIND_VALUE:
        memcpy(dest, source, count * sizeof(isle_value));
        return object_values(copy, (isle_value *)(void *)dest, count, at);
    case ISLE_FIELD_KIND_OBJECT:
    case ISLE_FIELD_KIND_OWNED:
        memcpy(dest, source, count * sizeof(void *));
        for (size_t i = 0; i < count && err == ISLE_OK; i++)
            err = object_pointer(copy, field->type, &((void **)(void *)dest)[i], at,
                                 field->kind == ISLE_FIELD_KIND_OBJECT);
        return err;
    case ISLE_FIELD_KIND_STRUCT:
        if (field->type->unsendable && isle__copy_is_message(copy))
            return isle__copy_refuse(copy, (uintptr_t)dest, at, ISLE_EUNSENDABLE,
                                     "an object of type %s", field->type->name);
        for (size_t i = 0; i < count && err == ISLE_OK; i++) {
            const char *from = source + i * field->size;
            char *to = dest + i * field->size;
            err = counted ? object_log(copy, field->type, from, to, at, false)
                          : object_fields(copy, field->type, from, to, at);
        }
        return err;
    default:
        memcpy(dest, source, count * field->size);
        return ISLE_OK;
    }
}

bool isle__copy_count(const char *counter, size_t counter_size, size_t stride, size_t *ret_count)
{
    uint64_t count = 0;
    uint32_t four;
    uint16_t two;
    switch (counter_size) {
    case 1:
        count = *(const unsigned char *)counter;
        break;
    case 2:
        memcpy(&two, counter, sizeof(two));
        count = two;
        break;
    case 4: /* a negative one is no count */
        memcpy(&four, counter, sizeof(four));
        count = four;
        if (four > INT32_MAX)
            return false;
        break;
    default:
        memcpy(&count, counter, sizeof(count));
        break;
    }
    *ret_count = (size_t)count;
    return count <= SIZE_MAX / 4 / (stride == 0 ? 1 : stride);
}

static isle_err object_counted(struct isle__copy *copy, const isle_field *field, const char *source,
                               char *dest, uint32_t at)
{
    bool pointers = field->kind == ISLE_FIELD_KIND_OBJECT || field->kind == ISLE_FIELD_KIND_OWNED;
    size_t stride = pointers ? sizeof(void *) : field->size, count;
    const char *array;
    char *copied = NULL;
    memcpy(&array, source + field->offset, sizeof(array));
    if (!isle__copy_count(source + field->count_offset, field->count_size, stride, &count))
        return isle__copy_refuse(copy, (uintptr_t)array, at, ISLE_ERANGE,
                                 "an array of a count that cannot be (field %s)", field->name);
    if (array != NULL && count != 0) {
        copied = isle__copy_data(copy, object_owner(copy, at), count * stride);
        if (copied == NULL)
            return ISLE_ENOMEM;
        memset(copied, 0, count * stride);
    }
    memcpy(dest + field->offset, &copied, sizeof(copied));
    memcpy(dest + field->count_offset, source + field->count_offset, field->count_size);
    if (copied == NULL)
        return ISLE_OK;
    return object_elements(copy, field, array, copied, count, at);
}

static isle_err object_fields(struct isle__copy *copy, const isle_type *type, const char *source,
                              char *dest, uint32_t at)
{
    for (size_t i = 0; i < type->field_count; i++) {
        const isle_field *field = &type->fields[i];
        isle_err err = field->count_offset != SIZE_MAX
                           ? object_counted(copy, field, source, dest, at)
                           : object_elements(copy, field, source + field->offset,
                                             dest + field->offset, field->count, at);
        if (err != ISLE_OK)
            return err;
    }
    return ISLE_OK;
}

isle_err isle__copy_struct(struct isle__copy *copy, uint32_t at)
{
    const struct isle__copy_entry *entry = &copy->log[at];
    return object_fields(copy, entry->as.object.type, entry->source, entry->dest, at);
}

isle_err isle__copy_object(struct isle__copy *copy, uint32_t at)
{
    struct isle__object_cell *cell = copy->log[at].dest;
    return object_pointer(copy, cell->type, &cell->object, at, true);
}
