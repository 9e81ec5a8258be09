/* SPDX-License-Identifier: Apache-2.0 */
/* Isolates: the body, its life, and the program that has them all (isolate.c).
 *
 * Who may touch what. An isolate's body belongs to the worker that runs its turn, but for the
 * members marked atomic: the mailbox word, the control stack, the attention word and the counters,
 * which anybody may write. The mailbox word decides who runs it:
 *
 *   IDLE    nobody runs it, nothing waits; who pushes a mail (or wakes it) turns this to EMPTY or
 * the mail and makes the task ready EMPTY   it is running or ready, nothing new has come a mail the
 * same, newest first, until its turn takes all with one exchange CLOSED  it has ended: mail is
 * refused
 *
 * Bodies and slots are type-stable: they are recycled, never returned while the program runs, so
 * that a sender may look at one that ends under its hands. Every mail carries its full target id,
 * and the receiver compares it once more when it comes to it. Ids are never reused (slot.c). */
#ifndef ISLE_CORE_ISOLATE_H
#define ISLE_CORE_ISOLATE_H

#include "core/handle.h"
#include "core/slot.h"
#include "core/timer.h"
#include "isle.h"
#include "sched/sched.h"
#include "value/heap.h"

struct isle__activity;
struct isle__control;
struct isle__listener;
struct isle__mail;
struct isle__port;
struct isle__promise;

struct isle__microtask {
    struct isle__microtask *next;
    void (*run)(void *argument); /* in an event of its own */
    void *argument;
    void (*drop)(void *argument); /* instead, at the isolate's end; may be NULL */
};

#define ISLE__MAILBOX_IDLE ((struct isle__mail *)(uintptr_t)1)
#define ISLE__MAILBOX_CLOSED ((struct isle__mail *)(uintptr_t)2)

struct isle__backend_ops;

struct isle__isolate {
    struct isle__task task; /* first */
    /* Senders write. */
    _Alignas(64) _Atomic(struct isle__mail *) mailbox;
    _Atomic(struct isle__control *) controls;
    _Atomic uint32_t attention;
    _Atomic uint32_t control_count;
    _Atomic size_t mailbox_max_messages, mailbox_max_bytes, memory_max;
    /* Its own, hot. */
    _Alignas(64) struct isle__heap heap;
    const struct isle__backend_ops *backend;
    uint64_t id;
    struct isle__slot *slot;
    struct isle__mail *inbox, *inbox_last; /* taken off the mailbox, oldest first */
    struct isle__activity *running;        /* the activity whose code runs */
    struct isle__activity *ready, *ready_last;
    struct isle__activity *suspended; /* newest first */
    struct isle__activity
        *abandoned; /* unwound by the end; their stacks stand until nothing leads there any more */
    struct isle__microtask *microtasks, *microtasks_last;
    struct isle__port *pending, *pending_last; /* have a handler and mail that waited */
    struct isle__port *default_port;           /* NULL until asked for */
    bool default_closed;
    struct isle__mail *orphans, *orphans_last; /* for the default port, before it is asked for */
    struct isle__handle_table handles;
    struct isle__timer_node **timers;
    size_t timer_count, timer_capacity;
    uint64_t timer_order, arrivals;
    size_t alive; /* ports, timers, calls, watches that keep it alive */
    int budget;   /* events left in this turn */
    bool entered; /* its first event has begun */
    bool ending;  /* at the next return to the loop it ends */
    bool killed, failed;
    bool errors_fatal;
    bool turn_timer; /* take a timer before the next mail */
    /* Cold. */
    struct isle__promise *promises;   /* all */
    void *watches;                    /* all; io.c's */
    struct isle__promise *unobserved; /* complete with an error that nobody has asked for */
    struct isle__control *deferred, *deferred_last; /* beforeNextEvent ones */
    uint64_t *pauses;
    size_t pause_count, pause_capacity;
    struct isle__listener *exit_listeners, *error_listeners;
    struct isle__mail *first; /* the entry's message, then NULL */
    isle_entry *entry;
    isle_computation *computation; /* of isle_run; its result goes to run_reply */
    void (*classic_entry)(void);
    isle_value (*uri_entry)(isle_value args, isle_value message);
    void *library;
    uint64_t run_reply;
    struct isle__mail *run_mail;   /* reserved: "Computation ended without result" */
    struct isle__mail *final_mail; /* isle_exit's */
    _Atomic(char *) debug_name;    /* freed under isle__program.lock */
    struct isle__timer_node deadline;
    struct isle__worker *own_worker;
    bool classic; /* the end of the program waits until it is idle */
    bool is_root;
    /* The members below outlive a life. */
    /* The clock's, under its lock. */
    int64_t clock_deadline;
    _Atomic size_t clock_position; /* 0: not there */
    struct isle__isolate *next_free; /* bodies that nobody has */
};

/* What all isolates share. */
struct isle__program {
    struct isle__mutex lock; /* names that are freed */
    _Atomic uint64_t dropped_closed, dropped_dead, dropped_late, refused_full;
    _Atomic uint64_t classic_busy;
    _Atomic bool stopping;  /* everybody is told to end */
    _Atomic bool root_over; /* nobody wakes the root any more */
    struct isle__isolate *root;
    struct isle__worker *root_worker;
    uint64_t capability_key[2];
    uint64_t handle_key;
    size_t baseline; /* live bytes before isle_start */
    int notifier;
    bool root_floats;
    /* Foreign threads read and write these at any time: no start resets them. */
    _Atomic bool running;
    _Atomic unsigned posters; /* foreign threads inside isle_post or isle_stats_read */
};
extern struct isle__program isle__program;

static inline struct isle__isolate *isle__isolate_of(struct isle__heap *heap)
{
    return (struct isle__isolate *)(void *)((char *)heap - offsetof(struct isle__isolate, heap));
}
/* The isolate whose code the calling thread runs; NULL outside. */
static inline struct isle__isolate *isle__isolate_current(void)
{
    struct isle__heap *heap = isle__heap_current();
    return heap == NULL ? NULL : isle__isolate_of(heap);
}
/* For an insisting function: see isle__heap_need. */
static inline struct isle__isolate *isle__isolate_need(const char *function)
{
    return isle__isolate_of(isle__heap_need(function));
}
void isle__isolate_name(const struct isle__isolate *isolate, char *text,
                        size_t size); /* as isle_debug_name, cut to fit */
ISLE_MUST_CHECK isle_err isle__isolate_ask(struct isle__isolate **ret_isolate);

/* An isolate that is not yet known to anybody. ISLE_ENOMEM. */
ISLE_MUST_CHECK isle_err isle__isolate_create(const isle_options *options,
                                              struct isle__isolate **ret_isolate);
void isle__isolate_destroy(struct isle__isolate *isolate); /* never started */
void isle__isolate_start(struct isle__isolate *isolate);
void isle__isolate_turn(struct isle__task *task);
/* The end, on a worker, outside events: activities are unwound, everything is returned, then it is
 * told. */
void isle__isolate_finish(struct isle__isolate *isolate);
/* Makes the isolate's task ready if nobody runs it. Any thread. */
void isle__isolate_wake(struct isle__isolate *isolate);
void isle__isolate_ready(
    struct isle__isolate *isolate); /* its mailbox word has just left IDLE: the caller's doing */
isle_isolate isle__isolate_handle(const struct isle__isolate *isolate);
isle_capability isle__isolate_capability(uint64_t id, unsigned which); /* 1 pause, 2 terminate */
/* The isolate of a control port, or NULL. */
struct isle__isolate *isle__isolate_find(isle_send_port control_port);

#endif
