/* SPDX-License-Identifier: Apache-2.0 */
/* Handles: what isle_receive_port *, isle_future *, isle_timer * and isle_watch * are (handle.c).
 */
#ifndef ISLE_CORE_HANDLE_H
#define ISLE_CORE_HANDLE_H

#include <stdbool.h>
#include <stdint.h>

#include "isle/base.h"

struct isle__isolate;

enum isle__handle_kind {
    ISLE__HANDLE_PORT = 1,
    ISLE__HANDLE_FUTURE,
    ISLE__HANDLE_TIMER,
    ISLE__HANDLE_WATCH
};
struct isle__handle_entry {
    void *object; /* NULL: free */
    uint32_t generation;
    uint32_t link; /* of a free one: the next free one; else the kind */
};
struct isle__handle_table {
    struct isle__handle_entry *entries; /* by index - 1: a handle is never NULL */
    uint32_t capacity, free;            /* indices; 0: none */
    struct isle__handle_entry first;    /* the table of an isolate that has one thing only */
};

/* On 64-bit systems 24 bits of index and 32 of generation, on 32-bit ones 16 and 13. */
enum {
    ISLE__HANDLE_INDEX_BITS = sizeof(void *) == 8 ? 24 : 16,
    ISLE__HANDLE_GENERATION_BITS = sizeof(void *) == 8 ? 32 : 13
};
static inline uintptr_t isle__handle_pack(uint32_t index, uint32_t generation, uint32_t kind)
{
    return (uintptr_t)index | (uintptr_t)generation << ISLE__HANDLE_INDEX_BITS |
           (uintptr_t)kind << (ISLE__HANDLE_INDEX_BITS + ISLE__HANDLE_GENERATION_BITS);
}
static inline uint32_t isle__handle_index(const void *handle)
{
    return (uint32_t)((uintptr_t)handle & (((uintptr_t)1 << ISLE__HANDLE_INDEX_BITS) - 1));
}
/* The handle as a pointer; NULL: out of memory. */
void *isle__handle_open(struct isle__isolate *isolate, enum isle__handle_kind kind, void *object);
void isle__handle_close(struct isle__isolate *isolate, const void *handle);
/* The object, or NULL: stale, foreign, of another kind. */
static inline void *isle__handle_find(const struct isle__handle_table *table,
                                      enum isle__handle_kind kind, const void *handle)
{
    uintptr_t bits = (uintptr_t)handle;
    uint32_t index = isle__handle_index(handle);
    if (index - 1 >= table->capacity)
        return NULL;
    const struct isle__handle_entry *entry = &table->entries[index - 1];
    if (isle__handle_pack(index, entry->generation, (uint32_t)kind) != bits)
        return NULL;
    return entry->object; /* NULL if it was closed: the generation is raised when it opens again */
}
/* What has this index, from 1 to the capacity; NULL: nothing, or another kind. */
void *isle__handle_at(const struct isle__handle_table *table, enum isle__handle_kind kind,
                      uint32_t index);
bool isle__handles_have(const struct isle__handle_table *table, enum isle__handle_kind kind);
void isle__handles_fini(struct isle__isolate *isolate);

#endif
