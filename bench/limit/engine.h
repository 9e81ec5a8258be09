/* SPDX-License-Identifier: Apache-2.0 */
/* A scheduler that does nothing but the needful, on one thread: an actor is a handler, an intrusive
 * list of messages and a place in the run queue; a message is a record that is used again. */
#ifndef BENCH_LIMIT_ENGINE_H
#define BENCH_LIMIT_ENGINE_H

#include "limit.h"

struct message {
    struct message *next;
    struct actor *from;
    int64_t value;
};

struct actor {
    struct actor *next; /* in the run queue */
    struct message *first, *last;
    void (*handle)(struct actor *self, const struct message *message);
    struct actor *parent;
    int64_t sum;
    int64_t left;
    bool queued;
};

struct engine {
    struct actor *first, *last;
    struct message *unused;
    char *memory; /* where new records come from */
};

static inline void *engine_take(struct engine *engine, size_t size)
{
    void *record = engine->memory;
    engine->memory += size;
    return record;
}

static inline void engine_send(struct engine *engine, struct actor *to, struct actor *from,
                               int64_t value)
{
    struct message *message = engine->unused;
    if (message != NULL)
        engine->unused = message->next;
    else
        message = engine_take(engine, sizeof *message);
    *message = (struct message){NULL, from, value};
    if (to->first == NULL)
        to->first = message;
    else
        to->last->next = message;
    to->last = message;
    if (to->queued)
        return;
    to->queued = true;
    to->next = NULL;
    if (engine->first == NULL)
        engine->first = to;
    else
        engine->last->next = to;
    engine->last = to;
}

/* Runs until nobody has anything to do. */
static inline void engine_run(struct engine *engine)
{
    while (engine->first != NULL) {
        struct actor *actor = engine->first;
        engine->first = actor->next;
        actor->queued = false;
        struct message *message = actor->first;
        actor->first = NULL;
        while (message != NULL) {
            struct message *next = message->next;
            actor->handle(actor, message);
            message->next = engine->unused;
            engine->unused = message;
            message = next;
        }
    }
}

#endif
