/* SPDX-License-Identifier: Apache-2.0 */
/* Checked handles of what stands in this folder: a pointer that is no address, as those of the core
 * are not. It names a place in a table of the running isolate, a generation and a kind, so a stale
 * one is found, and one of another isolate all but certainly, since generations begin elsewhere in
 * each. Called on the isolate's own thread, like all of this folder. */
#ifndef ISLE_SYSTEMS_HANDLE_H
#define ISLE_SYSTEMS_HANDLE_H

#include "isle/base.h"

/* What a handle is of. */
enum isle__system {
    ISLE__SYSTEM_POOL = 1,
    ISLE__SYSTEM_STREAM,
    ISLE__SYSTEM_WRITER,
    ISLE__SYSTEM_SUBSCRIBER, /* in the topic's isolate */
    ISLE__SYSTEM_SUBSCRIPTION,
    ISLE__SYSTEM_GROUP,
    ISLE__SYSTEM_COUNT
};

/* A handle that leads to `body`, which is not NULL, until it is closed. Throws ISLE_ENOMEM, having
 * changed nothing. */
void *isle__system_open(enum isle__system system, void *body);
/* The handle is stale from now on; the body is the caller's. A stale one: nothing. */
void isle__system_close(enum isle__system system, const void *handle);
/* The body, or NULL: stale, foreign, of another kind, NULL. For closing. */
void *isle__system_find(enum isle__system system, const void *handle);
/* The body; throws, with the function's name, ISLE_EINVAL for NULL and ISLE_ESTALE for what
 * isle__system_find does not find. Outside an isolate it ends the program, as insisting forms do.
 */
void *isle__system_need(enum isle__system system, const void *handle, const char *function);

#endif
