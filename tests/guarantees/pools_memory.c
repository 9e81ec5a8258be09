/* SPDX-License-Identifier: Apache-2.0 */
/* Pools without memory: each allocation of the pool's isolate fails once. Every job still comes to
 * something, no worker is left, and nothing is uncaught. */
#include "guarantees.h"
#include "platform/platform.h"

static isle_value work(isle_value argument)
{
    const char *what;
    if (isle_get_string(argument, &what, NULL) && strcmp(what, "throw") == 0)
        isle_throwf("thrown");
    if (isle_get_string(argument, &what, NULL) && strcmp(what, "closed") == 0)
        isle_throw(isle_error(ISLE_ECLOSED, "closed", NULL));
    if (isle_get_string(argument, &what, NULL) && strcmp(what, "exit") == 0)
        isle_exit(isle_send_port_none(), isle_null());
    return argument;
}

static void on_result(isle_value entry, void *context)
{
    (void)entry;
    ++*(int *)context;
}

/* A future that was given comes to something, whatever fails. */
static void come_to_something(isle_future *future)
{
    CHECK(isle_try_await(future, ISLE_SECONDS(60), NULL) != ISLE_ETIMEDOUT);
}

static isle_pool *opened;
static unsigned jobs_max;

static isle_value op_jobs(isle_value unused)
{
    (void)unused;
    static const char *const kinds[] = {"text", "throw", "closed", "exit"};
    isle_future *jobs[8];
    int count = 0;
    opened = isle_pool_open(work, &(isle_pool_options){.worker_count = 2, .jobs_max = jobs_max});
    for (; count < 8; count++)
        jobs[count] = isle_pool_run(opened, isle_string(kinds[count % 4]));
    for (int i = 0; i < count; i++)
        come_to_something(jobs[i]);
    return isle_null();
}

static isle_value op_cancel(isle_value unused)
{
    (void)unused;
    opened = isle_pool_open(work, &(isle_pool_options){.worker_count = 1, .jobs_max = jobs_max});
    isle_future *first = isle_pool_run(opened, isle_string("text"));
    isle_future *second = isle_pool_run(opened, isle_string("text"));
    isle_future_cancel(second);
    isle_future_cancel(first);
    come_to_something(second);
    come_to_something(first);
    come_to_something(isle_pool_run(opened, isle_string("text")));
    return isle_null();
}

static isle_value list_of_all(void)
{
    return isle_pack("[s,i,s,s,s,i]", "text", 1, "throw", "exit", "closed", 2);
}

static isle_value op_each(isle_value unused)
{
    (void)unused;
    static int told;
    opened = isle_pool_open(work, &(isle_pool_options){.worker_count = 2, .jobs_max = jobs_max});
    come_to_something(isle_pool_each(opened, list_of_all(), on_result, &told));
    return isle_null();
}

static isle_value op_map(isle_value unused)
{
    (void)unused;
    opened = isle_pool_open(work, &(isle_pool_options){.worker_count = 2, .jobs_max = jobs_max});
    (void)isle_pool_map(opened, isle_pack("[s,s,[i,s]]", "one", "two", 3, "three"));
    return isle_null();
}

static isle_value op_chunks(isle_value unused)
{
    static int told;
    (void)unused;
    opened = isle_pool_open(
        work, &(isle_pool_options){.worker_count = 2, .chunk = 2, .jobs_max = jobs_max});
    isle_value list =
        isle_pack("[s,i,s,s,s,i,i,i,i]", "text", 1, "throw", "exit", "closed", 2, 3, 4, 5);
    come_to_something(isle_pool_each(opened, list, on_result, &told));
    (void)isle_pool_map(
        opened, isle_pack("[s,s,[i,s],i,i,i,i,i]", "one", "two", 3, "three", 4, 5, 6, 7, 8));
    return isle_null();
}

static void sweep(isle_computation *op)
{
    uint64_t made, nth = 0;
    do {
        ISLE_SCOPE;
        opened = NULL;
        (void)isle__memory_fail_at(++nth);
        isle_err err = isle_try(op, isle_null(), NULL);
        made = isle__memory_fail_at(0);
        CHECK(err == ISLE_OK || err == ISLE_ENOMEM);
        isle_pool_close(opened);
        settle();
    } while (made >= nth);
    CHECK(nth > 20);
}

static void sweep_both(isle_computation *op)
{
    jobs_max = 0;
    sweep(op);
    jobs_max = 1;
    sweep(op);
}

TEST_ROOT(out_of_memory_in_jobs)
{
    sweep_both(op_jobs);
}

TEST_ROOT(out_of_memory_in_cancelling)
{
    sweep_both(op_cancel);
}

TEST_ROOT(out_of_memory_in_each)
{
    sweep_both(op_each);
}

TEST_ROOT(out_of_memory_in_map)
{
    sweep_both(op_map);
}

TEST_ROOT(out_of_memory_in_chunks)
{
    sweep_both(op_chunks);
}

TEST_MAIN()
