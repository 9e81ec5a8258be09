/* SPDX-License-Identifier: Apache-2.0 */
/* Receive ports (port.c, receive.c). */
#ifndef ISLE_CORE_PORT_H
#define ISLE_CORE_PORT_H

#include "core/isolate.h"
#include "core/mail.h"

enum isle__port_style { ISLE__PORT_QUIET, ISLE__PORT_LISTEN, ISLE__PORT_SERVE, ISLE__PORT_CLASSIC };

struct isle__waiter {
    struct isle__waiter *next;
    struct isle__activity *activity;
};

struct isle__port {
    uint64_t id; /* the isolate's own: its default port */
    void *handle;
    struct isle__isolate *isolate;
    struct isle__port *next_pending;
    struct isle__mail *queue, *queue_last;
    union {
        struct isle__waiter *waiters; /* quiet: activities in isle_port_receive */
        union {
            isle_handler *listen;
            isle_answer *serve;
            isle_receiver *classic;
        } fn; /* of the other styles */
    };
    void *context;
    struct isle__drop *drops;
    uint8_t style;  /* isle__port_style */
    uint8_t signal; /* of isle_signal_port; 0 */
    bool is_pending;
    bool keep_alive; /* as set */
    bool engaged;    /* counts for the isolate's life (the default port: once used) */
};
void isle__port_set_alive(struct isle__port *port, bool engaged, bool keep_alive);
struct isle__mail *isle__port_take(struct isle__port *port); /* the first that waits, or NULL */
/* What isle__port_take or the like took, at its place again; if the port is closed meanwhile, it is
 * dropped and counted. */
void isle__port_put_back(struct isle__isolate *isolate, const isle_receive_port *handle,
                         struct isle__mail *mail);
struct isle__port *isle__port_need(struct isle__isolate *isolate, const char *function,
                                   const isle_receive_port *handle);
/* Routes a mail that the loop took; may run a handler's event. */
void isle__port_dispatch(struct isle__isolate *isolate, struct isle__mail *mail);
bool isle__port_run_pending(
    struct isle__isolate *isolate); /* one mail that waited for a handler; false: none */
/* Puts a mail into the queue of its port if that has no handler. False: it is still the caller's.
 */
bool isle__port_accept_quietly(struct isle__isolate *isolate, struct isle__mail *mail);
/* The mail that waits for the default port; NULL: none. */
struct isle__mail *isle__orphans_take(struct isle__isolate *isolate, struct isle__mail **ret_last);
void isle__ports_fini(struct isle__isolate *isolate);              /* closes all, newest first */
struct isle__port *isle__port_open(struct isle__isolate *isolate); /* throws */

#endif
