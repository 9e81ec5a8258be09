/* SPDX-License-Identifier: Apache-2.0 */
/* The same program in bubblewrap, with the layers that it has of those that Isle's isolates have:
 * all namespaces, nothing of the file system but itself, no capability, no environment, a filter of
 * system calls. It ends with bwrap, and bwrap's first process with it. */
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "piped.h"

const bool way_forks = false;

#ifdef __x86_64__
enum { MACHINE = AUDIT_ARCH_X86_64 };
#else
enum { MACHINE = AUDIT_ARCH_AARCH64 };
#endif

/* What executing a static program and its start need, then reads and writes; and what bwrap's first
 * process does afterwards. */
static const unsigned allowed[] = {
    SYS_read,
    SYS_write,
    SYS_exit_group,
    SYS_execve,
    SYS_brk,
    SYS_mmap,
    SYS_munmap,
    SYS_mprotect,
    SYS_prlimit64,
    SYS_uname,
    SYS_rseq,
    SYS_getrandom,
    SYS_newfstatat,
    SYS_set_tid_address,
    SYS_set_robust_list,
    SYS_sched_getaffinity,
    SYS_wait4,
#ifdef __x86_64__
    SYS_arch_prctl,
    SYS_readlink,
#else
    SYS_readlinkat,
#endif
};
enum { ALLOWED = sizeof allowed / sizeof *allowed };

/* A file that has the filter, made once. */
static const char *filter_path(void)
{
    static char path[64];
    if (path[0] != '\0')
        return path;
    struct sock_filter filter[ALLOWED + 6] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, MACHINE, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
    };
    for (int i = 0; i < ALLOWED; i++)
        filter[4 + i] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, allowed[i],
                                                     (unsigned char)(ALLOWED - i), 0);
    filter[4 + ALLOWED] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
    filter[5 + ALLOWED] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    int fd = memfd_create("filter", MFD_CLOEXEC);
    bench_require(fd >= 0 && write(fd, filter, sizeof filter) == (ssize_t)sizeof filter,
                  "a file for the filter");
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return path;
}

void way_start(struct child *child, const char *program)
{
    char *path = (char *)(uintptr_t)program;
    char *command[] = {"/usr/bin/bwrap",
                       "--unshare-all",
                       "--die-with-parent",
                       "--new-session",
                       "--cap-drop",
                       "ALL",
                       "--clearenv",
                       "--ro-bind",
                       path,
                       "/child",
                       "--seccomp",
                       "3",
                       "/child",
                       NULL};
    /* Opened anew: bwrap reads from where the description is to the file's end. */
    int filter = open(filter_path(), O_RDONLY | O_CLOEXEC);
    bench_require(filter >= 0, "the filter's file");
    spawn_with_pipes(child, command, filter);
    close(filter);
}
