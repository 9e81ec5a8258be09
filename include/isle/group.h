/* SPDX-License-Identifier: Apache-2.0 */
/* Groups: what belongs to one piece of work ends with it. A group owns isolates, futures (calls,
 * runs, waits), timers and other groups; it is opened in a scope and does not outlive it.
 *
 *     isle_group *group = isle_group_open(&(isle_group_options){.deadline_ns = ISLE_SECONDS(2)});
 *     isle_group_spawn(group, worker, part, NULL);
 *     isle_future *price = isle_group_own(group, isle_call(shop, question, ISLE_FOREVER));
 *     if (isle_group_wait(group) != ISLE_OK)
 *         … isle_last_error() says what went wrong first, and nothing of the group is left
 *
 * Members are waited for: isolates, futures, and what groups inside own; timers are not. The first
 * member that fails ends the others, unless the options say otherwise. A member fails when its
 * future completes with an error, or its isolate ends for any reason but ISLE_RETURNED.
 *
 * The end of a group, whatever brings it about, takes its members newest first: timers and futures
 * are cancelled, isolates asked by isle_shutdown, each when all that is newer is gone. When
 * shutdown_ns are over what is left is killed. Leaving the scope without isle_group_wait or
 * isle_group_close (a throw, a kill, or a return) ends all at once, since nobody can wait there:
 * timers and futures are cancelled, isolates killed, newest first; they end on their own. So
 * it is where the isolate is a process that is killed or crashes: the host ends what its groups own
 * then, on whichever side of the wall that is.
 *
 * A group belongs to the isolate that opened it. Python Trio: nursery; Kotlin: coroutineScope; Go:
 * errgroup. */
#ifndef ISLE_GROUP_H
#define ISLE_GROUP_H

#include "isolate.h"

typedef struct isle_group isle_group; /* a checked handle, like a port */

/* All zero is the default. Grows at its end only. */
typedef struct isle_group_options {
    int64_t deadline_ns; /* from now: then the group ends with ISLE_ETIMEDOUT; 0: none. No later
                            than isle_call_deadline where a request is served */
    int64_t shutdown_ns; /* from the begin of its end to the kill; 0: 5 s; ISLE_FOREVER: no kill */
    isle_group *parent;  /* it is a member of this one; NULL: of none */
    bool keep_going;     /* a member that fails ends no other (Kotlin: supervisorScope) */
    bool together;       /* at the end all isolates are asked at once, newest first */
} isle_group_options;

ISLE_BEGIN

/* A group of the current scope. Throws ISLE_ERANGE (a negative duration), ISLE_EUNSUPPORTED (an
 * option that this version does not know), and for the parent what isle_group_spawn does. `options`
 * may be NULL. */
ISLE_API isle_group *isle__group_open(const isle_group_options *options, size_t options_size);
static inline isle_group *isle_group_open(const isle_group_options *options)
{
    return isle__group_open(options, sizeof(isle_group_options));
}

/* isle_spawn and isle_run of a member, with all that these throw; nothing is left in the group
 * then. options->monitor is the group's own: ISLE_EINVAL if it is set (isle_monitor the handle).
 * The future belongs to the caller as well. Adding to a group that ends throws ISLE_ECLOSED. */
ISLE_API isle_isolate isle__group_spawn(isle_group *group, isle_entry *entry, isle_value message,
                                        const isle_options *options, size_t options_size);
static inline isle_isolate isle_group_spawn(isle_group *group, isle_entry *entry,
                                            isle_value message, const isle_options *options)
{
    return isle__group_spawn(group, entry, message, options, sizeof(isle_options));
}
ISLE_API isle_future *isle__group_run(isle_group *group, isle_computation *computation,
                                      isle_value argument, const isle_options *options,
                                      size_t options_size);
static inline isle_future *isle_group_run(isle_group *group, isle_computation *computation,
                                          isle_value argument, const isle_options *options)
{
    return isle__group_run(group, computation, argument, options, sizeof(isle_options));
}

/* Makes an isolate that is there already a member. The handle needs terminate_capability, else it
 * is waited for at most. How one ended that has ended before is not known: it counts as failed. */
ISLE_API void isle_group_add(isle_group *group, isle_isolate isolate);
/* Makes a future a member and returns it. Its error counts as asked for: the group tells it. Throws
 * ISLE_ESTALE for one that is over. */
ISLE_API isle_future *isle_group_own(isle_group *group, isle_future *future);
/* isle_timer_start and, with a period, isle_timer_periodic. */
ISLE_API isle_timer *isle_group_timer(isle_group *group, int64_t delay_ns, isle_task *task,
                                      void *context);
ISLE_API isle_timer *isle_group_periodic(isle_group *group, int64_t period_ns, isle_task *task,
                                         void *context);

/* Members that are waited for. */
ISLE_API size_t isle_group_count(const isle_group *group);

/* Begins the end of the group and returns: what is waited for ends in later events. Once is enough;
 * nothing for one that has ended. For the task of isle_on_shutdown. */
ISLE_API void isle_group_cancel(isle_group *group);
/* Waits until no member is left, then the group is gone. ISLE_OK; or the code of what went wrong
 * first, with the error in isle_last_error: a future's own, ISLE_EREMOTE ("NAME: REASON: TEXT") for
 * an isolate, ISLE_ETIMEDOUT for the deadline, ISLE_ECANCELED for isle_group_cancel and the end of
 * its parent. Any number may wait. Where it cannot wait (ISLE_ENOSUSPEND, ISLE_ENOMEM) nothing has
 * changed. */
ISLE_API ISLE_MUST_CHECK ISLE_SUSPENDS isle_err isle_group_wait(isle_group *group);
/* Ends the group, waits until its members have ended, and it is gone: ISLE_OK. ISLE_ETIMEDOUT: some
 * that were killed have not stopped within another shutdown_ns, or a second if that is longer; they
 * will at their next kill point. Where it cannot wait (a deferred task) it does what leaving the
 * scope does. Closing again does nothing. */
ISLE_API ISLE_SUSPENDS isle_err isle_group_close(isle_group *group);

ISLE_END

#endif
