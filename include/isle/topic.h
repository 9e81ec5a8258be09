/* SPDX-License-Identifier: Apache-2.0 */
/* Topics: who publishes does not know who listens, and is not slowed by them.
 *
 * A topic lives in the isolate that opens it, which passes on what is published, in events of its
 * own; for much traffic give it an isolate of its own. It holds messages for those who are behind,
 * once for all of them, up to a bound: the oldest go first. To each subscriber one batch is on its
 * way at a time; the next is what has come meanwhile. So a topic's memory does not depend on how
 * many there are or how slow they are, a slow one misses messages or is ended and harms nobody, and
 * a subscriber's mailbox has one message of the topic at most.
 *
 * A message is frozen by who publishes it (isle_freeze): one copy for all subscribers in the
 * program; across each wall it is copied once, as frozen values are. Those of one publisher come in
 * the order in which he published them; all subscribers get all messages in one order. */
#ifndef ISLE_TOPIC_H
#define ISLE_TOPIC_H

#include "base.h"

/* Plain data; send it as isle_topic_value. Zero a member for one that may do less. */
typedef struct isle_topic {
    isle_send_port publish;
    isle_send_port subscribe;
} isle_topic;

/* All zero is the default. Grows at its end only. */
typedef struct isle_topic_options {
    size_t max_messages;    /* held for those who are behind; 0: 1,024 */
    size_t max_bytes;       /* of these; one message may be larger. 0: 16 MiB */
    size_t max_subscribers; /* 0: 65,536 */
} isle_topic_options;

/* What becomes of a subscription that is too far behind. Tokio: sync::broadcast, Lagged. */
typedef enum isle_lag {
    ISLE_LAG_SKIP = 0, /* it misses the oldest; isle_subscription_missed counts them */
    ISLE_LAG_END       /* it ends, with ISLE_EFULL, after what it was sent before */
} isle_lag;

/* All zero is the default. Grows at its end only. */
typedef struct isle_subscribe_options {
    size_t max_behind; /* messages; 0: as many as the topic holds */
    isle_lag lag;
} isle_subscribe_options;

/* Of one topic. Grows at its end only. */
typedef struct isle_topic_counts {
    uint64_t published; /* messages, since it was opened */
    uint64_t refused;   /* could not be frozen, or there was no memory */
    uint64_t missed;    /* by subscribers, all of them together */
    size_t messages;    /* held */
    size_t bytes;       /* of these */
    size_t subscribers; /* now */
} isle_topic_counts;

/* A checked handle, of the isolate that subscribed; see base.h. */
typedef struct isle_subscription isle_subscription;

ISLE_BEGIN

/* Keeps the isolate alive until it is closed. `options` may be NULL. ISLE_ENOMEM. */
ISLE_API isle_topic isle_topic_open(const isle_topic_options *options);
/* Ends all subscriptions with ISLE_ECLOSED, after what was sent before; what is held for them is
 * dropped. Again, or in another isolate than the one that opened it: nothing. */
ISLE_API void isle_topic_close(isle_topic topic);
/* As isle_send: throws ISLE_EUNSENDABLE, ISLE_EFULL (the mailbox of the topic's isolate),
 * ISLE_EINVAL (no right to publish); to a topic that is closed: nothing. Never waits for
 * subscribers; one whose mailbox it never has room in misses it. */
ISLE_API void isle_topic_publish(isle_topic topic, isle_value message);
/* For messages: a list of two ports. The second throws ISLE_ETYPE, ISLE_EINVAL on anything else. */
ISLE_API isle_value isle_topic_value(isle_topic topic);
ISLE_API isle_topic isle_as_topic(isle_value value);
/* In the isolate that opened it; elsewhere ISLE_EINVAL. */
ISLE_API isle_topic_counts isle_topic_read_counts(isle_topic topic);

/* What is published from now on: after this call returns, by whoever learns of it. Never waits;
 * that the topic is closed or has as many subscribers as it may, is the subscription's end. Keeps
 * the isolate alive until closed or ended. `options` may be NULL. ISLE_EINVAL (no right to
 * subscribe), ISLE_ENOMEM, ISLE_EFULL. */
ISLE_API isle_subscription *isle_topic_subscribe(isle_topic topic,
                                                 const isle_subscribe_options *options);
/* Callback style: an event for each batch that arrives, in which on_message is called for each
 * message in order; one that suspends holds up those behind it. on_end, which may be NULL, is
 * called once with an error: ISLE_EFULL (too far behind, or the topic is full), ISLE_ECLOSED
 * (closed, or its isolate has ended), ISLE_EUNSENDABLE (a message cannot cross the wall to it),
 * ISLE_ERANGE (one is too large for that wall). A NULL on_message stops; messages wait. */
ISLE_API void isle_subscription_listen(isle_subscription *subscription, isle_handler *on_message,
                                       isle_handler *on_end, void *context);
/* Direct style: the next message. ISLE_ETIMEDOUT (0 asks and never suspends), ISLE_ENOSUSPEND and
 * ISLE_ENOMEM (it cannot wait), or how it ended, as above: again for each call. Throws ISLE_EINVAL
 * while there is a handler. */
ISLE_API ISLE_MUST_CHECK ISLE_SUSPENDS isle_err isle_subscription_receive(
    isle_subscription *subscription, int64_t timeout_ns, isle_value *ret_message);
/* How many it has missed before the message that it got last. */
ISLE_API uint64_t isle_subscription_missed(const isle_subscription *subscription);
/* Leaves the topic; on_end is not called. Closing again does nothing; NULL is fine. */
ISLE_API void isle_subscription_close(isle_subscription *subscription);

ISLE_END

#endif
