/* SPDX-License-Identifier: Apache-2.0 */
/* What a hostile reading of the fast paths found: each of these once starved, misled or crashed. */
#include <sys/prctl.h>
#include <sys/resource.h>

#include "guarantees.h"

/* --- turns */

static _Atomic bool others_turn;

static void takes_its_turn(isle_value message)
{
    (void)message;
    atomic_store(&others_turn, true);
}

/* How many messages the caller receives before another isolate of its worker runs. */
static int64_t messages_until_another_runs(isle_receive_port *port)
{
    int64_t count = 0;

    atomic_store(&others_turn, false);
    isle_spawn(takes_its_turn, isle_null(), NULL);
    while (!atomic_load(&others_turn)) {
        ISLE_SCOPE;
        isle_send(isle_port_send_port(port), isle_int(++count));
        CHECK_INT(receive_int(port), count);
    }
    return count;
}

enum { TURNS = 100 };

static void receives_its_own(isle_value most)
{
    isle_receive_port *port = isle_port_open();

    for (int i = 0; i < TURNS; i++)
        CHECK(messages_until_another_runs(port) <= isle_as_int(most));
    isle_port_close(port);
}

/* Root is not bound by the limit. Who was root may not be looked at after that, which the leak
 * sanitizer does at the end. */
static void become_somebody(void)
{
    if (geteuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0))
        skip("this user may not become another one");
    CHECK_INT(prctl(PR_SET_DUMPABLE, 1), 0);
}

/* An activity whose messages never end uses its turn up as a handler does: the other is next in the
 * worker's order. There is one worker and stays one, though on a busy machine the monitor would add
 * a second, and each of the two isolates would wait for that thread's core for all that it has. */
TEST(who_receives_without_end_gives_way)
{
    struct rlimit all, threads;

    become_somebody();
    CHECK_INT(getrlimit(RLIMIT_NPROC, &all), 0);
    threads = (struct rlimit){1, all.rlim_max}; /* the user has more: there will be none besides */
    CHECK_ERR(isle_start(0, NULL, &(isle_program_options){.worker_count = 1}), ISLE_OK);
    CHECK_INT(setrlimit(RLIMIT_NPROC, &threads), 0);
    isle_spawn(receives_its_own, isle_int(1024), NULL);
    settle();
    isle_stop();
    CHECK_INT(setrlimit(RLIMIT_NPROC, &all), 0);
}

/* --- messages of one port that are handled in one frame are events of their own */

static isle_receive_port *first_port, *second_port;
static char trace[256];

static void trace_add(char c)
{
    size_t length = strlen(trace);

    CHECK(length + 1 < sizeof trace);
    trace[length] = c;
}

static void in_a_microtask(void *context)
{
    trace_add(*(const char *)context);
}

static void handles_first(isle_value message, void *context)
{
    int64_t number = isle_as_int(message);

    (void)context;
    trace_add((char)('0' + number));
    if (number == 2)
        isle_schedule_microtask(in_a_microtask, "m");
    if (number == 3)
        isle_throw(isle_error(ISLE_ERANGE, "the third", NULL));
    if (number == 4)
        CHECK_INT(isle_kind_of(isle_last_error()), ISLE_NULL);
    if (number == 5) {
        CHECK_ERR(isle_port_try_receive(second_port, 0, NULL), ISLE_EINVAL);
        CHECK_INT(isle_kind_of(isle_last_error()), ISLE_ERROR);
    }
    if (number == 6)
        CHECK_INT(isle_kind_of(isle_last_error()), ISLE_NULL);
}

static void handles_second(isle_value message, void *context)
{
    (void)context;
    trace_add((char)('a' + isle_as_int(message) % 26));
}

static void handles_after_the_change(isle_value message, void *context)
{
    (void)context;
    trace_add((char)('A' + isle_as_int(message)));
    if (isle_as_int(message) == 9) {
        isle_pause(isle_current(), isle_capability_new());
        trace_add('|');
        isle_send(*(isle_send_port *)context, isle_null());
    }
}

static void changes_its_handler(isle_value message, void *context)
{
    if (isle_as_int(message) < 8)
        handles_first(message, context);
    if (isle_as_int(message) == 7)
        isle_port_listen(first_port, handles_after_the_change, context);
}

static void handles_many(isle_value report)
{
    static isle_send_port to;

    to = isle_as_port(report);
    first_port = isle_port_open();
    second_port = isle_port_open();
    isle_port_listen(first_port, changes_its_handler, &to);
    isle_port_listen(second_port, handles_second, NULL);
    for (int64_t i = 1; i <= 6; i++)
        isle_send(isle_port_send_port(first_port), isle_int(i));
    isle_send(isle_port_send_port(second_port), isle_int(25));
    for (int64_t i = 7; i <= 12; i++)
        isle_send(isle_port_send_port(first_port), isle_int(i));
    isle_send(to, isle_null());
}

TEST_ROOT(messages_of_one_port_are_events_of_their_own)
{
    isle_receive_port *errors = isle_port_open(), *reports = isle_port_open();

    memset(trace, 0, sizeof trace);
    isle_isolate isolate = isle_spawn(
        handles_many, isle_port(isle_port_send_port(reports)),
        &(isle_options){.errors_not_fatal = true, .on_error = isle_port_send_port(errors)});
    isle_port_receive(reports);
    check_notice(isle_port_receive(errors), "the third");
    isle_port_receive(reports);
    CHECK_STRING(trace, "12m3456z7IJ|");
    CHECK(port_is_empty(errors));
    isle_kill(isolate, ISLE_IMMEDIATE);
    settle();
    isle_port_close(errors);
    isle_port_close(reports);
}

static void closes_at_three(isle_value message, void *context)
{
    *(int64_t *)context += 1;
    if (isle_as_int(message) == 3)
        isle_port_close(first_port);
}

TEST_ROOT(a_port_that_closes_within_its_handler_gets_nothing_more)
{
    static int64_t handled;
    uint64_t dropped = stats_now().dropped_closed;

    handled = 0;
    first_port = isle_port_open();
    isle_port_listen(first_port, closes_at_three, &handled);
    for (int64_t i = 1; i <= 10; i++)
        isle_send(isle_port_send_port(first_port), isle_int(i));
    isle_sleep(0);
    CHECK_INT(handled, 3);
    CHECK_INT(stats_now().dropped_closed - dropped, 7);
}

/* --- timers beside messages that never end */

enum { MANY = 240, MESSAGES_A_TIMER = 20 };
static int timers_fired, messages_handled;

static void fires_again(void *context)
{
    (void)context;
    timers_fired++;
    if (messages_handled < MANY)
        isle_timer_start(0, fires_again, NULL);
}

static void handles_one_of_many(isle_value message, void *port)
{
    (void)message;
    if (++messages_handled == MANY)
        isle_port_close(port);
}

static void has_timers_and_messages(isle_value unused)
{
    isle_receive_port *port = isle_port_open();

    (void)unused;
    timers_fired = messages_handled = 0;
    isle_port_listen(port, handles_one_of_many, port);
    for (int64_t i = 0; i < MANY; i++)
        isle_send(isle_port_send_port(port), isle_int(i));
    isle_timer_start(0, fires_again, NULL);
}

TEST_ROOT(due_timers_are_looked_at_between_messages_of_one_port)
{
    isle_spawn(has_timers_and_messages, isle_null(), NULL);
    settle();
    CHECK_INT(messages_handled, MANY);
    CHECK(timers_fired >= MANY / MESSAGES_A_TIMER);
}

/* --- the end of the program */

static sem_t in_its_drop;

static void never_returns(void *context)
{
    (void)context;
    sem_post(&in_its_drop);
    for (;;)
        ;
}

static void ends_without_end(isle_value message)
{
    (void)message;
    isle_port_on_drop(isle_port_open(), never_returns, NULL);
    isle_exit(isle_send_port_none(), isle_null());
}

static int leave_one_that_ends(int argc, char **argv)
{
    (void)argc, (void)argv;
    isle_spawn(ends_without_end, isle_null(), &(isle_options){.debug_name = "the one that ends"});
    semaphore_wait(&in_its_drop);
    return 7;
}

/* It has no id any more, and runs still. */
TEST(the_program_names_those_that_do_not_come_to_their_end)
{
    struct child child;

    if (child_label()) {
        sem_init(&in_its_drop, 0, 0);
        exit(isle_main(0, NULL, leave_one_that_ends));
    }
    child = child_run(__func__ + 6, "child");
    child_exited(&child, 7);
    child_wrote(&child, "200 ms");
    child_wrote(&child, "the one that ends");
}

static int tells[2];

static void computes(int64_t duration)
{
    struct timespec used;
    int64_t now, until = 0;

    do {
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
        now = ISLE_SECONDS(used.tv_sec) + used.tv_nsec;
        until = until ? until : now + duration;
    } while (now < until);
}

static void stops_the_program(void *context)
{
    (void)context;
    sem_post(&in_its_drop);
    computes(ISLE_MS(20));
    CHECK_INT(write(tells[1], "s", 1), 1);
    CHECK_INT(kill(getpid(), SIGSTOP), 0);
    computes(ISLE_MS(20));
}

static void ends_and_stops_the_program(isle_value message)
{
    (void)message;
    isle_port_on_drop(isle_port_open(), stops_the_program, NULL);
    isle_exit(isle_send_port_none(), isle_null());
}

static int leave_one_that_stops_the_program(int argc, char **argv)
{
    (void)argc, (void)argv;
    isle_spawn(ends_and_stops_the_program, isle_null(), NULL);
    semaphore_wait(&in_its_drop);
    return 8;
}

/* A process of its own: lets a program that was stopped go on after twice the time in question. */
static void continue_later(pid_t program)
{
    const struct timespec nap = {.tv_nsec = 400000000};
    char byte;

    close(1);
    close(2);
    close(tells[1]);
    if (read(tells[0], &byte, 1) == 1)
        while (getppid() == program) {
            nanosleep(&nap, NULL);
            kill(program, SIGCONT);
        }
    _exit(0);
}

/* Time in which a program does not run at all is none in which its isolates did not stop. */
TEST(a_program_that_is_stopped_while_it_ends_waits_for_its_isolates)
{
    struct child child;

    if (child_label()) {
        pid_t program = getpid();

        CHECK_INT(pipe(tells), 0);
        if (fork() == 0)
            continue_later(program);
        sem_init(&in_its_drop, 0, 0);
        exit(isle_main(0, NULL, leave_one_that_stops_the_program));
    }
    child = child_run(__func__ + 6, "child");
    child_exited(&child, 8);
    CHECK_STRING(child.output, "");
}

TEST_MAIN()
