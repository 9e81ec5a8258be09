/* SPDX-License-Identifier: Apache-2.0 */
/* A program outside the tree, built against an installed copy: an isolate answers, a port carries
 * a greeting. */
#include <inttypes.h>
#include <stdio.h>

#include <isle.h>

static isle_value answer(isle_value argument)
{
    return isle_int(isle_as_int(argument) * 2);
}

static void greet(isle_value reply_to)
{
    isle_send(isle_as_port(reply_to), isle_string("hello from an isolate!"));
}

static int app(int argc, char **argv)
{
    isle_receive_port *port = isle_port_open();

    (void)argc;
    (void)argv;
    printf("%" PRId64 "\n", isle_as_int(isle_await(isle_run(answer, isle_int(21), NULL))));
    isle_spawn(greet, isle_port_value(port), NULL);
    printf("%s\n", isle_as_string(isle_port_receive(port)));
    isle_port_close(port);
    return 0;
}

ISLE_MAIN(app);
