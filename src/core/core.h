/* SPDX-License-Identifier: Apache-2.0 */
/* The core: isolates, their mailboxes, ports, loops, futures and timers. What the files of src/core share.
 *
 * Who may touch what. An isolate's body belongs to the worker that runs its turn, but for the members marked atomic: the mailbox word, the control stack, the
 * attention word and the counters, which anybody may write. The mailbox word decides who runs it:
 *
 *   IDLE    nobody runs it, nothing waits; who pushes a mail (or wakes it) turns this to EMPTY or the mail and makes the task ready
 *   EMPTY   it is running or ready, nothing new has come
 *   a mail  the same, newest first, until its turn takes all with one exchange
 *   CLOSED  it has ended: mail is refused
 *
 * Bodies and slots are type-stable: they are recycled, never returned while the program runs, so that a sender may look at one that ends under its hands. Every mail
 * carries its full target id, and the receiver compares it once more when it comes to it. Ids are never reused (slot.c). */
#ifndef ISLE_CORE_H
#define ISLE_CORE_H

#include "isle.h"
#include "sched/sched.h"
#include "value/heap.h"

struct isle__isolate;
struct isle__port;
struct isle__activity;
struct isle__promise;

/* --- ids and slots (slot.c) ----------------------------------------------------------------------------------------------------------------- */

enum isle__slot_kind { ISLE__SLOT_ISOLATE = 1, ISLE__SLOT_PORT, ISLE__SLOT_REPLY, ISLE__SLOT_ENDED };

struct isle__slot {
    _Atomic uint64_t id; /* 0: free */
    _Atomic(struct isle__isolate *) isolate;
    void *object;        /* the owner's: isle__port or isle__promise of the isolate */
    _Atomic int kind;    /* isle__slot_kind */
    uint32_t index, next_free;
    uint64_t generation; /* of its last use */
};
#define ISLE__ID_CONTROL ((uint64_t)1 << 60) /* an isolate's control port: its id with this bit */

/* NULL: out of memory, or 2^24 slots in use. */
struct isle__slot *isle__slot_open(enum isle__slot_kind kind, struct isle__isolate *isolate, void *object);
void isle__slot_close(struct isle__slot *slot);
void isle__slot_end(struct isle__slot *slot); /* the same, because its isolate ends */
/* Nobody has this id because its isolate has ended; false as well once the slot is in use again. Any thread. */
bool isle__slot_ended(uint64_t id);
/* The slot that has this id now, or NULL. Any thread; what it says may be old at once. */
struct isle__slot *isle__slot_find(uint64_t id);
void isle__slots_init(void);
void isle__slots_fini(void);
size_t isle__slots_reserved(void); /* bytes */

/* --- mail (mail.c) ------------------------------------------------------------------------------------------------------------------------- */

enum isle__mail_kind {
    ISLE__MAIL_DATA = 1,  /* to a port or the default port */
    ISLE__MAIL_REPLY,     /* a value for a call or run */
    ISLE__MAIL_REPLY_ERROR/* an error for it */
};

struct isle__mail { /* the header of a parcel's first chunk */
    struct isle__mail *next;
    uint64_t target;
    uint64_t reply; /* where an answer goes; 0: nowhere */
    uint64_t arrival;
    enum isle__mail_kind kind;
    bool reserved; /* not counted against the mailbox's limits */
    isle_err code; /* of a REPLY_ERROR whose root is null: made into an error by the receiver */
    struct isle__parcel parcel;
};

/* Wraps what was copied. */
struct isle__mail *isle__mail_of(struct isle__parcel *parcel, enum isle__mail_kind kind, uint64_t target);
/* A mail with an immediate value; NULL: out of memory. */
struct isle__mail *isle__mail_make(isle_value immediate, enum isle__mail_kind kind, uint64_t target);
void isle__mail_drop(struct isle__mail *mail);
/* Delivery in two steps, so that what a parcel took from its sender can still be given back in between. Any thread.
 * Admit: room in the target's mailbox is taken. ISLE_OK, with its isolate or NULL if it is closed or dead; ISLE_EFULL, counted: nothing has changed.
 * Push: the mail is the receiver's, or it is dropped and counted; then a call that waits for its answer completes with ISLE_ECLOSED. */
ISLE_MUST_CHECK isle_err isle__mail_admit(struct isle__mail *mail, struct isle__isolate **ret_isolate);
void isle__mail_push(struct isle__mail *mail, struct isle__isolate *isolate);
/* Both, for mail that holds nothing of its sender's. ISLE_EFULL: it is still the caller's. */
ISLE_MUST_CHECK isle_err isle__mail_post(struct isle__mail *mail);
void isle__mail_post_reserved(struct isle__mail *mail); /* cannot fail; NULL is fine */
/* Tells the call that waits for an answer to this mail (if any) that nobody will answer; the mail itself becomes the notice, so that no memory is needed. */
void isle__mail_refuse(struct isle__mail *mail);
/* The receiver's side: takes it off the counts. */
void isle__mail_received(struct isle__isolate *isolate, struct isle__mail *mail);

/* --- control (control.c) -------------------------------------------------------------------------------------------------------------------- */

enum isle__control_kind {
    ISLE__CONTROL_PAUSE = 1, ISLE__CONTROL_RESUME, ISLE__CONTROL_PING, ISLE__CONTROL_KILL, ISLE__CONTROL_ADD_EXIT, ISLE__CONTROL_REMOVE_EXIT,
    ISLE__CONTROL_ADD_ERROR, ISLE__CONTROL_REMOVE_ERROR, ISLE__CONTROL_ERRORS_FATAL, ISLE__CONTROL_STARTED
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
    struct isle__mail *mail; /* a response, ready to post; owned */
};

/* Bits of the attention word. */
enum {
    ISLE__ATTEND_CONTROL = 1, /* the control stack has something */
    ISLE__ATTEND_TIMER = 2,   /* a timer may be due */
    ISLE__ATTEND_STOP = 4     /* the program ends: as a kill that needs no capability */
};

/* Takes `control`, allocated with isle__memory_alloc, and its mail. Any thread. ISLE_EFULL: too many wait there, ISLE_ECLOSED: it has ended; both are then gone. */
ISLE_MUST_CHECK isle_err isle__control_post(struct isle__control *control);
/* Does what has come. Inside an event (`running`) only what is immediate; the rest waits for the loop. Sets isolate->ending. */
void isle__control_run(struct isle__isolate *isolate, bool running);
void isle__control_drop_all(struct isle__isolate *isolate); /* and refuses what still comes */
void isle__control_open(struct isle__isolate *isolate);
void isle__control_init_body(struct isle__isolate *isolate);
void isle__control_free(struct isle__control *control);
ISLE_MUST_CHECK isle_err isle__isolate_start_paused(struct isle__isolate *isolate);
void isle__pauses_fini(struct isle__isolate *isolate);
/* A kill point: reads the attention word; does not return if the isolate is to end. */
void isle__attend(struct isle__isolate *isolate);
void isle__deadline_check(struct isle__isolate *isolate); /* ends one that has outlived its .deadline_ns */

/* --- listeners */

struct isle__listener {
    struct isle__listener *next;
    uint64_t port;
    struct isle__mail *mail; /* of an exit listener: posted at the end. Of an error listener: room for the case that there is no memory */
};

/* Takes the mail. Once per port, the last counts. ISLE_ENOMEM. */
ISLE_MUST_CHECK isle_err isle__listener_add(struct isle__listener **list, uint64_t port, struct isle__mail *mail);

/* --- timers (timer.c) ----------------------------------------------------------------------------------------------------------------------- */

struct isle__timer_node {
    int64_t deadline;
    uint64_t order;   /* same deadline: first come, first served */
    size_t position;  /* in the heap, from 1; 0: not there */
    void (*fire)(struct isle__isolate *isolate, struct isle__timer_node *node); /* called by the loop, outside an event; node is off the heap */
};
/* ISLE_ENOMEM. */
ISLE_MUST_CHECK isle_err isle__timer_add(struct isle__isolate *isolate, struct isle__timer_node *node, int64_t deadline);
void isle__timer_remove(struct isle__isolate *isolate, struct isle__timer_node *node); /* NULL position is fine */
bool isle__timer_fire_due(struct isle__isolate *isolate); /* one; false: none is due */
/* Tells the clock when this isolate wants to be woken; called when it goes idle. */
void isle__timer_register(struct isle__isolate *isolate);

/* --- handles (handle.c): what isle_receive_port *, isle_future *, isle_timer *, isle_watch * are */

enum isle__handle_kind { ISLE__HANDLE_PORT = 1, ISLE__HANDLE_FUTURE, ISLE__HANDLE_TIMER, ISLE__HANDLE_WATCH };
struct isle__handle_table {
    struct isle__handle_entry *entries;
    uint32_t count, capacity, free;
};
/* The handle as a pointer; NULL: out of memory. */
void *isle__handle_open(struct isle__isolate *isolate, enum isle__handle_kind kind, void *object);
void isle__handle_close(struct isle__isolate *isolate, const void *handle);
/* The object, or NULL: stale, foreign, of another kind. */
void *isle__handle_find(struct isle__isolate *isolate, enum isle__handle_kind kind, const void *handle);
void isle__handles_fini(struct isle__isolate *isolate);

/* --- isolates (isolate.c) ------------------------------------------------------------------------------------------------------------------- */

struct isle__microtask {
    struct isle__microtask *next;
    void (*run)(void *argument);  /* in an event of its own */
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
    _Atomic uint64_t mail_count;
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
    struct isle__activity *running;  /* the activity whose code runs */
    struct isle__activity *ready, *ready_last;
    struct isle__activity *suspended; /* newest first */
    struct isle__microtask *microtasks, *microtasks_last;
    struct isle__port *ports;         /* all, newest first */
    struct isle__port *pending, *pending_last; /* have a handler and mail that waited */
    struct isle__port *default_port;  /* NULL until asked for */
    bool default_closed;
    struct isle__mail *orphans, *orphans_last; /* for the default port, before it is asked for */
    struct isle__handle_table handles;
    struct isle__timer_node **timers;
    size_t timer_count, timer_capacity;
    uint64_t timer_order, arrivals;
    size_t alive;    /* ports, timers, calls, watches that keep it alive */
    int budget;      /* events left in this turn */
    bool entered;    /* its first event has begun */
    bool ending;     /* at the next return to the loop it ends */
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
    struct isle__mail *first;    /* the entry's message, then NULL */
    isle_entry *entry;
    isle_computation *computation; /* of isle_run; its result goes to run_reply */
    void (*classic_entry)(void);
    isle_value (*uri_entry)(isle_value args, isle_value message);
    void *library;
    uint64_t run_reply;
    struct isle__mail *run_mail; /* reserved: "Computation ended without result" */
    struct isle__mail *final_mail; /* isle_exit's */
    char *debug_name;
    struct isle__timer_node deadline;
    struct isle__worker *own_worker;
    bool classic;        /* the end of the program waits until it is idle */
    bool is_root;
    /* The members below outlive a life. */
    /* The clock's, under its lock. */
    int64_t clock_deadline;
    size_t clock_position;
    void *memory; /* of this body, before it was aligned */
    struct isle__isolate *next, *previous; /* all, under isle__program.lock; next alone: free bodies */
};

/* All isolates and what the program counts. */
struct isle__program {
    struct isle__mutex lock; /* the list */
    struct isle__isolate *isolates;
    struct isle__isolate *free;
    _Atomic uint64_t count, ever;
    _Atomic uint64_t dropped_closed, dropped_dead, dropped_late, refused_full;
    _Atomic uint64_t classic_busy;
    _Atomic uint64_t suspended; /* activities that hold a stack */
    _Atomic bool running;
    _Atomic bool stopping;  /* everybody is told to end */
    _Atomic bool root_over; /* nobody wakes the root any more */
    _Atomic unsigned posters; /* foreign threads inside isle_post */
    struct isle__isolate *root;
    struct isle__worker *root_worker;
    uint64_t capability_key[2];
    size_t reserved; /* bytes of free bodies; under lock */
    size_t baseline; /* live bytes before isle_start */
    int notifier;
    bool root_floats;
};
extern struct isle__program isle__program;

/* The isolate whose code the calling thread runs; NULL outside. Never inlined. */
struct isle__isolate *isle__isolate_current(void);
struct isle__isolate *isle__isolate_need(const char *function);
ISLE_MUST_CHECK isle_err isle__isolate_ask(struct isle__isolate **ret_isolate);

void isle__body_give(struct isle__isolate *body); /* to the free ones */
void isle__bodies_free(void);
/* An isolate that is not yet known to anybody. ISLE_ENOMEM. */
ISLE_MUST_CHECK isle_err isle__isolate_create(const isle_options *options, struct isle__isolate **ret_isolate);
void isle__isolate_destroy(struct isle__isolate *isolate); /* never started */
void isle__isolate_start(struct isle__isolate *isolate);
void isle__isolate_link(struct isle__isolate *isolate); /* into the list of all */
void isle__isolate_turn(struct isle__task *task);
/* The end, on a worker, outside events: activities are unwound, everything is returned, then it is told. */
void isle__isolate_finish(struct isle__isolate *isolate);
/* Makes the isolate's task ready if nobody runs it. Any thread. */
void isle__isolate_wake(struct isle__isolate *isolate);
void isle__isolate_ready(struct isle__isolate *isolate); /* its mailbox word has just left IDLE: the caller's doing */
isle_isolate isle__isolate_handle(const struct isle__isolate *isolate);
isle_capability isle__isolate_capability(uint64_t id, unsigned which); /* 1 pause, 2 terminate */
/* The isolate of a control port, or NULL. */
struct isle__isolate *isle__isolate_find(isle_send_port control_port);

/* --- the loop (loop.c) ---------------------------------------------------------------------------------------------------------------------- */

/* Runs fn(argument) as an event: a scope and a boundary of its own; what it throws is uncaught. */
void isle__event_run(struct isle__isolate *isolate, void (*fn)(void *argument), void *argument);
void isle__microtask_add(struct isle__isolate *isolate, struct isle__microtask *microtask);
/* Takes what was sent into the ports' queues without running a handler, for code that asks and does not wait. */
void isle__poll_mail(struct isle__isolate *isolate);
/* The scope of the event that runs. */
struct isle__scope *isle__event_scope(struct isle__isolate *isolate);
void isle__microtasks_drop(struct isle__isolate *isolate);
void isle__isolate_enter(struct isle__isolate *isolate);   /* runs the entry (spawn.c) */
bool isle__isolate_may_end(struct isle__isolate *isolate); /* nothing keeps it alive: true, unless the program's end waits for others (program.c) */
/* The end of the program waits until those of isle_spawn_function are idle: a count of those that are not. */
void isle__classic_busy(void);
void isle__classic_idle(void);
bool isle__isolate_paused(const struct isle__isolate *isolate);

/* --- activities (activity.c): an event that may suspend ------------------------------------------------------------------------------------ */

struct isle__activity {
    struct isle__flow *flow;
    struct isle__isolate *isolate;
    struct isle__frame frame;
    struct isle__scope outer; /* where the error of a deferred task is put */
    struct isle__scope scope; /* of the event, inside it */
    struct isle__catch catch;
    struct isle__activity *next_ready;
    struct isle__activity *next, *previous; /* suspended */
    bool is_ready, is_suspended;
    bool is_main;        /* the code between isle_start and isle_stop */
    bool forced;         /* resumed to unwind: the isolate ends */
    bool timed_out;
    struct isle__timer_node timeout;
    const char *waits_in; /* a function's name */
    uint64_t serving;     /* reply id of the request that isle_port_serve answers here */
};
struct isle__activity *isle__activity_current(void);
/* Suspends until woken (true) or the deadline (false; ISLE_FOREVER: none). Wakes may be spurious: callers look again. Throws ISLE_ENOSUSPEND (`function` and the
 * callback form `instead` are named), ISLE_ENOMEM; does not return if the isolate ends. */
bool isle__activity_wait(struct isle__isolate *isolate, int64_t deadline, const char *function, const char *instead);
struct isle__wait_call { /* the same as the argument of a boundary */
    struct isle__isolate *isolate;
    int64_t deadline;
    const char *function, *instead;
    bool *ret_in_time;
};
void isle__activity_wait_call(void *argument);
void isle__activity_wake(struct isle__activity *activity);
void isle__activity_continue(struct isle__activity *activity); /* never returns but for the main one's bookkeeping */
/* Whether the running code could suspend: ISLE_OK, ISLE_ENOSUSPEND, ISLE_ENOMEM. */
ISLE_MUST_CHECK isle_err isle__activity_can_wait(struct isle__isolate *isolate);
struct isle__drop;
struct isle__drop **isle__timer_drops(struct isle__isolate *isolate, const char *function, const isle_timer *timer);
void isle__timers_fini(struct isle__isolate *isolate);
int64_t isle__deadline_of(int64_t timeout_ns); /* saturating */
void isle__activity_unlink(struct isle__activity *activity);
struct isle__activity *isle__activity_take_ready(struct isle__isolate *isolate);
/* Opens and closes what an event's code runs in. */
void isle__activity_enter(struct isle__activity *activity, struct isle__isolate *isolate);
void isle__activity_leave(struct isle__activity *activity);
/* Unwinds and ends every suspended activity but the main one, newest first. */
void isle__activities_abandon(struct isle__isolate *isolate);
/* The same, within a turn: one with a boundary of isle_protect is resumed to unwind itself, and then this does not return; call it again in the next step. */
void isle__activities_unwind(struct isle__isolate *isolate);

/* --- the program (program.c) */
void isle__main_suspends(struct isle__isolate *root);
void isle__main_resumes(struct isle__isolate *root);
/* The root's turn found nothing to do: true if it handed over to the main activity, which then goes on (never returns then on systems with stacks). */
void isle__root_idle(struct isle__isolate *root);
bool isle__root_hops(struct isle__isolate *root); /* a floating root goes to its own thread: the turn here is over */
void isle__main_made_work(struct isle__isolate *isolate); /* code of this isolate has put something into its own queues */
void isle__root_ends(struct isle__isolate *root); /* instead of isle__isolate_finish; does not return on systems with stacks */

/* --- ports (port.c) -------------------------------------------------------------------------------------------------------------------------- */

enum isle__port_style { ISLE__PORT_QUIET, ISLE__PORT_LISTEN, ISLE__PORT_SERVE, ISLE__PORT_CLASSIC };

struct isle__waiter {
    struct isle__waiter *next;
    struct isle__activity *activity;
};

struct isle__drop;
void isle__drops_fire(struct isle__drop *list); /* the object is gone; NULL is fine (drop.c) */

struct isle__port {
    struct isle__slot *slot; /* NULL: the isolate's own (default port) */
    uint64_t id;
    void *handle;
    struct isle__isolate *isolate;
    struct isle__port *next, *previous;
    struct isle__port *next_pending;
    bool is_pending;
    struct isle__mail *queue, *queue_last;
    enum isle__port_style style;
    union {
        isle_handler *listen;
        isle_answer *serve;
        isle_receiver *classic;
    } fn;
    void *context;
    bool keep_alive; /* as set */
    bool engaged;    /* counts for the isolate's life (the default port: once used) */
    int signal;      /* of isle_signal_port; 0 */
    struct isle__waiter *waiters;
    struct isle__drop *drops;
};
struct isle__port *isle__port_need(struct isle__isolate *isolate, const char *function, const isle_receive_port *handle);
/* Routes a mail that the loop took; may run a handler's event. */
void isle__port_dispatch(struct isle__isolate *isolate, struct isle__mail *mail);
bool isle__port_run_pending(struct isle__isolate *isolate); /* one mail that waited for a handler; false: none */
/* Puts a mail into the queue of its port if that has no handler. False: it is still the caller's. */
bool isle__port_accept_quietly(struct isle__isolate *isolate, struct isle__mail *mail);
void isle__ports_fini(struct isle__isolate *isolate);
struct isle__port *isle__port_open(struct isle__isolate *isolate); /* throws */

/* --- futures (future.c) ---------------------------------------------------------------------------------------------------------------------- */

/* Somebody who waits for a promise: a suspended activity, or a function that runs as a microtask (an event of its own, so it may throw). */
struct isle__observer {
    struct isle__observer *next;
    struct isle__promise *promise;
    struct isle__activity *waiter; /* NULL: run */
    struct isle__microtask microtask;
    void (*run)(struct isle__observer *observer);
};

struct isle__promise { /* what an isle_future * leads to */
    struct isle__isolate *isolate;
    void *handle;
    struct isle__promise *next, *previous; /* all of the isolate */
    struct isle__scope *scope; /* owner; NULL: it has ended, values lie in the kept heap */
    struct isle__slot *slot;   /* of a call or run: where the reply comes */
    struct isle__mail *mail;   /* came, and is not adopted yet; NULL: `value` */
    isle_value value;          /* or error */
    bool is_complete, is_error, is_observed;
    bool is_canceled;
    bool keeps_alive;          /* counted in isolate->alive while pending */
    bool ends_with_isolate;    /* `cancel` is called at the isolate's end as well */
    isle_err code;             /* of an error without a value */
    bool value_kept;           /* `value` has a keep count of ours */
    bool on_unobserved;
    unsigned keeps;            /* isle_future_keep */
    unsigned busy;             /* callbacks on their way */
    struct isle__observer *observers, *observers_last;
    struct isle__timer_node timeout;
    void (*cancel)(struct isle__promise *promise); /* stops what it stands for; NULL */
    void *cancel_context;
    uint64_t cancel_key;
    isle_isolate target;       /* of a run */
    struct isle__promise *next_unobserved;
    struct isle__drop *drops;
};
/* A pending promise in the current scope; throws ISLE_ENOMEM, having changed nothing. */
struct isle__promise *isle__promise_new(struct isle__isolate *isolate);
/* Gives it a slot for a reply and makes it keep the isolate alive; throws, the promise is then gone. */
void isle__promise_expect(struct isle__promise *promise);
/* Completes, in an event; nothing if it is complete already. Throws ISLE_ENOMEM, having changed nothing. */
void isle__promise_complete(struct isle__promise *promise, isle_value value, bool is_error);
/* The same with an error value made of code and text; anywhere on the isolate's thread; never throws. */
void isle__promise_complete_code(struct isle__promise *promise, isle_err code);
/* The observer's memory is the caller's; a waiter takes itself off, a function is called once and then calls isle__promise_unobserve. */
void isle__promise_observe(struct isle__promise *promise, struct isle__observer *observer);
void isle__promise_unobserve(struct isle__promise *promise);
void isle__promise_cancel(struct isle__promise *promise);
/* The value or error, in an event, for use in the current scope. */
isle_value isle__promise_value(struct isle__promise *promise);
void isle__promise_receive(struct isle__promise *promise, struct isle__mail *mail);
void isle__promise_set_timeout(struct isle__promise *promise, int64_t timeout_ns); /* throws */
void isle__promises_check_unobserved(struct isle__isolate *isolate);
void isle__promises_fini(struct isle__isolate *isolate);
struct isle__promise *isle__promise_need(struct isle__isolate *isolate, const char *function, const isle_future *future);
isle_future *isle__promise_future(struct isle__promise *promise);
void isle__promise_discard(struct isle__promise *promise); /* never seen by the program */
/* Posts the answer to a request: a value, or an error that the caller's call completes with. What cannot be sent becomes such an error. Throws nothing. */
void isle__reply_send(struct isle__isolate *isolate, uint64_t reply, isle_value answer, bool is_error);
void isle__reply_closed(uint64_t reply); /* a request will not be answered: completes that call with ISLE_ECLOSED */

/* --- errors nobody took (uncaught.c) */

/* Tells the error listeners, or stderr; sets isolate->ending if errors are fatal. */
void isle__uncaught(struct isle__isolate *isolate, isle_value error);
void isle__listeners_free(struct isle__listener *list);

/* --- the clock and the poller (reactor.c) */

ISLE_MUST_CHECK isle_err isle__reactor_start(void);
void isle__reactor_stop(void);
void isle__clock_set(struct isle__isolate *isolate, int64_t deadline);
void isle__clock_unset(struct isle__isolate *isolate);
/* Without threads: waits for the next deadline and fires it; false: nothing will ever come. */
bool isle__reactor_wait_inline(void);

/* Watches (io.c). One per descriptor; the reactor posts `mail` once, or a list made by it each time to `port`. */
struct isle__watch_request {
    int fd;
    unsigned events;
    bool once;
    uint64_t target;
    struct isle__mail *mail; /* of a once; owned */
};
ISLE_MUST_CHECK isle_err isle__reactor_watch(const struct isle__watch_request *request, uint64_t *ret_key);
void isle__reactor_unwatch(uint64_t key);
ISLE_MUST_CHECK isle_err isle__reactor_signal_add(int signal, uint64_t port);
void isle__reactor_signal_remove(int signal, uint64_t port);
void isle__watches_fini(struct isle__isolate *isolate);
/* At a kill or exit, before the first deferred task may close a descriptor: the reactor forgets those of this isolate. */
void isle__io_stop(struct isle__isolate *isolate);

uint64_t isle__thread_count(void); /* all of the runtime, the root's included (program.c) */

/* --- helper threads (blocking.c) */
uint64_t isle__blocking_thread_count(void);
void isle__blocking_start(void);
/* Lets what runs and waits finish, until that moment; false: some has not. */
ISLE_MUST_CHECK bool isle__blocking_stop(int64_t until);

/* --- spawning (spawn.c) */
struct isle__spawn_what {
    isle_entry *entry;
    isle_computation *computation;
    void (*classic)(void);
    isle_value (*uri_entry)(isle_value, isle_value);
    void *library;
    uint64_t run_reply;
};

#endif
