/* SPDX-License-Identifier: Apache-2.0 */
/* A tree of 11,111 nodes, one way, with an acknowledgement: 10,000 leaves under 1,000, 100, 10 and
 * 1; a node has an int, a short string and its children. As structs, as maps and lists, with one
 * part that is reached ten times, and with links to the parents.
 *
 * The warm-up's trees are walked whole by the receiver; those that are timed are looked at in their
 * root, since reading is no part of sending. */
#include "bench.h"

enum { LEVELS = 5, FAN_OUT = 10, NODES = 11111, WARM = 5 };
enum { SHARED = 1, PARENTS = 2 }; /* what a tree of maps has besides */

struct node {
    int64_t id;
    char *name;
    struct node *children;
    size_t child_count;
};
extern const isle_type node_type;
ISLE_TYPE(node_type, struct node, ISLE_FIELD(struct node, id), ISLE_FIELD(struct node, name),
          ISLE_FIELD_STRUCTS(struct node, children, child_count, &node_type));

static void node_fill(struct node *node, int level, int64_t *next_id)
{
    node->id = (*next_id)++;
    node->name = isle_alloc(16);
    snprintf(node->name, 16, "node %" PRId64, node->id);
    if (level == 1)
        return;
    node->child_count = FAN_OUT;
    node->children = isle_alloc(FAN_OUT * sizeof *node->children);
    for (size_t i = 0; i < FAN_OUT; i++)
        node_fill(&node->children[i], level - 1, next_id);
}

static int64_t node_sum(const struct node *node)
{
    char name[32];
    snprintf(name, sizeof name, "node %" PRId64, node->id);
    bench_require(strcmp(name, node->name) == 0, "name of a node");
    int64_t sum = node->id;
    for (size_t i = 0; i < node->child_count; i++)
        sum += node_sum(&node->children[i]);
    return sum;
}

static isle_value map_tree(int level, isle_value parent, int options, int64_t *next_id)
{
    isle_value map = isle_map(), children = isle_list();
    int64_t id = (*next_id)++;
    isle_put(map, "id", isle_int(id));
    isle_put(map, "name", isle_stringf("node %" PRId64, id));
    isle_put(map, "children", children);
    if (options & PARENTS)
        isle_put(map, "parent", parent);
    bool share = (options & SHARED) && level == LEVELS;
    for (int i = 0; i < FAN_OUT && level > 1; i++)
        isle_list_add(children, share && i > 0 ? isle_list_get(children, 0)
                                               : map_tree(level - 1, map, options, next_id));
    return map;
}

static int64_t map_sum(isle_value map, isle_value parent, int options)
{
    ISLE_SCOPE;
    char name[32];
    int64_t id = isle_as_int(isle_get(map, "id")), sum = id;
    snprintf(name, sizeof name, "node %" PRId64, id);
    bench_require(strcmp(name, isle_as_string(isle_get(map, "name"))) == 0, "name of a map");
    if (options & PARENTS)
        bench_require(isle_identical(isle_get(map, "parent"), parent), "parent of a map");
    isle_value children = isle_get(map, "children");
    size_t count = isle_count(children);
    for (size_t i = 0; i < count; i++)
        sum += map_sum(isle_list_get(children, i), map, options);
    return sum;
}

struct tree_run {
    isle_receive_port *port;
    isle_send_port peer;
    isle_value map; /* of the trees of maps */
    struct node typed;
    bool is_typed;
};

/* The receiver: sums of `walked` whole trees, then 1 for each that it has looked at. */
struct tree_order {
    isle_send_port reply_to;
    int64_t walked;
    int64_t options;
    bool is_typed;
};
ISLE_TYPE(tree_order_type, struct tree_order, ISLE_FIELD(struct tree_order, reply_to),
          ISLE_FIELD(struct tree_order, walked), ISLE_FIELD(struct tree_order, options),
          ISLE_FIELD(struct tree_order, is_typed));

static int64_t tree_look(const struct tree_order *order, isle_value tree, bool whole)
{
    if (!order->is_typed) {
        if (whole)
            return map_sum(tree, isle_null(), (int)order->options);
        return isle_count(isle_get(tree, "children")) == FAN_OUT;
    }
    const struct node *node = isle_as_object(tree, &node_type);
    return whole ? node_sum(node) : node->child_count == FAN_OUT;
}

static void tree_receive(isle_value message)
{
    const struct tree_order *order = isle_as_object(message, &tree_order_type);
    for (int64_t i = 0;; i++) {
        ISLE_SCOPE;
        isle_value tree = isle_port_receive(isle_default_port());
        if (isle_is_null(tree))
            return;
        isle_send(order->reply_to, isle_int(tree_look(order, tree, i < order->walked)));
    }
}

static int64_t tree_rounds(const struct tree_run *run, int64_t count)
{
    int64_t sum = 0;
    for (int64_t i = 0; i < count; i++) {
        ISLE_SCOPE;
        if (run->is_typed)
            isle_send_object(run->peer, &node_type, &run->typed);
        else
            isle_send(run->peer, run->map);
        sum += isle_as_int(isle_port_receive(run->port));
    }
    return sum;
}

static void tree_measure(struct tree_run *run, int64_t options, int64_t whole_sum)
{
    int64_t count = bench_scaled(500, 5);
    run->port = isle_port_open();
    struct tree_order order = {isle_port_send_port(run->port), WARM, options, run->is_typed};
    run->peer = isle_spawn(tree_receive, isle_object(&tree_order_type, &order), NULL).default_port;
    bench_require(tree_rounds(run, WARM) == WARM * whole_sum, "sum of whole trees");
    int64_t start = bench_now_ns();
    int64_t sum = tree_rounds(run, count);
    int64_t time = bench_now_ns() - start;
    bench_require(sum == count, "trees that came");
    bench_figure((double)time / (double)count);
    isle_send(run->peer, isle_null());
    isle_port_close(run->port);
}

static isle_value typed_drive(isle_value parameter)
{
    (void)parameter;
    struct tree_run run = {.is_typed = true};
    int64_t next_id = 0;
    node_fill(&run.typed, LEVELS, &next_id);
    bench_require(next_id == NODES, "nodes of the tree");
    tree_measure(&run, 0, (int64_t)NODES * (NODES - 1) / 2);
    return isle_null();
}

static isle_value maps_drive(isle_value parameter)
{
    struct tree_run run = {.is_typed = false};
    int options = (int)isle_as_int(parameter);
    int64_t next_id = 0;
    run.map = map_tree(LEVELS, isle_null(), options, &next_id);
    bench_require(next_id == (options & SHARED ? NODES / 10 + 1 : NODES), "maps of the tree");
    tree_measure(&run, options, map_sum(run.map, isle_null(), options));
    return isle_null();
}

const struct workload tree_workloads[] = {
    {"tree-typed", typed_drive, 0, true},
    {"tree-maps", maps_drive, 0, true},
    {"tree-shared", maps_drive, SHARED, true},
    {"tree-cycle", maps_drive, PARENTS, true},
    {NULL, NULL, 0, false},
};
