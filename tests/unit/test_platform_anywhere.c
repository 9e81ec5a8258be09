/* SPDX-License-Identifier: Apache-2.0 */
/* What the platform layer promises on every system, those without threads included; and that a
 * system which lacks something says so. */
#include "test.h"

#include "platform/platform.h"

TEST(memory_is_aligned_and_counted)
{
    uint64_t before = isle__memory_live();
    unsigned char *memory = isle__memory_alloc(100);
    CHECK(memory != NULL);
    CHECK_UINT((uintptr_t)memory % 16, 0);
    CHECK_UINT(isle__memory_live() - before, 100);
    memory[99] = 7;
    memory = isle__memory_resize(memory, 100, 100000);
    CHECK(memory != NULL && memory[99] == 7);
    CHECK_UINT((uintptr_t)memory % 16, 0);
    CHECK_UINT(isle__memory_live() - before, 100000);
    CHECK(isle__memory_resize(memory, 100000, SIZE_MAX) == NULL);
    CHECK(isle__memory_alloc(SIZE_MAX) == NULL);
    isle__memory_free(memory, 100000);
    isle__memory_free(NULL, 1);
    CHECK_UINT(isle__memory_live(), before);
}

TEST(memory_fails_the_nth_allocation_once)
{
    isle__memory_fail_at(2);
    void *first = isle__memory_alloc(16);
    CHECK(first != NULL);
    CHECK(isle__memory_resize(first, 16, 32) == NULL);
    void *third = isle__memory_alloc(16);
    CHECK(third != NULL);
    CHECK_UINT(isle__memory_fail_at(0), 3);
    isle__memory_free(first, 16);
    isle__memory_free(third, 16);
}

static struct isle__catch_buffer outer, inner;
static int steps;

static void run_inner(void *argument)
{
    volatile char frame[1000];
    frame[0] = 1;
    steps += frame[0];
    if (argument != NULL)
        isle__catch_jump(argument);
}

static void run_outer(void *argument)
{
    steps += isle__catch_run(&inner, run_inner, argument) ? 10 : 100;
}

TEST(catch_takes_its_own_jump_and_lets_the_others_pass)
{
    CHECK(!isle__catch_run(&outer, run_outer, NULL));
    CHECK_INT(steps, 101);
    CHECK(!isle__catch_run(&outer, run_outer, &inner));
    CHECK_INT(steps, 112);
    CHECK(isle__catch_run(&outer, run_outer, &outer));
    CHECK_INT(steps, 113);
}

/* Each leaves a frame of 1,000 bytes: a stack that is not given back ends before this does. */
TEST(catch_gives_the_stack_back)
{
    int before = steps;
    for (int i = 0; i < 100000; i++)
        if (!isle__catch_run(&inner, run_inner, &inner))
            fail("round %d was not caught", i);
    CHECK_INT(steps - before, 100000);
}

TEST(clock_and_random_work)
{
    unsigned char a[1000] = {0}, b[1000] = {0};
    int64_t first = isle__clock_now();
    CHECK(isle__clock_now() >= first);
    isle__random_fill(a, sizeof a);
    isle__random_fill(b, sizeof b);
    CHECK(memcmp(a, b, 32) != 0);
    CHECK(memcmp(a + sizeof a - 32, b + sizeof b - 32, 32) != 0);
    CHECK(isle__cpu_count() >= 1);
    CHECK(isle__thread_id() != 0);
}

TEST(parker_permit_counts_once_and_timeouts_end)
{
    struct isle__parker parker = {0};
    isle__parker_unpark(&parker);
    isle__parker_unpark(&parker);
    isle__parker_park(&parker, ISLE_FOREVER);
    isle__parker_park(&parker, 0);
    int64_t began = isle__clock_now();
    while (isle__clock_now() - began < ISLE_MS(5)) /* may return early */
        isle__parker_park(&parker, ISLE_MS(5));
    CHECK(isle__clock_now() - began < ISLE_SECONDS(5));
}

TEST(what_is_lacking_is_refused)
{
    struct isle__thread thread;
    struct isle__stack stack;
    struct isle__poller *poller;
    void *library, *symbol;
    char text[256] = "";
    if (!isle__platform_has(ISLE__HAS_THREADS))
        CHECK_ERR(isle__thread_start(&thread, "none", NULL, NULL), ISLE_EUNSUPPORTED);
    if (!isle__platform_has(ISLE__HAS_STACKS))
        CHECK_ERR(isle__stack_alloc(65536, &stack), ISLE_EUNSUPPORTED);
    if (!isle__platform_has(ISLE__HAS_POLLER))
        CHECK_ERR(isle__poller_open(&poller), ISLE_EUNSUPPORTED);
    if (!isle__platform_has(ISLE__HAS_LOADER)) {
        CHECK_ERR(isle__library_open("a.so", "f", &library, &symbol, text, sizeof text),
                  ISLE_EUNSUPPORTED);
        CHECK_STRING(text, "a.so: shared objects cannot be loaded on this system");
    }
}

TEST_MAIN()
