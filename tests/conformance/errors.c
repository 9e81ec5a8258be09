/* SPDX-License-Identifier: Apache-2.0 */
/* Conformance: uncaught errors and who hears of them (rows 17, 19, 26, 28-31, 101 of the table, and
 * errors in timer callbacks). */
#include "conformance.h"

/* error_at_spawn. */
static void fail_with_text(isle_value text)
{
    isle_throwf("%s", isle_as_string(text));
}

TEST_ROOT(error_at_spawn)
{
    isle_receive_port *errors = isle_port_open(), *exits = isle_port_open();
    isle_options options = {.errors_not_fatal = true,
                            .on_error = isle_port_send_port(errors),
                            .on_exit = isle_port_send_port(exits)};

    spawn(fail_with_text, isle_string("T"), &options);
    check_error_notice(isle_port_receive(errors), "T");
    CHECK(isle_is_null(isle_port_receive(exits)));
    CHECK(port_is_empty(errors));
    isle_port_close(errors);
    isle_port_close(exits);
}

/* A worker that does as it is told by a number:
 *   0 answers 42; 1 throws "whoops"; 2 throws a range error; 3 closes its only port. */
static void command_handler(isle_value command, void *context)
{
    const isle_send_port *to = context;

    switch (isle_as_int(command)) {
    case 0:
        isle_send(*to, isle_int(42));
        break;
    case 1:
        isle_throwf("whoops");
    case 2:
        isle_throw(isle_error(ISLE_ERANGE, "37 is out of range", NULL));
    default:
        isle_port_close(isle_default_port());
    }
}

static void command_worker(isle_value root)
{
    isle_send_port *to = isle_new(isle_send_port);

    *to = isle_as_port(root);
    isle_port_listen(isle_default_port(), command_handler, to);
}

static void command_send(isle_isolate worker, int64_t command)
{
    isle_send(worker.default_port, isle_int(command));
}

TEST_ROOT(error_exit_at_spawn)
{
    isle_receive_port *replies = isle_port_open(), *errors = isle_port_open();
    isle_receive_port *exits = isle_port_open();
    isle_options options = {.errors_not_fatal = true,
                            .on_error = isle_port_send_port(errors),
                            .on_exit = isle_port_send_port(exits)};
    isle_isolate worker = spawn(command_worker, isle_port_value(replies), &options);

    command_send(worker, 0);
    CHECK_INT(receive_int(replies), 42);
    command_send(worker, 1);
    check_error_notice(isle_port_receive(errors), "whoops");
    command_send(worker, 2);
    check_error_notice(isle_port_receive(errors), "37 is out of range");
    command_send(worker, 0);
    CHECK_INT(receive_int(replies), 42);
    CHECK(port_is_empty(exits));
    command_send(worker, 3);
    CHECK(isle_is_null(isle_port_receive(exits)));
    CHECK(port_is_empty(errors));
    isle_port_close(replies);
    isle_port_close(errors);
    isle_port_close(exits);
}

/* handle_error2: a listener hears its own isolate only. */
TEST_ROOT(handle_error2)
{
    isle_receive_port *replies = isle_port_open(), *errors = isle_port_open();
    isle_receive_port *exits = isle_port_open();
    isle_options options = {.errors_not_fatal = true, .on_exit = isle_port_send_port(exits)};
    isle_isolate heard = spawn(command_worker, isle_port_value(replies), &options);
    isle_isolate unheard = spawn(command_worker, isle_port_value(replies), &options);

    isle_add_error_listener(heard, isle_port_send_port(errors));
    for (int64_t command = 0; command < 4; command++) {
        command_send(unheard, command);
        command_send(heard, command);
    }
    CHECK_INT(receive_int(replies), 42);
    CHECK_INT(receive_int(replies), 42);
    CHECK(isle_is_null(isle_port_receive(exits)));
    CHECK(isle_is_null(isle_port_receive(exits)));
    check_error_notice(isle_port_receive(errors), "whoops");
    check_error_notice(isle_port_receive(errors), "37 is out of range");
    CHECK(port_is_empty(errors));
    isle_port_close(replies);
    isle_port_close(errors);
    isle_port_close(exits);
}

/* handle_error_stacktrace. */
static void fail_with_stack(isle_value message)
{
    (void)message;
    isle_throw(isle_error(ISLE_ETHROWN, "TEST_ERROR", "TEST_STACKTRACE"));
}

static void check_stacktrace(bool errors_not_fatal)
{
    isle_receive_port *port = isle_port_open();
    isle_options options = {.errors_not_fatal = errors_not_fatal,
                            .on_error = isle_port_send_port(port),
                            .on_exit = isle_port_send_port(port)};

    spawn(fail_with_stack, isle_null(), &options);
    CHECK_VALUE(isle_port_receive(port), isle_pack("[s,s]", "TEST_ERROR", "TEST_STACKTRACE"));
    CHECK(isle_is_null(isle_port_receive(port)));
    isle_port_close(port);
}

TEST_ROOT(handle_error_stacktrace_fatal)
{
    check_stacktrace(false);
}

TEST_ROOT(handle_error_stacktrace_not_fatal)
{
    check_stacktrace(true);
}

/* handle_error. A port of errors has no end of its own, so "no done" is restated: after the
 * isolate's exit message the port is open and empty. */
TEST_ROOT(handle_error)
{
    isle_receive_port *replies = isle_port_open(), *errors = isle_port_open();
    isle_receive_port *exits = isle_port_open();
    isle_options options = {.paused = true, .on_exit = isle_port_send_port(exits)};
    isle_isolate worker = spawn(command_worker, isle_port_value(replies), &options);

    isle_set_errors_fatal(worker, false);
    isle_add_error_listener(worker, isle_port_send_port(errors));
    isle_add_error_listener(worker, isle_port_send_port(errors));
    isle_resume(worker, worker.pause_capability);
    for (int64_t command = 0; command < 3; command++)
        command_send(worker, command);
    CHECK_INT(receive_int(replies), 42);
    check_error_notice(isle_port_receive(errors), "whoops");
    check_error_notice(isle_port_receive(errors), "37 is out of range");
    command_send(worker, 0);
    CHECK_INT(receive_int(replies), 42);
    command_send(worker, 3);
    CHECK(isle_is_null(isle_port_receive(exits)));
    CHECK(port_is_empty(errors));
    isle_port_close(replies);
    isle_port_close(errors);
    isle_port_close(exits);
}

TEST_ROOT(handle_error_removed_listener)
{
    isle_receive_port *kept = isle_port_open(), *removed = isle_port_open();
    isle_options options = {.paused = true};
    isle_isolate child = spawn(fail_with_text, isle_string("heard"), &options);

    isle_add_error_listener(child, isle_port_send_port(removed));
    isle_add_error_listener(child, isle_port_send_port(kept));
    isle_remove_error_listener(child, isle_port_send_port(removed));
    isle_resume(child, child.pause_capability);
    check_error_notice(isle_port_receive(kept), "heard");
    CHECK(port_is_empty(removed));
    isle_port_close(kept);
    isle_port_close(removed);
}

/* handle_exiting_to_string_error: the text of a thrown object is made by its type's describe(),
 * which here ends the isolate instead. */
struct fault {
    int64_t number;
};

static isle_value fault_exits(const void *object)
{
    (void)object;
    isle_exit(isle_send_port_none(), isle_null());
}
ISLE_TYPE_WITH(exiting_type, struct fault, (1, false, NULL, fault_exits),
               ISLE_FIELD(struct fault, number));
REGISTERED(exiting_type);

static void fail_exiting(isle_value message)
{
    struct fault fault = {.number = isle_as_int(message)};

    isle_throw(isle_object(&exiting_type, &fault));
}

TEST_ROOT(handle_exiting_to_string_error)
{
    isle_receive_port *errors = isle_port_open(), *exits = isle_port_open();
    isle_options options = {.on_error = isle_port_send_port(errors),
                            .on_exit = isle_port_send_port(exits)};

    spawn(fail_exiting, isle_int(1), &options);
    CHECK(isle_is_null(isle_port_receive(exits)));
    CHECK(port_is_empty(errors));
    isle_port_close(errors);
    isle_port_close(exits);
}

/* handle_throwing_to_string_error: a describe() that fails is replaced by a generic description. C
 * has no stack object with a text routine of its own, so that half has no counterpart. */
struct broken {
    int64_t number;
};

static isle_value broken_throws(const void *object)
{
    (void)object;
    isle_throwf("no text");
}
ISLE_TYPE_WITH(broken_type, struct broken, (1, false, NULL, broken_throws),
               ISLE_FIELD(struct broken, number));
REGISTERED(broken_type);

static void fail_broken(isle_value message)
{
    struct broken broken = {.number = isle_as_int(message)};

    isle_throw(isle_object(&broken_type, &broken));
}

TEST_ROOT(handle_throwing_to_string_error)
{
    isle_receive_port *port = isle_port_open();
    isle_options options = {.on_error = isle_port_send_port(port),
                            .on_exit = isle_port_send_port(port)};

    spawn(fail_broken, isle_int(1), &options);
    check_error_notice(isle_port_receive(port), "Instance of 'struct broken'");
    CHECK(isle_is_null(isle_port_receive(port)));
    isle_port_close(port);
}

/* The routine that works is used, with the object's fields. */
struct described {
    int64_t number;
};

static isle_value described_text(const void *object)
{
    const struct described *described = object;

    return isle_stringf("fault number %" PRId64, described->number);
}
ISLE_TYPE_WITH(described_type, struct described, (1, false, NULL, described_text),
               ISLE_FIELD(struct described, number));
REGISTERED(described_type);

static void fail_described(isle_value message)
{
    struct described described = {.number = isle_as_int(message)};

    isle_throw(isle_object(&described_type, &described));
}

TEST_ROOT(handle_error_describes_object)
{
    isle_receive_port *port = isle_port_open();
    isle_options options = {.on_error = isle_port_send_port(port)};

    spawn(fail_described, isle_int(7), &options);
    check_error_notice(isle_port_receive(port), "fault number 7");
    isle_port_close(port);
}

/* A thrown object may lie in the frame that the throw leaves: what arrives is a copy. */
static isle_value throw_local_object(isle_value message)
{
    struct described local = {.number = isle_as_int(message)};

    isle_throw(isle_object(&described_type, &local));
}

/* Writes over the part of the stack where dead frames were. */
static int64_t use_stack(int64_t seed)
{
    volatile int64_t numbers[512];

    for (int i = 0; i < 512; i++)
        numbers[i] = seed + i;
    return numbers[511];
}

TEST_ROOT(thrown_object_outlives_its_frame)
{
    const struct described *thrown;

    CHECK_ERR(isle_try(throw_local_object, isle_int(7), NULL), ISLE_ETHROWN);
    CHECK_INT(use_stack(1000), 1511);
    thrown = isle_as_object(isle_last_error(), &described_type);
    CHECK_INT(thrown->number, 7);
}

/* stacktrace_message: an error value and its texts, sent together, agree on arrival. */
static void send_error_and_texts(isle_value root)
{
    isle_value error = isle_error(ISLE_ERANGE, "the text", "frame 1\nframe 2");

    isle_send(isle_as_port(root),
              isle_pack("[o,s,s]", error, isle_error_text(error), isle_error_stack(error)));
}

TEST_ROOT(stacktrace_message)
{
    isle_receive_port *port = isle_port_open();
    isle_value error;
    const char *text, *stack;

    spawn(send_error_and_texts, isle_port_value(port), NULL);
    isle_unpack(isle_port_receive(port), "[o,s,s!]", &error, &text, &stack);
    CHECK_INT(isle_kind_of(error), ISLE_ERROR);
    CHECK_ERR(isle_error_code(error), ISLE_ERANGE);
    CHECK_STRING(text, "the text");
    CHECK_STRING(isle_error_text(error), text);
    CHECK_STRING(stack, "frame 1\nframe 2");
    CHECK_STRING(isle_error_stack(error), stack);
    isle_port_close(port);
}

/* An error in one timer's callback takes nothing from the others, due in the same wake-up. */
static void timer_fails(void *context)
{
    (void)context;
    isle_throwf("the first timer");
}

static void timer_sends(void *context)
{
    const isle_send_port *to = context;

    isle_send(*to, isle_string("the second timer"));
}

static void two_timers(isle_value root)
{
    isle_send_port *to = isle_new(isle_send_port);

    *to = isle_as_port(root);
    isle_timer_start(0, timer_fails, NULL);
    isle_timer_start(0, timer_sends, to);
}

TEST_ROOT(non_fatal_exception_in_timer_callback)
{
    isle_receive_port *port = isle_port_open();
    isle_options options = {.errors_not_fatal = true,
                            .on_error = isle_port_send_port(port),
                            .on_exit = isle_port_send_port(port)};

    spawn(two_timers, isle_port_value(port), &options);
    check_error_notice(isle_port_receive(port), "the first timer");
    CHECK_STRING(isle_as_string(isle_port_receive(port)), "the second timer");
    CHECK(isle_is_null(isle_port_receive(port)));
    isle_port_close(port);
}

/* Last data, then the error, then the exit, whatever came before in the event. */
static void data_then_error(isle_value root)
{
    for (int64_t i = 0; i < 100; i++)
        isle_send(isle_as_port(root), isle_int(i));
    isle_throwf("last words");
}

TEST_ROOT(data_then_error_then_exit)
{
    isle_receive_port *port = isle_port_open();
    isle_options options = {.on_error = isle_port_send_port(port),
                            .on_exit = isle_port_send_port(port)};

    spawn(data_then_error, isle_port_value(port), &options);
    for (int64_t i = 0; i < 100; i++)
        CHECK_INT(receive_int(port), i);
    check_error_notice(isle_port_receive(port), "last words");
    CHECK(isle_is_null(isle_port_receive(port)));
    isle_port_close(port);
}

TEST_MAIN()
