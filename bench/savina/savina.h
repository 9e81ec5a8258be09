/* SPDX-License-Identifier: Apache-2.0 */
/* What all programs of the Savina suite have around them: options, iterations, the clock, the
 * verdict, the line of result. A program is two functions and SAVINA_PROGRAM:
 *
 *     run      one iteration, timed: spawns its actors, waits for the outcome, returns it
 *     verify   not timed: compares the outcome with what was known or computed apart, by
 *              savina_expect, and returns how many operations the iteration took
 *
 * Both run in an ordinary isolate, a new one each iteration, never in the root: so all messages
 * that are measured go between ordinary isolates. What run spawns must end by itself: the next
 * iteration begins when only the root is left, and an iteration that leaves some behind fails.
 *
 *     PROGRAM [--iterations 12] [--scale 1] [--workers N] [--figure]
 *
 * prints `NAME ITERATIONS best-ms median-ms ns-per-op verified`, or with --figure the one line
 * `savina-NAME VALUE` of bench/run, whose BENCH_SCALE and BENCH_THREADS stand for the options.
 * Status 1, and a sentence on stderr, if a result is wrong. */
#ifndef SAVINA_H
#define SAVINA_H

#include <inttypes.h>
#include <isle.h>

/* What --figure prints, of the median iteration; none but for the micro programs. */
typedef enum savina_figure {
    SAVINA_NO_FIGURE = 0,
    SAVINA_NS_PER_OPERATION,
    SAVINA_OPERATIONS_PER_SECOND
} savina_figure;

typedef struct savina_program {
    const char *name;
    isle_value (*run)(void);
    int64_t (*verify)(isle_value outcome);
    savina_figure figure;
} savina_program;

/* A default size times --scale, but at least `least`. For run and verify: actors are told sizes in
 * messages. */
int64_t savina_size(int64_t size, int64_t least);

/* Fails the iteration with this text (printf's format) unless `right`. */
void savina_expect(bool right, const char *format, ...) ISLE_PRINTF(2, 3);

/* Random numbers, the same on every machine: SplitMix64. The state is the seed at first, so any
 * number is a seed and a struct that is told its seed in a message needs no more. */
typedef struct savina_random {
    uint64_t state;
} savina_random;
enum { SAVINA_SEED = 74755 }; /* where a program has no seed of its own */

uint64_t savina_random_next(savina_random *random);
/* 0 ≤ result < bound ≤ 2^32; and 0 ≤ result < 1. */
int64_t savina_random_below(savina_random *random, int64_t bound);
double savina_random_unit(savina_random *random);

/* Busy work: the sum of the first `rounds` random numbers of `seed`; no compiler can leave it out
 * where the result is used. */
uint64_t savina_work(uint64_t seed, int64_t rounds);

/* Receives `count` ints in direct style; their sum, modulo 2^64. */
int64_t savina_receive_sum(isle_receive_port *port, int64_t count);

int savina_main(int argc, char **argv, const savina_program *program);

/* Defines main: SAVINA_PROGRAM(.name = "pingpong", .run = run, .verify = verify); */
#define SAVINA_PROGRAM(...)                                                                        \
    int main(int argc, char **argv)                                                                \
    {                                                                                              \
        static const savina_program program = {__VA_ARGS__};                                       \
        return savina_main(argc, argv, &program);                                                  \
    }                                                                                              \
    struct savina_program

#endif
