/* SPDX-License-Identifier: Apache-2.0 */
/* Streams: order, credit, the ends and errors of both sides, callbacks, hostile writers. The root
 * reads what a spawned isolate writes, or the other way round; the same on threads and behind a
 * wall. */
#include "streams_help.h"

/* --- writers, each spawned with [sink, count] or the sink alone */

static void put_ints(isle_value message)
{
    int64_t count;
    isle_writer *writer = job_open(message, &count);
    for (int64_t i = 0; i < count; i++)
        isle_stream_put(writer, isle_int(i));
    isle_stream_end(writer);
}

static isle_value read_it(isle_value stream)
{
    isle_value item;
    return isle_stream_read(isle_as_pointer(stream), &item) ? item : isle_null();
}

/* What reading answers that has no more items. */
static isle_err why_over(isle_stream *stream)
{
    isle_value item;
    isle_err err = isle_try(read_it, isle_pointer(stream), &item);
    return err == ISLE_OK ? ISLE_ECLOSED : err;
}

static void read_ints(isle_stream *stream, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        ISLE_SCOPE;
        isle_value item;
        CHECK(isle_stream_read(stream, &item));
        CHECK_INT(isle_as_int(item), i);
    }
}

TEST_ROOT(items_come_in_the_order_written_then_the_end)
{
    isle_stream *stream = isle_stream_open(NULL);
    isle_value item;
    isle_spawn(put_ints, job(stream, 10000), NULL);
    read_ints(stream, 10000);
    CHECK(!isle_stream_read(stream, &item));
    CHECK(!isle_stream_read(stream, &item));
    CHECK_ERR(isle_stream_try_read(stream, ISLE_FOREVER, &item), ISLE_ECLOSED);
    isle_stream_close(stream);
    isle_stream_close(stream);
    settle();
}

/* An int, a text, bytes, a list: some travel together, some alone. */
static isle_value item_of(int64_t i)
{
    switch (i % 5) {
    case 0:
        return isle_stringf("text %d", (int)i);
    case 1:
        return isle_bytes("bytes", 5);
    case 2:
        return isle_pack("[i,{s:i}]", i, "key", i);
    default:
        return isle_int(i);
    }
}

static void put_kinds(isle_value message)
{
    int64_t count;
    isle_writer *writer = job_open(message, &count);
    for (int64_t i = 0; i < count; i++) {
        ISLE_SCOPE;
        isle_stream_put(writer, item_of(i));
    }
    isle_stream_end(writer);
}

TEST_ROOT(items_of_all_kinds_keep_their_order)
{
    for (size_t window = 1; window < 200; window = window * 3 + 1) {
        isle_stream *stream = isle_stream_open(&(isle_stream_options){.items_max = window});
        isle_value item;
        isle_spawn(put_kinds, job(stream, 500), NULL);
        for (int64_t i = 0; i < 500; i++) {
            ISLE_SCOPE;
            CHECK(isle_stream_read(stream, &item));
            CHECK_VALUE(item, item_of(i));
        }
        CHECK(!isle_stream_read(stream, &item));
        isle_stream_close(stream);
    }
    settle();
}

/* --- the other way round: the spawned isolate reads */

static void sum_up(isle_value to)
{
    isle_stream *stream = isle_stream_open(&(isle_stream_options){.items_max = 100});
    isle_value item;
    int64_t sum = 0;
    isle_send(isle_as_port(to), isle_stream_sink(stream));
    for (;;) {
        ISLE_SCOPE;
        if (!isle_stream_read(stream, &item))
            break;
        sum += isle_as_int(item);
    }
    isle_stream_close(stream);
    isle_send(isle_as_port(to), isle_int(sum));
}

TEST_ROOT(a_spawned_isolate_reads_what_the_root_writes)
{
    isle_receive_port *port = isle_port_open();
    isle_spawn(sum_up, isle_port_value(port), NULL);
    isle_writer *writer = isle_stream_writer(isle_port_receive(port));
    for (int i = 1; i <= 5000; i++)
        isle_stream_put(writer, isle_int(i));
    isle_stream_end(writer);
    CHECK_INT(receive_int(port), 5000 * 5001 / 2);
    isle_port_close(port);
    settle();
}

/* --- credit */

TEST_ROOT(without_credit_nothing_is_taken_until_the_reader_has_read)
{
    isle_stream *stream = isle_stream_open(&(isle_stream_options){.items_max = 8});
    isle_writer *writer = isle_stream_writer(isle_stream_sink(stream));
    isle_value item;
    for (int i = 0; i < 8; i++)
        CHECK_ERR(isle_stream_try_write(writer, isle_int(i)), ISLE_OK);
    for (int i = 0; i < 3; i++)
        CHECK_ERR(isle_stream_try_write(writer, isle_int(99)), ISLE_EFULL);
    isle_future *ready = isle_stream_ready(writer);
    CHECK_ERR(isle_try_await(ready, ISLE_MS(1), NULL), ISLE_ETIMEDOUT);
    for (int i = 0; i < 4; i++) {
        CHECK_ERR(isle_stream_try_read(stream, ISLE_FOREVER, &item), ISLE_OK);
        CHECK_INT(isle_as_int(item), i);
    }
    CHECK_ERR(isle_stream_try_read(stream, 0, &item), ISLE_OK);
    isle_await(ready);
    CHECK(isle_future_is_complete(isle_stream_write(writer, isle_int(8))));
    for (int i = 5; i < 9; i++) {
        CHECK_ERR(isle_stream_try_read(stream, ISLE_FOREVER, &item), ISLE_OK);
        CHECK_INT(isle_as_int(item), i);
    }
    CHECK_ERR(isle_stream_try_read(stream, 0, &item), ISLE_ETIMEDOUT);
    isle_stream_end(writer);
    CHECK(!isle_stream_read(stream, &item));
    isle_stream_close(stream);
}

/* A fast writer, a reader that does other things between the items. */
TEST_ROOT(a_fast_writer_runs_at_its_readers_speed_in_flat_memory)
{
    enum { WINDOW = 256 };
    int64_t count = rounds(1000000, 1000000, 10000000);
    isle_stream *stream = isle_stream_open(&(isle_stream_options){.items_max = WINDOW});
    isle_value item;
    size_t memory = 0, waiting = 0;
    isle_spawn(put_ints, job(stream, count), NULL);
    for (int64_t i = 0; i < count; i++) {
        ISLE_SCOPE;
        CHECK(isle_stream_read(stream, &item));
        if (isle_as_int(item) != i)
            CHECK_INT(isle_as_int(item), i);
        if (i % 1000 != 0)
            continue;
        isle_sleep(0);
        memory = isle_memory_used() > memory ? isle_memory_used() : memory;
        waiting = isle_mailbox_count() > waiting ? isle_mailbox_count() : waiting;
    }
    CHECK(!isle_stream_read(stream, &item));
    isle_stream_close(stream);
    CHECK(waiting <= WINDOW + 3);
    CHECK(memory < 256 * 1024);
    settle();
}
TEST_TIMEOUT(a_fast_writer_runs_at_its_readers_speed_in_flat_memory, 120);

static void put_bytes(isle_value message)
{
    int64_t count;
    isle_writer *writer = job_open(message, &count);
    for (int64_t i = 0; i < count; i++) {
        ISLE_SCOPE;
        isle_stream_put(writer, isle_bytes(NULL, 100000));
    }
    isle_stream_end(writer);
}

TEST_ROOT(the_window_counts_bytes_as_well)
{
    isle_stream *stream = isle_stream_open(&(isle_stream_options){.bytes_max = 300000});
    isle_value item;
    size_t waiting = 0;
    isle_spawn(put_bytes, job(stream, 300), NULL);
    for (int i = 0; i < 300; i++) {
        ISLE_SCOPE;
        CHECK(isle_stream_read(stream, &item));
        CHECK_UINT(isle_count(item), 100000);
        isle_sleep(0);
        waiting = isle_mailbox_count() > waiting ? isle_mailbox_count() : waiting;
    }
    CHECK(!isle_stream_read(stream, &item));
    isle_stream_close(stream);
    CHECK(waiting <= 5);
    settle();
}

static void read_large(const isle_stream_options *window)
{
    isle_stream *stream = isle_stream_open(window);
    isle_value item;
    isle_spawn(put_bytes, job(stream, 20), NULL);
    for (int i = 0; i < 20; i++) {
        ISLE_SCOPE;
        CHECK(isle_stream_read(stream, &item));
        CHECK(isle_memory_used() < 280000);
    }
    CHECK(!isle_stream_read(stream, &item));
    isle_stream_close(stream);
    settle();
}

TEST_ROOT(an_item_larger_than_the_window_travels_alone)
{
    read_large(&(isle_stream_options){.items_max = 1, .bytes_max = 1});
    read_large(&(isle_stream_options){.bytes_max = 1000});
}

/* --- what was gathered */

static void write_and_wait(isle_value sink)
{
    isle_writer *writer = isle_stream_writer(sink);
    for (int i = 0; i < 5; i++) {
        isle_stream_write(writer, isle_int(i));
        isle_stream_write(writer, isle_int(i));
        isle_port_receive(isle_default_port());
    }
    isle_port_close(isle_default_port());
}

TEST_ROOT(what_was_gathered_goes_out_when_the_writer_suspends)
{
    isle_stream *stream = isle_stream_open(NULL);
    isle_value item;
    isle_isolate isolate = isle_spawn(write_and_wait, isle_stream_sink(stream), NULL);
    for (int i = 0; i < 10; i++) {
        CHECK(isle_stream_read(stream, &item));
        CHECK_INT(isle_as_int(item), i / 2);
        if (i % 2)
            isle_send(isolate.default_port, isle_null());
    }
    CHECK_ERR(why_over(stream), ISLE_ENORESULT);
    isle_stream_close(stream);
    settle();
}

TEST_ROOT(a_flush_sends_at_once)
{
    isle_stream *stream = isle_stream_open(NULL);
    isle_writer *writer = isle_stream_writer(isle_stream_sink(stream));
    isle_value item;
    CHECK_ERR(isle_stream_try_read(stream, 0, &item), ISLE_ETIMEDOUT);
    isle_sleep(0); /* each knows of the other */
    isle_stream_write(writer, isle_int(1));
    CHECK_ERR(isle_stream_try_read(stream, 0, &item), ISLE_ETIMEDOUT);
    isle_stream_write(writer, isle_int(2));
    isle_stream_flush(writer);
    CHECK_ERR(isle_stream_try_read(stream, 0, &item), ISLE_OK);
    CHECK_INT(isle_as_int(item), 1);
    isle_stream_end(writer);
    CHECK(isle_stream_read(stream, &item));
    CHECK(!isle_stream_read(stream, &item));
    isle_stream_close(stream);
}

/* --- errors and ends */

static void put_three_and_fail(isle_value sink)
{
    isle_writer *writer = isle_stream_writer(sink);
    for (int i = 0; i < 3; i++)
        isle_stream_put(writer, isle_int(i));
    isle_stream_fail(writer, isle_error(ISLE_ERANGE, "too far", NULL));
}

TEST_ROOT(an_error_comes_after_all_items)
{
    isle_stream *stream = isle_stream_open(NULL);
    isle_spawn(put_three_and_fail, isle_stream_sink(stream), NULL);
    read_ints(stream, 3);
    for (int i = 0; i < 2; i++) {
        CHECK_ERR(why_over(stream), ISLE_ERANGE);
        CHECK_STRING(isle_error_text(isle_last_error()), "too far");
    }
    isle_stream_close(stream);
    settle();
}

static void put_and_return(isle_value message)
{
    int64_t count;
    isle_writer *writer = job_open(message, &count);
    for (int64_t i = 0; i < count; i++)
        isle_stream_put(writer, isle_int(i));
}

static void put_and_throw(isle_value message)
{
    put_and_return(message);
    isle_throwf("as told");
}

static void put_and_exit(isle_value message)
{
    put_and_return(message);
    isle_exit(isle_send_port_none(), isle_null());
}

static void ends_after_all_items(isle_entry *entry, const char *reason)
{
    isle_stream *stream = isle_stream_open(NULL);
    isle_receive_port *errors = isle_port_open();
    isle_spawn(entry, job(stream, 100), &(isle_options){.on_error = isle_port_send_port(errors)});
    read_ints(stream, 100);
    CHECK_ERR(why_over(stream), ISLE_ENORESULT);
    const char *text = isle_error_text(isle_last_error());
    if (strstr(text, reason) == NULL && strstr(text, "lost") == NULL) /* it was dead already */
        fail("\"%s\" does not say \"%s\"", text, reason);
    isle_stream_close(stream);
    isle_port_close(errors);
}

TEST_ROOT(a_writer_that_ends_without_saying_so_is_an_error_after_all_items)
{
    ends_after_all_items(put_and_return, "returned");
    ends_after_all_items(put_and_throw, "as told");
    ends_after_all_items(put_and_exit, "returned");
    settle();
}

static void put_for_ever(isle_value sink)
{
    isle_writer *writer = isle_stream_writer(sink);
    for (int64_t i = 0;; i++)
        isle_stream_put(writer, isle_int(i));
}

TEST_ROOT(a_killed_writer_is_told_after_what_it_has_sent)
{
    isle_stream *stream = isle_stream_open(&(isle_stream_options){.items_max = 128});
    isle_isolate isolate = isle_spawn(put_for_ever, isle_stream_sink(stream), NULL);
    isle_value item;
    int64_t next = 1000;
    isle_err err;
    read_ints(stream, 1000);
    isle_kill(isolate, ISLE_IMMEDIATE);
    while ((err = isle_stream_try_read(stream, ISLE_FOREVER, &item)) == ISLE_OK)
        CHECK_INT(isle_as_int(item), next++);
    CHECK_ERR(err, ISLE_ENORESULT);
    CHECK(strstr(isle_error_text(isle_last_error()), "has ended: killed") != NULL);
    isle_stream_close(stream);
    settle();
}

static void never_open(isle_value sink)
{
    (void)sink;
}

TEST_ROOT(an_expected_writer_that_never_comes_is_an_error)
{
    isle_stream *stream = isle_stream_open(NULL);
    isle_stream_expect(stream, isle_spawn(never_open, isle_stream_sink(stream), NULL));
    CHECK_ERR(why_over(stream), ISLE_ENORESULT);
    isle_stream_close(stream);
    settle();
}

/* Puts until it may not; tells the port how that ended. */
static void put_until_refused(isle_value message)
{
    isle_writer *writer = isle_stream_writer(isle_list_get(message, 0));
    isle_future *ready = isle_stream_ready(writer);
    isle_err err = ISLE_OK;
    while (err == ISLE_OK || err == ISLE_EFULL) {
        ISLE_SCOPE;
        err = isle_stream_try_write(writer, isle_string("item"));
        if (err != ISLE_OK && err != ISLE_EFULL)
            break;
        ready = isle_stream_ready(writer);
        err = isle_try_await(ready, ISLE_FOREVER, NULL);
    }
    isle_send(isle_as_port(isle_list_get(message, 1)), isle_int(err));
    if (isle_stream_try_write(writer, isle_int(1)) != err)
        isle_throwf("another answer");
    isle_stream_end(writer);
    isle_stream_end(writer);
}

TEST_ROOT(who_writes_to_a_closed_stream_is_told)
{
    isle_receive_port *port = isle_port_open();
    isle_stream *stream = isle_stream_open(&(isle_stream_options){.items_max = 10});
    isle_value item, message = isle_pack("[o,o]", isle_stream_sink(stream), isle_port_value(port));
    isle_spawn(put_until_refused, message, NULL);
    for (int i = 0; i < 25; i++)
        CHECK(isle_stream_read(stream, &item));
    isle_stream_close(stream);
    CHECK_INT(receive_int(port), ISLE_ECANCELED);
    isle_port_close(port);
    settle();
}

TEST_ROOT(a_stream_closed_before_its_writer_came_is_closed)
{
    isle_receive_port *port = isle_port_open();
    isle_stream *stream = isle_stream_open(&(isle_stream_options){.items_max = 10});
    isle_value message = isle_pack("[o,o]", isle_stream_sink(stream), isle_port_value(port));
    isle_stream_close(stream);
    isle_spawn(put_until_refused, message, NULL);
    CHECK_INT(receive_int(port), ISLE_ECLOSED);
    isle_port_close(port);
    settle();
}

static void read_some_and_die(isle_value to)
{
    isle_stream *stream = isle_stream_open(&(isle_stream_options){.items_max = 4});
    isle_value item;
    isle_send(isle_as_port(to), isle_stream_sink(stream));
    for (int i = 0; i < 9; i++)
        isle_stream_read(stream, &item);
    isle_exit(isle_send_port_none(), isle_null());
}

TEST_ROOT(a_readers_death_is_told_to_who_waits_for_credit)
{
    isle_receive_port *port = isle_port_open();
    isle_spawn(read_some_and_die, isle_port_value(port), NULL);
    isle_writer *writer = isle_stream_writer(isle_port_receive(port));
    isle_err err = ISLE_OK;
    int64_t written = 0;
    while (err == ISLE_OK) {
        ISLE_SCOPE;
        err = isle_stream_try_write(writer, isle_int(written));
        written += err == ISLE_OK;
        if (err == ISLE_EFULL)
            err = isle_try_await(isle_stream_ready(writer), ISLE_FOREVER, NULL);
    }
    CHECK_ERR(err, ISLE_ECLOSED);
    CHECK(written >= 9 && written <= 9 + 4);
    isle_stream_end(writer);
    isle_port_close(port);
    settle();
}

TEST_ROOT(a_second_writer_is_refused_and_the_first_goes_on)
{
    isle_receive_port *port = isle_port_open();
    isle_stream *stream = isle_stream_open(NULL);
    isle_writer *writer = isle_stream_writer(isle_stream_sink(stream));
    isle_value item;
    isle_stream_write(writer, isle_int(0));
    isle_stream_flush(writer);
    CHECK(isle_stream_read(stream, &item));
    isle_spawn(put_until_refused,
               isle_pack("[o,o]", isle_stream_sink(stream), isle_port_value(port)), NULL);
    while (port_is_empty(port)) {
        CHECK_ERR(isle_stream_try_read(stream, 0, &item), ISLE_ETIMEDOUT);
        isle_sleep(ISLE_US(100));
    }
    isle_stream_write(writer, isle_string("still here"));
    CHECK(isle_stream_read(stream, &item));
    CHECK_STRING(isle_as_string(item), "still here");
    isle_stream_end(writer);
    CHECK(!isle_stream_read(stream, &item));
    isle_stream_close(stream);
    isle_port_close(port);
    settle();
}

/* --- callbacks */

struct hearing {
    isle_stream *stream;
    isle_future *over, *gate;
    int64_t next, paused_at, sum;
    int running, ended;
    isle_err error;
};

static void hear(isle_value item, void *context)
{
    struct hearing *hearing = context;
    CHECK_INT(isle_as_int(item), hearing->next++);
}

static void hear_end(void *context)
{
    struct hearing *hearing = context;
    hearing->ended++;
    isle_future_complete(hearing->over, isle_null());
}

static void hear_error(isle_value error, void *context)
{
    struct hearing *hearing = context;
    hearing->error = isle_error_code(error);
    isle_future_complete(hearing->over, isle_null());
}

static struct hearing *hearing_of(size_t window, isle_handler *on_item)
{
    struct hearing *hearing = isle_new(struct hearing);
    hearing->stream = isle_stream_open(&(isle_stream_options){.items_max = window});
    hearing->over = isle_future_new();
    isle_stream_listen(hearing->stream, on_item, hear_end, hear_error, hearing);
    return hearing;
}

TEST_ROOT(a_handler_gets_each_item_and_then_the_end)
{
    for (size_t window = 1; window < 2000; window *= 5) {
        struct hearing *hearing = hearing_of(window, hear);
        isle_spawn(put_ints, job(hearing->stream, 3000), NULL);
        isle_await(hearing->over);
        CHECK_INT(hearing->next, 3000);
        CHECK_INT(hearing->ended, 1);
        isle_stream_close(hearing->stream); /* it is over already */
    }
    settle();
}

TEST_ROOT(a_handler_gets_the_error_after_the_items)
{
    struct hearing *hearing = hearing_of(0, hear);
    isle_spawn(put_three_and_fail, isle_stream_sink(hearing->stream), NULL);
    isle_await(hearing->over);
    CHECK_INT(hearing->next, 3);
    CHECK_ERR(hearing->error, ISLE_ERANGE);
    settle();
}

static void open_gate(void *context)
{
    isle_future_complete(((struct hearing *)context)->gate, isle_null());
}

static void hear_slowly(isle_value item, void *context)
{
    struct hearing *hearing = context;
    ISLE_SCOPE;
    CHECK_INT(hearing->running++, 0);
    CHECK_INT(isle_as_int(item), hearing->next++);
    hearing->gate = isle_future_new();
    isle_timer_start(0, open_gate, hearing);
    isle_await(hearing->gate);
    hearing->running--;
}

TEST_ROOT(the_next_item_comes_when_a_handler_that_suspends_has_returned)
{
    struct hearing *hearing = hearing_of(16, hear_slowly);
    isle_spawn(put_ints, job(hearing->stream, 300), NULL);
    isle_await(hearing->over);
    CHECK_INT(hearing->next, 300);
    settle();
}

static void resume(void *context)
{
    struct hearing *hearing = context;
    CHECK_INT(hearing->next, hearing->paused_at);
    isle_stream_resume(hearing->stream);
}

static void hear_and_pause(isle_value item, void *context)
{
    struct hearing *hearing = context;
    hear(item, context);
    if (hearing->next % 7 != 0)
        return;
    hearing->paused_at = hearing->next;
    isle_stream_pause(hearing->stream);
    isle_timer_start(ISLE_US(10), resume, hearing);
}

TEST_ROOT(a_pause_holds_in_the_middle_of_a_batch)
{
    struct hearing *hearing = hearing_of(0, hear_and_pause);
    isle_spawn(put_ints, job(hearing->stream, 700), NULL);
    isle_await(hearing->over);
    CHECK_INT(hearing->next, 700);
    settle();
}

static void hear_and_close(isle_value item, void *context)
{
    struct hearing *hearing = context;
    hear(item, context);
    if (hearing->next < 5)
        return;
    isle_stream_close(hearing->stream);
    isle_future_complete(hearing->over, isle_null());
}

TEST_ROOT(a_handler_may_close_its_stream)
{
    isle_receive_port *port = isle_port_open();
    struct hearing *hearing = hearing_of(0, hear_and_close);
    isle_writer *writer = isle_stream_writer(isle_stream_sink(hearing->stream));
    for (int i = 0; i < 100; i++)
        isle_stream_put(writer, isle_int(i));
    isle_await(hearing->over);
    CHECK_INT(hearing->next, 5);
    while (isle_stream_try_write(writer, isle_int(5)) != ISLE_ECANCELED)
        isle_sleep(0);
    isle_stream_end(writer);
    isle_port_close(port);
    settle();
}

static void throw_at_seven(isle_value item, void *context)
{
    hear(item, context);
    if (isle_as_int(item) % 7 == 6)
        isle_throwf("seven");
}

static void listen_and_throw(isle_value to)
{
    struct hearing *hearing = hearing_of(0, throw_at_seven);
    isle_set_errors_fatal(isle_current(), false);
    isle_spawn(put_ints, job(hearing->stream, 1400), NULL);
    isle_await(hearing->over);
    isle_send(isle_as_port(to), isle_int(hearing->next));
}

TEST_ROOT(a_handler_that_throws_gets_the_items_behind_it)
{
    isle_receive_port *port = isle_port_open(), *errors = isle_port_open();
    isle_options options = {.on_error = isle_port_send_port(errors)};
    isle_spawn(listen_and_throw, isle_port_value(port), &options);
    for (int i = 0; i < 200; i++) {
        ISLE_SCOPE;
        isle_value notice = isle_port_receive(errors);
        CHECK_STRING(isle_as_string(isle_list_get(notice, 0)), "seven");
    }
    CHECK_INT(receive_int(port), 1400);
    isle_port_close(port);
    isle_port_close(errors);
    settle();
}

static void hear_sum(isle_value item, void *context)
{
    ((struct hearing *)context)->sum += isle_as_int(item);
}

TEST_ROOT(who_has_many_writers_listens_to_many_streams)
{
    enum { WRITERS = 8 };
    struct hearing *hearings[WRITERS];
    for (int i = 0; i < WRITERS; i++) {
        hearings[i] = hearing_of(64, hear_sum);
        isle_spawn(put_ints, job(hearings[i]->stream, 1000), NULL);
    }
    for (int i = 0; i < WRITERS; i++) {
        isle_await(hearings[i]->over);
        CHECK_INT(hearings[i]->sum, 999 * 1000 / 2);
    }
    settle();
}

static isle_writer *ended_writer;

static void end_it(void *fails)
{
    if (fails != NULL)
        isle_stream_fail(ended_writer, isle_string("given up"));
    else
        isle_stream_end(ended_writer);
}

static isle_value put_two_and_wait(isle_value item)
{
    for (int i = 0; i < 3; i++)
        isle_stream_put(ended_writer, item);
    return isle_null();
}

/* [sink, port, whether it fails]: another activity ends what one writes to. */
static void put_while_ended(isle_value message)
{
    isle_value fails = isle_list_get(message, 2);
    ended_writer = isle_stream_writer(isle_list_get(message, 0));
    isle_timer_start(0, end_it, isle_as_int(fails) ? &ended_writer : NULL);
    isle_err err = isle_try(put_two_and_wait, isle_int(5), NULL);
    isle_send(isle_as_port(isle_list_get(message, 1)), isle_int(err));
}

TEST_ROOT(who_waits_to_write_is_told_that_the_stream_was_ended)
{
    isle_receive_port *port = isle_port_open();
    for (int fails = 0; fails < 2; fails++) {
        isle_stream *stream = isle_stream_open(&(isle_stream_options){.items_max = 2});
        isle_value item, sink = isle_stream_sink(stream);
        isle_spawn(put_while_ended, isle_pack("[o,o,i]", sink, isle_port_value(port), fails), NULL);
        CHECK_INT(receive_int(port), ISLE_ESTALE);
        CHECK(isle_stream_read(stream, &item));
        CHECK(isle_stream_read(stream, &item));
        CHECK_ERR(why_over(stream), fails ? ISLE_ETHROWN : ISLE_ECLOSED);
        isle_stream_close(stream);
    }
    isle_port_close(port);
    settle();
}

/* --- full mailboxes */

static void read_and_tell(isle_value to)
{
    isle_stream *stream = isle_stream_open(NULL);
    isle_value item;
    int64_t next = 0;
    isle_send(isle_as_port(to), isle_stream_sink(stream));
    for (;;) {
        ISLE_SCOPE;
        if (!isle_stream_read(stream, &item))
            break;
        if (isle_as_int(item) != next++)
            isle_throwf("out of order");
    }
    isle_send(isle_as_port(to), isle_int(next));
}

static void put_between(isle_value message)
{
    isle_writer *writer = isle_stream_writer(isle_list_get(message, 0));
    for (int64_t i = 0; i < 5000; i++)
        isle_stream_put(writer, isle_int(i));
    isle_stream_end(writer);
}

TEST_ROOT(two_slot_mailboxes_on_both_sides_lose_nothing)
{
    isle_options narrow = {.mailbox_max_messages = 2};
    isle_receive_port *port = isle_port_open();
    needs_refusals_in_time();
    isle_spawn(read_and_tell, isle_port_value(port), &narrow);
    isle_spawn(put_between, isle_pack("[o]", isle_port_receive(port)), &narrow);
    CHECK_INT(receive_int(port), 5000);
    isle_port_close(port);
    settle();
}

/* [port, sink]: writes what it reads. */
static void pass_on(isle_value message)
{
    isle_writer *writer = isle_stream_writer(isle_list_get(message, 1));
    isle_stream *stream = isle_stream_open(NULL);
    isle_value item;
    isle_send(isle_as_port(isle_list_get(message, 0)), isle_stream_sink(stream));
    for (;;) {
        ISLE_SCOPE;
        if (!isle_stream_read(stream, &item))
            break;
        isle_stream_put(writer, item);
    }
    isle_stream_close(stream);
    isle_stream_end(writer);
}

static isle_value spawn_narrow(isle_entry *entry, isle_stream *stream)
{
    isle_options narrow = {.mailbox_max_messages = 2};
    isle_receive_port *port = isle_port_open();
    isle_spawn(entry, isle_pack("[o,o]", isle_port_value(port), isle_stream_sink(stream)), &narrow);
    isle_value sink = isle_port_receive(port);
    isle_port_close(port);
    return sink;
}

TEST_ROOT(who_reads_one_stream_and_writes_another_needs_two_places)
{
    for (size_t window = 1; window <= 64; window *= 8) {
        struct hearing *hearing = hearing_of(window, hear);
        isle_writer *writer = isle_stream_writer(spawn_narrow(pass_on, hearing->stream));
        for (int64_t i = 0; i < 10000; i++) {
            ISLE_SCOPE;
            isle_stream_put(writer, isle_int(i));
        }
        isle_stream_end(writer);
        isle_await(hearing->over);
        CHECK_INT(hearing->next, 10000);
        CHECK_INT(hearing->ended, 1);
    }
    settle();
}
TEST_TIMEOUT(who_reads_one_stream_and_writes_another_needs_two_places, 120);

static isle_value pass_on_it(isle_value message)
{
    pass_on(message);
    return isle_null();
}

/* The same, and tells by its end of the other stream how that of this one was. */
static void pass_on_until_refused(isle_value message)
{
    isle_err err = isle_try(pass_on_it, message, NULL);
    isle_exit(isle_as_port(isle_list_get(message, 0)), isle_int(err));
}

TEST_ROOT(who_waits_for_credit_behind_a_full_mailbox_is_told_of_the_end)
{
    isle_stream *stream = isle_stream_open(&(isle_stream_options){.items_max = 1});
    isle_value item;
    isle_writer *writer = isle_stream_writer(spawn_narrow(pass_on_until_refused, stream));
    isle_err err = ISLE_OK;
    for (int refusals = 0; refusals < 20; refusals += err == ISLE_EFULL) {
        ISLE_SCOPE;
        err = isle_stream_try_write(writer, isle_bytes(NULL, 10));
        if (err == ISLE_EFULL)
            isle_await(isle_stream_ready(writer));
    }
    CHECK(isle_stream_read(stream, &item));
    isle_stream_close(stream);
    while (err == ISLE_OK || err == ISLE_EFULL) {
        ISLE_SCOPE;
        err = isle_stream_try_write(writer, isle_bytes(NULL, 10));
        if (err == ISLE_EFULL)
            err = isle_try_await(isle_stream_ready(writer), ISLE_FOREVER, NULL);
    }
    CHECK(err == ISLE_ECANCELED || err == ISLE_ECLOSED);
    isle_stream_end(writer);
    settle();
}

static void count_items(isle_value to)
{
    isle_stream *stream = isle_stream_open(NULL);
    isle_value item;
    int64_t count = 0;
    isle_send(isle_as_port(to), isle_stream_sink(stream));
    for (;;) {
        ISLE_SCOPE;
        if (!isle_stream_read(stream, &item))
            break;
        count++;
    }
    isle_stream_close(stream);
    isle_send(isle_as_port(to), isle_int(count));
}

TEST_ROOT(both_ends_may_be_behind_walls)
{
    isle_receive_port *port = isle_port_open();
    isle_spawn(count_items, isle_port_value(port), NULL);
    isle_spawn(put_between, isle_pack("[o]", isle_port_receive(port)), NULL);
    CHECK_INT(receive_int(port), 5000);
    isle_port_close(port);
    settle();
}

struct putting {
    isle_writer *writer;
    isle_value item;
};

/* Reads to the end, and tells how many there were and the code of the error. */
static void count_until_error(isle_value to)
{
    isle_stream *stream = isle_stream_open(NULL);
    isle_value item;
    int64_t count = 0;
    isle_err err;
    isle_send(isle_as_port(to), isle_stream_sink(stream));
    while ((err = isle_stream_try_read(stream, ISLE_FOREVER, &item)) == ISLE_OK)
        count++;
    isle_stream_close(stream);
    isle_send(isle_as_port(to), isle_pack("[i,i]", count, (int64_t)err));
}

struct unknown {
    int64_t number;
};
ISLE_TYPE(unknown_type, struct unknown, ISLE_FIELD(struct unknown, number));

static void fail_with(isle_receive_port *port, isle_value error)
{
    isle_options narrow = {.mailbox_max_bytes = 65536};
    isle_spawn(count_until_error, isle_port_value(port), &narrow);
    isle_writer *writer = isle_stream_writer(isle_port_receive(port));
    isle_stream_put(writer, isle_int(1));
    isle_stream_fail(writer, error);
    isle_value told = isle_port_receive(port);
    CHECK_INT(isle_as_int(isle_list_get(told, 0)), 1);
    CHECK_INT(isle_as_int(isle_list_get(told, 1)), ISLE_ETHROWN);
}

TEST_ROOT(an_error_that_cannot_come_to_the_reader_is_one_that_says_so)
{
    struct unknown unknown = {7};
    isle_receive_port *port = isle_port_open();
    fail_with(port, isle_object(&unknown_type, &unknown));
    fail_with(port, isle_bytes(NULL, 100000));
    fail_with(port, isle_bytes(NULL, (size_t)257 << 20)); /* more than a wall carries */
    fail_with(port, isle_pack("[i]", 1));
    fail_with(port, isle_string("as it is"));
    isle_port_close(port);
    settle();
}

static isle_value put_it(isle_value pointer)
{
    const struct putting *putting = isle_as_pointer(pointer);
    isle_stream_put(putting->writer, putting->item);
    return isle_null();
}

TEST_MEMORY(an_error_that_cannot_come_to_the_reader_is_one_that_says_so, 1024);

TEST_ROOT(an_item_that_the_readers_mailbox_could_never_hold_is_refused)
{
    isle_options narrow = {.mailbox_max_bytes = 65536};
    isle_receive_port *port = isle_port_open();
    isle_spawn(count_items, isle_port_value(port), &narrow);
    struct putting putting = {isle_stream_writer(isle_port_receive(port)),
                              isle_bytes(NULL, 100000)};
    isle_stream_put(putting.writer, isle_string("before"));
    CHECK_ERR(isle_try(put_it, isle_pointer(&putting), NULL), ISLE_ERANGE);
    CHECK_ERR(isle_stream_try_write(putting.writer, putting.item), ISLE_ERANGE);
    isle_stream_put(putting.writer, isle_bytes(NULL, 30000));
    isle_stream_put(putting.writer, isle_string("behind"));
    isle_stream_end(putting.writer);
    CHECK_INT(receive_int(port), 3);
    isle_port_close(port);
    settle();
}

/* Behind a wall it is none, and ends the stream at both ends. */
TEST_ROOT(an_item_that_cannot_come_to_the_reader_does_not_leave_both_waiting)
{
    struct unknown unknown = {7};
    isle_receive_port *port = isle_port_open();
    for (size_t window = 1; window <= 4; window++) {
        isle_spawn(count_until_error, isle_port_value(port), NULL);
        isle_value sink = isle_port_receive(port);
        isle_list_set(sink, 2, isle_int((int64_t)window));
        struct putting putting = {isle_stream_writer(sink), isle_int(1)};
        isle_stream_put(putting.writer, isle_int(0));
        isle_stream_put(putting.writer, isle_object(&unknown_type, &unknown));
        isle_err err = ISLE_OK;
        for (int64_t i = 0; i < 10 && err == ISLE_OK; i++)
            err = isle_try(put_it, isle_pointer(&putting), NULL);
        isle_stream_end(putting.writer);
        isle_value told = isle_port_receive(port);
        bool has_come = isle_as_int(isle_list_get(told, 0)) == 12;
        CHECK_INT(isle_as_int(isle_list_get(told, 1)), has_come ? ISLE_ECLOSED : ISLE_EFULL);
        CHECK_ERR(err, has_come ? ISLE_OK : ISLE_EFULL);
    }
    isle_port_close(port);
    settle();
}

static sem_t is_full_no_more;

/* Its mailbox is full while it waits for credit. */
static isle_value put_while_full(isle_value message)
{
    isle_writer *writer = isle_stream_writer(isle_list_get(message, 0));
    isle_receive_port *full = isle_port_open();
    isle_stream_put(writer, isle_int(0));
    for (int i = 0; i < 2; i++)
        isle_send(isle_port_send_port(full), isle_int(i));
    isle_send(isle_as_port(isle_list_get(message, 1)), isle_null());
    semaphore_wait(&is_full_no_more);
    isle_port_close(full);
    isle_stream_put(writer, isle_int(1));
    isle_stream_end(writer);
    return isle_null();
}

/* Tells once the credit for the first item is on its way. */
static void read_one_by_one(isle_value to)
{
    isle_stream *stream = isle_stream_open(&(isle_stream_options){.items_max = 1});
    isle_receive_port *port = isle_port_open();
    isle_value item;
    isle_send(isle_as_port(to),
              isle_pack("[o,o]", isle_stream_sink(stream), isle_port_value(port)));
    isle_port_receive(port);
    isle_stream_read(stream, &item);
    isle_err err = isle_stream_try_read(stream, 0, &item);
    isle_send(isle_as_port(to), isle_int(err));
    int64_t sum = 0;
    while (isle_stream_read(stream, &item))
        sum += isle_as_int(item);
    isle_send(isle_as_port(to), isle_int(sum));
    isle_port_close(port);
    isle_stream_close(stream);
}

TEST_ROOT(credit_waits_for_room_in_the_writers_mailbox)
{
    isle_options narrow = {.mailbox_max_messages = 2, .backend = ISLE_THREAD};
    isle_receive_port *port = isle_port_open();
    sem_init(&is_full_no_more, 0, 0);
    isle_spawn(read_one_by_one, isle_port_value(port), NULL);
    isle_value reader = isle_port_receive(port);
    isle_value job = isle_pack("[o,o]", isle_list_get(reader, 0), isle_port_value(port));
    isle_future *put = isle_run(put_while_full, job, &narrow);
    check_null(isle_port_receive(port));
    isle_send(isle_as_port(isle_list_get(reader, 1)), isle_null());
    CHECK_INT(receive_int(port), ISLE_ETIMEDOUT);
    sem_post(&is_full_no_more);
    CHECK_INT(receive_int(port), 1);
    isle_await(put);
    isle_port_close(port);
    settle();
}

static sem_t is_filled, is_drained;

/* Reads five, and the rest once its mailbox was full and is so no more; tells why it was over. */
static void read_after_a_flood(isle_value to)
{
    isle_stream *stream = isle_stream_open(&(isle_stream_options){.items_max = 4});
    isle_receive_port *flood = isle_port_open();
    isle_value item;
    isle_send(isle_as_port(to),
              isle_pack("[o,o]", isle_stream_sink(stream), isle_port_value(flood)));
    for (int i = 0; i < 5; i++)
        CHECK(isle_stream_read(stream, &item));
    semaphore_wait(&is_filled);
    while (isle_port_try_receive(flood, 0, &item) == ISLE_OK)
        ;
    sem_post(&is_drained);
    isle_port_close(flood);
    isle_err err;
    int64_t count = 0;
    while ((err = isle_stream_try_read(stream, ISLE_FOREVER, &item)) == ISLE_OK)
        count++;
    isle_stream_close(stream);
    isle_send(isle_as_port(to), isle_pack("[i,i]", count, (int64_t)err));
}

/* The fifth waits for credit, so that it was opened; behind the eighth a question is under way. */
static void flood_and_end(isle_value message)
{
    isle_writer *writer = isle_stream_writer(isle_list_get(message, 0));
    isle_send_port flood = isle_as_port(isle_list_get(message, 1));
    for (int i = 0; i < 5; i++)
        isle_stream_put(writer, isle_int(i));
    isle_stream_flush(writer);
    while (isle_stream_try_write(writer, isle_int(5)) == ISLE_OK)
        isle_stream_flush(writer);
    while (isle_try_send(flood, isle_null()) == ISLE_OK)
        ;
    isle_stream_end(writer);
    sem_post(&is_filled);
    semaphore_wait(&is_drained);
    isle_exit(isle_send_port_none(), isle_null());
}

/* What it has left of questions and futures is no error of the isolate. */
TEST_ROOT(a_last_word_that_waited_is_sent_as_the_isolate_ends)
{
    isle_receive_port *port = isle_port_open(), *errors = isle_port_open();
    isle_options of_reader = {
        .mailbox_max_messages = 16, .backend = ISLE_THREAD, .thread = ISLE_THREAD_OWN};
    isle_options of_writer = {.backend = ISLE_THREAD,
                              .thread = ISLE_THREAD_OWN,
                              .on_error = isle_port_send_port(errors),
                              .on_exit = isle_port_send_port(errors)};
    sem_init(&is_filled, 0, 0);
    sem_init(&is_drained, 0, 0);
    isle_spawn(read_after_a_flood, isle_port_value(port), &of_reader);
    isle_spawn(flood_and_end, isle_port_receive(port), &of_writer);
    isle_value told = isle_port_receive(port);
    CHECK(isle_as_int(isle_list_get(told, 0)) >= 1);
    CHECK_INT(isle_as_int(isle_list_get(told, 1)), ISLE_ECLOSED);
    check_null(isle_port_receive(errors));
    isle_port_close(errors);
    isle_port_close(port);
    settle();
}

/* --- the opening */

static isle_writer *served_writer;

static void write_late(void *to)
{
    isle_err err = isle_stream_try_write(served_writer, isle_int(7));
    isle_stream_end(served_writer);
    isle_send(*(isle_send_port *)to, isle_int(err));
    isle_port_close(isle_default_port());
}

/* [sink, port]: opens the stream, and writes once the caller waits no more. */
static isle_value open_in_a_request(isle_value request, void *context)
{
    static isle_send_port to;
    (void)context;
    if (served_writer != NULL)
        return isle_null();
    to = isle_as_port(isle_list_get(request, 1));
    served_writer = isle_stream_writer(isle_list_get(request, 0));
    isle_timer_start(isle_call_deadline() - isle_now_ns() + ISLE_MS(5), write_late, &to);
    return isle_null();
}

static void serve_openings(isle_value message)
{
    (void)message;
    isle_port_serve(isle_default_port(), open_in_a_request, NULL);
}

TEST_ROOT(a_writer_outlives_the_request_in_which_it_was_opened)
{
    isle_receive_port *port = isle_port_open();
    isle_stream *stream = isle_stream_open(NULL);
    isle_value item, request = isle_pack("[o,o]", isle_stream_sink(stream), isle_port_value(port));
    served_writer = NULL;
    isle_isolate isolate = isle_spawn(serve_openings, isle_null(), NULL);
    isle_err err = ISLE_ETIMEDOUT;
    while (err == ISLE_ETIMEDOUT) {
        isle_future *answer = isle_call(isolate.default_port, request, ISLE_MS(200));
        err = isle_try_await(answer, ISLE_FOREVER, NULL);
    }
    CHECK_INT(receive_int(port), ISLE_OK);
    CHECK(isle_stream_read(stream, &item));
    CHECK_INT(isle_as_int(item), 7);
    CHECK(!isle_stream_read(stream, &item));
    isle_stream_close(stream);
    isle_port_close(port);
    settle();
}

static sem_t has_opened;

/* [sink, port]: told that the opening is under way; then writes. */
static void open_then_put(isle_value message)
{
    isle_receive_port *go = isle_port_open();
    isle_writer *writer = isle_stream_writer(isle_list_get(message, 0));
    isle_send(isle_as_port(isle_list_get(message, 1)), isle_port_value(go));
    isle_port_receive(go);
    isle_stream_put(writer, isle_int(1));
    isle_stream_put(writer, isle_int(2));
    isle_stream_end(writer);
    isle_port_close(go);
}

/* Its mailbox is full until somebody has opened the stream. */
static isle_value read_after_an_opening(isle_value to)
{
    isle_stream *stream = isle_stream_open(NULL);
    isle_receive_port *full = isle_port_open();
    isle_value item;
    for (int i = 0; i < 8; i++)
        isle_send(isle_port_send_port(full), isle_int(i));
    isle_send(isle_as_port(to), isle_stream_sink(stream));
    semaphore_wait(&has_opened);
    isle_port_close(full);
    isle_send(isle_as_port(to), isle_null());
    int64_t sum = 0;
    while (isle_stream_read(stream, &item))
        sum += isle_as_int(item);
    isle_stream_close(stream);
    return isle_int(sum);
}

TEST_ROOT(an_opening_that_a_full_mailbox_refuses_is_sent_again)
{
    isle_options narrow = {.mailbox_max_messages = 8, .backend = ISLE_THREAD};
    isle_receive_port *port = isle_port_open();
    sem_init(&has_opened, 0, 0);
    isle_future *sum = isle_run(read_after_an_opening, isle_port_value(port), &narrow);
    isle_value sink = isle_port_receive(port);
    isle_spawn(open_then_put, isle_pack("[o,o]", sink, isle_port_value(port)), NULL);
    isle_send_port go = isle_as_port(isle_port_receive(port));
    sem_post(&has_opened);
    check_null(isle_port_receive(port));
    isle_send(go, isle_null());
    CHECK_INT(isle_as_int(isle_await(sum)), 3);
    isle_port_close(port);
    settle();
}

/* --- hostile writers: what is sent to the port of the stream by hand */

struct forger {
    isle_send_port to;
    isle_receive_port *credit;
};

static void forge(struct forger *forger, int64_t word, isle_value payload)
{
    isle_value message = isle_pack("[p,i]", isle_port_send_port(forger->credit), word);
    isle_value list = isle_list();
    isle_list_add(list, isle_list_get(message, 0));
    isle_list_add(list, isle_list_get(message, 1));
    for (size_t i = 0; i < isle_count(payload); i++)
        isle_list_add(list, isle_list_get(payload, i));
    isle_send(forger->to, list);
}

static struct forger forger_of(isle_stream *stream)
{
    struct forger forger = {isle_as_port(isle_list_get(isle_stream_sink(stream), 0)),
                            isle_port_open()};
    forge(&forger, 0,
          isle_pack("[o,o]", isle_isolate_value(isle_current()), isle_port_value(forger.credit)));
    return forger;
}

TEST_ROOT(a_writer_that_ignores_its_credit_ends_its_stream)
{
    isle_stream *stream = isle_stream_open(&(isle_stream_options){.items_max = 16});
    struct forger forger = forger_of(stream);
    for (int64_t i = 0; i < 20; i++)
        forge(&forger, i * 8 + 1, isle_pack("[i]", i));
    read_ints(stream, 16);
    CHECK_ERR(why_over(stream), ISLE_EFULL);
    CHECK_INT(receive_int(forger.credit), 0);
    CHECK_INT(receive_int(forger.credit), ISLE_EFULL);
    CHECK_UINT(isle_mailbox_count(), 0);
    isle_stream_close(stream);
    isle_port_close(forger.credit);
}

static isle_value forge_many(isle_value pointer)
{
    for (int64_t i = 0; i < 1000000; i++)
        forge(isle_as_pointer(pointer), i * 8 + 1, isle_pack("[i]", i));
    return isle_null();
}

TEST_ROOT(a_flood_does_not_wait_in_the_mailbox_until_it_is_read)
{
    isle_stream *stream = isle_stream_open(&(isle_stream_options){.items_max = 16});
    struct forger forger = forger_of(stream);
    CHECK_ERR(isle_try(forge_many, isle_pointer(&forger), NULL), ISLE_EFULL);
    CHECK(isle_mailbox_count() <= 32);
    isle_stream_close(stream);
    isle_port_close(forger.credit);
}

/* [sink]: what is dropped, and then one item. */
static void send_junk_then_write(isle_value message)
{
    enum { JUNK = 300 };
    isle_value sink = isle_list_get(message, 0);
    isle_send_port to = isle_as_port(isle_list_get(sink, 0));
    for (int i = 0; i < JUNK; i++) {
        ISLE_SCOPE;
        isle_await(isle_send_wait(to, isle_bytes(NULL, 65536), ISLE_FOREVER));
    }
    isle_writer *writer = isle_stream_writer(sink);
    isle_stream_put(writer, isle_string("the item"));
    isle_stream_end(writer);
}

TEST_ROOT(what_is_dropped_takes_no_memory_of_who_waits)
{
    isle_stream *stream = isle_stream_open(NULL);
    isle_value item;
    size_t before = isle_memory_used();
    isle_spawn(send_junk_then_write, isle_pack("[o]", isle_stream_sink(stream)), NULL);
    CHECK(isle_stream_read(stream, &item));
    CHECK_STRING(isle_as_string(item), "the item");
    CHECK(isle_memory_used() < before + (1 << 20));
    CHECK(!isle_stream_read(stream, &item));
    isle_stream_close(stream);
    settle();
}

static isle_err after_forged(int64_t word, isle_value payload)
{
    isle_stream *stream = isle_stream_open(NULL);
    struct forger forger = forger_of(stream);
    isle_value item;
    forge(&forger, word, payload);
    isle_err err = isle_stream_try_read(stream, 0, &item);
    isle_stream_close(stream);
    isle_port_close(forger.credit);
    return err;
}

TEST_ROOT(what_no_writer_sends_ends_the_stream)
{
    isle_value many = isle_list();
    for (int i = 0; i < 65; i++)
        isle_list_add(many, isle_int(i));
    CHECK_ERR(after_forged(1, many), ISLE_EMALFORMED);
    CHECK_ERR(after_forged(1, isle_pack("[s,s]", "two", "texts")), ISLE_EMALFORMED);
    CHECK_ERR(after_forged(1, isle_pack("[i,s]", 1, "text")), ISLE_EMALFORMED);
    CHECK_ERR(after_forged(0, isle_pack("[i]", 1)), ISLE_EMALFORMED);
    CHECK_ERR(after_forged(3, isle_pack("[i]", 1)), ISLE_EMALFORMED);
    CHECK_ERR(after_forged(4, isle_list()), ISLE_EMALFORMED);
    CHECK_ERR(after_forged(5, isle_list()), ISLE_EMALFORMED);
    CHECK_ERR(after_forged(8 + 1, isle_pack("[i]", 1)), ISLE_EFULL); /* one is missing */
    CHECK_ERR(after_forged(INT64_MAX / 16, isle_list()), ISLE_EFULL);
    CHECK_ERR(after_forged(-1, isle_list()), ISLE_EMALFORMED);
    CHECK_ERR(after_forged(2, isle_list()), ISLE_EMALFORMED); /* it says not where it asks */
    CHECK_ERR(after_forged(2, isle_pack("[i]", 1)), ISLE_EMALFORMED);
    CHECK_ERR(after_forged(6, isle_list()), ISLE_EMALFORMED);
    CHECK_ERR(after_forged(1, isle_list()), ISLE_ETIMEDOUT); /* no item */
    CHECK_ERR(after_forged(1, isle_pack("[s]", "text")), ISLE_OK);
    CHECK_ERR(after_forged(4, isle_pack("[n]")), ISLE_ETHROWN);
}

TEST_ROOT(what_is_not_of_the_writer_changes_nothing)
{
    isle_stream *stream = isle_stream_open(NULL);
    isle_writer *writer = isle_stream_writer(isle_stream_sink(stream));
    struct forger stranger = {isle_as_port(isle_list_get(isle_stream_sink(stream), 0)),
                              isle_port_open()};
    isle_value item;
    isle_stream_write(writer, isle_int(0));
    isle_stream_flush(writer);
    read_ints(stream, 1);
    for (int64_t word = -1; word < 6; word++)
        forge(&stranger, word, isle_pack("[i]", 1));
    isle_send(stranger.to, isle_null());
    isle_send(stranger.to, isle_int(3));
    isle_send(stranger.to, isle_list());
    isle_send(stranger.to, isle_pack("[i,i]", 1, 1));
    isle_send(stranger.to, isle_pack("[p,s]", isle_port_send_port(stranger.credit), "text"));
    isle_stream_write(writer, isle_int(1));
    isle_stream_end(writer);
    CHECK(isle_stream_read(stream, &item));
    CHECK_INT(isle_as_int(item), 1);
    CHECK(!isle_stream_read(stream, &item));
    CHECK_INT(receive_int(stranger.credit), ISLE_EUSED);
    isle_stream_close(stream);
    isle_port_close(stranger.credit);
}

/* Counts that no reader tells, and what is no count. */
TEST_ROOT(a_writer_believes_no_credit_that_cannot_be)
{
    isle_receive_port *reader = isle_port_open();
    isle_isolate self = {.control_port = isle_current().control_port};
    isle_writer *writer = isle_stream_writer(
        isle_pack("[o,o,i,i]", isle_port_value(reader), isle_isolate_value(self), 4, 100000));
    isle_send_port credit = isle_as_port(isle_list_get(isle_port_receive(reader), 0));
    for (int i = 0; i < 4; i++)
        isle_stream_write(writer, isle_int(i));
    isle_send(credit, isle_int(5));
    isle_send(credit, isle_int(INT64_MAX / 16));
    isle_send(credit, isle_int(-1000));
    isle_send(credit, isle_string("text"));
    isle_sleep(0);
    CHECK_ERR(isle_stream_try_write(writer, isle_int(4)), ISLE_EFULL);
    isle_send(credit, isle_int(2));
    isle_send(credit, isle_int(1));
    isle_await(isle_stream_ready(writer));
    CHECK_ERR(isle_stream_try_write(writer, isle_int(4)), ISLE_OK);
    CHECK_ERR(isle_stream_try_write(writer, isle_int(5)), ISLE_OK);
    CHECK_ERR(isle_stream_try_write(writer, isle_int(6)), ISLE_EFULL);
    isle_send(credit, isle_int(ISLE_ECANCELED));
    CHECK_ERR(isle_try_await(isle_stream_ready(writer), ISLE_FOREVER, NULL), ISLE_ECANCELED);
    isle_stream_end(writer);
    isle_port_close(reader);
}

/* --- under faults: whatever fails, what is read is what was written, from the first item on, and
 * the reader is told the end or an error */

static bool memory_fails;

static isle_value read_checked(isle_value count)
{
    isle_stream *stream = isle_stream_open(&(isle_stream_options){.items_max = 20});
    isle_options narrow = {.mailbox_max_messages = 3};
    isle_value item;
    int64_t next = 0;
    isle_isolate isolate = isle_spawn(put_kinds, job(stream, isle_as_int(count)), &narrow);
    isle_stream_expect(stream, isolate);
    for (;;) {
        ISLE_SCOPE;
        if (!isle_stream_read(stream, &item))
            break;
        CHECK_VALUE(item, item_of(next));
        next++;
    }
    CHECK_INT(next, isle_as_int(count));
    isle_stream_close(stream);
    return isle_null();
}

static int read_under_faults(int argc, char **argv)
{
    (void)argc, (void)argv;
    isle_future *runs[3];
    for (int i = 0; i < 3; i++)
        runs[i] = isle_run(read_checked, isle_int(100), NULL);
    for (int i = 0; i < 3; i++) {
        isle_err err = isle_try_await(runs[i], ISLE_FOREVER, NULL);
        if (err == ISLE_ENOMEM || err == ISLE_EREMOTE) /* what a timer of the stream threw */
            CHECK(memory_fails);
        else if (err != ISLE_ENORESULT && err != ISLE_ESPAWN)
            CHECK_ERR(err, ISLE_OK);
    }
    return 0;
}

TEST(whatever_fails_a_stream_ends_and_skips_no_item)
{
    left_out_behind_a_wall("simulates itself");
    for (int64_t seed = 0; seed < rounds(200, 2000, 50000); seed++) {
        isle_simulation simulation = {
            .seed = (uint64_t)seed,
            .kill = seed % 2 ? 0.002 : 0,
            .spawn = seed % 3 ? 0.01 : 0,
            .alloc = seed % 5 ? 0 : 0.0005,
            .full = seed % 7 ? 0.2 : 0,
            .late = 0.05,
        };
        memory_fails = simulation.alloc > 0;
        int status = isle_simulate(read_under_faults, &simulation);
        if (status != 0 && (status != 255 || !memory_fails))
            fail("seed %d: status %d", (int)seed, status);
    }
}
TEST_TIMEOUT(whatever_fails_a_stream_ends_and_skips_no_item, 120);

/* --- handles and arguments */

static isle_stream *a_stream;
static isle_writer *a_writer;
static isle_value an_item;

#define ROWS(X)                                                                                    \
    X(EINVAL, isle_stream_sink(NULL))                                                              \
    X(EINVAL, isle_stream_read(NULL, &an_item))                                                    \
    X(EINVAL, isle_stream_listen(NULL, NULL, NULL, NULL, NULL))                                    \
    X(EINVAL, isle_stream_pause(NULL))                                                             \
    X(EINVAL, isle_stream_resume(NULL))                                                            \
    X(EINVAL, isle_stream_expect(NULL, isle_current()))                                            \
    X(EINVAL, isle_stream_write(NULL, isle_null()))                                                \
    X(EINVAL, isle_stream_put(NULL, isle_null()))                                                  \
    X(EINVAL, isle_stream_ready(NULL))                                                             \
    X(EINVAL, isle_stream_flush(NULL))                                                             \
    X(ESTALE, isle_stream_sink(a_stream))                                                          \
    X(ESTALE, isle_stream_read(a_stream, &an_item))                                                \
    X(ESTALE, isle_stream_pause(a_stream))                                                         \
    X(ESTALE, isle_stream_resume(a_stream))                                                        \
    X(ESTALE, isle_stream_write(a_writer, isle_null()))                                            \
    X(ESTALE, isle_stream_put(a_writer, isle_null()))                                              \
    X(ESTALE, isle_stream_ready(a_writer))                                                         \
    X(ESTALE, isle_stream_flush(a_writer))                                                         \
    X(ESTALE, isle_stream_write((isle_writer *)(void *)a_stream, isle_null()))                     \
    X(ETYPE, isle_stream_writer(isle_null()))                                                      \
    X(ETYPE, isle_stream_writer(isle_list()))                                                      \
    X(ETYPE, isle_stream_writer(isle_pack("[i,i,i,i]", 1, 2, 3, 4)))                               \
    X(ERANGE, isle_stream_open(&(isle_stream_options){.items_max = SIZE_MAX}))
static isle_value row_run(isle_value number)
{
    int64_t at = 0;
#define ROW_CALL(err, call)                                                                        \
    if (isle_as_int(number) == at++)                                                               \
        (void)call;
    ROWS(ROW_CALL)
    return isle_null();
}

TEST_ROOT(handles_and_arguments_are_checked)
{
    a_stream = isle_stream_open(NULL);
    a_writer = isle_stream_writer(isle_stream_sink(a_stream));
    CHECK_ERR(isle_stream_try_write(NULL, isle_null()), ISLE_EINVAL);
    CHECK_ERR(isle_stream_try_read(NULL, 0, &an_item), ISLE_EINVAL);
    CHECK_ERR(isle_stream_try_read(a_stream, 0, NULL), ISLE_EINVAL);
    CHECK_ERR(isle_stream_try_write(a_writer, isle_pointer(&an_item)), ISLE_EUNSENDABLE);
    isle_stream_end(a_writer);
    isle_stream_close(a_stream);
    isle_stream_end(a_writer);
    isle_stream_fail(a_writer, isle_null());
    isle_stream_end(NULL);
    isle_stream_fail(NULL, isle_null());
    isle_stream_close(NULL);
    CHECK_ERR(isle_stream_try_write(a_writer, isle_null()), ISLE_ESTALE);
    CHECK_ERR(isle_stream_try_read(a_stream, 0, &an_item), ISLE_ESTALE);
#define ROW_ERR(err, call) ISLE_##err,
    const isle_err expected[] = {ROWS(ROW_ERR)};
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++)
        CHECK_ERR(isle_try(row_run, isle_int((int64_t)i), NULL), expected[i]);
}

TEST_MAIN()
