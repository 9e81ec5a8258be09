/* SPDX-License-Identifier: Apache-2.0 */
/* The outside world as events of the loop: descriptors, signals, and calls that block. One poller
 * thread serves all isolates. What is pending here keeps its isolate alive. On a system without
 * threads isle_blocking throws ISLE_EUNSUPPORTED. */
#ifndef ISLE_IO_H
#define ISLE_IO_H

#include "base.h"

/* Events of a descriptor, to be combined by |. */
enum {
    ISLE_READABLE = 1, /* there is something to read, or the end */
    ISLE_WRITABLE = 2, /* there is room to write */
    ISLE_HANGUP = 4    /* the other side has closed, or an error */
};

typedef struct isle_watch isle_watch; /* of one isolate, a checked handle like a port */

ISLE_BEGIN

/* Completes with the int of those of `events` that hold (ISLE_HANGUP is always included), once. The
 * descriptor stays the caller's and must stay open until then; it should be non-blocking. Several
 * isolates may wait on one descriptor only through duplicates of it. Throws ISLE_EINVAL (a negative
 * descriptor, no or other events), ISLE_EUSED (somebody waits on or watches it already),
 * ISLE_ESYSTEM (the system refuses it: closed, or a file). */
ISLE_API isle_future *isle_fd_wait(int fd, unsigned events);

/* Sends `port` [fd, events] each time that some of `events` become true (edge-triggered: read or
 * write until EAGAIN), until isle_watch_close. Errors as isle_fd_wait. The notices are not counted
 * against the mailbox's limits: there is one a change. */
ISLE_API isle_watch *isle_fd_watch(int fd, unsigned events, isle_send_port port);
ISLE_API void
isle_watch_close(isle_watch *watch); /* before the descriptor is closed; idempotent, NULL is fine */

/* A receive port that gets the signal's number for each SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2,
 * SIGCHLD or SIGWINCH that the program receives while it is open (several of one kind that arrive
 * at once may be told once). Close it like any port: with the last of its kind the former
 * disposition returns. ISLE_EINVAL for another signal. Does not keep the isolate alive unless told
 * to. ISLE_EUNSUPPORTED where there are none. */
ISLE_API isle_receive_port *isle_signal_port(int signal);

/* Runs work(context) on a helper thread, where no call of Isle but the ISLE_ANY_THREAD ones is
 * allowed, and completes with the int that it returned. For calls that block and have no descriptor
 * (getaddrinfo, fsync, a library). Helpers: as many as are needed, 64 at most, the rest queues.
 * Cancelling the future does not stop the work; `context` must live until it has run:
 * on_done(context), if given, is called exactly once after it, on the helper thread, also when the
 * isolate has ended meanwhile. ISLE_EINVAL: no work; ISLE_ESYSTEM: no thread could be had (on_done
 * is not called then). Inside a process isolate, which has one thread and whose waiting stops
 * nobody else, the work runs in the call. */
typedef int64_t isle_blocking_work(void *context);
ISLE_API isle_future *isle_blocking(isle_blocking_work *work, void *context,
                                    void (*on_done)(void *context));

ISLE_END

#endif
