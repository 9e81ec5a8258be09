/* SPDX-License-Identifier: Apache-2.0 */
/* Mail: a parcel with an address, and the mailbox that it goes through.
 *
 * The mailbox is one word (isolate.h). A push is a compare-and-exchange that links the mail before
 * what is there; its old value also says whether the receiver must be scheduled. The receiver takes
 * all with one exchange, so there is no ABA: nobody ever removes a single mail from the shared
 * list. Mail enters its room before the push and leaves it by the receiver's hand, or by the
 * sender's if it was refused, so what is counted is never below the truth.
 *
 * What senders write is one line, and the receiver touches it once for many messages: when it takes
 * what is there, and when it shows how much it has taken out. It does so for each SHOWN_MESSAGES,
 * or SHOWN_BYTES, when it goes idle, and at once where the limits are so narrow that somebody might
 * be refused for it.
 *
 * Where limits are wide, a sender enters first and withdraws if that was too much: in between
 * others find less room than there is. Where they are narrow somebody could be refused for that, so
 * nobody enters who is then refused (mail_admit_exactly). */
#include "core/mail.h"

#include <string.h>

#include "core/backend.h"
#include "core/gate.h"
#include "core/isolate.h"
#include "core/simulate.h"
#include "core/slot.h"
#include "value/wire.h"

enum { SHOWN_MESSAGES = 32, SHOWN_UNITS = 1024 }; /* powers of two */
#define SHOWN_BYTES ((size_t)SHOWN_UNITS * ISLE__ROOM_UNIT)

static void mail_init(struct isle__mail *mail, enum isle__mail_kind kind, uint64_t target,
                      isle_value root, bool is_bare)
{
    mail->next = NULL;
    mail->target = target;
    mail->reply = 0;
    mail->kind = (uint8_t)kind;
    mail->room = ISLE__MAIL_COUNTED;
    mail->is_bare = is_bare;
    mail->is_call = mail->waits = false;
    mail->unused = 0;
    mail->code = ISLE_OK;
    mail->root = root;
}

struct isle__mail *isle__mail_of(struct isle__parcel *parcel, enum isle__mail_kind kind,
                                 uint64_t target)
{
    struct isle__mail *mail = isle__parcel_header(parcel);
    mail_init(mail, kind, target, parcel->root, false);
    mail->parcel = *parcel;
    return mail;
}

struct isle__mail *isle__mail_make(isle_value immediate, enum isle__mail_kind kind, uint64_t target)
{
    struct isle__mail *mail = isle__memory_alloc(ISLE__MAIL_BARE_SIZE);
    if (mail != NULL)
        mail_init(mail, kind, target, immediate, true);
    return mail;
}

isle_value isle__mail_take(struct isle__mail *mail, struct isle__scope *scope)
{
    if (mail->is_bare) {
        isle_value root = mail->root;
        isle__memory_free(mail, ISLE__MAIL_BARE_SIZE);
        return root;
    }
    struct isle__parcel parcel = mail->parcel;
    return isle__parcel_adopt(&parcel, scope);
}

void isle__mail_drop(struct isle__mail *mail)
{
    if (mail == NULL)
        return;
    if (mail->is_bare) {
        isle__memory_free(mail, ISLE__MAIL_BARE_SIZE);
        return;
    }
    struct isle__parcel parcel = mail->parcel;
    isle__parcel_drop(&parcel);
}

bool isle__reply_waits(uint64_t reply)
{
    struct isle__slot *slot = isle__slot_find(reply);
    return slot != NULL &&
           atomic_load_explicit(&slot->kind, memory_order_relaxed) == ISLE__SLOT_REPLY;
}

void isle__mail_set_reply(struct isle__mail *mail, uint64_t reply)
{
    mail->reply = reply;
    mail->is_call = reply != 0 && isle__reply_waits(reply);
}

void isle__mail_refuse_as(struct isle__mail *mail, isle_err code)
{
    if (!isle__reply_waits(mail->reply)) {
        isle__mail_drop(mail);
        return;
    }
    mail->target = mail->reply;
    mail->reply = 0;
    mail->kind = ISLE__MAIL_REPLY_ERROR;
    mail->code = code;
    mail->is_call = mail->waits = false;
    isle__mail_set_root(mail, isle_null());
    isle__mail_post_reserved(mail);
}

void isle__mail_refuse(struct isle__mail *mail)
{
    isle__mail_refuse_as(mail, ISLE_ECLOSED);
}

static struct isle__room *mail_room(struct isle__isolate *isolate, const struct isle__mail *mail)
{
    bool is_reserved = mail->room == ISLE__MAIL_RESERVED;
    return is_reserved ? &isolate->heap.reserved : &isolate->heap.data;
}

bool isle__mailbox_is_narrow(size_t messages_max, size_t bytes_max)
{
    return messages_max < SHOWN_MESSAGES * 64 || bytes_max < SHOWN_BYTES * 64;
}

void isle__mail_show(struct isle__isolate *isolate)
{
    struct isle__heap *heap = &isolate->heap;
    if (atomic_load_explicit(&heap->data.out, memory_order_relaxed) != heap->data_out)
        isle__room_show(&heap->data, heap->data_out);
    if (ISLE__UNLIKELY(isolate->lets_in))
        isle__gates_let_in(isolate);
}

bool isle__mailbox_is_exact(const struct isle__isolate *isolate)
{
    return (atomic_load_explicit(&isolate->admission, memory_order_relaxed) &
            ISLE__ADMIT_EXACTLY) != 0;
}

/* The bits that both do not reach. */
#define SHOWN_LATER                                                                                \
    ((uint64_t)(SHOWN_MESSAGES - 1) | (uint64_t)(SHOWN_UNITS - 1) << ISLE__ROOM_COUNT_BITS)

static ISLE__RARE void mail_received_bound(struct isle__isolate *isolate, uint64_t target,
                                           uint64_t amount)
{
    struct isle__heap *heap = &isolate->heap;
    heap->data_out += amount;
    isle__room_show(&heap->data, heap->data_out);
    isle__gate_leave(isolate, target, amount);
}

static ISLE__RARE void mail_show(struct isle__isolate *isolate)
{
    isle__room_show(&isolate->heap.data, isolate->heap.data_out);
    if (isolate->lets_in)
        isle__gates_let_in(isolate);
}

static inline void mail_received(struct isle__isolate *isolate, const struct isle__mail *mail,
                                 uint64_t amount)
{
    struct isle__heap *heap = &isolate->heap;
    if (mail->room != ISLE__MAIL_COUNTED) {
        if (ISLE__UNLIKELY(mail->room == ISLE__MAIL_BOUND))
            mail_received_bound(isolate, mail->target, amount);
        else
            isle__room_leave(&heap->reserved, amount);
        return;
    }
    uint64_t before = heap->data_out;
    heap->data_out = before + amount;
    if (ISLE__UNLIKELY(((before ^ heap->data_out) & ~SHOWN_LATER) != 0 || isolate->shows_all))
        mail_show(isolate);
}

void isle__mail_received(struct isle__isolate *isolate, const struct isle__mail *mail)
{
    mail_received(isolate, mail, isle__room_of(1, isle__mail_size(mail)));
}

static isle_value mail_open_parcel(struct isle__isolate *isolate, struct isle__mail *mail,
                                   struct isle__scope *scope)
{
    isle__mail_received(isolate, mail);
    return isle__mail_take(mail, scope);
}

isle_value isle__mail_open(struct isle__isolate *isolate, struct isle__mail *mail,
                           struct isle__scope *scope)
{
    if (!mail->is_bare)
        return mail_open_parcel(isolate, mail, scope);
    isle_value root = mail->root;
    mail_received(isolate, mail, isle__room_of(1, ISLE__MAIL_BARE_SIZE));
    isle__memory_free(mail, ISLE__MAIL_BARE_SIZE);
    return root;
}

/* Of the memory, the rest of the mailbox and the heap have their part. */
static ISLE__RARE bool mail_fits_memory(struct isle__isolate *isolate, uint64_t before, size_t size)
{
    size_t bytes = isle__room_bytes(before);
    size_t memory_max = atomic_load_explicit(&isolate->heap.limit, memory_order_relaxed);
    size_t used = atomic_load_explicit(&isolate->heap.used, memory_order_relaxed) + bytes +
                  isle__room_bytes(isle__room_taken(&isolate->heap.reserved));
    return size <= memory_max && used <= memory_max - size;
}

/* `before` is what waited before this one, which is `amount`. */
static inline bool mail_fits(struct isle__isolate *isolate, unsigned admission, uint64_t before,
                             uint64_t amount, size_t size)
{
    uint64_t limits = atomic_load_explicit(&isolate->limits, memory_order_relaxed);
    uint64_t units = (before >> ISLE__ROOM_COUNT_BITS) + (amount >> ISLE__ROOM_COUNT_BITS);
    if (isle__room_count(before) >= isle__room_count(limits) ||
        units > limits >> ISLE__ROOM_COUNT_BITS)
        return false;
    return (admission & ISLE__ADMIT_BY_MEMORY) == 0 || mail_fits_memory(isolate, before, size);
}

static isle_err mail_refused_full(void)
{
    atomic_fetch_add_explicit(&isle__program.refused_full, 1, memory_order_relaxed);
    return ISLE_EFULL;
}

/* Whoever is refused here was never let in, and whoever is let in is let into this life of the
 * body: `in` changes with the life (isle__room_renew). */
static ISLE__RARE isle_err mail_admit_exactly(const struct isle__mail *mail,
                                              const struct isle__slot *slot,
                                              struct isle__isolate *isolate, unsigned admission,
                                              struct isle__isolate **ret_isolate)
{
    struct isle__room *room = &isolate->heap.data;
    size_t size = isle__mail_size(mail);
    uint64_t amount = isle__room_of(1, size);
    for (;;) {
        uint64_t out = atomic_load_explicit(&room->out, memory_order_acquire);
        uint64_t in = atomic_load_explicit(&room->in, memory_order_acquire);
        bool fits = mail_fits(isolate, admission, in - out, amount, size);
        if (isle__slot_changed(slot, mail->target))
            return ISLE_OK;
        if (fits && isle__room_enter_from(room, &in, amount)) {
            *ret_isolate = isolate;
            return ISLE_OK;
        }
        /* Exact for the moment at which `in` was read, if nothing was taken out around it. */
        if (!fits && atomic_load_explicit(&room->out, memory_order_acquire) == out)
            return mail_refused_full();
    }
}

static ISLE__RARE isle_err mail_refused(const struct isle__slot *slot, uint64_t target,
                                        struct isle__isolate *isolate, uint64_t amount)
{
    isle__room_withdraw(&isolate->heap.data, amount);
    /* Full is perhaps who was born in its place. */
    return isle__slot_changed(slot, target) ? ISLE_OK : mail_refused_full();
}

bool isle__mail_enter(struct isle__isolate *isolate, size_t size)
{
    struct isle__room *room = &isolate->heap.data;
    unsigned admission = atomic_load_explicit(&isolate->admission, memory_order_relaxed);
    uint64_t amount = isle__room_of(1, size);
    for (;;) {
        uint64_t out = atomic_load_explicit(&room->out, memory_order_acquire);
        uint64_t in = atomic_load_explicit(&room->in, memory_order_acquire);
        bool fits = mail_fits(isolate, admission, in - out, amount, size);
        if (fits && isle__room_enter_from(room, &in, amount))
            return true;
        if (!fits && atomic_load_explicit(&room->out, memory_order_acquire) == out)
            return false;
    }
}

/* Whom the bounds of its port let in, or who has none: into the mailbox. */
static isle_err mail_admit_inside(struct isle__mail *mail, const struct isle__slot *slot,
                                  struct isle__isolate *isolate, unsigned admission,
                                  struct isle__isolate **ret_isolate)
{
    if ((admission & ISLE__ADMIT_EXACTLY) != 0)
        return mail_admit_exactly(mail, slot, isolate, admission, ret_isolate);
    size_t size = isle__mail_size(mail);
    uint64_t amount = isle__room_of(1, size);
    uint64_t before = isle__room_enter(&isolate->heap.data, amount);
    if (!mail_fits(isolate, admission, before, amount, size))
        return mail_refused(slot, mail->target, isolate, amount);
    *ret_isolate = isolate;
    return ISLE_OK;
}

/* The bounds of its port. ISLE_EFULL, counted: nothing has changed. */
static isle_err mail_pass_gate(struct isle__mail *mail, struct isle__isolate *isolate)
{
    uint64_t amount = isle__room_of(1, isle__mail_size(mail));
    switch (isle__gate_enter(isolate, mail->target, amount)) {
    case ISLE__GATE_FULL:
        return mail_refused_full();
    case ISLE__GATE_NEWEST:
        mail->room = ISLE__MAIL_NEWEST;
        break;
    case ISLE__GATE_ENDED:
        mail->room = ISLE__MAIL_ENDED;
        break;
    case ISLE__GATE_COUNTED:
        mail->room = ISLE__MAIL_BOUND;
        break;
    case ISLE__GATE_NONE:
        break;
    }
    return ISLE_OK;
}

/* A port of the isolate has bounds, or somebody waits before one. */
static isle_err mail_admit_gated(struct isle__mail *mail, const struct isle__slot *slot,
                                 struct isle__isolate *isolate, unsigned admission,
                                 struct isle__isolate **ret_isolate)
{
    isle_err err = mail_pass_gate(mail, isolate);
    if (err != ISLE_OK || mail->room >= ISLE__MAIL_NEWEST)
        return err;
    err = mail_admit_inside(mail, slot, isolate, admission, ret_isolate);
    if (*ret_isolate == NULL && mail->room == ISLE__MAIL_BOUND) {
        mail->room = ISLE__MAIL_COUNTED;
        isle__gate_withdraw(isolate, mail->target, isle__room_of(1, isle__mail_size(mail)));
    }
    return err;
}

static ISLE__RARE isle_err mail_admit_slowly(struct isle__mail *mail, const struct isle__slot *slot,
                                             struct isle__isolate *isolate, unsigned admission,
                                             struct isle__isolate **ret_isolate)
{
    if ((admission & (ISLE__ADMIT_BOUNDED | ISLE__ADMIT_WAITED)) != 0)
        return mail_admit_gated(mail, slot, isolate, admission, ret_isolate);
    return mail_admit_exactly(mail, slot, isolate, admission, ret_isolate);
}

/* What has no business in the mail's own line is given: its target, and its size. */
static ISLE__INLINE isle_err mail_admit(struct isle__mail *mail, uint64_t target, size_t size,
                                        struct isle__isolate **ret_isolate)
{
    struct isle__slot *slot = isle__slot_find(target);
    *ret_isolate = NULL;
    if (isle__simulating() && !isle__simulate_admits(mail, slot))
        return mail_refused_full();
    if (slot == NULL)
        return ISLE_OK;
    if (atomic_load_explicit(&slot->kind, memory_order_relaxed) == ISLE__SLOT_REPLY)
        mail->room = ISLE__MAIL_RESERVED;
    struct isle__isolate *isolate = atomic_load_explicit(&slot->isolate, memory_order_relaxed);
    unsigned admission = atomic_load_explicit(&isolate->admission, memory_order_relaxed);
    bool is_reserved = mail->room == ISLE__MAIL_RESERVED;
    if (ISLE__UNLIKELY((admission & ISLE__ADMIT_SLOWLY) != 0) && !is_reserved)
        return mail_admit_slowly(mail, slot, isolate, admission, ret_isolate);
    uint64_t amount = isle__room_of(1, size);
    if (is_reserved) {
        (void)isle__room_enter(&isolate->heap.reserved, amount);
    } else {
        uint64_t before = isle__room_enter(&isolate->heap.data, amount);
        if (ISLE__UNLIKELY(!mail_fits(isolate, admission, before, amount, size)))
            return mail_refused(slot, target, isolate, amount);
    }
    *ret_isolate = isolate;
    return ISLE_OK;
}

isle_err isle__mail_admit(struct isle__mail *mail, struct isle__isolate **ret_isolate)
{
    return mail_admit(mail, mail->target, isle__mail_size(mail), ret_isolate);
}

bool isle__mail_may_cross(const struct isle__mail *mail)
{
    const struct isle__slot *slot = isle__slot_find(mail->target);
    if (slot == NULL)
        return true;
    const struct isle__isolate *isolate =
        atomic_load_explicit(&slot->isolate, memory_order_relaxed);
    const struct isle__backend_ops *ops = isle__backend_of(isolate);
    unsigned admission = atomic_load_explicit(&isolate->admission, memory_order_relaxed);
    bool is_outwards = (admission & ISLE__ADMIT_ELSEWHERE) != 0; /* no files are */
    return ops->message_max == 0 || isle__slot_changed(slot, mail->target) ||
           !isle__wire_is_over(mail->root, ops->message_max,
                               is_outwards ? 0 : ops->message_file_max);
}

static size_t mail_bytes_left(size_t most, size_t taken)
{
    return taken < most ? most - taken : 0;
}

/* Of its memory alone: what passes the limits of the mailbox does not pass that. */
static size_t mail_memory_left(const struct isle__isolate *isolate)
{
    const struct isle__heap *heap = &isolate->heap;
    unsigned admission = atomic_load_explicit(&isolate->admission, memory_order_relaxed);
    if ((admission & ISLE__ADMIT_BY_MEMORY) == 0)
        return SIZE_MAX;
    return mail_bytes_left(atomic_load_explicit(&heap->limit, memory_order_relaxed),
                           atomic_load_explicit(&heap->used, memory_order_relaxed) +
                               isle__room_bytes(isle__room_taken(&heap->data)) +
                               isle__room_bytes(isle__room_taken(&heap->reserved)));
}

isle_err isle__mail_foresee(uint64_t target, size_t *ret_bytes)
{
    const struct isle__slot *slot = isle__slot_find(target);
    *ret_bytes = 0;
    if (slot == NULL)
        return ISLE_ECLOSED;
    bool passes = atomic_load_explicit(&slot->kind, memory_order_relaxed) == ISLE__SLOT_REPLY;
    const struct isle__isolate *isolate =
        atomic_load_explicit(&slot->isolate, memory_order_relaxed);
    uint64_t limits = atomic_load_explicit(&isolate->limits, memory_order_relaxed);
    uint64_t waits = isle__room_taken(&isolate->heap.data);
    size_t bytes = mail_memory_left(isolate);
    if (!passes) {
        size_t room = mail_bytes_left(isle__room_bytes(limits), isle__room_bytes(waits));
        bytes = room < bytes ? room : bytes;
    }
    if (isle__slot_changed(slot, target))
        return ISLE_ECLOSED;
    if (!passes &&
        (isle__room_count(waits) >= isle__room_count(limits) || bytes < ISLE__MAIL_BARE_SIZE))
        return ISLE_EFULL;
    *ret_bytes = bytes;
    return ISLE_OK;
}

/* Its port had no place for it. */
static void mail_overflowed(struct isle__mail *mail)
{
    bool is_newest = mail->room == ISLE__MAIL_NEWEST;
    atomic_fetch_add_explicit(is_newest ? &isle__program.dropped_newest
                                        : &isle__program.dropped_dead,
                              1, memory_order_relaxed);
    isle__mail_refuse_as(mail, is_newest ? ISLE_EFULL : ISLE_ECLOSED);
}

bool isle__mail_is_missed(const struct isle__mail *mail)
{
    return mail->kind == ISLE__MAIL_DATA || !mail->is_call;
}

/* Nobody has its target, or it is not to be delivered. */
static ISLE__RARE void mail_unaddressed(struct isle__mail *mail)
{
    _Atomic uint64_t *cause = &isle__program.dropped_closed;
    if (mail->room >= ISLE__MAIL_NEWEST) {
        mail_overflowed(mail);
        return;
    }
    if (!isle__mail_is_missed(mail)) {
        isle__mail_drop(mail);
        return;
    }
    if (mail->kind != ISLE__MAIL_DATA)
        cause = &isle__program.dropped_late;
    else if (isle__slot_ended(mail->target))
        cause = &isle__program.dropped_dead;
    atomic_fetch_add_explicit(cause, 1, memory_order_relaxed);
    isle__mail_refuse(mail);
}

static ISLE__RARE void mail_too_late(struct isle__mail *mail, struct isle__isolate *isolate)
{
    isle__room_withdraw(mail_room(isolate, mail), isle__room_of(1, isle__mail_size(mail)));
    atomic_fetch_add_explicit(&isle__program.dropped_dead, 1, memory_order_relaxed);
    isle__mail_refuse(mail);
}

static ISLE__INLINE void mail_push(struct isle__mail *mail, struct isle__isolate *isolate)
{
    if (ISLE__UNLIKELY(isolate == NULL)) {
        mail_unaddressed(mail);
        return;
    }
    struct isle__mail *head = atomic_load_explicit(&isolate->mailbox, memory_order_relaxed);
    do {
        if (ISLE__UNLIKELY(head == ISLE__MAILBOX_CLOSED)) {
            mail_too_late(mail, isolate);
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

void isle__mail_push(struct isle__mail *mail, struct isle__isolate *isolate)
{
    mail_push(mail, isolate);
}

isle_err isle__mail_post(struct isle__mail *mail)
{
    struct isle__isolate *isolate;
    isle_err err = isle__mail_admit(mail, &isolate);
    if (err == ISLE_OK)
        isle__mail_push(mail, isolate);
    return err;
}

isle_err isle__mail_send_bare(isle_value immediate, uint64_t target, uint64_t reply, uint32_t due)
{
    struct isle__mail *mail = isle__memory_alloc(ISLE__MAIL_BARE_SIZE);
    if (mail == NULL)
        return ISLE_ENOMEM;
    mail_init(mail, ISLE__MAIL_DATA, target, immediate, true);
    isle__mail_set_reply(mail, reply);
    mail->due = due;
    struct isle__isolate *isolate;
    isle_err err = mail_admit(mail, target, ISLE__MAIL_BARE_SIZE, &isolate);
    if (ISLE__UNLIKELY(err != ISLE_OK)) {
        isle__mail_drop(mail);
        return err;
    }
    mail_push(mail, isolate);
    return ISLE_OK;
}

void isle__mail_post_reserved(struct isle__mail *mail)
{
    if (mail == NULL)
        return;
    struct isle__isolate *isolate;
    mail->room = ISLE__MAIL_RESERVED;
    if (isle__mail_admit(mail, &isolate) == ISLE_OK)
        isle__mail_push(mail, isolate);
}

/* The bounds of its port hold all the same. */
void isle__mail_post_admitted(struct isle__mail *mail)
{
    struct isle__slot *slot = isle__slot_find(mail->target);
    struct isle__isolate *isolate = NULL;
    isle_err err = ISLE_OK;
    if (slot != NULL) {
        isolate = atomic_load_explicit(&slot->isolate, memory_order_relaxed);
        if (atomic_load_explicit(&slot->kind, memory_order_relaxed) == ISLE__SLOT_REPLY)
            mail->room = ISLE__MAIL_RESERVED;
        else if (isle__gates_have(isolate))
            err = mail_pass_gate(mail, isolate);
    }
    if (err != ISLE_OK) {
        isle__mail_refuse_as(mail, err);
        return;
    }
    if (mail->room >= ISLE__MAIL_NEWEST)
        isolate = NULL;
    if (isolate != NULL)
        (void)isle__room_enter(mail_room(isolate, mail), isle__room_of(1, isle__mail_size(mail)));
    mail_push(mail, isolate);
}
