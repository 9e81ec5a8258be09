/* SPDX-License-Identifier: Apache-2.0 */
/* Threads, locks and parkers.
 *
 * A parker's word is EMPTY, PERMIT or PARKED. Only its owner sets PARKED, and only from EMPTY; an
 * unpark exchanges in PERMIT and wakes if it found PARKED. So an unpark between the owner's
 * decision to sleep and the kernel's look at the word is seen by the kernel, which then does not
 * sleep. */
#include "platform/linux/linux.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { PARKER_EMPTY, PARKER_PERMIT, PARKER_PARKED };
enum { THREAD_NAME_SIZE = 16 };
enum {
    YIELD_EVERY = 64,             /* rounds of giving way */
    NAP_AFTER = 64 * YIELD_EVERY, /* rounds; some 200 us of nobody else's computing */
    NAP_NS = 50 * 1000,
};

struct thread_start {
    void (*fn)(void *argument);
    void *argument;
    char name[THREAD_NAME_SIZE];
};

#if ISLE__WORDS_IN_C
static ISLE__TLS void *thread_heap, *thread_worker;

ISLE__OPAQUE void *isle__word_get_heap(void)
{
    return thread_heap;
}

ISLE__OPAQUE void isle__word_set_heap(void *value)
{
    thread_heap = value;
}

ISLE__OPAQUE void *isle__word_get_worker(void)
{
    return thread_worker;
}

ISLE__OPAQUE void isle__word_set_worker(void *value)
{
    thread_worker = value;
}
#endif

unsigned isle__cpu_count(void)
{
    for (size_t most = 1024; most <= 1024 * 1024; most *= 4) {
        cpu_set_t *set = CPU_ALLOC(most);
        if (set == NULL)
            break;
        int refused = sched_getaffinity(0, CPU_ALLOC_SIZE(most), set);
        int error_number = errno;
        int count = refused == 0 ? CPU_COUNT_S(CPU_ALLOC_SIZE(most), set) : 0;
        CPU_FREE(set);
        if (refused == 0)
            return count > 0 ? (unsigned)count : 1;
        if (error_number != EINVAL) /* EINVAL: the kernel's set is larger */
            break;
    }
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    return online > 0 ? (unsigned)online : 1;
}

unsigned isle__cpu_here(void)
{
    return (unsigned)(sched_getcpu() + 1);
}

/* All but those that an instruction of the thread itself raises. */
static void thread_fill_asynchronous(sigset_t *set)
{
    static const int synchronous[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT};
    sigfillset(set);
    for (size_t i = 0; i < sizeof synchronous / sizeof synchronous[0]; i++)
        sigdelset(set, synchronous[i]);
}

static void *thread_run(void *argument)
{
    struct thread_start start = *(struct thread_start *)argument;
    free(argument);
    pthread_setname_np(pthread_self(), start.name);
    isle__fault_thread_init();
    start.fn(start.argument);
    isle__fault_thread_fini();
    return NULL;
}

isle_err isle__thread_start(struct isle__thread *thread, const char *name,
                            void (*fn)(void *argument), void *argument)
{
    /* Not counted: it is freed when the thread first runs, which is at no certain time. */
    struct thread_start *start = isle__memory_refuses() ? NULL : malloc(sizeof *start);
    if (start == NULL)
        return ISLE_ENOMEM;
    start->fn = fn;
    start->argument = argument;
    memset(start->name, 0, sizeof start->name);
    memcpy(start->name, name, strnlen(name, sizeof start->name - 1));

    sigset_t blocked, before;
    pthread_t handle;
    thread_fill_asynchronous(&blocked);
    pthread_sigmask(SIG_BLOCK, &blocked, &before);
    int refused = pthread_create(&handle, NULL, thread_run, start);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (refused != 0) {
        free(start);
        errno = refused;
        return ISLE_ESYSTEM;
    }
    thread->handle = (uintptr_t)handle;
    return ISLE_OK;
}

void isle__thread_join(struct isle__thread *thread)
{
    pthread_join((pthread_t)thread->handle, NULL);
}

void isle__thread_detach(struct isle__thread *thread)
{
    pthread_detach((pthread_t)thread->handle);
}

void isle__thread_be_punctual(void)
{
    (void)prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
}

void isle__thread_yield(void)
{
    sched_yield();
}

void isle__thread_give_way(unsigned *rounds)
{
    const struct timespec nap = {.tv_nsec = NAP_NS};
    unsigned round = ++*rounds;
    if (round % YIELD_EVERY != 0)
        isle__cpu_relax();
    else if (round <= NAP_AFTER)
        sched_yield();
    else
        nanosleep(&nap, NULL);
}

void isle__cpu_relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__) || defined(__arm__)
    __asm__ volatile("yield");
#else
    atomic_signal_fence(memory_order_seq_cst);
#endif
}

ISLE__OPAQUE uint64_t isle__thread_id(void)
{
    return (uint64_t)syscall(SYS_gettid);
}

static long thread_membarrier(int command)
{
    return syscall(SYS_membarrier, command, 0, 0);
}

bool isle__barrier_start(void)
{
    return thread_membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED) == 0;
}

bool isle__barrier_everywhere(void)
{
    return thread_membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED) == 0;
}

isle__thread_clock_id isle__thread_clock(void)
{
    clockid_t clock;
    return pthread_getcpuclockid(pthread_self(), &clock) == 0 ? clock : 0;
}

/* 0 is CLOCK_REALTIME, never a thread's clock. */
bool isle__thread_wants_core(uint64_t id)
{
    char path[64], text[256];
    (void)snprintf(path, sizeof(path), "/proc/self/task/%llu/stat", (unsigned long long)id);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t size = read(fd, text, sizeof(text) - 1);
    close(fd);
    if (size <= 0)
        return false;
    text[size] = '\0';
    const char *end = strrchr(text, ')'); /* the name before it may hold anything */
    return end != NULL && end[1] == ' ' && end[2] == 'R';
}

int64_t isle__thread_clock_read(isle__thread_clock_id clock)
{
    struct timespec used;
    if (clock == 0 || clock_gettime(clock, &used) != 0)
        return -1;
    return (int64_t)used.tv_sec * 1000000000 + used.tv_nsec;
}

_Static_assert(sizeof(pthread_mutex_t) <= sizeof(struct isle__mutex), "a mutex fits");

static pthread_mutex_t *thread_mutex(struct isle__mutex *mutex)
{
    return (pthread_mutex_t *)(void *)mutex->bytes;
}

void isle__mutex_init(struct isle__mutex *mutex)
{
    pthread_mutex_init(thread_mutex(mutex), NULL);
}

void isle__mutex_destroy(struct isle__mutex *mutex)
{
    pthread_mutex_destroy(thread_mutex(mutex));
}

void isle__mutex_lock(struct isle__mutex *mutex)
{
    pthread_mutex_lock(thread_mutex(mutex));
}

void isle__mutex_unlock(struct isle__mutex *mutex)
{
    pthread_mutex_unlock(thread_mutex(mutex));
}

/* true: the time is over. */
static bool parker_wait(struct isle__parker *parker, int64_t timeout_ns)
{
    struct timespec timeout = {.tv_sec = (time_t)(timeout_ns / 1000000000),
                               .tv_nsec = (long)(timeout_ns % 1000000000)};
    return syscall(SYS_futex, &parker->state, FUTEX_WAIT_PRIVATE, PARKER_PARKED,
                   timeout_ns == ISLE_FOREVER ? NULL : &timeout, NULL, 0) != 0 &&
           errno == ETIMEDOUT;
}

/* The thread sanitizer keeps a signal until its thread calls a function that it intercepts, which
 * syscall is not; so under it a thread with nothing to do looks now and then. */
static void parker_sleep(struct isle__parker *parker, int64_t timeout_ns)
{
#if ISLE__TSAN
    for (int64_t look_ns = 50000000; timeout_ns > look_ns; timeout_ns -= look_ns) {
        if (!parker_wait(parker, look_ns))
            return;
        nanosleep(&(const struct timespec){0}, NULL);
    }
#endif
    (void)parker_wait(parker, timeout_ns);
}

void isle__parker_park(struct isle__parker *parker, int64_t timeout_ns)
{
    int error_number = errno;
    uint32_t state = PARKER_EMPTY;
    if (timeout_ns > 0 &&
        atomic_compare_exchange_strong_explicit(&parker->state, &state, PARKER_PARKED,
                                                memory_order_relaxed, memory_order_relaxed))
        parker_sleep(parker, timeout_ns);
    /* Takes a permit, and the order with the release in isle__parker_unpark. */
    atomic_exchange_explicit(&parker->state, PARKER_EMPTY, memory_order_acquire);
    errno = error_number;
}

void isle__parker_unpark(struct isle__parker *parker)
{
    /* Releases to the exchange in isle__parker_park. After it the parker may be gone: the kernel
     * only compares its address. */
    if (atomic_exchange_explicit(&parker->state, PARKER_PERMIT, memory_order_release) ==
        PARKER_PARKED)
        syscall(SYS_futex, &parker->state, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}
