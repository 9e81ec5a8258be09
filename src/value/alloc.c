/* SPDX-License-Identifier: Apache-2.0 */
/* isle_alloc and isolate-local variables.
 *
 * Law: an address is believed only if the heap's table has it. So a foreign pointer, a second free
 * and the memory of another isolate are errors that are reported and never read through. The table
 * holds the headers by linear probing; removal shifts back, so there are no tombstones. */
#include <string.h>

#include "value/cell.h"

struct isle__allocation { /* 16 bytes before what the program has */
    _Alignas(16) size_t size;
};

struct isle__local_entry { /* a variable of this isolate; NULL: not asked for yet */
    void *memory;
    size_t size;
};
static _Atomic uint32_t local_slots; /* given out so far */

static size_t alloc_slot(const struct isle__heap *heap, const struct isle__allocation *allocation)
{
    uint64_t mixed = ((uintptr_t)allocation >> 4) * UINT64_C(0x9E3779B97F4A7C15);
    return (size_t)(mixed >> 32) & (heap->more->allocation_capacity - 1);
}

/* The slot that has it, or the empty one where it would go. */
static size_t alloc_find(const struct isle__heap *heap, const struct isle__allocation *allocation)
{
    size_t at = alloc_slot(heap, allocation);
    while (heap->more->allocations[at] != NULL && heap->more->allocations[at] != allocation)
        at = (at + 1) & (heap->more->allocation_capacity - 1);
    return at;
}

/* Makes room for one more. */
static bool alloc_reserve(struct isle__heap *heap)
{
    if (!isle__heap_more(heap))
        return false;
    struct isle__allocation **old = heap->more->allocations;
    size_t old_capacity = heap->more->allocation_capacity;
    if ((heap->more->allocation_count + 1) * 2 <= old_capacity)
        return true;
    size_t capacity = old_capacity == 0 ? 8 : old_capacity * 2;
    size_t size = capacity * sizeof(*old);
    if (!isle__heap_try_charge(heap, size))
        return false;
    struct isle__allocation **table = isle__memory_alloc(size);
    if (table == NULL) {
        isle__heap_discharge(heap, size);
        return false;
    }
    memset(table, 0, size);
    heap->more->allocations = table;
    heap->more->allocation_capacity = capacity;
    for (size_t i = 0; i < old_capacity; i++) {
        if (old[i] != NULL)
            table[alloc_find(heap, old[i])] = old[i];
    }
    isle__memory_free(old, old_capacity * sizeof(*old));
    isle__heap_discharge(heap, old_capacity * sizeof(*old));
    return true;
}

static void alloc_remove(struct isle__heap *heap, size_t at)
{
    size_t mask = heap->more->allocation_capacity - 1;
    size_t hole = at;
    for (size_t i = (at + 1) & mask; heap->more->allocations[i] != NULL; i = (i + 1) & mask) {
        size_t home = alloc_slot(heap, heap->more->allocations[i]);
        if (((i - home) & mask) >= ((i - hole) & mask)) {
            heap->more->allocations[hole] = heap->more->allocations[i];
            hole = i;
        }
    }
    heap->more->allocations[hole] = NULL;
    heap->more->allocation_count--;
}

static struct isle__allocation *alloc_make(struct isle__heap *heap, size_t size)
{
    size_t whole = sizeof(struct isle__allocation) + size;
    if (whole < size || !alloc_reserve(heap) || !isle__heap_try_charge(heap, whole))
        return NULL;
    struct isle__allocation *allocation = isle__memory_alloc(whole);
    if (allocation == NULL) {
        isle__heap_discharge(heap, whole);
        return NULL;
    }
    memset(allocation, 0, whole);
    allocation->size = size;
    return allocation;
}

static void alloc_enter(struct isle__heap *heap, struct isle__allocation *allocation)
{
    heap->more->allocations[alloc_find(heap, allocation)] = allocation;
    heap->more->allocation_count++;
}

static void alloc_free(struct isle__heap *heap, struct isle__allocation *allocation)
{
    size_t whole = sizeof(*allocation) + allocation->size;
    isle__memory_free(allocation, whole);
    isle__heap_discharge(heap, whole);
}

/* The slot of a pointer that the program gives back. */
static size_t alloc_need(struct isle__heap *heap, const char *function, void *pointer)
{
    struct isle__allocation *allocation = (struct isle__allocation *)pointer - 1;
    size_t at = heap->more->allocation_capacity == 0 ? 0 : alloc_find(heap, allocation);
    if (heap->more->allocation_capacity == 0 || heap->more->allocations[at] == NULL)
        isle__throw(ISLE_EINVAL, "%s: %p is not memory of this isolate", function, pointer);
    return at;
}

void *isle_alloc(size_t size)
{
    struct isle__heap *heap = isle__heap_need("isle_alloc");
    struct isle__allocation *allocation = alloc_make(heap, size);
    if (allocation == NULL)
        isle__throw(ISLE_ENOMEM, "isle_alloc");
    alloc_enter(heap, allocation);
    return allocation + 1;
}

void *isle_realloc(void *pointer, size_t size)
{
    struct isle__heap *heap = isle__heap_need("isle_realloc");
    if (pointer == NULL)
        return isle_alloc(size);
    size_t at = alloc_need(heap, "isle_realloc", pointer);
    struct isle__allocation *old = heap->more->allocations[at];
    size_t old_size = old->size;
    size_t header = sizeof(*old);
    if (size > SIZE_MAX - header ||
        (size > old_size && !isle__heap_try_charge(heap, size - old_size)))
        isle__throw(ISLE_ENOMEM, "isle_realloc");
    struct isle__allocation *allocation =
        isle__memory_resize(old, header + old_size, header + size);
    if (allocation == NULL) {
        if (size > old_size)
            isle__heap_discharge(heap, size - old_size);
        isle__throw(ISLE_ENOMEM, "isle_realloc");
    }
    if (size < old_size)
        isle__heap_discharge(heap, old_size - size);
    else
        memset((char *)(allocation + 1) + old_size, 0, size - old_size);
    allocation->size = size;
    alloc_remove(heap, at);
    alloc_enter(heap, allocation);
    return allocation + 1;
}

void isle_free(void *pointer)
{
    if (pointer == NULL)
        return;
    struct isle__heap *heap = isle__heap_need("isle_free");
    size_t at = alloc_need(heap, "isle_free", pointer);
    struct isle__allocation *allocation = heap->more->allocations[at];
    alloc_remove(heap, at);
    alloc_free(heap, allocation);
}

/* Any thread may be the first to ask for a variable; whoever loses the exchange has wasted one
 * number. */
static uint32_t local_slot(isle_local *local)
{
    uint32_t slot = __atomic_load_n(&local->slot, __ATOMIC_RELAXED);
    if (slot != 0)
        return slot;
    uint32_t fresh = 1 + atomic_fetch_add_explicit(&local_slots, 1, memory_order_relaxed);
    if (__atomic_compare_exchange_n(&local->slot, &slot, fresh, false, __ATOMIC_RELAXED,
                                    __ATOMIC_RELAXED))
        return fresh;
    return slot;
}

/* Makes room for the variable of that number. */
static void locals_reserve(struct isle__heap *heap, size_t at)
{
    if (at < heap->more->local_count)
        return;
    if (!isle__heap_more(heap))
        isle__throw(ISLE_ENOMEM, "isle__local");
    size_t old = heap->more->local_count * sizeof(struct isle__local_entry);
    size_t count = (at + 2) & ~(size_t)1;
    size_t size = count * sizeof(struct isle__local_entry);
    isle__heap_charge(heap, size - old);
    struct isle__local_entry *locals = isle__memory_resize(heap->more->locals, old, size);
    if (locals == NULL) {
        isle__heap_discharge(heap, size - old);
        isle__throw(ISLE_ENOMEM, "isle__local");
    }
    memset((unsigned char *)locals + old, 0, size - old);
    heap->more->locals = locals;
    heap->more->local_count = count;
}

static ISLE__RARE void *local_make(struct isle__heap *heap, isle_local *local)
{
    if (local == NULL)
        isle__throw(ISLE_EINVAL, "isle__local: NULL");
    size_t at = local_slot(local) - 1;
    locals_reserve(heap, at);
    struct isle__local_entry *entry = &heap->more->locals[at];
    isle__heap_charge(heap, local->size);
    void *memory = isle__memory_alloc(local->size);
    if (memory == NULL) {
        isle__heap_discharge(heap, local->size);
        isle__throw(ISLE_ENOMEM, "isle__local");
    }
    memset(memory, 0, local->size);
    *entry = (struct isle__local_entry){memory, local->size};
    return memory;
}

/* Programs ask for their variables at each access. */
void *isle__local(isle_local *local)
{
    const struct isle__heap *heap = isle__heap_need("isle_local");
    uint32_t slot = local == NULL ? 0 : __atomic_load_n(&local->slot, __ATOMIC_RELAXED);
    if (slot != 0 && slot <= heap->more->local_count && heap->more->locals[slot - 1].memory != NULL)
        return heap->more->locals[slot - 1].memory;
    return local_make(isle__heap_need("isle_local"), local);
}

void *isle__local_find(const isle_local *local)
{
    const struct isle__heap *heap = isle__heap_current();
    uint32_t slot = __atomic_load_n(&local->slot, __ATOMIC_RELAXED);
    if (ISLE__UNLIKELY(atomic_load_explicit(&isle__forked, memory_order_relaxed) || heap == NULL ||
                       heap->frame == NULL))
        return NULL;
    bool is_used = slot != 0 && slot <= heap->more->local_count;
    return is_used ? heap->more->locals[slot - 1].memory : NULL;
}

static void locals_free(struct isle__heap *heap)
{
    for (size_t i = 0; i < heap->more->local_count; i++) {
        struct isle__local_entry *entry = &heap->more->locals[i];
        if (entry->memory == NULL)
            continue;
        isle__memory_free(entry->memory, entry->size);
        isle__heap_discharge(heap, entry->size);
    }
    size_t size = heap->more->local_count * sizeof(struct isle__local_entry);
    isle__memory_free(heap->more->locals, size);
    isle__heap_discharge(heap, size);
    heap->more->locals = NULL;
    heap->more->local_count = 0;
}

void isle__allocations_free(struct isle__heap *heap)
{
    for (size_t i = 0; i < heap->more->allocation_capacity; i++) {
        if (heap->more->allocations[i] != NULL)
            alloc_free(heap, heap->more->allocations[i]);
    }
    if (heap->more == &isle__heap_none)
        return;
    size_t size = heap->more->allocation_capacity * sizeof(*heap->more->allocations);
    isle__memory_free(heap->more->allocations, size);
    isle__heap_discharge(heap, size);
    heap->more->allocations = NULL;
    heap->more->allocation_capacity = heap->more->allocation_count = 0;
    locals_free(heap);
}
