/* SPDX-License-Identifier: Apache-2.0 */
/* Savina 17, Radix Sort: 100,000 values below 2^60 pass a line of 60 actors, one a binary digit,
 * the lowest digit first. An actor lets the values with a 0 there pass and hands on those with a 1
 * when it has seen all: so the order by the digits before is kept, and what leaves the last actor
 * is sorted. Operation: a message of one int; there are 6,100,000. Nothing is shared in the
 * original.
 *
 * Checked against the C library's sort of the same values. */
#include "savina.h"

#include <stdlib.h>

enum { DIGITS = 60, SEED = 2048 };

struct stage {
    isle_send_port next;
    int64_t digit; /* 1, 2, 4 … */
    int64_t expected;
    int64_t held_count;
    int64_t *held;
};

static void stage_take(isle_value message, void *context)
{
    struct stage *stage = context;
    int64_t value = isle_as_int(message);
    if (value & stage->digit)
        stage->held[stage->held_count++] = value;
    else
        isle_send(stage->next, message);
    if (--stage->expected > 0)
        return;
    for (int64_t i = 0; i < stage->held_count; i++)
        isle_send(stage->next, isle_int(stage->held[i]));
    isle_port_close(isle_default_port());
}

static void stage_main(isle_value message)
{
    struct stage *stage = isle_new(struct stage);
    isle_unpack(message, "[p,i,i]", &stage->next, &stage->digit, &stage->expected);
    stage->held = isle_alloc((size_t)stage->expected * sizeof(*stage->held));
    isle_port_listen(isle_default_port(), stage_take, stage);
}

static int64_t next_value(savina_random *random)
{
    return (int64_t)(savina_random_next(random) >> (64 - DIGITS));
}

static void source(isle_value message)
{
    isle_send_port first;
    int64_t count;
    savina_random random = {SEED};
    isle_unpack(message, "[p,i]", &first, &count);
    for (int64_t i = 0; i < count; i++)
        isle_send(first, isle_int(next_value(&random)));
}

static int64_t value_count(void)
{
    return savina_size(100000, 2);
}

static isle_value run(void)
{
    int64_t count = value_count();
    isle_receive_port *port = isle_port_open();
    isle_send_port first = isle_port_send_port(port);
    for (int64_t digit = INT64_C(1) << (DIGITS - 1); digit > 0; digit /= 2) {
        isle_value stage = isle_pack("[p,i,i]", first, digit, count);
        first = isle_spawn(stage_main, stage, NULL).default_port;
    }
    isle_spawn(source, isle_pack("[p,i]", first, count), NULL);

    isle_value sorted = isle_array(ISLE_I64, NULL, (size_t)count);
    int64_t *values = isle_bytes_data(sorted);
    for (int64_t i = 0; i < count; i++) {
        ISLE_SCOPE;
        values[i] = isle_as_int(isle_port_receive(port));
    }
    isle_port_close(port);
    return sorted;
}

static int compare(const void *a, const void *b)
{
    const int64_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static int64_t verify(isle_value outcome)
{
    int64_t count = value_count();
    const int64_t *sorted = isle_as_array(outcome, ISLE_I64, NULL);
    int64_t *expected = isle_alloc((size_t)count * sizeof(*expected));
    savina_random random = {SEED};
    for (int64_t i = 0; i < count; i++)
        expected[i] = next_value(&random);
    qsort(expected, (size_t)count, sizeof(*expected), compare);
    for (int64_t i = 0; i < count; i++)
        savina_expect(sorted[i] == expected[i], "value %" PRId64 " is %" PRId64, i, sorted[i]);
    return (DIGITS + 1) * count;
}

SAVINA_PROGRAM(.name = "radixsort", .run = run, .verify = verify);
