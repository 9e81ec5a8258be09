/* SPDX-License-Identifier: Apache-2.0 */
/* A plug-in that spawns further code: its first argument is the URI. The message is [value, port]:
 * both go on to the child, and the answer, with a mark, to the port. */
#include "isle.h"

isle_value spawn_nested(isle_value args, isle_value message);

isle_value spawn_nested(isle_value args, isle_value message)
{
    isle_receive_port *port = isle_port_open();
    isle_options options = {.backend = ISLE_THREAD};
    isle_value answer;

    isle_spawn_uri(isle_as_string(isle_list_get(args, 0)), isle_null(),
                   isle_pack("[o,p]", isle_list_get(message, 0), isle_port_send_port(port)),
                   &options);
    answer = isle_port_receive(port);
    isle_send(isle_as_port(isle_list_get(message, 1)), isle_pack("[s,o]", "nested", answer));
    isle_port_close(port);
    return isle_null();
}
