/* SPDX-License-Identifier: Apache-2.0 */
/* Receive ports: where mail of an isolate goes once its loop has taken it. With a handler each mail
 * is an event; without one it waits here, for a handler that is set later or for code in direct
 * style.
 *
 * A port counts for its isolate's life (`alive`) while it is engaged and its flag is set; the
 * default port is engaged once somebody uses it. */
#include "core/port.h"

#include "core/activity.h"
#include "core/drop.h"
#include "core/gate.h"
#include "core/handle.h"
#include "core/isolate.h"
#include "core/loop.h"
#include "core/mail.h"
#include "core/name.h"
#include "core/program.h"
#include "core/promise.h"
#include "core/reactor.h"
#include "core/slot.h"
#include "core/taken.h"

/* --- life */

void isle__port_set_alive(struct isle__port *port, bool engaged, bool keep_alive)
{
    bool was = port->engaged && port->keep_alive, is = engaged && keep_alive;
    port->engaged = engaged;
    port->keep_alive = keep_alive;
    if (is && !was)
        port->isolate->alive++;
    else if (was && !is)
        port->isolate->alive--;
}

static struct isle__port *port_make(struct isle__isolate *isolate)
{
    isle__heap_charge(&isolate->heap, sizeof(struct isle__port));
    struct isle__port *port = isle__memory_alloc(sizeof *port);
    if (port != NULL) {
        *port = (struct isle__port){.isolate = isolate};
        port->handle = isle__handle_open(isolate, ISLE__HANDLE_PORT, port);
        if (port->handle != NULL)
            return port;
        isle__memory_free(port, sizeof *port);
    }
    isle__heap_discharge(&isolate->heap, sizeof *port);
    isle__throw(ISLE_ENOMEM, "Out of Memory");
}

struct isle__port *isle__port_open(struct isle__isolate *isolate)
{
    struct isle__port *port = port_make(isolate);
    struct isle__slot *slot = isle__slot_open(ISLE__SLOT_PORT, isolate, port);
    if (slot == NULL) {
        isle__handle_close(isolate, port->handle);
        isle__memory_free(port, sizeof *port);
        isle__heap_discharge(&isolate->heap, sizeof *port);
        isle__throw(ISLE_ENOMEM, "Out of Memory");
    }
    port->id = atomic_load_explicit(&slot->id, memory_order_relaxed);
    isle__port_set_alive(port, true, true);
    return port;
}

static struct isle__port *pending_at(const struct isle__isolate *isolate, uint32_t index)
{
    return isle__handle_at(&isolate->handles, ISLE__HANDLE_PORT, index);
}

static void pending_remove(struct isle__port *port)
{
    struct isle__isolate *isolate = port->isolate;
    if (!port->is_pending)
        return;
    struct isle__port *previous = pending_at(isolate, port->previous_pending);
    previous->next_pending = port->next_pending;
    pending_at(isolate, port->next_pending)->previous_pending = port->previous_pending;
    if (isolate->pending == port)
        isolate->pending = previous == port ? NULL : previous;
    port->is_pending = false;
}

static void pending_add(struct isle__port *port)
{
    struct isle__isolate *isolate = port->isolate;
    if (port->is_pending || port->queue == NULL || port->style == ISLE__PORT_QUIET)
        return;
    uint32_t self = isle__handle_index(port->handle);
    port->next_pending = port->previous_pending = self;
    struct isle__port *last = isolate->pending;
    if (last != NULL) {
        port->next_pending = last->next_pending;
        port->previous_pending = isle__handle_index(last->handle);
        pending_at(isolate, port->next_pending)->previous_pending = self;
        last->next_pending = self;
    }
    isolate->pending = port;
    port->is_pending = true;
    isle__main_made_work(isolate);
}

void isle__port_wait(struct isle__port *port, struct isle__waiter *waiter)
{
    struct isle__waiter *first = port->waiters;
    waiter->next = waiter->previous = waiter;
    if (first == NULL) {
        port->waiters = waiter;
        return;
    }
    waiter->next = first;
    waiter->previous = first->previous;
    first->previous->next = waiter;
    first->previous = waiter;
}

static void waiter_unlink(struct isle__port *port, struct isle__waiter *waiter)
{
    if (port->waiters == waiter)
        port->waiters = waiter->next == waiter ? NULL : waiter->next;
    waiter->next->previous = waiter->previous;
    waiter->previous->next = waiter->next;
    waiter->next = waiter->previous = NULL;
}

bool isle__port_wait_over(struct isle__port *port, struct isle__waiter *waiter)
{
    bool was_woken = waiter->next == NULL;
    if (was_woken)
        port->woken--;
    else
        waiter_unlink(port, waiter);
    return was_woken;
}

/* True: it takes whatever there is. */
static bool port_wake_first(struct isle__port *port)
{
    struct isle__waiter *waiter = port->waiters;
    waiter_unlink(port, waiter);
    port->woken++;
    isle__activity_wake(waiter->activity);
    return !waiter->chooses;
}

/* For one mail that has come. */
static void port_wake_for_mail(struct isle__port *port)
{
    if (port->style != ISLE__PORT_QUIET)
        return;
    while (port->waiters != NULL && !port_wake_first(port))
        ;
}

void isle__port_pass_on(struct isle__port *port)
{
    if (port->queue != NULL)
        port_wake_for_mail(port);
}

static void port_wake_all(struct isle__port *port)
{
    while (port->style == ISLE__PORT_QUIET && port->waiters != NULL)
        (void)port_wake_first(port);
}

static void port_free(struct isle__port *port)
{
    struct isle__isolate *isolate = port->isolate;
    bool ends = isle__slot_find(isolate->id) == NULL; /* with its isolate */
    if (port->signal != 0)
        isle__reactor_signal_remove(port->signal, port->id);
    if (port->id == isolate->id) {
        isolate->default_state = ISLE__DEFAULT_CLOSED;
        isolate->default_port = NULL;
    } else if (ends)
        isle__slot_end(isle__slot_find(port->id));
    else
        isle__slot_close(isle__slot_find(port->id));
    if (!ends) /* else all names go together (isle__names_ended) */
        isle__names_port_closed(isolate, port->id);
    isle__port_unbind(port);
    isle__port_set_alive(port, false, false);
    pending_remove(port);
    isle__handle_close(isolate, port->handle);
    struct isle__mail *mail = port->queue;
    while (mail != NULL) {
        struct isle__mail *next = mail->next;
        isle__mail_received(isolate, mail);
        atomic_fetch_add_explicit(ends ? &isle__program.dropped_dead
                                       : &isle__program.dropped_closed,
                                  1, memory_order_relaxed);
        isle__mail_refuse(mail);
        mail = next;
    }
    /* Those who wait look for the port again and find that it is gone. */
    port_wake_all(port);
    isle__drops_fire(port->drops);
    isle__memory_free(port, sizeof *port);
    isle__heap_discharge(&isolate->heap, sizeof *port);
}

void isle__ports_fini(struct isle__isolate *isolate)
{
    for (uint32_t index = isolate->handles.capacity; index > 0; index--) {
        struct isle__port *port = isle__handle_at(&isolate->handles, ISLE__HANDLE_PORT, index);
        if (port == NULL)
            continue;
        if (port->style == ISLE__PORT_QUIET)
            port->waiters = NULL;
        port_free(port);
    }
}

struct isle__port *isle__port_need(struct isle__isolate *isolate, const char *function,
                                   const isle_receive_port *handle)
{
    if (handle == NULL)
        isle__throw(ISLE_EINVAL, "%s: the port is NULL", function);
    struct isle__port *port = isle__handle_find(&isolate->handles, ISLE__HANDLE_PORT, handle);
    if (port == NULL)
        isle__throw(ISLE_ECLOSED, "%s: the port is closed, or another isolate's", function);
    return port;
}

/* --- dispatch */

static void mails_append(struct isle__mail **first, struct isle__mail **last,
                         struct isle__mail *mail)
{
    mail->next = NULL;
    if (*last != NULL)
        (*last)->next = mail;
    else
        *first = mail;
    *last = mail;
}

/* What an event brings to a port that has a handler. */
struct delivery {
    struct isle__port *port; /* until its handler is called: that may close it */
    struct isle__mail *mail;
};

/* The reply is posted from here, so that a refused one (unsendable) is the caller's error as well;
 * so is what the function throws, which the event's boundary takes (isle__event_run). */
static void serve_request(struct isle__isolate *isolate, const struct isle__port *port,
                          isle_value request, uint64_t reply, uint32_t due)
{
    struct isle__activity *self = isolate->running;
    self->serving = reply;
    self->due = due;
    isle_value answer = port->fn.serve(request, port->context);
    if (ISLE__UNLIKELY(self->frame.scope != &self->scope))
        isle__scopes_close_left(&self->frame, &self->scope);
    reply = self->serving; /* 0: somebody else answers */
    self->serving = 0;
    self->due = 0;
    if (reply != 0)
        isle__reply_send(isolate, reply, answer, false);
}

/* It answers when it likes: here or in a later event. */
static void classic_request(struct isle__isolate *isolate, const struct isle__port *port,
                            isle_value message, uint64_t reply, uint32_t due)
{
    struct isle__activity *self = isolate->running;
    self->due = reply == 0 ? 0 : due; /* else it may be a code */
    port->fn.classic(message, (isle_send_port){reply});
    self->due = 0;
}

static inline void delivery_run(struct isle__isolate *isolate, const struct isle__port *port,
                                struct isle__mail *mail)
{
    uint64_t reply = mail->reply;
    uint32_t due = mail->due;
    if (port->style == ISLE__PORT_LISTEN) {
        port->fn.listen(isle__mail_open_raw(isolate, mail, isle__event_scope(isolate)),
                        port->context);
        return;
    }
    isle_value message = isle__mail_open(isolate, mail, isle__event_scope(isolate));
    if (port->style == ISLE__PORT_CLASSIC)
        classic_request(isolate, port, message, reply, due);
    else if (port->style == ISLE__PORT_SERVE && reply == 0)
        (void)port->fn.serve(message, port->context);
    else if (port->style == ISLE__PORT_SERVE)
        serve_request(isolate, port, message, reply, due);
}

/* If the loop would bring a message for the same port next, it is the next event of this frame:
 * what opens and closes around an event is most of what a small one costs. The handler may have
 * closed the port, or changed its style. NULL: it is the loop's turn. */
static struct isle__mail *delivery_next(struct isle__isolate *isolate,
                                        const isle_receive_port *handle,
                                        struct isle__port **ret_port)
{
    if (!isle__activity_is_clean(isolate->running))
        return NULL;
    struct isle__port *port = isle__handle_find(&isolate->handles, ISLE__HANDLE_PORT, handle);
    if (port == NULL || !port->is_direct || port->queue != NULL)
        return NULL;
    struct isle__mail *mail = isle__loop_take_next(isolate, port->id);
    if (mail == NULL)
        return NULL;
    isle__scope_renew(&isolate->running->scope);
    *ret_port = port;
    return mail;
}

static void delivery_event(void *argument)
{
    const struct delivery *delivery = argument;
    struct isle__port *port = delivery->port;
    struct isle__mail *mail = delivery->mail;
    struct isle__isolate *isolate = port->isolate;
    const isle_receive_port *handle = port->handle;
    do
        delivery_run(isolate, port, mail);
    while (!isle__loop_sees_no_mail(isolate) &&
           (mail = delivery_next(isolate, handle, &port)) != NULL);
}

static inline void port_deliver(struct isle__port *port, struct isle__mail *mail)
{
    struct delivery delivery = {port, mail};
    isle__event_run(port->isolate, delivery_event, &delivery);
}

static void port_queue(struct isle__port *port, struct isle__mail *mail)
{
    mails_append(&port->queue, &port->queue_last, mail);
    if (ISLE__UNLIKELY(port->trims))
        isle__port_trim(port);
    pending_add(port);
    if (port->queue != NULL)
        port_wake_for_mail(port);
}

static inline void port_accept(struct isle__port *port, struct isle__mail *mail)
{
    if (port->is_direct && port->queue == NULL)
        port_deliver(port, mail);
    else
        port_queue(port, mail);
}

static void mail_undeliverable(struct isle__isolate *isolate, struct isle__mail *mail)
{
    bool late = mail->kind != ISLE__MAIL_DATA;
    isle__mail_received(isolate, mail);
    if (!isle__mail_is_missed(mail)) {
        isle__mail_drop(mail);
        return;
    }
    atomic_fetch_add_explicit(late ? &isle__program.dropped_late : &isle__program.dropped_closed, 1,
                              memory_order_relaxed);
    isle__mail_refuse(mail);
}

static void orphan_add(struct isle__isolate *isolate, struct isle__mail *mail)
{
    if (isolate->orphans != NULL) {
        mail->next = isolate->orphans->next;
        isolate->orphans->next = mail;
    } else {
        mail->next = mail;
    }
    isolate->orphans = mail;
}

struct isle__mail *isle__orphans_take(struct isle__isolate *isolate, struct isle__mail **ret_last)
{
    struct isle__mail *last = NULL, *first = NULL;
    if (isolate->default_state == ISLE__DEFAULT_UNASKED && isolate->orphans != NULL) {
        last = isolate->orphans;
        first = last->next;
        last->next = NULL;
        isolate->orphans = NULL;
    }
    *ret_last = last;
    return first;
}

void isle__port_dispatch(struct isle__isolate *isolate, struct isle__mail *mail)
{
    if (mail->target == isolate->id) {
        if (isolate->default_state == ISLE__DEFAULT_OPEN)
            port_accept(isolate->default_port, mail);
        else if (isolate->default_state == ISLE__DEFAULT_CLOSED)
            mail_undeliverable(isolate, mail);
        else
            orphan_add(isolate, mail);
        return;
    }
    struct isle__slot *slot = isle__slot_find(mail->target);
    if (slot == NULL || atomic_load_explicit(&slot->isolate, memory_order_relaxed) != isolate)
        mail_undeliverable(isolate, mail);
    else if (atomic_load_explicit(&slot->kind, memory_order_relaxed) == ISLE__SLOT_REPLY)
        isle__promise_receive(slot->object, mail);
    else
        port_accept(slot->object, mail);
}

bool isle__port_accept_quietly(struct isle__isolate *isolate, struct isle__mail *mail)
{
    struct isle__port *port = NULL;
    if (mail->target == isolate->id) {
        port = isolate->default_state == ISLE__DEFAULT_OPEN ? isolate->default_port : NULL;
    } else {
        struct isle__slot *slot = isle__slot_find(mail->target);
        if (slot != NULL && atomic_load_explicit(&slot->isolate, memory_order_relaxed) == isolate &&
            atomic_load_explicit(&slot->kind, memory_order_relaxed) == ISLE__SLOT_PORT)
            port = slot->object;
    }
    if (port == NULL || port->style != ISLE__PORT_QUIET)
        return false;
    port_queue(port, mail);
    return true;
}

struct isle__mail *isle__port_take(struct isle__port *port)
{
    struct isle__mail *mail = port->queue;
    if (mail == NULL)
        return NULL;
    port->queue = mail->next;
    if (port->queue == NULL)
        port->queue_last = NULL;
    port->taken++;
    mail->next = NULL;
    return mail;
}

struct isle__mail *isle__port_lend(struct isle__port *port, struct isle__place *place,
                                   uint64_t arrival)
{
    struct isle__mail **at = isle__port_at(port, place);
    struct isle__mail *previous = at == &port->queue ? NULL : place->behind;
    while (*at != NULL && (*at)->arrival <= arrival) {
        previous = *at;
        at = &(*at)->next;
    }
    *place = (struct isle__place){previous, port->taken};
    struct isle__mail *mail = *at;
    if (mail == NULL)
        return NULL;
    *at = mail->next;
    if (port->queue_last == mail)
        port->queue_last = previous;
    mail->next = NULL;
    return mail;
}

void isle__port_put_back(struct isle__isolate *isolate, const isle_receive_port *handle,
                         struct isle__place *place, struct isle__mail *mail)
{
    struct isle__port *port = isle__handle_find(&isolate->handles, ISLE__HANDLE_PORT, handle);
    if (port == NULL) {
        mail_undeliverable(isolate, mail);
        return;
    }
    struct isle__mail **at = isle__port_at(port, place);
    while (*at != NULL && (*at)->arrival < mail->arrival)
        at = &(*at)->next;
    mail->next = *at;
    *at = mail;
    if (mail->next == NULL)
        port->queue_last = mail;
    *place = (struct isle__place){mail, port->taken};
    pending_add(port);
}

bool isle__port_run_pending(struct isle__isolate *isolate)
{
    if (isolate->pending == NULL)
        return false;
    struct isle__port *port = pending_at(isolate, isolate->pending->next_pending);
    if (ISLE__UNLIKELY(port->trims))
        isle__port_trim(port);
    struct isle__mail *mail = port->style == ISLE__PORT_QUIET ? NULL : isle__port_take(port);
    if (port->style == ISLE__PORT_QUIET || port->queue == NULL)
        pending_remove(port);
    if (mail != NULL)
        port_deliver(port, mail);
    return true;
}

void isle__port_set_direct(struct isle__port *port)
{
    port->is_direct = port->style != ISLE__PORT_QUIET && !port->trims;
}

/* --- opening and closing */

isle_receive_port *isle_port_open(void)
{
    return isle__port_open(isle__isolate_need(__func__))->handle;
}

isle_receive_port *isle_default_port(void)
{
    struct isle__isolate *isolate = isle__isolate_need(__func__);
    if (isolate->default_state == ISLE__DEFAULT_CLOSED)
        isle__throw(ISLE_ECLOSED, "isle_default_port: it was closed");
    if (isolate->default_state == ISLE__DEFAULT_UNASKED) {
        struct isle__port *port = port_make(isolate);
        port->id = isolate->id;
        port->keep_alive = true;
        port->queue = isle__orphans_take(isolate, &port->queue_last);
        isolate->polled = false;
        isolate->default_port = port;
        isolate->default_state = ISLE__DEFAULT_OPEN;
    }
    return isolate->default_port->handle;
}

void isle_port_close(isle_receive_port *handle)
{
    struct isle__isolate *isolate = isle__isolate_need(__func__);
    struct isle__port *port = isle__handle_find(&isolate->handles, ISLE__HANDLE_PORT, handle);
    if (port != NULL)
        port_free(port);
}

isle_send_port isle_port_send_port(const isle_receive_port *handle)
{
    return (isle_send_port){isle__port_need(isle__isolate_need(__func__), __func__, handle)->id};
}

isle_value isle_port_value(const isle_receive_port *handle)
{
    return isle_port(isle_port_send_port(handle));
}

void isle_port_set_keep_alive(isle_receive_port *handle, bool keep_alive)
{
    struct isle__port *port = isle__port_need(isle__isolate_need(__func__), __func__, handle);
    isle__port_set_alive(port, port->engaged, keep_alive);
}

bool isle_port_keep_alive(const isle_receive_port *handle)
{
    return isle__port_need(isle__isolate_need(__func__), __func__, handle)->keep_alive;
}

/* --- callback style */

struct handling {
    union {
        isle_handler *listen;
        isle_answer *serve;
        isle_receiver *classic;
    } fn;
    void *context;
};

static void port_set_style(const char *function, isle_receive_port *handle,
                           enum isle__port_style style, struct handling handler)
{
    struct isle__isolate *isolate = isle__isolate_need(function);
    struct isle__port *port = isle__port_need(isolate, function, handle);
    if (port->style == ISLE__PORT_QUIET && (port->waiters != NULL || port->woken > 0))
        isle__throw(ISLE_EINVAL, "%s: an activity waits in isle_port_receive on this port",
                    function);
    port->style = (uint8_t)style;
    isle__port_set_direct(port);
    if (style == ISLE__PORT_QUIET) {
        port->waiters = NULL;
        port->woken = 0;
        isolate->polled = false;
        return;
    }
    port->context = handler.context;
    if (style == ISLE__PORT_LISTEN)
        port->fn.listen = handler.fn.listen;
    else if (style == ISLE__PORT_SERVE)
        port->fn.serve = handler.fn.serve;
    else
        port->fn.classic = handler.fn.classic;
    isle__port_set_alive(port, true, port->keep_alive);
    pending_add(port);
}

void isle_port_listen(isle_receive_port *port, isle_handler *on_message, void *context)
{
    port_set_style(__func__, port, on_message == NULL ? ISLE__PORT_QUIET : ISLE__PORT_LISTEN,
                   (struct handling){.fn.listen = on_message, .context = context});
}

void isle_port_serve(isle_receive_port *port, isle_answer *answer, void *context)
{
    port_set_style(__func__, port, answer == NULL ? ISLE__PORT_QUIET : ISLE__PORT_SERVE,
                   (struct handling){.fn.serve = answer, .context = context});
}

void isle_port_on_receive(isle_receive_port *port, isle_receiver *receiver)
{
    port_set_style(__func__, port, receiver == NULL ? ISLE__PORT_QUIET : ISLE__PORT_CLASSIC,
                   (struct handling){.fn.classic = receiver});
}
