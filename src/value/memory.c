/* SPDX-License-Identifier: Apache-2.0 */
/* Memory of scopes, and cells in any region.
 *
 * A scope is bumped: its first chunk is small, the next ones double up to 64 KiB, and what would
 * waste much of one gets a chunk of its own behind the one that is bumped. Nothing in it is freed
 * before the scope. A kept cell is a block of its own; its tables are allocated singly, except
 * those that were copied into the block with it, which go with the block. */
#include <string.h>

#include "value/cell.h"

#define MEMORY_CHUNK_FIRST ((size_t)1024)
#define MEMORY_CHUNK_MAX ((size_t)64 * 1024)

static size_t memory_round(size_t size)
{
    return (size + 15) & ~(size_t)15;
}

static struct isle__chunk *memory_chunk_new(struct isle__scope *scope, size_t size)
{
    struct isle__heap *heap = scope->region.heap;
    if (!isle__heap_try_charge(heap, size))
        return NULL;
    struct isle__chunk *chunk = isle__memory_alloc(size);
    if (chunk == NULL) {
        isle__heap_discharge(heap, size);
        return NULL;
    }
    chunk->region = &scope->region;
    chunk->next = NULL;
    chunk->size = size;
    chunk->used = sizeof(*chunk);
    scope->charged += size;
    return chunk;
}

static inline void *memory_bump(struct isle__chunk *chunk, size_t size)
{
    void *memory = (char *)chunk + chunk->used;
    chunk->used += size;
    return memory;
}

void *isle__scope_try_alloc(struct isle__scope *scope, size_t size)
{
    struct isle__chunk *head = scope->chunks;
    if (size > SIZE_MAX / 2)
        return NULL;
    size = memory_round(size);
    if (head != NULL && size <= head->size - head->used)
        return memory_bump(head, size);
    size_t whole = sizeof(*head) + size;
    size_t usual = head == NULL ? MEMORY_CHUNK_FIRST : head->size * 2;
    if (usual < MEMORY_CHUNK_FIRST)
        usual = MEMORY_CHUNK_FIRST;
    if (usual > MEMORY_CHUNK_MAX)
        usual = MEMORY_CHUNK_MAX;
    bool single = head != NULL && whole > usual / 4 && head->size - head->used > usual / 16;
    struct isle__chunk *chunk = memory_chunk_new(scope, single || whole > usual ? whole : usual);
    if (chunk == NULL && whole < usual)
        chunk = memory_chunk_new(scope, whole);
    if (chunk == NULL)
        return NULL;
    if (single) {
        chunk->next = head->next;
        head->next = chunk;
    } else {
        chunk->next = head;
        scope->chunks = chunk;
    }
    return memory_bump(chunk, size);
}

void *isle__scope_alloc(struct isle__scope *scope, size_t size)
{
    void *memory = isle__scope_try_alloc(scope, size);
    if (memory == NULL)
        isle__throw(ISLE_ENOMEM, "isle__scope_alloc");
    return memory;
}

/* The chunk that a scope's cell lies in, right after it was bumped: the first or the second of the
 * list. */
static struct isle__chunk *memory_chunk_around(struct isle__scope *scope, const void *memory)
{
    struct isle__chunk *chunk = scope->chunks;
    uintptr_t at = (uintptr_t)memory, begin = (uintptr_t)chunk;
    return at > begin && at < begin + chunk->size ? chunk : chunk->next;
}

static inline struct isle__cell *memory_cell_init(struct isle__cell *cell,
                                                  struct isle__chunk *chunk, isle_kind kind)
{
    cell->kind = (uint8_t)kind;
    cell->flags = 0;
    cell->element = 0;
    cell->offset = (uint32_t)(((uintptr_t)cell - (uintptr_t)chunk) / 16);
    return cell;
}

static struct isle__cell *memory_kept_cell(struct isle__heap *heap, isle_kind kind, size_t size)
{
    struct isle__kept *block = isle__kept_new(heap, size);
    if (block == NULL)
        return NULL;
    isle__kept_link(heap, block);
    struct isle__cell *cell = isle__chunk_first_cell(&block->chunk);
    memset(cell, 0, size); /* the collector may look before the caller has filled it in */
    return memory_cell_init(cell, &block->chunk, kind);
}

void *isle__cell_try_new(struct isle__heap *heap, struct isle__region *region, isle_kind kind,
                         size_t size)
{
    if (region->kind == ISLE__REGION_KEPT)
        return memory_kept_cell(heap, kind, size);
    struct isle__scope *scope = (struct isle__scope *)region;
    struct isle__chunk *head = scope->chunks;
    if (head != NULL && size <= (head->size - head->used) / 16 * 16)
        return memory_cell_init(memory_bump(head, memory_round(size)), head, kind);
    struct isle__cell *cell = isle__scope_try_alloc(scope, size);
    return cell == NULL ? NULL : memory_cell_init(cell, memory_chunk_around(scope, cell), kind);
}

void *isle__cell_new(struct isle__heap *heap, struct isle__region *region, isle_kind kind,
                     size_t size)
{
    void *cell = isle__cell_try_new(heap, region, kind, size);
    if (cell == NULL)
        isle__throw(ISLE_ENOMEM, "isle__cell_new");
    return cell;
}

void *isle__region_alloc(struct isle__heap *heap, const struct isle__cell *owner, size_t size)
{
    struct isle__region *region = isle__region_of(owner);
    if (region->kind == ISLE__REGION_SCOPE)
        return isle__scope_alloc((struct isle__scope *)region, size);
    void *table = NULL;
    if (isle__heap_try_charge(heap, size)) {
        table = isle__memory_alloc(size);
        if (table == NULL)
            isle__heap_discharge(heap, size);
    }
    if (table == NULL)
        isle__throw(ISLE_ENOMEM, "isle__region_alloc");
    heap->kept_size += size;
    return table;
}

void isle__region_free(struct isle__heap *heap, const struct isle__cell *owner, void *table,
                       size_t size)
{
    struct isle__chunk *chunk = isle__chunk_of(owner);
    uintptr_t at = (uintptr_t)table, begin = (uintptr_t)chunk;
    if (table == NULL || chunk->region->kind != ISLE__REGION_KEPT)
        return;
    if (at >= begin && at < begin + chunk->size)
        return;
    heap->kept_size -= size;
    isle__memory_free(table, size);
    isle__heap_discharge(heap, size);
}
