/* SPDX-License-Identifier: Apache-2.0 */
/* A world of one heap, without any scheduler; closing it checks that nothing is left. */
#ifndef ISLE_MEMORY_HELP_H
#define ISLE_MEMORY_HELP_H

#include <string.h>
#include <unistd.h>

#include "isle/error.h"
#include "isle/scope.h"
#include "isle/value.h"
#include "value/cell.h"

#include "test.h"

struct world {
    struct isle__heap heap;
    struct isle__frame frame;
    struct isle__scope scope;
    uint64_t live;
};

static inline void world_open_limited(struct world *world, size_t limit)
{
    memset(world, 0, sizeof *world);
    world->live = isle__memory_live();
    isle__heap_init(&world->heap, limit);
    isle__frame_init(&world->frame, &world->heap);
    world->heap.frame = &world->frame;
    isle__heap_set_current(&world->heap);
    isle__scope_init(&world->scope, &world->frame);
}

static inline void world_open(struct world *world)
{
    world_open_limited(world, SIZE_MAX);
}

static inline size_t world_used(struct world *world)
{
    return atomic_load(&world->heap.used);
}

static inline void world_close(struct world *world)
{
    isle__scope_fini(&world->scope, NULL);
    isle__frame_fini(&world->frame);
    isle__heap_fini(&world->heap);
    isle__heap_set_current(NULL);
    CHECK_INT(world_used(world), 0);
    CHECK_INT(isle__memory_live(), world->live);
}

#endif
