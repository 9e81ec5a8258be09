/* SPDX-License-Identifier: Apache-2.0 */
/* Ports with bounds of their own, and what happens to a message that is one too many: refused,
 * dropped as the newest, in the place of the oldest, or the receiver's end. What is dropped is
 * counted by its cause, and replies and notices pass. */
#include "guarantees.h"

static isle_receive_port *bounded(size_t messages, isle_overflow overflow)
{
    return isle_port_open_with(
        &(isle_port_options){.max_messages = messages, .overflow = overflow});
}

static isle_port_stats read_port(const isle_receive_port *port)
{
    isle_port_stats stats;

    isle_port_stats_read(port, &stats);
    return stats;
}

static void send_numbers(isle_send_port port, int first, int count)
{
    for (int i = first; i < first + count; i++)
        isle_send(port, isle_int(i));
}

/* --- refuse */

TEST_ROOT(a_bound_is_kept_exactly)
{
    isle_receive_port *port = bounded(2, ISLE_OVERFLOW_REFUSE);
    isle_send_port to = isle_port_send_port(port);
    uint64_t refused = stats_now().refused_full;

    send_numbers(to, 0, 2);
    CHECK_ERR(isle_try_send(to, isle_int(2)), ISLE_EFULL);
    CHECK_ERR(isle_try_send(to, isle_string("more")), ISLE_EFULL);
    CHECK_UINT(stats_now().refused_full, refused + 2);
    CHECK_UINT(read_port(port).refused, 2);
    CHECK_UINT(read_port(port).messages, 2);
    CHECK_INT(receive_int(port), 0);
    send_numbers(to, 3, 1);
    CHECK_ERR(isle_try_send(to, isle_int(4)), ISLE_EFULL);
    CHECK_INT(receive_int(port), 1);
    CHECK_INT(receive_int(port), 3);
    CHECK(port_is_empty(port));
    CHECK_UINT(read_port(port).messages, 0);
    CHECK_UINT(read_port(port).bytes, 0);
    isle_port_close(port);
}

TEST_ROOT(a_bound_of_bytes_is_kept)
{
    isle_receive_port *port = isle_port_open_with(&(isle_port_options){.max_bytes = 4096});
    isle_send_port to = isle_port_send_port(port);
    isle_value large = isle_bytes(NULL, 5000), small = isle_bytes(NULL, 1500);
    int sent = 0;

    CHECK_ERR(isle_try_send(to, large), ISLE_EFULL);
    while (isle_try_send(to, small) == ISLE_OK)
        sent++;
    CHECK_INT(sent, 2);
    CHECK(read_port(port).bytes > 3000 && read_port(port).bytes <= 4096);
    CHECK_INT(isle_count(isle_port_receive(port)), 1500);
    CHECK_ERR(isle_try_send(to, small), ISLE_OK);
    isle_port_close(port);
}

/* One port is full, and another of the same isolate is not. */
TEST_ROOT(the_bounds_of_a_port_are_its_own)
{
    isle_receive_port *narrow = bounded(1, ISLE_OVERFLOW_REFUSE), *wide = isle_port_open();

    isle_send(isle_port_send_port(narrow), isle_int(1));
    CHECK_ERR(isle_try_send(isle_port_send_port(narrow), isle_int(2)), ISLE_EFULL);
    send_numbers(isle_port_send_port(wide), 0, 100);
    for (int i = 0; i < 100; i++)
        CHECK_INT(receive_int(wide), i);
    CHECK_INT(receive_int(narrow), 1);
    isle_port_close(narrow);
    isle_port_close(wide);
}

TEST_ROOT(a_refused_send_leaves_its_message)
{
    isle_receive_port *port = bounded(1, ISLE_OVERFLOW_REFUSE);
    isle_send_port to = isle_port_send_port(port);
    isle_value transferable = isle_transferable(64);

    isle_send(to, isle_null());
    memset(isle_transferable_data(transferable), 9, 64);
    CHECK_ERR(isle_try_send(to, transferable), ISLE_EFULL);
    CHECK_INT(((unsigned char *)isle_transferable_data(transferable))[63], 9);
    (void)isle_port_receive(port);
    isle_send(to, transferable);
    CHECK_INT(isle_count(isle_materialize(isle_port_receive(port))), 64);
    isle_port_close(port);
}

TEST_ROOT(bounds_can_be_changed_and_taken_away)
{
    isle_receive_port *port = isle_port_open();
    isle_send_port to = isle_port_send_port(port);

    isle_port_set_bounds(port, &(isle_port_options){.max_messages = 1});
    send_numbers(to, 0, 1);
    CHECK_ERR(isle_try_send(to, isle_int(1)), ISLE_EFULL);
    isle_port_set_bounds(port, &(isle_port_options){.max_messages = 2});
    send_numbers(to, 1, 1);
    CHECK_ERR(isle_try_send(to, isle_int(2)), ISLE_EFULL);
    isle_port_set_bounds(port, NULL);
    send_numbers(to, 2, 50);
    for (int i = 0; i < 52; i++)
        CHECK_INT(receive_int(port), i);
    isle_port_close(port);
}

static isle_value bounds_of_no_kind(isle_value ignored)
{
    (void)ignored;
    (void)isle_port_open_with(&(isle_port_options){.overflow = (isle_overflow)7});
    return isle_null();
}

static isle_value bounds_of_no_port(isle_value ignored)
{
    (void)ignored;
    isle_port_set_bounds(NULL, NULL);
    return isle_null();
}

TEST_ROOT(bad_bounds_are_refused)
{
    CHECK_ERR(isle_try(bounds_of_no_kind, isle_null(), NULL), ISLE_EINVAL);
    CHECK_ERR(isle_try(bounds_of_no_port, isle_null(), NULL), ISLE_EINVAL);
}

/* --- drop newest */

TEST_ROOT(the_newest_is_dropped_and_counted)
{
    isle_receive_port *port = bounded(2, ISLE_OVERFLOW_DROP_NEWEST);
    uint64_t dropped = stats_now().dropped_newest, refused = stats_now().refused_full;

    send_numbers(isle_port_send_port(port), 0, 10);
    CHECK_UINT(stats_now().dropped_newest, dropped + 8);
    CHECK_UINT(stats_now().refused_full, refused);
    CHECK_UINT(read_port(port).dropped_newest, 8);
    CHECK_INT(receive_int(port), 0);
    CHECK_INT(receive_int(port), 1);
    CHECK(port_is_empty(port));
    isle_port_close(port);
}

TEST_ROOT(a_call_whose_request_is_dropped_is_told)
{
    isle_receive_port *port = bounded(1, ISLE_OVERFLOW_DROP_NEWEST);
    isle_send_port to = isle_port_send_port(port);

    isle_send(to, isle_null());
    CHECK_ERR(isle_try_await(isle_call(to, isle_string("now"), ISLE_FOREVER), ISLE_FOREVER, NULL),
              ISLE_EFULL);
    isle_port_close(port);
}

/* --- drop oldest */

TEST_ROOT(the_oldest_are_dropped_and_counted)
{
    isle_receive_port *port = bounded(3, ISLE_OVERFLOW_DROP_OLDEST);
    uint64_t dropped = stats_now().dropped_oldest;

    send_numbers(isle_port_send_port(port), 0, 100);
    for (int i = 97; i < 100; i++)
        CHECK_INT(receive_int(port), i);
    CHECK(port_is_empty(port));
    CHECK_UINT(stats_now().dropped_oldest, dropped + 97);
    CHECK_UINT(read_port(port).dropped_oldest, 97);
    CHECK_UINT(read_port(port).messages, 0);
    isle_port_close(port);
}

/* What lies in the port's queue already is older than what comes. */
TEST_ROOT(what_was_sorted_in_is_dropped_first)
{
    isle_receive_port *port = bounded(2, ISLE_OVERFLOW_DROP_OLDEST), *other = isle_port_open();
    isle_send_port to = isle_port_send_port(port);

    send_numbers(to, 0, 2);
    CHECK(port_is_empty(other)); /* takes what has come into the queues */
    send_numbers(to, 2, 3);
    CHECK_INT(receive_int(port), 3);
    CHECK_INT(receive_int(port), 4);
    CHECK(port_is_empty(port));
    isle_port_close(port);
    isle_port_close(other);
}

struct noted {
    int64_t last, count;
    isle_future *over;
};

static void note(isle_value message, void *context)
{
    struct noted *noted = context;

    CHECK(isle_as_int(message) > noted->last);
    noted->last = isle_as_int(message);
    if (noted->count++ == 0) /* a flood, while the first is handled */
        send_numbers(isle_port_send_port(isle_default_port()), 1000, 100);
    if (noted->last == 1099)
        isle_future_complete(noted->over, isle_null());
}

/* A handler gets the newest there are when it comes to them. */
TEST_ROOT(a_handler_gets_the_newest)
{
    struct noted noted = {-1, 0, isle_future_new()};

    isle_port_set_bounds(
        isle_default_port(),
        &(isle_port_options){.max_messages = 5, .overflow = ISLE_OVERFLOW_DROP_OLDEST});
    send_numbers(isle_port_send_port(isle_default_port()), 0, 20);
    isle_port_listen(isle_default_port(), note, &noted);
    (void)isle_await(noted.over);
    CHECK_INT(noted.count, 6);
    CHECK_UINT(read_port(isle_default_port()).dropped_oldest, 114);
    isle_port_close(isle_default_port());
}

TEST_ROOT(what_is_larger_than_the_bound_drops_nothing_else)
{
    isle_receive_port *port = isle_port_open_with(
        &(isle_port_options){.max_bytes = 4096, .overflow = ISLE_OVERFLOW_DROP_OLDEST});
    isle_send_port to = isle_port_send_port(port);

    isle_send(to, isle_int(1));
    isle_send(to, isle_bytes(NULL, 10000));
    CHECK_INT(receive_int(port), 1);
    CHECK(port_is_empty(port));
    CHECK_UINT(read_port(port).dropped_newest, 1);
    isle_port_close(port);
}

static bool is_even(isle_value value, void *context)
{
    (void)context;
    return isle_as_int(value) % 2 == 0;
}

TEST_ROOT(who_chooses_among_messages_loses_the_oldest)
{
    isle_receive_port *port = bounded(4, ISLE_OVERFLOW_DROP_OLDEST);
    isle_receive_port *other = isle_port_open(), *both[] = {port, other};
    isle_value message;

    send_numbers(isle_port_send_port(port), 0, 9);
    CHECK_INT(isle_as_int(isle_port_receive_if(port, is_even, NULL)), 6);
    isle_send(isle_port_send_port(other), isle_string("other"));
    CHECK(isle_port_receive_any(both, 2, ISLE_FOREVER, &message) == port);
    CHECK_INT(isle_as_int(message), 5);
    isle_port_close(port);
    CHECK(isle_port_receive_any(both + 1, 1, ISLE_FOREVER, &message) == other);
    isle_port_close(other);
}

/* --- end */

static void overflowing(isle_value started)
{
    isle_port_set_bounds(isle_default_port(),
                         &(isle_port_options){.max_messages = 2, .overflow = ISLE_OVERFLOW_END});
    isle_send(isle_as_port(started), isle_null());
    for (;;)
        isle_sleep(ISLE_MS(1));
}

TEST_ROOT(the_receiver_ends_of_an_overflow)
{
    isle_receive_port *ends = isle_port_open(), *started = isle_port_open();
    isle_isolate isolate =
        isle_spawn(overflowing, isle_port_value(started),
                   &(isle_options){.monitor = isle_port_send_port(ends), .debug_name = "narrow"});
    isle_end end;

    (void)isle_port_receive(started);
    send_numbers(isolate.default_port, 0, 2);
    CHECK(port_is_empty(ends));
    isle_send(isolate.default_port, isle_int(2)); /* the sender is not refused */
    end = isle_as_end(isle_port_receive(ends));
    CHECK_INT(end.reason, ISLE_OVERFLOWED);
    CHECK_STRING(isle_reason_text(end.reason), "overflowed");
    CHECK(end.text[0] != '\0');
    CHECK_STRING(end.debug_name, "narrow");
    isle_port_close(ends);
    isle_port_close(started);
}

static void spinning(isle_value started)
{
    isle_port_set_bounds(isle_default_port(),
                         &(isle_port_options){.max_messages = 1, .overflow = ISLE_OVERFLOW_END});
    isle_send(isle_as_port(started), isle_null());
    for (;;)
        isle_checkpoint();
}

/* It is ended like by a kill, at a kill point, though it never looks at its mail. */
TEST_ROOT(one_that_computes_ends_of_an_overflow)
{
    isle_receive_port *ends = isle_port_open(), *started = isle_port_open();
    isle_isolate isolate = isle_spawn(spinning, isle_port_value(started),
                                      &(isle_options){.monitor = isle_port_send_port(ends)});

    (void)isle_port_receive(started);
    send_numbers(isolate.default_port, 0, 3);
    CHECK_INT(isle_as_end(isle_port_receive(ends)).reason, ISLE_OVERFLOWED);
    isle_port_close(ends);
    isle_port_close(started);
}

/* --- reserved room: what no bound keeps out */

static void answering(isle_value to)
{
    isle_value message = isle_port_receive(isle_default_port());

    (void)message;
    isle_send(isle_as_port(to), isle_string("said"));
    isle_exit(isle_as_port(to), isle_string("last"));
}

/* A port of two places that is full takes an exit, an end, a final message and a reply. */
TEST_ROOT(replies_and_notices_pass_a_full_port)
{
    isle_receive_port *port = bounded(2, ISLE_OVERFLOW_REFUSE);
    isle_send_port to = isle_port_send_port(port);
    isle_isolate isolate =
        isle_spawn(answering, isle_port_value(port), &(isle_options){.on_exit = to, .monitor = to});
    isle_receive_port *pings = isle_port_open();

    isle_send(to, isle_int(1));
    isle_ping(isolate, to, isle_string("pong"), ISLE_IMMEDIATE);
    isle_ping(isolate, isle_port_send_port(pings), isle_null(), ISLE_IMMEDIATE);
    (void)isle_port_receive(pings);
    isle_send(isolate.default_port, isle_null());
    CHECK_INT(receive_int(port), 1);
    CHECK_STRING(isle_as_string(isle_port_receive(port)), "pong");
    CHECK_STRING(isle_as_string(isle_port_receive(port)), "said");
    CHECK_STRING(isle_as_string(isle_port_receive(port)), "last");
    CHECK(isle_is_null(isle_port_receive(port)));
    CHECK_INT(isle_as_end(isle_port_receive(port)).reason, ISLE_RETURNED);
    isle_port_close(port);
    isle_port_close(pings);
}

/* Who asks has a mailbox of two places; it is filled while he waits for the answer. */
static isle_value fill_and_answer(isle_value asker, void *context)
{
    int sent = 0;

    (void)context;
    if (isle_kind_of(asker) == ISLE_STRING)
        return isle_null();
    while (isle_try_send(isle_as_port(asker), isle_int(sent)) == ISLE_OK)
        sent++;
    return isle_int(sent);
}

static void failing(isle_value message)
{
    (void)message;
    isle_throw(isle_error(ISLE_ETHROWN, "failed", NULL));
}

static void narrow_entry(isle_value server)
{
    isle_receive_port *notices = isle_port_open(), *own = isle_default_port();
    isle_send_port to = isle_port_send_port(notices);
    isle_isolate child;

    CHECK_INT(isle_as_int(
                  isle_await(isle_call(isle_as_port(server), isle_port_value(own), ISLE_FOREVER))),
              2);
    child = isle_spawn(failing, isle_null(),
                       &(isle_options){.on_error = to, .on_exit = to, .monitor = to});
    check_notice(isle_port_receive(notices), "failed");
    check_null(isle_port_receive(notices));
    CHECK_INT(isle_as_end(isle_port_receive(notices)).reason, ISLE_FAILED);
    isle_ping(child, to, isle_null(), ISLE_IMMEDIATE); /* of the dead: nothing comes */
    isle_monitor(child, to);
    CHECK_INT(isle_as_end(isle_port_receive(notices)).reason, ISLE_LOST);
    CHECK_INT(receive_int(own), 0);
    CHECK_INT(receive_int(own), 1);
    isle_port_close(notices);
    isle_port_close(own);
    isle_send(isle_as_port(server), isle_string("all came"));
}

/* A reply, an error, an exit and two ends come to a mailbox of two places that is full. */
TEST_ROOT(what_is_reserved_passes_a_full_mailbox_of_two)
{
    isle_receive_port *server = isle_port_open(), *ends = isle_port_open();

    isle_port_serve(server, fill_and_answer, NULL);
    isle_spawn(narrow_entry, isle_port_value(server),
               &(isle_options){.mailbox_max_messages = 2, .monitor = isle_port_send_port(ends)});
    CHECK_INT(isle_as_end(isle_port_receive(ends)).reason, ISLE_RETURNED);
    isle_port_close(server);
    isle_port_close(ends);
}

/* --- high and low water */

struct tide {
    int highs, lows;
};

static void on_high(void *context)
{
    struct tide *tide = context;

    tide->highs++;
    CHECK_INT(tide->highs, tide->lows + 1);
}

static void on_low(void *context)
{
    struct tide *tide = context;

    tide->lows++;
    CHECK_INT(tide->highs, tide->lows);
}

/* Lets everything that is due run. */
static void let_run(void)
{
    isle_receive_port *port = isle_port_open();

    isle_send(isle_port_send_port(port), isle_null());
    isle_sleep(0);
    (void)isle_port_receive(port);
    isle_port_close(port);
}

TEST_ROOT(high_and_low_water_are_told_in_turn)
{
    struct tide tide = {0};
    isle_receive_port *port = isle_port_open_with(&(isle_port_options){.high_messages = 4,
                                                                       .low_messages = 1,
                                                                       .on_high = on_high,
                                                                       .on_low = on_low,
                                                                       .context = &tide});
    isle_send_port to = isle_port_send_port(port);

    for (int round = 1; round <= 3; round++) {
        send_numbers(to, 0, 3);
        let_run();
        CHECK_INT(tide.highs, round - 1);
        send_numbers(to, 3, 5);
        let_run();
        CHECK_INT(tide.highs, round);
        for (int i = 0; i < 6; i++)
            CHECK_INT(receive_int(port), i);
        let_run();
        CHECK_INT(tide.lows, round - 1);
        CHECK_INT(receive_int(port), 6);
        let_run();
        CHECK_INT(tide.lows, round);
        CHECK_INT(receive_int(port), 7);
    }
    isle_port_close(port);
}

/* Down, up and down again within one event: the last that is told is what is. */
TEST_ROOT(a_tide_that_falls_twice_is_told_to_be_low)
{
    struct tide tide = {0};
    isle_receive_port *port = isle_port_open_with(&(isle_port_options){.high_messages = 2,
                                                                       .low_messages = 1,
                                                                       .on_high = on_high,
                                                                       .on_low = on_low,
                                                                       .context = &tide});
    isle_send_port to = isle_port_send_port(port);

    send_numbers(to, 0, 2);
    let_run();
    CHECK_INT(tide.highs, 1);
    CHECK_INT(receive_int(port), 0);
    send_numbers(to, 2, 1);
    CHECK_INT(receive_int(port), 1);
    let_run();
    CHECK_INT(tide.lows, tide.highs);
    CHECK_INT(receive_int(port), 2);
    isle_port_close(port);
}

/* Who is let in from the line takes part in the tide as who has sent when there was room. */
TEST_ROOT(those_who_waited_raise_the_tide)
{
    enum { WAITERS = 4 };
    struct tide tide = {0};
    isle_receive_port *port = isle_port_open_with(&(isle_port_options){.max_messages = 2,
                                                                       .high_messages = 2,
                                                                       .low_messages = 1,
                                                                       .on_high = on_high,
                                                                       .on_low = on_low,
                                                                       .context = &tide});
    isle_send_port to = isle_port_send_port(port);
    isle_future *sent[WAITERS];

    send_numbers(to, 0, 2);
    for (int i = 0; i < WAITERS; i++)
        sent[i] = isle_send_wait(to, isle_int(2 + i), ISLE_FOREVER);
    let_run();
    CHECK_INT(tide.highs, 1);
    for (int i = 0; i < WAITERS; i++) {
        CHECK_INT(receive_int(port), i);
        (void)isle_await(sent[i]);
        let_run();
        CHECK_INT(tide.highs, i + 2);
        CHECK_INT(tide.lows, i + 1);
    }
    for (int i = WAITERS; i < WAITERS + 2; i++)
        CHECK_INT(receive_int(port), i);
    let_run();
    CHECK_INT(tide.highs, WAITERS + 1);
    CHECK_INT(tide.lows, WAITERS + 1);
    isle_port_close(port);
}

/* Those who are let in by other room than what leaves the port. */
TEST_ROOT(new_bounds_that_let_in_raise_the_tide)
{
    struct tide tide = {0};
    isle_port_options options = {.max_messages = 1,
                                 .high_messages = 3,
                                 .low_messages = 1,
                                 .on_high = on_high,
                                 .on_low = on_low,
                                 .context = &tide};
    isle_receive_port *port = isle_port_open_with(&options);
    isle_send_port to = isle_port_send_port(port);

    send_numbers(to, 0, 1);
    for (int i = 1; i < 4; i++)
        (void)isle_send_wait(to, isle_int(i), ISLE_FOREVER);
    let_run();
    CHECK_INT(tide.highs, 0);
    options.max_messages = 4;
    isle_port_set_bounds(port, &options);
    let_run();
    CHECK_UINT(read_port(port).senders, 0);
    CHECK_INT(tide.highs, 1);
    for (int i = 0; i < 4; i++)
        CHECK_INT(receive_int(port), i);
    let_run();
    CHECK_INT(tide.lows, 1);
    isle_port_close(port);
}

/* A port that is closed before it was told is told no more. */
TEST_ROOT(a_closed_port_is_told_of_no_tide)
{
    struct tide tide = {0};
    isle_receive_port *port = isle_port_open_with(
        &(isle_port_options){.high_bytes = 100, .on_high = on_high, .context = &tide});

    send_numbers(isle_port_send_port(port), 0, 10);
    isle_port_close(port);
    let_run();
    CHECK_INT(tide.highs, 0);
}

/* --- ends and leaks */

static void bounds_and_mail(isle_value ignored)
{
    isle_receive_port *ports[10];

    (void)ignored;
    for (int i = 0; i < 10; i++) {
        ports[i] = isle_port_open_with(&(isle_port_options){.max_messages = 2,
                                                            .overflow = (isle_overflow)(i % 3),
                                                            .high_messages = 1,
                                                            .on_high = on_high});
        for (int k = 0; k < 5; k++)
            CHECK(isle_try_send(isle_port_send_port(ports[i]), isle_string("mail")) == ISLE_OK ||
                  i % 3 == ISLE_OVERFLOW_REFUSE);
    }
    isle_port_close(ports[3]);
    isle_exit(isle_send_port_none(), isle_null());
}

TEST_ROOT(bounded_ports_leave_nothing)
{
    uint64_t memory;

    needs_exact_memory();
    for (int i = 0; i < 5; i++)
        isle_spawn(bounds_and_mail, isle_null(), NULL);
    settle();
    memory = memory_held();
    for (int i = 0; i < 50; i++)
        isle_spawn(bounds_and_mail, isle_null(), NULL);
    settle();
    CHECK(memory_returns_to(memory));
}

/* --- many senders */

enum { SENDERS = 20, EACH = 200 };

static void hammer(isle_value to)
{
    for (int i = 0; i < EACH; i++)
        if (isle_try_send(isle_as_port(to), isle_int(i)) == ISLE_EFULL)
            isle_sleep(0);
}

/* Of two places each is taken by one message at a time, and all is accounted for. */
TEST_ROOT(two_places_are_shared_by_many)
{
    isle_receive_port *port = bounded(2, ISLE_OVERFLOW_REFUSE), *exits = isle_port_open();
    isle_port_stats stats;
    uint64_t received = 0;

    for (int i = 0; i < SENDERS; i++)
        isle_spawn(hammer, isle_port_value(port),
                   &(isle_options){.on_exit = isle_port_send_port(exits)});
    for (int over = 0; over < SENDERS;) {
        isle_value message;
        isle_receive_port *both[] = {port, exits};
        ISLE_SCOPE;

        if (isle_port_receive_any(both, 2, ISLE_FOREVER, &message) == exits)
            over++;
        else
            received++;
        CHECK(read_port(port).messages <= 2);
    }
    while (isle_port_try_receive(port, 0, NULL) == ISLE_OK)
        received++;
    isle_port_stats_read(port, &stats);
    CHECK_UINT(received + stats.refused, SENDERS * EACH);
    CHECK_UINT(stats.messages, 0);
    isle_port_close(port);
    isle_port_close(exits);
}

TEST_MAIN()
