/* SPDX-License-Identifier: Apache-2.0 */
/* Until when a call waits for its answer, as it travels with the request (due.c). */
#ifndef ISLE_CORE_DUE_H
#define ISLE_CORE_DUE_H

#include <stdint.h>

#include "core/activity.h"

/* Four bytes of a clock that wraps: a deadline by units of 2^18 ns, a quarter of a millisecond,
 * rounded down, so that nobody below waits longer. 0: none, or too far to be told from the past. */
enum { ISLE__DUE_SHIFT = 18 };
#define ISLE__DUE_MOST ((INT64_C(1) << 30) << ISLE__DUE_SHIFT) /* three days: from now, at most */

static inline uint32_t isle__due_of(int64_t deadline)
{
    uint32_t due = (uint32_t)((uint64_t)deadline >> ISLE__DUE_SHIFT);
    return due == 0 ? UINT32_MAX : due;
}
/* In ns from now, which may be below zero; it is one. */
int64_t isle__due_left(uint32_t due);
int64_t isle__due_deadline(uint32_t due); /* ISLE_FOREVER: it is none */
int64_t isle__due_earlier(uint32_t due, int64_t deadline);
/* The earlier of a deadline and that of the request which the running activity serves. */
static inline int64_t isle__due_bound(const struct isle__isolate *isolate, int64_t deadline)
{
    const struct isle__activity *activity = isolate->running;
    bool is_bound = activity != NULL && activity->due != 0;
    return ISLE__UNLIKELY(is_bound) ? isle__due_earlier(activity->due, deadline) : deadline;
}

#endif
