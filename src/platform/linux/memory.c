/* SPDX-License-Identifier: Apache-2.0 */
/* Counted memory: caches in front of slabs (memory_small.c), malloc and mappings.
 *
 * Sizes up to MEMORY_MIDDLE_MAX are rounded up to a class: steps of 16 bytes up to 1 KiB, then four
 * to each doubling; the former come from slabs, the latter from malloc. A thread keeps blocks that
 * it freed in bins of its own, one a class; a bin that overflows gives a batch to the depot, which
 * all threads share, and an empty one takes a batch from there: what one thread allocates and
 * another frees goes round like that. Larger blocks are mappings of their own (memory_large.c).
 * Under the address sanitizer nothing is kept, so that it sees every free.
 *
 * Laws:
 *   1. Whoever frees says the size, so the class needs no header. Every block of a class has the
 *      class's whole size, whoever made it.
 *   2. Every thread counts in a counter of its own, which it alone writes, so counting costs one
 *      load and one store. Counters lie in thread-local storage and are linked in a list; a thread
 *      that ends folds its own into memory_folded, under memory_lock, and counts there from then
 *      on. A thread may free what another allocated, so a single counter may be negative; only the
 *      sum means something. What lies in a cache does not count.
 *   3. Caches are bounded: a thread's small bins by their counts (at most 390 KiB when all are
 * full, in practice a few), its others by MEMORY_HELD_MAX, the depot by MEMORY_DEPOT_MAX. A thread
 *      that ends gives its own back.
 *   4. A thread without a bin of its own (new, ended, in a test of failing allocations) uses
 *      memory_no_cache, whose bins are empty and full at once, so that the quick path needs no
 *      other test. */
#include "platform/linux/linux.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define MEMORY_SMALL_MAX ((size_t)1024)
#define MEMORY_MIDDLE_MAX ((size_t)64 * 1024)
#define MEMORY_SMALL_CLASSES ISLE__SMALL_SIZES /* 16, 32, … 1,024 */
#define MEMORY_CLASSES (MEMORY_SMALL_CLASSES + 24u)
#define MEMORY_DEPOT_LOCKS 8u
#define MEMORY_PAIRED_CLASSES (MEMORY_SMALL_CLASSES + 8u) /* up to 4 KiB */
#define MEMORY_HELD_MAX ((int64_t)256 * 1024)
#define MEMORY_DEPOT_MAX ((int64_t)1024 * 1024)

enum memory_state { MEMORY_NEW, MEMORY_COUNTING, MEMORY_ENDED };

struct memory_bin {
    struct isle__memory_block *top;
    uint32_t room; /* blocks that still fit */
};

struct memory_cache {
    int64_t room; /* bytes of middle blocks that still fit */
    struct memory_bin bins[MEMORY_CLASSES];
};

struct memory_thread {
    struct memory_cache *cache;            /* in use now */
    struct memory_cache *own;              /* NULL: none */
    struct memory_thread *next, *previous; /* under memory_lock */
    _Atomic int64_t live;                  /* written by its thread alone */
    uint64_t made, fail_at;
    enum memory_state state;
};

struct memory_shelf { /* of the depot: batches of one class */
    _Atomic(struct isle__memory_block *)
        first; /* written under a lock; read without it as a hint */
};

static struct memory_cache memory_no_cache;
static ISLE__TLS struct memory_thread memory_mine = {.cache = &memory_no_cache};
static pthread_mutex_t memory_lock = PTHREAD_MUTEX_INITIALIZER;
static struct memory_thread *memory_threads;
static _Atomic int64_t memory_folded;
static pthread_once_t memory_once = PTHREAD_ONCE_INIT;
static pthread_key_t memory_key;
static bool memory_key_made;
static struct memory_shelf memory_depot[MEMORY_CLASSES];
/* One for several classes: a fork holds them all, and the thread sanitizer counts. */
static pthread_mutex_t memory_depot_locks[MEMORY_DEPOT_LOCKS];
static _Atomic int64_t memory_depot_room = MEMORY_DEPOT_MAX; /* bytes that still fit */

static unsigned memory_class(size_t size)
{
    if (size <= MEMORY_SMALL_MAX)
        return size == 0 ? 0 : (unsigned)((size - 1) / 16);
    unsigned high = 63u - (unsigned)__builtin_clzll((unsigned long long)(size - 1));
    return MEMORY_SMALL_CLASSES + (high - 10) * 4 + (unsigned)(((size - 1) >> (high - 2)) & 3);
}

static size_t memory_class_size(unsigned class)
{
    if (class < MEMORY_SMALL_CLASSES)
        return ((size_t) class + 1) * 16;
    unsigned step = class - MEMORY_SMALL_CLASSES;
    return (size_t)(5 + step % 4) << (8 + step / 4);
}

/* Blocks that go to the depot and come from it together; a bin holds two batches. */
static uint32_t memory_batch(unsigned class)
{
    if (class < MEMORY_SMALL_CLASSES)
        return class < 16 ? 32 : 4;
    return class < MEMORY_PAIRED_CLASSES ? 2 : 1;
}

/* What blocks count for in their cache: the small ones are bounded by their number alone. */
static int64_t memory_weight(unsigned class, uint32_t count)
{
    return class < MEMORY_SMALL_CLASSES ? 0 : (int64_t)(count * memory_class_size(class));
}

/* --- the depot */

static void memory_free_blocks(unsigned class, struct isle__memory_block *block)
{
    if (class < MEMORY_SMALL_CLASSES) {
        isle__memory_small_put(class, block);
        return;
    }
    while (block != NULL) {
        struct isle__memory_block *next = block->next;
        free(block);
        block = next;
    }
}

/* The batch is the depot's, or back where it came from if there is no room for it. */
static void memory_depot_put(unsigned class, struct isle__memory_block *batch)
{
    int64_t size = (int64_t)(memory_class_size(class) * memory_batch(class));
    if (atomic_load_explicit(&memory_depot_room, memory_order_relaxed) < size) {
        memory_free_blocks(class, batch);
        return;
    }
    struct memory_shelf *shelf = &memory_depot[class];
    atomic_fetch_sub_explicit(&memory_depot_room, size, memory_order_relaxed);
    pthread_mutex_lock(&memory_depot_locks[class % MEMORY_DEPOT_LOCKS]);
    batch->next_batch = atomic_load_explicit(&shelf->first, memory_order_relaxed);
    atomic_store_explicit(&shelf->first, batch, memory_order_relaxed);
    pthread_mutex_unlock(&memory_depot_locks[class % MEMORY_DEPOT_LOCKS]);
}

static struct isle__memory_block *memory_depot_take(unsigned class)
{
    if (atomic_load_explicit(&memory_depot[class].first, memory_order_relaxed) == NULL)
        return NULL;
    struct memory_shelf *shelf = &memory_depot[class];
    pthread_mutex_lock(&memory_depot_locks[class % MEMORY_DEPOT_LOCKS]);
    struct isle__memory_block *batch = atomic_load_explicit(&shelf->first, memory_order_relaxed);
    if (batch != NULL)
        atomic_store_explicit(&shelf->first, batch->next_batch, memory_order_relaxed);
    pthread_mutex_unlock(&memory_depot_locks[class % MEMORY_DEPOT_LOCKS]);
    if (batch != NULL)
        atomic_fetch_add_explicit(&memory_depot_room,
                                  (int64_t)(memory_class_size(class) * memory_batch(class)),
                                  memory_order_relaxed);
    return batch;
}

/* --- a thread's own cache */

static struct memory_cache *memory_cache_make(void)
{
    struct memory_cache *cache = ISLE__ASAN ? NULL : malloc(sizeof *cache);
    if (cache == NULL)
        return NULL;
    cache->room = MEMORY_HELD_MAX;
    for (unsigned class = 0; class < MEMORY_CLASSES; class ++)
        cache->bins[class] = (struct memory_bin){NULL, memory_batch(class) * 2};
    return cache;
}

static void memory_cache_drain(struct memory_cache *cache)
{
    for (unsigned class = 0; cache != NULL && class < MEMORY_CLASSES; class ++)
        memory_free_blocks(class, cache->bins[class].top);
    free(cache);
}

/* Takes a batch out of a bin that has one. */
static void memory_bin_give(struct memory_cache *cache, unsigned class)
{
    struct memory_bin *bin = &cache->bins[class];
    uint32_t count = memory_batch(class);
    struct isle__memory_block *batch = bin->top, *last = batch;
    for (uint32_t i = 1; i < count; i++)
        last = last->next;
    bin->top = last->next;
    last->next = NULL;
    bin->room += count;
    cache->room += memory_weight(class, count);
    memory_depot_put(class, batch);
}

static bool memory_bin_fill(struct memory_cache *cache, unsigned class)
{
    uint32_t count = memory_batch(class);
    int64_t weight = memory_weight(class, count);
    if (cache->bins[class].room < count || cache->room < weight)
        return false;
    struct isle__memory_block *batch = memory_depot_take(class);
    if (batch == NULL && class < MEMORY_SMALL_CLASSES)
        batch = isle__memory_small_take(class, memory_class_size(class), &count);
    if (batch == NULL)
        return false;
    cache->bins[class].top = batch;
    cache->bins[class].room -= count;
    cache->room -= weight;
    return true;
}

/* --- counting */

static void memory_fold(struct memory_thread *thread)
{
    int64_t live = atomic_load_explicit(&thread->live, memory_order_relaxed);
    atomic_fetch_add_explicit(&memory_folded, live, memory_order_relaxed);
}

static void memory_thread_ends(void *argument)
{
    struct memory_thread *thread = argument;
    pthread_mutex_lock(&memory_lock);
    memory_fold(thread);
    if (thread->previous != NULL)
        thread->previous->next = thread->next;
    else
        memory_threads = thread->next;
    if (thread->next != NULL)
        thread->next->previous = thread->previous;
    thread->state = MEMORY_ENDED;
    pthread_mutex_unlock(&memory_lock);
    memory_cache_drain(thread->own);
    thread->own = NULL;
    thread->cache = &memory_no_cache;
}

static void memory_fork_prepare(void)
{
    pthread_mutex_lock(&memory_lock);
    for (unsigned i = 0; i < MEMORY_DEPOT_LOCKS; i++)
        pthread_mutex_lock(&memory_depot_locks[i]);
    isle__memory_small_lock();
    isle__memory_large_lock();
}

static void memory_fork_parent(void)
{
    isle__memory_large_unlock();
    isle__memory_small_unlock();
    for (unsigned i = 0; i < MEMORY_DEPOT_LOCKS; i++)
        pthread_mutex_unlock(&memory_depot_locks[i]);
    pthread_mutex_unlock(&memory_lock);
}

/* The other threads are gone, and with them, soon, the memory of their counters. */
static void memory_fork_child(void)
{
    struct memory_thread *thread = memory_threads;
    memory_threads = NULL;
    while (thread != NULL) {
        struct memory_thread *next = thread->next;
        if (thread == &memory_mine) {
            thread->next = thread->previous = NULL;
            memory_threads = thread;
        } else {
            memory_fold(thread);
        }
        thread = next;
    }
    memory_fork_parent();
}

static void memory_start(void)
{
    for (unsigned i = 0; i < MEMORY_DEPOT_LOCKS; i++)
        pthread_mutex_init(&memory_depot_locks[i], NULL);
    isle__memory_small_start();
    memory_key_made = pthread_key_create(&memory_key, memory_thread_ends) == 0;
    pthread_atfork(memory_fork_prepare, memory_fork_parent, memory_fork_child);
}

/* False: the thread has no counter of its own any more. */
static bool memory_thread_begins(struct memory_thread *mine)
{
    pthread_once(&memory_once, memory_start);
    if (mine->state == MEMORY_ENDED || !memory_key_made ||
        pthread_setspecific(memory_key, mine) != 0)
        return false;
    pthread_mutex_lock(&memory_lock);
    mine->next = memory_threads;
    if (memory_threads != NULL)
        memory_threads->previous = mine;
    memory_threads = mine;
    mine->state = MEMORY_COUNTING;
    pthread_mutex_unlock(&memory_lock);
    mine->own = memory_cache_make();
    if (mine->own != NULL && mine->fail_at == 0)
        mine->cache = mine->own;
    return true;
}

static inline void memory_add(struct memory_thread *mine, int64_t change)
{
    int64_t live = atomic_load_explicit(&mine->live, memory_order_relaxed);
    atomic_store_explicit(&mine->live, live + change, memory_order_relaxed);
}

static void memory_count(struct memory_thread *mine, int64_t change)
{
    if (mine->state == MEMORY_COUNTING || memory_thread_begins(mine))
        memory_add(mine, change);
    else
        atomic_fetch_add_explicit(&memory_folded, change, memory_order_relaxed);
}

static bool memory_fails(struct memory_thread *mine)
{
    return mine->fail_at != 0 && --mine->fail_at == 0;
}

/* --- the slow ways */

static void memory_bin_put(struct memory_cache *cache, unsigned class, void *memory)
{
    struct memory_bin *bin = &cache->bins[class];
    struct isle__memory_block *block = memory;
    block->next = bin->top;
    bin->top = block;
    bin->room--;
    cache->room -= memory_weight(class, 1);
}

/* NULL: the bin is empty. */
static void *memory_bin_take(struct memory_cache *cache, unsigned class)
{
    struct memory_bin *bin = &cache->bins[class];
    struct isle__memory_block *block = bin->top;
    if (block == NULL)
        return NULL;
    bin->top = block->next;
    bin->room++;
    cache->room += memory_weight(class, 1);
    return block;
}

/* Of memory_class_size(class) bytes. */
static void *memory_make(struct memory_cache *cache, unsigned class)
{
    uint32_t one = 1;
    if (cache->bins[class].top != NULL || memory_bin_fill(cache, class))
        return memory_bin_take(cache, class);
    if (class < MEMORY_SMALL_CLASSES)
        return isle__memory_small_take(class, memory_class_size(class), &one);
    return malloc(memory_class_size(class));
}

static ISLE__OPAQUE void *memory_alloc_slow(struct memory_thread *mine, size_t size)
{
    void *memory;
    if (size <= MEMORY_MIDDLE_MAX &&
        (memory = memory_bin_take(mine->cache, memory_class(size))) != NULL) {
        memory_add(mine, (int64_t)size);
        return memory;
    }
    if (memory_fails(mine) || size > PTRDIFF_MAX)
        return NULL;
    memory_count(mine, (int64_t)size);
    if (ISLE__ASAN)
        memory = malloc(size != 0 ? size : 1);
    else if (size > MEMORY_MIDDLE_MAX)
        memory = isle__memory_large_alloc(size);
    else
        memory = memory_make(mine->cache, memory_class(size));
    if (memory == NULL)
        memory_count(mine, -(int64_t)size);
    return memory;
}

static void memory_free_one(unsigned class, struct isle__memory_block *block)
{
    block->next = NULL;
    memory_free_blocks(class, block);
}

static void memory_put_back(struct memory_thread *mine, void *memory, unsigned class)
{
    struct memory_cache *cache = mine->cache;
    struct memory_bin *bin = &cache->bins[class];
    uint32_t batch = memory_batch(class);
    bool full = bin->room == 0 || cache->room < memory_weight(class, 1);
    if (cache != mine->own || (full && batch * 2 - bin->room < batch)) {
        memory_free_one(class, memory);
        return;
    }
    if (full)
        memory_bin_give(cache, class);
    memory_bin_put(cache, class, memory);
}

static ISLE__OPAQUE void memory_free_slow(struct memory_thread *mine, void *memory, size_t size)
{
    if (memory == NULL)
        return;
    if (size <= MEMORY_MIDDLE_MAX && size > MEMORY_SMALL_MAX) {
        unsigned class = memory_class(size);
        struct memory_cache *cache = mine->cache;
        if (cache->bins[class].room != 0 && cache->room >= memory_weight(class, 1)) {
            memory_bin_put(cache, class, memory);
            memory_add(mine, -(int64_t)size);
            return;
        }
    }
    memory_count(mine, -(int64_t)size);
    if (ISLE__ASAN)
        free(memory);
    else if (size > MEMORY_MIDDLE_MAX)
        isle__memory_large_free(memory, size);
    else
        memory_put_back(mine, memory, memory_class(size));
}

/* --- for everybody */

ISLE__OPAQUE bool isle__memory_refuses(void)
{
    struct memory_thread *mine = &memory_mine;
    mine->made++;
    return memory_fails(mine);
}

ISLE__OPAQUE void *isle__memory_alloc(size_t size)
{
    struct memory_thread *mine = &memory_mine;
    mine->made++;
    if (size - 1 >= MEMORY_SMALL_MAX)
        return memory_alloc_slow(mine, size);
    struct memory_bin *bin = &mine->cache->bins[(size - 1) / 16];
    struct isle__memory_block *block = bin->top;
    if (block == NULL)
        return memory_alloc_slow(mine, size);
    bin->top = block->next;
    bin->room++;
    memory_add(mine, (int64_t)size);
    return block;
}

ISLE__OPAQUE void isle__memory_free(void *memory, size_t size)
{
    struct memory_thread *mine = &memory_mine;
    struct memory_bin *bin = &mine->cache->bins[(size - 1) / 16 % MEMORY_SMALL_CLASSES];
    if (size - 1 >= MEMORY_SMALL_MAX || bin->room == 0 || memory == NULL) {
        memory_free_slow(mine, memory, size);
        return;
    }
    struct isle__memory_block *block = memory;
    block->next = bin->top;
    bin->top = block;
    bin->room--;
    memory_add(mine, -(int64_t)size);
}

void *isle__memory_kept(size_t size)
{
    if (ISLE__ASAN || size <= MEMORY_MIDDLE_MAX || isle__memory_refuses())
        return NULL;
    void *memory = isle__memory_large_kept(size);
    if (memory != NULL)
        memory_count(&memory_mine, (int64_t)size);
    return memory;
}

/* The same block still serves: the class is what counts, and a mapping that is not much too large.
 */
static bool memory_serves(size_t old_size, size_t new_size)
{
    if (ISLE__ASAN || old_size > MEMORY_MIDDLE_MAX || new_size > MEMORY_MIDDLE_MAX)
        return old_size == new_size;
    return memory_class(old_size) == memory_class(new_size);
}

ISLE__OPAQUE void *isle__memory_resize(void *memory, size_t old_size, size_t new_size)
{
    if (memory == NULL)
        return isle__memory_alloc(new_size);
    if (memory_serves(old_size, new_size)) {
        if (isle__memory_refuses())
            return NULL;
        memory_count(&memory_mine, (int64_t)new_size - (int64_t)old_size);
        return memory;
    }
    void *resized = isle__memory_alloc(new_size);
    if (resized == NULL)
        return NULL;
    memcpy(resized, memory, old_size < new_size ? old_size : new_size);
    isle__memory_free(memory, old_size);
    return resized;
}

uint64_t isle__memory_live(void)
{
    pthread_mutex_lock(&memory_lock);
    int64_t live = atomic_load_explicit(&memory_folded, memory_order_relaxed);
    for (struct memory_thread *thread = memory_threads; thread != NULL; thread = thread->next)
        live += atomic_load_explicit(&thread->live, memory_order_relaxed);
    pthread_mutex_unlock(&memory_lock);
    return live > 0 ? (uint64_t)live : 0;
}

ISLE__OPAQUE uint64_t isle__memory_fail_at(uint64_t nth)
{
    struct memory_thread *mine = &memory_mine;
    uint64_t made = mine->made;
    mine->made = 0;
    mine->fail_at = nth;
    mine->cache = nth == 0 && mine->own != NULL ? mine->own : &memory_no_cache;
    return made;
}
