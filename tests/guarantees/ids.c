/* SPDX-License-Identifier: Apache-2.0 */
/* The decision on ids and checked handles: nothing that is stale reaches a new owner. The build
 * with two bits of generation lets every number wrap after three uses. */
#include "guarantees.h"

static int compare_ids(const void *a, const void *b)
{
    uint64_t first = *(const uint64_t *)a, second = *(const uint64_t *)b;

    return first < second ? -1 : first > second;
}

static void check_distinct(uint64_t *ids, size_t count)
{
    qsort(ids, count, sizeof *ids, compare_ids);
    for (size_t i = 1; i < count; i++)
        CHECK(ids[i - 1] != ids[i]);
}

TEST_ROOT(the_ids_of_ports_are_never_used_again)
{
    enum { COUNT = 20000 };
    static uint64_t ids[COUNT];

    for (int i = 0; i < COUNT; i++) {
        isle_receive_port *port = isle_port_open();

        ids[i] = isle_port_send_port(port).id;
        isle_port_close(port);
    }
    check_distinct(ids, COUNT);
}

static void idle_entry(isle_value message)
{
    (void)message;
}

TEST_ROOT(the_ids_of_isolates_are_never_used_again)
{
#ifdef GUARANTEES_PROCESS
    enum { COUNT = 200 };
#else
    enum { COUNT = 2000 };
#endif
    static uint64_t ids[2 * COUNT];

    for (int i = 0; i < COUNT; i++) {
        ISLE_SCOPE;
        isle_isolate isolate = isle_spawn(idle_entry, isle_null(), NULL);

        ids[2 * i] = isolate.control_port.id;
        ids[2 * i + 1] = isolate.default_port.id;
        if (i % 50 == 0)
            settle();
    }
    check_distinct(ids, 2 * COUNT);
}

TEST_ROOT(a_stale_port_reaches_no_new_owner)
{
    for (int i = 0; i < 500; i++) {
        ISLE_SCOPE;
        isle_receive_port *old = isle_port_open(), *fresh[4], *marker = isle_port_open();
        isle_send_port stale = isle_port_send_port(old);

        isle_send(stale, isle_int(1));
        isle_port_close(old);
        for (int j = 0; j < 4; j++)
            fresh[j] = isle_port_open();
        isle_send(stale, isle_int(2));
        isle_send(isle_port_send_port(marker), isle_int(3));
        CHECK_INT(receive_int(marker), 3);
        for (int j = 0; j < 4; j++) {
            CHECK(port_is_empty(fresh[j]));
            isle_port_close(fresh[j]);
        }
        isle_port_close(marker);
    }
}

/* A reply that comes late must not complete a newer call that has its slot. */
static isle_value answer_later(isle_value request, void *go)
{
    (void)isle_port_receive(go);
    return request;
}

static void late_server(isle_value root)
{
    isle_receive_port *go = isle_port_open();

    isle_send(isle_as_port(root), isle_port_value(go));
    isle_port_serve(isle_default_port(), answer_later, go);
}

TEST_ROOT(a_late_reply_reaches_no_newer_call)
{
    isle_receive_port *port = isle_port_open();
    isle_isolate server = isle_spawn(late_server, isle_port_value(port), NULL);
    isle_send_port go = isle_as_port(isle_port_receive(port));

    for (int i = 0; i < 300; i++) {
        ISLE_SCOPE;
        isle_future *first = isle_call(server.default_port, isle_int(i), ISLE_FOREVER), *second;

        isle_future_cancel(first);
        second = isle_call(server.default_port, isle_int(1000 + i), ISLE_FOREVER);
        isle_send(go, isle_null());
        isle_send(go, isle_null());
        CHECK_INT(isle_as_int(isle_await(second)), 1000 + i);
    }
    isle_kill(server, ISLE_IMMEDIATE);
    isle_port_close(port);
}

static void waiting_entry(isle_value message)
{
    (void)message;
    (void)isle_port_receive(isle_default_port());
    isle_port_close(isle_default_port());
}

TEST_ROOT(a_stale_handle_controls_no_new_isolate)
{
    isle_receive_port *port = isle_port_open();
    isle_send_port to = isle_port_send_port(port);

    for (int i = 0; i < 200; i++) {
        ISLE_SCOPE;
        isle_isolate old = isle_spawn(waiting_entry, isle_null(), NULL), fresh;

        isle_send(old.default_port, isle_null());
        settle();
        fresh = isle_spawn(waiting_entry, isle_null(), NULL);
        isle_ping(old, to, isle_int(1), ISLE_IMMEDIATE);
        isle_kill(old, ISLE_IMMEDIATE);
        isle_pause(old, (isle_capability){0});
        isle_add_exit_listener(old, to, isle_int(2));
        isle_send(old.default_port, isle_int(9));
        isle_ping(fresh, to, isle_int(3), ISLE_IMMEDIATE);
        CHECK_INT(receive_int(port), 3);
        isle_add_exit_listener(fresh, to, isle_int(4));
        isle_send(fresh.default_port, isle_null());
        CHECK_INT(receive_int(port), 4);
        CHECK(port_is_empty(port));
    }
    isle_port_close(port);
}

/* A capability opens the isolate that it is of, and no other. */
TEST_ROOT(a_capability_of_another_isolate_controls_nothing)
{
    isle_receive_port *port = isle_port_open();
    isle_isolate first = isle_spawn(waiting_entry, isle_null(), NULL),
                 second = isle_spawn(waiting_entry, isle_null(), NULL), mixed = first;

    mixed.terminate_capability = second.terminate_capability;
    isle_kill(mixed, ISLE_IMMEDIATE);
    mixed.terminate_capability = first.pause_capability;
    isle_kill(mixed, ISLE_IMMEDIATE);
    mixed.terminate_capability = (isle_capability){0};
    isle_kill(mixed, ISLE_IMMEDIATE);
    isle_ping(first, isle_port_send_port(port), isle_int(1), ISLE_IMMEDIATE);
    CHECK_INT(receive_int(port), 1);
    isle_kill(first, ISLE_IMMEDIATE);
    isle_kill(second, ISLE_IMMEDIATE);
    isle_port_close(port);
}

/* --- checked handles: stale, and of another isolate */

static isle_value use_port(isle_value port)
{
    return isle_port_value(isle_as_pointer(port));
}

static isle_value listen_port(isle_value port)
{
    isle_port_listen(isle_as_pointer(port), NULL, NULL);
    return isle_null();
}

static isle_value receive_port(isle_value port)
{
    return isle_port_receive(isle_as_pointer(port));
}

static isle_value use_future(isle_value future)
{
    return isle_await(isle_as_pointer(future));
}

static isle_value keep_future(isle_value future)
{
    isle_future_keep(isle_as_pointer(future));
    return isle_null();
}

static void no_task(void *context)
{
    (void)context;
}

/* Pointers of the root, as numbers: its port, future and timer. */
static void foreigner(isle_value message)
{
    int64_t port, future, timer;
    isle_value as_port, as_future, ignored;

    for (int i = 0; i < 20; i++) { /* the same places are in use here too */
        isle_port_open();
        isle_future_keep(isle_future_new());
        isle_timer_start(ISLE_SECONDS(1000), no_task, NULL);
    }
    isle_unpack(message, "[i,i,i!]", &port, &future, &timer);
    as_port = isle_pointer((void *)(uintptr_t)port);
    as_future = isle_pointer((void *)(uintptr_t)future);
    CHECK_ERR(isle_try(use_port, as_port, NULL), ISLE_ECLOSED);
    CHECK_ERR(isle_try(listen_port, as_port, NULL), ISLE_ECLOSED);
    CHECK_ERR(isle_try(receive_port, as_port, NULL), ISLE_ECLOSED);
    CHECK_ERR(isle_port_try_receive(isle_as_pointer(as_port), 0, &ignored), ISLE_ECLOSED);
    CHECK_ERR(isle_try(use_future, as_future, NULL), ISLE_ESTALE);
    CHECK_ERR(isle_try(keep_future, as_future, NULL), ISLE_ESTALE);
    CHECK_ERR(isle_try(use_future, as_port, NULL), ISLE_ESTALE);
    CHECK_ERR(isle_try(use_port, as_future, NULL), ISLE_ECLOSED);
    isle_port_close((void *)(uintptr_t)port);
    isle_future_cancel((void *)(uintptr_t)future);
    isle_timer_cancel((void *)(uintptr_t)timer);
    isle_exit(isle_send_port_none(), isle_null());
}

TEST_ROOT(handles_of_another_isolate_are_refused)
{
    isle_receive_port *port = isle_port_open(), *over = isle_port_open();
    isle_future *future = isle_future_new();
    isle_timer *timer = isle_timer_start(ISLE_SECONDS(1000), no_task, NULL);

    for (int i = 0; i < 20; i++) {
        ISLE_SCOPE;
        isle_spawn(foreigner,
                   isle_pack("[i,i,i]", (intptr_t)port, (intptr_t)future, (intptr_t)timer),
                   &(isle_options){.on_exit = isle_port_send_port(over)});
        check_null(isle_port_receive(over));
    }
    CHECK(!isle_future_is_complete(future));
    isle_send(isle_port_send_port(port), isle_int(1));
    CHECK_INT(receive_int(port), 1);
    isle_timer_cancel(timer);
    isle_port_close(port);
    isle_port_close(over);
}

TEST_ROOT(stale_handles_are_refused_when_their_place_is_in_use_again)
{
    for (int i = 0; i < 300; i++) {
        ISLE_SCOPE;
        isle_receive_port *port = isle_port_open(), *fresh;
        isle_timer *timer = isle_timer_start(ISLE_SECONDS(1000), no_task, NULL), *other;

        isle_port_close(port);
        isle_port_close(port);
        isle_timer_cancel(timer);
        fresh = isle_port_open();
        other = isle_timer_start(ISLE_SECONDS(1000), no_task, NULL);
        isle_port_close(port);
        isle_timer_cancel(timer);
        CHECK_ERR(isle_try(use_port, isle_pointer(port), NULL), ISLE_ECLOSED);
        CHECK_ERR(isle_try(receive_port, isle_pointer(port), NULL), ISLE_ECLOSED);
        isle_send(isle_port_send_port(fresh), isle_int(i));
        CHECK_INT(receive_int(fresh), i);
        isle_port_close(fresh);
        isle_timer_cancel(other);
    }
}

TEST_MAIN()
