/* SPDX-License-Identifier: Apache-2.0 */
/* Attacks that use things up: memory, processor time, threads, files, the patience of others.
 *
 * Each is bounded by itself, far above what the policy grants: without a sandbox it takes that much
 * and has succeeded. What it got is the measure. */
#include "attack.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum {
    RESOURCES_GRANTED = 64, /* MiB */
    RESOURCES_TOUCHED = 256,
    RESOURCES_RESERVED = 4096,
    RESOURCES_THREADS = 64,
    RESOURCES_SPIN = 4 /* seconds of processor time */
};
static const size_t resources_mib = (size_t)1 << 20;

/* Asks for pieces until there are no more or it has `most`, in MiB; touches what it gets if told.
 */
static int resources_take(void *(*more)(size_t size), size_t piece, size_t most, bool touch)
{
    for (size_t had = 0; had < most; had += piece) {
        char *memory = more(piece * resources_mib);

        if (!memory || memory == MAP_FAILED)
            return errno;
        for (size_t i = 0; touch && i < piece * resources_mib; i += 4096)
            memory[i] = 1;
        attack_world->value = (int64_t)(had + piece);
    }
    return ATTACK_WORKS;
}

static void *resources_malloc_of(size_t size)
{
    return malloc(size);
}

static void *resources_map_of(size_t size)
{
    return mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1,
                0);
}

static void *resources_shared_of(size_t size)
{
    return mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}

static void *resources_opened_of(size_t size)
{
    char *memory = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (memory == MAP_FAILED || mprotect(memory, size, PROT_READ | PROT_WRITE))
        return NULL;
    return memory;
}

static void *resources_break_of(size_t size)
{
    return sbrk((intptr_t)size);
}

static void *resources_file_of(size_t size)
{
    return mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE, attack_world->code, 0);
}

static int resources_malloc(void)
{
    return resources_take(resources_malloc_of, 1, RESOURCES_TOUCHED, true);
}

static int resources_reserve(void)
{
    return resources_take(resources_malloc_of, 16, RESOURCES_RESERVED, false);
}

static int resources_noreserve(void)
{
    return resources_take(resources_map_of, 64, RESOURCES_RESERVED, false);
}

static int resources_break(void)
{
    return resources_take(resources_break_of, 1, RESOURCES_TOUCHED, true);
}

static int resources_shared(void)
{
    return resources_take(resources_shared_of, 1, RESOURCES_TOUCHED, true);
}

static int resources_opened(void)
{
    return resources_take(resources_opened_of, 1, RESOURCES_TOUCHED, true);
}

static int resources_file(void)
{
    return resources_take(resources_file_of, 16, RESOURCES_RESERVED, false);
}

/* Down the stack, a page a call; who is called has the caller's page, so none can be used again. */
static int __attribute__((noinline)) resources_descend(size_t left, volatile char *above)
{
    volatile char page[4096];

    page[0] = *above;
    attack_world->value = (int64_t)((RESOURCES_TOUCHED * resources_mib - left) >> 20);
    if (left <= sizeof page)
        return 0;
    return resources_descend(left - sizeof page, page) + page[0];
}

static int resources_stack(void)
{
    volatile char first = 0;

    return resources_descend(RESOURCES_TOUCHED * resources_mib, &first);
}

static int resources_fork_bomb(void)
{
    for (int i = 0; i < RESOURCES_THREADS; i++) {
        pid_t child = fork();

        if (child == 0)
            for (;;)
                pause();
        if (child < 0)
            return errno;
        attack_world->value = i + 1;
    }
    return ATTACK_WORKS;
}

static void *resources_wait(void *unused)
{
    (void)unused;
    for (;;)
        pause();
    return NULL;
}

static int resources_thread_bomb(void)
{
    pthread_attr_t small;

    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 64 * 1024);
    for (int i = 0; i < RESOURCES_THREADS; i++) {
        pthread_t thread;
        int error = pthread_create(&thread, &small, resources_wait, NULL);

        if (error)
            return error;
        attack_world->value = i + 1;
    }
    return ATTACK_WORKS;
}

static int64_t resources_used_ns(void)
{
    struct timespec used;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return used.tv_sec * INT64_C(1000000000) + used.tv_nsec;
}

static int resources_spin(void)
{
    while (resources_used_ns() < RESOURCES_SPIN * INT64_C(1000000000))
        ;
    return ATTACK_WORKS;
}

static int resources_spin_deaf(void)
{
    sigset_t all;

    signal(SIGXCPU, SIG_IGN);
    signal(SIGTERM, SIG_IGN);
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    return resources_spin();
}

static int resources_stop(void)
{
    return attack_verdict(raise(SIGSTOP));
}

static int resources_stop_for_terminal(void)
{
    return attack_verdict(raise(SIGTTOU));
}

static int resources_write_file(void)
{
    lseek(attack_world->file, 0, SEEK_END);
    return attack_verdict(write(attack_world->file, "more", 4));
}

static int resources_write_far(void)
{
    return attack_verdict(pwrite(attack_world->file, "more", 4, 1 << 30));
}

/* 64 MiB in one call to a pipe that nobody reads: some of it goes, and nobody waits. */
static int resources_write_much(void)
{
    size_t size = 64 * resources_mib;
    void *memory = mmap(NULL, size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ssize_t wrote;

    if (memory == MAP_FAILED)
        return errno;
    wrote = write(attack_world->pipe_writes, memory, size);
    attack_world->value = wrote;
    if (wrote < 0)
        return errno;
    return (size_t)wrote == size ? ATTACK_WORKS : ATTACK_NOTHING;
}

#define RESOURCES_MEMORY                                                                           \
    .all = "ENOMEM", .limits = "ENOMEM", .memory = RESOURCES_GRANTED, .measure = "MiB"

static const struct attack_row attack_resources_rows[] = {
    ATTACK_ROW("90a", resources, malloc, "256 MiB of `malloc`, touched; 64 granted",
               RESOURCES_MEMORY),
    ATTACK_ROW("90b", resources, reserve, "4 GiB of `malloc`, untouched", RESOURCES_MEMORY),
    ATTACK_ROW("90c", resources, noreserve, "4 GiB without reserve", RESOURCES_MEMORY),
    ATTACK_ROW("90d", resources, break, "256 MiB by `brk`", RESOURCES_MEMORY),
    ATTACK_ROW("90e", resources, shared, "256 MiB of shared memory", .all = "EINVAL|EACCES|ENOMEM",
               .seccomp = "EINVAL|EACCES|ENOMEM", .memory = RESOURCES_GRANTED, .measure = "MiB"),
    ATTACK_ROW("90f", resources, opened, "256 MiB reserved, then opened by `mprotect`",
               RESOURCES_MEMORY),
    ATTACK_ROW("90g", resources, file, "4 GiB of private copies of a file", RESOURCES_MEMORY),
    ATTACK_ROW("90h", resources, stack, "256 MiB of stack", .all = "SIGSEGV", .limits = "SIGSEGV",
               .without = "works|SIGSEGV", .why = "the user's own limit of stacks",
               .harmless = true, .measure = "MiB"),
    ATTACK_ROW("92a", resources, fork_bomb, "64 processes", .all = "EPERM", .seccomp = "EPERM",
               .limits = "EAGAIN", .measure = "processes"),
    ATTACK_ROW("92b", resources, thread_bomb, "64 threads, none granted", .all = "EAGAIN",
               .seccomp = "EAGAIN", .limits = "EAGAIN", .measure = "threads"),
    ATTACK_ROW("94a", resources, spin, "4 s of processor time; 1 granted", .all = "SIGXCPU",
               .limits = "SIGXCPU", .cpu = 1, .measure = "s"),
    ATTACK_ROW("94b", resources, spin_deaf, "the same with every signal ignored and blocked",
               .all = "SIGKILL", .limits = "SIGKILL", .cpu = 1, .measure = "s"),
    ATTACK_ROW("96a", resources, stop, "stop itself (`SIGSTOP`)", .all = "EPERM",
               .seccomp = "EPERM"),
    ATTACK_ROW("96b", resources, stop_for_terminal, "stop itself (`SIGTTOU`)", .all = "EPERM",
               .seccomp = "EPERM"),
    ATTACK_ROW("98", resources, write_much, "64 MiB in one call to a pipe nobody reads",
               .all = "nothing", .without = "nothing",
               .why = "the pipe takes what it has room for, and nobody waits", .harmless = true),
    ATTACK_ROW("99a", resources, write_file, "write to an inherited file", .all = "SIGXFSZ",
               .limits = "SIGXFSZ"),
    ATTACK_ROW("99b", resources, write_far, "write far behind its end", .all = "SIGXFSZ",
               .limits = "SIGXFSZ"),
};
ATTACK_GROUP(attack_resources, "Resources");
