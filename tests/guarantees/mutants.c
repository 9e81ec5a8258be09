/* SPDX-License-Identifier: Apache-2.0 */
/* What a broken core would get wrong with ports, requests and futures: each test here is the one
 * that notices entries of tools/mutations.txt which no other test does. */
#include "guarantees.h"

static isle_value echo(isle_value argument)
{
    return argument;
}

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

static void waits_in_receive(isle_value message, void *context)
{
    (void)message, (void)context;
    awaited_err = isle_port_try_receive(awaited, ISLE_SECONDS(20), NULL);
}

static void closes(void *context)
{
    isle_port_close(context);
}

TEST_ROOT(closing_wakes_who_receives)
{
    isle_receive_port *port = isle_port_open();
    int64_t start = isle_now_ns();

    awaited = isle_port_open();
    isle_port_listen(port, waits_in_receive, NULL);
    isle_send(port_of(port), isle_null());
    isle_timer_start(ISLE_MS(1), closes, awaited);
    isle_timer_start(ISLE_MS(2), closes, port);
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

/* --- requests */

static isle_value answers(isle_value request, void *context)
{
    (void)context;
    if (isle_kind_of(request) == ISLE_NULL)
        isle_exit(isle_send_port_none(), isle_null());
    if (isle_kind_of(request) == ISLE_BOOL)
        isle_sleep(ISLE_SECONDS(1000));
    return request;
}

static void serves(isle_value message)
{
    (void)message;
    isle_port_serve(isle_default_port(), answers, NULL);
}

static isle_err call(isle_isolate isolate, isle_value request, int64_t timeout_ns)
{
    ISLE_SCOPE;
    return isle_try_await(isle_call(isolate.default_port, request, timeout_ns), ISLE_FOREVER, NULL);
}

/* ISLE_ECLOSED for: the one that is served, one that waits in the mailbox, one that comes later. */
TEST_ROOT(a_service_that_ends_answers_all_who_call)
{
    isle_isolate isolate = isle_spawn(serves, isle_null(), NULL);
    isle_future *slept = isle_call(isolate.default_port, isle_bool(true), ISLE_FOREVER);
    isle_future *last = isle_call(isolate.default_port, isle_null(), ISLE_FOREVER);

    CHECK_ERR(isle_try_await(last, ISLE_FOREVER, NULL), ISLE_ECLOSED);
    CHECK_ERR(isle_try_await(slept, ISLE_FOREVER, NULL), ISLE_ECLOSED);
    CHECK_ERR(call(isolate, isle_int(1), ISLE_FOREVER), ISLE_ECLOSED);
    isolate = isle_spawn(serves, isle_null(), &(isle_options){.paused = true});
    last = isle_call(isolate.default_port, isle_int(1), ISLE_FOREVER);
    isle_kill(isolate, ISLE_IMMEDIATE);
    CHECK_ERR(isle_try_await(last, ISLE_FOREVER, NULL), ISLE_ECLOSED);
    settle();
}

TEST_ROOT(a_reply_after_the_timeout_is_late)
{
    isle_isolate isolate = isle_spawn(serves, isle_null(), &(isle_options){.paused = true});
    isle_stats before = stats_now(), after;

    CHECK_ERR(call(isolate, isle_int(1), ISLE_MS(1)), ISLE_ETIMEDOUT);
    isle_resume(isolate, isolate.pause_capability);
    CHECK_ERR(call(isolate, isle_int(2), ISLE_FOREVER), ISLE_OK);
    isle_kill(isolate, ISLE_IMMEDIATE);
    settle();
    after = stats_now();
    CHECK_UINT(after.dropped_late, before.dropped_late + 1);
    CHECK_UINT(after.dropped_closed, before.dropped_closed);
    CHECK_UINT(after.dropped_dead, before.dropped_dead);
}

/* --- futures */

static isle_value complete_twice(isle_value pointer)
{
    isle_future_complete(isle_as_pointer(pointer), isle_int(2));
    return isle_null();
}

static isle_value never(isle_value argument)
{
    do
        isle_sleep(ISLE_MS(1));
    while (isle_is_null(argument));
    return argument;
}

TEST_ROOT(cancel_ends_what_it_stood_for)
{
    isle_future *run = isle_run(never, isle_null(), NULL), *own = isle_future_new();

    isle_future_cancel(run);
    CHECK_ERR(isle_try_await(run, 0, NULL), ISLE_ECANCELED);
    settle();
    isle_future_cancel(own);
    isle_future_complete(own, isle_int(1));
    CHECK_ERR(isle_try_await(own, 0, NULL), ISLE_ECANCELED);
    own = isle_future_new();
    isle_future_complete(own, isle_int(1));
    CHECK_ERR(isle_try(complete_twice, isle_pointer(own), NULL), ISLE_ECLOSED);
    isle_future_cancel(own);
    CHECK_INT(isle_as_int(isle_await(own)), 1);
}

static isle_value asks(isle_value pointer)
{
    return isle_await(isle_as_pointer(pointer));
}

/* A result leaves its isolate as it lies: where it was built is where it is read. */
static const void *built_at;

static isle_value builds(isle_value argument)
{
    isle_value bytes = isle_bytes(NULL, 1 << 20);

    built_at = isle_as_bytes(bytes, NULL);
    return isle_is_null(argument) ? bytes : (isle_exit(isle_as_port(argument), bytes), bytes);
}

static void builds_and_exits(isle_value root)
{
    (void)builds(root);
}

TEST_ROOT(results_are_moved)
{
    isle_receive_port *port = isle_port_open();

    CHECK(isle_as_bytes(isle_await(isle_run(builds, isle_null(), NULL)), NULL) == built_at);
    isle_spawn(builds_and_exits, isle_port_value(port), NULL);
    CHECK(isle_as_bytes(isle_port_receive(port), NULL) == built_at);
    isle_port_close(port);
}

/* Awaiting again and again leaves nothing behind, nor does giving way in one long event. */
static void wait_often(void)
{
    for (int i = 0; i < 100; i++) {
        ISLE_SCOPE;
        isle_future *run = isle_run(echo, isle_int(i), NULL);

        CHECK_INT(isle_as_int(isle_await(isle_future_timeout(run, ISLE_SECONDS(1000)))), i);
    }
    for (int i = 0; i < 500; i++)
        isle_sleep(0);
}

TEST_ROOT(waiting_leaves_no_trace)
{
    size_t used;

    wait_often();
    used = isle_memory_used();
    wait_often();
    CHECK_UINT(isle_memory_used(), used);
}

/* --- handles, control, life */

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

TEST_ROOT(a_capability_is_good_for_its_own_purpose)
{
    isle_isolate isolate = isle_spawn(serves, isle_null(), NULL), crossed = isolate;

    crossed.pause_capability = isolate.terminate_capability;
    crossed.terminate_capability = isolate.pause_capability;
    isle_pause(crossed, (isle_capability){0});
    isle_kill(crossed, ISLE_IMMEDIATE);
    CHECK_ERR(call(isolate, isle_int(1), ISLE_FOREVER), ISLE_OK);
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

/* Nothing is left of it but a callback that waits for a reply. */
static void tells_root(isle_value value, void *context)
{
    isle_send((isle_send_port){(uint64_t)(uintptr_t)context}, value);
}

static void calls_and_leaves(isle_value message)
{
    isle_send_port service, root;

    isle_unpack(message, "[p,p!]", &service, &root);
    isle_then(isle_call(service, isle_int(5), ISLE_FOREVER), tells_root, NULL,
              (void *)(uintptr_t)root.id);
}

TEST_ROOT(a_call_keeps_its_isolate_alive)
{
    isle_receive_port *port = isle_port_open(), *over = isle_port_open();
    isle_isolate service = isle_spawn(serves, isle_null(), &(isle_options){.paused = true});
    isle_isolate caller =
        isle_spawn(calls_and_leaves, isle_pack("[p,p]", service.default_port, port_of(port)), NULL);

    for (int i = 0; i < 20; i++) {
        isle_ping(caller, port_of(over), isle_int(i), ISLE_BEFORE_NEXT_EVENT);
        CHECK_INT(receive_int(over), i);
    }
    isle_resume(service, service.pause_capability);
    CHECK_INT(receive_int(port), 5);
    isle_kill(service, ISLE_IMMEDIATE);
    settle();
    isle_port_close(port);
    isle_port_close(over);
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
    isle_isolate isolate = isle_spawn(has_due_timers, isle_null(), NULL);

    isle_send(isolate.default_port, isle_null());
    settle();
    CHECK(ticks < 1000000);
}

TEST_MAIN()
