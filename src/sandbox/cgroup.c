/* SPDX-License-Identifier: Apache-2.0 */
/* Control groups of version 2: one group for each isolate's process, in a subtree that was
 * delegated to this user.
 *
 * Where. The candidates are the host's own group and, for an ordinary user, the group above it (a
 * service of the user's session lies beside others that are the user's too; root could write
 * anywhere, which says nothing about whose it is). The first in which memory and processes are
 * counted, or can be made to be, is taken. A group that has groups with limits may have no
 * processes of its own: the host steps aside into a group of its own if it is alone there.
 *
 * Groups are called isle-PROCESS-NUMBER. What a host that was killed has left is removed by the
 * next one that opens the same subtree. Any thread; the lock guards the list and the numbers. */
#include "sandbox/layers.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CGROUP_NAME = 48, CGROUP_PATH = 4096, CGROUP_FILE = 4096 };
/* What a process has besides what its isolate maps: copies of the zygote's pages, page tables,
 * kernel stacks, its rings. RLIMIT_DATA is reached first, so that malloc says NULL. */
enum { CGROUP_BESIDES = 16 << 20 };
enum { CGROUP_PATIENCE_MS = 1000 }; /* for a process that was killed to be gone */

struct cgroup {
    struct cgroup *next;
    uint32_t number;
    int fd; /* -1: removed by its user, its processes were not quite gone */
};
struct isle__cgroups {
    struct isle__mutex lock;
    int folder;            /* the subtree */
    bool stepped_aside;    /* the host is in cgroup_host_name */
    uint32_t last;         /* number of a group */
    struct cgroup *groups; /* that exist */
};

/* --- files of a group */

/* Reads a file of the group as text; empty when there is none. Returns its size. */
static size_t cgroup_read(int folder, const char *name, char *text, size_t text_size)
{
    ssize_t size = -1;
    int fd = openat(folder, name, O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        size = read(fd, text, text_size - 1);
        close(fd);
    }
    text[size > 0 ? size : 0] = '\0';
    return strlen(text);
}

static bool cgroup_write(int folder, const char *name, const char *text)
{
    int fd = openat(folder, name, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    bool is_written = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    int error = errno;
    close(fd);
    errno = error;
    return is_written;
}

static bool cgroup_write_number(int folder, const char *name, uint64_t number)
{
    char text[24];
    snprintf(text, sizeof text, "%llu", (unsigned long long)number);
    return cgroup_write(folder, name, text);
}

/* Is this one of the words of a line? */
static bool cgroup_has_word(const char *line, const char *word)
{
    size_t size = strlen(word);
    for (const char *at = line; (at = strstr(at, word)) != NULL; at += size)
        if ((at == line || at[-1] == ' ') && strchr(" \n", at[size]) != NULL)
            return true;
    return false;
}

static bool cgroup_counts(int folder, const char *name)
{
    char text[CGROUP_FILE];
    cgroup_read(folder, name, text, sizeof text);
    return cgroup_has_word(text, "memory") && cgroup_has_word(text, "pids");
}

/* --- where this process is */

/* The mount of version 2, from /proc/self/mountinfo: what of the hierarchy it shows, and where. */
static bool cgroup_find_mount(char *root, char *place)
{
    char *line = NULL;
    size_t capacity = 0;
    bool is_found = false;
    FILE *mounts = fopen("/proc/self/mountinfo", "re");
    while (mounts != NULL && !is_found && getline(&line, &capacity, mounts) > 0)
        is_found = strstr(line, " - cgroup2 ") != NULL &&
                   sscanf(line, "%*s %*s %*s %4095s %4095s", root, place) == 2;
    if (mounts != NULL)
        fclose(mounts);
    free(line);
    return is_found;
}

/* The group of this process, from /proc/self/cgroup: the line "0::PATH". */
static bool cgroup_find_own(char *path)
{
    char *line = NULL;
    size_t capacity = 0;
    bool is_found = false;
    FILE *groups = fopen("/proc/self/cgroup", "re");
    while (groups != NULL && !is_found && getline(&line, &capacity, groups) > 0)
        is_found = sscanf(line, "0::%4095[^\n]", path) == 1;
    if (groups != NULL)
        fclose(groups);
    free(line);
    return is_found;
}

/* The folder of this process's group; -1. A mount that shows a part of the hierarchy has that
 * part's path in front. */
static int cgroup_open_own(void)
{
    struct {
        char root[CGROUP_PATH], place[CGROUP_PATH], own[CGROUP_PATH], whole[2 * CGROUP_PATH];
    } *paths = malloc(sizeof *paths);
    int folder = -1;
    if (paths != NULL && cgroup_find_mount(paths->root, paths->place) &&
        cgroup_find_own(paths->own)) {
        size_t above = strcmp(paths->root, "/") == 0 ? 0 : strlen(paths->root);
        if (strncmp(paths->own, paths->root, above) == 0) {
            snprintf(paths->whole, sizeof paths->whole, "%s%s", paths->place, paths->own + above);
            folder = open(paths->whole, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        }
    }
    free(paths);
    return folder;
}

/* --- taking a subtree */

static void cgroup_host_name(char name[CGROUP_NAME])
{
    snprintf(name, CGROUP_NAME, "isle-%d-host", (int)getpid());
}

static bool cgroup_is_alone(int folder)
{
    char text[CGROUP_FILE], *end;
    cgroup_read(folder, "cgroup.procs", text, sizeof text);
    long process = strtol(text, &end, 10);
    return process == getpid() && strcmp(end, "\n") == 0;
}

static bool cgroup_step_aside(int folder)
{
    char name[CGROUP_NAME], inside[CGROUP_NAME + sizeof "/cgroup.procs"];
    cgroup_host_name(name);
    if (!cgroup_is_alone(folder) || mkdirat(folder, name, 0755) != 0)
        return false;
    snprintf(inside, sizeof inside, "%s/cgroup.procs", name);
    if (cgroup_write(folder, inside, "0"))
        return true;
    unlinkat(folder, name, AT_REMOVEDIR);
    return false;
}

static void cgroup_step_back(int folder)
{
    char name[CGROUP_NAME];
    cgroup_host_name(name);
    if (cgroup_write(folder, "cgroup.subtree_control", "-memory -pids") &&
        cgroup_write(folder, "cgroup.procs", "0"))
        unlinkat(folder, name, AT_REMOVEDIR);
}

static bool cgroup_make_count(int folder)
{
    return cgroup_counts(folder, "cgroup.subtree_control") ||
           cgroup_write(folder, "cgroup.subtree_control", "+memory +pids");
}

/* Are its groups counted, and may this user move processes into them? */
static bool cgroup_take(struct isle__cgroups *groups, int folder)
{
    if (faccessat(folder, ".", W_OK, AT_EACCESS) != 0 ||
        faccessat(folder, "cgroup.procs", W_OK, AT_EACCESS) != 0 ||
        !cgroup_counts(folder, "cgroup.controllers"))
        return false;
    if (cgroup_make_count(folder))
        return true;
    groups->stepped_aside = errno == EBUSY && cgroup_step_aside(folder);
    if (!groups->stepped_aside || cgroup_make_count(folder))
        return groups->stepped_aside;
    cgroup_step_back(folder);
    return groups->stepped_aside = false;
}

/* Groups of hosts that are no more. One that is not empty stays: the kernel refuses. */
static void cgroup_sweep(int folder)
{
    DIR *listing = fdopendir(openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (listing == NULL)
        return;
    for (struct dirent *entry; (entry = readdir(listing)) != NULL;) {
        int process, after = 0;
        if (sscanf(entry->d_name, "isle-%d-%n", &process, &after) == 1 && after > 0 &&
            process != getpid() && kill(process, 0) != 0 && errno == ESRCH)
            unlinkat(folder, entry->d_name, AT_REMOVEDIR);
    }
    closedir(listing);
}

static int cgroup_find(struct isle__cgroups *groups)
{
    int own = cgroup_open_own();
    if (own < 0 || cgroup_take(groups, own))
        return own;
    int above = geteuid() == 0 ? -1 : openat(own, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    close(own);
    if (above >= 0 && !cgroup_take(groups, above)) {
        close(above);
        above = -1;
    }
    return above;
}

isle_err isle__cgroups_open(struct isle__cgroups **ret_groups)
{
    struct isle__cgroups *groups = isle__memory_alloc(sizeof *groups);
    if (groups == NULL)
        return ISLE_ENOMEM;
    *groups = (struct isle__cgroups){0};
    groups->folder = cgroup_find(groups);
    if (groups->folder < 0) {
        isle__memory_free(groups, sizeof *groups);
        return ISLE_EUNSUPPORTED;
    }
    isle__mutex_init(&groups->lock);
    cgroup_sweep(groups->folder);
    *ret_groups = groups;
    return ISLE_OK;
}

/* --- one group */

static void cgroup_name(const struct cgroup *group, char name[CGROUP_NAME])
{
    snprintf(name, CGROUP_NAME, "isle-%d-%u", (int)getpid(), (unsigned)group->number);
}

static bool cgroup_limit(int fd, uint64_t memory_max, uint32_t process_max)
{
    uint64_t most;
    if (memory_max == 0 || __builtin_add_overflow(memory_max, CGROUP_BESIDES, &most))
        most = 0;
    if (most != 0 && !cgroup_write_number(fd, "memory.max", most))
        return false;
    /* There is no such file where nothing can be swapped, or before Linux 4.19. */
    if ((!cgroup_write(fd, "memory.swap.max", "0") && errno != ENOENT) ||
        (!cgroup_write(fd, "memory.oom.group", "1") && errno != ENOENT))
        return false;
    return process_max == 0 || cgroup_write_number(fd, "pids.max", process_max);
}

static isle_err cgroup_create(struct isle__cgroups *groups, struct cgroup *group,
                              uint64_t memory_max, uint32_t process_max)
{
    char name[CGROUP_NAME];
    cgroup_name(group, name);
    if (mkdirat(groups->folder, name, 0755) != 0)
        return ISLE_ESYSTEM;
    group->fd = openat(groups->folder, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (group->fd >= 0 && cgroup_limit(group->fd, memory_max, process_max))
        return ISLE_OK;
    int error = errno;
    isle__fd_close(group->fd);
    unlinkat(groups->folder, name, AT_REMOVEDIR);
    errno = error;
    return ISLE_ESYSTEM;
}

/* Removes what was given up. The lock is held. A group whose process is dying is busy. */
static void cgroup_drop(struct isle__cgroups *groups)
{
    for (struct cgroup **at = &groups->groups; *at != NULL;) {
        struct cgroup *group = *at;
        char name[CGROUP_NAME];
        cgroup_name(group, name);
        if (group->fd >= 0 ||
            (unlinkat(groups->folder, name, AT_REMOVEDIR) != 0 && errno == EBUSY)) {
            at = &group->next;
            continue;
        }
        *at = group->next;
        isle__memory_free(group, sizeof *group);
    }
}

/* Waits until nobody is in the group; the kernel tells by POLLPRI. Who is still there is killed,
 * if the kernel can (Linux 5.14). */
static void cgroup_empty(int fd)
{
    char text[CGROUP_FILE];
    struct pollfd events = {.fd = openat(fd, "cgroup.events", O_RDONLY | O_CLOEXEC),
                            .events = POLLPRI};
    cgroup_write(fd, "cgroup.kill", "1");
    while (events.fd >= 0) {
        ssize_t size = pread(events.fd, text, sizeof text - 1, 0);
        text[size > 0 ? size : 0] = '\0';
        if (strstr(text, "populated 1") == NULL || poll(&events, 1, CGROUP_PATIENCE_MS) <= 0)
            break;
    }
    isle__fd_close(events.fd);
}

/* At the end: nobody else has the groups. */
static void cgroup_end(struct isle__cgroups *groups, struct cgroup *group)
{
    char name[CGROUP_NAME];
    cgroup_name(group, name);
    if (group->fd < 0)
        group->fd = openat(groups->folder, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (unlinkat(groups->folder, name, AT_REMOVEDIR) != 0 && errno == EBUSY) {
        cgroup_empty(group->fd);
        unlinkat(groups->folder, name, AT_REMOVEDIR);
    }
    isle__fd_close(group->fd);
    isle__memory_free(group, sizeof *group);
}

isle_err isle__cgroup_make(struct isle__cgroups *groups, uint64_t memory_max, uint32_t process_max,
                           int *ret_fd)
{
    struct cgroup *group = isle__memory_alloc(sizeof *group);
    if (group == NULL)
        return ISLE_ENOMEM;
    isle__mutex_lock(&groups->lock);
    cgroup_drop(groups);
    *group = (struct cgroup){.next = groups->groups, .number = ++groups->last, .fd = -1};
    isle_err err = cgroup_create(groups, group, memory_max, process_max);
    if (err == ISLE_OK) {
        groups->groups = group;
        *ret_fd = group->fd;
    }
    isle__mutex_unlock(&groups->lock);
    if (err != ISLE_OK)
        isle__memory_free(group, sizeof *group);
    return err;
}

int isle__cgroup_door(int fd)
{
    return openat(fd, "cgroup.procs", O_WRONLY | O_CLOEXEC);
}

/* memory.events has lines "oom_kill 3". */
bool isle__cgroup_ran_out(int fd)
{
    char text[CGROUP_FILE];
    cgroup_read(fd, "memory.events", text, sizeof text);
    const char *line = strstr(text, "\noom_kill ");
    return line != NULL && strtoull(line + sizeof "\noom_kill", NULL, 10) > 0;
}

void isle__cgroup_remove(struct isle__cgroups *groups, int fd)
{
    isle__mutex_lock(&groups->lock);
    for (struct cgroup *group = groups->groups; group != NULL; group = group->next)
        if (group->fd == fd) {
            isle__fd_close(fd);
            group->fd = -1;
        }
    cgroup_drop(groups);
    isle__mutex_unlock(&groups->lock);
}

void isle__cgroups_close(struct isle__cgroups *groups)
{
    if (groups == NULL)
        return;
    for (struct cgroup *group = groups->groups, *next; group != NULL; group = next) {
        next = group->next;
        cgroup_end(groups, group);
    }
    if (groups->stepped_aside)
        cgroup_step_back(groups->folder);
    close(groups->folder);
    isle__mutex_destroy(&groups->lock);
    isle__memory_free(groups, sizeof *groups);
}
