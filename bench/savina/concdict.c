/* SPDX-License-Identifier: Apache-2.0 */
/* Savina 9, Concurrent Dictionary: 20 workers do 10,000 operations each on one dictionary, 10 % of
 * them writes, each after the answer to the last: readers and writers through one actor. Operation:
 * one of those. Nothing is shared in the original; it fills all 524,287 keys with themselves before
 * its clock starts, here a key that was not written yet reads as itself. */
#include "savina.h"

enum { WORKERS = 20, WRITE_PERCENT = 10, KEYS = INT32_MAX / 4096 };

struct operation {
    bool write;
    int64_t key;
};

/* The operations of a worker, one after the other. */
static struct operation operation_next(savina_random *random)
{
    bool write = savina_random_below(random, 100) < WRITE_PERCENT;
    return (struct operation){write, savina_random_below(random, KEYS)};
}

/* What the worker writes as its operation number `at`: different each time, and tells its key. */
static int64_t operation_value(int64_t worker, int64_t at, int64_t key)
{
    return (1 + at * WORKERS + worker) * KEYS + key;
}

/* A key is read, a [key, value] written, and null ends it. The answer is the value, or at the end
 * the entries. */
static isle_value dictionary_answer(isle_value request, void *context)
{
    isle_value *entries = context;
    if (isle_is_null(request)) {
        isle_port_close(isle_default_port());
        return *entries;
    }
    if (isle_kind_of(request) == ISLE_INT) {
        isle_value found = isle_map_get(*entries, request);
        return isle_is_null(found) ? request : found;
    }
    isle_value value = isle_list_get(request, 1);
    isle_map_put(*entries, isle_list_get(request, 0), value);
    return value;
}

static void dictionary_main(isle_value unused)
{
    (void)unused;
    isle_value *entries = isle_new(isle_value);
    isle_cell_set(entries, isle_map());
    isle_port_serve(isle_default_port(), dictionary_answer, entries);
}

struct worker {
    isle_send_port done; /* gets the number of right answers */
    isle_send_port dictionary;
    int64_t index;
    int64_t count;
    int64_t at;
    int64_t right;
    struct operation operation;
    savina_random random;
};
ISLE_TYPE(worker_type, struct worker, ISLE_FIELD(struct worker, done),
          ISLE_FIELD(struct worker, dictionary), ISLE_FIELD(struct worker, index),
          ISLE_FIELD(struct worker, count));

static void worker_request(struct worker *self)
{
    self->operation = operation_next(&self->random);
    int64_t key = self->operation.key;
    isle_value request = isle_int(key);
    if (self->operation.write)
        request = isle_pack("[i,i]", key, operation_value(self->index, self->at, key));
    isle_send_with_reply(self->dictionary, request, isle_port_send_port(isle_default_port()));
}

static void worker_handle(isle_value answer, void *context)
{
    struct worker *self = context;
    self->right += isle_as_int(answer) % KEYS == self->operation.key;
    if (++self->at < self->count) {
        worker_request(self);
        return;
    }
    isle_send(self->done, isle_int(self->right));
    isle_port_close(isle_default_port());
}

static void worker_main(isle_value order)
{
    struct worker *self = isle_new(struct worker);
    *self = *(const struct worker *)isle_as_object(order, &worker_type);
    self->random.state = SAVINA_SEED + (uint64_t)self->index;
    isle_port_listen(isle_default_port(), worker_handle, self);
    worker_request(self);
}

static int64_t operations(void)
{
    return savina_size(10000, 1);
}

static isle_value run(void)
{
    isle_receive_port *done = isle_port_open();
    isle_send_port dictionary = isle_spawn(dictionary_main, isle_null(), NULL).default_port;
    struct worker order = {
        .done = isle_port_send_port(done), .dictionary = dictionary, .count = operations()};
    for (; order.index < WORKERS; order.index++)
        isle_spawn(worker_main, isle_object(&worker_type, &order), NULL);
    int64_t right = savina_receive_sum(done, WORKERS);
    isle_port_close(done);
    isle_value entries = isle_await(isle_call(dictionary, isle_null(), ISLE_FOREVER));
    return isle_pack("[i,o]", right, entries);
}

/* Key to value of the last write of each key by this worker. */
static isle_value last_writes(int64_t worker)
{
    savina_random random = {SAVINA_SEED + (uint64_t)worker};
    isle_value writes = isle_map();
    for (int64_t at = 0; at < operations(); at++) {
        struct operation operation = operation_next(&random);
        int64_t value = operation_value(worker, at, operation.key);
        if (operation.write)
            isle_map_put(writes, isle_int(operation.key), isle_int(value));
    }
    return writes;
}

/* Which worker was the last to write a key depends on the schedule; that it was some worker's last
 * write of that key does not. */
static int64_t verify(isle_value outcome)
{
    int64_t right;
    isle_value entries, key, value, written = isle_set(), last = isle_set();
    isle_unpack(outcome, "[i,o]", &right, &entries);
    savina_expect(right == WORKERS * operations(), "%" PRId64 " answers were right", right);

    for (int64_t worker = 0; worker < WORKERS; worker++) {
        isle_value writes = last_writes(worker);
        for (size_t at = 0; isle_next(writes, &at, &key, &value);) {
            isle_set_add(written, key);
            isle_set_add(last, value);
        }
    }
    savina_expect(isle_count(entries) == isle_count(written), "%zu keys were written",
                  isle_count(entries));
    for (size_t at = 0; isle_next(entries, &at, &key, &value);)
        savina_expect(isle_set_has(last, value) && isle_as_int(value) % KEYS == isle_as_int(key),
                      "key %" PRId64 " has %" PRId64, isle_as_int(key), isle_as_int(value));
    return WORKERS * operations();
}

SAVINA_PROGRAM(.name = "concdict", .run = run, .verify = verify);
