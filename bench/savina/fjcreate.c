/* SPDX-License-Identifier: Apache-2.0 */
/* Savina 4, Fork Join creation: 40,000 actors, each gets one message and ends: creation and
 * destruction. Operation: an actor. The original's actors take the sine of a constant, and its end
 * is that of all actors; these hand their message on to the one who made them, so that all can be
 * counted. Nothing is shared in the original. */
#include "savina.h"

static void actor_main(isle_value done)
{
    isle_send(isle_as_port(done), isle_port_receive(isle_default_port()));
    isle_port_close(isle_default_port());
}

static int64_t actors(void)
{
    return savina_size(40000, 1);
}

static isle_value run(void)
{
    isle_receive_port *done = isle_port_open();
    int64_t count = actors();
    for (int64_t i = 0; i < count; i++)
        isle_send(isle_spawn(actor_main, isle_port_value(done), NULL).default_port, isle_int(i));
    int64_t sum = savina_receive_sum(done, count);
    isle_port_close(done);
    return isle_int(sum);
}

static int64_t verify(isle_value sum)
{
    int64_t n = actors();
    savina_expect(isle_as_int(sum) == n * (n - 1) / 2, "the actors' numbers sum to %" PRId64,
                  isle_as_int(sum));
    return n;
}

SAVINA_PROGRAM(.name = "fjcreate", .run = run, .verify = verify, .figure = SAVINA_NS_PER_OPERATION);
