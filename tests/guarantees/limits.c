/* SPDX-License-Identifier: Apache-2.0 */
/* Guarantee 8 and the decision on scopes and kept state: limits hold for one huge allocation as for
 * many small ones, the memory of an ended isolate comes back whole, kept state stays flat. */
#include "guarantees.h"

/* --- limits: each of these wants more than it may have */

static void huge_value(void)
{
    isle_bytes(NULL, (size_t)1 << 30);
}

static void huge_alloc(void)
{
    isle_alloc((size_t)1 << 30);
}

static void absurd_alloc(void)
{
    isle_alloc(SIZE_MAX / 2);
}

static void many_values(void)
{
    isle_value list = isle_list();

    for (int64_t i = 0; i < 10000000; i++)
        isle_list_add(list, isle_stringf("number %d", (int)i));
}

static void many_allocs(void)
{
    for (int i = 0; i < 10000000; i++)
        memset(isle_alloc(1000), 1, 1000);
}

static void many_kept(void)
{
    for (int i = 0; i < 10000000; i++) {
        ISLE_SCOPE;
        isle_keep(isle_stringf("kept %d", i));
    }
}

static void kept_map_grows(void)
{
    isle_value map = isle_keep(isle_map());

    for (int i = 0; i < 10000000; i++) {
        ISLE_SCOPE;
        isle_map_put(map, isle_int(i), isle_stringf("value %d", i));
    }
}

static void huge_realloc(void)
{
    char *memory = isle_alloc(10);

    for (size_t size = 20;; size *= 2)
        memory = isle_realloc(memory, size);
}

static void many_ports(void)
{
    for (int i = 0; i < 10000000; i++)
        isle_port_open();
}

static void no_task(void *context)
{
    (void)context;
}

static void many_timers(void)
{
    for (int i = 0; i < 10000000; i++)
        isle_timer_start(ISLE_SECONDS(1000), no_task, NULL);
}

static void many_futures(void)
{
    for (int i = 0; i < 10000000; i++)
        isle_future_keep(isle_future_new());
}

static void many_microtasks(void)
{
    for (int i = 0; i < 10000000; i++)
        isle_schedule_microtask(no_task, NULL);
}

static void frozen_counts_in_full(void)
{
    isle_value list = isle_list();

    for (int i = 0; i < 1000; i++)
        isle_list_add(list, isle_freeze(isle_bytes(NULL, 1 << 20)));
}

static void transferables_count(void)
{
    isle_value list = isle_list();

    for (int i = 0; i < 1000; i++)
        isle_list_add(list, isle_transferable(1 << 20));
}

/* Messages to itself: the mailbox counts as the heap does. */
static void mailbox_counts(void)
{
    isle_send_port self = isle_port_send_port(isle_port_open());

    for (int i = 0; i < 1000; i++)
        isle_send(self, isle_bytes(NULL, 1 << 20));
}

static void (*const greedy[])(void) = {
    huge_value,   huge_alloc,      absurd_alloc,          many_values,         many_allocs,
    many_kept,    kept_map_grows,  huge_realloc,          many_ports,          many_timers,
    many_futures, many_microtasks, frozen_counts_in_full, transferables_count, mailbox_counts,
};
enum { GREEDY = sizeof greedy / sizeof *greedy };

static void greedy_entry(isle_value which)
{
    greedy[isle_as_int(which)]();
    fail("number %d got all that it wanted", (int)isle_as_int(which));
}

/* The isolate ends with Dart's text; nobody else notices, and all comes back. */
TEST_ROOT(a_limit_holds_for_huge_and_for_many_small_allocations)
{
    isle_receive_port *port = isle_port_open();
    isle_send_port to = isle_port_send_port(port);

    for (int i = 0; i < GREEDY; i++) {
        ISLE_SCOPE;
        isle_value notice;
        const char *text;

        isle_spawn(greedy_entry, isle_int(i),
                   &(isle_options){.memory_max = 8 << 20, .on_error = to, .on_exit = to});
        notice = isle_port_receive(port);
        text = isle_as_string(isle_list_get(notice, 0));
        if (greedy[i] == mailbox_counts)
            CHECK(strstr(text, "full") != NULL || strstr(text, "Out of Memory") != NULL);
        else
            CHECK_STRING(text, "Out of Memory");
        check_null(isle_port_receive(port));
    }
    isle_port_close(port);
}
TEST_TIMEOUT(a_limit_holds_for_huge_and_for_many_small_allocations, 120);

static isle_value greedy_try(isle_value which)
{
    greedy[isle_as_int(which)]();
    return isle_null();
}

/* Who catches the error goes on, with what was taken in its scope given back. */
static void greedy_survivor(isle_value to)
{
    static const int scoped[] = {0, 1, 2, 3, 12, 13};

    for (int round = 0; round < 3; round++)
        for (size_t i = 0; i < sizeof scoped / sizeof *scoped; i++) {
            ISLE_SCOPE;
            CHECK_ERR(isle_try(greedy_try, isle_int(scoped[i]), NULL), ISLE_ENOMEM);
            CHECK(isle_memory_used() < 8 << 20);
        }
    isle_send(isle_as_port(to), isle_string("alive"));
}

TEST_ROOT(out_of_memory_can_be_caught)
{
    isle_receive_port *port = isle_port_open();

    isle_spawn(greedy_survivor, isle_port_value(port), &(isle_options){.memory_max = 8 << 20});
    CHECK_STRING(isle_as_string(isle_port_receive(port)), "alive");
    isle_port_close(port);
}

static void idle_entry(isle_value message)
{
    (void)message;
}

TEST_ROOT(a_spawn_message_beyond_the_limit_is_refused)
{
    isle_isolate none = {0};

    CHECK_ERR(isle_try_spawn(idle_entry, isle_bytes(NULL, 1 << 20),
                             &(isle_options){.memory_max = 100000}, &none),
              ISLE_ENOMEM);
    CHECK_UINT(stats_now().isolates, 1);
}

/* --- the memory of an ended isolate comes back whole */

struct local_state {
    char bytes[3000];
};
ISLE_LOCAL(struct local_state, local_state);

struct pair {
    int64_t number;
    struct pair *other;
};
extern const isle_type pair_type;
ISLE_TYPE(pair_type, struct pair, ISLE_FIELD(struct pair, number),
          ISLE_FIELD_OBJECT(struct pair, other, &pair_type));

static void life_kept(isle_value message)
{
    isle_value map = isle_keep(isle_map());

    for (int i = 0; i < 300; i++)
        isle_map_put(map, isle_int(i), isle_stringf("value %d", i));
    isle_put(map, "self", map);
    isle_put(map, "message", message);
}

static void life_ports(isle_value message)
{
    for (int i = 0; i < 20; i++) {
        isle_receive_port *port = isle_port_open();

        for (int j = 0; j < 5; j++)
            isle_send(isle_port_send_port(port), message);
    }
    isle_exit(isle_send_port_none(), isle_null());
}

static void life_timers(isle_value message)
{
    (void)message;
    for (int i = 0; i < 50; i++) {
        isle_timer_start(ISLE_SECONDS(1000 + i), no_task, NULL);
        isle_timer_periodic(ISLE_SECONDS(1000 + i), no_task, NULL);
        isle_schedule_microtask(no_task, NULL);
    }
    isle_exit(isle_send_port_none(), isle_null());
}

static void ignore_value(isle_value value, void *context)
{
    (void)value, (void)context;
}

static void life_futures(isle_value message)
{
    isle_future *futures[6];
    isle_receive_port *port = isle_port_open();

    for (int i = 0; i < 6; i++)
        futures[i] = isle_call(isle_port_send_port(port), message, ISLE_SECONDS(1000));
    isle_then(isle_future_all(futures, 3), ignore_value, ignore_value, NULL);
    isle_then(isle_future_any(futures + 3, 3), ignore_value, ignore_value, NULL);
    isle_then(isle_future_timeout(futures[0], ISLE_SECONDS(1000)), ignore_value, ignore_value,
              NULL);
    isle_future_complete(isle_future_keep(isle_future_new()), message);
    isle_exit(isle_send_port_none(), isle_null());
}

static void life_transferables(isle_value message)
{
    isle_value list = isle_keep(isle_list());

    (void)message;
    for (int i = 0; i < 5; i++) {
        isle_value one = isle_transferable(10000);

        isle_list_add(list, i % 2 ? isle_materialize(one) : one);
    }
    isle_send(isle_port_send_port(isle_port_open()), list);
    isle_exit(isle_send_port_none(), isle_null());
}

static void life_frozen(isle_value message)
{
    isle_value frozen = isle_freeze(message);

    isle_keep(frozen);
    isle_send(isle_port_send_port(isle_port_open()), frozen);
    isle_keep(isle_freeze(isle_bytes(NULL, 5000)));
    isle_exit(isle_send_port_none(), isle_null());
}

static void life_suspended_handler(isle_value message, void *context)
{
    isle_keep(message);
    isle_defer(no_task, NULL);
    (void)isle_port_receive(context);
}

static void life_suspended(isle_value message)
{
    isle_receive_port *never = isle_port_open(), *own = isle_default_port();

    isle_port_listen(own, life_suspended_handler, never);
    for (int i = 0; i < 3; i++)
        isle_send(isle_port_send_port(own), message);
    isle_sleep(0);
    isle_kill(isle_current(), ISLE_BEFORE_NEXT_EVENT);
    isle_sleep(ISLE_SECONDS(1000));
}

static void life_failed(isle_value message)
{
    isle_keep(message);
    isle_throwf("on purpose");
}

static isle_value throw_value(isle_value value)
{
    isle_throw(value);
}

static void life_caught(isle_value message)
{
    for (int i = 0; i < 20; i++)
        CHECK_ERR(isle_try(throw_value, message, NULL), ISLE_ETHROWN);
    CHECK_ERR(isle_try_send(isle_current().default_port, isle_pointer(&message)), ISLE_EUNSENDABLE);
}

static void life_alloc(isle_value message)
{
    (void)message;
    for (size_t i = 0; i < 50; i++)
        isle_free(i % 3 == 0 ? isle_alloc(i * 50) : (isle_alloc(i * 70), NULL));
    local_state()->bytes[5] = 1;
}

static void life_objects(isle_value message)
{
    struct pair first = {1, NULL}, second = {2, &first};

    (void)message;
    first.other = &second;
    isle_keep(isle_object(&pair_type, &first));
    isle_send_object(isle_port_send_port(isle_port_open()), &pair_type, &second);
    isle_exit(isle_send_port_none(), isle_null());
}

static void life_resources(isle_value message)
{
    int ends[2];

    (void)message;
    CHECK_INT(pipe(ends), 0);
    isle_keep(isle_resource(ends[0]));
    isle_send(isle_port_send_port(isle_port_open()), isle_resource(ends[1]));
    isle_exit(isle_send_port_none(), isle_null());
}

static void life_watching(isle_value message)
{
    int ends[2];

    (void)message;
    CHECK_INT(pipe(ends), 0);
    isle_keep(isle_resource(ends[0]));
    isle_keep(isle_resource(ends[1]));
    isle_fd_watch(ends[0], ISLE_READABLE, isle_current().default_port);
    isle_signal_port(SIGUSR1);
    isle_exit(isle_send_port_none(), isle_null());
}

static void life_waiting_on_descriptor(isle_value message)
{
    int ends[2];

    (void)message;
    CHECK_INT(pipe(ends), 0);
    isle_keep(isle_resource(ends[0]));
    isle_keep(isle_resource(ends[1]));
    isle_future_keep(isle_fd_wait(ends[0], ISLE_READABLE));
    isle_exit(isle_send_port_none(), isle_null());
}

static int64_t blocking_work(void *context)
{
    (void)context;
    return 5;
}

static void life_blocking(isle_value message)
{
    (void)message;
    CHECK_INT(isle_as_int(isle_await(isle_blocking(blocking_work, NULL, NULL))), 5);
    (void)isle_blocking(blocking_work, NULL, NULL);
    isle_exit(isle_send_port_none(), isle_null());
}

static isle_value return_argument(isle_value argument)
{
    return argument;
}

static void life_parent(isle_value message)
{
    isle_value result = isle_await(isle_run(return_argument, message, NULL));

    CHECK(isle_equal(result, message));
    isle_spawn(life_kept, message, NULL);
    isle_spawn(life_failed, message,
               &(isle_options){.on_error = isle_port_send_port(isle_port_open())});
    (void)isle_run(return_argument, message, NULL);
    isle_exit(isle_send_port_none(), isle_null());
}

static void life_control(isle_value message)
{
    isle_isolate self = isle_current();
    isle_receive_port *port = isle_port_open();

    for (int i = 0; i < 10; i++) {
        isle_add_exit_listener(self, (isle_send_port){isle_capability_new().id}, message);
        isle_add_exit_listener(self, isle_port_send_port(port), message);
        isle_add_error_listener(self, isle_port_send_port(port));
        isle_ping(self, isle_port_send_port(port), isle_string("pong"), ISLE_BEFORE_NEXT_EVENT);
    }
    for (int i = 0; i < 10; i++)
        isle_pause(self, (isle_capability){0});
    (void)isle_debug_name();
    isle_kill(self, ISLE_BEFORE_NEXT_EVENT);
}

static isle_entry *const lives[] = {
    idle_entry,         life_kept,    life_ports,     life_timers,   life_futures,
    life_transferables, life_frozen,  life_suspended, life_failed,   life_caught,
    life_alloc,         life_objects, life_resources, life_watching, life_waiting_on_descriptor,
    life_blocking,      life_parent,  life_control,
};
enum { LIVES = sizeof lives / sizeof *lives };

/* Without options: an end that finds nothing of its own goes a shorter way. */
static void live_plainly(isle_entry *entry)
{
    ISLE_SCOPE;
    isle_value message = isle_pack("{s:i,s:s}", "number", 5, "text", "plain");

    isle_send(isle_spawn(entry, message, NULL).default_port, message);
}

/* Paused ones are killed before they begin, with mail waiting; the rest lives its life. */
static void live(isle_entry *entry, isle_receive_port *errors, bool paused, isle_thread thread)
{
    ISLE_SCOPE;
    isle_value message = isle_pack("{s:i,s:[f,s],s:o}", "number", 5, "list", 1.5, "text", "bytes",
                                   isle_bytes(NULL, 300));
    isle_isolate isolate = isle_spawn(entry, message,
                                      &(isle_options){.paused = paused,
                                                      .thread = thread,
                                                      .on_error = isle_port_send_port(errors),
                                                      .deadline_ns = ISLE_SECONDS(1000)});

    isle_send(isolate.default_port, message);
    if (paused)
        isle_kill(isolate, ISLE_IMMEDIATE);
    else if (entry == life_kept)
        isle_add_exit_listener(isolate, isle_port_send_port(errors), message);
}

static void drain(isle_receive_port *port)
{
    ISLE_SCOPE;
    isle_value message;

    while (isle_port_try_receive(port, 0, &message) == ISLE_OK)
        ;
}

static void live_once(isle_entry *entry, isle_receive_port *errors, int count)
{
    for (int i = 0; i < count; i++) {
        live(entry, errors, i % 4 == 3, ISLE_THREAD_POOL);
        if (entry != life_failed) /* nobody would hear it */
            live_plainly(entry);
    }
    settle();
    drain(errors);
}

TEST_ROOT(the_memory_of_ended_isolates_comes_back_to_the_byte)
{
    isle_receive_port *errors = isle_port_open();

    for (int i = 0; i < LIVES; i++) {
        uint64_t memory;
        int descriptors;

        /* What serves all isolates (the clock's table) keeps the size that it once needed. */
        live_once(lives[i], errors, 32);
        live_once(lives[i], errors, 32);
        descriptors = descriptors_held();
        memory = memory_held();
        for (int64_t round = rounds(3, 20, 1000); round > 0; round--) {
            live_once(lives[i], errors, 8);
            if (!memory_returns_to(memory))
                fail("life %d leaves %d bytes", i, (int)(stats_now().memory - memory));
            test_count_check();
        }
        CHECK(descriptors_return_to(descriptors));
    }
    isle_port_close(errors);
}
TEST_TIMEOUT(the_memory_of_ended_isolates_comes_back_to_the_byte, 120);

TEST_ROOT(isolates_with_their_own_thread_leave_nothing)
{
    isle_receive_port *errors = isle_port_open();
    uint64_t memory = 0;

    for (int round = 0; round < 6; round++) {
        int count = round < 2 ? 32 : 4; /* the clock's table keeps the size that it once needed */

        for (int i = 0; i < count; i++)
            live(life_kept, errors, i % 4 == 3, ISLE_THREAD_OWN);
        settle();
        drain(errors);
        if (round == 1)
            memory = memory_held();
        if (round > 1)
            if (!memory_returns_to(memory))
                fail("round %d leaves %d bytes", round, (int)(stats_now().memory - memory));
    }
    isle_port_close(errors);
}

/* --- kept state */

TEST_ROOT(updates_of_a_kept_map_run_at_flat_memory)
{
    int64_t count = rounds(3000000, 10000000, 100000000);
    isle_value map = isle_keep(isle_map());
    size_t early = 0;

    for (int64_t i = 0; i < count; i++) {
        ISLE_SCOPE;
        isle_map_put(map, isle_int(i % 64), isle_stringf("value %d", (int)i));
        if (i == count / 10)
            early = isle_memory_used();
    }
    CHECK_INT(isle_count(map), 64);
    CHECK(isle_memory_used() <= 2 * early + 65536);
    isle_release(map);
}
TEST_TIMEOUT(updates_of_a_kept_map_run_at_flat_memory, 600);

TEST_ROOT(updates_of_a_cell_run_at_flat_memory)
{
    int64_t count = rounds(1000000, 10000000, 100000000);
    isle_value cell = isle_null();
    size_t early = 0;

    for (int64_t i = 0; i < count; i++) {
        ISLE_SCOPE;
        isle_value list = isle_list();

        isle_list_add(list, isle_int(i));
        isle_list_add(list, list);
        if (i % 3 == 0)
            isle_list_add(list, cell);
        isle_cell_set(&cell, list);
        if (i % 3 == 1)
            isle_cell_set(&cell, isle_null());
        if (i == count / 10)
            early = isle_memory_used();
    }
    CHECK(isle_memory_used() <= 2 * early + 65536);
    isle_cell_set(&cell, isle_null());
}
TEST_TIMEOUT(updates_of_a_cell_run_at_flat_memory, 600);

TEST_ROOT(a_receive_loop_runs_at_flat_memory)
{
    int64_t count = rounds(1000000, 10000000, 100000000);
    isle_receive_port *port = isle_port_open();
    size_t early = 0;
    uint64_t early_program = 0;

    for (int64_t i = 0; i < count; i++) {
        ISLE_SCOPE;
        isle_send(isle_port_send_port(port), isle_pack("[i,s]", i, "text"));
        CHECK_INT(isle_as_int(isle_list_get(isle_port_receive(port), 0)), i);
        if (i == count / 10) {
            early = isle_memory_used();
            early_program = stats_now().memory;
        }
    }
    CHECK(isle_memory_used() <= early + 4096);
    CHECK(stats_now().memory <= early_program + 65536);
    isle_port_close(port);
}
TEST_TIMEOUT(a_receive_loop_runs_at_flat_memory, 600);

/* Storing into something older copies outwards; the younger scope may go. */
TEST_ROOT(what_is_stored_into_an_older_container_outlives_its_scope)
{
    isle_value outer = isle_list(), kept = isle_keep(isle_map());

    for (int i = 0; i < 1000; i++) {
        ISLE_SCOPE;
        isle_value inner = isle_map();

        isle_put(inner, "text", isle_stringf("number %d", i));
        isle_put(inner, "self", inner);
        isle_list_add(outer, inner);
        isle_map_put(kept, isle_int(i % 10), inner);
        isle_put(inner, "later", isle_int(i));
    }
    for (size_t i = 0; i < 1000; i++) {
        ISLE_SCOPE;
        isle_value inner = isle_list_get(outer, i);

        CHECK_STRING(isle_as_string(isle_get(inner, "text")),
                     isle_as_string(isle_stringf("number %d", (int)i)));
        CHECK(isle_identical(isle_get(inner, "self"), inner));
        CHECK_INT(isle_as_int(isle_get(inner, "later")), (int64_t)i);
    }
    CHECK_INT(isle_as_int(isle_get(isle_map_get(kept, isle_int(3)), "later")), 993);
    isle_release(kept);
}

static isle_value escaping(void)
{
    ISLE_SCOPE;
    return isle_escape(isle_string("escaped"));
}

TEST_ROOT(a_value_escapes_to_the_enclosing_scope)
{
    CHECK_STRING(isle_as_string(escaping()), "escaped");
}

/* --- a scope ends however its block is left */

static int deferred;

static void count_deferred(void *context)
{
    (void)context;
    deferred++;
}

static isle_value leave_by_throw(isle_value ignored)
{
    ISLE_SCOPE;
    (void)ignored;
    isle_defer(count_deferred, NULL);
    isle_throwf("left");
}

TEST_ROOT(a_scope_in_a_loop_ends_on_continue_break_goto_and_throw)
{
    size_t used = isle_memory_used();

    for (int i = 0; i < 100; i++) {
        ISLE_SCOPE;
        isle_defer(count_deferred, NULL);
        isle_bytes(NULL, 1000);
        if (i == 50)
            continue;
        if (i == 90)
            break;
    }
    CHECK_INT(deferred, 91);
    {
        ISLE_SCOPE;
        isle_defer(count_deferred, NULL);
        goto out;
    }
out:
    CHECK_INT(deferred, 92);
    CHECK_ERR(isle_try(leave_by_throw, isle_null(), NULL), ISLE_ETHROWN);
    CHECK_INT(deferred, 93);
    CHECK(isle_memory_used() <= used + 4096);
}

TEST_MAIN()
