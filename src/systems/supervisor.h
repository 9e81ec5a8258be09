/* SPDX-License-Identifier: Apache-2.0 */
/* What the three files of a supervisor share: child.c knows one child, order.c who is started and
 * ended when, supervisor.c the isolate, its requests and its callers.
 *
 * Law: everything here runs in the events of the supervisor's own isolate, and none of it suspends
 * but the requests, which change nothing after they have. A request writes down what is wished
 * (isle__supervisor_wish), and an event of its own does it. So an error that nobody caught, want of
 * memory above all, ends the supervisor, and its children with it, and never leaves it halfway. */
#ifndef ISLE_SYSTEMS_SUPERVISOR_H
#define ISLE_SYSTEMS_SUPERVISOR_H

#include "isle/future.h"
#include "isle/supervisor.h"
#include "isle/timer.h"

/* The sizes that the caller's headers give these structs. */
struct isle__supervisor_sizes {
    size_t supervision, child, options;
};

/* What a child has to do by request, in an event of the supervisor's own. */
enum isle__wish { ISLE__WISH_NONE, ISLE__WISH_START, ISLE__WISH_END, ISLE__WISH_RESTART };

struct isle__child {
    struct isle__child *next, *previous;             /* in the order of the starts */
    struct isle__child *next_of_name, *next_of_port; /* chains of the two tables */
    struct isle__child *next_wish;
    struct isle__supervisor *supervisor;
    uint64_t rank;  /* grows along the order, is never used again */
    isle_child row; /* name, uri and options point to what the child owns */
    isle_options options;
    isle_value message; /* kept; of a temporary child until it starts, in the scope of who asked,
                           who waits for that; null if the row makes it */
    bool is_added;      /* by request: it leaves when it is over */
    bool is_dismissed;  /* by request: nobody starts it again but another one */
    bool begins_anew;   /* it is started when its turn comes */
    bool has_stood;     /* once at least: until then a failed start is the first */
    bool was_refused;   /* it has said why it does not start, and ends: text has it */
    enum isle__wish wish;
    isle_isolate isolate;       /* none, or its end is awaited and it is in the table by port */
    isle_child_info info;       /* its state among them */
    char *text;                 /* info's */
    struct isle__start *start;  /* the one under way */
    isle_timer *timer;          /* of the back-off, or until it is killed or given up */
    unsigned streak;            /* restarts in a row */
    int64_t since;              /* its last start */
    isle_future *stands, *over; /* kept; NULL: nobody waits */
};

enum isle__sweep {
    ISLE__SWEEP_NONE,
    ISLE__SWEEP_ENDING,
    ISLE__SWEEP_PAUSING,
    ISLE__SWEEP_STARTING
};

enum {
    ISLE__SUPERVISOR_WATCHERS = 64,
    ISLE__SUPERVISOR_TEXT = 512,
    ISLE__SUPERVISOR_NAME = 161, /* as much as a text has of a child's name */
    ISLE__SUPERVISOR_WHY = 257   /* and of why it ended */
};

struct isle__supervisor {
    isle_supervision what;
    struct isle__supervisor_sizes sizes;
    struct isle__child *first, *last;
    struct isle__child *wish_first, *wish_last;
    struct isle__child **by_name, **by_port; /* chains, as many as buckets, a power of two */
    size_t bucket_count, count;
    uint64_t next_rank;
    isle_receive_port *port; /* ends of children, wishes */
    isle_send_port parent;   /* the control port of the supervisor above; or none */
    isle_future *stands;     /* kept; who started it asks for that; NULL: it is answered, or has
                                not asked yet */
    bool has_started;
    bool is_over;  /* nothing is left to do but to leave */
    bool was_told; /* who started it whether it stands: until then it stays */
    /* A walk along the children: order.c. */
    enum isle__sweep sweep;
    struct isle__child *at;
    bool is_walking;
    uint64_t from; /* the rank of the first that is concerned */
    isle_timer *timer;
    int64_t pause_ns;
    bool is_ending;
    char failure[ISLE__SUPERVISOR_TEXT]; /* why it ends; "" otherwise */
    int64_t *times; /* of the restarts in the window: count from time_first on */
    size_t time_first, time_count, time_capacity;
    isle_send_port watchers[ISLE__SUPERVISOR_WATCHERS];
    size_t watcher_count;
};

/* --- child.c */

/* Appended, ENDED. Throws, nothing changed: ISLE_EINVAL, ISLE_EUSED, ISLE_ENOMEM. Of the options
 * and the row as many bytes are read as `sizes` says. */
struct isle__child *isle__child_add(struct isle__supervisor *supervisor, const isle_child *row,
                                    const struct isle__supervisor_sizes *sizes, isle_value message,
                                    bool is_added);
void isle__child_remove(struct isle__child *child); /* it is over */
struct isle__child *isle__child_find(const struct isle__supervisor *supervisor, const char *name);
/* NULL: nobody's whose end is awaited. */
struct isle__child *isle__child_of_port(const struct isle__supervisor *supervisor,
                                        isle_send_port control_port);
bool isle__child_is_alive(const struct isle__child *child);
/* Tells who watches. */
void isle__child_become(struct isle__child *child, isle_child_state state);
isle_value isle__child_map(const struct isle__child *child);
/* Spawned, or isle__child_over with the reason. */
void isle__child_start(struct isle__child *child);
void isle__child_end(struct isle__child *child); /* asks; once more is fine */
void isle__child_stood(struct isle__child *child);
void isle__child_refused(struct isle__child *child, const char *text); /* and will be over */
/* It has ended, or has not come to be: cleared away, and the order told. */
void isle__child_over(struct isle__child *child, isle_reason reason, const char *text);
/* After delay_ns: isle__order_due. */
void isle__child_wait(struct isle__child *child, int64_t delay_ns);
void isle__child_rest(struct isle__child *child); /* waits no more */
void isle__child_kill(const struct isle__child *child);
/* For all who wait: completes with the value (an error as one too), and forgets it. */
void isle__child_answer(isle_future **future, isle_value value);
/* A text that was cut somewhere ends before the character that is not whole. */
void isle__text_trim(char *text);
void isle__text_copy(char *to, size_t size, const char *text); /* as much as there is room for */
/* "failed: no more paper"; of a failed start only why. */
void isle__child_describe(const struct isle__child *child, char *text, size_t size);
/* What was thrown, in words that live as long as it. */
const char *isle__thrown_text(isle_value error);

/* --- order.c */

void isle__order_begin(struct isle__supervisor *supervisor); /* starts all */
void isle__order_stood(struct isle__child *child);
/* `was` is what it did when it ended. It may be gone afterwards. */
void isle__order_over(struct isle__child *child, isle_child_state was);
void isle__order_due(struct isle__child *child);
void isle__order_wish(struct isle__child *child); /* does what was wished */
void isle__order_stuck(struct isle__child *child);
/* Ends the children, then the supervisor, which fails if there is a text. */
void isle__order_end(struct isle__supervisor *supervisor, const char *failure);

/* --- supervisor.c */

/* The supervisor ends, now or when who started it has its answer. */
void isle__supervisor_leave(struct isle__supervisor *supervisor);
void isle__supervisor_started(struct isle__supervisor *supervisor);
isle_entry isle__supervisor_main;
/* What isle__supervisor_main is given. */
isle_value isle__supervisor_message(const isle_supervision *what,
                                    const struct isle__supervisor_sizes *sizes,
                                    isle_send_port parent);
/* Asks one that was just spawned: completes with null when it stands, or with why it does not. */
isle_future *isle__supervisor_ask_start(isle_isolate supervisor);

#endif
