/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies: the memory of isolates, in slabs of many.
 *
 * Law: a body is type-stable. It is recycled and never returned while the program runs, so that a
 * sender may look at one that ends under its hands; a free one's mailbox is closed and its control
 * stack as well. Workers keep free ones on their shelves; the lock is for what lies elsewhere. */
#include "core/body.h"

#include <string.h>

#include "core/control.h"
#include "core/isolate.h"
#include "core/shelf.h"

enum { SLAB_BODIES = 64, BATCH = ISLE__SHELF_BODIES / 2, CACHE_LINE = 64 };

struct slab {
    struct slab *next;
    void *memory; /* before it was aligned */
    _Alignas(CACHE_LINE) struct isle__isolate bodies[SLAB_BODIES];
};
/* A line more than its size, so that it can be aligned and still be freed by its size. */
#define SLAB_SIZE (sizeof(struct slab) + CACHE_LINE)

static struct {
    struct isle__mutex lock;
    struct slab *slabs;
    struct isle__isolate *free;
    size_t free_count, slab_count;
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
        isle__memory_free(slab->memory, SLAB_SIZE);
    }
    store.free = NULL;
    isle__mutex_destroy(&store.lock);
}

/* Under the lock. */
static void store_put(struct isle__isolate *body)
{
    body->next_free = store.free;
    store.free = body;
    store.free_count++;
}

/* Under the lock; false: out of memory. */
static bool store_grow(void)
{
    void *memory = isle__memory_alloc(SLAB_SIZE);
    if (memory == NULL)
        return false;
    struct slab *slab =
        (void *)(((uintptr_t)memory + CACHE_LINE - 1) & ~(uintptr_t)(CACHE_LINE - 1));
    memset(slab, 0, sizeof *slab);
    slab->memory = memory;
    slab->next = store.slabs;
    store.slabs = slab;
    store.slab_count++;
    for (size_t i = SLAB_BODIES; i-- > 0;) {
        atomic_init(&slab->bodies[i].mailbox, ISLE__MAILBOX_CLOSED);
        isle__control_init_body(&slab->bodies[i]);
        store_put(&slab->bodies[i]);
    }
    return true;
}

/* Under the lock. */
static struct isle__isolate *store_take(void)
{
    if (store.free == NULL && !store_grow())
        return NULL;
    struct isle__isolate *body = store.free;
    store.free = body->next_free;
    store.free_count--;
    return body;
}

static void shelf_put(struct isle__shelf *shelf, struct isle__isolate *body)
{
    uint32_t count = atomic_load_explicit(&shelf->body_count, memory_order_relaxed);
    body->next_free = shelf->bodies;
    shelf->bodies = body;
    atomic_store_explicit(&shelf->body_count, count + 1, memory_order_relaxed);
}

static struct isle__isolate *shelf_take(struct isle__shelf *shelf)
{
    struct isle__isolate *body = shelf->bodies;
    if (body == NULL)
        return NULL;
    uint32_t count = atomic_load_explicit(&shelf->body_count, memory_order_relaxed);
    shelf->bodies = body->next_free;
    atomic_store_explicit(&shelf->body_count, count - 1, memory_order_relaxed);
    return body;
}

struct isle__isolate *isle__body_take(void)
{
    struct isle__shelf *shelf = isle__shelf_current();
    struct isle__isolate *body = shelf == NULL ? NULL : shelf_take(shelf);
    if (body != NULL)
        return body;
    isle__mutex_lock(&store.lock);
    body = store_take();
    struct isle__isolate *more;
    for (int i = 1; i < BATCH && body != NULL && shelf != NULL && store.free != NULL &&
                    (more = store_take()) != NULL;
         i++)
        shelf_put(shelf, more);
    isle__mutex_unlock(&store.lock);
    return body;
}

static void shelf_return(struct isle__shelf *shelf, uint32_t keep)
{
    isle__mutex_lock(&store.lock);
    struct isle__isolate *body;
    while (atomic_load_explicit(&shelf->body_count, memory_order_relaxed) > keep &&
           (body = shelf_take(shelf)) != NULL)
        store_put(body);
    isle__mutex_unlock(&store.lock);
}

void isle__body_give(struct isle__isolate *body)
{
    struct isle__shelf *shelf = isle__shelf_current();
    if (shelf == NULL) {
        isle__mutex_lock(&store.lock);
        store_put(body);
        isle__mutex_unlock(&store.lock);
        return;
    }
    shelf_put(shelf, body);
    if (atomic_load_explicit(&shelf->body_count, memory_order_relaxed) > ISLE__SHELF_BODIES)
        shelf_return(shelf, BATCH);
}

void isle__bodies_take_back(struct isle__shelf *shelf)
{
    shelf_return(shelf, 0);
}

size_t isle__bodies_reserved(void)
{
    isle__mutex_lock(&store.lock);
    size_t free = store.free_count, slabs = store.slab_count;
    isle__mutex_unlock(&store.lock);
    free += isle__shelves_bodies();
    return free * sizeof(struct isle__isolate) +
           slabs * (SLAB_SIZE - SLAB_BODIES * sizeof(struct isle__isolate));
}
