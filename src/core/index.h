/* SPDX-License-Identifier: Apache-2.0 */
/* Indices: where something of an isolate's is, by a key of 64 bits (index.c). */
#ifndef ISLE_CORE_INDEX_H
#define ISLE_CORE_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "isle/base.h"

struct isle__index_entry {
    uint64_t key;
    uintptr_t value; /* 0: the entry is free */
};

struct isle__index { /* begins as zero */
    struct isle__index_entry *entries;
    size_t count, capacity; /* 0, or a power of two */
};

/* So many are looked through faster than an index is kept: its users begin with the next. */
enum { ISLE__INDEX_FEW = 16 };

/* 0: it is not there. */
uintptr_t isle__index_find(const struct isle__index *index, uint64_t key);
/* The value, which is not 0, in the place of an older one. False: out of memory, nothing has
 * changed; never so for a key that is there. */
ISLE_MUST_CHECK bool isle__index_put(struct isle__index *index, uint64_t key, uintptr_t value);
void isle__index_remove(struct isle__index *index, uint64_t key);
/* After removals: one that is nearly empty has less memory. False: out of memory, it has what it
 * had.
 */
bool isle__index_trim(struct isle__index *index);
void isle__index_fini(struct isle__index *index);         /* it is empty then, and has no memory */
size_t isle__index_size(const struct isle__index *index); /* bytes */

#endif
