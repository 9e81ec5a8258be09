/* SPDX-License-Identifier: Apache-2.0 */
/* Counted memory on top of malloc. There is one thread, so the count is a plain number. */
#include "platform/platform.h"

#include <stdlib.h>

static uint64_t memory_live;
static uint64_t memory_made, memory_failing;

static bool memory_refuses(void)
{
    memory_made++;
    return memory_failing != 0 && --memory_failing == 0;
}

void *isle__memory_alloc(size_t size)
{
    if (memory_refuses() || size > PTRDIFF_MAX)
        return NULL;
    void *memory = malloc(size != 0 ? size : 1);
    if (memory != NULL)
        memory_live += size;
    return memory;
}

void *isle__memory_resize(void *memory, size_t old_size, size_t new_size)
{
    if (memory_refuses() || new_size > PTRDIFF_MAX)
        return NULL;
    void *resized = realloc(memory, new_size != 0 ? new_size : 1);
    if (resized != NULL)
        memory_live += new_size - (memory != NULL ? old_size : 0);
    return resized;
}

void isle__memory_free(void *memory, size_t size)
{
    if (memory == NULL)
        return;
    free(memory);
    memory_live -= size;
}

bool isle__memory_populate(void *memory, size_t size)
{
    (void)memory;
    (void)size;
    return false;
}

uint64_t isle__memory_live(void)
{
    return memory_live;
}

uint64_t isle__memory_fail_at(uint64_t nth)
{
    uint64_t made = memory_made;
    memory_made = 0;
    memory_failing = nth;
    return made;
}
