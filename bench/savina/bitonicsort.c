/* SPDX-License-Identifier: Apache-2.0 */
/* Savina 30, Bitonic Sort: Batcher's network for 4,096 values below 2^60. Each of its 159,744
 * comparators is an actor that gets two values, sends the smaller one to one place and the larger
 * one to another, and ends. Operation: a value sent. Nothing is shared in the original.
 *
 * The original comes from a streaming language, in which an actor has one output: splitters and
 * joiners stand between the comparators and put the values in order. Ports need none: the network
 * is laid from its end, and a comparator is told where each of its wires leads.
 *
 * Checked against the C library's sort of the same values. */
#include "savina.h"

#include <stdlib.h>

enum { SEED = 2048 };

struct comparator {
    isle_send_port smaller, larger; /* where they go */
    bool has_one;
    int64_t one;
};
ISLE_TYPE(comparator_type, struct comparator, ISLE_FIELD(struct comparator, smaller),
          ISLE_FIELD(struct comparator, larger));

static void comparator_take(isle_value message, void *context)
{
    struct comparator *comparator = context;
    int64_t value = isle_as_int(message);
    if (!comparator->has_one) {
        comparator->has_one = true;
        comparator->one = value;
        return;
    }
    bool less = value < comparator->one;
    isle_send(less ? comparator->smaller : comparator->larger, message);
    isle_send(less ? comparator->larger : comparator->smaller, isle_int(comparator->one));
    isle_port_close(isle_default_port());
}

static void comparator_main(isle_value message)
{
    struct comparator *comparator = isle_new(struct comparator);
    *comparator = *(const struct comparator *)isle_as_object(message, &comparator_type);
    isle_port_listen(isle_default_port(), comparator_take, comparator);
}

/* Sets a comparator before wires a < b, whose ports are where it sends, and connects them to it. */
static void lay_comparator(isle_send_port *wires, int64_t a, int64_t b, bool rising)
{
    ISLE_SCOPE;
    struct comparator comparator = {wires[rising ? a : b], wires[rising ? b : a], false, 0};
    isle_value start = isle_object(&comparator_type, &comparator);
    wires[a] = wires[b] = isle_spawn(comparator_main, start, NULL).default_port;
}

/* From the end to the beginning: the stage that merges runs of `run` values into one, rising and
 * falling by turns, compares at distances 1, 2 … run / 2. */
static void lay_network(isle_send_port *wires, int64_t count)
{
    for (int64_t run = count; run >= 2; run /= 2)
        for (int64_t distance = 1; distance < run; distance *= 2)
            for (int64_t wire = 0; wire < count; wire++)
                if ((wire & distance) == 0)
                    lay_comparator(wires, wire, wire + distance, (wire & run) == 0);
}

static int64_t next_value(savina_random *random)
{
    return (int64_t)(savina_random_next(random) >> 4);
}

/* A power of 2. */
static int64_t value_count(void)
{
    int64_t count = 2;
    while (count * 2 <= savina_size(4096, 2))
        count *= 2;
    return count;
}

static isle_value run(void)
{
    int64_t count = value_count();
    isle_receive_port **ends = isle_alloc((size_t)count * sizeof(isle_receive_port *));
    isle_send_port *wires = isle_alloc((size_t)count * sizeof(*wires));
    for (int64_t i = 0; i < count; i++) {
        ends[i] = isle_port_open();
        wires[i] = isle_port_send_port(ends[i]);
    }
    lay_network(wires, count);

    savina_random random = {SEED};
    for (int64_t i = 0; i < count; i++)
        isle_send(wires[i], isle_int(next_value(&random)));
    isle_value sorted = isle_array(ISLE_I64, NULL, (size_t)count);
    int64_t *values = isle_bytes_data(sorted);
    for (int64_t i = 0; i < count; i++) {
        values[i] = isle_as_int(isle_port_receive(ends[i]));
        isle_port_close(ends[i]);
    }
    return sorted;
}

static int compare(const void *a, const void *b)
{
    const int64_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

/* The number of comparators a wire passes: 1 + 2 + … + log2 count. */
static int64_t depth(int64_t count)
{
    int64_t stages = 0;
    for (; count > 1; count /= 2)
        stages++;
    return stages * (stages + 1) / 2;
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
    return count * (depth(count) + 1);
}

SAVINA_PROGRAM(.name = "bitonicsort", .run = run, .verify = verify);
