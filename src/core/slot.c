/* SPDX-License-Identifier: Apache-2.0 */
/* Slots: the table behind every id. Those of ports and calls are given out and come back; that of
 * an isolate stays with its body, from life to life. An id is slot (24 bits), generation (36 bits)
 * and a mark for control ports; 61 bits in all, so that a port is an immediate value. A slot whose
 * generations are used up is retired, so no id is ever used twice; it costs 32 bytes after
 * 6.9 * 10^10 uses. A free slot keeps its last id, with a mark that no id has: so it knows its
 * index and its generation.
 *
 * Pages of slots are never moved or returned while the program runs: a look-up needs no lock.
 * Workers keep free slots on their shelves; the lock is for what lies elsewhere. */
#include "core/slot.h"

#include <string.h>

#include "core/isolate.h"
#include "core/shelf.h"

#ifndef ISLE__GENERATION_BITS
#define ISLE__GENERATION_BITS 36
#endif

_Atomic(struct isle__slot *) isle__slot_pages[ISLE__SLOT_PAGE_COUNT];

enum {
    SLOT_BITS = ISLE__SLOT_BITS,
    PAGE_BITS = ISLE__SLOT_PAGE_BITS,
    PAGE_SLOTS = 1 << PAGE_BITS,
    PAGE_COUNT = ISLE__SLOT_PAGE_COUNT,
    SHELF_BATCH = ISLE__SHELF_SLOTS / 2
};
#define GENERATION_MAX (((uint64_t)1 << ISLE__GENERATION_BITS) - 1)
#define FREE_END UINT32_MAX
#define INDEX_MASK (((uint64_t)1 << SLOT_BITS) - 1)

static struct {
    struct isle__mutex lock;
    uint32_t page_count;
    uint32_t free; /* first free slot's index, last closed first */
} slots;

void isle__slots_init(void)
{
    isle__mutex_init(&slots.lock);
    slots.page_count = 0;
    slots.free = FREE_END;
}

void isle__slots_fini(void)
{
    for (uint32_t i = 0; i < slots.page_count; i++) {
        struct isle__slot *page = atomic_load_explicit(&isle__slot_pages[i], memory_order_relaxed);
        atomic_store_explicit(&isle__slot_pages[i], NULL, memory_order_relaxed);
        isle__memory_free(page, sizeof *page * PAGE_SLOTS);
    }
    slots.page_count = 0;
    isle__mutex_destroy(&slots.lock);
}

size_t isle__slots_reserved(void)
{
    isle__mutex_lock(&slots.lock);
    size_t size = slots.page_count * sizeof(struct isle__slot) * PAGE_SLOTS;
    isle__mutex_unlock(&slots.lock);
    return size;
}

/* Under the lock. */
static bool slots_grow(void)
{
    if (slots.page_count == PAGE_COUNT)
        return false;
    struct isle__slot *page = isle__memory_alloc(sizeof *page * PAGE_SLOTS);
    if (page == NULL)
        return false;
    memset(page, 0, sizeof *page * PAGE_SLOTS);
    uint32_t first = slots.page_count << PAGE_BITS;
    for (uint32_t i = 0; i < PAGE_SLOTS; i++) {
        atomic_init(&page[i].id, ISLE__SLOT_FREE | (first + i));
        page[i].next_free = i + 1 < PAGE_SLOTS ? first + i + 1 : slots.free;
    }
    slots.free = first;
    atomic_store_explicit(&isle__slot_pages[slots.page_count], page, memory_order_release);
    slots.page_count++;
    return true;
}

static uint32_t slot_index(const struct isle__slot *slot)
{
    return (uint32_t)(atomic_load_explicit(&slot->id, memory_order_relaxed) & INDEX_MASK);
}

/* Under the lock; NULL: out of memory or slots. */
static struct isle__slot *slots_take(void)
{
    if (slots.free == FREE_END && !slots_grow())
        return NULL;
    struct isle__slot *slot = isle__slot_at(slots.free);
    if (slot == NULL)
        isle__die("isle: the list of free slots is broken");
    slots.free = slot->next_free;
    return slot;
}

/* Under the lock. */
static void slots_put(struct isle__slot *slot)
{
    slot->next_free = slots.free;
    slots.free = slot_index(slot);
}

/* So that the shelf's last slot is the one that came first in the list. */
static void shelf_fill(struct isle__shelf *shelf)
{
    struct isle__slot *taken[SHELF_BATCH];
    uint32_t count = 0;
    isle__mutex_lock(&slots.lock);
    while (count < SHELF_BATCH && (count == 0 || slots.free != FREE_END)) {
        taken[count] = slots_take();
        if (taken[count] == NULL)
            break;
        count++;
    }
    isle__mutex_unlock(&slots.lock);
    while (count > 0)
        shelf->slots[shelf->slot_count++] = taken[--count];
}

static struct isle__slot *slot_take(void)
{
    struct isle__shelf *shelf = isle__shelf_current();
    if (shelf == NULL) {
        isle__mutex_lock(&slots.lock);
        struct isle__slot *slot = slots_take();
        isle__mutex_unlock(&slots.lock);
        return slot;
    }
    if (shelf->slot_count == 0)
        shelf_fill(shelf);
    return shelf->slot_count == 0 ? NULL : shelf->slots[--shelf->slot_count];
}

static void shelf_return(struct isle__shelf *shelf, uint32_t count)
{
    isle__mutex_lock(&slots.lock);
    for (uint32_t i = 0; i < count; i++) /* the oldest */
        slots_put(shelf->slots[i]);
    isle__mutex_unlock(&slots.lock);
    shelf->slot_count -= count;
    memmove(shelf->slots, shelf->slots + count, shelf->slot_count * sizeof(struct isle__slot *));
}

void isle__slots_take_back(struct isle__shelf *shelf)
{
    shelf_return(shelf, shelf->slot_count);
}

static uint64_t slot_next(uint64_t last)
{
    return last + ((uint64_t)1 << SLOT_BITS);
}

struct isle__slot *isle__slot_open(enum isle__slot_kind kind, struct isle__isolate *isolate,
                                   void *object)
{
    struct isle__slot *slot = slot_take();
    if (slot == NULL)
        return NULL;
    uint64_t last = atomic_load_explicit(&slot->id, memory_order_relaxed) & ~ISLE__SLOT_FREE;
    slot->object = object;
    atomic_store_explicit(&slot->kind, (int)kind, memory_order_relaxed);
    /* Release: who reads this instead of the last owner finds the last id gone
     * (isle__slot_changed). */
    atomic_store_explicit(&slot->isolate, isolate, memory_order_release);
    /* Release: who finds the id finds the isolate (isle__slot_find's acquire). */
    atomic_store_explicit(&slot->id, slot_next(last), memory_order_release);
    return slot;
}

void isle__slot_close(struct isle__slot *slot)
{
    uint64_t id = atomic_load_explicit(&slot->id, memory_order_relaxed);
    atomic_store_explicit(&slot->id, id | ISLE__SLOT_FREE, memory_order_release);
    if (id >> SLOT_BITS == GENERATION_MAX)
        return;
    struct isle__shelf *shelf = isle__shelf_current();
    if (shelf == NULL) {
        isle__mutex_lock(&slots.lock);
        slots_put(slot);
        isle__mutex_unlock(&slots.lock);
        return;
    }
    if (shelf->slot_count == ISLE__SHELF_SLOTS)
        shelf_return(shelf, SHELF_BATCH);
    shelf->slots[shelf->slot_count++] = slot;
}

uint64_t isle__slot_live(struct isle__isolate *isolate, uint64_t last)
{
    if (ISLE__UNLIKELY(last == 0 || last >> SLOT_BITS == GENERATION_MAX)) {
        struct isle__slot *slot = isle__slot_open(ISLE__SLOT_ISOLATE, isolate, isolate);
        return slot == NULL ? 0 : atomic_load_explicit(&slot->id, memory_order_relaxed);
    }
    struct isle__slot *slot = isle__slot_at((uint32_t)(last & INDEX_MASK));
    atomic_store_explicit(&slot->kind, ISLE__SLOT_ISOLATE, memory_order_relaxed);
    atomic_store_explicit(&slot->id, slot_next(last), memory_order_release);
    return slot_next(last);
}

void isle__slot_be_proxy(uint64_t id)
{
    struct isle__slot *slot = isle__slot_at((uint32_t)(id & INDEX_MASK));
    atomic_store_explicit(&slot->kind, ISLE__SLOT_PROXY, memory_order_relaxed);
}

void isle__slot_rest(uint64_t id)
{
    struct isle__slot *slot = isle__slot_at((uint32_t)(id & INDEX_MASK));
    atomic_store_explicit(&slot->kind, ISLE__SLOT_ENDED, memory_order_relaxed);
    atomic_store_explicit(&slot->id, id | ISLE__SLOT_FREE, memory_order_release);
}

/* Acquires what isle__slot_open or isle__slot_close released: the kind is then no older. */
static bool slot_is_free(const struct isle__slot *slot)
{
    return (atomic_load_explicit(&slot->id, memory_order_acquire) & ISLE__SLOT_FREE) != 0;
}

void isle__slot_end(struct isle__slot *slot)
{
    atomic_store_explicit(&slot->kind, ISLE__SLOT_ENDED, memory_order_relaxed);
    isle__slot_close(slot);
}

bool isle__slot_changed(const struct isle__slot *slot, uint64_t id)
{
    atomic_thread_fence(memory_order_acquire);
    return atomic_load_explicit(&slot->id, memory_order_relaxed) != id;
}

bool isle__slot_ended(uint64_t id)
{
    struct isle__slot *slot = isle__slot_at((uint32_t)(id & INDEX_MASK));
    return slot != NULL && slot_is_free(slot) &&
           atomic_load_explicit(&slot->kind, memory_order_relaxed) == ISLE__SLOT_ENDED;
}

struct isle__isolate *isle__slot_ender(uint64_t id)
{
    struct isle__slot *slot = isle__slot_at((uint32_t)(id & INDEX_MASK));
    /* Acquire: who finds the id finds the isolate. */
    if (slot == NULL ||
        atomic_load_explicit(&slot->id, memory_order_acquire) != (id | ISLE__SLOT_FREE) ||
        atomic_load_explicit(&slot->kind, memory_order_relaxed) != ISLE__SLOT_ENDED)
        return NULL;
    return atomic_load_explicit(&slot->isolate, memory_order_relaxed);
}
