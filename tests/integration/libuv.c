/* SPDX-License-Identifier: Apache-2.0 */
/* libuv drives the root: what its callbacks start is served, both kinds of timers go on side by
 * side. */
#include <uv.h>

#include "isle.h"
#include "test.h"

static uv_poll_t poll_handle;
static uv_timer_t timer_handle;
static int seen, ticks;
static isle_receive_port *port;
static isle_future *future;

static void finish(void)
{
    if (seen < 5 || ticks < 10)
        return;
    uv_close((uv_handle_t *)&poll_handle, NULL);
    uv_close((uv_handle_t *)&timer_handle, NULL);
}

static void on_readable(uv_poll_t *handle, int status, int events)
{
    (void)handle, (void)events;
    CHECK_INT(status, 0);
    CHECK(isle_dispatch());
    if (!uv_is_closing((uv_handle_t *)&poll_handle))
        finish();
}

static void see(void *context)
{
    (void)context;
    seen++;
}

static void see_value(isle_value value, void *context)
{
    (void)context;
    CHECK_INT(isle_as_int(value), 11);
    seen++;
}

static isle_value compute(isle_value argument)
{
    return argument;
}

/* A different thing at each tick, between two dispatches. */
static void on_tick(uv_timer_t *handle)
{
    (void)handle;
    switch (++ticks) {
    case 1:
        isle_timer_start(ISLE_MS(1), see, NULL);
        break;
    case 2:
        isle_schedule_microtask(see, NULL);
        break;
    case 3:
        isle_send(isle_port_send_port(port), isle_int(11));
        break;
    case 4:
        isle_future_complete(future, isle_int(11));
        break;
    case 5:
        isle_then(isle_run(compute, isle_int(11), NULL), see_value, NULL, NULL);
        break;
    default:
        if (ticks > 2000)
            fail("only %d of 5 came", seen);
        finish();
    }
}

TEST(libuv_drives_the_root)
{
    CHECK_ERR(isle_start(0, NULL, NULL), ISLE_OK);
    port = isle_port_open();
    isle_port_listen(port, see_value, NULL);
    future = isle_future_new();
    isle_then(future, see_value, NULL, NULL);
    uv_loop_t *loop = uv_default_loop();
    CHECK_INT(uv_poll_init(loop, &poll_handle, isle_loop_fd()), 0);
    CHECK_INT(uv_poll_start(&poll_handle, UV_READABLE, on_readable), 0);
    CHECK_INT(uv_timer_init(loop, &timer_handle), 0);
    CHECK_INT(uv_timer_start(&timer_handle, on_tick, 3, 3), 0);
    CHECK_INT(uv_run(loop, UV_RUN_DEFAULT), 0);
    CHECK_INT(seen, 5);
    CHECK_INT(uv_loop_close(loop), 0);
    isle_stop();
}

TEST_MAIN()
