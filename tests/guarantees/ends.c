/* SPDX-License-Identifier: Apache-2.0 */
/* Guarantees 5 and 7 and the decision on ends of activities: an end is told once and after all is
 * released, suspended activities are unwound newest first. Where a kill lands: kill_points.c. */
#include "ends_help.h"

/* --- an end is told exactly once */

static void throw_and_exit(isle_value message)
{
    isle_kill(isle_current(), ISLE_BEFORE_NEXT_EVENT);
    isle_throwf("%s", isle_as_string(message));
}

TEST_ROOT(an_end_is_told_exactly_once)
{
    isle_receive_port *port = isle_port_open();
    isle_send_port to = isle_port_send_port(port);

    for (int i = 0; i < 50; i++) {
        ISLE_SCOPE;
        isle_isolate isolate =
            isle_spawn(throw_and_exit, isle_string("twice"),
                       &(isle_options){.on_exit = to, .on_error = to, .paused = true});

        isle_add_exit_listener(isolate, to, isle_int(1));
        isle_add_exit_listener(isolate, to, isle_int(2));
        isle_add_error_listener(isolate, to);
        isle_resume(isolate, isolate.pause_capability);
        check_notice(isle_port_receive(port), "twice");
        CHECK_INT(receive_int(port), 2);
        isle_kill(isolate, ISLE_IMMEDIATE);
        isle_kill(isolate, ISLE_BEFORE_NEXT_EVENT);
        isle_add_exit_listener(isolate, to, isle_int(3));
        settle();
        CHECK(port_is_empty(port));
    }
    isle_port_close(port);
}

static void quiet_entry(isle_value message)
{
    (void)message;
}

TEST_ROOT(each_listener_is_told_once)
{
    enum { LISTENERS = 10 };
    isle_receive_port *ports[LISTENERS];
    isle_isolate isolate = isle_spawn(quiet_entry, isle_null(), &(isle_options){.paused = true});

    for (int i = 0; i < LISTENERS; i++) {
        ports[i] = isle_port_open();
        isle_add_exit_listener(isolate, isle_port_send_port(ports[i]), isle_int(i));
    }
    isle_remove_exit_listener(isolate, isle_port_send_port(ports[3]));
    isle_kill(isolate, ISLE_IMMEDIATE);
    settle();
    for (int i = 0; i < LISTENERS; i++) {
        if (i != 3)
            CHECK_INT(receive_int(ports[i]), i);
        CHECK(port_is_empty(ports[i]));
        isle_port_close(ports[i]);
    }
}

/* --- resources, names and ports first, then the notice */

static void holding(isle_value root)
{
    isle_receive_port *port = isle_port_open();
    int ends[2];

    CHECK_INT(pipe(ends), 0);
    isle_keep(isle_resource(ends[0]));
    isle_keep(isle_resource(ends[1]));
    isle_send(isle_as_port(root), isle_port_value(port));
    isle_send(isle_as_port(root), isle_int(ends[0]));
}

TEST_ROOT(resources_and_ports_are_released_before_the_end_is_told)
{
    needs_shared_program();
    isle_receive_port *port = isle_port_open(), *over = isle_port_open();

    for (int i = 0; i < 50; i++) {
        ISLE_SCOPE;
        int descriptors = held_descriptors();
        isle_isolate isolate = isle_spawn(holding, isle_port_value(port),
                                          &(isle_options){.on_exit = isle_port_send_port(over)});
        isle_send_port held = isle_as_port(isle_port_receive(port));
        uint64_t dropped;

        CHECK(receive_int(port) > 2);
        isle_kill(isolate, ISLE_IMMEDIATE);
        check_null(isle_port_receive(over));
        CHECK_INT(held_descriptors(), descriptors);
        dropped = stats_now().dropped_dead + stats_now().dropped_closed;
        isle_send(held, isle_int(1));
        isle_send(isolate.default_port, isle_int(1));
        CHECK_UINT(stats_now().dropped_dead + stats_now().dropped_closed, dropped + 2);
        CHECK_ERR(isle_try_await(isle_call(held, isle_int(1), ISLE_FOREVER), ISLE_FOREVER, NULL),
                  ISLE_ECLOSED);
    }
    isle_port_close(port);
    isle_port_close(over);
}

/* A failure that is known late is an end, told to the listeners; one that is known in the call
 * throws. */
static isle_value spawn_null(isle_value ignored)
{
    (void)ignored;
    isle_spawn(NULL, isle_null(), NULL);
    return isle_null();
}

TEST_ROOT(a_null_entry_throws_in_the_call)
{
    isle_isolate none = {0};

    CHECK_ERR(isle_try(spawn_null, isle_null(), NULL), ISLE_EINVAL);
    CHECK_ERR(isle_try_spawn(NULL, isle_null(), NULL, &none), ISLE_EINVAL);
    CHECK_UINT(none.control_port.id, 0);
}

TEST_ROOT(a_spawned_handle_is_valid_at_once)
{
    isle_receive_port *port = isle_port_open();
    isle_isolate isolate = isle_spawn(quiet_entry, isle_null(), &(isle_options){.paused = true});
    isle_value handle;

    isle_send(isolate.default_port, isle_int(1));
    isle_ping(isolate, isle_port_send_port(port), isle_int(2), ISLE_IMMEDIATE);
    CHECK_INT(receive_int(port), 2);
    handle = isle_await(isle_spawn_wait(isolate));
    CHECK(isle_send_port_equal(isle_as_isolate(handle).control_port, isolate.control_port));
    isle_kill(isolate, ISLE_IMMEDIATE);
    settle();
    CHECK_ERR(isle_try_await(isle_spawn_wait(isolate), ISLE_FOREVER, NULL), ISLE_ECLOSED);
    isle_port_close(port);
}

static sem_t entered, released;

static void blocked_entry(isle_value unused)
{
    (void)unused;
    sem_post(&entered);
    semaphore_wait(&released);
}

TEST_ROOT(one_that_is_blocked_stands)
{
    needs_shared_program();
    sem_init(&entered, 0, 0);
    sem_init(&released, 0, 0);
    isle_isolate isolate = isle_spawn(blocked_entry, isle_null(), NULL);
    semaphore_wait(&entered);
    isle_await(isle_spawn_wait(isolate));
    sem_post(&released);
}
TEST_WAITS(one_that_is_blocked_stands);

/* --- isle_protect: nothing unwinds past it */

static void protected_loop(void *context)
{
    ISLE_SCOPE;
    (void)context;
    isle_defer(trace_task, number(1));
    for (;;)
        isle_checkpoint();
}

static void protecting(isle_value root)
{
    isle_value error = isle_int(1);

    isle_send(isle_as_port(root), isle_null());
    CHECK_ERR(isle_protect(protected_loop, NULL, &error), ISLE_ECANCELED);
    check_null(error);
    trace(2);
    isle_checkpoint();
    trace(3);
}

static void protecting_and_continuing(isle_value root)
{
    isle_send(isle_as_port(root), isle_null());
    CHECK_ERR(isle_protect(protected_loop, NULL, NULL), ISLE_ECANCELED);
    trace(2);
    isle_unwind_continue();
}

TEST_ROOT(protect_stops_a_kill_until_the_next_kill_point)
{
    needs_shared_program();
    check_entry_is_killed(protecting, ISLE_IMMEDIATE);
    CHECK_TRACE(1, 2);
}

TEST_ROOT(unwind_continue_goes_on_with_a_stopped_kill)
{
    needs_shared_program();
    check_entry_is_killed(protecting_and_continuing, ISLE_IMMEDIATE);
    CHECK_TRACE(1, 2);
}

static void throw_text(void *context)
{
    isle_throwf("%s", (const char *)context);
}

static void throw_canceled(void *context)
{
    (void)context;
    isle_throw(isle_error(ISLE_ECANCELED, "an error of that code", NULL));
}

static void leave_well(void *context)
{
    *(int *)context = 5;
}

TEST_ROOT(protect_stops_errors_and_returns_them)
{
    static char text[] = "inside";
    isle_value error = isle_null();
    int result = 0;

    CHECK_ERR(isle_protect(throw_text, text, &error), ISLE_ETHROWN);
    CHECK_STRING(isle_error_text(error), "inside");
    CHECK_ERR(isle_protect(throw_canceled, NULL, &error), ISLE_ECANCELED);
    CHECK_INT(isle_kind_of(error), ISLE_ERROR);
    CHECK_ERR(isle_protect(leave_well, &result, &error), ISLE_OK);
    CHECK_INT(result, 5);
}

static isle_value continue_nothing(isle_value ignored)
{
    (void)ignored;
    isle_unwind_continue();
}

TEST_ROOT(unwind_continue_without_a_kill_throws)
{
    CHECK_ERR(isle_try(continue_nothing, isle_null(), NULL), ISLE_EINVAL);
}

static void suspend_for_ever(void *context)
{
    ISLE_SCOPE;
    isle_defer(trace_task, number(1));
    (void)isle_port_receive(context);
}

static void protecting_suspended(isle_value root)
{
    isle_send(isle_as_port(root), isle_null());
    CHECK_ERR(isle_protect(suspend_for_ever, isle_port_open(), NULL), ISLE_ECANCELED);
    trace(2);
    isle_checkpoint();
    trace(3);
}

TEST_ROOT(a_suspended_activity_returns_through_its_protect)
{
    needs_shared_program();
    check_entry_is_killed(protecting_suspended, ISLE_IMMEDIATE);
    CHECK_TRACE(1, 2);
}

/* --- suspended activities at an end */

static void suspend_traced(isle_value message, void *context)
{
    int which = (int)isle_as_int(message);

    isle_defer(trace_task, number(10 * which + 1));
    {
        ISLE_SCOPE;
        isle_defer(trace_task, number(10 * which + 2));
        isle_defer(trace_task, number(10 * which + 3));
        (void)isle_port_receive(context);
    }
}

static void suspending_thrice(isle_value root)
{
    isle_receive_port *never = isle_port_open(), *port = isle_default_port();

    isle_port_listen(port, suspend_traced, never);
    for (int i = 1; i <= 3; i++)
        isle_send(isle_port_send_port(port), isle_int(i));
    isle_send(isle_as_port(root), isle_null());
}

static isle_isolate three_suspended(isle_receive_port *port)
{
    isle_isolate isolate = isle_spawn(suspending_thrice, isle_port_value(port),
                                      &(isle_options){.on_exit = isle_port_send_port(port)});

    check_null(isle_port_receive(port));
    while (stats_now().stacks < 3)
        isle_sleep(0);
    return isolate;
}

TEST_ROOT(suspended_activities_are_unwound_newest_first_and_defers_last_first)
{
    needs_shared_program();
    isle_receive_port *port = isle_port_open();
    isle_isolate isolate = three_suspended(port);

    isle_kill(isolate, ISLE_IMMEDIATE);
    check_null(isle_port_receive(port));
    CHECK_TRACE(33, 32, 31, 23, 22, 21, 13, 12, 11);
    settle();
    isle_port_close(port);
}

/* In a deferred task nothing suspends, and a throw does not keep the next one from running. */
static void defer_suspends(void *context)
{
    isle_value message;

    trace(isle_port_try_receive(context, ISLE_FOREVER, &message) == ISLE_ENOSUSPEND ? 2 : -2);
}

static isle_value insist_on_sleep(isle_value ignored)
{
    (void)ignored;
    isle_sleep(1);
    return isle_null();
}

static isle_value insist_on_await(isle_value ignored)
{
    (void)ignored;
    isle_await(isle_future_new());
    return isle_null();
}

static void defer_suspends_more(void *context)
{
    (void)context;
    trace(isle_try(insist_on_sleep, isle_null(), NULL) == ISLE_ENOSUSPEND ? 3 : -3);
    trace(isle_try(insist_on_await, isle_null(), NULL) == ISLE_ENOSUSPEND ? 4 : -4);
}

static void defer_throws(void *context)
{
    (void)context;
    trace(5);
    isle_throwf("from a deferred task");
}

static void register_defers(isle_receive_port *port)
{
    isle_defer(trace_task, number(1));
    isle_defer(defer_suspends, port);
    isle_defer(defer_suspends_more, NULL);
    isle_defer(defer_throws, NULL);
}

static void killed_with_defers(isle_value root)
{
    isle_receive_port *port = isle_port_open();

    register_defers(port);
    isle_send(isle_as_port(root), isle_null());
    (void)isle_port_receive(port);
}

TEST_ROOT(deferred_tasks_of_a_killed_activity_cannot_suspend_and_all_run)
{
    needs_shared_program();
    check_entry_is_killed(killed_with_defers, ISLE_IMMEDIATE);
    CHECK_TRACE(5, 3, 4, 2, 1);
}

static void ends_with_defers(isle_value ignored)
{
    (void)ignored;
    register_defers(isle_port_open());
}

TEST_ROOT(an_error_of_a_deferred_task_is_recorded_and_the_next_runs)
{
    needs_shared_program();
    isle_receive_port *port = isle_port_open();
    isle_send_port to = isle_port_send_port(port);

    isle_spawn(ends_with_defers, isle_null(), &(isle_options){.on_error = to, .on_exit = to});
    check_notice(isle_port_receive(port), "from a deferred task");
    check_null(isle_port_receive(port));
    CHECK_TRACE(5, 3, 4, 2, 1);
    isle_port_close(port);
}

static void throws_with_defers(isle_value ignored)
{
    (void)ignored;
    isle_defer(trace_task, number(1));
    isle_defer(trace_task, number(2));
    isle_throwf("the first error");
}

TEST_ROOT(deferred_tasks_run_when_an_event_throws)
{
    needs_shared_program();
    isle_receive_port *port = isle_port_open();
    isle_send_port to = isle_port_send_port(port);

    isle_spawn(throws_with_defers, isle_null(), &(isle_options){.on_error = to, .on_exit = to});
    check_notice(isle_port_receive(port), "the first error");
    check_null(isle_port_receive(port));
    CHECK_TRACE(2, 1);
    isle_port_close(port);
}

/* --- isle_exit */

static isle_value exit_inside(isle_value to)
{
    isle_value list = isle_list();

    isle_list_add(list, isle_string("moved"));
    isle_list_add(list, list);
    isle_exit(isle_as_port(to), list);
}

static void pending_event(isle_value ignored, void *context)
{
    (void)ignored, (void)context;
    trace(99);
}

static void exiting(isle_value to)
{
    isle_receive_port *own = isle_port_open();

    isle_defer(trace_task, number(1));
    isle_port_listen(own, pending_event, NULL);
    isle_send(isle_port_send_port(own), isle_null());
    isle_schedule_microtask(trace_task, number(98));
    isle_timer_start(0, trace_task, number(97));
    CHECK_ERR(isle_try(exit_inside, to, NULL), ISLE_OK);
    trace(96);
}

TEST_ROOT(exit_passes_through_try_runs_defers_and_drops_events)
{
    needs_shared_program();
    isle_receive_port *port = isle_port_open();
    isle_value message;

    isle_spawn(exiting, isle_port_value(port),
               &(isle_options){.on_exit = isle_port_send_port(port)});
    message = isle_port_receive(port);
    CHECK_STRING(isle_as_string(isle_list_get(message, 0)), "moved");
    CHECK(isle_identical(isle_list_get(message, 1), message));
    check_null(isle_port_receive(port));
    CHECK_TRACE(1);
    isle_port_close(port);
}

static isle_value exit_with_pointer(isle_value to)
{
    isle_exit(isle_as_port(to), isle_pointer(&trace_count));
}

static void exiting_badly(isle_value to)
{
    CHECK_ERR(isle_try(exit_with_pointer, to, NULL), ISLE_EUNSENDABLE);
    isle_send(isle_as_port(to), isle_string("still here"));
    isle_exit(isle_send_port_none(), isle_null());
}

TEST_ROOT(an_unsendable_exit_throws_and_the_isolate_lives_on)
{
    isle_receive_port *port = isle_port_open();

    isle_spawn(exiting_badly, isle_port_value(port),
               &(isle_options){.on_exit = isle_port_send_port(port)});
    CHECK_STRING(isle_as_string(isle_port_receive(port)), "still here");
    check_null(isle_port_receive(port));
    settle();
    CHECK(port_is_empty(port));
    isle_port_close(port);
}

/* --- errors that are not fatal leave the isolate as it was */

static void throw_each(isle_value message, void *context)
{
    (void)context;
    isle_throwf("error %d", (int)isle_as_int(message));
}

static void failing_often(isle_value ignored)
{
    (void)ignored;
    isle_port_listen(isle_default_port(), throw_each, NULL);
}

TEST_ROOT(errors_that_are_not_fatal_do_not_end_it)
{
    isle_receive_port *port = isle_port_open();
    isle_isolate isolate = isle_spawn(
        failing_often, isle_null(),
        &(isle_options){.errors_not_fatal = true, .on_error = isle_port_send_port(port)});

    for (int i = 0; i < 20; i++) {
        ISLE_SCOPE;
        isle_value text = isle_stringf("error %d", i);

        isle_send(isolate.default_port, isle_int(i));
        check_notice(isle_port_receive(port), isle_as_string(text));
    }
    isle_set_errors_fatal(isolate, true);
    isle_add_exit_listener(isolate, isle_port_send_port(port), isle_null());
    isle_send(isolate.default_port, isle_int(20));
    check_notice(isle_port_receive(port), "error 20");
    check_null(isle_port_receive(port));
    isle_port_close(port);
}

/* A mailbox and the way of what is asked of an isolate are two: who looks into both must not find
 * the message and miss what came before it. */
TEST_ROOT(what_was_asked_before_a_message_was_sent_holds_for_it)
{
    needs_shared_program();
    isle_receive_port *port = isle_port_open();

    for (int64_t i = 0; i < rounds(5000, 5000, 50000); i++) {
        ISLE_SCOPE;
        isle_isolate isolate = isle_spawn(
            failing_often, isle_null(),
            &(isle_options){.errors_not_fatal = true, .on_error = isle_port_send_port(port)});

        isle_send(isolate.default_port, isle_int(1));
        check_notice(isle_port_receive(port), "error 1");
        isle_set_errors_fatal(isolate, true);
        isle_add_exit_listener(isolate, isle_port_send_port(port), isle_null());
        isle_send(isolate.default_port, isle_int(2));
        check_notice(isle_port_receive(port), "error 2");
        check_null(isle_port_receive(port));
    }
    isle_port_close(port);
}

TEST_MAIN()
