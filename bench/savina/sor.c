/* SPDX-License-Identifier: Apache-2.0 */
/* Savina 27, Successive Over-Relaxation: 100 iterations over a grid of 20 x 20, an actor a cell.
 * The cells are coloured as a chess board is. White ones begin by telling their neighbours their
 * value; a cell that has heard from all its neighbours takes a new value and tells it them, until
 * it has told 100. Operation: a value told; there are about 152,000. Nothing is shared in the
 * original.
 *
 * Checked against the same relaxation over an array and, at this size, against the total that the
 * suite gives, which takes the generator that the suite begins with: Java's. */
#include "savina.h"

#include <math.h>

enum { DEFAULT_SIZE = 20, ITERATIONS = 100, NEIGHBOURS_MAX = 4, SEED = 10101010 };
static const double OMEGA = 1.25, DEFAULT_TOTAL = 3.189420084871275e-6;

struct cell {
    isle_send_port results;
    int64_t index;
    double value;
    bool white;
    int64_t told; /* how often */
    /* Ports of the neighbours, once known, and what has been heard of them since the last value. */
    isle_send_port neighbours[NEIGHBOURS_MAX];
    size_t neighbour_count;
    size_t heard;
    double sum;
};
ISLE_TYPE(cell_type, struct cell, ISLE_FIELD(struct cell, results), ISLE_FIELD(struct cell, index),
          ISLE_FIELD(struct cell, value), ISLE_FIELD(struct cell, white));

static double relax(double value, double sum)
{
    return OMEGA / 4 * sum + (1 - OMEGA) * value;
}

static void cell_tell(struct cell *cell)
{
    for (size_t i = 0; i < cell->neighbour_count; i++)
        isle_send(cell->neighbours[i], isle_double(cell->value));
    if (++cell->told < ITERATIONS)
        return;
    isle_send(cell->results, isle_pack("[i,f]", cell->index, cell->value));
    isle_port_close(isle_default_port()); /* what a neighbour still tells is dropped */
}

static void cell_meet(struct cell *cell, isle_value ports)
{
    for (; cell->neighbour_count < isle_count(ports); cell->neighbour_count++)
        cell->neighbours[cell->neighbour_count] =
            isle_as_port(isle_list_get(ports, cell->neighbour_count));
    if (cell->white)
        cell_tell(cell);
}

/* A neighbour's value or, once, the list of the neighbours' ports. The first values may come before
 * the list; no neighbour tells its second before it has heard of this cell. */
static void cell_take(isle_value message, void *context)
{
    struct cell *cell = context;
    double value;
    if (isle_get_double(message, &value)) {
        cell->sum += value;
        cell->heard++;
    } else {
        cell_meet(cell, message);
    }
    if (cell->neighbour_count == 0 || cell->heard < cell->neighbour_count)
        return;
    cell->value = relax(cell->value, cell->sum);
    cell->sum = 0;
    cell->heard = 0;
    cell_tell(cell);
}

static void cell_main(isle_value message)
{
    struct cell *cell = isle_new(struct cell);
    *cell = *(const struct cell *)isle_as_object(message, &cell_type);
    isle_port_listen(isle_default_port(), cell_take, cell);
}

static int64_t grid_size(void)
{
    return savina_size(DEFAULT_SIZE, 2);
}

static bool is_white(int64_t index, int64_t size)
{
    return (index / size + index % size) % 2 == 0;
}

/* The cells beside one of a grid; returns how many. */
static size_t find_neighbours(int64_t index, int64_t size, int64_t *ret_neighbours)
{
    size_t count = 0;
    if (index % size > 0)
        ret_neighbours[count++] = index - 1;
    if (index % size < size - 1)
        ret_neighbours[count++] = index + 1;
    if (index / size > 0)
        ret_neighbours[count++] = index - size;
    if (index / size < size - 1)
        ret_neighbours[count++] = index + size;
    return count;
}

/* `bits` random bits, as java.util.Random is specified to make them. */
static uint64_t java_next(uint64_t *state, int bits)
{
    *state = (*state * 0x5deece66d + 0xb) & ((UINT64_C(1) << 48) - 1);
    return *state >> (48 - bits);
}

/* The grid that all begins with, below 0.000001. */
static isle_value first_values(int64_t size)
{
    isle_value array = isle_array(ISLE_F64, NULL, (size_t)(size * size));
    double *values = isle_bytes_data(array);
    uint64_t state = SEED ^ 0x5deece66d;
    for (int64_t i = 0; i < size * size; i++) {
        uint64_t high = java_next(&state, 26) << 27;
        values[i] = (double)(high + java_next(&state, 27)) / (double)(UINT64_C(1) << 53) * 1e-6;
    }
    return array;
}

static isle_value run(void)
{
    int64_t size = grid_size(), count = size * size;
    isle_receive_port *results = isle_port_open();
    isle_value grid = first_values(size);
    double *values = isle_bytes_data(grid);

    isle_send_port *cells = isle_alloc((size_t)count * sizeof(*cells));
    struct cell cell = {.results = isle_port_send_port(results)};
    for (cell.index = 0; cell.index < count; cell.index++) {
        cell.value = values[cell.index];
        cell.white = is_white(cell.index, size);
        isle_value start = isle_object(&cell_type, &cell);
        cells[cell.index] = isle_spawn(cell_main, start, NULL).default_port;
    }
    for (int64_t i = 0; i < count; i++) {
        int64_t neighbours[NEIGHBOURS_MAX];
        isle_value ports = isle_list();
        for (size_t n = find_neighbours(i, size, neighbours); n-- > 0;)
            isle_list_add(ports, isle_port(cells[neighbours[n]]));
        isle_send(cells[i], ports);
    }
    for (int64_t i = 0; i < count; i++) {
        int64_t index;
        double value;
        isle_unpack(isle_port_receive(results), "[i,f]", &index, &value);
        values[index] = value;
    }
    isle_port_close(results);
    return grid;
}

/* Every second cell, of one colour, takes a new value. */
static void relax_all(double *values, int64_t size, bool white)
{
    for (int64_t i = 0; i < size * size; i++) {
        int64_t neighbours[NEIGHBOURS_MAX];
        double sum = 0;
        for (size_t n = find_neighbours(i, size, neighbours); n-- > 0;)
            sum += values[neighbours[n]];
        if (is_white(i, size) == white)
            values[i] = relax(values[i], sum);
    }
}

static int64_t verify(isle_value outcome)
{
    int64_t size = grid_size();
    double *expected = isle_bytes_data(first_values(size)), total = 0;
    const double *values = isle_as_array(outcome, ISLE_F64, NULL);
    for (int i = 1; i <= ITERATIONS; i++) {
        relax_all(expected, size, false);
        if (i < ITERATIONS) /* what white cells told first was no new value */
            relax_all(expected, size, true);
    }
    for (int64_t i = 0; i < size * size; i++) {
        savina_expect(fabs(values[i] - expected[i]) <= 1e-12 * fabs(expected[i]),
                      "cell %" PRId64 " is %g, not %g", i, values[i], expected[i]);
        total += values[i];
    }
    savina_expect(size != DEFAULT_SIZE || fabs(total / DEFAULT_TOTAL - 1) < 1e-12,
                  "the total is %.16g", total);
    return ITERATIONS * 4 * size * (size - 1);
}

SAVINA_PROGRAM(.name = "sor", .run = run, .verify = verify);
