/* SPDX-License-Identifier: Apache-2.0 */
/* The limits between cores: a cache line that two threads spin on, and a list that producers
 * exchange themselves into. With BENCH_THREADS=1 the producers and the consumer take turns on one
 * core, which needs no atomics. */
#include <stdatomic.h>

#include "limit.h"

enum { LINE = 64, WINDOW = 4096 };

struct line {
    _Alignas(LINE) _Atomic int64_t value;
};
static struct line there, back;

static void spin_until(struct line *line, int64_t value)
{
    while (atomic_load_explicit(&line->value, memory_order_acquire) != value) {
#if defined(__x86_64__)
        __builtin_ia32_pause();
#endif
    }
}

static void *bounce(void *count)
{
    bench_pin(1);
    for (int64_t i = 1; i <= *(int64_t *)count; i++) {
        spin_until(&there, i);
        atomic_store_explicit(&back.value, i, memory_order_release);
    }
    return NULL;
}

static void cores_run(const char *name, int64_t parameter)
{
    (void)parameter;
    int64_t count = bench_scaled(2000000, 1000);
    pthread_t thread;
    bench_require(pthread_create(&thread, NULL, bounce, &count) == 0, "thread");
    bench_pin(0);
    int64_t start = bench_now_ns();
    for (int64_t i = 1; i <= count; i++) {
        atomic_store_explicit(&there.value, i, memory_order_release);
        spin_until(&back, i);
    }
    int64_t time = bench_now_ns() - start;
    pthread_join(thread, NULL);
    bench_print(name, (double)time / (double)count);
}

struct message {
    struct message *next;
    int64_t value;
};

/* Newest first; the consumer takes all with one exchange. */
static struct {
    _Alignas(LINE) _Atomic(struct message *) head;
} box;

struct producer {
    _Alignas(LINE) _Atomic int64_t taken; /* by the consumer, windows of this producer */
    struct message *messages;             /* two windows, used in turn */
    int64_t count;
    int id;
};

static void push_one(struct message *message, int64_t value)
{
    message->value = value;
    struct message *head = atomic_load_explicit(&box.head, memory_order_relaxed);
    do
        message->next = head;
    while (!atomic_compare_exchange_weak_explicit(&box.head, &head, message, memory_order_release,
                                                  memory_order_relaxed));
}

static void *produce(void *argument)
{
    struct producer *me = argument;
    for (int64_t i = 0; i < me->count; i++) {
        if (i % WINDOW == 0)
            while (i / WINDOW - atomic_load_explicit(&me->taken, memory_order_acquire) >= 2)
                sched_yield();
        push_one(&me->messages[i % (2 * WINDOW)], i << 8 | me->id);
    }
    return NULL;
}

/* Oldest first: an order that is promised, and what lets a producer use its window again. */
static struct message *reversed(struct message *message)
{
    struct message *first = NULL;
    while (message != NULL) {
        struct message *next = message->next;
        message->next = first;
        first = message;
        message = next;
    }
    return first;
}

static int64_t consume_all(struct producer *producers, int64_t total)
{
    int64_t sum = 0;
    for (int64_t left = total; left > 0;) {
        struct message *message = atomic_exchange_explicit(&box.head, NULL, memory_order_acquire);
        if (message == NULL)
            sched_yield();
        for (message = reversed(message); message != NULL; left--) {
            struct message *next = message->next;
            int64_t value = message->value;
            sum += value >> 8;
            if ((value >> 8) % WINDOW == WINDOW - 1)
                atomic_fetch_add_explicit(&producers[value & 0xff].taken, 1, memory_order_release);
            message = next;
        }
    }
    return sum;
}

static int64_t send_between_cores(struct producer *producers, int count, int64_t each)
{
    pthread_t threads[16];
    for (int i = 0; i < count; i++)
        bench_require(pthread_create(&threads[i], NULL, produce, &producers[i]) == 0, "thread");
    int64_t sum = consume_all(producers, each * count);
    for (int i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
    return sum;
}

/* Without atomics: a producer fills a window, the consumer empties it. */
static int64_t send_on_one_core(struct producer *producers, int count, int64_t each)
{
    int64_t sum = 0;
    for (int64_t done = 0; done < each; done += WINDOW)
        for (int k = 0; k < count; k++) {
            struct message *first = NULL, **last = &first;
            for (int64_t i = done; i < done + WINDOW && i < each; i++) {
                struct message *message = &producers[k].messages[i % WINDOW];
                message->value = i;
                message->next = NULL;
                *last = message;
                last = &message->next;
            }
            __asm__ volatile("" : : "r"(first) : "memory");
            for (struct message *message = first; message != NULL; message = message->next)
                sum += message->value;
        }
    return sum;
}

static void send_run(const char *name, int64_t producer_count)
{
    static struct producer producers[16];
    int count = (int)producer_count;
    int64_t each = bench_scaled(5000000, 8000) / count;
    for (int i = 0; i < count; i++)
        producers[i] = (struct producer){
            .messages = bench_alloc(2 * WINDOW * sizeof(struct message)), .count = each, .id = i};
    int64_t start = bench_now_ns();
    int64_t sum = bench_threads() > 1 ? send_between_cores(producers, count, each)
                                      : send_on_one_core(producers, count, each);
    int64_t time = bench_now_ns() - start;
    bench_require(sum == count * (each * (each - 1) / 2), "sum");
    bench_print(name, (double)(each * count) * 1e9 / (double)time);
}

const struct bench_workload thread_limits[] = {
    {"round-trip-cores", cores_run, 0},
    {"send-2-1", send_run, 2},
    {"send-8-1", send_run, 8},
    {NULL, NULL, 0},
};
