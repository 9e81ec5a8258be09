/* SPDX-License-Identifier: Apache-2.0 */
/* Guarantee: an isolate of code at a URI has globals of its own, on threads too, however many there
 * are, and all that an instance took comes back. */
#include "guarantees.h"

enum { LIVE = 1000, BESIDE = 100 };

static isle_isolate instance_spawn_with(const char *entry, isle_value message, isle_options options)
{
    const char *folder = getenv("ISLE_TEST_PLUGINS");
    isle_value uri = isle_stringf("%s/basics.so#%s", folder ? folder : CONFORMANCE_PLUGINS, entry);

    options.backend = ISLE_THREAD;
    return isle_spawn_uri(isle_as_string(uri), isle_null(), message, &options);
}

static isle_isolate instance_spawn(const char *entry, isle_value message)
{
    return instance_spawn_with(entry, message, (isle_options){0});
}

static int64_t instance_add(isle_isolate instance, int64_t number)
{
    return isle_as_int(
        isle_await(isle_call(instance.default_port, isle_int(number), ISLE_FOREVER)));
}

/* Each counts for itself: had two one counter, it would be too high. */
TEST_ROOT(a_thousand_live_instances_have_their_own_globals)
{
    static isle_isolate instances[LIVE];

    for (int i = 0; i < LIVE; i++)
        instances[i] = instance_spawn("count_requests", isle_null());
    for (int i = 0; i < LIVE; i++) {
        ISLE_SCOPE;
        CHECK_INT(instance_add(instances[i], i), i);
    }
    for (int i = LIVE; i-- > 0;) {
        ISLE_SCOPE;
        CHECK_INT(instance_add(instances[i], 1), i + 1);
    }
    for (int i = 0; i < LIVE; i++)
        isle_kill(instances[i], ISLE_IMMEDIATE);
    settle();
}
TEST_TIMEOUT(a_thousand_live_instances_have_their_own_globals, 120);

/* Its code is the program's own, though it was loaded after the others and they are about to go. */
TEST_ROOT(a_stack_overflow_in_an_instance_ends_it_alone)
{
    isle_receive_port *port = isle_port_open();
    isle_options told = {.on_error = isle_port_send_port(port),
                         .on_exit = isle_port_send_port(port)};
    isle_isolate beside[BESIDE];

    if (*TEST_SANITIZER)
        skip("a sanitizer has its own idea of stacks");
    for (int i = 0; i < BESIDE; i++)
        beside[i] = instance_spawn("count_requests", isle_null());
    for (int i = 0; i < BESIDE; i++) {
        ISLE_SCOPE;
        instance_spawn_with("descend", isle_null(), told);
        check_notice(isle_port_receive(port), "Stack Overflow");
        check_null(isle_port_receive(port));
        CHECK_INT(instance_add(beside[i], i), i);
        isle_kill(beside[i], ISLE_IMMEDIATE);
    }
    settle();
    isle_port_close(port);
}
TEST_TIMEOUT(a_stack_overflow_in_an_instance_ends_it_alone, 60);

/* The system's count of maps is bounded (65,530), and so are names and descriptors: what leaks ends
 * this test. */
TEST_ROOT(instances_come_and_go_ten_thousand_times)
{
    isle_receive_port *port = isle_port_open();
    int64_t cycles = rounds(2000, 10000, 100000);

    for (int64_t i = 0; i < 50; i++) {
        instance_spawn("count_up", isle_port_value(port));
        CHECK_INT(receive_int(port), 1);
    }
    settle();
    int descriptors = held_descriptors();
    uint64_t memory = memory_held();
    for (int64_t i = 0; i < cycles; i++) {
        ISLE_SCOPE;
        instance_spawn("count_up", isle_port_value(port));
        CHECK_INT(receive_int(port), 1);
    }
    settle();
    CHECK_INT(held_descriptors(), descriptors);
    CHECK(memory_returns_to(memory));
    isle_port_close(port);
}
TEST_TIMEOUT(instances_come_and_go_ten_thousand_times, 300);

TEST_MAIN()
