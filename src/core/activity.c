/* SPDX-License-Identifier: Apache-2.0 */
/* Activities: an event that may suspend. Its state lies at the top of the stack on which it runs
 * (the flow's local part), so that an isolate that never suspends has none of its own. While an
 * activity waits, the isolate's turn goes on with other events on a fresh stack.
 *
 * Law: the loop resumes an activity only from within a turn of its isolate; so between two
 * suspensions it is the only code of the isolate that runs. */
#include "core/activity.h"

#include <string.h>

#include "core/isolate.h"
#include "core/program.h"
#include "core/promise.h"
#include "core/shelf.h"
#include "core/timer.h"
#include "core/uncaught.h"

_Static_assert(sizeof(struct isle__activity) <= ISLE__FLOW_LOCAL_SIZE,
               "an activity must fit into its flow");

static void activity_set_to_rest(struct isle__activity *activity)
{
    memset(activity, 0, offsetof(struct isle__activity, catch));
}

static void activity_link(struct isle__isolate *isolate, struct isle__activity *activity)
{
    activity->previous = NULL;
    activity->next = isolate->suspended;
    if (activity->next != NULL)
        activity->next->previous = activity;
    isolate->suspended = activity;
    activity->is_suspended = true;
    isle__frame_link(&activity->frame);
    isle__tally_add(ISLE__TALLY_SUSPENDED);
}

void isle__activity_unlink(struct isle__activity *activity)
{
    struct isle__isolate *isolate = activity->isolate;
    if (activity->previous != NULL)
        activity->previous->next = activity->next;
    else
        isolate->suspended = activity->next;
    if (activity->next != NULL)
        activity->next->previous = activity->previous;
    activity->is_suspended = false;
    isle__tally_add(ISLE__TALLY_RESUMED);
}

void isle__activity_leave_all(struct isle__activity *activity)
{
    struct isle__isolate *isolate = activity->isolate;
    struct isle__scope outer;
    isle_value error;
    /* The error of a deferred task needs a place outside the scope that ends. */
    bool defers = activity->scope.defers != NULL;
    if (defers)
        isle__scope_underlay(&outer, &activity->scope);
    if (isle__scope_fini(&activity->scope, &error))
        isle__uncaught(isolate, error);
    if (defers)
        (void)isle__scope_fini(&outer, NULL);
    isle__frame_fini(&activity->frame);
    activity_set_to_rest(activity);
    isolate->running = NULL;
    isolate->heap.frame = NULL;
}

static void activity_abandon(struct isle__activity *activity)
{
    struct isle__isolate *isolate = activity->isolate;
    isle__activity_unlink(activity);
    isolate->heap.frame = &activity->frame;
    isle__timer_remove(isolate, &activity->timeout);
    isle__frame_abandon(&activity->frame);
    isle__frame_fini(&activity->frame);
    isolate->heap.frame = NULL;
    if (activity->serving != 0)
        isle__reply_closed(activity->serving);
    /* Ports and futures still lead to what lies in its frames: waiters, observers. */
    activity->next = isolate->abandoned;
    isolate->abandoned = activity;
}

void isle__activities_discard(struct isle__isolate *isolate)
{
    while (isolate->abandoned != NULL) {
        struct isle__activity *activity = isolate->abandoned;
        struct isle__flow *flow = activity->flow;
        isolate->abandoned = activity->next;
        activity_set_to_rest(activity);
        isle__flow_discard(flow);
    }
}

/* Newest first, the main one never; NULL: none is left. */
static struct isle__activity *activity_newest(const struct isle__isolate *isolate)
{
    struct isle__activity *activity = isolate->suspended;
    while (activity != NULL && activity->is_main)
        activity = activity->next;
    return activity;
}

/* Frames of another library, or of C++ with destructors, stand outside an isle_protect: they must
 * be left by returning. */
static bool activity_is_protected(const struct isle__activity *activity)
{
    const struct isle__catch *catch = activity->frame.catcher;
    while (catch != NULL && catch->kind != ISLE__CATCH_PROTECT)
        catch = catch->outer;
    return catch != NULL;
}

void isle__activities_unwind(struct isle__isolate *isolate)
{
    struct isle__activity *activity;
    isolate->ready = NULL;
    while ((activity = activity_newest(isolate)) != NULL) {
        if (activity_is_protected(activity)) {
            activity->is_ready = false;
            activity->forced = true;
            isle__activity_continue(activity);
        } else {
            activity_abandon(activity);
        }
    }
}

void isle__activities_abandon(struct isle__isolate *isolate)
{
    struct isle__activity *activity;
    isolate->ready = NULL;
    while ((activity = activity_newest(isolate)) != NULL)
        activity_abandon(activity);
}

isle_err isle__activity_can_wait(struct isle__isolate *isolate)
{
    if (isolate->running == NULL || isolate->running->forced || isolate->heap.frame->deferring > 0)
        return ISLE_ENOSUSPEND;
    return isle__flow_reserve();
}

static void activity_timed_out(struct isle__isolate *isolate, struct isle__timer_node *node)
{
    (void)isolate;
    struct isle__activity *activity =
        (void *)((char *)node - offsetof(struct isle__activity, timeout));
    activity->timed_out = true;
    isle__activity_wake(activity);
}

void isle__activity_refused(isle_err err, const char *function, const char *instead)
{
    if (err == ISLE_ENOSUSPEND)
        isle__throw(err, "%s cannot suspend here; use the callback form: %s", function, instead);
    isle__throw(ISLE_ENOMEM, "Out of Memory");
}

isle_err isle__activity_suspend(struct isle__isolate *isolate, int64_t deadline,
                                const char *function)
{
    struct isle__activity *self = isolate->running;
    self->timed_out = false;
    self->waits_in = function;
    if (deadline != ISLE_FOREVER) {
        self->timeout.fire = activity_timed_out;
        if (isle__timer_add(isolate, &self->timeout, deadline) != ISLE_OK)
            return ISLE_ENOMEM;
    }
    self->has_suspended = true;
    activity_link(isolate, self);
    isolate->running = NULL;
    isolate->heap.frame = NULL;
    if (self->is_main)
        isle__main_suspends(isolate);
    isle__flow_suspend();
    /* Resumed by isle__activity_continue, perhaps on another thread. */
    if (deadline != ISLE_FOREVER)
        isle__timer_remove(isolate, &self->timeout);
    self->waits_in = NULL;
    return self->timed_out ? ISLE_ETIMEDOUT : ISLE_OK;
}

isle_err isle__activity_wait(struct isle__isolate *isolate, int64_t deadline, const char *function)
{
    isle_err err = isle__activity_can_wait(isolate);
    return err == ISLE_OK ? isle__activity_suspend(isolate, deadline, function) : err;
}

void isle__activity_wake(struct isle__activity *activity)
{
    struct isle__isolate *isolate = activity->isolate;
    if (activity->is_ready || !activity->is_suspended)
        return;
    activity->is_ready = true;
    if (isolate->ready != NULL) {
        activity->next_ready = isolate->ready->next_ready;
        isolate->ready->next_ready = activity;
    } else {
        activity->next_ready = activity;
    }
    isolate->ready = activity;
    isle__main_made_work(isolate);
}

struct isle__activity *isle__activity_take_ready(struct isle__isolate *isolate)
{
    if (isolate->ready == NULL)
        return NULL;
    struct isle__activity *activity = isolate->ready->next_ready;
    isolate->ready->next_ready = activity->next_ready;
    if (isolate->ready == activity)
        isolate->ready = NULL;
    activity->is_ready = false;
    return activity;
}

void isle__activity_continue(struct isle__activity *activity)
{
    struct isle__isolate *isolate = activity->isolate;
    isle__activity_unlink(activity);
    isolate->running = activity;
    isolate->heap.frame = &activity->frame;
    if (activity->is_main)
        isle__main_resumes(isolate);
    isle__flow_resume(activity->flow);
}
