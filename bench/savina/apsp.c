/* SPDX-License-Identifier: Apache-2.0 */
/* Savina 26, All-Pairs Shortest Path: Floyd and Warshall's algorithm on a complete graph of 300
 * nodes with weights to 100, whose matrix of distances lies in 36 actors, a block of 50 x 50 each.
 * In phase k every block is shown those in its row and its column of blocks, and is improved by
 * paths through node k. Operation: a block that one actor shows another; there are 108,000.
 *
 * The original sends a reference to an array that nobody changes any more. Here that is said: a
 * block is frozen once a phase and shared by all who see it. A neighbour can be a phase ahead, so a
 * block takes the messages of its own phase first.
 *
 * Checked against the same algorithm over one matrix. */
#include "savina.h"

#include <string.h>

enum { BLOCK = 50, WEIGHT_MAX = 100 };

struct block {
    int64_t row, column; /* of its first element */
    int64_t nodes;
    isle_send_port results;
    isle_value elements; /* I64, BLOCK x BLOCK */
};
ISLE_TYPE(block_type, struct block, ISLE_FIELD(struct block, row), ISLE_FIELD(struct block, column),
          ISLE_FIELD(struct block, nodes), ISLE_FIELD(struct block, results),
          ISLE_FIELD(struct block, elements));

/* A block as its neighbours see it in a phase. */
struct view {
    int64_t phase;
    int64_t row, column;
    isle_value elements; /* frozen */
};
ISLE_TYPE(view_type, struct view, ISLE_FIELD(struct view, phase), ISLE_FIELD(struct view, row),
          ISLE_FIELD(struct view, column), ISLE_FIELD(struct view, elements));

/* What a block has of a phase: distances to node k from each of its rows, and from node k to each
 * of its columns. */
struct phase {
    int64_t to[BLOCK], from[BLOCK];
};

static void phase_look(struct phase *phase, const struct block *block, const struct view *view)
{
    int64_t k = view->phase;
    const int64_t *elements = isle_as_array(view->elements, ISLE_I64, NULL);
    if (view->row <= k && k < view->row + BLOCK && view->column == block->column)
        memcpy(phase->from, elements + (k - view->row) * BLOCK, sizeof(phase->from));
    if (view->column <= k && k < view->column + BLOCK && view->row == block->row)
        for (int64_t i = 0; i < BLOCK; i++)
            phase->to[i] = elements[i * BLOCK + k - view->column];
}

static void block_improve(int64_t *elements, const struct phase *phase)
{
    for (int64_t i = 0; i < BLOCK; i++)
        for (int64_t j = 0; j < BLOCK; j++) {
            int64_t *old = &elements[i * BLOCK + j], new = phase->to[i] + phase->from[j];
            *old = new < *old ? new : *old;
        }
}

static bool is_of_phase(isle_value message, void *context)
{
    const int64_t *phase = context;
    const struct view *view = isle_as_object(message, &view_type);
    return view->phase == *phase;
}

static bool is_list(isle_value message, void *context)
{
    (void)context;
    return isle_kind_of(message) == ISLE_LIST;
}

static size_t block_neighbour_count(const struct block *block)
{
    return (size_t)(block->nodes / BLOCK - 1) * 2;
}

/* From the list of all blocks' ports, by rows, those in this block's row and column but its own. */
static isle_send_port *block_find_neighbours(const struct block *block, isle_value all)
{
    int64_t side = block->nodes / BLOCK, row = block->row / BLOCK, column = block->column / BLOCK;
    isle_send_port *neighbours = isle_alloc(block_neighbour_count(block) * sizeof(*neighbours));
    size_t count = 0;
    for (int64_t i = 0; i < side * side; i++)
        if ((i / side == row) != (i % side == column))
            neighbours[count++] = isle_as_port(isle_list_get(all, (size_t)i));
    return neighbours;
}

static void block_main(isle_value message)
{
    struct block *block = isle_as_object(message, &block_type);
    isle_receive_port *port = isle_default_port();
    isle_value all = isle_port_receive_if(port, is_list, NULL);
    isle_send_port *neighbours = block_find_neighbours(block, all);
    size_t count = block_neighbour_count(block);

    for (int64_t k = 0; k < block->nodes; k++) {
        ISLE_SCOPE;
        struct phase phase = {0};
        struct view own = {k, block->row, block->column, isle_freeze(block->elements)};
        for (size_t i = 0; i < count; i++)
            isle_send_object(neighbours[i], &view_type, &own);
        phase_look(&phase, block, &own);
        for (size_t i = 0; i < count; i++) {
            isle_value view = isle_port_receive_if(port, is_of_phase, &k);
            phase_look(&phase, block, isle_as_object(view, &view_type));
        }
        block_improve(isle_bytes_data(block->elements), &phase);
    }
    isle_exit(block->results, message);
}

static int64_t node_count(void)
{
    return savina_size(300, 2 * BLOCK) / BLOCK * BLOCK;
}

/* All weights, by rows, as an I64 array. */
static isle_value graph(int64_t nodes)
{
    isle_value array = isle_array(ISLE_I64, NULL, (size_t)(nodes * nodes));
    int64_t *weights = isle_bytes_data(array);
    savina_random random = {SAVINA_SEED};
    for (int64_t i = 0; i < nodes * nodes; i++)
        weights[i] = i % (nodes + 1) == 0 ? 0 : 1 + savina_random_below(&random, WEIGHT_MAX);
    return array;
}

/* Copies block (row, column) out of the matrix, or into it. */
static void block_copy(struct block *block, int64_t *matrix, bool out)
{
    int64_t *elements = isle_bytes_data(block->elements);
    for (int64_t i = 0; i < BLOCK; i++) {
        int64_t *line = matrix + (block->row + i) * block->nodes + block->column;
        memcpy(out ? elements + i * BLOCK : line, out ? line : elements + i * BLOCK,
               BLOCK * sizeof(*line));
    }
}

static isle_value run(void)
{
    int64_t nodes = node_count();
    isle_value matrix = graph(nodes), ports = isle_list();
    int64_t *distances = isle_bytes_data(matrix);
    isle_receive_port *results = isle_port_open();
    struct block block = {.nodes = nodes, .results = isle_port_send_port(results)};
    block.elements = isle_array(ISLE_I64, NULL, BLOCK * BLOCK);
    for (block.row = 0; block.row < nodes; block.row += BLOCK)
        for (block.column = 0; block.column < nodes; block.column += BLOCK) {
            block_copy(&block, distances, true);
            isle_value start = isle_object(&block_type, &block);
            isle_list_add(ports, isle_port(isle_spawn(block_main, start, NULL).default_port));
        }
    for (size_t i = 0; i < isle_count(ports); i++)
        isle_send(isle_as_port(isle_list_get(ports, i)), ports);
    for (size_t i = 0; i < isle_count(ports); i++) {
        ISLE_SCOPE;
        block_copy(isle_as_object(isle_port_receive(results), &block_type), distances, false);
    }
    isle_port_close(results);
    return matrix;
}

static int64_t verify(isle_value outcome)
{
    int64_t n = node_count(), side = n / BLOCK;
    const int64_t *distances = isle_as_array(outcome, ISLE_I64, NULL);
    int64_t *expected = isle_bytes_data(graph(n));
    for (int64_t k = 0; k < n; k++)
        for (int64_t i = 0; i < n; i++)
            for (int64_t j = 0; j < n; j++)
                if (expected[i * n + k] + expected[k * n + j] < expected[i * n + j])
                    expected[i * n + j] = expected[i * n + k] + expected[k * n + j];
    for (int64_t i = 0; i < n * n; i++)
        savina_expect(distances[i] == expected[i], "from %" PRId64 " to %" PRId64 ": %" PRId64,
                      i / n, i % n, distances[i]);
    return n * side * side * 2 * (side - 1);
}

SAVINA_PROGRAM(.name = "apsp", .run = run, .verify = verify);
