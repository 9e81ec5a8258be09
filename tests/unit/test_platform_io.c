/* SPDX-License-Identifier: Apache-2.0 */
/* The platform layer on Linux: poller, signals, the process and shared objects. Threads meet
 * through parkers, joins and atomics; nothing sleeps to wait for another. */
#include "platform_help.h"

#include <elf.h>
#include <sys/socket.h>

#include "isle/io.h"

static volatile int plain_calls;

static void plain_handler(int signal)
{
    (void)signal;
    plain_calls++;
}

static struct isle__poller *poller_new(void)
{
    struct isle__poller *poller;
    CHECK_ERR(isle__poller_open(&poller), ISLE_OK);
    return poller;
}

/* Waits until something is told; early returns are allowed. */
static unsigned poll_some(struct isle__poller *poller, struct isle__poll_event *events,
                          unsigned max)
{
    unsigned told = 0;
    while (told == 0)
        told = isle__poller_wait(poller, ISLE_SECONDS(10), events, max);
    return told;
}

TEST(poller_tells_once_until_armed_again)
{
    struct isle__poller *poller = poller_new();
    struct isle__poll_event event;
    int fds[2];
    CHECK_ERR(isle__pipe_open(fds), ISLE_OK);
    CHECK_ERR(isle__poller_add(poller, fds[0], ISLE_READABLE, ISLE__POLL_ONCE, 42), ISLE_OK);
    CHECK_UINT(isle__poller_wait(poller, 0, &event, 1), 0);
    CHECK_INT(write(fds[1], "ab", 2), 2);
    CHECK_UINT(poll_some(poller, &event, 1), 1);
    CHECK_UINT(event.key, 42);
    CHECK_UINT(event.events, ISLE_READABLE);
    CHECK_UINT(isle__poller_wait(poller, ISLE_MS(5), &event, 1), 0);
    CHECK_ERR(isle__poller_add(poller, fds[0], ISLE_READABLE, ISLE__POLL_ONCE, 43), ISLE_OK);
    CHECK_UINT(poll_some(poller, &event, 1), 1);
    CHECK_UINT(event.key, 43);
    isle__poller_remove(poller, fds[0]);
    CHECK_ERR(isle__poller_add(poller, fds[0], ISLE_READABLE, ISLE__POLL_ONCE, 44), ISLE_OK);
    isle__fd_close(fds[1]);
    CHECK_UINT(poll_some(poller, &event, 1), 1);
    CHECK_UINT(event.events, ISLE_READABLE | ISLE_HANGUP);
    isle__fd_close(fds[0]);
    isle__poller_close(poller);
}

TEST(poller_tells_edges)
{
    struct isle__poller *poller = poller_new();
    struct isle__poll_event event;
    char bytes[8];
    int fds[2];
    CHECK_ERR(isle__pipe_open(fds), ISLE_OK);
    CHECK_ERR(isle__poller_add(poller, fds[0], ISLE_READABLE, ISLE__POLL_EDGE, 1), ISLE_OK);
    for (int i = 0; i < 3; i++) {
        CHECK_INT(write(fds[1], "x", 1), 1);
        CHECK_UINT(poll_some(poller, &event, 1), 1);
        CHECK_UINT(isle__poller_wait(poller, 0, &event, 1), 0);
    }
    CHECK_UINT(isle__pipe_read(fds[0], bytes, sizeof bytes), 3);
    CHECK_UINT(isle__pipe_read(fds[0], bytes, sizeof bytes), 0);
    isle__fd_close(fds[0]);
    isle__fd_close(fds[1]);
    isle__poller_close(poller);
}

TEST(poller_does_not_wake_a_writer_for_a_half_closed_peer)
{
    struct isle__poller *poller = poller_new();
    struct isle__poll_event event;
    int fds[2];
    CHECK_INT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    char junk[4096] = {0};
    while (write(fds[0], junk, sizeof junk) > 0)
        continue;
    CHECK_INT(shutdown(fds[1], SHUT_WR), 0);
    CHECK_ERR(isle__poller_add(poller, fds[0], ISLE_WRITABLE, ISLE__POLL_ONCE, 1), ISLE_OK);
    CHECK_UINT(isle__poller_wait(poller, ISLE_MS(2), &event, 1), 0);
    CHECK_ERR(isle__poller_add(poller, fds[0], ISLE_READABLE, ISLE__POLL_ONCE, 2), ISLE_OK);
    CHECK_UINT(poll_some(poller, &event, 1), 1);
    CHECK_UINT(event.events, ISLE_READABLE | ISLE_HANGUP);
    isle__fd_close(fds[0]);
    isle__fd_close(fds[1]);
    isle__poller_close(poller);
}

TEST(poller_waits_as_long_as_asked)
{
    struct isle__poller *poller = poller_new();
    struct isle__poll_event event;
    static const int64_t waits[] = {0, 1, 1000, ISLE_US(300), ISLE_MS(3)};
    for (size_t i = 0; i < sizeof waits / sizeof waits[0]; i++) {
        int64_t began = isle__clock_now();
        CHECK_UINT(isle__poller_wait(poller, waits[i], &event, 1), 0);
        int64_t took = isle__clock_now() - began;
        CHECK(took >= waits[i] - ISLE_US(1));
        CHECK(took < waits[i] + ISLE_SECONDS(2));
    }
    isle__poller_close(poller);
}

TEST(poller_refuses_files_and_its_own_key)
{
    struct isle__poller *poller = poller_new();
    FILE *file = tmpfile();
    CHECK(file != NULL);
    CHECK_ERR(isle__poller_add(poller, fileno(file), ISLE_READABLE, ISLE__POLL_ONCE, 1),
              ISLE_ESYSTEM);
    CHECK_INT(errno, EPERM);
    CHECK_ERR(isle__poller_add(poller, -1, ISLE_READABLE, ISLE__POLL_ONCE, 1), ISLE_ESYSTEM);
    CHECK_ERR(isle__poller_add(poller, 0, ISLE_READABLE, ISLE__POLL_ONCE, UINT64_MAX), ISLE_EINVAL);
    fclose(file);
    isle__poller_close(poller);
}

enum { WAKES = 20000 };
static struct isle__poller *woken_poller;
static _Atomic int woken_work, woken_seen;

static void wake_run(void *argument)
{
    struct isle__parker *parker = argument;
    for (int i = 1; i <= WAKES; i++) {
        atomic_store_explicit(&woken_work, i, memory_order_relaxed);
        isle__poller_wake(woken_poller);
        while (atomic_load_explicit(&woken_seen, memory_order_relaxed) != i)
            isle__parker_park(parker, ISLE_FOREVER);
    }
}

TEST(poller_loses_no_wake)
{
    static struct isle__parker parker;
    struct isle__thread thread;
    struct isle__poll_event event;
    woken_poller = poller_new();
    start(&thread, wake_run, &parker);
    for (int seen = 0; seen < WAKES;) {
        int work = atomic_load_explicit(&woken_work, memory_order_relaxed);
        if (work == seen) {
            isle__poller_wait(woken_poller, ISLE_FOREVER, &event, 1);
            continue;
        }
        seen = work;
        atomic_store_explicit(&woken_seen, seen, memory_order_relaxed);
        isle__parker_unpark(&parker);
    }
    isle__thread_join(&thread);
    isle__poller_close(woken_poller);
}

TEST(poller_open_survives_lack_of_memory)
{
    struct isle__poller *poller;
    isle__memory_fail_at(1);
    CHECK_ERR(isle__poller_open(&poller), ISLE_ENOMEM);
    isle__memory_fail_at(0);
}

TEST(notifier_is_readable_between_raise_and_clear)
{
    struct isle__poller *poller = poller_new();
    struct isle__poll_event event;
    int notifier = isle__notifier_open(), copy = isle__fd_duplicate(notifier);
    CHECK(notifier >= 0 && copy >= 0);
    CHECK_INT(fcntl(copy, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    CHECK_INT(isle__fd_duplicate(-1), -1);
    isle__notifier_clear(notifier);
    isle__notifier_raise(notifier);
    isle__notifier_raise(notifier);
    CHECK_ERR(isle__poller_add(poller, copy, ISLE_READABLE, ISLE__POLL_ONCE, 9), ISLE_OK);
    CHECK_UINT(poll_some(poller, &event, 1), 1);
    isle__notifier_clear(notifier);
    CHECK_ERR(isle__poller_add(poller, copy, ISLE_READABLE, ISLE__POLL_ONCE, 9), ISLE_OK);
    CHECK_UINT(isle__poller_wait(poller, 0, &event, 1), 0);
    isle__fd_close(notifier);
    isle__fd_close(copy);
    isle__poller_close(poller);
}

TEST(signal_writes_its_number_until_unwatched)
{
    unsigned char got[16];
    int fds[2];
    CHECK_ERR(isle__pipe_open(fds), ISLE_OK);
    signal(SIGUSR1, plain_handler);
    CHECK_ERR(isle__signal_watch(SIGUSR1, fds[1]), ISLE_OK);
    CHECK_ERR(isle__signal_watch(SIGUSR1, fds[1]), ISLE_EINVAL);
    CHECK_ERR(isle__signal_watch(SIGKILL, fds[1]), ISLE_EINVAL);
    CHECK_ERR(isle__signal_watch(0, fds[1]), ISLE_EINVAL);
    errno = 5;
    raise(SIGUSR1);
    raise(SIGUSR1);
    CHECK_INT(errno, 5);
    CHECK_UINT(isle__pipe_read(fds[0], got, sizeof got), 2);
    CHECK_INT(got[0], SIGUSR1);
    isle__signal_unwatch(SIGUSR1);
    isle__signal_unwatch(SIGUSR1);
    raise(SIGUSR1);
    CHECK_INT(plain_calls, 1);
    CHECK_UINT(isle__pipe_read(fds[0], got, sizeof got), 0);
    isle__fd_close(fds[0]);
    isle__fd_close(fds[1]);
}

static void child_raises(void)
{
    raise(SIGUSR2);
}

TEST(signal_of_a_forked_child_is_its_own)
{
    unsigned char got[16];
    int fds[2];
    CHECK_ERR(isle__pipe_open(fds), ISLE_OK);
    CHECK_ERR(isle__signal_watch(SIGUSR2, fds[1]), ISLE_OK);
    int status = in_child(child_raises);
    CHECK(WIFSIGNALED(status));
    CHECK_INT(WTERMSIG(status), SIGUSR2);
    CHECK_UINT(isle__pipe_read(fds[0], got, sizeof got), 0);
    isle__signal_unwatch(SIGUSR2);
    isle__fd_close(fds[0]);
    isle__fd_close(fds[1]);
}

static int forked;

static void fork_seen(void)
{
    forked++;
}

static void child_reports(void)
{
    _exit(forked == 1 ? 0 : 1);
}

TEST(fork_is_told_in_the_child_alone)
{
    isle__fork_watch(fork_seen);
    isle__fork_watch(fork_seen);
    CHECK_INT(in_child(child_reports), 0);
    CHECK_INT(forked, 0);
}

static void child_dies(void)
{
    int fds[2];
    char got[64];
    CHECK_INT(pipe(fds), 0);
    dup2(fds[1], STDERR_FILENO);
    isle__report("first line");
    if (read(fds[0], got, sizeof got) != 11 || memcmp(got, "first line\n", 11) != 0)
        _exit(1);
    signal(SIGABRT, SIG_DFL);
    isle__die("last line");
}

TEST(report_writes_a_line_and_die_aborts)
{
    int status = in_child(child_dies);
    CHECK(WIFSIGNALED(status));
    CHECK_INT(WTERMSIG(status), SIGABRT);
}

static const char *beside(const char *name)
{
    static char path[4096];
    ssize_t size = readlink("/proc/self/exe", path, sizeof path - 256);
    CHECK(size > 0);
    path[size] = '\0';
    char *slash = strrchr(path, '/');
    snprintf(slash + 1, 200, "%s", name);
    return path;
}

static isle_err library_open(const char *path, const char *symbol, char text[256])
{
    void *library = NULL, *found = NULL;
    isle_err err = isle__library_open(path, symbol, &library, &found, text, 256);
    if (err == ISLE_OK)
        isle__library_close(library);
    return err;
}

typedef int counter_function(void);

static counter_function *counter_open(void **ret_library)
{
    char text[256] = "";
    void *found = NULL;
    counter_function *function = NULL;
    isle_err err = isle__library_open(beside("platform_plugin.so"), "platform_plugin_count",
                                      ret_library, &found, text, sizeof text);
    if (err != ISLE_OK)
        fail("%s", text);
    memcpy(&function, &found, sizeof function);
    return function;
}

TEST(library_instances_have_globals_of_their_own)
{
    void *libraries[20];
    counter_function *counters[20];
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 20; i++) {
            counters[i] = counter_open(&libraries[i]);
            for (int j = 0; j < i; j++)
                counters[i]();
        }
        for (int i = 0; i < 20; i++)
            CHECK_INT(counters[i](), i + 1);
        for (int i = 0; i < 20; i++)
            isle__library_close(libraries[i]);
    }
}

TEST(library_errors_name_the_path_and_the_reason)
{
    char text[256], want[4200]; /* a path and the rest */
    CHECK_ERR(library_open("/nowhere/at all.so", "f", text), ISLE_ESYSTEM);
    CHECK_STRING(text, "/nowhere/at all.so: cannot be opened: No such file or directory");
    CHECK_ERR(library_open("/", "f", text), ISLE_EMALFORMED);
    CHECK_STRING(text, "/: is not a file");
    CHECK_ERR(library_open("/proc/version", "f", text), ISLE_EMALFORMED);
    CHECK_STRING(text, "/proc/version: is not a shared object (no ELF header)");

    const char *plugin = beside("platform_plugin.so");
    CHECK_ERR(library_open(plugin, "nobody", text), ISLE_EINVAL);
    snprintf(want, sizeof want, "%s: has no symbol \"nobody\"", plugin);
    want[255] = '\0';
    CHECK_STRING(text, want);

    plugin = beside("platform_plugin_broken.so");
    CHECK_ERR(library_open(plugin, "platform_plugin_count", text), ISLE_ESYSTEM);
    snprintf(want, sizeof want, "%s: undefined symbol: platform_plugin_missing", plugin);
    want[255] = '\0';
    CHECK_STRING(text, want);
}

TEST(library_of_another_processor_is_named)
{
    char path[] = "/tmp/isle-platform-XXXXXX", text[256];
    Elf64_Ehdr header = {.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB},
                         .e_type = ET_DYN,
                         .e_machine = EM_S390};
    int fd = mkstemp(path);
    CHECK(fd >= 0);
    CHECK_INT(write(fd, &header, sizeof header), sizeof header);
    isle_err err = library_open(path, "f", text);
    unlink(path);
    close(fd);
    CHECK_ERR(err, ISLE_EUNSUPPORTED);
    CHECK(strstr(text, path) == text);
    CHECK(strstr(text, ": is built for S/390, this program for ") != NULL);
}

TEST(library_open_leaves_no_descriptor)
{
    char text[256];
    int before = dup(0);
    close(before);
    for (int i = 0; i < 10; i++)
        CHECK_ERR(library_open(beside("platform_plugin.so"), "platform_plugin_count", text),
                  ISLE_OK);
    CHECK_ERR(library_open("/proc/version", "f", text), ISLE_EMALFORMED);
    int after = dup(0);
    close(after);
    CHECK_INT(after, before);
}

/* --- the poller by ppoll */

static struct isle__poller *plain_new(void)
{
    struct isle__poller *poller;
    CHECK_ERR(isle__poller_open_plain(&poller), ISLE_OK);
    return poller;
}

TEST(plain_poller_tells_once_until_armed_again)
{
    struct isle__poller *poller = plain_new();
    struct isle__poll_event event;
    int fds[2];
    CHECK_ERR(isle__pipe_open(fds), ISLE_OK);
    CHECK_ERR(isle__poller_add(poller, fds[0], ISLE_READABLE, ISLE__POLL_ONCE, 42), ISLE_OK);
    CHECK_UINT(isle__poller_wait(poller, 0, &event, 1), 0);
    CHECK_INT(write(fds[1], "ab", 2), 2);
    CHECK_UINT(poll_some(poller, &event, 1), 1);
    CHECK_UINT(event.key, 42);
    CHECK_UINT(event.events, ISLE_READABLE);
    CHECK_UINT(isle__poller_wait(poller, ISLE_MS(5), &event, 1), 0);
    CHECK_ERR(isle__poller_add(poller, fds[0], ISLE_READABLE, ISLE__POLL_ONCE, 43), ISLE_OK);
    CHECK_UINT(poll_some(poller, &event, 1), 1);
    CHECK_UINT(event.key, 43);
    isle__poller_remove(poller, fds[0]);
    CHECK_ERR(isle__poller_add(poller, fds[0], ISLE_READABLE, ISLE__POLL_ONCE, 44), ISLE_OK);
    isle__fd_close(fds[1]);
    CHECK_UINT(poll_some(poller, &event, 1), 1);
    CHECK_UINT(event.events, ISLE_READABLE | ISLE_HANGUP);
    isle__fd_close(fds[0]);
    isle__poller_close(poller);
}

TEST(plain_poller_tells_a_level_again_and_again)
{
    struct isle__poller *poller = plain_new();
    struct isle__poll_event event;
    int fds[2];
    CHECK_ERR(isle__pipe_open(fds), ISLE_OK);
    CHECK_ERR(isle__poller_add(poller, fds[0], ISLE_READABLE, ISLE__POLL_LEVEL, 1), ISLE_OK);
    CHECK_INT(write(fds[1], "a", 1), 1);
    for (int i = 0; i < 5; i++)
        CHECK_UINT(isle__poller_wait(poller, ISLE_SECONDS(10), &event, 1), 1);
    char byte;
    CHECK_INT(read(fds[0], &byte, 1), 1);
    CHECK_UINT(isle__poller_wait(poller, 0, &event, 1), 0);
    isle__fd_close(fds[0]);
    isle__fd_close(fds[1]);
    isle__poller_close(poller);
}

/* Each change is told at once to who reads to the end; what is left is told again, later and later.
 */
TEST(plain_poller_tells_edges)
{
    struct isle__poller *poller = plain_new();
    struct isle__poll_event event;
    char byte;
    int fds[2];
    CHECK_ERR(isle__pipe_open(fds), ISLE_OK);
    CHECK_ERR(isle__poller_add(poller, fds[0], ISLE_READABLE, ISLE__POLL_EDGE, 1), ISLE_OK);
    for (int i = 0; i < 10; i++) {
        CHECK_INT(write(fds[1], "a", 1), 1);
        CHECK_UINT(isle__poller_wait(poller, ISLE_SECONDS(10), &event, 1), 1);
        CHECK_INT(read(fds[0], &byte, 1), 1);
        CHECK_UINT(isle__poller_wait(poller, 0, &event, 1), 0);
    }
    CHECK_INT(write(fds[1], "a", 1), 1);
    int64_t began = isle__clock_now();
    for (int i = 0; i < 5; i++) /* after 0, 1, 3, 7, 15 ms */
        CHECK_UINT(poll_some(poller, &event, 1), 1);
    CHECK(isle__clock_now() - began >= ISLE_MS(15));
    isle__fd_close(fds[0]);
    isle__fd_close(fds[1]);
    isle__poller_close(poller);
}

TEST(plain_poller_takes_many_and_gives_them_back)
{
    enum { MANY = 50 };
    struct isle__poller *poller = plain_new();
    struct isle__poll_event events[MANY];
    uint64_t live = isle__memory_live();
    int fds[MANY][2];
    for (int i = 0; i < MANY; i++) {
        CHECK_ERR(isle__pipe_open(fds[i]), ISLE_OK);
        CHECK_ERR(isle__poller_add(poller, fds[i][0], ISLE_READABLE, ISLE__POLL_LEVEL, (uint64_t)i),
                  ISLE_OK);
        CHECK_INT(write(fds[i][1], "a", 1), 1);
    }
    CHECK(isle__memory_live() > live);
    CHECK_UINT(poll_some(poller, events, MANY), MANY);
    CHECK_UINT(poll_some(poller, events, 7), 7);
    for (int i = 0; i < MANY; i += 2)
        isle__poller_remove(poller, fds[i][0]);
    isle__poller_remove(poller, fds[0][0]);
    CHECK_UINT(poll_some(poller, events, MANY), MANY / 2);
    for (int i = 0; i < MANY / 2; i++)
        CHECK_UINT(events[i].key % 2, 1);
    for (int i = 0; i < MANY; i++) {
        isle__fd_close(fds[i][0]);
        isle__fd_close(fds[i][1]);
    }
    CHECK_UINT(isle__poller_wait(poller, 0, events, MANY), 0); /* closed ones are forgotten */
    isle__poller_close(poller);
}

TEST(plain_poller_refuses_what_the_other_refuses)
{
    struct isle__poller *poller = plain_new();
    FILE *file = tmpfile();
    CHECK(file != NULL);
    CHECK_ERR(isle__poller_add(poller, fileno(file), ISLE_READABLE, ISLE__POLL_ONCE, 1),
              ISLE_ESYSTEM);
    CHECK_INT(errno, EPERM);
    CHECK_ERR(isle__poller_add(poller, -1, ISLE_READABLE, ISLE__POLL_ONCE, 1), ISLE_ESYSTEM);
    CHECK_INT(errno, EBADF);
    CHECK_ERR(isle__poller_add(poller, 0, ISLE_READABLE, ISLE__POLL_ONCE, UINT64_MAX), ISLE_EINVAL);
    fclose(file);
    isle__poller_close(poller);
}

static void wake_plain(void *poller)
{
    isle__poller_wake(poller);
}

TEST(plain_poller_is_woken_by_another_thread)
{
    struct isle__poller *poller = plain_new();
    struct isle__poll_event event;
    for (int i = 0; i < 20; i++) {
        struct isle__thread thread;
        start(&thread, wake_plain, poller);
        CHECK_UINT(isle__poller_wait(poller, ISLE_FOREVER, &event, 1), 0);
        isle__thread_join(&thread);
    }
    isle__poller_close(poller);
}

TEST(plain_poller_survives_every_failing_allocation)
{
    for (uint64_t nth = 1; nth <= 4; nth++) {
        struct isle__poller *poller;
        uint64_t live = isle__memory_live();
        (void)isle__memory_fail_at(nth);
        isle_err err = isle__poller_open_plain(&poller);
        (void)isle__memory_fail_at(0);
        CHECK_ERR(err, ISLE_ENOMEM);
        CHECK_UINT(isle__memory_live(), live);
    }
}

TEST_MAIN()
