/* SPDX-License-Identifier: Apache-2.0 */
/* Attacks from inside of real isolates: the same rows, by a program with the process backend, and
 * those that need a whole program: what a zygote does not hand on, and how ends are told.
 *
 * Law: never as root; a program that root started becomes an ordinary user before Isle begins. */
#include "attack.h"
#include "test.h"

#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <isle.h>
#include <poll.h>
#include <setjmp.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct attack_group *const isolates_groups[] = {
    &attack_files,  &attack_sockets, &attack_code,      &attack_processes, &attack_others,
    &attack_kernel, &attack_entries, &attack_resources, &attack_crashes,
};

static const struct attack_row *isolates_row(const char *number)
{
    for (size_t g = 0; g < sizeof isolates_groups / sizeof isolates_groups[0]; g++)
        for (size_t i = 0; i < isolates_groups[g]->count; i++)
            if (!strcmp(isolates_groups[g]->rows[i].number, number))
                return &isolates_groups[g]->rows[i];
    fail("there is no row %s", number);
}

/* --- inside */

/* The world's plain facts come in the message; its memory is not shared with an isolate. */
static void isolates_attempt(isle_value request)
{
    static struct attack_world world;
    const char *number;
    isle_value bytes;
    isle_send_port reply;
    size_t size;

    isle_unpack(request, "{s:s, s:o, s:p}", "row", &number, "world", &bytes, "reply", &reply);
    memcpy(&world, isle_as_bytes(bytes, &size), sizeof world);
    attack_world = &world;
    isle_exit(reply, isle_int(isolates_row(number)->attempt()));
}

static void isolates_count_descriptors(isle_value reply)
{
    int64_t open = 0, strange = 0;

    for (int fd = 3; fd < 1024; fd++) {
        struct stat status;
        char text[8];

        if (fcntl(fd, F_GETFD) < 0)
            continue;
        open++;
        /* The C library's fstat may be a call by name. */
        strange += syscall(SYS_fstat, fd, &status) != 0 || S_ISDIR(status.st_mode) ||
                   S_ISCHR(status.st_mode) || pread(fd, text, sizeof text, 0) > 0;
    }
    isle_exit(isle_as_port(reply), isle_pack("[i, i]", open, strange));
}

static void isolates_read_environment(isle_value reply)
{
    int64_t count = 0;

    for (char **at = environ; at && *at; at++)
        count++;
    isle_exit(isle_as_port(reply), isle_pack("[b, i]", getenv("HOST_TOKEN") != NULL, count));
}

static sigjmp_buf isolates_beyond;

static void isolates_fault(int signal)
{
    (void)signal;
    siglongjmp(isolates_beyond, 1);
}

/* What is wanted is put together here, so that it is not in this code. */
static struct {
    char wanted[64];
    uintptr_t at, end;
} isolates_search;

static bool isolates_scan(void)
{
    const char *wanted = isolates_search.wanted;
    size_t size = strlen(wanted);

    for (; isolates_search.at + size < isolates_search.end; isolates_search.at++)
        if (isolates_search.at != (uintptr_t)wanted &&
            !memcmp((const char *)isolates_search.at, wanted, size))
            return true;
    return false;
}

/* Until memory ends. */
static bool isolates_find_between(uintptr_t from, uintptr_t to)
{
    snprintf(isolates_search.wanted, sizeof isolates_search.wanted, "%s%s", "token of the",
             " host 51c0");
    isolates_search.at = from;
    isolates_search.end = to;
    return sigsetjmp(isolates_beyond, 1) == 0 && isolates_scan();
}

/* Data, heap, stack: from where something of this program lies to where memory ends. */
static void isolates_scan_memory(isle_value reply)
{
    struct sigaction action = {.sa_handler = isolates_fault, .sa_flags = SA_NODEFER};
    static char here;
    char *heap = malloc(100);
    uintptr_t stack = (uintptr_t)&action;
    bool found;

    sigaction(SIGSEGV, &action, NULL);
    sigaction(SIGBUS, &action, NULL);
    found =
        isolates_find_between((uintptr_t)&here & ~UINT64_C(0xffff), (uintptr_t)&here + 0x100000);
    found |= isolates_find_between((uintptr_t)heap & ~UINT64_C(0xfff), (uintptr_t)heap + 0x1000000);
    found |= isolates_find_between(stack, stack + 0x1000000);
    isle_exit(isle_as_port(reply), isle_bool(found));
}

/* For ever and deaf; says first that it is there, if it is told whom. */
static void isolates_sleep(isle_value told)
{
    sigset_t all;

    if (!isle_is_null(told))
        isle_send(isle_as_port(told), isle_null());
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    for (;;)
        pause();
}

/* --- outside */

struct isolates_outcome {
    bool replied;
    isle_value value; /* what it sent */
    isle_end end;
};

static isle_options isolates_options(void)
{
    return (isle_options){.debug_name = "attacker", .backend = ISLE_PROCESS};
}

/* Spawns `entry`, waits for its end and for what it sent before. */
static struct isolates_outcome isolates_run(isle_entry *entry, isle_value message,
                                            isle_receive_port *inbox, isle_options options)
{
    struct isolates_outcome outcome = {.value = isle_null()};
    isle_receive_port *ends = isle_port_open();

    options.monitor = isle_port_send_port(ends);
    isle_spawn(entry, message, &options);
    outcome.end = isle_as_end(isle_port_receive(ends));
    outcome.replied = isle_port_try_receive(inbox, 0, &outcome.value) == ISLE_OK;
    printf("%s: %s, %" PRId64 " us of processor, %zu bytes\n", isle_reason_text(outcome.end.reason),
           outcome.end.text, outcome.end.cpu_time_ns / 1000, outcome.end.memory_peak);
    isle_port_close(ends);
    return outcome;
}

static struct isolates_outcome isolates_try(const char *number, isle_options options)
{
    isle_receive_port *inbox = isle_port_open();
    struct attack_world *world = world_open();
    isle_value request =
        isle_pack("{s:s, s:o, s:p}", "row", number, "world", isle_bytes(world, sizeof *world),
                  "reply", isle_port_send_port(inbox));
    struct isolates_outcome outcome;

    printf("row %s: ", number);
    outcome = isolates_run(isolates_attempt, request, inbox, options);
    kill(world->victim, SIGKILL);
    waitpid(world->victim, NULL, 0);
    world_close(world);
    isle_port_close(inbox);
    return outcome;
}

static void isolates_refused(const char *number, int error)
{
    struct isolates_outcome outcome = isolates_try(number, isolates_options());

    CHECK(outcome.replied);
    CHECK_STRING(strerrorname_np((int)isle_as_int(outcome.value)), strerrorname_np(error));
    CHECK_STRING(isle_reason_text(outcome.end.reason), isle_reason_text(ISLE_RETURNED));
}

static void isolates_ends(const char *number, isle_options options, isle_reason reason,
                          const char *text)
{
    struct isolates_outcome outcome = isolates_try(number, options);

    CHECK(!outcome.replied);
    CHECK_STRING(isle_reason_text(outcome.end.reason), isle_reason_text(reason));
    if (text && !strstr(outcome.end.text, text))
        fail("\"%s\" does not say %s", outcome.end.text, text);
}

/* A sanitizer reports a crash itself, maps terabytes, and looks at what is read. */
static void isolates_need_plain_code(void)
{
    if (TEST_SANITIZER[0])
        skip("the sanitizer ends it first: " TEST_SANITIZER);
}

static void isolates_violates(const char *number, const char *call)
{
    isolates_ends(number, isolates_options(), ISLE_VIOLATION, call);
}

TEST_ROOT(isolates_open_no_file)
{
    isolates_refused("1b", EACCES);
    isolates_refused("3a", EACCES);
    isolates_refused("8h", EACCES);
    isolates_refused("10a", EACCES);
    isolates_violates("6a", "chdir");
}

TEST_ROOT(isolates_have_no_socket)
{
    isolates_refused("12a", EACCES);
    isolates_refused("15", EACCES);
    isolates_refused("18", EACCES);
}

TEST_ROOT(isolates_bring_no_code_in)
{
    isolates_refused("26", EACCES);
    isolates_refused("27a", EACCES);
    isolates_refused("23a", EPERM);
    isolates_violates("11a", "execve");
}

TEST_ROOT(isolates_make_no_process)
{
    isolates_refused("19c", EPERM);
    isolates_refused("20", ENOSYS);
}

TEST_ROOT(isolates_make_no_thread)
{
    if (strcmp(TEST_SANITIZER, "thread") == 0)
        skip("the sanitizer ends a forked process that would begin a thread");
    isolates_refused("22", EAGAIN);
}

TEST_ROOT(isolates_reach_no_other_process)
{
    isolates_refused("34a", EPERM);
    isolates_violates("33a", "process_vm_readv");
    isolates_violates("32a", "ptrace");
}

TEST_ROOT(isolates_reach_little_of_the_kernel)
{
    isolates_violates("43", "io_uring_setup");
    isolates_violates("44a", "bpf");
    isolates_refused("50i", ENOSYS);
    isolates_refused("53a", EPERM);
}

TEST_ROOT(isolates_find_no_other_way_in)
{
    isolates_refused("56c", EACCES);
    isolates_refused("56b", ENOSYS);
    isolates_violates("56a", "");
}

TEST_ROOT(isolates_that_crash_are_named)
{
    isolates_need_plain_code();
    isolates_ends("97a", isolates_options(), ISLE_SIGNALED, "SIGSEGV");
    isolates_ends("97e", isolates_options(), ISLE_SIGNALED, "SIGABRT");
    isolates_ends("97f", isolates_options(), ISLE_SIGNALED, "SIG");
}

TEST_ROOT(isolates_get_no_more_memory_than_granted)
{
    isle_options options = isolates_options();
    struct isolates_outcome outcome;

    isolates_need_plain_code();
    options.memory_max = (size_t)64 << 20;
    outcome = isolates_try("90a", options);
    CHECK(outcome.replied ? isle_as_int(outcome.value) == ENOMEM
                          : outcome.end.reason == ISLE_MEMORY);
    CHECK(outcome.end.memory_peak < (size_t)128 << 20);
}

TEST_ROOT(isolates_get_no_more_time_than_granted)
{
    isle_options options = isolates_options();

    options.cpu_time_max_ns = ISLE_SECONDS(1);
    isolates_ends("94a", options, ISLE_CPU, NULL);
    isolates_ends("94b", options, ISLE_CPU, NULL);
}

TEST_ROOT(isolates_that_sleep_for_ever_end_at_their_deadline)
{
    isle_options options = isolates_options();
    isle_receive_port *inbox = isle_port_open();
    struct isolates_outcome outcome;
    int64_t began = attack_now_ns(), took;

    options.deadline_ns = ISLE_MS(200);
    outcome = isolates_run(isolates_sleep, isle_null(), inbox, options);
    took = attack_now_ns() - began;
    printf("measured: dead after %" PRId64 " us\n", took / 1000);
    CHECK_STRING(isle_reason_text(outcome.end.reason), isle_reason_text(ISLE_DEADLINE));
    CHECK(took >= ISLE_MS(200) && took < ISLE_SECONDS(5));
    isle_port_close(inbox);
}

/* Who waits until it stands is told before its code runs, which may never come back. */
TEST_ROOT(isolates_cannot_keep_their_maker_waiting)
{
    isle_options options = isolates_options();
    isle_isolate isolate;

    CHECK_ERR(isle_try_spawn(isolates_sleep, isle_null(), &options, &isolate), ISLE_OK);
    isle_kill(isolate, ISLE_IMMEDIATE);
    isolate = isle_spawn(isolates_sleep, isle_null(), &options);
    isle_await(isle_spawn_wait(isolate));
    isle_kill(isolate, ISLE_IMMEDIATE);
}

TEST_ROOT(isolates_have_no_descriptor_of_the_host)
{
    isle_receive_port *inbox = isle_port_open();
    int leaked = open("/etc/passwd", O_RDONLY); /* a library that forgot O_CLOEXEC */
    struct isolates_outcome outcome;
    int64_t open, strange;

    CHECK(leaked >= 0);
    outcome =
        isolates_run(isolates_count_descriptors, isle_port_value(inbox), inbox, isolates_options());
    CHECK(outcome.replied);
    isle_unpack(outcome.value, "[i, i]", &open, &strange);
    printf("measured: %" PRId64 " descriptors\n", open);
    CHECK_INT(strange, 0);
    CHECK(open <= 4);
    isle_port_close(inbox);
}

TEST_ROOT(isolates_have_no_environment)
{
    isle_receive_port *inbox = isle_port_open();
    struct isolates_outcome outcome;
    bool has_token;
    int64_t count;

    CHECK_INT(setenv("HOST_TOKEN", "token", 1), 0);
    outcome =
        isolates_run(isolates_read_environment, isle_port_value(inbox), inbox, isolates_options());
    CHECK(outcome.replied);
    isle_unpack(outcome.value, "[b, i]", &has_token, &count);
    CHECK(!has_token);
    CHECK_INT(count, 0);
    isle_port_close(inbox);
}

TEST_ROOT(isolates_find_no_secret_in_memory)
{
    static char in_data[64];
    char on_stack[64], *on_heap = malloc(sizeof on_stack);
    isle_receive_port *inbox = isle_port_open();
    struct isolates_outcome outcome;

    isolates_need_plain_code();
    CHECK(on_heap != NULL);
    snprintf(in_data, sizeof in_data, "%s%s", "token of the", " host 51c0");
    snprintf(on_heap, sizeof on_stack, "%s", in_data);
    snprintf(on_stack, sizeof on_stack, "%s", in_data);
    CHECK_INT(setenv("SECRET", in_data, 1), 0);
    outcome = isolates_run(isolates_scan_memory, isle_port_value(inbox), inbox, isolates_options());
    CHECK(outcome.replied);
    CHECK(!isle_as_bool(outcome.value));
    CHECK_STRING(on_stack, on_heap);
    free(on_heap);
    isle_port_close(inbox);
}

/* --- deaths of others */

enum { ISOLATES_MANY = 4, ISOLATES_PIDS = 64 };

/* A host with isolates that ignore what can be ignored; says so and waits to be killed. */
static int isolates_host(int argc, char **argv)
{
    isle_options options = isolates_options();
    isle_receive_port *inbox = isle_port_open();

    (void)argc;
    (void)argv;
    for (int i = 0; i < ISOLATES_MANY; i++)
        isle_spawn(isolates_sleep, isle_port_value(inbox), &options);
    for (int i = 0; i < ISOLATES_MANY; i++)
        isle_port_receive(inbox);
    puts("ready");
    fflush(stdout);
    isle_port_receive(inbox);
    return 0;
}

struct isolates_pids {
    int count;
    pid_t pids[ISOLATES_PIDS];
};

/* Adds the children of each thread of `parent`, and theirs. */
static void isolates_descend(pid_t parent, struct isolates_pids *found)
{
    char path[300];
    struct dirent *entry;
    DIR *threads;

    snprintf(path, sizeof path, "/proc/%d/task", (int)parent);
    threads = opendir(path);
    while (threads && (entry = readdir(threads)) != NULL) {
        FILE *file;
        int pid;

        snprintf(path, sizeof path, "/proc/%d/task/%s/children", (int)parent, entry->d_name);
        file = fopen(path, "re");
        while (file && fscanf(file, "%d", &pid) == 1 && found->count < ISOLATES_PIDS) {
            found->pids[found->count++] = pid;
            isolates_descend(pid, found);
        }
        if (file)
            fclose(file);
    }
    if (threads)
        closedir(threads);
}

static pid_t isolates_start_host(void)
{
    int said[2];
    char ready[8] = "";
    pid_t host;

    CHECK_INT(pipe2(said, O_CLOEXEC), 0);
    fflush(stdout);
    host = fork();
    if (host == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        dup2(said[1], 1);
        execl("/proc/self/exe", "isolates", "--host", (char *)NULL);
        _exit(127);
    }
    close(said[1]);
    if (read(said[0], ready, sizeof ready - 1) < 5)
        fail("the host did not get ready");
    close(said[0]);
    return host;
}

TEST(isolates_die_with_a_host_that_is_killed)
{
    struct isolates_pids found = {0};
    struct pollfd ends[ISOLATES_PIDS];
    pid_t host = isolates_start_host();
    int64_t began;

    isolates_descend(host, &found);
    CHECK(found.count >= ISOLATES_MANY);
    for (int i = 0; i < found.count; i++) {
        ends[i] =
            (struct pollfd){.fd = (int)syscall(SYS_pidfd_open, found.pids[i], 0), .events = POLLIN};
        CHECK(ends[i].fd >= 0);
    }
    began = attack_now_ns();
    CHECK_INT(kill(host, SIGKILL), 0);
    for (int i = 0; i < found.count; i++)
        CHECK_INT(poll(&ends[i], 1, 20000), 1);
    printf("measured: %d processes dead after %" PRId64 " us\n", found.count,
           (attack_now_ns() - began) / 1000);
    waitpid(host, NULL, 0);
}

TEST_ROOT(isolates_are_lost_with_their_zygote)
{
    isle_receive_port *ends = isle_port_open(), *inbox = isle_port_open();
    isle_options options = isolates_options();
    struct isolates_pids found = {0};
    isle_end end;

    options.monitor = isle_port_send_port(ends);
    isle_spawn(isolates_sleep, isle_port_value(inbox), &options);
    isle_port_receive(inbox);
    isolates_descend(getpid(), &found);
    CHECK(found.count > 0);
    CHECK_INT(kill(found.pids[0], SIGKILL),
              0); /* what the program started: all the others are its */
    end = isle_as_end(isle_port_receive(ends));
    CHECK_STRING(isle_reason_text(end.reason), isle_reason_text(ISLE_LOST));
    isle_port_close(ends);
    isle_port_close(inbox);
}

int main(int argc, char **argv)
{
    isle_child_main(argc, argv);
    attack_become_ordinary();
    if (argc > 1 && !strcmp(argv[1], "--host"))
        return isle_main(argc, argv, isolates_host);
    return test_main(argc, argv);
}
