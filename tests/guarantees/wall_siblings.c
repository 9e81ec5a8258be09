/* SPDX-License-Identifier: Apache-2.0 */
/* What an isolate behind a wall spawns: a sibling, which has no more than its parent, and ends with
 * it. Over a backend of the tests and, with WALL_OF_PROCESSES, around sandboxed processes
 * (wall_help.h). */
#include "wall_help.h"

/* --- siblings */

static void child_of_inside(isle_value to)
{
    isle_send(isle_as_port(to), isle_string("from a sibling"));
}

static void spawn_child(isle_value to)
{
    isle_receive_port *exits = isle_port_open();
    isle_options options = {.on_exit = isle_port_send_port(exits)};
    isle_spawn(child_of_inside, to, &options);
    isle_port_receive(exits);
    isle_send(isle_as_port(to), isle_string("it has ended"));
    isle_port_close(exits);
}

TEST_ROOT(an_inside_spawns_a_sibling)
{
    isle_receive_port *port = isle_port_open();
    isle_spawn(spawn_child, isle_port_value(port), &walled);
    CHECK_STRING(isle_as_string(receive(port)), "from a sibling");
    CHECK_STRING(isle_as_string(receive(port)), "it has ended");
    isle_port_close(port);
    settle();
}

static void talk_to_child(isle_value to)
{
    isle_receive_port *port = isle_port_open();
    isle_isolate child = isle_spawn(echo, isle_port_value(port), NULL);
    for (int i = 0; i < 100; i++) /* its handle is valid at once */
        isle_send(child.default_port, isle_int(i));
    for (int i = 0; i < 100; i++)
        if (isle_as_int(isle_port_receive(port)) != i)
            isle_throwf("out of order");
    isle_send(isle_as_port(to), isle_isolate_value(child));
    isle_value sum = isle_await(isle_run(twice, isle_int(100), NULL));
    isle_send(isle_as_port(to), sum);
    isle_port_receive(isle_default_port());
}

TEST_ROOT(an_inside_talks_to_its_sibling_which_ends_with_it)
{
    isle_receive_port *port = isle_port_open();
    isle_isolate parent = isle_spawn(talk_to_child, isle_port_value(port), &walled);
    isle_isolate child = isle_as_isolate(receive(port));
    CHECK_INT(isle_as_int(receive(port)), 200);
    isle_monitor(child, isle_port_send_port(port));
    isle_kill(parent, ISLE_IMMEDIATE);
    CHECK_INT(isle_as_end(receive(port)).reason, ISLE_KILLED);
    isle_port_close(port);
    settle();
}

static void leave_a_spinner(isle_value to)
{
    isle_isolate child = isle_spawn(spin, to, NULL);
    isle_send(isle_as_port(to), isle_isolate_value(child));
    isle_port_receive(isle_default_port());
}

TEST_ROOT(a_sibling_does_not_outlive_its_parents_deadline)
{
    isle_receive_port *port = isle_port_open(), *ends = isle_port_open();
    isle_options options = walled;
    options.deadline_ns = ISLE_SECONDS(6); /* both have begun by then */
    options.monitor = isle_port_send_port(ends);
    isle_spawn(leave_a_spinner, isle_port_value(port), &options);
    isle_value first = receive(port), second = receive(port);
    isle_value handle = isle_kind_of(first) == ISLE_ISOLATE ? first : second;
    isle_monitor(isle_as_isolate(handle), isle_port_send_port(ends));
    for (int i = 0; i < 2; i++) {
        isle_reason reason = isle_as_end(receive(ends)).reason;
        CHECK(reason == ISLE_DEADLINE || reason == ISLE_KILLED);
    }
    isle_port_close(port);
    isle_port_close(ends);
    settle();
}

/* --- names: each has fewer than one alone may have, all together have more */

enum { NAMERS = 3, NAMED_LISTS = 100, NAMED_IN_LIST = 1000 };

static void name_many(isle_value to)
{
    for (int i = 0; i < NAMED_LISTS; i++) {
        ISLE_SCOPE;
        isle_value list = isle_list();
        for (int j = 0; j < NAMED_IN_LIST; j++)
            isle_list_add(list, isle_port_value(isle_port_open()));
        isle_send(isle_as_port(to), list);
    }
    isle_sleep(ISLE_FOREVER / 2);
}

static void spawn_namers(isle_value to)
{
    isle_options options = {.monitor = isle_as_port(to)};
    for (int i = 1; i < NAMERS; i++)
        isle_spawn(name_many, to, &options);
    name_many(to);
}

TEST_ROOT(siblings_share_one_bound_of_names)
{
    isle_receive_port *port = isle_port_open();
    isle_options options = walled;
    options.monitor = isle_port_send_port(port);
    isle_isolate parent = isle_spawn(spawn_namers, isle_port_value(port), &options);
    for (int lists = 0;;) {
        ISLE_SCOPE;
        isle_value message = receive(port);
        if (isle_kind_of(message) != ISLE_LIST) {
            CHECK_INT(isle_as_end(message).reason, ISLE_PROTOCOL);
            break;
        }
        CHECK(++lists < NAMERS * NAMED_LISTS);
    }
    isle_kill(parent, ISLE_IMMEDIATE);
    isle_port_close(port);
    settle();
}

#ifdef WALL_OF_PROCESSES
/* --- no more than the parent has */

static void burn(isle_value message)
{
    (void)message;
    for (volatile unsigned i = 0;; i++)
        ;
}

static void spawn_burner(isle_value to)
{
    isle_options options = {.monitor = isle_as_port(to), .memory_max = ISLE_UNLIMITED};
    isle_spawn(burn, isle_null(), &options);
    isle_sleep(ISLE_FOREVER / 2);
}

TEST_ROOT(a_sibling_has_no_more_time_than_its_parent)
{
    isle_receive_port *port = isle_port_open();
    isle_options options = walled;
    options.cpu_time_max_ns = ISLE_SECONDS(1);
    isle_isolate parent = isle_spawn(spawn_burner, isle_port_value(port), &options);
    CHECK_INT(isle_as_end(receive(port)).reason, ISLE_CPU);
    isle_kill(parent, ISLE_IMMEDIATE);
    isle_port_close(port);
    settle();
}

enum { BURNERS = 3 };

static void spawn_burners(isle_value to)
{
    isle_receive_port *exits = isle_port_open();
    isle_options options = {.monitor = isle_as_port(to), .on_exit = isle_port_send_port(exits)};
    for (int i = 0; i < BURNERS; i++) {
        isle_spawn(burn, isle_null(), &options);
        isle_port_receive(exits);
    }
    isle_sleep(ISLE_FOREVER / 2);
}

TEST_ROOT(siblings_one_after_the_other_have_no_more_time_than_their_parent)
{
    isle_receive_port *port = isle_port_open();
    isle_options options = walled;
    options.cpu_time_max_ns = ISLE_SECONDS(1);
    isle_isolate parent = isle_spawn(spawn_burners, isle_port_value(port), &options);
    isle_reason reasons[BURNERS];
    for (int i = 0; i < BURNERS; i++)
        reasons[i] = isle_as_end(receive(port)).reason;
    CHECK_INT(reasons[0], ISLE_CPU);
    /* The system counts whole seconds, and may end the first one a few milliseconds before. */
    CHECK(reasons[1] == ISLE_CPU || reasons[1] == ISLE_UNSPAWNED);
    CHECK_INT(reasons[BURNERS - 1], ISLE_UNSPAWNED); /* it never came to run */
    isle_kill(parent, ISLE_IMMEDIATE);
    isle_port_close(port);
    settle();
}

static void tell_room(isle_value to)
{
    void *volatile much = malloc((size_t)512 << 20); /* or clang needs none */
    isle_send(isle_as_port(to), isle_bool(much != NULL));
    free(much);
}

/* A limit that no sum can hold is none. */
TEST_ROOT(nearly_unlimited_memory_is_unlimited)
{
    isle_receive_port *port = isle_port_open();
    isle_options options = walled;
    options.memory_max = ISLE_UNLIMITED - 1;
    isle_spawn(tell_room, isle_port_value(port), &options);
    CHECK(isle_as_bool(receive(port)));
    isle_port_close(port);
    settle();
}

static void spawn_large(isle_value to)
{
    isle_options options = {.memory_max = ISLE_UNLIMITED};
    isle_spawn(tell_room, to, &options);
    isle_sleep(ISLE_FOREVER / 2);
}

TEST_ROOT(a_sibling_has_no_more_memory_than_its_parent)
{
    if (TEST_SANITIZER[0] != '\0')
        skip("a sanitizer's runtime needs more memory than a limit leaves");
    isle_receive_port *port = isle_port_open();
    isle_isolate parent = isle_spawn(spawn_large, isle_port_value(port), &walled);
    CHECK(!isle_as_bool(receive(port)));
    isle_kill(parent, ISLE_IMMEDIATE);
    isle_port_close(port);
    settle();
}
#endif

TEST_MAIN()
