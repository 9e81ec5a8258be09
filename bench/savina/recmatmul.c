/* SPDX-License-Identifier: Apache-2.0 */
/* Savina 24, Recursive Matrix Multiplication: 1,024 x 1,024 doubles by a master and 20 workers. A
 * task is a product of two square blocks; one of more than 16,384 elements is divided into eight of
 * half the side, a smaller one is computed. Operation: a multiplication and addition.
 *
 * The original's workers read and write three arrays that all share. Here the factors are frozen:
 * every worker reads the same memory. A block of the product moves to the master, a transferable,
 * and the master alone adds it to the result. The suite's ten priorities order the mailboxes of
 * systems that have such; messages of Isle come in the order sent, and so tasks are done.
 *
 * Checked against a closed form: of a[i][k] = i + k and b[k][j] = k + j the product is
 * n i j + (i + j) Σ k + Σ k². The suite has a[i][k] = i and b[k][j] = j, and so would not notice
 * that some k is left out for another. */
#include "savina.h"

enum { THRESHOLD = 16384, WORKERS = 20 };

/* Multiplies a's block at (row, inner) by b's at (inner, column), for c's at (row, column). */
struct task {
    int64_t row, column, inner;
    int64_t side;
};
ISLE_TYPE(task_type, struct task, ISLE_FIELD(struct task, row), ISLE_FIELD(struct task, column),
          ISLE_FIELD(struct task, inner), ISLE_FIELD(struct task, side));

/* What became of a task: eight others, or a block. */
struct report {
    struct task task;
    struct task *parts;
    int64_t part_count;
    isle_value block; /* a transferable of side x side doubles */
};
ISLE_TYPE(report_type, struct report, ISLE_FIELD_STRUCT(struct report, task, &task_type),
          ISLE_FIELD_STRUCTS(struct report, parts, part_count, &task_type),
          ISLE_FIELD(struct report, part_count), ISLE_FIELD(struct report, block));

struct worker {
    isle_send_port master;
    int64_t size;
    const double *a, *b; /* of frozen arrays, kept */
};

static void worker_divide(const struct worker *worker, const struct task *task)
{
    int64_t half = task->side / 2;
    struct task parts[8];
    for (int i = 0; i < 8; i++)
        parts[i] = (struct task){.row = task->row + (i & 1 ? half : 0),
                                 .column = task->column + (i & 2 ? half : 0),
                                 .inner = task->inner + (i & 4 ? half : 0),
                                 .side = half};
    struct report report = {.task = *task, .parts = parts, .part_count = 8};
    isle_send_object(worker->master, &report_type, &report);
}

static void worker_multiply(const struct worker *worker, const struct task *task)
{
    int64_t side = task->side, size = worker->size;
    isle_value block = isle_transferable((size_t)(side * side) * sizeof(double));
    double *c = isle_transferable_data(block);
    for (int64_t i = 0; i < side; i++) {
        const double *a = worker->a + (task->row + i) * size + task->inner;
        for (int64_t k = 0; k < side; k++) {
            const double *b = worker->b + (task->inner + k) * size + task->column;
            for (int64_t j = 0; j < side; j++)
                c[i * side + j] += a[k] * b[j];
        }
    }
    struct report report = {.task = *task, .block = block};
    isle_send_object(worker->master, &report_type, &report);
}

/* Does a task; null is the end. */
static void worker_take(isle_value message, void *context)
{
    if (isle_is_null(message)) {
        isle_port_close(isle_default_port());
        return;
    }
    const struct task *task = isle_as_object(message, &task_type);
    if (task->side * task->side > THRESHOLD)
        worker_divide(context, task);
    else
        worker_multiply(context, task);
}

static void worker_main(isle_value message)
{
    struct worker *worker = isle_new(struct worker);
    isle_value a, b;
    isle_unpack(message, "[p,i,o,o]", &worker->master, &worker->size, &a, &b);
    worker->a = isle_as_array(isle_keep(a), ISLE_F64, NULL);
    worker->b = isle_as_array(isle_keep(b), ISLE_F64, NULL);
    isle_port_listen(isle_default_port(), worker_take, worker);
}

/* The master: hands tasks out in turn and adds the blocks up. */
struct master {
    isle_receive_port *reports;
    isle_send_port workers[WORKERS];
    int64_t handed_out, done;
    int64_t size;
    double *c;
};

static void master_spawn(struct master *master, isle_value a, isle_value b)
{
    isle_send_port reports = isle_port_send_port(master->reports);
    isle_value start = isle_pack("[p,i,o,o]", reports, master->size, a, b);
    for (int i = 0; i < WORKERS; i++)
        master->workers[i] = isle_spawn(worker_main, start, NULL).default_port;
}

static void master_hand_out(struct master *master, const struct task *task)
{
    isle_send_object(master->workers[master->handed_out++ % WORKERS], &task_type, task);
}

static void master_add(struct master *master, const struct task *task, isle_value block)
{
    const double *from = isle_as_bytes(isle_materialize(block), NULL);
    for (int64_t i = 0; i < task->side; i++) {
        double *to = master->c + (task->row + i) * master->size + task->column;
        for (int64_t j = 0; j < task->side; j++)
            to[j] += *from++;
    }
}

static void master_take(struct master *master, const struct report *report)
{
    for (int64_t i = 0; i < report->part_count; i++)
        master_hand_out(master, &report->parts[i]);
    if (report->part_count == 0)
        master_add(master, &report->task, report->block);
    master->done++;
}

/* A multiple of 16, so that a side can be halved. */
static int64_t matrix_size(void)
{
    return savina_size(1024, 16) / 16 * 16;
}

/* A frozen matrix; each factor is one. An element is the sum of its row's number and its column's.
 */
static isle_value factor(int64_t size)
{
    isle_value array = isle_array(ISLE_F64, NULL, (size_t)(size * size));
    double *elements = isle_bytes_data(array);
    for (int64_t i = 0; i < size; i++)
        for (int64_t j = 0; j < size; j++)
            elements[i * size + j] = (double)(i + j);
    return isle_freeze(array);
}

static isle_value run(void)
{
    int64_t size = matrix_size();
    isle_value c = isle_array(ISLE_F64, NULL, (size_t)(size * size));
    struct master master = {isle_port_open(), .size = size, .c = isle_bytes_data(c)};
    master_spawn(&master, factor(size), factor(size));

    master_hand_out(&master, &(struct task){.side = size});
    while (master.done < master.handed_out) {
        ISLE_SCOPE;
        master_take(&master, isle_as_object(isle_port_receive(master.reports), &report_type));
    }
    for (int i = 0; i < WORKERS; i++)
        isle_send(master.workers[i], isle_null());
    isle_port_close(master.reports);
    return c;
}

static int64_t verify(isle_value outcome)
{
    int64_t n = matrix_size(), sum = n * (n - 1) / 2, squares = sum * (2 * n - 1) / 3;
    const double *c = isle_as_array(outcome, ISLE_F64, NULL);
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < n; j++)
            savina_expect(c[i * n + j] == (double)(n * i * j + (i + j) * sum + squares),
                          "element %" PRId64 ", %" PRId64 " is %g", i, j, c[i * n + j]);
    return n * n * n;
}

SAVINA_PROGRAM(.name = "recmatmul", .run = run, .verify = verify);
