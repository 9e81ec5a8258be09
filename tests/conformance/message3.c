/* SPDX-License-Identifier: Apache-2.0 */
/* Conformance: message3 (row 56 of the table, items of section 5.2). Each value goes to an echo
 * isolate and what comes back is examined: equal, of the same nature, and a copy. */
#include "conformance.h"

/* What comes back is not the value that was sent. */
static isle_value echo_copy(isle_value value)
{
    isle_value received = echo_once(value);

    CHECK_INT(isle_kind_of(received), isle_kind_of(value));
    CHECK(!isle_identical(received, value));
    return received;
}

/* 1 */
TEST_ROOT(message3_string)
{
    isle_value received = echo_once(isle_string("abc"));

    CHECK_INT(isle_kind_of(received), ISLE_STRING);
    CHECK_STRING(isle_as_string(received), "abc");
}

TEST_ROOT(message3_scalars)
{
    isle_value list = isle_pack("[n,b,b,i,f,f]", true, false, -1, 0.5, -0.0), received;
    double zero;

    isle_list_add(list, isle_double(__builtin_nan("")));
    received = echo_once(list);
    CHECK_INT(isle_count(received), 7);
    for (size_t i = 0; i < 6; i++)
        CHECK_VALUE(isle_list_get(received, i), isle_list_get(list, i));
    zero = isle_as_double(isle_list_get(received, 5));
    CHECK_DOUBLE(zero, -0.0);
    CHECK_DOUBLE(isle_as_double(isle_list_get(received, 6)), __builtin_nan(""));
}

/* 2 */
TEST_ROOT(message3_growable_list)
{
    isle_value list = isle_pack("[i,i]", 1, 2), received = echo_copy(list);

    CHECK_VALUE(received, list);
    CHECK(allows(try_write, received));
    CHECK_INT(isle_as_int(isle_list_get(received, 0)), 1000);
    CHECK(allows(try_grow, received));
    CHECK_INT(isle_count(received), 3);
    CHECK_VALUE(list, isle_pack("[i,i]", 1, 2));
}

/* 3 */
TEST_ROOT(message3_fixed_list)
{
    isle_value list = isle_list_fixed(2), received;

    isle_list_set(list, 0, isle_int(0));
    isle_list_set(list, 1, isle_int(1));
    received = echo_copy(list);
    CHECK_VALUE(received, list);
    CHECK(allows(try_write, received));
    CHECK_ERR(isle_try(try_grow, received, NULL), ISLE_EUNSUPPORTED);
    CHECK_INT(isle_count(received), 2);
}

/* 4, 5 */
TEST_ROOT(message3_growable_list_in_itself)
{
    isle_value list = isle_list(), received;

    isle_list_add(list, list);
    received = echo_copy(list);
    CHECK_INT(isle_count(received), 1);
    CHECK(isle_identical(isle_list_get(received, 0), received));
    CHECK(allows(try_grow, received));
    CHECK(allows(try_write, received));
    CHECK_INT(isle_as_int(isle_list_get(received, 0)), 1000);
    CHECK(isle_identical(isle_list_get(list, 0), list));
}

TEST_ROOT(message3_fixed_list_in_itself)
{
    isle_value list = isle_list_fixed(1), received;

    isle_list_set(list, 0, list);
    received = echo_copy(list);
    CHECK_INT(isle_count(received), 1);
    CHECK(isle_identical(isle_list_get(received, 0), received));
    CHECK(!allows(try_grow, received));
    CHECK(allows(try_write, received));
}

/* 6: constant means frozen. It arrives frozen; within one program it is not even copied, which is
 * seen by where its bytes lie. */
TEST_ROOT(message3_constant_list)
{
    isle_value list = isle_pack("[i,i]", 1, 2), frozen, received;

    isle_list_add(list, isle_bytes("constant", 8));
    frozen = isle_freeze(list);
    received = echo_once(frozen);
    CHECK(isle_is_frozen(received));
    CHECK_VALUE(received, list);
    CHECK(!allows(try_write, received));
    CHECK(!allows(try_grow, received));
    CHECK_INT(isle_count(received), 3);
    if (backend_under_test() == ISLE_THREAD)
        CHECK(isle_as_bytes(isle_list_get(received, 2), NULL) ==
              isle_as_bytes(isle_list_get(frozen, 2), NULL));
}

/* 7 */
TEST_ROOT(message3_u8_array)
{
    static const uint8_t numbers[] = {0, 1};
    size_t count;
    const uint8_t *received =
        isle_as_array(echo_copy(isle_array(ISLE_U8, numbers, 2)), ISLE_U8, &count);

    CHECK_BYTES(received, count, numbers, 2);
}

/* 8: a 16-bit array read as bytes, and as what it is. */
TEST_ROOT(message3_u16_buffer)
{
    static const uint16_t numbers[] = {0, 1};
    isle_value received = echo_copy(isle_array(ISLE_U16, numbers, 2));
    const uint16_t *shorts;
    size_t count;

    CHECK(isle_as_bytes(received, &count) != NULL);
    CHECK_INT(count, 4);
    shorts = isle_as_array(received, ISLE_U16, &count);
    CHECK_INT(count, 2);
    CHECK_INT(shorts[0], 0);
    CHECK_INT(shorts[1], 1);
}

/* 9-11: C has no portable type of four lanes, so arrays of lanes stand for the SIMD arrays. */
TEST_ROOT(message3_simd_int32x4)
{
    static const int32_t lanes[8] = {0, 1, 2, 3, -1, INT32_MIN, INT32_MAX, 7};
    size_t count;
    const int32_t *received =
        isle_as_array(echo_copy(isle_array(ISLE_I32, lanes, 8)), ISLE_I32, &count);

    CHECK_BYTES(received, count * sizeof(lanes[0]), lanes, sizeof(lanes));
    CHECK_INT((uintptr_t)received % sizeof(int32_t), 0);
}

TEST_ROOT(message3_simd_float32x4)
{
    static const float lanes[8] = {0.0f, 1.5f, -2.25f, 1e30f, -0.0f, 1e-30f, 3.0f, 4.0f};
    size_t count;
    const float *received =
        isle_as_array(echo_copy(isle_array(ISLE_F32, lanes, 8)), ISLE_F32, &count);

    CHECK_BYTES(received, count * sizeof(lanes[0]), lanes, sizeof(lanes));
}

TEST_ROOT(message3_simd_float64x2)
{
    static const double lanes[4] = {0.0, 1.5, -2.25, 1e300};
    size_t count;
    const double *received =
        isle_as_array(echo_copy(isle_array(ISLE_F64, lanes, 4)), ISLE_F64, &count);

    CHECK_BYTES(received, count * sizeof(lanes[0]), lanes, sizeof(lanes));
    CHECK_INT((uintptr_t)received % sizeof(double), 0);
}

/* 12 */
static void check_order(isle_value map, const isle_value *keys, size_t count)
{
    isle_value key, value;
    size_t at = 0;

    CHECK_INT(isle_count(map), count);
    for (size_t i = 0; i < count; i++) {
        CHECK(isle_next(map, &at, &key, &value));
        CHECK_VALUE(key, keys[i]);
    }
    CHECK(!isle_next(map, &at, &key, &value));
}

TEST_ROOT(message3_ordered_map)
{
    isle_value map = isle_pack("{s:i,s:i}", "foo", 499, "bar", 32), received = echo_copy(map);
    isle_value keys[] = {isle_string("foo"), isle_string("bar"), isle_string("added")};

    check_order(received, keys, 2);
    CHECK_INT(isle_as_int(isle_get(received, "foo")), 499);
    CHECK_INT(isle_as_int(isle_get(received, "bar")), 32);
    isle_put(received, "foo", isle_int(1));
    CHECK_INT(isle_as_int(isle_get(received, "foo")), 1);
    CHECK(allows(try_put, received));
    check_order(received, keys, 3);
    check_order(map, keys, 2);
}

/* 13 */
TEST_ROOT(message3_map_after_removal)
{
    isle_value map = isle_pack("{s:i,s:i}", "foo", 499, "bar", 32), received, bar;

    CHECK(isle_map_remove(map, isle_string("foo")));
    received = echo_copy(map);
    bar = isle_string("bar");
    check_order(received, &bar, 1);
    CHECK_INT(isle_as_int(isle_get(received, "bar")), 32);
    CHECK(!isle_map_has(received, isle_string("foo")));
}

/* 14 */
TEST_ROOT(message3_map_with_identity_key)
{
    isle_value map = isle_map(), received, key, value;
    size_t at = 0;

    isle_map_put(map, isle_list(), isle_int(499));
    received = echo_copy(map);
    CHECK(isle_next(received, &at, &key, &value));
    CHECK_INT(isle_kind_of(key), ISLE_LIST);
    CHECK_INT(isle_as_int(value), 499);
    CHECK_INT(isle_as_int(isle_map_get(received, key)), 499);
}

/* 15 */
TEST_ROOT(message3_map_with_int_keys)
{
    isle_value map = isle_map(), received, keys[] = {isle_int(0), isle_int(1)};

    isle_map_put(map, isle_int(0), isle_int(499));
    isle_map_put(map, isle_int(1), isle_int(32));
    received = echo_copy(map);
    check_order(received, keys, 2);
    CHECK_INT(isle_as_int(isle_map_get(received, isle_int(0))), 499);
    CHECK_INT(isle_as_int(isle_map_get(received, isle_int(1))), 32);
    isle_map_put(received, isle_int(0), isle_int(1));
    CHECK_INT(isle_as_int(isle_map_get(received, isle_int(0))), 1);
    CHECK(allows(try_put, received));
    CHECK_INT(isle_count(received), 3);
}

/* 16 */
TEST_ROOT(message3_map_in_itself)
{
    isle_value map = isle_map(), received;

    isle_put(map, "cycle", map);
    received = echo_copy(map);
    CHECK_INT(isle_count(received), 1);
    CHECK(isle_identical(isle_get(received, "cycle"), received));
    CHECK(allows(try_put, received));
    CHECK(isle_identical(isle_get(map, "cycle"), map));
    CHECK_INT(isle_count(map), 1);
}

/* 17 */
TEST_ROOT(message3_constant_map)
{
    isle_value map = isle_pack("{s:i}", "foo", 499), frozen, received;

    isle_put(map, "bytes", isle_bytes("constant", 8));
    frozen = isle_freeze(map);
    received = echo_once(frozen);
    CHECK(isle_is_frozen(received));
    CHECK_VALUE(received, map);
    CHECK(!allows(try_put, received));
    CHECK_INT(isle_count(received), 2);
    if (backend_under_test() == ISLE_THREAD)
        CHECK(isle_as_bytes(isle_get(received, "bytes"), NULL) ==
              isle_as_bytes(isle_get(frozen, "bytes"), NULL));
}

/* Sets: order, nature, and what was removed stays away. */
TEST_ROOT(message3_set)
{
    isle_value set = isle_set(), received, keys[] = {isle_string("b"), isle_string("a")};

    isle_set_add(set, isle_string("gone"));
    isle_set_add(set, keys[0]);
    isle_set_add(set, keys[1]);
    CHECK(isle_set_remove(set, isle_string("gone")));
    received = echo_copy(set);
    check_order(received, keys, 2);
    CHECK(!isle_set_add(received, isle_string("a")));
    CHECK(isle_set_add(received, isle_string("c")));
    CHECK_INT(isle_count(set), 2);
}

/* 18: inheritance is a struct inside a struct, a mix-in another one beside it. A field that the
 * type does not list is private to its isolate and arrives zero. */
struct base {
    int64_t first;
    int64_t second;
};

struct mixed {
    int64_t third;
};

struct derived {
    struct base base;
    struct mixed mixed;
    int64_t fourth;
    int64_t fifth;
    int64_t unlisted;
};
ISLE_TYPE(base_type, struct base, ISLE_FIELD(struct base, first), ISLE_FIELD(struct base, second));
REGISTERED(base_type);
ISLE_TYPE(mixed_type, struct mixed, ISLE_FIELD(struct mixed, third));
REGISTERED(mixed_type);
ISLE_TYPE(derived_type, struct derived, ISLE_FIELD_STRUCT(struct derived, base, &base_type),
          ISLE_FIELD_STRUCT(struct derived, mixed, &mixed_type), ISLE_FIELD(struct derived, fourth),
          ISLE_FIELD(struct derived, fifth));
REGISTERED(derived_type);

TEST_ROOT(message3_object_with_inherited_fields)
{
    struct derived sent = {{499, 42}, {99}, 33, 11, 1};
    struct derived *received =
        isle_as_object(echo_copy(isle_object(&derived_type, &sent)), &derived_type);

    CHECK(received != &sent);
    CHECK_INT(received->base.first, 499);
    CHECK_INT(received->base.second, 42);
    CHECK_INT(received->mixed.third, 99);
    CHECK_INT(received->fourth, 33);
    CHECK_INT(received->fifth, 11);
    CHECK_INT(received->unlisted, 0);
    received->fourth = 34;
    CHECK_INT(sent.fourth, 33);
}

/* 19: a C function of the program stays itself and can be called; a method that remembers its
 * object is a function and a value side by side. */
typedef int64_t method(const struct base *self);

static int64_t function_499(void)
{
    return 499;
}

static int64_t method_sum(const struct base *self)
{
    return self->first + self->second;
}

struct with_function {
    isle_value function;
    isle_value method;
    struct base *self;
};
ISLE_TYPE(with_function_type, struct with_function, ISLE_FIELD(struct with_function, function),
          ISLE_FIELD(struct with_function, method),
          ISLE_FIELD_OBJECT(struct with_function, self, &base_type));
REGISTERED(with_function_type);

TEST_ROOT(message3_object_with_function)
{
    struct base self = {1000, 234};
    struct with_function sent = {.function = isle_function_value((isle_function *)function_499),
                                 .method = isle_function_value((isle_function *)method_sum),
                                 .self = &self};
    struct with_function *received;
    method *tear_off;

    needs_shared_program();
    received =
        isle_as_object(echo_copy(isle_object(&with_function_type, &sent)), &with_function_type);
    CHECK_INT(((int64_t(*)(void))isle_as_function(received->function))(), 499);
    tear_off = (method *)isle_as_function(received->method);
    CHECK(received->self != &self);
    CHECK_INT(tear_off(received->self), 1234);
}

/* 20: two fields that lead to one object lead to one object on arrival, equal and not the same as
 * the one sent; a frozen value inside is the constant object. */
struct holder {
    struct base *one;
    struct base *other;
    isle_value constant;
};
ISLE_TYPE(holder_type, struct holder, ISLE_FIELD_OBJECT(struct holder, one, &base_type),
          ISLE_FIELD_OBJECT(struct holder, other, &base_type), ISLE_FIELD(struct holder, constant));
REGISTERED(holder_type);

TEST_ROOT(message3_object_identity)
{
    struct base shared = {.first = 499};
    struct holder sent = {&shared, &shared, isle_freeze(isle_bytes("constant", 8))};
    const struct holder *received =
        isle_as_object(echo_copy(isle_object(&holder_type, &sent)), &holder_type);

    CHECK(received->one == received->other);
    CHECK(received->one != &shared);
    CHECK_INT(received->one->first, 499);
    CHECK_VALUE(received->constant, sent.constant);
    CHECK(isle_is_frozen(received->constant));
    if (backend_under_test() == ISLE_THREAD)
        CHECK(isle_as_bytes(received->constant, NULL) == isle_as_bytes(sent.constant, NULL));
}

/* Identity is kept within one message and not between two. */
TEST_ROOT(message3_identity_is_per_message)
{
    struct echo target = echo_start(NULL);
    isle_value inner = isle_list(), list = isle_list(), first, second;

    isle_list_add(list, inner);
    isle_list_add(list, inner);
    first = echo_round(&target, list);
    second = echo_round(&target, list);
    CHECK(isle_identical(isle_list_get(first, 0), isle_list_get(first, 1)));
    CHECK(!isle_identical(isle_list_get(first, 0), isle_list_get(second, 0)));
    CHECK(!isle_identical(isle_list_get(first, 0), inner));
    echo_stop(&target);
}

TEST_MAIN()
