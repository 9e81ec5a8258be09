/* SPDX-License-Identifier: Apache-2.0 */
/* Messages that cross a wall: the CBOR of cbor.h, and in it what plain CBOR has no words for (the
 * tags of ISLE__WIRE_TAG_PORT to ISLE__WIRE_TAG_FROZEN). What arrives is what a copy within one
 * program would have been (isle__parcel_copy): the same kinds, identity, sharing and cycles; frozen
 * is frozen, a list of fixed length has one, views look at one store.
 *
 * Whatever means something to one side alone goes through hooks: names for ports and capabilities,
 * functions, descriptors. Laws of the hooks:
 *   1. They are plain: they do not throw, suspend, allocate in the heap, or run code of the
 * program.
 *   2. They are called in the order of the message, once for each place where such a value stands
 *      (what is met again as the very same cell is written once).
 *   3. An encode or decode that fails after a hook has given something calls `undo` once, before it
 *      returns: everything that the hooks gave since it began was given for nothing. A name that
 * was exported or imported anew for it goes back to the table, a descriptor is the wall's again
 *      (the codec has forgotten its number, and closes none). After a success undo is not called:
 *      a wall that then cannot put the record takes back what its hooks gave by itself.
 *   4. A refusal is the code that a hook returns: ISLE_EUNSENDABLE, ISLE_EFULL or ISLE_ENOMEM on
 * the way out; ISLE_EMALFORMED (or ISLE_ENOMEM) on the way in.
 *
 * Any thread, inside an isolate or not: each function says what it needs. */
#ifndef ISLE_WIRE_H
#define ISLE_WIRE_H

#include "value/walk.h"

enum isle__wire_kind {
    ISLE__WIRE_PORT,      /* a send port, wherever it stands; its id may be a control port's */
    ISLE__WIRE_CONTROL,   /* the control port of an isolate handle */
    ISLE__WIRE_CAPABILITY /* a capability, of a handle or by itself */
};

/* 64 bits that mean something to one of the two sides. */
struct isle__wire_name {
    uint64_t name;
    bool comes_home; /* an export of the side that reads; else of the one that writes */
};

/* A function of the program as its image knows it: build-id and offset, or what the hooks agree on.
 */
enum { ISLE__WIRE_FUNCTION_MAX = 64 };
struct isle__wire_function {
    size_t size;
    uint8_t bytes[ISLE__WIRE_FUNCTION_MAX];
};

/* Where bytes are that do not stand in the message: behind it, one after the other, or in a memory
 * file among the record's descriptors. */
enum { ISLE__WIRE_ASIDE_MIN = 64 * 1024 };
struct isle__wire_aside {
    uint32_t index;
    bool is_file;
};

struct isle__wire {
    void *context;
    /* An id that is 0 ("none") crosses without a hook. Both needed. */
    isle_err (*name_out)(void *context, enum isle__wire_kind kind, uint64_t id,
                         struct isle__wire_name *ret_name);
    isle_err (*name_in)(void *context, enum isle__wire_kind kind,
                        const struct isle__wire_name *name, uint64_t *ret_id);
    /* NULL: no function crosses this way (ISLE_EUNSENDABLE, ISLE_EMALFORMED). */
    isle_err (*function_out)(void *context, isle_function *function,
                             struct isle__wire_function *ret_function);
    isle_err (*function_in)(void *context, const struct isle__wire_function *function,
                            isle_function **ret_function);
    /* An index into the record's descriptors. Out: fd stays the value's, and lives as long as the
     * value that is encoded; what must live longer is duplicated by the hook. In: a good descriptor
     * that is the value's own from then on, so each index is given once. NULL: none crosses. */
    isle_err (*descriptor_out)(void *context, int fd, uint32_t *ret_index);
    isle_err (*descriptor_in)(void *context, uint32_t index, int *ret_fd);
    void (*undo)(void *context); /* law 3; NULL: nothing is to be undone */
    /* Whether the other side knows a registered type. NULL: every one. */
    bool (*type_passes)(void *context, const isle_type *type);
    /* Bytes of ISLE__WIRE_ASIDE_MIN and more. Out, without a heap: they stay where they are as long
     * as the value that is encoded, and so does `frozen`, the block that has them, or NULL.
     * ISLE_EFULL: they are to stand in the message. In: `size` bytes that nobody else writes,
     * 16-byte aligned; they lie in *ret_under, with one reference, or (NULL) are memory of
     * isle__memory_alloc. Each is given once; what lies in a file cannot be written. NULL: none
     * crosses this way. */
    isle_err (*aside_out)(void *context, const void *data, size_t size, struct isle__frozen *frozen,
                          struct isle__wire_aside *ret_aside);
    isle_err (*aside_in)(void *context, const struct isle__wire_aside *aside, size_t size,
                         uint8_t **ret_data, struct isle__shared **ret_under);
};

/* Where the text of a refusal goes, for who is not in an isolate (isle__fail has no place there);
 * NULL: nowhere. Cut, never without a NUL. */
struct isle__wire_text {
    char *data;
    size_t size;
};

/* Appends the message to `out`; after a failure `out` is as long as it was.
 *
 * With a heap, the current one: `value` is one of its values. ISLE_OK: transferables in it have
 * left (isle_transferable_data throws ISLE_EUSED). Anything else: nothing has changed, and
 * isle__fail has said why; what isle__parcel_copy refuses too is refused with its code, text and
 * path.
 *
 * With heap NULL, on any thread: `value` is the root of a parcel that is not on its way (mail that
 * was taken out of a mailbox), or an immediate one. It is read where it lies, without being adopted
 * by a scope; nothing leaves it: the caller drops parcel or mail when the message is out, or posts
 * it back. Only what a wall alone refuses can be refused then (functions, descriptors, names, types
 * that are not registered, arrays that are counted and not there); `text` says why.
 *
 * ISLE_EUNSENDABLE, ISLE_ERANGE (a cycle of OWNED fields, a count that cannot be), ISLE_EINVAL (of
 * another isolate), ISLE_EFULL, ISLE_ESYSTEM, ISLE_ENOMEM. `text` may be NULL. Plain numbers, texts
 * and bytes are written without a walk. */
ISLE_MUST_CHECK isle_err isle__wire_encode(struct isle__heap *heap, isle_value value,
                                           const struct isle__wire *wire, struct isle__buffer *out,
                                           struct isle__wire_text *text);

/* Whether a message takes more than `most` bytes, those beside it included, however it is written;
 * of its frozen bytes some, `file_most` at most, may be in a file. `value` is as with heap NULL. An
 * error, also for want of memory: false. */
bool isle__wire_is_over(isle_value value, size_t most, size_t file_most);

/* A message that is nothing but bytes, as isle__wire_encode writes it with heap NULL: a head, at
 * most ISLE__WIRE_HEAD bytes, and what stays where it lies. False: it is another. */
enum { ISLE__WIRE_HEAD = 9 };
bool isle__wire_bytes_of(isle_value value, uint8_t head[ISLE__WIRE_HEAD], size_t *ret_head_size,
                         const void **ret_data, size_t *ret_size);

/* Decodes bytes that may be hostile, and private: nobody writes them meanwhile. Works and allocates
 * at most a small multiple of `budget`, which counts about the memory that the message takes here,
 * so that an honest one needs more than its bytes: up to 300 for each of them, if it is nothing but
 * empty lists.
 *
 * Into the current scope of the current heap. ISLE_EMALFORMED: the sender has violated the protocol
 * (bytes, names, functions, indices, types, layouts); ISLE_ERANGE: over budget, or an int beyond
 * int64_t; ISLE_ENOMEM, ISLE_ESYSTEM: ours. Then *ret_value is not written, isle__fail has said
 * why, and what was made lies in the scope until it closes, without descriptors or names. */
ISLE_MUST_CHECK isle_err isle__wire_decode(struct isle__heap *heap, const void *data, size_t size,
                                           size_t budget, const struct isle__wire *wire,
                                           isle_value *ret_value);

/* The same into a parcel with a header of that size, for a mail. Any thread, inside an isolate or
 * not. One short string, bytes and immediate values are made in their place; other messages are
 * made in a heap of their own for that time, whose chunks are handed over where isle__parcel_move
 * can (no objects, frozen values, transferables or resources), else copied once more. The parcel is
 * committed. */
ISLE_MUST_CHECK isle_err isle__wire_decode_parcel(const void *data, size_t size, size_t budget,
                                                  const struct isle__wire *wire, size_t header_size,
                                                  struct isle__parcel *ret_parcel,
                                                  struct isle__wire_text *text);
/* The same of a message of `size` bytes that begins with these, if it is nothing but bytes: a
 * parcel for them, and where its content is to be written by the caller, all of it. False: it is
 * another, or over budget, or there is no memory. */
ISLE_MUST_CHECK bool isle__wire_bytes_parcel(const uint8_t head[ISLE__WIRE_HEAD], size_t size,
                                             size_t budget, size_t header_size,
                                             struct isle__parcel *ret_parcel, void **ret_data,
                                             size_t *ret_size);

#endif
