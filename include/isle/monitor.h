/* SPDX-License-Identifier: Apache-2.0 */
/* How an isolate ended. Unlike an exit listener (Dart's, isolate.h) a monitor is given the reason,
 * and is answered for an isolate that is dead already. And links, by which isolates that cannot do
 * without each other end together. */
#ifndef ISLE_MONITOR_H
#define ISLE_MONITOR_H

#include "base.h"

/* Numbers never change. On threads there are ISLE_RETURNED, ISLE_FAILED, ISLE_KILLED, ISLE_MEMORY,
 * ISLE_DEADLINE, ISLE_LOST, ISLE_LINKED and ISLE_OVERFLOWED; the others are a wall's. */
typedef enum isle_reason {
    ISLE_RETURNED = 0,  /* nothing kept it alive, or isle_exit */
    ISLE_FAILED = 1,    /* an uncaught error, that of isle_run's computation too; text has it. Or a
                           wall's process that ended by itself (exit, _exit), whatever its status:
                           text is "exit status 3", "exit status 0 without an end" */
    ISLE_KILLED = 2,    /* by isle_kill, or because the program ended */
    ISLE_SIGNALED = 3,  /* a wall's inside crashed; text is the signal's name */
    ISLE_VIOLATION = 4, /* a forbidden system call; text names it */
    ISLE_MEMORY = 5,    /* an uncaught "Out of Memory": over memory_max, or the system refused */
    ISLE_CPU = 6,       /* cpu_time_max_ns is used up */
    ISLE_DEADLINE = 7,  /* deadline_ns has passed */
    ISLE_PROTOCOL = 8,  /* it sent what no isolate sends */
    ISLE_LOST = 9,      /* its connection is gone, or it had ended before the monitor came */
    ISLE_LINKED = 10,   /* one that it was linked to has ended otherwise than by returning; text is
                           "NAME: REASON: TEXT" of the one with which it began */
    ISLE_OVERFLOWED = 11, /* more came to a port of it than ISLE_OVERFLOW_END allows (port.h) */
    ISLE_UNSPAWNED = 12 /* nothing of it ever ran, as a backend may learn only after isle_spawn has
                           returned; text is "Unable to spawn isolate: …" */
} isle_reason;

/* Of one end. The texts live as long as the message. Grows at its end only. */
typedef struct isle_end {
    isle_isolate isolate; /* the control port alone */
    isle_reason reason;
    const char *text; /* "" if there is nothing to say; else what isle_reason's comment says */
    const char *debug_name; /* as isle_debug_name gave it; "" of a lost one */
    int64_t cpu_time_ns;    /* 0: not known, as on threads, which isolates share */
    size_t memory_peak;     /* bytes; 0: not known, as on threads */
} isle_end;

ISLE_BEGIN

/* Sends `port` exactly one message when the isolate ends: after all that it sent itself, its ports
 * and resources released, and never refused for a full mailbox. Of one that has ended before: at
 * once, with ISLE_LOST. Once per port. Needs no capability. To miss nothing, set
 * isle_options.monitor at the spawn. ISLE_EINVAL if port is none; ISLE_ENOMEM, ISLE_EFULL as other
 * control functions (isolate.h). */
ISLE_API void isle_monitor(isle_isolate isolate, isle_send_port port);
/* What is on its way comes all the same. One that is not there: nothing. */
ISLE_API void isle_unmonitor(isle_isolate isolate, isle_send_port port);

/* Links the running isolate and another, both ways: when either ends otherwise than by
 * ISLE_RETURNED, the other is ended as by a kill, with ISLE_LINKED, after all that belongs to the
 * first was released; or told, if it traps. Needs terminate_capability, since it may end the other:
 * without it nothing is linked. With an isolate that has ended before it is as if that ended now,
 * with ISLE_LOST. Once is enough, whoever asked; with oneself it does nothing. What telling takes
 * is made here. To miss nothing, set isle_options.link at the spawn, which links to the spawner.
 * ISLE_EINVAL if the isolate is none; ISLE_ENOMEM, ISLE_EFULL as other control functions
 * (isolate.h). Erlang/OTP: link. */
ISLE_API void isle_link(isle_isolate isolate);
/* From here on neither ends with the other, nor is told, even if it has ended a moment ago. One
 * that is not linked: nothing. */
ISLE_API void isle_unlink(isle_isolate isolate);
/* From here on the running isolate is not ended with those that it is linked to: `port` gets a
 * message as a monitor's of the end of each, one that has returned too, after all that it sent and
 * never refused for a full mailbox. None: no more. Throws ISLE_ENOMEM. Erlang/OTP: trap_exit. */
ISLE_API void isle_trap_links(isle_send_port port);
/* However the running isolate ends, where its own code may run nothing any more (a wall's process
 * that is killed or crashes), the other is killed then; it is not told, and there is no way back.
 * Does nothing where code that was deferred runs at any end, nor without terminate_capability.
 * Throws ISLE_ENOMEM. The library's own. */
ISLE_API void isle__own(isle_isolate isolate);
/* Reads such a message, an object that may be sent on like any. Throws ISLE_ETYPE on another. */
ISLE_API isle_end isle_as_end(isle_value message);
/* One or two words, static: "returned", "out of memory"; "unknown reason" for a number that is
 * none.
 */
ISLE_API ISLE_ANY_THREAD ISLE_PLAIN const char *isle_reason_text(isle_reason reason);

ISLE_END

#endif
