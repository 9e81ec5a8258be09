/* SPDX-License-Identifier: Apache-2.0 */
/* Activities: an event that may suspend (activity.c). */
#ifndef ISLE_CORE_ACTIVITY_H
#define ISLE_CORE_ACTIVITY_H

#include "core/isolate.h"

/* Between events it is at rest: all zero, but for what isle__activity_enter sets. So an event that
 * neither suspends nor leaves anything open pays for nothing of the kind. */
struct isle__activity {
    struct isle__flow *flow;
    struct isle__isolate *isolate;
    struct isle__frame frame;
    struct isle__scope scope; /* of the event */
    struct isle__activity *next_ready;
    struct isle__activity *next, *previous; /* suspended */
    bool is_ready, is_suspended;
    bool is_main; /* the code between isle_start and isle_stop */
    bool forced;  /* resumed to unwind: the isolate ends */
    bool timed_out;
    bool has_suspended; /* in this event */
    struct isle__timer_node timeout;
    const char *waits_in;     /* a function's name */
    uint32_t due;             /* until when the caller of that request waits (due.h); 0 */
    uint64_t serving;         /* reply id of the request that isle_port_serve answers here */
    struct isle__catch catch; /* the boundary of the event; means nothing between events */
};
static inline struct isle__activity *isle__activity_of(struct isle__flow *flow)
{
    return (struct isle__activity *)(void *)flow->local;
}
/* Suspends until woken (ISLE_OK) or the deadline (ISLE_ETIMEDOUT; ISLE_FOREVER: none). Wakes may be
 * spurious: callers look again. ISLE_ENOSUSPEND, ISLE_ENOMEM: it did not. It never throws, so that
 * the caller can take back what would have woken it; one that is `forced` after that unwinds. */
ISLE_MUST_CHECK isle_err isle__activity_wait(struct isle__isolate *isolate, int64_t deadline,
                                             const char *function);
/* The same where isle__activity_can_wait has just said ISLE_OK. */
ISLE_MUST_CHECK isle_err isle__activity_suspend(struct isle__isolate *isolate, int64_t deadline,
                                                const char *function);
/* Throws what isle__activity_wait has refused; `instead` is the callback form to name. */
ISLE_NORETURN void isle__activity_refused(isle_err err, const char *function, const char *instead);
void isle__activity_wake(struct isle__activity *activity);
void isle__activity_continue(
    struct isle__activity *activity); /* never returns but for the main one's bookkeeping */
/* Whether the running code could suspend: ISLE_OK, ISLE_ENOSUSPEND, ISLE_ENOMEM. */
ISLE_MUST_CHECK isle_err isle__activity_can_wait(struct isle__isolate *isolate);
void isle__activity_unlink(struct isle__activity *activity);
struct isle__activity *isle__activity_take_ready(struct isle__isolate *isolate);
/* Opens and closes what an event's code runs in. */
static inline void isle__activity_enter(struct isle__activity *activity, struct isle__flow *flow,
                                        struct isle__isolate *isolate)
{
    activity->flow = flow;
    activity->isolate = isolate;
    isle__frame_begin(&activity->frame, &activity->scope, &isolate->heap);
    isolate->heap.frame = &activity->frame;
    isolate->running = activity;
}
void isle__activity_leave_all(struct isle__activity *activity);
static inline void isle__activity_leave(struct isle__activity *activity)
{
    struct isle__isolate *isolate = activity->isolate;
    if (ISLE__UNLIKELY(activity->has_suspended || (activity->serving | activity->due) != 0 ||
                       !isle__frame_end(&activity->frame, &activity->scope))) {
        isle__activity_leave_all(activity);
        return;
    }
    isolate->running = NULL;
    isolate->heap.frame = NULL;
}
/* The event's code has returned to where it was called, and left nothing open that its end would
 * have to care for: another event may run in the place of this one, after isle__scope_renew. */
static inline bool isle__activity_is_clean(const struct isle__activity *activity)
{
    return !activity->has_suspended && activity->frame.catcher == &activity->catch &&
           isle__frame_is_plain(&activity->frame, &activity->scope);
}
/* Unwinds and ends every suspended activity but the main one, newest first. */
void isle__activities_abandon(struct isle__isolate *isolate);
/* Gives back their stacks, after ports and promises are gone. */
void isle__activities_discard(struct isle__isolate *isolate);
/* The same, within a turn: one with a boundary of isle_protect is resumed to unwind itself, and
 * then this does not return; call it again in the next step. */
void isle__activities_unwind(struct isle__isolate *isolate);

#endif
