/* SPDX-License-Identifier: Apache-2.0 */
/* Handles: what the pointers to ports, futures, timers and watches are. An index into the isolate's
 * table, a generation, and the kind, packed into a pointer that is never dereferenced; so a stale
 * one is found, and one of another isolate all but certainly (generations begin at random). An
 * entry whose generations are used up is retired. */
#include "core/handle.h"

#include <string.h>

#include "core/isolate.h"

enum { FREE_END = 0 };

/* Where the generations of a table begin: unpredictable between isolates, the same in a run that is
 * replayed. */
static uint32_t handles_start(const struct isle__isolate *isolate)
{
    uint64_t mixed = (isolate->id ^ isle__program.handle_key) * UINT64_C(0x9e3779b97f4a7c15);
    mixed = (mixed ^ mixed >> 29) * UINT64_C(0xbf58476d1ce4e5b9);
    return (uint32_t)(mixed >> 32) &
           (uint32_t)(((uint64_t)1 << (ISLE__HANDLE_GENERATION_BITS - 1)) - 1);
}

/* The first entry lies in the table itself; then there is memory for all. NULL: there is none. */
static struct isle__handle_entry *handles_memory(struct isle__isolate *isolate, size_t old,
                                                 size_t new)
{
    struct isle__handle_table *table = &isolate->handles;
    size_t old_size = old > 1 ? old * sizeof *table->entries : 0;
    size_t new_size = new * sizeof *table->entries;
    if (new == 1)
        return &table->first;
    if (!isle__heap_try_charge(&isolate->heap, new_size - old_size))
        return NULL;
    void *memory = isle__memory_resize(old > 1 ? table->entries : NULL, old_size, new_size);
    if (memory == NULL)
        isle__heap_discharge(&isolate->heap, new_size - old_size);
    else if (old == 1)
        memcpy(memory, &table->first, sizeof table->first);
    return memory;
}

static bool handles_grow(struct isle__isolate *isolate)
{
    const size_t most = ((size_t)1 << ISLE__HANDLE_INDEX_BITS) - 1;
    struct isle__handle_table *table = &isolate->handles;
    size_t old = table->capacity, new = old == 0 ? 1 : old == 1 ? 4 : old * 2;
    if (new > most)
        new = most;
    if (new == old)
        return false;
    struct isle__handle_entry *entries = handles_memory(isolate, old, new);
    if (entries == NULL)
        return false;
    memset(entries + old, 0, (new - old) * sizeof *entries);
    uint32_t start = handles_start(isolate);
    for (size_t index = new; index > old; index--) {
        entries[index - 1].generation = start;
        entries[index - 1].link = table->free;
        table->free = (uint32_t)index;
    }
    table->entries = entries;
    table->capacity = (uint32_t) new;
    return true;
}

void *isle__handle_open(struct isle__isolate *isolate, enum isle__handle_kind kind, void *object)
{
    struct isle__handle_table *table = &isolate->handles;
    if (table->free == FREE_END && !handles_grow(isolate))
        return NULL;
    uint32_t index = table->free;
    struct isle__handle_entry *entry = &table->entries[index - 1];
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
    uint32_t index = isle__handle_index(handle);
    if (index - 1 >= table->capacity)
        return;
    struct isle__handle_entry *entry = &table->entries[index - 1];
    if (entry->object == NULL || isle__handle_pack(index, entry->generation, entry->link) != bits)
        return;
    entry->object = NULL;
    if (entry->generation == (uint32_t)(((uint64_t)1 << ISLE__HANDLE_GENERATION_BITS) - 1))
        return;
    entry->link = table->free;
    table->free = index;
}

void *isle__handle_at(const struct isle__handle_table *table, enum isle__handle_kind kind,
                      uint32_t index)
{
    if (index - 1 >= table->capacity || table->entries == NULL)
        return NULL;
    const struct isle__handle_entry *entry = &table->entries[index - 1];
    return entry->link == (uint32_t)kind ? entry->object : NULL;
}

bool isle__handles_have(const struct isle__handle_table *table, enum isle__handle_kind kind)
{
    for (uint32_t index = table->capacity; index > 0; index--)
        if (isle__handle_at(table, kind, index) != NULL)
            return true;
    return false;
}

void isle__handles_fini(struct isle__isolate *isolate)
{
    struct isle__handle_table *table = &isolate->handles;
    size_t size = table->capacity > 1 ? table->capacity * sizeof *table->entries : 0;
    if (size > 0)
        isle__memory_free(table->entries, size);
    isle__heap_discharge(&isolate->heap, size);
    memset(table, 0, sizeof *table);
}
