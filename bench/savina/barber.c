/* SPDX-License-Identifier: Apache-2.0 */
/* Savina 13, Sleeping Barber: 5,000 customers, each an actor, come to a waiting room with 1,000
 * seats; the barber takes one after the other; who finds no seat is sent back and comes again. To
 * make a customer and to cut hair takes up to 1,000 random numbers. Bursts and refusal. Operation:
 * a haircut. Nothing is shared in the original. */
#include "savina.h"

enum { SEATS = 1000, RATE = 1000 };

/* What is said besides ports, each of which is a customer. */
typedef enum word { FULL, WAIT, START, DONE, NEXT, SLEEP, CLOSE } word;

static void say(isle_send_port to, word what)
{
    isle_send(to, isle_int(what));
}

static uint64_t busy_wait(savina_random *random)
{
    int64_t rounds = savina_random_below(random, RATE) + 10;
    return savina_work(random->state, rounds);
}

struct customer {
    isle_send_port factory;
    int64_t number;
};
ISLE_TYPE(customer_type, struct customer, ISLE_FIELD(struct customer, factory),
          ISLE_FIELD(struct customer, number));

static void customer_handle(isle_value message, void *context)
{
    const struct customer *self = context;
    switch ((word)isle_as_int(message)) {
    case FULL:
        isle_send(self->factory, isle_port_value(isle_default_port()));
        break;
    case DONE:
        isle_send(self->factory, isle_int(self->number));
        isle_port_close(isle_default_port());
        break;
    case WAIT:
    case START:
    case NEXT:
    case SLEEP:
    case CLOSE:
        break;
    }
}

static void customer_main(isle_value order)
{
    struct customer *self = isle_new(struct customer);
    *self = *(const struct customer *)isle_as_object(order, &customer_type);
    isle_port_listen(isle_default_port(), customer_handle, self);
}

struct barber {
    isle_send_port room;
    isle_send_port done; /* gets the number of haircuts */
    int64_t haircuts;
    uint64_t work;
    savina_random random;
};
ISLE_TYPE(barber_type, struct barber, ISLE_FIELD(struct barber, room),
          ISLE_FIELD(struct barber, done));

static void barber_handle(isle_value message, void *context)
{
    struct barber *self = context;
    isle_send_port customer;
    int64_t said;
    if (isle_get_port(message, &customer)) {
        say(customer, START);
        self->work += busy_wait(&self->random);
        self->haircuts++;
        say(customer, DONE);
        say(self->room, NEXT);
    } else if (isle_get_int(message, &said) && said == CLOSE) {
        isle_send(self->done, isle_int(self->haircuts));
        isle_port_close(isle_default_port());
    }
}

static void barber_main(isle_value order)
{
    struct barber *self = isle_new(struct barber);
    *self = *(const struct barber *)isle_as_object(order, &barber_type);
    self->random.state = SAVINA_SEED;
    isle_port_listen(isle_default_port(), barber_handle, self);
}

struct room {
    isle_send_port barber;
    bool awake; /* the barber */
    int first, count;
    isle_send_port seats[SEATS];
};

static void room_next(struct room *self)
{
    self->awake = self->count > 0;
    if (!self->awake) {
        say(self->barber, SLEEP);
        return;
    }
    isle_send(self->barber, isle_port(self->seats[self->first]));
    self->first = (self->first + 1) % SEATS;
    self->count--;
}

static void room_enter(struct room *self, isle_send_port customer)
{
    if (self->count == SEATS) {
        say(customer, FULL);
        return;
    }
    self->seats[(self->first + self->count++) % SEATS] = customer;
    if (self->awake)
        say(customer, WAIT);
    else
        room_next(self);
}

static void room_handle(isle_value message, void *context)
{
    struct room *self = context;
    isle_send_port customer;
    if (isle_get_port(message, &customer)) {
        room_enter(self, customer);
    } else if (isle_as_int(message) == NEXT) {
        room_next(self);
    } else {
        isle_send(self->barber, message);
        isle_port_close(isle_default_port());
    }
}

static void room_main(isle_value done)
{
    struct room *self = isle_new(struct room);
    struct barber order = {.room = isle_port_send_port(isle_default_port()),
                           .done = isle_as_port(done)};
    self->barber = isle_spawn(barber_main, isle_object(&barber_type, &order), NULL).default_port;
    isle_port_listen(isle_default_port(), room_handle, self);
}

struct factory {
    isle_send_port room;
    isle_send_port done; /* gets [sum of the customers' numbers, tries, what the waits made] */
    int64_t customers;
    int64_t left;
    int64_t sum;
    int64_t tries;
    uint64_t work;
};
ISLE_TYPE(factory_type, struct factory, ISLE_FIELD(struct factory, room),
          ISLE_FIELD(struct factory, done), ISLE_FIELD(struct factory, customers));

/* A port is a customer that found no seat, a number one that was served. */
static void factory_handle(isle_value message, void *context)
{
    struct factory *self = context;
    int64_t number;
    if (!isle_get_int(message, &number)) {
        self->tries++;
        isle_send(self->room, message);
        return;
    }
    self->sum += number;
    if (--self->left > 0)
        return;
    say(self->room, CLOSE);
    isle_send(self->done, isle_pack("[i,i,i]", self->sum, self->tries, (int64_t)self->work));
    isle_port_close(isle_default_port());
}

static void factory_main(isle_value order)
{
    struct factory *self = isle_new(struct factory);
    isle_receive_port *port = isle_default_port();
    savina_random random = {SAVINA_SEED};
    *self = *(const struct factory *)isle_as_object(order, &factory_type);
    self->left = self->tries = self->customers;
    isle_port_listen(port, factory_handle, self);

    struct customer customer = {.factory = isle_port_send_port(port)};
    for (; customer.number < self->customers; customer.number++) {
        isle_value told = isle_object(&customer_type, &customer);
        isle_send(self->room, isle_port(isle_spawn(customer_main, told, NULL).default_port));
        self->work += busy_wait(&random);
    }
}

static int64_t haircuts(void)
{
    return savina_size(5000, 1);
}

static isle_value run(void)
{
    isle_receive_port *served = isle_port_open(), *cut = isle_port_open();
    struct factory order = {.room = isle_spawn(room_main, isle_port_value(cut), NULL).default_port,
                            .done = isle_port_send_port(served),
                            .customers = haircuts()};
    isle_spawn(factory_main, isle_object(&factory_type, &order), NULL);
    isle_value outcome = isle_pack("[o,o]", isle_port_receive(served), isle_port_receive(cut));
    isle_port_close(served);
    isle_port_close(cut);
    return outcome;
}

static int64_t verify(isle_value outcome)
{
    int64_t sum, tries, work, cut, n = haircuts();
    uint64_t expected = 0;
    savina_random random = {SAVINA_SEED};
    isle_unpack(outcome, "[[i,i,i],i]", &sum, &tries, &work, &cut);
    for (int64_t i = 0; i < n; i++)
        expected += busy_wait(&random);
    savina_expect(cut == n, "%" PRId64 " haircuts", cut);
    savina_expect(sum == n * (n - 1) / 2, "the customers' numbers sum to %" PRId64, sum);
    savina_expect(tries >= n, "%" PRId64 " tries", tries);
    savina_expect((uint64_t)work == expected, "the factory worked otherwise");
    return n;
}

SAVINA_PROGRAM(.name = "barber", .run = run, .verify = verify);
