/* SPDX-License-Identifier: Apache-2.0 */
/* Jobs through a pool of as many workers as there are threads: a list of ints, each of which comes
 * back with one more, in order. A message for each, or one for up to 256 of them. */
#include "bench.h"

enum { POOL_JOBS = 1000000, POOL_PART = 100000 };

static isle_value pool_work(isle_value number)
{
    return isle_int(isle_as_int(number) + 1);
}

static int64_t pool_sum(isle_value results)
{
    int64_t sum = 0;
    isle_value result;
    for (size_t at = 0; isle_next(results, &at, NULL, &result);)
        sum += isle_as_int(result);
    return sum;
}

/* In parts, so that a list is no more than the peers have on their way. */
static void pool_run(isle_pool *pool, int64_t jobs, int64_t part)
{
    for (int64_t done = 0; done < jobs; done += part) {
        ISLE_SCOPE;
        isle_value list = isle_list();
        for (int64_t i = 0; i < part; i++)
            isle_list_add(list, isle_int(i));
        int64_t expected = part * (part + 1) / 2;
        bench_require(pool_sum(isle_pool_map(pool, list)) == expected, "the sum of a pool's jobs");
    }
}

static isle_value pool_drive(isle_value chunk)
{
    int64_t jobs = bench_scaled(isle_as_int(chunk) > 1 ? POOL_JOBS : POOL_JOBS / 5, 1000);
    int64_t part = jobs < POOL_PART ? jobs : POOL_PART;
    isle_pool *pool =
        isle_pool_open(pool_work, &(isle_pool_options){.worker_count = bench_threads(),
                                                       .chunk = (unsigned)isle_as_int(chunk)});
    pool_run(pool, part, part);
    jobs -= jobs % part;
    int64_t start = bench_now_ns();
    pool_run(pool, jobs, part);
    bench_figure((double)jobs * 1e9 / (double)(bench_now_ns() - start));
    isle_pool_close(pool);
    return isle_null();
}

const struct workload pool_workloads[] = {
    {"pool", pool_drive, 256, false},
    {"pool-single", pool_drive, 1, false},
    {NULL, NULL, 0, false},
};
