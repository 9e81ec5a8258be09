/* SPDX-License-Identifier: Apache-2.0 */
/* The two steps, and what was reached by them. The layers themselves are in the files beside.
 *
 * Order of the zygote's step. Root becomes nobody first: that clears PDEATHSIG and makes the
 * process undumpable, so it comes before the watch is set and before maps are written; it keeps
 * its capabilities for the namespaces, which come next and hold the guard and the zygote. Then the
 * guard stays behind, and the zygote gives up capabilities, becomes undumpable and makes the
 * ruleset.
 *
 * Order of a child's step. First the watch over the zygote, since a fork clears it. Then what needs
 * a capability (namespace, root), then none is left; then Landlock, which needs a new descriptor
 * for paths, then limits, and the filter, which takes away all of these calls, last. */
#include "sandbox/layers.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sandbox/filter.h"
#include "sandbox/syscalls.h"

/* --- what is missing, and why */

bool isle__layer_wanted(const struct isle__sandbox *sandbox, uint32_t layer)
{
    return (sandbox->without & layer) == 0;
}

void isle__layer_fails(struct isle__sandbox *sandbox, uint32_t layer, const char *call, int error)
{
    sandbox->reached &= ~layer;
    sandbox->causes[__builtin_ctz(layer)] = (struct isle__layer_cause){call, error};
}

isle_err isle__sandbox_fails(struct isle__sandbox *sandbox, const char *call)
{
    snprintf(sandbox->text, sizeof sandbox->text, "sandbox: %s: %s", call, strerror(errno));
    return ISLE_ESYSTEM;
}

void isle__sandbox_cause(const struct isle__sandbox *sandbox, unsigned bit, char *text,
                         size_t text_size)
{
    static const struct isle__layer_cause unknown = {"no such layer", 0};
    const struct isle__layer_cause *cause = bit < ISLE__LAYERS ? &sandbox->causes[bit] : &unknown;
    snprintf(text, text_size, "%s%s%s", cause->call != NULL ? cause->call : "left out",
             cause->error != 0 ? ": " : "", cause->error != 0 ? strerror(cause->error) : "");
}

/* Adds " and landlock is missing (landlock_create_ruleset: Function not implemented)", as far as
 * there is room. */
static void sandbox_say_missing(struct isle__sandbox *sandbox, uint32_t layer)
{
    char cause[80];
    size_t used = strlen(sandbox->text);
    isle__sandbox_cause(sandbox, (unsigned)__builtin_ctz(layer), cause, sizeof cause);
    snprintf(sandbox->text + used, sizeof sandbox->text - used, "%s%s is missing (%s)",
             used > 0 ? " and " : "", isle__sandbox_layer_name(layer), cause);
}

/* `reached` is what the child will have. */
static isle_err sandbox_require(struct isle__sandbox *sandbox, const struct isle__policy *policy)
{
    uint32_t missing = isle__sandbox_missing(policy, sandbox->reached);
    if (missing == 0 || (policy->required == 0 && sandbox->without != 0))
        return ISLE_OK;
    sandbox->text[0] = '\0';
    for (; missing != 0; missing &= missing - 1)
        sandbox_say_missing(sandbox, missing & (~missing + 1));
    return ISLE_ESPAWN;
}

const char *isle__sandbox_call_name(int number)
{
    return isle__syscall_name(number);
}

bool isle__sandbox_answer(const void *info, void *context)
{
    return isle__filter_answer(info, context);
}

/* --- the zygote */

static void sandbox_init(struct isle__sandbox *sandbox)
{
    sandbox->reached = 0;
    sandbox->landlock = sandbox->root = sandbox->courier = -1;
    sandbox->text[0] = '\0';
    memset(sandbox->causes, 0, sizeof sandbox->causes);
    isle__layer_fails(sandbox, ISLE_LAYER_CGROUP, "no control group was given", 0);
}

/* True: this process has no controlling terminal, and never will have one: it leads no session. */
static bool sandbox_leave_terminal(void)
{
    if (getsid(0) == getpid())
        return false;
    int terminal = open("/dev/tty", O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    if (terminal < 0)
        return errno == ENXIO;
    bool is_left = ioctl(terminal, TIOCNOTTY) == 0;
    close(terminal);
    return is_left;
}

/* A session of its own would be a group of its own for the system's scheduler (autogroup) as well:
 * then two that yield to each other do not reach each other, and each wake-up across the wall costs
 * more. So the host's is kept where the terminal is left without. SIGCHLD may have been inherited
 * as ignored: then nobody could be waited for. False: it leads a session, whose terminal it would
 * keep. */
static bool sandbox_leave_host(void)
{
    signal(SIGCHLD, SIG_DFL);
    umask(077);
    if ((!sandbox_leave_terminal() || setpgid(0, 0) != 0) && setsid() < 0)
        return false;
    if (chdir("/") != 0)
        return true; /* where there is no root to be in, there is nothing to leave */
    return true;
}

isle_err isle__sandbox_zygote(struct isle__sandbox *sandbox)
{
    sandbox_init(sandbox);
    if (!sandbox_leave_host())
        return isle__sandbox_fails(sandbox, "setsid");
    isle__privileges_leave_root();
    isle__namespaces_enter(sandbox);
    isle_err err = isle__guard_fork(sandbox);
    if (err != ISLE_OK)
        return err;
    if (!isle__privileges_drop(sandbox->root >= 0 ? CAP_SYS_CHROOT : -1))
        return isle__sandbox_fails(sandbox, "capset");
    if (!isle__privileges_harden())
        return isle__sandbox_fails(sandbox, "prctl, setrlimit");
    const char *failed = isle__limits_set_common();
    if (failed != NULL)
        return isle__sandbox_fails(sandbox, failed);
    isle__landlock_open(sandbox);
    sandbox->process = getpid();
    return ISLE_OK;
}

isle_err isle__sandbox_zygote_filter(struct isle__sandbox *sandbox)
{
    isle__limits_measure(sandbox);
    if (!isle__layer_wanted(sandbox, ISLE_LAYER_SECCOMP))
        return ISLE_OK;
    isle_err err = isle__filter_install(ISLE__FILTER_ZYGOTE, &isle__filter_zygote_options);
    if (err == ISLE_OK)
        sandbox->reached |= ISLE_LAYER_SECCOMP;
    else
        isle__layer_fails(sandbox, ISLE_LAYER_SECCOMP, "seccomp", err == ISLE_ESYSTEM ? errno : 0);
    return ISLE_OK;
}

/* --- a child */

isle_err isle__sandbox_child_enters(struct isle__sandbox *sandbox, int door)
{
    if (write(door, "0", 1) != 1)
        return isle__sandbox_fails(sandbox, "cgroup.procs");
    sandbox->reached |= ISLE_LAYER_CGROUP;
    return ISLE_OK;
}

/* A process whose zygote has gone is somebody else's child; in a namespace of processes it has gone
 * as well. */
static bool sandbox_watch_zygote(const struct isle__sandbox *sandbox)
{
    if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0)
        return false;
    errno = ESRCH;
    return getppid() == sandbox->process;
}

/* Who may open something needs the paths that people know. */
static bool sandbox_change_root(struct isle__sandbox *sandbox, bool opens)
{
    if (opens || sandbox->root < 0)
        return true;
    return isle__namespaces_change_root(sandbox->root);
}

static void sandbox_close(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static const struct isle__sandbox_paths sandbox_no_paths;

/* The domain of this stage is entered; for a stage that follows, its ruleset stays open. */
static bool sandbox_restrict(struct isle__sandbox *sandbox, const struct isle__sandbox_paths *paths,
                             bool loads)
{
    if ((sandbox->reached & ISLE_LAYER_LANDLOCK) == 0)
        return true;
    if (paths->read_count > 0) {
        close(sandbox->landlock);
        sandbox->landlock = isle__landlock_open_for(paths->reads, paths->read_count, NULL, 0);
    }
    if (!loads || sandbox->landlock < 0)
        return sandbox->landlock >= 0 && isle__landlock_restrict(sandbox->landlock);
    int ruleset =
        isle__landlock_open_for(paths->reads, paths->read_count, paths->code, paths->code_count);
    bool is_restricted = ruleset >= 0 && isle__landlock_restrict(ruleset);
    sandbox_close(&ruleset);
    return is_restricted;
}

static isle_err sandbox_filter(struct isle__sandbox *sandbox, const struct isle__policy *policy,
                               enum isle__filter_kind kind)
{
    const struct isle__filter_options options = {.threads = policy->threads_max > 0,
                                                 .strict = policy->strict != 0,
                                                 .audit = policy->audit != 0,
                                                 .above = true,
                                                 .reads = policy->reads != 0,
                                                 .courier = sandbox->courier,
                                                 .own_pid = (uint32_t)getpid()};
    if ((sandbox->reached & ISLE_LAYER_SECCOMP) == 0)
        return ISLE_OK;
    return isle__filter_install(kind, &options) == ISLE_OK
               ? ISLE_OK
               : isle__sandbox_fails(sandbox, "seccomp");
}

/* What may be opened is Landlock's business alone. */
static isle_err sandbox_admit(struct isle__sandbox *sandbox, const struct isle__policy *policy,
                              bool opens)
{
    struct isle__policy wanted = *policy;
    if (opens)
        isle__layer_fails(sandbox, ISLE_LAYER_MNTNS, "paths are granted", 0);
    if (opens && sandbox->without == 0) {
        uint32_t by_default = policy->required == 0 ? ISLE_LAYER_SECCOMP : 0;
        wanted.required |= ISLE_LAYER_LANDLOCK | by_default;
    }
    return sandbox_require(sandbox, &wanted);
}

/* All but the filter. */
static isle_err sandbox_lock(struct isle__sandbox *sandbox, const struct isle__policy *policy,
                             const struct isle__sandbox_paths *paths, bool loads)
{
    bool opens = policy->reads || paths->read_count > 0 || loads;
    isle_err err = sandbox_admit(sandbox, policy, opens);
    if (err != ISLE_OK)
        return err;
    if (!sandbox_watch_zygote(sandbox))
        return isle__sandbox_fails(sandbox, "prctl");
    bool own_count = policy->threads_max > 0 && (sandbox->reached & ISLE_LAYER_USERNS) != 0 &&
                     isle__namespaces_own_user();
    if (!sandbox_change_root(sandbox, opens))
        return isle__sandbox_fails(sandbox, "chroot");
    sandbox_close(&sandbox->root);
    if (!isle__privileges_clear())
        return isle__sandbox_fails(sandbox, "capset");
    if (!sandbox_restrict(sandbox, paths, loads))
        return isle__sandbox_fails(sandbox, "landlock");
    if (!loads)
        sandbox_close(&sandbox->landlock);
    const char *failed = isle__limits_set(sandbox, policy, own_count);
    return failed == NULL ? ISLE_OK : isle__sandbox_fails(sandbox, failed);
}

isle_err isle__sandbox_child(struct isle__sandbox *sandbox, const struct isle__policy *policy,
                             const struct isle__sandbox_paths *paths, uint32_t *ret_reached)
{
    isle_err err = sandbox_lock(sandbox, policy, paths ? paths : &sandbox_no_paths, false);
    if (err == ISLE_OK)
        err = sandbox_filter(sandbox, policy, ISLE__FILTER_RUNS);
    if (err == ISLE_OK)
        *ret_reached = sandbox->reached;
    return err;
}

isle_err isle__sandbox_child_loads(struct isle__sandbox *sandbox, const struct isle__policy *policy,
                                   const struct isle__sandbox_paths *paths)
{
    isle_err err = sandbox_lock(sandbox, policy, paths ? paths : &sandbox_no_paths, true);
    return err != ISLE_OK ? err : sandbox_filter(sandbox, policy, ISLE__FILTER_LOADS);
}

isle_err isle__sandbox_child_runs(struct isle__sandbox *sandbox, const struct isle__policy *policy,
                                  uint32_t *ret_reached)
{
    if ((sandbox->reached & ISLE_LAYER_LANDLOCK) != 0 &&
        !isle__landlock_restrict(sandbox->landlock))
        return isle__sandbox_fails(sandbox, "landlock");
    sandbox_close(&sandbox->landlock);
    isle_err err = sandbox_filter(sandbox, policy, ISLE__FILTER_RUNS);
    if (err == ISLE_OK)
        *ret_reached = sandbox->reached;
    return err;
}
