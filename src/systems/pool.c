/* SPDX-License-Identifier: Apache-2.0 */
/* Pools: jobs, lists, and what they come to. pool_worker.c has the workers, pool_open.c the life of
 * the pool itself.
 *
 * Jobs and lists with elements to begin stand in one ring, and have their turns in it, an element
 * each: so a job waits for no list. All here happens in events of the pool's isolate. Functions of
 * the program (on_result, on_end) are called last, when the pool is consistent: they may call
 * anything, close the pool, suspend and throw.
 *
 * Out of memory: what cannot be told with its value is told with ISLE_ENOMEM, which needs none, so
 * every job comes to something. */
#include "systems/pool.h"

#include "isle/error.h"
#include "isle/future.h"
#include "isle/port.h"
#include "isle/scope.h"
#include "isle/timer.h"
#include "isle/value.h"
#include "systems/handle.h"
#include "value/failure.h"

enum { POOL_AT_ONCE = 64 }; /* entries of a list that lie on the stack meanwhile */

static struct isle__pool *pool_need(const isle_pool *handle, const char *function)
{
    return isle__system_need(ISLE__SYSTEM_POOL, handle, function);
}

void isle__pool_list_copy(isle_value to, size_t to_index, isle_value from, size_t from_index,
                          size_t count)
{
    isle_value values[POOL_AT_ONCE];
    for (size_t done = 0, some; done < count; done += some) {
        some = count - done < POOL_AT_ONCE ? count - done : POOL_AT_ONCE;
        isle_list_read(from, from_index + done, some, values);
        isle_list_write(to, to_index + done, some, values);
    }
}

/* --- the rings */

/* While there are jobs the pool keeps its isolate: what comes next may be the end of a worker. */
static void job_link(struct isle__pool_job *job)
{
    struct isle__pool_job *first = job->pool->jobs;
    if (first == NULL) {
        job->next = job->previous = job->pool->jobs = job;
        isle_port_set_keep_alive(job->pool->news, true);
        return;
    }
    job->next = first;
    job->previous = first->previous;
    job->previous->next = first->previous = job;
}

static void job_unlink(struct isle__pool_job *job)
{
    struct isle__pool *pool = job->pool;
    job->next->previous = job->previous;
    job->previous->next = job->next;
    if (pool->jobs == job)
        pool->jobs = job->next == job ? NULL : job->next;
    if (pool->jobs == NULL)
        isle_port_set_keep_alive(pool->news, false);
}

static void job_enqueue(struct isle__pool_job *job)
{
    struct isle__pool *pool = job->pool;
    struct isle__pool_job *first = pool->queue;
    job->is_queued = true;
    pool->stats.waiting += job->kind == ISLE__POOL_RUN;
    if (first == NULL) {
        job->next_queued = job->previous_queued = pool->queue = job;
        return;
    }
    job->next_queued = first;
    job->previous_queued = first->previous_queued;
    job->previous_queued->next_queued = first->previous_queued = job;
}

static void job_dequeue(struct isle__pool_job *job)
{
    struct isle__pool *pool = job->pool;
    if (!job->is_queued)
        return;
    job->is_queued = false;
    pool->stats.waiting -= job->kind == ISLE__POOL_RUN;
    job->next_queued->previous_queued = job->previous_queued;
    job->previous_queued->next_queued = job->next_queued;
    if (pool->queue == job)
        pool->queue = job->next_queued == job ? NULL : job->next_queued;
}

/* --- ends of jobs and pools */

static isle_value release_run(isle_value pointer)
{
    isle_release(*(isle_value *)isle_as_pointer(pointer));
    return isle_null();
}

void isle__pool_release(isle_value value)
{
    isle_kind kind = isle_kind_of(value);
    bool has_memory = kind != ISLE_NULL && kind != ISLE_BOOL && kind != ISLE_INT;
    if (has_memory && isle_try(release_run, isle_pointer(&value), NULL) != ISLE_OK)
        return;
}

void isle__pool_settle(struct isle__pool *pool)
{
    if (pool->is_closed && pool->jobs == NULL && pool->stats.workers == 0 && pool->busy == 0)
        isle__pool_free(pool);
}

static void job_give_back(struct isle__pool *pool, struct isle__pool_job *job)
{
    if (pool->spare != NULL) {
        isle_free(job);
        return;
    }
    *job = (struct isle__pool_job){0};
    pool->spare = job;
}

/* The job may be gone afterwards, and its pool. */
static void job_settle(struct isle__pool_job *job)
{
    struct isle__pool *pool = job->pool;
    if (!job->is_over || job->running > 0)
        return;
    job_unlink(job);
    isle__pool_release(job->value);
    isle__pool_release(job->results);
    isle_future_release(job->future);
    job_give_back(pool, job);
    isle__pool_settle(pool);
}

/* Nobody has its result, and nobody has cancelled it. */
static bool job_is_awaited(const struct isle__pool_job *job)
{
    return !job->is_over && !isle_future_is_complete(job->future);
}

struct completing {
    isle_future *future;
    isle_value value;
    bool is_error;
};

static isle_value completing_run(isle_value pointer)
{
    const struct completing *completing = isle_as_pointer(pointer);
    if (completing->is_error)
        isle_future_complete_error(completing->future, completing->value);
    else
        isle_future_complete(completing->future, completing->value);
    return isle_null();
}

/* No more of it begins. One that its holder has cancelled is left to job_canceled. */
static void job_complete(struct isle__pool_job *job, isle_value value, bool is_error)
{
    if (!job_is_awaited(job))
        return;
    struct completing completing = {job->future, value, is_error};
    job_dequeue(job);
    job->is_over = true;
    if (isle_try(completing_run, isle_pointer(&completing), NULL) != ISLE_OK)
        isle_future_complete_error(job->future, isle__error_make(ISLE_ENOMEM, NULL, NULL));
}

/* The task of a future that was cancelled, by its holder or by isle_pool_close. */
static void job_canceled(void *context)
{
    struct isle__pool_job *job = context;
    job_dequeue(job);
    job->is_over = true;
    isle__pool_interrupt(job->pool, job);
    job_settle(job);
}

/* The first error ends a map, whatever else of it runs. */
static void job_fail(struct isle__pool_job *job, isle_value error)
{
    job_complete(job, error, true);
    isle__pool_interrupt(job->pool, job);
}

/* --- what an element comes to */

struct result {
    struct isle__pool_job *job;
    size_t index;
    isle_value value;
};

static isle_value result_entry(isle_value pointer)
{
    const struct result *result = isle_as_pointer(pointer);
    isle_value entry = isle_list_fixed(2);
    isle_list_set(entry, 0, isle_int((int64_t)result->index));
    isle_list_set(entry, 1, result->value);
    return entry;
}

static isle_value result_tell(isle_value pointer)
{
    const struct result *result = isle_as_pointer(pointer);
    result->job->on_result(result->value, result->job->context);
    return isle_null();
}

/* Of isle_pool_each. What on_result throws is its caller's to throw. */
static isle_err result_hand_over(struct result *result)
{
    struct isle__pool_job *job = result->job;
    isle_value pointer = isle_pointer(result);
    isle_err err = ISLE_OK;
    if (job_is_awaited(job)) {
        if (isle_try(result_entry, pointer, &result->value) == ISLE_OK)
            err = isle_try(result_tell, pointer, NULL);
        else
            job_complete(job, isle__error_make(ISLE_ENOMEM, NULL, NULL), true);
    }
    if (++job->done == job->count)
        job_complete(job, isle_null(), false);
    return err;
}

/* --- an element that could not begin */

struct late {
    struct result result; /* value: a cell */
};

static void late_tell(void *context)
{
    struct late late = *(struct late *)context;
    struct isle__pool_job *job = late.result.job;
    isle_free(context);
    isle_err err = result_hand_over(&late.result);
    job->running--;
    job_settle(job);
    isle__pool_release(late.result.value);
    if (err != ISLE_OK)
        isle_throw(isle_last_error());
}

static isle_value late_schedule(isle_value pointer)
{
    const struct result *result = isle_as_pointer(pointer);
    struct late *late = isle_new(struct late);
    late->result = *result;
    late->result.value = isle_null();
    isle_cell_set(&late->result.value, result->value);
    isle_schedule_microtask(late_tell, late);
    return isle_null();
}

static void job_fail_element(struct isle__pool_job *job, size_t index, isle_value error)
{
    struct result result = {job, index, error};
    if (job->kind == ISLE__POOL_RUN)
        job_complete(job, error, true);
    else if (job->kind == ISLE__POOL_MAP)
        job_fail(job, error);
    else if (isle_try(late_schedule, isle_pointer(&result), NULL) == ISLE_OK)
        return; /* it is told in an event of its own, and runs until then */
    else
        job_complete(job, isle__error_make(ISLE_ENOMEM, NULL, NULL), true);
    job->running--;
    job_settle(job);
}

/* --- the turn of the next */

/* At the end of a list less and less at a time, so that all workers have something to do. */
static size_t job_next_count(const struct isle__pool_job *job)
{
    const struct isle__pool *pool = job->pool;
    size_t share = (job->count - job->begun) / ((size_t)2 * pool->worker_count);
    return pool->chunk <= 1 || share == 0 ? 1 : share < pool->chunk ? share : pool->chunk;
}

static void fill_later(void *handle)
{
    struct isle__pool *pool = isle__system_find(ISLE__SYSTEM_POOL, handle);
    if (pool != NULL)
        isle__pool_fill(pool);
}

static isle_value fill_schedule(isle_value pointer)
{
    const struct isle__pool *pool = isle_as_pointer(pointer);
    isle_schedule_microtask(fill_later, pool->handle);
    return isle_null();
}

/* A call is bounded by the deadline of the request that the activity serves (isle_call_deadline).
 * But a job is no part of that request: a worker whose call had timed out would be at work still.
 * So jobs begin in an event without a deadline, unless there is no memory for one. */
void isle__pool_fill(struct isle__pool *pool)
{
    if (isle_call_deadline() != ISLE_FOREVER && pool->queue != NULL &&
        isle_try(fill_schedule, isle_pointer(pool), NULL) == ISLE_OK)
        return;
    while (pool->queue != NULL && !pool->is_closed && isle__pool_has_room(pool)) {
        struct isle__pool_job *job = pool->queue;
        if (!job_is_awaited(job)) { /* it was cancelled; job_canceled has its event to come */
            job_dequeue(job);
            continue;
        }
        size_t index = job->begun, count = job_next_count(job);
        job->begun += count;
        if (job->begun == job->count)
            job_dequeue(job);
        else
            pool->queue = job->next_queued;
        job->running += count;
        if (isle__pool_begin(pool, job, index, count) == ISLE_OK) {
            pool->stats.running += count;
            continue;
        }
        isle_value error = isle_last_error();
        for (size_t i = 0; i < count; i++)
            job_fail_element(job, index + i, error);
    }
}

/* --- what a message comes to */

struct answer {
    struct isle__pool_job *job;
    size_t index, count;
    isle_value value, failed; /* failed: of a chunk */
    bool is_chunk, is_error;
    bool has_failed;  /* one of a map's */
    isle_value error; /* which */
};

/* A worker behind a wall may answer anything. */
static void answer_open_chunk(struct answer *answer)
{
    isle_value value = answer->value;
    bool is_pair = isle_kind_of(value) == ISLE_LIST && isle_count(value) == 2;
    isle_value results = is_pair ? isle_list_get(value, 0) : isle_null();
    answer->failed = is_pair ? isle_list_get(value, 1) : isle_null();
    isle_kind failed = isle_kind_of(answer->failed);
    answer->is_chunk = isle_kind_of(results) == ISLE_LIST && isle_count(results) == answer->count &&
                       (failed == ISLE_NULL || failed == ISLE_LIST);
    answer->is_error = !answer->is_chunk;
    answer->value = answer->is_chunk ? results : isle__error_make(ISLE_EMALFORMED, NULL, NULL);
}

static isle_value answer_at(const struct answer *answer, size_t at, bool *ret_is_error)
{
    int64_t failed;
    *ret_is_error = answer->is_error;
    if (!answer->is_chunk)
        return answer->value;
    size_t count = isle_is_null(answer->failed) ? 0 : isle_count(answer->failed);
    for (size_t i = 0; i < count && !*ret_is_error; i++)
        *ret_is_error =
            isle_get_int(isle_list_get(answer->failed, i), &failed) && failed == (int64_t)at;
    return isle_list_get(answer->value, at);
}

static isle_value answer_store(isle_value pointer)
{
    struct answer *answer = isle_as_pointer(pointer);
    if (answer->is_chunk && isle_is_null(answer->failed)) {
        isle__pool_list_copy(answer->job->results, answer->index, answer->value, 0, answer->count);
        return isle_null();
    }
    for (size_t i = 0; i < answer->count && !answer->has_failed; i++) {
        isle_value value = answer_at(answer, i, &answer->has_failed);
        if (answer->has_failed)
            answer->error = value;
        else
            isle_list_set(answer->job->results, answer->index + i, value);
    }
    return isle_null();
}

/* Of isle_pool_map. */
static void answer_collect(struct answer *answer)
{
    struct isle__pool_job *job = answer->job;
    if (!job_is_awaited(job))
        return;
    if (isle_try(answer_store, isle_pointer(answer), NULL) != ISLE_OK) {
        answer->has_failed = true;
        answer->error = isle__error_make(ISLE_ENOMEM, NULL, NULL);
    }
    job->done += answer->count;
    if (answer->has_failed)
        job_fail(job, answer->error);
    else if (job->done == job->count)
        job_complete(job, job->results, false);
}

/* Of isle_pool_each. The first that on_result throws. */
static isle_err answer_hand_over(const struct answer *answer)
{
    isle_err first = ISLE_OK;
    isle_value thrown = isle_null();
    for (size_t i = 0; i < answer->count; i++) {
        bool is_error;
        struct result result = {answer->job, answer->index + i, answer_at(answer, i, &is_error)};
        isle_err err = result_hand_over(&result);
        if (err != ISLE_OK && first == ISLE_OK) {
            first = err;
            thrown = isle_last_error();
        }
    }
    return first == ISLE_OK ? ISLE_OK : isle__fail_with(thrown);
}

isle_err isle__pool_finish(struct isle__pool_worker *worker, isle_value value, bool is_error)
{
    struct isle__pool_job *job = worker->job;
    struct answer answer = {.job = job,
                            .index = worker->index,
                            .count = worker->count,
                            .value = value,
                            .is_error = is_error};
    isle_err err = ISLE_OK;
    worker->job = NULL;
    job->pool->stats.running -= answer.count;
    if (job->pool->chunk > 1 && !is_error)
        answer_open_chunk(&answer);
    if (job->kind == ISLE__POOL_RUN) {
        isle_value result = answer_at(&answer, 0, &is_error);
        job_complete(job, result, is_error);
    } else if (job->kind == ISLE__POOL_MAP) {
        answer_collect(&answer);
    }
    isle__pool_fill(job->pool);
    if (job->kind == ISLE__POOL_EACH)
        err = answer_hand_over(&answer);
    job->running -= answer.count;
    job_settle(job);
    return err;
}

/* --- jobs */

static isle_value job_set_up(isle_value pointer)
{
    struct isle__pool_job *job = isle_as_pointer(pointer);
    isle_value value = job->value;
    job->value = isle_null();
    isle_cell_set(&job->value, value);
    if (job->kind == ISLE__POOL_MAP)
        isle_cell_set(&job->results, isle_list_fixed(job->count));
    isle_future_on_cancel(job->future, job_canceled, job);
    return isle_null();
}

/* A job with a future in the current scope. Its value is the caller's: job_add keeps it. */
static struct isle__pool_job *job_new(struct isle__pool *pool)
{
    if (pool->spare == NULL)
        pool->spare = isle_new(struct isle__pool_job);
    isle_future *future = isle_future_new();
    struct isle__pool_job *job = pool->spare;
    pool->spare = NULL;
    job->pool = pool;
    job->future = future;
    return job;
}

/* Throws, the job is gone then. */
static void job_add(struct isle__pool_job *job)
{
    if (isle_try(job_set_up, isle_pointer(job), NULL) != ISLE_OK) {
        isle_value error = isle_last_error();
        isle_future_cancel(job->future);
        isle__pool_release(job->value);
        isle__pool_release(job->results);
        job_give_back(job->pool, job);
        isle_throw(error);
    }
    isle_future_keep(job->future);
    job_link(job);
}

isle_future *isle_pool_run(isle_pool *handle, isle_value argument)
{
    struct isle__pool *pool = pool_need(handle, __func__);
    if (pool->stats.waiting >= pool->queue_max)
        isle__throw(ISLE_EFULL, "%s: the queue is full", __func__);
    struct isle__pool_job *job = job_new(pool);
    isle_future *future = job->future;
    job->kind = ISLE__POOL_RUN;
    job->count = 1;
    job->value = argument;
    job_add(job);
    job_enqueue(job);
    isle__pool_fill(pool);
    return future;
}

static isle_future *pool_run_list(const char *function, struct isle__pool *pool, isle_value list,
                                  struct isle__pool_job job_of)
{
    if (isle_kind_of(list) != ISLE_LIST)
        isle__throw(ISLE_ETYPE, "%s: expected a list, got a value of kind %s", function,
                    isle_kind_name(isle_kind_of(list)));
    size_t count = isle_count(list);
    if (count == 0) {
        isle_value none = job_of.kind == ISLE__POOL_MAP ? isle_list_fixed(0) : isle_null();
        isle_future *future = isle_future_new();
        isle_future_complete(future, none);
        return future;
    }
    struct isle__pool_job *job = job_new(pool);
    isle_future *future = job->future;
    job->kind = job_of.kind;
    job->on_result = job_of.on_result;
    job->context = job_of.context;
    job->count = count;
    job->value = list;
    job_add(job);
    job_enqueue(job);
    isle__pool_fill(pool);
    return future;
}

isle_value isle_pool_map(isle_pool *handle, isle_value list)
{
    struct isle__pool *pool = pool_need(handle, __func__);
    return isle_await(
        pool_run_list(__func__, pool, list, (struct isle__pool_job){.kind = ISLE__POOL_MAP}));
}

isle_future *isle_pool_each(isle_pool *handle, isle_value list, isle_handler *on_result,
                            void *context)
{
    struct isle__pool *pool = pool_need(handle, __func__);
    if (on_result == NULL)
        isle__throw(ISLE_EINVAL, "%s: on_result is NULL", __func__);
    return pool_run_list(__func__, pool, list,
                         (struct isle__pool_job){
                             .kind = ISLE__POOL_EACH, .on_result = on_result, .context = context});
}
