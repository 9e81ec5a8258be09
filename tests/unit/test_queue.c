/* SPDX-License-Identifier: Apache-2.0 */
/* Run queues: order, and what a theft takes, which must not grow with what waits. */
#include "test.h"

#include "sched/worker.h"

enum { TASKS = 100000, THEFT_MAX = 64 };

static struct isle__task tasks[TASKS];

static void queue_fill(struct isle__queue *queue, size_t count)
{
    isle__queue_init(queue);
    for (size_t i = 0; i < count; i++)
        CHECK_UINT(isle__queue_push(queue, &tasks[i]), i + 1);
}

static size_t queue_count(struct isle__queue *queue)
{
    return atomic_load(&queue->count);
}

/* One theft by somebody who has nothing; what it takes are the tasks from `next` on, in order.
 * Returns how many. */
static size_t theft(struct isle__queue *victim, struct isle__queue *thief, size_t next)
{
    struct isle__task *task = isle__queue_steal(victim, thief);
    size_t taken = 1 + queue_count(thief);

    CHECK(task == &tasks[next]);
    for (size_t i = 1; i < taken; i++)
        CHECK(isle__queue_pop(thief) == &tasks[next + i]);
    CHECK(isle__queue_pop(thief) == NULL);
    return taken;
}

TEST(a_theft_takes_no_more_from_a_longer_queue)
{
    struct isle__queue victim, thief;
    size_t next = 0;

    queue_fill(&victim, TASKS);
    isle__queue_init(&thief);
    while (next < TASKS) {
        size_t left = TASKS - next, taken = theft(&victim, &thief, next);

        CHECK(taken >= 1 && taken <= THEFT_MAX && taken <= (left + 1) / 2);
        CHECK(left < THEFT_MAX || taken > THEFT_MAX / 4); /* and is worth its price */
        next += taken;
        CHECK_UINT(queue_count(&victim), TASKS - next);
    }
    CHECK(isle__queue_steal(&victim, &thief) == NULL);
    CHECK(isle__queue_pop(&victim) == NULL);
}

TEST(a_theft_leaves_the_other_half)
{
    struct isle__queue victim, thief;

    for (size_t count = 1; count < 20; count++) {
        queue_fill(&victim, count);
        isle__queue_init(&thief);
        CHECK_UINT(theft(&victim, &thief, 0), (count + 1) / 2);
        for (size_t i = (count + 1) / 2; i < count; i++)
            CHECK(isle__queue_pop(&victim) == &tasks[i]);
        CHECK_UINT(isle__queue_push(&victim, &tasks[0]), 1); /* it knows its end */
        CHECK(isle__queue_pop(&victim) == &tasks[0]);
    }
}

/* Those who were there already go first. */
TEST(what_was_stolen_goes_to_the_end)
{
    struct isle__queue victim, thief;

    queue_fill(&victim, 9);
    isle__queue_init(&thief);
    CHECK_UINT(isle__queue_push(&thief, &tasks[TASKS - 1]), 1);
    CHECK(isle__queue_steal(&victim, &thief) == &tasks[0]);
    CHECK(isle__queue_pop(&thief) == &tasks[TASKS - 1]);
    for (size_t i = 1; i < 5; i++)
        CHECK(isle__queue_pop(&thief) == &tasks[i]);
    CHECK(isle__queue_pop(&thief) == NULL);
}

/* Who takes all that another has takes it in order, behind its own. */
TEST(a_move_takes_all_in_order)
{
    struct isle__queue from, to;

    queue_fill(&from, TASKS);
    isle__queue_init(&to);
    CHECK(isle__queue_pop(&from) == &tasks[0]);
    CHECK_UINT(isle__queue_push(&to, &tasks[0]), 1);
    isle__queue_move(&from, &to);
    CHECK_UINT(queue_count(&from), 0);
    CHECK_UINT(queue_count(&to), TASKS);
    isle__queue_move(&from, &to); /* nothing */
    CHECK(isle__queue_pop(&from) == NULL);
    for (size_t i = 0; i < TASKS; i++)
        CHECK(isle__queue_pop(&to) == &tasks[i]);
    CHECK(isle__queue_pop(&to) == NULL);
    CHECK_UINT(isle__queue_push(&from, &tasks[0]), 1); /* both go on */
    isle__queue_move(&from, &to);
    CHECK(isle__queue_pop(&to) == &tasks[0]);
}

TEST_MAIN()
