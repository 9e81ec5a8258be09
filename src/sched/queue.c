/* SPDX-License-Identifier: Apache-2.0 */
/* Run queues: intrusive lists under a lock that is held for a few instructions, so who meets it
 * spins, and gives way to a holder that lost its core. Owners push and pop, thieves take half, up
 * to as many as can be walked before the owner would miss them. */
#include "sched/worker.h"

enum {
    STEAL_MAX = 64, /* tasks; a million may wait */
};

void isle__queue_init(struct isle__queue *queue)
{
    atomic_init(&queue->locked, false);
    queue->first = queue->last = NULL;
    atomic_init(&queue->count, 0);
}

static void queue_lock_slowly(struct isle__queue *queue)
{
    unsigned rounds = 0;
    do {
        while (atomic_load_explicit(&queue->locked, memory_order_relaxed))
            isle__thread_give_way(&rounds);
    } while (atomic_exchange_explicit(&queue->locked, true, memory_order_acquire));
}

void isle__queue_lock(struct isle__queue *queue)
{
    if (ISLE__UNLIKELY(atomic_exchange_explicit(&queue->locked, true, memory_order_acquire)))
        queue_lock_slowly(queue);
}

void isle__queue_unlock(struct isle__queue *queue)
{
    atomic_store_explicit(&queue->locked, false, memory_order_release);
}

/* Under the lock. What was taken off need not be seen at once: the count is a filter. */
static void queue_count_down(struct isle__queue *queue, size_t taken)
{
    size_t count = atomic_load_explicit(&queue->count, memory_order_relaxed);
    atomic_store_explicit(&queue->count, count - taken, memory_order_relaxed);
}

static void queue_link(struct isle__queue *queue, struct isle__task *first, struct isle__task *last)
{
    last->next = NULL;
    if (queue->last != NULL)
        queue->last->next = first;
    else
        queue->first = first;
    queue->last = last;
}

void isle__queue_append(struct isle__queue *queue, struct isle__task *first,
                        struct isle__task *last, size_t count)
{
    queue_link(queue, first, last);
    /* seq_cst: pairs with the re-check of a worker that is about to park (worker_park). */
    atomic_fetch_add_explicit(&queue->count, count, memory_order_seq_cst);
}

size_t isle__queue_push(struct isle__queue *queue, struct isle__task *task)
{
    isle__queue_lock(queue);
    isle__queue_append(queue, task, task, 1);
    size_t count = atomic_load_explicit(&queue->count, memory_order_relaxed);
    isle__queue_unlock(queue);
    return count;
}

size_t isle__queue_push_own(struct isle__queue *queue, struct isle__task *task)
{
    isle__queue_lock(queue);
    queue_link(queue, task, task);
    size_t count = atomic_load_explicit(&queue->count, memory_order_relaxed) + 1;
    atomic_store_explicit(&queue->count, count, memory_order_relaxed);
    isle__queue_unlock(queue);
    return count;
}

struct isle__task *isle__queue_pop(struct isle__queue *queue)
{
    if (atomic_load_explicit(&queue->count, memory_order_seq_cst) == 0)
        return NULL;
    isle__queue_lock(queue);
    struct isle__task *task = queue->first;
    if (task != NULL) {
        queue->first = task->next;
        if (queue->first == NULL)
            queue->last = NULL;
        queue_count_down(queue, 1);
    }
    isle__queue_unlock(queue);
    return task;
}

void isle__queue_move(struct isle__queue *from, struct isle__queue *to)
{
    isle__queue_lock(from);
    struct isle__task *first = from->first, *last = from->last;
    size_t count = atomic_load_explicit(&from->count, memory_order_relaxed);
    from->first = from->last = NULL;
    queue_count_down(from, count);
    isle__queue_unlock(from);
    if (first == NULL)
        return;
    isle__queue_lock(to);
    isle__queue_append(to, first, last, count);
    isle__queue_unlock(to);
}

struct isle__task *isle__queue_steal(struct isle__queue *from, struct isle__queue *to)
{
    if (atomic_load_explicit(&from->count, memory_order_seq_cst) == 0)
        return NULL;
    isle__queue_lock(from);
    size_t count = atomic_load_explicit(&from->count, memory_order_relaxed);
    struct isle__task *first = from->first, *last = first;
    size_t taken = 0;
    if (first != NULL) {
        size_t wanted = (count + 1) / 2 < STEAL_MAX ? (count + 1) / 2 : STEAL_MAX;
        for (taken = 1; taken < wanted; taken++)
            last = last->next;
        from->first = last->next;
        if (from->first == NULL)
            from->last = NULL;
        queue_count_down(from, taken);
    }
    isle__queue_unlock(from);
    if (taken > 1) {
        isle__queue_lock(to);
        isle__queue_append(to, first->next, last, taken - 1);
        isle__queue_unlock(to);
    }
    return first;
}
