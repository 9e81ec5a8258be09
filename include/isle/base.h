/* SPDX-License-Identifier: Apache-2.0 */
/* What every other header needs: error codes, the handles that go by value, callback types,
 * durations.
 *
 * How to read a contract. Unless it says otherwise, a function
 *   - is called by code that runs in an isolate. Elsewhere (a foreign thread, before isle_start,
 * after isle_stop) asking forms return ISLE_EOUTSIDE and insisting ones end the program with their
 * own name and that code; ISLE_ANY_THREAD marks the exceptions;
 *   - runs to its end without serving another event; ISLE_SUSPENDS marks those that let the isolate
 * serve others meanwhile;
 *   - throws (error.h) on a wrong kind, a bad argument (NULL where a pointer is needed included)
 * and out of memory, having changed nothing. ISLE_PLAIN marks those that never throw: they may be
 * called where no unwinding may pass;
 *   - in the child of a fork() of the host, returns or ends the program with ISLE_EFORK;
 *   - borrows its pointers for the call alone.
 *
 * Bad input, unless a function says otherwise. NULL where a pointer is needed, a port that is none,
 * a number that names nothing: ISLE_EINVAL. A value of another kind: ISLE_ETYPE, with the function
 * and both kinds named. A count, index, size or duration out of range: ISLE_ERANGE. A change of
 * what is frozen or has a fixed length: ISLE_EUNSUPPORTED. The handle of a port that is closed:
 * ISLE_ECLOSED; of a future or timer that is over: ISLE_ESTALE; a handle of another isolate the
 * same. Insisting functions throw these, asking ones return them. A timeout or delay below 0 is 0.
 * A value of another isolate (which only a C global can bring here) is refused with ISLE_EINVAL
 * where it is stored or sent, and must not be read; text that is not UTF-8 gives ISLE_EMALFORMED.
 */
#ifndef ISLE_BASE_H
#define ISLE_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The version of these headers. Before 1.0 a new minor number may change the API; the soname has
 * the major one. */
#define ISLE_VERSION_MAJOR 0
#define ISLE_VERSION_MINOR 1

/* What stands around and before declarations, for any compiler and language. */
#ifdef __cplusplus
#define ISLE_BEGIN extern "C" {
#define ISLE_END }
#define ISLE_NORETURN [[noreturn]]
#else
#define ISLE_BEGIN
#define ISLE_END
#ifdef __GNUC__
#define ISLE_NORETURN __attribute__((noreturn))
#else
#define ISLE_NORETURN _Noreturn
#endif
#endif

/* Exported; the result must be looked at; checked like printf; a variable that is cleaned up when
 * its block is left. */
#if defined(__GNUC__) || defined(__clang__)
#define ISLE_API __attribute__((visibility("default")))
#define ISLE_MUST_CHECK __attribute__((warn_unused_result))
#define ISLE_PRINTF(text, first) __attribute__((format(printf, text, first)))
#define ISLE_CLEANUP(function) __attribute__((unused, cleanup(function)))
#else
#define ISLE_API
#define ISLE_MUST_CHECK
#define ISLE_PRINTF(text, first)
#endif
/* Marks of the contract, explained at the head of this file; for readers. */
#ifdef __clang__
#define ISLE_SUSPENDS __attribute__((annotate("isle_suspends")))
#define ISLE_ANY_THREAD __attribute__((annotate("isle_any_thread")))
#define ISLE_PLAIN __attribute__((annotate("isle_plain")))
#else
#define ISLE_SUSPENDS
#define ISLE_ANY_THREAD
#define ISLE_PLAIN
#endif

/* Every error there is. Numbers never change and are never reused. */
#define ISLE_ERRORS(X)                                                                             \
    X(OK, 0, "no error")                                                                           \
    X(EINVAL, -1, "bad argument")                                                                  \
    X(ETYPE, -2, "wrong kind of value")                                                            \
    X(ERANGE, -3, "out of range")                                                                  \
    X(ENOMEM, -4, "Out of Memory")                                                                 \
    X(ESTACK, -5, "Stack Overflow")                                                                \
    X(EUNSENDABLE, -6, "Illegal argument in isolate message")                                      \
    X(EFULL, -7, "mailbox full")                                                                   \
    X(ECLOSED, -8, "closed")                                                                       \
    X(EUSED, -9, "transferable already materialized")                                              \
    X(ETIMEDOUT, -10, "timed out")                                                                 \
    X(ECANCELED, -11, "canceled")                                                                  \
    X(ESPAWN, -12, "Unable to spawn isolate")                                                      \
    X(ENORESULT, -13, "Computation ended without result")                                          \
    X(EUNSUPPORTED, -14, "not supported by this backend")                                          \
    X(EMALFORMED, -15, "malformed data")                                                           \
    X(EREMOTE, -16, "error of another isolate")                                                    \
    X(ETHROWN, -17, "error thrown by the program")                                                 \
    X(EOUTSIDE, -18, "called outside an isolate")                                                  \
    X(ESTALE, -19, "stale handle")                                                                 \
    X(EFORK, -20, "called in a forked child")                                                      \
    X(ENOSUSPEND, -21, "cannot suspend here")                                                      \
    X(ESYSTEM, -22, "the operating system refused")                                                \
    X(EDEADLOCK, -23, "waits for what can never come")

/* An error code, ISLE_OK or negative. What each means is its sentence (isle_err_text); which
 * function gives which stands with the function. */
typedef enum isle_err {
#define ISLE__X(name, number, text) ISLE_##name = number,
    ISLE_ERRORS(ISLE__X)
#undef ISLE__X
} isle_err;

/* A value: 64 bits, passed by value, all zero is null. Opaque: use value.h. It belongs to the
 * isolate that made it and lives as long as its scope (scope.h); that some need no memory is the
 * library's business. Equal bits are the same value; the reverse holds but for what isle_keep or a
 * store into an older container has moved: ask isle_identical. */
typedef struct isle_value {
    uint64_t bits;
} isle_value;

/* Plain data that anybody may copy, store, compare and send. All zero is "none". */
typedef struct isle_send_port {
    uint64_t id;
} isle_send_port;

/* A token that is equal to its copies only. All zero is "none". */
typedef struct isle_capability {
    uint64_t id;
} isle_capability;

/* A handle. Zero a member for one that may do less. The same isolate: equal control ports.
 * default_port is where the isolate serves or receives on isle_default_port(), so that a request
 * needs no handshake. Dart: Isolate(controlPort, pauseCapability:, terminateCapability:). */
typedef struct isle_isolate {
    isle_send_port control_port;
    isle_send_port default_port;
    isle_capability pause_capability;
    isle_capability terminate_capability;
} isle_isolate;

/* Things of one isolate that cannot leave it. The pointer is a checked handle, not an address:
 * never dereference it. Use after close throws ISLE_ECLOSED (ports) or ISLE_ESTALE (futures,
 * timers); so does the handle of another isolate. Closing again does nothing. */
typedef struct isle_receive_port isle_receive_port;
typedef struct isle_future isle_future;
typedef struct isle_timer isle_timer;

typedef void isle_entry(isle_value message);              /* the first event of an isolate */
typedef isle_value isle_computation(isle_value argument); /* what isle_run runs */
typedef void isle_handler(isle_value value,
                          void *context); /* takes a message, a future's value or its error */
typedef isle_value isle_answer(isle_value request, void *context); /* returns the reply */
typedef bool isle_predicate(isle_value value, void *context);      /* chooses among messages */
typedef void isle_task(void *context); /* timer, microtask, deferred work */

/* Durations and times are int64_t nanoseconds. */
#define ISLE_US(n) ((int64_t)(n)*1000)
#define ISLE_MS(n) ((int64_t)(n)*1000000)
#define ISLE_SECONDS(n) ((int64_t)(n)*1000000000)
#define ISLE_FOREVER INT64_MAX

/* Where a size or count of 0 means "the default", this means "no limit". (Of a mailbox: as much as
 * is counted, 134,217,727 messages and 512 GiB.) */
#define ISLE_UNLIMITED SIZE_MAX

ISLE_BEGIN
/* The sentence of a code, static; "unknown error" for a number that is no code. */
ISLE_API ISLE_ANY_THREAD ISLE_PLAIN const char *isle_err_text(isle_err err);
/* Its name, "ISLE_ETYPE", static; "ISLE_E?" for a number that is no code. */
ISLE_API ISLE_ANY_THREAD ISLE_PLAIN const char *isle_err_name(isle_err err);
ISLE_END

#endif
