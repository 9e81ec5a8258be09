/* SPDX-License-Identifier: Apache-2.0 */
/* How many workers are awake: the trials, shown a machine that is made up. Time is the test's. */
#include "test.h"

#include "sched/width.h"

enum { LOOK = 100 * 1000, MILLISECOND = 10 }; /* ns; looks */

/* What the machine does at each width, and what is found. */
struct machine {
    struct isle__width width;
    struct isle__width_view view;
    unsigned workers, allowed;
    double rate[17];  /* events in a microsecond, with so many awake */
    bool waits[17];   /* a task waits then at each look */
    unsigned at[17];  /* looks that were spent so */
    unsigned longest; /* looks in a row that were not all wide */
    unsigned row;
    double events;
};

static void machine_look(struct machine *machine)
{
    unsigned awake = machine->allowed != 0 && machine->allowed < machine->workers
                         ? machine->allowed
                         : machine->workers;
    machine->events += machine->rate[awake] * LOOK / 1000;
    machine->view.now += LOOK;
    machine->view.events = (uint64_t)machine->events;
    machine->view.workers = machine->workers;
    machine->view.awake = awake;
    machine->view.waiting = machine->waits[awake];
    machine->at[awake]++;
    machine->row = awake < machine->workers ? machine->row + 1 : 0;
    if (machine->row > machine->longest)
        machine->longest = machine->row;
    machine->allowed = isle__width_look(&machine->width, &machine->view);
    CHECK(machine->allowed <= machine->workers);
}

static void machine_run(struct machine *machine, unsigned looks)
{
    for (unsigned i = 0; i < 17; i++)
        machine->at[i] = 0;
    machine->longest = machine->row = 0;
    while (looks-- > 0)
        machine_look(machine);
}

static struct machine machine_of_two(double one, double two)
{
    struct machine machine = {.workers = 2, .rate = {0, one, two}, .waits = {false, true, true}};
    return machine;
}

TEST(isolates_that_only_talk_get_one_worker)
{
    struct machine machine = machine_of_two(20, 11);

    machine_run(&machine, 3 * MILLISECOND); /* the first trial */
    CHECK_UINT(machine.width.kept, 1);
    machine_run(&machine, 1000 * MILLISECOND);
    CHECK_UINT(machine.width.kept, 1);
    CHECK(machine.at[2] * 100 < machine.at[1]); /* what the trials cost */
}

TEST(pairs_that_gain_from_both_keep_both)
{
    struct machine machine = machine_of_two(4, 8);

    machine_run(&machine, 1000 * MILLISECOND);
    CHECK_UINT(machine.width.kept, 0);
    CHECK(machine.at[1] * 50 < machine.at[2]);
    CHECK(machine.longest <= 8); /* of a trial */
}

TEST(a_load_that_changes_is_found_out)
{
    struct machine machine = machine_of_two(20, 11);

    machine_run(&machine, 500 * MILLISECOND);
    CHECK_UINT(machine.width.kept, 1);
    machine.rate[2] = 38;
    machine_run(&machine, 200 * MILLISECOND); /* trials are 160 ms apart at most */
    CHECK_UINT(machine.width.kept, 0);
    machine.rate[2] = 11;
    machine_run(&machine, 200 * MILLISECOND);
    CHECK_UINT(machine.width.kept, 1);
}

TEST(who_computes_is_not_tried)
{
    struct machine machine = machine_of_two(0.1, 0.1);

    machine_run(&machine, 1000 * MILLISECOND);
    CHECK_UINT(machine.at[1], 0);
}

TEST(who_computes_has_all_workers_at_the_next_look)
{
    struct machine machine = machine_of_two(20, 11);

    machine_run(&machine, 100 * MILLISECOND);
    CHECK_UINT(machine.allowed, 1);
    machine.view.held = true;
    machine_look(&machine);
    CHECK_UINT(machine.allowed, 0);
    machine_run(&machine, 1000 * MILLISECOND); /* and a trial meets the same */
    CHECK(machine.longest <= 1);
    machine.view.held = false;
    machine_run(&machine, 200 * MILLISECOND);
    CHECK_UINT(machine.width.kept, 1);
}

TEST(rare_events_have_all_workers)
{
    struct machine machine = machine_of_two(20, 11);

    machine_run(&machine, 100 * MILLISECOND);
    CHECK_UINT(machine.width.kept, 1);
    machine.rate[1] = machine.rate[2] = 0.01;
    machine_run(&machine, 1 * MILLISECOND);
    CHECK_UINT(machine.allowed, 0);
}

/* As good with one: with something waiting all the time it stays, for who waits would wait longer.
 */
TEST(a_width_that_is_as_good_is_kept_if_nothing_waits)
{
    struct machine machine = machine_of_two(5, 5);

    machine_run(&machine, 100 * MILLISECOND);
    CHECK_UINT(machine.width.kept, 0);
    machine.waits[1] = false;
    machine_run(&machine, 200 * MILLISECOND);
    CHECK_UINT(machine.width.kept, 1);
}

/* Sixteen, of which four are best: found by halves, kept within a step. */
TEST(the_best_of_many_widths_is_found)
{
    struct machine machine = {.workers = 16};

    for (unsigned i = 1; i <= 16; i++) {
        machine.rate[i] = i <= 4 ? i * 5 : 20 / (1 + (i - 4) / 4.0);
        machine.waits[i] = true;
    }
    machine_run(&machine, 1000 * MILLISECOND);
    CHECK_UINT(machine.width.kept, 4);
    CHECK(machine.at[4] * 100 > 90 * 10000);
}

/* One worker has nothing to try. */
TEST(one_worker_is_one_worker)
{
    struct machine machine = {.workers = 1, .rate = {0, 20}, .waits = {false, true}};

    machine_run(&machine, 100 * MILLISECOND);
    CHECK_UINT(machine.allowed, 0);
    CHECK_UINT(machine.width.phase == ISLE__WIDTH_TRIAL, 0);
}

TEST_MAIN()
