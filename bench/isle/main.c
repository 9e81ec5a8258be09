/* SPDX-License-Identifier: Apache-2.0 */
/* Isle's side of the benchmark: finds the workload and starts Isle with as many workers as
 * BENCH_THREADS says. */
#include "bench.h"

static const struct workload *const tables[] = {
    spawn_workloads,  messages_workloads,   bytes_workloads,  tree_workloads,
    memory_workloads, patterns_workloads,   pool_workloads,   scaling_workloads,
    dart_workloads,   dart_life_workloads,  stream_workloads, systems_workloads,
    wall_workloads,   wall_large_workloads,
};
enum { TABLE_COUNT = sizeof tables / sizeof *tables };

/* Written before anything runs. */
static const char *running_name;
static const char *running_suffix = "";

void bench_figure_named(const char *name, double value)
{
    char full[128];
    snprintf(full, sizeof full, "%s%s", name, running_suffix);
    bench_print(full, value);
}

void bench_figure(double value)
{
    bench_figure_named(running_name, value);
}

void bench_figure_part(const char *part, double value)
{
    char name[128];
    snprintf(name, sizeof name, "%s-%s", running_name, part);
    bench_figure_named(name, value);
}

void bench_leave(void)
{
    fflush(stdout);
    _exit(0);
}

int64_t bench_receive_ints(isle_receive_port *port, int64_t count)
{
    int64_t sum = 0;
    for (int64_t i = 0; i < count; i++) {
        ISLE_SCOPE;
        sum += isle_as_int(isle_port_receive(port));
    }
    return sum;
}

static void list(void)
{
    for (size_t i = 0; i < TABLE_COUNT; i++)
        for (const struct workload *one = tables[i]; one->name != NULL; one++) {
            if (!wall_may_be_measured(one))
                continue;
            puts(one->name);
            if (one->with_root)
                printf("%s-root\n", one->name);
        }
}

/* Finds NAME or NAME-root and says by running_suffix which it was; NULL if there is none. */
static const struct workload *find(const char *name)
{
    for (size_t i = 0; i < TABLE_COUNT; i++)
        for (const struct workload *one = tables[i]; one->name != NULL; one++) {
            size_t size = strlen(one->name);
            if (strncmp(one->name, name, size) != 0)
                continue;
            bool root = one->with_root && strcmp(name + size, "-root") == 0;
            if (name[size] != '\0' && !root)
                continue;
            running_suffix = root ? "-root" : "";
            return one;
        }
    return NULL;
}

static void run(const struct workload *workload)
{
    ISLE_SCOPE;
    isle_value parameter = isle_int(workload->parameter);
    if (*running_suffix != '\0')
        workload->drive(parameter);
    else
        isle_await(isle_run(workload->drive, parameter, NULL));
}

int main(int argc, char **argv)
{
    (void)isle_child_main(argc, argv); /* of a process isolate, this is the program */
    if (argc == 2 && strcmp(argv[1], "list") == 0) {
        list();
        return 0;
    }
    const struct workload *workload = argc == 2 ? find(argv[1]) : NULL;
    if (workload == NULL) {
        fprintf(stderr, "usage: %s list | WORKLOAD\n", argv[0]);
        return 2;
    }
    running_name = workload->name;
    isle_program_options options = {.worker_count = bench_threads()};
    wall_prepare(workload, &options);
    isle_err err = isle_start(argc, argv, &options);
    if (err != ISLE_OK) {
        fprintf(stderr, "isle_start: %s\n", isle_err_text(err));
        return 1;
    }
    run(workload);
    isle_stop();
    return 0;
}
