/* SPDX-License-Identifier: Apache-2.0 */
/* Signals as bytes in a pipe.
 *
 * Law: the handler only writes one byte to the descriptor in its signal's entry. Unwatch takes the
 * descriptor out and then waits until no handler is between reading the entry and the end of its
 * write; both sides are sequentially consistent, so either the handler sees that the descriptor is
 * gone or unwatch sees the handler. In a forked child the former dispositions return: its signals
 * are not its parent's. */
#include "platform/linux/linux.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

enum { SIGNAL_COUNT = 65 };

struct signal_entry {
    _Atomic int fd_plus_one; /* 0: not watched */
    _Atomic unsigned inside; /* handlers */
    struct sigaction former; /* under signal_lock */
};

static struct signal_entry signal_entries[SIGNAL_COUNT];
static pthread_mutex_t signal_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t signal_once = PTHREAD_ONCE_INIT;

static void signal_handle(int signal)
{
    struct signal_entry *entry = &signal_entries[signal];
    int error_number = errno;
    unsigned char byte = (unsigned char)signal;
    atomic_fetch_add_explicit(&entry->inside, 1, memory_order_seq_cst);
    int fd = atomic_load_explicit(&entry->fd_plus_one, memory_order_seq_cst) - 1;
    if (fd >= 0 && write(fd, &byte, 1) < 0) {
        /* A full pipe already tells of this signal or will be read before long. */
    }
    atomic_fetch_sub_explicit(&entry->inside, 1, memory_order_seq_cst);
    errno = error_number;
}

static void signal_restore(int signal)
{
    struct signal_entry *entry = &signal_entries[signal];
    struct sigaction now;
    /* What the program has set over ours meanwhile stays. */
    if (sigaction(signal, NULL, &now) == 0 && now.sa_handler == signal_handle)
        sigaction(signal, &entry->former, NULL);
    atomic_store_explicit(&entry->fd_plus_one, 0, memory_order_seq_cst);
}

static void signal_fork_prepare(void)
{
    pthread_mutex_lock(&signal_lock);
}

static void signal_fork_parent(void)
{
    pthread_mutex_unlock(&signal_lock);
}

static void signal_fork_child(void)
{
    for (int signal = 1; signal < SIGNAL_COUNT; signal++)
        if (atomic_load_explicit(&signal_entries[signal].fd_plus_one, memory_order_relaxed) != 0)
            signal_restore(signal);
    pthread_mutex_unlock(&signal_lock);
}

static void signal_watch_forks(void)
{
    pthread_atfork(signal_fork_prepare, signal_fork_parent, signal_fork_child);
}

static isle_err signal_install(int signal, int fd)
{
    struct signal_entry *entry = &signal_entries[signal];
    struct sigaction ours;
    if (atomic_load_explicit(&entry->fd_plus_one, memory_order_relaxed) != 0)
        return ISLE_EINVAL;
    memset(&ours, 0, sizeof ours);
    ours.sa_handler = signal_handle;
    ours.sa_flags = SA_RESTART;
    sigfillset(&ours.sa_mask);
    atomic_store_explicit(&entry->fd_plus_one, fd + 1, memory_order_seq_cst);
    if (sigaction(signal, &ours, &entry->former) == 0)
        return ISLE_OK;
    atomic_store_explicit(&entry->fd_plus_one, 0, memory_order_seq_cst);
    return ISLE_ESYSTEM;
}

/* Those that the public contract names: a fault or SIGKILL is no event. */
static bool signal_is_offered(int signal)
{
    static const int offered[] = {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2, SIGCHLD, SIGWINCH};
    for (size_t i = 0; i < sizeof offered / sizeof offered[0]; i++)
        if (offered[i] == signal)
            return true;
    return false;
}

isle_err isle__signal_watch(int signal, int fd)
{
    if (!signal_is_offered(signal) || fd < 0)
        return ISLE_EINVAL;
    pthread_once(&signal_once, signal_watch_forks);
    pthread_mutex_lock(&signal_lock);
    isle_err err = signal_install(signal, fd);
    pthread_mutex_unlock(&signal_lock);
    return err;
}

void isle__signal_unwatch(int signal)
{
    if (signal <= 0 || signal >= SIGNAL_COUNT)
        return;
    struct signal_entry *entry = &signal_entries[signal];
    unsigned rounds = 0;
    pthread_mutex_lock(&signal_lock);
    if (atomic_load_explicit(&entry->fd_plus_one, memory_order_relaxed) != 0) {
        signal_restore(signal);
        while (atomic_load_explicit(&entry->inside, memory_order_seq_cst) != 0)
            isle__thread_give_way(&rounds);
    }
    pthread_mutex_unlock(&signal_lock);
}
