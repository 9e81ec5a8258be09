/* SPDX-License-Identifier: Apache-2.0 */
/* Scenarios under many seeds: an app that draws what it does (chance), run in deterministic mode
 * under each seed with late timers and, in every second seed each, with killed isolates, refused
 * spawns, failed allocations and refused messages; one seed of sixteen has none of these, one all.
 *
 * One thread runs all of it, so isolates keep in C globals what they saw. Laws of every scenario:
 * whoever waits is answered (time is virtual, so a run that hangs ends and says so), nobody is left
 * at the end (end_of_all), every byte is given back, and what memory it holds has a bound.
 *
 * `ISLE_SEED=n program test` runs that seed alone. */
#ifndef SEEDS_H
#define SEEDS_H

#include "guarantees.h"
#include "platform/platform.h"

static isle_simulation faults; /* of the run */
static uint64_t memory_most;   /* held at a look, in any run */
static uint64_t whole;         /* runs that came to what they check in the end */

static inline uint64_t chance(uint64_t count)
{
    return isle_random() % count;
}

/* Late timers at most: what is promised holds without an if. */
static inline bool nothing_fails(void)
{
    return faults.kill == 0 && faults.spawn == 0 && faults.alloc == 0 && faults.full == 0;
}

static inline isle_simulation faults_of(uint64_t seed)
{
    return (isle_simulation){
        .seed = seed,
        .late = 0.02,
        .silence_ns = ISLE_SECONDS(60), /* of a machine that is busy */
        .kill = seed & 1 ? 0.004 : 0,
        .spawn = seed & 2 ? 0.05 : 0,
        .alloc = seed & 4 ? 0.0005 : 0,
        .full = seed & 8 ? 0.05 : 0,
    };
}

static inline void look_at_memory(uint64_t most)
{
    uint64_t held = stats_now().memory;

    memory_most = held > memory_most ? held : memory_most;
    CHECK(held <= most);
}

/* Virtual seconds: if nobody moved, the simulation would say so. */
static inline void end_of_all(void)
{
    int64_t until = isle_now_ns() + ISLE_SECONDS(3600);

    while (stats_now().isolates > 1 && isle_now_ns() < until)
        isle_sleep(ISLE_MS(1));
    CHECK_UINT(stats_now().isolates, 1);
    CHECK_UINT(stats_now().waiting, 0);
}

/* Without memory the root itself may fail, which is 255 and the end of all. */
static inline bool run_seed(int (*app)(int argc, char **argv), uint64_t seed)
{
    char text[32];

    snprintf(text, sizeof text, "%" PRIu64, seed);
    CHECK_INT(setenv("ISLE_SEED", text, 1), 0); /* said where a check fails */
    faults = faults_of(seed);
    int status = isle_simulate(app, &faults);
    if (status != 0 && !(status == 255 && faults.alloc > 0))
        fail("status %d", status);
    CHECK_UINT(isle__memory_live(), 0);
    return status == 0;
}

static inline void under_seeds(int (*app)(int argc, char **argv))
{
    const char *only = getenv("ISLE_SEED");
    uint64_t count = (uint64_t)rounds(100, 1000, 100000), failed = 0;

    if (only) {
        run_seed(app, strtoull(only, NULL, 10));
        return;
    }
    whole = 0;
    for (uint64_t seed = 1; seed <= count; seed++)
        failed += !run_seed(app, seed);
    CHECK_INT(unsetenv("ISLE_SEED"), 0);
    CHECK(whole > count / 4);
    printf("measured: %" PRIu64 " seeds, %" PRIu64 " whole, %" PRIu64
           " roots without memory, %" PRIu64 " bytes at most\n",
           count, whole, failed, memory_most);
}

#endif
