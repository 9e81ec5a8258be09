/* SPDX-License-Identifier: Apache-2.0 */
/* Pools: a job is done once, by one worker; one that fails, ends or is stopped costs its job alone.
 * With POOLS_OF_PROCESSES the workers are sandboxed processes. What happens without memory is in
 * pools_memory.c. */
#include "guarantees.h"

#ifdef POOLS_OF_PROCESSES
/* Before anything else of the program: an image that was executed to be a zygote stays here. */
__attribute__((constructor)) static void be_a_child(int argc, char **argv)
{
    (void)isle_child_main(argc, argv);
}
static const isle_options there = {.backend = ISLE_PROCESS};
#else
static const isle_options there = {.backend = ISLE_THREAD};
#endif

static isle_pool *open_pool(isle_computation *work, unsigned workers)
{
    return isle_pool_open(work, &(isle_pool_options){.worker_count = workers, .workers = &there});
}

static isle_pool_stats stats_of(const isle_pool *pool)
{
    isle_pool_stats stats;
    isle_pool_stats_read(pool, &stats);
    return stats;
}

static isle_value awaited(isle_future *future)
{
    isle_value value;
    if (isle_try_await(future, ISLE_SECONDS(60), &value) != ISLE_OK)
        fail("await: %s", isle_error_text(isle_last_error()));
    return value;
}

static void check_fails(isle_future *future, isle_err code, const char *text)
{
    isle_value value;
    CHECK_ERR(isle_try_await(future, ISLE_SECONDS(60), &value), code);
    if (text != NULL && strstr(isle_error_text(isle_last_error()), text) == NULL)
        fail("not in \"%s\": %s", isle_error_text(isle_last_error()), text);
}

static isle_value numbers(int from, int count)
{
    isle_value list = isle_list();
    for (int i = 0; i < count; i++)
        isle_list_add(list, isle_int(from + i));
    return list;
}

/* --- what is to be done: an int is doubled, a string says what goes wrong */

ISLE_LOCAL(int, jobs_here);

static isle_value work(isle_value argument)
{
    const char *what;
    isle_send_port port;
    int64_t number;
    ++*jobs_here();
    if (isle_get_int(argument, &number))
        return isle_int(2 * number);
    if (isle_get_port(argument, &port)) { /* tells that it runs, and does so for good */
        isle_send(port, isle_string("runs"));
        isle_sleep(ISLE_FOREVER / 2);
    }
    if (!isle_get_string(argument, &what, NULL))
        return argument;
    if (strcmp(what, "throw") == 0)
        isle_throwf("thrown");
    if (strcmp(what, "closed") == 0)
        isle_throw(isle_error(ISLE_ECLOSED, "a door is closed", NULL));
    if (strcmp(what, "exit") == 0)
        isle_exit(isle_send_port_none(), isle_null());
    if (strcmp(what, "die") == 0)
        isle_kill(isle_current(), ISLE_IMMEDIATE);
    if (strcmp(what, "crash") == 0)
        (void)raise(SIGSEGV);
    if (strcmp(what, "count") == 0)
        return isle_int(*jobs_here());
    return argument;
}

/* --- results */

TEST_ROOT(a_job_has_a_result_or_an_error)
{
    isle_pool *pool = open_pool(work, 2);
    for (int i = 0; i < 200; i++) {
        ISLE_SCOPE;
        CHECK_INT(isle_as_int(awaited(isle_pool_run(pool, isle_int(i)))), 2 * i);
    }
    check_fails(isle_pool_run(pool, isle_string("throw")), ISLE_ETHROWN, "thrown");
    isle_value graph = isle_pack("[i,{s:s}]", 1, "key", "text");
    CHECK_VALUE(awaited(isle_pool_run(pool, graph)), graph);
    isle_pool_stats stats = stats_of(pool);
    CHECK_UINT(stats.done, 202);
    CHECK_UINT(stats.births, 1); /* one was enough, and none was lost */
    CHECK_UINT(stats.running, 0);
    CHECK_UINT(stats.waiting, 0);
    isle_pool_close(pool);
    settle();
}

TEST_ROOT(many_jobs_at_once_all_come_to_something)
{
    enum { JOBS = 500 };
    isle_pool *pool = open_pool(work, 3);
    isle_future *jobs[JOBS];
    for (int i = 0; i < JOBS; i++)
        jobs[i] = isle_pool_run(pool, isle_int(i));
    for (int i = 0; i < JOBS; i++)
        CHECK_INT(isle_as_int(awaited(jobs[i])), 2 * i);
    CHECK_UINT(stats_of(pool).births, 3);
    isle_pool_close(pool);
    settle();
}

TEST_ROOT(a_map_has_the_order_of_its_list)
{
    isle_pool *pool = isle_pool_open(
        work, &(isle_pool_options){.worker_count = 4, .queue_max = 1, .workers = &there});
    isle_value list = numbers(0, 2000), expected = isle_list();
    for (int i = 0; i < 2000; i++)
        isle_list_add(expected, isle_int(2 * i));
    CHECK_VALUE(isle_pool_map(pool, list), expected);
    CHECK_VALUE(isle_pool_map(pool, isle_list()), isle_list());
    CHECK_UINT(stats_of(pool).done, 2000);
    isle_pool_close(pool);
    settle();
}

TEST_ROOT(a_list_is_mapped_in_one_call)
{
    isle_pool_options options = {.worker_count = 3, .workers = &there};
    isle_value list = isle_pack("[i,i,i,i]", 1, 2, 3, 4);
    CHECK_VALUE(isle_run_list(work, list, &options), isle_pack("[i,i,i,i]", 2, 4, 6, 8));
    CHECK_VALUE(isle_run_list(work, isle_list(), &options), isle_list());
    settle();
}

static isle_value map_bad(isle_value list)
{
    isle_pool_options options = {.worker_count = 2, .workers = &there};
    return isle_run_list(work, list, &options);
}

TEST_ROOT(the_first_error_ends_a_map)
{
    isle_value result;
    CHECK_ERR(isle_try(map_bad, isle_pack("[i,s,i,i]", 1, "throw", 3, 4), &result), ISLE_ETHROWN);
    CHECK_STRING(isle_error_text(isle_last_error()), "thrown");
    settle();
    /* One of them runs for good: it is stopped. */
    isle_receive_port *port = isle_port_open();
    isle_value list = isle_list();
    isle_list_add(list, isle_port_value(port));
    isle_list_add(list, isle_string("throw"));
    CHECK_ERR(isle_try(map_bad, list, &result), ISLE_ETHROWN);
    isle_port_close(port);
    settle();
}

struct seen {
    isle_pool *pool;
    int told, failed;
    int64_t sum;
    bool closes;
};

static void on_result(isle_value entry, void *context)
{
    struct seen *seen = context;
    int64_t index, number;
    isle_value result;
    isle_unpack(entry, "[i,o]", &index, &result);
    seen->told++;
    if (isle_kind_of(result) == ISLE_ERROR)
        seen->failed++;
    else if (isle_get_int(result, &number)) {
        CHECK_INT(number, 2 * index);
        seen->sum += number;
    }
    if (seen->closes)
        isle_pool_close(seen->pool);
}

TEST_ROOT(results_are_told_as_they_come)
{
    isle_pool *pool = open_pool(work, 4);
    struct seen seen = {0};
    isle_value list = numbers(0, 300);
    isle_list_set(list, 17, isle_string("throw"));
    isle_list_set(list, 18, isle_string("exit"));
    isle_list_set(list, 19, isle_pointer(&seen)); /* cannot be sent */
    CHECK_INT(isle_kind_of(awaited(isle_pool_each(pool, list, on_result, &seen))), ISLE_NULL);
    CHECK_INT(seen.told, 300);
    CHECK_INT(seen.failed, 3);
    CHECK_INT(seen.sum, 300 * 299 - 2 * (17 + 18 + 19));
    CHECK_INT(isle_kind_of(awaited(isle_pool_each(pool, isle_list(), on_result, &seen))),
              ISLE_NULL);
    isle_pool_close(pool);
    settle();
}

TEST_ROOT(who_is_told_may_close_the_pool)
{
    struct seen seen = {.pool = open_pool(work, 2), .closes = true};
    isle_future *each = isle_pool_each(seen.pool, numbers(0, 50), on_result, &seen);
    check_fails(each, ISLE_ECANCELED, NULL);
    CHECK_INT(seen.told, 1);
    settle();
}

TEST_ROOT(a_job_does_not_wait_for_a_list)
{
    isle_pool *pool = open_pool(work, 1);
    struct seen seen = {0};
    isle_future *each = isle_pool_each(pool, numbers(0, 2000), on_result, &seen);
    CHECK_INT(isle_as_int(awaited(isle_pool_run(pool, isle_int(4)))), 8);
    CHECK(seen.told < 1000);
    (void)awaited(each);
    CHECK_INT(seen.told, 2000);
    isle_pool_close(pool);
    settle();
}

/* --- workers that fail and end */

TEST_ROOT(a_worker_that_ends_costs_its_job_alone)
{
    isle_pool *pool = open_pool(work, 2);
    isle_future *jobs[60];
    for (int i = 0; i < 60; i++)
        jobs[i] = isle_pool_run(pool, i % 10 == 3   ? isle_string("exit")
                                      : i % 10 == 7 ? isle_string("die")
                                                    : isle_int(i));
    for (int i = 0; i < 60; i++)
        if (i % 10 == 3)
            check_fails(jobs[i], ISLE_ENORESULT, "the worker ended: returned");
        else if (i % 10 == 7)
            check_fails(jobs[i], ISLE_ENORESULT, "the worker ended: killed");
        else
            CHECK_INT(isle_as_int(awaited(jobs[i])), 2 * i);
    isle_pool_stats stats = stats_of(pool);
    CHECK_UINT(stats.lost, 12);
    CHECK_UINT(stats.done, 48);
    isle_pool_close(pool);
    settle();
}

#ifdef POOLS_OF_PROCESSES
TEST_ROOT(a_crash_costs_its_job_alone)
{
    isle_pool *pool = open_pool(work, 2);
    for (int i = 0; i < 5; i++) {
        isle_future *crash = isle_pool_run(pool, isle_string("crash"));
        isle_future *beside = isle_pool_run(pool, isle_int(i));
        check_fails(crash, ISLE_ENORESULT, "SIGSEGV");
        CHECK_INT(isle_as_int(awaited(beside)), 2 * i);
    }
    isle_pool_close(pool);
    settle();
}
#endif

TEST_ROOT(a_job_may_fail_as_if_its_worker_were_gone)
{
    isle_pool *pool = open_pool(work, 1);
    for (int i = 0; i < 20; i++) {
        ISLE_SCOPE;
        check_fails(isle_pool_run(pool, isle_string("closed")), ISLE_ECLOSED, "a door is closed");
        CHECK_INT(isle_as_int(awaited(isle_pool_run(pool, isle_int(i)))), 2 * i);
    }
    CHECK_UINT(stats_of(pool).births, 1);
    isle_pool_close(pool);
    settle();
}

TEST_ROOT(an_idle_worker_that_ends_is_replaced)
{
    isle_pool *pool = open_pool(work, 1);
    for (int i = 0; i < 10; i++) {
        ISLE_SCOPE;
        check_fails(isle_pool_run(pool, isle_string("exit")), ISLE_ENORESULT, NULL);
        CHECK_INT(isle_as_int(awaited(isle_pool_run(pool, isle_string("count")))), 1);
    }
    CHECK_UINT(stats_of(pool).births, 11);
    isle_pool_close(pool);
    settle();
}

struct ends {
    int count, with_job;
    isle_future *job;
};

static void on_end(const isle_end *end, isle_future *job, void *context)
{
    struct ends *ends = context;
    CHECK_STRING(end->debug_name, "counted");
    ends->count++;
    ends->with_job += job != NULL && job == ends->job;
}

TEST_ROOT(every_job_may_have_an_isolate_of_its_own)
{
    isle_options workers = there;
    workers.debug_name = "counted";
    struct ends ends = {0};
    isle_pool *pool = isle_pool_open(work, &(isle_pool_options){.worker_count = 2,
                                                                .jobs_max = 1,
                                                                .workers = &workers,
                                                                .on_end = on_end,
                                                                .context = &ends});
    for (int i = 0; i < 20; i++) {
        ISLE_SCOPE;
        ends.job = isle_pool_run(pool, isle_string("count"));
        CHECK_INT(isle_as_int(awaited(ends.job)), 1);
        CHECK_INT(ends.count, i + 1); /* it has ended by then */
        CHECK_INT(ends.with_job, i + 1);
    }
    CHECK_UINT(stats_of(pool).births, 20);
    CHECK_UINT(stats_of(pool).workers, 0);
    isle_value list = isle_pack("[s,s,s,s]", "count", "count", "count", "count");
    CHECK_VALUE(isle_pool_map(pool, list), isle_pack("[i,i,i,i]", 1, 1, 1, 1));
    isle_pool_close(pool);
    settle();
}

/* --- chunks: many elements in a message */

static isle_pool *open_chunked(unsigned workers, unsigned chunk)
{
    return isle_pool_open(
        work, &(isle_pool_options){.worker_count = workers, .chunk = chunk, .workers = &there});
}

TEST_ROOT(chunks_change_no_result)
{
    isle_pool *pool = open_chunked(3, 32);
    isle_value list = numbers(0, 1000), expected = isle_list();
    for (int i = 0; i < 1000; i++)
        isle_list_add(expected, isle_int(2 * i));
    CHECK_VALUE(isle_pool_map(pool, list), expected);
    isle_value graph = isle_pack("[i,{s:s}]", 1, "key", "text");
    CHECK_VALUE(awaited(isle_pool_run(pool, graph)), graph);
    check_fails(isle_pool_run(pool, isle_string("throw")), ISLE_ETHROWN, "thrown");
    struct seen seen = {0};
    isle_list_set(list, 17, isle_string("throw"));
    isle_list_set(list, 18, isle_string("closed"));
    (void)awaited(isle_pool_each(pool, list, on_result, &seen));
    CHECK_INT(seen.told, 1000);
    CHECK_INT(seen.failed, 2);
    CHECK_INT(seen.sum, 1000 * 999 - 2 * (17 + 18));
    CHECK_UINT(stats_of(pool).done, 2002);
    CHECK_UINT(stats_of(pool).births, 3);
    CHECK_UINT(stats_of(pool).running, 0);
    isle_pool_close(pool);
    settle();
}

TEST_ROOT(a_chunk_is_lost_with_its_worker_and_no_more)
{
    isle_pool *pool = open_chunked(1, 8);
    isle_value list = numbers(0, 100);
    isle_list_set(list, 20, isle_string("exit"));
    struct seen seen = {0};
    (void)awaited(isle_pool_each(pool, list, on_result, &seen));
    CHECK_INT(seen.told, 100);
    CHECK_INT(seen.failed, 8);
    CHECK_UINT(stats_of(pool).lost, 8);
    CHECK_UINT(stats_of(pool).done, 92);
    isle_value result, short_list = isle_pack("[i,s,i]", 0, "throw", 2);
    CHECK_ERR(
        isle_try_await(isle_pool_each(pool, short_list, on_result, &seen), ISLE_FOREVER, &result),
        ISLE_OK);
    CHECK_INT(seen.failed, 9);
    isle_pool_close(pool);
    settle();
}

TEST_ROOT(a_chunk_that_is_cancelled_is_stopped)
{
    isle_receive_port *port = isle_port_open();
    isle_pool *pool = open_chunked(1, 8);
    isle_value list = numbers(0, 40);
    isle_list_set(list, 3, isle_port_value(port));
    struct seen seen = {0};
    isle_future *each = isle_pool_each(pool, list, on_result, &seen);
    CHECK_STRING(isle_as_string(isle_port_receive(port)), "runs");
    isle_future_cancel(each);
    check_fails(each, ISLE_ECANCELED, NULL);
    CHECK_INT(isle_as_int(awaited(isle_pool_run(pool, isle_int(1)))), 2);
    CHECK_INT(seen.told, 0);
    isle_port_close(port);
    isle_pool_close(pool);
    settle();
}

/* --- a plug-in instead of a function */

static isle_pool *open_plug_in(unsigned workers)
{
    const char *folder = getenv("ISLE_TEST_PLUGINS");
    const char *uri = isle_as_string(isle_stringf("file:%s/basics.so#double_numbers",
                                                  folder != NULL ? folder : CONFORMANCE_PLUGINS));
    isle_pool_options options = {.worker_count = workers, .uri = uri, .workers = &there};
    return isle_pool_open(NULL, &options);
}

TEST_ROOT(a_plug_in_does_the_work)
{
    isle_pool *pool = open_plug_in(2);
    for (int i = 0; i < 20; i++)
        CHECK_INT(isle_as_int(awaited(isle_pool_run(pool, isle_int(i)))), 2 * i);
    check_fails(isle_pool_run(pool, isle_string("no number")), ISLE_ETYPE, NULL);
    CHECK_VALUE(isle_pool_map(pool, isle_pack("[i,i,i]", 1, 2, 3)), isle_pack("[i,i,i]", 2, 4, 6));
    CHECK_UINT(stats_of(pool).done, 24);
    isle_pool_close(pool);
    settle();
}

static void own_a_plug_in(isle_value unused)
{
    (void)unused;
    CHECK_INT(isle_as_int(awaited(isle_pool_run(open_plug_in(1), isle_int(1)))), 2);
}

/* Its code knows nothing of the pool, and does not watch it. */
TEST_ROOT(a_plug_in_ends_with_the_pools_isolate)
{
    isle_receive_port *ends = isle_port_open();
    isle_spawn(own_a_plug_in, isle_null(), &(isle_options){.monitor = isle_port_send_port(ends)});
    CHECK_INT(isle_as_end(isle_port_receive(ends)).reason, ISLE_RETURNED);
    isle_port_close(ends);
    settle();
}

#ifdef POOLS_OF_PROCESSES
TEST_ROOT(a_plug_in_that_crashes_costs_its_job_alone)
{
    enum { JOBS = 40 };
    isle_pool *pool = open_plug_in(2);
    isle_future *jobs[JOBS];
    for (int i = 0; i < JOBS; i++)
        jobs[i] = isle_pool_run(pool, i % 8 == 3 ? isle_string("crash") : isle_int(i));
    for (int i = 0; i < JOBS; i++)
        if (i % 8 == 3)
            check_fails(jobs[i], ISLE_ENORESULT, "SIGSEGV");
        else
            CHECK_INT(isle_as_int(awaited(jobs[i])), 2 * i);
    isle_pool_stats stats = stats_of(pool);
    CHECK_UINT(stats.lost, 5);
    CHECK_UINT(stats.done, 35);
    CHECK(stats.births > 5); /* and who did the last one */
    isle_pool_close(pool);
    settle();
}
#endif

/* --- bounds, cancelling, closing */

static isle_value run_one(isle_value pool)
{
    isle_future_cancel(isle_pool_run(isle_as_pointer(pool), isle_int(1)));
    return isle_null();
}

TEST_ROOT(a_full_queue_refuses)
{
    isle_receive_port *port = isle_port_open();
    isle_pool *pool = isle_pool_open(
        work, &(isle_pool_options){.worker_count = 1, .queue_max = 2, .workers = &there});
    isle_future *runs = isle_pool_run(pool, isle_port_value(port));
    isle_future *first = isle_pool_run(pool, isle_int(1));
    isle_future *second = isle_pool_run(pool, isle_int(2));
    CHECK_UINT(stats_of(pool).waiting, 2);
    CHECK_ERR(isle_try(run_one, isle_pointer(pool), NULL), ISLE_EFULL);
    /* A list does not stand in the queue. */
    isle_future *each = isle_pool_each(pool, numbers(0, 10), on_result, &(struct seen){0});
    CHECK_STRING(isle_as_string(isle_port_receive(port)), "runs");
    isle_future_cancel(runs);
    CHECK_INT(isle_as_int(awaited(first)), 2);
    CHECK_INT(isle_as_int(awaited(second)), 4);
    (void)awaited(each);
    CHECK_ERR(isle_try(run_one, isle_pointer(pool), NULL), ISLE_OK);
    isle_port_close(port);
    isle_pool_close(pool);
    settle();
}

TEST_ROOT(a_job_that_is_cancelled_is_taken_back_or_stopped)
{
    isle_receive_port *port = isle_port_open();
    isle_pool *pool = open_pool(work, 1);
    isle_future *runs = isle_pool_run(pool, isle_port_value(port));
    isle_future *waits = isle_pool_run(pool, isle_port_value(port));
    isle_future *last = isle_pool_run(pool, isle_string("count"));
    CHECK_STRING(isle_as_string(isle_port_receive(port)), "runs");
    isle_future_cancel(waits);
    isle_future_cancel(runs);
    check_fails(waits, ISLE_ECANCELED, NULL);
    check_fails(runs, ISLE_ECANCELED, NULL);
    CHECK_INT(isle_as_int(awaited(last)), 1); /* in a worker that is new, and after nothing else */
    CHECK(port_is_empty(port));
    CHECK_UINT(stats_of(pool).lost, 1);
    CHECK_UINT(stats_of(pool).done, 1);
    isle_port_close(port);
    isle_pool_close(pool);
    settle();
}

/* The worker may have answered before it is killed: the next job waits for its end. */
TEST_ROOT(a_cancel_may_meet_the_answer)
{
    isle_pool *pool = open_pool(work, 1);
    for (int i = 0; i < 40; i++) {
        ISLE_SCOPE;
        isle_future *job = isle_pool_run(pool, isle_int(i));
        for (int turn = 0; turn < i % 4; turn++)
            isle_sleep(0);
        isle_future_cancel(job);
        CHECK_INT(isle_as_int(awaited(isle_pool_run(pool, isle_int(i)))), 2 * i);
        isle_err err = isle_try_await(job, ISLE_FOREVER, NULL);
        CHECK(err == ISLE_OK || err == ISLE_ECANCELED);
    }
    isle_pool_close(pool);
    settle();
}

TEST_ROOT(a_timeout_stops_a_job)
{
    isle_receive_port *port = isle_port_open();
    isle_pool *pool = open_pool(work, 1);
    isle_future *job = isle_future_timeout(isle_pool_run(pool, isle_port_value(port)), ISLE_MS(5));
    check_fails(job, ISLE_ETIMEDOUT, NULL);
    CHECK_INT(isle_as_int(awaited(isle_pool_run(pool, isle_int(1)))), 2);
    isle_port_close(port);
    isle_pool_close(pool);
    settle();
}

TEST_ROOT(a_list_that_is_cancelled_is_told_no_more)
{
    isle_receive_port *port = isle_port_open();
    isle_pool *pool = open_pool(work, 1);
    struct seen seen = {0};
    isle_value list = numbers(0, 2);
    isle_list_add(list, isle_port_value(port));
    isle_list_add(list, isle_int(3));
    isle_future *each = isle_pool_each(pool, list, on_result, &seen);
    CHECK_STRING(isle_as_string(isle_port_receive(port)), "runs");
    CHECK_INT(seen.told, 2);
    isle_future_cancel(each);
    check_fails(each, ISLE_ECANCELED, NULL);
    CHECK_INT(isle_as_int(awaited(isle_pool_run(pool, isle_int(1)))), 2);
    CHECK_INT(seen.told, 2);
    isle_port_close(port);
    isle_pool_close(pool);
    settle();
}

TEST_ROOT(closing_cancels_what_is_not_done)
{
    isle_receive_port *port = isle_port_open();
    isle_pool *pool = open_pool(work, 1);
    isle_future *runs = isle_pool_run(pool, isle_port_value(port));
    isle_future *waits = isle_pool_run(pool, isle_int(1));
    isle_future *each = isle_pool_each(pool, numbers(0, 3), on_result, &(struct seen){0});
    CHECK_STRING(isle_as_string(isle_port_receive(port)), "runs");
    isle_pool_close(pool);
    check_fails(runs, ISLE_ECANCELED, NULL);
    check_fails(waits, ISLE_ECANCELED, NULL);
    check_fails(each, ISLE_ECANCELED, NULL);
    isle_pool_close(pool);
    isle_pool_close(NULL);
    CHECK_ERR(isle_try(run_one, isle_pointer(pool), NULL), ISLE_ESTALE);
    isle_port_close(port);
    settle();
}

static isle_value open_wrongly(isle_value which)
{
    isle_pool_options options = {0};
    isle_options workers = {.monitor = isle_current().control_port};
    if (isle_as_int(which) == 0)
        isle_pool_open(NULL, NULL);
    if (isle_as_int(which) == 1) {
        options.uri = "file:plugin.so";
        isle_pool_open(work, &options);
    }
    options.workers = &workers;
    isle_pool_open(work, &options);
    return isle_null();
}

static isle_value use_wrongly(isle_value argument)
{
    isle_pool *pool = isle_as_pointer(isle_list_get(argument, 0));
    int64_t which = isle_as_int(isle_list_get(argument, 1));
    if (which == 0)
        isle_pool_map(pool, isle_int(1));
    else if (which == 1)
        isle_pool_each(pool, isle_list(), NULL, NULL);
    else
        isle_pool_run(NULL, isle_int(1));
    return isle_null();
}

TEST_ROOT(wrong_use_is_refused)
{
    for (int i = 0; i < 3; i++)
        CHECK_ERR(isle_try(open_wrongly, isle_int(i), NULL), ISLE_EINVAL);
    isle_pool *pool = open_pool(work, 1);
    static const isle_err expected[] = {ISLE_ETYPE, ISLE_EINVAL, ISLE_EINVAL};
    for (int i = 0; i < 3; i++)
        CHECK_ERR(isle_try(use_wrongly, isle_pack("[o,i]", isle_pointer(pool), i), NULL),
                  expected[i]);
    check_fails(isle_pool_run(pool, isle_pointer(pool)), ISLE_EUNSENDABLE, NULL);
    CHECK_INT(isle_as_int(awaited(isle_pool_run(pool, isle_int(1)))), 2);
    isle_pool_close(pool);
    isle_options workers = {.backend = ISLE_WASM};
    pool = isle_pool_open(work, &(isle_pool_options){.workers = &workers});
    check_fails(isle_pool_run(pool, isle_int(1)), ISLE_EUNSUPPORTED, NULL);
    isle_pool_close(pool);
    settle();
}

/* --- requests with deadlines */

static isle_value serve_by_pool(isle_value request, void *pool)
{
    isle_value result;
    isle_future *job = isle_pool_run(pool, request);
    isle_err err = isle_try_await(job, ISLE_FOREVER, &result);
    if (err == ISLE_OK)
        return result;
    isle_future_cancel(job);
    return isle_int(err);
}

static void service(isle_value unused)
{
    (void)unused;
    isle_port_serve(isle_default_port(), serve_by_pool, open_pool(work, 1));
}

/* The request is over at its deadline, and the job then; the worker is none that still works. */
TEST_ROOT(a_request_with_a_deadline_may_use_a_pool)
{
    isle_receive_port *port = isle_port_open();
    isle_isolate server = isle_spawn(service, isle_null(), NULL);
    isle_send_port to = server.default_port;
    isle_value told = isle_int(ISLE_ETIMEDOUT); /* the answer may come before the timeout */
    isle_err err =
        isle_try_await(isle_call(to, isle_port_value(port), ISLE_MS(20)), ISLE_FOREVER, &told);
    CHECK(err == ISLE_OK || err == ISLE_ETIMEDOUT);
    CHECK_INT(isle_as_int(told), ISLE_ETIMEDOUT);
    for (int i = 0; i < 3; i++)
        CHECK_INT(isle_as_int(awaited(isle_call(to, isle_int(i), ISLE_SECONDS(60)))), 2 * i);
    isle_port_close(port);
    isle_kill(server, ISLE_IMMEDIATE);
    settle();
}

/* What a request with a deadline gives to a pool begins behind its event: it is queued until then.
 */
static isle_value give_up_at_once(isle_value port, void *pool)
{
    isle_future_cancel(isle_pool_run(pool, port));
    (void)isle_pool_map(pool, numbers(0, 2));
    return isle_int((int64_t)stats_of(pool).births);
}

static void server_that_gives_up(isle_value unused)
{
    (void)unused;
    isle_port_serve(isle_default_port(), give_up_at_once, open_pool(work, 1));
}

/* One that had begun would cost a worker, which is stopped. */
TEST_ROOT(a_job_that_was_cancelled_in_the_queue_never_begins)
{
    isle_receive_port *port = isle_port_open();
    isle_isolate server = isle_spawn(server_that_gives_up, isle_null(), NULL);
    for (int i = 0; i < 3; i++)
        CHECK_INT(isle_as_int(awaited(
                      isle_call(server.default_port, isle_port_value(port), ISLE_SECONDS(60)))),
                  1);
    isle_port_close(port);
    isle_kill(server, ISLE_IMMEDIATE);
    settle();
}

/* --- the pool's isolate ends */

static void own_a_pool(isle_value message)
{
    isle_send_port told, ready;
    const char *how;
    isle_unpack(message, "[p,p,s]", &told, &ready, &how);
    isle_pool *pool = open_pool(work, 2);
    (void)isle_await(isle_pool_run(pool, isle_int(1)));
    if (strcmp(how, "returns") == 0)
        return; /* an idle pool keeps nobody */
    isle_future *runs = isle_future_keep(isle_pool_run(pool, isle_port(told)));
    (void)runs;
    isle_send(ready, isle_null());
    if (strcmp(how, "throws") == 0)
        isle_throwf("enough");
    if (strcmp(how, "exits") == 0)
        isle_exit(isle_send_port_none(), isle_null());
}

TEST_ROOT(workers_end_with_the_pools_isolate)
{
    static const char *const hows[] = {"returns", "throws", "exits", "killed"};
    for (int i = 0; i < 4; i++) {
        ISLE_SCOPE;
        isle_receive_port *told = isle_port_open(), *ready = isle_port_open();
        isle_receive_port *errors = isle_port_open();
        isle_options options = {.on_error = isle_port_send_port(errors)};
        isle_value message =
            isle_pack("[p,p,s]", isle_port_send_port(told), isle_port_send_port(ready), hows[i]);
        isle_isolate owner = isle_spawn(own_a_pool, message, &options);
        if (i > 0)
            (void)isle_port_receive(ready);
        if (i == 3) {
            CHECK_STRING(isle_as_string(isle_port_receive(told)), "runs");
            isle_kill(owner, ISLE_IMMEDIATE);
        }
        settle();
        isle_port_close(told);
        isle_port_close(ready);
        isle_port_close(errors);
    }
}

static void two_slots(isle_value done)
{
    isle_options workers = there;
    workers.mailbox_max_messages = 2;
    isle_pool *pool =
        isle_pool_open(work, &(isle_pool_options){.worker_count = 4, .workers = &workers});
    isle_value list = numbers(0, 400);
    isle_list_set(list, 7, isle_string("exit"));
    struct seen seen = {0};
    isle_send_port self = isle_port_send_port(isle_default_port());
    CHECK_ERR(isle_try_send(self, isle_int(1)), ISLE_OK);
    CHECK_ERR(isle_try_send(self, isle_int(2)), ISLE_OK);
    CHECK_ERR(isle_try_send(self, isle_int(3)), ISLE_EFULL);
    (void)awaited(isle_pool_each(pool, list, on_result, &seen));
    CHECK_INT(seen.told, 400);
    CHECK_INT(seen.failed, 1);
    isle_pool_close(pool);
    isle_send(isle_as_port(done), isle_null());
    isle_port_close(isle_default_port());
}

/* Results and ends have reserved room: the mailbox is full of other things all the while. */
TEST_ROOT(results_come_into_a_full_mailbox)
{
    isle_receive_port *done = isle_port_open();
    isle_options options = {.mailbox_max_messages = 2};
    isle_spawn(two_slots, isle_port_value(done), &options);
    (void)isle_port_receive(done);
    isle_port_close(done);
    settle();
}

TEST_MAIN()
