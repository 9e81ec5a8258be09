/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes and typed arrays: a window on a store. Views are further windows on the same store.
 *
 * Laws:
 *   - A store may have been moved by another of its views, so it is always asked for by
 *     isle__bytes_store. The window begins at a multiple of its element's size.
 *   - Bytes are frozen when their store is, wherever the window lies. */
#include "value/cell.h"

#include <string.h>

#define BYTES_SIZE_MAX (SIZE_MAX / 4)

size_t isle__element_size(isle_element element)
{
    switch (element) {
    case ISLE_U8:
    case ISLE_I8:
        return 1;
    case ISLE_U16:
    case ISLE_I16:
        return 2;
    case ISLE_U32:
    case ISLE_I32:
    case ISLE_F32:
        return 4;
    case ISLE_U64:
    case ISLE_I64:
    case ISLE_F64:
        return 8;
    }
    return 0;
}

struct isle__bytes *isle__bytes_window(struct isle__heap *heap, isle_element element,
                                       struct isle__store *store, size_t offset, size_t size)
{
    struct isle__region *region = &isle__scope_current(heap)->region;
    struct isle__bytes *bytes = isle__cell_new(heap, region, ISLE_BYTES, sizeof(*bytes));

    bytes->cell.element = (uint16_t)element;
    bytes->store = store;
    bytes->offset = offset;
    bytes->size = size;
    bytes->identity = 0;
    return bytes;
}

struct isle__store *isle__store_new(struct isle__heap *heap, const void *data, size_t size)
{
    struct isle__region *region = &isle__scope_current(heap)->region;
    struct isle__store *store =
        isle__cell_new(heap, region, (isle_kind)ISLE__KIND_STORE, sizeof(*store) + size);

    store->size = size;
    store->data = (uint8_t *)(store + 1);
    store->shared = NULL;
    if (data != NULL && size != 0)
        memcpy(store->data, data, size);
    else
        memset(store->data, 0, size);
    return store;
}

static isle_value bytes_make(const char *function, isle_element element, const void *data,
                             size_t size)
{
    struct isle__heap *heap = isle__heap_need(function);
    struct isle__store *store;

    if (size > BYTES_SIZE_MAX)
        isle__throw(ISLE_ERANGE, "%s: %zu bytes are too many", function, size);
    store = isle__store_new(heap, data, size);
    return isle__value_of(isle__bytes_window(heap, element, store, 0, size));
}

isle_value isle_bytes(const void *data, size_t size)
{
    return bytes_make(__func__, ISLE_U8, data, size);
}

isle_value isle_array(isle_element element, const void *data, size_t count)
{
    size_t element_size = isle__element_size(element);

    (void)isle__heap_need(__func__);
    if (element_size == 0)
        isle__throw(ISLE_EINVAL, "%s: no element has the number %d", __func__, (int)element);
    if (count > BYTES_SIZE_MAX / element_size)
        isle__throw(ISLE_ERANGE, "%s: %zu elements are too many", __func__, count);
    return bytes_make(__func__, element, data, count * element_size);
}

isle_value isle_bytes_view(isle_value value, size_t offset, size_t size)
{
    struct isle__heap *heap = isle__heap_need(__func__);
    struct isle__bytes *bytes = isle__need_kind(__func__, value, ISLE_BYTES), *view;
    isle_element element = (isle_element)bytes->cell.element;
    size_t element_size = isle__element_size(element);
    isle_value store;

    if (offset > bytes->size || size > bytes->size - offset)
        isle__throw(ISLE_ERANGE, "%s: %zu bytes at %zu of %zu", __func__, size, offset,
                    bytes->size);
    if (offset % element_size != 0 || size % element_size != 0)
        element = ISLE_U8;
    store = isle__read(heap, isle__value_of(bytes->store));
    view = isle__bytes_window(heap, element, (struct isle__store *)isle__cell_of(store),
                              bytes->offset + offset, size);
    view->cell.flags |= bytes->cell.flags & ISLE__CELL_UNMODIFIABLE;
    return isle__value_of(view);
}

const void *isle_as_bytes(isle_value value, size_t *ret_size)
{
    struct isle__bytes *bytes;

    (void)isle__heap_need(__func__);
    bytes = isle__need_kind(__func__, value, ISLE_BYTES);
    if (ret_size != NULL)
        *ret_size = bytes->size;
    return isle__bytes_store(bytes)->data + bytes->offset;
}

static const char *bytes_element_name(isle_element element)
{
    static const char *const names[] = {"u8",  "i8",  "u16", "i16", "u32",
                                        "i32", "u64", "i64", "f32", "f64"};

    return (size_t)element < sizeof(names) / sizeof(names[0]) ? names[element] : "unknown";
}

const void *isle_as_array(isle_value value, isle_element element, size_t *ret_count)
{
    struct isle__bytes *bytes;

    (void)isle__heap_need(__func__);
    bytes = isle__need_kind(__func__, value, ISLE_BYTES);
    if (bytes->cell.element != (uint16_t)element)
        isle__throw(ISLE_ETYPE, "%s: expected an array of %s, got one of %s", __func__,
                    bytes_element_name(element),
                    bytes_element_name((isle_element)bytes->cell.element));
    if (ret_count != NULL)
        *ret_count = bytes->size / isle__element_size(element);
    return isle__bytes_store(bytes)->data + bytes->offset;
}

void *isle_bytes_data(isle_value value)
{
    struct isle__bytes *bytes;
    struct isle__store *store;

    (void)isle__heap_need(__func__);
    bytes = isle__need_mutable(__func__, value, ISLE_BYTES);
    store = isle__bytes_store(bytes);
    if (isle__is_frozen_cell(&store->cell))
        isle__throw(ISLE_EUNSUPPORTED, "%s: the bytes are frozen", __func__);
    return store->data + bytes->offset;
}

isle_value isle__bytes_of_transfer(struct isle__heap *heap, struct isle__transfer *transfer)
{
    struct isle__scope *scope = isle__scope_current(heap);
    struct isle__store *store =
        isle__cell_new(heap, &scope->region, (isle_kind)ISLE__KIND_STORE, sizeof(*store));
    struct isle__bytes *bytes;
    uint8_t *data;

    store->size = transfer->size;
    store->data = NULL;
    store->shared = &transfer->shared;
    bytes = isle__bytes_window(heap, ISLE_U8, store, 0, transfer->size);
    isle__shared_ref(&transfer->shared);
    (void)isle__scope_hold(scope, &transfer->shared);
    /* Acquire: what the thread that filled the bytes wrote is seen, should a racing one have them.
     */
    data = atomic_exchange_explicit(&transfer->data, NULL, memory_order_acq_rel);
    if (data == NULL)
        return isle_null();
    transfer->materialized = data;
    store->data = data;
    return isle__value_of(bytes);
}

isle_value isle_freeze(isle_value value)
{
    struct isle__heap *heap = isle__heap_need(__func__);
    isle_value resolved = isle__resolve(value), root;
    struct isle__frozen *frozen;

    if (isle__is_immediate(resolved) || isle__is_frozen_cell(isle__cell_of(resolved)))
        return resolved;
    if (isle__frozen_make(heap, resolved, &frozen) != ISLE_OK)
        isle_throw(isle_last_error());
    root = frozen->root;
    (void)isle__scope_hold(isle__scope_current(heap), &frozen->shared);
    return root;
}

bool isle_is_frozen(isle_value value)
{
    isle_value resolved = isle__resolve(value);

    (void)isle__heap_need(__func__);
    return isle__is_immediate(resolved) || isle__is_frozen_cell(isle__cell_of(resolved));
}

size_t isle_frozen_size(isle_value value)
{
    isle_value resolved = isle__resolve(value);

    if (!isle_is_frozen(resolved))
        isle__throw(ISLE_EINVAL, "isle_frozen_size: the value is not frozen");
    if (isle__is_immediate(resolved))
        return 0;
    return isle__frozen_of(isle__region_of(isle__cell_of(resolved)))->shared.size;
}
