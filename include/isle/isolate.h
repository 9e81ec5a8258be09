/* SPDX-License-Identifier: Apache-2.0 */
/* Isolates: spawn, run, end, control. Control functions need the capability named; without it the
 * request is ignored by the target. All are harmless on an isolate that has ended and on a handle
 * that is zero. A control function throws ISLE_EFULL when 65,536 requests wait in the target,
 * ISLE_ENOMEM, and is a kill point itself. Dart: class Isolate, same names. */
#ifndef ISLE_ISOLATE_H
#define ISLE_ISOLATE_H

#include "base.h"

/* Where an isolate runs. The default is ISLE_THREAD for functions and the sandboxed ISLE_PROCESS
 * for code at a URI. What this build or machine lacks is refused with ISLE_EUNSUPPORTED, never
 * replaced. */
typedef enum isle_backend {
    ISLE_BACKEND_DEFAULT = 0, /* as above */
    ISLE_THREAD,              /* a thread of this program */
    ISLE_PROCESS,             /* a sandboxed process (sandbox.h), on Linux */
    ISLE_WASM,                /* a WebAssembly instance: not yet */
    ISLE_WEB,                 /* a Web Worker: not yet */
    ISLE_NODE                 /* another machine: not yet */
} isle_backend;
/* On threads: share the workers, or have an OS thread of its own for life (GUI, GL, libraries bound
 * to a thread). */
typedef enum isle_thread {
    ISLE_THREAD_POOL = 0, /* the workers, shared by all */
    ISLE_THREAD_OWN       /* one of its own */
} isle_thread;
/* When a control message takes effect. Those of one sender and one priority are done in the order
 * sent; immediate ones overtake. Dart: the same names. */
typedef enum isle_priority {
    ISLE_IMMEDIATE = 0,        /* at the next kill point, inside an event too */
    ISLE_BEFORE_NEXT_EVENT = 1 /* when the running event is over */
} isle_priority;

struct isle_sandbox; /* sandbox.h */

/* All zero is the default everywhere. Grows at its end only. Pointers are read during the call. */
typedef struct isle_options {
    const char *debug_name; /* copied; NULL: isle_debug_name gives "isolate-ID" there */
    isle_backend backend;
    bool paused; /* until isle_resume(isolate, isolate.pause_capability) */
    bool errors_not_fatal;
    isle_send_port on_exit;  /* gets null at the end */
    isle_send_port on_error; /* gets [text, stack text or null], before on_exit */
    size_t memory_max; /* bytes, heap and mailbox; 0: none on threads, behind a wall 256 MiB of heap
                          beside what the mailbox may hold. There malloc's have the same limit and
                          16 MiB more, for the runtime's own */
    size_t mailbox_max_bytes;    /* 0: 256 MiB; ISLE_UNLIMITED */
    size_t mailbox_max_messages; /* 0: 1,048,576; ISLE_UNLIMITED */
    int64_t cpu_time_max_ns;     /* ISLE_EUNSUPPORTED on threads, where nothing could enforce it */
    int64_t deadline_ns;         /* of the isolate, from now: killed then, at a kill point; 0: none;
                                    ISLE_ERANGE if negative */
    isle_thread thread;
    isle_send_port monitor;             /* gets how it ended (monitor.h) */
    const struct isle_sandbox *sandbox; /* what it may do; ISLE_EUNSUPPORTED on threads, where
                                           nothing could enforce it */
    bool link;                          /* linked to the spawner from the begin (monitor.h) */
} isle_options;

ISLE_BEGIN

ISLE_API isle_isolate isle__spawn(isle_entry *entry, isle_value message,
                                  const isle_options *options, size_t options_size);
ISLE_API ISLE_MUST_CHECK ISLE_SUSPENDS isle_err isle__try_spawn(isle_entry *entry,
                                                                isle_value message,
                                                                const isle_options *options,
                                                                size_t options_size,
                                                                isle_isolate *ret_isolate);
ISLE_API isle_isolate isle__spawn_uri(const char *uri, isle_value args, isle_value message,
                                      const isle_options *options, size_t options_size);
ISLE_API isle_future *isle__run(isle_computation *computation, isle_value argument,
                                const isle_options *options, size_t options_size);

/* A new isolate whose first event is entry(copy of message). Listeners in the options are in force
 * before that. `options` may be NULL. Never suspends; the handle and its ports are valid at once:
 * what is sent before the isolate runs waits in its mailbox. Throws what is known in the call:
 * ISLE_EINVAL (NULL entry, a bad option), ISLE_ERANGE (a negative duration), ISLE_EUNSENDABLE,
 * ISLE_ENOMEM (the message is above memory_max, or 2^24 ids are in use, too), ISLE_EUNSUPPORTED (a
 * backend or option that this build lacks), ISLE_ESPAWN (the system refuses a thread of its own).
 * What a backend knows later is an end: error listeners get "Unable to spawn isolate: …", then exit
 * listeners theirs. Dart: Isolate.spawn. */
static inline isle_isolate isle_spawn(isle_entry *entry, isle_value message,
                                      const isle_options *options)
{
    return isle__spawn(entry, message, options, sizeof(isle_options));
}
/* As isle_spawn, but waits until the isolate stands (its thread or wall is there) and returns late
 * failures as well: ISLE_ESPAWN. On threads nothing is late and it does not suspend. ret_isolate
 * may be NULL. */
static inline ISLE_MUST_CHECK ISLE_SUSPENDS isle_err isle_try_spawn(isle_entry *entry,
                                                                    isle_value message,
                                                                    const isle_options *options,
                                                                    isle_isolate *ret_isolate)
{
    return isle__try_spawn(entry, message, options, sizeof(isle_options), ret_isolate);
}
/* Completes with the handle, as a value, once the isolate stands, or with ISLE_ESPAWN; ISLE_ECLOSED
 * if it has ended before, or the handle is none. */
ISLE_API isle_future *isle_spawn_wait(isle_isolate isolate);

/* Code from elsewhere: a shared object, "file:plugin.so#entry" or a path; the entry (default
 * isle_main) is an `isle_value entry(isle_value args, isle_value message)`. args is a list of
 * strings or null. The process backend is the default (ISLE_EUNSUPPORTED where there is none);
 * with .backend = ISLE_THREAD, for code that is trusted like the program's own, each isolate gets a
 * copy of the object with globals of its own. Throws ISLE_ESPAWN ("Unable to spawn isolate: …") for
 * a file that is missing, no shared object or one for another machine or, on threads, cannot be
 * loaded or lacks the entry; in a process the host never loads it, and these two are an end.
 * ISLE_EINVAL for a URI that is NULL or empty, ISLE_ETYPE for other args, and what isle_spawn
 * throws. Dart: Isolate.spawnUri. */
static inline isle_isolate isle_spawn_uri(const char *uri, isle_value args, isle_value message,
                                          const isle_options *options)
{
    return isle__spawn_uri(uri, args, message, options, sizeof(isle_options));
}
/* Runs computation(argument) in an isolate of its own. Completes with the result (moved, not
 * copied) or the error; ISLE_ENORESULT if the isolate ended otherwise, ISLE_EREMOTE for an uncaught
 * error outside the computation; ISLE_ESTACK for a stack overflow. What isle_spawn would throw,
 * this future completes with. Errors are always fatal there. Dart: Isolate.run. */
static inline isle_future *isle_run(isle_computation *computation, isle_value argument,
                                    const isle_options *options)
{
    return isle__run(computation, argument, options, sizeof(isle_options));
}

/* The running isolate, all capabilities included. Dart: Isolate.current. */
ISLE_API isle_isolate isle_current(void);
ISLE_API const char *isle_debug_name(void); /* of the running isolate; lives as long as it */

/* Ends the running isolate here. final_port, unless none, gets `message`, moved, as its last act.
 * Throws ISLE_EUNSENDABLE and goes on living if it cannot be sent. Deferred tasks run; pending
 * events do not. In the root it ends the program, with app's status so far: 0. Dart: Isolate.exit.
 */
ISLE_NORETURN ISLE_API void isle_exit(isle_send_port final_port, isle_value message);

/* Needs terminate_capability. Behind a wall ISLE_IMMEDIATE is bounded in time; on threads it lands
 * at the next kill point: an insisting send or spawn, call, await, receive, sleep, a function of
 * this file that controls, isle_checkpoint, the return to the loop. Any other priority than
 * ISLE_BEFORE_NEXT_EVENT counts as immediate. */
ISLE_API void isle_kill(isle_isolate isolate, isle_priority priority);
ISLE_API void isle_set_errors_fatal(isle_isolate isolate, bool errors_fatal);

/* Needs terminate_capability. Asks the isolate to end, which it does in its own way: goes before
 * messages, and comes when the running event is over, to a paused isolate too, as an event of its
 * own, the task of isle_on_shutdown. Without a task the isolate ends there, before its first event
 * too, as if nothing kept it alive: what waits in direct style is unwound, deferred tasks run,
 * monitors are told ISLE_RETURNED. Who asks again while the task has its event, or after it, asks
 * for nothing. An isolate that never returns to its loop does not hear it: then there is isle_kill.
 * Erlang/OTP: exit(Pid, shutdown). */
ISLE_API void isle_shutdown(isle_isolate isolate);
/* Sets what the running isolate does when it is asked to end; once, for the first who asks. From
 * then on it is the isolate's to end (isle_exit, or nothing keeps it alive); an error that the task
 * throws is uncaught. Keeps no isolate alive. NULL: none. Throws ISLE_ENOMEM. */
ISLE_API void isle_on_shutdown(isle_task *task, void *context);

/* Needs pause_capability. A zero key makes a new one; the key is returned. Every distinct key must
 * be resumed; one that is not in force does nothing. The running event is not interrupted. */
ISLE_API isle_capability isle_pause(isle_isolate isolate, isle_capability resume_key);
ISLE_API void isle_resume(isle_isolate isolate, isle_capability resume_key);

/* A live isolate sends `response` to `port`; a dead one never does: receive with a timeout.
 * Responses are plain data (ISLE_EUNSENDABLE for an object) and are copied here; ISLE_EINVAL if
 * port is none. A paused isolate answers. */
ISLE_API void isle_ping(isle_isolate isolate, isle_send_port port, isle_value response,
                        isle_priority priority);

/* Once per port, the last response counts; added after the end, nothing comes (a ping with a
 * timeout tells in that case too). Needs no capability. A response takes 64 KiB of memory at most,
 * else ISLE_ERANGE. Adding throws ISLE_EINVAL if port is none; removing one that is not there does
 * nothing. */
ISLE_API void isle_add_exit_listener(isle_isolate isolate, isle_send_port port,
                                     isle_value response);
ISLE_API void isle_remove_exit_listener(isle_isolate isolate, isle_send_port port);
ISLE_API void isle_add_error_listener(isle_isolate isolate, isle_send_port port);
ISLE_API void isle_remove_error_listener(isle_isolate isolate, isle_send_port port);

ISLE_END

#endif
