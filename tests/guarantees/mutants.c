/* SPDX-License-Identifier: Apache-2.0 */
/* What a broken core would get wrong with ports, control and the life of isolates: each test here
 * is the one that notices entries of tools/mutations.txt which no other test does. */
#include "guarantees.h"

static isle_send_port port_of(isle_receive_port *port)
{
    return isle_port_send_port(port);
}

/* --- receiving */

TEST_ROOT(receive_any_takes_the_earliest_arrival)
{
    isle_receive_port *a = isle_port_open(), *b = isle_port_open();
    isle_receive_port *both[] = {a, b};
    isle_receive_port *const order[] = {b, a, a, b, a};
    isle_value message;

    for (int i = 0; i < 5; i++)
        isle_send(port_of(order[i]), isle_int(i));
    settle(); /* all have arrived, and wait in their ports */
    for (int i = 0; i < 5; i++) {
        CHECK(isle_port_receive_any(both, 2, ISLE_FOREVER, &message) == order[i]);
        CHECK_INT(isle_as_int(message), i);
    }
    CHECK(isle_port_receive_any(both, 2, 0, &message) == NULL);
    isle_port_close(a);
    isle_port_close(b);
}

static bool is_even(isle_value value, void *context)
{
    ++*(int *)context;
    return isle_as_int(value) % 2 == 0;
}

TEST_ROOT(receive_if_leaves_the_others_in_order)
{
    isle_receive_port *port = isle_port_open();
    const int64_t numbers[] = {1, 3, 4, 5, 6, 7};
    int asked = 0;

    for (int i = 0; i < 6; i++)
        isle_send(port_of(port), isle_int(numbers[i]));
    settle();
    CHECK_INT(isle_as_int(isle_port_receive_if(port, is_even, &asked)), 4);
    CHECK_INT(asked, 3);
    CHECK_INT(isle_as_int(isle_port_receive_if(port, is_even, &asked)), 6);
    CHECK_INT(receive_int(port), 1);
    CHECK_INT(receive_int(port), 3);
    CHECK_INT(receive_int(port), 5);
    CHECK_INT(receive_int(port), 7);
    CHECK_INT(isle_mailbox_count(), 0);
    isle_port_close(port);
}

/* A handler that suspends in a receive on another port, which a later event closes. */
static isle_receive_port *awaited;
static isle_err awaited_err;

static void closes(void *context)
{
    isle_port_close(context);
}

static void waits_in_receive(isle_value message, void *port)
{
    (void)message;
    isle_timer_start(ISLE_MS(1), closes, awaited);
    isle_timer_start(ISLE_MS(2), closes, port);
    awaited_err = isle_port_try_receive(awaited, ISLE_SECONDS(20), NULL);
}

TEST_ROOT(closing_wakes_who_receives)
{
    isle_receive_port *port = isle_port_open();
    int64_t start = isle_now_ns();

    awaited = isle_port_open();
    isle_port_listen(port, waits_in_receive, port);
    isle_send(port_of(port), isle_null());
    isle_loop();
    CHECK_ERR(awaited_err, ISLE_ECLOSED);
    CHECK(isle_now_ns() - start < ISLE_SECONDS(15));
}

static int64_t noted[16];
static int noted_count;

static void notes(isle_value message, void *context)
{
    (void)context;
    noted[noted_count++] = isle_as_int(message);
}

/* What came before somebody asked for the default port waits in it. */
static void asks_late(isle_value root)
{
    isle_receive_port *own = isle_port_open();

    isle_send(isle_as_port(root), isle_port_value(own));
    (void)isle_port_receive(own);
    isle_port_close(own);
    for (int i = 0; i < 3; i++)
        isle_send(isle_as_port(root), isle_port_receive(isle_default_port()));
    isle_port_close(isle_default_port());
}

TEST_ROOT(the_default_port_keeps_what_came_before_it)
{
    isle_receive_port *port = isle_port_open();
    isle_isolate isolate = isle_spawn(asks_late, isle_port_value(port), NULL);
    isle_send_port go = isle_as_port(isle_port_receive(port));

    for (int i = 0; i < 3; i++)
        isle_send(isolate.default_port, isle_int(i));
    isle_send(go, isle_null());
    for (int i = 0; i < 3; i++)
        CHECK_INT(receive_int(port), i);
    settle();
    isle_port_close(port);
}

/* Asking for the default port engages nobody; listening does, until it is closed. */
static void only_asks(isle_value message)
{
    (void)message;
    (void)isle_default_port();
}

static void closes_default(isle_value message, void *context)
{
    (void)context;
    if (isle_is_null(message))
        isle_port_close(isle_default_port());
    else
        isle_send(isle_as_port(message), isle_int(1));
}

static void listens(isle_value message)
{
    (void)message;
    isle_port_listen(isle_default_port(), closes_default, NULL);
}

TEST_ROOT(the_default_port_keeps_alive_once_it_is_used)
{
    isle_receive_port *port = isle_port_open();
    isle_options options = {.on_exit = port_of(port)};
    isle_isolate isolate;

    isle_spawn(only_asks, isle_null(), &options);
    check_null(isle_port_receive(port));
    isolate = isle_spawn(listens, isle_null(), &options);
    for (int i = 0; i < 3; i++) {
        isle_send(isolate.default_port, isle_port_value(port));
        CHECK_INT(receive_int(port), 1);
    }
    isle_send(isolate.default_port, isle_null());
    check_null(isle_port_receive(port));
    isle_port_close(port);
}

static void opens_quietly(isle_value keep)
{
    isle_receive_port *own = isle_port_open();

    isle_port_set_keep_alive(own, false);
    isle_port_set_keep_alive(own, false);
    if (isle_as_bool(keep)) {
        isle_port_set_keep_alive(own, true);
        isle_port_set_keep_alive(own, true);
        isle_port_close(own);
    }
}

TEST_ROOT(a_port_that_need_not_be_kept_lets_its_isolate_end)
{
    isle_spawn(opens_quietly, isle_bool(false), NULL);
    isle_spawn(opens_quietly, isle_bool(true), NULL);
    settle();
}

/* The handle and the send port of a closed port lead to no later one. */
static isle_value send_port_of(isle_value pointer)
{
    return isle_port_value(isle_as_pointer(pointer));
}

TEST_ROOT(a_closed_port_is_never_another)
{
    isle_receive_port *old = isle_port_open(), *new;
    isle_send_port to = port_of(old);

    for (int i = 0; i < 1000; i++) {
        isle_port_close(old);
        new = isle_port_open();
        CHECK(new != old);
        CHECK(!isle_send_port_equal(to, port_of(new)));
        isle_send(to, isle_int(i));
        CHECK_ERR(isle_try(send_port_of, isle_pointer(old), NULL), ISLE_ECLOSED);
        CHECK(port_is_empty(new));
        isle_port_close(old);
        isle_send(port_of(new), isle_int(i));
        CHECK_INT(receive_int(new), i);
        to = port_of(new);
        old = new;
    }
    isle_port_close(old);
}

/* What had come to the port itself, out of the common mailbox, gives its room back as well. */
TEST_ROOT(what_waits_in_a_port_ends_with_it)
{
    isle_receive_port *port = isle_port_open();
    uint64_t before = stats_now().dropped_closed;

    for (int i = 0; i < 5; i++)
        isle_send(port_of(port), isle_string("longer than what fits into a word"));
    settle();
    CHECK_INT(isle_mailbox_count(), 5);
    isle_port_close(port);
    CHECK_INT(isle_mailbox_count(), 0);
    CHECK_UINT(stats_now().dropped_closed, before + 5);
}

/* A handler that waits lets the next message be served before it ends. */
static isle_future *first_waits_for;

static void served(isle_value message, void *context)
{
    if (isle_as_int(message) == 0) {
        isle_await(first_waits_for);
        isle_port_close(context);
    } else {
        isle_future_complete(first_waits_for, isle_null());
    }
    notes(message, NULL);
}

TEST_ROOT(a_handler_that_waits_lets_others_go_on)
{
    isle_receive_port *port = isle_port_open();

    first_waits_for = isle_future_new();
    isle_port_listen(port, served, port);
    isle_send(port_of(port), isle_int(0));
    isle_send(port_of(port), isle_int(1));
    isle_loop();
    CHECK_INT(noted_count, 2);
    CHECK_INT(noted[0], 1);
    CHECK_INT(noted[1], 0);
}

/* --- handles, control, life */

static isle_value asks(isle_value pointer)
{
    return isle_await(isle_as_pointer(pointer));
}

static isle_value same(isle_value request, void *context)
{
    (void)context;
    return request;
}

static void serves(isle_value message)
{
    (void)message;
    isle_port_serve(isle_default_port(), same, NULL);
}

TEST_ROOT(a_handle_is_of_its_own_kind)
{
    isle_timer *timer = isle_timer_start(ISLE_SECONDS(1000), closes, NULL);

    CHECK_ERR(isle_try(send_port_of, isle_pointer(timer), NULL), ISLE_ECLOSED);
    CHECK_ERR(isle_try(asks, isle_pointer(timer), NULL), ISLE_ESTALE);
    isle_timer_cancel(timer);
}

/* A handler hears what waited before what it sends to itself. */
static void resends(isle_value message, void *context)
{
    isle_receive_port *port = context;

    notes(message, NULL);
    if (noted_count == 1) {
        isle_send(port_of(port), isle_int(9));
        isle_sleep(0);
    }
    if (isle_as_int(message) == 9)
        isle_port_close(port);
}

TEST_ROOT(what_waited_is_heard_first)
{
    isle_receive_port *port = isle_port_open();

    for (int i = 0; i < 5; i++)
        isle_send(port_of(port), isle_int(i));
    settle();
    isle_port_listen(port, resends, port);
    isle_loop();
    CHECK_INT(noted_count, 6);
    for (int i = 0; i < 5; i++)
        CHECK_INT(noted[i], i);
}

enum { CLOSING = 8 };

TEST_ROOT(a_port_that_closes_leaves_the_others_their_mail)
{
    const int closed[] = {3, 2, 4, 0, 7};
    isle_receive_port *ports[CLOSING];

    for (int i = 0; i < CLOSING; i++) {
        ports[i] = isle_port_open();
        isle_send(port_of(ports[i]), isle_int(i));
    }
    settle();
    for (int i = 0; i < CLOSING; i++)
        isle_port_listen(ports[i], notes, NULL);
    for (int i = 0; i < 5; i++)
        isle_port_close(ports[closed[i]]);
    settle();
    CHECK_INT(noted_count, 3);
    CHECK_INT(noted[0], 1);
    CHECK_INT(noted[1], 5);
    CHECK_INT(noted[2], 6);
    for (int i = 5; i < 7; i++)
        isle_port_close(ports[i]);
    isle_port_close(ports[1]);
}

/* Inside one event: a ping before the next event is not answered, an immediate one is. */
static void pings_itself(isle_value message)
{
    isle_receive_port *port = isle_port_open();
    isle_send_port root = isle_as_port(message), own = port_of(port);

    for (int i = 0; i < 4; i++)
        isle_ping(isle_current(), own, isle_int(i), ISLE_BEFORE_NEXT_EVENT);
    isle_ping(isle_current(), own, isle_int(9), ISLE_IMMEDIATE);
    isle_checkpoint();
    isle_send(root, isle_int((int64_t)isle_mailbox_count()));
    for (int i = 0; i < 5; i++)
        isle_send(root, isle_port_receive(port));
    isle_port_close(port);
}

TEST_ROOT(requests_before_the_next_event_wait_for_it_in_order)
{
    isle_receive_port *port = isle_port_open();

    isle_spawn(pings_itself, isle_port_value(port), NULL);
    CHECK_INT(receive_int(port), 1);
    CHECK_INT(receive_int(port), 9);
    for (int i = 0; i < 4; i++)
        CHECK_INT(receive_int(port), i);
    isle_port_close(port);
}

/* The bound holds for those that were seen at a checkpoint and wait for the end of the event. */
static _Atomic bool flood_over;

static void computes(isle_value root)
{
    isle_send(isle_as_port(root), isle_null());
    while (!atomic_load(&flood_over))
        isle_checkpoint();
}

static isle_value ping_in_time(isle_value isolate)
{
    isle_isolate target = isle_as_isolate(isolate);

    isle_ping(target, target.default_port, isle_null(), ISLE_BEFORE_NEXT_EVENT);
    return isle_null();
}

TEST_ROOT(requests_that_wait_for_the_next_event_are_capped)
{
    needs_shared_program();
    isle_receive_port *port = isle_port_open();
    isle_isolate isolate = isle_spawn(computes, isle_port_value(port), NULL);
    isle_err err = ISLE_OK;

    check_null(isle_port_receive(port));
    for (int i = 0; i < 200000 && err == ISLE_OK; i++) {
        ISLE_SCOPE;
        err = isle_try(ping_in_time, isle_isolate_value(isolate), NULL);
    }
    CHECK_ERR(err, ISLE_EFULL);
    atomic_store(&flood_over, true);
    settle();
    isle_port_close(port);
}

/* A ping that comes with a kill, but after it, finds nobody. */
static sem_t began, go_on;

static void is_held(isle_value message)
{
    (void)message;
    sem_post(&began);
    semaphore_wait(&go_on);
}

TEST_ROOT(a_ping_behind_a_kill_finds_nobody)
{
    needs_shared_program();
    isle_receive_port *port = isle_port_open(), *over = isle_port_open();
    isle_isolate isolate;

    sem_init(&began, 0, 0);
    sem_init(&go_on, 0, 0);
    isolate = isle_spawn(is_held, isle_null(), &(isle_options){.on_exit = port_of(over)});
    semaphore_wait(&began);
    isle_ping(isolate, port_of(port), isle_int(1), ISLE_IMMEDIATE);
    isle_kill(isolate, ISLE_IMMEDIATE);
    isle_ping(isolate, port_of(port), isle_int(2), ISLE_IMMEDIATE);
    sem_post(&go_on);
    check_null(isle_port_receive(over));
    CHECK_INT(receive_int(port), 1);
    settle();
    CHECK(port_is_empty(port));
    isle_port_close(port);
    isle_port_close(over);
}

TEST_ROOT(a_capability_is_good_for_its_own_purpose)
{
    isle_isolate isolate = isle_spawn(serves, isle_null(), NULL), crossed = isolate;

    crossed.pause_capability = isolate.terminate_capability;
    crossed.terminate_capability = isolate.pause_capability;
    isle_pause(crossed, (isle_capability){0});
    isle_kill(crossed, ISLE_IMMEDIATE);
    CHECK_INT(isle_as_int(isle_await(isle_call(isolate.default_port, isle_int(1), ISLE_FOREVER))),
              1);
    isle_kill(isolate, ISLE_IMMEDIATE);
    settle();
}

static void pauses_itself(isle_value root)
{
    (void)isle_pause(isle_current(), isle_capability_new());
    isle_send(isle_as_port(root), isle_null());
}

/* Nothing keeps it alive but the pause, and its key is lost. */
TEST_ROOT(a_paused_isolate_stays)
{
    isle_receive_port *port = isle_port_open();
    isle_isolate isolate = isle_spawn(pauses_itself, isle_port_value(port), NULL);

    check_null(isle_port_receive(port));
    for (int i = 0; i < 20; i++) {
        isle_ping(isolate, port_of(port), isle_int(i), ISLE_BEFORE_NEXT_EVENT);
        CHECK_INT(receive_int(port), i);
    }
    isle_kill(isolate, ISLE_IMMEDIATE);
    settle();
    isle_port_close(port);
}

TEST_ROOT(a_pause_ends_with_its_own_key_only)
{
    isle_receive_port *port = isle_port_open();
    isle_isolate isolate = isle_spawn(serves, isle_null(), NULL);
    isle_capability key = isle_pause(isolate, isle_capability_new());
    isle_future *answer;

    isle_resume(isolate, isle_capability_new());
    isle_resume(isolate, isolate.pause_capability);
    answer = isle_call(isolate.default_port, isle_int(1), ISLE_FOREVER);
    for (int i = 0; i < 20; i++) {
        isle_ping(isolate, port_of(port), isle_int(i), ISLE_BEFORE_NEXT_EVENT);
        CHECK_INT(receive_int(port), i);
    }
    CHECK(!isle_future_is_complete(answer));
    isle_resume(isolate, key);
    CHECK_INT(isle_as_int(isle_await(answer)), 1);
    isle_kill(isolate, ISLE_IMMEDIATE);
    isle_port_close(port);
}

static void leaves(isle_value message)
{
    (void)message;
}

TEST_ROOT(a_deadline_keeps_nobody_alive)
{
    isle_spawn(leaves, isle_null(), &(isle_options){.deadline_ns = ISLE_SECONDS(1000)});
    settle();
}

/* Timers that are always due leave every other turn to mail. */
static int ticks;

static void due_again(void *context)
{
    (void)context;
    ticks++;
    isle_timer_start(0, due_again, NULL);
}

static void is_reached(isle_value message, void *context)
{
    (void)message, (void)context;
    isle_exit(isle_send_port_none(), isle_null());
}

static void has_due_timers(isle_value message)
{
    (void)message;
    isle_port_listen(isle_default_port(), is_reached, NULL);
    isle_timer_start(0, due_again, NULL);
}

TEST_ROOT(due_timers_and_mail_take_turns)
{
    isle_isolate isolate = isle_spawn(has_due_timers, isle_null(), &(isle_options){.paused = true});

    isle_send(isolate.default_port, isle_null());
    isle_resume(isolate, isolate.pause_capability);
    settle();
    CHECK(ticks < 1000);
}

TEST_MAIN()
