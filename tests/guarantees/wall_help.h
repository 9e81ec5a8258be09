/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of walls share. They run over a backend of the tests, without a sandbox
 * (wall_fixture.h), or, with WALL_OF_PROCESSES, around sandboxed processes. */
#ifndef WALL_HELP_H
#define WALL_HELP_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#ifndef WALL_OF_PROCESSES
#include "wall_fixture.h"
#endif

#include "guarantees.h"
#include "isle/monitor.h"
#include "isle/program.h"

#ifdef WALL_OF_PROCESSES
/* Before anything else of the program: an image that was executed to be a zygote stays here. */
__attribute__((constructor)) static void be_a_child(int argc, char **argv)
{
    (void)isle_child_main(argc, argv);
}
#endif

static const isle_options walled = {.backend = ISLE_PROCESS, .debug_name = "walled"};

/* Waits until behind the wall there are these isolates and a full pool, and nobody on his way in or
 * out: what is held then may be compared. In an isolate. */
static inline void wall_rests(unsigned isolates)
{
#ifdef WALL_OF_PROCESSES
    enum { WARM = 4 }; /* the default */
    isle_stats stats = stats_now();
    for (int64_t until = isle_now_ns() + ISLE_SECONDS(30); isle_now_ns() < until;
         stats = stats_now()) {
        if (stats.processes_warm == WARM && stats.processes == isolates + WARM)
            return;
        isle_sleep(ISLE_US(200));
    }
    CHECK_UINT(stats.processes_warm, WARM);
    CHECK_UINT(stats.processes, isolates + WARM);
#else
    (void)isolates;
#endif
}

static inline isle_value receive(isle_receive_port *port)
{
    isle_value message;
    CHECK_ERR(isle_port_try_receive(port, ISLE_SECONDS(30), &message), ISLE_OK);
    return message;
}

static inline isle_value awaited(isle_future *future)
{
    isle_value value;
    isle_err err = isle_try_await(future, ISLE_SECONDS(30), &value);
    if (err != ISLE_OK)
        fail("await: %s", isle_error_text(isle_last_error()));
    return value;
}

/* --- inside */

static inline void do_nothing(isle_value message)
{
    (void)message;
}

static inline void wait_for_ever(isle_value message)
{
    (void)message;
    isle_port_receive(isle_default_port());
}

static inline void echo(isle_value to)
{
    isle_receive_port *port = isle_default_port();
    for (;;) {
        ISLE_SCOPE;
        isle_value message = isle_port_receive(port);
        isle_send(isle_as_port(to), message);
        if (isle_is_null(message))
            break;
    }
    isle_port_close(port);
}

static inline void spin(isle_value to)
{
    isle_send(isle_as_port(to), isle_string("spinning"));
    for (volatile unsigned i = 0;; i++)
        ;
}

static inline isle_value twice(isle_value argument)
{
    return isle_int(isle_as_int(argument) * 2);
}

#ifndef WALL_OF_PROCESSES
/* A record of one's own. */
static inline void put(struct isle__record_head head, const void *body, size_t size)
{
    struct isle__channel *channel = isle__wall_of_inside()->channel;
    uint8_t bytes[ISLE__RECORD_HEAD];
    head.length = (uint32_t)size;
    isle__record_head_write(&head, bytes);
    while (isle__channel_put(channel, bytes, sizeof bytes, body, size) != ISLE__CHANNEL_OK)
        isle__channel_flush(channel);
    isle__channel_flush(channel);
}
#endif

#endif
