/* SPDX-License-Identifier: Apache-2.0 */
/* What a hostile reading of the core found: each of these once crashed, leaked, spun or hung. */
#include "guarantees.h"

#include <time.h>

/* --- predicates that do more than look */

static isle_receive_port *looked_at;
static isle_value remembered;

static bool closes_the_port(isle_value message, void *context)
{
    (void)message;
    (void)context;
    isle_port_close(looked_at);
    return true;
}

static isle_value receive_closed(isle_value unused)
{
    (void)unused;
    return isle_port_receive_if(looked_at, closes_the_port, NULL);
}

TEST_ROOT(a_predicate_may_close_its_port)
{
    uint64_t dropped = stats_now().dropped_closed;

    looked_at = isle_port_open();
    isle_send(isle_port_send_port(looked_at), isle_string("one message that is looked at"));
    isle_sleep(0);
    CHECK_ERR(isle_try(receive_closed, isle_null(), NULL), ISLE_ECLOSED);
    CHECK_INT(stats_now().dropped_closed - dropped, 1);
}

static bool receives_itself(isle_value message, void *context)
{
    isle_value other;

    if (isle_as_int(isle_list_get(message, 0)) != 1)
        return true;
    CHECK_ERR(isle_port_try_receive(looked_at, 0, &other), ISLE_OK);
    *(int64_t *)context = isle_as_int(isle_list_get(other, 0));
    return false;
}

TEST_ROOT(a_predicate_may_receive_from_its_port)
{
    int64_t inner = 0;

    looked_at = isle_port_open();
    for (int64_t i = 1; i <= 3; i++) {
        isle_value message = isle_list();

        isle_list_add(message, isle_int(i));
        isle_send(isle_port_send_port(looked_at), message);
    }
    isle_sleep(0);
    isle_value chosen = isle_port_receive_if(looked_at, receives_itself, &inner);
    CHECK_INT(inner, 2); /* the one that is looked at is not there meanwhile */
    CHECK_INT(isle_as_int(isle_list_get(chosen, 0)), 3);
    CHECK_INT(isle_as_int(isle_list_get(isle_port_receive(looked_at), 0)), 1);
    isle_port_close(looked_at);
}

static bool exits(isle_value message, void *context)
{
    (void)context;
    isle_exit(isle_send_port_none(), message);
}

static void receive_and_exit(isle_value unused)
{
    isle_receive_port *port = isle_port_open();

    (void)unused;
    isle_send(isle_port_send_port(port),
              isle_string("a message that is looked at for the last time"));
    (void)isle_port_receive_if(port, exits, NULL);
}

TEST_ROOT(a_predicate_may_exit)
{
    for (int i = 0; i < 3; i++) {
        uint64_t before = memory_held();

        isle_spawn(receive_and_exit, isle_null(), NULL);
        settle();
        CHECK(i == 0 || memory_returns_to(before));
    }
}

static bool changes_it(isle_value message, void *context)
{
    (void)context;
    for (int i = 0; i < 1000; i++)
        isle_list_add(message, isle_int(i));
    return true;
}

static isle_value receive_changed(isle_value unused)
{
    (void)unused;
    return isle_port_receive_if(looked_at, changes_it, NULL);
}

TEST_ROOT(a_predicate_cannot_change_what_it_sees)
{
    looked_at = isle_port_open();
    isle_send(isle_port_send_port(looked_at), isle_list());
    isle_sleep(0);
    CHECK_ERR(isle_try(receive_changed, isle_null(), NULL), ISLE_EUNSUPPORTED);
    CHECK_INT(isle_count(isle_port_receive(looked_at)), 0);
    isle_port_close(looked_at);
}

static bool remembers_it(isle_value message, void *context)
{
    (void)context;
    isle_cell_set(&remembered, message);
    return isle_count(message) > 1;
}

/* What a predicate keeps is a copy: releasing it, and the collection after that, leave the message
 * alone. */
TEST_ROOT(a_predicate_may_keep_what_it_sees)
{
    static const char block[10000];

    looked_at = isle_port_open();
    for (int i = 1; i <= 2; i++) {
        isle_value message = isle_list();

        for (int j = 0; j < i; j++)
            isle_list_add(message, isle_string("a text that needs memory of its own"));
        isle_send(isle_port_send_port(looked_at), message);
    }
    isle_sleep(0);
    isle_value chosen = isle_port_receive_if(looked_at, remembers_it, NULL);
    CHECK_INT(isle_count(remembered), 2);
    isle_cell_set(&remembered, isle_null());
    for (int i = 0; i < 100; i++) { /* more than makes a collection */
        ISLE_SCOPE;
        isle_cell_set(&remembered, isle_bytes(block, sizeof block));
    }
    isle_cell_set(&remembered, isle_null());
    CHECK_STRING(isle_as_string(isle_list_get(chosen, 1)), "a text that needs memory of its own");
    isle_value first = isle_port_receive(looked_at);
    CHECK_STRING(isle_as_string(isle_list_get(first, 0)), "a text that needs memory of its own");
    isle_port_close(looked_at);
}

static bool keeps_a_transferable(isle_value message, void *context)
{
    (void)context;
    isle_release(isle_keep(message));
    return true;
}

TEST_ROOT(a_predicate_cannot_take_a_transferable)
{
    looked_at = isle_port_open();
    isle_value bytes = isle_transferable(64);
    memcpy(isle_transferable_data(bytes), "there", 6);
    isle_send(isle_port_send_port(looked_at), bytes);
    isle_sleep(0);
    isle_value message = isle_port_receive_if(looked_at, keeps_a_transferable, NULL);
    CHECK_STRING((const char *)isle_transferable_data(message), "there");
    isle_port_close(looked_at);
}

static bool is_second(isle_value message, void *context)
{
    ++*(int *)context;
    return isle_as_int(message) == 2;
}

static void send_second(void *unused)
{
    (void)unused;
    isle_send(isle_port_send_port(looked_at), isle_int(2));
}

TEST_ROOT(a_predicate_is_asked_once_a_message)
{
    int asked = 0;

    looked_at = isle_port_open();
    isle_send(isle_port_send_port(looked_at), isle_int(1));
    isle_sleep(0);
    isle_timer_start(ISLE_MS(1), send_second, NULL);
    CHECK_INT(isle_as_int(isle_port_receive_if(looked_at, is_second, &asked)), 2);
    CHECK_INT(asked, 2);
    CHECK_INT(receive_int(looked_at), 1);
    isle_port_close(looked_at);
}

static void send_numbers(int64_t first, int64_t last)
{
    for (int64_t i = first; i <= last; i++)
        isle_send(isle_port_send_port(looked_at), isle_int(i));
    isle_sleep(0);
}

/* These wait, in this order, and no others. */
static void expect_numbers(const int64_t *numbers, int count)
{
    for (int i = 0; i < count; i++)
        CHECK_INT(receive_int(looked_at), numbers[i]);
    CHECK_ERR(isle_port_try_receive(looked_at, 0, NULL), ISLE_ETIMEDOUT);
}

static bool receives_what_was_looked_at(isle_value message, void *context)
{
    int64_t number = isle_as_int(message);

    if (number % 2 == 0)
        *(int64_t *)context = *(int64_t *)context * 10 + receive_int(looked_at);
    return number == 7;
}

TEST_ROOT(a_predicate_may_receive_what_it_has_seen)
{
    int64_t inner = 0;

    looked_at = isle_port_open();
    send_numbers(1, 8);
    CHECK_INT(isle_as_int(isle_port_receive_if(looked_at, receives_what_was_looked_at, &inner)), 7);
    CHECK_INT(inner, 123); /* at 2, 4 and 6: the first of those that had been shown */
    expect_numbers((int64_t[]){4, 5, 6, 8}, 4);
    isle_port_close(looked_at);
}

static bool is_number(isle_value message, void *number)
{
    return isle_as_int(message) == *(int64_t *)number;
}

static bool looks_for_others(isle_value message, void *context)
{
    int64_t number = isle_as_int(message), first = 2, last = 6;

    (void)context;
    if (number == 3) {
        CHECK_INT(isle_as_int(isle_port_receive_if(looked_at, is_number, &last)), last);
        CHECK_INT(isle_as_int(isle_port_receive_if(looked_at, is_number, &first)), first);
    }
    return number == 5;
}

TEST_ROOT(a_predicate_may_look_through_its_port)
{
    looked_at = isle_port_open();
    send_numbers(1, 7);
    CHECK_INT(isle_as_int(isle_port_receive_if(looked_at, looks_for_others, NULL)), 5);
    expect_numbers((int64_t[]){1, 3, 4, 7}, 4);
    isle_port_close(looked_at);
}

static bool receives_and_throws(isle_value message, void *context)
{
    (void)context;
    if (isle_as_int(message) != 3)
        return false;
    isle_send(isle_port_send_port(looked_at), isle_int(6));
    CHECK_INT(receive_int(looked_at), 1);
    isle_throw(message);
}

static isle_value receive_throwing(isle_value unused)
{
    (void)unused;
    return isle_port_receive_if(looked_at, receives_and_throws, NULL);
}

TEST_ROOT(a_predicate_that_throws_leaves_the_order)
{
    looked_at = isle_port_open();
    send_numbers(1, 5);
    CHECK_ERR(isle_try(receive_throwing, isle_null(), NULL), ISLE_ETHROWN);
    CHECK_INT(isle_as_int(isle_last_error()), 3);
    isle_sleep(0);
    expect_numbers((int64_t[]){2, 3, 4, 5, 6}, 5);
    isle_port_close(looked_at);
}

/* While one waits who has looked at all, another takes what that one looked at last: by looking
 * through the port itself, or as the first. */
static void take_what_waits(void *context)
{
    int64_t last = 4;

    CHECK_INT(isle_as_int(isle_port_receive_if(looked_at, is_number, &last)), last);
    send_numbers(5, 5);
    for (int64_t i = 1; i <= (context == NULL ? 2 : 5); i++)
        CHECK_INT(i == 4 ? last : receive_int(looked_at), i);
    send_numbers(6, 9);
}

TEST_ROOT(who_waits_goes_on_when_others_took_what_it_has_seen)
{
    int64_t wanted = 8;

    for (int all = 0; all < 2; all++) {
        looked_at = isle_port_open();
        send_numbers(1, 4);
        isle_timer_start(ISLE_MS(1), take_what_waits, all ? &wanted : NULL);
        CHECK_INT(isle_as_int(isle_port_receive_if(looked_at, is_number, &wanted)), wanted);
        if (all)
            expect_numbers((int64_t[]){6, 7, 9}, 3);
        else
            expect_numbers((int64_t[]){3, 5, 6, 7, 9}, 5);
        isle_port_close(looked_at);
    }
}

/* --- an isolate that ends while activities wait */

enum { WAITERS = 40 };

static isle_receive_port *shared_port;
static isle_future *shared_future;

/* Takes the stacks that were given back, and writes all over them. */
static void scribble(void *unused)
{
    volatile unsigned char room[32 * 1024];

    (void)unused;
    for (size_t i = 0; i < sizeof room; i++)
        room[i] = 0xaa;
    isle_sleep(ISLE_SECONDS(1000));
    room[0] = room[1];
}

static sem_t scribbled;

static void told_scribbled(void *unused)
{
    (void)unused;
    sem_post(&scribbled);
}

static void scribbler(isle_value unused)
{
    (void)unused;
    for (int i = 0; i < 3 * WAITERS; i++)
        isle_timer_start(0, scribble, NULL);
    isle_timer_start(0, told_scribbled, NULL);
}

static void complete_all(void *unused)
{
    (void)unused;
    isle_isolate other = isle_spawn(scribbler, isle_null(), NULL);
    semaphore_wait(&scribbled);
    isle_kill(other, ISLE_IMMEDIATE);
    isle_port_close(shared_port);
    isle_future_complete(shared_future, isle_int(1));
}

static void wait_for_future(void *unused)
{
    (void)unused;
    (void)isle_await(shared_future);
}

static void wait_for_message(void *unused)
{
    (void)unused;
    (void)isle_port_receive(shared_port);
}

static void wait_and_complete(void *unused)
{
    (void)unused;
    isle_defer(complete_all, NULL);
    (void)isle_await(isle_future_new());
}

static void ignore_value(isle_value value, void *unused)
{
    (void)value;
    (void)unused;
}

static void many_wait(isle_value ready)
{
    shared_port = isle_port_open();
    shared_future = isle_future_keep(isle_future_new());
    isle_timer_start(0, wait_and_complete, NULL);
    for (int i = 0; i < WAITERS; i++) {
        isle_timer_start(0, wait_for_future, NULL);
        isle_timer_start(0, wait_for_message, NULL);
        isle_then(shared_future, ignore_value, ignore_value, NULL);
    }
    isle_sleep(ISLE_MS(1));
    isle_send(isle_as_port(ready), isle_null());
    (void)isle_port_receive(isle_port_open());
}

/* The oldest one's deferred task wakes all the others, which have been unwound and have no stacks
 * any more. */
TEST_ROOT(an_ending_isolate_wakes_nobody_that_is_gone)
{
    CHECK_INT(sem_init(&scribbled, 0, 0), 0);
    for (int round = 0; round < 5; round++) {
        ISLE_SCOPE;
        isle_receive_port *ready = isle_port_open();
        isle_isolate isolate = isle_spawn(many_wait, isle_port_value(ready), NULL);

        (void)isle_port_receive(ready);
        isle_kill(isolate, ISLE_IMMEDIATE);
        isle_port_close(ready);
        settle();
    }
}

/* --- isle_exit that something stops */

struct leaving {
    isle_value value;
    isle_send_port port;
};

static void leave(void *context)
{
    struct leaving *leaving = context;

    isle_exit(leaving->port, leaving->value);
}

static void exit_in_protect(isle_value port)
{
    struct leaving leaving = {isle_list_fixed(100), isle_as_port(port)};

    for (int i = 0; i < 100; i++)
        isle_list_set(leaving.value, (size_t)i, isle_stringf("part %0300d", i));
    CHECK_ERR(isle_protect(leave, &leaving, NULL), ISLE_ECANCELED);
    CHECK_INT(isle_count(isle_list_get(leaving.value, 99)), 305);
    isle_list_set(leaving.value, 0, isle_string("one more"));
    isle_unwind_continue();
}

TEST_ROOT(a_value_outlives_an_exit_that_was_stopped)
{
    isle_receive_port *port = isle_port_open();

    isle_spawn(exit_in_protect, isle_port_value(port), NULL);
    isle_value last = isle_port_receive(port);
    CHECK_INT(isle_count(last), 100);
    isle_port_close(port);
    settle();
}

static isle_send_port exit_port;

static void exit_at_drop(void *unused)
{
    (void)unused;
    isle_exit(exit_port, isle_string("said when the port was over"));
}

static void exits_late(isle_value unused)
{
    (void)unused;
    isle_port_on_drop(isle_port_open(), exit_at_drop, NULL);
    isle_exit(isle_send_port_none(), isle_null());
}

TEST_ROOT(an_exit_in_a_drop_is_heard)
{
    needs_shared_program();
    isle_receive_port *port = isle_port_open();

    exit_port = isle_port_send_port(port);
    for (int i = 0; i < 3; i++) {
        ISLE_SCOPE;
        uint64_t before = memory_held();

        isle_spawn(exits_late, isle_null(), NULL);
        {
            ISLE_SCOPE;
            CHECK_STRING(isle_as_string(isle_port_receive(port)), "said when the port was over");
        }
        settle();
        CHECK(i == 0 || memory_returns_to(before));
    }
    isle_port_close(port);
}

/* --- a paused isolate sleeps */

static void nothing(void *unused)
{
    (void)unused;
}

static void ticks(isle_value ready)
{
    isle_timer_periodic(ISLE_US(100), nothing, NULL);
    isle_send(isle_as_port(ready), isle_null());
}

/* CPU time of 200 ms, in ms. */
static int64_t cpu_used_meanwhile(void)
{
    clock_t before = clock();

    isle_sleep(ISLE_MS(200));
    return (int64_t)(clock() - before) * 1000 / CLOCKS_PER_SEC;
}

/* Whatever else once used a processor meanwhile: what spins does so all the time. */
TEST_ROOT(a_paused_isolate_with_a_due_timer_costs_nothing)
{
    int64_t used;

    isle_receive_port *ready = isle_port_open();
    isle_isolate isolate = isle_spawn(ticks, isle_port_value(ready), NULL);

    (void)isle_port_receive(ready);
    isle_pause(isolate, (isle_capability){0});
    isle_ping(isolate, isle_port_send_port(ready), isle_null(), ISLE_BEFORE_NEXT_EVENT);
    (void)isle_port_receive(ready);
    isle_sleep(ISLE_MS(20));
    used = cpu_used_meanwhile();
    for (int i = 0; i < 4 && used >= 50; i++)
        used = cpu_used_meanwhile();
    CHECK(used < 50);
    isle_kill(isolate, ISLE_IMMEDIATE);
    isle_port_close(ready);
    settle();
}

/* --- requests that nobody answers */

TEST_ROOT(a_plain_reply_port_hears_nothing_of_a_dead_receiver)
{
    isle_receive_port *closed = isle_port_open(), *reply = isle_port_open();
    isle_send_port to = isle_port_send_port(closed);

    isle_send_with_reply(to, isle_int(1), isle_port_send_port(reply));
    isle_sleep(0);
    isle_port_close(closed);
    isle_send_with_reply(to, isle_int(2), isle_port_send_port(reply));
    isle_sleep(0);
    CHECK(port_is_empty(reply));
    isle_port_close(reply);
}

/* --- no memory */

static isle_value await_kept(isle_value unused)
{
    static const char large[600 * 1000];
    isle_future *future = isle_future_new();

    (void)unused;
    {
        ISLE_SCOPE;
        isle_future *inner = isle_future_keep(isle_future_new());

        isle_future_complete(inner, isle_bytes(large, sizeof large));
        future = inner;
    }
    isle_value got;
    isle_err err = isle_try_await(future, 0, &got);
    CHECK_ERR(err, ISLE_ENOMEM);
    isle_future_release(future);
    return isle_int(1);
}

TEST_ROOT(a_kept_future_without_memory_for_its_value_is_an_error)
{
    isle_future *future =
        isle_run(await_kept, isle_null(), &(isle_options){.memory_max = 1000 * 1000});

    CHECK_INT(isle_as_int(isle_await(future)), 1);
}

/* --- foreign loops, foreign threads */

static void send_on(isle_value message, void *context)
{
    isle_send(*(isle_send_port *)context, message);
}

TEST(dispatch_comes_back_from_a_root_that_is_never_idle)
{
    CHECK_ERR(isle_start(0, NULL, NULL), ISLE_OK);
    isle_receive_port *port = isle_port_open();
    isle_send_port to = isle_port_send_port(port);

    isle_port_listen(port, send_on, &to);
    isle_send(to, isle_null());
    int fd = isle_loop_fd();
    for (int i = 0; i < 3; i++) {
        CHECK(fd >= 0);
        CHECK(isle_dispatch());
    }
    isle_stop();
}

#ifndef GUARANTEES_PROCESS /* it spawns nothing: there is nothing to put behind a wall */
static _Atomic bool posting;

static void *post_always(void *port)
{
    isle_stats stats;

    while (atomic_load(&posting)) {
        (void)!isle_post(*(isle_send_port *)port, "i", 1);
        isle_stats_read(&stats);
    }
    return NULL;
}

TEST(threads_post_while_the_program_starts_and_stops)
{
    pthread_t threads[2];
    isle_send_port port = {77};

    atomic_store(&posting, true);
    for (int i = 0; i < 2; i++)
        CHECK_INT(pthread_create(&threads[i], NULL, post_always, &port), 0);
    for (int64_t i = 0; i < rounds(200, 1000, 5000); i++) {
        CHECK_ERR(isle_start(0, NULL, &(isle_program_options){.worker_count = 1}), ISLE_OK);
        isle_stop();
    }
    atomic_store(&posting, false);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
}
#endif

TEST_MAIN()
