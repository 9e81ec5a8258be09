/* SPDX-License-Identifier: Apache-2.0 */
/* Timers of one isolate (timer.c). */
#ifndef ISLE_CORE_TIMER_H
#define ISLE_CORE_TIMER_H

#include "isle/timer.h"

struct isle__isolate;

struct isle__timer_node {
    int64_t deadline;
    uint64_t order;  /* same deadline: first come, first served */
    size_t position; /* in the heap, from 1; 0: not there */
    void (*fire)(struct isle__isolate *isolate,
                 struct isle__timer_node
                     *node); /* called by the loop, outside an event; node is off the heap */
};
/* ISLE_ENOMEM. */
ISLE_MUST_CHECK isle_err isle__timer_add(struct isle__isolate *isolate,
                                         struct isle__timer_node *node, int64_t deadline);
void isle__timer_remove(struct isle__isolate *isolate,
                        struct isle__timer_node *node);   /* NULL position is fine */
bool isle__timer_is_due(struct isle__isolate *isolate);   /* the next one */
bool isle__timer_fire_due(struct isle__isolate *isolate); /* one; false: none is due */
/* Tells the clock when this isolate wants to be woken; called when it goes idle. */
void isle__timer_register(struct isle__isolate *isolate);
struct isle__drop;
struct isle__drop **isle__timer_drops(struct isle__isolate *isolate, const char *function,
                                      const isle_timer *timer);
void isle__timers_fini(struct isle__isolate *isolate);
int64_t isle__deadline_of(int64_t timeout_ns); /* saturating */

#endif
