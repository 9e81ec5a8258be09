/* SPDX-License-Identifier: Apache-2.0 */
/* A plug-in that is spawned by its file name alone: the entry is then isle_main. The library's own
 * function of that name is not declared here. */
#include "isle/port.h"
#include "isle/value.h"

ISLE_API isle_value isle_main(isle_value args, isle_value message);

isle_value isle_main(isle_value args, isle_value message)
{
    isle_send(isle_as_port(message), isle_is_null(args) ? isle_string("no arguments") : args);
    return isle_null();
}
