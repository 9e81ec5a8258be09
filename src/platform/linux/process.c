/* SPDX-License-Identifier: Apache-2.0 */
/* The process as a whole: what this system has, forks, last words. isle__report and what it calls
 * are async-signal-safe. */
#include "platform/linux/linux.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

static _Atomic(void (*)(void)) process_child;
static pthread_once_t process_once = PTHREAD_ONCE_INIT;

bool isle__platform_has(enum isle__feature feature)
{
    switch (feature) {
    case ISLE__HAS_THREADS:
    case ISLE__HAS_STACKS:
    case ISLE__HAS_POLLER:
    case ISLE__HAS_LOADER:
        return true;
    }
    return false;
}

const char *isle__environment(const char *name)
{
    return secure_getenv(name);
}

static void process_forked(void)
{
    void (*child)(void) = atomic_load_explicit(&process_child, memory_order_acquire);
    if (child != NULL)
        child();
}

static void process_watch_forks(void)
{
    if (pthread_atfork(NULL, NULL, process_forked) != 0)
        isle__die("isle: no memory to watch forks");
}

void isle__fork_watch(void (*child)(void))
{
    /* Pairs with the load in process_forked, which the forking thread runs. */
    atomic_store_explicit(&process_child, child, memory_order_release);
    pthread_once(&process_once, process_watch_forks);
}

#if ISLE__TSAN
extern void AnnotateIgnoreReadsEnd(const char *file, int line);
extern void AnnotateIgnoreSyncEnd(const char *file, int line);
static bool process_goes_on; /* in its children */

static void process_looked_away(void)
{
    if (!process_goes_on || isle__context_fibers == 0) /* then it has not looked away */
        return;
    AnnotateIgnoreReadsEnd(__FILE__, __LINE__);
    AnnotateIgnoreSyncEnd(__FILE__, __LINE__);
}

/* After the sanitizer's own handler, which makes it look away, and before those that unlock. */
__attribute__((constructor)) static void process_watch_looks(void)
{
    (void)pthread_atfork(NULL, NULL, process_looked_away);
}
#endif

void isle__forks_go_on(void)
{
#if ISLE__TSAN
    process_goes_on = true;
#endif
}

unsigned isle__threads_of_tools(void)
{
    return ISLE__TSAN;
}

void isle__report(const char *text)
{
    int error_number = errno;
    char line_end = '\n';
    struct iovec parts[2] = {{.iov_base = (void *)(uintptr_t)text, .iov_len = strlen(text)},
                             {.iov_base = &line_end, .iov_len = 1}};
    if (writev(STDERR_FILENO, parts, 2) < 0) {
        /* Nobody is left to tell. */
    }
    errno = error_number;
}

void isle__die(const char *text)
{
    isle__report(text);
    abort();
}

void isle__exit_now(int status)
{
    _exit(status);
}
