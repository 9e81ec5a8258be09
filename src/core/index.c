/* SPDX-License-Identifier: Apache-2.0 */
/* Indices: open addressing with linear probing; who leaves has those that stood behind it move up,
 * so that a search ends at the first free entry.
 *
 * Law: an index says only where something is that its user can find without it as well. So it may
 * fail to grow: the user then drops it and walks. Its memory is the platform's; who charges for it
 * asks for its size. */
#include "core/index.h"

#include <string.h>

#include "platform/platform.h"

enum { INDEX_FIRST_CAPACITY = ISLE__INDEX_FEW * 4 };

static size_t index_home(const struct isle__index *index, uint64_t key)
{
    uint64_t mixed = (key ^ key >> 32) * UINT64_C(0x9e3779b97f4a7c15);
    return (size_t)(mixed >> 20) & (index->capacity - 1);
}

/* Where the key is, or the free entry where it would go. */
static size_t index_at(const struct isle__index *index, uint64_t key)
{
    size_t at = index_home(index, key);
    while (index->entries[at].value != 0 && index->entries[at].key != key)
        at = (at + 1) & (index->capacity - 1);
    return at;
}

uintptr_t isle__index_find(const struct isle__index *index, uint64_t key)
{
    return index->capacity == 0 ? 0 : index->entries[index_at(index, key)].value;
}

/* To a power of two that all have room in. */
static bool index_resize(struct isle__index *index, size_t capacity)
{
    struct isle__index old = *index;
    if (capacity > SIZE_MAX / 2 / sizeof *old.entries)
        return false;
    struct isle__index_entry *entries = isle__memory_alloc(capacity * sizeof *entries);
    if (entries == NULL)
        return false;
    memset(entries, 0, capacity * sizeof *entries);
    index->entries = entries;
    index->capacity = capacity;
    for (size_t i = 0; i < old.capacity; i++)
        if (old.entries[i].value != 0)
            entries[index_at(index, old.entries[i].key)] = old.entries[i];
    isle__memory_free(old.entries, isle__index_size(&old));
    return true;
}

static bool index_grow(struct isle__index *index)
{
    return index_resize(index, index->capacity == 0 ? INDEX_FIRST_CAPACITY : index->capacity * 2);
}

bool isle__index_trim(struct isle__index *index)
{
    if (index->capacity <= INDEX_FIRST_CAPACITY || index->count >= index->capacity / 8)
        return true;
    return index_resize(index, index->capacity / 4);
}

bool isle__index_put(struct isle__index *index, uint64_t key, uintptr_t value)
{
    bool is_new = isle__index_find(index, key) == 0;
    if (is_new && index->count >= index->capacity / 2 && !index_grow(index))
        return false;
    index->entries[index_at(index, key)] = (struct isle__index_entry){key, value};
    index->count += is_new ? 1 : 0;
    return true;
}

void isle__index_remove(struct isle__index *index, uint64_t key)
{
    if (isle__index_find(index, key) == 0)
        return;
    const size_t mask = index->capacity - 1;
    size_t free = index_at(index, key);
    index->entries[free].value = 0;
    index->count--;
    for (size_t at = (free + 1) & mask; index->entries[at].value != 0; at = (at + 1) & mask) {
        size_t way = (at - index_home(index, index->entries[at].key)) & mask;
        if (way < ((at - free) & mask))
            continue; /* its home lies behind the free entry */
        index->entries[free] = index->entries[at];
        index->entries[at].value = 0;
        free = at;
    }
}

void isle__index_fini(struct isle__index *index)
{
    isle__memory_free(index->entries, isle__index_size(index));
    *index = (struct isle__index){0};
}

size_t isle__index_size(const struct isle__index *index)
{
    return index->capacity * sizeof *index->entries;
}
