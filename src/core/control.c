/* SPDX-License-Identifier: Apache-2.0 */
/* Control messages: pause, resume, ping, kill, listeners. They bypass the mailbox, first in first
 * out among themselves, and are done by the isolate itself: at a kill point inside an event if they
 * are immediate, else when control is back in the loop. Those with ISLE_BEFORE_NEXT_EVENT go
 * through a second list, so an immediate one overtakes them. A request without the capability that
 * it needs is ignored here, by the target.
 *
 * Nothing piles up: at most CONTROL_MAX wait; who sends more is told ISLE_EFULL. A kill that is
 * asked for again while one waits is the same kill. */
#include "core/control.h"

#include <string.h>

#include "core/backend.h"
#include "core/isolate.h"
#include "core/mail.h"
#include "core/reactor.h"
#include "core/simulate.h"
#include "core/slot.h"
#include "core/uncaught.h"

enum { CONTROL_MAX = 65536 };

static struct isle__control control_closed; /* on top of the stack: the isolate has ended */

void isle__control_free(struct isle__control *control)
{
    isle__mail_drop(control->mail);
    isle__memory_free(control, sizeof *control);
}

/* Whoever waits for an answer to it (isle_spawn_wait) is told that none comes. */
static void control_refuse(struct isle__control *control)
{
    if (control->kind == ISLE__CONTROL_STARTED && control->mail != NULL) {
        control->mail->kind = ISLE__MAIL_REPLY_ERROR;
        control->mail->code = ISLE_ECLOSED;
        isle__mail_set_root(control->mail, isle_null());
        isle__mail_post_reserved(control->mail);
        control->mail = NULL;
    }
    isle__control_free(control);
}

isle_err isle__control_post(struct isle__control *control)
{
    if (isle__simulating())
        isle__trace_control(control);
    struct isle__slot *slot = isle__slot_find(control->target & ~ISLE__ID_CONTROL);
    if (slot == NULL || (control->target & ISLE__ID_CONTROL) == 0 ||
        atomic_load_explicit(&slot->kind, memory_order_relaxed) != ISLE__SLOT_ISOLATE) {
        control_refuse(control);
        return ISLE_ECLOSED;
    }
    struct isle__isolate *isolate = atomic_load_explicit(&slot->isolate, memory_order_relaxed);
    /* A flood of other requests leaves room for kills. */
    uint32_t most = control->kind == ISLE__CONTROL_KILL ? 2 * CONTROL_MAX : CONTROL_MAX;
    if (atomic_fetch_add_explicit(&isolate->control_count, 1, memory_order_relaxed) >= most) {
        atomic_fetch_sub_explicit(&isolate->control_count, 1, memory_order_relaxed);
        bool is_gone = isle__slot_changed(slot, control->target & ~ISLE__ID_CONTROL);
        control_refuse(control);
        return is_gone ? ISLE_ECLOSED : ISLE_EFULL;
    }
    struct isle__control *head = atomic_load_explicit(&isolate->controls, memory_order_relaxed);
    do {
        if (head == &control_closed) {
            atomic_fetch_sub_explicit(&isolate->control_count, 1, memory_order_relaxed);
            control_refuse(control);
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
        list->next = oldest;
        oldest = list;
        list = next;
        atomic_fetch_sub_explicit(&isolate->control_count, 1, memory_order_relaxed);
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

void isle__control_drop_all(struct isle__isolate *isolate)
{
    struct isle__control *list = control_take(isolate, &control_closed);
    while (list != NULL) {
        struct isle__control *next = list->next;
        control_refuse(list);
        list = next;
    }
    while (isolate->deferred != NULL)
        control_refuse(deferred_take(isolate));
}

/* --- what each does, in the target */

/* False: out of memory. */
static bool pauses_grow(struct isle__isolate *isolate)
{
    struct isle__cold *cold = isle__isolate_cold(isolate);
    if (cold == NULL)
        return false;
    if (cold->pause_count < cold->pause_capacity)
        return true;
    size_t old = cold->pause_capacity, new = old == 0 ? 2 : old * 2;
    void *memory = new > UINT32_MAX ? NULL
                                    : isle__memory_resize(cold->pauses, old * sizeof(uint64_t),
                                                          new * sizeof(uint64_t));
    if (memory == NULL)
        return false;
    isle__heap_charge_always(&isolate->heap, (new - old) * sizeof(uint64_t));
    cold->pauses = memory;
    cold->pause_capacity = (uint32_t) new;
    return true;
}

/* The key's place, or where one more would go. */
static uint32_t pauses_find(const struct isle__isolate *isolate, uint64_t key)
{
    const struct isle__cold *cold = isle__isolate_has_cold(isolate);
    if (cold->pause_places.capacity > 0) {
        uintptr_t place = isle__index_find(&cold->pause_places, key);
        return place == 0 ? cold->pause_count : (uint32_t)place - 1;
    }
    uint32_t at = 0;
    while (at < cold->pause_count && cold->pauses[at] != key)
        at++;
    return at;
}

/* After one has come to the end: many have an index, as long as there is memory for it. */
static void pauses_note(struct isle__isolate *isolate)
{
    struct isle__cold *cold = isle__isolate_has_cold(isolate);
    struct isle__index *places = &cold->pause_places;
    size_t size = isle__index_size(places);
    if (size == 0 && cold->pause_count <= ISLE__INDEX_FEW)
        return;
    uint32_t at = size == 0 ? 0 : cold->pause_count - 1;
    while (at < cold->pause_count && isle__index_put(places, cold->pauses[at], at + 1))
        at++;
    if (at < cold->pause_count)
        isle__index_fini(places);
    isle__heap_charge_always(&isolate->heap, isle__index_size(places));
    isle__heap_discharge(&isolate->heap, size);
}

static void pauses_add(struct isle__isolate *isolate, uint64_t key)
{
    struct isle__cold *cold = isle__isolate_has_cold(isolate);
    if (cold != NULL && pauses_find(isolate, key) < cold->pause_count)
        return;
    if (!pauses_grow(isolate)) {
        /* Not pausing would be the worse answer: whoever paused relies on it. */
        isolate->ending = true;
        isle__uncaught(isolate, isle__error_out_of_memory());
        return;
    }
    cold = isle__isolate_has_cold(isolate);
    cold->pauses[cold->pause_count++] = key;
    isolate->is_paused = true;
    pauses_note(isolate);
}

static void pauses_remove(struct isle__isolate *isolate, uint64_t key)
{
    struct isle__cold *cold = isle__isolate_has_cold(isolate);
    uint32_t at = cold == NULL ? 0 : pauses_find(isolate, key);
    if (cold == NULL || at == cold->pause_count)
        return;
    uint64_t last = cold->pauses[--cold->pause_count];
    isolate->is_paused = cold->pause_count > 0;
    cold->pauses[at] = last;
    isle__index_remove(&cold->pause_places, key);
    /* It was there, so this finds its room. */
    if (last != key && cold->pause_places.capacity > 0)
        (void)!isle__index_put(&cold->pause_places, last, at + 1);
}

void isle__pauses_fini(struct isle__isolate *isolate)
{
    struct isle__cold *cold = isle__isolate_has_cold(isolate);
    isolate->is_paused = false;
    if (cold == NULL)
        return;
    size_t size = cold->pause_capacity * sizeof(uint64_t);
    isle__memory_free(cold->pauses, size);
    isle__heap_discharge(&isolate->heap, size + isle__index_size(&cold->pause_places));
    isle__index_fini(&cold->pause_places);
    cold->pauses = NULL;
    cold->pause_capacity = cold->pause_count = 0;
}

isle_err isle__isolate_start_paused(struct isle__isolate *isolate)
{
    pauses_add(isolate, isle__isolate_capability(isolate->id, 1).id);
    return isolate->is_paused ? ISLE_OK : ISLE_ENOMEM;
}

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

static void control_kill(struct isle__isolate *isolate)
{
    isolate->ending = true;
    isolate->killed = true;
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
            pauses_add(isolate, control->key);
        break;
    case ISLE__CONTROL_RESUME:
        if (may_pause)
            pauses_remove(isolate, control->key);
        break;
    case ISLE__CONTROL_PING:
    case ISLE__CONTROL_STARTED:
        control->mail = NULL;
        isle__mail_post_reserved(mail);
        break;
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
    }
    isle__control_free(control);
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

void isle__control_run(struct isle__isolate *isolate, bool running)
{
    uint32_t attention = atomic_fetch_and_explicit(
        &isolate->attention, ~(uint32_t)(ISLE__ATTEND_CONTROL | ISLE__ATTEND_TIMER),
        memory_order_seq_cst);
    if ((attention & ISLE__ATTEND_STOP) != 0)
        control_kill(isolate);
    struct isle__control *list = control_take(isolate, NULL);
    while (list != NULL) {
        struct isle__control *next = list->next;
        /* Of another id: posted while this body began a new life. */
        if (isolate->ending || (list->target & ~ISLE__ID_CONTROL) != isolate->id)
            control_refuse(list);
        else if (list->priority == ISLE_BEFORE_NEXT_EVENT)
            control_defer(isolate, list);
        else
            control_do(isolate, list);
        list = next;
    }
    while (!running && isolate->deferred != NULL && !isolate->ending)
        control_do(isolate, deferred_take(isolate));
}

void isle__deadline_check(struct isle__isolate *isolate)
{
    if (isolate->has_deadline && isle__now() >= isle__isolate_has_cold(isolate)->deadline.deadline)
        control_kill(isolate);
}

bool isle__attend_ends(struct isle__isolate *isolate)
{
    const struct isle__frame *frame = isolate->heap.frame;
    if (atomic_load_explicit(&isolate->attention, memory_order_relaxed) != 0)
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

static struct isle__control *control_new(const char *function, isle_isolate target,
                                         enum isle__control_kind kind)
{
    (void)isle__isolate_need(function);
    struct isle__control *control = isle__memory_alloc(sizeof *control);
    if (control == NULL)
        isle__throw(ISLE_ENOMEM, "Out of Memory");
    *control = (struct isle__control){.kind = kind, .target = target.control_port.id};
    return control;
}

static void control_send(const char *function, struct isle__control *control)
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
    struct isle__control *control = control_new(__func__, isolate, ISLE__CONTROL_KILL);
    control->capability = isolate.terminate_capability.id;
    control->priority = priority;
    control_send(__func__, control);
}

void isle_set_errors_fatal(isle_isolate isolate, bool errors_fatal)
{
    struct isle__control *control = control_new(__func__, isolate, ISLE__CONTROL_ERRORS_FATAL);
    control->capability = isolate.terminate_capability.id;
    control->flag = errors_fatal;
    control_send(__func__, control);
}

isle_capability isle_pause(isle_isolate isolate, isle_capability resume_key)
{
    struct isle__control *control = control_new(__func__, isolate, ISLE__CONTROL_PAUSE);
    if (resume_key.id == 0)
        resume_key = isle_capability_new();
    control->capability = isolate.pause_capability.id;
    control->key = resume_key.id;
    control_send(__func__, control);
    return resume_key;
}

void isle_resume(isle_isolate isolate, isle_capability resume_key)
{
    struct isle__control *control = control_new(__func__, isolate, ISLE__CONTROL_RESUME);
    control->capability = isolate.pause_capability.id;
    control->key = resume_key.id;
    control_send(__func__, control);
}

void isle_ping(isle_isolate isolate, isle_send_port port, isle_value response,
               isle_priority priority)
{
    struct isle__control *control =
        control_with_response(__func__, isolate, ISLE__CONTROL_PING, port, response);
    control->priority = priority;
    control_send(__func__, control);
}

void isle_add_exit_listener(isle_isolate isolate, isle_send_port port, isle_value response)
{
    control_send(__func__,
                 control_with_response(__func__, isolate, ISLE__CONTROL_ADD_EXIT, port, response));
}

void isle_remove_exit_listener(isle_isolate isolate, isle_send_port port)
{
    struct isle__control *control = control_new(__func__, isolate, ISLE__CONTROL_REMOVE_EXIT);
    control->port = port.id;
    control_send(__func__, control);
}

void isle_add_error_listener(isle_isolate isolate, isle_send_port port)
{
    struct isle__control *control = control_new(__func__, isolate, ISLE__CONTROL_ADD_ERROR);
    control->port = port.id;
    control->mail = port.id == 0 ? NULL : isle__notice_reserve(port.id);
    if (control->mail == NULL) {
        isle__control_free(control);
        if (port.id == 0)
            isle__throw(ISLE_EINVAL, "isle_add_error_listener: the port is none");
        isle__throw(ISLE_ENOMEM, "Out of Memory");
    }
    control_send(__func__, control);
}

void isle_remove_error_listener(isle_isolate isolate, isle_send_port port)
{
    struct isle__control *control = control_new(__func__, isolate, ISLE__CONTROL_REMOVE_ERROR);
    control->port = port.id;
    control_send(__func__, control);
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
