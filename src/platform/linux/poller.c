/* SPDX-License-Identifier: Apache-2.0 */
/* Readiness of descriptors by epoll (poller_plain.c: by ppoll), and the small descriptors that go
 * with it.
 *
 * A wake writes to an eventfd that the epoll watches edge-triggered, so nobody needs to read it.
 * `woken` spares the write while one is on its way: it is cleared by the waiter before it returns,
 * and both sides exchange it, so a wake that finds it set is ordered before that return. */
#include "platform/linux/linux.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/time_types.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "isle/io.h"

enum { POLLER_BATCH = 64 };
#define POLLER_OWN_KEY UINT64_MAX

struct isle__poller {
    int epoll, wake;
    _Atomic bool woken;
    _Atomic bool coarse;              /* the kernel has no epoll_pwait2 */
    struct isle__plain_poller *plain; /* NULL: by epoll */
};

static isle_err poller_watch_wake(struct isle__poller *poller)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.u64 = POLLER_OWN_KEY};
    poller->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (poller->wake < 0)
        return ISLE_ESYSTEM;
    if (epoll_ctl(poller->epoll, EPOLL_CTL_ADD, poller->wake, &event) == 0)
        return ISLE_OK;
    isle__fd_close(poller->wake);
    return ISLE_ESYSTEM;
}

isle_err isle__poller_open(struct isle__poller **ret_poller)
{
    struct isle__poller *poller = isle__memory_alloc(sizeof *poller);
    if (poller == NULL)
        return ISLE_ENOMEM;
    *poller = (struct isle__poller){.epoll = epoll_create1(EPOLL_CLOEXEC)};
    isle_err err = poller->epoll >= 0 ? poller_watch_wake(poller) : ISLE_ESYSTEM;
    if (err != ISLE_OK) {
        isle__fd_close(poller->epoll);
        isle__memory_free(poller, sizeof *poller);
        return err;
    }
    *ret_poller = poller;
    return ISLE_OK;
}

isle_err isle__poller_open_plain(struct isle__poller **ret_poller)
{
    struct isle__poller *poller = isle__memory_alloc(sizeof *poller);
    if (poller == NULL)
        return ISLE_ENOMEM;
    *poller = (struct isle__poller){.epoll = -1, .wake = isle__notifier_open()};
    isle_err err = ISLE_ESYSTEM;
    if (poller->wake >= 0)
        err = isle__plain_poller_open(poller->wake, &poller->plain);
    if (err != ISLE_OK) {
        isle__fd_close(poller->wake);
        isle__memory_free(poller, sizeof *poller);
        return err;
    }
    *ret_poller = poller;
    return ISLE_OK;
}

isle_err isle__poller_forked(struct isle__poller *poller)
{
    int wake = isle__notifier_open();
    if (wake < 0)
        return ISLE_ESYSTEM;
    poller->wake = wake;
    isle__plain_poller_set_wake(poller->plain, wake);
    return ISLE_OK;
}

void isle__poller_close(struct isle__poller *poller)
{
    if (poller == NULL)
        return;
    isle__plain_poller_close(poller->plain);
    isle__fd_close(poller->wake);
    isle__fd_close(poller->epoll);
    isle__memory_free(poller, sizeof *poller);
}

/* A peer that has finished writing is news only for those who read: a writer would be told of it
 * for ever. */
static uint32_t poller_to_system(unsigned events)
{
    uint32_t system = 0;
    if ((events & ISLE_READABLE) != 0)
        system |= EPOLLIN | EPOLLRDHUP;
    if ((events & ISLE_WRITABLE) != 0)
        system |= EPOLLOUT;
    if ((events & ISLE_HANGUP) != 0)
        system |= EPOLLRDHUP;
    return system;
}

static unsigned poller_from_system(uint32_t system)
{
    unsigned events = 0;
    if ((system & EPOLLIN) != 0)
        events |= ISLE_READABLE;
    if ((system & EPOLLOUT) != 0)
        events |= ISLE_WRITABLE;
    if ((system & (EPOLLHUP | EPOLLERR | EPOLLRDHUP)) != 0)
        events |= ISLE_HANGUP;
    return events;
}

isle_err isle__poller_add(struct isle__poller *poller, int fd, unsigned events,
                          enum isle__poll_mode mode, uint64_t key)
{
    struct epoll_event event = {.events = poller_to_system(events), .data.u64 = key};
    if (key == POLLER_OWN_KEY)
        return ISLE_EINVAL;
    if (poller->plain != NULL)
        return isle__plain_poller_add(poller->plain, fd, events, mode, key);
    if (mode == ISLE__POLL_ONCE)
        event.events |= (uint32_t)EPOLLONESHOT;
    if (mode == ISLE__POLL_EDGE)
        event.events |= (uint32_t)EPOLLET;
    if (epoll_ctl(poller->epoll, EPOLL_CTL_ADD, fd, &event) == 0)
        return ISLE_OK;
    if (errno == EEXIST && epoll_ctl(poller->epoll, EPOLL_CTL_MOD, fd, &event) == 0)
        return ISLE_OK;
    return ISLE_ESYSTEM;
}

void isle__poller_remove(struct isle__poller *poller, int fd)
{
    int error_number = errno;
    struct epoll_event none = {0};
    if (poller->plain != NULL) {
        isle__plain_poller_remove(poller->plain, fd);
        return;
    }
    epoll_ctl(poller->epoll, EPOLL_CTL_DEL, fd, &none);
    errno = error_number;
}

/* In milliseconds, rounded up, so that the last one is not spun away. */
static int poller_wait_coarse(int epoll, struct epoll_event *events, int max, int64_t timeout_ns)
{
    int64_t ms = timeout_ns <= 0 ? 0 : (timeout_ns - 1) / 1000000 + 1;
    if (timeout_ns == ISLE_FOREVER)
        ms = -1;
    return epoll_wait(epoll, events, max, ms < INT32_MAX ? (int)ms : INT32_MAX);
}

static int poller_wait_fine(int epoll, struct epoll_event *events, int max, int64_t timeout_ns)
{
    int64_t positive = timeout_ns > 0 ? timeout_ns : 0;
    struct __kernel_timespec timeout = {.tv_sec = positive / 1000000000,
                                        .tv_nsec = positive % 1000000000};
    return (int)syscall(SYS_epoll_pwait2, epoll, events, max,
                        timeout_ns == ISLE_FOREVER ? NULL : &timeout, NULL, (size_t)0);
}

static int poller_wait_once(struct isle__poller *poller, struct epoll_event *events, int max,
                            int64_t timeout_ns)
{
    if (!atomic_load_explicit(&poller->coarse, memory_order_relaxed)) {
        int count = poller_wait_fine(poller->epoll, events, max, timeout_ns);
        if (count >= 0 || (errno != ENOSYS && errno != EPERM)) /* EPERM: an old filter */
            return count;
        atomic_store_explicit(&poller->coarse, true, memory_order_relaxed);
    }
    return poller_wait_coarse(poller->epoll, events, max, timeout_ns);
}

unsigned isle__poller_wait(struct isle__poller *poller, int64_t timeout_ns,
                           struct isle__poll_event *events, unsigned max)
{
    struct epoll_event batch[POLLER_BATCH];
    int error_number = errno;
    unsigned told = 0;
    if (max == 0)
        return 0;
    if (poller->plain != NULL) {
        told = isle__plain_poller_wait(poller->plain, timeout_ns, events, max);
        atomic_exchange_explicit(&poller->woken, false, memory_order_acq_rel);
        errno = error_number;
        return told;
    }
    int count =
        poller_wait_once(poller, batch, max < POLLER_BATCH ? (int)max : POLLER_BATCH, timeout_ns);
    for (int i = 0; i < count; i++) {
        if (batch[i].data.u64 == POLLER_OWN_KEY) {
            /* Acquires what the wake that set it released. */
            atomic_exchange_explicit(&poller->woken, false, memory_order_acq_rel);
            continue;
        }
        events[told].key = batch[i].data.u64;
        events[told].events = poller_from_system(batch[i].events);
        told++;
    }
    errno = error_number;
    return told;
}

void isle__poller_wake(struct isle__poller *poller)
{
    if (!atomic_exchange_explicit(&poller->woken, true, memory_order_acq_rel))
        isle__notifier_raise(poller->wake);
}

int isle__notifier_open(void)
{
    return eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
}

void isle__notifier_raise(int fd)
{
    int error_number = errno;
    uint64_t one = 1;
    while (write(fd, &one, sizeof one) < 0 && errno == EINTR)
        continue;
    errno = error_number;
}

void isle__notifier_clear(int fd)
{
    int error_number = errno;
    uint64_t count;
    while (read(fd, &count, sizeof count) < 0 && errno == EINTR)
        continue;
    errno = error_number;
}

bool isle__notifier_wait(int fd, int64_t timeout_ns)
{
    int error_number = errno;
    int64_t positive = timeout_ns > 0 ? timeout_ns : 0;
    struct timespec timeout = {.tv_sec = (time_t)(positive / 1000000000),
                               .tv_nsec = (long)(positive % 1000000000)};
    struct pollfd one = {.fd = fd, .events = POLLIN};
    int count = ppoll(&one, 1, timeout_ns == ISLE_FOREVER ? NULL : &timeout, NULL);
    errno = error_number;
    return count > 0;
}

/* Not tried again after EINTR: on Linux the descriptor is gone by then. */
void isle__fd_close(int fd)
{
    int error_number = errno;
    if (fd >= 0)
        close(fd);
    errno = error_number;
}

/* Numbers end at the hard limit, or above it for what was open before that was lowered; and at the
 * kernel's usual bound. */
static int fd_last(int last)
{
    enum { USUAL = 65536, MOST = 1 << 20 };
    struct rlimit limit;
    int bound = MOST;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_max < MOST)
        bound = limit.rlim_max < USUAL ? USUAL : (int)limit.rlim_max;
    return last < bound ? last : bound;
}

void isle__fd_close_between(int first, int last)
{
    int error_number = errno;
    if (first <= last && syscall(SYS_close_range, (unsigned)first, (unsigned)last, 0U) != 0) {
        last = fd_last(last);
        for (int fd = first; fd <= last; fd++)
            close(fd);
    }
    errno = error_number;
}

int isle__fd_duplicate(int fd)
{
    return fcntl(fd, F_DUPFD_CLOEXEC, 0);
}

isle_err isle__pipe_open(int ret_fds[2])
{
    int fds[2];
    if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) != 0)
        return ISLE_ESYSTEM;
    ret_fds[0] = fds[0];
    ret_fds[1] = fds[1];
    return ISLE_OK;
}

size_t isle__pipe_read(int fd, void *memory, size_t size)
{
    int error_number = errno;
    ssize_t got;
    do
        got = read(fd, memory, size);
    while (got < 0 && errno == EINTR);
    errno = error_number;
    return got > 0 ? (size_t)got : 0;
}
