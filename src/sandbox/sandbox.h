/* SPDX-License-Identifier: Apache-2.0 */
/* The sandbox: a policy, and what the kernel enforces of it. In two steps: what a zygote does once,
 * which all of its children inherit, and what each child does before it runs anybody's code.
 *
 * Law: nothing degrades in silence. Each layer is tried, not guessed; what was reached is told, and
 * a layer that is required and missing is an error that names it. After an error the process must
 * end: it may be half locked. Knows the platform alone; plain C, no allocation after a fork. The
 * steps are for processes with one thread; control groups are for any thread of the host. */
#ifndef ISLE_SANDBOX_SANDBOX_H
#define ISLE_SANDBOX_SANDBOX_H

#include "isle/sandbox.h" /* ISLE_LAYER_* */
#include "platform/platform.h"

enum { ISLE__SANDBOX_TEXT = 160, ISLE__SANDBOX_PATHS = 16, ISLE__LAYERS = 8 };

/* What one isolate may: plain data, may be written into a message between host and zygote. */
struct isle__policy {
    uint32_t required;       /* layers without which nothing runs; 0: isle_sandbox's default */
    uint32_t threads_max;    /* besides the first one: 0 none */
    uint64_t memory_max;     /* bytes of private writable memory that the isolate maps, heap and
                                stacks of threads, touched or not; 0: no limit */
    int64_t cpu_time_max_ns; /* 0: none. SIGXCPU at the limit rounded up to seconds, SIGKILL one
                                later */
    uint32_t descriptor_max; /* RLIMIT_NOFILE; 0: 16 */
    uint8_t strict;          /* what is refused politely kills as well */
    uint8_t insecure;        /* `required` is ignored: runs with the layers that there are */
    uint8_t reads;           /* something may be opened for reading: what the paths below say */
    uint8_t audit;           /* a forbidden call traps, so that its number can be told
                                (ISLE_VIOLATION's text); and so does a stat by an empty name, which
                                is answered (isle__sandbox_answer) */
};

/* Why a layer is missing. */
struct isle__layer_cause {
    const char *call; /* static: what was tried; NULL: nobody tried */
    int error;        /* errno; 0: the call's text says it all */
};

/* What the zygote has made for its children. Zeroed by the caller, who may set the first two. */
struct isle__sandbox {
    uint32_t without; /* tests: layers that are left out. If any is, `required` 0 is nothing */
    int host;         /* a pidfd of the process to die with, taken; 0: of the parent */
    uint32_t reached; /* layers that are on, or will be in each child */
    int landlock;     /* ruleset that allows nothing; -1 */
    int landlock_abi;
    int root;    /* an empty folder that nobody can write, root of whoever reads nothing; -1 */
    int courier; /* set by a child: the descriptor that recvmsg may name; -1 */
    int process; /* the zygote, as its children see it */
    uint64_t address_size, data_size; /* of the zygote, bytes: a child's limits count from there */
    struct isle__layer_cause causes[ISLE__LAYERS]; /* by the number of the layer's bit */
    char text[ISLE__SANDBOX_TEXT]; /* what failed, for people: the layer, the call, the error */
};

/* The zygote, single-threaded, before it serves: namespaces where they are to be had, no
 * capabilities but the one to change roots, no new privileges, not dumpable, an empty root and a
 * ruleset for its children. The caller's process becomes the guard: it waits inside, dies with the
 * host, takes the zygote with it, passes the zygote's end on and never returns; what returns is its
 * child, process 1 of its own namespace where there is one. Closes nothing but `host`. Signals
 * are left alone, SIGCHLD is reset. ISLE_OK whatever was reached; ISLE_ESYSTEM with `text`. */
ISLE_MUST_CHECK isle_err isle__sandbox_zygote(struct isle__sandbox *sandbox);
/* The base filter: the child's allow-list and what a zygote needs. After the above; the last thing
 * before it serves. ISLE_OK with or without: `reached` says. */
ISLE_MUST_CHECK isle_err isle__sandbox_zygote_filter(struct isle__sandbox *sandbox);

/* What a child may open: nothing but what lies beneath these folders, or is one of these files, and
 * only for reading; `code` only while it loads. A child with paths keeps the real root, read-only
 * (it does not reach ISLE_LAYER_MNTNS), and Landlock is required. */
struct isle__sandbox_paths {
    const int *reads, *code; /* O_PATH descriptors; the caller closes them afterwards */
    uint32_t read_count, code_count;
};
/* A child, before the others: into the control group whose isle__cgroup_door this is. */
ISLE_MUST_CHECK isle_err isle__sandbox_child_enters(struct isle__sandbox *sandbox, int door);
/* A child of the zygote: dies with it, root, capabilities, Landlock, limits, the thin filter last.
 * Closes sandbox->landlock and ->root. *ret_reached gets the layers that are on. `paths` may be
 * NULL. ISLE_ESPAWN: a layer is missing; ISLE_ESYSTEM: a step failed; sandbox->text says it. */
ISLE_MUST_CHECK isle_err isle__sandbox_child(struct isle__sandbox *sandbox,
                                             const struct isle__policy *policy,
                                             const struct isle__sandbox_paths *paths,
                                             uint32_t *ret_reached);
/* The same in two: between them code at a URI is loaded (open, read and executable maps beneath
 * paths->code still work). What its constructors do is held by the first: the second takes away
 * what loading needed, and closes sandbox->landlock. */
ISLE_MUST_CHECK isle_err isle__sandbox_child_loads(struct isle__sandbox *sandbox,
                                                   const struct isle__policy *policy,
                                                   const struct isle__sandbox_paths *paths);
ISLE_MUST_CHECK isle_err isle__sandbox_child_runs(struct isle__sandbox *sandbox,
                                                  const struct isle__policy *policy,
                                                  uint32_t *ret_reached);

/* In a child that audits, in its handler of SIGSYS: true, and the handler returns, if the call is
 * one that the process answers itself (isle__filter_answer). Info and context are those that the
 * handler was given. Async-signal-safe. */
bool isle__sandbox_answer(const void *info, void *context);

/* Of the layers that this policy requires, those that are not among `reached`. Any thread. */
uint32_t isle__sandbox_missing(const struct isle__policy *policy, uint32_t reached);
/* Why the layer of that bit is missing: "unshare(CLONE_NEWNET): Operation not permitted". */
void isle__sandbox_cause(const struct isle__sandbox *sandbox, unsigned bit, char *text,
                         size_t text_size);
/* The name of a layer: "seccomp"; of the lowest bit that is set; "none" for 0. Any thread. */
const char *isle__sandbox_layer_name(uint32_t layers);
/* The name of a system call of this machine, "openat"; NULL: unknown. For SIGSYS. Any thread. */
const char *isle__sandbox_call_name(int number);

/* Control groups of version 2, the host's side: a subtree that was delegated to this user, if there
 * is one. Any thread; open before the zygote starts, since the host may have to step aside into a
 * group of its own, where nothing else is beside it. */
struct isle__cgroups;
/* ISLE_EUNSUPPORTED: there is none; ISLE_ENOMEM. */
ISLE_MUST_CHECK isle_err isle__cgroups_open(struct isle__cgroups **ret_groups);
/* A group for one process of an isolate with this much memory (0: no limit; what the process has
 * besides is added), without swap, and so many processes and threads (0: no limit). Its descriptor
 * is for CLONE_INTO_CGROUP and the functions below. ISLE_ESYSTEM, ISLE_ENOMEM. */
ISLE_MUST_CHECK isle_err isle__cgroup_make(struct isle__cgroups *groups, uint64_t memory_max,
                                           uint32_t process_max, int *ret_fd);
/* A new descriptor, close-on-exec: who writes "0" to it enters, whatever rights it has. -1. */
int isle__cgroup_door(int fd);
bool isle__cgroup_ran_out(int fd); /* somebody in it was killed for want of memory */
/* Closes it; the group goes now, or with a later call if its processes are not quite gone. */
void isle__cgroup_remove(struct isle__cgroups *groups, int fd);
/* Kills who is left in a group. No other call runs or follows; NULL is fine. */
void isle__cgroups_close(struct isle__cgroups *groups);

#endif
