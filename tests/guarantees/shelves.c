/* SPDX-License-Identifier: Apache-2.0 */
/* What workers keep on their shelves: slots that they share with nobody while they live, and give
 * back when they end. Looks at the inside of the library. */
#include "guarantees.h"

#include <sched.h>

#include "core/isolate.h"
#include "core/mail.h"
#include "core/slot.h"

static uint64_t index_of(isle_send_port port)
{
    return port.id & (((uint64_t)1 << ISLE__SLOT_BITS) - 1);
}

/* So that a run that is replayed has the same ids. */
TEST_ROOT(a_fresh_program_gives_ids_in_ascending_order)
{
    enum { PORTS = 100 };
    isle_receive_port *ports[PORTS];

    for (int i = 0; i < PORTS; i++) {
        ports[i] = isle_port_open();
        CHECK(i == 0 || index_of(isle_port_send_port(ports[i])) >
                            index_of(isle_port_send_port(ports[i - 1])));
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
 * while the target ends and its place goes to an isolate whose mailbox is full. */
static struct {
    _Atomic uint64_t target; /* 0: none */
    _Atomic int posts, refused, replaced;
    _Atomic bool posting, missed, stopped, go_on, over;
    sem_t unused;
    pthread_t sender;
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

enum { STALE_MOST = 100000 }; /* to one port, which nobody empties */

static void *stale_send(void *argument)
{
    uint64_t last = 0;
    int value, sent = 0;

    while (!atomic_load(&stale.over)) {
        uint64_t target = atomic_load(&stale.target);
        sent = target == last ? sent + 1 : 0;
        last = target;
        struct isle__mail *mail = target == 0 || sent > STALE_MOST
                                      ? NULL
                                      : isle__mail_make(isle_null(), ISLE__MAIL_DATA, target);

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

/* Born and ended here, with an open mailbox and no turn in between: nobody else is needed while the
 * sender stands, whatever it holds. */
static void stale_round(void)
{
    enum { WIDE = 2048 }; /* narrow ones are kept apart */
    isle_options none = {0};
    struct isle__isolate *first;
    isle_isolate full;

    CHECK_INT(isle__isolate_create(&none, &first), ISLE_OK);
    isle_send_port target = {first->id};
    atomic_store(&first->mailbox, NULL);
    atomic_store(&stale.target, target.id);
    stale_await_posts(3);
    atomic_store(&stale.stopped, false);
    atomic_store(&stale.go_on, false);
    do {
        atomic_store(&stale.missed, false);
        CHECK_INT(pthread_kill(stale.sender, SIGUSR1), 0);
        while (!atomic_load(&stale.stopped) && !atomic_load(&stale.missed))
            sched_yield();
    } while (!atomic_load(&stale.stopped));
    isle__isolate_destroy(first);
    full = isle_spawn(opens_a_port, isle_null(),
                      &(isle_options){.paused = true, .mailbox_max_messages = WIDE});
    stale.replaced += index_of(full.default_port) == index_of(target);
    while (isle_try_send(full.default_port, isle_null()) == ISLE_OK)
        ;
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

    CHECK_INT(sem_init(&stale.unused, 0, 0), 0);
    CHECK_INT(sigaction(SIGUSR1, &action, NULL), 0);
    CHECK_INT(pthread_create(&stale.sender, NULL, stale_send, NULL), 0);
    for (int64_t i = 0; i < count; i++) {
        ISLE_SCOPE;
        stale_round();
        CHECK_INT(stale.refused, 0);
    }
    CHECK(stale.replaced > 0);
    atomic_store(&stale.over, true);
    CHECK_INT(pthread_join(stale.sender, NULL), 0);
    CHECK_UINT(stats_now().refused_full, (unsigned)count);
}
TEST_TIMEOUT(who_sends_to_what_is_gone_is_never_refused, 120);

/* --- a mailbox of one message */

static const isle_options narrow = {.paused = true, .mailbox_max_messages = 1};

static struct isle__isolate *body_of(isle_isolate isolate)
{
    struct isle__slot *slot = isle__slot_find(isolate.default_port.id);
    return slot == NULL ? NULL : atomic_load(&slot->isolate);
}

/* A sender that is stopped after it was let in, while the isolate ends: that body has no other life
 * until the sender has found out. */
TEST_ROOT(who_is_let_in_too_late_takes_nobodys_room)
{
    enum { ISOLATES = 200 };
    isle_isolate target = isle_spawn(opens_a_port, isle_null(), &narrow), isolates[ISOLATES];
    struct isle__isolate *body = body_of(target), *admitted;
    struct isle__mail *mail = isle__mail_make(isle_null(), ISLE__MAIL_DATA, target.default_port.id);

    CHECK_ERR(isle__mail_admit(mail, &admitted), ISLE_OK);
    CHECK(admitted == body);
    isle_kill(target, ISLE_IMMEDIATE);
    settle();
    for (int i = 0; i < ISOLATES; i++) {
        isolates[i] = isle_spawn(opens_a_port, isle_null(), &narrow);
        CHECK(body_of(isolates[i]) != body);
        CHECK_ERR(isle_try_send(isolates[i].default_port, isle_null()), ISLE_OK);
        CHECK_ERR(isle_try_send(isolates[i].default_port, isle_null()), ISLE_EFULL);
    }
    isle__mail_push(mail, admitted);
    CHECK_UINT(stats_now().dropped_dead, 1);
    target = isle_spawn(opens_a_port, isle_null(), &narrow);
    CHECK(body_of(target) == body); /* now it has another */
    isle_kill(target, ISLE_IMMEDIATE);
    for (int i = 0; i < ISOLATES; i++)
        isle_kill(isolates[i], ISLE_IMMEDIATE);
}

/* A sender that looked before the isolate ended, and enters after its body has another life. */
TEST_ROOT(who_looked_in_another_life_does_not_get_in)
{
    isle_isolate target = isle_spawn(opens_a_port, isle_null(), &narrow);
    struct isle__isolate *body = body_of(target);
    struct isle__room *room = &body->heap.data;
    uint64_t seen = atomic_load(&room->in);

    do {
        isle_kill(target, ISLE_IMMEDIATE);
        settle();
        target = isle_spawn(opens_a_port, isle_null(), &narrow);
    } while (body_of(target) != body);
    CHECK(!isle__room_enter_from(room, &seen, isle__room_of(1, 16)));
    CHECK_UINT(isle__room_taken(room), 0);
    isle_kill(target, ISLE_IMMEDIATE);
}

/* Bodies with wide mailboxes, where senders enter before they look, are never those of narrow ones.
 */
TEST_ROOT(narrow_mailboxes_are_kept_apart)
{
    enum { ISOLATES = 300 };
    static struct isle__isolate *wide[ISOLATES];
    isle_isolate isolates[ISOLATES];

    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < ISOLATES; i++) {
            isle_options options = {.paused = true, .mailbox_max_bytes = round == 0 ? 0 : 1000};
            isolates[i] = isle_spawn(opens_a_port, isle_null(), &options);
            for (int k = 0; round == 1 && k < ISOLATES; k++)
                CHECK(body_of(isolates[i]) != wide[k]);
            if (round == 0)
                wide[i] = body_of(isolates[i]);
        }
        for (int i = 0; i < ISOLATES; i++)
            isle_kill(isolates[i], ISLE_IMMEDIATE);
        settle();
    }
}

static struct {
    _Atomic uint64_t target;
    _Atomic bool over;
    _Atomic int refused;
} flood;

static void *flood_with_large(void *argument)
{
    static char large[16 * 1024];

    memset(large, 'x', sizeof large - 1);
    while (!atomic_load(&flood.over)) {
        isle_send_port port = {atomic_load(&flood.target)};
        if (isle_post(port, "s", large) == ISLE_EFULL)
            atomic_fetch_add(&flood.refused, 1);
    }
    return argument;
}

static void acknowledges(isle_value message, void *context)
{
    isle_send(isle_as_port(message), isle_null());
    (void)context;
}

static void acknowledges_all(isle_value message)
{
    isle_port_listen(isle_default_port(), acknowledges, NULL);
    isle_send(isle_as_port(message), isle_null());
}

/* Messages that are too large for it are refused, and nothing else is for them. */
static void refuse_large_ones(const isle_options *options)
{
    int64_t count = rounds(20000, 200000, 2000000);
    isle_receive_port *port = isle_port_open();
    isle_isolate target = isle_spawn(acknowledges_all, isle_port_value(port), options);
    pthread_t thread;

    isle_port_receive(port);
    atomic_store(&flood.over, false);
    atomic_store(&flood.refused, 0);
    atomic_store(&flood.target, target.default_port.id);
    CHECK_INT(pthread_create(&thread, NULL, flood_with_large, NULL), 0);
    for (int64_t i = 0; i < count || (atomic_load(&flood.refused) < 1000 && *TEST_SANITIZER == 0);
         i++) {
        ISLE_SCOPE;
        CHECK_ERR(isle_try_send(target.default_port, isle_port_value(port)), ISLE_OK);
        isle_port_receive(port);
    }
    atomic_store(&flood.over, true);
    CHECK_INT(pthread_join(thread, NULL), 0);
    printf("measured: %d refused\n", atomic_load(&flood.refused));
    isle_kill(target, ISLE_IMMEDIATE);
    isle_port_close(port);
}

TEST_ROOT(who_is_refused_has_nobody_else_refused)
{
    refuse_large_ones(&(isle_options){.mailbox_max_bytes = 4096});
}
TEST_TIMEOUT(who_is_refused_has_nobody_else_refused, 120);

TEST_ROOT(who_is_refused_for_memory_has_nobody_else_refused)
{
    refuse_large_ones(&(isle_options){.memory_max = 8192});
}
TEST_TIMEOUT(who_is_refused_for_memory_has_nobody_else_refused, 120);

/* Two wait in one port, the newer one outside a boundary: that is unwound at once, the other by
 * itself. What is then left looks like an isolate that has nothing, but for a stack. */
static void waits_again(void *port)
{
    (void)isle_port_receive(port);
}

static void waits_twice(isle_value unused)
{
    isle_receive_port *port = isle_port_open();

    (void)unused;
    isle_schedule_microtask(waits_again, port);
    CHECK_ERR(isle_protect(waits_again, port, NULL), ISLE_ECANCELED);
}

static void end_who_waits_twice(int count)
{
    for (int i = 0; i < count; i++) {
        isle_isolate isolate = isle_spawn(waits_twice, isle_null(), NULL);

        while (stats_now().stacks < 2)
            isle_sleep(0);
        isle_kill(isolate, ISLE_IMMEDIATE);
        settle();
    }
}

/* But for the few that workers keep at hand. */
TEST_ROOT(a_stack_that_was_abandoned_beside_a_protected_one_is_returned)
{
    enum { COUNT = 200 };
    uint64_t before;

    end_who_waits_twice(1);
    before = isle__stacks_out();
    end_who_waits_twice(COUNT);
    CHECK(isle__stacks_out() < before + COUNT / 2);
}

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
