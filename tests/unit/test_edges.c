/* SPDX-License-Identifier: Apache-2.0 */
/* Edges of the lower layers where a plausible fault would go unseen by broader tests; tools/mutate
 * keeps such faults. */
#include "heap_fixture.h"
#include "isle/bytes.h"
#include "isle/object.h"
#include "value/cell.h"

TEST_HEAP(list_keeps_every_item_when_it_grows)
{
    isle_value list = isle_list();

    for (int64_t i = 0; i < 100; i++) {
        isle_list_add(list, isle_int(i * i));
        for (int64_t j = 0; j <= i; j++)
            CHECK_INT(isle_as_int(isle_list_get(list, (size_t)j)), j * j);
    }
}

TEST_HEAP(doubles_keep_each_of_their_low_bits)
{
    const double numbers[] = {0x1.0000000000001p0, 0x1.0000000000002p0, 0x1.0000000000003p0,
                              0x1.0000000000004p0, 0x1.0000000000005p0, 0x1.0000000000006p0,
                              0x1.0000000000007p0, 0x1.0000000000008p0};

    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        isle_value value = isle_double(numbers[i]);

        CHECK_INT(isle_kind_of(value), ISLE_DOUBLE);
        CHECK_DOUBLE(isle_as_double(value), numbers[i]);
    }
}

TEST_HEAP(ints_that_no_double_holds_are_refused_as_doubles)
{
    const int64_t edge = INT64_C(1) << 53;
    double got = 7;

    CHECK(isle_get_double(isle_int(edge), &got));
    CHECK_DOUBLE(got, 0x1p53);
    got = 7;
    CHECK(!isle_get_double(isle_int(edge + 1), &got));
    CHECK(!isle_get_double(isle_int(-edge - 1), &got));
    CHECK(!isle_get_double(isle_int(INT64_MAX), &got));
    CHECK_DOUBLE(got, 7);
}

TEST(utf8_is_checked_in_every_byte_of_a_word)
{
    for (size_t size = 1; size <= 24; size++)
        for (size_t at = 0; at < size; at++) {
            char text[24];

            memset(text, 'x', sizeof(text));
            text[at] = '\xff';
            CHECK_UINT(isle__utf8_valid(text, size), at);
        }
}

TEST_HEAP(view_of_a_view_begins_where_it_should)
{
    isle_value bytes = isle_bytes("0123456789", 10);
    isle_value view = isle_bytes_view(isle_bytes_view(bytes, 2, 6), 3, 2);
    size_t size = 0;

    CHECK(memcmp(isle_as_bytes(view, &size), "56", 2) == 0);
    CHECK_UINT(size, 2);
}

static isle_value edges_list(size_t count)
{
    isle_value list = isle_list();

    for (size_t i = 0; i < count; i++)
        isle_list_add(list, isle_int((int64_t)i));
    return list;
}

static isle_value edges_map(size_t count)
{
    isle_value map = isle_map();

    for (size_t i = 0; i < count; i++)
        isle_map_put(map, isle_int((int64_t)i), isle_null());
    return map;
}

TEST_HEAP(containers_with_more_are_not_equal)
{
    CHECK(isle_equal(edges_list(3), edges_list(3)));
    CHECK(!isle_equal(edges_list(3), edges_list(4)));
    CHECK(!isle_equal(edges_list(4), edges_list(3)));
    CHECK(isle_equal(edges_map(3), edges_map(3)));
    CHECK(!isle_equal(edges_map(3), edges_map(4)));
    CHECK(!isle_equal(edges_map(4), edges_map(3)));
}

static isle_value edges_wrap(isle_value value)
{
    isle_value list = isle_list();

    isle_list_add(list, value);
    return list;
}

/* {[1], [2], [[1]]} and {[2], [1], [[2]]}: matching [1] is tried with [2] first, and that they
 * differ must not be forgotten when the last two are compared. */
TEST_HEAP(equal_forgets_what_a_failed_try_assumed)
{
    isle_value left = isle_set(), right = isle_set();
    isle_value one = edges_wrap(isle_int(1)), two = edges_wrap(isle_int(2));

    isle_set_add(left, one);
    isle_set_add(left, edges_wrap(isle_int(2)));
    isle_set_add(left, edges_wrap(one));
    isle_set_add(right, two);
    isle_set_add(right, edges_wrap(isle_int(1)));
    isle_set_add(right, edges_wrap(two));
    CHECK(!isle_equal(left, right));
}

struct edges_pair {
    int32_t first, second;
};

TEST(layout_hash_tells_offsets_apart)
{
    const isle_field straight[] = {ISLE_FIELD(struct edges_pair, first),
                                   ISLE_FIELD(struct edges_pair, second)};
    isle_field crossed[] = {straight[0], straight[1]};
    isle_type a = {.name = "pair", .size = sizeof(struct edges_pair), .field_count = 2};
    isle_type b = a;

    crossed[0].offset = straight[1].offset;
    crossed[1].offset = straight[0].offset;
    a.fields = straight;
    b.fields = crossed;
    CHECK(isle_type_hash(&a) != isle_type_hash(&b));
    b.fields = straight;
    CHECK_UINT(isle_type_hash(&b), isle_type_hash(&a));
}

TEST_HEAP(map_counts_what_is_left)
{
    isle_value map = edges_map(20);

    for (int64_t i = 0; i < 20; i += 3)
        CHECK(isle_map_remove(map, isle_int(i)));
    CHECK(!isle_map_remove(map, isle_int(0)));
    CHECK_UINT(isle_count(map), 13);
    isle_map_put(map, isle_int(1), isle_int(7));
    CHECK_UINT(isle_count(map), 13);
    CHECK_INT(isle_as_int(isle_map_get(map, isle_int(1))), 7);
}

TEST(limit_counts_heap_and_mailbox)
{
    struct isle__heap heap = {0};

    isle__heap_init(&heap, 1000);
    CHECK(isle__heap_try_charge(&heap, 400));
    (void)isle__room_enter(&heap.data, isle__room_of(1, 496));
    CHECK(!isle__heap_try_charge(&heap, 105));
    CHECK(isle__heap_try_charge(&heap, 104));
    CHECK(!isle__heap_try_charge(&heap, 1));
    heap.data_out += isle__room_of(1, 496);
    CHECK(isle__heap_try_charge(&heap, 496));
    CHECK(!isle__heap_try_charge(&heap, SIZE_MAX));
    isle__heap_discharge(&heap, 1000);
    isle__heap_fini(&heap);
}

/* Heads with the reserved lengths 28 to 30, before bytes enough for whatever they might mean. */
TEST_HEAP(cbor_refuses_reserved_lengths_whatever_follows)
{
    for (unsigned major = 0; major < 8; major++)
        for (unsigned length = 28; length <= 30; length++) {
            uint8_t data[64];
            isle_value value;

            memset(data, 0x60, sizeof(data)); /* empty texts */
            data[0] = (uint8_t)(major << 5 | length);
            for (size_t size = 1; size <= sizeof(data); size++)
                CHECK_ERR(isle_cbor_try_decode(data, size, 4096, &value), ISLE_EMALFORMED);
        }
}

TEST(parker_takes_its_permit)
{
    struct isle__parker parker = {0};
    int64_t began = isle__clock_now();
    int parks = 0;

    if (!isle__platform_has(ISLE__HAS_THREADS))
        skip("no threads");
    isle__parker_unpark(&parker);
    for (; isle__clock_now() - began < ISLE_MS(20); parks++)
        isle__parker_park(&parker, ISLE_MS(20));
    CHECK(parks < 100); /* a park may return early for no reason, but not always */
}

TEST_MAIN()
