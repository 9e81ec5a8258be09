/* SPDX-License-Identifier: Apache-2.0 */
/* Savina 12, Dining Philosophers: 20 philosophers eat 10,000 meals each; an arbiter has the forks.
 * Who is denied asks again at once, as in the original. Operation: a meal. Nothing is shared in the
 * original. */
#include "savina.h"

enum { PHILOSOPHERS = 20 };

struct arbiter {
    isle_send_port done; /* gets how many meals were had without both forks */
    int64_t left;        /* meals */
    int64_t wrong;
    int64_t fork_of[PHILOSOPHERS]; /* who has it, counted from 1; 0: nobody */
};
ISLE_TYPE(arbiter_type, struct arbiter, ISLE_FIELD(struct arbiter, done),
          ISLE_FIELD(struct arbiter, left));
ISLE_LOCAL(struct arbiter, arbiter);

/* The forks beside a philosopher, if both are `whose`, go to `to`. */
static bool forks_pass(struct arbiter *self, int64_t seat, int64_t whose, int64_t to)
{
    int64_t *left = &self->fork_of[seat], *right = &self->fork_of[(seat + 1) % PHILOSOPHERS];
    if (*left != whose || *right != whose)
        return false;
    *left = *right = to;
    return true;
}

/* A seat with a port to answer to is hungry, one without has eaten. */
static void arbiter_handle(isle_value message, isle_send_port hungry)
{
    struct arbiter *self = arbiter();
    int64_t seat = isle_as_int(message);
    if (!isle_send_port_is_none(hungry)) {
        isle_send(hungry, isle_bool(forks_pass(self, seat, 0, seat + 1)));
        return;
    }
    if (!forks_pass(self, seat, seat + 1, 0))
        self->wrong++;
    if (--self->left > 0)
        return;
    isle_send(self->done, isle_int(self->wrong));
    isle_port_close(isle_default_port());
}

static void arbiter_main(isle_value order)
{
    *arbiter() = *(const struct arbiter *)isle_as_object(order, &arbiter_type);
    isle_port_on_receive(isle_default_port(), arbiter_handle);
}

struct philosopher {
    isle_send_port arbiter;
    isle_send_port done;
    int64_t seat;
    int64_t meals;
    int64_t eaten;
};
ISLE_TYPE(philosopher_type, struct philosopher, ISLE_FIELD(struct philosopher, arbiter),
          ISLE_FIELD(struct philosopher, done), ISLE_FIELD(struct philosopher, seat),
          ISLE_FIELD(struct philosopher, meals));

static void philosopher_ask(const struct philosopher *self)
{
    isle_send_with_reply(self->arbiter, isle_int(self->seat),
                         isle_port_send_port(isle_default_port()));
}

static void philosopher_handle(isle_value granted, void *context)
{
    struct philosopher *self = context;
    if (isle_as_bool(granted)) {
        self->eaten++;
        isle_send(self->arbiter, isle_int(self->seat));
    }
    if (self->eaten < self->meals) {
        philosopher_ask(self);
        return;
    }
    isle_send(self->done, isle_int(self->eaten));
    isle_port_close(isle_default_port());
}

static void philosopher_main(isle_value order)
{
    struct philosopher *self = isle_new(struct philosopher);
    *self = *(const struct philosopher *)isle_as_object(order, &philosopher_type);
    isle_port_listen(isle_default_port(), philosopher_handle, self);
    philosopher_ask(self);
}

static int64_t meals(void)
{
    return savina_size(10000, 1);
}

static isle_value run(void)
{
    isle_receive_port *eaten = isle_port_open(), *wrong = isle_port_open();
    struct arbiter arbiter = {.done = isle_port_send_port(wrong), .left = PHILOSOPHERS * meals()};
    isle_value order = isle_object(&arbiter_type, &arbiter);
    struct philosopher philosopher = {.arbiter = isle_spawn(arbiter_main, order, NULL).default_port,
                                      .done = isle_port_send_port(eaten),
                                      .meals = meals()};
    for (; philosopher.seat < PHILOSOPHERS; philosopher.seat++)
        isle_spawn(philosopher_main, isle_object(&philosopher_type, &philosopher), NULL);

    int64_t sum = savina_receive_sum(eaten, PHILOSOPHERS);
    isle_value outcome = isle_pack("[i,o]", sum, isle_port_receive(wrong));
    isle_port_close(eaten);
    isle_port_close(wrong);
    return outcome;
}

static int64_t verify(isle_value outcome)
{
    int64_t eaten, wrong;
    isle_unpack(outcome, "[i,i]", &eaten, &wrong);
    savina_expect(eaten == PHILOSOPHERS * meals(), "%" PRId64 " meals were eaten", eaten);
    savina_expect(wrong == 0, "%" PRId64 " meals were had without both forks", wrong);
    return eaten;
}

SAVINA_PROGRAM(.name = "philosopher", .run = run, .verify = verify);
