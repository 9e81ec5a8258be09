/* SPDX-License-Identifier: Apache-2.0 */
/* Errors that nobody took (uncaught.c). */
#ifndef ISLE_CORE_UNCAUGHT_H
#define ISLE_CORE_UNCAUGHT_H

#include "core/isolate.h"

/* Tells the error listeners, or stderr; sets isolate->ending if errors are fatal. */
void isle__uncaught(struct isle__isolate *isolate, isle_value error);
/* The computation of isle_run ended by this error, which its caller gets: so monitors will be told.
 * In an event. */
void isle__run_failed(struct isle__isolate *isolate, isle_value error);
/* An uncaught error of an isolate behind a wall, which has told of it: the error listeners of its
 * proxy, or stderr. Changes nothing else. In the proxy's turn. stack NULL: none. `surely`: as of an
 * isolate here; else a listener whose mailbox is full is not told, which is counted. */
void isle__uncaught_told(struct isle__isolate *isolate, const char *text, const char *stack,
                         bool surely);
/* A line with words of somebody who may be hostile, as a terminal may have it: what it would take
 * for a command becomes '?'. */
void isle__line_tame(char *line);
bool isle__uncaught_is_printed(const struct isle__isolate *isolate); /* nobody listens */
/* The notice of an error listener for the case that there is no memory for another:
 * ["Out of Memory", null]. NULL: there is none for this one either. */
struct isle__mail *isle__notice_reserve(uint64_t port);

#endif
