/* SPDX-License-Identifier: Apache-2.0 */
/* An isolate's heap without an isolate: enough for every function of src/value. A test opens one,
 * works in its scope, and closes it; closing checks that all memory came back. */
#ifndef ISLE_HEAP_FIXTURE_H
#define ISLE_HEAP_FIXTURE_H

#include "test.h"
#include "value/heap.h"

struct heap_fixture {
    struct isle__heap heap;
    struct isle__frame frame;
    struct isle__scope scope;
    uint64_t live; /* before it was opened */
};

static inline void heap_fixture_open(struct heap_fixture *fixture, size_t limit)
{
    memset(fixture, 0, sizeof(*fixture)); /* isle__heap_init leaves the counters of a former life */
    fixture->live = isle__memory_live();
    isle__heap_init(&fixture->heap, limit);
    isle__frame_init(&fixture->frame, &fixture->heap);
    isle__heap_set_current(&fixture->heap);
    fixture->heap.frame = &fixture->frame;
    isle__scope_init(&fixture->scope, &fixture->frame);
}

static inline void heap_fixture_close(struct heap_fixture *fixture)
{
    isle__scope_fini(&fixture->scope, NULL);
    isle__frame_fini(&fixture->frame);
    isle__heap_fini(&fixture->heap);
    isle__heap_set_current(NULL);
    CHECK_UINT(atomic_load_explicit(&fixture->heap.used, memory_order_relaxed), 0);
    CHECK_UINT(isle__memory_live(), fixture->live);
}

/* A test whose body runs in such a heap; `fixture` is it. */
#define TEST_HEAP(name)                                                                            \
    static void test_heap_##name(struct heap_fixture *fixture);                                    \
    TEST(name)                                                                                     \
    {                                                                                              \
        struct heap_fixture fixture;                                                               \
        heap_fixture_open(&fixture, SIZE_MAX);                                                     \
        test_heap_##name(&fixture);                                                                \
        heap_fixture_close(&fixture);                                                              \
    }                                                                                              \
    static void test_heap_##name(struct heap_fixture *fixture ISLE_FIXTURE_UNUSED)
#define ISLE_FIXTURE_UNUSED __attribute__((unused))

/* body(argument) must throw that code and text. */
static inline void heap_fixture_throws(const char *at, isle_computation *body, isle_value argument,
                                       isle_err code, const char *text)
{
    isle_err got = isle_try(body, argument, NULL);

    test_check_err(at, "what was thrown", got, code);
    if (text != NULL)
        test_check_string(at, "its text", isle_error_text(isle_last_error()), text);
}
#define CHECK_THROWS(body, argument, code, text)                                                   \
    heap_fixture_throws(TEST__AT, body, argument, code, text)

/* A computation for CHECK_THROWS; `v` is its argument. */
#define CALL(name, expression)                                                                     \
    static isle_value name(isle_value v)                                                           \
    {                                                                                              \
        (void)v;                                                                                   \
        (void)(expression);                                                                        \
        return isle_null();                                                                        \
    }
#define CALL_VOID(name, statement)                                                                 \
    static isle_value name(isle_value v)                                                           \
    {                                                                                              \
        (void)v;                                                                                   \
        statement;                                                                                 \
        return isle_null();                                                                        \
    }

#endif
