/* SPDX-License-Identifier: Apache-2.0 */
/* What a C program does without Isle: a thread for each actor and a queue with a mutex and a
 * condition variable between them. */
#ifndef BENCH_PTHREAD_THREAD_H
#define BENCH_PTHREAD_THREAD_H

#include "../common.h"

struct mail {
    struct mail *next;
    int64_t value;
    struct queue *reply_to;
    void *data; /* of malloc, the receiver's */
    size_t size;
};

struct queue {
    pthread_mutex_t lock;
    pthread_cond_t some;
    struct mail *first, *last;
};

extern const struct bench_workload actor_workloads[], message_workloads[];

static inline void queue_init(struct queue *queue)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_mutex_init(&queue->lock, NULL);
    pthread_cond_init(&queue->some, &attributes);
    pthread_condattr_destroy(&attributes);
    queue->first = queue->last = NULL;
}

static inline void queue_fini(struct queue *queue)
{
    pthread_mutex_destroy(&queue->lock);
    pthread_cond_destroy(&queue->some);
}

/* The waiter is woken only if it can wait at all: the queue was empty. */
static inline void queue_put(struct queue *queue, struct mail *mail)
{
    mail->next = NULL;
    pthread_mutex_lock(&queue->lock);
    bool empty = queue->first == NULL;
    if (empty)
        queue->first = mail;
    else
        queue->last->next = mail;
    queue->last = mail;
    pthread_mutex_unlock(&queue->lock);
    if (empty)
        pthread_cond_signal(&queue->some);
}

static inline void queue_send(struct queue *queue, int64_t value, struct queue *reply_to)
{
    struct mail *mail = malloc(sizeof *mail);
    *mail = (struct mail){.value = value, .reply_to = reply_to};
    queue_put(queue, mail);
}

/* All that is there, oldest first; waits until there is some. */
static inline struct mail *queue_take_all(struct queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    while (queue->first == NULL)
        pthread_cond_wait(&queue->some, &queue->lock);
    struct mail *mail = queue->first;
    queue->first = NULL;
    pthread_mutex_unlock(&queue->lock);
    return mail;
}

static inline struct mail *queue_take(struct queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    while (queue->first == NULL)
        pthread_cond_wait(&queue->some, &queue->lock);
    struct mail *mail = queue->first;
    queue->first = mail->next;
    pthread_mutex_unlock(&queue->lock);
    return mail;
}

/* One, or NULL when the deadline of the monotonic clock has passed. */
static inline struct mail *queue_take_until(struct queue *queue, const struct timespec *deadline)
{
    int err = 0;
    pthread_mutex_lock(&queue->lock);
    while (queue->first == NULL && err == 0)
        err = pthread_cond_timedwait(&queue->some, &queue->lock, deadline);
    struct mail *mail = queue->first;
    if (mail != NULL)
        queue->first = mail->next;
    pthread_mutex_unlock(&queue->lock);
    return mail;
}

static inline int64_t queue_receive(struct queue *queue, struct queue **ret_reply_to)
{
    struct mail *mail = queue_take(queue);
    int64_t value = mail->value;
    if (ret_reply_to != NULL)
        *ret_reply_to = mail->reply_to;
    free(mail);
    return value;
}

#endif
