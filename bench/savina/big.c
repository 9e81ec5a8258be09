/* SPDX-License-Identifier: Apache-2.0 */
/* Savina 7, Big: each of 120 actors pings another one at random, 20,000 times, the next when the
 * pong of the last is there: many to many. Operation: a ping and its pong. Nothing is shared in the
 * original; here the list of all actors is frozen, and each copies it into its own memory. */
#include "savina.h"

enum { ACTORS = 120 };

struct talker {
    isle_send_port done; /* gets an int when the pings are through, and another at the end */
    int64_t index;
    int64_t left;
    int64_t asked; /* whose pong we wait for */
    int64_t answered;
    int64_t wrong; /* pongs of others */
    savina_random random;
    isle_send_port all[ACTORS];
};
ISLE_TYPE(talker_type, struct talker, ISLE_FIELD(struct talker, done),
          ISLE_FIELD(struct talker, index), ISLE_FIELD(struct talker, left));

static void talker_ping(struct talker *self)
{
    if (self->left-- == 0) {
        isle_send(self->done, isle_int(self->wrong));
        return;
    }
    self->asked = savina_random_below(&self->random, ACTORS);
    isle_send(self->all[self->asked], isle_int(self->index));
}

/* A ping is the index of who pings, a pong the complement of who answers; null is the end. */
static void talker_handle(isle_value message, void *context)
{
    struct talker *self = context;
    int64_t index;
    if (!isle_get_int(message, &index)) {
        isle_send(self->done, isle_int(self->answered));
        isle_port_close(isle_default_port());
    } else if (index >= 0) {
        self->answered++;
        isle_send(self->all[index], isle_int(~self->index));
    } else {
        self->wrong += ~index != self->asked;
        talker_ping(self);
    }
}

/* Who the others are comes as the first message, as not all are there when the first one is; then
 * the pong of nobody, with the number ACTORS, which begins. */
static void talker_main(isle_value order)
{
    struct talker *self = isle_new(struct talker);
    isle_receive_port *port = isle_default_port();
    *self = *(const struct talker *)isle_as_object(order, &talker_type);
    self->asked = ACTORS;
    self->random.state = SAVINA_SEED + (uint64_t)self->index;
    isle_value all = isle_port_receive(port);
    for (size_t i = 0; i < ACTORS; i++)
        self->all[i] = isle_as_port(isle_list_get(all, i));
    isle_port_listen(port, talker_handle, self);
}

static int64_t pings(void)
{
    return savina_size(20000, 1);
}

static void send_to_all(isle_value all, isle_value message)
{
    for (size_t i = 0; i < ACTORS; i++)
        isle_send(isle_as_port(isle_list_get(all, i)), message);
}

static isle_value run(void)
{
    isle_receive_port *done = isle_port_open();
    struct talker order = {.done = isle_port_send_port(done), .left = pings()};
    isle_value all = isle_list();
    for (; order.index < ACTORS; order.index++) {
        isle_value value = isle_object(&talker_type, &order);
        isle_list_add(all, isle_port(isle_spawn(talker_main, value, NULL).default_port));
    }
    all = isle_freeze(all);
    send_to_all(all, all);
    send_to_all(all, isle_int(~ACTORS)); /* now that everybody's first message is on its way */
    int64_t wrong = savina_receive_sum(done, ACTORS);
    send_to_all(all, isle_null());
    int64_t answered = savina_receive_sum(done, ACTORS);
    isle_port_close(done);
    return isle_pack("[i,i]", wrong, answered);
}

static int64_t verify(isle_value outcome)
{
    int64_t wrong, answered;
    isle_unpack(outcome, "[i,i]", &wrong, &answered);
    savina_expect(wrong == 0, "%" PRId64 " pongs came from somebody else", wrong);
    savina_expect(answered == ACTORS * pings(), "%" PRId64 " pings were answered", answered);
    return answered;
}

SAVINA_PROGRAM(.name = "big", .run = run, .verify = verify, .figure = SAVINA_NS_PER_OPERATION);
