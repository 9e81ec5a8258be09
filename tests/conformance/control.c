/* SPDX-License-Identifier: Apache-2.0 */
/* Conformance: ends, kill, pause, ping and listeners (rows 47-49, 77, 82 of the table, the
 * decisions on places where Dart's documents, source and tests disagree, and control messages
 * that reach a long computation). */
#include "conformance.h"

#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

/* Starts an echo isolate whose end is told to its reply port, as the string "RESPONSE". */
static struct echo echo_with_response(void)
{
    struct echo started = echo_start(NULL);

    isle_add_exit_listener(started.isolate, isle_port_send_port(started.replies),
                           isle_string("RESPONSE"));
    return started;
}

static void check_response(isle_receive_port *port, const char *text)
{
    CHECK_STRING(isle_as_string(isle_port_receive(port)), text);
}

/* kill2: the kill overtakes the value sent after it, and never one sent long before. */
TEST_ROOT(kill2)
{
    struct echo target = echo_with_response();
    int64_t expected = 4, value;
    isle_value reply;

    isle_send(target.port, isle_int(4));
    while (isle_get_int(reply = isle_port_receive(target.replies), &value)) {
        CHECK_INT(value, expected);
        if (value == 2)
            isle_kill(target.isolate, ISLE_BEFORE_NEXT_EVENT);
        isle_send(target.port, isle_int(value - 1));
        expected--;
    }
    CHECK_STRING(isle_as_string(reply), "RESPONSE");
    CHECK_INT(expected, 1);
    isle_port_close(target.replies);
}

/* kill_infinite_loop_in_initializer: C has no lazy initialisers; any loop will do. On threads it
 * must call isle_checkpoint, which is what the contract of kill asks for. */
static void loop_for_ever(isle_value root)
{
    isle_send(isle_as_port(root), isle_string("started"));
    for (;;)
        isle_checkpoint();
}

TEST_ROOT(kill_infinite_loop_in_initializer)
{
    isle_receive_port *port = isle_port_open();
    isle_isolate child = spawn(loop_for_ever, isle_port_value(port), NULL);

    CHECK_STRING(isle_as_string(isle_port_receive(port)), "started");
    isle_add_exit_listener(child, isle_port_send_port(port), isle_string("RESPONSE"));
    isle_kill(child, ISLE_IMMEDIATE);
    check_response(port, "RESPONSE");
    isle_port_close(port);
}

/* A program in a process of its own, so that its exit code and its error stream can be seen. */
struct program_result {
    int status;
    char errors[4096];
};

static void program_read(int fd, char *text, size_t size)
{
    size_t used = 0;
    ssize_t got;

    do {
        got = read(fd, text + used, size - 1 - used);
        if (got > 0)
            used += (size_t)got;
    } while (got > 0 || (got < 0 && errno == EINTR));
    text[used] = '\0';
}

static struct program_result program_run(int (*app)(int argc, char **argv))
{
    static char name[] = "program";
    char *argv[] = {name, NULL};
    struct program_result result;
    int ends[2];
    pid_t child;

    CHECK_INT(pipe(ends), 0);
    child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        dup2(ends[1], STDERR_FILENO);
        close(ends[0]);
        close(ends[1]);
        exit(isle_main(1, argv, app));
    }
    close(ends[1]);
    program_read(ends[0], result.errors, sizeof(result.errors));
    close(ends[0]);
    CHECK_INT(waitpid(child, &result.status, 0), child);
    return result;
}

/* kill_self_synchronously: nothing after the kill runs, in no way that it is asked for. */
static int app_kill_self(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    isle_kill(isle_current(), ISLE_IMMEDIATE);
    fprintf(stderr, "the next statement ran\n");
    return 0;
}

TEST(kill_self_synchronously)
{
    struct program_result result = program_run(app_kill_self);

    CHECK(WIFEXITED(result.status));
    CHECK_INT(WEXITSTATUS(result.status), 255);
    CHECK(strstr(result.errors, "isolate terminated by isle_kill"));
    CHECK(!strstr(result.errors, "the next statement ran"));
}

static void kill_self_child(isle_value root)
{
    isle_kill(isle_current(), ISLE_IMMEDIATE);
    isle_send(isle_as_port(root), isle_string("the next statement ran"));
}

TEST_ROOT(kill_self_synchronously_in_child)
{
    isle_receive_port *port = isle_port_open();
    isle_options options = {.on_exit = isle_port_send_port(port)};

    spawn(kill_self_child, isle_port_value(port), &options);
    CHECK(isle_is_null(isle_port_receive(port)));
    isle_port_close(port);
}

static int app_returns_seven(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    return 7;
}

TEST(root_exit_code_is_apps_value)
{
    struct program_result result = program_run(app_returns_seven);

    CHECK(WIFEXITED(result.status));
    CHECK_INT(WEXITSTATUS(result.status), 7);
    CHECK_STRING(result.errors, "");
}

static int app_throws(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    isle_throwf("the root is lost");
}

TEST(root_exit_code_after_uncaught_error)
{
    struct program_result result = program_run(app_throws);

    CHECK(WIFEXITED(result.status));
    CHECK_INT(WEXITSTATUS(result.status), 255);
    CHECK(strstr(result.errors, "the root is lost"));
}

/* ondone. */
TEST_ROOT(ondone)
{
    struct echo target = echo_with_response();
    int64_t expected;

    for (int64_t value = 4; value >= 0; value--)
        isle_send(target.port, isle_int(value));
    for (expected = 4; expected >= 0; expected--)
        CHECK_INT(receive_int(target.replies), expected);
    check_response(target.replies, "RESPONSE");
    isle_port_close(target.replies);
}

TEST_ROOT(ondone_removed_listener)
{
    struct echo target = echo_start(NULL);
    isle_receive_port *kept = isle_port_open(), *removed = isle_port_open();

    isle_add_exit_listener(target.isolate, isle_port_send_port(removed), isle_string("REMOVED"));
    isle_add_exit_listener(target.isolate, isle_port_send_port(kept), isle_string("KEPT"));
    isle_remove_exit_listener(target.isolate, isle_port_send_port(removed));
    echo_stop(&target);
    check_response(kept, "KEPT");
    CHECK(port_is_empty(removed));
    isle_port_close(kept);
    isle_port_close(removed);
}

TEST_ROOT(ondone_added_twice)
{
    struct echo target = echo_start(NULL);
    isle_receive_port *twice = isle_port_open(), *last = isle_port_open();

    isle_add_exit_listener(target.isolate, isle_port_send_port(twice), isle_string("RESPONSE"));
    isle_add_exit_listener(target.isolate, isle_port_send_port(twice), isle_string("RESPONSE2"));
    isle_add_exit_listener(target.isolate, isle_port_send_port(last), isle_null());
    echo_stop(&target);
    CHECK(isle_is_null(isle_port_receive(last)));
    check_response(twice, "RESPONSE2");
    CHECK(port_is_empty(twice));
    isle_port_close(twice);
    isle_port_close(last);
}

/* One removal suffices for a port that was added twice. */
TEST_ROOT(ondone_added_twice_removed_once)
{
    struct echo target = echo_start(NULL);
    isle_receive_port *twice = isle_port_open(), *last = isle_port_open();

    isle_add_exit_listener(target.isolate, isle_port_send_port(twice), isle_int(1));
    isle_add_exit_listener(target.isolate, isle_port_send_port(twice), isle_int(2));
    isle_remove_exit_listener(target.isolate, isle_port_send_port(twice));
    isle_add_exit_listener(target.isolate, isle_port_send_port(last), isle_null());
    echo_stop(&target);
    CHECK(isle_is_null(isle_port_receive(last)));
    CHECK(port_is_empty(twice));
    isle_port_close(twice);
    isle_port_close(last);
}

/* Added after the end: nothing, ever. The isolate that tells so ends later and by the same road. */
TEST_ROOT(ondone_added_late)
{
    struct echo ended = echo_with_response(), later = echo_start(NULL);
    isle_receive_port *late = isle_port_open();

    isle_send(ended.port, isle_int(0));
    CHECK_INT(receive_int(ended.replies), 0);
    check_response(ended.replies, "RESPONSE");
    isle_add_exit_listener(ended.isolate, isle_port_send_port(late), isle_string("too late"));
    isle_add_exit_listener(later.isolate, isle_port_send_port(late), isle_string("in time"));
    echo_stop(&later);
    check_response(late, "in time");
    CHECK(port_is_empty(late));
    isle_port_close(ended.replies);
    isle_port_close(late);
}

/* ping_pause. The answer to a ping is control and not data, so a paused isolate gives it, whatever
 * its priority. Everything comes to one port: what was answered before the pause came in is data
 * that may stand before the answer, two values at most. */
TEST_ROOT(ping_pause)
{
    struct echo target = echo_start(NULL);
    isle_capability key;
    isle_value message;
    int64_t expected = 4, value;

    isle_send(target.port, isle_int(4));
    isle_send(target.port, isle_int(3));
    key = isle_pause(target.isolate, (isle_capability){0});
    isle_ping(target.isolate, isle_port_send_port(target.replies), isle_string("ping"),
              ISLE_BEFORE_NEXT_EVENT);
    isle_send(target.port, isle_int(2));
    isle_send(target.port, isle_int(1));
    while (isle_get_int(message = isle_port_receive(target.replies), &value)) {
        CHECK_INT(value, expected);
        expected--;
    }
    CHECK_STRING(isle_as_string(message), "ping");
    CHECK(expected >= 2);
    isle_send(target.port, isle_int(0));
    isle_resume(target.isolate, key);
    for (; expected >= 0; expected--)
        CHECK_INT(receive_int(target.replies), expected);
    isle_port_close(target.replies);
}

/* A control request without the right capability, or with a wrong one, changes nothing: the
 * isolate answers afterwards as before. */
static void check_serves(struct echo *target)
{
    ping_rounds(target->isolate, 2);
    for (int64_t value = 3; value > 0; value--)
        CHECK_INT(isle_as_int(echo_round(target, isle_int(value))), value);
}

TEST_ROOT(kill_without_capability_is_ignored)
{
    struct echo target = echo_start(NULL);
    isle_isolate handle = target.isolate;

    handle.terminate_capability = (isle_capability){0};
    isle_kill(handle, ISLE_IMMEDIATE);
    isle_kill(handle, ISLE_BEFORE_NEXT_EVENT);
    check_serves(&target);
    handle.terminate_capability = isle_capability_new();
    isle_kill(handle, ISLE_IMMEDIATE);
    check_serves(&target);
    handle.terminate_capability = handle.pause_capability;
    isle_kill(handle, ISLE_IMMEDIATE);
    check_serves(&target);
    echo_stop(&target);
}

TEST_ROOT(kill_with_capability_of_another_is_ignored)
{
    struct echo target = echo_start(NULL), other = echo_start(NULL);
    isle_isolate handle = target.isolate;

    handle.terminate_capability = other.isolate.terminate_capability;
    isle_kill(handle, ISLE_IMMEDIATE);
    check_serves(&target);
    check_serves(&other);
    echo_stop(&target);
    echo_stop(&other);
}

TEST_ROOT(pause_without_capability_is_ignored)
{
    struct echo target = echo_start(NULL);
    isle_isolate handle = target.isolate;

    handle.pause_capability = (isle_capability){0};
    isle_pause(handle, (isle_capability){0});
    check_serves(&target);
    handle.pause_capability = handle.terminate_capability;
    isle_pause(handle, isle_capability_new());
    check_serves(&target);
    echo_stop(&target);
}

static void say_awake(isle_value root)
{
    isle_send(isle_as_port(root), isle_string("awake"));
}

TEST_ROOT(resume_without_capability_is_ignored)
{
    isle_receive_port *port = isle_port_open();
    isle_options options = {.paused = true};
    isle_isolate child = spawn(say_awake, isle_port_value(port), &options), handle = child;

    handle.pause_capability = (isle_capability){0};
    isle_resume(handle, child.pause_capability);
    handle.pause_capability = isle_capability_new();
    isle_resume(handle, child.pause_capability);
    ping_rounds(child, 3);
    CHECK(port_is_empty(port));
    isle_resume(child, child.pause_capability);
    CHECK_STRING(isle_as_string(isle_port_receive(port)), "awake");
    isle_port_close(port);
}

static void fail_at_once(isle_value message)
{
    isle_throwf("%s", isle_as_string(message));
}

static void fail_handler(isle_value message, void *port)
{
    if (isle_is_null(message))
        isle_port_close(port);
    else
        fail_at_once(message);
}

static void fail_on_request(isle_value root)
{
    isle_send(isle_as_port(root), isle_string("ready"));
    isle_port_listen(isle_default_port(), fail_handler, isle_default_port());
}

TEST_ROOT(set_errors_fatal_without_capability_is_ignored)
{
    isle_receive_port *port = isle_port_open();
    isle_options options = {.on_exit = isle_port_send_port(port),
                            .on_error = isle_port_send_port(port)};
    isle_isolate child = spawn(fail_on_request, isle_port_value(port), &options), handle = child;

    CHECK_STRING(isle_as_string(isle_port_receive(port)), "ready");
    handle.terminate_capability = (isle_capability){0};
    isle_set_errors_fatal(handle, false);
    handle.terminate_capability = isle_capability_new();
    isle_set_errors_fatal(handle, false);
    isle_send(child.default_port, isle_string("fatal"));
    check_error_notice(isle_port_receive(port), "fatal");
    CHECK(isle_is_null(isle_port_receive(port)));
    isle_port_close(port);
}

TEST_ROOT(set_errors_fatal_with_capability)
{
    isle_receive_port *port = isle_port_open();
    isle_options options = {.on_exit = isle_port_send_port(port),
                            .on_error = isle_port_send_port(port)};
    isle_isolate child = spawn(fail_on_request, isle_port_value(port), &options);

    CHECK_STRING(isle_as_string(isle_port_receive(port)), "ready");
    isle_set_errors_fatal(child, false);
    isle_send(child.default_port, isle_string("first"));
    check_error_notice(isle_port_receive(port), "first");
    isle_send(child.default_port, isle_string("second"));
    check_error_notice(isle_port_receive(port), "second");
    isle_send(child.default_port, isle_null());
    CHECK(isle_is_null(isle_port_receive(port)));
    isle_port_close(port);
}

/* Control messages of one sender are handled in their order: none that came before a kill is
 * lost to it. */
TEST_ROOT(ping_before_kill_is_answered)
{
    struct echo target = echo_with_response();
    isle_send_port port = isle_port_send_port(target.replies);

    isle_ping(target.isolate, port, isle_int(1), ISLE_IMMEDIATE);
    isle_ping(target.isolate, port, isle_int(2), ISLE_IMMEDIATE);
    isle_kill(target.isolate, ISLE_IMMEDIATE);
    CHECK_INT(receive_int(target.replies), 1);
    CHECK_INT(receive_int(target.replies), 2);
    check_response(target.replies, "RESPONSE");
    isle_port_close(target.replies);
}

TEST_ROOT(ping_before_kill_is_answered_before_next_event)
{
    struct echo target = echo_with_response();
    isle_send_port port = isle_port_send_port(target.replies);

    isle_ping(target.isolate, port, isle_int(1), ISLE_BEFORE_NEXT_EVENT);
    isle_ping(target.isolate, port, isle_int(2), ISLE_BEFORE_NEXT_EVENT);
    isle_kill(target.isolate, ISLE_BEFORE_NEXT_EVENT);
    CHECK_INT(receive_int(target.replies), 1);
    CHECK_INT(receive_int(target.replies), 2);
    check_response(target.replies, "RESPONSE");
    isle_port_close(target.replies);
}

/* A ping after the kill has nobody to answer it. */
TEST_ROOT(ping_after_kill_is_not_answered)
{
    struct echo target = echo_with_response(), other = echo_start(NULL);
    isle_send_port port = isle_port_send_port(target.replies);

    isle_kill(target.isolate, ISLE_IMMEDIATE);
    check_response(target.replies, "RESPONSE");
    isle_ping(target.isolate, port, isle_string("from the dead"), ISLE_IMMEDIATE);
    isle_ping(other.isolate, port, isle_string("from the living"), ISLE_IMMEDIATE);
    check_response(target.replies, "from the living");
    CHECK(port_is_empty(target.replies));
    isle_port_close(target.replies);
    echo_stop(&other);
}

/* A computation that ends when data waits for it, and lets control in until then; the data is a
 * later event. */
static void enough_handler(isle_value message, void *context)
{
    const isle_send_port *to = context;

    isle_send(*to, message);
    isle_port_close(isle_default_port());
}

static void compute_until_message(isle_value root)
{
    isle_send_port *to = isle_new(isle_send_port);

    *to = isle_as_port(root);
    isle_port_listen(isle_default_port(), enough_handler, to);
    isle_send(*to, isle_string("computing"));
    while (isle_mailbox_count() == 0)
        isle_checkpoint();
    isle_send(*to, isle_string("computed"));
}

/* An immediate ping overtakes one that was to wait for the end of the event. */
TEST_ROOT(immediate_overtakes_before_next_event)
{
    isle_receive_port *port = isle_port_open();
    isle_isolate child = spawn(compute_until_message, isle_port_value(port), NULL);

    CHECK_STRING(isle_as_string(isle_port_receive(port)), "computing");
    isle_ping(child, isle_port_send_port(port), isle_string("later"), ISLE_BEFORE_NEXT_EVENT);
    isle_ping(child, isle_port_send_port(port), isle_string("now"), ISLE_IMMEDIATE);
    CHECK_STRING(isle_as_string(isle_port_receive(port)), "now");
    isle_send(child.default_port, isle_string("enough"));
    CHECK_STRING(isle_as_string(isle_port_receive(port)), "computed");
    CHECK_STRING(isle_as_string(isle_port_receive(port)), "later");
    CHECK_STRING(isle_as_string(isle_port_receive(port)), "enough");
    isle_port_close(port);
}

/* Control is served in the middle of a long event: a ping at once, a pause at its end. */
TEST_ROOT(long_regexp_process_oob_messages)
{
    isle_receive_port *port = isle_port_open();
    isle_isolate child = spawn(compute_until_message, isle_port_value(port), NULL);
    isle_capability key;

    CHECK_STRING(isle_as_string(isle_port_receive(port)), "computing");
    ping_rounds(child, 5);
    key = isle_pause(child, (isle_capability){0});
    ping_rounds(child, 3);
    isle_send(child.default_port, isle_string("enough"));
    CHECK_STRING(isle_as_string(isle_port_receive(port)), "computed");
    ping_rounds(child, 3);
    CHECK(port_is_empty(port));
    isle_resume(child, key);
    CHECK_STRING(isle_as_string(isle_port_receive(port)), "enough");
    isle_port_close(port);
}

/* What an isolate did before it was killed is not undone, and its children live on. */
static void parent_of_echo(isle_value root)
{
    spawn(echo, root, NULL);
    isle_port_receive(isle_default_port());
}

TEST_ROOT(kill_does_not_touch_children)
{
    needs_children_that_live_on();
    struct echo grandchild = {.replies = isle_port_open()};
    isle_receive_port *exits = isle_port_open();
    isle_options options = {.on_exit = isle_port_send_port(exits)};
    isle_isolate parent = spawn(parent_of_echo, isle_port_value(grandchild.replies), &options);

    grandchild.port = isle_as_port(isle_port_receive(grandchild.replies));
    isle_kill(parent, ISLE_IMMEDIATE);
    CHECK(isle_is_null(isle_port_receive(exits)));
    CHECK_INT(isle_as_int(echo_round(&grandchild, isle_int(5))), 5);
    echo_stop(&grandchild);
    isle_port_close(exits);
}

TEST_MAIN()
