/* SPDX-License-Identifier: Apache-2.0 */
/* The limits of code that waits in direct style: a switch of stacks, on stacks that are used again,
 * and a message in an intrusive list for each send. */
#include "limit.h"

enum { STACK_SIZE = 64 * 1024 };

struct context {
    void *stack_pointer;
};

/* Where there is no switch for the machine, and where a sanitizer would have to be told about the
 * stacks, these limits are left out. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#define SANITIZED (__has_feature(address_sanitizer) || __has_feature(thread_sanitizer))
#else
#define SANITIZED 0
#endif

#if defined(__x86_64__) && !SANITIZED
/* Keeps what a called function must keep, no more. A jump ends it: a return to where no call came
 * from would be guessed wrong each time. */
void limit_switch(struct context *from, const struct context *to);
__asm__(".text\n"
        ".globl limit_switch\n"
        ".type limit_switch, @function\n"
        "limit_switch:\n"
        "    pushq %rbp\n"
        "    pushq %rbx\n"
        "    pushq %r12\n"
        "    pushq %r13\n"
        "    pushq %r14\n"
        "    pushq %r15\n"
        "    movq %rsp, (%rdi)\n"
        "    movq (%rsi), %rsp\n"
        "    popq %r15\n"
        "    popq %r14\n"
        "    popq %r13\n"
        "    popq %r12\n"
        "    popq %rbx\n"
        "    popq %rbp\n"
        "    popq %rdx\n"
        "    jmp *%rdx\n"
        ".size limit_switch, . - limit_switch\n");

static void context_make(struct context *context, char *stack, void (*entry)(void))
{
    void **top = (void **)(void *)(stack + STACK_SIZE);
    top[-2] = (void *)(uintptr_t)entry; /* returned to; the stack is aligned as after a call */
    for (int i = 3; i <= 8; i++)
        top[-i] = NULL;
    context->stack_pointer = top - 8;
}
#define HAVE_SWITCH 1
#else
#define HAVE_SWITCH 0
#endif

#if HAVE_SWITCH
struct message {
    struct message *next;
    int64_t value;
};

/* A list with its end, used by one thread. */
struct mailbox {
    struct message *first, *last;
};

struct timer {
    struct timer *next, *prior;
    int64_t deadline;
};

struct pair {
    struct context client, server;
    struct mailbox to_client, to_server;
    struct message *unused;
    struct timer timers; /* a ring with a head */
    char pad[64];
};

static void mailbox_put(struct pair *pair, struct mailbox *box, int64_t value)
{
    struct message *message = pair->unused;
    pair->unused = message->next;
    message->next = NULL;
    message->value = value;
    if (box->first == NULL)
        box->first = message;
    else
        box->last->next = message;
    box->last = message;
}

static int64_t mailbox_take(struct pair *pair, struct mailbox *box)
{
    struct message *message = box->first;
    box->first = message->next;
    message->next = pair->unused;
    pair->unused = message;
    return message->value;
}

static _Thread_local struct pair *here;

static void serve(void)
{
    struct pair *pair = here;
    for (;;) {
        mailbox_put(pair, &pair->to_client, mailbox_take(pair, &pair->to_server));
        limit_switch(&pair->server, &pair->client);
    }
}

static int64_t trips(struct pair *pair, int64_t count)
{
    int64_t sum = 0;
    for (int64_t i = 0; i < count; i++) {
        mailbox_put(pair, &pair->to_server, i);
        limit_switch(&pair->client, &pair->server);
        sum += mailbox_take(pair, &pair->to_client);
    }
    return sum;
}

static int64_t calls(struct pair *pair, int64_t count)
{
    int64_t sum = 0;
    for (int64_t i = 0; i < count; i++) {
        struct timer timer = {pair->timers.next, &pair->timers, bench_now_ns() + 5000000000};
        timer.next->prior = &timer;
        pair->timers.next = &timer;
        mailbox_put(pair, &pair->to_server, i);
        limit_switch(&pair->client, &pair->server);
        sum += mailbox_take(pair, &pair->to_client);
        timer.next->prior = timer.prior;
        timer.prior->next = timer.next;
    }
    return sum;
}

static double pair_time(int64_t (*drive)(struct pair *pair, int64_t count), int64_t count)
{
    struct message messages[2] = {{&messages[1], 0}, {NULL, 0}};
    struct pair pair = {.unused = messages};
    char *stack = bench_alloc(STACK_SIZE);
    pair.timers.next = pair.timers.prior = &pair.timers;
    here = &pair;
    context_make(&pair.server, stack, serve);
    drive(&pair, count / 20);
    int64_t start = bench_now_ns();
    int64_t sum = drive(&pair, count);
    int64_t time = bench_now_ns() - start;
    bench_require(sum == count * (count - 1) / 2, "sum");
    free(stack);
    return (double)time / (double)count;
}

static void round_trip_run(const char *name, int64_t parameter)
{
    (void)parameter;
    bench_print(name, pair_time(trips, bench_scaled(5000000, 1000)));
}

static void call_run(const char *name, int64_t parameter)
{
    (void)parameter;
    bench_print(name, pair_time(calls, bench_scaled(3000000, 1000)));
}

static void *pair_thread(void *time)
{
    *(double *)time = pair_time(trips, bench_scaled(5000000, 1000));
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

static void answer_once(void)
{
    struct pair *pair = here;
    mailbox_put(pair, &pair->to_client, 1);
    limit_switch(&pair->server, &pair->client);
}

/* Created on a stack that is used again, one message back, gone. */
static void spawn_run(const char *name, int64_t parameter)
{
    (void)parameter;
    struct message message = {NULL, 0};
    struct pair pair = {.unused = &message};
    int64_t count = bench_scaled(5000000, 1000), sum = 0;
    char *stack = bench_alloc(STACK_SIZE);
    here = &pair;
    int64_t start = bench_now_ns();
    for (int64_t i = 0; i < count; i++) {
        context_make(&pair.server, stack, answer_once);
        limit_switch(&pair.client, &pair.server);
        sum += mailbox_take(&pair, &pair.to_client);
    }
    int64_t time = bench_now_ns() - start;
    bench_require(sum == count, "answers");
    bench_print(name, (double)time / (double)count);
    free(stack);
}
#endif

const struct bench_workload stack_limits[] = {
#if HAVE_SWITCH
    {"spawn", spawn_run, 0}, {"round-trip", round_trip_run, 0},
    {"pairs", pairs_run, 0}, {"call-timeout", call_run, 0},
#endif
    {NULL, NULL, 0},
};
