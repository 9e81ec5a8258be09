/* SPDX-License-Identifier: Apache-2.0 */
/* The life of a pool: its options, which are copied whole, since workers are born when those of the
 * caller are gone; opening, closing, the end of its isolate. */
#include <string.h>

#include "isle/error.h"
#include "isle/future.h"
#include "isle/port.h"
#include "isle/program.h"
#include "isle/sandbox.h"
#include "isle/scope.h"
#include "isle/value.h"
#include "systems/handle.h"
#include "systems/pool.h"
#include "value/failure.h"

enum { POOL_QUEUE_MAX = 1024 };

void isle__pool_free(struct isle__pool *pool)
{
    const isle_sandbox *sandbox = pool->options.sandbox;
    if (pool->news != NULL)
        isle_port_close(pool->news);
    for (size_t i = 0;
         sandbox != NULL && sandbox->read_paths != NULL && sandbox->read_paths[i] != NULL; i++)
        isle_free((void *)(uintptr_t)sandbox->read_paths[i]);
    if (sandbox != NULL)
        isle_free((void *)(uintptr_t)sandbox->read_paths);
    isle_free((void *)(uintptr_t)sandbox);
    isle_free((void *)(uintptr_t)pool->options.debug_name);
    isle_free(pool->uri);
    isle_free(pool->spare);
    isle_free(pool->workers);
    isle_free(pool);
}

static char *text_copy(const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = isle_alloc(size);
    memcpy(copy, text, size);
    return copy;
}

/* The pool's own, since workers are born when the caller's is gone. Half of it is fine: it is freed
 * with the pool. */
static const isle_sandbox *sandbox_copy(struct isle__pool *pool, const isle_sandbox *sandbox)
{
    isle_sandbox *copy = isle_new(isle_sandbox);
    pool->options.sandbox = copy;
    *copy = *sandbox;
    copy->read_paths = NULL;
    if (sandbox->read_paths == NULL)
        return copy;
    size_t count = 0;
    while (sandbox->read_paths[count] != NULL)
        count++;
    const char **paths = isle_alloc((count + 1) * sizeof *paths);
    copy->read_paths = paths;
    for (size_t i = 0; i < count; i++)
        paths[i] = text_copy(sandbox->read_paths[i]);
    return copy;
}

/* What a caller knows of a struct that grows at its end; what we do not know must be zero. */
static void options_read(const char *function, void *to, size_t size, const void *given,
                         size_t given_size)
{
    memset(to, 0, size);
    if (given == NULL)
        return;
    memcpy(to, given, given_size < size ? given_size : size);
    for (size_t i = size; i < given_size; i++)
        if (((const unsigned char *)given)[i] != 0)
            isle__throw(ISLE_EUNSUPPORTED,
                        "%s: an option is set that this version of Isle does not know", function);
}

struct opening {
    const char *function;
    struct isle__pool *pool;
    isle_pool_options options;
    isle_options workers;
};

static void opening_read(struct opening *opening, isle_computation *work,
                         const isle_pool_options *options, size_t size, size_t worker_size)
{
    const char *function = opening->function;
    options_read(function, &opening->options, sizeof opening->options, options, size);
    options_read(function, &opening->workers, sizeof opening->workers, opening->options.workers,
                 worker_size);
    if ((work == NULL) == (opening->options.uri == NULL))
        isle__throw(ISLE_EINVAL, "%s: either a function or .uri", function);
    if (opening->options.chunk > 1 && work == NULL)
        isle__throw(ISLE_EINVAL, "%s: a plug-in takes no .chunk", function);
    if (!isle_send_port_is_none(opening->workers.monitor) || opening->workers.paused)
        isle__throw(ISLE_EINVAL, "%s: .monitor and .paused of workers are the pool's", function);
}

/* The isolate ends, and the workers with it. */
static void pool_abandoned(void *handle)
{
    struct isle__pool *pool = isle__system_find(ISLE__SYSTEM_POOL, handle);
    if (pool != NULL)
        isle__pool_interrupt(pool, NULL);
}

static void opening_workers(struct isle__pool *pool, const isle_options *workers)
{
    isle_send_port news = isle_port_send_port(pool->news);
    pool->options = *workers;
    pool->options.debug_name = NULL;
    pool->options.sandbox = NULL;
    pool->options.debug_name =
        text_copy(workers->debug_name == NULL ? "pool worker" : workers->debug_name);
    if (workers->sandbox != NULL)
        pool->options.sandbox = sandbox_copy(pool, workers->sandbox);
    pool->options.monitor = news;
    if (isle_send_port_is_none(workers->on_error))
        pool->options.on_error = news;
    pool->workers = isle_alloc(pool->worker_count * sizeof *pool->workers);
    for (unsigned i = pool->worker_count; i-- > 0;) {
        pool->workers[i].pool = pool;
        pool->workers[i].next = pool->empty;
        pool->empty = &pool->workers[i];
    }
}

static isle_value opening_run(isle_value pointer)
{
    struct opening *opening = isle_as_pointer(pointer);
    const isle_pool_options *options = &opening->options;
    struct isle__pool *pool = opening->pool;
    pool->worker_count = options->worker_count == 0 ? isle_cpu_count() : options->worker_count;
    pool->queue_max = options->queue_max == 0 ? POOL_QUEUE_MAX : options->queue_max;
    pool->jobs_max = options->jobs_max;
    pool->chunk = options->jobs_max != 0 && options->chunk > options->jobs_max ? options->jobs_max
                                                                               : options->chunk;
    pool->on_end = options->on_end;
    pool->context = options->context;
    if (options->uri != NULL)
        pool->uri = text_copy(options->uri);
    pool->news = isle_port_open();
    isle_port_set_keep_alive(pool->news, false);
    isle_port_listen(pool->news, isle__pool_news, pool);
    opening_workers(pool, &opening->workers);
    pool->handle = isle__system_open(ISLE__SYSTEM_POOL, pool);
    isle_port_on_drop(pool->news, pool_abandoned, pool->handle);
    return isle_null();
}

static isle_pool *pool_open(isle_computation *work, struct opening *opening)
{
    struct isle__pool *pool = opening->pool = isle_new(struct isle__pool);
    pool->work = work;
    if (isle_try(opening_run, isle_pointer(opening), NULL) != ISLE_OK) {
        isle_value error = isle_last_error();
        isle__system_close(ISLE__SYSTEM_POOL, pool->handle);
        isle__pool_free(pool);
        isle_throw(error);
    }
    return pool->handle;
}

isle_pool *isle__pool_open(isle_computation *work, const isle_pool_options *options,
                           size_t options_size, size_t worker_options_size)
{
    struct opening opening = {.function = "isle_pool_open"};
    isle__inside_need(opening.function);
    opening_read(&opening, work, options, options_size, worker_options_size);
    return pool_open(work, &opening);
}

void isle_pool_close(isle_pool *handle)
{
    isle__inside_need(__func__);
    struct isle__pool *pool = isle__system_find(ISLE__SYSTEM_POOL, handle);
    if (pool == NULL)
        return;
    isle__pool_end_workers(pool);
    pool->is_closed = true;
    isle__system_close(ISLE__SYSTEM_POOL, handle);
    struct isle__pool_job *job = pool->jobs;
    while (job != NULL) {
        isle_future_cancel(job->future);
        job = job->next == pool->jobs ? NULL : job->next;
    }
    isle__pool_settle(pool);
}

void isle__pool_stats_read(const isle_pool *handle, isle_pool_stats *ret_stats, size_t stats_size)
{
    const struct isle__pool *pool =
        isle__system_need(ISLE__SYSTEM_POOL, handle, "isle_pool_stats_read");
    if (ret_stats == NULL)
        isle__throw(ISLE_EINVAL, "isle_pool_stats_read: NULL");
    size_t size = sizeof pool->stats;
    memset(ret_stats, 0, stats_size);
    memcpy(ret_stats, &pool->stats, stats_size < size ? stats_size : size);
}

/* --- a pool for one call */

static void map_close(void *handle)
{
    isle_pool_close(handle);
}

isle_value isle__run_list(isle_computation *work, isle_value list, const isle_pool_options *options,
                          size_t options_size, size_t worker_options_size)
{
    struct opening opening = {.function = "isle_run_list"};
    isle__inside_need(opening.function);
    opening_read(&opening, work, options, options_size, worker_options_size);
    if (isle_kind_of(list) == ISLE_LIST) {
        size_t count = isle_count(list), most = opening.options.worker_count;
        most = most == 0 ? isle_cpu_count() : most;
        opening.options.worker_count = (unsigned)(count == 0 ? 1 : count < most ? count : most);
    }
    ISLE_SCOPE;
    isle_pool *pool = pool_open(work, &opening);
    isle_defer(map_close, pool);
    return isle_escape(isle_pool_map(pool, list));
}
