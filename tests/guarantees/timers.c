/* SPDX-License-Identifier: Apache-2.0 */
/* Timers and microtasks: never early, ticks that are missed are skipped, cancelled means cancelled,
 * a pending timer keeps its isolate alive. Lower bounds alone are checked in time. */
#include "guarantees.h"

static int64_t due;
static int fired;

static void check_due(void *context)
{
    CHECK(isle_now_ns() >= *(int64_t *)context);
    fired++;
}

static void until_fired(int count)
{
    while (fired < count)
        isle_sleep(0);
}

TEST_ROOT(timers_are_never_early)
{
    enum { COUNT = 300 };
    static int64_t dues[COUNT];

    for (int i = 0; i < COUNT; i++) {
        int64_t delay = ISLE_US(37) * ((i * 7919) % 1000);

        dues[i] = isle_now_ns() + delay;
        isle_timer_start(delay, check_due, &dues[i]);
    }
    until_fired(COUNT);
    CHECK_INT(fired, COUNT);
}

TEST_ROOT(sleeps_and_timeouts_are_never_early)
{
    isle_receive_port *port = isle_port_open();
    isle_value message;

    for (int64_t duration = 1; duration < ISLE_MS(8); duration *= 3) {
        int64_t start = isle_now_ns();

        isle_sleep(duration);
        CHECK(isle_now_ns() - start >= duration);
        start = isle_now_ns();
        CHECK_ERR(isle_port_try_receive(port, duration, &message), ISLE_ETIMEDOUT);
        CHECK(isle_now_ns() - start >= duration);
    }
    isle_port_close(port);
}

static int order_of[16], order_count;

static void note(void *context)
{
    order_of[order_count++] = *(int *)context;
}

/* Deadlines count from each call: a machine that takes longer for them than they differ by is asked
 * again. */
TEST_ROOT(timers_fire_by_deadline_then_in_the_order_made)
{
    static int numbers[] = {0, 1, 2, 3};
    static const int order[] = {3, 0, 1, 2}, delays[] = {1, 3, 4, 6};
    isle_timer *timers[4] = {NULL};
    int64_t begin;

    do {
        for (int i = 0; i < 4; i++)
            isle_timer_cancel(timers[i]);
        begin = isle_now_ns();
        for (int i = 0; i < 4; i++)
            timers[i] = isle_timer_start(ISLE_MS(delays[order[i]]), note, &numbers[order[i]]);
    } while (isle_now_ns() - begin >= ISLE_MS(1));
    while (order_count < 4)
        isle_sleep(0);
    for (int i = 0; i < 4; i++)
        CHECK_INT(order_of[i], i);
}

/* --- periodic */

static isle_timer *ticker;
static int64_t ticks_begin;
static int ticks;
enum { PERIOD_MS = 2, BLOCK_PERIODS = 20 };

/* Every tick lies on the grid or after it; those that a blocked loop missed are not made up for. */
static void tick(void *context)
{
    int64_t elapsed = isle_now_ns() - ticks_begin;

    (void)context;
    ticks++;
    CHECK(elapsed >= ISLE_MS(PERIOD_MS) * ticks);
    if (ticks == 1)
        while (isle_now_ns() - ticks_begin < ISLE_MS(PERIOD_MS) * BLOCK_PERIODS)
            ;
    if (ticks == 2)
        CHECK(elapsed >= ISLE_MS(PERIOD_MS) * BLOCK_PERIODS);
    /* The second is the late one; the third is the first point of the grid after it, which may come
     * at once, the others a period each. */
    if (ticks > 3)
        CHECK(elapsed >= ISLE_MS(PERIOD_MS) * (BLOCK_PERIODS + ticks - 3));
    if (ticks == 5)
        isle_timer_cancel(ticker);
}

TEST_ROOT(missed_ticks_are_skipped_and_a_callback_may_cancel_its_timer)
{
    ticks_begin = isle_now_ns();
    ticker = isle_timer_periodic(ISLE_MS(PERIOD_MS), tick, NULL);
    while (ticks < 5)
        isle_sleep(ISLE_MS(1));
    isle_sleep(ISLE_MS(3 * PERIOD_MS));
    CHECK_INT(ticks, 5);
    isle_timer_cancel(ticker);
}

static isle_value bad_period(isle_value period)
{
    isle_timer_periodic(isle_as_int(period), note, NULL);
    return isle_null();
}

TEST_ROOT(a_period_is_positive)
{
    CHECK_ERR(isle_try(bad_period, isle_int(0), NULL), ISLE_ERANGE);
    CHECK_ERR(isle_try(bad_period, isle_int(-5), NULL), ISLE_ERANGE);
}

/* --- cancel */

static isle_timer *other_timer;

static void cancel_other(void *context)
{
    (void)context;
    isle_timer_cancel(other_timer);
    isle_timer_cancel(other_timer);
}

TEST_ROOT(a_cancelled_timer_does_not_run_even_when_due)
{
    isle_timer_start(ISLE_US(10), cancel_other, NULL);
    other_timer = isle_timer_start(ISLE_US(11), check_due, &due);
    while (isle_now_ns() < due + ISLE_MS(1))
        due = due ? due : isle_now_ns();
    isle_sleep(ISLE_MS(2));
    CHECK_INT(fired, 0);
}

/* The handle of a timer that has run is stale: cancelling it does nothing, to no newer timer
 * either. */
TEST_ROOT(cancelling_a_timer_that_ran_hits_no_other)
{
    static int64_t past;

    for (int i = 0; i < 200; i++) {
        isle_timer *old = isle_timer_start(0, check_due, &past);

        until_fired(2 * i + 1);
        isle_timer_start(0, check_due, &past);
        isle_timer_cancel(old);
        until_fired(2 * i + 2);
    }
}

/* --- microtasks */

static int microtask_next;

static void microtask(void *context)
{
    CHECK_INT(*(int *)context, microtask_next);
    microtask_next++;
}

static void microtask_nested(void *context)
{
    static int last = 2;

    microtask(context);
    isle_schedule_microtask(microtask, &last);
}

static void after_microtasks(isle_value message, void *context)
{
    (void)message, (void)context;
    CHECK_INT(microtask_next, 3);
    microtask_next = 100;
}

static void schedule_from_event(isle_value message, void *context)
{
    static int zero = 0, one = 1;

    (void)message;
    isle_schedule_microtask(microtask, &zero);
    isle_schedule_microtask(microtask_nested, &one);
    CHECK_INT(microtask_next, 0);
    isle_port_listen(context, after_microtasks, NULL);
}

TEST_ROOT(microtasks_run_after_their_event_and_before_the_next)
{
    isle_receive_port *port = isle_port_open();

    isle_port_listen(port, schedule_from_event, port);
    isle_send(isle_port_send_port(port), isle_null());
    isle_send(isle_port_send_port(port), isle_null());
    while (microtask_next != 100)
        isle_sleep(0);
    isle_port_close(port);
}

/* A sleep of nothing lets events that are ready go first. */
static void count_message(isle_value message, void *context)
{
    (void)message;
    ++*(int *)context;
}

TEST_ROOT(a_sleep_of_nothing_lets_ready_events_go_first)
{
    isle_receive_port *port = isle_port_open();
    int handled = 0;

    isle_port_listen(port, count_message, &handled);
    for (int i = 1; i <= 100; i++) {
        isle_send(isle_port_send_port(port), isle_null());
        isle_sleep(0);
        CHECK_INT(handled, i);
    }
    isle_port_close(port);
}

/* --- keeping alive */

static void send_null(void *context)
{
    isle_send((isle_send_port){(uint64_t)(uintptr_t)context}, isle_null());
}

static void with_timer(isle_value to)
{
    isle_timer_start(ISLE_MS(2), send_null, (void *)(uintptr_t)isle_as_port(to).id);
}

static void with_cancelled_timer(isle_value to)
{
    isle_timer_cancel(
        isle_timer_start(ISLE_SECONDS(1000), send_null, (void *)(uintptr_t)isle_as_port(to).id));
}

TEST_ROOT(a_pending_timer_keeps_its_isolate_alive)
{
    isle_receive_port *port = isle_port_open();
    isle_options options = {.on_exit = isle_port_send_port(port)};

    isle_spawn(with_timer, isle_port_value(port), &options);
    check_null(isle_port_receive(port));
    check_null(isle_port_receive(port));
    isle_spawn(with_cancelled_timer, isle_port_value(port), &options);
    check_null(isle_port_receive(port));
    settle();
    CHECK(port_is_empty(port));
    isle_port_close(port);
}

TEST_MAIN()
