/* SPDX-License-Identifier: Apache-2.0 */
/* Process ids are used again: what the host does to a process that is dead reaches nobody else,
 * whoever has its number by then.
 *
 * The order is made, not waited for: everything happens on the reactor's thread, so that the host
 * cannot hear of the death meanwhile. There the process is killed, its parent waits for it, another
 * process is made with its number; then the host kills and ends what it thinks still lives.
 *
 * A number is given to a new process by clone3, for which the caller needs rights over its
 * namespace of processes: an ordinary user makes a namespace of users for that. */
#include "zygote.h"

#include <sched.h>

#include "core/reactor.h"

enum { REUSE_CLONE3 = 435 };

/* struct clone_args up to set_tid_size. */
struct reuse_clone {
    uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid,
        set_tid_size;
};

/* 1: this test made a namespace for itself, and /proc shows the numbers of the one around it. */
static int reuse_depth;

/* A child of this process with a number of the test's choosing; in it: 0. The kernel lets go of a
 * number a moment after it says that nobody has it, and of a guard's when its orphans have been
 * waited for: in a namespace of its own by this test. */
static pid_t process_with_number(pid_t number)
{
    struct reuse_clone arguments = {
        .exit_signal = SIGCHLD, .set_tid = (uint64_t)(uintptr_t)&number, .set_tid_size = 1};
    int64_t until = isle_now_ns() + ISLE_SECONDS(20);
    pid_t pid;

    do {
        (void)waitpid(-1, NULL, WNOHANG);
        pid = (pid_t)syscall(REUSE_CLONE3, &arguments, sizeof arguments);
    } while (pid < 0 && errno == EEXIST && isle_now_ns() < until);
    return pid;
}

/* --- somebody else, who lives until the test lets go of his pipe */

struct stranger {
    pid_t pid;
    int pipe;
};

ISLE_NORETURN static void stranger_runs(int pipe)
{
    char byte;

    dup2(pipe, STDIN_FILENO);
    syscall(SYS_close_range, 1U, ~0U, 0U);
    _exit(read(STDIN_FILENO, &byte, 1) == 0 ? 42 : 1);
}

static struct stranger stranger_make(pid_t number)
{
    int ends[2];

    CHECK_INT(pipe2(ends, O_CLOEXEC), 0);
    struct stranger stranger = {.pid = process_with_number(number), .pipe = ends[1]};
    if (stranger.pid == 0)
        stranger_runs(ends[0]);
    close(ends[0]);
    if (stranger.pid != number)
        fail("no process with the number %d: %s", (int)number, strerror(errno));
    return stranger;
}

/* Nobody has done him anything. */
static void stranger_is_well(const struct stranger *stranger)
{
    int status;

    close(stranger->pipe);
    CHECK_INT(waitpid(stranger->pid, &status, 0), stranger->pid);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 42)
        fail("a stranger with the number of a dead process ended with wait status 0x%x",
             (unsigned)status);
    test_count_check();
}

/* --- numbers */

/* In the namespace of this process; -1: its parent has waited for it. */
static pid_t number_of(int pidfd)
{
    char path[64], line[128];
    int numbers[2] = {-1, -1};
    FILE *info;

    snprintf(path, sizeof path, "/proc/self/fdinfo/%d", pidfd);
    info = fopen(path, "re");
    CHECK(info != NULL);
    while (fgets(line, sizeof line, info) != NULL)
        (void)sscanf(line, "NSpid: %d %d", &numbers[0], &numbers[1]);
    fclose(info);
    return numbers[0] > 0 ? numbers[reuse_depth] : -1;
}

static void number_gets_free(int pidfd)
{
    int64_t until = isle_now_ns() + ISLE_SECONDS(20);

    while (number_of(pidfd) >= 0 && isle_now_ns() < until)
        sched_yield();
    CHECK_INT(number_of(pidfd), -1);
}

static long process_kill(int pidfd)
{
    return syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
}

/* --- the tests */

struct reuse {
    struct kid *kid;
    int guard;
    struct stranger of_kid, of_guard;
};

static void kid_is_another(void *context)
{
    struct reuse *reuse = context;
    pid_t number = number_of(reuse->kid->pidfd);

    CHECK(number > 0);
    CHECK_INT(process_kill(reuse->kid->pidfd), 0);
    number_gets_free(reuse->kid->pidfd);
    reuse->of_kid = stranger_make(number);
    isle__birth_kill(&reuse->kid->birth);
    CHECK_INT(process_kill(reuse->kid->pidfd), -1);
    CHECK_INT(errno, ESRCH);
}

/* The zygote ends with its guard, the child with the zygote. */
static void zygote_is_another(void *context)
{
    struct reuse *reuse = context;
    pid_t kid = number_of(reuse->kid->pidfd), guard = number_of(reuse->guard);

    CHECK(kid > 0 && guard > 0);
    CHECK_INT(process_kill(reuse->guard), 0);
    number_gets_free(reuse->guard);
    number_gets_free(reuse->kid->pidfd);
    reuse->of_kid = stranger_make(kid);
    reuse->of_guard = stranger_make(guard);
    isle__zygote_stop();
}

static void numbers_are_reused(void)
{
    struct reuse reuse = {0};

    program_starts(&none_warm);
    reuse.kid = kid_born();
    CHECK(isle__reactor_run(kid_is_another, &reuse));
    kid_ended(reuse.kid, CLD_KILLED, SIGKILL);
    kid_free(reuse.kid);
    stranger_is_well(&reuse.of_kid);

    reuse.kid = kid_born();
    reuse.guard = isle__fd_duplicate(isle__host.process.pidfd);
    CHECK(isle__reactor_run(zygote_is_another, &reuse));
    semaphore_wait_for(&reuse.kid->died, "dead");
    CHECK(!reuse.kid->death.is_known);
    kid_free(reuse.kid);
    close(reuse.guard);
    stranger_is_well(&reuse.of_guard);
    stranger_is_well(&reuse.of_kid);
    program_stops();
}

static bool reuse_write(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    bool is_written = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

    isle__fd_close(fd);
    return is_written;
}

/* As in tests of the sandbox: the same user, but with rights over what is made now. */
static bool reuse_enter_namespaces(void)
{
    char users[64], groups[64];

    snprintf(users, sizeof users, "%u %u 1", geteuid(), geteuid());
    snprintf(groups, sizeof groups, "%u %u 1", getegid(), getegid());
    return unshare(CLONE_NEWUSER | CLONE_NEWPID) == 0 &&
           reuse_write("/proc/self/setgroups", "deny") &&
           reuse_write("/proc/self/uid_map", users) && reuse_write("/proc/self/gid_map", groups);
}

/* Asks for a number that nobody has: its own child's of before. */
static bool numbers_can_be_chosen(void)
{
    pid_t child = fork(), again;

    if (child == 0)
        _exit(0);
    CHECK_INT(waitpid(child, NULL, 0), child);
    again = process_with_number(child);
    if (again == 0)
        _exit(0);
    return again == child && waitpid(again, NULL, 0) == again;
}

TEST(a_number_that_is_used_again_is_not_killed)
{
    int status;
    pid_t first;

    if (numbers_can_be_chosen()) {
        numbers_are_reused();
        return;
    }
    if (!reuse_enter_namespaces())
        skip("this user may not choose the numbers of processes");
    reuse_depth = 1;
    first = fork();
    if (first == 0) {
        numbers_are_reused();
        exit(0);
    }
    CHECK_INT(waitpid(first, &status, 0), first);
    CHECK_INT(status, 0);
}
