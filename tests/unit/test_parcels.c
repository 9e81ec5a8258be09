/* SPDX-License-Identifier: Apache-2.0 */
/* The memory of values: the copier, what it shares and moves, what is charged, and every failed
 * allocation. Each test drives a heap of its own, without any scheduler, and ends with nothing
 * left. */
#include "memory_help.h"

struct person {
    const char *name;
    struct person *friend;
    struct person **others;
    int other_count;
    isle_value note;
    double numbers[2];
};
extern const isle_type person_type;
ISLE_TYPE(person_type, struct person, ISLE_FIELD(struct person, name),
          ISLE_FIELD_OBJECT(struct person, friend, &person_type),
          ISLE_FIELD_OBJECTS(struct person, others, other_count, &person_type),
          ISLE_FIELD(struct person, other_count), ISLE_FIELD(struct person, note),
          ISLE_FIELD_INLINE(struct person, numbers));

static isle_value send_and_receive(struct world *world, isle_value value)
{
    struct isle__parcel parcel;
    isle_err err = isle__parcel_copy(&world->heap, value, 40, &parcel);
    if (err != ISLE_OK)
        isle_value_print(isle_last_error(), stderr);
    CHECK_ERR(err, ISLE_OK);
    isle__parcel_commit(&parcel);
    return isle__parcel_adopt(&parcel, &world->scope);
}

TEST(parcel_keeps_cycles_sharing_and_views)
{
    struct world world;
    world_open(&world);
    isle_value map = isle_map(), list = isle_list(), bytes = isle_bytes("0123456789", 10);
    isle_put(map, "self", map);
    isle_put(map, "list", list);
    isle_put(map, "again", list);
    isle_put(map, "bytes", bytes);
    isle_put(map, "view", isle_bytes_view(bytes, 2, 3));
    for (int i = 0; i < 20; i++)
        isle_map_put(map, isle_int(i), isle_int(i * i));
    isle_map_remove(map, isle_int(3));
    isle_value copy = send_and_receive(&world, map);
    CHECK(!isle_identical(copy, map));
    CHECK(isle_identical(isle_get(copy, "self"), copy));
    CHECK(isle_identical(isle_get(copy, "list"), isle_get(copy, "again")));
    CHECK(!isle_map_has(copy, isle_int(3)));
    CHECK_INT(isle_as_int(isle_map_get(copy, isle_int(19))), 361);
    CHECK(isle_equal(copy, map));
    ((char *)isle_bytes_data(isle_get(copy, "view")))[0] = 'x';
    CHECK_INT(((const char *)isle_as_bytes(isle_get(copy, "bytes"), NULL))[2], 'x');
    CHECK_INT(((const char *)isle_as_bytes(bytes, NULL))[2], '2');
    for (int i = 100; i < 200; i++)
        isle_map_put(copy, isle_int(i), isle_string("grown"));
    CHECK_STRING(isle_as_string(isle_map_get(copy, isle_int(150))), "grown");
    CHECK_INT(isle_as_int(isle_map_get(copy, isle_int(19))), 361);
    world_close(&world);
}

/* Nothing in these is beyond the quick way to copy; afterwards the original is as it was. */
TEST(plain_parcel_keeps_sharing)
{
    struct world world;
    world_open(&world);
    isle_value root = isle_list(), list = isle_list(), map = isle_map();
    isle_list_add(list, isle_int(7));
    isle_put(map, "list", list);
    for (int i = 0; i < 2; i++) {
        isle_list_add(root, list);
        isle_list_add(root, map);
    }
    for (int round = 0; round < 3; round++) {
        isle_value copy = send_and_receive(&world, root);
        CHECK(isle_equal(copy, root));
        CHECK(!isle_identical(isle_list_get(copy, 0), list));
        CHECK(isle_identical(isle_list_get(copy, 0), isle_list_get(copy, 2)));
        CHECK(isle_identical(isle_list_get(copy, 1), isle_list_get(copy, 3)));
        CHECK(isle_identical(isle_get(isle_list_get(copy, 1), "list"), isle_list_get(copy, 0)));
        CHECK_INT(isle_as_int(isle_list_get(isle_list_get(copy, 0), 0)), 7);
        CHECK_INT(isle_as_int(isle_list_get(list, 0)), 7);
    }
    world_close(&world);
}

TEST(plain_parcel_keeps_cycles)
{
    struct world world;
    world_open(&world);
    isle_value root = isle_list(), map = isle_map();
    isle_list_add(root, root);
    isle_list_add(root, map);
    isle_put(map, "root", root);
    for (int round = 0; round < 3; round++) {
        isle_value copy = send_and_receive(&world, root);
        CHECK(!isle_identical(copy, root));
        CHECK(isle_identical(isle_list_get(copy, 0), copy));
        CHECK(isle_identical(isle_get(isle_list_get(copy, 1), "root"), copy));
        CHECK(isle_identical(isle_list_get(root, 0), root));
    }
    world_close(&world);
}

TEST(many_strings_arrive_each_as_itself)
{
    enum { STRINGS = 1000 };
    struct world world;
    world_open(&world);
    isle_value list = isle_list(), text = isle_string("twice");
    for (int i = 0; i < STRINGS; i++)
        isle_list_add(list, isle_stringf("string %d", i));
    isle_list_add(list, text);
    isle_list_add(list, text);
    isle_value copy = send_and_receive(&world, list);
    for (int i = 0; i < STRINGS; i++) {
        char expected[32];
        snprintf(expected, sizeof expected, "string %d", i);
        CHECK_STRING(isle_as_string(isle_list_get(copy, (size_t)i)), expected);
    }
    CHECK_STRING(isle_as_string(isle_list_get(copy, STRINGS + 1)), "twice");
    world_close(&world);
}

static const char *refused(struct world *world, isle_value value)
{
    struct isle__parcel parcel;
    CHECK_ERR(isle__parcel_copy(&world->heap, value, 16, &parcel), ISLE_EUNSENDABLE);
    return isle_error_text(isle_last_error());
}

TEST(refused_message_names_the_path_and_changes_nothing)
{
    struct world world;
    world_open(&world);
    isle_value map = isle_map(), list = isle_list(), transferable = isle_transferable(100);
    char *data = isle_transferable_data(transferable);
    for (int i = 0; i < 3; i++)
        isle_list_add(list, isle_int(i));
    isle_put(map, "t", transferable);
    isle_put(map, "a", list);
    isle_list_add(list, isle_pointer((void *)0x1230));
    isle_value root = isle_list();
    isle_list_add(root, map);
    isle_list_add(root, root);
    CHECK_STRING(refused(&world, root), "Illegal argument in isolate message: a pointer\n"
                                        " <- element 3 of a list\n"
                                        " <- value of key \"a\" of a map\n"
                                        " <- element 0 of a list\n"
                                        " <- the message");
    CHECK_STRING(refused(&world, isle_pointer((void *)0x1230)),
                 "Illegal argument in isolate message: a pointer\n <- the message");
    CHECK(isle_transferable_data(transferable) == data);
    CHECK_INT(isle_count(list), 4);
    CHECK(isle_identical(isle_list_get(root, 1), root));
    world_close(&world);
}

TEST(transferables_move_and_come_back)
{
    struct world world;
    struct isle__parcel parcel;
    world_open(&world);
    size_t before = world_used(&world);
    isle_value list = isle_list(), transferable = isle_transferable(1 << 20);
    char *data = isle_transferable_data(transferable);
    strcpy(data, "moved");
    isle_list_add(list, transferable);
    isle_list_add(list, transferable);
    CHECK(world_used(&world) > before + (1 << 20));
    CHECK_ERR(isle__parcel_copy(&world.heap, list, 16, &parcel), ISLE_OK);
    CHECK(world_used(&world) < before + (1 << 20));
    isle__parcel_undo(&parcel);
    CHECK(isle_transferable_data(transferable) == data);
    CHECK(world_used(&world) > before + (1 << 20));
    isle_value arrived = send_and_receive(&world, list);
    CHECK(isle_identical(isle_list_get(arrived, 0), isle_list_get(arrived, 1)));
    isle_value bytes = isle_materialize(isle_list_get(arrived, 0));
    CHECK(isle_as_bytes(bytes, NULL) == data);
    CHECK_STRING(isle_as_bytes(bytes, NULL), "moved");
    CHECK(strstr(refused(&world, transferable), "a transferable that was sent") != NULL);
    isle_value kept = isle_keep(bytes);
    CHECK(isle_as_bytes(kept, NULL) == data);
    world_close(&world);
}

TEST(a_moved_parcel_takes_the_chunks_and_can_give_them_back)
{
    struct world world;
    struct isle__parcel parcel;
    world_open(&world);
    struct isle__scope scope;
    isle__scope_init(&scope, &world.frame);
    isle_value list = isle_list();
    for (int i = 0; i < 10000; i++)
        isle_list_add(list, isle_stringf("a text that is number %d of all", i));
    isle_list_add(list, list);
    size_t used = world_used(&world);
    CHECK_ERR(isle__parcel_move(&world.heap, list, 32, &parcel), ISLE_OK);
    CHECK(parcel.root.bits == list.bits);
    CHECK(parcel.size > 500000);
    CHECK(world_used(&world) < 1000);
    isle__parcel_undo(&parcel);
    CHECK_INT(world_used(&world), used);
    CHECK_INT(isle_count(list), 10001);
    CHECK_ERR(isle__parcel_move(&world.heap, list, 32, &parcel), ISLE_OK);
    isle__parcel_commit(&parcel);
    isle__scope_fini(&scope, NULL);
    list = isle__parcel_adopt(&parcel, &world.scope);
    CHECK(isle_identical(isle_list_get(list, 10000), list));
    CHECK_STRING(isle_as_string(isle_list_get(list, 77)), "a text that is number 77 of all");
    isle_list_add(list, isle_string("and more"));
    isle_list_set(list, 0, isle_pointer(&world));
    CHECK_ERR(isle__parcel_move(&world.heap, list, 32, &parcel), ISLE_EUNSENDABLE);
    world_close(&world);
}

TEST(keys_by_identity_are_found_after_every_copy)
{
    struct world world;
    world_open(&world);
    struct person people[20];
    memset(people, 0, sizeof(people));
    isle_value map = isle_map(), keys = isle_list();
    for (int i = 0; i < 20; i++) {
        isle_value key = i % 2 == 0 ? isle_list() : isle_object(&person_type, &people[i]);
        isle_list_add(keys, key);
        isle_map_put(map, key, isle_int(i));
    }
    isle_map_remove(map, isle_list_get(keys, 4));
    isle_value both = isle_list();
    isle_list_add(both, map);
    isle_list_add(both, keys);
    isle_value arrived = send_and_receive(&world, both);
    for (int turn = 0; turn < 3; turn++) {
        isle_value set = isle_list_get(arrived, 0), list = isle_list_get(arrived, 1);
        CHECK_INT(isle_count(set), 19);
        for (int i = 0; i < 20; i++) {
            isle_value found = isle_map_get(set, isle_list_get(list, (size_t)i));
            CHECK_INT(isle_is_null(found) ? -1 : isle_as_int(found), i == 4 ? -1 : i);
        }
        arrived = turn == 0 ? isle_keep(arrived) : isle_freeze(arrived);
    }
    world_close(&world);
}

TEST(resources_are_duplicated_and_closed)
{
    struct world world;
    struct isle__parcel parcel;
    int fds[2];
    char byte;
    if (isle__pipe_open(fds) != ISLE_OK)
        skip("no descriptors to duplicate here");
    world_open(&world);
    isle_scope scope = isle_scope_open();
    CHECK_ERR(isle__parcel_copy(&world.heap, isle_resource(fds[1]), 16, &parcel), ISLE_OK);
    isle_scope_close(&scope);
    isle__parcel_drop(&parcel);
    CHECK_INT(read(fds[0], &byte, 1), 0);
    close(fds[0]);
    world_close(&world);
}

TEST(frozen_graphs_are_shared_and_charged_once)
{
    struct world world;
    world_open(&world);
    isle_value list = isle_list();
    isle_list_add(list, isle_string("frozen"));
    isle_list_add(list, isle_bytes(NULL, 100000));
    isle_value frozen = isle_freeze(list);
    size_t used = world_used(&world);
    isle_value kept = isle_keep(frozen), holder = isle_keep(isle_list());
    isle_list_add(holder, frozen);
    CHECK(kept.bits == frozen.bits);
    isle_value arrived = send_and_receive(&world, frozen);
    CHECK(arrived.bits == frozen.bits);
    CHECK(world_used(&world) < used + 20000);
    isle__kept_collect(&world.heap);
    CHECK_STRING(isle_as_string(isle_list_get(isle_list_get(holder, 0), 0)), "frozen");
    isle_release(kept);
    isle_list_set(holder, 0, isle_null());
    isle__kept_collect(&world.heap);
    CHECK(world.heap.more->kept_holds == NULL);
    world_close(&world);
}

struct branch {
    int number;
    struct branch *left, *right;
};
extern const isle_type branch_type;
ISLE_TYPE(branch_type, struct branch, ISLE_FIELD(struct branch, number),
          ISLE_FIELD_OWNED(struct branch, left, &branch_type),
          ISLE_FIELD_OWNED(struct branch, right, &branch_type));

TEST(structs_arrive_with_cycles_and_values)
{
    struct world world;
    world_open(&world);
    struct person anna = {"Anna", NULL, NULL, 0, isle_null(), {1, 2}};
    struct person *others[2] = {&anna, NULL};
    struct person bert = {"Bert", &anna, others, 2, isle_string("a note"), {3, 4}};
    anna.friend = &bert;
    isle_value list = isle_list();
    isle_list_add(list, isle_object(&person_type, &anna));
    isle_list_add(list, isle_object(&person_type, &bert));
    isle_value arrived = send_and_receive(&world, list);
    struct person *a = isle_as_object(isle_list_get(arrived, 0), &person_type);
    struct person *b = isle_as_object(isle_list_get(arrived, 1), &person_type);
    CHECK(a != &anna);
    CHECK(a->friend == b);
    CHECK(b->friend == a);
    CHECK(b->others[0] == a && b->others[1] == NULL);
    CHECK_STRING(b->name, "Bert");
    CHECK_STRING(isle_as_string(b->note), "a note");
    CHECK_DOUBLE(b->numbers[1], 4);
    bert.note = isle_pointer((void *)0x10);
    CHECK_STRING(refused(&world, list), "Illegal argument in isolate message: a pointer\n"
                                        " <- field note of struct person\n"
                                        " <- element 1 of a list\n"
                                        " <- the message");
    world_close(&world);
}

TEST(kept_structs_keep_their_values)
{
    struct world world;
    isle_value kept;
    world_open(&world);
    {
        ISLE_SCOPE;
        struct person anna = {"Anna", NULL, NULL, 0, isle_null(), {1, 2}};
        struct person bert = {"Bert", &anna, NULL, 0, isle_list(), {3, 4}};
        isle_value list = isle_list();
        isle_list_add(bert.note, isle_string("inside"));
        isle_list_add(list, isle_object(&person_type, &anna));
        isle_list_add(list, isle_object(&person_type, &bert));
        anna.note = isle_object(&person_type, &bert);
        kept = isle_keep(list);
        isle_list_add(bert.note, isle_string("later"));
    }
    isle__kept_collect(&world.heap);
    isle_value only = isle_keep(isle_list_get(kept, 1));
    isle_release(kept);
    isle__kept_collect(&world.heap);
    struct person *bert = isle_as_object(only, &person_type);
    CHECK_STRING(bert->friend->name, "Anna");
    CHECK_INT(isle_count(bert->note), 2);
    CHECK_STRING(isle_as_string(isle_list_get(bert->note, 1)), "later");
    CHECK(isle_as_object(bert->friend->note, &person_type) == bert);
    world_close(&world);
}

TEST(a_cycle_of_owned_fields_is_out_of_range)
{
    struct world world;
    struct isle__parcel parcel;
    world_open(&world);
    struct branch nodes[50];
    memset(nodes, 0, sizeof(nodes));
    for (int i = 0; i < 50; i++) {
        nodes[i].left = i > 0 ? &nodes[i - 1] : NULL;
        nodes[i].right = i < 49 ? &nodes[i + 1] : NULL;
    }
    CHECK_ERR(isle__parcel_copy_object(&world.heap, &branch_type, &nodes[20], 16, &parcel),
              ISLE_ERANGE);
    for (int i = 0; i < 50; i++)
        nodes[i].left = NULL;
    nodes[49].number = 49;
    CHECK_ERR(isle__parcel_copy_object(&world.heap, &branch_type, &nodes[0], 16, &parcel), ISLE_OK);
    isle_value arrived = isle__parcel_adopt(&parcel, &world.scope);
    struct branch *at = isle_as_object(arrived, &branch_type);
    while (at->right != NULL)
        at = at->right;
    CHECK_INT(at->number, 49);
    world_close(&world);
}

TEST(alloc_is_charged_and_foreign_pointers_are_refused)
{
    struct world world;
    world_open_limited(&world, 100000);
    size_t before = world_used(&world);
    char *memory = isle_alloc(1000);
    CHECK(world_used(&world) >= before + 1000);
    for (int i = 0; i < 1000; i++)
        CHECK_INT(memory[i], 0);
    memory = isle_realloc(memory, 2000);
    CHECK_INT(memory[1999], 0);
    isle_free(memory);
    isle_free(NULL);
    for (int i = 0; i < 100; i++)
        CHECK(isle_alloc((size_t)i) != NULL);
    world_close(&world);
}

static void free_foreign(void *pointer)
{
    isle_free(pointer);
}

static void alloc_much(void *argument)
{
    isle_alloc(*(size_t *)argument);
}

TEST(alloc_over_the_limit_throws_and_a_foreign_free_is_an_error)
{
    struct world world;
    size_t much = 100000;
    world_open_limited(&world, 100000);
    int local[16];
    void *memory = isle_alloc(10);
    isle_free(memory);
    CHECK_ERR(isle_protect(free_foreign, local, NULL), ISLE_EINVAL);
    CHECK_ERR(isle_protect(free_foreign, memory, NULL), ISLE_EINVAL);
    CHECK_ERR(isle_protect(alloc_much, &much, NULL), ISLE_ENOMEM);
    world_close(&world);
}

ISLE_LOCAL(int, counter);
ISLE_LOCAL(long, other_counter);

TEST(locals_are_of_the_isolate)
{
    struct world world;
    for (int i = 0; i < 2; i++) {
        world_open(&world);
        CHECK_INT(*counter(), 0);
        *counter() = 3;
        *other_counter() += 4;
        CHECK_INT(*counter(), 3);
        CHECK_INT(*other_counter(), 4);
        world_close(&world);
    }
}

static isle_value build_message(void *context)
{
    isle_value list = isle_list();
    isle_list_add(list, isle_string(context));
    return list;
}

static isle_value build_badly(void *context)
{
    isle_throwf("%s", (const char *)context);
}

TEST(a_foreign_thread_builds_a_parcel)
{
    struct isle__parcel parcel;
    struct world world;
    uint64_t live = isle__memory_live();
    CHECK_ERR(isle__parcel_build(build_badly, "no", 16, &parcel), ISLE_ETHROWN);
    CHECK_INT(isle__memory_live(), live);
    CHECK_ERR(isle__parcel_build(build_message, "hello", 16, &parcel), ISLE_OK);
    world_open(&world);
    world.live = live;
    isle_value list = isle__parcel_adopt(&parcel, &world.scope);
    CHECK_STRING(isle_as_string(isle_list_get(list, 0)), "hello");
    world_close(&world);
}

static void sweep_work(void *argument)
{
    struct world *world = argument;
    struct isle__parcel parcel;
    struct person anna = {"Anna", NULL, NULL, 0, isle_null(), {1, 2}};
    struct person bert = {"Bert", &anna, NULL, 0, isle_string("x"), {3, 4}};
    anna.friend = &bert;
    isle_scope_open();
    isle_value map = isle_map(), list = isle_list();
    isle_put(map, "self", map);
    isle_put(map, "list", list);
    isle_put(map, "object", isle_object(&person_type, &anna));
    for (int i = 0; i < 100; i++)
        isle_list_add(list, isle_stringf("string number %d", i));
    isle_list_add(list, isle_transferable(1000));
    isle_list_add(list, isle_freeze(isle_list_fixed(3)));
    isle_err err = isle__parcel_copy(&world->heap, map, 16, &parcel);
    if (err != ISLE_OK)
        isle_throw(isle_last_error());
    isle__parcel_undo(&parcel);
    isle_value kept = isle_keep(map);
    isle_list_add(isle_get(kept, "list"), isle_string("more"));
    isle_value twin = isle_list();
    isle_list_add(kept = isle_keep(isle_list()), twin);
    isle_escape(map);
    isle_alloc(100);
}

TEST(every_failed_allocation_leaves_all_as_it_was)
{
    struct world world;
    uint64_t n = 0, made, refused_count = 0;
    do {
        world_open(&world);
        isle__memory_fail_at(++n);
        isle_err err = isle_protect(sweep_work, &world, NULL);
        made = isle__memory_fail_at(0);
        if (err != ISLE_OK)
            CHECK_ERR(err, ISLE_ENOMEM);
        refused_count += err != ISLE_OK;
        world_close(&world);
    } while (n <= made); /* some refusals are survived */
    CHECK(refused_count > 50);
}

TEST(every_limit_leaves_all_as_it_was)
{
    struct world world;
    isle_err err = ISLE_ENOMEM;
    for (size_t limit = 0; err != ISLE_OK; limit += 512) {
        world_open_limited(&world, limit);
        err = isle_protect(sweep_work, &world, NULL);
        if (err != ISLE_OK)
            CHECK_ERR(err, ISLE_ENOMEM);
        world_close(&world);
    }
}

TEST_MAIN()
