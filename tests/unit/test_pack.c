/* SPDX-License-Identifier: Apache-2.0 */
/* isle_pack and isle_unpack: every letter of the language, every mistake that a program can make
 * with it. */
#include <limits.h>

#include "heap_fixture.h"
#include "isle/bytes.h"
#include "isle/pack.h"
#include "value/pack.h"

/* Runs the statement under isle_try; it must throw that error. */
#define CHECK_PACK_THROWS(call, code, text)                                                        \
    do {                                                                                           \
        pack_test_call = &(struct pack_call){call};                                                \
        CHECK_THROWS(pack_it, isle_null(), code, text);                                            \
    } while (0)
struct pack_call {
    const isle_arg *args;
    size_t count;
};
static const struct pack_call *pack_test_call;
static isle_value pack_it(isle_value ignored)
{
    (void)ignored;
    return isle__pack(pack_test_call->args, pack_test_call->count);
}
static isle_value unpack_it(isle_value ignored)
{
    (void)ignored;
    isle__unpack(pack_test_call->args, pack_test_call->count);
    return isle_null();
}
#define CHECK_PACK(code, text, ...) CHECK_PACK_THROWS(ISLE__ARGS(__VA_ARGS__), code, text)
#define CHECK_UNPACK(code, text, ...)                                                              \
    do {                                                                                           \
        pack_test_call = &(struct pack_call){ISLE__ARGS(__VA_ARGS__)};                             \
        CHECK_THROWS(unpack_it, isle_null(), code, text);                                          \
    } while (0)

TEST_HEAP(pack_builds_what_the_format_says)
{
    isle_value list = isle_list();
    isle_value value =
        isle_pack("{s:i, s:[f,f], s:{s:n,s:b}, s:o, s:p, s:s}", "id", 7, "at", 1.5, 2, "in", "no",
                  "yes", true, "any", list, "port", (isle_send_port){9}, "text", "hello");

    CHECK_INT(isle_count(value), 6);
    CHECK_INT(isle_as_int(isle_get(value, "id")), 7);
    CHECK_DOUBLE(isle_as_double(isle_list_get(isle_get(value, "at"), 0)), 1.5);
    CHECK_INT(isle_kind_of(isle_list_get(isle_get(value, "at"), 1)), ISLE_DOUBLE);
    CHECK(isle_is_null(isle_get(isle_get(value, "in"), "no")));
    CHECK(isle_as_bool(isle_get(isle_get(value, "in"), "yes")));
    CHECK(isle_identical(isle_get(value, "any"), list));
    CHECK_UINT(isle_as_port(isle_get(value, "port")).id, 9);
    CHECK_STRING(isle_as_string(isle_get(value, "text")), "hello");
}

TEST_HEAP(pack_takes_bare_values_and_empty_containers)
{
    CHECK(isle_is_null(isle_pack("n")));
    CHECK_INT(isle_as_int(isle_pack(" i ", 5)), 5);
    CHECK_INT(isle_count(isle_pack("[]")), 0);
    CHECK_INT(isle_count(isle_pack("{}")), 0);
    CHECK_INT(isle_count(isle_pack("[[][{}]n]")), 3);
}

TEST_HEAP(pack_takes_every_integer_type)
{
    signed char a = -1;
    unsigned short b = 65535;
    unsigned char c = 255;
    isle_value list = isle_pack("[i,i,i,i,i,i,i,i]", a, b, c, (char)7, LONG_MIN, UINT_MAX,
                                (unsigned long)5, (unsigned long long)INT64_MAX);

    CHECK_INT(isle_as_int(isle_list_get(list, 0)), -1);
    CHECK_INT(isle_as_int(isle_list_get(list, 1)), 65535);
    CHECK_INT(isle_as_int(isle_list_get(list, 2)), 255);
    CHECK_INT(isle_as_int(isle_list_get(list, 4)), LONG_MIN);
    CHECK_INT(isle_as_int(isle_list_get(list, 5)), UINT_MAX);
    CHECK_INT(isle_as_int(isle_list_get(list, 7)), INT64_MAX);
    CHECK_PACK(
        ISLE_ERANGE,
        "isle_pack: at 1 of \"[i]\": 18446744073709551615 does not fit in 64 bits with a sign",
        "[i]", ULLONG_MAX);
    CHECK_PACK(ISLE_ERANGE, "isle_pack: at 0 of \"f\": the integer is not exact as a double", "f",
               (INT64_C(1) << 53) + 1);
}

TEST_HEAP(pack_names_the_place_of_a_mistake)
{
    CHECK_PACK(ISLE_ETYPE,
               "isle_pack: at 3 of \"{s:i}\": expected an integer argument, got a string", "{s:i}",
               "k", "v");
    CHECK_PACK(ISLE_ETYPE, "isle_pack: at 1 of \"{s:i}\": expected a key argument, got an integer",
               "{s:i}", 1, 2);
    CHECK_PACK(ISLE_ETYPE, "isle_pack: at 0 of \"i\": expected an integer argument, got a number",
               "i", 1.5);
    CHECK_PACK(ISLE_EINVAL, "isle_pack: at 3 of \"[i,i]\": expected an integer argument, got none",
               "[i,i]", 1);
    CHECK_PACK(ISLE_EINVAL, "isle_pack: at 1 of \"i\": the format takes 1 arguments, got 2", "i", 1,
               2);
    CHECK_PACK(ISLE_EINVAL, "isle_pack: at 2 of \"[i\": the format ends too early", "[i", 1);
    CHECK_PACK(ISLE_EINVAL, "isle_pack: at 0 of \"\": the format ends too early", "");
    CHECK_PACK(ISLE_EINVAL, "isle_pack: at 0 of \"x\": unexpected character 'x'", "x");
    CHECK_PACK(ISLE_EINVAL, "isle_pack: at 1 of \"ii\": unexpected character 'i'", "ii", 1);
    CHECK_PACK(ISLE_EINVAL, "isle_pack: at 1 of \"{i:i}\": unexpected character 'i'", "{i:i}", 1,
               2);
    CHECK_PACK(ISLE_EINVAL, "isle_pack: at 1 of \"[}\": unexpected character '}'", "[}");
    CHECK_PACK(ISLE_EINVAL, "isle_pack: at 2 of \"{s?:i}\": unexpected character '?'", "{s?:i}",
               "k", 1);
    CHECK_PACK(ISLE_EINVAL, "isle_pack: at 5 of \"{s:i,s:i}\": the key \"a\" a second time",
               "{s:i,s:i}", "a", 1, "a", 2);
    CHECK_PACK(ISLE_EINVAL, "isle_pack: at 0 of \"s\": expected a string argument, got NULL", "s",
               (const char *)NULL);
    CHECK_PACK(ISLE_EINVAL, "isle_pack: format is NULL", (const char *)NULL);
    CHECK_PACK(ISLE_ETYPE, "isle_pack: expected a format, got an integer", 5);
    CHECK_PACK(ISLE_EMALFORMED, NULL, "s", "\xff");
}

TEST_HEAP(pack_nests_64_deep_and_no_more)
{
    char format[200] = "";

    memset(format, '[', 64);
    memset(format + 64, ']', 64);
    CHECK_INT(isle_count(isle_pack((const char *)format)), 1);
    memset(format, '[', 65);
    memset(format + 65, ']', 65);
    CHECK_PACK(ISLE_EINVAL, NULL, (const char *)format);
}

TEST_HEAP(pack_for_a_post_takes_immediates_and_frozen_values_only)
{
    isle_send_port port = {1};
    struct pack_call call = {ISLE__ARGS(port, "[o,o,i]", isle_int(5), isle_freeze(isle_list()), 3)};
    isle_value value = isle__pack_parse(call.args, call.count, 1);

    CHECK_INT(isle_count(value), 3);
}

TEST_HEAP(unpack_fills_every_kind_of_variable)
{
    isle_value list = isle_list();
    isle_value value =
        isle_pack("{s:i,s:[f,i],s:b,s:s,s:p,s:o,s:n}", "id", 7, "at", 1.5, 2, "on", true, "name",
                  "x", "port", (isle_send_port){9}, "any", list, "none");
    int id = 0;
    double x = 0;
    double y = 0;
    bool on = false;
    const char *name = NULL;
    isle_send_port port = {0};
    isle_value any = isle_null();

    isle_unpack(value, "{s:i,s:[f,f],s:b,s:s,s:p,s:o,s:n}", "id", &id, "at", &x, &y, "on", &on,
                "name", &name, "port", &port, "any", &any, "none");
    CHECK_INT(id, 7);
    CHECK_DOUBLE(x, 1.5);
    CHECK_DOUBLE(y, 2);
    CHECK(on);
    CHECK_STRING(name, "x");
    CHECK_UINT(port.id, 9);
    CHECK(isle_identical(any, list));
}

TEST_HEAP(unpack_checks_the_range_of_every_integer_type)
{
    int i = 5;
    unsigned u = 5;
    long l = 5;
    unsigned long long ull = 5;

    isle_unpack(isle_int(INT_MIN), "i", &i);
    CHECK_INT(i, INT_MIN);
    isle_unpack(isle_int(UINT_MAX), "i", &u);
    CHECK_UINT(u, UINT_MAX);
    isle_unpack(isle_int(LONG_MIN), "i", &l);
    CHECK_INT(l, LONG_MIN);
    isle_unpack(isle_int(INT64_MAX), "i", &ull);
    CHECK_UINT(ull, INT64_MAX);
    CHECK_UNPACK(ISLE_ERANGE, "isle_unpack: at 0 of \"i\": 2147483648 does not fit in 32 bits",
                 isle_int((int64_t)INT_MAX + 1), "i", &i);
    CHECK_UNPACK(ISLE_ERANGE, "isle_unpack: at 0 of \"i\": -1 does not fit in unsigned 32 bits",
                 isle_int(-1), "i", &u);
    CHECK_UNPACK(ISLE_ERANGE, NULL, isle_int((int64_t)UINT_MAX + 1), "i", &u);
    CHECK_UNPACK(ISLE_ERANGE, NULL, isle_int(-1), "i", &ull);
    CHECK_INT(i, INT_MIN);
}

TEST_HEAP(unpack_names_the_place_of_a_mismatch)
{
    int i = 5;
    double d = 5;
    const char *s = NULL;
    isle_value map = isle_pack("{s:i}", "a", 1);
    isle_value list = isle_pack("[i]", 1);

    CHECK_UNPACK(ISLE_ETYPE, "isle_unpack: at 3 of \"{s:s}\": expected a string, got an int", map,
                 "{s:s}", "a", &s);
    CHECK_UNPACK(ISLE_ETYPE,
                 "isle_unpack: at 1 of \"{s:i}\": expected the key \"b\", which is not there", map,
                 "{s:i}", "b", &i);
    CHECK_UNPACK(ISLE_ETYPE, "isle_unpack: at 0 of \"[i]\": expected a list, got a map", map, "[i]",
                 &i);
    CHECK_UNPACK(ISLE_ETYPE, "isle_unpack: at 3 of \"[i,i]\": expected a list of more than 1", list,
                 "[i,i]", &i, &i);
    CHECK_UNPACK(ISLE_ETYPE, "isle_unpack: at 1 of \"[!]\": expected a list of 0, got one of 1",
                 list, "[!]");
    CHECK_UNPACK(ISLE_ETYPE, "isle_unpack: at 1 of \"{!}\": expected a map of 0, got one of 1", map,
                 "{!}");
    CHECK_UNPACK(
        ISLE_ETYPE,
        "isle_unpack: at 0 of \"f\": expected a double * argument, got a pointer to an integer",
        isle_int(1), "f", &i);
    CHECK_UNPACK(ISLE_ETYPE, NULL, isle_int(1), "i", &d);
    CHECK_UNPACK(ISLE_ETYPE, NULL, isle_int(1), "i", 5);
    CHECK_UNPACK(ISLE_EINVAL, "isle_unpack: at 2 of \"[!i]\": unexpected character 'i'",
                 isle_list(), "[!i]", &i);
    CHECK_UNPACK(ISLE_EINVAL, NULL, isle_int(1), "i");
    CHECK_UNPACK(ISLE_EINVAL, NULL, isle_int(1), "i", &i, &i);
    CHECK_UNPACK(ISLE_EINVAL, NULL, isle_int(1), "i", (int *)NULL);
    CHECK_UNPACK(ISLE_ETYPE, NULL, isle_string_sized("a\0b", 3), "s", &s);
    CHECK_UNPACK(ISLE_ERANGE, NULL, isle_int((INT64_C(1) << 53) + 1), "f", &d);
    CHECK_INT(i, 5);
}

TEST_HEAP(unpack_ignores_what_more_there_is_unless_told)
{
    int i = 0;
    isle_value map = isle_pack("{s:i,s:i}", "a", 1, "b", 2);

    isle_unpack(map, "{s:i}", "b", &i);
    CHECK_INT(i, 2);
    isle_unpack(isle_pack("[i,i]", 3, 4), "[i]", &i);
    CHECK_INT(i, 3);
    CHECK_ERR(isle_try_unpack(map, "{s:i!}", "b", &i), ISLE_ETYPE);
    CHECK_ERR(isle_try_unpack(map, "{s:i,s:i!}", "b", &i, "a", &i), ISLE_OK);
}

TEST_HEAP(unpack_leaves_absent_optional_variables_alone)
{
    int a = 10;
    int b = 20;
    int c = 30;
    isle_value map = isle_pack("{s:i,s:{}}", "a", 1, "in");

    isle_unpack(map, "{s?:i,s?:i,s?:[i,i!],s:{s?:i!}!}", "a", &a, "b", &b, "c", &b, &b, "in", "c",
                &c);
    CHECK_INT(a, 1);
    CHECK_INT(b, 20);
    CHECK_INT(c, 30);
    /* Present, it must fit; absent, its arguments are still checked. */
    CHECK_ERR(isle_try_unpack(map, "{s?:s}", "a", &(const char *){NULL}), ISLE_ETYPE);
    CHECK_ERR(isle_try_unpack(map, "{s?:s}", "zz", &a), ISLE_ETYPE);
}

TEST_HEAP(try_unpack_sets_all_variables_or_none)
{
    int a = 10;
    int b = 20;

    CHECK_ERR(isle_try_unpack(isle_pack("[i,s]", 1, "x"), "[i,i]", &a, &b), ISLE_ETYPE);
    CHECK_INT(a, 10);
    CHECK_INT(b, 20);
    CHECK_STRING(isle_error_text(isle_last_error()),
                 "isle_try_unpack: at 3 of \"[i,i]\": expected an int, got a string");
    CHECK_ERR(isle_try_unpack(isle_pack("[i,i]", 1, 2), "[i,i]x", &a, &b), ISLE_EINVAL);
    CHECK_INT(a, 10);
    CHECK_ERR(isle_try_unpack(isle_pack("[i,i]", 1, 2), "[i,i]", &a, &b), ISLE_OK);
    CHECK_INT(a, 1);
    CHECK_INT(b, 2);
}

TEST(try_unpack_outside_an_isolate_says_so)
{
    int a;

    CHECK_ERR(isle_try_unpack(isle_null(), "i", &a), ISLE_EOUTSIDE);
}

TEST_MAIN()
