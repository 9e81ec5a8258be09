/* SPDX-License-Identifier: Apache-2.0 */
/* Slots: the table behind every id (slot.c). */
#ifndef ISLE_CORE_SLOT_H
#define ISLE_CORE_SLOT_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "isle/base.h"

struct isle__isolate;
struct isle__shelf;

enum isle__slot_kind {
    ISLE__SLOT_ISOLATE = 1,
    ISLE__SLOT_PORT,
    ISLE__SLOT_REPLY,
    ISLE__SLOT_ENDED,
    ISLE__SLOT_REMOTE, /* an isolate behind a wall, of its proxy's body: control port and default
                          port */
    ISLE__SLOT_PROXY   /* as ISOLATE, of a body that stands for an isolate elsewhere */
};

struct isle__slot {
    _Atomic uint64_t id; /* of a free one: its last one, marked */
    _Atomic(struct isle__isolate *) isolate;
    void *object;       /* the owner's: isle__port or isle__promise of the isolate */
    _Atomic int kind;   /* isle__slot_kind */
    uint32_t next_free; /* index */
};
_Static_assert(sizeof(struct isle__slot) <= 32, "two slots fit into a line");
#define ISLE__SLOT_FREE ((uint64_t)1 << 61)  /* in a slot's id: nobody has it */
#define ISLE__ID_CONTROL ((uint64_t)1 << 60) /* an isolate's control port: its id with this bit */

/* NULL: out of memory, or 2^24 slots in use. */
struct isle__slot *isle__slot_open(enum isle__slot_kind kind, struct isle__isolate *isolate,
                                   void *object);
void isle__slot_close(struct isle__slot *slot);
void isle__slot_end(struct isle__slot *slot); /* the same, because its isolate ends */
/* The id of an isolate's next life, in the slot of its last one (0: it had none), or another when
 * the generations of that are used up. 0: as NULL above. */
uint64_t isle__slot_live(struct isle__isolate *isolate, uint64_t last);
void isle__slot_be_proxy(uint64_t id); /* in that life, before anybody else has the id */
void isle__slot_rest(uint64_t id);     /* the isolate ends; the slot remains its body's */
/* The body whose last life had this id; NULL: nobody knows it any more. What it says may be old at
 * once. Any thread. */
struct isle__isolate *isle__slot_ender(uint64_t id);
/* Nobody has this id because its isolate has ended; false as well once the slot is in use again.
 * Any thread. */
bool isle__slot_ended(uint64_t id);
enum {
    ISLE__SLOT_BITS = 24,
    ISLE__SLOT_PAGE_BITS = 12,
    ISLE__SLOT_PAGE_COUNT = 1 << (ISLE__SLOT_BITS - ISLE__SLOT_PAGE_BITS)
};
extern _Atomic(struct isle__slot *) isle__slot_pages[ISLE__SLOT_PAGE_COUNT];
static inline struct isle__slot *isle__slot_at(uint32_t index)
{
    struct isle__slot *page = atomic_load_explicit(&isle__slot_pages[index >> ISLE__SLOT_PAGE_BITS],
                                                   memory_order_acquire);
    return page == NULL ? NULL : &page[index & ((1u << ISLE__SLOT_PAGE_BITS) - 1)];
}
/* The slot that has this id now, or NULL. Any thread; what it says may be old at once. */
static inline struct isle__slot *isle__slot_find(uint64_t id)
{
    if ((id & ISLE__SLOT_FREE) != 0) /* no id: forged */
        return NULL;
    struct isle__slot *slot =
        isle__slot_at((uint32_t)(id & (((uint64_t)1 << ISLE__SLOT_BITS) - 1)));
    if (slot == NULL || atomic_load_explicit(&slot->id, memory_order_acquire) != id)
        return NULL;
    return slot;
}
/* Whether the slot has another id by now, or none: then what was read of it, and of the isolate
 * that it led to, since isle__slot_find found it may be of another life. Any thread. */
bool isle__slot_changed(const struct isle__slot *slot, uint64_t id);
void isle__slots_take_back(struct isle__shelf *shelf); /* its worker ends */
void isle__slots_init(void);
void isle__slots_fini(void);
size_t isle__slots_reserved(void); /* bytes */

#endif
