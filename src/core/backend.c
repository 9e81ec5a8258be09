/* SPDX-License-Identifier: Apache-2.0 */
/* The backends of this build. */
#include "core/backend.h"

const struct isle__backend_ops *isle__backend_find(isle_backend kind)
{
    switch (kind) {
    case ISLE_BACKEND_DEFAULT:
    case ISLE_THREAD:
        return &isle__backend_thread;
    case ISLE_PROCESS:
    case ISLE_WASM:
    case ISLE_WEB:
    case ISLE_NODE:
        return NULL;
    }
    return NULL;
}
