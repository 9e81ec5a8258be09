/* SPDX-License-Identifier: Apache-2.0 */
/* The sandbox, layer by layer: what each forbids alone and works without it, what all together
 * look like from outside. What is said when one cannot be had: test_sandbox_lacks.c. */
#include "sandbox_help.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/ipc.h>
#include <sys/shm.h>
#include <sys/socket.h>

/* --- attempts: 0 or an errno */

static struct {
    int listener, port; /* on the loopback, outside */
    int shared_memory;
    char folder[64];
    char file[96], other_file[96];
} outside;

static int attempt_open(struct shown *shown)
{
    (void)shown;
    int fd = open("/etc/passwd", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno;
    close(fd);
    return 0;
}

static int attempt_stat(struct shown *shown)
{
    struct stat status;
    (void)shown;
    return stat("/etc", &status) == 0 ? 0 : errno;
}

/* Root's files are root's. */
static int attempt_see_root(struct shown *shown)
{
    struct stat status;
    (void)shown;
    if (stat("/etc", &status) != 0)
        return errno;
    return status.st_uid == 0 ? 0 : EOVERFLOW;
}

static int attempt_connect(struct shown *shown)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)outside.port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    (void)shown;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return errno;
    int error = connect(fd, (const struct sockaddr *)&to, sizeof to) == 0 ? 0 : errno;
    close(fd);
    return error;
}

static int attempt_signal(struct shown *shown)
{
    return kill(shown->other, 0) == 0 ? 0 : errno;
}

static int attempt_shared_memory(struct shown *shown)
{
    (void)shown;
    return shmget(outside.shared_memory, 1, 0) >= 0 ? 0 : errno;
}

/* The flags of what is shared with others. */
static int attempt_flags(struct shown *shown)
{
    (void)shown;
    return fcntl(outside.listener, F_SETFL, O_NONBLOCK) == 0 ? 0 : errno;
}

struct attempt {
    uint32_t layer;
    int (*run)(struct shown *shown);
    int expected;
    int landlock_abi; /* from which on */
};
static const struct attempt attempts[] = {
    {ISLE_LAYER_SECCOMP, attempt_open, EACCES, 0},
    {ISLE_LAYER_SECCOMP, attempt_connect, EACCES, 0},
    {ISLE_LAYER_SECCOMP, attempt_flags, EPERM, 0},
    {ISLE_LAYER_LANDLOCK, attempt_open, EACCES, 1},
    {ISLE_LAYER_LANDLOCK, attempt_connect, EACCES, 4},
    {ISLE_LAYER_LANDLOCK, attempt_signal, EPERM, 6},
    {ISLE_LAYER_USERNS, attempt_see_root, EOVERFLOW, 0},
    {ISLE_LAYER_MNTNS, attempt_open, ENOENT, 0},
    {ISLE_LAYER_MNTNS, attempt_stat, ENOENT, 0},
    {ISLE_LAYER_NETNS, attempt_connect, ENETUNREACH, 0},
    {ISLE_LAYER_PIDNS, attempt_signal, ESRCH, 0},
    {ISLE_LAYER_IPCNS, attempt_shared_memory, ENOENT, 0},
};
enum { ATTEMPTS = sizeof attempts / sizeof attempts[0] };
static size_t attempt_now;

static void attempt_body(struct shown *shown)
{
    shown->values[0] = attempts[attempt_now].run(shown);
}

static void outside_listen(void)
{
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof here;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(fd >= 0);
    CHECK_INT(bind(fd, (const struct sockaddr *)&here, size), 0);
    CHECK_INT(listen(fd, 100), 0);
    CHECK_INT(getsockname(fd, (struct sockaddr *)&here, &size), 0);
    outside.port = ntohs(here.sin_port);
    outside.listener = fd;
}

static int landlock_abi(void)
{
    return (int)syscall(444, NULL, 0, 1);
}

/* A user namespace is what gives an ordinary user the others, so it is there with each of them; its
 * own attempt is made without them. */
static uint32_t without_all_but(uint32_t layer)
{
    uint32_t namespaces = ISLE_LAYER_MNTNS | ISLE_LAYER_NETNS | ISLE_LAYER_PIDNS | ISLE_LAYER_IPCNS;
    return EVERY_LAYER & ~(layer & namespaces ? layer | ISLE_LAYER_USERNS : layer);
}

static void one_layer(const struct attempt *attempt, bool ordinary)
{
    struct play play = {.without = without_all_but(attempt->layer),
                        .policy.required = attempt->layer,
                        .ordinary = ordinary,
                        .body = attempt_body};
    attempt_now = (size_t)(attempt - attempts);
    struct shown *with = play_well(&play);
    CHECK((with->reached & attempt->layer) != 0);
    CHECK_UINT(with->reached & play.without, 0);
    CHECK_INT(with->child_end.si_code, CLD_EXITED);
    CHECK_INT(with->values[0], attempt->expected);
    shown_close(with);

    play.without = EVERY_LAYER;
    play.policy.required = 0;
    struct shown *without = play_well(&play);
    CHECK_UINT(without->reached, 0);
    CHECK_INT(without->values[0], 0);
    shown_close(without);
}

static void every_layer(bool ordinary)
{
    uint32_t reached = reached_here(ordinary);
    int tried = 0;
    for (size_t at = 0; at < ATTEMPTS; at++)
        if ((reached & attempts[at].layer) && landlock_abi() >= attempts[at].landlock_abi) {
            one_layer(&attempts[at], ordinary);
            tried++;
        }
    printf("%d of %d attempts, layers 0x%x\n", tried, (int)ATTEMPTS, (unsigned)reached);
    CHECK(tried > 0);
}

TEST(each_layer_forbids_alone_what_works_without_it)
{
    outside_listen();
    outside.shared_memory = (int)(getpid() | 0x5a000000);
    int segment = shmget(outside.shared_memory, 4096, IPC_CREAT | IPC_EXCL | 0666);
    CHECK(segment >= 0);
    as_every_user(every_layer);
    shmctl(segment, IPC_RMID, NULL);
    close(outside.listener);
}
TEST_TIMEOUT(each_layer_forbids_alone_what_works_without_it, 60);

/* --- all layers, seen from outside */

static pid_t child_of(pid_t parent)
{
    DIR *listing = opendir("/proc");
    pid_t found = 0;
    CHECK(listing != NULL);
    for (struct dirent *entry; !found && (entry = readdir(listing)) != NULL;) {
        char path[300], line[512] = "";
        snprintf(path, sizeof path, "/proc/%s/stat", entry->d_name);
        FILE *file = strtol(entry->d_name, NULL, 10) > 0 ? fopen(path, "re") : NULL;
        if (file == NULL)
            continue;
        int its = 0;
        const char *after = fgets(line, sizeof line, file) ? strrchr(line, ')') : NULL;
        if (after != NULL && sscanf(after, ") %*c %d", &its) == 1 && its == parent)
            found = (pid_t)strtol(entry->d_name, NULL, 10);
        fclose(file);
    }
    closedir(listing);
    return found;
}

static void read_of(pid_t process, const char *name, char *text, size_t text_size)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/%s", (int)process, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    CHECK(fd >= 0);
    ssize_t size = read(fd, text, text_size - 1);
    CHECK(size >= 0);
    text[size] = '\0';
    close(fd);
}

/* The text of a line that begins with `key`, without the spaces. */
static const char *field_of(const char *text, const char *key)
{
    static char field[80];
    const char *line = strstr(text, key);
    if (line == NULL)
        fail("no line %s in\n%s", key, text);
    field[0] = '\0';
    sscanf(line + strlen(key), "%*[: \t]%79[^\n]", field);
    return field;
}

static int descriptors_of(pid_t process)
{
    char path[64];
    int count = 0;
    snprintf(path, sizeof path, "/proc/%d/fd", (int)process);
    DIR *listing = opendir(path);
    CHECK(listing != NULL);
    for (struct dirent *entry; (entry = readdir(listing)) != NULL;)
        count += entry->d_name[0] != '.';
    closedir(listing);
    return count;
}

static void check_status(pid_t child, const struct shown *shown)
{
    char text[4096];
    read_of(child, "status", text, sizeof text);
    CHECK_STRING(field_of(text, "\nNoNewPrivs"), "1");
    CHECK_STRING(field_of(text, "\nSeccomp"), shown->reached & ISLE_LAYER_SECCOMP ? "2" : "0");
    CHECK_STRING(field_of(text, "\nCapInh"), "0000000000000000");
    CHECK_STRING(field_of(text, "\nCapPrm"), "0000000000000000");
    CHECK_STRING(field_of(text, "\nCapEff"), "0000000000000000");
    CHECK_STRING(field_of(text, "\nCapAmb"), "0000000000000000");
    if (!UNDER_TSAN) /* whose runtime has a thread */
        CHECK_STRING(field_of(text, "\nThreads"), "1");
    CHECK(is_root() || strncmp(field_of(text, "\nUid"), "0", 1) != 0);
}

/* Those who stay behind: the guard has what it polls and the empty root, the zygote can change its
 * children's root. */
static void check_family(pid_t guard, pid_t zygote, const struct shown *shown)
{
    char text[4096];
    read_of(guard, "status", text, sizeof text);
    CHECK_STRING(field_of(text, "\nCapPrm"), "0000000000000000");
    CHECK_STRING(field_of(text, "\nNoNewPrivs"), "1");
    read_of(zygote, "status", text, sizeof text);
    CHECK_STRING(field_of(text, "\nCapPrm"),
                 shown->reached & ISLE_LAYER_MNTNS ? "0000000000040000" : "0000000000000000");
    CHECK_STRING(field_of(text, "\nCapInh"), "0000000000000000");
    CHECK_STRING(field_of(text, "\nNoNewPrivs"), "1");
    if (is_root())
        CHECK_INT(descriptors_of(guard), shown->reached & ISLE_LAYER_MNTNS ? 3 : 2);
}

static void check_user(pid_t child, const struct shown *shown, bool ordinary)
{
    char text[256];
    unsigned inside = 0, beyond = 0, count = 0;
    unsigned user = ordinary ? ORDINARY_USER : is_root() ? 65534 : geteuid();
    read_of(child, "uid_map", text, sizeof text);
    CHECK_INT(sscanf(text, "%u %u %u", &inside, &beyond, &count), 3);
    if (shown->reached & ISLE_LAYER_USERNS) {
        CHECK_UINT(inside, 65534);
        CHECK_UINT(beyond, user);
        CHECK_UINT(count, 1);
    } else {
        CHECK(count > 1 || !is_root());
    }
}

static void check_namespace(pid_t child, const char *name, bool differs)
{
    char path[64], its[64], ours[64];
    snprintf(path, sizeof path, "/proc/%d/ns/%s", (int)child, name);
    ssize_t size = readlink(path, its, sizeof its - 1);
    if (size < 0)
        fail("%s: %s", path, strerror(errno));
    its[size] = '\0';
    snprintf(path, sizeof path, "/proc/self/ns/%s", name);
    size = readlink(path, ours, sizeof ours - 1);
    CHECK(size > 0);
    ours[size] = '\0';
    if ((strcmp(its, ours) != 0) != differs)
        fail("the namespace %s is %s, ours %s", name, its, ours);
}

/* Others may not look at the links of a process that is not dumpable: root alone. */
static void check_namespaces(pid_t child, uint32_t reached)
{
    check_namespace(child, "user", (reached & ISLE_LAYER_USERNS) != 0);
    check_namespace(child, "mnt", (reached & ISLE_LAYER_MNTNS) != 0);
    check_namespace(child, "net", (reached & ISLE_LAYER_NETNS) != 0);
    check_namespace(child, "pid", (reached & ISLE_LAYER_PIDNS) != 0);
    check_namespace(child, "ipc", (reached & ISLE_LAYER_IPCNS) != 0);
}

static void check_limit(const char *text, const char *name, const char *soft, const char *hard)
{
    char its_soft[40] = "", its_hard[40] = "";
    sscanf(field_of(text, name), "%39s %39s", its_soft, its_hard);
    CHECK_STRING(its_soft, soft);
    CHECK_STRING(its_hard, hard);
}

static void check_limits(pid_t child)
{
    char text[4096];
    read_of(child, "limits", text, sizeof text);
    check_limit(text, "Max cpu time", "3", "4");
    check_limit(text, "Max file size", "0", "0");
    check_limit(text, "Max core file size", "0", "0");
    check_limit(text, "Max processes", "0", "0");
    check_limit(text, "Max open files", "16", "16");
    check_limit(text, "Max locked memory", "0", "0");
    check_limit(text, "Max file locks", "0", "0");
    check_limit(text, "Max pending signals", "16", "16");
    check_limit(text, "Max msgqueue size", "0", "0");
}

static int gate[2]; /* the child reads until the test has written */

static void wait_at_gate(struct shown *shown)
{
    char byte;
    atomic_store(&shown->turn, 1);
    shown->values[0] = (int)read(gate[0], &byte, 1);
}

static void wait_turn(struct shown *shown, int turn)
{
    for (int64_t until = isle__clock_now() + ISLE_SECONDS(20); atomic_load(&shown->turn) != turn;) {
        CHECK(isle__clock_now() < until);
        CHECK_INT(waitpid(-1, NULL, WNOHANG), 0);
        isle__thread_yield();
    }
}

static void from_outside(bool ordinary)
{
    struct play play = {.policy.cpu_time_max_ns = ISLE_SECONDS(2) + 1,
                        .policy.insecure = 1,
                        .ordinary = ordinary,
                        .body = wait_at_gate};
    struct shown *shown = shown_open();
    CHECK_INT(pipe2(gate, O_CLOEXEC), 0);
    pid_t guard = play_start(&play, shown);
    wait_turn(shown, 1);
    pid_t zygote = child_of(guard), child = child_of(zygote);
    CHECK(child > 0);
    check_family(guard, zygote, shown);
    CHECK_UINT(shown->reached, shown->zygote_reached);
    check_status(child, shown);
    check_user(child, shown, ordinary);
    check_limits(child);
    if (is_root())
        check_namespaces(child, shown->reached);
    CHECK_INT(write(gate[1], "g", 1), 1);
    CHECK_INT(waitpid(guard, NULL, 0), guard);
    CHECK_INT(shown->values[0], 1);
    close(gate[0]);
    close(gate[1]);
    shown_close(shown);
}

TEST(what_is_reached_is_what_the_kernel_shows_from_outside)
{
    as_every_user(from_outside);
}

/* Where user namespaces are off: privilege gives root the others. */
static void show_others(struct shown *shown)
{
    shown->values[0] = attempt_open(shown);
    shown->values[1] = attempt_connect(shown);
    shown->values[2] = attempt_signal(shown);
    shown->values[3] = attempt_shared_memory(shown);
    shown->values[4] = (int)geteuid();
    shown->values[5] = seteuid(0) == 0 ? 0 : errno;
}

TEST(root_has_the_other_namespaces_without_one_of_users)
{
    const uint32_t others =
        ISLE_LAYER_MNTNS | ISLE_LAYER_NETNS | ISLE_LAYER_PIDNS | ISLE_LAYER_IPCNS;
    struct play play = {.without = EVERY_LAYER & ~others, .body = show_others};
    if (!is_root() || (reached_here(false) & others) != others)
        skip("for a root that may make namespaces");
    outside_listen();
    outside.shared_memory = (int)(getpid() | 0x5b000000);
    int segment = shmget(outside.shared_memory, 4096, IPC_CREAT | IPC_EXCL | 0666);
    CHECK(segment >= 0);
    struct shown *shown = play_well(&play);
    shmctl(segment, IPC_RMID, NULL);
    CHECK_UINT(shown->reached, others);
    CHECK_INT(shown->values[0], ENOENT);
    CHECK_INT(shown->values[1], ENETUNREACH);
    CHECK_INT(shown->values[2], ESRCH);
    CHECK_INT(shown->values[3], ENOENT);
    CHECK_INT(shown->values[4], 65534);
    CHECK_INT(shown->values[5], EPERM);
    shown_close(shown);
}

/* What is open in this process, below 64. */
static uint64_t open_descriptors(void)
{
    uint64_t open = 0;
    for (int fd = 0; fd < 64; fd++)
        if (fcntl(fd, F_GETFD) >= 0)
            open |= UINT64_C(1) << fd;
    return open;
}

static void count_before(struct shown *shown)
{
    shown->numbers[0] = open_descriptors();
}

static void count_inside(struct shown *shown)
{
    shown->numbers[1] = open_descriptors();
    shown->values[0] = prctl(PR_GET_DUMPABLE);
    shown->values[1] = getpid();
}

/* Without the filter, which would refuse to say. */
static void nothing_left(bool ordinary)
{
    struct play play = {.without = ISLE_LAYER_SECCOMP,
                        .ordinary = ordinary,
                        .before = count_before,
                        .body = count_inside};
    struct shown *shown = play_well(&play);
    CHECK_UINT(shown->numbers[1], shown->numbers[0]);
    CHECK_INT(shown->values[0], 0);
    if (shown->reached & ISLE_LAYER_PIDNS)
        CHECK(shown->values[1] < 10);
    shown_close(shown);
}

TEST(a_child_has_the_descriptors_that_it_had_and_no_more)
{
    as_every_user(nothing_left);
}

static int open_error(const char *path, int flags)
{
    int fd = open(path, flags | O_CLOEXEC);
    if (fd < 0)
        return errno;
    close(fd);
    return 0;
}

/* The zygote goes on as a child of a session's leader, which has a terminal. */
static void have_terminal(struct shown *shown)
{
    int status = 0, master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    setsid();
    if (master < 0 || grantpt(master) != 0 || unlockpt(master) != 0 ||
        open(ptsname(master), O_RDWR | O_CLOEXEC) < 0)
        return;
    shown->values[0] = open_error("/dev/tty", O_RDWR);
    shown->values[1] = (int)getpid();
    pid_t zygote = fork();
    if (zygote == 0)
        return;
    if (zygote < 0 || waitpid(zygote, &status, 0) != zygote || !WIFEXITED(status))
        _exit(3);
    _exit(WEXITSTATUS(status));
}

static void look_for_terminal(struct shown *shown)
{
    shown->values[2] = open_error("/dev/tty", O_RDWR);
    shown->values[3] = (int)getsid(0);
    shown->values[4] = getpgrp() != getsid(0);
}

static void no_terminal(bool ordinary)
{
    struct play play = {.without = EVERY_LAYER,
                        .policy.insecure = true,
                        .ordinary = ordinary,
                        .before = have_terminal,
                        .body = look_for_terminal};
    struct shown *shown = play_well(&play);
    if (shown->values[0] != 0 || shown->values[1] == 0)
        skip("there is no terminal to be had");
    CHECK_INT(shown->values[2], ENXIO);
    CHECK_INT(shown->values[3], shown->values[1]); /* for the system's scheduler both are one */
    CHECK(shown->values[4]);
    shown_close(shown);
}

TEST(a_child_has_no_terminal_and_is_in_the_hosts_session)
{
    as_every_user(no_terminal);
}

static void list_root(struct shown *shown)
{
    DIR *listing = opendir("/");
    if (listing == NULL) {
        shown->values[0] = -errno;
        return;
    }
    for (struct dirent *entry; (entry = readdir(listing)) != NULL;)
        shown->values[0] += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    shown->values[1] = mkdir("/new", 0700) == 0 ? 0 : errno;
    shown->values[2] = chdir("..") == 0 && access("etc", F_OK) == 0;
    shown->values[3] = unshare(CLONE_NEWUSER) == 0 ? 0 : errno;
}

static void empty_root(bool ordinary)
{
    struct play play = {.without = EVERY_LAYER & ~(ISLE_LAYER_USERNS | ISLE_LAYER_MNTNS),
                        .ordinary = ordinary,
                        .body = list_root};
    struct shown *shown = play_well(&play);
    if (shown->reached & ISLE_LAYER_MNTNS) {
        CHECK_INT(shown->values[0], 0);
        CHECK_INT(shown->values[1], EROFS);
        CHECK_INT(shown->values[2], 0);
        CHECK_INT(shown->values[3], UNDER_TSAN ? EINVAL : EPERM); /* no namespace from there */
    } else {
        CHECK(shown->values[0] > 0);
    }
    shown_close(shown);
}

TEST(the_root_is_empty_and_cannot_be_written_or_left)
{
    as_every_user(empty_root);
}

/* --- what may be opened */

static void folder_make(void)
{
    snprintf(outside.folder, sizeof outside.folder, "/tmp/isle-sandbox-%d", (int)getpid());
    snprintf(outside.file, sizeof outside.file, "%s/granted", outside.folder);
    snprintf(outside.other_file, sizeof outside.other_file, "%s.other", outside.folder);
    umask(022);
    CHECK_INT(mkdir(outside.folder, 0755), 0);
    for (int at = 0; at < 2; at++) {
        int fd = open(at ? outside.file : outside.other_file, O_WRONLY | O_CREAT | O_EXCL, 0644);
        CHECK(fd >= 0);
        CHECK_INT(ftruncate(fd, 4096), 0);
        close(fd);
    }
}

static void folder_remove(void)
{
    unlink(outside.file);
    unlink(outside.other_file);
    rmdir(outside.folder);
}

static void read_granted(struct shown *shown)
{
    shown->values[0] = open_error(outside.file, O_RDONLY);
    shown->values[1] = open_error(outside.other_file, O_RDONLY);
    shown->values[2] = open_error(outside.file, O_RDWR);
    shown->values[3] = open_error("/etc/passwd", O_RDONLY);
    shown->values[4] = open_error(outside.folder, O_RDONLY | O_DIRECTORY);
}

static void only_granted(bool ordinary)
{
    int grant = open(outside.folder, O_PATH | O_CLOEXEC);
    struct play play = {.policy.reads = 1,
                        .paths = {.reads = &grant, .read_count = 1},
                        .ordinary = ordinary,
                        .body = read_granted};
    struct shown *shown = play_well(&play);
    CHECK_INT(shown->values[0], 0);
    CHECK_INT(shown->values[1], EACCES);
    CHECK(shown->values[2] == EACCES || shown->values[2] == EROFS);
    CHECK_INT(shown->values[3], EACCES);
    CHECK_INT(shown->values[4], 0);
    CHECK_UINT(shown->reached & ISLE_LAYER_MNTNS, 0); /* the truth: its root is not empty */
    shown_close(shown);
    close(grant);
}

static void need_landlock(void)
{
    if (landlock_abi() < 1)
        skip("this kernel has no Landlock");
}

TEST(what_is_granted_can_be_read_and_nothing_else)
{
    need_landlock();
    folder_make();
    as_every_user(only_granted);
    folder_remove();
}

TEST(a_file_can_be_granted_alone)
{
    need_landlock();
    folder_make();
    int grant = open(outside.file, O_PATH | O_CLOEXEC);
    struct play play = {
        .policy.reads = 1, .paths = {.reads = &grant, .read_count = 1}, .body = read_granted};
    struct shown *shown = play_well(&play);
    CHECK_INT(shown->values[0], 0);
    CHECK_INT(shown->values[1], EACCES);
    CHECK_INT(shown->values[4], EACCES);
    shown_close(shown);
    folder_remove();
}

static void lead_session(struct shown *shown)
{
    shown->values[0] = setsid() == getpid();
}

TEST(a_zygote_that_leads_a_session_is_refused)
{
    struct play play = {.before = lead_session};
    struct shown *shown = shown_open();
    int status;
    pid_t zygote = play_start(&play, shown);
    CHECK_INT(waitpid(zygote, &status, 0), zygote);
    CHECK_INT(shown->values[0], 1);
    CHECK(shown->zygote_err != ISLE_OK);
    CHECK(strstr(shown->text, "setsid") != NULL);
    shown_close(shown);
}

static int map_error(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno;
    void *code = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
    int error = code == MAP_FAILED ? errno : 0;
    close(fd);
    return error;
}

static void load_code(struct shown *shown)
{
    shown->values[0] = map_error(outside.file);
    shown->values[1] = open_error(outside.other_file, O_RDONLY);
    shown->values[2] = open_error("/etc/passwd", O_RDONLY);
}

static void run_code(struct shown *shown)
{
    shown->values[3] = open_error(outside.file, O_RDONLY);
}

/* Stage 2 takes away what stage 1 had, the filter apart: one run without it. */
static void two_stages(bool ordinary)
{
    int code = open(outside.folder, O_PATH | O_CLOEXEC);
    struct play play = {.paths = {.code = &code, .code_count = 1},
                        .ordinary = ordinary,
                        .stages = true,
                        .loading = load_code,
                        .body = run_code};
    for (int turn = 0; turn < 2; turn++) {
        play.without = turn ? ISLE_LAYER_SECCOMP : 0;
        struct shown *shown = play_well(&play);
        CHECK_INT(shown->values[0], 0);
        CHECK_INT(shown->values[1], EACCES);
        CHECK_INT(shown->values[2], EACCES);
        CHECK_INT(shown->values[3], EACCES);
        shown_close(shown);
    }
    close(code);
}

TEST(code_can_be_mapped_while_it_is_loaded_and_not_afterwards)
{
    need_landlock();
    folder_make();
    as_every_user(two_stages);
    folder_remove();
}

TEST_MAIN()
