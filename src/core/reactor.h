/* SPDX-License-Identifier: Apache-2.0 */
/* The clock and the poller of the program (reactor.c), and what io.c keeps of it. */
#ifndef ISLE_CORE_REACTOR_H
#define ISLE_CORE_REACTOR_H

#include "core/isolate.h"
#include "core/mail.h"

ISLE_MUST_CHECK isle_err isle__reactor_start(void);
void isle__reactor_stop(void);
/* In a forked child of a program alone: what wakes it is its own. */
ISLE_MUST_CHECK isle_err isle__reactor_forked(void);
void isle__reactor_wake(void); /* ends a wait; any thread while the program runs */
void isle__clock_set(struct isle__isolate *isolate, int64_t deadline);
void isle__clock_unset(struct isle__isolate *isolate);
/* The simulation's, which has no reactor thread. Wakes all whose time has come; the time until the
 * next, or ISLE_FOREVER. */
int64_t isle__reactor_fire(void);
bool isle__reactor_is_watched(void);             /* a descriptor or a signal */
unsigned isle__reactor_poll(int64_t timeout_ns); /* posts what is ready; how much */
/* Without threads: waits for the next deadline and fires it; false: nothing will ever come. */
bool isle__reactor_wait_inline(void);

/* Runs fn(context) on the reactor's thread and returns when it has; at once if this is that thread.
 * That thread lives from the program's start to its end, and whoever waits there keeps all
 * deadlines and descriptors waiting. False: this program has no such thread (a simulation, a system
 * without threads), nothing was done. */
ISLE_MUST_CHECK bool isle__reactor_run(void (*fn)(void *context), void *context);

/* Watches (io.c, backends). One per descriptor; the reactor posts `mail` once, or a list made by it
 * each time to `target`, or calls `call` each time, on its own thread, with no lock held. A call
 * that is on its way comes although the watch was closed meanwhile, unless it was closed on the
 * reactor's thread. */
struct isle__watch_request {
    int fd;
    unsigned events;
    bool once;
    uint64_t target;
    struct isle__mail *mail;                      /* of a once; owned */
    void (*call)(void *context, unsigned events); /* never of a once */
    void *context;
    bool level; /* of a call: as long as the events hold, not only when they come */
};
ISLE_MUST_CHECK isle_err isle__reactor_watch(const struct isle__watch_request *request,
                                             uint64_t *ret_key);
void isle__reactor_unwatch(uint64_t key);
/* What the runtime itself waits for: call(context, events) on the reactor's thread, with no lock
 * held and outside isolates, whenever some of `events` (ISLE_READABLE …; ISLE_HANGUP is always
 * included) hold: again and again as long as they do, so it reads what is there. Now and then for
 * nothing. It must not block. In a program alone on one thread it is called there, while nothing
 * runs. The descriptor is in no other watch and stays open until it is dismissed. Any thread.
 * ISLE_EUNSUPPORTED, ISLE_EUSED, ISLE_ENOMEM, ISLE_ESYSTEM. */
ISLE_MUST_CHECK isle_err isle__reactor_attend(int fd, unsigned events,
                                              void (*call)(void *context, unsigned events),
                                              void *context, uint64_t *ret_key);
/* When this returns the call does not run and never will; unless it calls this itself, which is
 * fine as well. The caller holds no lock that it takes. A key of 0 or one that is gone: nothing. */
void isle__reactor_dismiss(uint64_t key);
ISLE_MUST_CHECK isle_err isle__reactor_signal_add(int signal, uint64_t port);
void isle__reactor_signal_remove(int signal, uint64_t port);
void isle__watches_fini(struct isle__isolate *isolate);
/* At a kill or exit, before the first deferred task may close a descriptor: the reactor forgets
 * those of this isolate. */
void isle__io_stop(struct isle__isolate *isolate);

uint64_t isle__thread_count(void); /* all of the runtime, the root's included (program.c) */

#endif
