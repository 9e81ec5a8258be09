/* SPDX-License-Identifier: Apache-2.0 */
/* What flow.c, worker.c and monitor.c share. */
#ifndef ISLE_WORKER_H
#define ISLE_WORKER_H

#include <limits.h>

#include "sched/handoff.h"
#include "sched/sched.h"

/* A queue of tasks, first in first out. `count` may be read without the lock: a filter. */
struct isle__queue {
    _Atomic bool locked;
    struct isle__task *first, *last;
    _Atomic size_t count;
};

enum isle__worker_kind { ISLE__WORKER_POOL, ISLE__WORKER_ATTACHED, ISLE__WORKER_PINNED };

struct isle__worker {
    _Alignas(64) struct isle__worker_head head; /* first */
    /* Its own thread's. Lock order: isle__sched.lock, then a queue's. */
    void *memory; /* of this, before it was aligned */
    enum isle__worker_kind kind;
    struct isle__task *current; /* running, or to be continued after a suspension */
    struct isle__flow *flow;    /* running */
    struct isle__flow *retired; /* left by a switch, to be given back after it */
    struct isle__flow *spare;   /* reserved for the next suspension */
    struct isle__flow *own;     /* of the thread: where it began and where it ends */
    struct isle__flow *cache;   /* given back, for reuse */
    unsigned cache_count;
    unsigned handoffs;  /* in a row */
    unsigned finds;     /* since the shared queue came first, */
    unsigned finds_max; /* which it does after so many */
    unsigned turns;     /* of the shared queue */
    unsigned looks;     /* of those that look again */
    bool looking;       /* the next task is one of them */
    uint64_t seed;
    /* Other threads'. */
    _Alignas(64) struct isle__handoff handoff; /* what runs next */
    struct isle__queue queue;
    struct isle__queue lookers; /* that look again (isle__sched_look_again) */
    _Atomic bool rests;         /* it is to hand over what it has, and park */
    struct isle__parker parker;
    _Atomic bool released;             /* pinned: may end */
    _Atomic int notifier;              /* -1: none */
    struct isle__worker *idle_next;    /* under sched.lock */
    bool idle;                         /* under sched.lock */
    struct isle__worker *next;         /* of all pool workers; under sched.lock */
    _Alignas(64) _Atomic bool running; /* inside a task */
    _Atomic isle__thread_clock_id clock;
    _Atomic uint64_t thread_id;
    /* The monitor's. */
    _Atomic uint64_t seen_beat;
    int64_t seen_cpu, stuck_cpu; /* at the last look, and when its beat was last seen to change */
    unsigned asleep; /* looks in a row that found it asleep in the kernel, having used no time */
    int64_t stuck_since;
    int64_t given_cpu; /* at the last call of isle__sched_time_given; its caller's */
};

#define ISLE__WIDTH_ALL (UINT_MAX / 2)
struct isle__sched {
    struct isle__mutex lock; /* idle list, list of workers, thread counts */
    struct isle__worker *workers;
    struct isle__worker *idle;
    _Atomic unsigned idle_count;
    _Atomic unsigned searching; /* workers that look for work: no other need be woken */
    _Atomic unsigned width;     /* workers that may be awake; the monitor's (width.h) */
    _Atomic unsigned worker_count, thread_count;
    _Atomic size_t reserved;     /* bytes of all workers, which come and go by load */
    unsigned target;             /* workers wanted; more are replacements of stuck ones */
    struct isle__queue injected; /* from outside the pool */
    _Atomic bool stopping;
    size_t stack_size;
    bool pool;
    struct isle__thread monitor;
    struct isle__parker monitor_parker;
    _Atomic bool monitor_asleep;
    _Atomic bool refused; /* the system refused a thread; said once */
};
extern struct isle__sched isle__sched;

void isle__queue_init(struct isle__queue *queue);
void isle__queue_lock(struct isle__queue *queue);
void isle__queue_unlock(struct isle__queue *queue);
/* Both return how many wait now. Who pushes may then look whether to wake somebody; to a queue of
 * one's own, where nobody need be, it costs less. */
size_t isle__queue_push(struct isle__queue *queue, struct isle__task *task);
size_t isle__queue_push_own(struct isle__queue *queue, struct isle__task *task);
/* A chain of `count` tasks; the caller holds the lock. */
void isle__queue_append(struct isle__queue *queue, struct isle__task *first,
                        struct isle__task *last, size_t count);
struct isle__task *isle__queue_pop(struct isle__queue *queue);
/* Moves up to half of `from`'s tasks, at least one and few enough that it costs the same however
 * many wait, to `to` and returns one of them. */
struct isle__task *isle__queue_steal(struct isle__queue *from, struct isle__queue *to);
/* Moves all, behind what `to` has; at the same cost however many wait. */
void isle__queue_move(struct isle__queue *from, struct isle__queue *to);

void isle__worker_loop(void *unused); /* the entry of every fresh flow */
bool isle__sched_has_waiting(void);   /* in a queue; hand-offs are not counted */
/* Wakes a worker that is parked, if no more than the width allows are awake. */
void isle__sched_wake_one(void);
isle_err isle__sched_add_worker(void); /* a pool thread more */
/* So many may be awake from now on. What is more hands over what it has and rests. */
void isle__sched_set_width(unsigned width);
void isle__monitor_main(void *unused);
void isle__monitor_wake(void);

/* After every switch: gives back the flow that was left. */
void isle__flow_arrived(struct isle__worker *worker);
isle_err isle__flow_take(struct isle__worker *worker, struct isle__flow **ret_flow);
void isle__flow_give(struct isle__worker *worker, struct isle__flow *flow);
void isle__flow_cache_drain(struct isle__worker *worker);
/* The thread's own flow, without a stack of the pool. */
isle_err isle__flow_make_own(struct isle__flow **ret_flow);
void isle__flow_free_own(struct isle__flow *flow);

#endif
