/* SPDX-License-Identifier: Apache-2.0 */
/* The one thread that there is: locks are never contended, and a park is a sleep. */
#include "platform/platform.h"

#include <time.h>

enum { THREAD_ONLY = 1 };

static void *thread_heap, *thread_worker;

void *isle__word_get_heap(void)
{
    return thread_heap;
}

void isle__word_set_heap(void *value)
{
    thread_heap = value;
}

void *isle__word_get_worker(void)
{
    return thread_worker;
}

void isle__word_set_worker(void *value)
{
    thread_worker = value;
}

unsigned isle__cpu_count(void)
{
    return 1;
}

unsigned isle__cpu_here(void)
{
    return 0;
}

isle_err isle__thread_start(struct isle__thread *thread, const char *name,
                            void (*fn)(void *argument), void *argument)
{
    (void)thread;
    (void)name;
    (void)fn;
    (void)argument;
    return ISLE_EUNSUPPORTED;
}

void isle__thread_join(struct isle__thread *thread)
{
    (void)thread;
}

void isle__thread_detach(struct isle__thread *thread)
{
    (void)thread;
}

void isle__thread_be_punctual(void)
{
}

void isle__thread_yield(void)
{
}

void isle__thread_give_way(unsigned *rounds)
{
    (void)rounds;
}

void isle__cpu_relax(void)
{
}

uint64_t isle__thread_id(void)
{
    return THREAD_ONLY;
}

bool isle__barrier_start(void)
{
    return true; /* one thread is in order with itself */
}

bool isle__barrier_everywhere(void)
{
    return true;
}

isle__thread_clock_id isle__thread_clock(void)
{
    return 0;
}

bool isle__thread_wants_core(uint64_t id)
{
    (void)id;
    return false;
}

int64_t isle__thread_clock_read(isle__thread_clock_id clock)
{
    (void)clock;
    return -1;
}

void isle__mutex_init(struct isle__mutex *mutex)
{
    (void)mutex;
}

void isle__mutex_destroy(struct isle__mutex *mutex)
{
    (void)mutex;
}

void isle__mutex_lock(struct isle__mutex *mutex)
{
    (void)mutex;
}

void isle__mutex_unlock(struct isle__mutex *mutex)
{
    (void)mutex;
}

void isle__parker_park(struct isle__parker *parker, int64_t timeout_ns)
{
    bool permit = atomic_exchange_explicit(&parker->state, 0, memory_order_acquire) != 0;
    if (permit || timeout_ns <= 0)
        return;
    if (timeout_ns == ISLE_FOREVER)
        isle__die("isle: the only thread would sleep for ever: nobody is left to wake it");
    struct timespec timeout = {.tv_sec = timeout_ns / 1000000000,
                               .tv_nsec = (long)(timeout_ns % 1000000000)};
    nanosleep(&timeout, NULL);
}

void isle__parker_unpark(struct isle__parker *parker)
{
    atomic_store_explicit(&parker->state, 1, memory_order_release);
}
