/* SPDX-License-Identifier: Apache-2.0 */
/* The root isolate and its main activity, as the rest of the core sees them (program.c). */
#ifndef ISLE_CORE_PROGRAM_H
#define ISLE_CORE_PROGRAM_H

#include "core/isolate.h"

void isle__main_suspends(struct isle__isolate *root);
void isle__main_resumes(struct isle__isolate *root);
/* The root's turn has nothing left to do: if the main activity is in isle_dispatch it goes on
 * (which does not return here), or the turn moves to its thread: true. */
bool isle__root_dispatched(struct isle__isolate *root);
bool isle__root_hops(
    struct isle__isolate *root); /* a floating root goes to its own thread: the turn here is over */
void isle__main_made_work(
    struct isle__isolate *isolate); /* code of this isolate has put something into its own queues */
void isle__root_ends(struct isle__isolate *root); /* instead of isle__isolate_finish; does not
                                                     return on systems with stacks */

/* --- a program alone on one thread (alone.c): what a process isolate is inside
 *
 * No workers, no reactor's thread, no monitor: the calling thread runs everything, and waits by
 * ppoll. Its root is hidden and runs no user's code: it is the main activity of whoever calls this.
 * Everything that a filter of system calls would refuse later is opened by the start: afterwards
 * there is no epoll_*, eventfd, pipe, clone, membarrier or prctl, only reads, writes, ppoll, futex,
 * mmap, mprotect, munmap, madvise, and what user's code asks for. isle_signal_port is
 * ISLE_EUNSUPPORTED there, and isle_blocking runs its work in the call. */

/* The way to the outside. All of it is called on the thread, in turn or idle, never inside itself.
 */
struct isle__alone {
    int bell; /* readable: attend; -1: none. It is not read here */
    /* Something has come, or must go out: cheap, called at each kill point and between events. May
     * be NULL, then so may the next ones. */
    bool (*stirs)(void *context);
    /* Takes what has come and makes mail and control messages of it; sends what must go out. Called
     * when it stirs, outside of isolates as far as it can see (no current heap), although an event
     * may be standing at a kill point below. */
    void (*attend)(void *context);
    /* Nothing is left to do: looks for a moment whether something comes, if that is worth it. True:
     * it has, then attend comes. NULL: never worth it. */
    bool (*looks)(void *context);
    /* About to sleep until the bell: false if there is something after all, then attend comes. */
    bool (*rests)(void *context);
    void *context;
    size_t stack_size; /* of an activity; 0: the default */
};
/* In the place of isle_start; what is borrowed stays until the stop. ISLE_EUSED, ISLE_ENOMEM,
 * ISLE_ESYSTEM. */
ISLE_MUST_CHECK isle_err isle__program_start_alone(const struct isle__alone *alone);
/* In a fork of a process that has started with no bell and has done nothing since: the child goes
 * on, with descriptors and keys of its own. The one that the start opened is the caller's to close.
 * ISLE_ESYSTEM, ISLE_ENOMEM. */
ISLE_MUST_CHECK isle_err isle__program_go_on_alone(int bell);
/* Runs everything until this isolate (made by isle__spawn_here, say, since the last wait of the
 * main activity) has ended. Returns 0 if it returned, 255 if it ended otherwise; ret_end, which may
 * be NULL, lives until the stop. */
int isle__program_serve_alone(isle_isolate isolate, isle_end *ret_end);
/* Ends all others, then everything. A process that has nobody to clean up for may leave by
 * isle__exit_now instead. */
void isle__program_stop_alone(void);
/* Any thread of the process: the one that sleeps looks at its work again. */
void isle__alone_wake(void);
/* --- core's own */
extern bool isle__alone_on;
void isle__alone_attend(struct isle__isolate *isolate); /* a kill point, or between its events */
isle_err isle__program_begin(const isle_program_options *options, size_t size); /* program.c */
void isle__program_forked(void); /* a fork that goes on: with keys of its own */
void isle__program_finish(int status);

#endif
