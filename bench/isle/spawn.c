/* SPDX-License-Identifier: Apache-2.0 */
/* What an isolate costs from its making to its end: one at a time, many at once, with a message for
 * each, and as a tree of a million. */
#include "bench.h"

static void child_answer_and_end(isle_value reply_to)
{
    isle_send(isle_as_port(reply_to), isle_int(1));
}

static int64_t spawn_one_by_one(isle_receive_port *port, int64_t count)
{
    int64_t sum = 0;
    for (int64_t i = 0; i < count; i++) {
        ISLE_SCOPE;
        isle_spawn(child_answer_and_end, isle_port_value(port), NULL);
        sum += isle_as_int(isle_port_receive(port));
    }
    return sum;
}

static isle_value spawn_drive(isle_value parameter)
{
    (void)parameter;
    int64_t count = bench_scaled(200000, 1000);
    isle_receive_port *port = isle_port_open();
    int64_t before = bench_now_ns();
    spawn_one_by_one(port, bench_warm_up(count));
    int64_t start = bench_now_ns();
    count = bench_fit(count, bench_warm_up(count), start - before);
    int64_t sum = spawn_one_by_one(port, count);
    int64_t time = bench_now_ns() - start;
    bench_require(sum == count, "answers of the spawned");
    bench_figure((double)time / (double)count);
    isle_port_close(port);
    return isle_null();
}

static double burst(isle_receive_port *port, int64_t count)
{
    int64_t start = bench_now_ns();
    for (int64_t i = 0; i < count; i++) {
        ISLE_SCOPE;
        isle_spawn(child_answer_and_end, isle_port_value(port), NULL);
    }
    int64_t sum = bench_receive_ints(port, count);
    int64_t time = bench_now_ns() - start;
    bench_require(sum == count, "answers of the burst");
    return (double)time / (double)count;
}

/* Two figures: in memory that nobody has used yet, and again. */
static isle_value burst_drive(isle_value parameter)
{
    (void)parameter;
    int64_t count = bench_scaled(200000, 1000);
    isle_receive_port *port = isle_port_open();
    bench_figure_named("spawn-burst", burst(port, count));
    bench_figure_named("spawn-again", burst(port, count));
    isle_port_close(port);
    return isle_null();
}

static void child_take_one(isle_value reply_to)
{
    isle_value message = isle_port_receive(isle_default_port());
    isle_send(isle_as_port(reply_to), message);
}

static isle_value create_drive(isle_value parameter)
{
    (void)parameter;
    int64_t count = bench_scaled(40000, 1000);
    isle_receive_port *port = isle_port_open();
    int64_t start = bench_now_ns();
    for (int64_t i = 0; i < count; i++) {
        ISLE_SCOPE;
        isle_isolate child = isle_spawn(child_take_one, isle_port_value(port), NULL);
        isle_send(child.default_port, isle_int(i));
    }
    int64_t sum = bench_receive_ints(port, count);
    int64_t time = bench_now_ns() - start;
    bench_require(sum == count * (count - 1) / 2, "sum of the created");
    bench_figure((double)time / (double)count);
    isle_port_close(port);
    return isle_null();
}

/* A part of the tree: its leaves are numbered from `first`. */
struct part {
    isle_send_port parent;
    int64_t first;
    int64_t leaves;
};
ISLE_TYPE(part_type, struct part, ISLE_FIELD(struct part, parent), ISLE_FIELD(struct part, first),
          ISLE_FIELD(struct part, leaves));

struct sums {
    isle_receive_port *port;
    isle_send_port parent;
    int64_t sum;
    int missing;
};

static void part_add(isle_value message, void *context)
{
    struct sums *sums = context;
    sums->sum += isle_as_int(message);
    if (--sums->missing > 0)
        return;
    isle_send(sums->parent, isle_int(sums->sum));
    isle_port_close(sums->port);
}

static void part_main(isle_value message)
{
    const struct part *part = isle_as_object(message, &part_type);
    if (part->leaves == 1) {
        isle_send(part->parent, isle_int(part->first));
        return;
    }
    struct sums *sums = isle_new(struct sums);
    sums->port = isle_default_port();
    sums->parent = part->parent;
    sums->missing = 10;
    struct part child = {.parent = isle_port_send_port(sums->port), .leaves = part->leaves / 10};
    for (int i = 0; i < 10; i++) {
        child.first = part->first + i * child.leaves;
        isle_spawn(part_main, isle_object(&part_type, &child), NULL);
    }
    isle_port_listen(sums->port, part_add, sums);
}

static isle_value skynet_drive(isle_value parameter)
{
    (void)parameter;
    int64_t wanted = bench_scaled(1000000, 1000), leaves = 10;
    while (leaves * 10 <= wanted)
        leaves *= 10;
    isle_receive_port *port = isle_port_open();
    struct part root = {.parent = isle_port_send_port(port), .leaves = leaves};
    int64_t start = bench_now_ns();
    isle_spawn(part_main, isle_object(&part_type, &root), NULL);
    int64_t sum = isle_as_int(isle_port_receive(port));
    int64_t time = bench_now_ns() - start;
    bench_require(sum == leaves * (leaves - 1) / 2, "sum of the leaves");
    bench_figure((double)time / (double)leaves);
    isle_port_close(port);
    return isle_null();
}

const struct workload spawn_workloads[] = {
    {"spawn", spawn_drive, 0, true},
    {"spawn-burst", burst_drive, 0, true},
    {"fork-join-create", create_drive, 0, true},
    {"skynet", skynet_drive, 0, false},
    {NULL, NULL, 0, false},
};
