/* SPDX-License-Identifier: Apache-2.0 */
/* What workers keep on their shelves: slots that they share with nobody while they live, and give
 * back when they end. Looks at the inside of the library. */
#include "guarantees.h"

#include <sched.h>

#include "core/mail.h"
#include "core/slot.h"

static uint64_t index_of(isle_receive_port *port)
{
    return isle_port_send_port(port).id & (((uint64_t)1 << ISLE__SLOT_BITS) - 1);
}

/* So that a run that is replayed has the same ids. */
TEST_ROOT(a_fresh_program_gives_ids_in_ascending_order)
{
    enum { PORTS = 100 };
    isle_receive_port *ports[PORTS];

    for (int i = 0; i < PORTS; i++) {
        ports[i] = isle_port_open();
        CHECK(i == 0 || index_of(ports[i]) > index_of(ports[i - 1]));
    }
    for (int i = 0; i < PORTS; i++)
        isle_port_close(ports[i]);
}

static void opens_a_port(isle_value message)
{
    (void)message;
    isle_port_close(isle_port_open());
}

/* A sender that is stopped anywhere, also between looking up its target and asking for room there,
 * while the target closes and its place goes to a mailbox that is full. */
static struct {
    _Atomic uint64_t target; /* 0: none */
    _Atomic int posts, refused;
    _Atomic bool posting, missed, stopped, go_on, over;
    sem_t unused;
} stale;

/* Not while it has a lock of the allocator, which the other side needs. */
static void stale_stop(int number)
{
    (void)number;
    if (!atomic_load(&stale.posting)) {
        atomic_store(&stale.missed, true);
        return;
    }
    atomic_store(&stale.stopped, true);
    while (!atomic_load(&stale.go_on))
        sched_yield();
}

static void *stale_send(void *argument)
{
    int value;

    while (!atomic_load(&stale.over)) {
        uint64_t target = atomic_load(&stale.target);
        struct isle__mail *mail =
            target == 0 ? NULL : isle__mail_make(isle_null(), ISLE__MAIL_DATA, target);

        isle_err err = ISLE_OK;

        atomic_store(&stale.posting, true);
        if (mail != NULL)
            err = isle__mail_post(mail);
        if (*TEST_SANITIZER) /* which delivers signals in calls of the C library */
            sem_getvalue(&stale.unused, &value);
        atomic_store(&stale.posting, false);
        if (err != ISLE_OK) {
            atomic_fetch_add(&stale.refused, 1);
            isle__mail_drop(mail);
        }
        atomic_fetch_add(&stale.posts, 1);
    }
    return argument;
}

static void stale_await_posts(int more)
{
    int posts = atomic_load(&stale.posts);

    while (atomic_load(&stale.posts) - posts < more)
        sched_yield();
}

static void stale_round(pthread_t sender)
{
    isle_receive_port *port = isle_port_open();
    uint64_t index = index_of(port);
    isle_isolate full;

    atomic_store(&stale.target, isle_port_send_port(port).id);
    stale_await_posts(3);
    atomic_store(&stale.stopped, false);
    atomic_store(&stale.go_on, false);
    do {
        atomic_store(&stale.missed, false);
        CHECK_INT(pthread_kill(sender, SIGUSR1), 0);
        while (!atomic_load(&stale.stopped) && !atomic_load(&stale.missed))
            sched_yield();
    } while (!atomic_load(&stale.stopped));
    isle_port_close(port);
    full = isle_spawn(opens_a_port, isle_null(),
                      &(isle_options){.paused = true, .mailbox_max_messages = 1});
    CHECK_UINT(full.default_port.id & (((uint64_t)1 << ISLE__SLOT_BITS) - 1), index);
    CHECK_ERR(isle_try_send(full.default_port, isle_null()), ISLE_OK);
    atomic_store(&stale.go_on, true);
    stale_await_posts(2);
    atomic_store(&stale.target, 0);
    isle_kill(full, ISLE_IMMEDIATE);
    isle_sleep(0);
}

TEST_ROOT(who_sends_to_what_is_gone_is_never_refused)
{
    struct sigaction action = {.sa_handler = stale_stop};
    int64_t count = rounds(200, 2000, 20000);
    pthread_t sender;

    CHECK_INT(sem_init(&stale.unused, 0, 0), 0);
    CHECK_INT(sigaction(SIGUSR1, &action, NULL), 0);
    CHECK_INT(pthread_create(&sender, NULL, stale_send, NULL), 0);
    for (int64_t i = 0; i < count; i++) {
        ISLE_SCOPE;
        stale_round(sender);
        CHECK_INT(stale.refused, 0);
    }
    atomic_store(&stale.over, true);
    CHECK_INT(pthread_join(sender, NULL), 0);
    CHECK_UINT(stats_now().refused_full, 0);
}
TEST_TIMEOUT(who_sends_to_what_is_gone_is_never_refused, 120);

/* Each takes a batch of slots for its one port; together more than there are in a page. A thread is
 * no longer counted when its worker has given all back. */
TEST_ROOT(slots_of_threads_that_ended_are_used_again)
{
    size_t reserved = isle__slots_reserved();
    uint64_t threads = stats_now().threads;

    for (int i = 0; i < 300; i++) {
        isle_spawn(opens_a_port, isle_null(), &(isle_options){.thread = ISLE_THREAD_OWN});
        do
            isle_sleep(1); /* a sleep of nothing takes an id */
        while (stats_now().isolates > 1 || stats_now().threads > threads);
    }
    CHECK_UINT(isle__slots_reserved(), reserved);
}

TEST_MAIN()
