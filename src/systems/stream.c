/* SPDX-License-Identifier: Apache-2.0 */
/* The reader's end of a stream. What the two ends say to each other stands in systems/stream.h.
 *
 * Law: whatever comes is checked before it is believed, and nothing of it can make the reader hold
 * more than its window. What is not of the writer, by the credit port that stands in each message,
 * is dropped. The port is bounded, so that a flood does not wait in the mailbox until it is looked
 * at. A batch lies in `held`, from which one item after the other is made in the scope of
 * who reads it; an item that travelled alone is handed over in the scope that its message came in.
 *
 * The port is quiet while code in direct style reads, while a handler runs, and while the stream is
 * paused: what comes then waits in it, in order. */
#include "isle/stream.h"

#include <string.h>

#include "isle/error.h"
#include "isle/future.h"
#include "isle/isolate.h"
#include "isle/monitor.h"
#include "isle/port.h"
#include "isle/scope.h"
#include "isle/timer.h"
#include "isle/value.h"
#include "systems/handle.h"
#include "systems/stream.h"
#include "systems/stream_batch.h"
#include "value/failure.h"

/* Messages without items that a writer may have under way: it opens, asks, ends; and some that find
 * out that they are not the first. */
enum { STREAM_WORDS_MAX = 16 };

enum stream_state {
    STREAM_RUNS,
    STREAM_ENDED, /* by its writer */
    STREAM_FAILED
};

struct stream {
    isle_stream *handle;
    isle_receive_port *port;
    isle_send_port writer; /* none: nobody has opened the sink */
    isle_send_port asker;  /* where credit goes, once all that is held has been read; none: nobody
                              has asked */
    isle_isolate writer_isolate, expected;
    enum stream_state state;
    bool busy;            /* an activity reads, or a handler runs */
    bool paused;          /* by the program */
    bool draining;        /* an event that goes on with what is held is under way */
    bool over;            /* it has no handle any more; it remains until the writer has been told */
    isle_future *telling; /* the farewell that is under way to the writer; NULL: none is */
    isle_timer *retry;
    uint64_t items_max, bytes_max;
    uint64_t came, granted; /* items since it began; those that came and are not held were read */
    isle_err farewell;      /* that the writer has yet to be told; ISLE_OK: none */
    isle_value error;       /* a cell: of STREAM_FAILED */
    isle_handler *on_item, *on_error; /* on_item NULL: direct style */
    isle_task *on_end;
    void *context;
    struct isle__batch held;
};

/* --- what the writer is told */

static void stream_retry(void *context);

static void stream_free(struct stream *stream)
{
    isle_timer_cancel(stream->retry);
    isle__batch_free(&stream->held);
    isle_cell_set(&stream->error, isle_null());
    isle_free(stream);
}

static uint64_t stream_was_read(const struct stream *stream)
{
    return stream->came - stream->held.count;
}

static void stream_was_told(isle_value nothing, void *context);
static void stream_was_not_told(isle_value error, void *context);

/* It waits for room, for behind a wall a plain send does not know of a full mailbox outside. */
static isle_value stream_send_farewell(isle_value pointer)
{
    struct stream *stream = isle_as_pointer(pointer);
    isle_value word = isle_int(stream->farewell);
    isle_future *told = isle_send_wait(stream->writer, word, ISLE_FOREVER);
    if (isle_future_is_complete(told))
        return isle_await(told);
    stream->telling = isle_future_keep(told);
    isle_then(told, stream_was_told, stream_was_not_told, stream);
    return isle_null();
}

static void stream_told(struct stream *stream, isle_err err);

static void stream_telling_ends(struct stream *stream)
{
    isle_future *telling = stream->telling;
    stream->telling = NULL;
    if (telling == NULL)
        return;
    isle_future_cancel(telling);
    isle_future_release(telling);
}

/* To who has asked, if anybody has: an answer has its room. */
static isle_err stream_answer(struct stream *stream, int64_t word)
{
    isle_err err = isle_try_send(stream->asker, isle_int(word));
    if (err != ISLE_ENOMEM)
        stream->asker = isle_send_port_none();
    return err;
}

static bool stream_is_asked(const struct stream *stream)
{
    return !isle_send_port_is_none(stream->asker);
}

static void stream_tell_farewell(struct stream *stream)
{
    isle_err err;
    if (stream->telling != NULL)
        return;
    if (stream_is_asked(stream))
        err = stream_answer(stream, stream->farewell);
    else
        err = isle_try(stream_send_farewell, isle_pointer(stream), NULL);
    if (err != ISLE_OK)
        stream_telling_ends(stream);
    if (stream->telling == NULL)
        stream_told(stream, err);
}

static void stream_retry_later(struct stream *stream)
{
    if (stream->retry == NULL)
        stream->retry = isle_timer_start(ISLE_MS(ISLE__STREAM_RETRY_MS), stream_retry, stream);
}

static isle_value stream_try_retry_later(isle_value pointer)
{
    stream_retry_later(isle_as_pointer(pointer));
    return isle_null();
}

/* Whatever else than that nobody has the port is tried again. Without memory for that it is given
 * up: who asks then hears that the port is closed. */
static void stream_told(struct stream *stream, isle_err err)
{
    bool is_done = err == ISLE_OK || err == ISLE_ECLOSED;
    if (!is_done && isle_try(stream_try_retry_later, isle_pointer(stream), NULL) == ISLE_OK)
        return;
    stream->farewell = ISLE_OK;
    if (stream->over)
        stream_free(stream);
}

static void stream_was_told(isle_value nothing, void *context)
{
    struct stream *stream = context;
    (void)nothing;
    stream_telling_ends(stream);
    stream_told(stream, ISLE_OK);
}

static void stream_was_not_told(isle_value error, void *context)
{
    struct stream *stream = context;
    stream_telling_ends(stream);
    stream_told(stream, isle_error_code(error));
}

/* All that was held has been read, so who asks is answered. */
static void stream_settle(struct stream *stream)
{
    if (!stream_is_asked(stream) || stream->held.count > 0 || stream->state != STREAM_RUNS)
        return;
    stream->granted = stream_was_read(stream);
    if (stream_answer(stream, (int64_t)stream->granted) == ISLE_ENOMEM) {
        isle_err err = isle_try(stream_try_retry_later, isle_pointer(stream), NULL);
        (void)err; /* without memory for that too, the next item that is read does it */
    }
}

static void stream_retry(void *context)
{
    struct stream *stream = context;
    stream->retry = NULL;
    if (stream->farewell != ISLE_OK)
        stream_tell_farewell(stream);
    else
        stream_settle(stream);
}

/* --- the end */

/* What an isle_try is given. */
struct stream_trial {
    struct stream *stream;
    isle_value value;
    isle_isolate isolate;
};

/* What fails for want of memory alone, and is done without. */
static void stream_attempt(isle_computation *body, void *argument)
{
    isle_err err = isle_try(body, isle_pointer(argument), NULL);
    (void)err;
}

static isle_value stream_unmonitor(isle_value pointer)
{
    const struct stream *stream = isle_as_pointer(pointer);
    isle_send_port port = isle_port_send_port(stream->port);
    isle_unmonitor(stream->writer_isolate, port);
    isle_unmonitor(stream->expected, port);
    return isle_null();
}

/* Nothing more comes. */
static void stream_hang_up(struct stream *stream)
{
    if (stream->port == NULL)
        return;
    stream_attempt(stream_unmonitor, stream);
    isle_port_close(stream->port);
    stream->port = NULL;
}

/* In a list, from which each scope that asks takes it. */
static isle_value stream_keep_error(isle_value pointer)
{
    const struct stream_trial *trial = isle_as_pointer(pointer);
    isle_value list = isle_list_fixed(1);
    isle_list_set(list, 0, trial->value);
    isle_cell_set(&trial->stream->error, list);
    return isle_null();
}

/* Without memory for the error that is the error. */
static void stream_fail(struct stream *stream, isle_value error)
{
    struct stream_trial trial = {.stream = stream, .value = error};
    stream->state = STREAM_FAILED;
    stream_hang_up(stream);
    stream_attempt(stream_keep_error, &trial);
}

static isle_value stream_error(const struct stream *stream)
{
    return isle_is_null(stream->error) ? isle__error_make(ISLE_ENOMEM, "Out of Memory", NULL)
                                       : isle_list_get(stream->error, 0);
}

/* Why nothing more is taken from the writer. It is told before the port is closed, so that it
 * hears that first; whoever has a full mailbox and asks just then hears ISLE_ECLOSED. */
static void stream_dismiss(struct stream *stream, isle_err why)
{
    stream->farewell = why;
    stream_tell_farewell(stream);
}

/* The writer is at fault, or cannot be served. */
static void stream_refuse(struct stream *stream, isle_err err, const char *text)
{
    stream_dismiss(stream, err);
    stream_fail(stream, isle__error_make(err, text, NULL));
}

static void stream_refuse_malformed(struct stream *stream)
{
    stream_refuse(stream, ISLE_EMALFORMED, "the stream's writer has sent what no writer sends");
}

static void stream_release(struct stream *stream)
{
    isle__system_close(ISLE__SYSTEM_STREAM, stream->handle);
    stream->over = true;
    if (stream->farewell == ISLE_OK) /* else it is under way, or a timer tries again */
        stream_free(stream);
}

/* --- what comes */

static bool stream_is_same(isle_isolate a, isle_isolate b)
{
    return isle_send_port_equal(a.control_port, b.control_port) &&
           !isle_send_port_is_none(a.control_port);
}

/* A monitor's message: of an isolate that matters, else it is dropped. */
static isle_value stream_take_end(isle_value pointer)
{
    const struct stream_trial *trial = isle_as_pointer(pointer);
    struct stream *stream = trial->stream;
    isle_end end = isle_as_end(trial->value);
    if (!stream_is_same(end.isolate, stream->writer_isolate) &&
        !stream_is_same(end.isolate, stream->expected))
        return isle_null();
    isle_value text =
        isle_stringf("the stream's writer%s%s has ended: %s%s%s", *end.debug_name ? " " : "",
                     end.debug_name, isle_reason_text(end.reason), *end.text ? ": " : "", end.text);
    stream_fail(stream, isle_error(ISLE_ENORESULT, isle_as_string(text), NULL));
    return isle_null();
}

static isle_value stream_monitor(isle_value pointer)
{
    const struct stream_trial *trial = isle_as_pointer(pointer);
    isle_monitor(trial->isolate, isle_port_send_port(trial->stream->port));
    return isle_null();
}

static void stream_take_opening(struct stream *stream, isle_send_port writer, isle_value message)
{
    struct stream_trial trial = {.stream = stream};
    isle_value isolate = isle_list_get(message, ISLE__STREAM_HEAD);
    isle_send_port asker;
    if (isle_kind_of(isolate) != ISLE_ISOLATE ||
        !isle_get_port(isle_list_get(message, ISLE__STREAM_HEAD + 1), &asker))
        return;
    trial.isolate.control_port = isle_as_isolate(isolate).control_port;
    stream->writer = writer;
    stream->writer_isolate = trial.isolate;
    stream->asker = asker; /* it learns that somebody is there */
    isle_err err = isle_try(stream_monitor, isle_pointer(&trial), NULL);
    if (err != ISLE_OK)
        stream_refuse(stream, err, "the end of the stream's writer cannot be watched");
}

/* False: the writer may not be so far ahead. */
static bool stream_count(struct stream *stream, size_t count)
{
    if (stream->came + count - stream->granted > stream->items_max) {
        stream_refuse(stream, ISLE_EFULL, "the stream's writer has sent more than it may");
        return false;
    }
    stream->came += count;
    return true;
}

/* An item that travels alone, at that index, or none. True: *ret_item is it. */
static bool stream_take_item(struct stream *stream, isle_value message, size_t first,
                             isle_value *ret_item)
{
    size_t count = isle_count(message) - first;
    if (count > 1)
        stream_refuse_malformed(stream);
    else if (stream_count(stream, count) && count == 1) {
        *ret_item = isle_list_get(message, first);
        return true;
    }
    return false;
}

static void stream_take_batch(struct stream *stream, isle_value message, size_t first)
{
    isle_err err = isle__batch_take(&stream->held, message, first);
    if (err == ISLE_ENOMEM)
        stream_refuse(stream, err, "there is no memory for a batch of the stream");
    else if (err != ISLE_OK)
        stream_refuse_malformed(stream);
    else if (!stream_count(stream, stream->held.count))
        isle__batch_clear(&stream->held);
}

/* The writer's last words. */
static void stream_take_word(struct stream *stream, int64_t word, isle_value message)
{
    size_t count = isle_count(message);
    if (word == ISLE__STREAM_END && count == ISLE__STREAM_HEAD) {
        stream->state = STREAM_ENDED;
        stream_hang_up(stream);
    } else if (word == ISLE__STREAM_FAIL && count == ISLE__STREAM_HEAD + 1) {
        stream_fail(stream, isle_list_get(message, ISLE__STREAM_HEAD));
    } else {
        stream_refuse_malformed(stream);
    }
}

static int64_t stream_word(int64_t numbered)
{
    return numbered & ((1 << ISLE__STREAM_WORD_BITS) - 1);
}

static bool stream_word_asks(int64_t word)
{
    return word == ISLE__STREAM_ITEM_ASKING || word == ISLE__STREAM_BATCH_ASKING;
}

/* Whoever has sent it wants an answer at *ret_port. */
static bool stream_find_asker(isle_value message, size_t index, isle_send_port *ret_port)
{
    return isle_count(message) > index && isle_get_port(isle_list_get(message, index), ret_port) &&
           !isle_send_port_is_none(*ret_port);
}

/* Of the writer. */
static bool stream_take_next(struct stream *stream, int64_t numbered, isle_value message,
                             isle_value *ret_item)
{
    int64_t word = stream_word(numbered);
    size_t first = ISLE__STREAM_HEAD + stream_word_asks(word);
    if (numbered < 0 ||
        (stream_word_asks(word) && !stream_find_asker(message, ISLE__STREAM_HEAD, &stream->asker)))
        stream_refuse_malformed(stream);
    else if ((uint64_t)numbered >> ISLE__STREAM_WORD_BITS != stream->came)
        stream_refuse(
            stream, ISLE_EFULL,
            "items of the stream have not come: the reader's mailbox refused them, or a wall");
    else if (word == ISLE__STREAM_BATCH || word == ISLE__STREAM_BATCH_ASKING)
        stream_take_batch(stream, message, first);
    else if (word == ISLE__STREAM_ITEM || word == ISLE__STREAM_ITEM_ASKING)
        return stream_take_item(stream, message, first, ret_item);
    else
        stream_take_word(stream, word, message);
    return false;
}

/* Of another writer, told where it asks; else whoever finds its mailbox full is told again at its
 * next message. */
static void stream_turn_away(isle_send_port writer, int64_t word, isle_value message)
{
    isle_send_port to;
    size_t index = ISLE__STREAM_HEAD + (word == ISLE__STREAM_OPEN);
    bool asks = word == ISLE__STREAM_OPEN || stream_word_asks(stream_word(word));
    if (!asks || !stream_find_asker(message, index, &to))
        to = writer;
    isle_err err = isle_try_send(to, isle_int(ISLE_EUSED));
    (void)err;
}

/* Of any message at the port, while nothing is held. True: *ret_item is an item. */
static bool stream_take(struct stream *stream, isle_value message, isle_value *ret_item)
{
    struct stream_trial trial = {.stream = stream, .value = message};
    isle_kind kind = isle_kind_of(message);
    isle_value head[ISLE__STREAM_HEAD];
    isle_send_port writer;
    int64_t word;
    if (kind == ISLE_OBJECT)
        stream_attempt(stream_take_end, &trial);
    size_t count = kind == ISLE_LIST ? isle_count(message) : 0;
    if (count < ISLE__STREAM_HEAD)
        return false;
    isle_list_read(message, 0, ISLE__STREAM_HEAD, head);
    if (!isle_get_port(head[0], &writer) || isle_send_port_is_none(writer) ||
        !isle_get_int(head[1], &word))
        return false;
    if (isle_send_port_equal(writer, stream->writer))
        return stream_take_next(stream, word, message, ret_item);
    if (!isle_send_port_is_none(stream->writer))
        stream_turn_away(writer, word, message);
    else if (word == ISLE__STREAM_OPEN && count == ISLE__STREAM_HEAD + 2)
        stream_take_opening(stream, writer, message);
    return false;
}

static inline bool stream_next_held(struct stream *stream, isle_value *ret_item)
{
    if (stream->held.count == 0)
        return false;
    *ret_item = isle__batch_next(&stream->held);
    return true;
}

/* --- direct style */

static isle_value stream_throw_error(isle_value pointer)
{
    isle_throw(stream_error(isle_as_pointer(pointer)));
}

static isle_err stream_over(struct stream *stream)
{
    if (stream->state == STREAM_FAILED)
        return isle_try(stream_throw_error, isle_pointer(stream), NULL);
    return isle__fail(ISLE_ECLOSED, "the stream has ended");
}

/* What comes next at the port. *stream becomes NULL if it was closed meanwhile. */
static isle_err stream_receive(struct stream **stream, int64_t timeout_ns, isle_value *ret_message)
{
    isle_stream *handle = (*stream)->handle;
    (*stream)->busy = true;
    isle_err err = isle_port_try_receive((*stream)->port, timeout_ns, ret_message);
    *stream = isle__system_find(ISLE__SYSTEM_STREAM, handle);
    if (*stream != NULL)
        (*stream)->busy = false;
    return err;
}

struct stream_step {
    struct stream *stream; /* NULL afterwards: it was closed */
    int64_t timeout_ns;
    bool is_item; /* what came */
};

/* The next message, whatever it is. */
static isle_err stream_step(struct stream_step *step, isle_value *ret_item)
{
    isle_value message;
    isle_err err = stream_receive(&step->stream, step->timeout_ns, &message);
    if (step->stream == NULL)
        return isle__fail(ISLE_ECLOSED, "the stream was closed");
    if (err == ISLE_OK)
        step->is_item = stream_take(step->stream, message, ret_item);
    return err;
}

static isle_value stream_step_apart(isle_value pointer)
{
    isle_value item = isle_null();
    if (stream_step(isle_as_pointer(pointer), &item) != ISLE_OK)
        isle_throw(isle_last_error());
    return item;
}

/* As isle_stream_try_read. From the second message on each is received in a scope of its own, out
 * of which an item alone comes: what is dropped takes no memory of who waits, and an item that is
 * there at once is not moved. */
static isle_err stream_read(struct stream *stream, int64_t timeout_ns, isle_value *ret_item)
{
    struct stream_step step = {.stream = stream};
    isle_value item;
    bool is_first = true;
    int64_t until = timeout_ns > 0 && timeout_ns < ISLE_FOREVER - isle_now_ns()
                        ? isle_now_ns() + timeout_ns
                        : ISLE_FOREVER;
    for (;; is_first = false) {
        if (stream_next_held(stream, ret_item))
            return ISLE_OK;
        stream_settle(stream);
        if (stream->state != STREAM_RUNS)
            return stream_over(stream);
        if (until != ISLE_FOREVER)
            timeout_ns = until > isle_now_ns() ? until - isle_now_ns() : 0;
        step.timeout_ns = timeout_ns;
        isle_err err = is_first ? stream_step(&step, &item)
                                : isle_try(stream_step_apart, isle_pointer(&step), &item);
        if (err == ISLE_OK && step.is_item)
            *ret_item = item;
        if (err != ISLE_OK || step.is_item)
            return err;
        stream = step.stream;
    }
}

static inline struct stream *stream_need(const isle_stream *handle, const char *function)
{
    return isle__system_need(ISLE__SYSTEM_STREAM, handle, function);
}

static inline struct stream *stream_need_quiet(const isle_stream *handle, const char *function)
{
    struct stream *stream = stream_need(handle, function);
    if (stream->busy || stream->on_item != NULL)
        isle__throw(ISLE_EINVAL, "%s: the stream has %s", function,
                    stream->on_item != NULL ? "a handler" : "another reader");
    return stream;
}

static __attribute__((noinline)) bool stream_read_next(isle_stream *handle, isle_value *ret_item)
{
    struct stream *stream = stream_need_quiet(handle, "isle_stream_read");
    if (ret_item == NULL)
        isle__throw(ISLE_EINVAL, "isle_stream_read: ret_item is NULL");
    isle_err err = stream_read(stream, ISLE_FOREVER, ret_item);
    if (err == ISLE_OK)
        return true;
    stream = isle__system_find(ISLE__SYSTEM_STREAM, handle);
    if (stream != NULL && stream->state == STREAM_ENDED)
        return false;
    isle_throw(isle_last_error());
}

bool isle_stream_read(isle_stream *handle, isle_value *ret_item)
{
    struct stream *stream = stream_need(handle, __func__);
    if (stream->on_item == NULL && ret_item != NULL && stream_next_held(stream, ret_item))
        return true; /* nearly always; nobody waits while something is held */
    return stream_read_next(handle, ret_item);
}

struct stream_reading {
    isle_stream *handle;
    int64_t timeout_ns;
    isle_value item;
    isle_err err;
};

/* What the form that insists throws. */
static isle_value stream_try_read(isle_value pointer)
{
    struct stream_reading *reading = isle_as_pointer(pointer);
    struct stream *stream = stream_need_quiet(reading->handle, "isle_stream_try_read");
    isle_value item = isle_null();
    reading->err = stream_read(stream, reading->timeout_ns, &item);
    if (reading->err != ISLE_OK)
        isle_throw(isle_last_error());
    return item;
}

isle_err isle_stream_try_read(isle_stream *handle, int64_t timeout_ns, isle_value *ret_item)
{
    struct stream_reading reading = {.handle = handle, .timeout_ns = timeout_ns};
    isle_value item;
    isle_err err = isle__inside_ask();
    if (err != ISLE_OK)
        return err;
    if (ret_item == NULL)
        return isle__fail(ISLE_EINVAL, "isle_stream_try_read: ret_item is NULL");
    err = isle_try(stream_try_read, isle_pointer(&reading), &item);
    if (err == ISLE_OK)
        *ret_item = item;
    return err;
}

/* --- callback style */

static void stream_hear(isle_value message, void *context);
static void stream_drain(void *context);

/* What waits in the port is handed over; or, with NULL, remains there. */
static void stream_listen(struct stream *stream, isle_handler *hear)
{
    if (stream->port != NULL)
        isle_port_listen(stream->port, hear, stream);
}

/* Its handler may be called: an event goes on, or the port wakes it. */
static void stream_go_on(struct stream *stream)
{
    if (stream->busy || stream->paused || stream->on_item == NULL)
        return;
    if (stream->held.count == 0 && stream->state == STREAM_RUNS) {
        stream_settle(stream);
        stream_listen(stream, stream_hear);
    } else if (!stream->draining) {
        isle_schedule_microtask(stream_drain, stream->handle);
        stream->draining = true;
    }
}

/* However the handler was left. */
static void stream_served(void *context)
{
    struct stream *stream = isle__system_find(ISLE__SYSTEM_STREAM, context);
    if (stream == NULL)
        return;
    stream->busy = false;
    stream_settle(stream);
    stream_go_on(stream);
}

/* The item that is given, or else the next one that is held. True: there is another for it. */
static bool stream_serve_one(isle_stream *handle, const isle_value *given)
{
    struct stream *stream = isle__system_find(ISLE__SYSTEM_STREAM, handle);
    ISLE_SCOPE;
    isle_value item = given != NULL ? *given : isle__batch_next(&stream->held);
    stream->on_item(item, stream->context);
    stream = isle__system_find(ISLE__SYSTEM_STREAM, handle);
    return stream != NULL && !stream->paused && stream->on_item != NULL && stream->held.count > 0;
}

/* The item (NULL: none), and all that is held, one after the other, unless the handler pauses or
 * closes the stream; its errors leave from here. */
static void stream_serve(struct stream *stream, const isle_value *given)
{
    isle_stream *handle = stream->handle;
    ISLE_SCOPE;
    stream_listen(stream, NULL);
    isle_defer(stream_served, handle);
    stream->busy = true;
    while (stream_serve_one(handle, given))
        given = NULL;
}

static void stream_error_event(isle_value error, void *context)
{
    (void)context;
    isle_throw(error);
}

static void stream_finish(struct stream *stream)
{
    isle_handler *on_error = stream->on_error == NULL ? stream_error_event : stream->on_error;
    isle_task *on_end = stream->on_end;
    void *context = stream->context;
    bool has_failed = stream->state == STREAM_FAILED;
    isle_value error = has_failed ? stream_error(stream) : isle_null();
    stream_release(stream);
    if (has_failed)
        on_error(error, context);
    else if (on_end != NULL)
        on_end(context);
}

static void stream_hear(isle_value message, void *context)
{
    struct stream *stream = context;
    isle_value item;
    bool is_alone = stream_take(stream, message, &item);
    if (is_alone || stream->held.count > 0)
        stream_serve(stream, is_alone ? &item : NULL);
    else if (stream->state == STREAM_RUNS)
        stream_settle(stream);
    else
        stream_finish(stream);
}

static void stream_drain(void *context)
{
    struct stream *stream = isle__system_find(ISLE__SYSTEM_STREAM, context);
    if (stream == NULL)
        return;
    stream->draining = false;
    if (stream->busy || stream->paused || stream->on_item == NULL)
        return;
    if (stream->held.count > 0)
        stream_serve(stream, NULL);
    else if (stream->state != STREAM_RUNS)
        stream_finish(stream);
    else
        stream_listen(stream, stream_hear);
}

void isle_stream_listen(isle_stream *handle, isle_handler *on_item, isle_task *on_end,
                        isle_handler *on_error, void *context)
{
    struct stream *stream = stream_need(handle, __func__);
    if (stream->busy && stream->on_item == NULL)
        isle__throw(ISLE_EINVAL, "isle_stream_listen: the stream has another reader");
    stream->on_item = on_item;
    stream->on_end = on_end;
    stream->on_error = on_error;
    stream->context = context;
    if (on_item == NULL && !stream->busy)
        stream_listen(stream, NULL);
    stream_go_on(stream);
}

void isle_stream_pause(isle_stream *handle)
{
    struct stream *stream = stream_need(handle, __func__);
    stream->paused = true;
    if (stream->on_item != NULL && !stream->busy)
        stream_listen(stream, NULL);
}

void isle_stream_resume(isle_stream *handle)
{
    struct stream *stream = stream_need(handle, __func__);
    stream->paused = false;
    stream_go_on(stream);
}

/* --- life */

static void stream_need_options(const isle_stream_options *options)
{
    if (options->items_max > ISLE__STREAM_ITEMS_MAX)
        isle__throw(ISLE_ERANGE, "isle_stream_open: a window of %zu items", options->items_max);
}

static isle_value stream_begin(isle_value pointer)
{
    struct stream *stream = isle_as_pointer(pointer);
    isle_port_options bounds = {.max_messages = (size_t)stream->items_max + STREAM_WORDS_MAX};
    stream->port = isle_port_open_with(&bounds);
    stream->handle = isle__system_open(ISLE__SYSTEM_STREAM, stream);
    return isle_null();
}

isle_stream *isle__stream_open(const isle_stream_options *options, size_t options_size)
{
    isle_stream_options filled = {0};
    isle__inside_need("isle_stream_open");
    if (options != NULL)
        memcpy(&filled, options, options_size < sizeof filled ? options_size : sizeof filled);
    stream_need_options(&filled);
    struct stream *stream = isle_new(struct stream);
    stream->items_max = filled.items_max == 0 ? ISLE__STREAM_ITEMS_DEFAULT : filled.items_max;
    stream->bytes_max = filled.bytes_max == 0 ? ISLE__STREAM_BYTES_DEFAULT : filled.bytes_max;
    if (stream->bytes_max > INT64_MAX) /* no limit */
        stream->bytes_max = INT64_MAX;
    if (isle_try(stream_begin, isle_pointer(stream), NULL) != ISLE_OK) {
        isle_port_close(stream->port);
        isle_free(stream);
        isle_throw(isle_last_error());
    }
    return stream->handle;
}

isle_value isle_stream_sink(const isle_stream *handle)
{
    const struct stream *stream = stream_need(handle, __func__);
    isle_isolate self = {.control_port = isle_current().control_port};
    if (stream->port == NULL)
        isle__throw(ISLE_ECLOSED, "isle_stream_sink: the stream is over");
    isle_value sink = isle_list_fixed(4);
    isle_list_set(sink, 0, isle_port_value(stream->port));
    isle_list_set(sink, 1, isle_isolate_value(self));
    isle_list_set(sink, 2, isle_int((int64_t)stream->items_max));
    isle_list_set(sink, 3, isle_int((int64_t)stream->bytes_max));
    return sink;
}

void isle_stream_expect(isle_stream *handle, isle_isolate isolate)
{
    struct stream *stream = stream_need(handle, __func__);
    if (isle_send_port_is_none(isolate.control_port))
        isle__throw(ISLE_EINVAL, "isle_stream_expect: the isolate is none");
    if (!isle_send_port_is_none(stream->expected.control_port))
        isle__throw(ISLE_EUSED, "isle_stream_expect: the stream expects an isolate");
    if (stream->port != NULL)
        isle_monitor(isolate, isle_port_send_port(stream->port));
    stream->expected.control_port = isolate.control_port;
}

void isle_stream_close(isle_stream *handle)
{
    isle__inside_need(__func__);
    struct stream *stream = isle__system_find(ISLE__SYSTEM_STREAM, handle);
    if (stream == NULL)
        return;
    if (stream->state == STREAM_RUNS && !isle_send_port_is_none(stream->writer))
        stream_dismiss(stream, ISLE_ECANCELED);
    stream_hang_up(stream);
    stream_release(stream);
}
