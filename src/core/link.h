/* SPDX-License-Identifier: Apache-2.0 */
/* Links: two isolates of which either ends the other (link.c). */
#ifndef ISLE_CORE_LINK_H
#define ISLE_CORE_LINK_H

#include <stdint.h>

#include "core/index.h"
#include "isle/base.h"

struct isle__control;
struct isle__isolate;

/* One side of a relation: how the other is told of an end. */
struct isle__link {
    struct isle__link *next, *previous;
    struct isle__link *same;      /* the next with this peer, oldest first */
    uint64_t peer;                /* its control port */
    uint64_t serial;              /* of the relation, on both sides */
    struct isle__control *notice; /* made with it: LINKED, which says "lost" until more is known */
};

struct isle__links { /* begins as zero */
    struct isle__link *first, *last;
    size_t count;
    struct isle__index index; /* the oldest by peer, of more than ISLE__INDEX_FEW; or no memory */
};

/* All of these are the isolate's own, in its turn, but where it is said. */

/* As isle_link, for an isolate here. ISLE_ENOMEM, ISLE_EFULL: nothing has changed. */
ISLE_MUST_CHECK isle_err isle__link_join(struct isle__isolate *self, isle_isolate other);
void isle__link_part(struct isle__isolate *self, uint64_t peer);
ISLE_MUST_CHECK isle_err isle__link_trap(struct isle__isolate *self, uint64_t port);
/* It could not be linked to whom it asked for: as if that had ended now. */
void isle__link_lost(struct isle__isolate *self, uint64_t peer);
/* Both sides of one with an isolate that is being born: *ret_mine is put when that has succeeded,
 * or freed; the other is the newborn's. ISLE_ENOMEM. */
ISLE_MUST_CHECK isle_err isle__link_birth(struct isle__isolate *self, struct isle__isolate *newborn,
                                          struct isle__link **ret_mine);
void isle__link_put(struct isle__isolate *self, struct isle__link *link);
void isle__link_free(struct isle__link *link); /* any thread; NULL is fine */
void isle__links_free(struct isle__links *links);

/* What a control message of each kind does. Asked: false, there is no memory: it waits for the end,
 * which refuses it. */
bool isle__link_asked(struct isle__isolate *isolate, struct isle__control *control);
void isle__link_parted(struct isle__isolate *isolate, const struct isle__control *control);
void isle__link_told(struct isle__isolate *isolate, struct isle__control *control);
/* Nobody will do it: who asked is told that the isolate is lost. Any thread. */
void isle__link_refuse(struct isle__control *control);

/* The end: all, with notices that say how; then they are told, when all else has been. */
struct isle__links isle__links_take(struct isle__isolate *isolate);
void isle__links_tell(struct isle__links *links);

#endif
