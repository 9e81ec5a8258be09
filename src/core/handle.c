/* SPDX-License-Identifier: Apache-2.0 */
/* Handles: what the pointers to ports, futures, timers and watches are. An index into the isolate's
 * table, a generation, and the kind, packed into a pointer that is never dereferenced; so a stale
 * one is found, and one of another isolate all but certainly (generations begin at random). An
 * entry whose generations are used up is retired. */
#include "core/handle.h"

#include <string.h>

#include "core/isolate.h"

enum { FREE_END = 0 /* index 0 is never used: a handle is never NULL */ };

/* Where the generations of a table begin: unpredictable between isolates, the same in a run that is
 * replayed. */
static uint32_t handles_start(const struct isle__isolate *isolate)
{
    uint64_t mixed = (isolate->id ^ isle__program.handle_key) * UINT64_C(0x9e3779b97f4a7c15);
    mixed = (mixed ^ mixed >> 29) * UINT64_C(0xbf58476d1ce4e5b9);
    return (uint32_t)(mixed >> 32) &
           (uint32_t)(((uint64_t)1 << (ISLE__HANDLE_GENERATION_BITS - 1)) - 1);
}

static bool handles_grow(struct isle__isolate *isolate)
{
    struct isle__handle_table *table = &isolate->handles;
    size_t old = table->capacity, new = old == 0 ? 4 : old * 2;
    if (new > (size_t)1 << ISLE__HANDLE_INDEX_BITS)
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
    uint32_t start = handles_start(isolate);
    for (size_t i = new - 1; i >= (old == 0 ? 1 : old); i--) {
        table->entries[i].generation = start;
        table->entries[i].link = table->free;
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
    table->free = entry->link;
    entry->object = object;
    entry->link = kind;
    entry->generation++;
    return (void *)isle__handle_pack(index, entry->generation, kind);
}

void isle__handle_close(struct isle__isolate *isolate, const void *handle)
{
    struct isle__handle_table *table = &isolate->handles;
    uintptr_t bits = (uintptr_t)handle;
    uint32_t index = (uint32_t)(bits & (((uintptr_t)1 << ISLE__HANDLE_INDEX_BITS) - 1));
    if (index == 0 || index >= table->capacity)
        return;
    struct isle__handle_entry *entry = &table->entries[index];
    if (entry->object == NULL || isle__handle_pack(index, entry->generation, entry->link) != bits)
        return;
    entry->object = NULL;
    if (entry->generation == (uint32_t)(((uint64_t)1 << ISLE__HANDLE_GENERATION_BITS) - 1))
        return;
    entry->link = table->free;
    table->free = index;
}

void isle__handles_fini(struct isle__isolate *isolate)
{
    size_t size = isolate->handles.capacity * sizeof(struct isle__handle_entry);
    isle__memory_free(isolate->handles.entries, size);
    isle__heap_discharge(&isolate->heap, size);
    memset(&isolate->handles, 0, sizeof isolate->handles);
}
