/* SPDX-License-Identifier: Apache-2.0 */
/* What moves instead of being copied: transferables and resources. Each is a cell that leads to one
 * counted thing outside all heaps.
 *
 * Law: a transferable's bytes are taken out by one atomic exchange over the whole program, and the
 * counted thing frees them at the end, taken or not. Only the owner of the value that has the
 * transfer fills the bytes; a send hands that right on. */
#include "value/cell.h"

#include <string.h>

#define TRANSFER_SIZE_MAX (SIZE_MAX / 4)

/* Memory is asked for in one size and given back in the same. */
static size_t transfer_data_size(size_t size)
{
    return size != 0 ? size : 1;
}

static void transfer_destroy(struct isle__shared *shared)
{
    struct isle__transfer *transfer = (struct isle__transfer *)shared;
    uint8_t *data = atomic_load_explicit(&transfer->data, memory_order_relaxed);

    if (data == NULL)
        data = transfer->materialized;
    if (transfer->under != NULL)
        isle__shared_unref(transfer->under);
    else if (transfer->release != NULL)
        transfer->release(data);
    else if (data != NULL)
        isle__memory_free(data, transfer_data_size(transfer->size));
    isle__memory_free(transfer, sizeof(*transfer));
}

/* One reference, the caller's; NULL: out of memory. */
static struct isle__transfer *transfer_new(uint8_t *data, size_t size, void (*release)(void *))
{
    struct isle__transfer *transfer = isle__memory_alloc(sizeof(*transfer));

    if (transfer == NULL)
        return NULL;
    atomic_init(&transfer->shared.references, 1);
    transfer->shared.size = size;
    transfer->shared.destroy = transfer_destroy;
    atomic_init(&transfer->data, data);
    transfer->materialized = NULL;
    transfer->size = size;
    transfer->release = release;
    transfer->under = NULL;
    return transfer;
}

struct isle__transfer *isle__transfer_within(uint8_t *data, size_t size, struct isle__shared *under)
{
    struct isle__transfer *transfer = transfer_new(data, size, NULL);

    if (transfer != NULL)
        transfer->under = under;
    else if (under != NULL)
        isle__shared_unref(under);
    else
        isle__memory_free(data, transfer_data_size(size));
    return transfer;
}

static struct isle__transferable_cell *transfer_try_cell(struct isle__heap *heap,
                                                         struct isle__scope *scope)
{
    struct isle__transferable_cell *cell =
        isle__cell_try_new(heap, &scope->region, ISLE_TRANSFERABLE, sizeof(*cell));

    if (cell != NULL) {
        cell->transfer = NULL;
        cell->hold = NULL;
        cell->identity = 0;
    }
    return cell;
}

isle_value isle__transferable_of(struct isle__heap *heap, struct isle__transfer *transfer)
{
    struct isle__scope *scope = isle__scope_current(heap);
    struct isle__transferable_cell *cell = transfer_try_cell(heap, scope);

    if (cell == NULL) {
        isle__shared_unref(&transfer->shared);
        isle__throw(ISLE_ENOMEM, "isle__transferable_of");
    }
    cell->hold = isle__scope_hold(scope, &transfer->shared);
    cell->transfer = transfer;
    return isle__value_of(cell);
}

isle_value isle_transferable(size_t size)
{
    struct isle__heap *heap = isle__heap_need(__func__);
    struct isle__scope *scope = isle__scope_current(heap);
    struct isle__transferable_cell *cell;
    struct isle__transfer *transfer;
    uint8_t *data;

    if (size > TRANSFER_SIZE_MAX)
        isle__throw(ISLE_ERANGE, "%s: %zu bytes are too many", __func__, size);
    cell = transfer_try_cell(heap, scope);
    transfer = cell != NULL ? transfer_new(NULL, size, NULL) : NULL;
    if (transfer == NULL)
        isle__throw(ISLE_ENOMEM, "%s: no memory for %zu bytes", __func__, size);
    /* The limit is asked before the memory is touched. */
    data = isle__hold_admit(heap, &transfer->shared) ? isle__memory_alloc(transfer_data_size(size))
                                                     : NULL;
    if (data == NULL) {
        isle__shared_unref(&transfer->shared);
        isle__throw(ISLE_ENOMEM, "%s: no memory for %zu bytes", __func__, size);
    }
    memset(data, 0, transfer_data_size(size));
    atomic_store_explicit(&transfer->data, data, memory_order_relaxed);
    cell->hold = isle__scope_hold(scope, &transfer->shared);
    cell->transfer = transfer;
    return isle__value_of(cell);
}

isle_value isle_transferable_adopt(void *data, size_t size, void (*release)(void *data))
{
    struct isle__heap *heap = isle__heap_need(__func__);
    struct isle__scope *scope = heap->frame != NULL ? heap->frame->scope : NULL;
    struct isle__transferable_cell *cell = NULL;
    struct isle__transfer *transfer = NULL;

    if (release == NULL)
        isle__throw(ISLE_EINVAL, "%s: release is NULL", __func__);
    if (data == NULL) {
        release(data);
        isle__throw(ISLE_EINVAL, "%s: data is NULL", __func__);
    }
    if (size <= TRANSFER_SIZE_MAX && scope != NULL)
        cell = transfer_try_cell(heap, scope);
    if (cell != NULL)
        transfer = transfer_new(data, size, release);
    if (transfer == NULL) {
        release(data);
        (void)isle__scope_current(heap);
        isle__throw(ISLE_ENOMEM, "%s: no memory for %zu bytes", __func__, size);
    }
    cell->hold = isle__scope_hold(scope, &transfer->shared);
    cell->transfer = transfer;
    return isle__value_of(cell);
}

/* The transfer of a value that still has its bytes. */
static struct isle__transfer *transfer_need(const char *function, isle_value value)
{
    struct isle__transferable_cell *cell = isle__need_kind(function, value, ISLE_TRANSFERABLE);

    if (cell->transfer == NULL)
        isle__throw(ISLE_EUSED, "%s: the transferable was sent away", function);
    if (atomic_load_explicit(&cell->transfer->data, memory_order_acquire) == NULL)
        isle__throw(ISLE_EUSED, "%s: transferable already materialized", function);
    return cell->transfer;
}

void *isle_transferable_data(isle_value transferable)
{
    (void)isle__heap_need(__func__);
    return atomic_load_explicit(&transfer_need(__func__, transferable)->data, memory_order_acquire);
}

isle_value isle_materialize(isle_value transferable)
{
    struct isle__heap *heap = isle__heap_need(__func__);
    struct isle__transfer *transfer = transfer_need(__func__, transferable);
    isle_value bytes = isle__bytes_of_transfer(heap, transfer);

    if (isle_is_null(bytes))
        isle__throw(ISLE_EUSED, "%s: transferable already materialized", __func__);
    return bytes;
}

void isle__transferable_leave(struct isle__heap *heap, struct isle__transferable_cell *cell)
{
    struct isle__shared *shared = &cell->transfer->shared;

    if (cell->hold != NULL) {
        isle__hold_unlink(heap, cell->hold);
        cell->hold->shared = NULL;
    }
    cell->transfer = NULL;
    isle__shared_unref(shared);
}

static void descriptor_destroy(struct isle__shared *shared)
{
    struct isle__descriptor *descriptor = (struct isle__descriptor *)shared;

    if (descriptor->fd >= 0)
        isle__fd_close(descriptor->fd);
    isle__memory_free(descriptor, sizeof(*descriptor));
}

/* One reference, the caller's; NULL: out of memory. */
static struct isle__descriptor *descriptor_new(int fd)
{
    struct isle__descriptor *descriptor = isle__memory_alloc(sizeof(*descriptor));

    if (descriptor == NULL)
        return NULL;
    atomic_init(&descriptor->shared.references, 1);
    descriptor->shared.size = sizeof(*descriptor);
    descriptor->shared.destroy = descriptor_destroy;
    descriptor->fd = fd;
    return descriptor;
}

struct isle__resource_cell *isle__resource_new(struct isle__heap *heap, const char *function)
{
    struct isle__scope *scope = isle__scope_current(heap);
    struct isle__resource_cell *cell;
    struct isle__descriptor *descriptor;

    cell = isle__cell_new(heap, &scope->region, ISLE_RESOURCE, sizeof(*cell));
    cell->descriptor = NULL;
    cell->identity = 0;
    descriptor = descriptor_new(-1);
    if (descriptor == NULL)
        isle__throw(ISLE_ENOMEM, "%s: no memory", function);
    (void)isle__scope_hold(scope, &descriptor->shared);
    cell->descriptor = descriptor;
    return cell;
}

/* The descriptor takes fd last, when nothing can throw any more: until then it is the caller's. */
isle_value isle_resource(int fd)
{
    struct isle__heap *heap = isle__heap_need(__func__);
    struct isle__resource_cell *cell;

    if (fd < 0)
        isle__throw(ISLE_EINVAL, "%s: %d is no descriptor", __func__, fd);
    cell = isle__resource_new(heap, __func__);
    cell->descriptor->fd = fd;
    return isle__value_of(cell);
}

int isle_as_fd(isle_value resource)
{
    struct isle__resource_cell *cell;

    (void)isle__heap_need(__func__);
    cell = isle__need_kind(__func__, resource, ISLE_RESOURCE);
    if (cell->descriptor == NULL)
        isle__throw(ISLE_ECLOSED, "%s: the resource is closed", __func__);
    return cell->descriptor->fd;
}
