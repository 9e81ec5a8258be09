/* SPDX-License-Identifier: Apache-2.0 */
/* What the system says of processes, for tests: by /proc, whose answers may be of the past by the
 * time they are read. Any thread. */
#ifndef GUARANTEES_PROCESSES_H
#define GUARANTEES_PROCESSES_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <ftw.h>
#include <sys/syscall.h>

#include "guarantees.h"

enum { STAT_EXITING = 4 }; /* PF_EXITING of the kernel */

struct stat_of {
    char state;
    int parent;
    unsigned flags;
};

static inline size_t proc_read(const char *id, const char *name, char *text, size_t size)
{
    char path[300];
    snprintf(path, sizeof path, "/proc/%.20s/%s", id, name);
    FILE *file = fopen(path, "re");
    size_t got = file != NULL ? fread(text, 1, size - 1, file) : 0;
    if (file != NULL)
        fclose(file);
    text[got] = '\0';
    return got;
}

/* True: there is such a process. */
static inline bool stat_read(const char *id, struct stat_of *ret)
{
    char text[512];
    proc_read(id, "stat", text, sizeof text);
    const char *end = strrchr(text, ')');
    return end != NULL && sscanf(end + 1, " %c %d %*d %*d %*d %*d %u", &ret->state, &ret->parent,
                                 &ret->flags) == 3;
}

static inline pid_t pid_of(int pidfd)
{
    char path[64], line[128];
    int pid = -1;
    snprintf(path, sizeof path, "/proc/self/fdinfo/%d", pidfd);
    FILE *info = fopen(path, "re");
    while (info != NULL && fgets(line, sizeof line, info) != NULL)
        (void)sscanf(line, "Pid: %d", &pid);
    if (info != NULL)
        fclose(info);
    return pid;
}

/* A pidfd of a process with this parent; -1: it has none. */
static inline int child_open(pid_t parent)
{
    DIR *folder = opendir("/proc");
    struct stat_of of;
    int pidfd = -1;
    CHECK(folder != NULL);
    for (struct dirent *entry; pidfd < 0 && (entry = readdir(folder)) != NULL;) {
        if (entry->d_name[0] < '1' || entry->d_name[0] > '9' || !stat_read(entry->d_name, &of) ||
            of.parent != parent)
            continue;
        pidfd = (int)syscall(SYS_pidfd_open, atoi(entry->d_name), 0);
        /* It is still the one, not another with its number. */
        if (pidfd >= 0 && (!stat_read(entry->d_name, &of) || of.parent != parent)) {
            close(pidfd);
            pidfd = -1;
        }
    }
    closedir(folder);
    return pidfd;
}

/* It will never run again: the kernel ends it, or will as soon as it gets a processor. */
static inline bool is_doomed(int pidfd)
{
    char id[16], text[4096];
    unsigned long long own = 0, shared = 0;
    pid_t pid = pid_of(pidfd);
    struct stat_of of;
    snprintf(id, sizeof id, "%d", (int)pid);
    proc_read(id, "status", text, sizeof text);
    const char *pending = strstr(text, "\nSigPnd:");
    if (pending != NULL)
        (void)sscanf(pending, " SigPnd: %llx ShdPnd: %llx", &own, &shared);
    bool is_exiting = stat_read(id, &of) && (of.flags & STAT_EXITING) != 0;
    bool is_killed = ((own | shared) & 1ULL << (SIGKILL - 1)) != 0;
    return pid_of(pidfd) != pid || pid < 0 || is_exiting || is_killed;
}

/* Where there is a namespace of processes one stands outside of it. */
static inline bool is_guard(pid_t pid)
{
    char path[64], name[32] = "";
    snprintf(path, sizeof path, "/proc/%d/comm", (int)pid);
    FILE *file = fopen(path, "re");
    bool is_it =
        file != NULL && fgets(name, sizeof name, file) != NULL && !strcmp(name, "isle-guard\n");
    if (file != NULL)
        fclose(file);
    return is_it;
}

/* Children and theirs, zombies too. */
static inline int processes_below(pid_t parent)
{
    DIR *folder = opendir("/proc");
    struct stat_of of;
    int count = 0;
    CHECK(folder != NULL);
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;)
        if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9' && stat_read(entry->d_name, &of) &&
            of.parent == parent)
            count += 1 + processes_below(atoi(entry->d_name));
    closedir(folder);
    return count;
}

static int groups_found;
static char groups_name[32];

static inline int group_look(const char *path, const struct stat *status, int kind, struct FTW *at)
{
    (void)status;
    groups_found += kind == FTW_D && !strncmp(path + at->base, groups_name, strlen(groups_name));
    return 0;
}

/* Control groups of this program's isolates. */
static inline int groups_count(void)
{
    groups_found = 0;
    snprintf(groups_name, sizeof groups_name, "isle-%d-", getpid());
    (void)nftw("/sys/fs/cgroup", group_look, 16, FTW_PHYS);
    return groups_found;
}

static inline int64_t resident_kib(pid_t pid)
{
    char id[16], text[128];
    long pages = 0;
    snprintf(id, sizeof id, "%d", (int)pid);
    proc_read(id, "statm", text, sizeof text);
    CHECK_INT(sscanf(text, "%*d %ld", &pages), 1);
    return (int64_t)pages * (sysconf(_SC_PAGESIZE) / 1024);
}

static inline int threads_count(void)
{
    char text[4096];
    int threads = 0;
    proc_read("self", "status", text, sizeof text);
    const char *line = strstr(text, "\nThreads:");
    CHECK(line != NULL && sscanf(line, " Threads: %d", &threads) == 1);
    return threads;
}

#endif
