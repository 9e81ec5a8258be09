/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the sandbox share with each other and with nobody else. Included first, so that
 * the system's headers show what is Linux's own.
 *
 * Law: these are steps of a process with one thread. None allocates. What returns false has set
 * errno. */
#ifndef ISLE_SANDBOX_LAYERS_H
#define ISLE_SANDBOX_LAYERS_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "sandbox/sandbox.h"

/* Calls that the C library of a system old enough has no name for: the numbers are the same on
 * every processor. */
enum isle__new_call {
    ISLE__CALL_FSOPEN = 430,
    ISLE__CALL_FSCONFIG = 431,
    ISLE__CALL_FSMOUNT = 432,
    ISLE__CALL_PIDFD_OPEN = 434,
    ISLE__CALL_MOUNT_SETATTR = 442,
    ISLE__CALL_LANDLOCK_CREATE = 444,
    ISLE__CALL_LANDLOCK_ADD = 445,
    ISLE__CALL_LANDLOCK_RESTRICT = 446
};

enum { ISLE__NOBODY = 65534 }; /* the user and group that an isolate is */

/* sandbox.c: is this layer wanted at all? Why it is missing; what stopped everything (gives
 * ISLE_ESYSTEM). */
bool isle__layer_wanted(const struct isle__sandbox *sandbox, uint32_t layer);
void isle__layer_fails(struct isle__sandbox *sandbox, uint32_t layer, const char *call, int error);
ISLE_MUST_CHECK isle_err isle__sandbox_fails(struct isle__sandbox *sandbox, const char *call);

/* privileges.c */
/* Real root becomes nobody and keeps its capabilities for now. */
void isle__privileges_leave_root(void);
/* Empties all sets, but for the capability `keep` (-1: none) if it is in force. False: the process
 * has more than it should. */
ISLE_MUST_CHECK bool isle__privileges_drop(int keep);
ISLE_MUST_CHECK bool isle__privileges_clear(void); /* the rest, in a child */
/* No new privileges, not dumpable, no core, no memory that becomes executable, no keyring of the
 * host. */
ISLE_MUST_CHECK bool isle__privileges_harden(void);

/* namespaces.c: all that are to be had and wanted; the one of processes is for the children. */
void isle__namespaces_enter(struct isle__sandbox *sandbox);
/* A user namespace for the caller alone, so that the kernel counts its processes apart. */
bool isle__namespaces_own_user(void);
/* `folder` becomes the root and the working directory. */
ISLE_MUST_CHECK bool isle__namespaces_change_root(int folder);

/* guard.c: the caller's process becomes the guard, its child returns. */
ISLE_MUST_CHECK isle_err isle__guard_fork(struct isle__sandbox *sandbox);

/* landlock.c */
void isle__landlock_open(struct isle__sandbox *sandbox); /* the ruleset that allows nothing */
/* One more that allows reading beneath these descriptors; -1. */
int isle__landlock_open_for(const int *reads, uint32_t read_count, const int *code,
                            uint32_t code_count);
ISLE_MUST_CHECK bool isle__landlock_restrict(int ruleset);

/* limits.c */
void isle__limits_measure(struct isle__sandbox *sandbox); /* what is mapped; needs /proc */
/* NULL, or what failed. The zygote's, which are every child's. */
const char *isle__limits_set_common(void);
/* One child's. `own_count`: the kernel counts this process's user apart from all others. */
const char *isle__limits_set(const struct isle__sandbox *sandbox, const struct isle__policy *policy,
                             bool own_count);

#endif
