/* SPDX-License-Identifier: Apache-2.0 */
/* Pools, under many seeds and with faults (seeds.h). Jobs that return, throw, end their worker or
 * take long are given to a pool, some are cancelled, lists are mapped, and the pool is closed in
 * the middle or when all is done. What must hold: each job comes to something and is begun once at
 * most; one with a result was done and has its own; one that fails has a cause; the queue and the
 * workers keep to their bounds; and after the close nobody is left. */
#include "seeds.h"

enum { JOBS = 16, ELEMENTS = 8, ALL = JOBS + ELEMENTS };
enum kind { RETURNS, THROWS, EXITS, TAKES_LONG, KINDS };

static enum kind kinds[ALL];
static int begun[ALL], done[ALL];
static bool is_cancelled[JOBS];
static isle_future *futures[JOBS];
static isle_pool *pool;
static isle_pool_options options;

static isle_value work(isle_value argument)
{
    int64_t number = isle_as_int(argument);

    CHECK_INT(begun[number]++, 0);
    if (chance(2) == 0)
        isle_sleep((int64_t)chance(100000));
    switch (kinds[number]) {
    case THROWS:
        isle_throwf("told to fail");
    case EXITS:
        isle_exit(isle_send_port_none(), isle_null());
    case TAKES_LONG:
        isle_sleep(ISLE_MS(5));
        break;
    case RETURNS:
    case KINDS:
        break;
    }
    done[number]++;
    return isle_int(number * 2);
}

static isle_pool_stats look(void)
{
    isle_pool_stats stats;

    isle_pool_stats_read(pool, &stats);
    CHECK(stats.workers <= options.worker_count);
    CHECK(stats.waiting <= options.queue_max);
    look_at_memory(4 << 20);
    return stats;
}

/* --- jobs */

static isle_value begin_job(isle_value number)
{
    futures[isle_as_int(number)] = isle_future_keep(isle_pool_run(pool, number));
    return isle_null();
}

static void check_job(int number, isle_err err, isle_value value)
{
    bool may_fail = !nothing_fails() || is_cancelled[number] || kinds[number] == EXITS ||
                    kinds[number] == THROWS;

    if (err == ISLE_OK) {
        CHECK_INT(isle_as_int(value), number * 2);
        CHECK_INT(done[number], 1);
        return;
    }
    CHECK(may_fail);
    if (err == ISLE_ECANCELED)
        CHECK(is_cancelled[number]);
    if (err == ISLE_ETHROWN)
        CHECK_INT(kinds[number], THROWS);
}

static void await_job(int number)
{
    isle_value value = isle_null();
    isle_err err;

    if (futures[number] == NULL)
        return;
    err = isle_try_await(futures[number], ISLE_SECONDS(600), &value);
    CHECK(err != ISLE_ETIMEDOUT);
    check_job(number, err, value);
    isle_future_release(futures[number]);
    futures[number] = NULL;
}

static void cancel_job(int number)
{
    if (futures[number] == NULL)
        return;
    is_cancelled[number] = true;
    isle_future_cancel(futures[number]);
}

static void run_jobs(void)
{
    for (int i = 0; i < JOBS; i++) {
        ISLE_SCOPE;
        size_t waiting = look().waiting;
        isle_err err = isle_try(begin_job, isle_int(i), NULL);

        if (err == ISLE_EFULL && faults.full == 0)
            CHECK_UINT(waiting, options.queue_max);
        else if (nothing_fails())
            CHECK_ERR(err, ISLE_OK);
        if (chance(3) == 0)
            isle_sleep((int64_t)chance(100000));
        if (chance(6) == 0)
            cancel_job((int)chance((uint64_t)i + 1));
        if (chance(4) == 0)
            await_job((int)chance((uint64_t)i + 1));
    }
}

/* --- lists */

static isle_value numbers(void)
{
    isle_value list = isle_list();

    for (int i = JOBS; i < ALL; i++)
        isle_list_add(list, isle_int(i));
    return list;
}

static isle_value map_list(isle_value list)
{
    return isle_pool_map(pool, list);
}

static void check_map(void)
{
    isle_value results;
    isle_err err = isle_try(map_list, numbers(), &results);
    bool may_fail = !nothing_fails();

    for (int i = JOBS; i < ALL; i++)
        may_fail = may_fail || kinds[i] == THROWS || kinds[i] == EXITS;
    if (err != ISLE_OK) {
        CHECK(may_fail);
        return;
    }
    CHECK_UINT(isle_count(results), ELEMENTS);
    for (int i = 0; i < ELEMENTS; i++) {
        CHECK_INT(isle_as_int(isle_list_get(results, (size_t)i)), (JOBS + i) * 2);
        CHECK_INT(done[JOBS + i], 1);
    }
}

/* --- one pool */

static void close_pool(bool in_the_middle)
{
    for (int i = 0; in_the_middle && i < JOBS; i++)
        is_cancelled[i] = true;
    if (!in_the_middle)
        for (int i = 0; i < JOBS; i++)
            await_job(i);
    isle_pool_close(pool);
    for (int i = 0; i < JOBS; i++)
        await_job(i);
}

static void draw(isle_options *workers)
{
    options = (isle_pool_options){
        .worker_count = 1 + (unsigned)chance(3),
        .queue_max = 1 + (size_t)chance(8),
        .jobs_max = (unsigned)chance(4),
        .chunk = (unsigned)chance(4),
        .workers = workers,
    };
    for (int i = 0; i < ALL; i++)
        kinds[i] = chance(3) == 0 ? (enum kind)chance(KINDS) : RETURNS;
    for (int i = JOBS; i < ALL && chance(2) == 0; i++) /* every second list is a good one */
        kinds[i] = RETURNS;
    memset(begun, 0, sizeof begun);
    memset(done, 0, sizeof done);
    memset(is_cancelled, 0, sizeof is_cancelled);
    memset(futures, 0, sizeof futures);
}

static int app(int argc, char **argv)
{
    isle_options workers = {.mailbox_max_messages = 50};

    (void)argc, (void)argv;
    draw(&workers);
    pool = isle_pool_open(work, &options);
    run_jobs();
    if (chance(2) == 0)
        check_map();
    close_pool(chance(2) == 0);
    end_of_all();
    whole++;
    return 0;
}

TEST(pools_of_workers)
{
    under_seeds(app);
}
TEST_TIMEOUT(pools_of_workers, 120);

TEST_MAIN()
