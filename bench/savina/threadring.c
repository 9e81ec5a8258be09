/* SPDX-License-Identifier: Apache-2.0 */
/* Savina 5, Thread Ring: a token goes 100,000 hops round a ring of 100 actors: hand-over from one
 * to the next. Operation: a hop. Nothing is shared in the original. */
#include "savina.h"

enum { MEMBERS = 100 };

struct member {
    isle_send_port next;
    isle_send_port done; /* gets the index of the member at which the token ends */
    int64_t index;
};
ISLE_TYPE(member_type, struct member, ISLE_FIELD(struct member, next),
          ISLE_FIELD(struct member, done), ISLE_FIELD(struct member, index));

/* The token says how many hops are left. A null goes round after it and ends the members. */
static void member_handle(isle_value token, void *context)
{
    const struct member *self = context;
    int64_t left;
    if (!isle_get_int(token, &left)) {
        isle_send(self->next, isle_null());
        isle_port_close(isle_default_port());
    } else if (left > 0) {
        isle_send(self->next, isle_int(left - 1));
    } else {
        isle_send(self->done, isle_int(self->index));
        isle_send(self->next, isle_null());
    }
}

/* The first member is made before its neighbour and is told of it by a message. */
static void member_main(isle_value order)
{
    struct member *self = isle_new(struct member);
    *self = *(const struct member *)isle_as_object(order, &member_type);
    if (isle_send_port_is_none(self->next))
        self->next = isle_as_port(isle_port_receive(isle_default_port()));
    isle_port_listen(isle_default_port(), member_handle, self);
}

static int64_t hops(void)
{
    return savina_size(100000, MEMBERS);
}

static isle_value run(void)
{
    isle_receive_port *done = isle_port_open();
    struct member order = {.done = isle_port_send_port(done)};
    isle_value value = isle_object(&member_type, &order);
    isle_send_port first = isle_spawn(member_main, value, NULL).default_port;
    order.next = first;
    for (order.index = MEMBERS - 1; order.index > 0; order.index--)
        order.next = isle_spawn(member_main, value, NULL).default_port;
    isle_send(first, isle_port(order.next));
    isle_send(first, isle_int(hops()));
    isle_value last = isle_port_receive(done);
    isle_port_close(done);
    return last;
}

static int64_t verify(isle_value last)
{
    savina_expect(isle_as_int(last) == hops() % MEMBERS, "the token ended at %" PRId64,
                  isle_as_int(last));
    return hops();
}

SAVINA_PROGRAM(.name = "threadring", .run = run, .verify = verify,
               .figure = SAVINA_NS_PER_OPERATION);
