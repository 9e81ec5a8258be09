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

TEST_MAIN()
