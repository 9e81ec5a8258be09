/* SPDX-License-Identifier: Apache-2.0 */
/* A map over a pool: results in order, a failing job costs itself alone. The pool is a few isolates
 * and calls: a job goes to the next worker, its result or error comes back in its own future. */
#include <inttypes.h>
#include <isle.h>

enum { WORKERS = 4, JOBS = 8 };

static isle_value count_primes_below(isle_value limit, void *context)
{
    (void)context;
    int64_t count = 0;
    for (int64_t n = 2; n < isle_as_int(limit); n++) {
        bool prime = true;
        for (int64_t d = 2; prime && d * d <= n; d++)
            prime = n % d != 0;
        count += prime;
    }
    return isle_int(count);
}

static void worker(isle_value unused)
{
    (void)unused;
    isle_port_serve(isle_default_port(), count_primes_below, NULL);
}

static int app(int argc, char **argv)
{
    (void)argc, (void)argv;
    isle_send_port pool[WORKERS];
    for (int i = 0; i < WORKERS; i++)
        pool[i] = isle_spawn(worker, isle_null(), NULL).default_port;

    isle_future *results[JOBS];
    for (int i = 0; i < JOBS; i++)
        results[i] = isle_call(pool[i % WORKERS], isle_int(10000 * (i + 1)), ISLE_SECONDS(60));
    isle_value_print(isle_await(isle_future_all(results, JOBS)), stdout);

    isle_future *wrong = isle_call(pool[0], isle_string("many"), ISLE_SECONDS(60));
    isle_value result;
    if (isle_try_await(wrong, ISLE_FOREVER, &result) != ISLE_OK)
        printf("failed: %s\n", isle_error_text(isle_last_error()));
    isle_value_print(isle_await(isle_call(pool[0], isle_int(100), ISLE_SECONDS(60))), stdout);
    return 0;
}

ISLE_MAIN(app);
