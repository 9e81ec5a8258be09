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
#include "core/link.h"
#include "core/listener.h"
#include "core/slot.h"
#include "core/timer.h"
#include "isle.h"
#include "isle/monitor.h"
#include "sched/sched.h"
#include "value/heap.h"

struct isle__activity;
struct isle__control;
struct isle__mail;
struct isle__port;
struct isle__promise;

struct isle__clock_entry { /* under the clock's lock */
    struct isle__isolate *isolate;
    int64_t deadline;
    _Atomic size_t position; /* 0: not there */
};

struct isle__microtask {
    struct isle__microtask *next;
    void (*run)(void *argument); /* in an event of its own */
    void *argument;
    void (*drop)(void *argument); /* instead, at the isolate's end; may be NULL */
};

#define ISLE__MAILBOX_IDLE ((struct isle__mail *)(uintptr_t)1)
#define ISLE__MAILBOX_CLOSED ((struct isle__mail *)(uintptr_t)2)

struct isle__backend_ops;

/* The bounds of a mailbox unless the program says otherwise. */
#define ISLE__MAILBOX_MESSAGES ((size_t)1 << 20)
#define ISLE__MAILBOX_BYTES ((size_t)256 << 20)

/* How an isolate ends, for its monitors and links. */
struct isle__ending {
    bool is_known, is_reported;
    isle_reason reason;
    char *text; /* NULL: none; text_size bytes of isle__memory_alloc */
    size_t text_size;
    char *stack; /* the stack text of the error, for a crash report alone, cut; NULL: none */
    size_t stack_size;
    int64_t cpu_time_ns;
    size_t memory_peak;
};

/* What it does when it is asked to end (shutdown.c). */
struct isle__shutdown {
    isle_task *task; /* NULL: it ends */
    void *context;
    bool was_asked; /* the task's event has been, or waits */
    struct isle__microtask event;
};

/* Calls that it has taken and cannot answer (taken.c). */
struct isle__taken {
    uint64_t *replies;
    uint32_t count, capacity;
};

/* What few isolates have, or only those that do more than wait for mail: made on first use
 * (isle__isolate_cold), freed with the life. Bookkeeping like the body: not charged. */
struct isle__cold {
    struct isle__timer_node **timers; /* timer.c */
    uint32_t timer_capacity;
    struct isle__timer_node deadline;
    struct isle__clock_entry clock; /* reactor.c */
    void *watches;                  /* all; io.c's */
    uint64_t *pauses;
    uint32_t pause_capacity, pause_count;
    struct isle__index pause_places; /* + 1, by key, of more than ISLE__INDEX_FEW */
    struct isle__listeners exit_listeners, error_listeners, monitors;
    struct isle__links links;
    uint64_t trap; /* the port that is told instead of ending with a link; 0: none */
    struct isle__taken taken;
    struct isle__ending ending;
    struct isle__shutdown shutdown;
    struct isle__mail *final_mail; /* isle_exit's */
    void *library;
    struct isle__worker *own_worker;
    void *wall;                 /* the backend's, of a proxy */
    _Atomic(char *) debug_name; /* freed under isle__program.lock, as this struct itself */
};

enum isle__admission {
    ISLE__ADMIT_BY_MEMORY = 1, /* it has a limit of memory */
    /* Its mailbox is so narrow, or may be in what is left of its memory, that one mail too many
     * would have others refused: nobody is let in who is then refused. For all lives of the body.
     */
    ISLE__ADMIT_EXACTLY = 2,
    ISLE__ADMIT_BOUNDED = 4, /* a port of it has bounds of its own (gate.c) */
    ISLE__ADMIT_WAITED = 8,  /* mail is in line before a port of it */
    ISLE__ADMIT_SLOWLY = ISLE__ADMIT_EXACTLY | ISLE__ADMIT_BOUNDED | ISLE__ADMIT_WAITED,
    /* Of an inside's body for all that is outside: who waits there for room is answered by it. */
    ISLE__ADMIT_ELSEWHERE = 16
};
enum isle__entry_kind { ISLE__ENTRY, ISLE__ENTRY_RUN, ISLE__ENTRY_CLASSIC, ISLE__ENTRY_URI };
union isle__entry_point {
    isle_entry *entry;
    isle_computation *computation; /* of isle_run */
    void (*classic)(void);
    isle_value (*uri)(isle_value args, isle_value message);
};

enum { ISLE__TURN_BUDGET = 256 };
enum isle__default_state { ISLE__DEFAULT_UNASKED, ISLE__DEFAULT_OPEN, ISLE__DEFAULT_CLOSED };

struct isle__isolate {
    /* A line that senders write, and who wakes it. */
    _Alignas(64) struct isle__task task; /* first */
    _Atomic(struct isle__mail *) mailbox;
    _Atomic uint64_t limits; /* of the mailbox: a room's most (isle__room_of) */
    /* Who wakes it reads these at any time: they share no word with what its owner writes. */
    _Atomic uint8_t backend;   /* isle_backend; who sends looks at it before it knows whose */
    uint8_t entry_kind;        /* isle__entry_kind */
    _Atomic uint8_t admission; /* isle__admission: what its senders must mind */
    _Atomic uint8_t has_names; /* perhaps: its end must look (name.c) */
    _Atomic uint32_t control_count;
    /* The line ends with the heap's first member. What follows is its own, and what others write
     * there now and then. */
    struct isle__heap heap;
    /* A line that every turn looks at, and one that every event does. */
    _Atomic(struct isle__control *) controls;
    _Atomic uint16_t attention;
    int16_t budget; /* events left before it gives way (loop.c) */
    union {
        uint16_t flags;
        struct {
            bool entered : 1; /* its first event has begun */
            bool ending : 1;  /* at the next return to the loop it ends */
            bool killed : 1, failed : 1;
            bool errors_fatal : 1;
            bool turn_timer : 1;   /* take a timer before the next mail */
            bool has_deadline : 1; /* cold->deadline is set */
            bool run_answered : 1;
            bool is_root : 1;
            bool shows_all : 1;        /* what it took out of its mailbox: the limits are narrow */
            bool polled : 1;           /* nothing in the inbox is for a port without a handler */
            bool is_paused : 1;        /* cold has why */
            bool is_plain : 1;         /* nothing that its birth set outlasts a bare end */
            bool lets_in : 1;          /* mail waits for room in its mailbox (gate.c) */
            uint8_t default_state : 2; /* isle__default_state */
        };
    };
    uint64_t id;                           /* of a body that nobody has: the last one */
    _Atomic(struct isle__cold *) cold;     /* NULL: not needed yet */
    struct isle__mail *inbox, *inbox_last; /* taken off the mailbox, oldest first; the last one
                                              while there is one */
    union {
        struct isle__activity *running;  /* the activity whose code runs */
        struct isle__isolate *next_free; /* of a body that nobody has (body.c) */
    };
    uint32_t alive; /* ports, timers, calls, watches that keep it alive */
    uint32_t timer_count;
    struct isle__activity *ready;        /* the last that can go on: a ring by next_ready */
    struct isle__activity *suspended;    /* newest first */
    struct isle__microtask *microtasks;  /* the last: a ring */
    struct isle__promise *unobserved;    /* complete with an error that nobody has asked for */
    struct isle__control *deferred;      /* beforeNextEvent ones, the last: a ring */
    union {                              /* by default_state */
        struct isle__mail *orphans;      /* unasked: mail that waits for it, the last: a ring */
        struct isle__port *default_port; /* open */
    };
    union {
        struct { /* until it is entered */
            /* The entry's message: an immediate value's bits, or its mail (isle__first_mail). */
            uint64_t first;
            union isle__entry_point entry; /* entry_kind says which */
        };
        struct {
            struct isle__port *pending; /* the last with a handler and mail that waited: a ring */
            struct isle__activity *abandoned; /* unwound by the end; their stacks stand until
                                                 nothing leads there any more */
        };
    };
    /* A line that an isolate without ports, mail, futures and timers never touches. */
    struct isle__handle_table handles;
    uint64_t arrivals;              /* of mail, and of timers */
    struct isle__promise *promises; /* all */
    struct isle__mail *run_mail;    /* of isle_run, reserved: "Computation ended without result";
                                       then its result (run_answered) */
    int64_t born; /* if crashes are reported: when it started; left as it is between two lives */
};

_Static_assert(sizeof(void *) < 8 || (offsetof(struct isle__isolate, heap.data_out) == 64 &&
                                      offsetof(struct isle__isolate, heap.reserved) == 128 &&
                                      offsetof(struct isle__isolate, controls) == 192 &&
                                      offsetof(struct isle__isolate, ready) == 256 &&
                                      offsetof(struct isle__isolate, handles) == 320),
               "what is written together is a line of its own");

/* What all isolates share. */
struct isle__program {
    struct isle__mutex lock; /* names that are freed */
    _Atomic uint64_t dropped_closed, dropped_dead, dropped_late, refused_full;
    _Atomic uint64_t dropped_newest, dropped_oldest, dropped_waiting, dropped_crossing, waiting;
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
    unsigned warm_process_count; /* as isle_program_options has it */
    isle_report *report;         /* told of crashes; NULL: nobody is (report.c) */
    void *report_context;
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
/* What is rare of it: NULL if there is none, or (the second) no memory for it. */
static inline struct isle__cold *isle__isolate_has_cold(const struct isle__isolate *isolate)
{
    return atomic_load_explicit(&isolate->cold, memory_order_relaxed);
}
struct isle__cold *isle__isolate_cold(struct isle__isolate *isolate);
/* Of isle_spawn_function: the end of the program waits until it is idle. */
static inline bool isle__isolate_is_classic(const struct isle__isolate *isolate)
{
    return isolate->entry_kind == ISLE__ENTRY_CLASSIC;
}
/* The mail of the entry's message; NULL: it is an immediate value, or has been taken. */
static inline struct isle__mail *isle__first_mail(const struct isle__isolate *isolate)
{
    bool is_bare = isolate->entered || isle__travels_bare((isle_value){isolate->first});
    return is_bare ? NULL : (struct isle__mail *)(uintptr_t)isolate->first;
}
/* Its entry and first message have been taken: their place has other uses from here on. */
static inline void isle__isolate_entering(struct isle__isolate *isolate)
{
    isolate->entered = true;
    isolate->pending = NULL;
    isolate->abandoned = NULL;
}
/* For a backend's turn: it is entered from here on, and this is its first message, counted off, the
 * caller's; NULL: an immediate value, in *ret_bare. */
struct isle__mail *isle__first_take(struct isle__isolate *isolate, isle_value *ret_bare);
#define ISLE__DEFAULT_NAME_MAX 32
/* What one without a name is called, into ISLE__DEFAULT_NAME_MAX bytes; how long it is. */
size_t isle__default_name(uint64_t id, char *text);
const char *isle__isolate_given_name(const struct isle__isolate *isolate); /* NULL: none */
void isle__isolate_name(const struct isle__isolate *isolate, char *text,
                        size_t size); /* as isle_debug_name, cut to fit */
ISLE_MUST_CHECK isle_err isle__isolate_ask(struct isle__isolate **ret_isolate);

/* A body as it is before birth. The caller's alone. */
void isle__isolate_rest(struct isle__isolate *isolate);
/* An isolate that is not yet known to anybody; plain: without options. ISLE_ENOMEM. */
ISLE_MUST_CHECK isle_err isle__isolate_create_plain(struct isle__isolate **ret_isolate);
ISLE_MUST_CHECK isle_err isle__isolate_create(const isle_options *options,
                                              struct isle__isolate **ret_isolate);
void isle__isolate_destroy(struct isle__isolate *isolate); /* never started */
void isle__isolate_start(struct isle__isolate *isolate);
void isle__isolate_turn(struct isle__task *task);
/* The end, on a worker, outside events: activities are unwound, everything is returned, then it is
 * told. */
void isle__isolate_finish(struct isle__isolate *isolate);
/* The same, if it has next to nothing that would have to be returned or told; false: it has. */
bool isle__isolate_finish_bare(struct isle__isolate *isolate);
/* It is to end for this reason, for its monitors (monitor.c); text NULL: none. The last one counts.
 * Its owner's. What it cost: 0 where nobody knows. */
void isle__isolate_end_as(struct isle__isolate *isolate, isle_reason reason, const char *text);
void isle__isolate_cost(struct isle__isolate *isolate, int64_t cpu_time_ns, size_t memory_peak);
/* Makes the isolate's task ready if nobody runs it. Any thread. */
void isle__isolate_wake(struct isle__isolate *isolate);
void isle__isolate_ready(
    struct isle__isolate *isolate); /* its mailbox word has just left IDLE: the caller's doing */
isle_isolate isle__isolate_handle(const struct isle__isolate *isolate);
isle_capability isle__isolate_capability(uint64_t id, unsigned which); /* 1 pause, 2 terminate */

#endif
