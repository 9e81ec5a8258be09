/* SPDX-License-Identifier: Apache-2.0 */
/* One ring of bytes from one process to another, and the words by which they tell each other how
 * far they are. A place is counted in bytes since the beginning and never wraps (2^64); where it
 * lies is the place modulo the ring's size. Everything is in cells of eight bytes.
 *
 *        freed ........ put            the writer's, private; `put` is shown as the shared tail
 *          |            |
 *     ..taken ..... come               the reader's, private; `taken` is shown as the shared head
 *
 * Laws. Of the shared words each side writes its own alone. What is read of the other's is checked
 * against the own private places: freed <= head <= shown, taken <= tail <= taken + size, whole
 * cells. So all lengths that come of it lie within the ring, whatever the other side does. One
 * thread at a time uses an end of a ring; fields that others may look at are atomic. */
#ifndef ISLE_CHANNEL_RING_H
#define ISLE_CHANNEL_RING_H

#include "platform/platform.h"

enum { ISLE__RING_CELL = 8, ISLE__RING_PAGE = 4096 };

/* What a side's word of rest says besides how often it has rested. */
#define ISLE__RING_RESTS UINT64_C(1)      /* it waits: ring when something has come */
#define ISLE__RING_WANTS_ROOM UINT64_C(2) /* and when there is room */
#define ISLE__RING_ONE_REST UINT64_C(4)

/* The first page of the memory that one side writes; behind it lies the ring that it writes. Two
 * cache lines a word: processors fetch them in pairs. */
struct isle__ring_words {
    _Alignas(128) _Atomic uint64_t tail; /* how far it has written */
    _Alignas(128) _Atomic uint64_t head; /* how far it has read the other side's ring */
    _Alignas(128) _Atomic uint64_t rest;
    _Alignas(128) _Atomic uint32_t mark; /* the owner's last words */
    _Alignas(128) _Atomic uint32_t core; /* from which it last looked; 0: unknown. A hint alone */
};
_Static_assert(sizeof(struct isle__ring_words) <= ISLE__RING_PAGE, "the words fit into a page");
_Static_assert(ATOMIC_LLONG_LOCK_FREE == 2 && sizeof(uint64_t) == sizeof(long long),
               "words of shared memory need no lock");

/* The writing end. */
struct isle__ring_out {
    struct isle__ring_words *mine, *theirs;
    unsigned char *bytes;
    uint64_t size;  /* a power of two */
    uint64_t put;   /* written up to here */
    uint64_t shown; /* the tail that the peer sees */
    uint64_t freed; /* the peer's head when it was last looked at */
    /* The peer's head from which there is the room that a put missed; 0: none did. Written by the
     * owner; any thread reads. */
    _Atomic uint64_t want;
};

/* The reading end. */
struct isle__ring_in {
    struct isle__ring_words *mine, *theirs;
    const unsigned char *bytes;
    uint64_t size;
    _Atomic uint64_t taken; /* read up to here; written by the owner, any thread reads */
    uint64_t shown;         /* the head that the peer sees */
    uint64_t come;          /* the peer's tail when it was last looked at */
};

/* Both ends of one side: `mine` is the memory that it writes, of a page and `out_size` bytes. */
void isle__ring_init(struct isle__ring_out *out, struct isle__ring_in *in, void *mine,
                     size_t out_size, void *theirs, size_t in_size);

/* The pages that the first bytes and words of both sides will be in are there, for this side. */
void isle__ring_ready(struct isle__ring_out *out, const struct isle__ring_in *in);

enum isle__ring_answer { ISLE__RING_YES, ISLE__RING_NO, ISLE__RING_NEVER }; /* it cannot be */

/* Is there room for so many bytes, whole cells, at most half of the ring, or all of it? NO: `want`
 * says from where on there is. NEVER: the peer's head is none. */
enum isle__ring_answer isle__ring_room(struct isle__ring_out *out, uint64_t space);
/* Write behind what was put; there is room. */
void isle__ring_put_cell(struct isle__ring_out *out, uint64_t cell);
void isle__ring_put(struct isle__ring_out *out, const void *bytes, size_t size);
void isle__ring_put_align(struct isle__ring_out *out); /* up to the next cell */
/* Shows what was put; false: nothing was. Ordered before what the caller loads next (seq_cst). */
bool isle__ring_show(struct isle__ring_out *out);

/* Is there something behind what was taken? Looks at the shared tail only if nothing is known to
 * be. NEVER: the peer's tail is none. */
enum isle__ring_answer isle__ring_look(struct isle__ring_in *in);
/* Reads within what has come: the cell behind what was taken, once; bytes from a place on. */
uint64_t isle__ring_cell(const struct isle__ring_in *in);
void isle__ring_copy(const struct isle__ring_in *in, uint64_t from, void *bytes, size_t size);
void isle__ring_pass(struct isle__ring_in *in, uint64_t space); /* that much was taken */
/* Shows what was taken; as isle__ring_show. */
bool isle__ring_show_taken(struct isle__ring_in *in);

/* Any thread. Something has come, or the room that was missed. Each shared word is loaded with
 * seq_cst: after the own word of rest was stored so, either this sees what the peer has shown, or
 * the peer, who loads that word after showing, sees that it has to ring. */
static inline bool isle__ring_has_come(const struct isle__ring_in *in)
{
    return atomic_load_explicit(&in->theirs->tail, memory_order_seq_cst) !=
           atomic_load_explicit(&in->taken, memory_order_relaxed);
}

static inline bool isle__ring_has_room(const struct isle__ring_out *out)
{
    uint64_t want = atomic_load_explicit(&out->want, memory_order_relaxed);
    if (want == 0)
        return false;
    uint64_t head = atomic_load_explicit(&out->theirs->head, memory_order_seq_cst);
    return head - want <= UINT64_MAX / 2; /* at or behind it */
}

#endif
