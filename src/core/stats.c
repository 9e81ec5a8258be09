/* SPDX-License-Identifier: Apache-2.0 */
/* The public counts. */
#include <string.h>

#include "core/backend.h"
#include "core/body.h"
#include "core/isolate.h"
#include "core/reactor.h"
#include "core/shelf.h"
#include "core/slot.h"

static uint64_t stats_memory(void)
{
    uint64_t live = isle__memory_live();
    uint64_t idle = isle__program.baseline + isle__slots_reserved() + isle__sched_reserved();
    idle += isle__bodies_reserved();
    return live > idle ? live - idle : 0;
}

void isle__stats_read(isle_stats *ret_stats, size_t size)
{
    if (ret_stats == NULL)
        return;
    isle_stats stats = {0};
    /* The end of the program waits for those who are inside, as in isle_post. */
    atomic_fetch_add_explicit(&isle__program.posters, 1, memory_order_seq_cst);
    if (atomic_load_explicit(&isle__program.running, memory_order_seq_cst)) {
        struct isle__program *program = &isle__program;
        stats.isolates = isle__tally_between(ISLE__TALLY_STARTED, ISLE__TALLY_ENDED);
        stats.isolates_ever = isle__tally_sum(ISLE__TALLY_STARTED);
        stats.memory = stats_memory();
        stats.threads = isle__thread_count();
        stats.stacks = isle__tally_between(ISLE__TALLY_SUSPENDED, ISLE__TALLY_RESUMED);
        stats.dropped_closed = atomic_load_explicit(&program->dropped_closed, memory_order_relaxed);
        stats.dropped_dead = atomic_load_explicit(&program->dropped_dead, memory_order_relaxed);
        stats.dropped_late = atomic_load_explicit(&program->dropped_late, memory_order_relaxed);
        stats.refused_full = atomic_load_explicit(&program->refused_full, memory_order_relaxed);
        stats.dropped_newest = atomic_load_explicit(&program->dropped_newest, memory_order_relaxed);
        stats.dropped_oldest = atomic_load_explicit(&program->dropped_oldest, memory_order_relaxed);
        stats.dropped_waiting =
            atomic_load_explicit(&program->dropped_waiting, memory_order_relaxed);
        stats.dropped_crossing =
            atomic_load_explicit(&program->dropped_crossing, memory_order_relaxed);
        stats.waiting = atomic_load_explicit(&program->waiting, memory_order_relaxed);
        isle__backends_count(&stats);
    }
    atomic_fetch_sub_explicit(&isle__program.posters, 1, memory_order_seq_cst);
    memset(ret_stats, 0, size);
    memcpy(ret_stats, &stats, size < sizeof stats ? size : sizeof stats);
}

size_t isle_memory_used(void)
{
    struct isle__heap *heap = isle__heap_need(__func__);
    return atomic_load_explicit(&heap->used, memory_order_relaxed) + isle__heap_waiting(heap);
}

size_t isle_mailbox_count(void)
{
    struct isle__isolate *isolate = isle__isolate_need(__func__);
    uint64_t data =
        atomic_load_explicit(&isolate->heap.data.in, memory_order_relaxed) - isolate->heap.data_out;
    return (size_t)(isle__room_count(data) +
                    isle__room_count(isle__room_taken(&isolate->heap.reserved)));
}
