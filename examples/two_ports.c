/* SPDX-License-Identifier: Apache-2.0 */
/* Two ports in direct style: one loop waits on commands and on data, and does something else when
 * nothing comes. */
#include <inttypes.h>
#include <isle.h>
#include <string.h>

static void adder(isle_value ready)
{
    isle_receive_port *commands = isle_port_open();
    isle_receive_port *data = isle_port_open();
    isle_receive_port *both[] = {commands, data};
    int64_t sum = 0;

    isle_send(isle_as_port(ready),
              isle_pack("{s:p, s:p}", "commands", isle_port_send_port(commands), "data",
                        isle_port_send_port(data)));
    for (;;) {
        ISLE_SCOPE;
        isle_value message;
        isle_receive_port *from = isle_port_receive_any(both, 2, ISLE_SECONDS(10), &message);
        if (from == data)
            sum += isle_as_int(message);
        else if (from == NULL)
            puts("quiet here");
        else if (strcmp(isle_as_string(message), "stop") == 0)
            break;
    }
    isle_exit(isle_as_port(ready), isle_int(sum));
}

static int app(int argc, char **argv)
{
    (void)argc, (void)argv;
    isle_receive_port *inbox = isle_port_open();
    isle_spawn(adder, isle_port_value(inbox), NULL);

    isle_send_port commands, data;
    isle_unpack(isle_port_receive(inbox), "{s:p, s:p}", "commands", &commands, "data", &data);
    for (int i = 1; i <= 100; i++)
        isle_send(data, isle_int(i));
    isle_send(commands, isle_string("stop")); /* one sender, one receiver: arrives after the data */
    printf("%" PRId64 "\n", isle_as_int(isle_port_receive(inbox)));
    isle_port_close(inbox);
    return 0;
}

ISLE_MAIN(app);
