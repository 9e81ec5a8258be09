/* SPDX-License-Identifier: Apache-2.0 */
/* The CBOR decoder's state, shared by its two files: cbor_decode.c reads items, cbor_fields.c puts
 * them into the fields of structs. */
#ifndef ISLE_CBOR_DECODE_H
#define ISLE_CBOR_DECODE_H

#include "value/cbor.h"
#include "value/walk.h"

#define ISLE__DECODE_NO_TAG UINT64_MAX
/* What things cost, in bytes. */
enum {
    ISLE__DECODE_COST_ITEM = 16, /* the slot in its container, grown by doubling */
    ISLE__DECODE_COST_CELL = 64,
    ISLE__DECODE_COST_CONTAINER = 256, /* the cell and the stack of this decoder */
    ISLE__DECODE_COST_ENTRY = 96,
    ISLE__DECODE_COST_NOTE = 64 /* an entry of one of this decoder's lists */
};

enum isle__decode_kind {
    ISLE__DECODE_LIST,
    ISLE__DECODE_MAP,
    ISLE__DECODE_SET,
    ISLE__DECODE_FIELDS,
    ISLE__DECODE_ELEMENTS
};
struct isle__decode_frame {
    enum isle__decode_kind kind;
    bool indefinite;
    bool has_key;
    bool inner;    /* a struct inside another, or elements: nothing to deliver at its end */
    uint64_t left; /* items to come */
    isle_value value, key;
    const isle_type *type;   /* of fields */
    const isle_field *field; /* of elements */
    uint8_t *base;           /* struct or first element */
    size_t at;               /* field or element to come */
};
struct isle__decode_share {
    isle_value value;
    bool known;
};
/* What must hold before anybody sees the result: a validate hook, or that a counter still says what
 * its array has. */
struct isle__decode_check {
    const isle_type *type; /* NULL: a counter */
    const void *data;
    size_t size;
    uint64_t count;
};
struct isle__decode_item {
    isle_value value;
    uint64_t big; /* of an unsigned integer above INT64_MAX */
    bool is_big;
    bool reference; /* came by tag 29 */
};
struct isle__decode_head {
    enum isle__cbor_major major;
    uint8_t info;
    uint64_t value;
};
struct isle__wire_decoder;
struct isle__decoder {
    struct isle__heap *heap;
    struct isle__wire_decoder *wire; /* NULL: plain CBOR */
    const char *function;            /* that refuses */
    const uint8_t *data;
    size_t size, at;
    size_t start; /* of the item, for errors */
    size_t budget;
    uint64_t tag;       /* that the next item is to fit */
    size_t shares_open; /* the last ones, which the next item fills */
    bool freezes;       /* the next item is to be frozen */
    bool done;
    isle_value result;
    const isle_type *hashed; /* the last type whose hash was asked for */
    uint64_t hash;
    struct isle__buffer frames, shares, checks, scratch;
};

void isle__decoder_init(struct isle__decoder *decoder, struct isle__heap *heap,
                        const char *function, const void *data, size_t size, size_t budget);
/* Decodes into the current scope. Anything but ISLE__UNWIND_NONE: catch->error says why. */
enum isle__unwinding isle__decoder_run(struct isle__decoder *decoder, struct isle__catch *catch);
void isle__decoder_fini(struct isle__decoder *decoder);

/* Refusals, with the place: ISLE_EMALFORMED and `what`; ISLE_ERANGE. */
ISLE_NORETURN void isle__decode_fail(const struct isle__decoder *decoder, const char *what);
ISLE_NORETURN void isle__decode_too_big(const struct isle__decoder *decoder);
/* Takes from the budget, before anything is allocated. */
void isle__decode_pay(struct isle__decoder *decoder, uint64_t cost);
/* A zeroed entry of one of the decoder's lists; valid until the next. */
void *isle__decode_note(struct isle__buffer *buffer, size_t size);

/* The next head, paid; heads that nothing can begin with are refused. */
struct isle__decode_head isle__decode_read_head(struct isle__decoder *decoder);
/* The content of a string with definite length, in the input, paid; text is UTF-8. */
const uint8_t *isle__decode_slice(struct isle__decoder *decoder,
                                  const struct isle__decode_head *head);
/* A list, map or set; its items come next. */
void isle__decode_container(struct isle__decoder *decoder, const struct isle__decode_head *head,
                            enum isle__decode_kind kind);
/* A definite length has at least that many bytes left. */
void isle__decode_need_items(const struct isle__decoder *decoder,
                             const struct isle__decode_head *head);
/* The tags before this value refer to it, or freeze it, from now on. */
void isle__decode_settle(struct isle__decoder *decoder, isle_value value);
/* To where the open container, or the caller, wants it; the second settles first. */
void isle__decode_place(struct isle__decoder *decoder, const struct isle__decode_item *item);
void isle__decode_place_value(struct isle__decoder *decoder, isle_value value);

/* Zeroed memory of the current scope, paid. */
void *isle__decode_memory(struct isle__decoder *decoder, uint64_t size);
/* Puts an item into one element of a field, or a typed array (or null) into a field of arrays. */
void isle__decode_store(struct isle__decoder *decoder, const isle_field *field, void *place,
                        const struct isle__decode_item *item);
void isle__decode_store_array(struct isle__decoder *decoder, const struct isle__decode_frame *frame,
                              const isle_field *field, const struct isle__decode_item *item);
/* The memory of an array field with that many elements; says so in its counter, or checks that an
 * inline one has as many. */
uint8_t *isle__decode_array_memory(struct isle__decoder *decoder,
                                   const struct isle__decode_frame *frame, const isle_field *field,
                                   uint64_t count);

#endif
