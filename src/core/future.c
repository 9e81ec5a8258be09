/* SPDX-License-Identifier: Apache-2.0 */
/* The public side of futures: await, callbacks, combinations, one's own. All of it is made of
 * observers of promises (promise.c). */
#include "core/activity.h"
#include "core/control.h"
#include "core/due.h"
#include "core/drop.h"
#include "core/handle.h"
#include "core/isolate.h"
#include "core/loop.h"
#include "core/promise.h"
#include "core/timer.h"

/* Waits until it is complete; false: the deadline came first. */
static bool promise_wait(struct isle__promise *promise, int64_t deadline, const char *function)
{
    struct isle__isolate *isolate = promise->isolate;
    isle_err err = ISLE_OK;
    while (!promise->is_complete && err == ISLE_OK) {
        struct isle__observer observer = {.waiter = isolate->running};
        isle__promise_observe(promise, &observer);
        err = isle__activity_wait(isolate, deadline, function);
        isle__promise_unlink_observer(promise, &observer);
        promise->busy--;
        /* Nothing runs where a deferred task of an ended activity does: the wait was refused. */
        if (isolate->running != NULL && isolate->running->forced)
            isle__unwind_end(&isolate->heap);
        if (err != ISLE_OK && err != ISLE_ETIMEDOUT) {
            isle__promise_settle(promise);
            isle__activity_refused(err, function, "isle_then");
        }
    }
    return promise->is_complete;
}

isle_value isle_await(isle_future *future)
{
    struct isle__isolate *isolate = isle__isolate_need(__func__);
    isle__attend(isolate);
    struct isle__promise *promise = isle__promise_need(isolate, __func__, future);
    promise->is_observed = true;
    if (!promise->is_complete)
        (void)promise_wait(promise, ISLE_FOREVER, __func__);
    isle_value value = isle__promise_value(promise);
    bool is_error = promise->is_error; /* after the value: it may become one for want of memory */
    isle__promise_settle(promise);
    if (is_error)
        isle_throw(value);
    return value;
}

struct trial {
    struct isle__isolate *isolate;
    isle_future *future;
    int64_t timeout_ns;
    isle_value value;
};

static void trial_run(void *argument)
{
    struct trial *trial = argument;
    isle__attend(trial->isolate);
    struct isle__promise *promise =
        isle__promise_need(trial->isolate, "isle_try_await", trial->future);
    bool was_observed = promise->is_observed;
    if (!promise->is_complete && trial->timeout_ns > 0) {
        int64_t deadline =
            trial->timeout_ns == ISLE_FOREVER ? ISLE_FOREVER : isle__deadline_of(trial->timeout_ns);
        deadline = isle__due_bound(trial->isolate, deadline);
        (void)promise_wait(promise, deadline, "isle_try_await");
    }
    if (!promise->is_complete) {
        promise->is_observed = was_observed; /* who gave up has not seen the error that may come */
        isle__promise_settle(promise);
        isle__throw(ISLE_ETIMEDOUT, "isle_try_await: timed out");
    }
    promise->is_observed = true;
    trial->value = isle__promise_value(promise);
    bool is_error = promise->is_error;
    isle__promise_settle(promise);
    if (is_error)
        isle_throw(trial->value);
}

isle_err isle_try_await(isle_future *future, int64_t timeout_ns, isle_value *ret_value)
{
    struct trial trial = {.future = future, .timeout_ns = timeout_ns};
    isle_err err = isle__isolate_ask(&trial.isolate);
    if (err != ISLE_OK)
        return err;
    struct isle__catch catch;
    if (isle__catch_do(&trial.isolate->heap, &catch, ISLE__CATCH_TRY, trial_run, &trial) !=
        ISLE__UNWIND_NONE)
        return isle__fail_with(catch.error);
    if (ret_value != NULL)
        *ret_value = trial.value;
    return ISLE_OK;
}

/* --- callbacks: observers that own their memory */

struct callback {
    struct isle__observer observer; /* first */
    struct isle__isolate *isolate;
    isle_handler *on_value, *on_error;
    void *context;
    struct isle__promise *result; /* of a combination: busy while we live */
    struct combination *combination;
    size_t index;
};

static void callback_free(void *argument)
{
    struct callback *callback = argument;
    isle__heap_discharge(&callback->isolate->heap, sizeof *callback);
    isle__memory_free(callback, sizeof *callback);
}

static struct callback *callback_new(struct isle__isolate *isolate,
                                     void (*run)(struct isle__observer *observer))
{
    if (!isle__heap_try_charge(&isolate->heap, sizeof(struct callback)))
        return NULL;
    struct callback *callback = isle__memory_alloc(sizeof *callback);
    if (callback == NULL) {
        isle__heap_discharge(&isolate->heap, sizeof *callback);
        return NULL;
    }
    *callback = (struct callback){.isolate = isolate};
    callback->observer.run = run;
    callback->observer.microtask.drop = callback_free;
    return callback;
}

static void then_done(void *argument)
{
    isle__promise_unobserve(argument);
}

/* The promise is held until the callback has returned, thrown or ended, so that its drops come
 * after. */
static void then_run(struct isle__observer *observer)
{
    struct callback callback = *(struct callback *)observer;
    struct isle__promise *promise = observer->promise;
    callback_free(observer);
    isle_defer(then_done, promise);
    isle_value value = isle__promise_value(promise);
    bool is_error = promise->is_error;
    if (is_error && callback.on_error == NULL)
        isle_throw(value);
    if (is_error)
        callback.on_error(value, callback.context);
    else if (callback.on_value != NULL)
        callback.on_value(value, callback.context);
}

void isle_then(isle_future *future, isle_handler *on_value, isle_handler *on_error, void *context)
{
    struct isle__isolate *isolate = isle__isolate_need(__func__);
    struct isle__promise *promise = isle__promise_need(isolate, __func__, future);
    struct callback *callback = callback_new(isolate, then_run);
    if (callback == NULL)
        isle__throw(ISLE_ENOMEM, "Out of Memory");
    callback->on_value = on_value;
    callback->on_error = on_error;
    callback->context = context;
    isle__promise_observe(promise, &callback->observer);
}

/* --- combinations */

struct combination {
    struct isle__promise *result; /* busy while this lives */
    isle_value values;            /* of all: a kept list */
    size_t left;
    size_t users; /* callbacks that lead here */
    bool is_all;
    struct isle__isolate *isolate;
};

static void combination_release(struct combination *combination)
{
    if (--combination->users > 0)
        return;
    if (!isle_is_null(combination->values))
        isle_release(combination->values);
    isle__promise_unobserve(combination->result);
    isle__heap_discharge(&combination->isolate->heap, sizeof *combination);
    isle__memory_free(combination, sizeof *combination);
}

/* At the isolate's end: the promise and the kept heap go by themselves. */
static void combination_drop(void *argument)
{
    struct callback *callback = argument;
    struct combination *combination = callback->combination;
    if (--combination->users == 0) {
        isle__heap_discharge(&combination->isolate->heap, sizeof *combination);
        isle__memory_free(combination, sizeof *combination);
    }
    callback_free(callback);
}

static void combination_take(void *argument)
{
    struct callback *callback = argument;
    struct combination *combination = callback->combination;
    struct isle__promise *promise = callback->observer.promise;
    isle_value value = isle__promise_value(promise);
    if (promise->is_error || !combination->is_all) {
        isle__promise_complete(combination->result, value, promise->is_error);
        return;
    }
    isle_list_set(combination->values, callback->index, value);
    if (--combination->left == 0)
        isle__promise_complete(combination->result, combination->values, false);
}

static void combination_run(struct isle__observer *observer)
{
    struct callback *callback = (struct callback *)observer;
    struct combination *combination = callback->combination;
    struct isle__catch catch;
    enum isle__unwinding how = isle__catch_do(&callback->isolate->heap, &catch, ISLE__CATCH_TRY,
                                              combination_take, callback);
    if (how == ISLE__UNWIND_ERROR)
        isle__promise_complete_code(combination->result, ISLE_ENOMEM);
    isle__promise_unobserve(observer->promise);
    callback_free(callback);
    combination_release(combination);
}

static void combination_observe(struct combination *combination, struct isle__promise *promise,
                                size_t index)
{
    struct callback *callback = callback_new(combination->isolate, combination_run);
    if (callback == NULL) {
        isle__promise_complete_code(combination->result, ISLE_ENOMEM);
        return;
    }
    callback->observer.microtask.drop = combination_drop;
    callback->combination = combination;
    callback->index = index;
    combination->users++;
    isle__promise_observe(promise, &callback->observer);
}

static isle_future *combine(const char *function, isle_future *const *futures, size_t count,
                            bool is_all)
{
    struct isle__isolate *isolate = isle__isolate_need(function);
    if (futures == NULL && count > 0)
        isle__throw(ISLE_EINVAL, "%s: the array is NULL", function);
    if (count == 0 && !is_all)
        isle__throw(ISLE_EINVAL, "%s: no future to wait for", function);
    for (size_t i = 0; i < count; i++)
        (void)isle__promise_need(isolate, function, futures[i]);
    isle_value values = is_all ? isle_keep(isle_list_fixed(count)) : isle_null();
    struct isle__promise *result = isle__promise_new(isolate);
    if (count == 0) {
        isle__promise_complete(result, values, false);
        isle_release(values);
        return isle__promise_future(result);
    }
    isle__heap_charge(&isolate->heap, sizeof(struct combination));
    struct combination *combination = isle__memory_alloc(sizeof *combination);
    if (combination == NULL) {
        isle__heap_discharge(&isolate->heap, sizeof *combination);
        isle__throw(ISLE_ENOMEM, "Out of Memory");
    }
    *combination = (struct combination){
        .result = result, .values = values, .left = count, .users = 1, .is_all = is_all};
    combination->isolate = isolate;
    result->busy++;
    for (size_t i = 0; i < count; i++)
        combination_observe(combination, isle__promise_need(isolate, function, futures[i]), i);
    isle_future *future = isle__promise_future(result);
    combination_release(combination);
    return future;
}

isle_future *isle_future_all(isle_future *const *futures, size_t count)
{
    return combine(__func__, futures, count, true);
}

isle_future *isle_future_any(isle_future *const *futures, size_t count)
{
    return combine(__func__, futures, count, false);
}

static void timeout_cancels(struct isle__promise *result)
{
    struct isle__isolate *isolate = result->isolate;
    struct isle__promise *promise =
        isle__handle_find(&isolate->handles, ISLE__HANDLE_FUTURE, result->cancel_context);
    if (promise != NULL)
        isle__promise_cancel(promise);
}

isle_future *isle_future_timeout(isle_future *future, int64_t timeout_ns)
{
    struct isle__isolate *isolate = isle__isolate_need(__func__);
    struct isle__promise *promise = isle__promise_need(isolate, __func__, future);
    isle_future *both = combine(__func__, &future, 1, false);
    struct isle__promise *result = isle__promise_need(isolate, __func__, both);
    result->cancel = timeout_cancels;
    result->cancel_context = promise->handle;
    if (timeout_ns != ISLE_FOREVER && !result->is_complete) {
        result->timeout.fire = isle__promise_timed_out;
        if (isle__timer_add(isolate, &result->timeout, isle__deadline_of(timeout_ns)) != ISLE_OK)
            isle__throw(ISLE_ENOMEM, "Out of Memory");
    }
    return both;
}

/* --- cancel */

void isle__promise_tell_canceled(struct isle__promise *promise)
{
    struct isle__drop *tasks = promise->cancels;
    promise->cancels = NULL;
    isle__drops_fire(tasks);
}

void isle__promise_cancel(struct isle__promise *promise)
{
    if (promise->is_complete)
        return;
    promise->is_canceled = true;
    isle__promise_tell_canceled(promise);
    isle__promise_give_up(promise, ISLE_ECANCELED);
}

void isle_future_cancel(isle_future *future)
{
    struct isle__isolate *isolate = isle__isolate_need(__func__);
    if (future == NULL)
        isle__throw(ISLE_EINVAL, "isle_future_cancel: the future is NULL");
    struct isle__promise *promise =
        isle__handle_find(&isolate->handles, ISLE__HANDLE_FUTURE, future);
    if (promise != NULL)
        isle__promise_cancel(promise);
}

/* --- the program's own */

isle_future *isle_future_new(void)
{
    return isle__promise_future(isle__promise_new(isle__isolate_need(__func__)));
}

static void future_complete(const char *function, isle_future *future, isle_value value,
                            bool is_error)
{
    struct isle__isolate *isolate = isle__isolate_need(function);
    struct isle__promise *promise = isle__promise_need(isolate, function, future);
    if (promise->is_canceled)
        return;
    if (promise->is_complete)
        isle__throw(ISLE_ECLOSED, "%s: the future is complete already", function);
    if (promise->slot != NULL)
        isle__throw(ISLE_EINVAL, "%s: the future belongs to a call or run", function);
    isle__promise_complete(promise, value, is_error);
}

void isle_future_complete(isle_future *future, isle_value value)
{
    future_complete(__func__, future, value, false);
}

void isle_future_complete_error(isle_future *future, isle_value error)
{
    future_complete(__func__, future, error, true);
}

bool isle_future_is_complete(const isle_future *future)
{
    return isle__promise_need(isle__isolate_need(__func__), __func__, future)->is_complete;
}

isle_future *isle_future_keep(isle_future *future)
{
    isle__promise_need(isle__isolate_need(__func__), __func__, future)->keeps++;
    return future;
}

void isle_future_release(isle_future *future)
{
    struct isle__promise *promise =
        isle__promise_need(isle__isolate_need(__func__), __func__, future);
    if (promise->keeps == 0)
        isle__throw(ISLE_EINVAL, "isle_future_release: the future is not kept");
    promise->keeps--;
    isle__promise_settle(promise);
}

/* --- errors that nobody asked for */

static void unobserved_event(void *argument)
{
    struct isle__promise *promise = argument;
    isle_value error = isle__promise_value(promise);
    promise->on_unobserved = false;
    promise->is_observed = true;
    isle__promise_settle(promise);
    isle_throw(error);
}

void isle__promises_check_unobserved(struct isle__isolate *isolate)
{
    struct isle__promise *promise = isolate->unobserved;
    isolate->unobserved = promise->next_unobserved;
    isle__event_run(isolate, unobserved_event, promise);
}
