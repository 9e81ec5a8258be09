/* SPDX-License-Identifier: Apache-2.0 */
/* What encoder and decoder of CBOR share: numbers of RFC 8949, RFC 8746 and of the registry of
 * tags. */
#ifndef ISLE_CBOR_H
#define ISLE_CBOR_H

#include "isle/bytes.h"

enum isle__cbor_major {
    ISLE__CBOR_UINT,
    ISLE__CBOR_NINT,
    ISLE__CBOR_BYTES,
    ISLE__CBOR_TEXT,
    ISLE__CBOR_ARRAY,
    ISLE__CBOR_MAP,
    ISLE__CBOR_TAG,
    ISLE__CBOR_SIMPLE
};
enum {
    ISLE__CBOR_FALSE = 0xf4,
    ISLE__CBOR_TRUE = 0xf5,
    ISLE__CBOR_NULL = 0xf6,
    ISLE__CBOR_HALF = 0xf9,
    ISLE__CBOR_SINGLE = 0xfa,
    ISLE__CBOR_DOUBLE = 0xfb
};
enum {
    ISLE__CBOR_TAG_BIG = 2,
    ISLE__CBOR_TAG_NEGATIVE_BIG = 3,
    ISLE__CBOR_TAG_OBJECT = 27,
    ISLE__CBOR_TAG_SHAREABLE = 28,
    ISLE__CBOR_TAG_SHARED_REF = 29,
    ISLE__CBOR_TAG_ARRAYS = 64, /* of RFC 8746, to 87: 0b010fsell */
    ISLE__CBOR_TAG_ARRAYS_LAST = 87,
    ISLE__CBOR_ARRAY_FLOAT = 16,
    ISLE__CBOR_ARRAY_SIGNED = 8,
    ISLE__CBOR_ARRAY_LITTLE = 4,
    ISLE__CBOR_TAG_SET = 258
};
#define ISLE__CBOR_ERROR_NAME "isle.error"

/* Typed arrays are written little-endian: turns elements of a machine that is not. */
void isle__cbor_swap(void *data, size_t size, size_t width);
#define ISLE__BIG_ENDIAN (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__)

#endif
