/* SPDX-License-Identifier: Apache-2.0 */
/* The workloads of isolates behind a wall, with helper processes. */
#include <signal.h>
#include <sys/wait.h>

#include "../processes.h"
#include "child.h"
#include "way.h"

static char program[512]; /* the helper's */

static void start(struct child *child)
{
    if (program[0] == '\0') {
        char self[400];
        ssize_t size = readlink("/proc/self/exe", self, sizeof self - 1);
        bench_require(size > 0, "/proc");
        self[size] = '\0';
        char *slash = strrchr(self, '/'), *name = strstr(slash, "bench-");
        bench_require(name != NULL, "the program's own name");
        *slash = '\0';
        snprintf(program, sizeof program, "%s/%s-child", self, name + strlen("bench-"));
    }
    way_start(child, program);
}

static void hello(const struct child *child)
{
    int64_t said = 0;
    bench_require(child_receive(child->in, &said, sizeof said) && said == 1, "the first message");
}

static void child_kill(const struct child *child)
{
    kill(child->id, SIGKILL);
}

static void child_gone(const struct child *child)
{
    int status = 0;
    bench_require(waitpid(child->id, &status, 0) == child->id && WIFSIGNALED(status),
                  "a process that was killed");
    /* Of a wrapped one it is the wrapper that was waited for; the end of what it says is its end.
     * bwrap's first process asks to die with bwrap only after it has begun the helper: where bwrap
     * was killed before that, the helper lives until it has nothing to read. */
    if (child->out != child->in)
        close(child->out);
    while (read(child->in, &status, sizeof status) > 0)
        ;
    close(child->in);
}

static void life_run(const char *name, int64_t is_death)
{
    int64_t count = bench_scaled(400, 5), warm = count / 20 + 1;
    int64_t *samples = bench_alloc((size_t)count * sizeof *samples);
    for (int64_t i = -warm; i < count; i++) {
        struct child child;
        int64_t begun = bench_now_ns();
        start(&child);
        hello(&child);
        int64_t born = bench_now_ns();
        child_kill(&child);
        child_gone(&child);
        if (i >= 0)
            samples[i] = is_death ? bench_now_ns() - born : born - begun;
    }
    bench_print(name, bench_median(samples, count));
}

/* So many lives, eight at once; the time. */
static int64_t churn(int64_t count)
{
    enum { AT_ONCE = 8 };
    int64_t begun = 0, start_time = bench_now_ns();
    struct child places[AT_ONCE];
    for (; begun < AT_ONCE; begun++)
        start(&places[begun]);
    for (int64_t i = 0; i < count; i++) {
        struct child *child = &places[i % AT_ONCE];
        hello(child);
        child_kill(child);
        child_gone(child);
        if (begun++ < count)
            start(child);
    }
    return bench_now_ns() - start_time;
}

static void churn_run(const char *name, int64_t parameter)
{
    (void)parameter;
    int64_t count = bench_scaled(4000, 16), warm = 16;
    count = bench_fit(count, warm, churn(warm));
    bench_print(name, (double)count * 1e9 / (double)churn(count));
}

static unsigned char bytes[CHILD_LARGEST];

static void ask(const struct child *child, int64_t order, int64_t count, int64_t size)
{
    struct child_request request = {.order = order, .count = count, .size = size};
    bench_require(child_send(child->out, &request, sizeof request), "a request");
}

static void put(const struct child *child, size_t size, int64_t number)
{
    child_stamp(bytes, size, number);
    bench_require(child_send(child->out, bytes, size), "a message");
}

static void take(const struct child *child, size_t size, int64_t number)
{
    bench_require(child_receive(child->in, bytes, size) && child_is_stamped(bytes, size, number),
                  "the same message back");
}

static int64_t round_trips(const struct child *child, int64_t count)
{
    int64_t begun = bench_now_ns();
    ask(child, CHILD_ECHO, count, sizeof(int64_t));
    for (int64_t i = 0; i < count; i++) {
        put(child, sizeof i, i);
        take(child, sizeof i, i);
    }
    return bench_now_ns() - begun;
}

static void round_trip_run(const char *name, int64_t cores)
{
    struct child child;
    bench_pin(cores == 2 ? 1 : 0);
    start(&child);
    hello(&child);
    bench_pin(0);
    int64_t count = bench_scaled(200000, 200), warm = bench_warm_up(count);
    count = bench_fit(count, warm, round_trips(&child, warm));
    bench_print(name, (double)round_trips(&child, count) / (double)count);
    child_kill(&child);
    child_gone(&child);
}

static int64_t flow(const struct child *child, int64_t order, int64_t count, size_t size)
{
    int64_t begun = bench_now_ns(), taken = count;
    ask(child, order, count, (int64_t)size);
    for (int64_t i = 0; i < count; i++)
        (order == CHILD_TAKE ? put : take)(child, size, i);
    if (order == CHILD_TAKE)
        bench_require(child_receive(child->in, &taken, sizeof taken), "the last message");
    bench_require(taken == count, "messages that were taken");
    return bench_now_ns() - begun;
}

#define FLOW_OUT (1 << 30)

static void flow_run(const char *name, int64_t parameter)
{
    size_t size = (size_t)(parameter & ~FLOW_OUT);
    bool is_small = size == sizeof(int64_t);
    int64_t order = parameter & FLOW_OUT ? CHILD_MAKE : CHILD_TAKE;
    int64_t count = is_small              ? bench_scaled(5000000, 1000)
                    : size == CHILD_LARGE ? bench_scaled(200000, 1000)
                                          : bench_scaled(100, 3);
    int64_t warm = count / 20 + 1;
    struct child child;
    start(&child);
    hello(&child);
    count = bench_fit(count, warm, flow(&child, order, warm, size));
    int64_t time = flow(&child, order, count, size);
    bench_print(name, (double)count * (is_small ? 1 : (double)size) * 1e9 / (double)time);
    child_kill(&child);
    child_gone(&child);
}

/* Of a wrapped one too it is the helper alone that counts. */
static void memory_run(const char *name, int64_t parameter)
{
    (void)parameter;
    int64_t count = bench_scaled(200, 3);
    struct child *children = bench_alloc((size_t)count * sizeof *children);
    const char *run = way_forks ? "/proc/self/exe" : program;
    start(&children[0]); /* finds out where the program is */
    hello(&children[0]);
    struct bench_processes *before = bench_processes_of(run);
    child_kill(&children[0]);
    child_gone(&children[0]);
    for (int64_t i = 0; i < count; i++) {
        start(&children[i]);
        hello(&children[i]);
        round_trips(&children[i], 1);
    }
    bench_processes_memory(name, before, run, count);
    for (int64_t i = 0; i < count; i++) {
        child_kill(&children[i]);
        child_gone(&children[i]);
    }
}

static const struct bench_workload workloads[] = {
    {"wall-spawn-cold", life_run, false},
    {"wall-kill", life_run, true},
    {"wall-churn", churn_run, 0},
    {"wall-round-trip", round_trip_run, 1},
    {"wall-round-trip-cores", round_trip_run, 2},
    {"wall-send-in", flow_run, sizeof(int64_t)},
    {"wall-send-out", flow_run, sizeof(int64_t) | FLOW_OUT},
    {"wall-bytes-in", flow_run, CHILD_LARGE},
    {"wall-bytes-out", flow_run, CHILD_LARGE | FLOW_OUT},
    {"wall-large-in", flow_run, CHILD_LARGEST},
    {"wall-large-out", flow_run, CHILD_LARGEST | FLOW_OUT},
    {"wall-memory", memory_run, 0},
    {0},
};

int main(int argc, char **argv)
{
    const struct bench_workload *const tables[] = {workloads, NULL};
    return bench_main(argc, argv, tables);
}
