/* SPDX-License-Identifier: Apache-2.0 */
/* Mail: a parcel with an address, and the way into a mailbox (mail.c). */
#ifndef ISLE_CORE_MAIL_H
#define ISLE_CORE_MAIL_H

#include <stddef.h>

#include "value/heap.h"

struct isle__isolate;

enum isle__mail_kind {
    ISLE__MAIL_DATA = 1,   /* to a port or the default port */
    ISLE__MAIL_REPLY,      /* a value for a call or run */
    ISLE__MAIL_REPLY_ERROR /* an error for it */
};

/* Where it counts while it waits, from its admission on. */
enum isle__mail_room {
    ISLE__MAIL_COUNTED,  /* in the receiver's mailbox */
    ISLE__MAIL_RESERVED, /* not against its limits */
    ISLE__MAIL_BOUND,    /* in the mailbox, and in its port (gate.c) */
    /* It was refused a place and is not to be delivered: by a port that drops the newest, or one
     * that ends its isolate. */
    ISLE__MAIL_NEWEST,
    ISLE__MAIL_ENDED
};

/* The header of a parcel's first chunk; or, with an immediate value, an allocation of its own,
 * bare: it ends before `parcel`. */
struct isle__mail {
    struct isle__mail *next;
    uint64_t target;
    uint64_t reply; /* where an answer goes; 0: nowhere */
    uint64_t arrival;
    uint8_t kind; /* isle__mail_kind */
    uint8_t room; /* isle__mail_room */
    bool is_bare;
    /* `reply` was a call that waited when this was sent. Of a reply: it tells that a send has
     * waited, and nobody misses it. */
    bool is_call : 1;
    /* Of a send that waits: who is behind a wall has it wait there as well, and answers `reply`, a
     * call, when it is in. */
    bool waits : 1;
    uint8_t unused : 6;
    union {
        isle_err code; /* of a REPLY_ERROR whose root is null: made into an error by the receiver */
        uint32_t due;  /* of DATA: until when its call waits (due.h) */
    };
    isle_value root; /* of a parcel: the parcel's */
    struct isle__parcel parcel;
};
#define ISLE__MAIL_BARE_SIZE offsetof(struct isle__mail, parcel)

static inline size_t isle__mail_size(const struct isle__mail *mail)
{
    return mail->is_bare ? ISLE__MAIL_BARE_SIZE : mail->parcel.size;
}
/* Another value in the place of what it has; an immediate one. */
static inline void isle__mail_set_root(struct isle__mail *mail, isle_value immediate)
{
    mail->root = immediate;
    if (!mail->is_bare)
        mail->parcel.root = immediate;
}

/* Wraps what was copied. */
struct isle__mail *isle__mail_of(struct isle__parcel *parcel, enum isle__mail_kind kind,
                                 uint64_t target);
/* Where its answer goes; 0: nowhere. */
void isle__mail_set_reply(struct isle__mail *mail, uint64_t reply);
/* A bare mail; NULL: out of memory. */
struct isle__mail *isle__mail_make(isle_value immediate, enum isle__mail_kind kind,
                                   uint64_t target);
void isle__mail_drop(struct isle__mail *mail);
/* Delivery in two steps, so that what a parcel took from its sender can still be given back in
 * between. Any thread. Admit: room in the target's mailbox is taken. ISLE_OK, with its isolate or
 * NULL if it is closed or dead; ISLE_EFULL, counted: nothing has changed. Push: the mail is the
 * receiver's, or it is dropped and counted; then a call that waits for its answer completes with
 * ISLE_ECLOSED. */
ISLE_MUST_CHECK isle_err isle__mail_admit(struct isle__mail *mail,
                                          struct isle__isolate **ret_isolate);
/* False: it has more bytes than can cross to its target, which is behind a wall. For who has yet to
 * admit it; any thread. */
ISLE_MUST_CHECK bool isle__mail_may_cross(const struct isle__mail *mail);
/* What is no larger may. */
#define ISLE__MAIL_LARGE ((size_t)256 << 20)
/* For who has yet to make a mail for this target: what would become of it now. ISLE_ECLOSED: nobody
 * has the target; ISLE_EFULL, not counted: the mailbox takes none; ISLE_OK: perhaps one of so many
 * bytes, none that is larger. Any thread. */
ISLE_MUST_CHECK isle_err isle__mail_foresee(uint64_t target, size_t *ret_bytes);
void isle__mail_push(struct isle__mail *mail, struct isle__isolate *isolate);
/* Both, for mail that holds nothing of its sender's. ISLE_EFULL: it is still the caller's. */
ISLE_MUST_CHECK isle_err isle__mail_post(struct isle__mail *mail);
/* The same with a bare one that is made for it; nothing is left on ISLE_ENOMEM and ISLE_EFULL. */
ISLE_MUST_CHECK isle_err isle__mail_send_bare(isle_value immediate, uint64_t target, uint64_t reply,
                                              uint32_t due);
void isle__mail_post_reserved(struct isle__mail *mail); /* cannot fail; NULL is fine */
/* For mail that somebody has admitted already, in another program: it counts, and no limit refuses
 * it. */
void isle__mail_post_admitted(struct isle__mail *mail);
/* Tells the call that waits for an answer to this mail (if any) that nobody will answer, or why;
 * the mail itself becomes the notice, so that no memory is needed. */
void isle__mail_refuse(struct isle__mail *mail);
void isle__mail_refuse_as(struct isle__mail *mail, isle_err code);
bool isle__mail_is_missed(const struct isle__mail *mail); /* it counts if nobody takes it */
bool isle__reply_waits(uint64_t reply); /* a call that is pending; any other port hears nothing of a
                                           request that nobody answers */
/* Its content, in the scope; the mail is gone. */
isle_value isle__mail_take(struct isle__mail *mail, struct isle__scope *scope);
/* The receiver's side: takes it off the counts, and its content into the scope. The mail is gone.
 */
isle_value isle__mail_open(struct isle__isolate *isolate, struct isle__mail *mail,
                           struct isle__scope *scope);
/* Takes it off the counts alone. */
void isle__mail_received(struct isle__isolate *isolate, const struct isle__mail *mail);
/* The receiver's: shows its senders all that it took out. */
void isle__mail_show(struct isle__isolate *isolate);
/* Takes room in the mailbox for so many bytes, for mail that is pushed next. False: there is none
 * (not counted). Whoever holds the lock of its gates. */
ISLE_MUST_CHECK bool isle__mail_enter(struct isle__isolate *isolate, size_t size);
bool isle__mailbox_is_exact(const struct isle__isolate *isolate); /* nobody enters in vain */
/* With such limits it shows at once, and mail is admitted exactly. */
bool isle__mailbox_is_narrow(size_t messages_max, size_t bytes_max);

#endif
