/* SPDX-License-Identifier: Apache-2.0 */
/* Savina 1, Ping Pong: 40,000 round trips of a small message between two actors, one on its way at
 * a time: the cost of a delivery, without parallelism. Operation: a round trip. Nothing is shared
 * in the original. */
#include "savina.h"

struct ping {
    isle_send_port done; /* gets the sum of all numbers that came back */
    isle_send_port pong;
    int64_t left;
    int64_t sum;
};
ISLE_TYPE(ping_type, struct ping, ISLE_FIELD(struct ping, done), ISLE_FIELD(struct ping, left));

/* Sends every number back; null ends it. */
static void pong_handle(isle_value message, void *context)
{
    const isle_send_port *ping = context;
    if (isle_is_null(message))
        isle_port_close(isle_default_port());
    else
        isle_send(*ping, message);
}

static void pong_main(isle_value ping)
{
    isle_send_port *state = isle_new(isle_send_port);
    *state = isle_as_port(ping);
    isle_port_listen(isle_default_port(), pong_handle, state);
}

static void ping_handle(isle_value number, void *context)
{
    struct ping *self = context;
    self->sum += isle_as_int(number);
    if (--self->left > 0) {
        isle_send(self->pong, isle_int(self->left));
        return;
    }
    isle_send(self->pong, isle_null());
    isle_send(self->done, isle_int(self->sum));
    isle_port_close(isle_default_port());
}

static void ping_main(isle_value order)
{
    struct ping *self = isle_new(struct ping);
    isle_receive_port *port = isle_default_port();
    *self = *(const struct ping *)isle_as_object(order, &ping_type);
    self->pong = isle_spawn(pong_main, isle_port_value(port), NULL).default_port;
    isle_port_listen(port, ping_handle, self);
    isle_send(self->pong, isle_int(self->left));
}

static int64_t rounds(void)
{
    return savina_size(40000, 1);
}

static isle_value run(void)
{
    isle_receive_port *done = isle_port_open();
    struct ping order = {.done = isle_port_send_port(done), .left = rounds()};
    isle_spawn(ping_main, isle_object(&ping_type, &order), NULL);
    isle_value sum = isle_port_receive(done);
    isle_port_close(done);
    return sum;
}

static int64_t verify(isle_value sum)
{
    int64_t n = rounds();
    savina_expect(isle_as_int(sum) == n * (n + 1) / 2, "the numbers sum to %" PRId64,
                  isle_as_int(sum));
    return n;
}

SAVINA_PROGRAM(.name = "pingpong", .run = run, .verify = verify, .figure = SAVINA_NS_PER_OPERATION);
