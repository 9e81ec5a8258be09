/* SPDX-License-Identifier: Apache-2.0 */
/* Control messages: pause, resume, ping, kill, listeners. They bypass the mailbox, first in first
 * out among themselves, and are done by the isolate itself: at a kill point inside an event if they
 * are immediate, else when control is back in the loop. Those with ISLE_BEFORE_NEXT_EVENT go
 * through a second list, so an immediate one overtakes them. A request without the capability that
 * it needs is ignored here, by the target. One alone is answered by who posts it: whether an
 * isolate that is here stands (isle_spawn_wait), since one that blocks would never come to say so.
 *
 * Nothing piles up: at most CONTROL_MAX wait; who sends more is told ISLE_EFULL. A kill that is
 * asked for again while one waits is the same kill. */
#include "core/control.h"

#include <string.h>

#include "core/backend.h"
#include "core/gate.h"
#include "core/isolate.h"
#include "core/mail.h"
#include "core/monitor.h"
#include "core/program.h"
#include "core/reactor.h"
#include "core/simulate.h"
#include "core/slot.h"
#include "core/uncaught.h"

enum { CONTROL_MAX = 65536 };

static struct isle__control control_closed; /* on top of the stack: the isolate has ended */

void isle__control_free(struct isle__control *control)
{
    isle__mail_drop(control->mail);
    isle__listener_free(control->listener);
    isle__link_free(control->link);
    isle__memory_free(control, sizeof *control);
}

void isle__control_refuse(struct isle__control *control)
{
    if (control->kind == ISLE__CONTROL_STARTED && control->mail != NULL) {
        control->mail->kind = ISLE__MAIL_REPLY_ERROR;
        control->mail->code = ISLE_ECLOSED;
        isle__mail_set_root(control->mail, isle_null());
        isle__mail_post_reserved(control->mail);
        control->mail = NULL;
    } else if (control->kind == ISLE__CONTROL_MONITOR && control->listener != NULL) {
        isle__mail_post_reserved(control->listener->mail); /* as it was made: lost */
        control->listener->mail = NULL;
    } else if (control->kind == ISLE__CONTROL_LINK) {
        isle__link_refuse(control);
    }
    isle__control_free(control);
}

/* A control port leads to an isolate here, or to one that its proxy stands for. */
static bool control_has_target(const struct isle__slot *slot)
{
    int kind = atomic_load_explicit(&slot->kind, memory_order_relaxed);
    return kind == ISLE__SLOT_ISOLATE || kind == ISLE__SLOT_REMOTE || kind == ISLE__SLOT_PROXY;
}

/* An isolate that is here stands since it was spawned; it may never come to say so itself. */
static bool control_is_answered(struct isle__control *control)
{
    if (control->kind != ISLE__CONTROL_STARTED)
        return false;
    const struct isle__slot *slot = isle__slot_find(control->target & ~ISLE__ID_CONTROL);
    if (slot == NULL ||
        atomic_load_explicit(&slot->kind, memory_order_relaxed) != ISLE__SLOT_ISOLATE)
        return false;
    isle__mail_post_reserved(control->mail);
    control->mail = NULL;
    isle__control_free(control);
    return true;
}

/* Of a relation, which has room for it. */
static bool control_is_counted(const struct isle__control *control)
{
    return control->kind != ISLE__CONTROL_UNLINK && control->kind != ISLE__CONTROL_LINKED;
}

/* A flood of other requests leaves room for kills. False: too many wait. */
static bool control_enter(struct isle__isolate *isolate, const struct isle__control *control)
{
    uint32_t most = control->kind == ISLE__CONTROL_KILL ? 2 * CONTROL_MAX : CONTROL_MAX;
    if (!control_is_counted(control) ||
        atomic_fetch_add_explicit(&isolate->control_count, 1, memory_order_relaxed) < most)
        return true;
    atomic_fetch_sub_explicit(&isolate->control_count, 1, memory_order_relaxed);
    return false;
}

static void control_leave(struct isle__isolate *isolate, const struct isle__control *control)
{
    if (control_is_counted(control))
        atomic_fetch_sub_explicit(&isolate->control_count, 1, memory_order_relaxed);
}

/* Who asks to be told of an end: one that has begun is told after all that it says. */
static bool control_awaits_end(const struct isle__control *control)
{
    return control->kind == ISLE__CONTROL_MONITOR || control->kind == ISLE__CONTROL_LINK;
}

/* The body that may still do it; NULL: none. An isolate that ends has given its id up, and its
 * stack is open until it has said everything. The body may have begun another life by then, which
 * finds that it is not meant (isle__control_run). */
static struct isle__isolate *control_receiver(const struct isle__control *control)
{
    uint64_t id = control->target & ~ISLE__ID_CONTROL;
    if ((control->target & ISLE__ID_CONTROL) == 0)
        return NULL;
    const struct isle__slot *slot = isle__slot_find(id);
    if (slot == NULL)
        return control_awaits_end(control) ? isle__slot_ender(id) : NULL;
    return control_has_target(slot) ? atomic_load_explicit(&slot->isolate, memory_order_relaxed)
                                    : NULL;
}

isle_err isle__control_post(struct isle__control *control)
{
    if (isle__simulating())
        isle__trace_control(control);
    struct isle__isolate *isolate = control_receiver(control);
    if (isolate == NULL) {
        isle__control_refuse(control);
        return ISLE_ECLOSED;
    }
    if (control_is_answered(control))
        return ISLE_OK;
    if (!control_enter(isolate, control)) {
        bool is_gone = isle__slot_find(control->target & ~ISLE__ID_CONTROL) == NULL;
        if (is_gone)
            isle__control_refuse(control);
        else
            isle__control_free(control);
        return is_gone ? ISLE_ECLOSED : ISLE_EFULL;
    }
    struct isle__control *head = atomic_load_explicit(&isolate->controls, memory_order_relaxed);
    do {
        if (head == &control_closed) {
            control_leave(isolate, control);
            isle__control_refuse(control);
            return ISLE_ECLOSED;
        }
        control->next = head;
        /* Release: control_take's exchange acquires. */
    } while (!atomic_compare_exchange_weak_explicit(&isolate->controls, &head, control,
                                                    memory_order_release, memory_order_relaxed));
    atomic_fetch_or_explicit(&isolate->attention, ISLE__ATTEND_CONTROL, memory_order_seq_cst);
    isle__isolate_wake(isolate);
    return ISLE_OK;
}

/* All that waits, oldest first. */
static struct isle__control *control_take(struct isle__isolate *isolate,
                                          struct isle__control *leave)
{
    struct isle__control *list =
        atomic_exchange_explicit(&isolate->controls, leave, memory_order_acq_rel);
    struct isle__control *oldest = NULL;
    while (list != NULL && list != &control_closed) {
        struct isle__control *next = list->next;
        control_leave(isolate, list);
        list->next = oldest;
        oldest = list;
        list = next;
    }
    return oldest;
}

void isle__control_open(struct isle__isolate *isolate)
{
    atomic_store_explicit(&isolate->controls, NULL, memory_order_release);
}

void isle__control_init_body(struct isle__isolate *isolate)
{
    atomic_init(&isolate->controls, &control_closed);
}

/* The oldest; there is one. */
static struct isle__control *deferred_take(struct isle__isolate *isolate)
{
    struct isle__control *control = isolate->deferred->next;
    isolate->deferred->next = control->next;
    if (isolate->deferred == control)
        isolate->deferred = NULL;
    atomic_fetch_sub_explicit(&isolate->control_count, 1, memory_order_relaxed);
    return control;
}

static bool control_is_for(const struct isle__isolate *isolate, const struct isle__control *control)
{
    return (control->target & ~ISLE__ID_CONTROL) == isolate->id;
}

/* A monitor is one of this end still. */
static void control_end(struct isle__isolate *isolate, struct isle__control *control,
                        struct isle__listeners *late)
{
    if (control->kind == ISLE__CONTROL_MONITOR && control_is_for(isolate, control)) {
        isle__listener_put(late, control->listener);
        control->listener = NULL;
        isle__control_free(control);
    } else {
        isle__control_refuse(control);
    }
}

void isle__control_drop_all(struct isle__isolate *isolate, struct isle__listeners *ret_late)
{
    while (isolate->deferred != NULL)
        control_end(isolate, deferred_take(isolate), ret_late);
    struct isle__control *list = control_take(isolate, &control_closed);
    while (list != NULL) {
        struct isle__control *next = list->next;
        control_end(isolate, list, ret_late);
        list = next;
    }
}

/* --- what each does, in the target */

isle_err isle__exit_listener_add(struct isle__isolate *isolate, uint64_t port,
                                 struct isle__mail *mail)
{
    struct isle__cold *cold = isle__isolate_cold(isolate);
    if (cold != NULL)
        return isle__listener_add(&cold->exit_listeners, port, mail);
    isle__mail_drop(mail);
    return ISLE_ENOMEM;
}

isle_err isle__error_listener_add(struct isle__isolate *isolate, uint64_t port,
                                  struct isle__mail *mail)
{
    struct isle__cold *cold = isle__isolate_cold(isolate);
    if (cold != NULL)
        return isle__listener_add(&cold->error_listeners, port, mail);
    isle__mail_drop(mail);
    return ISLE_ENOMEM;
}

/* The entry was made by who asked; without memory for the rare part of the isolate, which has the
 * list, it must not go on as if nobody watched: it ends, and then the monitor is told (as lost). */
static bool control_monitor(struct isle__isolate *isolate, struct isle__control *control)
{
    struct isle__cold *cold = isle__isolate_cold(isolate);
    if (cold != NULL) {
        isle__listener_put(&cold->monitors, control->listener);
        control->listener = NULL;
        return true;
    }
    isolate->ending = true;
    isle__uncaught(isolate, isle__error_out_of_memory());
    return false;
}

static void control_kill(struct isle__isolate *isolate)
{
    isolate->ending = true;
    isolate->killed = true;
}

static void control_defer(struct isle__isolate *isolate, struct isle__control *control)
{
    /* It waits on, so it counts on: an event that only comes to checkpoints piles up nothing. */
    atomic_fetch_add_explicit(&isolate->control_count, 1, memory_order_relaxed);
    if (isolate->deferred != NULL) {
        control->next = isolate->deferred->next;
        isolate->deferred->next = control;
    } else {
        control->next = control;
    }
    isolate->deferred = control;
}

/* As with a monitor. False: the end has it. */
static bool control_link(struct isle__isolate *isolate, struct isle__control *control)
{
    if (isle__link_asked(isolate, control))
        return true;
    isolate->ending = true;
    isle__uncaught(isolate, isle__error_out_of_memory());
    control_defer(isolate, control);
    return false;
}

static void control_do(struct isle__isolate *isolate, struct isle__control *control)
{
    bool may_pause = control->capability == isle__isolate_capability(isolate->id, 1).id;
    bool may_end = control->capability == isle__isolate_capability(isolate->id, 2).id;
    struct isle__mail *mail = control->mail;
    struct isle__cold *cold = isle__isolate_has_cold(isolate);

    switch (control->kind) {
    case ISLE__CONTROL_PAUSE:
        if (may_pause)
            isle__pauses_add(isolate, control->key);
        break;
    case ISLE__CONTROL_RESUME:
        if (may_pause)
            isle__pauses_remove(isolate, control->key);
        break;
    case ISLE__CONTROL_PING:
        control->mail = NULL;
        isle__mail_post_reserved(mail);
        break;
    case ISLE__CONTROL_STARTED: /* a proxy that is ending: else its backend would have it */
        isle__control_refuse(control);
        return;
    case ISLE__CONTROL_KILL:
        if (may_end)
            control_kill(isolate);
        break;
    case ISLE__CONTROL_ADD_EXIT:
    case ISLE__CONTROL_ADD_ERROR: {
        bool is_exit = control->kind == ISLE__CONTROL_ADD_EXIT;
        control->mail = NULL;
        /* Without memory for a list entry the isolate must not go on as if nobody listened. */
        isle_err err = is_exit ? isle__exit_listener_add(isolate, control->port, mail)
                               : isle__error_listener_add(isolate, control->port, mail);
        if (err != ISLE_OK) {
            isolate->ending = true;
            isle__uncaught(isolate, isle__error_out_of_memory());
        }
        break;
    }
    case ISLE__CONTROL_REMOVE_EXIT:
        if (cold != NULL)
            isle__listener_remove(&cold->exit_listeners, control->port);
        break;
    case ISLE__CONTROL_REMOVE_ERROR:
        if (cold != NULL)
            isle__listener_remove(&cold->error_listeners, control->port);
        break;
    case ISLE__CONTROL_ERRORS_FATAL:
        if (may_end)
            isolate->errors_fatal = control->flag;
        break;
    case ISLE__CONTROL_MONITOR:
        if (!control_monitor(isolate, control)) {
            control_defer(isolate, control); /* the end refuses it */
            return;
        }
        break;
    case ISLE__CONTROL_UNMONITOR:
        if (cold != NULL)
            isle__listener_remove(&cold->monitors, control->port);
        break;
    case ISLE__CONTROL_SHUTDOWN:
        if (may_end)
            isle__shutdown_asked(isolate);
        break;
    case ISLE__CONTROL_LINK:
        if (!control_link(isolate, control))
            return;
        break;
    case ISLE__CONTROL_UNLINK:
        isle__link_parted(isolate, control);
        break;
    case ISLE__CONTROL_LINKED:
        isle__link_told(isolate, control);
        break;
    }
    isle__control_free(control);
}

/* What the other side of a wall is to do. */
static bool control_is_remote(const struct isle__isolate *isolate,
                              const struct isle__control *control)
{
    if ((control->target & ~ISLE__ID_CONTROL) != isolate->id)
        return true;
    switch (control->kind) {
    case ISLE__CONTROL_PAUSE:
    case ISLE__CONTROL_RESUME:
    case ISLE__CONTROL_PING:
    case ISLE__CONTROL_ERRORS_FATAL:
    case ISLE__CONTROL_STARTED:
    case ISLE__CONTROL_SHUTDOWN:
        return true;
    case ISLE__CONTROL_KILL: /* only the other side knows when an event is over */
        return control->priority == ISLE_BEFORE_NEXT_EVENT;
    case ISLE__CONTROL_ADD_EXIT:
    case ISLE__CONTROL_REMOVE_EXIT:
    case ISLE__CONTROL_ADD_ERROR:
    case ISLE__CONTROL_REMOVE_ERROR:
    case ISLE__CONTROL_MONITOR:
    case ISLE__CONTROL_UNMONITOR:
    case ISLE__CONTROL_LINK:
    case ISLE__CONTROL_UNLINK:
    case ISLE__CONTROL_LINKED:
        break;
    }
    return false;
}

/* True: it is done with here. */
static bool control_passes_on(struct isle__isolate *isolate, struct isle__control *control)
{
    const struct isle__backend_ops *ops = isle__backend_of(isolate);
    if (ops->control == NULL || isolate->ending || !control_is_remote(isolate, control))
        return false;
    if (!ops->control(isolate, control))
        isle__control_refuse(control);
    return true;
}

static void control_overflowed(struct isle__isolate *isolate)
{
    if (!isolate->ending)
        isle__isolate_end_as(isolate, ISLE_OVERFLOWED, "a port has more than its bounds allow");
    control_kill(isolate);
}

void isle__control_run(struct isle__isolate *isolate, bool running)
{
    uint32_t attention =
        atomic_fetch_and_explicit(&isolate->attention,
                                  ~(uint32_t)(ISLE__ATTEND_CONTROL | ISLE__ATTEND_TIMER |
                                              ISLE__ATTEND_ROOM | ISLE__ATTEND_OVERFLOW),
                                  memory_order_seq_cst);
    if ((attention & ISLE__ATTEND_STOP) != 0)
        control_kill(isolate);
    if ((attention & ISLE__ATTEND_OVERFLOW) != 0)
        control_overflowed(isolate);
    if ((attention & ISLE__ATTEND_ROOM) != 0)
        isle__gates_let_in(isolate);
    struct isle__control *list = control_take(isolate, NULL), *next;
    for (; list != NULL; list = next) {
        next = list->next;
        if (control_passes_on(isolate, list))
            continue;
        /* Of another id: posted while this body began a new life. */
        if (!control_is_for(isolate, list) || (isolate->ending && !control_awaits_end(list)))
            isle__control_refuse(list);
        else if (isolate->ending)
            control_defer(isolate, list); /* the end answers it */
        else if (list->priority == ISLE_BEFORE_NEXT_EVENT)
            control_defer(isolate, list);
        else
            control_do(isolate, list);
    }
    while (!running && isolate->deferred != NULL && !isolate->ending)
        control_do(isolate, deferred_take(isolate));
}

void isle__deadline_passed(struct isle__isolate *isolate)
{
    if (!isolate->ending)
        isle__isolate_end_as(isolate, ISLE_DEADLINE, NULL);
    control_kill(isolate);
}

void isle__deadline_check(struct isle__isolate *isolate)
{
    if (isolate->has_deadline && isle__now() >= isle__isolate_has_cold(isolate)->deadline.deadline)
        isle__deadline_passed(isolate);
}

bool isle__attend_ends(struct isle__isolate *isolate)
{
    const struct isle__frame *frame = isolate->heap.frame;
    if (ISLE__UNLIKELY(isle__alone_on))
        isle__alone_attend(isolate);
    if (isle__attention_asks(isolate))
        isle__control_run(isolate, true);
    isle__deadline_check(isolate);
    return (isolate->ending || frame->pending_end) && frame->uninterrupted == 0 &&
           frame->deferring == 0;
}

void isle__attend_to(struct isle__isolate *isolate)
{
    if (isle__simulating())
        isle__simulate_point(isolate);
    if (isle__attend_ends(isolate)) {
        isle__io_stop(isolate);
        isle__unwind_end(&isolate->heap);
    }
}

/* --- the callers' side */

struct isle__control *isle__control_make(const char *function, isle_isolate target,
                                         enum isle__control_kind kind)
{
    (void)isle__isolate_need(function);
    struct isle__control *control = isle__memory_alloc(sizeof *control);
    if (control == NULL)
        isle__throw(ISLE_ENOMEM, "Out of Memory");
    *control = (struct isle__control){.kind = kind, .target = target.control_port.id};
    return control;
}

void isle__control_send(const char *function, struct isle__control *control)
{
    if (isle__control_post(control) == ISLE_EFULL)
        isle__throw(ISLE_EFULL, "%s: %d control messages wait in that isolate already", function,
                    CONTROL_MAX);
    isle__attend(isle__isolate_current()); /* one's own requests are seen at once */
}

/* A response that is ready to be posted to `port`. Throws like a send. */
static struct isle__mail *control_response(const char *function, isle_send_port port,
                                           isle_value response)
{
    struct isle__isolate *self = isle__isolate_need(function);
    struct isle__parcel parcel;
    if (isle_send_port_is_none(port))
        isle__throw(ISLE_EINVAL, "%s: the port is none", function);
    if (isle_kind_of(response) == ISLE_OBJECT)
        isle__throw(ISLE_EUNSENDABLE, "%s: a response is plain data, not an object", function);
    if (isle__parcel_copy(&self->heap, response, sizeof(struct isle__mail), &parcel) != ISLE_OK)
        isle_throw(isle_last_error());
    isle__parcel_commit(&parcel);
    return isle__mail_of(&parcel, ISLE__MAIL_DATA, port.id);
}

static struct isle__control *control_with_response(const char *function, isle_isolate target,
                                                   enum isle__control_kind kind,
                                                   isle_send_port port, isle_value response)
{
    struct isle__mail *mail = control_response(function, port, response);
    struct isle__control *control = isle__memory_alloc(sizeof *control);
    if (control == NULL) {
        isle__mail_drop(mail);
        isle__throw(ISLE_ENOMEM, "Out of Memory");
    }
    *control = (struct isle__control){.kind = kind, .target = target.control_port.id};
    control->mail = mail;
    control->port = port.id;
    return control;
}

void isle_kill(isle_isolate isolate, isle_priority priority)
{
    struct isle__control *control = isle__control_make(__func__, isolate, ISLE__CONTROL_KILL);
    control->capability = isolate.terminate_capability.id;
    control->priority = priority;
    isle__control_send(__func__, control);
}

void isle_set_errors_fatal(isle_isolate isolate, bool errors_fatal)
{
    struct isle__control *control =
        isle__control_make(__func__, isolate, ISLE__CONTROL_ERRORS_FATAL);
    control->capability = isolate.terminate_capability.id;
    control->flag = errors_fatal;
    isle__control_send(__func__, control);
}

isle_capability isle_pause(isle_isolate isolate, isle_capability resume_key)
{
    struct isle__control *control = isle__control_make(__func__, isolate, ISLE__CONTROL_PAUSE);
    if (resume_key.id == 0)
        resume_key = isle_capability_new();
    control->capability = isolate.pause_capability.id;
    control->key = resume_key.id;
    isle__control_send(__func__, control);
    return resume_key;
}

void isle_resume(isle_isolate isolate, isle_capability resume_key)
{
    struct isle__control *control = isle__control_make(__func__, isolate, ISLE__CONTROL_RESUME);
    control->capability = isolate.pause_capability.id;
    control->key = resume_key.id;
    isle__control_send(__func__, control);
}

void isle_ping(isle_isolate isolate, isle_send_port port, isle_value response,
               isle_priority priority)
{
    struct isle__control *control =
        control_with_response(__func__, isolate, ISLE__CONTROL_PING, port, response);
    control->priority = priority;
    isle__control_send(__func__, control);
}

void isle_add_exit_listener(isle_isolate isolate, isle_send_port port, isle_value response)
{
    struct isle__control *control =
        control_with_response(__func__, isolate, ISLE__CONTROL_ADD_EXIT, port, response);
    if (isle__mail_size(control->mail) > ISLE__RESPONSE_MAX) {
        isle__control_free(control);
        isle__throw(ISLE_ERANGE, "%s: a response has %d bytes at most", __func__,
                    ISLE__RESPONSE_MAX);
    }
    isle__control_send(__func__, control);
}

void isle_remove_exit_listener(isle_isolate isolate, isle_send_port port)
{
    struct isle__control *control =
        isle__control_make(__func__, isolate, ISLE__CONTROL_REMOVE_EXIT);
    control->port = port.id;
    isle__control_send(__func__, control);
}

void isle_add_error_listener(isle_isolate isolate, isle_send_port port)
{
    struct isle__control *control = isle__control_make(__func__, isolate, ISLE__CONTROL_ADD_ERROR);
    control->port = port.id;
    control->mail = port.id == 0 ? NULL : isle__notice_reserve(port.id);
    if (control->mail == NULL) {
        isle__control_free(control);
        if (port.id == 0)
            isle__throw(ISLE_EINVAL, "isle_add_error_listener: the port is none");
        isle__throw(ISLE_ENOMEM, "Out of Memory");
    }
    isle__control_send(__func__, control);
}

void isle_remove_error_listener(isle_isolate isolate, isle_send_port port)
{
    struct isle__control *control =
        isle__control_make(__func__, isolate, ISLE__CONTROL_REMOVE_ERROR);
    control->port = port.id;
    isle__control_send(__func__, control);
}

void isle_checkpoint(void)
{
    isle__attend(isle__isolate_need(__func__));
}

/* --- capabilities */

static uint64_t capability_hash(uint64_t id, uint64_t which)
{
    /* A keyed mix of two rounds of a 128-bit product: an id alone does not lead to it. */
    __uint128_t product =
        (__uint128_t)(id ^ isle__program.capability_key[0]) * (isle__program.capability_key[1] | 1);
    uint64_t mixed =
        (uint64_t)product ^ (uint64_t)(product >> 64) ^ which * UINT64_C(0x9e3779b97f4a7c15);
    product = (__uint128_t)(mixed ^ isle__program.capability_key[1]) *
              (isle__program.capability_key[0] | 1);
    return ((uint64_t)product ^ (uint64_t)(product >> 64)) & (((uint64_t)1 << 61) - 1);
}

isle_capability isle__isolate_capability(uint64_t id, unsigned which)
{
    uint64_t hash = capability_hash(id, which);
    return (isle_capability){hash == 0 ? 1 : hash};
}

isle_capability isle_capability_new(void)
{
    (void)isle__isolate_need(__func__);
    static _Atomic uint64_t last;
    if (isle__simulating())
        return (isle_capability){isle__simulate_serial()};
    uint64_t serial = atomic_fetch_add_explicit(&last, 1, memory_order_relaxed) + 1;
    return (isle_capability){serial}; /* capabilities of isolates are far above it */
}
