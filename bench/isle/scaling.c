/* SPDX-License-Identifier: Apache-2.0 */
/* What an operation costs while BENCH_SIZE others are there: isolates that are idle or suspended,
 * ports, timers, messages in other mailboxes. It should cost the same beside one and beside a
 * million. And what else only Isle is asked: a program in which all wait, or two compute; runs and
 * a pool. */
#include "bench.h"

enum { REPEATS = 3, PAYLOAD_WORDS = 8, HOLDERS = 16 };

static int64_t crowd_size(void)
{
    const char *text = getenv("BENCH_SIZE");
    int64_t size = text != NULL ? atoll(text) : 1000;
    return size > 0 ? size : 1;
}

static void idle_handle(isle_value message, void *context)
{
    (void)context;
    if (!isle_is_null(message))
        isle_send(isle_as_port(message), isle_int(1));
}

static void idle_main(isle_value unused)
{
    (void)unused;
    isle_port_listen(isle_default_port(), idle_handle, NULL);
}

static void suspended_main(isle_value ready)
{
    isle_send(isle_as_port(ready), isle_int(1));
    isle_port_receive(isle_default_port());
}

static void crowd_of_isolates(int64_t size)
{
    isle_receive_port *port = isle_port_open();
    for (int64_t i = 0; i < size; i++) {
        ISLE_SCOPE;
        isle_isolate one = isle_spawn(idle_main, isle_null(), NULL);
        isle_send(one.default_port, isle_port_value(port));
        bench_require(isle_as_int(isle_port_receive(port)) == 1, "one that is idle");
    }
    isle_port_close(port);
}

static void crowd_of_suspended(int64_t size)
{
    isle_receive_port *port = isle_port_open();
    for (int64_t i = 0; i < size; i++) {
        ISLE_SCOPE;
        isle_spawn(suspended_main, isle_port_value(port), NULL);
        bench_require(isle_as_int(isle_port_receive(port)) == 1, "one that is suspended");
    }
    isle_port_close(port);
}

static void crowd_of_ports(int64_t size)
{
    for (int64_t i = 0; i < size; i++)
        isle_port_open();
}

static void never(void *context)
{
    (void)context;
    bench_require(false, "a timer that is due in an hour");
}

static void crowd_of_timers(int64_t size)
{
    for (int64_t i = 0; i < size; i++)
        isle_timer_start(ISLE_SECONDS(3600) + (i * 7919 % size) * 1000, never, NULL);
}

/* Messages of 64 bytes that wait in the mailboxes of isolates that are paused. */
static void crowd_of_messages(int64_t size)
{
    isle_send_port holders[HOLDERS];
    isle_options paused = {.paused = true};
    for (int i = 0; i < HOLDERS; i++)
        holders[i] = isle_spawn(idle_main, isle_null(), &paused).default_port;
    for (int64_t i = 0; i < size; i++) {
        ISLE_SCOPE;
        int64_t words[PAYLOAD_WORDS] = {i};
        isle_send(holders[i % HOLDERS], isle_bytes(words, sizeof words));
    }
}

/* KiB that wait there, in few messages. */
static void crowd_of_bytes(int64_t size)
{
    enum { LARGEST = 1024 }; /* KiB of a message */
    isle_send_port holders[HOLDERS];
    isle_options paused = {.paused = true};
    void *bytes = isle_alloc(LARGEST * 1024);
    memset(bytes, 1, LARGEST * 1024);
    for (int i = 0; i < HOLDERS; i++)
        holders[i] = isle_spawn(idle_main, isle_null(), &paused).default_port;
    for (int64_t left = size, i = 0; left > 0; left -= LARGEST, i++) {
        ISLE_SCOPE;
        size_t most = (size_t)(left < LARGEST ? left : LARGEST) * 1024;
        isle_send(holders[i % HOLDERS], isle_bytes(bytes, most));
    }
    isle_free(bytes);
}

static void (*const crowds[])(int64_t size) = {crowd_of_isolates, crowd_of_suspended,
                                               crowd_of_ports,    crowd_of_timers,
                                               crowd_of_messages, crowd_of_bytes};

/* The operations; each returns the time of `count` of them. */
struct bystander {
    isle_receive_port *port;
    isle_send_port echo;
    isle_send_port server;
};

static void child_answer_and_end(isle_value reply_to)
{
    isle_send(isle_as_port(reply_to), isle_int(1));
}

static void spawn_one(struct bystander *one)
{
    isle_spawn(child_answer_and_end, isle_port_value(one->port), NULL);
    bench_require(isle_as_int(isle_port_receive(one->port)) == 1, "answer of the spawned");
}

static void trip_one(struct bystander *one)
{
    isle_send(one->echo, isle_int(7));
    bench_require(isle_as_int(isle_port_receive(one->port)) == 7, "echo");
}

static isle_value same(isle_value request, void *context)
{
    (void)context;
    return request;
}

static void server_main(isle_value unused)
{
    (void)unused;
    isle_port_serve(isle_default_port(), same, NULL);
}

static void call_one(struct bystander *one)
{
    isle_value answer = isle_await(isle_call(one->server, isle_int(7), ISLE_SECONDS(5)));
    bench_require(isle_as_int(answer) == 7, "answer of the call");
}

static void timer_one(struct bystander *one)
{
    (void)one;
    isle_timer_cancel(isle_timer_start(ISLE_SECONDS(60), never, NULL));
}

static void port_one(struct bystander *one)
{
    (void)one;
    isle_port_close(isle_port_open());
}

static const struct {
    const char *name;
    void (*run)(struct bystander *one);
} operations[] = {{"spawn", spawn_one},
                  {"round-trip", trip_one},
                  {"call", call_one},
                  {"timer", timer_one},
                  {"port", port_one}};

static double operation_time(void (*run)(struct bystander *one), struct bystander *one)
{
    int64_t count = bench_scaled(20000, 200), best = INT64_MAX;
    for (int turn = 0; turn < REPEATS; turn++) {
        int64_t start = bench_now_ns();
        for (int64_t i = 0; i < count; i++) {
            ISLE_SCOPE;
            run(one);
        }
        int64_t time = bench_now_ns() - start;
        best = time < best ? time : best;
    }
    return (double)best / (double)count;
}

static isle_value scaling_drive(isle_value crowd)
{
    crowds[isle_as_int(crowd)](crowd_size());
    struct bystander one = {.port = isle_port_open()};
    one.echo = isle_spawn(bench_echo, isle_port_value(one.port), NULL).default_port;
    one.server = isle_spawn(server_main, isle_null(), NULL).default_port;
    for (size_t i = 0; i < sizeof operations / sizeof *operations; i++)
        bench_figure_named(operations[i].name, operation_time(operations[i].run, &one));
    bench_leave();
}

static int64_t cpu_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* Processor time for each second in which a thousand idle ones, a thousand suspended ones and a
 * pending timer wait. */
static isle_value waiting_drive(isle_value parameter)
{
    (void)parameter;
    int64_t wait = bench_scaled(ISLE_SECONDS(10), ISLE_SECONDS(1));
    crowd_of_isolates(1000);
    crowd_of_suspended(1000);
    isle_timer *timer = isle_timer_start(ISLE_SECONDS(3600), never, NULL);
    isle_sleep(ISLE_MS(100)); /* whoever still spins parks */
    int64_t before = cpu_now_ns(), start = bench_now_ns();
    isle_sleep(wait);
    int64_t used = cpu_now_ns() - before, time = bench_now_ns() - start;
    isle_timer_cancel(timer);
    bench_figure((double)used * 1e9 / (double)time);
    return isle_null();
}

/* Two that compute use two cores: the time of both at once, in times of one alone. */
static isle_value compute(isle_value turns)
{
    uint64_t state = 1;
    for (int64_t i = isle_as_int(turns); i > 0; i--)
        bench_random(&state);
    return isle_int((int64_t)(state >> 8));
}

static isle_value parallel_drive(isle_value parameter)
{
    (void)parameter;
    isle_value turns = isle_int(bench_scaled(200000000, 1000000));
    int64_t start = bench_now_ns();
    int64_t one = isle_as_int(isle_await(isle_run(compute, turns, NULL)));
    int64_t between = bench_now_ns();
    isle_future *both[] = {isle_run(compute, turns, NULL), isle_run(compute, turns, NULL)};
    for (int i = 0; i < 2; i++)
        bench_require(isle_as_int(isle_await(both[i])) == one, "what was computed");
    bench_figure((double)(bench_now_ns() - between) / (double)(between - start));
    return isle_null();
}

/* A computation in an isolate of its own, awaited, one at a time. */
static isle_value add_one(isle_value argument)
{
    return isle_int(isle_as_int(argument) + 1);
}

static isle_value run_drive(isle_value parameter)
{
    (void)parameter;
    int64_t count = bench_scaled(200000, 1000), sum = 0, start = bench_now_ns();
    for (int64_t i = 0; i < count; i++) {
        ISLE_SCOPE;
        sum += isle_as_int(isle_await(isle_run(add_one, isle_int(i), NULL)));
    }
    int64_t time = bench_now_ns() - start;
    bench_require(sum == count * (count + 1) / 2, "sum of the runs");
    bench_figure((double)time / (double)count);
    return isle_null();
}

/* Calls to four servers in turn, a window of them under way at a time. */
static isle_value calls_drive(isle_value parameter)
{
    (void)parameter;
    enum { SERVERS = 4, WINDOW = 64 };
    int64_t count = bench_scaled(400000, 1000) / WINDOW * WINDOW, sum = 0;
    isle_send_port servers[SERVERS];
    for (int i = 0; i < SERVERS; i++)
        servers[i] = isle_spawn(server_main, isle_null(), NULL).default_port;
    int64_t start = bench_now_ns();
    for (int64_t i = 0; i < count; i += WINDOW) {
        ISLE_SCOPE;
        isle_future *results[WINDOW];
        for (int64_t k = 0; k < WINDOW; k++)
            results[k] = isle_call(servers[k % SERVERS], isle_int(i + k), ISLE_SECONDS(5));
        isle_value list = isle_await(isle_future_all(results, WINDOW));
        for (size_t k = 0; k < WINDOW; k++)
            sum += isle_as_int(isle_list_get(list, k));
    }
    int64_t time = bench_now_ns() - start;
    bench_require(sum == count * (count - 1) / 2, "sum of the answers");
    bench_figure((double)time / (double)count);
    return isle_null();
}

const struct workload scaling_workloads[] = {
    {"scaling-isolates", scaling_drive, 0, false},
    {"scaling-suspended", scaling_drive, 1, false},
    {"scaling-ports", scaling_drive, 2, false},
    {"scaling-timers", scaling_drive, 3, false},
    {"scaling-messages", scaling_drive, 4, false},
    {"scaling-bytes", scaling_drive, 5, false},
    {"waiting", waiting_drive, 0, false},
    {"parallel", parallel_drive, 0, false},
    {"run", run_drive, 0, true},
    {"calls", calls_drive, 0, true},
    {NULL, NULL, 0, false},
};
