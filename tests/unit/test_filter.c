/* SPDX-License-Identifier: Apache-2.0 */
/* Filters of system calls: an evaluator of classic BPF runs every program on every number and on
 * arguments around all that the table mentions, and compares with a slow reading of the table.
 * Whether the table is right, test_filter_design asks; what a kernel makes of the programs,
 * test_filter_kernel. */
#include "filter_help.h"

#include <sys/syscall.h>

enum { NUMBERS = 600 };

/* --- the slow reading */

struct reading {
    int machine;
    unsigned kind;
    struct isle__filter_options options;
    const struct program *below; /* a zygote's; NULL: none */
};

static uint32_t reading_kill(const struct reading *reading)
{
    return reading->kind == ISLE__FILTER_ZYGOTE || reading->options.audit
               ? SECCOMP_RET_TRAP
               : SECCOMP_RET_KILL_PROCESS;
}

static uint64_t reading_value(const struct reading *reading, const struct isle__check *check)
{
    if (check->source == ISLE__FROM_OWN_PID)
        return reading->options.own_pid;
    if (check->source == ISLE__FROM_COURIER)
        return (uint32_t)reading->options.courier;
    return isle__check_value(check, (enum isle__machine)reading->machine, &reading->options);
}

static bool reading_check(const struct reading *reading, const struct isle__check *check,
                          const struct seccomp_data *data)
{
    uint64_t value = reading_value(reading, check), all = data->args[check->argument];
    uint64_t low = all % (UINT64_C(1) << 32);
    switch (check->test) {
    case ISLE__TEST_NONE:
        return true;
    case ISLE__TEST_EQUAL32:
        return low == value;
    case ISLE__TEST_AT_MOST32:
        return low <= value;
    case ISLE__TEST_ANY32:
        return (low & value) != 0;
    case ISLE__TEST_WITHIN32:
        return (low | value) == value;
    case ISLE__TEST_EQUAL64:
        return all == value;
    case ISLE__TEST_WITHIN64:
        return (all | value) == value;
    case ISLE__TEST_AMONG32:
        low -= low & check->ignored;
        for (unsigned number = 0; number < 32; number++)
            if (low == number)
                return (value >> number) % 2 == 1;
        return false;
    default:
        fail("there is no test %u", check->test);
    }
}

static bool reading_clause(const struct reading *reading, const struct isle__clause *clause,
                           const struct seccomp_data *data)
{
    const struct isle__filter_options *options = &reading->options;
    if ((clause->when == ISLE__WHEN_THREADS && !options->threads) ||
        (clause->when == ISLE__WHEN_COURIER && options->courier < 0) ||
        (clause->when == ISLE__WHEN_AUDIT && !options->audit))
        return false;
    for (size_t i = 0; i < ISLE__CHECKS; i++)
        if (!reading_check(reading, &clause->checks[i], data))
            return false;
    return true;
}

static const struct isle__syscall *reading_call(int machine, uint32_t number)
{
    static const struct isle__syscall *last[ISLE__MACHINE_COUNT];
    if (last[machine] != NULL && (uint32_t)last[machine]->numbers[machine] == number)
        return last[machine];
    for (size_t i = 0; i < isle__syscall_count; i++)
        if (isle__syscalls[i].numbers[machine] >= 0 &&
            (uint32_t)isle__syscalls[i].numbers[machine] == number)
            return last[machine] = &isle__syscalls[i];
    return NULL;
}

static uint16_t reading_column(const struct reading *reading, const struct isle__syscall *call)
{
    const uint16_t columns[] = {call->runs, call->reads, call->loads, call->zygote};
    int from = reading->kind == ISLE__FILTER_ZYGOTE  ? 3
               : reading->kind == ISLE__FILTER_LOADS ? 2
               : reading->options.reads              ? 1
                                                     : 0;
    while (from > 0 && columns[from] == 0)
        from--;
    return columns[from] != 0 ? columns[from] : ISLE__KILL;
}

static const struct isle__rule *reading_rule(uint16_t answer)
{
    return answer >= ISLE__CHECK ? &isle__rules[answer - ISLE__CHECK] : NULL;
}

static uint32_t reading_verdict(const struct reading *reading, const struct seccomp_data *data)
{
    uint32_t number = (uint32_t)data->nr;
    if (data->arch != (reading->machine == ISLE__X86_64 ? 0xc000003e : 0xc00000b7))
        return reading_kill(reading);
    if (number >= 0x40000000)
        return reading_kill(reading);
    const struct isle__syscall *call = reading_call(reading->machine, number);
    if (call == NULL)
        return SECCOMP_RET_ERRNO | ENOSYS;
    uint16_t answer = reading_column(reading, call);
    const struct isle__rule *rule = reading_rule(answer);
    for (size_t i = 0; rule != NULL && i <= ISLE__CLAUSES; i++) {
        answer = rule->otherwise;
        if (i == ISLE__CLAUSES || rule->clauses[i].answer == 0)
            break;
        answer = rule->clauses[i].answer;
        if (reading_clause(reading, &rule->clauses[i], data))
            break;
    }
    if (answer == ISLE__ALLOW)
        return SECCOMP_RET_ALLOW;
    if (answer == ISLE__INSIDE)
        return SECCOMP_RET_TRAP | 1;
    if (answer == ISLE__KILL || (answer < ISLE__SOFT && reading->options.strict))
        return reading_kill(reading);
    return SECCOMP_RET_ERRNO | answer % ISLE__SOFT;
}

/* --- the comparison */

static uint64_t random_state;

static uint64_t random_next(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

enum { VALUES_MAX = 4096 };
static struct {
    uint64_t at[VALUES_MAX];
    size_t count;
} values;

static void values_add(uint64_t value)
{
    if (values.count == VALUES_MAX)
        fail("more than %d values", VALUES_MAX);
    values.at[values.count++] = value;
}

/* Each bit, small numbers, edges, and what lies a bit or a step away from what a rule mentions. */
static void values_around(const struct reading *reading, const struct isle__rule *rule)
{
    values.count = 0;
    for (unsigned bit = 0; bit < 64; bit++)
        values_add(UINT64_C(1) << bit);
    for (uint64_t i = 0; i < 70; i++)
        values_add(i);
    values_add(UINT64_MAX);
    values_add(UINT32_MAX);
    values_add(INT32_MAX);
    values_add((uint64_t)INT64_MIN);
    values_add(UINT64_MAX << 32);
    for (size_t i = 0; rule != NULL && i < ISLE__CLAUSES && rule->clauses[i].answer != 0; i++)
        for (size_t k = 0; k < ISLE__CHECKS; k++) {
            const struct isle__check *check = &rule->clauses[i].checks[k];
            uint64_t value = reading_value(reading, check);
            if (check->test == ISLE__TEST_NONE)
                continue;
            for (unsigned bit = 0; bit < 64; bit++)
                values_add(value ^ UINT64_C(1) << bit);
            values_add(value);
            values_add(value - 1);
            values_add(value + 1);
            values_add(value | check->ignored);
            values_add(check->ignored);
        }
}

static unsigned steps_most; /* of all that were compared */

/* What the kernel makes of two programs: it asks the newer one first, and an older one's answer
 * counts where its action is the stricter one. */
static uint32_t stricter(uint32_t newer, uint32_t older)
{
    int32_t newer_action = (int32_t)(newer & SECCOMP_RET_ACTION_FULL);
    int32_t older_action = (int32_t)(older & SECCOMP_RET_ACTION_FULL);
    return older_action < newer_action ? older : newer;
}

static void compare(const struct program *program, const struct reading *reading,
                    const struct seccomp_data *data)
{
    struct walk walk = program_run(program, data);
    uint32_t expected = reading_verdict(reading, data);
    steps_most = walk.steps > steps_most ? walk.steps : steps_most;
    if (reading->below != NULL) {
        uint32_t below = program_run(reading->below, data).verdict;
        walk.verdict = stricter(walk.verdict, below);
        expected = stricter(expected, below);
    }
    if (walk.verdict == expected)
        return;
    fail("machine %d, %s, number %d (0x%x), architecture 0x%x, arguments 0x%" PRIx64 " 0x%" PRIx64
         " 0x%" PRIx64 " 0x%" PRIx64 ": 0x%x, expected 0x%x",
         reading->machine, kind_name(reading->kind), data->nr, (unsigned)data->nr, data->arch,
         (uint64_t)data->args[0], (uint64_t)data->args[1], (uint64_t)data->args[2],
         (uint64_t)data->args[3], walk.verdict, expected);
}

/* Arguments that a clause wants, so that what comes after it in the list is reached as well. */
static void arguments_of(const struct reading *reading, const struct isle__clause *clause,
                         struct seccomp_data *data)
{
    for (size_t k = 0; k < ISLE__CHECKS; k++) {
        const struct isle__check *check = &clause->checks[k];
        uint64_t value = reading_value(reading, check);
        if (check->test == ISLE__TEST_AMONG32)
            value = (uint64_t)__builtin_ctzll(value);
        if (check->test != ISLE__TEST_NONE)
            data->args[check->argument] = value;
    }
}

static void compare_around(const struct program *program, const struct reading *reading,
                           const struct seccomp_data *basis)
{
    for (size_t argument = 0; argument < 6; argument++)
        for (size_t i = 0; i < values.count; i++) {
            struct seccomp_data data = *basis;
            data.args[argument] = values.at[i];
            compare(program, reading, &data);
        }
}

static void compare_by_chance(const struct program *program, const struct reading *reading,
                              struct seccomp_data data, unsigned times)
{
    while (times-- > 0) {
        for (size_t argument = 0; argument < 6; argument++)
            data.args[argument] = values.at[random_next() % values.count];
        compare(program, reading, &data);
    }
}

/* What lies between the clauses' wishes, too: the first argument of one, the second of another. */
static void compare_rule(const struct program *program, const struct reading *reading,
                         struct seccomp_data data, const struct isle__rule *rule)
{
    values_around(reading, rule);
    compare_around(program, reading, &data);
    for (size_t i = 0; i < ISLE__CLAUSES && rule->clauses[i].answer != 0; i++) {
        memset(data.args, 0, sizeof data.args);
        arguments_of(reading, &rule->clauses[i], &data);
        compare_around(program, reading, &data);
    }
    compare_by_chance(program, reading, data, test_tier() == TEST_QUICK ? 2000 : 50000);
}

static void compare_number(const struct program *program, const struct reading *reading,
                           uint32_t number)
{
    uint32_t arch = reading->machine == ISLE__X86_64 ? AUDIT_ARCH_X86_64 : AUDIT_ARCH_AARCH64;
    struct seccomp_data data = {.nr = (int)number, .arch = arch};
    const struct isle__syscall *call = reading_call(reading->machine, number);
    const struct isle__rule *rule =
        call != NULL ? reading_rule(reading_column(reading, call)) : NULL;
    compare(program, reading, &data);
    memset(data.args, 0xff, sizeof data.args);
    compare(program, reading, &data);
    for (size_t argument = 0; argument < 6; argument++)
        data.args[argument] = random_next();
    compare(program, reading, &data);
    memset(data.args, 0, sizeof data.args);
    if (rule != NULL)
        compare_rule(program, reading, data, rule);
}

static void compare_architectures(const struct program *program, const struct reading *reading)
{
    static const uint32_t named[] = {0,
                                     AUDIT_ARCH_I386,
                                     AUDIT_ARCH_X86_64,
                                     AUDIT_ARCH_ARM,
                                     AUDIT_ARCH_AARCH64,
                                     AUDIT_ARCH_RISCV64,
                                     AUDIT_ARCH_PPC64LE,
                                     0xffffffff};
    for (unsigned i = 0; i < 32 + sizeof named / sizeof named[0]; i++)
        for (int number = -1; number < NUMBERS; number += 25) {
            struct seccomp_data data = {.nr = number};
            data.arch = i < 32 ? isle__machine_audit_arch((enum isle__machine)reading->machine) ^
                                     (UINT32_C(1) << i)
                               : named[i - 32];
            compare(program, reading, &data);
        }
}

static void compare_program(int machine, unsigned kind, unsigned bits)
{
    static const uint32_t borders[] = {0x3fffffff, 0x40000000, 0x40000001, 0x400000ff, 0x40000200,
                                       0x40000fff, 0x7fffffff, 0x80000000, 0xffffffff, 0xfffffffe,
                                       1000,       1023,       1024,       65535,      65536,
                                       0x10000000, 0x3f000000, 0x20000009};
    static struct program program, zygote;
    struct reading reading = {.machine = machine, .kind = kind, .options = options_of(bits)};
    if ((bits & ABOVE) != 0) {
        program_make(&zygote, machine, ISLE__FILTER_ZYGOTE, 0);
        reading.below = &zygote;
    }
    random_state = UINT64_C(88172645463325252) + bits;
    program_make(&program, machine, kind, bits);
    for (uint32_t number = 0; number < NUMBERS; number++)
        compare_number(&program, &reading, number);
    for (uint32_t bit = 10; bit < 32; bit++)
        for (uint32_t number = 0; number < 64; number++)
            compare_number(&program, &reading, number | UINT32_C(1) << bit);
    for (size_t i = 0; i < sizeof borders / sizeof borders[0]; i++)
        compare_number(&program, &reading, borders[i]);
    compare_architectures(&program, &reading);
    test_count_check();
}

/* Of children `also` has ABOVE, for those that lie above a zygote's. */
static void compare_programs(int machine, unsigned also)
{
    static const unsigned quick[] = {0, THREADS | READS | GETS, STRICT | AUDIT | GETS,
                                     STRICT | THREADS | AUDIT, AUDIT | GETS};
    unsigned count = test_tier() == TEST_QUICK ? sizeof quick / sizeof quick[0] : OPTIONS;
    for (unsigned kind = also != 0 ? ISLE__FILTER_LOADS : ISLE__FILTER_ZYGOTE; kind < KINDS; kind++)
        for (unsigned i = 0; i < count; i++)
            compare_program(machine, kind, (count == OPTIONS ? i : quick[i]) | also);
    CHECK(steps_most <= 48);
}

TEST(programs_say_what_the_table_says)
{
    compare_programs(ISLE__X86_64, 0);
}
TEST_TIMEOUT(programs_say_what_the_table_says, 300);

TEST(programs_for_aarch64_say_what_the_table_says)
{
    compare_programs(ISLE__AARCH64, 0);
}
TEST_TIMEOUT(programs_for_aarch64_say_what_the_table_says, 300);

TEST(programs_above_a_zygotes_make_of_it_what_complete_ones_would)
{
    compare_programs(ISLE__X86_64, ABOVE);
}
TEST_TIMEOUT(programs_above_a_zygotes_make_of_it_what_complete_ones_would, 300);

TEST(programs_for_aarch64_above_a_zygotes_make_of_it_what_complete_ones_would)
{
    compare_programs(ISLE__AARCH64, ABOVE);
}
TEST_TIMEOUT(programs_for_aarch64_above_a_zygotes_make_of_it_what_complete_ones_would, 300);

/* --- the table */

TEST(every_call_is_there_once)
{
    CHECK(isle__syscall_count > 380);
    for (int machine = 0; machine < ISLE__MACHINE_COUNT; machine++)
        for (size_t i = 0; i < isle__syscall_count; i++) {
            const struct isle__syscall *call = &isle__syscalls[i];
            int number = call->numbers[machine];
            CHECK(number >= -1);
            CHECK(number <= (int)isle__machine_newest((enum isle__machine)machine));
            for (size_t k = 0; k < i; k++) {
                CHECK(strcmp(isle__syscalls[k].name, call->name) != 0);
                CHECK(number == -1 || isle__syscalls[k].numbers[machine] != number);
            }
        }
}

/* As the headers of the system have them. */
TEST(calls_have_their_numbers)
{
    static const struct {
        const char *name;
        int number;
    } calls[] = {
#define N(call) {#call, SYS_##call},
        /* clang-format off */
    N(read) N(write) N(close) N(fstat) N(lseek) N(mmap) N(mprotect) N(munmap) N(brk)
    N(rt_sigaction) N(rt_sigprocmask) N(rt_sigreturn) N(ioctl) N(pread64) N(pwrite64) N(readv)
    N(writev) N(sched_yield) N(mremap) N(msync) N(mincore) N(madvise) N(shmget) N(shmat) N(shmctl)
    N(dup) N(nanosleep) N(getitimer) N(setitimer) N(getpid) N(sendfile) N(socket) N(connect)
    N(accept) N(sendto) N(recvfrom) N(sendmsg) N(recvmsg) N(shutdown) N(bind) N(listen)
    N(getsockname) N(getpeername) N(socketpair) N(setsockopt) N(getsockopt) N(clone) N(execve)
    N(exit) N(wait4) N(kill) N(uname) N(semget) N(semop) N(semctl) N(shmdt) N(msgget) N(msgsnd)
    N(msgrcv) N(msgctl) N(fcntl) N(flock) N(fsync) N(fdatasync) N(truncate) N(ftruncate) N(getcwd)
    N(chdir) N(fchdir) N(fchmod) N(fchown) N(umask) N(gettimeofday) N(getrlimit) N(getrusage)
    N(sysinfo) N(times) N(ptrace) N(getuid) N(syslog) N(getgid) N(setuid) N(setgid) N(geteuid)
    N(getegid) N(setpgid) N(getppid) N(setsid) N(setreuid) N(setregid) N(getgroups) N(setgroups)
    N(setresuid) N(getresuid) N(setresgid) N(getresgid) N(getpgid) N(setfsuid) N(setfsgid)
    N(getsid) N(capget) N(capset) N(rt_sigpending) N(rt_sigtimedwait) N(rt_sigqueueinfo)
    N(rt_sigsuspend) N(sigaltstack) N(personality) N(statfs) N(fstatfs) N(getpriority)
    N(setpriority) N(sched_setparam) N(sched_getparam) N(sched_setscheduler) N(sched_getscheduler)
    N(sched_get_priority_max) N(sched_get_priority_min) N(sched_rr_get_interval) N(mlock)
    N(munlock) N(mlockall) N(munlockall) N(vhangup) N(pivot_root) N(prctl) N(adjtimex)
    N(setrlimit) N(chroot) N(sync) N(acct) N(settimeofday) N(mount) N(umount2) N(swapon)
    N(swapoff) N(reboot) N(sethostname) N(setdomainname) N(init_module) N(delete_module)
    N(quotactl) N(nfsservctl) N(gettid) N(readahead) N(setxattr) N(lsetxattr) N(fsetxattr)
    N(getxattr) N(lgetxattr) N(fgetxattr) N(listxattr) N(llistxattr) N(flistxattr) N(removexattr)
    N(lremovexattr) N(fremovexattr) N(tkill) N(futex) N(sched_setaffinity) N(sched_getaffinity)
    N(io_setup) N(io_destroy) N(io_getevents) N(io_submit) N(io_cancel) N(lookup_dcookie)
    N(remap_file_pages) N(getdents64) N(set_tid_address) N(restart_syscall) N(semtimedop)
    N(fadvise64) N(timer_create) N(timer_settime) N(timer_gettime) N(timer_getoverrun)
    N(timer_delete) N(clock_settime) N(clock_gettime) N(clock_getres) N(clock_nanosleep)
    N(exit_group) N(epoll_ctl) N(tgkill) N(mbind) N(set_mempolicy) N(get_mempolicy) N(mq_open)
    N(mq_unlink) N(mq_timedsend) N(mq_timedreceive) N(mq_notify) N(mq_getsetattr) N(kexec_load)
    N(waitid) N(add_key) N(request_key) N(keyctl) N(ioprio_set) N(ioprio_get) N(inotify_add_watch)
    N(inotify_rm_watch) N(migrate_pages) N(openat) N(mkdirat) N(mknodat) N(fchownat) N(newfstatat)
    N(unlinkat) N(renameat) N(linkat) N(symlinkat) N(readlinkat) N(fchmodat) N(faccessat)
    N(pselect6) N(ppoll) N(unshare) N(set_robust_list) N(get_robust_list) N(splice) N(tee)
    N(sync_file_range) N(vmsplice) N(move_pages) N(utimensat) N(epoll_pwait) N(timerfd_create)
    N(fallocate) N(timerfd_settime) N(timerfd_gettime) N(accept4) N(signalfd4) N(eventfd2)
    N(epoll_create1) N(dup3) N(pipe2) N(inotify_init1) N(preadv) N(pwritev) N(rt_tgsigqueueinfo)
    N(perf_event_open) N(recvmmsg) N(fanotify_init) N(fanotify_mark) N(prlimit64)
    N(name_to_handle_at) N(open_by_handle_at) N(clock_adjtime) N(syncfs) N(sendmmsg) N(setns)
    N(getcpu) N(process_vm_readv) N(process_vm_writev) N(kcmp) N(finit_module) N(sched_setattr)
    N(sched_getattr) N(renameat2) N(seccomp) N(getrandom) N(memfd_create) N(kexec_file_load)
    N(bpf) N(execveat) N(userfaultfd) N(membarrier) N(mlock2) N(copy_file_range) N(preadv2)
    N(pwritev2) N(pkey_mprotect) N(pkey_alloc) N(pkey_free) N(statx) N(io_pgetevents) N(rseq)
    N(pidfd_send_signal) N(io_uring_setup) N(io_uring_enter) N(io_uring_register) N(open_tree)
    N(move_mount) N(fsopen) N(fsconfig) N(fsmount) N(fspick) N(pidfd_open) N(clone3)
    N(close_range) N(openat2) N(pidfd_getfd) N(faccessat2) N(process_madvise) N(epoll_pwait2)
    N(mount_setattr) N(quotactl_fd) N(landlock_create_ruleset) N(landlock_add_rule)
    N(landlock_restrict_self) N(memfd_secret) N(process_mrelease) N(futex_waitv)
    N(set_mempolicy_home_node)
#if defined(__x86_64__)
    N(open) N(stat) N(lstat) N(poll) N(access) N(pipe) N(select) N(dup2) N(pause) N(alarm) N(fork)
    N(vfork) N(getdents) N(rename) N(mkdir) N(rmdir) N(creat) N(link) N(unlink) N(symlink)
    N(readlink) N(chmod) N(chown) N(lchown) N(getpgrp) N(utime) N(mknod) N(uselib) N(ustat)
    N(sysfs) N(modify_ldt) N(_sysctl) N(arch_prctl) N(iopl) N(ioperm) N(create_module)
    N(get_kernel_syms) N(query_module) N(getpmsg) N(putpmsg) N(afs_syscall) N(tuxcall) N(security)
    N(time) N(set_thread_area) N(get_thread_area) N(epoll_create) N(epoll_ctl_old)
    N(epoll_wait_old) N(epoll_wait) N(utimes) N(vserver) N(inotify_init) N(futimesat) N(signalfd)
    N(eventfd)
#endif
/* clang-format on */
#undef N
    };
    enum isle__machine machine = isle__machine_here();
    if (machine == ISLE__MACHINE_COUNT)
        skip("there is no table for this machine");
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        if (call_named(calls[i].name)->numbers[machine] != calls[i].number)
            fail("%s is %d", calls[i].name, calls[i].number);
        CHECK_STRING(isle__syscall_name(calls[i].number), calls[i].name);
    }
    CHECK(isle__syscall_name(-1) == NULL);
    CHECK(isle__syscall_name(100000) == NULL);
}

TEST(calls_of_the_other_machine_have_their_numbers)
{
    CHECK_INT(call_named("openat")->numbers[ISLE__AARCH64], 56);
    CHECK_INT(call_named("read")->numbers[ISLE__AARCH64], 63);
    CHECK_INT(call_named("exit_group")->numbers[ISLE__AARCH64], 94);
    CHECK_INT(call_named("futex")->numbers[ISLE__AARCH64], 98);
    CHECK_INT(call_named("clone")->numbers[ISLE__AARCH64], 220);
    CHECK_INT(call_named("execve")->numbers[ISLE__AARCH64], 221);
    CHECK_INT(call_named("mmap")->numbers[ISLE__AARCH64], 222);
    CHECK_INT(call_named("open")->numbers[ISLE__AARCH64], -1);
    CHECK_INT(call_named("mseal")->numbers[ISLE__AARCH64], 462);
}

static void rule_is_sound(const struct isle__rule *rule)
{
    CHECK(rule->otherwise != 0 && rule->otherwise < ISLE__CHECK);
    for (size_t i = 0; i < ISLE__CLAUSES && rule->clauses[i].answer != 0; i++) {
        CHECK(rule->clauses[i].answer < ISLE__CHECK);
        for (size_t k = 0; k < ISLE__CHECKS; k++) {
            const struct isle__check *check = &rule->clauses[i].checks[k];
            CHECK(check->argument < 6);
            CHECK(check->ignored == 0 || check->test == ISLE__TEST_AMONG32);
            CHECK(check->test == ISLE__TEST_EQUAL64 || check->test == ISLE__TEST_WITHIN64 ||
                  check->value <= UINT32_MAX);
            CHECK(check->test != ISLE__TEST_AMONG32 || check->value != 0);
        }
    }
}

TEST(rules_are_sound_and_each_is_used)
{
    bool used[64] = {false};
    CHECK(isle__rule_count <= 32);
    for (size_t i = 0; i < isle__rule_count; i++)
        rule_is_sound(&isle__rules[i]);
    for (size_t i = 0; i < isle__syscall_count; i++) {
        const struct isle__syscall *call = &isle__syscalls[i];
        const uint16_t columns[] = {call->runs, call->reads, call->loads, call->zygote};
        for (size_t k = 0; k < 4; k++)
            if (columns[k] >= ISLE__CHECK) {
                CHECK((size_t)(columns[k] - ISLE__CHECK) < isle__rule_count);
                used[columns[k] - ISLE__CHECK] = true;
            }
    }
    for (size_t i = 0; i < isle__rule_count; i++)
        CHECK(used[i]);
}

/* --- programs */

static unsigned rank(uint32_t verdict)
{
    return verdict == SECCOMP_RET_ALLOW                               ? 0
           : (verdict & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_ERRNO ? 1
                                                                      : 2;
}

static unsigned rank_of(unsigned kind, unsigned bits, const struct seccomp_data *data)
{
    struct reading reading = {.machine = ISLE__X86_64, .kind = kind, .options = options_of(bits)};
    return rank(reading_verdict(&reading, data));
}

/* All kinds at once, as they are stacked: what one kind allows must not be refused below it. */
static void stack_data(const struct seccomp_data *data, unsigned bits)
{
    unsigned zygote = rank_of(ISLE__FILTER_ZYGOTE, 0, data);
    unsigned loads = rank_of(ISLE__FILTER_LOADS, bits, data);
    unsigned runs = rank_of(ISLE__FILTER_RUNS, bits, data);
    unsigned runs_alone = rank_of(ISLE__FILTER_RUNS, bits & ~(unsigned)READS, data);
    test_count_check();
    if (zygote > loads || loads > runs || runs > runs_alone)
        fail("number %d with the options 0x%x: %u %u %u %u", data->nr, bits, zygote, loads, runs,
             runs_alone);
}

static void stack_number(uint32_t number, unsigned bits)
{
    const struct isle__syscall *call = reading_call(ISLE__X86_64, number);
    struct reading reading = {.machine = ISLE__X86_64, .kind = ISLE__FILTER_RUNS};
    struct seccomp_data data = {.nr = (int)number, .arch = AUDIT_ARCH_X86_64};
    reading.options = options_of(bits);
    stack_data(&data, bits);
    const struct isle__rule *rule =
        call != NULL ? reading_rule(reading_column(&reading, call)) : NULL;
    values_around(&reading, rule);
    for (unsigned i = 0; rule != NULL && i < 500; i++) {
        for (size_t argument = 0; argument < 6; argument++)
            data.args[argument] = values.at[random_next() % values.count];
        if (i < ISLE__CLAUSES && rule->clauses[i].answer != 0)
            arguments_of(&reading, &rule->clauses[i], &data);
        stack_data(&data, bits);
    }
}

TEST(each_kind_has_what_the_one_before_has)
{
    random_state = 1;
    for (unsigned bits = 0; bits < OPTIONS; bits++)
        for (uint32_t number = 0; number < NUMBERS && (bits & STRICT) == 0; number++)
            stack_number(number, bits);
}
TEST_TIMEOUT(each_kind_has_what_the_one_before_has, 120);

/* Then the kernel answers from its table and runs no program. */
TEST(what_is_always_allowed_looks_at_no_argument)
{
    static const char *const names[] = {
        "read",   "write", "readv",      "writev",         "close",        "ppoll",       "poll",
        "munmap", "brk",   "exit_group", "rt_sigprocmask", "rt_sigaction", "rt_sigreturn"};
    static struct program program;
    program_make(&program, ISLE__X86_64, ISLE__FILTER_RUNS, THREADS);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct seccomp_data data = {.nr = call_named(names[i])->numbers[ISLE__X86_64],
                                    .arch = AUDIT_ARCH_X86_64};
        struct walk walk = program_run(&program, &data);
        CHECK_UINT(walk.verdict, SECCOMP_RET_ALLOW);
        CHECK(!walk.looked);
        CHECK(walk.steps <= 16);
    }
}

/* The kernel compiles a program each time that one is put on: its size is a cost of every birth. */
TEST(programs_are_small)
{
    static struct program program;
    for (int machine = 0; machine < ISLE__MACHINE_COUNT; machine++)
        for (unsigned kind = 0; kind < KINDS; kind++)
            for (unsigned bits = 0; bits < OPTIONS; bits++) {
                program_make(&program, machine, kind, bits);
                if (bits == 0 || bits == OPTIONS - 1)
                    printf("machine %d, %s, options 0x%x: %zu instructions\n", machine,
                           kind_name(kind), bits, program.count);
                CHECK(program.count <= 400);
            }
}

TEST(a_program_that_does_not_fit_is_refused)
{
    static struct program program, other;
    struct isle__filter_options options = options_of(THREADS | READS | GETS);
    program_make(&program, ISLE__X86_64, ISLE__FILTER_ZYGOTE, THREADS | READS | GETS);
    for (size_t capacity = 0; capacity < program.count; capacity++) {
        memset(&other, 0x5a, sizeof other);
        CHECK_ERR(isle__filter_make_for(ISLE__X86_64, ISLE__FILTER_ZYGOTE, &options, other.code,
                                        capacity, &other.count),
                  ISLE_ERANGE);
        CHECK_UINT(other.code[capacity].code, 0x5a5a);
    }
    CHECK_ERR(isle__filter_make_for(ISLE__X86_64, ISLE__FILTER_ZYGOTE, &options, other.code,
                                    program.count, &other.count),
              ISLE_OK);
    CHECK_BYTES(other.code, other.count * sizeof other.code[0], program.code,
                program.count * sizeof program.code[0]);
    CHECK_UINT(other.code[program.count].code, 0x5a5a);
    CHECK_ERR(isle__filter_make_for(ISLE__MACHINE_COUNT, ISLE__FILTER_RUNS, &options, other.code,
                                    ISLE__FILTER_ROOM, &other.count),
              ISLE_EUNSUPPORTED);
}

TEST_MAIN()
