/* SPDX-License-Identifier: Apache-2.0 */
/* What the guarantee tests share. They are of the thread backend: an isolate may tell what it saw
 * in a C global or an atomic, and meet another at a semaphore.
 *
 * Laws of the suite: nothing sleeps to synchronise. "It has happened" is shown by a message, a
 * semaphore or an exit notice; "it never comes" by settle(), after which nothing runs that could
 * send it. */
#ifndef GUARANTEES_H
#define GUARANTEES_H

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "isle.h"
#include "test.h"

/* --- the same tests with every isolate that they spawn behind a wall: those files that
 * guarantees_process_tests names, built once more with this */

#ifdef GUARANTEES_PROCESS
/* Before anything else of the program: an image that was executed to be a zygote stays here. */
__attribute__((constructor)) static void be_a_child(int argc, char **argv)
{
    (void)isle_child_main(argc, argv);
}

static inline isle_options behind_a_wall(const isle_options *options)
{
    isle_options filled = {0};

    if (options)
        filled = *options;
    if (filled.backend == ISLE_BACKEND_DEFAULT)
        filled.backend = ISLE_PROCESS;
    return filled;
}

static inline isle_isolate spawn_there(isle_entry *entry, isle_value message,
                                       const isle_options *options)
{
    isle_options filled = behind_a_wall(options);

    return isle_spawn(entry, message, &filled);
}

static inline isle_err try_spawn_there(isle_entry *entry, isle_value message,
                                       const isle_options *options, isle_isolate *ret_isolate)
{
    isle_options filled = behind_a_wall(options);

    return isle_try_spawn(entry, message, &filled, ret_isolate);
}

static inline isle_future *run_there(isle_computation *computation, isle_value argument,
                                     const isle_options *options)
{
    isle_options filled = behind_a_wall(options);

    return isle_run(computation, argument, &filled);
}
#define isle_spawn(...) spawn_there(__VA_ARGS__)
#define isle_try_spawn(...) try_spawn_there(__VA_ARGS__)
#define isle_run(...) run_there(__VA_ARGS__)
#endif

/* Reasons for which a test is left out behind a wall. */
static inline void left_out_behind_a_wall(const char *why)
{
#ifdef GUARANTEES_PROCESS
    skip(why);
#else
    (void)why;
#endif
}

/* A global that both read, a semaphore at which they meet. */
static inline void needs_shared_program(void)
{
    left_out_behind_a_wall("needs both isolates in one program");
}

/* What goes out is dropped outside where its receiver's mailbox is full. */
static inline void needs_refusals_in_time(void)
{
    left_out_behind_a_wall("a send from inside does not know of a full mailbox outside");
}

/* The pool of processes takes and returns memory beside the isolates. */
static inline void needs_exact_memory(void)
{
    left_out_behind_a_wall("counts the program's memory exactly");
}

/* Slower builds take fewer rounds; the longer tiers more. */
static inline int64_t rounds(int64_t quick, int64_t full, int64_t soak)
{
    int64_t count = test_tier() == TEST_QUICK ? quick : test_tier() == TEST_FULL ? full : soak;

    return *TEST_SANITIZER ? (count + 9) / 10 : count;
}

static inline void close_port(void *port)
{
    isle_port_close(port);
}

/* Open until the scope ends. */
static inline isle_receive_port *scoped_port(void)
{
    isle_receive_port *port = isle_port_open();

    isle_defer(close_port, port);
    return port;
}

static inline isle_stats stats_now(void)
{
    isle_stats stats;

    isle_stats_read(&stats);
    return stats;
}

/* Returns once the root is the only isolate: what others had to return or to send is here. Each
 * turn lets the root's own events go first. */
static inline void settle(void)
{
    do
        isle_sleep(0);
    while (stats_now().isolates > 1);
}

/* Counts are exact when nothing runs; the runtime's own threads may run a moment longer than the
 * isolates, a long one where others hold the cores. While they do, the sum over the threads may be
 * below the truth as well as above it (one thread's counter is read before a block is made, that of
 * the thread which frees it afterwards). So what is held is what many looks in a row have seen. */
static inline uint64_t memory_held(void)
{
    uint64_t held = UINT64_MAX;

    isle_sleep(ISLE_US(20)); /* the root's table of timers is there from now on */
    for (int same = 0; same < 250; same++) {
        uint64_t memory = stats_now().memory;

        if (memory != held)
            same = 0;
        held = memory;
        isle_sleep(ISLE_US(200));
    }
    return held;
}

/* One look that sees it is enough: what is born ahead may take some again at once. */
static inline bool memory_returns_to(uint64_t expected)
{
    int64_t until = isle_now_ns() + ISLE_SECONDS(10);
    bool has_returned;

    while (!(has_returned = stats_now().memory == expected) && isle_now_ns() < until)
        isle_sleep(ISLE_US(20));
    return has_returned;
}

static inline bool port_is_empty(isle_receive_port *port)
{
    isle_value message;

    return isle_port_try_receive(port, 0, &message) == ISLE_ETIMEDOUT;
}

static inline int64_t receive_int(isle_receive_port *port)
{
    return isle_as_int(isle_port_receive(port));
}

static inline void check_null(isle_value value)
{
    CHECK_INT(isle_kind_of(value), ISLE_NULL);
}

/* An error notice: [text, stack text or null]. */
static inline void check_notice(isle_value notice, const char *text)
{
    CHECK_INT(isle_kind_of(notice), ISLE_LIST);
    CHECK_INT(isle_count(notice), 2);
    CHECK_STRING(isle_as_string(isle_list_get(notice, 0)), text);
}

static inline void semaphore_wait(sem_t *semaphore)
{
    while (sem_wait(semaphore) != 0)
        CHECK_INT(errno, EINTR);
}

/* Exact where no program of Isle runs. */
static inline int open_descriptors(void)
{
    DIR *folder = opendir("/proc/self/fd");
    int count = 0;

    CHECK(folder != NULL);
    while (readdir(folder) != NULL)
        count++;
    closedir(folder);
    return count;
}

/* Whether a descriptor of /proc/self/fd is open and is more than a look of the monitor at what a
 * thread does: while tasks run, one of those is open for a moment. */
static inline bool descriptor_is_held(const char *descriptor)
{
    char path[64], leads_to[128];
    ssize_t size;

    snprintf(path, sizeof path, "/proc/self/fd/%.16s", descriptor);
    size = readlink(path, leads_to, sizeof leads_to - 1);
    leads_to[size > 0 ? size : 0] = '\0';
    return size > 0 && !(size > 5 && strstr(leads_to, "/task/") != NULL &&
                         strcmp(leads_to + size - 5, "/stat") == 0);
}

/* What a program of Isle that runs holds open for its isolates. */
static inline int held_descriptors(void)
{
    DIR *folder = opendir("/proc/self/fd");
    int count = 0;

    CHECK(folder != NULL);
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;)
        count += descriptor_is_held(entry->d_name);
    closedir(folder);
    return count;
}

/* As memory_held and memory_returns_to, for who may have processes: what is born ahead of them
 * opens some meanwhile. In an isolate. */
static inline int descriptors_held(void)
{
    int held = -1;

    for (int same = 0; same < 50; same++) {
        int descriptors = held_descriptors();

        if (descriptors != held)
            same = 0;
        held = descriptors;
        isle_sleep(ISLE_MS(1));
    }
    return held;
}

static inline bool descriptors_return_to(int expected)
{
    int64_t until = isle_now_ns() + ISLE_SECONDS(10);
    bool has_returned;

    while (!(has_returned = held_descriptors() == expected) && isle_now_ns() < until)
        isle_sleep(ISLE_MS(1));
    return has_returned;
}

/* --- a test that runs itself again in a process of its own */

#define CHILD_VARIABLE "ISLE_TEST_CHILD"

struct child {
    int status; /* of waitpid */
    char output[16384];
};

/* What the parent asked for; NULL in the parent. */
static inline const char *child_label(void)
{
    return getenv(CHILD_VARIABLE);
}

/* Runs the running program's test `name` with `label` and gathers what it writes. For tests that
 * have not started the library. */
static inline struct child child_run(const char *name, const char *label)
{
    extern char **environ;
    struct child child = {0};
    struct rlimit no_core = {0, 0};
    posix_spawn_file_actions_t actions;
    char program[] = "/proc/self/exe", test[128];
    char *arguments[] = {program, test, NULL};
    int ends[2];
    pid_t pid;
    size_t size = 0;
    ssize_t got;

    CHECK_INT(setrlimit(RLIMIT_CORE, &no_core), 0);
    snprintf(test, sizeof test, "%s", name);
    CHECK_INT(pipe(ends), 0);
    CHECK_INT(setenv(CHILD_VARIABLE, label, 1), 0);
    CHECK_INT(posix_spawn_file_actions_init(&actions), 0);
    CHECK_INT(posix_spawn_file_actions_adddup2(&actions, ends[1], 1), 0);
    CHECK_INT(posix_spawn_file_actions_adddup2(&actions, ends[1], 2), 0);
    CHECK_INT(posix_spawn_file_actions_addclose(&actions, ends[0]), 0);
    CHECK_INT(posix_spawn_file_actions_addclose(&actions, ends[1]), 0);
    CHECK_INT(posix_spawn(&pid, program, &actions, NULL, arguments, environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    CHECK_INT(unsetenv(CHILD_VARIABLE), 0);
    close(ends[1]);
    while (size < sizeof child.output - 1 &&
           (got = read(ends[0], child.output + size, sizeof child.output - 1 - size)) > 0)
        size += (size_t)got;
    close(ends[0]);
    CHECK_INT(waitpid(pid, &child.status, 0), pid);
    return child;
}

static inline void child_wrote(const struct child *child, const char *text)
{
    if (!strstr(child->output, text))
        fail("the child did not write \"%s\" but: %s", text, child->output);
}

static inline void child_exited(const struct child *child, int status)
{
    if (!WIFEXITED(child->status) || WEXITSTATUS(child->status) != status)
        fail("the child ended with wait status 0x%x, expected exit status %d: %s",
             (unsigned)child->status, status, child->output);
    test_count_check();
}

/* Runs `app` as a program of Isle in such a process, which has to exit with `status`; gives what it
 * wrote. */
static inline struct child child_program(const char *name, int (*app)(int argc, char **argv),
                                         int status)
{
    struct child child;

    if (child_label())
        exit(isle_main(0, NULL, app));
    child = child_run(name, "child");
    child_exited(&child, status);
    return child;
}

#endif
