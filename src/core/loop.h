/* SPDX-License-Identifier: Apache-2.0 */
/* The event loop: events, microtasks, turns (loop.c), and the first event (spawn.c). */
#ifndef ISLE_CORE_LOOP_H
#define ISLE_CORE_LOOP_H

#include "core/activity.h"

/* Runs fn(argument) as an event: a scope and a boundary of its own; what it throws is uncaught. */
void isle__event_run(struct isle__isolate *isolate, void (*fn)(void *argument), void *argument);
void isle__microtask_add(struct isle__isolate *isolate, struct isle__microtask *microtask);
/* Takes what was sent into the ports' queues without running a handler, for code that asks and does
 * not wait. */
void isle__poll_mail(struct isle__isolate *isolate);
/* Nothing has come. A filter for who would take more: false is not the last word. */
static inline bool isle__loop_sees_no_mail(const struct isle__isolate *isolate)
{
    return isolate->inbox == NULL &&
           atomic_load_explicit(&isolate->mailbox, memory_order_relaxed) == NULL;
}
/* The next mail, if it is for `target`, and nothing else would have its turn before it: for code in
 * direct style that would otherwise suspend, only to be resumed with that mail. NULL: it has to. */
struct isle__mail *isle__loop_take_next(struct isle__isolate *isolate, uint64_t target);
/* The scope of the event that runs. */
static inline struct isle__scope *isle__event_scope(struct isle__isolate *isolate)
{
    return &isolate->running->scope;
}
/* For a backend's turn of a proxy (backend.h). Takes all that was sent to the inbox; false: nothing
 * new. Rest: nothing is left to do; true: it is idle, and may be run by another, or have ended,
 * already: the turn must return. Timers (its deadline) are due. */
bool isle__loop_take(struct isle__isolate *isolate);
bool isle__loop_rest(struct isle__isolate *isolate);
void isle__microtasks_drop(struct isle__isolate *isolate);
void isle__isolate_enter(struct isle__isolate *isolate); /* runs the entry (spawn.c) */
bool isle__isolate_may_end(
    struct isle__isolate *isolate); /* nothing keeps it alive: true, unless the program's end waits
                                       for others (program.c) */
/* The end of the program waits until those of isle_spawn_function are idle: a count of those that
 * are not. */
void isle__classic_busy(void);
void isle__classic_idle(void);
bool isle__isolate_paused(const struct isle__isolate *isolate);

#endif
