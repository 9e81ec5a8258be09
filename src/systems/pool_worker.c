/* SPDX-License-Identifier: Apache-2.0 */
/* The workers of a pool: how they are born, given a job, and end.
 *
 * A job is a call of the worker's default port. So it is one message in and one out; the answer has
 * room that the call reserved, nobody else can give it, and nobody can give it twice. A worker that
 * ends leaves the call ISLE_ECLOSED and tells its monitor why, in either order: the job is over
 * when both are known. But work may fail with ISLE_ECLOSED by itself. Then no end comes, so a ping
 * decides: it is answered by who lives. */
#include "isle/error.h"
#include "isle/future.h"
#include "isle/object.h"
#include "isle/port.h"
#include "isle/scope.h"
#include "isle/timer.h"
#include "isle/value.h"
#include "systems/pool.h"
#include "value/failure.h"

/* --- inside a worker */

struct worker_self {
    isle_computation *work;
};
ISLE_LOCAL(struct worker_self, worker_self);

static isle_value worker_answer(isle_value argument, void *context)
{
    (void)context;
    return worker_self()->work(argument);
}

static void worker_orphaned(isle_value end, void *context)
{
    (void)end, (void)context;
    isle_exit(isle_send_port_none(), isle_null());
}

enum { CHUNK_AT_ONCE = 64 };

struct chunk {
    isle_computation *work;
    isle_value arguments, results;
    size_t count, next; /* the one that runs or is to run */
    size_t first, known;
    isle_value some[CHUNK_AT_ONCE]; /* arguments from `first` on, so many as are `known` */
};

static void chunk_read(struct chunk *chunk)
{
    size_t left = chunk->count - chunk->next, some = left < CHUNK_AT_ONCE ? left : CHUNK_AT_ONCE;
    isle_list_read(chunk->arguments, chunk->next, some, chunk->some);
    chunk->first = chunk->next;
    chunk->known = some;
}

/* Until one fails; what it used meanwhile is freed with each. */
static isle_value chunk_run(isle_value pointer)
{
    struct chunk *chunk = isle_as_pointer(pointer);
    for (; chunk->next < chunk->count; chunk->next++) {
        if (chunk->known == 0 || chunk->next == chunk->first + chunk->known)
            chunk_read(chunk);
        ISLE_SCOPE;
        isle_checkpoint();
        isle_value result = chunk->work(chunk->some[chunk->next - chunk->first]);
        isle_list_set(chunk->results, chunk->next, result);
    }
    return isle_null();
}

/* Each fails for itself. */
static isle_value worker_answer_chunk(isle_value arguments, void *context)
{
    (void)context;
    size_t count = isle_count(arguments);
    isle_value answer = isle_list_fixed(2), results = isle_list_fixed(count);
    struct chunk chunk = {
        .work = worker_self()->work, .arguments = arguments, .results = results, .count = count};
    isle_list_set(answer, 0, results);
    for (; isle_try(chunk_run, isle_pointer(&chunk), NULL) != ISLE_OK; chunk.next++) {
        isle_value error = isle_last_error();
        if (isle_is_null(isle_list_get(answer, 1)))
            isle_list_set(answer, 1, isle_list());
        isle_list_add(isle_list_get(answer, 1), isle_int((int64_t)chunk.next));
        isle_list_set(results, chunk.next, error);
        chunk.known = 0; /* what was read may be in no scope any more */
    }
    return answer;
}

/* The entry. [the function, the pool's isolate, whether there are chunks]: with that isolate it
 * ends, however that ends. */
static void worker_main(isle_value start)
{
    worker_self()->work = (isle_computation *)isle_as_function(isle_list_get(start, 0));
    bool has_chunks = isle_as_bool(isle_list_get(start, 2));
    isle_receive_port *owner = isle_port_open();
    isle_port_set_keep_alive(owner, false);
    isle_port_listen(owner, worker_orphaned, NULL);
    isle_monitor(isle_as_isolate(isle_list_get(start, 1)), isle_port_send_port(owner));
    isle_port_serve(isle_default_port(), has_chunks ? worker_answer_chunk : worker_answer, NULL);
}

/* --- births */

static void worker_push(struct isle__pool_worker **stack, struct isle__pool_worker *worker)
{
    worker->next = *stack;
    *stack = worker;
}

static struct isle__pool_worker *worker_pop(struct isle__pool_worker **stack)
{
    struct isle__pool_worker *worker = *stack;
    *stack = worker->next;
    return worker;
}

/* All but the two ports that hear of it is as the pool's options have it. */
static void worker_spawn(struct isle__pool_worker *worker)
{
    struct isle__pool *pool = worker->pool;
    if (pool->uri != NULL) {
        worker->isolate = isle_spawn_uri(pool->uri, isle_null(), isle_null(), &pool->options);
    } else {
        isle_value start = isle_list_fixed(3);
        isle_isolate owner = {.control_port = isle_current().control_port};
        isle_list_set(start, 0, isle_function_value((isle_function *)pool->work));
        isle_list_set(start, 1, isle_isolate_value(owner));
        isle_list_set(start, 2, isle_bool(pool->chunk > 1));
        worker->isolate = isle_spawn(worker_main, start, &pool->options);
    }
    worker->is_alive = true;
    worker->is_ending = false;
    worker->jobs_done = 0;
    pool->stats.workers++;
    pool->stats.births++;
}

/* --- ends on purpose */

static isle_value worker_kill(isle_value pointer)
{
    struct isle__pool_worker *worker = isle_as_pointer(pointer);
    isle_kill(worker->isolate, ISLE_IMMEDIATE);
    worker->is_ending = true;
    return isle_null();
}

/* False: out of memory; it lives on. */
static bool worker_try_kill(struct isle__pool_worker *worker)
{
    return isle_try(worker_kill, isle_pointer(worker), NULL) == ISLE_OK;
}

void isle__pool_interrupt(struct isle__pool *pool, const struct isle__pool_job *job)
{
    for (unsigned i = 0; i < pool->worker_count; i++)
        if (pool->workers[i].is_alive && (job == NULL || pool->workers[i].job == job))
            (void)worker_try_kill(&pool->workers[i]); /* one that lives on: its job is dropped */
}

void isle__pool_end_workers(struct isle__pool *pool)
{
    for (unsigned i = 0; i < pool->worker_count; i++)
        if (pool->workers[i].is_alive)
            isle_kill(pool->workers[i].isolate, ISLE_IMMEDIATE);
}

/* --- holding a value that must wait */

struct holding {
    isle_value *cell;
    isle_value value;
};

static isle_value holding_set(isle_value pointer)
{
    const struct holding *holding = isle_as_pointer(pointer);
    isle_cell_set(holding->cell, holding->value);
    return isle_null();
}

/* False: no memory. */
static bool worker_hold(isle_value *cell, isle_value value)
{
    struct holding holding = {cell, value};
    return isle_try(holding_set, isle_pointer(&holding), NULL) == ISLE_OK;
}

/* What the cell held, for the caller to release. */
static isle_value worker_unhold(isle_value *cell)
{
    isle_value value = *cell;
    *cell = isle_null();
    return value;
}

/* --- a job comes to something */

/* The worker lives, and its job is over. */
static isle_err worker_done(struct isle__pool_worker *worker, isle_value value, bool is_error)
{
    if (!worker->is_ending)
        worker_push(&worker->pool->idle, worker);
    return isle__pool_finish(worker, value, is_error);
}

/* Every job has a worker of its own, or this was its last: it has to end first. */
static isle_err worker_retire(struct isle__pool_worker *worker, isle_value value, bool is_error)
{
    if (!worker_hold(&worker->result, value))
        return worker_done(worker, value, is_error);
    worker->has_result = true;
    worker->is_error = is_error;
    if (worker->is_ending || worker_try_kill(worker))
        return ISLE_OK;
    worker->has_result = false;
    isle__pool_release(worker_unhold(&worker->result));
    return worker_done(worker, value, is_error);
}

static isle_err worker_answered(struct isle__pool_worker *worker, isle_value value, bool is_error)
{
    struct isle__pool *pool = worker->pool;
    pool->stats.done += worker->count;
    worker->jobs_done += worker->count;
    if (pool->jobs_max > 0 && worker->jobs_done >= pool->jobs_max && !pool->is_closed)
        return worker_retire(worker, value, is_error);
    return worker_done(worker, value, is_error);
}

static isle_value worker_end_error(const isle_end *end)
{
    char text[512];
    (void)snprintf(text, sizeof text, "the worker ended: %s%s%s", isle_reason_text(end->reason),
                   end->text[0] == '\0' ? "" : ": ", end->text);
    return isle__error_make(ISLE_ENORESULT, text, NULL);
}

struct ending {
    struct isle__pool *pool;
    const isle_end *end;
    isle_future *job;
};

static isle_value ending_tell(isle_value pointer)
{
    const struct ending *ending = isle_as_pointer(pointer);
    ending->pool->on_end(ending->end, ending->job, ending->pool->context);
    return isle_null();
}

static isle_err worker_tell_end(struct isle__pool_worker *worker, const isle_end *end)
{
    struct isle__pool *pool = worker->pool;
    struct isle__pool_job *job = worker->job;
    bool is_run = job != NULL && job->kind == ISLE__POOL_RUN;
    struct ending ending = {pool, end, is_run ? job->future : NULL};
    if (pool->on_end == NULL)
        return ISLE_OK;
    pool->busy++;
    isle_err err = isle_try(ending_tell, isle_pointer(&ending), NULL);
    pool->busy--;
    return err;
}

/* It has ended, and no callback is to come: its place is free. */
static isle_err worker_over(struct isle__pool_worker *worker, isle_value message)
{
    struct isle__pool *pool = worker->pool;
    isle_end end = {.isolate = worker->isolate, .reason = ISLE_LOST, .text = "", .debug_name = ""};
    if (!isle_is_null(message))
        end = isle_as_end(message);
    isle_err told = worker_tell_end(worker, &end);
    isle_value error = worker->has_result ? isle_null() : worker_end_error(&end);
    isle_value held = worker_unhold(&worker->result);
    bool has_result = worker->has_result;
    worker->has_result = false;
    worker->ping = 0;
    worker_push(&pool->empty, worker);
    if (worker->job == NULL) {
        isle__pool_fill(pool);
        isle__pool_settle(pool);
        return told;
    }
    pool->stats.lost += has_result ? 0 : worker->count;
    isle_err err =
        isle__pool_finish(worker, has_result ? held : error, has_result ? worker->is_error : true);
    isle__pool_release(held);
    return told != ISLE_OK ? told : err;
}

/* --- the callback of a call */

static void worker_throw(isle_err err)
{
    if (err != ISLE_OK)
        isle_throw(isle_last_error());
}

static isle_value worker_ping(isle_value pointer)
{
    struct isle__pool_worker *worker = isle_as_pointer(pointer);
    int64_t number = ++worker->pool->pings;
    isle_ping(worker->isolate, isle_port_send_port(worker->pool->news), isle_int(number),
              ISLE_IMMEDIATE);
    worker->ping = number;
    return isle_null();
}

/* It may be gone, or may have answered so. Without memory for the question it has answered. */
static isle_err worker_closed(struct isle__pool_worker *worker, isle_value error)
{
    if (!worker_hold(&worker->result, error))
        return worker_answered(worker, error, true);
    if (isle_try(worker_ping, isle_pointer(worker), NULL) == ISLE_OK)
        return ISLE_OK;
    isle__pool_release(worker_unhold(&worker->result));
    return worker_answered(worker, error, true);
}

static void worker_on_value(isle_value value, void *context)
{
    struct isle__pool_worker *worker = context;
    worker->is_calling = false;
    if (worker->is_alive) {
        worker_throw(worker_answered(worker, value, false));
        return;
    }
    worker->pool->stats.done += worker->count;
    isle_value end = worker_unhold(&worker->end);
    worker->has_result = worker_hold(&worker->result, value);
    worker->is_error = false;
    isle_err err = worker_over(worker, end);
    isle__pool_release(end);
    worker_throw(err);
}

static void worker_on_error(isle_value error, void *context)
{
    struct isle__pool_worker *worker = context;
    bool is_closed = isle__failure_code(error) == ISLE_ECLOSED;
    worker->is_calling = false;
    if (worker->is_alive) {
        worker_throw(is_closed ? worker_closed(worker, error)
                               : worker_answered(worker, error, true));
        return;
    }
    isle_value end = worker_unhold(&worker->end);
    worker->has_result = !is_closed && worker_hold(&worker->result, error);
    worker->is_error = true;
    worker->pool->stats.done += worker->has_result ? worker->count : 0;
    isle_err err = worker_over(worker, end);
    isle__pool_release(end);
    worker_throw(err);
}

/* --- beginning a job */

struct beginning {
    struct isle__pool *pool;
    struct isle__pool_job *job;
    size_t index, count;
    struct isle__pool_worker *worker;
    isle_future *call;
};

static struct isle__pool_worker *worker_take(struct isle__pool *pool)
{
    if (pool->idle != NULL)
        return worker_pop(&pool->idle);
    worker_spawn(pool->empty);
    return worker_pop(&pool->empty);
}

static isle_value beginning_chunk(const struct beginning *beginning)
{
    const struct isle__pool_job *job = beginning->job;
    if (job->kind == ISLE__POOL_RUN)
        return isle_list_of(&job->value, 1);
    isle_value arguments = isle_list_fixed(beginning->count);
    isle__pool_list_copy(arguments, 0, job->value, beginning->index, beginning->count);
    return arguments;
}

static isle_value beginning_message(const struct beginning *beginning)
{
    const struct isle__pool_job *job = beginning->job;
    if (beginning->pool->chunk > 1)
        return beginning_chunk(beginning);
    return job->kind == ISLE__POOL_RUN ? job->value : isle_list_get(job->value, beginning->index);
}

static isle_value worker_begin(isle_value pointer)
{
    struct beginning *beginning = isle_as_pointer(pointer);
    struct isle__pool_worker *worker = beginning->worker = worker_take(beginning->pool);
    isle_value message = beginning_message(beginning);
    beginning->call = isle_call(worker->isolate.default_port, message, ISLE_FOREVER);
    isle_then(beginning->call, worker_on_value, worker_on_error, worker);
    return isle_null();
}

isle_err isle__pool_begin(struct isle__pool *pool, struct isle__pool_job *job, size_t index,
                          size_t count)
{
    struct beginning beginning = {.pool = pool, .job = job, .index = index, .count = count};
    isle_err err = isle_try(worker_begin, isle_pointer(&beginning), NULL);
    struct isle__pool_worker *worker = beginning.worker;
    if (err == ISLE_OK) {
        worker->job = job;
        worker->index = index;
        worker->count = count;
        worker->is_calling = true;
    } else if (worker != NULL) {
        isle_value error = isle_last_error();
        if (beginning.call != NULL)
            isle_future_cancel(beginning.call); /* and the next job waits behind what was sent */
        worker_push(&pool->idle, worker);
        return isle__fail_with(error);
    }
    return err;
}

/* --- what the runtime says */

static struct isle__pool_worker *worker_of(struct isle__pool *pool, isle_send_port control_port)
{
    for (unsigned i = 0; i < pool->worker_count; i++)
        if (pool->workers[i].is_alive &&
            isle_send_port_equal(pool->workers[i].isolate.control_port, control_port))
            return &pool->workers[i];
    return NULL;
}

static void worker_unlink_idle(struct isle__pool_worker *worker)
{
    struct isle__pool_worker **at = &worker->pool->idle;
    while (*at != NULL && *at != worker)
        at = &(*at)->next;
    if (*at == worker)
        *at = worker->next;
}

static isle_err worker_take_end(struct isle__pool *pool, isle_value message)
{
    isle_end end = isle_as_end(message);
    struct isle__pool_worker *worker = worker_of(pool, end.isolate.control_port);
    if (worker == NULL)
        return ISLE_OK;
    worker->is_alive = false;
    pool->stats.workers--;
    worker_unlink_idle(worker);
    if (!worker->is_calling)
        return worker_over(worker, message);
    (void)worker_hold(&worker->end, message);
    return ISLE_OK;
}

/* It lives, so it was the work that failed with ISLE_ECLOSED. */
static isle_err worker_take_ping(struct isle__pool *pool, int64_t number)
{
    for (unsigned i = 0; i < pool->worker_count; i++) {
        struct isle__pool_worker *worker = &pool->workers[i];
        if (worker->ping != number)
            continue;
        isle_value error = worker_unhold(&worker->result);
        worker->ping = 0;
        isle_err err = worker_answered(worker, error, true);
        isle__pool_release(error);
        return err;
    }
    return ISLE_OK;
}

void isle__pool_news(isle_value message, void *context)
{
    int64_t number;
    if (isle_get_int(message, &number))
        worker_throw(worker_take_ping(context, number));
    else if (isle_kind_of(message) == ISLE_OBJECT)
        worker_throw(worker_take_end(context, message));
    /* else the notice of an uncaught error: the end that follows says the same */
}
