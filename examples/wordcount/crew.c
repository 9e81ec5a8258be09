/* SPDX-License-Identifier: Apache-2.0 */
/* Root and workers, and what they say to each other. A pool gives each worker one job, to count
 * until there is nothing more; its result is its packed table.
 *   worker to root   a call on `work` with the port that it listens to; its reply is a batch [path,
 *                    size, path, size …], or null: no more
 *   worker to root   a struct tally on `tallies`; [name, reason] on `skips`
 *   root to worker   "stop" on that port
 * A worker asks for its next batch before it begins the one it has, so it never waits for the root.
 */
#include "crew.h"

#include <string.h>

#include "textfile.h"

enum { BATCH_FILES = 64, BATCH_SIZE = 512 * 1024 };

ISLE_TYPE(tally_type, struct tally, ISLE_FIELD(struct tally, done_size),
          ISLE_FIELD(struct tally, text_size), ISLE_FIELD(struct tally, files),
          ISLE_FIELD(struct tally, skipped), ISLE_FIELD(struct tally, stopped));

/* A worker's state, in its isolate's memory. */
struct worker {
    isle_send_port tallies;
    isle_send_port skips;
    isle_receive_port *orders;
    bool stopped;
    int64_t file_left; /* of the present file's size, what no tally has told yet */
    struct tally tally;
    struct table table;
    struct file_reader reader;
};

static void worker_tell(struct worker *worker)
{
    isle_send_object(worker->tallies, &tally_type, &worker->tally);
    worker->tally = (struct tally){0};
}

static void worker_listen(struct worker *worker)
{
    isle_value order;
    if (isle_port_try_receive(worker->orders, 0, &order) == ISLE_OK)
        worker->stopped = true;
}

static bool worker_progress(int64_t bytes, void *context)
{
    struct worker *worker = context;
    int64_t told = bytes < worker->file_left ? bytes : worker->file_left;
    worker->file_left -= told;
    worker->tally.done_size += told;
    worker_tell(worker);
    worker_listen(worker);
    return !worker->stopped;
}

static void worker_skip(struct worker *worker, const char *path, const char *reason)
{
    size_t size = strlen(path) + 1;
    char *name = isle_alloc(size);
    for (size_t i = 0; i < size; i++)
        name[i] = (unsigned char)path[i] < 0x80 ? path[i] : '?';
    worker->tally.skipped++;
    isle_send(worker->skips, isle_pack("[s,s]", name, reason));
    isle_free(name);
}

static void worker_count(struct worker *worker, const char *path, int64_t size)
{
    worker->file_left = size;
    enum file_end end = file_count(&worker->reader, path);
    worker->tally.text_size += worker->reader.text_size;
    if (end == FILE_STOPPED) {
        worker->tally.stopped++;
        return;
    }
    worker->tally.done_size += worker->file_left;
    if (end == FILE_COUNTED)
        worker->tally.files++;
    else
        worker_skip(worker, path, end == FILE_BINARY ? "binary" : strerror(worker->reader.error));
}

static void worker_batch(struct worker *worker, isle_value batch)
{
    size_t count = isle_count(batch);
    for (size_t i = 0; i + 1 < count && !worker->stopped; i += 2) {
        const char *path = isle_as_bytes(isle_list_get(batch, i), NULL);
        worker_count(worker, path, isle_as_int(isle_list_get(batch, i + 1)));
        worker_listen(worker);
    }
    worker_tell(worker);
}

/* The job: {"work": port, "tallies": port, "skips": port} → packed table. */
static isle_value worker_count_all(isle_value message)
{
    isle_send_port work;
    struct worker *worker = isle_new(struct worker);
    isle_unpack(message, "{s:p,s:p,s:p}", "work", &work, "tallies", &worker->tallies, "skips",
                &worker->skips);
    worker->orders = isle_port_open();
    table_init(&worker->table, 1 << 15);
    worker->reader.table = &worker->table;
    worker->reader.progress = worker_progress;
    worker->reader.context = worker;

    isle_value orders = isle_port_value(worker->orders);
    isle_future *next = isle_future_keep(isle_call(work, orders, ISLE_FOREVER));
    while (!worker->stopped) {
        ISLE_SCOPE;
        isle_value batch = isle_await(next);
        isle_future_release(next);
        if (isle_is_null(batch))
            break;
        next = isle_future_keep(isle_call(work, orders, ISLE_FOREVER));
        worker_batch(worker, batch);
    }
    return table_pack(&worker->table);
}

/* Whether word a stands before word b in the list of the most frequent. */
static bool crew_is_before(const struct table *table, const struct word *a, const struct word *b)
{
    if (a->count != b->count)
        return a->count > b->count;
    size_t common = a->size < b->size ? a->size : b->size;
    int order = memcmp(table->text + a->at, table->text + b->at, common);
    return order != 0 ? order < 0 : a->size < b->size;
}

static isle_value crew_top(const struct table *table, size_t top_count)
{
    const struct word **top = isle_alloc((top_count + 1) * sizeof *top);
    size_t count = 0;
    for (size_t i = 0; i < table->capacity; i++) {
        const struct word *word = &table->slots[i];
        if (word->count == 0 ||
            (count == top_count && !crew_is_before(table, word, top[count - 1])))
            continue;
        size_t at = count < top_count ? count++ : count - 1;
        for (; at > 0 && crew_is_before(table, word, top[at - 1]); at--)
            top[at] = top[at - 1];
        top[at] = word;
    }
    isle_value list = isle_list();
    for (size_t i = 0; i < count; i++) {
        isle_value text = isle_string_sized(table->text + top[i]->at, top[i]->size);
        isle_list_add(list, isle_pack("[o,i]", text, top[i]->count));
    }
    return list;
}

/* Runs in an isolate of its own. {"tables": list of transferables, "top": int} → crew.result */
static isle_value crew_merge(isle_value argument)
{
    isle_value list;
    int64_t top;
    isle_unpack(argument, "{s:o,s:i}", "tables", &list, "top", &top);
    size_t count = isle_count(list), expected = 0;
    struct packed *parts = isle_alloc((count + 1) * sizeof *parts);
    for (size_t i = 0; i < count; i++) {
        parts[i] = table_unpack(isle_materialize(isle_list_get(list, i)));
        expected += parts[i].used;
    }
    struct table all;
    table_init(&all, expected);
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < parts[i].used; k++) {
            const struct word *word = &parts[i].words[k];
            table_add(&all, parts[i].text + word->at, word->size, word->hash, word->count);
        }
        isle_checkpoint();
    }
    return isle_pack("{s:i,s:i,s:o,s:o}", "total", all.words, "different", all.used, "top",
                     crew_top(&all, (size_t)top), "table", isle_materialize(table_pack(&all)));
}

/* The next batch: whole files, at least one, together about BATCH_SIZE. */
static isle_value crew_hand_out(isle_value orders, void *context)
{
    struct crew *crew = context;
    const struct plan *plan = &crew->plan;
    isle_set_add(crew->workers, orders);
    if (crew->stopping || crew->next >= plan->count * plan->rounds)
        return isle_null();
    isle_value batch = isle_list();
    int64_t size = 0;
    for (size_t files = 0; files < BATCH_FILES && crew->next < plan->count * plan->rounds;
         files++) {
        size_t index = crew->next % plan->count;
        if (files > 0 && size + plan->sizes[index] > BATCH_SIZE)
            break;
        isle_list_add(batch, isle_list_get(plan->paths, index));
        isle_list_add(batch, isle_int(plan->sizes[index]));
        size += plan->sizes[index];
        crew->next += plan->step;
    }
    return batch;
}

static void crew_add_tally(isle_value message, void *context)
{
    struct crew *crew = context;
    const struct tally *tally = isle_as_object(message, &tally_type);
    crew->tally.done_size += tally->done_size;
    crew->tally.text_size += tally->text_size;
    crew->tally.files += tally->files;
    crew->tally.skipped += tally->skipped;
    crew->tally.stopped += tally->stopped;
}

static void crew_add_skip(isle_value message, void *context)
{
    struct crew *crew = context;
    if (!isle_is_null(crew->skipped))
        isle_list_add(crew->skipped, message);
}

/* [which, its table or error] */
static void crew_take_table(isle_value entry, void *context)
{
    struct crew *crew = context;
    isle_value table = isle_list_get(entry, 1);
    if (isle_kind_of(table) != ISLE_ERROR) {
        isle_list_add(crew->tables, table);
        return;
    }
    crew->failed++;
    fprintf(stderr, "wordcount: a worker failed: %s\n", isle_error_text(table));
}

void crew_run(struct crew *crew)
{
    ISLE_SCOPE;
    int64_t start = isle_now_ns();
    isle_receive_port *work = isle_port_open(), *tallies = isle_port_open(),
                      *skips = isle_port_open();
    isle_port_serve(work, crew_hand_out, crew);
    isle_port_listen(tallies, crew_add_tally, crew);
    isle_port_listen(skips, crew_add_skip, crew);

    isle_options workers = {.debug_name = "counter"};
    isle_pool *pool =
        isle_pool_open(worker_count_all, &(isle_pool_options){.worker_count = crew->worker_count,
                                                              .workers = &workers});
    isle_value job = isle_pack("{s:p,s:p,s:p}", "work", isle_port_send_port(work), "tallies",
                               isle_port_send_port(tallies), "skips", isle_port_send_port(skips));
    isle_value jobs = isle_list_fixed(crew->worker_count);
    for (unsigned i = 0; i < crew->worker_count; i++)
        isle_list_set(jobs, i, job);
    isle_cell_set(&crew->workers, isle_set());
    isle_cell_set(&crew->tables, isle_list());
    isle_await(isle_pool_each(pool, jobs, crew_take_table, crew));
    isle_pool_close(pool);

    isle_value argument = isle_pack("{s:o,s:i}", "tables", crew->tables, "top", crew->top_count);
    isle_cell_set(&crew->result, isle_await(isle_run(crew_merge, argument,
                                                     &(isle_options){.debug_name = "merge"})));
    crew->time_ns = isle_now_ns() - start;

    isle_cell_set(&crew->workers, isle_null());
    isle_cell_set(&crew->tables, isle_null());
    isle_receive_port *all[] = {work, tallies, skips};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        isle_port_close(all[i]);
}

void crew_stop(struct crew *crew)
{
    isle_value orders;
    crew->stopping = true;
    for (size_t at = 0;
         !isle_is_null(crew->workers) && isle_next(crew->workers, &at, &orders, NULL);)
        isle_send(isle_as_port(orders), isle_string("stop"));
}
