/* SPDX-License-Identifier: Apache-2.0 */
/* What the test programs of the platform layer on Linux share: threads, children, pairs of
 * contexts. Includes come first, with all that Linux shows. */
#ifndef ISLE_TEST_PLATFORM_HELP_H
#define ISLE_TEST_PLATFORM_HELP_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "platform/platform.h"

#define UNDER_ASAN (strcmp(TEST_SANITIZER, "address") == 0)
#define UNDER_TSAN (strcmp(TEST_SANITIZER, "thread") == 0)

static inline void start(struct isle__thread *thread, void (*fn)(void *argument), void *argument)
{
    CHECK_ERR(isle__thread_start(thread, "test", fn, argument), ISLE_OK);
}

/* Runs body in a child and gives its wait status. */
static inline int in_child(void (*body)(void))
{
    int status = 0;
    fflush(NULL);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        body();
        _exit(0);
    }
    CHECK_INT(waitpid(child, &status, 0), child);
    return status;
}

struct pair {
    struct isle__context home, away;
    struct isle__stack stack;
    int64_t switches;
    double sum; /* a register that must survive */
};

static inline void pair_open(struct pair *pair, size_t size, void (*entry)(void *argument))
{
    CHECK_ERR(isle__stack_alloc(size, &pair->stack), ISLE_OK);
    isle__context_init_thread(&pair->home);
    isle__context_init(&pair->away, pair->stack, entry, pair);
}

static inline void pair_close(struct pair *pair)
{
    isle__context_fini(&pair->away);
    isle__stack_free(pair->stack);
}

#endif
