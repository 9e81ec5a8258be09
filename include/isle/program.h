/* SPDX-License-Identifier: Apache-2.0 */
/* The program. Its first thread is the root isolate; when the root ends, the program's other
 * isolates end. */
#ifndef ISLE_PROGRAM_H
#define ISLE_PROGRAM_H

#include "base.h"
#include "report.h"

/* All zero is the default. Grows at its end only. */
typedef struct isle_program_options {
    unsigned worker_count; /* 0: one per core this process may use */
    size_t stack_size; /* of one suspended activity, bytes of address space; 0: 256 KiB, at least 16
                          KiB. The root's main part uses the caller's, which is watched as well */
    bool root_floats;  /* the root's handlers may run on any worker, as other isolates' do */
    bool no_signal_handler; /* leave SIGSEGV and SIGBUS alone: a stack overflow then ends the
                             * program without its isolate's name. Else it ends the isolate with
                             * ISLE_ESTACK where that can be unwound safely (the program's own
                             * code), and the program, named, where it cannot (the C library, a
                             * deferred task, ISLE_UNINTERRUPTED) */

    /* Process isolates born ahead, of the kind that the program uses, from its first one on. 0: 4;
     * ISLE_NO_WARM_PROCESSES: none. */
    unsigned warm_process_count;

    /* Told of each isolate that crashed (report.h). NULL: what ISLE_REPORT in the environment says,
     * a file that reports are added to, or - for stderr; without it nobody. */
    isle_report *report;
    void *report_context;
} isle_program_options;
#define ISLE_NO_WARM_PROCESSES (~0U)

ISLE_BEGIN

/* What ISLE_MAIN calls: starts, runs app as the root's first event, serves events until nothing
 * keeps the root alive, stops. Returns app's value, or 255 after an uncaught fatal error, a kill of
 * the root, a failed start, or if app is NULL; then a line on stderr says why. The root's mailbox
 * has no bounds. It is isle_main that stops: isle_stop in app throws ISLE_EINVAL. A re-executed
 * process isolate never gets as far as app. */
ISLE_API int isle_main(int argc, char **argv, int (*app)(int argc, char **argv));

/* A process isolate is this program, executed again. In such an image this never returns: it must
 * be called before main does anything that an isolate should not. isle_main and isle_start call it;
 * a program that keeps its own main and does other things before isle_start calls it first thing
 * there. Returns 0 in the program itself, at once. */
ISLE_API ISLE_ANY_THREAD ISLE_PLAIN int isle_child_main(int argc, char **argv);

/* For a program that keeps its own main. Call isle_start first thing there: with the process
 * backend, the isolates' images start in it and do not return. Between the two the calling thread
 * is the root isolate: it may do all that an event may; what suspends serves the root's events
 * meanwhile; what it throws is uncaught. Values made outside an event live until isle_stop, or use
 * ISLE_SCOPE. Returns ISLE_EUSED if it runs already, ISLE_ERANGE for a stack_size below 16 KiB,
 * ISLE_EUNSUPPORTED for an option that this version does not know, ISLE_ENOMEM, ISLE_ESYSTEM,
 * ISLE_EFORK; nothing is started then. `options` may be NULL. */
ISLE_API ISLE_MUST_CHECK isle_err isle__start(int argc, char **argv,
                                              const isle_program_options *options,
                                              size_t options_size);
static inline ISLE_MUST_CHECK isle_err isle_start(int argc, char **argv,
                                                  const isle_program_options *options)
{
    return isle__start(argc, argv, options, sizeof(isle_program_options));
}
ISLE_API void isle_loop(void); /* serves events until nothing keeps the root alive. ISLE_EINVAL:
                                  called inside an event, or by another isolate */
/* Ends every isolate and waits until they have; those that have not when nothing has moved for 200
 * ms, not counting those in which the machine let the program wait for a core, are named on stderr,
 * and the program leaves by _exit with 1; so with work of isle_blocking that still runs. The same
 * thread may isle_start again. Only the code between the two may call it (ISLE_EINVAL). */
ISLE_API void isle_stop(void);

/* Foreign event loops: when isle_loop_fd is readable, call isle_dispatch on the root's thread. It
 * serves what is ready and never waits; false: the root has ended, call isle_stop. The descriptor
 * is the runtime's: poll it, nothing else. */
ISLE_API int isle_loop_fd(void);
ISLE_API ISLE_MUST_CHECK bool isle_dispatch(void);

/* Cores that this process may use, at least 1; in a simulation 4, whatever the machine. Behind a
 * wall the system may tell nobody: 1. */
ISLE_API ISLE_ANY_THREAD ISLE_PLAIN unsigned isle_cpu_count(void);

ISLE_END

/* Defines main: isle_main(argc, argv, app). */
#define ISLE_MAIN(app)                                                                             \
    int main(int argc, char **argv)                                                                \
    {                                                                                              \
        return isle_main(argc, argv, app);                                                         \
    }                                                                                              \
    struct isle_program_options

#endif
