/* SPDX-License-Identifier: Apache-2.0 */
/* Savina 20, Unbalanced Cobwebbed Tree: a tree of up to 200,000 actors that grows by chance and is
 * then walked. A new node works a little and asks the root whether it may have children; half of
 * the nodes get ten, as long as there is room, and with half of these families one child is urgent.
 * When all have asked, the tree is walked from above: a node does its work, some 500 steps, sends
 * the urgent child on its way first and then the others, and ends when it has reported what its
 * part of the tree has done. Operation: a node.
 *
 * Nothing is shared in the original. Its unit of work is an empty loop, which compilers remove;
 * ours is a step of a random generator. Its systems that have priorities use one for urgent nodes;
 * Isle has none for messages. Requests meet the root in any order, but the n-th request gets the
 * n-th answer, so the tree has as many nodes every time.
 *
 * Checked against all nodes' work, done again without actors. */
#include "savina.h"

enum { CHILDREN = 10, WORK_AVERAGE = 500, WORK_DEVIATION = 100, URGENT_PERCENT = 50 };
enum { GROW_ROUNDS = 100, SEED = 2 };

/* What the work of a part of the tree has come to. */
struct report {
    int64_t nodes, urgent_nodes;
    int64_t height; /* of the lowest node */
    uint64_t sum;   /* of what each node's work gave */
};
ISLE_TYPE(report_type, struct report, ISLE_FIELD(struct report, nodes),
          ISLE_FIELD(struct report, urgent_nodes), ISLE_FIELD(struct report, height),
          ISLE_FIELD(struct report, sum));

/* The permission to have children. */
struct grant {
    int64_t first_id; /* of CHILDREN */
    int64_t rounds;   /* of each child's work */
    int64_t urgent;   /* which of them, or -1 */
};
ISLE_TYPE(grant_type, struct grant, ISLE_FIELD(struct grant, first_id),
          ISLE_FIELD(struct grant, rounds), ISLE_FIELD(struct grant, urgent));

struct node {
    isle_send_port root, parent;
    int64_t id, height;
    int64_t rounds;
    bool urgent;
    /* Its family, none at first. */
    isle_send_port children[CHILDREN];
    int64_t child_count, urgent_child;
    int64_t reported; /* children */
    struct report report;
};
ISLE_TYPE(node_type, struct node, ISLE_FIELD(struct node, root), ISLE_FIELD(struct node, parent),
          ISLE_FIELD(struct node, id), ISLE_FIELD(struct node, height),
          ISLE_FIELD(struct node, rounds), ISLE_FIELD(struct node, urgent));

/* A node's question to the root. */
struct request {
    isle_send_port node;
    int64_t height;
};
ISLE_TYPE(request_type, struct request, ISLE_FIELD(struct request, node),
          ISLE_FIELD(struct request, height));

static void node_main(isle_value message);

/* Spawns the children of a node, or of the root. */
static void spawn_children(isle_send_port *children, struct node child, const struct grant *grant)
{
    for (int64_t i = 0; i < CHILDREN; i++) {
        child.id = grant->first_id + i;
        child.rounds = grant->rounds;
        child.urgent = i == grant->urgent;
        isle_value start = isle_object(&node_type, &child);
        children[i] = isle_spawn(node_main, start, NULL).default_port;
    }
}

/* Sends the walk to all children, the urgent one first. */
static void walk_children(const isle_send_port *children, int64_t count, int64_t urgent)
{
    if (count > 0 && urgent >= 0)
        isle_send(children[urgent], isle_null());
    for (int64_t i = 0; i < count; i++)
        if (i != urgent)
            isle_send(children[i], isle_null());
}

static void report_add(struct report *report, const struct report *part)
{
    report->nodes += part->nodes;
    report->urgent_nodes += part->urgent_nodes;
    report->height = part->height > report->height ? part->height : report->height;
    report->sum += part->sum;
}

static void node_end(struct node *node)
{
    isle_send_object(node->parent, &report_type, &node->report);
    isle_port_close(isle_default_port());
}

/* While the walk is below: a child's report. */
static void node_gather(isle_value message, void *context)
{
    struct node *node = context;
    report_add(&node->report, isle_as_object(message, &report_type));
    if (++node->reported == node->child_count)
        node_end(node);
}

static void node_walk(struct node *node)
{
    node->report.nodes = 1;
    node->report.urgent_nodes = node->urgent;
    node->report.height = node->height;
    node->report.sum += savina_work((uint64_t)node->id, node->rounds);
    walk_children(node->children, node->child_count, node->urgent_child);
    if (node->child_count == 0)
        node_end(node);
    else
        isle_port_listen(isle_default_port(), node_gather, node);
}

/* While the tree grows: a grant, or null, when the walk is here. */
static void node_grow(isle_value message, void *context)
{
    struct node *node = context;
    if (isle_is_null(message)) {
        node_walk(node);
        return;
    }
    const struct grant *grant = isle_as_object(message, &grant_type);
    isle_send_port self = isle_port_send_port(isle_default_port());
    struct node child = {.root = node->root, .parent = self, .height = node->height + 1};
    spawn_children(node->children, child, grant);
    node->child_count = CHILDREN;
    node->urgent_child = grant->urgent;
}

static void node_main(isle_value message)
{
    struct node *node = isle_new(struct node);
    *node = *(const struct node *)isle_as_object(message, &node_type);
    isle_port_listen(isle_default_port(), node_grow, node);
    node->report.sum = savina_work((uint64_t)node->id, GROW_ROUNDS);
    struct request request = {isle_port_send_port(isle_default_port()), node->height};
    isle_send_object(node->root, &request_type, &request);
}

/* The root's view of the tree. Its families are numbered in the order of their grants, so the
 * family of node id is (id - 1) / CHILDREN; the root is node 0. */
struct tree {
    savina_random random;
    int64_t size, size_max;
    int64_t asked; /* nodes that have */
    int64_t height, urgent_nodes;
    int64_t *rounds; /* by family */
};

static int64_t normal(savina_random *random, int64_t average, int64_t deviation)
{
    double sum = -6; /* of twelve numbers between 0 and 1: about normal, of variance 1 */
    for (int i = 0; i < 12; i++)
        sum += savina_random_unit(random);
    int64_t result = average + (int64_t)(sum * (double)deviation);
    return result > 0 ? result : 1;
}

/* Makes room for a family whose nodes are at this height. */
static struct grant tree_grow(struct tree *tree, int64_t height, bool urgent)
{
    struct grant grant = {tree->size, normal(&tree->random, WORK_AVERAGE, WORK_DEVIATION), -1};
    if (urgent)
        grant.urgent = savina_random_below(&tree->random, CHILDREN);
    tree->urgent_nodes += urgent;
    tree->rounds[(tree->size - 1) / CHILDREN] = grant.rounds;
    tree->size += CHILDREN;
    tree->height = height > tree->height ? height : tree->height;
    return grant;
}

static void tree_answer(struct tree *tree, const struct request *request)
{
    tree->asked++;
    if (tree->size + CHILDREN > tree->size_max || savina_random_below(&tree->random, 2) == 0)
        return;
    bool urgent = savina_random_below(&tree->random, 100) < URGENT_PERCENT;
    struct grant grant = tree_grow(tree, request->height + 1, urgent);
    isle_send_object(request->node, &grant_type, &grant);
}

static int64_t size_max(void)
{
    return savina_size(200000, 1 + CHILDREN);
}

static isle_value run(void)
{
    isle_receive_port *requests = isle_port_open(), *reports = isle_port_open();
    isle_value rounds = isle_array(ISLE_I64, NULL, (size_t)(size_max() / CHILDREN));
    struct tree tree = {
        {SEED}, .size = 1, .size_max = size_max(), .rounds = isle_bytes_data(rounds)};

    isle_send_port children[CHILDREN];
    struct node child = {isle_port_send_port(requests), isle_port_send_port(reports), .height = 2};
    struct grant first = tree_grow(&tree, child.height, false);
    spawn_children(children, child, &first);
    while (tree.asked < tree.size - 1) {
        ISLE_SCOPE;
        tree_answer(&tree, isle_as_object(isle_port_receive(requests), &request_type));
    }
    struct report report = {.nodes = 1};
    walk_children(children, CHILDREN, -1);
    for (int i = 0; i < CHILDREN; i++)
        report_add(&report, isle_as_object(isle_port_receive(reports), &report_type));
    isle_port_close(requests);
    isle_port_close(reports);

    savina_expect(report.nodes == tree.size, "%" PRId64 " nodes of %" PRId64 " were walked",
                  report.nodes, tree.size);
    savina_expect(report.urgent_nodes == tree.urgent_nodes,
                  "%" PRId64 " of %" PRId64 " urgent ones", report.urgent_nodes, tree.urgent_nodes);
    savina_expect(report.height == tree.height, "the height is %" PRId64 ", not %" PRId64,
                  report.height, tree.height);
    return isle_pack("[i,i,o]", report.nodes, (int64_t)report.sum, rounds);
}

static int64_t verify(isle_value outcome)
{
    int64_t nodes, sum;
    uint64_t expected = 0;
    isle_value families;
    isle_unpack(outcome, "[i,i,o]", &nodes, &sum, &families);
    const int64_t *rounds = isle_as_array(families, ISLE_I64, NULL);
    for (int64_t id = 1; id < nodes; id++) {
        expected += savina_work((uint64_t)id, GROW_ROUNDS);
        expected += savina_work((uint64_t)id, rounds[(id - 1) / CHILDREN]);
    }
    savina_expect(nodes > size_max() - CHILDREN, "the tree died at %" PRId64 " nodes", nodes);
    savina_expect(sum == (int64_t)expected, "the nodes' work gave another sum");
    return nodes;
}

SAVINA_PROGRAM(.name = "uct", .run = run, .verify = verify);
