/* SPDX-License-Identifier: Apache-2.0 */
/* What a child may use: limits of resources, soft and hard. A hard limit that is lower already
 * stays.
 *
 * Those that are the same for all and that a zygote can live with are set once, by the zygote; the
 * rest by each child. Memory is counted from what the zygote has mapped, since a child begins with
 * a copy of that: to ask anew in a child takes longer than to set all of its limits. One thread. */
#include "sandbox/layers.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define LIMITS_SHADOWED 1
#endif
#elif defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define LIMITS_SHADOWED 1
#endif
#ifndef LIMITS_SHADOWED
#define LIMITS_SHADOWED 0 /* 1: a sanitizer has terabytes mapped, which no limit would allow */
#endif

enum {
    LIMITS_FILES = 16,
    LIMITS_SIGNALS = 16,
    LIMITS_ARENAS = 4, /* of the C library's heap where there are threads */
    LIMITS_STACK = (LIMITS_SHADOWED ? 8 : 1) << 20,
    LIMITS_PREPARED = 2 << 20, /* bytes that a child maps before it is locked in */
    LIMITS_SLACK = 1 << 30     /* addresses reserved and not used, as for the heaps of threads */
};

typedef int limits_resource;

static bool limits_call(limits_resource resource, const struct rlimit *wanted,
                        struct rlimit *before)
{
    return prlimit(0, (enum __rlimit_resource)resource, wanted, before) == 0;
}

static rlim_t limits_lower(rlim_t one, rlim_t other)
{
    return one < other ? one : other;
}

/* EPERM: the hard limit is lower than what is wanted, which is as good. */
static bool limits_one(limits_resource resource, rlim_t soft, rlim_t hard)
{
    struct rlimit wanted = {soft, hard}, before;
    if (limits_call(resource, &wanted, NULL))
        return true;
    if (errno != EPERM || !limits_call(resource, NULL, &before))
        return false;
    wanted.rlim_max = limits_lower(hard, before.rlim_max);
    wanted.rlim_cur = limits_lower(soft, wanted.rlim_max);
    return limits_call(resource, &wanted, NULL);
}

static rlim_t limits_sum(uint64_t one, uint64_t other)
{
    uint64_t sum;
    return __builtin_add_overflow(one, other, &sum) ? RLIM_INFINITY : (rlim_t)sum;
}

static bool limits_memory(const struct isle__sandbox *sandbox, const struct isle__policy *policy)
{
    if (policy->memory_max == 0 || LIMITS_SHADOWED)
        return true;
    uint64_t most = limits_sum(policy->memory_max, LIMITS_PREPARED);
    rlim_t data = limits_sum(sandbox->data_size, most);
    rlim_t all = limits_sum(sandbox->address_size, limits_sum(most, LIMITS_SLACK));
    return limits_one(RLIMIT_DATA, data, data) && limits_one(RLIMIT_AS, all, all);
}

/* At the soft limit SIGXCPU, which names the reason; a second later SIGKILL for who ignores it. */
static bool limits_time(const struct isle__policy *policy)
{
    const int64_t second = 1000000000;
    if (policy->cpu_time_max_ns <= 0)
        return true;
    rlim_t seconds = (rlim_t)((policy->cpu_time_max_ns - 1) / second + 1);
    return limits_one(RLIMIT_CPU, seconds, seconds + 1);
}

/* The limit is on all processes of a user, this one included. Where others count as well a number
 * would be theirs: only that there are no more threads at all can be said. */
static bool limits_threads(const struct isle__policy *policy, bool own_count)
{
    if (policy->threads_max == 0)
        return limits_one(RLIMIT_NPROC, 0, 0);
    rlim_t most = (rlim_t)policy->threads_max + 1;
    return !own_count || limits_one(RLIMIT_NPROC, most, most);
}

/* Each heap of a thread reserves 128 MiB of addresses. */
static void limits_heaps(int most)
{
#ifdef M_ARENA_MAX
    mallopt(M_ARENA_MAX, most);
#else
    (void)most;
#endif
}

const char *isle__limits_set_common(void)
{
    static const struct {
        limits_resource resource;
        rlim_t most;
    } fixed[] = {
        {RLIMIT_CORE, 0},
        {RLIMIT_LOCKS, 0},
        {RLIMIT_MEMLOCK, 0},
        {RLIMIT_MSGQUEUE, 0},
        {RLIMIT_NICE, 0},
        {RLIMIT_RTPRIO, 0},
        {RLIMIT_SIGPENDING, LIMITS_SIGNALS},
        {RLIMIT_STACK, LIMITS_STACK},
    };
    for (size_t at = 0; at < sizeof fixed / sizeof fixed[0]; at++)
        if (!limits_one(fixed[at].resource, fixed[at].most, fixed[at].most))
            return "limits of resources";
    limits_heaps(1);
    return NULL;
}

const char *isle__limits_set(const struct isle__sandbox *sandbox, const struct isle__policy *policy,
                             bool own_count)
{
    rlim_t files = policy->descriptor_max != 0 ? policy->descriptor_max : LIMITS_FILES;
    if (policy->threads_max > 0)
        limits_heaps(LIMITS_ARENAS);
    if (!limits_memory(sandbox, policy))
        return "limit of memory";
    if (!limits_time(policy))
        return "limit of CPU time";
    if (!limits_threads(policy, own_count))
        return "limit of threads";
    if (!limits_one(RLIMIT_FSIZE, 0, 0))
        return "limit of files";
    return limits_one(RLIMIT_NOFILE, files, files) ? NULL : "limit of descriptors";
}

/* /proc/self/statm: pages of the whole, ..., the sixth of data and stack. Where it cannot be read
 * the counting begins at 0: what the program itself has is part of the isolate's memory then. */
void isle__limits_measure(struct isle__sandbox *sandbox)
{
    char text[128], *at = text;
    uint64_t pages[6], page = (uint64_t)sysconf(_SC_PAGESIZE);
    int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    ssize_t size = read(fd, text, sizeof text - 1);
    close(fd);
    if (size <= 0)
        return;
    text[size] = '\0';
    for (int field = 0; field < 6; field++)
        pages[field] = strtoull(at, &at, 10);
    sandbox->address_size = pages[0] * page;
    sandbox->data_size = pages[5] * page;
}
