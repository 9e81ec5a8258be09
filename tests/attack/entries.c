/* SPDX-License-Identifier: Apache-2.0 */
/* Attacks on the filter itself: other ways into the kernel, numbers and arguments that a filter and
 * a kernel might read differently, what changes between the look and the use. */
#include "attack.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

/* Rubbish in the upper half of a register, which the kernel drops from an int. */
#define ENTRIES_HIGH(value) ((long)(UINT64_C(0x100000000) | (uint64_t)(value)))

static int entries_x32(void)
{
#ifdef __x86_64__
    return attack_verdict(syscall(0x40000000L + SYS_openat, AT_FDCWD, "/etc/passwd", O_RDONLY));
#else
    return ATTACK_LACKS;
#endif
}

#ifdef __x86_64__
/* A call of the 32-bit kind; the kernel's number, or its error as negative. */
static long entries_int80(long number, long first, long second)
{
    long result;

    __asm__ volatile("int $0x80"
                     : "=a"(result)
                     : "a"(number), "b"(first), "c"(second)
                     : "memory", "r8", "r9", "r10", "r11");
    return (int)result;
}
#endif

static int entries_old_getpid(void)
{
#ifdef __x86_64__
    long result = entries_int80(20, 0, 0);

    return result < 0 ? (int)-result : ATTACK_WORKS;
#else
    return ATTACK_LACKS;
#endif
}

static int entries_old_open(void)
{
#ifdef __x86_64__
    static const char path[] = "/etc/passwd";
    char *low = mmap((void *)UINT64_C(0x20000000), 4096, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    char byte;
    long fd;

    if (low == MAP_FAILED)
        return errno;
    memcpy(low, path, sizeof path);
    fd = entries_int80(5, (long)(uintptr_t)low, O_RDONLY);
    return fd < 0 ? (int)-fd : attack_verdict(read((int)fd, &byte, 1));
#else
    return ATTACK_LACKS;
#endif
}

static int entries_minus_one(void)
{
    return attack_verdict(syscall(-1L));
}

static int entries_thousand(void)
{
    return attack_verdict(syscall(1000));
}

/* The kernel takes the lower half of the number: openat. */
static int entries_high_number(void)
{
    return attack_verdict(syscall(ENTRIES_HIGH(SYS_openat), AT_FDCWD, "/etc/passwd", O_RDONLY));
}

/* Clears O_NONBLOCK of a description that the host shares: its next read would hang. */
static int entries_status_flags(void)
{
    return attack_verdict(fcntl(attack_world->pipe_reads, F_SETFL, 0));
}

static int entries_high_command(void)
{
    return attack_verdict(syscall(SYS_fcntl, attack_world->pipe_reads, ENTRIES_HIGH(F_SETFL), 0));
}

static int entries_blocking_ioctl(void)
{
    int off = 0;

    return attack_verdict(ioctl(attack_world->pipe_reads, FIONBIO, &off));
}

static int entries_high_protection(void)
{
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return attack_verdict(syscall(SYS_mprotect, page, 4096, ENTRIES_HIGH(PROT_READ | PROT_EXEC)));
}

/* New limits whose address has nothing in its lower half: no limits, to who looks at that alone. */
static int entries_low_zero(void)
{
    struct rlimit *limit = mmap((void *)UINT64_C(0x500000000), 4096, PROT_READ | PROT_WRITE,
                                MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

    if (limit == MAP_FAILED)
        return errno;
    if (getrlimit(RLIMIT_NOFILE, limit))
        limit->rlim_cur = limit->rlim_max = 16; /* the question is refused: what it is anyway */
    return attack_verdict(syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, limit, NULL));
}

static int entries_high_advice(void)
{
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return attack_verdict(syscall(SYS_madvise, page, 4096, ENTRIES_HIGH(MADV_MERGEABLE)));
}

static int entries_high_signal(void)
{
    return attack_verdict(syscall(SYS_tgkill, ENTRIES_HIGH(attack_world->victim),
                                  ENTRIES_HIGH(attack_world->victim), ENTRIES_HIGH(SIGUSR1)));
}

static int entries_high_option(void)
{
    return attack_verdict(syscall(SYS_prctl, ENTRIES_HIGH(PR_SET_DUMPABLE), 1, 0, 0, 0));
}

static int entries_high_operation(void)
{
    static uint32_t word;

    return attack_verdict(syscall(
        SYS_futex, &word, ENTRIES_HIGH(FUTEX_LOCK_PI | FUTEX_PRIVATE_FLAG), 0, NULL, NULL, 0));
}

static int entries_high_clock(void)
{
    clockid_t clock = (clockid_t)(~(unsigned)attack_world->victim << 3 | 2);
    struct timespec now;

    return attack_verdict(syscall(SYS_clock_gettime, ENTRIES_HIGH((uint32_t)clock), &now));
}

static int entries_vsyscall(void)
{
#ifdef __x86_64__
    uintptr_t address = UINT64_C(0xffffffffff600400);
    long (*time_of_day)(long *);

    memcpy(&time_of_day, &address, sizeof time_of_day);
    return time_of_day(NULL) > 0 ? ATTACK_WORKS : ATTACK_NOTHING;
#else
    return ATTACK_LACKS;
#endif
}

static int entries_terminal(unsigned long request, void *argument)
{
    if (attack_world->tty < 0)
        return ATTACK_LACKS;
    return attack_verdict(syscall(SYS_ioctl, attack_world->tty, request, argument));
}

static int entries_type_ahead(void)
{
    char letter = 'x';

    return entries_terminal(TIOCSTI, &letter);
}

static int entries_high_type_ahead(void)
{
    char letter = 'x';

    return entries_terminal((unsigned long)ENTRIES_HIGH(TIOCSTI), &letter);
}

static int entries_console(void)
{
    char subcode = 2;

    return entries_terminal(TIOCLINUX, &subcode);
}

static int entries_settings(void)
{
    char settings[128];

    return entries_terminal(TCGETS, settings);
}

static int entries_discipline(void)
{
    int plain = 0;

    return entries_terminal(TIOCSETD, &plain);
}

/* A second thread changes the path while the first one opens it: what is looked at is not what is
 * used. */
static char entries_path[32] = "/dev/null";
static volatile bool entries_stop;

static void *entries_swap(void *unused)
{
    for (unsigned i = 0; !entries_stop; i++)
        memcpy(entries_path, i & 1 ? "/etc/passwd" : "/dev/null\0\0", 12);
    return unused;
}

static int entries_raced_path(void)
{
    pthread_t thread;
    int error = pthread_create(&thread, NULL, entries_swap, NULL), result = EACCES;

    if (error)
        return error;
    for (int i = 0; i < 20000 && result; i++) {
        int fd = open(entries_path, O_RDONLY);

        result = fd < 0 ? errno : ATTACK_WORKS;
        if (result == ENOENT) /* half of each */
            result = EACCES;
    }
    entries_stop = true;
    pthread_join(thread, NULL);
    return result;
}

#define ENTRIES_EPERM .all = "EPERM", .seccomp = "EPERM"
#define ENTRIES_NO_IOCTL .all = "ENOTTY", .seccomp = "ENOTTY"
#define ENTRIES_32_BITS "works|ENOSYS|SIGSEGV"

static const struct attack_row attack_entries_rows[] = {
    ATTACK_ROW("55a", entries, x32, "`openat` by its x32 number", ATTACK_KILLS,
               .without = "works|ENOSYS", .why = "most kernels have no x32"),
    ATTACK_ROW("55b", entries, old_getpid, "a 32-bit call (`int 0x80`)", ATTACK_KILLS,
               .without = ENTRIES_32_BITS, .why = "some kernels have no 32-bit calls"),
    ATTACK_ROW("55c", entries, old_open, "`open` by a 32-bit call", ATTACK_KILLS,
               .landlock = "EACCES", .namespaces = "ENOENT", .without = ENTRIES_32_BITS,
               .why = "some kernels have no 32-bit calls"),
    ATTACK_ROW("56a", entries, minus_one, "call number -1", ATTACK_KILLS, .without = "ENOSYS",
               .why = "there is no such call"),
    ATTACK_ROW("56b", entries, thousand, "call number 1000", .all = "ENOSYS", .seccomp = "ENOSYS",
               .without = "ENOSYS", .why = "there is no such call: it must not kill",
               .harmless = true),
    ATTACK_ROW("56c", entries, high_number, "`openat` with rubbish above its number",
               .all = "EACCES|kill", .seccomp = "EACCES|kill", .landlock = "EACCES",
               .namespaces = "ENOENT"),
    ATTACK_ROW("57a", entries, status_flags, "make a shared descriptor block (`F_SETFL`)",
               ENTRIES_EPERM),
    ATTACK_ROW("57b", entries, high_command, "the same with rubbish above the command",
               ENTRIES_EPERM),
    ATTACK_ROW("57c", entries, blocking_ioctl, "the same by `ioctl`", ENTRIES_NO_IOCTL),
    ATTACK_ROW("57d", entries, high_protection, "`mprotect` with rubbish above its rights",
               .all = "EACCES", .seccomp = "EACCES", .without = "works|EINVAL",
               .why = "the kernel may look at all of it"),
    ATTACK_ROW("57e", entries, low_zero, "new limits at an address whose lower half is 0",
               ENTRIES_EPERM),
    ATTACK_ROW("57f", entries, high_advice, "`madvise` with rubbish above the advice",
               .all = "EINVAL", .seccomp = "EINVAL", .without = "works|EINVAL",
               .why = "the kernel may not merge"),
    ATTACK_ROW("57g", entries, high_signal, "`tgkill` with rubbish above its numbers",
               ENTRIES_EPERM, .landlock = "EPERM", .namespaces = "ESRCH", .landlock_abi = 6),
    ATTACK_ROW("57h", entries, high_option, "`prctl` with rubbish above the option", ENTRIES_EPERM),
    ATTACK_ROW("57i", entries, high_operation, "`futex` with rubbish above the operation",
               .all = "ENOSYS", .seccomp = "ENOSYS"),
    ATTACK_ROW("57j", entries, high_clock, "the host's clock with rubbish above it",
               .all = "EINVAL", .seccomp = "EINVAL", .namespaces = "EINVAL"),
    ATTACK_ROW("58", entries, vsyscall, "the vsyscall page: it reads the clock, which is allowed",
               .all = "works|SIGSEGV", .without = "works|SIGSEGV",
               .why = "the kernel may have none", .harmless = true),
    ATTACK_ROW("59a", entries, type_ahead, "type into an inherited terminal (`TIOCSTI`)",
               ENTRIES_NO_IOCTL, .without = "works|EIO|EPERM", .why = "newer kernels refuse it"),
    ATTACK_ROW("59b", entries, high_type_ahead, "the same with rubbish above the request",
               ENTRIES_NO_IOCTL, .without = "works|EIO|EPERM", .why = "newer kernels refuse it"),
    ATTACK_ROW("59c", entries, console, "the console's clipboard (`TIOCLINUX`)", ENTRIES_NO_IOCTL,
               .without = "ENOTTY", .why = "this terminal is no console", .harmless = true),
    ATTACK_ROW("59d", entries, settings, "a terminal's settings", ENTRIES_NO_IOCTL),
    ATTACK_ROW("59e", entries, discipline, "a terminal's line discipline", ENTRIES_NO_IOCTL),
    ATTACK_ROW("60", entries, raced_path, "a path that a second thread changes meanwhile",
               .all = "EACCES", .seccomp = "EACCES", .landlock = "EACCES", .threads = 1),
};
ATTACK_GROUP(attack_entries, "Ways into the kernel");
