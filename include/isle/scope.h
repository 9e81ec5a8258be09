/* SPDX-License-Identifier: Apache-2.0 */
/* Lifetimes. Every event (entry, handler, timer, computation) has a scope; what it makes or
 * receives vanishes with it. The message belongs to the handler's scope as well. isle_keep makes a
 * value outlive its scope; the isolate's end returns all at once. */
#ifndef ISLE_SCOPE_H
#define ISLE_SCOPE_H

#include "base.h"

ISLE_BEGIN

/* Moves `value`, and all that it refers to, into the isolate's own heap, where it lives until as
 * many isle_release calls or the isolate's end, and returns it. The old reference goes on meaning
 * the same value while its scope lasts (it forwards: a change through one is seen through the
 * other), but pointers to bytes, strings or structs read from it before stay with the old copy.
 * Putting a value into a kept container keeps it as well, for as long as it stays there; what
 * nothing refers to any more is collected. O(size of the graph). */
ISLE_API isle_value isle_keep(isle_value value);
ISLE_API void isle_release(
    isle_value value); /* throws ISLE_EINVAL if it is not kept; nothing for what needs no memory */

/* A cell: a variable of the program, zero at first, that holds one kept value. Setting it keeps the
 * new value and releases the old; null empties it. The variable belongs to one isolate: it lies in
 * an ISLE_LOCAL, in memory of isle_alloc, or on the stack. ISLE_EINVAL: NULL. */
ISLE_API void isle_cell_set(isle_value *cell, isle_value value);

/* Runs task(context) when the current scope ends, however it ends (return, throw, exit, kill); last
 * one first. For what the scope cannot know: files, locks, malloc. The task must not suspend
 * (ISLE_ENOSUSPEND); if it throws, the first such error is thrown where the scope ends. */
ISLE_API void isle_defer(isle_task *task, void *context);

/* A scope from here to the end of the block, for loops that receive. Closed however the block is
 * left: its end, break, continue, return, goto, a throw. A compiler without cleanup attributes
 * lacks the macro and says so; open and close by hand there. for (;;) { ISLE_SCOPE; isle_value
 * message = isle_port_receive(port); … } */
typedef struct isle_scope {
    uint64_t id;
} isle_scope;
ISLE_API isle_scope isle_scope_open(void);
ISLE_API void isle_scope_close(isle_scope *scope); /* idempotent; closes the scopes inside too */
ISLE_API isle_value
isle_escape(isle_value value); /* hands a value to the enclosing scope; returns it there.
                                  ISLE_EINVAL: no scope encloses this one */

/* Memory of this isolate, counted in its limit, freed at its end. Never NULL, also for size 0.
 * Zeroed, aligned for any type. Not a value: what it points to is the program's. A pointer that
 * isle_alloc has not given here, or has taken back, throws ISLE_EINVAL. */
ISLE_API void *isle_alloc(size_t size);
ISLE_API void *isle_realloc(void *pointer, size_t size); /* added bytes are zero */
ISLE_API void isle_free(void *pointer);                  /* NULL is fine */
#define isle_new(type) ((type *)isle_alloc(sizeof(type)))

/* What ISLE_LOCAL defines, below. */
typedef struct isle_local {
    size_t size;
    uint32_t slot; /* the runtime's, 0 at first */
} isle_local;
ISLE_API void *isle__local(isle_local *local);
/* NULL: outside an isolate, or not used yet in this one. */
ISLE_API ISLE_PLAIN void *isle__local_find(const isle_local *local);

/* Runs fn(argument) as a boundary that no unwinding passes, for callbacks that another library
 * calls: errors, kill and exit stop here. ISLE_OK, or the code, with *ret_error (may be NULL) the
 * error; a kill or exit is ISLE_ECANCELED with null for an error (an error of that code is an error
 * value) and continues at the next kill point. Scopes that fn leaves open are closed. Suspends if
 * fn does. */
ISLE_API ISLE_MUST_CHECK ISLE_SUSPENDS isle_err isle_protect(isle_task *fn, void *argument,
                                                             isle_value *ret_error);
/* Continues the kill or exit that isle_protect stopped in this activity, as if it had not been
 * stopped: for who has left the other library's frames. Throws ISLE_EINVAL if none was. */
ISLE_NORETURN ISLE_API void isle_unwind_continue(void);

/* Between the two, kill waits (calls nest). ISLE_UNINTERRUPTED does it to the end of the block. */
typedef struct isle_uninterrupted {
    uint32_t depth;
} isle_uninterrupted;
ISLE_API isle_uninterrupted isle_uninterrupted_begin(void);
ISLE_API void isle_uninterrupted_end(isle_uninterrupted *section);

ISLE_END

#define ISLE__GLUE2(a, b) a##b
#define ISLE__GLUE(a, b) ISLE__GLUE2(a, b)
/* To the end of the block: a scope, or a section that no kill interrupts. */
#ifdef ISLE_CLEANUP
#define ISLE_UNINTERRUPTED                                                                         \
    isle_uninterrupted ISLE__GLUE(isle__uninterrupted_, __LINE__)                                  \
        ISLE_CLEANUP(isle_uninterrupted_end) = isle_uninterrupted_begin()
#define ISLE_SCOPE                                                                                 \
    isle_scope ISLE__GLUE(isle__scope_, __LINE__) ISLE_CLEANUP(isle_scope_close) = isle_scope_open()
#endif

/* A variable of which every isolate has its own, zeroed at first use: ISLE_LOCAL(struct stats,
 * stats); then stats()->hits++. C globals, in contrast, are shared by all isolates on threads.
 * Dart: static fields. */
#define ISLE_LOCAL(type, name)                                                                     \
    static isle_local name##_isle_local = {sizeof(type), 0};                                       \
    static inline type *name(void)                                                                 \
    {                                                                                              \
        return (type *)isle__local(&name##_isle_local);                                            \
    }                                                                                              \
    struct isle_local

#endif
