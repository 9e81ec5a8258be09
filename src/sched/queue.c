/* SPDX-License-Identifier: Apache-2.0 */
/* Run queues: intrusive lists under a lock that is held for a few instructions. Owners push and
 * pop, thieves take half. */
#include "sched/worker.h"

void isle__queue_init(struct isle__queue *queue)
{
    isle__mutex_init(&queue->lock);
    queue->first = queue->last = NULL;
    atomic_init(&queue->count, 0);
}

void isle__queue_fini(struct isle__queue *queue)
{
    isle__mutex_destroy(&queue->lock);
}

void isle__queue_append(struct isle__queue *queue, struct isle__task *first,
                        struct isle__task *last, size_t count)
{
    last->next = NULL;
    if (queue->last != NULL)
        queue->last->next = first;
    else
        queue->first = first;
    queue->last = last;
    /* seq_cst: pairs with the re-check of a worker that is about to park (worker_park). */
    atomic_fetch_add_explicit(&queue->count, count, memory_order_seq_cst);
}

void isle__queue_push(struct isle__queue *queue, struct isle__task *task)
{
    isle__mutex_lock(&queue->lock);
    isle__queue_append(queue, task, task, 1);
    isle__mutex_unlock(&queue->lock);
}

struct isle__task *isle__queue_pop(struct isle__queue *queue)
{
    if (atomic_load_explicit(&queue->count, memory_order_seq_cst) == 0)
        return NULL;
    isle__mutex_lock(&queue->lock);
    struct isle__task *task = queue->first;
    if (task != NULL) {
        queue->first = task->next;
        if (queue->first == NULL)
            queue->last = NULL;
        atomic_fetch_sub_explicit(&queue->count, 1, memory_order_seq_cst);
    }
    isle__mutex_unlock(&queue->lock);
    return task;
}

struct isle__task *isle__queue_steal(struct isle__queue *from, struct isle__queue *to)
{
    if (atomic_load_explicit(&from->count, memory_order_seq_cst) == 0)
        return NULL;
    isle__mutex_lock(&from->lock);
    size_t count = atomic_load_explicit(&from->count, memory_order_relaxed);
    struct isle__task *first = from->first, *last = first;
    size_t taken = 0;
    if (first != NULL) {
        for (taken = 1; taken < (count + 1) / 2; taken++)
            last = last->next;
        from->first = last->next;
        if (from->first == NULL)
            from->last = NULL;
        atomic_fetch_sub_explicit(&from->count, taken, memory_order_seq_cst);
    }
    isle__mutex_unlock(&from->lock);
    if (taken > 1) {
        isle__mutex_lock(&to->lock);
        isle__queue_append(to, first->next, last, taken - 1);
        isle__mutex_unlock(&to->lock);
    }
    return first;
}
