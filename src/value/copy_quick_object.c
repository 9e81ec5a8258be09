/* SPDX-License-Identifier: Apache-2.0 */
/* Structs of the program in the quick copier.
 *
 * How. What a type's fields want is worked out once a message, as a short plan: runs of bytes, and
 * places that lead on. Structs with an identity (OBJECT fields, object values) stand in a list,
 * which is the work list as well, and in an index of their addresses; those without (OWNED fields,
 * counted arrays) are copied where they are met, depth first. A type with too long a plan, a path
 * of OWNED fields too deep (it may be a cycle), an unsendable type or a count that cannot be is not
 * for this way: it gives up, and copy_object.c says what is wrong, if anything is.
 *
 * The laws are those of copy_object.c: what no field lists arrives zero; the counter of an array
 * travels with it. */
#include <string.h>

#include "value/copy_quick.h"

#define QUICK_INDEX_FIRST 16u /* a power of two */

/* --- plans */

static bool quick_is_bytes(const isle_field *field)
{
    switch (field->kind) {
    case ISLE_FIELD_KIND_STRING:
    case ISLE_FIELD_KIND_VALUE:
    case ISLE_FIELD_KIND_OBJECT:
    case ISLE_FIELD_KIND_OWNED:
    case ISLE_FIELD_KIND_STRUCT:
        return false;
    default:
        return true;
    }
}

static struct isle__quick_op *quick_plan_add(struct isle__quick_plan *plan)
{
    return plan->count == ISLE__QUICK_OPS ? NULL : &plan->ops[plan->count++];
}

static bool quick_plan_bytes(struct isle__quick_plan *plan, size_t offset, size_t size)
{
    struct isle__quick_op *last = plan->count == 0 ? NULL : &plan->ops[plan->count - 1];
    if (last != NULL && last->kind == 0 && last->offset + last->size == offset) {
        last->size += (uint32_t)size;
        return true;
    }
    struct isle__quick_op *op = quick_plan_add(plan);
    if (op == NULL)
        return false;
    *op = (struct isle__quick_op){.offset = (uint32_t)offset, .size = (uint32_t)size};
    return true;
}

static bool quick_plan_type(struct isle__quick_plan *plan, const isle_type *type, size_t offset,
                            size_t *covered);

static bool quick_plan_field(struct isle__quick_plan *plan, const isle_field *field, size_t offset,
                             size_t *covered)
{
    bool counted = field->count_offset != SIZE_MAX;
    size_t at = offset + field->offset;
    if (!counted && field->kind == ISLE_FIELD_KIND_STRUCT)
        return field->count == 1 && quick_plan_type(plan, field->type, at, covered);
    bool pointers = field->kind == ISLE_FIELD_KIND_OBJECT || field->kind == ISLE_FIELD_KIND_OWNED;
    size_t stride = pointers ? sizeof(void *) : field->size;
    if (!counted)
        *covered += stride * field->count;
    if (!counted && quick_is_bytes(field))
        return quick_plan_bytes(plan, at, stride * field->count);
    struct isle__quick_op *op = quick_plan_add(plan);
    if (op == NULL)
        return false;
    *op = (struct isle__quick_op){.kind = field->kind,
                                  .counted = counted,
                                  .count_size = (uint8_t)field->count_size,
                                  .offset = (uint32_t)at,
                                  .size = (uint32_t)stride,
                                  .count = (uint32_t)field->count,
                                  .count_offset = counted ? offset + field->count_offset : 0,
                                  .field = field};
    if (!counted)
        return true;
    *covered += sizeof(void *) + field->count_size;
    return true;
}

static bool quick_plan_type(struct isle__quick_plan *plan, const isle_type *type, size_t offset,
                            size_t *covered)
{
    if (type->size > UINT32_MAX)
        return false;
    for (size_t i = 0; i < type->field_count; i++) {
        if (!quick_plan_field(plan, &type->fields[i], offset, covered))
            return false;
    }
    return true;
}

/* NULL: not for the quick way. */
static const struct isle__quick_plan *quick_plan(struct isle__quick *quick, const isle_type *type)
{
    for (uint32_t i = 0; i < quick->plan_count; i++) {
        if (quick->plans[i].type == type)
            return &quick->plans[i];
    }
    if (quick->plan_count == ISLE__QUICK_TYPES || type->unsendable)
        return NULL;
    struct isle__quick_plan *plan = &quick->plans[quick->plan_count];
    size_t covered = 0;
    plan->type = type;
    plan->count = 0;
    if (!quick_plan_type(plan, type, 0, &covered))
        return NULL;
    plan->whole = covered == type->size;
    for (uint32_t i = 0; i < plan->count; i++) {
        struct isle__quick_op *op = &plan->ops[i];
        if (op->kind == 0)
            op->code = op->size == 8 ? ISLE__QUICK_WORD : ISLE__QUICK_BYTES;
        else if (op->counted)
            op->code = ISLE__QUICK_COUNTED;
        else
            op->code = op->kind == ISLE_FIELD_KIND_STRING && op->count == 1 ? ISLE__QUICK_STRING
                                                                            : ISLE__QUICK_INLINE;
    }
    quick->plan_count++;
    return plan;
}

/* --- structs with an identity */

static uint32_t quick_index_place(const struct isle__quick *quick, const void *source)
{
    uint64_t mixed = ((uint64_t)(uintptr_t)source >> 3) * UINT64_C(0x9e3779b97f4a7c15);
    return (uint32_t)(mixed >> 32) & (quick->index_size - 1);
}

static bool quick_index_grow(struct isle__quick *quick)
{
    uint32_t size = quick->index_size == 0 ? QUICK_INDEX_FIRST : quick->index_size * 4;
    uint32_t *index = isle__memory_alloc(size * sizeof(*index));
    if (index == NULL)
        return false;
    memset(index, 0, size * sizeof(*index));
    isle__memory_free(quick->index, quick->index_size * sizeof(*index));
    quick->index = index;
    quick->index_size = size;
    for (uint32_t i = 0; i < quick->struct_count; i++) {
        uint32_t at = quick_index_place(quick, quick->structs[i].source);
        while (index[at] != 0)
            at = (at + 1) & (size - 1);
        index[at] = i + 1;
    }
    return true;
}

static bool quick_structs_grow(struct isle__quick *quick)
{
    uint32_t capacity = quick->struct_capacity == 0 ? 8 : quick->struct_capacity * 4;
    if (capacity > UINT32_MAX / 8)
        return false;
    struct isle__quick_struct *structs = isle__memory_resize(
        quick->structs, quick->struct_capacity * sizeof(*structs), capacity * sizeof(*structs));
    if (structs == NULL)
        return false;
    quick->structs = structs;
    quick->struct_capacity = capacity;
    return quick_index_grow(quick); /* four slots to a struct at first, two at last */
}

bool isle__quick_object(struct isle__quick *quick, const isle_type *type, const void *source,
                        void **ret_dest)
{
    struct isle__chunk *chunk;
    if (quick->struct_count == quick->struct_capacity && !quick_structs_grow(quick))
        return false;
    uint32_t at = quick_index_place(quick, source);
    for (; quick->index[at] != 0; at = (at + 1) & (quick->index_size - 1)) {
        const struct isle__quick_struct *known = &quick->structs[quick->index[at] - 1];
        if (known->source == source && known->type == type) {
            *ret_dest = known->dest;
            return true;
        }
    }
    void *dest = isle__quick_bump(quick, type->size, &chunk);
    if (dest == NULL)
        return false;
    quick->structs[quick->struct_count++] = (struct isle__quick_struct){source, type, dest};
    quick->index[at] = quick->struct_count;
    *ret_dest = dest;
    return true;
}

void isle__quick_structs_fini(struct isle__quick *quick)
{
    isle__memory_free(quick->index, quick->index_size * sizeof(*quick->index));
    isle__memory_free(quick->structs, quick->struct_capacity * sizeof(*quick->structs));
}

/* --- copying */

static inline bool quick_string(struct isle__quick *quick, const char *source, char *dest)
{
    struct isle__chunk *chunk;
    const char *text;
    char *copied = NULL;
    memcpy(&text, source, sizeof(text));
    if (text != NULL) {
        size_t size = strlen(text) + 1;
        copied = isle__quick_bump(quick, size, &chunk);
        if (copied == NULL)
            return false;
        memcpy(copied, text, size);
    }
    memcpy(dest, &copied, sizeof(copied));
    return true;
}

static bool quick_strings(struct isle__quick *quick, const char *source, char *dest, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!quick_string(quick, source + i * sizeof(char *), dest + i * sizeof(char *)))
            return false;
    }
    return true;
}

static bool quick_elements(struct isle__quick *quick, const struct isle__quick_plan *plan,
                           const char *source, char *dest, size_t count, unsigned depth);

static bool quick_pointers(struct isle__quick *quick, const struct isle__quick_op *op,
                           const char *source, char *dest, size_t count, unsigned depth)
{
    const isle_type *type = op->field->type;
    struct isle__chunk *chunk;
    for (size_t i = 0; i < count; i++, source += sizeof(void *), dest += sizeof(void *)) {
        const void *from;
        void *to = NULL;
        memcpy(&from, source, sizeof(from));
        if (from != NULL && op->kind == ISLE_FIELD_KIND_OBJECT) {
            if (!isle__quick_object(quick, type, from, &to))
                return false;
        } else if (from != NULL) {
            const struct isle__quick_plan *plan = quick_plan(quick, type);
            to = plan == NULL ? NULL : isle__quick_bump(quick, type->size, &chunk);
            if (to == NULL || !quick_elements(quick, plan, from, to, 1, depth + 1))
                return false;
        }
        memcpy(dest, &to, sizeof(to));
    }
    return true;
}

static bool quick_values(struct isle__quick *quick, const char *source, char *dest, size_t count,
                         unsigned depth)
{
    for (size_t i = 0; i < count; i++, source += sizeof(isle_value), dest += sizeof(isle_value)) {
        isle_value value;
        memcpy(&value, source, sizeof(value));
        if (!isle__quick_slot(quick, value, &value, depth + 1))
            return false;
        memcpy(dest, &value, sizeof(value));
    }
    return true;
}

/* `count` elements of what an op leads to, from one place to another. */
static bool quick_op_elements(struct isle__quick *quick, const struct isle__quick_op *op,
                              const char *source, char *dest, size_t count, unsigned depth)
{
    switch (op->kind) {
    case ISLE_FIELD_KIND_STRING:
        return quick_strings(quick, source, dest, count);
    case ISLE_FIELD_KIND_VALUE:
        return quick_values(quick, source, dest, count, depth);
    case ISLE_FIELD_KIND_OBJECT:
    case ISLE_FIELD_KIND_OWNED:
        return quick_pointers(quick, op, source, dest, count, depth);
    case ISLE_FIELD_KIND_STRUCT: {
        const struct isle__quick_plan *plan = quick_plan(quick, op->field->type);
        return plan != NULL && quick_elements(quick, plan, source, dest, count, depth + 1);
    }
    default:
        memcpy(dest, source, count * op->size);
        return true;
    }
}

static bool quick_array(struct isle__quick *quick, const struct isle__quick_op *op,
                        const char *source, char *dest, unsigned depth)
{
    const char *array;
    char *copied = NULL;
    size_t count;
    struct isle__chunk *chunk;
    memcpy(&array, source + op->offset, sizeof(array));
    if (!isle__copy_count(source + op->count_offset, op->count_size, op->size, &count))
        return false;
    if (array != NULL && count != 0) {
        copied = isle__quick_bump(quick, count * op->size, &chunk);
        if (copied == NULL)
            return false;
    }
    memcpy(dest + op->offset, &copied, sizeof(copied));
    return copied == NULL || quick_op_elements(quick, op, array, copied, count, depth);
}

static inline bool quick_counted(struct isle__quick *quick, const struct isle__quick_op *op,
                                 const char *source, char *dest, unsigned depth)
{
    const char *none = NULL;
    uint32_t count;
    if (op->count_size == sizeof(count)) {
        memcpy(&count, source + op->count_offset, sizeof(count));
        memcpy(dest + op->count_offset, &count, sizeof(count));
        if (count == 0) {
            memcpy(dest + op->offset, &none, sizeof(none));
            return true;
        }
    } else {
        memcpy(dest + op->count_offset, source + op->count_offset, op->count_size);
    }
    return quick_array(quick, op, source, dest, depth);
}

/* What no field lists is zero already. */
static bool quick_struct(struct isle__quick *quick, const struct isle__quick_plan *plan,
                         const char *source, char *dest, unsigned depth)
{
    const struct isle__quick_op *op = plan->ops, *end = op + plan->count;
    for (; op != end; op++) {
        bool done = true;
        switch (op->code) {
        case ISLE__QUICK_WORD:
            memcpy(dest + op->offset, source + op->offset, 8);
            break;
        case ISLE__QUICK_BYTES:
            memcpy(dest + op->offset, source + op->offset, op->size);
            break;
        case ISLE__QUICK_STRING:
            done = quick_string(quick, source + op->offset, dest + op->offset);
            break;
        case ISLE__QUICK_COUNTED:
            done = quick_counted(quick, op, source, dest, depth);
            break;
        case ISLE__QUICK_INLINE:
            done = quick_op_elements(quick, op, source + op->offset, dest + op->offset, op->count,
                                     depth);
            break;
        }
        if (ISLE__UNLIKELY(!done))
            return false;
    }
    return true;
}

static bool quick_elements(struct isle__quick *quick, const struct isle__quick_plan *plan,
                           const char *source, char *dest, size_t count, unsigned depth)
{
    size_t size = plan->type->size;
    if (depth >= ISLE__QUICK_DEPTH)
        return false;
    if (!plan->whole)
        memset(dest, 0, count * size);
    for (; count > 0; count--, source += size, dest += size) {
        if (!quick_struct(quick, plan, source, dest, depth))
            return false;
    }
    return true;
}

bool isle__quick_structs(struct isle__quick *quick)
{
    while (quick->structs_done < quick->struct_count) {
        struct isle__quick_struct work = quick->structs[quick->structs_done++];
        const struct isle__quick_plan *plan = quick_plan(quick, work.type);
        if (plan == NULL || !quick_elements(quick, plan, work.source, work.dest, 1, 0))
            return false;
    }
    return true;
}
