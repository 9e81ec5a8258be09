/* SPDX-License-Identifier: Apache-2.0 */
/* Savina 25, Quicksort: 1,000,000 values. An actor divides what it has got about a pivot and has
 * each side sorted by another, down to 2,048 values, which it sorts where they are. Operation: a
 * value.
 *
 * The original copies lists from actor to actor. Here a side is written once, into a transferable,
 * and moves: down as the argument of a computation, up as its result.
 *
 * Checked against the C library's sort of all values at once. */
#include "savina.h"

#include <stdlib.h>
#include <string.h>

enum { THRESHOLD = 2048, SEED = 1024 };

static int compare(const void *a, const void *b)
{
    const int64_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

struct split {
    isle_value below, above; /* transferables */
    size_t below_count, above_count;
};

static struct split split_about(const int64_t *values, size_t count, int64_t pivot)
{
    struct split split = {0};
    for (size_t i = 0; i < count; i++) {
        split.below_count += values[i] < pivot;
        split.above_count += values[i] > pivot;
    }
    split.below = isle_transferable(split.below_count * sizeof(*values));
    split.above = isle_transferable(split.above_count * sizeof(*values));
    int64_t *below = isle_transferable_data(split.below);
    int64_t *above = isle_transferable_data(split.above);
    for (size_t i = 0; i < count; i++) {
        if (values[i] < pivot)
            *below++ = values[i];
        else if (values[i] > pivot)
            *above++ = values[i];
    }
    return split;
}

/* A transferable of int64_t → the same values in order, as bytes. */
static isle_value quicksort(isle_value argument)
{
    isle_value bytes = isle_materialize(argument);
    int64_t *values = isle_bytes_data(bytes);
    size_t count = isle_count(bytes) / sizeof(*values);
    if (count <= THRESHOLD) {
        qsort(values, count, sizeof(*values), compare);
        return bytes;
    }

    int64_t pivot = values[count / 2];
    struct split split = split_about(values, count, pivot);
    isle_future *below = isle_run(quicksort, split.below, NULL);
    isle_future *above = isle_run(quicksort, split.above, NULL);

    size_t above_at = count - split.above_count;
    for (size_t i = split.below_count; i < above_at; i++)
        values[i] = pivot;
    const int64_t *sorted = isle_as_bytes(isle_await(below), NULL);
    memcpy(values, sorted, split.below_count * sizeof(*values));
    sorted = isle_as_bytes(isle_await(above), NULL);
    memcpy(values + above_at, sorted, split.above_count * sizeof(*values));
    return bytes;
}

static int64_t value_count(void)
{
    return savina_size(1000000, 2);
}

static void fill(int64_t *values, int64_t count)
{
    savina_random random = {SEED};
    for (int64_t i = 0; i < count; i++)
        values[i] = (int64_t)(savina_random_next(&random) >> 4);
}

static isle_value run(void)
{
    int64_t count = value_count();
    isle_value values = isle_transferable((size_t)count * sizeof(int64_t));
    fill(isle_transferable_data(values), count);
    return isle_await(isle_run(quicksort, values, NULL));
}

static int64_t verify(isle_value outcome)
{
    size_t size;
    const int64_t *sorted = isle_as_bytes(outcome, &size);
    int64_t count = value_count();
    savina_expect(size == (size_t)count * sizeof(*sorted), "%zu bytes came back", size);
    int64_t *expected = isle_alloc(size);
    fill(expected, count);
    qsort(expected, (size_t)count, sizeof(*expected), compare);
    for (int64_t i = 0; i < count; i++)
        savina_expect(sorted[i] == expected[i], "value %" PRId64 " is %" PRId64, i, sorted[i]);
    return count;
}

SAVINA_PROGRAM(.name = "quicksort", .run = run, .verify = verify);
