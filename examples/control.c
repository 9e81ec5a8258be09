/* SPDX-License-Identifier: Apache-2.0 */
/* Start paused, resume, ping, pause again, kill. */
#include <isle.h>

static void spin(isle_value unused)
{
    (void)unused;
    for (;;)
        isle_checkpoint(); /* lets control messages in */
}

static bool is_alive(isle_isolate isolate)
{
    isle_receive_port *pong = isle_port_open();
    isle_value answer;
    isle_ping(isolate, isle_port_send_port(pong), isle_string("alive"), ISLE_IMMEDIATE);
    bool alive = isle_port_try_receive(pong, ISLE_SECONDS(10), &answer) == ISLE_OK;
    isle_port_close(pong);
    return alive;
}

static int app(int argc, char **argv)
{
    (void)argc, (void)argv;
    isle_receive_port *exits = isle_port_open();
    isle_isolate spinner =
        isle_spawn(spin, isle_null(), &(isle_options){.debug_name = "spinner", .paused = true});
    isle_add_exit_listener(spinner, isle_port_send_port(exits), isle_string("spinner has ended"));
    isle_resume(spinner, spinner.pause_capability);
    printf("alive: %d\n", is_alive(spinner));

    isle_isolate weak = {.control_port = spinner.control_port}; /* a handle that may not kill */
    isle_kill(weak, ISLE_IMMEDIATE);
    printf("still alive: %d\n", is_alive(spinner));

    isle_capability key = isle_pause(spinner, (isle_capability){0});
    isle_resume(spinner, key);
    isle_kill(spinner, ISLE_IMMEDIATE);
    puts(isle_as_string(isle_port_receive(exits)));
    isle_port_close(exits);
    return 0;
}

ISLE_MAIN(app);
