/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of a channel, shared by its files. */
#ifndef ISLE_CHANNEL_RECORD_H
#define ISLE_CHANNEL_RECORD_H

#include "channel/channel.h"
#include "channel/ring.h"

/* Where the next record lies. */
enum isle__record_found { ISLE__RECORD_NONE, ISLE__RECORD_WHOLE, ISLE__RECORD_PIECES };

/* A record that comes in pieces, in private memory that is at most twice as large as what has come,
 * or that the program had already. */
struct isle__record_pieces {
    unsigned char *memory;
    size_t capacity;
    size_t size; /* bytes that are here */
    size_t left; /* bytes that are still to come */
};

struct isle__channel {
    struct isle__ring_out out;
    struct isle__ring_in in;
    _Atomic(const char *) fault; /* NULL, then once the text; any thread reads */
    uint64_t rests;              /* how often this side has rested, times ISLE__RING_ONE_REST */
    uint64_t rung;               /* the peer's word of rest for which it was rung */
    size_t record_max;
    enum isle__record_found found;
    size_t found_size;
    struct isle__record_pieces pieces;
    size_t put_done; /* bytes of the record on its way that were put */
    size_t put_size; /* and all of them */
    int bell_in, bell_out;
    bool is_near;       /* the peer was last seen on this core: who looks keeps it from it */
    int64_t look_until; /* it looks again and again till then; 0: it does not */
    bool awaits;        /* something was put since it met the peer */
    struct isle__channel_looks {
        uint32_t skip, skips; /* waits without: yet to come, and of the last time */
    } looks[2];               /* by `awaits` */
    uint32_t look_cuts;       /* by a record that was put, since it met the peer */
};

/* channel.c: what the peer did cannot be. Returns BROKEN. */
enum isle__channel_state isle__channel_break(struct isle__channel *channel, const char *text);
static inline bool isle__channel_is_whole(const struct isle__channel *channel)
{
    return atomic_load_explicit(&channel->fault, memory_order_relaxed) == NULL;
}
/* record.c: forgets what it holds. */
void isle__record_pieces_fini(struct isle__record_pieces *pieces);

#endif
