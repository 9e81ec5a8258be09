/* SPDX-License-Identifier: Apache-2.0 */
/* Readiness of few descriptors by ppoll, for a process whose filter of system calls knows no epoll.
 * One thread uses it; what wakes it is an eventfd that the caller has.
 *
 * Edges. The system tells what holds, not what changes. So an entry that told an edge is put aside.
 * It comes back when a look finds that it does not hold any more, or, because what came between the
 * reader's last read and that look would be missed, after a while: then it is told once more if it
 * holds still, and the while doubles. So who reads to the end misses nothing, and who leaves an
 * edge alone is told of it some ten times a second. */
#include "platform/linux/linux.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "isle/io.h"

enum { PLAIN_FIRST = 8, PLAIN_AGAIN_NS = 1000 * 1000, PLAIN_AGAIN_MAX_NS = 128 * 1000 * 1000 };

struct plain_entry {
    uint64_t key;
    enum isle__poll_mode mode;
    bool aside;
    int64_t again, until; /* how long it is aside, and until when */
};

/* polls[0] is the wake's; an entry that is not waited for has its descriptor inverted there. */
struct isle__plain_poller {
    struct pollfd *polls;
    struct plain_entry *entries;
    size_t count, capacity;
};

static bool plain_grow(struct isle__plain_poller *poller)
{
    size_t old = poller->capacity, new = old == 0 ? PLAIN_FIRST : old * 2;
    if (poller->count < old)
        return true;
    struct pollfd *polls = isle__memory_alloc(new * sizeof *polls);
    struct plain_entry *entries = isle__memory_alloc(new * sizeof *entries);
    if (polls == NULL || entries == NULL) {
        isle__memory_free(polls, new * sizeof *polls);
        isle__memory_free(entries, new * sizeof *entries);
        return false;
    }
    if (old > 0) {
        memcpy(polls, poller->polls, old * sizeof *polls);
        memcpy(entries, poller->entries, old * sizeof *entries);
    }
    isle__memory_free(poller->polls, old * sizeof *polls);
    isle__memory_free(poller->entries, old * sizeof *entries);
    poller->polls = polls;
    poller->entries = entries;
    poller->capacity = new;
    return true;
}

isle_err isle__plain_poller_open(int wake, struct isle__plain_poller **ret_poller)
{
    struct isle__plain_poller *poller = isle__memory_alloc(sizeof *poller);
    if (poller == NULL)
        return ISLE_ENOMEM;
    *poller = (struct isle__plain_poller){0};
    if (!plain_grow(poller)) {
        isle__memory_free(poller, sizeof *poller);
        return ISLE_ENOMEM;
    }
    poller->polls[0] = (struct pollfd){.fd = wake, .events = POLLIN};
    poller->entries[0] = (struct plain_entry){.mode = ISLE__POLL_LEVEL};
    poller->count = 1;
    *ret_poller = poller;
    return ISLE_OK;
}

void isle__plain_poller_set_wake(struct isle__plain_poller *poller, int wake)
{
    poller->polls[0].fd = wake;
}

void isle__plain_poller_close(struct isle__plain_poller *poller)
{
    if (poller == NULL)
        return;
    isle__memory_free(poller->polls, poller->capacity * sizeof *poller->polls);
    isle__memory_free(poller->entries, poller->capacity * sizeof *poller->entries);
    isle__memory_free(poller, sizeof *poller);
}

/* Its place; the count: it is not there. */
static size_t plain_find(const struct isle__plain_poller *poller, int fd)
{
    size_t at = 1;
    while (at < poller->count && poller->polls[at].fd != fd && poller->polls[at].fd != ~fd)
        at++;
    return at;
}

static short plain_to_system(unsigned events)
{
    int system = 0;
    if ((events & ISLE_READABLE) != 0)
        system |= POLLIN | POLLRDHUP;
    if ((events & ISLE_WRITABLE) != 0)
        system |= POLLOUT;
    if ((events & ISLE_HANGUP) != 0)
        system |= POLLRDHUP;
    return (short)system;
}

static unsigned plain_from_system(int system)
{
    unsigned events = 0;
    if ((system & POLLIN) != 0)
        events |= ISLE_READABLE;
    if ((system & POLLOUT) != 0)
        events |= ISLE_WRITABLE;
    if ((system & (POLLHUP | POLLERR | POLLRDHUP)) != 0)
        events |= ISLE_HANGUP;
    return events;
}

/* What epoll refuses: closed, or a file or folder, which is always ready. Asked of the kernel
 * itself: the library may ask by name, which a filter refuses. */
static bool plain_is_refused(int fd)
{
    struct stat status;
    if (syscall(SYS_fstat, fd, &status) != 0)
        return errno == EBADF;
    if (!S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode))
        return false;
    errno = EPERM;
    return true;
}

isle_err isle__plain_poller_add(struct isle__plain_poller *poller, int fd, unsigned events,
                                enum isle__poll_mode mode, uint64_t key)
{
    if (plain_is_refused(fd))
        return ISLE_ESYSTEM;
    size_t at = plain_find(poller, fd);
    if (at == poller->count && !plain_grow(poller))
        return ISLE_ENOMEM;
    if (at == poller->count)
        poller->count++;
    poller->polls[at] = (struct pollfd){.fd = fd, .events = plain_to_system(events)};
    poller->entries[at] = (struct plain_entry){.key = key, .mode = mode};
    return ISLE_OK;
}

void isle__plain_poller_remove(struct isle__plain_poller *poller, int fd)
{
    size_t at = plain_find(poller, fd);
    if (at == poller->count)
        return;
    poller->count--;
    poller->polls[at] = poller->polls[poller->count];
    poller->entries[at] = poller->entries[poller->count];
}

/* Brings back what is aside and does not hold, or has been long enough. The time until the next
 * must come back; ISLE_FOREVER. */
static int64_t plain_bring_back(struct isle__plain_poller *poller)
{
    int64_t wait = ISLE_FOREVER, now = isle__clock_now();
    for (size_t i = 1; i < poller->count; i++) {
        struct plain_entry *entry = &poller->entries[i];
        if (!entry->aside)
            continue;
        struct pollfd look = {.fd = ~poller->polls[i].fd, .events = poller->polls[i].events};
        bool holds = poll(&look, 1, 0) != 0;
        if (holds && entry->until > now) {
            wait = entry->until - now < wait ? entry->until - now : wait;
            continue;
        }
        if (!holds)
            entry->again = 0;
        entry->aside = false;
        poller->polls[i].fd = look.fd;
    }
    return wait;
}

/* It was told. */
static void plain_told(struct isle__plain_poller *poller, size_t at)
{
    struct plain_entry *entry = &poller->entries[at];
    if (entry->mode == ISLE__POLL_LEVEL)
        return;
    poller->polls[at].fd = ~poller->polls[at].fd;
    if (entry->mode == ISLE__POLL_ONCE)
        return;
    entry->aside = true;
    entry->again = entry->again == 0 ? PLAIN_AGAIN_NS : entry->again * 2;
    if (entry->again > PLAIN_AGAIN_MAX_NS)
        entry->again = PLAIN_AGAIN_MAX_NS;
    entry->until = isle__clock_now() + entry->again;
}

static int plain_sleep(struct isle__plain_poller *poller, int64_t timeout_ns)
{
    int64_t positive = timeout_ns > 0 ? timeout_ns : 0;
    struct timespec timeout = {.tv_sec = (time_t)(positive / 1000000000),
                               .tv_nsec = (long)(positive % 1000000000)};
    return ppoll(poller->polls, (nfds_t)poller->count, timeout_ns == ISLE_FOREVER ? NULL : &timeout,
                 NULL);
}

unsigned isle__plain_poller_wait(struct isle__plain_poller *poller, int64_t timeout_ns,
                                 struct isle__poll_event *events, unsigned max)
{
    unsigned told = 0;
    int64_t back = plain_bring_back(poller);
    if (plain_sleep(poller, back < timeout_ns ? back : timeout_ns) <= 0)
        return 0;
    if (poller->polls[0].revents != 0)
        isle__notifier_clear(poller->polls[0].fd);
    for (size_t i = 1; i < poller->count && told < max; i++) {
        int system = poller->polls[i].revents;
        unsigned holds = plain_from_system(system);
        if ((system & POLLNVAL) != 0) /* closed by its owner: nobody is told, as with epoll */
            poller->polls[i].fd = ~poller->polls[i].fd;
        if (holds == 0)
            continue;
        events[told].key = poller->entries[i].key;
        events[told++].events = holds;
        plain_told(poller, i);
    }
    return told;
}
