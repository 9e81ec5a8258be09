/* SPDX-License-Identifier: Apache-2.0 */
/* Savina 6, Chameneos: 100 creatures come to one mall to meet, 200,000 times, and change colour as
 * they do: contention on the mall's mailbox. Operation: a meeting. Nothing is shared in the
 * original.
 *
 * A creature that comes tells its colour and where to answer. The mall lets the first of two know
 * of the second; the first changes its colour and tells the second, which does the same. When the
 * meetings are used up, the mall answers null, and the creature leaves with the number of its
 * meetings. */
#include "savina.h"

enum { CREATURES = 100, COLOURS = 3 };

/* Two of one colour keep it, else both take the third. */
static int64_t complement(int64_t mine, int64_t other)
{
    return mine == other ? mine : COLOURS - mine - other;
}

struct creature {
    isle_send_port mall;
    int64_t colour;
    int64_t meetings;
};
ISLE_TYPE(creature_type, struct creature, ISLE_FIELD(struct creature, mall),
          ISLE_FIELD(struct creature, colour));
ISLE_LOCAL(struct creature, creature);

static void creature_comes(void)
{
    isle_send_with_reply(creature()->mall, isle_int(creature()->colour),
                         isle_port_send_port(isle_default_port()));
}

/* `other` is the one that waits for our colour, or none if it has told us its own. */
static void creature_handle(isle_value message, isle_send_port other)
{
    struct creature *self = creature();
    int64_t colour;
    if (!isle_get_int(message, &colour)) {
        isle_send(self->mall, isle_int(self->meetings));
        isle_port_close(isle_default_port());
        return;
    }
    self->colour = complement(self->colour, colour);
    self->meetings++;
    if (!isle_send_port_is_none(other))
        isle_send(other, isle_int(self->colour));
    creature_comes();
}

static void creature_main(isle_value order)
{
    *creature() = *(const struct creature *)isle_as_object(order, &creature_type);
    isle_port_on_receive(isle_default_port(), creature_handle);
    creature_comes();
}

struct mall {
    isle_send_port done;
    int64_t left;
    isle_send_port waiting; /* none: nobody */
    int64_t gone;           /* creatures that have left */
    int64_t meetings;       /* of those */
};
ISLE_TYPE(mall_type, struct mall, ISLE_FIELD(struct mall, done), ISLE_FIELD(struct mall, left));
ISLE_LOCAL(struct mall, mall);

static void mall_count(struct mall *self, int64_t meetings)
{
    self->meetings += meetings;
    if (++self->gone < CREATURES)
        return;
    isle_send(self->done, isle_int(self->meetings));
    isle_port_close(isle_default_port());
}

static void mall_handle(isle_value message, isle_send_port creature)
{
    struct mall *self = mall();
    if (isle_send_port_is_none(creature)) {
        mall_count(self, isle_as_int(message));
    } else if (self->left == 0) {
        isle_send(creature, isle_null());
    } else if (isle_send_port_is_none(self->waiting)) {
        self->waiting = creature;
    } else {
        self->left--;
        isle_send_with_reply(self->waiting, message, creature);
        self->waiting = isle_send_port_none();
    }
}

static void mall_main(isle_value order)
{
    struct mall *self = mall();
    *self = *(const struct mall *)isle_as_object(order, &mall_type);
    isle_port_on_receive(isle_default_port(), mall_handle);
    struct creature creature = {.mall = isle_port_send_port(isle_default_port())};
    for (int i = 0; i < CREATURES; i++) {
        creature.colour = i % COLOURS;
        isle_spawn(creature_main, isle_object(&creature_type, &creature), NULL);
    }
}

static int64_t meetings(void)
{
    return savina_size(200000, 1);
}

static isle_value run(void)
{
    isle_receive_port *done = isle_port_open();
    struct mall order = {.done = isle_port_send_port(done), .left = meetings()};
    isle_spawn(mall_main, isle_object(&mall_type, &order), NULL);
    isle_value sum = isle_port_receive(done);
    isle_port_close(done);
    return sum;
}

static int64_t verify(isle_value sum)
{
    savina_expect(isle_as_int(sum) == 2 * meetings(), "the creatures had %" PRId64 " meetings",
                  isle_as_int(sum));
    return meetings();
}

SAVINA_PROGRAM(.name = "chameneos", .run = run, .verify = verify,
               .figure = SAVINA_NS_PER_OPERATION);
