/* SPDX-License-Identifier: Apache-2.0 */
/* JSON for people: every kind of value, sharing and cycles, valid whatever the value is, any depth.
 */
#include <locale.h>
#include <math.h>

#include "heap_fixture.h"
#include "isle/bytes.h"
#include "isle/object.h"
#include "isle/pack.h"
#include "isle/scope.h"

static void check_json(isle_value value, const char *expected)
{
    CHECK_STRING(isle_as_string(isle_json(value)), expected);
}

TEST_HEAP(json_writes_scalars)
{
    check_json(isle_null(), "null");
    check_json(isle_bool(true), "true");
    check_json(isle_int(INT64_MIN), "-9223372036854775808");
    check_json(isle_double(1), "1.0");
    check_json(isle_double(0.1), "0.1");
    check_json(isle_double(-1e300), "-1e+300");
    check_json(isle_double(1.0 / 3), "0.3333333333333333");
    check_json(isle_double((double)NAN), "{\"$double\": \"NaN\"}");
    check_json(isle_double(-(double)INFINITY), "{\"$double\": \"-Infinity\"}");
}

TEST_HEAP(json_escapes_what_json_and_terminals_need)
{
    check_json(isle_string("a\"b\\c\n\t\r\x1b\x7f"), "\"a\\\"b\\\\c\\n\\t\\u000d\\u001b\\u007f\"");
    check_json(isle_string_sized("a\0b", 3), "\"a\\u0000b\"");
    check_json(isle_string("\xc2\x9b\xc2\xa0\xc3\xbc"), "\"\\u009b\xc2\xa0\xc3\xbc\"");
}

TEST_HEAP(json_writes_containers_in_order)
{
    check_json(isle_pack("{s:i,s:[f,n,b],s:{}}", "id", 7, "at", 1.5, true, "none"),
               "{\"id\": 7, \"at\": [1.5, null, true], \"none\": {}}");
    isle_value map = isle_map();
    isle_map_put(map, isle_int(1), isle_string("one"));
    isle_map_put(map, isle_list(), isle_null());
    check_json(map, "{\"$map\": [[1, \"one\"], [[], null]]}");
    isle_value dollar = isle_map();
    isle_put(dollar, "$ref", isle_int(0));
    check_json(dollar, "{\"$map\": [[\"$ref\", 0]]}");
    isle_value set = isle_set();
    check_json(set, "{\"$set\": []}");
    isle_set_add(set, isle_int(1));
    isle_set_add(set, isle_int(2));
    check_json(set, "{\"$set\": [1, 2]}");
}

TEST_HEAP(json_names_what_json_lacks)
{
    static const int16_t shorts[] = {-1, 2};

    check_json(isle_port((isle_send_port){31}), "{\"$port\": \"1f\"}");
    check_json(isle_capability_value((isle_capability){32}), "{\"$capability\": \"20\"}");
    check_json(isle_isolate_value((isle_isolate){.control_port = {33}}), "{\"$isolate\": \"21\"}");
    check_json(isle_pointer((void *)(uintptr_t)&shorts), "{\"$pointer\": true}");
    check_json(isle_bytes("\x00\xff", 2), "{\"$bytes\": \"00ff\", \"size\": 2}");
    check_json(isle_array(ISLE_I16, shorts, 2), "{\"$i16\": [-1, 2], \"count\": 2}");
    check_json(isle_error(ISLE_ETYPE, "bad", NULL),
               "{\"$error\": \"bad\", \"code\": \"ISLE_ETYPE\"}");
    check_json(isle_error(ISLE_ETYPE, "bad", "here"),
               "{\"$error\": \"bad\", \"code\": \"ISLE_ETYPE\", \"stack\": \"here\"}");
    check_json(isle_transferable(10), "{\"$transferable\": 10}");
}

TEST_HEAP(json_cuts_bytes_and_arrays_short)
{
    isle_value huge = isle_bytes(NULL, 1000000);
    isle_value numbers = isle_array(ISLE_F64, NULL, 1000);

    CHECK(isle_count(isle_json(huge)) < 200);
    const char *text = isle_as_string(isle_json(huge));
    CHECK(strstr(text, "00…\", \"size\": 1000000}") != NULL);
    CHECK(strstr(isle_as_string(isle_json(numbers)), "0.0], \"count\": 1000}") != NULL);
}

TEST_HEAP(json_marks_what_is_met_again)
{
    isle_value list = isle_list();
    isle_value shared = isle_map();
    isle_value once = isle_list();

    isle_list_add(list, list);
    isle_list_add(list, shared);
    isle_list_add(list, once);
    isle_list_add(list, shared);
    check_json(list, "{\"$id\": 0, \"$list\": [{\"$ref\": 0}, {\"$id\": 1}, [], {\"$ref\": 1}]}");
    isle_put(shared, "a", isle_int(1));
    isle_value set = isle_set();
    isle_set_add(set, set);
    isle_put(shared, "s", set);
    check_json(shared, "{\"a\": 1, \"s\": {\"$id\": 0, \"$set\": [{\"$ref\": 0}]}}");
    isle_value pairs = isle_map();
    isle_map_put(pairs, isle_int(1), pairs);
    check_json(pairs, "{\"$id\": 0, \"$map\": [[1, {\"$ref\": 0}]]}");
}

struct link {
    const char *name;
    int counts[3];
    bool on;
    struct link *next;
    struct link **all;
    int all_count;
    isle_send_port port;
    isle_value value;
};
extern const isle_type link_type;
ISLE_TYPE(link_type, struct link, ISLE_FIELD(struct link, name),
          ISLE_FIELD_INLINE(struct link, counts), ISLE_FIELD(struct link, on),
          ISLE_FIELD_OBJECT(struct link, next, &link_type),
          ISLE_FIELD_OBJECTS(struct link, all, all_count, &link_type),
          ISLE_FIELD(struct link, port), ISLE_FIELD(struct link, value));

TEST_HEAP(json_writes_objects_by_field)
{
    struct link *all[2] = {NULL, NULL};
    struct link link = {
        .name = "x", .counts = {1, -2, 3}, .all = all, .all_count = 2, .port = {16}};

    link.next = &link;
    all[1] = &link;
    check_json(
        isle_object(&link_type, &link),
        "{\"$id\": 0, \"$object\": \"struct link\", \"name\": \"x\", \"counts\": [1, -2, 3], "
        "\"on\": false, \"next\": {\"$ref\": 0}, \"all\": [null, {\"$ref\": 0}], "
        "\"port\": {\"$port\": \"10\"}, \"value\": null}");
    link.name = "\xff";
    link.next = NULL;
    link.all = NULL;
    check_json(
        isle_object(&link_type, &link),
        "{\"$object\": \"struct link\", \"name\": {\"$malformed\": 1}, \"counts\": [1, -2, 3], "
        "\"on\": false, \"next\": null, \"all\": null, \"port\": {\"$port\": \"10\"}, \"value\": "
        "null}");
}

TEST_HEAP(json_nests_a_million_deep)
{
    isle_value list = isle_list();
    size_t size;
    const char *text;

    for (int i = 1; i < 1000000; i++) {
        isle_value outer = isle_list();
        isle_list_add(outer, list);
        list = outer;
    }
    isle_value json = isle_json(list);
    CHECK(isle_get_string(json, &text, &size));
    CHECK_INT(size, 2000000);
    CHECK_INT(text[999999], '[');
    CHECK_INT(text[1000000], ']');
}
TEST_MEMORY(json_nests_a_million_deep, 1500);

TEST_HEAP(json_prints_one_line)
{
    char *text = NULL;
    size_t size;
    FILE *file = open_memstream(&text, &size);

    CHECK(file != NULL);
    isle_value_print(isle_pack("[i,s]", 1, "a\nb"), file);
    CHECK_INT(fclose(file), 0);
    CHECK_STRING(text, "[1, \"a\\nb\"]\n");
    free(text);
}

TEST_HEAP(json_has_a_point_in_every_locale)
{
    const char *const names[] = {"de_DE.UTF-8", "fr_FR.UTF-8", "de_DE", "de_DE.utf8"};
    bool found = false;

    for (size_t i = 0; i < sizeof names / sizeof names[0] && !found; i++)
        found = setlocale(LC_NUMERIC, names[i]) != NULL;
    if (!found)
        skip("no locale with a decimal comma is installed");
    check_json(isle_double(1.5), "1.5");
}

static isle_value json_it(isle_value value)
{
    return isle_json(value);
}

TEST_HEAP(json_survives_every_failing_allocation)
{
    isle_value value = isle_pack("{s:[i,f,s],s:{}}", "a", 1, 1.5, "text", "b");
    isle_list_add(isle_get(value, "a"), value);

    for (uint64_t nth = 1;; nth++) {
        ISLE_SCOPE;
        isle_value json;
        (void)isle__memory_fail_at(nth);
        isle_err err = isle_try(json_it, value, &json);
        uint64_t made = isle__memory_fail_at(0);
        CHECK(err == ISLE_OK || err == ISLE_ENOMEM);
        if (err == ISLE_OK)
            check_json(value, isle_as_string(json));
        if (made < nth)
            break;
    }
}

TEST_MAIN()
