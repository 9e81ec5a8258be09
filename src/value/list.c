/* SPDX-License-Identifier: Apache-2.0 */
/* Lists: a cell and one array of values in the same region, doubled when it is full. A fixed list
 * is born full and never grows. Also isle_count, which asks every kind that has a size.
 *
 * Law: every item was written through isle__written and is read through isle__read (cell.h). Room
 * is made before a value is copied, so that a throw leaves the list as it was. */
#include "value/cell.h"

#include <string.h>

#define LIST_COUNT_MAX                                                                             \
    (SIZE_MAX / 4 / sizeof(isle_value) < UINT32_MAX ? SIZE_MAX / 4 / sizeof(isle_value)            \
                                                    : UINT32_MAX)
#define LIST_FIRST_CAPACITY 4

static struct isle__list *list_new(struct isle__heap *heap)
{
    struct isle__region *region = &isle__scope_current(heap)->region;
    struct isle__list *list = isle__cell_new(heap, region, ISLE_LIST, sizeof(*list));

    list->count = 0;
    list->capacity = 0;
    list->items = NULL;
    list->identity = 0;
    return list;
}

static void list_grow(struct isle__heap *heap, struct isle__list *list, const char *function)
{
    size_t capacity = list->capacity == 0 ? LIST_FIRST_CAPACITY : (size_t)list->capacity * 2;
    isle_value *items;

    if (capacity > LIST_COUNT_MAX)
        isle__throw(ISLE_ERANGE, "%s: %zu entries are too many", function, capacity);
    items = isle__region_alloc(heap, &list->cell, capacity * sizeof(*items));
    if (list->count != 0)
        memcpy(items, list->items, list->count * sizeof(*items));
    if (list->items != NULL)
        isle__region_free(heap, &list->cell, list->items, list->capacity * sizeof(*items));
    list->items = items;
    list->capacity = (uint32_t)capacity;
}

/* isle__list_here of one that may be changed, with none of these flags. */
static inline struct isle__list *list_here_mutable(isle_value value, unsigned flags)
{
    struct isle__list *list = isle__list_here(value);
    if (list == NULL || (list->cell.flags & (flags | ISLE__CELL_UNMODIFIABLE)) != 0)
        return NULL;
    const struct isle__region *region = isle__region_of(&list->cell);
    bool is_ours =
        region != NULL && (region->kind == ISLE__REGION_SCOPE || region->kind == ISLE__REGION_KEPT);
    return is_ours ? list : NULL;
}

static void list_need_growable(const struct isle__list *list, const char *function)
{
    if ((list->cell.flags & ISLE__CELL_FIXED) != 0)
        isle__throw(ISLE_EUNSUPPORTED, "%s: the list has a fixed length", function);
}

static void list_need_index(const struct isle__list *list, const char *function, size_t index)
{
    if (index >= list->count)
        isle__throw(ISLE_ERANGE, "%s: index %zu of a list of %zu", function, index,
                    (size_t)list->count);
}

static void list_need_range(const struct isle__list *list, const char *function, size_t index,
                            size_t count)
{
    if (index > list->count || count > list->count - index)
        isle__throw(ISLE_ERANGE, "%s: %zu entries from index %zu on, of a list of %zu", function,
                    count, index, (size_t)list->count);
}

isle_value isle_list(void)
{
    return isle__value_of(list_new(isle__heap_need(__func__)));
}

isle_value isle_list_fixed(size_t count)
{
    struct isle__heap *heap = isle__heap_need(__func__);
    struct isle__list *list;

    if (count > LIST_COUNT_MAX)
        isle__throw(ISLE_ERANGE, "%s: %zu entries are too many", __func__, count);
    list = list_new(heap);
    list->cell.flags |= ISLE__CELL_FIXED;
    if (count != 0) {
        list->items = isle__region_alloc(heap, &list->cell, count * sizeof(*list->items));
        memset(list->items, 0, count * sizeof(*list->items));
    }
    list->count = (uint32_t)count;
    list->capacity = (uint32_t)count;
    return isle__value_of(list);
}

isle_value isle_list_of(const isle_value *values, size_t count)
{
    struct isle__heap *heap = isle__heap_need(__func__);
    if (values == NULL && count != 0)
        isle__throw(ISLE_EINVAL, "%s: values is NULL", __func__);
    isle_value list_value = isle_list_fixed(count);
    struct isle__list *list = (struct isle__list *)(void *)isle__cell_of(list_value);
    for (size_t i = 0; i < count; i++)
        list->items[i] = isle__written(heap, &list->cell, values[i]);
    return list_value;
}

void isle_list_read(isle_value list_value, size_t index, size_t count, isle_value *ret_values)
{
    struct isle__heap *heap = isle__heap_need(__func__);
    const struct isle__list *list = isle__need_kind(__func__, list_value, ISLE_LIST);
    if (ret_values == NULL && count != 0)
        isle__throw(ISLE_EINVAL, "%s: ret_values is NULL", __func__);
    list_need_range(list, __func__, index, count);
    const isle_value *items = list->items + (count == 0 ? 0 : index); /* there may be none */
    size_t bare = isle__bare_run(items, count);
    if (bare != 0)
        memcpy(ret_values, items, bare * sizeof(*items));
    for (size_t i = bare; i < count; i++)
        ret_values[i] = isle__read(heap, items[i]);
}

void isle_list_write(isle_value list_value, size_t index, size_t count, const isle_value *values)
{
    struct isle__heap *heap = isle__heap_need(__func__);
    const struct isle__list *list = isle__need_mutable(__func__, list_value, ISLE_LIST);
    if (values == NULL && count != 0)
        isle__throw(ISLE_EINVAL, "%s: values is NULL", __func__);
    list_need_range(list, __func__, index, count);
    isle_value *items = list->items + (count == 0 ? 0 : index); /* there may be none */
    size_t bare = isle__bare_run(values, count);
    if (bare != 0)
        memcpy(items, values, bare * sizeof(*items));
    for (size_t i = bare; i < count; i++)
        items[i] = isle__written(heap, &list->cell, values[i]);
}

/* What is not done quickly, and what is refused. */
static __attribute__((noinline)) void list_add(struct isle__heap *heap, isle_value list_value,
                                               isle_value value)
{
    struct isle__list *list = isle__need_mutable("isle_list_add", list_value, ISLE_LIST);
    list_need_growable(list, "isle_list_add");
    if (list->count == list->capacity)
        list_grow(heap, list, "isle_list_add");
    isle_value written = isle__written(heap, &list->cell, value);
    list->items[list->count] = written;
    list->count++;
}

void isle_list_add(isle_value list_value, isle_value value)
{
    struct isle__heap *heap = isle__heap_need(__func__);
    struct isle__list *list =
        isle__is_immediate(value) ? list_here_mutable(list_value, ISLE__CELL_FIXED) : NULL;
    if (list != NULL && list->count < list->capacity)
        list->items[list->count++] = value;
    else
        list_add(heap, list_value, value);
}

static __attribute__((noinline)) isle_value list_get(struct isle__heap *heap, isle_value list_value,
                                                     size_t index)
{
    const struct isle__list *list = isle__need_kind("isle_list_get", list_value, ISLE_LIST);
    list_need_index(list, "isle_list_get", index);
    return isle__read(heap, list->items[index]);
}

isle_value isle_list_get(isle_value list_value, size_t index)
{
    struct isle__heap *heap = isle__heap_need(__func__);
    const struct isle__list *list = isle__list_here(list_value);
    if (list != NULL && index < list->count)
        return isle__read(heap, list->items[index]);
    return list_get(heap, list_value, index);
}

static __attribute__((noinline)) void list_set(struct isle__heap *heap, isle_value list_value,
                                               size_t index, isle_value value)
{
    struct isle__list *list = isle__need_mutable("isle_list_set", list_value, ISLE_LIST);
    list_need_index(list, "isle_list_set", index);
    isle_value written = isle__written(heap, &list->cell, value);
    list->items[index] = written;
}

void isle_list_set(isle_value list_value, size_t index, isle_value value)
{
    struct isle__heap *heap = isle__heap_need(__func__);
    struct isle__list *list = isle__is_immediate(value) ? list_here_mutable(list_value, 0) : NULL;
    if (list != NULL && index < list->count)
        list->items[index] = value;
    else
        list_set(heap, list_value, index, value);
}

isle_value isle_list_remove_last(isle_value list_value)
{
    struct isle__heap *heap = isle__heap_need(__func__);
    struct isle__list *list = isle__need_mutable(__func__, list_value, ISLE_LIST);
    isle_value last;

    list_need_growable(list, __func__);
    if (list->count == 0)
        isle__throw(ISLE_ERANGE, "%s: the list is empty", __func__);
    last = isle__read(heap, list->items[list->count - 1]);
    list->count--;
    return last;
}

size_t isle_count(isle_value value)
{
    isle_value resolved = isle__resolve(value);
    struct isle__cell *cell;

    (void)isle__heap_need(__func__);
    cell = isle__is_immediate(resolved) ? NULL : isle__cell_of(resolved);
    switch (isle_kind_of(resolved)) {
    case ISLE_STRING:
        return ((struct isle__string *)cell)->size;
    case ISLE_BYTES:
        return ((struct isle__bytes *)cell)->size;
    case ISLE_LIST:
        return ((struct isle__list *)cell)->count;
    case ISLE_MAP:
    case ISLE_SET:
        return ((struct isle__map *)cell)->count;
    case ISLE_NULL:
    case ISLE_BOOL:
    case ISLE_INT:
    case ISLE_DOUBLE:
    case ISLE_SEND_PORT:
    case ISLE_CAPABILITY:
    case ISLE_ISOLATE:
    case ISLE_ERROR:
    case ISLE_FUNCTION:
    case ISLE_OBJECT:
    case ISLE_TRANSFERABLE:
    case ISLE_RESOURCE:
    case ISLE_POINTER:
        break;
    }
    isle__throw_kind(__func__, "a string, bytes, list, map or set", resolved);
}
