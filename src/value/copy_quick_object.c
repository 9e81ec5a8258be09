/* SPDX-License-Identifier: Apache-2.0 */
/* Structs of the program in the quick copier.
 *
 * How. What a type's fields want is worked out once a message, as a short plan: runs of bytes, and
 * places that lead on. First the bytes are copied, pointers and all, of a whole array of structs at
 * once; then each place that leads on is replaced in the copy, one field in all structs of the
 * array after the other. Structs with an identity (OBJECT fields, object values) stand in a list,
 * which is the work list as well, and, if they are many, in an index of their addresses; those
 * without (OWNED fields, counted arrays) are copied where they are met. A type with too long a
 * plan or with a place that is listed twice, a path of OWNED fields too deep (it may be a cycle),
 * an unsendable type or a count that cannot be is not for this way: it gives up, and copy_object.c
 * says what is wrong, if anything is.
 *
 * The laws are those of copy_object.c: what no field lists is not read and arrives zero; the
 * counter of an array travels with it. */
#include <string.h>

#include "value/copy_quick.h"

#define QUICK_INDEX_FIRST 64u /* a power of two, above twice ISLE__QUICK_STRUCTS */

/* --- plans */

/* False: there are too many. */
static bool quick_plan_run(struct isle__quick_plan *plan, size_t offset, size_t size)
{
    for (uint32_t i = 0; i < plan->run_count; i++) {
        struct isle__quick_run *run = &plan->runs[i];
        if (offset >= run->offset && offset + size <= run->offset + run->size)
            return true; /* a counter that is listed too, or counts two arrays */
        if (run->offset + run->size == offset) {
            run->size += (uint32_t)size;
            return true;
        }
    }
    if (plan->run_count == ISLE__QUICK_RUNS)
        return false;
    plan->runs[plan->run_count++] = (struct isle__quick_run){(uint32_t)offset, (uint32_t)size};
    return true;
}

static bool quick_plan_type(struct isle__quick_plan *plan, const isle_type *type, size_t offset);

static bool quick_leads(const isle_field *field)
{
    switch (field->kind) {
    case ISLE_FIELD_KIND_STRING:
    case ISLE_FIELD_KIND_OBJECT:
    case ISLE_FIELD_KIND_OWNED:
    case ISLE_FIELD_KIND_VALUE:
    case ISLE_FIELD_KIND_STRUCT:
        return true;
    default:
        return false;
    }
}

/* Whether a place that leads on is listed already: it is replaced once, by what the original had.
 */
static bool quick_plan_has(const struct isle__quick_plan *plan, size_t offset, size_t size)
{
    for (uint32_t i = 0; i < plan->lead_count; i++) {
        const struct isle__quick_lead *lead = &plan->leads[i];
        size_t whole = lead->counted ? sizeof(void *) : (size_t)lead->size * lead->count;
        if (offset < lead->offset + whole && lead->offset < offset + size)
            return true;
    }
    return false;
}

static bool quick_plan_field(struct isle__quick_plan *plan, const isle_field *field, size_t offset)
{
    bool counted = field->count_offset != SIZE_MAX;
    size_t at = offset + field->offset;
    if (!counted && field->kind == ISLE_FIELD_KIND_STRUCT)
        return field->count == 1 && quick_plan_type(plan, field->type, at);
    bool pointers = field->kind == ISLE_FIELD_KIND_OBJECT || field->kind == ISLE_FIELD_KIND_OWNED;
    size_t size = pointers ? sizeof(void *) : field->size;
    size_t whole = counted ? sizeof(void *) : size * field->count;
    if (!quick_plan_run(plan, at, whole) ||
        (counted && !quick_plan_run(plan, offset + field->count_offset, field->count_size)))
        return false;
    if (!counted && !quick_leads(field))
        return true;
    if (plan->lead_count == ISLE__QUICK_LEADS || size == 0 || size > UINT32_MAX ||
        quick_plan_has(plan, at, whole))
        return false;
    struct isle__quick_lead *lead = &plan->leads[plan->lead_count++];
    lead->kind = field->kind;
    lead->counted = counted;
    lead->offset = (uint32_t)at;
    lead->size = (uint32_t)size;
    lead->count = (uint32_t)field->count;
    lead->type = field->type;
    lead->plan = NULL;
    if (counted) {
        lead->counter_size = (uint8_t)field->count_size;
        lead->counter = (uint32_t)(offset + field->count_offset);
        lead->most = SIZE_MAX / 4 / size;
    }
    return true;
}

static bool quick_plan_type(struct isle__quick_plan *plan, const isle_type *type, size_t offset)
{
    if (type->unsendable || type->size > UINT32_MAX)
        return false;
    for (size_t i = 0; i < type->field_count; i++) {
        if (!quick_plan_field(plan, &type->fields[i], offset))
            return false;
    }
    return true;
}

/* NULL: not for the quick way. */
static struct isle__quick_plan *quick_plan(struct isle__quick *quick, const isle_type *type)
{
    for (uint32_t i = 0; i < quick->plan_count; i++) {
        if (quick->plans[i].type == type)
            return &quick->plans[i];
    }
    if (quick->plan_count == ISLE__QUICK_TYPES)
        return NULL;
    struct isle__quick_plan *plan = &quick->plans[quick->plan_count];
    plan->type = type;
    plan->size = type->size;
    plan->run_count = plan->lead_count = 0;
    if (!quick_plan_type(plan, type, 0))
        return NULL;
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

static ISLE__RARE bool quick_structs_grow(struct isle__quick *quick)
{
    uint32_t old = quick->struct_capacity, capacity = old * 4;
    if (capacity > UINT32_MAX / 8)
        return false;
    struct isle__quick_struct *structs;
    if (quick->structs == quick->first_structs) {
        structs = isle__memory_alloc(capacity * sizeof(*structs));
        if (structs != NULL)
            memcpy(structs, quick->structs, old * sizeof(*structs));
    } else {
        structs = isle__memory_resize(quick->structs, old * sizeof(*structs),
                                      capacity * sizeof(*structs));
    }
    if (structs == NULL)
        return false;
    quick->structs = structs;
    quick->struct_capacity = capacity;
    return quick_index_grow(quick); /* eight slots to a struct at first, two at last */
}

/* The struct that is known already; NULL: none. *ret_at is its place in the index, if there is one.
 */
static const struct isle__quick_struct *quick_known(const struct isle__quick *quick,
                                                    const isle_type *type, const void *source,
                                                    uint32_t *ret_at)
{
    if (quick->index_size == 0) {
        for (uint32_t i = 0; i < quick->struct_count; i++) {
            if (quick->structs[i].source == source && quick->structs[i].type == type)
                return &quick->structs[i];
        }
        return NULL;
    }
    uint32_t at = quick_index_place(quick, source);
    for (; quick->index[at] != 0; at = (at + 1) & (quick->index_size - 1)) {
        const struct isle__quick_struct *known = &quick->structs[quick->index[at] - 1];
        if (known->source == source && known->type == type)
            return known;
    }
    *ret_at = at;
    return NULL;
}

bool isle__quick_object(struct isle__quick *quick, const isle_type *type, const void *source,
                        void **ret_dest)
{
    uint32_t at = 0;
    if (quick->struct_count == quick->struct_capacity && !quick_structs_grow(quick))
        return false;
    const struct isle__quick_struct *known = quick_known(quick, type, source, &at);
    if (known != NULL) {
        *ret_dest = known->dest;
        return true;
    }
    void *dest = isle__quick_bump(quick, type->size);
    if (dest == NULL)
        return false;
    quick->structs[quick->struct_count++] = (struct isle__quick_struct){source, type, dest};
    if (quick->index_size != 0)
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

/* The next four: in the copy, `count` places that lie `stride` apart and have what the original
 * has. */
static bool quick_strings(struct isle__quick *quick, char *place, size_t stride, size_t count)
{
    for (; count > 0; count--, place += stride) {
        const char *text;
        memcpy(&text, place, sizeof(text));
        if (text == NULL)
            continue;
        size_t size = strlen(text) + 1;
        char *copied = isle__quick_bump(quick, size);
        if (copied == NULL)
            return false;
        memcpy(copied, text, size);
        memcpy(place, &copied, sizeof(copied));
    }
    return true;
}

static bool quick_objects(struct isle__quick *quick, const isle_type *type, char *place,
                          size_t stride, size_t count)
{
    for (; count > 0; count--, place += stride) {
        const void *source;
        void *copied;
        memcpy(&source, place, sizeof(source));
        if (source == NULL)
            continue;
        if (!isle__quick_object(quick, type, source, &copied))
            return false;
        memcpy(place, &copied, sizeof(copied));
    }
    return true;
}

static bool quick_values(struct isle__quick *quick, char *place, size_t stride, size_t count,
                         unsigned depth)
{
    for (; count > 0; count--, place += stride) {
        isle_value value;
        memcpy(&value, place, sizeof(value));
        if (!isle__quick_slot(quick, value, &value, depth + 1))
            return false;
        memcpy(place, &value, sizeof(value));
    }
    return true;
}

static bool quick_elements(struct isle__quick *quick, struct isle__quick_plan *plan,
                           const char *source, char *dest, size_t count, unsigned depth);

static bool quick_owned(struct isle__quick *quick, const isle_type *type, char *place,
                        size_t stride, size_t count, unsigned depth)
{
    for (; count > 0; count--, place += stride) {
        const char *source;
        memcpy(&source, place, sizeof(source));
        if (source == NULL)
            continue;
        struct isle__quick_plan *plan = quick_plan(quick, type);
        char *copied = plan == NULL ? NULL : isle__quick_bump(quick, plan->size);
        if (copied == NULL || !quick_elements(quick, plan, source, copied, 1, depth + 1))
            return false;
        memcpy(place, &copied, sizeof(copied));
    }
    return true;
}

static bool quick_places(struct isle__quick *quick, const struct isle__quick_lead *lead,
                         char *place, size_t stride, size_t count, unsigned depth)
{
    switch (lead->kind) {
    case ISLE_FIELD_KIND_STRING:
        return quick_strings(quick, place, stride, count);
    case ISLE_FIELD_KIND_VALUE:
        return quick_values(quick, place, stride, count, depth);
    case ISLE_FIELD_KIND_OBJECT:
        return quick_objects(quick, lead->type, place, stride, count);
    case ISLE_FIELD_KIND_OWNED:
        return quick_owned(quick, lead->type, place, stride, count, depth);
    default:
        return true;
    }
}

/* The elements of one counted array. */
static bool quick_array(struct isle__quick *quick, struct isle__quick_lead *lead,
                        const char *source, char *dest, size_t count, unsigned depth)
{
    if (lead->kind != ISLE_FIELD_KIND_STRUCT) {
        memcpy(dest, source, count * lead->size);
        return quick_places(quick, lead, dest, lead->size, count, depth);
    }
    if (lead->plan == NULL)
        lead->plan = quick_plan(quick, lead->type);
    return lead->plan != NULL && lead->plan->size == lead->size &&
           quick_elements(quick, lead->plan, source, dest, count, depth + 1);
}

/* False: no count that memory could have. */
static inline bool quick_counter(const struct isle__quick_lead *lead, const char *dest,
                                 size_t *ret_count)
{
    if (lead->counter_size != sizeof(*ret_count))
        return isle__copy_count(dest + lead->counter, lead->counter_size, lead->size, ret_count);
    memcpy(ret_count, dest + lead->counter, sizeof(*ret_count));
    return *ret_count <= lead->most;
}

/* In `count` structs of the copy, `size` apart, a pointer to a counted array. */
static bool quick_arrays(struct isle__quick *quick, struct isle__quick_lead *lead, char *dest,
                         size_t size, size_t count, unsigned depth)
{
    for (; count > 0; count--, dest += size) {
        const char *array;
        char *copied = NULL;
        size_t elements;
        memcpy(&array, dest + lead->offset, sizeof(array));
        if (!quick_counter(lead, dest, &elements))
            return false;
        if (array != NULL && elements != 0) {
            copied = isle__quick_bump(quick, elements * lead->size);
            if (copied == NULL || !quick_array(quick, lead, array, copied, elements, depth))
                return false;
        }
        memcpy(dest + lead->offset, &copied, sizeof(copied));
    }
    return true;
}

static bool quick_lead(struct isle__quick *quick, struct isle__quick_lead *lead, char *dest,
                       size_t size, size_t count, unsigned depth)
{
    if (lead->counted)
        return quick_arrays(quick, lead, dest, size, count, depth);
    dest += lead->offset;
    if (lead->count == 1)
        return quick_places(quick, lead, dest, size, count, depth);
    for (; count > 0; count--, dest += size) {
        if (!quick_places(quick, lead, dest, lead->size, lead->count, depth))
            return false;
    }
    return true;
}

static void quick_bytes(const struct isle__quick_plan *plan, const char *source, char *dest,
                        size_t count)
{
    size_t size = plan->size;
    if (plan->run_count == 1 && plan->runs[0].size == size) {
        memcpy(dest, source, count * size);
        return;
    }
    memset(dest, 0, count * size);
    for (; count > 0; count--, source += size, dest += size) {
        for (uint32_t i = 0; i < plan->run_count; i++)
            memcpy(dest + plan->runs[i].offset, source + plan->runs[i].offset, plan->runs[i].size);
    }
}

static bool quick_elements(struct isle__quick *quick, struct isle__quick_plan *plan,
                           const char *source, char *dest, size_t count, unsigned depth)
{
    if (depth >= ISLE__QUICK_DEPTH)
        return false;
    quick_bytes(plan, source, dest, count);
    for (uint32_t i = 0; i < plan->lead_count; i++) {
        if (!quick_lead(quick, &plan->leads[i], dest, plan->size, count, depth))
            return false;
    }
    return true;
}

bool isle__quick_structs(struct isle__quick *quick)
{
    while (quick->structs_done < quick->struct_count) {
        struct isle__quick_struct work = quick->structs[quick->structs_done++];
        struct isle__quick_plan *plan = quick_plan(quick, work.type);
        if (plan == NULL || !quick_elements(quick, plan, work.source, work.dest, 1, 0))
            return false;
    }
    return true;
}
