/* SPDX-License-Identifier: Apache-2.0 */
/* What the encoder of messages that cross a wall is made of: wire_encode.c (the visitor),
 * wire_views.c (bytes and their stores), wire_path.c (the text of a refusal). */
#ifndef ISLE_WIRE_ENCODE_H
#define ISLE_WIRE_ENCODE_H

#include "value/cbor_encode.h"
#include "value/wire.h"

struct isle__wire_encoder {
    struct isle__walk walk;  /* first */
    struct isle__heap *heap; /* the sender's; NULL: the message is a parcel's */
    const struct isle__wire *wire;
    struct isle__buffer leaving; /* transferable cells of the sender's, gone at the end */
    struct isle__buffer stores, windows;
    struct isle__idmap store_ids; /* store to its place in `stores`, plus 1 */
    bool sorted;                  /* the windows: by store and begin */
    bool gave;                    /* a hook has given something */
    const isle_type *known_type;  /* the last one that the registry had */
    const char *what;             /* why the wall refuses; NULL: the copier says */
    const char *what_type;        /* the name of a type, behind it; or NULL */
};

static inline struct isle__wire_encoder *isle__wire_encoder_of(struct isle__walk *walk)
{
    return (struct isle__wire_encoder *)(void *)walk;
}

/* wire_encode.c: tag 28, unless it is -1. */
void isle__wire_encode_number(struct isle__walk *walk, int64_t number);
bool isle__wire_is_frozen(const struct isle__cell *cell);

/* wire_encode.c: bytes that need not stand in the message: what says where they are instead. False:
 * they are to be written. With a tag, or in a place that needs none. */
bool isle__wire_encode_aside(struct isle__walk *walk, bool tagged, isle_element element,
                             const struct isle__cell *owner, const void *data, size_t size);

/* wire_views.c: the visitor's first look at bytes: ISLE_OK, ISLE_ENOMEM; then they are written. */
isle_err isle__wire_meet_bytes(struct isle__walk *walk, const struct isle__bytes *bytes);
isle_err isle__wire_encode_bytes(struct isle__walk *walk, const struct isle__bytes *bytes);
void isle__wire_views_fini(struct isle__wire_encoder *encoder);

/* wire_path.c: what the wall refuses, and the path from there to the root, as the copier puts it;
 * appended to `text`, with a NUL. */
void isle__wire_path(struct isle__wire_encoder *encoder, struct isle__buffer *text);

#endif
