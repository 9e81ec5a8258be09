/* SPDX-License-Identifier: Apache-2.0 */
/* Savina 3, Fork Join throughput: 10,000 messages to each of 60 actors, dealt round. Operation: a
 * message. The original takes the sine of one constant for each message; these sum the messages,
 * which can be verified. Nothing is shared in the original. */
#include "savina.h"

enum { ACTORS = 60 };

struct adder {
    isle_send_port done;
    int64_t left;
    int64_t sum;
};
ISLE_TYPE(adder_type, struct adder, ISLE_FIELD(struct adder, done), ISLE_FIELD(struct adder, left));

static void adder_handle(isle_value number, void *context)
{
    struct adder *self = context;
    self->sum += isle_as_int(number);
    if (--self->left > 0)
        return;
    isle_send(self->done, isle_int(self->sum));
    isle_port_close(isle_default_port());
}

static void adder_main(isle_value order)
{
    struct adder *self = isle_new(struct adder);
    *self = *(const struct adder *)isle_as_object(order, &adder_type);
    isle_port_listen(isle_default_port(), adder_handle, self);
}

static int64_t messages(void)
{
    return savina_size(10000, 1);
}

static isle_value run(void)
{
    isle_receive_port *done = isle_port_open();
    struct adder order = {.done = isle_port_send_port(done), .left = messages()};
    isle_send_port actors[ACTORS];
    for (int k = 0; k < ACTORS; k++)
        actors[k] = isle_spawn(adder_main, isle_object(&adder_type, &order), NULL).default_port;
    for (int64_t i = 0; i < order.left; i++)
        for (int k = 0; k < ACTORS; k++)
            isle_send(actors[k], isle_int(i));
    int64_t sum = savina_receive_sum(done, ACTORS);
    isle_port_close(done);
    return isle_int(sum);
}

static int64_t verify(isle_value sum)
{
    int64_t n = messages();
    savina_expect(isle_as_int(sum) == ACTORS * (n * (n - 1) / 2), "the messages sum to %" PRId64,
                  isle_as_int(sum));
    return ACTORS * n;
}

SAVINA_PROGRAM(.name = "fjthrput", .run = run, .verify = verify,
               .figure = SAVINA_OPERATIONS_PER_SECOND);
