/* SPDX-License-Identifier: Apache-2.0 */
/* What an isolate behind a wall owns outside: isolates that are killed when its wall ends, in
 * whatever way. Who was killed or has crashed runs nothing any more that could do it, and a link
 * would only tell who traps it; so the kills lie here. Each is made when it is asked for: the end
 * needs no memory.
 *
 * Law: what is asked for is hostile. A kill has the capability that came with it, at which its
 * target looks; there is one for each control port, and those that have ended are looked for when
 * there are twice as many as the last look has left. */
#include "backend/wall/wall.h"
#include "core/control.h"
#include "core/slot.h"

enum { OWNED_FEW = 64 };

static void owned_sweep(struct isle__wall_owned *owned)
{
    struct isle__control **at = &owned->kills;
    while (*at != NULL) {
        struct isle__control *kill = *at;
        if (isle__slot_find(kill->target & ~ISLE__ID_CONTROL) != NULL) {
            at = &kill->next;
            continue;
        }
        *at = kill->next;
        isle__index_remove(&owned->places, kill->target);
        isle__control_free(kill);
    }
    (void)isle__index_trim(&owned->places);
    owned->most = 2 * (owned->places.count > OWNED_FEW ? owned->places.count : OWNED_FEW);
}

/* NULL: out of memory. */
static struct isle__control *owned_make(struct isle__wall_owned *owned, uint64_t target)
{
    struct isle__control *kill = isle__memory_alloc(sizeof *kill);
    if (kill == NULL || !isle__index_put(&owned->places, target, (uintptr_t)kill)) {
        isle__memory_free(kill, sizeof *kill);
        return NULL;
    }
    *kill =
        (struct isle__control){.next = owned->kills, .kind = ISLE__CONTROL_KILL, .target = target};
    return owned->kills = kill;
}

bool isle__wall_owned_add(struct isle__wall_owned *owned, isle_isolate other)
{
    uint64_t target = other.control_port.id;
    if (owned->places.count >= owned->most)
        owned_sweep(owned);
    struct isle__control *kill = (struct isle__control *)isle__index_find(&owned->places, target);
    if (kill == NULL)
        kill = owned_make(owned, target);
    if (kill == NULL) /* perhaps only that once */
        kill = owned_make(owned, target);
    if (kill != NULL)
        kill->capability = other.terminate_capability.id;
    return kill != NULL;
}

void isle__wall_owned_end(struct isle__wall_owned *owned)
{
    while (owned->kills != NULL) {
        struct isle__control *kill = owned->kills;
        owned->kills = kill->next;
        if (isle__control_post(kill) != ISLE_OK)
            continue; /* it has ended before */
    }
    isle__index_fini(&owned->places);
}
