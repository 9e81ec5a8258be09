/* SPDX-License-Identifier: Apache-2.0 */
/* What the core gives a backend behind a wall: a backend that pretends to be one answers mail and
 * control messages in its turns, and ends as it is told to. */
#include "test.h"

#include <stdatomic.h>

#include "core/backend.h"
#include "core/control.h"
#include "core/loop.h"
#include "core/mail.h"
#include "core/slot.h"
#include "core/uncaught.h"
#include "isle.h"

/* What the messages ask the pretended other side to do. */
enum { CRASH = -1, TELL_ERROR = -2 };

static struct {
    _Atomic int prepared, ended, admitted, pauses, resumes, pings, fatals, stands, remote;
    _Atomic int images, stops;
    _Atomic bool refuses_standing;
} seen;

static isle_err fake_prepare(struct isle__isolate *isolate, const isle_options *options)
{
    (void)isolate, (void)options;
    atomic_fetch_add(&seen.prepared, 1);
    return ISLE_OK;
}

static void fake_wake(struct isle__isolate *isolate)
{
    isle__sched_ready(&isolate->task);
}

static void fake_ended(struct isle__isolate *isolate)
{
    (void)isolate;
    atomic_fetch_add(&seen.ended, 1);
}

static isle_err fake_admit(struct isle__isolate *isolate, const struct isle__spawn_what *what,
                           isle_value message)
{
    (void)isolate;
    atomic_fetch_add(&seen.admitted, 1);
    if (what->kind == ISLE__ENTRY && isle_kind_of(message) == ISLE_STRING)
        return isle__fail(ISLE_EUNSENDABLE, "no strings there");
    return ISLE_OK;
}

static void fake_standing(struct isle__control *control)
{
    if (atomic_load(&seen.refuses_standing)) {
        control->mail->kind = ISLE__MAIL_REPLY_ERROR;
        control->mail->code = ISLE_ESPAWN;
        isle__mail_set_root(control->mail, isle_null());
    }
    isle__mail_post_reserved(control->mail);
    control->mail = NULL;
    atomic_fetch_add(&seen.stands, 1);
}

static bool fake_control(struct isle__isolate *isolate, struct isle__control *control)
{
    if ((control->target & ~ISLE__ID_CONTROL) != isolate->id)
        atomic_fetch_add(&seen.remote, 1);
    if (control->kind == ISLE__CONTROL_STARTED) {
        fake_standing(control);
    } else if (control->kind == ISLE__CONTROL_PING) {
        isle__mail_post_reserved(control->mail);
        control->mail = NULL;
        atomic_fetch_add(&seen.pings, 1);
    } else if (control->kind == ISLE__CONTROL_PAUSE) {
        atomic_fetch_add(&seen.pauses, 1);
    } else if (control->kind == ISLE__CONTROL_RESUME) {
        atomic_fetch_add(&seen.resumes, 1);
    } else if (control->kind == ISLE__CONTROL_ERRORS_FATAL) {
        atomic_fetch_add(&seen.fatals, 1);
    } else if (control->kind == ISLE__CONTROL_KILL) {
        /* Only the other side knows when its event is over: now, it says. */
        CHECK_INT(control->priority, ISLE_BEFORE_NEXT_EVENT);
        isle__isolate_end_as(isolate, ISLE_KILLED, NULL);
    } else {
        return false;
    }
    isle__control_free(control);
    return true;
}

static void fake_answer(struct isle__isolate *isolate, struct isle__mail *mail)
{
    int64_t number = 0;
    isle__mail_received(isolate, mail);
    CHECK(mail->is_bare);
    /* An immediate int: outside of isolates, by its bits alone. */
    for (int64_t n = -2; n < 100; n++) {
        isle_value candidate;
        CHECK(isle__small_int(n, &candidate));
        if (candidate.bits == mail->root.bits)
            number = n;
    }
    if (number == CRASH) {
        isle__isolate_cost(isolate, 5, 6);
        isle__isolate_end_as(isolate, ISLE_SIGNALED, "SIGSEGV");
    } else if (number == TELL_ERROR) {
        isle__uncaught_told(isolate, "over there", NULL, true);
    } else if (mail->reply != 0) {
        mail->target = mail->reply;
        mail->reply = 0;
        mail->kind = ISLE__MAIL_REPLY;
        isle__mail_post_reserved(mail);
        return;
    }
    isle__mail_drop(mail);
}

static void fake_enter(struct isle__isolate *isolate)
{
    isle_value bare;
    isle__mail_drop(isle__first_take(isolate, &bare));
    if (isolate->entry_kind != ISLE__ENTRY_RUN)
        return;
    /* The other side's answer: what it was given. */
    isle__mail_set_root(isolate->run_mail, bare);
    isolate->run_mail->kind = ISLE__MAIL_REPLY;
    isolate->run_mail->code = ISLE_OK;
    isolate->run_answered = isolate->ending = true;
}

static void fake_turn(struct isle__task *task)
{
    struct isle__isolate *isolate = (struct isle__isolate *)task;
    CHECK(isle__heap_current() == NULL);
    do {
        isle__control_run(isolate, false);
        isle__deadline_check(isolate);
        if (!isolate->entered && !isolate->ending)
            fake_enter(isolate);
        if (!isolate->ending)
            (void)isle__loop_take(isolate);
        while (isolate->inbox != NULL && !isolate->ending) {
            struct isle__mail *mail = isolate->inbox;
            isolate->inbox = mail->next;
            fake_answer(isolate, mail);
        }
        if (isolate->ending) {
            isle__isolate_finish(isolate);
            return;
        }
    } while (!isle__loop_rest(isolate));
}

static void fake_image(int argc, char **argv)
{
    (void)argc, (void)argv;
    atomic_fetch_add(&seen.images, 1);
}

static void fake_stop(void)
{
    CHECK_INT(atomic_load(&seen.ended), atomic_load(&seen.prepared));
    atomic_fetch_add(&seen.stops, 1);
}

static const struct isle__backend_ops fake = {
    .name = "fake",
    .enforces = ISLE__ENFORCES_CPU_TIME,
    .prepare = fake_prepare,
    .wake = fake_wake,
    .ended = fake_ended,
    .turn = fake_turn,
    .control = fake_control,
    .admit = fake_admit,
    .image = fake_image,
    .stop = fake_stop,
};

static void never_run(isle_value unused)
{
    (void)unused;
    fail("code of an isolate behind a wall ran here");
}

static isle_isolate fake_spawn(isle_options options)
{
    options.backend = ISLE_NODE;
    return isle_spawn(never_run, isle_pack("[i,i]", 1, 2), &options);
}

static isle_end receive_end(isle_receive_port *port)
{
    return isle_as_end(isle_port_receive(port));
}

#define TEST_FAKE(name)                                                                            \
    static int fake__##name(int argc, char **argv);                                                \
    TEST(name)                                                                                     \
    {                                                                                              \
        memset(&seen, 0, sizeof seen);                                                             \
        isle__backend_register(ISLE_NODE, &fake);                                                  \
        CHECK_INT(isle_main(0, NULL, fake__##name), 0);                                            \
        CHECK_INT(atomic_load(&seen.images), 1);                                                   \
        CHECK_INT(atomic_load(&seen.stops), 1);                                                    \
        CHECK_INT(atomic_load(&seen.ended), atomic_load(&seen.prepared));                          \
        isle__backend_register(ISLE_NODE, NULL);                                                   \
    }                                                                                              \
    static int fake__##name(int argc, char **argv)

TEST_FAKE(mail_is_taken_in_turns)
{
    isle_isolate isolate = fake_spawn((isle_options){0});

    (void)argc, (void)argv;
    for (int i = 0; i < 50; i++) {
        ISLE_SCOPE;
        isle_future *call = isle_call(isolate.default_port, isle_int(i), ISLE_FOREVER);
        CHECK_INT(isle_as_int(isle_await(call)), i);
    }
    isle_kill(isolate, ISLE_IMMEDIATE);
    return 0;
}

TEST_FAKE(kills_deadlines_and_ends_are_told)
{
    isle_receive_port *ends = isle_port_open(), *exits = isle_port_open();
    isle_options options = {.monitor = isle_port_send_port(ends),
                            .on_exit = isle_port_send_port(exits)};
    isle_isolate killed = fake_spawn(options), crashed = fake_spawn(options);
    isle_end end;

    (void)argc, (void)argv;
    isle_kill(killed, ISLE_IMMEDIATE);
    end = receive_end(ends);
    CHECK_INT(end.reason, ISLE_KILLED);
    CHECK(isle_is_null(isle_port_receive(exits)));
    isle_send(crashed.default_port, isle_int(CRASH));
    end = receive_end(ends);
    CHECK_INT(end.reason, ISLE_SIGNALED);
    CHECK_STRING(end.text, "SIGSEGV");
    CHECK_INT(end.cpu_time_ns, 5);
    CHECK_UINT(end.memory_peak, 6);
    CHECK(isle_is_null(isle_port_receive(exits)));
    options.deadline_ns = ISLE_MS(3);
    fake_spawn(options);
    CHECK_INT(receive_end(ends).reason, ISLE_DEADLINE);
    isle_port_close(ends);
    isle_port_close(exits);
    return 0;
}

TEST_FAKE(control_messages_are_handed_over)
{
    isle_receive_port *pongs = isle_port_open(), *exits = isle_port_open();
    isle_isolate isolate = fake_spawn((isle_options){.paused = true});

    (void)argc, (void)argv;
    isle_add_exit_listener(isolate, isle_port_send_port(exits), isle_int(9));
    isle_resume(isolate, isle_pause(isolate, (isle_capability){0}));
    isle_set_errors_fatal(isolate, false);
    isle_ping(isolate, isle_port_send_port(pongs), isle_int(8), ISLE_BEFORE_NEXT_EVENT);
    CHECK_INT(isle_as_int(isle_port_receive(pongs)), 8);
    CHECK_INT(atomic_load(&seen.pauses), 1);
    CHECK_INT(atomic_load(&seen.resumes), 1);
    CHECK_INT(atomic_load(&seen.fatals), 1);
    isle_kill((isle_isolate){.control_port = isolate.control_port}, ISLE_IMMEDIATE);
    isle_ping(isolate, isle_port_send_port(pongs), isle_int(7), ISLE_IMMEDIATE);
    CHECK_INT(isle_as_int(isle_port_receive(pongs)), 7); /* the kill had no capability */
    isle_kill(isolate, ISLE_BEFORE_NEXT_EVENT);
    CHECK_INT(isle_as_int(isle_port_receive(exits)), 9);
    isle_port_close(pongs);
    isle_port_close(exits);
    return 0;
}

TEST_FAKE(try_spawn_waits_until_it_stands)
{
    isle_options options = {.backend = ISLE_NODE};
    isle_isolate isolate;

    (void)argc, (void)argv;
    CHECK_ERR(isle_try_spawn(never_run, isle_null(), &options, &isolate), ISLE_OK);
    CHECK_INT(atomic_load(&seen.stands), 1);
    isle_await(isle_spawn_wait(isolate));
    CHECK_INT(atomic_load(&seen.stands), 2);
    isle_kill(isolate, ISLE_IMMEDIATE);
    atomic_store(&seen.refuses_standing, true);
    CHECK_ERR(isle_try_spawn(never_run, isle_null(), &options, &isolate), ISLE_ESPAWN);
    CHECK_INT(atomic_load(&seen.stands), 3);
    return 0;
}

TEST_FAKE(what_it_does_not_admit_or_enforce_is_refused)
{
    isle_options options = {.backend = ISLE_NODE};
    isle_isolate isolate;
    struct isle_sandbox *sandbox = (struct isle_sandbox *)&options;

    (void)argc, (void)argv;
    CHECK_ERR(isle_try_spawn(never_run, isle_string("text"), &options, &isolate), ISLE_EUNSENDABLE);
    CHECK_INT(atomic_load(&seen.admitted), 1);
    options.cpu_time_max_ns = ISLE_SECONDS(1);
    CHECK_ERR(isle_try_spawn(never_run, isle_null(), &options, &isolate), ISLE_OK);
    isle_kill(isolate, ISLE_IMMEDIATE);
    options.sandbox = sandbox;
    CHECK_ERR(isle_try_spawn(never_run, isle_null(), &options, &isolate), ISLE_EUNSUPPORTED);
    options.backend = ISLE_THREAD;
    options.cpu_time_max_ns = 0;
    CHECK_ERR(isle_try_spawn(never_run, isle_null(), &options, &isolate), ISLE_EUNSUPPORTED);
    CHECK_STRING(isle_error_text(isle_last_error()),
                 "isle_try_spawn: .sandbox cannot be enforced on threads");
    return 0;
}

static isle_value never_computed(isle_value unused)
{
    never_run(unused);
    return unused;
}

TEST_FAKE(a_run_is_answered_from_there)
{
    isle_options options = {.backend = ISLE_NODE};

    (void)argc, (void)argv;
    CHECK_INT(isle_as_int(isle_await(isle_run(never_computed, isle_int(5), &options))), 5);
    return 0;
}

TEST_FAKE(errors_of_the_other_side_reach_the_listeners)
{
    isle_receive_port *errors = isle_port_open();
    isle_isolate isolate = fake_spawn((isle_options){.on_error = isle_port_send_port(errors)});

    (void)argc, (void)argv;
    for (int i = 0; i < 3; i++) {
        isle_send(isolate.default_port, isle_int(TELL_ERROR));
        isle_value notice = isle_port_receive(errors);
        CHECK_STRING(isle_as_string(isle_list_get(notice, 0)), "over there");
        CHECK(isle_is_null(isle_list_get(notice, 1)));
    }
    isle_kill(isolate, ISLE_IMMEDIATE);
    isle_port_close(errors);
    return 0;
}

/* A control port of somebody on the other side, and his default port, are slots of the proxy. */
TEST_FAKE(slots_of_a_proxy_lead_to_it)
{
    isle_receive_port *pongs = isle_port_open(), *ends = isle_port_open();
    isle_isolate isolate = fake_spawn((isle_options){0}), remote;
    struct isle__slot *slot = isle__slot_find(isolate.default_port.id);
    struct isle__slot *other;

    (void)argc, (void)argv;
    CHECK(slot != NULL);
    other = isle__slot_open(ISLE__SLOT_REMOTE, atomic_load(&slot->isolate), NULL);
    CHECK(other != NULL);
    remote = (isle_isolate){.control_port = {atomic_load(&other->id) | ISLE__ID_CONTROL},
                            .default_port = {atomic_load(&other->id)}};
    isle_ping(remote, isle_port_send_port(pongs), isle_int(3), ISLE_IMMEDIATE);
    CHECK_INT(isle_as_int(isle_port_receive(pongs)), 3);
    CHECK_INT(atomic_load(&seen.remote), 1);
    CHECK_INT(isle_as_int(isle_await(isle_call(remote.default_port, isle_int(4), ISLE_FOREVER))),
              4);
    isle_monitor(remote, isle_port_send_port(ends)); /* the pretended side cannot: refused */
    CHECK_INT(receive_end(ends).reason, ISLE_LOST);
    isle__slot_close(other);
    isle_kill(isolate, ISLE_IMMEDIATE);
    isle_port_close(pongs);
    isle_port_close(ends);
    return 0;
}

TEST_MAIN()
