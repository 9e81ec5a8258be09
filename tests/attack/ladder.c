/* SPDX-License-Identifier: Apache-2.0 */
/* A sandbox on machines that lack something: rows 101 and 105 of the list of attacks.
 *
 * A filter of the test's own plays the machine that is without namespaces, as most containers are,
 * without Landlock, as old kernels are, or without filters. What is missing must be told, what is
 * required and missing must fail by its name, and what remains must still stop an attack. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sandbox/sandbox.h"

enum {
    LADDER_NAMESPACES = ISLE_LAYER_MNTNS | ISLE_LAYER_NETNS | ISLE_LAYER_PIDNS | ISLE_LAYER_IPCNS,
    LADDER_NEW = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWPID | CLONE_NEWIPC |
                 CLONE_NEWUTS | CLONE_NEWCGROUP,
    LADDER_ORDINARY = 65534,
    LADDER_CHILDREN = 4
};

/* What the machine of a run lacks. */
enum { LADDER_NO_NAMESPACES = 1, LADDER_NO_LANDLOCK = 2, LADDER_NO_FILTERS = 4 };

struct ladder_run {
    unsigned lacks;
    struct isle__policy policy;
    uint32_t without;
    /* What came out, told by the child. */
    bool stands; /* the zygote did, and a child began */
    isle_err err;
    uint32_t reached;
    int opened; /* errno of the attempt to open a file; 0: it was opened */
    char text[ISLE__SANDBOX_TEXT];
};

static struct ladder_run *ladder_shared(void)
{
    struct ladder_run *run = (struct ladder_run *)mmap(NULL, sizeof *run, PROT_READ | PROT_WRITE,
                                                       MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    CHECK(run != MAP_FAILED);
    return run;
}

/* --- machines that lack something */

#define LADDER_NUMBER BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr))
#define LADDER_REFUSE(number, error)                                                               \
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (number), 0, 1),                                           \
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (error))
/* The call is refused if its first argument is this, or has one of these bits. */
#define LADDER_REFUSE_IF(number, how, value, error)                                                \
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (number), 0, 4),                                           \
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args)),                   \
        BPF_JUMP(BPF_JMP | (how) | BPF_K, (value), 0, 1),                                          \
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (error)), LADDER_NUMBER
#define LADDER_ALLOW BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

static void ladder_filter(struct sock_filter *instructions, size_t count)
{
    struct sock_fprog program = {(unsigned short)count, instructions};

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
        syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program))
        _exit(2);
}

static void ladder_lose(unsigned lacks)
{
    struct sock_filter namespaces[] = {
        LADDER_NUMBER,
        LADDER_REFUSE(SYS_unshare, EPERM),
        LADDER_REFUSE(SYS_mount, EPERM),
        LADDER_REFUSE(SYS_setns, EPERM),
        LADDER_REFUSE(SYS_clone3, ENOSYS),
        LADDER_REFUSE_IF(SYS_clone, BPF_JSET, LADDER_NEW, EPERM),
        LADDER_ALLOW,
    };
    struct sock_filter landlock[] = {
        LADDER_NUMBER,
        LADDER_REFUSE(SYS_landlock_create_ruleset, ENOSYS),
        LADDER_REFUSE(SYS_landlock_add_rule, ENOSYS),
        LADDER_REFUSE(SYS_landlock_restrict_self, ENOSYS),
        LADDER_ALLOW,
    };
    struct sock_filter filters[] = {
        LADDER_NUMBER,
        LADDER_REFUSE(SYS_seccomp, ENOSYS),
        LADDER_REFUSE_IF(SYS_prctl, BPF_JEQ, PR_SET_SECCOMP, EINVAL),
        LADDER_ALLOW,
    };

    if (lacks & LADDER_NO_NAMESPACES)
        ladder_filter(namespaces, sizeof namespaces / sizeof namespaces[0]);
    if (lacks & LADDER_NO_LANDLOCK)
        ladder_filter(landlock, sizeof landlock / sizeof landlock[0]);
    if (lacks & LADDER_NO_FILTERS)
        ladder_filter(filters, sizeof filters / sizeof filters[0]);
}

/* --- a run */

static void ladder_become_ordinary(void)
{
    if (getuid() != 0)
        return;
    if (setgroups(0, NULL) || setresgid(LADDER_ORDINARY, LADDER_ORDINARY, LADDER_ORDINARY) ||
        setresuid(LADDER_ORDINARY, LADDER_ORDINARY, LADDER_ORDINARY) || prctl(PR_SET_DUMPABLE, 1))
        _exit(3);
}

ISLE_NORETURN static void ladder_child(struct ladder_run *run, struct isle__sandbox *sandbox)
{
    const struct isle__sandbox_paths none = {0};
    int fd;

    run->stands = true;
    run->err = isle__sandbox_child(sandbox, &run->policy, &none, &run->reached);
    memcpy(run->text, sandbox->text, sizeof run->text);
    if (run->err != ISLE_OK)
        _exit(0);
    fd = open("/etc/passwd", O_RDONLY);
    run->opened = fd < 0 ? errno : 0;
    _exit(0);
}

ISLE_NORETURN static void ladder_zygote(struct ladder_run *run)
{
    struct isle__sandbox sandbox = {.without = run->without};
    pid_t child;
    int status;

    ladder_become_ordinary();
    ladder_lose(run->lacks);
    if (isle__sandbox_zygote(&sandbox) != ISLE_OK ||
        isle__sandbox_zygote_filter(&sandbox) != ISLE_OK) {
        memcpy(run->text, sandbox.text, sizeof run->text);
        _exit(4);
    }
    child = fork();
    if (child == 0)
        ladder_child(run, &sandbox);
    while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    _exit(child > 0 ? 0 : 5);
}

/* Runs it; the answer is in *run. */
static void ladder_go(struct ladder_run *run)
{
    pid_t zygote;
    int status = -1;

    fflush(stdout);
    zygote = fork();
    CHECK(zygote >= 0);
    if (zygote == 0)
        ladder_zygote(run);
    CHECK(waitpid(zygote, &status, 0) == zygote);
    printf("reached 0x%x, error %d, %s\n", run->reached, (int)run->err, run->text);
    if (!run->stands)
        fail("no child began (status 0x%x): %s", (unsigned)status, run->text);
}

static uint32_t ladder_reached(unsigned lacks)
{
    struct ladder_run *run = ladder_shared();

    run->lacks = lacks;
    ladder_go(run);
    CHECK_ERR(run->err, ISLE_OK);
    CHECK_INT(run->opened, EACCES);
    return run->reached;
}

/* Every layer but what the run is about must be as on this machine without the loss. */
static void ladder_loses(unsigned lacks, uint32_t lost)
{
    uint32_t before = ladder_reached(0), after;

    if (!(before & lost))
        skip("no such layer here to lose");
    if (!(before & ~lost & (ISLE_LAYER_LANDLOCK | ISLE_LAYER_MNTNS)))
        skip("no such layer here: nothing would be left that guards files");
    after = ladder_reached(lacks);
    CHECK_UINT(after & lost, 0);
    CHECK_UINT(after & ~(uint32_t)ISLE_LAYER_USERNS, before & ~lost & ~(uint32_t)ISLE_LAYER_USERNS);
}

TEST(a_container_without_namespaces_keeps_what_it_has)
{
    ladder_loses(LADDER_NO_NAMESPACES, LADDER_NAMESPACES);
}

TEST(an_old_kernel_without_landlock_keeps_what_it_has)
{
    ladder_loses(LADDER_NO_LANDLOCK, ISLE_LAYER_LANDLOCK);
}

/* What is required and missing fails by its name. */
static void ladder_refuses(unsigned lacks, uint32_t required, const char *name)
{
    struct ladder_run *run = ladder_shared();

    run->lacks = lacks;
    run->policy.required = required;
    ladder_go(run);
    CHECK_ERR(run->err, ISLE_ESPAWN);
    if (!strstr(run->text, name))
        fail("\"%s\" does not name %s", run->text, name);
}

TEST(what_is_required_and_missing_fails_by_its_name)
{
    ladder_refuses(LADDER_NO_LANDLOCK, ISLE_LAYER_LANDLOCK,
                   isle__sandbox_layer_name(ISLE_LAYER_LANDLOCK));
    ladder_refuses(LADDER_NO_NAMESPACES, ISLE_LAYER_NETNS,
                   isle__sandbox_layer_name(ISLE_LAYER_NETNS));
    ladder_refuses(LADDER_NO_NAMESPACES, ISLE_LAYER_PIDNS | ISLE_LAYER_SECCOMP,
                   isle__sandbox_layer_name(ISLE_LAYER_PIDNS));
    ladder_refuses(LADDER_NO_FILTERS, ISLE_LAYER_SECCOMP,
                   isle__sandbox_layer_name(ISLE_LAYER_SECCOMP));
}

TEST(without_filters_nothing_starts_by_default)
{
    ladder_refuses(LADDER_NO_FILTERS, 0, isle__sandbox_layer_name(ISLE_LAYER_SECCOMP));
}

TEST(with_neither_landlock_nor_mounts_nothing_starts_by_default)
{
    ladder_refuses(LADDER_NO_LANDLOCK | LADDER_NO_NAMESPACES, 0,
                   isle__sandbox_layer_name(ISLE_LAYER_LANDLOCK));
}

TEST(the_insecure_start_with_what_there_is_and_say_so)
{
    struct ladder_run *run = ladder_shared();

    run->lacks = LADDER_NO_LANDLOCK | LADDER_NO_NAMESPACES | LADDER_NO_FILTERS;
    run->policy.insecure = 1;
    run->policy.required = ISLE_LAYER_SECCOMP;
    ladder_go(run);
    CHECK_ERR(run->err, ISLE_OK);
    CHECK_UINT(run->reached & (ISLE_LAYER_SECCOMP | ISLE_LAYER_LANDLOCK | ISLE_LAYER_MNTNS), 0);
    CHECK_INT(run->opened, 0);
}

/* --- deaths */

struct ladder_family {
    bool by_root;
    volatile pid_t guard;
    int alive[2]; /* every process of the sandbox holds the writing end */
};

ISLE_NORETURN static void ladder_family_zygote(int begun)
{
    struct isle__sandbox sandbox = {0};
    const struct isle__policy policy = {0};
    const struct isle__sandbox_paths none = {0};
    uint32_t reached;

    if (isle__sandbox_zygote(&sandbox) != ISLE_OK ||
        isle__sandbox_zygote_filter(&sandbox) != ISLE_OK)
        _exit(4);
    for (int i = 0; i < LADDER_CHILDREN; i++)
        if (fork() == 0) {
            char byte = 1;

            if (isle__sandbox_child(&sandbox, &policy, &none, &reached) != ISLE_OK ||
                write(begun, &byte, 1) != 1)
                _exit(5);
            for (;;)
                pause();
        }
    for (;;)
        pause();
}

/* A host whose zygote has children; returns when all of them stand. Ends when told. */
static pid_t ladder_start_family(struct ladder_family *family)
{
    int begun[2];
    pid_t host;

    CHECK(pipe2(family->alive, O_CLOEXEC) == 0 && pipe2(begun, O_CLOEXEC) == 0);
    fflush(stdout);
    host = fork();
    if (host == 0) {
        pid_t guard;

        if (!family->by_root)
            ladder_become_ordinary();
        guard = fork();
        if (guard == 0)
            ladder_family_zygote(begun[1]);
        family->guard = guard;
        close(family->alive[1]);
        for (;;)
            pause();
    }
    close(begun[1]);
    close(family->alive[1]);
    for (int i = 0; i < LADDER_CHILDREN; i++) {
        char byte;

        if (read(begun[0], &byte, 1) != 1)
            fail("a child did not stand");
    }
    close(begun[0]);
    return host;
}

/* Until nobody holds the writing end. */
static void ladder_await_deaths(const struct ladder_family *family, const char *what)
{
    struct pollfd ends = {.fd = family->alive[0], .events = POLLIN};
    struct timespec before, after;
    int64_t took;

    clock_gettime(CLOCK_MONOTONIC, &before);
    CHECK_INT(poll(&ends, 1, 20000), 1);
    clock_gettime(CLOCK_MONOTONIC, &after);
    took = (after.tv_sec - before.tv_sec) * 1000000 + (after.tv_nsec - before.tv_nsec) / 1000;
    printf("measured: all of %s dead after %" PRId64 " us\n", what, took);
}

static struct ladder_family *ladder_family(void)
{
    struct ladder_family *family = (struct ladder_family *)mmap(
        NULL, sizeof *family, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    CHECK(family != MAP_FAILED);
    return family;
}

TEST(all_die_with_a_host_that_is_killed)
{
    struct ladder_family *family = ladder_family();
    pid_t host = ladder_start_family(family);

    CHECK_INT(kill(host, SIGKILL), 0);
    ladder_await_deaths(family, "a killed host's");
    CHECK(waitpid(host, NULL, 0) == host);
}

TEST(all_die_with_the_guard_that_is_killed)
{
    struct ladder_family *family = ladder_family();
    pid_t host = ladder_start_family(family);

    CHECK_INT(kill(family->guard, SIGKILL), 0);
    ladder_await_deaths(family, "a killed guard's");
    kill(host, SIGKILL);
    CHECK(waitpid(host, NULL, 0) == host);
}

/* --- who they are */

/* The number in base `base` behind "Name:\t" of a status page. */
static uint64_t ladder_field(const char *status, const char *name, int base)
{
    const char *at = strstr(status, name);

    if (!at)
        fail("no %s in a status page", name);
    return strtoull(at + strlen(name), NULL, base);
}

/* The first process below `parent` that has no child itself, or 0. */
static pid_t ladder_leaf(pid_t parent)
{
    char path[64];
    FILE *file;
    int pid = 0;

    for (;;) {
        snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)parent, (int)parent);
        file = fopen(path, "re");
        if (!file || fscanf(file, "%d", &pid) != 1) {
            if (file)
                fclose(file);
            return pid ? parent : 0;
        }
        fclose(file);
        parent = pid;
    }
}

/* What the kernel says of it, as seen from outside. */
static const char *ladder_status(pid_t pid)
{
    static char status[4096];
    char path[64];
    FILE *file;

    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    file = fopen(path, "re");
    CHECK(file != NULL);
    status[fread(status, 1, sizeof status - 1, file)] = 0;
    fclose(file);
    return status;
}

static void ladder_check_nobody(const char *status)
{
    static const char *const sets[] = {"\nCapInh:", "\nCapPrm:", "\nCapEff:", "\nCapAmb:"};

    for (size_t i = 0; i < sizeof sets / sizeof sets[0]; i++)
        CHECK_UINT(ladder_field(status, sets[i], 16), 0);
    CHECK(ladder_field(status, "\nUid:", 10) != 0);
    CHECK(ladder_field(status, "\nGid:", 10) != 0);
    CHECK_UINT(ladder_field(status, "\nNoNewPrivs:", 10), 1);
}

static void ladder_check_who(bool by_root)
{
    struct ladder_family *family = ladder_family();
    pid_t host, child;

    family->by_root = by_root;
    host = ladder_start_family(family);
    child = ladder_leaf(host);
    CHECK(child > 0);
    ladder_check_nobody(ladder_status(child));
    CHECK_INT(kill(host, SIGKILL), 0);
    CHECK(waitpid(host, NULL, 0) == host);
}

TEST(who_is_locked_in_may_nothing)
{
    ladder_check_who(false);
}

TEST(who_root_locks_in_is_not_root)
{
    if (getuid() != 0)
        skip("only root can show it");
    ladder_check_who(true);
}

TEST_MAIN()
