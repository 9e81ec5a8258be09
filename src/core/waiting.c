/* SPDX-License-Identifier: Apache-2.0 */
/* isle_send_wait: a send that waits for room, as a future.
 *
 * The message is copied in the call, and all that it takes from its sender is taken; while it is in
 * line (gate.c) it is charged to the sender. What ends the wait is one reserved notice, which is
 * made with it, so that telling needs no memory: it completes the promise in the sender's own turn.
 * What is sent from behind a wall waits outside, where it is counted for its wall (a share), and is
 * answered like a call.
 *
 * Who gives up (a cancel, a time-out, the sender's end) takes the message out of the line; if it
 * has been let in before, it was delivered, and the wait is over as such. */
#include "core/backend.h"
#include "core/control.h"
#include "core/gate.h"
#include "core/isolate.h"
#include "core/mail.h"
#include "core/promise.h"
#include "core/simulate.h"
#include "core/slot.h"

struct wait {
    struct isle__waiting waiting; /* first */
    size_t charged;
    struct isle__isolate *elsewhere; /* it waits on the other side of that wall; NULL */
};

static void wait_free(struct isle__promise *promise)
{
    struct wait *wait = promise->cancel_context;
    promise->cancel_context = NULL;
    if (wait == NULL)
        return;
    isle__heap_discharge(&promise->isolate->heap, wait->charged);
    isle__mail_drop(wait->waiting.notice);
    isle__mail_drop(wait->waiting.mail);
    isle__memory_free(wait, sizeof *wait);
}

static void wait_cancel(struct isle__promise *promise)
{
    struct wait *wait = promise->cancel_context;
    if (wait == NULL)
        return;
    if (wait->elsewhere != NULL) { /* what comes of it is not known in time */
        const struct isle__backend_ops *ops = isle__backend_of(wait->elsewhere);
        uint64_t reply = atomic_load_explicit(&promise->slot->id, memory_order_relaxed);
        struct isle__isolate *elsewhere = wait->elsewhere;
        wait_free(promise);
        if (ops->forget != NULL)
            ops->forget(elsewhere, reply);
        return;
    }
    isle__gate_give_up(&wait->waiting);
    bool was_in_line = wait->waiting.mail != NULL;
    if (was_in_line)
        atomic_fetch_add_explicit(&isle__program.dropped_waiting, 1, memory_order_relaxed);
    promise->came_about = !was_in_line;
    wait_free(promise);
}

/* NULL: out of memory; the mail is the caller's. Charged for what it has. */
static struct wait *wait_make(struct isle__promise *promise, struct isle__mail *mail,
                              struct isle__parcel *parcel)
{
    struct isle__heap *heap = &promise->isolate->heap;
    uint64_t reply = atomic_load_explicit(&promise->slot->id, memory_order_relaxed);
    size_t charge = sizeof(struct wait) + ISLE__MAIL_BARE_SIZE + isle__mail_size(mail);
    if (!isle__heap_try_charge(heap, charge))
        return NULL;
    struct wait *wait = isle__memory_alloc(sizeof *wait);
    struct isle__mail *notice =
        wait == NULL ? NULL : isle__mail_make(isle_null(), ISLE__MAIL_REPLY, reply);
    if (notice == NULL) {
        isle__memory_free(wait, sizeof *wait);
        isle__heap_discharge(heap, charge);
        return NULL;
    }
    notice->is_call = true; /* that it comes too late is nobody's loss */
    *wait = (struct wait){
        .waiting = {.mail = mail, .parcel = mail->is_bare ? NULL : parcel, .notice = notice},
        .charged = charge};
    promise->cancel_context = wait;
    promise->cancel = wait_cancel;
    promise->completed = wait_free;
    promise->ends_with_isolate = true;
    return wait;
}

/* The message of a send, as a mail; what it takes from its sender is not yet taken. NULL: not to be
 * had, as isle_last_error says. */
static struct isle__mail *wait_copy(struct isle__isolate *isolate, uint64_t target,
                                    isle_value message, struct isle__parcel *ret_parcel)
{
    *ret_parcel = (struct isle__parcel){0};
    if (isle__travels_bare(message)) {
        struct isle__mail *mail = isle__mail_make(message, ISLE__MAIL_DATA, target);
        if (mail == NULL)
            (void)isle__fail(ISLE_ENOMEM, "Out of Memory");
        return mail;
    }
    if (isle__parcel_copy(&isolate->heap, message, sizeof(struct isle__mail), ret_parcel) !=
        ISLE_OK)
        return NULL;
    return isle__mail_of(ret_parcel, ISLE__MAIL_DATA, target);
}

static void mail_undo(struct isle__mail *mail, struct isle__parcel *parcel)
{
    if (mail->is_bare)
        isle__mail_drop(mail);
    else
        isle__parcel_undo(parcel);
}

/* Nothing has been taken from the sender. */
ISLE_NORETURN static void wait_refused(struct isle__promise *promise, isle_err err)
{
    isle__promise_discard(promise);
    if (err == ISLE_EFULL)
        isle__throw(err, "isle_send_wait: the message is larger than the receiver could ever hold");
    if (err == ISLE_ERANGE)
        isle__throw(err, "isle_send_wait: the message is larger than what crosses a wall");
    isle__throw(err, "%s", isle_err_text(err));
}

/* In a simulation a fault may have it wait though there is room. */
static bool wait_is_forced(const struct isle__mail *mail)
{
    return isle__simulating() && !isle__simulate_admits(mail, isle__slot_find(mail->target));
}

/* Nobody has the port: counted, as any message to it. */
static void wait_for_nobody(struct isle__promise *promise)
{
    struct wait *wait = promise->cancel_context;
    struct isle__mail *mail = wait->waiting.mail;
    isle__waiting_commit(&wait->waiting);
    wait->waiting.mail = NULL;
    isle__mail_push(mail, NULL);
    isle__promise_complete_code(promise, ISLE_ECLOSED);
}

/* Whose mail is admitted on the other side of a wall, which we are behind; NULL: it is not. */
static struct isle__isolate *wait_elsewhere(const struct isle__mail *mail)
{
    const struct isle__slot *slot = isle__slot_find(mail->target);
    if (slot == NULL)
        return NULL;
    struct isle__isolate *isolate = atomic_load_explicit(&slot->isolate, memory_order_relaxed);
    unsigned admission = atomic_load_explicit(&isolate->admission, memory_order_relaxed);
    return (admission & ISLE__ADMIT_ELSEWHERE) != 0 ? isolate : NULL;
}

static isle_err wait_send_elsewhere(struct isle__promise *promise, struct wait *wait,
                                    struct isle__isolate *elsewhere)
{
    struct isle__mail *mail = wait->waiting.mail;
    struct isle__isolate *receiver;
    isle_err err = isle__mail_admit(mail, &receiver);
    if (err != ISLE_OK)
        return err == ISLE_EFULL ? ISLE_ENOMEM : err; /* of the way out, for now */
    isle__waiting_commit(&wait->waiting);
    mail->reply = atomic_load_explicit(&promise->slot->id, memory_order_relaxed);
    mail->is_call = true;
    wait->waiting.mail = NULL;
    wait->elsewhere = elsewhere;
    isle__mail_push(mail, receiver);
    return ISLE_OK;
}

static void wait_begin(struct isle__promise *promise, struct isle__mail *mail,
                       struct isle__parcel *parcel)
{
    bool is_in = false;
    struct wait *wait = wait_make(promise, mail, parcel);
    struct isle__isolate *elsewhere = wait_elsewhere(mail);
    if (wait == NULL) {
        mail_undo(mail, parcel);
        wait_refused(promise, ISLE_ENOMEM);
    }
    mail->waits = true;
    isle_err err = elsewhere != NULL
                       ? wait_send_elsewhere(promise, wait, elsewhere)
                       : isle__gate_line_up(&wait->waiting, wait_is_forced(mail), &is_in);
    if (err == ISLE_EFULL || err == ISLE_ENOMEM) {
        mail_undo(mail, parcel);
        wait->waiting.mail = NULL;
        wait_free(promise);
        wait_refused(promise, err);
    }
    if (err == ISLE_ECLOSED)
        wait_for_nobody(promise);
    else if (is_in)
        isle__promise_complete_null(promise);
}

isle_future *isle_send_wait(isle_send_port port, isle_value message, int64_t timeout_ns)
{
    struct isle__isolate *isolate = isle__isolate_need(__func__);
    struct isle__parcel parcel;
    isle__attend(isolate);
    if (isle_send_port_is_none(port))
        isle__throw(ISLE_EINVAL, "isle_send_wait: the port is none");
    struct isle__promise *promise = isle__promise_new(isolate);
    isle_future *future = isle__promise_future(promise);
    isle__promise_expect(promise);
    isle__promise_set_timeout(promise, timeout_ns);
    struct isle__mail *mail = wait_copy(isolate, port.id, message, &parcel);
    if (mail == NULL) {
        isle__promise_discard(promise);
        isle_throw(isle_last_error());
    }
    if (ISLE__UNLIKELY(isle__mail_size(mail) > ISLE__MAIL_LARGE) && !isle__mail_may_cross(mail)) {
        mail_undo(mail, &parcel);
        wait_refused(promise, ISLE_ERANGE);
    }
    wait_begin(promise, mail, &parcel);
    if (isle__simulating())
        isle__simulate_point(isolate);
    return future;
}

/* --- for who is behind a wall */

struct isle__share *isle__share_make(void)
{
    struct isle__share *share = isle__memory_alloc(sizeof *share);
    if (share == NULL)
        return NULL;
    atomic_init(&share->references, 1);
    atomic_init(&share->count, 0);
    atomic_init(&share->bytes, 0);
    return share;
}

void isle__share_release(struct isle__share *share)
{
    if (share != NULL &&
        atomic_fetch_sub_explicit(&share->references, 1, memory_order_acq_rel) == 1)
        isle__memory_free(share, sizeof *share);
}

static void share_enter(struct isle__share *share, size_t bytes)
{
    atomic_fetch_add_explicit(&share->references, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&share->count, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&share->bytes, bytes, memory_order_relaxed);
}

void isle__share_leave(struct isle__share *share, size_t bytes)
{
    atomic_fetch_sub_explicit(&share->count, 1, memory_order_relaxed);
    atomic_fetch_sub_explicit(&share->bytes, bytes, memory_order_relaxed);
    isle__share_release(share);
}

static bool share_allows(const struct isle__share *share, size_t bytes)
{
    return atomic_load_explicit(&share->count, memory_order_relaxed) < ISLE__SHARE_COUNT &&
           bytes <= isle__share_bytes_left(share);
}

static void notice_post(struct isle__mail *notice, isle_err code)
{
    if (notice == NULL)
        return;
    if (code != ISLE_OK)
        notice->kind = ISLE__MAIL_REPLY_ERROR;
    notice->code = code;
    isle__mail_post_reserved(notice);
}

/* It does not wait. */
static void mail_turned_away(struct isle__mail *mail, isle_err err)
{
    mail->reply = 0;
    if (err == ISLE_ECLOSED) {
        isle__mail_push(mail, NULL);
        return;
    }
    atomic_fetch_add_explicit(&isle__program.refused_full, 1, memory_order_relaxed);
    isle__mail_drop(mail);
}

void isle__wait_for(struct isle__mail *mail, uint64_t reply, struct isle__share *share)
{
    size_t bytes = isle__mail_size(mail);
    bool is_in = false, may = reply == 0 || share_allows(share, bytes);
    struct isle__waiting *waiting = may ? isle__memory_alloc(sizeof *waiting) : NULL;
    struct isle__mail *notice =
        reply == 0 ? NULL : isle__mail_make(isle_null(), ISLE__MAIL_REPLY, reply);
    isle_err err = ISLE_ENOMEM; /* ISLE_EFULL would say that there is never room */
    if (notice != NULL)
        notice->is_call = true;
    mail->reply = 0;
    mail->is_call = false;
    if (waiting != NULL && (reply == 0 || notice != NULL)) {
        *waiting = (struct isle__waiting){.mail = mail, .notice = notice, .share = share};
        share_enter(share, bytes);
        err = isle__gate_line_up(waiting, false, &is_in);
        if (err == ISLE_OK && !is_in)
            return;
        isle__share_leave(share, bytes);
    }
    isle__memory_free(waiting, sizeof *waiting);
    if (err != ISLE_OK)
        mail_turned_away(mail, err);
    notice_post(notice, err);
}
