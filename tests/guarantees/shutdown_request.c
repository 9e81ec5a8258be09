/* SPDX-License-Identifier: Apache-2.0 */
/* The request to end (isle_shutdown): goes before messages, waits for the running event, comes
 * once, to a paused isolate and one with a full mailbox as well, and needs the capability. The same
 * with isolates behind a wall. */
#include "guarantees.h"

static isle_end receive_end(isle_receive_port *port)
{
    return isle_as_end(isle_port_receive(port));
}

static void report(void *to)
{
    isle_value *port = to;
    isle_send(isle_as_port(*port), isle_string("deferred"));
}

/* --- without a task */

static void wait_with_a_deferred_task(isle_value to)
{
    isle_defer(report, &to);
    isle_send(isle_as_port(to), isle_string("here"));
    isle_port_receive(isle_default_port());
}

TEST_ROOT(who_has_no_task_ends_as_if_it_had_returned)
{
    isle_receive_port *port = isle_port_open(), *ends = isle_port_open();
    isle_isolate isolate = isle_spawn(wait_with_a_deferred_task, isle_port_value(port),
                                      &(isle_options){.monitor = isle_port_send_port(ends)});

    CHECK_STRING(isle_as_string(isle_port_receive(port)), "here");
    isle_shutdown(isolate);
    CHECK_STRING(isle_as_string(isle_port_receive(port)), "deferred");
    isle_end end = receive_end(ends);
    CHECK_INT(end.reason, ISLE_RETURNED);
    CHECK_STRING(end.text, "");
    isle_shutdown(isolate); /* of the dead: nothing */
    isle_port_close(port);
    isle_port_close(ends);
    settle();
}

static void say_so(isle_value to)
{
    isle_send(isle_as_port(to), isle_string("it ran"));
}

TEST_ROOT(who_is_asked_before_it_begins_never_begins)
{
    isle_receive_port *port = isle_port_open(), *ends = isle_port_open();
    isle_isolate isolate =
        isle_spawn(say_so, isle_port_value(port),
                   &(isle_options){.paused = true, .monitor = isle_port_send_port(ends)});

    isle_shutdown(isolate);
    CHECK_INT(receive_end(ends).reason, ISLE_RETURNED);
    CHECK(port_is_empty(port));
    isle_port_close(port);
    isle_port_close(ends);
    settle();
}

static isle_value wait_for_ever(isle_value to)
{
    isle_send(isle_as_port(to), isle_isolate_value(isle_current()));
    isle_port_receive(isle_default_port());
    return isle_null();
}

TEST_ROOT(a_computation_that_is_asked_ends_without_a_result)
{
    isle_receive_port *port = isle_port_open();
    isle_future *result = isle_run(wait_for_ever, isle_port_value(port), NULL);

    isle_shutdown(isle_as_isolate(isle_port_receive(port)));
    CHECK_ERR(isle_try_await(result, ISLE_FOREVER, NULL), ISLE_ENORESULT);
    isle_port_close(port);
    settle();
}

/* Its own request waits until its event is over. */
static void ask_oneself(isle_value to)
{
    isle_receive_port *port = isle_port_open();

    isle_shutdown(isle_current());
    isle_checkpoint();
    isle_send(isle_as_port(to), isle_int(1));
    isle_checkpoint();
    isle_send(isle_as_port(to), isle_int(2));
    (void)port; /* which would keep it alive */
}

TEST_ROOT(the_running_event_comes_to_its_end)
{
    isle_receive_port *port = isle_port_open(), *ends = isle_port_open();

    isle_spawn(ask_oneself, isle_port_value(port),
               &(isle_options){.monitor = isle_port_send_port(ends)});
    CHECK_INT(receive_int(port), 1);
    CHECK_INT(receive_int(port), 2);
    CHECK_INT(receive_end(ends).reason, ISLE_RETURNED);
    isle_port_close(port);
    isle_port_close(ends);
    settle();
}

/* --- with a task */

struct host {
    isle_send_port to;
    isle_receive_port *port;
};
ISLE_LOCAL(struct host, host);

static void asked(void *context)
{
    isle_send(host()->to, isle_stringf("asked %s", (const char *)context));
}

static void note(isle_value message, void *unused)
{
    (void)unused;
    if (isle_is_null(message))
        isle_port_close(host()->port);
    else
        isle_send(host()->to, message);
}

/* Serves its default port until it gets null, and says when it is asked. */
static void serve(isle_value to)
{
    *host() = (struct host){isle_as_port(to), isle_default_port()};
    isle_on_shutdown(asked, (void *)"politely");
    isle_port_listen(host()->port, note, NULL);
    isle_send(host()->to, isle_string("serves"));
}

static isle_isolate serving(isle_receive_port *port, isle_receive_port *ends, size_t messages)
{
    isle_isolate isolate = isle_spawn(
        serve, isle_port_value(port),
        &(isle_options){.monitor = isle_port_send_port(ends), .mailbox_max_messages = messages});

    CHECK_STRING(isle_as_string(isle_port_receive(port)), "serves");
    return isolate;
}

TEST_ROOT(the_task_comes_once_and_the_isolate_serves_on)
{
    isle_receive_port *port = isle_port_open(), *ends = isle_port_open();
    isle_isolate isolate = serving(port, ends, 0);

    for (int i = 0; i < 3; i++)
        isle_shutdown(isolate);
    isle_send(isolate.default_port, isle_int(7));
    CHECK_STRING(isle_as_string(isle_port_receive(port)), "asked politely");
    CHECK_INT(receive_int(port), 7);
    isle_shutdown(isolate);
    isle_send(isolate.default_port, isle_int(8));
    CHECK_INT(receive_int(port), 8);
    isle_send(isolate.default_port, isle_null());
    CHECK_INT(receive_end(ends).reason, ISLE_RETURNED);
    CHECK(port_is_empty(port));
    isle_port_close(port);
    isle_port_close(ends);
    settle();
}

TEST_ROOT(who_may_not_end_it_asks_in_vain)
{
    isle_receive_port *port = isle_port_open(), *ends = isle_port_open();
    isle_isolate isolate = serving(port, ends, 0), restricted = isolate;

    restricted.terminate_capability = isolate.pause_capability;
    isle_shutdown(restricted);
    restricted.terminate_capability = (isle_capability){0};
    isle_shutdown(restricted);
    isle_send(isolate.default_port, isle_int(1));
    CHECK_INT(receive_int(port), 1);
    isle_send(isolate.default_port, isle_null());
    CHECK_INT(receive_end(ends).reason, ISLE_RETURNED);
    isle_port_close(port);
    isle_port_close(ends);
    settle();
}

TEST_ROOT(it_goes_before_messages_past_a_full_mailbox_and_a_pause)
{
    isle_receive_port *port = isle_port_open(), *ends = isle_port_open();
    isle_isolate isolate = serving(port, ends, 2);

    isle_capability key = isle_pause(isolate, (isle_capability){0});
    isle_send(isolate.default_port, isle_int(1));
    isle_send(isolate.default_port, isle_null());
    CHECK_ERR(isle_try_send(isolate.default_port, isle_int(2)), ISLE_EFULL);
    isle_shutdown(isolate);
    CHECK_STRING(isle_as_string(isle_port_receive(port)), "asked politely");
    CHECK(port_is_empty(port));
    isle_resume(isolate, key);
    CHECK_INT(receive_int(port), 1);
    CHECK_INT(receive_end(ends).reason, ISLE_RETURNED);
    isle_port_close(port);
    isle_port_close(ends);
    settle();
}

static void fail_it(void *unused)
{
    (void)unused;
    isle_throwf("cannot end well");
}

static void forget(isle_value to)
{
    isle_on_shutdown(fail_it, NULL);
    isle_on_shutdown(NULL, NULL);
    (void)wait_for_ever(to);
}

static void end_badly(isle_value to)
{
    isle_on_shutdown(fail_it, NULL);
    (void)wait_for_ever(to);
}

TEST_ROOT(what_the_task_throws_is_uncaught_and_one_taken_away_does_not_come)
{
    isle_receive_port *port = isle_port_open(), *ends = isle_port_open(),
                      *errors = isle_port_open();
    isle_options options = {.monitor = isle_port_send_port(ends),
                            .on_error = isle_port_send_port(errors)};

    isle_spawn(end_badly, isle_port_value(port), &options);
    isle_shutdown(isle_as_isolate(isle_port_receive(port)));
    CHECK_INT(receive_end(ends).reason, ISLE_FAILED);
    check_notice(isle_port_receive(errors), "cannot end well");
    isle_spawn(forget, isle_port_value(port), &options);
    isle_shutdown(isle_as_isolate(isle_port_receive(port)));
    CHECK_INT(receive_end(ends).reason, ISLE_RETURNED);
    CHECK(port_is_empty(errors));
    isle_port_close(port);
    isle_port_close(ends);
    isle_port_close(errors);
    settle();
}

/* --- from one isolate to another */

static void ask_other(isle_value other)
{
    isle_shutdown(isle_as_isolate(other));
}

TEST_ROOT(an_isolate_asks_another_by_a_handle_that_it_was_sent)
{
    isle_receive_port *port = isle_port_open(), *ends = isle_port_open();
    isle_isolate isolate = serving(port, ends, 0);

    isle_spawn(ask_other, isle_isolate_value(isolate), NULL);
    CHECK_STRING(isle_as_string(isle_port_receive(port)), "asked politely");
    isle_send(isolate.default_port, isle_null());
    CHECK_INT(receive_end(ends).reason, ISLE_RETURNED);
    isle_port_close(port);
    isle_port_close(ends);
    settle();
}

/* --- the root */

static int ask_and_return(int argc, char **argv)
{
    (void)argc, (void)argv;
    isle_port_open(); /* which keeps it alive */
    isle_shutdown(isle_current());
    return 3;
}

static int ask_and_wait(int argc, char **argv)
{
    (void)argc, (void)argv;
    isle_shutdown(isle_current());
    isle_port_receive(isle_port_open());
    return 3;
}

static int asked_for;

static void count(void *unused)
{
    (void)unused;
    asked_for++;
    isle_exit((isle_send_port){0}, isle_null());
}

static int ask_with_a_task(int argc, char **argv)
{
    isle_on_shutdown(count, NULL);
    return ask_and_return(argc, argv);
}

TEST(the_root_that_is_asked_ends_the_program)
{
    CHECK_INT(isle_main(0, NULL, ask_and_return), 3);
    CHECK_INT(isle_main(0, NULL, ask_and_wait), 0);
    asked_for = 0;
    CHECK_INT(isle_main(0, NULL, ask_with_a_task), 3);
    CHECK_INT(asked_for, 1);
}

TEST_MAIN()
