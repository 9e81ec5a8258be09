/* SPDX-License-Identifier: Apache-2.0 */
/* What pool.c (jobs, lists, results), pool_worker.c (births, calls, ends) and pool_open.c share.
 * All of it is of one isolate, and lies in memory of isle_alloc. */
#ifndef ISLE_SYSTEMS_POOL_H
#define ISLE_SYSTEMS_POOL_H

#include "isle/pool.h"

struct isle__pool;

/* What is said in a message. In a pool without chunks it is the argument, and the answer is the
 * result. With chunks it is a list of arguments, and the answer [list of results, list of the
 * indices of those that are errors, or null]. */

/* A job, or a list whose elements are jobs. It is over once its future is complete, and is freed
 * once no worker has an element of it; of one that was cancelled by its holder the task that tells
 * so (isle_future_on_cancel) makes it over, nobody before. */
struct isle__pool_job {
    struct isle__pool_job *next, *previous;               /* all of the pool: a ring */
    struct isle__pool_job *next_queued, *previous_queued; /* those with elements to begin: a ring */
    struct isle__pool *pool;
    enum { ISLE__POOL_RUN, ISLE__POOL_MAP, ISLE__POOL_EACH } kind;
    bool is_queued, is_over;
    isle_value value;   /* argument or list: a cell */
    isle_value results; /* of MAP: a cell */
    size_t count, begun, done;
    size_t running;      /* elements that a worker has, or whose results are being told */
    isle_future *future; /* kept */
    isle_handler *on_result;
    void *context;
};

/* A place for one isolate after the other. Its call is always answered, by the isolate or by what
 * is left of it (ISLE_ECLOSED), so there is one call at a time and its callback knows the place. */
struct isle__pool_worker {
    struct isle__pool *pool;
    isle_isolate isolate;
    struct isle__pool_worker *next; /* of those that are idle or empty */
    struct isle__pool_job *job;     /* NULL: none */
    size_t index, count;            /* of the elements that it has */
    size_t jobs_done;
    int64_t ping;      /* whose answer would tell that it lives; 0: none */
    bool is_alive;     /* its end has not been told */
    bool is_calling;   /* the callback is still to come */
    bool is_ending;    /* gets no more jobs */
    bool has_result;   /* `result` is the job's, which is over once the worker has ended */
    bool is_error;     /* `result` is */
    isle_value result; /* that, or an error that may be the worker's (ping): a cell */
    isle_value end;    /* the monitor's message, while the callback is awaited: a cell */
};

struct isle__pool {
    void *handle;
    isle_computation *work; /* NULL: uri */
    char *uri;
    unsigned worker_count, jobs_max, chunk;
    size_t queue_max;
    isle_options options; /* of each worker, with our own copies of what it points to */
    isle_pool_end *on_end;
    void *context;
    struct isle__pool_worker *workers;      /* worker_count of them */
    struct isle__pool_worker *idle, *empty; /* stacks */
    struct isle__pool_job *jobs, *queue;    /* rings: their first, NULL: none */
    isle_receive_port *news; /* ends, errors, answers to pings: what the runtime says of workers */
    struct isle__pool_job *spare; /* zero; NULL: none */
    int64_t pings;
    unsigned busy; /* functions of the program that were called with it and have not returned */
    bool is_closed;
    isle_pool_stats stats;
};

/* --- pool_worker.c */

/* Whether a job could begin at once. */
static inline bool isle__pool_has_room(const struct isle__pool *pool)
{
    return pool->idle != NULL || pool->empty != NULL;
}
/* Gives elements of the job to a worker; there is room. The code, with isle_last_error set, if they
 * could not begin. */
isle_err isle__pool_begin(struct isle__pool *pool, struct isle__pool_job *job, size_t index,
                          size_t count);
/* Ends the workers that have elements of the job, as far as memory allows. */
void isle__pool_interrupt(struct isle__pool *pool, const struct isle__pool_job *job);
/* Asks all workers to end; throws what isle_kill throws. */
void isle__pool_end_workers(struct isle__pool *pool);
/* The handler of pool->news. */
void isle__pool_news(isle_value message, void *context);

/* --- pool.c */

/* The worker's elements have come to something: it has none any more, others begin. The code of
 * what on_result has thrown, with isle_last_error set, to be thrown when all is done. The pool may
 * be gone. */
isle_err isle__pool_finish(struct isle__pool_worker *worker, isle_value value, bool is_error);
/* Of one that is closed, or half made (pool_open.c). */
void isle__pool_free(struct isle__pool *pool);
/* isle_release that does without when there is no memory: it is the isolate's until its end then.
 */
void isle__pool_release(isle_value value);
/* Entries of one list into another, which has places for them. */
void isle__pool_list_copy(isle_value to, size_t to_index, isle_value from, size_t from_index,
                          size_t count);
/* Begins what can begin. */
void isle__pool_fill(struct isle__pool *pool);
/* Frees a pool that is closed and has nothing left. */
void isle__pool_settle(struct isle__pool *pool);

#endif
