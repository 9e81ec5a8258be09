/* SPDX-License-Identifier: Apache-2.0 */
/* Filters of system calls: programs of classic BPF for seccomp, generated from one table
 * (syscalls.c) as a balanced tree of intervals (filter.c).
 *
 * Law: every number that any kernel has or will have gets a verdict that the table says, for every
 * architecture value and every argument; a test evaluates the program against the table. Of stacked
 * layers the kernel takes the strictest answer, so a zygote's, which all children inherit and none
 * can take off, allows what any of them may, and traps where they kill: else a child that audits
 * could never trap. A trap runs the call as little as a kill does, and kills a process without a
 * handler.
 *
 * Each program is complete, but for one that is made to lie above the zygote's (options.above):
 * that one allows what the zygote's answers just as the complete one would. So the two together are
 * what the complete one and the zygote's are, call by call, which the test evaluates too; and the
 * kernel, whose work for a program grows with its length, has half of it. */
#ifndef ISLE_SANDBOX_FILTER_H
#define ISLE_SANDBOX_FILTER_H

#include <linux/filter.h>
#include <signal.h>

#include "platform/platform.h"

enum isle__filter_kind {
    ISLE__FILTER_ZYGOTE, /* inherited by all: what a child may and what a zygote needs */
    ISLE__FILTER_LOADS,  /* a child while it loads code at a URI */
    ISLE__FILTER_RUNS    /* a child from then on: what an isolate may */
};
struct isle__filter_options {
    bool threads; /* glibc's pthread_create */
    bool strict;  /* what is refused politely kills, but for what the C library and Isle's core ask
                     by themselves: see ISLE__SOFT */
    bool audit;   /* what kills traps, and nobody can take out the handler of SIGSYS; see
                     isle__filter_tell. What the process answers itself traps as well */
    bool above;   /* of a child, above its zygote's program: says only what that one does not */
    bool reads;   /* openat for reading, fstat by name and the like are left to Landlock */
    int courier;  /* the one descriptor that recvmsg may name; -1: none, and recvmsg kills */
    uint32_t own_pid; /* what tgkill may name */
};
enum {
    ISLE__FILTER_MAX = 4096, /* instructions, the kernel's bound */
    ISLE__FILTER_ROOM = 768  /* enough for each kind with any options */
};
/* The program; *ret_count instructions. ISLE_ERANGE: it does not fit; ISLE_EUNSUPPORTED: this
 * machine has no table. Allocates nothing. Any thread. */
ISLE_MUST_CHECK isle_err isle__filter_make(enum isle__filter_kind kind,
                                           const struct isle__filter_options *options,
                                           struct sock_filter *program, size_t capacity,
                                           size_t *ret_count);
/* Those of every zygote's program. */
extern const struct isle__filter_options isle__filter_zygote_options;
/* Makes and installs for the calling thread, the process's only one; ISLE_ESYSTEM with errno.
 * no_new_privs is set already. Allocates nothing. */
ISLE_MUST_CHECK isle_err isle__filter_install(enum isle__filter_kind kind,
                                              const struct isle__filter_options *options);
/* Before an installation that audits: from then on a forbidden call's number is written to *place,
 * and the process dies of SIGSYS. The place may be shared with who wants to know, and
 * who must not believe it: the process that dies could have written it. */
ISLE_MUST_CHECK isle_err isle__filter_tell(_Atomic int32_t *place);
/* Of a handler of SIGSYS, with what that was given: if the call is one that the process answers
 * itself, its result is set, and true: the handler returns. That is fstat of C libraries which make
 * a stat by an empty name of it. Nothing is done for the caller that it could not do.
 * Async-signal-safe; changes no errno. */
bool isle__filter_answer(const siginfo_t *info, void *context);

/* For tests: as isle__filter_make, for another machine (enum isle__machine). */
ISLE_MUST_CHECK isle_err isle__filter_make_for(int machine, enum isle__filter_kind kind,
                                               const struct isle__filter_options *options,
                                               struct sock_filter *program, size_t capacity,
                                               size_t *ret_count);

#endif
