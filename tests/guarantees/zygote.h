/* SPDX-License-Identifier: Apache-2.0 */
/* Children of the zygote for tests: what one runs is a loop over commands that the test puts into
 * its ring, one record each, answered by one record each. The test's side of a channel is used by
 * one thread; births are told on the reactor's. */
#ifndef GUARANTEES_ZYGOTE_H
#define GUARANTEES_ZYGOTE_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "guarantees.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "backend/process/host.h"
#include "core/backend.h"

enum command_kind {
    COMMAND_RETURN, /* number: the status */
    COMMAND_EXIT,
    COMMAND_ABORT,
    COMMAND_WRITE_NULL,
    COMMAND_RECURSE,
    COMMAND_RAISE, /* number: the signal */
    COMMAND_CALL,  /* number: a system call; answered if it returns */
    COMMAND_SPIN,
    COMMAND_ALLOCATE,    /* number: bytes that are touched; answer: those that could be had */
    COMMAND_ECHO,        /* answer: number */
    COMMAND_DESCRIPTORS, /* answer: the open ones below 62, a bit each; 62: any of the others */
    COMMAND_ENVIRONMENT, /* answer: variables, and bytes of the old ones that are not zero */
    COMMAND_SEARCH,      /* answer: how often the secret is found in memory */
    COMMAND_PRINT,
    COMMAND_RANDOM, /* answer: random() */
    COMMAND_ENTRY   /* answer: what the loaded code returns */
};
struct command {
    int64_t kind, number;
};

/* --- inside */

/* The secret is never in the program's file: each byte is another when it is read. */
enum { SECRET_SIZE = 32 };
static unsigned char secret_seed[SECRET_SIZE] = "\x16\x0a\x06\x45\x0d\x0a\x16\x11\x45\x0e\x0b\x0a"
                                                "\x12\x16\x45\x11\x0d\x0c\x16\x45\x04\x09\x0a\x0b"
                                                "\x00\x49\x45\x0a\x0b\x09\x1c";

/* Reads what lies between things, too. */
#define READS_ANYTHING __attribute__((no_sanitize("address", "thread"), noinline))

READS_ANYTHING static bool secret_is_at(const volatile unsigned char *at)
{
    for (size_t i = 0; i < SECRET_SIZE - 1; i++)
        if (at[i] != (secret_seed[i] ^ 0x65))
            return false;
    return true;
}

READS_ANYTHING static int64_t secret_count(const void *low, const void *high)
{
    int64_t count = 0;

    for (const unsigned char *at = low; at + SECRET_SIZE <= (const unsigned char *)high; at++)
        count += secret_is_at(at);
    return count;
}

struct kid_environment {
    char *low, *high; /* of the bytes of main's, before the zygote emptied it */
    char *heap;
};
static struct kid_environment kid_environment;

__attribute__((constructor)) static void kid_environment_note(int argc, char **argv, char **envp)
{
    (void)argc, (void)argv;
    kid_environment.heap = sbrk(0);
    kid_environment.low = envp[0];
    for (char **at = envp; *at != NULL; at++)
        kid_environment.high = *at + strlen(*at);
}

static inline int64_t kid_read_environment(void)
{
    extern char **environ;
    int64_t left = 0;

    for (char **at = environ; at != NULL && *at != NULL; at++)
        left += 1000000;
    for (const char *at = kid_environment.low; at != NULL && at < kid_environment.high; at++)
        left += *at != '\0';
    return left;
}

static inline int64_t kid_descriptors(void)
{
    int64_t open = 0;

    for (int fd = 0; fd < 1024; fd++)
        if (fcntl(fd, F_GETFD) >= 0)
            open |= (int64_t)1 << (fd < 62 ? fd : 62);
    return open;
}

extern char __data_start, _end;

/* Its data, its heap, its stack with all that the system left there. */
static inline int64_t kid_search(void)
{
    unsigned char here = 0;

    return secret_count(&__data_start, &_end) +
           secret_count(&here, kid_environment.high != NULL ? kid_environment.high
                                                            : (char *)&here + 4096) +
           secret_count(kid_environment.heap, sbrk(0));
}

static inline int64_t kid_allocate(int64_t bytes)
{
    int64_t got = 0;

    for (; got < bytes; got += 1 << 20) {
        char *volatile block = malloc(1 << 20); /* or clang needs none */

        if (block == NULL)
            break;
        memset(block, 1, 1 << 20);
    }
    return got;
}

__attribute__((noinline)) static int64_t kid_recurse(volatile int64_t depth)
{
    volatile char room[512];

    room[0] = (char)depth;
    if (depth < 0)
        return 0;
    return kid_recurse(depth + 1) + room[0];
}

static inline int64_t kid_answer(const struct command *command, void *entry)
{
    volatile int *volatile nowhere = NULL;

    switch (command->kind) {
    case COMMAND_EXIT:
        exit((int)command->number);
    case COMMAND_ABORT:
        abort();
    case COMMAND_WRITE_NULL:
        *nowhere = 1;
        break;
    case COMMAND_RECURSE:
        return kid_recurse(command->number);
    case COMMAND_RAISE:
        return raise((int)command->number);
    case COMMAND_CALL:
        return syscall(command->number, 0L, 0L, 0L, 0L, 0L, 0L);
    case COMMAND_SPIN:
        for (volatile uint64_t spins = 0;; spins++)
            continue;
    case COMMAND_ALLOCATE:
        return kid_allocate(command->number);
    case COMMAND_ECHO:
        return command->number;
    case COMMAND_DESCRIPTORS:
        return kid_descriptors();
    case COMMAND_ENVIRONMENT:
        return kid_read_environment();
    case COMMAND_SEARCH:
        return kid_search();
    case COMMAND_PRINT:
        printf("printed inside\n");
        fflush(stdout);
        return 0;
    case COMMAND_RANDOM:
        return random();
    case COMMAND_ENTRY:
        return entry == NULL ? -1 : ((int (*)(void))(uintptr_t)entry)();
    default:
        break;
    }
    return -1;
}

static inline int kid_runs(struct isle__channel *channel, int courier, void *entry)
{
    struct command command;
    size_t size;

    (void)courier;
    for (;;) {
        enum isle__channel_state state = isle__channel_next(channel, &size);

        if (state == ISLE__CHANNEL_EMPTY) {
            isle__channel_wait(channel, ISLE_FOREVER);
            continue;
        }
        if (state != ISLE__CHANNEL_OK || size != sizeof command)
            return 99;
        isle__channel_take(channel, &command, sizeof command, NULL);
        isle__channel_taken(channel);
        if (command.kind == COMMAND_RETURN)
            return (int)command.number;
        int64_t answer = kid_answer(&command, entry);
        if (isle__channel_put(channel, &answer, sizeof answer, NULL, 0) != ISLE__CHANNEL_OK)
            return 98;
        isle__channel_flush(channel);
    }
}

/* --- outside */

struct kid {
    struct isle__birth birth;
    struct isle__channel *channel;
    pthread_t asker;
    bool is_born, was_told_inside; /* the ask */
    int log;
    int pidfd; /* the birth's, as long as it lives */
    sem_t told, died;
    _Atomic int times_told, times_died;
    struct isle__death death;
};

static inline void kid_was_told(struct isle__birth *birth, void *context)
{
    struct kid *kid = context;

    kid->is_born = birth->pidfd >= 0;
    kid->pidfd = birth->pidfd;
    kid->was_told_inside = pthread_equal(kid->asker, pthread_self());
    kid->channel = birth->channel;
    kid->log = birth->log;
    birth->channel = NULL;
    birth->log = -1;
    atomic_fetch_add(&kid->times_told, 1);
    sem_post(&kid->told);
}

static inline void kid_has_died(struct isle__birth *birth, const struct isle__death *death,
                                void *context)
{
    struct kid *kid = context;

    (void)birth;
    kid->death = *death;
    atomic_fetch_add(&kid->times_died, 1);
    sem_post(&kid->died);
}

static inline void semaphore_wait_for(sem_t *semaphore, const char *what)
{
    struct timespec until;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 20;
    while (sem_timedwait(semaphore, &until) != 0)
        if (errno != EINTR)
            fail("nobody tells that a child is %s", what);
}

static inline void zygote_needed(void)
{
    char text[256] = "";

    if (isle__zygote_need(text, sizeof text) != ISLE_OK)
        fail("no zygote: %s", text);
}

static inline struct kid *kid_new(void)
{
    struct kid *kid = calloc(1, sizeof *kid);

    CHECK(kid != NULL);
    CHECK_INT(sem_init(&kid->told, 0, 0), 0);
    CHECK_INT(sem_init(&kid->died, 0, 0), 0);
    kid->asker = pthread_self();
    kid->birth.told = kid_was_told;
    kid->birth.died = kid_has_died;
    kid->birth.context = kid;
    return kid;
}

static inline void kid_ask(struct kid *kid)
{
    zygote_needed();
    if (isle__birth_ask(&kid->birth, NULL, NULL, 0) != ISLE_OK)
        fail("a birth is refused: %s", kid->birth.error);
}

/* Waits until it is there; the channel is the test's. */
static inline void kid_stands(struct kid *kid)
{
    semaphore_wait_for(&kid->told, "born");
    if (!kid->is_born)
        fail("a birth is refused: %s", kid->birth.error);
}

static inline void kid_wait(struct kid *kid)
{
    isle__channel_wait(kid->channel, ISLE_MS(100));
    if (sem_trywait(&kid->died) == 0)
        fail("a child is dead that was to answer: code %d, status %d", kid->death.code,
             kid->death.status);
}

static inline void kid_greet(struct kid *kid)
{
    enum isle__channel_state state;

    while ((state = isle__birth_greet(&kid->birth, kid->channel)) == ISLE__CHANNEL_EMPTY)
        kid_wait(kid);
    CHECK_INT(state, ISLE__CHANNEL_OK);
    isle__birth_settled(&kid->birth);
}

static inline struct kid *kid_born(void)
{
    struct kid *kid = kid_new();

    kid_ask(kid);
    kid_stands(kid);
    kid_greet(kid);
    return kid;
}

static inline void kid_do(struct kid *kid, enum command_kind kind, int64_t number)
{
    struct command command = {(int64_t)kind, number};

    CHECK_INT(isle__channel_put(kid->channel, &command, sizeof command, NULL, 0), ISLE__CHANNEL_OK);
    isle__channel_flush(kid->channel);
}

static inline int64_t kid_says(struct kid *kid)
{
    int64_t answer = 0;
    size_t size;

    for (;;) {
        enum isle__channel_state state = isle__channel_next(kid->channel, &size);

        if (state == ISLE__CHANNEL_OK)
            break;
        CHECK_INT(state, ISLE__CHANNEL_EMPTY);
        kid_wait(kid);
    }
    CHECK_UINT(size, sizeof answer);
    isle__channel_take(kid->channel, &answer, sizeof answer, NULL);
    isle__channel_taken(kid->channel);
    return answer;
}

static inline int64_t kid_asked(struct kid *kid, enum command_kind kind, int64_t number)
{
    kid_do(kid, kind, number);
    return kid_says(kid);
}

static inline void kid_free(struct kid *kid)
{
    CHECK_INT(atomic_load(&kid->times_told), 1);
    CHECK_INT(atomic_load(&kid->times_died), 1);
    isle__channel_close(kid->channel);
    isle__fd_close(kid->log);
    sem_destroy(&kid->told);
    sem_destroy(&kid->died);
    free(kid);
}

/* Waits for its end and checks how it was. */
static inline void kid_ended(struct kid *kid, int code, int status)
{
    semaphore_wait_for(&kid->died, "dead");
    CHECK(kid->death.is_known);
    if (code == CLD_KILLED && kid->death.code == CLD_DUMPED)
        fail("a child left a core file");
    if (kid->death.code != code || kid->death.status != status)
        fail("a child ended with code %d, status %d, expected %d, %d", kid->death.code,
             kid->death.status, code, status);
    test_count_check();
}

static inline void kid_kill(struct kid *kid)
{
    isle__birth_kill(&kid->birth);
    kid_ended(kid, CLD_KILLED, SIGKILL);
}

/* The process id that a pidfd leads to, as we see it. */
static inline pid_t pid_of(int pidfd)
{
    char path[64], line[128];
    int pid = -1;
    FILE *info;

    snprintf(path, sizeof path, "/proc/self/fdinfo/%d", pidfd);
    info = fopen(path, "re");
    CHECK(info != NULL);
    while (fgets(line, sizeof line, info) != NULL)
        (void)sscanf(line, "Pid: %d", &pid);
    fclose(info);
    return pid;
}

/* True: it is dead. */
static inline bool pidfd_dies(int pidfd, int timeout_ms)
{
    struct pollfd gone = {.fd = pidfd, .events = POLLIN};

    return poll(&gone, 1, timeout_ms) == 1;
}

/* Births and kills one after another; every other child is busy when it is killed. */
static inline void births_and_kills(int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        struct kid *kid = kid_born();

        if (i % 2 == 0)
            kid_do(kid, COMMAND_SPIN, 0);
        kid_kill(kid);
        kid_free(kid);
    }
}

/* --- programs that the test starts itself */

static const isle_program_options none_warm = {.warm_process_count = ISLE_NO_WARM_PROCESSES};

static inline void program_starts(const isle_program_options *options)
{
    CHECK_ERR(isle_start(0, NULL, options), ISLE_OK);
}

static inline void program_stops(void)
{
    isle__zygote_stop();
    isle_stop();
}

/* --- main: a test whose process has this label does not say that it may be a zygote */

#define SILENT_MAIN "silent main"

int main(int argc, char **argv)
{
    const char *label = child_label();

    isle__child_runs = kid_runs;
    if (label == NULL || strcmp(label, SILENT_MAIN) != 0)
        isle__zygote_image(argc, argv);
    else
        isle__backend_register(ISLE_PROCESS, NULL); /* isle_start would be asked for the image */
    return test_main(argc, argv);
}

#endif
