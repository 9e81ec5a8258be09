/* SPDX-License-Identifier: Apache-2.0 */
/* CBOR: the vectors of RFC 8949 Appendix A in both directions, sharing and cycles, objects, hostile
 * bytes, the budget. Calls no operating system: it runs on wasm32-wasi too. */
#include <math.h>

#include "cbor_help.h"
#include "isle/bytes.h"
#include "isle/object.h"

/* --- Appendix A ---------------------------------------------------------------------------------
 */

/* How a vector goes: both ways; in alone, since our encoding is another (indefinite lengths, wider
 * floats, dropped tags); or refused. */
enum way { BOTH, IN, MALFORMED, OUT_OF_RANGE };
static const struct vector {
    const char *hex;
    enum way way;
    const char *json; /* what it is, as isle_json says it */
} vectors[] = {
    {"00", BOTH, "0"},
    {"01", BOTH, "1"},
    {"0a", BOTH, "10"},
    {"17", BOTH, "23"},
    {"1818", BOTH, "24"},
    {"1819", BOTH, "25"},
    {"1864", BOTH, "100"},
    {"1903e8", BOTH, "1000"},
    {"1a000f4240", BOTH, "1000000"},
    {"1b000000e8d4a51000", BOTH, "1000000000000"},
    {"1bffffffffffffffff", OUT_OF_RANGE, NULL}, /* 18446744073709551615: int64_t is the only int */
    {"c249010000000000000000", OUT_OF_RANGE, NULL}, /* 18446744073709551616 */
    {"3bffffffffffffffff", OUT_OF_RANGE, NULL},     /* -18446744073709551616 */
    {"c349010000000000000000", OUT_OF_RANGE, NULL}, /* -18446744073709551617 */
    {"20", BOTH, "-1"},
    {"29", BOTH, "-10"},
    {"3863", BOTH, "-100"},
    {"3903e7", BOTH, "-1000"},
    {"f90000", BOTH, "0.0"},
    {"f98000", BOTH, "-0.0"},
    {"f93c00", BOTH, "1.0"},
    {"fb3ff199999999999a", BOTH, "1.1"},
    {"f93e00", BOTH, "1.5"},
    {"f97bff", BOTH, "65504.0"},
    {"fa47c35000", BOTH, "100000.0"},
    {"fa7f7fffff", BOTH, "3.4028234663852886e+38"},
    {"fb7e37e43c8800759c", BOTH, "1e+300"},
    {"f90001", BOTH, "5.9604644775390625e-08"},
    {"f90400", BOTH, "6.103515625e-05"},
    {"f9c400", BOTH, "-4.0"},
    {"fbc010666666666666", BOTH, "-4.1"},
    {"f97c00", BOTH, "{\"$double\": \"Infinity\"}"},
    {"f97e00", BOTH, "{\"$double\": \"NaN\"}"},
    {"f9fc00", BOTH, "{\"$double\": \"-Infinity\"}"},
    {"fa7f800000", IN, "{\"$double\": \"Infinity\"}"},
    {"fa7fc00000", IN, "{\"$double\": \"NaN\"}"},
    {"faff800000", IN, "{\"$double\": \"-Infinity\"}"},
    {"fb7ff0000000000000", IN, "{\"$double\": \"Infinity\"}"},
    {"fb7ff8000000000000", IN, "{\"$double\": \"NaN\"}"},
    {"fbfff0000000000000", IN, "{\"$double\": \"-Infinity\"}"},
    {"f4", BOTH, "false"},
    {"f5", BOTH, "true"},
    {"f6", BOTH, "null"},
    {"f7", IN, "null"},        /* undefined */
    {"f0", MALFORMED, NULL},   /* simple(16) */
    {"f8ff", MALFORMED, NULL}, /* simple(255) */
    {"c074323031332d30332d32315432303a30343a30305a", IN, "\"2013-03-21T20:04:00Z\""},
    {"c11a514b67b0", IN, "1363896240"},
    {"c1fb41d452d9ec200000", IN, "1363896240.5"},
    {"d74401020304", IN, "{\"$bytes\": \"01020304\", \"size\": 4}"},
    {"d818456449455446", IN, "{\"$bytes\": \"6449455446\", \"size\": 5}"},
    {"d82076687474703a2f2f7777772e6578616d706c652e636f6d", IN, "\"http://www.example.com\""},
    {"40", BOTH, "{\"$bytes\": \"\", \"size\": 0}"},
    {"4401020304", BOTH, "{\"$bytes\": \"01020304\", \"size\": 4}"},
    {"60", BOTH, "\"\""},
    {"6161", BOTH, "\"a\""},
    {"6449455446", BOTH, "\"IETF\""},
    {"62225c", BOTH, "\"\\\"\\\\\""},
    {"62c3bc", BOTH, "\"\xc3\xbc\""},
    {"63e6b0b4", BOTH, "\"\xe6\xb0\xb4\""},
    {"64f0908591", BOTH, "\"\xf0\x90\x85\x91\""},
    {"80", BOTH, "[]"},
    {"83010203", BOTH, "[1, 2, 3]"},
    {"8301820203820405", BOTH, "[1, [2, 3], [4, 5]]"},
    {"98190102030405060708090a0b0c0d0e0f101112131415161718181819", BOTH,
     "[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25]"},
    {"a0", BOTH, "{}"},
    {"a201020304", BOTH, "{\"$map\": [[1, 2], [3, 4]]}"},
    {"a26161016162820203", BOTH, "{\"a\": 1, \"b\": [2, 3]}"},
    {"826161a161626163", BOTH, "[\"a\", {\"b\": \"c\"}]"},
    {"a56161614161626142616361436164614461656145", BOTH,
     "{\"a\": \"A\", \"b\": \"B\", \"c\": \"C\", \"d\": \"D\", \"e\": \"E\"}"},
    {"5f42010243030405ff", IN, "{\"$bytes\": \"0102030405\", \"size\": 5}"},
    {"7f657374726561646d696e67ff", IN, "\"streaming\""},
    {"9fff", IN, "[]"},
    {"9f018202039f0405ffff", IN, "[1, [2, 3], [4, 5]]"},
    {"9f01820203820405ff", IN, "[1, [2, 3], [4, 5]]"},
    {"83018202039f0405ff", IN, "[1, [2, 3], [4, 5]]"},
    {"83019f0203ff820405", IN, "[1, [2, 3], [4, 5]]"},
    {"9f0102030405060708090a0b0c0d0e0f101112131415161718181819ff", IN,
     "[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25]"},
    {"bf61610161629f0203ffff", IN, "{\"a\": 1, \"b\": [2, 3]}"},
    {"826161bf61626163ff", IN, "[\"a\", {\"b\": \"c\"}]"},
    {"bf6346756ef563416d7421ff", IN, "{\"Fun\": true, \"Amt\": -2}"},
};

TEST_HEAP(cbor_takes_and_makes_the_vectors_of_appendix_a)
{
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
        const struct vector *vector = &vectors[i];
        if (vector->way == MALFORMED) {
            check_refused(vector->hex, ISLE_EMALFORMED);
        } else if (vector->way == OUT_OF_RANGE) {
            check_refused(vector->hex, ISLE_ERANGE);
        } else {
            isle_value value = decoded(vector->hex);
            check_json(value, vector->json);
            if (vector->way == BOTH)
                check_encoded(value, vector->hex);
        }
    }
}

/* Appendix F of the same document: what is not well-formed. */
TEST_HEAP(cbor_refuses_what_appendix_f_lists)
{
    static const char *const list[] = {"18",
                                       "19",
                                       "1a",
                                       "1b",
                                       "1901",
                                       "1a0102",
                                       "1b01020304050607",
                                       "38",
                                       "58",
                                       "78",
                                       "98",
                                       "9a01ff00",
                                       "b8",
                                       "d8",
                                       "f8",
                                       "f900",
                                       "fa0000",
                                       "fb000000",
                                       "41",
                                       "61",
                                       "5affffffff00",
                                       "5bffffffffffffffff010203",
                                       "7affffffff00",
                                       "7b7fffffffffffffff010203",
                                       "81",
                                       "818181818181818181",
                                       "8200",
                                       "a1",
                                       "a20102",
                                       "a100",
                                       "a2000000",
                                       "c0",
                                       "5f4100",
                                       "7f6100",
                                       "9f",
                                       "9f0102",
                                       "bf",
                                       "bf01020102",
                                       "819f",
                                       "9f8000",
                                       "9f9f9f9f9fffffffff",
                                       "9f819f819f9fffffff",
                                       "1c",
                                       "1d",
                                       "1e",
                                       "3c",
                                       "3d",
                                       "3e",
                                       "5c",
                                       "5d",
                                       "5e",
                                       "7c",
                                       "7d",
                                       "7e",
                                       "9c",
                                       "9d",
                                       "9e",
                                       "bc",
                                       "bd",
                                       "be",
                                       "dc",
                                       "dd",
                                       "de",
                                       "fc",
                                       "fd",
                                       "fe",
                                       "f800",
                                       "f801",
                                       "f818",
                                       "f81f",
                                       "5f00ff",
                                       "5f21ff",
                                       "5f6100ff",
                                       "5f80ff",
                                       "5fa0ff",
                                       "5fc000ff",
                                       "5fe0ff",
                                       "7f4100ff",
                                       "5f5f4100ffff",
                                       "7f7f6100ffff",
                                       "ff",
                                       "81ff",
                                       "8200ff",
                                       "a1ff",
                                       "a1ff00",
                                       "a100ff",
                                       "a20000ff",
                                       "9f81ff",
                                       "9f829f819f9fffffffff",
                                       "bf00ff",
                                       "bf000000ff",
                                       "1f",
                                       "3f",
                                       "df",
                                       ""};

    for (size_t i = 0; i < sizeof list / sizeof list[0]; i++)
        check_refused(list[i], ISLE_EMALFORMED);
}

TEST_HEAP(cbor_ints_are_shortest_at_every_edge)
{
    static const struct {
        int64_t value;
        const char *hex;
    } edges[] = {{23, "17"},
                 {24, "1818"},
                 {255, "18ff"},
                 {256, "190100"},
                 {65535, "19ffff"},
                 {65536, "1a00010000"},
                 {4294967295, "1affffffff"},
                 {4294967296, "1b0000000100000000"},
                 {INT64_MAX, "1b7fffffffffffffff"},
                 {-24, "37"},
                 {-25, "3818"},
                 {-256, "38ff"},
                 {-257, "390100"},
                 {-4294967297, "3b0000000100000000"},
                 {INT64_MIN, "3b7fffffffffffffff"}};

    for (size_t i = 0; i < sizeof edges / sizeof edges[0]; i++) {
        check_encoded(isle_int(edges[i].value), edges[i].hex);
        CHECK_INT(isle_as_int(decoded(edges[i].hex)), edges[i].value);
    }
    CHECK_INT(isle_as_int(decoded("1b0000000000000005")), 5);
    CHECK_INT(isle_as_int(decoded("c24a00007fffffffffffffff")), INT64_MAX);
    CHECK_INT(isle_as_int(decoded("c35f44000000004101ff")), -2);
    CHECK_INT(isle_as_int(decoded("c240")), 0);
    check_refused("1b8000000000000000", ISLE_ERANGE);
    check_refused("3b8000000000000000", ISLE_ERANGE);
    check_refused("c2488000000000000000", ISLE_ERANGE);
}

TEST_HEAP(cbor_doubles_are_shortest_and_exact)
{
    static const double numbers[] = {0x1p-24,     0x1.8p-24,  0x3p-24,   0x1p-14,        0x1.ffcp15,
                                     0x1p16,      0x1.002p0,  0x1.001p0, 0x1.fffffep127, 0x1p-149,
                                     0x1p-150,    0x1p128,    5e-324,    0x3ffp-24,      0x1.ffp-15,
                                     0x1.ff8p-15, 0x1.ffcp-15};
    static const size_t sizes[] = {3, 5, 3, 3, 3, 5, 5, 5, 5, 5, 9, 9, 9, 3, 3, 3, 5};

    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        size_t size;
        isle_value back;
        isle_value bytes = isle_cbor_encode(isle_double(-numbers[i]));
        const void *data = isle_as_bytes(bytes, &size);
        CHECK_ERR(isle_cbor_try_decode(data, size, BUDGET, &back), ISLE_OK);
        CHECK_DOUBLE(isle_as_double(back), -numbers[i]);
        CHECK_INT(i * 100 + size, i * 100 + sizes[i]);
    }
}

/* --- our own kinds ------------------------------------------------------------------------------
 */

TEST_HEAP(cbor_carries_typed_arrays_of_every_element)
{
    static const double doubles[] = {1.5, -2.0};
    static const uint16_t shorts[] = {1, 0xfffe};

    check_encoded(isle_array(ISLE_U16, shorts, 2), "d845440100feff");
    check_encoded(isle_array(ISLE_F64, doubles, 2), "d85650000000000000f83f00000000000000c0");
    for (int element = ISLE_U8; element <= ISLE_F64; element++) {
        size_t count;
        size_t size;
        isle_value back;
        isle_value array = isle_array((isle_element)element, doubles, 2);
        isle_value bytes = isle_cbor_encode(array);
        const void *data = isle_as_bytes(bytes, &size);
        CHECK_ERR(isle_cbor_try_decode(data, size, BUDGET, &back), ISLE_OK);
        (void)isle_as_array(back, (isle_element)element, &count);
        CHECK_INT(count, 2);
        CHECK_VALUE(back, array);
    }
}

TEST_HEAP(cbor_turns_big_endian_arrays)
{
    size_t count;
    const uint16_t *shorts = isle_as_array(decoded("d841440001fffe"), ISLE_U16, &count);

    CHECK_INT(count, 2);
    CHECK_INT(shorts[0], 1);
    CHECK_INT(shorts[1], 0xfffe);
    CHECK_DOUBLE(*(const double *)isle_as_array(decoded("d852483ff8000000000000"), ISLE_F64, NULL),
                 1.5);
    CHECK_INT(*(const uint8_t *)isle_as_array(decoded("d8444107"), ISLE_U8, NULL), 7);
    check_refused("d84543010203", ISLE_EMALFORMED); /* half an element */
    check_refused("d84c420102", ISLE_EMALFORMED);   /* the reserved tag 76 */
    check_refused("d850420102", ISLE_EMALFORMED);   /* 16-bit floats */
    check_refused("d84501", ISLE_EMALFORMED);
}

TEST_HEAP(cbor_carries_sets_and_errors)
{
    isle_value set = isle_set();

    isle_set_add(set, isle_int(1));
    isle_set_add(set, isle_string("a"));
    check_encoded(set, "d9010282016161");
    CHECK_VALUE(decoded("d9010282016161"), set);
    check_refused("d90102820101", ISLE_EMALFORMED);

    isle_value error = isle_error(ISLE_ETYPE, "wrong", NULL);
    check_encoded(error, "d81b846a69736c652e6572726f72216577726f6e67f6");
    isle_value back = decoded("d81b846a69736c652e6572726f72216577726f6e676161");
    CHECK_ERR(isle_error_code(back), ISLE_ETYPE);
    CHECK_STRING(isle_error_text(back), "wrong");
    CHECK_STRING(isle_error_stack(back), "a");
    check_refused("d81b846a69736c652e6572726f72006577726f6e67f6",
                  ISLE_EMALFORMED); /* no error's code */
    check_refused("d81b846a69736c652e6572726f723903e7616161f6", ISLE_EMALFORMED);
    check_refused("d81b836a69736c652e6572726f7221616160", ISLE_EMALFORMED);
}

TEST_HEAP(cbor_keeps_sharing_and_cycles)
{
    isle_value shared = isle_list();
    isle_value list = isle_list();
    isle_value map = isle_map();

    isle_list_add(list, shared);
    isle_list_add(list, map);
    isle_list_add(list, shared);
    isle_put(map, "up", list);
    isle_put(map, "self", map);
    check_encoded(list, "d81c83d81c80d81ca2627570d81d006473656c66d81d02d81d01");

    isle_value back = decoded("d81c83d81c80d81ca2627570d81d006473656c66d81d02d81d01");
    CHECK(isle_identical(isle_list_get(back, 0), isle_list_get(back, 2)));
    CHECK(isle_identical(isle_get(isle_list_get(back, 1), "up"), back));
    CHECK(isle_identical(isle_get(isle_list_get(back, 1), "self"), isle_list_get(back, 1)));
    CHECK_VALUE(back, list);
}

TEST_HEAP(cbor_shares_bytes_and_long_strings_only)
{
    char text[65];
    isle_value list = isle_list();
    isle_value bytes = isle_bytes("x", 1);

    memset(text, 'a', sizeof text);
    isle_value string = isle_string_sized(text, sizeof text);
    isle_value small = isle_string("small");
    for (int i = 0; i < 2; i++) {
        isle_list_add(list, bytes);
        isle_list_add(list, small);
        isle_list_add(list, string);
    }
    size_t size;
    const uint8_t *data = isle_as_bytes(isle_cbor_encode(list), &size);
    CHECK_INT(size, 1 + (2 + 2) + 6 + (2 + 67) + 3 + 6 + 3);
    isle_value back;
    CHECK_ERR(isle_cbor_try_decode(data, size, BUDGET, &back), ISLE_OK);
    CHECK(isle_identical(isle_list_get(back, 0), isle_list_get(back, 3)));
    CHECK_VALUE(back, list);
}

TEST_HEAP(cbor_references_go_only_to_what_has_begun)
{
    check_refused("d81d00", ISLE_EMALFORMED);
    check_refused("82d81d00d81c80", ISLE_EMALFORMED);
    check_refused("82d81cd81d0000", ISLE_EMALFORMED); /* a reference to itself */
    check_refused("d81c", ISLE_EMALFORMED);
    check_refused("82d81c80d81d20", ISLE_EMALFORMED);
    check_refused("82d81c80d81d6161", ISLE_EMALFORMED);
    check_refused("9fd81cff", ISLE_EMALFORMED);
    check_json(decoded("82d81c05d81d00"), "[5, 5]");
    check_json(decoded("83d81cd81c80d81d00d81d01"),
               "[{\"$id\": 0, \"$list\": []}, {\"$ref\": 0}, {\"$ref\": 0}]");
    check_json(decoded("d81c9fd81d00ff"), "{\"$id\": 0, \"$list\": [{\"$ref\": 0}]}");
}

TEST_HEAP(cbor_drops_unknown_tags_and_refuses_misplaced_known_ones)
{
    check_json(decoded("d9d9f7820102"), "[1, 2]");
    check_json(decoded("dbffffffffffffffff01"), "1");
    check_refused("c201", ISLE_EMALFORMED);
    check_refused("d9010201", ISLE_EMALFORMED);
    check_refused("d90102a0", ISLE_EMALFORMED);
    check_refused("d81b01", ISLE_EMALFORMED);
    check_refused("d9010240", ISLE_EMALFORMED);
    check_refused("d90102d9010280", ISLE_EMALFORMED);
    check_refused("d90102d81c80", ISLE_EMALFORMED); /* shareable stands outside */
}

TEST_HEAP(cbor_refuses_keys_twice_and_leftovers)
{
    check_refused("a201020103", ISLE_EMALFORMED);
    check_refused("a20102f93c0003", ISLE_EMALFORMED); /* 1 and 1.0 are one key */
    check_refused("bf616101616102ff", ISLE_EMALFORMED);
    check_refused("0000", ISLE_EMALFORMED);
    check_refused("8000", ISLE_EMALFORMED);
    CHECK_INT(isle_count(decoded("a280018002")), 2); /* lists are keys by identity */
}

TEST_HEAP(cbor_text_is_utf8_chunk_by_chunk)
{
    check_refused("61ff", ISLE_EMALFORMED);
    check_refused("62c0af", ISLE_EMALFORMED);
    check_refused("63eda080", ISLE_EMALFORMED);
    check_refused("64f4908080", ISLE_EMALFORMED);
    check_refused("7f61c361bcff", ISLE_EMALFORMED); /* a character in two chunks */
    CHECK_STRING(isle_as_string(decoded("7f62c3bc6161ff")), "\xc3\xbc"
                                                            "a");
}

/* --- refusals of the encoder --------------------------------------------------------------------
 */

static isle_value encode_it(isle_value value)
{
    return isle_cbor_encode(value);
}

static void check_unsendable(isle_value value, const char *text)
{
    isle_value result;

    CHECK_ERR(isle_try(encode_it, value, &result), ISLE_EUNSENDABLE);
    CHECK_STRING(isle_error_text(isle_last_error()), text);
}

TEST_HEAP(cbor_names_what_it_cannot_carry_and_where)
{
    isle_value map = isle_map();
    isle_value list = isle_list();

    isle_list_add(list, isle_int(1));
    isle_list_add(list, isle_port((isle_send_port){5}));
    isle_put(map, "reply", list);
    check_unsendable(map, "Illegal argument in isolate message: isle_cbor_encode: send port\n"
                          " <- element 1 of a list\n"
                          " <- value of \"reply\" of a map");
    check_unsendable(isle_pointer(map.bits != 0 ? &map : NULL),
                     "Illegal argument in isolate message: isle_cbor_encode: pointer");
}

TEST_HEAP(cbor_stops_at_a_cycle_of_owned_fields)
{
    struct ring {
        struct ring *next;
    } ring = {&ring};
    static isle_field fields[1];
    static isle_type type = {"struct ring", sizeof(struct ring), fields, 1, 1, false, NULL, NULL};
    isle_value result;

    fields[0] = (isle_field)ISLE_FIELD_OWNED(struct ring, next, &type);
    CHECK_ERR(isle_try(encode_it, isle_object(&type, &ring), &result), ISLE_ERANGE);
}
TEST_MEMORY(cbor_stops_at_a_cycle_of_owned_fields, 1024);

TEST(cbor_encoding_is_charged_to_the_heap)
{
    struct heap_fixture fixture;
    isle_value result;

    heap_fixture_open(&fixture, (size_t)1 << 20);
    isle_value bytes = isle_bytes(NULL, 300000);
    CHECK_ERR(isle_try(encode_it, bytes, &result), ISLE_ENOMEM);
    CHECK_INT(isle_count(isle_cbor_encode(isle_int(1))), 1);
    heap_fixture_close(&fixture);
}

TEST_MAIN()
