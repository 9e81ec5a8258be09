/* SPDX-License-Identifier: Apache-2.0 */
/* Names for send ports, so that isolates find each other without being told, and find who was
 * started again in the place of who has ended.
 *
 * A registry is a capability: whoever has its port may use it. {0} is the program's own: it belongs
 * to all isolates of the program's threads, and to nobody beyond a wall; an isolate behind a wall
 * has one of its own. A registry of isle_names_open reaches as far as its port is sent, walls
 * included.
 *
 * A name goes with its port: when that is closed, or its isolate ends, before anybody is told of
 * that end. So who is told finds the name free. (Of a port that is closed beyond a wall while its
 * isolate lives on: as soon as the wall says so.) Who registered a name may take it back, and who
 * opened the registry; nobody else.
 *
 * A name is UTF-8, 1 to 255 bytes (else ISLE_ERANGE); ISLE_EINVAL for NULL. A registry has 65,536
 * names at most, and as many relations of those who wait for or monitor one; an isolate beyond a
 * wall from it has 1,024 of both together, and names ports of its own alone.
 *
 * In the program of the registry a request is a look into a table: nothing is sent, nothing
 * suspends. From beyond a wall it is a message to the isolate that opened it; what has a result
 * waits for it, five seconds at most (ISLE_ETIMEDOUT), and suspends meanwhile. A registry that is
 * closed, or whose isolate has ended, gives ISLE_ECLOSED. Erlang: register, whereis; gproc. */
#ifndef ISLE_NAME_H
#define ISLE_NAME_H

#include "base.h"

/* A registry: plain data. Sent as its port, isle_port(names.port). */
typedef struct isle_names {
    isle_send_port port;
} isle_names;

/* What a monitor of a name is told. `name` lives as long as the message. Grows at its end only. */
typedef struct isle_name_change {
    const char *name;
    isle_send_port port; /* who has it now; none: it is free, or the registry is gone */
} isle_name_change;

ISLE_BEGIN

/* A new registry. It lives as long as the isolate that opens it, which serves those who ask from
 * beyond a wall in events of its own; it does not keep that isolate alive. ISLE_ENOMEM. */
ISLE_API isle_names isle_names_open(void);
/* Frees all of its names; who waits for one gets ISLE_ECLOSED, who monitors one is told that it is
 * free. Does nothing again, for {0}, and in another isolate than the one that opened it. */
ISLE_API void isle_names_close(isle_names names);

/* The port has the name from now on: who waits for it gets it. Needs no right to the port but to
 * know it. ISLE_EUSED: a live port has the name, this one included; ISLE_ECLOSED: the port's
 * isolate has ended; ISLE_EFULL, ISLE_ENOMEM, ISLE_EMALFORMED, ISLE_EINVAL (the port is none; it is
 * a call's; it is another isolate's, asked for from beyond a wall). Then nothing has changed. */
ISLE_API ISLE_MUST_CHECK ISLE_SUSPENDS isle_err isle_name_register(isle_names names,
                                                                   const char *name,
                                                                   isle_send_port port);
/* Frees a name that this isolate registered, or any of a registry that it opened; else nothing. */
ISLE_API void isle_name_unregister(isle_names names, const char *name);

/* Who has the name: none if nobody does. Throws ISLE_ECLOSED, ISLE_ETIMEDOUT. */
ISLE_API ISLE_SUSPENDS isle_send_port isle_name_lookup(isle_names names, const char *name);
/* Completes with the port, as a value, as soon as somebody has the name; ISLE_ETIMEDOUT after
 * timeout_ns (ISLE_FOREVER: no limit), ISLE_ECLOSED when the registry is gone. Keeps the isolate
 * alive while pending. Throws ISLE_EFULL, ISLE_ENOMEM. */
ISLE_API isle_future *isle_name_wait(isle_names names, const char *name, int64_t timeout_ns);

/* Returns who has the name, none if nobody does, and sends `port` exactly one message when that
 * changes: the two are one step, so whoever asks again when he is told misses no state and is never
 * sent more than he asked for. The message is never refused for a full mailbox. Once per port and
 * name until it is told. ISLE_EINVAL if port is none (from beyond a wall also if it is another
 * isolate's), ISLE_EFULL, ISLE_ENOMEM. */
ISLE_API ISLE_SUSPENDS isle_send_port isle_name_monitor(isle_names names, const char *name,
                                                        isle_send_port port);
/* Undoes what this isolate asked for. What is on its way comes all the same. */
ISLE_API void isle_name_unmonitor(isle_names names, const char *name, isle_send_port port);
/* Reads such a message, an object that may be sent on like any. Throws ISLE_ETYPE on another. */
ISLE_API isle_name_change isle_as_name_change(isle_value message);

/* All names, each with its port: a map, in no order that means anything. What changes meanwhile may
 * be in it or not. */
ISLE_API ISLE_SUSPENDS isle_value isle_name_list(isle_names names);

ISLE_END

#endif
