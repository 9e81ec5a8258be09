/* SPDX-License-Identifier: Apache-2.0 */
/* Savina 14, Cigarette Smokers: 1,000 times an arbiter wakes one of 200 smokers at random; the
 * smoker says that it has begun, whereupon the next is chosen, and smokes: up to 1,000 random
 * numbers. Deterministic wake-ups. Operation: a round. Nothing is shared in the original. */
#include "savina.h"

enum { SMOKERS = 200 };

struct choice {
    int64_t smoker;
    int64_t period;
};

static struct choice choice_next(savina_random *random)
{
    int64_t smoker = savina_random_below(random, SMOKERS);
    return (struct choice){smoker, savina_random_below(random, 1000) + 10};
}

/* Tells cigarettes of a smoker and a period apart from all others. */
static uint64_t smoke(struct choice choice)
{
    return savina_work((uint64_t)choice.smoker, choice.period);
}

struct smoker {
    isle_send_port arbiter;
    isle_send_port done; /* gets the digest of all that was smoked */
    int64_t number;
    uint64_t smoked;
};
ISLE_TYPE(smoker_type, struct smoker, ISLE_FIELD(struct smoker, arbiter),
          ISLE_FIELD(struct smoker, done), ISLE_FIELD(struct smoker, number));

/* Gets a period to smoke for, or null at the end. */
static void smoker_handle(isle_value message, void *context)
{
    struct smoker *self = context;
    int64_t period;
    if (!isle_get_int(message, &period)) {
        isle_send(self->done, isle_int((int64_t)self->smoked));
        isle_port_close(isle_default_port());
        return;
    }
    isle_send(self->arbiter, isle_null());
    self->smoked += smoke((struct choice){self->number, period});
}

static void smoker_main(isle_value order)
{
    struct smoker *self = isle_new(struct smoker);
    *self = *(const struct smoker *)isle_as_object(order, &smoker_type);
    isle_port_listen(isle_default_port(), smoker_handle, self);
}

struct arbiter {
    isle_send_port done;
    int64_t left; /* rounds */
    savina_random random;
    isle_send_port smokers[SMOKERS];
};
ISLE_TYPE(arbiter_type, struct arbiter, ISLE_FIELD(struct arbiter, done),
          ISLE_FIELD(struct arbiter, left));

/* Somebody has begun, or nobody yet: the next one, please. */
static void arbiter_handle(isle_value unused, void *context)
{
    (void)unused;
    struct arbiter *self = context;
    if (self->left-- > 0) {
        struct choice choice = choice_next(&self->random);
        isle_send(self->smokers[choice.smoker], isle_int(choice.period));
        return;
    }
    for (int i = 0; i < SMOKERS; i++)
        isle_send(self->smokers[i], isle_null());
    isle_port_close(isle_default_port());
}

static void arbiter_main(isle_value order)
{
    struct arbiter *self = isle_new(struct arbiter);
    isle_receive_port *port = isle_default_port();
    *self = *(const struct arbiter *)isle_as_object(order, &arbiter_type);
    self->random.state = SAVINA_SEED;
    struct smoker smoker = {.arbiter = isle_port_send_port(port), .done = self->done};
    for (; smoker.number < SMOKERS; smoker.number++)
        self->smokers[smoker.number] =
            isle_spawn(smoker_main, isle_object(&smoker_type, &smoker), NULL).default_port;
    isle_port_listen(port, arbiter_handle, self);
    arbiter_handle(isle_null(), self);
}

static int64_t rounds(void)
{
    return savina_size(1000, 1);
}

static isle_value run(void)
{
    isle_receive_port *done = isle_port_open();
    struct arbiter order = {.done = isle_port_send_port(done), .left = rounds()};
    isle_spawn(arbiter_main, isle_object(&arbiter_type, &order), NULL);
    int64_t smoked = savina_receive_sum(done, SMOKERS);
    isle_port_close(done);
    return isle_int(smoked);
}

static int64_t verify(isle_value smoked)
{
    uint64_t expected = 0;
    savina_random random = {SAVINA_SEED};
    for (int64_t i = 0; i < rounds(); i++)
        expected += smoke(choice_next(&random));
    savina_expect((uint64_t)isle_as_int(smoked) == expected, "not all was smoked that was lit");
    return rounds();
}

SAVINA_PROGRAM(.name = "cigsmok", .run = run, .verify = verify);
