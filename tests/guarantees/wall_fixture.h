/* SPDX-License-Identifier: Apache-2.0 */
/* A backend with a wall and without a sandbox: processes that are forks of a helper, which was
 * forked itself before the test had threads. It is registered as ISLE_PROCESS when the program is
 * loaded. For tests of the wall alone.
 *
 * The helper has one thread, forks a child for each request, and tells each death once. It goes
 * with the test. */
#ifndef WALL_FIXTURE_H
#define WALL_FIXTURE_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backend/wall/wall.h"
#include "core/control.h"
#include "core/reactor.h"

enum { FIXTURE_CHILDREN = 4096, FIXTURE_RING = 1 << 17 };

struct fixture_request { /* to the helper: with four descriptors a birth, with none a kill */
    uint64_t serial;
};
struct fixture_report { /* from it */
    uint64_t serial;
    int status;
};

struct fixture_child { /* the host's */
    struct fixture_child *next;
    struct isle__wall *wall;
    uint64_t serial;
    bool asked;
};

static struct {
    int socket;
    struct isle__mutex lock;
    struct fixture_child *children;
    uint64_t serial;
    uint64_t watch;
} fixture;

/* --- the helper */

static struct {
    uint64_t serial;
    pid_t pid;
} fixture_pids[FIXTURE_CHILDREN];

static void fixture_inside(const int *fds)
{
    struct isle__channel_fds ends = {
        .memory_in = fds[0], .memory_out = fds[1], .bell_in = fds[2], .bell_out = fds[3]};
    struct isle__channel *channel;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    close(fixture.socket);
    if (isle__channel_attach(&ends, FIXTURE_RING, FIXTURE_RING, ISLE__CHANNEL_RECORD_MAX,
                             &channel) != ISLE_OK ||
        !isle__wall_inside_begin(channel, ISLE_PROCESS))
        _exit(113);
    int status = isle__wall_inside_run(-1, NULL);
    (void)fflush(NULL);
    _exit(status);
}

static void fixture_fork(uint64_t serial, const int *fds)
{
    pid_t pid = fork();
    if (pid == 0) {
        sigset_t none;
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
        signal(SIGCHLD, SIG_DFL);
        fixture_inside(fds);
    }
    for (size_t i = 0; i < FIXTURE_CHILDREN; i++)
        if (fixture_pids[i].pid == 0) {
            fixture_pids[i].pid = pid;
            fixture_pids[i].serial = serial;
            return;
        }
    _exit(1);
}

static void fixture_reap(void)
{
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
        for (size_t i = 0; i < FIXTURE_CHILDREN; i++)
            if (fixture_pids[i].pid == pid) {
                struct fixture_report report = {fixture_pids[i].serial, status};
                fixture_pids[i].pid = 0;
                if (send(fixture.socket, &report, sizeof report, 0) < 0)
                    _exit(1);
            }
}

static void fixture_serve_one(void)
{
    struct fixture_request request;
    union {
        struct cmsghdr head;
        char bytes[CMSG_SPACE(4 * sizeof(int))];
    } control;
    struct iovec vector = {&request, sizeof request};
    struct msghdr message = {.msg_iov = &vector,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof control};
    ssize_t size = recvmsg(fixture.socket, &message, MSG_CMSG_CLOEXEC);
    if (size <= 0)
        _exit(0);
    struct cmsghdr *part = CMSG_FIRSTHDR(&message);
    if (part != NULL) {
        int fds[4];
        memcpy(fds, CMSG_DATA(part), sizeof fds);
        fixture_fork(request.serial, fds);
        for (int i = 0; i < 4; i++)
            close(fds[i]);
        return;
    }
    for (size_t i = 0; i < FIXTURE_CHILDREN; i++)
        if (fixture_pids[i].pid > 0 && fixture_pids[i].serial == request.serial)
            kill(fixture_pids[i].pid, SIGKILL);
}

static void fixture_noticed(int signal)
{
    (void)signal;
}

static void fixture_help(void)
{
    sigset_t child, old;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    sigprocmask(SIG_BLOCK, &child, &old);
    struct sigaction action = {.sa_handler = fixture_noticed};
    sigaction(SIGCHLD, &action, NULL);
    for (;;) {
        struct pollfd poll = {fixture.socket, POLLIN, 0};
        fixture_reap();
        if (ppoll(&poll, 1, NULL, &old) > 0)
            fixture_serve_one();
    }
}

/* --- the backend, in the test */

static struct fixture_child *fixture_take(uint64_t serial)
{
    struct fixture_child **at, *child;
    isle__mutex_lock(&fixture.lock);
    for (at = &fixture.children; *at != NULL && (*at)->serial != serial; at = &(*at)->next)
        ;
    child = *at;
    if (child != NULL)
        *at = child->next;
    isle__mutex_unlock(&fixture.lock);
    return child;
}

static void fixture_told(void *unused, unsigned events)
{
    struct fixture_report report;
    (void)unused, (void)events;
    while (recv(fixture.socket, &report, sizeof report, MSG_DONTWAIT) == (ssize_t)sizeof report) {
        struct fixture_child *child = fixture_take(report.serial);
        struct isle__wall_end end = {.reason = ISLE_RETURNED};
        if (WIFSIGNALED(report.status)) {
            end.reason = ISLE_SIGNALED;
            (void)snprintf(end.text, sizeof end.text, "SIG%s",
                           sigabbrev_np(WTERMSIG(report.status)));
        } else if (WEXITSTATUS(report.status) != 0) {
            end.reason = ISLE_FAILED;
            (void)snprintf(end.text, sizeof end.text, "exit status %d", WEXITSTATUS(report.status));
        }
        isle__wall_died(child->wall, &end);
    }
}

static bool fixture_send(uint64_t serial, const int *fds)
{
    struct fixture_request request = {serial};
    union {
        struct cmsghdr head;
        char bytes[CMSG_SPACE(4 * sizeof(int))];
    } control;
    struct iovec vector = {&request, sizeof request};
    struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1};
    memset(&control, 0, sizeof control);
    if (fds != NULL) {
        message.msg_control = &control;
        message.msg_controllen = sizeof control;
        struct cmsghdr *part = CMSG_FIRSTHDR(&message);
        part->cmsg_level = SOL_SOCKET;
        part->cmsg_type = SCM_RIGHTS;
        part->cmsg_len = CMSG_LEN(4 * sizeof(int));
        memcpy(CMSG_DATA(part), fds, 4 * sizeof(int));
    }
    return sendmsg(fixture.socket, &message, MSG_NOSIGNAL) > 0;
}

static isle_err fixture_open(void *context, struct isle__wall *wall, char *text, size_t text_size)
{
    struct fixture_child *child = context;
    struct isle__channel *channel;
    struct isle__channel_fds fds;
    (void)text, (void)text_size;
    child->wall = wall;
    isle_err err =
        isle__channel_make(FIXTURE_RING, FIXTURE_RING, ISLE__WALL_RECORD_MAX, &channel, &fds);
    if (err != ISLE_OK)
        return err;
    isle__mutex_lock(&fixture.lock);
    if (fixture.watch == 0)
        err =
            isle__reactor_attend(fixture.socket, ISLE_READABLE, fixture_told, NULL, &fixture.watch);
    child->serial = ++fixture.serial;
    child->next = fixture.children;
    fixture.children = child;
    isle__mutex_unlock(&fixture.lock);
    const int all[4] = {fds.memory_in, fds.memory_out, fds.bell_in, fds.bell_out};
    bool sent = err == ISLE_OK && fixture_send(child->serial, all);
    for (int i = 0; i < 4; i++)
        close(all[i]);
    if (!sent) {
        (void)fixture_take(child->serial);
        isle__channel_close(channel);
        return ISLE_ESPAWN;
    }
    isle__wall_stands(wall, channel, false);
    return ISLE_OK;
}

static void fixture_kill(void *context)
{
    struct fixture_child *child = context;
    (void)fixture_send(child->serial, NULL);
}

static void fixture_close(void *context)
{
    isle__memory_free(context, sizeof(struct fixture_child));
}

static const struct isle__wall_ops fixture_ops = {
    .open = fixture_open, .kill = fixture_kill, .close = fixture_close};

static isle_err fixture_prepare(struct isle__isolate *isolate, const isle_options *options)
{
    if (isle__wall_is_inside())
        return isle__wall_open(isolate, NULL, NULL, false);
    struct fixture_child *child = isle__memory_alloc(sizeof *child);
    if (child == NULL)
        return ISLE_ENOMEM;
    memset(child, 0, sizeof *child);
    isle_err err = isle__wall_open(isolate, &fixture_ops, child, options->paused);
    if (err != ISLE_OK)
        isle__memory_free(child, sizeof *child);
    return err;
}

static void fixture_stop(void)
{
    isle__reactor_dismiss(fixture.watch);
    fixture.watch = 0;
}

static const struct isle__backend_ops fixture_backend = {
    .name = "fixture",
    .message_max = ISLE__WALL_MESSAGE_MAX,
    .message_file_max = ISLE__WALL_FILES_MAX,
    .prepare = fixture_prepare,
    .wake = isle__wall_wake,
    .ended = isle__wall_ended,
    .turn = isle__wall_turn,
    .control = isle__wall_control,
    .admit = isle__wall_admit,
    .forget = isle__wall_forget,
    .stop = fixture_stop,
};

__attribute__((constructor)) static void fixture_start(void)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
        abort();
    isle__backend_register(ISLE_PROCESS, &fixture_backend);
    pid_t pid = fork();
    if (pid < 0)
        abort();
    if (pid == 0) {
        close(pair[0]);
        fixture.socket = pair[1];
        fixture_help();
    }
    close(pair[1]);
    fixture.socket = pair[0];
    isle__mutex_init(&fixture.lock);
}

#endif
