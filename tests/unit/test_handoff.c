/* SPDX-License-Identifier: Apache-2.0 */
/* The hand-off slot: each task that is put there is taken by exactly one, its owner or a thief,
 * with barriers made by the system and with barriers that the owner pays. */
#include "test.h"

#include <pthread.h>

#include "sched/handoff.h"

enum { ROUNDS = 200000, TASKS = 1024 };

static struct isle__handoff slot;
static struct isle__task tasks[TASKS];
static _Atomic unsigned held[TASKS]; /* by how many: never more than one */
static _Atomic bool over;
static _Atomic uint64_t stolen;

static void take(struct isle__task *task)
{
    CHECK_UINT(atomic_fetch_sub(&held[task - tasks], 1), 1);
}

static void *thief_main(void *unused)
{
    while (!atomic_load(&over)) {
        struct isle__task *task = isle__handoff_steal(&slot);
        if (task != NULL) {
            atomic_fetch_add(&stolen, 1);
            take(task);
        }
    }
    return unused;
}

static void own_and_steal(bool fences)
{
    pthread_t thief;
    uint64_t displaced = 0, round = 0;

    isle__handoffs_start();
    if (fences)
        atomic_store(&isle__handoff_fences, true);
    isle__handoff_init(&slot);
    atomic_store(&over, false);
    atomic_store(&stolen, 0);
    CHECK_INT(pthread_create(&thief, NULL, thief_main, NULL), 0);
    while (round < ROUNDS || atomic_load(&stolen) == 0) {
        /* A task that is free: put it, then now and again take what lies there. */
        unsigned index = (unsigned)(round++ % TASKS);
        if (atomic_load(&held[index]) != 0)
            continue;
        atomic_fetch_add(&held[index], 1);
        struct isle__task *task = isle__handoff_swap(&slot, &tasks[index]);
        if (task == NULL && round % 3 == 0)
            task = isle__handoff_swap(&slot, NULL);
        if (task != NULL) {
            displaced++;
            take(task);
        }
        if (round % 64 == 0)
            isle__thread_yield();
    }
    atomic_store(&over, true);
    CHECK_INT(pthread_join(thief, NULL), 0);
    struct isle__task *last = isle__handoff_swap(&slot, NULL);
    if (last != NULL)
        take(last);
    for (unsigned i = 0; i < TASKS; i++)
        CHECK_UINT(atomic_load(&held[i]), 0);
    CHECK(displaced > 0);
    atomic_store(&isle__handoff_fences, false);
}

TEST(each_task_is_taken_once_with_the_systems_barriers)
{
    own_and_steal(false);
}

TEST(each_task_is_taken_once_with_the_owners_barriers)
{
    own_and_steal(true);
}

static _Atomic bool thief_is_back;

static void *steal_once(void *unused)
{
    (void)unused;
    struct isle__task *task = isle__handoff_steal(&slot);
    atomic_store(&thief_is_back, true);
    return task;
}

TEST(a_thief_waits_for_an_owner_that_has_entered)
{
    pthread_t thief;
    void *task;

    isle__handoffs_start();
    isle__handoff_init(&slot);
    CHECK(isle__handoff_swap(&slot, &tasks[0]) == NULL);
    isle__handoff_enter(&slot);
    CHECK_INT(pthread_create(&thief, NULL, steal_once, NULL), 0);
    while (!atomic_load(&slot.wanted) && !atomic_load(&thief_is_back))
        isle__thread_yield();
    for (int i = 0; i < 1000; i++)
        isle__thread_yield();
    CHECK(!atomic_load(&thief_is_back));
    isle__handoff_leave(&slot);
    CHECK_INT(pthread_join(thief, &task), 0);
    CHECK(task == &tasks[0]);
}

/* A filter of system calls took the barrier: until the owner has come by nobody can tell, then all
 * is as before. */
TEST(a_barrier_that_is_taken_away_is_replaced)
{
    isle__handoffs_start();
    isle__handoff_init(&slot);
    CHECK(isle__handoff_swap(&slot, &tasks[0]) == NULL);
    atomic_store(&isle__handoff_fences, true);
    CHECK(isle__handoff_steal(&slot) == NULL);
    CHECK(isle__handoff_swap(&slot, &tasks[1]) == &tasks[0]);
    CHECK(isle__handoff_steal(&slot) == &tasks[1]);
    CHECK(isle__handoff_is_empty(&slot));
    CHECK(isle__handoff_steal(&slot) == NULL);
    atomic_store(&isle__handoff_fences, false);
}

TEST_MAIN()
