/* SPDX-License-Identifier: Apache-2.0 */
/* What cbor_decode.c asks of wire_decode.c while it reads a message that crosses a wall. All throw
 * what isle__decode_fail and its like throw. */
#ifndef ISLE_WIRE_DECODE_H
#define ISLE_WIRE_DECODE_H

#include "value/cbor_decode.h"

/* A tag that plain CBOR does not know: kept for the next item, or refused. */
void isle__wire_tag(struct isle__decoder *decoder, uint64_t tag);
/* The item behind such a tag. */
void isle__wire_item(struct isle__decoder *decoder, const struct isle__decode_head *head,
                     uint64_t tag);
/* The value is to be frozen when all is there. */
void isle__wire_freeze(struct isle__decoder *decoder, isle_value value);
/* A map or set was begun. */
void isle__wire_note_table(struct isle__decoder *decoder, isle_value table);
bool isle__wire_is_store(isle_value shared);
/* All is there and checked: fixes lengths, freezes. */
void isle__wire_finish(struct isle__decoder *decoder);

#endif
