/* SPDX-License-Identifier: Apache-2.0 */
/* A channel: records of bytes between two processes that do not trust each other. Two rings of
 * shared memory, one each way (ring.c), records and pieces of records in them (record.c), and a
 * doorbell, an eventfd, each way (channel.c).
 *
 * Laws. The memory is made, sized and sealed by the side that makes the channel: nobody can shrink
 * or grow it, and what the maker writes the other can only map for reading. No page has two
 * writers. A side's own index lives in its private memory; the shared copy is a hint for the peer.
 * Each word that the peer writes is read once, checked, and never repaired: what cannot be marks
 * the channel broken for good. What a record holds is copied to private memory before anybody looks
 * at it. No call does more work than one ring's size, or the caller's own record, asks for. Nothing
 * here blocks but isle__channel_wait, and that has a limit.
 *
 * Threads. One at a time uses a side. Any thread, at any time before the close, may call
 * isle__channel_stirs, isle__channel_is_broken, and the calls of the bell and of the mark.
 *
 * What the channel leaves to the sandbox: the bells' descriptions are shared, so a peer that could
 * call F_SETFL or FIONBIO could make a write to a bell block. The filter of system calls refuses
 * both. */
#ifndef ISLE_CHANNEL_H
#define ISLE_CHANNEL_H

#include "platform/platform.h"

struct isle__channel;

/* What the other side needs; all close-on-exec. */
struct isle__channel_fds {
    int memory_in;  /* what the one who attaches reads; can be mapped for reading only */
    int memory_out; /* what it writes */
    int bell_in;    /* rung for it */
    int bell_out;   /* rung by it */
};

enum isle__channel_state {
    ISLE__CHANNEL_OK,
    ISLE__CHANNEL_EMPTY,
    ISLE__CHANNEL_FULL,
    ISLE__CHANNEL_BROKEN
};

#define ISLE__CHANNEL_RING_MIN ((size_t)4096)
#define ISLE__CHANNEL_RING_MAX ((size_t)1 << 30)
#define ISLE__CHANNEL_RECORD_MAX ((size_t)1 << 31) /* bytes of the largest record */

/* Sizes of the rings in bytes, powers of two: out, what this side writes. `record_max`: bytes of a
 * record that this side takes from the other. The four descriptors are the caller's, to hand over
 * and to close. ISLE_EINVAL: a size that cannot be; ISLE_ENOMEM, ISLE_ESYSTEM with errno. */
ISLE_MUST_CHECK isle_err isle__channel_make(size_t out_size, size_t in_size, size_t record_max,
                                            struct isle__channel **ret_channel,
                                            struct isle__channel_fds *ret_fds);
/* The other side. The sizes of the rings are as this side sees them (its out is the maker's in),
 * told by a way that is trusted; memory that has another size or lacks a seal is refused with
 * ISLE_EINVAL. From a success on the descriptors are the channel's: those of the memory are closed
 * at once. After an error they are the caller's as before. */
ISLE_MUST_CHECK isle_err isle__channel_attach(const struct isle__channel_fds *fds, size_t out_size,
                                              size_t in_size, size_t record_max,
                                              struct isle__channel **ret_channel);
void isle__channel_close(struct isle__channel *channel); /* NULL is fine */
/* The memory that the first records need is there: who has time now spares faults later. */
void isle__channel_ready(struct isle__channel *channel);

/* --- records (record.c) */

/* Puts one record, its head and its body, or nothing. OK: it is shown to the peer by the next
 * flush. FULL: there is no room; what was put so far is shown, and isle__channel_rest waits for the
 * room as well. BROKEN. A record of more than half of the ring goes in pieces: FULL then means that
 * it is on its way; the caller goes on by the same call with the same bytes, and puts nothing else
 * until OK. More than ISLE__CHANNEL_RECORD_MAX ends the program: what the peer takes is for the
 * caller to know. */
enum isle__channel_state isle__channel_put(struct isle__channel *channel, const void *head,
                                           size_t head_size, const void *body, size_t body_size);
/* The same for a record of several parts, one after the other. */
struct isle__channel_part {
    const void *bytes;
    size_t size;
};
enum isle__channel_state isle__channel_put_parts(struct isle__channel *channel,
                                                 const struct isle__channel_part *parts,
                                                 size_t count);
/* OK: the peer has read all that was put. FULL: it has not; to be asked again after a rest, as for
 * room that a put missed, and no record is on its way in pieces. */
enum isle__channel_state isle__channel_is_read(struct isle__channel *channel);
/* What was put is shown to the peer, who is woken if it waits. Once for many records. */
void isle__channel_flush(struct isle__channel *channel);
/* The size of the next whole record, which it names until it is taken. OK, EMPTY, BROKEN. */
enum isle__channel_state isle__channel_next(struct isle__channel *channel, size_t *ret_size);
/* Copies it out, after an OK: its first `head_size` bytes to `head`, the rest to `body`. Of a
 * smaller record `head` gets what there is. */
void isle__channel_take(struct isle__channel *channel, void *head, size_t head_size, void *body);
/* Before it is taken: a copy of its first bytes, `size` of them or all. False: it came in pieces,
 * and lies in private memory. The peer may write over them: what is taken later may be others. */
bool isle__channel_peek(const struct isle__channel *channel, void *bytes, size_t size);
/* Spares the copy: a record that came in pieces lies in private memory already, which is given away
 * here, to be freed by isle__memory_free with *ret_capacity. NULL: the record came at once and is
 * still to be taken. */
void *isle__channel_take_memory(struct isle__channel *channel, size_t *ret_capacity);
/* The peer may write over what was taken, and is woken if it waits for room and there is much of
 * it. Once for many records. */
void isle__channel_taken(struct isle__channel *channel);
/* Both, as far as it is much by now, a quarter of a ring: the peer goes on while this side does.
 * After each record of many. */
void isle__channel_keep_up(struct isle__channel *channel);

/* --- waiting (channel.c) */

/* About to wait; flushes, and shows what was taken. True: nothing has come, there is no room that a
 * put missed, and the peer rings isle__channel_bell for the one and the other, once. False: there
 * is something to do, if only to find out that the channel is broken; room is told once. To wait
 * again takes another rest. */
bool isle__channel_rest(struct isle__channel *channel);
/* The descriptor that becomes readable; to be cleared after it has and before the next rest (who
 * watches it edge-triggered need not). */
int isle__channel_bell(const struct isle__channel *channel);
void isle__channel_bell_clear(struct isle__channel *channel);
/* Without a look at the system: something may be there to take, or room that was waited for, or the
 * channel is broken. */
bool isle__channel_stirs(const struct isle__channel *channel);
/* Nothing has come: is it worth to look again at once, before a rest? For a moment, unless that has
 * lately been in vain (the peer is slow, or this machine busy). Who has other things to do does
 * them in between; who has none does isle__channel_look. isle__channel_met ends the looking:
 * something has come. */
bool isle__channel_looks(struct isle__channel *channel);
void isle__channel_met(struct isle__channel *channel);
/* One look, of less than a microsecond: yields the core if the peer was last seen on it, and else
 * keeps it. True: it stirs. */
bool isle__channel_look(struct isle__channel *channel);
/* The same for the first words of a peer that may be waiting for this very core: it has that until
 * the peer has said once where it runs, by a look or by isle__channel_runs. */
bool isle__channel_look_first(struct isle__channel *channel);
void isle__channel_runs(struct isle__channel *channel);
/* All of that in one, for at most so long. True: it stirs. */
bool isle__channel_spin(struct isle__channel *channel, int64_t most_ns);
/* Flushes, spins, then sleeps until the bell, or the time (ISLE_FOREVER: no end, for a side that
 * trusts its peer). May return early. */
void isle__channel_wait(struct isle__channel *channel, int64_t timeout_ns);
/* After a rest: sleeps until the bell, however long that is. May return early. */
void isle__channel_sleep(struct isle__channel *channel);

/* Last words: a number in the memory that this side writes, 0 until it is set, which outlives the
 * process. Any thread; async-signal-safe. */
void isle__channel_mark(struct isle__channel *channel, uint32_t mark);
uint32_t isle__channel_marked(const struct isle__channel *channel); /* the peer's, as it claims */

/* Bytes of the ring that the peer writes: more are never on their way at once. */
size_t isle__channel_in_size(const struct isle__channel *channel);
bool isle__channel_is_broken(const struct isle__channel *channel);
/* What the peer did, for people, static; NULL: it is not broken. */
const char *isle__channel_broken_by(const struct isle__channel *channel);
/* It did nothing: this side had no memory for its record. */
bool isle__channel_lacks_memory(const struct isle__channel *channel);

#endif
