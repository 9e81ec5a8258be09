/* SPDX-License-Identifier: Apache-2.0 */
/* Gates: how much of the mail that was let in waits for one port, and who is in line before it.
 *
 * A port that has no bounds and before which nobody waits has no gate, and its senders look at
 * none: a bit of the isolate's admission, which they read anyway, says that some port of it has
 * one. The gates of an isolate and its hall, which has them all, are found by its body and the
 * port's id in a table of parts with a lock each; so whoever holds the lock and finds a gate has a
 * port that is open, and nothing of a gate is read without it.
 *
 * Laws. Mail goes through the gate before the mailbox, and is withdrawn from it if that refuses. In
 * line are those for whom there was no room, in their order, and nobody passes them: while a line
 * stands its port is full for all others. Only the receiver lets in those who are in line, and
 * pushes their mail under the lock: when a sender finds the line gone, what it has sent before is
 * in the mailbox.
 *
 * No wake-up is lost: who lines up sets attention first and then wakes the receiver
 * (isle__isolate_wake has why that is enough), which from then on tries whenever it has taken
 * something out. A line that waits for the bounds of its port is tried when mail of that port
 * leaves; one that waits for the mailbox is hungry, and tried when any does. Room that comes by
 * another way (who was let through the gate and then refused) sets attention again.
 *
 * Nobody is called under a lock, but for the push of mail. */
#include "core/gate.h"

#include <string.h>

#include "core/control.h"
#include "core/index.h"
#include "core/monitor.h"
#include "core/slot.h"

struct isle__gate {
    uint64_t target;
    struct gate_hall *hall;
    struct isle__gate *next, *previous; /* of the hall */
    struct isle__gate *next_hungry;
    bool is_bound, is_hungry, has_ended;
    bool is_high, rose; /* rose: and nobody was told yet */
    struct isle__bounds bounds;
    struct isle__tide *tide;            /* the owner's; NULL: nobody asks */
    struct isle__waiting *first, *last; /* in line */
    uint64_t waits;                     /* isle__room_of: let in, and not left */
    isle_port_stats stats;              /* what is counted */
};

struct gate_hall {
    struct isle__isolate *isolate;
    struct isle__gate *gates;
    struct isle__gate *hungry, *hungry_last;
    size_t in_line;  /* of all gates */
    bool has_turned; /* the tide of one of them */
};

/* Posted, and dropped, when the lock is not held any more. */
struct gate_news {
    struct isle__mail *notices, *mails;
    uint64_t closed, dead, waiting; /* mails by cause */
};

enum { PART_COUNT = 64 };
struct gate_part {
    _Alignas(64) struct isle__mutex lock;
    struct isle__index halls; /* by body */
    struct isle__index gates; /* by target */
};
static struct gate_part gate_parts[PART_COUNT];

void isle__gates_init(void)
{
    for (int i = 0; i < PART_COUNT; i++)
        isle__mutex_init(&gate_parts[i].lock);
}

void isle__gates_fini(void)
{
    for (int i = 0; i < PART_COUNT; i++)
        isle__mutex_destroy(&gate_parts[i].lock);
}

/* --- the table */

/* All of an isolate's are in one part. */
static struct gate_part *part_of(const struct isle__isolate *isolate)
{
    uint64_t mixed = (uint64_t)((uintptr_t)isolate >> 6) * UINT64_C(0x9e3779b97f4a7c15);
    return &gate_parts[mixed >> 32 & (PART_COUNT - 1)];
}

static struct gate_part *part_lock(const struct isle__isolate *isolate)
{
    struct gate_part *part = part_of(isolate);
    isle__mutex_lock(&part->lock);
    return part;
}

static struct gate_hall *hall_find(const struct gate_part *part,
                                   const struct isle__isolate *isolate)
{
    return (struct gate_hall *)isle__index_find(&part->halls, (uintptr_t)isolate);
}

static struct isle__gate *gate_find(const struct gate_part *part, uint64_t target)
{
    return (struct isle__gate *)isle__index_find(&part->gates, target);
}

static void index_leave(struct isle__index *index, uint64_t key)
{
    isle__index_remove(index, key);
    if (index->count == 0)
        isle__index_fini(index);
    else
        (void)isle__index_trim(index);
}

/* NULL: out of memory. */
static struct gate_hall *hall_need(struct gate_part *part, struct isle__isolate *isolate)
{
    struct gate_hall *hall = hall_find(part, isolate);
    if (hall != NULL)
        return hall;
    hall = isle__memory_alloc(sizeof *hall);
    if (hall == NULL)
        return NULL;
    *hall = (struct gate_hall){.isolate = isolate};
    if (isle__index_put(&part->halls, (uintptr_t)isolate, (uintptr_t)hall))
        return hall;
    isle__memory_free(hall, sizeof *hall);
    return NULL;
}

static void hall_free(struct gate_part *part, struct gate_hall *hall)
{
    index_leave(&part->halls, (uintptr_t)hall->isolate);
    isle__memory_free(hall, sizeof *hall);
}

/* NULL: out of memory. */
static struct isle__gate *gate_make(struct gate_part *part, struct isle__isolate *isolate,
                                    uint64_t target)
{
    struct gate_hall *hall = hall_need(part, isolate);
    struct isle__gate *gate = hall == NULL ? NULL : isle__memory_alloc(sizeof *gate);
    if (gate != NULL) {
        *gate = (struct isle__gate){.target = target, .hall = hall, .next = hall->gates};
        if (!isle__index_put(&part->gates, target, (uintptr_t)gate)) {
            isle__memory_free(gate, sizeof *gate);
            gate = NULL;
        }
    }
    if (gate == NULL) {
        if (hall != NULL && hall->gates == NULL)
            hall_free(part, hall);
        return NULL;
    }
    if (hall->gates != NULL)
        hall->gates->previous = gate;
    hall->gates = gate;
    return gate;
}

static struct isle__gate *gate_need(struct gate_part *part, struct isle__isolate *isolate,
                                    uint64_t target)
{
    struct isle__gate *gate = gate_find(part, target);
    return gate != NULL ? gate : gate_make(part, isolate, target);
}

/* --- hungry ones: their first in line waits for room in the mailbox, or has not been tried */

static void hungry_add(struct isle__gate *gate)
{
    struct gate_hall *hall = gate->hall;
    if (gate->is_hungry)
        return;
    gate->is_hungry = true;
    gate->next_hungry = NULL;
    if (hall->hungry != NULL)
        hall->hungry_last->next_hungry = gate;
    else
        hall->hungry = gate;
    hall->hungry_last = gate;
}

static void hungry_remove_first(struct gate_hall *hall)
{
    struct isle__gate *gate = hall->hungry;
    hall->hungry = gate->next_hungry;
    gate->is_hungry = false;
}

static void hungry_remove(struct isle__gate *gate)
{
    struct gate_hall *hall = gate->hall;
    struct isle__gate **at = &hall->hungry, *before = NULL;
    if (!gate->is_hungry)
        return;
    for (; *at != gate; at = &(*at)->next_hungry)
        before = *at;
    *at = gate->next_hungry;
    if (hall->hungry_last == gate)
        hall->hungry_last = before;
    gate->is_hungry = false;
}

/* Nobody waits, nothing bounds: it goes, and its hall with the last. */
static void gate_settle(struct gate_part *part, struct isle__gate *gate)
{
    struct gate_hall *hall = gate->hall;
    if (gate->is_bound || gate->first != NULL)
        return;
    hungry_remove(gate);
    if (gate->previous != NULL)
        gate->previous->next = gate->next;
    else
        hall->gates = gate->next;
    if (gate->next != NULL)
        gate->next->previous = gate->previous;
    index_leave(&part->gates, gate->target);
    isle__memory_free(gate, sizeof *gate);
    if (hall->gates == NULL)
        hall_free(part, hall);
}

/* --- the line */

static void line_add(struct isle__gate *gate, struct isle__waiting *waiting)
{
    waiting->gate = gate;
    waiting->next = NULL;
    waiting->previous = gate->last;
    if (gate->last != NULL)
        gate->last->next = waiting;
    else
        gate->first = waiting;
    gate->last = waiting;
    gate->stats.senders++;
    gate->hall->in_line++;
    atomic_fetch_add_explicit(&isle__program.waiting, 1, memory_order_relaxed);
}

/* Out of the line; its mail and notice are the caller's, and so is the rest unless it is nobody's.
 */
static void line_remove(struct isle__waiting *waiting, struct isle__mail **ret_mail,
                        struct isle__mail **ret_notice)
{
    struct isle__gate *gate = waiting->gate;
    struct gate_hall *hall = gate->hall;
    if (waiting->previous != NULL)
        waiting->previous->next = waiting->next;
    else
        gate->first = waiting->next;
    if (waiting->next != NULL)
        waiting->next->previous = waiting->previous;
    else
        gate->last = waiting->previous;
    gate->stats.senders--;
    hall->in_line--;
    atomic_fetch_sub_explicit(&isle__program.waiting, 1, memory_order_relaxed);
    /* While its sender's next mail could pass, it is not in the mailbox yet: see gate_let_in. */
    *ret_mail = waiting->mail;
    *ret_notice = waiting->notice;
    waiting->mail = waiting->notice = NULL;
    waiting->gate = NULL;
    struct isle__share *share = waiting->share;
    if (share != NULL) {
        isle__share_leave(share, isle__mail_size(*ret_mail));
        isle__memory_free(waiting, sizeof *waiting);
    }
}

/* Without a line, its senders need not look. */
static void hall_calm(struct gate_hall *hall)
{
    if (hall->in_line == 0)
        atomic_fetch_and_explicit(&hall->isolate->admission, (uint8_t)~ISLE__ADMIT_WAITED,
                                  memory_order_seq_cst);
}

static void news_add(struct isle__mail **list, struct isle__mail *mail)
{
    if (mail == NULL)
        return;
    mail->next = *list;
    *list = mail;
}

static void line_refuse(struct isle__waiting *waiting, isle_err code, struct gate_news *news)
{
    struct isle__mail *mail, *notice;
    line_remove(waiting, &mail, &notice);
    if (notice != NULL) {
        notice->kind = ISLE__MAIL_REPLY_ERROR;
        notice->code = code;
    }
    news_add(&news->mails, mail);
    news_add(&news->notices, notice);
}

/* In the order in which they came into it. */
static void news_tell(struct gate_news *news)
{
    struct isle__mail *oldest = NULL;
    atomic_fetch_add_explicit(&isle__program.dropped_closed, news->closed, memory_order_relaxed);
    atomic_fetch_add_explicit(&isle__program.dropped_dead, news->dead, memory_order_relaxed);
    atomic_fetch_add_explicit(&isle__program.dropped_waiting, news->waiting, memory_order_relaxed);
    while (news->mails != NULL) {
        struct isle__mail *mail = news->mails;
        news->mails = mail->next;
        isle__mail_refuse(mail);
    }
    while (news->notices != NULL) {
        struct isle__mail *notice = news->notices;
        news->notices = notice->next;
        notice->next = oldest;
        oldest = notice;
    }
    while (oldest != NULL) {
        struct isle__mail *next = oldest->next;
        isle__mail_post_reserved(oldest);
        oldest = next;
    }
}

/* --- letting in */

static bool amount_fits(uint64_t waits, uint64_t amount, uint64_t most)
{
    uint64_t units = (waits >> ISLE__ROOM_COUNT_BITS) + (amount >> ISLE__ROOM_COUNT_BITS);
    return isle__room_count(waits) < isle__room_count(most) &&
           units <= most >> ISLE__ROOM_COUNT_BITS;
}

static bool gate_fits(const struct isle__gate *gate, uint64_t amount)
{
    return !gate->is_bound || amount_fits(gate->waits, amount, gate->bounds.most);
}

static bool amount_reaches(uint64_t waits, uint64_t level)
{
    return (isle__room_count(level) != 0 && isle__room_count(waits) >= isle__room_count(level)) ||
           (level >> ISLE__ROOM_COUNT_BITS != 0 &&
            waits >> ISLE__ROOM_COUNT_BITS >= level >> ISLE__ROOM_COUNT_BITS);
}

static bool amount_is_above(uint64_t waits, uint64_t level, uint64_t high)
{
    return (isle__room_count(high) != 0 && isle__room_count(waits) > isle__room_count(level)) ||
           (high >> ISLE__ROOM_COUNT_BITS != 0 &&
            waits >> ISLE__ROOM_COUNT_BITS > level >> ISLE__ROOM_COUNT_BITS);
}

/* True: its owner is to be told. */
static bool gate_rises(struct isle__gate *gate, uint64_t amount)
{
    gate->waits += amount;
    if (gate->is_high || gate->tide == NULL || !amount_reaches(gate->waits, gate->bounds.high))
        return false;
    gate->is_high = gate->rose = gate->hall->has_turned = true;
    return true;
}

/* The owner's: what became of the tide since he was told. */
static void gate_tell_tide(struct isle__gate *gate)
{
    if (gate->tide == NULL)
        return;
    if (gate->rose)
        isle__tide_turn(gate->tide, true);
    gate->rose = false;
    if (!gate->is_high)
        isle__tide_turn(gate->tide, false);
}

static void hall_tell_tides(struct gate_hall *hall)
{
    if (!hall->has_turned)
        return;
    hall->has_turned = false;
    for (struct isle__gate *gate = hall->gates; gate != NULL; gate = gate->next)
        gate_tell_tide(gate);
}

static void gate_falls(struct isle__gate *gate, uint64_t amount)
{
    gate->waits -= amount;
    if (gate->is_high && !amount_is_above(gate->waits, gate->bounds.low, gate->bounds.high))
        gate->is_high = false;
}

/* Who has sent it has ended behind a wall, or gave it up there. */
static bool waiting_is_moot(const struct isle__waiting *waiting)
{
    return waiting->share != NULL && waiting->notice != NULL &&
           isle__slot_find(waiting->notice->target) == NULL;
}

/* Of the receiver. True: the mailbox has no room for the first in line. */
static bool gate_let_in(struct isle__gate *gate, struct gate_news *news)
{
    struct isle__isolate *isolate = gate->hall->isolate;
    struct isle__waiting *waiting;
    bool is_closed = !gate->is_bound && isle__slot_find(gate->target) == NULL;
    while ((waiting = gate->first) != NULL) {
        uint64_t amount = isle__room_of(1, isle__mail_size(waiting->mail));
        struct isle__mail *mail, *notice;
        if (is_closed || waiting_is_moot(waiting)) {
            news->closed += is_closed;
            news->waiting += !is_closed;
            line_refuse(waiting, ISLE_ECLOSED, news);
            continue;
        }
        if (!gate_fits(gate, amount))
            return false;
        if (!isle__mail_enter(isolate, isle__mail_size(waiting->mail)))
            return true;
        line_remove(waiting, &mail, &notice);
        if (gate->is_bound) {
            mail->room = ISLE__MAIL_BOUND;
            (void)gate_rises(gate, amount); /* who lets in tells it: hall_tell_tides */
        }
        isle__mail_push(mail, isolate);
        news_add(&news->notices, notice);
    }
    return false;
}

static void hall_let_in(struct gate_part *part, struct gate_hall *hall, struct gate_news *news)
{
    while (hall->hungry != NULL) {
        struct isle__gate *gate = hall->hungry;
        if (gate_let_in(gate, news))
            return;
        hungry_remove_first(hall);
        bool is_last =
            hall->gates == gate && gate->next == NULL && !gate->is_bound && gate->first == NULL;
        hall_calm(hall);
        gate_settle(part, gate);
        if (is_last) /* the hall is gone */
            return;
    }
}

/* What the owner asks at every mail that it takes. */
static void isolate_minds(struct isle__isolate *isolate, bool lets_in)
{
    isolate->lets_in = lets_in;
    isolate->shows_all = lets_in || isle__mailbox_is_exact(isolate);
}

void isle__gates_let_in(struct isle__isolate *isolate)
{
    struct gate_news news = {0};
    struct gate_part *part = part_lock(isolate);
    struct gate_hall *hall = hall_find(part, isolate);
    isle__room_show(&isolate->heap.data, isolate->heap.data_out);
    if (hall != NULL) {
        hall_tell_tides(hall);
        hall_let_in(part, hall, &news);
    }
    hall = hall_find(part, isolate);
    if (hall != NULL)
        hall_tell_tides(hall);
    isolate_minds(isolate, hall != NULL && hall->hungry != NULL);
    isle__mutex_unlock(&part->lock);
    news_tell(&news);
}

/* --- senders */

/* The receiver is to look at its gates. */
static void gate_call(struct isle__isolate *isolate, uint16_t bit)
{
    atomic_fetch_or_explicit(&isolate->attention, bit, memory_order_seq_cst);
}

static enum isle__gate_way gate_refuse(struct isle__gate *gate, uint16_t *ret_call)
{
    switch (gate->bounds.overflow) {
    case ISLE_OVERFLOW_DROP_NEWEST:
        gate->stats.dropped_newest++;
        return ISLE__GATE_NEWEST;
    case ISLE_OVERFLOW_END:
        *ret_call = gate->has_ended ? 0 : ISLE__ATTEND_OVERFLOW;
        gate->has_ended = true;
        return ISLE__GATE_ENDED;
    case ISLE_OVERFLOW_DROP_OLDEST:
        if (gate->first == NULL) { /* too large by itself */
            gate->stats.dropped_newest++;
            return ISLE__GATE_NEWEST;
        }
        break;
    case ISLE_OVERFLOW_REFUSE:
        break;
    }
    gate->stats.refused++;
    return ISLE__GATE_FULL;
}

static bool gate_takes(const struct isle__gate *gate, uint64_t amount)
{
    if (gate->first != NULL)
        return false;
    if (gate->is_bound && gate->bounds.overflow == ISLE_OVERFLOW_DROP_OLDEST)
        return amount_fits(0, amount, gate->bounds.most);
    return gate_fits(gate, amount);
}

enum isle__gate_way isle__gate_enter(struct isle__isolate *isolate, uint64_t target,
                                     uint64_t amount)
{
    uint16_t call = 0;
    enum isle__gate_way way = ISLE__GATE_NONE;
    struct gate_part *part = part_lock(isolate);
    struct isle__gate *gate = gate_find(part, target);
    if (gate != NULL && !gate_takes(gate, amount)) {
        way = gate_refuse(gate, &call);
    } else if (gate != NULL && gate->is_bound) {
        call = gate_rises(gate, amount) ? ISLE__ATTEND_ROOM : 0;
        way = ISLE__GATE_COUNTED;
    }
    if (call != 0)
        gate_call(isolate, call);
    isle__mutex_unlock(&part->lock);
    if (call != 0)
        isle__isolate_wake(isolate);
    return way;
}

void isle__gate_withdraw(struct isle__isolate *isolate, uint64_t target, uint64_t amount)
{
    struct gate_part *part = part_lock(isolate);
    struct isle__gate *gate = gate_find(part, target);
    bool was_high = gate != NULL && gate->is_high;
    if (gate != NULL)
        gate_falls(gate, amount);
    bool falls = was_high && !gate->is_high;
    bool calls = gate != NULL && (gate->first != NULL || falls);
    if (falls)
        gate->hall->has_turned = true;
    if (gate != NULL && gate->first != NULL)
        hungry_add(gate);
    if (calls)
        gate_call(isolate, ISLE__ATTEND_ROOM);
    isle__mutex_unlock(&part->lock);
    if (calls)
        isle__isolate_wake(isolate);
}

/* It could not be let in if all were empty. */
static bool size_is_too_large(struct isle__isolate *isolate, const struct isle__gate *gate,
                              size_t size)
{
    uint64_t amount = isle__room_of(1, size);
    uint64_t limits = atomic_load_explicit(&isolate->limits, memory_order_relaxed);
    size_t memory = atomic_load_explicit(&isolate->heap.limit, memory_order_relaxed);
    return !amount_fits(0, amount, limits) || size > memory ||
           (gate != NULL && gate->is_bound && !amount_fits(0, amount, gate->bounds.most));
}

bool isle__gate_could_hold(uint64_t target, size_t size)
{
    const struct isle__slot *slot = isle__slot_find(target);
    if (slot == NULL)
        return true;
    struct isle__isolate *isolate = atomic_load_explicit(&slot->isolate, memory_order_relaxed);
    struct gate_part *part = part_lock(isolate);
    bool is_too_large = size_is_too_large(isolate, gate_find(part, target), size);
    isle__mutex_unlock(&part->lock);
    return !is_too_large || isle__slot_changed(slot, target);
}

static bool waiting_enters(struct isle__waiting *waiting, struct isle__gate *gate)
{
    struct isle__mail *mail = waiting->mail;
    uint64_t amount = isle__room_of(1, isle__mail_size(mail));
    if (gate != NULL && (gate->first != NULL || !gate_fits(gate, amount)))
        return false;
    if (!isle__mail_enter(waiting->isolate, isle__mail_size(mail)))
        return false;
    if (gate != NULL && gate->is_bound) {
        mail->room = ISLE__MAIL_BOUND;
        if (gate_rises(gate, amount))
            gate_call(waiting->isolate, ISLE__ATTEND_ROOM);
    }
    isle__waiting_commit(waiting);
    waiting->mail = NULL;
    isle__mail_push(mail, waiting->isolate);
    return true;
}

/* Sequentially consistent, as the receiver's end: it says CLOSED, then looks whether somebody may
 * be in line; so one of us sees the other. A body that is in another life by now has another id. */
static bool line_is_closed(const struct isle__isolate *isolate, const struct isle__slot *slot,
                           uint64_t target)
{
    return atomic_load_explicit(&isolate->mailbox, memory_order_seq_cst) == ISLE__MAILBOX_CLOSED ||
           isle__slot_changed(slot, target);
}

/* Under the lock. */
static isle_err line_up(struct gate_part *part, struct isle__waiting *waiting,
                        const struct isle__slot *slot, bool waits, bool *ret_is_in)
{
    struct isle__isolate *isolate = waiting->isolate;
    uint64_t target = waiting->mail->target;
    struct isle__gate *gate = gate_find(part, target);
    if (isle__slot_changed(slot, target))
        return ISLE_ECLOSED;
    if (size_is_too_large(isolate, gate, isle__mail_size(waiting->mail)))
        return ISLE_EFULL;
    *ret_is_in = !waits && waiting_enters(waiting, gate);
    if (*ret_is_in)
        return ISLE_OK;
    if (gate == NULL)
        gate = gate_need(part, isolate, target);
    if (gate == NULL)
        return ISLE_ENOMEM;
    atomic_fetch_or_explicit(&isolate->admission, ISLE__ADMIT_WAITED, memory_order_seq_cst);
    if (line_is_closed(isolate, slot, target)) {
        hall_calm(gate->hall);
        gate_settle(part, gate);
        return ISLE_ECLOSED;
    }
    isle__waiting_commit(waiting);
    line_add(gate, waiting);
    hungry_add(gate);
    gate_call(isolate, ISLE__ATTEND_ROOM);
    return ISLE_OK;
}

isle_err isle__gate_line_up(struct isle__waiting *waiting, bool waits, bool *ret_is_in)
{
    const struct isle__slot *slot = isle__slot_find(waiting->mail->target);
    if (slot == NULL)
        return ISLE_ECLOSED;
    struct isle__isolate *isolate = atomic_load_explicit(&slot->isolate, memory_order_relaxed);
    *ret_is_in = false;
    waiting->isolate = isolate;
    struct gate_part *part = part_lock(isolate);
    isle_err err = line_up(part, waiting, slot, waits, ret_is_in);
    isle__mutex_unlock(&part->lock);
    if (err == ISLE_OK)
        isle__isolate_wake(isolate);
    return err;
}

void isle__gate_give_up(struct isle__waiting *waiting)
{
    struct gate_part *part = part_lock(waiting->isolate);
    struct isle__gate *gate = waiting->gate;
    if (gate != NULL) {
        struct isle__mail *mail, *notice;
        bool was_first = gate->first == waiting;
        line_remove(waiting, &mail, &notice);
        waiting->mail = mail;
        waiting->notice = notice;
        hall_calm(gate->hall);
        if (was_first && gate->first != NULL) { /* it is perhaps smaller */
            hungry_add(gate);
            gate_call(waiting->isolate, ISLE__ATTEND_ROOM);
        }
        gate_settle(part, gate);
    }
    isle__mutex_unlock(&part->lock);
    if (gate != NULL)
        isle__isolate_wake(waiting->isolate);
}

/* --- a wall that has ended */

/* How many gates are done under one hold of the lock. */
enum { FORGET_GATES = 32 };

static bool gate_has_of(const struct isle__gate *gate, const struct isle__share *share)
{
    const struct isle__waiting *waiting = gate->first;
    while (waiting != NULL && waiting->share != share)
        waiting = waiting->next;
    return waiting != NULL;
}

/* Those that have some of the share in line. */
static size_t part_find(const struct gate_part *part, const struct isle__share *share,
                        struct isle__gate *ret_gates[static FORGET_GATES])
{
    size_t count = 0;
    for (size_t i = 0; i < part->gates.capacity && count < FORGET_GATES; i++) {
        struct isle__gate *gate = (struct isle__gate *)part->gates.entries[i].value;
        if (gate != NULL && gate_has_of(gate, share))
            ret_gates[count++] = gate;
    }
    return count;
}

static void gate_forget(struct gate_part *part, struct isle__gate *gate,
                        const struct isle__share *share, struct gate_news *news)
{
    const struct isle__waiting *first = gate->first;
    for (struct isle__waiting *waiting = gate->first, *next; waiting != NULL; waiting = next) {
        next = waiting->next;
        if (waiting->share != share)
            continue;
        news->waiting++;
        line_refuse(waiting, ISLE_ECLOSED, news);
    }
    hall_calm(gate->hall);
    if (gate->first != NULL && gate->first != first) { /* it is perhaps smaller */
        hungry_add(gate);
        gate_call(gate->hall->isolate, ISLE__ATTEND_ROOM);
    }
    gate_settle(part, gate);
}

/* False: nobody of the share is in line here any more. */
static bool part_forget(struct gate_part *part, const struct isle__share *share)
{
    struct gate_news news = {0};
    struct isle__gate *gates[FORGET_GATES];
    struct isle__isolate *isolates[FORGET_GATES];
    isle__mutex_lock(&part->lock);
    size_t count = part_find(part, share, gates);
    for (size_t i = 0; i < count; i++) {
        isolates[i] = gates[i]->hall->isolate;
        gate_forget(part, gates[i], share, &news);
    }
    isle__mutex_unlock(&part->lock);
    for (size_t i = 0; i < count; i++)
        isle__isolate_wake(isolates[i]);
    news_tell(&news);
    return count != 0;
}

void isle__gates_forget(struct isle__share *share)
{
    for (int i = 0; share != NULL && i < PART_COUNT; i++)
        while (isle__share_count(share) != 0 && part_forget(&gate_parts[i], share))
            ;
}

/* --- the receiver */

void isle__gate_leave(struct isle__isolate *isolate, uint64_t target, uint64_t amount)
{
    struct gate_news news = {0};
    struct gate_part *part = part_lock(isolate);
    struct isle__gate *gate = gate_find(part, target);
    if (gate != NULL) { /* else the port is closed */
        struct gate_hall *hall = gate->hall;
        bool was_high = gate->is_high;
        gate_falls(gate, amount);
        if (was_high && !gate->is_high)
            gate_tell_tide(gate);
        if (gate->first != NULL) {
            isle__room_show(&isolate->heap.data, isolate->heap.data_out);
            hungry_add(gate);
            hall_let_in(part, hall, &news); /* the hall stays: this gate is bound */
            hall_tell_tides(hall);
            isolate_minds(isolate, hall->hungry != NULL);
        }
    }
    isle__mutex_unlock(&part->lock);
    news_tell(&news);
}

bool isle__gate_drops_oldest(struct isle__isolate *isolate, uint64_t target)
{
    struct gate_part *part = part_lock(isolate);
    struct isle__gate *gate = gate_find(part, target);
    bool drops =
        gate != NULL && gate->is_bound && gate->bounds.overflow == ISLE_OVERFLOW_DROP_OLDEST &&
        (isle__room_count(gate->waits) > isle__room_count(gate->bounds.most) ||
         gate->waits >> ISLE__ROOM_COUNT_BITS > gate->bounds.most >> ISLE__ROOM_COUNT_BITS);
    if (drops)
        gate->stats.dropped_oldest++;
    isle__mutex_unlock(&part->lock);
    if (drops)
        atomic_fetch_add_explicit(&isle__program.dropped_oldest, 1, memory_order_relaxed);
    return drops;
}

isle_err isle__gate_bind(struct isle__isolate *isolate, uint64_t target,
                         const struct isle__bounds *bounds)
{
    struct isle__tide *tide = NULL, *old = NULL;
    if (bounds->high != 0 && (tide = isle__tide_make(isolate, bounds)) == NULL)
        return ISLE_ENOMEM;
    struct gate_part *part = part_lock(isolate);
    struct isle__gate *gate = gate_need(part, isolate, target);
    if (gate != NULL) {
        old = gate->tide;
        gate->is_bound = true;
        gate->bounds = *bounds;
        gate->tide = tide;
        gate->is_high = gate->rose = gate->has_ended = false;
        if (gate_rises(gate, 0))
            gate_tell_tide(gate);
        atomic_fetch_or_explicit(&isolate->admission, ISLE__ADMIT_BOUNDED, memory_order_seq_cst);
        if (gate->first != NULL) { /* there may be more room than before */
            hungry_add(gate);
            gate_call(isolate, ISLE__ATTEND_ROOM);
        }
    }
    isle__mutex_unlock(&part->lock);
    isle__tide_end(gate == NULL ? tide : old);
    return gate == NULL ? ISLE_ENOMEM : ISLE_OK;
}

void isle__gate_read(struct isle__isolate *isolate, uint64_t target, isle_port_stats *ret_stats)
{
    struct gate_part *part = part_lock(isolate);
    const struct isle__gate *gate = gate_find(part, target);
    *ret_stats = (isle_port_stats){0};
    if (gate != NULL) {
        *ret_stats = gate->stats;
        ret_stats->messages = isle__room_count(gate->waits);
        ret_stats->bytes = isle__room_bytes(gate->waits);
    }
    isle__mutex_unlock(&part->lock);
}

static void gate_end(struct gate_part *part, struct isle__gate *gate, struct gate_news *news)
{
    while (gate->first != NULL)
        line_refuse(gate->first, ISLE_ECLOSED, news);
    isle__tide_end(gate->tide);
    gate->is_bound = false;
    hall_calm(gate->hall);
    gate_settle(part, gate);
}

void isle__gate_close(struct isle__isolate *isolate, uint64_t target)
{
    struct gate_news news = {0};
    struct gate_part *part = part_lock(isolate);
    struct isle__gate *gate = gate_find(part, target);
    uint64_t in_line = gate == NULL ? 0 : gate->stats.senders;
    if (isle__slot_find(isolate->id) == NULL)
        news.dead = in_line;
    else
        news.closed = in_line;
    if (gate != NULL)
        gate_end(part, gate, &news);
    isle__mutex_unlock(&part->lock);
    news_tell(&news);
}

void isle__gates_end(struct isle__isolate *isolate)
{
    struct gate_news news = {0};
    struct gate_part *part = part_lock(isolate);
    struct gate_hall *hall = hall_find(part, isolate);
    if (hall != NULL) {
        struct isle__gate *gate = hall->gates, *next;
        news.dead = hall->in_line;
        for (; gate != NULL; gate = next) {
            next = gate->next;
            gate_end(part, gate, &news);
        }
    }
    atomic_fetch_and_explicit(&isolate->admission,
                              (uint8_t) ~(ISLE__ADMIT_BOUNDED | ISLE__ADMIT_WAITED),
                              memory_order_seq_cst);
    isolate->lets_in = false;
    isle__mutex_unlock(&part->lock);
    news_tell(&news);
}
