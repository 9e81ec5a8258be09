/* SPDX-License-Identifier: Apache-2.0 */
/* Isolate.spawn: the new isolate is given a send port and answers through it; the root listens and
 * closes its port, after which nothing keeps the program alive. */
#include <inttypes.h>
#include <isle.h>

static void isolate_entry_point(isle_value send_port)
{
    isle_send(isle_as_port(send_port), isle_int(42));
}

static void on_message(isle_value message, void *context)
{
    isle_receive_port *receive_port = context;
    printf("Result: %" PRId64 "\n", isle_as_int(message));
    isle_port_close(receive_port);
}

static int app(int argc, char **argv)
{
    (void)argc, (void)argv;
    isle_receive_port *receive_port = isle_port_open();
    isle_spawn(isolate_entry_point, isle_port_value(receive_port), NULL);
    isle_port_listen(receive_port, on_message, receive_port);
    return 0;
}

ISLE_MAIN(app);
