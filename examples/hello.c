/* SPDX-License-Identifier: Apache-2.0 */
/* The first program: a result from one isolate, a message from another. */
#include <inttypes.h>
#include <isle.h>

static isle_value answer(isle_value argument) /* runs in an isolate of its own */
{
    (void)argument;
    return isle_int(42);
}

static void greet(isle_value reply_to)
{
    isle_send(isle_as_port(reply_to), isle_string("hello from an isolate!"));
}

static int app(int argc, char **argv)
{
    (void)argc, (void)argv;
    isle_value result = isle_await(isle_run(answer, isle_null(), NULL));
    printf("Result: %" PRId64 "\n", isle_as_int(result));

    isle_receive_port *port = isle_port_open();
    isle_spawn(greet, isle_port_value(port), &(isle_options){.debug_name = "greeter"});
    printf("%s\n", isle_as_string(isle_port_receive(port)));
    isle_port_close(port);
    return 0;
}

ISLE_MAIN(app);
