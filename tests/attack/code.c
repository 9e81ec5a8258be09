/* SPDX-License-Identifier: Apache-2.0 */
/* Attacks that bring code in: other programs, pages that are written and then run. */
#include "attack.h"

#include <dlfcn.h>
#include <elf.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif
enum { CODE_PAGE = 4096, CODE_ANSWER = 42 };

/* --- other programs: each ends with ATTACK_EXEC_STATUS */

#define CODE_SHELL "/bin/sh"
static char *const code_arguments[] = {(char *)"sh", (char *)"-c", (char *)"exit 42", NULL};
static char *const code_environment[] = {NULL};

static int code_exec(void)
{
    return attack_verdict(execve(CODE_SHELL, code_arguments, code_environment));
}

static int code_exec_loader(void)
{
    static char *const arguments[] = {(char *)"ld.so", (char *)CODE_SHELL, (char *)"-c",
                                      (char *)"exit 42", NULL};
    static const char *const loaders[] = {"/lib64/ld-linux-x86-64.so.2",
                                          "/lib/ld-linux-aarch64.so.1"};

    for (size_t i = 0; i < sizeof(loaders) / sizeof(loaders[0]); i++)
        execve(loaders[i], arguments, code_environment);
#ifdef __x86_64__
    return attack_verdict(execve(loaders[0], arguments, code_environment));
#else
    return attack_verdict(-1);
#endif
}

static int code_spawn(void)
{
    pid_t child;
    int error = posix_spawn(&child, CODE_SHELL, NULL, NULL, code_arguments, code_environment);
    int status;

    if (error)
        return error;
    if (waitpid(child, &status, 0) < 0)
        return errno;
    return status == CODE_ANSWER << 8 ? ATTACK_WORKS : ENOEXEC;
}

static int code_system(void)
{
    int status = system("exit 42"); /* NOLINT: it is an attack */

    if (status < 0)
        return errno;
    return status == CODE_ANSWER << 8 ? ATTACK_WORKS : ENOENT; /* 127: no shell could be run */
}

static int code_popen(void)
{
    FILE *output = popen("echo 42", "r");
    int answer = 0;

    if (!output)
        return errno;
    if (fscanf(output, "%d", &answer) != 1)
        answer = 0;
    pclose(output);
    return answer == CODE_ANSWER ? ATTACK_WORKS : ENOENT;
}

static int code_exec_bytes(const void *bytes, size_t size)
{
    int fd = (int)syscall(SYS_memfd_create, "program", 0);

    if (fd < 0)
        return errno;
    if (write(fd, bytes, size) < 0)
        return errno;
    return attack_verdict(
        syscall(SYS_execveat, fd, "", code_arguments, code_environment, AT_EMPTY_PATH));
}

static int code_exec_inherited(void)
{
    return attack_verdict(syscall(SYS_execveat, attack_world->script, "", code_arguments,
                                  code_environment, AT_EMPTY_PATH));
}

static int code_exec_script(void)
{
    static const char script[] = "#!/bin/sh\nexit 42\n";

    return code_exec_bytes(script, sizeof script - 1);
}

/* A whole program in one page: exit(42), with nothing to load. */
static int code_exec_image(void)
{
#ifdef __x86_64__
    static const unsigned char code[] = {0xbf, 42, 0, 0, 0, 0xb8, 60, 0, 0, 0, 0x0f, 0x05};
    struct {
        Elf64_Ehdr head;
        Elf64_Phdr segment;
        unsigned char code[sizeof code];
    } image;
    const Elf64_Addr base = 0x400000;

    memset(&image, 0, sizeof image);
    memcpy(image.head.e_ident, ELFMAG "\2\1\1", 7);
    image.head.e_type = ET_EXEC;
    image.head.e_machine = EM_X86_64;
    image.head.e_version = EV_CURRENT;
    image.head.e_entry = base + offsetof(__typeof__(image), code);
    image.head.e_phoff = offsetof(__typeof__(image), segment);
    image.head.e_ehsize = sizeof image.head;
    image.head.e_phentsize = sizeof image.segment;
    image.head.e_phnum = 1;
    image.segment = (Elf64_Phdr){.p_type = PT_LOAD,
                                 .p_flags = PF_R | PF_X,
                                 .p_vaddr = base,
                                 .p_filesz = sizeof image,
                                 .p_memsz = sizeof image,
                                 .p_align = CODE_PAGE};
    memcpy(image.code, code, sizeof code);
    return code_exec_bytes(&image, sizeof image);
#else
    return ATTACK_LACKS;
#endif
}

static int code_secret_memory(void)
{
#ifdef SYS_memfd_secret
    return attack_verdict(syscall(SYS_memfd_secret, 0));
#else
    return ATTACK_LACKS;
#endif
}

static int code_load(void)
{
    errno = 0;
    if (dlopen("libutil.so.1", RTLD_NOW | RTLD_LOCAL))
        return ATTACK_WORKS;
    return errno ? errno : ENOENT;
}

/* --- pages that are written and run */

static const void *code_bytes(size_t *size)
{
#if defined(__x86_64__)
    static const unsigned char code[] = {0xb8, CODE_ANSWER, 0, 0, 0, 0xc3};
#else
    static const unsigned char code[] = {0x40, 0x05, 0x80, 0x52, 0xc0, 0x03, 0x5f, 0xd6};
#endif

    *size = sizeof code;
    return code;
}

static void code_write(void *page)
{
    size_t size;
    const void *bytes = code_bytes(&size);

    memcpy(page, bytes, size);
    __builtin___clear_cache((char *)page, (char *)page + size);
}

static int code_run(void *page)
{
    int (*function)(void);

    memcpy(&function, &page, sizeof function);
    return function() == CODE_ANSWER ? ATTACK_WORKS : ATTACK_NOTHING;
}

static void *code_map(int protection, int flags, int fd)
{
    return mmap(NULL, CODE_PAGE, protection, flags, fd, 0);
}

static int code_map_all_rights(void)
{
    void *page = code_map(PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1);

    if (page == MAP_FAILED)
        return errno;
    code_write(page);
    return code_run(page);
}

static void *code_written_page(void)
{
    void *page = code_map(PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);

    if (page != MAP_FAILED)
        code_write(page);
    return page;
}

static int code_protect(void)
{
    void *page = code_written_page();

    if (page == MAP_FAILED || mprotect(page, CODE_PAGE, PROT_READ | PROT_EXEC))
        return errno;
    return code_run(page);
}

static int code_protect_by_key(void)
{
    void *page = code_written_page();

    if (page == MAP_FAILED ||
        syscall(SYS_pkey_mprotect, page, CODE_PAGE, PROT_READ | PROT_EXEC, -1))
        return errno;
    return code_run(page);
}

/* The program's own code made writable, written, and run. */
static int code_patch(void)
{
    uintptr_t address;
    int (*function)(void) = code_protect;
    char *page;

    memcpy(&address, &function, sizeof address);
    page = (char *)(address & ~(uintptr_t)(CODE_PAGE - 1)); /* NOLINT: that page */
    return attack_verdict(mprotect(page, CODE_PAGE, PROT_READ | PROT_WRITE | PROT_EXEC));
}

static int code_grows_down(void)
{
    char here;
    char *page = (char *)((uintptr_t)&here & ~(uintptr_t)(CODE_PAGE - 1)); /* NOLINT */

    return attack_verdict(mprotect(page, CODE_PAGE, PROT_READ | PROT_WRITE | PROT_GROWSDOWN));
}

static int code_map_file(void)
{
    void *page = code_map(PROT_READ | PROT_EXEC, MAP_PRIVATE, attack_world->code);

    return page == MAP_FAILED ? errno : code_run(page);
}

/* One page seen twice: written here, run there. */
static int code_map_twice(void)
{
    void *writes = code_map(PROT_READ | PROT_WRITE, MAP_SHARED, attack_world->code), *runs;

    if (writes == MAP_FAILED)
        return errno;
    code_write(writes);
    runs = code_map(PROT_READ | PROT_EXEC, MAP_SHARED, attack_world->code);
    return runs == MAP_FAILED ? errno : code_run(runs);
}

static int code_segment(void)
{
    int id = shmget(IPC_PRIVATE, CODE_PAGE, IPC_CREAT | 0700);
    void *page;

    if (id < 0)
        return errno;
    page = shmat(id, NULL, SHM_EXEC);
    shmctl(id, IPC_RMID, NULL);
    if (page == (void *)-1)
        return errno;
    code_write(page);
    return code_run(page);
}

static int code_personality(void)
{
    void *page;

    if (personality(READ_IMPLIES_EXEC) < 0)
        return errno;
    page = code_written_page();
    return page == MAP_FAILED ? errno : code_run(page);
}

static int code_move_unmapped(void)
{
    void *page = code_written_page();

    if (page == MAP_FAILED)
        return errno;
    return attack_verdict(
        syscall(SYS_mremap, page, CODE_PAGE, CODE_PAGE, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, NULL));
}

static int code_move_fixed(void)
{
    void *page = code_written_page(), *onto = code_written_page();

    if (page == MAP_FAILED || onto == MAP_FAILED)
        return errno;
    return mremap(page, CODE_PAGE, CODE_PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, onto) == MAP_FAILED
               ? errno
               : ATTACK_WORKS;
}

static int code_remap_pages(void)
{
    void *page = code_map(PROT_READ | PROT_WRITE, MAP_SHARED, attack_world->code);

    if (page == MAP_FAILED)
        return errno;
    return attack_verdict(syscall(SYS_remap_file_pages, page, CODE_PAGE, 0, 0, 0));
}

#define CODE_NO_PAGE .all = "EACCES", .seccomp = "EACCES"

static const struct attack_row attack_code_rows[] = {
    ATTACK_ROW("11a", code, exec, "become `/bin/sh`", ATTACK_KILLS, .landlock = "EACCES",
               .namespaces = "ENOENT"),
    ATTACK_ROW("11b", code, exec_loader, "the same through the dynamic loader", ATTACK_KILLS,
               .landlock = "EACCES", .namespaces = "ENOENT"),
    ATTACK_ROW("23a", code, spawn, "`posix_spawn` of `/bin/sh`", .all = "EPERM", .seccomp = "EPERM",
               .limits = "EAGAIN"),
    ATTACK_ROW("23b", code, system, "`system`", .all = "refused", .seccomp = "refused",
               .limits = "refused"),
    ATTACK_ROW("23c", code, popen, "`popen`", .all = "refused", .seccomp = "refused",
               .limits = "refused"),
    ATTACK_ROW("24a", code, exec_script, "a script in memory, run (`memfd_create`, `execveat`)",
               .all = "EPERM", .seccomp = "EPERM", .limits = "SIGXFSZ"),
    ATTACK_ROW("24b", code, exec_image, "a program in memory, run", .all = "EPERM",
               .seccomp = "EPERM", .limits = "SIGXFSZ"),
    ATTACK_ROW("24c", code, exec_inherited, "a script in an inherited file, run", ATTACK_KILLS,
               .landlock = "EACCES", .namespaces = "ENOENT"),
    ATTACK_ROW("24d", code, secret_memory, "memory that no kernel reads (`memfd_secret`)",
               ATTACK_KILLS, .without = "works|ENOSYS", .why = "it is off in many kernels"),
    ATTACK_ROW("25", code, load, "load another shared object (`dlopen`)", .all = "refused",
               .seccomp = "refused", .landlock = "refused", .namespaces = "refused"),
    ATTACK_ROW("26", code, map_all_rights, "a page that is written and run", CODE_NO_PAGE),
    ATTACK_ROW("27a", code, protect, "a page written, then made code (`mprotect`)", CODE_NO_PAGE),
    ATTACK_ROW("27b", code, patch, "the program's own code made writable", CODE_NO_PAGE),
    ATTACK_ROW("27c", code, grows_down, "`mprotect` that grows down", CODE_NO_PAGE,
               .without = "works|EINVAL", .why = "the page need not be the stack's first"),
    ATTACK_ROW("28a", code, map_file, "code mapped from an inherited file", CODE_NO_PAGE),
    ATTACK_ROW("28b", code, map_twice, "one page twice: written here, run there", CODE_NO_PAGE),
    ATTACK_ROW("29a", code, protect_by_key, "`pkey_mprotect`", ATTACK_KILLS),
    ATTACK_ROW("29b", code, segment, "System V memory that runs (`SHM_EXEC`)", ATTACK_KILLS),
    ATTACK_ROW("30", code, personality, "`personality`: what is read may run", ATTACK_KILLS),
    ATTACK_ROW("31a", code, move_unmapped, "`mremap` that leaves a copy", .all = "EINVAL",
               .seccomp = "EINVAL"),
    ATTACK_ROW("31b", code, move_fixed, "`mremap` onto other memory", .all = "EINVAL",
               .seccomp = "EINVAL"),
    ATTACK_ROW("31c", code, remap_pages, "`remap_file_pages`", ATTACK_KILLS),
};
ATTACK_GROUP(attack_code, "Programs and code");
