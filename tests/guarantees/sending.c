/* SPDX-License-Identifier: Apache-2.0 */
/* Guarantees 2, 3 and 4: a refused send changes nothing, sending never blocks, mailboxes are
 * bounded, what is not delivered is counted by its cause. */
#include "guarantees.h"

/* An isolate that holds its messages and does nothing: what is sent to it waits. */
static void idle_entry(isle_value message)
{
    (void)message;
}

static isle_isolate sleeper(size_t max_messages, size_t max_bytes, size_t memory_max)
{
    return isle_spawn(idle_entry, isle_null(),
                      &(isle_options){.paused = true,
                                      .mailbox_max_messages = max_messages,
                                      .mailbox_max_bytes = max_bytes,
                                      .memory_max = memory_max});
}

/* Ends it and returns when all is returned. */
static void sleeper_stop(isle_isolate isolate)
{
    isle_kill(isolate, ISLE_IMMEDIATE);
    settle();
}

/* --- refused: unsendable */

static isle_value with_offender(isle_value transferable)
{
    isle_value map = isle_map(), list = isle_list(), root = isle_list();
    static int target;

    isle_put(map, "harmless", isle_string("text"));
    isle_put(map, "bad", isle_pointer(&target));
    isle_list_add(list, isle_int(1));
    isle_list_add(list, map);
    isle_list_add(root, transferable);
    isle_list_add(root, isle_freeze(isle_string("shared")));
    isle_list_add(root, list);
    return root;
}

TEST_ROOT(an_unsendable_message_delivers_nothing_and_names_the_path)
{
    isle_receive_port *port = isle_port_open();
    isle_value transferable = isle_transferable(100);
    const char *text;

    memset(isle_transferable_data(transferable), 0x5a, 100);
    CHECK_ERR(isle_try_send(isle_port_send_port(port), with_offender(transferable)),
              ISLE_EUNSENDABLE);
    text = isle_error_text(isle_last_error());
    CHECK(!strncmp(text, "Illegal argument in isolate message", 35));
    CHECK(strstr(text, "bad") != NULL);
    CHECK(strstr(text, "[2]") != NULL || strstr(text, "index 2") != NULL ||
          strstr(text, " 2") != NULL);
    CHECK(port_is_empty(port));
    CHECK_INT(((unsigned char *)isle_transferable_data(transferable))[99], 0x5a);
    isle_send(isle_port_send_port(port), transferable);
    CHECK_INT(isle_count(isle_materialize(isle_port_receive(port))), 100);
    isle_port_close(port);
}

static isle_value send_offender(isle_value port)
{
    isle_send(isle_as_port(port), with_offender(isle_transferable(10)));
    return isle_null();
}

TEST_ROOT(the_insisting_send_throws_the_same)
{
    isle_receive_port *port = isle_port_open();

    CHECK_ERR(isle_try(send_offender, isle_port_value(port), NULL), ISLE_EUNSENDABLE);
    CHECK(strstr(isle_error_text(isle_last_error()), "bad") != NULL);
    CHECK(port_is_empty(port));
    isle_port_close(port);
}

static isle_value spawn_offender(isle_value ignored)
{
    (void)ignored;
    isle_spawn(idle_entry, with_offender(isle_null()), NULL);
    return isle_null();
}

TEST_ROOT(an_unsendable_spawn_starts_nothing)
{
    uint64_t ever = stats_now().isolates_ever;
    isle_isolate none = {0};

    CHECK_ERR(isle_try(spawn_offender, isle_null(), NULL), ISLE_EUNSENDABLE);
    CHECK_ERR(isle_try_spawn(idle_entry, with_offender(isle_null()), NULL, &none),
              ISLE_EUNSENDABLE);
    CHECK(isle_send_port_is_none(none.control_port));
    CHECK_INT(stats_now().isolates_ever, ever);
    CHECK_INT(stats_now().isolates, 1);
}

static isle_value call_offender(isle_value port)
{
    (void)isle_call(isle_as_port(port), with_offender(isle_null()), ISLE_FOREVER);
    return isle_null();
}

/* A future that was made for a refused call must not keep the program alive: the test ends. */
TEST_ROOT(an_unsendable_call_throws_and_leaves_no_future)
{
    isle_receive_port *port = isle_port_open();

    CHECK_ERR(isle_try(call_offender, isle_port_value(port), NULL), ISLE_EUNSENDABLE);
    CHECK(port_is_empty(port));
    isle_port_close(port);
}

/* Everything that a message may take from its sender, in a message that is refused. */
static void refuse_many(isle_send_port full, bool by_offender)
{
    for (int i = 0; i < 300; i++) {
        ISLE_SCOPE;
        isle_value transferable = isle_transferable(1000), message = isle_list();
        int ends[2];

        CHECK_INT(pipe(ends), 0);
        close(ends[1]);
        isle_list_add(message, transferable);
        isle_list_add(message, isle_resource(ends[0]));
        isle_list_add(message, isle_freeze(isle_bytes(NULL, 500)));
        if (by_offender)
            isle_list_add(message, isle_pointer(&ends));
        CHECK_ERR(isle_try_send(full, message), by_offender ? ISLE_EUNSENDABLE : ISLE_EFULL);
        CHECK(isle_transferable_data(transferable) != NULL);
    }
}

static void check_nothing_leaks(bool by_offender)
{
    isle_isolate isolate = sleeper(1, 0, 0);
    uint64_t memory;
    size_t used;
    int descriptors;

    isle_send(isolate.default_port, isle_null());
    refuse_many(isolate.default_port, by_offender);
    descriptors = descriptors_held();
    memory = memory_held();
    used = isle_memory_used();
    refuse_many(isolate.default_port, by_offender);
    CHECK(memory_returns_to(memory));
    CHECK_UINT(isle_memory_used(), used);
    CHECK(descriptors_return_to(descriptors));
    sleeper_stop(isolate);
}

TEST_ROOT(an_unsendable_message_leaks_nothing)
{
    needs_exact_memory();
    check_nothing_leaks(true);
}

TEST_ROOT(a_message_to_a_full_mailbox_leaks_nothing)
{
    needs_exact_memory();
    check_nothing_leaks(false);
}

TEST_ROOT(a_full_mailbox_refuses_and_leaves_transferables_usable)
{
    isle_isolate isolate = sleeper(2, 0, 0);
    isle_receive_port *port = isle_port_open();
    isle_value transferable = isle_transferable(64), message = isle_list();
    uint64_t refused = stats_now().refused_full;

    memset(isle_transferable_data(transferable), 7, 64);
    isle_list_add(message, transferable);
    isle_send(isolate.default_port, isle_int(1));
    isle_send(isolate.default_port, isle_int(2));
    CHECK_ERR(isle_try_send(isolate.default_port, message), ISLE_EFULL);
    CHECK_ERR(isle_error_code(isle_last_error()), ISLE_EFULL);
    CHECK_UINT(stats_now().refused_full, refused + 1);
    CHECK_INT(((unsigned char *)isle_transferable_data(transferable))[63], 7);
    isle_send(isle_port_send_port(port), message);
    message = isle_port_receive(port);
    CHECK_INT(isle_count(isle_materialize(isle_list_get(message, 0))), 64);
    isle_port_close(port);
    sleeper_stop(isolate);
}

static isle_value send_to_none(isle_value ignored)
{
    (void)ignored;
    isle_send(isle_send_port_none(), isle_null());
    return isle_null();
}

TEST_ROOT(sending_to_none_is_an_error)
{
    CHECK_ERR(isle_try_send(isle_send_port_none(), isle_null()), ISLE_EINVAL);
    CHECK_ERR(isle_try(send_to_none, isle_null(), NULL), ISLE_EINVAL);
}

/* A refused run is the future's error. */
static isle_value nothing(isle_value argument)
{
    return argument;
}

TEST_ROOT(an_unsendable_run_is_told_by_its_future)
{
    CHECK_ERR(
        isle_try_await(isle_run(nothing, with_offender(isle_null()), NULL), ISLE_FOREVER, NULL),
        ISLE_EUNSENDABLE);
}

/* --- bounds */

static uint64_t fill(isle_send_port port, isle_value message, uint64_t at_most)
{
    uint64_t count = 0;
    isle_err err = ISLE_OK;

    while (count < at_most && (err = isle_try_send(port, message)) == ISLE_OK)
        count++;
    if (count < at_most)
        CHECK_ERR(err, ISLE_EFULL);
    return count;
}

TEST_ROOT(a_mailbox_holds_1048576_messages_by_default)
{
    isle_isolate isolate = sleeper(0, ISLE_UNLIMITED, 0);

    CHECK_UINT(fill(isolate.default_port, isle_null(), 2000000), 1048576);
    sleeper_stop(isolate);
}
TEST_MEMORY(a_mailbox_holds_1048576_messages_by_default, 700);
TEST_TIMEOUT(a_mailbox_holds_1048576_messages_by_default, 120);

TEST_ROOT(an_unlimited_mailbox_takes_more)
{
    isle_isolate isolate = sleeper(ISLE_UNLIMITED, ISLE_UNLIMITED, 0);

    CHECK_UINT(fill(isolate.default_port, isle_null(), 1048577 + 1000), 1048577 + 1000);
    sleeper_stop(isolate);
}
TEST_MEMORY(an_unlimited_mailbox_takes_more, 700);
TEST_TIMEOUT(an_unlimited_mailbox_takes_more, 120);

/* Transferables move: their bytes count, and are never touched. */
static isle_err send_bulk(isle_send_port port, size_t mebibytes)
{
    ISLE_SCOPE;
    return isle_try_send(port, isle_transferable(mebibytes << 20));
}

TEST_ROOT(a_mailbox_holds_256_mebibytes_by_default)
{
    isle_isolate isolate = sleeper(0, 0, 0);

    for (int i = 0; i < 3; i++)
        CHECK_ERR(send_bulk(isolate.default_port, 64), ISLE_OK);
    CHECK_ERR(send_bulk(isolate.default_port, 64), ISLE_EFULL); /* the headers count too */
    CHECK_ERR(send_bulk(isolate.default_port, 63), ISLE_OK);
    CHECK_ERR(send_bulk(isolate.default_port, 1), ISLE_EFULL);
    CHECK_ERR(isle_try_send(isolate.default_port, isle_int(1)), ISLE_OK);
    sleeper_stop(isolate);
}
TEST_MEMORY(a_mailbox_holds_256_mebibytes_by_default, 600);

TEST_ROOT(a_byte_bound_is_kept_by_big_and_by_small_messages)
{
    isle_isolate isolate = sleeper(0, 100000, 0);
    uint64_t small;

    CHECK_ERR(isle_try_send(isolate.default_port, isle_bytes(NULL, 100001)), ISLE_EFULL);
    small = fill(isolate.default_port, isle_bytes(NULL, 1000), 1000);
    CHECK(small >= 50 && small < 100);
    sleeper_stop(isolate);
}

TEST_ROOT(a_message_bound_is_kept_exactly)
{
    for (size_t bound = 1; bound <= 5; bound++) {
        isle_isolate isolate = sleeper(bound, 0, 0);

        CHECK_UINT(fill(isolate.default_port, isle_int(1), 100), bound);
        sleeper_stop(isolate);
    }
}

TEST_ROOT(the_memory_limit_counts_the_mailbox)
{
    isle_isolate isolate = sleeper(0, 0, 1 << 20);
    uint64_t count;

    CHECK_ERR(isle_try_send(isolate.default_port, isle_bytes(NULL, 2 << 20)), ISLE_EFULL);
    count = fill(isolate.default_port, isle_bytes(NULL, 64 << 10), 1000);
    CHECK(count >= 12 && count <= 16);
    sleeper_stop(isolate);
}

/* Room that was taken is given back when messages are read: refusals do not add up. */
static void drain(isle_value message)
{
    isle_receive_port *port = isle_port_open();
    isle_send_port root;

    isle_unpack(message, "[p!]", &root);
    isle_send(root, isle_port_value(port));
    for (;;) {
        ISLE_SCOPE;
        isle_send(root, isle_port_receive(port));
    }
}

TEST_ROOT(room_comes_back_as_messages_are_read)
{
    isle_receive_port *port = isle_port_open();
    isle_isolate isolate = isle_spawn(drain, isle_pack("[o]", isle_port_value(port)),
                                      &(isle_options){.mailbox_max_messages = 2});
    isle_send_port to = isle_as_port(isle_port_receive(port));

    for (int i = 0; i < 3000; i++) {
        ISLE_SCOPE;
        isle_send(to, isle_int(2 * i));
        isle_send(to, isle_int(2 * i + 1));
        CHECK_INT(receive_int(port), 2 * i);
        CHECK_INT(receive_int(port), 2 * i + 1);
    }
    isle_kill(isolate, ISLE_IMMEDIATE);
    isle_port_close(port);
}

/* Isolates take turns in the same memory. One that ended in the middle of its mail leaves none of
 * that behind. */
static void ends_at_five(isle_value message, void *context)
{
    (void)context;
    if (isle_as_int(message) == 5)
        isle_exit(isle_send_port_none(), isle_null());
}

static void counts_to_five(isle_value message)
{
    isle_send_port self = isle_port_send_port(isle_default_port());

    (void)message;
    isle_port_listen(isle_default_port(), ends_at_five, NULL);
    for (int i = 1; i <= 5; i++)
        isle_send(self, isle_int(i));
}

TEST_ROOT(a_new_life_has_all_of_its_room)
{
    for (int i = 0; i < 200; i++) {
        ISLE_SCOPE;
        isle_receive_port *over = isle_port_open();

        isle_spawn(counts_to_five, isle_null(),
                   &(isle_options){.on_exit = isle_port_send_port(over)});
        isle_port_receive(over);
        isle_port_close(over);
        isle_isolate next = isle_spawn(counts_to_five, isle_null(),
                                       &(isle_options){.paused = true, .mailbox_max_messages = 2});

        CHECK_ERR(isle_try_send(next.default_port, isle_int(0)), ISLE_OK);
        CHECK_ERR(isle_try_send(next.default_port, isle_int(0)), ISLE_OK);
        CHECK_ERR(isle_try_send(next.default_port, isle_int(0)), ISLE_EFULL);
        isle_kill(next, ISLE_IMMEDIATE);
    }
    settle();
}

/* The same of one so wide that its senders enter before they look, and see only now and then what
 * it took out: the room is exact when nothing moves. */
enum { WIDE = 4090, WIDE_REFUSED = 100 };

static void wide_fill(isle_isolate isolate)
{
    for (int i = 0; i < WIDE; i++)
        CHECK_ERR(isle_try_send(isolate.default_port, isle_int(0)), ISLE_OK);
    for (int i = 0; i < WIDE_REFUSED; i++)
        CHECK_ERR(isle_try_send(isolate.default_port, isle_int(0)), ISLE_EFULL);
}

static const isle_options wide = {.paused = true, .mailbox_max_messages = WIDE};

TEST_ROOT(a_wide_mailbox_has_all_of_its_room)
{
    int64_t lives = rounds(300, 3000, 3000);

    for (int64_t life = 0; life < lives; life++) {
        ISLE_SCOPE;
        isle_isolate next = isle_spawn(counts_to_five, isle_null(), &wide);

        wide_fill(next);
        isle_kill(next, ISLE_IMMEDIATE);
        settle();
    }
}
TEST_TIMEOUT(a_wide_mailbox_has_all_of_its_room, 120);

static void answers_ports(isle_value message, void *context)
{
    (void)context;
    if (isle_kind_of(message) == ISLE_SEND_PORT)
        isle_send(isle_as_port(message), isle_null());
}

static void reads_all(isle_value message)
{
    (void)message;
    isle_port_listen(isle_default_port(), answers_ports, NULL);
}

/* What was refused takes no room once the rest was read. */
TEST_ROOT(who_was_refused_at_a_wide_mailbox_takes_none_of_its_room)
{
    isle_isolate isolate = isle_spawn(reads_all, isle_null(), &wide);
    isle_receive_port *answers = isle_port_open();

    wide_fill(isolate);
    isle_resume(isolate, isolate.pause_capability);
    while (isle_try_send(isolate.default_port, isle_port(isle_port_send_port(answers))) != ISLE_OK)
        isle_sleep(0);
    check_null(isle_port_receive(answers)); /* it has read all */
    isle_pause(isolate, isolate.pause_capability);
    for (int i = 0; i < WIDE;)
        if (isle_try_send(isolate.default_port, isle_int(0)) == ISLE_OK)
            i++;
        else
            isle_sleep(0); /* until it is idle, and has shown what it took out */
    isle_kill(isolate, ISLE_IMMEDIATE);
    isle_port_close(answers);
}

/* --- undelivered, by cause */

TEST_ROOT(a_message_to_a_closed_port_is_counted)
{
    isle_receive_port *port = isle_port_open();
    isle_send_port to = isle_port_send_port(port);
    isle_value lost = isle_string("lost");
    isle_stats before;

    isle_port_close(port);
    before = stats_now();
    isle_send(to, lost);
    CHECK_UINT(stats_now().dropped_closed, before.dropped_closed + 1);
    CHECK_UINT(stats_now().dropped_dead, before.dropped_dead);
    CHECK_UINT(stats_now().memory, before.memory);
}

TEST_ROOT(messages_that_wait_in_a_port_that_closes_are_counted)
{
    isle_receive_port *port = isle_port_open(), *marker = isle_port_open();
    uint64_t before = stats_now().dropped_closed;

    for (int i = 0; i < 5; i++)
        isle_send(isle_port_send_port(port), isle_int(i));
    isle_send(isle_port_send_port(marker), isle_null());
    isle_port_close(port);
    check_null(isle_port_receive(marker));
    isle_port_close(marker);
    CHECK_UINT(stats_now().dropped_closed, before + 5);
    CHECK_UINT(isle_mailbox_count(), 0);
}

TEST_ROOT(messages_that_an_isolate_did_not_come_to_are_counted_dead)
{
    isle_isolate isolate = sleeper(0, 0, 0);
    uint64_t before = stats_now().dropped_dead;

    for (int i = 0; i < 5; i++)
        isle_send(isolate.default_port, isle_int(i));
    sleeper_stop(isolate);
    CHECK_UINT(stats_now().dropped_dead, before + 5);
}

TEST_ROOT(a_message_to_an_isolate_that_has_ended_is_counted_dead)
{
    isle_isolate isolate = sleeper(0, 0, 0);
    isle_receive_port *over = isle_port_open();
    isle_stats before;

    isle_add_exit_listener(isolate, isle_port_send_port(over), isle_null());
    isle_kill(isolate, ISLE_IMMEDIATE);
    check_null(isle_port_receive(over));
    before = stats_now();
    isle_send(isolate.default_port, isle_int(1));
    CHECK_UINT(stats_now().dropped_dead, before.dropped_dead + 1);
    CHECK_UINT(stats_now().dropped_closed, before.dropped_closed);
    isle_port_close(over);
    settle();
}

/* Nothing is counted that was delivered, or that is no message. */
TEST_ROOT(what_goes_well_is_not_counted)
{
    isle_receive_port *port = isle_port_open();
    isle_stats before = stats_now(), after;

    for (int i = 0; i < 10; i++) {
        ISLE_SCOPE;
        isle_isolate isolate;

        CHECK_INT(isle_as_int(isle_await(isle_run(nothing, isle_int(i), NULL))), i);
        isolate = isle_spawn(idle_entry, isle_null(),
                             &(isle_options){.on_exit = isle_port_send_port(port)});
        check_null(isle_port_receive(port));
        isle_kill(isolate, ISLE_IMMEDIATE);
    }
    settle();
    after = stats_now();
    CHECK_UINT(after.dropped_closed, before.dropped_closed);
    CHECK_UINT(after.dropped_dead, before.dropped_dead);
    CHECK_UINT(after.dropped_late, before.dropped_late);
    CHECK_UINT(after.refused_full, before.refused_full);
    isle_port_close(port);
}

static isle_value always_fails(isle_value argument)
{
    isle_throwf("%s", isle_as_string(argument));
}

TEST_ROOT(a_run_that_fails_is_told_once)
{
    isle_stats before = stats_now(), after;

    CHECK_ERR(isle_try_await(isle_run(always_fails, isle_string("no"), NULL), ISLE_FOREVER, NULL),
              ISLE_ETHROWN);
    CHECK_STRING(isle_error_text(isle_last_error()), "no");
    settle();
    after = stats_now();
    CHECK_UINT(after.dropped_late, before.dropped_late);
    CHECK_UINT(after.dropped_closed, before.dropped_closed);
}

static void fails(void *context)
{
    (void)context;
    isle_throwf("beside");
}

static isle_value fails_beside(isle_value argument)
{
    isle_timer_start(0, fails, NULL);
    isle_sleep(ISLE_SECONDS(1000));
    return argument;
}

TEST_ROOT(a_run_that_fails_beside_its_computation_is_told_once)
{
    isle_stats before = stats_now(), after;

    CHECK_ERR(isle_try_await(isle_run(fails_beside, isle_null(), NULL), ISLE_FOREVER, NULL),
              ISLE_EREMOTE);
    CHECK_STRING(isle_error_text(isle_last_error()), "beside");
    settle();
    after = stats_now();
    CHECK_UINT(after.dropped_late, before.dropped_late);
    CHECK_UINT(after.dropped_closed, before.dropped_closed);
}

TEST_ROOT(a_sized_send_tells_what_the_message_weighs)
{
    isle_receive_port *port = isle_port_open();
    isle_value values[] = {isle_int(5), isle_string("text"), isle_bytes(NULL, 100000),
                           isle_transferable(50000)};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        size_t before = isle_memory_used(), size = 0;
        CHECK_ERR(isle_try_send_sized(isle_port_send_port(port), values[i], &size), ISLE_OK);
        if (i < 3) /* a transferable has left this heap */
            CHECK_UINT(isle_memory_used() - before, size);
        else
            CHECK(size > 50000 && size < 60000);
    }
    isle_port_close(port);
}

TEST_ROOT(many_entries_of_a_list_are_written_and_read_at_once)
{
    isle_value values[] = {isle_int(1), isle_string("two"), isle_pack("[i]", 3)}, read[3];
    isle_value list = isle_list_of(values, 3), kept = isle_keep(list);
    CHECK_VALUE(list, isle_pack("[i,s,[i]]", 1, "two", 3));
    isle_list_read(kept, 1, 2, read);
    CHECK_STRING(isle_as_string(read[0]), "two");
    CHECK_INT(isle_count(read[1]), 1);
    isle_list_read(kept, 3, 0, NULL);
    CHECK_INT(isle_count(isle_list_of(NULL, 0)), 0);
    isle_list_write(kept, 1, 2, (isle_value[]){isle_null(), isle_pack("[s]", "new")});
    isle_list_write(kept, 3, 0, NULL);
    CHECK_VALUE(kept, isle_pack("[i,n,[s]]", 1, "new"));
    isle_release(kept);
}

/* Of one kind, but for one entry that needs memory, or is null, or is of another kind. */
static isle_value list_but_for(size_t count, isle_value all, size_t at, isle_value other)
{
    isle_value list = isle_list_fixed(count);
    for (size_t i = 0; i < count; i++)
        isle_list_set(list, i, i == at ? other : all);
    return list;
}

static void check_copies(isle_receive_port *port, isle_value list, size_t count)
{
    isle_value values[40], copy = isle_list_fixed(count), kept = isle_keep(list);
    isle_list_read(list, 0, count, values);
    isle_list_write(copy, 0, count, values);
    CHECK_VALUE(copy, list);
    CHECK_VALUE(kept, list);
    isle_list_read(kept, 0, count, values);
    CHECK_VALUE(isle_list_of(values, count), list);
    isle_send(isle_port_send_port(port), kept);
    CHECK_VALUE(isle_port_receive(port), list);
    isle_release(kept);
}

TEST_ROOT(lists_whose_entries_are_alike_but_for_one_are_copied_whole)
{
    isle_receive_port *port = isle_port_open();
    for (size_t count = 0; count < 40; count += count < 20 ? 1 : 19)
        for (size_t at = 0; at <= count; at++) {
            ISLE_SCOPE;
            isle_value entries[] = {isle_null(),         isle_int(-7),
                                    isle_double(0.5),    isle_port(isle_port_send_port(port)),
                                    isle_int(INT64_MAX), isle_string("text"),
                                    isle_list()};
            for (size_t all = 0; all < 6; all++)
                for (size_t other = 0; other < 7; other++)
                    check_copies(port, list_but_for(count, entries[all], at, entries[other]),
                                 count);
        }
    isle_port_close(port);
}

TEST_ROOT(a_pointer_of_the_program_is_found_wherever_it_stands_in_a_list)
{
    static int own;
    isle_receive_port *port = isle_port_open();
    for (size_t at = 0; at < 20; at++) {
        isle_value list = list_but_for(20, isle_int(1), at, isle_pointer(&own));
        CHECK_ERR(isle_try_send(isle_port_send_port(port), list), ISLE_EUNSENDABLE);
    }
    isle_port_close(port);
}

TEST_ROOT(immediates_are_what_needs_no_memory)
{
    CHECK(isle_is_immediate(isle_null()));
    CHECK(isle_is_immediate(isle_bool(true)));
    CHECK(isle_is_immediate(isle_int(-5)));
    CHECK(isle_is_immediate(isle_port(isle_current().default_port)));
    CHECK(isle_is_immediate(isle_double(0.5)));
    CHECK(!isle_is_immediate(isle_int(INT64_MAX)));
    CHECK(!isle_is_immediate(isle_string("text")));
    CHECK(!isle_is_immediate(isle_freeze(isle_string("text"))));
    CHECK(!isle_is_immediate(isle_list()));
    CHECK(!isle_is_immediate(isle_pointer(NULL)));
}

/* --- never blocks: a receiver that is stuck in a system call takes what its mailbox holds */

static sem_t stuck_semaphore;

static void stuck(isle_value message)
{
    (void)message;
    semaphore_wait(&stuck_semaphore);
}

TEST_ROOT(sending_does_not_wait_for_a_stuck_receiver)
{
    needs_shared_program();
    isle_isolate isolate;

    sem_init(&stuck_semaphore, 0, 0);
    isolate = isle_spawn(stuck, isle_null(), &(isle_options){.mailbox_max_messages = 100});
    CHECK_UINT(fill(isolate.default_port, isle_int(1), 1000), 100);
    sem_post(&stuck_semaphore);
    settle();
}

TEST_MAIN()
