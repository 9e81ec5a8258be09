/* SPDX-License-Identifier: Apache-2.0 */
/* Guarantee 1: order per sender-receiver pair, control before data, notices in data order, through
 * room that was reserved for them. */
#include "guarantees.h"

enum { SENDERS = 8 };

static void ordered_sender(isle_value message)
{
    int64_t id, count;
    isle_send_port to;

    isle_unpack(message, "[i,i,p!]", &id, &count, &to);
    for (int64_t i = 0; i < count; i++) {
        ISLE_SCOPE;
        isle_send(to, isle_pack("[i,i]", id, i));
    }
}

TEST_ROOT(eight_senders_are_each_received_in_order)
{
    isle_receive_port *port = isle_port_open();
    int64_t count = rounds(5000, 50000, 1000000), next[SENDERS] = {0};

    for (int64_t id = 0; id < SENDERS; id++)
        isle_spawn(ordered_sender, isle_pack("[i,i,o]", id, count, isle_port_value(port)), NULL);
    for (int64_t left = SENDERS * count; left > 0; left--) {
        ISLE_SCOPE;
        int64_t id, number;

        isle_unpack(isle_port_receive(port), "[i,i!]", &id, &number);
        CHECK(id >= 0 && id < SENDERS);
        CHECK_INT(number, next[id]);
        next[id]++;
    }
    CHECK(port_is_empty(port));
    isle_port_close(port);
}

/* One sender, two ports of one receiver: the pair is what is ordered, not the port. */
static void two_port_sender(isle_value message)
{
    isle_send_port first, second;

    isle_unpack(message, "[p,p!]", &first, &second);
    for (int i = 0; i < 2000; i++)
        isle_send(i % 3 == 0 ? second : first, isle_int(i));
}

TEST_ROOT(order_holds_across_the_ports_of_one_receiver)
{
    isle_receive_port *ports[] = {isle_port_open(), isle_port_open()};

    isle_spawn(two_port_sender,
               isle_pack("[o,o]", isle_port_value(ports[0]), isle_port_value(ports[1])), NULL);
    for (int i = 0; i < 2000; i++) {
        ISLE_SCOPE;
        isle_value message;
        isle_receive_port *from = isle_port_receive_any(ports, 2, ISLE_FOREVER, &message);

        CHECK_INT(isle_as_int(message), i);
        CHECK(from == ports[i % 3 == 0]);
    }
    isle_port_close(ports[0]);
    isle_port_close(ports[1]);
}

/* --- control before data: a receiver that is held in a handler while both are sent */

static sem_t held, released;

struct forwarder {
    isle_send_port to;
};
ISLE_LOCAL(struct forwarder, forwarder);

/* The first message holds the isolate, whoever comes then is told to the root. */
static void forward(isle_value message, void *context)
{
    (void)context;
    if (isle_is_null(message)) {
        sem_post(&held);
        semaphore_wait(&released);
    } else {
        isle_send(forwarder()->to, message);
    }
}

static void forwarding(isle_value to)
{
    forwarder()->to = isle_as_port(to);
    isle_port_listen(isle_default_port(), forward, NULL);
}

/* Held in a handler, with data waiting. */
static isle_isolate held_with_data(isle_receive_port *port, int count)
{
    isle_isolate isolate;

    sem_init(&held, 0, 0);
    sem_init(&released, 0, 0);
    isolate = isle_spawn(forwarding, isle_port_value(port), NULL);
    isle_send(isolate.default_port, isle_null());
    semaphore_wait(&held);
    for (int i = 0; i < count; i++)
        isle_send(isolate.default_port, isle_int(i));
    return isolate;
}

TEST_ROOT(control_goes_before_data_first_in_first_out)
{
    needs_shared_program();
    isle_receive_port *port = isle_port_open();
    isle_isolate isolate = held_with_data(port, 10);

    for (int i = 100; i < 110; i++)
        isle_ping(isolate, isle_port_send_port(port), isle_int(i), ISLE_BEFORE_NEXT_EVENT);
    sem_post(&released);
    for (int i = 100; i < 110; i++)
        CHECK_INT(receive_int(port), i);
    for (int i = 0; i < 10; i++)
        CHECK_INT(receive_int(port), i);
    isle_kill(isolate, ISLE_IMMEDIATE);
    isle_port_close(port);
}

TEST_ROOT(an_immediate_request_overtakes_one_before_the_next_event)
{
    needs_shared_program();
    isle_receive_port *port = isle_port_open();
    isle_isolate isolate = held_with_data(port, 0);

    isle_ping(isolate, isle_port_send_port(port), isle_int(2), ISLE_BEFORE_NEXT_EVENT);
    isle_ping(isolate, isle_port_send_port(port), isle_int(1), ISLE_IMMEDIATE);
    sem_post(&released);
    CHECK_INT(receive_int(port), 1);
    CHECK_INT(receive_int(port), 2);
    isle_kill(isolate, ISLE_IMMEDIATE);
    isle_port_close(port);
}

TEST_ROOT(a_kill_goes_before_data_that_was_sent_earlier)
{
    needs_shared_program();
    isle_receive_port *port = isle_port_open(), *over = isle_port_open();
    isle_isolate isolate = held_with_data(port, 10);

    isle_add_exit_listener(isolate, isle_port_send_port(over), isle_int(7));
    isle_kill(isolate, ISLE_BEFORE_NEXT_EVENT);
    sem_post(&released);
    CHECK_INT(receive_int(over), 7);
    settle();
    CHECK(port_is_empty(port));
    isle_port_close(port);
    isle_port_close(over);
}

TEST_ROOT(a_pause_goes_before_data_that_was_sent_earlier)
{
    needs_shared_program();
    isle_receive_port *port = isle_port_open();
    isle_isolate isolate = held_with_data(port, 3);
    isle_capability key = isle_pause(isolate, (isle_capability){0});

    sem_post(&released);
    for (int i = 0; i < 20; i++) {
        isle_ping(isolate, isle_port_send_port(port), isle_int(1000), ISLE_IMMEDIATE);
        CHECK_INT(receive_int(port), 1000);
    }
    isle_resume(isolate, key);
    for (int i = 0; i < 3; i++)
        CHECK_INT(receive_int(port), i);
    isle_kill(isolate, ISLE_IMMEDIATE);
    isle_port_close(port);
}

/* A flood of control is refused, not piled up, and does not stop what was accepted. */
static isle_value ping_null(isle_value isolate)
{
    isle_isolate target = isle_as_isolate(isolate);

    isle_ping(target, target.default_port, isle_null(), ISLE_BEFORE_NEXT_EVENT);
    return isle_null();
}

TEST_ROOT(control_is_capped)
{
    needs_shared_program();
    isle_receive_port *port = isle_port_open(), *over = isle_port_open();
    isle_isolate isolate = held_with_data(port, 0);
    isle_err err = ISLE_OK;
    int64_t accepted = 0;

    isle_add_exit_listener(isolate, isle_port_send_port(over), isle_int(7));
    for (; accepted < 1000000 && err == ISLE_OK; accepted++) {
        ISLE_SCOPE;
        err = isle_try(ping_null, isle_isolate_value(isolate), NULL);
    }
    CHECK_ERR(err, ISLE_EFULL);
    CHECK(accepted > 1000);
    isle_kill(isolate, ISLE_IMMEDIATE); /* first: it waits for the semaphore at each message */
    sem_post(&released);
    CHECK_INT(receive_int(over), 7);
    isle_port_close(port);
    isle_port_close(over);
}

/* --- last data, then error, then exit */

static void last_words(isle_value to)
{
    for (int i = 0; i < 500; i++)
        isle_send(isle_as_port(to), isle_int(i));
    isle_throwf("after %d", 500);
}

static void check_last_words(isle_receive_port *port)
{
    for (int i = 0; i < 500; i++) {
        ISLE_SCOPE;
        CHECK_INT(receive_int(port), i);
    }
    check_notice(isle_port_receive(port), "after 500");
    check_null(isle_port_receive(port));
}

TEST_ROOT(last_data_then_error_then_exit)
{
    isle_receive_port *port = isle_port_open();
    isle_send_port to = isle_port_send_port(port);

    for (int i = 0; i < 20; i++) {
        ISLE_SCOPE;
        isle_spawn(last_words, isle_port_value(port),
                   &(isle_options){.on_exit = to, .on_error = to});
        check_last_words(port);
    }
    isle_port_close(port);
}

static void last_words_and_exit(isle_value to)
{
    isle_send(isle_as_port(to), isle_int(1));
    isle_exit(isle_as_port(to), isle_int(2));
}

TEST_ROOT(data_then_the_final_message_then_exit)
{
    isle_receive_port *port = isle_port_open();

    isle_spawn(last_words_and_exit, isle_port_value(port),
               &(isle_options){.on_exit = isle_port_send_port(port)});
    CHECK_INT(receive_int(port), 1);
    CHECK_INT(receive_int(port), 2);
    check_null(isle_port_receive(port));
    isle_port_close(port);
}

/* --- reserved room: an isolate whose two-slot mailbox is full of data still gets what it was
 * promised */

static void throw_boom(void *context)
{
    (void)context;
    isle_throwf("boom");
}

static isle_value go_then_answer(isle_value request, void *go)
{
    (void)isle_port_receive(go);
    isle_schedule_microtask(throw_boom, NULL);
    return request;
}

/* Answers one request when the root says so, and fails right after. */
static void answering(isle_value root)
{
    isle_receive_port *go = isle_port_open();

    isle_send(isle_as_port(root), isle_port_value(go));
    isle_port_serve(isle_default_port(), go_then_answer, go);
}

/* [root, handle of answering]: asks it, listens to it, and is then held until the root has filled
 * its mailbox. */
static void crowded(isle_value message)
{
    isle_send_port root;
    isle_value other;
    isle_isolate asked;
    isle_receive_port *data = isle_port_open(), *notices = isle_port_open();
    isle_future *reply;

    isle_unpack(message, "[p,o!]", &root, &other);
    asked = isle_as_isolate(other);
    isle_add_error_listener(asked, isle_port_send_port(notices));
    isle_add_exit_listener(asked, isle_port_send_port(notices), isle_string("over"));
    reply = isle_call(asked.default_port, isle_int(7), ISLE_FOREVER);
    isle_send(root, isle_port_value(data));
    semaphore_wait(&released);
    CHECK_INT(isle_as_int(isle_await(reply)), 7);
    check_notice(isle_port_receive(notices), "boom");
    CHECK_STRING(isle_as_string(isle_port_receive(notices)), "over");
    CHECK_INT(receive_int(data), 1);
    CHECK_INT(receive_int(data), 2);
    CHECK(port_is_empty(data));
    CHECK(port_is_empty(notices));
    isle_send(root, isle_string("well"));
    isle_port_close(data);
    isle_port_close(notices);
}

TEST_ROOT(replies_and_notices_pass_a_full_mailbox)
{
    needs_shared_program();
    isle_receive_port *port = isle_port_open(), *over = isle_port_open();
    isle_isolate other;
    isle_send_port go, data;

    sem_init(&released, 0, 0);
    other = isle_spawn(answering, isle_port_value(port), NULL);
    go = isle_as_port(isle_port_receive(port));
    isle_spawn(crowded, isle_pack("[o,o]", isle_port_value(port), isle_isolate_value(other)),
               &(isle_options){.mailbox_max_messages = 2});
    data = isle_as_port(isle_port_receive(port));
    isle_send(data, isle_int(1));
    isle_send(data, isle_int(2));
    CHECK_ERR(isle_try_send(data, isle_int(3)), ISLE_EFULL);
    isle_add_exit_listener(other, isle_port_send_port(over), isle_int(5));
    isle_send(go, isle_null());
    CHECK_INT(receive_int(over), 5);
    sem_post(&released);
    CHECK_STRING(isle_as_string(isle_port_receive(port)), "well");
    isle_port_close(port);
    isle_port_close(over);
}

/* Pings, a run's result and a request's refusal need room as well. */
static isle_value seven(isle_value argument)
{
    (void)argument;
    return isle_int(7);
}

static void crowded_waiter(isle_value message)
{
    isle_send_port root;
    isle_value own;
    isle_receive_port *data = isle_port_open(), *pongs = isle_port_open();
    isle_future *result = isle_run(seven, isle_null(), NULL);
    isle_value error;

    isle_unpack(message, "[p,o!]", &root, &own);
    isle_ping(isle_current(), isle_port_send_port(pongs), isle_int(1), ISLE_BEFORE_NEXT_EVENT);
    isle_send(root, isle_port_value(data));
    semaphore_wait(&released);
    isle_future *refused = isle_call(isle_as_port(own), isle_null(), ISLE_FOREVER);
    CHECK_INT(isle_as_int(isle_await(result)), 7);
    CHECK_ERR(isle_try_await(refused, ISLE_FOREVER, NULL), ISLE_ECLOSED);
    error = isle_last_error();
    CHECK_ERR(isle_error_code(error), ISLE_ECLOSED);
    CHECK_INT(receive_int(pongs), 1);
    CHECK_INT(isle_mailbox_count(), 2);
    isle_send(root, isle_string("well"));
    isle_port_close(data);
    isle_port_close(pongs);
}

TEST_ROOT(pings_results_and_refusals_pass_a_full_mailbox)
{
    needs_shared_program();
    isle_receive_port *port = isle_port_open(), *dead = isle_port_open();
    isle_value gone = isle_port_value(dead);
    isle_send_port data;

    sem_init(&released, 0, 0);
    isle_port_close(dead);
    isle_spawn(crowded_waiter, isle_pack("[o,o]", isle_port_value(port), gone),
               &(isle_options){.mailbox_max_messages = 2});
    data = isle_as_port(isle_port_receive(port));
    isle_send(data, isle_int(1));
    isle_send(data, isle_int(2));
    CHECK_ERR(isle_try_send(data, isle_int(3)), ISLE_EFULL);
    sem_post(&released);
    CHECK_STRING(isle_as_string(isle_port_receive(port)), "well");
    isle_port_close(port);
}

/* --- two-slot mailboxes under load: each refused send is tried again, nothing is lost or doubled
 */

static void send_stubbornly(isle_send_port to, isle_value message)
{
    isle_err err;

    while ((err = isle_try_send(to, message)) == ISLE_EFULL)
        isle_sleep(0);
    CHECK_ERR(err, ISLE_OK);
}

static void stubborn_sender(isle_value message)
{
    int64_t id, count;
    isle_send_port to;

    isle_unpack(message, "[i,i,p!]", &id, &count, &to);
    for (int64_t i = 0; i < count; i++) {
        ISLE_SCOPE;
        send_stubbornly(to, isle_pack("[i,i]", id, i));
    }
}

static void narrow_receiver(isle_value message)
{
    isle_receive_port *port = isle_port_open();
    int64_t count, next[SENDERS] = {0};
    isle_send_port root;

    isle_unpack(message, "[p,i!]", &root, &count);
    isle_send(root, isle_port_value(port));
    for (int64_t left = SENDERS * count; left > 0; left--) {
        ISLE_SCOPE;
        int64_t id, number;

        isle_unpack(isle_port_receive(port), "[i,i!]", &id, &number);
        CHECK_INT(number, next[id]);
        next[id]++;
    }
    CHECK(port_is_empty(port));
    isle_port_close(port);
    isle_send(root, isle_null());
}

TEST_ROOT(two_slot_mailboxes_keep_order_under_load)
{
    needs_refusals_in_time();
    isle_receive_port *port = isle_port_open();
    int64_t count = rounds(1000, 10000, 200000);
    isle_value to;

    isle_spawn(narrow_receiver, isle_pack("[o,i]", isle_port_value(port), count),
               &(isle_options){.mailbox_max_messages = 2});
    to = isle_port_receive(port);
    for (int64_t id = 0; id < SENDERS; id++)
        isle_spawn(stubborn_sender, isle_pack("[i,i,o]", id, count, to), NULL);
    check_null(isle_port_receive(port));
    isle_port_close(port);
}
TEST_TIMEOUT(two_slot_mailboxes_keep_order_under_load, 120);

/* A ring of two-slot mailboxes, each relaying whatever comes to the next one. */
static void relay(isle_value message)
{
    isle_receive_port *port = isle_port_open();
    isle_send_port root, next;
    int64_t count;

    isle_unpack(message, "[p,i!]", &root, &count);
    isle_send(root, isle_port_value(port));
    next = isle_as_port(isle_port_receive(port));
    for (int64_t i = 0; i < count; i++) {
        ISLE_SCOPE;
        isle_value token = isle_port_receive(port);

        CHECK_INT(isle_as_int(token), i);
        send_stubbornly(next, token);
    }
    isle_port_close(port);
}

TEST_ROOT(a_chain_of_two_slot_mailboxes_loses_nothing)
{
    needs_refusals_in_time();
    enum { LENGTH = 6 };
    isle_receive_port *port = isle_port_open();
    int64_t count = rounds(200, 2000, 100000);
    isle_send_port stages[LENGTH];

    for (int i = 0; i < LENGTH; i++) {
        isle_spawn(relay, isle_pack("[o,i]", isle_port_value(port), count),
                   &(isle_options){.mailbox_max_messages = 2});
        stages[i] = isle_as_port(isle_port_receive(port));
    }
    for (int i = 0; i < LENGTH; i++)
        isle_send(stages[i], i + 1 < LENGTH ? isle_port(stages[i + 1]) : isle_port_value(port));
    for (int64_t i = 0; i < count; i++)
        send_stubbornly(stages[0], isle_int(i));
    for (int64_t i = 0; i < count; i++) {
        ISLE_SCOPE;
        CHECK_INT(receive_int(port), i);
    }
    isle_port_close(port);
}

TEST_MAIN()
