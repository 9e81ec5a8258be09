/* SPDX-License-Identifier: Apache-2.0 */
/* The scheduler: tasks, the workers that run them, and the flows (stacks) on which they run. It
 * knows nothing of isolates.
 *
 * Borrowed stacks. A worker's loop runs on a flow of the pool and calls task->run as an ordinary
 * function: no switch. If code below run() has to wait, it calls isle__flow_suspend: the flow,
 * worker loop's frame included, stays with it, and the worker goes on with its loop on a fresh
 * flow, where it calls run() of the same task again, which continues its turn. isle__flow_resume
 * does the reverse: the running flow is given back to the pool and the suspended one goes on, on
 * this worker. So run() must keep nothing in its frame that matters, and everything here is fetched
 * anew after each call of run(): the thread may be another.
 *
 * Laws: a task is in at most one queue and run by at most one worker at a time; who calls
 * isle__sched_ready sees to that (core's mailbox word does). A pinned task (home set) is run by
 * that worker only. No callback is called with a lock held. */
#ifndef ISLE_SCHED_H
#define ISLE_SCHED_H

#include "platform/platform.h"

struct isle__worker;

struct isle__task {
    struct isle__task *next; /* in a queue */
    void (*run)(struct isle__task *task);
    _Atomic(struct isle__worker *) home; /* NULL: any worker of the pool. Changed only while the
                                            task is neither ready nor running, or by who runs it */
};

/* --- flows (flow.c) */

#define ISLE__FLOW_LOCAL_SIZE 1024
struct isle__flow {
    struct isle__context context;
    struct isle__stack stack;                                /* low NULL: the thread's own */
    struct isle__flow *next;                                 /* in a cache */
    _Alignas(16) unsigned char local[ISLE__FLOW_LOCAL_SIZE]; /* the upper layer's: its activity */
};
struct isle__flow *isle__flow_current(void);
/* Makes sure that the next isle__flow_suspend of this worker has a stack. ISLE_ENOMEM;
 * ISLE_ENOSUSPEND without stacks. */
ISLE_MUST_CHECK isle_err isle__flow_reserve(void);
void isle__flow_forked(void); /* in a forked child that goes on: what is reserved is its own */
/* See above; isle__flow_reserve has succeeded since the last suspension. Returns when resumed,
 * perhaps on another thread. */
void isle__flow_suspend(void);
/* Never returns. `flow` is suspended, of this program, and nobody else resumes it. */
ISLE_NORETURN void isle__flow_resume(struct isle__flow *flow);
/* Gives back the stack of a suspended flow that will never be resumed. */
void isle__flow_discard(struct isle__flow *flow);

/* --- workers (worker.c) */

static inline struct isle__worker *isle__worker_current(void) /* NULL on foreign threads */
{
    return isle__word_get_worker();
}
/* Memory of each worker for the upper layer, which is told when one begins and ends: on any thread,
 * with no lock held, and not while the worker runs. */
#define ISLE__WORKER_LOCAL_SIZE 1152
struct isle__worker_head { /* the first member of a worker (worker.h) */
    unsigned char local[ISLE__WORKER_LOCAL_SIZE];
    _Atomic uint64_t beat; /* events begun; written by the owner alone */
};
static inline void *isle__worker_local(struct isle__worker *worker)
{
    return ((struct isle__worker_head *)(void *)worker)->local;
}
static inline _Atomic uint64_t *isle__worker_beat(struct isle__worker *worker)
{
    return &((struct isle__worker_head *)(void *)worker)->beat;
}
extern void (*isle__sched_worker_begins)(void *local), (*isle__sched_worker_ends)(void *local);
/* Starts the pool with `count` workers (0: none; everything runs on the attached thread). */
ISLE_MUST_CHECK isle_err isle__sched_start(unsigned count, size_t stack_size);
/* Ends the pool's threads. No task is ready or running. */
void isle__sched_stop(void);
/* The running task's turn ends here, although run() has not returned: the flow goes on as the
 * worker's own. */
void isle__sched_leave_task(void);
/* Runs one ready task on the attached worker's own flow, as a function; false: there is none, or
 * the pool runs them. */
bool isle__worker_run_one(void);
/* Takes what is ready off an attached worker, without running it. */
void isle__worker_forget_ready(struct isle__worker *worker);
/* Makes a task ready to run. Any thread. */
void isle__sched_ready(struct isle__task *task);
/* A task that ran long gives way: it goes to the end of its queue. */
void isle__sched_yielded(struct isle__task *task);
/* The running task waits for what nobody tells the scheduler of, and looks itself: it is run again
 * when this worker has nothing else, and now and then when it has. It is this worker's, unless that
 * does not come back, and nobody is woken for it; a worker that has one does not park. So who does
 * this has an end of it. */
void isle__sched_look_again(struct isle__task *task);
/* Nothing else is ready for the running worker. */
bool isle__sched_is_free(void);
/* The running worker does something new: the monitor counts these. */
static inline void isle__sched_beat(void)
{
    _Atomic uint64_t *beat = isle__worker_beat(isle__worker_current());
    atomic_store_explicit(beat, atomic_load_explicit(beat, memory_order_relaxed) + 1,
                          memory_order_relaxed);
}
size_t isle__sched_reserved(void); /* bytes of its own bookkeeping, suspended stacks not counted */
uint64_t
isle__sched_thread_count(void); /* of the pool, its monitor and pinned workers' own threads */
/* How much of the time since the last call the machine let the pool's workers run: what the one
 * that most wants for a core had of it, `elapsed` if none does. For one thread at a time. */
int64_t isle__sched_time_given(int64_t elapsed);

/* Attaches the calling thread as a worker that runs pinned tasks only (all tasks, when the pool has
 * no workers); its own flow is running then. */
ISLE_MUST_CHECK isle_err isle__worker_attach(struct isle__worker **ret_worker);
void isle__worker_detach(struct isle__worker *worker);
/* Called by the attached thread's own flow: suspends it and runs the loop until somebody resumes
 * that flow. */
void isle__worker_serve(void);
/* If a descriptor is set, it is raised whenever a task of this worker becomes ready. */
void isle__worker_set_notifier(struct isle__worker *worker, int fd);
struct isle__flow *isle__worker_own_flow(struct isle__worker *worker);
bool isle__worker_has_ready(struct isle__worker *worker);
/* Called by a worker's loop whenever it has nothing to do, before it parks; on a pool-less program
 * it may wait inside. Returns true if it did something. */
extern bool (*isle__sched_idle_hook)(struct isle__worker *worker);

/* Where there is no pool: called when a thread that is no worker has made a task ready. */
extern void (*isle__sched_outside_hook)(void);

/* Starts a thread that runs pinned tasks only. ISLE_ESYSTEM, ISLE_ENOMEM. */
ISLE_MUST_CHECK isle_err isle__worker_start_pinned(const char *name,
                                                   struct isle__worker **ret_worker);
/* Its thread ends when it next has nothing ready; it frees itself. */
void isle__worker_release_pinned(struct isle__worker *worker);

/* A debugging aid and test hook: every ready task goes to a queue shared by all workers, so that an
 * activity changes threads at nearly every suspension. */
extern _Atomic bool isle__sched_scatter;

#endif
