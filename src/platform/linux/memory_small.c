/* SPDX-License-Identifier: Apache-2.0 */
/* Small blocks: slabs of 64 KiB, each cut into blocks of one size, without a header for each.
 *
 * A block finds its slab by its address. A slab that nobody has a block of any more serves any
 * size; up to SLABS_RESIDENT of those keep their pages, those of others go back to the system. What
 * was never given out is touched by nobody, and what is given out first lies in order.
 *
 * A process that has little is lean: each block is one of malloc's, which lie close together where
 * slabs would have a page of their own for each size. That is said before the first slab, for good.
 *
 * Laws:
 *   1. A size's slabs with room are in its list, under its lock; slabs of no size are under
 *      small_pool.lock, which is taken last.
 *   2. Address space is never given back: at most what was in use at once. */
#include "platform/linux/linux.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>

#define SLAB_SIZE ((size_t)64 * 1024)
#define SLAB_HEAD ((size_t)64)
#define SLABS_AT_ONCE 16u
#define SLABS_RESIDENT 64u
#define SLABS_GROWN 4u /* so many of a size: the next ones will be filled as well */
#define SMALL_LOCKS 8u

struct small_slab {
    struct small_slab *next, *previous; /* of its size, with room; or the next of no size */
    struct isle__memory_block *free;
    char *fresh; /* from here on nothing was given out yet */
    size_t size; /* of a block */
    uint32_t used;
    bool is_touched; /* its pages are there */
};
_Static_assert(sizeof(struct small_slab) <= SLAB_HEAD, "a slab's head fits before its blocks");

struct small_size {
    struct small_slab *slabs; /* with room */
    uint32_t count;           /* of slabs of this size, full ones as well */
};

static struct small_size small_sizes[ISLE__SMALL_SIZES];
static pthread_mutex_t small_locks[SMALL_LOCKS];
static struct {
    pthread_mutex_t lock;
    struct small_slab *resident, *empty; /* of no size; empty: without pages, or fresh */
    unsigned resident_count;
    char *fresh, *end; /* mapped, never used */
} small_pool = {.lock = PTHREAD_MUTEX_INITIALIZER};

static bool small_lean; /* written by the only thread of a process that begins */

void isle__memory_be_lean(void)
{
    small_lean = small_pool.end == NULL;
}

void isle__memory_small_start(void)
{
    for (unsigned i = 0; i < SMALL_LOCKS; i++)
        pthread_mutex_init(&small_locks[i], NULL);
}

static pthread_mutex_t *small_lock(unsigned at)
{
    return &small_locks[at % SMALL_LOCKS];
}

/* Under the pool's lock. */
static bool pool_map_some(size_t count)
{
    size_t size = SLAB_SIZE * count;
    char *memory =
        mmap(NULL, size + SLAB_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return false;
    size_t before = (SLAB_SIZE - ((uintptr_t)memory & (SLAB_SIZE - 1))) & (SLAB_SIZE - 1);
    if (before != 0)
        munmap(memory, before);
    if (before != SLAB_SIZE)
        munmap(memory + before + size, SLAB_SIZE - before);
    small_pool.fresh = memory + before;
    small_pool.end = memory + before + size;
    return true;
}

/* Near a limit of memory one by one. */
static bool pool_map(void)
{
    return pool_map_some(SLABS_AT_ONCE) || pool_map_some(1);
}

static struct small_slab *pool_take(void)
{
    struct small_slab *slab = NULL;
    pthread_mutex_lock(&small_pool.lock);
    if (small_pool.resident != NULL) {
        slab = small_pool.resident;
        small_pool.resident = slab->next;
        small_pool.resident_count--;
    } else if (small_pool.empty != NULL) {
        slab = small_pool.empty;
        small_pool.empty = slab->next;
    } else if (small_pool.fresh != small_pool.end || pool_map()) {
        slab = (struct small_slab *)(void *)small_pool.fresh;
        small_pool.fresh += SLAB_SIZE;
        slab->is_touched = false;
    }
    pthread_mutex_unlock(&small_pool.lock);
    return slab;
}

/* The page of its head stays, so that it can wait in a list. */
static void pool_put(struct small_slab *slab)
{
    pthread_mutex_lock(&small_pool.lock);
    bool stays = small_pool.resident_count < SLABS_RESIDENT;
    if (stays) {
        slab->next = small_pool.resident;
        small_pool.resident = slab;
        small_pool.resident_count++;
    }
    pthread_mutex_unlock(&small_pool.lock);
    if (stays)
        return;
    (void)madvise((char *)slab + ISLE__PAGE, SLAB_SIZE - ISLE__PAGE, MADV_DONTNEED);
    slab->is_touched = false;
    pthread_mutex_lock(&small_pool.lock);
    slab->next = small_pool.empty;
    small_pool.empty = slab;
    pthread_mutex_unlock(&small_pool.lock);
}

/* Under the size's lock. */
static void slab_link(struct small_size *size, struct small_slab *slab)
{
    slab->previous = NULL;
    slab->next = size->slabs;
    if (slab->next != NULL)
        slab->next->previous = slab;
    size->slabs = slab;
}

static void slab_unlink(struct small_size *size, struct small_slab *slab)
{
    if (slab->previous != NULL)
        slab->previous->next = slab->next;
    else
        size->slabs = slab->next;
    if (slab->next != NULL)
        slab->next->previous = slab->previous;
}

static bool slab_is_full(const struct small_slab *slab)
{
    return slab->free == NULL &&
           (size_t)((const char *)slab + SLAB_SIZE - slab->fresh) < slab->size;
}

/* Under the size's lock. A size of which there is much has all its pages at once: sixteen faults
 * cost more than that. */
static struct small_slab *slab_begin(struct small_size *size, size_t block_size)
{
    struct small_slab *slab = pool_take();
    if (slab == NULL)
        return NULL;
    if (size->count >= SLABS_GROWN && !slab->is_touched)
        slab->is_touched = isle__memory_populate(slab, SLAB_SIZE);
    slab->free = NULL;
    slab->fresh = (char *)slab + SLAB_HEAD;
    slab->size = block_size;
    slab->used = 0;
    slab_link(size, slab);
    size->count++;
    return slab;
}

static struct isle__memory_block *slab_take(struct small_slab *slab)
{
    struct isle__memory_block *block = slab->free;
    if (block != NULL) {
        slab->free = block->next;
    } else {
        block = (struct isle__memory_block *)(void *)slab->fresh;
        slab->fresh += slab->size;
    }
    slab->used++;
    return block;
}

/* Just one. */
static struct isle__memory_block *small_take_lean(size_t block_size, uint32_t *count)
{
    struct isle__memory_block *block = malloc(block_size);
    if (block != NULL)
        block->next = NULL;
    *count = block != NULL;
    return block;
}

struct isle__memory_block *isle__memory_small_take(unsigned at, size_t block_size, uint32_t *count)
{
    if (small_lean)
        return small_take_lean(block_size, count);
    struct small_size *size = &small_sizes[at];
    struct isle__memory_block *first = NULL, **last = &first;
    uint32_t taken = 0;
    pthread_mutex_lock(small_lock(at));
    for (; taken < *count; taken++) {
        struct small_slab *slab = size->slabs != NULL ? size->slabs : slab_begin(size, block_size);
        if (slab == NULL)
            break;
        *last = slab_take(slab);
        last = &(*last)->next;
        if (slab_is_full(slab))
            slab_unlink(size, slab);
    }
    pthread_mutex_unlock(small_lock(at));
    *last = NULL;
    *count = taken;
    return first;
}

/* The last slab of a size with room stays, so that one block to and fro is no slab to and fro. */
static void slab_put(struct small_size *size, struct isle__memory_block *block)
{
    struct small_slab *slab =
        (struct small_slab *)(void *)((char *)block - ((uintptr_t)block & (SLAB_SIZE - 1)));
    if (slab_is_full(slab))
        slab_link(size, slab);
    block->next = slab->free;
    slab->free = block;
    if (--slab->used > 0 || (size->slabs == slab && slab->next == NULL))
        return;
    slab_unlink(size, slab);
    size->count--;
    slab->is_touched = true;
    pool_put(slab);
}

static void small_put_lean(struct isle__memory_block *block)
{
    while (block != NULL) {
        struct isle__memory_block *next = block->next;
        free(block);
        block = next;
    }
}

void isle__memory_small_put(unsigned at, struct isle__memory_block *block)
{
    if (small_lean) {
        small_put_lean(block);
        return;
    }
    pthread_mutex_lock(small_lock(at));
    while (block != NULL) {
        struct isle__memory_block *next = block->next;
        slab_put(&small_sizes[at], block);
        block = next;
    }
    pthread_mutex_unlock(small_lock(at));
}

void isle__memory_small_lock(void)
{
    for (unsigned i = 0; i < SMALL_LOCKS; i++)
        pthread_mutex_lock(&small_locks[i]);
    pthread_mutex_lock(&small_pool.lock);
}

void isle__memory_small_unlock(void)
{
    pthread_mutex_unlock(&small_pool.lock);
    for (unsigned i = 0; i < SMALL_LOCKS; i++)
        pthread_mutex_unlock(&small_locks[i]);
}
