/* SPDX-License-Identifier: Apache-2.0 */
/* Indices, beside an array of all keys. */
#include "core/index.h"
#include "platform/platform.h"
#include "test.h"

enum { KEYS = 500, STEPS = 20000 };

static uint64_t random_state = 1;

static uint64_t draw(uint64_t below)
{
    random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (random_state >> 33) % below;
}

/* As ids are: a slot, and a generation above it. */
static uint64_t key_of(size_t i)
{
    return i % 50 | (uint64_t)(i / 50 + 1) << 24;
}

TEST(indices_have_what_was_put_and_not_removed)
{
    struct isle__index index = {0};
    uintptr_t values[KEYS] = {0};
    size_t count = 0, live = isle__memory_live();

    for (int step = 0; step < STEPS; step++) {
        size_t i = draw(KEYS);
        /* It fills in the first half, and empties in the second. */
        if (draw(4) < (step < STEPS / 2 ? 3 : 1)) {
            uintptr_t value = draw(1000) + 1;
            CHECK(isle__index_put(&index, key_of(i), value));
            count += values[i] == 0 ? 1 : 0;
            values[i] = value;
        } else {
            isle__index_remove(&index, key_of(i));
            count -= values[i] == 0 ? 0 : 1;
            values[i] = 0;
        }
        CHECK_INT(index.count, count);
        i = draw(KEYS);
        CHECK_INT(isle__index_find(&index, key_of(i)), values[i]);
    }
    for (size_t i = 0; i < KEYS; i++)
        CHECK_INT(isle__index_find(&index, key_of(i)), values[i]);
    CHECK_INT(isle__memory_live(), live + isle__index_size(&index));
    isle__index_fini(&index);
    CHECK_INT(isle__memory_live(), live);
    CHECK_INT(isle__index_find(&index, key_of(0)), 0);
}

TEST(an_index_without_memory_is_as_it_was)
{
    struct isle__index index = {0};
    size_t put = 0;

    isle__memory_fail_at(1);
    CHECK(!isle__index_put(&index, 1, 1));
    isle__memory_fail_at(0);
    for (; index.capacity < 256; put++)
        CHECK(isle__index_put(&index, key_of(put), put + 1));
    isle__memory_fail_at(1);
    while (isle__index_put(&index, key_of(put), put + 1))
        put++;
    isle__memory_fail_at(0);
    CHECK_INT(index.count, put);
    CHECK(isle__index_put(&index, key_of(0), 77)); /* in its place */
    for (size_t i = 0; i <= put; i++)
        CHECK_INT(isle__index_find(&index, key_of(i)), i == 0 ? 77 : i == put ? 0 : i + 1);
    isle__index_fini(&index);
}

TEST(an_index_that_is_nearly_empty_gives_memory_back)
{
    struct isle__index index = {0};
    for (size_t i = 0; i < 10000; i++)
        CHECK(isle__index_put(&index, key_of(i), i + 1));
    size_t most = isle__index_size(&index);
    CHECK(isle__index_trim(&index));
    CHECK_UINT(isle__index_size(&index), most);
    isle__memory_fail_at(1);
    for (size_t i = 100; i < 10000; i++)
        isle__index_remove(&index, key_of(i));
    CHECK(!isle__index_trim(&index));
    isle__memory_fail_at(0);
    for (size_t i = 10; i < 100; i++) {
        isle__index_remove(&index, key_of(i));
        CHECK(isle__index_trim(&index));
    }
    CHECK(isle__index_size(&index) < most / 64);
    for (size_t i = 0; i < 100; i++)
        CHECK_INT(isle__index_find(&index, key_of(i)), i < 10 ? i + 1 : 0);
    isle__index_fini(&index);
    CHECK(isle__index_trim(&index));
}

TEST_MAIN()
