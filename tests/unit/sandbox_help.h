/* SPDX-License-Identifier: Apache-2.0 */
/* What the test programs of the sandbox share: a play of four processes. The test starts the guard,
 * the guard the zygote, the zygote one child; what they find they write into memory that all
 * share, the test checks it. The test is the reaper of whoever is left alone, so it sees that
 * nobody is.
 *
 * Run by root, a play can also be given to an ordinary user. Includes come first, with all that
 * Linux shows. */
#ifndef ISLE_TEST_SANDBOX_HELP_H
#define ISLE_TEST_SANDBOX_HELP_H

#include "platform_help.h"

#include <dirent.h>
#include <grp.h>
#include <poll.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "sandbox/sandbox.h"

enum { EVERY_LAYER = (1 << ISLE__LAYERS) - 1, NO_CGROUP = EVERY_LAYER & ~ISLE_LAYER_CGROUP };
enum { ORDINARY_USER = 1000, VALUES = 32 };

/* What a play has shown. */
struct shown {
    isle_err zygote_err, child_err;
    uint32_t zygote_reached, reached;
    char text[ISLE__SANDBOX_TEXT];
    siginfo_t child_end;
    int values[VALUES]; /* of the body */
    uint64_t numbers[4];
    pid_t other; /* a process of the same user outside */
    _Atomic int turn;
};

struct play {
    uint32_t without;
    struct isle__policy policy;
    struct isle__sandbox_paths paths;
    bool ordinary, stages;
    int door;                             /* of a control group; 0: none */
    void (*before)(struct shown *shown);  /* in the first process, its user changed already */
    void (*loading)(struct shown *shown); /* between the stages */
    void (*body)(struct shown *shown);    /* in the child, locked in */
};

static inline bool is_root(void)
{
    return geteuid() == 0;
}

static inline void become(unsigned id)
{
    if (!is_root())
        return;
    CHECK_INT(setgroups(0, NULL), 0);
    CHECK_INT(setresgid(id, id, id), 0);
    CHECK_INT(setresuid(id, id, id), 0);
    CHECK_INT(prctl(PR_SET_DUMPABLE, 1, 0, 0, 0), 0);
}

/* Runs body for the user that the test is, and as an ordinary one if that is somebody else. */
static inline void as_every_user(void (*body)(bool ordinary))
{
    body(false);
    if (is_root())
        body(true);
}

/* Linux 5.3; a sandbox around this test may lack them. */
static inline void need_pidfds(void)
{
    int self = (int)syscall(434, getpid(), 0);
    if (self < 0)
        skip("this system has no pidfds: no process is a zygote here");
    close(self);
}

static inline struct shown *shown_open(void)
{
    need_pidfds();
    void *memory =
        mmap(NULL, sizeof(struct shown), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(memory != MAP_FAILED);
    return memory;
}

/* A call that is forbidden to the child is told, unless the play is about that. */
static inline void play_tell(int number, siginfo_t *info, void *context)
{
    char text[64];
    (void)context;
    const char *call = isle__sandbox_call_name(info->si_syscall);
    int size = snprintf(text, sizeof text, "forbidden: %s\n", call ? call : "?");
    if (write(2, text, (size_t)size) < 0)
        _exit(number);
    _exit(121);
}

static inline void play_listen(void)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = play_tell;
    action.sa_flags = SA_SIGINFO;
    sigaction(SIGSYS, &action, NULL);
}

static inline void play_child(const struct play *play, struct isle__sandbox *sandbox,
                              struct shown *shown)
{
    if (play->door > 0 && isle__sandbox_child_enters(sandbox, play->door) != ISLE_OK) {
        shown->child_err = ISLE_ESYSTEM;
    } else if (play->stages) {
        shown->child_err = isle__sandbox_child_loads(sandbox, &play->policy, &play->paths);
        if (shown->child_err == ISLE_OK && play->loading)
            play->loading(shown);
        if (shown->child_err == ISLE_OK)
            shown->child_err = isle__sandbox_child_runs(sandbox, &play->policy, &shown->reached);
    } else {
        shown->child_err =
            isle__sandbox_child(sandbox, &play->policy, &play->paths, &shown->reached);
    }
    if (shown->child_err != ISLE_OK)
        memcpy(shown->text, sandbox->text, sizeof shown->text);
    else if (play->body)
        play->body(shown);
    _exit(0);
}

static inline void play_zygote(const struct play *play, struct shown *shown)
{
    struct isle__sandbox sandbox = {.without = play->without};
    play_listen();
    shown->zygote_err = isle__sandbox_zygote(&sandbox);
    if (shown->zygote_err == ISLE_OK)
        shown->zygote_err = isle__sandbox_zygote_filter(&sandbox);
    if (shown->zygote_err != ISLE_OK) {
        memcpy(shown->text, sandbox.text, sizeof shown->text);
        _exit(1);
    }
    shown->zygote_reached = sandbox.reached;
    pid_t child = fork();
    if (child == 0)
        play_child(play, &sandbox, shown);
    if (child < 0 || waitid(P_PID, (id_t)child, &shown->child_end, WEXITED) != 0)
        _exit(2);
    _exit(0);
}

/* The user that a zygote will be, and with it its children. */
static inline void play_become(const struct play *play)
{
    if (play->ordinary)
        become(ORDINARY_USER);
}

static inline pid_t play_start_other(const struct play *play)
{
    char byte;
    int ready[2];
    CHECK_INT(pipe2(ready, O_CLOEXEC), 0);
    pid_t other = fork();
    CHECK(other >= 0);
    if (other == 0) {
        become(play->ordinary ? ORDINARY_USER : 65534);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        CHECK_INT(write(ready[1], "r", 1), 1);
        for (;;)
            pause();
    }
    CHECK_INT(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    close(ready[1]);
    return other;
}

static inline pid_t play_start(const struct play *play, struct shown *shown)
{
    fflush(NULL);
    CHECK_INT(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), 0);
    pid_t first = fork();
    CHECK(first >= 0);
    if (first == 0) {
        play_become(play);
        if (play->before)
            play->before(shown);
        play_zygote(play, shown);
    }
    return first;
}

/* The whole play; everybody has ended. */
static inline void play_run(const struct play *play, struct shown *shown)
{
    int status = 0;
    shown->other = play_start_other(play);
    pid_t first = play_start(play, shown);
    CHECK_INT(waitpid(first, &status, 0), first);
    kill(shown->other, SIGKILL);
    CHECK_INT(waitpid(shown->other, NULL, 0), shown->other);
    CHECK_INT(waitpid(-1, NULL, 0), -1); /* nobody is left, nobody was left alone */
    CHECK_INT(errno, ECHILD);
    if (shown->zygote_err != ISLE_OK)
        fail("the zygote: %s (%s)", shown->text, test_err_name(shown->zygote_err));
    CHECK(WIFEXITED(status));
    CHECK_INT(WEXITSTATUS(status), 0);
}

static inline struct shown *play_shown(const struct play *play)
{
    struct shown *shown = shown_open();
    play_run(play, shown);
    return shown;
}

/* One that is to be let in. */
static inline struct shown *play_well(const struct play *play)
{
    struct shown *shown = play_shown(play);
    if (shown->child_err != ISLE_OK)
        fail("the child: %s (%s)", shown->text, test_err_name(shown->child_err));
    if (shown->child_end.si_code == CLD_EXITED && shown->child_end.si_status != 0)
        fail("the child ended with %d", shown->child_end.si_status);
    return shown;
}

static inline void shown_close(struct shown *shown)
{
    munmap(shown, sizeof *shown);
}

/* The layers that can be had here. */
static inline uint32_t reached_here(bool ordinary)
{
    struct play play = {.policy.insecure = 1, .ordinary = ordinary};
    struct shown *shown = play_well(&play);
    uint32_t reached = shown->reached;
    shown_close(shown);
    return reached;
}

#endif
