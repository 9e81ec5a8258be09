/* SPDX-License-Identifier: Apache-2.0 */
/* port.receive: the isolate sets a callback on the port that it was born with; the callback gets
 * the message and a reply port, which is none here because nobody waits for a reply. */
#include <isle.h>

static void on_message(isle_value message, isle_send_port reply)
{
    (void)reply;
    printf("I received: %s\n", isle_as_string(message));
}

static void echo(void)
{
    isle_port_on_receive(isle_default_port(), on_message);
}

static int app(int argc, char **argv)
{
    (void)argc, (void)argv;
    isle_send_port send_port = isle_spawn_function(echo);
    isle_send(send_port, isle_string("Hello from main"));
    return 0;
}

ISLE_MAIN(app);
