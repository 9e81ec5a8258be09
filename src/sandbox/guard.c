/* SPDX-License-Identifier: Apache-2.0 */
/* The guard: the process that the host started, once the zygote is its child.
 *
 * It ends with the host and takes the zygote with it. PR_SET_PDEATHSIG would name the thread of the
 * host that started it, not the host; a pidfd names the process. The zygote's own PDEATHSIG names
 * the guard, which has one thread, so it works also when the guard is killed. Where the kernel
 * kills a whole namespace of processes with its first, the zygote is that first one.
 *
 * The guard has no descriptor but the two that it polls and the empty root, no capability, and
 * reads nothing. The root is for the end: who is the last to close it unmounts it, and the kernel
 * makes that one wait, for seconds where many want the processors. So it is not to be the zygote,
 * whose children are killed after it has closed everything. */
#include "sandbox/layers.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { GUARD_HOST, GUARD_ZYGOTE, GUARD_POLLED, GUARD_ROOT = GUARD_POLLED }; /* its descriptors */

static int guard_pidfd(pid_t process)
{
    return (int)syscall(ISLE__CALL_PIDFD_OPEN, process, 0);
}

static bool guard_is_over(int pidfd)
{
    struct pollfd ended = {.fd = pidfd, .events = POLLIN};
    return poll(&ended, 1, 0) > 0;
}

/* All are moved out of the way before one takes its place. `root`: -1 where there is none. */
static bool guard_close_others(int host, int zygote, int root)
{
    unsigned kept = root >= 0 ? GUARD_ROOT + 1 : GUARD_POLLED;
    host = fcntl(host, F_DUPFD_CLOEXEC, GUARD_ROOT + 1);
    zygote = fcntl(zygote, F_DUPFD_CLOEXEC, GUARD_ROOT + 1);
    if (root >= 0)
        root = fcntl(root, F_DUPFD_CLOEXEC, GUARD_ROOT + 1);
    if (dup2(host, GUARD_HOST) != GUARD_HOST || dup2(zygote, GUARD_ZYGOTE) != GUARD_ZYGOTE ||
        (kept > GUARD_POLLED && dup2(root, GUARD_ROOT) != GUARD_ROOT))
        return false;
    isle__fd_close_between((int)kept, INT_MAX);
    return true;
}

static int guard_wait(pid_t zygote)
{
    int status = 0;
    while (waitpid(zygote, &status, 0) < 0 && errno == EINTR) {
    }
    return status;
}

/* Ends as the zygote did, so that who waits for the guard learns it. */
ISLE_NORETURN static void guard_pass_on(int status)
{
    if (WIFEXITED(status))
        _exit(WEXITSTATUS(status));
    int number = WTERMSIG(status);
    sigset_t mask;
    signal(number, SIG_DFL);
    kill(getpid(), number);
    sigemptyset(&mask);
    sigprocmask(SIG_SETMASK, &mask, NULL);
    _exit(128 + number);
}

ISLE_NORETURN static void guard_run(pid_t zygote)
{
    struct pollfd ended[GUARD_POLLED] = {{.fd = GUARD_HOST, .events = POLLIN},
                                         {.fd = GUARD_ZYGOTE, .events = POLLIN}};
    for (;;) {
        if (poll(ended, GUARD_POLLED, -1) < 0)
            continue;
        if (ended[GUARD_HOST].revents & (POLLIN | POLLHUP))
            kill(zygote, SIGKILL);
        if (ended[GUARD_HOST].revents | ended[GUARD_ZYGOTE].revents)
            guard_pass_on(guard_wait(zygote));
    }
}

/* Without its guard there is no zygote; why not is its last word to who started both. */
static void guard_fail(pid_t zygote, const char *call)
{
    char line[80];
    (void)snprintf(line, sizeof line, "sandbox: the guard: %s: %s", call, strerror(errno));
    isle__report(line);
    kill(zygote, SIGKILL);
}

/* Signals would only disturb it: SIGKILL works. Nor is it to die with who started it, which the
 * host did in between: it is to be the last, and watches the host itself. */
ISLE_NORETURN static void guard_begin(pid_t zygote, int host, int root)
{
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    prctl(PR_SET_NAME, "isle-guard", 0, 0, 0);
    prctl(PR_SET_PDEATHSIG, 0, 0, 0, 0);
    if (!isle__privileges_drop(-1))
        guard_fail(zygote, "capset");
    if (!isle__privileges_harden())
        guard_fail(zygote, "prctl, setrlimit");
    if (!guard_close_others(host, guard_pidfd(zygote), root))
        kill(zygote, SIGKILL);
    guard_run(zygote);
}

/* In the zygote. The guard may have ended before the kernel was told whom to watch. */
static void guard_watch(int guard)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    if (guard_is_over(guard))
        _exit(0);
    close(guard);
}

isle_err isle__guard_fork(struct isle__sandbox *sandbox)
{
    int host = sandbox->host > 0 ? sandbox->host : guard_pidfd(getppid());
    int guard = guard_pidfd(getpid());
    if (host < 0 || guard < 0)
        return isle__sandbox_fails(sandbox, "pidfd_open");
    pid_t zygote = fork();
    if (zygote < 0)
        return isle__sandbox_fails(sandbox, "fork");
    if (zygote > 0)
        guard_begin(zygote, host, sandbox->root);
    guard_watch(guard);
    close(host);
    sandbox->host = 0;
    return ISLE_OK;
}
