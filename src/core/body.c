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

enum { BATCH = ISLE__SHELF_BODIES / 2, CACHE_LINE = 64 };
#define SLAB_MIN ((size_t)32 * 1024)
#define SLAB_MAX ((size_t)1024 * 1024)

struct slab { /* before its bodies */
    struct slab *next;
    void *memory; /* before it was aligned */
    size_t size;
};

static struct {
    struct isle__mutex lock;
    struct slab *slabs;
    struct isle__isolate *free;
    struct isle__isolate *exact; /* free ones that admit mail exactly */
    struct isle__isolate *fresh; /* of the last slab, never used; so many: */
    size_t fresh_count;
    size_t free_count, made_count; /* made: taken for the first time */
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
    store.free = store.exact = store.fresh = NULL;
    isle__mutex_destroy(&store.lock);
}

static bool slab_has(const struct slab *slab, const struct isle__isolate *body)
{
    return (const char *)(body + 1) <= (const char *)slab->memory + slab->size;
}

static bool body_is_exact(const struct isle__isolate *body)
{
    return (atomic_load_explicit(&body->admission, memory_order_relaxed) & ISLE__ADMIT_EXACTLY) !=
           0;
}

/* Under the lock. */
static void store_put(struct isle__isolate *body)
{
    struct isle__isolate **list = body_is_exact(body) ? &store.exact : &store.free;
    body->next_free = *list;
    *list = body;
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
    *slab = (struct slab){.next = store.slabs, .memory = memory, .size = size};
    store.slabs = slab;
    store.slab_bytes += size;
    store.fresh = (void *)(at + CACHE_LINE);
    store.fresh_count = (size_t)(memory + size - (char *)store.fresh) / sizeof *store.fresh;
    return true;
}

/* Under the lock. */
static struct isle__isolate *store_make(void)
{
    struct isle__isolate *body = store.fresh++;
    store.fresh_count--;
    store.made_count++;
    memset(body, 0, sizeof *body);
    atomic_init(&body->mailbox, ISLE__MAILBOX_CLOSED);
    isle__control_init_body(body);
    return body;
}

/* Under the lock. */
static struct isle__isolate *store_take(void)
{
    struct isle__isolate *body = store.free;
    if (body == NULL)
        return store.fresh_count > 0 || store_grow() ? store_make() : NULL;
    store.free = body->next_free;
    store.free_count--;
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
        store.free_count--;
    } else if (store.fresh_count > 0 || store_grow()) {
        body = store_make();
        atomic_store_explicit(&body->admission, ISLE__ADMIT_EXACTLY, memory_order_relaxed);
    }
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
    struct isle__isolate *body = shelf == NULL ? NULL : shelf_take(shelf);
    if (body != NULL)
        return body;
    isle__mutex_lock(&store.lock);
    body = store_take();
    struct isle__isolate *more;
    for (int i = 1; i < BATCH && body != NULL && shelf != NULL &&
                    (store.free != NULL || store.fresh_count > 0) && (more = store_take()) != NULL;
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
    if (shelf == NULL || body_is_exact(body)) {
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

/* Slabs are only ever put before others, so what the lock showed stays. */
void isle__bodies_each(void (*fn)(struct isle__isolate *isolate, void *argument), void *argument)
{
    isle__mutex_lock(&store.lock);
    struct slab *slab = store.slabs;
    const struct isle__isolate *end = store.fresh;
    isle__mutex_unlock(&store.lock);
    while (slab != NULL) {
        struct isle__isolate *body = (void *)((char *)slab + CACHE_LINE);
        for (; body != end && slab_has(slab, body); body++)
            if (atomic_load_explicit(&body->mailbox, memory_order_acquire) != ISLE__MAILBOX_CLOSED)
                fn(body, argument);
        slab = slab->next;
    }
}

size_t isle__bodies_reserved(void)
{
    isle__mutex_lock(&store.lock);
    size_t used = store.made_count - store.free_count, bytes = store.slab_bytes;
    isle__mutex_unlock(&store.lock);
    size_t shelved = isle__shelves_bodies();
    used = used > shelved ? used - shelved : 0;
    return bytes - used * sizeof(struct isle__isolate);
}
