/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies: the memory of isolates, in slabs of many. The first slabs are small; each next one is
 * about as large as half of all before it, up to SLAB_MAX. Bodies are zeroed one by one, when they
 * are first taken, so that a burst touches no page before it is needed. No huge pages: who spawns a
 * million waits longer for the kernel to find and clear them than all the faults take.
 *
 * Law: a body is type-stable. It is recycled and never returned while the program runs, so that a
 * sender may look at one that ends under its hands; a free one's mailbox is closed and its control
 * stack as well. Workers keep free ones on their shelves; the lock is for what lies elsewhere.
 *
 * Those with narrow mailboxes are kept apart, so that a sender that comes late, with the id of a
 * former life, does as senders to such a body do: it is let in by a comparison that fails when
 * another life has begun. One that was let in before, and has not found out that it is too late, is
 * waited for: until then the body is not given out again. */
#include "core/body.h"

#include <string.h>

#include "core/control.h"
#include "core/isolate.h"
#include "core/shelf.h"

enum { BATCH = ISLE__SHELF_BODIES / 2, AHEAD = 2, CACHE_LINE = 64 };
#define SLAB_HEAD ((sizeof(struct slab) + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE)
#define SLAB_MIN ((size_t)32 * 1024)
#define SLAB_MAX ((size_t)1024 * 1024)
#define POPULATED ((size_t)128 * 1024)

/* Before its bodies. Behind them lies room for as many pointers, untouched until it is needed: all
 * slabs' together are the stack of free bodies, so to give one back needs no memory, and to take
 * some touches none of them. */
struct slab {
    struct slab *next; /* made before */
    struct slab *above, *below;
    void *memory; /* before it was aligned */
    size_t size;
    uint32_t capacity, count; /* of free_bodies */
    struct isle__isolate **free_bodies;
};

static struct {
    struct isle__mutex lock;
    struct slab *slabs;
    struct slab *top;            /* of the stack; NULL: there is no slab */
    struct isle__isolate *exact; /* free ones that admit mail exactly */
    struct isle__isolate *fresh; /* of the last slab, never used; so many: */
    char *populated;             /* up to here the last slab has its pages */
    size_t fresh_count;
    size_t free_count, exact_count;
    size_t made_count; /* taken for the first time */
    size_t slab_bytes;
} store;

void isle__bodies_init(void)
{
    memset(&store, 0, sizeof store);
    isle__mutex_init(&store.lock);
}

void isle__bodies_fini(void)
{
    while (store.slabs != NULL) {
        struct slab *slab = store.slabs;
        store.slabs = slab->next;
        isle__memory_free(slab->memory, slab->size);
    }
    store.top = NULL;
    store.exact = store.fresh = NULL;
    isle__mutex_destroy(&store.lock);
}

static struct isle__isolate *slab_bodies(struct slab *slab)
{
    return (void *)((char *)slab + SLAB_HEAD);
}

static bool body_is_exact(const struct isle__isolate *body)
{
    return (atomic_load_explicit(&body->admission, memory_order_relaxed) & ISLE__ADMIT_EXACTLY) !=
           0;
}

/* Under the lock. There is room: as many as were made. */
static void store_put(struct isle__isolate *body)
{
    if (body_is_exact(body)) {
        body->next_free = store.exact;
        store.exact = body;
        store.exact_count++;
        return;
    }
    if (store.top->count == store.top->capacity)
        store.top = store.top->above;
    store.top->free_bodies[store.top->count++] = body;
    store.free_count++;
}

/* Under the lock; false: out of memory. */
static bool store_grow(void)
{
    size_t size = SLAB_MIN;
    while (size < SLAB_MAX && size * 2 <= store.slab_bytes / 2)
        size *= 2;
    char *memory = isle__memory_alloc(size);
    if (memory == NULL)
        return false;
    uintptr_t at = ((uintptr_t)memory + CACHE_LINE - 1) & ~(uintptr_t)(CACHE_LINE - 1);
    struct slab *slab = (void *)at;
    size_t room = (size_t)(memory + size - (char *)slab_bodies(slab));
    size_t count = room / (sizeof(struct isle__isolate) + sizeof(struct isle__isolate *));
    *slab = (struct slab){.next = store.slabs,
                          .below = store.slabs,
                          .memory = memory,
                          .size = size,
                          .capacity = (uint32_t)count,
                          .free_bodies = (void *)(slab_bodies(slab) + count)};
    if (store.slabs != NULL)
        store.slabs->above = slab;
    else
        store.top = slab;
    store.slabs = slab;
    store.slab_bytes += size;
    store.fresh = slab_bodies(slab);
    store.fresh_count = count;
    store.populated = (char *)store.fresh;
    return true;
}

/* Who has so many bodies needs more of them: in largest slabs, pages are had by the dozen. */
static void store_populate(void)
{
    const char *end = (const char *)(store.fresh + store.fresh_count);
    size_t left = (size_t)(end - store.populated);
    if (store.slabs->size < SLAB_MAX || (char *)(store.fresh + 1) <= store.populated)
        return;
    size_t size = left < POPULATED ? left : POPULATED;
    (void)isle__memory_populate(store.populated, size);
    store.populated += size;
}

/* Under the lock. */
static struct isle__isolate *store_make(void)
{
    store_populate();
    struct isle__isolate *body = store.fresh++;
    store.fresh_count--;
    store.made_count++;
    memset(body, 0, sizeof *body);
    isle__isolate_rest(body);
    atomic_init(&body->mailbox, ISLE__MAILBOX_CLOSED);
    isle__control_init_body(body);
    return body;
}

/* Under the lock. NULL: none is free. */
static struct isle__isolate *store_take(void)
{
    struct slab *top = store.top;
    if (store.free_count == 0)
        return store.fresh_count > 0 ? store_make() : NULL;
    while (top->count == 0)
        store.top = top = top->below;
    store.free_count--;
    return top->free_bodies[--top->count];
}

static uint32_t shelf_count(const struct isle__shelf *shelf)
{
    return atomic_load_explicit(&shelf->body_count, memory_order_relaxed);
}

static void shelf_set_count(struct isle__shelf *shelf, uint32_t count)
{
    atomic_store_explicit(&shelf->body_count, count, memory_order_relaxed);
}

/* The last of a batch is what the store gives first. */
static void shelf_fill(struct isle__shelf *shelf)
{
    struct isle__isolate *taken[BATCH];
    uint32_t count = 0;
    isle__mutex_lock(&store.lock);
    if (store.free_count > 0 || store.fresh_count > 0 || store_grow())
        while (count < BATCH && (taken[count] = store_take()) != NULL)
            count++;
    isle__mutex_unlock(&store.lock);
    for (uint32_t i = 0; i < count; i++)
        shelf->bodies[i] = taken[count - 1 - i];
    shelf_set_count(shelf, count);
}

static struct isle__isolate *store_take_one(void)
{
    isle__mutex_lock(&store.lock);
    bool has = store.free_count > 0 || store.fresh_count > 0 || store_grow();
    struct isle__isolate *body = has ? store_take() : NULL;
    isle__mutex_unlock(&store.lock);
    return body;
}

/* Under the lock. As many are passed over as threads are between two steps of a send to the dead.
 */
static struct isle__isolate *store_take_exact(void)
{
    struct isle__isolate **at = &store.exact, *body;
    while ((body = *at) != NULL && !isle__room_renew(&body->heap.data, &body->heap.data_out))
        at = &body->next_free;
    if (body != NULL) {
        *at = body->next_free;
        body->next_free = NULL;
        store.exact_count--;
    } else if (store.fresh_count > 0 || store_grow()) {
        body = store_make();
        atomic_store_explicit(&body->admission, ISLE__ADMIT_EXACTLY, memory_order_relaxed);
    }
    return body;
}

/* The lines that a birth writes, on their way while others are born. */
static void body_prefetch(const struct isle__isolate *body)
{
    __builtin_prefetch(body, 1);
    __builtin_prefetch(&body->heap.data_out, 1);
    __builtin_prefetch(&body->controls, 1);
    __builtin_prefetch(&body->ready, 1);
}

static struct isle__isolate *body_take_exact(void)
{
    isle__mutex_lock(&store.lock);
    struct isle__isolate *body = store_take_exact();
    isle__mutex_unlock(&store.lock);
    return body;
}

struct isle__isolate *isle__body_take(bool exactly)
{
    if (exactly)
        return body_take_exact();
    struct isle__shelf *shelf = isle__shelf_current();
    if (shelf == NULL)
        return store_take_one();
    if (ISLE__UNLIKELY(shelf_count(shelf) == 0)) {
        shelf_fill(shelf);
        if (shelf_count(shelf) == 0)
            return NULL;
    }
    uint32_t count = shelf_count(shelf) - 1;
    shelf_set_count(shelf, count);
    if (count >= AHEAD)
        body_prefetch(shelf->bodies[count - AHEAD]);
    return shelf->bodies[count];
}

/* The oldest. */
static void shelf_return(struct isle__shelf *shelf, uint32_t count)
{
    uint32_t left = shelf_count(shelf) - count;
    isle__mutex_lock(&store.lock);
    for (uint32_t i = 0; i < count; i++)
        store_put(shelf->bodies[i]);
    isle__mutex_unlock(&store.lock);
    memmove(shelf->bodies, shelf->bodies + count, left * sizeof(struct isle__isolate *));
    shelf_set_count(shelf, left);
}

void isle__body_give(struct isle__isolate *body)
{
    struct isle__shelf *shelf = isle__shelf_current();
    if (shelf == NULL || body_is_exact(body)) {
        isle__mutex_lock(&store.lock);
        store_put(body);
        isle__mutex_unlock(&store.lock);
        return;
    }
    if (ISLE__UNLIKELY(shelf_count(shelf) == ISLE__SHELF_BODIES))
        shelf_return(shelf, BATCH);
    uint32_t count = shelf_count(shelf);
    shelf->bodies[count] = body;
    shelf_set_count(shelf, count + 1);
}

void isle__bodies_take_back(struct isle__shelf *shelf)
{
    shelf_return(shelf, shelf_count(shelf));
}

/* Slabs are only ever put before others, so what the lock showed stays. */
void isle__bodies_each(void (*fn)(struct isle__isolate *isolate, void *argument), void *argument)
{
    isle__mutex_lock(&store.lock);
    struct slab *slab = store.slabs;
    const struct isle__isolate *end = store.fresh;
    isle__mutex_unlock(&store.lock);
    while (slab != NULL) {
        struct isle__isolate *body = slab_bodies(slab);
        for (uint32_t i = 0; i < slab->capacity && body != end; i++, body++)
            if (atomic_load_explicit(&body->mailbox, memory_order_acquire) != ISLE__MAILBOX_CLOSED)
                fn(body, argument);
        slab = slab->next;
    }
}

size_t isle__bodies_reserved(void)
{
    isle__mutex_lock(&store.lock);
    size_t used = store.made_count - store.free_count - store.exact_count, bytes = store.slab_bytes;
    isle__mutex_unlock(&store.lock);
    size_t shelved = isle__shelves_bodies();
    used = used > shelved ? used - shelved : 0;
    return bytes - used * sizeof(struct isle__isolate);
}
