/* SPDX-License-Identifier: Apache-2.0 */
/* Savina 10, Concurrent Sorted Linked List: 20 workers do 8,000 operations each on one sorted list,
 * each after the answer to the last; 10 % insert, 1 % ask for the size, the others whether a value
 * is there. As concdict with a longer service time. Operation: one of those. Nothing is shared in
 * the original. */
#include <stdlib.h>

#include "savina.h"

enum { WORKERS = 20, SIZE_PERCENT = 1, WRITE_PERCENT = 10, VALUES = 1 << 16 };

typedef enum verb { CONTAINS, INSERT, SIZE } verb;

struct operation {
    verb verb;
    int64_t value;
};

/* The operations of a worker, one after the other. */
static struct operation operation_next(savina_random *random)
{
    int64_t percent = savina_random_below(random, 100);
    struct operation operation = {CONTAINS, savina_random_below(random, VALUES)};
    if (percent < SIZE_PERCENT)
        operation.verb = SIZE;
    else if (percent < SIZE_PERCENT + WRITE_PERCENT)
        operation.verb = INSERT;
    return operation;
}

struct node {
    struct node *next;
    int64_t value;
};

/* Lies in the memory of the isolate that serves it, nodes and all; these by the block, so that they
 * lie close together. */
struct list {
    struct node *first;
    int64_t size;
    struct node *spare;
    int spare_count;
};

static struct node *node_new(struct list *list)
{
    enum { BLOCK = 1024 };
    if (list->spare_count == 0) {
        list->spare = isle_alloc(BLOCK * sizeof(struct node));
        list->spare_count = BLOCK;
    }
    return &list->spare[--list->spare_count];
}

/* Where the first node that is not below `value` hangs, or would. */
static struct node **list_find(struct list *list, int64_t value)
{
    struct node **at = &list->first;
    while (*at != NULL && (*at)->value < value)
        at = &(*at)->next;
    return at;
}

static void list_insert(struct list *list, int64_t value)
{
    struct node **at = list_find(list, value), *node = node_new(list);
    *node = (struct node){*at, value};
    *at = node;
    list->size++;
}

static isle_value list_values(const struct list *list)
{
    isle_value array = isle_array(ISLE_I64, NULL, (size_t)list->size);
    int64_t *out = isle_bytes_data(array);
    for (const struct node *node = list->first; node != NULL; node = node->next)
        *out++ = node->value;
    return array;
}

/* An int asks whether it is there, a list of one inserts it, true asks for the size; null ends the
 * list and gives all values. */
static isle_value list_answer(isle_value request, void *context)
{
    struct list *list = context;
    int64_t value;
    if (isle_get_int(request, &value)) {
        const struct node *node = *list_find(list, value);
        return isle_bool(node != NULL && node->value == value);
    }
    if (isle_is_null(request)) {
        isle_port_close(isle_default_port());
        return list_values(list);
    }
    if (isle_kind_of(request) == ISLE_LIST)
        list_insert(list, isle_as_int(isle_list_get(request, 0)));
    return isle_int(list->size);
}

static void list_main(isle_value unused)
{
    (void)unused;
    isle_port_serve(isle_default_port(), list_answer, isle_new(struct list));
}

struct worker {
    isle_send_port done; /* gets how many answers could not be */
    isle_send_port list;
    int64_t index;
    int64_t left;
    int64_t size; /* that the list had at least when we last heard of it */
    int64_t wrong;
    savina_random random;
};
ISLE_TYPE(worker_type, struct worker, ISLE_FIELD(struct worker, done),
          ISLE_FIELD(struct worker, list), ISLE_FIELD(struct worker, index),
          ISLE_FIELD(struct worker, left));

static void worker_request(struct worker *self)
{
    struct operation operation = operation_next(&self->random);
    isle_value request = operation.verb == SIZE ? isle_bool(true) : isle_int(operation.value);
    if (operation.verb == INSERT)
        request = isle_pack("[o]", request);
    isle_send_with_reply(self->list, request, isle_port_send_port(isle_default_port()));
}

static void worker_handle(isle_value answer, void *context)
{
    struct worker *self = context;
    int64_t size;
    if (isle_get_int(answer, &size)) {
        self->wrong += size < self->size;
        self->size = size;
    }
    if (--self->left > 0) {
        worker_request(self);
        return;
    }
    isle_send(self->done, isle_int(self->wrong));
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
    return savina_size(8000, 1);
}

static isle_value run(void)
{
    isle_receive_port *done = isle_port_open();
    isle_send_port list = isle_spawn(list_main, isle_null(), NULL).default_port;
    struct worker order = {.done = isle_port_send_port(done), .list = list, .left = operations()};
    for (; order.index < WORKERS; order.index++)
        isle_spawn(worker_main, isle_object(&worker_type, &order), NULL);
    int64_t wrong = savina_receive_sum(done, WORKERS);
    isle_port_close(done);
    isle_value values = isle_await(isle_call(list, isle_null(), ISLE_FOREVER));
    return isle_pack("[i,o]", wrong, values);
}

static int compare_values(const void *a, const void *b)
{
    const int64_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

/* All that the workers insert, sorted. */
static isle_value expected_values(void)
{
    int64_t *values = isle_alloc(sizeof(int64_t) * (size_t)(WORKERS * operations()));
    size_t count = 0;
    for (uint64_t worker = 0; worker < WORKERS; worker++) {
        savina_random random = {SAVINA_SEED + worker};
        for (int64_t i = 0; i < operations(); i++) {
            struct operation operation = operation_next(&random);
            if (operation.verb == INSERT)
                values[count++] = operation.value;
        }
    }
    qsort(values, count, sizeof(values[0]), compare_values);
    return isle_array(ISLE_I64, values, count);
}

static int64_t verify(isle_value outcome)
{
    int64_t wrong;
    isle_value values;
    isle_unpack(outcome, "[i,o]", &wrong, &values);
    savina_expect(wrong == 0, "the list shrank %" PRId64 " times", wrong);
    savina_expect(isle_equal(values, expected_values()), "the list is not what was inserted");
    return WORKERS * operations();
}

SAVINA_PROGRAM(.name = "concsll", .run = run, .verify = verify);
