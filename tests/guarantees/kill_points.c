/* SPDX-License-Identifier: Apache-2.0 */
/* Guarantee 7: kills and deadlines land at kill points alone, and wait in ISLE_UNINTERRUPTED. */
#include "ends_help.h"

/* --- kill points */

static void forever_await(isle_receive_port *own)
{
    (void)own;
    isle_await(isle_call(isle_current().default_port, isle_null(), ISLE_FOREVER));
}

static void forever_receive(isle_receive_port *own)
{
    (void)isle_port_receive(own);
}

static void forever_send(isle_receive_port *own)
{
    isle_send(isle_port_send_port(own), isle_null());
    while (!port_is_empty(own))
        isle_send(isle_port_send_port(own), isle_null());
}

static isle_send_port closed_port;

static void forever_send_only(isle_receive_port *own)
{
    (void)own;
    isle_send(closed_port, isle_null());
}

static void forever_checkpoint(isle_receive_port *own)
{
    (void)own;
    isle_checkpoint();
}

static void forever_sleep(isle_receive_port *own)
{
    (void)own;
    isle_sleep(ISLE_SECONDS(1000));
}

static void no_entry(isle_value message)
{
    (void)message;
}

static void forever_spawn(isle_receive_port *own)
{
    (void)own;
    isle_spawn(no_entry, isle_null(), NULL);
}

static void (*const kill_points[])(isle_receive_port *) = {
    forever_await,      forever_receive, forever_send,  forever_send_only,
    forever_checkpoint, forever_sleep,   forever_spawn,
};

static void at_point(isle_value message)
{
    int64_t which;
    isle_send_port root;
    isle_receive_port *own = isle_port_open();

    isle_unpack(message, "[i,p!]", &which, &root);
    isle_send(root, isle_null());
    for (;;) {
        ISLE_SCOPE;
        kill_points[which](own);
    }
}

static void check_killed_at(int64_t which, isle_priority priority)
{
    isle_receive_port *port = isle_port_open(), *over = isle_port_open();
    isle_isolate isolate = isle_spawn(at_point, isle_pack("[i,o]", which, isle_port_value(port)),
                                      &(isle_options){.on_exit = isle_port_send_port(over)});

    check_null(isle_port_receive(port));
    isle_kill(isolate, priority);
    check_null(isle_port_receive(over));
    isle_port_close(port);
    isle_port_close(over);
}

TEST_ROOT(kill_lands_in_await)
{
    check_killed_at(0, ISLE_IMMEDIATE);
}

TEST_ROOT(kill_lands_in_receive)
{
    check_killed_at(1, ISLE_IMMEDIATE);
}

TEST_ROOT(kill_before_the_next_event_lands_in_receive)
{
    check_killed_at(1, ISLE_BEFORE_NEXT_EVENT);
}

TEST_ROOT(kill_lands_in_send)
{
    isle_receive_port *closed = isle_port_open();

    closed_port = isle_port_send_port(closed);
    isle_port_close(closed);
    check_killed_at(2, ISLE_IMMEDIATE);
    check_killed_at(3, ISLE_IMMEDIATE);
}

TEST_ROOT(kill_lands_in_a_checkpoint)
{
    check_killed_at(4, ISLE_IMMEDIATE);
}

TEST_ROOT(kill_lands_in_sleep)
{
    check_killed_at(5, ISLE_IMMEDIATE);
}

TEST_ROOT(kill_lands_in_spawn)
{
    check_killed_at(6, ISLE_IMMEDIATE);
    settle();
}

static void tick_nothing(void *context)
{
    (void)context;
}

static void endless_microtasks(void *context)
{
    isle_schedule_microtask(endless_microtasks, context);
}

static void looping(isle_value root)
{
    isle_timer_periodic(ISLE_US(1), tick_nothing, NULL);
    isle_send(isle_as_port(root), isle_null());
}

static void looping_microtasks(isle_value root)
{
    isle_schedule_microtask(endless_microtasks, NULL);
    isle_send(isle_as_port(root), isle_null());
}

TEST_ROOT(kill_lands_at_the_return_to_the_loop)
{
    check_entry_is_killed(looping, ISLE_IMMEDIATE);
    check_entry_is_killed(looping, ISLE_BEFORE_NEXT_EVENT);
}

TEST_ROOT(kill_lands_between_endless_microtasks)
{
    check_entry_is_killed(looping_microtasks, ISLE_IMMEDIATE);
}

/* Code that reaches no kill point is not stopped: said in the guarantee, shown here. */
static _Atomic bool go_on;

static void between_points(isle_value root)
{
    isle_send(isle_as_port(root), isle_null());
    while (!atomic_load(&go_on))
        ;
    trace(1);
    isle_checkpoint();
    trace(2);
}

TEST_ROOT(code_between_kill_points_is_not_stopped)
{
    needs_shared_program();
    isle_receive_port *port = isle_port_open(), *over = isle_port_open();
    isle_isolate isolate = isle_spawn(between_points, isle_port_value(port),
                                      &(isle_options){.on_exit = isle_port_send_port(over)});

    check_null(isle_port_receive(port));
    isle_kill(isolate, ISLE_IMMEDIATE);
    atomic_store(&go_on, true);
    check_null(isle_port_receive(over));
    CHECK_TRACE(1);
    isle_port_close(port);
    isle_port_close(over);
}

/* --- kill waits in ISLE_UNINTERRUPTED */

static sem_t killed_by_now;

static void uninterrupted(isle_value root)
{
    {
        ISLE_UNINTERRUPTED;
        isle_send(isle_as_port(root), isle_int(1));
        semaphore_wait(&killed_by_now);
        {
            ISLE_UNINTERRUPTED;
            isle_checkpoint();
        }
        isle_checkpoint();
        isle_send(isle_as_port(root), isle_int(2));
    }
    isle_checkpoint();
    isle_send(isle_as_port(root), isle_int(3));
}

TEST_ROOT(kill_waits_in_an_uninterrupted_section)
{
    needs_shared_program();
    isle_receive_port *port = isle_port_open();
    isle_isolate isolate;

    sem_init(&killed_by_now, 0, 0);
    isolate = isle_spawn(uninterrupted, isle_port_value(port),
                         &(isle_options){.on_exit = isle_port_send_port(port)});
    CHECK_INT(receive_int(port), 1);
    isle_kill(isolate, ISLE_IMMEDIATE);
    sem_post(&killed_by_now);
    CHECK_INT(receive_int(port), 2);
    check_null(isle_port_receive(port));
    isle_port_close(port);
}

/* The section holds across a suspension too. */
static void uninterrupted_suspension(isle_value root)
{
    isle_receive_port *own = isle_port_open();
    {
        ISLE_UNINTERRUPTED;
        isle_send(isle_as_port(root), isle_port_value(own));
        CHECK_INT(receive_int(own), 5);
        isle_send(isle_as_port(root), isle_int(2));
    }
    isle_checkpoint();
    isle_send(isle_as_port(root), isle_int(3));
}

TEST_ROOT(kill_waits_for_an_uninterrupted_section_that_suspends)
{
    needs_shared_program();
    isle_receive_port *port = isle_port_open(), *pong = isle_port_open();
    isle_isolate isolate = isle_spawn(uninterrupted_suspension, isle_port_value(port),
                                      &(isle_options){.on_exit = isle_port_send_port(port)});
    isle_send_port to = isle_as_port(isle_port_receive(port));

    isle_ping(isolate, isle_port_send_port(pong), isle_null(), ISLE_IMMEDIATE);
    isle_kill(isolate, ISLE_IMMEDIATE);
    check_null(isle_port_receive(pong));
    isle_send(to, isle_int(5));
    CHECK_INT(receive_int(port), 2);
    check_null(isle_port_receive(port));
    isle_port_close(port);
    isle_port_close(pong);
}

/* --- deadlines */

TEST_ROOT(a_deadline_ends_an_isolate)
{
    isle_receive_port *port = isle_port_open(), *over = isle_port_open();
    int64_t start = isle_now_ns();

    isle_spawn(at_point, isle_pack("[i,o]", 1, isle_port_value(port)),
               &(isle_options){.deadline_ns = ISLE_MS(20), .on_exit = isle_port_send_port(over)});
    check_null(isle_port_receive(over));
    CHECK(isle_now_ns() - start >= ISLE_MS(20));
    isle_port_close(port);
    isle_port_close(over);
}

/* It is a kill, at a kill point: in a loop of checkpoints too, where no other event runs. */
TEST_ROOT(a_deadline_ends_an_isolate_that_only_computes)
{
    isle_receive_port *port = isle_port_open(), *over = isle_port_open();

    isle_spawn(at_point, isle_pack("[i,o]", 4, isle_port_value(port)),
               &(isle_options){.deadline_ns = ISLE_MS(20), .on_exit = isle_port_send_port(over)});
    check_null(isle_port_receive(over));
    isle_port_close(port);
    isle_port_close(over);
}

TEST_MAIN()
