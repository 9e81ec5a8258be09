/* SPDX-License-Identifier: Apache-2.0 */
/* Subscriptions, the side that listens (topic.h).
 *
 * Two batches at most are here: the one whose messages are being handed out, and the next, which is
 * answered when the first is used up: so what is behind waits in the topic, where it has a bound. A
 * topic that sends more is not heard.
 *
 * Each has a port for batches and one for the end of the topic's isolate. A message says by number
 * and token which subscription it is of, since a port whose answers wait has no context. Law: a
 * topic may be hostile; its batches are read by asking forms. Handlers of the program are called
 * from events that do nothing else, and what they throw is their own: the rest of the batch goes on
 * in another event. */
#include "systems/topic.h"

#include "isle/classic.h"
#include "isle/error.h"
#include "isle/future.h"
#include "isle/isolate.h"
#include "isle/monitor.h"
#include "isle/port.h"
#include "isle/scope.h"
#include "isle/timer.h"
#include "isle/value.h"
#include "systems/handle.h"
#include "value/failure.h"

struct subscription {
    void *handle;
    isle_receive_port *port, *ends; /* NULL: closed, it has ended */
    isle_topic topic;
    isle_capability token;
    int64_t number;       /* the topic's; 0: not known yet */
    isle_isolate isolate; /* the topic's; none: not monitored */
    isle_value batch;     /* cells: what is handed out, and the next; null: none */
    isle_value waiting;
    isle_send_port waiting_reply;
    size_t at; /* in the batch */
    uint64_t missed;
    isle_err end; /* once all is handed out; ISLE_OK: it goes on */
    bool end_told, handing_out;
    isle_handler *on_message, *on_end;
    void *context;
    isle_future *arrival; /* kept; who waits in direct style; NULL: nobody */
    unsigned waiters;
};

static struct subscription *subscription_find(const void *handle)
{
    return isle__system_find(ISLE__SYSTEM_SUBSCRIPTION, handle);
}

/* --- what is here */

static void subscription_ends(struct subscription *self, isle_err end);

/* Without memory for it nothing more would come. */
static void batch_answer(struct subscription *self, isle_send_port reply)
{
    isle_err err = isle_send_port_is_none(reply) ? ISLE_OK : isle_try_send(reply, isle_null());
    if (err != ISLE_OK)
        subscription_ends(self, err);
}

static void batch_open(struct subscription *self, isle_value batch)
{
    int64_t missed;
    isle_cell_set(&self->batch, batch);
    self->at = ISLE__BATCH_COUNT;
    if (isle_get_int(isle_list_get(self->batch, ISLE__BATCH_MISSED), &missed) && missed > 0)
        self->missed = (uint64_t)missed;
}

static bool has_messages(const struct subscription *self)
{
    return !isle_is_null(self->batch) || !isle_is_null(self->waiting);
}

/* True: the next message, in the current scope. */
static bool message_take(struct subscription *self, isle_value *ret_message)
{
    if (!has_messages(self))
        return false;
    if (isle_is_null(self->batch)) {
        batch_open(self, self->waiting);
        isle_cell_set(&self->waiting, isle_null());
        batch_answer(self, self->waiting_reply);
    }
    *ret_message = isle_list_get(self->batch, self->at++);
    if (self->at == isle_count(self->batch))
        isle_cell_set(&self->batch, isle_null());
    return true;
}

/* --- callback style */

static void hand_out(void *handle);

/* However the event ended: what is left has one of its own. */
static void hand_out_over(void *handle)
{
    struct subscription *self = subscription_find(handle);
    if (self == NULL)
        return;
    self->handing_out = false;
    if (self->on_message != NULL &&
        (has_messages(self) || (self->end != ISLE_OK && !self->end_told)))
        isle_schedule_microtask(hand_out, handle);
}

static void end_tell(struct subscription *self)
{
    isle_handler *on_end = self->on_end;
    if (self->end == ISLE_OK || self->end_told || self->on_message == NULL)
        return;
    self->end_told = true;
    if (on_end != NULL)
        on_end(isle_error(self->end,
                          self->end == ISLE_EFULL
                              ? "the subscription is too far behind, or one too many"
                              : isle_err_text(self->end),
                          NULL),
               self->context);
}

static void hand_out(void *handle)
{
    struct subscription *self = subscription_find(handle);
    if (self == NULL || self->handing_out || self->on_message == NULL)
        return;
    isle_defer(hand_out_over, handle);
    self->handing_out = true;
    while (self != NULL && self->on_message != NULL) {
        ISLE_SCOPE;
        isle_value message;
        if (!message_take(self, &message))
            break;
        self->on_message(message, self->context);
        self = subscription_find(handle); /* it may have been closed */
    }
    if (self != NULL)
        end_tell(self);
}

static void wake(struct subscription *self)
{
    isle_future *arrival = self->arrival;
    if (arrival == NULL)
        return;
    isle_future_complete(arrival, isle_null());
    self->arrival = NULL;
    isle_future_release(arrival);
}

/* --- what comes */

static isle_value unmonitor(isle_value pointer)
{
    const struct subscription *self = isle_as_pointer(pointer);
    isle_unmonitor(self->isolate, isle_port_send_port(self->ends));
    return isle_null();
}

/* Without memory to say so, the topic's isolate tells a port that is closed. */
static void ports_close(struct subscription *self)
{
    if (!isle_send_port_is_none(self->isolate.control_port))
        (void)!isle_try(unmonitor, isle_pointer(self), NULL);
    self->isolate = (isle_isolate){{0}, {0}, {0}, {0}};
    isle_port_close(self->port);
    isle_port_close(self->ends);
    self->port = self->ends = NULL;
}

static isle_value leave(isle_value pointer)
{
    const struct subscription *self = isle_as_pointer(pointer);
    isle_value request = isle_list();
    isle_list_add(request, isle_int(ISLE__TOPIC_UNSUBSCRIBE));
    isle_list_add(request, isle_capability_value(self->token));
    isle_list_add(request, isle_int(self->number));
    isle_send(self->topic.subscribe, request);
    return isle_null();
}

/* The first that is told counts; what has come before is handed out first. */
static void subscription_ends(struct subscription *self, isle_err end)
{
    if (self->end != ISLE_OK)
        return;
    self->end = end < ISLE_OK && end >= ISLE_EDEADLOCK ? end : ISLE_ECLOSED;
    if (self->end == ISLE_ENOMEM && self->number != 0) /* else the topic knows */
        (void)!isle_try(leave, isle_pointer(self), NULL);
    ports_close(self);
    wake(self);
    hand_out(self->handle);
}

/* NULL: it is none of a subscription's. */
static struct subscription *batch_read(isle_value batch, isle_err *ret_end)
{
    int64_t number, end;
    if (isle_kind_of(batch) != ISLE_LIST || isle_count(batch) < ISLE__BATCH_COUNT ||
        !isle_get_int(isle_list_get(batch, ISLE__BATCH_NUMBER), &number) ||
        isle_kind_of(isle_list_get(batch, ISLE__BATCH_TOKEN)) != ISLE_CAPABILITY ||
        !isle_get_int(isle_list_get(batch, ISLE__BATCH_END), &end))
        return NULL;
    struct subscription *self = subscription_find((const void *)(uintptr_t)number);
    isle_capability token = isle_as_capability(isle_list_get(batch, ISLE__BATCH_TOKEN));
    if (self == NULL || !isle_capability_equal(token, self->token))
        return NULL;
    *ret_end = end == 0 ? ISLE_OK : end < 0 && end >= ISLE_EDEADLOCK ? (isle_err)end : ISLE_ECLOSED;
    return self;
}

struct arrived {
    struct subscription *self;
    isle_value batch;
    isle_send_port reply;
};

static isle_value batch_accept(isle_value pointer)
{
    const struct arrived *arrived = isle_as_pointer(pointer);
    struct subscription *self = arrived->self;
    if (isle_count(arrived->batch) == ISLE__BATCH_COUNT) { /* are you there? */
        batch_answer(self, arrived->reply);
    } else if (!has_messages(self)) {
        batch_open(self, arrived->batch);
        batch_answer(self, arrived->reply);
    } else if (isle_is_null(self->waiting)) {
        isle_cell_set(&self->waiting, arrived->batch);
        self->waiting_reply = arrived->reply;
    }
    wake(self);
    return isle_null();
}

/* Without memory for a batch it ends, and says so. */
static void on_batch(isle_value batch, isle_send_port reply)
{
    isle_err end = ISLE_OK;
    struct subscription *self = batch_read(batch, &end);
    if (self == NULL)
        return;
    struct arrived arrived = {self, batch, reply};
    if (end == ISLE_OK)
        end = isle_try(batch_accept, isle_pointer(&arrived), NULL);
    if (end != ISLE_OK)
        subscription_ends(self, end);
    else
        hand_out(self->handle);
}

static void on_isolate_end(isle_value end, void *handle)
{
    struct subscription *self = subscription_find(handle);
    (void)end;
    if (self != NULL)
        subscription_ends(self, ISLE_ECLOSED);
}

struct welcome {
    struct subscription *self;
    isle_value answer;
};

static isle_value welcome_read(isle_value pointer)
{
    const struct welcome *welcome = isle_as_pointer(pointer);
    struct subscription *self = welcome->self;
    isle_value answer = welcome->answer;
    int64_t number;
    if (isle_get_int(answer, &number))
        isle__throw(number >= ISLE_EDEADLOCK && number < 0 ? (isle_err)number : ISLE_ECLOSED,
                    "a topic's refusal");
    if (isle_kind_of(answer) != ISLE_LIST || isle_count(answer) != ISLE__WELCOME_COUNT ||
        !isle_get_int(isle_list_get(answer, ISLE__WELCOME_NUMBER), &number) ||
        isle_kind_of(isle_list_get(answer, ISLE__WELCOME_ISOLATE)) != ISLE_ISOLATE)
        isle__throw(ISLE_ECLOSED, "a topic's answer");
    self->number = number;
    self->isolate = isle_as_isolate(isle_list_get(answer, ISLE__WELCOME_ISOLATE));
    isle_monitor(self->isolate, isle_port_send_port(self->ends));
    return isle_null();
}

static void on_welcome(isle_value answer, void *handle)
{
    struct welcome welcome = {subscription_find(handle), answer};
    if (welcome.self == NULL || welcome.self->end != ISLE_OK)
        return;
    isle_err err = isle_try(welcome_read, isle_pointer(&welcome), NULL);
    if (err != ISLE_OK)
        subscription_ends(welcome.self, err);
}

static void on_no_welcome(isle_value error, void *handle)
{
    struct subscription *self = subscription_find(handle);
    if (self != NULL)
        subscription_ends(self, isle_error_code(error));
}

/* --- the program's side */

static isle_value subscribe(isle_value pointer)
{
    struct subscription *self = isle_as_pointer(pointer);
    isle_value request = isle_list();
    self->token = isle_capability_new();
    self->handle = isle__system_open(ISLE__SYSTEM_SUBSCRIPTION, self);
    self->port = isle_port_open();
    self->ends = isle_port_open();
    isle_port_on_receive(self->port, on_batch);
    isle_port_listen(self->ends, on_isolate_end, self->handle);
    isle_list_add(request, isle_int(ISLE__TOPIC_SUBSCRIBE));
    isle_list_add(request, isle_capability_value(self->token));
    isle_list_add(request, isle_int((int64_t)(uintptr_t)self->handle));
    isle_list_add(request, isle_port_value(self->port));
    isle_list_add(request, isle_int((int64_t)self->at)); /* of the options, until now */
    isle_list_add(request, isle_int(self->end_told ? ISLE_LAG_END : ISLE_LAG_SKIP));
    self->arrival = isle__call_apart(self->topic.subscribe, request);
    isle_then(self->arrival, on_welcome, on_no_welcome, self->handle);
    return isle_null();
}

isle_subscription *isle_topic_subscribe(isle_topic topic, const isle_subscribe_options *options)
{
    static const isle_subscribe_options none;
    isle__inside_need(__func__);
    if (isle_send_port_is_none(topic.subscribe))
        isle__throw(ISLE_EINVAL, "%s: no right to subscribe", __func__);
    if (options == NULL)
        options = &none;
    struct subscription *self = isle_new(struct subscription);
    self->topic = topic;
    self->at = options->max_behind < INT64_MAX ? options->max_behind : 0;
    self->end_told = options->lag == ISLE_LAG_END;
    if (isle_try(subscribe, isle_pointer(self), NULL) != ISLE_OK) {
        if (self->arrival != NULL) /* asked, and no memory to hear of it */
            isle_future_cancel(self->arrival);
        ports_close(self);
        isle__system_close(ISLE__SYSTEM_SUBSCRIPTION, self->handle);
        isle_free(self);
        isle_throw(isle_last_error());
    }
    self->arrival = NULL;
    self->at = 0;
    self->end_told = false;
    return self->handle;
}

static struct subscription *subscription_need(const isle_subscription *handle, const char *function)
{
    return isle__system_need(ISLE__SYSTEM_SUBSCRIPTION, handle, function);
}

void isle_subscription_listen(isle_subscription *handle, isle_handler *on_message,
                              isle_handler *on_end, void *context)
{
    struct subscription *self = subscription_need(handle, __func__);
    if (self->waiters > 0)
        isle__throw(ISLE_EINVAL, "%s: an activity waits in isle_subscription_receive", __func__);
    if (on_message != NULL) /* what is here already has events of its own */
        isle_schedule_microtask(hand_out, self->handle);
    self->on_message = on_message;
    self->on_end = on_end;
    self->context = context;
}

/* Waits for something to come, or the deadline. */
static isle_err arrival_wait(struct subscription *self, int64_t deadline)
{
    if (self->arrival == NULL)
        self->arrival = isle_future_keep(isle_future_new());
    const isle_subscription *handle = self->handle;
    int64_t left = deadline == ISLE_FOREVER ? ISLE_FOREVER : deadline - isle_now_ns();
    self->waiters++;
    isle_err err = isle_try_await(self->arrival, left < 0 ? 0 : left, NULL);
    self = subscription_find(handle);
    if (self == NULL || --self->waiters > 0 || self->arrival == NULL)
        return err;
    isle_future_release(self->arrival);
    self->arrival = NULL;
    return err;
}

isle_err isle_subscription_receive(isle_subscription *handle, int64_t timeout_ns,
                                   isle_value *ret_message)
{
    struct subscription *self = subscription_need(handle, __func__);
    int64_t now = isle_now_ns();
    int64_t deadline = timeout_ns > ISLE_FOREVER - now ? ISLE_FOREVER : now + timeout_ns;
    isle_value message;
    if (self->on_message != NULL)
        isle__throw(ISLE_EINVAL, "%s: there is a handler", __func__);
    while (!message_take(self, &message)) {
        if (self->end != ISLE_OK)
            return isle__fail(self->end, "%s: the subscription has ended: %s", __func__,
                              isle_err_text(self->end));
        isle_err err = timeout_ns <= 0 ? ISLE_ETIMEDOUT : arrival_wait(self, deadline);
        self = subscription_find(handle);
        if (self == NULL)
            return isle__fail(ISLE_ECLOSED, "%s: it was closed", __func__);
        if (err == ISLE_ETIMEDOUT && !has_messages(self) && self->end == ISLE_OK)
            return isle__fail(ISLE_ETIMEDOUT, "%s: nothing came in time", __func__);
        if (err != ISLE_OK && err != ISLE_ETIMEDOUT) /* it cannot wait: nothing comes meanwhile */
            return err;
    }
    if (ret_message != NULL)
        *ret_message = message;
    return ISLE_OK;
}

uint64_t isle_subscription_missed(const isle_subscription *handle)
{
    return subscription_need(handle, __func__)->missed;
}

void isle_subscription_close(isle_subscription *handle)
{
    isle__inside_need("isle_subscription_close");
    struct subscription *self = subscription_find(handle);
    if (self == NULL)
        return;
    if (self->end == ISLE_OK &&
        self->number != 0) /* else the topic finds out with its next batch */
        (void)!isle_try(leave, isle_pointer(self), NULL);
    ports_close(self);
    isle__system_close(ISLE__SYSTEM_SUBSCRIPTION, handle);
    wake(self);
    isle_cell_set(&self->batch, isle_null());
    isle_cell_set(&self->waiting, isle_null());
    isle_free(self);
}
