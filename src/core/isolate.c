/* SPDX-License-Identifier: Apache-2.0 */
/* Isolates: birth, waking, end. What belongs to one life is set up in isle__isolate_create and
 * returned in isle__isolate_finish; the body is recycled (body.c).
 *
 * An end, in order: suspended activities are unwound, newest first; the last message is posted
 * (isle_exit, a run's result); ports, timers, futures and heap are returned, the mailbox is closed
 * and what waits there dropped; the id is given up; then the exit listeners are told. */
#include "core/isolate.h"

#include <string.h>

#include "core/activity.h"
#include "core/backend.h"
#include "core/body.h"
#include "core/control.h"
#include "core/handle.h"
#include "core/loop.h"
#include "core/mail.h"
#include "core/port.h"
#include "core/promise.h"
#include "core/reactor.h"
#include "core/shelf.h"
#include "core/slot.h"
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

/* All members of one life begin as zero, but for those that senders may be looking at. */
static void isolate_reset(struct isle__isolate *isolate)
{
    size_t own = offsetof(struct isle__isolate, backend);
    memset((char *)isolate + own, 0, offsetof(struct isle__isolate, clock_deadline) - own);
    atomic_store_explicit(&isolate->task.home, NULL, memory_order_relaxed);
    isolate->errors_fatal = true;
    atomic_store_explicit(&isolate->attention, 0, memory_order_relaxed);
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

static isle_err isolate_configure(struct isle__isolate *isolate, const isle_options *options)
{
    size_t memory_max = limit_or(options->memory_max, SIZE_MAX);
    isle__heap_init(&isolate->heap, memory_max, isolate->id);
    atomic_store_explicit(&isolate->memory_max, memory_max, memory_order_relaxed);
    atomic_store_explicit(
        &isolate->mailbox_max_bytes,
        limit_within(limit_or(options->mailbox_max_bytes, (size_t)256 << 20), ISLE__ROOM_BYTES_MAX),
        memory_order_relaxed);
    atomic_store_explicit(&isolate->mailbox_max_messages,
                          limit_within(limit_or(options->mailbox_max_messages, (size_t)1 << 20),
                                       ISLE__ROOM_COUNT_MAX),
                          memory_order_relaxed);
    isolate->errors_fatal = !options->errors_not_fatal;
    if (options->debug_name != NULL) {
        size_t size = strlen(options->debug_name) + 1;
        char *name = isle__memory_alloc(size);
        if (name == NULL)
            return ISLE_ENOMEM;
        memcpy(name, options->debug_name, size);
        atomic_store_explicit(&isolate->debug_name, name, memory_order_release);
    }
    return ISLE_OK;
}

static isle_err isolate_listen(struct isle__isolate *isolate, const isle_options *options)
{
    if (options->on_exit.id != 0) {
        struct isle__mail *mail =
            isle__mail_make(isle_null(), ISLE__MAIL_DATA, options->on_exit.id);
        if (mail == NULL ||
            isle__listener_add(&isolate->exit_listeners, options->on_exit.id, mail) != ISLE_OK)
            return ISLE_ENOMEM;
    }
    if (options->on_error.id != 0) {
        struct isle__mail *mail = isle__notice_reserve(options->on_error.id);
        if (mail == NULL ||
            isle__listener_add(&isolate->error_listeners, options->on_error.id, mail) != ISLE_OK)
            return ISLE_ENOMEM;
    }
    return options->paused ? isle__isolate_start_paused(isolate) : ISLE_OK;
}

static void isolate_deadline(struct isle__isolate *isolate, struct isle__timer_node *node)
{
    (void)node;
    isolate->ending = isolate->killed = true;
}

isle_err isle__isolate_create(const isle_options *options, struct isle__isolate **ret_isolate)
{
    struct isle__isolate *isolate = isle__body_take();
    if (isolate == NULL)
        return ISLE_ENOMEM;
    isolate_reset(isolate);
    isolate->task.run = isle__isolate_turn;
    isolate->slot = isle__slot_open(ISLE__SLOT_ISOLATE, isolate, isolate);
    if (isolate->slot == NULL) {
        isle__body_give(isolate);
        return ISLE_ENOMEM;
    }
    isolate->id = atomic_load_explicit(&isolate->slot->id, memory_order_relaxed);
    isolate->backend = isle__backend_find(options->backend);
    isle_err err = isolate_configure(isolate, options);
    if (err == ISLE_OK)
        err = isolate_listen(isolate, options);
    if (err == ISLE_OK && options->deadline_ns > 0) {
        isolate->deadline.fire = isolate_deadline;
        err = isle__timer_add(isolate, &isolate->deadline, isle__deadline_of(options->deadline_ns));
    }
    isle__control_open(isolate);
    if (err == ISLE_OK)
        err = isolate->backend->prepare(isolate, options);
    else
        isolate->backend = NULL;
    if (err != ISLE_OK) {
        isolate->backend = NULL;
        isle__isolate_destroy(isolate);
        return err;
    }
    *ret_isolate = isolate;
    return ISLE_OK;
}

/* Returns what one life holds beside its heap. The id is given up first, so that nothing new is
 * addressed to it. */
static void isolate_release(struct isle__isolate *isolate)
{
    isle__slot_end(isolate->slot);
    do { /* drops are code of the program: what they make anew is returned as well */
        isle__ports_fini(isolate);
        isle__watches_fini(isolate);
        isle__promises_fini(isolate);
        isle__timers_fini(isolate);
        isle__microtasks_drop(isolate);
    } while (isle__handles_have(&isolate->handles, ISLE__HANDLE_PORT) || isolate->watches != NULL ||
             isolate->promises != NULL || isolate->timer_count > 0);
    isle__clock_unset(isolate);
    isle__pauses_fini(isolate);
    isle__listeners_free(isolate->error_listeners);
    isolate->error_listeners = NULL;
    if (isolate->first != NULL)
        isle__room_leave(&isolate->heap.reserved, isle__room_of(0, isle__mail_size(isolate->first)));
    isle__mail_drop(isolate->first);
    isle__mail_drop(isolate->run_mail);
    isolate->first = isolate->run_mail = NULL;
    isle__handles_fini(isolate);
    isle__heap_fini(&isolate->heap);
}

/* The end of the program may be reading names. */
static void isolate_forget_name(struct isle__isolate *isolate)
{
    char *name = atomic_load_explicit(&isolate->debug_name, memory_order_relaxed);
    if (name == NULL)
        return;
    isle__mutex_lock(&isle__program.lock);
    atomic_store_explicit(&isolate->debug_name, NULL, memory_order_relaxed);
    isle__mutex_unlock(&isle__program.lock);
    isle__memory_free(name, strlen(name) + 1);
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

static void isolate_close_mailbox(struct isle__isolate *isolate)
{
    mails_refuse(isolate, isolate->inbox);
    mails_refuse(isolate, isolate->orphans);
    mails_refuse(isolate, atomic_exchange_explicit(&isolate->mailbox, ISLE__MAILBOX_CLOSED,
                                                   memory_order_acq_rel));
    isolate->inbox = isolate->inbox_last = isolate->orphans = isolate->orphans_last = NULL;
}

void isle__isolate_destroy(struct isle__isolate *isolate)
{
    isolate_release(isolate);
    isolate_close_mailbox(isolate);
    isle__control_drop_all(isolate);
    isle__listeners_free(isolate->exit_listeners);
    isolate->exit_listeners = NULL;
    isolate_forget_name(isolate);
    isle__body_give(isolate);
}

void isle__isolate_start(struct isle__isolate *isolate)
{
    isle__tally_add(ISLE__TALLY_STARTED);
    if (ISLE__UNLIKELY(atomic_load_explicit(&isle__program.stopping, memory_order_relaxed)))
        atomic_fetch_or_explicit(&isolate->attention, ISLE__ATTEND_STOP, memory_order_seq_cst);
    /* From CLOSED to IDLE to running. Release: whoever reads the id after this finds all of it. */
    atomic_store_explicit(&isolate->mailbox, NULL, memory_order_release);
    isle__isolate_ready(isolate);
}

/* --- waking */

void isle__isolate_ready(struct isle__isolate *isolate)
{
    if (isolate->classic)
        isle__classic_busy();
    isolate->backend->wake(isolate);
}

void isle__isolate_wake(struct isle__isolate *isolate)
{
    struct isle__mail *idle = ISLE__MAILBOX_IDLE;
    if (atomic_compare_exchange_strong_explicit(&isolate->mailbox, &idle, NULL,
                                                memory_order_seq_cst, memory_order_relaxed))
        isle__isolate_ready(isolate);
}

/* --- the end */

void isle__isolate_finish(struct isle__isolate *isolate)
{
    isle__io_stop(isolate);
    isle__activities_abandon(isolate);
    bool answered = isolate->final_mail != NULL && isolate->final_mail->kind != ISLE__MAIL_DATA;
    isle__mail_post_reserved(isolate->final_mail);
    isolate->final_mail = NULL;
    if (answered) { /* the run has its result: a second answer would count as a late one */
        isle__mail_drop(isolate->run_mail);
        isolate->run_mail = NULL;
    }
    struct isle__mail *no_result = isolate->run_mail;
    isolate->run_mail = NULL;
    struct isle__listener *listeners = isolate->exit_listeners;
    isolate->exit_listeners = NULL;
    isolate_release(isolate);
    isle__activities_discard(isolate);
    isle__mail_post_reserved(isolate->final_mail); /* of an isle_exit in what isolate_release ran */
    isolate->final_mail = NULL;
    isolate_close_mailbox(isolate);
    isle__control_drop_all(isolate);
    isle__heap_set_current(NULL);
    isolate_forget_name(isolate);
    if (isolate->library != NULL)
        isle__library_close(isolate->library);
    isolate->backend->ended(isolate);
    bool classic = isolate->classic;
    /* The root's task may still be in its worker's queue, or on its way there: its body rests until
     * the program's end. */
    if (!isolate->is_root)
        isle__body_give(isolate);
    isle__mail_post_reserved(no_result);
    for (struct isle__listener *listener = listeners; listener != NULL; listener = listener->next) {
        isle__mail_post_reserved(listener->mail);
        listener->mail = NULL;
    }
    isle__listeners_free(listeners);
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

void isle__isolate_name(const struct isle__isolate *isolate, char *text, size_t size)
{
    const char *name = atomic_load_explicit(&isolate->debug_name, memory_order_acquire);
    if (name != NULL)
        (void)snprintf(text, size, "%s", name);
    else
        (void)snprintf(text, size, "isolate-%llu", (unsigned long long)isolate->id);
}

const char *isle_debug_name(void)
{
    struct isle__isolate *isolate = isle__isolate_need(__func__);
    char *name = atomic_load_explicit(&isolate->debug_name, memory_order_relaxed);
    if (name == NULL) {
        char text[40];
        int length = snprintf(text, sizeof text, "isolate-%llu", (unsigned long long)isolate->id);
        size_t size = (size_t)length + 1;
        name = isle__memory_alloc(size);
        if (name == NULL)
            isle__throw(ISLE_ENOMEM, "Out of Memory");
        memcpy(name, text, size);
        atomic_store_explicit(&isolate->debug_name, name, memory_order_release);
    }
    return name;
}
