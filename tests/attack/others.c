/* SPDX-License-Identifier: Apache-2.0 */
/* Attacks on other processes: the host, the zygote, a sibling in the same sandbox. */
#include "attack.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

static pid_t others_host(void)
{
    return attack_world->victim;
}

static pid_t others_sibling(void)
{
    return attack_world->sibling;
}

static int others_trace(int request, pid_t pid)
{
    return attack_verdict(ptrace((enum __ptrace_request)request, pid, 0, 0));
}

static int others_seize_host(void)
{
    return others_trace(PTRACE_SEIZE, others_host());
}

static int others_attach_host(void)
{
    return others_trace(PTRACE_ATTACH, others_host());
}

static int others_seize_sibling(void)
{
    return others_trace(PTRACE_SEIZE, others_sibling());
}

static int others_seize_zygote(void)
{
    return others_trace(PTRACE_SEIZE, attack_world->zygote);
}

static int others_trace_me(void)
{
    return others_trace(PTRACE_TRACEME, 0);
}

/* Reads or writes the secret of another: its address is the same as here. */
static int others_copy(long number, pid_t pid)
{
    char buffer[sizeof attack_secret] = "overwritten";
    struct iovec here = {buffer, sizeof buffer}, there = {attack_secret, sizeof attack_secret};

    if (syscall(number, pid, &here, 1UL, &there, 1UL, 0UL) < 0)
        return errno;
    if (number == SYS_process_vm_readv && strcmp(buffer, ATTACK_SECRET))
        return ATTACK_NOTHING;
    return ATTACK_WORKS;
}

static int others_read_host(void)
{
    return others_copy(SYS_process_vm_readv, others_host());
}

static int others_write_host(void)
{
    return others_copy(SYS_process_vm_writev, others_host());
}

static int others_read_sibling(void)
{
    return others_copy(SYS_process_vm_readv, others_sibling());
}

static int others_kill_host(void)
{
    return attack_verdict(kill(others_host(), SIGUSR1));
}

static int others_tgkill_host(void)
{
    return attack_verdict(syscall(SYS_tgkill, others_host(), others_host(), SIGUSR1));
}

static int others_tkill_host(void)
{
    return attack_verdict(syscall(SYS_tkill, others_host(), SIGUSR1));
}

static int others_kill_sibling(void)
{
    return attack_verdict(kill(others_sibling(), SIGUSR1));
}

static int others_kill_zygote(void)
{
    return attack_verdict(kill(attack_world->zygote, SIGUSR1));
}

/* Signal 0 asks for the right alone: these would meet every process of the user. */
static int others_kill_group(void)
{
    return attack_verdict(kill(0, 0));
}

static int others_kill_all(void)
{
    return attack_verdict(kill(-1, 0));
}

static int others_queue_host(void)
{
    siginfo_t info = {.si_signo = SIGUSR1, .si_code = SI_QUEUE};

    return attack_verdict(syscall(SYS_rt_sigqueueinfo, others_host(), SIGUSR1, &info));
}

static int others_queue_thread(void)
{
    siginfo_t info = {.si_signo = SIGUSR1, .si_code = SI_QUEUE};

    return attack_verdict(
        syscall(SYS_rt_tgsigqueueinfo, others_host(), others_host(), SIGUSR1, &info));
}

static int others_pidfd_open(void)
{
    return attack_verdict(syscall(SYS_pidfd_open, others_host(), 0));
}

static int others_pidfd_signal(void)
{
    int fd = (int)syscall(SYS_pidfd_open, others_host(), 0);

    if (fd < 0)
        return errno;
    return attack_verdict(syscall(SYS_pidfd_send_signal, fd, SIGUSR1, NULL, 0));
}

static int others_steal_descriptor(void)
{
    int fd = (int)syscall(SYS_pidfd_open, others_host(), 0);

    if (fd < 0)
        return errno;
    return attack_read_secret((int)syscall(SYS_pidfd_getfd, fd, attack_world->victim_secret, 0));
}

/* A descriptor that sends a signal to the host when something comes in. */
static int others_signal_by_descriptor(void)
{
    int fd = attack_world->pipe_reads;

    if (fcntl(fd, F_SETOWN, others_host()) || fcntl(fd, F_SETSIG, SIGUSR1))
        return errno;
    return attack_verdict(fcntl(fd, F_SETFL, O_ASYNC | O_NONBLOCK));
}

static int others_limit_host(void)
{
    struct rlimit limit = {0, 0};

    /* What is had already is asked for, so that the victim lives. */
    if (syscall(SYS_prlimit64, others_host(), RLIMIT_MSGQUEUE, NULL, &limit) < 0)
        return errno;
    return attack_verdict(syscall(SYS_prlimit64, others_host(), RLIMIT_MSGQUEUE, &limit, NULL));
}

static int others_pin_host(void)
{
    cpu_set_t processors;

    CPU_ZERO(&processors);
    CPU_SET(0, &processors);
    return attack_verdict(sched_setaffinity(others_host(), sizeof processors, &processors));
}

static int others_where_host(void)
{
    cpu_set_t processors;

    return attack_verdict(
        syscall(SYS_sched_getaffinity, others_host(), sizeof processors, &processors));
}

static int others_slow_host(void)
{
    return attack_verdict(setpriority(PRIO_PROCESS, (id_t)others_host(), 19));
}

static int others_idle_host(void)
{
    struct sched_param parameters = {0};

    return attack_verdict(sched_setscheduler(others_host(), SCHED_BATCH, &parameters));
}

static int others_io_class_host(void)
{
    return attack_verdict(syscall(SYS_ioprio_set, 1, others_host(), 3 << 13));
}

static int others_move_pages(void)
{
    void *page = attack_secret;
    int status = 0;

    return attack_verdict(syscall(SYS_move_pages, others_host(), 1UL, &page, NULL, &status, 0UL));
}

static int others_advise_host(void)
{
#ifdef SYS_process_madvise
    struct iovec there = {(void *)((uintptr_t)attack_secret & ~(uintptr_t)4095), 4096};
    int fd = (int)syscall(SYS_pidfd_open, others_host(), 0);

    if (fd < 0)
        return errno;
    return attack_verdict(syscall(SYS_process_madvise, fd, &there, 1, MADV_COLD, 0));
#else
    return ATTACK_LACKS;
#endif
}

static int others_robust_list(void)
{
    void *head;
    size_t size;

    return attack_verdict(syscall(SYS_get_robust_list, others_host(), &head, &size));
}

static int others_compare(void)
{
    return attack_verdict(syscall(SYS_kcmp, others_host(), getpid(), 0, 1, 1));
}

static int others_session_of_host(void)
{
    return attack_verdict(getsid(others_host()));
}

/* How much processor time the host has had, by a clock whose number is a process. */
static int others_clock_of_host(void)
{
    clockid_t clock = (clockid_t)(~(unsigned)others_host() << 3 | 2);
    struct timespec time;

    return attack_verdict(syscall(SYS_clock_gettime, clock, &time));
}

#define OTHERS_NO_TRACE ATTACK_KILLS, .landlock = "EPERM"
#define OTHERS_NO_SIGNAL .all = "EPERM", .seccomp = "EPERM", .landlock = "EPERM", .landlock_abi = 6

static const struct attack_row attack_others_rows[] = {
    ATTACK_ROW("32a", others, seize_host, "trace the host (`PTRACE_SEIZE`)", OTHERS_NO_TRACE,
               .namespaces = "ESRCH"),
    ATTACK_ROW("32b", others, attach_host, "trace the host (`PTRACE_ATTACH`)", OTHERS_NO_TRACE,
               .namespaces = "ESRCH"),
    ATTACK_ROW("32c", others, seize_sibling, "trace a sibling", OTHERS_NO_TRACE),
    ATTACK_ROW("32d", others, seize_zygote, "trace the zygote", OTHERS_NO_TRACE,
               .namespaces = "EPERM"),
    ATTACK_ROW("32e", others, trace_me, "be traced by the zygote", ATTACK_KILLS),
    ATTACK_ROW("33a", others, read_host, "read the host's memory (`process_vm_readv`)",
               OTHERS_NO_TRACE, .namespaces = "ESRCH"),
    ATTACK_ROW("33b", others, write_host, "write it", OTHERS_NO_TRACE, .namespaces = "ESRCH"),
    ATTACK_ROW("33c", others, read_sibling, "read a sibling's memory", OTHERS_NO_TRACE),
    ATTACK_ROW("34a", others, kill_host, "signal the host (`kill`)", OTHERS_NO_SIGNAL,
               .namespaces = "ESRCH"),
    ATTACK_ROW("34b", others, tgkill_host, "the same by `tgkill`", OTHERS_NO_SIGNAL,
               .namespaces = "ESRCH"),
    ATTACK_ROW("34c", others, tkill_host, "the same by `tkill`", OTHERS_NO_SIGNAL,
               .namespaces = "ESRCH"),
    ATTACK_ROW("34d", others, kill_sibling, "signal a sibling", OTHERS_NO_SIGNAL),
    ATTACK_ROW("34e", others, kill_zygote, "signal the zygote", OTHERS_NO_SIGNAL),
    ATTACK_ROW("35a", others, kill_group, "signal its process group", .all = "EPERM",
               .seccomp = "EPERM"),
    ATTACK_ROW("35b", others, kill_all, "signal everybody (`kill(-1)`)", .all = "EPERM",
               .seccomp = "EPERM"),
    ATTACK_ROW("36a", others, queue_host, "`rt_sigqueueinfo` to the host", ATTACK_KILLS,
               .landlock = "EPERM", .namespaces = "ESRCH", .landlock_abi = 6),
    ATTACK_ROW("36b", others, queue_thread, "`rt_tgsigqueueinfo` to the host", ATTACK_KILLS,
               .landlock = "EPERM", .namespaces = "ESRCH", .landlock_abi = 6),
    ATTACK_ROW("36c", others, pidfd_open, "a pidfd of the host", ATTACK_KILLS,
               .namespaces = "ESRCH|EINVAL"),
    ATTACK_ROW("36d", others, pidfd_signal, "a signal by the pidfd", ATTACK_KILLS,
               .landlock = "EPERM", .namespaces = "ESRCH|EINVAL", .landlock_abi = 6),
    ATTACK_ROW("36e", others, steal_descriptor, "take a descriptor of the host (`pidfd_getfd`)",
               ATTACK_KILLS, .landlock = "EPERM", .namespaces = "ESRCH|EINVAL"),
    ATTACK_ROW("37", others, signal_by_descriptor, "a descriptor that signals the host",
               .all = "EPERM", .seccomp = "EPERM", .namespaces = "ESRCH"),
    ATTACK_ROW("38", others, clock_of_host, "the host's processor time, by its clock",
               .all = "EINVAL", .seccomp = "EINVAL", .namespaces = "EINVAL"),
    ATTACK_ROW("39a", others, limit_host, "change the host's limits (`prlimit`)", .all = "EPERM",
               .seccomp = "EPERM", .namespaces = "ESRCH"),
    ATTACK_ROW("39b", others, pin_host, "pin the host to one core", .all = "EPERM",
               .seccomp = "EPERM", .namespaces = "ESRCH"),
    ATTACK_ROW("39c", others, where_host, "ask for the host's cores", .all = "EPERM|ENOSYS",
               .seccomp = "EPERM|ENOSYS", .namespaces = "ESRCH"),
    ATTACK_ROW("39d", others, slow_host, "lower the host's priority", .all = "EPERM",
               .seccomp = "EPERM", .namespaces = "ESRCH"),
    ATTACK_ROW("39e", others, idle_host, "change how the host is scheduled", ATTACK_KILLS,
               .namespaces = "ESRCH"),
    ATTACK_ROW("39f", others, io_class_host, "make the host's disk access idle", ATTACK_KILLS,
               .namespaces = "ESRCH"),
    ATTACK_ROW("40a", others, move_pages, "`move_pages` of the host", ATTACK_KILLS,
               .namespaces = "ESRCH", .without = "works|ENOSYS", .why = "a kernel without NUMA"),
    ATTACK_ROW("40b", others, advise_host, "`process_madvise` of the host", ATTACK_KILLS,
               .namespaces = "ESRCH|EINVAL", .without = "works|EPERM",
               .why = "older kernels ask for root"),
    ATTACK_ROW("40c", others, robust_list, "`get_robust_list` of the host", ATTACK_KILLS,
               .landlock = "EPERM", .namespaces = "ESRCH"),
    ATTACK_ROW("40d", others, compare, "`kcmp` with the host", ATTACK_KILLS, .landlock = "EPERM",
               .namespaces = "ESRCH", .without = "works|ENOSYS", .why = "a kernel may lack it"),
    ATTACK_ROW("41", others, session_of_host, "the host's session", .all = "EPERM|kill",
               .seccomp = "EPERM|kill", .namespaces = "ESRCH"),
};
ATTACK_GROUP(attack_others, "Other processes");
