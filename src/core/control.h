/* SPDX-License-Identifier: Apache-2.0 */
/* Control messages: what bypasses the mailbox (control.c), and the listeners that they administer.
 */
#ifndef ISLE_CORE_CONTROL_H
#define ISLE_CORE_CONTROL_H

#include "core/isolate.h"
#include "core/mail.h"
#include "isle/isolate.h"

struct isle__isolate;

enum isle__control_kind {
    ISLE__CONTROL_PAUSE = 1,
    ISLE__CONTROL_RESUME,
    ISLE__CONTROL_PING,
    ISLE__CONTROL_KILL,
    ISLE__CONTROL_ADD_EXIT,
    ISLE__CONTROL_REMOVE_EXIT,
    ISLE__CONTROL_ADD_ERROR,
    ISLE__CONTROL_REMOVE_ERROR,
    ISLE__CONTROL_ERRORS_FATAL,
    ISLE__CONTROL_STARTED,
    ISLE__CONTROL_MONITOR,
    ISLE__CONTROL_UNMONITOR,
    ISLE__CONTROL_SHUTDOWN,
    /* These never cross a wall: `link` is the asker's side of a relation; `port` and `key` say
     * which is over, `mail` how. Their room was made with the relation. */
    ISLE__CONTROL_LINK,
    ISLE__CONTROL_UNLINK,
    ISLE__CONTROL_LINKED
};

struct isle__control {
    struct isle__control *next;
    uint64_t target;
    enum isle__control_kind kind;
    isle_priority priority;
    bool flag;
    uint64_t capability; /* pause or terminate */
    uint64_t key;        /* of a pause */
    uint64_t port;
    struct isle__mail *mail;         /* a response, ready to post; owned */
    struct isle__listener *listener; /* of a monitor, with its mail; owned */
    struct isle__link *link;         /* of a link; owned */
};

/* Bytes of an exit listener's response: each waits in the isolate, or in the proxy of one behind a
 * wall, for as long as it lives. */
enum { ISLE__RESPONSE_MAX = 65536 };

/* Bits of the attention word. */
enum {
    ISLE__ATTEND_CONTROL = 1, /* the control stack has something */
    ISLE__ATTEND_TIMER = 2,   /* a timer may be due */
    ISLE__ATTEND_STOP = 4,    /* the program ends: as a kill that needs no capability */
    /* Always set in a simulation: every kill point goes to isle__attend_to. It asks for nothing. */
    ISLE__ATTEND_SIMULATED = 8,
    /* The same in a program alone on one thread, which looks outside there. */
    ISLE__ATTEND_ALONE = 16,
    ISLE__ATTEND_ROOM = 32,    /* its gates are to be looked at (gate.c) */
    ISLE__ATTEND_OVERFLOW = 64 /* a port of it that ends it has overflowed */
};
#define ISLE__ATTEND_ALWAYS ((uint32_t)(ISLE__ATTEND_SIMULATED | ISLE__ATTEND_ALONE))

/* Takes `control`, allocated with isle__memory_alloc, and its mail. Any thread. ISLE_EFULL: too
 * many wait there, ISLE_ECLOSED: it has ended; both are then gone. */
ISLE_MUST_CHECK isle_err isle__control_post(struct isle__control *control);
/* For a function of the program that asks for something: throws ISLE_ENOMEM; ISLE_EFULL, and is a
 * kill point. */
struct isle__control *isle__control_make(const char *function, isle_isolate target,
                                         enum isle__control_kind kind);
void isle__control_send(const char *function, struct isle__control *control);
/* Does what has come. Inside an event (`running`) only what is immediate; the rest waits for the
 * loop. Sets isolate->ending. */
void isle__control_run(struct isle__isolate *isolate, bool running);
/* Refuses what waits and what still comes, but for monitors, which are the caller's to tell. */
void isle__control_drop_all(struct isle__isolate *isolate, struct isle__listeners *ret_late);
void isle__control_open(struct isle__isolate *isolate);
void isle__control_init_body(struct isle__isolate *isolate);
void isle__control_free(struct isle__control *control);
/* The same for one that nobody will do: whoever waits for an answer to it is told so, a monitor
 * or who would be linked that the isolate is lost. Any thread. */
void isle__control_refuse(struct isle__control *control);
ISLE_MUST_CHECK isle_err isle__isolate_start_paused(struct isle__isolate *isolate);
/* pause.c. Without memory for a key the isolate ends. */
void isle__pauses_add(struct isle__isolate *isolate, uint64_t key);
void isle__pauses_remove(struct isle__isolate *isolate, uint64_t key);
void isle__pauses_fini(struct isle__isolate *isolate);
/* shutdown.c. Somebody who may has asked for it; outside an event. */
void isle__shutdown_asked(struct isle__isolate *isolate);
static inline bool isle__attention_is_set(const struct isle__isolate *isolate)
{
    return atomic_load_explicit(&isolate->attention, memory_order_relaxed) != 0;
}
/* A kill point: reads the attention word; does not return if the isolate is to end. */
void isle__attend_to(struct isle__isolate *isolate); /* when there may be something */
/* Sees what was asked; true: a kill point would not return. */
bool isle__attend_ends(struct isle__isolate *isolate);
static inline bool isle__attend_has_cause(const struct isle__isolate *isolate)
{
    return isle__attention_is_set(isolate) || isolate->ending || isolate->has_deadline ||
           isolate->heap.frame->pending_end;
}
static inline void isle__attend(struct isle__isolate *isolate)
{
    if (ISLE__UNLIKELY(isle__attend_has_cause(isolate)))
        isle__attend_to(isolate);
}
/* For who has just said that the isolate is idle: something was asked for meanwhile. */
static inline bool isle__attention_asks(const struct isle__isolate *isolate)
{
    return (atomic_load_explicit(&isolate->attention, memory_order_seq_cst) &
            ~ISLE__ATTEND_ALWAYS) != 0;
}
void isle__deadline_check(
    struct isle__isolate *isolate); /* ends one that has outlived its .deadline_ns */
void isle__deadline_passed(struct isle__isolate *isolate); /* it has */

/* As isle__listener_add. */
ISLE_MUST_CHECK isle_err isle__exit_listener_add(struct isle__isolate *isolate, uint64_t port,
                                                 struct isle__mail *mail);
ISLE_MUST_CHECK isle_err isle__error_listener_add(struct isle__isolate *isolate, uint64_t port,
                                                  struct isle__mail *mail);

#endif
