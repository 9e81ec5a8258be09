/* SPDX-License-Identifier: Apache-2.0 */
/* Width: how many of the pool's workers are worth being awake.
 *
 * Isolates that compute gain from every core. Isolates that talk may lose: a message between cores
 * costs a cache line's way, 115 ns here, and one on the same core 45 in all. Which it is can't be
 * seen from a queue, but it can be measured: by the events that all workers begin in a microsecond.
 * So the width is every worker's until events are frequent; then, now and again, the other width is
 * tried for half a millisecond between two looks at the present one, and kept if more events
 * happen; the narrower one also if it is as good and leaves nothing waiting. Trials that fail come
 * ever more rarely. (The idea is that of hill climbing on
 * throughput: Hellerstein, Morrison, Eilebrecht, "Applying Control Theory in the Real World",
 * 2009, on .NET's thread pool.)
 *
 * Law: a narrow width is left at the next look when a worker is in a task that begins no event, or
 * events have become rare: who computes, or blocks, never waits for a trial. It is arithmetic on
 * what it is shown, without clocks and threads (tests/unit/test_width.c). */
#ifndef ISLE_WIDTH_H
#define ISLE_WIDTH_H

#include <stdbool.h>
#include <stdint.h>

struct isle__width_view {
    int64_t now;      /* ns, of a clock that never goes back */
    uint64_t events;  /* begun since the start, by all workers */
    unsigned workers; /* that there are */
    unsigned awake;   /* not parked */
    bool waiting;     /* a task waits in some queue */
    bool held;        /* a worker is in a task that begins no event */
};

enum isle__width_phase {
    ISLE__WIDTH_SETTLED,
    ISLE__WIDTH_BEFORE, /* looks at the present width, */
    ISLE__WIDTH_TRIAL,  /* at another, */
    ISLE__WIDTH_AFTER   /* and at the present one again */
};

struct isle__width {
    unsigned kept; /* of all, workers that may be awake; 0: all */
    unsigned tried;
    enum isle__width_phase phase;
    bool widen_next;         /* the direction of the next trial, if there are two */
    unsigned looks, waiting; /* in this window, and at how many of them a task waited */
    unsigned awake;          /* at most, in this window */
    int64_t window_since, next_trial, pause;
    bool counting; /* the window has begun */
    uint64_t window_events;
    double before, trial; /* events in a nanosecond */
    bool trial_idles;     /* hardly anything waited in the trial */
    unsigned rare;        /* looks in a row at which events were */
    int64_t looked;
    uint64_t looked_events;
};

/* Zero is initialised. Returns how many workers may be awake, 0: all. */
unsigned isle__width_look(struct isle__width *width, const struct isle__width_view *view);

#endif
