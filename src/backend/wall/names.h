/* SPDX-License-Identifier: Apache-2.0 */
/* Names across a wall: what of ours the other side may name (exports), and what of theirs we may
 * (imports) (names.c).
 *
 * A name is a slot (24 bits) and a generation (38 bits) of the exporter's table, and two marks: it
 * is a control port's, it is an alias. It is all that the other side has: ids never cross. So what
 * a side can name is what it was given, and an id of this program cannot be guessed from there.
 *
 * Laws. A name that was never given out (a slot beyond the table, a generation from the future, a
 * kind that does not fit the place) is FORGED: a violation of the protocol. One that was given out
 * and is no more is STALE: mail to what is gone. A slot whose generations are used up is retired.
 * Both tables are bounded. A wall's tables belong to who runs its turn. */
#ifndef ISLE_BACKEND_NAMES_H
#define ISLE_BACKEND_NAMES_H

#include "core/index.h"

struct isle__isolate;
struct isle__mail;
struct isle__slot;

enum isle__name_kind {
    ISLE__NAME_FREE,
    ISLE__NAME_PORT,       /* a receive port, or the default port of an isolate */
    ISLE__NAME_REPLY,      /* of a call: used once */
    ISLE__NAME_CONTROL,    /* an isolate's control port */
    ISLE__NAME_CAPABILITY, /* of an isolate, or any other */
    ISLE__NAME_ANSWER,     /* of a ping: a mail that waits here, used once */
    ISLE__NAME_KINDS
};
#define ISLE__NAME_BIT(kind) (1u << (kind))

enum { ISLE__NAME_SLOT_BITS = 24 };
#ifndef ISLE__NAME_GENERATION_BITS
#define ISLE__NAME_GENERATION_BITS 40
#endif
#define ISLE__NAME_GENERATION_MAX (((uint64_t)1 << (ISLE__NAME_GENERATION_BITS - 2)) - 1)
static inline uint64_t isle__name_of(uint32_t slot, uint64_t generation)
{
    return generation << ISLE__NAME_SLOT_BITS | slot;
}
static inline uint32_t isle__name_slot(uint64_t name)
{
    return (uint32_t)(name & (((uint64_t)1 << ISLE__NAME_SLOT_BITS) - 1));
}
static inline uint64_t isle__name_generation(uint64_t name)
{
    return name >> ISLE__NAME_SLOT_BITS;
}
/* The first names of the inside's table: the isolate itself. Both sides have them from the begin.
 */
enum isle__name_self {
    ISLE__SELF_CONTROL,
    ISLE__SELF_DEFAULT,
    ISLE__SELF_PAUSE,
    ISLE__SELF_TERMINATE,
    ISLE__SELF_COUNT
};
/* Names that the inside gives, for isolates that it has spawned: their generation's highest bit is
 * set, the rest of it is the number of the spawn. They stand for exports that have names of their
 * own (isle__export_alias). */
#define ISLE__NAME_ALIAS ((uint64_t)1 << (ISLE__NAME_GENERATION_BITS - 1))
/* A control port's name says so by the next bit, wherever it stands: it may come as a plain port
 * before it comes in a handle. Those that both sides have from the begin, and aliases, need none.
 */
#define ISLE__NAME_OF_CONTROL ((uint64_t)1 << (ISLE__NAME_GENERATION_BITS - 2))
static inline bool isle__name_is_control(uint64_t name)
{
    return (isle__name_generation(name) & (ISLE__NAME_ALIAS | ISLE__NAME_OF_CONTROL)) ==
           ISLE__NAME_OF_CONTROL;
}
/* A port of this id is nobody's, and never will be: what a stale name becomes. */
#define ISLE__NAME_GONE (((uint64_t)1 << 60) - 1)

/* --- exports */

struct isle__export {
    uint64_t id;         /* port or capability here; of an answer: its mail's address */
    uint64_t owner;      /* of a capability: the isolate that it is for; 0: none */
    uint64_t generation; /* of the name that it has, or had last; 0: none yet */
    uint64_t alias;      /* another name for it; 0: none */
    uint32_t next_free;
    uint8_t kind; /* isle__name_kind */
};

struct isle__exports { /* begins as zero, but for `max` */
    struct isle__export *entries;
    uint32_t count, capacity; /* ever used; that there is memory for */
    uint32_t used, max;
    uint32_t free;               /* index + 1 of the one that was freed last */
    uint32_t swept;              /* used after the last sweep */
    uint32_t fixed;              /* the first ones are never swept */
    uint64_t spawned;            /* aliases up to this number have been given */
    struct isle__index by_id;    /* slot + 1 */
    struct isle__index by_alias; /* the same */
};

enum isle__name_state { ISLE__NAME_KNOWN, ISLE__NAME_STALE, ISLE__NAME_FORGED };

/* The name of what has this id, given out now if it has none. ISLE_EFULL: the table is full,
 * isle__exports_sweep may help; ISLE_ENOMEM. */
ISLE_MUST_CHECK isle_err isle__export_give(struct isle__exports *exports, enum isle__name_kind kind,
                                           uint64_t id, uint64_t owner, uint64_t *ret_name);
/* The name that it has; 0: none. */
uint64_t isle__export_name_of(const struct isle__exports *exports, enum isle__name_kind kind,
                              uint64_t id);
/* A name for an answer that waits: takes the mail. */
ISLE_MUST_CHECK isle_err isle__export_answer(struct isle__exports *exports, struct isle__mail *mail,
                                             uint64_t *ret_name);
/* Another name for one that was just given, by the other side's choice. ISLE_ENOMEM. */
ISLE_MUST_CHECK isle_err isle__export_alias(struct isle__exports *exports, uint64_t name,
                                            uint64_t alias);
/* What a name leads to. `kinds`: the bits of those that fit. */
enum isle__name_state isle__export_find(const struct isle__exports *exports, uint64_t name,
                                        unsigned kinds, const struct isle__export **ret_export);
/* The name is used up, or its id is gone. It is known. */
void isle__export_free(struct isle__exports *exports, uint64_t name);
/* Whether a sweep is due: the table is full, or has doubled since the last. */
bool isle__exports_want_sweep(const struct isle__exports *exports);
/* Frees what leads to nothing any more, and tells each name. */
void isle__exports_sweep(struct isle__exports *exports, void (*told)(void *context, uint64_t name),
                         void *context);
/* Calls fn with each entry in use. */
void isle__exports_each(struct isle__exports *exports,
                        void (*fn)(void *context, const struct isle__export *entry), void *context);
void isle__exports_fini(struct isle__exports *exports); /* answers' mails are dropped */

/* --- imports */

struct isle__import {
    struct isle__import *next; /* of all, or of the free ones */
    struct isle__import *previous;
    uint64_t name;           /* theirs */
    uint64_t also;           /* their own name for it, where `name` is an alias of ours; 0 */
    uint64_t id;             /* here: a port (a control port's has its bit), or a capability */
    struct isle__slot *slot; /* NULL: a capability, or the isolate itself */
    uint8_t kind;            /* isle__name_kind */
};

/* A bound that several share. A few of each are its own, so that one that takes all leaves the
 * others something to go on with. Any thread: it may be passed by as many as run at once. */
enum { ISLE__NAMES_OWN = 256 };
struct isle__names_pool {
    _Atomic uint32_t used; /* beyond the own ones */
    uint32_t max;
};

struct isle__imports {           /* begins as isle__imports_init leaves it */
    struct isle__isolate *proxy; /* whose mailbox gets what is sent to them */
    struct isle__import *all;
    uint32_t count, max;
    struct isle__names_pool *pool; /* NULL: none is shared */
    uint64_t key[2];               /* names are the other side's choice: of the index's order */
    struct isle__index by_name;    /* struct isle__import *, by the name's hash under the key */
    struct isle__index capability; /* the same by id */
};

void isle__imports_init(struct isle__imports *imports, struct isle__isolate *proxy, uint32_t max);
/* They are counted in that pool, until isle__imports_leave. Once, by who may use them. */
void isle__imports_join(struct isle__imports *imports, struct isle__names_pool *pool);
void isle__imports_leave(struct isle__imports *imports); /* if they have joined one */
/* The import of a name, made now if there is none. ISLE_EFULL: above a bound, or the name is one
 * of another kind already: a violation; ISLE_ENOMEM, which is ours. */
ISLE_MUST_CHECK isle_err isle__import_take(struct isle__imports *imports, enum isle__name_kind kind,
                                           uint64_t name, struct isle__import **ret_import);
/* One whose id is known: the isolate itself, which has its own slot. */
ISLE_MUST_CHECK isle_err isle__import_fixed(struct isle__imports *imports,
                                            enum isle__name_kind kind, uint64_t name, uint64_t id);
/* What we named first has this name as well. ISLE_EFULL: something else has it; ISLE_ENOMEM. */
ISLE_MUST_CHECK isle_err isle__import_also(struct isle__imports *imports,
                                           struct isle__import *import, uint64_t name);
struct isle__import *isle__import_of_name(const struct isle__imports *imports, uint64_t name);
/* Of a port's or control port's id; of a capability's; NULL: it is not theirs. */
struct isle__import *isle__import_of_port(const struct isle__imports *imports, uint64_t id);
struct isle__import *isle__import_of_capability(const struct isle__imports *imports, uint64_t id);
/* It was used up, or the other side says that it is gone. */
void isle__import_drop(struct isle__imports *imports, struct isle__import *import);
/* All, because the proxy ends: mail that still comes finds its isolate dead. */
void isle__imports_fini(struct isle__imports *imports);

#endif
