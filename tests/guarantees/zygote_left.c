/* SPDX-License-Identifier: Apache-2.0 */
/* What is left of children of the zygote, which is nothing: no descriptor, memory, process; nobody
 * outlives the zygote or the host, however they end; the host's own children are its own. */
#include "zygote.h"

#include <sys/resource.h>

#include "core/reactor.h"

/* --- what is left */

static pid_t zygote_guard(void)
{
    pid_t guard;

    zygote_needed();
    pthread_mutex_lock(&isle__host.lock);
    guard = pid_of(isle__host.process.pidfd);
    pthread_mutex_unlock(&isle__host.lock);
    return guard;
}

/* The process id in a line of /proc/ID/stat, and its parent's. */
static bool stat_read(const char *id, int *ret_parent)
{
    char path[300], text[512];
    FILE *file;
    size_t size;
    const char *end;

    snprintf(path, sizeof path, "/proc/%.20s/stat", id);
    file = fopen(path, "re");
    if (file == NULL)
        return false;
    size = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[size] = '\0';
    end = strrchr(text, ')');
    return end != NULL && sscanf(end + 1, " %*c %d", ret_parent) == 1;
}

/* How many processes have this parent, zombies too; the last one in *ret_child. */
static int children_of(pid_t parent, pid_t *ret_child)
{
    DIR *folder = opendir("/proc");
    int count = 0, its_parent;

    CHECK(folder != NULL);
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;)
        if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9' &&
            stat_read(entry->d_name, &its_parent) && its_parent == parent) {
            *ret_child = atoi(entry->d_name);
            count++;
        }
    closedir(folder);
    return count;
}

/* The one that forks: the guard's child, or the guard itself where there is no other. */
static pid_t zygote_pid(void)
{
    pid_t guard = zygote_guard(), child = guard;

    CHECK(children_of(guard, &child) <= 1);
    return child;
}

TEST(births_and_kills_leave_nothing)
{
    int before = open_descriptors(), held;
    uint64_t memory;
    pid_t child;

    program_starts(&none_warm);
    births_and_kills(5);
    held = held_descriptors();
    memory = isle__memory_live();
    births_and_kills(rounds(200, 1000, 10000));
    CHECK_INT(held_descriptors(), held);
    CHECK_UINT(isle__memory_live(), memory);
    CHECK_INT(children_of(zygote_pid(), &child), 0);
    program_stops();
    CHECK_INT(open_descriptors(), before);
    CHECK_INT(waitpid(-1, NULL, WNOHANG | __WALL), -1);
    CHECK_INT(errno, ECHILD);
}
TEST_TIMEOUT(births_and_kills_leave_nothing, 120);

TEST(starts_and_stops_leave_nothing)
{
    int before = open_descriptors();

    for (int64_t i = rounds(20, 200, 1000); i > 0; i--) {
        program_starts(NULL);
        births_and_kills(1);
        program_stops();
        CHECK_INT(open_descriptors(), before);
    }
    CHECK_INT(waitpid(-1, NULL, WNOHANG | __WALL), -1);
}
TEST_TIMEOUT(starts_and_stops_leave_nothing, 120);

TEST(a_stop_tells_the_deaths_of_those_that_live)
{
    struct kid *kids[8];

    program_starts(NULL);
    for (int i = 0; i < 8; i++)
        kids[i] = kid_born();
    program_stops();
    for (int i = 0; i < 8; i++) {
        semaphore_wait_for(&kids[i]->died, "dead");
        CHECK(!kids[i]->death.is_known);
        kid_free(kids[i]);
    }
}

TEST_ROOT(many_that_are_asked_for_at_once_are_all_born)
{
    enum { MANY = 200 };
    static struct kid *kids[MANY];

    for (int i = 0; i < MANY; i++) {
        kids[i] = kid_new();
        kids[i]->birth.ring_in = kids[i]->birth.ring_out = 4096;
        kid_ask(kids[i]);
    }
    for (int i = 0; i < MANY; i++) {
        kid_stands(kids[i]);
        kid_greet(kids[i]);
    }
    for (int i = 0; i < MANY; i++)
        isle__birth_kill(&kids[i]->birth);
    for (int i = 0; i < MANY; i++) {
        kid_ended(kids[i], CLD_KILLED, SIGKILL);
        kid_free(kids[i]);
    }
}

/* --- the host's own children */

static _Atomic int signals_seen;

static void signal_count(int signal)
{
    (void)signal;
    atomic_fetch_add(&signals_seen, 1);
}

TEST_ROOT(the_hosts_handler_of_sigchld_and_its_waits_see_its_own_children_only)
{
    extern char **environ;
    struct sigaction action = {.sa_handler = signal_count};
    char name[] = "/bin/true";
    char *arguments[] = {name, NULL};
    pid_t own;

    CHECK_INT(sigaction(SIGCHLD, &action, NULL), 0);
    births_and_kills(20);
    CHECK_INT(waitpid(-1, NULL, WNOHANG), -1);
    CHECK_INT(errno, ECHILD);
    CHECK_INT(atomic_load(&signals_seen), 0);
    CHECK_INT(posix_spawn(&own, name, NULL, NULL, arguments, environ), 0);
    while (waitpid(-1, NULL, 0) != own)
        CHECK_INT(errno, EINTR);
    births_and_kills(20);
    CHECK_INT(waitpid(-1, NULL, WNOHANG), -1);
    CHECK_INT(atomic_load(&signals_seen), 1);
}

/* --- the end of the host, and of the zygote */

static void *thread_needs(void *unused)
{
    zygote_needed();
    return unused;
}

TEST_ROOT(a_zygote_outlives_the_thread_that_needed_it)
{
    pthread_t thread;
    pid_t zygote;
    struct kid *kid;

    CHECK_INT(pthread_create(&thread, NULL, thread_needs, NULL), 0);
    CHECK_INT(pthread_join(thread, NULL), 0);
    zygote = zygote_pid();
    kid = kid_born();
    CHECK_INT(kid_asked(kid, COMMAND_ECHO, 2), 2);
    CHECK_INT(zygote_pid(), zygote);
    kid_kill(kid);
    kid_free(kid);
}

enum { ORPHANS = 8 };

/* A host for another process to kill: says who its children are, and waits. */
TEST_ROOT(a_host_that_is_killed)
{
    if (child_label() == NULL)
        skip("its process is started by the next tests");
    printf("processes");
    for (int i = 0; i < ORPHANS; i++) {
        struct kid *kid = kid_born();

        if (i % 2 == 0)
            kid_do(kid, COMMAND_SPIN, 0);
        printf(" %d", pid_of(kid->pidfd));
    }
    printf(" %d %d %d\n", zygote_pid(), zygote_guard(),
           (isle__zygote_reached() & ISLE_LAYER_PIDNS) != 0);
    fflush(stdout);
    if (strcmp(child_label(), "exits") == 0)
        _exit(0);
    for (;;)
        pause();
}

static pid_t host_start(const char *label, int *ret_said)
{
    extern char **environ;
    posix_spawn_file_actions_t actions;
    char program[] = "/proc/self/exe", test[] = "a_host_that_is_killed";
    char *arguments[] = {program, test, NULL};
    int ends[2];
    pid_t host;

    CHECK_INT(pipe2(ends, O_CLOEXEC), 0);
    CHECK_INT(setenv(CHILD_VARIABLE, label, 1), 0);
    CHECK_INT(posix_spawn_file_actions_init(&actions), 0);
    CHECK_INT(posix_spawn_file_actions_adddup2(&actions, ends[1], 1), 0);
    CHECK_INT(posix_spawn(&host, program, &actions, NULL, arguments, environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    CHECK_INT(unsetenv(CHILD_VARIABLE), 0);
    close(ends[1]);
    *ret_said = ends[0];
    return host;
}

/* Descriptors of all processes that a host has named, the zygote and the guard last; -1 of one that
 * is gone already. True: they have a namespace of their own. */
static bool host_processes(int said, int pidfds[ORPHANS + 2])
{
    FILE *lines = fdopen(said, "re");
    int pid, has_namespace;

    CHECK(lines != NULL);
    CHECK_INT(fscanf(lines, "processes"), 0);
    for (int i = 0; i < ORPHANS + 2; i++) {
        CHECK_INT(fscanf(lines, "%d", &pid), 1);
        CHECK(pid > 0);
        pidfds[i] = (int)syscall(SYS_pidfd_open, pid, 0);
    }
    CHECK_INT(fscanf(lines, "%d", &has_namespace), 1);
    fclose(lines);
    return has_namespace != 0;
}

enum { DEAD_MS = 60000 }; /* on a machine that gives them next to no time */

/* Milliseconds from `since` until the kernel says of each that it is dead. */
static double all_are_dead(const int *pidfds, int count, int64_t since, int patience_ms)
{
    for (int i = 0; i < count; i++) {
        if (pidfds[i] < 0)
            continue;
        if (!pidfd_dies(pidfds[i], patience_ms))
            fail("process %d of %d lives on", i, count);
        close(pidfds[i]);
    }
    test_count_check();
    return (double)(isle_now_ns() - since) / 1e6;
}

/* In a namespace of processes nobody is there any more once the guard is dead: it has waited for
 * the zygote, and the kernel lets a namespace's first go when it has taken away all others. */
static double host_dies(const char *label, int signal)
{
    int said, pidfds[ORPHANS + 2];
    pid_t host = host_start(label, &said);
    bool has_namespace = host_processes(said, pidfds);
    int64_t began = isle_now_ns();
    double took;

    if (signal != 0)
        CHECK_INT(kill(host, signal), 0);
    took = all_are_dead(pidfds + ORPHANS + 1, 1, began, DEAD_MS);
    all_are_dead(pidfds, ORPHANS + 1, began, has_namespace ? 0 : DEAD_MS);
    CHECK_INT(waitpid(host, NULL, 0), host);
    return took;
}

static int by_time(const void *one, const void *other)
{
    double a = *(const double *)one, b = *(const double *)other;

    return (a > b) - (a < b);
}

/* Each time everybody dies. How soon is the machine's as well: the median is told. */
static void host_dies_always(const char *label, int signal)
{
    enum { TRIES_MAX = 100 };
    double took[TRIES_MAX];
    int tries = (int)rounds(10, 30, TRIES_MAX);

    for (int i = 0; i < tries; i++)
        took[i] = host_dies(label, signal);
    qsort(took, (size_t)tries, sizeof took[0], by_time);
    printf(
        "measured: the host ends by %s: %d processes dead %d times, after %.2f ms in the median, "
        "%.2f at most\n",
        signal == 0 ? "exit" : strsignal(signal), ORPHANS + 2, tries, took[tries / 2],
        took[tries - 1]);
}

TEST(isolates_die_with_a_host_that_is_killed)
{
    host_dies_always("waits", SIGKILL);
    host_dies_always("waits", SIGTERM);
    if (!*TEST_SANITIZER) /* it has much to say of that */
        host_dies_always("waits", SIGSEGV);
}
TEST_TIMEOUT(isolates_die_with_a_host_that_is_killed, 300);

TEST(isolates_die_with_a_host_that_leaves)
{
    host_dies_always("exits", 0);
}
TEST_TIMEOUT(isolates_die_with_a_host_that_leaves, 300);

static void zygote_dies(pid_t (*victim)(void))
{
    struct kid *kids[ORPHANS];
    int pidfds[ORPHANS];
    int64_t began;

    for (int i = 0; i < ORPHANS; i++) {
        kids[i] = kid_born();
        pidfds[i] = isle__fd_duplicate(kids[i]->pidfd);
        if (i % 2 == 0)
            kid_do(kids[i], COMMAND_SPIN, 0);
    }
    began = isle_now_ns();
    CHECK_INT(kill(victim(), SIGKILL), 0);
    printf("measured: the zygote is killed: %d isolates dead after %.2f ms\n", ORPHANS,
           all_are_dead(pidfds, ORPHANS, began, DEAD_MS));
    for (int i = 0; i < ORPHANS; i++) {
        semaphore_wait_for(&kids[i]->died, "dead");
        CHECK(!kids[i]->death.is_known);
        kid_free(kids[i]);
    }
}

TEST_ROOT(a_zygote_that_is_killed_takes_its_children_and_another_follows)
{
    zygote_dies(zygote_pid);
    zygote_dies(zygote_guard);
    zygote_dies(zygote_pid);
    births_and_kills(3);
}

/* The process between the host and the guard; -1. */
static pid_t nanny_pid(void)
{
    pid_t nanny;

    pthread_mutex_lock(&isle__host.lock);
    nanny = isle__host.process.nanny >= 0 ? pid_of(isle__host.process.nanny) : -1;
    pthread_mutex_unlock(&isle__host.lock);
    return nanny;
}

TEST(a_nanny_that_is_killed_takes_the_zygote_and_another_follows)
{
    int before = open_descriptors(), guard;

    program_starts(NULL);
    for (int round = 0; round < 3; round++) {
        zygote_needed();
        if (nanny_pid() < 0)
            skip("this system lets nobody stand between a host and its zygote");
        guard = (int)syscall(SYS_pidfd_open, zygote_guard(), 0);
        zygote_dies(nanny_pid);
        CHECK(pidfd_dies(guard, 20000));
        close(guard);
        births_and_kills(2);
    }
    program_stops();
    CHECK_INT(open_descriptors(), before);
    CHECK_INT(waitpid(-1, NULL, WNOHANG | __WALL), -1);
    CHECK_INT(errno, ECHILD);
}

static void nothing(void *unused)
{
    (void)unused;
}

static bool zygote_serves(void)
{
    bool runs;

    pthread_mutex_lock(&isle__host.lock);
    runs = isle__host.runs;
    pthread_mutex_unlock(&isle__host.lock);
    return runs;
}

/* Whoever waits for the end of a zygote waits long where others hold the processors: here the
 * process between, which says that it has ended, is stopped. */
TEST_ROOT(nobody_waits_for_the_end_of_a_zygote)
{
    struct kid *kid = kid_new();
    pid_t zygote, nanny;
    int pidfd;

    zygote_needed();
    zygote = zygote_pid();
    nanny = nanny_pid();
    if (nanny < 0)
        skip("this system lets nobody stand between a host and its zygote");
    pidfd = (int)syscall(SYS_pidfd_open, nanny, 0);
    CHECK_INT(kill(zygote, SIGSTOP), 0);
    kid_ask(kid);
    CHECK_INT(kill(nanny, SIGSTOP), 0);
    CHECK_INT(kill(zygote, SIGKILL), 0);
    while (zygote_serves())
        CHECK(isle__reactor_run(nothing, NULL));
    births_and_kills(2);
    CHECK_INT(atomic_load(&kid->times_told), 0);
    CHECK_INT(kill(nanny, SIGCONT), 0);
    semaphore_wait_for(&kid->told, "refused");
    CHECK(!kid->is_born);
    CHECK_STRING(kid->birth.error, "the zygote has gone (signal 9, Killed)");
    free(kid);
    CHECK(pidfd_dies(pidfd, 20000));
    close(pidfd);
}

TEST_ROOT(a_death_is_told_although_the_zygote_is_silent)
{
    struct kid *kid = kid_born();
    pid_t zygote = zygote_pid();

    CHECK_INT(kill(zygote, SIGSTOP), 0);
    isle__birth_kill(&kid->birth);
    semaphore_wait_for(&kid->died, "dead");
    CHECK(!kid->death.is_known);
    kid_free(kid);
    CHECK_INT(kill(zygote, SIGCONT), 0);
    births_and_kills(3);
    CHECK_INT(zygote_pid(), zygote);
}
TEST_WAITS(a_death_is_told_although_the_zygote_is_silent);

/* All that the limit leaves is used up; returns how many there are. */
static int use_up_descriptors(int *fds, int most)
{
    int count = 0;

    while (count < most && (fds[count] = dup(STDIN_FILENO)) >= 0)
        count++;
    CHECK(count < most);
    CHECK_INT(errno, EMFILE);
    return count;
}

TEST(a_birth_that_finds_no_descriptor_is_refused_and_its_child_killed)
{
    enum { MOST = 512 };
    struct rlimit limit;
    int fds[MOST], count;
    pid_t zygote, child;

    program_starts(&none_warm);
    births_and_kills(1);
    CHECK_INT(getrlimit(RLIMIT_NOFILE, &limit), 0);
    zygote = zygote_pid();
    for (int round = 0; round < 4; round++) {
        /* All numbers are taken; or the limit has sunk below those that are. */
        struct rlimit low = {round % 2 == 0 ? MOST : STDERR_FILENO + 1, limit.rlim_max};
        struct kid *kid = kid_new();

        CHECK_INT(kill(zygote, SIGSTOP), 0);
        kid_ask(kid);
        CHECK_INT(setrlimit(RLIMIT_NOFILE, &low), 0);
        count = use_up_descriptors(fds, MOST);
        CHECK_INT(kill(zygote, SIGCONT), 0);
        semaphore_wait_for(&kid->told, "refused");
        while (count > 0)
            close(fds[--count]);
        CHECK_INT(setrlimit(RLIMIT_NOFILE, &limit), 0);
        CHECK(!kid->is_born);
        CHECK_STRING(kid->birth.error, "the program is out of descriptors");
        CHECK_INT(atomic_load(&kid->times_died), 0);
        free(kid);
        CHECK_INT(children_of(zygote, &child), 0);
    }
    births_and_kills(3);
    CHECK_INT(zygote_pid(), zygote);
    program_stops();
}

TEST_ROOT(births_that_are_on_their_way_when_the_zygote_dies_are_refused_or_lost)
{
    struct kid *kids[64];

    for (int round = 0; round < 10; round++) {
        int refused = 0, count = 0;
        pid_t zygote;

        zygote_needed();
        zygote = zygote_pid();
        for (; count < 64; count++) {
            kids[count] = kid_new();
            if (count == 4 * round)
                CHECK_INT(kill(zygote, SIGKILL), 0);
            if (isle__birth_ask(&kids[count]->birth, NULL, NULL, 0) != ISLE_OK) {
                free(kids[count]);
                break;
            }
        }
        for (int i = 0; i < count; i++) {
            semaphore_wait_for(&kids[i]->told, "born or refused");
            if (!kids[i]->is_born) {
                refused++;
                CHECK_INT(atomic_load(&kids[i]->times_died), 0);
                free(kids[i]);
                continue;
            }
            semaphore_wait_for(&kids[i]->died, "dead");
            kid_free(kids[i]);
        }
        printf("%d asked for, %d refused\n", count, refused);
    }
}
