/* SPDX-License-Identifier: Apache-2.0 */
/* The public counts. */
#include <string.h>

#include "core/isolate.h"
#include "core/reactor.h"
#include "core/slot.h"

static uint64_t stats_memory(void)
{
    uint64_t live = isle__memory_live();
    uint64_t idle = isle__program.baseline + isle__slots_reserved() + isle__sched_reserved();
    isle__mutex_lock(&isle__program.lock);
    idle += isle__program.reserved;
    isle__mutex_unlock(&isle__program.lock);
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
        stats.isolates = atomic_load_explicit(&program->count, memory_order_acquire);
        stats.isolates_ever = atomic_load_explicit(&program->ever, memory_order_relaxed);
        stats.memory = stats_memory();
        stats.threads = isle__thread_count();
        stats.stacks = atomic_load_explicit(&program->suspended, memory_order_relaxed);
        stats.dropped_closed = atomic_load_explicit(&program->dropped_closed, memory_order_relaxed);
        stats.dropped_dead = atomic_load_explicit(&program->dropped_dead, memory_order_relaxed);
        stats.dropped_late = atomic_load_explicit(&program->dropped_late, memory_order_relaxed);
        stats.refused_full = atomic_load_explicit(&program->refused_full, memory_order_relaxed);
    }
    atomic_fetch_sub_explicit(&isle__program.posters, 1, memory_order_seq_cst);
    memset(ret_stats, 0, size);
    memcpy(ret_stats, &stats, size < sizeof stats ? size : sizeof stats);
}

size_t isle_memory_used(void)
{
    struct isle__heap *heap = isle__heap_need(__func__);
    return atomic_load_explicit(&heap->used, memory_order_relaxed) +
           atomic_load_explicit(&heap->mailbox, memory_order_relaxed);
}

size_t isle_mailbox_count(void)
{
    struct isle__isolate *isolate = isle__isolate_need(__func__);
    return (size_t)atomic_load_explicit(&isolate->mail_count, memory_order_relaxed);
}
