/* SPDX-License-Identifier: Apache-2.0 */
/* Pools: many isolates, one function. A job goes to one worker, and its result comes back in a
 * future; a worker that fails, crashes or is stopped costs its job alone and is replaced. Workers
 * are isolates of any backend. Python: multiprocessing.Pool. */
#ifndef ISLE_POOL_H
#define ISLE_POOL_H

#include "isolate.h"
#include "monitor.h"

/* Of one isolate, like a receive port: a checked handle, ISLE_ESTALE once it is closed. */
typedef struct isle_pool isle_pool;

/* Told of a worker's end, in an event of the pool's isolate, before the job completes that it had:
 * that is its future, or NULL if it had none or one of isle_pool_map or _each. `end` lives as long
 * as the event. */
typedef void isle_pool_end(const isle_end *end, isle_future *job, void *context);

/* All zero: one worker per core, on threads. Read during the call. Grows at its end only. */
typedef struct isle_pool_options {
    unsigned worker_count; /* at most so many at a time, each born when there is a job for it; 0:
                              isle_cpu_count() */
    size_t queue_max;      /* jobs of isle_pool_run that wait for a worker; 0: 1024;
                              ISLE_UNLIMITED */
    unsigned jobs_max;     /* a worker is replaced after so many jobs; 0: never. 1: every job has an
                              isolate of its own, with all limits its own, and is over once that has
                              ended */
    unsigned chunk; /* elements of a list that a worker is given in one message, at most; 0: 1.
                       Many small jobs cost a fraction each; they share their fate if the worker
                       ends or the results cannot be sent. ISLE_EINVAL with .uri */
    const isle_options *workers; /* backend, limits, name … of each worker; deadline_ns counts from
                                    its birth. on_error, if none, is the pool's: errors that end a
                                    worker are told by its job, not on stderr. `monitor` is the
                                    pool's (ISLE_EINVAL; use on_end), as is `paused` */
    const char *uri; /* instead of a function: a plug-in (isle_spawn_uri, arguments null, message
                        null) that serves its default port: a request is a job */
    isle_pool_end *on_end;
    void *context; /* of on_end */
} isle_pool_options;

/* Counts of a pool, at this moment. Grows at its end only. */
typedef struct isle_pool_stats {
    size_t workers;  /* isolates alive */
    size_t waiting;  /* jobs in the queue; elements of lists do not count */
    size_t running;  /* jobs and elements that a worker has */
    uint64_t done;   /* jobs and elements that a worker has answered, errors included */
    uint64_t lost;   /* those whose worker ended instead, canceled ones included */
    uint64_t births; /* of workers */
} isle_pool_stats;

ISLE_BEGIN
ISLE_API isle_pool *isle__pool_open(isle_computation *work, const isle_pool_options *options,
                                    size_t options_size, size_t worker_options_size);
ISLE_API ISLE_SUSPENDS isle_value isle__run_list(isle_computation *work, isle_value list,
                                                 const isle_pool_options *options,
                                                 size_t options_size, size_t worker_options_size);
ISLE_API void isle__pool_stats_read(const isle_pool *pool, isle_pool_stats *ret_stats,
                                    size_t stats_size);

/* A pool whose workers run `work`, one job at a time each; it may suspend, and what it throws is
 * its job's error and harms nothing else. What a worker keeps (ISLE_LOCAL, isle_keep) is there for
 * its next job. Workers end with the pool's isolate, however that ends; an idle pool does not keep
 * it alive. `options` may be NULL. ISLE_EINVAL: neither work nor .uri, or both; a `monitor`.
 * ISLE_EUNSUPPORTED: an option that this version does not know. Whether the options suit the
 * backend is found when a worker is born: its job then has that error. */
static inline isle_pool *isle_pool_open(isle_computation *work, const isle_pool_options *options)
{
    return isle__pool_open(work, options, sizeof(isle_pool_options), sizeof(isle_options));
}
/* Ends the workers; jobs that are not done complete with ISLE_ECANCELED. Closing again does
 * nothing; NULL is fine. Throws ISLE_ENOMEM, ISLE_EFULL as control functions do: the pool is open
 * then. */
ISLE_API void isle_pool_close(isle_pool *pool);

/* One job: work(copy of argument), in the first worker that is free. Completes with the result or
 * the error; with ISLE_ENORESULT if the worker ended, with the reason as text ("the worker ended:
 * crashed: SIGSEGV"); with what isle_spawn or isle_send throws if it could not begin. Throws
 * ISLE_EFULL when the queue is full. Cancelling it takes the job back; if it runs, its worker is
 * killed, and replaced when there is need. The deadline of a request that the caller serves
 * (isle_call_deadline) bounds how long that waits, not the job: cancel it. */
ISLE_API isle_future *isle_pool_run(isle_pool *pool, isle_value argument);

/* work() of every element of a list, however long: no element waits in the queue, and the list is
 * kept meanwhile. Lists and jobs that wait have their turns one element each. ISLE_ETYPE: no list.
 *
 * In order: the list of results. Throws the first error, cancelling the rest. */
ISLE_API ISLE_SUSPENDS isle_value isle_pool_map(isle_pool *pool, isle_value list);
/* As they come: on_result gets [index, result or error value] for each, in an event apiece or, with
 * .chunk, one for those of a message. Completes with null after the last of these has returned;
 * cancelling it ends it as it does a job, and on_result is not called any more. ISLE_EINVAL: no
 * on_result. */
ISLE_API isle_future *isle_pool_each(isle_pool *pool, isle_value list, isle_handler *on_result,
                                     void *context);
/* isle_pool_map with a pool for this call alone, of as many workers as there are elements at most.
 */
static inline ISLE_SUSPENDS isle_value isle_run_list(isle_computation *work, isle_value list,
                                                     const isle_pool_options *options)
{
    return isle__run_list(work, list, options, sizeof(isle_pool_options), sizeof(isle_options));
}

/* Writes the counts to *ret_stats. */
static inline void isle_pool_stats_read(const isle_pool *pool, isle_pool_stats *ret_stats)
{
    isle__pool_stats_read(pool, ret_stats, sizeof(isle_pool_stats));
}
ISLE_END

#endif
