/* SPDX-License-Identifier: Apache-2.0 */
/* Attacks that make processes and threads, and change what this process is. */
#include "attack.h"

#include <linux/sched.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* In the child of a call that made one: gone at once. In the parent: reaped. */
static int processes_made(long child)
{
    if (child == 0)
        _exit(0);
    if (child > 0)
        waitpid((pid_t)child, NULL, __WALL);
    return attack_verdict(child);
}

static int processes_fork(void)
{
#ifdef SYS_fork
    return processes_made(syscall(SYS_fork));
#else
    return ATTACK_LACKS;
#endif
}

static int processes_vfork(void)
{
    pid_t child = vfork(); /* NOLINT: it is an attack */

    if (child == 0)
        _exit(0);
    if (child > 0)
        waitpid(child, NULL, 0);
    return attack_verdict(child);
}

static int processes_clone(void)
{
    return processes_made(syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0));
}

/* A sibling of its own: the zygote would be its parent. */
static int processes_clone_sibling(void)
{
    long child = syscall(SYS_clone, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0);

    if (child == 0)
        _exit(0);
    return attack_verdict(child);
}

static int processes_clone3(void)
{
    struct clone_args arguments = {.exit_signal = SIGCHLD};

    return processes_made(syscall(SYS_clone3, &arguments, sizeof arguments));
}

static int processes_clone_user(void)
{
    return processes_made(syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0));
}

static int processes_unshare_user(void)
{
    return attack_verdict(unshare(CLONE_NEWUSER));
}

static int processes_unshare_files(void)
{
    return attack_verdict(unshare(CLONE_FILES));
}

static int processes_setns(void)
{
    return attack_verdict(setns(-1, CLONE_NEWNET));
}

/* Into the host's namespaces by its pidfd. */
static int processes_join_host(void)
{
    int fd = (int)syscall(SYS_pidfd_open, attack_world->victim, 0);

    return fd < 0 ? errno : attack_verdict(setns(fd, CLONE_NEWUSER | CLONE_NEWNET));
}

static void *processes_idle(void *unused)
{
    return unused;
}

static int processes_thread(void)
{
    pthread_t thread;
    int error = pthread_create(&thread, NULL, processes_idle, NULL);

    if (!error)
        pthread_join(thread, NULL);
    return error;
}

static int processes_clear_deathsig(void)
{
    return attack_verdict(prctl(PR_SET_PDEATHSIG, 0));
}

static int processes_dumpable(void)
{
    return attack_verdict(prctl(PR_SET_DUMPABLE, 1));
}

static int processes_subreaper(void)
{
    return attack_verdict(prctl(PR_SET_CHILD_SUBREAPER, 1));
}

static int processes_session(void)
{
    return attack_verdict(setsid());
}

static int processes_group(void)
{
    return attack_verdict(setpgid(0, 0));
}

static int processes_ptracer(void)
{
    return attack_verdict(prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0));
}

static int processes_huge_pages(void)
{
    return attack_verdict(prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0));
}

static int processes_thread_area(void)
{
#ifdef SYS_arch_prctl
    unsigned long base;

    return attack_verdict(syscall(SYS_arch_prctl, 0x1003, &base)); /* ARCH_GET_FS */
#else
    return ATTACK_LACKS;
#endif
}

#define PROCESSES_NONE .all = "EPERM", .seccomp = "EPERM", .limits = "EAGAIN"
#define PROCESSES_REFUSED .all = "EPERM|kill", .seccomp = "EPERM|kill"

static const struct attack_row attack_processes_rows[] = {
    ATTACK_ROW("19a", processes, fork, "`fork`", PROCESSES_NONE),
    ATTACK_ROW("19b", processes, vfork, "`vfork`", PROCESSES_NONE),
    ATTACK_ROW("19c", processes, clone, "`clone` of a process", PROCESSES_NONE),
    ATTACK_ROW("19d", processes, clone_sibling, "`clone` of a child of the zygote", PROCESSES_NONE),
    ATTACK_ROW("20", processes, clone3, "`clone3`", .all = "ENOSYS", .seccomp = "ENOSYS",
               .limits = "EAGAIN|ENOSYS", .without = "works|ENOSYS",
               .why = "containers answer as older kernels"),
    ATTACK_ROW("21a", processes, clone_user, "`clone` with users of its own", PROCESSES_REFUSED,
               .without = "works|EPERM|ENOSPC|EUSERS",
               .why = "the machine may refuse namespaces to users"),
    ATTACK_ROW("21b", processes, unshare_user, "`unshare` of users", PROCESSES_REFUSED,
               .without = "works|EPERM|ENOSPC|EUSERS",
               .why = "the machine may refuse namespaces to users"),
    ATTACK_ROW("21c", processes, unshare_files, "`unshare` of descriptors", PROCESSES_REFUSED),
    ATTACK_ROW("21d", processes, setns, "`setns`", PROCESSES_REFUSED, .without = "EBADF",
               .why = "there is nothing to enter; that the call is there is what counts"),
    ATTACK_ROW("21e", processes, join_host, "into the host's namespaces by its pidfd", ATTACK_KILLS,
               .namespaces = "ESRCH|EINVAL", .without = "EPERM|EINVAL",
               .why = "only its owner's root may enter"),
    ATTACK_ROW("22", processes, thread, "a thread, none granted", .all = "EAGAIN",
               .seccomp = "EAGAIN", .limits = "EAGAIN"),
    ATTACK_ROW("42a", processes, clear_deathsig, "outlive the zygote: clear the death signal",
               PROCESSES_REFUSED),
    ATTACK_ROW("42b", processes, dumpable, "make itself dumpable", PROCESSES_REFUSED),
    ATTACK_ROW("42c", processes, subreaper, "become a reaper of orphans", PROCESSES_REFUSED),
    ATTACK_ROW("42d", processes, session, "`setsid`", PROCESSES_REFUSED),
    ATTACK_ROW("42e", processes, group, "`setpgid`", PROCESSES_REFUSED),
    ATTACK_ROW("42f", processes, ptracer, "let everybody trace it", PROCESSES_REFUSED,
               .without = "works|EINVAL", .why = "the kernel may be without Yama"),
    ATTACK_ROW("42g", processes, huge_pages, "`prctl` of huge pages", PROCESSES_REFUSED),
    ATTACK_ROW("42h", processes, thread_area, "`arch_prctl`", .all = "EINVAL|EPERM|kill",
               .seccomp = "EINVAL|EPERM|kill"),
};
ATTACK_GROUP(attack_processes, "Processes and threads");
