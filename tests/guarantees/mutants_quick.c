/* SPDX-License-Identifier: Apache-2.0 */
/* What a core that takes its quick ways wrongly would get wrong: a message that follows another of
 * its port in the same frame, a wait that is refused, slots that lie on shelves. Each test here is
 * the one that notices entries of tools/mutations.txt which no other test does. */
#include "guarantees.h"

/* --- one message after the other */

static isle_handler *hears;
static int64_t notes[32];
static _Atomic int note_count;

static void note(int64_t number)
{
    int count = atomic_load(&note_count);

    CHECK(count < 32);
    notes[count] = number;
    atomic_store(&note_count, count + 1);
}

static void check_notes(const int64_t *expected, int count)
{
    CHECK_INT(atomic_load(&note_count), count);
    for (int i = 0; i < count; i++)
        CHECK_INT(notes[i], expected[i]);
}

/* The messages 1 to `count` lie in its mailbox when it comes to the first of them. */
static void is_flooded(isle_value count)
{
    isle_port_listen(isle_default_port(), hears, NULL);
    for (int64_t i = 1; i <= isle_as_int(count); i++)
        isle_send(isle_current().default_port, isle_int(i));
}

static isle_isolate spawn_flooded(isle_handler *handler, int count, const isle_options *options)
{
    hears = handler;
    atomic_store(&note_count, 0);
    return isle_spawn(is_flooded, isle_int(count), options);
}

static void notes_negative(void *number)
{
    note(-*(const int *)number);
}

static int numbers[] = {0, 1, 2, 3, 4, 5};

static int *number_of(isle_value message)
{
    int64_t number = isle_as_int(message);

    if (number == 3)
        isle_port_close(isle_default_port());
    note(number);
    return &numbers[number];
}

static void schedules(isle_value message, void *context)
{
    (void)context;
    isle_schedule_microtask(notes_negative, number_of(message));
}

TEST_ROOT(microtasks_go_before_the_next_message)
{
    spawn_flooded(schedules, 3, NULL);
    settle();
    check_notes((const int64_t[]){1, -1, 2, -2, 3, -3}, 6);
}

static void defers(isle_value message, void *context)
{
    (void)context;
    isle_defer(notes_negative, number_of(message));
}

TEST_ROOT(deferred_tasks_go_before_the_next_message)
{
    spawn_flooded(defers, 3, NULL);
    settle();
    check_notes((const int64_t[]){1, -1, 2, -2, 3, -3}, 6);
}

static void hears_on(isle_value message, void *context)
{
    (void)context;
    notes_negative(number_of(message));
}

static void hands_over(isle_value message, void *context)
{
    (void)context;
    note(isle_as_int(message));
    isle_port_listen(isle_default_port(), hears_on, NULL);
}

TEST_ROOT(a_new_handler_hears_the_next_message)
{
    spawn_flooded(hands_over, 3, NULL);
    settle();
    check_notes((const int64_t[]){1, 2, -2, 3, -3}, 5);
}

/* A message to its other port lies between two that it hears in the one. */
static isle_receive_port *other;

static void hears_in_other(isle_value message, void *context)
{
    (void)context;
    note(10 * isle_as_int(message));
    isle_port_close(other);
}

static void opens_other(isle_value message, void *context)
{
    (void)context;
    if (*number_of(message) > 1)
        return;
    other = isle_port_open();
    isle_port_listen(other, hears_in_other, NULL);
    isle_send(isle_port_send_port(other), isle_int(2));
    isle_send(isle_current().default_port, isle_int(3));
}

TEST_ROOT(the_next_message_is_heard_in_its_own_port)
{
    spawn_flooded(opens_other, 1, NULL);
    settle();
    check_notes((const int64_t[]){1, 20, 3}, 3);
}

static isle_future *awaited;

static void awaits(isle_value message, void *context)
{
    int64_t number = isle_as_int(message);

    (void)context;
    if (number == 1)
        awaited = isle_future_new();
    note(number);
    if (number == 4)
        isle_future_complete(awaited, isle_null());
    if (number == 5)
        isle_port_close(isle_default_port());
    if (number > 3)
        return;
    isle_await(awaited);
    note(-number);
}

TEST_ROOT(who_can_go_on_goes_before_the_next_message_in_turn)
{
    spawn_flooded(awaits, 5, NULL);
    settle();
    check_notes((const int64_t[]){1, 2, 3, 4, -1, -2, -3, 5}, 8);
}

static void pauses(isle_value message, void *context)
{
    (void)context;
    if (isle_as_int(message) == 1)
        (void)isle_pause(isle_current(), isle_current().pause_capability);
    (void)number_of(message);
}

TEST_ROOT(a_pause_is_before_the_next_message)
{
    isle_receive_port *port = isle_port_open();
    isle_isolate isolate = spawn_flooded(pauses, 3, NULL);

    while (atomic_load(&note_count) == 0)
        isle_sleep(0);
    for (int i = 0; i < 20; i++) {
        isle_ping(isolate, isle_port_send_port(port), isle_int(i), ISLE_BEFORE_NEXT_EVENT);
        CHECK_INT(receive_int(port), i);
    }
    CHECK_INT(atomic_load(&note_count), 1);
    isle_resume(isolate, isolate.pause_capability);
    settle();
    check_notes((const int64_t[]){1, 2, 3}, 3);
    isle_port_close(port);
}

enum { LARGE = 1 << 20, MANY = 20 };

static void makes_much(isle_value message, void *context)
{
    (void)context;
    (void)isle_bytes(NULL, LARGE);
    note(isle_as_int(message));
    if (isle_as_int(message) == MANY)
        isle_port_close(isle_default_port());
}

TEST_ROOT(what_an_event_made_is_gone_before_the_next_message)
{
    spawn_flooded(makes_much, MANY, &(isle_options){.memory_max = 4 * LARGE});
    settle();
    CHECK_INT(atomic_load(&note_count), MANY);
}

/* What an event has read from a kept list outlives its removal, whatever earlier events read. */
static void reads_and_removes(isle_value message, void *context)
{
    static isle_value list, cell;
    isle_value text;

    (void)context;
    (void)number_of(message);
    if (isle_as_int(message) == 1) {
        list = isle_keep(isle_list());
        isle_list_add(list, isle_stringf("%060d", 7));
        (void)isle_list_get(list, 0);
        return;
    }
    if (isle_as_int(message) == 3)
        return;
    text = isle_list_get(list, 0);
    isle_list_set(list, 0, isle_null());
    for (int i = 0; i < 10000; i++) {
        ISLE_SCOPE;
        isle_cell_set(&cell, isle_stringf("%060d", 8));
    }
    CHECK_INT(isle_as_string(text)[59], '7');
    isle_cell_set(&cell, isle_null());
    isle_release(list);
}

TEST_ROOT(what_an_event_reads_is_good_until_its_end)
{
    spawn_flooded(reads_and_removes, 3, NULL);
    settle();
    check_notes((const int64_t[]){1, 2, 3}, 3);
}

/* Messages that it sends itself, without end. */
static void sends_on(isle_value message, void *context)
{
    (void)context;
    isle_send(isle_current().default_port, message);
}

static void never_idle(isle_value root)
{
    isle_port_listen(isle_default_port(), sends_on, NULL);
    isle_send(isle_current().default_port, isle_null());
    isle_send(isle_as_port(root), isle_null());
}

TEST(who_always_has_mail_gives_way)
{
    enum { BUSY = 40 };
    isle_receive_port *port;
    isle_isolate busy[BUSY];
    uint64_t threads;

    CHECK_ERR(isle_start(0, NULL, &(isle_program_options){.worker_count = 1}), ISLE_OK);
    port = isle_port_open();
    threads = stats_now().threads;
    for (int i = 0; i < BUSY; i++)
        busy[i] = isle_spawn(never_idle, isle_port_value(port), NULL);
    for (int i = 0; i < BUSY; i++)
        check_null(isle_port_receive(port));
    /* The monitor may add a few on a slow machine, but they share what there is. */
    CHECK(stats_now().threads < threads + BUSY / 2);
    for (int i = 0; i < BUSY; i++)
        isle_kill(busy[i], ISLE_IMMEDIATE);
    settle();
    isle_stop();
}

/* --- mailboxes */

static void notes_all(isle_value message, void *context)
{
    (void)context;
    note(isle_as_int(message));
    if (isle_as_int(message) == 2)
        isle_port_close(isle_default_port());
}

static void is_answered(isle_value message)
{
    isle_send_port own = isle_current().default_port;

    (void)message;
    isle_port_listen(isle_default_port(), notes_all, NULL);
    for (int i = 5; i < 10; i++)
        isle_ping(isle_current(), own, isle_int(i), ISLE_IMMEDIATE);
    CHECK_ERR(isle_try_send(own, isle_int(1)), ISLE_OK);
    CHECK_ERR(isle_try_send(own, isle_int(2)), ISLE_OK);
    CHECK_ERR(isle_try_send(own, isle_int(3)), ISLE_EFULL);
}

TEST_ROOT(answers_take_no_room_of_messages)
{
    atomic_store(&note_count, 0);
    isle_spawn(is_answered, isle_null(), &(isle_options){.mailbox_max_messages = 2});
    settle();
    check_notes((const int64_t[]){5, 6, 7, 8, 9, 1, 2}, 7);
}

/* --- waits that are refused */

/* The table of timers is full, and there is no memory for a larger one. */
enum { TIMERS = 1024 };

static void no_task(void *context)
{
    (void)context;
}

static void *blocks[64];
static int block_count;

static isle_value takes_block(isle_value size)
{
    blocks[block_count] = isle_alloc((size_t)isle_as_int(size));
    CHECK(++block_count < 64);
    return isle_null();
}

static void fill_memory(void)
{
    isle_err err;

    for (int64_t size = 65536; size >= 1024; size /= 4) {
        do
            err = isle_try(takes_block, isle_int(size), NULL);
        while (err == ISLE_OK);
        CHECK_ERR(err, ISLE_ENOMEM);
    }
}

static void is_refused(isle_value root)
{
    static isle_timer *timers[TIMERS];
    isle_receive_port *port = isle_port_open();

    for (int i = 0; i < TIMERS; i++)
        timers[i] = isle_timer_start(ISLE_SECONDS(1000), no_task, NULL);
    fill_memory();
    CHECK_ERR(isle_port_try_receive(port, ISLE_SECONDS(1), NULL), ISLE_ENOMEM);
    while (block_count > 0)
        isle_free(blocks[--block_count]);
    for (int i = 0; i < TIMERS; i++)
        isle_timer_cancel(timers[i]);
    for (int64_t i = 0; i < 3; i++) {
        isle_send(isle_as_port(root), isle_port_value(port));
        CHECK_INT(receive_int(port), i);
    }
    isle_port_close(port);
}

TEST_ROOT(a_refused_wait_leaves_nobody_waiting)
{
    isle_receive_port *port = isle_port_open();

    isle_spawn(is_refused, isle_port_value(port), &(isle_options){.memory_max = LARGE});
    for (int64_t i = 0; i < 3; i++)
        isle_send(isle_as_port(isle_port_receive(port)), isle_int(i));
    settle();
    isle_port_close(port);
}

/* --- slots */

TEST_ROOT(ports_by_the_hundred_are_each_their_own)
{
    enum { PORTS = 300 };
    isle_receive_port *ports[PORTS];
    isle_value message;

    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < PORTS; i++)
            ports[i] = isle_port_open();
        for (int i = 0; i < PORTS; i++)
            isle_send(isle_port_send_port(ports[i]), isle_int(i));
        for (int i = 0; i < PORTS; i++) {
            CHECK_ERR(isle_port_try_receive(ports[i], 0, &message), ISLE_OK);
            CHECK_INT(isle_as_int(message), i);
        }
        for (int i = 0; i < PORTS; i++)
            isle_port_close(ports[i]);
    }
}

TEST_MAIN()
