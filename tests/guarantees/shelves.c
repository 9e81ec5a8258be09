/* SPDX-License-Identifier: Apache-2.0 */
/* What workers keep on their shelves: slots that they share with nobody while they live, and give
 * back when they end. Looks at the inside of the library. */
#include "guarantees.h"

#include "core/slot.h"

static uint64_t index_of(isle_receive_port *port)
{
    return isle_port_send_port(port).id & (((uint64_t)1 << ISLE__SLOT_BITS) - 1);
}

/* So that a run that is replayed has the same ids. */
TEST_ROOT(a_fresh_program_gives_ids_in_ascending_order)
{
    enum { PORTS = 100 };
    isle_receive_port *ports[PORTS];

    for (int i = 0; i < PORTS; i++) {
        ports[i] = isle_port_open();
        CHECK(i == 0 || index_of(ports[i]) > index_of(ports[i - 1]));
    }
    for (int i = 0; i < PORTS; i++)
        isle_port_close(ports[i]);
}

static void opens_a_port(isle_value message)
{
    (void)message;
    isle_port_close(isle_port_open());
}

/* Each takes a batch of slots for its one port; together more than there are in a page. A thread is
 * no longer counted when its worker has given all back. */
TEST_ROOT(slots_of_threads_that_ended_are_used_again)
{
    size_t reserved = isle__slots_reserved();
    uint64_t threads = stats_now().threads;

    for (int i = 0; i < 300; i++) {
        isle_spawn(opens_a_port, isle_null(), &(isle_options){.thread = ISLE_THREAD_OWN});
        do
            isle_sleep(1); /* a sleep of nothing takes an id */
        while (stats_now().isolates > 1 || stats_now().threads > threads);
    }
    CHECK_UINT(isle__slots_reserved(), reserved);
}

TEST_MAIN()
