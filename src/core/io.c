/* SPDX-License-Identifier: Apache-2.0 */
/* The public side of descriptors and signals: a watch or a promise here, an entry in the reactor's
 * table there. */
#include <errno.h>
#include <string.h>

#include "core/control.h"
#include "core/handle.h"
#include "core/isolate.h"
#include "core/mail.h"
#include "core/port.h"
#include "core/promise.h"
#include "core/reactor.h"

ISLE_NORETURN static void io_refused(const char *function, isle_err err, int fd)
{
    if (err == ISLE_ENOMEM)
        isle__throw(ISLE_ENOMEM, "Out of Memory");
    if (err == ISLE_EUNSUPPORTED)
        isle__throw(err, "%s: this system has no poller", function);
    if (err == ISLE_EUSED)
        isle__throw(err, "%s: somebody waits on descriptor %d already; use a duplicate of it",
                    function, fd);
    isle__throw(ISLE_ESYSTEM, "%s: descriptor %d: %s", function, fd, strerror(errno));
}

static void io_check(const char *function, int fd, unsigned events)
{
    if (fd < 0)
        isle__throw(ISLE_EINVAL, "%s: descriptor %d is negative", function, fd);
    if (events == 0 || (events & ~(unsigned)(ISLE_READABLE | ISLE_WRITABLE | ISLE_HANGUP)) != 0)
        isle__throw(ISLE_EINVAL, "%s: events %#x are not ISLE_READABLE, ISLE_WRITABLE, ISLE_HANGUP",
                    function, events);
}

/* --- isle_fd_wait */

static void wait_cancel(struct isle__promise *promise)
{
    isle__reactor_unwatch(promise->cancel_key);
}

isle_future *isle_fd_wait(int fd, unsigned events)
{
    struct isle__isolate *isolate = isle__isolate_need(__func__);
    isle__attend(isolate);
    io_check(__func__, fd, events);
    struct isle__promise *promise = isle__promise_new(isolate);
    isle__promise_expect(promise);
    uint64_t id = atomic_load_explicit(&promise->slot->id, memory_order_relaxed);
    struct isle__watch_request request = {
        .fd = fd,
        .events = events,
        .once = true,
        .mail = isle__mail_make(isle_null(), ISLE__MAIL_REPLY, id),
    };
    isle_err err =
        request.mail == NULL ? ISLE_ENOMEM : isle__reactor_watch(&request, &promise->cancel_key);
    if (err != ISLE_OK) {
        int saved = errno;
        isle__mail_drop(request.mail);
        isle__promise_discard(promise);
        errno = saved;
        io_refused(__func__, err, fd);
    }
    promise->cancel = wait_cancel;
    promise->ends_with_isolate = true;
    return isle__promise_future(promise);
}

/* --- isle_fd_watch */

struct watch_body {
    struct watch_body *next, *previous; /* of the isolate's; the newest first */
    void *handle;
    uint64_t key;
};

static void watch_link(struct isle__cold *cold, struct watch_body *watch)
{
    struct watch_body *next = cold->watches;
    watch->next = next;
    watch->previous = NULL;
    if (next != NULL)
        next->previous = watch;
    cold->watches = watch;
}

/* Without a walk: a server has a watch for each of its connections. */
static void watch_unlink(struct isle__cold *cold, const struct watch_body *watch)
{
    if (watch->previous != NULL)
        watch->previous->next = watch->next;
    else
        cold->watches = watch->next;
    if (watch->next != NULL)
        watch->next->previous = watch->previous;
}

static void watch_free(struct isle__isolate *isolate, struct watch_body *watch)
{
    watch_unlink(isle__isolate_has_cold(isolate), watch);
    isle__reactor_unwatch(watch->key);
    isle__handle_close(isolate, watch->handle);
    isolate->alive--;
    isle__heap_discharge(&isolate->heap, sizeof *watch);
    isle__memory_free(watch, sizeof *watch);
}

void isle__watches_fini(struct isle__isolate *isolate)
{
    struct isle__cold *cold = isle__isolate_has_cold(isolate);
    while (cold != NULL && cold->watches != NULL)
        watch_free(isolate, cold->watches);
}

void isle__io_stop(struct isle__isolate *isolate)
{
    isle__watches_fini(isolate);
    for (struct isle__promise *promise = isolate->promises; promise != NULL;
         promise = promise->next)
        if (promise->cancel == wait_cancel && !promise->is_complete)
            isle__reactor_unwatch(promise->cancel_key);
}

isle_watch *isle_fd_watch(int fd, unsigned events, isle_send_port port)
{
    struct isle__isolate *isolate = isle__isolate_need(__func__);
    io_check(__func__, fd, events);
    if (isle_send_port_is_none(port))
        isle__throw(ISLE_EINVAL, "isle_fd_watch: the port is none");
    isle__heap_charge(&isolate->heap, sizeof(struct watch_body));
    struct isle__cold *cold = isle__isolate_cold(isolate);
    struct watch_body *watch = cold == NULL ? NULL : isle__memory_alloc(sizeof *watch);
    isle_err err = watch == NULL ? ISLE_ENOMEM : ISLE_OK;
    if (err == ISLE_OK) {
        struct isle__watch_request request = {.fd = fd, .events = events, .target = port.id};
        watch->handle = isle__handle_open(isolate, ISLE__HANDLE_WATCH, watch);
        err = watch->handle == NULL ? ISLE_ENOMEM : isle__reactor_watch(&request, &watch->key);
    }
    if (err != ISLE_OK) {
        int saved = errno;
        if (watch != NULL && watch->handle != NULL)
            isle__handle_close(isolate, watch->handle);
        isle__memory_free(watch, sizeof *watch);
        isle__heap_discharge(&isolate->heap, sizeof *watch);
        errno = saved;
        io_refused(__func__, err, fd);
    }
    watch_link(cold, watch);
    isolate->alive++;
    return watch->handle;
}

void isle_watch_close(isle_watch *handle)
{
    struct isle__isolate *isolate = isle__isolate_need(__func__);
    struct watch_body *watch = isle__handle_find(&isolate->handles, ISLE__HANDLE_WATCH, handle);
    if (watch != NULL)
        watch_free(isolate, watch);
}

/* --- isle_signal_port */

isle_receive_port *isle_signal_port(int signal)
{
    struct isle__isolate *isolate = isle__isolate_need(__func__);
    struct isle__port *port = isle__port_open(isolate);
    isle_receive_port *handle = port->handle;
    isle_err err = isle__reactor_signal_add(signal, port->id);
    if (err != ISLE_OK) {
        isle_port_close(handle);
        if (err == ISLE_ENOMEM)
            isle__throw(ISLE_ENOMEM, "Out of Memory");
        isle__throw(err, "isle_signal_port: signal %d cannot be watched", signal);
    }
    port->signal = (uint8_t)signal; /* the reactor takes none above 63 */
    isle_port_set_keep_alive(handle, false);
    return handle;
}
