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

    isle_port_listen(port, waits, gate);
    for (int i = 0; i < MANY; i++)
        isle_send(isle_port_send_port(port), isle_int(i));
    while (gave_up_count < MANY / 3 * 2)
        isle_sleep(ISLE_MS(1));
    isle_future_complete(gate, isle_int(42));
    while (got_count < MANY / 3)
        isle_sleep(0);
    isle_sleep(ISLE_MS(1));
    CHECK_INT(got_count, MANY / 3);
    CHECK_INT(gave_up_count, MANY / 3 * 2);
    for (int i = 0; i < got_count; i++)
        CHECK_INT(got[i], 3 * i + 2);
    isle_port_close(port);
}

TEST_MAIN()
