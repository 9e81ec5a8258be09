/* SPDX-License-Identifier: Apache-2.0 */
/* Handles: what the pointers to ports, futures, timers and watches are. An index into the isolate's
 * table, a generation, and the kind, packed into a pointer that is never dereferenced; so a stale
 * one is found, and one of another isolate all but certainly (generations begin at random). An
 * entry whose generations are used up is retired. */
#include "core/handle.h"

#include <string.h>

#include "core/isolate.h"

struct isle__handle_entry {
    void *object; /* NULL: free */
    uint32_t generation;
    uint32_t next_free;
    enum isle__handle_kind kind;
};

/* On 64-bit systems 24 bits of index and 32 of generation, on 32-bit ones 16 and 13. */
enum {
    INDEX_BITS = sizeof(void *) == 8 ? 24 : 16,
    GENERATION_BITS = sizeof(void *) == 8 ? 32 : 13,
    FREE_END = 0 /* index 0 is never used: a handle is never NULL */
};

static uintptr_t handle_pack(uint32_t index, uint32_t generation, enum isle__handle_kind kind)
{
    return (uintptr_t)index | (uintptr_t)generation << INDEX_BITS |
           (uintptr_t)kind << (INDEX_BITS + GENERATION_BITS);
}

static bool handles_grow(struct isle__isolate *isolate)
{
    struct isle__handle_table *table = &isolate->handles;
    size_t old = table->capacity, new = old == 0 ? 8 : old * 2;
    if (new > (size_t)1 << INDEX_BITS)
        return false;
    size_t entry = sizeof(struct isle__handle_entry);
    if (!isle__heap_try_charge(&isolate->heap, (new - old) * entry))
        return false;
    void *memory = isle__memory_resize(table->entries, old * entry, new *entry);
    if (memory == NULL) {
        isle__heap_discharge(&isolate->heap, (new - old) * entry);
        return false;
    }
    table->entries = memory;
    memset(table->entries + old, 0, (new - old) * entry);
    uint32_t start;
    isle__random_fill(&start, sizeof start);
    start &= (uint32_t)(((uint64_t)1 << (GENERATION_BITS - 1)) - 1);
    for (size_t i = new - 1; i >= (old == 0 ? 1 : old); i--) {
        table->entries[i].generation = start;
        table->entries[i].next_free = table->free;
        table->free = (uint32_t)i;
    }
    table->capacity = (uint32_t) new;
    return true;
}

void *isle__handle_open(struct isle__isolate *isolate, enum isle__handle_kind kind, void *object)
{
    struct isle__handle_table *table = &isolate->handles;
    if (table->free == FREE_END && !handles_grow(isolate))
        return NULL;
    uint32_t index = table->free;
    struct isle__handle_entry *entry = &table->entries[index];
    table->free = entry->next_free;
    entry->object = object;
    entry->kind = kind;
    entry->generation++;
    table->count++;
    return (void *)handle_pack(index, entry->generation, kind);
}

static struct isle__handle_entry *handle_entry(struct isle__isolate *isolate, const void *handle,
                                               uint32_t *ret_index)
{
    uintptr_t bits = (uintptr_t)handle;
    uint32_t index = (uint32_t)(bits & (((uintptr_t)1 << INDEX_BITS) - 1));
    if (index == 0 || index >= isolate->handles.capacity)
        return NULL;
    struct isle__handle_entry *entry = &isolate->handles.entries[index];
    if (entry->object == NULL || handle_pack(index, entry->generation, entry->kind) != bits)
        return NULL;
    *ret_index = index;
    return entry;
}

void isle__handle_close(struct isle__isolate *isolate, const void *handle)
{
    uint32_t index;
    struct isle__handle_entry *entry = handle_entry(isolate, handle, &index);
    if (entry == NULL)
        return;
    entry->object = NULL;
    isolate->handles.count--;
    if (entry->generation == (uint32_t)(((uint64_t)1 << GENERATION_BITS) - 1))
        return;
    entry->next_free = isolate->handles.free;
    isolate->handles.free = index;
}

void *isle__handle_find(struct isle__isolate *isolate, enum isle__handle_kind kind,
                        const void *handle)
{
    uint32_t index;
    struct isle__handle_entry *entry = handle_entry(isolate, handle, &index);
    return entry == NULL || entry->kind != kind ? NULL : entry->object;
}

void isle__handles_fini(struct isle__isolate *isolate)
{
    size_t size = isolate->handles.capacity * sizeof(struct isle__handle_entry);
    isle__memory_free(isolate->handles.entries, size);
    isle__heap_discharge(&isolate->heap, size);
    memset(&isolate->handles, 0, sizeof isolate->handles);
}
