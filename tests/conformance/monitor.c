/* SPDX-License-Identifier: Apache-2.0 */
/* Conformance: how an isolate ended, told to its monitors. Dart has exit listeners alone; the
 * reasons are Isle's own. */
#include "conformance.h"

static isle_options watched(isle_receive_port *ends)
{
    return (isle_options){.monitor = isle_port_send_port(ends), .debug_name = "watched"};
}

static isle_end receive_end(isle_receive_port *ends)
{
    return isle_as_end(isle_port_receive(ends));
}

/* Whose end it is, and what all messages have. */
static void check_end(isle_end end, isle_isolate isolate, isle_reason reason, const char *text)
{
    CHECK(isle_send_port_equal(end.isolate.control_port, isolate.control_port));
    CHECK(isle_send_port_is_none(end.isolate.default_port));
    CHECK_UINT(end.isolate.pause_capability.id, 0);
    CHECK_UINT(end.isolate.terminate_capability.id, 0);
    CHECK_STRING(isle_reason_text(end.reason), isle_reason_text(reason));
    CHECK_STRING(end.text, text);
    CHECK(end.cpu_time_ns >= 0);
}

static void return_at_once(isle_value unused)
{
    (void)unused;
}

TEST_ROOT(monitor_returned)
{
    isle_receive_port *ends = isle_port_open();
    isle_options options = watched(ends);
    isle_isolate isolate = spawn(return_at_once, isle_null(), &options);
    isle_end end = receive_end(ends);

    check_end(end, isolate, ISLE_RETURNED, "");
    CHECK_STRING(end.debug_name, "watched");
    isle_port_close(ends);
}

/* Last data, the final message, the error, the exit listener's response; and then how it ended. */
static void say_and_leave(isle_value to)
{
    isle_send(isle_as_port(to), isle_int(1));
    isle_exit(isle_as_port(to), isle_int(2));
}

TEST_ROOT(monitor_is_told_last)
{
    isle_receive_port *port = isle_port_open();
    isle_options options = watched(port);
    isle_isolate isolate;

    options.on_exit = isle_port_send_port(port);
    isolate = spawn(say_and_leave, isle_port_value(port), &options);
    CHECK_INT(receive_int(port), 1);
    CHECK_INT(receive_int(port), 2);
    CHECK(isle_is_null(isle_port_receive(port)));
    check_end(receive_end(port), isolate, ISLE_RETURNED, "");
    CHECK(port_is_empty(port));
    isle_port_close(port);
}

static void say_and_fail(isle_value to)
{
    isle_send(isle_as_port(to), isle_int(1));
    isle_throwf("the reason is %s", "here");
}

TEST_ROOT(monitor_failed)
{
    isle_receive_port *port = isle_port_open();
    isle_options options = watched(port);
    isle_isolate isolate;

    options.on_error = isle_port_send_port(port);
    isolate = spawn(say_and_fail, isle_port_value(port), &options);
    CHECK_INT(receive_int(port), 1);
    check_error_notice(isle_port_receive(port), "the reason is here");
    check_end(receive_end(port), isolate, ISLE_FAILED, "the reason is here");
    isle_port_close(port);
}

/* Errors that do not end it are no reason of its end. */
static void serve_failing(isle_value message, void *context)
{
    (void)context;
    if (isle_is_null(message))
        isle_port_close(isle_default_port());
    else
        isle_throwf("not fatal");
}

static void fail_and_serve(isle_value unused)
{
    (void)unused;
    isle_port_listen(isle_default_port(), serve_failing, NULL);
}

TEST_ROOT(monitor_errors_not_fatal)
{
    isle_receive_port *port = isle_port_open(), *errors = isle_port_open();
    isle_options options = watched(port);
    isle_isolate isolate;

    options.errors_not_fatal = true;
    options.on_error = isle_port_send_port(errors);
    isolate = spawn(fail_and_serve, isle_null(), &options);
    isle_send(isolate.default_port, isle_int(1));
    check_error_notice(isle_port_receive(errors), "not fatal");
    isle_send(isolate.default_port, isle_null());
    check_end(receive_end(port), isolate, ISLE_RETURNED, "");
    isle_port_close(port);
    isle_port_close(errors);
}

static void wait_for_ever(isle_value unused)
{
    (void)unused;
    isle_port_receive(isle_default_port());
}

TEST_ROOT(monitor_killed)
{
    isle_receive_port *ends = isle_port_open();
    isle_options options = watched(ends);
    isle_isolate isolate = spawn(wait_for_ever, isle_null(), &options);

    isle_kill(isolate, ISLE_IMMEDIATE);
    check_end(receive_end(ends), isolate, ISLE_KILLED, "");
    isle_kill(isolate, ISLE_IMMEDIATE);
    isle_port_close(ends);
}

static void take_memory(isle_value unused)
{
    isle_value list = isle_list();

    (void)unused;
    for (int i = 0; i < 1000000; i++)
        isle_list_add(list, isle_bytes(NULL, 4096));
}

TEST_ROOT(monitor_memory)
{
    isle_receive_port *ends = isle_port_open(), *errors = isle_port_open();
    isle_options options = watched(ends);
    isle_isolate isolate;

    options.memory_max = 8 << 20;
    options.on_error = isle_port_send_port(errors);
    isolate = spawn(take_memory, isle_null(), &options);
    check_end(receive_end(ends), isolate, ISLE_MEMORY, "Out of Memory");
    isle_port_close(ends);
    isle_port_close(errors);
}

static void check_for_ever(isle_value unused)
{
    (void)unused;
    for (;;)
        isle_checkpoint();
}

static void check_deadline(isle_entry *entry)
{
    isle_receive_port *ends = isle_port_open();
    isle_options options = watched(ends);
    isle_isolate isolate;

    options.deadline_ns = ISLE_MS(5);
    isolate = spawn(entry, isle_null(), &options);
    check_end(receive_end(ends), isolate, ISLE_DEADLINE, "");
    isle_port_close(ends);
}

TEST_ROOT(monitor_deadline)
{
    check_deadline(check_for_ever);
    check_deadline(wait_for_ever);
}

TEST_ROOT(monitor_of_the_dead)
{
    isle_receive_port *ends = isle_port_open(), *late = isle_port_open();
    isle_options options = watched(ends);
    isle_isolate isolate = spawn(return_at_once, isle_null(), &options),
                 none = {{0}, {0}, {0}, {0}};

    check_end(receive_end(ends), isolate, ISLE_RETURNED, "");
    isle_monitor(isolate, isle_port_send_port(late));
    isle_end end = receive_end(late);
    check_end(end, isolate, ISLE_LOST, "");
    CHECK_STRING(end.debug_name, "");
    isle_monitor(none, isle_port_send_port(late));
    check_end(receive_end(late), none, ISLE_LOST, "");
    isle_unmonitor(isolate, isle_port_send_port(late));
    CHECK(port_is_empty(ends));
    isle_port_close(ends);
    isle_port_close(late);
}

/* The control port is enough; once per port; who takes himself off hears nothing. */
TEST_ROOT(monitor_added_later)
{
    isle_receive_port *first = isle_port_open(), *second = isle_port_open();
    isle_isolate isolate = spawn(wait_for_ever, isle_null(), NULL);
    isle_isolate handle = {.control_port = isolate.control_port};

    isle_monitor(handle, isle_port_send_port(second));
    isle_monitor(handle, isle_port_send_port(first));
    isle_monitor(handle, isle_port_send_port(first));
    isle_unmonitor(handle, isle_port_send_port(second));
    ping_rounds(isolate, 1);
    isle_kill(isolate, ISLE_BEFORE_NEXT_EVENT);
    check_end(receive_end(first), isolate, ISLE_KILLED, "");
    isle_monitor(handle, isle_port_send_port(first));
    check_end(receive_end(first), isolate, ISLE_LOST, "");
    CHECK(port_is_empty(first));
    CHECK(port_is_empty(second));
    isle_port_close(first);
    isle_port_close(second);
}

/* An isolate that was given no name has the one that isle_debug_name gives. */
static void tell_name(isle_value to)
{
    isle_send(isle_as_port(to), isle_string(isle_debug_name()));
}

static bool is_number_name(const char *name)
{
    static const char word[] = "isolate-";
    size_t length = sizeof word - 1;
    return strncmp(name, word, length) == 0 && name[length] != '\0' &&
           name[length + strspn(name + length, "0123456789")] == '\0';
}

TEST_ROOT(monitor_name)
{
    isle_receive_port *ends = isle_port_open(), *names = isle_port_open();
    isle_options options = {.monitor = isle_port_send_port(ends)};
    const char *name;

    spawn(tell_name, isle_port_value(names), &options);
    name = isle_as_string(isle_port_receive(names));
    CHECK_STRING(receive_end(ends).debug_name, name);
    /* Nobody asks these for theirs. */
    spawn(return_at_once, isle_null(), &options);
    isle_end end = receive_end(ends);
    CHECK_STRING(end.text, "");
    CHECK(is_number_name(end.debug_name));
    options.on_error = isle_port_send_port(names);
    spawn(say_and_fail, isle_port_value(names), &options);
    end = receive_end(ends);
    CHECK_STRING(end.text, "the reason is here");
    CHECK(is_number_name(end.debug_name));
    isle_port_close(ends);
    isle_port_close(names);
}

/* An end message is a value like any: it is sent on, and still says the same. */
TEST_ROOT(monitor_message_is_sent_on)
{
    isle_receive_port *ends = isle_port_open(), *errors = isle_port_open();
    isle_options options = watched(ends);
    isle_isolate isolate;
    isle_end end;

    options.on_error = isle_port_send_port(errors);
    isolate = spawn(say_and_fail, isle_port_value(errors), &options);
    end = isle_as_end(echo_once(isle_port_receive(ends)));
    check_end(end, isolate, ISLE_FAILED, "the reason is here");
    CHECK_STRING(end.debug_name, "watched");
    isle_port_close(ends);
    isle_port_close(errors);
}

static isle_value read_end(isle_value message)
{
    (void)isle_as_end(message);
    return isle_null();
}

struct not_an_end {
    int64_t reason;
};
ISLE_TYPE(not_an_end_type, struct not_an_end, ISLE_FIELD(struct not_an_end, reason));

TEST_ROOT(monitor_message_of_another_kind)
{
    struct not_an_end other = {0};
    isle_value ignored;

    CHECK_ERR(isle_try(read_end, isle_null(), &ignored), ISLE_ETYPE);
    CHECK_ERR(isle_try(read_end, isle_list(), &ignored), ISLE_ETYPE);
    CHECK_ERR(isle_try(read_end, isle_object(&not_an_end_type, &other), &ignored), ISLE_ETYPE);
}

/* A computation that fails has told its caller; it has failed all the same. */
static isle_value compute_or_throw(isle_value argument)
{
    if (isle_as_bool(argument))
        isle_throwf("computed wrongly");
    return isle_int(1);
}

TEST_ROOT(monitor_of_run)
{
    isle_receive_port *ends = isle_port_open();
    isle_options options = watched(ends);
    isle_value value;
    isle_end end;

    CHECK_INT(isle_as_int(isle_await(run(compute_or_throw, isle_bool(false), &options))), 1);
    end = receive_end(ends);
    CHECK_INT(end.reason, ISLE_RETURNED);
    CHECK_ERR(
        isle_try_await(run(compute_or_throw, isle_bool(true), &options), ISLE_FOREVER, &value),
        ISLE_ETHROWN);
    end = receive_end(ends);
    CHECK_INT(end.reason, ISLE_FAILED);
    CHECK_STRING(end.text, "computed wrongly");
    isle_port_close(ends);
}

TEST(monitor_reasons_have_texts)
{
    for (int reason = ISLE_RETURNED; reason <= ISLE_LOST; reason++) {
        CHECK(strcmp(isle_reason_text((isle_reason)reason), "unknown reason") != 0);
        for (int other = ISLE_RETURNED; other < reason; other++)
            CHECK(strcmp(isle_reason_text((isle_reason)reason),
                         isle_reason_text((isle_reason)other)) != 0);
    }
    CHECK_STRING(isle_reason_text(ISLE_OVERFLOWED), "overflowed");
    CHECK_STRING(isle_reason_text(ISLE_UNSPAWNED), "not spawned");
    CHECK_STRING(isle_reason_text((isle_reason)(ISLE_UNSPAWNED + 1)), "unknown reason");
    CHECK_STRING(isle_reason_text((isle_reason)-1), "unknown reason");
}

TEST_MAIN()
