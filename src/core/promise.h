/* SPDX-License-Identifier: Apache-2.0 */
/* Promises: what an isle_future * leads to (promise.c). */
#ifndef ISLE_CORE_PROMISE_H
#define ISLE_CORE_PROMISE_H

#include "core/isolate.h"
#include "core/mail.h"

/* Somebody who waits for a promise: a suspended activity, or a function that runs as a microtask
 * (an event of its own, so it may throw). */
struct isle__observer {
    struct isle__observer *next, *previous;
    struct isle__promise *promise;
    struct isle__activity *waiter; /* NULL: run */
    struct isle__microtask microtask;
    void (*run)(struct isle__observer *observer);
};

struct isle__promise { /* what an isle_future * leads to */
    struct isle__isolate *isolate;
    void *handle;
    struct isle__promise *next, *previous; /* all of the isolate */
    struct isle__scope *scope;    /* owner; NULL: it has ended, values lie in the kept heap */
    struct isle__defer scope_end; /* among the owner's deferred tasks while there is one */
    struct isle__slot *slot;      /* of a call or run: where the reply comes */
    struct isle__mail *mail;      /* came, and is not adopted yet; NULL: `value` */
    isle_value value;             /* or error */
    bool is_complete, is_error, is_observed;
    bool is_canceled;
    bool keeps_alive;       /* counted in isolate->alive while pending */
    bool ends_with_isolate; /* `cancel` is called at the isolate's end as well */
    bool came_about;        /* `cancel` found that it was too late: it completes with null */
    isle_err code;          /* of an error without a value */
    bool value_kept;        /* `value` has a keep count of ours */
    bool on_unobserved;
    unsigned keeps; /* isle_future_keep */
    unsigned busy;  /* callbacks on their way */
    struct isle__observer *observers, *observers_last;
    struct isle__timer_node timeout;
    void (*cancel)(struct isle__promise *promise); /* stops what it stands for; NULL */
    void *cancel_context;
    void (*completed)(struct isle__promise *promise); /* gives back what it had for that; NULL */
    uint64_t cancel_key;
    isle_isolate target; /* of a run */
    struct isle__promise *next_unobserved;
    struct isle__drop *drops;
    struct isle__drop *cancels; /* of one's own: isle_future_on_cancel */
};
/* A pending promise in the current scope; throws ISLE_ENOMEM, having changed nothing. */
struct isle__promise *isle__promise_new(struct isle__isolate *isolate);
/* Gives it a slot for a reply and makes it keep the isolate alive; throws, the promise is then
 * gone. */
void isle__promise_expect(struct isle__promise *promise);
/* It keeps the isolate alive no longer. */
void isle__promise_let_end(struct isle__promise *promise);
/* Completes, in an event; nothing if it is complete already. Throws ISLE_ENOMEM, having changed
 * nothing. */
void isle__promise_complete(struct isle__promise *promise, isle_value value, bool is_error);
/* The same with an error value made of code and text; anywhere on the isolate's thread; never
 * throws. */
void isle__promise_complete_code(struct isle__promise *promise, isle_err code);
void isle__promise_complete_null(struct isle__promise *promise);
/* The same for one that is given up for this reason; with null if it came about before. */
void isle__promise_give_up(struct isle__promise *promise, isle_err code);
/* The observer's memory is the caller's; a waiter takes itself off, a function is called once and
 * then calls isle__promise_unobserve. */
void isle__promise_observe(struct isle__promise *promise, struct isle__observer *observer);
void isle__promise_unobserve(struct isle__promise *promise);
void isle__promise_cancel(struct isle__promise *promise);
void isle__promise_tell_canceled(struct isle__promise *promise); /* those who asked to be told */
void isle__promise_unlink_observer(struct isle__promise *promise, struct isle__observer *observer);
void isle__promise_settle(
    struct isle__promise *promise); /* frees it if nothing leads to it any more */
void isle__promise_timed_out(struct isle__isolate *isolate,
                             struct isle__timer_node *node); /* `fire` of promise->timeout */
/* The value or error, in an event, for use in the current scope. */
isle_value isle__promise_value(struct isle__promise *promise);
void isle__promise_receive(struct isle__promise *promise, struct isle__mail *mail);
/* Or earlier: it waits no longer than who waits for what is served. Throws. */
void isle__promise_set_timeout(struct isle__promise *promise, int64_t timeout_ns);
void isle__promises_check_unobserved(struct isle__isolate *isolate);
void isle__promises_fini(struct isle__isolate *isolate);
struct isle__promise *isle__promise_need(struct isle__isolate *isolate, const char *function,
                                         const isle_future *future);
isle_future *isle__promise_future(struct isle__promise *promise);
void isle__promise_discard(struct isle__promise *promise); /* never seen by the program */
/* Posts the answer to a request: a value, or an error that the caller's call completes with. What
 * cannot be sent becomes such an error. Throws nothing. */
void isle__reply_send(struct isle__isolate *isolate, uint64_t reply, isle_value answer,
                      bool is_error);
void isle__reply_closed(
    uint64_t reply); /* a request will not be answered: completes that call with ISLE_ECLOSED */

#endif
