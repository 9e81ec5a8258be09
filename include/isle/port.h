/* SPDX-License-Identifier: Apache-2.0 */
/* Ports. Messages of one sender to one receiver arrive in order; sending never blocks on the
 * receiver. A message to a closed port or a dead isolate is dropped, silently, by design: use
 * isle_call with a timeout, or exit listeners, where that matters; stats.h counts what was dropped.
 */
#ifndef ISLE_PORT_H
#define ISLE_PORT_H

#include "base.h"

ISLE_BEGIN

/* Copies the message into the receiver's mailbox, inside the call, keeping identity and cycles.
 * Throws ISLE_EUNSENDABLE (with the path), ISLE_EFULL, ISLE_EINVAL (port is none): then nothing was
 * delivered and every argument, transferables included, is as before. */
ISLE_API void isle_send(isle_send_port port, isle_value message);
ISLE_API ISLE_MUST_CHECK isle_err isle_try_send(isle_send_port port, isle_value message);

/* Sends with a reply port and completes with the first reply; ISLE_ETIMEDOUT after timeout_ns
 * (ISLE_FOREVER: no limit), ISLE_ECLOSED when the receiver is known to have ended. A later reply is
 * dropped. An error thrown by isle_port_serve completes it with that error. Throws what isle_send
 * throws. Keeps the isolate alive while pending. Dart 2012: SendPort.call. */
ISLE_API isle_future *isle_call(isle_send_port port, isle_value message, int64_t timeout_ns);
/* As isle_send; what serves the port answers to `reply`, if that is not none. Dart 2012:
 * send(message, replyTo). */
ISLE_API void isle_send_with_reply(isle_send_port port, isle_value message, isle_send_port reply);

/* A port by value: none, or equal if it is the same port. The hash is of the id: the same for equal
 * ports. */
static inline bool isle_send_port_is_none(isle_send_port port)
{
    return port.id == 0;
}
static inline bool isle_send_port_equal(isle_send_port a, isle_send_port b)
{
    return a.id == b.id;
}
static inline isle_send_port isle_send_port_none(void)
{
    isle_send_port none = {0};
    return none;
}
ISLE_API ISLE_ANY_THREAD uint64_t isle_send_port_hash(isle_send_port port);

/* A new token, equal to its copies only. Dart: Capability. */
ISLE_API isle_capability isle_capability_new(void);
static inline bool isle_capability_equal(isle_capability a, isle_capability b)
{
    return a.id == b.id;
}

/* The running isolate's own port, there from its birth: messages wait in it. It keeps the isolate
 * alive once somebody listens to, serves or receives on it, until closed; after that this throws
 * ISLE_ECLOSED. Spawners have it as isolate.default_port. Dart 2012: `port`. */
ISLE_API isle_receive_port *isle_default_port(void);

/* A receive port keeps its isolate alive until it is closed. Messages wait in it until somebody
 * listens or receives. ISLE_ENOMEM: also when 2^24 ids are in use. Dart: ReceivePort,
 * RawReceivePort. */
ISLE_API isle_receive_port *isle_port_open(void);
/* Drops what waits; a suspended receive throws ISLE_ECLOSED. Closing again does nothing; NULL is
 * fine. */
ISLE_API void isle_port_close(isle_receive_port *port);
ISLE_API isle_send_port isle_port_send_port(const isle_receive_port *port);
ISLE_API isle_value
isle_port_value(const isle_receive_port *port); /* its send port, as a value to put in messages */
ISLE_API void isle_port_set_keep_alive(isle_receive_port *port,
                                       bool keep_alive); /* true at first */
ISLE_API bool isle_port_keep_alive(const isle_receive_port *port);

/* Callback style: one event a message. Set again at any time, but not while an activity waits in a
 * receive on it (ISLE_EINVAL); a NULL handler stops. A handler may suspend: the next message is
 * then served before it ends. `context` is handed back as it is. */
ISLE_API void isle_port_listen(isle_receive_port *port, isle_handler *on_message, void *context);
/* As isle_port_listen, but what `answer` returns is sent to the message's reply port, if it has
 * one; what it throws goes there as an error instead of ending the isolate. Without a reply port an
 * error is uncaught and a result is dropped. */
ISLE_API void isle_port_serve(isle_receive_port *port, isle_answer *answer, void *context);

/* Direct style: waits for the next message. Throws ISLE_EINVAL while a handler is set,
 * ISLE_ENOSUSPEND in a deferred task or where stacks cannot be switched, ISLE_ECLOSED when the port
 * is closed meanwhile. Several activities may wait on one port: each message goes to one of them.
 * In a loop, use ISLE_SCOPE. */
ISLE_API ISLE_SUSPENDS isle_value isle_port_receive(isle_receive_port *port);
/* ISLE_ETIMEDOUT, ISLE_ECLOSED, and what isle_port_receive throws. 0 asks and never suspends.
 * ret_message may be NULL: the message is dropped. */
ISLE_API ISLE_MUST_CHECK ISLE_SUSPENDS isle_err isle_port_try_receive(isle_receive_port *port,
                                                                      int64_t timeout_ns,
                                                                      isle_value *ret_message);
/* The next message for which matches() is true; the others keep their order and stay. The predicate
 * is called once a message, must not suspend, and sees the message for the call alone; what it
 * throws is thrown here. NULL matches all. */
ISLE_API ISLE_SUSPENDS isle_value isle_port_receive_if(isle_receive_port *port,
                                                       isle_predicate *matches, void *context);
/* The first message of any of the ports, earliest arrival first; returns its port, or NULL after
 * timeout_ns (ISLE_FOREVER: no limit). ISLE_EINVAL: no port, or a NULL among them. */
ISLE_API ISLE_MUST_CHECK ISLE_SUSPENDS isle_receive_port *
isle_port_receive_any(isle_receive_port *const *ports, size_t count, int64_t timeout_ns,
                      isle_value *ret_message);

/* Runs task(context) exactly once when the port is over: closed, or its isolate ended. For what
 * `context` of a handler points to. The task is an event of its own; several tasks run last one
 * first. */
ISLE_API void isle_port_on_drop(isle_receive_port *port, isle_task *task, void *context);

ISLE_END

#endif
