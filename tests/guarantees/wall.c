/* SPDX-License-Identifier: Apache-2.0 */
/* The wall (src/backend/wall): an isolate in another memory is like any isolate. Messages and ends.
 * Over a backend of the tests and, with WALL_OF_PROCESSES, around sandboxed processes
 * (wall_help.h). */
#include "wall_help.h"

/* --- the simplest things */

static void say_hello(isle_value to)
{
    isle_send(isle_as_port(to), isle_string("hello"));
}

TEST_ROOT(a_message_comes_out)
{
    isle_receive_port *port = isle_port_open();
    isle_spawn(say_hello, isle_port_value(port), &walled);
    CHECK_STRING(isle_as_string(receive(port)), "hello");
    isle_port_close(port);
    settle();
}

TEST_ROOT(messages_go_in_and_come_back_in_order)
{
    isle_receive_port *port = isle_port_open();
    isle_isolate other = isle_spawn(echo, isle_port_value(port), &walled);
    for (int i = 0; i < 5000; i++)
        isle_send(other.default_port, isle_int(i));
    for (int i = 0; i < 5000; i++)
        CHECK_INT(isle_as_int(receive(port)), i);
    isle_send(other.default_port, isle_null());
    CHECK(isle_is_null(receive(port)));
    isle_port_close(port);
    settle();
}

TEST_ROOT(a_large_message_goes_in_pieces)
{
    enum { SIZE = 3000000 };
    isle_receive_port *port = isle_port_open();
    isle_isolate other = isle_spawn(echo, isle_port_value(port), &walled);
    uint8_t *data = malloc(SIZE);
    for (size_t i = 0; i < SIZE; i++)
        data[i] = (uint8_t)(i * 7);
    isle_value bytes = isle_bytes(data, SIZE);
    free(data);
    isle_send(other.default_port, bytes);
    CHECK_VALUE(receive(port), bytes);
    isle_send(other.default_port, isle_null());
    CHECK(isle_is_null(receive(port)));
    isle_port_close(port);
    settle();
}

/* Around the least that has a way of its own, what fits into a ring at once, and its end. */
TEST_ROOT(bytes_of_many_sizes_go_in_and_come_back)
{
    enum { RING = 256 * 1024, AT_ONCE = 8, STEP = 4099 };
    isle_receive_port *port = isle_port_open();
    isle_isolate other = isle_spawn(echo, isle_port_value(port), &walled);
    uint8_t *data = malloc(RING);
    for (size_t i = 0; i < RING; i++)
        data[i] = (uint8_t)(i * 7 + i / 256);
    for (size_t first = 0; first < RING; first += first < 1024 ? 61 : (size_t)STEP * 2) {
        ISLE_SCOPE;
        isle_value sent[AT_ONCE];
        for (size_t i = 0; i < AT_ONCE; i++) {
            sent[i] = isle_bytes(data, first + i < RING ? first + i : RING);
            isle_send(other.default_port, sent[i]);
        }
        for (size_t i = 0; i < AT_ONCE; i++)
            CHECK_VALUE(receive(port), sent[i]);
    }
    free(data);
    isle_send(other.default_port, isle_null());
    CHECK(isle_is_null(receive(port)));
    isle_port_close(port);
    settle();
}

TEST_ROOT(an_end_is_told_to_listeners_and_monitors)
{
    isle_receive_port *exits = isle_port_open(), *ends = isle_port_open();
    isle_options options = walled;
    options.on_exit = isle_port_send_port(exits);
    options.monitor = isle_port_send_port(ends);
    isle_isolate other = isle_spawn(do_nothing, isle_null(), &options);
    CHECK(isle_is_null(receive(exits)));
    isle_end end = isle_as_end(receive(ends));
    CHECK_INT(end.reason, ISLE_RETURNED);
    CHECK_STRING(end.debug_name, "walled");
    CHECK(isle_send_port_equal(end.isolate.control_port, other.control_port));
    isle_port_close(exits);
    isle_port_close(ends);
    settle();
}

static void throw_it(isle_value message)
{
    isle_throwf("out of %s", isle_as_string(message));
}

TEST_ROOT(an_error_comes_to_the_listeners_outside)
{
    isle_receive_port *errors = isle_port_open(), *ends = isle_port_open();
    isle_options options = walled;
    options.on_error = isle_port_send_port(errors);
    options.monitor = isle_port_send_port(ends);
    isle_spawn(throw_it, isle_string("order"), &options);
    CHECK_STRING(isle_as_string(isle_list_get(receive(errors), 0)), "out of order");
    isle_end end = isle_as_end(receive(ends));
    CHECK_INT(end.reason, ISLE_FAILED);
    CHECK_STRING(end.text, "out of order");
    isle_port_close(errors);
    isle_port_close(ends);
    settle();
}

static void abort_it(isle_value to)
{
    isle_send(isle_as_port(to), isle_string("last words"));
    abort();
}

TEST_ROOT(a_crash_is_a_reason_and_comes_after_what_was_said)
{
    isle_receive_port *port = isle_port_open();
    isle_options options = walled;
    options.monitor = isle_port_send_port(port);
    isle_spawn(abort_it, isle_port_value(port), &options);
    CHECK_STRING(isle_as_string(receive(port)), "last words");
    isle_end end = isle_as_end(receive(port));
    CHECK_INT(end.reason, ISLE_SIGNALED);
    CHECK_STRING(end.text, "SIGABRT");
    isle_port_close(port);
    settle();
}

static void leave_process(isle_value message)
{
    (void)message;
    _exit(0);
}

TEST_ROOT(an_exit_of_the_process_is_no_good_end)
{
    isle_receive_port *port = isle_port_open();
    isle_options options = walled;
    options.monitor = isle_port_send_port(port);
    isle_spawn(leave_process, isle_null(), &options);
    isle_end end = isle_as_end(receive(port));
    CHECK_INT(end.reason, ISLE_FAILED);
    CHECK_STRING(end.text, "exit status 0 without an end");
    isle_port_close(port);
    settle();
}

TEST_ROOT(a_kill_ends_what_never_listens)
{
    isle_receive_port *port = isle_port_open();
    isle_options options = walled;
    options.monitor = isle_port_send_port(port);
    isle_isolate other = isle_spawn(spin, isle_port_value(port), &options);
    CHECK_STRING(isle_as_string(receive(port)), "spinning");
    isle_kill(other, ISLE_IMMEDIATE);
    CHECK_INT(isle_as_end(receive(port)).reason, ISLE_KILLED);
    isle_port_close(port);
    settle();
}

TEST_ROOT(a_deadline_ends_what_never_listens)
{
    isle_receive_port *port = isle_port_open();
    isle_options options = walled;
    options.monitor = isle_port_send_port(port);
    options.deadline_ns = ISLE_SECONDS(4); /* it has begun by then */
    isle_spawn(spin, isle_port_value(port), &options);
    CHECK_STRING(isle_as_string(receive(port)), "spinning");
    CHECK_INT(isle_as_end(receive(port)).reason, ISLE_DEADLINE);
    isle_port_close(port);
    settle();
}

static void throw_long(isle_value message)
{
    enum { SIZE = 70000 };
    char *text = malloc(SIZE);
    (void)message;
    text[0] = '.'; /* so that every even number of bytes ends within a character */
    for (size_t i = 1; i + 1 < SIZE; i += 2)
        memcpy(text + i, "\xc3\xa9", 2);
    text[SIZE - 1] = '\0';
    isle_throw(isle_error(ISLE_ERANGE, text, NULL));
}

TEST_ROOT(a_long_text_of_an_error_is_cut_between_two_characters)
{
    isle_receive_port *errors = isle_port_open(), *ends = isle_port_open();
    isle_options options = walled;
    options.on_error = isle_port_send_port(errors);
    options.monitor = isle_port_send_port(ends);
    isle_spawn(throw_long, isle_null(), &options);
    CHECK_INT(strlen(isle_as_string(isle_list_get(receive(errors), 0))), 65535);
    CHECK_INT(isle_as_end(receive(ends)).reason, ISLE_FAILED);
    isle_port_close(errors);
    isle_port_close(ends);
    settle();
}
/* --- cycles */

static void cycles(int count)
{
    isle_receive_port *port = isle_port_open();
    isle_options options = walled;
    options.monitor = isle_port_send_port(port);
    for (int i = 0; i < count; i++) {
        ISLE_SCOPE;
        isle_isolate other = isle_spawn(echo, isle_port_value(port), &options);
        if (i % 3 != 0) {
            isle_send(other.default_port, isle_int(i));
            CHECK_INT(isle_as_int(receive(port)), i);
        }
        isle_kill(other, ISLE_IMMEDIATE);
        CHECK_INT(isle_as_end(receive(port)).reason, ISLE_KILLED);
    }
    isle_port_close(port);
    settle();
}

/* Every death is told once, and nothing is left of any. */
TEST_ROOT(spawns_and_kills_leave_nothing)
{
    cycles(20);
    wall_rests(0);
    int descriptors = descriptors_held();
    uint64_t memory = memory_held();
    cycles((int)rounds(200, 2000, 10000));
    wall_rests(0);
    CHECK(descriptors_return_to(descriptors));
    CHECK(memory_returns_to(memory));
}
TEST_TIMEOUT(spawns_and_kills_leave_nothing, 300);
/* --- as much as there is time for */

static void flood(isle_value to)
{
    for (int i = 0; i < (int)rounds(200000, 200000, 200000); i++)
        isle_send(isle_as_port(to), isle_int(i));
}

TEST_ROOT(a_flood_arrives_in_order)
{
    isle_receive_port *port = isle_port_open();
    isle_spawn(flood, isle_port_value(port), &walled);
    for (int i = 0; i < (int)rounds(200000, 200000, 200000); i++) {
        ISLE_SCOPE;
        CHECK_INT(isle_as_int(receive(port)), i);
    }
    isle_port_close(port);
    settle();
}
/* --- what is nobody else's */

/* Made of a key and of a number that is the same in all that begin alike. */
static isle_value capability_of_mine(isle_value unused)
{
    (void)unused;
    return isle_int((int64_t)isle_current().terminate_capability.id);
}

TEST_ROOT(each_has_keys_of_its_own)
{
    int64_t one = isle_as_int(awaited(isle_run(capability_of_mine, isle_null(), &walled)));
    int64_t other = isle_as_int(awaited(isle_run(capability_of_mine, isle_null(), &walled)));
    CHECK(one != other);
    settle();
}

TEST_MAIN()
