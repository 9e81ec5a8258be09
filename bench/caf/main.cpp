/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CAF's side of the benchmarks: event-based actors, message handlers, the work-stealing scheduler.
 *
 * `bench-caf list` names the workloads, `bench-caf WORKLOAD` runs one, checks its own result and
 * prints a line per figure. BENCH_THREADS is the scheduler's thread count; BENCH_SCALE scales the
 * counts. Direct style (memory-suspended) is left out: a blocking actor is a thread there.
 */
#include <cstdio>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include <malloc.h>

#include "harness.hpp"
#include "workloads.hpp"

using namespace bench;

static const std::vector<std::pair<std::string, std::function<void()>>> workloads{
    {"spawn", spawn},
    {"spawn-burst", spawn_burst},
    {"fork-join-create", [] { fork_join_create("fork-join-create"); }},
    {"skynet", skynet},
    {"round-trip", [] { round_trip("round-trip", 500'000); }},
    {"round-trip-cores", round_trip_cores},
    {"pairs", pairs},
    {"ring", [] { ring("ring", 503, 2'000); }},
    {"call-timeout", call_timeout},
    {"send-2-1", [] { gather("send-2-1", 2, scaled(2'500'000, 10'000)); }},
    {"send-8-1", [] { gather("send-8-1", 8, scaled(625'000, 10'000)); }},
    {"fan-in", [] { gather("fan-in", scaled(10'000, 100), 100); }},
    {"fork-join", [] { fork_join("fork-join"); }},
    {"echo-copy-1k", [] { echo_copy("echo-copy-1k", 1 << 10, 500'000); }},
    {"echo-copy-64k", [] { echo_copy("echo-copy-64k", 1 << 16, 100'000); }},
    {"echo-copy-1m", [] { echo_copy("echo-copy-1m", 1 << 20, 4'000); }},
    {"echo-copy-16m", [] { echo_copy("echo-copy-16m", 1 << 24, 100); }},
    {"echo-move-1k", [] { echo_move("echo-move-1k", 1 << 10, 500'000); }},
    {"echo-move-64k", [] { echo_move("echo-move-64k", 1 << 16, 500'000); }},
    {"echo-move-1m", [] { echo_move("echo-move-1m", 1 << 20, 500'000); }},
    {"echo-move-16m", [] { echo_move("echo-move-16m", 1 << 24, 500'000); }},
    {"tree-typed", tree_typed},
    {"memory-idle", memory_idle},
    {"memory-bare", memory_bare},
    {"million", million},
    {"big", [] { big("big"); }},
    {"chameneos", [] { chameneos("chameneos"); }},
    {"supervised-call", supervised_call},
    {"monitor-down", monitor_down},
    {"savina-pingpong", [] { round_trip("savina-pingpong", 40'000); }},
    {"savina-count", count},
    {"savina-fjthrput", [] { fork_join("savina-fjthrput"); }},
    {"savina-fjcreate", [] { fork_join_create("savina-fjcreate"); }},
    {"savina-threadring", [] { ring("savina-threadring", 100, 1'000); }},
    {"savina-chameneos", [] { chameneos("savina-chameneos"); }},
    {"savina-big", [] { big("savina-big"); }},
    {"savina-fib", fibonacci},
};

int main(int argc, char **argv)
{
    /* Freed memory stays: a large message costs no system call and no page fault twice. */
    mallopt(M_MMAP_THRESHOLD, 1 << 30);
    mallopt(M_TRIM_THRESHOLD, 0x7fffffff);
    mallopt(M_TOP_PAD, 1 << 24);
    std::string wanted = argc == 2 ? argv[1] : "";
    for (const auto &[name, body] : workloads) {
        if (wanted == "list") {
            std::puts(name.c_str());
        } else if (wanted == name) {
            body();
            return 0;
        }
    }
    if (wanted != "list") {
        std::fputs("usage: bench-caf list | WORKLOAD\n", stderr);
        return 2;
    }
    return 0;
}
