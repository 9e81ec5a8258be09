/* SPDX-License-Identifier: Apache-2.0 */
/* Streams: many items from one isolate to another, as fast as the reader takes them and no faster.
 *
 * The reader opens a stream with a window and sends its *sink*, a value, to whoever is to write.
 * The writer may be ahead of it by the window and no more: what it may send is credit, which the
 * reader gives back in batches as it reads. So memory is bounded by the window however fast the
 * writer is, and an item costs far less than a message. After Reactive Streams (request(n)), HTTP/2
 * (RFC 9113, section 5.2) and Dart (Stream, StreamController).
 *
 *   reader: isle_stream *stream = isle_stream_open(NULL);
 *           isle_spawn(work, isle_stream_sink(stream), NULL);
 *           while (isle_stream_read(stream, &item)) …
 *           isle_stream_close(stream);
 *   writer: isle_writer *writer = isle_stream_writer(sink);
 *           isle_stream_put(writer, item); …
 *           isle_stream_end(writer);
 *
 * One stream has one writer, the first that opens the sink; to a second one it says ISLE_EUSED. Who
 * has many writers opens many streams and listens to each.
 *
 * All items come in the order written, each at most once, then the end or the error. Small items
 * (null, bools, ints, doubles, ports, capabilities, texts of up to 1,024 bytes) are copied when
 * they are written and gathered: up to 128, or 8 KiB, and a quarter of the window at most, travel
 * as one message, at the latest when the writer's event ends or suspends, or its isolate ends (but
 * for a wall's that is killed or crashes); isle_stream_flush sends them at once. Others travel
 * alone, behind those. So between a stream's items and other messages of its writer no order is
 * promised.
 *
 * The window in items holds whoever writes: a writer that sends more ends its stream, and at most
 * 16 messages beside the window wait. In bytes the writer keeps to it, which knows what its
 * messages weigh; one that lies (code behind a wall that is not this library's) is bounded by the
 * reader's mailbox (isle_options.mailbox_max_bytes). What is not the writer's is dropped and leaves
 * nothing with the reader.
 *
 * Handles belong to the isolate that opened them: one that is over, or another isolate's, throws
 * ISLE_ESTALE. */
#ifndef ISLE_STREAM_H
#define ISLE_STREAM_H

#include "base.h"

typedef struct isle_stream isle_stream; /* the reader's end */
typedef struct isle_writer isle_writer; /* the writer's end */

/* All zero is the default. Grows at its end only. */
typedef struct isle_stream_options {
    size_t items_max; /* that the writer may be ahead; 0: 1,024. At most 1,048,576 (ISLE_ERANGE) */
    size_t bytes_max; /* the same in bytes, as their messages weigh in a mailbox, and one item over
                         it; 0: 1 MiB; ISLE_UNLIMITED */
} isle_stream_options;

ISLE_BEGIN

/* --- the reader */

/* Keeps the isolate alive until it has ended or is closed. `options` may be NULL. */
ISLE_API isle_stream *isle__stream_open(const isle_stream_options *options, size_t options_size);
static inline isle_stream *isle_stream_open(const isle_stream_options *options)
{
    return isle__stream_open(options, sizeof(isle_stream_options));
}
/* The writing end, to be put in a message, across a wall too. */
ISLE_API isle_value isle_stream_sink(const isle_stream *stream);
/* The isolate that is to write. The stream fails (ISLE_ENORESULT) when it ends before the stream
 * does, even if it never opened the sink; of who has opened it the end is told without this. Once
 * (ISLE_EUSED). */
ISLE_API void isle_stream_expect(isle_stream *stream, isle_isolate isolate);

/* The next item, which lives as long as the current scope: in a loop, use ISLE_SCOPE. False: it has
 * ended. Throws the writer's error after the items before it (isle_stream_fail); ISLE_ENORESULT,
 * with the reason in the text, if the writer has ended without saying so; ISLE_EFULL if it has sent
 * more than it had credit for, or an item did not come over a wall (the reader's mailbox was too
 * narrow, or the item is of a type that is unknown there), ISLE_EMALFORMED if what no writer sends:
 * then the stream is over, and the writer has been told. Asked again, it says the same. Throws
 * ISLE_EINVAL while a handler is set or another activity reads, and what isle_port_receive throws.
 * Dart: await for. */
ISLE_API ISLE_SUSPENDS bool isle_stream_read(isle_stream *stream, isle_value *ret_item);
/* ISLE_OK and an item, ISLE_ETIMEDOUT, or what isle_stream_read throws; at the end ISLE_ECLOSED.
 * 0 asks and never suspends. */
ISLE_API ISLE_MUST_CHECK ISLE_SUSPENDS isle_err isle_stream_try_read(isle_stream *stream,
                                                                     int64_t timeout_ns,
                                                                     isle_value *ret_item);

/* Callback style. Each item is handed to on_item, one after the other: the next one comes when the
 * handler has returned, even if it suspends, and only then is its credit given back. At the end
 * on_end(context) runs, or on_error with the error (NULL: it is uncaught); then the stream is
 * closed. A NULL on_item stops. Throws ISLE_EINVAL while an activity reads. Dart: Stream.listen. */
ISLE_API void isle_stream_listen(isle_stream *stream, isle_handler *on_item, isle_task *on_end,
                                 isle_handler *on_error, void *context);
/* No item is handed to the handler until it is resumed, in the middle of a batch too; the writer
 * goes on until its credit is used up. Pauses do not add up. Dart: StreamSubscription. */
ISLE_API void isle_stream_pause(isle_stream *stream);
ISLE_API void isle_stream_resume(isle_stream *stream);

/* Cancels what has not ended: what waits is dropped and the writer is told (ISLE_ECANCELED). The
 * handle is over. NULL and one that is over: nothing. Dart: StreamSubscription.cancel. */
ISLE_API void isle_stream_close(isle_stream *stream);

/* --- the writer */

/* Opens a sink that came in a message. Asks nobody: whether the stream is still there turns out
 * later, and if the reader's mailbox is full there is no room to write until it has been told.
 * ISLE_ETYPE: not a sink. An open writer does not keep its isolate alive; a future of it
 * that is pending does. If the isolate ends before isle_stream_end, the reader is told an error. */
ISLE_API isle_writer *isle_stream_writer(isle_value sink);

/* Writes an item, copied as isle_send does. Throws ISLE_EFULL while there is no credit, or the
 * reader's mailbox is full of what others sent, ISLE_EUNSENDABLE, and when the stream is over why
 * it is: ISLE_ECANCELED (the reader has closed it), ISLE_ECLOSED (the reader has ended), ISLE_EUSED
 * (another writer was first). ISLE_ERANGE: the reader's mailbox could never hold the item (of one
 * behind whose wall the writer is, that is not known here: such an item ends the stream, with
 * ISLE_EFULL). The item was not taken then. Returns isle_stream_ready. */
ISLE_API isle_future *isle_stream_write(isle_writer *writer, isle_value item);
ISLE_API ISLE_MUST_CHECK isle_err isle_stream_try_write(isle_writer *writer, isle_value item);
/* Complete, with null, while an item can be written; else completes when one can, or with the error
 * by which the stream is over; ISLE_ESTALE if the writer is ended meanwhile. The writer's own,
 * shared by all who ask: do not cancel it. */
ISLE_API isle_future *isle_stream_ready(isle_writer *writer);
/* Waits for credit, then writes. The quickest way in direct style. */
ISLE_API ISLE_SUSPENDS void isle_stream_put(isle_writer *writer, isle_value item);
/* Sends what was gathered. */
ISLE_API void isle_stream_flush(isle_writer *writer);

/* The end, or an error, told after all items; the handle is over. It needs no credit, and waits by
 * itself for room in the reader's mailbox, keeping the isolate alive. NULL, and one that is over:
 * nothing. Any value may be an error; ISLE_EUNSENDABLE. One that turns out on its way to be none
 * for this reader (of a type that is unknown behind a wall, or larger than its mailbox) is an error
 * of code ISLE_ETHROWN there, whose text says so. Dart: StreamController.close, addError. */
ISLE_API void isle_stream_end(isle_writer *writer);
ISLE_API void isle_stream_fail(isle_writer *writer, isle_value error);

ISLE_END

#endif
