/* SPDX-License-Identifier: Apache-2.0 */
/* What the runtime holds, and what became of messages that nobody received. Counts are exact when
 * nothing runs, else a moment's view. */
#ifndef ISLE_STATS_H
#define ISLE_STATS_H

#include "base.h"

/* Of the whole program. Grows at its end only. */
typedef struct isle_stats {
    uint64_t isolates; /* alive, the root included */
    uint64_t isolates_ever;
    uint64_t
        memory; /* bytes held by the runtime for everybody: heaps, messages, stacks' bookkeeping */
    uint64_t threads; /* OS threads of the runtime, the root's own included */
    uint64_t stacks;  /* held by suspended activities */
    /* Messages that were not delivered, by cause. */
    uint64_t dropped_closed; /* the port was closed or never there */
    uint64_t dropped_dead;   /* the isolate had ended, or ended before it came to them (once its
                                number is in use again: dropped_closed) */
    uint64_t dropped_late;   /* replies to calls that had completed */
    uint64_t refused_full;   /* the send threw or returned ISLE_EFULL: a full mailbox or port */
    /* Behind the process wall. */
    uint64_t processes;      /* that hold an isolate, will, or did and are about to be gone */
    uint64_t processes_warm; /* of them: born ahead (isle_program_options.warm_process_count), ready
                                and nobody's yet */
    /* More causes (port.h). */
    uint64_t dropped_newest;   /* ISLE_OVERFLOW_DROP_NEWEST */
    uint64_t dropped_oldest;   /* ISLE_OVERFLOW_DROP_OLDEST */
    uint64_t dropped_waiting;  /* of isle_send_wait: canceled, timed out, or the sender ended */
    uint64_t waiting;          /* of isle_send_wait, now, in nobody's mailbox yet */
    uint64_t dropped_crossing; /* it could not cross a wall: it is too large for it, means nothing
                                  on the other side, or there was no memory for it there */
} isle_stats;

ISLE_BEGIN

/* Writes the counts of this moment to *ret_stats, all zero while Isle is not running; NULL does
 * nothing. */
ISLE_API ISLE_ANY_THREAD ISLE_PLAIN void isle__stats_read(isle_stats *ret_stats, size_t size);
static inline ISLE_ANY_THREAD void isle_stats_read(isle_stats *ret_stats)
{
    isle__stats_read(ret_stats, sizeof(isle_stats));
}

/* Of the running isolate: bytes of its heap (values, kept values, isle_alloc) and of its mailbox.
 */
ISLE_API size_t isle_memory_used(void);
ISLE_API size_t
isle_mailbox_count(void); /* messages that wait in it, those in its ports included */

ISLE_END

#endif
