/* SPDX-License-Identifier: Apache-2.0 */
/* The platform layer on Linux: memory, catching, threads, contexts and stacks. Threads meet through
 * parkers, joins and atomics; nothing sleeps to wait for another. */
#include "platform_help.h"

#include <malloc.h>

TEST(memory_is_aligned_and_counted)
{
    uint64_t before = isle__memory_live();
    unsigned char *a = isle__memory_alloc(100), *b = isle__memory_alloc(0);
    CHECK(a != NULL && b != NULL);
    CHECK_UINT((uintptr_t)a % 16, 0);
    CHECK_UINT(isle__memory_live() - before, 100);
    memset(a, 7, 100);
    a = isle__memory_resize(a, 100, 5000);
    CHECK(a != NULL && a[99] == 7);
    CHECK_UINT(isle__memory_live() - before, 5000);
    a = isle__memory_resize(a, 5000, 10);
    CHECK_UINT(isle__memory_live() - before, 10);
    isle__memory_free(a, 10);
    isle__memory_free(b, 0);
    isle__memory_free(NULL, 77);
    CHECK_UINT(isle__memory_live(), before);
}

TEST(memory_resize_of_null_allocates)
{
    uint64_t before = isle__memory_live();
    void *memory = isle__memory_resize(NULL, 0, 64);
    CHECK(memory != NULL);
    CHECK_UINT(isle__memory_live() - before, 64);
    isle__memory_free(memory, 64);
    CHECK_UINT(isle__memory_live(), before);
}

TEST(memory_refuses_what_no_address_space_holds)
{
    uint64_t before = isle__memory_live();
    void *memory = isle__memory_alloc(8);
    CHECK(isle__memory_alloc(SIZE_MAX) == NULL);
    CHECK(isle__memory_resize(memory, 8, SIZE_MAX - 15) == NULL);
    isle__memory_free(memory, 8);
    CHECK_UINT(isle__memory_live(), before);
}

TEST(memory_resized_in_place_is_counted)
{
    uint64_t before = isle__memory_live();
    void *memory = isle__memory_alloc(50);
    memory = isle__memory_resize(memory, 50, 60);
    CHECK_UINT(isle__memory_live() - before, 60);
    memory = isle__memory_resize(memory, 60, 49);
    CHECK_UINT(isle__memory_live() - before, 49);
    isle__memory_free(memory, 49);
    CHECK_UINT(isle__memory_live(), before);
}

/* More than a thread keeps: what overflows comes back in batches. */
TEST(memory_blocks_are_each_their_own)
{
    static const size_t sizes[] = {16, 64, 300, 1024, 2000, 4000, 50000};
    enum { COUNT = 400 };
    static size_t *blocks[COUNT];
    uint64_t before = isle__memory_live();
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
        for (int round = 0; round < 3; round++) {
            for (size_t i = 0; i < COUNT; i++) {
                blocks[i] = isle__memory_alloc(sizes[s]);
                CHECK(blocks[i] != NULL);
                blocks[i][0] = blocks[i][sizes[s] / sizeof **blocks - 1] = i;
            }
            CHECK_UINT(isle__memory_live() - before, COUNT * sizes[s]);
            for (size_t i = 0; i < COUNT; i++) {
                CHECK_UINT(blocks[i][0], i);
                CHECK_UINT(blocks[i][sizes[s] / sizeof **blocks - 1], i);
                isle__memory_free(blocks[i], sizes[s]);
            }
        }
    CHECK_UINT(isle__memory_live(), before);
}

static void many_fill(size_t **blocks, size_t count, size_t words, size_t mark)
{
    for (size_t i = 0; i < count; i++) {
        blocks[i] = isle__memory_alloc(words * sizeof(size_t));
        CHECK(blocks[i] != NULL);
        blocks[i][0] = blocks[i][words - 1] = mark + i;
    }
}

static void many_free(size_t **blocks, size_t count, size_t words, size_t mark, size_t but_each)
{
    for (size_t i = 0; i < count; i++) {
        if (blocks[i] == NULL || (but_each != 0 && i % but_each == 0))
            continue;
        CHECK_UINT(blocks[i][0], mark + i);
        CHECK_UINT(blocks[i][words - 1], mark + i);
        isle__memory_free(blocks[i], words * sizeof(size_t));
        blocks[i] = NULL;
    }
}

/* More than any cache holds. What is left of one size stands between what another size is given. */
TEST(memory_of_many_small_blocks_serves_other_sizes)
{
    enum { COUNT = 40000, FEW = 12, MORE = 26, MARK = 1000000 };
    size_t **few = malloc(COUNT * sizeof *few), **more = malloc(COUNT * sizeof *more);
    uint64_t before = isle__memory_live();
    CHECK(few != NULL && more != NULL);
    for (int round = 0; round < 3; round++) {
        many_fill(few, COUNT, FEW, 0);
        many_free(few, COUNT, FEW, 0, 997);
        many_fill(more, COUNT, MORE, MARK);
        many_free(few, COUNT, FEW, 0, 0);
        many_fill(few, COUNT, FEW, MARK * 2);
        many_free(more, COUNT, MORE, MARK, 0);
        many_free(few, COUNT, FEW, MARK * 2, 0);
    }
    CHECK_UINT(isle__memory_live(), before);
    free(few);
    free(more);
}

enum { BLOCKS = 1000 };
struct hoard {
    void *blocks[BLOCKS];
    bool take;
};

static void hoard_run(void *argument)
{
    struct hoard *hoard = argument;
    for (size_t i = 0; i < BLOCKS; i++)
        if (hoard->take)
            hoard->blocks[i] = isle__memory_alloc(i);
        else
            isle__memory_free(hoard->blocks[i], i);
}

TEST(memory_is_counted_exactly_over_threads_that_ended)
{
    static struct hoard hoards[8];
    struct isle__thread threads[8];
    uint64_t before = isle__memory_live();
    for (size_t round = 0; round < 2; round++) {
        for (size_t i = 0; i < 8; i++) {
            hoards[i].take = round == 0;
            start(&threads[i], hoard_run, &hoards[i]); /* another thread frees */
        }
        for (size_t i = 0; i < 8; i++)
            isle__thread_join(&threads[i]);
        CHECK_UINT(isle__memory_live() - before, round == 0 ? 8u * (BLOCKS * (BLOCKS - 1) / 2) : 0);
    }
}

/* One thread makes, the other frees: what lies in the depot between them goes round, whole batches
 * and each block once. */
enum { RELAY_ROUNDS = 200, RELAY_SIZE = 96 };
static struct {
    size_t *blocks[BLOCKS];
    struct isle__parker makes, frees;
    _Atomic unsigned turn; /* even: the maker's */
} relay;

static void relay_await(struct isle__parker *parker, unsigned turn)
{
    while (atomic_load(&relay.turn) != turn)
        isle__parker_park(parker, ISLE_FOREVER);
}

static void relay_pass(struct isle__parker *parker)
{
    atomic_fetch_add(&relay.turn, 1);
    isle__parker_unpark(parker);
}

static void relay_free(void *argument)
{
    for (unsigned round = 0; round < RELAY_ROUNDS; round++) {
        relay_await(&relay.frees, 2 * round + 1);
        for (size_t i = 0; i < BLOCKS; i++) {
            CHECK_UINT(relay.blocks[i][0], round * BLOCKS + i);
            CHECK_UINT(relay.blocks[i][RELAY_SIZE / sizeof(size_t) - 1], i);
            isle__memory_free(relay.blocks[i], RELAY_SIZE);
        }
        relay_pass(&relay.makes);
    }
    (void)argument;
}

TEST(memory_freed_by_another_thread_goes_round)
{
    uint64_t before = isle__memory_live();
    size_t early = 0;
    struct isle__thread thread;
    start(&thread, relay_free, NULL);
    for (unsigned round = 0; round < RELAY_ROUNDS; round++) {
        for (size_t i = 0; i < BLOCKS; i++) {
            relay.blocks[i] = isle__memory_alloc(RELAY_SIZE);
            relay.blocks[i][0] = round * BLOCKS + i;
            relay.blocks[i][RELAY_SIZE / sizeof(size_t) - 1] = i;
        }
        CHECK_UINT(isle__memory_live() - before, BLOCKS * RELAY_SIZE);
        relay_pass(&relay.frees);
        relay_await(&relay.makes, 2 * round + 2);
        CHECK_UINT(isle__memory_live(), before);
        if (round == 0)
            early = mallinfo2().uordblks;
    }
    isle__thread_join(&thread);
    CHECK_UINT(isle__memory_live(), before);
    CHECK(mallinfo2().uordblks < early + (size_t)512 * 1024); /* half of what the depot may hold */
}

static pthread_key_t late_key;

static void late_free(void *block)
{
    isle__memory_free(block, 48);
}

static void late_run(void *argument)
{
    (void)argument;
    pthread_setspecific(late_key, isle__memory_alloc(48));
}

TEST(memory_freed_while_a_thread_is_torn_down_is_counted)
{
    struct isle__thread thread;
    uint64_t before = isle__memory_live();
    CHECK_INT(pthread_key_create(&late_key, late_free), 0);
    start(&thread, late_run, NULL);
    isle__thread_join(&thread);
    CHECK_UINT(isle__memory_live(), before);
}

static uint64_t fork_before;

static void fork_counts(void)
{
    CHECK_UINT(isle__memory_live() - fork_before, 512);
}

TEST(memory_count_survives_a_fork)
{
    fork_before = isle__memory_live();
    void *memory = isle__memory_alloc(512);
    CHECK_INT(in_child(fork_counts), 0);
    isle__memory_free(memory, 512);
}

static void fail_elsewhere(void *argument)
{
    void *memory = isle__memory_alloc(16);
    CHECK(memory != NULL);
    isle__memory_free(memory, 16);
    *(bool *)argument = true;
}

TEST(memory_fails_the_nth_allocation_of_this_thread_once)
{
    struct isle__thread thread;
    bool ran = false;
    start(&thread, fail_elsewhere, &ran); /* first: it allocates itself */
    isle__thread_join(&thread);
    CHECK(ran);

    isle__memory_fail_at(3);
    void *a = isle__memory_alloc(16), *b = isle__memory_resize(NULL, 0, 16);
    CHECK(a != NULL && b != NULL);
    CHECK(isle__memory_resize(a, 16, 32) == NULL);
    void *c = isle__memory_alloc(16);
    CHECK(c != NULL);
    CHECK_UINT(isle__memory_fail_at(0), 4);
    CHECK_UINT(isle__memory_fail_at(0), 0);
    isle__memory_free(a, 16);
    isle__memory_free(b, 16);
    isle__memory_free(c, 16);

    isle__memory_fail_at(1);
    CHECK_ERR(isle__thread_start(&thread, "refused", fail_elsewhere, &ran), ISLE_ENOMEM);
    isle__memory_fail_at(0);
}

static struct isle__catch_buffer outer, inner;
static int catch_steps;

static void catch_inner(void *argument)
{
    catch_steps++;
    if (argument != NULL)
        isle__catch_jump(argument);
}

static void catch_outer(void *argument)
{
    bool caught = isle__catch_run(&inner, catch_inner, argument);
    catch_steps += caught ? 10 : 100;
}

TEST(catch_takes_its_own_jump_and_lets_the_others_pass)
{
    CHECK(!isle__catch_run(&outer, catch_outer, NULL));
    CHECK_INT(catch_steps, 101);
    CHECK(!isle__catch_run(&outer, catch_outer, &inner));
    CHECK_INT(catch_steps, 112);
    CHECK(isle__catch_run(&outer, catch_outer, &outer));
    CHECK_INT(catch_steps, 113);
}

TEST(clock_and_random_work)
{
    unsigned char a[64] = {0}, b[64] = {0};
    int64_t first = isle__clock_now(), second = isle__clock_now();
    CHECK(first > 0 && second >= first);
    isle__random_fill(a, sizeof a);
    isle__random_fill(b, sizeof b);
    CHECK(memcmp(a, b, sizeof a) != 0);
    CHECK(isle__cpu_count() >= 1);
}

struct seen {
    uint64_t id;
    char name[16];
    sigset_t blocked;
    int64_t used;
};

static void see(void *argument)
{
    struct seen *seen = argument;
    seen->id = isle__thread_id();
    pthread_getname_np(pthread_self(), seen->name, sizeof seen->name);
    pthread_sigmask(SIG_BLOCK, NULL, &seen->blocked);
    isle__thread_clock_id clock = isle__thread_clock();
    while ((seen->used = isle__thread_clock_read(clock)) == 0)
        isle__cpu_relax();
}

TEST(thread_has_a_name_and_blocks_asynchronous_signals)
{
    struct isle__thread thread;
    struct seen seen = {0};
    sigset_t here;
    CHECK_ERR(isle__thread_start(&thread, "a name that is too long", see, &seen), ISLE_OK);
    isle__thread_join(&thread);
    CHECK_STRING(seen.name, "a name that is ");
    CHECK(seen.id != 0 && seen.id != isle__thread_id());
    CHECK(seen.used > 0);
    CHECK_INT(isle__thread_clock_read(0), -1);
    CHECK_INT(sigismember(&seen.blocked, SIGINT), 1);
    CHECK_INT(sigismember(&seen.blocked, SIGCHLD), 1);
    CHECK_INT(sigismember(&seen.blocked, SIGSEGV), 0);
    CHECK_INT(sigismember(&seen.blocked, SIGABRT), 0);
    pthread_sigmask(SIG_BLOCK, NULL, &here);
    CHECK_INT(sigismember(&here, SIGINT), 0);
}

TEST(parker_permit_counts_once_and_timeouts_end)
{
    struct isle__parker parker = {0};
    int64_t began = isle__clock_now();
    isle__parker_unpark(&parker);
    isle__parker_unpark(&parker);
    isle__parker_park(&parker, ISLE_FOREVER);
    isle__parker_park(&parker, 0);
    isle__parker_park(&parker, -5);
    CHECK(isle__clock_now() - began < ISLE_SECONDS(5));
    began = isle__clock_now();
    while (isle__clock_now() - began < ISLE_MS(5)) /* may return early */
        isle__parker_park(&parker, ISLE_MS(5));
    CHECK(isle__clock_now() - began < ISLE_SECONDS(5));
}

struct table {
    struct isle__parker sides[2];
    _Atomic int turn;
    int shots; /* handed over with the turn: no atomic */
    int rounds;
};

static void table_play(struct table *table, int side)
{
    for (int i = 0; i < table->rounds; i++) {
        while (atomic_load_explicit(&table->turn, memory_order_acquire) != side)
            isle__parker_park(&table->sides[side], ISLE_FOREVER);
        table->shots++;
        atomic_store_explicit(&table->turn, 1 - side, memory_order_release);
        isle__parker_unpark(&table->sides[1 - side]);
    }
}

static void table_second(void *argument)
{
    table_play(argument, 1);
}

TEST(parkers_play_ping_pong_between_threads)
{
    static struct table table = {.rounds = 20000};
    struct isle__thread thread;
    start(&thread, table_second, &table);
    table_play(&table, 0);
    isle__thread_join(&thread);
    CHECK_INT(table.shots, 40000);
}

struct order {
    struct isle__parker parker;
    int data; /* ordered by the parkers alone */
};

static void order_run(void *argument)
{
    struct order *order = argument;
    order->data = 1;
    isle__parker_unpark(&order->parker);
}

TEST(parker_orders_what_was_written_before_the_unpark)
{
    struct order order = {0};
    struct isle__thread thread;
    start(&thread, order_run, &order);
    while (atomic_load_explicit(&order.parker.state, memory_order_relaxed) != 1)
        isle__thread_yield();
    isle__parker_park(&order.parker, ISLE_FOREVER);
    CHECK_INT(order.data, 1);
    isle__thread_join(&thread);
}

static struct isle__mutex count_lock;
static int count;

static void count_run(void *argument)
{
    (void)argument;
    for (int i = 0; i < 10000; i++) {
        isle__mutex_lock(&count_lock);
        count++;
        isle__mutex_unlock(&count_lock);
    }
}

TEST(mutex_excludes)
{
    struct isle__thread threads[4];
    isle__mutex_init(&count_lock);
    for (size_t i = 0; i < 4; i++)
        start(&threads[i], count_run, NULL);
    for (size_t i = 0; i < 4; i++)
        isle__thread_join(&threads[i]);
    CHECK_INT(count, 40000);
    isle__mutex_destroy(&count_lock);
}

static void pair_bounce(void *argument)
{
    struct pair *pair = argument;
    double sum = 0;
    for (;;) {
        sum += 1;
        pair->switches++;
        pair->sum = sum;
        errno = 7;
        isle__context_switch(&pair->away, &pair->home);
        if (errno != 7)
            fail("errno of the context is %d", errno);
    }
}

TEST(contexts_play_ping_pong)
{
    struct pair pair = {0};
    int64_t rounds = UNDER_ASAN || UNDER_TSAN ? 100000 : 1000000;
    pair_open(&pair, 65536, pair_bounce);
    for (int64_t i = 0; i < rounds; i++) {
        errno = 3;
        isle__context_switch(&pair.home, &pair.away);
        if (errno != 3)
            fail("errno of the thread is %d", errno);
    }
    CHECK_INT(pair.switches, rounds);
    CHECK_DOUBLE(pair.sum, (double)rounds);
    pair_close(&pair);
    CHECK_UINT(isle__stacks_out(), 0);
}

static void pair_visit(void *argument)
{
    struct pair *pair = argument;
    isle__context_init_thread(&pair->home); /* of this thread now */
    isle__context_switch(&pair->home, &pair->away);
}

TEST(context_wanders_over_threads)
{
    struct pair pair = {0};
    pair_open(&pair, 65536, pair_bounce);
    for (int i = 0; i < 50; i++) {
        struct isle__thread thread;
        start(&thread, pair_visit, &pair);
        isle__thread_join(&thread);
    }
    CHECK_INT(pair.switches, 50);
    CHECK_DOUBLE(pair.sum, 50);
    pair_close(&pair);
}

static void pair_throw_after_move(void *argument)
{
    struct pair *pair = argument;
    isle__context_switch(&pair->away, &pair->home);
    isle__catch_jump(&inner);
}

static void pair_catch(void *argument)
{
    struct pair *pair = argument;
    pair->switches = isle__catch_run(&inner, pair_throw_after_move, argument);
    isle__context_leave(&pair->away, &pair->home);
}

TEST(catch_works_in_a_context_that_moved_to_another_thread)
{
    struct pair pair = {0};
    struct isle__thread thread;
    pair_open(&pair, 65536, pair_catch);
    isle__context_switch(&pair.home, &pair.away);
    start(&thread, pair_visit, &pair);
    isle__thread_join(&thread);
    CHECK_INT(pair.switches, 1);
    pair_close(&pair);
}

static void pair_control_word(void *argument)
{
    struct pair *pair = argument;
#if defined(__x86_64__)
    __builtin_ia32_ldmxcsr(__builtin_ia32_stmxcsr() | 0x6000u); /* round to zero */
#endif
    isle__context_switch(&pair->away, &pair->home);
#if defined(__x86_64__)
    pair->switches = (__builtin_ia32_stmxcsr() & 0x6000u) == 0x6000u;
#endif
    isle__context_leave(&pair->away, &pair->home);
}

TEST(context_carries_its_rounding_mode)
{
#if defined(__x86_64__)
    struct pair pair = {0};
    pair_open(&pair, 65536, pair_control_word);
    isle__context_switch(&pair.home, &pair.away);
    CHECK_UINT(__builtin_ia32_stmxcsr() & 0x6000u, 0);
    isle__context_switch(&pair.home, &pair.away);
    CHECK_INT(pair.switches, 1);
    pair_close(&pair);
#else
    (void)pair_control_word;
    skip("reads an x86-64 register");
#endif
}

TEST(stacks_are_whole_and_refuse_nonsense)
{
    struct isle__stack a, b, other;
    CHECK_ERR(isle__stack_alloc(0, &a), ISLE_EINVAL);
    CHECK_ERR(isle__stack_alloc(SIZE_MAX, &a), ISLE_EINVAL);
    CHECK_ERR(isle__stack_alloc(16384, &a), ISLE_OK);
    CHECK_ERR(isle__stack_alloc(16384, &b), ISLE_OK);
    CHECK_ERR(isle__stack_alloc(32768, &other), ISLE_EINVAL);
    CHECK(a.size >= 16384 && a.low != b.low);
    memset(a.low, 1, a.size);
    memset(b.low, 2, b.size);
    CHECK_INT(((unsigned char *)a.low)[a.size - 1], 1);
    CHECK_UINT(isle__stacks_out(), 2);
    isle__stack_free(a);
    isle__stack_free(b);
    CHECK_UINT(isle__stacks_out(), 0);
    isle__stacks_release();
    CHECK_ERR(isle__stack_alloc(32768, &other), ISLE_OK);
    memset(other.low, 3, other.size);
    isle__stack_free(other);
    isle__stacks_release();
    isle__stacks_release();
}

/* The sanitizers' shadow of so many stacks is more than the machine may have; a tenth shows the
 * same. */
TEST(stacks_by_the_ten_thousand)
{
    size_t wanted = TEST_SANITIZER[0] != '\0' ? 2000 : 20000;
    struct isle__stack *stacks = calloc(wanted, sizeof *stacks);
    CHECK(stacks != NULL);
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < wanted; i++) {
            CHECK_ERR(isle__stack_alloc(256 * 1024, &stacks[i]), ISLE_OK);
            ((unsigned char *)stacks[i].low)[stacks[i].size - 1] = 1;
        }
        CHECK_UINT(isle__stacks_out(), wanted);
        for (size_t i = 0; i < wanted; i++)
            isle__stack_free(stacks[i]);
        if (round == 1)
            isle__stacks_release();
    }
    isle__stacks_release();
    free(stacks);
}

static void stacks_run(void *argument)
{
    (void)argument;
    struct isle__stack held[16];
    for (int i = 0; i < 200; i++) {
        for (size_t j = 0; j < 16; j++) {
            CHECK_ERR(isle__stack_alloc(32768, &held[j]), ISLE_OK);
            memset((unsigned char *)held[j].low + held[j].size - 64, (int)j, 64);
        }
        for (size_t j = 0; j < 16; j++) {
            CHECK_INT(((unsigned char *)held[j].low)[held[j].size - 1], j);
            isle__stack_free(held[j]);
        }
    }
}

TEST(stacks_are_given_to_one_owner_at_a_time)
{
    struct isle__thread threads[4];
    for (size_t i = 0; i < 4; i++)
        start(&threads[i], stacks_run, NULL);
    for (size_t i = 0; i < 4; i++)
        isle__thread_join(&threads[i]);
    CHECK_UINT(isle__stacks_out(), 0);
}

TEST_MAIN()
