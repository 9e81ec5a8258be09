/* SPDX-License-Identifier: Apache-2.0 */
/* The decision on futures: then, all, any, timeout, cancel, keep, errors that nobody observes,
 * calls and their deadlines, isle_run. */
#include "guarantees.h"

static int seen_values, seen_errors;
static int64_t last_value;
static isle_err last_code;

static void on_value(isle_value value, void *context)
{
    CHECK(context == &seen_values);
    seen_values++;
    last_value = isle_as_int(value);
}

static void on_error(isle_value error, void *context)
{
    CHECK(context == &seen_values);
    seen_errors++;
    last_code = isle_error_code(error);
}

static void complete_with_seven(void *future)
{
    isle_future_complete(future, isle_int(7));
}

TEST_ROOT(then_runs_as_a_later_event_and_once)
{
    isle_future *future = isle_future_new();

    isle_then(future, on_value, on_error, &seen_values);
    isle_future_complete(future, isle_int(5));
    CHECK_INT(seen_values, 0);
    isle_sleep(0);
    CHECK_INT(seen_values, 1);
    CHECK_INT(last_value, 5);
    isle_then(future, on_value, on_error, &seen_values);
    CHECK_INT(seen_values, 1);
    isle_sleep(0);
    CHECK_INT(seen_values, 2);
    CHECK_INT(seen_errors, 0);
}

static isle_value complete_again(isle_value future)
{
    isle_future_complete(isle_as_pointer(future), isle_int(2));
    return isle_null();
}

TEST_ROOT(completing_twice_throws_and_a_cancelled_one_ignores_it)
{
    isle_future *future = isle_future_new(), *cancelled = isle_future_new();

    isle_future_complete(future, isle_int(1));
    CHECK_ERR(isle_try(complete_again, isle_pointer(future), NULL), ISLE_ECLOSED);
    CHECK_INT(isle_as_int(isle_await(future)), 1);
    isle_future_cancel(cancelled);
    isle_future_cancel(cancelled);
    CHECK(isle_future_is_complete(cancelled));
    isle_future_complete(cancelled, isle_int(1));
    CHECK_ERR(isle_try_await(cancelled, 0, NULL), ISLE_ECANCELED);
}

TEST_ROOT(try_await_leaves_a_pending_future_pending)
{
    isle_future *future = isle_future_new();
    isle_value value = isle_int(99);
    int64_t start = isle_now_ns();

    CHECK_ERR(isle_try_await(future, 0, &value), ISLE_ETIMEDOUT);
    CHECK_ERR(isle_try_await(future, ISLE_MS(5), &value), ISLE_ETIMEDOUT);
    CHECK(isle_now_ns() - start >= ISLE_MS(5));
    CHECK_INT(isle_as_int(value), 99);
    CHECK(!isle_future_is_complete(future));
    isle_timer_start(ISLE_MS(1), complete_with_seven, future);
    CHECK_ERR(isle_try_await(future, ISLE_FOREVER, &value), ISLE_OK);
    CHECK_INT(isle_as_int(value), 7);
}

static isle_value echo_value(isle_value argument)
{
    return argument;
}

static isle_value fail_with(isle_value text)
{
    isle_throwf("%s", isle_as_string(text));
}

TEST_ROOT(all_gives_every_value_in_order)
{
    isle_future *futures[20], *all;
    isle_value values;

    for (int i = 0; i < 20; i++)
        futures[i] = isle_run(echo_value, isle_int(i), NULL);
    all = isle_future_all(futures, 20);
    memset(futures, 0, sizeof futures);
    values = isle_await(all);
    CHECK_INT(isle_count(values), 20);
    for (size_t i = 0; i < 20; i++)
        CHECK_INT(isle_as_int(isle_list_get(values, i)), (int64_t)i);
    CHECK_INT(isle_count(isle_await(isle_future_all(NULL, 0))), 0);
}

TEST_ROOT(all_gives_the_first_error)
{
    isle_future *futures[] = {isle_future_new(), isle_run(fail_with, isle_string("first"), NULL),
                              isle_run(echo_value, isle_int(1), NULL)};

    CHECK_ERR(isle_try_await(isle_future_all(futures, 3), ISLE_FOREVER, NULL), ISLE_ETHROWN);
    CHECK_STRING(isle_error_text(isle_last_error()), "first");
    isle_future_cancel(futures[0]);
}

TEST_ROOT(any_completes_as_the_first_does)
{
    isle_future *futures[] = {isle_future_new(), isle_run(echo_value, isle_int(3), NULL)};

    CHECK_INT(isle_as_int(isle_await(isle_future_any(futures, 2))), 3);
    isle_future_complete_error(futures[0], isle_error(ISLE_ERANGE, "late", NULL));
    isle_sleep(0);
}

static isle_value wait_for_ever(isle_value argument)
{
    isle_await(isle_call(isle_current().default_port, argument, ISLE_FOREVER));
    return argument;
}

TEST_ROOT(a_timeout_cancels_what_it_waits_for)
{
    int64_t start = isle_now_ns();
    isle_future *run = isle_run(wait_for_ever, isle_null(), NULL);

    CHECK_ERR(isle_try_await(isle_future_timeout(run, ISLE_MS(5)), ISLE_FOREVER, NULL),
              ISLE_ETIMEDOUT);
    CHECK(isle_now_ns() - start >= ISLE_MS(5));
    CHECK_ERR(isle_try_await(run, 0, NULL), ISLE_ECANCELED);
    settle(); /* its isolate was killed */
}

static void count_task(void *context)
{
    ++*(int *)context;
}

static isle_value watch_a_run(isle_value unused)
{
    isle_future *both = isle_future_timeout(isle_future_new(), ISLE_FOREVER);
    isle_future_on_cancel(both, count_task, NULL); /* of a combination */
    return unused;
}

TEST_ROOT(who_cancels_a_future_tells_its_maker)
{
    int told = 0;
    isle_future *cancelled = isle_future_new(), *late = isle_future_new(),
                *complete = isle_future_new();
    isle_future_on_cancel(cancelled, count_task, &told);
    isle_future_on_cancel(cancelled, count_task, &told);
    isle_future_on_cancel(late, count_task, &told);
    isle_future_on_cancel(complete, count_task, &told);
    isle_future_cancel(cancelled);
    CHECK_INT(told, 0); /* a later event */
    isle_sleep(0);
    CHECK_INT(told, 2);
    isle_future_cancel(cancelled);
    isle_future_complete(complete, isle_null());
    isle_future_cancel(complete);
    isle_sleep(0);
    CHECK_INT(told, 2);
    isle_future_on_cancel(cancelled, count_task, &told); /* too late, so at once */
    isle_future_on_cancel(complete, count_task, &told);
    isle_sleep(0);
    CHECK_INT(told, 3);
    CHECK_ERR(isle_try_await(isle_future_timeout(late, 1), ISLE_FOREVER, NULL), ISLE_ETIMEDOUT);
    isle_sleep(0);
    CHECK_INT(told, 4);
    CHECK_ERR(isle_try(watch_a_run, isle_null(), NULL), ISLE_EINVAL);
}

TEST_ROOT(a_timeout_that_is_not_needed_changes_nothing)
{
    isle_future *run = isle_run(echo_value, isle_int(4), NULL);

    CHECK_INT(isle_as_int(isle_await(isle_future_timeout(run, ISLE_SECONDS(1000)))), 4);
    CHECK_INT(isle_as_int(isle_await(run)), 4);
}

TEST_ROOT(cancelling_a_run_kills_its_isolate)
{
    isle_future *run = isle_run(wait_for_ever, isle_null(), NULL);

    CHECK_UINT(stats_now().isolates, 2);
    isle_future_cancel(run);
    settle();
    CHECK_ERR(isle_try_await(run, 0, NULL), ISLE_ECANCELED);
}

/* --- lives: scope, keep */

static isle_value ask_future(isle_value future)
{
    return isle_bool(isle_future_is_complete(isle_as_pointer(future)));
}

TEST_ROOT(a_complete_future_ends_with_its_scope_unless_kept)
{
    isle_future *kept, *loose;

    {
        ISLE_SCOPE;
        kept = isle_future_keep(isle_future_new());
        loose = isle_future_new();
        isle_future_complete(kept, isle_string("still here"));
        isle_future_complete(loose, isle_int(1));
    }
    CHECK_ERR(isle_try(ask_future, isle_pointer(loose), NULL), ISLE_ESTALE);
    CHECK_STRING(isle_as_string(isle_await(kept)), "still here");
    CHECK_STRING(isle_as_string(isle_await(kept)), "still here");
    isle_future_release(kept);
    CHECK_ERR(isle_try(ask_future, isle_pointer(kept), NULL), ISLE_ESTALE);
}

TEST_ROOT(a_callback_outlives_the_scope_of_its_future)
{
    isle_future *future;

    {
        ISLE_SCOPE;
        future = isle_run(echo_value, isle_int(6), NULL);
        isle_then(future, on_value, on_error, &seen_values);
    }
    settle();
    while (seen_values == 0)
        isle_sleep(0);
    CHECK_INT(last_value, 6);
    CHECK_ERR(isle_try(ask_future, isle_pointer(future), NULL), ISLE_ESTALE);
}

/* --- errors that nobody asked for */

static void fail_unobserved(isle_value message)
{
    (void)message;
    isle_future_complete_error(isle_future_new(), isle_error(ISLE_ERANGE, "unobserved", NULL));
}

static void fail_then_without_handler(isle_value message)
{
    isle_future *future = isle_future_new();

    (void)message;
    isle_then(future, on_value, NULL, NULL);
    isle_future_complete_error(future, isle_error(ISLE_ERANGE, "no handler", NULL));
}

static void fail_a_call(isle_value port)
{
    (void)isle_call(isle_as_port(port), isle_null(), ISLE_FOREVER);
}

/* Who waited and gave up has not asked for the error that comes later. */
static void fail_after_a_wait(isle_value message)
{
    isle_future *future = isle_future_new();

    (void)message;
    CHECK_ERR(isle_try_await(future, ISLE_MS(1), NULL), ISLE_ETIMEDOUT);
    isle_future_complete_error(future, isle_error(ISLE_ERANGE, "too late", NULL));
}

static void check_uncaught(isle_entry *entry, isle_value message, const char *text)
{
    isle_receive_port *port = isle_port_open();
    isle_send_port to = isle_port_send_port(port);

    isle_spawn(entry, message, &(isle_options){.on_error = to, .on_exit = to});
    check_notice(isle_port_receive(port), text);
    check_null(isle_port_receive(port));
    isle_port_close(port);
}

static isle_value call_with_what_cannot_leave(isle_value port)
{
    return isle_await(isle_call(isle_as_port(port), isle_pointer(&seen_values), ISLE_FOREVER));
}

/* Its memory is that of the next. */
TEST_ROOT(a_refused_call_leaves_nothing_in_its_scope)
{
    isle_receive_port *port = isle_port_open();

    for (int64_t round = 0; round < 3; round++) {
        ISLE_SCOPE;
        CHECK_ERR(isle_try(call_with_what_cannot_leave, isle_port_value(port), NULL),
                  ISLE_EUNSENDABLE);
        isle_future *future = isle_future_new();
        isle_future_complete(future, isle_int(round));
        CHECK_INT(isle_as_int(isle_await(future)), round);
    }
    isle_port_close(port);
}

static isle_value ask_whether_complete(isle_value future)
{
    return isle_bool(isle_future_is_complete(isle_as_pointer(future)));
}

static void look_at_both(void *context)
{
    isle_future *const *futures = context;
    CHECK(isle_future_is_complete(futures[0]));
    CHECK_ERR(isle_try(ask_whether_complete, isle_pointer(futures[1]), NULL), ISLE_ESTALE);
    seen_values++;
}

TEST_ROOT(futures_and_deferred_tasks_of_a_scope_end_in_one_order)
{
    isle_future *futures[2];

    seen_values = 0;
    for (int round = 0; round < 2; round++) {
        ISLE_SCOPE;
        futures[0] = isle_future_new();
        isle_defer(look_at_both, futures);
        futures[1] = isle_future_new();
        for (int i = 0; i < 2; i++)
            isle_future_complete(futures[i], isle_int(i));
    }
    CHECK_INT(seen_values, 2);
}

TEST_ROOT(an_error_that_nobody_observes_is_uncaught)
{
    isle_receive_port *closed = isle_port_open();
    isle_value gone = isle_port_value(closed);

    isle_port_close(closed);
    check_uncaught(fail_unobserved, isle_null(), "unobserved");
    check_uncaught(fail_then_without_handler, isle_null(), "no handler");
    check_uncaught(fail_a_call, gone, "closed");
    check_uncaught(fail_after_a_wait, isle_null(), "too late");
}

static void fail_observed(isle_value message)
{
    isle_future *future = isle_future_new();

    (void)message;
    isle_future_complete_error(future, isle_error(ISLE_ERANGE, "seen", NULL));
    CHECK_ERR(isle_try_await(future, 0, NULL), ISLE_ERANGE);
    isle_future_cancel(isle_future_new());
}

TEST_ROOT(an_error_that_somebody_took_is_not)
{
    isle_receive_port *port = isle_port_open();
    isle_send_port to = isle_port_send_port(port);

    isle_spawn(fail_observed, isle_null(), &(isle_options){.on_error = to, .on_exit = to});
    check_null(isle_port_receive(port));
    isle_port_close(port);
}

/* --- calls */

/* Holds each request until the root lets it go. */
static isle_value slow_answer(isle_value request, void *go)
{
    (void)isle_port_receive(go);
    return request;
}

static void slow_server(isle_value root)
{
    isle_receive_port *go = isle_port_open();

    isle_send(isle_as_port(root), isle_port_value(go));
    isle_port_serve(isle_default_port(), slow_answer, go);
}

TEST_ROOT(a_late_reply_vanishes_and_is_counted)
{
    isle_receive_port *port = isle_port_open();
    isle_isolate server = isle_spawn(slow_server, isle_port_value(port), NULL);
    isle_send_port go = isle_as_port(isle_port_receive(port));
    isle_stats before = stats_now();
    int64_t start = isle_now_ns();
    isle_future *late = isle_call(server.default_port, isle_int(1), ISLE_MS(5)), *next;

    CHECK_ERR(isle_try_await(late, ISLE_FOREVER, NULL), ISLE_ETIMEDOUT);
    CHECK(isle_now_ns() - start >= ISLE_MS(5));
    next = isle_call(server.default_port, isle_int(2), ISLE_FOREVER);
    isle_send(go, isle_null());
    isle_send(go, isle_null());
    CHECK_INT(isle_as_int(isle_await(next)), 2);
    CHECK_UINT(stats_now().dropped_late, before.dropped_late + 1);
    CHECK_UINT(stats_now().dropped_closed, before.dropped_closed);
    CHECK_ERR(isle_try_await(late, 0, NULL), ISLE_ETIMEDOUT);
    isle_kill(server, ISLE_IMMEDIATE);
    isle_port_close(port);
}

TEST_ROOT(the_reply_to_a_cancelled_call_is_dropped)
{
    isle_receive_port *port = isle_port_open();
    isle_isolate server = isle_spawn(slow_server, isle_port_value(port), NULL);
    isle_send_port go = isle_as_port(isle_port_receive(port));
    isle_stats before = stats_now();
    isle_future *call = isle_call(server.default_port, isle_int(1), ISLE_FOREVER);

    isle_future_cancel(call);
    CHECK_ERR(isle_try_await(call, 0, NULL), ISLE_ECANCELED);
    isle_send(go, isle_null());
    isle_send(go, isle_null());
    CHECK_INT(isle_as_int(isle_await(isle_call(server.default_port, isle_int(2), ISLE_FOREVER))),
              2);
    CHECK_UINT(stats_now().dropped_late, before.dropped_late + 1);
    isle_kill(server, ISLE_IMMEDIATE);
    isle_port_close(port);
}

static void idle_entry(isle_value message)
{
    (void)message;
}

TEST_ROOT(a_call_to_a_dead_isolate_fails_at_once)
{
    isle_isolate isolate = isle_spawn(idle_entry, isle_null(), NULL);

    settle();
    CHECK_ERR(isle_try_await(isle_call(isolate.default_port, isle_int(1), ISLE_FOREVER),
                             ISLE_FOREVER, NULL),
              ISLE_ECLOSED);
}

TEST_ROOT(a_call_fails_when_the_receiver_dies_before_it_is_served)
{
    isle_isolate isolate = isle_spawn(idle_entry, isle_null(), &(isle_options){.paused = true});
    isle_future *call = isle_call(isolate.default_port, isle_int(1), ISLE_FOREVER);

    isle_kill(isolate, ISLE_IMMEDIATE);
    CHECK_ERR(isle_try_await(call, ISLE_FOREVER, NULL), ISLE_ECLOSED);
}

TEST_ROOT(a_call_fails_when_the_receiver_dies_while_it_serves)
{
    needs_shared_program();
    isle_receive_port *port = isle_port_open();
    isle_isolate server = isle_spawn(slow_server, isle_port_value(port), NULL);
    isle_future *call = isle_call(server.default_port, isle_int(1), ISLE_FOREVER);

    CHECK_INT(isle_kind_of(isle_port_receive(port)), ISLE_SEND_PORT);
    while (stats_now().stacks == 0)
        isle_sleep(0);
    isle_kill(server, ISLE_IMMEDIATE);
    CHECK_ERR(isle_try_await(call, ISLE_FOREVER, NULL), ISLE_ECLOSED);
    isle_port_close(port);
}

static isle_value exit_answer(isle_value request, void *context)
{
    (void)request, (void)context;
    isle_exit(isle_send_port_none(), isle_null());
}

static isle_value throw_answer(isle_value request, void *context)
{
    (void)context;
    if (isle_as_int(request) < 0)
        isle_throw(isle_error(ISLE_ERANGE, "negative", NULL));
    return request;
}

static void exit_server(isle_value message)
{
    (void)message;
    isle_port_serve(isle_default_port(), exit_answer, NULL);
}

static void throw_server(isle_value message)
{
    (void)message;
    isle_port_serve(isle_default_port(), throw_answer, NULL);
}

TEST_ROOT(a_call_fails_when_the_receiver_exits_while_it_serves)
{
    isle_isolate server = isle_spawn(exit_server, isle_null(), NULL);

    CHECK_ERR(isle_try_await(isle_call(server.default_port, isle_int(1), ISLE_FOREVER),
                             ISLE_FOREVER, NULL),
              ISLE_ECLOSED);
}

TEST_ROOT(an_error_while_serving_is_the_callers_and_the_server_goes_on)
{
    isle_isolate server = isle_spawn(throw_server, isle_null(), NULL);

    CHECK_ERR(isle_try_await(isle_call(server.default_port, isle_int(-1), ISLE_FOREVER),
                             ISLE_FOREVER, NULL),
              ISLE_ERANGE);
    CHECK_STRING(isle_error_text(isle_last_error()), "negative");
    CHECK_INT(isle_as_int(isle_await(isle_call(server.default_port, isle_int(3), ISLE_FOREVER))),
              3);
    isle_kill(server, ISLE_IMMEDIATE);
}

static void throw_when_it_closes(void *context)
{
    (void)context;
    isle_throw(isle_error(ISLE_ERANGE, "closed", NULL));
}

static isle_value leave_a_scope_open(isle_value request, void *context)
{
    (void)context;
    isle_sleep(0);
    (void)isle_scope_open();
    if (isle_as_int(request) < 0)
        isle_defer(throw_when_it_closes, NULL);
    (void)isle_scope_open();
    return isle_int(isle_as_int(request));
}

static void untidy_server(isle_value message)
{
    (void)message;
    isle_port_serve(isle_default_port(), leave_a_scope_open, NULL);
}

TEST_ROOT(what_a_service_leaves_open_is_closed_before_it_answers)
{
    isle_isolate server = isle_spawn(untidy_server, isle_null(), NULL);
    isle_future *calls[6];

    for (int i = 0; i < 6; i++)
        calls[i] = isle_call(server.default_port, isle_int(i % 2 == 0 ? i : -i), ISLE_FOREVER);
    for (int i = 0; i < 6; i++) {
        isle_value answer;
        isle_err err = isle_try_await(calls[i], ISLE_FOREVER, &answer);

        CHECK_INT(err, i % 2 == 0 ? ISLE_OK : ISLE_ERANGE);
        if (err == ISLE_OK)
            CHECK_INT(isle_as_int(answer), i);
    }
    isle_kill(server, ISLE_IMMEDIATE);
}

TEST_ROOT(a_call_fails_when_its_port_closes)
{
    isle_receive_port *port = isle_port_open();
    isle_future *call = isle_call(isle_port_send_port(port), isle_int(1), ISLE_FOREVER);

    isle_port_close(port);
    CHECK_ERR(isle_try_await(call, ISLE_FOREVER, NULL), ISLE_ECLOSED);
}

/* --- isle_run */

static isle_value return_cycle(isle_value argument)
{
    isle_value list = isle_list();

    isle_list_add(list, argument);
    isle_list_add(list, list);
    return list;
}

TEST_ROOT(run_returns_the_value_with_its_identity)
{
    isle_value list = isle_await(isle_run(return_cycle, isle_string("text"), NULL));

    CHECK(isle_identical(isle_list_get(list, 1), list));
    CHECK_STRING(isle_as_string(isle_list_get(list, 0)), "text");
}

/* A megabyte of bytes is handed over: the program never holds it twice. */
static isle_value return_bulk(isle_value size)
{
    return isle_transferable((size_t)isle_as_int(size));
}

TEST_ROOT(run_moves_what_can_move)
{
    isle_value bulk = isle_await(isle_run(return_bulk, isle_int(1 << 20), NULL));

    CHECK_INT(isle_count(isle_materialize(bulk)), 1 << 20);
    settle();
}

static isle_value throw_typed(isle_value argument)
{
    isle_throw(isle_error(ISLE_EMALFORMED, isle_as_string(argument), NULL));
}

static isle_value throw_number(isle_value argument)
{
    isle_throw(argument);
}

static isle_value leave_early(isle_value argument)
{
    (void)argument;
    isle_exit(isle_send_port_none(), isle_null());
}

static isle_value return_pointer(isle_value argument)
{
    (void)argument;
    return isle_pointer(&seen_values);
}

TEST_ROOT(run_tells_errors_with_their_type)
{
    isle_options options = {0};

    CHECK_ERR(
        isle_try_await(isle_run(throw_typed, isle_string("bad"), &options), ISLE_FOREVER, NULL),
        ISLE_EMALFORMED);
    CHECK_STRING(isle_error_text(isle_last_error()), "bad");
    CHECK_ERR(isle_try_await(isle_run(throw_number, isle_int(5), &options), ISLE_FOREVER, NULL),
              ISLE_ETHROWN);
    CHECK_INT(isle_as_int(isle_last_error()), 5);
    CHECK_ERR(isle_try_await(isle_run(return_pointer, isle_null(), &options), ISLE_FOREVER, NULL),
              ISLE_EUNSENDABLE);
    CHECK_ERR(isle_try_await(isle_run(NULL, isle_null(), &options), ISLE_FOREVER, NULL),
              ISLE_EINVAL);
}

TEST_ROOT(run_tells_an_end_without_result)
{
    CHECK_ERR(isle_try_await(isle_run(leave_early, isle_null(), NULL), ISLE_FOREVER, NULL),
              ISLE_ENORESULT);
    CHECK_STRING(isle_error_text(isle_last_error()), "Computation ended without result");
}

TEST_ROOT(many_runs_at_once)
{
    enum { COUNT = 500 };
    static isle_future *futures[COUNT];

    for (int i = 0; i < COUNT; i++)
        futures[i] = isle_run(echo_value, isle_int(i), NULL);
    for (int i = COUNT - 1; i >= 0; i--)
        CHECK_INT(isle_as_int(isle_await(futures[i])), i);
}

TEST_MAIN()
