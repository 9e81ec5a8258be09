/* SPDX-License-Identifier: Apache-2.0 */
/* Calls, control messages and names through a wall: they mean there what they mean here. Over a
 * backend of the tests and, with WALL_OF_PROCESSES, around sandboxed processes (wall_help.h). */
#include "wall_help.h"

/* --- calls */

static isle_value add(isle_value request, void *context)
{
    int64_t a, b;
    (void)context;
    isle_unpack(request, "[i,i]", &a, &b);
    if (a == b)
        isle_throwf("%d twice", (int)a);
    return isle_int(a + b);
}

static void serve(isle_value message)
{
    (void)message;
    isle_port_serve(isle_default_port(), add, NULL);
}

TEST_ROOT(a_call_is_answered_with_a_value_or_an_error)
{
    isle_isolate other = isle_spawn(serve, isle_null(), &walled);
    for (int i = 0; i < 1000; i++) {
        ISLE_SCOPE;
        isle_value sum =
            awaited(isle_call(other.default_port, isle_pack("[i,i]", i, -1), ISLE_SECONDS(10)));
        CHECK_INT(isle_as_int(sum), i - 1);
    }
    isle_value unused;
    isle_err err =
        isle_try_await(isle_call(other.default_port, isle_pack("[i,i]", 4, 4), ISLE_SECONDS(10)),
                       ISLE_SECONDS(20), &unused);
    CHECK_ERR(err, ISLE_ETHROWN);
    CHECK_STRING(isle_error_text(isle_last_error()), "4 twice");
    isle_kill(other, ISLE_IMMEDIATE);
    settle();
}

static void swallow(isle_value to)
{
    isle_value message = isle_port_receive(isle_default_port());
    (void)message;
    isle_send(isle_as_port(to), isle_string("swallowed"));
    isle_sleep(ISLE_FOREVER / 2);
}

TEST_ROOT(calls_that_wait_are_told_when_the_inside_dies)
{
    isle_receive_port *port = isle_port_open();
    isle_isolate other = isle_spawn(swallow, isle_port_value(port), &walled);
    isle_future *first = isle_call(other.default_port, isle_int(1), ISLE_FOREVER);
    isle_future *second = isle_call(other.default_port, isle_int(2), ISLE_FOREVER);
    CHECK_STRING(isle_as_string(receive(port)), "swallowed");
    isle_kill(other, ISLE_IMMEDIATE);
    isle_value value;
    CHECK_ERR(isle_try_await(first, ISLE_SECONDS(20), &value), ISLE_ECLOSED);
    CHECK_ERR(isle_try_await(second, ISLE_SECONDS(20), &value), ISLE_ECLOSED);
    isle_port_close(port);
    settle();
}

static isle_value fails(isle_value argument)
{
    isle_throw(isle_error(ISLE_ERANGE, isle_as_string(argument), NULL));
}

static isle_value leaves(isle_value argument)
{
    isle_exit(isle_send_port_none(), argument);
}

TEST_ROOT(a_run_has_a_result_an_error_or_none)
{
    isle_value value;
    CHECK_INT(isle_as_int(awaited(isle_run(twice, isle_int(21), &walled))), 42);
    CHECK_ERR(
        isle_try_await(isle_run(fails, isle_string("too far"), &walled), ISLE_SECONDS(20), &value),
        ISLE_ERANGE);
    CHECK_STRING(isle_error_text(isle_last_error()), "too far");
    CHECK_ERR(isle_try_await(isle_run(leaves, isle_null(), &walled), ISLE_SECONDS(20), &value),
              ISLE_ENORESULT);
    settle();
}

/* --- control */

static void answer_pings(isle_value to)
{
    isle_receive_port *port = isle_default_port();
    isle_send(isle_as_port(to), isle_string("ready"));
    while (!isle_is_null(isle_port_receive(port)))
        ;
    isle_port_close(port);
}

TEST_ROOT(pings_are_answered_in_order)
{
    isle_receive_port *port = isle_port_open();
    isle_send_port to = isle_port_send_port(port);
    isle_isolate other = isle_spawn(answer_pings, isle_port_value(port), &walled);
    CHECK_STRING(isle_as_string(receive(port)), "ready");
    for (int i = 0; i < 100; i++)
        isle_ping(other, to, isle_int(i), i % 2 ? ISLE_IMMEDIATE : ISLE_IMMEDIATE);
    for (int i = 0; i < 100; i++)
        CHECK_INT(isle_as_int(receive(port)), i);
    for (int i = 0; i < 100; i++)
        isle_ping(other, to, isle_int(i), ISLE_BEFORE_NEXT_EVENT);
    for (int i = 0; i < 100; i++)
        CHECK_INT(isle_as_int(receive(port)), i);
    isle_send(other.default_port, isle_null());
    isle_port_close(port);
    settle();
}

TEST_ROOT(a_paused_isolate_answers_pings_and_takes_no_mail)
{
    isle_receive_port *port = isle_port_open();
    isle_options options = walled;
    options.paused = true;
    isle_isolate other = isle_spawn(echo, isle_port_value(port), &options);
    isle_send(other.default_port, isle_int(1));
    isle_ping(other, isle_port_send_port(port), isle_string("pong"), ISLE_IMMEDIATE);
    CHECK_STRING(isle_as_string(receive(port)), "pong");
    isle_capability key = isle_pause(other, (isle_capability){0});
    isle_resume(other, other.pause_capability);
    isle_ping(other, isle_port_send_port(port), isle_string("pong"), ISLE_IMMEDIATE);
    CHECK_STRING(isle_as_string(receive(port)), "pong");
    isle_resume(other, key);
    CHECK_INT(isle_as_int(receive(port)), 1);
    isle_send(other.default_port, isle_null());
    CHECK(isle_is_null(receive(port)));
    isle_port_close(port);
    settle();
}

/* --- names */

static void tell_self(isle_value to)
{
    isle_receive_port *port = isle_default_port();
    isle_send(isle_as_port(to), isle_isolate_value(isle_current()));
    isle_value again = isle_port_receive(port);
    isle_isolate self = isle_as_isolate(again), own = isle_current();
    bool same = isle_send_port_equal(self.control_port, own.control_port) &&
                isle_send_port_equal(self.default_port, own.default_port) &&
                isle_capability_equal(self.pause_capability, own.pause_capability) &&
                isle_capability_equal(self.terminate_capability, own.terminate_capability);
    isle_send(isle_as_port(to), isle_bool(same));
    isle_port_close(port);
}

TEST_ROOT(a_handle_goes_out_and_home)
{
    isle_receive_port *port = isle_port_open();
    isle_isolate other = isle_spawn(tell_self, isle_port_value(port), &walled);
    isle_isolate told = isle_as_isolate(receive(port));
    CHECK(isle_send_port_equal(told.control_port, other.control_port));
    CHECK(isle_send_port_equal(told.default_port, other.default_port));
    CHECK(isle_capability_equal(told.pause_capability, other.pause_capability));
    CHECK(isle_capability_equal(told.terminate_capability, other.terminate_capability));
    isle_send(other.default_port, isle_isolate_value(other));
    CHECK(isle_as_bool(receive(port)));
    isle_port_close(port);
    settle();
}

/* Each message is a control port by itself, or a handle with it. */
static void tell_controls(isle_value to)
{
    isle_receive_port *port = isle_default_port();
    isle_send_port plain = isle_as_port(isle_port_receive(port));
    isle_send(isle_as_port(to), isle_port(plain));
    isle_isolate handle = isle_as_isolate(isle_port_receive(port));
    isle_send(isle_as_port(to), isle_isolate_value(handle));
    isle_ping(handle, isle_as_port(to), isle_string("pong"), ISLE_IMMEDIATE);
    isle_send(isle_as_port(to), isle_bool(isle_send_port_equal(plain, handle.control_port)));
    (void)isle_port_receive(port); /* till when the ping's answer is here */
    isle_port_close(port);
}

TEST_ROOT(a_control_port_may_come_before_its_handle)
{
    isle_receive_port *port = isle_port_open(), *ends = isle_port_open();
    isle_options options = walled;
    options.monitor = isle_port_send_port(ends);
    isle_isolate named = isle_spawn(wait_for_ever, isle_null(), NULL);
    isle_isolate other = isle_spawn(tell_controls, isle_port_value(port), &options);
    isle_send(other.default_port, isle_port(named.control_port));
    CHECK(isle_send_port_equal(isle_as_port(receive(port)), named.control_port));
    isle_send(other.default_port, isle_isolate_value(named));
    isle_isolate told = isle_as_isolate(receive(port));
    CHECK(isle_send_port_equal(told.control_port, named.control_port));
    isle_value first = receive(port), second = receive(port);
    CHECK(isle_as_bool(isle_kind_of(first) == ISLE_BOOL ? first : second));
    CHECK_STRING(isle_as_string(isle_kind_of(first) == ISLE_BOOL ? second : first), "pong");
    isle_send(other.default_port, isle_null());
    CHECK_INT(isle_as_end(receive(ends)).reason, ISLE_RETURNED);
    isle_kill(named, ISLE_IMMEDIATE);
    isle_port_close(ends);
    isle_port_close(port);
    settle();
}

static void relay(isle_value ports)
{
    isle_receive_port *own = isle_port_open();
    isle_send_port root = isle_as_port(isle_list_get(ports, 0));
    isle_send(root, isle_port_value(own));
    isle_value message = isle_port_receive(own);
    isle_send(isle_as_port(message), isle_string("from the one"));
    isle_port_close(own);
}

static void relayed(isle_value ports)
{
    isle_receive_port *own = isle_port_open();
    isle_send_port root = isle_as_port(isle_list_get(ports, 0));
    isle_send_port other = isle_as_port(isle_list_get(ports, 1));
    isle_send(other, isle_port_value(own));
    isle_send(root, isle_port_receive(own));
    isle_port_close(own);
}

TEST_ROOT(two_insides_talk_to_each_other)
{
    isle_receive_port *port = isle_port_open();
    isle_spawn(relay, isle_pack("[o]", isle_port_value(port)), &walled);
    isle_value first = receive(port);
    isle_spawn(relayed, isle_pack("[o,o]", isle_port_value(port), first), &walled);
    CHECK_STRING(isle_as_string(receive(port)), "from the one");
    isle_port_close(port);
    settle();
}

static void kill_other(isle_value other)
{
    isle_kill(isle_as_isolate(other), ISLE_IMMEDIATE);
}

TEST_ROOT(an_inside_kills_what_its_handle_allows)
{
    isle_receive_port *port = isle_port_open();
    isle_options options = {.monitor = isle_port_send_port(port)};
    isle_isolate victim = isle_spawn(wait_for_ever, isle_null(), &options);
    isle_isolate harmless = victim;
    harmless.terminate_capability = (isle_capability){0};
    isle_receive_port *exits = isle_port_open();
    isle_options last = walled;
    last.on_exit = isle_port_send_port(exits);
    isle_spawn(kill_other, isle_isolate_value(harmless), &last);
    receive(exits);
    isle_ping(victim, isle_port_send_port(port), isle_string("lives"), ISLE_IMMEDIATE);
    CHECK_STRING(isle_as_string(receive(port)), "lives");
    isle_spawn(kill_other, isle_isolate_value(victim), &last);
    receive(exits);
    CHECK_INT(isle_as_end(receive(port)).reason, ISLE_KILLED);
    isle_port_close(exits);
    isle_port_close(port);
    settle();
}

/* --- deadlines of calls */

static isle_value tell_left(isle_value request, void *context)
{
    int64_t deadline = isle_call_deadline();
    (void)request, (void)context;
    return deadline == ISLE_FOREVER ? isle_null() : isle_int(deadline - isle_now_ns());
}

static void serve_left(isle_value message)
{
    (void)message;
    isle_port_serve(isle_default_port(), tell_left, NULL);
}

static void check_left(isle_isolate other, isle_value request, int64_t timeout)
{
    isle_value left = awaited(isle_call(other.default_port, request, timeout));
    if (timeout == ISLE_FOREVER)
        CHECK(isle_is_null(left));
    else
        CHECK(isle_as_int(left) > timeout / 2 && isle_as_int(left) <= timeout);
}

static isle_value many_descriptors(void)
{
    isle_value list = isle_list();
    for (int i = 0; i < 20; i++)
        isle_list_add(list, isle_resource(dup(0)));
    return list;
}

/* Whatever the request is, and whatever became of the one before. */
TEST_ROOT(a_deadline_crosses_with_its_own_call_and_no_other)
{
    static const char bytes[5000];
    isle_isolate other = isle_spawn(serve_left, isle_null(), &walled);
    for (int i = 0; i < 20; i++) {
        ISLE_SCOPE;
        int64_t timeout = i % 2 == 0 ? ISLE_SECONDS(1000) : ISLE_FOREVER;
        check_left(other, isle_int(i), timeout);
        check_left(other, isle_bytes(bytes, sizeof bytes), timeout);
        check_left(other, isle_string("some text"), ISLE_SECONDS(3000));
        isle_future *lost = isle_call(other.default_port, many_descriptors(), ISLE_SECONDS(1000));
        isle_err err = isle_try_await(lost, ISLE_SECONDS(30), NULL);
        CHECK(err != ISLE_OK && err != ISLE_ETIMEDOUT);
        check_left(other, isle_int(i), timeout);
    }
    isle_kill(other, ISLE_IMMEDIATE);
    settle();
}

TEST_MAIN()
