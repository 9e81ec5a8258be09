/* SPDX-License-Identifier: Apache-2.0 */
/* How a backend plugs into the core: one table of operations. To a sender all isolates look alike;
 * an isolate behind a wall is a body here whose mailbox a transport drains. */
#ifndef ISLE_BACKEND_H
#define ISLE_BACKEND_H

#include "core/isolate.h"

struct isle__backend_ops {
    const char *name;
    /* Checks what the backend cannot do (ISLE_EUNSUPPORTED through isle__fail) and gets ready
     * whatever the isolate needs before its first turn. */
    isle_err (*prepare)(struct isle__isolate *isolate, const isle_options *options);
    /* Something waits in the mailbox or the control stack of an isolate that was idle. Any thread.
     */
    void (*wake)(struct isle__isolate *isolate);
    /* The isolate has ended; what prepare got is returned. On a worker. */
    void (*ended)(struct isle__isolate *isolate);
};

extern const struct isle__backend_ops isle__backend_thread;
extern const struct isle__backend_ops *const isle__backends[ISLE_NODE + 1]; /* by kind */
static inline const struct isle__backend_ops *isle__backend_of(const struct isle__isolate *isolate)
{
    return isle__backends[isolate->backend];
}
/* The table of a kind, or NULL if this build has none. */
const struct isle__backend_ops *isle__backend_find(isle_backend kind);

#endif
