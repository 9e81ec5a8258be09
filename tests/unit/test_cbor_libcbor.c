/* SPDX-License-Identifier: Apache-2.0 */
/* CBOR against another opinion, libcbor: what we write it reads as the same, and of changed bytes
 * both take or refuse the same.
 *
 * Where the two may differ, and only there: libcbor takes
 *   - what is well-formed but means nothing (text that is not UTF-8, a key twice, tags of Isle's on
 * other content, objects of unknown types): we refuse it;
 *   - integers above INT64_MAX and below INT64_MIN: we refuse them as out of range;
 * and it refuses tags 6 to 20, more than 2048 levels, and what it has no memory for. */
#include <cbor.h>
#include <math.h>
#include <sys/resource.h>

#include "heap_fixture.h"
#include "isle/bytes.h"
#include "isle/scope.h"

#define BUDGET ((size_t)1 << 24)

static uint64_t random_state = 20240601;

static uint64_t random_next(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

static size_t random_below(size_t end)
{
    return (size_t)(random_next() >> 11) % end;
}

/* An int whose number of bits is random, so that every width occurs. */
static int64_t random_int(void)
{
    int64_t value = (int64_t)(random_next() >> random_below(64) >> 1);

    return random_below(2) != 0 ? value : -1 - value;
}

static double random_double(void)
{
    uint64_t bits = random_next();
    double value;

    switch (random_below(4)) {
    case 0:
        return (double)(int64_t)(bits >> 50);
    case 1:
        return (double)(float)ldexp((double)(bits >> 40), (int)(bits & 63) - 60);
    case 2:
        return random_below(2) != 0 ? (double)INFINITY : -0.0;
    default:
        memcpy(&value, &bits, sizeof value);
        return value;
    }
}

static isle_value random_string(void)
{
    static const char *const pieces[] = {"a", "\xc3\xbc", "\xe6\xb0\xb4", "\xf0\x90\x85\x91", "xyz",
                                         " ", "{",        "0123456789"};
    char text[512] = "";
    size_t size = 0;

    for (size_t count = random_below(30); count > 0; count--) {
        const char *piece = pieces[random_below(8)];
        memcpy(text + size, piece, strlen(piece));
        size += strlen(piece);
    }
    return isle_string_sized(text, size);
}

static isle_value random_value(unsigned depth)
{
    uint8_t bytes[100];
    isle_value value;

    switch (random_below(depth > 0 ? 10 : 6)) {
    case 0:
        return isle_int(random_int());
    case 1:
        return isle_double(random_double());
    case 2:
        return random_string();
    case 3:
        for (size_t i = 0; i < sizeof bytes; i++)
            bytes[i] = (uint8_t)random_next();
        return isle_bytes(bytes, random_below(sizeof bytes));
    case 4:
        return isle_bool(random_below(2) != 0);
    case 5:
        return isle_null();
    case 6:
    case 7:
        value = isle_list();
        for (size_t count = random_below(40 / (depth + 1)); count > 0; count--)
            isle_list_add(value, random_value(depth - 1));
        return value;
    default:
        value = isle_map();
        for (size_t count = random_below(20 / (depth + 1)); count > 0; count--)
            isle_map_put(value, random_below(3) != 0 ? random_string() : isle_int(random_int()),
                         random_value(depth - 1));
        return value;
    }
}

/* --- the same content ---------------------------------------------------------------------------
 */

static bool same(cbor_item_t *item, isle_value value);

static bool same_bytes(cbor_item_t *item, isle_value value)
{
    bool text = cbor_isa_string(item);
    bool definite = text ? cbor_string_is_definite(item) : cbor_bytestring_is_definite(item);
    size_t count = definite ? 1
                   : text   ? cbor_string_chunk_count(item)
                            : cbor_bytestring_chunk_count(item);
    cbor_item_t **chunks = definite ? &item
                           : text   ? cbor_string_chunks_handle(item)
                                    : cbor_bytestring_chunks_handle(item);
    const char *data;
    size_t size;
    size_t at = 0;

    if (isle_kind_of(value) != (text ? ISLE_STRING : ISLE_BYTES))
        return false;
    if (!isle_get_string(value, &data, &size))
        data = isle_as_bytes(value, &size);
    for (size_t i = 0; i < count; i++) {
        size_t length = text ? cbor_string_length(chunks[i]) : cbor_bytestring_length(chunks[i]);
        const void *chunk =
            text ? cbor_string_handle(chunks[i]) : cbor_bytestring_handle(chunks[i]);
        if (length > size - at || (length > 0 && memcmp(data + at, chunk, length) != 0))
            return false;
        at += length;
    }
    return at == size;
}

static bool same_array(cbor_item_t *item, isle_value value)
{
    size_t count = cbor_array_size(item);

    if (isle_kind_of(value) != ISLE_LIST || isle_count(value) != count)
        return false;
    for (size_t i = 0; i < count; i++) {
        if (!same(cbor_array_handle(item)[i], isle_list_get(value, i)))
            return false;
    }
    return true;
}

static bool same_map(cbor_item_t *item, isle_value value)
{
    size_t at = 0;
    size_t i = 0;
    isle_value key;
    isle_value entry;

    if (isle_kind_of(value) != ISLE_MAP || isle_count(value) != cbor_map_size(item))
        return false;
    for (; isle_next(value, &at, &key, &entry); i++) {
        if (!same(cbor_map_handle(item)[i].key, key) ||
            !same(cbor_map_handle(item)[i].value, entry))
            return false;
    }
    return true;
}

static bool same_simple(cbor_item_t *item, isle_value value)
{
    bool truth;
    double number;

    if (!cbor_float_ctrl_is_ctrl(item)) {
        double theirs = cbor_float_get_float(item);
        return isle_kind_of(value) == ISLE_DOUBLE && isle_get_double(value, &number) &&
               (memcmp(&number, &theirs, sizeof number) == 0 || (isnan(number) && isnan(theirs)));
    }
    if (cbor_is_bool(item))
        return isle_get_bool(value, &truth) && truth == cbor_get_bool(item);
    return isle_is_null(value);
}

/* A tag that we give a meaning to: its content is ours to judge. */
static bool is_ours(uint64_t tag)
{
    return tag == 2 || tag == 3 || (tag >= 27 && tag <= 29) || (tag >= 64 && tag <= 87) ||
           tag == 258;
}

static bool same(cbor_item_t *item, isle_value value)
{
    int64_t number;

    switch (cbor_typeof(item)) {
    case CBOR_TYPE_UINT:
        return isle_get_int(value, &number) && (uint64_t)number == cbor_get_int(item);
    case CBOR_TYPE_NEGINT:
        return isle_get_int(value, &number) && ~(uint64_t)number == cbor_get_int(item);
    case CBOR_TYPE_BYTESTRING:
    case CBOR_TYPE_STRING:
        return same_bytes(item, value);
    case CBOR_TYPE_ARRAY:
        return same_array(item, value);
    case CBOR_TYPE_MAP:
        return same_map(item, value);
    case CBOR_TYPE_TAG:
        return is_ours(cbor_tag_value(item)) || same(cbor_move(cbor_tag_item(item)), value);
    case CBOR_TYPE_FLOAT_CTRL:
    default:
        return same_simple(item, value);
    }
}

/* --- the two decoders side by side ---------------------------------------------------------------
 */

/* libcbor allocates and clears what a head claims; it is to be refused. The sanitizers have a limit
 * of their own for that. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "allocator_may_return_null=1:max_allocation_size_mb=64";
}
const char *__tsan_default_options(void);
const char *__tsan_default_options(void)
{
    return "allocator_may_return_null=1:max_allocation_size_mb=64";
}
static void limit_memory(void)
{
    struct rlimit limit = {(rlim_t)1 << 28, (rlim_t)1 << 28};

    if (TEST_SANITIZER[0] == '\0' && setrlimit(RLIMIT_AS, &limit) != 0)
        fail("setrlimit");
}

static bool is_known_difference(isle_err err)
{
    static const char *const reasons[] = {"text that is not UTF-8",
                                          "a key that the map has already",
                                          "an element that the set has already",
                                          "a tag on what it does not fit",
                                          "a reference to what has not begun",
                                          "an array of elements that have no type here",
                                          "an array with a part of an element",
                                          "no text where an object has it",
                                          "an error with more or fewer parts",
                                          "an error without a code",
                                          "an object without a layout",
                                          "an object of a type that is not known"};
    const char *text = isle_error_text(isle_last_error());

    if (err == ISLE_ERANGE)
        return strstr(text, "an integer of more than 64 bits") != NULL;
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++) {
        if (strstr(text, reasons[i]) != NULL)
            return true;
    }
    return false;
}

/* Tags 6 to 20 are for them no tags at all. */
static bool is_unknown_to_them(const uint8_t *data, const struct cbor_load_result *result)
{
    return result->error.code == CBOR_ERR_MALFORMATED && data[result->error.position] >= 0xc6 &&
           data[result->error.position] <= 0xd4;
}

ISLE_NORETURN static void disagree(const uint8_t *data, size_t size, const char *what)
{
    test_print_bytes("input", data, size);
    fail("%s", what);
}

/* Whether both took it. */
static bool compare(const uint8_t *data, size_t size)
{
    struct cbor_load_result result;
    isle_value value = isle_null();

    isle_err err = isle_cbor_try_decode(data, size, BUDGET, &value);
    cbor_item_t *item = size > 0 ? cbor_load(data, size, &result) : NULL;
    bool theirs = item != NULL && result.error.code == CBOR_ERR_NONE && result.read == size;
    if (err != ISLE_OK && theirs && !is_known_difference(err))
        disagree(data, size, isle_error_text(isle_last_error()));
    if (err == ISLE_OK && !theirs && !is_unknown_to_them(data, &result))
        disagree(data, size, "libcbor refuses what we take");
    bool both = err == ISLE_OK && theirs;
    if (both && !same(item, value))
        disagree(data, size, "libcbor reads other content");
    if (item != NULL)
        cbor_decref(&item);
    return both;
}

TEST_HEAP(libcbor_reads_what_we_write)
{
    limit_memory();
    for (int i = 0; i < 3000; i++) {
        ISLE_SCOPE;
        size_t size;
        isle_value bytes = isle_cbor_encode(random_value(4));
        const uint8_t *data = isle_as_bytes(bytes, &size);
        if (!compare(data, size))
            disagree(data, size, "libcbor refuses what we write");
    }
}

/* Changes up to three bytes, or cuts or lengthens. */
static size_t mutate(uint8_t *data, size_t size, size_t capacity)
{
    static const uint8_t bytes[] = {0xff, 0x9f, 0xbf, 0x5f, 0x7f, 0xf6, 0xc0,
                                    0xd8, 0x18, 0x1b, 0x80, 0xa1, 0xf9, 0x61};

    for (size_t count = 1 + random_below(3); count > 0; count--) {
        size_t at = random_below(size + 1);
        uint8_t byte =
            random_below(2) != 0 ? bytes[random_below(sizeof bytes)] : (uint8_t)random_next();
        size_t how = random_below(4);
        if (how == 0 && size < capacity) {
            memmove(data + at + 1, data + at, size - at);
            data[at] = byte;
            size++;
        } else if (how == 1 && at < size) {
            memmove(data + at, data + at + 1, size - at - 1);
            size--;
        } else if (at < size) {
            data[at] = how == 2 ? byte : (uint8_t)(data[at] ^ 1u << random_below(8));
        }
    }
    return size;
}

TEST_HEAP(libcbor_takes_and_refuses_the_same_changed_bytes)
{
    static uint8_t data[100000];
    size_t both = 0;
    int rounds = test_tier() == TEST_QUICK ? 20000 : 500000;

    limit_memory();
    for (int i = 0; i < rounds; i++) {
        ISLE_SCOPE;
        size_t size;
        isle_value bytes = isle_cbor_encode(random_value(3));
        const void *good = isle_as_bytes(bytes, &size);
        if (size + 8 > sizeof data)
            continue;
        memcpy(data, good, size);
        if (compare(data, mutate(data, size, sizeof data)))
            both++;
    }
    CHECK(both > (size_t)rounds / 10 && both < (size_t)rounds);
}
TEST_TIMEOUT(libcbor_takes_and_refuses_the_same_changed_bytes, 300);

/* Short inputs, where every byte is a head. */
TEST_HEAP(libcbor_takes_and_refuses_the_same_short_inputs)
{
    uint8_t data[12];

    limit_memory();
    for (unsigned first = 0; first < 65536; first++) {
        ISLE_SCOPE;
        data[0] = (uint8_t)(first >> 8);
        data[1] = (uint8_t)first;
        (void)compare(data, 1);
        (void)compare(data, 2);
        size_t size = 3 + random_below(sizeof data - 2);
        for (size_t i = 2; i < size; i++)
            data[i] = (uint8_t)random_next();
        (void)compare(data, size);
    }
}

TEST_MAIN()
