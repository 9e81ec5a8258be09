/* SPDX-License-Identifier: Apache-2.0 */
/* Sending: a copy, then admission to the receiver's mailbox, then the push. Nothing is taken from
 * the sender before admission, so a refused send changes nothing. Calls and their replies are the
 * same with a promise at one end. */
#include "core/activity.h"
#include "core/control.h"
#include "core/due.h"
#include "core/gate.h"
#include "core/isolate.h"
#include "core/mail.h"
#include "core/promise.h"
#include "core/simulate.h"

struct sending {
    struct isle__isolate *isolate;
    const char *function;
    uint64_t target, reply;
    isle_value message;
    const isle_type *type; /* set: `object` is sent, not `message` */
    const void *object;
    uint32_t due;     /* of a call */
    size_t *ret_size; /* NULL: nobody asks */
};

static isle_err sending_copy(const struct sending *sending, struct isle__parcel *ret_parcel)
{
    size_t header = sizeof(struct isle__mail);
    if (sending->type != NULL)
        return isle__parcel_copy_object(&sending->isolate->heap, sending->type, sending->object,
                                        header, ret_parcel);
    return isle__parcel_copy(&sending->isolate->heap, sending->message, header, ret_parcel);
}

static isle_err sending_full(const char *function)
{
    return isle__fail(ISLE_EFULL, "%s: the receiver's mailbox is full", function);
}

static ISLE__RARE isle_err sending_large(const char *function)
{
    return isle__fail(ISLE_ERANGE, "%s: the message is larger than what crosses a wall", function);
}

static isle_err sending_nowhere(const char *function)
{
    return isle__fail(ISLE_EINVAL, "%s: the port is none", function);
}

/* In a simulation the sender may be preempted before it does anything else. */
static inline void sending_done(struct isle__isolate *isolate)
{
    if (isle__simulating())
        isle__simulate_point(isolate);
}

static ISLE__RARE isle_err sending_bare_failed(const char *function, isle_err err)
{
    return err == ISLE_EFULL ? sending_full(function) : isle__fail(err, "%s", isle_err_text(err));
}

/* An int, a port and their like: no graph, nothing to undo. */
static inline isle_err sending_bare(struct isle__isolate *isolate, const char *function,
                                    uint64_t target, uint64_t reply, uint32_t due,
                                    isle_value message)
{
    if (ISLE__UNLIKELY(target == 0))
        return sending_nowhere(function);
    isle_err err = isle__mail_send_bare(message, target, reply, due);
    if (ISLE__UNLIKELY(err != ISLE_OK))
        return sending_bare_failed(function, err);
    sending_done(isolate);
    return ISLE_OK;
}

/* The code, with isle_last_error set. */
static isle_err sending_run(const struct sending *sending)
{
    struct isle__parcel parcel;
    if (sending->type == NULL && isle__travels_bare(sending->message))
        return sending_bare(sending->isolate, sending->function, sending->target, sending->reply,
                            sending->due, sending->message);
    if (sending->target == 0)
        return sending_nowhere(sending->function);
    isle_err err = sending_copy(sending, &parcel);
    if (err != ISLE_OK)
        return err;
    struct isle__mail *mail = isle__mail_of(&parcel, ISLE__MAIL_DATA, sending->target);
    isle__mail_set_reply(mail, sending->reply);
    mail->due = sending->due;
    if (ISLE__UNLIKELY(parcel.size > ISLE__MAIL_LARGE) && !isle__mail_may_cross(mail)) {
        isle__parcel_undo(&parcel);
        return sending_large(sending->function);
    }
    struct isle__isolate *receiver;
    if (sending->ret_size != NULL)
        *sending->ret_size = parcel.size;
    if (isle__mail_admit(mail, &receiver) != ISLE_OK) {
        isle__parcel_undo(&parcel);
        return sending_full(sending->function);
    }
    isle__parcel_commit(&parcel);
    mail->parcel = parcel;
    isle__mail_push(mail, receiver);
    sending_done(sending->isolate);
    return ISLE_OK;
}

static void sending_insist(const struct sending *sending)
{
    if (sending_run(sending) != ISLE_OK)
        isle_throw(isle_last_error());
}

static void send_graph(struct isle__isolate *isolate, const char *function, uint64_t target,
                       isle_value message)
{
    struct sending sending = {
        .isolate = isolate, .function = function, .target = target, .message = message};
    sending_insist(&sending);
}

void isle_send(isle_send_port port, isle_value message)
{
    struct isle__isolate *isolate = isle__isolate_need(__func__);
    isle__attend(isolate);
    if (!isle__travels_bare(message))
        send_graph(isolate, __func__, port.id, message);
    else if (ISLE__UNLIKELY(sending_bare(isolate, __func__, port.id, 0, 0, message) != ISLE_OK))
        isle_throw(isle_last_error());
}

isle_err isle_try_send(isle_send_port port, isle_value message)
{
    struct isle__isolate *isolate;
    isle_err err = isle__isolate_ask(&isolate);
    if (err != ISLE_OK)
        return err;
    struct sending sending = {
        .isolate = isolate, .function = __func__, .target = port.id, .message = message};
    return sending_run(&sending);
}

/* `reply`: none, or where the answer goes. */
static isle_err send_sized(isle_send_port port, isle_value message, isle_send_port reply,
                           size_t *ret_size)
{
    struct isle__isolate *isolate;
    isle_err err = isle__isolate_ask(&isolate);
    if (err != ISLE_OK)
        return err;
    if (ret_size == NULL)
        return isle__fail(ISLE_EINVAL, "isle_try_send_sized: ret_size is NULL");
    struct sending sending = {.isolate = isolate,
                              .function = "isle_try_send_sized",
                              .target = port.id,
                              .reply = reply.id,
                              .message = message,
                              .ret_size = ret_size};
    size_t bare = ISLE__MAIL_BARE_SIZE;
    err = sending_run(&sending);
    if ((err == ISLE_OK || err == ISLE_EFULL) && isle__travels_bare(message))
        *ret_size = bare;
    return err;
}

isle_err isle_try_send_sized(isle_send_port port, isle_value message, size_t *ret_size)
{
    return send_sized(port, message, isle_send_port_none(), ret_size);
}

isle_err isle__ask_sized(isle_send_port port, isle_value message, isle_send_port answer,
                         size_t *ret_size)
{
    return send_sized(port, message, answer, ret_size);
}

bool isle__port_could_hold(isle_send_port port, size_t size)
{
    return isle__gate_could_hold(port.id, size);
}

void isle_send_with_reply(isle_send_port port, isle_value message, isle_send_port reply)
{
    struct isle__isolate *isolate = isle__isolate_need(__func__);
    isle__attend(isolate);
    struct sending sending = {.isolate = isolate,
                              .function = __func__,
                              .target = port.id,
                              .reply = reply.id,
                              .message = message};
    sending_insist(&sending);
}

void isle_send_object(isle_send_port port, const isle_type *type, const void *pointer)
{
    struct isle__isolate *isolate = isle__isolate_need(__func__);
    isle__attend(isolate);
    if (type == NULL || pointer == NULL)
        isle__throw(ISLE_EINVAL, "isle_send_object: %s is NULL",
                    type == NULL ? "the type" : "the pointer");
    struct sending sending = {.isolate = isolate,
                              .function = __func__,
                              .target = port.id,
                              .type = type,
                              .object = pointer};
    sending_insist(&sending);
}

/* A deadline of so many days is none for whom it would travel to. */
static uint32_t call_due(const struct isle__promise *promise, int64_t timeout_ns)
{
    if (promise->timeout.position == 0)
        return 0;
    bool is_far = timeout_ns > ISLE__DUE_MOST && promise->isolate->running->due == 0;
    return is_far ? 0 : isle__due_of(promise->timeout.deadline);
}

static struct isle__promise *call_begin(struct isle__isolate *isolate, const char *function,
                                        isle_send_port port)
{
    isle__attend(isolate);
    if (isle_send_port_is_none(port))
        isle__throw(ISLE_EINVAL, "%s: the port is none", function);
    struct isle__promise *promise = isle__promise_new(isolate);
    isle__promise_expect(promise);
    return promise;
}

static isle_future *call_send(struct isle__promise *promise, const char *function,
                              isle_send_port port, isle_value message, uint32_t due)
{
    struct sending sending = {
        .isolate = promise->isolate,
        .function = function,
        .target = port.id,
        .reply = atomic_load_explicit(&promise->slot->id, memory_order_relaxed),
        .message = message,
        .due = due,
    };
    if (sending_run(&sending) != ISLE_OK) {
        isle__promise_discard(promise);
        isle_throw(isle_last_error());
    }
    return isle__promise_future(promise);
}

isle_future *isle_call(isle_send_port port, isle_value message, int64_t timeout_ns)
{
    struct isle__isolate *isolate = isle__isolate_need(__func__);
    struct isle__promise *promise = call_begin(isolate, __func__, port);
    isle__promise_set_timeout(promise, timeout_ns);
    return call_send(promise, __func__, port, message, call_due(promise, timeout_ns));
}

isle_future *isle__call_apart(isle_send_port port, isle_value message)
{
    struct isle__isolate *isolate = isle__isolate_need("isle_call");
    return call_send(call_begin(isolate, "isle_call", port), "isle_call", port, message, 0);
}

isle_future *isle__answer_expect(bool keeps_alive, isle_send_port *ret_port)
{
    struct isle__isolate *isolate = isle__isolate_need(__func__);
    struct isle__promise *promise = isle__promise_new(isolate);
    isle__promise_expect(promise);
    if (!keeps_alive)
        isle__promise_let_end(promise);
    ret_port->id = atomic_load_explicit(&promise->slot->id, memory_order_relaxed);
    return isle__promise_future(promise);
}

/* --- replies */

void isle__reply_closed(uint64_t reply)
{
    if (!isle__reply_waits(reply))
        return;
    struct isle__mail *mail = isle__mail_make(isle_null(), ISLE__MAIL_REPLY_ERROR, reply);
    if (mail == NULL) /* who has just ended has given memory back meanwhile */
        mail = isle__mail_make(isle_null(), ISLE__MAIL_REPLY_ERROR, reply);
    if (mail == NULL)
        return; /* the call's own timeout tells */
    mail->code = ISLE_ECLOSED;
    isle__mail_post_reserved(mail);
}

void isle__reply_send(struct isle__isolate *isolate, uint64_t reply, isle_value answer,
                      bool is_error)
{
    struct isle__parcel parcel;
    size_t header = sizeof(struct isle__mail);
    enum isle__mail_kind kind = is_error ? ISLE__MAIL_REPLY_ERROR : ISLE__MAIL_REPLY;
    struct isle__mail *mail =
        isle__travels_bare(answer) ? isle__mail_make(answer, kind, reply) : NULL;
    if (mail != NULL) {
        isle__mail_post_reserved(mail);
        return;
    }
    isle_err err = isle__parcel_copy(&isolate->heap, answer, header, &parcel);
    if (err != ISLE_OK) {
        is_error = true;
        answer = isle_last_error();
        err = isle__parcel_copy(&isolate->heap, answer, header, &parcel);
    }
    if (err != ISLE_OK) {
        isle__reply_closed(reply);
        return;
    }
    isle__parcel_commit(&parcel);
    isle__mail_post_reserved(
        isle__mail_of(&parcel, is_error ? ISLE__MAIL_REPLY_ERROR : ISLE__MAIL_REPLY, reply));
}

uint64_t isle_send_port_hash(isle_send_port port)
{
    uint64_t hash = port.id * UINT64_C(0x9e3779b97f4a7c15);
    return hash ^ hash >> 32;
}
