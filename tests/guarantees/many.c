/* SPDX-License-Identifier: Apache-2.0 */
/* Many of what a program may have any number of, on one isolate, port or future: from some count on
 * they are found another way than a few are, and nothing else may be seen of that. What they cost
 * stands in scale.c. */
#include "guarantees.h"

enum { MANY = 150 };

static isle_receive_port *ports[MANY];

static void ports_open(void)
{
    for (int i = 0; i < MANY; i++)
        ports[i] = isle_port_open();
}

static void ports_close(void)
{
    for (int i = 0; i < MANY; i++)
        isle_port_close(ports[i]);
}

/* The next to arrive at any of them. */
static int ports_next(void)
{
    isle_value message;

    CHECK(isle_port_receive_any(ports, MANY, ISLE_SECONDS(60), &message) != NULL);
    return (int)isle_as_int(message);
}

static void does_nothing(isle_value message)
{
    (void)message;
}

/* --- listeners */

static isle_send_port listening(int i)
{
    return isle_port_send_port(ports[i]);
}

/* In the order in which they were added; a new response changes nothing of that, a removal does. */
TEST_ROOT(many_listeners_are_told_in_order)
{
    isle_isolate isolate = isle_spawn(does_nothing, isle_null(), &(isle_options){.paused = true});

    ports_open();
    for (int i = 0; i < MANY; i++)
        isle_add_exit_listener(isolate, listening(i), isle_int(i));
    for (int i = 0; i < MANY; i += 3)
        isle_remove_exit_listener(isolate, listening(i));
    for (int i = 1; i < MANY; i += 3)
        isle_add_exit_listener(isolate, listening(i), isle_int(1000 + i));
    /* From many to few and back again. */
    for (int i = 3; i < MANY; i++)
        if (i % 3 != 0)
            isle_remove_exit_listener(isolate, listening(i));
    for (int twice = 0; twice < 2; twice++)
        for (int i = 3; i < MANY; i++)
            if (i % 3 != 0)
                isle_add_exit_listener(isolate, listening(i), isle_int(i % 3 == 1 ? 1000 + i : i));
    isle_add_exit_listener(isolate, listening(0), isle_int(0));
    isle_kill(isolate, ISLE_IMMEDIATE);
    for (int i = 1; i < MANY; i++)
        if (i % 3 != 0)
            CHECK_INT(ports_next(), i % 3 == 1 ? 1000 + i : i);
    CHECK_INT(ports_next(), 0);
    settle();
    for (int i = 0; i < MANY; i++)
        CHECK(port_is_empty(ports[i]));
    ports_close();
}

static void fails(isle_value message)
{
    (void)message;
    isle_throw(isle_error(ISLE_EINVAL, "failed", NULL));
}

TEST_ROOT(many_listeners_hear_an_error)
{
    isle_isolate isolate = isle_spawn(fails, isle_null(), &(isle_options){.paused = true});

    ports_open();
    for (int i = 0; i < MANY; i++)
        isle_add_error_listener(isolate, listening(i));
    for (int i = MANY - 1; i >= 0; i -= 2)
        isle_remove_error_listener(isolate, listening(i));
    isle_resume(isolate, isolate.pause_capability);
    for (int i = 0; i < MANY; i += 2)
        check_notice(isle_port_receive(ports[i]), "failed");
    settle();
    for (int i = 0; i < MANY; i++)
        CHECK(port_is_empty(ports[i]));
    ports_close();
}

/* --- pauses */

TEST_ROOT(many_pauses_each_end_with_their_key)
{
    isle_receive_port *port = isle_port_open();
    isle_isolate isolate = isle_spawn(does_nothing, isle_null(), &(isle_options){.paused = true});
    isle_capability keys[MANY];

    for (int i = 0; i < MANY; i++)
        keys[i] = isle_pause(isolate, (isle_capability){0});
    isle_resume(isolate, isolate.pause_capability);
    for (int i = 3; i < MANY; i++) /* few, and many again */
        isle_resume(isolate, keys[i]);
    for (int i = 3; i < MANY; i++)
        isle_pause(isolate, keys[i]);
    for (int i = 0; i < MANY; i++) {
        int at = i * 7 % MANY; /* in another order */
        isle_resume(isolate, keys[at]);
        isle_resume(isolate, keys[at]);             /* for nothing */
        isle_pause(isolate, keys[(at + 7) % MANY]); /* has it already, but for the last */
        if (i == MANY - 2)
            break;
    }
    isle_add_exit_listener(isolate, isle_port_send_port(port), isle_int(1));
    isle_ping(isolate, isle_port_send_port(port), isle_int(2), ISLE_IMMEDIATE);
    CHECK_INT(receive_int(port), 2); /* it is alive: one key is left */
    isle_resume(isolate, keys[(MANY - 1) * 7 % MANY]);
    CHECK_INT(receive_int(port), 1);
    isle_port_close(port);
}

/* --- who waits for one future */

static int gave_up[MANY], gave_up_count, got[MANY], got_count;

static void waits(isle_value message, void *future)
{
    int i = (int)isle_as_int(message);
    isle_value value;

    /* Two of three give up, the middle ones last. */
    if (isle_try_await(future, i % 3 == 2 ? ISLE_FOREVER : ISLE_MS(i % 3 + 1), &value) == ISLE_OK) {
        CHECK_INT(isle_as_int(value), 42);
        got[got_count++] = i;
    } else {
        gave_up[gave_up_count++] = i;
    }
}

TEST_ROOT(many_wait_for_a_future_and_give_up)
{
    isle_receive_port *port = isle_port_open();
    isle_future *gate = isle_future_new();

    gave_up_count = got_count = 0;
    isle_port_listen(port, waits, gate);
    for (int i = 0; i < MANY; i++)
        isle_send(isle_port_send_port(port), isle_int(i));
    while (gave_up_count < MANY / 3 * 2)
        isle_sleep(ISLE_MS(1));
    isle_future_complete(gate, isle_int(42));
    while (got_count < MANY / 3)
        isle_sleep(0);
    CHECK_INT(got_count, MANY / 3);
    CHECK_INT(gave_up_count, MANY / 3 * 2);
    for (int i = 0; i < got_count; i++)
        CHECK_INT(got[i], 3 * i + 2);
    isle_port_close(port);
}

/* --- who waits for one port */

static isle_receive_port *shared, *other;
static int taken_by[MANY * 3], begun, taken_count, left_count;
static bool takes_all;

/* Each takes one; the first to wait is the first to take. */
static void takes_one(isle_value message, void *context)
{
    (void)context;
    int i = (int)isle_as_int(message);
    begun++;
    int64_t taken = isle_as_int(isle_port_receive(shared));

    taken_by[taken] = i;
    taken_count++;
}

static isle_receive_port *begin_waiting(isle_handler *who, int count)
{
    isle_receive_port *port = isle_port_open();

    memset(taken_by, 0, sizeof taken_by);
    begun = taken_count = left_count = 0;
    takes_all = false;
    isle_port_listen(port, who, NULL);
    for (int i = 0; i < count; i++)
        isle_send(isle_port_send_port(port), isle_int(i));
    while (begun < count) /* each waits when it has begun */
        isle_sleep(0);
    return port;
}

static void send_to_shared(int from, int count)
{
    for (int i = from; i < from + count; i++)
        isle_send(isle_port_send_port(shared), isle_int(i));
}

TEST_ROOT(many_wait_for_one_port_in_order)
{
    shared = isle_port_open();
    isle_receive_port *port = begin_waiting(takes_one, MANY);

    for (int i = 0; i < MANY; i += 10) {
        send_to_shared(i, 10);
        while (taken_count < i + 10)
            isle_sleep(ISLE_MS(1));
    }
    for (int i = 0; i < MANY; i++)
        CHECK_INT(taken_by[i], i);
    isle_port_close(port);
    isle_port_close(shared);
}

/* Whoever waits for another port as well may be woken by both, and takes from one. */
static void takes_one_of_two(isle_value message, void *context)
{
    isle_receive_port *both[] = {other, shared};
    isle_value taken;

    (void)context;
    begun++;
    if (isle_as_int(message) % 2 == 0) {
        taken = isle_port_receive(shared);
    } else {
        CHECK(isle_port_receive_any(both, 2, ISLE_FOREVER, &taken) != NULL);
    }
    taken_by[isle_as_int(taken)] = 1;
    taken_count++;
}

static void hears(isle_value message, void *context)
{
    (void)message, (void)context;
}

static void listens(void *unused)
{
    (void)unused;
    isle_port_listen(shared, hears, NULL);
}

TEST_ROOT(nobody_waits_beside_a_message_that_another_left)
{
    shared = isle_port_open();
    other = isle_port_open();
    isle_receive_port *port = begin_waiting(takes_one_of_two, MANY), *empty = isle_port_open();

    /* Each waits for `shared`, and half of them for both. */
    for (int i = 0; i < MANY / 2; i++) {
        isle_send(isle_port_send_port(other), isle_int(i));
        isle_send(isle_port_send_port(shared), isle_int(MANY / 2 + i));
    }
    CHECK(port_is_empty(empty)); /* all are in their ports now, before anybody goes on */
    for (int i = 0; i < 3; i++)
        isle_sleep(0); /* who was woken goes on first */
    /* Whoever takes from `shared` what it could have had from `other` leaves one who waits. */
    CHECK(port_is_empty(shared));
    int left = MANY - taken_count;
    send_to_shared(MANY, left);
    while (taken_count < MANY)
        isle_sleep(ISLE_MS(1));
    for (int i = MANY; i < MANY + left; i++)
        CHECK_INT(taken_by[i], 1);
    isle_port_close(empty);
    isle_port_close(port);
    isle_port_close(shared);
    isle_port_close(other);
}

static bool is_mine(isle_value message, void *mine)
{
    return takes_all || isle_as_int(message) == *(int *)mine;
}

static void chooses_one(isle_value message, void *context)
{
    int i = (int)isle_as_int(message);

    (void)context;
    begun++;
    if (i % 3 == 0) {
        isle_value taken;
        if (isle_port_try_receive(shared, ISLE_MS(2), &taken) == ISLE_OK)
            taken_by[isle_as_int(taken)]++;
        else
            left_count++;
    } else {
        int taken = (int)isle_as_int(isle_port_receive_if(shared, is_mine, &i));
        taken_by[taken]++;
        CHECK(taken == i || takes_all);
    }
    taken_count++;
}

/* Some choose, some take what comes until they give up, some wait on: each message finds one who
 * wants it. */
TEST_ROOT(many_choose_from_one_port)
{
    shared = isle_port_open();
    isle_receive_port *port = begin_waiting(chooses_one, MANY);

    while (left_count < MANY / 3)
        isle_sleep(ISLE_MS(1));
    for (int i = MANY - 1; i >= 0; i--)
        if (i % 3 == 1)
            send_to_shared(i, 1);
    while (taken_count < MANY / 3 * 2)
        isle_sleep(ISLE_MS(1));
    takes_all = true;
    send_to_shared(MANY, MANY / 3);
    while (taken_count < MANY)
        isle_sleep(ISLE_MS(1));
    for (int i = 0; i < MANY; i++)
        CHECK_INT(taken_by[i], i % 3 == 1 ? 1 : 0);
    for (int i = MANY; i < MANY + MANY / 3; i++)
        CHECK_INT(taken_by[i], 1);
    CHECK(port_is_empty(shared));
    isle_port_close(port);
    isle_port_close(shared);
}

/* --- who asks again and again while others have mail */

static int heard_count;

static void hears_in_order(isle_value message, void *context)
{
    (void)context;
    CHECK_INT(isle_as_int(message), heard_count);
    heard_count++;
}

/* Each question looks at what is new; a port whose handler goes, and the default port when it is
 * asked for, find what others had passed by. */
TEST_ROOT(who_asks_again_looks_at_what_is_new)
{
    isle_receive_port *heard = isle_port_open(), *quiet = isle_port_open(), *now_quiet;
    isle_send_port own = isle_current().default_port;
    isle_value message;

    heard_count = 0;
    isle_port_listen(heard, hears_in_order, NULL);
    for (int i = 0; i < MANY; i++) {
        isle_send(isle_port_send_port(heard), isle_int(i));
        CHECK(port_is_empty(quiet));
        if (i % 3 == 0) {
            isle_send(isle_port_send_port(quiet), isle_int(i));
            CHECK_ERR(isle_port_try_receive(quiet, 0, &message), ISLE_OK);
            CHECK_INT(isle_as_int(message), i);
        }
        if (i == MANY / 2)
            isle_send(own, isle_int(77));
    }
    now_quiet = isle_default_port();
    CHECK_ERR(isle_port_try_receive(now_quiet, 0, &message), ISLE_OK);
    CHECK_INT(isle_as_int(message), 77);
    CHECK(port_is_empty(quiet));
    isle_port_listen(heard, NULL, NULL);
    for (int i = 0; i < MANY / 2; i++) {
        CHECK_ERR(isle_port_try_receive(heard, 0, &message), ISLE_OK);
        CHECK_INT(isle_as_int(message), i);
    }
    heard_count = MANY / 2;
    isle_port_listen(heard, hears_in_order, NULL);
    while (heard_count < MANY)
        isle_sleep(0);
    isle_port_close(now_quiet);
    isle_port_close(quiet);
    isle_port_close(heard);
}

static void asks(isle_value message, void *quiet)
{
    isle_value found;

    CHECK_ERR(isle_port_try_receive(quiet, 0, &found), ISLE_OK);
    CHECK_INT(isle_as_int(found), isle_as_int(message));
    heard_count++;
}

TEST_ROOT(a_handler_that_asks_finds_what_came_with_its_message)
{
    isle_receive_port *heard = isle_port_open(), *quiet = isle_port_open();

    heard_count = 0;
    isle_port_listen(heard, asks, quiet);
    for (int i = 0; i < MANY; i++) {
        isle_send(isle_port_send_port(heard), isle_int(i));
        isle_send(isle_port_send_port(quiet), isle_int(i));
        while (heard_count <= i)
            isle_sleep(0);
    }
    isle_port_close(quiet);
    isle_port_close(heard);
}

/* Also once that message has come, and who waited has not gone on yet. */
TEST_ROOT(who_waits_is_in_the_way_of_a_handler_until_it_goes_on)
{
    shared = isle_port_open();
    isle_receive_port *port = begin_waiting(takes_one, 1), *empty = isle_port_open();

    CHECK_ERR(isle_protect(listens, NULL, NULL), ISLE_EINVAL);
    send_to_shared(0, 1);
    CHECK(port_is_empty(empty)); /* the message is in its port now */
    CHECK_ERR(isle_protect(listens, NULL, NULL), ISLE_EINVAL);
    while (taken_count < 1)
        isle_sleep(ISLE_MS(1));
    CHECK_ERR(isle_protect(listens, NULL, NULL), ISLE_OK);
    isle_port_close(empty);
    isle_port_close(port);
    isle_port_close(shared);
}

/* Of those who wait in an isolate that is killed, one is in an uninterrupted section: the message
 * that had woken another is its. */
static void receives_at_last(isle_value message, void *result)
{
    (void)message;
    begun++;
    ISLE_UNINTERRUPTED;
    int64_t taken = isle_as_int(isle_port_receive(shared));
    isle_send(isle_as_port(*(isle_value *)result), isle_int(taken));
}

static void receives_or_ends(isle_value message, void *context)
{
    (void)message, (void)context;
    begun++;
    (void)isle_port_receive(shared);
}

static void is_killed_while_it_wakes(isle_value result)
{
    static isle_value to;
    isle_receive_port *first = isle_port_open(), *second = isle_port_open();

    isle_cell_set(&to, result);
    shared = isle_port_open();
    isle_port_listen(first, receives_or_ends, NULL);
    isle_port_listen(second, receives_at_last, &to);
    begun = 0;
    isle_send(isle_port_send_port(first), isle_null());
    while (begun < 1)
        isle_sleep(0);
    isle_send(isle_port_send_port(second), isle_null());
    while (begun < 2)
        isle_sleep(0);
    send_to_shared(7, 1);
    isle_kill(isle_current(), ISLE_BEFORE_NEXT_EVENT);
}

TEST_ROOT(who_is_killed_after_it_was_woken_leaves_the_message_to_the_next)
{
    isle_receive_port *port = isle_port_open(), *over = isle_port_open();

    isle_spawn(is_killed_while_it_wakes, isle_port_value(port),
               &(isle_options){.on_exit = isle_port_send_port(over)});
    CHECK_INT(receive_int(port), 7);
    (void)isle_port_receive(over);
    isle_port_close(port);
    isle_port_close(over);
}

TEST_MAIN()
