/* SPDX-License-Identifier: Apache-2.0 */
/* Batches: many small items of a stream that travel as one message (stream_batch.c). The writer
 * adds to one and sends it, the reader takes one in and makes an item after the other of it.
 *
 *   message   [credit port, word, answer if it asks, bytes, port or capability …]
 *   bytes     a record for each item, in their order: a byte that says what it is, and what it
 *             holds, as it lies in memory
 *
 * Ports and capabilities mean something else on the other side of a wall, so they stand in the
 * message itself, where they are translated. */
#ifndef ISLE_SYSTEMS_STREAM_BATCH_H
#define ISLE_SYSTEMS_STREAM_BATCH_H

#include <string.h>

#include "isle/value.h"

enum {
    ISLE__BATCH_ITEMS_MAX = 128,
    ISLE__BATCH_BYTES_MAX = 8192,
    ISLE__BATCH_TEXT_MAX = 1024, /* bytes of a text; a longer one travels alone */
    ISLE__BATCH_VALUES_MAX = 64
};

enum isle__batch_record {
    ISLE__BATCH_NULL,
    ISLE__BATCH_FALSE,
    ISLE__BATCH_TRUE,
    ISLE__BATCH_INT,    /* and 8 bytes */
    ISLE__BATCH_DOUBLE, /* the same */
    ISLE__BATCH_TEXT,   /* and 4 bytes of its size, and so many */
    ISLE__BATCH_VALUE   /* the next of `values` */
};
enum { ISLE__BATCH_NUMBER_SIZE = 9, ISLE__BATCH_TEXT_SIZE = 5 }; /* of a record; a text's head */

struct isle__batch {
    uint8_t *bytes; /* isle_alloc's */
    size_t at;      /* the reader's: of the next record */
    size_t size, capacity;
    size_t most;  /* the writer's: bytes that it may come to, ISLE__BATCH_BYTES_MAX at most */
    size_t count; /* items in it; the reader's: that are left */
    size_t value_at, value_count;
    isle_value values[ISLE__BATCH_VALUES_MAX];
};

void isle__batch_free(struct isle__batch *batch);
void isle__batch_clear(struct isle__batch *batch); /* nothing is in it; its memory stays */

/* --- the writer */

/* Bytes of its record; 0: it travels alone. */
size_t isle__batch_size_of(isle_value item);
/* Room for a record of so many bytes. False: the batch is full, or there is no memory. */
bool isle__batch_reserve(struct isle__batch *batch, size_t size);
/* There is room. */
void isle__batch_add(struct isle__batch *batch, isle_value item);

static inline void isle__batch_add_int(struct isle__batch *batch, int64_t number)
{
    uint8_t *record = batch->bytes + batch->size;
    record[0] = ISLE__BATCH_INT;
    memcpy(record + 1, &number, sizeof number);
    batch->size += ISLE__BATCH_NUMBER_SIZE;
    batch->count++;
}

/* Of ISLE__BATCH_TEXT_MAX bytes at most. */
static inline void isle__batch_add_text(struct isle__batch *batch, const char *text, size_t size)
{
    uint8_t *record = batch->bytes + batch->size;
    uint32_t count = (uint32_t)size;
    record[0] = ISLE__BATCH_TEXT;
    memcpy(record + 1, &count, sizeof count);
    memcpy(record + ISLE__BATCH_TEXT_SIZE, text, size);
    batch->size += ISLE__BATCH_TEXT_SIZE + size;
    batch->count++;
}

/* --- the reader */

/* The entries of a message from that index on; whatever they are. Nothing is left in the batch on
 * ISLE_EMALFORMED and ISLE_ENOMEM. */
ISLE_MUST_CHECK isle_err isle__batch_take(struct isle__batch *batch, isle_value message,
                                          size_t index);
isle_value isle__batch_make_next(struct isle__batch *batch);

/* There is one. Throws ISLE_ENOMEM: it is still there. */
static inline isle_value isle__batch_next(struct isle__batch *batch)
{
    const uint8_t *record = batch->bytes + batch->at;
    int64_t number;
    if (record[0] != ISLE__BATCH_INT)
        return isle__batch_make_next(batch);
    memcpy(&number, record + 1, sizeof number);
    isle_value item = isle_int(number);
    batch->at += ISLE__BATCH_NUMBER_SIZE;
    batch->count--;
    return item;
}

#endif
