/* SPDX-License-Identifier: Apache-2.0 */
/* The table of names (name.c), and what registry.c makes of it. */
#ifndef ISLE_CORE_NAME_H
#define ISLE_CORE_NAME_H

#include "core/isolate.h"
#include "isle/name.h"

struct isle__mail;

enum {
    ISLE__NAME_MAX = 255,          /* bytes */
    ISLE__NAMES_MAX = 1 << 16,     /* of a registry */
    ISLE__WATCHES_MAX = 1 << 16,   /* of a registry */
    ISLE__NAMES_FAR_MAX = 1 << 10, /* of both, of one isolate beyond a wall */
    ISLE__NAME_PAGE = 128
};

/* Who asked for something and may undo it: an isolate of this program, by its id, or somebody
 * beyond a wall, by a token that nobody else knows. */
struct isle__name_owner {
    uint64_t id;
    bool is_far;
};

/* A name in a registry, which goes by the id of its port; 0: the program's own. */
struct isle__name_key {
    uint64_t registry;
    const char *text; /* NUL-terminated */
    size_t length;    /* valid, 1 to ISLE__NAME_MAX */
};

/* Who is told of a name. */
struct isle__watching {
    uint64_t to;
    struct isle__name_owner owner;
    struct isle__mail *mail; /* ready to be told with; taken if the relation is made */
    bool is_wait;            /* `to` is a call: told once somebody has the name; else of the next
                                change, by a message of isle__change_mail */
    int64_t until;           /* of one from afar: nobody waits any more; ISLE_FOREVER */
};

struct isle__name_page {
    size_t count;
    uint64_t next; /* where the next page begins; 0: there is none */
    struct {
        uint64_t port;
        uint8_t length;
        char text[ISLE__NAME_MAX];
    } entries[ISLE__NAME_PAGE];
};

void isle__names_start(void);
void isle__names_stop(void);

/* All of these: any thread; ISLE_ECLOSED without the registry. */
ISLE_MUST_CHECK isle_err isle__registry_open(uint64_t id); /* ISLE_ECLOSED, ISLE_ENOMEM */
/* Nothing unless this isolate's port it is. */
void isle__registry_close(uint64_t id, const struct isle__isolate *opener);
bool isle__registry_is_here(uint64_t id);
/* ISLE_EUSED, ISLE_ECLOSED (the port's isolate has ended), ISLE_EINVAL (it is no port), ISLE_EFULL,
 * ISLE_ENOMEM. */
ISLE_MUST_CHECK isle_err isle__name_take(const struct isle__name_key *key, uint64_t port,
                                         struct isle__name_owner owner);
/* Nothing unless the owner's it is, or `any`. */
void isle__name_leave(const struct isle__name_key *key, struct isle__name_owner owner, bool any);
/* 0: nobody has it. */
ISLE_MUST_CHECK isle_err isle__name_find(const struct isle__name_key *key, uint64_t *ret_port);
/* Who has the name, and in one step the relation: of a wait only if nobody has it (*ret_taken:
 * watching->mail is the table's). ISLE_ECLOSED also if nobody has the port to tell. */
ISLE_MUST_CHECK isle_err isle__name_watch(const struct isle__name_key *key,
                                          const struct isle__watching *watching, uint64_t *ret_port,
                                          bool *ret_taken);
void isle__name_unwatch(const struct isle__name_key *key, uint64_t to,
                        struct isle__name_owner owner);
void isle__name_unwait(uint64_t reply); /* by whose reply it is */
/* From where the last page said; 0: the first. */
ISLE_MUST_CHECK isle_err isle__name_page(uint64_t registry, uint64_t from,
                                         struct isle__name_page *ret_page);

/* The message that says who has a name, to nobody yet. NULL: no memory. */
struct isle__mail *isle__change_mail(uint64_t to, const struct isle__name_key *key);
void isle__change_rewrite(struct isle__mail *mail, uint64_t port);

/* --- the ends (has_names) */

void isle__names_end(struct isle__isolate *isolate);
void isle__names_leave_port(uint64_t id);
/* On the worker that ends it, after its mailbox was closed and before anybody is told: its names
 * are free, and whom it asked to be told is forgotten. */
static inline void isle__names_ended(struct isle__isolate *isolate)
{
    if (ISLE__UNLIKELY(atomic_load_explicit(&isolate->has_names, memory_order_relaxed)))
        isle__names_end(isolate);
}
/* On the worker that runs it: a slot of its has just been given up, while it lives on. The fence
 * pairs with name_hold's: either who registers finds the slot gone, or this finds has_names. */
static inline void isle__names_port_closed(struct isle__isolate *isolate, uint64_t id)
{
    atomic_thread_fence(memory_order_seq_cst);
    if (ISLE__UNLIKELY(atomic_load_explicit(&isolate->has_names, memory_order_relaxed)))
        isle__names_leave_port(id);
}

#endif
