/* SPDX-License-Identifier: Apache-2.0 */
/* The kinds of values: what goes in comes out, what must not be is refused with its text,
 * containers keep their order and their memory. */
#include <math.h>

#include "heap_fixture.h"
#include "isle/bytes.h"
#include "value/cell.h"

TEST(values_plain_need_no_isolate)
{
    isle_send_port port = {77}, got_port = {0};
    bool got_bool = false;
    int64_t got_int = 5;

    CHECK_STRING(isle_err_name(ISLE_ETYPE), "ISLE_ETYPE");
    CHECK_STRING(isle_err_name((isle_err)-99), "ISLE_E?");
    CHECK_STRING(isle_err_text(ISLE_ENOMEM), "Out of Memory");
    CHECK_STRING(isle_kind_name(ISLE_SEND_PORT), "send port");
    CHECK_INT(isle_kind_of(isle_null()), ISLE_NULL);
    CHECK_INT(isle_kind_of(isle_bool(false)), ISLE_BOOL);
    CHECK(isle_get_bool(isle_bool(true), &got_bool) && got_bool);
    CHECK(isle_get_port(isle_port(port), &got_port));
    CHECK_UINT(got_port.id, 77);
    CHECK(!isle_get_int(isle_port(port), &got_int));
    CHECK_INT(got_int, 5);
    CHECK(isle_identical(isle_port(port), isle_port(port)));
    CHECK(!isle_identical(isle_null(), isle_bool(false)));
}

TEST_HEAP(ints_round_trip)
{
    static const int64_t numbers[] = {0,
                                      1,
                                      -1,
                                      INT64_MIN,
                                      INT64_MAX,
                                      INT64_C(1) << 60,
                                      (INT64_C(1) << 60) - 1,
                                      -(INT64_C(1) << 60),
                                      -(INT64_C(1) << 60) - 1};

    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        isle_value value = isle_int(numbers[i]);
        int64_t got = 0;

        CHECK_INT(isle_kind_of(value), ISLE_INT);
        CHECK_INT(isle_as_int(value), numbers[i]);
        CHECK(isle_get_int(value, &got));
        CHECK_INT(got, numbers[i]);
        CHECK(isle_identical(value, isle_int(numbers[i])));
    }
    CHECK(isle__is_immediate(isle_int((INT64_C(1) << 60) - 1)));
    CHECK(isle__is_immediate(isle_int(-(INT64_C(1) << 60))));
    CHECK(!isle__is_immediate(isle_int(INT64_C(1) << 60)));
}

TEST_HEAP(doubles_round_trip)
{
    const double numbers[] = {0.0,      -0.0,      1.0,     0.1,  -1e308,     5e-324,
                              INFINITY, -INFINITY, 0x1p-52, M_PI, (double)NAN};

    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        isle_value value = isle_double(numbers[i]);
        double got = 0;

        CHECK_INT(isle_kind_of(value), ISLE_DOUBLE);
        CHECK_DOUBLE(isle_as_double(value), numbers[i]);
        CHECK(isle_get_double(value, &got));
        CHECK_DOUBLE(got, numbers[i]);
        CHECK(isle_identical(value, isle_double(numbers[i])));
    }
    CHECK(!isle_identical(isle_double(0.0), isle_double(-0.0)));
    CHECK_DOUBLE(isle_as_double(isle_int(-(INT64_C(1) << 53))), -0x1p53);
}

CALL(call_as_int, isle_as_int(v))
CALL(call_as_double, isle_as_double(v))
CALL(call_as_bool, isle_as_bool(v))
CALL(call_as_string, isle_as_string(v))
CALL(call_as_port, isle_as_port(v))
CALL(call_as_capability, isle_as_capability(v))
CALL(call_as_isolate, isle_as_isolate(v))
CALL(call_as_function, isle_as_function(v))
CALL(call_as_pointer, isle_as_pointer(v))
CALL(call_count, isle_count(v))
CALL(call_list_get, isle_list_get(v, 3))
CALL(call_as_bytes, isle_as_bytes(v, NULL))
CALL(call_error_code, isle_error_code(v))
CALL(call_as_fd, isle_as_fd(v))
CALL(call_function_null, isle_function_value(NULL))

TEST_HEAP(wrong_kinds_are_named)
{
    isle_value text = isle_string("x");

    CHECK_THROWS(call_as_int, text, ISLE_ETYPE, "isle_as_int: expected an int, got a string");
    CHECK_THROWS(call_as_int, isle_double(1), ISLE_ETYPE,
                 "isle_as_int: expected an int, got a double");
    CHECK_THROWS(call_as_double, isle_null(), ISLE_ETYPE,
                 "isle_as_double: expected a double, got null");
    CHECK_THROWS(call_as_double, isle_int((INT64_C(1) << 53) + 1), ISLE_ERANGE,
                 "isle_as_double: the int 9007199254740993 is not exact as a double");
    CHECK_THROWS(call_as_bool, isle_int(1), ISLE_ETYPE,
                 "isle_as_bool: expected a bool, got an int");
    CHECK_THROWS(call_as_string, isle_bytes("x", 1), ISLE_ETYPE,
                 "isle_as_string: expected a string, got bytes");
    CHECK_THROWS(call_as_port, isle_list(), ISLE_ETYPE,
                 "isle_as_port: expected a send port, got a list");
    CHECK_THROWS(call_as_capability, isle_map(), ISLE_ETYPE,
                 "isle_as_capability: expected a capability, got a map");
    CHECK_THROWS(call_as_isolate, isle_set(), ISLE_ETYPE,
                 "isle_as_isolate: expected an isolate, got a set");
    CHECK_THROWS(call_as_function, isle_pointer(NULL), ISLE_ETYPE,
                 "isle_as_function: expected a function, got a pointer");
    CHECK_THROWS(call_as_pointer, isle_error(ISLE_ERANGE, "e", NULL), ISLE_ETYPE,
                 "isle_as_pointer: expected a pointer, got an error");
    CHECK_THROWS(call_count, isle_bool(true), ISLE_ETYPE,
                 "isle_count: expected a string, bytes, list, map or set, got a bool");
    CHECK_THROWS(call_list_get, text, ISLE_ETYPE, "isle_list_get: expected a list, got a string");
    CHECK_THROWS(call_as_bytes, text, ISLE_ETYPE, "isle_as_bytes: expected bytes, got a string");
    CHECK_THROWS(call_error_code, text, ISLE_ETYPE,
                 "isle_error_code: expected an error, got a string");
    CHECK_THROWS(call_as_fd, text, ISLE_ETYPE, "isle_as_fd: expected a resource, got a string");
    CHECK_THROWS(call_function_null, text, ISLE_EINVAL, "isle_function_value: function is NULL");
}

static void some_function(void)
{
}

TEST_HEAP(handles_round_trip)
{
    isle_isolate isolate = {{1}, {2}, {3}, {4}};
    isle_capability capability = {(UINT64_C(1) << 61) - 1};
    int local;

    CHECK_UINT(isle_as_isolate(isle_isolate_value(isolate)).terminate_capability.id, 4);
    CHECK_UINT(isle_as_capability(isle_capability_value(capability)).id, capability.id);
    CHECK(isle_as_function(isle_function_value(some_function)) == some_function);
    CHECK(isle_as_pointer(isle_pointer(&local)) == &local);
    CHECK(isle_as_pointer(isle_pointer(NULL)) == NULL);
    CHECK(isle_as_pointer(isle_pointer((void *)UINTPTR_MAX)) == (void *)UINTPTR_MAX);
    CHECK(isle_equal(isle_isolate_value(isolate), isle_isolate_value(isolate)));
}

CALL(call_string_null, isle_string(NULL))
CALL(call_string_bad, isle_string("ab\xc0\xaf"))
CALL(call_stringf_bad, isle_stringf("%s", "\xed\xa0\x80"))
CALL(call_string_huge, isle_string_sized("x", SIZE_MAX / 2 + 1))

TEST_HEAP(strings_round_trip)
{
    isle_value value = isle_string("h\xc3\xa9llo"), inside = isle_string_sized("a\0b", 3);
    const char *text = NULL;
    size_t size = 0;

    CHECK_STRING(isle_as_string(value), "h\xc3\xa9llo");
    CHECK_UINT(isle_count(value), 6);
    CHECK_UINT(isle_count(isle_string("")), 0);
    CHECK_STRING(isle_as_string(isle_string_sized(NULL, 0)), "");
    CHECK(isle_get_string(inside, &text, &size));
    CHECK_UINT(size, 3);
    CHECK(memcmp(text, "a\0b", 4) == 0);
    CHECK(!isle_get_string(inside, &text, NULL));
    CHECK_THROWS(call_as_string, inside, ISLE_EINVAL,
                 "isle_as_string: the string has a NUL inside");
    CHECK_THROWS(call_string_null, isle_null(), ISLE_EINVAL, "isle_string: text is NULL");
    CHECK_THROWS(call_string_bad, isle_null(), ISLE_EMALFORMED, "isle_string: not UTF-8 at byte 2");
    CHECK_STRING(isle_as_string(isle_stringf("%d-%s", 7, "x")), "7-x");
    CHECK_UINT(isle_count(isle_stringf("%1000d", 1)), 1000);
    CHECK_THROWS(call_stringf_bad, isle_null(), ISLE_EMALFORMED,
                 "isle_stringf: not UTF-8 at byte 0");
    CHECK(isle_equal(inside, isle_string_sized("a\0b", 3)));
    CHECK(!isle_equal(inside, isle_string_sized("a\0c", 3)));
}

static isle_value call_string_odd(isle_value size)
{
    char text[64];
    memset(text, 'x', sizeof text);
    text[isle_as_int(size) / 64] = '\x80';
    return isle_string_sized(text, (size_t)isle_as_int(size) % 64);
}

TEST_HEAP(a_byte_that_is_none_of_a_plain_text_is_found_wherever_it_stands)
{
    char text[64];
    const char *got;
    memset(text, 'x', sizeof text);
    text[0] = '\x7f';
    text[1] = '\x01';
    for (int size = 1; size < 40; size++)
        for (int at = 0; at < size; at++) {
            char expected[80], was = text[at];
            ISLE_SCOPE;
            snprintf(expected, sizeof expected, "isle_string_sized: not UTF-8 at byte %d", at);
            CHECK_THROWS(call_string_odd, isle_int(at * 64 + size), ISLE_EMALFORMED, expected);
            CHECK(isle_get_string(isle_string_sized(text, (size_t)size), &got, NULL));
            CHECK(memcmp(got, text, (size_t)size) == 0 && got[size] == '\0');
            text[at] = '\0';
            isle_value inside = isle_string_sized(text, (size_t)size);
            CHECK(!isle_get_string(inside, &got, NULL) && isle_count(inside) == (size_t)size);
            text[at] = was;
        }
}

TEST(utf8_is_that_of_rfc_3629)
{
    static const struct {
        const char *text;
        size_t size, valid;
    } cases[] = {
        {"\x7f", 1, 1},
        {"\x80", 1, 0},
        {"\xc1\xbf", 2, 0},
        {"\xc2\x80", 2, 2},
        {"\xe0\x9f\xbf", 3, 0},
        {"\xe0\xa0\x80", 3, 3},
        {"\xed\x9f\xbf", 3, 3},
        {"\xed\xa0\x80", 3, 0},
        {"\xef\xbf\xbf", 3, 3},
        {"\xf0\x8f\xbf\xbf", 4, 0},
        {"\xf0\x90\x80\x80", 4, 4},
        {"\xf4\x8f\xbf\xbf", 4, 4},
        {"\xf4\x90\x80\x80", 4, 0},
        {"\xf5\x80\x80\x80", 4, 0},
        {"abcdefgh\xe2\x82", 10, 8},
        {"a\0b", 3, 3},
        {"0123456\xe2\x82\xac", 10, 10},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        CHECK_UINT(isle__utf8_valid(cases[i].text, cases[i].size), cases[i].valid);
}

CALL_VOID(call_list_add, isle_list_add(v, isle_null()))
CALL_VOID(call_list_set, isle_list_set(v, 9, isle_null()))
CALL(call_remove_last, isle_list_remove_last(v))
CALL(call_fixed_huge, isle_list_fixed(SIZE_MAX / 8))

TEST_HEAP(lists_grow_and_shrink)
{
    isle_value list = isle_list(), fixed = isle_list_fixed(3);

    for (int64_t i = 0; i < 1000; i++)
        isle_list_add(list, isle_int(i * i));
    CHECK_UINT(isle_count(list), 1000);
    CHECK_INT(isle_as_int(isle_list_get(list, 999)), 998001);
    isle_list_set(list, 0, isle_string("zero"));
    CHECK_STRING(isle_as_string(isle_list_get(list, 0)), "zero");
    CHECK_INT(isle_as_int(isle_list_remove_last(list)), 998001);
    CHECK_UINT(isle_count(list), 999);
    CHECK(isle_is_null(isle_list_get(fixed, 2)));
    isle_list_set(fixed, 1, list);
    CHECK(isle_identical(isle_list_get(fixed, 1), list));
    CHECK_THROWS(call_list_add, fixed, ISLE_EUNSUPPORTED,
                 "isle_list_add: the list has a fixed length");
    CHECK_THROWS(call_list_set, fixed, ISLE_ERANGE, "isle_list_set: index 9 of a list of 3");
    CHECK_THROWS(call_list_get, fixed, ISLE_ERANGE, "isle_list_get: index 3 of a list of 3");
    CHECK_THROWS(call_remove_last, fixed, ISLE_EUNSUPPORTED, NULL);
    CHECK_THROWS(call_remove_last, isle_list(), ISLE_ERANGE,
                 "isle_list_remove_last: the list is empty");
    CHECK_THROWS(call_fixed_huge, isle_null(), ISLE_ERANGE, NULL);
    CHECK_THROWS(call_string_huge, isle_null(), ISLE_ERANGE, NULL);
}

TEST_HEAP(map_keys_go_by_content_or_identity)
{
    isle_value map = isle_map(), list = isle_list(), nan = isle_double((double)NAN);
    isle_isolate isolate = {{1}, {2}, {3}, {4}};

    isle_map_put(map, isle_int(1), isle_string("one"));
    isle_map_put(map, isle_double(1.0), isle_string("uno"));
    isle_map_put(map, isle_string("k"), isle_int(2));
    isle_map_put(map, list, isle_int(3));
    isle_map_put(map, isle_null(), isle_int(4));
    isle_map_put(map, isle_double(0.1), isle_int(5));
    isle_map_put(map, nan, isle_int(6));
    isle_map_put(map, isle_int(INT64_MIN), isle_int(7));
    isle_map_put(map, isle_isolate_value(isolate), isle_int(8));
    isle_map_put(map, isle_double(-0.0), isle_int(9));
    CHECK_UINT(isle_count(map), 9);
    CHECK_STRING(isle_as_string(isle_map_get(map, isle_int(1))), "uno");
    CHECK_INT(isle_as_int(isle_get(map, "k")), 2);
    CHECK_INT(isle_as_int(isle_map_get(map, list)), 3);
    CHECK(!isle_map_has(map, isle_list()));
    CHECK_INT(isle_as_int(isle_map_get(map, isle_null())), 4);
    CHECK_INT(isle_as_int(isle_map_get(map, isle_double(0.1))), 5);
    CHECK_INT(isle_as_int(isle_map_get(map, isle_double(-(double)NAN))), 6);
    CHECK_INT(isle_as_int(isle_map_get(map, isle_double(-0x1p63))), 7);
    CHECK_INT(isle_as_int(isle_map_get(map, isle_isolate_value(isolate))), 8);
    CHECK_INT(isle_as_int(isle_map_get(map, isle_int(0))), 9);
    CHECK(isle_is_null(isle_get(map, "absent")));
    CHECK(isle_map_remove(map, list));
    CHECK(!isle_map_remove(map, list));
    CHECK_UINT(isle_count(map), 8);
    isle_put(map, "k", isle_int(20));
    CHECK_INT(isle_as_int(isle_map_get(map, isle_string("k"))), 20);
    CHECK(!isle_map_has(map, isle_int((INT64_C(1) << 53) + 1)));
    isle_map_put(map, isle_double(0x1p53), isle_null());
    CHECK(!isle_map_has(map, isle_int((INT64_C(1) << 53) + 1)));
    CHECK(isle_map_has(map, isle_int(INT64_C(1) << 53)));
}

CALL_VOID(call_put_null, isle_put(v, NULL, isle_null()))
CALL(call_get_null, isle_get(v, NULL))
CALL_VOID(call_put_bad, isle_put(v, "\xff", isle_null()))
CALL(call_set_add, isle_set_add(v, isle_null()))
CALL(call_next_null, isle_next(v, NULL, NULL, NULL))

TEST_HEAP(map_arguments_are_checked)
{
    isle_value map = isle_map();

    CHECK_THROWS(call_put_null, map, ISLE_EINVAL, "isle_put: key is NULL");
    CHECK_THROWS(call_get_null, map, ISLE_EINVAL, "isle_get: key is NULL");
    CHECK_THROWS(call_put_bad, map, ISLE_EMALFORMED, "isle_put: not UTF-8 at byte 0");
    CHECK_UINT(isle_count(map), 0);
    CHECK_THROWS(call_set_add, map, ISLE_ETYPE, "isle_set_add: expected a set, got a map");
    CHECK_THROWS(call_next_null, map, ISLE_EINVAL, "isle_next: at is NULL");
}

TEST_HEAP(map_keeps_insertion_order)
{
    isle_value map = isle_map(), key, value;
    size_t at = 0;
    int64_t expected = 0;

    for (int64_t i = 0; i < 100; i++)
        isle_map_put(map, isle_int(i * 7919 % 101), isle_int(i));
    for (int64_t i = 0; i < 100; i += 2)
        isle_map_remove(map, isle_int(i * 7919 % 101));
    isle_map_put(map, isle_int(0), isle_int(100));
    while (isle_next(map, &at, &key, &value)) {
        expected += expected < 99 ? (expected % 2 == 0 ? 1 : 2) : 1;
        CHECK_INT(isle_as_int(value), expected);
        CHECK_INT(isle_as_int(key), expected == 100 ? 0 : expected * 7919 % 101);
    }
    CHECK_INT(expected, 100);
}

TEST_HEAP(sets_hold_each_once)
{
    isle_value set = isle_set(), key, value;
    size_t at = 0;

    CHECK(isle_set_add(set, isle_string("a")));
    CHECK(!isle_set_add(set, isle_string("a")));
    CHECK(isle_set_add(set, isle_int(1)));
    CHECK(isle_set_has(set, isle_double(1)));
    CHECK_UINT(isle_count(set), 2);
    CHECK(isle_next(set, &at, &key, &value));
    CHECK_STRING(isle_as_string(key), "a");
    CHECK(isle_is_null(value));
    CHECK(isle_set_remove(set, isle_string("a")));
    CHECK(!isle_set_has(set, isle_string("a")));
}

TEST_HEAP(map_churn_needs_no_memory)
{
    isle_value map = isle_map();
    size_t used = 0;

    for (int64_t i = 0; i < 1000000; i++) {
        isle_map_put(map, isle_int(i), isle_int(i));
        if (i >= 100)
            CHECK(isle_map_remove(map, isle_int(i - 100)));
        if (i == 10000)
            used = atomic_load_explicit(&fixture->heap.used, memory_order_relaxed);
    }
    CHECK_UINT(isle_count(map), 100);
    CHECK_UINT(atomic_load_explicit(&fixture->heap.used, memory_order_relaxed), used);
    CHECK_INT(isle_as_int(isle_map_get(map, isle_int(999999))), 999999);
    CHECK(!isle_map_has(map, isle_int(5)));
}

TEST_HEAP(map_is_a_queue_without_walking_the_dead)
{
    isle_value set = isle_set();
    int64_t front = 0;

    for (int64_t i = 0; i < 50000; i++)
        isle_set_add(set, isle_int(i));
    for (int64_t i = 50000; i < 400000; i++) {
        isle_value key;
        size_t at = 0;

        CHECK(isle_next(set, &at, &key, NULL));
        CHECK_INT(isle_as_int(key), front);
        front++;
        isle_set_remove(set, key);
        isle_set_add(set, isle_int(i));
    }
    CHECK_UINT(isle_count(set), 50000);
}

TEST_HEAP(next_is_right_under_changes)
{
    isle_value map = isle_map(), key, value;
    size_t at = 0, seen = 0;
    int64_t last = -1;

    for (int64_t i = 0; i < 1000; i++)
        isle_map_put(map, isle_int(i), isle_null());
    while (isle_next(map, &at, &key, &value)) {
        int64_t number = isle_as_int(key);

        CHECK(number > last);
        last = number;
        seen++;
        isle_map_remove(map, key);
        isle_map_remove(map, isle_int(number + 1));
        if (number < 3000)
            for (int64_t i = 0; i < 3; i++)
                isle_map_put(map, isle_int(100000 + number * 3 + i), isle_null());
        if (seen > 100000)
            fail("the walk does not end");
    }
    CHECK_UINT(isle_count(map), 0);
    CHECK_INT(last >= 100000, 1);
    isle_map_put(map, isle_int(-5), isle_int(55));
    CHECK(isle_next(map, &at, &key, &value));
    CHECK_INT(isle_as_int(key), -5);
    CHECK(!isle_next(map, &at, &key, &value));
}

TEST_HEAP(next_walks_lists)
{
    isle_value list = isle_list(), key, value;
    size_t at = 0;
    int64_t sum = 0;

    for (int64_t i = 0; i < 10; i++)
        isle_list_add(list, isle_int(i));
    while (isle_next(list, &at, &key, &value)) {
        CHECK_INT(isle_as_int(key), isle_as_int(value));
        sum += isle_as_int(value);
        if (isle_count(list) > 8)
            isle_list_remove_last(list);
    }
    CHECK_INT(sum, 28);
}

/* The table behind a map against the plainest one there is. */
TEST_HEAP(map_agrees_with_a_plain_table)
{
    static int64_t order[512], numbers[512];
    size_t count = 0;
    uint64_t random = 88172645463325252u;
    isle_value map = isle_map();

    for (int step = 0; step < 100000; step++) {
        int64_t key, found = -1;

        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        key = (int64_t)(random >> 8) % (step / 20000 * 100 + 40);
        for (size_t i = 0; i < count; i++)
            if (order[i] == key)
                found = (int64_t)i;
        if (random % 3 != 0) {
            isle_map_put(map, isle_int(key), isle_int(step));
            if (found < 0)
                order[found = (int64_t)count++] = key;
            numbers[found] = step;
        } else {
            CHECK_INT(isle_map_remove(map, isle_int(key)), found >= 0);
            if (found >= 0) {
                count--;
                for (size_t i = (size_t)found; i < count; i++) {
                    order[i] = order[i + 1];
                    numbers[i] = numbers[i + 1];
                }
            }
        }
        CHECK_UINT(isle_count(map), count);
        if (step % 97 == 0) {
            isle_value got_key, got_value;
            size_t at = 0, i = 0;

            while (isle_next(map, &at, &got_key, &got_value)) {
                CHECK_INT(isle_as_int(got_key), order[i]);
                CHECK_INT(isle_as_int(got_value), numbers[i]);
                i++;
            }
            CHECK_UINT(i, count);
        }
    }
}

TEST_MAIN()
