/* SPDX-License-Identifier: Apache-2.0 */
/* What a hostile reading of the fast paths found: each of these once starved, misled or crashed. */
#include "guarantees.h"

/* --- turns */

static _Atomic bool others_turn;

static void takes_its_turn(isle_value message)
{
    (void)message;
    atomic_store(&others_turn, true);
}

/* How many messages the caller receives before another isolate of its worker runs. */
static int64_t messages_until_another_runs(isle_receive_port *port)
{
    int64_t count = 0;

    atomic_store(&others_turn, false);
    isle_spawn(takes_its_turn, isle_null(), NULL);
    while (!atomic_load(&others_turn)) {
        ISLE_SCOPE;
        isle_send(isle_port_send_port(port), isle_int(++count));
        CHECK_INT(receive_int(port), count);
    }
    return count;
}

static void receives_its_own(isle_value most)
{
    isle_receive_port *port = isle_port_open();

    for (int i = 0; i < 100; i++)
        CHECK(messages_until_another_runs(port) <= isle_as_int(most));
    isle_port_close(port);
}

/* An activity whose messages never end uses its turn up as a handler does: the other is next in the
 * worker's order, whatever the monitor does. */
TEST(who_receives_without_end_gives_way)
{
    CHECK_ERR(isle_start(0, NULL, &(isle_program_options){.worker_count = 1}), ISLE_OK);
    isle_spawn(receives_its_own, isle_int(1024), NULL);
    settle();
    isle_stop();
}

/* --- the end of the program */

static sem_t in_its_drop;

static void never_returns(void *context)
{
    (void)context;
    sem_post(&in_its_drop);
    for (;;)
        ;
}

static void ends_without_end(isle_value message)
{
    (void)message;
    isle_port_on_drop(isle_port_open(), never_returns, NULL);
    isle_exit(isle_send_port_none(), isle_null());
}

static int leave_one_that_ends(int argc, char **argv)
{
    (void)argc, (void)argv;
    isle_spawn(ends_without_end, isle_null(), &(isle_options){.debug_name = "the one that ends"});
    semaphore_wait(&in_its_drop);
    return 7;
}

/* It has no id any more, and runs still. */
TEST(the_program_names_those_that_do_not_come_to_their_end)
{
    struct child child;

    if (child_label()) {
        sem_init(&in_its_drop, 0, 0);
        exit(isle_main(0, NULL, leave_one_that_ends));
    }
    child = child_run(__func__ + 6, "child");
    child_exited(&child, 7);
    child_wrote(&child, "200 ms");
    child_wrote(&child, "the one that ends");
}

TEST_MAIN()
