/* SPDX-License-Identifier: Apache-2.0 */
/* Zygotes that have gone, until the system has them no more. One that has lost its socket ends by
 * itself, and then says how; one that does not within a moment is killed. That may take seconds
 * where others hold the processors, so nobody waits for it here: its pidfd, or that of the process
 * between, says when there is something to take away, a timer when the grace is over. Only a
 * program's stop waits (isle__zygotes_await).
 *
 * Threads. The reactor's alone. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <signal.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "backend/process/host.h"
#include "core/reactor.h"

struct leaving {
    struct isle__zygote_process process;
    struct isle__birth
        *refused; /* those that it did not bear: told when it is known how it ended */
    uint64_t end_watch, timer_watch;
    int timer; /* -1 */
    struct leaving *next;
};
static struct leaving *leaving_first;

/* What becomes readable when nobody has to wait for its end any more. */
static int leaving_end(const struct leaving *leaving)
{
    return leaving->process.nanny >= 0 ? leaving->process.nanny : leaving->process.pidfd;
}

static void leaving_free(struct leaving *leaving)
{
    if (leaving->end_watch != 0)
        isle__reactor_unwatch(leaving->end_watch);
    if (leaving->timer_watch != 0)
        isle__reactor_unwatch(leaving->timer_watch);
    isle__fd_close(leaving->timer);
    isle__memory_free(leaving, sizeof *leaving);
}

/* It has ended, or who calls may wait for it. */
static void leaving_over(struct leaving *leaving, int grace_ms)
{
    char end[64];
    struct leaving **at = &leaving_first;
    while (*at != leaving)
        at = &(*at)->next;
    *at = leaving->next;
    struct isle__zygote_process process = leaving->process;
    struct isle__birth *refused = leaving->refused;
    leaving_free(leaving); /* the watches first: the descriptors are closed next */
    isle__zygote_reap(&process, grace_ms, end, sizeof end);
    isle__host_bury(refused, end);
}

static void end_fire(void *context, unsigned events)
{
    (void)events;
    leaving_over(context, 0);
}

static void grace_fire(void *context, unsigned events)
{
    struct leaving *leaving = context;
    (void)events;
    isle__reactor_unwatch(leaving->timer_watch);
    leaving->timer_watch = 0;
    if (leaving->process.pidfd >= 0)
        (void)syscall(SYS_pidfd_send_signal, leaving->process.pidfd, SIGKILL, NULL, 0);
}

static bool leaving_watch(int fd, void (*call)(void *, unsigned), struct leaving *leaving,
                          uint64_t *ret_watch)
{
    struct isle__watch_request request = {
        .fd = fd, .events = ISLE_READABLE, .call = call, .context = leaving};
    return fd >= 0 && isle__reactor_watch(&request, ret_watch) == ISLE_OK;
}

/* Without a timer there is no grace. */
static void leaving_grant(struct leaving *leaving)
{
    struct itimerspec when = {.it_value = {.tv_nsec = ISLE_MS(ISLE__ZYGOTE_GRACE_MS)}};
    leaving->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (leaving->timer < 0 || timerfd_settime(leaving->timer, 0, &when, NULL) != 0 ||
        !leaving_watch(leaving->timer, grace_fire, leaving, &leaving->timer_watch))
        grace_fire(leaving, 0);
}

void isle__zygote_leaves(struct isle__zygote_process *process, struct isle__birth *refused)
{
    struct leaving *leaving = isle__memory_alloc(sizeof *leaving);
    isle__fd_close(process->control);
    process->control = -1;
    if (leaving != NULL) {
        *leaving = (struct leaving){
            .process = *process, .refused = refused, .timer = -1, .next = leaving_first};
        leaving_first = leaving;
        if (leaving_watch(leaving_end(leaving), end_fire, leaving, &leaving->end_watch))
            leaving_grant(leaving);
        else
            leaving_over(leaving, ISLE__ZYGOTE_GRACE_MS);
        return;
    }
    char end[64];
    isle__zygote_reap(process, ISLE__ZYGOTE_GRACE_MS, end, sizeof end);
    isle__host_bury(refused, end);
}

void isle__zygotes_await(void)
{
    while (leaving_first != NULL)
        leaving_over(leaving_first, ISLE__ZYGOTE_GRACE_MS);
}
