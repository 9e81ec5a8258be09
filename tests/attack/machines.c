/* SPDX-License-Identifier: Apache-2.0 */
/* Process isolates on machines that lack something: containers that refuse calls, kernels that have
 * none of them yet, files that are not mounted.
 *
 * A filter of the test's own, put on before the program begins, plays the machine: what it refuses
 * looks as an older kernel or a container's filter looks. Each row says what comes of a spawn
 * there: it works, without such layers; or it fails with a text that names what is missing.
 * ladder.c asks the same of the sandbox alone.
 *
 * Every machine is a process of its own, which tells in shared memory what came out. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <isle.h>
#include <linux/filter.h>
#include <linux/memfd.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    MACHINE_NAMESPACES = ISLE_LAYER_USERNS | ISLE_LAYER_MNTNS | ISLE_LAYER_NETNS |
                         ISLE_LAYER_PIDNS | ISLE_LAYER_IPCNS,
    MACHINE_NEW = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWPID | CLONE_NEWIPC |
                  CLONE_NEWUTS | CLONE_NEWCGROUP,
    MACHINE_ORDINARY = 65534,
    MACHINE_REFUSALS = 12,
    MACHINE_PIDFD_OPEN = 434,
    MACHINE_CLOSE_RANGE = 436,
    MACHINE_MOUNT_SETATTR = 442,
    MACHINE_FSOPEN = 430,
    MACHINE_FSMOUNT = 432,
    MACHINE_PIDFD_SEND_SIGNAL = 424,
    MACHINE_CLONE3 = 435,
    MACHINE_LANDLOCK = 444, /* and the two after it */
    MACHINE_P_PIDFD = 3
};

/* One call, whatever its arguments, or where one of them has a bit or is a number. */
struct machine_refusal {
    int call, error;
    enum { MACHINE_ALWAYS, MACHINE_ANY_BIT, MACHINE_EQUAL } when;
    unsigned argument;
    uint32_t value;
};
struct machine {
    struct machine_refusal refusals[MACHINE_REFUSALS]; /* ends with error 0 */
    void (*otherwise)(void);                           /* what no filter can play; NULL */
    uint32_t lost;                                     /* layers that cannot be there */
    uint32_t lost_by_ordinary;                         /* and of who is not root; 0: no others */
    const char *says;                                  /* of a spawn that fails; NULL: it works */
};

/* What came out; in memory that is shared with the process that played the machine. */
struct machine_outcome {
    bool ended; /* it got to its end */
    bool works, killed;
    uint32_t reached;
    char text[512]; /* of the spawn's error */
};

/* --- playing it */

#define MACHINE_LOAD(offset)                                                                       \
    ((struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(offset)))
#define MACHINE_RETURN(value) ((struct sock_filter)BPF_STMT(BPF_RET | BPF_K, (value)))

static size_t machine_refuse(const struct machine_refusal *refusal, struct sock_filter *at)
{
    uint16_t test = refusal->when == MACHINE_ANY_BIT ? BPF_JSET : BPF_JEQ;
    bool always = refusal->when == MACHINE_ALWAYS;
    size_t count = 0;

    at[count++] = MACHINE_LOAD(offsetof(struct seccomp_data, nr));
    at[count++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)refusal->call,
                                               0, always ? 1 : 3);
    if (!always) {
        at[count++] = MACHINE_LOAD(offsetof(struct seccomp_data, args) + 8 * refusal->argument);
        at[count++] = (struct sock_filter)BPF_JUMP(BPF_JMP | test | BPF_K, refusal->value, 0, 1);
    }
    at[count++] = MACHINE_RETURN(SECCOMP_RET_ERRNO | (uint32_t)refusal->error);
    return count;
}

static void machine_become_ordinary(void)
{
    if (getuid() == 0 && (setgroups(0, NULL) != 0 ||
                          setresgid(MACHINE_ORDINARY, MACHINE_ORDINARY, MACHINE_ORDINARY) != 0 ||
                          setresuid(MACHINE_ORDINARY, MACHINE_ORDINARY, MACHINE_ORDINARY) != 0 ||
                          prctl(PR_SET_DUMPABLE, 1) != 0))
        fail("nobody is not to be had");
}

static void machine_play(const struct machine *machine)
{
    struct sock_filter instructions[5 * MACHINE_REFUSALS + 1];
    size_t count = 0;

    if (machine->otherwise != NULL)
        machine->otherwise();
    for (const struct machine_refusal *at = machine->refusals; at->error != 0; at++)
        count += machine_refuse(at, instructions + count);
    if (count == 0)
        return;
    instructions[count++] = MACHINE_RETURN(SECCOMP_RET_ALLOW);
    struct sock_fprog program = {(unsigned short)count, instructions};
    CHECK_INT(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) != 0)
        skip("no filters here to play another machine with");
}

/* --- a program there */

static struct machine_outcome *machine_outcome;

static isle_value machine_double(isle_value number)
{
    return isle_int(2 * isle_as_int(number));
}

static void machine_deaf(isle_value told)
{
    sigset_t all;

    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    isle_send(isle_as_port(told), isle_null());
    for (;;)
        pause();
}

static isle_receive_port *machine_port; /* the root's */

static isle_value machine_uses_isolates(isle_value unused)
{
    isle_options options = {.backend = ISLE_PROCESS};
    isle_receive_port *port = machine_port;

    (void)unused;
    CHECK_INT(isle_as_int(isle_await(isle_run(machine_double, isle_int(21), &options))), 42);
    options.monitor = isle_port_send_port(port);
    isle_isolate deaf = isle_spawn(machine_deaf, isle_port_value(port), &options);
    CHECK(isle_is_null(isle_port_receive(port)));
    isle_kill(deaf, ISLE_IMMEDIATE);
    machine_outcome->killed = isle_as_end(isle_port_receive(port)).reason == ISLE_KILLED;
    return isle_null();
}

static int machine_root(int argc, char **argv)
{
    isle_value unused;

    (void)argc, (void)argv;
    machine_port = isle_port_open();
    machine_outcome->reached = isle_sandbox_reached();
    machine_outcome->works = isle_try(machine_uses_isolates, isle_null(), &unused) == ISLE_OK;
    if (!machine_outcome->works)
        snprintf(machine_outcome->text, sizeof machine_outcome->text, "%s",
                 isle_error_text(isle_last_error()));
    isle_port_close(machine_port);
    machine_outcome->ended = true;
    return 0;
}

static struct machine_outcome machine_run(const struct machine *machine, bool by_root)
{
    struct machine_outcome *outcome =
        mmap(NULL, sizeof *outcome, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int status = 0;
    pid_t child;

    CHECK(outcome != MAP_FAILED);
    machine_outcome = outcome;
    fflush(stdout);
    child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        if (!by_root)
            machine_become_ordinary();
        machine_play(machine);
        exit(isle_main(0, NULL, machine_root));
    }
    CHECK_INT(waitpid(child, &status, 0), child);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
        exit(77); /* it has said why */
    printf("%s: reached 0x%x, %s%s\n", by_root ? "root" : "ordinary", outcome->reached,
           outcome->works ? "works" : "fails: ", outcome->text);
    if (!outcome->ended)
        fail("the program ended with 0x%x", (unsigned)status);
    return *outcome;
}

static void machine_check(const struct machine *machine, bool by_root)
{
    static const struct machine whole;
    struct machine_outcome before = machine_run(&whole, by_root);
    struct machine_outcome after = machine_run(machine, by_root);
    const uint32_t files = ISLE_LAYER_LANDLOCK | ISLE_LAYER_MNTNS;
    const uint32_t lost = machine->lost | (by_root ? 0 : machine->lost_by_ordinary);

    if (!before.works)
        skip("no process isolates on this machine as it is");
    if (machine->says == NULL && (before.reached & files & ~lost) == 0)
        skip("nothing would be left here that guards files");
    CHECK_UINT(after.reached & lost, 0);
    if (machine->says != NULL) {
        CHECK(!after.works);
        if (strstr(after.text, machine->says) == NULL)
            fail("\"%s\" does not say \"%s\"", after.text, machine->says);
        return;
    }
    if (!after.works)
        fail("it fails: %s", after.text);
    CHECK(after.killed);
    CHECK_UINT(after.reached, before.reached & ~lost);
}

#define MACHINE(name, ...)                                                                         \
    TEST(name)                                                                                     \
    {                                                                                              \
        static const struct machine machine = {__VA_ARGS__};                                       \
                                                                                                   \
        machine_check(&machine, false);                                                            \
        if (getuid() == 0)                                                                         \
            machine_check(&machine, true);                                                         \
    }

#define MACHINE_NO(call, error)                                                                    \
    {                                                                                              \
        (call), (error), MACHINE_ALWAYS, 0, 0                                                      \
    }
#define MACHINE_NO_LANDLOCK(error)                                                                 \
    MACHINE_NO(MACHINE_LANDLOCK, error), MACHINE_NO(MACHINE_LANDLOCK + 1, error),                  \
        MACHINE_NO(MACHINE_LANDLOCK + 2, error)
#define MACHINE_NO_NAMESPACES(error)                                                               \
    MACHINE_NO(SYS_unshare, error), MACHINE_NO(SYS_mount, error),                                  \
        MACHINE_NO(MACHINE_CLONE3, ENOSYS),                                                        \
    {                                                                                              \
        SYS_clone, (error), MACHINE_ANY_BIT, 0, (uint32_t)MACHINE_NEW                              \
    }

/* --- containers */

MACHINE(a_container_refuses_namespaces, .refusals = {MACHINE_NO_NAMESPACES(EPERM)},
        .lost = MACHINE_NAMESPACES)
MACHINE(a_kernel_is_built_without_namespaces, .refusals = {MACHINE_NO_NAMESPACES(EINVAL)},
        .lost = MACHINE_NAMESPACES)
MACHINE(users_are_refused_namespaces_of_users,
        .refusals = {{SYS_unshare, EPERM, MACHINE_ANY_BIT, 0, CLONE_NEWUSER}},
        .lost = ISLE_LAYER_USERNS, .lost_by_ordinary = MACHINE_NAMESPACES)
MACHINE(a_container_refuses_mounts,
        .refusals = {MACHINE_NO(SYS_mount, EPERM), MACHINE_NO(MACHINE_FSOPEN, EPERM),
                     MACHINE_NO(MACHINE_FSMOUNT, EPERM)},
        .lost = ISLE_LAYER_MNTNS)

/* --- kernels */

MACHINE(a_kernel_is_without_landlock, .refusals = {MACHINE_NO_LANDLOCK(ENOSYS)},
        .lost = ISLE_LAYER_LANDLOCK)
MACHINE(landlock_is_off, .refusals = {MACHINE_NO_LANDLOCK(EOPNOTSUPP)}, .lost = ISLE_LAYER_LANDLOCK)
MACHINE(neither_landlock_nor_mounts,
        .refusals = {MACHINE_NO_LANDLOCK(ENOSYS), MACHINE_NO_NAMESPACES(EPERM)},
        .lost = ISLE_LAYER_LANDLOCK | MACHINE_NAMESPACES, .says = "landlock")
MACHINE(no_filters,
        .refusals = {MACHINE_NO(SYS_seccomp, ENOSYS),
                     {SYS_prctl, EINVAL, MACHINE_EQUAL, 0, PR_SET_SECCOMP}},
        .lost = ISLE_LAYER_SECCOMP, .says = "seccomp")
MACHINE(an_outer_filter_refuses_filters,
        .refusals = {MACHINE_NO(SYS_seccomp, EPERM),
                     {SYS_prctl, EPERM, MACHINE_EQUAL, 0, PR_SET_SECCOMP}},
        .lost = ISLE_LAYER_SECCOMP, .says = "seccomp")
MACHINE(folders_cannot_be_mounted_by_descriptor,
        .refusals = {MACHINE_NO(MACHINE_FSOPEN, ENOSYS), MACHINE_NO(MACHINE_FSMOUNT, ENOSYS)},
        .lost = ISLE_LAYER_MNTNS)
MACHINE(mounts_cannot_be_made_read_only_at_once,
        .refusals = {MACHINE_NO(MACHINE_MOUNT_SETATTR, ENOSYS)})
MACHINE(clone3_is_not_there, .refusals = {MACHINE_NO(MACHINE_CLONE3, ENOSYS)})
MACHINE(ranges_cannot_be_closed, .refusals = {MACHINE_NO(MACHINE_CLOSE_RANGE, ENOSYS)})
MACHINE(a_container_refuses_to_close_ranges, .refusals = {MACHINE_NO(MACHINE_CLOSE_RANGE, EPERM)})
MACHINE(memory_files_have_no_seal_of_execution,
        .refusals = {{SYS_memfd_create, EINVAL, MACHINE_ANY_BIT, 1, 8 /* NOEXEC_SEAL */}})
MACHINE(there_are_no_memory_files, .refusals = {MACHINE_NO(SYS_memfd_create, ENOSYS)},
        .says = "memfd_create")
MACHINE(processes_have_no_descriptor, .refusals = {MACHINE_NO(MACHINE_PIDFD_OPEN, ENOSYS)},
        .says = "pidfd_open")
MACHINE(a_container_refuses_descriptors_of_processes,
        .refusals = {MACHINE_NO(MACHINE_PIDFD_OPEN, EPERM),
                     MACHINE_NO(MACHINE_PIDFD_SEND_SIGNAL, EPERM)},
        .says = "pidfd_open")
MACHINE(descriptors_of_processes_send_no_signal,
        .refusals = {MACHINE_NO(MACHINE_PIDFD_SEND_SIGNAL, ENOSYS)}, .says = "pidfd_send_signal")
MACHINE(a_clone_gives_no_descriptor,
        .refusals = {{SYS_clone, EINVAL, MACHINE_ANY_BIT, 0, CLONE_PIDFD}})
MACHINE(keys_are_refused, .refusals = {MACHINE_NO(SYS_keyctl, ENOSYS)})
MACHINE(a_program_cannot_be_executed, .refusals = {MACHINE_NO(SYS_execve, EPERM)},
        .says = "cannot be executed")
MACHINE(limits_cannot_be_set,
        .refusals = {{SYS_prlimit64, EPERM, MACHINE_ANY_BIT, 2, UINT32_MAX},
                     MACHINE_NO(SYS_setrlimit, EPERM)},
        .says = "rlimit")
MACHINE(privileges_cannot_be_dropped, .refusals = {MACHINE_NO(SYS_capset, EPERM)}, .says = "capset")

/* --- files */

static void machine_hides_proc(void)
{
    if (unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0)
        skip("no namespaces here to play another machine with");
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("nothing", "/proc", "tmpfs", 0, NULL) != 0)
        skip("no mounts here to play another machine with");
}

MACHINE(proc_is_not_mounted, .otherwise = machine_hides_proc, .says = "are /proc and /dev mounted?")

/* --- all that is required is named */

TEST_ROOT(what_is_reached_has_names)
{
    uint32_t reached = isle_sandbox_reached();

    for (uint32_t layers = reached; layers != 0; layers &= layers - 1)
        printf("%s\n", isle_sandbox_layer_name(layers));
    CHECK(reached != 0);
}

int main(int argc, char **argv)
{
    isle_child_main(argc, argv);
    return test_main(argc, argv);
}
