/* SPDX-License-Identifier: Apache-2.0 */
/* What cbor_encode.c lends to the encoder of messages that cross a wall (wire_encode.c): the same
 * bytes for the same things. All write to walk->out. */
#ifndef ISLE_CBOR_ENCODE_H
#define ISLE_CBOR_ENCODE_H

#include "value/cbor.h"
#include "value/walk.h"

void isle__encode_head(struct isle__walk *walk, enum isle__cbor_major major, uint64_t value);
void isle__encode_text(struct isle__walk *walk, const char *text, size_t size);
/* With the tag of the elements, unless they are bytes. */
void isle__encode_elements(struct isle__walk *walk, isle_element element, const void *data,
                           size_t size);
/* The visitor's: see struct isle__visitor. A number that is not -1 is announced by tag 28. */
isle_err isle__encode_leaf(struct isle__walk *walk, const struct isle__node *node, int64_t number);
isle_err isle__encode_begin(struct isle__walk *walk, struct isle__node *node, int64_t number);
void isle__encode_reference(struct isle__walk *walk, int64_t number);

#endif
