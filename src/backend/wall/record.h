/* SPDX-License-Identifier: Apache-2.0 */
/* Records: what crosses a wall (record.c). A head of 24 bytes, little-endian, then a body:
 *
 *   u32 length of the body, u8 kind, u8 flags, u16 descriptors, u64 to, u64 reply
 *
 * Law: nothing is read in place as a struct. A reader takes bytes one after the other out of
 * private memory; what lies beyond the end reads as zero and sticks as "malformed"; bytes that are
 * left over are malformed too. A field that means nothing in its kind is zero. */
#ifndef ISLE_BACKEND_RECORD_H
#define ISLE_BACKEND_RECORD_H

#include "value/wire.h"

enum {
    ISLE__RECORD_HEAD = 24,
    ISLE__RECORD_FRONT = 8, /* of a body with bytes beside the message (aside.c) */
    ISLE__RECORD_DESCRIPTORS = 16,
    ISLE__RECORD_RELEASES = 512
};

enum isle__record_kind {
    ISLE__RECORD_MAIL = 1, /* to: a port of the reader's. reply: see the flags. A value */
    ISLE__RECORD_REPLY,    /* to: a call of the reader's, used up. A value, or an error's code */
    ISLE__RECORD_ANSWER,   /* to: a ping of the reader's, used up */
    ISLE__RECORD_CONTROL,  /* to: a control port of the reader's. struct isle__record_control */
    ISLE__RECORD_RELEASE,  /* names of the writer's that are no more */
    ISLE__RECORD_DUE,      /* to: for so many ns the call of the next mail waits; 0: for ever */
    ISLE__RECORD_TAKEN,    /* to: how many mails more the isolate has taken. From the inside */
    /* Once each, the first of their direction. */
    ISLE__RECORD_START,   /* to the inside. struct isle__record_start */
    ISLE__RECORD_STARTED, /* from the inside: it has a start and goes on to run it */
    /* From the inside. */
    ISLE__RECORD_ERROR, /* of an uncaught error: size and text, then the stack's text if it has one;
                           nothing: there was no memory for the text */
    ISLE__RECORD_END,   /* flags: an isle_reason that code can cause; a text. The last */
    ISLE__RECORD_SPAWN, /* to: the number of this spawn. struct isle__record_spawn */
    ISLE__RECORD_LINK,  /* struct isle__record_link */
    /* To the inside. */
    ISLE__RECORD_NAMED,   /* to: the number of a spawn. The four names of the isolate's handle */
    ISLE__RECORD_REFUSED, /* to: how many of its mails more found a full mailbox and were dropped */
    ISLE__RECORD_TYPES,   /* places of types that are registered outside */
    ISLE__RECORD_KINDS
};

/* Flags of mail and replies. */
enum {
    ISLE__RECORD_REPLY_NONE = 0,
    ISLE__RECORD_REPLY_CALL = 1,  /* `reply` is the writer's name for a call */
    ISLE__RECORD_REPLY_PORT = 2,  /* the writer's name for a port */
    ISLE__RECORD_REPLY_YOURS = 3, /* the reader's own name for a port */
    ISLE__RECORD_REPLY_MASK = 3,
    ISLE__RECORD_BARE = 4,      /* the body is the eight bytes of an immediate value */
    ISLE__RECORD_FAILED = 8,    /* of a reply: the value is an error */
    ISLE__RECORD_CODED = 16,    /* of a failed reply or answer: the body is a code, four bytes */
    ISLE__RECORD_RESERVED = 32, /* of mail to the inside: it takes no room of the mailbox */
    ISLE__RECORD_ASIDE = 64,    /* large bytes lie beside the message */
    /* Of mail: it waits for room. Out, `reply` is a call that is told when it is in, and the
     * message has none; in, there is no reply. */
    ISLE__RECORD_WAITS = 128
};

struct isle__record_head {
    uint32_t length;
    uint8_t kind, flags;
    uint16_t descriptors;
    uint64_t to, reply;
};

/* A name in a body, and whose it is. */
enum isle__whose { ISLE__WHOSE_NONE, ISLE__WHOSE_WRITER, ISLE__WHOSE_READER };
struct isle__ref {
    uint8_t whose; /* isle__whose */
    uint64_t name;
};

/* Some values take more bytes than memory: ports, functions. */
enum { ISLE__RECORD_RESPONSE_MAX = 2 * 65536 };
struct isle__record_control {
    uint8_t control;  /* isle__control_kind */
    uint8_t priority; /* isle_priority */
    uint8_t flag;
    struct isle__ref capability, key, port;
    const uint8_t *response; /* a value, for `port`; none if the size is 0 */
    size_t response_size;
};

/* What to run, and how. The texts and lists point into the bytes that were read. */
enum {
    ISLE__START_PAUSED = 1,
    ISLE__START_NOT_FATAL = 2,
    ISLE__START_NAMED = 4,
    ISLE__START_BARE = 8,
    ISLE__START_HEAP = 16 /* memory_max is of the heap alone: nobody asked for it */
};
struct isle__record_start {
    uint8_t entry_kind; /* isle__entry_kind */
    uint8_t flags;
    struct isle__wire_function entry; /* size 0: what the backend has loaded */
    uint64_t memory_max, mailbox_bytes, mailbox_messages;
    const char *name; /* not terminated */
    uint32_t name_size;
    const uint8_t *types; /* `type_count` places */
    size_t types_size;
    uint32_t type_count;
    const uint8_t *message; /* a value, to the end */
    size_t message_size;
};

/* The same, as the inside asks for it, for a sibling. The message is start.message. */
struct isle__record_spawn {
    struct isle__ref on_exit, on_error, monitor;
    uint64_t standing; /* the writer's name for who waits until it stands; 0: nobody */
    uint64_t deadline_ns, cpu_time_max_ns;
    uint8_t link; /* 1: it and the writer are linked */
    struct isle__record_start start;
};

/* What the inside asks for of its links. */
struct isle__record_link {
    uint8_t act;           /* isle__link_act */
    struct isle__ref port; /* a control port; of a trap the port that is told, or none */
    struct isle__ref capability;
};

/* --- writing, to the end of a buffer; a refusal for lack of memory sticks there */

void isle__write_number(struct isle__buffer *out, uint64_t number, unsigned width);
void isle__write_place(struct isle__buffer *out, const struct isle__wire_function *place);
void isle__write_control(struct isle__buffer *out, const struct isle__record_control *control);
void isle__write_start(struct isle__buffer *out, const struct isle__record_start *start);
void isle__write_spawn(struct isle__buffer *out, const struct isle__record_spawn *spawn);
void isle__write_link(struct isle__buffer *out, const struct isle__record_link *link);
void isle__record_head_write(const struct isle__record_head *head, uint8_t *bytes);
void isle__record_front_write(size_t message_size, uint8_t *bytes);

/* --- reading: hostile bytes in private memory */

struct isle__reader {
    const uint8_t *at;
    size_t left;
    bool malformed;
};
uint64_t isle__read_number(struct isle__reader *reader, unsigned width);
const uint8_t *isle__read_bytes(struct isle__reader *reader, size_t size); /* NULL: not that many */
/* False: no head that this side could be sent; `inside`: who reads. */
ISLE_MUST_CHECK bool isle__record_head_read(const uint8_t *bytes, size_t record_size, bool inside,
                                            struct isle__record_head *ret_head);
ISLE_MUST_CHECK bool isle__read_place(struct isle__reader *reader,
                                      struct isle__wire_function *ret_place);
ISLE_MUST_CHECK bool isle__read_control(const uint8_t *body, size_t size,
                                        struct isle__record_control *ret_control);
ISLE_MUST_CHECK bool isle__read_start(const uint8_t *body, size_t size,
                                      struct isle__record_start *ret_start);
ISLE_MUST_CHECK bool isle__read_spawn(const uint8_t *body, size_t size,
                                      struct isle__record_spawn *ret_spawn);
ISLE_MUST_CHECK bool isle__read_link(const uint8_t *body, size_t size,
                                     struct isle__record_link *ret_link);
/* An immediate value: null, a bool, an int, a double; ports and capabilities never travel so. */
ISLE_MUST_CHECK bool isle__read_bare(const uint8_t *body, size_t size, isle_value *ret_value);
bool isle__travels_plain(isle_value value); /* it can be written so */

#endif
