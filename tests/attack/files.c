/* SPDX-License-Identifier: Apache-2.0 */
/* Attacks on files: opening, making, changing and looking at what the host's user may. */
#include "attack.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#define FILES_PASSWD "/etc/passwd"

/* A file is had when a byte of it is. */
static int files_read_one(long fd)
{
    char byte;

    if (fd < 0)
        return errno;
    return attack_verdict(read((int)fd, &byte, 1));
}

static int files_open(void)
{
#ifdef SYS_open
    return files_read_one(syscall(SYS_open, FILES_PASSWD, O_RDONLY));
#else
    return ATTACK_LACKS;
#endif
}

static int files_openat(void)
{
    return files_read_one(syscall(SYS_openat, AT_FDCWD, FILES_PASSWD, O_RDONLY));
}

static int files_openat_from_above(void)
{
    return files_read_one(
        syscall(SYS_openat, AT_FDCWD, "../../../../../../../.." FILES_PASSWD, O_RDONLY));
}

static int files_creat(void)
{
#ifdef SYS_creat
    return attack_verdict(syscall(SYS_creat, attack_path("made"), 0600));
#else
    return ATTACK_LACKS;
#endif
}

static int files_openat2(void)
{
    struct open_how how = {.flags = O_RDONLY};

    return files_read_one(syscall(SYS_openat2, AT_FDCWD, FILES_PASSWD, &how, sizeof how));
}

static int files_handle(void)
{
    struct {
        struct file_handle handle;
        unsigned char bytes[MAX_HANDLE_SZ];
    } buffer = {.handle.handle_bytes = MAX_HANDLE_SZ};
    int mount;

    return attack_verdict(name_to_handle_at(AT_FDCWD, FILES_PASSWD, &buffer.handle, &mount, 0));
}

static int files_open_handle(void)
{
    struct {
        struct file_handle handle;
        unsigned char bytes[8];
    } buffer = {.handle = {.handle_bytes = 8, .handle_type = 1}};

    return attack_verdict(open_by_handle_at(AT_FDCWD, &buffer.handle, O_RDONLY));
}

static int files_create(void)
{
    return attack_verdict(open(attack_path("made"), O_CREAT | O_WRONLY, 0600));
}

static int files_nameless(void)
{
    return attack_verdict(open(attack_path("."), O_TMPFILE | O_RDWR, 0600));
}

static int files_overwrite(void)
{
    int fd = open(attack_path("file"), O_WRONLY);

    return fd < 0 ? errno : attack_verdict(write(fd, "x", 1));
}

static int files_device(void)
{
    return attack_verdict(open("/dev/null", O_RDWR));
}

static int files_terminal(void)
{
    return attack_verdict(open("/dev/ptmx", O_RDWR | O_NOCTTY));
}

static int files_list_root(void)
{
    DIR *folder = opendir("/");
    int found = 0;

    if (!folder)
        return errno;
    errno = 0;
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;)
        found += strcmp(entry->d_name, ".") && strcmp(entry->d_name, "..");
    if (!found && errno)
        return errno;
    attack_world->value = found;
    return found ? ATTACK_WORKS : ATTACK_NOTHING;
}

static int files_chdir(void)
{
    return attack_verdict(chdir("/etc"));
}

static int files_chdir_and_open(void)
{
    if (chdir("/etc"))
        return errno;
    return files_read_one(open("passwd", O_RDONLY));
}

static int files_chroot(void)
{
    return attack_verdict(chroot("/etc"));
}

static int files_chmod(void)
{
    return attack_verdict(chmod(attack_path("file"), 0666));
}

static int files_chown(void)
{
    return attack_verdict(chown(attack_path("file"), getuid(), getgid()));
}

static int files_truncate(void)
{
    return attack_verdict(truncate(attack_path("file"), 1));
}

static int files_symlink(void)
{
    return attack_verdict(symlink(FILES_PASSWD, attack_path("made")));
}

static int files_link(void)
{
    return attack_verdict(link(attack_path("file"), attack_path("linked")));
}

static int files_rename(void)
{
    return attack_verdict(rename(attack_path("file"), attack_path("made")));
}

static int files_unlink(void)
{
    return attack_verdict(unlink(attack_path("file")));
}

static int files_mkdir(void)
{
    return attack_verdict(mkdir(attack_path("made"), 0700));
}

static int files_rmdir(void)
{
    return attack_verdict(rmdir(attack_path("empty")));
}

static int files_mkfifo(void)
{
    return attack_verdict(mkfifo(attack_path("made"), 0600));
}

static int files_utimes(void)
{
    return attack_verdict(utimensat(AT_FDCWD, attack_path("file"), NULL, 0));
}

static int files_xattr(void)
{
    return attack_verdict(setxattr(attack_path("file"), "user.isle", "x", 1, 0));
}

static int files_stat(void)
{
    struct stat status;

    return attack_verdict(stat(FILES_PASSWD, &status));
}

static int files_statx(void)
{
    struct statx status;

    /* The C library would ask otherwise after ENOSYS. */
    return attack_verdict(
        syscall(SYS_statx, AT_FDCWD, FILES_PASSWD, 0, STATX_BASIC_STATS, &status));
}

static int files_access(void)
{
    return attack_verdict(faccessat(AT_FDCWD, FILES_PASSWD, R_OK, 0));
}

static int files_readlink(void)
{
    char buffer[256];

    return attack_verdict(readlink("/proc/self/exe", buffer, sizeof buffer));
}

/* As newer C libraries ask for fstat, but with a name. */
static int files_stat_as_fstat(void)
{
    struct stat status;

    return attack_verdict(syscall(SYS_newfstatat, AT_FDCWD, FILES_PASSWD, &status, AT_EMPTY_PATH));
}

static int files_stat_by_folder(void)
{
    struct stat status;

    return attack_verdict(
        syscall(SYS_newfstatat, attack_world->granted, "../../etc/passwd", &status, AT_EMPTY_PATH));
}

static int files_getcwd(void)
{
    char buffer[256];

    return attack_verdict(syscall(SYS_getcwd, buffer, sizeof buffer));
}

static int files_statfs(void)
{
    struct statfs status;

    return attack_verdict(statfs("/etc", &status));
}

static int files_inotify(void)
{
    int fd = inotify_init1(0);

    return fd < 0 ? errno : attack_verdict(inotify_add_watch(fd, "/etc", IN_OPEN));
}

/* Writes where the process's own memory may not be written, as /proc/self/mem lets. */
static int files_own_memory(void)
{
    static const char constant[] = "constant";
    int fd = open("/proc/self/mem", O_RDWR);

    return fd < 0 ? errno : attack_verdict(pwrite(fd, "C", 1, (off_t)(uintptr_t)constant));
}

static int files_own_maps(void)
{
    return files_read_one(open("/proc/self/maps", O_RDONLY));
}

static int files_of_victim(const char *what)
{
    char path[64];

    snprintf(path, sizeof path, "/proc/%d/%s", (int)attack_world->victim, what);
    return open(path, O_RDONLY);
}

static int files_host_memory(void)
{
    char buffer[sizeof attack_secret];
    int fd = files_of_victim("mem");

    if (fd < 0)
        return errno;
    if (pread(fd, buffer, sizeof buffer, (off_t)(uintptr_t)attack_secret) < 0)
        return errno;
    return memcmp(buffer, ATTACK_SECRET, strlen(ATTACK_SECRET)) ? ATTACK_NOTHING : ATTACK_WORKS;
}

static int files_host_environment(void)
{
    return files_read_one(files_of_victim("environ"));
}

static int files_host_descriptor(void)
{
    char what[32];

    snprintf(what, sizeof what, "fd/%d", attack_world->victim_secret);
    return attack_read_secret(files_of_victim(what));
}

static int files_host_maps(void)
{
    return files_read_one(files_of_victim("maps"));
}

static int files_host_root(void)
{
    return files_read_one(files_of_victim("root" FILES_PASSWD));
}

static const struct attack_row attack_files_rows[] = {
    ATTACK_ROW("1a", files, open, "`open` of `/etc/passwd`", ATTACK_NO_FILE),
    ATTACK_ROW("1b", files, openat, "the same by `openat`", ATTACK_NO_FILE),
    ATTACK_ROW("1c", files, openat_from_above, "the same by `../../…`", ATTACK_NO_FILE),
    ATTACK_ROW("2a", files, openat2, "the same by `openat2`", .all = "ENOSYS", .seccomp = "ENOSYS",
               .landlock = "EACCES", .namespaces = "ENOENT"),
    ATTACK_ROW("2b", files, handle, "a handle of the file (`name_to_handle_at`)", ATTACK_KILLS,
               .namespaces = "ENOENT", .without = "works|EOPNOTSUPP",
               .why = "some file systems have no handles"),
    ATTACK_ROW("2c", files, open_handle, "a file by a made-up handle (`open_by_handle_at`)",
               ATTACK_KILLS, .without = "EPERM|ESTALE|EINVAL|EOPNOTSUPP",
               .why = "only root opens by handle"),
    ATTACK_ROW("3a", files, create, "make a file in the temporary folder", ATTACK_NO_FILE),
    ATTACK_ROW("3b", files, creat, "the same by `creat`", ATTACK_NO_FILE),
    ATTACK_ROW("3c", files, nameless, "the same without a name (`O_TMPFILE`)", ATTACK_NO_FILE,
               .without = "works|EOPNOTSUPP", .why = "some file systems have none"),
    ATTACK_ROW("3d", files, overwrite, "write into a file of the same user", ATTACK_NO_FILE),
    ATTACK_ROW("4a", files, device, "open `/dev/null`", ATTACK_NO_FILE),
    ATTACK_ROW("4b", files, terminal, "open a new terminal (`/dev/ptmx`)", ATTACK_NO_FILE,
               .without = "works|ENOENT|EACCES|EIO", .why = "a container may have no terminals"),
    ATTACK_ROW("5", files, list_root, "list `/`", .all = "EACCES", .seccomp = "EACCES",
               .landlock = "EACCES", .namespaces = "nothing"),
    ATTACK_ROW("6a", files, chdir, "`chdir` to `/etc`", ATTACK_KILLS, .namespaces = "ENOENT"),
    ATTACK_ROW("6b", files, chdir_and_open, "`chdir`, then open by a relative path", ATTACK_KILLS,
               .landlock = "EACCES", .namespaces = "ENOENT"),
    ATTACK_ROW("6c", files, chroot, "`chroot`", ATTACK_KILLS, .namespaces = "ENOENT",
               .without = "EPERM", .why = "only root changes its root; but see 47a"),
    ATTACK_ROW("7a", files, chmod, "`chmod` of a file of the same user", .all = "EACCES|kill",
               .seccomp = "EACCES|kill", .namespaces = "ENOENT"),
    ATTACK_ROW("7b", files, chown, "`chown`", .all = "EACCES|kill", .seccomp = "EACCES|kill",
               .namespaces = "ENOENT"),
    ATTACK_ROW("7c", files, truncate, "`truncate`", .all = "EACCES|kill", .seccomp = "EACCES|kill",
               .landlock = "EACCES", .namespaces = "ENOENT", .landlock_abi = 3),
    ATTACK_ROW("7d", files, symlink, "`symlink`", .all = "EACCES|kill", .seccomp = "EACCES|kill",
               .landlock = "EACCES", .namespaces = "ENOENT"),
    ATTACK_ROW("7e", files, link, "`link`", .all = "EACCES|kill", .seccomp = "EACCES|kill",
               .landlock = "EACCES", .namespaces = "ENOENT"),
    ATTACK_ROW("7f", files, rename, "`rename`", .all = "EACCES|kill", .seccomp = "EACCES|kill",
               .landlock = "EACCES", .namespaces = "ENOENT"),
    ATTACK_ROW("7g", files, unlink, "`unlink`", .all = "EACCES|kill", .seccomp = "EACCES|kill",
               .landlock = "EACCES", .namespaces = "ENOENT"),
    ATTACK_ROW("7h", files, mkdir, "`mkdir`", .all = "EACCES|kill", .seccomp = "EACCES|kill",
               .landlock = "EACCES", .namespaces = "ENOENT"),
    ATTACK_ROW("7i", files, rmdir, "`rmdir`", .all = "EACCES|kill", .seccomp = "EACCES|kill",
               .landlock = "EACCES", .namespaces = "ENOENT"),
    ATTACK_ROW("7j", files, mkfifo, "`mkfifo`", .all = "EACCES|kill", .seccomp = "EACCES|kill",
               .landlock = "EACCES", .namespaces = "ENOENT"),
    ATTACK_ROW("7k", files, utimes, "change a file's times", .all = "EACCES|kill",
               .seccomp = "EACCES|kill", .namespaces = "ENOENT"),
    ATTACK_ROW("7l", files, xattr, "change a file's attributes", .all = "EACCES|kill",
               .seccomp = "EACCES|kill", .namespaces = "ENOENT", .without = "works|EOPNOTSUPP",
               .why = "some file systems have none"),
    ATTACK_ROW("8a", files, stat, "`stat` of `/etc/passwd`: is it there?", .all = "EACCES",
               .seccomp = "EACCES", .namespaces = "ENOENT"),
    ATTACK_ROW("8b", files, statx, "the same by `statx`", .all = "ENOSYS", .seccomp = "ENOSYS",
               .namespaces = "ENOENT"),
    ATTACK_ROW("8c", files, access, "the same by `faccessat`", .all = "EACCES", .seccomp = "EACCES",
               .namespaces = "ENOENT"),
    ATTACK_ROW("8d", files, readlink, "where is the program? (`/proc/self/exe`)", .all = "EACCES",
               .seccomp = "EACCES", .namespaces = "ENOENT"),
    ATTACK_ROW("8e", files, getcwd, "which folder is this? (`getcwd`)", .all = "EACCES",
               .seccomp = "EACCES"),
    ATTACK_ROW("8f", files, statfs, "`statfs`", .all = "EACCES", .seccomp = "EACCES",
               .namespaces = "ENOENT"),
    ATTACK_ROW("8g", files, inotify, "watch who opens what in `/etc` (`inotify`)",
               .all = "EMFILE|kill", .seccomp = "EMFILE|kill", .namespaces = "ENOENT"),
    ATTACK_ROW("8h", files, stat_as_fstat, "`stat` as if of a descriptor (`AT_EMPTY_PATH`)",
               .all = "EACCES", .seccomp = "EACCES", .namespaces = "ENOENT"),
    ATTACK_ROW("8i", files, stat_by_folder, "the same from an inherited folder, by `..`",
               .all = "EACCES", .seccomp = "EACCES"),
    ATTACK_ROW("9a", files, own_memory, "write to constants by `/proc/self/mem`", ATTACK_NO_FILE),
    ATTACK_ROW("9b", files, own_maps, "read `/proc/self/maps`", ATTACK_NO_FILE),
    ATTACK_ROW("10a", files, host_memory, "the host's secret in `/proc/HOST/mem`", ATTACK_NO_FILE),
    ATTACK_ROW("10b", files, host_environment, "the host's environment", ATTACK_NO_FILE),
    ATTACK_ROW("10c", files, host_descriptor, "a file that the host has open (`/proc/HOST/fd/N`)",
               ATTACK_NO_FILE),
    ATTACK_ROW("10d", files, host_maps, "where the host's memory lies", ATTACK_NO_FILE),
    ATTACK_ROW("10e", files, host_root, "files through `/proc/HOST/root`", ATTACK_NO_FILE),
};
ATTACK_GROUP(attack_files, "Files");
