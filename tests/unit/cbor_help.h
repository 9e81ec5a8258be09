/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of CBOR share: bytes written as text, and what must come of them. */
#ifndef ISLE_CBOR_HELP_H
#define ISLE_CBOR_HELP_H

#include "heap_fixture.h"
#include "isle/bytes.h"
#include "isle/error.h"

#define BUDGET ((size_t)1 << 24)

static inline size_t from_hex(const char *hex, uint8_t *bytes)
{
    size_t size = 0;

    for (; hex[0] != '\0'; hex += 2) {
        char pair[3] = {hex[0], hex[1], '\0'};
        bytes[size++] = (uint8_t)strtoul(pair, NULL, 16);
    }
    return size;
}

static inline isle_err decode(const char *hex, isle_value *ret)
{
    uint8_t bytes[4096];
    size_t size = from_hex(hex, bytes);

    return isle_cbor_try_decode(bytes, size, BUDGET, ret);
}

static inline isle_value decoded(const char *hex)
{
    isle_value value = isle_null();
    isle_err err = decode(hex, &value);

    if (err != ISLE_OK)
        fail("%s: %s", hex, isle_error_text(isle_last_error()));
    return value;
}

static inline void check_refused(const char *hex, isle_err expected)
{
    isle_value value = isle_int(7);
    isle_err err = decode(hex, &value);

    if (err != expected)
        fail("%s gives %s, expected %s", hex, test_err_name(err), test_err_name(expected));
    CHECK_INT(isle_as_int(value), 7);
    CHECK_ERR(isle_error_code(isle_last_error()), expected);
}

static inline void check_encoded(isle_value value, const char *hex)
{
    uint8_t expected[4096];
    size_t expected_size = from_hex(hex, expected);
    size_t size;
    const void *bytes = isle_as_bytes(isle_cbor_encode(value), &size);

    test_check_bytes(hex, "the encoding", bytes, size, expected, expected_size);
}

static inline void check_json(isle_value value, const char *expected)
{
    CHECK_STRING(isle_as_string(isle_json(value)), expected);
}

static inline void in_heap(void (*body)(void))
{
    struct heap_fixture fixture;

    heap_fixture_open(&fixture, SIZE_MAX);
    body();
    heap_fixture_close(&fixture);
}

#endif
