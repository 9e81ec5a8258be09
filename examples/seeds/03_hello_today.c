/* SPDX-License-Identifier: Apache-2.0 */
/* The same with today's spawn, whose isolates end with the root: so the greeting comes to the root,
 * which waits for it. */
#include <isle.h>

static void greet(isle_value send_port)
{
    isle_send(isle_as_port(send_port), isle_string("hello from an isolate!"));
}

static int app(int argc, char **argv)
{
    (void)argc, (void)argv;
    isle_receive_port *port = isle_port_open();
    isle_spawn(greet, isle_port_value(port), &(isle_options){.debug_name = "greeter"});
    puts(isle_as_string(isle_port_receive(port)));
    isle_port_close(port);
    return 0;
}

ISLE_MAIN(app);
