/* SPDX-License-Identifier: Apache-2.0 */
/* Promises: what is behind an isle_future *. A promise lives until it is complete, its scope is
 * over, nobody waits and nobody keeps it.
 *
 * Where a result lies. It comes as a mail (a reply) or as a value of this isolate. A mail is
 * adopted by the first who asks: into the promise's own scope while that is open, else into the
 * kept heap, with one keep count of the promise's. So a value that a program reads lives as long as
 * the future's scope, or its own event.
 *
 * An error that nobody has asked for is uncaught once the promise's scope is over: until then the
 * program may still come to it. */
#include "core/promise.h"

#include <string.h>

#include "core/activity.h"
#include "core/drop.h"
#include "core/due.h"
#include "core/handle.h"
#include "core/isolate.h"
#include "core/loop.h"
#include "core/mail.h"
#include "core/slot.h"
#include "core/timer.h"

/* --- life */

static void promise_link(struct isle__promise *promise)
{
    struct isle__isolate *isolate = promise->isolate;
    promise->next = isolate->promises;
    if (promise->next != NULL)
        promise->next->previous = promise;
    isolate->promises = promise;
}

static void promise_set_alive(struct isle__promise *promise, bool alive)
{
    if (alive != promise->keeps_alive)
        promise->isolate->alive += alive ? 1 : UINT32_MAX;
    promise->keeps_alive = alive;
}

static void promise_close_slot(struct isle__promise *promise)
{
    if (promise->slot != NULL)
        isle__slot_close(promise->slot);
    promise->slot = NULL;
    promise_set_alive(promise, false);
}

static void promise_free(struct isle__promise *promise)
{
    struct isle__isolate *isolate = promise->isolate;
    promise_close_slot(promise);
    isle__timer_remove(isolate, &promise->timeout);
    if (promise->handle != NULL)
        isle__handle_close(isolate, promise->handle);
    if (promise->mail != NULL) {
        isle__mail_received(isolate, promise->mail);
        isle__mail_drop(promise->mail);
    }
    if (promise->value_kept)
        isle_release(promise->value);
    if (promise->previous != NULL)
        promise->previous->next = promise->next;
    else
        isolate->promises = promise->next;
    if (promise->next != NULL)
        promise->next->previous = promise->previous;
    if (promise->scope != NULL)
        isle__scope_forget(promise->scope, &promise->scope_end);
    isle__drops_forget(promise->cancels);
    isle__drops_fire(promise->drops);
    isle__heap_discharge(&isolate->heap, sizeof *promise);
    isle__memory_free(promise, sizeof *promise);
}

/* Frees it if nothing leads to it any more. */
void isle__promise_settle(struct isle__promise *promise)
{
    if (promise->scope != NULL || promise->keeps > 0 || promise->busy > 0 || promise->on_unobserved)
        return;
    if (!promise->is_complete)
        return;
    if (promise->is_error && !promise->is_observed && !promise->is_canceled) {
        promise->on_unobserved = true;
        promise->next_unobserved = promise->isolate->unobserved;
        promise->isolate->unobserved = promise;
        return;
    }
    promise_free(promise);
}

/* The value shall outlive its scope; without memory for that, the promise ends with that error. */
static void promise_keep_value(struct isle__promise *promise)
{
    struct isle__heap *heap = &promise->isolate->heap;
    isle_value kept;
    if (isle__try_store(heap, &heap->kept, promise->value, &kept) == ISLE_OK) {
        promise->value = isle_keep(kept); /* counts; what it needs is there */
        promise->value_kept = true;
    } else {
        promise->value = isle_null();
        promise->code = ISLE_ENOMEM;
        promise->is_error = true;
    }
}

/* A deferred task of the promise's scope. */
static void promise_scope_ended(void *argument)
{
    struct isle__promise *promise = argument;
    bool must_keep = promise->is_complete && promise->mail == NULL && !promise->value_kept &&
                     (promise->keeps > 0 || promise->busy > 0 ||
                      (promise->is_error && !promise->is_observed && !promise->is_canceled));
    if (must_keep)
        promise_keep_value(promise);
    promise->scope = NULL;
    isle__promise_settle(promise);
}

struct isle__promise *isle__promise_new(struct isle__isolate *isolate)
{
    struct isle__scope *scope = isle__scope_current(&isolate->heap);
    isle__heap_charge(&isolate->heap, sizeof(struct isle__promise));
    struct isle__promise *promise = isle__memory_alloc(sizeof *promise);
    if (promise == NULL) {
        isle__heap_discharge(&isolate->heap, sizeof *promise);
        isle__throw(ISLE_ENOMEM, "Out of Memory");
    }
    memset(promise, 0, sizeof *promise);
    promise->isolate = isolate;
    promise_link(promise);
    promise->handle = isle__handle_open(isolate, ISLE__HANDLE_FUTURE, promise);
    if (promise->handle == NULL) {
        promise_free(promise);
        isle__throw(ISLE_ENOMEM, "Out of Memory");
    }
    isle__scope_defer_quietly(scope, &promise->scope_end, promise_scope_ended, promise);
    promise->scope = scope;
    return promise;
}

void isle__promise_discard(struct isle__promise *promise)
{
    promise_free(promise);
}

void isle__promise_expect(struct isle__promise *promise)
{
    promise->slot = isle__slot_open(ISLE__SLOT_REPLY, promise->isolate, promise);
    if (promise->slot == NULL) {
        isle__promise_discard(promise);
        isle__throw(ISLE_ENOMEM, "Out of Memory");
    }
    promise_set_alive(promise, true);
}

void isle__promise_let_end(struct isle__promise *promise)
{
    promise_set_alive(promise, false);
}

isle_future *isle__promise_future(struct isle__promise *promise)
{
    return promise->handle;
}

struct isle__promise *isle__promise_need(struct isle__isolate *isolate, const char *function,
                                         const isle_future *future)
{
    if (future == NULL)
        isle__throw(ISLE_EINVAL, "%s: the future is NULL", function);
    struct isle__promise *promise =
        isle__handle_find(&isolate->handles, ISLE__HANDLE_FUTURE, future);
    if (promise == NULL)
        isle__throw(ISLE_ESTALE,
                    "%s: the future is over (complete and its scope ended), or another isolate's",
                    function);
    return promise;
}

void isle__promises_fini(struct isle__isolate *isolate)
{
    struct isle__promise *promise = isolate->promises;
    for (; promise != NULL; promise = promise->next)
        if (!promise->is_complete && promise->cancel != NULL && promise->ends_with_isolate)
            promise->cancel(promise);
    while (isolate->promises != NULL) {
        promise = isolate->promises;
        promise->value_kept = false; /* the kept heap goes as a whole */
        while (promise->observers != NULL) {
            struct isle__observer *observer = promise->observers;
            promise->observers = observer->next;
            if (observer->microtask.drop != NULL)
                observer->microtask.drop(observer);
        }
        promise_free(promise);
    }
    isolate->unobserved = NULL;
}

/* --- observers */

static void observer_event(void *argument)
{
    struct isle__observer *observer = argument;
    observer->run(observer);
}

/* The promise is complete: the observer has its turn. */
static void observer_notify(struct isle__observer *observer)
{
    if (observer->waiter != NULL)
        isle__activity_wake(observer->waiter);
    else
        isle__microtask_add(observer->promise->isolate, &observer->microtask);
}

/* The observer's holder calls it when it is done with the promise. */
void isle__promise_unobserve(struct isle__promise *promise)
{
    promise->busy--;
    isle__promise_settle(promise);
}

void isle__promise_observe(struct isle__promise *promise, struct isle__observer *observer)
{
    observer->next = NULL;
    observer->previous = promise->observers_last;
    observer->promise = promise;
    observer->microtask.run = observer_event;
    observer->microtask.argument = observer;
    promise->busy++;
    promise->is_observed = true;
    if (promise->is_complete) {
        observer_notify(observer);
        return;
    }
    if (promise->observers_last != NULL)
        promise->observers_last->next = observer;
    else
        promise->observers = observer;
    promise->observers_last = observer;
}

void isle__promise_unlink_observer(struct isle__promise *promise, struct isle__observer *observer)
{
    if (promise->is_complete) /* it has let go of all */
        return;
    if (observer->previous != NULL)
        observer->previous->next = observer->next;
    else
        promise->observers = observer->next;
    if (observer->next != NULL)
        observer->next->previous = observer->previous;
    else
        promise->observers_last = observer->previous;
}

/* --- completing */

static void promise_completed(struct isle__promise *promise, bool is_error)
{
    promise->is_complete = true;
    promise->is_error = is_error;
    if (promise->completed != NULL)
        promise->completed(promise);
    promise_close_slot(promise);
    isle__timer_remove(promise->isolate, &promise->timeout);
    struct isle__observer *observer = promise->observers;
    promise->observers = promise->observers_last = NULL;
    while (observer != NULL) {
        struct isle__observer *next = observer->next;
        observer_notify(observer);
        observer = next;
    }
    isle__promise_settle(promise);
}

void isle__promise_complete(struct isle__promise *promise, isle_value value, bool is_error)
{
    struct isle__isolate *isolate = promise->isolate;
    if (promise->is_complete)
        return;
    if (promise->scope != NULL) {
        promise->value = isle__store(&isolate->heap, &promise->scope->region, value);
    } else {
        promise->value = isle_keep(value);
        promise->value_kept = true;
    }
    promise_completed(promise, is_error);
}

void isle__promise_complete_code(struct isle__promise *promise, isle_err code)
{
    if (promise->is_complete)
        return;
    promise->code = code;
    promise_completed(promise, true);
}

void isle__promise_complete_null(struct isle__promise *promise)
{
    if (!promise->is_complete)
        promise_completed(promise, false);
}

void isle__promise_give_up(struct isle__promise *promise, isle_err code)
{
    if (promise->cancel != NULL)
        promise->cancel(promise);
    if (promise->came_about)
        isle__promise_complete_null(promise);
    else
        isle__promise_complete_code(promise, code);
}

void isle__promise_receive(struct isle__promise *promise, struct isle__mail *mail)
{
    bool is_error = mail->kind == ISLE__MAIL_REPLY_ERROR;
    promise->mail = mail;
    promise->code = is_error ? mail->code : ISLE_OK;
    promise_completed(promise, is_error);
}

void isle__promise_timed_out(struct isle__isolate *isolate, struct isle__timer_node *node)
{
    (void)isolate;
    struct isle__promise *promise =
        (void *)((char *)node - offsetof(struct isle__promise, timeout));
    isle__promise_give_up(promise, ISLE_ETIMEDOUT);
}

void isle__promise_set_timeout(struct isle__promise *promise, int64_t timeout_ns)
{
    int64_t deadline = timeout_ns == ISLE_FOREVER ? ISLE_FOREVER : isle__deadline_of(timeout_ns);
    deadline = isle__due_bound(promise->isolate, deadline);
    if (deadline == ISLE_FOREVER)
        return;
    promise->timeout.fire = isle__promise_timed_out;
    if (isle__timer_add(promise->isolate, &promise->timeout, deadline) != ISLE_OK) {
        isle__promise_discard(promise);
        isle__throw(ISLE_ENOMEM, "Out of Memory");
    }
}

/* --- reading */

/* An error that has a code and no value yet: its text is the code's, made in the current scope. */
static isle_value promise_make_error(const struct isle__promise *promise)
{
    return isle__error_make(promise->code, isle_err_text(promise->code), NULL);
}

isle_value isle__promise_value(struct isle__promise *promise)
{
    struct isle__isolate *isolate = promise->isolate;
    struct isle__scope *scope = promise->scope;
    if (promise->mail != NULL) {
        struct isle__mail *mail = promise->mail;
        bool coded = promise->code != ISLE_OK;
        promise->mail = NULL;
        promise->value = isle__mail_open(
            isolate, mail, scope != NULL ? scope : isle__scope_current(&isolate->heap));
        if (coded)
            promise->value = isle_null();
        if (scope == NULL && !coded)
            promise_keep_value(promise);
    }
    if (promise->code != ISLE_OK && isle_is_null(promise->value))
        return promise_make_error(promise);
    isle_value value = isle__expose(&isolate->heap, promise->value);
    struct isle__scope *here = isle__scope_current(&isolate->heap);
    return isle__store(&isolate->heap, &here->region, value);
}
