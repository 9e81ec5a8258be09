/* SPDX-License-Identifier: Apache-2.0 */
/* The sandbox: what limits do when they are reached, and that nobody outlives whom he depends on.
 */
#include "sandbox_help.h"

/* --- memory */

enum { PIECE = 1 << 20, MEMORY_MAX = 32 << 20, PIECES = 128 };

static void take_memory(struct shown *shown)
{
    errno = 0;
    for (int at = 0; at < PIECES; at++) {
        char *volatile piece = malloc(PIECE); /* or clang needs none */
        if (piece == NULL)
            break;
        memset(piece, 1, PIECE);
        shown->values[0]++;
    }
    shown->values[1] = errno;
}

static void take_address_space(struct shown *shown)
{
    void *memory = mmap(NULL, (size_t)PIECE * PIECES, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    shown->values[0] = memory == MAP_FAILED ? errno : 0;
}

static void memory_ends(bool ordinary)
{
    struct play play = {.policy.memory_max = MEMORY_MAX, .ordinary = ordinary, .body = take_memory};
    struct shown *shown = play_well(&play);
    CHECK_INT(shown->values[1], ENOMEM);
    CHECK(shown->values[0] >= MEMORY_MAX / PIECE / 2);
    CHECK(shown->values[0] <= MEMORY_MAX / PIECE + 2); /* what a child may map before */
    CHECK_INT(shown->child_end.si_code, CLD_EXITED);
    shown_close(shown);

    play.body = take_address_space;
    shown = play_well(&play);
    CHECK_INT(shown->values[0], ENOMEM);
    shown_close(shown);

    play.policy.memory_max = 0; /* without the limit both succeed */
    shown = play_well(&play);
    CHECK_INT(shown->values[0], 0);
    shown_close(shown);
    play.body = take_memory;
    shown = play_well(&play);
    CHECK_INT(shown->values[0], PIECES);
    shown_close(shown);
}

TEST(memory_ends_with_null_at_the_limit)
{
    if (TEST_SANITIZER[0] != '\0')
        skip("a sanitizer's own memory has no room in a limit");
    as_every_user(memory_ends);
}

/* --- time */

static void spin(struct shown *shown)
{
    (void)shown;
    for (volatile unsigned turns = 0;; turns++) {
    }
}

static void spin_on(struct shown *shown)
{
    signal(SIGXCPU, SIG_IGN);
    spin(shown);
}

TEST(time_ends_with_a_signal_that_names_it)
{
    struct play play = {.policy.cpu_time_max_ns = 1, .body = spin};
    struct shown *shown = play_well(&play);
    CHECK_INT(shown->child_end.si_code, CLD_KILLED);
    CHECK_INT(shown->child_end.si_status, SIGXCPU);
    shown_close(shown);
}

TEST(who_ignores_that_signal_is_killed_a_second_later)
{
    struct play play = {.policy.cpu_time_max_ns = 1, .body = spin_on};
    struct shown *shown = play_well(&play);
    CHECK_INT(shown->child_end.si_code, CLD_KILLED);
    CHECK_INT(shown->child_end.si_status, SIGKILL);
    shown_close(shown);
}

/* --- processes, threads, descriptors, stacks */

static void *sleep_in_thread(void *argument)
{
    (void)argument;
    for (;;)
        pause();
    return NULL;
}

static void start_threads(struct shown *shown)
{
    pthread_attr_t attributes;
    pthread_t thread;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 65536);
    while (shown->values[0] < 100 && shown->values[1] == 0) {
        shown->values[1] = pthread_create(&thread, &attributes, sleep_in_thread, NULL);
        shown->values[0] += shown->values[1] == 0;
    }
}

static void fork_once(struct shown *shown)
{
    pid_t child = fork();
    if (child == 0)
        _exit(0);
    shown->values[0] = child < 0 ? errno : 0;
}

/* Without the filter: the limit alone holds them. */
static void no_processes(bool ordinary)
{
    struct play play = {.without = ISLE_LAYER_SECCOMP, .ordinary = ordinary, .body = fork_once};
    struct shown *shown = play_well(&play);
    CHECK_INT(shown->values[0], EAGAIN);
    shown_close(shown);
    play.body = start_threads;
    shown = play_well(&play);
    CHECK_INT(shown->values[0], 0);
    CHECK_INT(shown->values[1], EAGAIN);
    shown_close(shown);
}

TEST(no_process_and_no_thread_is_started)
{
    if (TEST_SANITIZER[0] != '\0')
        skip("a sanitizer's runtime ends the program when a thread is refused");
    as_every_user(no_processes);
}

static void granted_threads(bool ordinary)
{
    struct play play = {.policy.threads_max = 3, .ordinary = ordinary, .body = start_threads};
    struct shown *shown = play_well(&play);
    if (shown->reached & ISLE_LAYER_USERNS) {
        CHECK_INT(shown->values[0], 3);
        CHECK_INT(shown->values[1], EAGAIN);
    } else { /* who shares its user with others has no count of its own */
        CHECK(shown->values[0] >= 3);
    }
    shown_close(shown);
}

TEST(as_many_threads_as_granted_are_started)
{
    if (TEST_SANITIZER[0] != '\0')
        skip("a sanitizer's runtime ends the program when a thread is refused");
    as_every_user(granted_threads);
}

static void take_descriptors(struct shown *shown)
{
    while (shown->values[0] < 100) {
        int fd = fcntl(0, F_DUPFD_CLOEXEC, 0);
        if (fd < 0) {
            shown->values[1] = errno;
            return;
        }
        shown->values[0]++;
        shown->values[2] = fd;
    }
}

TEST(descriptors_end_at_the_limit)
{
    struct play play = {.policy.descriptor_max = 20, .body = take_descriptors};
    struct shown *shown = play_well(&play);
    CHECK_INT(shown->values[1], EMFILE);
    CHECK_INT(shown->values[2], 19);
    shown_close(shown);
}

/* --- who dies with whom */

enum { CHILDREN = 5 };
struct family {
    uint32_t without;
    int breath[2]; /* open for writing in every child: closed when all are dead */
    pid_t host, guard;
    struct shown *shown;
};

static void family_child(struct isle__sandbox *sandbox)
{
    const struct isle__policy policy = {.insecure = 1};
    uint32_t reached;
    if (isle__sandbox_child(sandbox, &policy, NULL, &reached) != ISLE_OK)
        _exit(3);
}

static void family_zygote(struct family *family)
{
    struct isle__sandbox sandbox = {.without = family->without};
    close(family->breath[0]);
    if (isle__sandbox_zygote(&sandbox) != ISLE_OK ||
        isle__sandbox_zygote_filter(&sandbox) != ISLE_OK)
        _exit(2);
    family->shown->reached = sandbox.reached;
    family->shown->values[1] = getpid();
    for (int at = 0; at < CHILDREN; at++)
        if (fork() == 0) {
            family_child(&sandbox);
            if (write(family->breath[1], "b", 1) != 1)
                _exit(4);
            for (;;)
                pause();
        }
    close(family->breath[1]);
    for (;;)
        pause();
}

static void *family_start_guard(void *argument)
{
    struct family *family = argument;
    pid_t guard = fork();
    CHECK(guard >= 0);
    if (guard == 0)
        family_zygote(family);
    family->shown->values[0] = guard;
    return NULL;
}

/* The host starts it from a thread that ends at once: the host is a process, not a thread. */
static void family_host(struct family *family)
{
    pthread_t thread;
    prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that fails leaves nobody */
    CHECK_INT(pthread_create(&thread, NULL, family_start_guard, family), 0);
    CHECK_INT(pthread_join(thread, NULL), 0);
    close(family->breath[0]);
    close(family->breath[1]);
    for (;;)
        pause();
}

static void family_start(struct family *family)
{
    char byte;
    family->shown = shown_open();
    CHECK_INT(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), 0);
    CHECK_INT(pipe2(family->breath, O_CLOEXEC), 0);
    fflush(NULL);
    family->host = fork();
    CHECK(family->host >= 0);
    if (family->host == 0)
        family_host(family);
    close(family->breath[1]);
    for (int at = 0; at < CHILDREN; at++)
        CHECK_INT(read(family->breath[0], &byte, 1), 1);
    family->guard = family->shown->values[0];
}

/* Milliseconds until no child breathes; then everybody is gone, and reaped by the test or before.
 */
static double family_wait(struct family *family, int64_t from)
{
    char byte;
    CHECK_INT(read(family->breath[0], &byte, 1), 0);
    double took = (double)(isle__clock_now() - from) / 1e6;
    close(family->breath[0]);
    kill(family->host, SIGKILL);
    while (waitpid(-1, NULL, 0) > 0) {
    }
    CHECK_INT(errno, ECHILD);
    CHECK(took < 1000); /* some tenths of a millisecond where nothing else runs */
    shown_close(family->shown);
    return took;
}

static const uint32_t family_kinds[] = {0, ISLE_LAYER_PIDNS, EVERY_LAYER};
enum { FAMILY_KINDS = 3 };

TEST(everybody_dies_with_the_host)
{
    for (int kind = 0; kind < FAMILY_KINDS; kind++) {
        struct family family = {.without = family_kinds[kind]};
        family_start(&family);
        int64_t from = isle__clock_now();
        kill(family.host, SIGKILL);
        printf("host, kind %d: %.2f ms\n", kind, family_wait(&family, from));
    }
}

TEST(everybody_dies_with_the_guard)
{
    for (int kind = 0; kind < FAMILY_KINDS; kind++) {
        struct family family = {.without = family_kinds[kind]};
        family_start(&family);
        int64_t from = isle__clock_now();
        kill(family.guard, SIGKILL);
        printf("guard, kind %d: %.2f ms\n", kind, family_wait(&family, from));
    }
}

/* Its number is the test's where it has no namespace. */
TEST(everybody_dies_with_the_zygote)
{
    struct family family = {.without = ISLE_LAYER_PIDNS};
    family_start(&family);
    int64_t from = isle__clock_now();
    kill(family.shown->values[1], SIGKILL);
    printf("zygote: %.2f ms\n", family_wait(&family, from));
}

/* Whoever waits for the process that it started learns how the zygote ended. */
static int end_of_guard(void (*ends)(void))
{
    int status = 0;
    need_pidfds();
    fflush(NULL);
    pid_t guard = fork();
    CHECK(guard >= 0);
    if (guard == 0) {
        struct isle__sandbox sandbox = {0};
        if (isle__sandbox_zygote(&sandbox) != ISLE_OK)
            _exit(2);
        ends();
    }
    CHECK_INT(waitpid(guard, &status, 0), guard);
    return status;
}

static void ends_with_seven(void)
{
    _exit(7);
}

static void ends_with_a_kill(void)
{
    kill(getppid() ? getpid() : 1, SIGKILL); /* the first process of a namespace is deaf to this */
    syscall(SYS_exit_group, 9);
}

TEST(the_guard_ends_as_the_zygote_did)
{
    int status = end_of_guard(ends_with_seven);
    CHECK(WIFEXITED(status));
    CHECK_INT(WEXITSTATUS(status), 7);
    status = end_of_guard(ends_with_a_kill);
    CHECK(WIFSIGNALED(status) ? WTERMSIG(status) == SIGKILL : WEXITSTATUS(status) == 9);
}

/* A pidfd of a host that the test names, not of the parent. */
TEST(the_guard_watches_the_host_that_it_is_given)
{
    char byte;
    int breath[2], status;
    need_pidfds();
    pid_t host = fork();
    CHECK(host >= 0);
    if (host == 0)
        for (;;)
            pause();
    int pidfd = (int)syscall(434, host, 0);
    CHECK(pidfd > 0);
    CHECK_INT(pipe2(breath, O_CLOEXEC), 0);
    pid_t guard = fork();
    CHECK(guard >= 0);
    if (guard == 0) {
        struct isle__sandbox sandbox = {.host = pidfd};
        if (isle__sandbox_zygote(&sandbox) != ISLE_OK || write(breath[1], "b", 1) != 1)
            _exit(2);
        for (;;)
            pause();
    }
    close(breath[1]);
    CHECK_INT(read(breath[0], &byte, 1), 1);
    kill(host, SIGKILL);
    CHECK_INT(read(breath[0], &byte, 1), 0);
    CHECK_INT(waitpid(guard, &status, 0), guard);
    CHECK(WIFSIGNALED(status));
    CHECK_INT(waitpid(host, NULL, 0), host);
}

TEST_MAIN()
