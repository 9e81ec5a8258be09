/* SPDX-License-Identifier: Apache-2.0 */
/* Links and monitors, under many seeds and with faults (seeds.h). Six isolates link, part, trap,
 * watch each other, and end in every way. What must hold: of each end every monitor is told exactly
 * once, with its reason, after all that was sent before, its name free by then; nobody is left that
 * was linked to one that failed, unless it traps and was told; and nobody ends as linked who never
 * was. */
#include "seeds.h"

enum { NODES = 6, STEPS = 40 };
enum order { LINK, PART, WATCH, TRAP, FAIL, RETURN, KILL, SAY, ORDERS };

static isle_isolate nodes[NODES];
static bool is_there[NODES], is_over[NODES], traps[NODES], may_end[NODES];
static isle_reason reasons[NODES];
static bool linked[NODES][NODES];      /* and nobody has parted since */
static bool ever_linked[NODES][NODES]; /* perhaps */
static bool parted[NODES][NODES];      /* the first from the second, ever */
static bool told_of_link[NODES][NODES];
static bool told_of_watch[NODES][NODES];
static bool watched[NODES][NODES]; /* monitor asked for, its asker alive */
static int64_t said[NODES], heard[NODES];
static isle_receive_port *at_root;
static const char *const names[NODES] = {"0", "1", "2", "3", "4", "5"};

static int64_t number_of(const isle_end *end)
{
    for (int i = 0; i < NODES; i++)
        if (is_there[i] && isle_send_port_equal(nodes[i].control_port, end->isolate.control_port))
            return i;
    fail("the end of a stranger: %s", end->debug_name);
}

/* --- a node */

static void told_link(isle_value message, void *context)
{
    isle_end end = isle_as_end(message);
    int64_t of = number_of(&end), self = (int64_t)(intptr_t)context;

    CHECK(ever_linked[self][of]);
    told_of_link[self][of] = true;
}

static void told_watch(isle_value message, void *context)
{
    isle_end end = isle_as_end(message);
    int64_t of = number_of(&end), self = (int64_t)(intptr_t)context;

    CHECK(!told_of_watch[self][of]);
    CHECK(isle_send_port_is_none(isle_name_lookup((isle_names){0}, names[of])) || faults.alloc > 0);
    told_of_watch[self][of] = true;
}

/* What the other parts is over when that is heard here, so where it ever parts nobody knows. */
static void link_to(int64_t self, int64_t other)
{
    ever_linked[self][other] = ever_linked[other][self] = true;
    isle_link(nodes[other]);
    if (!parted[other][self])
        linked[self][other] = linked[other][self] = self != other;
}

static void part_from(int64_t self, int64_t other)
{
    parted[self][other] = true;
    linked[self][other] = linked[other][self] = false;
    isle_unlink(nodes[other]);
    linked[self][other] = linked[other][self] = false;
}

struct node {
    int64_t self;
    isle_send_port root;
    isle_receive_port *links, *watches;
};

static void trap(struct node *node)
{
    isle_trap_links(isle_port_send_port(node->links));
    traps[node->self] = true;
}

static void watch(struct node *node, int64_t other)
{
    if (watched[node->self][other] || other == node->self)
        return;
    isle_monitor(nodes[other], isle_port_send_port(node->watches));
    watched[node->self][other] = true;
}

static void say(struct node *node)
{
    isle_send(node->root, isle_pack("[i,i]", node->self, said[node->self] + 1));
    said[node->self]++;
}

static void obey(isle_value order, void *context)
{
    struct node *node = context;
    int64_t what, other;

    isle_unpack(order, "[i,i!]", &what, &other);
    say(node);
    switch ((enum order)what) {
    case LINK:
        link_to(node->self, other);
        break;
    case PART:
        part_from(node->self, other);
        break;
    case WATCH:
        watch(node, other);
        break;
    case TRAP:
        trap(node);
        break;
    case FAIL:
        may_end[node->self] = true;
        isle_throwf("told to");
    case RETURN:
        may_end[node->self] = true;
        isle_exit(isle_send_port_none(), isle_null());
    case KILL:
        may_end[other] = true;
        isle_kill(nodes[other], ISLE_IMMEDIATE);
        break;
    case SAY:
    case ORDERS:
        say(node);
    }
}

static void node_entry(isle_value message)
{
    struct node *node = isle_alloc(sizeof *node);
    void *self;

    isle_unpack(message, "[i,p!]", &node->self, &node->root);
    self = (void *)(intptr_t)node->self;
    node->links = isle_port_open();
    node->watches = isle_port_open();
    isle_port_listen(node->links, told_link, self);
    isle_port_listen(node->watches, told_watch, self);
    isle_err err =
        isle_name_register((isle_names){0}, names[node->self], isle_current().default_port);
    if (err != ISLE_OK && faults.alloc == 0)
        CHECK_ERR(err, ISLE_OK);
    isle_port_listen(isle_default_port(), obey, node);
}

/* --- the root */

static void root_hears(isle_value message)
{
    int64_t who, number;

    if (isle_kind_of(message) == ISLE_LIST) {
        isle_unpack(message, "[i,i!]", &who, &number);
        CHECK(!is_over[who]);
        CHECK_INT(number, ++heard[who]);
        return;
    }
    isle_end end = isle_as_end(message);
    who = number_of(&end);
    CHECK(!is_over[who]);
    CHECK(heard[who] >= said[who]);
    CHECK(isle_send_port_is_none(isle_name_lookup((isle_names){0}, names[who])));
    is_over[who] = true;
    reasons[who] = end.reason;
}

static void hear_all(int64_t wait)
{
    isle_value message;

    while (isle_port_try_receive(at_root, wait, &message) == ISLE_OK) {
        ISLE_SCOPE;
        root_hears(message);
    }
}

static bool had_a_cause(int64_t who)
{
    for (int i = 0; i < NODES; i++)
        if (ever_linked[who][i] && is_over[i])
            return true;
    return false;
}

/* At rest: what one end asks of others has been done. */
static void check_at_rest(void)
{
    for (int i = 0; i < NODES; i++) {
        if (!is_over[i])
            continue;
        if (nothing_fails())
            CHECK(may_end[i] || reasons[i] == ISLE_LINKED);
        CHECK(reasons[i] != ISLE_LINKED || had_a_cause(i));
        for (int k = 0; k < NODES; k++) {
            if (reasons[i] != ISLE_RETURNED && linked[i][k] && !is_over[k])
                CHECK(traps[k] && told_of_link[k][i]);
            if (watched[k][i] && !is_over[k])
                CHECK(told_of_watch[k][i]);
        }
    }
}

static void step(void)
{
    int64_t to = (int64_t)chance(NODES), other = (int64_t)chance(NODES);
    static const enum order often[] = {LINK, LINK, LINK, WATCH, WATCH, WATCH,  SAY,
                                       SAY,  TRAP, PART, FAIL,  KILL,  RETURN, LINK};

    if (is_there[to] && is_there[other])
        (void)!isle_try_send(
            nodes[to].default_port,
            isle_pack("[i,i]", (int64_t)often[chance(sizeof often / sizeof *often)], other));
    hear_all((int64_t)chance(30000));
    look_at_memory(4 << 20);
}

static void spawn_nodes(isle_send_port errors)
{
    for (int i = 0; i < NODES; i++) {
        isle_value message = isle_pack("[i,p]", (int64_t)i, isle_port_send_port(at_root));
        isle_options options = {.debug_name = names[i],
                                .on_error = errors,
                                .monitor = isle_port_send_port(at_root),
                                .mailbox_max_messages = 2 + chance(60)};

        is_there[i] = isle_try_spawn(node_entry, message, &options, &nodes[i]) == ISLE_OK;
    }
}

static void end_nodes(void)
{
    for (int i = 0; i < NODES; i++) {
        may_end[i] = true;
        if (is_there[i])
            isle_kill(nodes[i], ISLE_IMMEDIATE);
    }
    end_of_all();
    hear_all(0);
    for (int i = 0; i < NODES; i++)
        CHECK(is_over[i] == is_there[i]);
}

static void forget(void)
{
    memset(is_there, 0, sizeof is_there);
    memset(is_over, 0, sizeof is_over);
    memset(traps, 0, sizeof traps);
    memset(may_end, 0, sizeof may_end);
    memset(linked, 0, sizeof linked);
    memset(ever_linked, 0, sizeof ever_linked);
    memset(parted, 0, sizeof parted);
    memset(told_of_link, 0, sizeof told_of_link);
    memset(told_of_watch, 0, sizeof told_of_watch);
    memset(watched, 0, sizeof watched);
    memset(said, 0, sizeof said);
    memset(heard, 0, sizeof heard);
}

static int app(int argc, char **argv)
{
    isle_receive_port *errors = isle_port_open();

    (void)argc, (void)argv;
    forget();
    at_root = isle_port_open();
    spawn_nodes(isle_port_send_port(errors));
    for (int i = 0; i < STEPS; i++) {
        ISLE_SCOPE;
        step();
    }
    hear_all(ISLE_SECONDS(5));
    check_at_rest();
    whole++;
    end_nodes();
    isle_port_close(at_root);
    isle_port_close(errors);
    return 0;
}

TEST(links_and_monitors)
{
    under_seeds(app);
}
TEST_TIMEOUT(links_and_monitors, 120);

TEST_MAIN()
