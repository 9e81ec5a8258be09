/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of ends share: a trace of what happened, and an isolate that is killed. */
#ifndef ISLE_ENDS_HELP_H
#define ISLE_ENDS_HELP_H

#include "guarantees.h"

/* What happened, in order; written by whoever runs, read after the end was told. */
enum { TRACE_MAX = 64 };
static _Atomic int trace_count;
static int trace_of[TRACE_MAX];

static inline void trace(int what)
{
    int at = atomic_fetch_add_explicit(&trace_count, 1, memory_order_relaxed);

    CHECK(at < TRACE_MAX);
    trace_of[at] = what;
}

static inline void trace_task(void *context)
{
    trace((int)(intptr_t)context);
}

static inline void *number(intptr_t n)
{
    return (void *)n;
}

static inline void check_trace(const int *expected, int count)
{
    CHECK_INT(atomic_load(&trace_count), count);
    for (int i = 0; i < count; i++)
        CHECK_INT(trace_of[i], expected[i]);
}

#define CHECK_TRACE(...)                                                                           \
    check_trace((const int[]){__VA_ARGS__}, (int)(sizeof((const int[]){__VA_ARGS__}) / sizeof(int)))

static inline void check_entry_is_killed(isle_entry *entry, isle_priority priority)
{
    isle_receive_port *port = isle_port_open(), *over = isle_port_open();
    isle_isolate isolate = isle_spawn(entry, isle_port_value(port),
                                      &(isle_options){.on_exit = isle_port_send_port(over)});

    check_null(isle_port_receive(port));
    isle_kill(isolate, priority);
    check_null(isle_port_receive(over));
    isle_port_close(port);
    isle_port_close(over);
}

#endif
