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

/* The header of a parcel's first chunk; or, with an immediate value, an allocation of its own,
 * bare: it ends before `parcel`. */
struct isle__mail {
    struct isle__mail *next;
    uint64_t target;
    uint64_t reply; /* where an answer goes; 0: nowhere */
    uint64_t arrival;
    uint8_t kind;  /* isle__mail_kind */
    bool reserved; /* not counted against the mailbox's limits */
    bool is_bare;
    isle_err code;   /* of a REPLY_ERROR whose root is null: made into an error by the receiver */
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
void isle__mail_push(struct isle__mail *mail, struct isle__isolate *isolate);
/* Both, for mail that holds nothing of its sender's. ISLE_EFULL: it is still the caller's. */
ISLE_MUST_CHECK isle_err isle__mail_post(struct isle__mail *mail);
/* The same with a bare one that is made for it; nothing is left on ISLE_ENOMEM and ISLE_EFULL. */
ISLE_MUST_CHECK isle_err isle__mail_send_bare(isle_value immediate, uint64_t target,
                                              uint64_t reply);
void isle__mail_post_reserved(struct isle__mail *mail); /* cannot fail; NULL is fine */
/* Tells the call that waits for an answer to this mail (if any) that nobody will answer; the mail
 * itself becomes the notice, so that no memory is needed. */
void isle__mail_refuse(struct isle__mail *mail);
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
/* With such limits it shows at once, and mail is admitted exactly. */
bool isle__mailbox_is_narrow(size_t messages_max, size_t bytes_max);

#endif
