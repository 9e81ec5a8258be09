/* SPDX-License-Identifier: Apache-2.0 */
/* A thread for each actor, in tens, hundreds and thousands. */
#include "thread.h"

enum { RING_SIZE = 503, RECEIVERS = 60, TALKERS = 120, CREATURES = 100, COLOURS = 3, EACH = 100 };

static void *answer_and_end(void *argument)
{
    queue_send(argument, 1, NULL);
    return NULL;
}

static int64_t receive_all(struct queue *queue, int64_t count)
{
    int64_t sum = 0;
    for (int64_t i = 0; i < count; i++)
        sum += queue_receive(queue, NULL);
    return sum;
}

static void spawn_run(const char *name, int64_t parameter)
{
    (void)parameter;
    struct queue queue;
    int64_t count = bench_scaled(10000, 200), sum = 0, start = bench_now_ns();
    queue_init(&queue);
    for (int64_t i = 0; i < count; i++) {
        bench_thread(answer_and_end, &queue);
        sum += queue_receive(&queue, NULL);
    }
    int64_t time = bench_now_ns() - start;
    bench_require(sum == count, "answers");
    bench_print(name, (double)time / (double)count);
}

static double burst(int64_t count)
{
    struct queue queue;
    int64_t start = bench_now_ns();
    queue_init(&queue);
    for (int64_t i = 0; i < count; i++)
        bench_thread(answer_and_end, &queue);
    int64_t sum = receive_all(&queue, count);
    int64_t time = bench_now_ns() - start;
    bench_require(sum == count, "answers");
    return (double)time / (double)count;
}

static void burst_run(const char *name, int64_t parameter)
{
    (void)parameter;
    int64_t count = bench_scaled(20000, 200);
    bench_print(name, burst(count));
    bench_print("spawn-again", burst(count));
}

/* A thread that has a queue of its own and knows where to answer. */
struct actor {
    struct queue queue;
    struct queue *done;
    struct actor *next;
    int64_t count;
};

static struct actor *actors_new(int64_t count, struct queue *done, int64_t each,
                                void *(*main)(void *))
{
    struct actor *actors = bench_alloc((size_t)count * sizeof *actors);
    for (int64_t i = 0; i < count; i++) {
        actors[i].done = done;
        actors[i].next = &actors[(i + 1) % count];
        actors[i].count = each;
        queue_init(&actors[i].queue);
    }
    for (int64_t i = 0; main != NULL && i < count; i++)
        bench_thread(main, &actors[i]);
    return actors;
}

static void *take_one(void *argument)
{
    struct actor *me = argument;
    queue_send(me->done, queue_receive(&me->queue, NULL), NULL);
    return NULL;
}

static void create_run(const char *name, int64_t parameter)
{
    (void)parameter;
    struct queue done;
    int64_t count = bench_scaled(10000, 200);
    queue_init(&done);
    int64_t start = bench_now_ns();
    struct actor *actors = actors_new(count, &done, 0, NULL);
    for (int64_t i = 0; i < count; i++) {
        bench_thread(take_one, &actors[i]);
        queue_send(&actors[i].queue, i, NULL);
    }
    int64_t sum = receive_all(&done, count);
    int64_t time = bench_now_ns() - start;
    bench_require(sum == count * (count - 1) / 2, "sum");
    bench_print(name, (double)time / (double)count);
}

static void *member_thread(void *argument)
{
    struct actor *me = argument;
    for (;;) {
        int64_t left = queue_receive(&me->queue, NULL);
        if (left < -1)
            return NULL;
        queue_send(left > 0 ? &me->next->queue : me->done, left - 1, NULL);
    }
}

static void ring_run(const char *name, int64_t parameter)
{
    (void)parameter;
    struct queue done;
    int64_t hops = bench_scaled(50000, 1000);
    queue_init(&done);
    struct actor *members = actors_new(RING_SIZE, &done, 0, member_thread);
    queue_send(&members[0].queue, RING_SIZE, NULL);
    queue_receive(&done, NULL);
    int64_t start = bench_now_ns();
    queue_send(&members[0].queue, hops, NULL);
    int64_t last = queue_receive(&done, NULL);
    int64_t time = bench_now_ns() - start;
    bench_require(last == -1, "the token");
    bench_print(name, (double)time / (double)hops);
    for (int i = 0; i < RING_SIZE; i++)
        queue_send(&members[i].queue, -2, NULL);
}

static void *receiver_thread(void *argument)
{
    struct actor *me = argument;
    int64_t sum = 0;
    for (int64_t left = me->count; left > 0;)
        for (struct mail *mail = queue_take_all(&me->queue); mail != NULL; left--) {
            struct mail *next = mail->next;
            sum += mail->value;
            free(mail);
            mail = next;
        }
    queue_send(me->done, sum, NULL);
    return NULL;
}

static void fork_join_run(const char *name, int64_t parameter)
{
    (void)parameter;
    struct queue done;
    int64_t count = bench_scaled(10000, 100), start = bench_now_ns();
    queue_init(&done);
    struct actor *receivers = actors_new(RECEIVERS, &done, count, receiver_thread);
    for (int64_t i = 0; i < count; i++)
        for (int k = 0; k < RECEIVERS; k++)
            queue_send(&receivers[k].queue, i, NULL);
    int64_t sum = receive_all(&done, RECEIVERS);
    int64_t time = bench_now_ns() - start;
    bench_require(sum == RECEIVERS * (count * (count - 1) / 2), "sum");
    bench_print(name, (double)(count * RECEIVERS) * 1e9 / (double)time);
}

static void *sender_thread(void *argument)
{
    struct actor *me = argument;
    queue_receive(&me->queue, NULL);
    for (int64_t i = 0; i < EACH; i++)
        queue_send(me->done, i, NULL);
    return NULL;
}

static void fan_in_run(const char *name, int64_t parameter)
{
    (void)parameter;
    struct queue done;
    int64_t count = bench_scaled(10000, 100), sum = 0, left = count * EACH;
    queue_init(&done);
    struct actor *senders = actors_new(count, &done, 0, sender_thread);
    int64_t start = bench_now_ns();
    for (int64_t i = 0; i < count; i++)
        queue_send(&senders[i].queue, 0, NULL);
    while (left > 0)
        for (struct mail *mail = queue_take_all(&done); mail != NULL; left--) {
            struct mail *next = mail->next;
            sum += mail->value;
            free(mail);
            mail = next;
        }
    int64_t time = bench_now_ns() - start;
    bench_require(sum == count * (EACH * (EACH - 1) / 2), "sum");
    bench_print(name, (double)(count * EACH) * 1e9 / (double)time);
}

/* A ping is a mail with a queue to answer to; a pong has none; below 0 is the end. */
static struct actor *talkers;

static void *talker_thread(void *argument)
{
    struct actor *me = argument;
    uint64_t chance = (uint64_t)(me - talkers) + 1;
    int64_t left = me->count, pings = 0;
    for (;;) {
        struct queue *asker;
        int64_t value = queue_receive(&me->queue, &asker);
        if (value < 0) {
            queue_send(me->done, pings, NULL);
            return NULL;
        }
        if (asker != NULL) {
            pings++;
            queue_send(asker, 0, NULL);
        } else if (left-- > 0) {
            queue_send(&talkers[bench_random(&chance) % TALKERS].queue, 0, &me->queue);
        } else {
            queue_send(me->done, 0, NULL);
        }
    }
}

static void big_run(const char *name, int64_t parameter)
{
    (void)parameter;
    struct queue done;
    int64_t count = bench_scaled(1000, 100);
    queue_init(&done);
    talkers = actors_new(TALKERS, &done, count, NULL);
    for (int i = 0; i < TALKERS; i++)
        bench_thread(talker_thread, &talkers[i]);
    int64_t start = bench_now_ns();
    for (int i = 0; i < TALKERS; i++)
        queue_send(&talkers[i].queue, 0, NULL);
    receive_all(&done, TALKERS);
    int64_t time = bench_now_ns() - start;
    for (int i = 0; i < TALKERS; i++)
        queue_send(&talkers[i].queue, -1, NULL);
    bench_require(receive_all(&done, TALKERS) == count * TALKERS, "pings");
    bench_print(name, (double)time / (double)(count * TALKERS));
}

static struct queue mall;

static void *creature_thread(void *argument)
{
    struct actor *me = argument;
    int64_t colour = me->count, meetings = 0;
    for (;;) {
        queue_send(&mall, colour, &me->queue);
        int64_t other = queue_receive(&me->queue, NULL);
        if (other < 0)
            break;
        meetings++;
        colour = colour == other ? colour : COLOURS - colour - other;
    }
    queue_send(me->done, meetings, NULL);
    return NULL;
}

static void chameneos_run(const char *name, int64_t parameter)
{
    (void)parameter;
    struct queue done, *first, *second;
    int64_t count = bench_scaled(30000, 1000), start = bench_now_ns();
    queue_init(&done);
    queue_init(&mall);
    struct actor *creatures = actors_new(CREATURES, &done, 0, NULL);
    for (int i = 0; i < CREATURES; i++) {
        creatures[i].count = i % COLOURS;
        bench_thread(creature_thread, &creatures[i]);
    }
    for (int64_t i = 0; i < count; i++) {
        int64_t colour = queue_receive(&mall, &first), other = queue_receive(&mall, &second);
        queue_send(first, other, NULL);
        queue_send(second, colour, NULL);
    }
    int64_t time = bench_now_ns() - start;
    for (int i = 0; i < CREATURES; i++) {
        queue_receive(&mall, &first);
        queue_send(first, -1, NULL);
    }
    bench_require(receive_all(&done, CREATURES) == 2 * count, "meetings");
    bench_print(name, (double)time / (double)count);
}

/* Answers each ping with 1 KiB; keeps a small state of its own. */
static void *idle_thread(void *argument)
{
    struct actor *me = argument;
    int64_t *state = bench_alloc(64);
    for (;;) {
        struct queue *asker;
        int64_t value = queue_receive(&me->queue, &asker);
        if (value < 0)
            break;
        struct mail *mail = malloc(sizeof *mail);
        *mail = (struct mail){.value = ++*state, .data = bench_alloc(1024), .size = 1024};
        queue_put(asker, mail);
    }
    free(state);
    return NULL;
}

static void memory_run(const char *name, int64_t parameter)
{
    (void)parameter;
    struct queue done;
    int64_t count = bench_scaled(5000, 500);
    queue_init(&done);
    int64_t before = bench_resident();
    struct actor *actors = actors_new(count, NULL, 0, idle_thread);
    for (int64_t i = 0; i < count; i++) {
        queue_send(&actors[i].queue, 0, &done);
        struct mail *mail = queue_take(&done);
        bench_require(mail->size == 1024 && mail->value == 1, "answer to a ping");
        free(mail->data);
        free(mail);
    }
    bench_print(name, (double)(bench_resident() - before) / (double)count);
}

const struct bench_workload actor_workloads[] = {
    {"spawn", spawn_run, 0}, {"spawn-burst", burst_run, 0},   {"fork-join-create", create_run, 0},
    {"ring", ring_run, 0},   {"fork-join", fork_join_run, 0}, {"fan-in", fan_in_run, 0},
    {"big", big_run, 0},     {"chameneos", chameneos_run, 0}, {"memory-idle", memory_run, 0},
    {NULL, NULL, 0},
};
