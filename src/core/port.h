/* SPDX-License-Identifier: Apache-2.0 */
/* Receive ports (port.c, receive.c). */
#ifndef ISLE_CORE_PORT_H
#define ISLE_CORE_PORT_H

#include "core/isolate.h"
#include "core/mail.h"

enum isle__port_style { ISLE__PORT_QUIET, ISLE__PORT_LISTEN, ISLE__PORT_SERVE, ISLE__PORT_CLASSIC };

struct isle__waiter {
    struct isle__waiter *next, *previous; /* a ring; NULL: it was woken */
    struct isle__activity *activity;
    bool chooses; /* may leave what it is woken for */
};

struct isle__port {
    uint64_t id; /* the isolate's own: its default port */
    void *handle;
    struct isle__isolate *isolate;
    uint32_t next_pending, previous_pending; /* indices of handles: a ring, if is_pending */
    struct isle__mail *queue, *queue_last;
    union {
        struct {                          /* quiet: activities in isle_port_receive */
            struct isle__waiter *waiters; /* the first to be woken */
            uint32_t woken;               /* that have not gone on yet */
        };
        struct { /* the other styles */
            union {
                isle_handler *listen;
                isle_answer *serve;
                isle_receiver *classic;
            } fn;
            void *context;
        };
    };
    struct isle__drop *drops;
    uint32_t taken; /* how often a mail has left the queue for good: see isle__place */
    uint8_t style;  /* isle__port_style */
    uint8_t signal; /* of isle_signal_port; 0 */
    bool is_direct; /* mail that comes goes to its handler, which it has, as it is */
    bool trims : 1; /* it drops its oldest mail (bound.c) */
    bool is_bound : 1;
    bool is_pending : 1;
    bool keep_alive : 1; /* as set */
    bool engaged : 1;    /* counts for the isolate's life (the default port: once used) */
};

/* A place in a port's queue: behind this mail. It is one while no mail has left that queue for
 * good; then, and at first, it is the head. */
struct isle__place {
    struct isle__mail *behind; /* NULL: the head */
    uint32_t taken;            /* as the port's */
};
static inline struct isle__mail **isle__port_at(struct isle__port *port,
                                                const struct isle__place *place)
{
    bool is_head = place->behind == NULL || place->taken != port->taken;
    return is_head ? &port->queue : &place->behind->next;
}

/* Who waits is woken by a mail that comes, first come, first served: those that choose, up to the
 * first that takes whatever there is. */
void isle__port_wait(struct isle__port *port, struct isle__waiter *waiter);
/* True: it was woken. */
bool isle__port_wait_over(struct isle__port *port, struct isle__waiter *waiter);
/* Who was woken may not come to take it: the next is woken, if there is something. */
void isle__port_pass_on(struct isle__port *port);
void isle__port_set_alive(struct isle__port *port, bool engaged, bool keep_alive);
struct isle__mail *isle__port_take(struct isle__port *port); /* the first that waits, or NULL */
void isle__port_set_direct(struct isle__port *port); /* after a change of its style or bounds */
/* Of one that trims: what is more than its bounds allow is dropped, oldest first (bound.c). Before
 * anything is taken out of the queue. */
void isle__port_trim(struct isle__port *port);
void isle__port_unbind(struct isle__port *port); /* it is closed */
/* The first that waits and arrived later, to be put back, or to count as taken; NULL: none. It is
 * looked for from the place on, which then is where it was. */
struct isle__mail *isle__port_lend(struct isle__port *port, struct isle__place *place,
                                   uint64_t arrival);
/* What was lent, where it was; the place is then behind it. If the port is closed meanwhile, it is
 * dropped and counted. */
void isle__port_put_back(struct isle__isolate *isolate, const isle_receive_port *handle,
                         struct isle__place *place, struct isle__mail *mail);
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
