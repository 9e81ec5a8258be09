/* SPDX-License-Identifier: Apache-2.0 */
/* The backends of a build with threads alone. */
#include "core/backend.h"
#include "isle/sandbox.h"

const struct isle__backend_ops *isle__backends[ISLE_NODE + 1] = {
    [ISLE_BACKEND_DEFAULT] = &isle__backend_thread,
    [ISLE_THREAD] = &isle__backend_thread,
};

uint32_t isle_sandbox_reached(void)
{
    (void)isle__isolate_need(__func__);
    return 0;
}
