/* SPDX-License-Identifier: Apache-2.0 */
/* For authors of plug-ins: code that runs in an isolate of its own, loaded from a URI by
 * isle_spawn_uri or by `isle run`.
 *
 *     #include <isle_plugin.h>
 *
 *     ISLE_PLUGIN(args, output)
 *     {
 *         isle_value line;
 *         while (!isle_is_null(line = isle_port_receive(isle_default_port())))
 *             isle_send(isle_as_port(output), line);
 *         isle_port_close(isle_default_port()); (open, it would keep the isolate alive)
 *         return isle_null();
 *     }
 *
 *     cc -shared -fPIC plugin.c -o plugin.so $(pkg-config --cflags isle)
 *     isle run ./plugin.so one two
 *
 * The object is linked with no library of Isle's: it uses that of the program that loads it. It has
 * its own globals, one set for each isolate. In a process (the default) it may compute, allocate,
 * use threads if it was granted any, and talk by messages; it can open nothing that was not
 * granted, and a call of the system that an isolate has no use for fails or ends it. What the entry
 * returns ends nothing: the isolate lives as long as it has an open port, a timer or a call that is
 * pending, like any other. */
#ifndef ISLE_PLUGIN_H
#define ISLE_PLUGIN_H

#include "isle.h"

/* What such an entry is. `args` is a list of strings or null, `message` the spawner's; of `isle
 * run` a send port: what is sent to it is printed. */
typedef isle_value isle_plugin_entry(isle_value args, isle_value message);

/* Defines the entry that is taken unless the URI names another, isle_main; or one of another name:
 * "plugin.so#name". (The library has a function isle_main of its own, for programs: so an entry has
 * another name in C.) */
#define ISLE_PLUGIN(args, message) ISLE_PLUGIN_ENTRY(isle_main, args, message)
#define ISLE_PLUGIN_ENTRY(name, args, message)                                                     \
    ISLE_BEGIN                                                                                     \
    ISLE_API isle_value isle__plugin_##name(isle_value, isle_value) __asm__(#name);                \
    ISLE_END                                                                                       \
    isle_value isle__plugin_##name(ISLE__UNUSED isle_value args, ISLE__UNUSED isle_value message)
#ifdef __cplusplus
#define ISLE__UNUSED [[maybe_unused]]
#else
#define ISLE__UNUSED __attribute__((unused))
#endif

#endif
