/* SPDX-License-Identifier: Apache-2.0 */
/* The trace of a simulation (trace.c): one event a line. Each function is called only while
 * simulating, and does nothing if nobody asked for a trace. */
#ifndef ISLE_CORE_TRACE_H
#define ISLE_CORE_TRACE_H

#include "core/mail.h"

struct isle__control;
struct isle__isolate;

/* `target` is a file's name, a descriptor's number or NULL: then only the digest is made, if
 * `digested`. ISLE_ESYSTEM: it cannot be written. */
ISLE_MUST_CHECK isle_err isle__trace_open(const char *target, bool digested);
uint64_t isle__trace_close(void); /* the digest */
void isle__trace_flush(void);

void isle__trace_note(const char *text); /* no event: not in the digest */
/* An event of the isolate with that id (0: of none); the rest is formatted. */
void isle__trace(const char *kind, uint64_t id, const char *format, ...) ISLE_PRINTF(3, 4);
void isle__trace_event(const char *kind, uint64_t id); /* nothing more is to be said */
/* The mail is about to be given to `receiver`; NULL: nobody has its target. */
void isle__trace_mail(const struct isle__mail *mail, const struct isle__isolate *receiver);
void isle__trace_take(const struct isle__isolate *isolate, const struct isle__mail *mail);
void isle__trace_control(const struct isle__control *control);
void isle__trace_spawn(const struct isle__isolate *isolate);

#endif
