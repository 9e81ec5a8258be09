/* SPDX-License-Identifier: Apache-2.0 */
/* Data in bulk: copied (bytes), moved (transferable), shared (frozen). */
#ifndef ISLE_BYTES_H
#define ISLE_BYTES_H

#include "base.h"

/* What a typed array consists of. */
typedef enum isle_element {
    ISLE_U8,
    ISLE_I8,
    ISLE_U16,
    ISLE_I16,
    ISLE_U32,
    ISLE_I32,
    ISLE_U64,
    ISLE_I64,
    ISLE_F32,
    ISLE_F64
} isle_element;

ISLE_BEGIN

/* Copies `size` bytes, or `count` elements; NULL makes zeros. ISLE_ERANGE: more than SIZE_MAX / 4
 * bytes; ISLE_EINVAL: no such element. */
ISLE_API isle_value isle_bytes(const void *data, size_t size);
ISLE_API isle_value isle_array(isle_element element, const void *data, size_t count);
/* A window on the same store: writing through one shows in the other, also after both were sent in
 * one message. It keeps the element if offset and size (both in bytes) are multiples of one, else
 * it is plain bytes. ISLE_ERANGE: the window leaves the bytes. */
ISLE_API isle_value isle_bytes_view(isle_value bytes, size_t offset, size_t size);

/* The elements, aligned, valid as long as the value; *ret_count (may be NULL) gets their number.
 * isle_as_bytes takes any element and counts bytes; isle_as_array throws ISLE_ETYPE if the element
 * differs. isle_bytes_data is the writable one (ISLE_EUNSUPPORTED if frozen). */
ISLE_API const void *isle_as_bytes(isle_value bytes, size_t *ret_size);
ISLE_API const void *isle_as_array(isle_value array, isle_element element, size_t *ret_count);
ISLE_API void *isle_bytes_data(isle_value bytes);

/* Transferable: bytes that move. (Behind a wall they are copied once, by a ring of memory.) Made
 * once, filled in place, sent without a copy, materialized once over all isolates. After a
 * successful send the sender's value and pointer are dead (a debug build unmaps the pages); after a
 * failed one nothing has changed. Dart: TransferableTypedData. */
ISLE_API isle_value isle_transferable(
    size_t size); /* zeroed; counts in the isolate's limit. ISLE_ERANGE: above SIZE_MAX / 4 */
ISLE_API void *
isle_transferable_data(isle_value transferable); /* throws ISLE_EUSED once sent or materialized */
/* Takes over malloc'ed memory; the runtime calls release(data) at the end, on any thread, also if
 * this throws. ISLE_EINVAL: data or release is NULL. */
ISLE_API isle_value isle_transferable_adopt(void *data, size_t size, void (*release)(void *data));
ISLE_API isle_value
isle_materialize(isle_value transferable); /* bytes; throws ISLE_EUSED the second time */

/* An immutable copy of the graph, shared by count by every isolate that gets it and never copied
 * again. Freezing what is already frozen returns it. Throws ISLE_EUNSENDABLE like a send. Charged
 * in full to each isolate that holds it. Isolates behind a wall get a copy of their own; but bytes
 * of 1 MiB and more that go to one after the other are one memory, which all of them map. */
ISLE_API isle_value isle_freeze(isle_value value);
ISLE_API bool isle_is_frozen(isle_value value); /* what needs no memory counts as frozen */
/* Bytes that are charged to who holds it: of all that it was frozen with, if it is a part of a
 * frozen graph. 0: it needs no memory. ISLE_EINVAL: it is not frozen. */
ISLE_API size_t isle_frozen_size(isle_value value);

/* A resource: owns a file descriptor, closes it at the end of its scope, or of what keeps it; a
 * message carries a duplicate, made at the send and closed on every path that drops it. Into an
 * isolate behind a wall a message takes 16 at most, and it holds some 50 at a time; none comes out.
 */
ISLE_API isle_value
isle_resource(int fd); /* takes fd; on a throw it is still the caller's. ISLE_EINVAL: negative */
ISLE_API int
isle_as_fd(isle_value resource); /* borrowed: valid as long as the value, do not close */

/* CBOR (RFC 8949; tags 28 and 29 for sharing and cycles, 27 for objects), as bytes. Ports,
 * capabilities, handles, functions, pointers, transferables and resources do not pass:
 * ISLE_EUNSENDABLE with the path. */
ISLE_API isle_value isle_cbor_encode(isle_value value);
/* Safe on hostile bytes; works and allocates at most a small multiple of `budget` bytes, which are
 * counted as the values take them in memory (an item of one byte may make a list of 256), not as
 * the input has them. ISLE_EMALFORMED; ISLE_ERANGE: over budget, or an integer that int64_t cannot
 * hold; ISLE_EINVAL: NULL; ISLE_ENOMEM. The text of isle_last_error names the byte. Bytes after the
 * one item are malformed. */
ISLE_API ISLE_MUST_CHECK isle_err isle_cbor_try_decode(const void *data, size_t size, size_t budget,
                                                       isle_value *ret_value);

ISLE_END

#endif
