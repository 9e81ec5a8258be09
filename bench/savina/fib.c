/* SPDX-License-Identifier: Apache-2.0 */
/* Savina 8, Fibonacci: an actor for each call of the recursive definition of the 25th number,
 * 150,049 in all; each waits for the two that it has made: creation and join. Operation: an actor.
 * Nothing is shared in the original. */
#include "savina.h"

struct call {
    isle_send_port parent;
    int64_t n;
    int64_t sum;
    int open; /* parts that have not come */
};
ISLE_TYPE(call_type, struct call, ISLE_FIELD(struct call, parent), ISLE_FIELD(struct call, n));

static void call_handle(isle_value part, void *context)
{
    struct call *self = context;
    self->sum += isle_as_int(part);
    if (--self->open > 0)
        return;
    isle_send(self->parent, isle_int(self->sum));
    isle_port_close(isle_default_port());
}

static void call_main(isle_value order)
{
    const struct call *call = isle_as_object(order, &call_type);
    if (call->n <= 2) {
        isle_send(call->parent, isle_int(1));
        return;
    }
    struct call *self = isle_new(struct call);
    *self = (struct call){.parent = call->parent, .open = 2};
    struct call part = {.parent = isle_port_send_port(isle_default_port())};
    for (part.n = call->n - 2; part.n < call->n; part.n++)
        isle_spawn(call_main, isle_object(&call_type, &part), NULL);
    isle_port_listen(isle_default_port(), call_handle, self);
}

static int64_t number(void)
{
    return savina_size(25, 20);
}

static isle_value run(void)
{
    isle_receive_port *done = isle_port_open();
    struct call order = {.parent = isle_port_send_port(done), .n = number()};
    isle_spawn(call_main, isle_object(&call_type, &order), NULL);
    isle_value result = isle_port_receive(done);
    isle_port_close(done);
    return result;
}

static int64_t verify(isle_value result)
{
    int64_t last = 0, fib = 1;
    for (int64_t n = number(); n > 1; n--) {
        int64_t next = last + fib;
        last = fib;
        fib = next;
    }
    savina_expect(isle_as_int(result) == fib, "the number is %" PRId64, isle_as_int(result));
    return 2 * fib - 1; /* of a binary tree with `fib` leaves */
}

SAVINA_PROGRAM(.name = "fib", .run = run, .verify = verify, .figure = SAVINA_NS_PER_OPERATION);
