/* SPDX-License-Identifier: Apache-2.0 */
/* Errors that nobody took (uncaught.c). */
#ifndef ISLE_CORE_UNCAUGHT_H
#define ISLE_CORE_UNCAUGHT_H

#include "core/isolate.h"

/* Tells the error listeners, or stderr; sets isolate->ending if errors are fatal. */
void isle__uncaught(struct isle__isolate *isolate, isle_value error);
/* The notice of an error listener for the case that there is no memory for another:
 * ["Out of Memory", null]. NULL: there is none for this one either. */
struct isle__mail *isle__notice_reserve(uint64_t port);

#endif
