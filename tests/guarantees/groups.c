/* SPDX-License-Identifier: Apache-2.0 */
/* Groups: what belongs to one piece of work ends with it, newest first, however its scope is left.
 * All of it behind a wall as well (groups_process). */
#include "guarantees.h"

static isle_isolate spawn_in(isle_group *group, isle_entry *entry, isle_value message,
                             const isle_options *options)
{
#ifdef GUARANTEES_PROCESS
    isle_options filled = behind_a_wall(options);
    options = &filled;
#endif
    return isle_group_spawn(group, entry, message, options);
}

static isle_future *run_in(isle_group *group, isle_computation *computation, isle_value argument)
{
#ifdef GUARANTEES_PROCESS
    isle_options filled = behind_a_wall(NULL);
    return isle_group_run(group, computation, argument, &filled);
#else
    return isle_group_run(group, computation, argument, NULL);
#endif
}

/* --- members */

static void nothing(isle_value message)
{
    (void)message;
}

static void throwing(isle_value message)
{
    isle_throwf("%s", isle_as_string(message));
}

/* Says that it is there, then stays until it is told anything. */
static void staying(isle_value message)
{
    if (!isle_is_null(message))
        isle_send(isle_as_port(message), isle_null());
    (void)isle_port_receive(isle_default_port());
    isle_port_close(isle_default_port());
}

static void ignore_shutdown(void *context)
{
    (void)context;
}

static void deaf(isle_value message)
{
    isle_on_shutdown(ignore_shutdown, NULL);
    staying(message);
}

struct leaver {
    isle_send_port port;
    int64_t number;
};

static void leave_in_turn(void *context)
{
    const struct leaver *leaver = context;

    isle_exit(leaver->port, isle_int(leaver->number));
}

/* Told to end it says its number. */
static void numbered(isle_value message)
{
    struct leaver *leaver = isle_new(struct leaver);

    leaver->port = isle_as_port(isle_list_get(message, 0));
    leaver->number = isle_as_int(isle_list_get(message, 1));
    isle_on_shutdown(leave_in_turn, leaver);
    isle_send(leaver->port, isle_int(-1));
    (void)isle_port_receive(isle_default_port());
}

static isle_value numbered_message(isle_receive_port *port, int number)
{
    isle_value message = isle_list();

    isle_list_add(message, isle_port_value(port));
    isle_list_add(message, isle_int(number));
    return message;
}

static isle_value identity(isle_value argument)
{
    return argument;
}

static isle_value compute_badly(isle_value argument)
{
    isle_throw(isle_error(ISLE_ERANGE, isle_as_string(argument), NULL));
}

static isle_value compute_for_ever(isle_value argument)
{
    (void)argument;
    return isle_port_receive(isle_default_port());
}

static isle_reason end_at(isle_receive_port *port)
{
    return isle_as_end(isle_port_receive(port)).reason;
}

static void failed_with(const char *text)
{
    CHECK_STRING(isle_error_text(isle_last_error()), text);
}

/* --- all goes well */

TEST_ROOT(a_group_waits_for_all_that_it_has)
{
    isle_group *group = isle_group_open(NULL);
    isle_future *future;

    for (int i = 0; i < 3; i++)
        spawn_in(group, nothing, isle_null(), NULL);
    future = run_in(group, identity, isle_int(7));
    isle_group_own(group, isle_future_new());
    CHECK_INT(isle_group_count(group), 5);
    isle_group_cancel(group);
    CHECK_ERR(isle_group_wait(group), ISLE_ECANCELED);

    group = isle_group_open(NULL);
    for (int i = 0; i < 3; i++)
        spawn_in(group, nothing, isle_null(), NULL);
    future = run_in(group, identity, isle_int(7));
    CHECK_ERR(isle_group_wait(group), ISLE_OK);
    CHECK(isle_future_is_complete(future));
    CHECK_INT(isle_as_int(isle_await(future)), 7);
    CHECK_ERR(isle_group_wait(isle_group_open(NULL)), ISLE_OK);
}

static void never(void *context)
{
    (void)context;
    fail("a timer of a group that has ended");
}

TEST_ROOT(timers_are_not_waited_for)
{
    isle_group *group = isle_group_open(NULL);

    isle_group_timer(group, ISLE_SECONDS(1000), never, NULL);
    isle_group_periodic(group, ISLE_SECONDS(1000), never, NULL);
    CHECK_INT(isle_group_count(group), 0);
    CHECK_ERR(isle_group_wait(group), ISLE_OK);
}

static void count_up(void *context)
{
    (*(int *)context)++;
}

TEST_ROOT(a_timer_that_has_fired_has_left)
{
    isle_group *group = isle_group_open(NULL);
    int count = 0;

    for (int i = 0; i < 100; i++)
        isle_group_timer(group, 0, count_up, &count);
    isle_sleep(ISLE_MS(1));
    CHECK_INT(count, 100);
    CHECK_ERR(isle_group_close(group), ISLE_OK);
}

/* --- something fails */

TEST_ROOT(the_first_that_fails_ends_the_others)
{
    isle_receive_port *ends = isle_port_open(), *started = isle_port_open();
    isle_group *group = isle_group_open(NULL);
    isle_isolate stays = spawn_in(group, staying, isle_port_value(started), NULL);

    isle_monitor(stays, isle_port_send_port(ends));
    (void)isle_port_receive(started);
    isle_group_timer(group, ISLE_SECONDS(1000), never, NULL);
    isle_group_own(group, isle_future_new());
    spawn_in(group, throwing, isle_string("first"),
             &(isle_options){.debug_name = "it", .on_error = isle_port_send_port(started)});
    CHECK_ERR(isle_group_wait(group), ISLE_EREMOTE);
    failed_with("it: failed: first");
    CHECK_INT(end_at(ends), ISLE_RETURNED);
    isle_port_close(ends);
    isle_port_close(started);
}

TEST_ROOT(the_error_of_a_future_is_the_groups)
{
    isle_group *group = isle_group_open(NULL);

    spawn_in(group, staying, isle_null(), NULL);
    run_in(group, compute_badly, isle_string("too far"));
    CHECK_ERR(isle_group_wait(group), ISLE_ERANGE);
    failed_with("too far");
}

TEST_ROOT(a_group_that_keeps_going_waits_for_the_others)
{
    isle_receive_port *started = isle_port_open();
    isle_group *group = isle_group_open(&(isle_group_options){.keep_going = true});
    isle_isolate stays = spawn_in(group, staying, isle_port_value(started), NULL);

    (void)isle_port_receive(started);
    CHECK_ERR(
        isle_try_await(run_in(group, compute_badly, isle_string("alone")), ISLE_FOREVER, NULL),
        ISLE_ERANGE);
    CHECK_INT(isle_group_count(group) >= 1, 1);
    isle_send(stays.default_port, isle_null());
    CHECK_ERR(isle_group_wait(group), ISLE_ERANGE);
    failed_with("alone");
    isle_port_close(started);
}

TEST_ROOT(a_deadline_ends_all_of_it)
{
    isle_receive_port *ends = isle_port_open();
    isle_group *group = isle_group_open(&(isle_group_options){.deadline_ns = ISLE_MS(1)});
    isle_future *future = run_in(group, compute_for_ever, isle_null());

    isle_monitor(spawn_in(group, staying, isle_null(), NULL), isle_port_send_port(ends));
    CHECK_ERR(isle_group_wait(group), ISLE_ETIMEDOUT);
    CHECK_ERR(isle_try_await(future, 0, NULL), ISLE_ECANCELED);
    (void)end_at(ends);
    isle_port_close(ends);
}

struct serving {
    isle_send_port ends;
};
ISLE_LOCAL(struct serving, serving);

static isle_value answer_by_a_group(isle_value started, void *context)
{
    isle_group *group = isle_group_open(&(isle_group_options){.shutdown_ns = ISLE_MS(1)});

    (void)context;
    isle_monitor(spawn_in(group, deaf, started, NULL), serving()->ends);
    isle_err err = isle_group_wait(group);
    isle_send(serving()->ends, isle_int(err));
    return isle_null();
}

static void serve_by_groups(isle_value ends)
{
    serving()->ends = isle_as_port(ends);
    isle_port_serve(isle_default_port(), answer_by_a_group, NULL);
}

TEST_ROOT(the_deadline_of_a_request_ends_the_groups_that_serve_it)
{
    isle_receive_port *ends = isle_port_open(), *started = isle_port_open();
    isle_isolate server = isle_spawn(serve_by_groups, isle_port_value(ends), NULL);
    bool was_told = false, has_ended = false;

    isle_err err = isle_try_await(
        isle_call(server.default_port, isle_port_value(started), ISLE_MS(20)), ISLE_FOREVER, NULL);
    CHECK(err == ISLE_ETIMEDOUT || err == ISLE_OK); /* whichever comes first */
    while (!was_told || !has_ended) {
        isle_value told = isle_port_receive(ends);
        if (isle_kind_of(told) == ISLE_INT) {
            CHECK_INT(isle_as_int(told), ISLE_ETIMEDOUT);
            was_told = true;
        } else {
            has_ended = true;
        }
    }
    isle_kill(server, ISLE_IMMEDIATE);
    isle_port_close(ends);
    isle_port_close(started);
}

/* --- the end, in order */

enum { MEMBERS = 6 };

static isle_group *open_numbered(isle_receive_port *port, const isle_group_options *options)
{
    isle_group *group = isle_group_open(options);

    for (int i = 0; i < MEMBERS; i++) {
        spawn_in(group, numbered, numbered_message(port, i), NULL);
        CHECK_INT(receive_int(port), -1);
    }
    return group;
}

TEST_ROOT(isolates_are_asked_newest_first_each_when_the_newer_have_ended)
{
    isle_receive_port *port = isle_port_open();

    CHECK_ERR(isle_group_close(open_numbered(port, NULL)), ISLE_OK);
    for (int i = MEMBERS; i-- > 0;)
        CHECK_INT(receive_int(port), i);
    isle_port_close(port);
}

TEST_ROOT(isolates_may_be_asked_together)
{
    isle_receive_port *port = isle_port_open();
    int64_t sum = 0;

    CHECK_ERR(isle_group_close(open_numbered(port, &(isle_group_options){.together = true})),
              ISLE_OK);
    for (int i = MEMBERS; i-- > 0;)
        sum += receive_int(port);
    CHECK_INT(sum, MEMBERS * (MEMBERS - 1) / 2);
    isle_port_close(port);
}

TEST_ROOT(who_does_not_listen_is_killed)
{
    isle_receive_port *ends = isle_port_open(), *started = isle_port_open();
    isle_group *group = isle_group_open(&(isle_group_options){.shutdown_ns = ISLE_MS(20)});

    for (int i = 0; i < 2; i++) {
        isle_monitor(spawn_in(group, deaf, isle_port_value(started), NULL),
                     isle_port_send_port(ends));
        (void)isle_port_receive(started);
    }
    CHECK_ERR(isle_group_close(group), ISLE_OK);
    for (int i = 0; i < 2; i++)
        CHECK_INT(end_at(ends), ISLE_KILLED);
    isle_port_close(ends);
    isle_port_close(started);
}

TEST_ROOT(groups_inside_end_before_what_is_older)
{
    isle_receive_port *port = isle_port_open();
    isle_group *outer = isle_group_open(NULL), *inner;

    spawn_in(outer, numbered, numbered_message(port, 1), NULL);
    CHECK_INT(receive_int(port), -1);
    inner = isle_group_open(&(isle_group_options){.parent = outer});
    for (int i = 2; i < 4; i++) {
        spawn_in(inner, numbered, numbered_message(port, i), NULL);
        CHECK_INT(receive_int(port), -1);
    }
    spawn_in(outer, numbered, numbered_message(port, 4), NULL);
    CHECK_INT(receive_int(port), -1);
    CHECK_ERR(isle_group_close(outer), ISLE_OK);
    for (int i = 4; i > 0; i--)
        CHECK_INT(receive_int(port), i);
    CHECK_ERR(isle_group_wait(inner), ISLE_ECANCELED);
    isle_port_close(port);
}

TEST_ROOT(a_group_inside_is_waited_for)
{
    isle_receive_port *started = isle_port_open();
    isle_group *outer = isle_group_open(NULL);
    isle_group *inner = isle_group_open(&(isle_group_options){.parent = outer});
    isle_isolate stays = spawn_in(inner, staying, isle_port_value(started), NULL);

    (void)isle_port_receive(started);
    CHECK_INT(isle_group_count(outer), 1);
    isle_send(stays.default_port, isle_null());
    CHECK_ERR(isle_group_wait(inner), ISLE_OK);
    CHECK_ERR(isle_group_wait(outer), ISLE_OK);
    isle_port_close(started);
}

TEST_ROOT(patience_ends_for_the_groups_inside_too)
{
    isle_receive_port *started = isle_port_open();
    isle_group *outer = isle_group_open(&(isle_group_options){.shutdown_ns = ISLE_MS(1)});
    isle_group *inner =
        isle_group_open(&(isle_group_options){.parent = outer, .shutdown_ns = ISLE_FOREVER});

    spawn_in(inner, deaf, isle_port_value(started), NULL);
    (void)isle_port_receive(started);
    CHECK_ERR(isle_group_close(outer), ISLE_OK);
    CHECK_ERR(isle_group_close(inner), ISLE_OK);
    isle_port_close(started);
}

/* --- the scope is left */

static isle_value leave_by_a_throw(isle_value ports)
{
    isle_value to_end = isle_list_get(ports, 0), started = isle_list_get(ports, 1);
    isle_group *group = isle_group_open(NULL);
    isle_group *inner = isle_group_open(&(isle_group_options){.parent = group});

    for (int i = 0; i < 2; i++) {
        isle_monitor(spawn_in(i == 0 ? group : inner, deaf, started, NULL), isle_as_port(to_end));
    }
    isle_group_timer(group, ISLE_MS(1), never, NULL);
    isle_group_own(inner, isle_future_new());
    isle_throwf("left");
}

TEST_ROOT(a_throw_ends_all_of_it)
{
    isle_receive_port *ends = isle_port_open(), *started = isle_port_open();
    isle_value ports = isle_list();

    isle_list_add(ports, isle_port_value(ends));
    isle_list_add(ports, isle_port_value(started));
    CHECK_ERR(isle_try(leave_by_a_throw, ports, NULL), ISLE_ETHROWN);
    for (int i = 0; i < 2; i++)
        CHECK_INT(end_at(ends), ISLE_KILLED);
    isle_sleep(ISLE_MS(2));
    isle_port_close(ends);
    isle_port_close(started);
}

static void own_a_group(isle_value port)
{
    isle_group *group = isle_group_open(NULL);
    isle_isolate isolate = spawn_in(group, deaf, port, NULL);

    isle_send(isle_as_port(port), isle_isolate_value(isolate));
    isle_err err = isle_group_wait(group);
    fail("the owner of a group was to be killed: %s", isle_err_name(err));
}

/* The member says that it is there, its owner which one it is. */
static isle_isolate member_of(isle_receive_port *port)
{
    isle_value first = isle_port_receive(port), second = isle_port_receive(port);

    return isle_as_isolate(isle_is_null(first) ? second : first);
}

TEST_ROOT(a_kill_of_the_owner_ends_all_of_it)
{
    isle_receive_port *port = isle_port_open(), *ends = isle_port_open();
    isle_isolate owner = isle_spawn(own_a_group, isle_port_value(port), NULL);

    isle_monitor(member_of(port), isle_port_send_port(ends));
    isle_kill(owner, ISLE_IMMEDIATE);
    CHECK_INT(end_at(ends), ISLE_KILLED);
    isle_port_close(port);
    isle_port_close(ends);
}

/* Of a port, and whom it is to own. */
static void own_who_is_there(isle_value message)
{
    isle_group *group = isle_group_open(&(isle_group_options){.shutdown_ns = ISLE_FOREVER});

    isle_group_add(group, isle_as_isolate(isle_list_get(message, 1)));
    isle_send(isle_as_port(isle_list_get(message, 0)), isle_null());
    (void)!isle_group_wait(group);
}

TEST_ROOT(a_kill_of_the_owner_ends_who_was_there_before_it)
{
    isle_receive_port *port = isle_port_open(), *ends = isle_port_open();
    isle_isolate member = isle_spawn(deaf, isle_port_value(port), NULL);
    isle_value message = isle_list();

    check_null(isle_port_receive(port));
    isle_list_add(message, isle_port_value(port));
    isle_list_add(message, isle_isolate_value(member));
    isle_isolate owner = isle_spawn(own_who_is_there, message, NULL);
    check_null(isle_port_receive(port));
    isle_monitor(member, isle_port_send_port(ends));
    isle_kill(owner, ISLE_IMMEDIATE);
    CHECK_INT(end_at(ends), ISLE_KILLED);
    isle_port_close(port);
    isle_port_close(ends);
}

TEST_ROOT(an_owner_that_is_asked_to_end_ends_all_of_it)
{
    isle_receive_port *port = isle_port_open(), *ends = isle_port_open();
    isle_isolate owner = isle_spawn(own_a_group, isle_port_value(port), NULL);

    isle_monitor(member_of(port), isle_port_send_port(ends));
    isle_shutdown(owner);
    CHECK_INT(end_at(ends), ISLE_KILLED);
    isle_port_close(port);
    isle_port_close(ends);
}

static void close_it(void *context)
{
    CHECK_ERR(isle_group_close(context), ISLE_OK);
}

TEST_ROOT(a_deferred_task_closes_without_waiting)
{
    isle_receive_port *ends = isle_port_open(), *started = isle_port_open();
    {
        ISLE_SCOPE;
        isle_group *group = isle_group_open(NULL);

        isle_defer(close_it, group);
        isle_monitor(spawn_in(group, deaf, isle_port_value(started), NULL),
                     isle_port_send_port(ends));
        (void)isle_port_receive(started);
    }
    CHECK_INT(end_at(ends), ISLE_KILLED);
    isle_port_close(ends);
    isle_port_close(started);
}

static isle_value scope_of_one(isle_value port)
{
    spawn_in(isle_group_open(NULL), staying, port, NULL);
    (void)isle_group_open(&(isle_group_options){.deadline_ns = ISLE_SECONDS(1000)});
    return isle_null();
}

TEST_ROOT(groups_leave_nothing_behind)
{
    needs_exact_memory();
    isle_receive_port *port = isle_port_open();
    uint64_t held = 0;

    for (int i = 0; i < 1000; i++) {
        ISLE_SCOPE;
        CHECK_ERR(isle_try(scope_of_one, isle_port_value(port), NULL), ISLE_OK);
        isle_group *group = isle_group_open(NULL);
        run_in(group, compute_badly, isle_string("no"));
        isle_group_timer(group, ISLE_SECONDS(1000), never, NULL);
        CHECK_ERR(isle_group_wait(group), ISLE_ERANGE);
        while (isle_port_try_receive(port, 0, NULL) == ISLE_OK)
            ;
        settle();
        if (i == 500)
            held = isle_memory_used();
    }
    CHECK(isle_memory_used() <=
          held + 80 * 1024); /* kept errors are collected later, 64 KiB of them */
    isle_port_close(port);
}

/* --- what is refused */

static isle_value add_to(isle_value group)
{
    spawn_in(isle_as_pointer(group), nothing, isle_null(), NULL);
    return isle_null();
}

static isle_value add_with_a_monitor(isle_value group)
{
    isle_receive_port *port = isle_default_port();

    spawn_in(isle_as_pointer(group), nothing, isle_null(),
             &(isle_options){.monitor = isle_port_send_port(port)});
    return isle_null();
}

static isle_value add_nothing(isle_value group)
{
    spawn_in(isle_as_pointer(group), NULL, isle_null(), NULL);
    return isle_null();
}

static isle_value count_of(isle_value group)
{
    return isle_int((int64_t)isle_group_count(isle_as_pointer(group)));
}

static isle_value open_with(isle_value deadline)
{
    isle_group_open(&(isle_group_options){.deadline_ns = isle_as_int(deadline)});
    return isle_null();
}

TEST_ROOT(bad_input_is_refused)
{
    isle_group *group = isle_group_open(NULL), *gone = isle_group_open(NULL);

    CHECK_ERR(isle_group_close(gone), ISLE_OK);
    CHECK_ERR(isle_group_close(gone), ISLE_OK);
    CHECK_ERR(isle_group_close(NULL), ISLE_OK);
    CHECK_ERR(isle_try(count_of, isle_pointer(gone), NULL), ISLE_ESTALE);
    CHECK_ERR(isle_try(count_of, isle_pointer(NULL), NULL), ISLE_EINVAL);
    CHECK_ERR(isle_try(add_with_a_monitor, isle_pointer(group), NULL), ISLE_EINVAL);
    CHECK_ERR(isle_try(add_nothing, isle_pointer(group), NULL), ISLE_EINVAL);
    CHECK_ERR(isle_try(open_with, isle_int(-1), NULL), ISLE_ERANGE);
    CHECK_INT(isle_group_count(group), 0);
    isle_group_cancel(group);
    CHECK_ERR(isle_try(add_to, isle_pointer(group), NULL), ISLE_ECLOSED);
    CHECK_ERR(isle_group_wait(group), ISLE_ECANCELED);
}

static isle_value add_handle(isle_value both)
{
    isle_group_add(isle_as_pointer(isle_list_get(both, 0)),
                   isle_as_isolate(isle_list_get(both, 1)));
    return isle_null();
}

TEST_ROOT(an_isolate_that_is_there_becomes_a_member)
{
    isle_receive_port *started = isle_port_open(), *ends = isle_port_open();
    isle_group *group = isle_group_open(NULL);
    isle_value both = isle_list();
    isle_isolate isolate = isle_spawn(staying, isle_port_value(started), NULL);

    (void)isle_port_receive(started);
    isle_list_add(both, isle_pointer(group));
    isle_list_add(both, isle_isolate_value(isolate));
    CHECK_ERR(isle_try(add_handle, both, NULL), ISLE_OK);
    isle_monitor(isolate, isle_port_send_port(ends));
    CHECK_ERR(isle_group_close(group), ISLE_OK);
    CHECK_INT(end_at(ends), ISLE_RETURNED);
    group = isle_group_open(NULL);
    isle_group_add(group, isolate);
    CHECK_ERR(isle_group_wait(group), ISLE_EREMOTE);
    isle_port_close(started);
    isle_port_close(ends);
}

/* --- many, and those that nothing stops */

TEST_ROOT(many_members_end)
{
    isle_group *group = isle_group_open(NULL);
    int count = (int)rounds(500, 5000, 20000);

#ifdef GUARANTEES_PROCESS
    count = 20;
#endif
    for (int i = 0; i < count; i++) {
        ISLE_SCOPE;
        spawn_in(group, staying, isle_null(), NULL);
    }
    CHECK_INT(isle_group_count(group), count);
    CHECK_ERR(isle_group_close(group), ISLE_OK);
}

static sem_t spinning;
static _Atomic bool spin_on = true;

static void spinner(isle_value message)
{
    (void)message;
    sem_post(&spinning);
    while (atomic_load(&spin_on))
        ;
}

TEST_ROOT(one_that_nothing_stops_is_given_up)
{
    needs_shared_program();
    isle_receive_port *ends = isle_port_open();
    isle_group *group = isle_group_open(&(isle_group_options){.shutdown_ns = ISLE_MS(1)});

    sem_init(&spinning, 0, 0);
    isle_monitor(spawn_in(group, spinner, isle_null(), NULL), isle_port_send_port(ends));
    semaphore_wait(&spinning);
    CHECK_ERR(isle_group_close(group), ISLE_ETIMEDOUT);
    atomic_store(&spin_on, false);
    CHECK_INT(end_at(ends), ISLE_KILLED);
    isle_port_close(ends);
}

struct closing {
    isle_group *group;
    isle_future *said;
};

static void close_and_say(void *context)
{
    struct closing *closing = context;
    isle_err err = isle_group_close(closing->group);
    isle_future_complete(closing->said, isle_int(err));
}

/* Who waits for the members goes on before who closes, and takes the group with its scope. */
TEST_ROOT(one_that_nothing_stops_is_told_to_who_closes_while_another_waits)
{
    needs_shared_program();
    isle_receive_port *ends = isle_port_open();
    struct closing closing = {.said = isle_future_keep(isle_future_new())};

    sem_init(&spinning, 0, 0);
    {
        ISLE_SCOPE;
        closing.group = isle_group_open(&(isle_group_options){.shutdown_ns = ISLE_MS(1)});
        isle_monitor(spawn_in(closing.group, spinner, isle_null(), NULL),
                     isle_port_send_port(ends));
        semaphore_wait(&spinning);
        isle_timer_start(0, close_and_say, &closing);
        CHECK_ERR(isle_group_wait(closing.group), ISLE_ECANCELED);
    }
    CHECK_ERR((isle_err)isle_as_int(isle_await(closing.said)), ISLE_ETIMEDOUT);
    isle_future_release(closing.said);
    atomic_store(&spin_on, false);
    CHECK_INT(end_at(ends), ISLE_KILLED);
    isle_port_close(ends);
}

TEST_MAIN()
