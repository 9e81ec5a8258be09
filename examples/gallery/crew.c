/* SPDX-License-Identifier: Apache-2.0 */
/* As many jobs as may run are in the pool; each that is done makes way for the next. A job has one
 * result or one error, and its isolate one end. */
#include "crew.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILE_MAX = 256 << 20 };

/* --- one item */

static void item_fail(struct item *item, isle_reason reason, const char *text)
{
    item->reason = reason;
    snprintf(item->text, sizeof item->text, "%s", text);
}

/* What was seen; of a limit which one it was. */
static void item_end(struct item *item, const isle_end *end, const isle_options *limits)
{
    item_fail(item, end->reason, end->text);
    if (end->reason == ISLE_MEMORY)
        snprintf(item->text, sizeof item->text, "wanted more than %zu MiB",
                 limits->memory_max >> 20);
    if (end->reason == ISLE_CPU)
        snprintf(item->text, sizeof item->text, "more than %g s of a processor",
                 (double)limits->cpu_time_max_ns / 1e9);
    if (end->reason == ISLE_DEADLINE)
        snprintf(item->text, sizeof item->text, "after %g s", (double)limits->deadline_ns / 1e9);
}

/* The file in a transferable; null: it cannot be read, and the item says why. */
static isle_value item_read(struct item *item)
{
    struct stat status;
    int fd = open(item->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &status) < 0 || status.st_size > FILE_MAX) {
        item_fail(item, ISLE_FAILED, fd < 0 ? strerror(errno) : "too large a file");
        if (fd >= 0)
            close(fd);
        return isle_null();
    }
    isle_value file = isle_transferable((size_t)status.st_size);
    char *data = isle_transferable_data(file);
    size_t size = 0;
    for (ssize_t got; (got = read(fd, data + size, (size_t)status.st_size - size)) > 0;)
        size += (size_t)got;
    close(fd);
    return file;
}

/* The host's look at what the inside claims: sizes that fit each other and the tile, or nothing. */
static bool picture_is_sound(const struct picture *picture, size_t tile_size)
{
    return picture->tile_width > 0 && picture->tile_width <= TILE_WIDTH &&
           picture->tile_height > 0 && picture->tile_height <= TILE_HEIGHT &&
           tile_size == (size_t)picture->tile_width * picture->tile_height * 4;
}

/* False: no decoder makes this. */
static bool item_take_picture(struct item *item, isle_value message)
{
    size_t size;
    if (isle_kind_of(message) != ISLE_OBJECT || isle_object_type(message) != &picture_type)
        return false;
    const struct picture *picture = isle_as_object(message, &picture_type);
    if (isle_kind_of(picture->tile) != ISLE_TRANSFERABLE)
        return false;
    const void *tile = isle_as_bytes(isle_materialize(picture->tile), &size);
    if (!picture_is_sound(picture, size))
        return false;
    item->is_shown = true;
    item->width = picture->width;
    item->height = picture->height;
    item->tile_width = picture->tile_width;
    item->tile_height = picture->tile_height;
    snprintf(item->format, sizeof item->format, "%s",
             picture->format == NULL ? "?" : picture->format);
    item->tile = isle_alloc(size);
    memcpy(item->tile, tile, size);
    return true;
}

/* --- all of them */

static void crew_fill(struct crew *crew);

static void crew_done(struct crew *crew, struct item *item)
{
    crew->done++;
    crew->done_size += item->size;
    crew->failed += !item->is_shown;
    if (crew->progress != NULL)
        crew->progress(crew, crew->context);
}

static void item_done(struct item *item)
{
    item->time_ns = isle_now_ns() - item->since_ns;
    isle_future_release(item->job);
    item->job = NULL;
    item->crew->running--;
    crew_done(item->crew, item);
    crew_fill(item->crew);
}

/* Before its job is done, the isolate has ended. */
static void crew_take_end(const isle_end *end, isle_future *job, void *context)
{
    struct crew *crew = context;
    for (size_t i = crew->begun; i-- > 0;) {
        struct item *item = &crew->items[i];
        if (job == NULL || item->job != job)
            continue;
        item->memory_peak = end->memory_peak;
        item_end(item, end, &crew->limits);
        return;
    }
}

static void item_take_result(isle_value picture, void *context)
{
    struct item *item = context;
    if (item_take_picture(item, picture))
        item_fail(item, ISLE_RETURNED, "");
    else
        item_fail(item, ISLE_KILLED, "it answered what is no picture");
    item_done(item);
}

/* An error that it told, or how it ended without an answer. */
static void item_take_error(isle_value error, void *context)
{
    struct item *item = context;
    isle_err code = isle_kind_of(error) == ISLE_ERROR ? isle_error_code(error) : ISLE_ETHROWN;
    if (code == ISLE_EUNSUPPORTED || code == ISLE_ESPAWN)
        isle_throw(error);
    if (code == ISLE_ENOMEM)
        item_end(item, &(isle_end){.reason = ISLE_MEMORY, .text = ""}, &item->crew->limits);
    else if (code != ISLE_ENORESULT)
        item_fail(item, ISLE_FAILED, code == ISLE_ETHROWN ? isle_error_text(error) : "");
    else if (item->reason == ISLE_RETURNED)
        item_fail(item, ISLE_FAILED, "it ended without an answer");
    item_done(item);
}

static void crew_begin(struct crew *crew, struct item *item)
{
    isle_value file = item_read(item);
    item->crew = crew;
    if (isle_is_null(file)) {
        crew_done(crew, item);
        return;
    }
    item->since_ns = isle_now_ns();
    item->job = isle_future_keep(isle_pool_run(crew->pool, file));
    crew->running++;
    isle_then(item->job, item_take_result, item_take_error, item);
}

static void crew_fill(struct crew *crew)
{
    while (crew->running < crew->at_once && crew->begun < crew->count && !crew->is_stopping) {
        ISLE_SCOPE;
        crew_begin(crew, &crew->items[crew->begun++]);
    }
    if (crew->running == 0 && !isle_future_is_complete(crew->all_done))
        isle_future_complete(crew->all_done, isle_null());
}

void crew_run(struct crew *crew)
{
    ISLE_SCOPE;
    int64_t start = isle_now_ns();
    crew->pool = isle_pool_open(picture_decode, &(isle_pool_options){.worker_count = crew->at_once,
                                                                     .jobs_max = 1,
                                                                     .workers = &crew->limits,
                                                                     .on_end = crew_take_end,
                                                                     .context = crew});
    crew->all_done = isle_future_new();
    crew_fill(crew);
    isle_await(crew->all_done);
    crew->time_ns = isle_now_ns() - start;
    isle_pool_close(crew->pool);
}
