/* SPDX-License-Identifier: Apache-2.0 */
/* What a zygote and an isolate may ask the kernel. See syscalls.h.
 *
 * An isolate computes, owns memory, reads the clock, waits, and reads and writes the descriptors
 * that it was given; that is all it needs of a kernel. The rule for the rest: what is new in the C
 * library and has a fallback is ENOSYS; what an ordinary library tries and can do without is
 * refused as a kernel would; what only an attack calls kills, by having no answer here at all.
 *
 * Three kinds, each with at least what the one before has: `runs` and, where folders are granted,
 * `reads` is an isolate; `loads` is one that loads its code, and that code's constructors have it
 * for as long as they like, so that Landlock and not this table is what bounds them; `zygote` is
 * inherited by all. */
#include "sandbox/syscalls.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/fcntl.h>
#include <linux/futex.h>
#include <linux/mman.h>
#include <linux/prctl.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/socket.h>

/* Newer than the headers of some machines that this is built on. */
#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41
#endif
#define SYSCALLS_PR_SET_MDWE 65
#define SYSCALLS_MAP_DROPPABLE 0x08
#define SYSCALLS_GRND_NONBLOCK 1
#define SYSCALLS_F_GET_SEALS 1034
#define SYSCALLS_AT_EMPTY_PATH 0x1000

enum { SYSCALLS_NEWEST = 470 };

#define ALLOW ISLE__ALLOW
#define KILL ISLE__KILL
#define SOFT(error) (ISLE__SOFT | (error))
#define CHECK(rule) (ISLE__CHECK | RULE_##rule)

/* --- rules */

/* Of a rule: what is answered otherwise, then the clauses. */
#define RULE(name, answered, ...)                                                                  \
    [RULE_##name] = {.otherwise = (answered), .clauses = {__VA_ARGS__}}
#define IF(answered, ...)                                                                          \
    {                                                                                              \
        .answer = (answered), .checks = { __VA_ARGS__ }                                            \
    }
#define WHEN(option, answered, ...)                                                                \
    {                                                                                              \
        .when = ISLE__WHEN_##option, .answer = (answered), .checks = { __VA_ARGS__ }               \
    }
#define WHENEVER(option, answered)                                                                 \
    {                                                                                              \
        .when = ISLE__WHEN_##option, .answer = (answered)                                          \
    }
/* Of a clause: the argument, counted from 0, and what it must be. */
#define EQUAL32(at, wanted)                                                                        \
    {                                                                                              \
        .argument = (at), .test = ISLE__TEST_EQUAL32, .value = (wanted)                            \
    }
#define AT_MOST32(at, most)                                                                        \
    {                                                                                              \
        .argument = (at), .test = ISLE__TEST_AT_MOST32, .value = (most)                            \
    }
#define ANY32(at, bits)                                                                            \
    {                                                                                              \
        .argument = (at), .test = ISLE__TEST_ANY32, .value = (bits)                                \
    }
#define WITHIN32(at, bits)                                                                         \
    {                                                                                              \
        .argument = (at), .test = ISLE__TEST_WITHIN32, .value = (bits)                             \
    }
#define AMONG32(at, set)                                                                           \
    {                                                                                              \
        .argument = (at), .test = ISLE__TEST_AMONG32, .value = (set)                               \
    }
#define AMONG32_BUT_FOR(at, bits, set)                                                             \
    {                                                                                              \
        .argument = (at), .test = ISLE__TEST_AMONG32, .ignored = (bits), .value = (set)            \
    }
#define EQUAL64(at, wanted)                                                                        \
    {                                                                                              \
        .argument = (at), .test = ISLE__TEST_EQUAL64, .value = (wanted)                            \
    }
#define WITHIN64(at, bits)                                                                         \
    {                                                                                              \
        .argument = (at), .test = ISLE__TEST_WITHIN64, .value = (bits)                             \
    }
#define OWN_PID(at)                                                                                \
    {                                                                                              \
        .argument = (at), .test = ISLE__TEST_EQUAL32, .source = ISLE__FROM_OWN_PID                 \
    }
#define COURIER(at)                                                                                \
    {                                                                                              \
        .argument = (at), .test = ISLE__TEST_EQUAL32, .source = ISLE__FROM_COURIER                 \
    }
#define MACHINE32(at, named)                                                                       \
    {                                                                                              \
        .argument = (at), .test = ISLE__TEST_WITHIN32, .source = ISLE__FROM_MACHINE,               \
        .value = ISLE__##named                                                                     \
    }
#define MACHINE64(at, named)                                                                       \
    {                                                                                              \
        .argument = (at), .test = ISLE__TEST_WITHIN64, .source = ISLE__FROM_MACHINE,               \
        .value = ISLE__##named                                                                     \
    }
#define BIT(number) (UINT64_C(1) << (number))

/* Exactly the flags that glibc's pthread_create and fork give. */
#define CLONE_FOR_THREAD                                                                           \
    (CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM |            \
     CLONE_SETTLS | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID)
#define CLONE_FOR_FORK (CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID | SIGCHLD)
/* Without the operations with priority inheritance, a famous kind of bug of the kernel. */
#define FUTEX_OPERATIONS                                                                           \
    (BIT(FUTEX_WAIT) | BIT(FUTEX_WAKE) | BIT(FUTEX_REQUEUE) | BIT(FUTEX_CMP_REQUEUE) |             \
     BIT(FUTEX_WAKE_OP) | BIT(FUTEX_WAIT_BITSET) | BIT(FUTEX_WAKE_BITSET))
/* Where a mapping lies; what is the process's own; what others see as well. Shared memory is had
 * of a descriptor alone: without one it would be memory that RLIMIT_DATA does not count. */
#define MAP_PLACED (MAP_FIXED | MAP_FIXED_NOREPLACE | MAP_NORESERVE | MAP_DENYWRITE)
#define MAP_OWN (MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK | SYSCALLS_MAP_DROPPABLE | MAP_PLACED)
#define MAP_OTHERS (MAP_SHARED | MAP_PLACED)
#define MAP_OF_CODE (MAP_PRIVATE | MAP_PLACED)
/* None that merges pages (a side channel), removes, poisons or fills: Isle's core can do without
 * guards and filling in advance. */
#define MADVISE_ADVICE                                                                             \
    (BIT(MADV_NORMAL) | BIT(MADV_RANDOM) | BIT(MADV_SEQUENTIAL) | BIT(MADV_WILLNEED) |             \
     BIT(MADV_DONTNEED) | BIT(MADV_FREE) | BIT(MADV_HUGEPAGE) | BIT(MADV_NOHUGEPAGE) |             \
     BIT(MADV_DONTDUMP))
#define FCNTL_COMMANDS (BIT(F_DUPFD) | BIT(F_GETFD) | BIT(F_SETFD) | BIT(F_GETFL))
#define STOP_SIGNALS (BIT(SIGSTOP) | BIT(SIGTSTP) | BIT(SIGTTIN) | BIT(SIGTTOU))
#define PRCTL_OF_THREADS (BIT(PR_SET_NAME) | BIT(PR_GET_NAME) | BIT(PR_SET_TIMERSLACK))
#define PRCTL_OF_ZYGOTES                                                                           \
    (PRCTL_OF_THREADS | BIT(PR_SET_PDEATHSIG) | BIT(PR_GET_PDEATHSIG) | BIT(PR_GET_DUMPABLE) |     \
     BIT(PR_SET_DUMPABLE) | BIT(PR_GET_SECCOMP) | BIT(PR_SET_TSC))
/* Clocks of the system and of oneself; negative ones are other processes' and descriptors'. */
enum { CLOCK_LAST = 11 };

enum syscalls_rule {
    RULE_AFFINITY,
    RULE_CLOCK,
    RULE_CLONE,
    RULE_CLONE3,
    RULE_CLONE_ZYGOTE,
    RULE_FCNTL,
    RULE_FCNTL_ZYGOTE,
    RULE_FSTATAT,
    RULE_FUTEX,
    RULE_GETRANDOM,
    RULE_MADVISE,
    RULE_MMAP,
    RULE_MMAP_CODE,
    RULE_MPROTECT,
    RULE_MREMAP,
    RULE_OPEN,
    RULE_PRCTL,
    RULE_PRCTL_ZYGOTE,
    RULE_PRLIMIT,
    RULE_PRLIMIT_ZYGOTE,
    RULE_RECVMSG,
    RULE_SECCOMP,
    RULE_SIGACTION,
    RULE_TGKILL,
    RULE_TGKILL_ZYGOTE,
    RULE_UNSHARE
};

const struct isle__rule isle__rules[] = {
    /* ENOSYS: what glibc asks of other threads, and takes for "there is no such thing". */
    RULE(AFFINITY, SOFT(ENOSYS), IF(ALLOW, EQUAL32(0, 0)), IF(ALLOW, OWN_PID(0))),
    RULE(CLOCK, EINVAL, IF(ALLOW, AT_MOST32(0, CLOCK_LAST))),
    /* EAGAIN: there can be no more threads; EPERM: there are no processes. */
    RULE(CLONE, EPERM, WHEN(THREADS, ALLOW, EQUAL64(0, CLONE_FOR_THREAD)),
         IF(EAGAIN, ANY32(0, CLONE_THREAD))),
    /* Its flags lie in memory. glibc asks it first, then clone. */
    RULE(CLONE3, ENOSYS, WHENEVER(THREADS, SOFT(ENOSYS))),
    RULE(CLONE_ZYGOTE, EPERM, IF(ALLOW, EQUAL64(0, CLONE_FOR_FORK)),
         IF(ALLOW, EQUAL64(0, CLONE_FOR_THREAD)), IF(EAGAIN, ANY32(0, CLONE_THREAD))),
    /* Not F_SETFL: status flags belong to the description, which the host shares. */
    RULE(FCNTL, EPERM, IF(ALLOW, AMONG32(1, FCNTL_COMMANDS)),
         IF(ALLOW, EQUAL32(1, F_DUPFD_CLOEXEC))),
    RULE(FCNTL_ZYGOTE, EPERM, IF(ALLOW, AMONG32(1, FCNTL_COMMANDS)),
         IF(ALLOW, EQUAL32(1, F_DUPFD_CLOEXEC)), IF(ALLOW, EQUAL32(1, SYSCALLS_F_GET_SEALS))),
    /* The fstat of glibc 2.33 to 2.38 is a stat by an empty name. A filter cannot read the name,
     * and by any other one the kernel would tell of files; so what may be one is not called at all.
     */
    RULE(FSTATAT, SOFT(EACCES), WHEN(AUDIT, ISLE__INSIDE, EQUAL32(3, SYSCALLS_AT_EMPTY_PATH))),
    RULE(
        FUTEX, ENOSYS,
        IF(ALLOW, AMONG32_BUT_FOR(1, FUTEX_PRIVATE_FLAG | FUTEX_CLOCK_REALTIME, FUTEX_OPERATIONS))),
    RULE(GETRANDOM, EINVAL, IF(ALLOW, WITHIN32(2, SYSCALLS_GRND_NONBLOCK))),
    RULE(MADVISE, SOFT(EINVAL), IF(ALLOW, AMONG32(2, MADVISE_ADVICE))),
    RULE(MMAP, EACCES, IF(ALLOW, MACHINE64(2, PROT_DATA), WITHIN64(3, MAP_OWN)),
         IF(ALLOW, MACHINE64(2, PROT_DATA), WITHIN64(3, MAP_OTHERS)),
         IF(EINVAL, MACHINE64(2, PROT_DATA))),
    /* Code comes from files, and what is code cannot be written. */
    RULE(MMAP_CODE, EACCES, IF(ALLOW, MACHINE64(2, PROT_DATA), WITHIN64(3, MAP_OWN)),
         IF(ALLOW, MACHINE64(2, PROT_DATA), WITHIN64(3, MAP_OTHERS)),
         IF(ALLOW, MACHINE64(2, PROT_CODE), WITHIN64(3, MAP_OF_CODE)),
         IF(EINVAL, MACHINE64(2, PROT_DATA))),
    RULE(MPROTECT, EACCES, IF(ALLOW, MACHINE64(2, PROT_DATA))),
    RULE(MREMAP, EINVAL, IF(ALLOW, WITHIN64(3, MREMAP_MAYMOVE))),
    RULE(OPEN, EACCES, IF(ALLOW, MACHINE32(2, OPEN_READS))),
    /* Newer libraries name their mappings; they take EINVAL for a kernel without names. */
    RULE(PRCTL, EPERM, IF(ALLOW, AMONG32(0, PRCTL_OF_THREADS)),
         IF(SOFT(EINVAL), EQUAL32(0, PR_SET_VMA))),
    RULE(PRCTL_ZYGOTE, EPERM, IF(ALLOW, AMONG32(0, PRCTL_OF_ZYGOTES)),
         IF(ALLOW, EQUAL32(0, PR_SET_NO_NEW_PRIVS)), IF(ALLOW, EQUAL32(0, PR_GET_NO_NEW_PRIVS)),
         IF(ALLOW, EQUAL32(0, PR_SET_SPECULATION_CTRL)), IF(ALLOW, EQUAL32(0, PR_SCHED_CORE)),
         IF(ALLOW, EQUAL32(0, SYSCALLS_PR_SET_MDWE)), IF(SOFT(EINVAL), EQUAL32(0, PR_SET_VMA))),
    /* To read one's own limits. */
    RULE(PRLIMIT, EPERM, IF(ALLOW, EQUAL32(0, 0), EQUAL64(2, 0))),
    RULE(PRLIMIT_ZYGOTE, EPERM, IF(ALLOW, EQUAL32(0, 0))),
    RULE(RECVMSG, KILL,
         WHEN(COURIER, ALLOW, COURIER(0), WITHIN32(2, MSG_DONTWAIT | MSG_CMSG_CLOEXEC)),
         WHENEVER(COURIER, EPERM)),
    /* One more layer, which can only take away; no listener, which could give. */
    RULE(SECCOMP, EPERM, IF(ALLOW, EQUAL32(0, SECCOMP_SET_MODE_FILTER), EQUAL32(1, 0))),
    /* Who traps has the handler that tells; the isolate cannot take it out. */
    RULE(SIGACTION, ALLOW, WHEN(AUDIT, EPERM, EQUAL32(0, SIGSYS))),
    /* raise, abort, cancellation; stopped isolates would be the host's to find. */
    RULE(TGKILL, EPERM, IF(EPERM, AMONG32(2, STOP_SIGNALS)), IF(ALLOW, OWN_PID(0))),
    RULE(TGKILL_ZYGOTE, ALLOW, IF(EPERM, AMONG32(2, STOP_SIGNALS))),
    /* A child changes its root by a user namespace of its own. */
    RULE(UNSHARE, EPERM, IF(ALLOW, EQUAL64(0, CLONE_NEWUSER))),
};
const size_t isle__rule_count = sizeof isle__rules / sizeof isle__rules[0];

/* --- calls */

#define NONE (-1)
/* The name, the number on x86_64 and on aarch64, and the columns. */
#define CALL(call, on_x86_64, on_aarch64, ...)                                                     \
    {                                                                                              \
        .name = #call, .numbers = {on_x86_64, on_aarch64}, __VA_ARGS__                             \
    }

#define KILLS(call, on_x86_64, on_aarch64)                                                         \
    {                                                                                              \
        .name = #call, .numbers = { on_x86_64, on_aarch64 }                                        \
    }

/* pread64 and the like are read and write with lseek in one; select is poll; the signals of others
 * do not reach an isolate, so it may wait for its own. wait4 tells the truth: it has no children.
 */
/* clang-format off */
const struct isle__syscall isle__syscalls[] = {
    CALL(read, 0, 63, .runs = ALLOW),
    CALL(write, 1, 64, .runs = ALLOW),
    CALL(open, 2, NONE, .runs = EACCES),
    CALL(close, 3, 57, .runs = ALLOW),
    CALL(stat, 4, NONE, .runs = EACCES),
    CALL(fstat, 5, 80, .runs = ALLOW),
    CALL(lstat, 6, NONE, .runs = EACCES),
    CALL(poll, 7, NONE, .runs = ALLOW),
    CALL(lseek, 8, 62, .runs = ALLOW),
    CALL(mmap, 9, 222, .runs = CHECK(MMAP), .loads = CHECK(MMAP_CODE)),
    CALL(mprotect, 10, 226, .runs = CHECK(MPROTECT)),
    CALL(munmap, 11, 215, .runs = ALLOW),
    CALL(brk, 12, 214, .runs = ALLOW),
    CALL(rt_sigaction, 13, 134, .runs = CHECK(SIGACTION), .zygote = ALLOW),
    CALL(rt_sigprocmask, 14, 135, .runs = ALLOW),
    CALL(rt_sigreturn, 15, 139, .runs = ALLOW),
    CALL(ioctl, 16, 29, .runs = SOFT(ENOTTY)),
    CALL(pread64, 17, 67, .runs = ALLOW),
    CALL(pwrite64, 18, 68, .runs = ALLOW),
    CALL(readv, 19, 65, .runs = ALLOW),
    CALL(writev, 20, 66, .runs = ALLOW),
    CALL(access, 21, NONE, .runs = EACCES),
    CALL(pipe, 22, NONE, .runs = EMFILE),
    CALL(select, 23, NONE, .runs = ALLOW),
    CALL(sched_yield, 24, 124, .runs = ALLOW),
    CALL(mremap, 25, 216, .runs = CHECK(MREMAP)),
    CALL(msync, 26, 227, .runs = EINVAL),
    CALL(mincore, 27, 232, .runs = ENOSYS),
    CALL(madvise, 28, 233, .runs = CHECK(MADVISE)),
    KILLS(shmget, 29, 194), KILLS(shmat, 30, 196), KILLS(shmctl, 31, 195),
    CALL(dup, 32, 23, .runs = EMFILE, .zygote = ALLOW),
    CALL(dup2, 33, NONE, .runs = EMFILE, .zygote = ALLOW),
    CALL(pause, 34, NONE, .runs = ALLOW),
    CALL(nanosleep, 35, 101, .runs = ALLOW),
    CALL(getitimer, 36, 102, .runs = EPERM),
    CALL(alarm, 37, NONE, .runs = EPERM),
    CALL(setitimer, 38, 103, .runs = EPERM),
    CALL(getpid, 39, 172, .runs = ALLOW),
    CALL(sendfile, 40, 71, .runs = EINVAL),
    CALL(socket, 41, 198, .runs = EACCES),
    CALL(connect, 42, 203, .runs = EACCES),
    KILLS(accept, 43, 202), KILLS(sendto, 44, 206), KILLS(recvfrom, 45, 207),
    CALL(sendmsg, 46, 211, .zygote = ALLOW),
    CALL(recvmsg, 47, 212, .runs = CHECK(RECVMSG), .zygote = ALLOW),
    KILLS(shutdown, 48, 210), KILLS(bind, 49, 200), KILLS(listen, 50, 201),
    KILLS(getsockname, 51, 204),
    KILLS(getpeername, 52, 205),
    CALL(socketpair, 53, 199, .runs = EACCES),
    KILLS(setsockopt, 54, 208), KILLS(getsockopt, 55, 209),
    CALL(clone, 56, 220, .runs = CHECK(CLONE), .zygote = CHECK(CLONE_ZYGOTE)),
    CALL(fork, 57, NONE, .runs = EPERM),
    CALL(vfork, 58, NONE, .runs = EPERM),
    KILLS(execve, 59, 221),
    CALL(exit, 60, 93, .runs = ALLOW),
    CALL(wait4, 61, 260, .runs = ECHILD, .zygote = ALLOW),
    CALL(kill, 62, 129, .runs = EPERM),
    CALL(uname, 63, 160, .runs = EPERM),
    KILLS(semget, 64, 190), KILLS(semop, 65, 193), KILLS(semctl, 66, 191), KILLS(shmdt, 67, 197),
    KILLS(msgget, 68, 186), KILLS(msgsnd, 69, 189), KILLS(msgrcv, 70, 188), KILLS(msgctl, 71, 187),
    CALL(fcntl, 72, 25, .runs = CHECK(FCNTL), .zygote = CHECK(FCNTL_ZYGOTE)),
    KILLS(flock, 73, 32),
    CALL(fsync, 74, 82, .runs = EINVAL),
    CALL(fdatasync, 75, 83, .runs = EINVAL),
    KILLS(truncate, 76, 45),
    CALL(ftruncate, 77, 46, .runs = EINVAL),
    CALL(getdents, 78, NONE, .runs = EACCES),
    CALL(getcwd, 79, 17, .runs = EACCES),
    KILLS(chdir, 80, 49),
    CALL(fchdir, 81, 50, .zygote = ALLOW),
    CALL(rename, 82, NONE, .runs = EACCES),
    CALL(mkdir, 83, NONE, .runs = EACCES),
    CALL(rmdir, 84, NONE, .runs = EACCES),
    CALL(creat, 85, NONE, .runs = EACCES),
    KILLS(link, 86, NONE),
    CALL(unlink, 87, NONE, .runs = EACCES),
    KILLS(symlink, 88, NONE),
    CALL(readlink, 89, NONE, .runs = EACCES, .loads = ALLOW),
    KILLS(chmod, 90, NONE), KILLS(fchmod, 91, 52), KILLS(chown, 92, NONE), KILLS(fchown, 93, 55),
    KILLS(lchown, 94, NONE), KILLS(umask, 95, 166),
    CALL(gettimeofday, 96, 169, .runs = ALLOW),
    CALL(getrlimit, 97, 163, .runs = EPERM),
    CALL(getrusage, 98, 165, .runs = EPERM, .zygote = ALLOW),
    CALL(sysinfo, 99, 179, .runs = SOFT(EPERM)),
    CALL(times, 100, 153, .runs = EPERM),
    KILLS(ptrace, 101, 117),
    CALL(getuid, 102, 174, .runs = ALLOW),
    KILLS(syslog, 103, 116),
    CALL(getgid, 104, 176, .runs = ALLOW),
    KILLS(setuid, 105, 146), KILLS(setgid, 106, 144),
    CALL(geteuid, 107, 175, .runs = ALLOW),
    CALL(getegid, 108, 177, .runs = ALLOW),
    KILLS(setpgid, 109, 154),
    CALL(getppid, 110, 173, .runs = EPERM, .zygote = ALLOW),
    CALL(getpgrp, 111, NONE, .runs = EPERM),
    CALL(setsid, 112, 157, .zygote = ALLOW),
    KILLS(setreuid, 113, 145), KILLS(setregid, 114, 143),
    CALL(getgroups, 115, 158, .runs = EPERM),
    KILLS(setgroups, 116, 159), KILLS(setresuid, 117, 147),
    CALL(getresuid, 118, 148, .runs = EPERM),
    KILLS(setresgid, 119, 149),
    CALL(getresgid, 120, 150, .runs = EPERM),
    CALL(getpgid, 121, 155, .runs = EPERM),
    KILLS(setfsuid, 122, 151), KILLS(setfsgid, 123, 152),
    CALL(getsid, 124, 156, .runs = EPERM),
    CALL(capget, 125, 90, .runs = EPERM),
    CALL(capset, 126, 91, .zygote = ALLOW),
    CALL(rt_sigpending, 127, 136, .runs = ALLOW),
    CALL(rt_sigtimedwait, 128, 137, .runs = ALLOW),
    KILLS(rt_sigqueueinfo, 129, 138),
    CALL(rt_sigsuspend, 130, 133, .runs = ALLOW),
    CALL(sigaltstack, 131, 132, .runs = ALLOW),
    KILLS(utime, 132, NONE), KILLS(mknod, 133, NONE), KILLS(uselib, 134, NONE),
    KILLS(personality, 135, 92), KILLS(ustat, 136, NONE),
    CALL(statfs, 137, 43, .runs = EACCES),
    CALL(fstatfs, 138, 44, .runs = EACCES),
    KILLS(sysfs, 139, NONE),
    CALL(getpriority, 140, 141, .runs = EPERM),
    CALL(setpriority, 141, 140, .runs = EPERM),
    KILLS(sched_setparam, 142, 118),
    CALL(sched_getparam, 143, 121, .runs = EPERM),
    KILLS(sched_setscheduler, 144, 119),
    CALL(sched_getscheduler, 145, 120, .runs = EPERM),
    CALL(sched_get_priority_max, 146, 125, .runs = EPERM),
    CALL(sched_get_priority_min, 147, 126, .runs = EPERM),
    CALL(sched_rr_get_interval, 148, 127, .runs = EPERM),
    CALL(mlock, 149, 228, .runs = EPERM),
    CALL(munlock, 150, 229, .runs = EPERM),
    KILLS(mlockall, 151, 230), KILLS(munlockall, 152, 231), KILLS(vhangup, 153, 58),
    KILLS(modify_ldt, 154, NONE), KILLS(pivot_root, 155, 41), KILLS(_sysctl, 156, NONE),
    CALL(prctl, 157, 167, .runs = CHECK(PRCTL), .zygote = CHECK(PRCTL_ZYGOTE)),
    CALL(arch_prctl, 158, NONE, .runs = EINVAL),
    KILLS(adjtimex, 159, 171),
    CALL(setrlimit, 160, 164, .runs = EPERM, .zygote = ALLOW),
    CALL(chroot, 161, 51, .zygote = ALLOW),
    KILLS(sync, 162, 81), KILLS(acct, 163, 89), KILLS(settimeofday, 164, 170),
    KILLS(mount, 165, 40), KILLS(umount2, 166, 39), KILLS(swapon, 167, 224),
    KILLS(swapoff, 168, 225),
    KILLS(reboot, 169, 142), KILLS(sethostname, 170, 161), KILLS(setdomainname, 171, 162),
    KILLS(iopl, 172, NONE), KILLS(ioperm, 173, NONE), KILLS(create_module, 174, NONE),
    KILLS(init_module, 175, 105), KILLS(delete_module, 176, 106), KILLS(get_kernel_syms, 177, NONE),
    KILLS(query_module, 178, NONE), KILLS(quotactl, 179, 60), KILLS(nfsservctl, 180, 42),
    KILLS(getpmsg, 181, NONE), KILLS(putpmsg, 182, NONE), KILLS(afs_syscall, 183, NONE),
    KILLS(tuxcall, 184, NONE), KILLS(security, 185, NONE),
    CALL(gettid, 186, 178, .runs = ALLOW),
    KILLS(readahead, 187, 213), KILLS(setxattr, 188, 5), KILLS(lsetxattr, 189, 6),
    KILLS(fsetxattr, 190, 7), KILLS(getxattr, 191, 8), KILLS(lgetxattr, 192, 9),
    KILLS(fgetxattr, 193, 10), KILLS(listxattr, 194, 11), KILLS(llistxattr, 195, 12),
    KILLS(flistxattr, 196, 13), KILLS(removexattr, 197, 14), KILLS(lremovexattr, 198, 15),
    KILLS(fremovexattr, 199, 16),
    CALL(tkill, 200, 130, .runs = EPERM),
    CALL(time, 201, NONE, .runs = ALLOW),
    CALL(futex, 202, 98, .runs = CHECK(FUTEX)),
    CALL(sched_setaffinity, 203, 122, .runs = EPERM),
    CALL(sched_getaffinity, 204, 123, .runs = CHECK(AFFINITY), .zygote = ALLOW),
    KILLS(set_thread_area, 205, NONE), KILLS(io_setup, 206, 0), KILLS(io_destroy, 207, 1),
    KILLS(io_getevents, 208, 4), KILLS(io_submit, 209, 2), KILLS(io_cancel, 210, 3),
    KILLS(get_thread_area, 211, NONE), KILLS(lookup_dcookie, 212, 18),
    CALL(epoll_create, 213, NONE, .runs = EMFILE),
    KILLS(epoll_ctl_old, 214, NONE), KILLS(epoll_wait_old, 215, NONE),
    KILLS(remap_file_pages, 216, 234),
    CALL(getdents64, 217, 61, .runs = EACCES, .reads = ALLOW),
    KILLS(set_tid_address, 218, 96),
    CALL(restart_syscall, 219, 128, .runs = ALLOW),
    KILLS(semtimedop, 220, 192),
    CALL(fadvise64, 221, 223, .runs = EINVAL),
    CALL(timer_create, 222, 107, .runs = EPERM),
    KILLS(timer_settime, 223, 110), KILLS(timer_gettime, 224, 108),
    KILLS(timer_getoverrun, 225, 109),
    KILLS(timer_delete, 226, 111), KILLS(clock_settime, 227, 112),
    CALL(clock_gettime, 228, 113, .runs = CHECK(CLOCK)),
    CALL(clock_getres, 229, 114, .runs = CHECK(CLOCK)),
    CALL(clock_nanosleep, 230, 115, .runs = CHECK(CLOCK)),
    CALL(exit_group, 231, 94, .runs = ALLOW),
    KILLS(epoll_wait, 232, NONE), KILLS(epoll_ctl, 233, 21),
    CALL(tgkill, 234, 131, .runs = CHECK(TGKILL), .zygote = CHECK(TGKILL_ZYGOTE)),
    KILLS(utimes, 235, NONE), KILLS(vserver, 236, NONE),
    CALL(mbind, 237, 235, .runs = ENOSYS),
    CALL(set_mempolicy, 238, 237, .runs = ENOSYS),
    CALL(get_mempolicy, 239, 236, .runs = ENOSYS),
    KILLS(mq_open, 240, 180), KILLS(mq_unlink, 241, 181), KILLS(mq_timedsend, 242, 182),
    KILLS(mq_timedreceive, 243, 183), KILLS(mq_notify, 244, 184), KILLS(mq_getsetattr, 245, 185),
    KILLS(kexec_load, 246, 104),
    CALL(waitid, 247, 95, .runs = ECHILD, .zygote = ALLOW),
    KILLS(add_key, 248, 217), KILLS(request_key, 249, 218), KILLS(keyctl, 250, 219),
    KILLS(ioprio_set, 251, 30), KILLS(ioprio_get, 252, 31),
    CALL(inotify_init, 253, NONE, .runs = EMFILE),
    KILLS(inotify_add_watch, 254, 27), KILLS(inotify_rm_watch, 255, 28),
    KILLS(migrate_pages, 256, 238),
    CALL(openat, 257, 56, .runs = EACCES, .reads = CHECK(OPEN)),
    CALL(mkdirat, 258, 34, .runs = EACCES),
    KILLS(mknodat, 259, 33), KILLS(fchownat, 260, 54), KILLS(futimesat, 261, NONE),
    CALL(newfstatat, 262, 79, .runs = CHECK(FSTATAT), .reads = ALLOW),
    CALL(unlinkat, 263, 35, .runs = EACCES),
    CALL(renameat, 264, 38, .runs = EACCES),
    KILLS(linkat, 265, 37), KILLS(symlinkat, 266, 36),
    CALL(readlinkat, 267, 78, .runs = EACCES, .loads = ALLOW),
    KILLS(fchmodat, 268, 53),
    CALL(faccessat, 269, 48, .runs = EACCES),
    CALL(pselect6, 270, 72, .runs = ALLOW),
    CALL(ppoll, 271, 73, .runs = ALLOW),
    CALL(unshare, 272, 97, .zygote = CHECK(UNSHARE)),
    CALL(set_robust_list, 273, 99, .runs = ALLOW),
    KILLS(get_robust_list, 274, 100), KILLS(splice, 275, 76), KILLS(tee, 276, 77),
    KILLS(sync_file_range, 277, 84), KILLS(vmsplice, 278, 75), KILLS(move_pages, 279, 239),
    KILLS(utimensat, 280, 88), KILLS(epoll_pwait, 281, 22),
    CALL(signalfd, 282, NONE, .runs = EMFILE),
    CALL(timerfd_create, 283, 85, .runs = EMFILE),
    CALL(eventfd, 284, NONE, .runs = EMFILE),
    KILLS(fallocate, 285, 47), KILLS(timerfd_settime, 286, 86), KILLS(timerfd_gettime, 287, 87),
    KILLS(accept4, 288, 242),
    CALL(signalfd4, 289, 74, .runs = EMFILE),
    CALL(eventfd2, 290, 19, .runs = EMFILE, .zygote = ALLOW),
    CALL(epoll_create1, 291, 20, .runs = EMFILE),
    CALL(dup3, 292, 24, .runs = EMFILE, .zygote = ALLOW),
    CALL(pipe2, 293, 59, .runs = EMFILE),
    CALL(inotify_init1, 294, 26, .runs = EMFILE),
    CALL(preadv, 295, 69, .runs = ALLOW),
    CALL(pwritev, 296, 70, .runs = ALLOW),
    KILLS(rt_tgsigqueueinfo, 297, 240), KILLS(perf_event_open, 298, 241), KILLS(recvmmsg, 299, 243),
    KILLS(fanotify_init, 300, 262), KILLS(fanotify_mark, 301, 263),
    CALL(prlimit64, 302, 261, .runs = CHECK(PRLIMIT), .zygote = CHECK(PRLIMIT_ZYGOTE)),
    KILLS(name_to_handle_at, 303, 264), KILLS(open_by_handle_at, 304, 265),
    KILLS(clock_adjtime, 305, 266), KILLS(syncfs, 306, 267), KILLS(sendmmsg, 307, 269),
    KILLS(setns, 308, 268),
    CALL(getcpu, 309, 168, .runs = ALLOW),
    KILLS(process_vm_readv, 310, 270), KILLS(process_vm_writev, 311, 271), KILLS(kcmp, 312, 272),
    KILLS(finit_module, 313, 273), KILLS(sched_setattr, 314, 274), KILLS(sched_getattr, 315, 275),
    CALL(renameat2, 316, 276, .runs = EACCES),
    CALL(seccomp, 317, 277, .runs = EPERM, .loads = CHECK(SECCOMP)),
    CALL(getrandom, 318, 278, .runs = CHECK(GETRANDOM)),
    CALL(memfd_create, 319, 279, .runs = EPERM),
    KILLS(kexec_file_load, 320, 294), KILLS(bpf, 321, 280), KILLS(execveat, 322, 281),
    KILLS(userfaultfd, 323, 282),
    CALL(membarrier, 324, 283, .runs = SOFT(ENOSYS)),
    CALL(mlock2, 325, 284, .runs = EPERM),
    KILLS(copy_file_range, 326, 285),
    CALL(preadv2, 327, 286, .runs = ENOSYS),
    CALL(pwritev2, 328, 287, .runs = ENOSYS),
    KILLS(pkey_mprotect, 329, 288), KILLS(pkey_alloc, 330, 289), KILLS(pkey_free, 331, 290),
    CALL(statx, 332, 291, .runs = ENOSYS),
    KILLS(io_pgetevents, 333, 292),
    CALL(rseq, 334, 293, .runs = ALLOW),
    KILLS(uretprobe, 335, NONE), KILLS(uprobe, 336, NONE), KILLS(pidfd_send_signal, 424, 424),
    KILLS(io_uring_setup, 425, 425), KILLS(io_uring_enter, 426, 426),
    KILLS(io_uring_register, 427, 427), KILLS(open_tree, 428, 428), KILLS(move_mount, 429, 429),
    KILLS(fsopen, 430, 430), KILLS(fsconfig, 431, 431), KILLS(fsmount, 432, 432),
    KILLS(fspick, 433, 433),
    CALL(pidfd_open, 434, 434, .zygote = ALLOW),
    CALL(clone3, 435, 435, .runs = CHECK(CLONE3)),
    CALL(close_range, 436, 436, .runs = ENOSYS, .zygote = ALLOW),
    CALL(openat2, 437, 437, .runs = ENOSYS),
    KILLS(pidfd_getfd, 438, 438),
    CALL(faccessat2, 439, 439, .runs = ENOSYS),
    KILLS(process_madvise, 440, 440),
    CALL(epoll_pwait2, 441, 441, .runs = ENOSYS),
    KILLS(mount_setattr, 442, 442), KILLS(quotactl_fd, 443, 443),
    CALL(landlock_create_ruleset, 444, 444, .zygote = ALLOW),
    CALL(landlock_add_rule, 445, 445, .zygote = ALLOW),
    CALL(landlock_restrict_self, 446, 446, .loads = ALLOW),
    KILLS(memfd_secret, 447, 447), KILLS(process_mrelease, 448, 448),
    CALL(futex_waitv, 449, 449, .runs = ENOSYS),
    KILLS(set_mempolicy_home_node, 450, 450),
    CALL(cachestat, 451, 451, .runs = ENOSYS),
    CALL(fchmodat2, 452, 452, .runs = ENOSYS),
    CALL(map_shadow_stack, 453, 453, .runs = SOFT(ENOSYS)),
    CALL(futex_wake, 454, 454, .runs = ENOSYS),
    CALL(futex_wait, 455, 455, .runs = ENOSYS),
    CALL(futex_requeue, 456, 456, .runs = ENOSYS),
    KILLS(statmount, 457, 457), KILLS(listmount, 458, 458), KILLS(lsm_get_self_attr, 459, 459),
    KILLS(lsm_set_self_attr, 460, 460), KILLS(lsm_list_modules, 461, 461),
    CALL(mseal, 462, 462, .runs = ENOSYS),
    KILLS(setxattrat, 463, 463), KILLS(getxattrat, 464, 464), KILLS(listxattrat, 465, 465),
    KILLS(removexattrat, 466, 466), KILLS(open_tree_attr, 467, 467), KILLS(file_getattr, 468, 468),
    KILLS(file_setattr, 469, 469), KILLS(listns, 470, 470),
};
/* clang-format on */
const size_t isle__syscall_count = sizeof isle__syscalls / sizeof isle__syscalls[0];

/* --- reading it */

/* Bits of protections that only one machine has; the flags that have other bits on each. */
#define SYSCALLS_ARM_PROT_BTI 0x10
#define SYSCALLS_ARM_PROT_MTE 0x20
#define SYSCALLS_OPEN_SAME (02000000 | 04000 | 0400) /* CLOEXEC NONBLOCK NOCTTY */

static const uint64_t syscalls_machine_values[ISLE__MACHINE_COUNT][ISLE__MACHINE_VALUES] = {
    [ISLE__X86_64] =
        {
            [ISLE__PROT_DATA] = PROT_READ | PROT_WRITE,
            [ISLE__PROT_CODE] = PROT_READ | PROT_EXEC,
            /* DIRECTORY NOFOLLOW LARGEFILE */
            [ISLE__OPEN_READS] = SYSCALLS_OPEN_SAME | 0200000 | 0400000 | 0100000,
        },
    [ISLE__AARCH64] =
        {
            [ISLE__PROT_DATA] =
                PROT_READ | PROT_WRITE | SYSCALLS_ARM_PROT_BTI | SYSCALLS_ARM_PROT_MTE,
            [ISLE__PROT_CODE] = PROT_READ | PROT_EXEC | SYSCALLS_ARM_PROT_BTI,
            [ISLE__OPEN_READS] = SYSCALLS_OPEN_SAME | 040000 | 0100000 | 0400000,
        },
};

uint32_t isle__machine_audit_arch(enum isle__machine machine)
{
    return machine == ISLE__X86_64 ? AUDIT_ARCH_X86_64 : AUDIT_ARCH_AARCH64;
}

uint32_t isle__machine_newest(enum isle__machine machine)
{
    (void)machine; /* new calls have one number everywhere */
    return SYSCALLS_NEWEST;
}

enum isle__machine isle__machine_here(void)
{
#if defined(__x86_64__) && defined(__LP64__)
    return ISLE__X86_64;
#elif defined(__aarch64__) && defined(__LP64__) && defined(__AARCH64EL__)
    return ISLE__AARCH64;
#else
    return ISLE__MACHINE_COUNT;
#endif
}

uint64_t isle__check_value(const struct isle__check *check, enum isle__machine machine,
                           const struct isle__filter_options *options)
{
    switch ((enum isle__check_source)check->source) {
    case ISLE__FROM_OWN_PID:
        return options->own_pid;
    case ISLE__FROM_COURIER:
        return (uint32_t)options->courier;
    case ISLE__FROM_MACHINE:
        return syscalls_machine_values[machine][check->value];
    case ISLE__FROM_TABLE:
        break;
    }
    return check->value;
}

bool isle__clause_applies(const struct isle__clause *clause,
                          const struct isle__filter_options *options)
{
    switch ((enum isle__clause_when)clause->when) {
    case ISLE__WHEN_THREADS:
        return options->threads;
    case ISLE__WHEN_COURIER:
        return options->courier >= 0;
    case ISLE__WHEN_AUDIT:
        return options->audit;
    case ISLE__WHEN_ALWAYS:
        break;
    }
    return true;
}

uint16_t isle__answer_under(uint16_t answer, const struct isle__filter_options *options)
{
    bool is_refusal = answer <= ISLE__ERRNO;
    return options->strict && is_refusal ? KILL : answer;
}

uint16_t isle__syscall_answer(const struct isle__syscall *call, enum isle__filter_kind kind,
                              const struct isle__filter_options *options)
{
    uint16_t answer = call->runs != 0 ? call->runs : KILL;
    if (call->reads != 0 && (kind != ISLE__FILTER_RUNS || options->reads))
        answer = call->reads;
    if (call->loads != 0 && kind != ISLE__FILTER_RUNS)
        answer = call->loads;
    if (call->zygote != 0 && kind == ISLE__FILTER_ZYGOTE)
        answer = call->zygote;
    return isle__answer_under(answer, options);
}

const char *isle__syscall_name(int number)
{
    enum isle__machine machine = isle__machine_here();
    for (size_t i = 0; machine != ISLE__MACHINE_COUNT && i < isle__syscall_count; i++)
        if (isle__syscalls[i].numbers[machine] == number && number >= 0)
            return isle__syscalls[i].name;
    return NULL;
}
