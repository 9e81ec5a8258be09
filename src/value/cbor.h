/* SPDX-License-Identifier: Apache-2.0 */
/* What encoder and decoder of CBOR share: numbers of RFC 8949, RFC 8746 and of the registry of
 * tags; and the tags of messages that cross a wall (wire.h), where alone they are known: numbers
 * that the registry has left free, since nobody else reads such a message. */
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
/* docs/design/process.md has what stands in each. */
enum {
    ISLE__WIRE_TAG_PORT = 6,          /* a name, or null: none */
    ISLE__WIRE_TAG_CAPABILITY = 7,    /* the same */
    ISLE__WIRE_TAG_ISOLATE = 8,       /* [control, default, pause, terminate]: names or null */
    ISLE__WIRE_TAG_FUNCTION = 9,      /* bytes of the hooks */
    ISLE__WIRE_TAG_TRANSFERABLE = 10, /* bytes */
    ISLE__WIRE_TAG_RESOURCE = 11,     /* an index into the record's descriptors */
    ISLE__WIRE_TAG_FIXED = 12,        /* an array: a list that cannot grow */
    ISLE__WIRE_TAG_VIEW = 13,         /* [store, element, offset, size] */
    ISLE__WIRE_TAG_FROZEN = 14,       /* whatever has a cell */
    ISLE__WIRE_TAG_ASIDE = 15,        /* [place, size, element]: bytes that lie elsewhere */
    ISLE__WIRE_TAG_LAST = ISLE__WIRE_TAG_ASIDE
};
#define ISLE__CBOR_ERROR_NAME "isle.error"

/* Typed arrays are written little-endian: turns elements of a machine that is not. */
void isle__cbor_swap(void *data, size_t size, size_t width);
#define ISLE__BIG_ENDIAN (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__)

#endif
