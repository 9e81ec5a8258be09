/* SPDX-License-Identifier: Apache-2.0 */
/* Exit and error listeners of an isolate (listener.c). */
#ifndef ISLE_CORE_LISTENER_H
#define ISLE_CORE_LISTENER_H

#include <stdint.h>

#include "core/index.h"
#include "isle/base.h"

struct isle__mail;

struct isle__listener {
    struct isle__listener *next, *previous;
    uint64_t port;
    struct isle__mail *mail; /* of an exit listener: posted at the end. Of an error listener: room
                                for the case that there is no memory */
};

struct isle__listeners {                 /* begins as zero */
    struct isle__listener *first, *last; /* in the order in which they are told */
    size_t count;
    struct isle__index index; /* by port, of more than ISLE__INDEX_FEW; or it has no memory */
};

/* Takes the mail. Once per port: the last mail counts, the place stays. ISLE_ENOMEM. */
ISLE_MUST_CHECK isle_err isle__listener_add(struct isle__listeners *list, uint64_t port,
                                            struct isle__mail *mail);
/* The same in two steps, of which the second cannot fail: an entry made before. NULL: no memory,
 * the mail is still the caller's. */
struct isle__listener *isle__listener_make(uint64_t port, struct isle__mail *mail);
void isle__listener_put(struct isle__listeners *list, struct isle__listener *listener);
void isle__listener_free(struct isle__listener *listener); /* with its mail; NULL is fine */
void isle__listener_remove(struct isle__listeners *list, uint64_t port);
void isle__listeners_free(struct isle__listeners *list);

#endif
