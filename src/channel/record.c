/* SPDX-License-Identifier: Apache-2.0 */
/* Records in a ring: a cell with the size of what follows and with how many bytes of the record
 * come after it, then the bytes, up to the next cell.
 *
 * A record of at most half of the ring lies in it at once. A larger one goes in pieces of a quarter
 * of the ring each but the last; the reader puts them together in private memory, which grows only
 * as bytes arrive, unless the program has a block of that size to spare. So room for half of the
 * ring is room for whatever comes next, and a reader that makes that much need not know what its
 * peer waits for.
 *
 * Law: a cell is read once; what it says is checked against what has come, and kept here. */
#include "channel/record.h"

#include <string.h>

static uint64_t record_space(uint64_t size)
{
    return ISLE__RING_CELL + ((size + ISLE__RING_CELL - 1) & ~(uint64_t)(ISLE__RING_CELL - 1));
}

static uint64_t record_whole_max(uint64_t ring_size)
{
    return ring_size / 2 - ISLE__RING_CELL;
}

static uint64_t record_piece(uint64_t ring_size)
{
    return ring_size / 4 - ISLE__RING_CELL;
}

/* --- the writer */

/* The caller's record. */
struct record_bytes {
    const struct isle__channel_part *parts;
    size_t count, size;
};

/* Puts `size` bytes of the record from `from` on, of which `left` come later. */
static void record_write(struct isle__ring_out *out, const struct record_bytes *record, size_t from,
                         size_t size, size_t left)
{
    const struct isle__channel_part *part = record->parts;
    isle__ring_put_cell(out, (uint64_t)left << 32 | size);
    for (; from >= part->size && size > 0; part++)
        from -= part->size;
    for (; size > 0; part++) {
        size_t here = size < part->size - from ? size : part->size - from;
        if (here > 0)
            isle__ring_put(out, (const unsigned char *)part->bytes + from, here);
        size -= here;
        from = 0;
    }
    isle__ring_put_align(out);
}

/* A put found no room: what there is goes to the reader, who is to make some. */
static enum isle__channel_state record_wants(struct isle__channel *channel,
                                             enum isle__ring_answer answer)
{
    if (answer == ISLE__RING_NEVER)
        return isle__channel_break(channel, "it took what it was not sent");
    isle__channel_flush(channel);
    return ISLE__CHANNEL_FULL;
}

static enum isle__channel_state record_put_pieces(struct isle__channel *channel,
                                                  const struct record_bytes *record)
{
    struct isle__ring_out *out = &channel->out;
    size_t piece = (size_t)record_piece(out->size);
    channel->put_size = record->size;
    while (channel->put_done < record->size) {
        size_t left = record->size - channel->put_done, size = left < piece ? left : piece;
        enum isle__ring_answer answer = isle__ring_room(out, record_space(size));
        if (answer != ISLE__RING_YES)
            return record_wants(channel, answer);
        record_write(out, record, channel->put_done, size, left - size);
        channel->put_done += size;
        if (left > size)
            isle__channel_flush(channel); /* the reader may start with it */
    }
    channel->put_done = channel->put_size = 0;
    return ISLE__CHANNEL_OK;
}

enum isle__channel_state isle__channel_put(struct isle__channel *channel, const void *head,
                                           size_t head_size, const void *body, size_t body_size)
{
    const struct isle__channel_part parts[] = {{head, head_size}, {body, body_size}};
    return isle__channel_put_parts(channel, parts, 2);
}

enum isle__channel_state isle__channel_put_parts(struct isle__channel *channel,
                                                 const struct isle__channel_part *parts,
                                                 size_t count)
{
    struct record_bytes record = {parts, count, 0};
    bool is_too_large = false;
    if (!isle__channel_is_whole(channel))
        return ISLE__CHANNEL_BROKEN;
    for (size_t i = 0; i < count; i++)
        is_too_large |= __builtin_add_overflow(record.size, parts[i].size, &record.size);
    if (is_too_large || record.size > ISLE__CHANNEL_RECORD_MAX)
        isle__die("isle: a record that is too large for a channel");
    if (channel->put_size != 0 && channel->put_size != record.size)
        isle__die("isle: a record was put while another was on its way");
    if (record.size > record_whole_max(channel->out.size))
        return record_put_pieces(channel, &record);
    enum isle__ring_answer answer = isle__ring_room(&channel->out, record_space(record.size));
    if (ISLE__UNLIKELY(answer != ISLE__RING_YES))
        return record_wants(channel, answer);
    record_write(&channel->out, &record, 0, record.size, 0);
    return ISLE__CHANNEL_OK;
}

enum isle__channel_state isle__channel_is_read(struct isle__channel *channel)
{
    if (!isle__channel_is_whole(channel))
        return ISLE__CHANNEL_BROKEN;
    enum isle__ring_answer answer = isle__ring_room(&channel->out, channel->out.size);
    return answer == ISLE__RING_YES ? ISLE__CHANNEL_OK : record_wants(channel, answer);
}

/* --- the reader */

void isle__record_pieces_fini(struct isle__record_pieces *pieces)
{
    isle__memory_free(pieces->memory, pieces->capacity);
    *pieces = (struct isle__record_pieces){0};
}

/* Room for `size` more bytes, which are here. The memory is at least what the ring is, or all that
 * is to come: that much a peer has cost already. */
static bool record_pieces_grow(struct isle__record_pieces *pieces, size_t size, size_t ring_size)
{
    size_t need = pieces->size + size, most = pieces->size + pieces->left;
    if (need <= pieces->capacity)
        return true;
    if (pieces->memory == NULL && (pieces->memory = isle__memory_kept(most)) != NULL) {
        pieces->capacity = most;
        return true;
    }
    size_t capacity = 2 * pieces->capacity > ring_size ? 2 * pieces->capacity : ring_size;
    if (capacity > most)
        capacity = most;
    if (capacity < need)
        capacity = need;
    unsigned char *memory = isle__memory_resize(pieces->memory, pieces->capacity, capacity);
    if (memory == NULL)
        return false;
    pieces->memory = memory;
    pieces->capacity = capacity;
    return true;
}

/* The record was copied out. Memory that is no larger than the ring is kept for the next. */
static void record_pieces_reset(struct isle__record_pieces *pieces, size_t ring_size)
{
    if (pieces->capacity > ring_size)
        isle__record_pieces_fini(pieces);
    pieces->size = pieces->left = 0;
}

/* The first piece says how large the record is, each later one must go on where the last ended. */
static bool record_piece_fits(struct isle__channel *channel, uint64_t size, uint64_t left)
{
    struct isle__record_pieces *pieces = &channel->pieces;
    uint64_t piece = record_piece(channel->in.size);
    if (size == 0 || (left != 0 ? size != piece : size > piece))
        return false;
    if (pieces->left != 0)
        return size + left == pieces->left;
    if (size + left > channel->record_max)
        return false;
    pieces->left = (size_t)(size + left);
    return true;
}

/* Keeps a piece, which is there. OK: it was the last; EMPTY: it was not. */
static const char record_no_memory[] = "there is no memory for its record";

bool isle__channel_lacks_memory(const struct isle__channel *channel)
{
    return isle__channel_broken_by(channel) == record_no_memory;
}

static enum isle__channel_state record_keep(struct isle__channel *channel, size_t size, size_t left)
{
    struct isle__record_pieces *pieces = &channel->pieces;
    struct isle__ring_in *in = &channel->in;
    uint64_t taken = atomic_load_explicit(&in->taken, memory_order_relaxed);
    if (!record_piece_fits(channel, size, left))
        return isle__channel_break(channel, "it sent a piece that fits to no record");
    if (!record_pieces_grow(pieces, size, (size_t)in->size))
        return isle__channel_break(channel, record_no_memory);
    isle__ring_copy(in, taken + ISLE__RING_CELL, pieces->memory + pieces->size, size);
    pieces->size += size;
    pieces->left = left;
    isle__ring_pass(in, record_space(size));
    isle__channel_taken(channel);
    if (left > 0)
        return ISLE__CHANNEL_EMPTY;
    channel->found = ISLE__RECORD_PIECES;
    channel->found_size = pieces->size;
    return ISLE__CHANNEL_OK;
}

/* Something has come. OK: a whole record is found; EMPTY: a piece was kept, more is to come. */
static enum isle__channel_state record_open(struct isle__channel *channel)
{
    struct isle__ring_in *in = &channel->in;
    uint64_t cell = isle__ring_cell(in);
    uint64_t size = (uint32_t)cell, left = cell >> 32;
    uint64_t here = in->come - atomic_load_explicit(&in->taken, memory_order_relaxed);
    if (record_space(size) > here)
        return isle__channel_break(channel, "it sent a record that is longer than what has come");
    if (left != 0 || channel->pieces.left != 0)
        return record_keep(channel, (size_t)size, (size_t)left);
    if (size > channel->record_max || size > record_whole_max(in->size))
        return isle__channel_break(channel, "it sent a record that is too large");
    channel->found = ISLE__RECORD_WHOLE;
    channel->found_size = (size_t)size;
    return ISLE__CHANNEL_OK;
}

/* One look at the shared tail: a peer that writes all the time is not followed for ever. */
static enum isle__channel_state record_find(struct isle__channel *channel)
{
    struct isle__ring_in *in = &channel->in;
    enum isle__channel_state state = ISLE__CHANNEL_EMPTY;
    if (isle__ring_look(in) == ISLE__RING_NEVER)
        return isle__channel_break(channel, "the end of what it sent is where it cannot be");
    while (state == ISLE__CHANNEL_EMPTY &&
           in->come != atomic_load_explicit(&in->taken, memory_order_relaxed))
        state = record_open(channel);
    return state;
}

enum isle__channel_state isle__channel_next(struct isle__channel *channel, size_t *ret_size)
{
    if (!isle__channel_is_whole(channel))
        return ISLE__CHANNEL_BROKEN;
    if (channel->found == ISLE__RECORD_NONE) {
        enum isle__channel_state state = record_find(channel);
        if (state != ISLE__CHANNEL_OK)
            return state;
    }
    *ret_size = channel->found_size;
    return ISLE__CHANNEL_OK;
}

void isle__channel_take(struct isle__channel *channel, void *head, size_t head_size, void *body)
{
    struct isle__ring_in *in = &channel->in;
    size_t size = channel->found_size, first = size < head_size ? size : head_size;
    if (channel->found == ISLE__RECORD_NONE)
        isle__die("isle: a record was taken that was not there");
    if (channel->found == ISLE__RECORD_WHOLE) {
        uint64_t from = atomic_load_explicit(&in->taken, memory_order_relaxed) + ISLE__RING_CELL;
        isle__ring_copy(in, from, head, first);
        isle__ring_copy(in, from + first, body, size - first);
        isle__ring_pass(in, record_space(size));
    } else {
        if (first > 0)
            memcpy(head, channel->pieces.memory, first);
        if (first < size)
            memcpy(body, channel->pieces.memory + first, size - first);
        record_pieces_reset(&channel->pieces, (size_t)in->size);
    }
    channel->found = ISLE__RECORD_NONE;
}

bool isle__channel_peek(const struct isle__channel *channel, void *bytes, size_t size)
{
    const struct isle__ring_in *in = &channel->in;
    if (channel->found != ISLE__RECORD_WHOLE)
        return false;
    isle__ring_copy(in, atomic_load_explicit(&in->taken, memory_order_relaxed) + ISLE__RING_CELL,
                    bytes, size < channel->found_size ? size : channel->found_size);
    return true;
}

void *isle__channel_take_memory(struct isle__channel *channel, size_t *ret_capacity)
{
    void *memory = channel->pieces.memory;
    if (channel->found != ISLE__RECORD_PIECES)
        return NULL;
    *ret_capacity = channel->pieces.capacity;
    channel->pieces = (struct isle__record_pieces){0};
    channel->found = ISLE__RECORD_NONE;
    return memory;
}
