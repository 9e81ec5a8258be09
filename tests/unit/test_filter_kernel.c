/* SPDX-License-Identifier: Apache-2.0 */
/* Filters of system calls under the kernel: children without privileges put them on and do what
 * libraries do, and what they must not. A child is forked for each question, and an ordinary user
 * like most isolates. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "test.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <locale.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sandbox/filter.h"
#include "sandbox/syscalls.h"

enum { NOBODY = 65534, REFUSED_HERE = 77 };

static void become_nobody(void)
{
    if (geteuid() != 0)
        return;
    CHECK_INT(syscall(SYS_setgroups, 0, NULL), 0);
    CHECK_INT(syscall(SYS_setresgid, NOBODY, NOBODY, NOBODY), 0);
    CHECK_INT(syscall(SYS_setresuid, NOBODY, NOBODY, NOBODY), 0);
}

/* Whether the kernel, or what this runs in, takes any filter at all. */
static bool takes_filters(void)
{
    struct sock_filter allow = {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW};
    struct sock_fprog program = {1, &allow};
    return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == 0;
}

static void put_on(enum isle__filter_kind kind, struct isle__filter_options options)
{
    options.own_pid = (uint32_t)getpid();
    CHECK_ERR(isle__filter_install(kind, &options), ISLE_OK);
}

/* What a child does once its filter is on; 0: as it should be. */
typedef int deed_function(void);

struct question {
    enum isle__filter_kind kind;
    struct isle__filter_options options; /* courier 0: none */
    bool below;                          /* the zygote's filter is on as well */
    bool tells;                          /* of what kills, in `told` */
};

static _Atomic int32_t *told; /* shared with the children */

static void told_open(void)
{
    told = mmap(NULL, sizeof *told, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(told != MAP_FAILED);
    atomic_store_explicit(told, -2, memory_order_relaxed);
}

static void child_run(const struct question *question, deed_function *deed)
{
    struct isle__filter_options options = question->options;
    struct rlimit no_core = {0, 0};
    CHECK_INT(setrlimit(RLIMIT_CORE, &no_core), 0);
    become_nobody();
    CHECK_INT(prctl(PR_SET_NO_NEW_PRIVS, 1L, 0L, 0L, 0L), 0);
    if (options.courier == 0)
        options.courier = -1;
    if (!takes_filters())
        _exit(REFUSED_HERE);
    if (question->below)
        put_on(ISLE__FILTER_ZYGOTE, (struct isle__filter_options){.courier = -1});
    if (question->tells)
        CHECK_ERR(isle__filter_tell(told), ISLE_OK);
    put_on(question->kind, options);
    _exit(deed());
}

/* How it ended, as waitpid says. */
static int ask(struct question question, deed_function *deed)
{
    int status;
    if (isle__machine_here() == ISLE__MACHINE_COUNT)
        skip("there is no table of system calls for this machine");
    fflush(NULL);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0)
        child_run(&question, deed);
    CHECK_INT(waitpid(child, &status, 0), child);
    if (WIFEXITED(status) && WEXITSTATUS(status) == REFUSED_HERE)
        skip("the kernel takes no filter of system calls");
    return status;
}

static void works_under(struct question question, deed_function *deed)
{
    int status = ask(question, deed);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        fail("the child ended with 0x%x", (unsigned)status);
}

/* As an isolate: alone, and above a zygote's filter. */
static void works(deed_function *deed)
{
    works_under((struct question){.kind = ISLE__FILTER_RUNS}, deed);
    works_under((struct question){.kind = ISLE__FILTER_RUNS, .below = true}, deed);
}

static void dies_of(struct question question, int signal, deed_function *deed)
{
    int status = ask(question, deed);
    if (!WIFSIGNALED(status) || WTERMSIG(status) != signal)
        fail("the child ended with 0x%x, expected signal %d", (unsigned)status, signal);
}

/* --- what libraries do */

static int allocate(void)
{
    unsigned char *blocks[64] = {NULL};
    for (unsigned round = 0; round < 40; round++)
        for (unsigned i = 0; i < 64; i++) {
            size_t size = (size_t)1 << (i % 22);
            blocks[i] = realloc(blocks[i], size + round * 100);
            CHECK(blocks[i] != NULL);
            memset(blocks[i], (int)i, size);
            if ((round + i) % 3 == 0) {
                free(blocks[i]);
                blocks[i] = NULL;
            }
        }
    for (unsigned i = 0; i < 64; i++)
        free(blocks[i]);
    unsigned char *large = malloc((size_t)64 << 20);
    CHECK(large != NULL);
    large = realloc(large, (size_t)96 << 20);
    CHECK(large != NULL);
    large[0] = large[((size_t)96 << 20) - 1] = 1;
    free(large);
    return 0;
}

TEST(memory_is_allocated_under_a_filter)
{
    works(allocate);
}

static int compare_ints(const void *a, const void *b)
{
    int x = *(const int *)a, y = *(const int *)b;
    return (x > y) - (x < y);
}

static int compute(void)
{
    enum { COUNT = 500000 };
    static int items[COUNT];
    unsigned seed = 1;
    char text[128];
    for (int i = 0; i < COUNT; i++)
        items[i] = (int)((seed = seed * 1664525 + 1013904223) >> 1);
    qsort(items, COUNT, sizeof items[0], compare_ints);
    for (int i = 1; i < COUNT; i++)
        CHECK(items[i - 1] <= items[i]);
    snprintf(text, sizeof text, "%.17g %a %Lg", 0.1, 1e300, (long double)3.5);
    CHECK(strncmp(text, "0.10000000000000001 0x1.7e43c8800759cp+996 3.5", 46) == 0);
    CHECK(strtod("1e-3", NULL) == 0.001);
    return 0;
}

TEST(computing_works_under_a_filter)
{
    works(compute);
}

static int use_libc(void)
{
    time_t now = time(NULL);
    struct tm parts;
    unsigned char bytes[300];
    char text[64];
    (void)setlocale(LC_ALL, "");
    CHECK(localtime_r(&now, &parts) != NULL);
    CHECK(strftime(text, sizeof text, "%F %A", &parts) > 0);
    CHECK_INT(getrandom(bytes, sizeof bytes, 0), sizeof bytes);
    CHECK_INT(getrandom(bytes, 16, GRND_NONBLOCK), 16);
    CHECK(sysconf(_SC_NPROCESSORS_ONLN) >= 1);
    CHECK(sysconf(_SC_PAGESIZE) >= 4096);
    CHECK(getpid() > 0);
    CHECK_INT(sched_yield(), 0);
    CHECK_INT(prctl(PR_SET_NAME, "isolate"), 0);
    FILE *missing = fopen("/etc/passwd", "r");
    CHECK(missing == NULL && errno == EACCES);
    CHECK(system(NULL) == 0 || system("true") != 0);
    return 0;
}

TEST(the_c_library_copes_under_a_filter)
{
    works(use_libc);
}

static int sleep_and_poll(void)
{
    struct timespec moment = {0, 1000000}, now, later;
    CHECK_INT(clock_gettime(CLOCK_MONOTONIC, &now), 0);
    CHECK_INT(nanosleep(&moment, NULL), 0);
    CHECK_INT(clock_nanosleep(CLOCK_MONOTONIC, 0, &moment, NULL), 0);
    CHECK_INT(ppoll(NULL, 0, &moment, NULL), 0);
    CHECK_INT(poll(NULL, 0, 1), 0);
    CHECK_INT(select(0, NULL, NULL, NULL, &(struct timeval){0, 1000}), 0);
    CHECK_INT(usleep(1000), 0);
    CHECK_INT(clock_gettime(CLOCK_MONOTONIC, &later), 0);
    CHECK(later.tv_sec > now.tv_sec || later.tv_nsec - now.tv_nsec >= 6000000);
    CHECK_INT(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now), 0);
    errno = 0;
    CHECK_INT(syscall(SYS_clock_gettime, -6L, &now), -1); /* process 0's */
    CHECK_INT(errno, EINVAL);
    return 0;
}

TEST(time_passes_under_a_filter)
{
    works(sleep_and_poll);
}

static int bell = -1;

static int ring(void)
{
    uint64_t count = 3;
    struct pollfd poll_of = {.fd = bell, .events = POLLIN};
    CHECK_INT(ppoll(&poll_of, 1, &(struct timespec){0, 0}, NULL), 0);
    CHECK_INT(write(bell, &count, sizeof count), sizeof count);
    CHECK_INT(ppoll(&poll_of, 1, NULL, NULL), 1);
    struct iovec parts = {&count, sizeof count};
    count = 0;
    CHECK_INT(readv(bell, &parts, 1), sizeof count);
    CHECK_UINT(count, 3);
    CHECK_INT(read(bell, &count, sizeof count), -1);
    CHECK_INT(errno, EAGAIN);
    /* The description is the host's as well: nobody may make it block. */
    CHECK_INT(fcntl(bell, F_SETFL, 0), -1);
    CHECK_INT(errno, EPERM);
    CHECK((fcntl(bell, F_GETFL) & O_NONBLOCK) != 0);
    CHECK(fcntl(bell, F_DUPFD_CLOEXEC, 0) > bell);
    return 0;
}

TEST(a_bell_rings_under_a_filter)
{
    bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    CHECK(bell >= 0);
    works(ring);
}

/* --- faults */

static sigjmp_buf overflowed;
static volatile int bottomless = 1;

static void on_overflow(int signal)
{
    (void)signal;
    /* The address sanitizer opens a file before whatever does not return. */
    if (strcmp(TEST_SANITIZER, "address") == 0)
        (void)syscall(SYS_exit_group, 0L);
    siglongjmp(overflowed, 1);
}

/* The thread sanitizer's runtime would be told of each call, and the stack end within it, where it
 * has taken a lock. */
#if defined __clang__ && defined __has_attribute
#if __has_attribute(disable_sanitizer_instrumentation)
#define UNTOLD __attribute__((disable_sanitizer_instrumentation))
#endif
#endif
#ifndef UNTOLD
#define UNTOLD
#endif

UNTOLD __attribute__((noinline)) static int descend(int depth)
{
    volatile char frame[4096];
    frame[0] = frame[sizeof frame - 1] = (char)depth;
    int deeper = bottomless ? descend(depth + 1) : 0;
    return deeper + frame[0];
}

static int overflow(void)
{
    static char stack[256 * 1024];
    stack_t alternate = {.ss_sp = stack, .ss_size = sizeof stack};
    struct sigaction action = {.sa_handler = on_overflow, .sa_flags = SA_ONSTACK};
    CHECK_INT(sigaltstack(&alternate, NULL), 0);
    CHECK_INT(sigaction(SIGSEGV, &action, NULL), 0);
    CHECK_INT(sigaction(SIGBUS, &action, NULL), 0);
    if (sigsetjmp(overflowed, 1) == 0)
        return descend(0) == 1 ? 2 : 3;
    return 0;
}

TEST(a_stack_overflow_is_caught_under_a_filter)
{
    works(overflow);
}

static int abort_now(void)
{
    signal(SIGABRT, SIG_DFL);
    abort();
}

TEST(abort_keeps_its_signal_under_a_filter)
{
    dies_of((struct question){.kind = ISLE__FILTER_RUNS}, SIGABRT, abort_now);
    dies_of((struct question){.kind = ISLE__FILTER_RUNS, .below = true}, SIGABRT, abort_now);
}

static int null_write(void)
{
    signal(SIGSEGV, SIG_DFL);
    *(volatile int *)(uintptr_t)(bottomless - 1) = 1;
    return 1;
}

TEST(a_fault_keeps_its_signal_under_a_filter)
{
    if (strcmp(TEST_SANITIZER, "") != 0)
        skip("the sanitizers have the signal");
    dies_of((struct question){.kind = ISLE__FILTER_RUNS}, SIGSEGV, null_write);
}

static int stop_itself(void)
{
    CHECK(raise(SIGSTOP) != 0);
    CHECK_INT(kill(getpid(), SIGSTOP), -1);
    CHECK_INT(errno, EPERM);
    CHECK_INT(kill(getppid(), 0), -1);
    CHECK_INT(errno, EPERM);
    CHECK_INT(syscall(SYS_tgkill, 1L, 1L, 0L), -1);
    CHECK_INT(errno, EPERM);
    return 0;
}

TEST(signals_go_to_nobody_else_under_a_filter)
{
    works(stop_itself);
}

/* --- threads */

static struct {
    pthread_mutex_t lock;
    pthread_cond_t turned;
    int turn, finished;
} ring_of_threads = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, 0};
enum { THREAD_COUNT = 4, TURNS = 2000 };

static void *take_turns(void *argument)
{
    int mine = *(const int *)argument;
    void *memory = malloc(100000);
    for (int i = 0; i < TURNS; i++) {
        pthread_mutex_lock(&ring_of_threads.lock);
        while (ring_of_threads.turn % THREAD_COUNT != mine)
            pthread_cond_wait(&ring_of_threads.turned, &ring_of_threads.lock);
        ring_of_threads.turn++;
        pthread_cond_broadcast(&ring_of_threads.turned);
        pthread_mutex_unlock(&ring_of_threads.lock);
    }
    free(memory);
    return NULL;
}

static int run_threads(void)
{
    static int numbers[THREAD_COUNT];
    pthread_t threads[THREAD_COUNT];
    for (int i = 0; i < THREAD_COUNT; i++) {
        numbers[i] = i;
        CHECK_INT(pthread_create(&threads[i], NULL, take_turns, &numbers[i]), 0);
    }
    for (int i = 0; i < THREAD_COUNT; i++)
        CHECK_INT(pthread_join(threads[i], NULL), 0);
    CHECK_INT(ring_of_threads.turn, THREAD_COUNT * TURNS);
    return 0;
}

static void *nothing(void *argument)
{
    return argument;
}

static int fail_to_make_a_thread(void)
{
    pthread_t thread;
    CHECK_INT(pthread_create(&thread, NULL, nothing, NULL), EAGAIN);
    CHECK_INT(fork(), -1);
    CHECK_INT(errno, EPERM);
    return 0;
}

TEST(threads_run_where_they_are_granted)
{
    struct isle__filter_options granted = {.threads = true};
    works_under((struct question){.kind = ISLE__FILTER_RUNS, .options = granted}, run_threads);
    works_under((struct question){.kind = ISLE__FILTER_RUNS, .options = granted, .below = true},
                run_threads);
    granted.strict = true;
    works_under((struct question){.kind = ISLE__FILTER_RUNS, .options = granted}, run_threads);
}

TEST(threads_that_are_not_granted_are_refused)
{
    if (strcmp(TEST_SANITIZER, "thread") == 0)
        skip("the thread sanitizer ends a program that can have no thread");
    works(fail_to_make_a_thread);
}

/* --- what is granted */

static int read_files(void)
{
    char text[64];
    struct stat seen;
    int fd = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
    CHECK(fd >= 0);
    CHECK(read(fd, text, sizeof text) > 0);
    CHECK(pread(fd, text, sizeof text, 1) > 0);
    CHECK_INT(fstat(fd, &seen), 0);
    CHECK_INT(stat("/", &seen), 0);
    CHECK_INT(open("/tmp/isle_filter_test", O_WRONLY | O_CREAT | O_CLOEXEC, 0600), -1);
    CHECK_INT(errno, EACCES);
    FILE *file = fopen("/proc/self/stat", "r");
    CHECK(file != NULL && fgets(text, sizeof text, file) != NULL);
    fclose(file);
    return 0;
}

TEST(files_are_read_where_that_is_granted)
{
    works_under((struct question){.kind = ISLE__FILTER_RUNS, .options = {.reads = true}},
                read_files);
    works_under(
        (struct question){.kind = ISLE__FILTER_RUNS, .options = {.reads = true}, .below = true},
        read_files);
    works_under((struct question){.kind = ISLE__FILTER_LOADS}, read_files);
}

static int courier[2] = {-1, -1};

static ssize_t receive(int fd, int flags)
{
    char byte;
    char room[CMSG_SPACE(sizeof(int))];
    struct iovec part = {&byte, 1};
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof room};
    return recvmsg(fd, &message, flags);
}

static int receive_from_courier(void)
{
    CHECK_INT(receive(courier[0], MSG_DONTWAIT | MSG_CMSG_CLOEXEC), 1);
    CHECK_INT(receive(courier[0], MSG_PEEK), -1);
    CHECK_INT(errno, EPERM);
    CHECK_INT(receive(courier[1], MSG_DONTWAIT), -1);
    CHECK_INT(errno, EPERM);
    return 0;
}

static int receive_from_another(void)
{
    return receive(courier[1], MSG_DONTWAIT) < 0 ? 1 : 2;
}

TEST(only_the_courier_is_received_from)
{
    CHECK_INT(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, courier), 0);
    CHECK_INT(write(courier[1], "x", 1), 1);
    works_under((struct question){.kind = ISLE__FILTER_RUNS, .options = {.courier = courier[0]}},
                receive_from_courier);
    dies_of((struct question){.kind = ISLE__FILTER_RUNS}, SIGSYS, receive_from_another);
}

/* --- what kills */

static int attach(void)
{
    return (int)syscall(SYS_ptrace, 16L, 1L, 0L, 0L) == 0 ? 1 : 2;
}

static int no_number(void)
{
    return (int)syscall(-1L) == 0 ? 1 : 2;
}

static int future_number(void)
{
    CHECK_INT(syscall(1000L), -1);
    CHECK_INT(errno, ENOSYS);
    return 0;
}

static int open_a_socket(void)
{
    CHECK_INT(socket(AF_INET, SOCK_STREAM, 0), -1);
    CHECK_INT(errno, EACCES);
    return 0;
}

TEST(a_forbidden_call_kills)
{
    struct question runs = {.kind = ISLE__FILTER_RUNS};
    dies_of(runs, SIGSYS, attach);
    dies_of(runs, SIGSYS, no_number);
    works(future_number);
    works(open_a_socket);
    runs.options.strict = true;
    dies_of(runs, SIGSYS, open_a_socket);
    runs.below = true;
    dies_of(runs, SIGSYS, open_a_socket);
    runs.kind = ISLE__FILTER_ZYGOTE;
    dies_of(runs, SIGSYS, attach);
}

#if defined(__x86_64__)
static int call_as_x32(void)
{
    return (int)syscall(0x40000000L + SYS_getpid) == 0 ? 1 : 2;
}

static int call_as_i386(void)
{
    int result;
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(20) : "memory", "r8", "r9", "r10", "r11");
    return result > 0 ? 1 : 2;
}

TEST(other_ways_into_the_kernel_kill)
{
    struct question runs = {.kind = ISLE__FILTER_RUNS};
    dies_of(runs, SIGSYS, call_as_x32);
    int status = ask(runs, call_as_i386);
    /* A kernel without that entry makes it a fault. */
    CHECK(WIFSIGNALED(status));
    CHECK(WTERMSIG(status) == SIGSYS || WTERMSIG(status) == SIGSEGV);
}
#endif

/* A handler of its own would outlive what it did. */
static int take_the_handler_out(void)
{
    CHECK(signal(SIGSYS, SIG_IGN) == SIG_ERR);
    CHECK_INT(errno, EPERM);
    sigset_t all;
    sigfillset(&all);
    CHECK_INT(sigprocmask(SIG_BLOCK, &all, NULL), 0);
    return attach();
}

static void tells(struct question question, int32_t number, deed_function *deed)
{
    atomic_store_explicit(told, -2, memory_order_relaxed);
    dies_of(question, SIGSYS, deed);
    CHECK_INT(atomic_load_explicit(told, memory_order_relaxed), number);
}

TEST(who_audits_tells_the_number)
{
    struct question audits = {.kind = ISLE__FILTER_RUNS, .options = {.audit = true}, .tells = true};
    told_open();
    tells(audits, SYS_ptrace, attach);
    tells(audits, -1, no_number);
    audits.below = true;
    tells(audits, SYS_ptrace, attach);
    audits.kind = ISLE__FILTER_LOADS;
    tells(audits, SYS_ptrace, attach);
    audits.options.strict = true;
    tells(audits, SYS_socket, open_a_socket);
    /* Blocked, it dies without telling. */
    audits.options.strict = false;
    tells(audits, -2, take_the_handler_out);
}

static int raise_it(void)
{
    return raise(SIGSYS);
}

TEST(a_raised_signal_is_no_call)
{
    struct question audits = {.kind = ISLE__FILTER_RUNS, .options = {.audit = true}, .tells = true};
    told_open();
    tells(audits, -1, raise_it);
}

/* As glibc 2.33 to 2.38 do it. */
static long stat_by(int fd, const char *name, struct stat *status, int flags)
{
    return syscall(SYS_newfstatat, fd, name, status, flags);
}

static int given; /* a descriptor that is open before the filter */

static int stat_what_is_given(void)
{
    struct stat plain, status;
    CHECK_INT(syscall(SYS_fstat, given, &plain), 0);
    errno = 4711;
    CHECK_INT(stat_by(given, "", &status, AT_EMPTY_PATH), 0);
    CHECK_INT(errno, 4711);
    CHECK(status.st_ino == plain.st_ino && status.st_size == plain.st_size && plain.st_size > 0);
    CHECK_INT(stat_by(given, NULL, &status, AT_EMPTY_PATH), 0);
    CHECK_INT(fstat(given, &status), 0);
    CHECK(status.st_ino == plain.st_ino);
    CHECK(stat_by(1 << 20, "", &status, AT_EMPTY_PATH) == -1 && errno == EBADF);
    CHECK(stat_by(AT_FDCWD, "", &status, AT_EMPTY_PATH) == -1 && errno == EBADF);
    CHECK(stat_by(AT_FDCWD, "/", &status, AT_EMPTY_PATH) == -1 && errno == EACCES);
    CHECK(stat_by(given, "..", &status, AT_EMPTY_PATH) == -1 && errno == EACCES);
    CHECK(stat_by(given, "", &status, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) == -1);
    CHECK_INT(errno, EACCES);
    CHECK(stat_by(AT_FDCWD, "/etc/passwd", &status, 0) == -1 && errno == EACCES);
    return 0;
}

TEST(who_audits_can_stat_what_is_given_and_no_name)
{
    struct question audits = {.kind = ISLE__FILTER_RUNS, .options = {.audit = true}, .tells = true};
    told_open();
    given = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    CHECK(given >= 0);
    works_under(audits, stat_what_is_given);
    audits.below = true;
    works_under(audits, stat_what_is_given);
    audits.options.strict = true;
    works_under(audits, stat_what_is_given);
    CHECK_INT(atomic_load_explicit(told, memory_order_relaxed), -2);
}

static int stat_deaf(void)
{
    struct stat status;
    sigset_t all;
    sigfillset(&all);
    CHECK_INT(sigprocmask(SIG_BLOCK, &all, NULL), 0);
    return (int)stat_by(given, "", &status, AT_EMPTY_PATH);
}

TEST(who_blocks_the_signal_dies_of_what_it_would_have_answered)
{
    struct question audits = {.kind = ISLE__FILTER_RUNS, .options = {.audit = true}, .tells = true};
    told_open();
    tells(audits, -2, stat_deaf);
}

/* --- loading code, then running it */

static int become_an_isolate(void)
{
    struct isle__filter_options options = {.courier = -1, .own_pid = (uint32_t)getpid()};
    void *code;
    int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    CHECK(fd >= 0);
    code = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
    CHECK(code != MAP_FAILED);
    CHECK(mprotect(code, 4096, PROT_READ | PROT_WRITE) == 0);
    CHECK(mprotect(code, 4096, PROT_READ | PROT_EXEC) != 0 && errno == EACCES);
    CHECK_ERR(isle__filter_install(ISLE__FILTER_RUNS, &options), ISLE_OK);
    CHECK(mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0) == MAP_FAILED);
    CHECK_INT(errno, EACCES);
    CHECK(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0) != MAP_FAILED);
    CHECK_INT(open("/proc/self/exe", O_RDONLY | O_CLOEXEC), -1);
    CHECK_INT(errno, EACCES);
    CHECK(isle__filter_install(ISLE__FILTER_RUNS, &options) == ISLE_ESYSTEM);
    return use_libc();
}

TEST(a_child_loads_and_then_runs)
{
    works_under((struct question){.kind = ISLE__FILTER_LOADS}, become_an_isolate);
    works_under((struct question){.kind = ISLE__FILTER_LOADS, .below = true}, become_an_isolate);
}

/* Of the C library, and not loaded before. */
static const char *const object = "libresolv.so.2";

static int load(void)
{
    struct isle__filter_options options = {.courier = -1, .own_pid = (uint32_t)getpid()};
    void *loaded = dlopen(object, RTLD_NOW | RTLD_LOCAL);
    if (loaded == NULL)
        fail("%s", dlerror());
    CHECK(dlsym(loaded, "ns_name_pton") != NULL || dlsym(loaded, "__res_hostalias") != NULL);
    CHECK_ERR(isle__filter_install(ISLE__FILTER_RUNS, &options), ISLE_OK);
    CHECK(dlopen("libanl.so.1", RTLD_NOW) == NULL);
    return dlclose(loaded);
}

TEST(an_object_is_loaded_before_it_runs)
{
    works_under((struct question){.kind = ISLE__FILTER_LOADS}, load);
    works_under((struct question){.kind = ISLE__FILTER_LOADS, .below = true}, load);
}

/* A zygote forks, is sent descriptors, knows how its children ended. */
static int be_a_zygote(void)
{
    siginfo_t how = {0};
    pid_t child = fork();
    if (child == 0) {
        CHECK_INT(prctl(PR_SET_PDEATHSIG, SIGKILL), 0);
        CHECK(getppid() > 0);
        CHECK(dup3(bell, 200, O_CLOEXEC) == 200);
        CHECK_INT(syscall(SYS_close_range, 201L, 4294967295L, 0L), 0);
        struct rlimit limit = {16, 16};
        CHECK_INT(setrlimit(RLIMIT_NOFILE, &limit), 0);
        put_on(ISLE__FILTER_RUNS, (struct isle__filter_options){.courier = -1});
        _exit(use_libc() == 0 ? 42 : 1);
    }
    CHECK(child > 0);
    CHECK(syscall(SYS_pidfd_open, (long)child, 0L) >= 0);
    CHECK_INT(waitid(P_PID, (id_t)child, &how, WEXITED), 0);
    CHECK_INT(how.si_status, 42);
    CHECK_INT(receive(courier[0], MSG_DONTWAIT | MSG_CMSG_CLOEXEC), 1);
    return 0;
}

static int zygote(void)
{
    struct iovec part = {(char[]){'y'}, 1};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    CHECK_INT(sendmsg(courier[0], &message, MSG_NOSIGNAL), 1);
    CHECK_INT(syscall(SYS_kill, 1L, 0L), -1);
    CHECK_INT(errno, EPERM);
    return be_a_zygote();
}

TEST(a_zygote_serves_under_its_filter)
{
    bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    CHECK(bell >= 0);
    CHECK_INT(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, courier), 0);
    CHECK_INT(write(courier[1], "x", 1), 1);
    works_under((struct question){.kind = ISLE__FILTER_ZYGOTE}, zygote);
}

TEST_MAIN()
