/* SPDX-License-Identifier: Apache-2.0 */
/* The writer's end of a stream. What the two ends say to each other stands in systems/stream.h.
 *
 * Credit. Of items: `taken` (all that the program wrote) may be `items_max` ahead of `was_read`. Of
 * bytes: what its messages weighed, and a batch that is not sent yet, may be `bytes_max` ahead of
 * what of it was read, and one item over it, for what a message weighs is known when it is sent. A
 * message in which half of a window begins asks for credit; what had been sent by then is noted in
 * a *mark*, so that the answer, a count of items, tells the bytes as well. Without credit a mark is
 * always under way: the answer to it is what the writer waits for. If that is an error a message
 * was lost, on a wall, perhaps with items: another question is sent, by whose number the reader
 * finds out.
 *
 * Small items lie in `batch`, copied, until it is sent; another item is sent at once, behind them.
 * If the isolate ends meanwhile the batch is sent as its last act, which is before its end is told;
 * but only to who watches it already, as the reader does when it gives its first credit. So until
 * then nothing is gathered.
 *
 * What a full mailbox refuses is tried again by a timer, which keeps the isolate alive: the batch,
 * the question for credit, the end. The program has no room to write meanwhile. */
#include <string.h>

#include "isle/bytes.h"
#include "isle/error.h"
#include "isle/future.h"
#include "isle/isolate.h"
#include "isle/monitor.h"
#include "isle/port.h"
#include "isle/scope.h"
#include "isle/stream.h"
#include "isle/timer.h"
#include "isle/value.h"
#include "systems/handle.h"
#include "systems/stream.h"
#include "systems/stream_batch.h"
#include "value/failure.h"

enum {
    WRITER_MARKS = 8,
    WRITER_BATCH_BESIDE = 2048 /* bytes of a message with a batch beside its records */
};

struct writer_mark {
    uint64_t items, bytes; /* sent by then */
    isle_future *asked;    /* the question, kept */
};

struct writer {
    isle_writer *handle;
    isle_receive_port *port; /* of credit; NULL: the stream is over */
    isle_send_port self;     /* the same */
    isle_send_port to;
    isle_isolate reader;
    isle_future *opening; /* the first question, which says whether anybody has the port; NULL:
                             somebody has */
    isle_future *room;    /* complete; made when first asked for */
    isle_future *waiting; /* until there is room; NULL: nobody waits */
    isle_timer *retry;
    isle_err over;        /* why; ISLE_OK: it is not */
    bool refused;         /* by a full mailbox: nothing is written until the timer */
    bool flushes;         /* an event that flushes is under way */
    bool reopens;         /* a full mailbox has refused the opening */
    bool asks_again;      /* what asked has not come to the reader */
    bool leaves;          /* its isolate ends: it asks no more */
    bool ended;           /* by the program: the last word waits for room in the mailbox */
    isle_value last_word; /* a cell: the errors by which it fails, the better one first; or null */
    size_t errors_sent;
    uint64_t items_max, bytes_max;
    uint64_t taken, sent, was_read;
    uint64_t bytes_sent, bytes_read;
    size_t mark_count;
    struct writer_mark marks[WRITER_MARKS]; /* oldest first */
    size_t batch_max;                       /* items of a batch */
    size_t quick,
        quick_bytes; /* so many more may be gathered, before anything is to be looked at */
    struct isle__batch batch;
};

/* --- credit */

static inline uint64_t writer_bytes_ahead(const struct writer *writer)
{
    return writer->bytes_sent - writer->bytes_read + writer->batch.size;
}

static inline bool writer_has_credit(const struct writer *writer)
{
    return writer->taken - writer->was_read < writer->items_max &&
           writer_bytes_ahead(writer) < writer->bytes_max;
}

static inline bool writer_has_room(const struct writer *writer)
{
    return writer_has_credit(writer) && !writer->refused && !writer->ended &&
           writer->batch.count < writer->batch_max;
}

/* Since the last question. */
static bool writer_should_ask(const struct writer *writer, size_t items)
{
    struct writer_mark last = {writer->was_read, writer->bytes_read, NULL};
    if (writer->mark_count == WRITER_MARKS || writer->leaves)
        return false;
    if (writer->mark_count > 0)
        last = writer->marks[writer->mark_count - 1];
    return writer->sent + items - last.items >= (writer->items_max + 1) / 2 ||
           writer->bytes_sent - last.bytes >= writer->bytes_max / 2;
}

static void writer_mark(struct writer *writer, isle_future *asked)
{
    writer->marks[writer->mark_count++] =
        (struct writer_mark){writer->sent, writer->bytes_sent, asked};
}

/* NULL is fine. */
static void writer_asks_no_more(isle_future *asked)
{
    if (asked == NULL)
        return;
    isle_future_cancel(asked);
    isle_future_release(asked);
}

/* The oldest ones, which are answered or will not be. */
static void writer_unmark(struct writer *writer, size_t count)
{
    for (size_t i = 0; i < count; i++)
        writer_asks_no_more(writer->marks[i].asked);
    writer->mark_count -= count;
    memmove(writer->marks, writer->marks + count, writer->mark_count * sizeof writer->marks[0]);
}

/* The reader has read so many; false: it cannot have. */
static bool writer_credit(struct writer *writer, uint64_t was_read)
{
    size_t over = 0;
    if (was_read < writer->was_read || was_read > writer->sent)
        return false;
    writer->was_read = was_read;
    while (over < writer->mark_count && writer->marks[over].items <= was_read)
        writer->bytes_read = writer->marks[over++].bytes;
    writer_unmark(writer, over);
    return true;
}

/* --- who waits for room */

static void writer_ignore(isle_value error, void *context)
{
    (void)error, (void)context;
}

static isle_value writer_throw(isle_value pointer)
{
    const struct writer *writer = isle_as_pointer(pointer);
    static const struct {
        isle_err code;
        const char *text;
    } reasons[] = {
        {ISLE_ECANCELED, "the stream's reader has closed it"},
        {ISLE_ECLOSED, "the stream's reader has ended, or had closed it before"},
        {ISLE_EUSED, "the stream has another writer"},
    };
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++)
        if (reasons[i].code == writer->over)
            isle__throw(writer->over, "%s", reasons[i].text);
    isle__throw(writer->over, "the stream's reader has refused it");
}

/* An error of a future that nobody asks for is none: each write tells it again. */
static void writer_wake(struct writer *writer)
{
    isle_future *waiting = writer->waiting;
    if (waiting == NULL || (writer->over == ISLE_OK && !writer_has_room(writer)))
        return;
    writer->waiting = NULL;
    if (writer->port != NULL)
        isle_port_set_keep_alive(writer->port, false);
    if (writer->over == ISLE_OK)
        isle_future_complete(waiting, isle_null());
    else if (isle_try(writer_throw, isle_pointer(writer), NULL) != ISLE_OK)
        isle_future_complete_error(waiting, isle_last_error());
    isle_future_release(waiting);
}

/* It was ended meanwhile. */
static void writer_strand(struct writer *writer)
{
    isle_future *waiting = writer->waiting;
    writer->waiting = NULL;
    if (waiting == NULL)
        return;
    if (writer->port != NULL)
        isle_port_set_keep_alive(writer->port, false);
    if (isle__fail(ISLE_ESTALE, "the stream has been ended") != ISLE_OK)
        isle_future_complete_error(waiting, isle_last_error());
    isle_future_release(waiting);
}

/* --- over */

static isle_value writer_unmonitor(isle_value pointer)
{
    const struct writer *writer = isle_as_pointer(pointer);
    isle_unmonitor(writer->reader, isle_port_send_port(writer->port));
    return isle_null();
}

static void writer_opened(struct writer *writer)
{
    isle_future *opening = writer->opening;
    writer->opening = NULL;
    writer_asks_no_more(opening);
}

static void writer_hang_up(struct writer *writer)
{
    if (writer->port == NULL)
        return;
    writer_opened(writer);
    writer_unmark(writer, writer->mark_count);
    isle_err err = isle_try(writer_unmonitor, isle_pointer(writer), NULL);
    (void)err; /* without memory for it the monitor's message comes to a closed port */
    isle_port_close(writer->port);
    writer->port = NULL;
}

static void writer_free(struct writer *writer)
{
    writer_strand(writer);
    writer_hang_up(writer);
    isle_timer_cancel(writer->retry);
    if (writer->room != NULL)
        isle_future_release(writer->room);
    isle__batch_free(&writer->batch);
    isle_cell_set(&writer->last_word, isle_null());
    isle__system_close(ISLE__SYSTEM_WRITER, writer->handle);
    isle_free(writer);
}

/* The reader will take no more. */
static void writer_is_over(struct writer *writer, isle_err why)
{
    writer->over = why;
    isle__batch_clear(&writer->batch);
    writer->quick = 0;
    writer_hang_up(writer);
    writer_wake(writer);
    if (writer->ended)
        writer_free(writer);
}

/* --- sending */

/* What an isle_try is given, and what it made of it. */
struct writer_message {
    struct writer *writer;
    const isle_value *item; /* NULL: none */
    enum isle__stream_word word;
    bool asks;
    size_t size;
    isle_future *asked; /* kept; NULL: it asks nothing */
};

/* The entries behind the head and the answer's port; so many. */
static size_t writer_fill(const struct writer_message *message, isle_value *ret_values)
{
    const struct isle__batch *batch = &message->writer->batch;
    if (message->word != ISLE__STREAM_BATCH && message->word != ISLE__STREAM_BATCH_ASKING) {
        if (message->item != NULL)
            ret_values[0] = *message->item;
        return message->item != NULL;
    }
    ret_values[0] = isle_bytes(batch->bytes, batch->size);
    if (batch->value_count > 0)
        memcpy(ret_values + 1, batch->values, batch->value_count * sizeof batch->values[0]);
    return 1 + batch->value_count;
}

static void writer_answered(isle_value word, void *context);
static void writer_unanswered(isle_value error, void *context);

/* It is kept before anything can fail, and watched before it is sent. */
static isle_send_port writer_expect(struct writer_message *message)
{
    isle_send_port answer;
    message->asked = isle_future_keep(isle__answer_expect(false, &answer));
    isle_then(message->asked, writer_answered, writer_unanswered, message->writer->handle);
    return answer;
}

static isle_value writer_make_and_send(isle_value pointer)
{
    struct writer_message *message = isle_as_pointer(pointer);
    const struct writer *writer = message->writer;
    uint64_t word = (uint64_t)message->word;
    size_t count = ISLE__STREAM_HEAD;
    isle_send_port answer = isle_send_port_none();
    isle_value values[ISLE__STREAM_HEAD + 2 + ISLE__BATCH_VALUES_MAX];
    values[0] = isle_port(writer->self);
    values[1] = isle_int((int64_t)(writer->sent << ISLE__STREAM_WORD_BITS | word));
    if (message->asks) {
        answer = writer_expect(message);
        values[count++] = isle_port(answer);
    }
    count += writer_fill(message, values + count);
    isle_value list = isle_list_of(values, count);
    if (isle__ask_sized(writer->to, list, answer, &message->size) != ISLE_OK)
        isle_throw(isle_last_error());
    return isle_null();
}

static isle_err writer_send(struct writer_message *message)
{
    isle_err err = isle_try(writer_make_and_send, isle_pointer(message), NULL);
    if (err != ISLE_OK)
        writer_asks_no_more(message->asked);
    return err;
}

/* The item alone; or, with NULL, the batch. */
static isle_err writer_send_items(struct writer *writer, const isle_value *item, size_t *ret_size)
{
    size_t count = item != NULL ? 1 : writer->batch.count;
    bool asks = writer_should_ask(writer, count);
    struct writer_message message = {.writer = writer, .item = item, .asks = asks};
    if (item != NULL)
        message.word = asks ? ISLE__STREAM_ITEM_ASKING : ISLE__STREAM_ITEM;
    else
        message.word = asks ? ISLE__STREAM_BATCH_ASKING : ISLE__STREAM_BATCH;
    isle_err err = writer_send(&message);
    *ret_size = message.size;
    if (err != ISLE_OK)
        return err;
    writer->sent += count;
    writer->bytes_sent += message.size;
    if (asks)
        writer_mark(writer, message.asked);
    return ISLE_OK;
}

static isle_err writer_send_batch(struct writer *writer)
{
    size_t size;
    writer->quick = 0;
    if (writer->batch.count == 0)
        return ISLE_OK;
    isle_err err = writer_send_items(writer, NULL, &size);
    if (err == ISLE_OK)
        isle__batch_clear(&writer->batch);
    return err;
}

/* Who has no credit and has not asked for it would wait for ever. What asked and has not come to
 * the reader was perhaps an item: then the next message ends the stream, so it is sent at once. */
static isle_err writer_send_question(struct writer *writer)
{
    struct writer_message message = {
        .writer = writer, .word = ISLE__STREAM_ITEM_ASKING, .asks = true};
    bool lacks = !writer_has_credit(writer) && writer->mark_count == 0;
    if (writer->ended || (!lacks && !writer->asks_again))
        return ISLE_OK;
    isle_err err = writer_send(&message);
    if (err != ISLE_OK)
        return err;
    writer->asks_again = false;
    writer_mark(writer, message.asked);
    return ISLE_OK;
}

/* The error that the program gave; and behind it, of what perhaps cannot cross a wall or has no
 * room, one that says so: the reader takes the first that comes. */
static isle_err writer_send_error(struct writer *writer)
{
    isle_err err = ISLE_OK;
    while (err == ISLE_OK && writer->errors_sent < isle_count(writer->last_word)) {
        isle_value error = isle_list_get(writer->last_word, writer->errors_sent);
        struct writer_message message = {
            .writer = writer, .item = &error, .word = ISLE__STREAM_FAIL};
        err = writer_send(&message);
        if (err == ISLE_ERANGE ||
            (err == ISLE_EFULL && !isle__port_could_hold(writer->to, message.size)))
            err = ISLE_OK; /* this one never comes there */
        writer->errors_sent += err == ISLE_OK;
    }
    return err;
}

static isle_err writer_send_last_word(struct writer *writer)
{
    struct writer_message message = {.writer = writer, .word = ISLE__STREAM_END};
    bool fails = !isle_is_null(writer->last_word);
    return fails ? writer_send_error(writer) : writer_send(&message);
}

static isle_err writer_retry_later(struct writer *writer);
static void writer_not_opened(isle_value error, void *context);

/* It keeps the isolate alive until it is answered, and outlives the request that is served here. */
static isle_value writer_open(isle_value pointer)
{
    struct writer *writer = isle_as_pointer(pointer);
    isle_isolate self = {.control_port = isle_current().control_port};
    isle_send_port answer;
    size_t size;
    writer_opened(writer);
    writer->opening = isle_future_keep(isle__answer_expect(true, &answer));
    isle_then(writer->opening, writer_answered, writer_not_opened, writer->handle);
    isle_value message = isle_list_fixed(ISLE__STREAM_HEAD + 2);
    isle_list_set(message, 0, isle_port(writer->self));
    isle_list_set(message, 1, isle_int(ISLE__STREAM_OPEN));
    isle_list_set(message, ISLE__STREAM_HEAD, isle_isolate_value(self));
    isle_list_set(message, ISLE__STREAM_HEAD + 1, isle_port(answer));
    if (isle__ask_sized(writer->to, message, answer, &size) != ISLE_OK) {
        writer_opened(writer);
        isle_throw(isle_last_error());
    }
    writer->reopens = false;
    return isle_null();
}

/* What was sent meanwhile is lost, which the reader finds out at the next message: a question, if
 * there is no credit. */
static isle_err writer_reopen(struct writer *writer)
{
    if (!writer->reopens)
        return ISLE_OK;
    writer_unmark(writer, writer->mark_count);
    return isle_try(writer_open, isle_pointer(writer), NULL);
}

/* All that waits to be sent, in order; the writer is gone after its last word. ISLE_ENOMEM: it
 * could not be sent, and there was no memory for a timer. */
static isle_err writer_pump(struct writer *writer)
{
    isle_err err = writer_reopen(writer);
    if (err == ISLE_OK)
        err = writer_send_batch(writer);
    if (err == ISLE_OK)
        err = writer_send_question(writer);
    if (err == ISLE_OK && writer->ended)
        err = writer_send_last_word(writer);
    if (err != ISLE_OK)
        return writer_retry_later(writer);
    if (writer->ended)
        writer_free(writer);
    else
        writer_wake(writer);
    return ISLE_OK;
}

static void writer_retry(void *context)
{
    struct writer *writer = context;
    writer->retry = NULL;
    writer->refused = false;
    if (writer->over == ISLE_OK && writer_pump(writer) != ISLE_OK)
        isle_throw(isle_last_error());
}

static isle_value writer_start_timer(isle_value pointer)
{
    struct writer *writer = isle_as_pointer(pointer);
    writer->retry = isle_timer_start(ISLE_MS(ISLE__STREAM_RETRY_MS), writer_retry, writer);
    return isle_null();
}

static isle_err writer_retry_later(struct writer *writer)
{
    isle_err err = ISLE_OK;
    if (writer->retry == NULL)
        err = isle_try(writer_start_timer, isle_pointer(writer), NULL);
    writer->refused = err == ISLE_OK;
    return err;
}

/* --- what comes */

static isle_value writer_hear_end(isle_value message)
{
    (void)isle_as_end(message);
    return isle_null();
}

/* A count of items that were read, or why the stream is over. */
static void writer_hear_word(struct writer *writer, int64_t word)
{
    if (word >= 0) {
        writer_opened(writer);
        bool is_news = writer_credit(writer, (uint64_t)word);
        if (is_news && writer->waiting != NULL && writer_pump(writer) != ISLE_OK)
            isle_throw(isle_last_error());
    } else if (word >= ISLE_EDEADLOCK) {
        writer_is_over(writer, (isle_err)word);
    }
}

static void writer_hear(isle_value message, void *context)
{
    struct writer *writer = context;
    int64_t word;
    if (isle_get_int(message, &word))
        writer_hear_word(writer, word);
    else if (isle_kind_of(message) == ISLE_OBJECT &&
             isle_try(writer_hear_end, message, NULL) == ISLE_OK)
        writer_is_over(writer, ISLE_ECLOSED);
}

/* By the reader, or whoever has its answer's port. */
static void writer_answered(isle_value message, void *context)
{
    struct writer *writer = isle__system_find(ISLE__SYSTEM_WRITER, context);
    int64_t word;
    if (writer != NULL && writer->over == ISLE_OK && isle_get_int(message, &word))
        writer_hear_word(writer, word);
}

static isle_err writer_error_code(isle_value error)
{
    return isle_kind_of(error) == ISLE_ERROR ? isle_error_code(error) : ISLE_ECLOSED;
}

/* What asked has not come to the reader: nobody has its port, or a wall has dropped it. */
static void writer_unanswered(isle_value error, void *context)
{
    struct writer *writer = isle__system_find(ISLE__SYSTEM_WRITER, context);
    isle_err err = writer_error_code(error);
    if (writer == NULL || writer->over != ISLE_OK || err == ISLE_ECANCELED)
        return;
    writer_unmark(writer, writer->mark_count);
    writer->asks_again = true;
    if (err == ISLE_ECLOSED || writer_retry_later(writer) != ISLE_OK)
        writer_is_over(writer, err);
}

static void writer_not_opened(isle_value error, void *context)
{
    struct writer *writer = isle__system_find(ISLE__SYSTEM_WRITER, context);
    isle_err err = writer_error_code(error);
    if (writer == NULL || writer->opening == NULL || err == ISLE_ECANCELED)
        return;
    writer->reopens = err == ISLE_EFULL;
    if (!writer->reopens || writer_retry_later(writer) != ISLE_OK)
        writer_is_over(writer, err);
}

/* --- writing */

static void writer_flush_event(void *context)
{
    struct writer *writer = isle__system_find(ISLE__SYSTEM_WRITER, context);
    if (writer == NULL)
        return;
    writer->flushes = false;
    if (writer->batch.count > 0 && !writer->refused && writer_pump(writer) != ISLE_OK)
        isle_throw(isle_last_error());
}

static isle_value writer_schedule(isle_value pointer)
{
    isle_schedule_microtask(writer_flush_event, isle_as_pointer(pointer));
    return isle_null();
}

static isle_err writer_flush_later(struct writer *writer)
{
    isle_err err = ISLE_OK;
    if (!writer->flushes)
        err = isle_try(writer_schedule, isle_pointer(writer->handle), NULL);
    writer->flushes = err == ISLE_OK;
    return err;
}

static size_t writer_least(size_t a, uint64_t b)
{
    return a < b ? a : (size_t)b;
}

/* All but the item that completes the batch, or takes the last credit. Credit only grows meanwhile.
 */
static void writer_set_quick(struct writer *writer)
{
    const struct isle__batch *batch = &writer->batch;
    uint64_t credit = writer->items_max - (writer->taken - writer->was_read);
    uint64_t bytes = writer->bytes_max - writer_bytes_ahead(writer);
    writer->quick = writer_least(writer->batch_max - batch->count, credit) - 1;
    size_t most = writer_least(batch->capacity, batch->most);
    writer->quick_bytes = writer_least(most - batch->size, bytes - 1);
}

/* Why an item could not be taken. What no later try would change is the program's to know; a full
 * mailbox is mended by a timer. */
static isle_err writer_untaken(struct writer *writer, isle_err err)
{
    if (err != ISLE_EFULL)
        return err;
    return writer_retry_later(writer) == ISLE_OK ? ISLE_EFULL : ISLE_ENOMEM;
}

/* Alone, behind all that was gathered. */
static isle_err writer_write_alone(struct writer *writer, isle_value item)
{
    size_t size = 0;
    isle_err err = writer_send_batch(writer);
    if (err == ISLE_OK)
        err = writer_send_items(writer, &item, &size);
    if (err == ISLE_EFULL && !isle__port_could_hold(writer->to, size))
        return isle__fail(ISLE_ERANGE, "the item is larger than the reader's mailbox could hold");
    if (err != ISLE_OK)
        return writer_untaken(writer, err);
    writer->taken++;
    if (!writer_has_credit(writer))
        (void)writer_pump(writer);
    return ISLE_OK;
}

/* The item is taken once it is gathered: what goes wrong with the batch is mended by a timer. */
static isle_err writer_gather(struct writer *writer, isle_value item, size_t size)
{
    if (!isle__batch_reserve(&writer->batch, size)) {
        isle_err err = writer_send_batch(writer);
        if (err != ISLE_OK)
            return writer_untaken(writer, err);
        if (!isle__batch_reserve(&writer->batch, size))
            return writer_write_alone(writer, item);
    }
    isle_err err = writer_flush_later(writer);
    if (err != ISLE_OK)
        return err;
    isle__batch_add(&writer->batch, item);
    writer->taken++;
    if (writer->batch.count == writer->batch_max || !writer_has_credit(writer))
        (void)writer_pump(writer);
    else
        writer_set_quick(writer);
    return ISLE_OK;
}

/* Nearly always: needs nothing that could fail. */
static inline bool writer_gather_quickly(struct writer *writer, isle_value item)
{
    const char *text;
    size_t size;
    int64_t number;
    if (writer->quick == 0)
        return false;
    if (isle_get_int(item, &number) && writer->quick_bytes >= ISLE__BATCH_NUMBER_SIZE) {
        writer->quick_bytes -= ISLE__BATCH_NUMBER_SIZE;
        isle__batch_add_int(&writer->batch, number);
    } else if (isle_get_string(item, &text, &size) && size <= ISLE__BATCH_TEXT_MAX &&
               writer->quick_bytes >= ISLE__BATCH_TEXT_SIZE + size) {
        writer->quick_bytes -= ISLE__BATCH_TEXT_SIZE + size;
        isle__batch_add_text(&writer->batch, text, size);
    } else {
        return false;
    }
    writer->quick--;
    writer->taken++;
    return true;
}

static isle_err writer_has_none(struct writer *writer)
{
    if (writer->over != ISLE_OK)
        return isle_try(writer_throw, isle_pointer(writer), NULL);
    if (!writer->refused && writer_pump(writer) != ISLE_OK)
        return isle_error_code(isle_last_error());
    return isle__fail(ISLE_EFULL, "the stream's writer has no credit");
}

static inline isle_err writer_write(struct writer *writer, isle_value item)
{
    if (writer->over != ISLE_OK || !writer_has_room(writer))
        return writer_has_none(writer);
    size_t size = writer->opening == NULL ? isle__batch_size_of(item) : 0;
    return size > 0 ? writer_gather(writer, item, size) : writer_write_alone(writer, item);
}

static inline struct writer *writer_need(const isle_writer *handle, const char *function)
{
    struct writer *writer = isle__system_need(ISLE__SYSTEM_WRITER, handle, function);
    if (writer->ended)
        isle__throw(ISLE_ESTALE, "%s: the stream has been ended", function);
    return writer;
}

struct writer_writing {
    isle_writer *handle;
    isle_value item;
};

/* What the form that insists throws. */
static isle_value writer_try_write(isle_value pointer)
{
    const struct writer_writing *writing = isle_as_pointer(pointer);
    struct writer *writer = writer_need(writing->handle, "isle_stream_try_write");
    if (writer_write(writer, writing->item) != ISLE_OK)
        isle_throw(isle_last_error());
    return isle_null();
}

isle_err isle_stream_try_write(isle_writer *handle, isle_value item)
{
    struct writer_writing writing = {handle, item};
    isle_err err = isle__inside_ask();
    if (err != ISLE_OK)
        return err;
    struct writer *writer = isle__system_find(ISLE__SYSTEM_WRITER, handle);
    if (writer != NULL && writer_gather_quickly(writer, item))
        return ISLE_OK;
    return isle_try(writer_try_write, isle_pointer(&writing), NULL);
}

static isle_future *writer_failed_future(struct writer *writer)
{
    isle_future *future = isle_future_new();
    isle_then(future, NULL, writer_ignore, NULL);
    if (isle_try(writer_throw, isle_pointer(writer), NULL) != ISLE_OK)
        isle_future_complete_error(future, isle_last_error());
    return future;
}

static isle_future *writer_room(struct writer *writer)
{
    if (writer->room == NULL) {
        isle_future *room = isle_future_new();
        isle_future_complete(room, isle_null());
        writer->room = isle_future_keep(room);
    }
    return writer->room;
}

/* A question is under way, or is sent. */
static isle_future *writer_wait(struct writer *writer)
{
    isle_future *waiting = writer->waiting;
    if (waiting == NULL) {
        waiting = isle_future_new();
        isle_then(waiting, NULL, writer_ignore, NULL);
        isle_port_set_keep_alive(writer->port, true);
        writer->waiting = isle_future_keep(waiting);
    }
    if (!writer->refused && writer_pump(writer) != ISLE_OK)
        isle_throw(isle_last_error());
    return waiting;
}

static isle_future *writer_ready(struct writer *writer)
{
    if (writer->over != ISLE_OK)
        return writer_failed_future(writer);
    return writer_has_room(writer) ? writer_room(writer) : writer_wait(writer);
}

isle_future *isle_stream_ready(isle_writer *handle)
{
    return writer_ready(writer_need(handle, __func__));
}

isle_future *isle_stream_write(isle_writer *handle, isle_value item)
{
    struct writer *writer = writer_need(handle, __func__);
    if (writer_write(writer, item) != ISLE_OK)
        isle_throw(isle_last_error());
    return writer_ready(writer);
}

/* All that is not gathered quickly. */
static __attribute__((noinline)) void writer_put(isle_writer *handle, isle_value item)
{
    for (;;) {
        struct writer *writer = writer_need(handle, "isle_stream_put");
        isle_err err = writer_write(writer, item);
        if (err == ISLE_OK)
            return;
        if (err != ISLE_EFULL || writer->over != ISLE_OK)
            isle_throw(isle_last_error());
        ISLE_SCOPE;
        isle_await(writer_ready(writer));
    }
}

void isle_stream_put(isle_writer *handle, isle_value item)
{
    struct writer *writer = isle__system_need(ISLE__SYSTEM_WRITER, handle, __func__);
    if (!writer_gather_quickly(writer, item))
        writer_put(handle, item);
}

void isle_stream_flush(isle_writer *handle)
{
    struct writer *writer = writer_need(handle, __func__);
    if (writer->over == ISLE_OK && !writer->refused && writer_pump(writer) != ISLE_OK)
        isle_throw(isle_last_error());
}

/* --- life */

static void writer_end(struct writer *writer)
{
    isle_writer *handle = writer->handle;
    if (writer->over != ISLE_OK) {
        writer_free(writer);
        return;
    }
    writer->ended = true;
    if (!writer->refused && writer_pump(writer) != ISLE_OK) {
        writer->ended = false;
        isle_throw(isle_last_error());
    }
    writer = isle__system_find(ISLE__SYSTEM_WRITER, handle);
    if (writer != NULL)
        writer_strand(writer);
}

void isle_stream_end(isle_writer *handle)
{
    isle__inside_need(__func__);
    struct writer *writer = isle__system_find(ISLE__SYSTEM_WRITER, handle);
    if (writer != NULL && !writer->ended)
        writer_end(writer);
}

/* It means the same everywhere, and is small. */
static bool writer_error_is_plain(isle_value error)
{
    if (isle_kind_of(error) != ISLE_ERROR)
        return isle__batch_size_of(error) > 0;
    const char *stack = isle_error_stack(error);
    size_t size = strlen(isle_error_text(error)) + (stack != NULL ? strlen(stack) : 0);
    return size <= ISLE__BATCH_TEXT_MAX;
}

static isle_value writer_fail(isle_value pointer)
{
    const struct writer_writing *writing = isle_as_pointer(pointer);
    struct writer *writer = isle__system_need(ISLE__SYSTEM_WRITER, writing->handle, "stream");
    bool is_plain = writer_error_is_plain(writing->item);
    isle_value list = isle_list_fixed(is_plain ? 1 : 2);
    isle_list_set(list, 0, isle_freeze(writing->item));
    if (!is_plain)
        isle_list_set(list, 1,
                      isle__error_make(ISLE_ETHROWN,
                                       "the stream's writer has failed with an error that cannot "
                                       "come to its reader",
                                       NULL));
    isle_cell_set(&writer->last_word, list);
    writer_end(writer);
    return isle_null();
}

/* It is frozen, which refuses what cannot be sent and keeps it until there is room. */
void isle_stream_fail(isle_writer *handle, isle_value error)
{
    struct writer_writing writing = {handle, error};
    isle__inside_need(__func__);
    struct writer *writer = isle__system_find(ISLE__SYSTEM_WRITER, handle);
    if (writer == NULL || writer->ended)
        return;
    if (isle_try(writer_fail, isle_pointer(&writing), NULL) == ISLE_OK)
        return;
    isle_cell_set(&writer->last_word, isle_null());
    isle_throw(isle_last_error());
}

/* The isolate ends: what it wrote goes before what is told of its end. The writer's memory goes
 * with the isolate, whose futures are gone already. */
static void writer_dropped(void *context)
{
    struct writer *writer = isle__system_find(ISLE__SYSTEM_WRITER, context);
    if (writer == NULL || writer->over != ISLE_OK || writer->opening != NULL)
        return;
    writer->leaves = true;
    if (writer_send_batch(writer) == ISLE_OK && writer->ended)
        (void)writer_send_last_word(writer);
}

static isle_value writer_begin(isle_value pointer)
{
    struct writer *writer = isle_as_pointer(pointer);
    writer->port = isle_port_open();
    writer->self = isle_port_send_port(writer->port);
    writer->handle = isle__system_open(ISLE__SYSTEM_WRITER, writer);
    isle_port_set_keep_alive(writer->port, false);
    isle_port_listen(writer->port, writer_hear, writer);
    isle_port_on_drop(writer->port, writer_dropped, writer->handle);
    isle_monitor(writer->reader, writer->self);
    isle_err err = isle_try(writer_open, pointer, NULL);
    writer->reopens = err == ISLE_EFULL;
    if (writer->reopens)
        err = writer_retry_later(writer);
    if (err != ISLE_OK)
        isle_throw(isle_last_error());
    return isle_null();
}

/* ISLE_ETYPE: it is none. */
static void writer_read_sink(isle_value sink, struct writer *writer)
{
    int64_t items = 0, bytes = 0;
    bool is_sink = isle_kind_of(sink) == ISLE_LIST && isle_count(sink) == 4 &&
                   isle_get_port(isle_list_get(sink, 0), &writer->to) &&
                   isle_kind_of(isle_list_get(sink, 1)) == ISLE_ISOLATE &&
                   isle_get_int(isle_list_get(sink, 2), &items) && items >= 1 &&
                   items <= ISLE__STREAM_ITEMS_MAX &&
                   isle_get_int(isle_list_get(sink, 3), &bytes) && bytes >= 1;
    if (!is_sink)
        isle__throw(ISLE_ETYPE, "isle_stream_writer: expected the sink of a stream, got %s",
                    isle_kind_name(isle_kind_of(sink)));
    writer->reader.control_port = isle_as_isolate(isle_list_get(sink, 1)).control_port;
    writer->items_max = (uint64_t)items;
    writer->bytes_max = (uint64_t)bytes;
}

/* So that a message with a batch is never larger than what the reader's mailbox could hold, if all
 * that stands beside the records has its room. 0: each item travels alone. */
static size_t writer_batch_bytes(isle_send_port to)
{
    size_t most = ISLE__BATCH_BYTES_MAX;
    while (most > 0 && !isle__port_could_hold(to, most + WRITER_BATCH_BESIDE))
        most /= 2;
    return most;
}

isle_writer *isle_stream_writer(isle_value sink)
{
    struct writer blank = {0};
    isle__inside_need(__func__);
    writer_read_sink(sink, &blank);
    blank.batch_max = (size_t)(blank.items_max / 4);
    if (blank.batch_max < 1)
        blank.batch_max = 1;
    if (blank.batch_max > ISLE__BATCH_ITEMS_MAX)
        blank.batch_max = ISLE__BATCH_ITEMS_MAX;
    blank.batch.most = writer_batch_bytes(blank.to);
    struct writer *writer = isle_new(struct writer);
    *writer = blank;
    if (isle_try(writer_begin, isle_pointer(writer), NULL) != ISLE_OK) {
        writer_free(writer);
        isle_throw(isle_last_error());
    }
    return writer->handle;
}
