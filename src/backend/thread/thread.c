/* SPDX-License-Identifier: Apache-2.0 */
/* The thread backend: an isolate is a task of the scheduler, on the pool's threads or on one of its
 * own. */
#include "core/backend.h"
#include "core/isolate.h"
#include "core/program.h"
#include "sched/simulation.h"

static isle_err thread_prepare(struct isle__isolate *isolate, const isle_options *options)
{
    if (options->thread != ISLE_THREAD_OWN)
        return ISLE_OK;
    if (isle__simulating() || isle__alone_on) /* then all share the one */
        return ISLE_OK;
    const char *name = options->debug_name == NULL ? "isle-own" : options->debug_name;
    struct isle__cold *cold = isle__isolate_cold(isolate);
    isle_err err = cold == NULL ? ISLE_ENOMEM : isle__worker_start_pinned(name, &cold->own_worker);
    if (err == ISLE_EUNSUPPORTED)
        return isle__fail(err, "this system has no threads");
    if (err == ISLE_ENOMEM)
        return err;
    if (err != ISLE_OK)
        return isle__fail(ISLE_ESPAWN, "Unable to spawn isolate: the system refuses a thread");
    atomic_store_explicit(&isolate->task.home, cold->own_worker, memory_order_release);
    return ISLE_OK;
}

static void thread_wake(struct isle__isolate *isolate)
{
    isle__sched_ready(&isolate->task);
}

static void thread_ended(struct isle__isolate *isolate)
{
    struct isle__cold *cold = isle__isolate_has_cold(isolate);
    if (cold == NULL || cold->own_worker == NULL)
        return;
    isle__worker_release_pinned(cold->own_worker);
    cold->own_worker = NULL;
}

const struct isle__backend_ops isle__backend_thread = {
    .name = "thread",
    .prepare = thread_prepare,
    .wake = thread_wake,
    .ended = thread_ended,
};
