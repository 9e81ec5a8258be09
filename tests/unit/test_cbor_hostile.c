/* SPDX-License-Identifier: Apache-2.0 */
/* CBOR from somebody hostile: depth, lengths that lie, the budget, cut and changed bytes, and
 * failing allocations. Calls no operating system: it runs on wasm32-wasi too. */
#include "cbor_help.h"
#include "isle/bytes.h"
#include "isle/object.h"

/* --- hostile bytes ------------------------------------------------------------------------------
 */

static isle_value encode_it(isle_value value)
{
    return isle_cbor_encode(value);
}

static uint8_t deep[1000001];

TEST_HEAP(cbor_nests_a_million_deep)
{
    isle_value value;
    size_t size;

    memset(deep, 0x81, sizeof deep);
    deep[sizeof deep - 1] = 0x80;
    CHECK_ERR(isle_cbor_try_decode(deep, sizeof deep, (size_t)1 << 30, &value), ISLE_OK);
    isle_value bytes = isle_cbor_encode(value);
    const void *data = isle_as_bytes(bytes, &size);
    CHECK_BYTES(data, size, deep, sizeof deep);
    CHECK_ERR(isle_cbor_try_decode(deep, sizeof deep - 1, (size_t)1 << 30, &value),
              ISLE_EMALFORMED);
}
TEST_MEMORY(cbor_nests_a_million_deep, 1500);

/* Decodes in a heap with that limit. */
static isle_err decode_within(size_t limit, const uint8_t *data, size_t size, size_t budget)
{
    struct heap_fixture fixture;
    isle_value value;

    heap_fixture_open(&fixture, limit);
    isle_err err = isle_cbor_try_decode(data, size, budget, &value);
    heap_fixture_close(&fixture);
    return err;
}

TEST(cbor_allocates_a_small_multiple_of_the_budget)
{
    static uint8_t data[100000];
    static const uint8_t fillers[] = {0x80, 0xa0, 0x40, 0x60, 0x01, 0x9f,
                                      0xbf, 0xf6, 0xd8, 0x81, 0xfb, 0x5f};

    for (size_t i = 0; i < sizeof fillers; i++) {
        memset(data, fillers[i], sizeof data);
        data[0] = 0x9f;
        for (size_t budget = 1000; budget <= 10000000; budget *= 10) {
            isle_err err = decode_within(3 * budget + 65536, data, sizeof data, budget);
            if (err == ISLE_ENOMEM)
                fail("%02x takes more than three times a budget of %zu", fillers[i], budget);
        }
    }
}

TEST_HEAP(cbor_claimed_lengths_allocate_nothing)
{
    size_t before = atomic_load_explicit(&isle__heap_current()->used, memory_order_relaxed);
    isle_value value;
    static const char *const claims[] = {"5b1000000000000000", "7b1000000000000000",
                                         "9b1000000000000000", "bb1000000000000000",
                                         "d9010a9b7fffffffffffffff"};

    for (size_t i = 0; i < sizeof claims / sizeof claims[0]; i++)
        CHECK_ERR(decode(claims[i], &value), ISLE_EMALFORMED);
    CHECK(atomic_load_explicit(&isle__heap_current()->used, memory_order_relaxed) - before < 65536);
}

TEST_HEAP(cbor_goes_over_budget_and_says_so)
{
    static uint8_t data[1003] = {0x59, 0x03, 0xe8};
    isle_value value = isle_int(7);

    CHECK_ERR(isle_cbor_try_decode(data, sizeof data, 500, &value), ISLE_ERANGE);
    CHECK_ERR(isle_cbor_try_decode(data, sizeof data, 2000, &value), ISLE_OK);
    CHECK_ERR(isle_cbor_try_decode("\x01", 1, 0, &value), ISLE_ERANGE);
    CHECK_ERR(isle_cbor_try_decode(NULL, 1, 1000, &value), ISLE_EINVAL);
    CHECK_ERR(isle_cbor_try_decode(NULL, 0, 1000, &value), ISLE_EMALFORMED);
    CHECK_ERR(isle_cbor_try_decode("\x01", 1, 1000, NULL), ISLE_EINVAL);
}

TEST(cbor_outside_an_isolate_says_so)
{
    isle_value value;

    CHECK_ERR(isle_cbor_try_decode("\x01", 1, 1000, &value), ISLE_EOUTSIDE);
}

/* Every cut and every change of one byte of a rich message ends in a value or an error. */
TEST_HEAP(cbor_survives_every_cut_and_every_changed_byte)
{
    const char *hex =
        "d81c8aa1616101d81c80d81d0082f93c00fb3ff199999999999ad845440100feffd90102820161627f6161"
        "6162ff9f01ffd81b846a69736c652e6572726f72216577726f6e67f6d81d00";
    uint8_t good[256];
    uint8_t bad[256];
    size_t size = from_hex(hex, good);
    isle_value value;

    CHECK_ERR(isle_cbor_try_decode(good, size, BUDGET, &value), ISLE_OK);
    for (size_t cut = 0; cut < size; cut++)
        CHECK_ERR(isle_cbor_try_decode(good, cut, BUDGET, &value), ISLE_EMALFORMED);
    for (size_t at = 0; at < size; at++) {
        for (int byte = 0; byte < 256; byte++) {
            ISLE_SCOPE;
            memcpy(bad, good, size);
            bad[at] = (uint8_t)byte;
            isle_err err = isle_cbor_try_decode(bad, size, BUDGET, &value);
            CHECK(err == ISLE_OK || err == ISLE_EMALFORMED || err == ISLE_ERANGE);
        }
    }
}

/* Fails every allocation in turn: an error or the right value, and nothing left (the fixture
 * looks). */
TEST_HEAP(cbor_survives_every_failing_allocation)
{
    uint8_t bytes[256];
    size_t size = from_hex(
        "89a1616101d81c80d81d0082f93c00fb3ff199999999999ad845440100feffd90102820161627f6161"
        "6162ff9f01ff820102",
        bytes);
    isle_value expected = isle_null();
    CHECK_ERR(isle_cbor_try_decode(bytes, size, BUDGET, &expected), ISLE_OK);

    for (uint64_t nth = 1;; nth++) {
        ISLE_SCOPE;
        isle_value value = isle_null();
        isle_value again = isle_null();
        (void)isle__memory_fail_at(nth);
        isle_err err = isle_cbor_try_decode(bytes, size, BUDGET, &value);
        if (err == ISLE_OK)
            err = isle_try(encode_it, value, &again);
        uint64_t made = isle__memory_fail_at(0);
        CHECK(err == ISLE_OK || err == ISLE_ENOMEM);
        if (err == ISLE_OK)
            CHECK_VALUE(value, expected);
        if (made < nth)
            break;
    }
}

TEST_MAIN()
