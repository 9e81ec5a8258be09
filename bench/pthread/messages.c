/* SPDX-License-Identifier: Apache-2.0 */
/* Messages between two threads, or many and one. */
#include "thread.h"

struct pair {
    struct queue to_client, to_server;
    int pinned; /* the server's core, or -1 */
};

/* Negative: the end. */
static void *echo_thread(void *argument)
{
    struct pair *pair = argument;
    if (pair->pinned >= 0)
        bench_pin(pair->pinned);
    for (;;) {
        struct mail *mail = queue_take(&pair->to_server);
        if (mail->value < 0) {
            queue_put(&pair->to_client, mail);
            return NULL;
        }
        if (mail->data != NULL && mail->reply_to == NULL) { /* copied on the way back too */
            void *copy = malloc(mail->size);
            memcpy(copy, mail->data, mail->size);
            free(mail->data);
            mail->data = copy;
        }
        queue_put(&pair->to_client, mail);
    }
}

static void pair_begin(struct pair *pair, int pinned)
{
    queue_init(&pair->to_client);
    queue_init(&pair->to_server);
    pair->pinned = pinned;
    bench_thread(echo_thread, pair);
}

static void pair_end(struct pair *pair)
{
    queue_send(&pair->to_server, -1, NULL);
    queue_receive(&pair->to_client, NULL);
}

static int64_t trips(struct pair *pair, int64_t count)
{
    int64_t sum = 0;
    for (int64_t i = 0; i < count; i++) {
        queue_send(&pair->to_server, i, NULL);
        sum += queue_receive(&pair->to_client, NULL);
    }
    return sum;
}

static double trip_time(int pinned, int64_t count)
{
    struct pair pair;
    pair_begin(&pair, pinned);
    trips(&pair, count / 20);
    int64_t start = bench_now_ns();
    int64_t sum = trips(&pair, count);
    int64_t time = bench_now_ns() - start;
    pair_end(&pair);
    bench_require(sum == count * (count - 1) / 2, "sum");
    return (double)time / (double)count;
}

static void round_trip_run(const char *name, int64_t pinned)
{
    if (pinned >= 0)
        bench_pin(0);
    bench_print(name, trip_time((int)pinned, bench_scaled(20000, 500)));
}

static void *pair_thread(void *time)
{
    *(double *)time = trip_time(-1, bench_scaled(20000, 500));
    return NULL;
}

static void pairs_run(const char *name, int64_t parameter)
{
    (void)parameter;
    double times[2];
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        bench_require(pthread_create(&threads[i], NULL, pair_thread, &times[i]) == 0, "thread");
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    bench_print(name, times[0] > times[1] ? times[0] : times[1]);
}

static void call_run(const char *name, int64_t parameter)
{
    (void)parameter;
    struct pair pair;
    int64_t count = bench_scaled(20000, 500), sum = 0, start = bench_now_ns();
    pair_begin(&pair, -1);
    for (int64_t i = 0; i < count; i++) {
        struct timespec deadline;
        clock_gettime(CLOCK_MONOTONIC, &deadline);
        deadline.tv_sec += 5;
        queue_send(&pair.to_server, i, NULL);
        struct mail *mail = queue_take_until(&pair.to_client, &deadline);
        bench_require(mail != NULL, "an answer");
        sum += mail->value;
        free(mail);
    }
    int64_t time = bench_now_ns() - start;
    pair_end(&pair);
    bench_require(sum == count * (count - 1) / 2, "sum");
    bench_print(name, (double)time / (double)count);
}

static void stamp(unsigned char *data, size_t size, int64_t round)
{
    memcpy(data, &round, sizeof round);
    memcpy(data + size - sizeof round, &round, sizeof round);
}

static void stamp_require(const unsigned char *data, size_t size, int64_t round)
{
    bench_require(memcmp(data, &round, sizeof round) == 0 &&
                      memcmp(data + size - sizeof round, &round, sizeof round) == 0,
                  "the bytes");
}

static void copies(struct pair *pair, unsigned char *mine, size_t size, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        struct mail *mail = malloc(sizeof *mail);
        stamp(mine, size, i);
        *mail = (struct mail){.data = malloc(size), .size = size};
        memcpy(mail->data, mine, size);
        queue_put(&pair->to_server, mail);
        mail = queue_take(&pair->to_client);
        stamp_require(mail->data, size, i);
        free(mail->data);
        free(mail);
    }
}

/* The same bytes go there and back: reply_to says that they are not to be copied. */
static void moves(struct pair *pair, unsigned char *mine, size_t size, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        struct mail *mail = malloc(sizeof *mail);
        stamp(mine, size, i);
        *mail = (struct mail){.data = mine, .size = size, .reply_to = &pair->to_client};
        queue_put(&pair->to_server, mail);
        mail = queue_take(&pair->to_client);
        stamp_require(mail->data, size, i);
        free(mail);
    }
}

static void echo_run(const char *name, int64_t size_wanted)
{
    bool moved = strncmp(name, "echo-move", 9) == 0;
    size_t size = (size_t)size_wanted;
    int64_t count = bench_scaled(moved || size <= 65536 ? 20000 : size <= 1 << 20 ? 2000 : 60, 10);
    void (*rounds)(struct pair *, unsigned char *, size_t, int64_t) = moved ? moves : copies;
    struct pair pair;
    unsigned char *mine = malloc(size);
    memset(mine, 0x5a, size);
    pair_begin(&pair, -1);
    rounds(&pair, mine, size, count / 10 + 1);
    int64_t start = bench_now_ns();
    rounds(&pair, mine, size, count);
    int64_t time = bench_now_ns() - start;
    pair_end(&pair);
    free(mine);
    bench_print(name, (double)time / (double)count);
}

/* A tree of structs, copied node by node: each its own malloc, freed by the receiver. */
enum { LEVELS = 5, FAN_OUT = 10, NODES = 11111 };

struct node {
    int64_t id;
    char *name;
    struct node *children;
    size_t child_count;
};

static void node_fill(struct node *node, int level, int64_t *next_id)
{
    char name[32];
    node->id = (*next_id)++;
    snprintf(name, sizeof name, "node %" PRId64, node->id);
    node->name = strdup(name);
    node->child_count = level > 1 ? FAN_OUT : 0;
    node->children = level > 1 ? bench_alloc(FAN_OUT * sizeof *node->children) : NULL;
    for (size_t i = 0; i < node->child_count; i++)
        node_fill(&node->children[i], level - 1, next_id);
}

static void node_copy(struct node *to, const struct node *from)
{
    *to = *from;
    to->name = strdup(from->name);
    if (from->child_count == 0)
        return;
    to->children = malloc(from->child_count * sizeof *to->children);
    for (size_t i = 0; i < from->child_count; i++)
        node_copy(&to->children[i], &from->children[i]);
}

static int64_t node_free(struct node *node)
{
    int64_t sum = node->id;
    for (size_t i = 0; i < node->child_count; i++)
        sum += node_free(&node->children[i]);
    free(node->name);
    free(node->children);
    return sum;
}

static void *tree_thread(void *argument)
{
    struct pair *pair = argument;
    for (;;) {
        struct mail *mail = queue_take(&pair->to_server);
        if (mail->value < 0) {
            queue_put(&pair->to_client, mail);
            return NULL;
        }
        mail->value = node_free(mail->data);
        free(mail->data);
        queue_put(&pair->to_client, mail);
    }
}

static void tree_run(const char *name, int64_t parameter)
{
    (void)parameter;
    struct pair pair;
    struct node tree;
    int64_t next_id = 0, count = bench_scaled(300, 5), sum = 0;
    node_fill(&tree, LEVELS, &next_id);
    queue_init(&pair.to_client);
    queue_init(&pair.to_server);
    bench_thread(tree_thread, &pair);
    int64_t start = bench_now_ns();
    for (int64_t i = 0; i < count; i++) {
        struct mail *mail = malloc(sizeof *mail);
        *mail = (struct mail){.data = malloc(sizeof(struct node))};
        node_copy(mail->data, &tree);
        queue_put(&pair.to_server, mail);
        sum += queue_receive(&pair.to_client, NULL);
    }
    int64_t time = bench_now_ns() - start;
    pair_end(&pair);
    bench_require(sum == count * ((int64_t)NODES * (NODES - 1) / 2), "sum of the trees");
    bench_print(name, (double)time / (double)count);
}

/* Many to one: the consumer takes all that is there at once. */
enum { WINDOW = 4096 };

struct production {
    struct queue *consumer;
    struct queue taken; /* a mail for each window that the consumer has had */
    int64_t count;
};

static void *produce(void *argument)
{
    struct production *mine = argument;
    int64_t behind = 0;
    for (int64_t i = 0; i < mine->count; i++) {
        bool last = i % WINDOW == WINDOW - 1;
        queue_send(mine->consumer, i, last ? &mine->taken : NULL);
        if (last && ++behind == 2) {
            queue_receive(&mine->taken, NULL);
            behind--;
        }
    }
    return NULL;
}

static void send_run(const char *name, int64_t parts)
{
    static struct production productions[8];
    struct queue queue;
    int64_t count = bench_scaled(2000000, 8000) / parts, sum = 0, left = count * parts;
    queue_init(&queue);
    int64_t start = bench_now_ns();
    for (int64_t i = 0; i < parts; i++) {
        productions[i] = (struct production){.consumer = &queue, .count = count};
        queue_init(&productions[i].taken);
        bench_thread(produce, &productions[i]);
    }
    while (left > 0)
        for (struct mail *mail = queue_take_all(&queue); mail != NULL; left--) {
            struct mail *next = mail->next;
            sum += mail->value;
            if (mail->reply_to != NULL)
                queue_send(mail->reply_to, 0, NULL);
            free(mail);
            mail = next;
        }
    int64_t time = bench_now_ns() - start;
    bench_require(sum == parts * (count * (count - 1) / 2), "sum");
    bench_print(name, (double)(count * parts) * 1e9 / (double)time);
}

const struct bench_workload message_workloads[] = {
    {"round-trip", round_trip_run, -1},
    {"round-trip-cores", round_trip_run, 1},
    {"pairs", pairs_run, 0},
    {"call-timeout", call_run, 0},
    {"send-2-1", send_run, 2},
    {"send-8-1", send_run, 8},
    {"echo-copy-1k", echo_run, 1024},
    {"echo-copy-64k", echo_run, 65536},
    {"echo-copy-1m", echo_run, 1 << 20},
    {"echo-copy-16m", echo_run, 16 << 20},
    {"echo-move-1k", echo_run, 1024},
    {"echo-move-64k", echo_run, 65536},
    {"echo-move-1m", echo_run, 1 << 20},
    {"echo-move-16m", echo_run, 16 << 20},
    {"tree-typed", tree_run, 0},
    {NULL, NULL, 0},
};
