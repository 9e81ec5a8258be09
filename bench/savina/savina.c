/* SPDX-License-Identifier: Apache-2.0 */
/* What savina.h declares. Its globals are written before Isle starts and only read afterwards, so
 * that every isolate may read them. */
#include "savina.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { ITERATIONS_MAX = 1000, MINUTES_MAX = 10 };

static const savina_program *program_run;
static double scale = 1;

typedef struct options {
    int iterations;
    unsigned workers;
    bool figure;
} options;

typedef struct measurement {
    int64_t operations;
    int done; /* iterations */
    int64_t ns[ITERATIONS_MAX];
} measurement;

int64_t savina_size(int64_t size, int64_t least)
{
    int64_t scaled = (int64_t)((double)size * scale);
    return scaled > least ? scaled : least;
}

void savina_expect(bool right, const char *format, ...)
{
    if (right)
        return;
    char text[256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    isle_throwf("%s", text);
}

uint64_t savina_random_next(savina_random *random)
{
    uint64_t z = random->state += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

int64_t savina_random_below(savina_random *random, int64_t bound)
{
    return (int64_t)(((savina_random_next(random) >> 32) * (uint64_t)bound) >> 32);
}

double savina_random_unit(savina_random *random)
{
    return (double)(savina_random_next(random) >> 11) / (double)(UINT64_C(1) << 53);
}

uint64_t savina_work(uint64_t seed, int64_t rounds)
{
    savina_random random = {seed};
    uint64_t sum = 0;
    for (int64_t i = 0; i < rounds; i++)
        sum += savina_random_next(&random);
    return sum;
}

int64_t savina_receive_sum(isle_receive_port *port, int64_t count)
{
    uint64_t sum = 0;
    for (int64_t i = 0; i < count; i++) {
        ISLE_SCOPE;
        sum += (uint64_t)isle_as_int(isle_port_receive(port));
    }
    return (int64_t)sum;
}

/* Runs in an isolate of its own; its end returns all that the iteration made there. */
static isle_value iterate(isle_value unused)
{
    (void)unused;
    int64_t begin = isle_now_ns();
    isle_value outcome = program_run->run();
    int64_t ns = isle_now_ns() - begin;
    return isle_pack("[i,i]", program_run->verify(outcome), ns);
}

/* Waits until the actors of the iteration have ended, lest the next one pays for them. */
static void wait_until_alone(void)
{
    isle_stats stats;
    int64_t deadline = isle_now_ns() + ISLE_SECONDS(10);
    for (isle_stats_read(&stats); stats.isolates > 1; isle_stats_read(&stats)) {
        savina_expect(isle_now_ns() < deadline, "%" PRIu64 " isolates were left behind",
                      stats.isolates - 1);
        isle_sleep(ISLE_US(100));
    }
}

static void measure_one(measurement *measured)
{
    ISLE_SCOPE;
    isle_future *iteration = isle_run(iterate, isle_null(), NULL);
    isle_value told = isle_await(isle_future_timeout(iteration, ISLE_SECONDS(60 * MINUTES_MAX)));
    isle_unpack(told, "[i,i]", &measured->operations, &measured->ns[measured->done++]);
    wait_until_alone();
}

/* For a figure the first iteration warms up, as the peers' does, and none begins after a second. */
static isle_value measure(isle_value context)
{
    measurement *measured = isle_as_pointer(isle_list_get(context, 0));
    const options *chosen = isle_as_pointer(isle_list_get(context, 1));
    if (chosen->figure) {
        measure_one(measured);
        measured->done = 0;
    }
    int64_t begin = isle_now_ns();
    do
        measure_one(measured);
    while (measured->done < chosen->iterations &&
           !(chosen->figure && isle_now_ns() - begin > ISLE_SECONDS(1)));
    return isle_null();
}

static int compare_ns(const void *a, const void *b)
{
    const int64_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static void report(const options *chosen, measurement *measured)
{
    qsort(measured->ns, (size_t)measured->done, sizeof(measured->ns[0]), compare_ns);
    double best = (double)measured->ns[0], median = (double)measured->ns[measured->done / 2];
    double each = median / (double)measured->operations;
    if (!chosen->figure)
        printf("%s %d %.3f %.3f %.1f verified\n", program_run->name, measured->done, best / 1e6,
               median / 1e6, each);
    else if (program_run->figure == SAVINA_NS_PER_OPERATION)
        printf("savina-%s %.2f\n", program_run->name, each);
    else
        printf("savina-%s %.0f\n", program_run->name, 1e9 / each);
}

static int usage(void)
{
    fprintf(stderr, "usage: %s [--iterations 1..%d] [--scale > 0] [--workers N]%s\n",
            program_run->name, ITERATIONS_MAX, program_run->figure ? " [--figure]" : "");
    return 2;
}

static bool parse(int argc, char **argv, options *chosen)
{
    const char *threads = getenv("BENCH_THREADS"), *size = getenv("BENCH_SCALE");
    chosen->workers = threads ? (unsigned)strtoul(threads, NULL, 10) : 0;
    scale = size ? strtod(size, NULL) : 1;
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        if (strcmp(argv[i], "--figure") == 0 && program_run->figure) {
            chosen->figure = true;
            continue;
        }
        if (strcmp(argv[i], "--iterations") == 0)
            chosen->iterations = (int)strtol(value, NULL, 10);
        else if (strcmp(argv[i], "--scale") == 0)
            scale = strtod(value, NULL);
        else if (strcmp(argv[i], "--workers") == 0)
            chosen->workers = (unsigned)strtoul(value, NULL, 10);
        else
            return false;
        i++;
    }
    return chosen->iterations >= 1 && chosen->iterations <= ITERATIONS_MAX && scale > 0;
}

int savina_main(int argc, char **argv, const savina_program *program)
{
    options chosen = {.iterations = 12};
    static measurement measured;
    program_run = program;
    if (!parse(argc, argv, &chosen))
        return usage();

    isle_err err = isle_start(argc, argv, &(isle_program_options){.worker_count = chosen.workers});
    if (err != ISLE_OK) {
        fprintf(stderr, "%s: %s\n", program->name, isle_err_text(err));
        return 1;
    }
    isle_value context = isle_list();
    isle_list_add(context, isle_pointer(&measured));
    isle_list_add(context, isle_pointer(&chosen));
    err = isle_try(measure, context, NULL);
    if (err != ISLE_OK)
        fprintf(stderr, "%s: %s\n", program->name, isle_error_text(isle_last_error()));
    isle_stop();
    if (err == ISLE_OK)
        report(&chosen, &measured);
    return err != ISLE_OK;
}
