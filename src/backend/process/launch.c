/* SPDX-License-Identifier: Apache-2.0 */
/* The host executes its own program again, as a zygote, and waits until that has said hello.
 *
 * The host's handler of SIGCHLD and its waitpid are not to see it. An exec makes any process one
 * that they see (it resets the exit signal), so between host and zygote stands a nanny: a process
 * with no exit signal, which only who asks with __WALL sees, and which does not exec. It has the
 * host's memory and nothing of its own but a stack, starts the zygote's process, closes all
 * descriptors and waits for that process's end.
 *
 * Both are made like posix_spawn makes a process: in the host's memory, with all signals blocked so
 * that no handler of the host runs there, on stacks of their own. Where that is refused posix_spawn
 * makes the zygote, and SIGCHLD will tell of it.
 *
 * What the zygote gets: the descriptors of request.h and no other; of the environment only what the
 * dynamic loader needs to make the same image.
 *
 * Law: nanny, and zygote before its exec, only call the system, on memory that was filled before;
 * they write no errno unless a call fails. The nanny is made on the reactor's thread, which lives
 * as long as the program: PR_SET_PDEATHSIG goes by the thread. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "backend/process/request.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/memfd.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/reactor.h"

enum {
    LAUNCH_TARGETS = 6,         /* 0 to 5 of the new process */
    LAUNCH_ABOVE = 16,          /* where what becomes those lies before */
    LAUNCH_PATIENCE_MS = 20000, /* namespaces may wait long for a kernel that is busy */
    LAUNCH_STACK = 64 * 1024,   /* of two: the nanny's, the zygote's before its exec */
    LAUNCH_STACKS = 2 * LAUNCH_STACK,
    LAUNCH_SAID = 100, /* bytes of its last words in a text */
    LAUNCH_NO_EXEC = 127
};

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 8U
#endif

/* The address sanitizer would see a stack that is none of its own, the thread sanitizer a function
 * that is entered and never left. */
#define LAUNCH_BARE __attribute__((no_sanitize("address", "thread", "undefined")))
#ifdef __has_attribute
#if __has_attribute(disable_sanitizer_instrumentation)
#undef LAUNCH_BARE
#define LAUNCH_BARE                                                                                \
    __attribute__((disable_sanitizer_instrumentation,                                              \
                   no_sanitize("address", "thread", "undefined")))
#endif
#endif

/* The C library's own name of clone, which no sanitizer takes for a fork. */
extern int __clone(int (*fn)(void *argument), void *stack, int flags, void *argument, ...);

static const char *const launch_argv[] = {"isle-zygote", NULL};

/* At the low end of the stacks, which are the nanny's while it lives. */
struct launch_end {
    _Atomic int status; /* of wait, once the nanny has ended; LAUNCH_UNKNOWN: it has not told */
};
enum { LAUNCH_UNKNOWN = -1 };

struct launch {
    int fds[LAUNCH_TARGETS];  /* by the number that each gets */
    int control, said;        /* the host's ends */
    int ready[2], go[2];      /* pipes: the nanny has started it, or has not; it may go on */
    int told, asked, foreign; /* their numbers in the nanny, which the host may have closed here: to
                                 write to, to read from, and one that only the host is to have */
    char *environment[4];
    sigset_t all;
    pid_t host;
    char *stacks;
    /* Results, written by the others before they are ready. */
    pid_t nanny, pid;
    int nanny_pidfd, pidfd;
    int error; /* errno of what failed */
};

/* What may be done about a call that the system does not do. */
static const char *launch_advice(int error_number)
{
    if (error_number == ENOSYS)
        return " (process isolates need Linux 5.13, and a container that lets them use it)";
    if (error_number == ENOENT)
        return " (are /proc and /dev mounted?)";
    return error_number == EPERM ? " (does a container's filter of system calls refuse it?)" : "";
}

static isle_err launch_fail(char *text, size_t size, const char *what, int error_number)
{
    char reason[64];
    (void)snprintf(text, size, "%s: %s%s", what, strerror_r(error_number, reason, sizeof reason),
                   launch_advice(error_number));
    return ISLE_ESPAWN;
}

/* --- what it is given */

/* Closes the former, whatever comes. */
static int fd_lift(int fd)
{
    int lifted = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, (int)LAUNCH_ABOVE);
    isle__fd_close(fd);
    return lifted;
}

static int order_open(void)
{
    struct isle__zygote_order order = {
        .magic = ISLE__ORDER_MAGIC, .size = sizeof order, .host = getpid()};
    unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
    if (!isle__code_place((isle__code *)isle__zygote_image, &order.image))
        return -1;
    int fd = memfd_create("isle-zygote", flags | MFD_NOEXEC_SEAL);
    if (fd < 0)
        fd = memfd_create("isle-zygote", flags);
    if (fd < 0)
        return -1;
    if (write(fd, &order, sizeof order) == (ssize_t)sizeof order &&
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) == 0)
        return fd;
    isle__fd_close(fd);
    return -1;
}

/* "NAME=value" of the host's, in static memory for one launch at a time; NULL: it has none. */
static char *environment_copy(const char *name, char *memory, size_t size)
{
    const char *value = getenv(name);
    if (value == NULL)
        return NULL;
    int length = snprintf(memory, size, "%s=%s", name, value);
    return length > 0 && (size_t)length < size ? memory : NULL;
}

/* All symbols are found at once: what a child would find, every child would. */
static void launch_environment(struct launch *launch)
{
    static char path[8192], preload[4096], now[] = "LD_BIND_NOW=1";
    size_t count = 0;
    char *found = environment_copy("LD_LIBRARY_PATH", path, sizeof path);
    launch->environment[count++] = now;
    if (found != NULL)
        launch->environment[count++] = found;
    found = environment_copy("LD_PRELOAD", preload, sizeof preload);
    if (found != NULL)
        launch->environment[count++] = found;
    launch->environment[count] = NULL;
}

static void launch_close(struct launch *launch)
{
    for (int i = 0; i < LAUNCH_TARGETS; i++)
        isle__fd_close(launch->fds[i]);
    for (int i = 0; i < 2; i++) {
        isle__fd_close(launch->ready[i]);
        isle__fd_close(launch->go[i]);
    }
    isle__fd_close(launch->said);
    isle__fd_close(launch->control);
    if (launch->stacks != NULL)
        (void)munmap(launch->stacks, LAUNCH_STACKS);
}

/* Of those that are nobody's other end; -1. */
static int launch_open_fd(const struct launch *launch, int target)
{
    if (target == ISLE__ORDER_FD)
        return order_open();
    if (target == ISLE__HOST_FD)
        return (int)syscall(SYS_pidfd_open, launch->host, 0);
    return target <= STDOUT_FILENO ? open("/dev/null", O_RDWR | O_CLOEXEC) : -1;
}

/* NULL, or what failed. */
static const char *launch_open_fds(struct launch *launch)
{
    static const char *const made_by[LAUNCH_TARGETS] = {"/dev/null",    "/dev/null", "fcntl",
                                                        "memfd_create", "fcntl",     "pidfd_open"};
    int ends[2], said[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
        return "socketpair";
    launch->control = ends[0];
    launch->fds[ISLE__CONTROL_FD] = fd_lift(ends[1]);
    if (fcntl(ends[0], F_SETFL, O_NONBLOCK) != 0 || pipe2(said, O_CLOEXEC | O_NONBLOCK) != 0)
        return "pipe2";
    launch->said = said[0];
    launch->fds[STDERR_FILENO] = fd_lift(said[1]);
    for (int i = 0; i < LAUNCH_TARGETS; i++) {
        if (launch->fds[i] < 0)
            launch->fds[i] = fd_lift(launch_open_fd(launch, i));
        if (launch->fds[i] < 0)
            return made_by[i];
    }
    if (pipe2(launch->ready, O_CLOEXEC) != 0 || pipe2(launch->go, O_CLOEXEC) != 0)
        return "pipe2";
    launch->told = launch->ready[1];
    launch->asked = launch->go[0];
    launch->foreign = launch->go[1];
    return NULL;
}

/* NULL, or what failed. */
static const char *launch_open(struct launch *launch)
{
    *launch = (struct launch){.control = -1,
                              .said = -1,
                              .ready = {-1, -1},
                              .go = {-1, -1},
                              .pid = -1,
                              .pidfd = -1,
                              .nanny_pidfd = -1,
                              .host = getpid()};
    for (int i = 0; i < LAUNCH_TARGETS; i++)
        launch->fds[i] = -1;
    const char *failed = launch_open_fds(launch);
    if (failed != NULL)
        return failed;
    launch->stacks = mmap(NULL, LAUNCH_STACKS, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    if (launch->stacks == MAP_FAILED)
        launch->stacks = NULL;
    else
        atomic_init(&((struct launch_end *)(void *)launch->stacks)->status, LAUNCH_UNKNOWN);
    launch_environment(launch);
    sigfillset(&launch->all);
    return launch->stacks != NULL ? NULL : "mmap";
}

/* --- in the host's memory, but in processes of their own */

LAUNCH_BARE static void bare_exit(int status)
{
    for (;;)
        syscall(SYS_exit_group, (long)status);
}

LAUNCH_BARE static int launch_zygote(void *argument)
{
    struct launch *launch = argument;
    if (syscall(SYS_prctl, (long)PR_SET_PDEATHSIG, (long)SIGKILL, 0L, 0L, 0L) != 0 ||
        syscall(SYS_getppid) != launch->nanny)
        bare_exit(LAUNCH_NO_EXEC);
    for (long i = 0; i < LAUNCH_TARGETS; i++)
        if (syscall(SYS_dup3, (long)launch->fds[i], i, 0L) < 0)
            bare_exit(LAUNCH_NO_EXEC);
    syscall(SYS_close_range, (long)LAUNCH_TARGETS, (long)UINT32_MAX, 0L);
    syscall(SYS_execve, "/proc/self/exe", launch_argv, launch->environment);
    launch->error = errno;
    bare_exit(LAUNCH_NO_EXEC);
    return 0;
}

/* Until `go` is closed the launch is there; afterwards only the stacks are. */
LAUNCH_BARE static int launch_nanny(void *argument)
{
    struct launch *launch = argument;
    struct launch_end *end = (struct launch_end *)(void *)launch->stacks;
    char byte = 0;
    int status = 0;
    launch->nanny = (pid_t)syscall(SYS_getpid);
    if (syscall(SYS_prctl, (long)PR_SET_PDEATHSIG, (long)SIGKILL, 0L, 0L, 0L) != 0 ||
        syscall(SYS_getppid) != launch->host)
        bare_exit(0);
    syscall(SYS_prctl, (long)PR_SET_NAME, "isle-nanny", 0L, 0L, 0L);
    syscall(SYS_close, (long)launch->foreign);
    pid_t pid = __clone(launch_zygote, launch->stacks + LAUNCH_STACK,
                        CLONE_VM | CLONE_VFORK | SIGCHLD, launch);
    if (pid < 0)
        launch->error = errno;
    launch->pid = pid;
    syscall(SYS_write, (long)launch->told, &byte, 1L);
    syscall(SYS_read, (long)launch->asked, &byte, 1L);
    if (syscall(SYS_close_range, 0L, (long)UINT32_MAX, 0L) != 0)
        for (long fd = 0; fd < 65536; fd++)
            syscall(SYS_close, fd);
    if (pid > 0 && syscall(SYS_wait4, (long)pid, &status, (long)__WALL, NULL) == pid)
        atomic_store_explicit(&end->status, status, memory_order_relaxed);
    bare_exit(0);
    return 0;
}

/* A number is its process's until the parent has waited for it: the nanny does not yet, or was
 * killed, and then it may be anybody's. */
static void launch_open_zygote(struct launch *launch)
{
    struct pollfd nanny = {.fd = launch->nanny_pidfd, .events = POLLIN};
    launch->pidfd = (int)syscall(SYS_pidfd_open, launch->pid, 0);
    if (launch->pidfd >= 0 && poll(&nanny, 1, 0) != 0) {
        isle__fd_close(launch->pidfd);
        launch->pidfd = -1;
        errno = ESRCH;
    }
}

/* The nanny has started it, or failed to, or was killed. */
static void launch_await_nanny(struct launch *launch)
{
    char byte;
    isle__fd_close(launch->ready[1]);
    launch->ready[1] = -1;
    while (read(launch->ready[0], &byte, 1) < 0 && errno == EINTR)
        continue;
    errno = ECHILD;
    if (launch->pid > 0)
        launch_open_zygote(launch);
    if (launch->pidfd < 0 && launch->error == 0)
        launch->error = errno;
    isle__fd_close(launch->go[1]); /* now it may wait for it */
    launch->go[1] = -1;
}

static void launch_spawn(struct launch *launch)
{
    posix_spawn_file_actions_t actions;
    int refused = posix_spawn_file_actions_init(&actions);
    if (refused == 0) {
        for (int i = 0; i < LAUNCH_TARGETS && refused == 0; i++)
            refused = posix_spawn_file_actions_adddup2(&actions, launch->fds[i], i);
        if (refused == 0)
            refused = posix_spawn(&launch->pid, "/proc/self/exe", &actions, NULL,
                                  (char *const *)(uintptr_t)launch_argv, launch->environment);
        posix_spawn_file_actions_destroy(&actions);
    }
    if (refused == 0)
        launch->pidfd = (int)syscall(SYS_pidfd_open, launch->pid, 0);
    launch->error = refused;
}

/* On the reactor's thread. */
static void launch_execute(void *argument)
{
    struct launch *launch = argument;
    sigset_t before;
    pthread_sigmask(SIG_SETMASK, &launch->all, &before);
    pid_t nanny = __clone(launch_nanny, launch->stacks + LAUNCH_STACKS, CLONE_VM | CLONE_PIDFD,
                          launch, &launch->nanny_pidfd);
    if (nanny < 0)
        launch->nanny_pidfd = -1;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (nanny > 0)
        launch_await_nanny(launch);
    else
        launch_spawn(launch);
}

/* --- its end */

static void reap_text(int status, char *text, size_t size)
{
    if (status == LAUNCH_UNKNOWN)
        (void)snprintf(text, size, "nobody knows how");
    else if (WIFEXITED(status))
        (void)snprintf(text, size, "exit status %d", WEXITSTATUS(status));
    else
        (void)snprintf(text, size, "signal %d, %s", WTERMSIG(status), strsignal(WTERMSIG(status)));
}

/* Waits until the process has ended and takes it away from the system. */
static void reap_wait(int pidfd)
{
    siginfo_t info;
    while (syscall(SYS_waitid, 3 /* P_PIDFD */, pidfd, &info, WEXITED | __WALL, NULL) != 0 &&
           errno == EINTR)
        continue;
}

/* Without its socket it ends by itself; if not, it is killed. */
void isle__zygote_reap(struct isle__zygote_process *process, int grace_ms, char *text,
                       size_t text_size)
{
    struct pollfd gone = {.fd = process->pidfd, .events = POLLIN};
    int status = LAUNCH_UNKNOWN;
    isle__fd_close(process->control);
    if (process->pidfd >= 0 && poll(&gone, 1, grace_ms) <= 0)
        (void)syscall(SYS_pidfd_send_signal, process->pidfd, SIGKILL, NULL, 0);
    reap_wait(process->nanny >= 0 ? process->nanny : process->pidfd);
    if (process->stacks != NULL) {
        status = atomic_load_explicit(&((struct launch_end *)process->stacks)->status,
                                      memory_order_relaxed);
        (void)munmap(process->stacks, LAUNCH_STACKS);
    }
    reap_text(status, text, text_size);
    isle__fd_close(process->pidfd);
    isle__fd_close(process->nanny);
    *process = isle__zygote_none;
}

/* The last line of what it said, without its end. */
static void launch_last_words(int said, char *words, size_t size)
{
    char text[1024];
    size_t used = 0;
    ssize_t got;
    words[0] = '\0';
    while ((got = read(said, text + used, sizeof text - used)) > 0) {
        used += (size_t)got;
        if (used == sizeof text) {
            memmove(text, text + used / 2, used / 2);
            used /= 2;
        }
    }
    while (used > 0 && (text[used - 1] == '\n' || text[used - 1] == '\0'))
        used--;
    size_t begin = used;
    while (begin > 0 && text[begin - 1] != '\n' && used - begin < size - 3)
        begin--;
    if (used > begin)
        (void)snprintf(words, size, ": %.*s", (int)(used - begin), text + begin);
}

/* It has not said hello: why, as far as can be known. */
static isle_err launch_explain(const struct launch *launch, struct isle__zygote_process *process,
                               bool in_time, char *text, size_t size)
{
    char end[64], words[LAUNCH_SAID];
    isle__zygote_reap(process, ISLE__ZYGOTE_GRACE_MS, end, sizeof end);
    launch_last_words(launch->said, words, sizeof words);
    if (in_time)
        (void)snprintf(text, size,
                       "the program's image ended before it served (%s; its main must call "
                       "isle_child_main first)%s",
                       end, words);
    else
        (void)snprintf(text, size, "the program's image did not answer within %d s%s",
                       LAUNCH_PATIENCE_MS / 1000, words);
    return ISLE_ESPAWN;
}

/* --- the hello */

/* False: the time is over. */
static bool hello_wait(const struct isle__zygote_process *process)
{
    int64_t until = isle__clock_now() + (int64_t)LAUNCH_PATIENCE_MS * 1000000;
    struct pollfd fds[2] = {{.fd = process->control, .events = POLLIN},
                            {.fd = process->pidfd, .events = POLLIN}};
    for (;;) {
        int64_t left = (until - isle__clock_now()) / 1000000;
        int count = left <= 0 ? 0 : poll(fds, 2, (int)left);
        if (count > 0)
            return true;
        if (count == 0 || errno != EINTR)
            return false;
    }
}

/* What comes before the hello: why a layer is missing. */
static bool hello_lacks(const struct isle__zygote_answer *answer,
                        struct isle__zygote_process *process)
{
    uint32_t layer = (uint32_t)answer->status;
    if (answer->kind != ISLE__ANSWER_LACKS || layer >= ISLE__LAYERS)
        return false;
    (void)snprintf(process->lacks[layer], sizeof process->lacks[layer], "%.63s", answer->text);
    return true;
}

/* Whoever cannot kill an isolate is not to have one. */
static isle_err hello_try_signals(struct isle__zygote_process *process, char *text, size_t size)
{
    char end[64];
    if (syscall(SYS_pidfd_send_signal, process->pidfd, 0, NULL, 0) == 0 || errno == ESRCH)
        return ISLE_OK;
    int error_number = errno;
    isle__zygote_reap(process, ISLE__ZYGOTE_GRACE_MS, end, sizeof end);
    return launch_fail(text, size, "pidfd_send_signal", error_number);
}

static isle_err hello_take(const struct launch *launch, struct isle__zygote_process *process,
                           char *text, size_t size)
{
    struct isle__zygote_answer answer;
    char end[64];
    bool in_time;
    ssize_t got;
    do {
        in_time = hello_wait(process);
        got = recv(process->control, &answer, sizeof answer, 0);
    } while (got == (ssize_t)sizeof answer && hello_lacks(&answer, process));
    if (got != (ssize_t)sizeof answer || answer.kind != ISLE__ANSWER_HELLO)
        return launch_explain(launch, process, in_time, text, size);
    if (answer.status == 0) {
        process->reached = answer.reached;
        return hello_try_signals(process, text, size);
    }
    isle__zygote_reap(process, ISLE__ZYGOTE_GRACE_MS, end, sizeof end);
    answer.text[sizeof answer.text - 1] = '\0';
    (void)snprintf(text, size, "%s", answer.text);
    return ISLE_ESPAWN;
}

/* The process is there: its ends are the host's, what it was given is not any more. */
static isle_err launch_finish(struct launch *launch, struct isle__zygote_process *process,
                              char *text, size_t size)
{
    char end[64];
    for (int i = 0; i < LAUNCH_TARGETS; i++) {
        isle__fd_close(launch->fds[i]);
        launch->fds[i] = -1;
    }
    *process = (struct isle__zygote_process){.control = launch->control,
                                             .pidfd = launch->pidfd,
                                             .nanny = launch->nanny_pidfd,
                                             .stacks = launch->stacks};
    launch->control = -1;
    launch->stacks = NULL;
    if (launch->nanny_pidfd < 0) { /* then nobody runs on them */
        (void)munmap(process->stacks, LAUNCH_STACKS);
        process->stacks = NULL;
    }
    if (launch->error == 0 && launch->pidfd >= 0)
        return hello_take(launch, process, text, size);
    isle__zygote_reap(process, ISLE__ZYGOTE_GRACE_MS, end, sizeof end);
    return launch_fail(text, size, "/proc/self/exe cannot be executed", launch->error);
}

isle_err isle__zygote_launch(struct isle__zygote_process *ret_process, char *text, size_t text_size)
{
    struct launch launch;
    isle_err err = ISLE_ESPAWN;
    if (getauxval(AT_SECURE) != 0) {
        (void)snprintf(text, text_size, "a set-user-id program has no process isolates");
        return err;
    }
    const char *failed = launch_open(&launch);
    if (failed != NULL)
        err = launch_fail(text, text_size, failed, errno);
    else if (!isle__reactor_run(launch_execute, &launch))
        (void)snprintf(text, text_size, "a program on one thread has no process isolates");
    else if (launch.pidfd < 0 && launch.nanny_pidfd < 0)
        err = launch_fail(text, text_size, "the program cannot be executed again", launch.error);
    else
        err = launch_finish(&launch, ret_process, text, text_size);
    launch_close(&launch);
    return err;
}
