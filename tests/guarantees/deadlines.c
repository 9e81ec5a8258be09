/* SPDX-License-Identifier: Apache-2.0 */
/* Deadlines that travel with calls: who serves a request waits no longer than its caller, through
 * any number of isolates. The same with isolates behind a wall. Nothing here measures: without the
 * law these tests wait for ever. */
#include "guarantees.h"

enum { LEFT, PASS_ON, RUN, AWAIT, GROUP, NEVER, LEAVE };

/* ns, or null for ever. */
static isle_value time_left(void)
{
    int64_t deadline = isle_call_deadline();

    return deadline == ISLE_FOREVER ? isle_null() : isle_int(deadline - isle_now_ns());
}

static isle_value order(int what, isle_value with, isle_send_port told)
{
    isle_value list = isle_list();

    isle_list_add(list, isle_int(what));
    isle_list_add(list, with);
    isle_list_add(list, isle_port(told));
    return list;
}

static isle_value wait_for_ever(isle_value unused)
{
    (void)unused;
    return isle_port_receive(isle_default_port());
}

/* The others, the last first, each of which gets the request from the one before. */
static isle_future *pass_on(isle_value others, isle_send_port told)
{
    size_t count = isle_count(others);
    isle_send_port next = isle_as_port(isle_list_get(others, count - 1));
    isle_value rest = isle_list();

    for (size_t i = 0; i + 1 < count; i++)
        isle_list_add(rest, isle_list_get(others, i));
    return isle_call(next, order(count > 1 ? PASS_ON : NEVER, rest, told), ISLE_FOREVER);
}

static void wait_there(isle_value unused)
{
    (void)wait_for_ever(unused);
}

static isle_value group_up(isle_send_port told)
{
    isle_group *group = isle_group_open(NULL);

    isle_monitor(isle_group_spawn(group, wait_there, isle_null(), NULL), told);
    isle_send(told, isle_int(isle_group_wait(group)));
    return isle_null();
}

static isle_value serve(isle_value request, void *unused)
{
    int64_t what = isle_as_int(isle_list_get(request, 0));
    isle_value with = isle_list_get(request, 1);
    isle_send_port told = isle_as_port(isle_list_get(request, 2));
    isle_future *future = NULL;

    (void)unused;
    if (what == LEFT)
        return time_left();
    if (what == LEAVE)
        isle_exit((isle_send_port){0}, isle_null());
    if (what == NEVER)
        return isle_await(isle_future_new());
    if (what == GROUP)
        return group_up(told);
    if (what == PASS_ON)
        future = pass_on(with, told);
    else if (what == RUN)
        future = isle_run(wait_for_ever, isle_null(), &(isle_options){.monitor = told});
    else
        future = isle_future_new();
    isle_err err = isle_try_await(future, ISLE_FOREVER, NULL);
    isle_send(told, isle_int(err));
    return isle_null();
}

static void server(isle_value unused)
{
    (void)unused;
    isle_port_serve(isle_default_port(), serve, NULL);
}

static void end(isle_isolate isolate)
{
    isle_kill(isolate, ISLE_IMMEDIATE);
}

static isle_value ask(isle_isolate isolate, int what, isle_receive_port *told, int64_t timeout)
{
    isle_send_port port = told == NULL ? (isle_send_port){1} : isle_port_send_port(told);

    return isle_await(isle_call(isolate.default_port, order(what, isle_null(), port), timeout));
}

/* What is below ends a moment earlier, so an answer may come in time. */
static void give_up(isle_isolate isolate, isle_value request, int64_t timeout)
{
    isle_err err =
        isle_try_await(isle_call(isolate.default_port, request, timeout), ISLE_FOREVER, NULL);

    CHECK(err == ISLE_ETIMEDOUT || err == ISLE_OK);
}

TEST_ROOT(a_request_knows_until_when_its_caller_waits)
{
    isle_isolate isolate = isle_spawn(server, isle_null(), NULL);
    isle_receive_port *told = scoped_port();

    CHECK_INT(isle_call_deadline(), ISLE_FOREVER);
    for (int i = 0; i < 3; i++) {
        int64_t left = isle_as_int(ask(isolate, LEFT, told, ISLE_SECONDS(1000)));
        CHECK(left > ISLE_SECONDS(500) && left <= ISLE_SECONDS(1000));
        check_null(ask(isolate, LEFT, told, ISLE_FOREVER)); /* what was before leaves nothing */
        check_null(ask(isolate, LEFT, told, INT64_C(24) * 3600 * ISLE_SECONDS(1) * 365));
    }
    CHECK_INT(isle_call_deadline(), ISLE_FOREVER);
    end(isolate);
    settle();
}

/* Each of them waits without a limit of its own, and hears when the first one's is over. */
TEST_ROOT(nobody_in_a_chain_of_calls_waits_longer_than_the_first)
{
    enum { CHAIN = 4 };
    isle_isolate chain[CHAIN];
    isle_receive_port *told = scoped_port();
    isle_value others = isle_list();

    for (int i = 0; i < CHAIN; i++) {
        chain[i] = isle_spawn(server, isle_null(), NULL);
        if (i > 0)
            isle_list_add(others, isle_port(chain[i].default_port));
    }
    give_up(chain[0], order(PASS_ON, others, isle_port_send_port(told)), ISLE_MS(30));
    for (int i = 0; i + 1 < CHAIN; i++) {
        int64_t err = receive_int(told); /* the last but one is the first to hear it */
        CHECK(err == ISLE_ETIMEDOUT || (i > 0 && err == ISLE_OK));
    }
    for (int i = 0; i < CHAIN; i++)
        end(chain[i]);
    settle();
}

TEST_ROOT(what_is_awaited_for_a_request_ends_with_it)
{
    isle_isolate isolate = isle_spawn(server, isle_null(), NULL);
    isle_receive_port *told = scoped_port();

    give_up(isolate, order(AWAIT, isle_null(), isle_port_send_port(told)), ISLE_MS(20));
    CHECK_INT(receive_int(told), ISLE_ETIMEDOUT);
    end(isolate);
    settle();
}

/* Both what the handler says and what its isolate's end says come to the port. */
static void check_ends_with_it(int what)
{
    isle_isolate isolate = isle_spawn(server, isle_null(), NULL);
    isle_receive_port *told = scoped_port();
    bool was_told = false, has_ended = false;

    give_up(isolate, order(what, isle_null(), isle_port_send_port(told)), ISLE_MS(20));
    while (!was_told || !has_ended) {
        isle_value message = isle_port_receive(told);
        if (isle_kind_of(message) == ISLE_INT) {
            CHECK_INT(isle_as_int(message), ISLE_ETIMEDOUT);
            was_told = true;
        } else {
            isle_reason reason = isle_as_end(message).reason;
            CHECK(reason == ISLE_KILLED || (what == GROUP && reason == ISLE_RETURNED));
            has_ended = true;
        }
    }
    end(isolate);
    settle();
}

TEST_ROOT(what_is_run_for_a_request_is_killed_with_it)
{
    check_ends_with_it(RUN);
}

TEST_ROOT(a_group_that_works_for_a_request_ends_with_it)
{
    check_ends_with_it(GROUP);
}

/* What it calls then is over at once. */
TEST_ROOT(a_request_that_comes_too_late_knows_it)
{
    isle_isolate isolate = isle_spawn(server, isle_null(), &(isle_options){.paused = true});
    isle_isolate other = isle_spawn(server, isle_null(), NULL);
    isle_receive_port *told = scoped_port();
    isle_value others = isle_list();

    isle_list_add(others, isle_port(other.default_port));
    give_up(isolate, order(PASS_ON, others, isle_port_send_port(told)), ISLE_MS(5));
    isle_resume(isolate, isolate.pause_capability);
    CHECK_INT(receive_int(told), ISLE_ETIMEDOUT);
    end(isolate);
    end(other);
    settle();
}

/* Nobody asks any more: whoever stands is somebody's all the same. */
static isle_value spawn_too_late(isle_value told, void *unused)
{
    isle_isolate isolate = {{0}, {0}, {0}, {0}};

    (void)unused;
    isle_err err = isle_try_spawn(wait_there, isle_null(), NULL, &isolate);
    isle_send(isle_as_port(told), isle_int(err));
    isle_send(isle_as_port(told), isle_isolate_value(isolate));
    return isle_null();
}

static void spawner(isle_value unused)
{
    (void)unused;
    isle_port_serve(isle_default_port(), spawn_too_late, NULL);
}

TEST_ROOT(a_spawn_for_a_request_is_waited_for_however_late)
{
    isle_isolate isolate = isle_spawn(spawner, isle_null(), &(isle_options){.paused = true});
    isle_receive_port *told = scoped_port();

    give_up(isolate, isle_port_value(told), ISLE_MS(1));
    isle_resume(isolate, isolate.pause_capability);
    CHECK_INT(receive_int(told), ISLE_OK);
    end(isle_as_isolate(isle_port_receive(told)));
    end(isolate);
    settle();
}

/* --- of the shorter and the longer */

static isle_value ask_further(isle_value request, void *unused)
{
    isle_send_port other = isle_as_port(isle_list_get(request, 1));
    int64_t timeout = isle_as_int(isle_list_get(request, 0));

    (void)unused;
    return isle_await(isle_call(other, order(LEFT, isle_null(), other), timeout));
}

static void middleman(isle_value unused)
{
    (void)unused;
    isle_port_serve(isle_default_port(), ask_further, NULL);
}

TEST_ROOT(the_earlier_deadline_counts)
{
    isle_isolate middle = isle_spawn(middleman, isle_null(), NULL);
    isle_isolate other = isle_spawn(server, isle_null(), NULL);

    for (int turn = 0; turn < 2; turn++) {
        isle_value request = isle_list();
        isle_list_add(request, isle_int(ISLE_SECONDS(turn == 0 ? 1000 : 5000)));
        isle_list_add(request, isle_port(other.default_port));
        isle_value left = isle_await(
            isle_call(middle.default_port, request, ISLE_SECONDS(turn == 0 ? 5000 : 1000)));
        CHECK(isle_as_int(left) > ISLE_SECONDS(500) && isle_as_int(left) <= ISLE_SECONDS(1000));
    }
    end(middle);
    end(other);
    settle();
}

/* Whoever runs next on its stack has no request. */
TEST_ROOT(a_request_that_ends_its_isolate_leaves_no_deadline)
{
    for (int64_t round = rounds(20, 200, 2000); round > 0; round--) {
        ISLE_SCOPE;
        isle_receive_port *told = scoped_port();
        isle_isolate first = isle_spawn(server, isle_null(), NULL);

        CHECK_ERR(isle_try_await(isle_call(first.default_port,
                                           order(LEAVE, isle_null(), isle_port_send_port(told)),
                                           ISLE_SECONDS(1000)),
                                 ISLE_FOREVER, NULL),
                  ISLE_ECLOSED);
        isle_isolate next = isle_spawn(server, isle_null(), NULL);
        check_null(ask(next, LEFT, told, ISLE_FOREVER));
        end(next);
    }
    settle();
}

static void throw_it(isle_value message, isle_send_port reply)
{
    (void)message, (void)reply;
    isle_throwf("no answer");
}

static void tell_left(isle_value to, void *unused)
{
    (void)unused;
    isle_send(isle_as_port(to), time_left());
}

static void thrower(isle_value to)
{
    isle_receive_port *plain = isle_port_open();

    isle_port_on_receive(isle_default_port(), throw_it);
    isle_port_listen(plain, tell_left, NULL);
    isle_send(isle_as_port(to), isle_port_value(plain));
}

/* An event that serves nobody has no deadline, whatever ran before it on its stack. */
TEST_ROOT(a_request_that_fails_leaves_no_deadline)
{
    isle_receive_port *told = scoped_port(), *errors = scoped_port();
    isle_isolate isolate = isle_spawn(
        thrower, isle_port_value(told),
        &(isle_options){.errors_not_fatal = true, .on_error = isle_port_send_port(errors)});
    isle_send_port plain = isle_as_port(isle_port_receive(told));

    for (int i = 0; i < 10; i++) {
        ISLE_SCOPE;
        isle_future *call = isle_call(isolate.default_port, isle_null(), ISLE_SECONDS(1000));

        check_notice(isle_port_receive(errors), "no answer");
        isle_send(plain, isle_port_value(told));
        check_null(isle_port_receive(told));
        isle_future_cancel(call);
    }
    end(isolate);
    settle();
}

TEST_MAIN()
