/* SPDX-License-Identifier: Apache-2.0 */
/* The orderly end of a program: a signal asks, a time runs, then it ends whatever anybody does. */
#ifndef ISLE_SHUTDOWN_H
#define ISLE_SHUTDOWN_H

#include "base.h"

ISLE_BEGIN

/* From here on SIGTERM and SIGINT ask the calling isolate, as a rule the root, to end:
 *
 *   the first signal    isle_shutdown: the task of isle_on_shutdown has its event. It stops what
 *                       accepts work, lets what is there be finished (isle_group_close …), and ends
 *                       by isle_exit; without a task the isolate ends there
 *   grace_ns later, or  isle_kill: deferred tasks run, the program's status is 255. ISLE_FOREVER:
 *   the second signal   the second signal alone
 *   2 s later, or the   the isolate is blocked in code that calls nothing of Isle's: the program is
 *   third signal        left by _Exit with 128 and the signal's number; a line on stderr says so
 *
 * Signals within 200 ms are one: `timeout` and others tell a process and then its group.
 * Once the root has ended the program does not wait for others that are blocked (isle_stop, with
 * its 200 ms). So no isolate, whatever it is blocked in, keeps the program from its end.
 * The signals are taken by an isolate with a thread of its own, which has them until the program
 * ends; it keeps nothing else alive. Called once more, grace_ns is changed. Returns when the
 * signals are taken. Throws ISLE_ERANGE (negative), ISLE_ESPAWN (no thread can be had) and what
 * isle_signal_port throws; behind a wall ISLE_EUNSUPPORTED. Erlang/OTP: init:stop. */
ISLE_API ISLE_SUSPENDS void isle_serve_shutdown(int64_t grace_ns);

ISLE_END

#endif
