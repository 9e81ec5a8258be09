/* SPDX-License-Identifier: Apache-2.0 */
/* What the two ends of a stream say to each other (stream.c reads, stream_writer.c writes).
 *
 *   sink      [port of the stream, its isolate, items_max, bytes_max]
 *   to the reader, at the stream's port
 *     [credit port, OPEN, writer's isolate, answer]    once, first
 *     [credit port, ITEM, item]                        one that travels alone
 *     [credit port, ITEM_ASKING, answer, item]         and asks; without an item it asks alone
 *     [credit port, BATCH, …]                          many (stream_batch.h)
 *     [credit port, BATCH_ASKING, answer, …]
 *     [credit port, END]
 *     [credit port, FAIL, error]
 *     the monitor's message of the writer's end
 *   to the writer, at the answer's port of what asked or at its credit port
 *     an int >= 0: so many items have been read since the stream began
 *     an int < 0: an isle_err: the stream is over
 *     the monitor's message of the reader's end
 *
 * A word has the number of items sent before it in the bits above ISLE__STREAM_WORD_BITS, so that
 * the reader finds out when a message was lost: a writer behind a wall does not know that a mailbox
 * outside has refused one.
 *
 * Credit is given back where the writer asks for it: a message that asks is a call, answered when
 * its last item has been read. So an answer has its room in the writer's mailbox, however full that
 * is of what the writer itself reads; and a question that nobody takes, or that cannot come, is
 * answered by that error. The writer asks at each half of its window, in items and in bytes, so it
 * knows alone what bytes weigh; the reader counts items, and ends a stream whose writer is further
 * ahead than its window. The counts only ascend, so it does no harm if one is told twice. */
#ifndef ISLE_SYSTEMS_STREAM_H
#define ISLE_SYSTEMS_STREAM_H

enum isle__stream_word {
    ISLE__STREAM_OPEN = 0,
    ISLE__STREAM_ITEM = 1,
    ISLE__STREAM_ITEM_ASKING = 2,
    ISLE__STREAM_END = 3,
    ISLE__STREAM_FAIL = 4,
    ISLE__STREAM_BATCH = 5,
    ISLE__STREAM_BATCH_ASKING = 6
};
enum {
    ISLE__STREAM_HEAD = 2, /* entries of a message before its items */
    ISLE__STREAM_WORD_BITS = 3,
    ISLE__STREAM_ITEMS_DEFAULT = 1024,
    ISLE__STREAM_BYTES_DEFAULT = 1 << 20,
    ISLE__STREAM_ITEMS_MAX = 1 << 20,
    ISLE__STREAM_RETRY_MS = 1 /* until a full mailbox is tried again */
};

#endif
