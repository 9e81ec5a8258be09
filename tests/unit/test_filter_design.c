/* SPDX-License-Identifier: Apache-2.0 */
/* Filters of system calls, by hand: what an isolate, one that loads its code, and a zygote are
 * told, written down from the design and not from the table, so that a table which is wrong shows.
 */
#include "filter_help.h"

#define A SECCOMP_RET_ALLOW
#define K SECCOMP_RET_KILL_PROCESS
#define T SECCOMP_RET_TRAP
#define E(error) (SECCOMP_RET_ERRNO | (error))
#define HIGH (UINT64_C(1) << 32)
#define NOWHERE 0x7f0000000000

struct expectation {
    const char *name;
    uint64_t arguments[4];
    uint32_t runs, loads, zygote;
};

static uint32_t verdict_on(const struct program *program, const char *name,
                           const uint64_t arguments[4])
{
    struct seccomp_data data = {.nr = call_named(name)->numbers[ISLE__X86_64],
                                .arch = AUDIT_ARCH_X86_64};
    memcpy(data.args, arguments, 4 * sizeof arguments[0]);
    return program_run(program, &data).verdict;
}

static void expect_all(const struct expectation *expectations, size_t count, unsigned bits)
{
    static struct program programs[KINDS];
    for (unsigned kind = 0; kind < KINDS; kind++)
        program_make(&programs[kind], ISLE__X86_64, kind, bits);
    for (size_t i = 0; i < count; i++) {
        const struct expectation *it = &expectations[i];
        const uint32_t expected[KINDS] = {[ISLE__FILTER_RUNS] = it->runs,
                                          [ISLE__FILTER_LOADS] = it->loads,
                                          [ISLE__FILTER_ZYGOTE] = it->zygote};
        for (unsigned kind = 0; kind < KINDS; kind++) {
            uint32_t got = verdict_on(&programs[kind], it->name, it->arguments);
            test_count_check();
            if (got != expected[kind])
                fail("%s: %s(0x%" PRIx64 ", 0x%" PRIx64 ", 0x%" PRIx64 ", 0x%" PRIx64
                     ") is 0x%x, expected 0x%x (line %zu of the table)",
                     kind_name(kind), it->name, it->arguments[0], it->arguments[1],
                     it->arguments[2], it->arguments[3], got, expected[kind], i + 1);
        }
    }
}
#define EXPECT(bits, ...)                                                                          \
    do {                                                                                           \
        static const struct expectation expectations[] = {__VA_ARGS__};                            \
        expect_all(expectations, sizeof expectations / sizeof expectations[0], bits);              \
    } while (0)

/* Numbers instead of names where the design speaks of bits: a name could be wrong in both. */
TEST(memory_is_data_and_never_code)
{
    EXPECT(0,                                               /* what malloc does */
           {"mmap", {0, 4096, 3, 0x22}, A, A, A},           /* RW PRIVATE ANONYMOUS */
           {"mmap", {0, 4096, 0, 0x4022}, A, A, A},         /* NONE, NORESERVE */
           {"mmap", {0, 4096, 3, 0x20022}, A, A, A},        /* STACK */
           {"mmap", {NOWHERE, 4096, 3, 0x32}, A, A, A},     /* FIXED */
           {"mmap", {NOWHERE, 4096, 3, 0x100022}, A, A, A}, /* FIXED_NOREPLACE */
           {"mmap", {0, 4096, 3, 0x28}, A, A, A},           /* DROPPABLE */
           {"mmap", {0, 4096, 3, 0x01}, A, A, A},           /* SHARED, of a descriptor */
           {"mmap", {0, 4096, 1, 0x02}, A, A, A},           /* of a file */
           {"mmap", {0, 4096, 7, 0x22}, E(EACCES), E(EACCES), E(EACCES)}, /* RWX */
           {"mmap", {0, 4096, 5, 0x22}, E(EACCES), E(EACCES), E(EACCES)},
           {"mmap", {0, 4096, 4, 0x22}, E(EACCES), E(EACCES), E(EACCES)},
           {"mmap", {0, 4096, 7, 0x02}, E(EACCES), E(EACCES), E(EACCES)},
           {"mmap", {0, 4096, 6, 0x02}, E(EACCES), E(EACCES), E(EACCES)},
           {"mmap", {0, 4096, 5, 0x802}, E(EACCES), A, A}, /* RX of a file, DENYWRITE */
           {"mmap", {NOWHERE, 4096, 5, 0x812}, E(EACCES), A, A},
           {"mmap", {0, 4096, 5, 0x01}, E(EACCES), E(EACCES), E(EACCES)},    /* RX SHARED */
           {"mmap", {0, 4096, 3, 0x21}, E(EINVAL), E(EINVAL), E(EINVAL)},    /* SHARED ANONYMOUS */
           {"mmap", {0, 4096, 3, 0x2022}, E(EINVAL), E(EINVAL), E(EINVAL)},  /* LOCKED */
           {"mmap", {0, 4096, 3, 0x8022}, E(EINVAL), E(EINVAL), E(EINVAL)},  /* POPULATE */
           {"mmap", {0, 4096, 3, 0x40022}, E(EINVAL), E(EINVAL), E(EINVAL)}, /* HUGETLB */
           {"mmap", {0, 4096, 3, 0x122}, E(EINVAL), E(EINVAL), E(EINVAL)},   /* GROWSDOWN */
           {"mmap", {0, 4096, 3 | HIGH, 0x22}, E(EACCES), E(EACCES), E(EACCES)},
           {"mmap", {0, 4096, 3, 0x22 | HIGH}, E(EINVAL), E(EINVAL), E(EINVAL)},
           {"mprotect", {NOWHERE, 4096, 0}, A, A, A}, {"mprotect", {NOWHERE, 4096, 1}, A, A, A},
           {"mprotect", {NOWHERE, 4096, 3}, A, A, A},
           {"mprotect", {NOWHERE, 4096, 5}, E(EACCES), E(EACCES), E(EACCES)},
           {"mprotect", {NOWHERE, 4096, 4}, E(EACCES), E(EACCES), E(EACCES)},
           {"mprotect", {NOWHERE, 4096, 0x01000003}, E(EACCES), E(EACCES), E(EACCES)},
           {"mprotect", {NOWHERE, 4096, 1 | HIGH}, E(EACCES), E(EACCES), E(EACCES)},
           {"pkey_mprotect", {NOWHERE, 4096, 4, 0}, K, K, T}, {"personality", {0x0400000}, K, K, T},
           {"shmat", {0, 0, 0100000}, K, K, T}, {"mremap", {NOWHERE, 4096, 8192, 1}, A, A, A},
           {"mremap", {NOWHERE, 4096, 8192, 3}, E(EINVAL), E(EINVAL), E(EINVAL)},
           {"madvise", {NOWHERE, 4096, 4}, A, A, A},                           /* DONTNEED */
           {"madvise", {NOWHERE, 4096, 8}, A, A, A},                           /* FREE */
           {"madvise", {NOWHERE, 4096, 15}, A, A, A},                          /* NOHUGEPAGE */
           {"madvise", {NOWHERE, 4096, 9}, E(EINVAL), E(EINVAL), E(EINVAL)},   /* REMOVE */
           {"madvise", {NOWHERE, 4096, 12}, E(EINVAL), E(EINVAL), E(EINVAL)},  /* MERGEABLE */
           {"madvise", {NOWHERE, 4096, 22}, E(EINVAL), E(EINVAL), E(EINVAL)},  /* POPULATE_READ */
           {"madvise", {NOWHERE, 4096, 100}, E(EINVAL), E(EINVAL), E(EINVAL)}, /* HWPOISON */
           {"madvise", {NOWHERE, 4096, 102}, E(EINVAL), E(EINVAL), E(EINVAL)}, /* GUARD_INSTALL */
           {"memfd_create", {NOWHERE, 0}, E(EPERM), E(EPERM), E(EPERM)}, {"mlockall", {3}, K, K, T},
           {"process_madvise", {5}, K, K, T});
}

TEST(processes_and_threads_are_refused_unless_granted)
{
    EXPECT(
        0, {"clone", {0x3d0f00}, E(EAGAIN), E(EAGAIN), A}, /* a thread */
        {"clone", {0x01200011}, E(EPERM), E(EPERM), A},    /* fork */
        {"clone", {17}, E(EPERM), E(EPERM), E(EPERM)},
        {"clone", {0x4111}, E(EPERM), E(EPERM), E(EPERM)},          /* posix_spawn */
        {"clone", {0x10000000 | 17}, E(EPERM), E(EPERM), E(EPERM)}, /* NEWUSER */
        {"clone", {0x11200011}, E(EPERM), E(EPERM), E(EPERM)},
        {"clone", {0x01200011 | HIGH}, E(EPERM), E(EPERM), E(EPERM)},
        {"clone3", {NOWHERE, 88}, E(ENOSYS), E(ENOSYS), E(ENOSYS)},
        {"fork", {0}, E(EPERM), E(EPERM), E(EPERM)}, {"vfork", {0}, E(EPERM), E(EPERM), E(EPERM)},
        {"execve", {NOWHERE}, K, K, T}, {"execveat", {3, NOWHERE}, K, K, T},
        {"unshare", {0x10000000}, K, K, A}, {"unshare", {0x20000000}, K, K, E(EPERM)},
        {"setns", {3}, K, K, T}, {"ptrace", {0}, K, K, T}, {"ptrace", {16, 1}, K, K, T},
        {"process_vm_readv", {1}, K, K, T}, {"process_vm_writev", {1}, K, K, T},
        {"kcmp", {1}, K, K, T}, {"pidfd_getfd", {3}, K, K, T},
        {"pidfd_send_signal", {3, 9}, K, K, T}, {"rt_sigqueueinfo", {1, 9}, K, K, T},
        {"rt_tgsigqueueinfo", {1, 1, 9}, K, K, T}, {"kill", {1, 9}, E(EPERM), E(EPERM), E(EPERM)},
        {"kill", {UINT64_MAX, 9}, E(EPERM), E(EPERM), E(EPERM)},
        {"tkill", {OWN_PID, 6}, E(EPERM), E(EPERM), E(EPERM)},
        {"tgkill", {OWN_PID, OWN_PID, 6}, A, A, A}, {"tgkill", {OWN_PID, 12, 32}, A, A, A},
        {"tgkill", {OWN_PID, OWN_PID, 19}, E(EPERM), E(EPERM), E(EPERM)}, /* STOP */
        {"tgkill", {OWN_PID, OWN_PID, 22}, E(EPERM), E(EPERM), E(EPERM)}, /* TTOU */
        {"tgkill", {OWN_PID, OWN_PID, 19 | HIGH}, E(EPERM), E(EPERM), E(EPERM)},
        {"tgkill", {OWN_PID + 1, OWN_PID, 6}, E(EPERM), E(EPERM), A},
        {"tgkill", {UINT64_MAX, OWN_PID, 6}, E(EPERM), E(EPERM), A},
        {"waitid", {0}, E(ECHILD), E(ECHILD), A}, {"wait4", {UINT64_MAX}, E(ECHILD), E(ECHILD), A},
        {"setsid", {0}, K, K, A}, {"setpgid", {0, 0}, K, K, T},
        {"prlimit64", {0, 7, 0, NOWHERE}, A, A, A},
        {"prlimit64", {0, 7, NOWHERE, 0}, E(EPERM), E(EPERM), A},
        {"prlimit64", {0, 7, HIGH, 0}, E(EPERM), E(EPERM), A},
        {"prlimit64", {0, 7, 1, 0}, E(EPERM), E(EPERM), A},
        {"prlimit64", {1, 7, 0, NOWHERE}, E(EPERM), E(EPERM), E(EPERM)},
        {"sched_getaffinity", {0, 128}, A, A, A}, {"sched_getaffinity", {OWN_PID, 128}, A, A, A},
        {"sched_getaffinity", {1, 128}, E(ENOSYS), E(ENOSYS), A},
        {"sched_setaffinity", {0, 128}, E(EPERM), E(EPERM), E(EPERM)},
        {"sched_setscheduler", {0, 1}, K, K, T});
    EXPECT(THREADS, {"clone", {0x3d0f00}, A, A, A},
           {"clone", {0x3d0f00 | HIGH}, E(EAGAIN), E(EAGAIN), E(EAGAIN)},
           {"clone", {0x3d0f00 | 0x20000000}, E(EAGAIN), E(EAGAIN), E(EAGAIN)}, /* NEWPID */
           {"clone", {0x01200011}, E(EPERM), E(EPERM), A},
           {"clone3", {NOWHERE, 88}, E(ENOSYS), E(ENOSYS), E(ENOSYS)});
}

TEST(files_are_refused_unless_granted)
{
    EXPECT(0, {"openat", {UINT32_MAX - 99, NOWHERE, 0}, E(EACCES), A, A},
           {"openat", {UINT32_MAX - 99, NOWHERE, 02000000}, E(EACCES), A, A},
           {"openat", {3, NOWHERE, 1}, E(EACCES), E(EACCES), E(EACCES)},
           {"openat", {3, NOWHERE, 2}, E(EACCES), E(EACCES), E(EACCES)},
           {"openat", {3, NOWHERE, 0100}, E(EACCES), E(EACCES), E(EACCES)},      /* CREAT */
           {"openat", {3, NOWHERE, 01000}, E(EACCES), E(EACCES), E(EACCES)},     /* TRUNC */
           {"openat", {3, NOWHERE, 010000000}, E(EACCES), E(EACCES), E(EACCES)}, /* PATH */
           {"openat", {3, NOWHERE, 020200000}, E(EACCES), E(EACCES), E(EACCES)}, /* TMPFILE */
           {"open", {NOWHERE, 0}, E(EACCES), E(EACCES), E(EACCES)},
           {"creat", {NOWHERE, 0}, E(EACCES), E(EACCES), E(EACCES)},
           {"openat2", {3, NOWHERE}, E(ENOSYS), E(ENOSYS), E(ENOSYS)},
           {"newfstatat", {3, NOWHERE}, E(EACCES), A, A}, {"fstat", {3}, A, A, A},
           {"statx", {3}, E(ENOSYS), E(ENOSYS), E(ENOSYS)}, {"getdents64", {3}, E(EACCES), A, A},
           {"readlink", {NOWHERE}, E(EACCES), A, A},
           {"access", {NOWHERE}, E(EACCES), E(EACCES), E(EACCES)}, {"read", {3}, A, A, A},
           {"write", {3}, A, A, A}, {"pread64", {3}, A, A, A}, {"lseek", {3}, A, A, A},
           {"close", {3}, A, A, A}, {"chdir", {NOWHERE}, K, K, T}, {"fchdir", {3}, K, K, A},
           {"chroot", {NOWHERE}, K, K, A}, {"mount", {0}, K, K, T}, {"pivot_root", {0}, K, K, T},
           {"umount2", {0}, K, K, T}, {"fsopen", {0}, K, K, T}, {"move_mount", {0}, K, K, T},
           {"open_tree", {0}, K, K, T}, {"chmod", {NOWHERE}, K, K, T},
           {"symlink", {NOWHERE}, K, K, T}, {"link", {0}, K, K, T},
           {"unlink", {NOWHERE}, E(EACCES), E(EACCES), E(EACCES)},
           {"name_to_handle_at", {0}, K, K, T}, {"open_by_handle_at", {0}, K, K, T});
    EXPECT(READS, {"openat", {UINT32_MAX - 99, NOWHERE, 02200000}, A, A, A},
           {"openat", {UINT64_MAX - 99, NOWHERE, HIGH}, A, A, A}, /* flags are an int */
           {"openat", {3, NOWHERE, 02000001}, E(EACCES), E(EACCES), E(EACCES)},
           {"newfstatat", {3, NOWHERE}, A, A, A}, {"getdents64", {3}, A, A, A},
           {"readlink", {NOWHERE}, E(EACCES), A, A},
           {"mmap", {0, 4096, 5, 0x802}, E(EACCES), A, A});
}

TEST(descriptors_are_those_that_were_given)
{
    EXPECT(0, {"ioctl", {0, 0x5412}, E(ENOTTY), E(ENOTTY), E(ENOTTY)}, /* TIOCSTI */
           {"ioctl", {0, 0x5412 | HIGH}, E(ENOTTY), E(ENOTTY), E(ENOTTY)},
           {"fcntl", {3, 0}, A, A, A}, {"fcntl", {3, 1}, A, A, A}, {"fcntl", {3, 2, 1}, A, A, A},
           {"fcntl", {3, 3}, A, A, A}, {"fcntl", {3, 1030}, A, A, A},
           {"fcntl", {3, 4, 0}, E(EPERM), E(EPERM), E(EPERM)}, /* SETFL */
           {"fcntl", {3, 4 | HIGH, 0}, E(EPERM), E(EPERM), E(EPERM)},
           {"fcntl", {3, 6, 0}, E(EPERM), E(EPERM), E(EPERM)},    /* SETLK */
           {"fcntl", {3, 8, 0}, E(EPERM), E(EPERM), E(EPERM)},    /* SETOWN */
           {"fcntl", {3, 1024, 0}, E(EPERM), E(EPERM), E(EPERM)}, /* SETLEASE */
           {"fcntl", {3, 1033, 0}, E(EPERM), E(EPERM), E(EPERM)}, /* ADD_SEALS */
           {"fcntl", {3, 1034, 0}, E(EPERM), E(EPERM), A},        /* GET_SEALS */
           {"dup", {3}, E(EMFILE), E(EMFILE), A}, {"dup3", {3, 4}, E(EMFILE), E(EMFILE), A},
           {"pipe2", {NOWHERE}, E(EMFILE), E(EMFILE), E(EMFILE)},
           {"eventfd2", {0}, E(EMFILE), E(EMFILE), A},
           {"epoll_create1", {0}, E(EMFILE), E(EMFILE), E(EMFILE)},
           {"socket", {1, 1}, E(EACCES), E(EACCES), E(EACCES)},
           {"socket", {16, 3}, E(EACCES), E(EACCES), E(EACCES)},
           {"socketpair", {1, 1}, E(EACCES), E(EACCES), E(EACCES)},
           {"connect", {3}, E(EACCES), E(EACCES), E(EACCES)}, {"sendmsg", {3}, K, K, A},
           {"recvmsg", {3}, K, K, A}, {"sendto", {3}, K, K, T}, {"bind", {3}, K, K, T},
           {"sendmmsg", {3}, K, K, T}, {"recvmmsg", {3}, K, K, T},
           {"close_range", {3, UINT32_MAX}, E(ENOSYS), E(ENOSYS), A},
           {"sendfile", {3}, E(EINVAL), E(EINVAL), E(EINVAL)}, {"splice", {3}, K, K, T});
    EXPECT(GETS, {"recvmsg", {COURIER, NOWHERE, 0x40000040}, A, A, A},
           {"recvmsg", {COURIER, NOWHERE, 0}, A, A, A},
           {"recvmsg", {COURIER | HIGH, NOWHERE, 0x40}, A, A, A},          /* it is an int */
           {"recvmsg", {COURIER, NOWHERE, 0x2000}, E(EPERM), E(EPERM), A}, /* ERRQUEUE */
           {"recvmsg", {COURIER, NOWHERE, 2}, E(EPERM), E(EPERM), A},      /* PEEK */
           {"recvmsg", {COURIER + 1, NOWHERE, 0x40}, E(EPERM), E(EPERM), A},
           {"sendmsg", {COURIER}, K, K, A});
}

TEST(the_kernels_dangerous_corners_kill)
{
    EXPECT(0, {"io_uring_setup", {1}, K, K, T}, {"io_uring_enter", {1}, K, K, T},
           {"bpf", {0}, K, K, T}, {"perf_event_open", {0}, K, K, T}, {"userfaultfd", {0}, K, K, T},
           {"keyctl", {18}, K, K, T}, {"add_key", {0}, K, K, T}, {"shmget", {1}, K, K, T},
           {"mq_open", {NOWHERE}, K, K, T}, {"setuid", {0}, K, K, T}, {"capset", {0}, K, K, A},
           {"setresuid", {0}, K, K, T}, {"setgroups", {0}, K, K, T}, {"iopl", {3}, K, K, T},
           {"modify_ldt", {1}, K, K, T}, {"reboot", {0}, K, K, T}, {"sethostname", {0}, K, K, T},
           {"init_module", {0}, K, K, T}, {"kexec_load", {0}, K, K, T}, {"swapon", {0}, K, K, T},
           {"vmsplice", {0}, K, K, T}, {"move_pages", {1}, K, K, T}, {"settimeofday", {0}, K, K, T},
           {"get_robust_list", {1}, K, K, T}, {"memfd_secret", {0}, K, K, T},
           {"seccomp", {1, 0, NOWHERE}, E(EPERM), A, A},
           {"seccomp", {1, 8, NOWHERE}, E(EPERM), E(EPERM), E(EPERM)}, /* NEW_LISTENER */
           {"seccomp", {0, 0, 0}, E(EPERM), E(EPERM), E(EPERM)},
           {"landlock_create_ruleset", {0}, K, K, A}, {"landlock_restrict_self", {3}, K, A, A},
           {"prctl", {15, NOWHERE}, A, A, A}, {"prctl", {16, NOWHERE}, A, A, A},
           {"prctl", {1, 0}, E(EPERM), E(EPERM), A},                    /* PDEATHSIG */
           {"prctl", {4, 1}, E(EPERM), E(EPERM), A},                    /* DUMPABLE */
           {"prctl", {36, 1}, E(EPERM), E(EPERM), E(EPERM)},            /* CHILD_SUBREAPER */
           {"prctl", {22, 2}, E(EPERM), E(EPERM), E(EPERM)},            /* SECCOMP */
           {"prctl", {23, 0}, E(EPERM), E(EPERM), E(EPERM)},            /* CAPBSET_READ */
           {"prctl", {38, 1}, E(EPERM), E(EPERM), A},                   /* NO_NEW_PRIVS */
           {"prctl", {15 + 32}, E(EPERM), E(EPERM), E(EPERM)},          /* CAP_AMBIENT */
           {"prctl", {0x53564d41, 0}, E(EINVAL), E(EINVAL), E(EINVAL)}, /* SET_VMA */
           {"futex", {NOWHERE, 0}, A, A, A}, {"futex", {NOWHERE, 1}, A, A, A},
           {"futex", {NOWHERE, 0x81}, A, A, A}, {"futex", {NOWHERE, 0x189}, A, A, A},
           {"futex", {NOWHERE, 3}, A, A, A}, {"futex", {NOWHERE, 4}, A, A, A},
           {"futex", {NOWHERE, 5}, A, A, A}, {"futex", {NOWHERE, 10}, A, A, A},
           {"futex", {NOWHERE, 2}, E(ENOSYS), E(ENOSYS), E(ENOSYS)}, /* FD */
           {"futex", {NOWHERE, 6}, E(ENOSYS), E(ENOSYS), E(ENOSYS)}, /* LOCK_PI */
           {"futex", {NOWHERE, 0x86}, E(ENOSYS), E(ENOSYS), E(ENOSYS)},
           {"futex", {NOWHERE, 11}, E(ENOSYS), E(ENOSYS), E(ENOSYS)}, /* WAIT_REQUEUE_PI */
           {"futex", {NOWHERE, 12}, E(ENOSYS), E(ENOSYS), E(ENOSYS)}, /* CMP_REQUEUE_PI */
           {"futex", {NOWHERE, 13}, E(ENOSYS), E(ENOSYS), E(ENOSYS)}, /* LOCK_PI2 */
           {"futex", {NOWHERE, 0x200}, E(ENOSYS), E(ENOSYS), E(ENOSYS)},
           {"futex", {NOWHERE, 33}, E(ENOSYS), E(ENOSYS), E(ENOSYS)});
}

TEST(clocks_and_signals_are_the_isolates_own)
{
    EXPECT(0, {"clock_gettime", {0}, A, A, A}, {"clock_gettime", {11}, A, A, A},
           {"clock_gettime", {12}, E(EINVAL), E(EINVAL), E(EINVAL)},
           {"clock_gettime", {UINT64_MAX - 5}, E(EINVAL), E(EINVAL), E(EINVAL)},
           {"clock_gettime", {UINT32_MAX - 5}, E(EINVAL), E(EINVAL), E(EINVAL)},
           {"clock_nanosleep", {1, 1}, A, A, A},
           {"clock_nanosleep", {UINT32_MAX, 1}, E(EINVAL), E(EINVAL), E(EINVAL)},
           {"clock_settime", {0}, K, K, T}, {"timer_create", {0}, E(EPERM), E(EPERM), E(EPERM)},
           {"getrandom", {NOWHERE, 16, 0}, A, A, A}, {"getrandom", {NOWHERE, 16, 1}, A, A, A},
           {"getrandom", {NOWHERE, 16, 2}, E(EINVAL), E(EINVAL), E(EINVAL)},
           {"rt_sigaction", {31}, A, A, A}, {"rt_sigaction", {11}, A, A, A},
           {"sigaltstack", {0}, A, A, A}, {"rt_sigprocmask", {0}, A, A, A}, {"ppoll", {0}, A, A, A},
           {"nanosleep", {0}, A, A, A}, {"exit_group", {0}, A, A, A},
           {"uname", {NOWHERE}, E(EPERM), E(EPERM), E(EPERM)},
           {"sysinfo", {NOWHERE}, E(EPERM), E(EPERM), E(EPERM)},
           {"getppid", {0}, E(EPERM), E(EPERM), A},
           {"membarrier", {0}, E(ENOSYS), E(ENOSYS), E(ENOSYS)});
    /* Who audits keeps the handler, and answers a stat by what may be an empty name himself. */
    EXPECT(AUDIT, {"newfstatat", {3, NOWHERE, NOWHERE, 0x1000}, T | 1, A, A},
           {"newfstatat", {3, NOWHERE, NOWHERE, 0x1000 | HIGH}, T | 1, A, A},
           {"newfstatat", {3, NOWHERE, NOWHERE, 0}, E(EACCES), A, A},
           {"newfstatat", {3, NOWHERE, NOWHERE, 0x1100}, E(EACCES), A, A});
    EXPECT(AUDIT | READS, {"newfstatat", {3, NOWHERE, NOWHERE, 0x1000}, A, A, A});
    EXPECT(AUDIT, {"rt_sigaction", {31}, E(EPERM), E(EPERM), A},
           {"rt_sigaction", {31 | HIGH}, E(EPERM), E(EPERM), A}, {"rt_sigaction", {11}, A, A, A},
           {"ptrace", {0}, T, T, T}, {"keyctl", {18}, T, T, T}, {"sendmsg", {3}, T, T, A});
}

/* Not for what glibc and Isle's core ask by themselves. The zygote is never strict. */
TEST(a_strict_policy_kills_for_what_is_refused)
{
    EXPECT(STRICT, {"socket", {1}, K, K, T}, {"kill", {1, 9}, K, K, T},
           {"openat", {3, NOWHERE, 1}, K, K, T}, {"openat2", {3, NOWHERE}, K, K, T},
           {"mmap", {0, 4096, 7, 0x22}, K, K, T}, {"futex", {NOWHERE, 6}, K, K, T},
           {"clone", {0x3d0f00}, K, K, A}, {"clone3", {NOWHERE}, K, K, T},
           {"madvise", {NOWHERE, 4096, 102}, E(EINVAL), E(EINVAL), E(EINVAL)},
           {"membarrier", {0}, E(ENOSYS), E(ENOSYS), E(ENOSYS)},
           {"sysinfo", {NOWHERE}, E(EPERM), E(EPERM), E(EPERM)},
           {"ioctl", {1, 0x5401}, E(ENOTTY), E(ENOTTY), E(ENOTTY)}, {"read", {3}, A, A, A},
           {"prctl", {0x53564d41, 0}, E(EINVAL), E(EINVAL), E(EINVAL)});
    EXPECT(STRICT | THREADS, {"clone3", {NOWHERE}, E(ENOSYS), E(ENOSYS), E(ENOSYS)},
           {"clone", {0x3d0f00}, A, A, A});
    EXPECT(STRICT | AUDIT, {"socket", {1}, T, T, T}, {"ptrace", {0}, T, T, T});
}

/* --- other ways in, and what is yet to come */

static uint32_t verdict_raw(const struct program *program, uint32_t arch, uint32_t number)
{
    struct seccomp_data data = {.nr = (int)number, .arch = arch};
    return program_run(program, &data).verdict;
}

TEST(other_ways_into_the_kernel_kill)
{
    static struct program program;
    program_make(&program, ISLE__X86_64, ISLE__FILTER_RUNS, 0);
    CHECK_UINT(verdict_raw(&program, 0xc000003e, 39), A); /* getpid */
    CHECK_UINT(verdict_raw(&program, 0x40000003, 20), K); /* getpid by int 0x80 */
    CHECK_UINT(verdict_raw(&program, 0x40000003, 39), K);
    CHECK_UINT(verdict_raw(&program, 0xc00000b7, 39), K);
    CHECK_UINT(verdict_raw(&program, 0x8000003e, 39), K);
    CHECK_UINT(verdict_raw(&program, 0xc000003e, 0x40000000 + 39), K); /* x32 */
    CHECK_UINT(verdict_raw(&program, 0xc000003e, 0x40000000), K);
    CHECK_UINT(verdict_raw(&program, 0xc000003e, 0x3fffffff), E(ENOSYS));
    CHECK_UINT(verdict_raw(&program, 0xc000003e, 0xffffffff), K);
    CHECK_UINT(verdict_raw(&program, 0xc000003e, 0x80000000 + 39), K);
    CHECK_UINT(verdict_raw(&program, 0xc000003e, 1000), E(ENOSYS));
    CHECK_UINT(verdict_raw(&program, 0xc000003e, 471), E(ENOSYS));
    CHECK_UINT(verdict_raw(&program, 0xc000003e, 400), E(ENOSYS)); /* nobody's */
    CHECK_UINT(verdict_raw(&program, 0xc000003e, 520), E(ENOSYS)); /* x32's without its bit */
}

TEST_MAIN()
