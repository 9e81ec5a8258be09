/* SPDX-License-Identifier: Apache-2.0 */
/* Receiving in direct style: an activity takes the first mail of one or several ports that it
 * wants, and waits while there is none.
 *
 * A mail wakes who waits first, and those before that choose what they take; they look at what they
 * have not looked at. Who was woken and may not take it after all, because it ends or has another
 * port to take from, passes it on: nobody waits beside a message that it would take. */
#include "core/activity.h"
#include "core/control.h"
#include "core/handle.h"
#include "core/isolate.h"
#include "core/loop.h"
#include "core/mail.h"
#include "core/port.h"
#include "core/simulate.h"
#include "core/taken.h"
#include "core/timer.h"

struct reception {
    struct isle__isolate *isolate;
    const char *function;
    isle_receive_port *const *handles;
    size_t count;
    isle_predicate *matches; /* of a single port; NULL: all do */
    void *context;
    int64_t deadline;
    uint64_t looked_at;       /* mail that arrived up to then did not match */
    struct isle__place place; /* of what was looked at last */
    isle_receive_port *from;
    isle_value message;
};

static struct isle__port *reception_earliest(struct reception *reception)
{
    struct isle__port *earliest = NULL;
    for (size_t i = 0; i < reception->count; i++) {
        struct isle__port *port =
            isle__port_need(reception->isolate, reception->function, reception->handles[i]);
        if (port->style != ISLE__PORT_QUIET)
            isle__throw(ISLE_EINVAL, "%s: the port has a handler", reception->function);
        if (!port->engaged)
            isle__port_set_alive(port, true, port->keep_alive);
        if (port->trims)
            isle__port_trim(port);
        if (port->queue != NULL &&
            (earliest == NULL || port->queue->arrival < earliest->queue->arrival))
            earliest = port;
    }
    return earliest;
}

struct matching {
    struct reception *reception;
    isle_value shown;
    bool matches;
};

static void matching_run(void *argument)
{
    struct matching *matching = argument;
    struct isle__frame *frame = matching->reception->isolate->heap.frame;
    frame->deferring++; /* it may not suspend */
    matching->matches = matching->reception->matches(matching->shown, matching->reception->context);
    frame->deferring--;
}

static void matching_scoped(void *argument)
{
    isle_scope scope = isle_scope_open();
    matching_run(argument);
    isle_scope_close(&scope);
}

/* Shows a mail to the predicate, in an inner scope. Meanwhile it is nobody's: whatever the
 * predicate does with the port does not reach it. How the predicate ended is told after the mail is
 * back in its place; true: it is the caller's instead. */
static bool mail_matches(struct reception *reception, isle_receive_port *handle,
                         struct isle__mail *mail)
{
    struct isle__isolate *isolate = reception->isolate;
    struct matching matching = {reception, isle_null(), false};
    struct isle__region shown = {ISLE__REGION_SHOWN, &isolate->heap};
    struct isle__catch catch;
    matching.shown = mail->is_bare ? mail->root : isle__parcel_peek(&mail->parcel, &shown);
    enum isle__unwinding how =
        isle__catch_do(&isolate->heap, &catch, ISLE__CATCH_PROTECT, matching_scoped, &matching);
    if (!mail->is_bare)
        isle__parcel_unpeek(&mail->parcel);
    struct isle__port *port = isle__handle_find(&isolate->handles, ISLE__HANDLE_PORT, handle);
    matching.matches = matching.matches && how == ISLE__UNWIND_NONE && port != NULL;
    if (matching.matches)
        port->taken++;
    else
        isle__port_put_back(isolate, handle, &reception->place, mail);
    if (how == ISLE__UNWIND_END)
        isle__unwind_end(&isolate->heap);
    if (how == ISLE__UNWIND_ERROR)
        isle_throw(catch.error);
    return matching.matches;
}

static struct isle__mail *port_take_match(struct reception *reception, isle_receive_port *handle)
{
    for (;;) {
        struct isle__port *port = isle__port_need(reception->isolate, reception->function, handle);
        struct isle__mail *mail = isle__port_lend(port, &reception->place, reception->looked_at);
        if (mail == NULL)
            return NULL;
        reception->looked_at = mail->arrival;
        if (mail_matches(reception, handle, mail))
            return mail;
    }
}

static bool reception_take(struct reception *reception)
{
    struct isle__port *port = reception_earliest(reception);
    struct isle__mail *mail = NULL;
    if (port == NULL)
        return false;
    reception->from = port->handle;
    if (reception->matches != NULL)
        mail = port_take_match(reception, port->handle);
    else
        mail = isle__port_take(port);
    if (mail == NULL)
        return false;
    reception->message = isle__mail_open_raw(reception->isolate, mail,
                                             isle__scope_current(&reception->isolate->heap));
    return true;
}

static void waiters_remove(struct reception *reception, struct isle__waiter *waiters)
{
    for (size_t i = 0; i < reception->count; i++) {
        struct isle__port *port = isle__handle_find(&reception->isolate->handles, ISLE__HANDLE_PORT,
                                                    reception->handles[i]);
        if (port != NULL && isle__port_wait_over(port, &waiters[i]) && !waiters[i].chooses)
            isle__port_pass_on(port);
    }
}

static void waiters_add(struct reception *reception, struct isle__waiter *waiters)
{
    for (size_t i = 0; i < reception->count; i++) {
        struct isle__port *port = isle__handle_find(&reception->isolate->handles, ISLE__HANDLE_PORT,
                                                    reception->handles[i]);
        waiters[i] = (struct isle__waiter){.activity = reception->isolate->running,
                                           .chooses = reception->matches != NULL};
        if (port != NULL)
            isle__port_wait(port, &waiters[i]);
    }
}

/* False: the time is over. */
static bool reception_wait(struct reception *reception, struct isle__waiter *waiters)
{
    struct isle__isolate *isolate = reception->isolate;
    isle_err err = isle__activity_can_wait(isolate);
    if (err != ISLE_OK)
        isle__activity_refused(err, reception->function, "isle_port_listen");
    waiters_add(reception, waiters);
    err = isle__activity_wait(isolate, reception->deadline, reception->function);
    waiters_remove(reception, waiters);
    if (isolate->running->forced)
        isle__unwind_end(&isolate->heap);
    if (err != ISLE_OK && err != ISLE_ETIMEDOUT)
        isle__activity_refused(err, reception->function, "isle_port_listen");
    return err == ISLE_OK;
}

/* What was asked of the isolate before a message was sent to it holds when that is received. */
static void receive_poll(struct isle__isolate *isolate)
{
    isle__poll_mail(isolate);
    isle__attend(isolate);
}

/* True: a message is there. False: the time is over. */
static bool reception_run(struct reception *reception)
{
    struct isle__waiter single, *waiters = &single;
    isle__attend(reception->isolate);
    if (reception_take(reception))
        return true;
    if (reception->deadline != ISLE_FOREVER && isle__now() >= reception->deadline) {
        receive_poll(reception->isolate);
        return reception_take(reception);
    }
    if (reception->count > 1)
        waiters = isle__scope_alloc(isle__scope_current(&reception->isolate->heap),
                                    reception->count * sizeof *waiters);
    for (;;) {
        bool in_time = reception_wait(reception, waiters);
        isle__attend(reception->isolate);
        if (reception_take(reception))
            return true;
        if (!in_time) { /* what came meanwhile lies in the mailbox still, if others kept the loop
                           busy */
            receive_poll(reception->isolate);
            return reception_take(reception);
        }
    }
}

/* One port, whatever comes: what most programs wait for. */
struct single {
    struct isle__isolate *isolate;
    const char *function;
    const isle_receive_port *handle;
    int64_t deadline;
    isle_value message;
};

static bool single_take(struct single *single, struct isle__port *port)
{
    struct isle__isolate *isolate = single->isolate;
    if (ISLE__UNLIKELY(port->trims))
        isle__port_trim(port);
    struct isle__mail *mail = port->queue;
    if (mail != NULL)
        mail = isle__port_take(port);
    else if (port->waiters == NULL && !isle__loop_sees_no_mail(isolate) && !port->trims)
        mail = isle__loop_take_next(isolate, port->id);
    if (mail == NULL)
        return false;
    single->message = isle__mail_open_raw(isolate, mail, isle__scope_current(&isolate->heap));
    return true;
}

/* *port may be closed meanwhile: then it is NULL. */
static isle_err single_wait(struct single *single, struct isle__port **port)
{
    struct isle__isolate *isolate = single->isolate;
    isle_err err = isle__activity_can_wait(isolate);
    if (err != ISLE_OK)
        isle__activity_refused(err, single->function, "isle_port_listen");
    struct isle__waiter waiter = {.activity = isolate->running};
    isle__port_wait(*port, &waiter);
    err = isle__activity_suspend(isolate, single->deadline, single->function);
    *port = isle__handle_find(&isolate->handles, ISLE__HANDLE_PORT, single->handle);
    if (*port != NULL && isle__port_wait_over(*port, &waiter) && isle__attend_has_cause(isolate) &&
        isle__attend_ends(isolate))
        isle__port_pass_on(*port);
    if (isolate->running->forced)
        isle__unwind_end(&isolate->heap);
    if (err != ISLE_OK && err != ISLE_ETIMEDOUT)
        isle__activity_refused(err, single->function, "isle_port_listen");
    return err;
}

/* False: the time is over. */
static bool single_run(struct single *single)
{
    struct isle__isolate *isolate = single->isolate;
    struct isle__port *port = NULL;
    isle_err err = ISLE_OK;
    for (;;) {
        isle__attend(isolate);
        if (port == NULL)
            port = isle__port_need(isolate, single->function, single->handle);
        if (port->style != ISLE__PORT_QUIET)
            isle__throw(ISLE_EINVAL, "%s: the port has a handler", single->function);
        if (!port->engaged)
            isle__port_set_alive(port, true, port->keep_alive);
        if (single_take(single, port))
            return true;
        if (err == ISLE_ETIMEDOUT ||
            (single->deadline != ISLE_FOREVER && isle__now() >= single->deadline)) {
            receive_poll(isolate); /* others may have kept the loop busy */
            return single_take(single, port);
        }
        err = single_wait(single, &port);
    }
}

isle_value isle_port_receive(isle_receive_port *port)
{
    struct single single = {isle__isolate_need(__func__), __func__, port, ISLE_FOREVER, {0}};
    (void)single_run(&single);
    return single.message;
}

isle_value isle_port_receive_if(isle_receive_port *port, isle_predicate *matches, void *context)
{
    if (matches == NULL)
        return isle_port_receive(port);
    struct reception reception = {
        .isolate = isle__isolate_need(__func__),
        .function = __func__,
        .handles = &port,
        .count = 1,
        .matches = matches,
        .context = context,
        .deadline = ISLE_FOREVER,
    };
    (void)reception_run(&reception);
    return reception.message;
}

static void single_try(void *argument)
{
    struct single *single = argument;
    if (!single_run(single))
        isle__throw(ISLE_ETIMEDOUT, "%s: timed out", single->function);
}

isle_err isle_port_try_receive(isle_receive_port *port, int64_t timeout_ns, isle_value *ret_message)
{
    struct single single = {.function = __func__, .handle = port};
    isle_err err = isle__isolate_ask(&single.isolate);
    if (err != ISLE_OK)
        return err;
    single.deadline = timeout_ns == ISLE_FOREVER ? ISLE_FOREVER : isle__deadline_of(timeout_ns);
    struct isle__catch catch;
    if (isle__catch_do(&single.isolate->heap, &catch, ISLE__CATCH_TRY, single_try, &single) !=
        ISLE__UNWIND_NONE)
        return isle__fail_with(catch.error);
    if (ret_message != NULL)
        *ret_message = single.message;
    return ISLE_OK;
}

isle_receive_port *isle_port_receive_any(isle_receive_port *const *ports, size_t count,
                                         int64_t timeout_ns, isle_value *ret_message)
{
    struct isle__isolate *isolate = isle__isolate_need(__func__);
    if (ports == NULL || count == 0)
        isle__throw(ISLE_EINVAL, "isle_port_receive_any: no port to wait on");
    struct reception reception = {
        .isolate = isolate,
        .function = __func__,
        .handles = ports,
        .count = count,
        .deadline = timeout_ns == ISLE_FOREVER ? ISLE_FOREVER : isle__deadline_of(timeout_ns),
    };
    if (!reception_run(&reception))
        return NULL;
    if (ret_message != NULL)
        *ret_message = reception.message;
    return reception.from;
}
