/* SPDX-License-Identifier: Apache-2.0 */
/* Values in bulk and in graphs: bytes and views, what moves, what is shared, objects, equality, and
 * what becomes of containers when they are kept. */
#include <math.h>

#include "heap_fixture.h"
#include "isle/bytes.h"
#include "isle/object.h"
#include "value/cell.h"

CALL_VOID(call_list_add, isle_list_add(v, isle_null()))

CALL(call_view, isle_bytes_view(v, 5, 4))
CALL(call_view_wrap, isle_bytes_view(v, 1, SIZE_MAX))
CALL(call_array_u16, isle_as_array(v, ISLE_U16, NULL))
CALL(call_array_huge, isle_array(ISLE_U64, NULL, SIZE_MAX / 8 + 2))
CALL(call_array_bad, isle_array((isle_element)55, NULL, 1))

TEST_HEAP(bytes_and_views_share_a_store)
{
    uint16_t numbers[4] = {1, 2, 3, 0xffff};
    isle_value array = isle_array(ISLE_U16, numbers, 4), bytes = isle_bytes(NULL, 8), view, tail;
    size_t count = 0;

    CHECK_UINT(isle_count(array), 8);
    CHECK(memcmp(isle_as_array(array, ISLE_U16, &count), numbers, sizeof(numbers)) == 0);
    CHECK_UINT(count, 4);
    CHECK_UINT((uintptr_t)isle_as_bytes(array, NULL) % 16, 0);
    CHECK(memcmp(isle_as_bytes(bytes, &count), "\0\0\0\0\0\0\0", 8) == 0);
    view = isle_bytes_view(bytes, 2, 4);
    tail = isle_bytes_view(view, 4, 0);
    CHECK_UINT(isle_count(tail), 0);
    ((uint8_t *)isle_bytes_data(view))[0] = 9;
    CHECK_INT(((const uint8_t *)isle_as_bytes(bytes, NULL))[2], 9);
    CHECK_INT(((const uint16_t *)isle_as_array(isle_bytes_view(array, 2, 4), ISLE_U16, NULL))[1],
              3);
    CHECK_THROWS(call_view, bytes, ISLE_ERANGE, "isle_bytes_view: 4 bytes at 5 of 8");
    CHECK_THROWS(call_view_wrap, bytes, ISLE_ERANGE, NULL);
    CHECK_THROWS(call_array_u16, bytes, ISLE_ETYPE,
                 "isle_as_array: expected an array of u16, got one of u8");
    CHECK_THROWS(call_array_huge, bytes, ISLE_ERANGE, NULL);
    CHECK_THROWS(call_array_bad, bytes, ISLE_EINVAL, NULL);
    CHECK(isle_equal(bytes, isle_bytes("\0\0\t\0\0\0\0\0", 8)));
    CHECK(!isle_equal(array, isle_bytes(numbers, 8)));
}

TEST_HEAP(float_arrays_compare_as_numbers)
{
    double a[2] = {0.0, 1}, b[2] = {-0.0, 1}, c[2] = {(double)NAN, 1};

    CHECK(isle_equal(isle_array(ISLE_F64, a, 2), isle_array(ISLE_F64, b, 2)));
    CHECK(!isle_equal(isle_array(ISLE_F64, c, 2), isle_array(ISLE_F64, c, 2)));
}

CALL(call_materialize, isle_materialize(v))
CALL(call_transferable_data, isle_transferable_data(v))

TEST_HEAP(transferable_is_materialized_once)
{
    isle_value moved = isle_transferable(1000), bytes;
    uint8_t *data = isle_transferable_data(moved);

    CHECK_INT(data[999], 0);
    data[999] = 42;
    bytes = isle_materialize(moved);
    CHECK_UINT(isle_count(bytes), 1000);
    CHECK_INT(((const uint8_t *)isle_as_bytes(bytes, NULL))[999], 42);
    CHECK(isle_as_bytes(bytes, NULL) == data);
    CHECK_THROWS(call_materialize, moved, ISLE_EUSED,
                 "isle_materialize: transferable already materialized");
    CHECK_THROWS(call_transferable_data, moved, ISLE_EUSED, NULL);
    CHECK_UINT(isle_count(isle_materialize(isle_transferable(0))), 0);
}

static int released;

static void count_release(void *data)
{
    released++;
    free(data);
}

CALL(call_adopt_null, isle_transferable_adopt(NULL, 4, count_release))
CALL(call_adopt_limit, isle_transferable_adopt(malloc(1), 1 << 30, count_release))
CALL(call_transferable_limit, isle_transferable(SIZE_MAX / 8))

TEST_HEAP(transferable_adopts_and_releases)
{
    isle_value moved, bytes;
    isle_scope scope = isle_scope_open();

    moved = isle_transferable_adopt(malloc(100), 100, count_release);
    isle_transferable_adopt(malloc(100), 100, count_release);
    memset(isle_transferable_data(moved), 7, 100);
    bytes = isle_materialize(moved);
    CHECK_INT(((const uint8_t *)isle_as_bytes(bytes, NULL))[99], 7);
    CHECK_INT(released, 0);
    isle_scope_close(&scope);
    CHECK_INT(released, 2);
    CHECK_THROWS(call_adopt_null, isle_null(), ISLE_EINVAL, NULL);
    CHECK_INT(released, 3);
}

TEST(transferable_respects_the_limit)
{
    struct heap_fixture fixture;

    heap_fixture_open(&fixture, 1 << 20);
    CHECK_THROWS(call_transferable_limit, isle_null(), ISLE_ENOMEM, NULL);
    CHECK_THROWS(call_adopt_limit, isle_null(), ISLE_ENOMEM, NULL);
    CHECK_INT(released, 1);
    heap_fixture_close(&fixture);
}

CALL(call_resource_none, isle_resource(-1))

TEST_HEAP(resource_closes_with_its_scope)
{
    int ends[2];
    isle_scope scope = isle_scope_open();

    if (isle__pipe_open(ends) != ISLE_OK)
        skip("no pipes here");
    CHECK_INT(isle_as_fd(isle_resource(ends[0])), ends[0]);
    isle_resource(ends[1]);
    isle_scope_close(&scope);
    CHECK_INT(isle__fd_duplicate(ends[0]), -1);
    CHECK_INT(isle__fd_duplicate(ends[1]), -1);
    CHECK_THROWS(call_resource_none, isle_null(), ISLE_EINVAL,
                 "isle_resource: -1 is no descriptor");
}

/* Several threads, each with a heap of its own, run `body` at the same time. */
#define CROWD 4
struct crowd {
    void (*body)(struct isle__heap *heap, struct crowd *crowd);
    struct isle__transfer *transfer;
    isle_value frozen;
    _Atomic unsigned ready, winners;
};

static void crowd_member(void *argument)
{
    struct crowd *crowd = argument;
    struct isle__heap heap = {0};
    struct isle__frame frame;
    struct isle__scope scope;

    isle__heap_init(&heap, SIZE_MAX);
    isle__frame_init(&frame, &heap);
    isle__heap_set_current(&heap);
    heap.frame = &frame;
    isle__scope_init(&scope, &frame);
    atomic_fetch_add_explicit(&crowd->ready, 1, memory_order_relaxed);
    while (atomic_load_explicit(&crowd->ready, memory_order_relaxed) < CROWD)
        isle__cpu_relax();
    crowd->body(&heap, crowd);
    isle__scope_fini(&scope, NULL);
    isle__frame_fini(&frame);
    isle__heap_fini(&heap);
    isle__heap_set_current(NULL);
}

static void crowd_run(struct crowd *crowd)
{
    struct isle__thread threads[CROWD];

    if (!isle__platform_has(ISLE__HAS_THREADS))
        skip("no threads here");
    for (int i = 0; i < CROWD; i++)
        CHECK_ERR(isle__thread_start(&threads[i], "crowd", crowd_member, crowd), ISLE_OK);
    for (int i = 0; i < CROWD; i++)
        isle__thread_join(&threads[i]);
}

static void crowd_takes_bytes(struct isle__heap *heap, struct crowd *crowd)
{
    if (!isle_is_null(isle__bytes_of_transfer(heap, crowd->transfer)))
        atomic_fetch_add_explicit(&crowd->winners, 1, memory_order_relaxed);
}

TEST_HEAP(transferable_has_one_winner)
{
    for (int round = 0; round < 100; round++) {
        isle_scope scope = isle_scope_open();
        isle_value moved = isle_transferable(64);
        struct crowd crowd = {
            .body = crowd_takes_bytes,
            .transfer = ((struct isle__transferable_cell *)isle__cell_of(moved))->transfer};

        crowd_run(&crowd);
        CHECK_UINT(atomic_load(&crowd.winners), 1);
        CHECK_THROWS(call_materialize, moved, ISLE_EUSED, NULL);
        isle_scope_close(&scope);
    }
}

static void crowd_reads(struct isle__heap *heap, struct crowd *crowd)
{
    isle_value own = isle_map(), key, value;
    size_t at = 0;

    (void)heap;
    while (isle_next(crowd->frozen, &at, &key, &value)) {
        CHECK(isle_identical(isle_map_get(crowd->frozen, key), value));
        isle_map_put(own, key, value);
        CHECK(isle_map_has(own, key));
        isle_set_add(isle_set(), value);
    }
    CHECK(isle_equal(own, crowd->frozen));
    CHECK_INT(isle_as_int(isle_get(crowd->frozen, "key 42")), 42);
}

/* Nothing that is computed while reading is written into a frozen block: a race would tell. */
TEST_HEAP(frozen_values_are_read_by_many)
{
    isle_value map = isle_map(), list = isle_list();
    struct crowd crowd = {.body = crowd_reads};

    for (int64_t i = 0; i < 100; i++) {
        isle_put(map, "removed", list);
        isle_map_remove(map, isle_string("removed"));
        isle_map_put(map, isle_stringf("key %d", (int)i), isle_int(i));
        isle_list_add(list, isle_string("an element"));
    }
    isle_map_put(map, isle_string("list"), list);
    isle_map_put(map, isle_list(), isle_bytes("abc", 3));
    isle_put(map, "removed", list);
    isle_map_remove(map, isle_string("removed"));
    crowd.frozen = isle_freeze(map);
    crowd_run(&crowd);
}

CALL(call_error_null, isle_error(ISLE_ERANGE, NULL, NULL))
CALL(call_error_ok, isle_error(ISLE_OK, "x", NULL))

TEST_HEAP(errors_round_trip)
{
    isle_value error = isle_error(ISLE_ERANGE, "too far", NULL);
    isle_value with = isle_error(ISLE_EREMOTE, "there", "at f");

    CHECK_ERR(isle_error_code(error), ISLE_ERANGE);
    CHECK_STRING(isle_error_text(error), "too far");
    CHECK_STRING(isle_error_stack(error), NULL);
    CHECK_STRING(isle_error_stack(with), "at f");
    CHECK(isle_equal(error, isle_error(ISLE_ERANGE, "too far", NULL)));
    CHECK(!isle_equal(error, isle_error(ISLE_ERANGE, "too far", "x")));
    CHECK_THROWS(call_error_null, isle_null(), ISLE_EINVAL, "isle_error: text is NULL");
    CHECK_THROWS(call_error_ok, isle_null(), ISLE_EINVAL, NULL);
}

static isle_value cyclic_list(size_t length)
{
    isle_value first = isle_list(), last = first;

    isle_list_add(first, isle_int(1));
    for (size_t i = 1; i < length; i++) {
        isle_value next = isle_list();
        isle_list_add(next, isle_int(1));
        isle_list_add(last, next);
        last = next;
    }
    isle_list_add(last, first);
    return first;
}

TEST_HEAP(equal_is_bisimulation)
{
    isle_value a = cyclic_list(1), b = cyclic_list(5), c = cyclic_list(7), tail;

    CHECK(isle_equal(a, b));
    CHECK(isle_equal(b, c));
    tail = isle_list_get(isle_list_get(c, 1), 1);
    isle_list_set(tail, 0, isle_int(2));
    CHECK(!isle_equal(b, c));
    CHECK(isle_equal(c, c));
    CHECK(isle_equal(isle_int(1), isle_double(1)));
    CHECK(!isle_equal(isle_double((double)NAN), isle_double((double)NAN)));
    CHECK(isle_equal(isle_double(0.0), isle_double(-0.0)));
    CHECK(!isle_equal(isle_int((INT64_C(1) << 53) + 1), isle_double(0x1p53)));
    CHECK(!isle_equal(isle_int(0), isle_null()));
    CHECK(!isle_equal(isle_list(), isle_map()));
}

TEST_HEAP(equal_takes_any_depth)
{
    isle_value a = isle_list(), b = isle_list();

    for (int i = 0; i < 300000; i++) {
        isle_value outer_a = isle_list(), outer_b = isle_list();
        isle_list_add(outer_a, a);
        isle_list_add(outer_b, b);
        a = outer_a;
        b = outer_b;
    }
    CHECK(isle_equal(a, b));
    CHECK(!isle_equal(a, isle_list_get(b, 0)));
}

static isle_value pair_of(int64_t a, int64_t b)
{
    isle_value list = isle_list();

    isle_list_add(list, isle_int(a));
    isle_list_add(list, isle_int(b));
    return list;
}

TEST_HEAP(equal_maps_in_any_order)
{
    isle_value a = isle_map(), b = isle_map(), inner;

    for (int64_t i = 0; i < 20; i++) {
        isle_map_put(a, isle_int(i), isle_stringf("%d", (int)i));
        isle_map_put(b, isle_int(19 - i), isle_stringf("%d", (int)(19 - i)));
    }
    CHECK(isle_equal(a, b));
    isle_map_put(a, pair_of(1, 2), isle_string("p"));
    isle_map_put(a, pair_of(3, 4), isle_string("q"));
    isle_map_put(b, pair_of(3, 4), isle_string("q"));
    CHECK(!isle_equal(a, b));
    isle_map_put(b, pair_of(1, 2), isle_string("p"));
    CHECK(isle_equal(a, b));
    isle_put(a, "self", a);
    isle_put(b, "self", b);
    CHECK(isle_equal(a, b));
    inner = isle_set();
    isle_set_add(inner, pair_of(0, 0));
    isle_set_add(inner, inner);
    isle_put(a, "inner", inner);
    isle_put(b, "inner", inner);
    CHECK(isle_equal(a, b));
    isle_put(b, "inner", isle_set());
    CHECK(!isle_equal(a, b));
}

/* Equal values under unequal keys must not be paired over a key that only looks right. */
TEST_HEAP(equal_tries_keys_and_values_together)
{
    isle_value a = isle_map(), b = isle_map();

    isle_map_put(a, pair_of(1, 1), isle_int(1));
    isle_map_put(a, pair_of(1, 1), isle_int(2));
    isle_map_put(b, pair_of(1, 1), isle_int(2));
    isle_map_put(b, pair_of(1, 1), isle_int(1));
    CHECK(isle_equal(a, b));
    isle_map_put(a, pair_of(2, 2), isle_int(3));
    isle_map_put(b, pair_of(2, 2), isle_int(4));
    CHECK(!isle_equal(a, b));
}

struct point {
    int32_t x;
    double y;
    const char *name;
    struct point *next;
    int64_t hidden;
    isle_value extra;
    uint8_t inner[3];
    unsigned count;
    int16_t *numbers;
};
extern const isle_type point_type;
ISLE_TYPE(point_type, struct point, ISLE_FIELD(struct point, x), ISLE_FIELD(struct point, y),
          ISLE_FIELD(struct point, name), ISLE_FIELD_OBJECT(struct point, next, &point_type),
          ISLE_FIELD(struct point, extra), ISLE_FIELD_INLINE(struct point, inner),
          ISLE_FIELD_ARRAY(struct point, numbers, count));
struct other {
    struct point *point;
};
ISLE_TYPE(other_type, struct other, ISLE_FIELD_OBJECT(struct other, point, &point_type));

CALL(call_as_object, isle_as_object(v, &point_type))
CALL(call_object_null, isle_object(&point_type, NULL))

TEST_HEAP(objects_borrow_and_are_checked)
{
    struct point point = {.x = 1};
    struct other other = {&point};
    isle_value value = isle_object(&point_type, &point), map = isle_map();

    CHECK(isle_as_object(value, &point_type) == &point);
    CHECK(isle_object_type(value) == &point_type);
    CHECK(isle_identical(value, isle_object(&point_type, &point)));
    CHECK_THROWS(call_as_object, isle_object(&other_type, &other), ISLE_ETYPE,
                 "isle_as_object: expected an object of type struct point, got one of type "
                 "struct other");
    CHECK_THROWS(call_as_object, isle_int(1), ISLE_ETYPE,
                 "isle_as_object: expected an object of type struct point, got an int");
    CHECK_THROWS(call_object_null, isle_null(), ISLE_EINVAL, "isle_object: pointer is NULL");
    isle_map_put(map, value, isle_int(1));
    CHECK(isle_map_has(map, isle_object(&point_type, &point)));
}

TEST_HEAP(objects_compare_by_fields)
{
    int16_t numbers[2] = {1, 2}, same[2] = {1, 2};
    char name[] = "n";
    struct point a = {.x = 1, .y = 0.0, .name = "n", .hidden = 1, .count = 2, .numbers = numbers};
    struct point b = {.x = 1, .y = -0.0, .name = name, .hidden = 2, .count = 2, .numbers = same};
    struct point c;
    isle_value left = isle_object(&point_type, &a), right = isle_object(&point_type, &b);

    a.extra = isle_string("e");
    b.extra = isle_string("e");
    a.next = &a;
    b.next = &c;
    c = b;
    CHECK(isle_equal(left, right));
    c.inner[2] = 1;
    CHECK(!isle_equal(left, right));
    c.inner[2] = 0;
    same[1] = 3;
    CHECK(!isle_equal(left, right));
    same[1] = 2;
    c.next = NULL;
    CHECK(!isle_equal(left, right));
    c.next = &b;
    b.extra = isle_string("f");
    CHECK(!isle_equal(left, right));
}

static const isle_field changed_fields[] = {ISLE_FIELD(struct point, y)};
static const isle_type changed_type = {
    "struct point", sizeof(struct point), changed_fields, 1, 1, false, NULL, NULL};

TEST(type_hash_is_of_the_layout)
{
    CHECK_UINT(isle_type_hash(&point_type), isle_type_hash(&point_type));
    CHECK(isle_type_hash(&point_type) != isle_type_hash(&other_type));
    CHECK(isle_type_hash(&point_type) != isle_type_hash(&changed_type));
    CHECK_UINT(isle_type_hash(NULL), 0);
}

CALL_VOID(call_map_put, isle_map_put(v, isle_null(), isle_null()))
CALL(call_bytes_data, isle_bytes_data(v))

TEST_HEAP(frozen_values_refuse_changes)
{
    isle_value map = isle_map(), list = isle_list(), frozen, key, value;
    size_t at = 0;

    isle_put(map, "list", list);
    isle_put(map, "bytes", isle_bytes("abc", 3));
    for (int64_t i = 0; i < 20; i++)
        isle_map_put(map, isle_int(i), list);
    isle_map_remove(map, isle_int(3));
    frozen = isle_freeze(map);
    CHECK(isle_is_frozen(frozen));
    CHECK(!isle_is_frozen(map));
    CHECK(isle_is_frozen(isle_int(1)));
    CHECK(isle_identical(isle_freeze(frozen), frozen));
    CHECK(isle_equal(map, frozen));
    CHECK(!isle_map_has(frozen, isle_int(3)));
    CHECK(isle_map_has(frozen, isle_int(19)));
    CHECK(isle_next(frozen, &at, &key, &value));
    CHECK_STRING(isle_as_string(key), "list");
    CHECK_THROWS(call_map_put, frozen, ISLE_EUNSUPPORTED, "isle_map_put: the map is frozen");
    CHECK_THROWS(call_list_add, value, ISLE_EUNSUPPORTED, "isle_list_add: the list is frozen");
    CHECK_THROWS(call_bytes_data, isle_get(frozen, "bytes"), ISLE_EUNSUPPORTED,
                 "isle_bytes_data: the bytes are frozen");
    CHECK_THROWS(call_bytes_data, isle_bytes_view(isle_get(frozen, "bytes"), 1, 1),
                 ISLE_EUNSUPPORTED, NULL);
}

TEST_HEAP(kept_containers_take_values_of_scopes)
{
    isle_value map = isle_keep(isle_map()), list;
    isle_scope scope = isle_scope_open();
    size_t used = 0;

    list = pair_of(1, 2);
    isle_put(map, "list", list);
    isle_list_add(list, isle_int(3));
    isle_map_put(map, list, isle_string("by list"));
    CHECK_STRING(isle_as_string(isle_map_get(map, list)), "by list");
    isle_scope_close(&scope);
    CHECK_UINT(isle_count(isle_get(map, "list")), 3);
    CHECK_STRING(isle_as_string(isle_map_get(map, isle_get(map, "list"))), "by list");
    for (int i = 0; i < 200000; i++) {
        scope = isle_scope_open();
        isle_map_put(map, isle_stringf("key %d", i), isle_stringf("value %d", i));
        if (i >= 10)
            CHECK(isle_map_remove(map, isle_stringf("key %d", i - 10)));
        isle_scope_close(&scope);
        if (i == 100000)
            used = atomic_load_explicit(&fixture->heap.used, memory_order_relaxed);
    }
    CHECK(atomic_load_explicit(&fixture->heap.used, memory_order_relaxed) < used + 100000);
    CHECK_UINT(isle_count(map), 12);
}

/* A copy of a map is as large as it is full, has no dead entries but the last, and grows from
 * there. */
TEST_HEAP(copies_of_maps_grow_on)
{
    for (int64_t count = 0; count < 70; count++) {
        isle_scope scope = isle_scope_open();
        isle_value map = isle_map(), kept;

        for (int64_t i = 0; i < count; i++)
            isle_map_put(map, isle_int(i), isle_int(-i));
        for (int64_t i = count % 3; i < count; i += count % 5 + 1)
            isle_map_remove(map, isle_int(i));
        kept = isle_keep(map);
        for (int64_t i = 0; i < 200; i++)
            isle_map_put(map, isle_int(i), isle_int(i));
        CHECK_UINT(isle_count(kept), 200);
        for (int64_t i = 0; i < 200; i++)
            CHECK_INT(isle_as_int(isle_map_get(kept, isle_int(i))), i);
        isle_release(kept);
        isle_scope_close(&scope);
    }
}

/* Two views of one store stay one store when each is moved on its own. */
TEST_HEAP(views_stay_together_when_kept)
{
    isle_value bytes = isle_bytes(NULL, 8), view = isle_bytes_view(bytes, 4, 4), kept, kept_view;

    kept = isle_keep(bytes);
    kept_view = isle_keep(view);
    ((uint8_t *)isle_bytes_data(kept_view))[0] = 5;
    CHECK_INT(((const uint8_t *)isle_as_bytes(kept, NULL))[4], 5);
    CHECK_INT(((const uint8_t *)isle_as_bytes(bytes, NULL))[4], 5);
    CHECK_INT(((const uint8_t *)isle_as_bytes(view, NULL))[0], 5);
}

static isle_value make_one_of_each(isle_value unused)
{
    isle_value map = isle_map(), other = isle_map(), set = isle_set(), list = isle_list(), bytes;
    static struct point point = {.x = 1};

    (void)unused;
    for (int64_t i = 0; i < 30; i++) {
        isle_map_put(map, isle_stringf("key %300d", (int)i), isle_int(INT64_MIN + i));
        isle_map_put(other, isle_stringf("key %300d", (int)i), isle_int(INT64_MIN + i));
        isle_set_add(set, list);
        isle_list_add(list, isle_double(0.1 * (double)i));
    }
    isle_put(map, "list", list);
    isle_put(map, "set", set);
    isle_put(map, "self", map);
    isle_put(other, "list", list);
    isle_put(other, "set", set);
    isle_put(other, "self", other);
    bytes = isle_bytes(NULL, 5000);
    isle_put(map, "view", isle_bytes_view(bytes, 1, 100));
    isle_put(other, "view", isle_bytes_view(bytes, 2, 100));
    isle_put(map, "object", isle_object(&point_type, &point));
    isle_put(other, "object", isle_object(&point_type, &point));
    isle_put(map, "error", isle_error(ISLE_ERANGE, "text", "stack"));
    isle_put(other, "error", isle_error(ISLE_ERANGE, "text", "stack"));
    isle_materialize(isle_transferable(5000));
    isle_materialize(isle_transferable_adopt(malloc(10), 10, count_release));
    CHECK(isle_equal(map, other));
    return isle_freeze(isle_list());
}

/* Each allocation fails once: an error or success, never less than all memory back. */
TEST_HEAP(out_of_memory_is_an_error)
{
    for (uint64_t nth = 1;; nth++) {
        isle_scope scope = isle_scope_open();
        isle_err err;

        isle__memory_fail_at(nth);
        err = isle_try(make_one_of_each, isle_null(), NULL);
        isle__memory_fail_at(0);
        isle_scope_close(&scope);
        if (err == ISLE_OK && nth > 20)
            break;
        if (err != ISLE_OK)
            CHECK_ERR(err, ISLE_ENOMEM);
    }
}

TEST_HEAP(huge_values_work)
{
    if (sizeof(void *) < 8)
        skip("an address space too small for it");
    size_t size = (size_t)1 << 30;
    isle_value bytes = isle_bytes(NULL, size);
    uint8_t *data = isle_bytes_data(bytes);

    CHECK_UINT(isle_count(bytes), size);
    CHECK_INT(data[size / 2], 0);
    data[size - 1] = 'x';
    memset(data, 'y', size - 1);
    CHECK_UINT(isle_count(isle_string_sized((const char *)data, size)), size);
}
TEST_MEMORY(huge_values_work, 3072);
TEST_TIMEOUT(huge_values_work, 240); /* a machine may be slow to find so much memory */

TEST_MAIN()
