/* SPDX-License-Identifier: Apache-2.0 */
/* Savina 1, Ping Pong: 40,000 round trips of a small message between two actors, one on its way at
 * a time: the cost of a delivery, without parallelism. Operation: a round trip. Nothing is shared
 * in the original. */
#include "savina.h"

/* Sends every number back; null ends it. */
static void pong(isle_value reply_to)
{
    isle_send_port ping = isle_as_port(reply_to);
    isle_receive_port *port = isle_default_port();
    for (;;) {
        ISLE_SCOPE;
        isle_value message = isle_port_receive(port);
        if (isle_is_null(message))
            break;
        isle_send(ping, message);
    }
    isle_port_close(port);
}

/* Returns the sum of all numbers that came back. */
static isle_value ping(isle_value rounds)
{
    isle_receive_port *port = isle_default_port();
    isle_send_port other = isle_spawn(pong, isle_port_value(port), NULL).default_port;
    int64_t sum = 0;
    for (int64_t i = isle_as_int(rounds); i > 0; i--) {
        ISLE_SCOPE;
        isle_send(other, isle_int(i));
        sum += isle_as_int(isle_port_receive(port));
    }
    isle_send(other, isle_null());
    return isle_int(sum);
}

static int64_t rounds(void)
{
    return savina_size(40000, 1);
}

static isle_value run(void)
{
    return isle_await(isle_run(ping, isle_int(rounds()), NULL));
}

static int64_t verify(isle_value sum)
{
    int64_t n = rounds();
    savina_expect(isle_as_int(sum) == n * (n + 1) / 2, "the numbers sum to %" PRId64,
                  isle_as_int(sum));
    return n;
}

SAVINA_PROGRAM(.name = "pingpong", .run = run, .verify = verify, .figure = SAVINA_NS_PER_OPERATION);
