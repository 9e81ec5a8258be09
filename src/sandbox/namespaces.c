/* SPDX-License-Identifier: Apache-2.0 */
/* Namespaces, and a root with nothing in it.
 *
 * Which there are is found by trying. unshare of one namespace happens or does not, so each is
 * tried for itself; only a user namespace can be entered and then be worth nothing (its maps cannot
 * be written, or a security module takes away what its capabilities allow), with no way back: that
 * one is tried in a process of its own first.
 *
 * The empty root is a detached mount: it hangs nowhere, nothing lies above it, no path leads to it.
 * A child changes to it by descriptor. The zygote keeps the real root, which its namespace makes
 * read-only: isolates that may read files need the paths that people know.
 *
 * One thread, in the zygote before it serves, or in a child of it. */
#include "sandbox/layers.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* What <sys/mount.h> of a newer C library and <linux/mount.h> both define. */
enum {
    NAMESPACE_FSOPEN_CLOEXEC = 1,
    NAMESPACE_FSMOUNT_CLOEXEC = 1,
    NAMESPACE_SET_STRING = 1,
    NAMESPACE_CREATE = 6,
    NAMESPACE_RDONLY = 1,
    NAMESPACE_NOSUID = 2,
    NAMESPACE_NODEV = 4,
    NAMESPACE_NOEXEC = 8,
    NAMESPACE_RECURSIVE = 0x8000
};
/* struct mount_attr. */
struct namespace_mount {
    uint64_t set, clear, propagation, user;
};

/* Statuses of the process that tries a user namespace: an error of unshare, of the maps (this and
 * the error), of what the capabilities in it allow (this alone). Errors are below. */
enum { NAMESPACE_MAPS = 128, NAMESPACE_WORTHLESS = 127 };

struct namespace_kind {
    int flag;
    uint32_t layer; /* 0: wanted, but nobody asks for it by name */
    const char *call;
};
static const struct namespace_kind namespace_kinds[] = {
    {CLONE_NEWNET, ISLE_LAYER_NETNS, "unshare(CLONE_NEWNET)"},
    {CLONE_NEWIPC, ISLE_LAYER_IPCNS, "unshare(CLONE_NEWIPC)"},
    {CLONE_NEWPID, ISLE_LAYER_PIDNS, "unshare(CLONE_NEWPID)"},
    {CLONE_NEWUTS, 0, NULL},
    {CLONE_NEWCGROUP, 0, NULL},
};

static bool namespace_write(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    bool is_written = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    int error = errno;
    close(fd);
    errno = error;
    return is_written;
}

/* The caller's id outside becomes nobody's inside: the one id that there is. */
static bool namespace_map(const char *path, unsigned outside)
{
    char line[40];
    snprintf(line, sizeof line, "%d %u 1", ISLE__NOBODY, outside);
    return namespace_write(path, line);
}

static bool namespace_map_user(unsigned user, unsigned group)
{
    return namespace_write("/proc/self/setgroups", "deny") &&
           namespace_map("/proc/self/gid_map", group) && namespace_map("/proc/self/uid_map", user);
}

static int namespace_error(void)
{
    return errno < NAMESPACE_WORTHLESS ? errno : EINVAL;
}

/* The status of a process that went in; the caller's own children are waited for by nobody else. */
static int namespace_user_status(unsigned user, unsigned group)
{
    if (unshare(CLONE_NEWUSER) != 0)
        return namespace_error();
    if (!namespace_map_user(user, group))
        return NAMESPACE_MAPS + namespace_error();
    return unshare(CLONE_NEWUTS) == 0 ? 0 : NAMESPACE_WORTHLESS;
}

static int namespace_try_user(unsigned user, unsigned group)
{
    int status;
    pid_t child = fork();
    if (child == 0)
        _exit(namespace_user_status(user, group));
    if (child < 0)
        return namespace_error();
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR)
            return namespace_error();
    return WIFEXITED(status) ? WEXITSTATUS(status) : EINTR;
}

static void namespace_enter_user(struct isle__sandbox *sandbox)
{
    unsigned user = geteuid(), group = getegid();
    int status = namespace_try_user(user, group);
    const char *call = "unshare(CLONE_NEWUSER)";
    if (status == 0 && unshare(CLONE_NEWUSER) != 0)
        status = namespace_error();
    else if (status == 0 && !namespace_map_user(user, group))
        status = NAMESPACE_MAPS + namespace_error();
    if (status == 0)
        sandbox->reached |= ISLE_LAYER_USERNS;
    else if (status == NAMESPACE_WORTHLESS)
        isle__layer_fails(sandbox, ISLE_LAYER_USERNS, "a user namespace has no capabilities", 0);
    else if (status >= NAMESPACE_MAPS)
        isle__layer_fails(sandbox, ISLE_LAYER_USERNS, "uid_map", status - NAMESPACE_MAPS);
    else
        isle__layer_fails(sandbox, ISLE_LAYER_USERNS, call, status);
}

static void namespace_enter(struct isle__sandbox *sandbox, const struct namespace_kind *kind)
{
    if (!isle__layer_wanted(sandbox, kind->layer))
        return;
    if (unshare(kind->flag) == 0)
        sandbox->reached |= kind->layer;
    else if (kind->layer != 0)
        isle__layer_fails(sandbox, kind->layer, kind->call, errno);
}

static const char *namespace_configure_empty(int context)
{
    if (syscall(ISLE__CALL_FSCONFIG, context, NAMESPACE_SET_STRING, "mode", "0555", 0) != 0 ||
        syscall(ISLE__CALL_FSCONFIG, context, NAMESPACE_SET_STRING, "size", "4k", 0) != 0 ||
        syscall(ISLE__CALL_FSCONFIG, context, NAMESPACE_SET_STRING, "nr_inodes", "1", 0) != 0 ||
        syscall(ISLE__CALL_FSCONFIG, context, NAMESPACE_CREATE, NULL, NULL, 0) != 0)
        return "fsconfig";
    return NULL;
}

/* An empty folder that nobody can write; NULL, or what failed. */
static const char *namespace_make_empty(int *ret_folder)
{
    int context = (int)syscall(ISLE__CALL_FSOPEN, "tmpfs", NAMESPACE_FSOPEN_CLOEXEC);
    if (context < 0)
        return "fsopen";
    const char *failed = namespace_configure_empty(context);
    if (failed == NULL) {
        *ret_folder =
            (int)syscall(ISLE__CALL_FSMOUNT, context, NAMESPACE_FSMOUNT_CLOEXEC,
                         NAMESPACE_RDONLY | NAMESPACE_NOSUID | NAMESPACE_NODEV | NAMESPACE_NOEXEC);
        failed = *ret_folder < 0 ? "fsmount" : NULL;
    }
    int error = errno;
    close(context);
    errno = error;
    return failed;
}

/* Mounts that end outside end here too, nothing goes the other way. What can be made read-only is:
 * that isolates write no file is Landlock's and seccomp's business, this stands behind them. */
static const char *namespace_enter_mounts(int *ret_folder)
{
    const struct namespace_mount plain = {.set = NAMESPACE_RDONLY | NAMESPACE_NOSUID |
                                                 NAMESPACE_NODEV};
    if (unshare(CLONE_NEWNS) != 0)
        return "unshare(CLONE_NEWNS)";
    if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) != 0)
        return "mount";
    if (chroot("/") != 0) /* where it is: can a child change its root? */
        return "chroot";
    const char *failed = namespace_make_empty(ret_folder);
    if (failed == NULL)
        syscall(ISLE__CALL_MOUNT_SETATTR, AT_FDCWD, "/", NAMESPACE_RECURSIVE, &plain, sizeof plain);
    return failed;
}

void isle__namespaces_enter(struct isle__sandbox *sandbox)
{
    if (isle__layer_wanted(sandbox, ISLE_LAYER_USERNS))
        namespace_enter_user(sandbox);
    if (isle__layer_wanted(sandbox, ISLE_LAYER_MNTNS)) {
        const char *failed = namespace_enter_mounts(&sandbox->root);
        if (failed == NULL)
            sandbox->reached |= ISLE_LAYER_MNTNS;
        else
            isle__layer_fails(sandbox, ISLE_LAYER_MNTNS, failed, errno);
    }
    for (size_t at = 0; at < sizeof namespace_kinds / sizeof namespace_kinds[0]; at++)
        namespace_enter(sandbox, &namespace_kinds[at]);
}

bool isle__namespaces_own_user(void)
{
    return unshare(CLONE_NEWUSER) == 0;
}

bool isle__namespaces_change_root(int folder)
{
    return fchdir(folder) == 0 && chroot(".") == 0;
}
