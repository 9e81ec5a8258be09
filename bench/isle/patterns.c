/* SPDX-License-Identifier: Apache-2.0 */
/* Programs of several isolates that talk: a ring, all with all, pairs that meet in one place. */
#include "bench.h"

/* The ring: a member gives the token to the next one, one less; who gets 0 tells the driver. */
enum { RING_SIZE = 503 };

struct member {
    isle_send_port next;
    isle_send_port done;
};
ISLE_TYPE(member_type, struct member, ISLE_FIELD(struct member, next),
          ISLE_FIELD(struct member, done));

static void member_handle(isle_value token, void *context)
{
    const struct member *member = context;
    if (isle_is_null(token)) {
        isle_port_close(isle_default_port());
        return;
    }
    int64_t left = isle_as_int(token);
    isle_send(left > 0 ? member->next : member->done, isle_int(left - 1));
}

static void member_main(isle_value message)
{
    struct member *member = isle_new(struct member);
    *member = *(const struct member *)isle_as_object(message, &member_type);
    if (isle_send_port_is_none(member->next)) /* the first one, made before its neighbour */
        member->next = isle_as_port(isle_port_receive(isle_default_port()));
    isle_port_listen(isle_default_port(), member_handle, member);
}

static isle_value ring_drive(isle_value parameter)
{
    (void)parameter;
    int64_t hops = bench_scaled(2000000, 1000);
    isle_receive_port *port = isle_port_open();
    isle_send_port members[RING_SIZE];
    struct member order = {.done = isle_port_send_port(port)};
    for (int i = 0; i < RING_SIZE; i++) {
        members[i] = isle_spawn(member_main, isle_object(&member_type, &order), NULL).default_port;
        order.next = members[i];
    }
    isle_send(members[0], isle_port(members[RING_SIZE - 1]));
    isle_send(members[0], isle_int(hops / 20));
    bench_receive_ints(port, 1);
    int64_t start = bench_now_ns();
    isle_send(members[0], isle_int(hops));
    int64_t last = bench_receive_ints(port, 1);
    int64_t time = bench_now_ns() - start;
    bench_require(last == -1, "the token");
    bench_figure((double)time / (double)hops);
    for (int i = 0; i < RING_SIZE; i++)
        isle_send(members[i], isle_null());
    isle_port_close(port);
    return isle_null();
}

/* Savina's big: each of 120 pings another one at random, and pings on when the pong is there. A
 * ping is the port to answer to, a pong an int; null begins. */
enum { BIG_SIZE = 120 };

struct talker {
    isle_send_port done;
    isle_send_port me;
    isle_send_port others[BIG_SIZE];
    int64_t left;
    int64_t pings; /* that came */
    uint64_t random;
};
struct talker_order {
    isle_send_port done;
    int64_t count;
    int64_t seed;
};
ISLE_TYPE(talker_order_type, struct talker_order, ISLE_FIELD(struct talker_order, done),
          ISLE_FIELD(struct talker_order, count), ISLE_FIELD(struct talker_order, seed));

static void talker_ping(struct talker *talker)
{
    if (talker->left-- > 0)
        isle_send(talker->others[bench_random(&talker->random) % BIG_SIZE], isle_port(talker->me));
    else
        isle_send(talker->done, isle_int(0));
}

static void talker_handle(isle_value message, void *context)
{
    struct talker *talker = context;
    isle_send_port asker;
    if (isle_get_port(message, &asker)) {
        talker->pings++;
        isle_send(asker, isle_int(1));
    } else if (isle_is_null(message)) {
        isle_send(talker->done, isle_int(talker->pings));
        isle_port_close(isle_default_port());
    } else {
        talker_ping(talker);
    }
}

static void talker_main(isle_value message)
{
    const struct talker_order *order = isle_as_object(message, &talker_order_type);
    struct talker *talker = isle_new(struct talker);
    talker->done = order->done;
    talker->left = order->count;
    talker->random = (uint64_t)order->seed;
    talker->me = isle_port_send_port(isle_default_port());
    isle_value ports = isle_port_receive(isle_default_port());
    for (size_t i = 0; i < BIG_SIZE; i++)
        talker->others[i] = isle_as_port(isle_list_get(ports, i));
    isle_port_listen(isle_default_port(), talker_handle, talker);
}

static isle_value big_drive(isle_value parameter)
{
    (void)parameter;
    int64_t count = bench_scaled(10000, 100), total = count * BIG_SIZE;
    isle_receive_port *port = isle_port_open();
    isle_send_port talkers[BIG_SIZE];
    isle_value ports = isle_list();
    struct talker_order order = {.done = isle_port_send_port(port), .count = count};
    for (int i = 0; i < BIG_SIZE; i++) {
        order.seed = i + 1;
        isle_value message = isle_object(&talker_order_type, &order);
        talkers[i] = isle_spawn(talker_main, message, NULL).default_port;
        isle_list_add(ports, isle_port(talkers[i]));
    }
    for (int i = 0; i < BIG_SIZE; i++)
        isle_send(talkers[i], ports);
    int64_t start = bench_now_ns();
    for (int i = 0; i < BIG_SIZE; i++)
        isle_send(talkers[i], isle_int(0));
    bench_receive_ints(port, BIG_SIZE);
    int64_t time = bench_now_ns() - start;
    for (int i = 0; i < BIG_SIZE; i++)
        isle_send(talkers[i], isle_null());
    bench_require(bench_receive_ints(port, BIG_SIZE) == total, "pings that came");
    bench_figure((double)time / (double)total);
    isle_port_close(port);
    return isle_null();
}

/* Chameneos: a hundred creatures of three colours ask the mall for a partner; the two that meet
 * both take the colour that follows from theirs. A request has the creature's port beside it as its
 * reply port, so neither needs more memory than an int. */
enum { CREATURES = 100, COLOURS = 3 };

struct mall {
    isle_future *over;
    isle_send_port waiting; /* who came first, none if nobody waits */
    int64_t waiting_colour;
    int64_t left;
    int faded;
};
ISLE_LOCAL(struct mall, mall);

static void mall_meet(isle_value message, isle_send_port creature)
{
    struct mall *here = mall();
    if (here->left == 0) {
        isle_send(creature, isle_null());
        if (++here->faded == CREATURES)
            isle_future_complete(here->over, isle_null());
    } else if (isle_send_port_is_none(here->waiting)) {
        here->waiting = creature;
        here->waiting_colour = isle_as_int(message);
    } else {
        isle_send(here->waiting, message);
        isle_send(creature, isle_int(here->waiting_colour));
        here->waiting = isle_send_port_none();
        here->left--;
    }
}

struct creature {
    isle_send_port mall;
    isle_send_port me;
    isle_send_port done;
    int64_t colour;
    int64_t meetings;
};
struct creature_order {
    isle_send_port mall;
    isle_send_port done;
    int64_t colour;
};
ISLE_TYPE(creature_order_type, struct creature_order, ISLE_FIELD(struct creature_order, mall),
          ISLE_FIELD(struct creature_order, done), ISLE_FIELD(struct creature_order, colour));

static int64_t colour_of_both(int64_t mine, int64_t other)
{
    return mine == other ? mine : COLOURS - mine - other;
}

static void creature_handle(isle_value other, void *context)
{
    struct creature *creature = context;
    if (isle_is_null(other)) {
        isle_send(creature->done, isle_int(creature->meetings));
        isle_port_close(isle_default_port());
        return;
    }
    creature->meetings++;
    creature->colour = colour_of_both(creature->colour, isle_as_int(other));
    isle_send_with_reply(creature->mall, isle_int(creature->colour), creature->me);
}

static void creature_main(isle_value message)
{
    const struct creature_order *order = isle_as_object(message, &creature_order_type);
    struct creature *creature = isle_new(struct creature);
    creature->mall = order->mall;
    creature->done = order->done;
    creature->colour = order->colour;
    creature->me = isle_port_send_port(isle_default_port());
    isle_port_listen(isle_default_port(), creature_handle, creature);
    isle_send_with_reply(creature->mall, isle_int(creature->colour), creature->me);
}

static isle_value chameneos_drive(isle_value parameter)
{
    (void)parameter;
    int64_t count = bench_scaled(400000, 1000);
    isle_receive_port *place = isle_port_open(), *port = isle_port_open();
    *mall() = (struct mall){.over = isle_future_new(), .left = count};
    isle_port_on_receive(place, mall_meet);
    struct creature_order order = {isle_port_send_port(place), isle_port_send_port(port), 0};
    int64_t start = bench_now_ns();
    for (int i = 0; i < CREATURES; i++) {
        order.colour = i % COLOURS;
        isle_spawn(creature_main, isle_object(&creature_order_type, &order), NULL);
    }
    isle_await(mall()->over);
    int64_t time = bench_now_ns() - start;
    bench_require(bench_receive_ints(port, CREATURES) == 2 * count, "meetings of all creatures");
    bench_figure((double)time / (double)count);
    isle_port_close(place);
    isle_port_close(port);
    return isle_null();
}

const struct workload patterns_workloads[] = {
    {"ring", ring_drive, 0, false},
    {"big", big_drive, 0, false},
    {"chameneos", chameneos_drive, 0, false},
    {NULL, NULL, 0, false},
};
