/* SPDX-License-Identifier: Apache-2.0 */
/* What the runtime attends to on the reactor's thread: called while it holds, never after it was
 * dismissed. */
#include "test.h"

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "core/reactor.h"
#include "isle.h"
#include "platform/platform.h"

struct attending {
    int ends[2];
    uint64_t key;
    _Atomic int calls;
    _Atomic bool gone; /* dismissed: no call any more */
    _Atomic bool inside;
    bool reads;
    bool dismisses_itself, lingers;
    pthread_t caller;
};

static void attending_call(void *context, unsigned events)
{
    struct attending *attending = context;
    char bytes[16];

    CHECK(!atomic_load(&attending->gone));
    CHECK((events & ISLE_READABLE) != 0);
    attending->caller = pthread_self();
    if (attending->reads)
        CHECK(read(attending->ends[0], bytes, sizeof bytes) > 0);
    if (attending->dismisses_itself) {
        isle__reactor_dismiss(attending->key);
        atomic_store(&attending->gone, true);
    }
    atomic_fetch_add(&attending->calls, 1);
    CHECK(isle__heap_current() == NULL);
    atomic_store(&attending->inside, true);
    for (int i = 0; i < 50 && attending->lingers; i++)
        isle__thread_yield();
    atomic_store(&attending->inside, false);
}

static void attending_start(struct attending *attending)
{
    CHECK_ERR(isle__pipe_open(attending->ends), ISLE_OK);
    CHECK_ERR(isle__reactor_attend(attending->ends[0], ISLE_READABLE, attending_call, attending,
                                   &attending->key),
              ISLE_OK);
}

static void attending_stop(struct attending *attending)
{
    isle__reactor_dismiss(attending->key);
    atomic_store(&attending->gone, true);
    isle__fd_close(attending->ends[0]);
    isle__fd_close(attending->ends[1]);
}

static void wait_for_calls(struct attending *attending, int count)
{
    while (atomic_load(&attending->calls) < count)
        isle__thread_yield();
}

TEST_ROOT(a_call_comes_on_the_reactors_thread)
{
    struct attending attending = {.reads = true};

    attending_start(&attending);
    for (int i = 1; i <= 10; i++) {
        CHECK_INT(write(attending.ends[1], "a", 1), 1);
        wait_for_calls(&attending, i);
    }
    CHECK(!pthread_equal(attending.caller, pthread_self()));
    attending_stop(&attending);
    CHECK_INT(atomic_load(&attending.calls), 10);
}

TEST_ROOT(it_comes_as_long_as_the_descriptor_is_ready)
{
    struct attending attending = {0};

    attending_start(&attending);
    CHECK_INT(write(attending.ends[1], "a", 1), 1);
    wait_for_calls(&attending, 10);
    attending_stop(&attending);
}

TEST_ROOT(a_call_may_dismiss_itself)
{
    for (int i = 0; i < 20; i++) {
        struct attending attending = {.dismisses_itself = true};

        attending_start(&attending);
        CHECK_INT(write(attending.ends[1], "a", 1), 1);
        wait_for_calls(&attending, 1);
        attending_stop(&attending);
    }
}

TEST_ROOT(no_call_comes_after_it_was_dismissed)
{
    for (int i = 0; i < 300; i++) {
        struct attending attending = {.lingers = true};

        attending_start(&attending);
        CHECK_INT(write(attending.ends[1], "a", 1), 1);
        if (i % 3 != 0)
            wait_for_calls(&attending, i % 3);
        while (i % 3 == 2 && !atomic_load(&attending.inside))
            isle__thread_yield();
        isle__reactor_dismiss(attending.key);
        CHECK(!atomic_load(&attending.inside));
        atomic_store(&attending.gone, true);
        isle__reactor_dismiss(attending.key);
        isle__reactor_dismiss(0);
        isle__fd_close(attending.ends[0]);
        isle__fd_close(attending.ends[1]);
    }
}

TEST_ROOT(a_descriptor_is_attended_to_once)
{
    struct attending attending = {.reads = true};
    uint64_t key;

    attending_start(&attending);
    CHECK_ERR(
        isle__reactor_attend(attending.ends[0], ISLE_READABLE, attending_call, &attending, &key),
        ISLE_EUSED);
    attending_stop(&attending);
}

TEST_MAIN()
