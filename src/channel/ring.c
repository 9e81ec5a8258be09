/* SPDX-License-Identifier: Apache-2.0 */
/* One ring of bytes from one process to another. The bytes are copied with memcpy while a peer that
 * breaks the rules may be writing them: what arrives then is anything, which is what the reader
 * takes it for. The length of no copy comes of what such a peer can still change. */
#include "channel/ring.h"

#include <string.h>

static unsigned char *ring_bytes(void *memory)
{
    return memory != NULL ? (unsigned char *)memory + ISLE__RING_PAGE : NULL;
}

void isle__ring_init(struct isle__ring_out *out, struct isle__ring_in *in, void *mine,
                     size_t out_size, void *theirs, size_t in_size)
{
    *out = (struct isle__ring_out){
        .mine = mine, .theirs = theirs, .bytes = ring_bytes(mine), .size = out_size};
    *in = (struct isle__ring_in){
        .mine = mine, .theirs = theirs, .bytes = ring_bytes(theirs), .size = in_size};
}

void isle__ring_ready(struct isle__ring_out *out, const struct isle__ring_in *in)
{
    /* Written as they are: nobody else writes them. Of the other's nothing is asked but that it be
     * mapped. */
    atomic_fetch_or_explicit(&out->mine->tail, 0, memory_order_relaxed);
    atomic_fetch_or_explicit((_Atomic uint64_t *)(void *)out->bytes, 0, memory_order_relaxed);
    (void)atomic_load_explicit(&in->theirs->tail, memory_order_relaxed);
    (void)atomic_load_explicit((const _Atomic uint64_t *)(const void *)in->bytes,
                               memory_order_relaxed);
}

/* The peer's head was moved to where it can be: not back, and not beyond what it was shown. */
static bool ring_frees(const struct isle__ring_out *out, uint64_t head)
{
    return head - out->freed <= out->shown - out->freed && head % ISLE__RING_CELL == 0;
}

enum isle__ring_answer isle__ring_room(struct isle__ring_out *out, uint64_t space)
{
    if (ISLE__UNLIKELY(out->size - (out->put - out->freed) < space)) {
        /* Acquires what the reader did before isle__ring_show_taken: its copies are made. */
        uint64_t head = atomic_load_explicit(&out->theirs->head, memory_order_acquire);
        if (!ring_frees(out, head))
            return ISLE__RING_NEVER;
        out->freed = head;
        if (out->size - (out->put - head) < space) {
            atomic_store_explicit(&out->want, out->put + space - out->size, memory_order_relaxed);
            return ISLE__RING_NO;
        }
    }
    if (atomic_load_explicit(&out->want, memory_order_relaxed) != 0)
        atomic_store_explicit(&out->want, 0, memory_order_relaxed);
    return ISLE__RING_YES;
}

void isle__ring_put_cell(struct isle__ring_out *out, uint64_t cell)
{
    memcpy(out->bytes + (out->put & (out->size - 1)), &cell, sizeof cell);
    out->put += sizeof cell;
}

void isle__ring_put(struct isle__ring_out *out, const void *bytes, size_t size)
{
    size_t at = (size_t)(out->put & (out->size - 1));
    size_t first = size < out->size - at ? size : (size_t)out->size - at;
    if (first > 0)
        memcpy(out->bytes + at, bytes, first);
    if (ISLE__UNLIKELY(first < size))
        memcpy(out->bytes, (const unsigned char *)bytes + first, size - first);
    out->put += size;
}

void isle__ring_put_align(struct isle__ring_out *out)
{
    out->put = (out->put + ISLE__RING_CELL - 1) & ~(uint64_t)(ISLE__RING_CELL - 1);
}

bool isle__ring_show(struct isle__ring_out *out)
{
    if (out->shown == out->put)
        return false;
    out->shown = out->put;
    /* Releases the bytes to isle__ring_look; seq_cst: see isle__ring_has_come. */
    atomic_store_explicit(&out->mine->tail, out->put, memory_order_seq_cst);
    return true;
}

enum isle__ring_answer isle__ring_look(struct isle__ring_in *in)
{
    uint64_t taken = atomic_load_explicit(&in->taken, memory_order_relaxed);
    if (in->come != taken)
        return ISLE__RING_YES;
    /* Acquires the bytes that the writer put before isle__ring_show. */
    uint64_t tail = atomic_load_explicit(&in->theirs->tail, memory_order_acquire);
    if (tail - taken > in->size || tail % ISLE__RING_CELL != 0)
        return ISLE__RING_NEVER; /* behind what was taken, or beyond the room there was */
    in->come = tail;
    return tail != taken ? ISLE__RING_YES : ISLE__RING_NO;
}

/* A cell does not wrap: places and sizes are whole cells. Atomic, so that it is read once. */
uint64_t isle__ring_cell(const struct isle__ring_in *in)
{
    uint64_t at = atomic_load_explicit(&in->taken, memory_order_relaxed) & (in->size - 1);
    return __atomic_load_n((const uint64_t *)(const void *)(in->bytes + at), __ATOMIC_RELAXED);
}

void isle__ring_copy(const struct isle__ring_in *in, uint64_t from, void *bytes, size_t size)
{
    size_t at = (size_t)(from & (in->size - 1));
    size_t first = size < in->size - at ? size : (size_t)in->size - at;
    if (first > 0)
        memcpy(bytes, in->bytes + at, first);
    if (ISLE__UNLIKELY(first < size))
        memcpy((unsigned char *)bytes + first, in->bytes, size - first);
}

void isle__ring_pass(struct isle__ring_in *in, uint64_t space)
{
    uint64_t taken = atomic_load_explicit(&in->taken, memory_order_relaxed);
    atomic_store_explicit(&in->taken, taken + space, memory_order_relaxed);
}

bool isle__ring_show_taken(struct isle__ring_in *in)
{
    uint64_t taken = atomic_load_explicit(&in->taken, memory_order_relaxed);
    if (in->shown == taken)
        return false;
    in->shown = taken;
    /* Releases what was copied to isle__ring_room, which writes over it; seq_cst: see
     * isle__ring_has_room. */
    atomic_store_explicit(&in->mine->head, taken, memory_order_seq_cst);
    return true;
}
