/* SPDX-License-Identifier: Apache-2.0 */
/* Many threads, a socket or two each. */
#include "sockets.h"

enum { RING_SIZE = 503, RECEIVERS = 60 };

/* What a thread is started with. */
struct actor {
    struct endpoint in, out;
    int64_t count;
};

static void *report_one(void *argument)
{
    (void)argument;
    struct endpoint reporter = endpoint_dial(REPORTER, "parent", 0);
    report_send(&reporter, 1);
    endpoint_close(&reporter);
    return NULL;
}

static void spawn_run(const char *name, int64_t most)
{
    struct endpoint parent = endpoint_listen(REPORT_TAKER, "parent", 0);
    int64_t count = bench_scaled(most, 100), sum = 0, start = bench_now_ns();
    for (int64_t i = 0; i < count; i++) {
        bench_thread(report_one, NULL);
        sum += report_receive(&parent);
    }
    int64_t time = bench_now_ns() - start;
    bench_require(sum == count, "answers");
    bench_print(name, (double)time / (double)count);
}

static double burst(struct endpoint *parent, int64_t count)
{
    int64_t sum = 0, start = bench_now_ns();
    for (int64_t i = 0; i < count; i++)
        bench_thread(report_one, NULL);
    for (int64_t i = 0; i < count; i++)
        sum += report_receive(parent);
    int64_t time = bench_now_ns() - start;
    bench_require(sum == count, "answers");
    return (double)time / (double)count;
}

static void burst_run(const char *name, int64_t most)
{
    struct endpoint parent = endpoint_listen(REPORT_TAKER, "parent", 0);
    int64_t count = bench_scaled(most, 100);
    bench_print(name, burst(&parent, count));
    bench_print("spawn-again", burst(&parent, count));
}

/* A listener cannot write to who has said nothing yet: each asks for its message. */
static void *take_one(void *argument)
{
    (void)argument;
    struct endpoint parent = endpoint_dial(ASKER, "parent", 0);
    int_send(&parent, -1);
    int64_t value = int_receive(&parent);
    int_send(&parent, value);
    int_receive(&parent);
    endpoint_close(&parent);
    return NULL;
}

static void create_run(const char *name, int64_t most)
{
    struct endpoint parent = endpoint_listen(ANSWERER, "parent", 0);
    int64_t count = bench_scaled(most, 100), sum = 0, given = 0, start = bench_now_ns();
    for (int64_t i = 0; i < count; i++)
        bench_thread(take_one, NULL);
    for (int64_t i = 0; i < 2 * count; i++) {
        int64_t value = int_receive(&parent);
        if (value >= 0)
            sum += value;
        int_send(&parent, value < 0 ? given++ : 0);
    }
    int64_t time = bench_now_ns() - start;
    bench_require(given == count && sum == count * (count - 1) / 2, "sum");
    bench_print(name, (double)time / (double)count);
}

static void *produce(void *argument)
{
    struct actor *me = argument;
    for (int64_t i = 0; i < me->count; i++)
        int_send(&me->out, i);
    return NULL;
}

static void send_run(const char *name, int64_t parts)
{
    struct endpoint consumer = endpoint_listen(CONSUMER, "consumer", 0);
    struct actor *producers = bench_alloc((size_t)parts * sizeof *producers);
    int64_t count = bench_scaled(STREAM_COUNT, 8000) / parts, sum = 0;
    for (int64_t i = 0; i < parts; i++) {
        producers[i].count = count;
        producers[i].out = endpoint_dial(PRODUCER, "consumer", 0);
    }
    int64_t start = bench_now_ns();
    for (int64_t i = 0; i < parts; i++)
        bench_thread(produce, &producers[i]);
    for (int64_t i = 0; i < parts * count; i++)
        sum += int_receive(&consumer);
    int64_t time = bench_now_ns() - start;
    bench_require(sum == parts * (count * (count - 1) / 2), "sum");
    bench_print(name, (double)(count * parts) * 1e9 / (double)time);
}

static void *member_thread(void *argument)
{
    (void)argument;
    struct endpoint crowd = endpoint_dial(MEMBER, "crowd", 0);
    int_send(&crowd, 0);
    int_receive(&crowd);
    for (int64_t i = 0; i < FAN_IN_EACH; i++)
        int_send(&crowd, i);
    return NULL;
}

static void fan_in_run(const char *name, int64_t most)
{
    int64_t count = bench_scaled(most, 100), sum = 0;
    struct endpoint crowd = endpoint_listen(CROWD, "crowd", 0);
    struct member *members = bench_alloc((size_t)count * sizeof *members), from;
    for (int64_t i = 0; i < count; i++) {
        bench_thread(member_thread, NULL);
        crowd_receive(&crowd, &members[i]);
    }
    int64_t start = bench_now_ns();
    for (int64_t i = 0; i < count; i++)
        crowd_send(&crowd, &members[i], 0);
    for (int64_t i = 0; i < count * FAN_IN_EACH; i++)
        sum += crowd_receive(&crowd, &from);
    int64_t time = bench_now_ns() - start;
    bench_require(sum == count * (FAN_IN_EACH * (FAN_IN_EACH - 1) / 2), "sum");
    bench_print(name, (double)(count * FAN_IN_EACH) * 1e9 / (double)time);
}

static void *pass_on(void *argument)
{
    struct actor *me = argument;
    for (;;)
        int_send(&me->out, int_receive(&me->in) + 1);
    return NULL;
}

/* The token counts its hops; this thread is the first member. */
static void ring_run(const char *name, int64_t most)
{
    struct actor *members = bench_alloc(RING_SIZE * sizeof *members);
    int64_t laps = bench_scaled(most, 2), token = 0, start = 0;
    for (int64_t i = 0; i < RING_SIZE; i++)
        members[i].in = endpoint_listen(PAIR, "ring", i);
    for (int64_t i = 0; i < RING_SIZE; i++)
        members[i].out = endpoint_dial(PAIR, "ring", (i + 1) % RING_SIZE);
    for (int64_t i = 1; i < RING_SIZE; i++)
        bench_thread(pass_on, &members[i]);
    for (int64_t lap = -1; lap < laps; lap++) {
        if (lap == 0) /* the threads have started */
            start = bench_now_ns();
        int_send(&members[0].out, token + 1);
        token = int_receive(&members[0].in);
    }
    int64_t time = bench_now_ns() - start;
    bench_require(token == (laps + 1) * RING_SIZE, "the token's hops");
    bench_print(name, (double)time / (double)(laps * RING_SIZE));
}

static void *add_up(void *argument)
{
    struct actor *me = argument;
    int64_t sum = 0;
    for (int64_t i = 0; i < me->count; i++)
        sum += int_receive(&me->in);
    report_send(&me->out, sum);
    return NULL;
}

static void fork_join_run(const char *name, int64_t most)
{
    struct endpoint parent = endpoint_listen(REPORT_TAKER, "parent", 0), to[RECEIVERS];
    struct actor *receivers = bench_alloc(RECEIVERS * sizeof *receivers);
    int64_t count = bench_scaled(most, 100), sum = 0, start = bench_now_ns();
    for (int64_t k = 0; k < RECEIVERS; k++) {
        receivers[k].count = count;
        receivers[k].in = endpoint_listen(CONSUMER, "receiver", k);
        receivers[k].out = endpoint_dial(REPORTER, "parent", 0);
        to[k] = endpoint_dial(PRODUCER, "receiver", k);
        bench_thread(add_up, &receivers[k]);
    }
    for (int64_t i = 0; i < count; i++)
        for (int64_t k = 0; k < RECEIVERS; k++)
            int_send(&to[k], i);
    for (int64_t k = 0; k < RECEIVERS; k++)
        sum += report_receive(&parent);
    int64_t time = bench_now_ns() - start;
    bench_require(sum == RECEIVERS * (count * (count - 1) / 2), "sum");
    bench_print(name, (double)(count * RECEIVERS) * 1e9 / (double)time);
}

/* Answers each ping with 1 KiB; keeps a small state of its own. */
static void *idle_thread(void *argument)
{
    struct endpoint *mine = argument;
    int64_t *state = bench_alloc(64);
    for (;;) {
        struct message ping, pong;
        message_receive(mine, &ping);
        message_new(&pong, 1024);
        message_free(&ping);
        ++*state;
        memset(message_data(&pong), 0x5a, 1024);
        memcpy(message_data(&pong), state, sizeof *state);
        message_send(mine, &pong);
    }
    return NULL;
}

/* Who asks dials, and closes when it was answered. */
static void ping(int64_t number)
{
    struct endpoint asker = endpoint_dial(ASKER, "idle", number);
    struct message pong;
    int64_t state;
    int_send(&asker, number);
    message_receive(&asker, &pong);
    memcpy(&state, message_data(&pong), sizeof state);
    bench_require(message_size(&pong) == 1024 && state == 1, "answer to a ping");
    message_free(&pong);
    endpoint_close(&asker);
}

static void memory_run(const char *name, int64_t most)
{
    int64_t count = bench_scaled(most, 100);
    struct endpoint *idle = bench_alloc((size_t)count * sizeof *idle);
    int64_t before = bench_resident();
    for (int64_t i = 0; i < count; i++) {
        idle[i] = endpoint_listen(ANSWERER, "idle", i);
        bench_thread(idle_thread, &idle[i]);
        ping(i);
    }
    bench_print(name, (double)(bench_resident() - before) / (double)count);
}

const struct bench_workload crowd_workloads[] = {
    {"spawn", spawn_run, 5000},
    {"spawn-burst", burst_run, 5000},
    {"fork-join-create", create_run, 5000},
    {"send-2-1", send_run, 2},
    {"send-8-1", send_run, 8},
    {"fan-in", fan_in_run, 10000},
    {"ring", ring_run, 60},
    {"fork-join", fork_join_run, FORK_JOIN_COUNT},
    {"memory-idle", memory_run, 2000},
    {NULL, NULL, 0},
};
