/* SPDX-License-Identifier: Apache-2.0 */
/* Isolates: birth, waking, end. What belongs to one life is set up in isle__isolate_create and
 * returned in isle__isolate_finish; the body is recycled (body.c).
 *
 * Law: a body that nobody has is as at birth already (isle__isolate_rest), but for the words that
 * senders may be writing, its last id, and counters that may as well go on. So a birth writes
 * little, and who lives and ends without anything of its own (isle__isolate_finish_bare) touches
 * four of the body's six lines.
 *
 * An end, in order: suspended activities are unwound, newest first; the last message is posted
 * (isle_exit, a run's result); the id is given up; ports, timers, futures and heap are returned,
 * calls that it has taken and not answered are told, the mailbox is closed and what waits there
 * dropped; its names are free; then the exit listeners,
 * the monitors and the links are told. */
#include "core/isolate.h"

#include <string.h>

#include "core/activity.h"
#include "core/backend.h"
#include "core/body.h"
#include "core/control.h"
#include "core/gate.h"
#include "core/handle.h"
#include "core/loop.h"
#include "core/mail.h"
#include "core/monitor.h"
#include "core/name.h"
#include "core/port.h"
#include "core/program.h"
#include "core/promise.h"
#include "core/reactor.h"
#include "core/report.h"
#include "core/shelf.h"
#include "core/simulate.h"
#include "core/slot.h"
#include "core/taken.h"
#include "core/timer.h"
#include "core/uncaught.h"

struct isle__program isle__program;

isle_err isle__isolate_ask(struct isle__isolate **ret_isolate)
{
    struct isle__heap *heap;
    isle_err err = isle__heap_ask(&heap);
    if (err == ISLE_OK)
        *ret_isolate = isle__isolate_of(heap);
    return err;
}

/* --- birth */

/* All members of a life begin as zero, but for those that senders may be looking at. */
void isle__isolate_rest(struct isle__isolate *isolate)
{
    size_t rest = offsetof(struct isle__isolate, inbox);
    memset((char *)isolate + rest, 0, sizeof *isolate - rest);
    isle__heap_init(&isolate->heap, SIZE_MAX);
    isolate->task.run = isle__isolate_turn;
    atomic_store_explicit(&isolate->backend, ISLE_BACKEND_DEFAULT, memory_order_relaxed);
    atomic_store_explicit(&isolate->task.home, NULL, memory_order_relaxed);
    /* A body of narrow mailboxes remains one. */
    unsigned admission = atomic_load_explicit(&isolate->admission, memory_order_relaxed);
    atomic_store_explicit(&isolate->admission, (uint8_t)(admission & ISLE__ADMIT_EXACTLY),
                          memory_order_relaxed);
    /* Release: who refuses mail because of them finds the id of the former life gone. */
    atomic_store_explicit(&isolate->limits,
                          isle__room_of(ISLE__MAILBOX_MESSAGES, ISLE__MAILBOX_BYTES),
                          memory_order_release);
}

/* NULL: out of memory. Its control stack is closed yet. */
static struct isle__isolate *isolate_begin(bool exactly)
{
    struct isle__isolate *isolate = isle__body_take(exactly);
    if (isolate == NULL)
        return NULL;
    uint64_t id = isle__slot_live(isolate, isolate->id);
    if (id == 0) {
        isle__body_give(isolate);
        return NULL;
    }
    isolate->id = id;
    isolate->flags = 0;
    isolate->errors_fatal = isolate->is_plain = true;
    isolate->entry_kind = ISLE__ENTRY;
    isolate->budget = ISLE__TURN_BUDGET;
    uint16_t attention = 0;
    if (isle__simulating()) {
        isolate->budget = isle__simulate_budget();
        attention = ISLE__ATTEND_SIMULATED;
    }
    if (ISLE__UNLIKELY(isle__alone_on))
        attention = ISLE__ATTEND_ALONE;
    atomic_store_explicit(&isolate->attention, attention, memory_order_relaxed);
    return isolate;
}

static size_t limit_or(size_t given, size_t otherwise)
{
    return given == 0 ? otherwise : given;
}

/* ISLE_UNLIMITED is as much as can be counted. */
static size_t limit_within(size_t limit, uint64_t most)
{
    return limit < most ? limit : (size_t)most;
}

struct isle__cold *isle__isolate_cold(struct isle__isolate *isolate)
{
    struct isle__cold *cold = isle__isolate_has_cold(isolate);
    if (cold != NULL)
        return cold;
    cold = isle__memory_alloc(sizeof *cold);
    if (cold == NULL)
        return NULL;
    memset(cold, 0, sizeof *cold);
    /* Release: the end of the program may be reading its name. */
    atomic_store_explicit(&isolate->cold, cold, memory_order_release);
    return cold;
}

/* False: out of memory. */
static bool isolate_set_name(struct isle__isolate *isolate, const char *text, size_t length)
{
    struct isle__cold *cold = isle__isolate_cold(isolate);
    char *name = cold == NULL ? NULL : isle__memory_alloc(length + 1);
    if (name == NULL)
        return false;
    memcpy(name, text, length);
    name[length] = '\0';
    atomic_store_explicit(&cold->debug_name, name, memory_order_release);
    return true;
}

struct mailbox_limits {
    size_t messages, bytes;
    size_t memory; /* SIZE_MAX: none */
};

static struct mailbox_limits mailbox_limits_of(const isle_options *options)
{
    size_t bytes = limit_or(options->mailbox_max_bytes, ISLE__MAILBOX_BYTES);
    size_t messages = limit_or(options->mailbox_max_messages, ISLE__MAILBOX_MESSAGES);
    return (struct mailbox_limits){limit_within(messages, ISLE__ROOM_COUNT_MAX),
                                   limit_within(bytes, ISLE__ROOM_BYTES_MAX),
                                   limit_or(options->memory_max, SIZE_MAX)};
}

static bool mailbox_is_usual(const struct mailbox_limits *mailbox)
{
    return mailbox->messages == ISLE__MAILBOX_MESSAGES && mailbox->bytes == ISLE__MAILBOX_BYTES &&
           mailbox->memory == SIZE_MAX;
}

/* What else is in its memory leaves its mailbox no room that is known to be wide. */
static bool mailbox_is_exact(const struct mailbox_limits *mailbox)
{
    return mailbox->memory != SIZE_MAX ||
           isle__mailbox_is_narrow(mailbox->messages, mailbox->bytes);
}

static void isolate_bound(struct isle__isolate *isolate, struct mailbox_limits mailbox)
{
    atomic_store_explicit(&isolate->heap.limit, mailbox.memory, memory_order_relaxed);
    bool exactly = mailbox_is_exact(&mailbox);
    unsigned admission = (mailbox.memory != SIZE_MAX ? ISLE__ADMIT_BY_MEMORY : 0u) |
                         (exactly ? ISLE__ADMIT_EXACTLY : 0u);
    atomic_store_explicit(&isolate->admission, (uint8_t)admission, memory_order_relaxed);
    /* Downwards: what waits is rounded up. */
    size_t whole = mailbox.bytes / ISLE__ROOM_UNIT * ISLE__ROOM_UNIT;
    /* Release: who refuses mail because of them finds the id of the former life gone. */
    atomic_store_explicit(&isolate->limits, isle__room_of(mailbox.messages, whole),
                          memory_order_release);
    isolate->shows_all = exactly;
}

static isle_err isolate_configure(struct isle__isolate *isolate, const isle_options *options,
                                  struct mailbox_limits mailbox)
{
    bool is_usual = mailbox_is_usual(&mailbox);
    isolate->is_plain = is_usual && options->backend == ISLE_BACKEND_DEFAULT;
    if (!is_usual)
        isolate_bound(isolate, mailbox);
    isolate->errors_fatal = !options->errors_not_fatal;
    if (options->debug_name != NULL) {
        if (!isolate_set_name(isolate, options->debug_name, strlen(options->debug_name)))
            return ISLE_ENOMEM;
    }
    return ISLE_OK;
}

static isle_err isolate_listen(struct isle__isolate *isolate, const isle_options *options)
{
    if (options->on_exit.id != 0) {
        struct isle__mail *mail =
            isle__mail_make(isle_null(), ISLE__MAIL_DATA, options->on_exit.id);
        if (mail == NULL || isle__exit_listener_add(isolate, options->on_exit.id, mail) != ISLE_OK)
            return ISLE_ENOMEM;
    }
    if (options->on_error.id != 0) {
        struct isle__mail *mail = isle__notice_reserve(options->on_error.id);
        if (mail == NULL ||
            isle__error_listener_add(isolate, options->on_error.id, mail) != ISLE_OK)
            return ISLE_ENOMEM;
    }
    if (options->monitor.id != 0) {
        struct isle__cold *cold = isle__isolate_cold(isolate);
        struct isle__listener *listener =
            cold == NULL ? NULL
                         : isle__monitor_make(isolate->id | ISLE__ID_CONTROL, options->monitor.id);
        if (listener == NULL)
            return ISLE_ENOMEM;
        isle__listener_put(&cold->monitors, listener);
    }
    return ISLE_OK;
}

/* Behind a wall the other side begins paused. */
static isle_err isolate_pause(struct isle__isolate *isolate, const isle_options *options)
{
    bool is_here = isle__backend_of(isolate)->control == NULL;
    return options->paused && is_here ? isle__isolate_start_paused(isolate) : ISLE_OK;
}

static void isolate_deadline(struct isle__isolate *isolate, struct isle__timer_node *node)
{
    (void)node;
    isolate->has_deadline = false;
    isle__deadline_passed(isolate);
}

static isle_err isolate_limit_time(struct isle__isolate *isolate, int64_t duration)
{
    struct isle__cold *cold = isle__isolate_cold(isolate);
    if (cold == NULL)
        return ISLE_ENOMEM;
    cold->deadline.fire = isolate_deadline;
    isle_err err = isle__timer_add(isolate, &cold->deadline, isle__deadline_of(duration));
    isolate->has_deadline = err == ISLE_OK;
    return err;
}

isle_err isle__isolate_create_plain(struct isle__isolate **ret_isolate)
{
    struct isle__isolate *isolate = isolate_begin(false);
    if (isolate == NULL)
        return ISLE_ENOMEM;
    isle__control_open(isolate);
    *ret_isolate = isolate;
    return ISLE_OK;
}

isle_err isle__isolate_create(const isle_options *options, struct isle__isolate **ret_isolate)
{
    struct mailbox_limits mailbox = mailbox_limits_of(options);
    struct isle__isolate *isolate = isolate_begin(mailbox_is_exact(&mailbox));
    if (isolate == NULL)
        return ISLE_ENOMEM;
    atomic_store_explicit(&isolate->backend, (uint8_t)options->backend, memory_order_relaxed);
    if (isle__backend_of(isolate)->turn != NULL)
        isolate->task.run = isle__backend_of(isolate)->turn;
    if (isle__backend_of(isolate)->control != NULL)
        isle__slot_be_proxy(isolate->id);
    isle_err err = isolate_configure(isolate, options, mailbox);
    if (err == ISLE_OK)
        err = isolate_listen(isolate, options);
    if (err == ISLE_OK)
        err = isolate_pause(isolate, options);
    if (err == ISLE_OK && options->deadline_ns > 0)
        err = isolate_limit_time(isolate, options->deadline_ns);
    isle__control_open(isolate);
    if (err == ISLE_OK)
        err = isle__backend_of(isolate)->prepare(isolate, options);
    if (err != ISLE_OK) {
        isle__isolate_destroy(isolate);
        return err;
    }
    *ret_isolate = isolate;
    return ISLE_OK;
}

static void isolate_forget_entry(struct isle__isolate *isolate)
{
    if (isolate->entered)
        return;
    struct isle__mail *first = isle__first_mail(isolate);
    if (first != NULL)
        isle__room_leave(&isolate->heap.reserved, isle__room_of(0, isle__mail_size(first)));
    isle__mail_drop(first);
    isle__isolate_entering(isolate);
}

static bool isolate_has_watches(const struct isle__isolate *isolate)
{
    const struct isle__cold *cold = isle__isolate_has_cold(isolate);
    return cold != NULL && cold->watches != NULL;
}

/* Returns what one life holds beside its heap. The id is given up first, so that nothing new is
 * addressed to it. */
static void isolate_release(struct isle__isolate *isolate)
{
    isle__slot_rest(isolate->id);
    isolate_forget_entry(isolate);
    do { /* drops are code of the program: what they make anew is returned as well */
        isle__ports_fini(isolate);
        isle__watches_fini(isolate);
        isle__promises_fini(isolate);
        isle__timers_fini(isolate);
        isle__microtasks_drop(isolate);
    } while (isle__handles_have(&isolate->handles, ISLE__HANDLE_PORT) ||
             isolate_has_watches(isolate) || isolate->promises != NULL || isolate->timer_count > 0);
    isle__clock_unset(isolate);
    isle__pauses_fini(isolate);
    struct isle__cold *cold = isle__isolate_has_cold(isolate);
    if (cold != NULL)
        isle__listeners_free(&cold->error_listeners);
    isle__handles_fini(isolate);
    isle__heap_fini(&isolate->heap);
}

/* The end of the program may be reading the name, under the lock. It has said that all are to stop
 * before it begins: either it finds no name here, or it is seen and waited for. */
static void isolate_part_with_cold(struct isle__isolate *isolate)
{
    (void)atomic_exchange_explicit(&isolate->cold, NULL, memory_order_seq_cst);
    if (ISLE__UNLIKELY(atomic_load_explicit(&isle__program.stopping, memory_order_seq_cst))) {
        isle__mutex_lock(&isle__program.lock);
        isle__mutex_unlock(&isle__program.lock);
    }
}

static void cold_free(struct isle__cold *cold)
{
    char *name = atomic_load_explicit(&cold->debug_name, memory_order_relaxed);
    if (name != NULL)
        isle__memory_free(name, strlen(name) + 1);
    isle__ending_fini(&cold->ending);
    isle__links_free(&cold->links); /* of one that never started */
    isle__memory_free(cold, sizeof *cold);
}

static void isolate_forget_cold(struct isle__isolate *isolate)
{
    struct isle__cold *cold = isle__isolate_has_cold(isolate);
    if (cold == NULL)
        return;
    isolate_part_with_cold(isolate);
    cold_free(cold);
}

static void mails_refuse(struct isle__isolate *isolate, struct isle__mail *mail)
{
    while (mail != NULL && mail != ISLE__MAILBOX_IDLE && mail != ISLE__MAILBOX_CLOSED) {
        struct isle__mail *next = mail->next;
        isle__mail_received(isolate, mail);
        atomic_fetch_add_explicit(&isle__program.dropped_dead, 1, memory_order_relaxed);
        isle__mail_refuse(mail);
        mail = next;
    }
}

/* Sequentially consistent: who lines up says so, then looks whether it is closed (gate.c). */
static struct isle__mail *mailbox_close(struct isle__isolate *isolate)
{
    return atomic_exchange_explicit(&isolate->mailbox, ISLE__MAILBOX_CLOSED, memory_order_seq_cst);
}

static void isolate_close_mailbox(struct isle__isolate *isolate)
{
    isle__taken_close(isolate);
    mails_refuse(isolate, isolate->inbox);
    struct isle__mail *last;
    mails_refuse(isolate, isle__orphans_take(isolate, &last));
    struct isle__mail *mail = mailbox_close(isolate);
    if (ISLE__UNLIKELY(isle__gates_have(isolate)))
        isle__gates_end(isolate);
    mails_refuse(isolate, mail);
    isolate->inbox = NULL;
    isle__mail_show(isolate);
}

void isle__isolate_destroy(struct isle__isolate *isolate)
{
    isolate_release(isolate);
    isolate_close_mailbox(isolate);
    struct isle__listeners late = {0};
    isle__control_drop_all(isolate, &late); /* nobody knows it yet: there are none */
    isle__listeners_free(&late);
    struct isle__cold *cold = isle__isolate_has_cold(isolate);
    if (cold != NULL) {
        isle__listeners_free(&cold->exit_listeners);
        isle__listeners_free(&cold->monitors);
    }
    isle__mail_drop(isolate->run_mail);
    isolate_forget_cold(isolate);
    isle__isolate_rest(isolate);
    isle__body_give(isolate);
}

void isle__isolate_start(struct isle__isolate *isolate)
{
    if (isle__simulating())
        isle__trace_spawn(isolate);
    isle__tally_add(ISLE__TALLY_STARTED);
    if (isle__reports_wanted())
        isolate->born = isle__now();
    if (ISLE__UNLIKELY(atomic_load_explicit(&isle__program.stopping, memory_order_relaxed)))
        atomic_fetch_or_explicit(&isolate->attention, ISLE__ATTEND_STOP, memory_order_seq_cst);
    /* From CLOSED to IDLE to running. Release: whoever reads the id after this finds all of it. */
    atomic_store_explicit(&isolate->mailbox, NULL, memory_order_release);
    isle__isolate_ready(isolate);
}

/* --- waking */

void isle__isolate_ready(struct isle__isolate *isolate)
{
    if (isle__isolate_is_classic(isolate))
        isle__classic_busy();
    isle__backend_of(isolate)->wake(isolate);
}

void isle__isolate_wake(struct isle__isolate *isolate)
{
    struct isle__mail *idle = ISLE__MAILBOX_IDLE;
    if (atomic_compare_exchange_strong_explicit(&isolate->mailbox, &idle, NULL,
                                                memory_order_seq_cst, memory_order_relaxed))
        isle__isolate_ready(isolate);
}

/* --- the end */

/* isle_exit's message. */
static void isolate_post_final(struct isle__isolate *isolate)
{
    struct isle__cold *cold = isle__isolate_has_cold(isolate);
    if (cold == NULL)
        return;
    isle__mail_post_reserved(cold->final_mail);
    cold->final_mail = NULL;
}

static struct isle__listeners isolate_take_listeners(struct isle__isolate *isolate)
{
    struct isle__cold *cold = isle__isolate_has_cold(isolate);
    struct isle__listeners listeners = {0};
    if (cold != NULL) {
        listeners = cold->exit_listeners;
        cold->exit_listeners = (struct isle__listeners){0};
    }
    return listeners;
}

static void listeners_tell(struct isle__listeners *listeners)
{
    for (struct isle__listener *listener = listeners->first; listener != NULL;
         listener = listener->next) {
        isle__mail_post_reserved(listener->mail);
        listener->mail = NULL;
    }
    isle__listeners_free(listeners);
}

/* Those that asked while it ended, with how it did. */
static struct isle__listeners isolate_close_control(struct isle__isolate *isolate)
{
    struct isle__listeners late = {0};
    isle__control_drop_all(isolate, &late);
    if (ISLE__UNLIKELY(late.first != NULL))
        isle__monitors_complete(isolate, &late);
    return late;
}

/* What the system lent to it. */
static void isolate_return(struct isle__isolate *isolate)
{
    struct isle__cold *cold = isle__isolate_has_cold(isolate);
    if (cold != NULL && cold->library != NULL)
        isle__library_close(cold->library);
    isle__backend_of(isolate)->ended(isolate);
    isolate_forget_cold(isolate);
}

/* All that a heap has, and what ports, futures and timers are, is charged. */
static bool isolate_has_only_a_port(const struct isle__isolate *isolate, size_t used)
{
    return used == sizeof(struct isle__port) && isolate->handles.capacity == 1 &&
           isle__handle_at(&isolate->handles, ISLE__HANDLE_PORT, 1) != NULL;
}

/* Nothing in its rare half, but monitors perhaps. */
static bool isolate_is_cold_bare(const struct isle__isolate *isolate)
{
    const struct isle__cold *cold = isle__isolate_has_cold(isolate);
    if (cold == NULL)
        return true;
    uintptr_t has = (uintptr_t)cold->timers | (uintptr_t)cold->watches | (uintptr_t)cold->pauses |
                    (uintptr_t)cold->exit_listeners.first | (uintptr_t)cold->error_listeners.first |
                    (uintptr_t)cold->links.first | (uintptr_t)cold->taken.replies |
                    (uintptr_t)cold->final_mail | (uintptr_t)cold->library |
                    (uintptr_t)cold->own_worker | (uintptr_t)cold->wall |
                    (uintptr_t)cold->clock.isolate;
    return has == 0 && !cold->ending.is_known;
}

/* It has entered, and nothing but what every life has, a port, the answer of a run, and monitors.
 */
static bool isolate_is_bare(const struct isle__isolate *isolate)
{
    const struct isle__heap *heap = &isolate->heap;
    size_t used = atomic_load_explicit(&heap->used, memory_order_relaxed);
    if (!isolate->is_plain || isolate->is_root || !isolate->entered || isolate->failed ||
        !isolate_is_cold_bare(isolate) || isolate->inbox != NULL || isolate->suspended != NULL ||
        isolate->microtasks != NULL || isolate->pending != NULL || isolate->abandoned != NULL ||
        heap->frames != NULL || heap->has_kept)
        return false;
    if (isolate->default_state == ISLE__DEFAULT_UNASKED && isolate->orphans != NULL)
        return false;
    if (isolate->entry_kind != ISLE__ENTRY &&
        (isolate->entry_kind != ISLE__ENTRY_RUN || !isolate->run_answered))
        return false;
    return used == 0 || isolate_has_only_a_port(isolate, used);
}

bool isle__isolate_finish_bare(struct isle__isolate *isolate)
{
    if (!isolate_is_bare(isolate)) /* what its backend lent to it would be in its cold part */
        return false;
    if (isle__simulating())
        isle__trace_event("end", isolate->id);
    if (isolate->run_answered) {
        isle__mail_post_reserved(isolate->run_mail);
        isolate->run_mail = NULL;
    }
    struct isle__cold *cold = isle__isolate_has_cold(isolate);
    if (cold != NULL)
        isle__monitors_complete(isolate, &cold->monitors);
    isle__slot_rest(isolate->id);
    if (atomic_load_explicit(&isolate->heap.used, memory_order_relaxed) != 0)
        isle__ports_fini(isolate);
    struct isle__mail *mail = mailbox_close(isolate);
    if (ISLE__UNLIKELY(isle__gates_have(isolate)))
        isle__gates_end(isolate);
    if (ISLE__UNLIKELY(mail != NULL))
        mails_refuse(isolate, mail);
    isle__mail_show(isolate);
    isle__names_ended(isolate);
    struct isle__listeners late = isolate_close_control(isolate);
    isle__heap_set_current(NULL);
    if (cold != NULL)
        isolate_part_with_cold(isolate);
    isle__body_give(isolate);
    if (cold != NULL) {
        listeners_tell(&cold->monitors);
        cold_free(cold);
    }
    if (ISLE__UNLIKELY(late.first != NULL))
        listeners_tell(&late);
    isle__tally_add(ISLE__TALLY_ENDED);
    return true;
}

void isle__isolate_finish(struct isle__isolate *isolate)
{
    if (isle__simulating())
        isle__trace_event("end", isolate->id);
    isle__report_end(isolate);
    isle__io_stop(isolate);
    isle__activities_abandon(isolate);
    isolate_post_final(isolate);
    if (isolate->run_answered) { /* it is the result, not the notice that there is none */
        isle__mail_post_reserved(isolate->run_mail);
        isolate->run_mail = NULL;
    }
    struct isle__listeners listeners = isolate_take_listeners(isolate);
    struct isle__listeners monitors = isle__monitors_take(isolate);
    isolate_release(isolate);
    isle__activities_discard(isolate);
    isolate_post_final(isolate); /* of an isle_exit in what isolate_release ran */
    isolate_close_mailbox(isolate);
    isle__names_ended(isolate);
    struct isle__listeners late = isolate_close_control(isolate);
    isle__heap_set_current(NULL);
    struct isle__links links =
        isle__links_take(isolate); /* what isolate_release ran may have made some */
    isolate_return(isolate);
    struct isle__mail *no_result = isolate->run_mail;
    bool classic = isle__isolate_is_classic(isolate);
    /* The root's task may still be in its worker's queue, or on its way there: its body rests until
     * the program's end. */
    if (!isolate->is_root) {
        isle__isolate_rest(isolate);
        isle__body_give(isolate);
    }
    isle__mail_post_reserved(no_result);
    listeners_tell(&listeners);
    listeners_tell(&monitors);
    listeners_tell(&late);
    isle__links_tell(&links);
    if (classic)
        isle__classic_idle();
    isle__tally_add(ISLE__TALLY_ENDED);
}

/* --- handles */

isle_isolate isle__isolate_handle(const struct isle__isolate *isolate)
{
    return (isle_isolate){
        .control_port = {isolate->id | ISLE__ID_CONTROL},
        .default_port = {isolate->id},
        .pause_capability = isle__isolate_capability(isolate->id, 1),
        .terminate_capability = isle__isolate_capability(isolate->id, 2),
    };
}

isle_isolate isle_current(void)
{
    return isle__isolate_handle(isle__isolate_need(__func__));
}

const char *isle__isolate_given_name(const struct isle__isolate *isolate)
{
    /* seq_cst: see isolate_part_with_cold. */
    const struct isle__cold *cold = atomic_load_explicit(&isolate->cold, memory_order_seq_cst);
    return cold == NULL ? NULL : atomic_load_explicit(&cold->debug_name, memory_order_acquire);
}

size_t isle__default_name(uint64_t id, char *text)
{
    static const char word[] = "isolate-";
    static const char pairs[] = "00010203040506070809101112131415161718192021222324"
                                "25262728293031323334353637383940414243444546474849"
                                "50515253545556575859606162636465666768697071727374"
                                "75767778798081828384858687888990919293949596979899";
    char digits[20]; /* the number is at their end */
    size_t begin = sizeof digits, length = sizeof word - 1;
    for (; id >= 100; id /= 100)
        memcpy(digits + (begin -= 2), pairs + id % 100 * 2, 2);
    memcpy(digits + (begin -= 2), pairs + id * 2, 2);
    begin += id < 10;
    memcpy(text, word, length);
    memcpy(text + length, digits + begin, sizeof digits - begin);
    length += sizeof digits - begin;
    text[length] = '\0';
    return length;
}

void isle__isolate_name(const struct isle__isolate *isolate, char *text, size_t size)
{
    char made[ISLE__DEFAULT_NAME_MAX];
    const char *name = isle__isolate_given_name(isolate);
    if (name != NULL) {
        (void)snprintf(text, size, "%s", name);
        return;
    }
    size_t length = isle__default_name(isolate->id, made);
    if (length >= size)
        length = size - 1;
    memcpy(text, made, length);
    text[length] = '\0';
}

const char *isle_debug_name(void)
{
    struct isle__isolate *isolate = isle__isolate_need(__func__);
    if (isle__isolate_given_name(isolate) == NULL) {
        char text[ISLE__DEFAULT_NAME_MAX];
        size_t length = isle__default_name(isolate->id, text);
        if (!isolate_set_name(isolate, text, length))
            isle__throw(ISLE_ENOMEM, "Out of Memory");
    }
    return isle__isolate_given_name(isolate);
}
