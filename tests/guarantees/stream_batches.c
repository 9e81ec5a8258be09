/* SPDX-License-Identifier: Apache-2.0 */
/* Batches of a stream: what travels in one, what travels alone, that neither changes the order; the
 * bounds in items and bytes; ends, errors and deaths in the midst of one; batches that no writer
 * sends. The same on threads and behind a wall. */
#include <math.h>

#include "streams_help.h"

enum { TEXT_LONGEST = 1024 }; /* of a batch */

static void put_texts(isle_value message)
{
    int64_t count;
    isle_writer *writer = job_open(message, &count);
    for (int64_t i = 0; i < count; i++) {
        ISLE_SCOPE;
        isle_stream_put(writer, isle_stringf("text %d", (int)i));
    }
    isle_stream_end(writer);
}

static void check_text(isle_value item, int64_t number)
{
    char text[32];
    snprintf(text, sizeof text, "text %d", (int)number);
    CHECK_STRING(isle_as_string(item), text);
}

static void read_texts(isle_stream *stream, int64_t first, int64_t count)
{
    for (int64_t i = first; i < first + count; i++) {
        ISLE_SCOPE;
        isle_value item;
        CHECK(isle_stream_read(stream, &item));
        check_text(item, i);
    }
}

/* A stream and its writer in one isolate, each of which knows of the other. */
struct pair {
    isle_stream *stream;
    isle_writer *writer;
};

static struct pair pair_open(const isle_stream_options *window)
{
    struct pair pair = {.stream = isle_stream_open(window)};
    isle_value item;
    pair.writer = isle_stream_writer(isle_stream_sink(pair.stream));
    CHECK_ERR(isle_stream_try_read(pair.stream, 0, &item), ISLE_ETIMEDOUT);
    isle_sleep(0);
    return pair;
}

static void pair_close(struct pair *pair)
{
    isle_value item;
    isle_stream_end(pair->writer);
    CHECK(!isle_stream_read(pair->stream, &item));
    isle_stream_close(pair->stream);
}

/* --- what travels together */

TEST_ROOT(many_texts_are_one_message)
{
    struct pair pair = pair_open(NULL);
    for (int i = 0; i < 100; i++)
        CHECK_ERR(isle_stream_try_write(pair.writer, isle_stringf("text %d", i)), ISLE_OK);
    CHECK_UINT(isle_mailbox_count(), 0);
    isle_stream_flush(pair.writer);
    CHECK_UINT(isle_mailbox_count(), 1);
    read_texts(pair.stream, 0, 100);
    pair_close(&pair);
}

TEST_ROOT(texts_come_in_the_order_written_then_the_end)
{
    for (size_t window = 1; window < 3000; window = window * 7 + 1) {
        isle_stream *stream = isle_stream_open(&(isle_stream_options){.items_max = window});
        isle_value item;
        isle_spawn(put_texts, job(stream, 1000), NULL);
        read_texts(stream, 0, 1000);
        CHECK(!isle_stream_read(stream, &item));
        isle_stream_close(stream);
    }
    settle();
}

static isle_value long_text(size_t size)
{
    char text[TEXT_LONGEST + 1];
    memset(text, 'l', sizeof text);
    return isle_string_sized(text, size);
}

static isle_value more_of(int64_t i)
{
    switch (i) {
    case 8:
        return isle_double(0.1);
    case 9:
        return isle_double(-INFINITY);
    case 10:
        return isle_string("");
    case 11:
        return isle_string_sized("a\0b", 3);
    case 12:
        return isle_string("\xc3\xa4 \xe2\x82\xac \xf0\x9f\x90\xa7");
    case 13:
        return long_text(TEXT_LONGEST);
    case 14:
        return long_text(TEXT_LONGEST + 1);
    case 15:
        return isle_bytes("bytes", 5);
    case 16:
        return isle_pack("[i,{s:i}]", i, "key", i);
    default:
        return isle_freeze(isle_pack("[s]", "frozen"));
    }
}

/* Of every kind that says the same in every isolate. */
enum { ITEM_KINDS = 18 };
static isle_value item_of(int64_t number)
{
    int64_t i = number % ITEM_KINDS;
    switch (i) {
    case 0:
        return isle_int(number);
    case 1:
        return isle_null();
    case 2:
    case 3:
        return isle_bool(i == 2);
    case 4:
        return isle_int(INT64_MAX);
    case 5:
        return isle_int(INT64_MIN);
    case 6:
        return isle_int(((int64_t)1 << 60) - 1);
    case 7:
        return isle_int((int64_t)1 << 60);
    default:
        return more_of(i);
    }
}

/* The number of the next is changed each time, so that all meet all. */
static int64_t kind_after(int64_t i)
{
    return i * (1 + i / ITEM_KINDS % 5);
}

static void put_kinds(isle_value message)
{
    int64_t count;
    isle_writer *writer = job_open(message, &count);
    for (int64_t i = 0; i < count; i++) {
        ISLE_SCOPE;
        isle_stream_put(writer, item_of(kind_after(i)));
    }
    isle_stream_end(writer);
}

TEST_ROOT(items_of_all_kinds_keep_their_order_and_content)
{
    for (size_t window = 1; window < 1000; window = window * 5 + 1) {
        isle_stream *stream = isle_stream_open(&(isle_stream_options){.items_max = window});
        isle_value item;
        isle_spawn(put_kinds, job(stream, 800), NULL);
        for (int64_t i = 0; i < 800; i++) {
            ISLE_SCOPE;
            CHECK(isle_stream_read(stream, &item));
            CHECK_VALUE(item, item_of(kind_after(i)));
        }
        CHECK(!isle_stream_read(stream, &item));
        isle_stream_close(stream);
    }
    settle();
}

static void put_ports(isle_value message)
{
    int64_t count;
    isle_writer *writer = job_open(message, &count);
    for (int64_t i = 0; i < count; i++) {
        isle_stream_put(writer, isle_list_get(message, 2));
        isle_stream_put(writer, isle_int(i));
    }
    isle_stream_end(writer);
}

TEST_ROOT(ports_lead_where_they_led)
{
    isle_receive_port *port = isle_port_open();
    isle_stream *stream = isle_stream_open(NULL);
    isle_value item;
    isle_spawn(put_ports,
               isle_pack("[o,i,o]", isle_stream_sink(stream), (int64_t)200, isle_port_value(port)),
               NULL);
    for (int i = 0; i < 200; i++) {
        CHECK(isle_stream_read(stream, &item));
        CHECK(isle_send_port_equal(isle_as_port(item), isle_port_send_port(port)));
        CHECK(isle_stream_read(stream, &item));
        CHECK_INT(isle_as_int(item), i);
    }
    CHECK(!isle_stream_read(stream, &item));
    isle_stream_close(stream);
    isle_port_close(port);
    settle();
}

TEST_ROOT(what_is_moved_keeps_its_place_between_texts)
{
    struct pair pair = pair_open(NULL);
    isle_value item, moved;
    for (int i = 0; i < 20; i++) {
        ISLE_SCOPE;
        CHECK_ERR(isle_stream_try_write(pair.writer, isle_string("before")), ISLE_OK);
        moved = isle_transferable(16);
        *(char *)isle_transferable_data(moved) = (char)i;
        CHECK_ERR(isle_stream_try_write(pair.writer, moved), ISLE_OK);
    }
    for (int i = 0; i < 20; i++) {
        ISLE_SCOPE;
        CHECK(isle_stream_read(pair.stream, &item));
        CHECK_STRING(isle_as_string(item), "before");
        CHECK(isle_stream_read(pair.stream, &item));
        CHECK_INT(*(char *)isle_transferable_data(item), i);
    }
    pair_close(&pair);
}

TEST_ROOT(what_cannot_be_sent_is_refused_at_its_own_write)
{
    struct pair pair = pair_open(NULL);
    CHECK_ERR(isle_stream_try_write(pair.writer, isle_string("text 0")), ISLE_OK);
    CHECK_ERR(isle_stream_try_write(pair.writer, isle_pointer(&pair)), ISLE_EUNSENDABLE);
    CHECK_ERR(isle_stream_try_write(pair.writer, isle_string("text 1")), ISLE_OK);
    read_texts(pair.stream, 0, 2);
    pair_close(&pair);
}

/* --- bounds */

TEST_ROOT(a_batch_has_a_bound_in_bytes)
{
    struct pair pair = pair_open(NULL);
    isle_value item;
    for (int i = 0; i < 64; i++)
        CHECK_ERR(isle_stream_try_write(pair.writer, long_text(TEXT_LONGEST)), ISLE_OK);
    isle_stream_flush(pair.writer);
    CHECK(isle_mailbox_count() >= 8 && isle_mailbox_count() <= 11);
    for (int i = 0; i < 64; i++) {
        ISLE_SCOPE;
        CHECK(isle_stream_read(pair.stream, &item));
        CHECK_UINT(isle_count(item), TEXT_LONGEST);
    }
    pair_close(&pair);
}

TEST_ROOT(the_window_counts_the_bytes_of_a_batch)
{
    struct pair pair = pair_open(&(isle_stream_options){.bytes_max = 4096});
    isle_value item;
    int taken = 0;
    while (isle_stream_try_write(pair.writer, long_text(1000)) == ISLE_OK)
        taken++;
    CHECK(taken == 4 || taken == 5);
    for (int i = 0; i < taken; i++) {
        CHECK_ERR(isle_stream_try_read(pair.stream, 0, &item), ISLE_OK);
        CHECK_UINT(isle_count(item), 1000);
    }
    CHECK_ERR(isle_stream_try_read(pair.stream, 0, &item), ISLE_ETIMEDOUT);
    isle_await(isle_stream_ready(pair.writer));
    pair_close(&pair);
}

/* A fast writer of texts, a reader that does other things between the items. */
TEST_ROOT(a_fast_writer_of_texts_takes_the_memory_of_a_window)
{
    int64_t count = rounds(50000, 100000, 1000000);
    isle_stream *stream = isle_stream_open(&(isle_stream_options){.items_max = 256});
    isle_value item;
    size_t memory = 0;
    isle_spawn(put_texts, job(stream, count), NULL);
    for (int64_t i = 0; i < count; i++) {
        ISLE_SCOPE;
        CHECK(isle_stream_read(stream, &item));
        check_text(item, i);
        if (i % 1000 == 0)
            isle_sleep(0);
        memory = isle_memory_used() > memory ? isle_memory_used() : memory;
    }
    CHECK(!isle_stream_read(stream, &item));
    isle_stream_close(stream);
    CHECK(memory < 256 * 1024);
    settle();
}
TEST_TIMEOUT(a_fast_writer_of_texts_takes_the_memory_of_a_window, 120);

static void write_texts_and_wait(isle_value sink)
{
    isle_writer *writer = isle_stream_writer(sink);
    for (int i = 0; i < 10; i += 2) {
        isle_stream_write(writer, isle_stringf("text %d", i));
        isle_stream_write(writer, isle_stringf("text %d", i + 1));
        isle_port_receive(isle_default_port());
    }
    isle_port_close(isle_default_port());
}

TEST_ROOT(gathered_texts_go_out_when_the_writer_suspends)
{
    isle_stream *stream = isle_stream_open(NULL);
    isle_value item;
    isle_isolate isolate = isle_spawn(write_texts_and_wait, isle_stream_sink(stream), NULL);
    for (int i = 0; i < 10; i += 2) {
        read_texts(stream, i, 2);
        isle_send(isolate.default_port, isle_null());
    }
    CHECK_ERR(isle_stream_try_read(stream, ISLE_FOREVER, &item), ISLE_ENORESULT);
    isle_stream_close(stream);
    settle();
}

/* --- in the midst of one */

struct hearing {
    isle_stream *stream;
    isle_future *over;
    int64_t next, paused_at;
    isle_err error;
};

static void resume(void *context)
{
    struct hearing *hearing = context;
    CHECK_INT(hearing->next, hearing->paused_at);
    isle_stream_resume(hearing->stream);
}

static void hear_and_pause(isle_value item, void *context)
{
    struct hearing *hearing = context;
    check_text(item, hearing->next++);
    if (hearing->next % 7 != 0)
        return;
    hearing->paused_at = hearing->next;
    isle_stream_pause(hearing->stream);
    isle_timer_start(ISLE_US(10), resume, hearing);
}

static void hear_end(void *context)
{
    isle_future_complete(((struct hearing *)context)->over, isle_null());
}

static void hear_error(isle_value error, void *context)
{
    ((struct hearing *)context)->error = isle_error_code(error);
    hear_end(context);
}

TEST_ROOT(a_pause_holds_in_the_middle_of_a_batch_of_texts)
{
    struct hearing *hearing = isle_new(struct hearing);
    hearing->stream = isle_stream_open(NULL);
    hearing->over = isle_future_new();
    isle_stream_listen(hearing->stream, hear_and_pause, hear_end, hear_error, hearing);
    isle_spawn(put_texts, job(hearing->stream, 700), NULL);
    isle_await(hearing->over);
    CHECK_INT(hearing->next, 700);
    CHECK_ERR(hearing->error, ISLE_OK);
    settle();
}

static void put_texts_and_fail(isle_value message)
{
    int64_t count;
    isle_writer *writer = job_open(message, &count);
    for (int64_t i = 0; i < count; i++)
        isle_stream_put(writer, isle_stringf("text %d", (int)i));
    isle_stream_fail(writer, isle_error(ISLE_ERANGE, "too far", NULL));
}

TEST_ROOT(an_error_comes_after_all_texts)
{
    isle_stream *stream = isle_stream_open(NULL);
    isle_value item;
    isle_spawn(put_texts_and_fail, job(stream, 77), NULL);
    read_texts(stream, 0, 77);
    CHECK_ERR(isle_stream_try_read(stream, ISLE_FOREVER, &item), ISLE_ERANGE);
    isle_stream_close(stream);
    settle();
}

static void put_texts_for_ever(isle_value sink)
{
    isle_writer *writer = isle_stream_writer(sink);
    for (int i = 0;; i++) {
        ISLE_SCOPE;
        isle_stream_put(writer, isle_stringf("text %d", i));
    }
}

TEST_ROOT(a_writer_killed_in_the_midst_is_told_after_what_it_has_sent)
{
    isle_stream *stream = isle_stream_open(&(isle_stream_options){.items_max = 500});
    isle_isolate isolate = isle_spawn(put_texts_for_ever, isle_stream_sink(stream), NULL);
    isle_value item;
    int64_t next = 1003;
    isle_err err;
    read_texts(stream, 0, next);
    isle_kill(isolate, ISLE_IMMEDIATE);
    while ((err = isle_stream_try_read(stream, ISLE_FOREVER, &item)) == ISLE_OK)
        check_text(item, next++);
    CHECK_ERR(err, ISLE_ENORESULT);
    CHECK(next <= 1003 + 1000);
    isle_stream_close(stream);
    settle();
}

static void read_some_and_die(isle_value to)
{
    isle_stream *stream = isle_stream_open(&(isle_stream_options){.items_max = 40});
    isle_send(isle_as_port(to), isle_stream_sink(stream));
    read_texts(stream, 0, 25);
    isle_exit(isle_send_port_none(), isle_null());
}

TEST_ROOT(a_reader_that_ends_in_the_midst_is_told_to_its_writer)
{
    isle_receive_port *port = isle_port_open();
    isle_spawn(read_some_and_die, isle_port_value(port), NULL);
    isle_writer *writer = isle_stream_writer(isle_port_receive(port));
    isle_err err = ISLE_OK;
    int written = 0;
    while (err == ISLE_OK) {
        ISLE_SCOPE;
        err = isle_stream_try_write(writer, isle_stringf("text %d", written));
        written += err == ISLE_OK;
        if (err == ISLE_EFULL)
            err = isle_try_await(isle_stream_ready(writer), ISLE_FOREVER, NULL);
    }
    CHECK_ERR(err, ISLE_ECLOSED);
    CHECK(written >= 25 && written <= 25 + 40);
    isle_stream_end(writer);
    isle_port_close(port);
    settle();
}

/* --- two streams of one isolate, full mailboxes */

static void pass_on(isle_value message)
{
    isle_writer *writer = isle_stream_writer(isle_list_get(message, 0));
    isle_stream *stream = isle_stream_open(&(isle_stream_options){.items_max = 30});
    isle_value item;
    isle_send(isle_as_port(isle_list_get(message, 1)), isle_stream_sink(stream));
    for (;;) {
        ISLE_SCOPE;
        if (!isle_stream_read(stream, &item))
            break;
        isle_stream_put(writer, item);
    }
    isle_stream_close(stream);
    isle_stream_end(writer);
}

TEST_ROOT(who_reads_one_stream_writes_another)
{
    isle_receive_port *port = isle_port_open();
    isle_stream *stream = isle_stream_open(&(isle_stream_options){.items_max = 50});
    isle_value item, message = isle_pack("[o,o]", isle_stream_sink(stream), isle_port_value(port));
    isle_spawn(pass_on, message, NULL);
    isle_spawn(put_kinds, isle_pack("[o,i]", isle_port_receive(port), (int64_t)2000), NULL);
    for (int64_t i = 0; i < 2000; i++) {
        ISLE_SCOPE;
        CHECK(isle_stream_read(stream, &item));
        CHECK_VALUE(item, item_of(kind_after(i)));
    }
    CHECK(!isle_stream_read(stream, &item));
    isle_stream_close(stream);
    isle_port_close(port);
    settle();
}

static void read_kinds_and_tell(isle_value to)
{
    isle_stream *stream = isle_stream_open(NULL);
    isle_value item;
    int64_t next = 0;
    isle_send(isle_as_port(to), isle_stream_sink(stream));
    for (;;) {
        ISLE_SCOPE;
        if (!isle_stream_read(stream, &item))
            break;
        CHECK_VALUE(item, item_of(kind_after(next)));
        next++;
    }
    isle_stream_close(stream);
    isle_send(isle_as_port(to), isle_int(next));
}

TEST_ROOT(two_slot_mailboxes_lose_nothing_of_a_batch)
{
    isle_options narrow = {.mailbox_max_messages = 2};
    isle_receive_port *port = isle_port_open();
    needs_refusals_in_time();
    isle_spawn(read_kinds_and_tell, isle_port_value(port), &narrow);
    isle_spawn(put_kinds, isle_pack("[o,i]", isle_port_receive(port), (int64_t)2000), &narrow);
    CHECK_INT(receive_int(port), 2000);
    isle_port_close(port);
    settle();
}

static void count_texts(isle_value to)
{
    isle_stream *stream = isle_stream_open(NULL);
    isle_value item;
    int64_t count = 0;
    isle_send(isle_as_port(to), isle_stream_sink(stream));
    for (;;) {
        ISLE_SCOPE;
        if (!isle_stream_read(stream, &item))
            break;
        check_text(item, count++);
    }
    isle_stream_close(stream);
    isle_send(isle_as_port(to), isle_int(count));
}

TEST_ROOT(batches_are_no_larger_than_what_the_readers_mailbox_could_hold)
{
    isle_receive_port *port = isle_port_open();
    for (size_t bytes = 1000; bytes < 20000; bytes *= 3) {
        isle_options narrow = {.mailbox_max_bytes = bytes};
        isle_spawn(count_texts, isle_port_value(port), &narrow);
        isle_value sink = isle_port_receive(port);
        put_texts(isle_pack("[o,i]", sink, 2000));
        CHECK_INT(receive_int(port), 2000);
    }
    isle_port_close(port);
    settle();
}

/* --- batches that no writer sends */

enum { BATCH = 5 };

/* What the reader answers to these records, with these entries behind them. */
static isle_err after_records(const void *records, size_t size, isle_value values)
{
    isle_stream *stream = isle_stream_open(&(isle_stream_options){.items_max = 200});
    isle_receive_port *credit = isle_port_open();
    isle_send_port to = isle_as_port(isle_list_get(isle_stream_sink(stream), 0));
    isle_value item, list = isle_list();
    isle_send(to, isle_pack("[o,i,o,o]", isle_port_value(credit), (int64_t)0,
                            isle_isolate_value(isle_current()), isle_port_value(credit)));
    isle_list_add(list, isle_port_value(credit));
    isle_list_add(list, isle_int(BATCH));
    isle_list_add(list, isle_bytes(records, size));
    for (size_t i = 0; i < isle_count(values); i++)
        isle_list_add(list, isle_list_get(values, i));
    isle_send(to, list);
    isle_err err = isle_stream_try_read(stream, 0, &item);
    if (err != ISLE_OK) { /* the stream is over, and its writer has been told */
        CHECK_INT(receive_int(credit), 0);
        CHECK_INT(receive_int(credit), err);
    }
    isle_stream_close(stream);
    isle_port_close(credit);
    return err;
}

/* Without entries. */
#define AFTER(records) after_records("" records, sizeof(records) - 1, isle_list())

TEST_ROOT(what_is_no_batch_ends_the_stream)
{
    isle_receive_port *port = isle_port_open();
    isle_value one = isle_list(), text = isle_pack("[s]", "text"), many = isle_list();
    char nulls[9000] = {0};
    isle_list_add(one, isle_port_value(port));
    for (int i = 0; i < 65; i++)
        isle_list_add(many, isle_port_value(port));
    CHECK_ERR(AFTER("\0"), ISLE_OK);
    CHECK_ERR(AFTER("\3\1\0\0\0\0\0\0\0"), ISLE_OK);
    CHECK_ERR(AFTER("\5\4\0\0\0text"), ISLE_OK);
    CHECK_ERR(AFTER("\5\2\0\0\0\xc3\xa4"), ISLE_OK);
    CHECK_ERR(after_records("\6", 1, one), ISLE_OK);
    CHECK_ERR(after_records(nulls, 128, isle_list()), ISLE_OK);

    CHECK_ERR(AFTER(""), ISLE_EMALFORMED);
    CHECK_ERR(AFTER("\7"), ISLE_EMALFORMED);
    CHECK_ERR(AFTER("\3\1\0\0\0\0\0\0"), ISLE_EMALFORMED);
    CHECK_ERR(AFTER("\4\1"), ISLE_EMALFORMED);
    CHECK_ERR(AFTER("\5\4\0\0"), ISLE_EMALFORMED);
    CHECK_ERR(AFTER("\5\4\0\0\0tex"), ISLE_EMALFORMED);
    CHECK_ERR(AFTER("\5\xff\xff\xff\xfftext"), ISLE_EMALFORMED);
    CHECK_ERR(AFTER("\5\2\0\0\0\xff\xff"), ISLE_EMALFORMED);
    CHECK_ERR(AFTER("\6"), ISLE_EMALFORMED);
    CHECK_ERR(after_records("\0", 1, one), ISLE_EMALFORMED);
    CHECK_ERR(after_records("\6\6", 2, one), ISLE_EMALFORMED);
    CHECK_ERR(after_records("\6", 1, text), ISLE_EMALFORMED);
    CHECK_ERR(after_records(nulls, 65, many), ISLE_EMALFORMED);
    CHECK_ERR(after_records(nulls, 129, isle_list()), ISLE_EMALFORMED);
    CHECK_ERR(after_records(nulls, sizeof nulls, isle_list()), ISLE_EMALFORMED);
    isle_port_close(port);
}

TEST_ROOT(a_batch_beyond_the_window_ends_the_stream)
{
    isle_stream *stream = isle_stream_open(&(isle_stream_options){.items_max = 4});
    isle_receive_port *credit = isle_port_open();
    isle_send_port to = isle_as_port(isle_list_get(isle_stream_sink(stream), 0));
    isle_value item, five = isle_bytes("\0\0\0\0\0", 5);
    isle_send(to, isle_pack("[o,i,o,o]", isle_port_value(credit), (int64_t)0,
                            isle_isolate_value(isle_current()), isle_port_value(credit)));
    isle_send(to, isle_pack("[o,i,o]", isle_port_value(credit), (int64_t)BATCH, five));
    CHECK_ERR(isle_stream_try_read(stream, 0, &item), ISLE_EFULL);
    CHECK_INT(receive_int(credit), 0);
    CHECK_INT(receive_int(credit), ISLE_EFULL);
    isle_stream_close(stream);
    isle_port_close(credit);
}

TEST_MAIN()
