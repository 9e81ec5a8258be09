/* SPDX-License-Identifier: Apache-2.0 */
/* Deadlines that travel with calls: a request knows until when its caller waits, so what is waited
 * for while it is served, in direct style, ends no later. It takes no room in a mail: there it lies
 * where replies have their code.
 *
 * An activity keeps it as it came and reads the clock only when somebody asks. */
#include "core/due.h"

#include "core/simulate.h"

int64_t isle__due_left(uint32_t due)
{
    int64_t now = isle__now();
    int32_t units = (int32_t)(due - (uint32_t)((uint64_t)now >> ISLE__DUE_SHIFT));
    int64_t begun = now & ((INT64_C(1) << ISLE__DUE_SHIFT) - 1);
    return (int64_t)units * (INT64_C(1) << ISLE__DUE_SHIFT) - begun;
}

int64_t isle__due_deadline(uint32_t due)
{
    return due == 0 ? ISLE_FOREVER : isle__now() + isle__due_left(due);
}

int64_t isle__due_earlier(uint32_t due, int64_t deadline)
{
    int64_t own = isle__due_deadline(due);
    return own < deadline ? own : deadline;
}

int64_t isle_call_deadline(void)
{
    return isle__due_bound(isle__isolate_need(__func__), ISLE_FOREVER);
}
