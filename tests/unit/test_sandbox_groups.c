/* SPDX-License-Identifier: Apache-2.0 */
/* The sandbox: control groups, where a subtree of version 2 was delegated to whoever runs this. */
#include "sandbox_help.h"

enum { MEBIBYTE = 1 << 20 };

static struct isle__cgroups *groups_open(void)
{
    struct isle__cgroups *groups = NULL;
    isle_err err = isle__cgroups_open(&groups);
    if (err == ISLE_EUNSUPPORTED)
        skip("no control groups of version 2 are delegated here");
    CHECK_ERR(err, ISLE_OK);
    return groups;
}

static int group_make(struct isle__cgroups *groups, uint64_t memory_max, uint32_t process_max)
{
    int fd = -1;
    CHECK_ERR(isle__cgroup_make(groups, memory_max, process_max, &fd), ISLE_OK);
    CHECK(fd >= 0);
    return fd;
}

static bool group_exists(int fd)
{
    return faccessat(fd, "cgroup.procs", F_OK, 0) == 0;
}

/* Runs body in the group; its wait status. */
static int in_group(int fd, void (*body)(void))
{
    int status, door = isle__cgroup_door(fd);
    CHECK(door >= 0);
    fflush(NULL);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        CHECK_INT(write(door, "0", 1), 1);
        body();
        _exit(0);
    }
    close(door);
    CHECK_INT(waitpid(child, &status, 0), child);
    return status;
}

static void touch(size_t size)
{
    char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(memory != MAP_FAILED);
    memset(memory, 1, size);
}

static void touch_much(void)
{
    touch((size_t)256 * MEBIBYTE);
}

static void touch_little(void)
{
    touch((size_t)8 * MEBIBYTE);
}

TEST(memory_beyond_the_limit_kills_and_the_group_tells)
{
    struct isle__cgroups *groups = groups_open();
    int small = group_make(groups, 32 * MEBIBYTE, 0), other = group_make(groups, 0, 0);
    int status = in_group(small, touch_little);
    CHECK(WIFEXITED(status));
    CHECK(!isle__cgroup_ran_out(small));
    status = in_group(small, touch_much);
    CHECK(WIFSIGNALED(status));
    CHECK_INT(WTERMSIG(status), SIGKILL);
    CHECK(isle__cgroup_ran_out(small));
    status = in_group(other, touch_much);
    CHECK(WIFEXITED(status));
    CHECK(!isle__cgroup_ran_out(other));
    isle__cgroup_remove(groups, small);
    isle__cgroup_remove(groups, other);
    isle__cgroups_close(groups);
}

static void two_processes(void)
{
    setpgid(0, 0);
    for (int at = 0; at < 2; at++) {
        pid_t child = fork();
        if (child == 0)
            for (;;)
                pause();
        if (at == 0 ? child < 0 : child >= 0 || errno != EAGAIN)
            _exit(1);
    }
    kill(0, SIGKILL);
}

TEST(processes_end_at_the_limit)
{
    struct isle__cgroups *groups = groups_open();
    int fd = group_make(groups, 0, 2);
    int status = in_group(fd, two_processes);
    CHECK(WIFSIGNALED(status));
    isle__cgroup_remove(groups, fd);
    isle__cgroups_close(groups);
}

TEST(groups_are_gone_when_they_are_removed)
{
    struct isle__cgroups *groups = groups_open();
    int copies[50];
    for (int at = 0; at < 50; at++) {
        int fd = group_make(groups, MEBIBYTE, 4);
        copies[at] = isle__fd_duplicate(fd);
        CHECK(group_exists(copies[at]));
        if (at % 2 == 0)
            isle__cgroup_remove(groups, fd);
        CHECK(group_exists(copies[at]) == (at % 2 != 0));
    }
    isle__cgroups_close(groups);
    for (int at = 0; at < 50; at++) {
        CHECK(!group_exists(copies[at]));
        close(copies[at]);
    }
}

/* Ends without removing its group, whose path the test is told. */
static void leave_group(int to)
{
    int fd = group_make(groups_open(), MEBIBYTE, 4);
    char path[300], link[32];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t size = readlink(link, path, sizeof path - 1);
    CHECK(size > 0);
    CHECK_INT(write(to, path, (size_t)size), size);
}

static void open_and_close(int to)
{
    (void)to;
    isle__cgroups_close(groups_open());
}

/* Both hosts are children of the test, so that both are in the same situation. */
static void as_a_host(void (*body)(int to), int to)
{
    int status;
    fflush(NULL);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        body(to);
        _exit(0);
    }
    CHECK_INT(waitpid(child, &status, 0), child);
    CHECK(WIFEXITED(status));
    if (WEXITSTATUS(status) == 77)
        skip("a subtree is delegated to a process that is alone in it, and the test is not");
    CHECK_INT(WEXITSTATUS(status), 0);
}

TEST(what_a_dead_host_left_is_removed_by_the_next)
{
    char path[300];
    int ends[2];
    CHECK_INT(pipe2(ends, O_CLOEXEC), 0);
    as_a_host(leave_group, ends[1]);
    ssize_t size = read(ends[0], path, sizeof path - 1);
    CHECK(size > 0);
    path[size] = '\0';
    CHECK_INT(access(path, F_OK), 0);
    as_a_host(open_and_close, -1);
    CHECK_INT(access(path, F_OK), -1);
    CHECK_INT(errno, ENOENT);
}

static void wait_for_ever(void)
{
    if (fork() == 0)
        for (;;)
            pause();
}

TEST(who_is_left_in_a_group_is_killed_with_it)
{
    struct isle__cgroups *groups = groups_open();
    int fd = group_make(groups, 0, 0), copy = isle__fd_duplicate(fd);
    CHECK_INT(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), 0);
    CHECK_INT(in_group(fd, wait_for_ever), 0);
    isle__cgroup_remove(groups, fd);
    CHECK(group_exists(copy));
    isle__cgroups_close(groups);
    CHECK(!group_exists(copy));
    int status;
    CHECK(waitpid(-1, &status, 0) > 0);
    CHECK(WIFSIGNALED(status));
    close(copy);
}

/* The whole way: the host opens the door, the child goes through, whoever it has become. */
static void show_group(struct shown *shown)
{
    int fd = open("/proc/self/cgroup", O_RDONLY | O_CLOEXEC);
    ssize_t size = fd >= 0 ? read(fd, shown->text, sizeof shown->text - 1) : 0;
    shown->text[size > 0 ? size : 0] = '\0';
}

TEST(a_child_enters_by_a_door_that_its_host_has_opened)
{
    struct isle__cgroups *groups = groups_open();
    int fd = group_make(groups, 64 * MEBIBYTE, 8);
    struct play play = {.without = EVERY_LAYER & ~(ISLE_LAYER_USERNS | ISLE_LAYER_CGROUP),
                        .policy.required = ISLE_LAYER_CGROUP,
                        .door = isle__cgroup_door(fd),
                        .body = show_group};
    char expected[40];
    CHECK(play.door > 0);
    struct shown *shown = play_well(&play);
    CHECK((shown->reached & ISLE_LAYER_CGROUP) != 0);
    snprintf(expected, sizeof expected, "/isle-%d-", (int)getpid());
    if (strstr(shown->text, expected) == NULL)
        fail("%s is not in %s", shown->text, expected);
    shown_close(shown);
    close(play.door);
    isle__cgroup_remove(groups, fd);
    isle__cgroups_close(groups);
}

TEST_MAIN()
