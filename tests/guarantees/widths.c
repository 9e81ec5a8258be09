/* SPDX-License-Identifier: Apache-2.0 */
/* How many workers are awake for isolates that talk. Which number is best is the machine's
 * business (unit/test_width has machines that are made up); here: that it is tried, that the
 * workers follow, and that who computes never waits for it. Looks at the inside of the library. */
#include "guarantees.h"

#include "sched/worker.h"

enum { PAIRS = 64 };

static _Atomic bool over;
static _Atomic uint64_t bounced;
static _Atomic bool computed[2];

static unsigned width_now(void)
{
    return atomic_load(&isle__sched.width);
}

/* Sends back what it gets, until all is over: then null, and ends. */
static void bounces(isle_value message, void *context)
{
    (void)context;
    bool last = isle_is_null(message) || atomic_load_explicit(&over, memory_order_relaxed);
    atomic_fetch_add_explicit(&bounced, 1, memory_order_relaxed);
    if (!isle_is_null(message))
        isle_send(isle_as_port(message),
                  last ? isle_null() : isle_port(isle_current().default_port));
    if (last)
        isle_port_close(isle_default_port());
}

static void bouncer(isle_value other)
{
    isle_port_listen(isle_default_port(), bounces, NULL);
    if (!isle_is_null(other))
        isle_send(isle_as_port(other), isle_port(isle_current().default_port));
}

static void start_pairs(void)
{
    atomic_store(&over, false);
    for (int i = 0; i < PAIRS; i++) {
        isle_isolate first = isle_spawn(bouncer, isle_null(), NULL);
        (void)isle_spawn(bouncer, isle_port(first.default_port), NULL);
    }
}

static void end_pairs(void)
{
    atomic_store(&over, true);
    settle();
}

/* The pool's, if it has two workers. */
static void need_two_workers(void)
{
    if (isle__sched.target < 2)
        skip("the pool has one worker");
}

TEST_ROOT(frequent_events_are_tried_with_fewer_workers)
{
    need_two_workers();
    start_pairs();
    while (width_now() == ISLE__WIDTH_ALL)
        isle_sleep(0);
    end_pairs();
}
TEST_TIMEOUT(frequent_events_are_tried_with_fewer_workers, 60);

/* Told so, workers rest until no more than that are awake, and all goes on. */
TEST_ROOT(workers_that_are_too_many_rest)
{
    need_two_workers();
    start_pairs();
    for (int round = 0; round < 20; round++) {
        unsigned awake;
        do {
            isle__sched_set_width(1);
            isle_sleep(0);
            awake = atomic_load(&isle__sched.worker_count) - atomic_load(&isle__sched.idle_count);
        } while (awake > 1);
        uint64_t before = atomic_load(&bounced);
        while (atomic_load(&bounced) < before + 1000)
            isle_sleep(0);
        isle__sched_set_width(ISLE__WIDTH_ALL);
    }
    end_pairs();
}
TEST_TIMEOUT(workers_that_are_too_many_rest, 60);

static void computes_until_the_other_does(isle_value index)
{
    int64_t self = isle_as_int(index);

    atomic_store(&computed[self], true);
    while (!atomic_load(&computed[!self]))
        ; /* at once, or never */
}

/* Beside pairs that keep the width narrow, two that compute at once still do. */
TEST_ROOT(who_computes_gets_a_worker_of_its_own)
{
    need_two_workers();
    start_pairs();
    for (int round = 0; round < 20; round++) {
        atomic_store(&computed[0], false);
        atomic_store(&computed[1], false);
        isle__sched_set_width(1);
        for (int i = 0; i < 2; i++)
            isle_spawn(computes_until_the_other_does, isle_int(i), NULL);
        while (!atomic_load(&computed[0]) || !atomic_load(&computed[1]))
            isle_sleep(ISLE_US(100));
    }
    end_pairs();
}
TEST_TIMEOUT(who_computes_gets_a_worker_of_its_own, 60);

TEST_MAIN()
