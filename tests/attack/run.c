/* SPDX-License-Identifier: Apache-2.0 */
/* One run of one row: the processes, the layers, what came out.
 *
 * The runner makes the world and starts a launcher, which has a session and a terminal of its own
 * and becomes the sandbox's guard; the zygote is its child, process 1 of its namespace where there
 * is one, and has two children: a sibling that waits, and the attempt.
 *
 * The zygote and its children enter the sandbox by the very steps that real ones take
 * (sandbox/sandbox.h); the setting says which layers are left out. Results go through memory that
 * all share, so that nothing but a store is needed to tell them. The runner adopts what is orphaned
 * and ends it all. */
#include "attack.h"

#include <fcntl.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sandbox/filter.h"
#include "sandbox/sandbox.h"

enum {
    RUN_NAMESPACES = ISLE_LAYER_USERNS | ISLE_LAYER_MNTNS | ISLE_LAYER_NETNS | ISLE_LAYER_PIDNS |
                     ISLE_LAYER_IPCNS,
    RUN_NAMES_APART = RUN_NAMESPACES & ~ISLE_LAYER_USERNS, /* root needs no users of its own */
    RUN_LAYERS = ISLE_LAYER_SECCOMP | ISLE_LAYER_LANDLOCK | RUN_NAMESPACES,
    RUN_DEADLINE_MS = 90000, /* some spin for seconds of processor time, on any machine */
    RUN_DESCRIPTORS = 64,    /* the default would be used up by what the world leaks */
    RUN_BROKEN = 113,        /* the status of a process that could not be locked in */
};

/* What a setting is about, and what it leaves out. */
static const struct {
    const char *name;
    uint32_t layers, without;
} run_settings[ATTACK_SETTINGS] = {
    [ATTACK_WITHOUT] = {"without", 0, 0},
    [ATTACK_ALL] = {"all", ISLE_LAYER_SECCOMP, 0},
    [ATTACK_SECCOMP] = {"seccomp", ISLE_LAYER_SECCOMP, RUN_LAYERS & ~ISLE_LAYER_SECCOMP},
    [ATTACK_LANDLOCK] = {"landlock", ISLE_LAYER_LANDLOCK, RUN_LAYERS & ~ISLE_LAYER_LANDLOCK},
    [ATTACK_NAMESPACES] = {"namespaces", RUN_NAMES_APART, ISLE_LAYER_SECCOMP | ISLE_LAYER_LANDLOCK},
    [ATTACK_LIMITS] = {"limits", 0, RUN_LAYERS},
};

const char *attack_setting_name(enum attack_setting setting)
{
    return run_settings[setting].name;
}

const char *attack_claim(const struct attack_row *row, enum attack_setting setting)
{
    switch (setting) {
    case ATTACK_ALL:
        return row->all;
    case ATTACK_SECCOMP:
        return row->seccomp;
    case ATTACK_LANDLOCK:
        return row->landlock;
    case ATTACK_NAMESPACES:
        return row->namespaces;
    case ATTACK_LIMITS:
        return row->limits;
    case ATTACK_WITHOUT:
    case ATTACK_SETTINGS:
        break;
    }
    return NULL;
}

/* --- what the machine has, asked without the sandbox's code */

static bool run_has_seccomp(void)
{
    const uint32_t action = SECCOMP_RET_KILL_PROCESS;

    return syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0;
}

static int run_landlock_abi(void)
{
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

    return abi < 0 ? 0 : (int)abi;
}

/* Whether an ordinary user gets namespaces, with the right to mount in them. */
static bool run_has_namespaces(void)
{
    pid_t child = fork();
    int status = 1;

    if (child == 0) {
        if (unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWPID))
            _exit(1);
        _exit(syscall(SYS_mount, NULL, "/", NULL, 0x44000, NULL) == 0 ? 0 : 1); /* REC | PRIVATE */
    }
    if (child > 0)
        waitpid(child, &status, 0);
    return status == 0;
}

/* Layers that this machine gives; asked once. */
static uint32_t run_machine(void)
{
    static uint32_t layers;
    static bool is_known;

    if (!is_known) {
        layers = (run_has_seccomp() ? ISLE_LAYER_SECCOMP : 0u) |
                 (run_landlock_abi() > 0 ? ISLE_LAYER_LANDLOCK : 0u) |
                 (run_has_namespaces() ? RUN_NAMESPACES : 0u);
        is_known = true;
    }
    return layers;
}

bool attack_machine_filters(void)
{
    return prctl(PR_GET_SECCOMP) != 0;
}

const char *attack_missing(const struct attack_row *row, enum attack_setting setting,
                           const struct attack_result *result, int landlock_abi)
{
    static char text[80];
    uint32_t needed = run_settings[setting].layers, missing;

    if (setting == ATTACK_ALL && row->grants != ATTACK_GRANTS_NOTHING)
        needed |= ISLE_LAYER_LANDLOCK;
    missing = needed & ~result->reached & ~run_machine();

    if (setting == ATTACK_WITHOUT)
        return NULL;
    if (missing) {
        snprintf(text, sizeof text, "%s", isle__sandbox_layer_name(missing));
        return text;
    }
    if (landlock_abi > run_landlock_abi()) {
        snprintf(text, sizeof text, "Landlock's ABI %d (this kernel has %d)", landlock_abi,
                 run_landlock_abi());
        return text;
    }
    return NULL;
}

/* --- the attempt's side */

__attribute__((noreturn, format(printf, 1, 2))) static void run_broken(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(attack_world->broken, sizeof attack_world->broken, format, arguments);
    va_end(arguments);
    _exit(RUN_BROKEN);
}

static void run_ignore(int signal)
{
    (void)signal;
}

/* Enters the sandbox as a child of a zygote does; "audit" to learn which call was forbidden. */
static void run_enter(const struct attack_row *row, enum attack_setting setting,
                      struct isle__sandbox *sandbox, bool audit)
{
    struct isle__policy policy = {
        .threads_max = row->threads,
        .memory_max = (uint64_t)row->memory << 20,
        .cpu_time_max_ns = row->cpu * INT64_C(1000000000),
        .descriptor_max = RUN_DESCRIPTORS,
        .audit = audit,
        .reads = row->grants == ATTACK_GRANTS_READS,
    };
    const struct isle__sandbox_paths paths = {
        .reads = &attack_world->granted,
        .code = &attack_world->granted,
        .read_count = row->grants == ATTACK_GRANTS_READS,
        .code_count = row->grants == ATTACK_GRANTS_LOADS,
    };
    uint32_t reached = sandbox->reached;
    isle_err err;

    if (setting == ATTACK_WITHOUT)
        return;
    /* Told in memory that is shared; the process dies all the same. */
    if (audit && isle__filter_tell(&attack_world->violation) != ISLE_OK)
        run_broken("nobody tells of violations");
    if (row->grants == ATTACK_GRANTS_LOADS)
        err = isle__sandbox_child_loads(sandbox, &policy, &paths);
    else
        err = isle__sandbox_child(sandbox, &policy, &paths, &reached);
    if (err != ISLE_OK)
        run_broken("a child: %s", sandbox->text);
    attack_world->reached = reached;
}

__attribute__((noreturn)) static void run_attempt(const struct attack_row *row,
                                                  enum attack_setting setting,
                                                  struct isle__sandbox *sandbox, bool audit)
{
    run_enter(row, setting, sandbox, audit);
    attack_world->stage = ATTACK_STAGE_LOCKED;
    attack_world->result = row->attempt();
    attack_world->stage = ATTACK_STAGE_DONE;
    _exit(0);
}

/* Stands in the same sandbox with a secret of its own until the zygote has gone. */
__attribute__((noreturn)) static void run_sibling(const struct attack_row *row,
                                                  enum attack_setting setting,
                                                  struct isle__sandbox *sandbox, int ready,
                                                  int hold)
{
    struct sigaction action = {.sa_handler = run_ignore, .sa_flags = SA_RESTART};
    char byte = 1;

    run_enter(row, setting, sandbox, false);
    sigaction(SIGUSR1, &action, NULL);
    memcpy(attack_secret, ATTACK_SECRET, sizeof ATTACK_SECRET);
    attack_world->sibling = getpid();
    if (write(ready, &byte, 1) != 1)
        _exit(1);
    while (read(hold, &byte, 1) > 0)
        ;
    _exit(0);
}

/* Between zygote and sibling: it says that it stands; it lives while the other is held. */
struct run_pipes {
    int ready[2], hold[2];
};

static void run_start_sibling(const struct attack_row *row, enum attack_setting setting,
                              struct isle__sandbox *sandbox, const struct run_pipes *pipes)
{
    char byte;
    pid_t sibling = fork();

    if (sibling < 0)
        run_broken("the sibling: %s", strerror(errno));
    if (sibling == 0) {
        close(pipes->ready[0]);
        close(pipes->hold[1]);
        run_sibling(row, setting, sandbox, pipes->ready[1], pipes->hold[0]);
    }
    close(pipes->ready[1]);
    close(pipes->hold[0]);
    if (read(pipes->ready[0], &byte, 1) != 1)
        _exit(RUN_BROKEN); /* the sibling has said why */
    close(pipes->ready[0]);
}

static void run_wait(pid_t attempt)
{
    siginfo_t info;
    struct rusage used;

    memset(&info, 0, sizeof info);
    memset(&used, 0, sizeof used);
    /* The C library's has no place for what was used. */
    while (syscall(SYS_waitid, P_PID, attempt, &info, WEXITED | WSTOPPED, &used) && errno == EINTR)
        ;
    attack_world->cpu_ns = (used.ru_utime.tv_sec + used.ru_stime.tv_sec) * INT64_C(1000000000) +
                           (used.ru_utime.tv_usec + used.ru_stime.tv_usec) * INT64_C(1000);
    attack_world->wait_code = info.si_code;
    attack_world->wait_status = info.si_status;
    attack_world->is_waited = true;
}

__attribute__((noreturn)) static void run_zygote(const struct attack_row *row,
                                                 enum attack_setting setting, bool audit)
{
    struct isle__sandbox sandbox = {.without = run_settings[setting].without};
    struct run_pipes pipes;
    pid_t attempt;

    if (pipe(pipes.ready) || pipe(pipes.hold)) /* the filter allows no more of them */
        run_broken("the sibling's pipes: %s", strerror(errno));
    if (setting != ATTACK_WITHOUT) {
        if (isle__sandbox_zygote(&sandbox) != ISLE_OK)
            run_broken("the zygote: %s", sandbox.text);
        attack_world->landlock_abi = sandbox.landlock_abi;
    }
    attack_world->zygote = getpid();
    if (setting != ATTACK_WITHOUT && isle__sandbox_zygote_filter(&sandbox) != ISLE_OK)
        run_broken("the zygote's filter: %s", sandbox.text);
    run_start_sibling(row, setting, &sandbox, &pipes);
    attempt = fork();
    if (attempt < 0)
        run_broken("the attempt: %s", strerror(errno));
    if (attempt == 0) {
        close(pipes.hold[1]);
        run_attempt(row, setting, &sandbox, audit);
    }
    run_wait(attempt);
    _exit(0);
}

/* A zygote leads no session: its launcher does, and is there until it has ended. */
static void run_become_child(void)
{
    pid_t child = fork();

    if (child < 0)
        run_broken("the zygote: %s", strerror(errno));
    if (child > 0) {
        while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
            ;
        _exit(0);
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
}

__attribute__((noreturn)) static void run_launcher(const struct attack_row *row,
                                                   enum attack_setting setting, bool audit)
{
    struct sigaction action = {.sa_handler = run_ignore, .sa_flags = SA_RESTART};

    int nothing = open("/dev/null", O_RDWR);

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (int fd = 0; fd < 3; fd++)
        dup2(nothing, fd); /* what a C library says as it aborts is no write to a file */
    close(nothing);
    setsid();
    if (attack_world->tty >= 0)
        ioctl(attack_world->tty, TIOCSCTTY, 0);
    sigaction(SIGUSR1, &action, NULL); /* what attempts send; to the zygote too */
    run_become_child();
    run_zygote(row, setting, audit);
}

/* --- the runner's side */

/* Waits until the launcher has ended; false: its time was up. */
static bool run_await(pid_t launcher)
{
    int fd = (int)syscall(SYS_pidfd_open, launcher, 0);
    struct pollfd waits = {.fd = fd, .events = POLLIN};
    int got;

    if (fd < 0) {
        perror("pidfd_open");
        exit(1);
    }
    do
        got = poll(&waits, 1, RUN_DEADLINE_MS);
    while (got < 0 && errno == EINTR);
    close(fd);
    return got > 0;
}

/* Ends every process that descends from this one: orphans are its children. */
static void run_sweep(pid_t spared)
{
    char path[64];

    snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
    for (;;) {
        FILE *file = fopen(path, "re");
        int pid, found = 0;

        while (!found && file && fscanf(file, "%d", &pid) == 1)
            if (pid != spared)
                found = pid;
        if (file)
            fclose(file);
        if (!found)
            return;
        kill(found, SIGKILL);
        waitpid(found, NULL, 0);
    }
}

static void run_signal_name(int number, enum attack_setting setting, char *text, size_t size)
{
    const char *name = sigabbrev_np(number);

    if (number == SIGSYS && setting != ATTACK_WITHOUT)
        snprintf(text, size, "kill");
    else
        snprintf(text, size, "SIG%s", name ? name : "?");
}

static void run_result_name(int result, char *text, size_t size)
{
    const char *name = result == ATTACK_WORKS     ? "works"
                       : result == ATTACK_NOTHING ? "nothing"
                       : result == ATTACK_LACKS   ? "lacks"
                                                  : strerrorname_np(result);

    snprintf(text, size, "%s", name ? name : "errno ?");
}

static void run_judge(enum attack_setting setting, struct attack_result *result)
{
    const struct attack_world *world = attack_world;
    size_t size = sizeof result->outcome;

    if (world->broken[0] || world->stage == ATTACK_STAGE_BORN)
        snprintf(result->broken, sizeof result->broken, "%s",
                 world->broken[0] ? world->broken : "the attempt did not begin");
    else if (!world->is_waited)
        snprintf(result->outcome, size, "zygote lost");
    else if (world->wait_code == CLD_STOPPED)
        snprintf(result->outcome, size, "works"); /* what it wanted was to stop */
    else if (world->wait_code != CLD_EXITED)
        run_signal_name(world->wait_status, setting, result->outcome, size);
    else if (world->stage == ATTACK_STAGE_DONE)
        run_result_name(world->result, result->outcome, size);
    else if (world->wait_status == ATTACK_EXEC_STATUS)
        snprintf(result->outcome, size, "works");
    else
        snprintf(result->outcome, size, "exit %d", world->wait_status);
}

static void run_once(const struct attack_row *row, enum attack_setting setting, bool audit,
                     struct attack_result *result)
{
    struct attack_world *world = world_open();
    pid_t launcher;
    bool ended;

    memset(result, 0, sizeof *result);
    attack_world = world;
    fflush(stdout);
    launcher = fork();
    if (launcher == 0)
        run_launcher(row, setting, audit);
    ended = launcher > 0 && run_await(launcher);
    run_sweep(world->victim);
    run_judge(setting, result);
    if (!ended)
        snprintf(result->outcome, sizeof result->outcome, "hangs");
    if (audit && world->violation >= 0) {
        const char *name = isle__sandbox_call_name(world->violation);

        snprintf(result->call, sizeof result->call, "%s", name ? name : "?");
    }
    result->core = world->wait_code == CLD_DUMPED;
    result->reached = world->reached;
    result->landlock_abi = world->landlock_abi;
    result->value = world->value;
    result->cpu_ns = world->cpu_ns;
    world_close(world);
    run_sweep(0);
    attack_world = NULL;
}

void attack_run(const struct attack_row *row, enum attack_setting setting,
                struct attack_result *ret_result)
{
    uint32_t expected = setting == ATTACK_ALL ? RUN_LAYERS & ~(uint32_t)ISLE_LAYER_USERNS
                                              : run_settings[setting].layers;

    if (row->grants != ATTACK_GRANTS_NOTHING)
        expected &= ~(uint32_t)ISLE_LAYER_MNTNS; /* the paths that people know are kept */
    expected &= run_machine();
    run_once(row, setting, false, ret_result);
    if (ret_result->outcome[0] && (ret_result->reached & expected) != expected) {
        ret_result->outcome[0] = 0;
        snprintf(ret_result->broken, sizeof ret_result->broken,
                 "this machine has %s, and the sandbox did not reach it",
                 isle__sandbox_layer_name(expected & ~ret_result->reached));
    }
}

void attack_name_call(const struct attack_row *row, enum attack_setting setting,
                      struct attack_result *result)
{
    struct attack_result audited;

    if (strcmp(result->outcome, "kill"))
        return;
    run_once(row, setting, true, &audited);
    if (strcmp(audited.outcome, "kill"))
        snprintf(result->outcome, sizeof result->outcome, "%.20s if told", audited.outcome);
    memcpy(result->call, audited.call, sizeof result->call);
}

bool attack_outcome_is(const char *outcome, const char *expectation)
{
    size_t length = strlen(outcome);

    if (!length)
        return false;
    if (!strcmp(expectation, "refused"))
        return strcmp(outcome, "works") && strcmp(outcome, "lacks") && strcmp(outcome, "hangs");
    for (const char *at = expectation; at; at = strchr(at, '|')) {
        at += *at == '|';
        if (!strncmp(at, outcome, length) && (at[length] == '|' || at[length] == 0))
            return true;
    }
    return false;
}
