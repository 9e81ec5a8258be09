/* SPDX-License-Identifier: Apache-2.0 */
/* The clock and the poller of the program (reactor.c), and what io.c keeps of it. */
#ifndef ISLE_CORE_REACTOR_H
#define ISLE_CORE_REACTOR_H

#include "core/isolate.h"
#include "core/mail.h"

ISLE_MUST_CHECK isle_err isle__reactor_start(void);
void isle__reactor_stop(void);
void isle__clock_set(struct isle__isolate *isolate, int64_t deadline);
void isle__clock_unset(struct isle__isolate *isolate);
/* The simulation's, which has no reactor thread. Wakes all whose time has come; the time until the
 * next, or ISLE_FOREVER. */
int64_t isle__reactor_fire(void);
bool isle__reactor_is_watched(void);             /* a descriptor or a signal */
unsigned isle__reactor_poll(int64_t timeout_ns); /* posts what is ready; how much */
/* Without threads: waits for the next deadline and fires it; false: nothing will ever come. */
bool isle__reactor_wait_inline(void);

/* Watches (io.c). One per descriptor; the reactor posts `mail` once, or a list made by it each time
 * to `port`. */
struct isle__watch_request {
    int fd;
    unsigned events;
    bool once;
    uint64_t target;
    struct isle__mail *mail; /* of a once; owned */
};
ISLE_MUST_CHECK isle_err isle__reactor_watch(const struct isle__watch_request *request,
                                             uint64_t *ret_key);
void isle__reactor_unwatch(uint64_t key);
ISLE_MUST_CHECK isle_err isle__reactor_signal_add(int signal, uint64_t port);
void isle__reactor_signal_remove(int signal, uint64_t port);
void isle__watches_fini(struct isle__isolate *isolate);
/* At a kill or exit, before the first deferred task may close a descriptor: the reactor forgets
 * those of this isolate. */
void isle__io_stop(struct isle__isolate *isolate);

uint64_t isle__thread_count(void); /* all of the runtime, the root's included (program.c) */

#endif
