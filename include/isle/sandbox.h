/* SPDX-License-Identifier: Apache-2.0 */
/* What an isolate behind a wall may do: nothing, but for what is granted here and what messages
 * bring (ports, resources). */
#ifndef ISLE_SANDBOX_H
#define ISLE_SANDBOX_H

#include "base.h"

/* Layers of the wall, for `required` and for isle_sandbox_reached. Each stops an attack by itself.
 */
enum {
    ISLE_LAYER_SECCOMP = 1 << 0,  /* system calls that an isolate has no use for do not exist */
    ISLE_LAYER_LANDLOCK = 1 << 1, /* no file can be opened that is not granted */
    ISLE_LAYER_USERNS = 1 << 2,   /* users of its own, and no capability outside */
    ISLE_LAYER_MNTNS = 1 << 3,    /* an empty root; not for an isolate that may read files */
    ISLE_LAYER_NETNS = 1 << 4,    /* no network, not even the machine's own */
    ISLE_LAYER_PIDNS = 1 << 5,    /* no process outside can be named */
    ISLE_LAYER_IPCNS = 1 << 6,    /* no shared memory or queue by key or name */
    ISLE_LAYER_CGROUP = 1 << 7    /* memory and processes counted by the kernel */
};

/* All zero: the default. Borrowed by the spawn alone. */
typedef struct isle_sandbox {
    uint32_t required;             /* 0: seccomp and (Landlock or mount namespace). One that is
                                      missing: ISLE_ESPAWN naming it; nothing degrades in silence */
    const char *const *read_paths; /* NULL-terminated: folders or files that may be read, as far as
                                      the user may who runs the program (root: nobody, 65534); at
                                      most 16. Needs Landlock */
    bool log;                      /* stdout and stderr come to the host's stderr, line by line,
                                      with the debug name */
    bool strict;                   /* a call that is refused ends the isolate (ISLE_VIOLATION) */
    unsigned thread_max;           /* besides the isolate's own; 0: none */
    bool
        insecure; /* `required` is ignored: starts with whatever layers there are, in the worst case
                     with no wall but the address space; the only way to start without seccomp */
} isle_sandbox;

ISLE_BEGIN
/* The layers that this machine gives a process isolate of this program, found by trying: starts the
 * zygote if it does not run. 0: none, or process isolates are not to be had. */
ISLE_API ISLE_SUSPENDS uint32_t isle_sandbox_reached(void);
/* The name of the lowest of these layers, "seccomp", static; "none" for 0. */
ISLE_API ISLE_ANY_THREAD ISLE_PLAIN const char *isle_sandbox_layer_name(uint32_t layers);
ISLE_END

#endif
