/* SPDX-License-Identifier: Apache-2.0 */
/* What every C program of the benchmark needs: a clock, counts that can be scaled, checks, memory,
 * threads, tables of workloads.
 *
 * A program is called with `list` and prints the names of its workloads, or with one of them: it
 * runs that once, checks its own result and prints a line `NAME VALUE` for each figure. Nothing
 * else goes to standard output. A result that is wrong ends the program with status 1. */
#ifndef BENCH_COMMON_H
#define BENCH_COMMON_H

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static inline int64_t bench_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* BENCH_SCALE times `count`, never below `least`; BENCH_COUNT says a count exactly. */
static inline int64_t bench_scaled(int64_t count, int64_t least)
{
    const char *text = getenv("BENCH_COUNT");
    if (text != NULL && atoll(text) > 0)
        return atoll(text);
    text = getenv("BENCH_SCALE");
    double scale = text != NULL ? strtod(text, NULL) : 1;
    int64_t scaled = (int64_t)((double)count * (scale > 0 ? scale : 1));
    return scaled > least ? scaled : least;
}

/* How many go before the `count` that are measured. */
static inline int64_t bench_warm_up(int64_t count)
{
    return count / 20 < 2000 ? count / 20 : 2000;
}

/* Fewer than `count` where the `done` ones of the warm-up took so long that all would need more
 * than a second; a count that is said exactly stays. */
static inline int64_t bench_fit(int64_t count, int64_t done, int64_t time_ns)
{
    int64_t most = time_ns > 0 ? done * 1000000000 / time_ns : count;
    if (getenv("BENCH_COUNT") != NULL || most >= count)
        return count;
    return most > done ? most : done;
}

/* How many threads the scheduler may have. */
static inline unsigned bench_threads(void)
{
    const char *text = getenv("BENCH_THREADS");
    int threads = text != NULL ? atoi(text) : 2;
    return threads > 0 ? (unsigned)threads : 2;
}

static inline void bench_require(bool holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "wrong result: %s\n", what);
    _exit(1);
}

/* Zeroed memory; being out of it ends the program. */
static inline void *bench_alloc(size_t size)
{
    void *memory = calloc(1, size);
    if (memory == NULL)
        abort();
    return memory;
}

static inline int bench_by_size(const void *one, const void *other)
{
    int64_t a = *(const int64_t *)one, b = *(const int64_t *)other;
    return (a > b) - (a < b);
}

/* Sorts the samples. */
static inline double bench_median(int64_t *samples, int64_t count)
{
    qsort(samples, (size_t)count, sizeof *samples, bench_by_size);
    return (double)samples[count / 2];
}

static inline void bench_print(const char *name, double value)
{
    printf("%s %.6g\n", name, value);
    fflush(stdout);
}

/* Bytes of this process in memory, from a field of /proc/self/status. */
static inline int64_t bench_status_bytes(const char *field)
{
    char line[256];
    int64_t bytes = 0;
    FILE *file = fopen("/proc/self/status", "r");
    while (file != NULL && fgets(line, sizeof line, file) != NULL)
        if (strncmp(line, field, strlen(field)) == 0)
            bytes = strtoll(line + strlen(field), NULL, 10) * 1024;
    if (file != NULL)
        fclose(file);
    return bytes;
}

static inline int64_t bench_resident(void)
{
    return bench_status_bytes("VmRSS:");
}

/* Puts the calling thread on one of the cores that the process may use. Which those are is asked
 * before the first thread is pinned: what it starts has its one core. */
static cpu_set_t bench_allowed;

__attribute__((constructor)) static void bench_allowed_find(void)
{
    sched_getaffinity(0, sizeof bench_allowed, &bench_allowed);
}

static inline void bench_pin_task(pid_t task, int wanted)
{
    cpu_set_t allowed = bench_allowed, one;
    wanted %= CPU_COUNT(&allowed);
    for (size_t core = 0; core < CPU_SETSIZE; core++)
        if (CPU_ISSET(core, &allowed) && wanted-- == 0) {
            CPU_ZERO(&one);
            CPU_SET(core, &one);
            sched_setaffinity(task, sizeof one, &one);
            return;
        }
}

static inline void bench_pin(int wanted)
{
    bench_pin_task(0, wanted);
}

/* A thread with a small stack that ends by itself. */
static inline void bench_thread(void *(*main)(void *), void *argument)
{
    pthread_t thread;
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, 65536);
    int err = pthread_create(&thread, &attributes, main, argument);
    /* Those that have ended still count for a moment. */
    for (int tries = 0; err == EAGAIN && tries < 1000; tries++) {
        sched_yield();
        err = pthread_create(&thread, &attributes, main, argument);
    }
    bench_require(err == 0, "a thread could not be made");
    pthread_attr_destroy(&attributes);
}

/* A table of them ends with one without a name. */
struct bench_workload {
    const char *name;
    void (*run)(const char *name, int64_t parameter);
    int64_t parameter;
};

/* The main function of a program with these tables; the last of them is NULL. */
static inline int bench_main(int argc, char **argv, const struct bench_workload *const *tables)
{
    bool listing = argc == 2 && strcmp(argv[1], "list") == 0;
    for (; *tables != NULL && argc == 2; tables++)
        for (const struct bench_workload *one = *tables; one->name != NULL; one++) {
            if (listing)
                puts(one->name);
            else if (strcmp(one->name, argv[1]) == 0) {
                one->run(one->name, one->parameter);
                /* One measurement a process: what it took goes with the process. */
                fflush(stdout);
                _exit(0);
            }
        }
    if (!listing)
        fprintf(stderr, "usage: %s list | WORKLOAD\n", argv[0]);
    return listing ? 0 : 2;
}

/* Numbers that look random and are the same in every run (xorshift). */
static inline uint64_t bench_random(uint64_t *state)
{
    uint64_t x = *state != 0 ? *state : 0x9e3779b97f4a7c15u;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return *state = x;
}

#endif
