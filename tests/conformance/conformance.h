/* SPDX-License-Identifier: Apache-2.0 */
/* What the conformance suite shares. The suite says what an isolate is, whatever carries it: every
 * spawn goes through spawn() or run(), which fill in the backend that ISLE_TEST_BACKEND names
 * (thread, the default, or process), so that one build is stamped out per backend.
 *
 * Laws of the suite:
 * - A child never checks what a C global holds and never shares one with the root: behind a wall
 *   it could not. What a child knows it reports, and the root checks.
 * - "Nothing comes" is shown by order: by a later message through the same path (an exit message,
 *   the answer to a ping, a reply), never by waiting.
 * - A test that needs one program on both sides (function values, shared frozen data) says so with
 *   needs_shared_program(). */
#ifndef CONFORMANCE_H
#define CONFORMANCE_H

#include "isle.h"
#include "test.h"

/* Before anything else of the program: an image that was executed to be a zygote stays here. */
__attribute__((constructor)) static void be_a_child(int argc, char **argv)
{
    (void)isle_child_main(argc, argv);
}

static inline isle_backend backend_under_test(void)
{
    const char *name = getenv("ISLE_TEST_BACKEND");

#ifdef CONFORMANCE_PROCESS
    if (!name || !*name)
        return ISLE_PROCESS;
#endif
    if (!name || !*name || !strcmp(name, "thread"))
        return ISLE_THREAD;
    if (!strcmp(name, "process"))
        return ISLE_PROCESS;
    fail("ISLE_TEST_BACKEND is %s: neither thread nor process", name);
}

static inline void needs_shared_program(void)
{
    if (backend_under_test() != ISLE_THREAD)
        skip("needs both isolates in one program");
}

/* Behind a wall what an isolate spawns ends with it. */
static inline void needs_children_that_live_on(void)
{
    if (backend_under_test() != ISLE_THREAD)
        skip("needs an isolate that outlives the one that spawned it");
}

/* Behind a wall an isolate spawns functions of the program alone. */
static inline void needs_code_of_a_child(void)
{
    if (backend_under_test() != ISLE_THREAD)
        skip("needs an isolate that spawns code from a URI itself");
}

/* What crosses a wall is bounded. */
static inline void needs_messages_of_any_size(void)
{
    if (backend_under_test() != ISLE_THREAD)
        skip("behind a wall a message has 256 MiB at most");
}

/* Structs cross a wall by the name of their type, which the program has registered. */
#define REGISTERED(type)                                                                           \
    __attribute__((constructor)) static void type##_is_registered(void)                            \
    {                                                                                              \
        CHECK_ERR(isle_type_register(&type), ISLE_OK);                                             \
    }                                                                                              \
    struct test

static inline isle_options options_under_test(const isle_options *options)
{
    isle_options filled = {0};

    if (options)
        filled = *options;
    if (filled.backend == ISLE_BACKEND_DEFAULT)
        filled.backend = backend_under_test();
    return filled;
}

static inline isle_isolate spawn(isle_entry *entry, isle_value message, const isle_options *options)
{
    isle_options filled = options_under_test(options);

    return isle_spawn(entry, message, &filled);
}

static inline isle_future *run(isle_computation *computation, isle_value argument,
                               const isle_options *options)
{
    isle_options filled = options_under_test(options);

    return isle_run(computation, argument, &filled);
}

static inline int64_t receive_int(isle_receive_port *port)
{
    return isle_as_int(isle_port_receive(port));
}

/* True when nothing waits in the port now: meaningful after a message that came by the same path.
 */
static inline bool port_is_empty(isle_receive_port *port)
{
    isle_value message;

    return isle_port_try_receive(port, 0, &message) == ISLE_ETIMEDOUT;
}

/* Sends its own port to the port in the message, then returns every value that it gets, and ends
 * after it has returned the int 0. */
static inline void echo(isle_value reply_to)
{
    isle_receive_port *port = isle_port_open();
    isle_send_port to = isle_as_port(reply_to);
    bool serving = true;

    isle_send(to, isle_port_value(port));
    while (serving) {
        ISLE_SCOPE;
        isle_value message = isle_port_receive(port);
        int64_t number;

        isle_send(to, message);
        serving = !isle_get_int(message, &number) || number != 0;
    }
    isle_port_close(port);
}

/* An echo isolate, its port and the port that its replies come to. */
struct echo {
    isle_isolate isolate;
    isle_receive_port *replies;
    isle_send_port port;
};

static inline struct echo echo_start(const isle_options *options)
{
    struct echo started;

    started.replies = isle_port_open();
    started.isolate = spawn(echo, isle_port_value(started.replies), options);
    started.port = isle_as_port(isle_port_receive(started.replies));
    return started;
}

/* Sends `value` to an echo isolate and returns what comes back. */
static inline isle_value echo_round(const struct echo *echo_isolate, isle_value value)
{
    isle_send(echo_isolate->port, value);
    return isle_port_receive(echo_isolate->replies);
}

static inline void echo_stop(struct echo *echo_isolate)
{
    CHECK_INT(isle_as_int(echo_round(echo_isolate, isle_int(0))), 0);
    isle_port_close(echo_isolate->replies);
}

/* One round through an echo isolate of its own. */
static inline isle_value echo_once(isle_value value)
{
    struct echo echo_isolate = echo_start(NULL);
    isle_value returned = echo_round(&echo_isolate, value);

    echo_stop(&echo_isolate);
    return returned;
}

/* Through a port of this isolate and back. */
static inline isle_value self_send(isle_value value)
{
    isle_receive_port *port = isle_port_open();
    isle_value received;

    isle_send(isle_port_send_port(port), value);
    received = isle_port_receive(port);
    isle_port_close(port);
    return received;
}

/* Returns once `isolate` has answered `count` immediate pings one after the other: it has handled
 * every control message sent before, and has had `count` occasions to do what it should not. */
static inline void ping_rounds(isle_isolate isolate, int count)
{
    isle_receive_port *port = isle_port_open();

    for (int i = 0; i < count; i++) {
        isle_ping(isolate, isle_port_send_port(port), isle_int(i), ISLE_IMMEDIATE);
        CHECK_INT(receive_int(port), i);
    }
    isle_port_close(port);
}

/* An error notice: [text, stack text or null]. */
static inline void check_error_notice(isle_value notice, const char *text)
{
    isle_value stack;

    CHECK_INT(isle_kind_of(notice), ISLE_LIST);
    CHECK_INT(isle_count(notice), 2);
    CHECK_STRING(isle_as_string(isle_list_get(notice, 0)), text);
    stack = isle_list_get(notice, 1);
    CHECK(isle_is_null(stack) || isle_kind_of(stack) == ISLE_STRING);
}

/* The bodies that isle_try wants, for changes that may be refused. */
static inline isle_value try_grow(isle_value list)
{
    isle_list_add(list, isle_int(1000));
    return isle_null();
}

static inline isle_value try_write(isle_value list)
{
    isle_list_set(list, 0, isle_int(1000));
    return isle_null();
}

static inline isle_value try_put(isle_value map)
{
    isle_put(map, "added", isle_int(1000));
    return isle_null();
}

static inline bool allows(isle_computation *change, isle_value container)
{
    return isle_try(change, container, NULL) == ISLE_OK;
}

static inline isle_value list_of_ints(const int64_t *numbers, size_t count)
{
    isle_value list = isle_list();

    for (size_t i = 0; i < count; i++)
        isle_list_add(list, isle_int(numbers[i]));
    return list;
}

#endif
