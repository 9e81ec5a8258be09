/* SPDX-License-Identifier: Apache-2.0 */
/* The backends of a build with threads and processes. */
#include "core/backend.h"

extern const struct isle__backend_ops isle__backend_process; /* process/process.c */

const struct isle__backend_ops *isle__backends[ISLE_NODE + 1] = {
    [ISLE_BACKEND_DEFAULT] = &isle__backend_thread,
    [ISLE_THREAD] = &isle__backend_thread,
    [ISLE_PROCESS] = &isle__backend_process,
};
