/* SPDX-License-Identifier: Apache-2.0 */
/* Calls that were taken raw: by isle_port_receive and its kind, or by a handler that listens. Their
 * receiver has the message and not the port for the answer, so no answer will come; the caller is
 * told so when the receiver has ended, as he is of a request that waited in its mailbox.
 *
 * What is kept of such a call is the id of its reply, in the cold part of who took it. Nobody tells
 * when the caller has stopped waiting: the list is looked through when it is full, and grows only
 * if half of them wait still. So it costs a constant for each, and no more than twice what waits.
 * Who has no memory for it tells the caller at once. */
#include "core/taken.h"

#include "core/promise.h"

enum { TAKEN_FIRST = 8 };

static void taken_sweep(struct isle__taken *taken)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < taken->count; i++)
        if (isle__reply_waits(taken->replies[i]))
            taken->replies[kept++] = taken->replies[i];
    taken->count = kept;
}

/* False: no memory for one more. */
static bool taken_has_room(struct isle__taken *taken)
{
    uint32_t old = taken->capacity, new = old == 0 ? TAKEN_FIRST : old * 2;
    if (taken->count < old)
        return true;
    taken_sweep(taken);
    if (old > 0 && taken->count <= old / 2)
        return true;
    uint64_t *replies =
        isle__memory_resize(taken->replies, old * sizeof *replies, new * sizeof *replies);
    if (replies != NULL) {
        taken->replies = replies;
        taken->capacity = new;
    }
    return taken->count < taken->capacity;
}

ISLE__RARE void isle__taken_add(struct isle__isolate *isolate, uint64_t reply)
{
    struct isle__cold *cold = isle__isolate_cold(isolate);
    if (cold == NULL || !taken_has_room(&cold->taken)) {
        isle__reply_closed(reply);
        return;
    }
    cold->taken.replies[cold->taken.count++] = reply;
}

void isle__taken_close(struct isle__isolate *isolate)
{
    struct isle__cold *cold = isle__isolate_has_cold(isolate);
    if (cold == NULL)
        return;
    struct isle__taken *taken = &cold->taken;
    for (uint32_t i = 0; i < taken->count; i++)
        isle__reply_closed(taken->replies[i]);
    isle__memory_free(taken->replies, taken->capacity * sizeof *taken->replies);
    *taken = (struct isle__taken){0};
}
