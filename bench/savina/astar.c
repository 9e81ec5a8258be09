/* SPDX-License-Identifier: Apache-2.0 */
/* Savina 28, A*: a shortest way through a random graph on a grid of 30 x 30 x 30 nodes, from a
 * corner to a node at four fifths of each side, by a master and 20 workers. From a node, edges lead
 * to some of the six that are further in one coordinate or in two. Operation: a node expanded.
 *
 * The original's workers share the nodes and claim them by atomic operations; the first way found
 * is the result. Here the graph is frozen and shared; distances and parents belong to the master.
 * It keeps the open nodes by how long a way through them is at least, and gives the most promising
 * ones, up to 1,024 at once, to workers that wait; these report the edges found. It is over when no
 * open node can lead to a shorter way. So the original's priorities are the order in which nodes
 * are handed out, and the result is the shortest way. The suite's busy work a node, 100 random
 * numbers, is done.
 *
 * Checked against a search in breadth: the way is as long, and made of edges. */
#include "savina.h"

enum { WORKERS = 20, THRESHOLD = 1024, DIRECTIONS = 8, WORK_ROUNDS = 100, SEED = 123456 };

/* Bit d of a node's byte tells whether an edge leads from it in direction d, whose bits tell which
 * coordinates grow. At the grid's sides a coordinate stays as it is. */
struct graph {
    int64_t side;
    const uint8_t *edges; /* side³ of them */
};

struct place {
    int64_t at[3];
};

static struct place place_of(int64_t side, uint32_t node)
{
    return (struct place){{node % side, node / side % side, node / side / side}};
}

static uint32_t node_at(int64_t side, struct place place)
{
    return (uint32_t)(place.at[0] + side * (place.at[1] + side * place.at[2]));
}

/* Where the edges of a node lead; returns how many. */
static int64_t find_neighbours(const struct graph *graph, uint32_t node, uint32_t *ret_neighbours)
{
    int64_t count = 0;
    for (int direction = 0; direction < DIRECTIONS; direction++) {
        if ((graph->edges[node] >> direction & 1) == 0)
            continue;
        struct place place = place_of(graph->side, node);
        for (int axis = 0; axis < 3; axis++)
            place.at[axis] += (direction >> axis & 1) && place.at[axis] < graph->side - 1;
        ret_neighbours[count++] = node_at(graph->side, place);
    }
    return count;
}

/* Nodes to expand. */
struct task {
    uint32_t *nodes;
    int64_t count;
};
ISLE_TYPE(task_type, struct task, ISLE_FIELD_ARRAY(struct task, nodes, count),
          ISLE_FIELD(struct task, count));

/* What has been found there: edge i leads from from[i] to to[i]. */
struct report {
    int64_t worker;
    uint32_t *from, *to;
    int64_t count;
};
ISLE_TYPE(report_type, struct report, ISLE_FIELD(struct report, worker),
          ISLE_FIELD_ARRAY(struct report, from, count), ISLE_FIELD_ARRAY(struct report, to, count),
          ISLE_FIELD(struct report, count));

struct worker {
    isle_send_port master;
    struct graph graph; /* the edges are those of frozen bytes, kept */
    struct report report;
    uint64_t work; /* what the busy work has come to, so that it is done */
};

/* Expands nodes; null is the end. */
static void worker_take(isle_value message, void *context)
{
    struct worker *worker = context;
    struct report *report = &worker->report;
    if (isle_is_null(message)) {
        isle_port_close(isle_default_port());
        return;
    }
    const struct task *task = isle_as_object(message, &task_type);
    report->count = 0;
    for (int64_t i = 0; i < task->count; i++) {
        worker->work += savina_work(task->nodes[i], WORK_ROUNDS);
        int64_t before = report->count;
        report->count += find_neighbours(&worker->graph, task->nodes[i], report->to + before);
        for (int64_t edge = before; edge < report->count; edge++)
            report->from[edge] = task->nodes[i];
    }
    isle_send_object(worker->master, &report_type, report);
}

static void worker_main(isle_value message)
{
    struct worker *worker = isle_new(struct worker);
    isle_value edges;
    isle_unpack(message, "[p,i,i,o]", &worker->master, &worker->report.worker, &worker->graph.side,
                &edges);
    worker->graph.edges = isle_as_bytes(isle_keep(edges), NULL);
    worker->report.from = isle_alloc(THRESHOLD * DIRECTIONS * sizeof(uint32_t));
    worker->report.to = isle_alloc(THRESHOLD * DIRECTIONS * sizeof(uint32_t));
    isle_port_listen(isle_default_port(), worker_take, worker);
}

/* Open nodes by which a way is at least so long. */
struct bucket {
    uint32_t *nodes;
    size_t count, capacity;
};

static void bucket_push(struct bucket *bucket, uint32_t node)
{
    if (bucket->count == bucket->capacity) {
        bucket->capacity = bucket->capacity == 0 ? 64 : 2 * bucket->capacity;
        bucket->nodes = isle_realloc(bucket->nodes, bucket->capacity * sizeof(*bucket->nodes));
    }
    bucket->nodes[bucket->count++] = node;
}

struct master {
    int64_t side;
    uint32_t target;
    uint32_t *parents;
    int64_t *distances;     /* the shortest known from node 0; `bucket_count` before any is */
    struct bucket *buckets; /* by the length of a way, which is below bucket_count */
    int64_t bucket_count;
    isle_send_port workers[WORKERS];
    int64_t idle[WORKERS], idle_count;
    int64_t expanded;
};

/* The number of steps from a node to the target, at least: a step adds 1 to two coordinates at
 * most. */
static int64_t estimate(const struct master *master, uint32_t node)
{
    struct place from = place_of(master->side, node), to = place_of(master->side, master->target);
    int64_t sum = 0, most = 0;
    for (int axis = 0; axis < 3; axis++) {
        int64_t rest = to.at[axis] - from.at[axis];
        sum += rest > 0 ? rest : 0;
        most = rest > most ? rest : most;
    }
    return (sum + 1) / 2 > most ? (sum + 1) / 2 : most;
}

static void master_open(struct master *master, uint32_t node, int64_t distance)
{
    master->distances[node] = distance;
    bucket_push(&master->buckets[distance + estimate(master, node)], node);
}

/* Takes up to `max` nodes out of a bucket; those that have been moved to a better one are left out.
 */
static int64_t master_pick(struct master *master, int64_t length, uint32_t *ret_nodes, int64_t max)
{
    struct bucket *bucket = &master->buckets[length];
    int64_t count = 0;
    while (count < max && bucket->count > 0) {
        uint32_t node = bucket->nodes[--bucket->count];
        if (master->distances[node] + estimate(master, node) == length)
            ret_nodes[count++] = node;
    }
    return count;
}

/* Gives the most promising nodes, all of one bucket, to a worker that waits. False if there are
 * none by which a shorter way than the known one might lead. */
static bool master_hand_out(struct master *master)
{
    uint32_t nodes[THRESHOLD];
    for (int64_t length = 0; length < master->distances[master->target]; length++) {
        int64_t share = (int64_t)master->buckets[length].count / master->idle_count + 1;
        struct task task = {nodes, 0};
        task.count = master_pick(master, length, nodes, share < THRESHOLD ? share : THRESHOLD);
        if (task.count == 0)
            continue;
        master->expanded += task.count;
        isle_send_port worker = master->workers[master->idle[--master->idle_count]];
        isle_send_object(worker, &task_type, &task);
        return true;
    }
    return false;
}

static void master_take(struct master *master, const struct report *report)
{
    master->idle[master->idle_count++] = report->worker;
    for (int64_t i = 0; i < report->count; i++) {
        int64_t distance = master->distances[report->from[i]] + 1;
        if (distance >= master->distances[report->to[i]])
            continue;
        master->parents[report->to[i]] = report->from[i];
        master_open(master, report->to[i], distance);
    }
}

static int64_t grid_side(void)
{
    return savina_size(30, 5);
}

static uint32_t target_node(int64_t side)
{
    int64_t at = side * 4 / 5;
    return node_at(side, (struct place){{at, at, at}});
}

/* Frozen bytes: each node has its edges by chance, and one at least. */
static isle_value random_edges(int64_t side)
{
    int64_t count = side * side * side;
    isle_value bytes = isle_bytes(NULL, (size_t)count);
    uint8_t *edges = isle_bytes_data(bytes);
    savina_random random = {SEED};
    for (int64_t i = 0; i < count; i++) {
        unsigned chosen = (unsigned)savina_random_below(&random, 1 << (DIRECTIONS - 2)) << 1;
        edges[i] = (uint8_t)(chosen != 0 ? chosen : 1u << (DIRECTIONS - 2));
    }
    return isle_freeze(bytes);
}

static void master_init(struct master *master, int64_t side)
{
    size_t count = (size_t)(side * side * side);
    master->side = side;
    master->target = target_node(side);
    master->parents = isle_alloc(count * sizeof(*master->parents));
    master->distances = isle_alloc(count * sizeof(*master->distances));
    master->bucket_count = 6 * side; /* a step adds 1 or 2 to a sum of three coordinates */
    master->buckets = isle_alloc((size_t)master->bucket_count * sizeof(*master->buckets));
    for (size_t i = 0; i < count; i++)
        master->distances[i] = master->bucket_count;
}

/* The way from the target back to node 0, as U32; none is empty. */
static isle_value master_way(const struct master *master)
{
    uint32_t node = master->target;
    size_t count = 0;
    uint32_t *way = isle_alloc((size_t)(master->bucket_count + 1) * sizeof(*way));
    if (master->distances[node] < master->bucket_count) {
        for (; node != 0; node = master->parents[node])
            way[count++] = node;
        way[count++] = 0;
    }
    return isle_array(ISLE_U32, way, count);
}

/* [how many nodes were expanded, the way] */
static isle_value run(void)
{
    struct master master = {0};
    int64_t side = grid_side();
    isle_receive_port *reports = isle_port_open();
    isle_value edges = random_edges(side);
    master_init(&master, side);
    for (int64_t i = 0; i < WORKERS; i++) {
        isle_value start = isle_pack("[p,i,i,o]", isle_port_send_port(reports), i, side, edges);
        master.workers[i] = isle_spawn(worker_main, start, NULL).default_port;
        master.idle[master.idle_count++] = i;
    }

    master_open(&master, 0, 0);
    for (;;) {
        ISLE_SCOPE;
        while (master.idle_count > 0 && master_hand_out(&master))
            continue;
        if (master.idle_count == WORKERS)
            break;
        master_take(&master, isle_as_object(isle_port_receive(reports), &report_type));
    }
    for (int i = 0; i < WORKERS; i++)
        isle_send(master.workers[i], isle_null());
    isle_port_close(reports);
    return isle_pack("[i,o]", master.expanded, master_way(&master));
}

/* The distances from node 0 by breadth, -1 where no way leads. */
static int64_t *search_in_breadth(const struct graph *graph)
{
    size_t count = (size_t)(graph->side * graph->side * graph->side), tail = 1;
    int64_t *distances = isle_alloc(count * sizeof(*distances));
    uint32_t *queue = isle_alloc(count * sizeof(*queue)), neighbours[DIRECTIONS];
    for (size_t i = 1; i < count; i++)
        distances[i] = -1;
    for (size_t head = 0; head < tail; head++) {
        for (int64_t n = find_neighbours(graph, queue[head], neighbours); n-- > 0;)
            if (distances[neighbours[n]] < 0) {
                distances[neighbours[n]] = distances[queue[head]] + 1;
                queue[tail++] = neighbours[n];
            }
    }
    return distances;
}

static bool has_edge(const struct graph *graph, uint32_t from, uint32_t to)
{
    uint32_t neighbours[DIRECTIONS];
    for (int64_t n = find_neighbours(graph, from, neighbours); n-- > 0;)
        if (neighbours[n] == to)
            return true;
    return false;
}

static int64_t verify(isle_value outcome)
{
    int64_t expanded;
    isle_value value;
    isle_unpack(outcome, "[i,o]", &expanded, &value);
    struct graph graph = {grid_side(), isle_as_bytes(random_edges(grid_side()), NULL)};
    size_t count;
    const uint32_t *way = isle_as_array(value, ISLE_U32, &count);
    int64_t steps = (int64_t)count - 1;
    int64_t expected = search_in_breadth(&graph)[target_node(graph.side)];
    savina_expect(steps == expected, "%" PRId64 " steps instead of %" PRId64, steps, expected);
    savina_expect(count == 0 || way[0] == target_node(graph.side), "the way leads elsewhere");
    for (size_t i = 1; i < count; i++)
        savina_expect(has_edge(&graph, way[i], way[i - 1]), "no edge leads from %" PRIu32, way[i]);
    savina_expect(count == 0 || way[count - 1] == 0, "the way begins elsewhere");
    return expanded;
}

SAVINA_PROGRAM(.name = "astar", .run = run, .verify = verify);
