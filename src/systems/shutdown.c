/* SPDX-License-Identifier: Apache-2.0 */
/* The orderly end of a program: an isolate that takes the signals, asks the root to end, and sees
 * to it that it does.
 *
 * The root cannot do this itself: it may be the one that is blocked. So the watch has a thread of
 * its own, which waits for nobody. Its way only goes forward: ASKED, KILLED, gone by _Exit; each
 * step is taken by the next signal or by its timer, whichever comes first. Where the root ends in
 * between, the program ends, and the watch with it.
 *
 * Who ends a program often tells it twice in one breath, the process and then its group (`timeout`
 * of coreutils does): signals that follow one that was counted so soon are that one. */
#include "isle/shutdown.h"

#include <stdio.h>
#include <stdlib.h>

#include "isle/error.h"
#include "isle/io.h"
#include "isle/isolate.h"
#include "isle/port.h"
#include "isle/scope.h"
#include "isle/timer.h"
#include "isle/value.h"
#include "value/failure.h"

/* As POSIX has them for the kill utility: the same everywhere. */
enum { SHUTDOWN_INT = 2, SHUTDOWN_TERM = 15 };
#define SHUTDOWN_LEAVE_NS ISLE_SECONDS(2) /* from the kill */
#define SHUTDOWN_BREATH_NS ISLE_MS(200)

enum shutdown_state { SHUTDOWN_SERVING, SHUTDOWN_ASKED, SHUTDOWN_KILLED };

struct shutdown_watch {
    isle_isolate isolate; /* which is to end */
    int64_t grace_ns;
    enum shutdown_state state;
    int signal;         /* the last that was counted */
    int64_t counted_ns; /* when it was */
    isle_timer *timer;
};

/* --- in the watch's isolate */

static void watch_leave(void *context)
{
    const struct shutdown_watch *watch = context;
    (void)fputs("isle: the program ends without waiting for its root isolate, which did not stop\n",
                stderr);
    _Exit(128 + watch->signal);
}

static void watch_set_timer(struct shutdown_watch *watch, int64_t delay_ns, isle_task *task)
{
    isle_timer_cancel(watch->timer);
    watch->timer = delay_ns == ISLE_FOREVER ? NULL : isle_timer_start(delay_ns, task, watch);
}

static void watch_do_kill(void *context)
{
    struct shutdown_watch *watch = context;
    watch_set_timer(watch, SHUTDOWN_LEAVE_NS, watch_leave);
    isle_kill(watch->isolate, ISLE_IMMEDIATE);
}

static void watch_kill(void *context)
{
    struct shutdown_watch *watch = context;
    watch->state = SHUTDOWN_KILLED;
    /* Without memory for a timer nobody would come again. */
    if (isle_protect(watch_do_kill, watch, NULL) != ISLE_OK && watch->timer == NULL)
        watch_leave(watch);
}

static void watch_do_ask(void *context)
{
    struct shutdown_watch *watch = context;
    watch_set_timer(watch, watch->grace_ns, watch_kill);
    isle_shutdown(watch->isolate);
}

static void watch_ask(struct shutdown_watch *watch)
{
    watch->state = SHUTDOWN_ASKED;
    if (isle_protect(watch_do_ask, watch, NULL) != ISLE_OK)
        watch_kill(watch);
}

static void watch_signal(isle_value signal, void *context)
{
    struct shutdown_watch *watch = context;
    int64_t now_ns = isle_now_ns();
    if (watch->state != SHUTDOWN_SERVING && now_ns - watch->counted_ns < SHUTDOWN_BREATH_NS)
        return;
    watch->counted_ns = now_ns;
    watch->signal = (int)isle_as_int(signal);
    if (watch->state == SHUTDOWN_SERVING)
        watch_ask(watch);
    else if (watch->state == SHUTDOWN_ASKED)
        watch_kill(watch);
    else
        watch_leave(watch);
}

static void watch_regrace(isle_value grace, void *context)
{
    struct shutdown_watch *watch = context;
    watch->grace_ns = isle_as_int(grace);
}

static void watch_listen(struct shutdown_watch *watch, int signal)
{
    isle_receive_port *port = isle_signal_port(signal);
    isle_port_listen(port, watch_signal, watch);
    isle_port_set_keep_alive(port, true);
}

/* The message: [the isolate, the grace, the port that is told null]. */
static void watch_entry(isle_value message)
{
    struct shutdown_watch *watch = isle_new(struct shutdown_watch);
    watch->isolate = isle_as_isolate(isle_list_get(message, 0));
    watch->grace_ns = isle_as_int(isle_list_get(message, 1));
    watch_listen(watch, SHUTDOWN_TERM);
    watch_listen(watch, SHUTDOWN_INT);
    isle_port_listen(isle_default_port(), watch_regrace, watch);
    isle_send(isle_as_port(isle_list_get(message, 2)), isle_null());
}

/* --- in the isolate that calls */

struct shutdown_served {
    isle_isolate watch;
    bool is_served;
};
ISLE_LOCAL(struct shutdown_served, shutdown_served);

static isle_value serve_message(int64_t grace_ns, const isle_receive_port *port)
{
    isle_value message = isle_list();
    isle_list_add(message, isle_isolate_value(isle_current()));
    isle_list_add(message, isle_int(grace_ns));
    isle_list_add(message, isle_port_value(port));
    return message;
}

static void serve_close(void *port)
{
    isle_port_close(port);
}

/* Its first word, or its error: [text, stack text]. */
static void serve_await(isle_receive_port *port)
{
    isle_value first = isle_port_receive(port);
    if (!isle_is_null(first))
        isle__throw(ISLE_EUNSUPPORTED, "isle_serve_shutdown: %s",
                    isle_as_string(isle_list_get(first, 0)));
}

void isle_serve_shutdown(int64_t grace_ns)
{
    isle__inside_need(__func__);
    struct shutdown_served *served = shutdown_served();
    if (grace_ns < 0)
        isle__throw(ISLE_ERANGE, "isle_serve_shutdown: a negative duration");
    if (served->is_served) {
        isle_send(served->watch.default_port, isle_int(grace_ns));
        return;
    }
    isle_scope scope = isle_scope_open();
    isle_receive_port *port = isle_port_open();
    isle_defer(serve_close, port);
    served->watch = isle_spawn(watch_entry, serve_message(grace_ns, port),
                               &(isle_options){.debug_name = "shutdown",
                                               .backend = ISLE_THREAD,
                                               .thread = ISLE_THREAD_OWN,
                                               .on_error = isle_port_send_port(port)});
    serve_await(port);
    served->is_served = true;
    isle_scope_close(&scope);
}
