/* SPDX-License-Identifier: Apache-2.0 */
/* Supervisors: an isolate that starts others from a table and restarts those that fail. The table
 * reads like a specification; a row may be a supervisor itself, so they form trees. The words, and
 * what they mean, are those of Erlang/OTP's behaviour `supervisor`; what differs is said.
 *
 * A supervisor runs on threads, in the program itself (ISLE_EUNSUPPORTED behind a wall); its
 * children run wherever their options say. Children are started in the order of the table, each
 * when the one before it stands (its thread or wall is there, its code may have yet to begin; a
 * supervisor: all its children have started), and ended in the reverse order, each when the one
 * after it is over. To end one is to ask it (isle_shutdown) and, when its time is up, to kill it at
 * once. One that does not end even then, as only an isolate on threads can that reaches no kill
 * point, is given up after as long again, 5 s at least: it is ISLE_CHILD_STUCK, and its supervisor
 * fails.
 *
 * isle_shutdown ends a supervisor's children in order, and then it. One that is killed leaves
 * nobody behind either, but waits for nobody: its children are linked to it, and killed, the last
 * one first; those that are supervisors end theirs in order. A supervisor traps its links: linked
 * to another isolate (isle_link, .link), it ends its children when that fails, and then fails. */
#ifndef ISLE_SUPERVISOR_H
#define ISLE_SUPERVISOR_H

#include "isolate.h"
#include "monitor.h"

/* When a child that has ended is started again. OTP: the same words. */
typedef enum isle_restart {
    ISLE_PERMANENT = 0, /* always */
    ISLE_TRANSIENT,     /* unless its reason is ISLE_RETURNED */
    ISLE_TEMPORARY      /* never */
} isle_restart;

/* Who is restarted with a child that failed. The others are ended first, in the reverse order, and
 * then started in order; but temporary ones, and those that were ended by isle_supervisor_end. */
typedef enum isle_strategy {
    ISLE_ONE_FOR_ONE = 0, /* nobody */
    ISLE_ONE_FOR_ALL,     /* all children */
    ISLE_REST_FOR_ONE     /* those that were started after it */
} isle_strategy;

struct isle_supervision;

/* One of entry, uri or supervision. A row without a name ends the table. */
typedef struct isle_child {
    const char *name; /* unique in its supervisor (ISLE_EUSED); also its debug name */
    isle_entry *entry;
    const char *uri;
    const struct isle_supervision *supervision; /* a supervisor below this one */
    isle_value (*message)(void); /* made anew at every start, in the supervisor; NULL: null. What it
                                    throws is a failed start */
    isle_restart restart;
    int64_t shutdown_ns; /* how long it has to end before it is killed. 0: 5 s, a supervisor without
                            limit; ISLE_FOREVER; ISLE_SHUTDOWN_KILL: killed at once */
    const isle_options *options; /* debug_name and link are not looked at; a supervisor's backend
                                    is ISLE_THREAD */
} isle_child;
#define ISLE_SHUTDOWN_KILL (-1) /* of isle_child.shutdown_ns */

/* A supervisor. All zero but for the children is a good default. */
typedef struct isle_supervision {
    isle_strategy strategy;
    unsigned restart_max; /* when there would be more restarts than this … 0: 3; ISLE_NO_RESTARTS */
    int64_t restart_window_ns; /* … within this, it ends its children and fails. 0: 5 s */
    int64_t backoff_ns; /* before the second restart of a child in a row, doubled each time, until
                           it has lived for restart_window_ns; 0: none */
    int64_t backoff_max_ns;     /* 0: 30 s */
    const isle_child *children; /* NULL: none at first */
} isle_supervision;
#define ISLE_NO_RESTARTS (~0U) /* of isle_supervision.restart_max */

/* What a child is doing. Numbers never change. */
typedef enum isle_child_state {
    ISLE_CHILD_STARTING = 0, /* spawned, and does not stand yet */
    ISLE_CHILD_RUNNING,
    ISLE_CHILD_WAITING, /* for its next start: the back-off, or others that end first */
    ISLE_CHILD_ENDING,  /* was asked to end */
    ISLE_CHILD_ENDED,   /* is not started again, unless with its group or by request */
    ISLE_CHILD_STUCK    /* was killed and has not ended */
} isle_child_state;

/* Of one child. Grows at its end only. */
typedef struct isle_child_info {
    const char *name; /* lives as long as the message, as text does */
    isle_child_state state;
    isle_isolate isolate; /* its ports alone; none if there is none now */
    uint64_t restarts;    /* since it was added */
    bool has_ended;       /* once at least; if so, the last time: */
    isle_reason reason;
    const char *text; /* the first KiB; what isle_reason's comment says, "" otherwise. Of a failed
                         start, ISLE_UNSPAWNED: why */
} isle_child_info;

ISLE_BEGIN

ISLE_API ISLE_SUSPENDS isle_isolate isle__supervise(const isle_supervision *supervision,
                                                    const char *debug_name,
                                                    const isle_options *options,
                                                    size_t supervision_size, size_t child_size,
                                                    size_t options_size);
ISLE_API isle_future *isle__supervisor_add(isle_isolate supervisor, const isle_child *child,
                                           isle_value message, size_t child_size,
                                           size_t options_size);

/* Starts a supervisor and waits until every child has started; throws ISLE_ESPAWN naming the one
 * that could not, the earlier ones ended, and nothing is left; the same for a row that is none.
 * ISLE_EINVAL: no supervision. The table, and all that it points to, must live as long as the
 * supervisor: write it outside a function, where a compound literal is static. Control it like any
 * isolate: isle_shutdown, isle_monitor. Its default port is where the functions below ask. When it
 * gives up, its children have ended, and it fails with a text that names the child and its last
 * reason. */
static inline isle_isolate isle_supervise(const isle_supervision *supervision,
                                          const char *debug_name)
{
    return isle__supervise(supervision, debug_name, NULL, sizeof(isle_supervision),
                           sizeof(isle_child), sizeof(isle_options));
}
/* The same with options of the supervisor itself (NULL: none), so that nothing of its end is
 * missed: .monitor, .on_error. Throws what isle_spawn throws for them, too. */
static inline isle_isolate isle_supervise_with(const isle_supervision *supervision,
                                               const isle_options *options)
{
    return isle__supervise(supervision, options ? options->debug_name : NULL, options,
                           sizeof(isle_supervision), sizeof(isle_child), sizeof(isle_options));
}

/* Adds a child after the others, and starts it. Completes with its handle once it stands;
 * ISLE_EUSED: that name is there; ISLE_ESPAWN: it could not be started, and was not added;
 * ISLE_ECLOSED: the supervisor has ended. The row is copied with its name, URI and options; what
 * else it points to must live as long as the supervisor. Without a name it gets one, "child-7".
 * Each start has `message`, or what child->message makes if that is set; that of a temporary child
 * is let go when it has started, so descriptors in it are the child's alone. A child that was added
 * leaves the list when it has ended and is not started again. Needs terminate_capability; for the
 * program's own isolates (ISLE_EUNSENDABLE behind a wall, which cannot name code). */
static inline isle_future *isle_supervisor_add(isle_isolate supervisor, const isle_child *child,
                                               isle_value message)
{
    return isle__supervisor_add(supervisor, child, message, sizeof(isle_child),
                                sizeof(isle_options));
}
/* Ends a child, as at a shutdown. Completes with null when it is over: nobody starts it again but
 * isle_supervisor_restart, and one that was added has left the list. ISLE_EINVAL: no child has that
 * name; ISLE_ETIMEDOUT: it is stuck. Needs terminate_capability. */
ISLE_API isle_future *isle_supervisor_end(isle_isolate supervisor, const char *name);
/* Ends a child if there is need, and starts it; that is no failure and is not counted. Completes
 * with its handle, or ISLE_ESPAWN. Errors and needs as isle_supervisor_end. */
ISLE_API isle_future *isle_supervisor_restart(isle_isolate supervisor, const char *name);

/* Completes with a list of all children, in the order of their starts; isle_as_child_info reads
 * each. Each is a map with name, state, isolate (the two ports, or null), restarts, reason and text
 * (reason null: it has not ended yet), so that it is readable behind a wall too. */
ISLE_API isle_future *isle_supervisor_children(isle_isolate supervisor);
/* Sends such a map at every change of a child's state from now on; what does not fit into the
 * port's mailbox is left out. Completes with null. 64 ports at most (ISLE_ERANGE); one that is
 * there already is told once, and one that is found closed has left its place (of a supervisor
 * behind a wall it keeps that). Needs terminate_capability. */
ISLE_API isle_future *isle_supervisor_watch(isle_isolate supervisor, isle_send_port port);
ISLE_API isle_future *isle_supervisor_unwatch(isle_isolate supervisor, isle_send_port port);

/* ISLE_ETYPE, ISLE_EINVAL if it is no such map. */
ISLE_API isle_child_info isle_as_child_info(isle_value child);
/* A word, static: "running"; "unknown state" for a number that is none. */
ISLE_API ISLE_ANY_THREAD ISLE_PLAIN const char *isle_child_state_text(isle_child_state state);

ISLE_END

#endif
