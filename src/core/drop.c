/* SPDX-License-Identifier: Apache-2.0 */
/* Drops: what a program wants done when a port, future or timer of its isolate is over, so that the
 * `context` of a callback has an owner. The task runs exactly once, in an event of its own: as a
 * microtask after the object is gone (closed, cancelled, complete with its callbacks run), or at
 * the isolate's end. Tasks for a future's cancelling are kept in the same way, but forgotten when
 * it ends otherwise. */
#include "core/drop.h"

#include "core/isolate.h"
#include "core/loop.h"
#include "core/port.h"
#include "core/promise.h"
#include "core/timer.h"

struct isle__drop {
    struct isle__microtask microtask;
    struct isle__drop *next; /* of the same object: last asked for, first run */
    struct isle__isolate *isolate;
    isle_task *task;
    void *context;
};

static void drop_run(void *argument)
{
    struct isle__drop drop = *(struct isle__drop *)argument;
    isle__heap_discharge(&drop.isolate->heap, sizeof drop);
    isle__memory_free(argument, sizeof drop);
    drop.task(drop.context);
}

/* As in a deferred task, nothing may suspend, and the kill that is under way does not come again.
 */
static void drop_run_last(void *argument)
{
    struct isle__drop *drop = argument;
    drop->isolate->heap.frame->deferring++;
    drop_run(drop);
}

/* The isolate ends: no microtask will run any more. */
static void drop_run_now(void *argument)
{
    struct isle__drop *drop = argument;
    isle__event_run(drop->isolate, drop_run_last, drop);
}

static void drop_add(struct isle__isolate *isolate, const char *function, struct isle__drop **list,
                     isle_task *task, void *context)
{
    if (task == NULL)
        isle__throw(ISLE_EINVAL, "%s: the task is NULL", function);
    isle__heap_charge(&isolate->heap, sizeof(struct isle__drop));
    struct isle__drop *drop = isle__memory_alloc(sizeof *drop);
    if (drop == NULL) {
        isle__heap_discharge(&isolate->heap, sizeof *drop);
        isle__throw(ISLE_ENOMEM, "Out of Memory");
    }
    *drop = (struct isle__drop){
        .microtask = {.run = drop_run, .argument = drop, .drop = drop_run_now},
        .next = *list,
        .isolate = isolate,
        .task = task,
        .context = context,
    };
    *list = drop;
}

void isle__drops_fire(struct isle__drop *list)
{
    while (list != NULL) {
        struct isle__drop *next = list->next;
        isle__microtask_add(list->isolate, &list->microtask);
        list = next;
    }
}

void isle__drops_forget(struct isle__drop *list)
{
    while (list != NULL) {
        struct isle__drop *next = list->next;
        isle__heap_discharge(&list->isolate->heap, sizeof *list);
        isle__memory_free(list, sizeof *list);
        list = next;
    }
}

void isle_port_on_drop(isle_receive_port *port, isle_task *task, void *context)
{
    struct isle__isolate *isolate = isle__isolate_need(__func__);
    drop_add(isolate, __func__, &isle__port_need(isolate, __func__, port)->drops, task, context);
}

void isle_future_on_drop(isle_future *future, isle_task *task, void *context)
{
    struct isle__isolate *isolate = isle__isolate_need(__func__);
    drop_add(isolate, __func__, &isle__promise_need(isolate, __func__, future)->drops, task,
             context);
}

void isle_future_on_cancel(isle_future *future, isle_task *task, void *context)
{
    struct isle__isolate *isolate = isle__isolate_need(__func__);
    struct isle__promise *promise = isle__promise_need(isolate, __func__, future);
    if (promise->slot != NULL || promise->cancel != NULL)
        isle__throw(ISLE_EINVAL, "%s: the future is none of the program's own", __func__);
    if (promise->is_complete && !promise->is_canceled) {
        if (task == NULL)
            isle__throw(ISLE_EINVAL, "%s: the task is NULL", __func__);
        return;
    }
    drop_add(isolate, __func__, &promise->cancels, task, context);
    if (promise->is_canceled)
        isle__promise_tell_canceled(promise);
}

void isle_timer_on_drop(isle_timer *timer, isle_task *task, void *context)
{
    struct isle__isolate *isolate = isle__isolate_need(__func__);
    drop_add(isolate, __func__, isle__timer_drops(isolate, __func__, timer), task, context);
}
