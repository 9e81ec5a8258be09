/* SPDX-License-Identifier: Apache-2.0 */
/* Scale: many suspended activities, long loops at flat memory, and a spawn that costs the same
 * however many isolates there are. The quick tier does a part of each, the soak tier all: its
 * numbers are in docs/soak.md. */
#include <signal.h>
#include <stdatomic.h>
#include <time.h>

#include "isle.h"
#include "test.h"

static uint64_t scaled(uint64_t quick, uint64_t full, uint64_t soak)
{
    uint64_t count = test_tier() == TEST_SOAK ? soak : test_tier() == TEST_FULL ? full : quick;
    return TEST_SANITIZER[0] == 0 ? count : quick / 10;
}

static uint64_t memory_now(void)
{
    isle_stats stats;
    isle_stats_read(&stats);
    return stats.memory;
}

/* --- suspended activities */

static unsigned resumed;

static void suspend(isle_value message, void *context)
{
    CHECK_INT(isle_as_int(isle_await(context)), 1);
    CHECK(isle_as_int(message) >= 0);
    resumed++;
}

TEST_ROOT(suspended_activities)
{
    unsigned count = (unsigned)scaled(20000, 100000, 100000);
    isle_receive_port *port = isle_port_open();
    isle_future *gate = isle_future_new();
    isle_stats stats;
    isle_port_listen(port, suspend, gate);
    for (unsigned i = 0; i < count; i++) {
        isle_send(isle_port_send_port(port), isle_int((int64_t)i));
        if (i % 1000 == 0)
            isle_sleep(0);
    }
    do {
        isle_sleep(ISLE_MS(1));
        isle_stats_read(&stats);
    } while (stats.stacks < count);
    printf("measured: %u suspended activities in one isolate\n", count);
    isle_future_complete(gate, isle_int(1));
    while (resumed < count)
        isle_sleep(ISLE_MS(1));
    isle_stats_read(&stats);
    CHECK(stats.stacks <= 1);
    isle_port_close(port);
}
TEST_TIMEOUT(suspended_activities, 120);
TEST_MEMORY(suspended_activities, 2048);

/* --- flat memory */

TEST_ROOT(kept_state_is_updated_at_flat_memory)
{
    uint64_t count = scaled(1000000, 5000000, 100000000), flat = 0;
    static isle_value state;
    isle_cell_set(&state, isle_map());
    for (uint64_t i = 0; i < count; i++) {
        ISLE_SCOPE;
        isle_map_put(state, isle_int((int64_t)(i % 1000)), isle_stringf("value %d", (int)i));
        if (i % 1000 == 999) { /* the whole is replaced now and then */
            isle_value fresh = isle_map();
            isle_put(fresh, "round", isle_int((int64_t)i));
            isle_cell_set(&state, fresh);
        }
        if (i == count / 10)
            flat = isle_memory_used();
    }
    printf("measured: %" PRIu64 " updates of kept state, %zu bytes after, %" PRIu64
           " after a tenth\n",
           count, isle_memory_used(), flat);
    CHECK(isle_memory_used() <= flat + (1 << 20));
}
TEST_TIMEOUT(kept_state_is_updated_at_flat_memory, 1200);

static void talker(isle_value message)
{
    isle_send_port target = isle_as_port(isle_list_get(message, 0));
    uint64_t count = (uint64_t)isle_as_int(isle_list_get(message, 1));
    isle_receive_port *credit = isle_port_open();
    isle_send(target, isle_port_value(credit));
    for (uint64_t i = 0; i < count; i++) {
        ISLE_SCOPE;
        isle_send(target, isle_int((int64_t)i));
        if (i % 1024 == 1023)
            (void)isle_port_receive(credit);
    }
    isle_port_close(credit);
}

TEST_ROOT(receive_loop_runs_at_flat_memory)
{
    uint64_t count = scaled(500000, 3000000, 100000000), flat = 0;
    isle_receive_port *port = isle_port_open();
    isle_value message = isle_list();
    isle_list_add(message, isle_port_value(port));
    isle_list_add(message, isle_int((int64_t)count));
    (void)isle_spawn(talker, message, NULL);
    isle_send_port credit = isle_as_port(isle_port_receive(port));
    int64_t begin = isle_now_ns();
    for (uint64_t i = 0; i < count; i++) {
        ISLE_SCOPE;
        CHECK_INT(isle_as_int(isle_port_receive(port)), (int64_t)i);
        if (i % 1024 == 1023)
            isle_send(credit, isle_null());
        if (i == count / 10)
            flat = memory_now();
    }
    printf("measured: %" PRIu64 " messages, %" PRId64 " ns each, %" PRIu64 " bytes after, %" PRIu64
           " after a tenth\n",
           count, (isle_now_ns() - begin) / (int64_t)count, memory_now(), flat);
    CHECK(memory_now() <= flat + (1 << 20));
    isle_port_close(port);
}
TEST_TIMEOUT(receive_loop_runs_at_flat_memory, 2400);

/* --- what waits in ports */

enum { WAITING_FEW = 1000, WAITING_MANY = 32000, WAITING_TRIES = 5, WAITING_TRIES_MOST = 10 };

static int64_t processor_time(void)
{
    struct timespec used;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    return ISLE_SECONDS(used.tv_sec) + used.tv_nsec;
}

/* The least of several, per piece: what is measured runs on one thread, without a suspension. Tries
 * with many go on while those are dearer than allowed: a cache holds few, not many. */
static void costs_the_same_up_to(int most, const char *what, int64_t (*cost_of)(int count))
{
    int many = (int)scaled((uint64_t)most, (uint64_t)most, (uint64_t)most);
    int64_t least_few = INT64_MAX, least_many = INT64_MAX, cost;
    for (int i = 0; i < WAITING_TRIES; i++)
        if ((cost = cost_of(many / (WAITING_MANY / WAITING_FEW))) < least_few)
            least_few = cost;
    for (int i = 0; i < WAITING_TRIES_MOST && (i == 0 || least_many >= least_few * 6 + 500); i++)
        if ((cost = cost_of(many)) < least_many)
            least_many = cost;
    printf("measured: %s takes %" PRId64 " ns of few, %" PRId64 " of many\n", what, least_few,
           least_many);
    CHECK(least_many < least_few * 6 + 500);
}

static void costs_the_same_for_many(const char *what, int64_t (*cost_of)(int count))
{
    costs_the_same_up_to(WAITING_MANY, what, cost_of);
}

static bool is_negative(isle_value message, void *asked)
{
    ++*(int *)asked;
    return isle_as_int(message) < 0;
}

static int64_t look_through(int count)
{
    isle_receive_port *port = isle_port_open();
    int asked = 0;
    for (int i = 0; i <= count; i++) {
        ISLE_SCOPE;
        isle_send(isle_port_send_port(port), isle_int(i < count ? i : -1));
        if (i % 1000 == 0)
            isle_sleep(0);
    }
    isle_sleep(0);
    int64_t begin = processor_time();
    CHECK_INT(isle_as_int(isle_port_receive_if(port, is_negative, &asked)), -1);
    int64_t cost = (processor_time() - begin) / count;
    CHECK_INT(asked, count + 1);
    for (int i = 0; i < count; i++) {
        ISLE_SCOPE;
        CHECK_INT(isle_as_int(isle_port_receive(port)), i);
    }
    isle_port_close(port);
    return cost;
}

/* A receive that chooses costs as much as it looks at, wherever what it wants stands. */
TEST_ROOT(a_choosing_receive_costs_what_it_looks_at)
{
    costs_the_same_for_many("a message that is looked at and left", look_through);
}
TEST_TIMEOUT(a_choosing_receive_costs_what_it_looks_at, 240);
TEST_ALONE(a_choosing_receive_costs_what_it_looks_at);

static void hears_nothing(isle_value message, void *context)
{
    (void)message, (void)context;
    CHECK(false);
}

static isle_receive_port *heard[WAITING_MANY];

/* Those with a message that waits for its handler; closed in an order that is neither of theirs. */
static int64_t close_with_handlers(int count)
{
    for (int i = 0; i < count; i++) {
        ISLE_SCOPE;
        heard[i] = isle_port_open();
        isle_send(isle_port_send_port(heard[i]), isle_null());
        if (i % 1000 == 0)
            isle_sleep(0);
    }
    isle_sleep(0);
    for (int i = 0; i < count; i++)
        isle_port_listen(heard[i], hears_nothing, NULL);
    int64_t begin = processor_time();
    for (int i = 1; i <= count; i++)
        isle_port_close(heard[i % 2 != 0 ? count / 2 - 1 - i / 2 : count / 2 + i / 2 - 1]);
    return (processor_time() - begin) / count;
}

/* Of many ports whose mail waits for their handlers, one closes as if it were the only one. */
TEST_ROOT(a_port_closes_at_the_same_cost_beside_many)
{
    costs_the_same_for_many("a close beside others", close_with_handlers);
}
TEST_TIMEOUT(a_port_closes_at_the_same_cost_beside_many, 240);
TEST_MEMORY(a_port_closes_at_the_same_cost_beside_many, 512);
TEST_ALONE(a_port_closes_at_the_same_cost_beside_many);

static int64_t ask_in_vain(int count)
{
    isle_receive_port *busy = isle_port_open(), *empty = isle_port_open();
    isle_value message;
    isle_port_listen(busy, hears_nothing, NULL);
    for (int i = 0; i < count; i++)
        isle_send(isle_port_send_port(busy), isle_null());
    int64_t begin = processor_time();
    for (int i = 0; i < count; i++) {
        ISLE_SCOPE;
        CHECK_INT(isle_port_try_receive(empty, 0, &message), ISLE_ETIMEDOUT);
    }
    int64_t cost = (processor_time() - begin) / count;
    isle_port_close(busy);
    isle_port_close(empty);
    isle_sleep(0);
    return cost;
}

/* Who asks a port for mail again and again does not look through all that waits for others. */
TEST_ROOT(asking_costs_the_same_beside_what_waits_for_others)
{
    costs_the_same_for_many("a question beside mail of others", ask_in_vain);
}
TEST_TIMEOUT(asking_costs_the_same_beside_what_waits_for_others, 240);
TEST_ALONE(asking_costs_the_same_beside_what_waits_for_others);

/* From the middle outwards: neither first in, first out nor the other way. */
static int outwards(int i, int count)
{
    return i % 2 == 0 ? count / 2 + i / 2 : count / 2 - 1 - i / 2;
}

static int64_t hear_signals(int count)
{
    for (int i = 0; i < count; i++)
        heard[i] = isle_signal_port(SIGUSR2);
    int64_t begin = processor_time();
    for (int i = 0; i < count; i++)
        isle_port_close(heard[outwards(i, count)]);
    return (processor_time() - begin) / count;
}

TEST_ROOT(a_signal_port_closes_at_the_same_cost_beside_many)
{
    costs_the_same_for_many("a signal port beside others", hear_signals);
}
TEST_TIMEOUT(a_signal_port_closes_at_the_same_cost_beside_many, 240);
TEST_MEMORY(a_signal_port_closes_at_the_same_cost_beside_many, 512);
TEST_ALONE(a_signal_port_closes_at_the_same_cost_beside_many);

/* --- who listens, pauses, waits */

static int64_t listen_and_leave(int count)
{
    int64_t begin = processor_time();
    for (int i = 0; i < count; i++) {
        ISLE_SCOPE;
        isle_add_exit_listener(isle_current(), (isle_send_port){(uint64_t)i + 1}, isle_null());
    }
    for (int i = 0; i < count; i++)
        isle_remove_exit_listener(isle_current(),
                                  (isle_send_port){(uint64_t)outwards(i, count) + 1});
    return (processor_time() - begin) / count;
}

TEST_ROOT(a_listener_comes_and_goes_at_the_same_cost_beside_many)
{
    costs_the_same_for_many("a listener beside others", listen_and_leave);
}
TEST_TIMEOUT(a_listener_comes_and_goes_at_the_same_cost_beside_many, 240);
TEST_ALONE(a_listener_comes_and_goes_at_the_same_cost_beside_many);

static int64_t pause_and_resume(int count)
{
    int64_t begin = processor_time();
    for (int i = 0; i < count; i++)
        isle_pause(isle_current(), (isle_capability){(uint64_t)i + 1});
    for (int i = 0; i < count; i++)
        isle_resume(isle_current(), (isle_capability){(uint64_t)outwards(i, count) + 1});
    return (processor_time() - begin) / count;
}

TEST_ROOT(a_pause_costs_the_same_beside_many)
{
    costs_the_same_for_many("a pause beside others", pause_and_resume);
}
TEST_TIMEOUT(a_pause_costs_the_same_beside_many, 240);
TEST_ALONE(a_pause_costs_the_same_beside_many);

enum { ACTIVITIES_MANY = 8000 };

static int64_t due; /* when who waits gives up: the last to wait first */
static isle_future *never, *after;
static int waiting, gone;

/* It stays afterwards: what its stack costs to give back is not asked here. */
static void wait_and_give_up(isle_value message, void *unused)
{
    (void)unused;
    int64_t until = due - isle_as_int(message);
    waiting++;
    CHECK_INT(isle_try_await(never, until - isle_now_ns(), NULL), ISLE_ETIMEDOUT);
    gone++;
    (void)isle_await(after);
    waiting--;
}

/* All at once: their time passes while nothing of the root runs. -1: some were earlier. */
static int64_t give_up_within(int64_t delay, int count)
{
    isle_receive_port *port = isle_port_open();
    never = isle_future_new();
    after = isle_future_new();
    waiting = gone = 0;
    due = isle_now_ns() + delay;
    isle_port_listen(port, wait_and_give_up, NULL);
    for (int i = 0; i < count; i++) {
        ISLE_SCOPE;
        isle_send(isle_port_send_port(port), isle_int(i));
        if (i % 1000 == 0)
            isle_sleep(0);
    }
    while (waiting < count)
        isle_sleep(0);
    bool early = gone > 0;
    while (isle_now_ns() < due)
        ;
    int64_t begin = processor_time();
    while (gone < count)
        isle_sleep(0);
    int64_t cost = (processor_time() - begin) / count;
    isle_future_complete(after, isle_null());
    while (waiting > 0)
        isle_sleep(0);
    isle_port_close(port);
    isle_future_cancel(never);
    return early ? -1 : cost;
}

static int64_t give_up(int count)
{
    int64_t cost, delay = ISLE_US(20) * count;
    while ((cost = give_up_within(delay, count)) < 0)
        delay *= 2;
    return cost;
}

/* Of many activities that wait for one future, one gives up as if it were the only one. */
TEST_ROOT(who_gives_up_on_a_future_costs_the_same_beside_many)
{
    costs_the_same_up_to(ACTIVITIES_MANY, "giving up beside others", give_up);
}
TEST_TIMEOUT(who_gives_up_on_a_future_costs_the_same_beside_many, 240);
TEST_MEMORY(who_gives_up_on_a_future_costs_the_same_beside_many, 1024);
TEST_ALONE(who_gives_up_on_a_future_costs_the_same_beside_many);

static void wait_until_over(isle_value message, void *unused)
{
    (void)message, (void)unused;
    waiting++;
    (void)isle_await(after);
    waiting--;
}

static int64_t update_beside(int count)
{
    enum { UPDATES = 20000, SIZE = 1000 };
    static isle_value state;
    isle_receive_port *port = isle_port_open();
    after = isle_future_new();
    waiting = 0;
    isle_port_listen(port, wait_until_over, NULL);
    for (int i = 0; i < count; i++) {
        ISLE_SCOPE;
        isle_send(isle_port_send_port(port), isle_null());
        if (i % 1000 == 0)
            isle_sleep(0);
    }
    while (waiting < count)
        isle_sleep(0);
    int64_t begin = processor_time();
    for (int i = 0; i < UPDATES; i++) {
        ISLE_SCOPE;
        static const char bytes[SIZE];
        isle_cell_set(&state, isle_bytes(bytes, sizeof bytes));
    }
    int64_t cost = (processor_time() - begin) / UPDATES;
    isle_future_complete(after, isle_null());
    while (waiting > 0)
        isle_sleep(0);
    isle_port_close(port);
    return cost;
}

/* What is kept is collected now and then, and that looks at who is suspended. */
TEST_ROOT(kept_state_is_updated_at_the_same_cost_beside_many_who_wait)
{
    costs_the_same_up_to(ACTIVITIES_MANY, "an update beside who waits", update_beside);
}
TEST_TIMEOUT(kept_state_is_updated_at_the_same_cost_beside_many_who_wait, 240);
TEST_MEMORY(kept_state_is_updated_at_the_same_cost_beside_many_who_wait, 1024);
TEST_ALONE(kept_state_is_updated_at_the_same_cost_beside_many_who_wait);

/* Each takes one message of the port for which all wait. */
static isle_receive_port *contended;

static void wait_for_one(isle_value message, void *unused)
{
    (void)message, (void)unused;
    waiting++;
    (void)isle_port_receive(contended);
    gone++;
    (void)isle_await(after);
    waiting--;
}

static int64_t take_in_turn(int count)
{
    isle_receive_port *port = isle_port_open();
    contended = isle_port_open();
    after = isle_future_new();
    waiting = gone = 0;
    isle_port_listen(port, wait_for_one, NULL);
    for (int i = 0; i < count; i++) {
        ISLE_SCOPE;
        isle_send(isle_port_send_port(port), isle_null());
        if (i % 1000 == 0)
            isle_sleep(0);
    }
    while (waiting < count)
        isle_sleep(0);
    int64_t begin = processor_time();
    for (int i = 0; i < count; i++) {
        ISLE_SCOPE;
        isle_send(isle_port_send_port(contended), isle_null());
        isle_sleep(0);
    }
    int64_t cost = (processor_time() - begin) / count;
    CHECK_INT(gone, count);
    isle_future_complete(after, isle_null());
    while (waiting > 0)
        isle_sleep(0);
    isle_port_close(contended);
    isle_port_close(port);
    return cost;
}

/* A message for which many activities wait wakes one. */
TEST_ROOT(a_message_costs_the_same_if_many_wait_for_it)
{
    costs_the_same_up_to(ACTIVITIES_MANY, "a message that many wait for", take_in_turn);
}
TEST_TIMEOUT(a_message_costs_the_same_if_many_wait_for_it, 240);
TEST_MEMORY(a_message_costs_the_same_if_many_wait_for_it, 1024);
TEST_ALONE(a_message_costs_the_same_if_many_wait_for_it);

/* --- spawning */

static _Atomic uint64_t begun;

static void stays(isle_value message)
{
    (void)message;
    atomic_fetch_add(&begun, 1);
    isle_port_set_keep_alive(isle_port_open(), true);
}

static int64_t spawn_many(uint64_t count)
{
    uint64_t before = atomic_load(&begun);
    int64_t begin = isle_now_ns();
    for (uint64_t i = 0; i < count; i++)
        (void)isle_spawn(stays, isle_null(), NULL);
    while (atomic_load(&begun) < before + count)
        isle_sleep(ISLE_US(100));
    return (isle_now_ns() - begin) / (int64_t)count;
}

enum { COST_TRIES = 5, COST_TRIES_MOST = 100 };

/* The cost does not grow with what the program holds: isolates, and values of the spawner. Other
 * programs of the machine make a try dearer, never cheaper: the least of several is compared, and
 * those in the large program go on while that is dearer than allowed. */
TEST_ROOT(spawn_costs_the_same_in_a_large_program)
{
    (void)spawn_many(1000);
    int64_t small = INT64_MAX, large = INT64_MAX, cost;
    for (int i = 0; i < COST_TRIES; i++)
        if ((cost = spawn_many(1000)) < small)
            small = cost;
    isle_value ballast = isle_list();
    for (int i = 0; i < 300000; i++)
        isle_list_add(ballast, isle_stringf("ballast %d", i));
    (void)spawn_many(50000);
    for (int i = 0; i < COST_TRIES || (i < COST_TRIES_MOST && large >= small * 4 + 2000); i++)
        if ((cost = spawn_many(1000)) < large)
            large = cost;
    printf("measured: a spawn takes %" PRId64 " ns in a small program, %" PRId64
           " in a large one\n",
           small, large);
    CHECK(large < small * 4 + 2000);
}
TEST_TIMEOUT(spawn_costs_the_same_in_a_large_program, 60);
TEST_MEMORY(spawn_costs_the_same_in_a_large_program, 512);
TEST_ALONE(spawn_costs_the_same_in_a_large_program);

TEST_MAIN()
