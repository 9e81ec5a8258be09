/* SPDX-License-Identifier: Apache-2.0 */
/* A map over a pool: results in order, then as they come; a failing job costs itself alone. */
#include <inttypes.h>
#include <isle.h>

static isle_value count_primes_below(isle_value limit)
{
    int64_t count = 0;
    for (int64_t n = 2; n < isle_as_int(limit); n++) {
        bool prime = true;
        for (int64_t d = 2; prime && d * d <= n; d++)
            prime = n % d != 0;
        count += prime;
    }
    return isle_int(count);
}

static void on_result(isle_value entry, void *context)
{
    int64_t *done = context, index;
    isle_value result;
    isle_unpack(entry, "[i,o]", &index, &result);
    if (isle_kind_of(result) == ISLE_ERROR)
        printf("job %" PRId64 " failed: %s\n", index, isle_error_text(result));
    else
        ++*done;
}

static int app(int argc, char **argv)
{
    (void)argc, (void)argv;
    isle_value limits = isle_list();
    for (int i = 1; i <= 8; i++)
        isle_list_add(limits, isle_int(10000 * i));

    isle_pool *pool = isle_pool_open(count_primes_below, &(isle_pool_options){.worker_count = 4});
    isle_value_print(isle_pool_map(pool, limits), stdout);

    int64_t done = 0;
    isle_list_set(limits, 4, isle_string("many"));
    isle_await(isle_pool_each(pool, limits, on_result, &done));
    printf("%" PRId64 " done\n", done);

    isle_value_print(isle_await(isle_pool_run(pool, isle_int(100))), stdout);
    isle_pool_close(pool);
    return 0;
}

ISLE_MAIN(app);
