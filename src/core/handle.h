/* SPDX-License-Identifier: Apache-2.0 */
/* Handles: what isle_receive_port *, isle_future *, isle_timer * and isle_watch * are (handle.c).
 */
#ifndef ISLE_CORE_HANDLE_H
#define ISLE_CORE_HANDLE_H

#include "isle/base.h"

struct isle__isolate;

enum isle__handle_kind {
    ISLE__HANDLE_PORT = 1,
    ISLE__HANDLE_FUTURE,
    ISLE__HANDLE_TIMER,
    ISLE__HANDLE_WATCH
};
struct isle__handle_table {
    struct isle__handle_entry *entries;
    uint32_t count, capacity, free;
};
/* The handle as a pointer; NULL: out of memory. */
void *isle__handle_open(struct isle__isolate *isolate, enum isle__handle_kind kind, void *object);
void isle__handle_close(struct isle__isolate *isolate, const void *handle);
/* The object, or NULL: stale, foreign, of another kind. */
void *isle__handle_find(struct isle__isolate *isolate, enum isle__handle_kind kind,
                        const void *handle);
void isle__handles_fini(struct isle__isolate *isolate);

#endif
