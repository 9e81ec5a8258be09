/* SPDX-License-Identifier: Apache-2.0 */
/* Counted memory on top of malloc.
 *
 * Law: every thread counts in a counter of its own, which it alone writes, so counting costs one
 * load and one store. Counters lie in thread-local storage and are linked in a list; a thread that
 * ends folds its own into memory_folded, under memory_lock, and counts there from then on. A thread
 * may free what another allocated, so a single counter may be negative; only the sum means
 * something. */
#include "platform/linux/linux.h"

#include <pthread.h>
#include <stdlib.h>

enum memory_state { MEMORY_NEW, MEMORY_COUNTING, MEMORY_ENDED };

struct memory_counter {
    struct memory_counter *next, *previous; /* under memory_lock */
    _Atomic int64_t live;                   /* written by its thread alone */
    uint64_t made, fail_at;
    enum memory_state state;
};

static ISLE__TLS struct memory_counter memory_mine;
static pthread_mutex_t memory_lock = PTHREAD_MUTEX_INITIALIZER;
static struct memory_counter *memory_counters;
static _Atomic int64_t memory_folded;
static pthread_once_t memory_once = PTHREAD_ONCE_INIT;
static pthread_key_t memory_key;
static bool memory_key_made;

static void memory_fold(struct memory_counter *counter)
{
    int64_t live = atomic_load_explicit(&counter->live, memory_order_relaxed);
    atomic_fetch_add_explicit(&memory_folded, live, memory_order_relaxed);
}

static void memory_thread_ends(void *argument)
{
    struct memory_counter *counter = argument;
    pthread_mutex_lock(&memory_lock);
    memory_fold(counter);
    if (counter->previous != NULL)
        counter->previous->next = counter->next;
    else
        memory_counters = counter->next;
    if (counter->next != NULL)
        counter->next->previous = counter->previous;
    counter->state = MEMORY_ENDED;
    pthread_mutex_unlock(&memory_lock);
}

static void memory_fork_prepare(void)
{
    pthread_mutex_lock(&memory_lock);
}

static void memory_fork_parent(void)
{
    pthread_mutex_unlock(&memory_lock);
}

/* The other threads are gone, and with them, soon, the memory of their counters. */
static void memory_fork_child(void)
{
    struct memory_counter *counter = memory_counters;
    memory_counters = NULL;
    while (counter != NULL) {
        struct memory_counter *next = counter->next;
        if (counter == &memory_mine) {
            counter->next = counter->previous = NULL;
            memory_counters = counter;
        } else {
            memory_fold(counter);
        }
        counter = next;
    }
    pthread_mutex_unlock(&memory_lock);
}

static void memory_start(void)
{
    memory_key_made = pthread_key_create(&memory_key, memory_thread_ends) == 0;
    pthread_atfork(memory_fork_prepare, memory_fork_parent, memory_fork_child);
}

static void memory_count_first(int64_t change)
{
    struct memory_counter *mine = &memory_mine;
    pthread_once(&memory_once, memory_start);
    if (mine->state == MEMORY_ENDED || !memory_key_made ||
        pthread_setspecific(memory_key, mine) != 0) {
        atomic_fetch_add_explicit(&memory_folded, change, memory_order_relaxed);
        return;
    }
    atomic_store_explicit(&mine->live, change, memory_order_relaxed);
    pthread_mutex_lock(&memory_lock);
    mine->next = memory_counters;
    if (memory_counters != NULL)
        memory_counters->previous = mine;
    memory_counters = mine;
    mine->state = MEMORY_COUNTING;
    pthread_mutex_unlock(&memory_lock);
}

static void memory_count(int64_t change)
{
    struct memory_counter *mine = &memory_mine;
    if (mine->state != MEMORY_COUNTING) {
        memory_count_first(change);
        return;
    }
    int64_t live = atomic_load_explicit(&mine->live, memory_order_relaxed);
    atomic_store_explicit(&mine->live, live + change, memory_order_relaxed);
}

ISLE__OPAQUE bool isle__memory_refuses(void)
{
    struct memory_counter *mine = &memory_mine;
    mine->made++;
    return mine->fail_at != 0 && --mine->fail_at == 0;
}

ISLE__OPAQUE void *isle__memory_alloc(size_t size)
{
    if (isle__memory_refuses() || size > PTRDIFF_MAX)
        return NULL;
    void *memory = malloc(size != 0 ? size : 1);
    if (memory != NULL)
        memory_count((int64_t)size);
    return memory;
}

ISLE__OPAQUE void *isle__memory_resize(void *memory, size_t old_size, size_t new_size)
{
    if (isle__memory_refuses() || new_size > PTRDIFF_MAX)
        return NULL;
    void *resized = realloc(memory, new_size != 0 ? new_size : 1);
    if (resized != NULL)
        memory_count((int64_t)new_size - (memory != NULL ? (int64_t)old_size : 0));
    return resized;
}

ISLE__OPAQUE void isle__memory_free(void *memory, size_t size)
{
    if (memory == NULL)
        return;
    free(memory);
    memory_count(-(int64_t)size);
}

uint64_t isle__memory_live(void)
{
    pthread_mutex_lock(&memory_lock);
    int64_t live = atomic_load_explicit(&memory_folded, memory_order_relaxed);
    for (struct memory_counter *counter = memory_counters; counter != NULL; counter = counter->next)
        live += atomic_load_explicit(&counter->live, memory_order_relaxed);
    pthread_mutex_unlock(&memory_lock);
    return live > 0 ? (uint64_t)live : 0;
}

ISLE__OPAQUE uint64_t isle__memory_fail_at(uint64_t nth)
{
    struct memory_counter *mine = &memory_mine;
    uint64_t made = mine->made;
    mine->made = 0;
    mine->fail_at = nth;
    return made;
}
