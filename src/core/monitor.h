/* SPDX-License-Identifier: Apache-2.0 */
/* How isolates end, and who is told (monitor.c). */
#ifndef ISLE_CORE_MONITOR_H
#define ISLE_CORE_MONITOR_H

#include "core/isolate.h"
#include "isle/monitor.h"

void isle__monitors_start(void); /* once is enough */
/* An entry for a list of monitors, with its mail, which says "lost" until the end is known. Any
 * thread. NULL: no memory. */
struct isle__listener *isle__monitor_make(uint64_t control_port, uint64_t port);
/* An uncaught error ends it: what monitors will be told. In an event, or with an error that can be
 * told without one. The first counts. */
void isle__ends_by_error(struct isle__isolate *isolate, isle_value error, const char *text);
/* For a crash report: the stack text of that error; the last counts. No memory: there is none. */
void isle__ends_with_stack(struct isle__isolate *isolate, const char *stack);
/* Why it ends, as far as is known. Its owner's. */
isle_reason isle__ending_reason(const struct isle__isolate *isolate);
/* The message, as it is made with a relation: lost. NULL: no memory. Any thread. */
struct isle__mail *isle__end_make(uint64_t control_port, uint64_t port);
/* What isle__ending_read read, in it, or in another in its place that has room for the texts;
 * without memory for that the numbers are written into the one. At most once. */
void isle__end_tell(struct isle__mail **mail, const isle_end *end);
const isle_end *isle__end_of(const struct isle__mail *mail); /* what it says, while it lives */
/* How it ends. Its texts are borrowed; debug_name is NULL if it was given none. */
isle_end isle__ending_read(const struct isle__isolate *isolate);
/* Takes the monitors; their mails say how the isolate ends. */
struct isle__listeners isle__monitors_take(struct isle__isolate *isolate);
/* The same for some that asked when it had begun to end. */
void isle__monitors_complete(const struct isle__isolate *isolate, struct isle__listeners *monitors);
void isle__ending_fini(struct isle__ending *ending);
/* Somebody will be told how it ends. */
static inline bool isle__is_monitored(const struct isle__isolate *isolate)
{
    const struct isle__cold *cold = isle__isolate_has_cold(isolate);
    return cold != NULL && (cold->monitors.first != NULL || cold->links.first != NULL);
}

#endif
