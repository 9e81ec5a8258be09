/* SPDX-License-Identifier: Apache-2.0 */
/* A message to an isolate that receives nothing yet: it is sent, waits in the mailbox, and goes
 * with the isolate. Prints nothing. */
#include <isle.h>

static void echo(void)
{
    /* Receives nothing; the next programs do. */
}

static int app(int argc, char **argv)
{
    (void)argc, (void)argv;
    isle_send_port send_port = isle_spawn_function(echo);
    isle_send(send_port, isle_string("Hello from main"));
    return 0;
}

ISLE_MAIN(app);
