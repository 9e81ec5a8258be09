/* SPDX-License-Identifier: Apache-2.0 */
/* What a program wants done when a port, future or timer is over is done once, however it ends. */
#include <isle.h>
#include <string.h>

#include "test.h"

static char noted[64];

static void note(void *context)
{
    strcat(noted, context);
}

static void ignore(isle_value value, void *context)
{
    (void)value, (void)context;
}

TEST_ROOT(port_drops_run_once_after_the_close)
{
    isle_receive_port *port = isle_port_open();
    isle_port_on_drop(port, note, "a");
    isle_port_on_drop(port, note, "b");
    isle_port_close(port);
    isle_port_close(port);
    CHECK_STRING(noted, "");
    isle_loop();
    CHECK_STRING(noted, "ba");
}

TEST_ROOT(timer_drops_run_after_firing_and_after_cancel)
{
    isle_timer *fires = isle_timer_start(ISLE_MS(1), note, "f");
    isle_timer *canceled = isle_timer_start(ISLE_SECONDS(100), note, "never");
    isle_timer_on_drop(fires, note, "F");
    isle_timer_on_drop(canceled, note, "C");
    isle_timer_cancel(canceled);
    isle_loop();
    CHECK(strcmp(noted, "CfF") == 0 || strcmp(noted, "fFC") == 0 || strcmp(noted, "fCF") == 0);
}

static void on_value(isle_value value, void *context)
{
    (void)value;
    note(context);
}

static isle_value make_future(isle_value unused)
{
    isle_future *future = isle_future_new();
    isle_future_on_drop(future, note, "D");
    isle_then(future, on_value, ignore, "v");
    isle_future_complete(future, unused);
    return isle_null();
}

TEST_ROOT(future_drops_run_after_the_callbacks)
{
    CHECK_ERR(isle_try(make_future, isle_int(1), NULL), ISLE_OK);
    isle_loop();
    CHECK_STRING(noted, "vD");
}

static void holder(isle_value unused)
{
    (void)unused;
    isle_port_on_drop(isle_port_open(), note, "p");
    isle_timer_on_drop(isle_timer_start(ISLE_SECONDS(100), note, "never"), note, "t");
    isle_future *future = isle_future_new();
    isle_future_on_drop(isle_future_keep(future), note, "f");
}

TEST_ROOT(drops_run_at_the_end_of_a_killed_isolate)
{
    isle_receive_port *exits = isle_port_open();
    isle_isolate isolate =
        isle_spawn(holder, isle_null(), &(isle_options){.on_exit = isle_port_send_port(exits)});
    isle_kill(isolate, ISLE_BEFORE_NEXT_EVENT);
    (void)isle_port_receive(exits);
    isle_port_close(exits);
    CHECK(strlen(noted) == 0 || strlen(noted) == 3); /* killed before its entry, or after it */
}

TEST_MAIN()
