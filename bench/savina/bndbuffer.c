/* SPDX-License-Identifier: Apache-2.0 */
/* Savina 11, Bounded Buffer: 40 producers of 1,000 items each, 40 consumers, and a buffer of 50
 * between them: backpressure by protocol. To make or to use an item costs 25 times 100 random
 * numbers (in the original their logarithms too). Operation: an item. Nothing is shared in the
 * original. */
#include "savina.h"

enum { BUFFER = 50, PRODUCERS = 40, CONSUMERS = 40, COST = 25 * 100 };
/* Each producer may have an item on its way, so no new ones are asked for from here on. */
enum { BUFFER_SOFT = BUFFER - PRODUCERS };

static int64_t item_make(int64_t serial)
{
    return (int64_t)(savina_work((uint64_t)serial, COST) >> 8);
}

static uint64_t item_use(int64_t item)
{
    return savina_work((uint64_t)item, COST);
}

struct queue {
    int first, count;
    isle_send_port ports[PRODUCERS > CONSUMERS ? PRODUCERS : CONSUMERS];
};

static void queue_add(struct queue *queue, isle_send_port port)
{
    int capacity = (int)(sizeof(queue->ports) / sizeof(queue->ports[0]));
    queue->ports[(queue->first + queue->count++) % capacity] = port;
}

static isle_send_port queue_take(struct queue *queue)
{
    int capacity = (int)(sizeof(queue->ports) / sizeof(queue->ports[0])), at = queue->first;
    queue->first = (at + 1) % capacity;
    queue->count--;
    return queue->ports[at];
}

struct buffer {
    isle_send_port done; /* gets the most items that were ever in it */
    int64_t left;        /* items that no consumer has got yet */
    int64_t items[BUFFER];
    int first, count, most;
    struct queue producers; /* that wait until they may make another one */
    struct queue consumers; /* that wait for an item */
};
ISLE_TYPE(buffer_type, struct buffer, ISLE_FIELD(struct buffer, done),
          ISLE_FIELD(struct buffer, left));
ISLE_LOCAL(struct buffer, buffer);

static void buffer_give(struct buffer *self, int64_t item, isle_send_port consumer)
{
    self->left--;
    isle_send(consumer, isle_int(item));
}

static void buffer_add(struct buffer *self, int64_t item)
{
    if (self->consumers.count > 0) {
        buffer_give(self, item, queue_take(&self->consumers));
        return;
    }
    if (self->count == BUFFER)
        isle_throwf("the buffer overflows");
    self->items[(self->first + self->count++) % BUFFER] = item;
    if (self->count > self->most)
        self->most = self->count;
}

static void buffer_serve(struct buffer *self, isle_send_port consumer)
{
    if (self->count == 0) {
        queue_add(&self->consumers, consumer);
        return;
    }
    buffer_give(self, self->items[self->first], consumer);
    self->first = (self->first + 1) % BUFFER;
    self->count--;
    if (self->producers.count > 0)
        isle_send(queue_take(&self->producers), isle_bool(true));
}

/* An item comes from a producer, a null from a consumer that wants one; `from` is its port. */
static void buffer_handle(isle_value message, isle_send_port from)
{
    struct buffer *self = buffer();
    int64_t item;
    if (isle_get_int(message, &item)) {
        buffer_add(self, item);
        if (self->count < BUFFER_SOFT)
            isle_send(from, isle_bool(true));
        else
            queue_add(&self->producers, from);
    } else {
        buffer_serve(self, from);
    }
    if (self->left > 0 || self->consumers.count < CONSUMERS)
        return;
    while (self->consumers.count > 0)
        isle_send(queue_take(&self->consumers), isle_null());
    isle_send(self->done, isle_int(self->most));
    isle_port_close(isle_default_port());
}

struct client {
    isle_send_port buffer;
    isle_send_port done;
    int64_t first, count; /* a producer's items */
    uint64_t digest;      /* a consumer's */
};
ISLE_TYPE(client_type, struct client, ISLE_FIELD(struct client, buffer),
          ISLE_FIELD(struct client, done), ISLE_FIELD(struct client, first),
          ISLE_FIELD(struct client, count));

static void client_tell(const struct client *self, isle_value message)
{
    isle_send_with_reply(self->buffer, message, isle_port_send_port(isle_default_port()));
}

/* Any message asks for an item. After the last one, nobody's answer matters any more. */
static void producer_handle(isle_value unused, void *context)
{
    (void)unused;
    struct client *self = context;
    client_tell(self, isle_int(item_make(self->first++)));
    if (--self->count == 0)
        isle_port_close(isle_default_port());
}

static void producer_main(isle_value order)
{
    struct client *self = isle_new(struct client);
    *self = *(const struct client *)isle_as_object(order, &client_type);
    isle_port_listen(isle_default_port(), producer_handle, self);
    producer_handle(isle_null(), self);
}

static void consumer_handle(isle_value message, void *context)
{
    struct client *self = context;
    int64_t item;
    if (isle_get_int(message, &item)) {
        self->digest += item_use(item);
        client_tell(self, isle_null());
    } else {
        isle_send(self->done, isle_int((int64_t)self->digest));
        isle_port_close(isle_default_port());
    }
}

static void consumer_main(isle_value order)
{
    struct client *self = isle_new(struct client);
    *self = *(const struct client *)isle_as_object(order, &client_type);
    isle_port_listen(isle_default_port(), consumer_handle, self);
    client_tell(self, isle_null());
}

static void buffer_main(isle_value order)
{
    *buffer() = *(const struct buffer *)isle_as_object(order, &buffer_type);
    isle_port_on_receive(isle_default_port(), buffer_handle);
}

static int64_t items(void)
{
    return savina_size(1000, 1);
}

static isle_value run(void)
{
    isle_receive_port *most = isle_port_open(), *digests = isle_port_open();
    struct buffer buffer = {.done = isle_port_send_port(most), .left = PRODUCERS * items()};
    isle_value order = isle_object(&buffer_type, &buffer);
    struct client client = {.buffer = isle_spawn(buffer_main, order, NULL).default_port,
                            .done = isle_port_send_port(digests),
                            .count = items()};
    for (int i = 0; i < CONSUMERS; i++)
        isle_spawn(consumer_main, isle_object(&client_type, &client), NULL);
    for (; client.first < PRODUCERS * items(); client.first += items())
        isle_spawn(producer_main, isle_object(&client_type, &client), NULL);

    int64_t digest = savina_receive_sum(digests, CONSUMERS);
    isle_value outcome = isle_pack("[i,o]", digest, isle_port_receive(most));
    isle_port_close(digests);
    isle_port_close(most);
    return outcome;
}

static int64_t verify(isle_value outcome)
{
    int64_t digest, most, count = PRODUCERS * items();
    uint64_t expected = 0;
    isle_unpack(outcome, "[i,i]", &digest, &most);
    for (int64_t serial = 0; serial < count; serial++)
        expected += item_use(item_make(serial));
    savina_expect((uint64_t)digest == expected, "the consumers' items are not the producers'");
    savina_expect(most <= BUFFER, "the buffer held %" PRId64 " items", most);
    return count;
}

SAVINA_PROGRAM(.name = "bndbuffer", .run = run, .verify = verify);
