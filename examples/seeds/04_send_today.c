/* SPDX-License-Identifier: Apache-2.0 */
/* The same with today's spawn. The send neither waits nor fails, whether the isolate still lives or
 * has ended: a message to an isolate that is gone is dropped, silently. Prints nothing. */
#include <isle.h>

static void echo(isle_value unused)
{
    (void)unused;
}

static int app(int argc, char **argv)
{
    (void)argc, (void)argv;
    isle_isolate isolate = isle_spawn(echo, isle_null(), &(isle_options){.debug_name = "echo"});
    isle_send(isolate.default_port, isle_string("Hello from main"));
    return 0;
}

ISLE_MAIN(app);
