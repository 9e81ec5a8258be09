/* SPDX-License-Identifier: Apache-2.0 */
/* SendPort.call: sends, and gives a future of the reply. Dart's waited for ever; Isle's says how
 * long. */
#include <isle.h>

static void on_message(isle_value message, isle_send_port reply)
{
    isle_send(reply, isle_stringf("I received: %s", isle_as_string(message)));
}

static void echo(void)
{
    isle_port_on_receive(isle_default_port(), on_message);
}

static void print_reply(isle_value reply, void *context)
{
    (void)context;
    puts(isle_as_string(reply));
}

static int app(int argc, char **argv)
{
    (void)argc, (void)argv;
    isle_send_port send_port = isle_spawn_function(echo);
    isle_future *reply = isle_call(send_port, isle_string("Hello from main"), ISLE_SECONDS(10));
    isle_then(reply, print_reply, NULL, NULL);
    return 0;
}

ISLE_MAIN(app);
