/* SPDX-License-Identifier: Apache-2.0 */
/* The backends of this build. */
#include "core/backend.h"

const struct isle__backend_ops *const isle__backends[ISLE_NODE + 1] = {
    [ISLE_BACKEND_DEFAULT] = &isle__backend_thread,
    [ISLE_THREAD] = &isle__backend_thread,
};

const struct isle__backend_ops *isle__backend_find(isle_backend kind)
{
    return (unsigned)kind > ISLE_NODE ? NULL : isle__backends[kind];
}
