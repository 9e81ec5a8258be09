/* SPDX-License-Identifier: Apache-2.0 */
/* The limits of programs of many actors: records, lists and calls through a pointer. */
#include "engine.h"

enum { RECORD = 128, RECEIVERS = 60, TALKERS = 120, CREATURES = 100, COLOURS = 3, EACH = 100 };

static struct engine engine;
static struct actor driver;
static uint64_t chance = 88172645463325252u;

static void prepare(size_t records)
{
    engine = (struct engine){.memory = limit_memory(records * RECORD)};
    driver = (struct actor){0};
}

static struct actor *actor_new(void (*handle)(struct actor *, const struct message *))
{
    struct actor *actor = engine_take(&engine, RECORD);
    *actor = (struct actor){.handle = handle};
    return actor;
}

static void add_up(struct actor *self, const struct message *message)
{
    self->sum += message->value;
}

static void answer(struct actor *self, const struct message *message)
{
    (void)self;
    engine_send(&engine, message->from, NULL, message->value);
}

static double burst(int64_t count)
{
    driver.handle = add_up;
    driver.sum = 0;
    int64_t start = bench_now_ns();
    for (int64_t i = 0; i < count; i++)
        engine_send(&engine, actor_new(answer), &driver, 1);
    engine_run(&engine);
    int64_t time = bench_now_ns() - start;
    bench_require(driver.sum == count, "answers");
    return (double)time / (double)count;
}

/* The second burst uses the memory of the first. */
static void burst_run(const char *name, int64_t parameter)
{
    (void)parameter;
    int64_t count = bench_scaled(200000, 1000);
    prepare((size_t)count * 2);
    struct engine fresh = engine;
    bench_print(name, burst(count));
    engine = fresh;
    bench_print("spawn-again", burst(count));
}

static void create_run(const char *name, int64_t parameter)
{
    (void)parameter;
    int64_t count = bench_scaled(40000, 1000);
    prepare((size_t)count * 2);
    bench_print(name, burst(count));
}

static void member_pass(struct actor *self, const struct message *message)
{
    if (message->value > 0)
        engine_send(&engine, self->parent, NULL, message->value - 1);
    else
        driver.sum++;
}

static void fork_join_run(const char *name, int64_t parameter)
{
    (void)parameter;
    int64_t count = bench_scaled(10000, 100), sum = 0;
    struct actor *receivers[RECEIVERS];
    prepare((size_t)count * RECEIVERS);
    int64_t start = bench_now_ns();
    for (int k = 0; k < RECEIVERS; k++)
        receivers[k] = actor_new(add_up);
    for (int64_t i = 0; i < count; i++) {
        for (int k = 0; k < RECEIVERS; k++)
            engine_send(&engine, receivers[k], NULL, i);
        if (i % EACH == EACH - 1)
            engine_run(&engine);
    }
    engine_run(&engine);
    int64_t time = bench_now_ns() - start;
    for (int k = 0; k < RECEIVERS; k++)
        sum += receivers[k]->sum;
    bench_require(sum == RECEIVERS * (count * (count - 1) / 2), "sum");
    bench_print(name, (double)(count * RECEIVERS) * 1e9 / (double)time);
}

static void sender_send(struct actor *self, const struct message *message)
{
    (void)message;
    for (int64_t i = 0; i < EACH; i++)
        engine_send(&engine, &driver, self, i);
}

static void fan_in_run(const char *name, int64_t parameter)
{
    (void)parameter;
    int64_t count = bench_scaled(10000, 100);
    prepare((size_t)count * (EACH + 2));
    driver.handle = add_up;
    struct actor *senders = engine_take(&engine, (size_t)count * RECORD);
    for (int64_t i = 0; i < count; i++)
        senders[i] = (struct actor){.handle = sender_send};
    int64_t start = bench_now_ns();
    for (int64_t i = 0; i < count; i++) {
        engine_send(&engine, &senders[i], NULL, 0);
        engine_run(&engine);
    }
    int64_t time = bench_now_ns() - start;
    bench_require(driver.sum == count * (EACH * (EACH - 1) / 2), "sum");
    bench_print(name, (double)(count * EACH) * 1e9 / (double)time);
}

static struct actor *talkers[TALKERS];

static void talker_handle(struct actor *self, const struct message *message)
{
    if (message->from != NULL) { /* a ping */
        self->sum++;
        engine_send(&engine, message->from, NULL, 0);
    } else if (self->left-- > 0) {
        engine_send(&engine, talkers[bench_random(&chance) % TALKERS], self, 0);
    }
}

static void big_run(const char *name, int64_t parameter)
{
    (void)parameter;
    int64_t count = bench_scaled(10000, 100), sum = 0;
    prepare(TALKERS * 100);
    for (int i = 0; i < TALKERS; i++) {
        talkers[i] = actor_new(talker_handle);
        talkers[i]->left = count;
    }
    int64_t start = bench_now_ns();
    for (int i = 0; i < TALKERS; i++)
        engine_send(&engine, talkers[i], NULL, 0);
    engine_run(&engine);
    int64_t time = bench_now_ns() - start;
    for (int i = 0; i < TALKERS; i++)
        sum += talkers[i]->sum;
    bench_require(sum == count * TALKERS, "pings");
    bench_print(name, (double)time / (double)(count * TALKERS));
}

static void creature_meet(struct actor *self, const struct message *message)
{
    self->left++;
    int64_t other = message->value;
    self->sum = self->sum == other ? other : COLOURS - self->sum - other;
    engine_send(&engine, &driver, self, self->sum);
}

static void mall_meet(struct actor *self, const struct message *message)
{
    if (self->left == 0)
        return;
    if (self->parent == NULL) { /* parent: who waits */
        self->parent = message->from;
        self->sum = message->value;
        return;
    }
    engine_send(&engine, self->parent, NULL, message->value);
    engine_send(&engine, message->from, NULL, self->sum);
    self->parent = NULL;
    self->left--;
}

static void chameneos_run(const char *name, int64_t parameter)
{
    (void)parameter;
    int64_t count = bench_scaled(400000, 1000), meetings = 0;
    struct actor *creatures[CREATURES];
    prepare(CREATURES * 100);
    driver.handle = mall_meet;
    driver.left = count;
    int64_t start = bench_now_ns();
    for (int i = 0; i < CREATURES; i++) {
        creatures[i] = actor_new(creature_meet);
        creatures[i]->sum = i % COLOURS;
        engine_send(&engine, &driver, creatures[i], creatures[i]->sum);
    }
    engine_run(&engine);
    int64_t time = bench_now_ns() - start;
    for (int i = 0; i < CREATURES; i++)
        meetings += creatures[i]->left;
    bench_require(meetings == 2 * count, "meetings");
    bench_print(name, (double)time / (double)count);
}

/* The tree, depth first: what is over gives its record to the next. */
static void part_handle(struct actor *self, const struct message *message);

static void part_spawn(struct actor *parent, int64_t first, int64_t leaves)
{
    struct actor *part = actor_new(part_handle);
    part->parent = parent;
    part->sum = first;
    part->left = leaves;
    engine_send(&engine, part, parent, leaves);
}

static void part_handle(struct actor *self, const struct message *message)
{
    if (message->from == NULL) { /* a sum from below */
        self->sum += message->value;
        if (--self->left == 0)
            engine_send(&engine, self->parent, NULL, self->sum);
        return;
    }
    int64_t first = self->sum, leaves = message->value;
    if (leaves == 1) {
        engine_send(&engine, self->parent, NULL, first);
        return;
    }
    self->sum = 0;
    self->left = 10;
    for (int64_t i = 0; i < 10; i++)
        part_spawn(self, first + i * (leaves / 10), leaves / 10);
}

static void skynet_run(const char *name, int64_t parameter)
{
    (void)parameter;
    int64_t wanted = bench_scaled(1000000, 1000), leaves = 10;
    while (leaves * 10 <= wanted)
        leaves *= 10;
    prepare((size_t)leaves * 3);
    driver.handle = add_up;
    int64_t start = bench_now_ns();
    part_spawn(&driver, 0, leaves);
    engine_run(&engine);
    int64_t time = bench_now_ns() - start;
    bench_require(driver.sum == leaves * (leaves - 1) / 2, "sum");
    bench_print(name, (double)time / (double)leaves);
}

static void million_run(const char *name, int64_t parameter)
{
    (void)parameter;
    int64_t count = bench_scaled(1000000, 1000);
    prepare((size_t)count + 1000);
    driver.handle = add_up;
    struct actor *actors = engine_take(&engine, (size_t)count * RECORD);
    int64_t start = bench_now_ns();
    for (int64_t i = 0; i < count; i++)
        *(struct actor *)((char *)actors + i * RECORD) = (struct actor){.handle = answer};
    for (int64_t i = 0; i < count; i++) {
        engine_send(&engine, (struct actor *)((char *)actors + i * RECORD), &driver, 1);
        if (i % EACH == 0)
            engine_run(&engine);
    }
    engine_run(&engine);
    int64_t time = bench_now_ns() - start;
    bench_require(driver.sum == count, "pongs");
    bench_print(name, (double)time / (double)count);
}

static void ring_handlers_run(const char *name, int64_t parameter)
{
    (void)parameter;
    enum { SIZE = 503 };
    int64_t hops = bench_scaled(2000000, 1000);
    struct actor *members[SIZE];
    prepare(SIZE * 2);
    for (int i = 0; i < SIZE; i++)
        members[i] = actor_new(member_pass);
    for (int i = 0; i < SIZE; i++)
        members[i]->parent = members[(i + 1) % SIZE];
    int64_t start = bench_now_ns();
    engine_send(&engine, members[0], NULL, hops);
    engine_run(&engine);
    int64_t time = bench_now_ns() - start;
    bench_require(driver.sum == 1, "token");
    bench_print(name, (double)time / (double)hops);
}

const struct bench_workload actor_limits[] = {
    {"spawn-burst", burst_run, 0},
    {"fork-join-create", create_run, 0},
    {"fork-join", fork_join_run, 0},
    {"fan-in", fan_in_run, 0},
    {"big", big_run, 0},
    {"chameneos", chameneos_run, 0},
    {"skynet", skynet_run, 0},
    {"million", million_run, 0},
    {"ring", ring_handlers_run, 0},
    {NULL, NULL, 0},
};
