/* SPDX-License-Identifier: Apache-2.0 */
/* Names and topics, under many seeds and with faults (seeds.h).
 *
 * Five isolates register three names, take them back, look them up, wait for them and watch them,
 * and end. What must hold: who was given a name has it until it takes it back or ends; a name that
 * is found is of somebody who was there to have it; who watches is told once for each time it asks;
 * who waits is answered; and when all have ended no name is left.
 *
 * A topic with small bounds has publishers and subscribers, some slow. What must hold: messages of
 * one publisher come in order and once; all subscribers see one order; what a subscriber got and
 * what it is told to have missed is all that was published in its time; what the topic holds has
 * its bounds. */
#include "seeds.h"

static isle_options quiet;
static isle_receive_port *ends;

enum { SOME = 5 };
static isle_isolate some[SOME]; /* those of spawn_some */

static int spawn_some(isle_entry *entry, isle_value first, int count)
{
    int there = 0;

    for (int i = 0; i < count; i++) {
        isle_value message = isle_list();

        isle_list_add(message, isle_int(i));
        isle_list_add(message, first);
        there += isle_try_spawn(entry, message, &quiet, &some[there]) == ISLE_OK;
    }
    return there;
}

static bool is_one_of(isle_isolate isolate, int count)
{
    for (int i = 0; i < count; i++)
        if (isle_send_port_equal(some[i].control_port, isolate.control_port))
            return true;
    return false;
}

static void check_end(isle_value message)
{
    isle_end end = isle_as_end(message);

    if (nothing_fails() && end.reason != ISLE_RETURNED)
        fail("%s: %s", isle_reason_text(end.reason), end.text);
}

static void await_ends(int count)
{
    for (int i = 0; i < count; i++)
        check_end(isle_port_receive(ends));
}

/* --- names */

enum { USERS = 5, NAMES = 3, STEPS = 12 };

static const char *const names[NAMES] = {"red", "green", "blue"};
static isle_names registry;
static int told[USERS][NAMES], asked[USERS][NAMES];
static uint64_t own_ports[USERS];

static bool is_known(isle_send_port port)
{
    for (int i = 0; i < USERS; i++)
        if (own_ports[i] == port.id)
            return true;
    return false;
}

static void changed(isle_value message, void *context)
{
    isle_name_change change = isle_as_name_change(message);
    int64_t who = (int64_t)(intptr_t)context;

    for (int i = 0; i < NAMES; i++)
        if (strcmp(change.name, names[i]) == 0)
            CHECK(++told[who][i] <= asked[who][i]);
    CHECK(isle_send_port_is_none(change.port) || is_known(change.port));
}

/* Has it for a while: nobody else gets it meanwhile. */
static void have_name(int64_t who, int name)
{
    isle_send_port self = isle_current().default_port;
    isle_err err = isle_name_register(registry, names[name], self);

    (void)who;
    if (err != ISLE_OK) {
        CHECK(err == ISLE_EUSED || (err == ISLE_ENOMEM && faults.alloc > 0));
        return;
    }
    for (uint64_t i = chance(3); i > 0; i--)
        isle_sleep((int64_t)chance(50000));
    CHECK(isle_send_port_equal(isle_name_lookup(registry, names[name]), self));
    if (chance(3) == 0)
        isle_exit(isle_send_port_none(), isle_null());
    isle_name_unregister(registry, names[name]);
    CHECK(!isle_send_port_equal(isle_name_lookup(registry, names[name]), self));
}

static void use_name(int64_t who, int name, isle_send_port changes)
{
    isle_send_port port;

    switch (chance(4)) {
    case 0:
        port = isle_name_lookup(registry, names[name]);
        CHECK(isle_send_port_is_none(port) || is_known(port));
        break;
    case 1:
        (void)!isle_try_await(isle_name_wait(registry, names[name], (int64_t)chance(100000)),
                              ISLE_FOREVER, NULL);
        break;
    case 2:
        if (asked[who][name] > told[who][name])
            break; /* until it is told it has asked already */
        asked[who][name]++;
        (void)isle_name_monitor(registry, names[name], changes);
        break;
    default:
        have_name(who, name);
    }
}

static void user(isle_value message)
{
    int64_t who = isle_as_int(isle_list_get(message, 0));
    isle_receive_port *changes = isle_port_open();

    own_ports[who] = isle_current().default_port.id;
    isle_port_listen(changes, changed, (void *)(intptr_t)who);
    for (int i = 0; i < STEPS; i++) {
        ISLE_SCOPE;
        use_name(who, (int)chance(NAMES), isle_port_send_port(changes));
        isle_sleep((int64_t)chance(30000));
    }
    isle_port_close(changes);
}

static int app(int argc, char **argv)
{
    isle_receive_port *errors = isle_port_open();

    (void)argc, (void)argv;
    memset(told, 0, sizeof told);
    memset(asked, 0, sizeof asked);
    memset(own_ports, 0, sizeof own_ports);
    ends = isle_port_open();
    quiet = (isle_options){.on_error = isle_port_send_port(errors),
                           .monitor = isle_port_send_port(ends),
                           .mailbox_max_messages = 8};
    registry = chance(2) == 0 ? isle_names_open() : (isle_names){0};
    await_ends(spawn_some(user, isle_null(), USERS));
    look_at_memory(4 << 20);
    CHECK_UINT(isle_count(isle_name_list(registry)), 0);
    end_of_all();
    whole++;
    isle_names_close(registry);
    isle_port_close(ends);
    isle_port_close(errors);
    return 0;
}

TEST(names_that_come_and_go)
{
    under_seeds(app);
}
TEST_TIMEOUT(names_that_come_and_go, 120);

/* --- topics */

enum { PUBLISHERS = 3, SUBSCRIBERS = 3, MESSAGES = 12, HELD = 8, ALL = PUBLISHERS * MESSAGES };

static isle_topic topic;
static int seen[SUBSCRIBERS][ALL], seen_count[SUBSCRIBERS];
static unsigned tried; /* to be published */
static uint64_t missed[SUBSCRIBERS];
static bool heard_all[SUBSCRIBERS];

static void publish_all(isle_value message)
{
    int64_t who = isle_as_int(isle_list_get(message, 0));
    isle_topic to = isle_as_topic(isle_list_get(message, 1));

    for (int i = 0; i < MESSAGES; i++) {
        ISLE_SCOPE;
        tried++;
        isle_topic_publish(to, isle_int(who * MESSAGES + i));
        if (chance(3) == 0)
            isle_sleep((int64_t)chance(50000));
    }
}

static void see(int64_t who, isle_value message)
{
    int number = (int)isle_as_int(message);

    for (int i = 0; i < seen_count[who]; i++)
        if (seen[who][i] / MESSAGES == number / MESSAGES)
            CHECK(seen[who][i] < number);
    seen[who][seen_count[who]++] = number;
}

static void hear_all(isle_value message)
{
    int64_t who = isle_as_int(isle_list_get(message, 0));
    isle_topic from = isle_as_topic(isle_list_get(message, 1));
    isle_subscribe_options options = {.lag = chance(4) == 0 ? ISLE_LAG_END : ISLE_LAG_SKIP,
                                      .max_behind = chance(2) * (1 + chance(HELD))};
    isle_subscription *subscription = isle_topic_subscribe(from, &options);
    isle_value got;
    isle_err err;

    isle_send(isle_as_port(isle_list_get(message, 2)), isle_null());
    for (;;) {
        ISLE_SCOPE;
        err = isle_subscription_receive(subscription, ISLE_FOREVER, &got);
        if (err != ISLE_OK)
            break;
        see(who, got);
        if (chance(3) == 0)
            isle_sleep((int64_t)chance(200000));
    }
    CHECK(err == ISLE_ECLOSED || (err == ISLE_EFULL && options.lag == ISLE_LAG_END) ||
          !nothing_fails());
    missed[who] = isle_subscription_missed(subscription);
    heard_all[who] = err == ISLE_ECLOSED;
    isle_subscription_close(subscription);
}

/* What two of them have both seen came to both in one order. */
static void check_one_order(int one, int other)
{
    int at[ALL], last = -1;

    for (int i = 0; i < ALL; i++)
        at[i] = -1;
    for (int i = 0; i < seen_count[one]; i++)
        at[seen[one][i]] = i;
    for (int i = 0; i < seen_count[other]; i++) {
        int place = at[seen[other][i]];

        CHECK(place == -1 || place > last);
        last = place == -1 ? last : place;
    }
}

/* Whoever heard all of it, from before the first to the end, has seen or missed each. */
static void check_orders(const isle_topic_counts *counts, bool is_whole)
{
    CHECK(counts->published + counts->refused <= tried);
    for (int i = 0; i < SUBSCRIBERS; i++) {
        for (int k = 0; k < i; k++)
            check_one_order(i, k);
        CHECK((uint64_t)seen_count[i] + missed[i] <= tried);
        if (is_whole && heard_all[i])
            CHECK_UINT((uint64_t)seen_count[i] + missed[i], counts->published);
    }
}

static int spawn_subscribers(isle_receive_port *ready)
{
    int there = 0;

    for (int i = 0; i < SUBSCRIBERS; i++) {
        isle_value message =
            isle_pack("[i,o,o]", (int64_t)i, isle_topic_value(topic), isle_port_value(ready));

        there += isle_try_spawn(hear_all, message, &quiet, NULL) == ISLE_OK;
    }
    return there;
}

/* A tick of what it holds, until all of it is heard or nobody is left to hear it. */
static isle_topic_counts look_until_heard(void)
{
    isle_topic_counts counts;

    for (int i = 0; i < 2000; i++) {
        counts = isle_topic_read_counts(topic);
        CHECK(counts.messages <= HELD);
        CHECK(counts.subscribers <= SUBSCRIBERS);
        look_at_memory(4 << 20);
        if (counts.messages == 0 && i > 20)
            break;
        isle_sleep((int64_t)chance(20000));
    }
    return counts;
}

static int topic_app(int argc, char **argv)
{
    isle_receive_port *errors = isle_port_open(), *ready = isle_port_open(), *from;
    isle_receive_port *both[2] = {ready, NULL};
    int subscribers, publishers;
    isle_value message;

    (void)argc, (void)argv;
    tried = 0;
    memset(seen_count, 0, sizeof seen_count);
    memset(missed, 0, sizeof missed);
    memset(heard_all, 0, sizeof heard_all);
    both[1] = ends = isle_port_open();
    quiet = (isle_options){.on_error = isle_port_send_port(errors),
                           .monitor = isle_port_send_port(ends),
                           .mailbox_max_messages = 4};
    topic = isle_topic_open(&(isle_topic_options){.max_messages = HELD});
    subscribers = spawn_subscribers(ready);
    for (int i = 0; i < subscribers; i++) {
        from = isle_port_receive_any(both, 2, ISLE_FOREVER, &message);
        if (from == ends)
            check_end(message);
    }
    publishers = spawn_some(publish_all, isle_topic_value(topic), PUBLISHERS);
    (void)look_until_heard();
    for (int left = publishers; left > 0;) {
        ISLE_SCOPE;
        message = isle_port_receive(ends);
        check_end(message);
        left -= is_one_of(isle_as_end(message).isolate, publishers);
    }
    isle_topic_counts counts = look_until_heard();
    isle_topic_close(topic);
    end_of_all();
    check_orders(&counts, nothing_fails() && counts.messages == 0);
    whole++;
    isle_port_close(ready);
    isle_port_close(ends);
    isle_port_close(errors);
    return 0;
}

TEST(topics_and_who_is_slow)
{
    under_seeds(topic_app);
}
TEST_TIMEOUT(topics_and_who_is_slow, 120);

TEST_MAIN()
