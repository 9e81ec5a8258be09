/* SPDX-License-Identifier: Apache-2.0 */
/* Workers: find a task, run it, park when there is none. Three kinds: the pool's share all unpinned
 * tasks; an attached one (the root's thread) and pinned ones (threads that isolates own) run only
 * what is pinned to them. Without a pool (no threads here) the attached one runs everything.
 *
 * Who wakes whom. A task made ready by a pool worker goes to that worker's hand-off slot and wakes
 * nobody: most likely the worker takes it in a microsecond. What it displaces goes to the worker's
 * queue, and when a few wait there, one idle worker is woken: to wake a core costs more than a few
 * short turns. What waits longer is the monitor's business (monitor.c). From other threads a task
 * goes to the injected queue and wakes one.
 *
 * A worker that parks has put itself on the idle list, then looked at all queues once more; who
 * queues looks at the idle count after queuing. Both sides are sequentially consistent, so one of
 * them sees the other. */
#include "sched/worker.h"

#include <string.h>

#include "sched/simulation.h"

enum {
    HANDOFF_MAX = 32,      /* in a row, then the queue has its turn */
    INJECTED_EVERY = 31,   /* finds, then the shared queue comes before one's own, */
    LOOKED_EVERY = 8,      /* so many where some look again */
    STEAL_EVERY = 8,       /* and each so many times other workers' */
    WAKE_BACKLOG = 4,      /* tasks in one's queue that are worth another worker at once */
    SPIN_ROUNDS = 200,     /* of looking everywhere before parking, about 20 us */
    SPIN_YIELD = 20,       /* rounds, then who waits for this core has it: 2 us */
    OWN_SPIN_ROUNDS = 800, /* of looking at one's own queue, the same time */
    OWN_SPIN_YIELD = 80,
    LINGER_NS = 5 * 1000 * 1000 /* of a worker more than wanted, before it ends */
};

struct isle__sched isle__sched;
_Atomic bool isle__sched_scatter;
bool (*isle__sched_idle_hook)(struct isle__worker *worker);
void (*isle__sched_outside_hook)(void);
void (*isle__sched_worker_begins)(void *local), (*isle__sched_worker_ends)(void *local);

static void worker_set_current(struct isle__worker *worker)
{
    isle__word_set_worker(worker);
}

enum { WORKER_SIZE = sizeof(struct isle__worker) + 64 + sizeof(struct isle__flow) };

static isle_err worker_make(enum isle__worker_kind kind, struct isle__worker **ret_worker)
{
    /* A cache line more than its size, so that it can be aligned and still be freed by its size. */
    void *memory = isle__memory_alloc(sizeof(struct isle__worker) + 64);
    if (memory == NULL)
        return ISLE_ENOMEM;
    struct isle__worker *worker = (void *)(((uintptr_t)memory + 63) & ~(uintptr_t)63);
    memset(worker, 0, sizeof *worker);
    worker->memory = memory;
    worker->kind = kind;
    worker->seed = (uint64_t)(uintptr_t)worker | 1;
    worker->finds_max = INJECTED_EVERY;
    isle__queue_init(&worker->queue);
    isle__queue_init(&worker->lookers);
    isle__handoff_init(&worker->handoff);
    atomic_init(&worker->rests, false);
    atomic_init(&worker->notifier, -1);
    isle_err err = isle__flow_make_own(&worker->own);
    if (err != ISLE_OK) {
        isle__memory_free(memory, sizeof *worker + 64);
        return err;
    }
    worker->flow = worker->own;
    /* Its first stack, so that a thread that starts can work. */
    if (kind != ISLE__WORKER_ATTACHED &&
        (err = isle__flow_take(worker, &worker->spare)) != ISLE_OK) {
        isle__flow_free_own(worker->own);
        isle__memory_free(memory, sizeof *worker + 64);
        return err;
    }
    if (isle__sched_worker_begins != NULL)
        isle__sched_worker_begins(worker->head.local);
    atomic_fetch_add_explicit(&isle__sched.reserved, WORKER_SIZE, memory_order_relaxed);
    *ret_worker = worker;
    return ISLE_OK;
}

static void worker_free(struct isle__worker *worker)
{
    if (isle__sched_worker_ends != NULL)
        isle__sched_worker_ends(worker->head.local);
    atomic_fetch_sub_explicit(&isle__sched.reserved, WORKER_SIZE, memory_order_relaxed);
    isle__flow_cache_drain(worker);
    isle__flow_free_own(worker->own);
    isle__memory_free(worker->memory, sizeof *worker + 64);
}

/* --- finding work */

static bool worker_sees_waiting(struct isle__worker *self)
{
    if (atomic_load_explicit(&isle__sched.injected.count, memory_order_seq_cst) > 0)
        return true;
    if (atomic_load_explicit(&self->queue.count, memory_order_seq_cst) > 0)
        return true;
    return self->kind == ISLE__WORKER_POOL && isle__sched_has_waiting();
}

bool isle__sched_has_waiting(void)
{
    if (atomic_load_explicit(&isle__sched.injected.count, memory_order_seq_cst) > 0)
        return true;
    bool found = false;
    isle__mutex_lock(&isle__sched.lock);
    for (struct isle__worker *w = isle__sched.workers; w != NULL && !found; w = w->next)
        found = atomic_load_explicit(&w->queue.count, memory_order_seq_cst) > 0;
    isle__mutex_unlock(&isle__sched.lock);
    return found;
}

static bool worker_has_lookers(struct isle__worker *worker)
{
    return atomic_load_explicit(&worker->lookers.count, memory_order_relaxed) > 0;
}

/* A hand-off is its worker's unless that has done nothing new since the monitor last looked: two
 * isolates that talk stay together. So is what looks again. */
static struct isle__task *worker_steal_left(struct isle__worker *victim)
{
    struct isle__task *task = NULL;
    if ((isle__handoff_is_empty(&victim->handoff) && !worker_has_lookers(victim)) ||
        atomic_load_explicit(&victim->head.beat, memory_order_relaxed) !=
            atomic_load_explicit(&victim->seen_beat, memory_order_relaxed))
        return NULL;
    task = isle__handoff_steal(&victim->handoff);
    return task != NULL ? task : isle__queue_pop(&victim->lookers);
}

static struct isle__task *worker_steal(struct isle__worker *self)
{
    struct isle__task *task = NULL;
    isle__mutex_lock(&isle__sched.lock);
    for (struct isle__worker *w = isle__sched.workers; w != NULL && task == NULL; w = w->next) {
        if (w == self)
            continue;
        task = isle__queue_steal(&w->queue, &self->queue);
        if (task == NULL)
            task = worker_steal_left(w);
    }
    isle__mutex_unlock(&isle__sched.lock);
    return task;
}

static inline struct isle__task *worker_take_handoff(struct isle__worker *self)
{
    return isle__handoff_is_empty(&self->handoff) ? NULL : isle__handoff_swap(&self->handoff, NULL);
}

/* What it has goes to one that is awake and stays so; false: there is none, it goes on. */
static bool worker_hand_over(struct isle__worker *self)
{
    isle__mutex_lock(&isle__sched.lock);
    struct isle__worker *heir = isle__sched.workers;
    while (heir != NULL &&
           (heir == self || heir->idle || atomic_load_explicit(&heir->rests, memory_order_relaxed)))
        heir = heir->next;
    if (heir != NULL) {
        isle__queue_move(&self->queue, &heir->queue);
        isle__queue_move(&self->lookers, &heir->queue);
        struct isle__task *task = worker_take_handoff(self);
        if (task != NULL)
            (void)isle__queue_push(&heir->queue, task);
    } else {
        atomic_store_explicit(&self->rests, false, memory_order_relaxed);
    }
    isle__mutex_unlock(&isle__sched.lock);
    return heir != NULL;
}

static inline bool worker_is_to_rest(struct isle__worker *self)
{
    return ISLE__UNLIKELY(atomic_load_explicit(&self->rests, memory_order_relaxed)) &&
           worker_hand_over(self);
}

static struct isle__task *worker_find_apart(struct isle__worker *self)
{
    if (isle__simulating())
        return isle__simulation_next();
    struct isle__task *task = isle__queue_pop(&self->queue);
    if (task == NULL && !isle__sched.pool)
        task = isle__queue_pop(&isle__sched.injected);
    return task;
}

static struct isle__task *worker_take_looker(struct isle__worker *self)
{
    struct isle__task *task = isle__queue_pop(&self->lookers);
    self->looking = task != NULL;
    return task;
}

/* What comes before one's own now and then. */
static struct isle__task *worker_find_in_turn(struct isle__worker *self)
{
    bool looked = worker_has_lookers(self);
    struct isle__task *task = NULL;
    self->finds = 0;
    self->finds_max = looked ? LOOKED_EVERY : INJECTED_EVERY;
    if (looked && ++self->looks % 2 != 0)
        return worker_take_looker(self);
    task = isle__queue_pop(&isle__sched.injected);
    if (task == NULL && ++self->turns % STEAL_EVERY == 0)
        task = worker_steal(self);
    return task;
}

static struct isle__task *worker_find(struct isle__worker *self)
{
    struct isle__task *task;
    if (ISLE__UNLIKELY(self->kind != ISLE__WORKER_POOL))
        return worker_find_apart(self);
    if (ISLE__UNLIKELY(++self->finds >= self->finds_max)) {
        if (worker_is_to_rest(self))
            return NULL;
        if ((task = worker_find_in_turn(self)) != NULL)
            return task;
    }
    if (self->handoffs < HANDOFF_MAX && (task = worker_take_handoff(self)) != NULL) {
        self->handoffs++;
        return task;
    }
    self->handoffs = 0;
    if ((task = isle__queue_pop(&self->queue)) != NULL)
        return task;
    if ((task = worker_take_handoff(self)) != NULL)
        return task;
    if (worker_is_to_rest(self))
        return NULL;
    if ((task = isle__queue_pop(&isle__sched.injected)) != NULL)
        return task;
    if (worker_has_lookers(self) && ++self->looks % STEAL_EVERY != 0 &&
        (task = worker_take_looker(self)) != NULL)
        return task;
    if ((task = worker_steal(self)) != NULL)
        return task;
    return worker_take_looker(self);
}

/* --- parking */

static void idle_list_add(struct isle__worker *self)
{
    isle__mutex_lock(&isle__sched.lock);
    self->idle = true;
    self->idle_next = isle__sched.idle;
    isle__sched.idle = self;
    isle__mutex_unlock(&isle__sched.lock);
    atomic_fetch_add_explicit(&isle__sched.idle_count, 1, memory_order_seq_cst);
}

/* False: somebody else has taken it off, and woken it. */
static bool idle_list_remove(struct isle__worker *self)
{
    isle__mutex_lock(&isle__sched.lock);
    bool was = self->idle;
    if (was) {
        struct isle__worker **at = &isle__sched.idle;
        while (*at != self)
            at = &(*at)->idle_next;
        *at = self->idle_next;
        self->idle = false;
        atomic_fetch_sub_explicit(&isle__sched.idle_count, 1, memory_order_seq_cst);
    }
    isle__mutex_unlock(&isle__sched.lock);
    return was;
}

/* Whether `width` workers are awake. Read after a task was queued and after one's own name was put
 * on the idle list: the last that parks of those that matter sees the task, or is seen. */
static bool sched_is_wide_enough(void)
{
    unsigned idle = atomic_load_explicit(&isle__sched.idle_count, memory_order_seq_cst);
    unsigned count = atomic_load_explicit(&isle__sched.worker_count, memory_order_seq_cst);
    return count >= idle + atomic_load_explicit(&isle__sched.width, memory_order_relaxed);
}

void isle__sched_wake_one(void)
{
    if (atomic_load_explicit(&isle__sched.idle_count, memory_order_seq_cst) == 0 ||
        sched_is_wide_enough())
        return;
    isle__mutex_lock(&isle__sched.lock);
    struct isle__worker *worker = isle__sched.idle;
    if (worker != NULL) {
        atomic_store_explicit(&worker->rests, false, memory_order_relaxed);
        isle__sched.idle = worker->idle_next;
        worker->idle = false;
        atomic_fetch_sub_explicit(&isle__sched.idle_count, 1, memory_order_seq_cst);
        isle__parker_unpark(&worker->parker);
    }
    isle__mutex_unlock(&isle__sched.lock);
}

/* Half of those that are awake at most: each takes a core from somebody, the next task's sender
 * perhaps. */
static bool worker_may_spin(struct isle__worker *self)
{
    unsigned searching = atomic_load_explicit(&isle__sched.searching, memory_order_relaxed);
    unsigned idle = atomic_load_explicit(&isle__sched.idle_count, memory_order_relaxed);
    unsigned count = atomic_load_explicit(&isle__sched.worker_count, memory_order_relaxed);
    return !atomic_load_explicit(&self->rests, memory_order_relaxed) &&
           (searching == 0 || 2 * searching + idle < count);
}

/* Looks around for a little while before the cost of sleeping and being woken is paid. */
static struct isle__task *worker_spin(struct isle__worker *self)
{
    struct isle__task *task = NULL;
    if (!worker_may_spin(self))
        return NULL;
    atomic_fetch_add_explicit(&isle__sched.searching, 1, memory_order_seq_cst);
    for (int round = 0; round < SPIN_ROUNDS && task == NULL; round++) {
        for (int i = 0; i < 8; i++)
            isle__cpu_relax();
        if (round % SPIN_YIELD == SPIN_YIELD - 1)
            isle__thread_yield();
        if (atomic_load_explicit(&isle__sched.stopping, memory_order_relaxed))
            break;
        task = worker_find(self);
    }
    atomic_fetch_sub_explicit(&isle__sched.searching, 1, memory_order_seq_cst);
    return task;
}

/* The same for one that has only tasks of its own. */
static bool worker_spin_for_own(struct isle__worker *self)
{
    if (!isle__sched.pool)
        return false;
    for (int round = 0; round < OWN_SPIN_ROUNDS; round++) {
        if (atomic_load_explicit(&self->queue.count, memory_order_relaxed) > 0)
            return true;
        isle__cpu_relax();
        if (round % OWN_SPIN_YIELD == OWN_SPIN_YIELD - 1)
            isle__thread_yield();
    }
    return false;
}

/* A surplus worker takes itself off the list for good; false if it is wanted after all. */
static bool worker_may_end(struct isle__worker *self)
{
    isle__mutex_lock(&isle__sched.lock);
    /* Who rests may have made it heir, under the lock, since it last looked. */
    bool has_some = atomic_load_explicit(&self->queue.count, memory_order_relaxed) > 0;
    bool ends = atomic_load_explicit(&isle__sched.stopping, memory_order_relaxed) ||
                (atomic_load_explicit(&isle__sched.worker_count, memory_order_relaxed) >
                     isle__sched.target &&
                 !has_some);
    if (ends) {
        struct isle__worker **at = &isle__sched.workers;
        while (*at != self)
            at = &(*at)->next;
        *at = self->next;
        atomic_fetch_sub_explicit(&isle__sched.worker_count, 1, memory_order_seq_cst);
    }
    isle__mutex_unlock(&isle__sched.lock);
    /* Somebody may have counted on this one. */
    if (ends && isle__sched_has_waiting())
        isle__sched_wake_one();
    return ends;
}

/* Returns a task, or NULL when this worker's thread is to end. */
static struct isle__task *worker_wait(struct isle__worker *self)
{
    bool surplus_waited = false;
    for (;;) {
        struct isle__task *task = worker_find(self);
        if (task != NULL)
            return task;
        if (isle__sched_idle_hook != NULL && self->kind == ISLE__WORKER_ATTACHED &&
            isle__sched_idle_hook(self))
            continue;
        if (self->kind != ISLE__WORKER_POOL) {
            if (atomic_load_explicit(&self->released, memory_order_acquire)) {
                /* Who released it still holds the lock, perhaps. */
                isle__queue_lock(&self->queue);
                isle__queue_unlock(&self->queue);
                return NULL;
            }
            if (!worker_spin_for_own(self))
                isle__parker_park(&self->parker, ISLE_FOREVER);
            continue;
        }
        if (atomic_load_explicit(&isle__sched.stopping, memory_order_acquire) &&
            worker_may_end(self))
            return NULL;
        if (!surplus_waited && (task = worker_spin(self)) != NULL)
            return task;
        bool surplus = atomic_load_explicit(&isle__sched.worker_count, memory_order_relaxed) >
                       isle__sched.target;
        if (surplus && surplus_waited && worker_may_end(self))
            return NULL;
        idle_list_add(self);
        if ((sched_is_wide_enough() || !worker_sees_waiting(self)) &&
            !atomic_load_explicit(&isle__sched.stopping, memory_order_seq_cst))
            isle__parker_park(&self->parker, surplus ? LINGER_NS : ISLE_FOREVER);
        idle_list_remove(self);
        /* The monitor sleeps while all are idle: one of us sees the other. */
        isle__monitor_wake();
        surplus_waited = surplus;
    }
}

/* --- the loop */

void isle__worker_loop(void *unused)
{
    (void)unused;
    isle__flow_arrived(isle__worker_current());
    for (;;) {
        struct isle__worker *worker = isle__worker_current();
        struct isle__task *task = worker->current;
        if (task == NULL) {
            task = worker_find(worker);
            if (task == NULL)
                task = worker_wait(worker);
            if (task == NULL)
                isle__flow_resume(worker->own);
            worker->current = task;
            atomic_store_explicit(&worker->running, true, memory_order_relaxed);
        }
        if (ISLE__UNLIKELY(worker->looking))
            worker->looking = false; /* which is no event */
        else
            isle__sched_beat();
        task->run(task);
        worker = isle__worker_current();
        worker->current = NULL;
        atomic_store_explicit(&worker->running, false, memory_order_relaxed);
    }
}

void isle__sched_leave_task(void)
{
    struct isle__worker *worker = isle__worker_current();
    worker->current = NULL;
    atomic_store_explicit(&worker->running, false, memory_order_relaxed);
}

bool isle__worker_run_one(void)
{
    struct isle__worker *worker = isle__worker_current();
    if (isle__sched.pool)
        return false;
    struct isle__task *task = worker_find(worker);
    if (task == NULL)
        return false;
    task->run(task);
    return true;
}

void isle__worker_forget_ready(struct isle__worker *worker)
{
    if (isle__simulating())
        isle__simulation_forget(worker);
    while (isle__queue_pop(&worker->queue) != NULL)
        ;
}

static void worker_thread_main(void *argument)
{
    struct isle__worker *worker = argument;
    worker_set_current(worker);
    isle__context_init_thread(&worker->own->context);
    atomic_store_explicit(&worker->clock, isle__thread_clock(), memory_order_relaxed);
    atomic_store_explicit(&worker->thread_id, isle__thread_id(), memory_order_relaxed);
    if (worker->kind == ISLE__WORKER_POOL)
        isle__monitor_wake();
    isle__flow_suspend();
    worker_set_current(NULL);
    isle__context_fini(&worker->own->context);
    worker_free(worker);
    atomic_fetch_sub_explicit(&isle__sched.thread_count, 1, memory_order_acq_rel);
}

isle_err isle__sched_add_worker(void)
{
    struct isle__worker *worker;
    isle_err err = worker_make(ISLE__WORKER_POOL, &worker);
    if (err != ISLE_OK)
        return err;
    isle__mutex_lock(&isle__sched.lock);
    worker->next = isle__sched.workers;
    isle__sched.workers = worker;
    atomic_fetch_add_explicit(&isle__sched.worker_count, 1, memory_order_relaxed);
    isle__mutex_unlock(&isle__sched.lock);
    atomic_fetch_add_explicit(&isle__sched.thread_count, 1, memory_order_relaxed);
    struct isle__thread thread; /* not the worker's: that may have ended already */
    err = isle__thread_start(&thread, "isle-worker", worker_thread_main, worker);
    if (err == ISLE_OK) {
        isle__thread_detach(&thread);
        return ISLE_OK;
    }
    atomic_fetch_sub_explicit(&isle__sched.thread_count, 1, memory_order_relaxed);
    isle__mutex_lock(&isle__sched.lock);
    struct isle__worker **at = &isle__sched.workers;
    while (*at != worker)
        at = &(*at)->next;
    *at = worker->next;
    atomic_fetch_sub_explicit(&isle__sched.worker_count, 1, memory_order_relaxed);
    isle__mutex_unlock(&isle__sched.lock);
    worker_free(worker);
    return err;
}

/* --- making ready */

static void worker_notify(struct isle__worker *worker)
{
    int fd = atomic_load_explicit(&worker->notifier, memory_order_acquire);
    if (fd >= 0)
        isle__notifier_raise(fd);
    isle__parker_unpark(&worker->parker);
}

void isle__sched_ready(struct isle__task *task)
{
    if (isle__simulating()) {
        isle__simulation_ready(task);
        return;
    }
    struct isle__worker *home = atomic_load_explicit(&task->home, memory_order_acquire);
    if (home != NULL) {
        /* Under the lock: once the task is out of the queue, it may end its worker. */
        isle__queue_lock(&home->queue);
        isle__queue_append(&home->queue, task, task, 1);
        worker_notify(home);
        isle__queue_unlock(&home->queue);
        return;
    }
    struct isle__worker *self = isle__worker_current();
    bool scatter = atomic_load_explicit(&isle__sched_scatter, memory_order_relaxed);
    if (self == NULL || self->kind != ISLE__WORKER_POOL || scatter) {
        (void)isle__queue_push(&isle__sched.injected, task);
        if (!isle__sched.pool) {
            if (self == NULL && isle__sched_outside_hook != NULL)
                isle__sched_outside_hook();
            return;
        }
        if (atomic_load_explicit(&isle__sched.searching, memory_order_seq_cst) == 0)
            isle__sched_wake_one();
        return;
    }
    struct isle__task *displaced = isle__handoff_swap(&self->handoff, task);
    if (displaced == NULL)
        return;
    if (isle__queue_push_own(&self->queue, displaced) >= WAKE_BACKLOG &&
        atomic_load_explicit(&isle__sched.searching, memory_order_seq_cst) == 0)
        isle__sched_wake_one();
}

void isle__sched_yielded(struct isle__task *task)
{
    struct isle__worker *self = isle__worker_current();
    if (atomic_load_explicit(&task->home, memory_order_relaxed) != NULL || self == NULL ||
        self->kind != ISLE__WORKER_POOL)
        isle__sched_ready(task);
    else
        (void)isle__queue_push_own(&self->queue, task);
}

void isle__sched_look_again(struct isle__task *task)
{
    struct isle__worker *self = isle__worker_current();
    if (isle__simulating() || self == NULL || self->kind != ISLE__WORKER_POOL ||
        atomic_load_explicit(&task->home, memory_order_relaxed) != NULL) {
        isle__sched_ready(task);
        return;
    }
    self->finds_max = LOOKED_EVERY;
    (void)isle__queue_push_own(&self->lookers, task);
}

bool isle__sched_is_free(void)
{
    struct isle__worker *self = isle__worker_current();
    return isle__handoff_is_empty(&self->handoff) &&
           atomic_load_explicit(&self->queue.count, memory_order_relaxed) == 0 &&
           atomic_load_explicit(&isle__sched.injected.count, memory_order_relaxed) == 0;
}

/* --- start and stop */

isle_err isle__sched_start(unsigned count, size_t stack_size)
{
    memset(&isle__sched, 0, sizeof isle__sched);
    isle__mutex_init(&isle__sched.lock);
    isle__queue_init(&isle__sched.injected);
    isle__sched.stack_size = stack_size;
    isle__sched.target = count;
    atomic_store_explicit(&isle__sched.width, ISLE__WIDTH_ALL, memory_order_relaxed);
    isle__handoffs_start();
    isle__sched.pool = count > 0;
    isle_err err = ISLE_OK;
    for (unsigned i = 0; i < count && err == ISLE_OK; i++)
        err = isle__sched_add_worker();
    if (err == ISLE_OK && count > 0) {
        atomic_fetch_add_explicit(&isle__sched.thread_count, 1, memory_order_relaxed);
        err = isle__thread_start(&isle__sched.monitor, "isle-monitor", isle__monitor_main, NULL);
        if (err != ISLE_OK)
            atomic_fetch_sub_explicit(&isle__sched.thread_count, 1, memory_order_relaxed);
    }
    if (err != ISLE_OK)
        isle__sched_stop();
    return err;
}

static void sched_unpark_all(void)
{
    atomic_store_explicit(&isle__sched.width, ISLE__WIDTH_ALL, memory_order_relaxed);
    while (atomic_load_explicit(&isle__sched.idle_count, memory_order_seq_cst) > 0)
        isle__sched_wake_one();
}

void isle__sched_stop(void)
{
    atomic_store_explicit(&isle__sched.stopping, true, memory_order_seq_cst);
    bool monitored = isle__sched.monitor.handle != 0;
    if (monitored) {
        isle__parker_unpark(&isle__sched.monitor_parker);
        isle__thread_join(&isle__sched.monitor);
        atomic_fetch_sub_explicit(&isle__sched.thread_count, 1, memory_order_relaxed);
    }
    /* The threads are detached: each takes itself off the count as the last thing that it does with
     * what is shared. */
    for (unsigned rounds = 0;
         atomic_load_explicit(&isle__sched.thread_count, memory_order_acquire) > 0;) {
        sched_unpark_all();
        isle__thread_give_way(&rounds);
    }
    isle__mutex_destroy(&isle__sched.lock);
}

size_t isle__sched_reserved(void)
{
    return atomic_load_explicit(&isle__sched.reserved, memory_order_relaxed);
}

uint64_t isle__sched_thread_count(void)
{
    return atomic_load_explicit(&isle__sched.thread_count, memory_order_relaxed);
}

/* The system is asked only about those that used little: they sleep, or other programs have their
 * core. */
static int64_t worker_time_given(struct isle__worker *worker, int64_t elapsed)
{
    int64_t cpu =
        isle__thread_clock_read(atomic_load_explicit(&worker->clock, memory_order_relaxed));
    int64_t used = cpu - worker->given_cpu;
    worker->given_cpu = cpu;
    if (cpu < 0 || used < 0 || used >= elapsed / 2)
        return elapsed;
    uint64_t id = atomic_load_explicit(&worker->thread_id, memory_order_relaxed);
    return isle__thread_wants_core(id) ? used : elapsed;
}

int64_t isle__sched_time_given(int64_t elapsed)
{
    int64_t least = elapsed;
    isle__mutex_lock(&isle__sched.lock);
    for (struct isle__worker *w = isle__sched.workers; w != NULL; w = w->next) {
        int64_t given = w->idle ? elapsed : worker_time_given(w, elapsed);
        least = given < least ? given : least;
    }
    isle__mutex_unlock(&isle__sched.lock);
    return least;
}

/* --- attached and pinned workers */

isle_err isle__worker_attach(struct isle__worker **ret_worker)
{
    struct isle__worker *worker;
    isle_err err = worker_make(ISLE__WORKER_ATTACHED, &worker);
    if (err != ISLE_OK)
        return err;
    worker_set_current(worker);
    *ret_worker = worker;
    return ISLE_OK;
}

void isle__worker_detach(struct isle__worker *worker)
{
    isle__context_fini(&worker->own->context);
    worker_set_current(NULL);
    worker_free(worker);
}

void isle__worker_serve(void)
{
    isle__flow_suspend();
}

void isle__worker_set_notifier(struct isle__worker *worker, int fd)
{
    atomic_store_explicit(&worker->notifier, fd, memory_order_release);
}

struct isle__flow *isle__worker_own_flow(struct isle__worker *worker)
{
    return worker->own;
}

bool isle__worker_has_ready(struct isle__worker *worker)
{
    return atomic_load_explicit(&worker->queue.count, memory_order_seq_cst) > 0 ||
           (!isle__sched.pool &&
            atomic_load_explicit(&isle__sched.injected.count, memory_order_seq_cst) > 0);
}

isle_err isle__worker_start_pinned(const char *name, struct isle__worker **ret_worker)
{
    struct isle__worker *worker;
    isle_err err = worker_make(ISLE__WORKER_PINNED, &worker);
    if (err != ISLE_OK)
        return err;
    atomic_fetch_add_explicit(&isle__sched.thread_count, 1, memory_order_relaxed);
    struct isle__thread thread;
    err = isle__thread_start(&thread, name, worker_thread_main, worker);
    if (err != ISLE_OK) {
        atomic_fetch_sub_explicit(&isle__sched.thread_count, 1, memory_order_relaxed);
        worker_free(worker);
        return err;
    }
    isle__thread_detach(&thread);
    *ret_worker = worker;
    return ISLE_OK;
}

void isle__worker_release_pinned(struct isle__worker *worker)
{
    isle__queue_lock(&worker->queue);
    atomic_store_explicit(&worker->released, true, memory_order_release);
    isle__parker_unpark(&worker->parker);
    isle__queue_unlock(&worker->queue);
}
