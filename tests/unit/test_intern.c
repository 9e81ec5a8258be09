/* SPDX-License-Identifier: Apache-2.0 */
/* Keys that are interned: how many, which, and that no program can tell. */
#include "heap_fixture.h"
#include "value/cell.h"

static bool is_immortal(isle_value key)
{
    return !isle__is_immediate(key) && (isle__cell_of(key)->flags & ISLE__CELL_IMMORTAL) != 0;
}

static isle_value only_key(isle_value map)
{
    isle_value key = isle_null();
    size_t at = 0;

    CHECK(isle_next(map, &at, &key, NULL));
    return key;
}

/* The key that a fresh map has for the text. */
static isle_value key_of(const char *text)
{
    isle_value map = isle_map(), key;

    isle_put(map, text, isle_int(1));
    key = only_key(map);
    CHECK_STRING(isle_as_string(key), text);
    CHECK_INT(isle_as_int(isle_get(map, text)), 1);
    return key;
}

TEST_HEAP(long_texts_are_not_interned)
{
    char text[64] = "";

    for (size_t size = 1; size < sizeof text; size++) {
        text[size - 1] = (char)('a' + size % 26);
        CHECK(is_immortal(key_of(text)) == (size <= 31));
    }
}

/* Looking for what was never put makes no key. */
TEST_HEAP(a_look_up_interns_nothing)
{
    isle_value map = isle_map();
    char text[32];

    for (int i = 0; i < 2000; i++) {
        snprintf(text, sizeof text, "absent %d", i);
        CHECK(isle_get(map, text).bits == isle_null().bits);
    }
    CHECK(is_immortal(key_of("present")));
}

/* A text that is gone, as those of a library that was unloaded, or that changes where it stands. */
TEST_HEAP(keys_outlive_the_text_and_follow_what_it_says)
{
    char *text = malloc(16);
    isle_value map = isle_map(), first, second;

    strcpy(text, "one");
    isle_put(map, text, isle_int(1));
    first = only_key(map);
    strcpy(text, "two"); /* at the same address */
    second = key_of(text);
    isle_put(map, text, isle_int(2));
    strcpy(text, "tw");
    CHECK(isle_get(map, text).bits == isle_null().bits);
    memset(text, 'x', 15);
    free(text);
    CHECK(is_immortal(first) && is_immortal(second));
    CHECK_STRING(isle_as_string(first), "one");
    CHECK_STRING(isle_as_string(second), "two");
    CHECK_INT(isle_as_int(isle_get(map, "one")), 1);
    CHECK_INT(isle_as_int(isle_get(map, "two")), 2);
    CHECK(isle_identical(key_of("one"), first));
}

static isle_value put_malformed(isle_value map)
{
    isle_put(map, "\xc3(", isle_null());
    return isle_null();
}

TEST_HEAP(malformed_keys_are_refused_each_time)
{
    isle_value map = isle_map();

    for (int i = 0; i < 3; i++)
        CHECK_ERR(isle_try(put_malformed, map, NULL), ISLE_EMALFORMED);
    CHECK_UINT(isle_count(map), 0);
}

/* They take no memory of a heap, and a message does not copy them. */
TEST_HEAP(interned_keys_are_of_nobody)
{
    struct isle__parcel parcel;
    isle_value map = isle_map(), copy;

    isle_put(map, "shared", isle_int(1));
    CHECK_ERR(isle__parcel_copy(&fixture->heap, map, 16, &parcel), ISLE_OK);
    isle__parcel_commit(&parcel);
    copy = isle__parcel_adopt(&parcel, &fixture->scope);
    CHECK(only_key(copy).bits == only_key(map).bits);
    CHECK(isle_is_frozen(only_key(map)));
}

/* First come, first served: the rest are ordinary keys of their maps. The last test: there is no
 * room after it. */
TEST_HEAP(no_more_than_1024_keys_are_interned)
{
    enum { KEYS = 5000 };
    isle_value map = isle_map();
    int immortal = 0;
    char text[32];

    for (int round = 0; round < 2; round++)
        for (int i = 0; i < KEYS; i++) {
            snprintf(text, sizeof text, "key %d", i);
            isle_put(map, text, isle_int(i + round));
        }
    CHECK_UINT(isle_count(map), KEYS);
    for (int i = 0; i < KEYS; i++) {
        snprintf(text, sizeof text, "key %d", i);
        CHECK_INT(isle_as_int(isle_get(map, text)), i + 1);
        CHECK_INT(isle_as_int(isle_map_get(map, isle_string(text))), i + 1);
        CHECK(!is_immortal(key_of(text)) || immortal == i); /* none after one that was not */
        immortal += is_immortal(key_of(text));
    }
    CHECK(immortal > 900 && immortal <= 1024); /* other tests may have some */
    CHECK(isle_get(map, "key 5000").bits == isle_null().bits);
}

TEST_MAIN()
