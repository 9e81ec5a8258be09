/* SPDX-License-Identifier: Apache-2.0 */
/* A root that floats: its handlers run on the pool's threads while its main activity waits, the
 * main activity on its own thread only, and never both at once. */
#include <isle.h>
#include <pthread.h>
#include <stdatomic.h>

#include "test.h"

enum { MESSAGES = 2000 };

static pthread_t main_thread;
static atomic_int inside; /* code of the root that runs */
static int elsewhere;     /* handlers on another thread */

static void enter(void)
{
    CHECK_INT(atomic_fetch_add(&inside, 1), 0);
}

static void leave(void)
{
    CHECK_INT(atomic_fetch_sub(&inside, 1), 1);
}

static void on_number(isle_value message, void *context)
{
    isle_future *done = context;
    enter();
    elsewhere += !pthread_equal(pthread_self(), main_thread);
    leave();
    if (isle_as_int(message) == MESSAGES)
        isle_future_complete(done, isle_null());
}

static void counter(isle_value to)
{
    for (int i = 1; i <= MESSAGES; i++) {
        isle_send(isle_as_port(to), isle_int(i));
        if (i % 100 == 0)
            isle_sleep(ISLE_US(50));
    }
}

static void start(void)
{
    isle_program_options options = {.root_floats = true};
    main_thread = pthread_self();
    CHECK_ERR(isle_start(0, NULL, &options), ISLE_OK);
}

TEST(a_floating_root_runs_its_handlers_elsewhere_and_its_main_activity_at_home)
{
    start();
    for (int round = 0; round < 5; round++) {
        ISLE_SCOPE;
        isle_receive_port *port = isle_port_open();
        isle_future *done = isle_future_new();
        isle_port_listen(port, on_number, done);
        isle_spawn(counter, isle_port_value(port), NULL);
        (void)isle_await(done);
        enter();
        CHECK(pthread_equal(pthread_self(), main_thread));
        leave();
        isle_port_close(port);
    }
    CHECK(elsewhere > 0);
    isle_stop();
}

static void stop_after(isle_value message, void *context)
{
    (void)message;
    isle_port_close(context);
}

TEST(a_floating_root_comes_home_when_its_loop_is_over)
{
    start();
    for (int round = 0; round < 200; round++) {
        isle_receive_port *port = isle_port_open();
        isle_port_listen(port, stop_after, port);
        isle_send(isle_port_send_port(port), isle_int(round));
        isle_loop();
        CHECK(pthread_equal(pthread_self(), main_thread));
    }
    isle_stop();
}

static void tick(void *context)
{
    enter();
    ++*(int *)context;
    leave();
}

TEST(a_floating_root_can_be_dispatched)
{
    static int ticks;
    start();
    isle_timer *timer = isle_timer_periodic(ISLE_MS(1), tick, &ticks);
    while (ticks < 20) {
        CHECK(isle_dispatch());
        enter();
        leave();
    }
    isle_timer_cancel(timer);
    isle_stop();
}

TEST_MAIN()
