/* SPDX-License-Identifier: Apache-2.0 */
/* The memory of values: scopes, unwinding, the kept heap (the copier: test_parcels.c). Each test
 * drives a heap of its own, without any scheduler, and ends with nothing left. */
#include "memory_help.h"

static int order[8];
static size_t order_count;

static void note(void *context)
{
    order[order_count++] = (int)(intptr_t)context;
}

static void note_and_throw(void *context)
{
    note(context);
    isle_throwf("from task %d", (int)(intptr_t)context);
}

TEST(scope_runs_deferred_tasks_last_in_first_out)
{
    struct world world;
    world_open(&world);
    isle_scope scope = isle_scope_open();
    isle_defer(note, (void *)1);
    isle_defer(note, (void *)2);
    isle_scope inner = isle_scope_open();
    isle_defer(note, (void *)3);
    isle_scope_close(&scope);
    CHECK_INT(order_count, 3);
    CHECK_INT(order[0], 3);
    CHECK_INT(order[1], 2);
    CHECK_INT(order[2], 1);
    isle_scope_close(&inner);
    isle_scope_close(&scope);
    CHECK_INT(order_count, 3);
    world_close(&world);
}

TEST(scope_returns_its_memory)
{
    struct world world;
    world_open(&world);
    size_t before = world_used(&world);
    for (int turn = 0; turn < 1000; turn++) {
        ISLE_SCOPE;
        isle_value list = isle_list();
        for (int i = 0; i < 100; i++)
            isle_list_add(list, isle_stringf("element %d of a list", i));
        CHECK_INT(isle_count(list), 100);
    }
    CHECK_INT(world_used(&world), before);
    world_close(&world);
}

TEST(escape_hands_a_value_to_the_enclosing_scope)
{
    struct world world;
    world_open(&world);
    isle_scope scope = isle_scope_open();
    isle_value list = isle_list();
    isle_list_add(list, isle_string("inside"));
    isle_value out = isle_escape(list);
    CHECK(isle_identical(list, out));
    isle_scope_close(&scope);
    CHECK_STRING(isle_as_string(isle_list_get(out, 0)), "inside");
    world_close(&world);
}

/* What leads to nothing else is one value in both scopes, and is charged as one. */
TEST(escape_hands_single_values_to_the_enclosing_scope)
{
    struct world world;
    world_open(&world);
    isle_transferable(1); /* and the heap has its table */
    size_t before = world_used(&world);
    for (int taken = 0; taken < 2; taken++) {
        ISLE_SCOPE;
        isle_scope scope = isle_scope_open();
        isle_value list = isle_list(), moved = isle_transferable(100000);
        unsigned char *data = isle_transferable_data(moved);
        isle_value all[4] = {isle_string("inside"), isle_int(INT64_MAX), isle_double(0.1), moved};
        for (size_t i = 0; i < 4; i++)
            isle_list_add(list, all[i]);
        isle_value bytes = taken ? isle_materialize(moved) : isle_null(); /* both hold them */
        for (size_t i = 0; i < 4; i++) {
            all[i] = isle_escape(all[i]);
            CHECK(isle_identical(all[i], isle_list_get(list, i)));
        }
        CHECK(isle_as_int(isle_list_get(list, 1)) == INT64_MAX);
        if (taken)
            bytes = isle_escape(bytes);
        isle_scope_close(&scope);
        CHECK_STRING(isle_as_string(all[0]), "inside");
        CHECK(isle_as_int(all[1]) == INT64_MAX && isle_as_double(all[2]) == 0.1);
        size_t used = world_used(&world) - before;
        CHECK(used >= 100000 && used < 105000);
        CHECK((taken ? isle_bytes_data(bytes) : isle_transferable_data(all[3])) == data);
    }
    CHECK_INT(world_used(&world), before);
    world_close(&world);
}

static void escape_pointed(void *value)
{
    *(isle_value *)value = isle_escape(*(isle_value *)value);
}

TEST(escape_without_memory_leaves_the_value)
{
    struct world world;
    world_open(&world);
    isle_scope scope = isle_scope_open();
    char text[5000];
    memset(text, 'x', sizeof text);
    isle_value string = isle_string_sized(text, sizeof text);
    isle__memory_fail_at(1);
    CHECK_ERR(isle_protect(escape_pointed, &string, NULL), ISLE_ENOMEM);
    isle__memory_fail_at(0);
    CHECK_INT(isle_as_string(string)[4999], 'x');
    string = isle_escape(string);
    isle_scope_close(&scope);
    CHECK_INT(isle_as_string(string)[4999], 'x');
    world_close(&world);
}

static isle_value throw_deep(isle_value argument)
{
    isle_scope_open();
    isle_defer(note, (void *)1);
    isle_scope_open();
    isle_defer(note_and_throw, (void *)2);
    isle_value list = isle_list();
    isle_list_add(list, argument);
    isle_throw(list);
}

TEST(throw_closes_scopes_and_carries_its_value)
{
    struct world world;
    isle_value result = isle_null();
    world_open(&world);
    CHECK_ERR(isle_try(throw_deep, isle_int(7), &result), ISLE_ETHROWN);
    CHECK(isle_is_null(result));
    CHECK_INT(order_count, 2);
    CHECK_INT(order[0], 2);
    CHECK_INT(order[1], 1);
    CHECK_INT(isle_as_int(isle_list_get(isle_last_error(), 0)), 7);
    CHECK(world.frame.scope == &world.scope);
    world_close(&world);
}

static isle_value make_text(isle_value argument)
{
    (void)argument;
    return isle_string("made inside");
}

static isle_value wrong_kind(isle_value argument)
{
    return isle_int(isle_as_int(argument));
}

TEST(try_returns_the_result_or_the_code)
{
    struct world world;
    isle_value result;
    world_open(&world);
    CHECK_ERR(isle_try(make_text, isle_null(), &result), ISLE_OK);
    CHECK_STRING(isle_as_string(result), "made inside");
    CHECK(isle_is_null(isle_last_error()));
    CHECK_ERR(isle_try(wrong_kind, isle_string("x"), &result), ISLE_ETYPE);
    CHECK_STRING(isle_error_text(isle_last_error()), "isle_as_int: expected an int, got a string");
    world_close(&world);
}

static isle_value fail_often(isle_value argument)
{
    (void)argument;
    isle_throwf("a failure of %d", 1);
}

TEST(failures_are_told_after_the_scope_of_their_call_and_take_no_memory)
{
    struct world world;
    world_open(&world);
    CHECK_ERR(isle__fail(ISLE_EFULL, "mailbox of %s", "x"), ISLE_EFULL);
    size_t used = world_used(&world);
    for (int i = 0; i < 10000; i++)
        CHECK_ERR(isle__fail(ISLE_EFULL, "mailbox %d", i), ISLE_EFULL);
    CHECK_INT(world_used(&world), used);
    CHECK_STRING(isle_error_text(isle_last_error()), "mailbox 9999");
    CHECK_ERR(isle_try(fail_often, isle_null(), NULL), ISLE_ETHROWN);
    CHECK_STRING(isle_error_text(isle_last_error()), "a failure of 1");
    world_close(&world);
}

static void protect_throw(void *argument)
{
    (void)argument;
    isle_defer(note, (void *)1);
    isle_scope_open();
    isle_defer(note, (void *)2);
    isle_throw(isle_int(5));
}

static void protect_end(void *argument)
{
    isle__unwind_end(argument);
}

static isle_value end_inside_try(isle_value argument)
{
    (void)argument;
    isle__unwind_end(isle__heap_current());
    return isle_null();
}

static void try_to_catch_the_end(void *argument)
{
    (void)!isle_try(end_inside_try, isle_null(), NULL);
    *(bool *)argument = true;
}

TEST(protect_stops_every_unwinding)
{
    struct world world;
    isle_value error;
    bool reached = false;
    world_open(&world);
    CHECK_ERR(isle_protect(protect_throw, NULL, &error), ISLE_ETHROWN);
    CHECK_INT(isle_as_int(error), 5);
    CHECK_INT(order_count, 1);
    CHECK(!world.frame.pending_end);
    CHECK_ERR(isle_protect(protect_end, &world.heap, NULL), ISLE_ECANCELED);
    CHECK(world.frame.pending_end);
    world.frame.pending_end = false;
    CHECK_ERR(isle_protect(try_to_catch_the_end, &reached, NULL), ISLE_ECANCELED);
    CHECK(!reached);
    world_close(&world);
    CHECK_INT(order_count, 2);
}

TEST(abandoned_frame_runs_its_tasks)
{
    struct world world;
    struct isle__frame other;
    world_open(&world);
    isle__frame_init(&other, &world.heap);
    world.heap.frame = &other;
    struct isle__scope scope;
    isle__scope_init(&scope, &other);
    isle_defer(note, (void *)1);
    isle_scope_open();
    isle_defer(note_and_throw, (void *)2);
    world.heap.frame = &world.frame;
    isle__frame_abandon(&other);
    CHECK_INT(order_count, 2);
    CHECK_INT(order[0], 2);
    CHECK(world.heap.frame == &world.frame);
    isle__frame_fini(&other);
    world_close(&world);
}

TEST(uninterrupted_sections_nest_and_end_with_a_throw)
{
    struct world world;
    world_open(&world);
    {
        ISLE_UNINTERRUPTED;
        CHECK_INT(world.frame.uninterrupted, 1);
        {
            ISLE_UNINTERRUPTED;
            CHECK_INT(world.frame.uninterrupted, 2);
        }
        CHECK_INT(world.frame.uninterrupted, 1);
    }
    CHECK_INT(world.frame.uninterrupted, 0);
    world_close(&world);
}

TEST(keep_outlives_the_scope_and_keeps_identity)
{
    struct world world;
    world_open(&world);
    isle_scope scope = isle_scope_open();
    isle_value map = isle_map(), list = isle_list();
    isle_put(map, "list", list);
    isle_put(map, "self", map);
    isle_value kept = isle_keep(map);
    CHECK(isle_identical(map, kept));
    isle_list_add(list, isle_string("through the old reference"));
    CHECK_INT(isle_count(isle_get(kept, "list")), 1);
    CHECK(isle_identical(isle_get(kept, "self"), map));
    isle_scope_close(&scope);
    isle__kept_collect(&world.heap);
    CHECK_STRING(isle_as_string(isle_list_get(isle_get(kept, "list"), 0)),
                 "through the old reference");
    isle_release(kept);
    CHECK_INT(isle__kept_count(&world.heap) > 0, 1);
    world_close(&world);
}

TEST(old_references_stay_good_after_release)
{
    struct world world;
    world_open(&world);
    isle_value list = isle_list(), inner = isle_list();
    isle_list_add(list, inner);
    isle_list_add(inner, isle_int(3));
    isle_value kept = isle_keep(list);
    isle_list_set(kept, 0, isle_null());
    isle_release(kept);
    isle__kept_collect(&world.heap);
    CHECK_INT(isle_as_int(isle_list_get(inner, 0)), 3);
    CHECK_INT(isle_count(list), 1);
    world_close(&world);
}

TEST(storing_into_a_kept_container_keeps)
{
    struct world world;
    world_open(&world);
    isle_value kept = isle_keep(isle_map());
    {
        ISLE_SCOPE;
        isle_value inner = isle_list();
        isle_put(kept, "inner", inner);
        isle_list_add(inner, isle_string("later"));
        CHECK(isle_identical(isle_get(kept, "inner"), inner));
    }
    isle__kept_collect(&world.heap);
    CHECK_STRING(isle_as_string(isle_list_get(isle_get(kept, "inner"), 0)), "later");
    world_close(&world);
}

TEST(storing_into_an_outer_container_copies_outwards)
{
    struct world world;
    world_open(&world);
    isle_value outer = isle_list(), inner;
    {
        ISLE_SCOPE;
        inner = isle_list();
        isle_list_add(outer, inner);
        isle_list_add(inner, isle_string("later"));
    }
    CHECK_STRING(isle_as_string(isle_list_get(isle_list_get(outer, 0), 0)), "later");
    world_close(&world);
}

static void release(void *argument)
{
    isle_release(*(isle_value *)argument);
}

TEST(release_of_what_is_not_kept_throws)
{
    struct world world;
    world_open(&world);
    isle_value kept = isle_keep(isle_list()), list = isle_list();
    isle_release(kept);
    CHECK_ERR(isle_protect(release, &kept, NULL), ISLE_EINVAL);
    CHECK_ERR(isle_protect(release, &list, NULL), ISLE_EINVAL);
    isle_release(isle_keep(isle_int(3)));
    world_close(&world);
}

TEST(kept_updates_run_at_flat_memory)
{
    struct world world;
    isle_value cell = isle_null();
    size_t most = 0;
    world_open(&world);
    isle_value map = isle_keep(isle_map());
    int turns = TEST_SANITIZER[0] != 0 ? 200000 : 3000000;
    for (int i = 0; i < turns; i++) {
        ISLE_SCOPE;
        isle_value list = isle_list();
        isle_list_add(list, isle_int(i));
        isle_put(map, i % 3 == 0 ? "a" : i % 3 == 1 ? "b" : "c", list);
        if (i % 64 == 0)
            isle_cell_set(&cell, list);
        if (world_used(&world) > most)
            most = world_used(&world);
    }
    CHECK(most < 1024 * 1024);
    CHECK_INT(isle_count(map), 3);
    world_close(&world);
}

static isle_value nested(size_t depth)
{
    isle_value list = isle_list();
    for (size_t i = 1; i < depth; i++) {
        isle_value outer = isle_list_fixed(1);
        isle_list_set(outer, 0, list);
        list = outer;
    }
    return list;
}

TEST(a_list_nested_a_million_deep_is_kept_sent_and_collected)
{
    struct world world;
    struct isle__parcel parcel;
    size_t depth = 1000000, count = 0;
    world_open(&world);
    isle_value kept = isle_keep(nested(depth));
    CHECK_INT(isle__kept_count(&world.heap), depth);
    CHECK_ERR(isle__parcel_copy(&world.heap, kept, 16, &parcel), ISLE_OK);
    isle__parcel_commit(&parcel);
    isle_scope scope = isle_scope_open();
    isle_value arrived = isle__parcel_adopt(&parcel, world.frame.scope);
    for (; isle_count(arrived) != 0; arrived = isle_list_get(arrived, 0))
        count++;
    CHECK_INT(count, depth - 1);
    isle_scope_close(&scope);
    world_close(&world);
}

TEST(a_million_deep_list_is_collected_without_its_scope)
{
    struct world world;
    world_open(&world);
    isle_value kept;
    {
        ISLE_SCOPE;
        kept = isle_keep(nested(1000000));
    }
    isle__kept_collect(&world.heap);
    CHECK_INT(isle__kept_count(&world.heap), 1000000);
    {
        ISLE_SCOPE;
        isle_release(kept);
    }
    isle__kept_collect(&world.heap);
    CHECK_INT(isle__kept_count(&world.heap), 0);
    world_close(&world);
}

TEST_MAIN()
