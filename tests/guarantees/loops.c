/* SPDX-License-Identifier: Apache-2.0 */
/* A foreign event loop drives the root: whatever the main activity starts between two dispatches
 * makes the descriptor readable, and dispatch serves it. */
#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "isle.h"
#include "test.h"

enum { QUIET_TRIES = 3 };
static int loop, seen;

/* 1 if the loop's descriptor is ready within so many ms, else 0. A process that is stopped and goes
 * on waits again. */
static int loop_wait(int timeout_ms)
{
    struct epoll_event event;
    int count;
    do
        count = epoll_wait(loop, &event, 1, timeout_ms);
    while (count < 0 && errno == EINTR);
    return count;
}

/* Waits as epoll does, dispatches as told. */
static void serve_at_least(int wanted)
{
    while (seen < wanted)
        if (loop_wait(1000) == 1)
            CHECK(isle_dispatch());
}

static void serve_until(int wanted)
{
    serve_at_least(wanted);
    CHECK_INT(seen, wanted);
}

/* Nothing is due: the descriptor is quiet, so that the loop may sleep. What was cancelled may still
 * wake it, once and for nothing, whenever the clock's thread gets a core. */
static void check_quiet(void)
{
    int woken = 0;
    for (int i = 0; i < QUIET_TRIES && (i == 0 || woken > 0); i++) {
        while (loop_wait(0) == 1)
            CHECK(isle_dispatch());
        woken = loop_wait(10);
    }
    CHECK_INT(woken, 0);
}

static void start(void)
{
    CHECK_ERR(isle_start(0, NULL, NULL), ISLE_OK);
    loop = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN};
    CHECK_INT(epoll_ctl(loop, EPOLL_CTL_ADD, isle_loop_fd(), &event), 0);
    check_quiet();
}

static void stop(void)
{
    close(loop);
    isle_stop();
}

static void see(void *context)
{
    (void)context;
    seen++;
}

static void see_value(isle_value value, void *context)
{
    CHECK_INT(isle_as_int(value), (intptr_t)context);
    seen++;
}

static void see_error(isle_value error, void *context)
{
    (void)context;
    CHECK_ERR(isle_error_code(error), ISLE_ECANCELED);
    seen++;
}

static void send_answer(isle_value port)
{
    isle_send(isle_as_port(port), isle_int(42));
}

static isle_value compute(isle_value argument)
{
    isle_sleep(ISLE_MS(2));
    return argument;
}

TEST(timer_of_the_main_activity)
{
    start();
    isle_timer_start(ISLE_MS(5), see, NULL);
    serve_until(1);
    isle_timer_start(0, see, NULL);
    serve_until(2);
    isle_timer *timer = isle_timer_periodic(ISLE_MS(2), see, NULL);
    serve_at_least(5); /* a slow dispatch may serve two ticks */
    isle_timer_cancel(timer);
    seen = 5;
    check_quiet();
    CHECK_INT(seen, 5);
    stop();
}

/* The later timer is known first: the earlier one must still wake in time. */
TEST(earlier_timer_after_a_later_one)
{
    start();
    isle_timer_start(ISLE_SECONDS(3600), see, NULL);
    check_quiet();
    isle_timer_start(ISLE_MS(2), see, NULL);
    serve_until(1);
    stop();
}

TEST(microtask_of_the_main_activity)
{
    start();
    isle_schedule_microtask(see, NULL);
    serve_until(1);
    isle_schedule_microtask(see, NULL);
    isle_schedule_microtask(see, NULL);
    serve_until(3);
    check_quiet();
    stop();
}

TEST(message_to_itself)
{
    start();
    isle_receive_port *port = isle_port_open();
    isle_port_listen(port, see_value, (void *)(intptr_t)7);
    for (int i = 1; i <= 3; i++) {
        isle_send(isle_port_send_port(port), isle_int(7));
        serve_until(i);
    }
    check_quiet();
    /* What was sent before somebody listens is served after. */
    isle_receive_port *late = isle_port_open();
    isle_send(isle_port_send_port(late), isle_int(8));
    check_quiet();
    isle_port_listen(late, see_value, (void *)(intptr_t)8);
    serve_until(4);
    stop();
}

TEST(future_completed_by_the_main_activity)
{
    start();
    isle_future *future = isle_future_new(), *later = isle_future_new();
    isle_then(future, see_value, NULL, (void *)(intptr_t)5);
    check_quiet();
    isle_future_complete(future, isle_int(5));
    serve_until(1);
    isle_future_complete(later, isle_int(6));
    check_quiet();
    isle_then(later, see_value, NULL, (void *)(intptr_t)6);
    serve_until(2);
    isle_future *canceled = isle_future_new();
    isle_then(canceled, see_value, see_error, NULL);
    isle_future_cancel(canceled);
    serve_until(3);
    stop();
}

static void wait_then_see(isle_value value, void *context)
{
    CHECK_INT(isle_as_int(isle_await(context)), 9);
    CHECK_INT(isle_as_int(value), 1);
    seen++;
}

TEST(waiting_handler_goes_on)
{
    start();
    isle_receive_port *port = isle_port_open();
    isle_future *future = isle_future_new();
    isle_port_listen(port, wait_then_see, future);
    isle_send(isle_port_send_port(port), isle_int(1));
    check_quiet();
    CHECK_INT(seen, 0);
    isle_future_complete(future, isle_int(9));
    serve_until(1);
    stop();
}

TEST(answers_of_others)
{
    start();
    isle_receive_port *port = isle_port_open();
    isle_port_listen(port, see_value, (void *)(intptr_t)42);
    for (int i = 1; i <= 20; i++) {
        (void)isle_spawn(send_answer, isle_port_value(port), NULL);
        serve_until(i);
    }
    for (int i = 21; i <= 40; i++) {
        isle_then(isle_run(compute, isle_int(i), NULL), see_value, NULL, (void *)(intptr_t)i);
        serve_until(i);
    }
    check_quiet();
    stop();
}

/* The main activity may also wait in direct style between two dispatches. */
TEST(await_between_dispatches)
{
    start();
    isle_receive_port *port = isle_port_open();
    isle_port_listen(port, see_value, (void *)(intptr_t)3);
    for (int i = 1; i <= 10; i++) {
        isle_send(isle_port_send_port(port), isle_int(3));
        CHECK_INT(isle_as_int(isle_await(isle_run(compute, isle_int(i), NULL))), i);
        serve_until(i);
    }
    stop();
}

static void throws(void *context)
{
    (void)context;
    isle_throwf("on purpose");
}

TEST(dispatch_says_that_the_root_has_ended)
{
    start();
    isle_timer_start(ISLE_MS(1), throws, NULL);
    struct pollfd fd = {.fd = isle_loop_fd(), .events = POLLIN};
    bool lives = true;
    for (int i = 0; i < 100 && lives; i++)
        if (poll(&fd, 1, 1000) == 1)
            lives = isle_dispatch();
    CHECK(!lives);
    stop();
}

TEST_MAIN()
