/* SPDX-License-Identifier: Apache-2.0 */
/* Two threads that wait for each other's messages. */
#include "sockets.h"

/* How the other side of a talk answers; it is alive until the process ends. */
struct talk {
    struct endpoint near, far;
    size_t size;
    bool copied;
    bool on_core; /* each on one of its own */
    int64_t count;
    double time; /* ns a round */
};

/* A round's number stands in the first and in the last bytes; an answer has the next one. */
static void stamp(struct message *message, size_t size, int64_t round)
{
    char *data = message_data(message);
    memcpy(data, &round, sizeof round);
    memcpy(data + size - sizeof round, &round, sizeof round);
}

static int64_t stamp_of(struct message *message, size_t size)
{
    int64_t first, last;
    bench_require(message_size(message) == size, "the size of a message");
    char *data = message_data(message);
    memcpy(&first, data, sizeof first);
    memcpy(&last, data + size - sizeof last, sizeof last);
    bench_require(first == last, "the bytes of a message");
    return first;
}

static void receive(struct talk *talk, struct endpoint *from, struct message *ret)
{
    if (talk->on_core)
        message_receive_on_core(from, ret);
    else
        message_receive(from, ret);
}

/* With what came, or with a copy of it in the message that came before: no memory is fresh. */
static void *answer(void *argument)
{
    struct talk *talk = argument;
    struct message messages[2], *came = &messages[0], *spare = &messages[1];
    message_new(spare, talk->size);
    if (talk->on_core)
        bench_pin(1);
    for (;;) {
        receive(talk, &talk->far, came);
        if (talk->copied) {
            memcpy(message_data(spare), message_data(came), talk->size);
            struct message *copy = spare;
            spare = came;
            came = copy;
        }
        stamp(came, talk->size, stamp_of(came, talk->size) + 1);
        message_send(&talk->far, came);
    }
    return NULL;
}

static void rounds(struct talk *talk, struct message *message, const char *mine, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        if (talk->copied)
            memcpy(message_data(message), mine, talk->size);
        stamp(message, talk->size, i);
        message_send(&talk->near, message);
        receive(talk, &talk->near, message);
        bench_require(stamp_of(message, talk->size) == i + 1, "an answer");
    }
}

static void *talk_run(void *argument)
{
    struct talk *talk = argument;
    struct message message;
    char *mine = bench_alloc(talk->size);
    message_new(&message, talk->size);
    memset(mine, 0x5a, talk->size);
    memset(message_data(&message), 0x5a, talk->size);
    bench_thread(answer, talk);
    if (talk->on_core)
        bench_pin(0);
    rounds(talk, &message, mine, talk->count / 20 + 1);
    int64_t start = bench_now_ns();
    rounds(talk, &message, mine, talk->count);
    talk->time = (double)(bench_now_ns() - start) / (double)talk->count;
    free(mine);
    return NULL;
}

static void talk_open(struct talk *talk, enum kind near, enum kind far, int64_t number)
{
    talk->far = endpoint_listen(far, "talk", number);
    talk->near = endpoint_dial(near, "talk", number);
}

static void round_trip_run(const char *name, int64_t on_core)
{
    struct talk talk = {.size = 8, .on_core = on_core, .count = bench_scaled(20000, 100)};
    talk_open(&talk, PAIR, PAIR, 0);
    talk_run(&talk);
    bench_print(name, talk.time);
}

static void pairs_run(const char *name, int64_t count)
{
    struct talk talks[2];
    pthread_t threads[2];
    for (int i = 0; i < 2; i++) {
        talks[i] = (struct talk){.size = 8, .count = bench_scaled(count, 100)};
        talk_open(&talks[i], PAIR, PAIR, i);
        bench_require(pthread_create(&threads[i], NULL, talk_run, &talks[i]) == 0, "thread");
    }
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    bench_print(name, talks[0].time > talks[1].time ? talks[0].time : talks[1].time);
}

static void call_run(const char *name, int64_t count)
{
    struct talk talk = {.size = 8, .count = bench_scaled(count, 100)};
    talk_open(&talk, ASKER, ANSWERER, 0);
    endpoint_set_timeout(&talk.near, 5000);
    talk_run(&talk);
    bench_print(name, talk.time);
}

static void echo_run(const char *name, int64_t size)
{
    bool copied = strncmp(name, "echo-copy", 9) == 0;
    int64_t count = !copied || size <= 65536 ? 10000 : size <= 1 << 20 ? 2000 : 100;
    struct talk talk = {.size = (size_t)size, .copied = copied, .count = bench_scaled(count, 10)};
    talk_open(&talk, PAIR, PAIR, 0);
    talk_run(&talk);
    bench_print(name, talk.time);
}

const struct bench_workload talk_workloads[] = {
    {"round-trip", round_trip_run, false},
    {"round-trip-cores", round_trip_run, true},
    {"pairs", pairs_run, 20000},
    {"call-timeout", call_run, 20000},
    {"echo-copy-1k", echo_run, 1024},
    {"echo-copy-64k", echo_run, 65536},
    {"echo-copy-1m", echo_run, 1 << 20},
    {"echo-copy-16m", echo_run, 16 << 20},
    {"echo-move-1k", echo_run, 1024},
    {"echo-move-64k", echo_run, 65536},
    {"echo-move-1m", echo_run, 1 << 20},
    {"echo-move-16m", echo_run, 16 << 20},
    {NULL, NULL, 0},
};
