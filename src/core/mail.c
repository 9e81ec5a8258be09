/* SPDX-License-Identifier: Apache-2.0 */
/* Mail: a parcel with an address, and the mailbox that it goes through.
 *
 * The mailbox is one word (isolate.h). A push is a compare-and-exchange that links the mail before
 * what is there; its old value also says whether the receiver must be scheduled. The receiver takes
 * all with one exchange, so there is no ABA: nobody ever removes a single mail from the shared
 * list. Counters are raised before the push and lowered by the receiver (or the sender, if it was
 * refused), so they are never below the truth. */
#include "core/mail.h"

#include <string.h>

#include "core/backend.h"
#include "core/isolate.h"
#include "core/slot.h"

struct isle__mail *isle__mail_of(struct isle__parcel *parcel, enum isle__mail_kind kind,
                                 uint64_t target)
{
    struct isle__mail *mail = isle__parcel_header(parcel);
    memset(mail, 0, sizeof *mail);
    mail->kind = kind;
    mail->target = target;
    mail->parcel = *parcel;
    return mail;
}

struct isle__mail *isle__mail_make(isle_value immediate, enum isle__mail_kind kind, uint64_t target)
{
    struct isle__parcel parcel;
    if (isle__parcel_immediate(immediate, sizeof(struct isle__mail), &parcel) != ISLE_OK)
        return NULL;
    return isle__mail_of(&parcel, kind, target);
}

void isle__mail_drop(struct isle__mail *mail)
{
    if (mail == NULL)
        return;
    struct isle__parcel parcel = mail->parcel;
    isle__parcel_drop(&parcel);
}

bool isle__reply_waits(uint64_t reply)
{
    struct isle__slot *slot = isle__slot_find(reply);
    return slot != NULL &&
           atomic_load_explicit(&slot->kind, memory_order_relaxed) == ISLE__SLOT_REPLY;
}

void isle__mail_refuse(struct isle__mail *mail)
{
    if (!isle__reply_waits(mail->reply)) {
        isle__mail_drop(mail);
        return;
    }
    mail->target = mail->reply;
    mail->reply = 0;
    mail->kind = ISLE__MAIL_REPLY_ERROR;
    mail->code = ISLE_ECLOSED;
    mail->parcel.root = isle_null();
    isle__mail_post_reserved(mail);
}

static void mail_count_down(struct isle__isolate *isolate, const struct isle__mail *mail)
{
    atomic_fetch_sub_explicit(&isolate->mail_count, 1, memory_order_release);
    if (mail->reserved)
        atomic_fetch_sub_explicit(&isolate->reserved_count, 1, memory_order_release);
    atomic_fetch_sub_explicit(&isolate->heap.mailbox, mail->parcel.size, memory_order_relaxed);
}

void isle__mail_received(struct isle__isolate *isolate, struct isle__mail *mail)
{
    mail_count_down(isolate, mail);
}

static bool mail_fits(struct isle__isolate *isolate, uint64_t count, size_t bytes, size_t size)
{
    size_t used = atomic_load_explicit(&isolate->heap.used, memory_order_relaxed);
    size_t memory_max = atomic_load_explicit(&isolate->memory_max, memory_order_relaxed);
    return count < atomic_load_explicit(&isolate->mailbox_max_messages, memory_order_relaxed) &&
           size <= atomic_load_explicit(&isolate->mailbox_max_bytes, memory_order_relaxed) &&
           bytes <=
               atomic_load_explicit(&isolate->mailbox_max_bytes, memory_order_relaxed) - size &&
           (memory_max == SIZE_MAX ||
            (size <= memory_max && used <= memory_max - size && bytes <= memory_max - size - used));
}

isle_err isle__mail_admit(struct isle__mail *mail, struct isle__isolate **ret_isolate)
{
    struct isle__slot *slot = isle__slot_find(mail->target);
    *ret_isolate = NULL;
    if (slot == NULL)
        return ISLE_OK;
    if (atomic_load_explicit(&slot->kind, memory_order_relaxed) == ISLE__SLOT_REPLY)
        mail->reserved = true;
    struct isle__isolate *isolate = atomic_load_explicit(&slot->isolate, memory_order_relaxed);
    if (mail->reserved)
        atomic_fetch_add_explicit(&isolate->reserved_count, 1, memory_order_release);
    uint64_t count = atomic_fetch_add_explicit(&isolate->mail_count, 1, memory_order_acq_rel);
    uint64_t reserved = atomic_load_explicit(&isolate->reserved_count, memory_order_acquire);
    count = count > reserved ? count - reserved : 0;
    size_t bytes =
        atomic_fetch_add_explicit(&isolate->heap.mailbox, mail->parcel.size, memory_order_relaxed);
    if (!mail->reserved && !mail_fits(isolate, count, bytes, mail->parcel.size)) {
        mail_count_down(isolate, mail);
        atomic_fetch_add_explicit(&isle__program.refused_full, 1, memory_order_relaxed);
        return ISLE_EFULL;
    }
    *ret_isolate = isolate;
    return ISLE_OK;
}

void isle__mail_push(struct isle__mail *mail, struct isle__isolate *isolate)
{
    if (isolate == NULL) {
        _Atomic uint64_t *cause = &isle__program.dropped_closed;
        if (mail->kind != ISLE__MAIL_DATA)
            cause = &isle__program.dropped_late;
        else if (isle__slot_ended(mail->target))
            cause = &isle__program.dropped_dead;
        atomic_fetch_add_explicit(cause, 1, memory_order_relaxed);
        isle__mail_refuse(mail);
        return;
    }
    struct isle__mail *head = atomic_load_explicit(&isolate->mailbox, memory_order_relaxed);
    do {
        if (head == ISLE__MAILBOX_CLOSED) {
            mail_count_down(isolate, mail);
            atomic_fetch_add_explicit(&isle__program.dropped_dead, 1, memory_order_relaxed);
            isle__mail_refuse(mail);
            return;
        }
        mail->next = head == ISLE__MAILBOX_IDLE ? NULL : head;
        /* Release: the receiver's exchange acquires the mail's contents. seq_cst: see
         * isle__isolate_wake. */
    } while (!atomic_compare_exchange_weak_explicit(&isolate->mailbox, &head, mail,
                                                    memory_order_seq_cst, memory_order_relaxed));
    if (head == ISLE__MAILBOX_IDLE)
        isle__isolate_ready(isolate);
}

isle_err isle__mail_post(struct isle__mail *mail)
{
    struct isle__isolate *isolate;
    isle_err err = isle__mail_admit(mail, &isolate);
    if (err == ISLE_OK)
        isle__mail_push(mail, isolate);
    return err;
}

void isle__mail_post_reserved(struct isle__mail *mail)
{
    if (mail == NULL)
        return;
    struct isle__isolate *isolate;
    mail->reserved = true;
    if (isle__mail_admit(mail, &isolate) == ISLE_OK)
        isle__mail_push(mail, isolate);
}
