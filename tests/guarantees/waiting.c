/* SPDX-License-Identifier: Apache-2.0 */
/* Sends that wait for room: they are delivered in their order and once, are charged to who waits,
 * and are over when the receiver ends, the time is, or nobody wants them any more. */
#include "guarantees.h"

static isle_receive_port *bounded(size_t messages)
{
    return isle_port_open_with(&(isle_port_options){.max_messages = messages});
}

static isle_port_stats read_port(const isle_receive_port *port)
{
    isle_port_stats stats;

    isle_port_stats_read(port, &stats);
    return stats;
}

/* Takes messages of the isolate without running another event. */
static void sort_in(void)
{
    isle_receive_port *port = isle_port_open();

    CHECK(port_is_empty(port));
    isle_port_close(port);
}

static void idle_entry(isle_value message)
{
    (void)message;
}

static isle_isolate sleeper(size_t messages)
{
    return isle_spawn(idle_entry, isle_null(),
                      &(isle_options){.paused = true, .mailbox_max_messages = messages});
}

/* --- within one isolate */

TEST_ROOT(with_room_it_does_not_wait)
{
    isle_receive_port *port = isle_port_open();
    isle_future *sent = isle_send_wait(isle_port_send_port(port), isle_string("x"), ISLE_FOREVER);

    CHECK(isle_future_is_complete(sent));
    check_null(isle_await(sent));
    CHECK_STRING(isle_as_string(isle_port_receive(port)), "x");
    CHECK_UINT(stats_now().waiting, 0);
    isle_port_close(port);
}

TEST_ROOT(it_is_let_in_when_there_is_room)
{
    isle_receive_port *port = bounded(2);
    isle_send_port to = isle_port_send_port(port);
    isle_future *sent[5];

    for (int i = 0; i < 5; i++)
        sent[i] = isle_send_wait(to, isle_int(i), ISLE_FOREVER);
    CHECK(isle_future_is_complete(sent[1]));
    CHECK(!isle_future_is_complete(sent[2]));
    CHECK_UINT(read_port(port).senders, 3);
    CHECK_UINT(stats_now().waiting, 3);
    CHECK_ERR(isle_try_send(to, isle_int(9)), ISLE_EFULL); /* nobody passes */
    for (int i = 0; i < 5; i++) {
        CHECK_INT(receive_int(port), i);
        if (i + 2 < 5)
            check_null(isle_await(sent[i + 2]));
        CHECK(read_port(port).messages <= 2);
    }
    CHECK(port_is_empty(port));
    CHECK_UINT(stats_now().waiting, 0);
    CHECK_ERR(isle_try_send(to, isle_int(9)), ISLE_OK);
    isle_port_close(port);
}

/* A full mailbox, of messages for another port, is waited for as well. */
static void full_of_others(isle_value to)
{
    isle_receive_port *own = isle_default_port(), *other = isle_port_open();
    isle_future *sent;
    isle_value message;

    isle_send(isle_port_send_port(other), isle_int(1));
    isle_send(isle_port_send_port(other), isle_int(2));
    CHECK_ERR(isle_try_send(isle_port_send_port(own), isle_int(3)), ISLE_EFULL);
    sent = isle_send_wait(isle_port_send_port(own), isle_int(4), ISLE_FOREVER);
    CHECK(!isle_future_is_complete(sent));
    CHECK(port_is_empty(own));
    CHECK_INT(receive_int(other), 1);
    CHECK_ERR(isle_port_try_receive(own, 0, &message), ISLE_OK); /* at once, not after a rest */
    CHECK_INT(isle_as_int(message), 4);
    check_null(isle_await(sent));
    CHECK_INT(receive_int(other), 2);
    isle_port_close(own);
    isle_port_close(other);
    isle_send(isle_as_port(to), isle_bool(true));
}

TEST_ROOT(a_full_mailbox_is_waited_for)
{
    isle_receive_port *port = isle_port_open();

    isle_spawn(full_of_others, isle_port_value(port),
               &(isle_options){.mailbox_max_messages = 2, .on_exit = isle_port_send_port(port)});
    CHECK(isle_as_bool(isle_port_receive(port)));
    check_null(isle_port_receive(port));
    isle_port_close(port);
}

/* --- how it ends */

TEST_ROOT(what_is_canceled_is_not_delivered)
{
    isle_receive_port *port = bounded(1);
    isle_send_port to = isle_port_send_port(port);
    uint64_t dropped = stats_now().dropped_waiting;
    isle_future *first, *second;

    isle_send(to, isle_int(0));
    first = isle_send_wait(to, isle_int(1), ISLE_FOREVER);
    second = isle_send_wait(to, isle_int(2), ISLE_FOREVER);
    isle_future_cancel(first);
    CHECK_ERR(isle_try_await(first, ISLE_FOREVER, NULL), ISLE_ECANCELED);
    CHECK_UINT(stats_now().dropped_waiting, dropped + 1);
    CHECK_INT(receive_int(port), 0);
    CHECK_INT(receive_int(port), 2);
    check_null(isle_await(second));
    CHECK(port_is_empty(port));
    isle_port_close(port);
}

/* Who is canceled after he was let in was let in: that is what his future says. */
TEST_ROOT(what_was_let_in_cannot_be_canceled)
{
    isle_receive_port *port = bounded(1);
    isle_send_port to = isle_port_send_port(port);
    uint64_t dropped = stats_now().dropped_waiting, late = stats_now().dropped_late;
    isle_future *sent;

    isle_send(to, isle_int(0));
    sent = isle_send_wait(to, isle_int(1), ISLE_FOREVER);
    sort_in();
    CHECK_INT(receive_int(port), 0);
    isle_future_cancel(sent);
    CHECK_ERR(isle_try_await(sent, ISLE_FOREVER, NULL), ISLE_OK);
    CHECK_INT(receive_int(port), 1);
    CHECK_UINT(stats_now().dropped_waiting, dropped);
    CHECK_UINT(stats_now().dropped_late, late);
    isle_port_close(port);
}

TEST_ROOT(the_time_is_over)
{
    isle_receive_port *port = bounded(1);
    isle_send_port to = isle_port_send_port(port);
    isle_future *sent;

    isle_send(to, isle_int(0));
    sent = isle_send_wait(to, isle_int(1), ISLE_MS(1));
    CHECK_ERR(isle_try_await(sent, ISLE_FOREVER, NULL), ISLE_ETIMEDOUT);
    CHECK_INT(receive_int(port), 0);
    CHECK(port_is_empty(port));
    CHECK_UINT(stats_now().waiting, 0);
    isle_port_close(port);
}

TEST_ROOT(a_closed_port_ends_the_wait)
{
    isle_receive_port *port = bounded(1), *gone = isle_port_open();
    isle_send_port to = isle_port_send_port(port), nowhere = isle_port_send_port(gone);
    uint64_t dropped = stats_now().dropped_closed;
    isle_future *sent;

    isle_send(to, isle_int(0));
    sent = isle_send_wait(to, isle_string("waits"), ISLE_FOREVER);
    isle_port_close(port);
    CHECK_ERR(isle_try_await(sent, ISLE_FOREVER, NULL), ISLE_ECLOSED);
    isle_port_close(gone);
    sent = isle_send_wait(nowhere, isle_string("comes too late"), ISLE_FOREVER);
    CHECK_ERR(isle_try_await(sent, ISLE_FOREVER, NULL), ISLE_ECLOSED);
    CHECK_UINT(stats_now().dropped_closed, dropped + 3);
}

TEST_ROOT(the_receivers_end_ends_the_wait)
{
    isle_isolate isolate = sleeper(1);
    isle_future *sent[3];

    isle_send(isolate.default_port, isle_int(0));
    for (int i = 0; i < 3; i++)
        sent[i] = isle_send_wait(isolate.default_port, isle_int(i), ISLE_FOREVER);
    CHECK_UINT(stats_now().waiting, 3);
    isle_kill(isolate, ISLE_IMMEDIATE);
    for (int i = 0; i < 3; i++)
        CHECK_ERR(isle_try_await(sent[i], ISLE_FOREVER, NULL), ISLE_ECLOSED);
    CHECK_UINT(stats_now().waiting, 0);
    settle();
}

static void waits_for_ever(isle_value to)
{
    (void)isle_await(isle_send_wait(isle_as_port(to), isle_bytes(NULL, 100000), ISLE_FOREVER));
}

/* The sender can be killed while it waits; its message goes with it, and the next has its turn. */
TEST_ROOT(the_senders_end_drops_what_waits)
{
    isle_receive_port *port = bounded(1), *exits = isle_port_open();
    isle_send_port to = isle_port_send_port(port);
    uint64_t dropped = stats_now().dropped_waiting;
    isle_isolate sender;
    isle_future *sent;

    isle_send(to, isle_int(0));
    sender = isle_spawn(waits_for_ever, isle_port(to),
                        &(isle_options){.on_exit = isle_port_send_port(exits)});
    while (read_port(port).senders == 0)
        isle_sleep(0);
    sent = isle_send_wait(to, isle_int(1), ISLE_FOREVER);
    isle_kill(sender, ISLE_IMMEDIATE);
    check_null(isle_port_receive(exits));
    CHECK_INT(receive_int(port), 0);
    CHECK_INT(receive_int(port), 1);
    check_null(isle_await(sent));
    while (stats_now().dropped_waiting == dropped)
        isle_sleep(0);
    CHECK_UINT(stats_now().dropped_waiting, dropped + 1);
    CHECK(port_is_empty(port));
    isle_port_close(port);
    isle_port_close(exits);
}

/* --- refused at once */

static isle_value wait_with_large(isle_value port)
{
    (void)isle_send_wait(isle_as_port(port), isle_bytes(NULL, 10000), ISLE_FOREVER);
    return isle_null();
}

static isle_value wait_with_pointer(isle_value port)
{
    static int target;

    (void)isle_send_wait(isle_as_port(port), isle_pointer(&target), ISLE_FOREVER);
    return isle_null();
}

static isle_value wait_for_none(isle_value port)
{
    (void)port;
    (void)isle_send_wait(isle_send_port_none(), isle_null(), ISLE_FOREVER);
    return isle_null();
}

TEST_ROOT(what_can_never_be_sent_is_refused)
{
    isle_receive_port *port = isle_port_open_with(&(isle_port_options){.max_bytes = 4096});

    CHECK_ERR(isle_try(wait_with_large, isle_port_value(port), NULL), ISLE_EFULL);
    CHECK_ERR(isle_try(wait_with_pointer, isle_port_value(port), NULL), ISLE_EUNSENDABLE);
    CHECK_ERR(isle_try(wait_for_none, isle_null(), NULL), ISLE_EINVAL);
    CHECK(port_is_empty(port));
    CHECK_UINT(stats_now().waiting, 0);
    isle_port_close(port);
}

/* --- order, transferables, charge */

TEST_ROOT(what_it_takes_along_arrives)
{
    isle_receive_port *port = bounded(1);
    isle_send_port to = isle_port_send_port(port);
    isle_value transferable = isle_transferable(1000);
    isle_future *sent;

    memset(isle_transferable_data(transferable), 3, 1000);
    isle_send(to, isle_null());
    sent = isle_send_wait(to, transferable, ISLE_FOREVER);
    check_null(isle_port_receive(port));
    CHECK_INT(isle_count(isle_materialize(isle_port_receive(port))), 1000);
    check_null(isle_await(sent));
    isle_port_close(port);
}

TEST_ROOT(it_is_charged_to_who_waits)
{
    isle_isolate isolate = sleeper(1);
    isle_value message = isle_bytes(NULL, 1 << 20);
    size_t used;
    isle_future *sent;

    isle_send(isolate.default_port, isle_int(0));
    used = isle_memory_used();
    sent = isle_send_wait(isolate.default_port, message, ISLE_FOREVER);
    CHECK(isle_memory_used() >= used + (1 << 20));
    isle_future_cancel(sent);
    CHECK(isle_memory_used() < used + 10000);
    CHECK_ERR(isle_try_await(sent, 0, NULL), ISLE_ECANCELED);
    isle_kill(isolate, ISLE_IMMEDIATE);
    settle();
}

/* A small message behind a large one waits for its turn. */
TEST_ROOT(a_small_message_does_not_pass_a_large_one)
{
    isle_receive_port *port = isle_port_open_with(&(isle_port_options){.max_bytes = 1 << 20});
    isle_send_port to = isle_port_send_port(port);
    isle_future *large, *small;

    isle_send(to, isle_bytes(NULL, 1000));
    large = isle_send_wait(to, isle_bytes(NULL, (1 << 20) - 500), ISLE_FOREVER);
    small = isle_send_wait(to, isle_int(1), ISLE_FOREVER);
    CHECK(!isle_future_is_complete(large) && !isle_future_is_complete(small));
    CHECK_INT(isle_count(isle_port_receive(port)), 1000);
    CHECK_INT(isle_count(isle_port_receive(port)), (1 << 20) - 500);
    CHECK_INT(receive_int(port), 1);
    check_null(isle_await(large));
    check_null(isle_await(small));
    isle_port_close(port);
}

/* --- between isolates */

enum { ROUNDS = 300 };

/* Sends numbers, one after the other, each when the last is in. */
static void producer(isle_value to)
{
    for (int i = 0; i < ROUNDS; i++) {
        ISLE_SCOPE;
        (void)isle_await(isle_send_wait(isle_as_port(to), isle_int(i), ISLE_FOREVER));
    }
}

/* Sends them all at once: they wait beside each other, and keep their order. */
static void hasty_producer(isle_value to)
{
    for (int i = 0; i < ROUNDS; i++)
        (void)isle_send_wait(isle_as_port(to), isle_int(i), ISLE_FOREVER);
}

static void check_producers(isle_entry *entry, int count)
{
    isle_receive_port *port = bounded(2), *exits = isle_port_open();
    int64_t received = 0;

    for (int i = 0; i < count; i++)
        isle_spawn(entry, isle_port_value(port),
                   &(isle_options){.on_exit = isle_port_send_port(exits)});
    while (received < (int64_t)count * ROUNDS) {
        ISLE_SCOPE;
        int64_t number = receive_int(port);

        if (count == 1)
            CHECK_INT(number, received);
        received++;
        CHECK(read_port(port).messages <= 2);
    }
    for (int i = 0; i < count; i++)
        check_null(isle_port_receive(exits));
    CHECK(port_is_empty(port));
    CHECK_UINT(read_port(port).senders, 0);
    isle_port_close(port);
    isle_port_close(exits);
}

TEST_ROOT(a_producer_goes_at_its_consumers_speed)
{
    check_producers(producer, 1);
}

TEST_ROOT(messages_that_wait_keep_their_order)
{
    check_producers(hasty_producer, 1);
}

TEST_ROOT(many_producers_share_two_places)
{
    check_producers(producer, 10);
    check_producers(hasty_producer, 10);
}

static void one_of_many(isle_value message)
{
    isle_send_port to = isle_as_port(isle_list_get(message, 0));

    (void)isle_await(isle_send_wait(to, isle_list_get(message, 1), ISLE_FOREVER));
}

/* So many that all but two of them are in line: each comes once. */
TEST_ROOT(ten_thousand_wait_at_one_port)
{
    static bool has_come[10000];
    const int count = (int)rounds(10000, 10000, 10000);
    isle_receive_port *port = bounded(2);

    left_out_behind_a_wall("so many processes");
    memset(has_come, 0, sizeof has_come);
    for (int i = 0; i < count; i++) {
        ISLE_SCOPE;
        isle_value message = isle_list();

        isle_list_add(message, isle_port_value(port));
        isle_list_add(message, isle_int(i));
        isle_spawn(one_of_many, message, NULL);
    }
    for (int i = 0; i < count; i++) {
        int64_t number = receive_int(port);

        CHECK(!has_come[number]);
        has_come[number] = true;
    }
    settle();
    CHECK(port_is_empty(port));
    CHECK_UINT(read_port(port).refused, 0);
    isle_port_close(port);
}
TEST_TIMEOUT(ten_thousand_wait_at_one_port, 120);

/* Each handler answers with two, by a send that waits: both mailboxes have two places. */
struct mutual {
    isle_send_port other, told;
    int64_t left;
    int64_t received;
};

static void mutual_handler(isle_value message, void *context)
{
    struct mutual *mutual = context;

    (void)message;
    if (++mutual->received == ROUNDS)
        isle_send(mutual->told, isle_null());
    for (int i = 0; i < 2 && mutual->left > 0; i++, mutual->left--)
        (void)isle_send_wait(mutual->other, isle_int(mutual->left), ISLE_FOREVER);
}

static void mutual_entry(isle_value told)
{
    struct mutual *mutual = isle_alloc(sizeof *mutual);

    *mutual = (struct mutual){.told = isle_as_port(told), .left = ROUNDS};
    mutual->other = isle_as_port(isle_port_receive(isle_default_port()));
    isle_port_listen(isle_default_port(), mutual_handler, mutual);
}

static isle_isolate spawn_mutual(isle_receive_port *told)
{
    return isle_spawn(mutual_entry, isle_port_value(told),
                      &(isle_options){.mailbox_max_messages = 2});
}

/* Both are over each other's limit nearly always, and both go on receiving: neither is stuck. */
TEST_ROOT(two_that_overflow_each_other_do_not_deadlock)
{
    isle_receive_port *told = isle_port_open();
    isle_isolate one = spawn_mutual(told), other = spawn_mutual(told);

    isle_send(one.default_port, isle_port(other.default_port));
    isle_send(other.default_port, isle_port(one.default_port));
    check_null(isle_await(isle_send_wait(one.default_port, isle_int(0), ISLE_FOREVER)));
    check_null(isle_await(isle_send_wait(other.default_port, isle_int(0), ISLE_FOREVER)));
    check_null(isle_port_receive(told));
    check_null(isle_port_receive(told));
    isle_kill(one, ISLE_IMMEDIATE);
    isle_kill(other, ISLE_IMMEDIATE);
    isle_port_close(told);
    settle();
}

/* --- two pairs that know nothing of each other */

static void stuck_consumer(isle_value told)
{
    isle_receive_port *port = bounded(1), *go = isle_port_open();

    isle_send(isle_as_port(told), isle_port_value(port));
    isle_send(isle_as_port(told), isle_port_value(go));
    check_null(isle_port_receive(go));
    for (int i = 0; i < ROUNDS; i++) {
        ISLE_SCOPE;
        CHECK_INT(receive_int(port), i);
    }
    isle_port_close(port);
    isle_port_close(go);
    isle_send(isle_as_port(told), isle_bool(true));
}

static isle_value same(isle_value request, void *context)
{
    (void)context;
    return request;
}

static void echo(isle_value message)
{
    (void)message;
    isle_port_serve(isle_default_port(), same, NULL);
}

static void pinging(isle_value message)
{
    isle_send_port to = isle_as_port(isle_list_get(message, 0));

    for (int i = 0; i < ROUNDS; i++) {
        ISLE_SCOPE;
        CHECK_INT(isle_as_int(isle_await(isle_call(to, isle_int(i), ISLE_FOREVER))), i);
    }
    isle_send(isle_as_port(isle_list_get(message, 1)), isle_bool(true));
}

/* One pair's receiver takes nothing, its sender is over its limit: the other talks as ever. */
TEST_ROOT(two_pairs_do_not_hold_each_other_up)
{
    isle_receive_port *told = isle_port_open();
    isle_value message = isle_list();
    isle_send_port narrow, go;

    isle_spawn(stuck_consumer, isle_port_value(told), NULL);
    narrow = isle_as_port(isle_port_receive(told));
    go = isle_as_port(isle_port_receive(told));
    isle_spawn(hasty_producer, isle_port(narrow), NULL);
    isle_isolate server = isle_spawn(echo, isle_null(), NULL);
    isle_list_add(message, isle_port(server.default_port));
    isle_list_add(message, isle_port_value(told));
    isle_spawn(pinging, message, NULL);
    CHECK(isle_as_bool(isle_port_receive(told)));
    isle_send(go, isle_null());
    CHECK(isle_as_bool(isle_port_receive(told)));
    isle_kill(server, ISLE_IMMEDIATE);
    isle_port_close(told);
    settle();
}

/* --- through walls, where there are any (the processes' build of this file) */

/* Its port has two places; all that waits there comes, in order. */
static void narrow_consumer(isle_value told)
{
    isle_receive_port *port = bounded(2);

    isle_send(isle_as_port(told), isle_port_value(port));
    for (int i = 0; i < ROUNDS; i++) {
        ISLE_SCOPE;
        CHECK_INT(receive_int(port), i);
        CHECK(read_port(port).messages <= 2);
    }
    CHECK_UINT(read_port(port).refused, 0);
    isle_port_close(port);
    isle_send(isle_as_port(told), isle_bool(true));
}

static isle_send_port spawn_consumer(isle_receive_port *told)
{
    isle_spawn(narrow_consumer, isle_port_value(told),
               &(isle_options){.on_exit = isle_port_send_port(told), .mailbox_max_messages = 8});
    return isle_as_port(isle_port_receive(told));
}

TEST_ROOT(a_narrow_port_elsewhere_is_waited_for)
{
    isle_receive_port *told = isle_port_open();
    isle_send_port to = spawn_consumer(told);

    for (int i = 0; i < ROUNDS; i++) {
        ISLE_SCOPE;
        (void)isle_await(isle_send_wait(to, isle_int(i), ISLE_FOREVER));
    }
    CHECK(isle_as_bool(isle_port_receive(told)));
    check_null(isle_port_receive(told));
    isle_port_close(told);
}

TEST_ROOT(siblings_wait_for_each_other)
{
    isle_receive_port *told = isle_port_open();
    isle_send_port to = spawn_consumer(told);

    isle_spawn(producer, isle_port(to), NULL);
    CHECK(isle_as_bool(isle_port_receive(told)));
    check_null(isle_port_receive(told));
    isle_port_close(told);
    settle();
}

static void impatient(isle_value message)
{
    isle_future *sent =
        isle_send_wait(isle_as_port(isle_list_get(message, 0)), isle_bytes(NULL, 5000), ISLE_MS(1));
    isle_err err = isle_try_await(sent, ISLE_FOREVER, NULL);

    isle_send(isle_as_port(isle_list_get(message, 1)), isle_int(err));
}

/* What somebody elsewhere gave up is not delivered when there is room at last. */
TEST_ROOT(a_wait_that_is_over_elsewhere_is_over_here)
{
    isle_receive_port *port = bounded(1), *told = isle_port_open();
    isle_value message = isle_list();

    isle_list_add(message, isle_port_value(port));
    isle_list_add(message, isle_port_value(told));
    isle_send(isle_port_send_port(port), isle_int(0));
    isle_spawn(impatient, message, NULL);
    CHECK_INT(receive_int(told), ISLE_ETIMEDOUT);
    CHECK_INT(receive_int(port), 0);
    CHECK(port_is_empty(port));
    CHECK_UINT(read_port(port).senders, 0);
    CHECK_UINT(stats_now().waiting, 0);
    isle_port_close(port);
    isle_port_close(told);
    settle();
}

#ifdef GUARANTEES_PROCESS
enum { FLOOD = 5000 };

static void flood(isle_value message)
{
    isle_future *last = NULL;
    isle_err err;

    for (int i = 0; i < FLOOD; i++)
        last = isle_send_wait(isle_as_port(isle_list_get(message, 0)), isle_int(i), ISLE_FOREVER);
    err = isle_try_await(last, ISLE_FOREVER, NULL);
    isle_send(isle_as_port(isle_list_get(message, 1)), isle_int(err));
    (void)isle_port_receive(isle_default_port()); /* until it is killed */
}

/* Only so much of one isolate waits on the other side of its wall. */
TEST_ROOT(who_is_behind_a_wall_has_so_much_wait)
{
    isle_receive_port *port = bounded(1), *told = isle_port_open();
    isle_value message = isle_list();
    isle_isolate sender;

    isle_list_add(message, isle_port_value(port));
    isle_list_add(message, isle_port_value(told));
    isle_send(isle_port_send_port(port), isle_int(-1));
    sender = isle_spawn(flood, message, NULL);
    CHECK_INT(receive_int(told), ISLE_ENOMEM);
    CHECK_UINT(read_port(port).senders, 4096);
    isle_kill(sender, ISLE_IMMEDIATE);
    settle();
    CHECK_INT(receive_int(port), -1); /* the sender has ended: what waits is dropped */
    CHECK(port_is_empty(port));
    CHECK_UINT(stats_now().waiting, 0);
    isle_port_close(port);
    isle_port_close(told);
}
#endif

/* --- leaks */

static void wait_and_end(isle_value to)
{
    for (int i = 0; i < 10; i++)
        (void)isle_send_wait(isle_as_port(to), isle_bytes(NULL, 1000), ISLE_FOREVER);
    isle_exit(isle_send_port_none(), isle_null());
}

static void wait_in_both_directions(void)
{
    isle_isolate isolate = sleeper(2);

    for (int i = 0; i < 5; i++)
        isle_spawn(wait_and_end, isle_port(isolate.default_port), NULL);
    while (stats_now().isolates > 2)
        isle_sleep(0);
    isle_kill(isolate, ISLE_IMMEDIATE);
    settle();
}

TEST_ROOT(waits_that_are_over_leave_nothing)
{
    uint64_t memory;

    needs_exact_memory();
    wait_in_both_directions();
    memory = memory_held();
    for (int i = 0; i < 20; i++)
        wait_in_both_directions();
    CHECK(memory_returns_to(memory));
    CHECK_UINT(stats_now().waiting, 0);
}

TEST_MAIN()
