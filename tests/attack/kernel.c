/* SPDX-License-Identifier: Apache-2.0 */
/* Attacks on the kernel: calls with a history of holes, root's calls, what is shared by all. */
#include "attack.h"

#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/io_uring.h>
#include <linux/keyctl.h>
#include <linux/landlock.h>
#include <linux/mempolicy.h>
#include <linux/perf_event.h>
#include <linux/reboot.h>
#include <linux/seccomp.h>
#include <linux/userfaultfd.h>
#include <mqueue.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/time.h>
#include <sys/times.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#ifndef UFFD_USER_MODE_ONLY
#define UFFD_USER_MODE_ONLY 1
#endif
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

/* A page that was written, so that it is there. */
static void *kernel_page(void)
{
    static void *page;

    if (!page) {
        page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        memset(page, 1, 4096);
    }
    return page;
}

static int kernel_io_uring(void)
{
    struct io_uring_params parameters;

    memset(&parameters, 0, sizeof parameters);
    return attack_verdict(syscall(SYS_io_uring_setup, 4, &parameters));
}

static int kernel_bpf(void)
{
    union bpf_attr attributes;

    memset(&attributes, 0, sizeof attributes);
    attributes.map_type = BPF_MAP_TYPE_ARRAY;
    attributes.key_size = attributes.value_size = 4;
    attributes.max_entries = 1;
    return attack_verdict(syscall(SYS_bpf, BPF_MAP_CREATE, &attributes, sizeof attributes));
}

static int kernel_perf(void)
{
    struct perf_event_attr attributes;

    memset(&attributes, 0, sizeof attributes);
    attributes.size = sizeof attributes;
    attributes.type = PERF_TYPE_SOFTWARE;
    attributes.config = PERF_COUNT_SW_TASK_CLOCK;
    attributes.exclude_kernel = attributes.exclude_hv = 1;
    return attack_verdict(syscall(SYS_perf_event_open, &attributes, 0, -1, -1, 0));
}

static int kernel_userfaultfd(void)
{
    return attack_verdict(syscall(SYS_userfaultfd, UFFD_USER_MODE_ONLY));
}

static int kernel_add_key(void)
{
    return attack_verdict(syscall(SYS_add_key, "user", "isle", "x", 1, KEY_SPEC_PROCESS_KEYRING));
}

static int kernel_keyring(void)
{
    return attack_verdict(syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL));
}

/* Replaces the credentials of the parent: the zygote. */
static int kernel_keyring_of_parent(void)
{
    if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) < 0)
        return errno;
    return attack_verdict(syscall(SYS_keyctl, KEYCTL_SESSION_TO_PARENT));
}

static int kernel_mount(void)
{
    return attack_verdict(mount("none", "/", "tmpfs", 0, NULL));
}

static int kernel_umount(void)
{
    return attack_verdict(umount2("/proc", MNT_DETACH));
}

static int kernel_fsopen(void)
{
    return attack_verdict(syscall(SYS_fsopen, "tmpfs", 0));
}

static int kernel_move_mount(void)
{
    return attack_verdict(syscall(SYS_move_mount, AT_FDCWD, "/", AT_FDCWD, "/", 0));
}

static int kernel_pivot(void)
{
    return attack_verdict(syscall(SYS_pivot_root, "/", "/"));
}

static int kernel_own_mount(void)
{
    int refused = attack_own_namespaces(CLONE_NEWNS);

    if (refused)
        return refused;
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
        return errno;
    return attack_verdict(mount("none", attack_path("empty"), "tmpfs", 0, NULL));
}

/* The old way out of a chroot, as root of users of its own. */
static int kernel_escape_chroot(void)
{
    struct stat status;
    int refused = attack_own_namespaces(0), out;

    if (refused)
        return refused;
    out = open("/", O_PATH | O_DIRECTORY);
    if (out < 0 || mkdir(attack_path("made"), 0700) || chroot(attack_path("made")))
        return errno;
    if (fchdir(out) || chroot("."))
        return errno;
    return attack_verdict(stat("/etc/passwd", &status));
}

/* A new mount namespace has the whole tree in it; who enters it anew stands at its real root. */
static int kernel_enter_own_mounts(void)
{
    int refused = attack_own_namespaces(CLONE_NEWNS), self;

    if (refused)
        return refused;
    self = (int)syscall(SYS_pidfd_open, getpid(), 0);
    if (self < 0 || setns(self, CLONE_NEWNS))
        return errno;
    return attack_verdict(open("/etc/passwd", O_RDONLY));
}

static int kernel_listener(void)
{
    struct sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    struct sock_fprog program = {1, &allow};

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
        return errno;
    return attack_verdict(
        syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program));
}

static int kernel_filter_by_prctl(void)
{
    struct sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    struct sock_fprog program = {1, &allow};

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
        return errno;
    return attack_verdict(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program));
}

static int kernel_landlock(void)
{
    struct landlock_ruleset_attr attributes = {.handled_access_fs = LANDLOCK_ACCESS_FS_EXECUTE};
    int fd = (int)syscall(SYS_landlock_create_ruleset, &attributes, sizeof attributes, 0);

    if (fd < 0)
        return errno;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
        return errno;
    return attack_verdict(syscall(SYS_landlock_restrict_self, fd, 0));
}

static int kernel_module(void)
{
    return attack_verdict(syscall(SYS_finit_module, -1, "", 0));
}

static int kernel_kexec(void)
{
    return attack_verdict(syscall(SYS_kexec_load, 0, 0, NULL, 0));
}

static int kernel_log(void)
{
    static char buffer[256];

    return attack_verdict(syscall(SYS_syslog, 3, buffer, sizeof buffer));
}

static int kernel_swap(void)
{
    return attack_verdict(syscall(SYS_swapoff, ""));
}

static int kernel_accounting(void)
{
    return attack_verdict(syscall(SYS_acct, NULL));
}

static int kernel_mergeable(void)
{
    return attack_verdict(madvise(kernel_page(), 4096, MADV_MERGEABLE));
}

static int kernel_populate(void)
{
    return attack_verdict(madvise(kernel_page(), 4096, MADV_POPULATE_WRITE));
}

static int kernel_poison(void)
{
    return attack_verdict(madvise(kernel_page(), 4096, MADV_HWPOISON));
}

static int kernel_lock(void)
{
    return attack_verdict(mlock(kernel_page(), 4096));
}

static int kernel_lock_all(void)
{
    return attack_verdict(mlockall(MCL_FUTURE));
}

static int kernel_map_locked(void)
{
    return mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED, -1,
                0) == MAP_FAILED
               ? errno
               : ATTACK_WORKS;
}

static int kernel_map_down(void)
{
    return mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN, -1,
                0) == MAP_FAILED
               ? errno
               : ATTACK_WORKS;
}

static int kernel_timer(void)
{
    timer_t timer;

    return attack_verdict(timer_create(CLOCK_MONOTONIC, NULL, &timer));
}

static int kernel_interval(void)
{
    struct itimerval later = {.it_value.tv_sec = 3600};

    return attack_verdict(setitimer(ITIMER_REAL, &later, NULL));
}

static int kernel_barrier(void)
{
    return attack_verdict(syscall(SYS_membarrier, 0, 0, 0));
}

static int kernel_priority_futex(void)
{
    static uint32_t word;

    return attack_verdict(
        syscall(SYS_futex, &word, FUTEX_LOCK_PI | FUTEX_PRIVATE_FLAG, 0, NULL, NULL, 0UL));
}

static int kernel_name_memory(void)
{
    return attack_verdict(prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME, kernel_page(), 4096, "isle"));
}

static int kernel_memory_policy(void)
{
    return attack_verdict(syscall(SYS_set_mempolicy, MPOL_DEFAULT, NULL, 0));
}

static int kernel_gift_pages(void)
{
    struct iovec {
        void *base;
        size_t size;
    } pages = {kernel_page(), 4096};

    return attack_verdict(syscall(SYS_vmsplice, attack_world->pipe_writes, &pages, 1, 0));
}

static int kernel_splice(void)
{
    return attack_verdict(
        syscall(SYS_splice, attack_world->file, NULL, attack_world->pipe_writes, NULL, 16UL, 0UL));
}

static int kernel_sendfile(void)
{
    return attack_verdict(
        syscall(SYS_sendfile, attack_world->pipe_writes, attack_world->file, NULL, 16));
}

static int kernel_shared_segment(void)
{
    const char *memory = shmat(attack_world->shm_key, NULL, SHM_RDONLY);

    if (memory == (const char *)-1)
        return errno;
    return strcmp(memory, ATTACK_SECRET) ? ATTACK_NOTHING : ATTACK_WORKS;
}

static int kernel_queue(void)
{
    return attack_verdict(mq_open(attack_world->queue, O_RDONLY | O_NONBLOCK));
}

static int kernel_shared_memory(void)
{
    return attack_read_secret(shm_open(attack_world->shared, O_RDONLY, 0));
}

static int kernel_semaphores(void)
{
    int id = semget(IPC_PRIVATE, 1, IPC_CREAT | 0600);

    return id < 0 ? errno : attack_verdict(semctl(id, 0, IPC_RMID));
}

static int kernel_messages(void)
{
    int id = msgget(IPC_PRIVATE, IPC_CREAT | 0600);

    return id < 0 ? errno : attack_verdict(msgctl(id, IPC_RMID, NULL));
}

static int kernel_root(void)
{
    return attack_verdict(syscall(SYS_setuid, 0));
}

static int kernel_same_user(void)
{
    return attack_verdict(syscall(SYS_setresuid, -1, getuid(), -1));
}

static int kernel_capabilities(void)
{
    struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct data[2] = {{~0u, ~0u, 0}, {~0u, ~0u, 0}};

    return attack_verdict(syscall(SYS_capset, &head, data));
}

static int kernel_real_time(void)
{
    struct sched_param parameters = {1};

    return attack_verdict(sched_setscheduler(0, SCHED_FIFO, &parameters));
}

static int kernel_ports(void)
{
#ifdef SYS_iopl
    return attack_verdict(syscall(SYS_iopl, 3));
#else
    return ATTACK_LACKS;
#endif
}

static int kernel_segments(void)
{
#ifdef SYS_modify_ldt
    struct {
        unsigned entry, base, limit, flags;
    } segment = {0, 0, 0xfffff, 0x51}; /* 32 bits, pages, useable: plain data */

    return attack_verdict(syscall(SYS_modify_ldt, 1, &segment, sizeof segment));
#else
    return ATTACK_LACKS;
#endif
}

static int kernel_reboot(void)
{
    return attack_verdict(syscall(SYS_reboot, 0, 0, 0, NULL)); /* not the magic numbers */
}

static int kernel_host_name(void)
{
    struct utsname name;

    uname(&name);
    return attack_verdict(sethostname(name.nodename, strlen(name.nodename)));
}

static int kernel_clock(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return attack_verdict(syscall(SYS_clock_settime, CLOCK_REALTIME, &now));
}

static int kernel_uname(void)
{
    struct utsname name;

    return attack_verdict(uname(&name));
}

static int kernel_sysinfo(void)
{
    struct sysinfo info;

    return attack_verdict(sysinfo(&info));
}

static int kernel_parent(void)
{
    return attack_verdict(syscall(SYS_getppid));
}

static int kernel_times(void)
{
    struct tms times_now;

    return attack_verdict(syscall(SYS_times, &times_now));
}

static int kernel_mounts(void)
{
    struct {
        uint32_t size, spare;
        uint64_t mount, after;
    } request = {24, 0, ~UINT64_C(0), 0}; /* LSMT_ROOT */
    uint64_t ids[8];

    return attack_verdict(syscall(458, &request, ids, 8, 0)); /* listmount, of Linux 6.8 */
}

#define KERNEL_ROOTS ATTACK_KILLS, .without = "EPERM|ENOSYS", .why = "the kernel asks for root"
#define KERNEL_OWN_USERS                                                                           \
    .all = "refused", .seccomp = "refused", .without = "works|EPERM|ENOSPC|EUSERS|EACCES",         \
    .why = "the machine may refuse namespaces to users"
#define KERNEL_EPERM .all = "EPERM", .seccomp = "EPERM"
#define KERNEL_EINVAL .all = "EINVAL", .seccomp = "EINVAL"

static const struct attack_row attack_kernel_rows[] = {
    ATTACK_ROW("43", kernel, io_uring, "io_uring", ATTACK_KILLS, .without = "works|EPERM|ENOSYS",
               .why = "it is off on many machines"),
    ATTACK_ROW("44a", kernel, bpf, "a map of `bpf`", ATTACK_KILLS, .without = "works|EPERM",
               .why = "most machines keep it to root"),
    ATTACK_ROW("44b", kernel, perf, "performance counters", ATTACK_KILLS,
               .without = "works|EPERM|EACCES|ENOENT", .why = "some machines keep them to root"),
    ATTACK_ROW("44c", kernel, userfaultfd, "`userfaultfd`", ATTACK_KILLS,
               .without = "works|ENOSYS|EPERM", .why = "some kernels lack it"),
    ATTACK_ROW("45a", kernel, add_key, "`add_key`", ATTACK_KILLS, .without = "works|ENOSYS|EPERM",
               .why = "containers refuse it"),
    ATTACK_ROW("45b", kernel, keyring, "a keyring of its own (`keyctl`)", ATTACK_KILLS,
               .without = "works|ENOSYS|EPERM", .why = "containers refuse it"),
    ATTACK_ROW("45c", kernel, keyring_of_parent, "the zygote's credentials (`keyctl`)",
               ATTACK_KILLS, .without = "works|ENOSYS|EPERM", .why = "containers refuse it"),
    ATTACK_ROW("46a", kernel, mount, "`mount`", KERNEL_ROOTS),
    ATTACK_ROW("46b", kernel, umount, "`umount2`", KERNEL_ROOTS),
    ATTACK_ROW("46c", kernel, fsopen, "`fsopen`", KERNEL_ROOTS),
    ATTACK_ROW("46d", kernel, move_mount, "`move_mount`", KERNEL_ROOTS),
    ATTACK_ROW("46e", kernel, pivot, "`pivot_root`", KERNEL_ROOTS),
    ATTACK_ROW("46f", kernel, own_mount, "mount as root of users of its own", KERNEL_OWN_USERS,
               .landlock = "EPERM"),
    ATTACK_ROW("47a", kernel, escape_chroot, "the way out of a `chroot`, as root of its own users",
               KERNEL_OWN_USERS, .landlock = "refused", .namespaces = "refused"),
    ATTACK_ROW("47b", kernel, enter_own_mounts, "the real root, through mounts of its own",
               KERNEL_OWN_USERS, .landlock = "refused", .namespaces = "refused"),
    ATTACK_ROW("48a", kernel, listener, "a filter that it decides itself (`NEW_LISTENER`)",
               .all = "EPERM|kill", .seccomp = "EPERM|kill"),
    ATTACK_ROW("48b", kernel, filter_by_prctl, "another filter by `prctl`", .all = "EPERM|kill",
               .seccomp = "EPERM|kill"),
    ATTACK_ROW("48c", kernel, landlock, "another Landlock domain", .all = "EPERM|kill",
               .seccomp = "EPERM|kill", .without = "works|ENOSYS|EOPNOTSUPP",
               .why = "the kernel may be without Landlock"),
    ATTACK_ROW("49a", kernel, module, "load a module of the kernel", KERNEL_ROOTS),
    ATTACK_ROW("49b", kernel, kexec, "load another kernel", KERNEL_ROOTS),
    ATTACK_ROW("49c", kernel, log, "read the kernel's log", ATTACK_KILLS, .without = "works|EPERM",
               .why = "most machines keep it to root"),
    ATTACK_ROW("49d", kernel, swap, "turn swapping off", KERNEL_ROOTS),
    ATTACK_ROW("49e", kernel, accounting, "turn accounting off", KERNEL_ROOTS),
    ATTACK_ROW("50a", kernel, mergeable, "share equal pages (`MADV_MERGEABLE`)", KERNEL_EINVAL,
               .without = "works|EINVAL", .why = "the kernel may not merge"),
    ATTACK_ROW("50b", kernel, populate, "`MADV_POPULATE_WRITE`", KERNEL_EINVAL,
               .without = "works|EINVAL", .why = "new in Linux 5.14"),
    ATTACK_ROW("50c", kernel, poison, "`MADV_HWPOISON`", KERNEL_EINVAL, .without = "EPERM|EINVAL",
               .why = "the kernel asks for root"),
    ATTACK_ROW("50d", kernel, lock, "keep a page in memory (`mlock`)", KERNEL_EPERM),
    ATTACK_ROW("50e", kernel, lock_all, "keep all in memory (`mlockall`)", ATTACK_KILLS),
    ATTACK_ROW("50f", kernel, timer, "`timer_create`", KERNEL_EPERM),
    ATTACK_ROW("50g", kernel, interval, "`setitimer`", KERNEL_EPERM),
    ATTACK_ROW("50h", kernel, barrier, "`membarrier`", .all = "ENOSYS", .seccomp = "ENOSYS",
               .without = "works|ENOSYS", .why = "a kernel may lack it"),
    ATTACK_ROW("50i", kernel, priority_futex, "a futex that inherits priority", .all = "ENOSYS",
               .seccomp = "ENOSYS"),
    ATTACK_ROW("50j", kernel, name_memory, "name memory (`PR_SET_VMA`)", KERNEL_EINVAL,
               .without = "works|EINVAL", .why = "a kernel may lack it"),
    ATTACK_ROW("50k", kernel, memory_policy, "`set_mempolicy`", .all = "ENOSYS|kill",
               .seccomp = "ENOSYS|kill", .without = "works|ENOSYS|EPERM",
               .why = "a kernel without NUMA"),
    ATTACK_ROW("50l", kernel, gift_pages, "pages into a pipe (`vmsplice`)", ATTACK_KILLS),
    ATTACK_ROW("50m", kernel, splice, "`splice` of an inherited file", ATTACK_KILLS),
    ATTACK_ROW("50n", kernel, sendfile, "`sendfile`", KERNEL_EINVAL),
    ATTACK_ROW("50o", kernel, map_locked, "a map that stays in memory (`MAP_LOCKED`)",
               KERNEL_EINVAL),
    ATTACK_ROW("50p", kernel, map_down, "a map that grows by itself (`MAP_GROWSDOWN`)",
               KERNEL_EINVAL),
    ATTACK_ROW("51a", kernel, shared_segment, "the host's System V memory", ATTACK_KILLS,
               .namespaces = "EINVAL|EIDRM"),
    ATTACK_ROW("51b", kernel, queue, "the host's message queue", ATTACK_KILLS,
               .namespaces = "ENOENT", .without = "works|ENOSYS", .why = "a kernel may lack them"),
    ATTACK_ROW("51c", kernel, shared_memory, "the host's shared memory by name", ATTACK_NO_FILE),
    ATTACK_ROW("51d", kernel, semaphores, "System V semaphores", ATTACK_KILLS),
    ATTACK_ROW("51e", kernel, messages, "System V messages", ATTACK_KILLS),
    ATTACK_ROW("52a", kernel, root, "`setuid(0)`", KERNEL_ROOTS),
    ATTACK_ROW("52b", kernel, same_user, "`setresuid` to the same user", ATTACK_KILLS),
    ATTACK_ROW("52c", kernel, capabilities, "every capability (`capset`)", KERNEL_ROOTS),
    ATTACK_ROW("52d", kernel, real_time, "real-time scheduling", KERNEL_ROOTS),
    ATTACK_ROW("52e", kernel, ports, "the machine's ports (`iopl`)", KERNEL_ROOTS),
    ATTACK_ROW("52f", kernel, segments, "`modify_ldt`", ATTACK_KILLS, .without = "works|ENOSYS",
               .why = "a kernel may lack it"),
    ATTACK_ROW("52g", kernel, reboot, "`reboot`", KERNEL_ROOTS),
    ATTACK_ROW("52h", kernel, host_name, "`sethostname`", ATTACK_KILLS, .without = "EPERM",
               .why = "the kernel asks for root"),
    ATTACK_ROW("52i", kernel, clock, "set the clock", KERNEL_ROOTS),
    ATTACK_ROW("53a", kernel, uname, "which kernel is this? (`uname`)", KERNEL_EPERM),
    ATTACK_ROW("53b", kernel, sysinfo, "how much memory has the machine?", KERNEL_EPERM),
    ATTACK_ROW("53c", kernel, parent, "who is its parent?", KERNEL_EPERM),
    ATTACK_ROW("53d", kernel, times, "how much time has it had? (`times`)", KERNEL_EPERM),
    ATTACK_ROW("54", kernel, mounts, "which mounts are there? (`listmount`)", ATTACK_KILLS,
               .without = "works|ENOSYS|EPERM", .why = "new in Linux 6.8"),
};
ATTACK_GROUP(attack_kernel, "The kernel");
