/* SPDX-License-Identifier: Apache-2.0 */
/* Crash reports: what is known of an isolate that has ended otherwise than it should, that is, for
 * any reason (monitor.h) but ISLE_RETURNED and ISLE_KILLED. Erlang: crash reports of sasl.
 *
 * A report is text for people, in UTF-8, a line a fact: which isolate it is, the reason, the error
 * and its stack text, its age, memory, ports, timers, what its code waits for, and of what lies in
 * its mailbox the number, the bytes and the first few messages, each cut short. What an isolate
 * said cannot forge lines of it, nor command a terminal.
 *
 * It is bounded: ISLE_REPORT_MAX bytes at most whatever the mailbox holds, and nothing of the
 * isolate is walked whole for it, so that making it takes the same short time. Where there is no
 * memory for one, a shorter one is told. */
#ifndef ISLE_REPORT_H
#define ISLE_REPORT_H

#include "base.h"

#define ISLE_REPORT_MAX 65536 /* bytes, the NUL included */

/* Takes a report: `text` has `size` bytes and a NUL, and lives for the call. Called on the thread
 * on which the isolate ends, once for each, before its end is told to anybody; by several threads
 * at once if several end. Of Isle only ISLE_ANY_THREAD functions are allowed in it, isle_post among
 * them. What it takes of time is the isolate's. */
typedef void isle_report(const char *text, size_t size, void *context);

ISLE_BEGIN

/* One that is ready: writes to stderr. `context` is not used. */
ISLE_API ISLE_ANY_THREAD ISLE_PLAIN void isle_report_stderr(const char *text, size_t size,
                                                            void *context);

ISLE_END

#endif
