/* SPDX-License-Identifier: Apache-2.0 */
/* What a topic (topic.c) and its subscribers (subscription.c) say to each other.
 *
 * To subscribe is a call of the topic: a request with the subscriber's port, his number for the
 * subscription and a token, by which he knows that a message is of it. The answer is the topic's
 * number for it and its isolate (to be monitored), or the number of an error.
 *
 * A batch is a call of the subscriber, and his answer says that he may be sent the next: so each
 * has one on its way at most, in a mailbox of any width, and who is no more is told to the topic by
 * the call itself. */
#ifndef ISLE_SYSTEMS_TOPIC_H
#define ISLE_SYSTEMS_TOPIC_H

#include "isle/topic.h"

enum isle__topic_request {
    ISLE__TOPIC_SUBSCRIBE = 1,
    ISLE__TOPIC_UNSUBSCRIBE /* no answer */
};

/* Places of a request. */
enum {
    ISLE__ASK_WHAT,
    ISLE__ASK_TOKEN,
    ISLE__ASK_NUMBER, /* subscribe: the subscriber's; unsubscribe: the topic's */
    ISLE__ASK_PORT,   /* of subscribe alone, as what follows */
    ISLE__ASK_BEHIND, /* 0: as many as the topic holds */
    ISLE__ASK_LAG,
    ISLE__ASK_COUNT
};

/* Places of the answer. */
enum { ISLE__WELCOME_NUMBER, ISLE__WELCOME_ISOLATE, ISLE__WELCOME_COUNT };

/* Places of a batch; the messages follow. */
enum {
    ISLE__BATCH_NUMBER, /* the subscriber's */
    ISLE__BATCH_TOKEN,
    ISLE__BATCH_MISSED, /* before its first message, since the subscription began */
    ISLE__BATCH_END,    /* 0, or the number of the error that ends it: then there are no messages */
    ISLE__BATCH_COUNT
};

#endif
