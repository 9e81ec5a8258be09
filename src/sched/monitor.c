/* SPDX-License-Identifier: Apache-2.0 */
/* The monitor: a thread that looks ten thousand times a second, while tasks run, whether one waits
 * that nobody takes. If a worker is idle it is woken. If all are in tasks that do not come back, a
 * worker more is started: at once when a core is free (the stuck ones sleep in system calls), after
 * a while when they compute, so that nobody starves and the system's own scheduler shares the
 * cores. When all workers are idle it sleeps.
 *
 * This is how "while a core is idle a runnable isolate starts within 200 us even if its creator or
 * sender never returns" is kept. */
#include "sched/width.h"
#include "sched/worker.h"

enum {
    TICK_NS = 100 * 1000,
    HELD_NS = 150 * 1000,           /* in a task without an event, before it counts as held */
    ASLEEP_LOOKS = 2,               /* that find a worker asleep, before it counts as blocked */
    QUIET_TICKS = 20,               /* in a row, then it sleeps */
    PATIENCE_NS = 10 * 1000 * 1000, /* with workers that compute */
};

void isle__monitor_wake(void)
{
    if (atomic_load_explicit(&isle__sched.monitor_asleep, memory_order_seq_cst) &&
        atomic_exchange_explicit(&isle__sched.monitor_asleep, false, memory_order_seq_cst))
        isle__parker_unpark(&isle__sched.monitor_parker);
}

struct monitor_view {
    unsigned workers, idle, stuck, computing;
    bool waiting;    /* a task that nobody is about to take */
    int64_t longest; /* that a stuck one has computed */
    uint64_t events; /* begun since the last look */
    bool held;       /* one computes or sleeps in its task */
};

static void monitor_look_at(struct isle__worker *worker, int64_t now, struct monitor_view *view)
{
    uint64_t beat = atomic_load_explicit(&worker->head.beat, memory_order_relaxed);
    bool running = atomic_load_explicit(&worker->running, memory_order_relaxed);
    isle__thread_clock_id clock = atomic_load_explicit(&worker->clock, memory_order_relaxed);
    view->workers++;
    view->idle += worker->idle;
    view->events += beat - atomic_load_explicit(&worker->seen_beat, memory_order_relaxed);
    if (atomic_load_explicit(&worker->queue.count, memory_order_relaxed) > 0)
        view->waiting = true;
    if (!running || beat != atomic_load_explicit(&worker->seen_beat, memory_order_relaxed)) {
        atomic_store_explicit(&worker->seen_beat, beat, memory_order_relaxed);
        worker->stuck_since = now;
        worker->seen_cpu = running ? isle__thread_clock_read(clock) : 0;
        worker->stuck_cpu = worker->seen_cpu;
        worker->asleep = 0;
        return;
    }
    if (!isle__handoff_is_empty(&worker->handoff))
        view->waiting = true;
    if (atomic_load_explicit(&worker->lookers.count, memory_order_relaxed) > 0)
        view->waiting = true;
    int64_t cpu = isle__thread_clock_read(clock);
    /* In time that it used itself: one that merely waits for a core would gain nothing from another
     * thread that does. */
    int64_t stuck_for = cpu < 0 ? now - worker->stuck_since : cpu - worker->stuck_cpu;
    view->stuck++;
    /* One that used no time is blocked, or has merely not been given a core: only the system knows.
     * One that waits a moment for a lock sleeps as well: it is asked twice before it counts. */
    if (cpu < 0 || cpu != worker->seen_cpu)
        worker->asleep = 0;
    if (worker->asleep < ASLEEP_LOOKS && (cpu - worker->seen_cpu) * 2 <= TICK_NS)
        worker->asleep =
            isle__thread_wants_core(atomic_load_explicit(&worker->thread_id, memory_order_relaxed))
                ? 0
                : worker->asleep + 1;
    if (worker->asleep < ASLEEP_LOOKS)
        view->computing++;
    worker->seen_cpu = cpu;
    if (stuck_for > view->longest)
        view->longest = stuck_for;
    if (stuck_for > HELD_NS || worker->asleep >= ASLEEP_LOOKS)
        view->held = true;
}

static struct monitor_view monitor_look(int64_t now)
{
    struct monitor_view view = {0};
    view.waiting = atomic_load_explicit(&isle__sched.injected.count, memory_order_seq_cst) > 0;
    isle__mutex_lock(&isle__sched.lock);
    for (struct isle__worker *w = isle__sched.workers; w != NULL; w = w->next)
        monitor_look_at(w, now, &view);
    isle__mutex_unlock(&isle__sched.lock);
    return view;
}

void isle__sched_set_width(unsigned width)
{
    unsigned awake = 0;
    isle__mutex_lock(&isle__sched.lock);
    atomic_store_explicit(&isle__sched.width, width, memory_order_relaxed);
    for (struct isle__worker *w = isle__sched.workers; w != NULL; w = w->next)
        atomic_store_explicit(&w->rests, !w->idle && ++awake > width, memory_order_relaxed);
    isle__mutex_unlock(&isle__sched.lock);
}

/* How many workers may be awake, by what they get done. */
static void monitor_measure(struct isle__width *width, uint64_t *events, int64_t now,
                            const struct monitor_view *view)
{
    unsigned before = atomic_load_explicit(&isle__sched.width, memory_order_relaxed);
    *events += view->events;
    unsigned after = isle__width_look(width, &(struct isle__width_view){
                                                 .now = now,
                                                 .events = *events,
                                                 .workers = view->workers,
                                                 .awake = view->workers - view->idle,
                                                 .waiting = view->waiting,
                                                 .held = view->held,
                                             });
    if (after == 0)
        after = ISLE__WIDTH_ALL;
    if (after != before)
        isle__sched_set_width(after);
}

static void monitor_add_worker(void)
{
    if (isle__sched_add_worker() == ISLE_OK) {
        atomic_store_explicit(&isle__sched.refused, false, memory_order_relaxed);
        return;
    }
    if (!atomic_exchange_explicit(&isle__sched.refused, true, memory_order_relaxed))
        isle__report("isle: the system refuses more threads; isolates that are ready wait until a "
                     "blocked one returns");
}

void isle__monitor_main(void *unused)
{
    (void)unused;
    unsigned quiet = 0;
    int64_t last_added = 0;
    struct isle__width width = {0};
    uint64_t events = 0;
    unsigned cores = isle__cpu_count();
    isle__thread_be_punctual();
    while (!atomic_load_explicit(&isle__sched.stopping, memory_order_acquire)) {
        int64_t now = isle__clock_now();
        struct monitor_view view = monitor_look(now);
        quiet = view.idle < view.workers || view.waiting ? 0 : quiet + 1;
        monitor_measure(&width, &events, now, &view);
        if (view.waiting) {
            if (atomic_load_explicit(&isle__sched.idle_count, memory_order_seq_cst) > 0) {
                isle__sched_wake_one();
            } else if (view.stuck > 0 && view.stuck == view.workers) {
                /* After a refusal it is tried again, but not at every tick. */
                bool core_free = view.computing < cores &&
                                 !atomic_load_explicit(&isle__sched.refused, memory_order_relaxed);
                if (core_free || (view.longest > PATIENCE_NS && now - last_added > PATIENCE_NS)) {
                    monitor_add_worker();
                    last_added = now;
                }
            }
        }
        if (quiet < QUIET_TICKS) {
            isle__parker_park(&isle__sched.monitor_parker, TICK_NS);
            continue;
        }
        atomic_store_explicit(&isle__sched.monitor_asleep, true, memory_order_seq_cst);
        /* Re-checked after saying so: a worker that left the idle list before this looked is seen
         * now, one that leaves it later wakes. */
        view = monitor_look(isle__clock_now());
        if (view.idle == view.workers && !isle__sched_has_waiting())
            isle__parker_park(&isle__sched.monitor_parker, ISLE_FOREVER);
        atomic_store_explicit(&isle__sched.monitor_asleep, false, memory_order_seq_cst);
        quiet = 0;
    }
}
