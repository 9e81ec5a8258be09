/* SPDX-License-Identifier: Apache-2.0 */
/* Attacks by who was granted something: a folder that may be read, or code that is being loaded,
 * whose constructors run before the last filter. What is granted is the world's folder, in which
 * the host has left a link that leads out of it. */
#include "attack.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static int grants_open(const char *path, int flags)
{
    return (int)syscall(SYS_openat, AT_FDCWD, path, flags, 0600);
}

static int grants_read(void)
{
    return attack_read_secret(grants_open(attack_path("file"), O_RDONLY));
}

static int grants_list(void)
{
    DIR *folder = opendir(attack_world->folder);

    return folder && readdir(folder) ? ATTACK_WORKS : errno;
}

static int grants_write(void)
{
    return attack_verdict(grants_open(attack_path("file"), O_RDWR));
}

static int grants_empty(void)
{
    return attack_verdict(grants_open(attack_path("file"), O_RDONLY | O_TRUNC));
}

static int grants_create(void)
{
    return attack_verdict(grants_open(attack_path("made"), O_WRONLY | O_CREAT));
}

static int grants_remove(void)
{
    return attack_verdict(unlink(attack_path("file")));
}

static int grants_elsewhere(void)
{
    return attack_verdict(grants_open("/etc/passwd", O_RDONLY));
}

static int grants_above(void)
{
    return attack_verdict(grants_open(attack_path("../../etc/passwd"), O_RDONLY));
}

static int grants_by_link(void)
{
    return attack_verdict(grants_open(attack_path("leads-out"), O_RDONLY));
}

static int grants_host_memory(void)
{
    char path[64];

    snprintf(path, sizeof path, "/proc/%d/mem", (int)attack_world->victim);
    return attack_verdict(grants_open(path, O_RDONLY));
}

static int grants_without_reading(void)
{
    return attack_verdict(grants_open("/etc/passwd", O_PATH));
}

static int grants_stat(void)
{
    struct stat status;

    return attack_verdict(stat("/etc/passwd", &status));
}

static int grants_map(int protection)
{
    int fd = grants_open(attack_path("file"), O_RDONLY);

    if (fd < 0)
        return errno;
    return mmap(NULL, 1, protection, MAP_PRIVATE, fd, 0) == MAP_FAILED ? errno : ATTACK_WORKS;
}

static int grants_map_code(void)
{
    return grants_map(PROT_READ | PROT_EXEC);
}

static int grants_map_all_rights(void)
{
    return grants_map(PROT_READ | PROT_WRITE | PROT_EXEC);
}

static int grants_protect(void)
{
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return page == MAP_FAILED ? errno : attack_verdict(mprotect(page, 4096, PROT_READ | PROT_EXEC));
}

static int grants_socket(void)
{
    return attack_verdict(socket(AF_INET, SOCK_STREAM, 0));
}

static int grants_fork(void)
{
    long child = syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);

    if (child == 0)
        _exit(0);
    return attack_verdict(child);
}

static int grants_exec(void)
{
    static char *const arguments[] = {(char *)"sh", (char *)"-c", (char *)"exit 42", NULL};

    return attack_verdict(execve("/bin/sh", arguments, arguments + 3));
}

static int grants_signal(void)
{
    return attack_verdict(kill(attack_world->victim, SIGUSR1));
}

static int grants_trace(void)
{
    char byte;
    struct {
        void *at;
        size_t size;
    } here = {&byte, 1}, there = {attack_secret, 1};

    return attack_verdict(
        syscall(SYS_process_vm_readv, attack_world->victim, &here, 1UL, &there, 1UL, 0UL));
}

#define GRANTS_READS .grants = ATTACK_GRANTS_READS
#define GRANTS_LOADS .grants = ATTACK_GRANTS_LOADS
#define GRANTS_OPENED .all = "works", .harmless = true
#define GRANTS_CLOSED .all = "EACCES", .landlock = "EACCES"

static const struct attack_row attack_grants_rows[] = {
    ATTACK_ROW("106a", grants, read, "read a file in the granted folder: it may", GRANTS_READS,
               GRANTS_OPENED),
    ATTACK_ROW("106b", grants, list, "list the granted folder: it may", GRANTS_READS,
               .all = "works|EACCES", .harmless = true),
    ATTACK_ROW("106c", grants, write, "write to a file there", GRANTS_READS, GRANTS_CLOSED,
               .seccomp = "EACCES"),
    ATTACK_ROW("106d", grants, empty, "empty it as it is opened", GRANTS_READS, GRANTS_CLOSED,
               .seccomp = "EACCES", .landlock_abi = 3),
    ATTACK_ROW("106e", grants, create, "make a file there", GRANTS_READS, GRANTS_CLOSED,
               .seccomp = "EACCES"),
    ATTACK_ROW("106f", grants, remove, "remove a file there", GRANTS_READS, GRANTS_CLOSED,
               .seccomp = "EACCES"),
    ATTACK_ROW("106g", grants, elsewhere, "read a file elsewhere", GRANTS_READS, GRANTS_CLOSED),
    ATTACK_ROW("106h", grants, above, "the same by `..`", GRANTS_READS, GRANTS_CLOSED),
    ATTACK_ROW("106i", grants, by_link, "the same by a link that leads out", GRANTS_READS,
               GRANTS_CLOSED),
    ATTACK_ROW("106j", grants, host_memory, "the host's memory in `/proc`", GRANTS_READS,
               GRANTS_CLOSED),
    ATTACK_ROW("106k", grants, without_reading, "a descriptor that only names (`O_PATH`)",
               GRANTS_READS, .all = "EACCES", .seccomp = "EACCES"),
    ATTACK_ROW("106l", grants, map_code, "map a file there as code", GRANTS_READS, .all = "EACCES",
               .seccomp = "EACCES"),
    ATTACK_ROW("106m", grants, stat, "is a file elsewhere there? It can find out", GRANTS_READS,
               .all = "works|EACCES", .harmless = true),
    ATTACK_ROW("107a", grants, map_code, "map a file there as code: it may", GRANTS_LOADS,
               GRANTS_OPENED),
    ATTACK_ROW("107b", grants, map_all_rights, "map it as code that can be written", GRANTS_LOADS,
               .all = "EACCES", .seccomp = "EACCES"),
    ATTACK_ROW("107c", grants, protect, "make a page that it wrote code", GRANTS_LOADS,
               .all = "EACCES", .seccomp = "EACCES"),
    ATTACK_ROW("107d", grants, elsewhere, "read a file elsewhere", GRANTS_LOADS, GRANTS_CLOSED),
    ATTACK_ROW("107e", grants, write, "write to a file there", GRANTS_LOADS, GRANTS_CLOSED,
               .seccomp = "EACCES"),
    ATTACK_ROW("107f", grants, host_memory, "the host's memory in `/proc`", GRANTS_LOADS,
               GRANTS_CLOSED),
    ATTACK_ROW("107g", grants, socket, "a socket", GRANTS_LOADS, .all = "EACCES",
               .seccomp = "EACCES"),
    ATTACK_ROW("107h", grants, fork, "a process", GRANTS_LOADS, .all = "EPERM", .seccomp = "EPERM",
               .limits = "EAGAIN"),
    ATTACK_ROW("107i", grants, exec, "become `/bin/sh`", GRANTS_LOADS, ATTACK_KILLS,
               .landlock = "EACCES"),
    ATTACK_ROW("107j", grants, signal, "signal the host", GRANTS_LOADS, .all = "EPERM",
               .seccomp = "EPERM", .landlock = "EPERM", .namespaces = "ESRCH", .landlock_abi = 6),
    ATTACK_ROW("107k", grants, trace, "read the host's memory", GRANTS_LOADS, ATTACK_KILLS,
               .landlock = "EPERM", .namespaces = "ESRCH"),
};
ATTACK_GROUP(attack_grants, "Granted folders, and code while it loads");
