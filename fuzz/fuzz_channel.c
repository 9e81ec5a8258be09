/* SPDX-License-Identifier: Apache-2.0 */
/* The peer of a channel, played by bytes: each step is an operation and its argument. Some keep to
 * the rules (so that there is traffic to spoil), some write anything into the words and the ring
 * that a peer can write, some are calls of the side that is looked at. Whatever the peer does, the
 * lengths that this side uses lie within its rings, a broken channel stays broken, and nothing is
 * left behind. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "channel/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { RING = 4096, RECORD_MAX = 5 * RING, STEPS_MAX = 4096 };

/* A property that does not hold. */
static void fuzz_need(bool holds)
{
    if (!holds)
        abort();
}

struct fuzz {
    const uint8_t *data;
    size_t size;
    struct isle__channel side, peer;
    size_t pending; /* bytes of a record on its way from this side */
    size_t peer_pending;
};

static _Alignas(128) unsigned char fuzz_side_memory[ISLE__RING_PAGE + RING];
static _Alignas(128) unsigned char fuzz_peer_memory[ISLE__RING_PAGE + RING];
static unsigned char fuzz_bytes[RECORD_MAX];

static uint64_t fuzz_read(struct fuzz *fuzz, size_t size)
{
    uint64_t value = 0;
    if (size > fuzz->size)
        size = fuzz->size;
    if (size > 0)
        memcpy(&value, fuzz->data, size);
    fuzz->data += size;
    fuzz->size -= size;
    return value;
}

/* So many cells before or behind a place, perhaps not whole ones. */
static uint64_t fuzz_near(struct fuzz *fuzz, uint64_t place)
{
    int64_t offset = (int16_t)fuzz_read(fuzz, 2);
    return place + (uint64_t)(offset % 64 == 63 ? offset : offset * ISLE__RING_CELL);
}

static uint64_t fuzz_taken(const struct fuzz *fuzz)
{
    return atomic_load_explicit(&fuzz->side.in.taken, memory_order_relaxed);
}

static void fuzz_lay(uint64_t at, uint64_t cell)
{
    memcpy(fuzz_peer_memory + ISLE__RING_PAGE + (at & (RING - 8)), &cell, sizeof cell);
}

/* What a peer can write. */
static void fuzz_spoil(struct fuzz *fuzz, unsigned what)
{
    struct isle__ring_words *words = fuzz->peer.out.mine;
    switch (what) {
    case 0:
        atomic_store_explicit(&words->tail, fuzz_read(fuzz, 8), memory_order_release);
        break;
    case 1:
        atomic_store_explicit(&words->tail, fuzz_near(fuzz, fuzz_taken(fuzz)),
                              memory_order_release);
        break;
    case 2:
        atomic_store_explicit(&words->head, fuzz_read(fuzz, 8), memory_order_release);
        break;
    case 3:
        atomic_store_explicit(&words->head, fuzz_near(fuzz, fuzz->side.out.shown),
                              memory_order_release);
        break;
    case 4:
        atomic_store_explicit(&words->rest, fuzz_read(fuzz, 8), memory_order_release);
        break;
    case 5: {
        uint64_t at = fuzz_read(fuzz, 2);
        fuzz_lay(at, fuzz_read(fuzz, 8));
        break;
    }
    default: {
        uint64_t length = fuzz_read(fuzz, 4);
        fuzz_lay(fuzz_taken(fuzz), fuzz_read(fuzz, 4) << 32 | length);
        break;
    }
    }
}

static void fuzz_put(struct fuzz *fuzz, struct isle__channel *channel, size_t *pending)
{
    size_t size = *pending != 0 ? *pending : fuzz_read(fuzz, 2) % RECORD_MAX;
    size_t head = size < 24 ? size : 24;
    (void)isle__channel_put(channel, fuzz_bytes, head, fuzz_bytes + head, size - head);
    *pending = channel->put_size;
}

/* Into memory of exactly the size. */
static void fuzz_take(struct fuzz *fuzz, struct isle__channel *channel)
{
    size_t size = 0, capacity = 0, head_size = fuzz_read(fuzz, 1) % 32;
    unsigned char head[32];
    if (isle__channel_next(channel, &size) != ISLE__CHANNEL_OK)
        return;
    fuzz_need(size <= RECORD_MAX);
    if (head_size == 31) {
        void *memory = isle__channel_take_memory(channel, &capacity);
        if (memory != NULL) {
            fuzz_need(capacity >= size);
            isle__memory_free(memory, capacity);
            return;
        }
    }
    unsigned char *body = malloc(size > head_size ? size - head_size : 1);
    fuzz_need(body != NULL);
    isle__channel_take(channel, head, head_size, body);
    free(body);
}

static void fuzz_act(struct fuzz *fuzz, struct isle__channel *channel, unsigned what,
                     size_t *pending)
{
    switch (what) {
    case 0:
        fuzz_put(fuzz, channel, pending);
        break;
    case 1:
        fuzz_take(fuzz, channel);
        break;
    case 2:
        isle__channel_flush(channel);
        break;
    case 3:
        isle__channel_taken(channel);
        break;
    default:
        if (isle__channel_rest(channel))
            fuzz_need(!isle__channel_is_broken(channel));
        break;
    }
}

static void fuzz_check(const struct fuzz *fuzz, bool was_broken)
{
    const struct isle__channel *side = &fuzz->side;
    const struct isle__record_pieces *pieces = &side->pieces;
    fuzz_need(side->in.come - fuzz_taken(fuzz) <= RING);
    fuzz_need(side->out.put - side->out.freed <= RING);
    fuzz_need(side->out.shown - side->out.freed <= side->out.put - side->out.freed);
    fuzz_need(pieces->size + pieces->left <= RECORD_MAX);
    fuzz_need(pieces->capacity <= RING || pieces->capacity <= 2 * pieces->size);
    fuzz_need(!was_broken || isle__channel_is_broken(side));
    fuzz_need(!isle__channel_is_broken(side) || isle__channel_stirs(side));
}

static void fuzz_open(struct fuzz *fuzz)
{
    memset(fuzz_side_memory, 0, sizeof fuzz_side_memory);
    memset(fuzz_peer_memory, 0, sizeof fuzz_peer_memory);
    fuzz->side.record_max = fuzz->peer.record_max = RECORD_MAX;
    fuzz->side.bell_in = fuzz->side.bell_out = -1;
    fuzz->peer.bell_in = fuzz->peer.bell_out = -1;
    isle__ring_init(&fuzz->side.out, &fuzz->side.in, fuzz_side_memory, RING, fuzz_peer_memory,
                    RING);
    isle__ring_init(&fuzz->peer.out, &fuzz->peer.in, fuzz_peer_memory, RING, fuzz_side_memory,
                    RING);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz fuzz = {.data = data, .size = size};
    uint64_t live = isle__memory_live();
    fuzz_open(&fuzz);
    for (int step = 0; fuzz.size > 0 && step < STEPS_MAX; step++) {
        bool was_broken = isle__channel_is_broken(&fuzz.side);
        unsigned what = (unsigned)fuzz_read(&fuzz, 1) % 17;
        if (what < 7)
            fuzz_spoil(&fuzz, what);
        else if (what < 12)
            fuzz_act(&fuzz, &fuzz.side, what - 7, &fuzz.pending);
        else
            fuzz_act(&fuzz, &fuzz.peer, what - 12, &fuzz.peer_pending);
        fuzz_check(&fuzz, was_broken);
    }
    isle__record_pieces_fini(&fuzz.side.pieces);
    isle__record_pieces_fini(&fuzz.peer.pieces);
    fuzz_need(isle__memory_live() == live);
    return 0;
}
