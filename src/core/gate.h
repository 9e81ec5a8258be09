/* SPDX-License-Identifier: Apache-2.0 */
/* Gates: what stands between senders and a port that has bounds of its own, or before which mail
 * waits for room (gate.c; bound.c has the owner's side, waiting.c that of who waits). */
#ifndef ISLE_CORE_GATE_H
#define ISLE_CORE_GATE_H

#include "core/isolate.h"
#include "core/mail.h"

struct isle__gate;
struct isle__share;

/* A mail that waits before a gate. It is in line, and then the gate's (under its lock); or `gate`
 * is NULL, and it is its sender's alone. */
struct isle__waiting {
    struct isle__waiting *next, *previous; /* in line */
    struct isle__gate *gate;
    struct isle__isolate *isolate; /* the receiver's body */
    struct isle__mail *mail;       /* NULL: it is in the mailbox, or nowhere any more */
    struct isle__parcel *parcel;   /* of the mail, to be committed when it is certain to go; NULL */
    struct isle__mail *notice;     /* tells the sender that the waiting is over; NULL: it is told */
    struct isle__share *share; /* set: nobody here asks for it, it goes when it leaves the line */
};

/* How much mail waits here of, or for, who is behind a wall. */
struct isle__share {
    _Atomic uint32_t references;
    _Atomic uint32_t count;
    _Atomic size_t bytes;
};
enum { ISLE__SHARE_COUNT = 4096, ISLE__SHARE_BYTES = 64 << 20 };
struct isle__share *isle__share_make(void);                      /* NULL: out of memory */
void isle__share_release(struct isle__share *share);             /* NULL is fine */
void isle__share_leave(struct isle__share *share, size_t bytes); /* of one mail */
static inline uint32_t isle__share_count(const struct isle__share *share)
{
    return atomic_load_explicit(&share->count, memory_order_relaxed);
}
static inline size_t isle__share_bytes_left(const struct isle__share *share)
{
    size_t bytes = atomic_load_explicit(&share->bytes, memory_order_relaxed);
    return bytes < ISLE__SHARE_BYTES ? ISLE__SHARE_BYTES - bytes : 0;
}
/* Mail of a send that waits, whose sender is not here: it is let in, lines up, or is dropped and
 * counted. `reply` is told, if it is not 0; then more than a share allows is refused. */
void isle__wait_for(struct isle__mail *mail, uint64_t reply, struct isle__share *share);

/* What a port is bound to; amounts are isle__room_of's. */
struct isle__bounds {
    uint64_t most, high, low; /* high 0: nobody asks */
    isle_overflow overflow;
    isle_task *on_high, *on_low;
    void *context;
};

enum isle__gate_way {
    ISLE__GATE_NONE,    /* the port has no bounds */
    ISLE__GATE_COUNTED, /* it was let in: counted until isle__gate_leave or isle__gate_withdraw */
    ISLE__GATE_FULL,    /* refused */
    ISLE__GATE_NEWEST,  /* it is to be dropped, as the newest */
    ISLE__GATE_ENDED    /* the receiver ends of it */
};

/* --- senders; any thread */

/* Of mail that is not reserved, for a port of this isolate. What is refused is counted. */
enum isle__gate_way isle__gate_enter(struct isle__isolate *isolate, uint64_t target,
                                     uint64_t amount);
/* What was counted, and the mailbox has refused. */
void isle__gate_withdraw(struct isle__isolate *isolate, uint64_t target, uint64_t amount);
/* Mail of so many bytes, if nothing else were there; true as well if nobody has the target. */
bool isle__gate_could_hold(uint64_t target, size_t size);
/* Lets the mail in, or puts it into the line; nobody may be behind it in either case. ISLE_OK: it
 * is in the mailbox, or in line. Else the mail is the caller's: ISLE_EFULL, it is
 * larger than what the port or the mailbox may ever hold; ISLE_ECLOSED; ISLE_ENOMEM. `waits`: not
 * even tried, of a simulation. */
ISLE_MUST_CHECK isle_err isle__gate_line_up(struct isle__waiting *waiting, bool waits,
                                            bool *ret_is_in);
/* Its parcel is certain to go. */
static inline void isle__waiting_commit(struct isle__waiting *waiting)
{
    if (waiting->parcel == NULL)
        return;
    isle__parcel_commit(waiting->parcel);
    waiting->mail->parcel = *waiting->parcel;
    waiting->parcel = NULL;
}
/* Takes it out of the line, if it is there: its mail and notice are the caller's again. */
void isle__gate_give_up(struct isle__waiting *waiting);
/* The wall of this share has ended, and nothing comes in from there any more: what it has in line
 * is dropped, wherever that is. NULL is fine. */
void isle__gates_forget(struct isle__share *share);

/* --- the receiver */

/* Before an admitted mail that was counted is read: counted off. Those in line have their turn. */
void isle__gate_leave(struct isle__isolate *isolate, uint64_t target, uint64_t amount);
/* More waits than the bounds allow: the oldest is to go, and counted as dropped. */
bool isle__gate_drops_oldest(struct isle__isolate *isolate, uint64_t target);
/* New bounds of a port. ISLE_ENOMEM: nothing has changed. */
ISLE_MUST_CHECK isle_err isle__gate_bind(struct isle__isolate *isolate, uint64_t target,
                                         const struct isle__bounds *bounds);
void isle__gate_read(struct isle__isolate *isolate, uint64_t target, isle_port_stats *ret_stats);
void isle__gate_close(struct isle__isolate *isolate, uint64_t target); /* the port is closed */
/* There is room, perhaps, for those that wait for room in the mailbox; or, as attention says, some
 * have lined up, or the tide has turned. */
void isle__gates_let_in(struct isle__isolate *isolate);
/* Its mailbox is closed: all in line are told. */
void isle__gates_end(struct isle__isolate *isolate);
static inline bool isle__gates_have(const struct isle__isolate *isolate)
{
    return (atomic_load_explicit(&isolate->admission, memory_order_seq_cst) &
            (ISLE__ADMIT_BOUNDED | ISLE__ADMIT_WAITED)) != 0;
}

void isle__gates_init(void);
void isle__gates_fini(void);

/* --- high and low water (bound.c): told to the port's owner, in events of their own */

struct isle__tide;
/* All the owner's. NULL: out of memory. */
struct isle__tide *isle__tide_make(struct isle__isolate *isolate,
                                   const struct isle__bounds *bounds);
void isle__tide_turn(struct isle__tide *tide, bool is_high); /* told soon, if it was not */
void isle__tide_end(struct isle__tide *tide);                /* told no more; NULL is fine */

#endif
