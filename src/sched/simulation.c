/* SPDX-License-Identifier: Apache-2.0 */
/* Seeded choice (simulation.h has the laws). Tasks whose turn begins stand in a ring, in the order
 * in which they came; preempted ones in a heap, by the time at which they may go on.
 *
 * A seed chooses its own manner first: how often tasks are preempted, how long they then stay away,
 * whether the newest or the oldest of the others are favoured. Uniform chance alone would visit the
 * same middle of all schedules again and again; manners reach its corners. How long a preempted
 * task is held up is drawn anew each time: most often some microseconds of virtual time, rarely up
 * to a tenth of a second, so that others may do much meanwhile, and timers pass, as when a system
 * is short of cores. The longer a program has run the rarer these are, so that time-outs of seconds
 * mean what they say. */
#include "sched/simulation.h"

#include <string.h>

#include "sched/worker.h"

enum {
    FIRST_CAPACITY = 64,   /* entries; a power of two */
    PREEMPT_AT_LAST = 512, /* points that a task passes at most before others have their turn */
    LONG_FIRST = 16,
    LONG_BITS = 9 /* how much longer a long preemption is than another */
};

struct simulation_ring { /* of what is fresh */
    struct isle__task **tasks;
    size_t head, count, capacity;
};

struct simulation_preempted {
    struct isle__task *task;
    struct isle__flow *flow;
    struct isle__task *current; /* what the worker was running there: NULL for the thread's own */
    int64_t until;              /* from then on it may go on */
    uint64_t order;             /* of the preemptions */
};

struct simulation_heap { /* the earliest first */
    struct simulation_preempted *entries;
    size_t count, capacity;
};

enum simulation_favour { FAVOUR_NONE, FAVOUR_NEWEST, FAVOUR_OLDEST, FAVOUR_COUNT };

static struct {
    struct isle__simulation_rules rules;
    uint64_t chances[ISLE__CHANCE_COUNT];
    struct simulation_ring fresh;
    struct simulation_heap preempted;
    struct isle__task *held; /* the attached thread's own flow stands in the middle of this one */
    enum simulation_favour favour;
    unsigned preempt_one_in, lag_bits, long_rate;
    bool calm;
    bool is_long;    /* the preemption that was just decided */
    unsigned points; /* since the running task was chosen */
    uint64_t passed; /* points in all */
    uint64_t preemptions;
} simulation;

_Atomic bool isle__simulation_on;

/* --- chance */

/* SplitMix64: a counter, then a mixer that is a bijection of 64 bits. */
static uint64_t chance_mix(uint64_t word)
{
    word = (word ^ word >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    word = (word ^ word >> 27) * UINT64_C(0x94d049bb133111eb);
    return word ^ word >> 31;
}

#define CHANCE_STEP UINT64_C(0x9e3779b97f4a7c15)

uint64_t isle__chance_draw(enum isle__chance chance)
{
    simulation.chances[chance] += CHANCE_STEP;
    return chance_mix(simulation.chances[chance]);
}

uint64_t isle__chance_below(enum isle__chance chance, uint64_t bound)
{
    return isle__chance_draw(chance) % bound;
}

/* 53 bits of a draw are exact as a double on every machine. */
bool isle__chance_is(enum isle__chance chance, double probability)
{
    if (!(probability > 0))
        return false;
    return (double)(isle__chance_draw(chance) >> 11) * 0x1p-53 < probability;
}

static void chance_seed(uint64_t seed)
{
    for (unsigned i = 0; i < ISLE__CHANCE_COUNT; i++)
        simulation.chances[i] = chance_mix(chance_mix(seed + CHANCE_STEP) ^ (i + 1) * CHANCE_STEP);
}

/* --- the ring and the heap */

/* Twice: an allocation that a fault refuses is refused once. What it has more than at the start is
 * the simulation's own, not the program's. */
static void *simulation_grow(void *memory, size_t size, size_t new_size)
{
    void *grown = isle__memory_resize(memory, size, new_size);
    if (grown == NULL)
        grown = isle__memory_resize(memory, size, new_size);
    if (grown == NULL)
        isle__die("isle: no memory for the simulation's ready tasks");
    atomic_fetch_add_explicit(&isle__sched.reserved, new_size - size, memory_order_relaxed);
    return grown;
}

static struct isle__task **ring_at(const struct simulation_ring *ring, size_t index)
{
    return &ring->tasks[(ring->head + index) & (ring->capacity - 1)];
}

static void ring_add(struct simulation_ring *ring, struct isle__task *task)
{
    if (ring->count == ring->capacity) {
        size_t size = ring->capacity * sizeof *ring->tasks;
        ring->tasks = simulation_grow(ring->tasks, size, size * 2);
        /* What had wrapped around follows the rest. */
        memcpy(ring->tasks + ring->capacity, ring->tasks, ring->head * sizeof *ring->tasks);
        ring->capacity *= 2;
    }
    *ring_at(ring, ring->count++) = task;
}

/* The first takes the place of the one that goes, but for the last. */
static struct isle__task *ring_take(struct simulation_ring *ring, size_t index)
{
    struct isle__task *taken = *ring_at(ring, index);
    ring->count--;
    if (index == ring->count)
        return taken;
    *ring_at(ring, index) = *ring_at(ring, 0);
    ring->head = (ring->head + 1) & (ring->capacity - 1);
    return taken;
}

static bool heap_before(const struct simulation_preempted *a, const struct simulation_preempted *b)
{
    return a->until != b->until ? a->until < b->until : a->order < b->order;
}

static void heap_add(struct simulation_heap *heap, struct simulation_preempted entry)
{
    if (heap->count == heap->capacity) {
        size_t size = heap->capacity * sizeof *heap->entries;
        heap->entries = simulation_grow(heap->entries, size, size * 2);
        heap->capacity *= 2;
    }
    size_t at = heap->count++;
    for (; at > 0 && heap_before(&entry, &heap->entries[(at - 1) / 2]); at = (at - 1) / 2)
        heap->entries[at] = heap->entries[(at - 1) / 2];
    heap->entries[at] = entry;
}

static struct simulation_preempted heap_take(struct simulation_heap *heap)
{
    struct simulation_preempted taken = heap->entries[0];
    struct simulation_preempted last = heap->entries[--heap->count];
    size_t at = 0, child;
    while ((child = 2 * at + 1) < heap->count) {
        if (child + 1 < heap->count &&
            heap_before(&heap->entries[child + 1], &heap->entries[child]))
            child++;
        if (!heap_before(&heap->entries[child], &last))
            break;
        heap->entries[at] = heap->entries[child];
        at = child;
    }
    heap->entries[at] = last;
    return taken;
}

/* --- choosing */

/* The flow of the attached thread stands in the middle of its task: that task itself must wait. It
 * is ready once at most. */
static bool fresh_may_run(size_t index)
{
    return simulation.held == NULL || *ring_at(&simulation.fresh, index) != simulation.held;
}

static bool fresh_is_there(void)
{
    return simulation.fresh.count > 1 || (simulation.fresh.count == 1 && fresh_may_run(0));
}

static size_t fresh_choose(void)
{
    size_t count = simulation.fresh.count, index = 0;
    if (!simulation.rules.first_in_first_out) {
        if (simulation.favour == FAVOUR_NONE || isle__chance_below(ISLE__CHANCE_SCHEDULE, 4) == 0)
            index = (size_t)isle__chance_below(ISLE__CHANCE_SCHEDULE, count);
        else if (simulation.favour == FAVOUR_NEWEST)
            index = count - 1;
    }
    return fresh_may_run(index) ? index : (index + 1) % count;
}

/* Some of both sorts may run. */
static bool choose_preempted(void)
{
    return !simulation.rules.first_in_first_out &&

           isle__chance_below(ISLE__CHANCE_SCHEDULE, 2) == 0;
}

bool isle__simulation_has_ready(void)
{
    return fresh_is_there();
}

int64_t isle__simulation_wakes(void)
{
    return simulation.preempted.count > 0 ? simulation.preempted.entries[0].until : ISLE_FOREVER;
}

void isle__simulation_ready(struct isle__task *task)
{
    ring_add(&simulation.fresh, task);
}

/* Does not return: the worker goes on with the flow. */
ISLE_NORETURN static void preempted_goes_on(void)
{
    struct simulation_preempted entry = heap_take(&simulation.preempted);
    simulation.rules.step(entry.task);
    if (simulation.held == entry.task)
        simulation.held = NULL;
    isle__worker_current()->current = entry.current;
    isle__flow_resume(entry.flow);
}

struct isle__task *isle__simulation_next(void)
{
    bool fresh = fresh_is_there(), preempted = isle__simulation_wakes() <= simulation.rules.now();
    if (!fresh && !preempted)
        return NULL;
    simulation.points = 0;
    if (preempted && (!fresh || choose_preempted()))
        preempted_goes_on();
    struct isle__task *task = ring_take(&simulation.fresh, fresh_choose());
    simulation.rules.step(task);
    return task;
}

void isle__simulation_forget(const struct isle__worker *home)
{
    struct simulation_ring *ring = &simulation.fresh;
    size_t kept = 0;
    for (size_t i = 0; i < ring->count; i++) {
        struct isle__task *task = *ring_at(ring, i);
        if (atomic_load_explicit(&task->home, memory_order_relaxed) != home)
            *ring_at(ring, kept++) = task;
    }
    ring->count = kept;
}

/* --- preemption */

bool isle__simulation_preempts(void)
{
    if (simulation.calm)
        return false;
    uint64_t passed = LONG_FIRST + simulation.passed++;
    simulation.is_long = isle__chance_below(ISLE__CHANCE_SCHEDULE, passed) < simulation.long_rate;
    return simulation.is_long || ++simulation.points >= PREEMPT_AT_LAST ||
           isle__chance_below(ISLE__CHANCE_SCHEDULE, simulation.preempt_one_in) == 0;
}

/* Of all magnitudes. */
static int64_t preemption_length(void)
{
    if (simulation.calm)
        return 0;
    uint64_t first = simulation.is_long ? LONG_BITS : 0;
    uint64_t scale = UINT64_C(1000)
                     << (first + isle__chance_below(ISLE__CHANCE_SCHEDULE, simulation.lag_bits));
    return (int64_t)(scale + isle__chance_below(ISLE__CHANCE_SCHEDULE, scale));
}

bool isle__simulation_suspend(struct isle__task *task)
{
    struct isle__worker *worker = isle__worker_current();
    if (isle__flow_reserve() != ISLE_OK)
        return false;
    heap_add(&simulation.preempted, (struct simulation_preempted){
                                        .task = task,
                                        .flow = worker->flow,
                                        .current = worker->current,
                                        .until = simulation.rules.now() + preemption_length(),
                                        .order = simulation.preemptions++,
                                    });
    if (worker->current == NULL)
        simulation.held = task;
    worker->current = NULL;
    isle__flow_suspend();
    return true;
}

/* --- begin and end */

static void simulation_choose_manner(void)
{
    static const unsigned preemptions[] = {2, 4, 16, 64}, lags[] = {1, 4, 8}, rates[] = {0, 1, 4};
    simulation.preempt_one_in = preemptions[isle__chance_below(ISLE__CHANCE_SCHEDULE, 4)];
    simulation.lag_bits = lags[isle__chance_below(ISLE__CHANCE_SCHEDULE, 3)];
    simulation.long_rate = rates[isle__chance_below(ISLE__CHANCE_SCHEDULE, 3)];
    simulation.favour =
        (enum simulation_favour)isle__chance_below(ISLE__CHANCE_SCHEDULE, FAVOUR_COUNT);
}

static void simulation_free(void)
{
    isle__memory_free(simulation.fresh.tasks,
                      simulation.fresh.capacity * sizeof *simulation.fresh.tasks);
    isle__memory_free(simulation.preempted.entries,
                      simulation.preempted.capacity * sizeof *simulation.preempted.entries);
    memset(&simulation, 0, sizeof simulation);
}

isle_err isle__simulation_begin(const struct isle__simulation_rules *rules)
{
    memset(&simulation, 0, sizeof simulation);
    simulation.fresh.capacity = simulation.preempted.capacity = FIRST_CAPACITY;
    simulation.fresh.tasks = isle__memory_alloc(FIRST_CAPACITY * sizeof *simulation.fresh.tasks);
    simulation.preempted.entries =
        isle__memory_alloc(FIRST_CAPACITY * sizeof *simulation.preempted.entries);
    if (simulation.fresh.tasks == NULL || simulation.preempted.entries == NULL) {
        simulation_free();
        return ISLE_ENOMEM;
    }
    simulation.rules = *rules;
    simulation.calm = rules->first_in_first_out;
    chance_seed(rules->seed);
    simulation_choose_manner();
    atomic_store_explicit(&isle__simulation_on, true, memory_order_relaxed);
    return ISLE_OK;
}

void isle__simulation_calm(void)
{
    simulation.calm = true;
}

void isle__simulation_end(void)
{
    atomic_store_explicit(&isle__simulation_on, false, memory_order_relaxed);
    simulation_free();
}
