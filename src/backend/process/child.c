/* SPDX-License-Identifier: Apache-2.0 */
/* A child of the zygote, from the fork to the isolate's program.
 *
 * Law: never go on half-locked. A step that fails ends the process with ISLE__CHILD_FAILED, and a
 * hello that says why. All that it says of itself goes through its ring: nobody but the host reads
 * what it writes.
 *
 * What it keeps: its two bells, its courier, 0 to 2 (/dev/null, or a pipe for what it prints). The
 * order is that of the design: what needs a right is done before the layer that takes it away. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "backend/process/request.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

bool (*isle__child_begins)(struct isle__channel *channel);
int (*isle__child_runs)(struct isle__channel *channel, int courier, void *entry);

enum {
    CHILD_KEPT_MAX = ISLE__REQUEST_FDS + 8,
    CHILD_LAST = 1023 /* descriptor: a zygote has closed all others, and has far fewer */
};

/* For the handler of forbidden calls too. */
static struct isle__channel *child_channel;

struct child_fds {
    int bell_in, bell_out, memory_in, memory_out, courier, log, door, copy; /* -1: none */
    struct isle__sandbox_paths paths;
};

/* --- hello */

static void child_hello(uint32_t reached, const char *failure)
{
    struct isle__child_hello hello = {.magic = ISLE__HELLO_MAGIC, .reached = reached};
    if (failure != NULL) {
        hello.failed = 1;
        (void)snprintf(hello.text, sizeof hello.text, "%s", failure);
    }
    if (isle__channel_put(child_channel, &hello, sizeof hello, NULL, 0) != ISLE__CHANNEL_OK)
        _exit(ISLE__CHILD_FAILED);
    /* What has come already is answered at once, and the hello goes out with the answer. */
    if (failure != NULL || !isle__channel_stirs(child_channel))
        isle__channel_flush(child_channel);
}

ISLE_NORETURN static void child_fail(const char *text)
{
    if (child_channel != NULL)
        child_hello(0, text);
    _exit(ISLE__CHILD_FAILED);
}

ISLE_NORETURN static void child_fail_errno(const char *what)
{
    char reason[64], text[ISLE__SANDBOX_TEXT];
    const char *said = strerror_r(errno, reason, sizeof reason);
    (void)snprintf(text, sizeof text, "%s: %s", what, said);
    child_fail(text);
}

/* --- descriptors */

static void fds_read(const struct isle__child_start *start, struct child_fds *fds)
{
    const struct isle__zygote_request *request = start->request;
    const int *at = start->fds + ISLE__FD_REST;
    *fds = (struct child_fds){.memory_in = start->fds[ISLE__FD_MEMORY_IN],
                              .memory_out = start->fds[ISLE__FD_MEMORY_OUT],
                              .bell_in = start->fds[ISLE__FD_BELL_IN],
                              .bell_out = start->fds[ISLE__FD_BELL_OUT],
                              .courier = start->fds[ISLE__FD_COURIER],
                              .log = -1,
                              .door = -1,
                              .copy = -1};
    if (request->has_log != 0)
        fds->log = *at++;
    if (request->has_door != 0)
        fds->door = *at++;
    if (request->has_copy != 0)
        fds->copy = *at++;
    fds->paths.reads = at;
    fds->paths.read_count = request->read_count;
    fds->paths.code = at + request->read_count;
    fds->paths.code_count = request->code_count;
}

struct fds_kept {
    int fds[CHILD_KEPT_MAX]; /* ascending */
    uint32_t count;
};

static void fds_keep(struct fds_kept *kept, int fd)
{
    uint32_t at = kept->count;
    if (fd < 0)
        return;
    for (; at > 0 && kept->fds[at - 1] > fd; at--)
        kept->fds[at] = kept->fds[at - 1];
    kept->fds[at] = fd;
    kept->count++;
}

/* The bells and the courier to their numbers: the zygote has received everything above those. */
static void fds_renumber(struct child_fds *fds)
{
    if (dup3(fds->bell_in, ISLE__CHILD_BELL_IN, O_CLOEXEC) < 0 ||
        dup3(fds->bell_out, ISLE__CHILD_BELL_OUT, O_CLOEXEC) < 0 ||
        dup3(fds->courier, ISLE__CHILD_COURIER, O_CLOEXEC) < 0 ||
        (fds->log >= 0 &&
         (dup3(fds->log, STDOUT_FILENO, 0) < 0 || dup3(fds->log, STDERR_FILENO, 0) < 0)))
        child_fail_errno("dup3");
    fds->bell_in = ISLE__CHILD_BELL_IN;
    fds->bell_out = ISLE__CHILD_BELL_OUT;
    fds->courier = ISLE__CHILD_COURIER;
}

/* After the channel is attached, whose memories are closed then. */
static void fds_close_others(const struct isle__child_start *start, const struct child_fds *fds)
{
    struct fds_kept kept = {.count = 0};
    int first = ISLE__CHILD_COURIER + 1;
    fds_keep(&kept, start->sandbox->landlock);
    fds_keep(&kept, start->sandbox->root);
    fds_keep(&kept, fds->door);
    fds_keep(&kept, fds->copy);
    for (uint32_t i = 0; i < fds->paths.read_count; i++)
        fds_keep(&kept, fds->paths.reads[i]);
    for (uint32_t i = 0; i < fds->paths.code_count; i++)
        fds_keep(&kept, fds->paths.code[i]);
    for (uint32_t i = 0; i < kept.count; i++) {
        isle__fd_close_between(first, kept.fds[i] - 1);
        first = kept.fds[i] + 1;
    }
    isle__fd_close_between(first, CHILD_LAST);
}

/* close is a call that every filter allows. */
static void fds_close_paths(const struct child_fds *fds)
{
    if (fds->copy >= 0)
        close(fds->copy);
    for (uint32_t i = 0; i < fds->paths.read_count; i++)
        close(fds->paths.reads[i]);
    for (uint32_t i = 0; i < fds->paths.code_count; i++)
        close(fds->paths.code[i]);
}

/* --- steps */

static void step_signals(void)
{
    sigset_t none;
    (void)prctl(PR_SET_NAME, (unsigned long)(uintptr_t) "isle-isolate", 0UL, 0UL, 0UL);
    sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
}

static void step_channel(const struct isle__child_start *start, struct child_fds *fds)
{
    struct isle__channel_fds ends;
    fds_renumber(fds);
    ends = (struct isle__channel_fds){.memory_in = fds->memory_in,
                                      .memory_out = fds->memory_out,
                                      .bell_in = fds->bell_in,
                                      .bell_out = fds->bell_out};
    isle_err err = isle__channel_attach(&ends, start->request->out_size, start->request->in_size,
                                        ISLE__CHANNEL_RECORD_MAX, &child_channel);
    if (err != ISLE_OK)
        child_fail(isle_err_text(err));
    fds_close_others(start, fds);
}

/* Siblings are forks of one process: what it would have drawn, all of them would. */
static void step_chance(void)
{
    unsigned seeds[2];
    isle__random_fill(seeds, sizeof seeds);
    srandom(seeds[0]);
    srand48((long)seeds[1]);
}

/* The call is refused already, unless it is one that is answered here. Its number is told; then
 * another one that no filter allows kills, since the signal is blocked here. Async-signal-safe. */
static void child_forbidden(int signal, siginfo_t *info, void *context)
{
    (void)signal;
    if (isle__sandbox_answer(info, context))
        return;
    isle__channel_mark(child_channel, (uint32_t)info->si_syscall + 1);
    (void)syscall(SYS_ptrace, 0L, 0L, 0L, 0L);
    _exit(ISLE__CHILD_FAILED);
}

static void step_audit(const struct isle__child_start *start)
{
    struct sigaction action = {.sa_sigaction = child_forbidden, .sa_flags = SA_SIGINFO};
    sigfillset(&action.sa_mask);
    if (start->request->policy.audit != 0 && sigaction(SIGSYS, &action, NULL) != 0)
        child_fail_errno("sigaction");
}

/* From here on strangers' code has run. A copy is of an object whose path is not open to us; /proc
 * is that of the real root, which who loads keeps. */
static void *step_load(const struct isle__zygote_request *request, int copy)
{
    char path[32];
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", copy);
    void *library = dlopen(copy >= 0 ? path : request->object, RTLD_NOW | RTLD_LOCAL);
    void *entry = library != NULL ? dlsym(library, request->entry) : NULL;
    if (entry == NULL) {
        const char *reason = dlerror();
        child_fail(reason != NULL ? reason : "the entry is NULL");
    }
    return entry;
}

static void *step_sandbox_and_code(const struct isle__child_start *start,
                                   const struct child_fds *fds, uint32_t *ret_reached)
{
    const struct isle__zygote_request *request = start->request;
    if (isle__sandbox_child_loads(start->sandbox, &request->policy, &fds->paths) != ISLE_OK)
        child_fail(start->sandbox->text);
    void *entry = step_load(request, fds->copy);
    if (isle__sandbox_child_runs(start->sandbox, &request->policy, ret_reached) != ISLE_OK)
        child_fail(start->sandbox->text);
    return entry;
}

static void *step_sandbox(const struct isle__child_start *start, const struct child_fds *fds,
                          uint32_t *ret_reached)
{
    void *entry = NULL;
    start->sandbox->courier = ISLE__CHILD_COURIER;
    if (fds->door >= 0 && isle__sandbox_child_enters(start->sandbox, fds->door) != ISLE_OK)
        child_fail(start->sandbox->text);
    if (fds->door >= 0)
        close(fds->door);
    step_audit(start);
    if (start->request->has_code != 0) {
        entry = step_sandbox_and_code(start, fds, ret_reached);
    } else {
        if (isle__sandbox_child(start->sandbox, &start->request->policy, &fds->paths,
                                ret_reached) != ISLE_OK)
            child_fail(start->sandbox->text);
    }
    fds_close_paths(fds);
    return entry;
}

void isle__child_begin(const struct isle__child_start *start)
{
    struct child_fds fds;
    uint32_t reached = 0;
    fds_read(start, &fds);
    step_signals();
    step_channel(start, &fds);
    step_chance();
    if (isle__child_begins != NULL && !isle__child_begins(child_channel))
        child_fail("the isolate's program does not start");
    void *entry = step_sandbox(start, &fds, &reached);
    child_hello(reached, NULL);
    if (isle__child_runs == NULL)
        _exit(ISLE__CHILD_FAILED);
    int status = isle__child_runs(child_channel, ISLE__CHILD_COURIER, entry);
    (void)fflush(NULL); /* what it printed to its log */
    _exit(status);
}
