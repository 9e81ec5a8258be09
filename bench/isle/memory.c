/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes of memory for each isolate that is alive: idle, bare, suspended; and a million at once.
 * What the driver itself holds is touched before the first look, and pings go out in small groups,
 * so that the difference is the isolates' own. */
#include "bench.h"

enum { GROUP = 100, REPLY_SIZE = 1024 };

ISLE_LOCAL(isle_value, kept_map);

/* Answers a ping, which is the port to answer to, with 1 KiB. */
static void idle_answer(isle_value ping, void *context)
{
    (void)context;
    isle_value reply = isle_bytes(NULL, REPLY_SIZE);
    isle_send(isle_as_port(ping), reply);
}

static void idle_main(isle_value unused)
{
    (void)unused;
    isle_value map = isle_map();
    isle_put(map, "n", isle_int(1));
    isle_cell_set(kept_map(), map);
    isle_port_listen(isle_default_port(), idle_answer, NULL);
}

static void bare_answer(isle_value ping, void *context)
{
    (void)context;
    isle_send(isle_as_port(ping), isle_int(1));
}

static void bare_main(isle_value unused)
{
    (void)unused;
    isle_port_listen(isle_default_port(), bare_answer, NULL);
}

static void suspended_main(isle_value ready)
{
    isle_send(isle_as_port(ready), isle_int(1));
    isle_port_receive(isle_default_port());
}

static void ping_all(const isle_send_port *ports, int64_t count, size_t reply_size)
{
    isle_receive_port *port = isle_port_open();
    for (int64_t i = 0; i < count; i += GROUP) {
        int64_t end = i + GROUP < count ? i + GROUP : count;
        for (int64_t k = i; k < end; k++)
            isle_send(ports[k], isle_port_value(port));
        for (int64_t k = i; k < end; k++) {
            ISLE_SCOPE;
            isle_value reply = isle_port_receive(port);
            bool good = reply_size > 0 ? isle_count(reply) == reply_size : isle_as_int(reply) == 1;
            bench_require(good, "answer to a ping");
        }
    }
    isle_port_close(port);
}

/* One that was there before measures nothing: workers, stacks and the driver's own port are up. */
static isle_send_port *warm(isle_entry *entry, size_t reply_size, int64_t count)
{
    isle_send_port *ports = isle_alloc((size_t)count * sizeof *ports);
    memset(ports, 1, (size_t)count * sizeof *ports);
    isle_send_port first = isle_spawn(entry, isle_null(), NULL).default_port;
    ping_all(&first, 1, reply_size);
    return ports;
}

static isle_value idle_drive(isle_value parameter)
{
    (void)parameter;
    int64_t count = bench_scaled(100000, 1000);
    isle_send_port *ports = warm(idle_main, REPLY_SIZE, count);
    int64_t before = bench_resident();
    for (int64_t i = 0; i < count; i++)
        ports[i] = isle_spawn(idle_main, isle_null(), NULL).default_port;
    ping_all(ports, count, REPLY_SIZE);
    bench_figure((double)(bench_resident() - before) / (double)count);
    bench_leave();
}

static isle_value bare_drive(isle_value parameter)
{
    (void)parameter;
    int64_t count = bench_scaled(100000, 1000);
    isle_send_port *ports = warm(bare_main, 0, count);
    int64_t before = bench_resident();
    for (int64_t i = 0; i < count; i++)
        ports[i] = isle_spawn(bare_main, isle_null(), NULL).default_port;
    ping_all(&ports[count - 1], 1, 0);
    bench_figure((double)(bench_resident() - before) / (double)count);
    ping_all(ports, count, 0);
    bench_leave();
}

static isle_value suspended_drive(isle_value parameter)
{
    (void)parameter;
    int64_t count = bench_scaled(100000, 1000);
    isle_receive_port *port = isle_port_open();
    isle_send_port *ports = warm(bare_main, 0, count);
    int64_t before = bench_resident();
    for (int64_t i = 0; i < count; i += GROUP) {
        int64_t group = i + GROUP < count ? GROUP : count - i;
        for (int64_t k = i; k < i + group; k++)
            ports[k] = isle_spawn(suspended_main, isle_port_value(port), NULL).default_port;
        bench_require(bench_receive_ints(port, group) == group, "suspended ones that are there");
    }
    bench_figure((double)(bench_resident() - before) / (double)count);
    for (int64_t i = 0; i < count; i++)
        isle_send(ports[i], isle_null());
    bench_leave();
}

static isle_value million_drive(isle_value parameter)
{
    (void)parameter;
    int64_t count = bench_scaled(1000000, 1000);
    isle_send_port *ports = warm(bare_main, 0, count);
    int64_t before = bench_resident(), start = bench_now_ns();
    for (int64_t i = 0; i < count; i++)
        ports[i] = isle_spawn(bare_main, isle_null(), NULL).default_port;
    ping_all(ports, count, 0);
    int64_t time = bench_now_ns() - start;
    isle_stats stats;
    isle_stats_read(&stats);
    bench_require(stats.isolates >= (uint64_t)count, "isolates alive at once");
    bench_figure_named("million", (double)time / (double)count);
    bench_figure_named("million-bytes", (double)(bench_resident() - before) / (double)count);
    bench_leave();
}

const struct workload memory_workloads[] = {
    {"memory-idle", idle_drive, 0, false},
    {"memory-bare", bare_drive, 0, false},
    {"memory-suspended", suspended_drive, 0, false},
    {"million", million_drive, 0, false},
    {NULL, NULL, 0, false},
};
