/* SPDX-License-Identifier: Apache-2.0 */
/* Ports. Messages of one sender to one receiver arrive in order; sending never blocks on the
 * receiver. A message to a closed port or a dead isolate is dropped, silently, by design: use
 * isle_call with a timeout, or exit listeners, where that matters; stats.h counts what was dropped.
 */
#ifndef ISLE_PORT_H
#define ISLE_PORT_H

#include "base.h"

/* What happens to a message for a port that holds as many as it may. A call whose request is
 * dropped completes with ISLE_EFULL. A send that crosses a wall has returned by then: where the
 * port is on the other side, a message that is refused is dropped and counted as refused, and its
 * sender is not told. Who must know there uses isle_send_wait or isle_call. */
typedef enum isle_overflow {
    ISLE_OVERFLOW_REFUSE = 0,  /* the send fails with ISLE_EFULL, on this side of a wall;
                                  isle_send_wait waits, on any */
    ISLE_OVERFLOW_DROP_NEWEST, /* the message is dropped and counted; the sender is not told */
    /* The oldest are dropped and counted, when the receiver comes to them: until then they take
     * room of its mailbox. One that is larger than max_bytes is dropped itself. */
    ISLE_OVERFLOW_DROP_OLDEST,
    ISLE_OVERFLOW_END /* the receiver ends at its next kill point, with ISLE_OVERFLOWED */
} isle_overflow;

/* Bounds of a port. All zero: none. Grows at its end only. */
typedef struct isle_port_options {
    size_t max_messages; /* 0: no bound */
    size_t max_bytes;    /* of messages as they lie in memory, 48 at least; 0: no bound */
    isle_overflow overflow;
    size_t high_messages; /* on_high is called when so many wait; 0: not asked for */
    size_t high_bytes;    /* or so many bytes; 0: not asked for */
    size_t low_messages;  /* on_low when no more than so many do again; 0: half of the high ones */
    size_t low_bytes;     /* and no more bytes than these; 0: half of the high ones */
    isle_task *on_high;   /* as an event; may be NULL. What goes up and down again before it is told
                             is told once */
    isle_task *on_low;    /* the same, and only after an on_high */
    void *context;        /* of both */
} isle_port_options;

/* Of one port. Grows at its end only. */
typedef struct isle_port_stats {
    uint64_t messages;       /* that wait in it, those that its isolate has not come to included */
    uint64_t bytes;          /* of these */
    uint64_t senders;        /* messages before it, by isle_send_wait */
    uint64_t refused;        /* sends that failed with ISLE_EFULL, for its bounds */
    uint64_t dropped_newest; /* by its policy, as it was when they came */
    uint64_t dropped_oldest; /* the same */
} isle_port_stats;

ISLE_BEGIN

ISLE_API isle_receive_port *isle__port_open_with(const isle_port_options *options,
                                                 size_t options_size);
ISLE_API void isle__port_set_bounds(isle_receive_port *port, const isle_port_options *options,
                                    size_t options_size);
ISLE_API void isle__port_stats_read(const isle_receive_port *port, isle_port_stats *ret_stats,
                                    size_t size);

/* Copies the message into the receiver's mailbox, inside the call, keeping identity and cycles.
 * Throws ISLE_EUNSENDABLE (with the path), ISLE_EFULL, ISLE_ERANGE (it is over the 256 MiB of a
 * message that crosses a wall), ISLE_EINVAL (port is none): then nothing was delivered and every
 * argument, transferables included, is as before. */
ISLE_API void isle_send(isle_send_port port, isle_value message);
ISLE_API ISLE_MUST_CHECK isle_err isle_try_send(isle_send_port port, isle_value message);
/* As isle_try_send; *ret_size is what it weighs in the receiver's mailbox, in bytes; of what that
 * has refused (ISLE_EFULL) as well. */
ISLE_API ISLE_MUST_CHECK isle_err isle_try_send_sized(isle_send_port port, isle_value message,
                                                      size_t *ret_size);

/* Whether a message that weighs so many bytes could ever be let in there, as far as is known on
 * this side of a wall. The library's own. */
ISLE_API bool isle__port_could_hold(isle_send_port port, size_t size);

/* Sends with a reply port and completes with the first reply; ISLE_ETIMEDOUT after timeout_ns
 * (ISLE_FOREVER: no limit), ISLE_ECLOSED when the receiver is known to have ended: before it took
 * the request, while it served it, or once it had received or listened to it, which answers nobody
 * (a reply port of isle_port_on_receive may have been passed on: that call waits). A later reply is
 * dropped. An error thrown by isle_port_serve completes it with that error. Throws what isle_send
 * throws. Keeps the isolate alive while pending. Dart 2012: SendPort.call. */
ISLE_API isle_future *isle_call(isle_send_port port, isle_value message, int64_t timeout_ns);
/* The same without a deadline, that of a request which is served here included: for what is to
 * outlive it. The library's own. */
ISLE_API isle_future *isle__call_apart(isle_send_port port, isle_value message);
/* A call in two steps, whose port is there before its message, so that this can name it: who has
 * the message may answer when he has forgotten it. The first that is sent to *ret_port completes
 * the future, past the limits of the mailbox here. The library's own. */
ISLE_API isle_future *isle__answer_expect(bool keeps_alive, isle_send_port *ret_port);
/* As isle_try_send_sized; `answer` is told if nobody takes the message, or it cannot come there. */
ISLE_API ISLE_MUST_CHECK isle_err isle__ask_sized(isle_send_port port, isle_value message,
                                                  isle_send_port answer, size_t *ret_size);
/* Until when the caller of the request waits that the running handler serves (isle_port_serve,
 * isle_port_on_receive), on isle_now_ns's clock; ISLE_FOREVER if nobody said, and elsewhere. It
 * travels with calls, across walls too, as a quarter of a millisecond exactly or earlier; one of
 * more than three days does not. What the handler waits for in direct style ends no later: an
 * isle_call, whose own deadline is then the earlier of the two, with ISLE_ETIMEDOUT; so an
 * isle_send_wait, an isle_run, whose isolate is killed then, and an isle_try_await. Handlers of
 * isle_then and timers that it sets are events of their own. */
ISLE_API int64_t isle_call_deadline(void);
/* As isle_send; what serves the port answers to `reply`, if that is not none. Dart 2012:
 * send(message, replyTo). */
ISLE_API void isle_send_with_reply(isle_send_port port, isle_value message, isle_send_port reply);

/* As isle_send, but waits for room: completes with null once the message is in the receiver's
 * mailbox, and never makes anybody drop or end. It waits while the mailbox, the port's bounds
 * (whatever its policy) or others that wait at this port leave it no room; whoever sends to the
 * port meanwhile is behind it (isle_send_wait) or is treated as at a full port, so order is kept.
 * While it waits the message is charged to its sender, who goes on receiving and can be killed.
 * Completes with ISLE_ECLOSED if the port is closed or its isolate ends first, ISLE_ETIMEDOUT after
 * timeout_ns, or, if that is earlier, at the deadline of the request whose handler has sent it
 * (isle_call_deadline), ISLE_ECANCELED: then it was not delivered, and is counted. Its sender's end
 * drops it.
 * From behind a wall: of one isolate 4,096 messages or 64 MiB wait outside, more complete with
 * ISLE_ENOMEM; and what was timed out or cancelled may have been let in just before. Throws what
 * isle_send throws; ISLE_EFULL if it could never have room (from behind a wall it completes so).
 * Who awaits it in the only activity that receives waits for others that may wait for him: go on
 * receiving, or use a timeout.
 */
ISLE_API isle_future *isle_send_wait(isle_send_port port, isle_value message, int64_t timeout_ns);

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
/* The same with bounds; NULL: none. As isle_port_set_bounds; without memory nothing is opened. */
static inline isle_receive_port *isle_port_open_with(const isle_port_options *options)
{
    return isle__port_open_with(options, sizeof(isle_port_options));
}
/* New bounds of a port, the default port too, for what is sent from now on; NULL: none. They stand
 * beside those of the mailbox (isle_options), which hold all ports of an isolate together and
 * always refuse. Replies and notices (exits, errors, ends) are never bound, refused or dropped. A
 * send to a bounded port takes a lock for a moment. ISLE_EINVAL: no such overflow; ISLE_ENOMEM. */
static inline void isle_port_set_bounds(isle_receive_port *port, const isle_port_options *options)
{
    isle__port_set_bounds(port, options, sizeof(isle_port_options));
}
/* Writes to *ret_stats what became of mail for a port since it has bounds; all zero while it has
 * none. */
static inline void isle_port_stats_read(const isle_receive_port *port, isle_port_stats *ret_stats)
{
    isle__port_stats_read(port, ret_stats, sizeof(isle_port_stats));
}
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
