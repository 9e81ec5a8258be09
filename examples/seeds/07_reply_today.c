/* SPDX-License-Identifier: Apache-2.0 */
/* The same in today's style: the isolate serves its port with a function that returns the reply;
 * the root awaits it. */
#include <isle.h>

static isle_value reply_to(isle_value request, void *context)
{
    (void)context;
    return isle_stringf("I received: %s", isle_as_string(request));
}

static void echo(isle_value unused)
{
    (void)unused;
    isle_port_serve(isle_default_port(), reply_to, NULL);
}

static int app(int argc, char **argv)
{
    (void)argc, (void)argv;
    isle_isolate server = isle_spawn(echo, isle_null(), &(isle_options){.debug_name = "echo"});
    isle_future *reply =
        isle_call(server.default_port, isle_string("Hello from main"), ISLE_SECONDS(10));
    puts(isle_as_string(isle_await(reply)));
    return 0;
}

ISLE_MAIN(app);
