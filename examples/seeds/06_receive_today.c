/* SPDX-License-Identifier: Apache-2.0 */
/* The same with today's spawn: the isolate waits for one message in direct style, prints it and
 * ends; the root waits for that end. */
#include <isle.h>

static void echo(isle_value unused)
{
    (void)unused;
    isle_value message = isle_port_receive(isle_default_port());
    printf("I received: %s\n", isle_as_string(message));
    isle_port_close(isle_default_port()); /* nothing keeps this isolate alive any more */
}

static int app(int argc, char **argv)
{
    (void)argc, (void)argv;
    isle_receive_port *exits = isle_port_open();
    isle_options options = {.debug_name = "echo", .on_exit = isle_port_send_port(exits)};
    isle_isolate isolate = isle_spawn(echo, isle_null(), &options);
    isle_send(isolate.default_port, isle_string("Hello from main"));
    isle_port_receive(exits);
    isle_port_close(exits);
    return 0;
}

ISLE_MAIN(app);
