/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What CAF's workloads share: the configured system, scaled counts, the clock, checks and the
 * printed line.
 *
 * A workload spawns actors into a system and waits until all are done; what they measured they
 * leave in a variable of the workload, which nobody reads before that.
 */
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "caf/all.hpp"

namespace bench
{

using clock = std::chrono::steady_clock;
using duration = std::chrono::nanoseconds;

std::size_t threads();

/* `full` by BENCH_SCALE, at least `least`. */
std::size_t scaled(std::size_t full, std::size_t least);

/* The bytes of this process that are resident. */
std::size_t resident();

/* Keeps the calling thread on processor `cpu` modulo those that there are. */
void pin(unsigned cpu);

[[noreturn]] void wrong(const char *what, std::uint64_t found, std::uint64_t expected);

inline void check(const char *what, std::uint64_t found, std::uint64_t expected)
{
    if (found != expected) {
        wrong(what, found, expected);
    }
}

void print_each(const char *name, duration elapsed, std::size_t count);
void print_rate(const char *name, duration elapsed, std::size_t count);
void print_bytes(const char *name, std::size_t bytes, std::size_t count);

/* Counts rounds and times those that follow the first tenth. */
class stopwatch
{
  public:
    explicit stopwatch(std::size_t rounds) : left_(rounds + rounds / 10), timed_(rounds)
    {
        if (left_ == timed_) {
            start_ = clock::now();
        }
    }

    /* Ends a round; false after the last. */
    bool again()
    {
        --left_;
        if (left_ == timed_) {
            start_ = clock::now();
        } else if (left_ == 0) {
            elapsed_ = clock::now() - start_;
        }
        return left_ != 0;
    }

    duration elapsed() const
    {
        return elapsed_;
    }

  private:
    std::size_t left_;
    std::size_t timed_;
    clock::time_point start_;
    duration elapsed_{};
};

/* Runs `spawn`, which gets the system and spawns the first actors, and waits until all are done. */
template <class Spawn> void run(Spawn spawn)
{
    caf::actor_system_config config;
    config.set("scheduler.max-threads", threads());
    caf::actor_system system{config};
    spawn(system);
    system.await_all_actors_done();
}

} // namespace bench
