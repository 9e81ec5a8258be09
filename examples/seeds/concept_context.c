/* SPDX-License-Identifier: Apache-2.0 */
/* All code runs in an isolate, the program's main part included: it is the root. An isolate that
 * isle_run made is gone when its computation has returned. */
#include <isle.h>

static isle_value own_handle(isle_value root)
{
    isle_isolate self = isle_current();
    bool other = !isle_send_port_equal(self.control_port, isle_as_isolate(root).control_port);
    printf("%s runs in an isolate of its own: %s\n", isle_debug_name(), other ? "yes" : "no");
    return isle_isolate_value(self);
}

static bool is_alive(isle_isolate isolate)
{
    isle_receive_port *pong = isle_port_open();
    isle_value answer;
    isle_ping(isolate, isle_port_send_port(pong), isle_null(), ISLE_IMMEDIATE);
    bool alive = isle_port_try_receive(pong, ISLE_MS(200), &answer) == ISLE_OK;
    isle_port_close(pong);
    return alive;
}

static int app(int argc, char **argv)
{
    (void)argc, (void)argv;
    isle_options options = {.debug_name = "the computation"};
    isle_isolate root = isle_current();
    isle_isolate runner =
        isle_as_isolate(isle_await(isle_run(own_handle, isle_isolate_value(root), &options)));
    printf("the root answers a ping: %s\n", is_alive(root) ? "yes" : "no");
    printf("the computation's isolate still does: %s\n", is_alive(runner) ? "yes" : "no");
    return 0;
}

ISLE_MAIN(app);
