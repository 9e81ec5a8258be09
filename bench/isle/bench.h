/* SPDX-License-Identifier: Apache-2.0 */
/* The head of Isle's workloads. A file gives a table of them; main.c finds one by name and runs it.
 *
 * A workload is a computation that drives: it spawns its partners, measures, checks, and tells its
 * figures. Run under its own name it drives from an isolate of its own, and the root only waits;
 * under NAME-root, where `with_root` says so, the root itself drives. Everything is written with
 * the public API, with the default limits in force. */
#ifndef BENCH_ISLE_BENCH_H
#define BENCH_ISLE_BENCH_H

#include <isle.h>

#include "../common.h"

struct workload {
    const char *name;
    isle_computation *drive; /* its result is not looked at */
    int64_t parameter;       /* what drive gets, as an int */
    bool with_root;
};

/* Each ends with an entry without a name. */
extern const struct workload bytes_workloads[], dart_life_workloads[], dart_workloads[],
    memory_workloads[], messages_workloads[], patterns_workloads[], pool_workloads[],
    scaling_workloads[], spawn_workloads[], stream_workloads[], systems_workloads[],
    tree_workloads[], wall_large_workloads[], wall_workloads[];

/* Not the memory of isolates that nobody but root may look at. */
bool wall_may_be_measured(const struct workload *workload);
/* Before the start: what a workload of isolates behind a wall needs of the program. */
void wall_prepare(const struct workload *workload, isle_program_options *options);

/* Spawns behind a wall; the default port. The first one also starts the zygote; ends the program,
 * with the reason, where there is no wall. The end is told to `ends`, if that is not NULL. */
isle_send_port wall_spawn(isle_entry *entry, isle_value message, isle_receive_port *ends);
/* Waits for that end, since how long the program waits by itself is bounded, and closes `ends`. */
void wall_require_returned(isle_receive_port *ends);

/* Prints a figure under the workload's own name, or under another one; "-root" is added. */
void bench_figure(double value);
void bench_figure_named(const char *name, double value);
/* Under the workload's own name with `-part` behind it. */
void bench_figure_part(const char *part, double value);

/* Ends the program where it stands: its figures are told, and the ends of the many that are alive
 * are no part of them. */
ISLE_NORETURN void bench_leave(void);

/* Receives `count` ints in direct style; their sum. */
int64_t bench_receive_ints(isle_receive_port *port, int64_t count);

/* An entry: sends each message back to the port that it was spawned with, until null comes. */
isle_entry bench_echo;

#endif
