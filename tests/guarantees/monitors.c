/* SPDX-License-Identifier: Apache-2.0 */
/* Guarantee 5 for monitors: how an isolate ended is told exactly once to each, after everything
 * that it held was released, past a full mailbox and without memory; also when a monitor comes
 * while it ends. */
#include "guarantees.h"

#include "core/backend.h"
#include "core/program.h"
#include "platform/platform.h"

static isle_end receive_end(isle_receive_port *port)
{
    return isle_as_end(isle_port_receive(port));
}

/* --- once, whatever races with the end */

static void return_at_once(isle_value unused)
{
    (void)unused;
}

static void wait_for_ever(isle_value unused)
{
    (void)unused;
    isle_port_receive(isle_default_port());
}

TEST_ROOT(each_monitor_is_told_once_however_late_it_comes)
{
    enum { LATE = 20 };
    isle_receive_port *port = isle_port_open(), *late[LATE];
    isle_options options = {.monitor = isle_port_send_port(port)};

    for (int i = 0; i < LATE; i++)
        late[i] = isle_port_open();
    for (int64_t round = rounds(100, 1000, 10000); round > 0; round--) {
        ISLE_SCOPE;
        isle_isolate isolate =
            isle_spawn(round % 2 == 0 ? return_at_once : wait_for_ever, isle_null(), &options);

        if (round % 2 != 0)
            isle_kill(isolate, round % 4 == 1 ? ISLE_IMMEDIATE : ISLE_BEFORE_NEXT_EVENT);
        for (int i = 0; i < LATE; i++)
            isle_monitor(isolate, isle_port_send_port(late[i]));
        isle_reason reason = receive_end(port).reason;
        CHECK_INT(reason, round % 2 == 0 ? ISLE_RETURNED : ISLE_KILLED);
        for (int i = 0; i < LATE; i++) {
            isle_end end = receive_end(late[i]);
            CHECK(isle_send_port_equal(end.isolate.control_port, isolate.control_port));
            CHECK(end.reason == reason || end.reason == ISLE_LOST);
        }
    }
    settle();
    CHECK(port_is_empty(port));
    for (int i = 0; i < LATE; i++) {
        CHECK(port_is_empty(late[i]));
        isle_port_close(late[i]);
    }
    isle_port_close(port);
}

/* More than are walked. */
TEST_ROOT(many_monitors_are_told_and_some_take_themselves_off)
{
    enum { MANY = 200 };
    isle_receive_port *ports[MANY];
    isle_isolate isolate = isle_spawn(wait_for_ever, isle_null(), NULL);

    for (int i = 0; i < MANY; i++) {
        ports[i] = isle_port_open();
        isle_monitor(isolate, isle_port_send_port(ports[i]));
    }
    for (int i = 0; i < MANY; i += 3)
        isle_unmonitor(isolate, isle_port_send_port(ports[i]));
    isle_kill(isolate, ISLE_BEFORE_NEXT_EVENT);
    settle();
    for (int i = 0; i < MANY; i++) {
        if (i % 3 != 0)
            CHECK_INT(receive_end(ports[i]).reason, ISLE_KILLED);
        CHECK(port_is_empty(ports[i]));
        isle_port_close(ports[i]);
    }
}

/* --- after everything */

static void hold(isle_value root)
{
    int ends[2];

    CHECK_INT(pipe(ends), 0);
    isle_keep(isle_resource(ends[0]));
    isle_keep(isle_resource(ends[1]));
    isle_send(isle_as_port(root), isle_port_value(isle_port_open()));
}

TEST_ROOT(resources_and_ports_are_released_before_a_monitor_is_told)
{
    isle_receive_port *port = isle_port_open(), *ends = isle_port_open();

    for (int i = 0; i < 30; i++) {
        ISLE_SCOPE;
        int descriptors = held_descriptors();
        isle_isolate isolate = isle_spawn(hold, isle_port_value(port),
                                          &(isle_options){.monitor = isle_port_send_port(ends)});
        isle_send_port held = isle_as_port(isle_port_receive(port));
        uint64_t dropped;

        isle_kill(isolate, ISLE_IMMEDIATE);
        CHECK_INT(receive_end(ends).reason, ISLE_KILLED);
        CHECK_INT(held_descriptors(), descriptors);
        dropped = stats_now().dropped_dead + stats_now().dropped_closed;
        isle_send(held, isle_int(1));
        CHECK_UINT(stats_now().dropped_dead + stats_now().dropped_closed, dropped + 1);
    }
    isle_port_close(port);
    isle_port_close(ends);
}

TEST_ROOT(resources_and_ports_are_released_before_a_link_is_told)
{
    isle_receive_port *port = isle_port_open(), *ends = isle_port_open();

    isle_trap_links(isle_port_send_port(ends));
    for (int i = 0; i < 30; i++) {
        ISLE_SCOPE;
        int descriptors = held_descriptors();
        isle_isolate isolate =
            isle_spawn(hold, isle_port_value(port), &(isle_options){.link = true});
        isle_send_port held = isle_as_port(isle_port_receive(port));
        uint64_t dropped;

        isle_kill(isolate, ISLE_IMMEDIATE);
        CHECK_INT(receive_end(ends).reason, ISLE_KILLED);
        CHECK_INT(held_descriptors(), descriptors);
        dropped = stats_now().dropped_dead + stats_now().dropped_closed;
        isle_send(held, isle_int(1));
        CHECK_UINT(stats_now().dropped_dead + stats_now().dropped_closed, dropped + 1);
    }
    isle_port_close(port);
    isle_port_close(ends);
}

/* --- past a full mailbox */

static sem_t released;

/* Its mailbox of two is full when the one that it watches ends. */
static void crowded(isle_value message)
{
    isle_receive_port *data = isle_port_open(), *ends = isle_port_open();
    isle_send_port root;
    isle_value other;

    isle_unpack(message, "[p,o!]", &root, &other);
    isle_monitor(isle_as_isolate(other), isle_port_send_port(ends));
    isle_send(root, isle_port_value(data));
    semaphore_wait(&released);
    CHECK_INT(receive_end(ends).reason, ISLE_KILLED);
    CHECK_INT(receive_int(data), 1);
    CHECK_INT(receive_int(data), 2);
    isle_send(root, isle_string("well"));
    isle_port_close(data);
    isle_port_close(ends);
}

TEST_ROOT(an_end_passes_a_full_mailbox)
{
    isle_receive_port *port = isle_port_open(), *over = isle_port_open();
    isle_isolate other = isle_spawn(wait_for_ever, isle_null(), NULL);
    isle_send_port data;

    sem_init(&released, 0, 0);
    isle_spawn(crowded, isle_pack("[o,o]", isle_port_value(port), isle_isolate_value(other)),
               &(isle_options){.mailbox_max_messages = 2});
    data = isle_as_port(isle_port_receive(port));
    isle_send(data, isle_int(1));
    isle_send(data, isle_int(2));
    CHECK_ERR(isle_try_send(data, isle_int(3)), ISLE_EFULL);
    isle_add_exit_listener(other, isle_port_send_port(over), isle_int(5));
    isle_kill(other, ISLE_BEFORE_NEXT_EVENT);
    CHECK_INT(receive_int(over), 5);
    sem_post(&released);
    CHECK_STRING(isle_as_string(isle_port_receive(port)), "well");
    isle_port_close(port);
    isle_port_close(over);
}

/* --- one that comes while it ends */

static sem_t ending, monitored;

enum place { IN_A_DEFER, IN_A_DROP, PLACES };
enum how { BY_RETURNING, BY_AN_ERROR, BY_A_KILL, OUT_OF_MEMORY, HOWS };

ISLE_LOCAL(isle_send_port, told);

/* The end has begun: it says something more, once a monitor is on its way. */
static void say_last(void *unused)
{
    (void)unused;
    sem_post(&ending);
    semaphore_wait(&monitored);
    isle_send(*told(), isle_string("first"));
    isle_send(*told(), isle_string("last"));
}

static void ends_slowly(isle_value arguments)
{
    isle_receive_port *port = isle_port_open();
    int64_t place, how;

    isle_unpack(arguments, "[p,i,i]", told(), &place, &how);
    if (place == IN_A_DEFER)
        isle_defer(say_last, NULL);
    else
        isle_port_on_drop(port, say_last, NULL);
    if (how == BY_AN_ERROR)
        isle_throwf("it fails");
    if (how == OUT_OF_MEMORY)
        isle_throw(isle_error(ISLE_ENOMEM, "no more", NULL));
    if (how == BY_A_KILL)
        isle_kill(isle_current(), ISLE_IMMEDIATE);
    isle_port_close(place == IN_A_DROP ? NULL : port);
    if (place == IN_A_DROP)
        isle_port_set_keep_alive(port, false);
}

TEST_ROOT(an_end_that_has_begun_is_told_after_all_that_it_says)
{
    static const isle_reason reasons[HOWS] = {ISLE_RETURNED, ISLE_FAILED, ISLE_KILLED, ISLE_MEMORY};
    isle_receive_port *port = isle_port_open();
    isle_send_port to = isle_port_send_port(port);

    sem_init(&ending, 0, 0);
    sem_init(&monitored, 0, 0);
    for (int64_t round = 0; round < PLACES * HOWS; round++) {
        ISLE_SCOPE;
        int64_t place = round % PLACES, how = round / PLACES;
        isle_isolate isolate =
            isle_spawn(ends_slowly, isle_pack("[o,i,i]", isle_port_value(port), place, how),
                       &(isle_options){.debug_name = "slow", .on_error = to});

        semaphore_wait(&ending);
        isle_monitor(isolate, to);
        sem_post(&monitored);
        isle_value message = isle_port_receive(port);
        while (isle_kind_of(message) == ISLE_LIST) /* the notice of its error */
            message = isle_port_receive(port);
        CHECK_STRING(isle_as_string(message), "first");
        CHECK_STRING(isle_as_string(isle_port_receive(port)), "last");
        message = isle_port_receive(port);
        while (isle_kind_of(message) == ISLE_LIST)
            message = isle_port_receive(port);
        isle_end end = isle_as_end(message);
        CHECK_INT(end.reason, reasons[how]);
        CHECK_STRING(end.debug_name, "slow");
        CHECK(isle_send_port_equal(end.isolate.control_port, isolate.control_port));
    }
    settle();
    CHECK(port_is_empty(port));
    isle_port_close(port);
}

/* --- without memory: alone on one thread, the nth allocation from the end's beginning on fails */

static uint64_t failing;

static void fail_from_here(isle_value unused)
{
    (void)unused;
    (void)isle__memory_fail_at(failing);
    isle_throwf("%s", "a reason that needs memory to be told, since it is longer than a word");
}

/* How many allocations there were. */
static uint64_t end_without_memory(void)
{
    struct isle__alone way = {.bell = -1};
    struct isle__spawn_what what = {.kind = ISLE__ENTRY, .entry.entry = fail_from_here};
    isle_options options = {.errors_not_fatal = false};
    isle_isolate isolate;
    isle_value message;
    isle_end end;

    CHECK_ERR(isle__program_start_alone(&way), ISLE_OK);
    isle_receive_port *port = isle_port_open(), *errors = isle_port_open();
    options.monitor = isle_port_send_port(port);
    options.on_error = isle_port_send_port(errors);
    options.link = true;
    isle_receive_port *links = isle_port_open();
    isle_trap_links(isle_port_send_port(links));
    CHECK_ERR(isle__spawn_here(&options, &what, isle_null(), &isolate), ISLE_OK);
    CHECK_INT(isle__program_serve_alone(isolate, &end), 255);
    uint64_t made = isle__memory_fail_at(0);
    CHECK(end.reason == ISLE_FAILED || end.reason == ISLE_MEMORY);
    isle_end told = receive_end(port);
    CHECK(told.reason == end.reason);
    CHECK(isle_send_port_equal(told.isolate.control_port, isolate.control_port));
    CHECK_ERR(isle_port_try_receive(port, 0, &message), ISLE_ETIMEDOUT);
    told = receive_end(links);
    CHECK(told.reason == end.reason);
    CHECK(isle_send_port_equal(told.isolate.control_port, isolate.control_port));
    CHECK_ERR(isle_port_try_receive(links, 0, &message), ISLE_ETIMEDOUT);
    isle_port_close(port);
    isle_port_close(errors);
    isle_port_close(links);
    isle__program_stop_alone();
    return made;
}

TEST(an_end_is_told_without_memory)
{
    uint64_t made, live;

    (void)end_without_memory();
    live = isle__memory_live();
    do {
        failing++;
        made = end_without_memory();
        CHECK_UINT(isle__memory_live(), live);
    } while (made >= failing);
    CHECK(failing > 5);
}

/* --- a relation that could not be made leaves nothing */

/* Each allocation of what is done with the isolate fails once. */
static void fail_each_allocation(isle_computation *op, isle_isolate isolate)
{
    isle_value handle = isle_isolate_value(isolate), ignored;
    uint64_t made, nth = 0;

    do {
        (void)isle__memory_fail_at(++nth);
        isle_err err = isle_try(op, handle, &ignored);
        made = isle__memory_fail_at(0);
        CHECK(err == ISLE_ENOMEM || err == ISLE_OK); /* not all are needed */
        CHECK(made >= nth || err == ISLE_OK);
    } while (made >= nth);
}

static isle_value op_monitor(isle_value handle)
{
    isle_receive_port *port = isle_port_open();
    isle_defer(close_port, port);
    isle_monitor(isle_as_isolate(handle), isle_port_send_port(port));
    isle_unmonitor(isle_as_isolate(handle), isle_port_send_port(port));
    return isle_null();
}

TEST_ROOT(out_of_memory_in_monitor)
{
    isle_isolate isolate = isle_spawn(wait_for_ever, isle_null(), NULL);

    fail_each_allocation(op_monitor, isolate);
    isle_kill(isolate, ISLE_IMMEDIATE);
}

static isle_value op_link(isle_value handle)
{
    isle_link(isle_as_isolate(handle));
    isle_unlink(isle_as_isolate(handle));
    return isle_null();
}

/* An error of the sweep keeps nobody linked: the root goes on when the other is killed. */
TEST_ROOT(out_of_memory_in_link)
{
    isle_isolate isolate = isle_spawn(wait_for_ever, isle_null(), NULL);

    fail_each_allocation(op_link, isolate);
    isle_kill(isolate, ISLE_IMMEDIATE);
    settle();
}

/* The same in a spawn that links: nothing is born, or it is linked. */
static isle_value op_spawn_linked(isle_value port)
{
    isle_spawn(return_at_once, isle_null(),
               &(isle_options){.link = true, .monitor = isle_as_port(port)});
    return isle_null();
}

TEST_ROOT(out_of_memory_in_a_spawn_that_links)
{
    isle_receive_port *ends = isle_port_open();
    isle_value ignored;
    uint64_t made, nth = 0;

    do {
        ISLE_SCOPE;
        isle_value port = isle_port_value(ends);
        (void)isle__memory_fail_at(++nth);
        isle_err err = isle_try(op_spawn_linked, port, &ignored);
        made = isle__memory_fail_at(0);
        CHECK(err == ISLE_ENOMEM || err == ISLE_OK);
        if (err == ISLE_OK)
            CHECK_INT(receive_end(ends).reason, ISLE_RETURNED);
    } while (made >= nth);
    settle();
    CHECK(port_is_empty(ends));
    isle_port_close(ends);
}

TEST_MAIN()
