/* SPDX-License-Identifier: Apache-2.0 */
/* What runs inside the isolates of chaos_processes.c: a good one, which answers each message with
 * itself, and one that scribbles over the memory of its channel. And the messages. */
#ifndef GUARANTEES_CHAOS_INSIDE_H
#define GUARANTEES_CHAOS_INSIDE_H

#include <sys/eventfd.h>

#include "backend/wall/wall.h"
#include "channel/record.h"
#include "guarantees.h"

enum { LEAVE = -1 };

/* --- chance */

static inline uint64_t chance_of(uint64_t *state, uint64_t below)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return (*state * UINT64_C(0x2545f4914f6cdd1d) >> 33) % below;
}

/* --- messages: [number, bytes whose size and content follow from the number] */

static inline size_t size_of(int64_t number)
{
    return number % 64 == 63 ? 60000 : (size_t)(number % 7) * 100;
}

static inline isle_value numbered(int64_t number)
{
    static _Thread_local uint8_t content[60000];
    size_t size = number < 0 ? 0 : size_of(number);
    memset(content, (uint8_t)number, size);
    return isle_pack("[i,o]", number, isle_bytes(content, size));
}

/* LEAVE, or a good one; -2: a bad one. */
static inline int64_t number_of(isle_value message)
{
    int64_t number = isle_as_int(isle_list_get(message, 0));
    size_t size;
    const uint8_t *content = isle_as_bytes(isle_list_get(message, 1), &size);
    if (number == LEAVE)
        return LEAVE;
    if (number < 0 || size != size_of(number))
        return -2;
    return size == 0 || (content[0] == (uint8_t)number && content[size - 1] == (uint8_t)number)
               ? number
               : -2;
}

/* --- inside */

/* Aborts at a message that is not the next one: nobody causes that reason. */
static inline void echo(isle_value to)
{
    isle_receive_port *port = isle_default_port();
    isle_send_port back = isle_as_port(to);
    for (int64_t expected = 0;; expected++) {
        ISLE_SCOPE;
        isle_value message = isle_port_receive(port);
        int64_t number = number_of(message);
        if (number == LEAVE)
            break;
        if (number != expected)
            abort();
        isle_send(back, message);
    }
    isle_port_close(port);
}

/* Anything into all that the other side reads: a few words, or everything. */
static inline void scribble(struct isle__channel *channel, uint64_t *state)
{
    struct isle__ring_words *words = channel->out.mine;
    uint64_t any = chance_of(state, UINT64_C(1) << 31) * chance_of(state, UINT64_C(1) << 31);
    uint64_t size = channel->out.size, at = chance_of(state, size / 8) * 8;
    volatile unsigned char *bytes = channel->out.bytes;
    switch (chance_of(state, 8)) {
    case 0:
        atomic_store(&words->tail, chance_of(state, 2) ? any : channel->out.put + at);
        break;
    case 1:
        atomic_store(&words->head, chance_of(state, 2) ? any : channel->in.come + at);
        break;
    case 2:
        atomic_store(&words->rest, any);
        break;
    case 3:
        atomic_store(&words->mark, (uint32_t)any);
        break;
    case 4: /* a cell that says how long a record is */
        __atomic_store_n((uint64_t *)(void *)(channel->out.bytes + at),
                         chance_of(state, 4) ? chance_of(state, 5000) : any, __ATOMIC_RELAXED);
        break;
    default: /* in what was put last, which may not have been taken yet */
        for (uint64_t i = chance_of(state, 32); i > 0; i--)
            bytes[(channel->out.put - chance_of(state, 300)) & (size - 1)] =
                (unsigned char)(any >> i);
    }
}

static inline void scribbler(isle_value request)
{
    struct isle__channel *channel = isle__wall_of_inside()->channel;
    int64_t seed;
    isle_send_port back;
    isle_unpack(request, "[i,p]", &seed, &back);
    uint64_t state = (uint64_t)seed | 1, strokes = chance_of(&state, 20000);
    for (uint64_t i = 0; i < strokes; i++) {
        ISLE_SCOPE;
        if (chance_of(&state, 4) == 0)
            (void)!isle_try_send(back, numbered((int64_t)i));
        if (chance_of(&state, 16) == 0)
            scribble(channel, &state);
        if (chance_of(&state, 16) == 0)
            (void)!eventfd_write(channel->bell_out, 1);
    }
    if (chance_of(&state, 3) == 0)
        abort();
    if (chance_of(&state, 2) == 0)
        for (;;) /* until its deadline */
            scribble(channel, &state);
}

#endif
